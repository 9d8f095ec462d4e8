//go:build unix

package postgres

import (
	"encoding/json"
	"errors"
	"testing"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/postgres/postgrestest"
)

// These tests specify operations that a crash of the server loses, since Begin does not wait
// for the disk. To add a case, add a subtest that removes the rows with loseAll.

// loseAll removes all rows of an operation, as a crash of the server does with commits that
// were not waited for.
func loseAll(t *testing.T, server *postgrestest.Server, address, id string) {
	t.Helper()
	server.Exec(t, address, `DELETE FROM ocigate_holds WHERE operation = $1`, id)
	server.Exec(t, address, `DELETE FROM ocigate_keys WHERE operation = $1`, id)
	server.Exec(t, address, `DELETE FROM ocigate_operations WHERE id = $1`, id)
}

// outcomesOf returns the outcomes of entries, in order.
func outcomesOf(op operation.Operation) (outcomes []operation.State) {
	for _, e := range op.Entries {
		outcomes = append(outcomes, e.Outcome)
	}
	return outcomes
}

func TestOperationThatTheServerLost(t *testing.T) {
	t.Run("before its intent is not sent, since other operations may have changed its entries", func(t *testing.T) {
		server, address := database(t)
		s := open(t, address, Options{})
		k := keeper(t, withoutAdopt{s})
		op := keyed(received("late", "", "1"))
		w, err := k.Begin(t.Context(), op)
		must(t, err)
		loseAll(t, server, address, op.ID)

		other := received("other", "b", "1")
		beginAll(t, s, other)
		record(t, s, record(t, s, other, operation.Intent), operation.Done)

		e := op.Entries[0]
		e.Before, e.After, e.Step = json.RawMessage(`null`), json.RawMessage(`1`), 1
		w.Plan([]operation.Entry{e})
		for range 2 {
			if err := w.Intend(t.Context(), 1, "n1"); !errors.Is(err, operation.ErrConflict) || !errors.Is(err, operation.ErrUnusable) {
				t.Fatalf("Intend: %v", err)
			}
		}
		if got := lines(t, s); got != 2 {
			t.Errorf("the trail has %d lines, want those of the other operation", got)
		}
		w.Unsent(1)
		got, err := s.Get(t.Context(), op.ID)
		must(t, err)
		if got.State != operation.NotDone || got.Basis != operation.NotTaken || outcomesOf(got)[0] != operation.NotDone {
			t.Errorf("it is %+v", got)
		}
		beginAll(t, s, keyed(received("again", "a", "1"))) // the key is free
	})
	t.Run("between its steps ends with the outcome of the steps before", func(t *testing.T) {
		server, address := database(t)
		s := open(t, address, Options{})
		k := keeper(t, withoutAdopt{s})
		w := twoSteps(t, k)
		loseAll(t, server, address, "op")
		beginAll(t, s, received("other", "b", "1", "2")) // of which nothing is held any more
		for range 2 {
			if err := w.Intend(t.Context(), 2, "n1"); !errors.Is(err, operation.ErrConflict) || !errors.Is(err, operation.ErrUnusable) {
				t.Fatalf("Intend: %v", err)
			}
		}
		unsent := w.Unsent(2)
		w.Close()
		got, err := s.Get(t.Context(), "op")
		must(t, err)
		for _, op := range []operation.Operation{unsent, got} {
			if is := outcomesOf(op); op.State != operation.PartlyDone || op.Basis != operation.ByReply || is[0] != operation.Done || is[1] != operation.NotDone {
				t.Errorf("it is %+v", op)
			}
		}
		if got := lines(t, s); got != 2 {
			t.Errorf("the trail has %d lines, want the intent and the end", got)
		}
		if k.Unresolved() != 0 {
			t.Error("a keeper takes care of it")
		}
	})
	t.Run("while a step was being sent ends with its reply", func(t *testing.T) {
		server, address := database(t)
		s := open(t, address, Options{})
		w := twoSteps(t, keeper(t, withoutAdopt{s}))
		must(t, w.Intend(t.Context(), 2, "n1"))
		loseAll(t, server, address, "op")
		w.Settle(t.Context(), operation.Succeeded, nil)
		got, err := s.Get(t.Context(), "op")
		must(t, err)
		if got.State != operation.Done || got.Basis != operation.ByReply {
			t.Errorf("it is %+v", got)
		}
	})
}
