package operation

import (
	"context"
	"sync"
	"time"
)

// Intervals of the checks. Together they bound the delay until a change is noticed.
const (
	checkEvery   = 2 * time.Second
	checkTimeout = 3 * time.Second
	checkPause   = 200 * time.Millisecond // at least, also if many calls fail
)

// health is the result of the last check of the store.
type health struct {
	checkNow chan struct{} // requests a check; holds one signal

	mu    sync.Mutex // guards since and err
	since time.Time  // when it was found unusable, zero while it is usable
	err   error      // why
}

// JournalState returns since when the journal has not been usable, and why: the zero
// time and nil while it is usable. A change is noticed within 5 seconds, also without
// traffic.
func (k *Keeper) JournalState() (unusableSince time.Time, err error) {
	k.health.mu.Lock()
	defer k.health.mu.Unlock()
	return k.health.since, k.health.err
}

// Unresolved returns the number of operations of this process that are unknown.
func (k *Keeper) Unresolved() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := 0
	for _, open := range k.open {
		if !open.op.Over() {
			n++
		}
	}
	return n
}

// OldestUnresolved returns when the oldest unknown operation of this process became
// unknown, or the zero time if there is none.
func (k *Keeper) OldestUnresolved() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	var oldest time.Time
	for _, open := range k.open {
		if at := open.op.UnknownAt; !open.op.Over() && (oldest.IsZero() || at.Before(oldest)) {
			oldest = at
		}
	}
	return oldest
}

// watchJournal checks the store until the keeper is closed.
func (k *Keeper) watchJournal() {
	for {
		k.checkJournal()
		if !k.pause(checkPause, nil) || !k.pause(checkEvery-checkPause, k.health.checkNow) {
			return
		}
	}
}

// pause waits for d or for a signal, and reports whether the keeper is still open.
func (k *Keeper) pause(d time.Duration, signal <-chan struct{}) bool {
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

// checkJournal checks the store once. A disk that hangs does not observe the context:
// then the journal counts as unusable before the check has ended.
func (k *Keeper) checkJournal() {
	ctx, cancel := context.WithTimeout(k.life, checkTimeout)
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
		<-ended // one check at a time
	}
}

// noteCheck stores the result of a check, and reports a change.
func (k *Keeper) noteCheck(err error) {
	if k.life.Err() != nil {
		return
	}
	if err == nil {
		k.resumeReadings()
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

// resumeReadings has the readings resumed that were suspended because the store could
// not be read.
func (k *Keeper) resumeReadings() {
	k.mu.Lock()
	suspended := k.unreadable
	k.unreadable = false
	k.mu.Unlock()
	if suspended {
		k.wake()
	}
}

// requestCheck has the store checked soon.
func (h *health) requestCheck() {
	select {
	case h.checkNow <- struct{}{}:
	default:
	}
}
