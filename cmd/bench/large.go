//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"reflect"

	"ocigate/cmd/bench/facade"
)

// facadeRole serves the plain facade in front of the platform at that address.
func facadeRole(arguments []string, in io.Reader, out io.Writer) error {
	f, err := facade.New(context.Background(), arguments[0], callersOfPairs)
	if err != nil {
		return err
	}
	address, err := listen(likeOurs(f.Handler()).Serve)
	if err != nil {
		return err
	}
	return beRole(in, out, address, noAnswer)
}

// largeRead compares the gateway with the plain facade.
func largeRead(ctx context.Context, b *bench, round func(...float64)) error {
	platform, gateway, err := b.site(ctx, 0, callersOfPairs)
	if err != nil {
		return err
	}
	plain, err := b.role(ctx, "facade", platform.address)
	if err != nil {
		return err
	}
	if err := b.sameAnswers(ctx, gateway.address, plain.address); err != nil {
		return err
	}
	ours, err := b.underLoad(ctx, gateway.process, 1, paths(1, b.large))
	if err != nil {
		return err
	}
	theirs, err := b.underLoad(ctx, plain, 1, paths(1, b.large))
	if err != nil {
		return err
	}
	for range b.rounds(7) {
		cpu, err := b.costs(ours, theirs)
		if err != nil {
			return err
		}
		round(cpu[1]/cpu[0], cpu[0]/1e3, cpu[1]/1e3)
	}
	return nil
}

// sameAnswers returns an error unless all servers return the same rows, and the complete
// table.
func (b *bench) sameAnswers(ctx context.Context, addresses ...string) error {
	answers := make([]struct{ Numbers []any }, len(addresses))
	for i, address := range addresses {
		got, err := b.fetch(ctx, address, paths(1, b.large)[0])
		if err != nil {
			return err
		}
		if err := json.Unmarshal(got.body, &answers[i]); err != nil {
			return err
		}
		if len(answers[i].Numbers) != b.large || !reflect.DeepEqual(answers[0], answers[i]) {
			return errors.New("the facade's JSON is not the gateway's, or is not complete")
		}
	}
	return nil
}
