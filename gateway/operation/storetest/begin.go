package storetest

import (
	"time"

	"ocigate/gateway/operation"
)

// The states that an operation is recorded in, one after the other (see through).
var (
	toReceived = []operation.State{}
	toIntent   = []operation.State{operation.Intent}
	toUnknown  = []operation.State{operation.Intent, operation.Unknown}
	toDone     = []operation.State{operation.Intent, operation.Done}
	toNotDone  = []operation.State{operation.Intent, operation.NotDone}
	toPartly   = []operation.State{operation.Intent, operation.PartlyDone}
	toResolved = []operation.State{operation.Intent, operation.Unknown, operation.Done}

	toOpen = [][]operation.State{toReceived, toIntent, toUnknown}
	toEnds = [][]operation.State{toDone, toNotDone, toPartly, toResolved}
)

var beginTests = []test{
	{"enters an operation", func(w *world) {
		op := w.op(key("k"))
		w.begin(op)
		w.wantStored(op)
	}},
	{"takes the same operation twice", func(w *world) {
		op := w.op(key("k"))
		w.begin(op)
		w.begin(op)
		w.abandon(op)
		w.wantFree(w.op(key("k"), entries(keysOf(op)...)))
	}},
	{"refuses a key that another operation has, in any state", func(w *world) {
		for _, states := range append(toOpen, toEnds...) {
			op := w.op()
			key("key of " + op.ID)(&op)
			op = w.through(op, states...)
			w.wantKeyUsed(w.op(key(op.Key)), op)
		}
	}},
	{"distinguishes the same key of another caller or route", func(w *world) {
		w.through(w.op(key("k")))
		w.through(w.op(key("l")), toDone...)
		for _, used := range []string{"k", "l"} {
			w.wantFree(w.op(key(used), func(op *operation.Operation) { op.Caller.Name = "shop" }))
			w.wantFree(w.op(key(used), func(op *operation.Operation) { op.Caller.Client = false }))
			w.wantFree(w.op(key(used), func(op *operation.Operation) { op.Route = "unassign" }))
			w.wantFree(w.op(key(used + used)))
		}
	}},
	{"recognizes a caller at any address", func(w *world) {
		op := w.op(key("k"))
		w.begin(op)
		w.wantKeyUsed(w.op(key("k"), func(op *operation.Operation) {
			op.Caller.ClientIP, op.Caller.RequestID = "2001:db8::1", "another"
		}), op)
	}},
	{"accepts any number of operations without a key", func(w *world) {
		w.through(w.op())
		w.through(w.op(), toIntent...)
		w.through(w.op(), toDone...)
		w.wantFree(w.op())
	}},
	{"takes a key that has expired", func(w *world) {
		for _, states := range [][]operation.State{toReceived, toIntent, toDone} {
			old := w.op()
			keyUntil("key of "+old.ID, -time.Second)(&old)
			w.through(old, states...)
			op := w.op(key(old.Key))
			w.begin(op)
			w.wantKeyUsed(w.op(key(old.Key)), op)
			w.wantKeyUsed(w.op(key(old.Key)), w.record(in(operation.Intent, op)))
		}
	}},
	{"refuses entries that another operation holds", func(w *world) {
		for _, states := range toOpen {
			op := w.op()
			entries("a "+op.ID, "b "+op.ID)(&op)
			w.through(op, states...)
			w.wantHeld(w.op(entries("b "+op.ID)), []string{"b " + op.ID}, op.ID)
			w.wantHeld(w.op(entries("free", "b "+op.ID, "also free", "a "+op.ID)), []string{"b " + op.ID, "a " + op.ID}, op.ID)
		}
	}},
	{"refuses entries that several operations hold", func(w *world) {
		a := w.through(w.op(entries("a")), toReceived...)
		b := w.through(w.op(entries("b")), toIntent...)
		w.wantHeld(w.op(entries("b", "free", "a")), []string{"b", "a"}, a.ID, b.ID)
	}},
	{"takes the entries of an operation that has ended", func(w *world) {
		for _, states := range toEnds {
			w.through(w.op(entries("a", "b")), states...)
			w.wantFree(w.op(entries("b", "a")))
		}
	}},
	{"distinguishes the same entry of another kind or tenant", func(w *world) {
		w.through(w.op(entries("a")), toReceived...)
		w.through(w.op(entries("b")), toIntent...)
		for _, held := range []string{"a", "b"} {
			w.wantFree(w.op(entries(held), kind("prefix")))
			w.wantFree(w.op(entries(held), func(op *operation.Operation) { op.TenantID = "another" }))
			w.wantFree(w.op(entries(held + held)))
			w.wantHeld(w.op(entries(held), func(op *operation.Operation) { op.GroupID = "another" }), []string{held}, "operation-0001", "operation-0002")
		}
	}},
	{"checks the key before the entries", func(w *world) {
		op := w.through(w.op(key("k"), entries("a")), toIntent...)
		w.wantKeyUsed(w.op(key("k"), entries("a")), op)
	}},
	{"holds no entry if the key is used", func(w *world) {
		op := w.through(w.op(key("k")), toReceived...)
		w.wantKeyUsed(w.op(key("k"), entries("a")), op)
		w.wantFree(w.op(entries("a")))
	}},
	{"takes no key, and holds no other entry, if an entry is held", func(w *world) {
		op := w.through(w.op(entries("a")), toReceived...)
		refused := w.op(key("k"), entries("b", "a", "c"))
		w.wantHeld(refused, []string{"a"}, op.ID)
		w.wantFree(w.op(key("k"), entries("b", "c")))
		w.wantNone(refused.ID)
	}},
}

var abandonTests = []test{
	{"frees the key and the entries", func(w *world) {
		op := w.op(key("k"), entries("a", "b"))
		w.begin(op)
		w.abandon(op)
		w.wantNone(op.ID)
		w.wantFree(w.op(key("k"), entries("a", "b")))
	}},
	{"does nothing if there is no such operation", func(w *world) {
		op := w.op(key("k"), entries("a"))
		w.begin(op)
		w.abandon(w.op(key("k"), entries("a")))
		w.wantKeyUsed(w.op(key("k")), op)
		w.wantHeld(w.op(entries("a")), []string{"a"}, op.ID)
	}},
	{"leaves an expired key to the operation that took it", func(w *world) {
		old := w.op(keyUntil("k", -time.Second))
		w.begin(old)
		op := w.op(key("k"))
		w.begin(op)
		w.abandon(old)
		w.wantKeyUsed(w.op(key("k")), op)
	}},
	{"does nothing to an operation that was recorded", func(w *world) {
		for _, states := range [][]operation.State{toIntent, toUnknown, toDone} {
			op := w.through(w.op(), states...)
			w.abandon(op)
			w.wantStored(op)
		}
	}},
}
