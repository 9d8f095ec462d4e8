//go:build linux

package main

import "context"

// latency has one caller on an idle system, of the gateway and of the least that
// a gateway can do, and then one raw round trip after the other.
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
		whole, err := lone.median(ctx, b)
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
		round((whole-raw)/1e3, whole/1e3, raw/1e3, (relayed-raw)/1e3)
	}
	return nil
}
