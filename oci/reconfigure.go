package oci

import (
	"errors"
	"slices"
	"time"
)

// Reconfigure changes the options of a client that is in use. Afterwards the client works
// as if New had been called with them, except that Trace and Dial stay those of New. If the
// options are not valid, it returns the error of New and nothing changes. After Close the
// error is [ErrClosed].
//
// No request is lost. Callers who wait for a session keep their place in the queue and
// their MaxWait, and get a session of the new options. Commands that have a session are
// finished over it, with the timeouts and the encoding that they began with. The sessions
// of the old options count against MaxSessions.
//
// An endpoint is the same as before, and keeps its sessions, if its name, address, user
// id, login method and use of TLS are equal, and so are Encoding, OmitEcho,
// OmitTrackingID, Release, MaxReplyBytes, ConnectTimeout, LoginTimeout, CommandTimeout
// and DeadPeerTimeout. Its password and TLS configuration are replaced for the next connection.
// The order of the endpoints counts for the next session.
//
// The sessions of all other endpoints are logged out: idle ones now, those in use when
// they are released. While all endpoints are in backoff, they stay in use if an endpoint
// has the same address and user id. A login under way at such an endpoint goes on, but its
// session is not used; elsewhere it is canceled. An endpoint with the address and user id
// of an earlier one takes over its backoff and state, and what is known of its release
// unless Release differs. So Reconfigure never leads to an attempt that is not due.
// Accounts whose credentials were refused stay in backoff; a new password is tried as
// always.
//
// All other options change in place. A backoff that has begun keeps its end. A session
// that exists keeps its end, but ends no later than MaxAge from now.
func (c *Client) Reconfigure(options Options) error {
	checked, err := options.withDefaults()
	if err != nil {
		return err
	}
	return c.pool.reconfigure(checked)
}

// errReconfigured ends what is under way at an endpoint that was removed.
var errReconfigured = errors.New("the endpoint was removed from the options")

// shape holds the options on which sessions depend, besides those of the endpoint. They
// must not change during a session.
type shape struct {
	encoding                                     Encoding
	omitEcho, omitTrackingID                     bool
	release                                      Release
	maxReplyBytes                                int
	connectTimeout, loginTimeout, commandTimeout time.Duration
	deadPeerTimeout                              time.Duration
}

func (o *Options) shape() shape {
	return shape{
		encoding: o.Encoding, omitEcho: o.OmitEcho, omitTrackingID: o.OmitTrackingID, release: o.Release, maxReplyBytes: o.MaxReplyBytes,
		connectTimeout: o.ConnectTimeout, loginTimeout: o.LoginTimeout, commandTimeout: o.CommandTimeout,
		deadPeerTimeout: o.DeadPeerTimeout,
	}
}

// reconfigure replaces the options.
func (p *pool) reconfigure(o *Options) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	o.Trace, o.Dial = p.options().Trace, p.options().Dial
	now := time.Now()
	p.live.Store(o)
	p.replaceEndpointsLocked(o, now)
	p.forgetAccountsLocked(now)
	for _, t := range p.queue.all() {
		t.owner.patient = true
	}
	p.limitAgesLocked(now)
	p.limitIdleLocked(now)
	p.limitProbesLocked(now)
	p.growLocked()
	return nil
}

// replaceEndpointsLocked replaces the endpoints. An endpoint has one of these states:
//
//	state      Reconfigure with the same  with its address, account  with neither  time
//	current    current                    replaced                   removed       -
//	replaced   replaced                   replaced                   replaced      -
//	removed    current                    replaced                   removed       forgotten
//
// A replaced endpoint has a successor, which has taken over its backoff, health and
// dialect. Further failures at the replaced endpoint are noted for the current one: see
// latestLocked. A removed endpoint remains among p.former for as long as its backoff may
// count. The caller holds the pool's mutex.
func (p *pool) replaceEndpointsLocked(o *Options, now time.Time) {
	known := slices.Concat(p.endpoints, p.formerLocked(now))
	var kept, fresh, next []*endpoint
	for _, given := range o.Endpoints {
		e := p.newEndpoint(given, o)
		same := slices.IndexFunc(known, func(k *endpoint) bool { return k.isSame(e) && !slices.Contains(kept, k) })
		if same < 0 {
			fresh, next = append(fresh, e), append(next, e)
			continue
		}
		k := known[same]
		k.replaced = false
		k.giveSecretsLocked(e)
		kept, next = append(kept, k), append(next, k)
	}
	for _, e := range fresh {
		if from := e.closest(known); from != nil {
			e.takeOverLocked(from)
		}
	}
	var former []*endpoint
	for _, k := range known {
		if slices.Contains(kept, k) {
			continue
		}
		if !k.replaced {
			k.removedAt = now
		}
		k.replaced = true
		if k.successor = k.closest(fresh); k.successor == nil {
			former = append(former, k)
		}
	}
	for _, a := range p.attempts {
		if slices.Contains(former, a.endpoint) {
			a.abandon(errReconfigured)
		}
	}
	p.endpoints, p.former = next, former
	p.orderLocked(now)
}

// formerLocked returns the removed endpoints whose backoff may still count. The caller
// holds the pool's mutex.
func (p *pool) formerLocked(now time.Time) []*endpoint {
	return slices.DeleteFunc(slices.Clone(p.former), func(e *endpoint) bool {
		ends := e.removedAt
		if e.retryAt.After(ends) {
			ends = e.retryAt
		}
		return !p.isTriedLocked(e) && now.After(ends.Add(p.options().BackoffMax))
	})
}

// forgetAccountsLocked removes refused accounts that no endpoint has had for so long that
// their backoff does not count any more. The caller holds the pool's mutex.
func (p *pool) forgetAccountsLocked(now time.Time) {
	for userID, a := range p.accounts {
		used := slices.ContainsFunc(p.endpoints, func(e *endpoint) bool { return e.UserID == userID })
		if !used && now.After(a.retryAt.Add(p.options().RefusedMax)) {
			delete(p.accounts, userID)
		}
	}
}

// isSame reports whether another endpoint makes the same sessions, apart from passwords
// and TLS configurations.
func (e *endpoint) isSame(other *endpoint) bool {
	return e.Name == other.Name && e.isOfSameAccount(other) && e.Login == other.Login && e.secured == other.secured &&
		e.options.shape() == other.options.shape()
}

// isOfSameAccount reports whether another endpoint has the same address and account.
func (e *endpoint) isOfSameAccount(other *endpoint) bool {
	return e.Address == other.Address && e.UserID == other.UserID
}

// closest returns the first of the endpoints with the same address and account,
// preferably one with the same name, or nil.
func (e *endpoint) closest(endpoints []*endpoint) *endpoint {
	for _, sameName := range []bool{true, false} {
		for _, other := range endpoints {
			if e.isOfSameAccount(other) && (!sameName || e.Name == other.Name) {
				return other
			}
		}
	}
	return nil
}

// giveSecretsLocked gives the endpoint the secrets of another one. If a password is only
// read, the last one stays until then. The caller holds the pool's mutex.
func (e *endpoint) giveSecretsLocked(of *endpoint) {
	with := of.secrets.Load()
	e.secrets.Store(with)
	if of.password != "" || with.passwordSource == nil {
		e.password = of.password
	}
}

// takeOverLocked gives the endpoint what was learned about the one that it replaces. The
// caller holds the pool's mutex.
func (e *endpoint) takeOverLocked(from *endpoint) {
	e.failures, e.unproductive, e.retryAt, e.deferred = from.failures, from.unproductive, from.retryAt, from.deferred
	e.health, e.sourceFailure = from.health, from.sourceFailure
	e.slow, e.slowSince, e.measureAt = from.slow, from.slowSince, from.measureAt
	if e.password == "" && e.secrets.Load().passwordSource != nil {
		e.password = from.password // until it is read
	}
	if e.secured {
		e.certificateEnds.Store(from.certificateEnds.Load())
	}
	if e.options.Release == from.options.Release {
		e.dialect = from.dialect.clone(e.dialectChanged)
	}
}

// latestLocked returns the endpoint for which a failure at this one counts: itself, or
// the last of its successors. The caller holds the pool's mutex.
func (e *endpoint) latestLocked() *endpoint {
	for e.successor != nil {
		e = e.successor
	}
	return e
}

// outdatedLocked reports whether a session must end because its endpoint was replaced.
// As long as all endpoints are in backoff, so that the session cannot be replaced, it may
// be used if its endpoint has the same address and account now. The caller holds the
// pool's mutex.
func (p *pool) outdatedLocked(s *session, now time.Time) bool {
	return s.endpoint.replaced && (s.endpoint.latestLocked().replaced || !p.dueLocked().After(now))
}

// retireOutdatedLocked closes a session that was not in use because the options have
// changed. If other sessions ended without a reply before, or attempts have failed, this
// one may have been about to do so, and counts as one without a reply. The caller holds
// the pool's mutex.
func (p *pool) retireOutdatedLocked(s *session, now time.Time) {
	if e := s.endpoint.latestLocked(); !s.proven && (e.failures > 0 || e.unproductive > 0) {
		e.deferred = e.noteUnproductiveLocked(now) || e.deferred
	}
	p.retireLocked(s, ClosedReconfigured)
}

// limitAgesLocked applies MaxAge to the sessions. The caller holds the pool's mutex.
func (p *pool) limitAgesLocked(now time.Time) {
	o := p.options()
	for s := range p.all {
		if s.expires.After(now.Add(o.MaxAge)) {
			s.expires = now.Add(shorten(o.MaxAge, o.Jitter))
		}
	}
}

// limitIdleLocked closes the idle sessions of endpoints that were replaced, and those
// above MaxSessions. The caller holds the pool's mutex.
func (p *pool) limitIdleLocked(now time.Time) {
	for _, s := range slices.Clone(p.idle) {
		if p.outdatedLocked(s, now) {
			p.retireOutdatedLocked(s, now)
		}
	}
	for len(p.idle) > 0 && len(p.all) > p.options().MaxSessions {
		p.retireLocked(p.idle[0], ClosedReconfigured)
	}
}

// limitProbesLocked applies ProbeUnusedInterval to the next probes, and cancels a probe
// of an endpoint that was replaced. The caller holds the pool's mutex.
func (p *pool) limitProbesLocked(now time.Time) {
	o := p.options()
	for _, e := range p.endpoints {
		if e.health.probeAt.After(now.Add(o.ProbeUnusedInterval)) {
			e.postponeProbeLocked(now)
		}
	}
	if p.probing != nil && (p.probing.endpoint.replaced || p.probing.login && !p.hasRoomLocked()) {
		p.probing.cancel()
	}
}
