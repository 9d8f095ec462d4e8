//go:build unix

package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

// This test specifies the lease between the steps of a write. To add a case, add a subtest of
// TestLeaseBetweenSteps.

// twoSteps begins a write of two steps, the second of which only the plan names, and records
// the intent of the first. Its id is "op".
func twoSteps(t *testing.T, k *operation.Keeper) *operation.Write {
	t.Helper()
	op := received("op", "", "1")
	w, err := k.Begin(t.Context(), op)
	must(t, err)
	entries := []operation.Entry{op.Entries[0], {Kind: "dn", Given: "2", Key: "2"}}
	for i := range entries {
		entries[i].Before, entries[i].After, entries[i].Step = json.RawMessage(`null`), json.RawMessage(`1`), i+1
	}
	w.Plan(entries)
	must(t, w.Intend(t.Context(), 1, "n1"))
	return w
}

// keeper returns a keeper of owner "a" whose readings fail.
func keeper(t *testing.T, s operation.Store) *operation.Keeper {
	t.Helper()
	k := operation.NewKeeper(operation.Options{
		Store: s, Owner: "a", Settle: time.Hour,
		Observe: func(context.Context, scope.Target, []operation.Entry) (operation.Observation, error) {
			return operation.Observation{}, errors.New("nothing can be read")
		},
	})
	t.Cleanup(func() { k.Close(context.Background()) })
	return k
}

// withoutAdopt is a store whose Adopt does nothing, so that no lease is renewed.
type withoutAdopt struct{ *Store }

func (withoutAdopt) Adopt(context.Context, string) ([]operation.Operation, error) { return nil, nil }

func TestLeaseBetweenSteps(t *testing.T) {
	t.Run("that has run out keeps the next one from being sent, until it is renewed", func(t *testing.T) {
		server, address := database(t)
		s := open(t, address, Options{})
		w := twoSteps(t, keeper(t, withoutAdopt{s}))
		server.Exec(t, address, `UPDATE ocigate_replicas SET renewed = renewed - lease / 2 WHERE owner = 'a'`)
		before, err := s.Get(t.Context(), "op")
		must(t, err)
		for range 2 {
			if err := w.Intend(t.Context(), 2, "n1"); !errors.Is(err, ErrLease) || !errors.Is(err, operation.ErrUnusable) || errors.Is(err, operation.ErrConflict) {
				t.Fatalf("Intend: %v", err)
			}
		}
		after, err := s.Get(t.Context(), "op")
		if diff := cmp.Diff(before, after); err != nil || diff != "" {
			t.Errorf("%v, it is changed:\n%s", err, diff)
		}
		_, err = s.Adopt(t.Context(), "a")
		must(t, err)
		must(t, w.Intend(t.Context(), 2, "n1"))
		if got := w.Settle(t.Context(), operation.Succeeded, nil); got.State != operation.Done {
			t.Errorf("it is %s", got.State)
		}
		if got := lines(t, s); got != 2 {
			t.Errorf("the trail has %d lines", got)
		}
	})
	t.Run("that has run out lets the write end with what was done", func(t *testing.T) {
		server, address := database(t)
		s := open(t, address, Options{})
		w := twoSteps(t, keeper(t, withoutAdopt{s}))
		expire(t, server, address, "a")
		if err := w.Intend(t.Context(), 2, "n1"); !errors.Is(err, ErrLease) {
			t.Fatalf("Intend: %v", err)
		}
		w.Unsent(2)
		got, err := s.Get(t.Context(), "op")
		must(t, err)
		if got.State != operation.PartlyDone || got.Basis != operation.ByReply || len(got.Holds()) > 0 {
			t.Errorf("it is %+v", got)
		}
		if got := server.Value(t, address, `SELECT count(*) || '' FROM ocigate_holds`); got != "0" {
			t.Errorf("%s are held", got)
		}
	})
	t.Run("that another has taken over keeps the next one from being sent for good", func(t *testing.T) {
		server, address := database(t)
		s := open(t, address, Options{})
		w := twoSteps(t, keeper(t, withoutAdopt{s}))
		expire(t, server, address, "a")
		other := open(t, address, Options{})
		adopted, err := other.Adopt(t.Context(), "b")
		if err != nil || len(adopted) != 1 {
			t.Fatalf("%+v, %v", adopted, err)
		}
		_, err = s.Adopt(t.Context(), "a") // it is heard of again
		must(t, err)
		for range 3 {
			if err := w.Intend(t.Context(), 2, "n1"); !errors.Is(err, operation.ErrConflict) {
				t.Fatalf("Intend: %v", err)
			}
		}
		w.Close()
		if got, err := s.Get(t.Context(), "op"); err != nil || got.Owner != "b" || got.State != operation.Intent || got.Step != 1 {
			t.Errorf("it is %+v, %v", got, err)
		}
	})
}
