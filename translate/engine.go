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

// Options are what [New] needs. All of them may be left out.
type Options struct {
	// Reader is the platform. Without one nothing can be asked, and every attempt
	// is an error: such an engine is for the description of endpoints.
	Reader Reader
	// ContextTTL is how long it is remembered that a target is in a [Context].
	// With 0 the platform is asked for every request.
	ContextTTL time.Duration
	// PlatformErrors is NewPlatformErrors(nil) where it is its zero value.
	PlatformErrors PlatformErrors
	// Charset is what the platform can hold of ids; where it is nil, everything.
	Charset scope.Charset
}

// Engine asks the platform for the services, and remembers for a time what it
// was answered. It may be used by several goroutines at a time.
type Engine struct {
	reader      Reader
	errors      PlatformErrors
	charset     scope.Charset
	contexts    *contexts
	departments *departments
}

// New makes an engine.
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

// noReader stands for the platform where there is none.
type noReader struct{}

var errNoReader = errors.New("translate: the engine was made without a Reader")

func (noReader) Read(context.Context, ...oci.Read) ([]oci.Reply, error) { return nil, errNoReader }

// Problems are all the reasons for which the ids of a target cannot be the
// platform's, by the names of the scope's parameters.
func (e *Engine) Problems(s scope.Scope, target scope.Target) []errcode.Problem {
	return s.Problems(target, e.charset)
}

// Read asks the platform, all commands in one document. There is a reply for each
// command, in their order. Its errors wrap the Reader's.
func (e *Engine) Read(ctx context.Context, commands ...oci.Read) ([]oci.Reply, error) {
	replies, err := e.reader.Read(ctx, commands...)
	if err != nil {
		return nil, fmt.Errorf("translate: asking %s: %w", commands[0].Name(), err)
	}
	if len(replies) != len(commands) {
		return nil, errcode.Wrap(errcode.PlatformError,
			fmt.Errorf("translate: %d commands got %d replies", len(commands), len(replies)))
	}
	return replies, nil
}
