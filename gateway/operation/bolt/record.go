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

// record is something to be made durable: an event, unless it is the zero Event,
// and the operation that it is about, unless op is nil.
type record struct {
	op    *operation.Operation
	value []byte // op as JSON
	event operation.Event
	// taken tells that it was taken from the queue, and err what became of
	// it. They are for those who have the store's turn.
	taken bool
	err   error
}

// queue holds the records that wait for the store.
type queue struct {
	mu      sync.Mutex
	records []*record
}

func (q *queue) add(r *record) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.records = append(q.records, r)
}

// withdraw takes a record back, unless it was taken.
func (q *queue) withdraw(r *record) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.records = slices.DeleteFunc(q.records, func(other *record) bool { return other == r })
}

func (q *queue) take() []*record {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := q.records
	q.records = nil
	return all
}

// Record implements [operation.Store]. An Intent reaches the database before
// the trail, so that none is in the trail that might have to be looked after
// and is not known; everything else reaches the trail first, so that nothing
// ends without a line. So a line of an outcome, a correction or a release can stand
// in the trail for a record that the database never took, because the process died
// between the two or the call failed. What the database takes later has a line of
// its own, and the last line of an operation counts.
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

// submit makes a record durable. Those that come while the disk is busy wait
// together: the first whose turn it is writes them all. The others only fetch
// what became of theirs, and leave the next to gather meanwhile.
func (s *Store) submit(ctx context.Context, r *record) error {
	// What cannot be written must not fail others with it.
	if _, _, err := operation.Seal(operation.Head{}, r.event); err != nil {
		return err
	}
	r.event.Entries = slices.Clone(r.event.Entries) // the caller may be gone when it is written
	s.queue.add(r)
	if err := s.lock(ctx); err != nil {
		s.queue.withdraw(r)
		return err
	}
	defer s.unlock()
	if !r.taken {
		s.write(s.queue.take())
	}
	return r.err
}

// write makes records durable, and notes with each what became of it.
func (s *Store) write(batch []*record) {
	for _, r := range batch {
		r.taken = true
	}
	err := s.ready()
	if err == nil {
		err = s.view(func(tx *bbolt.Tx) error {
			s.judgeVersions(tx, batch)
			s.judgeIntents(tx, batch)
			return nil
		})
	}
	if err != nil {
		failAll(batch, err)
		return
	}
	var events []operation.Event
	var intents, others []*record
	for _, r := range batch {
		switch {
		case r.err != nil:
			continue
		case r.op != nil && r.op.State == operation.Intent:
			intents = append(intents, r)
		case r.op != nil:
			others = append(others, r)
		}
		if !isZero(&r.event) {
			events = append(events, r.event)
		}
	}
	if err := s.store(intents); err != nil {
		failAll(batch, err)
		return
	}
	if err := s.trail.append(events); err != nil {
		failAll(batch, s.fail(fmt.Errorf("audit trail: %w", err)))
		return
	}
	if err := s.store(others); err != nil {
		failAll(others, err)
	}
}

func isZero(event *operation.Event) bool { return event.Kind == "" }

func failAll(records []*record, err error) {
	for _, r := range records {
		if r.err == nil {
			r.err = err
		}
	}
}

// judgeVersions refuses the records that are out of date, be it because of
// another of the batch, and intents of operations that are not there. An operation
// that was begun is kept in memory until its first record, so that this takes a
// database that was replaced while it was in use.
func (s *Store) judgeVersions(tx *bbolt.Tx, batch []*record) {
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

// judgeIntents refuses the intents that need what another operation holds, be it
// by an intent of the same batch. What others of the batch set free still counts
// as held, since intents reach the disk before them.
func (s *Store) judgeIntents(tx *bbolt.Tx, batch []*record) {
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
				s.judgeClaim(tx, r.op, c, &held)
				s.judgeChange(tx, r.op, c, &held)
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

// judgeChange adds a claim that an intent takes to those that are held where
// another operation may have changed it after this one was begun.
func (s *Store) judgeChange(tx *bbolt.Tx, op *operation.Operation, c operation.Claim, held *operation.HeldError) {
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

// store puts the operations of records into the database.
func (s *Store) store(records []*record) error {
	if len(records) == 0 {
		return nil
	}
	err := s.update(func(tx *bbolt.Tx) error {
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
			s.alive[r.op.Owner] = true
		}
	}
	return nil
}
