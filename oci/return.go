package oci

import (
	"context"
	"errors"
	"slices"
	"time"
)

// The return to a more preferred endpoint. When an endpoint works again, the sessions of
// less preferred ones are replaced one by one within ReturnOver: each gets a time after which
// it is closed as soon as it is not in use, and one that was in use lately is made anew at
// the more preferred endpoint.
//
// Whether an endpoint whose last attempt has failed works again is found out by an attempt
// beside the traffic. If all sessions that are allowed are in use elsewhere, it only makes a
// connection. That proves enough if no login has failed there; otherwise one session is given
// up for the attempt to log in.

// usedLately is how long ago a session may have been used that is made anew for the return.
const usedLately = time.Minute

// planReturnLocked gives sessions of less preferred endpoints than one that works the time
// after which they are replaced, and takes it from all others. It is called after all that may
// change which endpoint works. The caller holds the pool's mutex.
func (p *pool) planReturnLocked(now time.Time) {
	over := p.options().ReturnOver
	working := p.workingLocked(now)
	var planned []*session
	for s := range p.all {
		switch at := slices.Index(p.preferred, s.endpoint); {
		case working < 0 || at <= working || over < 0 && !s.endpoint.slow:
			s.returnAt = time.Time{}
		case s.returnAt.IsZero():
			planned = append(planned, s)
		}
	}
	// The oldest first, since those would be replaced anyway.
	slices.SortFunc(planned, func(a, b *session) int { return a.expires.Compare(b.expires) })
	for i, s := range planned {
		within := over
		if s.endpoint.slow && (within < 0 || within > leaveSlowOver) {
			within = leaveSlowOver
		}
		s.returnAt = now.Add(within * time.Duration(i+1) / time.Duration(len(planned)))
	}
}

// workingLocked returns the index of the first endpoint that is known to work, and where a
// session may be made now: its last attempt has succeeded, or it has a session that has brought
// a reply, and nothing has failed since. It is negative if there is none. The caller holds the
// pool's mutex.
func (p *pool) workingLocked(now time.Time) int {
	return slices.IndexFunc(p.preferred, func(e *endpoint) bool {
		return e.health.err == nil && p.isUpLocked(e) && !p.endpointDueLocked(e).After(now)
	})
}

// returnsLocked reports whether a session that is not in use is to be closed now because a
// more preferred endpoint works, or to let a login be tried at one. The caller holds the pool's
// mutex.
func (p *pool) returnsLocked(s *session, now time.Time) bool {
	if s.returnAt.IsZero() || now.Before(s.returnAt) {
		return p.givesUpLocked(s, now)
	}
	working := p.workingLocked(now)
	return working >= 0 && working < slices.Index(p.preferred, s.endpoint)
}

// retireReturningLocked closes a session for the return. If it was in use lately, another one
// is made instead. The caller holds the pool's mutex.
func (p *pool) retireReturningLocked(s *session, now time.Time) {
	if !s.returnAt.IsZero() && now.Sub(s.idleSince) < usedLately {
		p.toReplace++
	}
	p.retireLocked(s, ClosedReturned)
}

// givesUpLocked reports whether a session is to be closed so that a login can be tried at a
// more preferred endpoint. The last one in use is not. The caller holds the pool's mutex.
func (p *pool) givesUpLocked(s *session, now time.Time) bool {
	e := p.roomFor
	if e == nil || p.hasRoomLocked() || p.leaving > 0 || len(p.attempts) > 0 || p.all[s] && len(p.all) < 2 {
		return false
	}
	if p.roomKind == forMeasurement {
		return s.endpoint != e && p.mayMeasureLocked(e, now)
	}
	return e == p.retriedLocked(now) && slices.Index(p.preferred, s.endpoint) > slices.Index(p.preferred, e)
}

// useRoomLocked begins the attempt for which a session was given up. The caller holds the
// pool's mutex.
func (p *pool) useRoomLocked(now time.Time) {
	e := p.roomFor
	if e == nil || !p.hasRoomLocked() || p.probing != nil {
		return
	}
	p.roomFor = nil
	switch {
	case p.roomKind == forMeasurement && p.mayMeasureLocked(e, now):
		p.measuredAt = now
		p.beginLocked(e, forMeasurement)
	case p.roomKind == besideTraffic && p.mayRetryLocked(e, now):
		p.beginLocked(e, besideTraffic)
	}
}

// retryBesideLocked begins an attempt at the endpoint that is to be tried beside the traffic,
// if there is one. Nobody waits for the attempt. The caller holds the pool's mutex.
func (p *pool) retryBesideLocked(now time.Time) {
	e := p.retriedLocked(now)
	switch {
	case e == nil || p.probing != nil && (p.probing.login || !p.hasRoomLocked()):
	case p.hasRoomLocked():
		p.beginLocked(e, besideTraffic)
	case !e.reached:
		p.beginLocked(e, onlyConnects)
	default:
		p.roomFor, p.roomKind = e, besideTraffic
	}
}

// retriedLocked returns the first endpoint whose last attempt has failed, whose backoff has
// ended, and which is preferred to all that are in use and work; nil if there is none. A
// password that the platform has refused there is tried again after RefusedMax only, since
// each refusal may count against the account. The caller holds the pool's mutex.
func (p *pool) retriedLocked(now time.Time) *endpoint {
	for i, e := range p.preferred {
		if e.health.err == nil && !e.retryAt.After(now) || !p.isUsedLocked(p.preferred[i+1:]) {
			return nil
		}
		if p.mayRetryLocked(e, now) {
			return e
		}
	}
	return nil
}

// mayRetryLocked reports whether an attempt beside the traffic may be made at an endpoint. The
// caller holds the pool's mutex.
func (p *pool) mayRetryLocked(e *endpoint, now time.Time) bool {
	return e.health.err != nil && p.isFreeLocked(e, now) && !p.wasRefusedLocked(e, e.password, now)
}

// isFreeLocked reports whether nothing at an endpoint keeps an attempt that nobody waits for: no
// other attempt, no backoff, and no refusal of its account. The caller holds the pool's mutex.
func (p *pool) isFreeLocked(e *endpoint, now time.Time) bool {
	return !e.replaced && !p.isTriedLocked(e) && !p.endpointDueLocked(e).After(now) && p.accounts[e.UserID] == nil
}

// wasRefusedLocked reports whether the platform has refused the password at the endpoint
// within RefusedMax, and no attempt there has succeeded since. The caller holds the pool's
// mutex.
func (p *pool) wasRefusedLocked(e *endpoint, password Secret, now time.Time) bool {
	return e.health.refused && e.health.with == password && now.Sub(e.health.tried) < p.options().RefusedMax
}

// isUsedLocked reports whether there is a session of one of the endpoints. The caller holds
// the pool's mutex.
func (p *pool) isUsedLocked(endpoints []*endpoint) bool {
	for s := range p.all {
		if slices.Contains(endpoints, s.endpoint) {
			return true
		}
	}
	return false
}

// reachAgain makes an attempt that only connects. Its failure is that of an attempt. It is
// called without the mutex.
func (p *pool) reachAgain(a *attempt) {
	e, start := a.endpoint, time.Now()
	probe := Probe{Endpoint: e.Name, Err: e.reach(a.ctx)}
	probe.Took = time.Since(start)
	p.mu.Lock()
	now, of := time.Now(), e.latestLocked()
	counts := p.closing.Err() == nil && !errors.Is(context.Cause(a.ctx), errWithdrawn) && (probe.Err != nil || of == e)
	before := of.health.up
	if counts {
		of.noteAttemptLocked(now, proofConnection, "", probe.Err)
		of.reached = probe.Err == nil
		if probe.Err != nil {
			p.noteFailedLocked(a, of, now)
		}
		p.noteUpLocked(of, now)
	}
	probe.Up = of.health.up
	probe.Changed = before != probe.Up
	p.mu.Unlock()
	if counts {
		p.options().Trace.endpointProbed(probe)
	}
}
