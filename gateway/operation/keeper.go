package operation

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Options are what a [Keeper] is made of. Store, Look and Owner must be there.
type Options struct {
	Store Store
	Observe  Observe
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
	// Undone is called when a second look at an operation that had not been done
	// shows its effect, and that the effect of later ones is gone, whose ids it
	// gets: the platform may have carried out the operation after them. It may be
	// called again after a restart.
	Undone func(op Operation, later []string)
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
// Whoever begins one ends it, by [Write.Unsent], [Write.Settle] or
// [Write.Unneeded], and leaves it by [Write.Leave].
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
	since := op.UnknownAt
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

// wake has the house looked after at once.
func (k *Keeper) wake() {
	select {
	case k.poke <- struct{}{}:
	default:
	}
}
