package operation_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/operation"
)

// These tests specify the recheck of operations that were found not to be done, or that
// the platform declined. To add a case, add what the recheck shows to a table here, or a
// subtest that lets later operations change the entries first.

func TestRecheck(t *testing.T) {
	// notDone begins an operation that is then found not to be done, or partly done.
	notDone := func(r *rig, shown string) string {
		r.observer.shows(shown)
		id := r.unknown(want("k", "1", "2"))
		after(32 * time.Second)
		return id
	}
	for _, tc := range []struct {
		name, first, then string
		state             operation.State
		entries           string
		corrected         bool
	}{
		{"corrects what is done after all", "--", "++", operation.Done, "++", true},
		{"corrects what is partly done after all", "--", "-+", operation.PartlyDone, "-+", true},
		{"corrects the rest of what was partly done", "+-", "++", operation.Done, "++", true},
		{"corrects what was partly done, independent of the other part", "+-", "-+", operation.Done, "++", true},
		{"leaves what is still not done", "--", "--", operation.NotDone, "--", false},
		{"leaves what is not clear", "--", "!!", operation.NotDone, "--", false},
		{"leaves what was done and is not seen any more", "+-", "--", operation.PartlyDone, "+-", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				id := notDone(r, tc.first)
				before := r.journal.stored(id)
				r.observer.shows(tc.then)
				r.observer.count()
				after(recheck)
				op := r.stored(id, tc.state, operation.ByReading)
				if op.Open() || outcomes(op) != tc.entries || r.observer.count() != 1 {
					t.Errorf("it is %+v", op)
				}
				_, resolved, corrected := r.traced()
				events := r.journal.trailOf(id)
				last := events[len(events)-1]
				if !tc.corrected {
					if op.Corrections != nil || corrected != nil || last != "outcome "+string(before.State) {
						t.Errorf("it was corrected: %v, %v, %s", op.Corrections, corrected, last)
					}
					return
				}
				if len(op.Corrections) != 1 || op.Corrections[0].From != before.State || op.Corrections[0].To != tc.state {
					t.Errorf("its corrections are %v", op.Corrections)
				}
				if !slices.Equal(corrected, []operation.State{tc.state}) || len(resolved) != 1 || last != "correction "+string(tc.state) {
					t.Errorf("corrected %v, resolved %v, the trail has %v", corrected, resolved, events)
				}
				after(2 * recheck)
				if r.observer.count() > 0 {
					t.Error("it was rechecked")
				}
			})
		})
	}
	t.Run("leaves what later operations have changed", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			id := notDone(r, "--")
			r.send(want("", "2", "1")).Settle(t.Context(), operation.Succeeded, nil)
			r.observer.shows("++")
			after(recheck)
			if op := r.stored(id, operation.NotDone, operation.ByReading); op.Open() || op.Corrections != nil {
				t.Errorf("it is %+v", op)
			}
		})
	})
	t.Run("corrects what later operations have not changed, and leaves the rest", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			id := notDone(r, "--")
			r.send(want("", "2")).Settle(t.Context(), operation.Succeeded, nil)
			r.observer.shows("++")
			after(recheck)
			op := r.stored(id, operation.PartlyDone, operation.ByReading)
			if op.Open() || outcomes(op) != "+-" || len(op.Corrections) != 1 {
				t.Errorf("it is %+v", op)
			}
			r.wantTrail(id, "intent intent", "outcome unknown", "outcome not_done", "correction partly_done")
		})
	})
	t.Run("does not depend on what later operations have done to the other entries", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			id := notDone(r, "+-")
			r.send(want("", "1")).Settle(t.Context(), operation.Succeeded, nil)
			r.observer.shows("-+")
			after(recheck)
			if op := r.stored(id, operation.Done, operation.ByReading); op.Open() || len(op.Corrections) != 1 {
				t.Errorf("it is %+v", op)
			}
		})
	})
	t.Run("is not made earlier by requests for the operation", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			id := notDone(r, "--")
			r.observer.count()
			for range 10 {
				r.Resolve(t.Context(), r.get(id))
			}
			r.Resolve(t.Context(), operation.Operation{ID: id, State: operation.Unknown}) // an old one
			if r.observer.count() > 0 || r.stored(id, operation.NotDone, operation.ByReading).RecheckAt.IsZero() {
				t.Error("it was rechecked already")
			}
		})
	})
	t.Run("is tried again when the platform or the store failed", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			id := notDone(r, "--")
			r.observer.fails()
			after(recheck + time.Minute)
			r.observer.shows("++")
			r.store.will(fails, "Touched")
			after(time.Minute)
			r.store.will(losesReply, "Record")
			after(time.Minute)
			r.store.will(works)
			after(time.Minute)
			if op := r.stored(id, operation.Done, operation.ByReading); len(op.Corrections) != 1 || op.Open() {
				t.Errorf("it is %+v", op)
			}
			if _, _, corrected := r.traced(); len(corrected) != 1 {
				t.Errorf("corrected %v", corrected)
			}
		})
	})
	t.Run("does not revoke a correction whose reply was lost", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			id := notDone(r, "--")
			r.observer.shows("++")
			r.store.will(losesReply, "Record")
			after(recheck)
			r.stored(id, operation.Done, operation.ByReading)
			r.store.will(works)
			w := r.send(want("", "1"))
			r.observer.shows("--")
			w.Settle(t.Context(), operation.Succeeded, nil)
			after(time.Minute)
			r.stored(id, operation.Done, operation.ByReading)
		})
	})
	t.Run("survives a restart", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			id := notDone(r, "--")
			r.crash()
			after(time.Minute)
			b := newRig(t, r.journal, "B")
			b.observer.shows("++")
			after(recheck)
			op := b.stored(id, operation.Done, operation.ByReading)
			if _, _, corrected := b.traced(); len(corrected) != 1 || len(op.Corrections) != 1 || b.observer.count() != 1 {
				t.Errorf("it is %+v", op)
			}
		})
	})
}

// A write that the platform declined is rechecked. Its key and its entries are free
// immediately, and stay free.
func TestRecheckOfWhatWasDeclined(t *testing.T) {
	decline := func(t *testing.T, r *rig) string {
		t.Helper()
		op := want("k", "1", "2")
		r.send(op).Settle(t.Context(), operation.Declined, nil)
		got := r.stored(op.ID, operation.NotDone, operation.NotTaken)
		if got.RecheckAt != got.EndedAt.Add(recheck) || !got.Open() || got.HoldsKey() || r.Unresolved() != 0 {
			t.Errorf("it is %+v", got)
		}
		if diff := cmp.Diff(got, r.get(op.ID)); diff != "" {
			t.Errorf("it is not reported as it is stored:\n%s", diff)
		}
		r.begin(want("k", "1", "2")).Close()
		r.observer.count()
		return op.ID
	}
	// corrected checks that a replica has corrected it to done.
	corrected := func(t *testing.T, r *rig, id string) {
		t.Helper()
		op := r.stored(id, operation.Done, operation.ByReading)
		if op.Open() || op.HoldsKey() || outcomes(op) != "++" || len(op.Corrections) != 1 || op.Corrections[0].From != operation.NotDone {
			t.Errorf("it is %+v", op)
		}
		if _, _, corrected := r.traced(); !slices.Equal(corrected, []operation.State{operation.Done}) {
			t.Errorf("corrected %v", corrected)
		}
		want := []string{"intent intent", "outcome not_done", "correction done"}
		if diff := cmp.Diff(want, r.journal.trailOf(id)); diff != "" {
			t.Error(diff)
		}
	}
	t.Run("corrects what is done after all", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			id := decline(t, r)
			r.observer.shows("++")
			after(recheck - 2*time.Second)
			if n := r.observer.count(); n > 0 {
				t.Errorf("it was read %d times early", n)
			}
			after(4 * time.Second)
			corrected(t, r, id)
			r.begin(want("k", "1", "2")).Close()
			after(2 * recheck)
			if n := r.observer.count(); n != 1 {
				t.Errorf("it was read %d times", n)
			}
		})
	})
	t.Run("leaves what is still not done", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			id := decline(t, r)
			after(recheck + time.Second)
			op := r.stored(id, operation.NotDone, operation.NotTaken)
			if _, resolved, corrected := r.traced(); op.Open() || op.HoldsKey() || op.Corrections != nil || resolved != nil || corrected != nil {
				t.Errorf("it is %+v, resolved %v, corrected %v", op, resolved, corrected)
			}
			if n := r.observer.count(); n != 1 {
				t.Errorf("it was read %d times", n)
			}
		})
	})
	t.Run("leaves what later operations have changed, under the same key", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			id := decline(t, r)
			again := want("k", "1", "2")
			r.send(again).Settle(t.Context(), operation.Succeeded, nil)
			r.observer.shows("++")
			after(recheck + time.Second)
			if op := r.stored(id, operation.NotDone, operation.NotTaken); op.Open() || op.Corrections != nil {
				t.Errorf("it is %+v", op)
			}
			wantKeyOf(t, r, again.ID)
		})
	})
	t.Run("leaves the key to later operations when it is corrected", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			id := decline(t, r)
			other := want("k", "3")
			r.send(other).Settle(t.Context(), operation.Succeeded, nil)
			r.observer.shows("++")
			after(recheck + time.Second)
			corrected(t, r, id)
			wantKeyOf(t, r, other.ID)
		})
	})
	t.Run("survives a restart", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			id := decline(t, r)
			r.crash()
			after(time.Minute)
			b := newRig(t, r.journal, "B")
			b.observer.shows("++")
			b.begin(want("k", "1", "2")).Close()
			after(recheck)
			corrected(t, b, id)
		})
	})
	t.Run("is recorded when the store is usable again", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("k", "1", "2")
			w := r.send(op)
			r.store.will(fails, "Record")
			w.Settle(t.Context(), operation.Declined, nil)
			r.observer.shows("++")
			after(recheck + time.Minute)
			r.store.will(works)
			after(retryWithin + time.Minute)
			corrected(t, r, op.ID)
		})
	})
}

// wantKeyOf checks that the key "k" belongs to an operation.
func wantKeyOf(t *testing.T, r *rig, id string) {
	t.Helper()
	_, err := r.Begin(t.Context(), want("k", "9"))
	if used, ok := errors.AsType[*operation.KeyUsedError](err); !ok || used.Operation.ID != id {
		t.Errorf("Begin: %v, want that the key is that of %s", err, id)
	}
}
