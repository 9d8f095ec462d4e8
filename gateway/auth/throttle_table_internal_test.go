package auth

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// These tests specify which failures a full table keeps.

// TestTableForgetsNoDelay compares a table that is too small with the delays that began.
func TestTableForgetsNoDelay(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 2))
			limit := Limit{FreeAttempts: 1 + r.IntN(3), BaseDelay: time.Second, MaxDelay: time.Minute, DecayAfter: 20 * time.Second, Records: 1 + r.IntN(20)}
			table := newTable[int](limit)
			until := map[int]time.Time{}
			for step := range 3000 {
				key := int(r.ExpFloat64() * 20)
				now := time.Now()
				if step%1000 == 999 {
					limit.Records = 1 + r.IntN(20)
					table.setLimit(limit, now)
				}
				table.fail(key, now)
				_, delay := table.state(key, now)
				until[key] = now.Add(delay)
				for key, until := range until {
					if _, delay := table.state(key, now); delay < until.Sub(now) {
						t.Fatalf("seed %d, step %d: the delay of %d is %v, want at least %v", seed, step, key, delay, until.Sub(now))
					}
				}
				wantTable(t, table)
				time.Sleep(time.Duration(r.IntN(500)) * time.Millisecond)
			}
		})
	}
}

// wantTable checks that a table has no more records than it may, each in its class.
func wantTable(t *testing.T, table *table[int]) {
	t.Helper()
	if len(table.records) > table.limit.Records {
		t.Fatalf("%d records, want at most %d", len(table.records), table.limit.Records)
	}
	listed := 0
	for class := range table.classes {
		for e := table.classes[class].Front(); e != nil; e = e.Next() {
			r := recordOf[int](e)
			if r.class != class || table.records[r.key] != e {
				t.Fatalf("the record of %d in class %d is of class %d", r.key, class, r.class)
			}
			listed++
		}
	}
	if listed != len(table.records) {
		t.Fatalf("%d records in classes, %d in all", listed, len(table.records))
	}
}

func TestTableRemovesTheFewestFailuresFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limit := Limit{FreeAttempts: 100, BaseDelay: time.Second, MaxDelay: time.Minute, DecayAfter: time.Hour, Records: 4}
		table := newTable[string](limit)
		for key, failures := range map[string]int{"three": 3, "forty": 40} {
			for range failures {
				table.fail(key, time.Now())
			}
		}
		table.fail("older", time.Now())
		table.fail("newer", time.Now())
		table.fail("newest", time.Now())
		left := func(keys ...string) {
			t.Helper()
			for _, key := range keys {
				if _, ok := table.records[key]; !ok {
					t.Errorf("%s was removed", key)
				}
			}
		}
		left("three", "forty", "newer", "newest")
		time.Sleep(3 * time.Hour) // three has none left
		for range 2 {
			table.fail("newer", time.Now())
		}
		table.fail("newest", time.Now())
		table.fail("another", time.Now())
		left("forty", "newer", "newest", "another")
		if table.shared != nil {
			t.Error("a failure was counted in a shared record")
		}
	})
}
