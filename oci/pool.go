package oci

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// pool keeps the sessions. Its mutex guards lists and never input or output.
// Sessions are made by one goroutine, one after the other, and belong to no
// caller: whoever waits longest gets the next one that is ready, whether it
// was just made or given back.
type pool struct {
	options   *Options
	endpoints []*endpoint
	life      context.Context // ends with close
	end       context.CancelFunc
	whole     context.Context // ends when close cuts off what is left
	cut       context.CancelFunc
	running   sync.WaitGroup // every goroutine of the pool and its sessions

	mu         sync.Mutex
	all        map[*session]bool   // logged in and not dead; true where busy
	idle       []*session          // the last one was used last
	accounts   map[string]*account // by user id; those whose credentials the platform refuses
	waiting    []*waiter           // the first one waits longest
	connecting bool
	probing    *endpointProbe // of an endpoint that is not in use; nil while there is none
	lastErr    error          // of the last try to make a session, nil after a good one
	closed     bool
	drained    chan struct{} // closed when closed and without sessions
}

// waiter is a caller in the queue. ready gets one session or one error.
type waiter struct{ ready chan handover }

type handover struct {
	session *session
	err     error
}

func newPool(options *Options) *pool {
	p := &pool{options: options, all: map[*session]bool{}, accounts: map[string]*account{}, drained: make(chan struct{})}
	p.life, p.end = context.WithCancel(context.Background())
	p.whole, p.cut = context.WithCancel(context.Background())
	for _, e := range options.Endpoints {
		p.endpoints = append(p.endpoints, newEndpoint(e, options))
	}
	p.running.Go(p.keepHouse)
	return p
}

// acquire hands out a session that nobody else uses. Whatever the error, the
// platform has seen nothing.
func (p *pool) acquire(ctx context.Context) (*session, error) {
	for {
		s, w, err := p.takeOrQueue()
		if err != nil {
			return nil, err
		}
		if w != nil {
			if s, err = p.wait(ctx, w); err != nil {
				return nil, err
			}
		}
		// It may have died on its way here.
		if s.alive() {
			return s, nil
		}
		p.release(s)
	}
}

// takeOrQueue returns an idle session, or else a place in the queue.
func (p *pool) takeOrQueue() (*session, *waiter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, ErrClosed
	}
	if last := len(p.idle) - 1; last >= 0 {
		s := p.idle[last]
		p.idle = p.idle[:last]
		p.all[s] = true
		return s, nil, nil
	}
	if err := p.unavailable(time.Now()); err != nil {
		return nil, nil, err
	}
	if len(p.waiting) >= p.options.MaxWaiting {
		return nil, nil, fmt.Errorf("%w and %d callers wait for one", ErrBusy, len(p.waiting))
	}
	w := &waiter{ready: make(chan handover, 1)}
	p.waiting = append(p.waiting, w)
	p.grow()
	return nil, w, nil
}

func (p *pool) wait(ctx context.Context, w *waiter) (*session, error) {
	start := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, p.options.MaxWait, ErrBusy)
	defer cancel()
	var got handover
	select {
	case got = <-w.ready:
	case <-ctx.Done():
		got = p.leave(w, context.Cause(ctx))
	}
	p.options.Trace.waited(time.Since(start), got.err)
	return got.session, got.err
}

// leave takes a caller out of the queue. A session that was handed to it in
// the meantime goes to the next.
func (p *pool) leave(w *waiter, why error) handover {
	err := p.gaveUp(ofContext(why))
	p.mu.Lock()
	i := slices.Index(p.waiting, w)
	if i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
	p.mu.Unlock()
	if i < 0 {
		if got := <-w.ready; got.err == nil {
			p.release(got.session)
		}
	}
	return handover{err: err}
}

// gaveUp is the error of a caller who waited for a session for as long as they,
// or the options, would.
func (p *pool) gaveUp(why error) error {
	p.mu.Lock()
	none := len(p.all) == 0
	p.mu.Unlock()
	switch {
	case none:
		return &UnavailableError{RetryAfter: p.options.BackoffInitial, Err: fmt.Errorf("the first one is still being made: %w", why)}
	case !errors.Is(why, ErrBusy):
		return fmt.Errorf("%w: the caller left the queue: %w", ErrBusy, why)
	}
	return why
}

// release takes a session back after a command: for the next in the queue, for
// later, or to its end.
func (p *pool) release(s *session) { p.putBack(s, true).wake(s) }

// putBack is release, except that it leaves it to its caller to wake the next
// in the queue, whose session it is from now on.
func (p *pool) putBack(s *session, used bool) *waiter {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ours := p.all[s]; !ours {
		return nil // it is dead already
	}
	now := time.Now()
	switch {
	case p.closed:
		p.retire(s, ClosedShutdown)
	case !s.alive():
		p.retire(s, ClosedBroken)
		p.replace(s, s.reason())
	case now.After(s.expires):
		p.retire(s, ClosedAge)
		p.grow()
	default:
		s.probed = now
		if used {
			s.idleSince = now
		}
		if !s.proven {
			s.proven = true
			s.endpoint.succeeded()
		}
		return p.give(s)
	}
	return nil
}

// give takes the first out of the queue for a good session, or lets it idle.
func (p *pool) give(s *session) *waiter {
	if len(p.waiting) == 0 {
		p.all[s] = false
		if s.idleSince.Before(s.probed) {
			p.idle = slices.Insert(p.idle, 0, s) // a probe is no use of the session
		} else {
			p.idle = append(p.idle, s)
		}
		return nil
	}
	p.all[s] = true
	first := p.waiting[0]
	p.waiting = slices.Delete(p.waiting, 0, 1)
	return first
}

// wake hands a session to the caller, if there is one.
func (w *waiter) wake(s *session) {
	if w != nil {
		w.ready <- handover{session: s}
	}
}

// retire ends a session that nobody uses. It counts no more from here on.
func (p *pool) retire(s *session, why CloseReason) {
	var broken error
	if why == ClosedBroken {
		broken = s.reason()
	}
	// First this, since close waits for what runs once all are forgotten.
	p.running.Go(func() {
		s.logout(errors.New("oci: closed: " + string(why)))
		if why == ClosedBroken {
			<-s.read // which counts the document that broke it
		}
		p.options.Trace.sessionClosed(s.endpoint.Name, why, broken)
	})
	p.forget(s)
}

// died is called when a session has ended by itself.
func (p *pool) died(s *session, why error) {
	if p.bury(s, why) {
		p.options.Trace.sessionClosed(s.endpoint.Name, ClosedBroken, why)
	}
}

// bury takes a dead session out of the pool, unless it is not in there.
func (p *pool) bury(s *session, why error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ours := p.all[s]; !ours {
		return false
	}
	p.forget(s)
	p.replace(s, why)
	return true
}

// replace has another session be made where one is wanted, for one that we did
// not end, unless those of the endpoint bring nothing. The platform behind the
// endpoint may be another one since.
func (p *pool) replace(s *session, why error) {
	s.endpoint.dialect.recheck()
	if now := time.Now(); !s.proven && s.endpoint.barren(now) {
		p.lastErr = s.endpoint.noAnswers(why)
		s.endpoint.noteBarren(now, p.lastErr)
	}
	p.grow()
}

func (p *pool) forget(s *session) {
	delete(p.all, s)
	p.wake(s)
	if p.closed && len(p.all) == 0 {
		close(p.drained)
	}
}

// wake takes a session out of the idle ones, if it is among them.
func (p *pool) wake(s *session) {
	if i := slices.Index(p.idle, s); i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
}

// unavailable is the error for a caller who would wait in vain: there are no
// sessions, and no try to make one is under way or due.
func (p *pool) unavailable(now time.Time) error {
	if len(p.all) > 0 || p.connecting {
		return nil
	}
	due := p.due()
	if !due.After(now) {
		return nil
	}
	return &UnavailableError{RetryAfter: due.Sub(now), Err: p.lastErr}
}

// due is when an endpoint may be tried next.
func (p *pool) due() time.Time {
	first := p.dueAt(p.endpoints[0])
	for _, e := range p.endpoints[1:] {
		if at := p.dueAt(e); at.Before(first) {
			first = at
		}
	}
	return first
}

// dueAt is when that endpoint may be tried next: when neither it nor its account
// is in backoff. The caller holds the mutex.
func (p *pool) dueAt(e *endpoint) time.Time {
	if a := p.accounts[e.UserID]; a != nil && a.retryAt.After(e.retryAt) && !a.mayTry(e.Password) {
		return a.retryAt
	}
	return e.retryAt
}

// grow sees to it that a session is being made where one is wanted. Whoever
// waits for what cannot come is told so.
func (p *pool) grow() {
	if p.closed || p.connecting || !p.wanting() {
		return
	}
	if now := time.Now(); p.due().After(now) {
		if err := p.unavailable(now); err != nil {
			p.refuseAll(err)
		}
		return
	}
	if p.probing != nil && p.probing.login {
		p.probing.cancel() // it makes way, and its end has the session made
		return
	}
	p.connecting = true
	p.running.Go(p.connect)
}

func (p *pool) wanting() bool {
	return len(p.all) < p.options.MaxSessions && (len(p.waiting) > 0 || len(p.all) < p.options.MinSessions)
}

func (p *pool) refuseAll(err error) {
	for _, w := range p.waiting {
		w.ready <- handover{err: err}
	}
	p.waiting = nil
}

// connect makes one session. Where more are wanted, the next connect does.
func (p *pool) connect() {
	s, err := p.open()
	p.mu.Lock()
	p.connecting = false
	p.lastErr = err
	if s != nil {
		p.adopt(s)
	}
	p.grow() // or tells those who wait in vain
	p.mu.Unlock()
	if s != nil && !s.alive() {
		p.died(s, s.reason()) // it may have died before it was the pool's, unnoticed
	}
}

// adopt takes a session that was just made into the pool.
func (p *pool) adopt(s *session) {
	if p.closed {
		p.running.Go(func() { s.logout(ErrClosed) })
		return
	}
	now := time.Now()
	s.idleSince, s.probed = now, now
	s.expires = now.Add(shorten(p.options.MaxAge, p.options.Jitter))
	p.give(s).wake(s)
}

// open makes a session with the first endpoint that lets us. An error joins
// what happened at those that were tried.
func (p *pool) open() (*session, error) {
	var failures []error
	for _, e := range p.endpoints {
		start := time.Now()
		password := p.readPassword(e)
		if may, why := p.mayTry(e, start); !may {
			failures = append(failures, why)
			continue
		}
		s, who, err := e.open(p.life, opening{userID: e.UserID, password: password, ours: true, run: p.running.Go, died: p.died})
		refused := p.tried(e, password, err)
		p.options.Trace.sessionTried(e.Name, time.Since(start), err)
		if err == nil {
			p.options.Trace.loggedIn(e.Name, who)
			return s, nil
		}
		if refused > 0 {
			p.options.Trace.accountRefused(e.Name, e.UserID, refused, err)
		}
		failures = append(failures, err)
	}
	return nil, inOneLine(failures)
}

// mayTry reports whether an endpoint is to be tried now. Where it is not and the
// platform refuses its account, why is the refusal, else nil.
func (p *pool) mayTry(e *endpoint, now time.Time) (may bool, why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.connecting = !p.dueAt(e).After(now) && !p.refusedElsewhere(e, now)
	if a := p.accounts[e.UserID]; !e.connecting && a != nil {
		why = a.err
	}
	return e.connecting, why
}

// tried notes how a try has ended. Where the platform has refused the
// credentials, it returns the pause of the account, else 0.
func (p *pool) tried(e *endpoint, password Secret, err error) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.connecting = false
	now := time.Now()
	if p.life.Err() == nil {
		e.noteAttempt(now, proofLogin, err)
	}
	switch {
	case err == nil:
		delete(p.accounts, e.UserID)
	case e.refusesCredentials(err):
		return p.refused(e, password, now, err)
	default:
		e.failed(now)
	}
	return 0
}

// close logs the sessions out. Those in use are waited for as long as ctx
// lasts, then ended as they are.
func (p *pool) close(ctx context.Context) error {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		p.end()
		p.refuseAll(ErrClosed)
		if len(p.all) == 0 {
			close(p.drained)
		}
		for _, s := range slices.Clone(p.idle) {
			p.retire(s, ClosedShutdown)
		}
	}
	p.mu.Unlock()

	ended := make(chan struct{})
	go func() {
		<-p.drained
		p.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		p.cut()
		return nil
	case <-ctx.Done():
	}
	p.cut()
	p.mu.Lock()
	busy := slices.Collect(maps.Keys(p.all))
	p.mu.Unlock()
	for _, s := range busy {
		s.kill(ErrClosed)
	}
	<-ended
	return &explainedError{"oci: sessions were still in use when closing was cut short", ctx.Err()}
}

// restedFirst are the endpoints in the order of preference, but for those that
// rest after a failure, which come last.
func (p *pool) restedFirst() []*endpoint {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	sorted := slices.Clone(p.endpoints)
	slices.SortStableFunc(sorted, func(a, b *endpoint) int {
		return cmp.Compare(a.pause(now), b.pause(now))
	})
	return sorted
}

// endpointNamed is the endpoint of that name.
func (p *pool) endpointNamed(name string) *endpoint {
	return p.endpoints[slices.IndexFunc(p.endpoints, func(e *endpoint) bool { return e.Name == name })]
}

// begin notes one more goroutine that close waits for. Unless it returns
// false, the goroutine calls running.Done at its end.
func (p *pool) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.running.Add(1)
	}
	return !p.closed
}
