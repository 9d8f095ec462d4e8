package operation

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Intervals and limits of revocations.
const (
	// followEvery is how often the store is asked for new revocations.
	followEvery = time.Second
	// rereadEvery is how often all of them are read. A database that was restored from
	// a copy may give a revision a second time.
	rereadEvery = time.Minute
)

// follower reads the revocations of the store.
type follower struct {
	token chan struct{} // holds one element while nobody reads; guards the next three fields
	after int64         // the last revision that was read
	all   time.Time     // when all were read last
	fails bool          // the last reading failed

	tried chan struct{} // closed after the first reading, also a failed one
}

func newFollower() follower {
	f := follower{token: make(chan struct{}, 1), tried: make(chan struct{})}
	f.token <- struct{}{}
	return f
}

// RevocationsTried returns a channel that is closed when the keeper has tried to read the
// revocations of the store for the first time. If that has succeeded, it has called
// [Options.Revoked] before.
func (k *Keeper) RevocationsTried() <-chan struct{} { return k.follower.tried }

// followRevocations reads the revocations of the store, and stores those that the store has
// not taken yet, until the keeper is closed.
func (k *Keeper) followRevocations() {
	for first := true; ; first = false {
		ctx, cancel := context.WithTimeout(k.life, storeTimeout)
		_ = k.ReadRevocations(ctx) // it reports the error
		cancel()
		if first {
			close(k.follower.tried)
		}
		k.retryRevocations(k.life)
		if !k.pause(followEvery, nil) {
			return
		}
	}
}

// ReadRevocations reads the revocations that were added to the store since they were read
// last, and calls [Options.Revoked] with them. The keeper does that every second. A failure
// is reported once, until it is over.
func (k *Keeper) ReadRevocations(ctx context.Context) error {
	if k.options.Revoked == nil {
		return nil
	}
	f := &k.follower
	select {
	case <-f.token:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { f.token <- struct{}{} }()
	now, first := time.Now(), f.all.IsZero()
	complete := now.Sub(f.all) >= rereadEvery
	after := f.after
	if complete {
		after = 0
	}
	list, last, err := k.revocationsAfter(ctx, after)
	if err != nil {
		if !f.fails {
			k.storeFailed(ctx, "reading the revoked tokens", err)
		}
		f.fails = true
		return err
	}
	if f.after, f.fails = last, false; complete {
		f.all = now
	}
	if first || len(list) > 0 {
		k.options.Revoked(list)
	}
	return nil
}

// revocationsAfter returns all revocations after a revision.
func (k *Keeper) revocationsAfter(ctx context.Context, after int64) (all []Revocation, last int64, err error) {
	for last = after; ; {
		var some []Revocation
		if some, last, err = k.options.Store.Revocations(ctx, last); err != nil || len(some) == 0 {
			return all, last, err
		}
		all = append(all, some...)
	}
}

// pendingRevocation is a revocation that the store has not taken yet, and its event.
type pendingRevocation struct {
	revocation Revocation
	event      Event
}

// Revoke stores a revocation, which is effective in this process already, together with
// the event of the audit trail. If the store does not take it, the keeper stores both
// later, once the store is usable again, and returns the error. Only if this process ends
// before that, or if more than 4,096 revocations wait, it is lost.
func (k *Keeper) Revoke(ctx context.Context, r Revocation, event Event) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	err := k.options.Store.Revoke(ctx, r, event)
	if err == nil {
		return nil
	}
	k.storeFailed(ctx, "storing a revoked token", err)
	if !k.storeLater(pendingRevocation{r, event}) {
		k.storeFailed(ctx, "keeping a revoked token until it can be stored", errTooManyRevoked)
	}
	return err
}

var errTooManyRevoked = fmt.Errorf("more than %d wait for the journal: this one will be valid again in other processes", maxUnrecorded)

// storeLater adds a revocation to those that the keeper stores later, and reports whether
// there is room.
func (k *Keeper) storeLater(r pendingRevocation) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.unstored) >= maxUnrecorded {
		return false
	}
	k.revoked++
	k.unstored[k.revoked] = r
	return true
}

// retryFailures is how many calls may fail until the next retry of revocations.
const retryFailures = 3

// retryRevocations stores the revocations that the store has not taken yet, until some
// calls fail. One that fails goes to the end, so that it does not hold up the others. Its
// first failure was reported. Only one goroutine calls it at a time.
func (k *Keeper) retryRevocations(ctx context.Context) {
	k.mu.Lock()
	numbers := slices.Sorted(maps.Keys(k.unstored))
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	failures := 0
	for _, number := range numbers {
		k.mu.Lock()
		r := k.unstored[number]
		k.mu.Unlock()
		err := k.options.Store.Revoke(ctx, r.revocation, r.event)
		k.mu.Lock()
		delete(k.unstored, number)
		if err != nil {
			k.revoked++
			k.unstored[k.revoked] = r
		}
		k.mu.Unlock()
		if err == nil {
			continue
		}
		k.health.requestCheck()
		if failures++; failures == retryFailures {
			return
		}
	}
}
