package operation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Write is an operation that has no outcome yet. It belongs to one goroutine. In the
// state Intent the store may have the intent of a step, or not.
//
// A write is carried out in steps, one after the other. [Write.Intend] precedes each
// step; the next step may follow only if the platform's reply was a success. The reply
// to the last step that was sent goes to [Write.Settle], also if there are more steps
// that cannot be sent.
type Write struct {
	keeper *Keeper
	// op is guarded by the keeper's mu. Only the goroutine of the write changes its
	// State and Step, so it may read these without the lock.
	op Operation
	// lost reports that another process has taken the operation over and concluded
	// that no further step can be sent. The keeper's mu guards it.
	lost bool
	// request is the context of Begin, only for Trace.Journaled. It never changes.
	request context.Context
}

// State returns the operation's state.
func (w *Write) State() State { return w.op.State }

// Plan sets the entries of the plan, which replace those that the operation was begun
// with. It is called before the intent of the first step, which holds the new ones.
func (w *Write) Plan(entries []Entry) {
	if w.op.State == Received {
		w.update(func(op *Operation) { op.Entries = entries })
	}
}

// Intend records that a step of the plan, from 1, may be sent to a platform endpoint
// from now on. The step may be sent only if Intend returns nil.
//
// With the first step, the entries that already have the wanted value are done and
// free. The entries that only the plan names are held from then on. If another operation
// holds one of these, or has held one since this one was begun, the plan may be out of
// date: the error is a [*HeldError], nothing is recorded, and the operation is still
// Received. With each further step the entries of the steps before are done and free.
//
// Any other error is [ErrUnusable]. It is [ErrConflict] too if another process has taken
// the operation over or the store has lost it, so that no step can be sent any more.
//
// If a session is lost before anything was sent, and another session replaces it,
// Intend is called again for the same step. It then only notes the other endpoint.
func (w *Write) Intend(ctx context.Context, step int, endpoint string) error {
	if w.op.State == Sent && w.op.Step == step {
		w.update(func(op *Operation) { op.PlatformEndpoint = endpoint })
		return nil
	}
	if err := w.checkStep(step); err != nil {
		return err
	}
	before := w.snapshot()
	now := time.Now().UTC()
	w.update(func(op *Operation) { op.intend(step, endpoint, now) })
	intent := w.snapshot()
	var event Event // the trail has one intent for all steps
	if step == 1 {
		event = EventOf(EventIntent, &intent, now)
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	err := w.keeper.options.Store.Record(ctx, intent, event)
	w.keeper.options.Trace.journaled(w.request, intent, JournalIntent, now, err)
	if err != nil {
		return w.notIntended(ctx, before, err)
	}
	w.update(func(op *Operation) {
		op.State = Sent
		if op.SentAt.IsZero() {
			op.SentAt = time.Now().UTC()
		}
	})
	return nil
}

// checkStep reports why a step cannot be the next.
func (w *Write) checkStep(step int) error {
	w.keeper.mu.Lock()
	defer w.keeper.mu.Unlock()
	op := &w.op
	next := op.Step + 1
	if op.State == Intent {
		next = op.Step // once more
	}
	switch {
	case w.lost:
		return fmt.Errorf("%w: %w", ErrUnusable, ErrConflict)
	case !op.State.Running() || step != next:
		return fmt.Errorf("operation: step %d is not the next one: the operation is %s at step %d", step, op.State, op.Step)
	case !slices.ContainsFunc(op.Entries, func(e Entry) bool { return e.Step == step }):
		return fmt.Errorf("operation: step %d has no entries", step)
	}
	return nil
}

// intend makes the operation an intent to send a step. A further step that is tried
// once more keeps its version, so that its records stay behind those of a process that
// has taken the operation over.
func (o *Operation) intend(step int, endpoint string, now time.Time) {
	if o.State != Intent || step == 1 {
		o.Version++
	}
	if step == 1 {
		o.IntendedAt = now
	}
	o.State, o.Step, o.PlatformEndpoint = Intent, step, endpoint
	o.Entries = slices.Clone(o.Entries)
	for i := range o.Entries {
		if e := &o.Entries[i]; e.Step < step {
			e.Outcome = Done
		}
	}
}

// notIntended handles an intent that the store did not take, and returns the error of
// Intend. before is the operation before the intent.
func (w *Write) notIntended(ctx context.Context, before Operation, err error) error {
	if _, held := errors.AsType[*HeldError](err); held {
		if before.State == Received { // otherwise an earlier attempt may still take effect
			w.update(func(op *Operation) { *op = before })
		}
		w.keeper.noteRefused(err)
		return err
	}
	if errors.Is(err, ErrConflict) && w.op.Step > 1 {
		w.update(func(op *Operation) {
			w.lost = true
			if before.State != Intent && op.Version == before.Version+1 {
				op.Version = before.Version // so that the end is a conflict as well
			}
		})
	}
	w.keeper.storeFailed(ctx, "recording an intent", err)
	return fmt.Errorf("%w: %w", ErrUnusable, err)
}

// Close ends the operation if nothing else has. That is so if it was refused before its
// intent, or if the gateway failed: then it is abandoned if it is Received, not done if
// it is an Intent, and Unknown if it was Sent.
func (w *Write) Close() {
	switch w.op.State {
	case Received:
		w.abandon()
	case Intent:
		w.Unsent(w.op.Step)
	case Sent:
		w.finish(Unknown, "", nil)
	}
}

// abandon removes an operation that was refused before its intent.
func (w *Write) abandon() {
	k, op := w.keeper, w.snapshot()
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	if err := k.options.Store.Abandon(ctx, op); err != nil {
		k.storeFailed(ctx, "abandoning an operation", err)
		k.abandonLater(op)
		return
	}
	k.removeRunning(op.ID)
}

// abandonLater has an operation abandoned as soon as the store is usable. Otherwise it
// would hold its key and its entries as long as this process runs.
func (k *Keeper) abandonLater(op Operation) {
	k.mu.Lock()
	delete(k.running, op.ID)
	if len(k.unrecorded) < maxUnrecorded {
		k.unrecorded[op.ID] = &pendingRecord{op: op}
	}
	k.mu.Unlock()
	k.wake()
}

// Unsent ends an operation of which a step, from 1, cannot be sent, whether the step was
// intended or not; the steps before it are done. Nothing is rechecked. If it is the
// first step, nothing was done at all, and the key is free again.
func (w *Write) Unsent(step int) Operation {
	if w.op.State == Received {
		return w.snapshot()
	}
	w.update(func(op *Operation) { op.Step = max(op.Step, step) })
	return w.finish(NotDone, w.notTaken(), nil)
}

// notTaken returns the basis of an end by which the last step was not taken.
func (w *Write) notTaken() Basis {
	if w.op.Step > 1 {
		return ByReply // to the steps before
	}
	return NotTaken
}

// Unchanged ends an operation as done if all its entries already have the wanted value.
// Nothing is sent, and the operation keeps its key. Unchanged does nothing once a step
// was intended.
//
// The end takes effect only once it is recorded, since there is no intent from which
// the end could be found out again. The error is [ErrUnusable]; then the operation is
// still Received.
func (w *Write) Unchanged(entries []Entry) (Operation, error) {
	if w.op.State != Received {
		return w.snapshot(), nil
	}
	w.Plan(entries)
	k, now, op := w.keeper, time.Now(), w.snapshot()
	op.closeSteps(Done)
	op.conclude(Done, ByReading, now.UTC())
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	err := k.options.Store.Record(ctx, op, EventOf(EventOutcome, &op, now))
	k.options.Trace.journaled(w.request, op, JournalOutcome, now, err)
	if err != nil {
		k.storeFailed(ctx, "recording an operation that has nothing to change", err)
		return w.snapshot(), fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	w.update(func(o *Operation) { *o = op })
	k.removeRunning(op.ID)
	if k.options.Trace.Recorded != nil {
		k.options.Trace.Recorded(op)
	}
	return op, nil
}

// Reply classifies the platform's reply to a step of a write.
type Reply int

// The replies. NoReply also means that the command may not have reached the platform.
const (
	NoReply   Reply = iota
	Succeeded       // the platform reports that the step was done
	Refused         // the platform reports that nothing of the step was done
	Declined        // the platform reports that it did not process the step
	Unclear         // the reply reports none of these
)

// Settle ends an operation after the platform's reply to the last step that was
// intended. The steps before it are done. Later steps are not, since they were not sent.
//
// Unless the reply is Succeeded, the entries of the step are read back immediately, as
// long as ctx lasts: a refusal does not prove that nothing was done, and the effect of a
// write whose reply was lost may be seen already. If nothing can be read, the operation
// is Unknown. response is stored as the operation's Response if the platform's refusal
// is confirmed, or may be by a later reading.
func (w *Write) Settle(ctx context.Context, reply Reply, response json.RawMessage) Operation {
	switch reply {
	case Succeeded:
		return w.finish(Done, ByReply, nil)
	case NoReply:
		// It becomes Unknown first: the reading may take long.
		op := w.finish(Unknown, "", nil)
		return w.keeper.Resolve(ctx, op)
	case Declined:
		response = nil // advice to try again later does not fit a request with the same key
	}
	op := w.snapshot()
	if len(op.Releases) > 0 { // a reading may show the effect of another operation
		return w.finish(Unknown, "", response)
	}
	op.closeSteps(Unknown)
	seen, err := w.keeper.readInQuestion(ctx, &op)
	if err != nil {
		return w.finish(Unknown, "", response)
	}
	switch state := classifyReply(reply, seen); {
	case state == NotDone && !w.keeper.isOwn(ctx, &op):
		return w.finish(Unknown, "", response)
	case state == NotDone && reply == Declined:
		return w.decline()
	case state == NotDone:
		return w.finish(NotDone, ByReply, response)
	case state == Done:
		return w.finish(Done, ByReading, nil)
	}
	return w.finish(Unknown, "", response)
}

// isOwn reports whether the store certainly has the operation as this process has it. If another
// process has taken it over, that may have seen its effect and freed the entries, so that a
// reading of this process shows what others have done since.
func (k *Keeper) isOwn(ctx context.Context, op *Operation) bool {
	if !k.options.Shared {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	stored, err := k.options.Store.Get(ctx, op.ID)
	if err != nil {
		k.storeFailed(ctx, "reading an operation", err)
	}
	return err == nil && stored.Owner == k.options.Owner && stored.State == Intent
}

// decline ends an operation of which the platform did not process the last step. That
// is known from the reply and from one reading right after it, so it is rechecked.
func (w *Write) decline() Operation {
	return w.end(NotDone, w.notTaken(), nil, time.Now().UTC().Add(w.keeper.options.Recheck))
}

// finish records the first outcome, which is not rechecked.
func (w *Write) finish(last State, basis Basis, response json.RawMessage) Operation {
	return w.end(last, basis, response, time.Time{})
}

// end records the first outcome, which follows from that of the last step, and when it
// is to be rechecked; the zero time means never. It does nothing if the operation has
// its outcome. An outcome that the store does not take is recorded later: it is known
// all the same.
func (w *Write) end(last State, basis Basis, response json.RawMessage, recheckAt time.Time) Operation {
	k := w.keeper
	if !w.State().Running() {
		return w.snapshot()
	}
	now := time.Now()
	k.mu.Lock()
	op := &w.op
	op.closeSteps(last)
	state := last
	if last != Unknown {
		state = op.stateOfEntries()
	}
	op.conclude(state, basis, now.UTC())
	op.Response, op.RecheckAt = response, recheckAt
	finished := *op
	r := &pendingRecord{op: finished, event: EventOf(EventOutcome, op, now), busy: true}
	// It is open already if this process has taken it over, from another one that
	// had taken this process for stopped.
	if _, isOpen := k.open[op.ID]; !isOpen {
		k.unrecorded[op.ID] = r
		if finished.Open() {
			k.open[op.ID] = newOpenOperation(finished, now, now)
		}
	}
	delete(k.running, op.ID)
	k.mu.Unlock()
	if k.options.Trace.Recorded != nil {
		k.options.Trace.Recorded(finished)
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	began := time.Now()
	var failed error
	if !k.storeRecord(ctx, r) {
		failed = ErrUnusable
	}
	k.options.Trace.journaled(w.request, finished, JournalOutcome, began, failed)
	k.wake()
	return finished
}

// snapshot returns the operation as it is now.
func (w *Write) snapshot() Operation {
	w.keeper.mu.Lock()
	defer w.keeper.mu.Unlock()
	return w.op
}

// update changes the operation under the keeper's mu.
func (w *Write) update(by func(*Operation)) {
	w.keeper.mu.Lock()
	defer w.keeper.mu.Unlock()
	by(&w.op)
}
