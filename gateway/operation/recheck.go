package operation

import (
	"context"
	"slices"
	"time"
)

// recheck looks whether an operation that was found not to be done, or was
// declined, has been done after all. What others did to some of its entries
// meanwhile is not its own doing, and says nothing of the other entries.
func (k *Keeper) recheck(d *doubt, op Operation, sight Observation) {
	places, touched, err := k.late(&op, sight)
	var undone []string
	if err == nil {
		undone, err = k.undone(&op, places, touched)
	}
	if err != nil {
		k.recheckAgain(d)
		return
	}
	if len(undone) > 0 && k.options.Trace.Undone != nil {
		k.options.Trace.Undone(op, undone)
	}
	op.RecheckAt = time.Time{}
	if len(places) == 0 {
		op.Version++
		k.keep(d, op, Event{})
		return
	}
	now := time.Now().UTC()
	from := op.State
	if op.Basis == NotTaken {
		op.Key = "" // free since then, so that it may be another operation's
	}
	op.concludeBy(places, slices.Repeat([]State{Done}, len(places)), now)
	op.Corrections = append(slices.Clone(op.Corrections), Correction{now, from, op.State})
	k.keep(d, op, EventOf(EventCorrection, &op, now))
}

// late returns the places of the entries in question that clearly have the value
// which the operation wants: those that nobody else can have given it, and, with the
// id of the last operation, those that a later one may have changed.
func (k *Keeper) late(op *Operation, sight Observation) (own []int, touched map[int]string, err error) {
	var seen []int
	of := *op
	of.Entries = nil
	for i, place := range op.inQuestion() {
		if sight.Effects[i] == (Effect{Seen: true, Clear: true}) {
			seen, of.Entries = append(seen, place), append(of.Entries, op.Entries[place])
		}
	}
	if len(seen) == 0 {
		return nil, nil, nil
	}
	ctx, cancel := context.WithTimeout(k.life, storeTime)
	defer cancel()
	by, err := k.options.Store.Touched(ctx, of)
	if err != nil {
		return nil, nil, k.notRechecked(ctx, err)
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
