package storetest

import (
	"time"

	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

// ago sets the times of an operation back.
func ago(by time.Duration) edit {
	return func(op *operation.Operation) {
		for _, at := range []*time.Time{&op.ReceivedAt, &op.IntendedAt, &op.UnknownAt, &op.EndedAt} {
			if !at.IsZero() {
				*at = at.Add(-by)
			}
		}
	}
}

var pruneTests = []test{
	{"does nothing if there is nothing", func(w *world) {
		w.prune(now())
	}},
	{"removes what ended before, and nothing else", func(w *world) {
		limit := now().Add(-24 * time.Hour)
		var gone, kept []operation.Operation
		for _, state := range []operation.State{operation.Done, operation.NotDone, operation.PartlyDone} {
			gone = append(gone, w.record(in(state, w.op(), ago(25*time.Hour))))
			kept = append(kept, w.record(in(state, w.op(), ago(23*time.Hour))))
			late := in(state, w.op(), ago(25*time.Hour))
			late.EndedAt = limit.Add(time.Second)
			kept = append(kept, w.record(late))
			kept = append(kept, w.record(in(state, w.op(), ago(25*time.Hour), recheck)))
		}
		for _, state := range []operation.State{operation.Intent, operation.Unknown} {
			op := w.op()
			w.begin(op)
			kept = append(kept, w.record(in(state, op, ago(25*time.Hour))))
		}
		received := w.op(ago(25 * time.Hour))
		w.begin(received)
		kept = append(kept, received)
		w.prune(limit)
		for _, op := range gone {
			w.wantNone(op.ID)
		}
		for _, op := range kept {
			w.wantStored(op)
		}
		list, _, err := w.store.List(w.Context(), operation.Query{Target: scope.Target{TenantID: "tenant"}, Limit: 100})
		if err != nil || len(list) != len(kept) {
			w.Errorf("List has %d operations, %v, want %d", len(list), err, len(kept))
		}
		w.wantHeld(w.op(entries(keysOf(received)...)), keysOf(received), received.ID)
	}},
	{"removes keys that have expired, and no others", func(w *world) {
		w.through(w.op(keyUntil("expired", -time.Second)), toDone...)
		op := w.through(w.op(key("k")), toDone...)
		w.prune(now().Add(-time.Hour))
		w.wantFree(w.op(key("expired")))
		w.wantKeyUsed(w.op(key("k")), op)
	}},
	{"leaves the trail alone", func(w *world) {
		op := w.record(in(operation.Done, w.op(), ago(time.Hour)))
		before := w.trail()
		w.prune(now())
		w.wantNone(op.ID)
		w.wantTrail(before...)
	}},
}
