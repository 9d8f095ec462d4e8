//go:build linux

package main

import (
	"context"
	"time"
)

// queue measures many more callers than sessions, in front of a slow platform.
func queue(ctx context.Context, b *bench, round func(...float64)) error {
	const (
		callers  = 1_000
		sessions = 16
		service  = 5 * time.Millisecond
		// ideal is the waiting time of each caller if the sessions are never idle:
		// the service time of all callers, divided by the number of sessions.
		ideal = callers * service / sessions
	)
	platform, g, err := b.site(ctx, service, sessions)
	if err != nil {
		return err
	}
	l, err := b.dial(ctx, g.address, callers, paths(callers, 2))
	if err != nil {
		return err
	}
	watched := max(ideal, 4*b.slice())
	for range b.rounds(7) {
		// The first responses are faster than with a full queue, and the last ones
		// are from a queue that becomes empty.
		start := time.Now().Add(ideal * 3 / 2)
		end := start.Add(watched)
		if err := g.truncateLog(); err != nil {
			return err
		}
		all, err := l.run(ctx, time.Until(end))
		if err != nil {
			return err
		}
		var took []float64
		for _, d := range all {
			if d.at.After(start) && d.at.Before(end) {
				took = append(took, d.took.Seconds())
			}
		}
		mean, err := platform.ask(0, "mean service time")
		if err != nil {
			return err
		}
		perSecond, worst := float64(len(took))/watched.Seconds(), quantile(took, 0.99)
		round(perSecond/(sessions/service.Seconds()), worst/ideal.Seconds(), perSecond, worst*1e3, mean[0]/1e6)
	}
	return nil
}
