package translate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ocigate/oci"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// Options configure an [Engine]. The zero value is valid.
type Options struct {
	// Reader is the platform. If it is nil, every read fails; such an engine is
	// only good for the descriptions of operations.
	Reader Reader
	// ContextTTL is how long the engine caches that a target is in a [Context].
	// If it is 0, every request reads the context.
	ContextTTL time.Duration
	// PlatformErrors is NewPlatformErrors(nil) if it is the zero value.
	PlatformErrors PlatformErrors
	// Charset reports which ids the platform can hold. If it is nil, it can hold
	// all.
	Charset scope.Charset
	// MaxEntries is the most entries that a request may have in all its lists
	// together, and the most that it may remove without naming them. If it is 0, or
	// above the constant [MaxEntries], it is that constant.
	MaxEntries int
}

// An Engine reads the platform for the services. It caches which targets are in
// which contexts, and the names of departments. It is safe for concurrent use:
// both caches lock themselves, and no lock is held during a read.
type Engine struct {
	reader      Reader
	errors      PlatformErrors
	charset     scope.Charset
	maxEntries  int
	contexts    *contexts
	departments *departments
}

// New returns an engine with the options.
func New(o Options) *Engine {
	if o.Reader == nil {
		o.Reader = noReader{}
	}
	if o.PlatformErrors.numbers == nil {
		o.PlatformErrors = NewPlatformErrors(nil)
	}
	if o.MaxEntries <= 0 || o.MaxEntries > MaxEntries {
		o.MaxEntries = MaxEntries
	}
	return &Engine{
		maxEntries:  o.MaxEntries,
		reader:      o.Reader,
		errors:      o.PlatformErrors,
		charset:     o.Charset,
		contexts:    newContexts(o.ContextTTL),
		departments: newDepartments(),
	}
}

// noReader is the Reader of an engine that was made without one.
type noReader struct{}

var errNoReader = errors.New("translate: the engine was made without a Reader")

// Read returns errNoReader.
func (noReader) Read(context.Context, ...oci.Read) ([]oci.Reply, error) { return nil, errNoReader }

// Decode decodes a request body as [Shape.Decode] does. A body with more entries than
// Options.MaxEntries is invalid: the error is InvalidParameters.
func (e *Engine) Decode(s *Shape, body []byte) (Input, error) { return s.decode(body, e.maxEntries) }

// MaxEntries returns the most entries that a request may have, and the most that it may
// remove without naming them.
func (e *Engine) MaxEntries() int { return e.maxEntries }

// Problems returns all reasons for which the ids of a target cannot be ids of the
// platform. Each names its parameter of the scope.
func (e *Engine) Problems(s scope.Scope, target scope.Target) []errcode.Problem {
	return s.Problems(target, e.charset)
}

// Read sends the commands in one document and returns one reply for each, in
// their order. Its errors wrap the Reader's; another number of replies is a
// PlatformError. There must be one command or more.
func (e *Engine) Read(ctx context.Context, commands ...oci.Read) ([]oci.Reply, error) {
	replies, err := e.reader.Read(ctx, commands...)
	if err != nil {
		return nil, fmt.Errorf("translate: read %s: %w", commands[0].Name(), err)
	}
	if len(replies) != len(commands) {
		return nil, errcode.Wrap(errcode.PlatformError,
			fmt.Errorf("translate: the Reader returned %d replies to %d commands", len(replies), len(commands)))
	}
	return replies, nil
}
