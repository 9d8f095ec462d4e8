package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"ocigate/gateway/operation"
)

// full sets every field of an operation.
func full(op *operation.Operation) {
	at := op.ReceivedAt
	op.Version, op.State = 7, operation.PartlyDone
	op.Key, op.Fingerprint, op.KeyExpires = "k", "f", at.Add(time.Hour)
	op.Entries = []operation.Entry{
		{
			Kind: "number", Given: "tel:+32 2 123 45 67", Key: "+3221234567", Start: "+32-21234567",
			Before: json.RawMessage(`{"groupId":null}`), After: json.RawMessage(`{"groupId":"<é&>"}`), Step: 1, Outcome: operation.Done,
		},
		{Kind: "prefix", Given: "<é&\"\\\x01\u2028>", Key: "2", Start: "+1", End: "+9", Before: json.RawMessage("1"), After: json.RawMessage("[2]"), Step: 2, Outcome: operation.NotDone},
	}
	op.Claims = []operation.Claim{{Kind: "list", Key: "group"}}
	op.UserID, op.Step, op.PlatformEndpoint = "user", 2, "node-1.example.com"
	op.Basis = operation.ByReading
	op.Response = json.RawMessage(`{"code":"<3100>","more":[1,null,{"a":"b"}]}`)
	op.IntendedAt = at.Add(time.Microsecond)
	op.SentAt = at.Add(2 * time.Microsecond)
	op.UnknownAt = at.Add(time.Second)
	op.EndedAt = at.Add(time.Minute)
	op.RecheckAt = at.Add(time.Hour)
	op.Corrections = []operation.Correction{
		{At: at.Add(2 * time.Minute), From: operation.NotDone, To: operation.Done},
		{At: at.Add(3 * time.Minute), From: operation.Done, To: operation.PartlyDone},
	}
}

var recordTests = []test{
	{"keeps all of an operation, in another process too", func(w *world) {
		op := w.record(w.op(full))
		w.wantStored(op)
		w.another()
		w.wantStored(op)
	}},
	{"keeps of an operation only what was recorded last", func(w *world) {
		op := w.op(full)
		w.record(op)
		bare := operation.Operation{
			ID: op.ID, Version: op.Version + 1, Owner: second, State: operation.Unknown, Caller: op.Caller, Route: op.Route,
			Target: op.Target, Entries: []operation.Entry{entry("a")}, ReceivedAt: op.ReceivedAt,
		}
		w.record(bare)
		w.wantStored(bare)
		w.wantFree(w.op(key(op.Key)))
	}},
	{"follows an operation from its beginning to its end", func(w *world) {
		op := w.op(key("k"))
		w.begin(op)
		for _, state := range []operation.State{operation.Intent, operation.Unknown, operation.NotDone, operation.Done} {
			op = w.record(in(state, op))
			w.wantStored(op)
		}
	}},
	{"takes the outcome of an operation whose beginning was lost", func(w *world) {
		for _, state := range []operation.State{operation.Unknown, operation.Done} {
			op := w.op(func(op *operation.Operation) { op.IntendedAt = now() })
			key("key of " + op.ID)(&op)
			op = w.record(in(state, op))
			w.wantStored(op)
			w.wantKeyUsed(w.op(key(op.Key)), op)
		}
		w.wantHeld(w.op(entries("own-1")), []string{"own-1"}, "operation-0001")
		w.wantFree(w.op(entries("own-3")))
	}},
	{"refuses an intent of an operation whose beginning was lost", func(w *world) {
		op := w.op(key("k"), entries("a"))
		for _, intent := range []operation.Operation{in(operation.Intent, op, planned), in(operation.Intent, op, planned, alsoPlanned(2, "b"), atStep(2), known(operation.Done, "a"))} {
			if err := w.store.Record(w.Context(), intent, event(&intent)); !errors.Is(err, operation.ErrConflict) {
				w.Errorf("Record of step %d: %v, want %v", intent.Step, err, operation.ErrConflict)
			}
			w.wantNone(op.ID)
			w.wantTrail()
			w.wantFree(w.op(key("k"), entries("a", "b")))
		}
		op = w.record(in(operation.NotDone, in(operation.Intent, op, planned), notTaken, known(operation.NotDone, "a")))
		w.wantStored(op)
		w.wantFree(w.op(key("k"), entries("a")))
	}},
	{"takes the same record twice", func(w *world) {
		for _, states := range [][]operation.State{toIntent, toUnknown, toDone} {
			op := w.through(w.op(), states...)
			w.record(op)
			w.wantStored(op)
		}
	}},
	{"takes another record of the same version and owner", func(w *world) {
		op := w.through(w.op(), toIntent...)
		op.State = operation.Unknown
		w.record(op)
		w.wantStored(op)
	}},
	{"takes a higher version of any owner", func(w *world) {
		op := w.through(w.op(), toIntent...)
		op = w.record(in(operation.Unknown, op, owner(second)))
		op = w.record(in(operation.Done, op, func(op *operation.Operation) { op.Version += 5 }))
		w.wantStored(op)
	}},
	{"refuses a lower version, and the same of another owner", func(w *world) {
		stored := w.record(in(operation.Unknown, w.through(w.op(), toIntent...), owner(second)))
		for _, stale := range []operation.Operation{
			in(operation.Done, stored, func(op *operation.Operation) { op.Version = 1 }),
			in(operation.Done, stored, func(op *operation.Operation) { op.Version, op.Owner = 1, first }),
			in(operation.Done, stored, func(op *operation.Operation) { op.Version, op.Owner = 2, first }),
		} {
			if err := w.store.Record(w.Context(), stale, event(&stale)); !errors.Is(err, operation.ErrConflict) {
				w.Errorf("Record of version %d by %s: %v, want %v", stale.Version, stale.Owner, err, operation.ErrConflict)
			}
			w.wantStored(stored)
		}
		w.wantHeld(w.op(entries(keysOf(stored)...)), keysOf(stored), stored.ID)
	}},
	{"holds the key and the entries in another process too", func(w *world) {
		for _, states := range [][]operation.State{toIntent, toUnknown} {
			op := w.op()
			key("key of " + op.ID)(&op)
			op = w.through(op, states...)
			w.another()
			w.wantKeyUsed(w.op(key(op.Key)), op)
			w.wantHeld(w.op(entries(keysOf(op)...)), keysOf(op), op.ID)
		}
	}},
	{"keeps the key of an operation that ended, in another process too", func(w *world) {
		op := w.through(w.op(key("k")), toDone...)
		w.another()
		w.wantKeyUsed(w.op(key("k")), op)
		w.wantFree(w.op(entries(keysOf(op)...)))
	}},
	{"frees the key of an operation that was not taken", func(w *world) {
		recorded := w.record(in(operation.NotDone, w.through(w.op(key("k")), toIntent...), notTaken))
		w.wantFree(w.op(key("k"), entries(keysOf(recorded)...)))
		w.another()
		w.wantFree(w.op(key("k"), entries(keysOf(recorded)...)))
		w.wantStored(recorded)
	}},
	{"frees the key and the entries of an operation that was not taken and is to be rechecked", func(w *world) {
		op := w.record(in(operation.NotDone, w.through(w.op(key("k"), entries("a")), toIntent...), notTaken, recheck))
		w.wantFree(w.op(key("k"), entries("a")))
		w.another()
		w.wantStored(op)
		w.wantFree(w.op(key("k"), entries("a")))
		op = w.record(in(operation.Done, op, corrected))
		w.wantStored(op)
		w.wantFree(w.op(key("k"), entries("a")))
	}},
	{"leaves a freed key to the operation that took it, when the one that was not taken is corrected", func(w *world) {
		old := w.record(in(operation.NotDone, w.through(w.op(key("k"), entries("a")), toIntent...), notTaken, recheck))
		op := w.through(w.op(key("k"), entries("b")), toIntent...)
		w.record(in(operation.Done, old, corrected))
		w.wantKeyUsed(w.op(key("k")), op)
		op = w.record(in(operation.Done, op))
		w.wantKeyUsed(w.op(key("k")), op)
	}},
	{"frees the key and the entries of an operation that ends without an intent", func(w *world) {
		op := w.op(key("k"))
		w.begin(op)
		w.record(in(operation.NotDone, op, notTaken))
		w.wantFree(w.op(key("k"), entries(keysOf(op)...)))
	}},
	{"leaves a freed key and freed entries to those that took them", func(w *world) {
		old := w.record(in(operation.NotDone, w.through(w.op(key("k"), entries("a")), toIntent...), notTaken))
		op := w.through(w.op(key("k"), entries("a")), toIntent...)
		w.record(in(operation.NotDone, old))
		w.wantKeyUsed(w.op(key("k")), op)
		w.wantHeld(w.op(entries("a")), []string{"a"}, op.ID)
	}},
	{"leaves an expired key to the operation that took it", func(w *world) {
		old := w.through(w.op(keyUntil("k", -time.Second)), toDone...)
		op := w.through(w.op(key("k")), toIntent...)
		w.record(in(operation.Done, old))
		w.wantKeyUsed(w.op(key("k")), op)
	}},
	{"keeps an operation of many entries", func(w *world) {
		var keys []string
		for i := range 3000 {
			keys = append(keys, fmt.Sprintf("%s%04d", strings.Repeat("0", 20), i))
		}
		op := w.through(w.op(entries(keys...)), toIntent...)
		w.another()
		w.wantStored(op)
		w.wantHeld(w.op(entries("free", keys[2999], keys[0])), []string{keys[2999], keys[0]}, op.ID)
	}},
	{"adds no line for the zero event", func(w *world) {
		op := w.through(w.op(), toDone...)
		lines := w.trail()
		op = in(operation.Done, op, recheck)
		if err := w.store.Record(w.Context(), op, operation.Event{}); err != nil {
			w.Fatal(err)
		}
		w.wantStored(op)
		w.wantTrail(lines...)
	}},
	{"shares nothing with its caller", func(w *world) {
		op := w.op()
		copied := func() []operation.Entry { return []operation.Entry{entry("own-1")} }
		for _, states := range [][]operation.State{toReceived, toIntent} {
			op.Entries = copied()
			want := w.through(op, states...)
			want.Entries[0].Key = "changed by who gave it"
			w.get(op.ID).Entries[0].Key = "changed by who got it"
			want.Entries = copied()
			w.wantStored(want)
		}
	}},
}
