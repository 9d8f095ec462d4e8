package main

import (
	"context"
	"time"

	"ocigate/gateway/auth"
	"ocigate/gateway/operation"
)

// loadInto returns a function that adds the revocations of a journal to those of this
// process.
func loadInto(set *auth.Revocations) func([]operation.Revocation) {
	return func(list []operation.Revocation) {
		converted := make([]auth.Revocation, len(list))
		for i, r := range list {
			converted[i] = auth.Revocation(r)
		}
		set.Load(converted)
	}
}

// revocationsTime is how long the start waits for the first reading of the revocations. If
// that fails or takes longer, tokens that were issued before the start are refused until
// they are read, and everything else is served.
const revocationsTime = 3 * time.Second

// awaitRevocations waits for the first reading of the revocations.
func (p *Program) awaitRevocations(ctx context.Context) {
	limit := time.NewTimer(revocationsTime)
	defer limit.Stop()
	select {
	case <-p.keeper.RevocationsTried():
	case <-limit.C:
	case <-ctx.Done():
	}
}
