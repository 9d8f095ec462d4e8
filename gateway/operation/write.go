package operation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Write is an operation on its way to its first outcome. It belongs to one
// goroutine. In the state Intent the intent of a step may be recorded, or not.
//
// It is carried out in steps, one after the other. For each of them [Write.Intend]
// comes first; the next step may follow only when the platform's answer was a
// success. The answer to the last step that was sent goes to [Write.Settle], also
// where there are more steps that cannot be sent.
type Write struct {
	keeper *Keeper
	op     Operation // changed under the keeper's mutex
	// lost reports that others have taken the operation over and concluded that no
	// further step can be sent. The keeper's mutex guards it.
	lost bool
}

// State is the operation's.
func (w *Write) State() State { return w.op.State }

// Plan notes the entries of the plan, in the place of those that the operation was
// begun with. It is called before the intent of the first step, with which those
// that are new become held.
func (w *Write) Plan(entries []Entry) {
	if w.op.State == Received {
		w.change(func(op *Operation) { op.Entries = entries })
	}
}

// Intend records that a step of the plan, from 1, may be sent from now on. Unless
// it returns nil, it may not be.
//
// With the first step, the entries that are as wanted already are done and free.
// Those that only the plan knows are held from then on, unless another operation
// holds one, or has had one since this one was begun, so that the plan may be out of
// date: then the error is a [*HeldError], nothing is recorded, and the operation is
// still Received. With each further step the entries of the steps
// before are done and free. Any other error is [ErrUnusable]; it is [ErrConflict]
// too where others have taken the operation over or the store has lost it, so that
// no step can be sent any more.
//
// Where a session was lost before anything left, and another takes its place,
// it is called again for the same step, and only notes the other node.
func (w *Write) Intend(ctx context.Context, step int, node string) error {
	if w.op.State == Sent && w.op.Step == step {
		w.change(func(op *Operation) { op.PlatformEndpoint = node })
		return nil
	}
	if err := w.checkStep(step); err != nil {
		return err
	}
	before := w.now()
	now := time.Now().UTC()
	w.change(func(op *Operation) { op.intend(step, node, now) })
	intent := w.now()
	var event Event // the trail has one intent for the whole operation
	if step == 1 {
		event = EventOf(EventIntent, &intent, now)
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	if err := w.keeper.options.Store.Record(ctx, intent, event); err != nil {
		return w.notIntended(ctx, before, err)
	}
	w.change(func(op *Operation) {
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

// intend makes the operation an intent to send a step. A further step that is
// tried once more has the same version again, so that its records stay behind
// those of whoever has taken the operation over.
func (o *Operation) intend(step int, node string, now time.Time) {
	if o.State != Intent || step == 1 {
		o.Version++
	}
	if step == 1 {
		o.IntendedAt = now
	}
	o.State, o.Step, o.PlatformEndpoint = Intent, step, node
	o.Entries = slices.Clone(o.Entries)
	for i := range o.Entries {
		if e := &o.Entries[i]; e.Step < step {
			e.Outcome = Done
		}
	}
}

// notIntended deals with an intent that the store did not take. before is the
// operation as it was.
func (w *Write) notIntended(ctx context.Context, before Operation, err error) error {
	if _, held := errors.AsType[*HeldError](err); held {
		if before.State == Received { // else an earlier try may still take effect
			w.change(func(op *Operation) { *op = before })
		}
		return err
	}
	if errors.Is(err, ErrConflict) && w.op.Step > 1 {
		w.change(func(op *Operation) {
			w.lost = true
			if before.State != Intent && op.Version == before.Version+1 {
				op.Version = before.Version // so that the end is a conflict as well
			}
		})
	}
	w.keeper.failed(ctx, "recording an intent", err)
	return fmt.Errorf("%w: %w", ErrUnusable, err)
}

// Leave makes sure that the operation has an end. One that nobody ended was
// refused before its intent, or met a failure of ours.
func (w *Write) Leave() {
	switch w.op.State {
	case Received:
		w.abandon()
	case Intent:
		w.Unsent(w.op.Step)
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

// Unsent ends an operation of which a step, from 1, cannot be sent, and of which
// the steps before were done: nothing of this step left, whether it was intended
// or not. There is nothing to look at once more. Where that is the first step,
// nothing was done at all, and the key is free again.
func (w *Write) Unsent(step int) Operation {
	if w.op.State == Received {
		return w.now()
	}
	w.change(func(op *Operation) { op.Step = max(op.Step, step) })
	return w.finish(NotDone, w.notTaken(), nil)
}

// notTaken is the basis of an end by which the last step was not taken.
func (w *Write) notTaken() Basis {
	if w.op.Step > 1 {
		return ByReply // to the steps before
	}
	return NotTaken
}

// Unneeded ends an operation as done of which all entries are as they are wanted
// already. Nothing is sent, and its key stays its own. It does nothing once a
// step was intended.
//
// There is no intent from which the end could be found out again, so it counts only
// once it is recorded. The error is [ErrUnusable]; then the operation is still
// Received.
func (w *Write) Unneeded(entries []Entry) (Operation, error) {
	if w.op.State != Received {
		return w.now(), nil
	}
	w.Plan(entries)
	k, now, op := w.keeper, time.Now(), w.now()
	op.closeSteps(Done)
	op.conclude(Done, ByReading, now.UTC())
	ctx, cancel := context.WithTimeout(context.Background(), storeTime)
	defer cancel()
	if err := k.options.Store.Record(ctx, op, EventOf(EventOutcome, &op, now)); err != nil {
		k.failed(ctx, "recording an operation that has nothing to change", err)
		return w.now(), fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	w.change(func(o *Operation) { *o = op })
	k.forget(op.ID)
	if k.options.Trace.Recorded != nil {
		k.options.Trace.Recorded(op)
	}
	return op, nil
}

// Reply is what the platform answered to a step of a write.
type Reply int

// The answers. NoReply is also that of a command that was lost on its way.
const (
	NoReply  Reply = iota
	Succeeded        // it says that the step was done
	Refused          // it says that nothing of the step was done
	Declined         // it says that it did not look at it
	Unclear          // it says neither
)

// Settle ends an operation after the platform's answer to the last step that was
// intended. The steps before are done. Those behind it are not, since they were
// never sent.
//
// Unless the answer is Succeeded, what is to be seen of the step is read at once,
// as long as ctx lasts: a refusal is no proof of what was not done, and a write
// whose answer was lost may be seen already. Without a reading it is Unknown. told
// is kept as the operation's answer where the platform's refusal stands, be it
// that a later reading shows it.
func (w *Write) Settle(ctx context.Context, answer Reply, told json.RawMessage) Operation {
	switch answer {
	case Succeeded:
		return w.finish(Done, ByReply, nil)
	case NoReply:
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
	op.closeSteps(Unknown)
	sight, err := w.keeper.look(ctx, &op)
	if err != nil {
		return w.finish(Unknown, "", told)
	}
	switch state := afterAnswer(answer, sight); {
	case state == NotDone && answer == Declined:
		return w.decline()
	case state == NotDone:
		return w.finish(NotDone, ByReply, told)
	case state == Done:
		return w.finish(Done, ByReading, nil)
	}
	return w.finish(Unknown, "", told)
}

// decline ends an operation of which the last step was sent and the platform did
// not look at it. That is known from its answer and from one reading right after
// it, so it is looked at once more.
func (w *Write) decline() Operation {
	return w.end(NotDone, w.notTaken(), nil, time.Now().UTC().Add(w.keeper.options.Recheck))
}

// finish records the first outcome.
func (w *Write) finish(last State, basis Basis, told json.RawMessage) Operation {
	return w.end(last, basis, told, time.Time{})
}

// end records the first outcome, which follows from that of the last step, and
// when it is to be looked at once more, zero for never. What the store does not
// take is recorded later: it is true all the same.
func (w *Write) end(last State, basis Basis, told json.RawMessage, recheckAt time.Time) Operation {
	k := w.keeper
	if !w.State().Running() {
		return w.now() // it has its outcome
	}
	now := time.Now()
	k.mu.Lock()
	op := &w.op
	op.closeSteps(last)
	state := last
	if last != Unknown {
		state = op.whole()
	}
	op.conclude(state, basis, now.UTC())
	op.Response, op.RecheckAt = told, recheckAt
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

// conclude gives the operation a state.
func (o *Operation) conclude(state State, basis Basis, now time.Time) {
	o.Version++
	o.State, o.Basis = state, basis
	if state == Unknown {
		o.UnknownAt, o.Basis = now, ""
		return
	}
	o.EndedAt = now
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
