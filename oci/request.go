package oci

import "context"

// Request says for whom commands are sent, and how urgent they are. It decides who of
// several waiting callers gets the next session; see [WithRequest].
type Request struct {
	// Caller identifies who asks for the commands. Sessions are shared among callers
	// while several want more than there are. Empty is the program itself.
	Caller string
	// Weight is the caller's share in comparison with others; 0 counts as 1.
	Weight int
	// MaxSessions is how many sessions the caller may use at a time, 0 for no limit
	// besides [Options.MaxSessions].
	MaxSessions int
	// Write reports whether the commands belong to a write. Then those after its first
	// precede the commands of requests that have not begun.
	Write bool
	// Urgent reports whether all its commands precede the commands of requests that
	// have not begun. It is meant for readings that find out the outcome of a write,
	// of which there are few at a time.
	Urgent bool
}

// progress is a Request and what is known about its progress.
type progress struct {
	Request

	// Guarded by the pool's mutex.
	begun bool   // it has had a session
	age   uint64 // its number among the requests; 0 before the first session is wanted
}

type requestKey struct{}

// WithRequest returns a context whose commands are sent for that request. All commands
// of one request must have a context that descends from the one that WithRequest has
// returned. Commands whose context has no request are those of the program itself, each
// a request of its own.
func WithRequest(ctx context.Context, r Request) context.Context {
	return context.WithValue(ctx, requestKey{}, &progress{Request: r})
}

// RequestOf returns the request of a context, and whether it has one: see [WithRequest].
func RequestOf(ctx context.Context) (Request, bool) {
	of := progressOf(ctx)
	return of.request(), of != nil
}

// progressOf returns the request of a context, nil for none: such a command is a request
// of the program itself.
func progressOf(ctx context.Context) *progress {
	of, _ := ctx.Value(requestKey{}).(*progress)
	return of
}

// request returns the request; that of the program for nil.
func (of *progress) request() Request {
	if of == nil {
		return Request{}
	}
	return of.Request
}
