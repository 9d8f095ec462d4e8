package operation

import "time"

// ReadBack is what the process that looks after an operation knows of its
// readings. None of it is recorded.
type ReadBack struct {
	ReadAt  time.Time `json:"read_at,omitzero"`  // when the last reading ended
	Failure string    `json:"failure,omitempty"` // why the last reading failed, empty where it did not
	NextAt  time.Time `json:"next_at,omitzero"`  // when it is read next
	// SettledAt is from when on not seeing the operation's effect proves something.
	SettledAt time.Time `json:"settled_at,omitzero"`
	// Unrecorded reports whether the journal has not taken what is known of it.
	Unrecorded bool `json:"unrecorded,omitempty"`
}

// Standing is that of an operation which this process looks after. The second
// result is false where it does not.
func (k *Keeper) Standing(id string) (ReadBack, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	d, ok := k.doubts[id]
	if !ok {
		return ReadBack{}, false
	}
	s := ReadBack{ReadAt: d.looked, NextAt: d.due, SettledAt: d.since.Add(k.options.Settle), Unrecorded: k.unrecorded[id] != nil}
	if d.failure != nil {
		s.Failure = d.failure.Error()
	}
	return s, true
}
