package operation_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

// These tests specify how replicas that share a journal take over each other's
// operations. A replica is a rig; newRig on the same journal adds one, and crash ends it.
// To add a case, add a subtest with two rigs.

// addReplicas adds two replicas to the journal of the first.
func addReplicas(t *testing.T, r *rig) (b, c *rig) {
	t.Helper()
	return newRig(t, r.journal, "B"), newRig(t, r.journal, "C")
}

func TestTakeOver(t *testing.T) {
	t.Run("exactly one takes over what a stopped one was sending", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			b, c := addReplicas(t, r)
			op := want("k", "1")
			r.send(op)
			r.crash()
			after(lease + 6*time.Second)
			r.stored(op.ID, operation.Unknown, "")
			if n := b.Unresolved() + c.Unresolved(); n != 1 {
				t.Errorf("%d take care of it", n)
			}
			after(settle + 2*time.Second)
			r.stored(op.ID, operation.NotDone, operation.ByReading)
			if diff := cmp.Diff([]string{"intent intent", "outcome unknown", "outcome not_done"}, r.journal.trailOf(op.ID)); diff != "" {
				t.Error(diff)
			}
		})
	})
	t.Run("the settle time begins when it is taken over", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			b, c := addReplicas(t, r)
			op := want("", "1")
			id := r.unknown(op)
			after(settle - 5*time.Second)
			r.crash()
			after(lease + 10*time.Second)
			r.stored(id, operation.Unknown, "")
			if n := b.Unresolved() + c.Unresolved(); n != 1 {
				t.Errorf("%d take care of it", n)
			}
			after(settle)
			r.stored(id, operation.NotDone, operation.ByReading)
		})
	})
	t.Run("what was only received is removed", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			b, _ := addReplicas(t, r)
			op := want("k", "1")
			r.begin(op)
			r.crash()
			after(lease + 6*time.Second)
			b.begin(want("k", "1")).Close()
		})
	})
}

func TestReplicaThatIsTakenForStopped(t *testing.T) {
	t.Run("the late record of one that was taken for stopped changes nothing, and it stops reading", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			b, c := addReplicas(t, r)
			answered, lost := want("", "1"), want("", "2")
			w, l := r.send(answered), r.send(lost)
			r.store.will(hangs)
			after(lease + 6*time.Second)
			taken := r.journal.stored(answered.ID)
			if taken.State != operation.Unknown || taken.Owner == "A" {
				t.Fatalf("it is %+v", taken)
			}
			r.store.will(works)
			w.Settle(t.Context(), operation.Succeeded, nil)
			l.Close()
			if diff := cmp.Diff(taken, r.journal.stored(answered.ID)); diff != "" {
				t.Error(diff)
			}
			if r.Unresolved() != 0 || b.Unresolved()+c.Unresolved() != 2 {
				t.Errorf("unresolved are %d, %d and %d", r.Unresolved(), b.Unresolved(), c.Unresolved())
			}
			if got := r.get(answered.ID).State; got != operation.Unknown {
				t.Errorf("it is %q for the one that lost it", got)
			}
			b.observer.shows("+")
			c.observer.shows("+")
			after(11 * time.Second)
			r.stored(answered.ID, operation.Done, operation.ByReading)
		})
	})
	t.Run("one that was taken for stopped, and outlives the one that took over, gets its operation back", func(t *testing.T) {
		for _, last := range []string{"Record", "Adopt"} { // the call that works last
			bubble(t, func(t *testing.T, r *rig) {
				running, waiting, unknown := want("", "1"), want("", "2"), want("", "3")
				w, v := r.send(running), r.send(waiting)
				r.unknown(unknown)
				r.store.will(fails)
				v.Settle(t.Context(), operation.Succeeded, nil)
				after(lease + time.Second)
				b := newRig(t, r.journal, "B")
				after(5 * time.Second)
				for _, op := range []operation.Operation{running, waiting, unknown} {
					if got := r.stored(op.ID, operation.Unknown, ""); got.Owner != "B" {
						t.Errorf("its owner is %q", got.Owner)
					}
				}
				b.crash()
				after(lease)
				r.store.will(fails, last)
				after(6 * time.Second)
				r.store.will(works)
				after(6 * time.Second)
				if got := r.get(running.ID).State; got != operation.Sent {
					t.Errorf("what is being sent is %q", got)
				}
				w.Settle(t.Context(), operation.Succeeded, nil)
				r.stored(running.ID, operation.Done, operation.ByReply)
				r.observer.use(func(_ context.Context, _ scope.Target, entries []operation.Entry) (operation.Observation, error) {
					return observation("n1", map[bool]string{true: "+", false: "-"}[entries[0].Key == waiting.Entries[0].Key]), nil
				})
				after(settle + 5*time.Second)
				r.stored(waiting.ID, operation.Done, operation.ByReading)
				r.stored(unknown.ID, operation.NotDone, operation.ByReading)
				if r.Unresolved() > 0 {
					t.Errorf("%d are unresolved", r.Unresolved())
				}
			})
		}
	})
	t.Run("what it was reading when it got that back does not count", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			id := r.unknown(want("", "1"))
			r.store.will(fails)
			after(10 * time.Second)
			release := make(chan struct{})
			r.observer.use(func(context.Context, scope.Target, []operation.Entry) (operation.Observation, error) {
				<-release
				return observation("n1", "+"), nil
			})
			after(6 * time.Second) // it begins to read
			newRig(t, r.journal, "B").crash()
			after(lease)
			r.store.will(works)
			after(6 * time.Second)
			if got := r.stored(id, operation.Unknown, ""); got.Owner != "A" {
				t.Errorf("its owner is %q", got.Owner)
			}
			close(release)
			after(2 * time.Second)
			r.stored(id, operation.Done, operation.ByReading)
		})
	})
	t.Run("one whose write was ended by another keeps that end", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("", "1")
			w := r.send(op)
			r.store.will(fails)
			after(lease + time.Second)
			b := newRig(t, r.journal, "B")
			after(settle + 10*time.Second)
			b.crash()
			after(lease)
			r.store.will(works)
			after(6 * time.Second) // its recheck is A's now
			w.Settle(over(), operation.NoReply, nil)
			r.stored(op.ID, operation.NotDone, operation.ByReading)
			after(recheck)
			if got := r.stored(op.ID, operation.NotDone, operation.ByReading); got.Owner != "A" || got.Open() {
				t.Errorf("it is %+v", got)
			}
		})
	})
	t.Run("a lost reply to a takeover loses nothing", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("", "1")
			r.send(op)
			r.crash()
			b := newRig(t, r.journal, "B")
			b.store.will(losesReply, "Adopt")
			after(lease + 6*time.Second)
			b.store.will(works)
			after(settle + 10*time.Second)
			r.stored(op.ID, operation.NotDone, operation.ByReading)
		})
	})
}

func TestReadingsOfAnotherReplicasOperation(t *testing.T) {
	t.Run("an effect that one sees of another's operation is proof for both", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			b, _ := addReplicas(t, r)
			id := r.unknown(want("k", "1"))
			b.observer.shows("+")
			_, err := b.Begin(t.Context(), want("k", "1"))
			used, ok := errors.AsType[*operation.KeyUsedError](err)
			if !ok || used.Operation.State != operation.Unknown {
				t.Fatalf("Begin: %v", err)
			}
			if got := b.Resolve(t.Context(), used.Operation); got.State != operation.Done {
				t.Errorf("it is %q for the one", got.State)
			}
			if got := r.get(id); got.State != operation.Done {
				t.Errorf("it is %q for the other", got.State)
			}
			// A later operation undoes it, from which the owner must not conclude
			// that it was not done.
			after(2 * time.Minute)
			r.stored(id, operation.Done, operation.ByReading)
			if diff := cmp.Diff([]string{"intent intent", "outcome unknown", "outcome done"}, r.journal.trailOf(id)); diff != "" {
				t.Error(diff)
			}
			if r.Unresolved() > 0 {
				t.Error("the owner has not let go of it")
			}
		})
	})
	t.Run("a missing effect that one sees of another's operation proves nothing", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			b, _ := addReplicas(t, r)
			op := want("k", "1")
			w := r.send(op)
			running := b.get(op.ID)
			if got := b.Resolve(t.Context(), running); got.State != operation.Intent || b.observer.count() > 0 {
				t.Errorf("what another is sending was read back, and is %q", got.State)
			}
			w.Close()
			for range 60 {
				b.Resolve(t.Context(), b.get(op.ID))
				r.observer.fails()
				after(time.Second)
			}
			if got := r.stored(op.ID, operation.Unknown, ""); got.Owner != "A" {
				t.Errorf("it belongs to %q", got.Owner)
			}
		})
	})
}

// wantNotDoneInTime checks that an operation without an effect, which an owner has taken over a
// second ago, is not done after the last session of its first owner and the settle time, and
// unknown before that.
func (r *rig) wantNotDoneInTime(id, owner string) {
	r.t.Helper()
	if got := r.stored(id, operation.Unknown, ""); got.Owner != owner {
		r.t.Fatalf("it belongs to %q", got.Owner)
	}
	after(lease/2 + settle - time.Second)
	r.stored(id, operation.Unknown, "")
	after(3 * time.Second)
	r.stored(id, operation.NotDone, operation.ByReading)
}

// TestTakeOverFromOneThatMayRun has replicas whose locks others find free, although they run.
func TestTakeOverFromOneThatMayRun(t *testing.T) {
	t.Run("a missing effect is proof only after its last session and the settle time", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			b := newRig(t, r.journal, "B")
			op := want("k", "1")
			r.send(op)
			r.crash()
			r.journal.setFree("A", true)
			after(time.Second)
			r.wantNotDoneInTime(op.ID, "B")
			if diff := cmp.Diff([]string{"intent intent", "outcome unknown", "outcome not_done"}, r.journal.trailOf(op.ID)); diff != "" {
				t.Error(diff)
			}
			if b.Unresolved() > 0 {
				t.Error("it is still unresolved")
			}
		})
	})
	t.Run("so it is if the one that took over has lost its lock, too", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			b := newRig(t, r.journal, "B")
			op := want("", "1")
			r.send(op)
			r.crash()
			r.journal.setFree("A", true)
			after(time.Second)
			newRig(t, r.journal, "C")
			b.crash()
			r.journal.setFree("B", true)
			after(time.Second)
			r.wantNotDoneInTime(op.ID, "C")
		})
	})
	t.Run("an effect is proof at once", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			b := newRig(t, r.journal, "B")
			b.observer.shows("+")
			op := want("k", "1")
			w := r.send(op)
			r.journal.setFree("A", true)
			after(3 * time.Second)
			r.stored(op.ID, operation.Done, operation.ByReading)
			w.Settle(t.Context(), operation.Succeeded, nil)
			r.stored(op.ID, operation.Done, operation.ByReading)
			if got := r.get(op.ID); got.State != operation.Done {
				t.Errorf("it is %q for the one that sent it", got.State)
			}
		})
	})
	t.Run("it does not take what others have done since for its own, after a refusal", func(t *testing.T) {
		for _, reply := range []operation.Reply{operation.Refused, operation.Declined} {
			bubble(t, func(t *testing.T, r *rig) {
				newRig(t, r.journal, "B").observer.shows("+")
				op := want("k", "1")
				w := r.send(op)
				r.journal.setFree("A", true)
				after(3 * time.Second) // B has seen the effect, and the entries are free
				if got := w.Settle(t.Context(), reply, nil); got.State != operation.Unknown {
					t.Errorf("it is %q for the one that sent it", got.State)
				}
				r.stored(op.ID, operation.Done, operation.ByReading)
			})
		}
	})
	t.Run("its next intent fails, and what it has only received is free", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			b := newRig(t, r.journal, "B")
			begun, sent := want("k", "1"), want("", "2", "3")
			w := r.begin(begun)
			s := r.to(r.plan(sent, 1, 2), 1)
			r.journal.setFree("A", true)
			after(time.Second)
			b.begin(want("k", "1")).Close()
			if err := r.intend(w, begun, "n1"); !errors.Is(err, operation.ErrConflict) {
				t.Errorf("the intent of what it has received: %v", err)
			}
			if err := s.Intend(t.Context(), 2, "n1"); !errors.Is(err, operation.ErrConflict) {
				t.Errorf("the intent of the next step: %v", err)
			}
			w.Close()
			s.Close()
			r.stored(sent.ID, operation.Unknown, "")
		})
	})
	t.Run("an operator cannot release its entries while it may be sending", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			newRig(t, r.journal, "B").observer.fails()
			op := want("", "1")
			r.send(op)
			r.journal.setFree("A", true)
			after(time.Second)
			after(settle + lease/2 - time.Second)
			r.notReleased(op.ID, "the platform may still carry the operation out")
			after(time.Second)
			if _, err := r.release(op.ID); err != nil {
				t.Error(err)
			}
		})
	})
}
