package oci

import (
	"slices"
	"time"
)

// Slow endpoints. An endpoint that answers far more slowly than another one loses its
// preference until it is no longer slow. Like is compared with like: the times of the command
// that asks whether a session is valid. Nothing is measured as long as no reply at the preferred
// endpoint takes longer than SlowAfter. After such a reply, the next session that is free is
// used for a measurement there, and if that takes longer as well, the next endpoint is measured:
// over an idle session, or else one that is made for it.

// measurement is how long an endpoint took to answer whether a session is valid.
type measurement struct {
	at   time.Time // when it ended
	took time.Duration
}

const (
	slowReplyCounts   = 10 * time.Second // how long a slow reply is a reason to measure
	measurementCounts = time.Minute      // how long a measurement may be compared with another
	// measureInterval is the shortest time between two sessions that are made for a measurement,
	// and between two measurements of a slow endpoint.
	measureInterval = 10 * time.Second
	// leaveSlowOver is the time within which the sessions of a slow endpoint are replaced.
	leaveSlowOver = 5 * time.Second
)

// paceCheck is a measurement that is under way over a session of the pool.
type paceCheck struct {
	endpoint *endpoint
	began    time.Time
}

// noteReply records how long a reply took.
func (e *endpoint) noteReply(took time.Duration) {
	e.usual.add(took)
	if took > e.live.Load().SlowAfter {
		now := time.Now()
		e.slowReply.Store(&now)
	}
}

// notePing records a measurement.
func (e *endpoint) notePing(took time.Duration) {
	e.pinged.Store(&measurement{at: time.Now(), took: took})
}

// checkPace measures what is due, and finds out which endpoints are slow. It is called without
// the mutex.
func (p *pool) checkPace(now time.Time) {
	p.mu.Lock()
	changed := p.classifyLocked(now)
	if p.options().SlowFactor > 0 && len(p.endpoints) > 1 && !p.closed {
		p.measureLocked(now)
	}
	p.mu.Unlock()
	for _, c := range changed {
		p.options().Trace.preferenceChanged(c)
	}
}

// classifyLocked finds out which endpoints are slow, and returns those that have changed. The
// caller holds the pool's mutex.
func (p *pool) classifyLocked(now time.Time) (changed []Preference) {
	o := p.options()
	for _, e := range p.endpoints {
		at := p.paceLocked(e, now)
		other := p.fastestLocked(e, now)
		limit := max(o.SlowAfter, time.Duration(o.SlowFactor*float64(other)))
		var slow bool
		switch {
		case o.SlowFactor < 0 || len(p.endpoints) == 1:
			slow = false
		case e.slow: // twice as fast as it must be, so that it does not change all the time
			slow = !at.at.After(e.slowSince) || at.took >= limit/2
		default:
			slow = at.took > limit && other > 0 && now.Sub(at.at) < measurementCounts
		}
		if slow == e.slow {
			continue
		}
		e.slow, e.slowSince, e.measureAt = slow, now, now.Add(measureInterval)
		changed = append(changed, Preference{Endpoint: e.Name, Slow: slow, Took: at.took, Other: other})
	}
	if len(changed) > 0 {
		p.orderLocked(now)
	}
	return changed
}

// orderLocked sorts the endpoints by preference. The caller holds the pool's mutex.
func (p *pool) orderLocked(now time.Time) {
	var fast, slow []*endpoint
	for _, e := range p.endpoints {
		if e.slow {
			slow = append(slow, e)
		} else {
			fast = append(fast, e)
		}
	}
	p.preferred = slices.Concat(fast, slow)
	p.planReturnLocked(now)
}

// paceLocked returns the last measurement of an endpoint, or the one that is under way if that
// takes longer already. The caller holds the pool's mutex.
func (p *pool) paceLocked(e *endpoint, now time.Time) measurement {
	var last measurement
	if m := e.pinged.Load(); m != nil {
		last = *m
	}
	if p.pace != nil && p.pace.endpoint == e && now.Sub(p.pace.began) > last.took {
		return measurement{at: now, took: now.Sub(p.pace.began)}
	}
	return last
}

// fastestLocked returns the shortest measurement lately of the endpoints that have not failed,
// besides one, or 0 if there is none. The caller holds the pool's mutex.
func (p *pool) fastestLocked(besides *endpoint, now time.Time) time.Duration {
	var fastest time.Duration
	for _, e := range p.endpoints {
		m := e.pinged.Load()
		if e == besides || e.health.err != nil || m == nil || now.Sub(m.at) > measurementCounts {
			continue
		}
		if took := max(m.took, 1); fastest == 0 || took < fastest {
			fastest = took
		}
	}
	return fastest
}

// measureLocked begins the measurements that are due. The caller holds the pool's mutex.
func (p *pool) measureLocked(now time.Time) {
	for _, e := range p.preferred {
		if e.slow && !now.Before(e.measureAt) {
			e.measureAt = now.Add(measureInterval)
			p.measureEndpointLocked(e, now)
		}
	}
	first := slices.IndexFunc(p.preferred, func(e *endpoint) bool { return !e.slow && e.health.err == nil })
	if first < 0 {
		return
	}
	e := p.preferred[first]
	if at := e.slowReply.Load(); at == nil || now.Sub(*at) > slowReplyCounts {
		return
	}
	m := p.paceLocked(e, now)
	if now.Sub(m.at) >= measureInterval {
		p.measureEndpointLocked(e, now)
		return
	}
	if m.took <= p.options().SlowAfter {
		return
	}
	for _, other := range p.preferred[first+1:] {
		if other.health.err == nil && !other.slow && p.fastestLocked(e, now) == 0 {
			p.measureEndpointLocked(other, now)
			return
		}
	}
}

// measureEndpointLocked measures an endpoint over an idle session or the next one that is not
// in use any more. If it has none, one is made. The caller holds the pool's mutex.
func (p *pool) measureEndpointLocked(e *endpoint, now time.Time) {
	if i := slices.IndexFunc(p.idle, func(s *session) bool { return s.endpoint == e }); i >= 0 {
		p.pingLocked(p.idle[i], now)
		return
	}
	switch {
	case p.isUsedLocked([]*endpoint{e}):
		p.measureNext = e
	case now.Sub(p.measuredAt) < measureInterval || !p.mayMeasureLocked(e, now):
	case !p.hasRoomLocked():
		p.roomFor, p.roomKind = e, forMeasurement
	case p.probing == nil:
		p.measuredAt = now
		p.beginLocked(e, forMeasurement)
	}
}

// mayMeasureLocked reports whether a session may be made at an endpoint for a measurement. The
// caller holds the pool's mutex.
func (p *pool) mayMeasureLocked(e *endpoint, now time.Time) bool {
	return e.health.err == nil && p.isFreeLocked(e, now)
}

// retireSlowLocked closes a session that was made to measure a slow endpoint, so that no caller
// gets it. The caller holds the pool's mutex.
func (p *pool) retireSlowLocked(a *attempt, s *session) {
	if busy, ours := p.all[s]; ours && !busy && a.kind == forMeasurement && s.endpoint.slow {
		p.retireLocked(s, ClosedReturned)
	}
}

// isNextMeasuredLocked reports whether a session of the endpoint that is given back is used for a
// measurement before a caller gets it: at once after a slow reply, since all sessions may be in use
// for as long again. The caller holds the pool's mutex.
func (p *pool) isNextMeasuredLocked(e *endpoint, now time.Time) bool {
	at, last := e.slowReply.Load(), e.pinged.Load()
	switch {
	case p.pace != nil:
		return false
	case p.measureNext == e || at == nil:
		return p.measureNext == e
	}
	return !e.slow && now.Sub(*at) < time.Second && (last == nil || now.Sub(last.at) >= measureInterval) &&
		p.options().SlowFactor > 0 && len(p.endpoints) > 1
}

// pingLocked begins a measurement over a session that is not in use. The caller holds the
// pool's mutex.
func (p *pool) pingLocked(s *session, now time.Time) {
	if p.pace != nil {
		return
	}
	check := &paceCheck{endpoint: s.endpoint, began: now}
	p.pace, p.measureNext = check, nil
	p.removeIdleLocked(s)
	p.all[s] = true
	p.running.Go(func() {
		p.probeSession(s)
		p.mu.Lock()
		p.pace = nil
		p.mu.Unlock()
	})
}
