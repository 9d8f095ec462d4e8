//go:build unix

package postgres

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/operation"
)

// These tests specify that of the calls of two stores that compete for the same key, entry
// or version, one wins. To add a case, add a subtest of TestRaces that runs its calls
// with race.

// rivals is how many goroutines use each of two stores at the same time.
const rivals = 12

// race calls do in goroutines for two stores, all at the same time, and returns the errors.
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
	t.Run("no operation has an entry that another has, and the chain is intact", func(t *testing.T) {
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
	t.Run("the operations of an owner that has stopped are adopted once", func(t *testing.T) {
		server, address, stores := twoStores(t)
		var want []string
		for i := range 20 {
			op := received(fmt.Sprintf("op%02d", i), "stopped", fmt.Sprint(i))
			beginAll(t, stores[0], op)
			record(t, stores[0], op, operation.Intent)
			want = append(want, op.ID)
		}
		expire(t, server, address, "stopped")
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
