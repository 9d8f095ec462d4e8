package bolt

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"go.etcd.io/bbolt"

	"ocigate/gateway/operation"
)

// record is to be made durable: an event, unless it is the zero Event, and the operation
// that it is about, unless op is nil, or the revocation, unless that is nil.
type record struct {
	op         *operation.Operation
	value      []byte // op as JSON
	revocation *operation.Revocation
	event      operation.Event
	// taken reports that it was taken from the queue, and err is the result. The
	// lock of the store guards both.
	taken bool
	err   error
}

// queue holds the records that wait to be written.
type queue struct {
	mu      sync.Mutex // guards records
	records []*record
}

// add adds a record.
func (q *queue) add(r *record) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.records = append(q.records, r)
}

// withdraw removes a record, unless it was taken.
func (q *queue) withdraw(r *record) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.records = slices.DeleteFunc(q.records, func(other *record) bool { return other == r })
}

// take empties the queue and returns its records.
func (q *queue) take() []*record {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := q.records
	q.records = nil
	return all
}

// Record implements [operation.Store]. An Intent is written to the database before the
// trail, so that the database has each operation whose intent is in the trail. All other
// records are written to the trail first, so that no operation ends without a line. So
// the trail can have the line of an outcome, a correction or a release that the database
// does not have, because the process ended between the two or the call failed. A record
// that the database takes later has its own line, and the last line of an operation
// counts.
func (s *Store) Record(ctx context.Context, op operation.Operation, event operation.Event) error {
	value, err := json.Marshal(&op)
	if err != nil {
		return fmt.Errorf("bolt: operation %s: %w", op.ID, err)
	}
	return s.submit(ctx, &record{op: &op, value: value, event: event})
}

// Append implements [operation.Store].
func (s *Store) Append(ctx context.Context, event operation.Event) error {
	return s.submit(ctx, &record{event: event})
}

// submit makes a record durable. Records that are submitted while the disk is busy wait
// in the queue. The first caller that locks the store writes all of them; the others only
// return the result of their own.
func (s *Store) submit(ctx context.Context, r *record) error {
	// A record that cannot be encoded must not make others fail with it.
	if _, _, err := operation.Seal(operation.Head{}, r.event); err != nil {
		return err
	}
	r.event.Entries = slices.Clone(r.event.Entries) // the caller may have returned before it is written
	s.queue.add(r)
	if err := s.lock(ctx); err != nil {
		s.queue.withdraw(r)
		return err
	}
	defer s.unlock()
	if !r.taken {
		s.writeLocked(s.queue.take())
	}
	return r.err
}

// writeLocked makes records durable, and sets the result of each.
func (s *Store) writeLocked(batch []*record) {
	for _, r := range batch {
		r.taken = true
	}
	err := s.readyLocked()
	if err == nil {
		err = s.viewLocked(func(tx *bbolt.Tx) error {
			s.checkVersionsLocked(tx, batch)
			s.checkIntentsLocked(tx, batch)
			return nil
		})
	}
	if err != nil {
		failAll(batch, err)
		return
	}
	var events []operation.Event
	var intents, others, revocations []*record
	for _, r := range batch {
		switch {
		case r.err != nil:
			continue
		case r.op != nil && r.op.State == operation.Intent:
			intents = append(intents, r)
		case r.op != nil:
			others = append(others, r)
		case r.revocation != nil:
			revocations = append(revocations, r)
		}
		if !isZero(&r.event) {
			events = append(events, r.event)
		}
	}
	if err := s.storeLocked(intents); err != nil {
		failAll(batch, err)
		return
	}
	if err := s.appendLocked(events); err != nil {
		failAll(batch, err)
		return
	}
	if err := s.storeLocked(others); err != nil {
		failAll(slices.Concat(others, revocations), err)
		return
	}
	if err := s.storeRevocationsLocked(revocations); err != nil {
		failAll(revocations, err)
	}
}

// appendLocked adds the lines of events to the trail.
func (s *Store) appendLocked(events []operation.Event) error {
	if s.trail.head.Sequence-s.stored.Sequence >= storeHeadAfter {
		if err := s.storeHeadLocked(); err != nil {
			return err
		}
	}
	if err := s.trail.append(events); err != nil {
		return s.failLocked(fmt.Errorf("audit trail: %w", err))
	}
	s.last = s.trail.head
	return nil
}

func isZero(event *operation.Event) bool { return event.Kind == "" }

func failAll(records []*record, err error) {
	for _, r := range records {
		if r.err == nil {
			r.err = err
		}
	}
}

// checkVersionsLocked refuses the records that are out of date, which may be because of
// another record of the batch, and intents of operations that the store does not have. An
// operation that was begun is kept in memory until its first record, so the latter occurs
// only if the database was replaced while it was in use.
func (s *Store) checkVersionsLocked(tx *bbolt.Tx, batch []*record) {
	latest := map[string]operation.Operation{}
	for _, r := range batch {
		if r.op == nil {
			continue
		}
		last, known := latest[r.op.ID]
		if !known {
			last, known, r.err = get(tx, r.op.ID)
		}
		if !known {
			last, known = s.begun.operations[r.op.ID]
		}
		outdated := known && (last.Version > r.op.Version || last.Version == r.op.Version && last.Owner != r.op.Owner)
		if outdated || !known && r.op.State == operation.Intent {
			r.err = cmp.Or(r.err, operation.ErrConflict)
		}
		if r.err == nil {
			latest[r.op.ID] = *r.op
		}
	}
}

// checkIntentsLocked refuses the intents that need what another operation holds, which
// may be by an intent of the same batch. What other records of the batch free still
// counts as held, since intents reach the disk before them.
func (s *Store) checkIntentsLocked(tx *bbolt.Tx, batch []*record) {
	taken := map[string]string{} // ids by claim, of the batch
	for _, r := range batch {
		if r.op == nil || r.err != nil || r.op.State != operation.Intent {
			continue
		}
		var held operation.HeldError
		holds := r.op.Holds()
		for _, c := range holds {
			if id, ok := taken[string(claimKey(r.op, c))]; ok && id != r.op.ID {
				held.ID, held.Held = id, append(held.Held, c)
			} else {
				s.checkClaimLocked(tx, r.op, c, &held)
				s.checkChangeLocked(tx, r.op, c, &held)
			}
		}
		if held.ID == "" {
			for _, c := range holds {
				taken[string(claimKey(r.op, c))] = r.op.ID
			}
			continue
		}
		r.err = &held
	}
}

// checkChangeLocked adds a claim that an intent takes to held if another operation may
// have changed it after this one was begun.
func (s *Store) checkChangeLocked(tx *bbolt.Tx, op *operation.Operation, c operation.Claim, held *operation.HeldError) {
	if _, begun := s.begun.operations[op.ID]; !begun || s.begun.holder(op, c) == op.ID {
		return
	}
	for id := range others(tx, touchesBucket, op, c) {
		if s.begun.freedSince(id, op) {
			held.ID, held.Held = id, append(held.Held, c)
			return
		}
	}
}

// storeLocked stores the operations of records in the database.
func (s *Store) storeLocked(records []*record) error {
	if len(records) == 0 {
		return nil
	}
	err := s.updateLocked(func(tx *bbolt.Tx) error {
		for _, r := range records {
			if err := put(tx, r.op, r.value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, r := range records {
		s.begun.remove(r.op.ID)
		if !r.op.HoldsAll() {
			s.begun.noteFreed(r.op.ID)
		}
		if r.op.State == operation.Intent {
			s.running[r.op.Owner] = true
		}
	}
	return nil
}
