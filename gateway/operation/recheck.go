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
	outcomes := outcomesOf(sight.Effects)
	var late []Entry
	for i, e := range op.Entries { // one that was released has no outcome
		if e.Outcome == NotDone && sight.Effects[i] == (Effect{Seen: true, Clear: true}) {
			late = append(late, e)
		} else {
			outcomes[i] = e.Outcome
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
	op.concludeBy(outcomes, now)
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
