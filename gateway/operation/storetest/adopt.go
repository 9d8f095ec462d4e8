package storetest

import (
	"errors"

	"ocigate/gateway/operation"
)

// wantAdopted checks that an owner adopts these operations, with higher versions, and no
// others.
func (w *world) wantAdopted(owner string, want ...operation.Operation) []operation.Operation {
	w.Helper()
	got := w.adopt(owner)
	if len(got) != len(want) {
		w.Fatalf("%s adopts %d operations, want %d", owner, len(got), len(want))
	}
	for i := range want {
		if got[i].Version <= want[i].Version {
			w.Errorf("%s has version %d and had %d before it was adopted", got[i].ID, got[i].Version, want[i].Version)
		}
		want[i].Owner, want[i].Version = owner, got[i].Version
	}
	if diff := equal(got, want); diff != "" {
		w.Errorf("%s adopts (-want +got):\n%s", owner, diff)
	}
	for _, op := range got {
		w.wantStored(op)
	}
	return got
}

var adoptTests = []test{
	{"adopts nothing if there is nothing", func(w *world) {
		w.wantAdopted(first)
	}},
	{"adopts what is open of an owner that has stopped", func(w *world) {
		w.adopt(first)
		intent := w.through(w.op(), toIntent...)
		unknown := w.through(w.op(), toUnknown...)
		for _, states := range toEnds {
			w.through(w.op(), states...)
		}
		rechecked := w.record(in(operation.NotDone, w.through(w.op(), toIntent...), recheck))
		w.stop(first)
		w.wantAdopted(second, intent, unknown, rechecked)
		w.wantHeld(w.op(entries(keysOf(intent)...)), keysOf(intent), intent.ID)
		w.wantAdopted(second)
	}},
	{"adopts what was not taken and is to be rechecked, and leaves its key and its entries free", func(w *world) {
		w.adopt(first)
		op := w.record(in(operation.NotDone, w.through(w.op(key("k")), toIntent...), notTaken, recheck))
		w.stop(first)
		op = w.wantAdopted(second, op)[0]
		w.wantFree(w.op(key("k"), entries(keysOf(op)...)))
		op = w.record(in(operation.Done, op, corrected))
		w.wantStored(op)
		w.wantFree(w.op(key("k"), entries(keysOf(op)...)))
		w.stop(second)
		w.wantAdopted(third)
	}},
	{"removes what was only received by an owner that has stopped", func(w *world) {
		w.adopt(first)
		op := w.op(key("k"))
		w.begin(op)
		w.stop(first)
		w.wantAdopted(second)
		w.wantNone(op.ID)
		w.wantFree(w.op(owner(second), key("k"), entries(keysOf(op)...)))
	}},
	{"leaves alone what belongs to a running owner", func(w *world) {
		w.adopt(first)
		received := w.op()
		w.begin(received)
		intent := w.through(w.op(), toIntent...)
		if w.Shared {
			w.another()
		}
		w.wantAdopted(second)
		w.wantStored(received)
		w.wantStored(intent)
		w.wantAdopted(first)
	}},
	{"gives an operation to one owner after the other", func(w *world) {
		w.adopt(first)
		op := w.through(w.op(), toIntent...)
		w.stop(first)
		op = w.wantAdopted(second, op)[0]
		w.stop(second)
		op = w.wantAdopted(third, op)[0]
		w.wantStored(w.record(in(operation.Done, op)))
		w.stop(third)
		w.wantAdopted(first)
	}},
	{"refuses the late record of an owner that has stopped", func(w *world) {
		w.adopt(first)
		op := w.through(w.op(), toIntent...)
		late := w.stop(first)
		adopted := w.wantAdopted(second, op)[0]
		for _, record := range []operation.Operation{op, in(operation.Done, op)} {
			if err := late.Record(w.Context(), record, event(&record)); !errors.Is(err, operation.ErrConflict) {
				w.Errorf("Record of version %d: %v, want %v", record.Version, err, operation.ErrConflict)
			}
		}
		w.wantStored(adopted)
		w.wantStored(w.record(in(operation.NotDone, adopted)))
	}},
}
