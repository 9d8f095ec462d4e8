package operation_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/operation"
)

// These tests specify operations that have nothing to change (Write.Unchanged). To add a
// case, add a subtest that begins an operation and calls Unchanged instead of Intend.

func TestUnchanged(t *testing.T) {
	t.Run("ends as done by reading, with its key and without an intent", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("k", "1", "2")
			w := r.begin(op)
			got, err := w.Unchanged(inSteps(op, 0, 0))
			if err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(got, r.wantEnd(op.ID, operation.Done, operation.ByReading, "++")); diff != "" {
				t.Error(diff)
			}
			w.Close()
			w.Unsent(1)
			if err := w.Intend(t.Context(), 1, "n1"); err == nil {
				t.Error("it may be sent")
			}
			r.wantTrail(op.ID, "outcome done")
			r.wantHeld("")
			if !got.HoldsKey() || !got.IntendedAt.IsZero() || !got.SentAt.IsZero() || got.Step != 0 || got.Open() {
				t.Errorf("it is %+v", got)
			}
			if _, err := r.Begin(t.Context(), want("k", "1", "2")); err == nil {
				t.Error("its key is free")
			}
			if recorded, _, _ := r.traced(); !slices.Equal(recorded, []operation.State{operation.Done}) {
				t.Errorf("traced %v", recorded)
			}
			after(recheck + time.Minute)
			if r.observer.count() > 0 {
				t.Error("it is read back")
			}
		})
	})
	t.Run("does not count until it is recorded, and is abandoned", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("k", "1")
			w := r.begin(op)
			r.store.will(fails, "Record")
			got, err := w.Unchanged(inSteps(op, 0))
			if !errors.Is(err, operation.ErrUnusable) || got.State != operation.Received || w.State() != operation.Received {
				t.Errorf("it is %q: %v", got.State, err)
			}
			w.Close()
			r.store.will(works)
			after(2 * time.Second)
			r.wantHeld("")
			if recorded, _, _ := r.traced(); len(recorded) > 0 {
				t.Errorf("traced %v", recorded)
			}
			if _, err := r.Begin(t.Context(), want("k", "1")); err != nil {
				t.Errorf("its key is not free: %v", err)
			}
		})
	})
	t.Run("does nothing once it may have been sent", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("k", "1")
			w := r.send(op)
			if got, err := w.Unchanged(inSteps(op, 0)); got.State != operation.Sent || err != nil {
				t.Errorf("it is %q: %v", got.State, err)
			}
			w.Settle(t.Context(), operation.Succeeded, nil)
			r.wantEnd(op.ID, operation.Done, operation.ByReply, "+")
		})
	})
}
