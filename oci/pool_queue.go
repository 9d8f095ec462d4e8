package oci

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// errMaxWait ends the wait of a caller after MaxWait.
var errMaxWait = errors.New("the request has waited for as long as requests may")

// holding is the use of a session by a caller. The pool's mutex guards it.
type holding struct {
	use
	caller string
	since  time.Time       // zero if nobody needs it
	ctx    context.Context // nil if the caller has not waited
}

// holdLocked records that a caller who has not waited uses a session. The caller holds
// the pool's mutex.
func (p *pool) holdLocked(s *session, of *progress, u use) {
	s.held = holding{use: u, caller: of.request().Caller}
	if p.options().Trace.SessionUsed != nil {
		s.held.since = time.Now()
	}
	p.noteBegunLocked(of)
}

// noteBegunLocked records that a request has had a session. The caller holds the pool's
// mutex.
func (p *pool) noteBegunLocked(of *progress) {
	if of == nil {
		return
	}
	if of.age == 0 {
		of.age = p.queue.number()
	}
	of.begun = true
}

// noteShared records that a request has the result of a read for which another one has had a
// session: it has begun as well. It is called without the mutex.
func (p *pool) noteShared(of *progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.noteBegunLocked(of)
}

// endUseLocked ends the use of a session, and returns what it was. The caller holds the
// pool's mutex.
func (p *pool) endUseLocked(s *session, now time.Time) holding {
	held := s.held
	s.held = holding{}
	if held.use.caller != nil {
		gaveUp := held.ctx != nil && held.ctx.Err() != nil
		p.queue.done(held.use, now, s.usable(), gaveUp)
	}
	return held
}

// joinQueueLocked adds a waiter to the queue, and refuses the one who is displaced. An
// error refuses the caller. The caller holds the pool's mutex.
func (p *pool) joinQueueLocked(w *waiter, now time.Time) error {
	o := p.options()
	w.ticket = ticket{Request: w.of.request(), owner: w}
	w.ticket.deadline, _ = w.ctx.Deadline()
	if w.of != nil {
		w.ticket.begun, w.ticket.age = w.of.begun, w.of.age
	}
	why, displaced := p.queue.join(&w.ticket, now, bounds{sessions: p.capacityLocked(now), waiting: o.MaxWaiting, wait: o.MaxWait})
	if why != "" {
		return p.busyLocked(w.ticket.Request, why, nil, now)
	}
	if w.of != nil {
		w.of.age = w.ticket.age
	}
	if displaced != nil {
		p.refuseLocked(displaced, BusyDisplaced, now)
	}
	p.serveIdleLocked()
	return nil
}

// capacityLocked returns how many sessions there are, or will be soon. The caller holds
// the pool's mutex.
func (p *pool) capacityLocked(now time.Time) int {
	if p.hasRoomLocked() && !p.dueLocked().After(now) {
		return p.options().MaxSessions
	}
	return len(p.all) + p.awaitedLocked()
}

// busyLocked returns the error of a caller who is refused. The caller holds the pool's
// mutex.
func (p *pool) busyLocked(r Request, why BusyReason, cause error, now time.Time) error {
	return &BusyError{Reason: why, RetryAfter: p.queue.retryAfter(r, p.capacityLocked(now)), Waiting: p.queue.waiting, Err: cause}
}

// refuseLocked gives an error to a waiter who has been removed from the queue. The caller
// holds the pool's mutex; ready has room, so nothing blocks.
func (p *pool) refuseLocked(t *ticket, why BusyReason, now time.Time) {
	t.owner.ready <- handover{err: p.busyLocked(t.Request, why, nil, now)}
}

// nextLocked removes the waiter from the queue who gets a session, and refuses those who
// come too late. It returns nil if nobody may have it. The caller holds the pool's mutex.
func (p *pool) nextLocked(s *session) *waiter {
	if p.queue.waiting == 0 {
		return nil
	}
	now := time.Now()
	t, used, refused := p.queue.serve(now)
	for _, tooLate := range refused {
		p.refuseLocked(tooLate, BusyDeadline, now)
	}
	if t == nil {
		return nil
	}
	s.held = holding{use: used, caller: t.Caller, since: now, ctx: t.owner.ctx}
	p.noteBegunLocked(t.owner.of)
	return t.owner
}

// serveIdleLocked gives idle sessions to callers who wait and have been at their limit of
// sessions before. The caller holds the pool's mutex.
func (p *pool) serveIdleLocked() {
	for last := len(p.idle) - 1; last >= 0 && p.queue.wanted > 0; last = len(p.idle) - 1 {
		s := p.idle[last]
		p.idle = p.idle[:last]
		p.assignLocked(s).handOver(s)
	}
}

// leaveQueue removes a waiter from the queue. If it got a session meanwhile, the
// session is released.
func (p *pool) leaveQueue(w *waiter, why error) handover {
	reason := BusyLeft
	if errors.Is(why, errMaxWait) {
		reason, why = BusyWait, nil
	}
	err := p.waitError(w.of.request(), reason, ofContext(why))
	p.mu.Lock()
	left := p.queue.leave(&w.ticket, time.Now(), reason == BusyLeft)
	p.mu.Unlock()
	if !left {
		if got := <-w.ready; got.err == nil {
			p.release(got.session)
		}
	}
	return handover{err: err}
}

// waitError returns the error of a caller who got no session before their ctx, or
// MaxWait, ended.
func (p *pool) waitError(r Request, reason BusyReason, why error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.all) == 0 {
		if why == nil {
			why = errMaxWait
		}
		return &UnavailableError{RetryAfter: p.options().BackoffInitial, Err: fmt.Errorf("the first one is still being made: %w", why)}
	}
	return p.busyLocked(r, reason, why, time.Now())
}

// failWaitersLocked gives an error to all waiters. The caller holds the pool's mutex;
// ready has room, so nothing blocks.
func (p *pool) failWaitersLocked(err error) {
	p.removeWaitersLocked(err, func(*waiter) bool { return true })
}

// refuseWaitersLocked gives an error to the waiters who are not patient, nor wait for the
// end of a short outage. The caller holds the pool's mutex; ready has room, so nothing
// blocks.
func (p *pool) refuseWaitersLocked(err error) {
	p.removeWaitersLocked(err, func(w *waiter) bool { return !w.patient && !p.outlastsLocked(w) })
}

func (p *pool) removeWaitersLocked(err error, which func(*waiter) bool) {
	now := time.Now()
	for _, t := range p.queue.all() {
		if which(t.owner) {
			p.queue.leave(t, now, false)
			t.owner.ready <- handover{err: err}
		}
	}
}
