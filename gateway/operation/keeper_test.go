package operation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

func TestWriteGoesThroughItsStates(t *testing.T) {
	t.Run("from received over intent and sent to done", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("k", "1", "2")
			w := r.begin(op)
			if got := r.get(op.ID).State; got != operation.Received || w.State() != got {
				t.Errorf("after Begin it is %q", got)
			}
			if got := r.journal.told(op.ID); len(got) > 0 {
				t.Errorf("the trail tells %v of what is only received", got)
			}
			if err := r.intend(w, op, "n1"); err != nil {
				t.Fatal(err)
			}
			r.stored(op.ID, operation.Intent, "")
			if got := r.get(op.ID); got.State != operation.Sent || got.SentAt.IsZero() || got.PlatformEndpoint != "n1" || string(got.Entries[1].After) != `{"groupId":"G"}` {
				t.Errorf("after Intend it is %+v", got)
			}
			op = w.Settle(t.Context(), operation.Succeeded, nil)
			w.Leave()
			if diff := cmp.Diff(op, r.stored(op.ID, operation.Done, operation.ByReply)); diff != "" {
				t.Errorf("Settle returned something else than is stored:\n%s", diff)
			}
			if outcomes(op) != "++" || op.EndedAt.IsZero() || op.KeyExpires.Sub(op.ReceivedAt) != 24*time.Hour {
				t.Errorf("it ended as %+v", op)
			}
			want := []string{"intent intent", "outcome done"}
			if diff := cmp.Diff(want, r.journal.told(op.ID)); diff != "" {
				t.Errorf("the trail tells:\n%s", diff)
			}
			if recorded, resolved, _ := r.traced(); !slices.Equal(recorded, []operation.State{operation.Done}) || resolved != nil {
				t.Errorf("traced %v, %v", recorded, resolved)
			}
			if r.journal.held("1") || r.eyes.count() > 0 {
				t.Error("it still holds its entries, or was read back")
			}
		})
	})
	t.Run("notes the other node of another session, with one intent", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("", "1")
			w := r.send(op)
			r.store.count("Record")
			if err := r.intend(w, op, "n2"); err != nil || r.store.count("Record") > 0 {
				t.Errorf("the second Intend: %v, and a record", err)
			}
			w.Settle(t.Context(), operation.Succeeded, nil)
			if got := r.stored(op.ID, operation.Done, operation.ByReply).PlatformEndpoint; got != "n2" {
				t.Errorf("the node is %q", got)
			}
			if diff := cmp.Diff([]string{"intent intent", "outcome done"}, r.journal.told(op.ID)); diff != "" {
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
			w.Leave()
			if got := w.Settle(t.Context(), operation.NoReply, nil); got.State != operation.Done {
				t.Errorf("it is %q now", got.State)
			}
			r.stored(op.ID, operation.Done, operation.ByReply)
			if got := r.journal.told(op.ID); len(got) != 2 {
				t.Errorf("the trail tells %v", got)
			}
		})
	})
	t.Run("keeps what the caller was told where a refusal stands", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("", "1")
			r.send(op).Settle(t.Context(), operation.Refused, json.RawMessage(`{"a":1}`))
			if got := r.stored(op.ID, operation.NotDone, operation.ByReply); string(got.Response) != `{"a":1}` {
				t.Errorf("the answer is %s", got.Response)
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
		{"although it is there, its answer lost", forgets, true},
		{"although its event is there", halves, false},
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
				w.Leave()
				if got := r.get(op.ID); got.State != operation.NotDone || got.Basis != operation.NotTaken {
					t.Errorf("before the store is back it is %q by %q", got.State, got.Basis)
				}
				r.store.will(works)
				after(2 * time.Second)
				r.stored(op.ID, operation.NotDone, operation.NotTaken)
				r.begin(want("k", "1")).Leave() // both are free again
				if r.eyes.count() > 0 {
					t.Error("what was not sent was read back")
				}
			})
		})
	}
	t.Run("is tried again under another version", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("", "1")
			w := r.begin(op)
			r.store.will(forgets, "Record")
			if r.intend(w, op, "n1") == nil {
				t.Fatal("an intent whose answer was lost may be sent")
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
	t.Run("of somebody who was forgotten, since they were taken for dead", func(t *testing.T) {
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
			w.Leave()
			r.store.will(works)
			after(time.Minute)
			r.stored(op.ID, operation.NotDone, operation.NotTaken)
			r.told(op.ID, "outcome not_done")
			if _, err := r.Begin(t.Context(), want("k", "2")); !errors.As(err, new(*operation.KeyUsedError)) {
				t.Errorf("Begin with the key of the other: %v", err)
			}
			other.Leave()
		})
	})
}

func TestLeave(t *testing.T) {
	for _, tc := range []struct {
		name  string
		to    func(*rig, operation.Operation) *operation.Write
		state operation.State
		basis operation.Basis
	}{
		{"forgets what is only received", (*rig).begin, "", ""},
		{"takes what was sent for unknown", (*rig).send, operation.Unknown, ""},
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
					defer w.Leave()
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
	t.Run("leaves what is only received to Leave", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			w := r.begin(want("k", "1"))
			w.Unsent(1)
			if w.State() != operation.Received {
				t.Errorf("it is %q", w.State())
			}
			w.Leave()
			r.begin(want("k", "1")).Leave()
		})
	})
	t.Run("ends what was not sent, and frees its key", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("k", "1")
			r.send(op).Unsent(1)
			r.stored(op.ID, operation.NotDone, operation.NotTaken)
			r.begin(want("k", "1")).Leave()
			after(recheck + time.Minute)
			if r.eyes.count() > 0 {
				t.Error("what was not sent was read back")
			}
		})
	})
}

func TestSettle(t *testing.T) {
	const blind, late = "the platform does not answer", "the caller has gone"
	type end struct {
		state    operation.State
		basis    operation.Basis
		outcomes string
	}
	var (
		byAnswer = end{operation.Done, operation.ByReply, "++"}
		refused  = end{operation.NotDone, operation.ByReply, "--"}
		unknown  = end{operation.Unknown, "", "??"}
		seen     = end{operation.Done, operation.ByReading, "++"}
	)
	for _, tc := range []struct {
		answer operation.Reply
		name   string
		ends   map[string]end // by what is to be seen
	}{
		{operation.Succeeded, "a success", map[string]end{
			"++": byAnswer, "--": byAnswer, "+-": byAnswer, "!?": byAnswer, blind: byAnswer, late: byAnswer,
		}},
		{operation.Refused, "a refusal", map[string]end{
			"++": seen, "--": refused, "+-": unknown, "?-": refused, "??": refused,
			"!+": unknown, "!-": unknown, "+?": unknown, blind: unknown, late: unknown,
		}},
		{operation.Declined, "a denial", map[string]end{
			"++": seen, "--": {operation.NotDone, operation.NotTaken, "--"}, "+-": unknown, "??": {operation.NotDone, operation.NotTaken, "--"},
			"+?": unknown, blind: unknown, late: unknown,
		}},
		{operation.Unclear, "an unclear answer", map[string]end{
			"++": seen, "--": unknown, "+-": unknown, "?-": unknown, "??": unknown,
			"!+": unknown, "!-": unknown, "+?": unknown, blind: unknown, late: unknown,
		}},
		{operation.NoReply, "no answer", map[string]end{
			"++": seen, "--": unknown, "+-": unknown, "?-": unknown, "??": unknown,
			"!+": unknown, "!-": unknown, "+?": unknown, blind: unknown, late: unknown,
		}},
	} {
		for shown, want := range tc.ends {
			t.Run(fmt.Sprintf("%s and %s make it %s", tc.name, shown, want.state), func(t *testing.T) {
				bubble(t, func(t *testing.T, r *rig) { settles(t, r, tc.answer, shown, want.state, want.basis, want.outcomes) })
			})
		}
	}
	t.Run("tells an unknown one of before it reads", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("", "1")
			r.eyes.will(func(context.Context, scope.Target, []operation.Entry) (operation.Observation, error) {
				r.stored(op.ID, operation.Unknown, "")
				return sight("n1", "+"), nil
			})
			r.send(op).Settle(t.Context(), operation.NoReply, nil)
			recorded, resolved, _ := r.traced()
			if !slices.Equal(recorded, []operation.State{operation.Unknown}) || !slices.Equal(resolved, []operation.State{operation.Done}) {
				t.Errorf("traced %v, %v", recorded, resolved)
			}
			if diff := cmp.Diff([]string{"intent intent", "outcome unknown", "outcome done"}, r.journal.told(op.ID)); diff != "" {
				t.Error(diff)
			}
		})
	})
	t.Run("does not believe a reading of other entries", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.eyes.script(sight("n1", "+"))
			op := want("", "1", "2")
			if got := r.send(op).Settle(t.Context(), operation.Unclear, nil); got.State != operation.Unknown {
				t.Errorf("it is %q", got.State)
			}
		})
	})
}

// settles has one write with two entries settle.
func settles(t *testing.T, r *rig, answer operation.Reply, shown string, state operation.State, basis operation.Basis, entries string) {
	t.Helper()
	ctx := t.Context()
	switch len(shown) {
	case 2:
		r.eyes.see(shown)
	case len("the platform does not answer"):
		r.eyes.fail()
	default:
		ctx = over()
	}
	op := want("k", "1", "2")
	w := r.send(op)
	got := w.Settle(ctx, answer, json.RawMessage(`"no"`))
	w.Leave()
	if kept := len(got.Response) > 0; kept != (state != operation.Done && (answer == operation.Refused || answer == operation.Unclear)) {
		t.Errorf("what was told is kept: %t", kept)
	}
	if diff := cmp.Diff(got, r.stored(op.ID, state, basis)); diff != "" {
		t.Errorf("Settle returned something else than is stored:\n%s", diff)
	}
	if outcomes(got) != entries {
		t.Errorf("the outcomes of the entries are %s, want %s", outcomes(got), entries)
	}
	if recheckAt := got.RecheckAt; recheckAt.IsZero() == (basis == operation.NotTaken) {
		t.Errorf("it is looked at once more at %v", recheckAt)
	}
	if r.journal.held("1") == state.Ended() || r.Unresolved() > 0 == state.Ended() {
		t.Errorf("the entries are held: %v, unresolved are %d", r.journal.held("1"), r.Unresolved())
	}
	if told := r.journal.told(op.ID); told[len(told)-1] != "outcome "+string(state) {
		t.Errorf("the trail tells %v", told)
	}
}

func TestUnknown(t *testing.T) {
	// ends has an operation of two entries be unknown from now on, sees what
	// is scripted, and tells how long it was unknown and how often it was read.
	ends := func(t *testing.T, r *rig, state operation.State, entries string) (time.Duration, int) {
		t.Helper()
		id := r.doubt(want("k", "1", "2"))
		began := time.Now()
		for r.Unresolved() > 0 && time.Since(began) < 5*time.Minute {
			after(time.Second / 10)
		}
		took := time.Since(began)
		op := r.stored(id, state, operation.ByReading)
		if outcomes(op) != entries {
			t.Errorf("the outcomes of the entries are %s, want %s", outcomes(op), entries)
		}
		if !op.HoldsKey() || op.RecheckAt.IsZero() != (state == operation.Done) {
			t.Errorf("it is %+v", op)
		}
		return took, r.eyes.read(r.journal.stored(id))
	}
	n1 := func(effects string) operation.Observation { return sight("n1", effects) }
	n2 := func(effects string) operation.Observation { return sight("n2", effects) }
	// first are so many readings that show nothing: six before the settle time
	// is over, and one right then.
	first := func(many int) []operation.Observation { return slices.Repeat([]operation.Observation{n1("--")}, many) }
	for _, tc := range []struct {
		name    string
		sights  []operation.Observation
		state   operation.State
		entries string
		took    time.Duration
		most    int // readings
	}{
		{"is done as soon as that is seen", []operation.Observation{n1("--"), n1("--"), n1("++")}, operation.Done, "++", 4 * time.Second, 3},
		{"is done by what any node shows", []operation.Observation{n1("--"), n2("++")}, operation.Done, "++", 2 * time.Second, 2},
		{"is not done by two readings after the settle time", []operation.Observation{n1("--")}, operation.NotDone, "--", 31 * time.Second, 8},
		{"is not done where others have the entries", []operation.Observation{n1("??")}, operation.NotDone, "--", 31 * time.Second, 8},
		{"is partly done by two readings after the settle time", []operation.Observation{n1("+-")}, operation.PartlyDone, "+-", 31 * time.Second, 8},
		{"is what the list of the group shows where the other one differs for good", []operation.Observation{n1("!-")}, operation.PartlyDone, "+-", 31 * time.Second, 8},
		{"is done by seeing it in the second of two readings", append(first(7), n1("++")), operation.Done, "++", 31 * time.Second, 8},
		{"needs two readings of the same node", append(first(7), n2("--"), sight("n3", "--")), operation.NotDone, "--", 33 * time.Second, 10},
		{"needs two readings that agree", append(first(7), n1("+-")), operation.PartlyDone, "+-", 33 * time.Second, 9},
		{"needs the nodes to agree", append(first(7), n2("+-"), n1("--")), operation.NotDone, "--", 37 * time.Second, 10},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.eyes.script(tc.sights...)
				took, read := ends(t, r, tc.state, tc.entries)
				if took < tc.took || took > tc.took+time.Second || read > tc.most {
					t.Errorf("it took %v and %d readings, want %v and %d", took, read, tc.took, tc.most)
				}
			})
		})
	}
	t.Run("is not proven not done by readings that began before the settle time, however long they take", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.eyes.will(func(context.Context, scope.Target, []operation.Entry) (operation.Observation, error) {
				time.Sleep(20 * time.Second)
				return n1("--"), nil
			})
			// Readings begin after 1, 22 and 42 s, and at 63 s.
			if took, read := ends(t, r, operation.NotDone, "--"); took < 80*time.Second || read != 4 {
				t.Errorf("it took %v and %d readings", took, read)
			}
		})
	})
	t.Run("needs a second between the end of one reading and the next", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			var ended time.Time
			r.eyes.will(func(context.Context, scope.Target, []operation.Entry) (operation.Observation, error) {
				if d := time.Since(ended); d < time.Second {
					t.Errorf("a reading began %v after one", d)
				}
				time.Sleep(1500 * time.Millisecond)
				ended = time.Now()
				return n1("--"), nil
			})
			ends(t, r, operation.NotDone, "--")
		})
	})
	t.Run("stays unknown while nodes contradict each other, and is read ever less", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			turn := 0
			r.eyes.will(func(context.Context, scope.Target, []operation.Entry) (operation.Observation, error) {
				turn++
				return [...]operation.Observation{n1("--"), n2("+-")}[turn%2], nil
			})
			id := r.doubt(want("", "1", "2"))
			after(30 * time.Minute)
			r.stored(id, operation.Unknown, "")
			if read := r.eyes.count(); read < 100 || read > 200 {
				t.Errorf("it was read %d times in 30 min", read)
			}
			r.eyes.see("--")
			after(12 * time.Second)
			r.stored(id, operation.NotDone, operation.ByReading)
		})
	})
	t.Run("is read again while the platform does not answer, and soon after it does", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.eyes.fail()
			id := r.doubt(want("", "1"))
			after(10 * time.Minute)
			if read := r.eyes.count(); read < 55 || read > 70 {
				t.Errorf("it was read %d times in 10 min", read)
			}
			r.stored(id, operation.Unknown, "")
			r.eyes.see("-")
			after(12 * time.Second)
			r.stored(id, operation.NotDone, operation.ByReading)
		})
	})
	t.Run("gives up a reading that hangs", func(t *testing.T) {
		bubble(t, func(_ *testing.T, r *rig) {
			r.eyes.will(func(ctx context.Context, _ scope.Target, _ []operation.Entry) (operation.Observation, error) {
				<-ctx.Done()
				return operation.Observation{}, ctx.Err()
			})
			id := r.doubt(want("", "1"))
			after(time.Minute)
			r.eyes.see("+")
			after(time.Minute)
			r.stored(id, operation.Done, operation.ByReading)
		})
	})
	t.Run("holds its entries and its key until it ends", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			id := r.doubt(want("k", "1", "2"))
			_, err := r.Begin(t.Context(), want("other", "2", "3"))
			if held, ok := errors.AsType[*operation.HeldError](err); !ok || held.ID != id || !slices.Equal(held.Held, []operation.Claim{{Kind: "range", Key: "2"}}) {
				t.Errorf("Begin: %v", err)
			}
			after(32 * time.Second)
			r.begin(want("other", "2", "3")).Leave()
			if _, err := r.Begin(t.Context(), want("k", "1")); err == nil {
				t.Error("its key is free")
			}
		})
	})
}

// It would panic again after every start.
func TestReadingThatPanicsIsNone(t *testing.T) {
	bubble(t, func(_ *testing.T, r *rig) {
		r.eyes.will(func(context.Context, scope.Target, []operation.Entry) (operation.Observation, error) { panic("a reading") })
		id := r.doubt(want("", "1"))
		after(time.Minute)
		r.stored(id, operation.Unknown, "")
		r.eyes.see("+")
		after(time.Minute)
		r.stored(id, operation.Done, operation.ByReading)
	})
}

func TestManyDoubts(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		const many = 1000
		r.eyes.will(func(context.Context, scope.Target, []operation.Entry) (operation.Observation, error) {
			time.Sleep(50 * time.Millisecond)
			return sight("n1", "-"), nil
		})
		var ids []string
		for i := range many {
			ids = append(ids, r.doubt(want("", fmt.Sprint(i))))
		}
		after(3 * time.Minute)
		for _, id := range ids {
			r.stored(id, operation.NotDone, operation.ByReading)
			if n := r.eyes.read(r.journal.stored(id)); n > 8 {
				t.Errorf("%s was read %d times", id, n)
			}
		}
		if n := r.eyes.atOnce(); n > 4 {
			t.Errorf("%d readings were under way at once", n)
		}
		after(recheck + time.Minute)
		for _, id := range ids {
			if op := r.stored(id, operation.NotDone, operation.ByReading); op.Open() {
				t.Errorf("%s was not looked at once more", id)
			}
		}
	})
}

func TestRecheck(t *testing.T) {
	// notDone makes an operation that was found not to be done, or partly.
	notDone := func(r *rig, shown string) string {
		r.eyes.see(shown)
		id := r.doubt(want("k", "1", "2"))
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
		{"corrects what was partly done, whatever became of the other part", "+-", "-+", operation.Done, "++", true},
		{"leaves what is still not done", "--", "--", operation.NotDone, "--", false},
		{"leaves what is not clear", "--", "!!", operation.NotDone, "--", false},
		{"leaves what was done and is no more", "+-", "--", operation.PartlyDone, "+-", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				id := notDone(r, tc.first)
				before := r.journal.stored(id)
				r.eyes.see(tc.then)
				r.eyes.count()
				after(recheck)
				op := r.stored(id, tc.state, operation.ByReading)
				if op.Open() || outcomes(op) != tc.entries || r.eyes.count() != 1 {
					t.Errorf("it is %+v", op)
				}
				_, resolved, corrected := r.traced()
				events := r.journal.told(id)
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
					t.Errorf("corrected %v, resolved %v, the trail tells %v", corrected, resolved, events)
				}
				after(2 * recheck)
				if r.eyes.count() > 0 {
					t.Error("it was looked at once more")
				}
			})
		})
	}
	t.Run("leaves what others have touched since", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			id := notDone(r, "--")
			r.send(want("", "2", "1")).Settle(t.Context(), operation.Succeeded, nil)
			r.eyes.see("++")
			after(recheck)
			if op := r.stored(id, operation.NotDone, operation.ByReading); op.Open() || op.Corrections != nil {
				t.Errorf("it is %+v", op)
			}
		})
	})
	t.Run("corrects what others have not touched since, and leaves the rest", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			id := notDone(r, "--")
			r.send(want("", "2")).Settle(t.Context(), operation.Succeeded, nil)
			r.eyes.see("++")
			after(recheck)
			op := r.stored(id, operation.PartlyDone, operation.ByReading)
			if op.Open() || outcomes(op) != "+-" || len(op.Corrections) != 1 {
				t.Errorf("it is %+v", op)
			}
			r.told(id, "intent intent", "outcome unknown", "outcome not_done", "correction partly_done")
		})
	})
	t.Run("minds nothing of what others have done to the other entries", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			id := notDone(r, "+-")
			r.send(want("", "1")).Settle(t.Context(), operation.Succeeded, nil)
			r.eyes.see("-+")
			after(recheck)
			if op := r.stored(id, operation.Done, operation.ByReading); op.Open() || len(op.Corrections) != 1 {
				t.Errorf("it is %+v", op)
			}
		})
	})
	t.Run("is not done early by requests that ask what became of it", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			id := notDone(r, "--")
			r.eyes.count()
			for range 10 {
				r.Resolve(t.Context(), r.get(id))
			}
			r.Resolve(t.Context(), operation.Operation{ID: id, State: operation.Unknown}) // an old one
			if r.eyes.count() > 0 || r.stored(id, operation.NotDone, operation.ByReading).RecheckAt.IsZero() {
				t.Error("it was looked at once more already")
			}
		})
	})
	t.Run("is tried again when the platform or the store failed", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			id := notDone(r, "--")
			r.eyes.fail()
			after(recheck + time.Minute)
			r.eyes.see("++")
			r.store.will(fails, "Touched")
			after(time.Minute)
			r.store.will(forgets, "Record")
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
	t.Run("does not take back a correction whose answer was lost", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			id := notDone(r, "--")
			r.eyes.see("++")
			r.store.will(forgets, "Record")
			after(recheck)
			r.stored(id, operation.Done, operation.ByReading)
			r.store.will(works)
			w := r.send(want("", "1"))
			r.eyes.see("--")
			w.Settle(t.Context(), operation.Succeeded, nil)
			after(time.Minute)
			r.stored(id, operation.Done, operation.ByReading)
		})
	})
	t.Run("survives a restart", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			id := notDone(r, "--")
			r.die()
			after(time.Minute)
			b := newRig(t, r.journal, "B")
			b.eyes.see("++")
			after(recheck)
			op := b.stored(id, operation.Done, operation.ByReading)
			if _, _, corrected := b.traced(); len(corrected) != 1 || len(op.Corrections) != 1 || b.eyes.count() != 1 {
				t.Errorf("it is %+v", op)
			}
		})
	})
}

// A write that the platform did not look at, as it says, is looked at once more.
// Its key and its entries are free at once, and stay so.
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
			t.Errorf("it is told otherwise than it is stored:\n%s", diff)
		}
		r.begin(want("k", "1", "2")).Leave()
		r.eyes.count()
		return op.ID
	}
	// corrected demands that a replica has found it done.
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
		if diff := cmp.Diff(want, r.journal.told(id)); diff != "" {
			t.Error(diff)
		}
	}
	t.Run("corrects what is done after all", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			id := decline(t, r)
			r.eyes.see("++")
			after(recheck - 2*time.Second)
			if n := r.eyes.count(); n > 0 {
				t.Errorf("it was read %d times early", n)
			}
			after(4 * time.Second)
			corrected(t, r, id)
			r.begin(want("k", "1", "2")).Leave()
			after(2 * recheck)
			if n := r.eyes.count(); n != 1 {
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
			if n := r.eyes.count(); n != 1 {
				t.Errorf("it was read %d times", n)
			}
		})
	})
	t.Run("leaves what others have touched since, under the same key", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			id := decline(t, r)
			again := want("k", "1", "2")
			r.send(again).Settle(t.Context(), operation.Succeeded, nil)
			r.eyes.see("++")
			after(recheck + time.Second)
			if op := r.stored(id, operation.NotDone, operation.NotTaken); op.Open() || op.Corrections != nil {
				t.Errorf("it is %+v", op)
			}
			wantKeyOf(t, r, again.ID)
		})
	})
	t.Run("leaves the key to others when it is corrected", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			id := decline(t, r)
			other := want("k", "3")
			r.send(other).Settle(t.Context(), operation.Succeeded, nil)
			r.eyes.see("++")
			after(recheck + time.Second)
			corrected(t, r, id)
			wantKeyOf(t, r, other.ID)
		})
	})
	t.Run("survives a restart", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			id := decline(t, r)
			r.die()
			after(time.Minute)
			b := newRig(t, r.journal, "B")
			b.eyes.see("++")
			b.begin(want("k", "1", "2")).Leave()
			after(recheck)
			corrected(t, b, id)
		})
	})
	t.Run("is recorded when the store is well again", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("k", "1", "2")
			w := r.send(op)
			r.store.will(fails, "Record")
			w.Settle(t.Context(), operation.Declined, nil)
			r.eyes.see("++")
			after(recheck + time.Minute)
			r.store.will(works)
			after(retryWithin + time.Minute)
			corrected(t, r, op.ID)
		})
	})
}

// wantKeyOf demands that the key "k" is that of an operation.
func wantKeyOf(t *testing.T, r *rig, id string) {
	t.Helper()
	_, err := r.Begin(t.Context(), want("k", "9"))
	if used, ok := errors.AsType[*operation.KeyUsedError](err); !ok || used.Operation.ID != id {
		t.Errorf("Begin: %v, want that the key is that of %s", err, id)
	}
}

func TestStoreIsDown(t *testing.T) {
	for _, f := range []fault{fails, forgets, halves, hangs, hangsLate} {
		t.Run(fmt.Sprintf("at the end of a write, in the manner of fault %d: the outcome is told, and recorded later", f), func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				op := want("k", "1")
				w := r.send(op)
				r.store.will(f)
				if got := w.Settle(t.Context(), operation.Succeeded, nil); got.State != operation.Done {
					t.Fatalf("it is %q", got.State)
				}
				for range 30 {
					if got := r.get(op.ID); got.State != operation.Done {
						t.Fatalf("it is %q meanwhile", got.State)
					}
					after(time.Second)
				}
				r.store.will(works)
				after(retryWithin)
				r.stored(op.ID, operation.Done, operation.ByReply)
				_, err := r.Begin(t.Context(), want("k", "2"))
				if used, ok := errors.AsType[*operation.KeyUsedError](err); !ok || used.Operation.State != operation.Done {
					t.Errorf("Begin: %v", err)
				}
			})
		})
		t.Run(fmt.Sprintf("when a write is read back, in the manner of fault %d: what was read stays true", f), func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				id := r.doubt(want("", "1"))
				r.eyes.see("+")
				r.store.will(f, "Record")
				after(15 * time.Second)
				// What is recorded, its answer lost, does not hold its entry
				// any more, and others undo it.
				r.eyes.see("-")
				if got := r.get(id); got.State != operation.Done {
					t.Errorf("it is %q meanwhile", got.State)
				}
				r.eyes.count()
				after(2 * time.Minute)
				r.store.will(works)
				after(retryWithin + time.Minute)
				r.stored(id, operation.Done, operation.ByReading)
				if r.eyes.count() > 0 {
					t.Error("it was read again, after what became of it was known")
				}
				if _, resolved, _ := r.traced(); !slices.Equal(resolved, []operation.State{operation.Done}) {
					t.Errorf("resolved %v", resolved)
				}
			})
		})
	}
	t.Run("an unknown write is known as that, and read back when it is recorded", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("", "1")
			w := r.send(op)
			r.eyes.see("+")
			r.store.will(hangs)
			if got := w.Settle(t.Context(), operation.NoReply, nil); got.State != operation.Unknown {
				t.Errorf("it is %q", got.State)
			}
			after(time.Minute)
			if got := r.get(op.ID); got.State != operation.Unknown {
				t.Errorf("it is %q", got.State)
			}
			r.store.will(works)
			after(retryWithin)
			r.stored(op.ID, operation.Done, operation.ByReading)
			if diff := cmp.Diff([]string{"intent intent", "outcome unknown", "outcome done"}, r.journal.told(op.ID)); diff != "" {
				t.Error(diff)
			}
		})
	})
	t.Run("nothing begins, and what began all the same is abandoned", func(t *testing.T) {
		for f, within := range map[fault]time.Duration{
			fails: 0, forgets: 0, hangs: retryWithin, hangsLate: retryWithin, // the house may be waiting for the store
		} {
			bubble(t, func(t *testing.T, r *rig) {
				r.store.will(f)
				op := want("k", "1")
				if _, err := r.Begin(t.Context(), op); !errors.Is(err, operation.ErrUnusable) {
					t.Fatalf("Begin: %v", err)
				}
				r.store.will(fails)
				if _, err := r.Get(t.Context(), op.ID); !errors.Is(err, operation.ErrUnusable) {
					t.Errorf("Get: %v", err)
				}
				after(within)
				r.store.will(works)
				after(2 * time.Second)
				if _, err := r.Get(t.Context(), op.ID); !errors.Is(err, operation.ErrNotFound) {
					t.Errorf("Get: %v", err)
				}
				r.begin(want("k", "1")).Leave()
			})
		}
	})
	t.Run("what could not be abandoned is abandoned later", func(t *testing.T) {
		bubble(t, func(_ *testing.T, r *rig) {
			w := r.begin(want("k", "1"))
			r.store.will(fails)
			w.Leave()
			after(time.Minute)
			r.store.will(works)
			after(retryWithin)
			r.begin(want("k", "1")).Leave()
		})
	})
	t.Run("Get and List say so, of what is not known here", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.store.will(fails)
			if _, err := r.Get(t.Context(), operation.NewID()); !errors.Is(err, operation.ErrUnusable) {
				t.Errorf("Get: %v", err)
			}
			if _, err := r.List(t.Context(), operation.Query{Limit: 1}); !errors.Is(err, operation.ErrUnusable) {
				t.Errorf("List: %v", err)
			}
			if err := r.Note(t.Context(), operation.Event{}); err == nil {
				t.Error("Note succeeds")
			}
		})
	})
	t.Run("what is left is recorded at Close", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("k", "1")
			w := r.send(op)
			r.store.will(fails)
			w.Settle(t.Context(), operation.Succeeded, nil)
			after(500 * time.Millisecond)
			r.store.will(works)
			r.Close(context.Background())
			r.stored(op.ID, operation.Done, operation.ByReply)
		})
	})
}

// retryWithin is how long it may take until a store that is back is told of
// what it has missed. One that hung may have been waited for.
const retryWithin = 12 * time.Second

func TestOutcomesAreRecordedOnce(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		// The house looks after what is unrecorded while writes are recording.
		var writers sync.WaitGroup
		var ids []string
		for i := range 200 {
			op := want("", fmt.Sprint(i))
			ids = append(ids, op.ID)
			writers.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Millisecond)
				w := r.send(op)
				r.store.slow(250 * time.Millisecond)
				w.Settle(t.Context(), operation.Succeeded, nil)
			})
		}
		writers.Wait()
		for _, id := range ids {
			if diff := cmp.Diff([]string{"intent intent", "outcome done"}, r.journal.told(id)); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

func TestReplicas(t *testing.T) {
	// three replicas of which the first one dies
	replicas := func(t *testing.T, r *rig) (b, c *rig) {
		return newRig(t, r.journal, "B"), newRig(t, r.journal, "C")
	}
	t.Run("exactly one takes over what a dead one was sending", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			b, c := replicas(t, r)
			op := want("k", "1")
			r.send(op)
			r.die()
			after(lease + 6*time.Second)
			r.stored(op.ID, operation.Unknown, "")
			if n := b.Unresolved() + c.Unresolved(); n != 1 {
				t.Errorf("%d take care of it", n)
			}
			after(settle + 2*time.Second)
			r.stored(op.ID, operation.NotDone, operation.ByReading)
			if diff := cmp.Diff([]string{"intent intent", "outcome unknown", "outcome not_done"}, r.journal.told(op.ID)); diff != "" {
				t.Error(diff)
			}
		})
	})
	t.Run("the settle time begins when it is taken over", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			b, c := replicas(t, r)
			op := want("", "1")
			id := r.doubt(op)
			after(settle - 5*time.Second)
			r.die()
			after(lease + 10*time.Second)
			r.stored(id, operation.Unknown, "")
			if n := b.Unresolved() + c.Unresolved(); n != 1 {
				t.Errorf("%d take care of it", n)
			}
			after(settle)
			r.stored(id, operation.NotDone, operation.ByReading)
		})
	})
	t.Run("what was only received is forgotten", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			b, _ := replicas(t, r)
			op := want("k", "1")
			r.begin(op)
			r.die()
			after(lease + 6*time.Second)
			b.begin(want("k", "1")).Leave()
		})
	})
	t.Run("the late record of one that was taken for dead changes nothing, and it lets go", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			b, c := replicas(t, r)
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
			l.Leave()
			if diff := cmp.Diff(taken, r.journal.stored(answered.ID)); diff != "" {
				t.Error(diff)
			}
			if r.Unresolved() != 0 || b.Unresolved()+c.Unresolved() != 2 {
				t.Errorf("unresolved are %d, %d and %d", r.Unresolved(), b.Unresolved(), c.Unresolved())
			}
			if got := r.get(answered.ID).State; got != operation.Unknown {
				t.Errorf("it is %q for the one that lost it", got)
			}
			b.eyes.see("+")
			c.eyes.see("+")
			after(11 * time.Second)
			r.stored(answered.ID, operation.Done, operation.ByReading)
		})
	})
	t.Run("one that was taken for dead, and outlives who took over, gets its own back", func(t *testing.T) {
		for _, last := range []string{"Record", "Adopt"} { // the call that works last
			bubble(t, func(t *testing.T, r *rig) {
				running, waiting, unknown := want("", "1"), want("", "2"), want("", "3")
				w, v := r.send(running), r.send(waiting)
				r.doubt(unknown)
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
				b.die()
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
				r.eyes.will(func(_ context.Context, _ scope.Target, entries []operation.Entry) (operation.Observation, error) {
					return sight("n1", map[bool]string{true: "+", false: "-"}[entries[0].Key == waiting.Entries[0].Key]), nil
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
			id := r.doubt(want("", "1"))
			r.store.will(fails)
			after(10 * time.Second)
			release := make(chan struct{})
			r.eyes.will(func(context.Context, scope.Target, []operation.Entry) (operation.Observation, error) {
				<-release
				return sight("n1", "+"), nil
			})
			after(6 * time.Second) // it begins to read
			newRig(t, r.journal, "B").die()
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
	t.Run("one whose write was ended by another leaves it at that", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("", "1")
			w := r.send(op)
			r.store.will(fails)
			after(lease + time.Second)
			b := newRig(t, r.journal, "B")
			after(settle + 10*time.Second)
			b.die()
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
	t.Run("an answer to a takeover that was lost loses nothing", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("", "1")
			r.send(op)
			r.die()
			b := newRig(t, r.journal, "B")
			b.store.will(forgets, "Adopt")
			after(lease + 6*time.Second)
			b.store.will(works)
			after(settle + 10*time.Second)
			r.stored(op.ID, operation.NotDone, operation.ByReading)
		})
	})
	t.Run("what one sees of another's is proof for both", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			b, _ := replicas(t, r)
			id := r.doubt(want("k", "1"))
			b.eyes.see("+")
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
			// It is undone by others, which the owner must not take for its
			// not having been done.
			after(2 * time.Minute)
			r.stored(id, operation.Done, operation.ByReading)
			if diff := cmp.Diff([]string{"intent intent", "outcome unknown", "outcome done"}, r.journal.told(id)); diff != "" {
				t.Error(diff)
			}
			if r.Unresolved() > 0 {
				t.Error("the owner has not let go of it")
			}
		})
	})
	t.Run("what one does not see of another's is none of its business", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			b, _ := replicas(t, r)
			op := want("k", "1")
			w := r.send(op)
			running := b.get(op.ID)
			if got := b.Resolve(t.Context(), running); got.State != operation.Intent || b.eyes.count() > 0 {
				t.Errorf("what another is sending was read back, and is %q", got.State)
			}
			w.Leave()
			for range 60 {
				b.Resolve(t.Context(), b.get(op.ID))
				r.eyes.fail()
				after(time.Second)
			}
			if got := r.stored(op.ID, operation.Unknown, ""); got.Owner != "A" {
				t.Errorf("it belongs to %q", got.Owner)
			}
		})
	})
}

func TestResolve(t *testing.T) {
	t.Run("looks once for all who ask at the same time", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := r.get(r.doubt(want("", "1")))
			r.eyes.will(func(context.Context, scope.Target, []operation.Entry) (operation.Observation, error) {
				time.Sleep(100 * time.Millisecond)
				return sight("n1", "+"), nil
			})
			var callers sync.WaitGroup
			for range 20 {
				callers.Go(func() {
					if got := r.Resolve(t.Context(), op); got.State != operation.Done {
						t.Errorf("it is %q", got.State)
					}
				})
			}
			callers.Wait()
			if n := r.eyes.count(); n != 1 {
				t.Errorf("it was read %d times", n)
			}
		})
	})
	t.Run("looks no more than once a second for whoever keeps asking", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := r.get(r.doubt(want("", "1")))
			for range 100 {
				r.Resolve(t.Context(), op)
				after(100 * time.Millisecond)
			}
			if n := r.eyes.count(); n > 11 {
				t.Errorf("it was read %d times in 10 s", n)
			}
		})
	})
	t.Run("waits for others no longer than its caller does", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := r.get(r.doubt(want("", "1")))
			r.eyes.will(func(ctx context.Context, _ scope.Target, _ []operation.Entry) (operation.Observation, error) {
				<-ctx.Done()
				return operation.Observation{}, ctx.Err()
			})
			after(2 * time.Second) // the house is at it
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began := time.Now()
			if got := r.Resolve(ctx, op); got.State != operation.Unknown || time.Since(began) != time.Second {
				t.Errorf("it is %q after %v", got.State, time.Since(began))
			}
		})
	})
	t.Run("does not keep the house from looking by callers who go too early", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := r.get(r.doubt(want("", "1")))
			r.eyes.will(func(ctx context.Context, _ scope.Target, _ []operation.Entry) (operation.Observation, error) {
				select {
				case <-ctx.Done():
					return operation.Observation{}, ctx.Err()
				case <-time.After(300 * time.Millisecond):
					return sight("n1", "-"), nil
				}
			})
			for range 60 {
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				r.Resolve(ctx, op)
				cancel()
				after(time.Second)
			}
			r.stored(op.ID, operation.NotDone, operation.ByReading)
		})
	})
	t.Run("tells of nothing failed where the caller has gone", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := r.get(r.doubt(want("", "1")))
			r.Resolve(over(), op)
			ctx, cancel := context.WithCancel(t.Context())
			r.eyes.will(func(ctx context.Context, _ scope.Target, _ []operation.Entry) (operation.Observation, error) {
				cancel()
				return operation.Observation{}, ctx.Err()
			})
			r.Resolve(ctx, op)
			if failed := r.failed(); failed != nil {
				t.Errorf("told of %v", failed)
			}
		})
	})
}

func TestBegin(t *testing.T) {
	t.Run("tells how the operation that has the key is now", func(t *testing.T) {
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
			w.Leave()
			states = append(states, state())
			r.store.will(fails, "Record")
			r.eyes.see("+")
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
	t.Run("knows callers, endpoints and keys apart", func(t *testing.T) {
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
	t.Run("lets a key be used anew when it has expired", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.send(want("k", "1")).Settle(t.Context(), operation.Succeeded, nil)
			after(24*time.Hour - time.Second)
			if _, err := r.Begin(t.Context(), want("k", "1")); err == nil {
				t.Error("the key is free too early")
			}
			after(2 * time.Second)
			r.begin(want("k", "1")).Leave()
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
		ops, err := r.List(t.Context(), operation.Query{Target: scope.Target{TenantID: "T", GroupID: "G"}, Limit: 2})
		if err != nil || len(ops) != 2 || ops[0].ID != ids[2] || ops[1].ID != ids[1] {
			t.Fatalf("List: %v, %v", ops, err)
		}
		if ops[0].State != operation.Sent || ops[1].State != operation.Done {
			t.Errorf("they are %q and %q, not as this process knows them", ops[0].State, ops[1].State)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		b := newRig(t, r.journal, "B")
		op := want("", "1")
		w := r.send(op)
		after := func(k *rig) time.Duration {
			op := k.get(op.ID)
			return k.RetryAfter(&op)
		}
		if got := after(r); got != time.Second {
			t.Errorf("while it is running: %v", got)
		}
		w.Leave()
		if got := after(r); got != settle+time.Second {
			t.Errorf("at once: %v", got)
		}
		time.Sleep(20 * time.Second)
		if got := after(b); got != settle-19*time.Second {
			t.Errorf("after 20 s, by another replica: %v", got)
		}
		r.die()
		time.Sleep(lease + 5*time.Second)
		synctest.Wait()
		if got := after(b); got < settle-10*time.Second || got > settle+time.Second {
			t.Errorf("when it has just been taken over: %v", got)
		}
		time.Sleep(settle + 5*time.Second)
		synctest.Wait()
		if got := after(b); got != 0 {
			t.Errorf("when it has ended: %v", got)
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
			r.doubt(want("", "1"))
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
				w.Leave()
				r.store.will(works)
			}
			r.store.will(fails)
		}, 12 + 60, 0},
		{"with what was read back that the store does not take", func(r *rig) {
			for i := range 100 {
				r.doubt(want("", fmt.Sprint(i)))
			}
			r.store.will(fails)
			r.eyes.see("+")
			after(5 * time.Second)
		}, 12 + 60, 0},
		{"with an unknown one, the platform away", func(r *rig) {
			r.doubt(want("", "1"))
			r.eyes.fail()
			after(time.Minute)
		}, 12 + 6, 6},
		{"with the store hanging", func(r *rig) {
			w := r.send(want("", "1"))
			r.store.will(hangs)
			w.Leave()
		}, 12, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				tc.before(r)
				r.store.count(all...)
				r.eyes.count()
				after(time.Minute)
				if calls, read := r.store.count(all...), r.eyes.count(); calls > tc.calls+1 || read > tc.read {
					t.Errorf("%d calls and %d readings in a minute, want at most %d and %d", calls, read, tc.calls, tc.read)
				}
			})
		})
	}
}

func TestClose(t *testing.T) {
	t.Run("in the middle of everything ends it", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.eyes.will(func(ctx context.Context, _ scope.Target, _ []operation.Entry) (operation.Observation, error) {
				<-ctx.Done()
				return operation.Observation{}, ctx.Err()
			})
			for i := range 10 {
				r.doubt(want("", fmt.Sprint(i)))
			}
			running := want("", "running")
			w := r.send(running)
			after(2 * time.Second)
			r.Close(context.Background())
			if failed := r.failed(); failed != nil {
				t.Errorf("told of %v", failed)
			}
			w.Settle(t.Context(), operation.Succeeded, nil) // is late, and still recorded
			r.stored(running.ID, operation.Done, operation.ByReply)
			b := newRig(t, r.journal, "B")
			after(lease + settle + 10*time.Second)
			ops, err := b.List(t.Context(), operation.Query{Limit: 100})
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
			id := r.doubt(want("", "1"))
			r.eyes.see("+")
			r.store.slow(5*time.Second, "Record")
			after(2 * time.Second)
			r.Close(context.Background())
			r.stored(id, operation.Done, operation.ByReading)
		})
	})
	t.Run("gives up a store that hangs", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			w := r.send(want("", "1"))
			r.store.will(hangs)
			w.Leave()
			after(30 * time.Second)
			began := time.Now()
			r.Close(context.Background())
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	})
}

func TestOldOperationsAreForgotten(t *testing.T) {
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
