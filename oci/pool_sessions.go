package oci

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"
)

// dueLocked returns when an endpoint may be tried next. The caller holds the pool's
// mutex.
func (p *pool) dueLocked() time.Time {
	first := p.endpointDueLocked(p.endpoints[0])
	for _, e := range p.endpoints[1:] {
		if at := p.endpointDueLocked(e); at.Before(first) {
			first = at
		}
	}
	return first
}

// endpointDueLocked returns when the endpoint may be tried next: when neither the
// endpoint nor its account is in backoff. The caller holds the pool's mutex.
func (p *pool) endpointDueLocked(e *endpoint) time.Time {
	if a := p.accounts[e.UserID]; a != nil && a.retryAt.After(e.retryAt) && !a.allowsLocked(e.password) {
		return a.retryAt
	}
	return e.retryAt
}

// addLocked adds a session that was just made to the pool. The caller holds the
// pool's mutex.
func (p *pool) addLocked(s *session) {
	if p.closed {
		p.running.Go(func() { s.logout(ErrClosed) })
		return
	}
	now := time.Now()
	s.idleSince, s.probed, s.made = now, now, now
	s.expires = now.Add(shorten(p.options().MaxAge, p.options().Jitter))
	if s.endpoint.replaced || len(p.all) >= p.options().MaxSessions {
		p.retireOutdatedLocked(s, now)
		return
	}
	p.toReplace = max(0, p.toReplace-1)
	p.planReturnLocked(now)
	p.assignLocked(s).handOver(s)
}

// retireLocked closes a session that is not in use, in the background, and removes
// it from the pool. Once it is closed, another session is made if one is wanted. The
// caller holds the pool's mutex.
func (p *pool) retireLocked(s *session, why CloseReason) {
	var broken error
	if why == ClosedBroken {
		broken = s.reason()
	}
	p.leaving++
	// This comes first, since close waits for running after all sessions are removed.
	p.running.Go(func() {
		s.logout(errors.New("oci: closed: " + string(why)))
		p.mu.Lock()
		p.leaving--
		p.growLocked()
		p.mu.Unlock()
		if why == ClosedBroken {
			<-s.readEnded // the reader counts the document that was refused
		}
		p.options().Trace.sessionClosed(s.endpoint.Name, why, s.ending(broken))
	})
	p.removeLocked(s)
}

// sessionClosed is called when a session has been closed, without the mutex.
func (p *pool) sessionClosed(s *session, why error) {
	if p.removeClosed(s, why) {
		p.options().Trace.sessionClosed(s.endpoint.Name, ClosedBroken, s.ending(why))
	}
}

// removeClosed removes a closed session from the pool, and reports false if it was
// not there.
func (p *pool) removeClosed(s *session, why error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ours := p.all[s]; !ours {
		return false
	}
	p.removeLocked(s)
	p.replaceLocked(s, why)
	return true
}

// removeLocked removes a session from the pool. The caller holds the pool's mutex.
func (p *pool) removeLocked(s *session) {
	delete(p.all, s)
	p.removeIdleLocked(s)
	now := time.Now()
	p.noteUpLocked(s.endpoint, now)
	if len(p.all) == 0 {
		p.hadSession = now
	}
	if p.closed && len(p.all) == 0 {
		close(p.drained)
	}
}

// removeIdleLocked removes a session from the idle ones, if it is among them. The
// caller holds the pool's mutex.
func (p *pool) removeIdleLocked(s *session) {
	if i := slices.Index(p.idle, s); i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
}

// replaceLocked has another session made, if one is wanted, after one that the
// client did not close. The version is then asked for again, since the platform
// behind the endpoint may have been replaced. Too many sessions in a row without a
// reply count as a failed attempt; those that ended for the same reason as another (see
// suspect.go) count as one. The caller holds the pool's mutex.
func (p *pool) replaceLocked(s *session, why error) {
	now := time.Now()
	alone := !p.isSuspectLocked(s)
	e := s.endpoint.latestLocked()
	if alone {
		p.suspectLocked(s.endpoint, why, now)
		if now.Sub(s.made) < e.loginTook {
			e.briefAt = now
		}
	}
	e.dialect.recheck()
	e.loggedInAt = time.Time{}
	if !s.proven && alone && e.noteUnproductiveLocked(now) {
		e.noteNoReplyLocked(now, s.endpoint.noAnswers(why))
		p.noteUpLocked(e, now)
	}
	p.growLocked()
}

// close logs the sessions out. It waits for those in use until ctx ends, then
// closes them.
func (p *pool) close(ctx context.Context) error {
	p.mu.Lock()
	p.beginCloseLocked()
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
		s.close(ErrClosed)
	}
	<-ended
	return &explainedError{"oci: sessions were still in use when closing was cut short", ctx.Err()}
}

// beginCloseLocked marks the pool closed, fails the waiters and retires the idle
// sessions. A second call does nothing. The caller holds the pool's mutex.
func (p *pool) beginCloseLocked() {
	if p.closed {
		return
	}
	p.closed = true
	p.beginClosing()
	p.failWaitersLocked(ErrClosed)
	if len(p.all) == 0 {
		close(p.drained)
	}
	for _, s := range slices.Clone(p.idle) {
		p.retireLocked(s, ClosedShutdown)
	}
}

// addRunning adds one goroutine for which close waits. If it reports true, the
// goroutine must call running.Done at its end. It reports false if the pool is
// closed.
func (p *pool) addRunning() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.running.Add(1)
	}
	return !p.closed
}
