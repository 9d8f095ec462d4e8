package operation

import (
	"context"
	"slices"
	"time"
)

// recheck looks whether an operation that was found not to be done, or was
// declined, has been done after all. What others did to its entries meanwhile is
// not its own doing.
func (k *Keeper) recheck(d *doubt, op Operation, sight Sight) {
	var late []Entry
	var places []int
	for i, place := range op.inQuestion() {
		if sight.Effects[i] == (Effect{Seen: true, Clear: true}) {
			late, places = append(late, op.Entries[place]), append(places, place)
		}
	}
	changed := len(late) > 0
	if changed {
		of := op
		of.Entries = late // what became of the others meanwhile says nothing of these
		touched, err := k.touched(of)
		if err != nil {
			k.mu.Lock()
			defer k.mu.Unlock()
			d.due = time.Now().Add(lastPause)
			return
		}
		changed = !touched
	}
	op.RecheckAt = time.Time{}
	if !changed {
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

func (k *Keeper) touched(op Operation) (bool, error) {
	ctx, cancel := context.WithTimeout(k.life, storeTime)
	defer cancel()
	touched, err := k.options.Store.Touched(ctx, op)
	if err != nil {
		k.failed(ctx, "rechecking an operation", err)
	}
	return touched, err
}
