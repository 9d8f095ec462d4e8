package oci

import (
	"context"
	"slices"
	"time"
)

// housekeeping is how often the pool looks after its idle sessions.
const housekeeping = time.Second

// keepHouse looks after idle sessions until the pool is closed.
func (p *pool) keepHouse() {
	tick := time.NewTicker(housekeeping)
	defer tick.Stop()
	for {
		p.mu.Lock()
		p.grow()
		p.mu.Unlock()
		select {
		case <-p.life.Done():
			return
		case now := <-tick.C:
			p.retireOld(now)
			p.probe(now)
			p.recheckCredentials()
			p.probeUnused(now)
		}
	}
}

// retireOld ends idle sessions that are too old, and those that have been
// idle for too long and are not needed to keep the minimum.
func (p *pool) retireOld(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range slices.Clone(p.idle) {
		switch {
		case now.After(s.expires):
			p.retire(s, ClosedAge)
		case now.Sub(s.idleSince) >= p.options.IdleTimeout && len(p.all) > p.options.MinSessions:
			p.retire(s, ClosedIdle)
		}
	}
}

// probe asks the platform about sessions that have been idle for a while. One
// that does not answer well is destroyed.
func (p *pool) probe(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range slices.Clone(p.idle) {
		if now.Sub(s.probed) < p.options.ProbeInterval {
			continue
		}
		p.wake(s)
		p.all[s] = true
		p.running.Go(func() { p.probeOne(s) })
	}
}

// probeOne does not end with the pool's life: close waits for it like for any
// command, so that the session can say goodbye.
func (p *pool) probeOne(s *session) {
	if err := s.ping(context.Background()); err != nil {
		s.kill(err)
	}
	p.putBack(s, false).wake(s)
}
