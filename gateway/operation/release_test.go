package operation_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

// These tests specify the release of entries by an operator, and what the keeper reports about
// the state of the journal. To add a case, add a subtest of TestRelease that makes an
// operation unknown (r.unknown), lets the settle time pass, and releases it.

// release frees entries of an operation, or all, as an operator in another process does.
func (r *rig) release(id string, entries ...string) (operation.Operation, error) {
	return operation.Release{ID: id, Entries: entries, By: "anna", Reason: "checked"}.Record(r.t.Context(), newStore(r.journal), settle)
}

// freed frees entries, which must succeed.
func (r *rig) freed(id string, entries ...string) operation.Operation {
	r.t.Helper()
	op, err := r.release(id, entries...)
	if err != nil {
		r.t.Fatalf("release: %v", err)
	}
	return op
}

// notReleased checks that nothing of an operation is released.
func (r *rig) notReleased(id, why string, entries ...string) {
	r.t.Helper()
	before := r.journal.stored(id)
	_, err := r.release(id, entries...)
	if refused, ok := errors.AsType[*operation.ReleaseError](err); !ok || !strings.Contains(refused.Reason, why) {
		r.t.Errorf("release: %v, want a ReleaseError with %q", err, why)
	}
	if diff := cmp.Diff(before, r.journal.stored(id)); diff != "" {
		r.t.Errorf("it was changed:\n%s", diff)
	}
}

func (r *rig) wantTrail(id string, want ...string) {
	r.t.Helper()
	if diff := cmp.Diff(want, r.journal.trailOf(id)); diff != "" {
		r.t.Errorf("the trail (-want +got):\n%s", diff)
	}
}

func TestRelease(t *testing.T) {
	t.Run("of what cannot be read makes the keeper stop reading it", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.observer.fails()
			id := r.unknown(want("k", "1", "2"))
			after(settle + time.Second)
			r.freed(id)
			for _, key := range []string{"1", "2"} {
				if r.journal.held(key) {
					t.Errorf("%s is held", key)
				}
			}
			after(11 * time.Second) // the longest pause between readings
			if n := r.Unresolved(); n != 0 {
				t.Errorf("%d unresolved", n)
			}
			r.observer.count()
			r.observer.shows("+")
			op := r.Resolve(t.Context(), r.get(id))
			after(time.Hour)
			if n := r.observer.count(); n != 0 {
				t.Errorf("it is read %d times after its release", n)
			}
			if op.State != operation.Unknown || outcomes(op) != "??" || op.EndedAt.IsZero() || r.RetryAfter(&op) != 0 {
				t.Errorf("it is %+v", op)
			}
			r.stored(id, operation.Unknown, "")
			r.wantTrail(id, "intent intent", "outcome unknown", "release unknown")
			if _, err := r.Begin(t.Context(), want("k", "1")); err == nil {
				t.Error("its key is free, so that a repeated request would be sent again")
			}
			if _, resolved, _ := r.traced(); len(resolved) != 0 {
				t.Errorf("resolved as %v", resolved)
			}
		})
	})
	t.Run("while it is read discards the reading", func(t *testing.T) {
		for effects, proof := range map[string]string{"+": "+", "-": "--"} {
			bubble(t, func(t *testing.T, r *rig) {
				r.observer.fails()
				id := r.unknown(want("", "1"))
				after(settle + 15*time.Second)
				readings := 0
				r.observer.use(func(context.Context, scope.Target, []operation.Entry) (operation.Observation, error) {
					if readings++; readings == len(proof) {
						r.freed(id) // another operation may write it immediately
					}
					return observation("n1", effects), nil
				})
				r.store.slow(3*time.Second, "Record") // for as long, only the keeper would know of an end
				for range 60 {
					after(time.Second)
					if op := r.get(id); op.State != operation.Unknown {
						t.Fatalf("it is said to be %q", op.State)
					}
				}
				if op := r.Resolve(t.Context(), r.get(id)); op.State != operation.Unknown || readings != len(proof) {
					t.Errorf("it is %q after %d readings", op.State, readings)
				}
				if op := r.stored(id, operation.Unknown, ""); outcomes(op) != "?" || op.Open() {
					t.Errorf("it is %+v", op)
				}
				r.wantTrail(id, "intent intent", "outcome unknown", "release unknown")
			})
		}
	})
	t.Run("before what was proven is recorded counts", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.observer.fails()
			id := r.unknown(want("", "1"))
			after(settle + time.Second)
			r.store.slow(3*time.Second, "Record")
			r.observer.shows("+")
			after(11 * time.Second)
			r.freed(id)
			after(time.Minute)
			r.stored(id, operation.Unknown, "")
			if op := r.get(id); op.State != operation.Unknown || r.Unresolved() != 0 {
				t.Errorf("it is %q, and %d are unresolved", op.State, r.Unresolved())
			}
		})
	})
	t.Run("after what was proven is recorded is refused", func(t *testing.T) {
		bubble(t, func(_ *testing.T, r *rig) {
			r.observer.shows("+")
			id := r.unknown(want("", "1"))
			after(settle + time.Second)
			r.notReleased(id, "has ended as done")
			r.stored(id, operation.Done, operation.ByReading)
		})
	})
}

func TestReleaseOfSomeEntries(t *testing.T) {
	t.Run("of some entries leaves the others to the keeper", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.observer.fails()
			id := r.unknown(want("", "1", "2", "3"))
			after(settle + time.Second)
			r.freed(id, "2")
			if r.journal.held("2") || !r.journal.held("1") || !r.journal.held("3") {
				t.Error("other entries are held than should be")
			}
			r.observer.script(observation("n1", "++-")) // another has written the second
			after(2 * settle)
			op := r.stored(id, operation.Unknown, "")
			if outcomes(op) != "+?-" || op.RecheckAt.IsZero() || op.EndedAt.IsZero() || len(op.Releases) != 1 {
				t.Errorf("it is %s: %+v", outcomes(op), op)
			}
			if r.journal.held("1") || r.journal.held("3") || r.Unresolved() != 0 {
				t.Error("it holds what is known")
			}
			r.notReleased(id, "holds nothing")
			r.observer.script(observation("n1", "+++"))
			after(recheck)
			op = r.stored(id, operation.Unknown, "")
			if outcomes(op) != "+?+" || op.Open() || len(op.Corrections) != 1 {
				t.Errorf("after the recheck it is %s: %+v", outcomes(op), op)
			}
			r.wantTrail(id, "intent intent", "outcome unknown", "release unknown", "outcome unknown", "correction unknown")
		})
	})
	t.Run("of some entries is kept by the replica that still sends the operation and was taken for stopped", func(t *testing.T) {
		for answer, wanted := range map[operation.Reply]operation.State{operation.Succeeded: operation.Done, operation.Refused: operation.Unknown} {
			bubble(t, func(t *testing.T, r *rig) {
				op := want("", "1", "2")
				w := r.send(op)
				r.store.will(fails, "Adopt")
				after(lease)
				b := newRig(t, r.journal, "B")
				b.observer.fails()
				after(settle + time.Second)
				b.freed(op.ID, "1")
				after(6 * time.Second) // B has taken the rest over
				b.crash()
				after(lease)
				r.store.will(works)
				after(6 * time.Second) // and now A has
				w.Settle(t.Context(), answer, nil)
				got := r.stored(op.ID, wanted, map[operation.State]operation.Basis{operation.Done: operation.ByReply}[wanted])
				if len(got.Releases) != 1 || !got.Entries[0].Released || r.journal.held("1") || r.journal.held("2") != (wanted == operation.Unknown) {
					t.Errorf("it is %+v", got)
				}
			})
		}
	})
	t.Run("of one of several entries with the same name needs its kind", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("", "+3271", "+3272")
			op.Entries[1].Given, op.Entries[1].Start = "0032 72", "+32-72"
			prefix := op.Entries[0]
			prefix.Kind = "prefix"
			op.Entries = append(op.Entries, prefix)
			r.observer.fails()
			id := r.unknown(op)
			after(settle + time.Second)
			r.notReleased(id, `several entries "+3271": name one as "prefix:+3271" or "range:+3271"`, "+3272", "+3271")
			r.notReleased(id, `no entry "user:+3271"`, "user:+3271")
			r.notReleased(id, `no entry ""`, "")
			got := r.freed(id, "prefix:+3271", "+32-72")
			if outcomes(got) != "???" || got.Entries[0].Released || !got.Entries[1].Released || !got.Entries[2].Released {
				t.Errorf("released: %+v", got.Entries)
			}
			if diff := cmp.Diff([]string{"prefix:+3271", "+3272"}, got.Releases[0].Entries); diff != "" {
				t.Errorf("the record of it (-want +got):\n%s", diff)
			}
			for spelling, want := range map[string]string{"+3271": "range:+3271", "0032 72": "0032 72", "nonsense": "range:+3272"} {
				e := got.Entries[1]
				if spelling == "+3271" {
					e = got.Entries[0]
				}
				if name := got.Names().Of(e.Claim(), spelling); name != want {
					t.Errorf("%q is %q, want %q", spelling, name, want)
				}
			}
			r.notReleased(id, `several entries "+3271"`, "+3271") // also where one of them is free
			r.notReleased(id, `does not hold "prefix:+3271"`, "prefix:+3271")
			if got = r.freed(id, "range:+3271"); !got.Over() {
				t.Errorf("it is %+v", got)
			}
		})
	})
}

func TestReleaseIsRefused(t *testing.T) {
	t.Run("while it may still be carried out, or with wrong arguments", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.observer.fails()
			sent := want("", "9")
			w := r.send(sent)
			r.notReleased(sent.ID, "being sent")
			w.Close()
			id := r.unknown(want("", "1", "2"))
			after(settle - time.Second)
			r.notReleased(id, "may still carry the operation out")
			after(2 * time.Second)
			r.notReleased(id, `no entry "3"`, "1", "3")
			for reason, why := range map[string]string{
				"": "needs a reason", " ": "needs a reason", "two\nlines": "printable", "\xff": "printable", "\x1b[2J": "printable",
				strings.Repeat("é", operation.MaxReason+1): "more than",
			} {
				_, err := operation.Release{ID: id, By: "anna", Reason: reason}.Record(t.Context(), newStore(r.journal), settle)
				if refused, ok := errors.AsType[*operation.ReleaseError](err); !ok || !strings.Contains(refused.Reason, why) {
					t.Errorf("%q: %v, want %q", reason, err, why)
				}
			}
			if _, err := r.release(operation.NewID()); !errors.Is(err, operation.ErrNotFound) {
				t.Errorf("of an operation that is not there: %v", err)
			}
			r.freed(id, "1")
			r.notReleased(id, `does not hold "1"`, "1")
		})
	})
}

func TestReleaseWithoutTheKeeper(t *testing.T) {
	t.Run("takes effect while the keeper cannot read the store", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.observer.fails()
			id := r.unknown(want("", "1"))
			after(settle + time.Second)
			r.store.will(fails, "Get") // the keeper cannot learn of the release
			r.freed(id)
			r.observer.shows("+")
			after(time.Minute)
			if op, err := r.Get(t.Context(), id); err == nil && op.State != operation.Unknown {
				t.Errorf("it is %q", op.State)
			}
			r.store.will(works)
			after(15 * time.Second)
			if n := r.Unresolved(); n != 0 {
				t.Errorf("%d unresolved", n)
			}
			r.stored(id, operation.Unknown, "")
		})
	})
}

func TestJournalState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changes []string
		store := newStore(newJournal(lease))
		k := operation.NewKeeper(operation.Options{
			Store: store, Owner: "A", Observe: func(context.Context, scope.Target, []operation.Entry) (operation.Observation, error) {
				return operation.Observation{}, errBlind
			},
			Trace: operation.Trace{Journal: func(err error) {
				if err == nil {
					changes = append(changes, "usable")
				} else {
					changes = append(changes, err.Error())
				}
			}},
		})
		defer k.Close(context.Background())
		usable := func(want bool) {
			t.Helper()
			since, err := k.JournalState()
			if (err == nil) != want || since.IsZero() != want {
				t.Errorf("since %v: %v, want it usable: %t", since, err, want)
			}
		}
		for range 2 {
			after(time.Minute)
			usable(true)
			store.will(fails)
			began := time.Now()
			after(5 * time.Second)
			usable(false)
			after(time.Minute)
			if since, _ := k.JournalState(); since.Sub(began) > 5*time.Second {
				t.Errorf("it began at %v, and is said to have at %v", began, since)
			}
			store.will(works)
			after(5 * time.Second)
			usable(true)
			store.will(hangs)
			after(5 * time.Second)
			usable(false)
			store.will(works)
			after(5 * time.Second)
		}
		store.will(stalls, "Check")
		after(10 * time.Second)
		usable(false)
		store.will(works)
		after(2 * time.Hour)
		usable(true)
		changes = changes[:len(changes)-2]
		if want := []string{errStore.Error(), "usable", context.DeadlineExceeded.Error(), "usable"}; !slices.Equal(changes, slices.Repeat(want, 2)) {
			t.Errorf("reported %v", changes)
		}
	})
}

func TestOldestUnresolved(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.observer.fails()
		if at := r.OldestUnresolved(); !at.IsZero() {
			t.Errorf("%v, and there is none", at)
		}
		first := r.unknown(want("", "1"))
		at := r.get(first).UnknownAt
		after(settle + time.Second)
		second := r.unknown(want("", "2"))
		if got := r.OldestUnresolved(); !got.Equal(at) {
			t.Errorf("%v, want %v", got, at)
		}
		r.freed(first)
		after(11 * time.Second)
		if got := r.OldestUnresolved(); !got.Equal(r.get(second).UnknownAt) {
			t.Errorf("%v, want that of the second", got)
		}
	})
}
