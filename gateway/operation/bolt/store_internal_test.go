package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

// These tests specify behaviour of the store that needs access to its internals, such as
// commits that fail after they took effect. A case that needs only the exported methods
// belongs in store_test.go, or into package storetest if it holds for any store.

func closeStore(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// No index may have an operation that was removed, in whatever state it was.
func TestRemovedOperationsLeaveNoIndex(t *testing.T) {
	t.Parallel()
	s := Open(t.TempDir(), Options{NoSync: true})
	defer closeStore(t, s)
	random := rand.New(rand.NewPCG(1, 2))
	states := []operation.State{operation.Intent, operation.Unknown, operation.Done, operation.NotDone, operation.PartlyDone}
	long := time.Now().Add(-time.Hour)
	for i := range 500 {
		op := operation.Operation{
			ID: fmt.Sprint("op", random.IntN(20)), Version: i, State: states[random.IntN(len(states))], Target: scope.Target{TenantID: fmt.Sprint(random.IntN(2))},
			Key: strings.Repeat("k", random.IntN(3)), KeyExpires: long, EndedAt: long,
			Basis: []operation.Basis{operation.ByReply, operation.NotTaken}[random.IntN(2)],
		}
		for range random.IntN(4) {
			op.Entries = append(op.Entries, operation.Entry{Key: fmt.Sprint(random.IntN(3))})
		}
		if random.IntN(2) == 0 {
			op.RecheckAt, op.KeyExpires = long, time.Now().Add(time.Hour)
		}
		if err := s.Record(t.Context(), op, operation.Event{}); err != nil && !errors.Is(err, operation.ErrConflict) {
			if _, held := errors.AsType[*operation.HeldError](err); !held {
				t.Fatal(err)
			}
		}
	}
	for i := range 20 {
		op := operation.Operation{ID: fmt.Sprint("op", i), Version: 500, State: operation.Done, EndedAt: long}
		if err := s.Record(t.Context(), op, operation.Event{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Prune(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	err := s.viewLocked(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			if key, _ := b.Cursor().First(); key != nil && !bytes.Equal(name, metaBucket) {
				t.Errorf("the bucket %s still has %q", name, key)
			}
			return nil
		})
	})
	if err != nil {
		t.Error(err)
	}
	if s.trail.name != "" {
		t.Errorf("there is a trail: %s", s.trail.name)
	}
}

// intend begins an operation and records its intent.
func intend(t *testing.T, s *Store, op operation.Operation) {
	t.Helper()
	begun := op
	begun.Version, begun.State = 0, operation.Received
	if err := s.Begin(t.Context(), begun); err != nil {
		t.Fatal(err)
	}
	if err := s.Record(t.Context(), op, operation.Event{}); err != nil {
		t.Fatal(err)
	}
}

// A commit can fail after it took effect.
func TestAdoptionThatFailedIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := Open(t.TempDir(), Options{NoSync: true})
	defer closeStore(t, s)
	op := operation.Operation{ID: "op", Version: 2, Owner: "me", State: operation.Intent}
	intend(t, s, op)
	s.unadopted[op.ID] = true // and me is running
	for _, want := range []int{1, 0} {
		adopted, err := s.Adopt(t.Context(), "me")
		if err != nil || len(adopted) != want {
			t.Errorf("adopted: %+v, %v, want %d", adopted, err, want)
		}
	}
}

// Intents that reach the disk together are checked against each other.
func TestIntentsOfOneBatch(t *testing.T) {
	t.Parallel()
	s := Open(t.TempDir(), Options{NoSync: true})
	defer closeStore(t, s)
	intent := func(id string, keys ...string) *record {
		op := operation.Operation{ID: id, Owner: "me", State: operation.Received}
		if err := s.Begin(t.Context(), op); err != nil {
			t.Fatal(err)
		}
		op.State, op.Version = operation.Intent, 1
		for _, key := range keys {
			op.Entries = append(op.Entries, operation.Entry{Kind: "k", Key: key, Step: 1})
		}
		value, err := json.Marshal(&op)
		if err != nil {
			t.Fatal(err)
		}
		return &record{op: &op, value: value, event: operation.EventOf(operation.EventIntent, &op, time.Now())}
	}
	a, b, c, d := intent("a", "1", "2"), intent("b", "3", "2", "1"), intent("c", "3"), intent("d", "4")
	again := *a
	s.locked <- struct{}{}
	s.writeLocked([]*record{a, b, c, d, &again})
	s.unlock()
	for _, r := range []*record{a, c, d, &again} {
		if r.err != nil {
			t.Errorf("%s: %v", r.op.ID, r.err)
		}
	}
	held, ok := errors.AsType[*operation.HeldError](b.err)
	if !ok || held.ID != "a" || !slices.Equal(held.Held, []operation.Claim{{Kind: "k", Key: "2"}, {Kind: "k", Key: "1"}}) {
		t.Errorf("b: %v", b.err)
	}
	if op, err := s.Get(t.Context(), "b"); err != nil || op.State != operation.Received {
		t.Errorf("b is %s, %v", op.State, err)
	}
	if s.trail.head.Sequence != 4 {
		t.Errorf("the trail has %d lines", s.trail.head.Sequence)
	}
}

func TestOtherFormatIsRefused(t *testing.T) {
	t.Parallel()
	for format, why := range map[string]string{
		"4":   "format 4, and this program supports none above 3: they were written by a later version",
		"0":   `format "0", which is none of the gateway`,
		"two": `format "two", which is none of the gateway`,
	} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			s := Open(folder, Options{NoSync: true})
			if _, err := s.Adopt(t.Context(), "me"); err != nil {
				t.Fatal(err)
			}
			if err := s.updateLocked(func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(schemaKey, []byte(format)) }); err != nil {
				t.Fatal(err)
			}
			closeStore(t, s)
			before, err := os.ReadFile(filepath.Join(folder, databaseFile))
			if err != nil {
				t.Fatal(err)
			}
			s = Open(folder, Options{NoSync: true})
			defer closeStore(t, s)
			if _, err := s.Get(t.Context(), "op"); err == nil || !strings.Contains(err.Error(), why) {
				t.Errorf("Get: %v", err)
			}
			if err := s.Check(t.Context()); err == nil || !strings.Contains(err.Error(), why) {
				t.Errorf("Check: %v", err)
			}
			if after, err := os.ReadFile(filepath.Join(folder, databaseFile)); err != nil || !bytes.Equal(before, after) {
				t.Errorf("the file was changed, or cannot be read: %v", err)
			}
		})
	}
}

func TestWaitEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		folder := filepath.Join(t.TempDir(), "operations")
		s := Open(folder, Options{NoSync: true})
		defer closeStore(t, s)
		s.locked <- struct{}{} // as one who waits for the disk
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		event := operation.Event{Time: time.Now(), Kind: operation.EventLogin}
		if err := s.Append(ctx, event); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Append: %v, want %v", err, context.DeadlineExceeded)
		}
		s.unlock()
		if err := s.Append(t.Context(), event); err != nil {
			t.Error(err)
		}
		if head, err := operation.Verify(Trail(folder)); err != nil || head.Sequence != 1 {
			t.Errorf("the trail: %v, %v, want the line that was not given up", head, err)
		}
	})
}

// A database at which bbolt panics is opened again only when its file changes, or after a
// pause.
func TestCorruptionIsRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := Open(t.TempDir(), Options{NoSync: true})
		defer closeStore(t, s)
		if _, err := s.Adopt(t.Context(), "me"); err != nil {
			t.Fatal(err)
		}
		_ = s.failLocked(&corruptError{"a fault"})
		_, err := s.Get(t.Context(), "op")
		if !isCorrupt(err) {
			t.Errorf("Get: %v, want what was found out", err)
		}
		time.Sleep(corruptPause)
		if _, err := s.Get(t.Context(), "op"); !errors.Is(err, operation.ErrNotFound) {
			t.Errorf("Get after a while: %v, want %v", err, operation.ErrNotFound)
		}
	})
}

// Records that wait for the disk are written together, and checked one after the
// other all the same.
func TestRecordsThatWaitAreWrittenTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		s := Open(folder, Options{NoSync: true})
		defer closeStore(t, s)
		errs := make([]error, 10)
		for i := 0; i < len(errs); i += 2 {
			if err := s.Begin(t.Context(), operation.Operation{ID: fmt.Sprint("op", i/2), State: operation.Received}); err != nil {
				t.Fatal(err)
			}
		}
		s.locked <- struct{}{}
		var all sync.WaitGroup
		for i := range errs {
			op := operation.Operation{ID: fmt.Sprint("op", i/2), Version: 1, Owner: fmt.Sprint("owner", i), State: operation.Intent}
			all.Go(func() { errs[i] = s.Record(t.Context(), op, operation.EventOf(operation.EventIntent, &op, time.Now())) })
		}
		synctest.Wait()
		if waiting := len(s.queue.records); waiting != len(errs) {
			t.Errorf("%d records wait, want %d", waiting, len(errs))
		}
		s.unlock()
		all.Wait()
		for i := 0; i < len(errs); i += 2 {
			one, other := errs[i], errs[i+1]
			if one != nil {
				one, other = other, one
			}
			if one != nil || !errors.Is(other, operation.ErrConflict) {
				t.Errorf("two records of one version: %v and %v", errs[i], errs[i+1])
			}
		}
		if head, err := operation.Verify(Trail(folder)); err != nil || head.Sequence != int64(len(errs)/2) {
			t.Errorf("the trail: %v, %v, want a line for each that was recorded", head, err)
		}
	})
}

// A commit that failed may have taken effect, so that an operation is in the
// database while its owner still takes it for one that has just begun.
func TestOperationIsListedOnce(t *testing.T) {
	t.Parallel()
	s := Open(t.TempDir(), Options{NoSync: true})
	defer closeStore(t, s)
	op := operation.Operation{ID: "op", Version: 1, State: operation.Intent}
	intend(t, s, op)
	s.begun.add(&operation.Operation{ID: "op", State: operation.Received})
	if ops, _, err := s.List(t.Context(), operation.Query{Limit: 10}); err != nil || len(ops) != 1 || ops[0].State != operation.Intent {
		t.Errorf("List: %+v, %v", ops, err)
	}
}

func TestDatabaseIsClosedAfterAFault(t *testing.T) {
	t.Parallel()
	fault := func(*bbolt.Tx) error { panic("a page is not what it should be") }
	for name, use := range map[string]func(s *Store) error{
		"in a check before a write": func(s *Store) error { return s.viewLocked(fault) },
		"in a write":                func(s *Store) error { return s.updateLocked(fault) },
		"in a read": func(s *Store) error {
			return s.read(t.Context(), func(tx *bbolt.Tx, _ map[string]operation.Operation) error { return fault(tx) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := Open(t.TempDir(), Options{NoSync: true})
			defer closeStore(t, s)
			if err := s.readyLocked(); err != nil {
				t.Fatal(err)
			}
			if err := use(s); !isCorrupt(err) || s.database != nil || s.trail != nil {
				t.Errorf("%v, and the files are not closed", err)
			}
		})
	}
}

func TestFaultBecomesAnError(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func() error{
		"a panic":        func() error { panic("a page is not what it should be") },
		"a missing page": func() error { var none *operation.Operation; return errors.New(none.ID) },
	} {
		if err := guard(f); !isCorrupt(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	want := errors.New("an error")
	if err := guard(func() error { return want }); !errors.Is(err, want) || isCorrupt(err) {
		t.Errorf("an error: %v", err)
	}
}

func FuzzLastLine(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte("\n"))
	f.Add([]byte("a\n\nb"))
	f.Add([]byte("a\nb\nc\n"))
	f.Add(append(bytes.Repeat([]byte("x"), 10_000), '\n'))
	f.Add(slices.Concat([]byte("a\n"), bytes.Repeat([]byte("x"), 30_000), []byte("\n"), bytes.Repeat([]byte("y"), 9_000)))
	f.Fuzz(func(t *testing.T, file []byte) {
		var want []byte
		rest := file
		for {
			line, after, whole := bytes.Cut(rest, []byte("\n"))
			if !whole {
				break
			}
			want, rest = line, after
		}
		got, end, err := lastLine(bytes.NewReader(file), int64(len(file)))
		if err != nil || !bytes.Equal(got, want) || end != int64(len(file)-len(rest)) || got == nil != (len(rest) == len(file)) {
			t.Errorf("%q ending at %d, %v, want %q ending at %d", got, end, err, want, len(file)-len(rest))
		}
	})
}

func FuzzCompound(f *testing.F) {
	f.Add("a", "b", "ab", "")
	f.Add("\x01a", "", "", "a")
	f.Add(strings.Repeat("a", 200), "a", strings.Repeat("a", 201), "")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		one, other := compound(a, b), compound(c, d)
		if same := a == c && b == d; bytes.HasPrefix(one, other) != same {
			t.Errorf("%q of %q, %q and %q of %q, %q", one, a, b, other, c, d)
		}
	})
}

// A repeated request gets the outcome of the first one also while nothing
// can be recorded; a new one is refused.
func TestKeysAreKnownOnAFullDisk(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	s := Open(folder, Options{NoSync: true})
	defer closeStore(t, s)
	first := operation.Operation{ID: "1", Version: 1, State: operation.Done, Key: "k", KeyExpires: time.Now().Add(time.Hour)}
	if err := s.Record(t.Context(), first, operation.Event{}); err != nil {
		t.Fatal(err)
	}
	s.suspect = true
	if err := os.Mkdir(filepath.Join(folder, "probe"), folderMode); err != nil { // where the probe would be written
		t.Fatal(err)
	}
	repeated := operation.Operation{ID: "2", State: operation.Received, Key: "k", KeyExpires: first.KeyExpires}
	used, ok := errors.AsType[*operation.KeyUsedError](s.Begin(t.Context(), repeated))
	if !ok || used.Operation.ID != "1" {
		t.Errorf("the key is taken for %+v", used)
	}
	repeated.Key = "another"
	err := s.Begin(t.Context(), repeated)
	if _, ok := errors.AsType[*operation.KeyUsedError](err); ok || err == nil {
		t.Errorf("a new request: %v", err)
	}
}

// Of two processes that create the database at the same time, the slower one must not remove
// the file of the other.
func TestDatabaseOfAFasterProcessIsNotRemoved(t *testing.T) {
	t.Parallel()
	for range 30 {
		folder := t.TempDir()
		var made [8]*database
		var begin, work sync.WaitGroup
		begin.Add(1)
		for i := range made {
			work.Go(func() {
				begin.Wait()
				made[i], _ = openDatabase(folder, true) // only one can succeed
			})
		}
		begin.Done()
		work.Wait()
		for _, d := range made {
			if d == nil {
				continue
			}
			if err := isAt(filepath.Join(folder, databaseFile), d.info); err != nil {
				t.Error(err)
			}
			d.close()
		}
	}
}
