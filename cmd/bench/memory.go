//go:build linux

package main

import "context"

// memory measures the memory of a new gateway that serves large tables in sequence.
func memory(ctx context.Context, b *bench, round func(...float64)) error {
	platform, err := b.role(ctx, "platform", "0s", "")
	if err != nil {
		return err
	}
	for range b.rounds(5) {
		if err := b.largeReads(ctx, platform, round); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) largeReads(ctx context.Context, platform *process, round func(...float64)) error {
	const requests = 8
	reply := float64(len(numbersReply(b.large)))
	g, err := b.gateway(ctx, platform, 1)
	if err != nil {
		return err
	}
	if _, err := b.fetch(ctx, g.address, paths(1, 2)[0]); err != nil {
		return err
	}
	idle, _, err := g.memory()
	if err != nil {
		return err
	}
	if err := g.resetPeak(); err != nil {
		return err
	}
	const allocated = "go_memstats_alloc_bytes_total "
	before, err := g.metric(ctx, allocated)
	if err != nil {
		return err
	}
	callers, err := b.dial(ctx, g.address, 1, paths(1, b.large))
	if err != nil {
		return err
	}
	for range requests - 1 { // dial made the first one
		if _, err := callers.run(ctx, 0); err != nil {
			return err
		}
	}
	after, err := g.metric(ctx, allocated)
	if err != nil {
		return err
	}
	_, most, err := g.memory()
	if err != nil {
		return err
	}
	round((after-before)/requests/reply, (most-idle)/reply, idle/1e6)
	return g.stop()
}
