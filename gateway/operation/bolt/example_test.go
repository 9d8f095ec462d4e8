package bolt_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
)

// The audit trail can be verified while the store is in use.
func ExampleTrail() {
	folder, err := os.MkdirTemp("", "journal")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(folder) }()
	store := bolt.Open(folder, bolt.Options{})
	defer func() { _ = store.Close() }()
	login := operation.Event{
		Time: time.Now(), Kind: operation.EventLogin, Caller: operation.Caller{Name: "anna"}, Outcome: "ok",
	}
	if err := store.Append(context.Background(), login); err != nil {
		fmt.Println(err)
		return
	}
	head, err := operation.Verify(bolt.Trail(folder))
	fmt.Println(head.Sequence, err)
	// Output: 1 <nil>
}
