//go:build linux

package main

import "context"

// latency has one caller on an idle system, and then one raw round trip after
// the other.
func latency(ctx context.Context, b *bench, round func(...float64)) error {
	p, err := b.pairs(ctx)
	if err != nil {
		return err
	}
	lone, err := b.dial(ctx, p.gateway.address, 1, paths(1, 2))
	if err != nil {
		return err
	}
	for range b.rounds(15) {
		all, err := lone.run(ctx, b.slice())
		if err != nil {
			return err
		}
		var took []float64
		for _, d := range all {
			took = append(took, float64(d.took))
		}
		_, raw, err := p.roundTrips(b, 1)
		if err != nil {
			return err
		}
		whole := median(took)
		round((whole-raw)/1e3, whole/1e3, raw/1e3)
	}
	return nil
}
