package oci

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"
)

// A pool is stuck if it is full of sessions of an endpoint that does not answer any more: there is
// no room for a session at another one until a command times out. So if callers wait, and no session
// has brought a reply for longer than is usual there, the client asks the endpoint for a nonce over a connection of
// its own: no login, so it is no session. A platform that is only slow at its commands answers
// that. If it does not, the endpoint is in backoff, and the sessions over which reads are under
// way are closed: those reads are repeated elsewhere, as after any loss. Writes, and checks of
// callers' passwords, keep the time that they have.

const (
	// stuckAfter is after what time without a reply the endpoint is asked at the earliest, and
	// how long it may take to answer at least. Longer times are usual at a slow platform: see
	// stuckAfter of an endpoint.
	stuckAfter = time.Second
	// usualTimes and loginTimes are how many usual session times, and times of the last login,
	// it takes if these are longer.
	usualTimes, loginTimes = 3, 2
	// askInterval is the shortest time between two such questions.
	askInterval = 10 * time.Second
)

// usualTime is the mean session time of the last commands at an endpoint, of which each counts less
// than the next. Values that are added at the same time may be lost.
type usualTime struct{ atomic.Int64 }

func (u *usualTime) add(took time.Duration) {
	mean := u.Load()
	if mean == 0 {
		mean = int64(took)
	}
	u.Store(mean + (int64(took)-mean)/8)
}

// stuckAfterLocked returns after what time without a reply the endpoint is asked, and how long it may
// take to answer. The caller holds the pool's mutex.
func (e *endpoint) stuckAfterLocked() time.Duration {
	return max(stuckAfter, usualTimes*time.Duration(e.usual.Load()), loginTimes*e.loginTook)
}

// errStuck ends a read at an endpoint that does not answer. It is no timeout, after which the read
// would not be repeated.
var errStuck = errors.New("the endpoint does not answer over a new connection either")

// checkStuckLocked begins to ask the endpoint of all sessions whether it answers at all, if that
// is due. The caller holds the pool's mutex.
func (p *pool) checkStuckLocked(now time.Time) {
	if p.queue.wanted == 0 || p.hasRoomLocked() || len(p.attempts) > 0 || p.probing != nil || now.Sub(p.askedAt) < askInterval {
		return
	}
	e := p.onlyUsedLocked()
	if e == nil {
		return
	}
	after := e.stuckAfterLocked()
	if now.Sub(e.heardAt) < after || !slices.ContainsFunc(p.endpoints, func(other *endpoint) bool {
		return other != e.latestLocked() && other.health.err == nil && !p.endpointDueLocked(other).After(now)
	}) {
		return
	}
	for s := range p.all {
		if asked := s.underWay(); asked == nil || now.Sub(asked.began) < after {
			return
		}
	}
	p.askedAt = now
	p.beginLocked(e, onlyAsks)
}

// onlyUsedLocked returns the endpoint to which all sessions belong, or nil. The caller holds the
// pool's mutex.
func (p *pool) onlyUsedLocked() *endpoint {
	var only *endpoint
	for s := range p.all {
		if only != nil && s.endpoint != only {
			return nil
		}
		only = s.endpoint
	}
	return only
}

// underWay returns the exchange that is under way over a session, or nil.
func (s *session) underWay() *exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending
}

// askWhetherAlive asks the endpoint for a nonce. Without a reply, it closes the sessions there
// over which reads are under way. It is called without the mutex.
func (p *pool) askWhetherAlive(a *attempt) {
	e, began := a.endpoint, time.Now()
	p.mu.Lock()
	limit := e.stuckAfterLocked()
	p.mu.Unlock()
	ctx, cancel := within(a.ctx, limit)
	defer cancel()
	err := e.answers(ctx, p.running.Go)
	if !errors.Is(err, context.DeadlineExceeded) || a.ctx.Err() != nil {
		return // any other end, such as a closed connection, is an answer
	}
	p.mu.Lock()
	var stuck []*session
	if !e.heardAt.After(began) {
		p.noteSilentLocked(e, time.Now(), err)
		for s := range p.all {
			if s.endpoint == e {
				stuck = append(stuck, s)
			}
		}
	}
	p.mu.Unlock()
	for _, s := range stuck {
		if asked := s.underWay(); asked != nil && asked.mayRepeat() && asked.began.Before(began) {
			s.closeDuring(asked, errStuck)
		}
	}
}

// answers returns nil if the endpoint gives a nonce for a login, or refuses to. Otherwise the
// error is a [*ConnectError].
func (e *endpoint) answers(ctx context.Context, run func(func())) error {
	conn, err := e.connect(ctx)
	if err != nil {
		return err
	}
	s := newSession(e, conn, func(*session, error) {})
	run(s.readAll)
	_, err = s.exchange(ctx, NewRead("AuthenticationRequest", Text("userId", e.UserID)))
	s.close(err)
	if err != nil {
		return e.failure(ctx, StageLogin, conn, whyEnded(err))
	}
	return nil
}

// mayRepeat reports whether all commands of the exchange are reads that check no credentials.
func (a *exchange) mayRepeat() bool {
	return areReads(a.document.commands) && !slices.ContainsFunc(a.document.commands, func(c Command) bool { return checksCredentials(c.Name()) })
}
