//go:build linux

package main

import "context"

// latency measures one caller on an idle system: of the gateway, of the least work of a
// gateway, and then sequential raw round trips.
func latency(ctx context.Context, b *bench, round func(...float64)) error {
	p, err := b.pairs(ctx)
	if err != nil {
		return err
	}
	lone, err := b.dial(ctx, p.gateway.address, 1, paths(1, 2))
	if err != nil {
		return err
	}
	least, err := b.dial(ctx, p.relay.address, 1, paths(1, 2))
	if err != nil {
		return err
	}
	for range b.rounds(15) {
		complete, err := lone.median(ctx, b)
		if err != nil {
			return err
		}
		relayed, err := least.median(ctx, b)
		if err != nil {
			return err
		}
		_, raw, err := p.roundTrips(b, 1)
		if err != nil {
			return err
		}
		round((complete-raw)/1e3, complete/1e3, raw/1e3, (relayed-raw)/1e3)
	}
	return nil
}
