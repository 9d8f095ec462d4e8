package oci

import (
	"context"
	"slices"
	"time"
)

// maintenanceInterval is how often the pool checks its idle sessions, accounts and
// endpoints.
const maintenanceInterval = time.Second

// maintain checks idle sessions, accounts and unused endpoints until the pool is
// closed.
func (p *pool) maintain() {
	tick := time.NewTicker(maintenanceInterval)
	defer tick.Stop()
	for {
		p.mu.Lock()
		p.growLocked()
		p.mu.Unlock()
		select {
		case <-p.closing.Done():
			return
		case now := <-tick.C:
			p.retireOld(now)
			p.probeIdle(now)
			p.checkPace(now)
			p.recheckCredentials()
			p.probeUnused(now)
		}
	}
}

// retireOld closes idle sessions that are older than MaxAge, those that have been idle
// for IdleTimeout and are not needed for MinSessions, and those of endpoints that were
// replaced.
func (p *pool) retireOld(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range slices.Clone(p.idle) {
		switch {
		case p.outdatedLocked(s, now):
			p.retireOutdatedLocked(s, now)
		case now.After(s.expires):
			p.retireLocked(s, ClosedAge)
		case p.returnsLocked(s, now):
			p.retireReturningLocked(s, now)
		case now.Sub(s.idleSince) >= p.options().IdleTimeout && len(p.all) > p.options().MinSessions:
			p.retireLocked(s, ClosedIdle)
		}
	}
}

// probeIdle starts a probe of each session that has been idle for ProbeInterval.
func (p *pool) probeIdle(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range slices.Clone(p.idle) {
		if now.Sub(s.probed) < p.options().ProbeInterval {
			continue
		}
		p.removeIdleLocked(s)
		p.all[s] = true
		p.running.Go(func() { p.probeSession(s) })
	}
}

// probeSession closes a session that is not logged in any more, and releases it. It
// does not end when close begins: close waits for it like for any command, so that
// the session can log out.
func (p *pool) probeSession(s *session) {
	if err := s.ping(context.Background()); err != nil {
		s.close(err)
	}
	p.releaseProbed(s)
}
