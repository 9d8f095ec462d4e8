package operation

import (
	"context"
	"sync"
	"time"
)

// The rhythm of the checks: together they bound how late a change is noticed.
const (
	checkEvery = 2 * time.Second
	checkTime  = 3 * time.Second
	checkPause = 200 * time.Millisecond // at least, however much fails
)

// health is what is known of whether the store is usable.
type health struct {
	poke chan struct{} // it may have changed

	mu    sync.Mutex
	since time.Time // when it was found unusable, zero while it is usable
	err   error     // why
}

// JournalState reports since when the journal has not been usable, and why: the
// zero time and nil while it is. A change is noticed within 5 seconds, whether
// anything is to be recorded or not.
func (k *Keeper) JournalState() (unusableSince time.Time, err error) {
	k.health.mu.Lock()
	defer k.health.mu.Unlock()
	return k.health.since, k.health.err
}

// Unresolved counts the operations of this process that are unknown.
func (k *Keeper) Unresolved() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := 0
	for _, d := range k.doubts {
		if !d.op.Over() {
			n++
		}
	}
	return n
}

// OldestUnresolved is when the longest unknown of the operations of this process
// became that, the zero time where there is none.
func (k *Keeper) OldestUnresolved() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	var oldest time.Time
	for _, d := range k.doubts {
		if at := d.op.UnknownAt; !d.op.Over() && (oldest.IsZero() || at.Before(oldest)) {
			oldest = at
		}
	}
	return oldest
}

// watchJournal checks the store until the keeper is closed.
func (k *Keeper) watchJournal() {
	for {
		k.checkJournal()
		if !k.rest(checkPause, nil) || !k.rest(checkEvery-checkPause, k.health.poke) {
			return
		}
	}
}

// rest waits for some time, or for less where there is a signal, and reports
// whether the keeper goes on.
func (k *Keeper) rest(d time.Duration, signal <-chan struct{}) bool {
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case <-k.life.Done():
		return false
	case <-wait.C:
	case <-signal:
	}
	return true
}

// checkJournal checks the store once. A disk that hangs does not go by the
// context: then the journal counts as unusable before the check has ended.
func (k *Keeper) checkJournal() {
	ctx, cancel := context.WithTimeout(k.life, checkTime)
	defer cancel()
	var err error
	ended := make(chan struct{})
	k.work.Go(func() {
		defer close(ended)
		err = k.options.Store.Check(ctx)
	})
	select {
	case <-ended:
		k.noteCheck(err)
	case <-ctx.Done():
		k.noteCheck(ctx.Err())
		<-ended // one at a time
	}
}

// noteCheck notes what a check has shown, and tells of a change.
func (k *Keeper) noteCheck(err error) {
	if k.life.Err() != nil {
		return
	}
	if err == nil {
		k.readAgain()
	}
	h := &k.health
	h.mu.Lock()
	changed := (err == nil) != (h.err == nil)
	h.err = err
	switch {
	case err == nil:
		h.since = time.Time{}
	case changed:
		h.since = time.Now()
	}
	h.mu.Unlock()
	if changed && k.options.Trace.Journal != nil {
		k.options.Trace.Journal(err)
	}
}

// readAgain goes on with the readings that waited for the store.
func (k *Keeper) readAgain() {
	k.mu.Lock()
	waited := k.unreadable
	k.unreadable = false
	k.mu.Unlock()
	if waited {
		k.wake()
	}
}

// suspect has the store checked at once.
func (h *health) suspect() {
	select {
	case h.poke <- struct{}{}:
	default:
	}
}
