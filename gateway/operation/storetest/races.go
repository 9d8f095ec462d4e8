package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"ocigate/gateway/operation"
)

// racers is the number of concurrent calls of a race.
const racers = 16

// wantWinner checks that exactly one call was successful, and that the others got an error
// for which lost returns true. It returns the index of the winner.
func (w *world) wantWinner(errs []error, lost func(error) bool) int {
	w.Helper()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner < 0:
			winner = i
		case err == nil:
			w.Errorf("both %d and %d won", winner, i)
		case !lost(err):
			w.Errorf("%d lost by %v", i, err)
		}
	}
	if winner < 0 {
		w.Fatal("no call won")
	}
	return winner
}

func isKeyUsed(err error) bool {
	_, ok := errors.AsType[*operation.KeyUsedError](err)
	return ok
}

func isHeld(err error) bool {
	_, ok := errors.AsType[*operation.HeldError](err)
	return ok
}

func isConflict(err error) bool { return errors.Is(err, operation.ErrConflict) }

// beginConcurrently begins operations at the same time.
func (w *world) beginConcurrently(ops []operation.Operation) []error {
	return w.concurrently(len(ops), func(store operation.Store, i int) error { return store.Begin(w.Context(), ops[i]) })
}

var raceTests = []test{
	{"for a key have one winner", func(w *world) {
		var ops []operation.Operation
		for range racers {
			ops = append(ops, w.op(key("k")))
		}
		winner := w.wantWinner(w.beginConcurrently(ops), isKeyUsed)
		for i, op := range ops {
			if i != winner {
				w.wantNone(op.ID)
				w.wantFree(w.op(entries(keysOf(op)...)))
			}
		}
		w.wantKeyUsed(w.op(key("k")), ops[winner])
	}},
	{"for a key that has expired have one winner", func(w *world) {
		w.through(w.op(keyUntil("k", -time.Second)), toDone...)
		var ops []operation.Operation
		for range racers {
			ops = append(ops, w.op(key("k")))
		}
		w.wantWinner(w.beginConcurrently(ops), isKeyUsed)
	}},
	{"for an entry have one winner", func(w *world) {
		var ops []operation.Operation
		for i := range racers {
			// Some name it first and some last, so that what is taken in turn
			// would be taken in different orders.
			own, shared := fmt.Sprint("own ", i), []string{"a", "b"}
			ops = append(ops, w.op(key(own), entries(shared[i%2], own, shared[1-i%2])))
		}
		winner := w.wantWinner(w.beginConcurrently(ops), isHeld)
		for i, op := range ops {
			if i != winner {
				w.wantNone(op.ID)
				w.wantFree(w.op(key(op.Key), entries(keysOf(op)[1])))
			}
		}
		w.wantHeld(w.op(entries("a", "b")), []string{"a", "b"}, ops[winner].ID)
	}},
	{"for a version have one winner", func(w *world) {
		op := w.through(w.op(), toIntent...)
		winner := w.wantWinner(w.concurrently(racers, func(store operation.Store, i int) error {
			next := in(operation.Unknown, op, owner(fmt.Sprint("racer-", i)))
			return store.Record(w.Context(), next, event(&next))
		}), isConflict)
		if got, want := w.get(op.ID).Owner, fmt.Sprint("racer-", winner); got != want {
			w.Errorf("it is %s's, want %s's", got, want)
		}
	}},
	{"for the operations of an owner that has stopped give each to one owner", func(w *world) {
		w.adopt(first)
		const abandoned = 10
		for range abandoned {
			w.through(w.op(), toIntent...)
		}
		w.stop(first)
		var mu sync.Mutex
		adopters := map[string]string{}
		for _, err := range w.concurrently(4, func(store operation.Store, i int) error {
			name := fmt.Sprint("racer-", i)
			ops, err := store.Adopt(w.Context(), name)
			mu.Lock()
			defer mu.Unlock()
			for _, op := range ops {
				if adopters[op.ID] != "" {
					w.Errorf("%s is adopted by %s and by %s", op.ID, adopters[op.ID], name)
				}
				adopters[op.ID] = name
			}
			return err
		}) {
			if err != nil {
				w.Fatal(err)
			}
		}
		if len(adopters) != abandoned {
			w.Errorf("%d operations were adopted, want %d", len(adopters), abandoned)
		}
		for id, name := range adopters {
			if got := w.get(id).Owner; got != name {
				w.Errorf("%s is %s's, but was given to %s", id, got, name)
			}
		}
	}},
	{"lose no record and no line", func(w *world) {
		const each = 5
		var ops []operation.Operation
		for range racers * each {
			ops = append(ops, w.op(key("of one"), func(op *operation.Operation) { op.Caller.Name = op.ID }))
		}
		for _, err := range w.concurrently(racers, func(store operation.Store, i int) error {
			for _, op := range ops[i*each : (i+1)*each] {
				if err := store.Begin(w.Context(), op); err != nil {
					return err
				}
				for _, state := range toDone {
					op = in(state, op)
					if err := store.Record(w.Context(), op, event(&op)); err != nil {
						return err
					}
				}
			}
			return nil
		}) {
			if err != nil {
				w.Fatal(err)
			}
		}
		next := map[string]int{}
		for _, e := range w.trail() {
			if n := next[e.Operation]; n >= len(toDone) || e.Outcome != string(toDone[n]) {
				w.Errorf("line %d of %s has the outcome %s", n+1, e.Operation, e.Outcome)
			}
			next[e.Operation]++
		}
		w.another()
		for _, op := range ops {
			if got := w.get(op.ID); got.State != operation.Done || next[op.ID] != len(toDone) {
				w.Errorf("%s is %s and has %d lines", op.ID, got.State, next[op.ID])
			}
		}
	}},
}
