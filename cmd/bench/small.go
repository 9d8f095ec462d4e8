//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// pairs is a gateway that serves small tables, and the least components of that work: a server
// that writes the same response, the same request to the platform, and both of them in one
// process.
type pairs struct {
	gateway                *gateway
	echo, roundTrip, relay *process
}

func (b *bench) pairs(ctx context.Context) (*pairs, error) {
	question, answer := filepath.Join(b.dir, "question"), filepath.Join(b.dir, "answer")
	platform, err := b.role(ctx, "platform", "0s", question)
	if err != nil {
		return nil, err
	}
	p := &pairs{}
	if p.gateway, err = b.gateway(ctx, platform, callersOfPairs); err != nil {
		return nil, err
	}
	// As soon as the group is in the gateway's cache, the gateway requests only the
	// numbers. That request is recorded, and echo serves the response.
	path := paths(1, 2)[0]
	if _, err := b.fetch(ctx, p.gateway.address, path); err != nil {
		return nil, err
	}
	got, err := b.fetch(ctx, p.gateway.address, path)
	if err != nil {
		return nil, err
	}
	captured := bytes.NewBufferString("HTTP/1.1 200 OK\r\n")
	if err := got.header.Write(captured); err != nil {
		return nil, err
	}
	fmt.Fprintf(captured, "\r\n%s", got.body)
	if err := os.WriteFile(answer, captured.Bytes(), 0o600); err != nil {
		return nil, err
	}
	if p.echo, err = b.role(ctx, "echo", answer); err != nil {
		return nil, err
	}
	if echoed, err := b.fetch(ctx, p.echo.address, path); err != nil || !bytes.Equal(echoed.body, got.body) {
		return nil, errors.Join(err, errors.New("echo does not answer as the gateway does"))
	}
	if p.relay, err = b.role(ctx, "relay", answer, platform.address, question); err != nil {
		return nil, err
	}
	p.roundTrip, err = b.role(ctx, "roundtrip", platform.address, question)
	return p, err
}

// roundTrips makes raw round trips for a slice of time over that number of connections. It
// returns their number and the median time of those on the first connection.
func (p *pairs) roundTrips(b *bench, connections int) (count int, nanoseconds float64, err error) {
	got, err := p.roundTrip.ask(b.slice(), fmt.Sprint(connections, b.slice().Milliseconds()))
	if err != nil {
		return 0, 0, err
	}
	return int(got[0]), got[1], nil
}

// smallRead compares the gateway with Echo and a raw round trip.
func smallRead(ctx context.Context, b *bench, round func(...float64)) error {
	p, err := b.pairs(ctx)
	if err != nil {
		return err
	}
	var busy []subject
	for _, p := range []*process{p.gateway.process, p.echo, p.relay} {
		s, err := b.underLoad(ctx, p, callersOfPairs, paths(callersOfPairs, 2))
		if err != nil {
			return err
		}
		busy = append(busy, s)
	}
	raw := func() (int, error) {
		count, _, err := p.roundTrips(b, callersOfPairs)
		return count, err
	}
	for range b.rounds(15) {
		cpu, err := b.costs(busy[0], busy[1], subject{p.roundTrip, raw}, busy[2])
		if err != nil {
			return err
		}
		round(cpu[0]/(cpu[1]+cpu[2]), cpu[0], cpu[1], cpu[2], cpu[3])
	}
	return nil
}
