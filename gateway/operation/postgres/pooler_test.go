//go:build unix

package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/postgres/postgrestest"
	"ocigate/gateway/operation/storetest"
)

// These tests specify that the store works behind a pooler in transaction mode. To add a case,
// add a setting of the pooler to poolerSettings.

// poolerConnections is how many connections a pooler has to the server: fewer than a store
// has to the pooler, so that the transactions of one client use several of them.
const poolerConnections = 3

// poolerSettings are settings that change how the pooler treats prepared statements.
var poolerSettings = []struct {
	name     string
	settings []string
}{
	{"by default", nil},
	{"without prepared statements", []string{"max_prepared_statements = 0"}},
	{"with prepared statements", []string{"max_prepared_statements = 10"}},
}

func TestStoreBehindPooler(t *testing.T) {
	server, _ := database(t)
	pooler := server.Pooler(t, poolerConnections)
	storetest.Run(t, func(t *testing.T) storetest.Rig {
		server, address := database(t)
		pooled := pooler.URL(t, address)
		// Not the schema that the search path of the role has.
		reader := open(t, pooled, Options{Schema: "journal"})
		var opened replicas
		return storetest.Rig{
			Open:    func() operation.Store { return opened.open(t, pooled, Options{Schema: "journal"}) },
			Shared:  true,
			Lose:    func(owner string) { opened.lose(t, server, address, owner) },
			Expire:  func(owner string) { expireIn(t, server, address, "journal.", owner) },
			Trail:   func() iter.Seq2[[]byte, error] { return reader.Trail(t.Context()) },
			Rewrite: func(lines [][]byte) { rewriteIn(t, server, address, "journal.", lines) },
		}
	})
}

// TestConcurrentWritesBehindPooler has more writers, of several replicas, than the pooler has
// connections: with a single writer or connection, no state of a session would be lost.
func TestConcurrentWritesBehindPooler(t *testing.T) {
	for _, c := range poolerSettings {
		t.Run(c.name, func(t *testing.T) {
			server, address := database(t)
			writeAtOnce(t, server.Pooler(t, poolerConnections, c.settings...), address)
		})
	}
}

func writeAtOnce(t *testing.T, pooler *postgrestest.Pooler, address string) {
	t.Helper()
	const replicas, writers, each = 3, 12, 4
	var all sync.WaitGroup
	failures := make(chan error, replicas*writers*each)
	for r := range replicas {
		// No parameter is needed for it, and none can break it.
		s := open(t, pooler.URL(t, address)+"&default_query_exec_mode=cache_statement", Options{Timeout: time.Minute}) // however busy the machine is
		owner := fmt.Sprint("replica-", r)
		for w := range writers {
			all.Go(func() {
				for n := range each {
					name := fmt.Sprintf("%d-%d-%d", r, w, n)
					failures <- writeOne(t, s, received(name, owner, name))
				}
			})
		}
	}
	all.Wait()
	close(failures)
	failed := 0
	for err := range failures {
		if err != nil {
			failed++
			t.Log(err)
		}
	}
	if failed > 0 {
		t.Errorf("%d of %d writes failed", failed, replicas*writers*each)
	}
	if got, want := lines(t, open(t, address, Options{})), int64(replicas*writers*each*2); got != want {
		t.Errorf("the trail has %d lines, want %d", got, want)
	}
}

// writeOne takes an operation of two steps from its beginning to its end. Only the plan names
// the entry of the second step.
func writeOne(t *testing.T, s *Store, op operation.Operation) error {
	t.Helper()
	if err := s.Begin(t.Context(), op); err != nil {
		return err
	}
	op = next(op, operation.Intent)
	op.Entries = append(op.Entries, operation.Entry{Kind: "dn", Given: "also " + op.ID, Key: "also " + op.ID, Step: 2})
	op.Entries[0].Step, op.Step = 1, 1
	if err := s.Record(t.Context(), op, event(op)); err != nil {
		return err
	}
	op = next(op, operation.Intent)
	op.Entries = slices.Clone(op.Entries)
	op.Entries[0].Outcome, op.Step = operation.Done, 2
	if err := s.Record(t.Context(), op, operation.Event{}); err != nil {
		return err
	}
	op = next(op, operation.Done)
	if err := s.Record(t.Context(), op, event(op)); err != nil {
		return err
	}
	_, adopted := s.Adopt(t.Context(), op.Owner)
	found, err := s.Get(t.Context(), op.ID)
	if err == nil && found.State != operation.Done {
		err = fmt.Errorf("%s is %s", op.ID, found.State)
	}
	return errors.Join(adopted, err)
}

func TestLockBehindPooler(t *testing.T) {
	t.Run("is free when its owner has died", func(t *testing.T) {
		server, direct := database(t)
		address := server.Pooler(t, poolerConnections+1).URL(t, direct)
		a, b := newOwner(t, server, address, "a"), newOwner(t, server, address, "b")
		a.address = direct // for the statements of the test, which are prepared
		op := received("op", "a", "1")
		beginAll(t, a.Store, op)
		record(t, a.Store, op, operation.Intent)
		if got := b.find(); len(got) > 0 {
			t.Fatalf("adopted from one that has its lock: %v", got)
		}
		for address, want := range map[string]bool{address: true, direct: false} {
			if pooled, err := open(t, address, Options{}).TryLock(t.Context()); err != nil || pooled != want {
				t.Errorf("it is tried, and %v, %v", pooled, err)
			}
		}
		a.die()
		if got := b.find(); fmt.Sprint(got) != "[op]" {
			t.Errorf("adopted %v", got)
		}
	})
	t.Run("is given up if it leaves no connection for anything else", func(t *testing.T) {
		server, direct := database(t)
		changed := make(chan error, 10)
		s := open(t, server.Pooler(t, 1).URL(t, direct), Options{LockChanged: func(err error) { changed <- err }})
		_, err := s.Adopt(t.Context(), "a")
		must(t, err)
		if err := <-changed; !errors.Is(err, errPoolerFull) {
			t.Errorf("%v", err)
		}
		must(t, writeOne(t, s, received("op", "a", "1")))
		if pooled, err := s.TryLock(t.Context()); !pooled || !errors.Is(err, errPoolerFull) {
			t.Errorf("it is tried, and %v, %v", pooled, err)
		}
	})
	t.Run("is given up if a call is not served in time", func(t *testing.T) {
		server, direct := database(t)
		changed := make(chan error, 10)
		pooler := server.Pooler(t, 2).URL(t, direct)
		s := open(t, pooler, Options{Timeout: time.Second, LockChanged: func(err error) { changed <- err }})
		_, err := s.Adopt(t.Context(), "a")
		must(t, err)
		must(t, <-changed)
		over, cancel := context.WithDeadline(t.Context(), time.Now())
		defer cancel()
		if err := s.Check(over); !errors.Is(err, context.DeadlineExceeded) || len(changed) > 0 {
			t.Fatalf("the caller's time was over: %v", err)
		}
		other, err := open(t, pooler, Options{}).pool.Begin(t.Context())
		must(t, err)
		if err := s.Check(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		must(t, other.Rollback(t.Context()))
		if err := <-changed; !errors.Is(err, errPoolerFull) {
			t.Errorf("%v", err)
		}
		until(t, func() bool {
			return server.Value(t, direct, `SELECT count(*)::text FROM ocigate.ocigate_replicas WHERE owner = 'lock of a'`) == "0"
		})
	})
}

func BenchmarkWrite(b *testing.B) {
	server, err := cluster()
	if err != nil {
		b.Skip(err)
	}
	s, err := Open(server.Database(b), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	n := 0
	for b.Loop() {
		n++
		op := received(fmt.Sprint("op-", n), "a", fmt.Sprint(n))
		if err := s.Begin(b.Context(), op); err != nil {
			b.Fatal(err)
		}
		for _, state := range []operation.State{operation.Intent, operation.Done} {
			op = next(op, state)
			if err := s.Record(b.Context(), op, event(op)); err != nil {
				b.Fatal(err)
			}
		}
	}
}
