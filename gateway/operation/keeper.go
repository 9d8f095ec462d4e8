package operation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Options are what a [Keeper] is made of. Store, Look and Owner must be there.
type Options struct {
	Store Store
	Look  Look
	// Owner is this process among all that share the store: another name for
	// each start.
	Owner string

	// Settle is how long a write can still take effect after its session
	// ended: only then does not seeing it prove anything. Default 30 s.
	Settle time.Duration
	// Recheck is how long after a write was found not to be done, or was
	// declined, that is looked at once more. Default 5 min.
	Recheck time.Duration
	// Keep is how long an ended operation is kept, default 30 days; KeepKeys
	// is how long an idempotency key is, from its request on, default 1 day.
	Keep, KeepKeys time.Duration

	// Trace watches what happens.
	Trace Trace
}

// Trace holds functions that are called as things happen. Any may be nil. They
// must be quick and must not call the keeper.
type Trace struct {
	// Recorded is called when an operation has its first outcome, which may
	// be Unknown.
	Recorded func(op Operation)
	// Resolved is called when it is recorded that an Unknown operation has
	// ended.
	Resolved func(op Operation)
	// Corrected is called when it is recorded that an end was wrong.
	Corrected func(op Operation)
	// Failed is called when the store failed, and Blind when a reading did.
	// The keeper tries again by itself.
	Failed func(doing string, err error)
	Blind  func(op Operation, err error)
	// Journal is called when the store is not usable any more, and why, and
	// with nil when it is usable again.
	Journal func(err error)
}

// The rhythm of a keeper.
const (
	firstPause = time.Second // between readings; doubles up to lastPause
	lastPause  = 10 * time.Second
	adoptEvery = 5 * time.Second // the sign of life of the owner, too
	pruneEvery = 10 * time.Minute
	retryEvery = time.Second // what the store did not take
	lookAtOnce = 4           // readings at a time
	storeTime  = 10 * time.Second
	lookTime   = 30 * time.Second
)

// Keeper takes operations through their states, and finds out what became of
// those whose answer was lost. It is safe for use by several goroutines.
type Keeper struct {
	options Options
	life    context.Context // ends with Close
	end     context.CancelFunc
	work    sync.WaitGroup
	poke    chan struct{} // there may be something due
	looking chan struct{} // a token for each reading under way
	health  health

	mu         sync.Mutex
	running    map[string]*Write
	doubts     map[string]*doubt
	unrecorded map[string]*record
	unreadable bool // the store, so that no reading proves anything until its next check
}

// NewKeeper makes a keeper and begins its work: operations that others left
// behind are taken over and resolved. Close it after use, before its store.
func NewKeeper(o Options) *Keeper {
	o.Settle = orDefault(o.Settle, 30*time.Second)
	o.Recheck = orDefault(o.Recheck, 5*time.Minute)
	o.Keep = orDefault(o.Keep, 30*24*time.Hour)
	o.KeepKeys = orDefault(o.KeepKeys, 24*time.Hour)
	k := &Keeper{
		options: o,
		poke:    make(chan struct{}, 1),
		looking: make(chan struct{}, lookAtOnce),
		health:  health{poke: make(chan struct{}, 1)},
		running: map[string]*Write{}, doubts: map[string]*doubt{}, unrecorded: map[string]*record{},
	}
	k.life, k.end = context.WithCancel(context.Background())
	k.work.Go(k.keepHouse)
	k.work.Go(k.watchJournal)
	return k
}

func orDefault(d, byDefault time.Duration) time.Duration {
	if d <= 0 {
		return byDefault
	}
	return d
}

// Close ends the keeper's work. What the store has not taken yet is tried once
// more, as long as ctx lasts. What is still unknown is taken up by the next
// keeper on the same store.
func (k *Keeper) Close(ctx context.Context) {
	k.end()
	k.work.Wait()
	k.recordAgain(ctx)
}

// NewID is an id for an operation.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// IsID tells whether a text has the form of an id.
func IsID(text string) bool {
	id, err := uuid.Parse(text)
	return err == nil && id.String() == text
}

// Begin begins an operation, which brings its id and everything that the
// caller wants. The error is a [*KeyUsedError], whose operation is as it is now,
// a [*HeldError] or [ErrUnusable].
//
// Whoever begins one ends it, by [Write.Unsent] or [Write.Settle], and leaves
// it by [Write.Leave].
func (k *Keeper) Begin(ctx context.Context, op Operation) (*Write, error) {
	now := time.Now()
	op.Owner, op.State, op.ReceivedAt = k.options.Owner, Received, now.UTC()
	if op.Key != "" {
		op.KeyExpires = now.Add(k.options.KeepKeys).UTC()
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	// Known here before it is there, so that nobody meets it in the store
	// alone.
	w := &Write{keeper: k, op: op}
	k.mu.Lock()
	k.running[op.ID] = w
	k.mu.Unlock()
	err := k.options.Store.Begin(ctx, op)
	if err == nil {
		return w, nil
	}
	if used, ok := errors.AsType[*KeyUsedError](err); ok {
		k.forget(op.ID)
		return nil, &KeyUsedError{k.current(used.Operation)}
	}
	if _, held := errors.AsType[*HeldError](err); held {
		k.forget(op.ID)
		return nil, err
	}
	k.failed(ctx, "beginning an operation", err)
	k.abandonLater(op) // it may have begun all the same
	return nil, fmt.Errorf("%w: %w", ErrUnusable, err)
}

// Get finds an operation. The error is [ErrNotFound] where there is none, or
// [ErrUnusable].
func (k *Keeper) Get(ctx context.Context, id string) (Operation, error) {
	own, ok := k.own(id)
	if ok && own.State != Unknown {
		return own, nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	op, err := k.options.Store.Get(ctx, id)
	switch {
	case ok && (err != nil || own.Version >= op.Version): // nobody knows more
		return own, nil
	case err != nil && !errors.Is(err, ErrNotFound):
		err = fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	return op, err
}

// List finds operations, those that were received last first. Those that are
// only Received may be missing.
func (k *Keeper) List(ctx context.Context, q Query) ([]Operation, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	ops, err := k.options.Store.List(ctx, q)
	for i := range ops {
		ops[i] = k.current(ops[i])
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	return ops, nil
}

// Note adds an event to the audit trail that belongs to no operation.
func (k *Keeper) Note(ctx context.Context, event Event) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	err := k.options.Store.Append(ctx, event)
	if err != nil {
		k.failed(ctx, "writing the audit trail", err)
	}
	return err
}

// RetryAfter is when it is worth asking again what became of an operation, 0
// where it has ended.
func (k *Keeper) RetryAfter(op *Operation) time.Duration {
	if op.Over() {
		return 0
	}
	since := op.DoubtedAt
	k.mu.Lock()
	if d, ok := k.doubts[op.ID]; ok {
		since = d.since
	}
	k.mu.Unlock()
	return max(time.Second, time.Until(since.Add(k.options.Settle+betweenReadings)))
}

// current is an operation as this process knows it, or else as it is given.
func (k *Keeper) current(op Operation) Operation {
	if own, ok := k.own(op.ID); ok && own.Version >= op.Version {
		return own
	}
	return op
}

// own finds an operation that this process takes care of.
func (k *Keeper) own(id string) (Operation, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if w, ok := k.running[id]; ok {
		return w.op, true
	}
	if r, ok := k.unrecorded[id]; ok && r.op.State != Received {
		return r.op, true
	}
	if d, ok := k.doubts[id]; ok {
		return d.op, true
	}
	return Operation{}, false
}

func (k *Keeper) forget(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.running, id)
}

// failed tells that the store failed, unless that is only because whoever asked
// has gone, or the keeper is being closed.
func (k *Keeper) failed(ctx context.Context, doing string, err error) {
	k.health.suspect()
	if k.options.Trace.Failed != nil && !errors.Is(ctx.Err(), context.Canceled) {
		k.options.Trace.Failed(doing, err)
	}
}

// Write is an operation on its way to its first outcome. It belongs to one
// goroutine. In the state Intent its intent may be recorded, or not.
type Write struct {
	keeper *Keeper
	op     Operation // changed under the keeper's mutex
}

// State is the operation's.
func (w *Write) State() State { return w.op.State }

// Intend records that the operation may be sent from now on. Unless it
// returns nil, nothing may be.
//
// Where a session was lost before anything left, and another takes its place,
// it is called again, and only notes the other node.
func (w *Write) Intend(ctx context.Context, entries []Entry, from, to, node string) error {
	if w.op.State == Sent {
		w.change(func(op *Operation) { op.Node = node })
		return nil
	}
	now := time.Now().UTC()
	w.change(func(op *Operation) {
		op.State, op.Version, op.IntendedAt = Intent, op.Version+1, now
		op.Entries, op.From, op.To, op.Node = entries, from, to, node
	})
	intent := w.now()
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	if err := w.keeper.options.Store.Record(ctx, intent, EventOf(EventIntent, &intent, now)); err != nil {
		w.keeper.failed(ctx, "recording an intent", err)
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	w.change(func(op *Operation) { op.State, op.SentAt = Sent, time.Now().UTC() })
	return nil
}

// Leave makes sure that the operation has an end. One that nobody ended was
// refused before its intent, or met a failure of ours.
func (w *Write) Leave() {
	switch w.op.State {
	case Received:
		w.abandon()
	case Intent:
		w.finish(NotDone, NotTaken, nil)
	case Sent:
		w.finish(Unknown, "", nil)
	}
}

// abandon ends an operation that was refused before its intent. It leaves no
// trace.
func (w *Write) abandon() {
	k, op := w.keeper, w.now()
	ctx, cancel := context.WithTimeout(context.Background(), storeTime)
	defer cancel()
	if err := k.options.Store.Abandon(ctx, op); err != nil {
		k.failed(ctx, "abandoning an operation", err)
		k.abandonLater(op)
		return
	}
	k.forget(op.ID)
}

// abandonLater has the store told again and again that an operation is
// abandoned: it would keep its key and its entries for as long as we live.
func (k *Keeper) abandonLater(op Operation) {
	k.mu.Lock()
	delete(k.running, op.ID)
	if len(k.unrecorded) < maxUnrecorded {
		k.unrecorded[op.ID] = &record{op: op}
	}
	k.mu.Unlock()
	k.wake()
}

// Unsent ends an operation of which nothing left. There is nothing to look at
// once more.
func (w *Write) Unsent() {
	if w.op.State != Received {
		w.finish(NotDone, NotTaken, nil)
	}
}

// Answer is what the platform answered to a write.
type Answer int

// The answers. NoAnswer is also that of a command that was lost on its way.
const (
	NoAnswer  Answer = iota
	Succeeded        // it says that the write was done
	Refused          // it says that nothing was done
	Declined         // it says that it did not look at it
	Unclear          // it says neither
)

// Settle ends an operation that was sent, after the platform's answer. Unless
// that is Succeeded, what is to be seen of the write is read at once, as long
// as ctx lasts: a refusal is no proof of what was not done, and a write whose
// answer was lost may be seen already. Without a reading it is Unknown. told is
// kept as the operation's answer where the platform's refusal stands, be it
// that a later reading shows it.
func (w *Write) Settle(ctx context.Context, answer Answer, told json.RawMessage) Operation {
	switch answer {
	case Succeeded:
		return w.finish(Done, ByAnswer, nil)
	case NoAnswer:
		// First make it known as what it is: the reading may take its time.
		op := w.finish(Unknown, "", nil)
		return w.keeper.Resolve(ctx, op)
	case Declined:
		told = nil // to come back later is no advice for the same key
	}
	op := w.now()
	if len(op.Releases) > 0 { // what is read may be another's doing
		return w.finish(Unknown, "", told)
	}
	sight, err := w.keeper.look(ctx, &op)
	if err != nil {
		return w.finish(Unknown, "", told)
	}
	switch state := afterAnswer(answer, sight); {
	case state == NotDone && answer == Declined:
		return w.decline()
	case state == NotDone:
		return w.finish(NotDone, ByAnswer, told)
	case state == Done:
		return w.finish(Done, ByReading, nil)
	}
	return w.finish(Unknown, "", told)
}

// decline ends an operation that was sent and that the platform did not look at.
// This rests on its word and on one reading right after it, so it is looked at
// once more.
func (w *Write) decline() Operation {
	return w.end(NotDone, NotTaken, nil, time.Now().UTC().Add(w.keeper.options.Recheck))
}

// finish records the first outcome.
func (w *Write) finish(state State, basis Basis, told json.RawMessage) Operation {
	return w.end(state, basis, told, time.Time{})
}

// end records the first outcome, and when it is to be looked at once more, zero
// for never. What the store does not take is recorded later: it is true all the
// same.
func (w *Write) end(state State, basis Basis, told json.RawMessage, recheckAt time.Time) Operation {
	k := w.keeper
	if !w.State().Running() {
		return w.now() // it has its outcome
	}
	now := time.Now()
	k.mu.Lock()
	op := &w.op
	op.conclude(state, basis, now.UTC())
	op.Answer, op.RecheckAt = told, recheckAt
	finished := *op
	r := &record{op: finished, event: EventOf(EventOutcome, op, now), busy: true}
	// Unless others have ended it, who took this process for dead.
	if _, doubted := k.doubts[op.ID]; !doubted {
		k.unrecorded[op.ID] = r
		if finished.Open() {
			k.doubts[op.ID] = newDoubt(finished, now)
		}
	}
	delete(k.running, op.ID)
	k.mu.Unlock()
	if k.options.Trace.Recorded != nil {
		k.options.Trace.Recorded(finished)
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTime)
	defer cancel()
	k.record(ctx, r)
	k.wake()
	return finished
}

// conclude gives the operation a state, and entries without an outcome of their
// own the same.
func (o *Operation) conclude(state State, basis Basis, now time.Time) {
	o.Version++
	o.State, o.Basis = state, basis
	if state == Unknown {
		o.DoubtedAt, o.Basis = now, ""
		return
	}
	o.EndedAt = now
	if state != PartlyDone {
		o.Entries = withOutcomes(o.Entries, slices.Repeat([]State{state}, len(o.Entries)))
	}
}

// withOutcomes are the entries with those outcomes. The entries given are left
// as they are, since others may be reading them.
func withOutcomes(entries []Entry, outcomes []State) []Entry {
	entries = slices.Clone(entries)
	for i := range entries {
		entries[i].Outcome = outcomes[i]
	}
	return entries
}

// now is the operation as it is now.
func (w *Write) now() Operation {
	w.keeper.mu.Lock()
	defer w.keeper.mu.Unlock()
	return w.op
}

func (w *Write) change(by func(*Operation)) {
	w.keeper.mu.Lock()
	defer w.keeper.mu.Unlock()
	by(&w.op)
}

// wake has the house looked after at once.
func (k *Keeper) wake() {
	select {
	case k.poke <- struct{}{}:
	default:
	}
}
