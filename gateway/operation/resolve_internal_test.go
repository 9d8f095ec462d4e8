package operation

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/translate/scope"
)

// These tests specify what readings prove, and when the next one is due. To add a case, add
// the readings to the table of TestAddReading: each has the seconds at which it began and
// ended, the platform endpoint, and one sign for each entry.

// effects returns one effect for each sign: + the entry clearly has the wanted value, - it
// clearly has another, ! it has the wanted value but the platform's lists disagree, ? it
// has another value and they disagree.
func effects(signs string) []Effect {
	list := make([]Effect, 0, len(signs))
	for _, sign := range signs {
		list = append(list, Effect{Seen: sign == '+' || sign == '!', Clear: sign == '+' || sign == '-'})
	}
	return list
}

// signs returns one sign for each outcome: + done, - not done, 0 none.
func signs(outcomes []State) string {
	text := ""
	for _, o := range outcomes {
		text += map[State]string{Done: "+", NotDone: "-", "": "0"}[o]
	}
	return text
}

func TestAddReading(t *testing.T) {
	const settle = 30 * time.Second
	// timed is a reading: when it began and ended, in seconds since the operation
	// became unknown, the platform endpoint, and what it showed.
	type timed struct {
		began, ended    float64
		endpoint, shown string
	}
	at := func(s float64) time.Time {
		return time.Unix(0, 0).Add(time.Duration(s * float64(time.Second)))
	}
	for _, tc := range []struct {
		name     string
		readings []timed // the last one proves, or does not
		proven   string
	}{
		{"proves an effect at any time", []timed{{1, 1, "a", "++"}}, "++"},
		{"proves an effect whatever other endpoints showed", []timed{{30, 30, "a", "--"}, {30.1, 30.1, "b", "++"}}, "++"},
		{"proves nothing by a part of the effect", []timed{{1, 1, "a", "+-"}}, ""},
		{"proves nothing by an effect that is not clear", []timed{{1, 1, "a", "+!"}}, ""},
		{"proves nothing by one reading", []timed{{31, 31, "a", "--"}}, ""},
		{"proves nothing by two before the settle time", []timed{{27, 27, "a", "--"}, {29, 29, "a", "--"}}, ""},
		{"proves nothing by one that began before the settle time", []timed{{29.9, 33, "a", "--"}, {34, 34, "a", "--"}}, ""},
		{"proves by two that began right at the settle time and after it", []timed{{30, 30, "a", "--"}, {31, 31, "a", "--"}}, "--"},
		{"proves nothing by two in less than a second", []timed{{30, 30, "a", "--"}, {30.9, 32, "a", "--"}}, ""},
		{"counts the second from the end of the first", []timed{{30, 32, "a", "--"}, {32.5, 33, "a", "--"}}, ""},
		{"still counts it from the first after one that was too soon", []timed{{30, 30, "a", "--"}, {30.5, 30.5, "a", "--"}, {31, 31, "a", "--"}}, "--"},
		{"proves nothing by two of different endpoints", []timed{{30, 30, "a", "--"}, {32, 32, "b", "--"}}, ""},
		{"proves by the second of any endpoint", []timed{{30, 30, "a", "--"}, {32, 32, "b", "--"}, {34, 34, "a", "--"}}, "--"},
		{"proves nothing by two that differ", []timed{{30, 30, "a", "--"}, {32, 32, "a", "+-"}}, ""},
		{"proves nothing by two that differ only in being clear", []timed{{30, 30, "a", "--"}, {32, 32, "a", "-?"}}, ""},
		{"begins again after two that differ", []timed{{30, 30, "a", "--"}, {32, 32, "a", "+-"}, {34, 34, "a", "--"}}, ""},
		{"proves what came last twice", []timed{{30, 30, "a", "--"}, {32, 32, "a", "+-"}, {34, 34, "a", "+-"}}, "+-"},
		{"begins again after endpoints that differ", []timed{{30, 30, "a", "--"}, {32, 32, "b", "-+"}, {34, 34, "a", "--"}}, ""},
		{"proves a part", []timed{{30, 30, "a", "-+"}, {31, 31, "a", "-+"}}, "-+"},
		{"takes the group's own list if the lists disagree permanently", []timed{{30, 30, "a", "?!"}, {31, 31, "a", "?!"}}, "-+"},
		{"does not count one before the settle time as one after it", []timed{{5, 5, "a", "--"}, {30, 30, "a", "--"}}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			open := newOpenOperation(Operation{}, at(0), at(0))
			for i, r := range tc.readings {
				outcomes, proven := open.addReading(Observation{r.endpoint, effects(r.shown)}, at(r.began), at(r.ended), settle)
				last := i == len(tc.readings)-1
				if want := last && tc.proven != ""; proven != want || want && signs(outcomes) != tc.proven {
					t.Errorf("reading %d: %q, %v", i+1, signs(outcomes), proven)
				}
			}
		})
	}
}

func TestClassifyReply(t *testing.T) {
	for _, tc := range []struct {
		shown            string
		refused, unclear State
	}{
		{"++", Done, Done},
		{"+-", Unknown, Unknown}, // what is not seen may be on its way to the endpoint that was read
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
			for reply, want := range map[Reply]State{Refused: tc.refused, Declined: tc.refused, Unclear: tc.unclear} {
				if state := classifyReply(reply, Observation{Effects: effects(tc.shown)}); state != want {
					t.Errorf("after reply %d it is %q, want %q", reply, state, want)
				}
			}
		})
	}
}

func TestStateOf(t *testing.T) {
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
		if got := stateOf(tc.outcomes); got != tc.want {
			t.Errorf("%v are %q, want %q", tc.outcomes, got, tc.want)
		}
	}
}

func TestPostpone(t *testing.T) {
	seconds := func(from time.Time, open *openOperation) float64 { return open.due.Sub(from).Seconds() }
	start := time.Unix(0, 0)
	t.Run("is due later each time, but exactly when the settle time is over", func(t *testing.T) {
		open := newOpenOperation(Operation{State: Unknown}, start, start)
		due := []float64{seconds(start, open)}
		for len(due) < 9 {
			open.postponeLocked(open.due, open.due, 30*time.Second)
			due = append(due, seconds(start, open))
		}
		if diff := cmp.Diff([]float64{1, 2, 4, 8, 16, 26, 30, 40, 50}, due); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("is due a second after a reading that the next may confirm", func(t *testing.T) {
		open := newOpenOperation(Operation{State: Unknown}, start, start)
		open.pause = lastPause
		at := start.Add(time.Minute)
		open.addReading(Observation{"a", effects("-")}, at, at, 30*time.Second)
		open.postponeLocked(at, at, 30*time.Second)
		if got := open.due.Sub(at); got != betweenReadings {
			t.Errorf("it is due in %v", got)
		}
	})
	t.Run("is due a pause after the end of a reading that took long", func(t *testing.T) {
		open := newOpenOperation(Operation{State: Unknown}, start, start)
		open.postponeLocked(start.Add(40*time.Second), start.Add(70*time.Second), 30*time.Second)
		if got := seconds(start, open); got != 71 {
			t.Errorf("it is due after %v s", got)
		}
	})
	t.Run("is due immediately if the settle time ended during a reading", func(t *testing.T) {
		open := newOpenOperation(Operation{State: Unknown}, start, start)
		open.postponeLocked(start.Add(20*time.Second), start.Add(40*time.Second), 30*time.Second)
		if got := seconds(start, open); got != 30 {
			t.Errorf("it is due after %v s", got)
		}
	})
	t.Run("is due at the recheck of an end", func(t *testing.T) {
		open := newOpenOperation(Operation{State: NotDone, RecheckAt: start.Add(time.Minute)}, start, start)
		if got := seconds(start, open); got != 60 {
			t.Errorf("it is due after %v s", got)
		}
	})
}

// A wall clock that is set forward must not make the settle time shorter. In
// fake time there is no other clock.
func TestSettleTimeIsNotMeasuredByTheWallClock(t *testing.T) {
	isMonotonic := func(at time.Time) bool { return at != at.Round(0) }
	k := NewKeeper(Options{Store: acceptingStore{}, Observe: func(context.Context, scope.Target, []Entry) (Observation, error) { return Observation{}, nil }})
	defer k.Close(context.Background())
	w, err := k.Begin(t.Context(), Operation{ID: "sent"})
	if err != nil {
		t.Fatal(err)
	}
	w.Plan([]Entry{{Step: 1}})
	if err := w.Intend(t.Context(), 1, ""); err != nil {
		t.Fatal(err)
	}
	w.Close()
	k.takeOver(Operation{ID: "taken over", State: Intent, Entries: []Entry{{}}}, 0)
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, open := range k.open {
		if !isMonotonic(open.since) {
			t.Errorf("the operation that was %s has a wall clock time", id)
		}
	}
	if len(k.open) != 2 {
		t.Errorf("%d operations are open", len(k.open))
	}
}

// acceptingStore is a store that accepts everything and has nothing.
type acceptingStore struct{ Store }

func (acceptingStore) Begin(context.Context, Operation) error             { return nil }
func (acceptingStore) Record(context.Context, Operation, Event) error     { return nil }
func (acceptingStore) Adopt(context.Context, string) ([]Operation, error) { return nil, nil }
func (acceptingStore) AdoptLost(context.Context, string) ([]Operation, time.Duration, error) {
	return nil, 0, nil
}
func (acceptingStore) Prune(context.Context, time.Time) error { return nil }
func (acceptingStore) Check(context.Context) error            { return nil }
func (acceptingStore) Head(context.Context) (Head, error)     { return Head{}, nil }
func (acceptingStore) Get(context.Context, string) (Operation, error) {
	return Operation{}, ErrNotFound
}
