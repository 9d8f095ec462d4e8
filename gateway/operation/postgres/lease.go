package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// SetLease replaces [Options.Lease] while the store is in use. No write may take longer
// than half of the lease from its Intent to the end of its session. So
//
//   - a longer lease is in the database when SetLease returns without an error. Only
//     then may writes begin that take longer. After an error the lease is perhaps not
//     there: call SetLease again, or set the former lease.
//   - a shorter lease becomes effective only when the present one has passed since the
//     call, because writes that take longer may still be in progress. Writes that begin
//     later than half of the present lease after the call must be shorter. No database is
//     used.
//
// The lease must be positive. Calls of SetLease must not be concurrent.
func (s *Store) SetLease(ctx context.Context, lease time.Duration) error {
	if lease <= 0 {
		return fmt.Errorf("postgres: Lease: must be positive, is %v", lease)
	}
	if !s.leases.set(lease, time.Now()) {
		return nil
	}
	for _, owner := range s.leases.known() {
		if err := s.renew(ctx, owner); err != nil {
			return err
		}
	}
	s.leases.confirm(lease)
	return nil
}

// leases has the lease that a store gives to its owners, and these owners.
type leases struct {
	mu    sync.Mutex // guards the fields below; not held during calls of the database
	lease time.Duration
	// former is the longest lease before, which counts until then.
	former time.Duration
	until  time.Time
	// confirmed is the longest lease of which it is certain that no owner has a shorter
	// one in the database.
	confirmed time.Duration
	owners    map[string]bool
}

func newLeases(lease time.Duration) leases {
	return leases{lease: lease, confirmed: lease, owners: map[string]bool{}}
}

// set replaces the lease. It reports whether the database must have it before the lease
// can be relied on.
func (l *leases) set(lease time.Duration, now time.Time) (tell bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	present := l.presentLocked(now)
	if lease < l.lease {
		l.former, l.until = present, now.Add(present)
	}
	l.lease = lease
	l.confirmed = min(l.confirmed, present) // a renewal may have stored a shorter one since
	return lease > l.confirmed
}

// confirm notes that all owners have a lease in the database that is not shorter.
func (l *leases) confirm(lease time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.confirmed = lease
}

// shortest returns the shortest lease that a renewal stores from now on, if SetLease is not
// called again.
func (l *leases) shortest() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lease
}

// present returns the lease that a renewal stores now.
func (l *leases) present() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.presentLocked(time.Now())
}

// presentLocked returns the lease that a renewal stores at a time. The caller holds l.mu.
func (l *leases) presentLocked(now time.Time) time.Duration {
	if now.Before(l.until) {
		return max(l.lease, l.former)
	}
	return l.lease
}

// add adds an owner, before its lease is read from l and stored. So either the lease is
// that of a call of SetLease, or that call sees the owner.
func (l *leases) add(owner string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.owners[owner] = true
}

// known returns the owners.
func (l *leases) known() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.owners))
}

// storeLease renews an owner's lease.
func (s *Store) storeLease(ctx context.Context, tx pgx.Tx, owner string) error {
	lease := s.leases.present()
	_, err := tx.Exec(ctx, `WITH noted AS (UPDATE ocigate_replicas SET renewed = clock_timestamp() WHERE owner = $3)
		INSERT INTO ocigate_replicas (owner, renewed, lease)
		VALUES ($1, clock_timestamp(), $2::bigint * interval '1 microsecond')
		ON CONFLICT (owner) DO UPDATE SET renewed = excluded.renewed, lease = excluded.lease`,
		owner, lease.Microseconds(), lockOf(owner)) // so that Prune does not remove what is noted of the lock
	if err != nil {
		return err
	}
	return s.storeLonger(ctx, tx, owner, lease)
}

// addOwner gives a new owner its first lease.
func (s *Store) addOwner(ctx context.Context, tx pgx.Tx, owner string) error {
	s.leases.add(owner)
	lease := s.leases.present()
	added, err := tx.Exec(ctx, `INSERT INTO ocigate_replicas (owner, renewed, lease)
		VALUES ($1, clock_timestamp(), $2::bigint * interval '1 microsecond') ON CONFLICT DO NOTHING`,
		owner, lease.Microseconds())
	if err != nil || added.RowsAffected() == 0 {
		return err
	}
	return s.storeLonger(ctx, tx, owner, lease)
}

// storeLonger stores the lease again if it has become longer than the one that the
// transaction has stored, perhaps after a wait. The transaction has locked the owner's row
// by then. So a call of SetLease that is later than this check waits for the
// transaction, and no commit undoes what that call stores.
func (s *Store) storeLonger(ctx context.Context, tx pgx.Tx, owner string, stored time.Duration) error {
	present := s.leases.present()
	if present <= stored {
		return nil
	}
	_, err := tx.Exec(ctx, `UPDATE ocigate_replicas SET lease = $2::bigint * interval '1 microsecond' WHERE owner = $1`,
		owner, present.Microseconds())
	return err
}
