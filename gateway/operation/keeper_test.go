package operation_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

// These tests specify what the keeper does for its callers beside the outcomes of
// writes: beginning and listing operations, its rhythm, and its end. Each runs in fake
// time (bubble in rig_test.go). To add a case, add a subtest that starts with bubble,
// begins operations with want and the rig's methods, and checks the journal.

func TestBegin(t *testing.T) {
	t.Run("returns the current state of the operation that has the key", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("k", "1")
			state := func() operation.State {
				_, err := r.Begin(t.Context(), want("k", "2"))
				used, ok := errors.AsType[*operation.KeyUsedError](err)
				if !ok || used.Operation.ID != op.ID {
					t.Fatalf("Begin: %v", err)
				}
				return used.Operation.State
			}
			w := r.begin(op)
			states := []operation.State{state()}
			_ = r.intend(w, op, "n1")
			states = append(states, state())
			w.Close()
			states = append(states, state())
			r.store.will(fails, "Record")
			r.observer.shows("+")
			after(2 * time.Second)
			states = append(states, state()) // which is not recorded yet
			if diff := cmp.Diff([]operation.State{operation.Received, operation.Sent, operation.Unknown, operation.Done}, states); diff != "" {
				t.Error(diff)
			}
			if r.journal.held("2") {
				t.Error("what was refused holds its entry")
			}
		})
	})
	t.Run("distinguishes callers, routes and keys", func(t *testing.T) {
		bubble(t, func(_ *testing.T, r *rig) {
			same := func(change func(*operation.Operation)) operation.Operation {
				op := want("k", operation.NewID())
				change(&op)
				return op
			}
			r.begin(same(func(*operation.Operation) {}))
			r.begin(same(func(op *operation.Operation) { op.Caller.Client = true }))
			r.begin(same(func(op *operation.Operation) { op.Route = "unassign" }))
			r.begin(same(func(op *operation.Operation) { op.Key = "" }))
			r.begin(same(func(op *operation.Operation) { op.Key = "" }))
		})
	})
	t.Run("lets a key be used again when it has expired", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.send(want("k", "1")).Settle(t.Context(), operation.Succeeded, nil)
			after(24*time.Hour - time.Second)
			if _, err := r.Begin(t.Context(), want("k", "1")); err == nil {
				t.Error("the key is free too early")
			}
			after(2 * time.Second)
			r.begin(want("k", "1")).Close()
		})
	})
}

func TestList(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		var ids []string
		for i := range 3 {
			op := want("", fmt.Sprint(i))
			ids = append(ids, op.ID)
			w := r.send(op)
			if i == 1 {
				r.store.will(fails, "Record")
				w.Settle(t.Context(), operation.Succeeded, nil)
				r.store.will(works)
			}
			after(time.Millisecond)
		}
		ops, _, err := r.List(t.Context(), operation.Query{Target: scope.Target{TenantID: "T", GroupID: "G"}, Limit: 2})
		if err != nil || len(ops) != 2 || ops[0].ID != ids[2] || ops[1].ID != ids[1] {
			t.Fatalf("List: %v, %v", ops, err)
		}
		if ops[0].State != operation.Sent || ops[1].State != operation.Done {
			t.Errorf("they are %q and %q, not as this process knows them", ops[0].State, ops[1].State)
		}
	})
}

func TestIdleness(t *testing.T) {
	all := []string{"Begin", "Abandon", "Record", "Get", "List", "Adopt", "Touched", "Append", "Prune"}
	for _, tc := range []struct {
		name        string
		before      func(*rig)
		calls, read int // at most, within a minute
	}{
		{"with nothing to do", func(*rig) {}, 12, 0},
		{"with the store down", func(r *rig) { r.store.will(fails) }, 12, 0},
		{"with a recheck to come", func(r *rig) {
			r.unknown(want("", "1"))
			after(time.Minute)
		}, 12, 0},
		{"with outcomes that the store does not take", func(r *rig) {
			for i := range 100 {
				w := r.send(want("", fmt.Sprint(i)))
				r.store.will(fails)
				w.Settle(r.t.Context(), operation.Succeeded, nil)
				r.store.will(works)
			}
			r.store.will(fails)
		}, 12 + 60, 0},
		{"with unknown ones that the store does not take", func(r *rig) {
			for i := range 100 {
				w := r.send(want("", fmt.Sprint(i)))
				r.store.will(fails)
				w.Close()
				r.store.will(works)
			}
			r.store.will(fails)
		}, 12 + 60, 0},
		{"with what was read back that the store does not take", func(r *rig) {
			for i := range 100 {
				r.unknown(want("", fmt.Sprint(i)))
			}
			r.store.will(fails)
			r.observer.shows("+")
			after(5 * time.Second)
		}, 12 + 60, 0},
		{"with an unknown one while the platform cannot be read", func(r *rig) {
			r.unknown(want("", "1"))
			r.observer.fails()
			after(time.Minute)
		}, 12 + 6, 6},
		{"with the store hanging", func(r *rig) {
			w := r.send(want("", "1"))
			r.store.will(hangs)
			w.Close()
		}, 12, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				tc.before(r)
				r.store.count(all...)
				r.observer.count()
				after(time.Minute)
				if calls, read := r.store.count(all...), r.observer.count(); calls > tc.calls+1 || read > tc.read {
					t.Errorf("%d calls and %d readings in a minute, want at most %d and %d", calls, read, tc.calls, tc.read)
				}
			})
		})
	}
}

func TestClose(t *testing.T) {
	t.Run("ends all that is running", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.observer.use(func(ctx context.Context, _ scope.Target, _ []operation.Entry) (operation.Observation, error) {
				<-ctx.Done()
				return operation.Observation{}, ctx.Err()
			})
			for i := range 10 {
				r.unknown(want("", fmt.Sprint(i)))
			}
			running := want("", "running")
			w := r.send(running)
			after(2 * time.Second)
			r.Close(context.Background())
			if failed := r.failed(); failed != nil {
				t.Errorf("reported %v", failed)
			}
			w.Settle(t.Context(), operation.Succeeded, nil) // is late, and still recorded
			r.stored(running.ID, operation.Done, operation.ByReply)
			b := newRig(t, r.journal, "B")
			after(lease + settle + 10*time.Second)
			ops, _, err := b.List(t.Context(), operation.Query{Limit: 100})
			if err != nil || len(ops) != 11 {
				t.Fatalf("List: %d, %v", len(ops), err)
			}
			for _, op := range ops {
				if !op.State.Ended() {
					t.Errorf("it is %q", op.State)
				}
			}
		})
	})
	t.Run("waits for the record of what was read back", func(t *testing.T) {
		bubble(t, func(_ *testing.T, r *rig) {
			id := r.unknown(want("", "1"))
			r.observer.shows("+")
			r.store.slow(5*time.Second, "Record")
			after(2 * time.Second)
			r.Close(context.Background())
			r.stored(id, operation.Done, operation.ByReading)
		})
	})
	t.Run("stops waiting for a store that hangs", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			w := r.send(want("", "1"))
			r.store.will(hangs)
			w.Close()
			after(30 * time.Second)
			began := time.Now()
			r.Close(context.Background())
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	})
}

func TestOldOperationsAreRemoved(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		op := want("", "1")
		r.send(op).Settle(t.Context(), operation.Succeeded, nil)
		after(keep)
		r.get(op.ID)
		after(11 * time.Minute)
		if _, err := r.Get(t.Context(), op.ID); !errors.Is(err, operation.ErrNotFound) {
			t.Errorf("Get: %v", err)
		}
	})
}

func TestIDs(t *testing.T) {
	for range 100 {
		if id := operation.NewID(); !operation.IsID(id) {
			t.Errorf("%s is none", id)
		}
	}
	for _, text := range []string{"", "1", "urn:uuid:0190163d-8694-739b-aea5-966c26f8ad91", "0190163D-8694-739B-AEA5-966C26F8AD91", "{0190163d-8694-739b-aea5-966c26f8ad91}"} {
		if operation.IsID(text) {
			t.Errorf("%q is one", text)
		}
	}
}
