//go:build unix

package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"ocigate/gateway/operation"
)

// These tests specify when a lease that replaces another one is in the database. To add a
// sequence of calls without a database, add an entry to the map of TestLeases.

// leaseOf returns the lease of an owner in the database.
func leaseOf(t *testing.T, s *Store, owner string) time.Duration {
	t.Helper()
	var seconds float64
	must(t, s.pool.QueryRow(t.Context(), `SELECT extract(epoch FROM lease)::float8 FROM ocigate_replicas WHERE owner = $1`, owner).Scan(&seconds))
	return time.Duration(seconds * float64(time.Second))
}

func wantLease(t *testing.T, s *Store, want time.Duration) {
	t.Helper()
	if got := leaseOf(t, s, "a"); got != want {
		t.Errorf("the lease in the database is %v, want %v", got, want)
	}
}

func TestLeases(t *testing.T) {
	const minute = time.Minute
	type step struct {
		at      time.Duration // since the start
		set     time.Duration // 0 for none
		confirm bool          // the database has it
		tell    bool          // set reports this
		present time.Duration
	}
	for name, steps := range map[string][]step{
		"is the same": {{0, minute, false, false, minute}},
		"is longer":   {{0, 2 * minute, true, true, 2 * minute}, {minute, 2 * minute, false, false, 2 * minute}},
		"is longer, but the database has not got it": {
			{0, 2 * minute, false, true, 2 * minute}, {0, 2 * minute, true, true, 2 * minute}, {0, 2 * minute, false, false, 2 * minute},
		},
		"is longer, not stored, and set back": {
			{0, 2 * minute, false, true, 2 * minute}, {0, minute, false, false, 2 * minute},
			{0, 2 * minute, false, true, 2 * minute}, {0, minute, false, false, 2 * minute}, {2 * minute, 0, false, false, minute},
		},
		"is shorter only when the former one has passed": {
			{0, minute / 2, false, false, minute}, {minute - 1, 0, false, false, minute}, {minute, 0, false, false, minute / 2},
		},
		"is shorter, and set again": {
			{0, minute / 2, false, false, minute}, {minute / 2, minute / 2, false, false, minute}, {minute, 0, false, false, minute / 2},
		},
		"is shorter twice": {
			{0, minute / 2, false, false, minute}, {minute / 2, minute / 4, false, false, minute},
			{3*minute/2 - 1, 0, false, false, minute}, {3 * minute / 2, 0, false, false, minute / 4},
		},
		"is shorter, and longer before the former one has passed": {
			{0, minute / 2, false, false, minute}, {1, minute, false, false, minute}, {minute, 0, false, false, minute},
		},
		"is shorter, and longer after the former one has passed": {
			{0, minute / 2, false, false, minute}, {minute, minute, true, true, minute}, {minute, minute, false, false, minute},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, start := newLeases(minute), time.Now()
			for i, s := range steps {
				now := start.Add(s.at)
				if s.set > 0 && l.set(s.set, now) != s.tell {
					t.Errorf("step %d: the database must have it first: %t, want %t", i+1, !s.tell, s.tell)
				}
				if s.confirm {
					l.confirm(s.set)
				}
				if got := l.presentLocked(now); got != s.present {
					t.Errorf("step %d: it is %v, want %v", i+1, got, s.present)
				}
			}
		})
	}
}

func TestSetLease(t *testing.T) {
	t.Run("stores a longer lease before it returns", func(t *testing.T) {
		server, address := database(t)
		s := open(t, address, Options{})
		op := received("op", "a", "1")
		beginAll(t, s, op)
		must(t, s.SetLease(t.Context(), time.Hour))
		wantLease(t, s, time.Hour)
		server.Exec(t, address, `UPDATE ocigate_replicas SET renewed = renewed - interval '29 minutes'`)
		record(t, s, op, operation.Intent)
		beginAll(t, s, received("second", "b", "2"))
		if got := leaseOf(t, s, "b"); got != time.Hour {
			t.Errorf("the lease of a new owner is %v", got)
		}
	})
	t.Run("keeps the longer lease as long as it lasts", func(t *testing.T) {
		_, address := database(t)
		s := open(t, address, Options{Lease: time.Hour})
		adopt := func() {
			t.Helper()
			_, err := s.Adopt(t.Context(), "a")
			must(t, err)
		}
		adopt()
		must(t, s.SetLease(t.Context(), time.Minute))
		adopt()
		wantLease(t, s, time.Hour)
		s.leases.until = time.Now()
		adopt()
		wantLease(t, s, time.Minute)
	})
	t.Run("reports that a longer lease was not stored, and can be repeated", func(t *testing.T) {
		_, address := database(t)
		s := open(t, address, Options{})
		_, err := s.Adopt(t.Context(), "a")
		must(t, err)
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.SetLease(canceled, time.Hour); err == nil {
			t.Fatal("no error")
		}
		wantLease(t, s, time.Minute)
		must(t, s.SetLease(canceled, time.Minute)) // needs no database
		must(t, s.SetLease(t.Context(), time.Hour))
		wantLease(t, s, time.Hour)
	})
	t.Run("needs no database without an owner or a change", func(t *testing.T) {
		s := open(t, "postgres://nobody@host.invalid/none", Options{})
		must(t, s.SetLease(t.Context(), time.Minute))
		must(t, s.SetLease(t.Context(), time.Hour))
		must(t, s.SetLease(t.Context(), time.Second))
	})
	t.Run("refuses a lease that is not positive", func(t *testing.T) {
		s := open(t, "postgres://nobody@host.invalid/none", Options{})
		for _, lease := range []time.Duration{0, -time.Second} {
			if err := s.SetLease(t.Context(), lease); err == nil {
				t.Errorf("%v is accepted", lease)
			}
		}
		if got := s.leases.present(); got != defaultLease {
			t.Errorf("the lease is %v now", got)
		}
	})
}

// A transaction that has read the lease, and then waits for the owner's row, does not
// undo a longer lease.
func TestSetLeaseDuringARenewal(t *testing.T) {
	for name, c := range map[string]struct {
		before string // locks the row of the owner
		renew  func(t *testing.T, s *Store) error
	}{
		"of an owner that is there": {
			`SELECT FROM ocigate_replicas WHERE owner = 'a' FOR UPDATE`,
			func(t *testing.T, s *Store) error {
				_, err := s.Adopt(t.Context(), "a")
				return err
			},
		},
		"of a new owner": {
			`INSERT INTO ocigate_replicas (owner, renewed, lease) VALUES ('a', clock_timestamp(), interval '0')`,
			func(t *testing.T, s *Store) error { return s.Begin(t.Context(), received("op", "a", "1")) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, address := database(t)
			s, other := open(t, address, Options{Timeout: time.Minute}), open(t, address, Options{Timeout: time.Minute})
			first := "a"
			if name == "of a new owner" {
				first = "another"
			}
			_, err := s.Adopt(t.Context(), first)
			must(t, err)
			result := make(chan error, 1)
			err = other.attempt(t.Context(), lazily, func(ctx context.Context, tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, c.before); err != nil {
					return err
				}
				go func() { result <- c.renew(t, s) }()
				waitForALock(ctx, t, tx)
				s.leases.set(time.Hour, time.Now()) // as SetLease, whose transaction was first
				return context.Canceled             // nothing is committed
			})
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			must(t, <-result)
			wantLease(t, s, time.Hour)
		})
	}
}

// waitForALock waits until another session waits for a lock.
func waitForALock(ctx context.Context, t *testing.T, tx pgx.Tx) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute) // a bound, not a measure
	defer cancel()
	for waiting := 0; waiting == 0; {
		must(t, tx.QueryRow(ctx, `SELECT count(*) FROM pg_locks WHERE NOT granted`).Scan(&waiting))
	}
}
