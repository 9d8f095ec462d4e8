//go:build linux

package main

import (
	"context"
	"net"
	"os"
	"time"

	"ocigate/cmd/internal/measure"
)

// startUp measures repeated starts of the gateway, with the default pool.
func startUp(ctx context.Context, b *bench, round func(...float64)) error {
	binary, err := os.Stat(b.binary)
	if err != nil {
		return err
	}
	platform, first, err := b.site(ctx, 0, 1) // for a token
	if err != nil {
		return err
	}
	if err := first.stop(); err != nil {
		return err
	}
	for range b.rounds(9) {
		start := time.Now()
		g, err := b.launch(ctx, platform, 1, 8)
		if err != nil {
			return err
		}
		if err := b.firstAnswer(ctx, g); err != nil {
			return err
		}
		took := time.Since(start)
		if err := measure.Pause(ctx, time.Second); err != nil {
			return err
		}
		resident, _, err := g.memory()
		if err != nil {
			return err
		}
		if err := g.stop(); err != nil {
			return err
		}
		round(resident/1e6, took.Seconds()*1e3, float64(binary.Size())/1e6)
	}
	return nil
}

// firstAnswer connects until the port is open, and waits for the response.
func (b *bench) firstAnswer(ctx context.Context, g *gateway) error {
	for end := time.Now().Add(patience); ; {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", g.address)
		if err == nil {
			_ = conn.Close()
			break
		}
		if time.Now().After(end) {
			return err
		}
		if err := measure.Pause(ctx, 200*time.Microsecond); err != nil {
			return err
		}
	}
	_, err := b.fetch(ctx, g.address, paths(1, 2)[0])
	return err
}
