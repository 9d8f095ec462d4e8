package storetest

import (
	"errors"
	"slices"
	"sync"

	"ocigate/gateway/operation"
)

// lose makes an owner lose what shows that it runs, and opens another store, of an owner that
// runs. It returns the store of the former, which does not know that.
func (w *world) lose(lost, runs string) operation.Store {
	w.Helper()
	late := w.store
	w.another()
	w.adopt(runs)
	w.Lose(lost)
	return late
}

// wantLost checks that the second owner adopts these operations from those that are lost, with higher
// versions, and no others.
func (w *world) wantLost(want ...operation.Operation) {
	w.Helper()
	got, left, err := w.store.AdoptLost(w.Context(), second)
	if err != nil || len(got) != len(want) {
		w.Fatalf("%s adopts %d operations, want %d: %v", second, len(got), len(want), err)
	}
	if len(got) > 0 && left <= 0 {
		w.Errorf("nothing is left of the sessions of their owner: %v", left)
	}
	for i, op := range got {
		if op.Version <= want[i].Version {
			w.Errorf("%s has version %d and had %d before it was adopted", op.ID, op.Version, want[i].Version)
		}
		want[i].Owner, want[i].Version = second, op.Version
		w.wantStored(op)
	}
	if diff := equal(got, want); diff != "" {
		w.Errorf("%s adopts (-want +got):\n%s", second, diff)
	}
}

var lostTests = []test{
	{"adopts nothing from an owner that runs", func(w *world) {
		w.adopt(first)
		w.through(w.op(), toIntent...)
		if w.Shared {
			w.another()
		}
		w.adopt(second)
		w.wantLost()
	}},
	{"adopts what is open of an owner that is lost, once", func(w *world) {
		if w.Lose == nil {
			w.Skip("the store does not know of owners that are lost")
		}
		w.adopt(first)
		intent := w.through(w.op(), toIntent...)
		unknown := w.through(w.op(), toUnknown...)
		for _, states := range toEnds {
			w.through(w.op(), states...)
		}
		received := w.op(key("k"))
		w.begin(received)
		w.lose(first, second)
		w.wantLost(intent, unknown)
		w.wantNone(received.ID)
		w.wantFree(w.op(owner(second), key("k"), entries(keysOf(received)...)))
		w.wantHeld(w.op(owner(second), entries(keysOf(intent)...)), keysOf(intent), intent.ID)
		w.wantLost()
	}},
	{"refuses the late records of an owner that runs, and its next intents", func(w *world) {
		if w.Lose == nil {
			w.Skip("the store does not know of owners that are lost")
		}
		w.adopt(first)
		sent, received := w.through(w.op(), toIntent...), w.op()
		w.begin(received)
		late := w.lose(first, second)
		w.wantLost(sent)
		for _, record := range []operation.Operation{in(operation.Intent, sent), in(operation.Done, sent), in(operation.Intent, received)} {
			if err := late.Record(w.Context(), record, event(&record)); !errors.Is(err, operation.ErrConflict) {
				w.Errorf("Record of %s as %s: %v, want %v", record.ID, record.State, err, operation.ErrConflict)
			}
		}
		w.wantNone(received.ID)
	}},
	{"gives an operation either to its owner, with its intent, or to another", func(w *world) {
		if w.Lose == nil {
			w.Skip("the store does not know of owners that are lost")
		}
		w.adopt(first)
		ops := make([]operation.Operation, racers)
		for i := range ops {
			if ops[i] = w.op(); i%2 == 0 {
				w.begin(ops[i]) // an intent that is first makes it adopted, one that is late finds it removed
			} else {
				ops[i] = w.through(ops[i], toIntent...)
			}
		}
		late := w.lose(first, second)
		intents := make([]error, racers)
		var adopted []operation.Operation
		var failure error
		var all sync.WaitGroup
		for i := range ops {
			all.Go(func() {
				intent := in(operation.Intent, ops[i])
				intents[i] = late.Record(w.Context(), intent, event(&intent))
			})
		}
		all.Go(func() {
			for range 3 {
				var got []operation.Operation
				if got, _, failure = w.store.AdoptLost(w.Context(), second); failure != nil {
					return
				}
				adopted = append(adopted, got...)
			}
		})
		all.Wait()
		if failure != nil {
			w.Fatal(failure)
		}
		rest, _, err := w.store.AdoptLost(w.Context(), second)
		if err != nil {
			w.Fatal(err)
		}
		adopted = append(adopted, rest...)
		for i, op := range ops {
			at := slices.IndexFunc(adopted, func(a operation.Operation) bool { return a.ID == op.ID })
			switch {
			case intents[i] == nil && (at < 0 || adopted[at].Version != op.Version+2):
				w.Errorf("the intent of %s succeeded, and it was not adopted with it", op.ID)
			case intents[i] != nil && !isConflict(intents[i]):
				w.Errorf("the intent of %s: %v", op.ID, intents[i])
			case intents[i] != nil && op.State == operation.Received:
				w.wantNone(op.ID)
			case intents[i] != nil && (at < 0 || adopted[at].Version != op.Version+1):
				w.Errorf("the intent of %s failed, and it was not adopted without it", op.ID)
			}
		}
	}},
}
