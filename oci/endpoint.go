package oci

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"time"
)

// endpoint is one address of the platform and what we know of it. Its
// changing part is guarded by the pool's mutex.
type endpoint struct {
	Endpoint
	options *Options

	failures   int       // tries that failed since a session proved to be good
	barrenRow  int       // sessions in a row that ended without an answer
	retryAt    time.Time // no try before
	connecting bool
}

func newEndpoint(e Endpoint, options *Options) *endpoint {
	e.Name = cmp.Or(e.Name, e.Address)
	e.Login = cmp.Or(e.Login, LoginAuto)
	if e.TLS != nil {
		e.TLS = e.TLS.Clone()
		e.TLS.MinVersion = max(e.TLS.MinVersion, tls.VersionTLS12)
		if e.TLS.ServerName == "" {
			// The address was checked with the options.
			e.TLS.ServerName, _, _ = net.SplitHostPort(e.Address)
		}
	}
	return &endpoint{Endpoint: e, options: options}
}

// loginMethods are the ways to try, in order.
func (e *endpoint) loginMethods() []LoginMethod {
	switch {
	case e.Login != LoginAuto:
		return []LoginMethod{e.Login}
	case e.TLS == nil:
		return []LoginMethod{LoginSigned}
	}
	return []LoginMethod{LoginPlain22V5, LoginPlain22V2, LoginSigned}
}

// connect makes a connection. Errors are of type [*ConnectError].
func (e *endpoint) connect(ctx context.Context) (line, error) {
	ctx, cancel := context.WithTimeout(ctx, e.options.ConnectTimeout)
	defer cancel()
	conn, err := e.options.Dial(ctx, "tcp", e.Address)
	if err != nil {
		return line{}, &ConnectError{e.Name, StageDial, err}
	}
	plain := newLine(conn)
	if e.TLS == nil {
		return plain, nil
	}
	above, secured := plain.secure(e.TLS)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return line{}, &ConnectError{e.Name, StageTLS, err}
	}
	return above, nil
}

// open makes a connection and logs in. run starts the session's reader; died
// is called when the session has ended, also where the login failed. Errors
// are of type [*ConnectError].
func (e *endpoint) open(ctx context.Context, userID string, password Secret, run func(func()), died func(*session, error)) (*session, Identity, error) {
	conn, err := e.connect(ctx)
	if err != nil {
		return nil, Identity{}, err
	}
	s := newSession(e, conn, died)
	run(s.readAll)
	who, err := s.login(ctx, userID, password)
	if err != nil {
		s.kill(err)
		return nil, Identity{}, &ConnectError{e.Name, StageLogin, whyEnded(err)}
	}
	return s, who, nil
}

// whyEnded is what ended a login's session. Where and when stands in the
// ConnectError.
func whyEnded(err error) error {
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

// failed notes a try that failed and when the next one is due.
func (e *endpoint) failed(now time.Time) {
	pause := min(e.options.BackoffInitial, e.options.BackoffMax)
	for range min(e.failures, maxDoublings) {
		pause = min(2*pause, e.options.BackoffMax)
	}
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
}

// shorten takes a random part of up to that fraction off a duration.
func shorten(d time.Duration, fraction float64) time.Duration {
	return d - time.Duration(rand.Float64()*fraction*float64(d)) //nolint:gosec // spreads load, keeps no secret
}
