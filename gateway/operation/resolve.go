package operation

import (
	"context"
	"errors"
	"slices"
	"time"
)

// betweenReadings is the least time between two readings that count as two.
const betweenReadings = time.Second

// openOperation is an operation that is [Operation.Open], and what this process knows
// of its readings. The keeper's mu guards op, due, readAt and failure. The goroutine
// that has the token reads the operation back; it alone uses pause and previous.
// since does not change.
type openOperation struct {
	op    Operation
	since time.Time     // the latest time at which the platform may have received it
	due   time.Time     // when the next reading is due
	pause time.Duration // between that reading and the one after it
	token chan struct{} // holds a token while no goroutine reads the operation back
	taken bool          // over from another process; does not change

	// previous has the first of the readings that agree, for each platform
	// endpoint, as far as they began after the settle time.
	previous map[string]reading
	readAt   time.Time // when the last reading ended, also if it failed
	failure  error     // why the last reading failed

	refused   int       // operations that needed what this one holds
	refusedAt time.Time // when the last of them was refused
}

type reading struct {
	ended   time.Time
	effects []Effect
}

// newOpenOperation returns an operation that is open from now on. sent is the latest time at which
// the platform may receive it.
func newOpenOperation(op Operation, now, sent time.Time) *openOperation {
	open := &openOperation{op: op, since: sent, due: now.Add(firstPause), pause: firstPause, token: make(chan struct{}, 1)}
	if op.Over() {
		open.due = op.RecheckAt
	}
	open.token <- struct{}{}
	return open
}

// addReading adds a reading to the previous ones. It returns the outcomes of the
// entries and true if they are proven. The caller has the token.
//
// An effect that is seen is proof. An effect that is not seen proves something only
// once the write can no longer take effect, that is after the settle time, and by two
// readings of the same platform endpoint that agree: a single reading may come from a
// part of the platform that has not received the change yet.
func (open *openOperation) addReading(seen Observation, began, ended time.Time, settle time.Duration) ([]State, bool) {
	if allOf(seen.Effects, func(e Effect) bool { return e.Seen && e.Clear }) {
		return outcomesOf(seen.Effects), true
	}
	if began.Sub(open.since) < settle {
		return nil, false
	}
	this := reading{ended, seen.Effects}
	first, again := open.previous[seen.Endpoint]
	switch agrees := !open.disagrees(seen.Effects); {
	case agrees && again && began.Sub(first.ended) >= betweenReadings:
		return outcomesOf(seen.Effects), true
	case agrees && again: // too soon
	case agrees:
		if open.previous == nil {
			open.previous = map[string]reading{}
		}
		open.previous[seen.Endpoint] = this
		open.pause = firstPause // the next may prove it
	default: // no shorter pause: endpoints may differ for a long time
		open.previous = map[string]reading{seen.Endpoint: this}
	}
	return nil, false
}

// disagrees reports whether the previous reading of any platform endpoint shows
// other effects. All endpoints have to agree: a change that one of them has may not
// have reached the others yet. The caller has the token.
func (open *openOperation) disagrees(effects []Effect) bool {
	for _, r := range open.previous {
		if !slices.Equal(r.effects, effects) {
			return true
		}
	}
	return false
}

// postponeLocked sets when the next reading is due: soon at first, then less often,
// but exactly when the settle time is over. The caller holds the keeper's mu, and has
// the token.
func (open *openOperation) postponeLocked(began, ended time.Time, settle time.Duration) {
	open.readAt = ended
	open.due = ended.Add(open.pause)
	if settled := open.since.Add(settle); began.Before(settled) && open.due.After(settled) {
		open.due = settled
	}
	open.pause = min(2*open.pause, lastPause)
}

// Resolve reads an Unknown operation back once and returns it with what is then
// known. It reads nothing if another goroutine is reading the operation, or has
// within the last second; it then waits for that reading.
func (k *Keeper) Resolve(ctx context.Context, op Operation) Operation {
	op = k.current(op)
	if op.State != Unknown || op.Over() {
		return op
	}
	k.mu.Lock()
	open, ok := k.open[op.ID]
	k.mu.Unlock()
	if !ok {
		// Another replica takes care of it, but what is read here counts.
		now := time.Now()
		open = newOpenOperation(op, now, now)
	}
	k.examineOnce(ctx, open)
	k.mu.Lock()
	op = open.op
	kept := k.open[op.ID] == open
	k.mu.Unlock()
	if !kept {
		// It has ended, or another process takes care of it and may know more.
		if latest, err := k.Get(ctx, op.ID); err == nil {
			return latest
		}
	}
	return op
}

// examineOnce examines an Unknown operation, or waits for the goroutine that
// examines it.
func (k *Keeper) examineOnce(ctx context.Context, open *openOperation) {
	if ctx.Err() != nil {
		return
	}
	select {
	case <-open.token:
		defer k.returnToken(open)
		if k.worthReading(open) {
			k.examine(ctx, open)
		}
		return
	default:
	}
	select {
	case <-open.token:
		k.returnToken(open)
	case <-ctx.Done():
	}
}

// worthReading reports whether another reading can show anything new: the store has
// the operation as unknown, and the last reading is at least a second ago.
func (k *Keeper) worthReading(open *openOperation) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !open.op.Over() && k.unrecorded[open.op.ID] == nil && time.Since(open.readAt) >= betweenReadings
}

// returnToken lets the next goroutine examine an operation, which may be due already.
func (k *Keeper) returnToken(open *openOperation) {
	open.token <- struct{}{}
	k.wake()
}

// examine reads an operation back and records what that proves. The caller has the
// token.
func (k *Keeper) examine(ctx context.Context, open *openOperation) {
	k.mu.Lock()
	op := open.op
	k.mu.Unlock()
	began := time.Now()
	seen, err := k.readInQuestion(ctx, &op)
	ended := time.Now()
	switch {
	case ctx.Err() != nil && err != nil:
		return // canceled: the error says nothing about the platform
	case op.Over() && err == nil:
		k.recheck(open, op, seen)
		return
	case !op.Over() && !k.stillHeld(open, &op):
		return
	case err == nil:
		if outcomes, proven := open.addReading(seen, began, ended, k.options.Settle); proven {
			k.resolve(open, op, outcomes)
			return
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	open.failure = err
	if err != nil && ctx != k.life {
		open.readAt = ended // a reading of the keeper itself is more urgent, and is due as before
		return
	}
	open.postponeLocked(began, ended, k.options.Settle)
}

// stillHeld reports whether the store still has the operation as the keeper knows it.
// If so, its entries were held while they were read, and the effects are its own. If
// another process has recorded the operation, this one stops reading it back. If the
// store cannot be read, the platform is not read either until it can.
func (k *Keeper) stillHeld(open *openOperation, op *Operation) bool {
	ctx, cancel := context.WithTimeout(k.life, storeTimeout)
	defer cancel()
	stored, err := k.options.Store.Get(ctx, op.ID)
	unreadable := err != nil && !errors.Is(err, ErrNotFound)
	if unreadable {
		k.storeFailed(ctx, "reading an operation", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case unreadable:
		k.unreadable = true
		now := time.Now()
		open.failure = err
		open.postponeLocked(now, now, k.options.Settle)
		return false
	case err == nil && (stored.Version > op.Version || stored.Version == op.Version && stored.Owner != op.Owner):
		if k.open[op.ID] == open {
			delete(k.open, op.ID)
		}
		return false
	}
	return true
}

// resolve records the outcomes of the entries that an unknown operation holds.
func (k *Keeper) resolve(open *openOperation, op Operation, outcomes []State) {
	now := time.Now().UTC()
	op.concludeBy(op.inQuestion(), outcomes, now)
	if slices.Contains(outcomes, NotDone) {
		op.RecheckAt = now.Add(k.options.Recheck)
	}
	k.replace(open, op, EventOf(EventOutcome, &op, now))
}

// replace gives an open operation a new state, and stores it with its event. A
// process that owned it meanwhile then learns that its own state is out of date.
func (k *Keeper) replace(open *openOperation, op Operation, event Event) {
	op.Owner = k.options.Owner
	k.mu.Lock()
	if now, ok := k.open[op.ID]; ok && now != open {
		k.mu.Unlock()
		return // this process has taken it over again
	}
	r := &pendingRecord{op: op, event: event, busy: true}
	k.unrecorded[op.ID] = r
	open.op, open.due = op, op.RecheckAt
	if !op.Open() {
		delete(k.open, op.ID)
	}
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.life), storeTimeout)
	defer cancel()
	k.storeRecord(ctx, r)
}
