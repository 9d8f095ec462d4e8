package operation_test

import (
	"context"
	"testing"
	"time"

	"ocigate/gateway/operation"
)

// Hooks that only observe writes cannot change what becomes of them.
func TestHooksThatPanicChangeNothing(t *testing.T) {
	for name, readBack := range map[string]func(context.Context, operation.Operation) (context.Context, func(error)){
		"when a reading begins": func(context.Context, operation.Operation) (context.Context, func(error)) { panic("a hook") },
		"when a reading ends": func(ctx context.Context, _ operation.Operation) (context.Context, func(error)) {
			return ctx, func(error) { panic("a hook") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubbleWith(t, func(trace *operation.Trace) {
				trace.ReadBack = readBack
				trace.Journaled = func(context.Context, operation.Operation, operation.JournalStep, time.Time, error) { panic("a hook") }
			}, func(t *testing.T, r *rig) {
				op := want("k", "1")
				w := r.send(op)
				w.Settle(t.Context(), operation.Succeeded, nil)
				w.Close()
				r.stored(op.ID, operation.Done, operation.ByReply)
				r.observer.shows("+")
				lost := want("l", "2")
				r.unknown(lost)
				after(time.Hour)
				r.stored(lost.ID, operation.Done, operation.ByReading)
			})
		})
	}
}
