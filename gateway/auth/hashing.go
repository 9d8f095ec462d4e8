package auth

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

// hashing computes the hashes of secrets of listed clients in slots, so that it uses a
// bounded share of the cores and of the memory. A hash allocates what it needs and drops
// it. So that the heap does not grow by that, a collection follows each collectAfter bytes.
type hashing struct {
	slots   *slots
	dropped atomic.Int64 // bytes that were allocated since the last collection
}

const (
	// hashPatience is how long a guess waits for others of its account or address, and to
	// be hashed, both together.
	hashPatience = time.Second
	// hashQueue is how many guesses wait to be hashed: more than can be hashed in
	// hashPatience.
	hashQueue = 64
	// hashMemoryBound is how much memory the hashes of one kind (guesses, and proven
	// credentials) use at a time; a single one uses what it needs.
	hashMemoryBound = maxMemory << 10
	// collectAfter is less than one hash of the parameters of [Hash].
	collectAfter = 16 << 20
)

// defaultHashConcurrency is half of the cores.
func defaultHashConcurrency() int { return max(runtime.GOMAXPROCS(0)/2, 1) }

func newHashing(guesses int) *hashing {
	return &hashing{slots: newSlots(slotBounds{
		total: 2 * guesses, guesses: guesses, memory: hashMemoryBound, queue: hashQueue,
	})}
}

// resize changes how many guesses are hashed at a time.
func (h *hashing) resize(guesses int) { h.slots.resize(2*guesses, guesses) }

// matches returns the index of the hash of a client that was made of this secret, or -1.
// It waits for its turn, and no lock is held. proven means that the secret has matched
// before.
func (h *hashing) matches(ctx context.Context, c *client, secret string, proven bool, rank rank) (int, error) {
	t := &ticket{known: proven, rank: rank, memory: c.hashMemory()}
	if err := h.slots.acquire(ctx, t); err != nil {
		return -1, err
	}
	defer h.slots.release(t)
	index := c.matches(secret)
	if h.dropped.Add(t.memory) >= collectAfter {
		h.dropped.Store(0)
		runtime.GC()
	}
	return index, nil
}
