package auth

import "time"

const (
	// loginQueue is how many logins wait for a slot at most.
	loginQueue = 256
	// loginPatience is how long a login waits for a slot, unless its account has logged in
	// from its address before.
	loginPatience = 10 * time.Second
)

func newVerifying(concurrency int) *slots {
	return newSlots(slotBounds{
		total: concurrency, guesses: guessesOf(concurrency), queue: loginQueue, patience: loginPatience,
	})
}

// guessesOf returns how many of the slots are for pairs of account and address that are
// not known.
func guessesOf(concurrency int) int { return concurrency - max(concurrency/4, 1) }
