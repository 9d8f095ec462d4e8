//go:build unix

package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/postgres/postgrestest"
)

// These tests specify the locks of owners: how an owner holds one, and what others do when it
// is free. To add a case, add a subtest that makes an owner with newOwner, and lets it die, or
// only lose its lock.

// owner is an owner with its own store, whose connection for the lock the test can cut.
type owner struct {
	*Store
	t       *testing.T
	name    string
	server  *postgrestest.Server
	address string

	mu   sync.Mutex // guards the fields below
	dead bool
	conn net.Conn
}

// newOwner returns an owner that holds its lock.
func newOwner(t *testing.T, server *postgrestest.Server, address, name string) *owner {
	t.Helper()
	w := &owner{Store: open(t, address, Options{}), t: t, name: name, server: server, address: address}
	dial := w.lockConfig.DialFunc
	w.lockConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.dead {
			return nil, errors.New("the owner is dead")
		}
		var err error
		w.conn, err = dial(ctx, network, address)
		return w.conn, err
	}
	_, err := w.Adopt(t.Context(), name)
	must(t, err)
	until(t, w.holds)
	return w
}

// until waits for a change that the server or another goroutine makes.
func until(t *testing.T, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("it does not happen")
		}
	}
}

func (w *owner) holds() bool { held, _ := w.LockState(); return held }

// die closes the connection of the lock as the kernel does when a process is killed. The owner
// gets no other one, and does not notice that. It returns when the server has noticed.
func (w *owner) die() {
	w.t.Helper()
	w.mu.Lock()
	w.dead = true
	_ = w.conn.Close()
	w.mu.Unlock()
	w.locks.close() // as if the goroutine were gone: the owner does not take back that it has a lock
	w.gone()
}

// gone waits until the server has the lock free.
func (w *owner) gone() {
	w.t.Helper()
	class, id := w.place.lockKey(w.name)
	until(w.t, func() bool {
		return w.server.Value(w.t, w.address, `SELECT count(*)::text FROM pg_locks JOIN pg_database d ON d.oid = database
			WHERE datname = current_database() AND classid = $1::bigint::oid AND objid = $2::bigint::oid`, int64(uint32(class)), int64(uint32(id))) == "0"
	})
}

// find returns the ids of what the owner adopts from those that are lost, after the time of grace.
func (w *owner) find() []string {
	w.t.Helper()
	got, _ := w.adoptLost()
	return ids(got)
}

func (w *owner) adoptLost() ([]operation.Operation, time.Duration) {
	w.t.Helper()
	if got, _, err := w.AdoptLost(w.t.Context(), w.name); err != nil || len(got) > 0 {
		w.t.Fatalf("at once: %v, %v", ids(got), err)
	}
	w.wait()
	got, left, err := w.AdoptLost(w.t.Context(), w.name)
	must(w.t, err)
	return got, left
}

// wait makes the time of grace pass.
func (w *owner) wait() {
	w.lost.mu.Lock()
	defer w.lost.mu.Unlock()
	for owner, first := range w.lost.free {
		w.lost.free[owner] = first.Add(-lostGrace)
	}
}

// twoOwners returns owners a and b of one database.
func twoOwners(t *testing.T) (a, b *owner) {
	t.Helper()
	server, address := database(t)
	return newOwner(t, server, address, "a"), newOwner(t, server, address, "b")
}

const lockSessions = ` FROM pg_stat_activity WHERE application_name = 'ocigate lock' AND datname = current_database()`

func TestLockOfAnOwner(t *testing.T) {
	t.Run("is held in a transaction that keeps nothing from being vacuumed or migrated", func(t *testing.T) {
		server, address := database(t)
		newOwner(t, server, address, "a")
		until(t, func() bool {
			return server.Value(t, address, `SELECT string_agg(state || coalesce(backend_xid::text, '') || coalesce(backend_xmin::text, ''), ' ')`+lockSessions) == "idle in transaction"
		})
		if got := server.Value(t, address, `SELECT string_agg(DISTINCT l.locktype, ' ') FROM pg_locks l WHERE pid IN (SELECT pid`+lockSessions+`)`); got != "advisory virtualxid" {
			t.Errorf("it has locks of %s", got)
		}
	})
	t.Run("is not ended by the settings of the server", func(t *testing.T) {
		server, address := database(t)
		server.Exec(t, address, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET idle_in_transaction_session_timeout = 100', current_database()); END $$`)
		conn, _, err := open(t, address, Options{}).getLock(t.Context(), "a")
		must(t, err)
		defer func() { _ = conn.Close(context.Background()) }()
		var got string
		must(t, conn.QueryRow(t.Context(), `SHOW idle_in_transaction_session_timeout`).Scan(&got))
		if got != "0" {
			t.Errorf("it may be idle for %s", got)
		}
	})
	t.Run("is got again when its connection was ended, before others take over", func(t *testing.T) {
		a, b := twoOwners(t)
		op := received("op", "a", "1")
		beginAll(t, a.Store, op)
		first := a.server.Value(t, a.address, `SELECT min(pid)::text`+lockSessions)
		a.server.Exec(t, a.address, `SELECT pg_terminate_backend($1::int)`, first)
		until(t, func() bool { return !a.holds() })
		until(t, a.holds)
		if got := b.find(); len(got) > 0 {
			t.Errorf("adopted %v", got)
		}
		record(t, a.Store, op, operation.Intent)
	})
	t.Run("that it does not get again is not missed by others", func(t *testing.T) {
		a, b := twoOwners(t)
		beginAll(t, a.Store, received("op", "a", "1"))
		a.mu.Lock()
		a.dead = true
		_ = a.conn.Close()
		a.mu.Unlock()
		until(t, func() bool {
			return a.server.Value(t, a.address, `SELECT count(*)::text FROM ocigate.ocigate_replicas WHERE owner = 'lock of a'`) == "0"
		})
		if held, err := a.LockState(); held || err == nil {
			t.Errorf("%v, %v", held, err)
		}
		if got := b.find(); len(got) > 0 {
			t.Errorf("adopted %v", got)
		}
	})
	t.Run("is free when its store was closed", func(t *testing.T) {
		a, b := twoOwners(t)
		op := received("op", "a", "1")
		beginAll(t, a.Store, op)
		record(t, a.Store, op, operation.Intent)
		must(t, a.Close())
		a.gone()
		if got := b.find(); fmt.Sprint(got) != "[op]" {
			t.Errorf("adopted %v", got)
		}
	})
	t.Run("does not count if it is held in another place than the journal", func(t *testing.T) {
		server, address := database(t)
		changed := make(chan error, 10)
		s := open(t, address, Options{LockChanged: func(err error) { changed <- err }})
		s.lockConfig.Database = "postgres" // as a standby, which has no lock of the primary either
		_, err := s.Adopt(t.Context(), "a")
		must(t, err)
		if err := <-changed; !errors.Is(err, errElsewhere) {
			t.Errorf("%v", err)
		}
		if got := server.Value(t, address, `SELECT string_agg(owner, ', ') FROM ocigate.ocigate_replicas`); got != "a" {
			t.Errorf("noted are %s", got)
		}
		if _, err := s.TryLock(t.Context()); !errors.Is(err, errElsewhere) {
			t.Errorf("it is tried: %v", err)
		}
	})
	t.Run("stays noted for as long as the lease is renewed", func(t *testing.T) {
		a, b := twoOwners(t)
		a.server.Exec(t, a.address, `UPDATE ocigate.ocigate_replicas SET renewed = renewed - interval '2 days'`)
		_, err := a.Adopt(t.Context(), "a")
		must(t, err)
		must(t, b.Prune(t.Context(), moment()))
		if got := a.server.Value(t, a.address, `SELECT string_agg(owner, ', ' ORDER BY owner) FROM ocigate.ocigate_replicas`); got != "a, lock of a" {
			t.Errorf("noted are %s", got)
		}
	})
}

func TestLockThatIsFree(t *testing.T) {
	t.Run("gives operations to another before the lease has run out", func(t *testing.T) {
		a, b := twoOwners(t)
		intended, begun, unknown := received("intended", "a", "1"), keyed(received("received", "a", "2")), received("unknown", "a", "3")
		ended := received("ended", "a", "4")
		beginAll(t, a.Store, intended, begun, unknown, ended)
		intended = record(t, a.Store, intended, operation.Intent)
		unknown = record(t, a.Store, unknown, operation.Unknown)
		record(t, a.Store, ended, operation.Done)
		if got := b.find(); len(got) > 0 {
			t.Fatalf("adopted from one that has its lock: %v", got)
		}
		a.die()
		got, left := b.adoptLost()
		want := []operation.Operation{intended, unknown}
		for i := range want {
			want[i].Owner, want[i].Version = "b", want[i].Version+1
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		if left != defaultLease/2 {
			t.Errorf("its sessions may last %v", left)
		}
		if _, err := b.Get(t.Context(), begun.ID); !errors.Is(err, operation.ErrNotFound) {
			t.Errorf("the one that was only received: %v", err)
		}
		beginAll(t, b.Store, keyed(received("again", "b", "2")))
		if got := b.find(); len(got) > 0 {
			t.Errorf("adopted again: %v", got)
		}
	})
	t.Run("takes the next intent away from an owner that lives", func(t *testing.T) {
		a, b := twoOwners(t)
		begun, sent := received("begun", "a", "1"), received("sent", "a", "2")
		beginAll(t, a.Store, begun, sent)
		sent = record(t, a.Store, sent, operation.Intent)
		a.die()
		if got := b.find(); fmt.Sprint(got) != "[sent]" {
			t.Fatalf("adopted %v", got)
		}
		for _, op := range []operation.Operation{next(begun, operation.Intent), next(sent, operation.Intent), next(sent, operation.Done)} {
			if err := a.Record(t.Context(), op, event(op)); !errors.Is(err, operation.ErrConflict) {
				t.Errorf("%s as %s: %v", op.ID, op.State, err)
			}
		}
		if lines(t, b.Store) != 1 {
			t.Error("a late record is in the trail")
		}
	})
	t.Run("gives nothing that does not depend on it, or that another owner may have to leave for longer", func(t *testing.T) {
		for name, prepare := range map[string]func(a, b *owner){
			"never held": func(a, _ *owner) {
				a.server.Exec(t, a.address, `DELETE FROM ocigate.ocigate_replicas WHERE owner = 'lock of a'`)
			},
			"a longer lease": func(a, _ *owner) {
				a.server.Exec(t, a.address, `UPDATE ocigate.ocigate_replicas SET lease = lease + interval '1 microsecond' WHERE owner = 'a'`)
			},
			"half a lease": func(_, b *owner) {
				b.server.Exec(t, b.address, `UPDATE ocigate.ocigate_replicas SET renewed = renewed - lease / 2 WHERE owner = 'b'`)
			},
			"a shorter lease soon": func(_, b *owner) { must(t, b.SetLease(t.Context(), defaultLease-1)) },
			"got again during the call": func(a, b *owner) {
				b.wait()
				conn, _, err := newOwner(t, a.server, a.address, "other").getLock(t.Context(), "a")
				must(t, err)
				t.Cleanup(func() { _ = conn.Close(context.Background()) })
			},
		} {
			a, b := twoOwners(t)
			beginAll(t, a.Store, received("op", "a", "1"))
			a.die()
			if got, _, err := b.AdoptLost(t.Context(), "b"); err != nil || len(got) > 0 {
				t.Fatalf("at once: %v, %v", ids(got), err)
			}
			prepare(a, b)
			if got := b.find(); len(got) > 0 {
				t.Errorf("%s: adopted %v", name, got)
			}
			if op, err := b.Get(t.Context(), "op"); err != nil || op.Owner != "a" {
				t.Errorf("%s: %+v, %v", name, op, err)
			}
		}
	})
	t.Run("gives nothing because of what was seen before the database could not be asked", func(t *testing.T) {
		a, b := twoOwners(t)
		op := received("op", "a", "1")
		beginAll(t, a.Store, op)
		record(t, a.Store, op, operation.Intent)
		a.die()
		if got, _, err := b.AdoptLost(t.Context(), "b"); err != nil || len(got) > 0 {
			t.Fatalf("at once: %v, %v", ids(got), err)
		}
		b.wait()
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := b.AdoptLost(over, "b"); err == nil {
			t.Fatal("the database was asked")
		}
		_ = b.find() // it also fails if the first call adopts something
	})
	t.Run("gives to the next call what a call took whose reply was lost", func(t *testing.T) {
		a, b := twoOwners(t)
		op := received("op", "a", "1")
		beginAll(t, a.Store, op)
		record(t, a.Store, op, operation.Intent)
		a.die()
		_, _, err := b.AdoptLost(t.Context(), "b")
		must(t, err)
		b.lostAdoptions.put("call")
		must(t, b.transact(t.Context(), "lost", durably, func(ctx context.Context, tx pgx.Tx) error {
			_, err := b.takeLost(ctx, tx, "b", "call", []string{"a"})
			return err
		}))
		got, left, err := b.AdoptLost(t.Context(), "b")
		if err != nil || fmt.Sprint(ids(got)) != "[op]" || left != defaultLease/2 {
			t.Errorf("%v, %v, %v", ids(got), left, err)
		}
	})
}
