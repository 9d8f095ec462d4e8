package auth

import (
	"cmp"
	"container/list"
	"context"
	"slices"
	"sync"
)

// slots bound how many verifications run at a time. Those of credentials that are known
// never wait for guesses: guesses have a share of the slots only, and get none as long as
// a known one waits.
//
// Guesses wait in a queue of bounded length, those whose address has failed least first,
// then in the order of arrival. If the queue is full, the last of them is refused, which
// may be the new one. The callers bound the time.
type slots struct {
	mu      sync.Mutex // guards the fields below; not held during a verification
	bounds  slotBounds
	running [2]slotUse // of guesses and of known ones
	known   list.List  // of *ticket, in the order of arrival
	guesses []*ticket  // by their rank
}

// slotBounds are the bounds of slots.
type slotBounds struct {
	// total is how many run at a time, and guesses how many of these may be guesses: at
	// least 1, and less than total.
	total, guesses int
	// memory is how many bytes the verifications of one kind may use together. One is
	// permitted alone, whatever it needs.
	memory int64
	// queue is how many guesses wait at most. Known ones are not refused: only those who
	// have the secret, or the address of somebody who has, can make them.
	queue int
}

// slotUse is what the running verifications of one kind use.
type slotUse struct {
	count  int
	memory int64
}

// rank orders guesses: those with fewer failures of their block, then of their network,
// come first.
type rank struct{ block, network int }

func (r rank) compare(other rank) int {
	return cmp.Or(cmp.Compare(r.block, other.block), cmp.Compare(r.network, other.network))
}

// ticket is a verification that waits for a slot, or has one.
type ticket struct {
	known  bool
	rank   rank  // of a guess
	memory int64 // bytes that the verification needs

	element *list.Element // of a known one that waits
	started chan error    // gets nil with the slot, or the refusal; buffered
}

func (t *ticket) kind() int {
	if t.known {
		return 1
	}
	return 0
}

func newSlots(b slotBounds) *slots { return &slots{bounds: b} }

// resize changes how many verifications run at a time. Those that run are not stopped.
func (s *slots) resize(total, guesses int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bounds.total, s.bounds.guesses = total, guesses
	s.startLocked()
}

// acquire waits for a slot until the context ends. The caller calls release with the
// ticket after the verification. Its error is a [*ThrottledError], or the context's.
func (s *slots) acquire(ctx context.Context, t *ticket) error {
	if ctx.Err() != nil { // it could not be used any more
		return waitEnded(ctx, ReasonBusy)
	}
	t.started = make(chan error, 1)
	s.enqueue(t)
	select {
	case err := <-t.started:
		return err
	case <-ctx.Done():
		return s.leave(t, waitEnded(ctx, ReasonBusy))
	}
}

// errSlots is the error of a verification for which there is no slot.
func errSlots() error { return &ThrottledError{RetryAfter: waitAgain, Reason: ReasonBusy} }

// enqueue adds a ticket, and starts it if there is a slot.
func (s *slots) enqueue(t *ticket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.known {
		t.element = s.known.PushBack(t)
	} else {
		at, _ := slices.BinarySearchFunc(s.guesses, t, func(waiting, t *ticket) int {
			return cmp.Or(waiting.rank.compare(t.rank), -1) // behind those of the same rank
		})
		s.guesses = slices.Insert(s.guesses, at, t)
	}
	s.startLocked()
	if last := len(s.guesses) - 1; last >= s.bounds.queue {
		s.guesses[last].started <- errSlots()
		s.guesses = slices.Delete(s.guesses, last, last+1)
	}
}

// startLocked starts those that wait, as far as there are slots.
func (s *slots) startLocked() {
	for s.known.Len() > 0 {
		t, _ := s.known.Front().Value.(*ticket)
		if !s.fitsLocked(t) {
			return
		}
		s.known.Remove(t.element)
		s.giveLocked(t)
	}
	for len(s.guesses) > 0 && s.fitsLocked(s.guesses[0]) {
		t := s.guesses[0]
		s.guesses = slices.Delete(s.guesses, 0, 1)
		s.giveLocked(t)
	}
}

// fitsLocked reports whether there is a slot for a ticket.
func (s *slots) fitsLocked(t *ticket) bool {
	use := s.running[t.kind()]
	switch {
	case s.running[0].count+s.running[1].count >= s.bounds.total,
		!t.known && use.count >= s.bounds.guesses:
		return false
	}
	return use.count == 0 || use.memory+t.memory <= s.bounds.memory
}

func (s *slots) giveLocked(t *ticket) {
	use := &s.running[t.kind()]
	use.count++
	use.memory += t.memory
	t.started <- nil
}

// release returns the slot of a ticket.
func (s *slots) release(t *ticket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.releaseLocked(t)
}

func (s *slots) releaseLocked(t *ticket) {
	use := &s.running[t.kind()]
	use.count--
	use.memory -= t.memory
	s.startLocked()
}

// leave ends the wait of a ticket, and returns err.
func (s *slots) leave(t *ticket, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case given := <-t.started:
		if given == nil {
			s.releaseLocked(t)
		}
		return err
	default:
	}
	if t.known {
		s.known.Remove(t.element)
	} else {
		s.guesses = slices.DeleteFunc(s.guesses, func(other *ticket) bool { return other == t })
	}
	s.startLocked() // a large one may have been in front of a small one
	return err
}
