//go:build unix

package postgres

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"ocigate/gateway/operation"
)

// These tests specify the leases of owners: when an owner counts as stopped, and what it
// can no longer record. To add a case, add a subtest of TestLease, and set the lease back
// in the database instead of waiting for it.

func TestLease(t *testing.T) {
	t.Run("that ran out takes intents away until it is renewed", func(t *testing.T) {
		server, address := database(t)
		s := open(t, address, Options{})
		op := received("op", "a", "1")
		beginAll(t, s, op)
		expire(t, server, address, "a")
		intent := next(op, operation.Intent)
		if err := s.Record(t.Context(), intent, event(intent)); !errors.Is(err, ErrLease) || errors.Is(err, operation.ErrConflict) {
			t.Fatalf("an intent without a lease: %v", err)
		}
		if got, err := s.Get(t.Context(), op.ID); err != nil || got.State != operation.Received || lines(t, s) != 0 {
			t.Errorf("it left a trace: %v, %v", got.State, err)
		}
		if _, err := s.Adopt(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		must(t, s.Record(t.Context(), intent, event(intent)))
		expire(t, server, address, "a")
		record(t, s, intent, operation.Done) // what is known is true without one
	})
	t.Run("that ran out gives operations to another", func(t *testing.T) {
		server, address, stores := twoStores(t)
		intended, begun, unknown := received("intended", "a", "1"), keyed(received("received", "a", "2")), received("unknown", "a", "3")
		rechecked, ended := received("rechecked", "a", "4"), received("ended", "a", "5")
		beginAll(t, stores[0], intended, begun, unknown, rechecked, ended)
		intended = record(t, stores[0], intended, operation.Intent)
		unknown = record(t, stores[0], unknown, operation.Unknown)
		rechecked.RecheckAt = moment().Add(time.Hour)
		rechecked = record(t, stores[0], rechecked, operation.NotDone)
		record(t, stores[0], ended, operation.Done)

		if got, err := stores[1].Adopt(t.Context(), "b"); err != nil || len(got) != 0 {
			t.Fatalf("adopted from the living: %v, %v", ids(got), err)
		}
		expire(t, server, address, "a")
		got, err := stores[1].Adopt(t.Context(), "b")
		must(t, err)
		want := []operation.Operation{intended, unknown, rechecked}
		for i := range want {
			want[i].Owner, want[i].Version = "b", want[i].Version+1
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		for _, op := range want {
			stored, err := stores[0].Get(t.Context(), op.ID)
			must(t, err)
			if diff := cmp.Diff(op, stored); diff != "" {
				t.Error(diff)
			}
		}
		if _, err := stores[1].Get(t.Context(), begun.ID); !errors.Is(err, operation.ErrNotFound) {
			t.Errorf("the one that was only received: %v", err)
		}
		beginAll(t, stores[1], keyed(received("again", "b", "2")))

		// The old owner comes back. If other operations have what its operation had,
		// they keep it.
		for _, op := range []operation.Operation{intended, begun} {
			op = next(op, operation.Done)
			if err := stores[0].Record(t.Context(), op, event(op)); !errors.Is(err, operation.ErrConflict) {
				t.Errorf("a record of %s by its old owner: %v", op.ID, err)
			}
		}
		if _, err := stores[0].Adopt(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		begun = next(begun, operation.Intent)
		if err := stores[0].Record(t.Context(), begun, event(begun)); !errors.Is(err, operation.ErrConflict) {
			t.Errorf("an intent of one that was removed: %v", err)
		}
		record(t, stores[1], got[0], operation.Done)
	})
	t.Run("is renewed, and removes what this store has not begun", func(t *testing.T) {
		_, _, stores := twoStores(t)
		kept, lost := received("kept", "a", "1"), keyed(received("lost", "a", "2"))
		beginAll(t, stores[0], kept)
		beginAll(t, stores[1], lost) // as by a call whose reply was lost
		if got, err := stores[0].Adopt(t.Context(), "a"); err != nil || len(got) != 0 {
			t.Fatalf("%v, %v", ids(got), err)
		}
		if _, err := stores[0].Get(t.Context(), kept.ID); err != nil {
			t.Error(err)
		}
		if _, err := stores[0].Get(t.Context(), lost.ID); !errors.Is(err, operation.ErrNotFound) {
			t.Error(err)
		}
		beginAll(t, stores[0], keyed(received("free", "a", "2")))
		record(t, stores[0], kept, operation.Intent)
	})
	t.Run("is as long as its owner's store is set to", func(t *testing.T) {
		server, address := database(t)
		long, short := open(t, address, Options{Lease: time.Hour}), open(t, address, Options{Lease: time.Second})
		beginAll(t, long, received("op", "a", "1"))
		server.Exec(t, address, `UPDATE ocigate_replicas SET renewed = renewed - interval '50 minutes'`)
		if _, err := short.Adopt(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		if _, err := long.Get(t.Context(), "op"); err != nil {
			t.Errorf("the operation of a living owner: %v", err)
		}
	})
	t.Run("takes over more than a batch", func(t *testing.T) {
		server, address := database(t)
		s := open(t, address, Options{})
		beginAll(t, s, received("first", "a", "1"))
		server.Exec(t, address, `INSERT INTO ocigate_operations (id, version, owner, state, open, tenant_id, group_id, touches, record)
			SELECT 'more' || n, 1, 'a', 'unknown', true, 'T', 'G', '{}', json_build_object('id', 'more' || n, 'version', 1, 'owner', 'a', 'state', 'unknown')
			FROM generate_series(1, $1::int) n`, 2*adoptBatch)
		expire(t, server, address, "a")
		if got, err := s.Adopt(t.Context(), "b"); err != nil || len(got) != 2*adoptBatch {
			t.Errorf("%d operations, %v", len(got), err)
		}
	})
}

func TestReplicaThatIsSuspended(t *testing.T) {
	_, address := database(t)
	suspended, other := open(t, address, Options{}), open(t, address, Options{})
	must(t, suspended.Append(t.Context(), operation.Event{Time: moment(), Kind: operation.EventLogin}))
	suspended.timeout = 50 * time.Millisecond // enough for one that is connected
	locked, woken := make(chan struct{}), make(chan struct{})
	var result error
	var all sync.WaitGroup
	all.Go(func() {
		lock := sync.OnceFunc(func() { close(locked) })
		defer lock() // where it never gets that far
		result = suspended.transact(context.Background(), "sleep", durably, func(ctx context.Context, tx pgx.Tx) error {
			err := extend(ctx, tx, operation.Event{Time: moment(), Kind: operation.EventLogin})
			lock()
			<-woken
			return err
		})
	})
	<-locked
	err := other.Append(t.Context(), operation.Event{Time: moment(), Kind: operation.EventLogin})
	close(woken)
	all.Wait()
	if err != nil {
		t.Errorf("it keeps others from the trail: %v", err)
	}
	if result == nil || lines(t, other) != 2 {
		t.Errorf("its own line is there: %v", result)
	}
}
