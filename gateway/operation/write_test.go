package operation_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/operation"
)

// These tests specify how a Write goes through its states: Intend, Unsent and Close. To
// add a case, add a subtest with bubble, take a write to the state in question with
// begin or send, and check the journal with stored.

func TestWriteGoesThroughItsStates(t *testing.T) {
	t.Run("from received over intent and sent to done", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("k", "1", "2")
			w := r.begin(op)
			if got := r.get(op.ID).State; got != operation.Received || w.State() != got {
				t.Errorf("after Begin it is %q", got)
			}
			if got := r.journal.trailOf(op.ID); len(got) > 0 {
				t.Errorf("the trail has %v for what is only received", got)
			}
			if err := r.intend(w, op, "n1"); err != nil {
				t.Fatal(err)
			}
			r.stored(op.ID, operation.Intent, "")
			if got := r.get(op.ID); got.State != operation.Sent || got.SentAt.IsZero() || got.PlatformEndpoint != "n1" || string(got.Entries[1].After) != `{"groupId":"G"}` {
				t.Errorf("after Intend it is %+v", got)
			}
			op = w.Settle(t.Context(), operation.Succeeded, nil)
			w.Close()
			if diff := cmp.Diff(op, r.stored(op.ID, operation.Done, operation.ByReply)); diff != "" {
				t.Errorf("Settle returned something else than is stored:\n%s", diff)
			}
			if outcomes(op) != "++" || op.EndedAt.IsZero() || op.KeyExpires.Sub(op.ReceivedAt) != 24*time.Hour {
				t.Errorf("it ended as %+v", op)
			}
			want := []string{"intent intent", "outcome done"}
			if diff := cmp.Diff(want, r.journal.trailOf(op.ID)); diff != "" {
				t.Errorf("the trail:\n%s", diff)
			}
			if recorded, resolved, _ := r.traced(); !slices.Equal(recorded, []operation.State{operation.Done}) || resolved != nil {
				t.Errorf("traced %v, %v", recorded, resolved)
			}
			if r.journal.held("1") || r.observer.count() > 0 {
				t.Error("it still holds its entries, or was read back")
			}
		})
	})
	t.Run("notes the other endpoint of another session, with one intent", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("", "1")
			w := r.send(op)
			r.store.count("Record")
			if err := r.intend(w, op, "n2"); err != nil || r.store.count("Record") > 0 {
				t.Errorf("the second Intend: %v, and a record", err)
			}
			w.Settle(t.Context(), operation.Succeeded, nil)
			if got := r.stored(op.ID, operation.Done, operation.ByReply).PlatformEndpoint; got != "n2" {
				t.Errorf("the endpoint is %q", got)
			}
			if diff := cmp.Diff([]string{"intent intent", "outcome done"}, r.journal.trailOf(op.ID)); diff != "" {
				t.Error(diff)
			}
		})
	})
	t.Run("ends once, whatever is called afterwards", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("", "1")
			w := r.send(op)
			w.Settle(t.Context(), operation.Succeeded, nil)
			w.Unsent(1)
			w.Close()
			if got := w.Settle(t.Context(), operation.NoReply, nil); got.State != operation.Done {
				t.Errorf("it is %q now", got.State)
			}
			r.stored(op.ID, operation.Done, operation.ByReply)
			if got := r.journal.trailOf(op.ID); len(got) != 2 {
				t.Errorf("the trail has %v", got)
			}
		})
	})
	t.Run("keeps the response of a refusal that is confirmed", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("", "1")
			r.send(op).Settle(t.Context(), operation.Refused, json.RawMessage(`{"a":1}`))
			if got := r.stored(op.ID, operation.NotDone, operation.ByReply); string(got.Response) != `{"a":1}` {
				t.Errorf("the response is %s", got.Response)
			}
		})
	})
}

func TestIntentThatIsNotRecorded(t *testing.T) {
	for _, tc := range []struct {
		name   string
		fault  fault
		intent bool // one is left behind in the journal
	}{
		{"because the store failed", fails, false},
		{"although it is there, its reply lost", losesReply, true},
		{"although its event is there", storesEvent, false},
		{"because the store hangs", hangs, false},
		{"although it is there at last", hangsLate, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				op := want("k", "1")
				w := r.begin(op)
				r.store.will(tc.fault, "Record")
				err := r.intend(w, op, "n1")
				if !errors.Is(err, operation.ErrUnusable) || w.State() != operation.Intent {
					t.Fatalf("Intend: %v, and it is %q", err, w.State())
				}
				if got := r.journal.stored(op.ID).State == operation.Intent; got != tc.intent {
					t.Fatalf("the journal has it as an intent: %v", got)
				}
				r.store.will(fails)
				w.Close()
				if got := r.get(op.ID); got.State != operation.NotDone || got.Basis != operation.NotTaken {
					t.Errorf("before the store is back it is %q by %q", got.State, got.Basis)
				}
				r.store.will(works)
				after(2 * time.Second)
				r.stored(op.ID, operation.NotDone, operation.NotTaken)
				r.begin(want("k", "1")).Close() // both are free again
				if r.observer.count() > 0 {
					t.Error("what was not sent was read back")
				}
			})
		})
	}
	t.Run("is tried again under another version", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("", "1")
			w := r.begin(op)
			r.store.will(losesReply, "Record")
			if r.intend(w, op, "n1") == nil {
				t.Fatal("a step may be sent whose intent had no reply")
			}
			r.store.will(works)
			if err := r.intend(w, op, "n2"); err != nil {
				t.Fatal(err)
			}
			w.Settle(t.Context(), operation.Succeeded, nil)
			if got := r.stored(op.ID, operation.Done, operation.ByReply); got.Version != 3 || got.PlatformEndpoint != "n2" {
				t.Errorf("it is %+v", got)
			}
		})
	})
	t.Run("of a replica that was taken for stopped", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("k", "1")
			w := r.begin(op)
			r.store.will(fails, "Adopt")
			after(2 * lease)
			b := newRig(t, r.journal, "B")
			other := b.begin(want("k", "1")) // the key and the entry are free
			if err := r.intend(w, op, "n1"); !errors.Is(err, operation.ErrUnusable) {
				t.Fatalf("Intend: %v", err)
			}
			w.Close()
			r.store.will(works)
			after(time.Minute)
			r.stored(op.ID, operation.NotDone, operation.NotTaken)
			r.wantTrail(op.ID, "outcome not_done")
			if _, err := r.Begin(t.Context(), want("k", "2")); !errors.As(err, new(*operation.KeyUsedError)) {
				t.Errorf("Begin with the key of the other: %v", err)
			}
			other.Close()
		})
	})
}

func TestWriteClose(t *testing.T) {
	for _, tc := range []struct {
		name  string
		to    func(*rig, operation.Operation) *operation.Write
		state operation.State
		basis operation.Basis
	}{
		{"removes what is only received", (*rig).begin, "", ""},
		{"makes what was sent unknown", (*rig).send, operation.Unknown, ""},
		{"leaves alone what was not sent", func(r *rig, op operation.Operation) *operation.Write {
			w := r.send(op)
			w.Unsent(1)
			return w
		}, operation.NotDone, operation.NotTaken},
		{"leaves alone what is done", func(r *rig, op operation.Operation) *operation.Write {
			w := r.send(op)
			w.Settle(r.t.Context(), operation.Succeeded, nil)
			return w
		}, operation.Done, operation.ByReply},
		{"leaves alone what is unknown", func(r *rig, op operation.Operation) *operation.Write {
			w := r.send(op)
			w.Settle(over(), operation.NoReply, nil)
			return w
		}, operation.Unknown, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				op := want("k", "1")
				w := tc.to(r, op)
				version := r.journal.stored(op.ID).Version
				func() {
					defer func() { _ = recover() }()
					defer w.Close()
					panic("a mistake of ours")
				}()
				got := r.stored(op.ID, tc.state, tc.basis)
				if w.State() != got.State && tc.state != "" || w.State() == operation.Unknown && got.UnknownAt.IsZero() {
					t.Errorf("it is %q for the writer", w.State())
				}
				ended := version > 0 && !r.journal.events(op.ID)[0].Time.IsZero() && got.State != operation.Unknown
				if ended && got.Version != version {
					t.Errorf("it was recorded again, as version %d after %d", got.Version, version)
				}
				if _, err := r.Get(t.Context(), op.ID); errors.Is(err, operation.ErrNotFound) != (tc.state == "") {
					t.Errorf("Get: %v", err)
				}
				if held := r.journal.held("1"); held != (tc.state == operation.Unknown) {
					t.Errorf("its entry is held: %v", held)
				}
			})
		})
	}
}

func TestUnsent(t *testing.T) {
	t.Run("leaves what is only received to Close", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			w := r.begin(want("k", "1"))
			w.Unsent(1)
			if w.State() != operation.Received {
				t.Errorf("it is %q", w.State())
			}
			w.Close()
			r.begin(want("k", "1")).Close()
		})
	})
	t.Run("ends what was not sent, and frees its key", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("k", "1")
			r.send(op).Unsent(1)
			r.stored(op.ID, operation.NotDone, operation.NotTaken)
			r.begin(want("k", "1")).Close()
			after(recheck + time.Minute)
			if r.observer.count() > 0 {
				t.Error("what was not sent was read back")
			}
		})
	})
}
