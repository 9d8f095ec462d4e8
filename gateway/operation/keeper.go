package operation

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// Options configure a [Keeper]. Store, Observe and Owner are required.
type Options struct {
	Store   Store
	Observe Observe
	// Owner identifies this process among all that share the store. It must be
	// different at each start.
	Owner string

	// Shared reports that other processes may take over operations of this one while it
	// runs.
	Shared bool

	// Settle is how long a write can still take effect after its session ended.
	// Only after that does a reading without its effect prove that it was not
	// done. Default 30 s.
	Settle time.Duration
	// Recheck is the time after which a write that was found not to be done, or
	// that the platform declined, is read back once more. Default 5 min.
	Recheck time.Duration
	// Keep is how long an ended operation is kept, default 30 days. KeepKeys is
	// how long an idempotency key is kept after its request, default 1 day.
	Keep, KeepKeys time.Duration

	// Revoked is called with the revocations of the store: at first with all of them,
	// as soon as they can be read, and then with those that were added, by any process.
	// It may be called with the same ones again. It must not call the keeper. Nil means
	// that they are not read.
	Revoked func([]Revocation)
	// Anchor is how often the head of the audit trail is reported ([Trace.Anchor]) if
	// it has changed, with a minute's precision. Default 10 min.
	Anchor time.Duration

	// Trace reports events.
	Trace Trace
}

// Trace holds functions that the keeper calls as things happen. Any may be nil. They
// must return quickly and must not call the keeper. The keeper holds no lock while it
// calls them.
type Trace struct {
	// Recorded is called when an operation has its first outcome, which may
	// be Unknown.
	Recorded func(op Operation)
	// Resolved is called when the store has the end of an operation that was
	// Unknown.
	Resolved func(op Operation)
	// Corrected is called when the store has the correction of an end.
	Corrected func(op Operation)
	// Undone is called when the recheck of an operation that had not been done
	// shows its effect, and that the effect of later ones is gone; later has their
	// ids. The platform may have carried out the operation after them. It may be
	// called again after a restart.
	Undone func(op Operation, later []string)
	// Adopted is called with each operation that this process has taken over. early reports
	// that the lease of its owner has not run out.
	Adopted func(op Operation, early bool)
	// Failed is called when the store failed, and Blind when a reading failed.
	// The keeper tries both again.
	Failed func(doing string, err error)
	Blind  func(op Operation, err error)
	// Journal is called with the cause when the store becomes unusable, and with
	// nil when it is usable again.
	Journal func(err error)
	// Anchor is called with the last line of the audit trail: when it was read first,
	// each [Options.Anchor] if it has changed, and when the keeper is closed. What is
	// noted outside of the store is an anchor: a trail that does not have that line
	// any more was cut off or written again.
	Anchor func(head Head)

	// Journaled is called after each call of the store that records a write of this process
	// in the course of its request, with the context that the request began it with. err is
	// nil if the store has the record. A panic of it or of ReadBack is ignored: they cannot
	// change what becomes of a write.
	Journaled func(ctx context.Context, op Operation, what JournalStep, began time.Time, err error)
	// ReadBack is called before entries are read back because of an operation. It returns
	// the context of the reading, and a function that is called at its end, neither nil. The
	// context that it gets is that of the request which waits for the reading, or of the keeper.
	ReadBack func(ctx context.Context, op Operation) (reading context.Context, ended func(err error))
}

// JournalStep is what is recorded of a write in the course of its request.
type JournalStep string

// The records of a write.
const (
	JournalBegin   JournalStep = "begin"   // it has arrived
	JournalIntent  JournalStep = "intent"  // a step may be sent from now on
	JournalOutcome JournalStep = "outcome" // its first outcome
)

func (t Trace) journaled(ctx context.Context, op Operation, what JournalStep, began time.Time, err error) {
	if t.Journaled != nil {
		defer ignorePanic()
		t.Journaled(ctx, op, what, began, err)
	}
}

// readBack calls ReadBack. Without it, or if it panics, the context is unchanged.
func (t Trace) readBack(ctx context.Context, op Operation) (context.Context, func(error)) {
	reading, ended := ctx, func(error) {}
	if t.ReadBack == nil {
		return reading, ended
	}
	func() {
		defer ignorePanic()
		reading, ended = t.ReadBack(ctx, op)
	}()
	return reading, func(err error) {
		defer ignorePanic()
		ended(err)
	}
}

// ignorePanic is deferred around the hooks that only observe a write.
func ignorePanic() { _ = recover() }

// Intervals and limits of a keeper.
const (
	firstPause   = time.Second // between readings; doubles up to lastPause
	lastPause    = 10 * time.Second
	adoptEvery   = 5 * time.Second // also renews the lease of the owner
	lostEvery    = time.Second
	pruneEvery   = 10 * time.Minute
	retryEvery   = time.Second // of records that the store has not taken
	maxReadings  = 4           // that run at the same time
	storeTimeout = 10 * time.Second
	readTimeout  = 30 * time.Second
)

// Keeper takes operations through their states, and reads back those whose outcome is
// unknown. It is safe for use by several goroutines.
//
// No lock is held during a call of the store, a reading or a call of [Trace].
// Functions with the suffix Locked need mu held.
type Keeper struct {
	options  Options
	life     context.Context // ends with Close
	end      context.CancelFunc
	work     sync.WaitGroup
	wakeup   chan struct{} // wakes maintain; holds one signal
	readings chan struct{} // holds a token for each reading that runs in the background
	health   health
	head     trailHead
	observer atomic.Pointer[Observe] // Options.Observe, or that of the last SetObserve

	// mu guards the fields below, the op and lost of each Write in running, the op,
	// due, readAt, failure, refused and refusedAt of each openOperation, and the busy
	// of each pendingRecord.
	mu         sync.Mutex
	running    map[string]*Write         // by operation id: this process carries it out
	open       map[string]*openOperation // by operation id: this process reads it back
	unrecorded map[string]*pendingRecord // by operation id: the store has not taken it yet
	unreadable bool                      // the store; no reading proves anything until a check succeeds

	follower follower                  // of the revocations
	unstored map[int]pendingRevocation // by number: the store has not taken it yet; mu guards it
	revoked  int                       // the last number; mu guards it
}

// NewKeeper returns a keeper and starts its work in the background: it takes over
// and resolves the operations of processes that have stopped. Close it after use,
// before its store.
func NewKeeper(o Options) *Keeper {
	o.Settle = orDefault(o.Settle, 30*time.Second)
	o.Recheck = orDefault(o.Recheck, 5*time.Minute)
	o.Keep = orDefault(o.Keep, 30*24*time.Hour)
	o.KeepKeys = orDefault(o.KeepKeys, 24*time.Hour)
	o.Anchor = orDefault(o.Anchor, 10*time.Minute)
	k := &Keeper{
		options:  o,
		wakeup:   make(chan struct{}, 1),
		readings: make(chan struct{}, maxReadings),
		health:   health{checkNow: make(chan struct{}, 1)},
		running:  map[string]*Write{}, open: map[string]*openOperation{}, unrecorded: map[string]*pendingRecord{},
		follower: newFollower(), unstored: map[int]pendingRevocation{},
	}
	k.SetObserve(o.Observe)
	k.life, k.end = context.WithCancel(context.Background())
	k.work.Go(k.maintain)
	k.work.Go(k.watchJournal)
	k.work.Go(k.followRevocations)
	k.work.Go(k.watchTrail)
	return k
}

// SetObserve replaces [Options.Observe]. Readings that begin from now on use it, also
// those of operations that are already unknown; readings in progress finish with the one
// before.
func (k *Keeper) SetObserve(observe Observe) { k.observer.Store(&observe) }

func orDefault(d, byDefault time.Duration) time.Duration {
	if d <= 0 {
		return byDefault
	}
	return d
}

// Close ends the keeper's work. It tries once more, as long as ctx lasts, to store
// what the store has not taken yet. The next keeper on the same store takes over the
// operations that are still unknown.
func (k *Keeper) Close(ctx context.Context) {
	k.end()
	k.work.Wait()
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	k.retryUnrecorded(ctx)
	k.retryRevocations(ctx)
	k.readHead(ctx, 0)
}

// NewID returns a new id for an operation.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// IsID reports whether a text has the form of an id.
func IsID(text string) bool {
	id, err := uuid.Parse(text)
	return err == nil && id.String() == text
}

// Begin begins an operation. The caller sets its id and describes the request; Begin
// sets owner, state and times. The error is a [*KeyUsedError] with the current state
// of the operation that has the key, a [*HeldError] or [ErrUnusable].
//
// The caller ends the operation by [Write.Unsent], [Write.Settle] or
// [Write.Unchanged], and always calls [Write.Close].
func (k *Keeper) Begin(ctx context.Context, op Operation) (*Write, error) {
	now := time.Now()
	op.Owner, op.State, op.ReceivedAt = k.options.Owner, Received, now.UTC()
	if op.Key != "" {
		op.KeyExpires = now.Add(k.options.KeepKeys).UTC()
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	// It is in running before it is in the store, so that no caller finds it in
	// the store alone.
	w := &Write{keeper: k, op: op, request: ctx}
	k.mu.Lock()
	k.running[op.ID] = w
	k.mu.Unlock()
	err := k.options.Store.Begin(ctx, op)
	k.options.Trace.journaled(ctx, op, JournalBegin, now, err)
	if err == nil {
		return w, nil
	}
	if used, ok := errors.AsType[*KeyUsedError](err); ok {
		k.removeRunning(op.ID)
		return nil, &KeyUsedError{k.current(used.Operation)}
	}
	if _, held := errors.AsType[*HeldError](err); held {
		k.removeRunning(op.ID)
		k.noteRefused(err)
		return nil, err
	}
	k.storeFailed(ctx, "beginning an operation", err)
	k.abandonLater(op) // the store may have begun it all the same
	return nil, fmt.Errorf("%w: %w", ErrUnusable, err)
}

// Get returns an operation. The error is [ErrNotFound] if there is none, or
// [ErrUnusable].
func (k *Keeper) Get(ctx context.Context, id string) (Operation, error) {
	own, ok := k.own(id)
	if ok && own.State != Unknown {
		return own, nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	op, err := k.options.Store.Get(ctx, id)
	switch {
	case ok && (err != nil || own.Version >= op.Version): // the store has nothing newer
		return own, nil
	case err != nil && !errors.Is(err, ErrNotFound):
		err = fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	return op, err
}

// List returns a page of the operations that match a query, the last received first,
// and reports whether there are more. Those that are only Received may be missing. The
// error is [ErrUnusable].
func (k *Keeper) List(ctx context.Context, q Query) (page []Operation, more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	page, more, err = k.options.Store.List(ctx, q)
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	for i := range page {
		page[i] = k.current(page[i])
	}
	return page, more, nil
}

// Note adds an event to the audit trail that belongs to no operation.
func (k *Keeper) Note(ctx context.Context, event Event) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	err := k.options.Store.Append(ctx, event)
	if err != nil {
		k.storeFailed(ctx, "writing the audit trail", err)
	}
	return err
}

// current returns the operation as this process knows it, or op if this process has
// nothing newer.
func (k *Keeper) current(op Operation) Operation {
	if own, ok := k.own(op.ID); ok && own.Version >= op.Version {
		return own
	}
	return op
}

// own returns an operation that this process takes care of.
func (k *Keeper) own(id string) (Operation, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if w, ok := k.running[id]; ok {
		return w.op, true
	}
	if r, ok := k.unrecorded[id]; ok && r.op.State != Received {
		return r.op, true
	}
	if open, ok := k.open[id]; ok {
		return open.op, true
	}
	return Operation{}, false
}

// removeRunning removes an operation that this process does not carry out any more.
func (k *Keeper) removeRunning(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.running, id)
}

// storeFailed reports a failure of the store, unless it is only because the caller
// has canceled, or the keeper is being closed. It has the store checked in any case.
func (k *Keeper) storeFailed(ctx context.Context, doing string, err error) {
	k.health.requestCheck()
	if k.options.Trace.Failed != nil && !errors.Is(ctx.Err(), context.Canceled) {
		k.options.Trace.Failed(doing, err)
	}
}

// wake wakes maintain, which then does what is due.
func (k *Keeper) wake() {
	select {
	case k.wakeup <- struct{}{}:
	default:
	}
}
