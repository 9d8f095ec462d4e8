//go:build unix

package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/postgres/postgrestest"
	"ocigate/translate/scope"
)

// These tests specify what is particular to this store beside the tests of package
// storetest (suite_test.go): the order of Begin, batches, pages and durability. To add a
// case that any store must pass, add it to package storetest instead.

func twoStores(t *testing.T) (*postgrestest.Server, string, [2]*Store) {
	t.Helper()
	server, address := database(t)
	return server, address, [2]*Store{open(t, address, Options{}), open(t, address, Options{})}
}

func TestBegin(t *testing.T) {
	t.Run("leaves an operation that was begun as it is", func(t *testing.T) {
		_, address := database(t)
		s := open(t, address, Options{})
		op := keyed(received("op", "a", "1", "2"))
		beginAll(t, s, op, op)
		record(t, s, op, operation.Intent)
		beginAll(t, s, op)
		if got, err := s.Get(t.Context(), op.ID); err != nil || got.State != operation.Intent {
			t.Errorf("%v, %v", got.State, err)
		}
	})
	t.Run("claims an entry that is given twice once", func(t *testing.T) {
		_, address := database(t)
		beginAll(t, open(t, address, Options{}), received("op", "a", "1", "1"))
	})
	t.Run("takes nothing if it cannot take all", func(t *testing.T) {
		server, address := database(t)
		s := open(t, address, Options{})
		beginAll(t, s, received("first", "a", "2"))
		err := s.Begin(t.Context(), keyed(received("second", "a", "3", "2", "1")))
		held, ok := errors.AsType[*operation.HeldError](err)
		if !ok {
			t.Fatal(err)
		}
		if diff := cmp.Diff(operation.HeldError{ID: "first", Held: []operation.Claim{{Kind: "dn", Key: "2"}}}, *held); diff != "" {
			t.Error(diff)
		}
		if got := server.Value(t, address, `SELECT (SELECT count(*) FROM ocigate_keys) + (SELECT count(*) FROM ocigate_holds) + (SELECT count(*) FROM ocigate_operations) || ''`); got != "2" {
			t.Errorf("%s rows instead of a hold and an operation", got)
		}
	})
	t.Run("goes by the database's clock for keys", func(t *testing.T) {
		server, address := database(t)
		s := open(t, address, Options{})
		first := keyed(received("first", "a", "1"))
		beginAll(t, s, first)
		server.Exec(t, address, `UPDATE ocigate_keys SET expires = now() - interval '1 second'`)
		second := keyed(received("second", "a", "2"))
		beginAll(t, s, second)
		// The first one's outcome leaves the key to the second.
		first = next(first, operation.NotDone)
		first.Basis = operation.NotTaken
		must(t, s.Record(t.Context(), first, event(first)))
		err := s.Begin(t.Context(), keyed(received("third", "a", "3")))
		if used, ok := errors.AsType[*operation.KeyUsedError](err); !ok || used.Operation.ID != "second" {
			t.Error(err)
		}
	})
}

func TestPruneRemovesAllInBatches(t *testing.T) {
	server, address := database(t)
	s := open(t, address, Options{})
	for _, id := range []string{"old", "young", "open", "held"} {
		op := received(id, "a", id)
		if id == "held" {
			op = keyed(op)
		}
		beginAll(t, s, op)
		if id == "open" {
			op.RecheckAt = moment()
		}
		op = next(op, operation.NotDone)
		if id != "young" {
			op.EndedAt = op.EndedAt.Add(-time.Hour)
		}
		must(t, s.Record(t.Context(), op, event(op)))
	}
	server.Exec(t, address, `INSERT INTO ocigate_keys SELECT 'c', 'e', 'old' || n, 'o' || n, now() - interval '1 s' FROM generate_series(1, $1::int) n`, 2*pruneBatch+1)
	server.Exec(t, address, `INSERT INTO ocigate_operations (id, version, owner, state, open, ended_at, tenant_id, group_id, touches, record)
		SELECT 'more' || n, 1, 'a', 'done', false, now() - interval '1 day', 'T', 'G', '{}', '{}' FROM generate_series(1, $1::int) n`, 2*pruneBatch)
	server.Exec(t, address, `INSERT INTO ocigate_replicas VALUES ('gone', now() - interval '2 days', interval '1 minute')`)
	must(t, s.Prune(t.Context(), moment().Add(-time.Minute)))
	for table, want := range map[string]string{
		"SELECT string_agg(id, ',' ORDER BY id) FROM ocigate_operations": "held,open,young",
		"SELECT string_agg(key, ',') FROM ocigate_keys":                  "key",
		"SELECT string_agg(owner, ',') FROM ocigate_replicas":            "a",
	} {
		if got := server.Value(t, address, table); got != want {
			t.Errorf("%s: %q instead of %q", table, got, want)
		}
	}
}

func TestTrailIsReadInPages(t *testing.T) {
	_, address := database(t)
	s := open(t, address, Options{})
	const count = trailPage + 2
	for range count {
		must(t, s.Append(t.Context(), operation.Event{Time: moment(), Kind: operation.EventLogin}))
	}
	if got := lines(t, s); got != count {
		t.Errorf("%d lines of %d", got, count)
	}
	var tail []int64
	for line, err := range s.trailFrom(t.Context(), count-1) {
		must(t, err)
		head, _, err := operation.HeadOf(line)
		must(t, err)
		tail = append(tail, head.Sequence)
	}
	if diff := cmp.Diff([]int64{count - 1, count}, tail); diff != "" {
		t.Error(diff)
	}
	for _, err := range s.Trail(t.Context()) {
		must(t, err)
		break // a reader may leave
	}
}

func TestTouchedGoesByTheOrderOfBegin(t *testing.T) {
	_, address := database(t)
	s := open(t, address, Options{})
	// By its id the later one is the earlier, as with a clock that is slow.
	first, second := received("9", "a", "1", "2"), received("0", "b", "2", "3")
	beginAll(t, s, first)
	first = record(t, s, first, operation.NotDone)
	touched := func(op operation.Operation) bool {
		t.Helper()
		got, err := s.Touched(t.Context(), op)
		must(t, err)
		return len(got) > 0
	}
	if touched(first) {
		t.Error("it is touched, and no operation was begun later")
	}
	beginAll(t, s, second)
	if touched(first) {
		t.Error("touched by one that has no intent")
	}
	second = record(t, s, second, operation.Intent)
	if !touched(first) || touched(second) {
		t.Error("the second one touches the first one's entry, not the other way round")
	}
	if _, err := s.Touched(t.Context(), received("none", "a", "1")); !errors.Is(err, operation.ErrNotFound) {
		t.Errorf("one that is not there: %v", err)
	}
}

func TestCommitsWaitForTheDisk(t *testing.T) {
	for _, c := range []struct{ name, byDefault, asked, want string }{
		{"if the server does not", "off", durably, "on"},
		{"and for no less than the server does", "remote_apply", durably, "remote_apply"},
		{"unless that is not asked for", "on", lazily, "off"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server, address := database(t)
			name := server.Value(t, address, `SELECT current_database()`)
			server.Exec(t, address, fmt.Sprintf(`ALTER DATABASE %s SET synchronous_commit = %s`, name, c.byDefault))
			var got string
			must(t, open(t, address, Options{}).transact(t.Context(), "test", c.asked, func(ctx context.Context, tx pgx.Tx) error {
				return tx.QueryRow(ctx, `SHOW synchronous_commit`).Scan(&got)
			}))
			if got != c.want {
				t.Errorf("%s instead of %s", got, c.want)
			}
		})
	}
	t.Run("so that a crash of the server loses nothing", func(t *testing.T) {
		server, address := database(t)
		name := server.Value(t, address, `SELECT current_database()`)
		server.Exec(t, address, fmt.Sprintf(`ALTER DATABASE %s SET synchronous_commit = off`, name))
		s := open(t, address, Options{})
		op := keyed(received("op", "a", "1"))
		beginAll(t, s, op)
		op = record(t, s, op, operation.Intent)
		must(t, server.Crash())
		must(t, server.Start())
		s = open(t, address, Options{})
		got, err := s.Get(t.Context(), op.ID)
		must(t, err)
		if diff := cmp.Diff(op, got); diff != "" {
			t.Error(diff)
		}
		if lines(t, s) != 1 {
			t.Error("the intent has no line in the trail")
		}
		if err := s.Begin(t.Context(), received("other", "a", "1")); err == nil {
			t.Error("the entry is not held any more")
		}
	})
}

func TestListUsesEveryPartOfTheQuery(t *testing.T) {
	sql, args := listing(operation.Query{Target: scope.Target{TenantID: "T", GroupID: "G", UserID: "U"}, State: operation.Done, Before: "op", Limit: 3})
	for _, want := range []string{"WHERE true AND tenant_id = $1 AND group_id = $2 AND user_id = $3 AND state = $4 AND id < $5\n", "LIMIT $6)", "before < $7 "} {
		if !strings.Contains(sql, want) {
			t.Errorf("%q is not in %s", want, sql)
		}
	}
	if diff := cmp.Diff([]any{"T", "G", "U", "done", "op", 3, math.MaxInt}, args); diff != "" {
		t.Error(diff)
	}
}
