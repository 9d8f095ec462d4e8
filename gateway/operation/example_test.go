package operation_test

import (
	"context"
	"fmt"
	"os"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
	"ocigate/translate/scope"
)

// A write is recorded, sent, and settled with the platform's reply.
func Example() {
	folder, err := os.MkdirTemp("", "journal")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(folder) }()
	store := bolt.Open(folder, bolt.Options{})
	defer func() { _ = store.Close() }()
	keeper := operation.NewKeeper(operation.Options{
		Store: store,
		Owner: "gateway-1",
		// It would read the platform's lists.
		Observe: func(_ context.Context, _ scope.Target, entries []operation.Entry) (operation.Observation, error) {
			return operation.Observation{Endpoint: "primary", Effects: make([]operation.Effect, len(entries))}, nil
		},
	})
	ctx := context.Background()
	defer keeper.Close(ctx)

	write, err := keeper.Begin(ctx, operation.Operation{
		ID:      operation.NewID(),
		Route:   "itc_numbers_assign",
		Target:  scope.Target{TenantID: "T", GroupID: "G"},
		Entries: []operation.Entry{{Kind: "numbers", Given: "+3225126999", Key: "+3225126999"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer write.Close()
	write.Plan([]operation.Entry{{Kind: "numbers", Given: "+3225126999", Key: "+3225126999", Step: 1}})
	if err := write.Intend(ctx, 1, "primary"); err != nil {
		write.Unsent(1)
		fmt.Println(err)
		return
	}
	// Here the command of step 1 is sent; the platform reports success.
	op := write.Settle(ctx, operation.Succeeded, nil)
	fmt.Println(op.State, op.Basis, op.Entries[0].Outcome)
	// Output: done answer done
}
