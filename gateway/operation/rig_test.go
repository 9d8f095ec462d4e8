package operation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

const (
	settle  = 30 * time.Second
	recheck = 5 * time.Minute
	lease   = 15 * time.Second
	keep    = 2 * 24 * time.Hour
)

// The signs by which the tests write observations and outcomes, one for each entry, in
// one string: "+-" means that the first entry has the wanted value and the second has not.
const (
	signSeen        = '+' // observation: clearly has the wanted value; outcome: done
	signNotSeen     = '-' // observation: clearly has another value; outcome: not done
	signSeenUnclear = '!' // observation: has the wanted value, but the platform's lists disagree
	signUnclear     = '?' // observation: has another value, but they disagree; outcome: none yet
)

// observer is an [operation.Observe] function that the test determines. It counts the
// readings.
type observer struct {
	mu    sync.Mutex // guards the fields below; not held during a reading
	do    operation.Observe
	times []time.Time    // when readings began
	of    map[string]int // how many there were, by the first entry
	now   int            // how many are running
	most  int            // how many ran at the same time
}

var errBlind = errors.New("the platform does not answer")

// Observe makes a reading, and counts it.
func (e *observer) Observe(ctx context.Context, target scope.Target, entries []operation.Entry) (operation.Observation, error) {
	e.mu.Lock()
	e.times = append(e.times, time.Now())
	e.of[entries[0].Key]++
	e.now++
	e.most = max(e.most, e.now)
	do := e.do
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.now--
	}()
	return do(ctx, target, entries)
}

// use has all readings made by a function from now on.
func (e *observer) use(do operation.Observe) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.do = do
}

// shows makes every reading show the same effects, for any number of entries.
func (e *observer) shows(effects string) {
	e.use(func(_ context.Context, _ scope.Target, entries []operation.Entry) (operation.Observation, error) {
		s := shown(observation("n1", effects), entries)
		for len(s.Effects) < len(entries) {
			s.Effects = append(s.Effects, s.Effects[0])
		}
		return s, nil
	})
}

// script makes the readings show these observations, one after the other, and the last one
// from then on.
func (e *observer) script(observations ...operation.Observation) {
	next := 0
	e.use(func(_ context.Context, _ scope.Target, entries []operation.Entry) (operation.Observation, error) {
		e.mu.Lock()
		defer e.mu.Unlock()
		s := observations[min(next, len(observations)-1)]
		next++
		return shown(s, entries), nil
	})
}

// shown returns the part of an observation for some of the entries, which have the numbers
// from 1 as keys. An observation without these entries is returned as it is.
func shown(s operation.Observation, entries []operation.Entry) operation.Observation {
	asked := operation.Observation{Endpoint: s.Endpoint}
	for _, e := range entries {
		n, err := strconv.Atoi(e.Key)
		if err != nil || n < 1 || n > len(s.Effects) {
			return s
		}
		asked.Effects = append(asked.Effects, s.Effects[n-1])
	}
	return asked
}

// fails makes all readings fail.
func (e *observer) fails() {
	e.use(func(context.Context, scope.Target, []operation.Entry) (operation.Observation, error) {
		return operation.Observation{}, errBlind
	})
}

// count returns the number of readings since the last call.
func (e *observer) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := len(e.times)
	e.times = nil
	return n
}

// read returns how often an operation was read, whose first entry no other operation has.
func (e *observer) read(op operation.Operation) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.of[op.Entries[0].Key]
}

// atOnce returns how many readings ran at the same time, at the most.
func (e *observer) atOnce() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.most
}

// observation returns a reading of a platform endpoint, with one of the signs above for
// each entry.
func observation(endpoint, effects string) operation.Observation {
	s := operation.Observation{Endpoint: endpoint}
	for _, sign := range effects {
		s.Effects = append(s.Effects, operation.Effect{Seen: sign == signSeen || sign == signSeenUnclear, Clear: sign == signSeen || sign == signNotSeen})
	}
	return s
}

// rig is a keeper with its store and its observer, and the events that it reported.
type rig struct {
	*operation.Keeper
	t        *testing.T
	journal  *journal
	store    *store
	observer *observer

	mu                            sync.Mutex // guards the fields below
	recorded, resolved, corrected []operation.State
	undone                        []string
	failures                      []string
}

// bubble runs a test in fake time, with a keeper on its own journal. Its readings show
// that nothing is done, until the test changes that.
func bubble(t *testing.T, test func(*testing.T, *rig)) {
	t.Helper()
	bubbleWith(t, nil, test)
}

// bubbleWith is bubble with further hooks.
func bubbleWith(t *testing.T, hooks func(*operation.Trace), test func(*testing.T, *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(t, newRig(t, newJournal(lease), "A", hooks))
	})
}

// newRig starts a replica, and returns once it waits for the first time.
func newRig(t *testing.T, j *journal, owner string, hooks ...func(*operation.Trace)) *rig {
	t.Helper()
	r := &rig{t: t, journal: j, store: newStore(j), observer: &observer{of: map[string]int{}}}
	r.observer.shows("-")
	note := func(list *[]operation.State) func(operation.Operation) {
		return func(op operation.Operation) {
			r.mu.Lock()
			defer r.mu.Unlock()
			*list = append(*list, op.State)
		}
	}
	options := operation.Options{
		Store: r.store, Observe: r.observer.Observe, Owner: owner, Shared: true, Settle: settle, Recheck: recheck, Keep: keep,
		Trace: operation.Trace{
			Recorded: note(&r.recorded), Resolved: note(&r.resolved), Corrected: note(&r.corrected),
			Undone: func(op operation.Operation, later []string) {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.undone = append(r.undone, op.ID+" undid "+strings.Join(later, " "))
			},
			Failed: func(doing string, err error) {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.failures = append(r.failures, fmt.Sprintf("%s: %v", doing, err))
			},
		},
	}
	for _, add := range hooks {
		if add != nil {
			add(&options.Trace)
		}
	}
	r.Keeper = operation.NewKeeper(options)
	t.Cleanup(func() { r.Close(context.Background()) })
	synctest.Wait()
	return r
}

// crash ends a replica: nothing that it does takes effect any more.
func (r *rig) crash() {
	r.store.will(fails)
	r.observer.fails()
	r.Close(context.Background())
}

// traced returns the states with which the functions of Trace were called.
func (r *rig) traced() (recorded, resolved, corrected []operation.State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.recorded), slices.Clone(r.resolved), slices.Clone(r.corrected)
}

// failed returns the failures that the keeper reported since the last call.
func (r *rig) failed() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	failed := r.failures
	r.failures = nil
	return failed
}

// want returns a request to give a group some entries, with an idempotency key or none.
func want(key string, entries ...string) operation.Operation {
	op := operation.Operation{
		ID: operation.NewID(), Route: "assign", Target: scope.Target{TenantID: "T", GroupID: "G"},
		Caller: operation.Caller{Name: "anna", RequestID: "r"}, Key: key, Fingerprint: "f",
	}
	for _, e := range entries {
		op.Entries = append(op.Entries, operation.Entry{Kind: "range", Given: e, Key: e})
	}
	return op
}

// begin begins an operation, which must succeed.
func (r *rig) begin(op operation.Operation) *operation.Write {
	r.t.Helper()
	w, err := r.Begin(r.t.Context(), op)
	if err != nil {
		r.t.Fatalf("Begin: %v", err)
	}
	return w
}

// send begins an operation and records its intent, after which it is sent.
func (r *rig) send(op operation.Operation) *operation.Write {
	r.t.Helper()
	w := r.begin(op)
	if err := r.intend(w, op, "n1"); err != nil {
		r.t.Fatalf("Intend: %v", err)
	}
	return w
}

// intend records the intent of the only step of a write, which gives all of its entries a
// group.
func (r *rig) intend(w *operation.Write, op operation.Operation, endpoint string) error {
	w.Plan(planned(op.Entries))
	return w.Intend(r.t.Context(), 1, endpoint)
}

// planned returns the entries with the values and the step of a plan with one step.
func planned(entries []operation.Entry) []operation.Entry {
	entries = slices.Clone(entries)
	for i := range entries {
		e := &entries[i]
		e.Before, e.After, e.Step = json.RawMessage(`{"groupId":null}`), json.RawMessage(`{"groupId":"G"}`), 1
	}
	return entries
}

// unknown sends an operation whose reply is lost, and returns its id.
func (r *rig) unknown(op operation.Operation) string {
	r.t.Helper()
	w := r.send(op)
	w.Settle(over(), operation.NoReply, nil)
	return op.ID
}

// over returns a context that has ended.
func over() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// after lets time pass, and waits until everything that is due has been done.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// get returns an operation as the keeper reports it.
func (r *rig) get(id string) operation.Operation {
	r.t.Helper()
	op, err := r.Get(r.t.Context(), id)
	if err != nil {
		r.t.Fatalf("Get: %v", err)
	}
	return op
}

// stored checks state and basis of an operation in the journal, and returns it.
func (r *rig) stored(id string, state operation.State, basis operation.Basis) operation.Operation {
	r.t.Helper()
	op := r.journal.stored(id)
	if op.State != state || op.Basis != basis {
		r.t.Errorf("the journal has it as %q by %q, want %q by %q", op.State, op.Basis, state, basis)
	}
	return op
}

// outcomes returns the outcomes of the entries, as the signs above.
func outcomes(op operation.Operation) string {
	text := ""
	for _, e := range op.Entries {
		text += string(map[operation.State]rune{operation.Done: signSeen, operation.NotDone: signNotSeen, "": signUnclear}[e.Outcome])
	}
	return text
}
