package auth

import "time"

const (
	// loginQueue is how many logins wait for a slot at most.
	loginQueue = 256
	// loginPatience is how long a login waits for others of its account or address, and for
	// a slot, both together. If its account has logged in from its address before, it waits
	// for a slot as long as its request lasts.
	loginPatience = 10 * time.Second
)

func newVerifying(concurrency int) *slots {
	return newSlots(slotBounds{
		total: concurrency, guesses: guessesOf(concurrency), queue: loginQueue,
	})
}

// guessesOf returns how many of the slots are for pairs of account and address that are
// not known.
func guessesOf(concurrency int) int { return concurrency - max(concurrency/4, 1) }
