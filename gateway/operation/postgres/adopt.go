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

// Adopt renews the owner's lease and takes over the operations of those whose
// own has run out, each with a version and an owner that make the old owner's
// next record an [operation.ErrConflict]. No two calls get the same one.
//
// What a call took over whose answer was lost, the store's next call returns.
func (s *Store) Adopt(ctx context.Context, owner string) ([]operation.Operation, error) {
	adoption := s.adoptions.take()
	adopted, err := s.adopt(ctx, owner, adoption)
	if err != nil {
		s.adoptions.put(adoption)
		return nil, err
	}
	return adopted, nil
}

func (s *Store) adopt(ctx context.Context, owner, adoption string) ([]operation.Operation, error) {
	if err := s.renew(ctx, owner); err != nil {
		return nil, err
	}
	for taken := adoptBatch; taken == adoptBatch; {
		err := s.transact(ctx, "adopt", durably, func(ctx context.Context, tx pgx.Tx) (err error) {
			taken, err = takeOver(ctx, tx, owner, adoption)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	adopted, err := collect(s.pool.Query(ctx, `SELECT record FROM ocigate_operations
		WHERE open AND owner = $1 AND adoption = $2 ORDER BY begun`, owner, adoption))
	if err != nil {
		return nil, unusable("adopt", err)
	}
	return adopted, nil
}

// renew makes the owner's lease begin again, and forgets what its calls of Begin
// and Abandon have left behind: those whose answer was lost, or that a crash of
// the server undid.
func (s *Store) renew(ctx context.Context, owner string) error {
	return s.transact(ctx, "adopt", durably, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT id FROM ocigate_operations WHERE open AND owner = $1 AND state = $2`, owner, string(operation.Received))
		if err != nil {
			return err
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		// What was read now and is in hand was noted before it was written.
		if err := forget(ctx, tx, slices.DeleteFunc(ids, s.received.has)); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO ocigate_replicas (owner, seen, lease)
			VALUES ($1, clock_timestamp(), $2::bigint * interval '1 microsecond')
			ON CONFLICT (owner) DO UPDATE SET seen = excluded.seen, lease = excluded.lease`,
			owner, s.lease.Microseconds())
		return err
	})
}

// takeOver takes over a batch of operations whose owner's lease has run out,
// and tells how many it dealt with. Those that somebody else is dealing with it
// leaves for another time.
func takeOver(ctx context.Context, tx pgx.Tx, owner, adoption string) (int, error) {
	orphans, err := collect(tx.Query(ctx, `SELECT record FROM ocigate_operations o
		WHERE open AND owner <> $1 AND NOT EXISTS (
			SELECT FROM ocigate_replicas r WHERE r.owner = o.owner AND r.seen + r.lease > clock_timestamp())
		LIMIT $2 FOR UPDATE OF o SKIP LOCKED`, owner, adoptBatch))
	if err != nil {
		return 0, err
	}
	var received, ids, bodies []string
	for _, op := range orphans {
		if op.State == operation.Received {
			received = append(received, op.ID)
			continue
		}
		op.Owner = owner
		op.Version++
		body, err := encode(&op)
		if err != nil {
			return 0, err
		}
		ids, bodies = append(ids, op.ID), append(bodies, body)
	}
	if err := forget(ctx, tx, received); err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, `UPDATE ocigate_operations o
		SET owner = $1, adoption = $2, version = o.version + 1, record = taken.body::json
		FROM unnest($3::text[], $4::text[]) AS taken (id, body) WHERE o.id = taken.id`,
		owner, adoption, ids, bodies)
	return len(orphans), err
}

// unanswered are the names of adoptions whose answer was lost. The next call
// goes on under the same name, and so returns what they took over.
type unanswered struct {
	mu    sync.Mutex
	names []string
}

// take gives the name for a call: that of one whose answer was lost, or a new
// one.
func (u *unanswered) take() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	last := len(u.names) - 1
	if last < 0 {
		return rand.Text()
	}
	name := u.names[last]
	u.names = u.names[:last]
	return name
}

func (u *unanswered) put(name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.names = append(u.names, name)
}

// inHand are the operations that are Received and that somebody in this process
// takes care of, by their ids, with what they hold, sorted.
type inHand struct {
	mu  sync.Mutex
	ids map[string][]operation.Claim
}

func (h *inHand) add(id string, claims []operation.Claim) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ids == nil {
		h.ids = make(map[string][]operation.Claim)
	}
	h.ids[id] = sorted(claims)
}

// holds reports whether an operation is in hand and holds these claims and no
// others.
func (h *inHand) holds(id string, claims []operation.Claim) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	held, has := h.ids[id]
	return has && slices.Equal(held, sorted(claims))
}

func (h *inHand) remove(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.ids, id)
}

func (h *inHand) has(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, has := h.ids[id]
	return has
}
