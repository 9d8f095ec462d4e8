package oci

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"syscall"
	"time"
)

// endpoint is one address of the platform and what we know of it. Its
// changing part is guarded by the pool's mutex.
type endpoint struct {
	Endpoint
	options *Options
	dialect *dialect

	failures   int       // tries that failed since a session proved to be good
	barrenRow  int       // sessions in a row that ended without an answer
	retryAt    time.Time // no try before
	connecting bool

	sourceFailure string // of PasswordSource when it was last called, empty where it worked
	health        health

	certificateEnds atomic.Pointer[time.Time] // of the certificate that was presented last; nil before
}

func newEndpoint(e Endpoint, options *Options) *endpoint {
	e.Name = cmp.Or(e.Name, e.Address)
	e.Login = cmp.Or(e.Login, LoginAuto)
	if e.TLS != nil {
		e.TLS = e.completeTLS(e.TLS)
	}
	changed := func(d Dialect) { options.Trace.dialectChanged(e.Name, d) }
	return &endpoint{Endpoint: e, options: options, dialect: newDialect(options.Release, changed)}
}

// loginMethods are the ways to try, in order.
func (e *endpoint) loginMethods() []LoginMethod {
	switch {
	case e.Login != LoginAuto:
		return []LoginMethod{e.Login}
	case e.TLS == nil:
		return []LoginMethod{LoginSigned}
	}
	var methods []LoginMethod
	for _, form := range e.dialect.forms(loginFeature) {
		methods = append(methods, loginMethods[form.name])
	}
	return methods
}

// connect makes a connection. Errors are of type [*ConnectError].
func (e *endpoint) connect(ctx context.Context) (line, error) {
	ctx, cancel := within(ctx, e.options.ConnectTimeout)
	defer cancel()
	conn, err := e.options.Dial(ctx, "tcp", e.Address)
	if err != nil {
		return line{}, e.failure(ctx, StageDial, line{}, err)
	}
	plain := newLine(conn)
	if e.TLS == nil {
		return plain, nil
	}
	above, secured := plain.secure(e.currentTLS())
	if err := e.handshake(ctx, secured); err != nil {
		_ = conn.Close()
		return line{}, e.failure(ctx, StageTLS, plain, err)
	}
	return above, nil
}

// opening is all that a session is made with, besides its endpoint.
type opening struct {
	userID   string
	password Secret
	// ours says that the account is the endpoint's own. What the platform
	// understands is then learned, and its release detected.
	ours bool
	run  func(func())          // starts the session's reader
	died func(*session, error) // is called when the session has ended, also where the login failed
}

// open makes a connection and logs in. Where that teaches that the platform
// does not have a form, it is done again without that one. Errors are of type
// [*ConnectError].
func (e *endpoint) open(ctx context.Context, o opening) (*session, Identity, error) {
	for {
		s, who, err := e.openOnce(ctx, o)
		if _, other := errors.AsType[*otherFormError](err); !other {
			return s, who, err
		}
	}
}

// otherFormError reports that the platform has closed the connection in response
// to a form, which counts as unsupported from now on.
type otherFormError struct{ error }

func (e *otherFormError) Unwrap() error { return e.error }

func (e *endpoint) openOnce(ctx context.Context, o opening) (*session, Identity, error) {
	conn, err := e.connect(ctx)
	if err != nil {
		return nil, Identity{}, err
	}
	s := newSession(e, conn, o.died)
	s.ours = o.ours
	o.run(s.readAll)
	stage := StageLogin
	who, err := s.login(ctx, o.userID, o.password)
	if err == nil && o.ours {
		stage = StageVersion
		err = s.detect(ctx)
	}
	if err != nil {
		s.kill(err)
		return nil, Identity{}, e.failure(ctx, stage, conn, whyEnded(err))
	}
	return s, who, nil
}

// noteClosed records a connection that the platform has closed in response to an
// optional command that was alone in its document, and reports whether the
// command counts as unsupported from now on.
func (e *endpoint) noteClosed(document []Command, err error) bool {
	name := document[0].Name()
	f := formOf[name]
	return len(document) == 1 && f != nil && f.optional && closedByPeer(err) && e.dialect.wasClosed(name, closedApart)
}

// lostRead is the error of a read whose answer is lost.
func (e *endpoint) lostRead(document []Command, err error) error {
	if !e.noteClosed(document, err) {
		return err
	}
	return e.unsupported(formOf[document[0].Name()], whyEnded(err))
}

// unsupported is the error that the endpoint has no form of a feature. why is how
// it refused the last one, or nil.
func (e *endpoint) unsupported(f *feature, why error) *UnsupportedError {
	return &UnsupportedError{Endpoint: e.Name, Command: f.forms[0].name, Release: e.dialect.inForce(), Err: why}
}

// closedByPeer reports whether the other side has closed or reset the
// connection.
func closedByPeer(err error) bool {
	for _, ending := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, ending) {
			return true
		}
	}
	return false
}

// whyEnded is what ended a login's session. Where and when stands in the
// ConnectError.
func whyEnded(err error) error {
	if other, ok := errors.AsType[*otherFormError](err); ok {
		return &otherFormError{whyEnded(other.error)}
	}
	if unsent, ok := errors.AsType[*UnsentError](err); ok {
		return unsent.Err
	}
	if lost, ok := errors.AsType[*LostError](err); ok {
		return lost.Err
	}
	return err
}

// maxDoublings is more than it takes from any first pause to any last one.
const maxDoublings = 40

// doubled is a pause after so many doublings, and at most longest.
func doubled(pause time.Duration, times int, longest time.Duration) time.Duration {
	pause = min(pause, longest)
	for range min(times, maxDoublings) {
		pause = min(2*pause, longest)
	}
	return pause
}

// failed notes a try that failed and when the next one is due.
func (e *endpoint) failed(now time.Time) {
	pause := doubled(e.options.BackoffInitial, e.failures, e.options.BackoffMax)
	e.failures++
	e.retryAt = now.Add(shorten(pause, e.options.Jitter))
}

// barrenSessions in a row are put down to chance; any more count as failed
// tries.
const barrenSessions = 2

// barren notes a session that ended before it brought an answer, and tells
// whether that counts as a failed try. A platform that lets us in only to end
// the session is not to be logged in to over and over.
func (e *endpoint) barren(now time.Time) bool {
	e.barrenRow++
	if e.barrenRow <= barrenSessions {
		return false
	}
	e.failed(now)
	return true
}

// pause is how much longer the endpoint rests.
func (e *endpoint) pause(now time.Time) time.Duration { return max(0, e.retryAt.Sub(now)) }

// succeeded notes that a session proved to be good.
func (e *endpoint) succeeded() {
	e.failures, e.barrenRow = 0, 0
	e.retryAt = time.Time{}
	e.health.works()
}

// shorten takes a random part of up to that fraction off a duration.
func shorten(d time.Duration, fraction float64) time.Duration {
	return d - time.Duration(rand.Float64()*fraction*float64(d)) //nolint:gosec // spreads load, keeps no secret
}
