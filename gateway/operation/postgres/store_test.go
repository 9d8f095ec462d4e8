//go:build unix

package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/postgres/postgrestest"
	"ocigate/translate/scope"
)

// rivals is how many goroutines race on each of two stores.
const rivals = 12

// race has goroutines of two stores do something at the same time, and returns
// their errors.
func race(t *testing.T, stores [2]*Store, do func(s *Store, i int) error) []error {
	t.Helper()
	errs := make([]error, 2*rivals)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			<-start
			errs[i] = do(stores[i%2], i)
		})
	}
	close(start)
	all.Wait()
	return errs
}

func twoStores(t *testing.T) (*postgrestest.Server, string, [2]*Store) {
	t.Helper()
	server, address := database(t)
	return server, address, [2]*Store{open(t, address, Options{}), open(t, address, Options{})}
}

func TestRaces(t *testing.T) {
	t.Run("one of many gets a key", func(t *testing.T) {
		_, _, stores := twoStores(t)
		errs := race(t, stores, func(s *Store, i int) error {
			id := fmt.Sprint("op", i)
			return s.Begin(t.Context(), keyed(received(id, "a", id)))
		})
		winner := slices.Index(errs, nil)
		for i, err := range errs {
			used, ok := errors.AsType[*operation.KeyUsedError](err)
			if i != winner && (!ok || used.Operation.ID != fmt.Sprint("op", winner)) {
				t.Errorf("rival %d of %d: %v", i, winner, err)
			}
		}
	})
	t.Run("one of many gets entries in any order", func(t *testing.T) {
		_, _, stores := twoStores(t)
		errs := race(t, stores, func(s *Store, i int) error {
			entries := []string{"1", "2", "3", "4", "5"}
			rand.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
			return s.Begin(t.Context(), received(fmt.Sprint("op", i), "a", entries...))
		})
		winner := slices.Index(errs, nil)
		for i, err := range errs {
			held, ok := errors.AsType[*operation.HeldError](err)
			if i != winner && (!ok || held.ID != fmt.Sprint("op", winner) || len(held.Held) != 5) {
				t.Errorf("rival %d of %d: %v", i, winner, err)
			}
		}
	})
	t.Run("nobody has an entry that another has, and the chain holds", func(t *testing.T) {
		_, _, stores := twoStores(t)
		var holders [4]atomic.Int32
		var recorded atomic.Int64
		errs := race(t, stores, func(s *Store, i int) error {
			for n := range 10 {
				first, second := rand.IntN(len(holders)), rand.IntN(len(holders))
				op := received(fmt.Sprintf("op%d.%d", i, n), "a", fmt.Sprint(first), fmt.Sprint(second))
				err := s.Begin(t.Context(), op)
				if _, held := errors.AsType[*operation.HeldError](err); held {
					continue
				}
				if err != nil {
					return err
				}
				for _, e := range []int{first, second} {
					if first != second && holders[e].Add(1) != 1 {
						return fmt.Errorf("entry %d is held twice", e)
					}
				}
				op = next(op, operation.Intent)
				if err := s.Record(t.Context(), op, event(op)); err != nil {
					return err
				}
				for _, e := range []int{first, second} {
					if first != second {
						holders[e].Add(-1)
					}
				}
				op = next(op, operation.Done)
				if err := s.Record(t.Context(), op, event(op)); err != nil {
					return err
				}
				recorded.Add(2)
			}
			return nil
		})
		must(t, errors.Join(errs...))
		if got := lines(t, stores[0]); got != recorded.Load() {
			t.Errorf("the trail has %d lines of %d", got, recorded.Load())
		}
	})
	t.Run("the tables are made once", func(t *testing.T) {
		server, address, stores := twoStores(t)
		errs := race(t, stores, func(s *Store, _ int) error {
			return s.Append(t.Context(), operation.Event{Time: moment(), Kind: operation.EventLogin})
		})
		must(t, errors.Join(errs...))
		if got := server.Value(t, address, `SELECT string_agg(version::text, ',') FROM ocigate_schema`); got != fmt.Sprint(len(migrations)) {
			t.Errorf("versions %q", got)
		}
	})
	t.Run("a dead owner's operations are adopted once", func(t *testing.T) {
		server, address, stores := twoStores(t)
		var want []string
		for i := range 20 {
			op := received(fmt.Sprintf("op%02d", i), "dead", fmt.Sprint(i))
			beginAll(t, stores[0], op)
			record(t, stores[0], op, operation.Intent)
			want = append(want, op.ID)
		}
		expire(t, server, address, "dead")
		var mu sync.Mutex
		var got []string
		errs := race(t, stores, func(s *Store, i int) error {
			adopted, err := s.Adopt(t.Context(), fmt.Sprint("owner", i))
			mu.Lock()
			defer mu.Unlock()
			got = append(got, ids(adopted)...)
			return err
		})
		must(t, errors.Join(errs...))
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
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
	t.Run("takes nothing where it cannot take all", func(t *testing.T) {
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

func TestLease(t *testing.T) {
	t.Run("that ran out takes intents away until it is renewed", func(t *testing.T) {
		server, address := database(t)
		s := open(t, address, Options{})
		op := received("op", "a", "1")
		beginAll(t, s, op)
		expire(t, server, address, "a")
		intent := next(op, operation.Intent)
		if err := s.Record(t.Context(), intent, event(intent)); !errors.Is(err, ErrLease) || errors.Is(err, operation.ErrConflict) {
			t.Fatalf("an intent without a lease: %v", err)
		}
		if got, err := s.Get(t.Context(), op.ID); err != nil || got.State != operation.Received || lines(t, s) != 0 {
			t.Errorf("it left a trace: %v, %v", got.State, err)
		}
		if _, err := s.Adopt(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		must(t, s.Record(t.Context(), intent, event(intent)))
		expire(t, server, address, "a")
		record(t, s, intent, operation.Done) // what is known is true without one
	})
	t.Run("that ran out gives operations to another", func(t *testing.T) {
		server, address, stores := twoStores(t)
		intended, begun, unknown := received("intended", "a", "1"), keyed(received("received", "a", "2")), received("unknown", "a", "3")
		rechecked, ended := received("rechecked", "a", "4"), received("ended", "a", "5")
		beginAll(t, stores[0], intended, begun, unknown, rechecked, ended)
		intended = record(t, stores[0], intended, operation.Intent)
		unknown = record(t, stores[0], unknown, operation.Unknown)
		rechecked.RecheckAt = moment().Add(time.Hour)
		rechecked = record(t, stores[0], rechecked, operation.NotDone)
		record(t, stores[0], ended, operation.Done)

		if got, err := stores[1].Adopt(t.Context(), "b"); err != nil || len(got) != 0 {
			t.Fatalf("adopted from the living: %v, %v", ids(got), err)
		}
		expire(t, server, address, "a")
		got, err := stores[1].Adopt(t.Context(), "b")
		must(t, err)
		want := []operation.Operation{intended, unknown, rechecked}
		for i := range want {
			want[i].Owner, want[i].Version = "b", want[i].Version+1
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		for _, op := range want {
			stored, err := stores[0].Get(t.Context(), op.ID)
			must(t, err)
			if diff := cmp.Diff(op, stored); diff != "" {
				t.Error(diff)
			}
		}
		if _, err := stores[1].Get(t.Context(), begun.ID); !errors.Is(err, operation.ErrNotFound) {
			t.Errorf("the one that was only received: %v", err)
		}
		beginAll(t, stores[1], keyed(received("again", "b", "2")))

		// The old owner comes back. Where others have what its operation had,
		// they keep it.
		for _, op := range []operation.Operation{intended, begun} {
			op = next(op, operation.Done)
			if err := stores[0].Record(t.Context(), op, event(op)); !errors.Is(err, operation.ErrConflict) {
				t.Errorf("a record of %s by its old owner: %v", op.ID, err)
			}
		}
		if _, err := stores[0].Adopt(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		begun = next(begun, operation.Intent)
		if err := stores[0].Record(t.Context(), begun, event(begun)); !errors.Is(err, operation.ErrConflict) {
			t.Errorf("an intent of one that was forgotten: %v", err)
		}
		record(t, stores[1], got[0], operation.Done)
	})
	t.Run("is renewed without what nobody has in hand", func(t *testing.T) {
		_, _, stores := twoStores(t)
		kept, lost := received("kept", "a", "1"), keyed(received("lost", "a", "2"))
		beginAll(t, stores[0], kept)
		beginAll(t, stores[1], lost) // as by a call whose answer was lost
		if got, err := stores[0].Adopt(t.Context(), "a"); err != nil || len(got) != 0 {
			t.Fatalf("%v, %v", ids(got), err)
		}
		if _, err := stores[0].Get(t.Context(), kept.ID); err != nil {
			t.Error(err)
		}
		if _, err := stores[0].Get(t.Context(), lost.ID); !errors.Is(err, operation.ErrNotFound) {
			t.Error(err)
		}
		beginAll(t, stores[0], keyed(received("free", "a", "2")))
		record(t, stores[0], kept, operation.Intent)
	})
	t.Run("is as long as its owner's store says", func(t *testing.T) {
		server, address := database(t)
		long, short := open(t, address, Options{Lease: time.Hour}), open(t, address, Options{Lease: time.Second})
		beginAll(t, long, received("op", "a", "1"))
		server.Exec(t, address, `UPDATE ocigate_replicas SET seen = seen - interval '50 minutes'`)
		if _, err := short.Adopt(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		if _, err := long.Get(t.Context(), "op"); err != nil {
			t.Errorf("the operation of a living owner: %v", err)
		}
	})
	t.Run("takes over more than a batch", func(t *testing.T) {
		server, address := database(t)
		s := open(t, address, Options{})
		beginAll(t, s, received("first", "a", "1"))
		server.Exec(t, address, `INSERT INTO ocigate_operations (id, version, owner, state, open, tenant_id, group_id, touches, record)
			SELECT 'more' || n, 1, 'a', 'unknown', true, 'T', 'G', '{}', json_build_object('id', 'more' || n, 'version', 1, 'owner', 'a', 'state', 'unknown')
			FROM generate_series(1, $1::int) n`, 2*adoptBatch)
		expire(t, server, address, "a")
		if got, err := s.Adopt(t.Context(), "b"); err != nil || len(got) != 2*adoptBatch {
			t.Errorf("%d operations, %v", len(got), err)
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
		t.Error("touched by nobody")
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
		{"where the server does not", "off", durably, "on"},
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

func TestServerIsAway(t *testing.T) {
	server, address := database(t)
	s := open(t, address, Options{})
	op := received("op", "a", "1")
	beginAll(t, s, op)
	op = record(t, s, op, operation.Intent)
	must(t, server.Stop())
	defer func() { _ = server.Start() }() // does nothing where the test has
	done := next(op, operation.Done)
	for name, call := range everyMethod(t, s, done) {
		if err := call(); err == nil || errors.Is(err, operation.ErrNotFound) || errors.Is(err, operation.ErrConflict) {
			t.Errorf("%s without a server: %v", name, err)
		}
	}
	must(t, server.Start())
	// Each connection may have to be found broken once.
	var err error
	for range defaultConnections + 1 {
		if err = s.Record(t.Context(), done, event(done)); err == nil {
			break
		}
	}
	must(t, err)
	if lines(t, s) != 2 {
		t.Error("the trail does not go on where it was")
	}
	must(t, s.Close())
	for name, call := range everyMethod(t, s, done) {
		if err := call(); err == nil {
			t.Errorf("%s after Close: no error", name)
		}
	}
	must(t, s.Close())
}

func everyMethod(t *testing.T, s *Store, op operation.Operation) map[string]func() error {
	ctx := t.Context()
	return map[string]func() error{
		"Begin":   func() error { return s.Begin(ctx, received("other", "a", "2")) },
		"Abandon": func() error { return s.Abandon(ctx, op) },
		"Record":  func() error { return s.Record(ctx, op, event(op)) },
		"Get":     func() error { _, err := s.Get(ctx, op.ID); return err },
		"List":    func() error { _, err := s.List(ctx, operation.Query{Limit: 1}); return err },
		"Adopt":   func() error { _, err := s.Adopt(ctx, "a"); return err },
		"Touched": func() error { _, err := s.Touched(ctx, op); return err },
		"Append":  func() error { return s.Append(ctx, event(op)) },
		"Prune":   func() error { return s.Prune(ctx, moment()) },
		"Trail":   func() error { _, err := operation.Verify(s.Trail(ctx)); return err },
	}
}

func TestReplicaThatIsSuspended(t *testing.T) {
	_, address := database(t)
	suspended, other := open(t, address, Options{}), open(t, address, Options{})
	must(t, suspended.Append(t.Context(), operation.Event{Time: moment(), Kind: operation.EventLogin}))
	suspended.timeout = 50 * time.Millisecond // enough for one that is connected
	locked, woken := make(chan struct{}), make(chan struct{})
	var result error
	var all sync.WaitGroup
	all.Go(func() {
		lock := sync.OnceFunc(func() { close(locked) })
		defer lock() // where it never gets that far
		result = suspended.transact(context.Background(), "sleep", durably, func(ctx context.Context, tx pgx.Tx) error {
			err := extend(ctx, tx, operation.Event{Time: moment(), Kind: operation.EventLogin})
			lock()
			<-woken
			return err
		})
	})
	<-locked
	err := other.Append(t.Context(), operation.Event{Time: moment(), Kind: operation.EventLogin})
	close(woken)
	all.Wait()
	if err != nil {
		t.Errorf("it keeps others from the trail: %v", err)
	}
	if result == nil || lines(t, other) != 2 {
		t.Errorf("its own line is there: %v", result)
	}
}

func TestServerThatIsSilent(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = listener.Close() }()
	for _, c := range []struct {
		name string
		o    Options
		ctx  func() (context.Context, context.CancelFunc)
	}{
		{"is waited for no longer than the store's own timeout", Options{Timeout: 20 * time.Millisecond}, func() (context.Context, context.CancelFunc) {
			return t.Context(), func() {}
		}},
		{"is waited for no longer than the call may last", Options{Timeout: time.Hour}, func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(t.Context(), 20*time.Millisecond)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, "postgres://u:p@"+listener.Addr().String()+"/d?sslmode=disable", c.o)
			for range 2 {
				ctx, cancel := c.ctx()
				if err := s.Begin(ctx, received("op", "a", "1")); !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
				cancel()
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	const secret = "hu/sh#it's%a@secret"
	for _, c := range []struct {
		name, address string
		o             Options
		want          string
	}{
		{"another kind of address", "host=h password=" + secret, Options{}, "postgres: the URL must begin with postgres:// or postgresql://"},
		{"nothing", "", Options{}, "postgres: the URL must begin with postgres:// or postgresql://"},
		{"a password that is not encoded", "postgres://u:" + secret + "@h:1/d", Options{}, errMalformed.Error()},
		{"a bad parameter beside a password", "postgres://u:hush@h/d?sslmode=some&password=hush&sslpassword=hush", Options{},
			"postgres: the URL: cannot parse `postgres://u@h/d?sslmode=some`: failed to configure TLS (sslmode is invalid)"},
		{"a bad parameter of the pool", "postgres://u:hush@h/d?pool_max_conns=hush", Options{}, "postgres: the URL: cannot parse `postgres://u@h/d?pool_max_conns=hush`"},
		{"a lease without length", "postgres://u@h/d", Options{Lease: -1}, "postgres: Lease: must be positive, is -1ns"},
		{"a timeout that nothing meets", "postgres://u@h/d", Options{Timeout: 1}, "postgres: Timeout: must be at least 1ms, is 1ns"},
		{"fewer connections than none", "postgres://u@h/d", Options{Connections: -1}, "postgres: Connections: must be positive, is -1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Open(c.address, c.o)
			if err == nil {
				_ = s.Close()
				t.Fatal("accepted")
			}
			if !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("%q instead of %q", err, c.want)
			}
		})
	}
}

func FuzzOpenKeepsThePasswordToItself(f *testing.F) {
	for _, password := range []string{"secret99", "a/b?c#d", "%zz%41", "@:@", "[::1]", " \x00"} {
		f.Add(password, "h", "sslmode=some")
	}
	f.Fuzz(func(t *testing.T, password, host, parameters string) {
		password = "<" + password + ">" // occurs nowhere by chance
		s, err := Open("postgres://u:"+password+"@"+host+"/d?"+parameters, Options{})
		if err == nil {
			must(t, s.Close())
			return
		}
		if strings.Contains(err.Error(), password) {
			t.Errorf("%q", err)
		}
	})
}

func TestErrorsOfTheServer(t *testing.T) {
	server, address := database(t)
	name := server.Value(t, address, `SELECT current_database()`)
	server.Exec(t, address, fmt.Sprintf(`CREATE ROLE guest_%s LOGIN PASSWORD 'hush'`, name))
	server.Exec(t, address, fmt.Sprintf(`CREATE DATABASE latin_%s ENCODING 'LATIN1' TEMPLATE template0`, name))
	newer := server.Database(t)
	server.Exec(t, newer, `CREATE TABLE ocigate_schema (version integer); INSERT INTO ocigate_schema VALUES (1000)`)
	for _, c := range []struct{ name, address, want string }{
		{"a wrong password", server.URL(postgrestest.User, "wr0ng/secret", name), "password authentication failed"},
		{"a database that is not there", server.URL(postgrestest.User, postgrestest.Password, "nowhere"), `database "nowhere" does not exist`},
		{"a role that may not make tables", server.URL("guest_"+name, "hush", name), "permission denied for schema public"},
		{"another encoding", server.URL(postgrestest.User, postgrestest.Password, "latin_"+name), "the database is encoded in LATIN1, and must be in UTF8"},
		{"tables of a later program", newer, "format 1000, and this program knows none above"},
	} {
		t.Run("name "+c.name, func(t *testing.T) {
			_, err := open(t, c.address, Options{}).Get(t.Context(), "op")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v", err)
			}
			for _, secret := range []string{"wr0ng/secret", postgrestest.Password, "hush"} {
				if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), secret) {
					t.Error("the error tells a password")
				}
			}
		})
	}
}

func TestListUsesEveryPartOfTheQuery(t *testing.T) {
	sql, args := listing(operation.Query{Target: scope.Target{TenantID: "T", GroupID: "G", UserID: "U"}, State: operation.Done, Before: "op", Limit: 3})
	want := "SELECT record FROM ocigate_operations WHERE true AND tenant_id = $1 AND group_id = $2 AND user_id = $3 AND state = $4 AND id < $5 ORDER BY id DESC LIMIT $6"
	if diff := cmp.Diff(want, sql); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]any{"T", "G", "U", "done", "op", 3}, args); diff != "" {
		t.Error(diff)
	}
}
