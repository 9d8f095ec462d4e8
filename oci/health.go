package oci

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"time"
)

// proof is how far an attempt to reach an endpoint has got, or has to get.
type proof int

const (
	proofConnection proof = iota // a connection, TLS included
	proofLogin                   // a login, and the version
	proofAnswer                  // an answer after the login
)

// health is what the attempts to reach an endpoint have shown: those to make a
// session, and probes. The pool's mutex guards all fields.
type health struct {
	up      bool
	tried   time.Time // when the last attempt ended; zero before the first
	err     error     // of the last attempt that failed, nil since it is up
	needs   proof     // what it takes to be up again
	refused bool      // the platform has refused the account's credentials
	probeAt time.Time // no probe before
}

// noteAttempt records how an attempt to reach the endpoint has ended. One that
// succeeds makes it up only where it proves as much as what failed before: a
// connection is no proof that a login works. The caller holds the pool's mutex.
func (e *endpoint) noteAttempt(now time.Time, reached proof, err error) {
	h := &e.health
	h.tried = now
	e.postponeProbe(now)
	if err == nil {
		if reached >= h.needs {
			e.health.works()
		}
		return
	}
	h.up, h.err = false, err
	if failed, ok := errors.AsType[*ConnectError](err); ok && (failed.Stage == StageLogin || failed.Stage == StageVersion) {
		h.needs = max(h.needs, proofLogin)
	}
	h.refused = h.refused || e.refusesCredentials(err)
}

// works records that the endpoint has proved to work. The caller holds the
// pool's mutex.
func (h *health) works() {
	h.up, h.err, h.needs, h.refused = true, nil, proofConnection, false
}

// noteBarren records that sessions end before they bring an answer. The caller
// holds the pool's mutex.
func (e *endpoint) noteBarren(now time.Time, err error) {
	e.noteAttempt(now, proofLogin, err)
	e.health.needs = proofAnswer
}

// postponeProbe has the next probe wait for an interval. The caller holds the
// pool's mutex.
func (e *endpoint) postponeProbe(now time.Time) {
	e.health.probeAt = now.Add(shorten(e.options.ProbeUnusedInterval, e.options.Jitter))
}

// handshake makes TLS of a connection, and notes when the certificate expires
// that the endpoint has presented, accepted or not.
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
	// login says that it logs in, and so takes the place of a session.
	login  bool
	cancel context.CancelFunc
}

// probeUnused starts a probe of an endpoint that has no session and was not tried
// for a while, so that an operator learns that it is down before it is needed.
// There is one probe at a time, and none while a session is being made. What it
// finds has no effect on which endpoint is tried next, nor on any backoff.
func (p *pool) probeUnused(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.options.ProbeUnusedInterval < 0 || p.closed || p.connecting || p.probing != nil {
		return
	}
	e := p.probeNext(now)
	if e == nil {
		return
	}
	ctx, cancel := context.WithCancel(p.life)
	probe := &endpointProbe{login: e.health.needs > proofConnection, cancel: cancel}
	p.probing = probe
	p.running.Go(func() {
		defer cancel()
		p.runProbe(ctx, e, probe.login)
	})
}

// probeNext is the endpoint whose probe is due for the longest time, or nil. The
// caller holds the mutex.
func (p *pool) probeNext(now time.Time) *endpoint {
	used := map[*endpoint]bool{}
	for s := range p.all {
		used[s.endpoint] = true
	}
	var next *endpoint
	for _, e := range p.endpoints {
		due := !used[e] && e.pause(now) == 0 && !now.Before(e.health.probeAt) && (e.health.needs == proofConnection || p.mayProbeLogin(e))
		if due && (next == nil || e.health.probeAt.Before(next.health.probeAt)) {
			next = e
		}
	}
	return next
}

// mayProbeLogin reports whether a probe may log in at an endpoint: where nobody
// wants a session and there is room for one, and the platform has not refused
// the account, there or at another endpoint. Each refusal may count against it,
// so only a session that is needed may be the next try. The caller holds the
// mutex.
func (p *pool) mayProbeLogin(e *endpoint) bool {
	refused := slices.ContainsFunc(p.endpoints, func(other *endpoint) bool {
		return other.UserID == e.UserID && other.health.refused
	})
	return !refused && p.accounts[e.UserID] == nil && !p.wanting() && len(p.all) < p.options.MaxSessions
}

// runProbe makes a probe. Where a session is wanted meanwhile, one with a login
// makes way for it, and shows nothing.
func (p *pool) runProbe(ctx context.Context, e *endpoint, login bool) {
	start := time.Now()
	probe := Probe{Endpoint: e.Name, Login: login}
	var s *session
	if login {
		s, probe.Err = p.probeLogin(ctx, e)
	} else {
		probe.Err = e.reach(ctx)
	}
	probe.Took = time.Since(start)
	p.mu.Lock()
	shows := ctx.Err() == nil
	if shows {
		shows = p.noteProbe(e, &probe)
	} else {
		e.postponeProbe(time.Now())
	}
	p.probing = nil
	p.grow()
	p.mu.Unlock()
	if s != nil {
		s.logout(errors.New("oci: closed: the endpoint has been probed"))
	}
	if shows {
		p.options.Trace.endpointProbed(probe)
	}
}

// noteProbe records how a probe has ended, and reports whether it shows anything:
// a session that was made meanwhile shows more. The caller holds the mutex.
func (p *pool) noteProbe(e *endpoint, probe *Probe) bool {
	for s := range p.all {
		if s.endpoint == e {
			return false
		}
	}
	reached := proofConnection
	if probe.Login {
		reached = proofAnswer
	}
	before := e.health
	e.noteAttempt(time.Now(), reached, probe.Err)
	probe.Up = e.health.up
	probe.Changed = before.tried.IsZero() || before.up != probe.Up
	return true
}

// reach makes a connection, and closes it.
func (e *endpoint) reach(ctx context.Context) error {
	conn, err := e.connect(ctx)
	if err != nil {
		return err
	}
	// TLS takes its leave, for which it may have to wait.
	defer context.AfterFunc(ctx, func() { _ = conn.socket.Close() })()
	_ = conn.Close()
	return nil
}

// probeLogin logs in and asks for an answer. The session, if there is one, is the
// caller's to log out.
func (p *pool) probeLogin(ctx context.Context, e *endpoint) (*session, error) {
	s, who, err := e.open(ctx, opening{
		userID: e.UserID, password: p.readPassword(e), ours: true, run: p.running.Go, died: func(*session, error) {},
	})
	if err != nil {
		return nil, err
	}
	p.options.Trace.loggedIn(e.Name, who)
	if err := s.ping(ctx); err != nil {
		return s, e.noAnswers(whyEnded(err))
	}
	return s, nil
}

// isUp reports whether an endpoint has a session that has brought an answer, or
// else has proved to work at the last attempt. The caller holds the mutex.
func (p *pool) isUp(e *endpoint) bool {
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
