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
}

// An Engine reads the platform for the services. It caches which targets are in
// which contexts, and the names of departments. It is safe for concurrent use:
// both caches lock themselves, and no lock is held during a read.
type Engine struct {
	reader      Reader
	errors      PlatformErrors
	charset     scope.Charset
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
	return &Engine{
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
