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

// inSteps are the entries of a plan: those of an operation and more, one step for
// each, 0 for one that is as wanted.
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

// to intends the steps of a write up to one.
func (r *rig) to(w *operation.Write, last int) *operation.Write {
	r.t.Helper()
	for step := 1; step <= last; step++ {
		if err := w.Intend(r.t.Context(), step, "n1"); err != nil {
			r.t.Fatalf("Intend of step %d: %v", step, err)
		}
	}
	return w
}

// heldOf are the keys of those entries that are held.
func (r *rig) heldOf(keys ...string) string {
	return strings.Join(slices.DeleteFunc(keys, func(key string) bool { return !r.journal.held(key) }), "")
}

// wantHeld says which of the entries 1 to 5 are held.
func (r *rig) wantHeld(want string) {
	r.t.Helper()
	if got := r.heldOf("1", "2", "3", "4", "5"); got != want {
		r.t.Errorf("%q are held, want %q", got, want)
	}
}

// asked notes which entries are read, and shows nothing of them.
func (e *eyes) asked(effect string) *[]string {
	var asked []string
	e.will(func(_ context.Context, target scope.Target, entries []operation.Entry) (operation.Observation, error) {
		keys := ""
		for _, e := range entries {
			keys += e.Key
		}
		asked = append(asked, target.GroupID+" "+keys)
		return sight("n1", strings.Repeat(effect, len(entries))), nil
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
				r.told(op.ID, "intent intent")
				if got := r.get(op.ID); got.State != operation.Sent {
					t.Errorf("it is %q", got.State)
				}
				after(time.Second)
			}
			if events := r.journal.events(op.ID); len(events[0].Entries) != 5 || events[0].Entries[1].Outcome != operation.Done {
				t.Errorf("the intent tells of %+v", events[0].Entries)
			}
			got := w.Settle(t.Context(), operation.Succeeded, nil)
			if diff := cmp.Diff(got, r.wantEnd(op.ID, operation.Done, operation.ByReply, "+++++")); diff != "" {
				t.Error(diff)
			}
			r.told(op.ID, "intent intent", "outcome done")
			r.wantHeld("")
			if n := r.store.count("Record"); n != 4 || got.SentAt.Sub(got.IntendedAt) > 0 || r.eyes.count() > 0 {
				t.Errorf("%d records, and %+v", n, got)
			}
		})
	})
	t.Run("are intended again where a session was lost", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("", "1", "2")
			w := r.to(r.plan(op, 1, 2), 2)
			r.store.count("Record")
			if err := w.Intend(t.Context(), 2, "n2"); err != nil || r.store.count("Record") > 0 || r.get(op.ID).PlatformEndpoint != "n2" {
				t.Errorf("Intend: %v, and %+v", err, r.get(op.ID))
			}
			w.Leave()
		})
	})
	t.Run("come in their order", func(t *testing.T) {
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
	t.Run("take what only the plan knows with the first, or nothing", func(t *testing.T) {
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
			w.Leave()
			r.wantHeld("")
			if told := r.journal.told(op.ID); len(told) > 0 {
				t.Errorf("the trail has %v", told)
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
			r.begin(other).Leave()
		})
	})
}

func TestStepsEnd(t *testing.T) {
	type end struct {
		state   operation.State
		basis   operation.Basis
		entries string // of steps 1, 2, 2, 3, and of one that was as wanted
		held    string
		recheck bool
		told    bool
	}
	success := func(w *operation.Write) { w.Settle(context.Background(), operation.Succeeded, nil) }
	answer := func(a operation.Reply) func(*operation.Write) {
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
		{"with the first refused", 1, "-", answer(operation.Refused), end{operation.NotDone, operation.ByReply, "----+", "", false, true}},
		{"with the first refused and yet seen", 1, "+", answer(operation.Refused), end{operation.PartlyDone, operation.ByReading, "+---+", "", false, false}},
		{"with the first declined", 1, "-", answer(operation.Declined), end{operation.NotDone, operation.NotTaken, "----+", "", true, false}},
		{"with the second refused", 2, "-", answer(operation.Refused), end{operation.PartlyDone, operation.ByReply, "+---+", "", false, true}},
		{"with the second refused and yet seen", 2, "+", answer(operation.Refused), end{operation.PartlyDone, operation.ByReading, "+++-+", "", false, false}},
		{"with the last refused and yet seen", 3, "+", answer(operation.Refused), end{operation.Done, operation.ByReading, "+++++", "", false, false}},
		{"with the second declined", 2, "-", answer(operation.Declined), end{operation.PartlyDone, operation.ByReply, "+---+", "", true, false}},
		{"with the second unclear", 2, "-", answer(operation.Unclear), end{operation.Unknown, "", "+??-+", "23", false, true}},
		{"with the second lost", 2, "-", answer(operation.NoReply), end{operation.Unknown, "", "+??-+", "23", false, false}},
		{"with the second lost and seen", 2, "+", answer(operation.NoReply), end{operation.PartlyDone, operation.ByReading, "+++-+", "", false, false}},
		{"with the first lost", 1, "-", answer(operation.NoReply), end{operation.Unknown, "", "?---+", "1", false, false}},
		{"with the first lost and seen", 1, "+", answer(operation.NoReply), end{operation.PartlyDone, operation.ByReading, "+---+", "", false, false}},
		{"with the third left as it was sent", 3, "-", (*operation.Write).Leave, end{operation.Unknown, "", "+++?+", "4", false, false}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				asked := r.eyes.asked(c.shown)
				op := want("k", "1", "2", "3", "4", "5")
				w := r.to(r.plan(op, 1, 2, 2, 3, 0), c.steps)
				c.end(w)
				w.Leave()
				got := r.wantEnd(op.ID, c.want.state, c.want.basis, c.want.entries)
				r.wantHeld(c.want.held)
				if got.HoldsKey() != (c.want.basis != operation.NotTaken) || got.RecheckAt.IsZero() == c.want.recheck || len(got.Response) > 0 != c.want.told {
					t.Errorf("it is %+v", got)
				}
				r.told(op.ID, slices.Compact([]string{"intent intent", r.journal.told(op.ID)[1], "outcome " + string(c.want.state)})...)
				of := map[int]string{1: "G 1", 2: "G 23", 3: "G 4"}[c.steps]
				if other := slices.DeleteFunc(slices.Clone(*asked), func(keys string) bool { return keys == of }); len(other) > 0 || (len(*asked) > 0) != (c.shown != "" && c.name != "with the third left as it was sent") {
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
				r.eyes.script(sight("n1", map[int]string{1: c.shown + "???", 2: "?" + c.shown + "?", 3: "???" + c.shown}[c.steps]))
				w.Settle(over(), operation.NoReply, nil)
				after(settle + 10*time.Second)
				r.wantEnd(op.ID, c.state, operation.ByReading, c.entries)
				r.wantHeld("")
				asked := r.eyes.asked("-")
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
			asked := r.eyes.asked("+")
			after(recheck + time.Minute)
			got := r.wantEnd(op.ID, operation.PartlyDone, operation.ByReading, "++-")
			if len(got.Corrections) != 1 || !got.HoldsKey() || !slices.Equal(*asked, []string{"G 2"}) {
				t.Errorf("%q were read, and it is %+v", *asked, got)
			}
		})
	})
	t.Run("when some entries of the second were released", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.eyes.fail()
			op := want("k", "1", "2", "3", "4")
			w := r.to(r.plan(op, 1, 2, 2, 3), 2)
			w.Settle(t.Context(), operation.NoReply, nil)
			after(settle + time.Second)
			r.notReleased(op.ID, "does not hold", "1")
			r.notReleased(op.ID, "does not hold", "4")
			r.freed(op.ID, "2")
			r.wantHeld("3")
			asked := r.eyes.asked("+")
			after(settle)
			r.wantEnd(op.ID, operation.Unknown, "", "+?+-")
			if slices.ContainsFunc(*asked, func(keys string) bool { return keys != "G 3" }) || len(*asked) == 0 {
				t.Errorf("%q were read", *asked)
			}
		})
	})
}

func TestFurtherIntentThatIsNotRecorded(t *testing.T) {
	for name, f := range map[string]fault{
		"because the store failed": fails, "although it is there, its answer lost": forgets,
		"because the store hangs": hangs, "although it is there at last": hangsLate,
	} {
		t.Run(name, func(t *testing.T) {
			for end, by := range map[string]func(*operation.Write){"Leave": (*operation.Write).Leave, "Unsent": func(w *operation.Write) { w.Unsent(2) }} {
				bubble(t, func(t *testing.T, r *rig) {
					op := want("k", "1", "2", "3")
					w := r.to(r.plan(op, 1, 2, 3), 1)
					r.store.will(f, "Record")
					if err := w.Intend(t.Context(), 2, "n1"); !errors.Is(err, operation.ErrUnusable) || errors.Is(err, operation.ErrConflict) {
						t.Fatalf("Intend: %v", err)
					}
					r.store.will(fails)
					by(w)
					w.Leave()
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
	// taken has another replica take a write of three steps over after its first,
	// whose owner is alive and has not been heard of for too long.
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
	t.Run("a write cannot go on, and what was sent is read back", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op, w, b := taken(t, r)
			asked := b.eyes.asked("-")
			after(6 * time.Second)
			if got := r.journal.stored(op.ID); got.State != operation.Unknown || outcomes(got) != "?--" || got.Step != 1 {
				t.Errorf("it was taken over as %+v", got)
			}
			r.wantHeld("1")
			other := b.send(want("", "2")) // it is free
			cannotGoOn(t, w)
			w.Leave()
			r.store.will(works)
			b.eyes.will(func(_ context.Context, _ scope.Target, entries []operation.Entry) (operation.Observation, error) {
				if len(entries) != 1 || entries[0].Key != "1" {
					t.Errorf("%+v are read", entries)
				}
				return sight("n1", "+"), nil
			})
			after(settle + 10*time.Second)
			r.wantEnd(op.ID, operation.PartlyDone, operation.ByReading, "+--")
			r.told(op.ID, "intent intent", "outcome unknown", "outcome partly_done")
			if slices.ContainsFunc(*asked, func(keys string) bool { return keys != "G 1" }) {
				t.Errorf("%q were read", *asked)
			}
			other.Settle(t.Context(), operation.Succeeded, nil)
			if got := r.get(op.ID); got.State != operation.PartlyDone {
				t.Errorf("its former owner says that it is %q", got.State)
			}
		})
	})
	t.Run("a write cannot go on that came back when the other had concluded", func(t *testing.T) {
		for answer, state := range map[operation.Reply]operation.State{operation.Succeeded: operation.PartlyDone, operation.NoReply: operation.Unknown} {
			bubble(t, func(t *testing.T, r *rig) {
				op, w, b := taken(t, r)
				b.eyes.fail()
				after(6 * time.Second)
				b.die()
				after(lease)
				r.store.will(works)
				after(6 * time.Second) // it is A's again
				if got := r.journal.stored(op.ID); got.Owner != "A" || got.State != operation.Unknown {
					t.Fatalf("it is %+v", got)
				}
				r.eyes.fail()
				cannotGoOn(t, w)
				w.Settle(t.Context(), answer, nil)
				got := r.journal.stored(op.ID)
				if got.State != state || outcomes(got)[1:] != "--" || got.HoldsKey() != true {
					t.Errorf("it is %+v", got)
				}
			})
		}
	})
	t.Run("a write goes on that came back before the other had concluded", func(t *testing.T) {
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
	t.Run("a write that has met the other cannot go on, although that did nothing", func(t *testing.T) {
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
			w.Leave()
			r.wantEnd(op.ID, operation.PartlyDone, operation.ByReply, "+-")
		})
	})
	t.Run("a write is read back of which the next step may have been sent", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("k", "1", "2", "3")
			r.to(r.plan(op, 1, 2, 3), 2)
			r.die()
			after(lease)
			b := newRig(t, r.journal, "B")
			asked := b.eyes.asked("+")
			after(6 * time.Second)
			b.wantEnd(op.ID, operation.PartlyDone, operation.ByReading, "++-")
			if !slices.Equal(*asked, []string{"G 2"}) {
				t.Errorf("%q were read", *asked)
			}
		})
	})
}

func TestUnneeded(t *testing.T) {
	t.Run("ends as done by reading, with its key and without an intent", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("k", "1", "2")
			w := r.begin(op)
			got, err := w.Unneeded(inSteps(op, 0, 0))
			if err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(got, r.wantEnd(op.ID, operation.Done, operation.ByReading, "++")); diff != "" {
				t.Error(diff)
			}
			w.Leave()
			w.Unsent(1)
			if err := w.Intend(t.Context(), 1, "n1"); err == nil {
				t.Error("it may be sent")
			}
			r.told(op.ID, "outcome done")
			r.wantHeld("")
			if !got.HoldsKey() || !got.IntendedAt.IsZero() || !got.SentAt.IsZero() || got.Step != 0 || got.Open() {
				t.Errorf("it is %+v", got)
			}
			if _, err := r.Begin(t.Context(), want("k", "1", "2")); err == nil {
				t.Error("its key is free")
			}
			if recorded, _, _ := r.traced(); !slices.Equal(recorded, []operation.State{operation.Done}) {
				t.Errorf("traced %v", recorded)
			}
			after(recheck + time.Minute)
			if r.eyes.count() > 0 {
				t.Error("it is read back")
			}
		})
	})
	t.Run("does not count until it is recorded, and is abandoned", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("k", "1")
			w := r.begin(op)
			r.store.will(fails, "Record")
			got, err := w.Unneeded(inSteps(op, 0))
			if !errors.Is(err, operation.ErrUnusable) || got.State != operation.Received || w.State() != operation.Received {
				t.Errorf("it is %q: %v", got.State, err)
			}
			w.Leave()
			r.store.will(works)
			after(2 * time.Second)
			r.wantHeld("")
			if recorded, _, _ := r.traced(); len(recorded) > 0 {
				t.Errorf("traced %v", recorded)
			}
			if _, err := r.Begin(t.Context(), want("k", "1")); err != nil {
				t.Errorf("its key is not free: %v", err)
			}
		})
	})
	t.Run("does nothing once it may have been sent", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("k", "1")
			w := r.send(op)
			if got, err := w.Unneeded(inSteps(op, 0)); got.State != operation.Sent || err != nil {
				t.Errorf("it is %q: %v", got.State, err)
			}
			w.Settle(t.Context(), operation.Succeeded, nil)
			r.wantEnd(op.ID, operation.Done, operation.ByReply, "+")
		})
	})
}
