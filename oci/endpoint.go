package oci

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"syscall"
	"time"
)

// endpoint is one address of the platform and what the client has learned about
// it. The pool has a table of its states. The fields without a comment never change.
type endpoint struct {
	Name, Address string
	UserID        string
	Login         LoginMethod
	secured       bool // it is reached over TLS
	// options are those that the endpoint was made with. Its sessions depend on them,
	// so an endpoint with other session options (see shape) is another object. All
	// other options are read from live.
	options *Options
	live    *atomic.Pointer[Options] // the client's current options
	secrets atomic.Pointer[secrets]  // replaced by Reconfigure
	dialect *dialect                 // has its own mutex

	// Guarded by the pool's mutex.
	password      Secret    // the last one that was given or read
	failures      int       // failed attempts since a session has brought a reply
	unproductive  int       // sessions in a row that ended without a reply after the login
	retryAt       time.Time // no attempt before
	deferred      bool      // only Reconfigure or errPutOff is the cause of the backoff: callers wait for its end
	sourceFailure string    // of the last call of PasswordSource; empty after a success
	health        health
	silent        bool          // no session has brought a reply since one timed out; see noteSilentLocked
	reached       bool          // a connection was made since the last attempt, which has failed in the login
	replaced      bool          // it is not among the pool's endpoints any more
	successor     *endpoint     // has the same address and account, if it was replaced; else nil
	removedAt     time.Time     // when it was replaced without a successor
	loggedInAt    time.Time     // of the last login; zero if an attempt has failed or a session has broken since
	loggedInWith  Secret        // the password of that login
	loginTook     time.Duration // how long that attempt took; 0 before
	briefAt       time.Time     // when a session ended last that had lasted for less than that

	// suspectBefore is before when its sessions must have brought their last reply to be
	// probed before a caller gets them, and suspectedFor is why: see suspect.go.
	suspectBefore time.Time
	suspectedFor  error

	slow      bool      // it has lost its preference because others are faster; see slow.go
	slowSince time.Time // when slow changed last
	heardAt   time.Time // when a session was given back last after a reply
	measureAt time.Time // of a slow endpoint: no measurement before

	pinged          atomic.Pointer[measurement] // the last one; nil before
	slowReply       atomic.Pointer[time.Time]   // when a reply took longer than SlowAfter last; nil before
	usual           usualTime                   // for a reply to a command of a caller
	certificateEnds atomic.Pointer[time.Time]   // expiry of the certificate that was presented last; nil before
}

// secrets holds what an endpoint proves its identity with, and what the platform proves
// its identity with. None of it ends sessions when it changes.
type secrets struct {
	tls            *tls.Config // complete; nil without TLS
	tlsSource      func() *tls.Config
	passwordSource func() (Secret, error)
}

// newEndpoint makes an endpoint whose current options are those that it is made with.
func newEndpoint(e Endpoint, options *Options) *endpoint {
	made := &endpoint{
		Name: cmp.Or(e.Name, e.Address), Address: e.Address, UserID: e.UserID, Login: cmp.Or(e.Login, LoginAuto), secured: e.TLS != nil,
		options: options, live: new(atomic.Pointer[Options]), password: e.Password,
	}
	made.live.Store(options)
	with := &secrets{tlsSource: e.TLSSource, passwordSource: e.PasswordSource}
	if made.secured {
		with.tls = made.completeTLS(e.TLS)
	}
	made.secrets.Store(with)
	made.dialect = newDialect(options.Release, made.dialectChanged)
	return made
}

// dialectChanged calls the hook for a change of the endpoint's dialect.
func (e *endpoint) dialectChanged(d Dialect) { e.options.Trace.dialectChanged(e.Name, d) }

// loginMethods returns the login methods to try, in order.
func (e *endpoint) loginMethods() []LoginMethod {
	switch {
	case e.Login != LoginAuto:
		return []LoginMethod{e.Login}
	case !e.secured:
		return []LoginMethod{LoginSigned}
	}
	var methods []LoginMethod
	for _, form := range e.dialect.forms(loginFeature) {
		methods = append(methods, loginMethods[form.name])
	}
	return methods
}

// connect makes a connection, with TLS if the endpoint has it. Errors are of type
// [*ConnectError].
func (e *endpoint) connect(ctx context.Context) (line, error) { return e.connectIn(ctx, nil) }

// connectIn is connect. It notes how long the stages took.
func (e *endpoint) connectIn(ctx context.Context, took *stageTimes) (line, error) {
	ctx, cancel := within(ctx, e.options.ConnectTimeout)
	defer cancel()
	began := time.Now()
	plain, err := e.dial(ctx)
	took.dialed(began)
	if err != nil || !e.secured {
		return plain, err
	}
	began = time.Now()
	above, _, err := e.secure(ctx, plain)
	took.secured(began)
	return above, err
}

// dial makes a connection without TLS. Errors are of type [*ConnectError].
func (e *endpoint) dial(ctx context.Context) (line, error) {
	conn, err := e.options.Dial(ctx, "tcp", e.Address)
	if err != nil {
		return line{}, e.failure(ctx, StageDial, line{}, err)
	}
	made := newLine(conn)
	made.socket.endIfPeerIsDead(e.options.DeadPeerTimeout)
	return made, nil
}

// secure makes the TLS handshake on a connection, which it closes if that fails. Errors
// are of type [*ConnectError].
func (e *endpoint) secure(ctx context.Context, plain line) (line, *tls.Conn, error) {
	above, secured := plain.secure(e.currentTLS())
	if err := e.handshake(ctx, secured); err != nil {
		_ = plain.Close()
		return line{}, nil, e.failure(ctx, StageTLS, plain, err)
	}
	return above, secured, nil
}

// opening holds all that a session is made with, besides its endpoint.
type opening struct {
	userID   string
	password Secret
	// ownAccount says that the account is the endpoint's own. Then the platform's
	// release is detected, and the client learns from the replies which forms the
	// platform supports.
	ownAccount bool
	run        func(func())          // starts the session's reader
	onClose    func(*session, error) // called when the session has been closed, also after a failed login
	stages     *stageTimes           // notes how long the connection took; may be nil
}

// open makes a connection and logs in. If the platform closes the connection
// because it does not support a form, open tries again without that form. Errors
// are of type [*ConnectError].
func (e *endpoint) open(ctx context.Context, o opening) (*session, Identity, error) {
	for {
		s, who, err := e.openOnce(ctx, o)
		if _, other := errors.AsType[*otherFormError](err); !other {
			return s, who, err
		}
	}
}

// otherFormError means that the platform has closed the connection in response
// to a form, which counts as unsupported from now on.
type otherFormError struct{ error }

func (e *otherFormError) Unwrap() error { return e.error }

// openOnce makes one connection and logs in.
func (e *endpoint) openOnce(ctx context.Context, o opening) (*session, Identity, error) {
	conn, err := e.connectIn(ctx, o.stages)
	if err != nil {
		return nil, Identity{}, err
	}
	s := newSession(e, conn, o.onClose)
	s.ownAccount = o.ownAccount
	o.run(s.readAll)
	stage := StageLogin
	who, err := s.login(ctx, o.userID, o.password)
	if err == nil && o.ownAccount {
		stage = StageVersion
		err = s.detect(ctx)
	}
	if err != nil {
		s.close(err)
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
	return len(document) == 1 && f != nil && f.optional && closedByPeer(err) && e.dialect.noteClosed(name, closedApart)
}

// lostRead returns the error of a read whose reply is lost.
func (e *endpoint) lostRead(document []Command, err error) error {
	if !e.noteClosed(document, err) {
		return err
	}
	return e.unsupported(formOf[document[0].Name()], whyEnded(err))
}

// unsupported returns the error that the endpoint supports no form of a feature.
// why is how it refused the last form, or nil.
func (e *endpoint) unsupported(f *feature, why error) *UnsupportedError {
	return &UnsupportedError{Endpoint: e.Name, Command: f.forms[0].name, Release: e.dialect.effectiveRelease(), Err: why}
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

// whyEnded returns the cause of the end of a session during its login, without
// the endpoint and stage, which are in the ConnectError.
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

// maxDoublings is more than any backoff needs from its first to its last value.
const maxDoublings = 40

// doubled returns a pause after that many doublings, at most longest.
func doubled(pause time.Duration, times int, longest time.Duration) time.Duration {
	pause = min(pause, longest)
	for range min(times, maxDoublings) {
		pause = min(2*pause, longest)
	}
	return pause
}

// noteFailureLocked records a failed attempt, and when the next one is due. The
// caller holds the pool's mutex.
func (e *endpoint) noteFailureLocked(now time.Time) {
	o := e.live.Load()
	pause := doubled(o.BackoffInitial, e.failures, o.BackoffMax)
	e.failures++
	e.retryAt = now.Add(shorten(pause, o.Jitter))
	e.deferred = false
}

// unproductiveSessions is how many sessions in a row may end without a reply after
// the login by chance. Any more count as failed attempts.
const unproductiveSessions = 2

// noteUnproductiveLocked records a session that ended without a reply after the
// login, and reports whether it counts as a failed attempt: the client must not log
// in again and again if the platform ends every session. The caller holds the
// pool's mutex.
func (e *endpoint) noteUnproductiveLocked(now time.Time) bool {
	e.unproductive++
	if e.unproductive <= unproductiveSessions || e.retryAt.After(now) {
		return false
	}
	e.noteFailureLocked(now)
	return true
}

// remainingBackoffLocked returns how much longer the endpoint is in backoff. The
// caller holds the pool's mutex.
func (e *endpoint) remainingBackoffLocked(now time.Time) time.Duration {
	return max(0, e.retryAt.Sub(now))
}

// noteWorkingLocked records that a session has brought a reply. The caller holds the
// pool's mutex.
func (e *endpoint) noteWorkingLocked() {
	e.failures, e.unproductive, e.silent = 0, 0, false
	e.retryAt = time.Time{}
	e.health.setUpLocked()
}

// shorten returns a duration less a random part of up to that fraction of it.
func shorten(d time.Duration, fraction float64) time.Duration {
	return d - time.Duration(rand.Float64()*fraction*float64(d)) //nolint:gosec // spreads load, keeps no secret
}
