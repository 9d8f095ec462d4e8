package storetest

import (
	"errors"
	"slices"
	"time"

	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

// release frees entries of an operation, or all, and returns the released operation.
func (w *world) release(op operation.Operation, entries ...string) operation.Operation {
	w.Helper()
	released, err := releaseOf(op, entries...).Record(w.Context(), w.store, 0)
	if err != nil {
		w.Fatalf("release of %s: %v", op.ID, err)
	}
	w.wantStored(released)
	return released
}

func releaseOf(op operation.Operation, entries ...string) operation.Release {
	return operation.Release{ID: op.ID, Entries: entries, By: "operator", Reason: "seen on the platform"}
}

// wantNoRelease checks that nothing of an operation can be released, and that nothing
// changes.
func (w *world) wantNoRelease(op operation.Operation, settle time.Duration, entries ...string) {
	w.Helper()
	lines := w.trail()
	_, err := releaseOf(op, entries...).Record(w.Context(), w.store, settle)
	if _, refused := errors.AsType[*operation.ReleaseError](err); !refused {
		w.Errorf("release of %s, which is %s: %v, want a ReleaseError", op.ID, op.State, err)
	}
	w.wantStored(op)
	w.wantTrail(lines...)
}

var releaseTests = []test{
	{"frees all entries of an unknown operation, and leaves it unknown for good", func(w *world) {
		w.adopt(first)
		op := w.through(w.op(key("k"), entries("a", "b")), toUnknown...)
		released := w.release(op)
		if released.State != operation.Unknown || released.Open() || released.EndedAt.IsZero() {
			w.Errorf("it is %+v", released)
		}
		w.wantFree(w.op(entries("a", "b")))
		w.wantKeyUsed(w.op(key("k")), released)
		w.wantList(operation.Query{Open: true, Limit: 10})
		w.wantList(operation.Query{State: operation.Unknown, Limit: 10}, released)
		w.stop(first)
		w.wantAdopted(second)
		w.wantFree(w.op(entries("a", "b")))
		w.wantStored(released)
		w.wantNoRelease(released, 0)
	}},
	{"is removed in its time", func(w *world) {
		released := w.release(w.through(w.op(), toUnknown...))
		w.prune(released.EndedAt)
		w.wantStored(released)
		w.prune(now().Add(time.Second))
		w.wantNone(released.ID)
	}},
	{"frees some entries, and has the others taken over by the next owner that adopts", func(w *world) {
		w.adopt(first)
		op := w.through(w.op(entries("a", "b", "c")), toUnknown...)
		released := w.release(op, "c", "a")
		w.wantFree(w.op(entries("a", "c")))
		w.wantHeld(w.op(entries("a", "b", "c")), []string{"b"}, op.ID)
		w.wantNoRelease(released, 0, "a")
		adopted := w.wantAdopted(first, released)[0]
		w.wantHeld(w.op(entries("b")), []string{"b"}, op.ID)
		w.wantFree(w.op(entries("a", "c")))
		another := w.through(w.op(entries("a")), toIntent...)
		w.release(adopted)
		w.wantFree(w.op(entries("b", "c")))
		w.wantHeld(w.op(entries("a")), []string{"a"}, another.ID)
	}},
	{"is written to the audit trail", func(w *world) {
		op := w.through(w.op(entries("a", "b")), toUnknown...)
		before := w.trail()
		released := w.release(op, "given b")
		lines := w.trail()
		if len(lines) != len(before)+1 {
			w.Fatalf("%d lines, want %d", len(lines), len(before)+1)
		}
		got := lines[len(before)]
		want := operation.Event{
			Time: released.Releases[0].At, Kind: operation.EventRelease,
			Caller: operation.Caller{Name: "operator", Level: "operator", Method: "command line"},
			Route:  op.Route, Operation: op.ID, TenantID: op.TenantID, GroupID: op.GroupID,
			Entries: released.Entries[1:], PlatformEndpoint: op.PlatformEndpoint,
			Outcome: string(operation.Unknown), Reason: "seen on the platform",
		}
		if diff := equal(got, want); diff != "" {
			w.Errorf("the line (-want +got):\n%s", diff)
		}
	}},
	{"refuses what is not unknown, and what the platform may still carry out", func(w *world) {
		for _, states := range append([][]operation.State{toIntent}, toEnds...) {
			w.wantNoRelease(w.through(w.op(), states...), 0)
		}
		w.wantNoRelease(w.through(w.op(), toUnknown...), time.Hour)
		w.wantNoRelease(w.through(w.op(entries("a", "b")), toUnknown...), 0, "a", "x")
		if _, err := releaseOf(w.op()).Record(w.Context(), w.store, 0); !errors.Is(err, operation.ErrNotFound) {
			w.Errorf("release of what is not there: %v", err)
		}
	}},
	{"refuses what was about to be recorded of the operation", func(w *world) {
		op := w.through(w.op(entries("a", "b")), toUnknown...)
		for _, freed := range [][]string{{"a"}, nil} {
			op = w.release(op, freed...)
			late := in(operation.NotDone, op, owner(first), func(late *operation.Operation) { late.Version = op.Version })
			if err := w.store.Record(w.Context(), late, event(&late)); !errors.Is(err, operation.ErrConflict) {
				w.Errorf("Record: %v, want %v", err, operation.ErrConflict)
			}
			w.wantStored(op)
		}
	}},
	{"gives way to what was recorded first", func(w *world) {
		op := w.through(w.op(), toUnknown...)
		w.wantNoRelease(w.record(in(operation.Done, op)), 0)
	}},
	{"happens once, also if several are made concurrently and the operation ends", func(w *world) {
		for range 5 {
			op := w.through(w.op(entries("a", "b", "c", "d")), toUnknown...)
			before := len(w.trail())
			errs := w.concurrently(9, func(store operation.Store, i int) error {
				if i == 8 {
					done := in(operation.Done, op)
					return store.Record(w.Context(), done, event(&done))
				}
				_, err := releaseOf(op, []string{"a", "b", "c", "d"}[i/2]).Record(w.Context(), store, 0)
				return err
			})
			got := w.get(op.ID)
			var freed []string
			for i, err := range errs[:8] {
				if err == nil {
					freed = append(freed, []string{"a", "b", "c", "d"}[i/2])
				}
			}
			if once := slices.Compact(slices.Clone(freed)); len(once) != len(freed) {
				w.Errorf("freed %v", freed)
			}
			if lines := len(w.trail()) - before; errs[8] == nil && lines != len(freed)+1 || errs[8] != nil && lines != len(freed) {
				w.Errorf("%d lines, and freed %v", lines, freed)
			}
			if got.State == operation.Done && (errs[8] != nil || len(freed) > 0) || got.State == operation.Unknown && len(got.Releases) != len(freed) {
				w.Errorf("it is %s with %d releases, after %v", got.State, len(got.Releases), errs)
			}
			for _, e := range got.Entries {
				if slices.Contains(got.Holds(), e.Claim()) {
					w.wantHeld(w.op(entries(e.Key)), []string{e.Key}, op.ID)
				} else {
					w.wantFree(w.op(entries(e.Key)))
				}
			}
			for _, held := range w.adopt(third) {
				w.release(held)
			}
		}
	}},
	{"lists what is open", func(w *world) {
		received := w.op()
		w.begin(received)
		var want []operation.Operation
		for _, states := range [][]operation.State{toIntent, toUnknown} {
			want = append([]operation.Operation{w.through(w.op(), states...)}, want...)
		}
		w.through(w.op(), toDone...)
		w.release(w.through(w.op(), toUnknown...))
		rechecked := w.record(in(operation.NotDone, w.through(w.op(), toIntent...), recheck))
		want = append(append([]operation.Operation{rechecked}, want...), received)
		w.wantList(operation.Query{Open: true, Limit: 10}, want...)
		w.wantList(operation.Query{Open: true, Limit: 2}, want[:2]...)
		w.wantList(operation.Query{Open: true, Limit: 10, Before: want[1].ID}, want[2:]...)
		w.wantList(operation.Query{Open: true, Limit: 10, State: operation.Unknown}, want[1])
		w.wantList(operation.Query{Open: true, Limit: 10, Target: scope.Target{TenantID: "tenant", GroupID: "group"}}, want...)
		w.wantList(operation.Query{Open: true, Limit: 10, Target: scope.Target{TenantID: "another"}})
	}},
	{"finds a store usable, before anything is recorded too", func(w *world) {
		for range 2 {
			if err := w.store.Check(w.Context()); err != nil {
				w.Errorf("Check: %v", err)
			}
			w.through(w.op(), toDone...)
			if err := w.store.Check(w.Context()); err != nil {
				w.Errorf("Check: %v", err)
			}
			w.another()
		}
		w.wantAdopted(second)
	}},
}
