package oci

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"
)

// growLocked starts to make a session if one is wanted. If none can be made now,
// and callers would wait in vain, they get an error. The caller holds the pool's
// mutex.
func (p *pool) growLocked() {
	if p.closed || p.connecting || !p.wantsSessionLocked() {
		return
	}
	if now := time.Now(); p.dueLocked().After(now) {
		if err := p.unavailableLocked(now); err != nil {
			p.failWaitersLocked(err)
		}
		return
	}
	if p.probing != nil && p.probing.login {
		p.probing.cancel() // the end of the probe calls growLocked again
		return
	}
	p.connecting = true
	p.running.Go(p.addSession)
}

// wantsSessionLocked reports whether another session is wanted. The caller holds the
// pool's mutex.
func (p *pool) wantsSessionLocked() bool {
	return len(p.all) < p.options.MaxSessions && (len(p.waiting) > 0 || len(p.all) < p.options.MinSessions)
}

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
	if a := p.accounts[e.UserID]; a != nil && a.retryAt.After(e.retryAt) && !a.allowsLocked(e.Password) {
		return a.retryAt
	}
	return e.retryAt
}

// addSession makes one session and adds it to the pool. If more are wanted, it
// starts the next addSession.
func (p *pool) addSession() {
	s, err := p.makeSession()
	p.mu.Lock()
	p.connecting = false
	p.lastErr = err
	if s != nil {
		p.addLocked(s)
	}
	p.growLocked() // or fails the waiters
	p.mu.Unlock()
	if s != nil && !s.usable() {
		p.sessionClosed(s, s.reason()) // it may have been closed before it was in the pool
	}
}

// addLocked adds a session that was just made to the pool. The caller holds the
// pool's mutex.
func (p *pool) addLocked(s *session) {
	if p.closed {
		p.running.Go(func() { s.logout(ErrClosed) })
		return
	}
	now := time.Now()
	s.idleSince, s.probed = now, now
	s.expires = now.Add(shorten(p.options.MaxAge, p.options.Jitter))
	p.assignLocked(s).handOver(s)
}

// makeSession makes a session with the first endpoint that accepts it. An error
// joins those of all endpoints that were tried. It is called without the mutex.
func (p *pool) makeSession() (*session, error) {
	var failures []error
	for _, e := range p.endpoints {
		start := time.Now()
		password := p.readPassword(e)
		if may, why := p.beginAttempt(e, start); !may {
			failures = append(failures, why)
			continue
		}
		s, who, err := e.open(p.closing, opening{userID: e.UserID, password: password, ownAccount: true, run: p.running.Go, onClose: p.sessionClosed})
		refused := p.endAttempt(e, password, err)
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

// beginAttempt reports whether an endpoint is to be tried now. If it is not, and
// the platform refuses its account, why is the refusal, otherwise nil.
func (p *pool) beginAttempt(e *endpoint, now time.Time) (may bool, why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.connecting = !p.endpointDueLocked(e).After(now) && !p.tryElsewhereLocked(e, now)
	if a := p.accounts[e.UserID]; !e.connecting && a != nil {
		why = a.err
	}
	return e.connecting, why
}

// endAttempt records how an attempt has ended. If the platform refused the
// credentials, it returns how long the account is in backoff, otherwise 0.
func (p *pool) endAttempt(e *endpoint, password Secret, err error) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.connecting = false
	now := time.Now()
	if p.closing.Err() == nil {
		e.noteAttemptLocked(now, proofLogin, err)
	}
	switch {
	case err == nil:
		delete(p.accounts, e.UserID)
	case e.refusesCredentials(err):
		return p.noteRefusalLocked(e, password, now, err)
	default:
		e.noteFailureLocked(now)
	}
	return 0
}

// retireLocked closes a session that is not in use, in the background, and removes
// it from the pool. The caller holds the pool's mutex.
func (p *pool) retireLocked(s *session, why CloseReason) {
	var broken error
	if why == ClosedBroken {
		broken = s.reason()
	}
	// This comes first, since close waits for running after all sessions are removed.
	p.running.Go(func() {
		s.logout(errors.New("oci: closed: " + string(why)))
		if why == ClosedBroken {
			<-s.readEnded // the reader counts the document that was refused
		}
		p.options.Trace.sessionClosed(s.endpoint.Name, why, broken)
	})
	p.removeLocked(s)
}

// sessionClosed is called when a session has been closed, without the mutex.
func (p *pool) sessionClosed(s *session, why error) {
	if p.removeClosed(s, why) {
		p.options.Trace.sessionClosed(s.endpoint.Name, ClosedBroken, why)
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
// reply count as a failed attempt. The caller holds the pool's mutex.
func (p *pool) replaceLocked(s *session, why error) {
	s.endpoint.dialect.recheck()
	if now := time.Now(); !s.proven && s.endpoint.noteUnproductiveLocked(now) {
		p.lastErr = s.endpoint.noAnswers(why)
		s.endpoint.noteNoReplyLocked(now, p.lastErr)
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
