//go:build unix

package postgres

import (
	"encoding/json"
	"errors"
	"testing"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/postgres/postgrestest"
)

// forgetAll removes what the database has of an operation, as a crash of the server
// does with what was not waited for.
func forgetAll(t *testing.T, server *postgrestest.Server, address, id string) {
	t.Helper()
	server.Exec(t, address, `DELETE FROM ocigate_holds WHERE operation = $1`, id)
	server.Exec(t, address, `DELETE FROM ocigate_keys WHERE operation = $1`, id)
	server.Exec(t, address, `DELETE FROM ocigate_operations WHERE id = $1`, id)
}

// outcomesOf are the outcomes of entries, in order.
func outcomesOf(op operation.Operation) (outcomes []operation.State) {
	for _, e := range op.Entries {
		outcomes = append(outcomes, e.Outcome)
	}
	return outcomes
}

func TestOperationThatTheServerForgot(t *testing.T) {
	t.Run("before its intent is not sent, since others may have changed its entries", func(t *testing.T) {
		server, address := database(t)
		s := open(t, address, Options{})
		k := keeper(t, deaf{s})
		op := keyed(received("late", "", "1"))
		w, err := k.Begin(t.Context(), op)
		must(t, err)
		forgetAll(t, server, address, op.ID)

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
			t.Errorf("the trail has %d lines, want those of the other", got)
		}
		w.Unsent(1)
		got, err := s.Get(t.Context(), op.ID)
		must(t, err)
		if got.State != operation.NotDone || got.Basis != operation.NotTaken || outcomesOf(got)[0] != operation.NotDone {
			t.Errorf("it is %+v", got)
		}
		beginAll(t, s, keyed(received("again", "a", "1"))) // the key is free
	})
	t.Run("between its steps ends with what was done", func(t *testing.T) {
		server, address := database(t)
		s := open(t, address, Options{})
		k := keeper(t, deaf{s})
		w := twoSteps(t, k)
		forgetAll(t, server, address, "op")
		beginAll(t, s, received("other", "b", "1", "2")) // of which nothing is held any more
		for range 2 {
			if err := w.Intend(t.Context(), 2, "n1"); !errors.Is(err, operation.ErrConflict) || !errors.Is(err, operation.ErrUnusable) {
				t.Fatalf("Intend: %v", err)
			}
		}
		told := w.Unsent(2)
		w.Leave()
		got, err := s.Get(t.Context(), "op")
		must(t, err)
		for _, op := range []operation.Operation{told, got} {
			if is := outcomesOf(op); op.State != operation.PartlyDone || op.Basis != operation.ByReply || is[0] != operation.Done || is[1] != operation.NotDone {
				t.Errorf("it is %+v", op)
			}
		}
		if got := lines(t, s); got != 2 {
			t.Errorf("the trail has %d lines, want the intent and the end", got)
		}
		if k.Unresolved() != 0 {
			t.Error("it is looked after")
		}
	})
	t.Run("while a step was on its way ends with its answer", func(t *testing.T) {
		server, address := database(t)
		s := open(t, address, Options{})
		w := twoSteps(t, keeper(t, deaf{s}))
		must(t, w.Intend(t.Context(), 2, "n1"))
		forgetAll(t, server, address, "op")
		w.Settle(t.Context(), operation.Succeeded, nil)
		got, err := s.Get(t.Context(), "op")
		must(t, err)
		if got.State != operation.Done || got.Basis != operation.ByReply {
			t.Errorf("it is %+v", got)
		}
	})
}
