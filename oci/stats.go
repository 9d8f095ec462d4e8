package oci

import "time"

// Stats is a snapshot of the sessions and endpoints of a [Client].
type Stats struct {
	Endpoints  []EndpointStats // in the order of the options
	Waiting    int             // requests that wait for a session
	MaxWaiting int             // of the options: how many may wait
	// WaitingCallers is how many different callers (see [Request]) those are of.
	WaitingCallers int
	// DrainTime is the time in which they are served, by the session times of late. 0 means
	// that it is not known.
	DrainTime time.Duration
	// NewestFirst reports whether callers give up, so that the newest of callers with the
	// same charge are served first.
	NewestFirst bool
	Max         int // MaxSessions
	// Draining is how many sessions there are that no endpoint counts, because
	// [Client.Reconfigure] has removed their endpoint or changed its options. They are
	// in use, as a rule, and end after that.
	Draining int
}

// EndpointStats is a snapshot of one endpoint.
type EndpointStats struct {
	Name       string
	Address    string // as in the options
	Idle, Busy int    // sessions that are logged in; Busy ones are in use
	Connecting bool   // an attempt is under way
	Attempts   int    // attempts to make a session, or to find out whether it answers, that are under way
	Slow       bool   // it has lost its preference: see [Options.SlowFactor]
	InBackoff  bool   // the last attempt failed, and the next is not due yet
	// AccountRefused reports whether the platform has refused the endpoint's
	// credentials, and the next attempt is not due yet.
	AccountRefused bool
	// Up reports whether the endpoint has a session that has brought a reply,
	// or else the last attempt to reach it succeeded. An attempt makes a session
	// or is a probe (see [Options.ProbeUnusedInterval]). After a failed login, a
	// probe that only connects does not set Up. Up is false before the first
	// attempt.
	Up bool
	// Since is when Up changed last, or when the first attempt ended; the zero time
	// before.
	Since time.Time
	// LastTried is when the last attempt ended; the zero time before the first.
	LastTried time.Time
	// LastError is why the endpoint is not up: the error of the last attempt, or of
	// an earlier one if the last attempt proved less than what failed before. It is
	// a [*ConnectError], or nil.
	LastError error
	// NextTry is when the next attempt to reach the endpoint may be made: the end of
	// its backoff or of the one of its account, whichever is later; without a backoff
	// and without a session, when it is probed next. It is zero if the endpoint has a
	// session and no backoff, or if only a caller who needs a session causes an
	// attempt.
	NextTry time.Time
	// PeerCertificateNotAfter is the expiry of the certificate that the endpoint
	// presented in the last handshake; the zero time without TLS or before the
	// first handshake.
	PeerCertificateNotAfter time.Time
	// Dialect is what the endpoint is known to support.
	Dialect Dialect
}

// stats returns a snapshot of the sessions and endpoints.
func (p *pool) stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	stats := Stats{
		Waiting: p.queue.waiting, WaitingCallers: p.queue.present, DrainTime: p.queue.drainTime(p.capacityLocked(now)), NewestFirst: p.queue.newestFirst(now),
		MaxWaiting: p.options().MaxWaiting, Max: p.options().MaxSessions,
	}
	for _, e := range p.endpoints {
		attempts := p.attemptsLocked(e)
		of := EndpointStats{
			Name: e.Name, Address: e.Address, Connecting: attempts > 0, Attempts: attempts, Slow: e.slow, InBackoff: e.retryAt.After(now), Dialect: e.dialect.current(),
			Up: p.isUpLocked(e), LastTried: e.health.tried, LastError: e.health.err, Since: e.health.since,
		}
		if ends := e.certificateEnds.Load(); ends != nil {
			of.PeerCertificateNotAfter = *ends
		}
		if a := p.accounts[e.UserID]; a != nil {
			of.AccountRefused = a.retryAt.After(now)
		}
		for s, busy := range p.all {
			switch {
			case s.endpoint != e:
			case busy:
				of.Busy++
			default:
				of.Idle++
			}
		}
		of.NextTry = p.nextTryLocked(e, now, of.Idle+of.Busy > 0)
		stats.Endpoints = append(stats.Endpoints, of)
	}
	for s := range p.all {
		if s.endpoint.replaced {
			stats.Draining++
		}
	}
	return stats
}

// attemptsLocked returns how many attempts are under way at the endpoint, also those that make no
// session. The caller holds the pool's mutex.
func (p *pool) attemptsLocked(e *endpoint) (n int) {
	for _, a := range p.attempts {
		if a.endpoint.latestLocked() == e {
			n++
		}
	}
	return n
}

// nextTryLocked returns [EndpointStats.NextTry] of an endpoint. The caller holds the
// pool's mutex.
func (p *pool) nextTryLocked(e *endpoint, now time.Time, used bool) time.Time {
	next := e.retryAt
	if a := p.accounts[e.UserID]; a != nil && a.retryAt.After(next) {
		next = a.retryAt
	}
	switch {
	case next.After(now):
		return next
	case used || p.options().ProbeUnusedInterval < 0:
		return time.Time{}
	}
	return e.health.probeAt
}
