package operation

import (
	"context"
	"slices"
	"time"
)

// recheck finds out by a reading whether an operation that was found not to be done, or
// was declined, has been done after all, and corrects it if so. An effect on entries
// that later operations may have changed is not taken for its own, and says nothing
// about the other entries. The caller has the token.
func (k *Keeper) recheck(open *openOperation, op Operation, seen Observation) {
	places, touched, err := k.lateEffects(&op, seen)
	var undone []string
	if err == nil {
		undone, err = k.findUndone(&op, places, touched)
	}
	if err != nil {
		k.postponeRecheck(open)
		return
	}
	if len(undone) > 0 && k.options.Trace.Undone != nil {
		k.options.Trace.Undone(op, undone)
	}
	op.RecheckAt = time.Time{}
	if len(places) == 0 {
		op.Version++
		k.replace(open, op, Event{})
		return
	}
	now := time.Now().UTC()
	from := op.State
	if op.Basis == NotTaken {
		op.Key = "" // it is free since then, and may belong to another operation
	}
	op.concludeBy(places, slices.Repeat([]State{Done}, len(places)), now)
	op.Corrections = append(slices.Clone(op.Corrections), Correction{now, from, op.State})
	k.replace(open, op, EventOf(EventCorrection, &op, now))
}

// lateEffects returns the places of the entries in question that clearly have the value
// which the operation wants. own are those that no later operation can have changed.
// touched are the others, with the id of the last operation that may have changed them.
func (k *Keeper) lateEffects(op *Operation, observed Observation) (own []int, touched map[int]string, err error) {
	var seen []int
	of := *op
	of.Entries = nil
	for i, place := range op.inQuestion() {
		if observed.Effects[i] == (Effect{Seen: true, Clear: true}) {
			seen, of.Entries = append(seen, place), append(of.Entries, op.Entries[place])
		}
	}
	if len(seen) == 0 {
		return nil, nil, nil
	}
	ctx, cancel := context.WithTimeout(k.life, storeTimeout)
	defer cancel()
	by, err := k.options.Store.Touched(ctx, of)
	if err != nil {
		return nil, nil, k.recheckFailed(ctx, err)
	}
	touched = map[int]string{}
	for _, place := range seen {
		if id, ok := by[op.Entries[place].Claim()]; ok {
			touched[place] = id
		} else {
			own = append(own, place)
		}
	}
	return own, touched, nil
}
