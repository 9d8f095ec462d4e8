package operation_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/operation"
)

// These tests specify what happens while the store is not usable. A fault, such as fails
// or hangs in journal_test.go, is set with r.store.will. To add a case, add a subtest with
// bubble that sets a fault, and removes it with r.store.will(works).

func TestStoreIsDown(t *testing.T) {
	for _, f := range []fault{fails, losesReply, storesEvent, hangs, hangsLate} {
		t.Run(fmt.Sprintf("at the end of a write, with fault %d: the outcome is returned, and recorded later", f), func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				op := want("k", "1")
				w := r.send(op)
				r.store.will(f)
				if got := w.Settle(t.Context(), operation.Succeeded, nil); got.State != operation.Done {
					t.Fatalf("it is %q", got.State)
				}
				for range 30 {
					if got := r.get(op.ID); got.State != operation.Done {
						t.Fatalf("it is %q meanwhile", got.State)
					}
					after(time.Second)
				}
				r.store.will(works)
				after(retryWithin)
				r.stored(op.ID, operation.Done, operation.ByReply)
				_, err := r.Begin(t.Context(), want("k", "2"))
				if used, ok := errors.AsType[*operation.KeyUsedError](err); !ok || used.Operation.State != operation.Done {
					t.Errorf("Begin: %v", err)
				}
			})
		})
		t.Run(fmt.Sprintf("when a write is read back, with fault %d: what was read is kept", f), func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				id := r.unknown(want("", "1"))
				r.observer.shows("+")
				r.store.will(f, "Record")
				after(15 * time.Second)
				// An operation that is recorded, but whose reply was lost, does not
				// hold its entry any more, and a later operation undoes it.
				r.observer.shows("-")
				if got := r.get(id); got.State != operation.Done {
					t.Errorf("it is %q meanwhile", got.State)
				}
				r.observer.count()
				after(2 * time.Minute)
				r.store.will(works)
				after(retryWithin + time.Minute)
				r.stored(id, operation.Done, operation.ByReading)
				if r.observer.count() > 0 {
					t.Error("it was read again, after what became of it was known")
				}
				if _, resolved, _ := r.traced(); !slices.Equal(resolved, []operation.State{operation.Done}) {
					t.Errorf("resolved %v", resolved)
				}
			})
		})
	}
	t.Run("an unknown write is known as that, and read back when it is recorded", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("", "1")
			w := r.send(op)
			r.observer.shows("+")
			r.store.will(hangs)
			if got := w.Settle(t.Context(), operation.NoReply, nil); got.State != operation.Unknown {
				t.Errorf("it is %q", got.State)
			}
			after(time.Minute)
			if got := r.get(op.ID); got.State != operation.Unknown {
				t.Errorf("it is %q", got.State)
			}
			r.store.will(works)
			after(retryWithin)
			r.stored(op.ID, operation.Done, operation.ByReading)
			if diff := cmp.Diff([]string{"intent intent", "outcome unknown", "outcome done"}, r.journal.trailOf(op.ID)); diff != "" {
				t.Error(diff)
			}
		})
	})
	t.Run("nothing begins, and what began all the same is abandoned", func(t *testing.T) {
		for f, within := range map[fault]time.Duration{
			fails: 0, losesReply: 0, hangs: retryWithin, hangsLate: retryWithin, // maintain may be waiting for the store
		} {
			bubble(t, func(t *testing.T, r *rig) {
				r.store.will(f)
				op := want("k", "1")
				if _, err := r.Begin(t.Context(), op); !errors.Is(err, operation.ErrUnusable) {
					t.Fatalf("Begin: %v", err)
				}
				r.store.will(fails)
				if _, err := r.Get(t.Context(), op.ID); !errors.Is(err, operation.ErrUnusable) {
					t.Errorf("Get: %v", err)
				}
				after(within)
				r.store.will(works)
				after(2 * time.Second)
				if _, err := r.Get(t.Context(), op.ID); !errors.Is(err, operation.ErrNotFound) {
					t.Errorf("Get: %v", err)
				}
				r.begin(want("k", "1")).Close()
			})
		}
	})
	t.Run("what could not be abandoned is abandoned later", func(t *testing.T) {
		bubble(t, func(_ *testing.T, r *rig) {
			w := r.begin(want("k", "1"))
			r.store.will(fails)
			w.Close()
			after(time.Minute)
			r.store.will(works)
			after(retryWithin)
			r.begin(want("k", "1")).Close()
		})
	})
	t.Run("Get and List say so, of what is not known here", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.store.will(fails)
			if _, err := r.Get(t.Context(), operation.NewID()); !errors.Is(err, operation.ErrUnusable) {
				t.Errorf("Get: %v", err)
			}
			if _, _, err := r.List(t.Context(), operation.Query{Limit: 1}); !errors.Is(err, operation.ErrUnusable) {
				t.Errorf("List: %v", err)
			}
			if err := r.Note(t.Context(), operation.Event{}); err == nil {
				t.Error("Note succeeds")
			}
		})
	})
	t.Run("what is left is recorded at Close", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("k", "1")
			w := r.send(op)
			r.store.will(fails)
			w.Settle(t.Context(), operation.Succeeded, nil)
			after(500 * time.Millisecond)
			r.store.will(works)
			r.Close(context.Background())
			r.stored(op.ID, operation.Done, operation.ByReply)
		})
	})
}

// retryWithin is how long it may take until a store that is usable again has all
// records, including the time that a call may still hang.
const retryWithin = 12 * time.Second

func TestOutcomesAreRecordedOnce(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		// maintain stores what is unrecorded while writes are being recorded.
		var writers sync.WaitGroup
		var ids []string
		for i := range 200 {
			op := want("", fmt.Sprint(i))
			ids = append(ids, op.ID)
			writers.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Millisecond)
				w := r.send(op)
				r.store.slow(250 * time.Millisecond)
				w.Settle(t.Context(), operation.Succeeded, nil)
			})
		}
		writers.Wait()
		for _, id := range ids {
			if diff := cmp.Diff([]string{"intent intent", "outcome done"}, r.journal.trailOf(id)); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}
