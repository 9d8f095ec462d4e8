package operation

import (
	"context"
	"errors"
	"maps"
	"slices"
)

// maxUnrecorded limits the number of abandoned operations that the keeper remembers
// while the store is not usable. One that it does not remember holds its entries until
// the owner has stopped.
const maxUnrecorded = 4096

// pendingRecord is a record that the store has not taken yet: an outcome or, for an
// operation that is Received, that it is abandoned. The keeper stores the same record
// until the store has taken it: a failed call may have taken effect, and then a later
// reading might show what other operations have changed since.
type pendingRecord struct {
	op    Operation
	event Event
	busy  bool // a goroutine is storing it; the keeper's mu guards it
}

// storeRecord stores a record, and reports whether the store is usable. The caller has
// set busy. No lock is held during the call of the store.
func (k *Keeper) storeRecord(ctx context.Context, r *pendingRecord) bool {
	err := k.callStore(ctx, r)
	conflict := errors.Is(err, ErrConflict)
	k.mu.Lock()
	r.busy = false
	if (err == nil || conflict) && k.unrecorded[r.op.ID] == r {
		delete(k.unrecorded, r.op.ID)
	}
	// On a conflict another process has taken the operation over.
	if open, ok := k.open[r.op.ID]; ok && conflict && open.op.Version <= r.op.Version {
		delete(k.open, r.op.ID)
	}
	k.mu.Unlock()
	switch {
	case err == nil:
		k.traceStored(r)
	case !conflict:
		k.storeFailed(ctx, "recording what became of an operation", err)
		return false
	}
	return true
}

// callStore stores a record, or abandons the operation if that is Received.
func (k *Keeper) callStore(ctx context.Context, r *pendingRecord) error {
	if r.op.State == Received {
		return k.options.Store.Abandon(ctx, r.op)
	}
	return k.options.Store.Record(ctx, r.op, r.event)
}

// traceStored reports a record that the store has taken.
func (k *Keeper) traceStored(r *pendingRecord) {
	trace := k.options.Trace
	switch {
	case r.event.Kind == EventCorrection && trace.Corrected != nil:
		trace.Corrected(r.op)
	case r.event.Kind == EventOutcome && r.op.State.Ended() && !r.op.UnknownAt.IsZero() && trace.Resolved != nil:
		trace.Resolved(r.op)
	}
}

// retryUnrecorded stores what the store has not taken yet, until a call fails.
func (k *Keeper) retryUnrecorded(ctx context.Context) {
	k.mu.Lock()
	ids := slices.Collect(maps.Keys(k.unrecorded))
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	for _, id := range ids {
		if r := k.reserveRecord(id); r != nil && !k.storeRecord(ctx, r) {
			return
		}
	}
}

// reserveRecord returns what is to be stored of an operation and sets busy. It returns
// nil if there is nothing, or if another goroutine is storing it.
func (k *Keeper) reserveRecord(id string) *pendingRecord {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.unrecorded[id]
	if r == nil || r.busy {
		return nil
	}
	r.busy = true
	return r
}
