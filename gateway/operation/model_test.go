package operation_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ocigate/gateway/operation"
)

// seedsVariable names the environment variable with the number of seeds to run, instead of
// modelSeeds.
const (
	seedsVariable = "MODEL_SEEDS"
	modelSeeds    = 1000
)

// The model test specifies what must hold for any sequence of failures. It simulates a
// platform (model_platform_test.go), clients, an operator, and one or two replicas on one
// journal (this file and model_client_test.go), in fake time. For 90 seconds stores fail,
// replies are lost, writes take effect late, and replicas crash or lose their locks; then
// everything works again. The test compares what the keepers report and record with what the platform did:
//
//   - An end is true, and never changes (claim, watch).
//   - A plan is never out of date when it may be sent (intend).
//   - Steps are sent in order, once, and after their intent (accept).
//   - No two operations with the same key take effect (allEnded).
//   - After the failures, every operation ends within the time of recovery (allEnded).
//   - Every end has a line in the audit trail (allEnded).
//   - Nothing that was released is held again (watchRelease).
//
// Each seed gives another sequence of events, and always the same one. To run one that
// failed again: go test -run 'TestModel/seed=17$'. It then logs the audit trail.
//
// To add a case, add what can happen to the platform (ways), the clients (request) or the
// store (world.fault), count it with the tally, and add the count to the table of
// tally.check: the test fails if it does not happen often enough.

// TestModel runs the model with many seeds.
func TestModel(t *testing.T) {
	seeds := modelSeeds
	if text := os.Getenv(seedsVariable); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("%s: %v", seedsVariable, err)
		}
		seeds = n
	}
	tally := &tally{counts: map[string]int{}}
	t.Cleanup(func() { tally.check(t) })
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { newWorld(t, seed, tally).run() })
		})
	}
}

// tally counts what happened in all worlds: a model in which nothing fails proves nothing.
type tally struct {
	mu     sync.Mutex // guards counts
	counts map[string]int
}

func (c *tally) count(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[what]++
}

// check fails the test if something happened too rarely.
func (c *tally) check(t *testing.T) {
	t.Logf("in %d worlds: %v", c.counts["world"], c.counts)
	for part, list := range map[int][]string{
		5: {
			"sent", "fault", "crash", "replayed", "resolved by a request", "held", "released", "sent a later step", "held at intent", "unchanged",
			"lost its lock", "adopted early", "done by answer", "done by reading", "not_done by answer", "not_done by reading", "not_done by not_taken", "partly_done by reading",
		},
		20:  {"a later step not sent", "crashed between steps", "partly_done by answer"},
		100: {"taken over between steps", "adopted early while it was sent"},
	} {
		for _, what := range list {
			if c.counts[what] < c.counts["world"]/part {
				t.Errorf("%s: only %d in %d worlds", what, c.counts[what], c.counts["world"])
			}
		}
	}
}

const (
	troubles = 90 * time.Second // how long failures occur
	// recovery is how long it may take after that until everything has ended: until
	// the leases of stopped replicas run out, the last session, the settle time, and some readings.
	recovery = lease + 5*time.Second + lease/2 + settle + 40*time.Second
	slot     = 5 * time.Second // in which a store has few failures, or many
)

// world is a platform, a journal, and the replicas and clients that use them.
type world struct {
	t        *testing.T
	tally    *tally
	seed     uint64
	start    time.Time
	journal  *journal
	platform *platform
	shared   bool          // by two replicas
	late     time.Duration // how long after its session a write may take effect
	longest  time.Duration // how long a session may last after the intent of its step
	closing  sync.WaitGroup

	mu       sync.Mutex // guards the fields below
	replicas []*replica
	begun    []string                   // ids of operations
	claims   map[string]operation.State // ends that a replica has reported
}

func newWorld(t *testing.T, seed uint64, tally *tally) *world {
	w := &world{t: t, tally: tally, seed: seed, start: time.Now(), claims: map[string]operation.State{}}
	w.platform = &platform{w: w, places: map[string]string{}, sent: map[string][]*sending{}, unchanged: map[string]bool{}}
	for e := range lists * inList / 2 {
		w.platform.places[entryName(0, 2*e)] = "G"
	}
	w.shared = seed%2 == 1
	w.late = settle - time.Millisecond
	if w.shared {
		// A replica that has lost its lock may still be sending, for half of its lease.
		w.journal, w.longest = newJournal(lease), lease/2-time.Millisecond
		w.journal.strict = true
	} else {
		// A new process that alone uses the journal takes the old one for stopped.
		w.journal, w.longest = newJournal(0), 3*time.Second
	}
	w.journal.watch = w.watch
	return w
}

// draw returns a number in [0, 1) that depends only on the seed, the time and what it is
// for, so that a seed always gives the same sequence of events, as far as the order of
// goroutines that run at the same moment permits.
func (w *world) draw(at time.Duration, what ...string) float64 {
	h := fnv.New64a()
	var number [16]byte
	binary.LittleEndian.PutUint64(number[:], w.seed)
	binary.LittleEndian.PutUint64(number[8:], uint64(at))
	_, _ = h.Write(number[:])
	for _, text := range what {
		_, _ = h.Write([]byte(text))
	}
	return rand.New(rand.NewPCG(h.Sum64(), w.seed)).Float64()
}

// chance returns a number for the present moment.
func (w *world) chance(what ...string) float64 { return w.draw(time.Since(w.start), what...) }

// source returns a separate generator for a replica or a client.
func (w *world) source(who uint64) *rand.Rand { return rand.New(rand.NewPCG(w.seed, who)) }

// upTo returns a random duration up to d.
func upTo(d time.Duration, random *rand.Rand) time.Duration {
	return time.Duration(random.Int64N(int64(d) + 1))
}

func (w *world) inTrouble() bool { return time.Since(w.start) < troubles }

func (w *world) run() {
	w.tally.count("world")
	var busy sync.WaitGroup
	replicas := 1
	if w.shared {
		replicas = 2
	}
	for i := range replicas {
		busy.Go(func() { w.runReplica(fmt.Sprint("R", i), w.source(uint64(100+i))) })
	}
	synctest.Wait()
	for i := range 5 {
		busy.Go(func() { w.client(fmt.Sprint("c", i), w.source(uint64(200+i))) })
	}
	busy.Go(func() { w.asker(w.source(300)) })
	busy.Go(func() { w.operator(w.source(400)) })
	busy.Wait()
	time.Sleep(recovery)
	w.allEnded()
	time.Sleep(recheck + time.Minute)
	w.allClosed()
	for _, r := range w.replicas {
		r.Close(context.Background())
	}
	w.closing.Wait()
	if w.t.Failed() {
		w.dump()
	}
}

// fault returns the fault of a call of the store: often one in some slots of time, rarely in
// others.
func (w *world) fault(r *replica, method, id string, outages float64) fault {
	if r.hasCrashed() {
		return fails
	}
	if !w.inTrouble() {
		return works
	}
	bad := w.draw(time.Since(w.start)/slot, r.name) < outages
	kind := w.chance(r.name, method, id)
	switch {
	case !bad && kind > 0.02:
		return works
	case !bad:
		kind /= 0.02
	}
	w.tally.count("fault")
	return [...]fault{fails, losesReply, storesEvent, hangs, hangsLate}[int(kind*5)]
}

// pick returns a running replica, nil if there is none.
func (w *world) pick(random *rand.Rand) *replica {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.replicas) == 0 {
		return nil
	}
	return w.replicas[random.IntN(len(w.replicas))]
}

// observe makes a reading of the platform, at some moment of its duration, from some
// endpoint.
func (w *world) observe(ctx context.Context, entries []operation.Entry) (operation.Observation, error) {
	if err := nap(ctx, w.chance("before", entries[0].Key)); err != nil {
		return operation.Observation{}, err
	}
	if w.inTrouble() && w.chance("blind", entries[0].Key) < 0.2 {
		return operation.Observation{}, errBlind
	}
	s := operation.Observation{Endpoint: fmt.Sprint("n", int(w.chance("node", entries[0].Key)*3))}
	agree := !w.inTrouble() || w.chance("clear", entries[0].Key) > 0.1
	for _, e := range entries {
		s.Effects = append(s.Effects, operation.Effect{Seen: w.platform.place(e.Key) == placeOf(e.After), Clear: agree})
	}
	return s, nap(ctx, w.chance("after", entries[0].Key))
}

// nap waits for a part of the time that a reading may take.
func nap(ctx context.Context, part float64) error {
	select {
	case <-time.After(time.Duration(part * float64(300*time.Millisecond))):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// asker gets the state of operations.
func (w *world) asker(random *rand.Rand) {
	for w.inTrouble() {
		time.Sleep(upTo(2*time.Second, random))
		w.mu.Lock()
		begun := slices.Clone(w.begun)
		w.mu.Unlock()
		r := w.pick(random)
		if r == nil || len(begun) == 0 {
			continue
		}
		id := begun[len(begun)-1-random.IntN(min(len(begun), 10))]
		if op, err := r.Get(context.Background(), id); err == nil {
			w.claim(r, id, op.State)
		}
	}
}

// operator releases entries of operations that are unknown for too long, directly in the
// journal, also while replicas are about to record the outcome.
func (w *world) operator(random *rand.Rand) {
	store := newStore(w.journal)
	for w.inTrouble() {
		time.Sleep(upTo(4*time.Second, random))
		ops, _, err := store.List(context.Background(), operation.Query{Open: true, State: operation.Unknown, Limit: 100})
		if err != nil || len(ops) == 0 {
			continue
		}
		op := ops[len(ops)-1-random.IntN(min(len(ops), 2))]
		r := operation.Release{ID: op.ID, By: "operator", Reason: "cannot wait"}
		if held := op.Holds(); len(held) > 1 && random.Float64() < 0.5 {
			r.Entries = []string{held[0].Key}
		}
		released, err := r.Record(context.Background(), store, settle)
		if _, refused := errors.AsType[*operation.ReleaseError](err); err != nil && !refused {
			w.t.Errorf("release of %s: %v", op.ID, err)
		}
		switch {
		case err != nil:
			w.tally.count("not released")
		case released.Open():
			w.tally.count("released in part")
			w.tally.count("released")
		default:
			w.tally.count("released")
		}
	}
}

// watchRelease checks a record of an operation of which entries were released.
func (w *world) watchRelease(before, after operation.Operation) {
	if before.Over() && before.State == operation.Unknown && after.State != operation.Unknown {
		w.t.Errorf("after %v %s was unknown for good, and became %q", time.Since(w.start), after.ID, after.State)
	}
	if len(after.Releases) < len(before.Releases) {
		w.t.Errorf("after %v %s lost a release", time.Since(w.start), after.ID)
	}
	for i, e := range after.Entries {
		if len(before.Releases) > 0 && before.Entries[i].Released && !e.Released {
			w.t.Errorf("after %v entry %s of %s is held again", time.Since(w.start), e.Key, after.ID)
		}
		if e.Outcome == "" {
			continue
		}
		if e.Released && after.Basis == operation.ByReading {
			w.t.Errorf("entry %s of %s was released, and is %q by a reading", e.Key, after.ID, e.Outcome)
		}
		if e.Outcome != w.platform.outcome(after.ID, e) {
			w.t.Errorf("entry %s of %s is recorded as %q", e.Key, after.ID, e.Outcome)
		}
	}
}

// claim checks the state that a replica reports of an operation. An end must be true, and
// never change.
func (w *world) claim(r *replica, id string, state operation.State) {
	if r.hasCrashed() || !state.Ended() {
		return
	}
	if truth := w.platform.truth(id); truth != state {
		w.t.Errorf("after %v %s reports %s as %q, and it is %q", time.Since(w.start), r.name, id, state, truth)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if earlier, ok := w.claims[id]; ok && earlier != state {
		w.t.Errorf("after %v %s reports %s as %q, which was reported as %q", time.Since(w.start), r.name, id, state, earlier)
	}
	w.claims[id] = state
}

// watch checks every record.
func (w *world) watch(before, after operation.Operation) {
	if before.State.Ended() && after.State != before.State {
		w.t.Errorf("after %v %s went from %q to %q", time.Since(w.start), after.ID, before.State, after.State)
	}
	w.watchRelease(before, after)
	if !after.State.Ended() {
		return
	}
	if truth := w.platform.truth(after.ID); truth != after.State {
		w.t.Errorf("after %v %s is recorded as %q, and it is %q", time.Since(w.start), after.ID, after.State, truth)
	}
	for _, e := range after.Entries {
		if e.Outcome == "" {
			w.t.Errorf("entry %s of %s has no outcome, and that is %q", e.Key, after.ID, after.State)
		}
	}
}

// allEnded checks the world after the time of recovery.
func (w *world) allEnded() {
	byKey := map[string]string{}
	w.journal.mu.Lock()
	defer w.journal.mu.Unlock()
	for id, k := range w.journal.ops {
		if !k.Over() {
			w.t.Errorf("%s is still %q, and belongs to %s", id, k.State, k.Owner)
			continue
		}
		if len(k.Holds()) > 0 {
			w.t.Errorf("%s is over, and holds %v", id, k.Holds())
		}
		w.tally.count(fmt.Sprintf("%s by %s", k.State, k.Basis))
		isLine := func(e operation.Event) bool {
			return e.Operation == id && e.Kind == operation.EventOutcome && e.Outcome == string(k.State)
		}
		if !slices.ContainsFunc(w.journal.trail, isLine) {
			w.t.Errorf("the trail has no line that %s is %q", id, k.State)
		}
	}
	for id, steps := range w.platform.sent {
		if _, ok := w.journal.ops[id]; !ok {
			w.t.Errorf("%s was sent, and is not in the journal", id)
		}
		key := steps[0].op.Key
		if key == "" || !slices.ContainsFunc(steps, func(s *sending) bool { return len(s.applied) > 0 }) {
			continue
		}
		if other, ok := byKey[key]; ok {
			w.t.Errorf("%s and %s were both applied for one key", id, other)
		}
		byKey[key] = id
	}
	for _, r := range w.replicas {
		if n := r.Unresolved(); n > 0 {
			w.t.Errorf("%s takes care of %d unknown operations still", r.name, n)
		}
	}
}

// allClosed checks the world after all ends have been rechecked.
func (w *world) allClosed() {
	w.journal.mu.Lock()
	defer w.journal.mu.Unlock()
	for id, k := range w.journal.ops {
		if k.State == operation.Unknown && len(k.Releases) > 0 && !k.Open() {
			continue
		}
		if k.Open() || k.Corrections != nil {
			w.t.Errorf("%s is still open, or was corrected: %+v", id, k.Operation)
		}
		if truth := w.platform.truth(id); truth != k.State {
			w.t.Errorf("%s is %q in the end, and was %q", id, k.State, truth)
		}
	}
}

// dump logs the audit trail.
func (w *world) dump() {
	var text strings.Builder
	for _, e := range w.journal.trail {
		fmt.Fprintf(&text, "%10v %-10s %-8s %s\n", e.Time.Sub(w.start), e.Kind, e.Outcome, e.Operation)
	}
	w.t.Logf("seed %d: the trail\n%s", w.seed, &text)
}
