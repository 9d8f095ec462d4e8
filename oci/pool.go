package oci

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// pool keeps the sessions. Attempts to make sessions (see attempts.go) run beside each other,
// and a session that is being made belongs to no caller: the caller whose turn it is (see
// queue) gets the next session that is ready, whether it was just made or given back. There
// are no idle sessions while a caller waits who may have one.
//
// The states of an endpoint, and the next state after each event:
//
//	state         session wanted        attempt succeeds     attempt fails   last session ends     due
//	unused        connecting            -                    -               -                     being probed (ProbeUnusedInterval)
//	connecting    connecting (1)        in use               in backoff (2)  -                     late (NextEndpointAfter)
//	late          next endpoint (3)     in use               in backoff (2)  -                     -
//	in use        connecting, in use    in use               in use (4)      unused (5)            -
//	silent        next endpoint         silent (6)           silent          in backoff            failed (BackoffInitial …)
//	in backoff    next endpoint         -                    -               -                     failed (BackoffInitial …)
//	failed        next endpoint (7)     in use               in backoff (2)  -                     connecting (8)
//	being probed  connecting (9)        unused               unused, failed  -                     -
//	slow (10)     next endpoint         slow                 in backoff (2)  slow                  being measured (measureInterval)
//
//	(1) Only if a login has succeeded there lately: see mayLogInTwiceLocked.
//	(2) If the platform refused the credentials, the account is in backoff instead,
//	    for RefusedInitial and longer, at all endpoints: see account.
//	(3) If there is no room for another attempt, the late one is ended, and has failed.
//	(4) It keeps its sessions, and no other is made until its backoff ends.
//	(5) A session that ends without a reply after its login counts as a failed
//	    attempt if unproductiveSessions before it did so, too: in backoff.
//	(6) None of its sessions answers: see noteSilentLocked. They stay in use. The next reply
//	    over one of them, or over one that is made by an attempt under way, ends that: in use.
//	(7) If every endpoint has failed or is in backoff: connecting.
//	(8) Beside the traffic, if there are sessions of less preferred endpoints, and only a
//	    connection if there is no room for a session: see return.go.
//	(9) A probe that logs in is canceled first. A probe that only connects goes on.
//	(10) Besides one of the other states: see slow.go. It is used if no other endpoint can be.
//
// The first reply over a session of an endpoint ends its backoff, and so does any reply if
// the endpoint is silent; replies to probes of sessions count. A probe of an endpoint neither
// starts nor ends a backoff, but an endpoint whose last probe has failed has failed. An endpoint
// is in use if it has a session in pool.all, connecting if there is an attempt in pool.attempts,
// late if that is late, silent if endpoint.silent is set, being probed while runProbe runs for
// it, in backoff until endpoint.retryAt, failed if health.err is set, and slow if endpoint.slow
// is set.
//
// Reconfigure replaces endpoints: see reconfigure.go.
type pool struct {
	// live holds the current options, which are never changed, only replaced, with mu
	// held. They are read anywhere, with and without mu.
	live atomic.Pointer[Options]

	// userDomain is the domain of the account that logged in last; nil before that.
	userDomain atomic.Pointer[string]

	closing      context.Context // canceled when close begins
	beginClosing context.CancelFunc
	cutOff       context.Context // canceled when close stops to wait
	cut          context.CancelFunc
	running      sync.WaitGroup // all goroutines of the pool and its sessions

	// mu guards the fields below, the pool's fields of each session, the fields of
	// accounts, and those of endpoints and their health that change. It is never
	// held during I/O, nor during a call of a hook of Trace; Options.Temporary may be
	// called with it held. It may be held while a session's or a dialect's mutex is
	// locked, never the other way round. Functions that need it held have the suffix
	// Locked.
	mu          sync.Mutex
	endpoints   []*endpoint         // in order of preference; replaced, never changed
	preferred   []*endpoint         // the endpoints, slow ones last; see orderLocked
	former      []*endpoint         // that were removed lately
	all         map[*session]bool   // sessions that are logged in and not closed; true if in use
	idle        []*session          // ordered by last use, the latest last
	accounts    map[string]*account // by user id; those whose credentials the platform refuses
	queue       *queue              // of the callers who wait
	attempts    []*attempt          // to make a session that are under way, the latest last
	toReplace   int                 // sessions that were closed for the return, and are to be made anew
	roomFor     *endpoint           // for an attempt there a session is to be given up; see givesUpLocked
	roomKind    attemptKind         // of that attempt
	pace        *paceCheck          // the measurement over a session that is under way; nil if there is none
	measureNext *endpoint           // whose next session that is free is used for a measurement; nil if none is
	askedAt     time.Time           // when an endpoint was asked whether it answers last; see stuck.go
	measuredAt  time.Time           // when a session was made for a measurement last
	leaving     int                 // sessions that are not in all any more and are being logged out
	probing     *endpointProbe      // of an endpoint that is not in use; nil if there is none
	closed      bool
	hadSession  time.Time     // when the last of all sessions ended; zero before
	drained     chan struct{} // closed when the pool is closed and has no sessions
}

// waiter is a caller in the queue. ready gets one session or one error.
type waiter struct {
	ready chan handover
	ctx   context.Context // the caller's
	of    *progress
	// ticket is guarded by the pool's mutex.
	ticket ticket
	// patient is set if the options changed during the wait: then the caller is not
	// refused because no session can be made now, but waits until MaxWait. The pool's
	// mutex guards it.
	patient      bool
	noOutageWait bool // see withoutOutageWait
}

type handover struct {
	session *session
	err     error
}

// handOver gives a session to a waiter. It does nothing without one.
func (w *waiter) handOver(s *session) {
	if w != nil {
		w.ready <- handover{session: s}
	}
}

func newPool(options *Options) *pool {
	p := &pool{all: map[*session]bool{}, accounts: map[string]*account{}, queue: newQueue(), drained: make(chan struct{})}
	p.closing, p.beginClosing = context.WithCancel(context.Background())
	p.cutOff, p.cut = context.WithCancel(context.Background())
	p.live.Store(options)
	for _, e := range options.Endpoints {
		p.endpoints = append(p.endpoints, p.newEndpoint(e, options))
	}
	p.preferred = p.endpoints
	p.running.Go(p.maintain)
	return p
}

// newEndpoint makes an endpoint whose current options are those of the pool.
func (p *pool) newEndpoint(e Endpoint, options *Options) *endpoint {
	made := newEndpoint(e, options)
	made.live = &p.live
	return made
}

// options returns the current options.
func (p *pool) options() *Options { return p.live.Load() }

// inOrder returns the endpoints in the order of the options.
func (p *pool) inOrder() []*endpoint {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.endpoints
}

// acquire returns a session that is reserved for the caller until they release it.
// Whatever the error, nothing was sent.
func (p *pool) acquire(ctx context.Context) (*session, error) {
	of := progressOf(ctx)
	for {
		s, w, err := p.takeOrQueue(ctx, of)
		if err != nil {
			return nil, err
		}
		if w != nil {
			if s, err = p.wait(ctx, w); err != nil {
				return nil, err
			}
		}
		// It may have been closed since it was taken.
		if s.usable() {
			return s, nil
		}
		p.release(s)
	}
}

// takeOrQueue returns an idle session, or else a waiter in the queue.
func (p *pool) takeOrQueue(ctx context.Context, of *progress) (*session, *waiter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, ErrClosed
	}
	if last := len(p.idle) - 1; last >= 0 {
		if used, may := p.queue.take(of.request()); may {
			s := p.idle[last]
			p.idle = p.idle[:last]
			p.all[s] = true
			p.holdLocked(s, of, used)
			return s, nil, nil
		}
	}
	now := time.Now()
	w := &waiter{ready: make(chan handover, 1), ctx: ctx, of: of, noOutageWait: isWithoutOutageWait(ctx)}
	if err := p.unavailableLocked(now); err != nil && !p.outlastsLocked(w) {
		return nil, nil, err
	}
	if err := p.joinQueueLocked(w, now); err != nil {
		return nil, nil, err
	}
	p.growLocked()
	return nil, w, nil
}

// wait waits for a session until ctx or MaxWait ends.
func (p *pool) wait(ctx context.Context, w *waiter) (*session, error) {
	start := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, p.options().MaxWait, errMaxWait)
	defer cancel()
	var got handover
	select {
	case got = <-w.ready:
	case <-ctx.Done():
		got = p.leaveQueue(w, context.Cause(ctx))
	}
	p.options().Trace.waited(time.Since(start), got.err)
	p.options().Trace.queueLeft(ctx, w.ticket.arrived, got.err)
	return got.session, got.err
}

// release takes back a session after a command: for the next caller in the queue,
// to be idle, or to be closed.
func (p *pool) release(s *session) { p.takeBack(s).handOver(s) }

// takeBack is release without handing the session over. If it returns a waiter,
// the session belongs to that waiter, to whom the caller must hand it over.
func (p *pool) takeBack(s *session) *waiter {
	p.mu.Lock()
	now := time.Now()
	s.idleSince = now
	held := p.endUseLocked(s, now)
	_, ours := p.all[s]
	next := p.takeBackLocked(s, now)
	p.serveIdleLocked()
	if !ours {
		p.growLocked() // its caller may have been at their limit of sessions when it was removed
	}
	p.mu.Unlock()
	if used := p.options().Trace.SessionUsed; used != nil {
		used(held.caller, now.Sub(held.since))
	}
	return next
}

// releaseProbed takes back a session after a probe, which does not count as a use.
func (p *pool) releaseProbed(s *session) {
	p.mu.Lock()
	next := p.takeBackLocked(s, time.Now())
	p.mu.Unlock()
	next.handOver(s)
}

// takeBackLocked takes back a session. If it returns a waiter, the session belongs
// to that waiter. The caller holds the pool's mutex.
func (p *pool) takeBackLocked(s *session, now time.Time) *waiter {
	if _, ours := p.all[s]; !ours {
		return nil // it has been removed already
	}
	switch {
	case p.closed:
		p.retireLocked(s, ClosedShutdown)
	case !s.usable():
		p.retireLocked(s, ClosedBroken)
		p.replaceLocked(s, s.reason())
	case p.outdatedLocked(s, now) || len(p.all) > p.options().MaxSessions:
		p.retireLocked(s, ClosedReconfigured)
	case now.After(s.expires):
		p.retireLocked(s, ClosedAge)
	case p.returnsLocked(s, now):
		p.retireReturningLocked(s, now)
	default:
		p.noteHeardLocked(s, now)
		if p.isSuspectLocked(s) {
			p.probeSuspectLocked(s)
			return nil
		}
		if p.isNextMeasuredLocked(s.endpoint, now) {
			p.pingLocked(s, now)
			return nil
		}
		return p.assignLocked(s)
	}
	return nil
}

// assignLocked removes the waiter from the queue who gets a usable session, and returns
// it. Without one the session becomes idle. The caller holds the pool's mutex.
func (p *pool) assignLocked(s *session) *waiter {
	if next := p.nextLocked(s); next != nil {
		p.all[s] = true
		return next
	}
	p.all[s] = false
	if s.idleSince.Before(s.probed) {
		p.idle = slices.Insert(p.idle, 0, s) // a probe is no use of the session
	} else {
		p.idle = append(p.idle, s)
	}
	return nil
}

// unavailableLocked returns the error for a caller who would wait in vain: there
// are no sessions, and no attempt to make one is under way or due, nor put off by
// Reconfigure. Otherwise it returns nil. The caller holds the pool's mutex.
func (p *pool) unavailableLocked(now time.Time) error {
	if len(p.all) > 0 || len(p.attempts) > 0 {
		return nil
	}
	due := p.dueLocked()
	if !due.After(now) || slices.ContainsFunc(p.endpoints, func(e *endpoint) bool { return e.deferred && e.retryAt.After(now) }) {
		return nil
	}
	return &UnavailableError{RetryAfter: due.Sub(now), Err: p.causeLocked()}
}

// causeLocked returns why the endpoints are in backoff. The caller holds the pool's mutex.
func (p *pool) causeLocked() error {
	var causes []error
	for _, e := range p.endpoints {
		if a := p.accounts[e.UserID]; e.health.err != nil {
			causes = append(causes, e.health.err)
		} else if a != nil {
			causes = append(causes, a.err)
		}
	}
	return inOneLine(causes)
}

// byBackoff returns the endpoints in order of preference, those that do not answer at the
// moment and those in backoff last.
func (p *pool) byBackoff() []*endpoint {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	sorted := slices.Clone(p.preferred)
	slices.SortStableFunc(sorted, func(a, b *endpoint) int {
		if late := p.isLateLocked(a); late != p.isLateLocked(b) {
			return map[bool]int{true: 1, false: -1}[late]
		}
		return cmp.Compare(a.remainingBackoffLocked(now), b.remainingBackoffLocked(now))
	})
	return sorted
}
