package operation_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

// These tests specify writes in several steps whose journal fails, or which are taken over,
// between two steps. To add a case, add a subtest that sets a fault of the store, or lets
// the lease of a replica run out, after the first step.

func TestFurtherIntentThatIsNotRecorded(t *testing.T) {
	for name, f := range map[string]fault{
		"because the store failed": fails, "although it is there, its reply lost": losesReply,
		"because the store hangs": hangs, "although it is there at last": hangsLate,
	} {
		t.Run(name, func(t *testing.T) {
			for end, by := range map[string]func(*operation.Write){"Close": (*operation.Write).Close, "Unsent": func(w *operation.Write) { w.Unsent(2) }} {
				bubble(t, func(t *testing.T, r *rig) {
					op := want("k", "1", "2", "3")
					w := r.to(r.plan(op, 1, 2, 3), 1)
					r.store.will(f, "Record")
					if err := w.Intend(t.Context(), 2, "n1"); !errors.Is(err, operation.ErrUnusable) || errors.Is(err, operation.ErrConflict) {
						t.Fatalf("Intend: %v", err)
					}
					r.store.will(fails)
					by(w)
					w.Close()
					if got := r.get(op.ID); got.State != operation.PartlyDone || outcomes(got) != "+--" {
						t.Errorf("%s: before the store is back it is %+v", end, got)
					}
					r.store.will(works)
					after(2 * time.Second)
					if got := r.wantEnd(op.ID, operation.PartlyDone, operation.ByReply, "+--"); !got.HoldsKey() || got.Open() {
						t.Errorf("%s: it is %+v", end, got)
					}
					r.wantHeld("")
				})
			}
		})
		t.Run(name+", and is tried again", func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				op := want("k", "1", "2")
				w := r.to(r.plan(op, 1, 2), 1)
				r.store.will(f, "Record")
				for range 3 {
					if w.Intend(t.Context(), 2, "n1") == nil {
						t.Fatal("an intent that is not known to be there may be sent")
					}
				}
				r.store.will(works)
				if err := w.Intend(t.Context(), 2, "n2"); err != nil {
					t.Fatal(err)
				}
				w.Settle(t.Context(), operation.Succeeded, nil)
				if got := r.wantEnd(op.ID, operation.Done, operation.ByReply, "++"); got.Version != 3 || got.PlatformEndpoint != "n2" {
					t.Errorf("it is %+v", got)
				}
			})
		})
	}
}

func TestTakenOverBetweenSteps(t *testing.T) {
	// taken lets another replica take over a write of three steps after its first,
	// whose owner still runs, but whose lease has run out.
	taken := func(t *testing.T, r *rig) (op operation.Operation, w *operation.Write, b *rig) {
		t.Helper()
		op = want("k", "1", "2", "3")
		w = r.to(r.plan(op, 1, 2, 3), 1)
		r.store.will(fails, "Adopt")
		after(lease)
		b = newRig(t, r.journal, "B")
		return op, w, b
	}
	cannotGoOn := func(t *testing.T, w *operation.Write) {
		t.Helper()
		for range 3 {
			if err := w.Intend(t.Context(), 2, "n1"); !errors.Is(err, operation.ErrConflict) || !errors.Is(err, operation.ErrUnusable) {
				t.Errorf("Intend: %v", err)
			}
		}
	}
	t.Run("a write cannot continue, and what was sent is read back", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op, w, b := taken(t, r)
			asked := b.observer.asked("-")
			after(6 * time.Second)
			if got := r.journal.stored(op.ID); got.State != operation.Unknown || outcomes(got) != "?--" || got.Step != 1 {
				t.Errorf("it was taken over as %+v", got)
			}
			r.wantHeld("1")
			other := b.send(want("", "2")) // it is free
			cannotGoOn(t, w)
			w.Close()
			r.store.will(works)
			b.observer.use(func(_ context.Context, _ scope.Target, entries []operation.Entry) (operation.Observation, error) {
				if len(entries) != 1 || entries[0].Key != "1" {
					t.Errorf("%+v are read", entries)
				}
				return observation("n1", "+"), nil
			})
			after(settle + 10*time.Second)
			r.wantEnd(op.ID, operation.PartlyDone, operation.ByReading, "+--")
			r.wantTrail(op.ID, "intent intent", "outcome unknown", "outcome partly_done")
			if slices.ContainsFunc(*asked, func(keys string) bool { return keys != "G 1" }) {
				t.Errorf("%q were read", *asked)
			}
			other.Settle(t.Context(), operation.Succeeded, nil)
			if got := r.get(op.ID); got.State != operation.PartlyDone {
				t.Errorf("its former owner says that it is %q", got.State)
			}
		})
	})
	t.Run("a write cannot continue that came back when the other replica had concluded", func(t *testing.T) {
		for answer, state := range map[operation.Reply]operation.State{operation.Succeeded: operation.PartlyDone, operation.NoReply: operation.Unknown} {
			bubble(t, func(t *testing.T, r *rig) {
				op, w, b := taken(t, r)
				b.observer.fails()
				after(6 * time.Second)
				b.crash()
				after(lease)
				r.store.will(works)
				after(6 * time.Second) // it is A's again
				if got := r.journal.stored(op.ID); got.Owner != "A" || got.State != operation.Unknown {
					t.Fatalf("it is %+v", got)
				}
				r.observer.fails()
				cannotGoOn(t, w)
				w.Settle(t.Context(), answer, nil)
				got := r.journal.stored(op.ID)
				if got.State != state || outcomes(got)[1:] != "--" || got.HoldsKey() != true {
					t.Errorf("it is %+v", got)
				}
			})
		}
	})
	t.Run("a write continues that came back before the other replica had concluded", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("k", "1", "2")
			w := r.to(r.plan(op, 1, 2), 1)
			r.store.will(fails, "Adopt")
			after(lease)
			b := newStore(r.journal)
			if ops, err := b.Adopt(t.Context(), "B"); err != nil || len(ops) != 1 {
				t.Fatalf("B adopts %+v, %v", ops, err)
			}
			after(lease)
			r.store.will(works)
			after(6 * time.Second)
			if got := r.journal.stored(op.ID); got.Owner != "A" || got.State != operation.Intent {
				t.Fatalf("it is %+v", got)
			}
			if err := w.Intend(t.Context(), 2, "n1"); err != nil {
				t.Fatal(err)
			}
			w.Settle(t.Context(), operation.Succeeded, nil)
			r.wantEnd(op.ID, operation.Done, operation.ByReply, "++")
		})
	})
	t.Run("a write that got a conflict cannot continue, although the other replica did nothing", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("k", "1", "2")
			w := r.to(r.plan(op, 1, 2), 1)
			r.store.will(fails, "Adopt")
			after(lease)
			if ops, err := newStore(r.journal).Adopt(t.Context(), "B"); err != nil || len(ops) != 1 {
				t.Fatalf("B adopts %+v, %v", ops, err)
			}
			cannotGoOn(t, w)
			after(lease)
			r.store.will(works)
			after(6 * time.Second) // it is A's again
			cannotGoOn(t, w)
			w.Close()
			r.wantEnd(op.ID, operation.PartlyDone, operation.ByReply, "+-")
		})
	})
	t.Run("a write is read back of which the next step may have been sent", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("k", "1", "2", "3")
			r.to(r.plan(op, 1, 2, 3), 2)
			r.crash()
			after(lease)
			b := newRig(t, r.journal, "B")
			asked := b.observer.asked("+")
			after(6 * time.Second)
			b.wantEnd(op.ID, operation.PartlyDone, operation.ByReading, "++-")
			if !slices.Equal(*asked, []string{"G 2"}) {
				t.Errorf("%q were read", *asked)
			}
		})
	})
}
