package operation

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/translate/scope"
)

// effects are those of one entry for each sign: + seen and clear, - clearly not
// seen, ! seen but not clear, ? neither.
func effects(signs string) []Effect {
	list := make([]Effect, 0, len(signs))
	for _, sign := range signs {
		list = append(list, Effect{Seen: sign == '+' || sign == '!', Clear: sign == '+' || sign == '-'})
	}
	return list
}

// signs are the outcomes in the same manner.
func signs(outcomes []State) string {
	text := ""
	for _, o := range outcomes {
		text += map[State]string{Done: "+", NotDone: "-", "": "0"}[o]
	}
	return text
}

func TestWeigh(t *testing.T) {
	const settle = 30 * time.Second
	// glance is a reading: when it began and ended, in seconds since the
	// operation became unknown, and what it showed.
	type glance struct {
		began, ended float64
		node, shown  string
	}
	at := func(s float64) time.Time {
		return time.Unix(0, 0).Add(time.Duration(s * float64(time.Second)))
	}
	for _, tc := range []struct {
		name    string
		glances []glance // the last one proves, or does not
		proven  string
	}{
		{"sees at any time", []glance{{1, 1, "a", "++"}}, "++"},
		{"sees whatever others showed", []glance{{30, 30, "a", "--"}, {30.1, 30.1, "b", "++"}}, "++"},
		{"does not take a part for the whole", []glance{{1, 1, "a", "+-"}}, ""},
		{"does not take what is not clear for seen", []glance{{1, 1, "a", "+!"}}, ""},
		{"proves nothing by one reading", []glance{{31, 31, "a", "--"}}, ""},
		{"proves nothing by two before the settle time", []glance{{27, 27, "a", "--"}, {29, 29, "a", "--"}}, ""},
		{"proves nothing by one that began before the settle time", []glance{{29.9, 33, "a", "--"}, {34, 34, "a", "--"}}, ""},
		{"proves by two that began right at the settle time and after it", []glance{{30, 30, "a", "--"}, {31, 31, "a", "--"}}, "--"},
		{"proves nothing by two in less than a second", []glance{{30, 30, "a", "--"}, {30.9, 32, "a", "--"}}, ""},
		{"counts the second from the end of the first", []glance{{30, 32, "a", "--"}, {32.5, 33, "a", "--"}}, ""},
		{"still counts it from the first after one that was too soon", []glance{{30, 30, "a", "--"}, {30.5, 30.5, "a", "--"}, {31, 31, "a", "--"}}, "--"},
		{"proves nothing by two of different nodes", []glance{{30, 30, "a", "--"}, {32, 32, "b", "--"}}, ""},
		{"proves by the second of any node", []glance{{30, 30, "a", "--"}, {32, 32, "b", "--"}, {34, 34, "a", "--"}}, "--"},
		{"proves nothing by two that differ", []glance{{30, 30, "a", "--"}, {32, 32, "a", "+-"}}, ""},
		{"proves nothing by two that differ only in being clear", []glance{{30, 30, "a", "--"}, {32, 32, "a", "-?"}}, ""},
		{"begins anew after two that differ", []glance{{30, 30, "a", "--"}, {32, 32, "a", "+-"}, {34, 34, "a", "--"}}, ""},
		{"proves what came last twice", []glance{{30, 30, "a", "--"}, {32, 32, "a", "+-"}, {34, 34, "a", "+-"}}, "+-"},
		{"begins anew after nodes that differ", []glance{{30, 30, "a", "--"}, {32, 32, "b", "-+"}, {34, 34, "a", "--"}}, ""},
		{"proves a part", []glance{{30, 30, "a", "-+"}, {31, 31, "a", "-+"}}, "-+"},
		{"goes by the own list of the group where it is not clear for good", []glance{{30, 30, "a", "?!"}, {31, 31, "a", "?!"}}, "-+"},
		{"does not count one before the settle time as one after it", []glance{{5, 5, "a", "--"}, {30, 30, "a", "--"}}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDoubt(Operation{}, at(0))
			for i, g := range tc.glances {
				outcomes, proven := d.weigh(Observation{g.node, effects(g.shown)}, at(g.began), at(g.ended), settle)
				last := i == len(tc.glances)-1
				if want := last && tc.proven != ""; proven != want || want && signs(outcomes) != tc.proven {
					t.Errorf("reading %d: %q, %v", i+1, signs(outcomes), proven)
				}
			}
		})
	}
}

func TestAfterAnswer(t *testing.T) {
	for _, tc := range []struct {
		shown            string
		refused, unclear State
	}{
		{"++", Done, Done},
		{"+-", Unknown, Unknown}, // what is not seen may be on its way to the node that was read
		{"--", NotDone, Unknown},
		{"-?", NotDone, Unknown},
		{"??", NotDone, Unknown},
		{"+?", Unknown, Unknown},
		{"+!", Unknown, Unknown},
		{"-!", Unknown, Unknown},
		{"+", Done, Done},
		{"-", NotDone, Unknown},
	} {
		t.Run(tc.shown, func(t *testing.T) {
			for answer, want := range map[Reply]State{Refused: tc.refused, Declined: tc.refused, Unclear: tc.unclear} {
				if state := afterAnswer(answer, Observation{Effects: effects(tc.shown)}); state != want {
					t.Errorf("after answer %d it is %q, want %q", answer, state, want)
				}
			}
		})
	}
}

func TestWholeOf(t *testing.T) {
	for _, tc := range []struct {
		outcomes []State
		want     State
	}{
		{[]State{Done, Done}, Done},
		{[]State{NotDone, NotDone}, NotDone},
		{[]State{Done, NotDone}, PartlyDone},
		{[]State{NotDone, Done}, PartlyDone},
		{nil, Done}, // nothing was wanted
	} {
		if got := wholeOf(tc.outcomes); got != tc.want {
			t.Errorf("%v are %q, want %q", tc.outcomes, got, tc.want)
		}
	}
}

func TestPostpone(t *testing.T) {
	seconds := func(from time.Time, d *doubt) float64 { return d.due.Sub(from).Seconds() }
	start := time.Unix(0, 0)
	t.Run("looks ever less, but right when the settle time is over", func(t *testing.T) {
		d := newDoubt(Operation{State: Unknown}, start)
		due := []float64{seconds(start, d)}
		for len(due) < 9 {
			d.postpone(d.due, d.due, 30*time.Second)
			due = append(due, seconds(start, d))
		}
		if diff := cmp.Diff([]float64{1, 2, 4, 8, 16, 26, 30, 40, 50}, due); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("looks a second after a reading that the next may confirm", func(t *testing.T) {
		d := newDoubt(Operation{State: Unknown}, start)
		d.pause = lastPause
		at := start.Add(time.Minute)
		d.weigh(Observation{"a", effects("-")}, at, at, 30*time.Second)
		d.postpone(at, at, 30*time.Second)
		if got := d.due.Sub(at); got != betweenReadings {
			t.Errorf("it is due in %v", got)
		}
	})
	t.Run("rests after a reading that took long", func(t *testing.T) {
		d := newDoubt(Operation{State: Unknown}, start)
		d.postpone(start.Add(40*time.Second), start.Add(70*time.Second), 30*time.Second)
		if got := seconds(start, d); got != 71 {
			t.Errorf("it is due after %v s", got)
		}
	})
	t.Run("looks at once where the settle time went by during a reading", func(t *testing.T) {
		d := newDoubt(Operation{State: Unknown}, start)
		d.postpone(start.Add(20*time.Second), start.Add(40*time.Second), 30*time.Second)
		if got := seconds(start, d); got != 30 {
			t.Errorf("it is due after %v s", got)
		}
	})
	t.Run("looks at an end when that is due", func(t *testing.T) {
		d := newDoubt(Operation{State: NotDone, RecheckAt: start.Add(time.Minute)}, start)
		if got := seconds(start, d); got != 60 {
			t.Errorf("it is due after %v s", got)
		}
	})
}

// A wall clock that is put forward must not make the settle time shorter. In
// fake time there is no other clock.
func TestSettleTimeIsNotMeasuredByTheWallClock(t *testing.T) {
	isMonotonic := func(at time.Time) bool { return at != at.Round(0) }
	k := NewKeeper(Options{Store: mute{}, Observe: func(context.Context, scope.Target, []Entry) (Observation, error) { return Observation{}, nil }})
	defer k.Close(context.Background())
	w, err := k.Begin(t.Context(), Operation{ID: "sent"})
	if err != nil {
		t.Fatal(err)
	}
	w.Plan([]Entry{{Step: 1}})
	if err := w.Intend(t.Context(), 1, ""); err != nil {
		t.Fatal(err)
	}
	w.Leave()
	k.takeOver(Operation{ID: "taken over", State: Intent, Entries: []Entry{{}}})
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, d := range k.doubts {
		if !isMonotonic(d.since) {
			t.Errorf("that of the operation that was %s is", id)
		}
	}
	if len(k.doubts) != 2 {
		t.Errorf("there are %d doubts", len(k.doubts))
	}
}

// mute is a store that takes everything and has nothing.
type mute struct{ Store }

func (mute) Begin(context.Context, Operation) error             { return nil }
func (mute) Record(context.Context, Operation, Event) error     { return nil }
func (mute) Adopt(context.Context, string) ([]Operation, error) { return nil, nil }
func (mute) Prune(context.Context, time.Time) error             { return nil }
func (mute) Check(context.Context) error                        { return nil }
func (mute) Get(context.Context, string) (Operation, error)     { return Operation{}, ErrNotFound }
