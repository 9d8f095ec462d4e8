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

// eyes are a scripted Look.
type eyes struct {
	mu    sync.Mutex
	look  operation.Observe
	times []time.Time    // when readings began
	of    map[string]int // how many there were, by the first entry
	now   int            // how many are under way
	most  int            // how many were at once
}

var errBlind = errors.New("the platform does not answer")

func (e *eyes) Look(ctx context.Context, target scope.Target, entries []operation.Entry) (operation.Observation, error) {
	e.mu.Lock()
	e.times = append(e.times, time.Now())
	e.of[entries[0].Key]++
	e.now++
	e.most = max(e.most, e.now)
	look := e.look
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.now--
	}()
	return look(ctx, target, entries)
}

// will has readings be made by a function from now on.
func (e *eyes) will(look operation.Observe) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.look = look
}

// see has every reading show the same, of any number of entries.
func (e *eyes) see(effects string) {
	e.will(func(_ context.Context, _ scope.Target, entries []operation.Entry) (operation.Observation, error) {
		s := shown(sight("n1", effects), entries)
		for len(s.Effects) < len(entries) {
			s.Effects = append(s.Effects, s.Effects[0])
		}
		return s, nil
	})
}

// script has readings show one after the other, and the last one for ever.
func (e *eyes) script(sights ...operation.Observation) {
	next := 0
	e.will(func(_ context.Context, _ scope.Target, entries []operation.Entry) (operation.Observation, error) {
		e.mu.Lock()
		defer e.mu.Unlock()
		s := sights[min(next, len(sights)-1)]
		next++
		return shown(s, entries), nil
	})
}

// shown is what a sight of entries that are named by numbers from 1 shows of some of
// them. One that does not go so far is left as it is.
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

func (e *eyes) fail() {
	e.will(func(context.Context, scope.Target, []operation.Entry) (operation.Observation, error) {
		return operation.Observation{}, errBlind
	})
}

// count tells how many readings there were since it was asked last.
func (e *eyes) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := len(e.times)
	e.times = nil
	return n
}

// read is how often an operation was read, whose first entry no other has.
func (e *eyes) read(op operation.Operation) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.of[op.Entries[0].Key]
}

// atOnce tells how many readings were under way at once, at the most.
func (e *eyes) atOnce() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.most
}

// sight is a reading with one sign for each entry: + seen and clear, - clearly
// not seen, ! seen but not clear, ? neither.
func sight(node, effects string) operation.Observation {
	s := operation.Observation{Endpoint: node}
	for _, sign := range effects {
		s.Effects = append(s.Effects, operation.Effect{Seen: sign == '+' || sign == '!', Clear: sign == '+' || sign == '-'})
	}
	return s
}

// rig is a keeper, its store and its eyes, and what it told of itself.
type rig struct {
	*operation.Keeper
	t       *testing.T
	journal *journal
	store   *store
	eyes    *eyes

	mu                            sync.Mutex
	recorded, resolved, corrected []operation.State
	undone                        []string
	failures                      []string
}

// bubble runs a test in fake time, with a keeper on a journal of its own that
// sees nothing done.
func bubble(t *testing.T, test func(*testing.T, *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(t, newRig(t, newJournal(lease), "A"))
	})
}

// newRig makes a replica. It is through with what it does first.
func newRig(t *testing.T, j *journal, owner string) *rig {
	t.Helper()
	r := &rig{t: t, journal: j, store: newStore(j), eyes: &eyes{of: map[string]int{}}}
	r.eyes.see("-")
	note := func(list *[]operation.State) func(operation.Operation) {
		return func(op operation.Operation) {
			r.mu.Lock()
			defer r.mu.Unlock()
			*list = append(*list, op.State)
		}
	}
	r.Keeper = operation.NewKeeper(operation.Options{
		Store: r.store, Observe: r.eyes.Look, Owner: owner, Settle: settle, Recheck: recheck, Keep: keep,
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
	})
	t.Cleanup(func() { r.Close(context.Background()) })
	synctest.Wait()
	return r
}

// die ends a replica without a word: nothing that it does takes effect any
// more.
func (r *rig) die() {
	r.store.will(fails)
	r.eyes.fail()
	r.Close(context.Background())
}

// traced tells how many outcomes were told of, and of what kind the others
// were.
func (r *rig) traced() (recorded, resolved, corrected []operation.State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.recorded), slices.Clone(r.resolved), slices.Clone(r.corrected)
}

func (r *rig) failed() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	failed := r.failures
	r.failures = nil
	return failed
}

// want is a request to give a group some entries, by a key or by none.
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

// begin begins an operation, which must be possible.
func (r *rig) begin(op operation.Operation) *operation.Write {
	r.t.Helper()
	w, err := r.Begin(r.t.Context(), op)
	if err != nil {
		r.t.Fatalf("Begin: %v", err)
	}
	return w
}

// send begins an operation and takes it to where it is sent.
func (r *rig) send(op operation.Operation) *operation.Write {
	r.t.Helper()
	w := r.begin(op)
	if err := r.intend(w, op, "n1"); err != nil {
		r.t.Fatalf("Intend: %v", err)
	}
	return w
}

// intend intends the one step of a write, which gives all of its entries a group.
func (r *rig) intend(w *operation.Write, op operation.Operation, node string) error {
	w.Plan(planned(op.Entries))
	return w.Intend(r.t.Context(), 1, node)
}

// planned are entries as one step changes them.
func planned(entries []operation.Entry) []operation.Entry {
	entries = slices.Clone(entries)
	for i := range entries {
		e := &entries[i]
		e.Before, e.After, e.Step = json.RawMessage(`{"groupId":null}`), json.RawMessage(`{"groupId":"G"}`), 1
	}
	return entries
}

// doubt makes an operation whose answer was lost, and tells its id.
func (r *rig) doubt(op operation.Operation) string {
	r.t.Helper()
	w := r.send(op)
	w.Settle(over(), operation.NoReply, nil)
	return op.ID
}

// over is a context that is over.
func over() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// after lets time go by, and what is due then be done.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// get is what the keeper tells of an operation.
func (r *rig) get(id string) operation.Operation {
	r.t.Helper()
	op, err := r.Get(r.t.Context(), id)
	if err != nil {
		r.t.Fatalf("Get: %v", err)
	}
	return op
}

// stored checks what the journal has of an operation.
func (r *rig) stored(id string, state operation.State, basis operation.Basis) operation.Operation {
	r.t.Helper()
	op := r.journal.stored(id)
	if op.State != state || op.Basis != basis {
		r.t.Errorf("the journal has it as %q by %q, want %q by %q", op.State, op.Basis, state, basis)
	}
	return op
}

// outcomes are those of the entries, in one text.
func outcomes(op operation.Operation) string {
	text := ""
	for _, e := range op.Entries {
		text += map[operation.State]string{operation.Done: "+", operation.NotDone: "-", "": "?"}[e.Outcome]
	}
	return text
}
