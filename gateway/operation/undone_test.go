package operation_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

// These tests specify which later operations a recheck reports as undone by a late write. To
// add a case, add the late operation, the later one and the entries whose effect is seen to
// the table of TestLateWriteThatUndoesLaterOnes.

// ofUser returns the operation with a user as its target, on whom it has a claim.
func ofUser(op operation.Operation) operation.Operation {
	op.UserID = "anna"
	op.Claims = []operation.Claim{{Kind: "user", Key: "anna"}}
	return op
}

// showsOnly makes readings show the effect on these entries, and no effect on all others.
func (e *observer) showsOnly(keys ...string) {
	e.use(func(_ context.Context, _ scope.Target, entries []operation.Entry) (operation.Observation, error) {
		s := operation.Observation{Endpoint: "n1"}
		for _, entry := range entries {
			s.Effects = append(s.Effects, operation.Effect{Seen: slices.Contains(keys, entry.Key), Clear: true})
		}
		return s, nil
	})
}

// gives sends an operation that gives its entries a value, which succeeds.
func (r *rig) gives(op operation.Operation, value string) string {
	r.t.Helper()
	w := r.begin(op)
	entries := planned(op.Entries)
	for i := range entries {
		entries[i].After = json.RawMessage(value)
	}
	w.Plan(entries)
	if err := w.Intend(r.t.Context(), 1, "n1"); err != nil {
		r.t.Fatal(err)
	}
	w.Settle(r.t.Context(), operation.Succeeded, nil)
	return op.ID
}

const same, another = ` {"groupId": "G"}`, `{"groupId":"H"}`

func TestLateWriteThatUndoesLaterOnes(t *testing.T) {
	for _, c := range []struct {
		name  string
		op    operation.Operation
		later func(r *rig) string // the id of what it undoes, empty for nothing
		seen  []string            // entries that have the value that was wanted of them last
		state operation.State
	}{
		{
			"names the operation that gave an entry another value", want("", "1", "2"),
			func(r *rig) string { return r.gives(want("", "2"), another) }, []string{"1", "2"}, operation.PartlyDone,
		},
		{
			"names nothing if they gave it the same value", want("", "1"),
			func(r *rig) string { r.gives(want("", "1"), same); return "" }, []string{"1"}, operation.NotDone,
		},
		{
			"names nothing if another value was not given", want("", "1"),
			func(r *rig) string {
				w := r.send(want("", "1"))
				r.observer.showsOnly()
				w.Settle(r.t.Context(), operation.Refused, nil)
				return ""
			}, []string{"1"}, operation.NotDone,
		},
		{
			"names the operation whose other entries of the user are gone, if it is corrected", ofUser(want("", "1")),
			func(r *rig) string { return r.gives(ofUser(want("", "2")), same) }, []string{"1"}, operation.Done,
		},
		{
			"names the operation whose other entries of the user are gone, if they gave it the same value", ofUser(want("", "1")),
			func(r *rig) string { return r.gives(ofUser(want("", "1", "2")), same) }, []string{"1"}, operation.NotDone,
		},
		{
			"names nothing if all of that is there", ofUser(want("", "1")),
			func(r *rig) string { r.gives(ofUser(want("", "1", "2")), same); return "" }, []string{"1", "2"}, operation.NotDone,
		},
		{
			"names the last one that changed what is gone", ofUser(want("", "1")),
			func(r *rig) string {
				r.gives(ofUser(want("", "2")), same)
				return r.gives(ofUser(want("", "2")), same)
			}, []string{"1"}, operation.Done,
		},
		{
			"names nothing if other operations have changed it since", ofUser(want("", "1")),
			func(r *rig) string {
				r.gives(ofUser(want("", "2")), same)
				r.gives(want("", "2"), another) // of the group
				return ""
			}, []string{"1"}, operation.Done,
		},
		{
			"names nothing of another user", ofUser(want("", "1")),
			func(r *rig) string {
				op := ofUser(want("", "2"))
				op.UserID, op.Claims[0].Key = "berta", "berta"
				r.gives(op, same)
				return ""
			}, []string{"1"}, operation.Done,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				op := c.op
				op.ID = operation.NewID()
				r.observer.showsOnly()
				r.unknown(op)
				after(32 * time.Second)
				r.stored(op.ID, operation.NotDone, operation.ByReading)
				undone := c.later(r)
				r.observer.showsOnly(c.seen...)
				after(recheck + time.Minute)
				r.stored(op.ID, c.state, operation.ByReading)
				var want []string
				if undone != "" {
					want = []string{op.ID + " undid " + undone}
				}
				r.mu.Lock()
				defer r.mu.Unlock()
				if !slices.Equal(r.undone, want) {
					t.Errorf("%q, want %q", r.undone, want)
				}
			})
		})
	}
	t.Run("is determined again when the platform or the store failed", func(t *testing.T) {
		for _, method := range []string{"Get", "List", "Touched", "the platform"} {
			bubble(t, func(t *testing.T, r *rig) {
				r.observer.showsOnly()
				id := r.unknown(ofUser(want("", "1", "3")))
				after(32 * time.Second)
				later := r.gives(ofUser(want("", "2", "3")), another)
				if method == "the platform" {
					r.observer.use(func(_ context.Context, _ scope.Target, entries []operation.Entry) (operation.Observation, error) {
						if entries[0].Key == "2" {
							return operation.Observation{}, errBlind
						}
						return observation("n1", "++"), nil
					})
				} else {
					r.observer.showsOnly("1", "3")
					r.store.will(fails, method)
				}
				after(recheck + time.Minute)
				if op := r.stored(id, operation.NotDone, operation.ByReading); !op.Open() || len(r.undone) > 0 {
					t.Errorf("%s: it is %+v, %q", method, op, r.undone)
				}
				r.store.will(works)
				r.observer.showsOnly("1", "3")
				after(time.Minute)
				r.stored(id, operation.PartlyDone, operation.ByReading)
				if want := []string{id + " undid " + later}; !slices.Equal(r.undone, want) {
					t.Errorf("%s: %q, want %q", method, r.undone, want)
				}
			})
		}
	})
}
