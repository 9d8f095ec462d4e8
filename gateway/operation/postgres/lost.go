package postgres

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"ocigate/gateway/operation"
)

// lostGrace is how long an owner's lock must have been free before its operations are taken over.
// An owner that lost its connection, but not its life, gets it again within that time, also if all
// replicas lost theirs because the server or a pooler was restarted.
const lostGrace = 2 * time.Second

// AdoptLost implements [operation.Store]. It takes over the operations of owners whose locks have
// been free for lostGrace: see Locks in the comment of the package. It changes nothing, and reads
// little, as long as there is none.
//
// The conditions of takeLost make half of the present lease of this store a bound for the
// sessions of all former owners of an operation, also if it was taken over several times: the
// lease of each is no longer than that of the next one.
func (s *Store) AdoptLost(ctx context.Context, owner string) ([]operation.Operation, time.Duration, error) {
	owners, err := s.findLost(ctx, owner)
	if err != nil {
		s.lost.since(nil, time.Now()) // the owners may have had their locks meanwhile
		return nil, 0, err
	}
	lost := s.lost.since(owners, time.Now())
	adoption, again := s.lostAdoptions.take()
	if len(lost) == 0 && !again {
		return nil, 0, nil
	}
	adopted, err := s.adoptBatches(ctx, owner, adoption, func(ctx context.Context, tx pgx.Tx) (int, error) {
		return s.takeLost(ctx, tx, owner, adoption, lost)
	})
	if err != nil {
		s.lostAdoptions.put(adoption)
		return nil, 0, err
	}
	return adopted, s.leases.present() / 2, nil
}

// heldLocks is an array of the second numbers of the locks that owners hold. $1 is the first one.
const heldLocks = `ARRAY(SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND classid = $1::bigint::oid
	AND granted AND mode = 'ExclusiveLock' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`

// findLost returns the other owners that have open operations and whose lock is free, although
// they can be taken for stopped then.
func (s *Store) findLost(ctx context.Context, owner string) (lost []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	class, _ := s.place.lockKey(owner)
	err = s.query(ctx, func(rows pgx.Rows) error {
		var name string
		var held []int64
		_, err := pgx.ForEachRow(rows, []any{&name, &held}, func() error {
			name = strings.TrimPrefix(name, lockPrefix)
			_, id := s.place.lockKey(name)
			if !slices.Contains(held, int64(uint32(id))) { //nolint:gosec // the server has it without a sign
				lost = append(lost, name)
			}
			return nil
		})
		return err
	}, `SELECT l.owner, `+heldLocks+`
		FROM ocigate_replicas l
		WHERE starts_with(l.owner, $3) AND l.owner <> $3 || $2
		AND EXISTS (SELECT FROM ocigate_operations o WHERE o.open AND o.owner = substr(l.owner, length($3) + 1))`,
		int64(uint32(class)), owner, lockPrefix) //nolint:gosec // the server has it without a sign
	if err != nil {
		return nil, s.unusable("adopt lost", err)
	}
	return lost, nil
}

// takeLost takes over a batch of operations of owners that have lost their locks, and returns
// their number. It has these locks until the transaction ends, so that none of the owners
// gets its own again meanwhile.
//
// An owner with a longer lease than this one keeps its operations until that has run out: its
// sessions may last longer than the next owner of the operations would assume. So do all
// others if half of this owner's lease has run out, as in checkLease.
func (s *Store) takeLost(ctx context.Context, tx pgx.Tx, owner, adoption string, lost []string) (int, error) {
	class, _ := s.place.lockKey(owner)
	ids := make([]int32, len(lost))
	for i, name := range lost {
		_, ids[i] = s.place.lockKey(name)
	}
	rows, err := tx.Query(ctx, `SELECT l.owner FROM unnest($1::text[], $2::int[]) AS l (owner, id)
		WHERE CASE WHEN EXISTS (SELECT FROM ocigate_replicas r WHERE r.owner = $4 || l.owner) THEN pg_try_advisory_xact_lock_shared($3::int, l.id) END`,
		lost, ids, class, lockPrefix)
	if err != nil {
		return 0, err
	}
	free, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(free) == 0 {
		return 0, err
	}
	abandoned, err := collect(tx.Query(ctx, `SELECT record FROM ocigate_operations o
		WHERE open AND owner <> $1 AND owner = ANY($2) AND EXISTS (
			SELECT FROM ocigate_replicas own, ocigate_replicas r
			WHERE own.owner = $1 AND own.renewed + own.lease / 2 > clock_timestamp()
			AND r.owner = o.owner AND r.lease <= least(own.lease, $3::bigint * interval '1 microsecond'))
		LIMIT $4 FOR UPDATE OF o SKIP LOCKED`, owner, free, s.leases.shortest().Microseconds(), adoptBatch))
	if err != nil {
		return 0, err
	}
	return len(abandoned), give(ctx, tx, owner, adoption, abandoned)
}

// lostOwners has the owners whose locks are free.
type lostOwners struct {
	grace time.Duration // lostGrace, except in tests

	mu   sync.Mutex           // guards free; not held during calls of the database
	free map[string]time.Time // since when each was found free at every call
}

// since notes the owners whose locks are free, and returns those whose locks have been free for
// the time of grace.
func (l *lostOwners) since(owners []string, now time.Time) (lost []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	free := map[string]time.Time{}
	for _, owner := range owners {
		first, known := l.free[owner]
		if !known {
			first = now
		}
		if free[owner] = first; now.Sub(first) >= l.grace {
			lost = append(lost, owner)
		}
	}
	l.free = free
	return lost
}
