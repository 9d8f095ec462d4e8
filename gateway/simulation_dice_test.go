package gateway_test

import (
	"math/rand/v2"
	"sync"
	"time"
)

// dice are the random numbers of one part of a run. They are safe for concurrent use.
type dice struct {
	mu     sync.Mutex // guards random
	random *rand.Rand
}

func newDice(seed, part uint64) *dice { return &dice{random: rand.New(rand.NewPCG(seed, part))} }

func (d *dice) below(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.random.IntN(n)
}

// oneIn returns true once in n times on average.
func (d *dice) oneIn(n int) bool { return d.below(n) == 0 }

// upTo returns a duration below the limit, to the nanosecond: so few events happen at the
// same instant, where the seed does not decide their order.
func (d *dice) upTo(limit time.Duration) time.Duration {
	return time.Duration(d.below(int(limit)))
}

func pick[T any](d *dice, from []T) T { return from[d.below(len(from))] }
