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
			p.refuseWaitersLocked(err)
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
	return p.hasRoomLocked() && (p.queue.wanted > 0 || len(p.all) < p.options().MinSessions)
}

// hasRoomLocked reports whether another session may be made. Sessions that are being
// logged out count until the logout is sent, since the platform may have a limit as well.
// The caller holds the pool's mutex.
func (p *pool) hasRoomLocked() bool {
	return len(p.all)+p.leaving < p.options().MaxSessions
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
	if a := p.accounts[e.UserID]; a != nil && a.retryAt.After(e.retryAt) && !a.allowsLocked(e.password) {
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
	if s != nil || err != nil { // else the endpoints were replaced before an attempt
		p.lastErr = err
	}
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
	s.expires = now.Add(shorten(p.options().MaxAge, p.options().Jitter))
	if s.endpoint.replaced || len(p.all) >= p.options().MaxSessions {
		p.retireOutdatedLocked(s, now)
		return
	}
	p.assignLocked(s).handOver(s)
}

// makeSession makes a session with the first endpoint that accepts it. An error
// joins those of all endpoints that were tried. It stops when Reconfigure has replaced
// the endpoints: it then returns the errors so far, or nothing. It is called without
// the mutex.
func (p *pool) makeSession() (*session, error) {
	var failures []error
	endpoints, generation := p.inOrder()
	for _, e := range endpoints {
		start := time.Now()
		password := p.readPassword(e)
		ctx, why := p.beginAttempt(e, generation, start)
		if errors.Is(why, errReconfigured) {
			break
		}
		if ctx == nil {
			failures = append(failures, why)
			continue
		}
		s, who, err := e.open(ctx, opening{userID: e.UserID, password: password, ownAccount: true, run: p.running.Go, onClose: p.sessionClosed})
		refused := p.endAttempt(ctx, e, password, err)
		p.options().Trace.sessionTried(e.Name, time.Since(start), err)
		if err == nil {
			p.noteLoggedIn(e, who)
			return s, nil
		}
		if refused > 0 {
			p.options().Trace.accountRefused(e.Name, e.UserID, refused, err)
		}
		if !errors.Is(context.Cause(ctx), errReconfigured) {
			failures = append(failures, err)
		}
	}
	return nil, inOneLine(failures)
}

// beginAttempt returns the context of an attempt to make a session with an endpoint, or
// nil if it is not to be tried now. Then, if the platform refuses its account, why is
// the refusal. It is errReconfigured if the endpoints are of another generation,
// otherwise nil. After an attempt the caller must call endAttempt.
func (p *pool) beginAttempt(e *endpoint, generation int, now time.Time) (ctx context.Context, why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if generation != p.generation {
		return nil, errReconfigured
	}
	e.connecting = !p.endpointDueLocked(e).After(now) && !p.tryElsewhereLocked(e, now)
	if !e.connecting {
		if a := p.accounts[e.UserID]; a != nil {
			why = a.err
		}
		return nil, why
	}
	ctx, e.abandon = context.WithCancelCause(p.closing)
	return ctx, nil
}

// endAttempt records how an attempt has ended. If the platform refused the
// credentials, it returns how long the account is in backoff, otherwise 0. If the
// endpoint was replaced meanwhile, a failure is one of its successor, which must not
// be tried sooner because of that. So is an attempt that Reconfigure has ended. A success
// proves nothing about the successor. ctx is that of beginAttempt.
func (p *pool) endAttempt(ctx context.Context, e *endpoint, password Secret, err error) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.connecting = false
	e.abandon(nil)
	e.abandon = nil
	now := time.Now()
	of := e.latestLocked()
	if p.closing.Err() == nil && (err != nil || of == e) {
		of.noteAttemptLocked(now, proofLogin, password, err)
		p.noteUpLocked(of, now)
	}
	switch {
	case err == nil:
		delete(p.accounts, e.UserID)
	case e.refusesCredentials(err):
		return p.noteRefusalLocked(of, password, now, err)
	default:
		of.noteFailureLocked(now)
		of.deferred = errors.Is(context.Cause(ctx), errReconfigured)
	}
	return 0
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
	if alone {
		p.suspectLocked(s.endpoint, why, now)
	}
	e := s.endpoint.latestLocked()
	e.dialect.recheck()
	if !s.proven && alone && e.noteUnproductiveLocked(now) {
		p.lastErr = s.endpoint.noAnswers(why)
		e.noteNoReplyLocked(now, p.lastErr)
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
