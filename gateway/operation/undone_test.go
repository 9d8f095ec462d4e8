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

// ofUser makes an operation one of a user, whom it has a claim on.
func ofUser(op operation.Operation) operation.Operation {
	op.UserID = "anna"
	op.Claims = []operation.Claim{{Kind: "user", Key: "anna"}}
	return op
}

// sees has readings show the effect on those entries, and that all others are
// without one.
func (e *eyes) sees(keys ...string) {
	e.will(func(_ context.Context, _ scope.Target, entries []operation.Entry) (operation.Observation, error) {
		s := operation.Observation{Endpoint: "n1"}
		for _, entry := range entries {
			s.Effects = append(s.Effects, operation.Effect{Seen: slices.Contains(keys, entry.Key), Clear: true})
		}
		return s, nil
	})
}

// gives sends an operation that wants its entries to have a value, which is done.
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
			"names who gave an entry another value", want("", "1", "2"),
			func(r *rig) string { return r.gives(want("", "2"), another) }, []string{"1", "2"}, operation.PartlyDone,
		},
		{
			"has nothing to name where they gave it the same", want("", "1"),
			func(r *rig) string { r.gives(want("", "1"), same); return "" }, []string{"1"}, operation.NotDone,
		},
		{
			"has nothing to name where another value was not given", want("", "1"),
			func(r *rig) string {
				w := r.send(want("", "1"))
				r.eyes.sees()
				w.Settle(r.t.Context(), operation.Refused, nil)
				return ""
			}, []string{"1"}, operation.NotDone,
		},
		{
			"names whose other entries of the user are gone, where it is corrected", ofUser(want("", "1")),
			func(r *rig) string { return r.gives(ofUser(want("", "2")), same) }, []string{"1"}, operation.Done,
		},
		{
			"names whose other entries of the user are gone, where they gave it the same", ofUser(want("", "1")),
			func(r *rig) string { return r.gives(ofUser(want("", "1", "2")), same) }, []string{"1"}, operation.NotDone,
		},
		{
			"has nothing to name where all of that is there", ofUser(want("", "1")),
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
			"has nothing to name where others have changed it since", ofUser(want("", "1")),
			func(r *rig) string {
				r.gives(ofUser(want("", "2")), same)
				r.gives(want("", "2"), another) // of the group
				return ""
			}, []string{"1"}, operation.Done,
		},
		{
			"has nothing to name of another user", ofUser(want("", "1")),
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
				r.eyes.sees()
				r.doubt(op)
				after(32 * time.Second)
				r.stored(op.ID, operation.NotDone, operation.ByReading)
				undone := c.later(r)
				r.eyes.sees(c.seen...)
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
	t.Run("is looked for again when the platform or the store failed", func(t *testing.T) {
		for _, method := range []string{"Get", "List", "Touched", "the platform"} {
			bubble(t, func(t *testing.T, r *rig) {
				r.eyes.sees()
				id := r.doubt(ofUser(want("", "1", "3")))
				after(32 * time.Second)
				later := r.gives(ofUser(want("", "2", "3")), another)
				if method == "the platform" {
					r.eyes.will(func(_ context.Context, _ scope.Target, entries []operation.Entry) (operation.Observation, error) {
						if entries[0].Key == "2" {
							return operation.Observation{}, errBlind
						}
						return sight("n1", "++"), nil
					})
				} else {
					r.eyes.sees("1", "3")
					r.store.will(fails, method)
				}
				after(recheck + time.Minute)
				if op := r.stored(id, operation.NotDone, operation.ByReading); !op.Open() || len(r.undone) > 0 {
					t.Errorf("%s: it is %+v, %q", method, op, r.undone)
				}
				r.store.will(works)
				r.eyes.sees("1", "3")
				after(time.Minute)
				r.stored(id, operation.PartlyDone, operation.ByReading)
				if want := []string{id + " undid " + later}; !slices.Equal(r.undone, want) {
					t.Errorf("%s: %q, want %q", method, r.undone, want)
				}
			})
		}
	})
}
