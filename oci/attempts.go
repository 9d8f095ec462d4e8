package oci

import (
	"context"
	"errors"
	"slices"
	"time"
)

// attempt is one attempt to make a session. The pool's mutex guards all fields except
// endpoint, kind and ctx, which never change.
type attempt struct {
	endpoint *endpoint
	kind     attemptKind
	ctx      context.Context
	abandon  context.CancelCauseFunc
	step     int  // the endpoint's failures when the attempt began
	sending  bool // it may send the password
	// checked says that the session must bring a reply first: nobody waits for it and others
	// work, or sessions there have ended without a reply.
	checked bool
	// beside says that nobody waits for the attempt: it is a further one at an endpoint
	// that has failed while another one works, or it is late.
	beside bool
	late   bool        // it has not ended within lateAfterLocked
	timer  *time.Timer // of late; nil if there is none
}

// The causes with which the pool ends an attempt.
var (
	// errLate ends an attempt that is late when its place among MaxSessions is needed.
	// It counts as a failure.
	errLate = errors.New("no answer yet when a session was needed, and another endpoint was tried instead")
	// errPutOff ends an attempt beside the traffic whose place is needed by a caller. The next
	// one is made after a backoff.
	errPutOff = errors.New("the attempt was put off because a session was needed")
	// errWithdrawn ends an attempt that is not needed any more. It has no result.
	errWithdrawn = errors.New("the attempt was not needed any more")
)

// parallelFor is how long a login at an endpoint permits attempts in parallel there,
// unless an attempt fails or a session breaks meanwhile. It is short, because a password that was
// changed at the platform meanwhile is refused once for each of them.
const parallelFor = time.Second

// oneByOneFor is how long there is one attempt at a time after a session has ended sooner than it took
// to make it: many logins would bring little, and the platform may end the sessions because of them.
const oneByOneFor = 10 * time.Second

// growLocked begins attempts to make the sessions that are wanted. If none can be made
// now, and callers would wait in vain, they get an error. The caller holds the pool's
// mutex.
func (p *pool) growLocked() {
	if p.closed {
		return
	}
	now := time.Now()
	p.useRoomLocked(now)
	for p.wantedLocked() > 0 && p.beginNextLocked(now) {
	}
	p.retryBesideLocked(now)
	p.checkStuckLocked(now)
	if err := p.unavailableLocked(now); err != nil {
		p.refuseWaitersLocked(err)
	}
}

// wantedLocked returns how many more sessions are wanted than are being made. It is not
// above 0 if none is. The caller holds the pool's mutex.
func (p *pool) wantedLocked() int {
	return max(p.queue.wanted, p.options().MinSessions-len(p.all), p.toReplace) - p.awaitedLocked()
}

// awaitedLocked returns how many attempts are under way for whose session somebody waits. The
// caller holds the pool's mutex.
func (p *pool) awaitedLocked() (n int) {
	for _, a := range p.attempts {
		if !a.beside {
			n++
		}
	}
	return n
}

// hasRoomLocked reports whether another session may be made. Attempts count, and so do
// sessions that are being logged out until the logout is sent, since the platform may
// have a limit as well. The caller holds the pool's mutex.
func (p *pool) hasRoomLocked() bool {
	n := len(p.all) + p.leaving
	for _, a := range p.attempts {
		if a.kind.makesSession() {
			n++
		}
	}
	return n < p.options().MaxSessions
}

// beginNextLocked begins an attempt to make a session that is wanted, and reports whether
// it has. If only a late attempt, or a probe that logs in, is in the way, it is ended, and
// its end calls growLocked again. The caller holds the pool's mutex.
func (p *pool) beginNextLocked(now time.Time) bool {
	e := p.nextEndpointLocked(now)
	if e == nil {
		return false
	}
	if !p.hasRoomLocked() {
		if e.health.err == nil { // else two slow endpoints would end each other's attempts for ever
			p.abandonLateLocked(e)
		}
		return false
	}
	if p.probing != nil && p.probing.login {
		p.probing.cancel()
		return false
	}
	p.beginLocked(e, wantedNow)
	return true
}

// abandonLateLocked ends an attempt that is late at another endpoint than that one, or beside
// the traffic if there is no session left, unless one that was ended is still in the way. The
// caller holds the pool's mutex.
func (p *pool) abandonLateLocked(e *endpoint) {
	if p.leaving > 0 || slices.ContainsFunc(p.attempts, func(a *attempt) bool { return a.ctx.Err() != nil }) {
		return
	}
	for _, a := range p.attempts {
		switch {
		case !a.kind.makesSession() || a.endpoint.latestLocked() == e:
		case a.late:
			a.abandon(errLate)
			return
		case a.kind != wantedNow && len(p.all) == 0:
			a.abandon(errPutOff)
			return
		}
	}
}

// nextEndpointLocked returns the endpoint for the next session that somebody waits for, or
// nil if there is to be no attempt now. It is the first one that is not in backoff, whose
// last attempt has not failed, and where no attempt is late. If there is none, an endpoint
// whose last attempt has failed is tried. The caller holds the pool's mutex.
func (p *pool) nextEndpointLocked(now time.Time) *endpoint {
	var failed *endpoint
	for _, e := range p.preferred {
		if p.endpointDueLocked(e).After(now) || p.tryElsewhereLocked(e, now) || p.isLateLocked(e) {
			continue
		}
		if e.health.err == nil {
			return p.unlessTriedLocked(e, now)
		}
		if failed == nil {
			failed = e
		}
	}
	if failed == nil {
		return nil
	}
	return p.unlessTriedLocked(failed, now)
}

// unlessTriedLocked returns the endpoint, or nil if there must be no attempt besides those
// that are under way. Several are made in parallel only after a login there has succeeded
// lately with the same password, so that a platform that fails gets one attempt at a time,
// and a password that it refuses is sent once. The caller holds the pool's mutex.
func (p *pool) unlessTriedLocked(e *endpoint, now time.Time) *endpoint {
	underWay := 0
	for _, a := range p.attempts {
		if !a.late {
			underWay++
		}
		if p.accounts[e.UserID] != nil && a.endpoint.UserID == e.UserID {
			return nil
		}
	}
	if p.isTriedLocked(e) && (underWay >= p.options().ParallelLogins || !e.mayLogInTwiceLocked(now)) {
		return nil
	}
	return e
}

// mayLogInTwiceLocked reports whether several attempts may be under way at the endpoint. The
// caller holds the pool's mutex.
func (e *endpoint) mayLogInTwiceLocked(now time.Time) bool {
	return e.health.err == nil && !e.loggedInAt.IsZero() && now.Sub(e.loggedInAt) < parallelFor && e.loggedInWith == e.password &&
		now.Sub(e.briefAt) >= oneByOneFor
}

// isTriedLocked reports whether an attempt is under way at the endpoint, or at one that it
// has replaced. The caller holds the pool's mutex.
func (p *pool) isTriedLocked(e *endpoint) bool { return p.attemptsLocked(e) > 0 }

// isLateLocked reports whether an attempt at the endpoint is late. The caller holds the
// pool's mutex.
func (p *pool) isLateLocked(e *endpoint) bool {
	return slices.ContainsFunc(p.attempts, func(a *attempt) bool { return a.late && a.endpoint.latestLocked() == e })
}

// attemptKind says what an attempt is for.
type attemptKind int

const (
	wantedNow      attemptKind = iota // somebody waits for the session
	besideTraffic                     // nobody does: the endpoint has failed, and another one works
	forMeasurement                    // nobody does: the endpoint is measured; see slow.go
	onlyConnects                      // as besideTraffic, but it makes no session, only a connection
	onlyAsks                          // it makes no session, and finds out whether the endpoint answers; see stuck.go
)

// makesSession reports whether an attempt of that kind logs in.
func (k attemptKind) makesSession() bool { return k < onlyConnects }

// beginLocked begins an attempt. The caller holds the pool's mutex.
func (p *pool) beginLocked(e *endpoint, kind attemptKind) {
	a := &attempt{endpoint: e, kind: kind, step: e.failures, beside: kind != wantedNow}
	a.ctx, a.abandon = context.WithCancelCause(p.closing)
	p.attempts = append(p.attempts, a)
	if after := p.lateAfterLocked(e); after > 0 {
		a.timer = time.AfterFunc(after, func() { p.noteLate(a) })
	}
	p.running.Go(func() { p.makeSession(a) })
}

// lateAfterLocked returns after what time an attempt is late: NextEndpointAfter, or longer if
// the last login at the endpoint took long. It is negative for never. The caller holds the
// pool's mutex.
func (p *pool) lateAfterLocked(e *endpoint) time.Duration {
	after := p.options().NextEndpointAfter
	if after < 0 {
		return after
	}
	return max(after, 2*e.loginTook)
}

// noteLate records that an attempt is late. The next endpoint is tried then, if a session is
// wanted.
func (p *pool) noteLate(a *attempt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.Contains(p.attempts, a) {
		a.late, a.beside = true, true
		p.growLocked()
	}
}

// makeSession makes one attempt, and adds the session to the pool. It is called without the
// mutex.
func (p *pool) makeSession(a *attempt) {
	var made *session
	switch a.kind {
	case onlyConnects:
		p.reachAgain(a)
	case onlyAsks:
		p.askWhetherAlive(a)
	default:
		if password := p.readPassword(a.endpoint); p.maySend(a, password) {
			made = p.try(a, password)
		}
	}
	p.mu.Lock()
	p.attempts = slices.DeleteFunc(p.attempts, func(other *attempt) bool { return other == a })
	a.abandon(nil)
	if a.timer != nil {
		a.timer.Stop()
	}
	if made != nil {
		p.addLocked(made)
		p.retireSlowLocked(a, made)
		p.withdrawLocked(a.endpoint)
	}
	p.growLocked() // or fails the waiters
	p.mu.Unlock()
	if made != nil && !made.usable() {
		p.sessionClosed(made, made.reason()) // it may have been closed before it was in the pool
	}
}

// try makes a connection and logs in with the password, and calls the hooks. It returns nil
// if that fails.
func (p *pool) try(a *attempt, password Secret) *session {
	e, start := a.endpoint, time.Now()
	parts := new(stageTimes)
	s, who, err := e.open(a.ctx, opening{
		userID: e.UserID, password: password, ownAccount: true, run: p.running.Go, onClose: p.sessionClosed, stages: parts,
	})
	took := time.Since(start)
	if err == nil && a.checked {
		err = a.checkReply(s)
	}
	refused, counts := p.endAttempt(a, password, took, s, err)
	if counts {
		p.options().Trace.sessionTried(e.Name, time.Since(start), err)
		p.options().Trace.loginEnded(LoginEvent{Endpoint: e.Name, Began: start, Connect: parts.connect, TLS: parts.tls, Err: err}, p.waiting)
	}
	if err != nil {
		s = nil
	}
	if err == nil {
		p.noteLoggedIn(e, who)
	}
	if refused > 0 {
		p.options().Trace.accountRefused(e.Name, e.UserID, refused, err)
	}
	return s
}

// checkReply asks the platform whether a new session is valid, and closes it without a reply.
func (a *attempt) checkReply(s *session) error {
	ctx, cancel := within(a.ctx, a.endpoint.options.LoginTimeout)
	defer cancel()
	err := s.ping(ctx)
	if err != nil {
		s.close(err)
		return a.endpoint.noAnswers(whyEnded(err))
	}
	return nil
}

// maySend reports whether an attempt may go on with the password that was just read.
// Meanwhile the attempt may have been ended, its endpoint replaced or put in backoff. With
// another password than that of the last login, it must be the only attempt at its endpoint.
func (p *pool) maySend(a *attempt, password Secret) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, now := a.endpoint, time.Now()
	if a.ctx.Err() != nil || e.replaced || p.endpointDueLocked(e).After(now) {
		return false
	}
	if a.kind != wantedNow && p.wasRefusedLocked(e, password, now) {
		return false
	}
	for _, other := range p.attempts {
		if other != a && other.sending && other.endpoint.latestLocked() == e && !e.mayLogInTwiceLocked(now) {
			return false
		}
	}
	a.sending, e.reached = true, false
	a.checked = a.kind != wantedNow || e.health.needs == proofReply
	return true
}

// withdrawLocked ends the attempts at less preferred endpoints than one that has just made a
// session, if more sessions are being made than are wanted. The caller holds the pool's
// mutex.
func (p *pool) withdrawLocked(made *endpoint) {
	preferred, spare := slices.Index(p.preferred, made), -p.wantedLocked()
	if preferred < 0 {
		return
	}
	for _, a := range slices.Backward(p.attempts) {
		if spare > 0 && !a.beside && a.ctx.Err() == nil && slices.Index(p.preferred, a.endpoint) > preferred {
			a.abandon(errWithdrawn)
			spare--
		}
	}
}

// endAttempt records how an attempt has ended. If the platform refused the
// credentials, it returns how long the account is in backoff, otherwise 0. counts reports
// whether the attempt has a result. If the endpoint was replaced meanwhile, a failure is one
// of its successor, which must not be tried sooner because of that. So is an attempt that
// Reconfigure has ended. A success proves nothing about the successor.
func (p *pool) endAttempt(a *attempt, password Secret, took time.Duration, s *session, err error) (refused time.Duration, counts bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, now := a.endpoint, time.Now()
	refuses := e.refusesCredentials(err)
	if err != nil && !refuses && errors.Is(context.Cause(a.ctx), errWithdrawn) {
		return 0, false
	}
	of, reached := e.latestLocked(), proofLogin
	if a.checked {
		reached = proofReply
	}
	if p.closing.Err() == nil && (err != nil || of == e) {
		of.noteAttemptLocked(now, reached, password, err)
		p.noteUpLocked(of, now)
	}
	switch {
	case err == nil:
		delete(p.accounts, e.UserID)
		e.loggedInAt, e.loggedInWith, e.loginTook = now, password, took
		if a.checked {
			s.proven = true
			e.noteWorkingLocked()
		}
	case refuses:
		of.loggedInAt = time.Time{}
		p.withdrawAccountLocked(a)
		return p.noteRefusalLocked(of, password, now, err), true
	default:
		of.loggedInAt = time.Time{}
		p.noteFailedLocked(a, of, now)
	}
	return 0, true
}

// noteFailedLocked puts the endpoint for which an attempt counts in backoff, unless another
// attempt of the same step has done so. The caller holds the pool's mutex.
func (p *pool) noteFailedLocked(a *attempt, of *endpoint, now time.Time) {
	p.toReplace = 0
	if a.step == of.failures {
		of.noteFailureLocked(now)
		why := context.Cause(a.ctx)
		of.deferred = errors.Is(why, errReconfigured) || errors.Is(why, errPutOff)
	}
}

// withdrawAccountLocked ends the other attempts of an account whose credentials the
// platform has just refused, if possible before they send the password. The caller holds the
// pool's mutex.
func (p *pool) withdrawAccountLocked(refused *attempt) {
	for _, a := range p.attempts {
		if a != refused && a.endpoint.UserID == refused.endpoint.UserID {
			a.abandon(errWithdrawn)
		}
	}
}
