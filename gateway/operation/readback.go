package operation

import "time"

// ReadBack describes the readings of an open operation in the process that takes care
// of it. None of it is recorded.
type ReadBack struct {
	ReadAt  time.Time `json:"read_at,omitzero"`  // when the last reading ended
	Failure string    `json:"failure,omitempty"` // why the last reading failed, empty if it did not
	NextAt  time.Time `json:"next_at,omitzero"`  // when the next reading is due
	// SettledAt is from when on a reading without the operation's effect counts as
	// proof.
	SettledAt time.Time `json:"settled_at,omitzero"`
	// Unrecorded reports whether the store has not taken yet what is known of it.
	Unrecorded bool `json:"unrecorded,omitempty"`
}

// ReadBack describes the readings of an operation. The second result is false if this
// process does not take care of the operation.
func (k *Keeper) ReadBack(id string) (ReadBack, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	open, ok := k.open[id]
	if !ok {
		return ReadBack{}, false
	}
	return k.readBackLocked(open), true
}

// readBackLocked describes the readings of an operation. The caller holds mu.
func (k *Keeper) readBackLocked(open *openOperation) ReadBack {
	r := ReadBack{ReadAt: open.readAt, NextAt: open.due, SettledAt: open.since.Add(k.options.Settle), Unrecorded: k.unrecorded[open.op.ID] != nil}
	if open.failure != nil {
		r.Failure = open.failure.Error()
	}
	return r
}
