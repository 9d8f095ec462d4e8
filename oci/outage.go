package oci

import "context"

// outlastsLocked reports whether a caller waits for the next attempt to make a session
// although there is none now, because there was one a short time before: see
// [Options.OutageWait]. The caller holds the pool's mutex.
func (p *pool) outlastsLocked(w *waiter) bool {
	return !w.noOutageWait && !p.hadSession.IsZero() && !p.dueLocked().After(p.hadSession.Add(p.options().OutageWait))
}

type noOutageWaitKey struct{}

// withoutOutageWait returns a context whose commands do not wait for the end of an outage.
// It is meant for a write that was sent and refused because the session was not logged
// in: if it cannot be sent again soon, its outcome is better found out by reading.
func withoutOutageWait(ctx context.Context) context.Context {
	return context.WithValue(ctx, noOutageWaitKey{}, true)
}

// isWithoutOutageWait reports whether a context is one of withoutOutageWait.
func isWithoutOutageWait(ctx context.Context) bool { return ctx.Value(noOutageWaitKey{}) != nil }
