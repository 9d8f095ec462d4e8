package postgres

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"

	"ocigate/gateway/operation"
)

// adoptBatch is how many operations one transaction of Adopt takes over.
const adoptBatch = 1000

// Adopt implements [operation.Store]. It renews the owner's lease and takes over the
// operations of owners whose lease has run out. Version and owner of each operation make
// the old owner's next record an [operation.ErrConflict]. No two calls get the same
// operation.
//
// If the reply to a call was lost, the store's next call returns what that call took over.
func (s *Store) Adopt(ctx context.Context, owner string) ([]operation.Operation, error) {
	if err := s.renew(ctx, owner); err != nil {
		return nil, err
	}
	s.startLock(owner)
	adoption, _ := s.adoptions.take()
	adopted, err := s.adoptBatches(ctx, owner, adoption, func(ctx context.Context, tx pgx.Tx) (int, error) {
		return takeOver(ctx, tx, owner, adoption)
	})
	if err != nil {
		s.adoptions.put(adoption)
		return nil, err
	}
	return adopted, nil
}

// adoptBatches calls take in transactions, until it takes less than a batch over, and returns
// what was taken over in calls with that name.
func (s *Store) adoptBatches(ctx context.Context, owner, adoption string, take func(context.Context, pgx.Tx) (int, error)) ([]operation.Operation, error) {
	for taken := adoptBatch; taken == adoptBatch; {
		err := s.transact(ctx, "adopt", durably, func(ctx context.Context, tx pgx.Tx) (err error) {
			taken, err = take(ctx, tx)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	adopted, err := s.operations(ctx, `SELECT record FROM ocigate_operations
		WHERE open AND owner = $1 AND adoption = $2 ORDER BY begun`, owner, adoption)
	if err != nil {
		return nil, s.unusable("adopt", err)
	}
	return adopted, nil
}

// renew renews the owner's lease. It also removes the operations that are Received and
// that this store has not begun: they remain after a call of Begin or Abandon whose reply
// was lost, or that a crash of the server undid.
func (s *Store) renew(ctx context.Context, owner string) error {
	s.leases.add(owner)
	return s.transact(ctx, "adopt", durably, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT id FROM ocigate_operations WHERE open AND owner = $1 AND state = $2`, owner, string(operation.Received))
		if err != nil {
			return err
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		// An operation is added to s.received before it is inserted here.
		if err := removeReceived(ctx, tx, slices.DeleteFunc(ids, s.received.has)); err != nil {
			return err
		}
		return s.storeLease(ctx, tx, owner)
	})
}

// takeOver takes over a batch of operations whose owner's lease has run out, and returns
// their number. It skips operations that another transaction has locked.
func takeOver(ctx context.Context, tx pgx.Tx, owner, adoption string) (int, error) {
	abandoned, err := collect(tx.Query(ctx, `SELECT record FROM ocigate_operations o
		WHERE open AND owner <> $1 AND NOT EXISTS (
			SELECT FROM ocigate_replicas r WHERE r.owner = o.owner AND r.renewed + r.lease > clock_timestamp())
		LIMIT $2 FOR UPDATE OF o SKIP LOCKED`, owner, adoptBatch))
	if err != nil {
		return 0, err
	}
	return len(abandoned), give(ctx, tx, owner, adoption, abandoned)
}

// give makes owner the owner of operations that the transaction has locked, in a call with that
// name. It removes those that are Received.
func give(ctx context.Context, tx pgx.Tx, owner, adoption string, abandoned []operation.Operation) error {
	var received, ids, bodies []string
	for _, op := range abandoned {
		if op.State == operation.Received {
			received = append(received, op.ID)
			continue
		}
		op.Owner = owner
		op.Version++
		body, err := encode(&op)
		if err != nil {
			return err
		}
		ids, bodies = append(ids, op.ID), append(bodies, body)
	}
	if err := removeReceived(ctx, tx, received); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE ocigate_operations o
		SET owner = $1, adoption = $2, version = o.version + 1, record = taken.body::json
		FROM unnest($3::text[], $4::text[]) AS taken (id, body) WHERE o.id = taken.id`,
		owner, adoption, ids, bodies)
	return err
}

// failedAdoptions has the names of the calls of Adopt that failed, and may have taken
// operations over all the same. The next call uses one of these names, and so returns
// what the failed call took over.
type failedAdoptions struct {
	mu    sync.Mutex // guards names; not held during calls of the database
	names []string
}

// take returns the name for a call, that of a failed one or a new one, and whether a call
// with that name has failed.
func (u *failedAdoptions) take() (name string, failed bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	last := len(u.names) - 1
	if last < 0 {
		return rand.Text(), false
	}
	name = u.names[last]
	u.names = u.names[:last]
	return name, true
}

// put adds the name of a call that failed.
func (u *failedAdoptions) put(name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.names = append(u.names, name)
}

// receivedOperations has the operations that this store has begun and that are still
// Received, by their ids, with what they hold, sorted.
type receivedOperations struct {
	mu  sync.Mutex // guards ids; not held during calls of the database
	ids map[string][]operation.Claim
}

// add adds an operation that holds these claims.
func (h *receivedOperations) add(id string, claims []operation.Claim) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ids == nil {
		h.ids = make(map[string][]operation.Claim)
	}
	h.ids[id] = sorted(claims)
}

// holds reports whether the operation is there and holds these claims and no others.
func (h *receivedOperations) holds(id string, claims []operation.Claim) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	held, has := h.ids[id]
	return has && slices.Equal(held, sorted(claims))
}

// remove removes an operation.
func (h *receivedOperations) remove(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.ids, id)
}

// has reports whether the operation is there.
func (h *receivedOperations) has(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, has := h.ids[id]
	return has
}
