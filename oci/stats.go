package oci

import "time"

// Stats is a snapshot of the sessions.
type Stats struct {
	Endpoints []EndpointStats // in the order of the options
	Waiting   int             // callers that wait for a session
	Max       int             // MaxSessions
}

// EndpointStats is a snapshot of one endpoint's sessions.
type EndpointStats struct {
	Name       string
	Idle, Busy int  // logged-in sessions
	Connecting bool // a session is being made
	InBackoff  bool // the last try failed, and the next is not due yet
	// AccountRefused reports whether the platform has refused the endpoint's
	// credentials, and the next try is not due yet.
	AccountRefused bool
	// Up reports whether the endpoint has a session that has brought an answer,
	// or else the last attempt to reach it succeeded: to make a session, or a
	// probe (see [Options.ProbeUnusedInterval]). After a login that failed, a
	// connection alone does not make it up again. It is false before the first
	// attempt.
	Up bool
	// LastTried is when the last attempt ended, the zero time before the first.
	LastTried time.Time
	// LastError is why the last attempt failed, or the one that has to be made
	// good; nil where the last one succeeded. It is a [*ConnectError].
	LastError error
	// PeerCertificateNotAfter is when the certificate expires that the endpoint
	// presented in the last handshake, the zero time without TLS or before the
	// first handshake.
	PeerCertificateNotAfter time.Time
	Dialect                 Dialect
}

// stats counts the sessions.
func (p *pool) stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	stats := Stats{Waiting: len(p.waiting), Max: p.options.MaxSessions}
	for _, e := range p.endpoints {
		of := EndpointStats{
			Name: e.Name, Connecting: e.connecting, InBackoff: e.retryAt.After(now), Dialect: e.dialect.current(),
			Up: p.isUp(e), LastTried: e.health.tried, LastError: e.health.err,
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
		stats.Endpoints = append(stats.Endpoints, of)
	}
	return stats
}
