package operation

import (
	"context"
	"slices"
	"time"
)

// maintain does what is due until the keeper is closed: it takes over operations,
// stores what the store has not taken, prunes, and has open operations read back.
func (k *Keeper) maintain() {
	var adopt, lost, prune, retry time.Time // when each is due next
	for {
		now := time.Now()
		if !now.Before(adopt) {
			k.adopt()
			adopt = now.Add(adoptEvery)
		}
		if !now.Before(lost) {
			k.adoptLost()
			lost = now.Add(lostEvery)
		}
		if !now.Before(retry) {
			k.retryUnrecorded(k.life)
			retry = now.Add(retryEvery)
		}
		if !now.Before(prune) {
			k.prune(now)
			prune = now.Add(pruneEvery)
		}
		wait := time.NewTimer(time.Until(k.next(adopt, lost, prune, retry)))
		select {
		case <-k.life.Done():
			wait.Stop()
			return
		case <-wait.C:
		case <-k.wakeup:
			wait.Stop()
		}
		k.examineDue(time.Now())
	}
}

// next returns when something is due next.
func (k *Keeper) next(adopt, lost, prune, retry time.Time) time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	first := slices.MinFunc([]time.Time{adopt, lost, prune}, time.Time.Compare)
	if len(k.unrecorded) > 0 && retry.Before(first) {
		first = retry
	}
	if len(k.readings) == cap(k.readings) || k.unreadable {
		return first // the end of a reading, or of a check, wakes maintain
	}
	for _, open := range k.open {
		if k.examinableLocked(open) && open.due.Before(first) {
			first = open.due
		}
	}
	return first
}

// examineDue starts the readings that are due, at most maxReadings at a time, those
// that have been due for longest first.
func (k *Keeper) examineDue(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.unreadable {
		return // a check wakes maintain
	}
	var due []*openOperation
	for _, open := range k.open {
		if k.examinableLocked(open) && !open.due.After(now) {
			due = append(due, open)
		}
	}
	slices.SortFunc(due, func(a, b *openOperation) int { return a.due.Compare(b.due) })
	for _, open := range due {
		select {
		case k.readings <- struct{}{}:
		default:
			return // the end of a reading wakes maintain
		}
		select {
		case <-open.token:
		default: // another goroutine reads it, and wakes maintain at its end
			<-k.readings
			continue
		}
		k.work.Go(func() {
			defer k.returnToken(open)
			defer func() { <-k.readings }()
			k.examine(k.life, open)
		})
	}
}

// examinableLocked reports whether no goroutine examines an operation, and the store
// has all that is known of it. The caller holds mu.
func (k *Keeper) examinableLocked(open *openOperation) bool {
	return len(open.token) > 0 && k.unrecorded[open.op.ID] == nil
}

// adopt takes over the operations of processes that have stopped, and renews the
// lease of this process.
func (k *Keeper) adopt() {
	ctx, cancel := context.WithTimeout(k.life, storeTimeout)
	defer cancel()
	ops, err := k.options.Store.Adopt(ctx, k.options.Owner)
	if err != nil {
		k.storeFailed(ctx, "taking over operations", err)
	}
	for _, op := range ops {
		k.takeOver(op, 0)
		k.traceAdopted(op, false)
	}
}

// adoptLost takes over the operations of processes that have probably stopped.
func (k *Keeper) adoptLost() {
	ctx, cancel := context.WithTimeout(k.life, storeTimeout)
	defer cancel()
	ops, left, err := k.options.Store.AdoptLost(ctx, k.options.Owner)
	if _, unusable := k.JournalState(); err != nil && unusable == nil { // otherwise that is known
		k.storeFailed(ctx, "taking over operations", err)
	}
	for _, op := range ops {
		k.takeOver(op, left)
		k.traceAdopted(op, true)
	}
}

func (k *Keeper) traceAdopted(op Operation, early bool) {
	if k.options.Trace.Adopted != nil {
		k.options.Trace.Adopted(op, early)
	}
}

// takeOver takes care of an operation whose owner has stopped, or may still be sending for
// the time that is left. If the operation has an intent, its step may have been sent, even a
// moment ago. No further step can be sent: its intent would be an [ErrConflict].
func (k *Keeper) takeOver(op Operation, left time.Duration) {
	if k.takeBack(op) {
		return
	}
	now := time.Now()
	sent := now.Add(left)
	wasRunning := op.State.Running()
	if wasRunning {
		op.closeSteps(Unknown)
		op.conclude(Unknown, "", sent.UTC())
	}
	open := newOpenOperation(op, now, sent)
	open.taken = true
	k.mu.Lock()
	k.open[op.ID] = open
	delete(k.unrecorded, op.ID)
	if wasRunning {
		k.unrecorded[op.ID] = &pendingRecord{op: op, event: EventOf(EventOutcome, &op, now)}
	}
	k.mu.Unlock()
	if wasRunning && k.options.Trace.Recorded != nil {
		k.options.Trace.Recorded(op)
	}
}

// takeBack makes this process the owner of its own running write again, and reports
// whether it has such a write: another process had taken this one for stopped, and
// has stopped since.
func (k *Keeper) takeBack(op Operation) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	w, ok := k.running[op.ID]
	if !ok || op.State.Ended() {
		return false
	}
	w.op.Version = max(w.op.Version, op.Version)
	w.lost = w.lost || op.State == Unknown // other operations may have what further steps change
	if len(op.Releases) > 0 {              // released while the other process owned it
		w.op.Entries, w.op.Releases = op.Entries, op.Releases
	}
	return true
}

// prune removes operations that ended before the keep time, expired keys and revocations.
func (k *Keeper) prune(now time.Time) {
	ctx, cancel := context.WithTimeout(k.life, storeTimeout)
	defer cancel()
	if err := k.options.Store.Prune(ctx, now.Add(-k.options.Keep)); err != nil {
		k.storeFailed(ctx, "removing old operations", err)
	}
}
