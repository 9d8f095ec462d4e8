package operation_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

// These tests specify writes that are carried out in several steps. To add a case, plan a
// write with r.plan, giving the step of each entry, send its steps with r.to, and check
// the end with r.wantEnd, with the signs of outcomes in rig_test.go.

// inSteps returns the entries of a plan: those of an operation, and more if there are more
// steps. Each has its step; 0 means that it has the wanted value already.
func inSteps(op operation.Operation, steps ...int) []operation.Entry {
	keys := strings.Split("1 2 3 4 5 6", " ")
	var entries []operation.Entry
	for i, step := range steps {
		e := operation.Entry{Kind: "range", Given: keys[i], Key: keys[i], Before: json.RawMessage(`"a"`), After: json.RawMessage(`"b"`), Step: step}
		if i < len(op.Entries) {
			e.Given, e.Key = op.Entries[i].Given, op.Entries[i].Key
		}
		if step == 0 {
			e.Before = e.After
		}
		entries = append(entries, e)
	}
	return entries
}

// plan begins an operation and plans it.
func (r *rig) plan(op operation.Operation, steps ...int) *operation.Write {
	r.t.Helper()
	w := r.begin(op)
	w.Plan(inSteps(op, steps...))
	return w
}

// to records the intents of the steps of a write up to last.
func (r *rig) to(w *operation.Write, last int) *operation.Write {
	r.t.Helper()
	for step := 1; step <= last; step++ {
		if err := w.Intend(r.t.Context(), step, "n1"); err != nil {
			r.t.Fatalf("Intend of step %d: %v", step, err)
		}
	}
	return w
}

// heldOf returns the keys of the entries that are held.
func (r *rig) heldOf(keys ...string) string {
	return strings.Join(slices.DeleteFunc(keys, func(key string) bool { return !r.journal.held(key) }), "")
}

// wantHeld checks which of the entries 1 to 5 are held.
func (r *rig) wantHeld(want string) {
	r.t.Helper()
	if got := r.heldOf("1", "2", "3", "4", "5"); got != want {
		r.t.Errorf("%q are held, want %q", got, want)
	}
}

// asked records which entries are read, and makes all readings show the same effect.
func (e *observer) asked(effect string) *[]string {
	var asked []string
	e.use(func(_ context.Context, target scope.Target, entries []operation.Entry) (operation.Observation, error) {
		keys := ""
		for _, e := range entries {
			keys += e.Key
		}
		asked = append(asked, target.GroupID+" "+keys)
		return observation("n1", strings.Repeat(effect, len(entries))), nil
	})
	return &asked
}

// wantEnd checks how a write ended.
func (r *rig) wantEnd(id string, state operation.State, basis operation.Basis, entries string) operation.Operation {
	r.t.Helper()
	op := r.stored(id, state, basis)
	if outcomes(op) != entries {
		r.t.Errorf("the outcomes of the entries are %s, want %s", outcomes(op), entries)
	}
	return op
}

func TestSteps(t *testing.T) {
	t.Run("are recorded one by one, with one line for the intent", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("k", "1", "2")
			w := r.plan(op, 1, 0, 2, 3, 2)
			r.wantHeld("12")
			r.store.count("Record")
			for step, c := range []struct{ outcomes, held string }{{"?+???", "1345"}, {"++???", "345"}, {"+++?+", "4"}} {
				if err := w.Intend(t.Context(), step+1, "n1"); err != nil {
					t.Fatal(err)
				}
				got := r.stored(op.ID, operation.Intent, "")
				if got.Step != step+1 || got.Version != step+1 || outcomes(got) != c.outcomes {
					t.Errorf("step %d: it is %+v", step+1, got)
				}
				r.wantHeld(c.held)
				r.wantTrail(op.ID, "intent intent")
				if got := r.get(op.ID); got.State != operation.Sent {
					t.Errorf("it is %q", got.State)
				}
				after(time.Second)
			}
			if events := r.journal.events(op.ID); len(events[0].Entries) != 5 || events[0].Entries[1].Outcome != operation.Done {
				t.Errorf("the intent has %+v", events[0].Entries)
			}
			got := w.Settle(t.Context(), operation.Succeeded, nil)
			if diff := cmp.Diff(got, r.wantEnd(op.ID, operation.Done, operation.ByReply, "+++++")); diff != "" {
				t.Error(diff)
			}
			r.wantTrail(op.ID, "intent intent", "outcome done")
			r.wantHeld("")
			if n := r.store.count("Record"); n != 4 || got.SentAt.Sub(got.IntendedAt) > 0 || r.observer.count() > 0 {
				t.Errorf("%d records, and %+v", n, got)
			}
		})
	})
	t.Run("are intended again if a session was lost", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("", "1", "2")
			w := r.to(r.plan(op, 1, 2), 2)
			r.store.count("Record")
			if err := w.Intend(t.Context(), 2, "n2"); err != nil || r.store.count("Record") > 0 || r.get(op.ID).PlatformEndpoint != "n2" {
				t.Errorf("Intend: %v, and %+v", err, r.get(op.ID))
			}
			w.Close()
		})
	})
	t.Run("must be intended in order", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("", "1", "2")
			w := r.plan(op, 1, 2)
			refused := func(step int) {
				t.Helper()
				before := r.get(op.ID)
				if err := w.Intend(t.Context(), step, "n1"); err == nil || errors.Is(err, operation.ErrUnusable) {
					t.Errorf("step %d: %v", step, err)
				}
				if diff := cmp.Diff(before, r.get(op.ID)); diff != "" {
					t.Errorf("step %d:\n%s", step, diff)
				}
			}
			refused(0)
			refused(2)
			r.to(w, 1)
			refused(3)
			r.to(w, 2)
			refused(1)
			refused(3) // it has no entries
			w.Settle(t.Context(), operation.Succeeded, nil)
			refused(3)
			refused(2)
		})
	})
	t.Run("take what only the plan names with the first, or nothing", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			other := want("", "3")
			holder := r.send(other)
			op := want("k", "1", "2")
			w := r.plan(op, 1, 0, 2)
			err := w.Intend(t.Context(), 1, "n1")
			held, ok := errors.AsType[*operation.HeldError](err)
			if !ok || held.ID != other.ID || !slices.Equal(held.Held, []operation.Claim{{Kind: "range", Key: "3"}}) {
				t.Fatalf("Intend: %v", err)
			}
			w.Unsent(1)
			if got := r.get(op.ID); got.State != operation.Received || got.Version != 0 || got.Step != 0 || outcomes(got) != "???" {
				t.Errorf("it is %+v", got)
			}
			if failed := r.failed(); len(failed) > 0 {
				t.Errorf("the journal is said to have failed: %v", failed)
			}
			r.wantHeld("123")
			holder.Settle(t.Context(), operation.Succeeded, nil)
			if _, held := errors.AsType[*operation.HeldError](w.Intend(t.Context(), 1, "n1")); !held {
				t.Error("what others have changed since it was begun is sent")
			}
			w.Close()
			r.wantHeld("")
			if lines := r.journal.trailOf(op.ID); len(lines) > 0 {
				t.Errorf("the trail has %v", lines)
			}
			if _, err := r.Get(t.Context(), op.ID); !errors.Is(err, operation.ErrNotFound) {
				t.Errorf("Get: %v", err)
			}
			w = r.to(r.plan(want("k", "1", "2"), 1, 0, 2), 2)
			w.Settle(t.Context(), operation.Succeeded, nil)
		})
	})
	t.Run("hold claims until the end", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("", "1", "2")
			op.Claims = []operation.Claim{{Kind: "list", Key: "G"}}
			w := r.to(r.plan(op, 1, 2), 2)
			other := want("", "4")
			other.Claims = op.Claims
			_, err := r.Begin(t.Context(), other)
			if held, ok := errors.AsType[*operation.HeldError](err); !ok || held.ID != op.ID || !slices.Equal(held.Held, op.Claims) {
				t.Errorf("Begin: %v", err)
			}
			w.Settle(t.Context(), operation.Succeeded, nil)
			r.begin(other).Close()
		})
	})
}

func TestStepsEnd(t *testing.T) {
	type end struct {
		state    operation.State
		basis    operation.Basis
		entries  string // of steps 1, 2, 2, 3, and of one that was as wanted
		held     string
		recheck  bool
		response bool
	}
	success := func(w *operation.Write) { w.Settle(context.Background(), operation.Succeeded, nil) }
	reply := func(a operation.Reply) func(*operation.Write) {
		return func(w *operation.Write) { w.Settle(context.Background(), a, json.RawMessage(`"no"`)) }
	}
	for _, c := range []struct {
		name  string
		steps int    // that were intended
		shown string // of each entry that is read
		end   func(*operation.Write)
		want  end
	}{
		{"after the last", 3, "", success, end{operation.Done, operation.ByReply, "+++++", "", false, false}},
		{"with steps left that cannot be sent", 1, "", success, end{operation.PartlyDone, operation.ByReply, "+---+", "", false, false}},
		{"with the next one unsent", 1, "", func(w *operation.Write) { w.Unsent(2) }, end{operation.PartlyDone, operation.ByReply, "+---+", "", false, false}},
		{"with the next one intended and unsent", 2, "", func(w *operation.Write) { w.Unsent(2) }, end{operation.PartlyDone, operation.ByReply, "+---+", "", false, false}},
		{"with the first unsent", 1, "", func(w *operation.Write) { w.Unsent(1) }, end{operation.NotDone, operation.NotTaken, "----+", "", false, false}},
		{"with the first refused", 1, "-", reply(operation.Refused), end{operation.NotDone, operation.ByReply, "----+", "", false, true}},
		{"with the first refused and yet seen", 1, "+", reply(operation.Refused), end{operation.PartlyDone, operation.ByReading, "+---+", "", false, false}},
		{"with the first declined", 1, "-", reply(operation.Declined), end{operation.NotDone, operation.NotTaken, "----+", "", true, false}},
		{"with the second refused", 2, "-", reply(operation.Refused), end{operation.PartlyDone, operation.ByReply, "+---+", "", false, true}},
		{"with the second refused and yet seen", 2, "+", reply(operation.Refused), end{operation.PartlyDone, operation.ByReading, "+++-+", "", false, false}},
		{"with the last refused and yet seen", 3, "+", reply(operation.Refused), end{operation.Done, operation.ByReading, "+++++", "", false, false}},
		{"with the second declined", 2, "-", reply(operation.Declined), end{operation.PartlyDone, operation.ByReply, "+---+", "", true, false}},
		{"with the second unclear", 2, "-", reply(operation.Unclear), end{operation.Unknown, "", "+??-+", "23", false, true}},
		{"with the second lost", 2, "-", reply(operation.NoReply), end{operation.Unknown, "", "+??-+", "23", false, false}},
		{"with the second lost and seen", 2, "+", reply(operation.NoReply), end{operation.PartlyDone, operation.ByReading, "+++-+", "", false, false}},
		{"with the first lost", 1, "-", reply(operation.NoReply), end{operation.Unknown, "", "?---+", "1", false, false}},
		{"with the first lost and seen", 1, "+", reply(operation.NoReply), end{operation.PartlyDone, operation.ByReading, "+---+", "", false, false}},
		{"with the third closed after it was sent", 3, "-", (*operation.Write).Close, end{operation.Unknown, "", "+++?+", "4", false, false}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				asked := r.observer.asked(c.shown)
				op := want("k", "1", "2", "3", "4", "5")
				w := r.to(r.plan(op, 1, 2, 2, 3, 0), c.steps)
				c.end(w)
				w.Close()
				got := r.wantEnd(op.ID, c.want.state, c.want.basis, c.want.entries)
				r.wantHeld(c.want.held)
				if got.HoldsKey() != (c.want.basis != operation.NotTaken) || got.RecheckAt.IsZero() == c.want.recheck || len(got.Response) > 0 != c.want.response {
					t.Errorf("it is %+v", got)
				}
				r.wantTrail(op.ID, slices.Compact([]string{"intent intent", r.journal.trailOf(op.ID)[1], "outcome " + string(c.want.state)})...)
				of := map[int]string{1: "G 1", 2: "G 23", 3: "G 4"}[c.steps]
				if other := slices.DeleteFunc(slices.Clone(*asked), func(keys string) bool { return keys == of }); len(other) > 0 || (len(*asked) > 0) != (c.shown != "" && c.name != "with the third closed after it was sent") {
					t.Errorf("entries %q were read, want %q", *asked, of)
				}
			})
		})
	}
}

func TestStepsAreFoundOut(t *testing.T) {
	for _, c := range []struct {
		name    string
		steps   int
		shown   string // of the entries of that step
		state   operation.State
		entries string // of steps 1, 2, 2, 3
		recheck string // the entries that are read once more
	}{
		{"when the first was done", 1, "+", operation.PartlyDone, "+---", ""},
		{"when the first was not done", 1, "-", operation.NotDone, "----", "1"},
		{"when the second was done", 2, "++", operation.PartlyDone, "+++-", ""},
		{"when the second was done in part", 2, "+-", operation.PartlyDone, "++--", "3"},
		{"when the second was not done", 2, "--", operation.PartlyDone, "+---", "23"},
		{"when the third was done", 3, "+", operation.Done, "++++", ""},
		{"when the third was not done", 3, "-", operation.PartlyDone, "+++-", "4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				op := want("k", "1", "2", "3", "4")
				w := r.to(r.plan(op, 1, 2, 2, 3), c.steps)
				r.observer.script(observation("n1", map[int]string{1: c.shown + "???", 2: "?" + c.shown + "?", 3: "???" + c.shown}[c.steps]))
				w.Settle(over(), operation.NoReply, nil)
				after(settle + 10*time.Second)
				r.wantEnd(op.ID, c.state, operation.ByReading, c.entries)
				r.wantHeld("")
				asked := r.observer.asked("-")
				after(recheck + time.Minute)
				want := []string{"G " + c.recheck}
				if c.recheck == "" {
					want = nil
				}
				if diff := cmp.Diff(want, *asked); diff != "" {
					t.Errorf("what was read once more (-want +got):\n%s", diff)
				}
				if got := r.wantEnd(op.ID, c.state, operation.ByReading, c.entries); got.Open() {
					t.Errorf("it is still open: %+v", got)
				}
			})
		})
	}
	t.Run("once more when the second was declined, and was done after all", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("k", "1", "2", "3")
			w := r.to(r.plan(op, 1, 2, 3), 2)
			w.Settle(t.Context(), operation.Declined, nil)
			asked := r.observer.asked("+")
			after(recheck + time.Minute)
			got := r.wantEnd(op.ID, operation.PartlyDone, operation.ByReading, "++-")
			if len(got.Corrections) != 1 || !got.HoldsKey() || !slices.Equal(*asked, []string{"G 2"}) {
				t.Errorf("%q were read, and it is %+v", *asked, got)
			}
		})
	})
	t.Run("when some entries of the second were released", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.observer.fails()
			op := want("k", "1", "2", "3", "4")
			w := r.to(r.plan(op, 1, 2, 2, 3), 2)
			w.Settle(t.Context(), operation.NoReply, nil)
			after(settle + time.Second)
			r.notReleased(op.ID, "does not hold", "1")
			r.notReleased(op.ID, "does not hold", "4")
			r.freed(op.ID, "2")
			r.wantHeld("3")
			asked := r.observer.asked("+")
			after(settle)
			r.wantEnd(op.ID, operation.Unknown, "", "+?+-")
			if slices.ContainsFunc(*asked, func(keys string) bool { return keys != "G 3" }) || len(*asked) == 0 {
				t.Errorf("%q were read", *asked)
			}
		})
	})
}
