package storetest

import (
	"errors"
	"fmt"
	"slices"

	"ocigate/gateway/operation"
)

// planned plans all entries of an operation for the first step.
func planned(op *operation.Operation) {
	op.Entries = slices.Clone(op.Entries)
	for i := range op.Entries {
		op.Entries[i].Step = 1
	}
	op.Step = 1
}

// alsoPlanned adds entries that only the plan names, which a step changes.
func alsoPlanned(step int, keys ...string) edit {
	return func(op *operation.Operation) {
		op.Entries = slices.Clone(op.Entries)
		for _, key := range keys {
			e := entry(key)
			e.Step = step
			op.Entries = append(op.Entries, e)
		}
	}
}

// known gives entries an outcome.
func known(outcome operation.State, keys ...string) edit {
	return func(op *operation.Operation) {
		op.Entries = slices.Clone(op.Entries)
		for i := range op.Entries {
			if e := &op.Entries[i]; slices.Contains(keys, e.Key) {
				e.Outcome = outcome
			}
		}
	}
}

// asWanted makes entries have the wanted value already.
func asWanted(keys ...string) edit {
	return func(op *operation.Operation) {
		known(operation.Done, keys...)(op)
		for i := range op.Entries {
			if e := &op.Entries[i]; slices.Contains(keys, e.Key) {
				e.Step = 0
			}
		}
	}
}

func atStep(step int) edit { return func(op *operation.Operation) { op.Step = step } }

func claims(keys ...string) edit {
	return func(op *operation.Operation) {
		for _, key := range keys {
			op.Claims = append(op.Claims, operation.Claim{Kind: "list", Key: key})
		}
	}
}

// list gives an operation entries of the kind that claims have.
func list(keys ...string) edit {
	return func(op *operation.Operation) {
		entries(keys...)(op)
		kind("list")(op)
	}
}

// wantRefused checks that an intent cannot be recorded, since one of the holders has these
// entries, and that nothing is recorded.
func (w *world) wantRefused(op operation.Operation, keys []string, holders ...string) {
	w.Helper()
	before := w.get(op.ID)
	lines := w.trail()
	err := w.store.Record(w.Context(), op, event(&op))
	held, ok := errors.AsType[*operation.HeldError](err)
	switch {
	case !ok:
		w.Fatalf("Record of %s: %v, want a HeldError", op.ID, err)
	case !slices.Equal(keysIn(held.Held), keys) || !slices.Contains(holders, held.ID):
		w.Errorf("%v are held by %s, want %v by one of %v", held.Held, held.ID, keys, holders)
	}
	w.wantStored(before)
	w.wantTrail(lines...)
}

var stepTests = []test{
	{"take with the intent what only the plan names, in another process too", func(w *world) {
		op := w.op(entries("a"))
		w.begin(op)
		w.wantFree(w.op(entries("b", "c")))
		op = w.record(in(operation.Intent, op, planned, alsoPlanned(1, "b"), alsoPlanned(2, "c")))
		for range 2 {
			w.wantStored(op)
			w.wantHeld(w.op(entries("c", "x", "b", "a")), []string{"c", "b", "a"}, op.ID)
			w.another()
		}
		op = w.record(in(operation.Unknown, op))
		w.wantHeld(w.op(entries("c", "b", "a")), []string{"c", "b", "a"}, op.ID)
		w.record(in(operation.Done, op))
		w.wantFree(w.op(entries("a", "b", "c")))
	}},
	{"refuse an intent for what another operation holds, and record nothing", func(w *world) {
		for _, states := range toOpen {
			holder := w.op()
			entries("b "+holder.ID, "c "+holder.ID)(&holder)
			holder = w.through(holder, states...)
			op := w.op(key("key of " + holder.ID))
			w.begin(op)
			w.wantRefused(in(operation.Intent, op, planned, alsoPlanned(1, "x", "c "+holder.ID), alsoPlanned(2, "b "+holder.ID)),
				[]string{"c " + holder.ID, "b " + holder.ID}, holder.ID)
			w.wantKeyUsed(w.op(key(op.Key)), op)
			w.wantHeld(w.op(entries(keysOf(op)...)), keysOf(op), op.ID)
			w.wantFree(w.op(entries("x")))
			w.abandon(op)
			w.wantNone(op.ID)
			w.wantFree(w.op(key(op.Key), entries(keysOf(op)...)))
		}
	}},
	{"refuse an intent for what another operation may have changed after this one was begun", func(w *world) {
		for _, begun := range []string{"before", "after"} {
			for _, states := range append([][]operation.State{toUnknown}, toEnds...) {
				other := w.op()
				entries("b " + other.ID)(&other)
				if begun == "before" {
					w.begin(other)
				}
				op := w.op()
				w.begin(op)
				if begun == "after" {
					w.begin(other)
				}
				other = w.record(in(states[0], other, planned))
				for _, state := range states[1:] {
					other = w.record(in(state, other))
				}
				if other.State == operation.Unknown {
					other = w.release(other)
				}
				w.wantRefused(in(operation.Intent, op, planned, alsoPlanned(1, "x", "b "+other.ID)), []string{"b " + other.ID}, other.ID)
				w.abandon(op)
				again := w.op()
				w.begin(again)
				w.record(in(operation.Done, w.record(in(operation.Intent, again, planned, alsoPlanned(1, "b "+other.ID)))))
			}
		}
	}},
	{"take with the intent what others had and did not change", func(w *world) {
		op := w.op(entries("a"))
		w.begin(op)
		w.abandon(func() operation.Operation { other := w.op(entries("b")); w.begin(other); return other }())
		// As wanted already, before the intent and without one, and never sent.
		other := w.op(entries("c", "own c"))
		w.begin(other)
		w.record(in(operation.Done, w.record(in(operation.Intent, other, planned, asWanted("c")))))
		other = w.op(entries("d"))
		w.begin(other)
		w.record(in(operation.Done, other, asWanted("d")))
		other = w.op(entries("own e"))
		w.begin(other)
		other = w.record(in(operation.Intent, other, planned, alsoPlanned(2, "e")))
		w.record(in(operation.PartlyDone, other, known(operation.Done, "own e"), known(operation.NotDone, "e")))
		op = w.record(in(operation.Intent, op, planned, alsoPlanned(1, "b", "c", "d", "e")))
		w.wantStored(op)
	}},
	{"take the same intent twice", func(w *world) {
		op := w.op(entries("a"))
		w.begin(op)
		op = w.record(in(operation.Intent, op, planned, alsoPlanned(1, "b")))
		w.record(op)
		w.wantStored(op)
		w.record(in(operation.Intent, op))
		w.wantHeld(w.op(entries("b", "a")), []string{"b", "a"}, op.ID)
	}},
	{"free with the intent what has the wanted value, and what the plan leaves out", func(w *world) {
		op := w.op(entries("a", "b", "c"))
		w.begin(op)
		op = w.record(in(operation.Intent, op, entries("a", "b"), planned, asWanted("b"), alsoPlanned(1, "d")))
		for range 2 {
			w.wantStored(op)
			w.wantFree(w.op(entries("b", "c")))
			w.wantHeld(w.op(entries("a", "d")), []string{"a", "d"}, op.ID)
			w.another()
		}
	}},
	{"free with a further intent what the steps before have done", func(w *world) {
		op := w.op(entries("a", "b"))
		w.begin(op)
		op = w.record(in(operation.Intent, op, planned, alsoPlanned(2, "c"), alsoPlanned(3, "d")))
		lines := w.trail()
		further := func(step int, done ...string) {
			op = in(operation.Intent, op, atStep(step), known(operation.Done, done...))
			if err := w.store.Record(w.Context(), op, operation.Event{}); err != nil {
				w.Fatal(err)
			}
			w.wantStored(op)
		}
		further(2, "a", "b")
		w.wantFree(w.op(entries("a", "b")))
		w.wantHeld(w.op(entries("a", "c", "d")), []string{"c", "d"}, op.ID)
		w.another()
		further(3, "c")
		w.wantFree(w.op(entries("a", "b", "c")))
		w.wantHeld(w.op(entries("d")), []string{"d"}, op.ID)
		w.wantTrail(lines...)
		another := w.through(w.op(entries("a")), toIntent...)
		op = w.record(in(operation.Unknown, op))
		w.wantHeld(w.op(entries("a")), []string{"a"}, another.ID)
		w.wantHeld(w.op(entries("d")), []string{"d"}, op.ID)
		w.record(in(operation.PartlyDone, op, known(operation.NotDone, "d")))
		w.wantFree(w.op(entries("b", "c", "d")))
		w.wantHeld(w.op(entries("a")), []string{"a"}, another.ID)
	}},
	{"refuse a further intent of an owner that was taken for stopped, and adopt what may have been sent", func(w *world) {
		w.adopt(first)
		op := w.op(entries("a"))
		w.begin(op)
		op = w.record(in(operation.Intent, op, planned, alsoPlanned(2, "b")))
		late := w.stop(first)
		adopted := w.wantAdopted(second, op)[0]
		further := in(operation.Intent, op, atStep(2), known(operation.Done, "a"))
		if err := late.Record(w.Context(), further, operation.Event{}); !errors.Is(err, operation.ErrConflict) {
			w.Errorf("Record: %v, want %v", err, operation.ErrConflict)
		}
		w.wantStored(adopted)
		w.wantHeld(w.op(entries("a", "b")), []string{"a", "b"}, op.ID)
		w.record(in(operation.Unknown, adopted, known(operation.NotDone, "b")))
		w.wantFree(w.op(entries("b")))
		w.wantHeld(w.op(entries("a")), []string{"a"}, op.ID)
	}},
	{"hold claims for as long as the operation is not over", func(w *world) {
		for _, states := range toOpen {
			op := w.op()
			claims("l "+op.ID, "m "+op.ID)(&op)
			op = w.through(op, states...)
			w.wantHeld(w.op(claims("x", "m "+op.ID)), []string{"m " + op.ID}, op.ID)
			w.wantHeld(w.op(list("l "+op.ID)), []string{"l " + op.ID}, op.ID)
			w.wantFree(w.op(entries("l " + op.ID)))
			w.wantFree(w.op(claims("l "+op.ID), func(op *operation.Operation) { op.TenantID = "another" }))
			if len(states) == 0 {
				w.abandon(op)
			} else {
				w.another()
				w.wantStored(op)
				w.wantHeld(w.op(claims("l "+op.ID)), []string{"l " + op.ID}, op.ID)
				w.record(in(operation.Done, op))
			}
			w.wantFree(w.op(claims("l "+op.ID, "m "+op.ID)))
		}
	}},
	{"refuse claims on what others have as entries", func(w *world) {
		op := w.through(w.op(list("l")), toReceived...)
		w.wantHeld(w.op(claims("l")), []string{"l"}, op.ID)
		w.record(in(operation.Intent, op))
		w.wantHeld(w.op(claims("l")), []string{"l"}, op.ID)
	}},
	{"hold claims until all entries are released", func(w *world) {
		op := w.through(w.op(entries("a", "b"), claims("l")), toUnknown...)
		op = w.release(op, "a")
		w.wantFree(w.op(entries("a")))
		w.wantHeld(w.op(claims("l")), []string{"l"}, op.ID)
		w.release(op, "b")
		w.wantFree(w.op(entries("a", "b"), claims("l")))
	}},
	{"do not touch what was as wanted, or was never sent", func(w *world) {
		op := w.through(w.op(entries("a", "b", "c", "d")), toDone...)
		later := w.op(entries("a", "c"))
		w.begin(later)
		later = w.record(in(operation.Intent, later, planned, asWanted("a"), alsoPlanned(2, "b"), alsoPlanned(3, "d")))
		w.wantTouched(op, map[string]string{"b": later.ID, "c": later.ID, "d": later.ID}) // b and d may be, a moment later
		later = w.record(in(operation.Intent, later, atStep(2), known(operation.Done, "c")))
		w.record(in(operation.PartlyDone, later, known(operation.NotDone, "b", "d")))
		w.wantTouched(op, map[string]string{"b": later.ID, "c": later.ID})
	}},
}

var stepRaces = []test{
	{"for what only plans know have one winner", func(w *world) {
		var ops, intents []operation.Operation
		for i := range racers {
			own, shared := fmt.Sprint("own ", i), []string{"a", "b"}
			op := w.op(key(own), entries(own))
			w.begin(op)
			ops = append(ops, op)
			intents = append(intents, in(operation.Intent, op, planned, alsoPlanned(1, shared[i%2]), alsoPlanned(2, shared[1-i%2])))
		}
		errs := w.concurrently(racers, func(store operation.Store, i int) error {
			return store.Record(w.Context(), intents[i], event(&intents[i]))
		})
		winner := w.wantWinner(errs, isHeld)
		if lines := len(w.trail()); lines != 1 {
			w.Errorf("the trail has %d lines, want one", lines)
		}
		w.wantStored(intents[winner])
		w.wantHeld(w.op(entries("a", "b")), []string{"a", "b"}, ops[winner].ID)
		for i, op := range ops {
			if i != winner {
				w.wantStored(op)
				w.abandon(op)
				w.wantFree(w.op(key(op.Key), entries(keysOf(op)...)))
			}
		}
	}},
	{"of intents and beginnings for the same entry have one winner", func(w *world) {
		var ops []operation.Operation
		for i := range racers {
			op := w.op(entries("a"))
			if i%2 == 0 {
				op = w.op()
				w.begin(op)
				op = in(operation.Intent, op, planned, alsoPlanned(1, "a"))
			}
			ops = append(ops, op)
		}
		winner := w.wantWinner(w.concurrently(racers, func(store operation.Store, i int) error {
			if i%2 == 0 {
				return store.Record(w.Context(), ops[i], event(&ops[i]))
			}
			return store.Begin(w.Context(), ops[i])
		}), isHeld)
		w.wantHeld(w.op(entries("a")), []string{"a"}, ops[winner].ID)
	}},
}
