package operation

import (
	"context"
	"errors"
	"maps"
	"slices"
)

// maxUnrecorded bounds what requests make the keeper remember while the store
// is down. What is not remembered holds its entries until the owner is dead.
const maxUnrecorded = 4096

// record is what the store has not taken yet: an outcome, or, of an operation
// that is Received, that it is abandoned. It is told the same until it has
// taken it. What failed may have taken effect, so that anything else, if only a
// later reading, might be about what others have done since.
type record struct {
	op    Operation
	event Event
	busy  bool // the store is being told
}

// record has the store take what it has not taken yet, and tells whether the
// store is usable. The caller has marked it as busy.
func (k *Keeper) record(ctx context.Context, r *record) bool {
	err := k.tell(ctx, r)
	conflict := errors.Is(err, ErrConflict)
	k.mu.Lock()
	r.busy = false
	if (err == nil || conflict) && k.unrecorded[r.op.ID] == r {
		delete(k.unrecorded, r.op.ID)
	}
	// Somebody took this process for dead, and takes care of it now.
	if d, ok := k.doubts[r.op.ID]; ok && conflict && d.op.Version <= r.op.Version {
		delete(k.doubts, r.op.ID)
	}
	k.mu.Unlock()
	switch {
	case err == nil:
		k.taken(r)
	case !conflict:
		k.failed(ctx, "recording what became of an operation", err)
		return false
	}
	return true
}

func (k *Keeper) tell(ctx context.Context, r *record) error {
	if r.op.State == Received {
		return k.options.Store.Abandon(ctx, r.op)
	}
	return k.options.Store.Record(ctx, r.op, r.event)
}

// taken tells whoever watches of what the store has taken.
func (k *Keeper) taken(r *record) {
	trace := k.options.Trace
	switch {
	case r.event.Kind == EventCorrection && trace.Corrected != nil:
		trace.Corrected(r.op)
	case r.event.Kind == EventOutcome && r.op.State.Ended() && !r.op.UnknownAt.IsZero() && trace.Resolved != nil:
		trace.Resolved(r.op)
	}
}

// recordAgain tries what the store has not taken yet, as long as it is usable.
func (k *Keeper) recordAgain(ctx context.Context) {
	k.mu.Lock()
	ids := slices.Collect(maps.Keys(k.unrecorded))
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	for _, id := range ids {
		if r := k.claim(id); r != nil && !k.record(ctx, r) {
			return
		}
	}
}

// claim finds what is to be recorded of an operation, unless somebody is at it.
func (k *Keeper) claim(id string) *record {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.unrecorded[id]
	if r == nil || r.busy {
		return nil
	}
	r.busy = true
	return r
}
