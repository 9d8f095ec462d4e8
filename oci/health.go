package oci

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"time"
)

// proof is how far an attempt to reach an endpoint has succeeded, or must succeed.
type proof int

const (
	proofConnection proof = iota // a connection, including TLS
	proofLogin                   // a login, and the version
	proofReply                   // a reply after the login
)

// health is the result of the attempts to reach an endpoint: attempts to make a
// session, and probes. The pool's mutex guards all fields.
type health struct {
	up      bool
	tried   time.Time // when the last attempt ended; zero before the first
	err     error     // of the last attempt that failed; nil if the endpoint is up
	needs   proof     // how far an attempt must succeed for the endpoint to be up again
	refused bool      // the platform has refused the account's credentials
	with    Secret    // the password that it has refused last
	probeAt time.Time // no probe before that

	shown bool      // isUpLocked at the last call of noteUpLocked
	since time.Time // when shown changed last, or the first attempt ended; zero before
}

// noteAttemptLocked records how an attempt to reach the endpoint has ended. After a
// success the endpoint is up only if the attempt proves as much as what failed
// before: a connection does not prove that a login works. password is that of a login, if
// there was one. The caller holds the pool's mutex.
func (e *endpoint) noteAttemptLocked(now time.Time, reached proof, password Secret, err error) {
	h := &e.health
	h.tried = now
	e.postponeProbeLocked(now)
	if err == nil {
		if reached >= h.needs {
			e.health.setUpLocked()
		}
		return
	}
	h.up, h.err = false, err
	if failed, ok := errors.AsType[*ConnectError](err); ok && (failed.Stage == StageLogin || failed.Stage == StageVersion) {
		h.needs = max(h.needs, proofLogin)
	}
	if e.refusesCredentials(err) {
		h.refused, h.with = true, password
	}
}

// setUpLocked records that the endpoint works. The caller holds the pool's mutex.
func (h *health) setUpLocked() {
	h.up, h.err, h.needs, h.refused, h.with = true, nil, proofConnection, false, ""
}

// noteNoReplyLocked records that sessions end before they bring a reply. The caller
// holds the pool's mutex.
func (e *endpoint) noteNoReplyLocked(now time.Time, err error) {
	e.noteAttemptLocked(now, proofLogin, "", err)
	e.health.needs = proofReply
}

// noteSilentLocked records that no session of the endpoint answers: it is in backoff as
// after a failed attempt. Sessions that answer nevertheless stay in use, and the next reply
// over one of them shows that the endpoint works. The caller holds the pool's mutex, and calls
// growLocked afterwards.
func (p *pool) noteSilentLocked(e *endpoint, now time.Time, err error) {
	of := e.latestLocked()
	of.noteNoReplyLocked(now, err)
	of.silent, of.loggedInAt = true, time.Time{}
	if !of.retryAt.After(now) {
		of.noteFailureLocked(now)
	}
	p.noteUpLocked(of, now)
}

// postponeProbeLocked sets the time of the next probe, one interval from now. The
// caller holds the pool's mutex.
func (e *endpoint) postponeProbeLocked(now time.Time) {
	o := e.live.Load()
	e.health.probeAt = now.Add(shorten(o.ProbeUnusedInterval, o.Jitter))
}

// handshake makes the TLS handshake, and records the expiry of the certificate that
// the endpoint has presented, whether it was accepted or not.
func (e *endpoint) handshake(ctx context.Context, secured *tls.Conn) error {
	err := secured.HandshakeContext(ctx)
	presented := secured.ConnectionState().PeerCertificates
	if refused, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		presented = refused.UnverifiedCertificates
	}
	if len(presented) > 0 {
		ends := presented[0].NotAfter // a pointer into the certificate would keep all of it
		e.certificateEnds.Store(&ends)
	}
	return err
}

// endpointProbe is a probe that is under way.
type endpointProbe struct {
	endpoint *endpoint
	// login says that the probe logs in. Then it counts as a session of MaxSessions.
	login  bool
	cancel context.CancelFunc
}

// probeUnused starts a probe of an endpoint that has no session and was not tried
// for ProbeUnusedInterval, so that the operator can see that it is down before it is
// needed. There is one probe at a time, and none while a session is being made. The
// result has no effect on any backoff. An endpoint whose probe has failed is tried after those
// that have not failed, and sessions return to one whose probe has succeeded.
func (p *pool) probeUnused(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.options().ProbeUnusedInterval < 0 || p.closed || len(p.attempts) > 0 || p.probing != nil {
		return
	}
	e := p.nextProbeLocked(now)
	if e == nil {
		return
	}
	ctx, cancel := context.WithCancel(p.closing)
	probe := &endpointProbe{endpoint: e, login: e.health.needs > proofConnection, cancel: cancel}
	p.probing = probe
	p.running.Go(func() {
		defer cancel()
		p.runProbe(ctx, e, probe.login)
	})
}

// nextProbeLocked returns the endpoint whose probe has been due for the longest time,
// or nil. The caller holds the pool's mutex.
func (p *pool) nextProbeLocked(now time.Time) *endpoint {
	used := map[*endpoint]bool{}
	for s := range p.all {
		used[s.endpoint] = true
	}
	var next *endpoint
	for _, e := range p.endpoints {
		due := !used[e] && e.remainingBackoffLocked(now) == 0 && !now.Before(e.health.probeAt) && (e.health.needs == proofConnection || p.mayProbeLoginLocked(e))
		if due && (next == nil || e.health.probeAt.Before(next.health.probeAt)) {
			next = e
		}
	}
	return next
}

// mayProbeLoginLocked reports whether a probe may log in at an endpoint, apart from the
// password (see [pool.mayProbeWith]). It may if no session is wanted, the pool has room for
// one, and the platform has accepted the account since it has refused it to a session. The
// caller holds the pool's mutex.
func (p *pool) mayProbeLoginLocked(e *endpoint) bool {
	return p.accounts[e.UserID] == nil && p.wantedLocked() <= 0 && p.hasRoomLocked()
}

// mayProbeWith reports whether a probe may log in with a password: one that the platform
// has not refused for this account at any endpoint. Each refusal may count against the
// account, so with that password only a session that is needed may be the next attempt.
// It is called without the mutex.
func (p *pool) mayProbeWith(e *endpoint, password Secret) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !slices.ContainsFunc(p.endpoints, func(other *endpoint) bool {
		return other.UserID == e.UserID && other.health.refused && other.health.with == password
	})
}

// runProbe makes a probe. If a session is wanted meanwhile, a probe with a login is
// canceled, and has no result. The same holds for any probe if its endpoint is replaced,
// and for one that may not log in with the password. It is called without the mutex.
func (p *pool) runProbe(ctx context.Context, e *endpoint, login bool) {
	start := time.Now()
	probe := Probe{Endpoint: e.Name, Login: login}
	var s *session
	var password Secret
	made := true
	if login {
		password = p.readPassword(e)
		made = p.mayProbeWith(e, password)
	}
	switch {
	case !made:
	case login:
		s, probe.Err = p.probeLogin(ctx, e, password)
	default:
		probe.Err = e.reach(ctx)
	}
	probe.Took = time.Since(start)
	p.mu.Lock()
	valid := made && ctx.Err() == nil && !e.replaced
	if valid {
		valid = p.noteProbeLocked(e, password, &probe)
	} else {
		e.latestLocked().postponeProbeLocked(time.Now())
	}
	p.probing = nil
	p.growLocked()
	p.mu.Unlock()
	if s != nil {
		s.logout(errors.New("oci: closed: the endpoint has been probed"))
	}
	if valid {
		p.options().Trace.endpointProbed(probe)
	}
}

// noteProbeLocked records how a probe has ended, and reports whether its result
// counts. It does not if a session was made meanwhile, which proves more. The caller
// holds the pool's mutex.
func (p *pool) noteProbeLocked(e *endpoint, password Secret, probe *Probe) bool {
	for s := range p.all {
		if s.endpoint == e {
			return false
		}
	}
	reached := proofConnection
	if probe.Login {
		reached = proofReply
	}
	before := e.health
	now := time.Now()
	e.noteAttemptLocked(now, reached, password, probe.Err)
	p.noteUpLocked(e, now)
	probe.Up = e.health.up
	probe.Changed = before.tried.IsZero() || before.up != probe.Up
	return true
}

// reach makes a connection and closes it.
func (e *endpoint) reach(ctx context.Context) error {
	conn, err := e.connect(ctx)
	if err != nil {
		return err
	}
	// TLS is closed in order, which may block until ctx ends.
	defer context.AfterFunc(ctx, func() { _ = conn.socket.Close() })()
	_ = conn.Close()
	return nil
}

// probeLogin logs in and sends one command. If it returns a session, the caller must
// log it out.
func (p *pool) probeLogin(ctx context.Context, e *endpoint, password Secret) (*session, error) {
	s, who, err := e.open(ctx, opening{
		userID: e.UserID, password: password, ownAccount: true, run: p.running.Go, onClose: func(*session, error) {},
	})
	if err != nil {
		return nil, err
	}
	p.noteLoggedIn(e, who)
	if err := s.ping(ctx); err != nil {
		return s, e.noAnswers(whyEnded(err))
	}
	return s, nil
}

// isUpLocked reports whether an endpoint has a session that has brought a reply, or
// else the last attempt to reach it succeeded. The caller holds the pool's mutex.
func (p *pool) isUpLocked(e *endpoint) bool {
	if e.health.up {
		return true
	}
	for s := range p.all {
		if s.endpoint == e && s.proven {
			return true
		}
	}
	return false
}

// noteUpLocked records when an endpoint has gone up or down. It is called after all
// that may change that. The caller holds the pool's mutex.
func (p *pool) noteUpLocked(e *endpoint, now time.Time) {
	h, up := &e.health, p.isUpLocked(e)
	if up != h.shown || h.since.IsZero() && !h.tried.IsZero() {
		h.shown, h.since = up, now
	}
	p.planReturnLocked(now)
}
