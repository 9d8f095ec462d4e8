package operation_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

// These tests specify how the outcome of an unknown operation is found out by readings:
// when they are made, and what they prove. To add a case, add the observations, in the
// signs of observation in rig_test.go, and the end to the table of TestUnknown.

func TestUnknown(t *testing.T) {
	// ends makes an operation of two entries unknown, checks how it ends, and returns
	// how long it was unknown and how often it was read.
	ends := func(t *testing.T, r *rig, state operation.State, entries string) (time.Duration, int) {
		t.Helper()
		id := r.unknown(want("k", "1", "2"))
		began := time.Now()
		for r.Unresolved() > 0 && time.Since(began) < 5*time.Minute {
			after(time.Second / 10)
		}
		took := time.Since(began)
		op := r.stored(id, state, operation.ByReading)
		if outcomes(op) != entries {
			t.Errorf("the outcomes of the entries are %s, want %s", outcomes(op), entries)
		}
		if !op.HoldsKey() || op.RecheckAt.IsZero() != (state == operation.Done) {
			t.Errorf("it is %+v", op)
		}
		return took, r.observer.read(r.journal.stored(id))
	}
	n1 := func(effects string) operation.Observation { return observation("n1", effects) }
	n2 := func(effects string) operation.Observation { return observation("n2", effects) }
	// first returns the first readings, which show nothing: six before the settle
	// time is over, and one right then.
	first := func(many int) []operation.Observation { return slices.Repeat([]operation.Observation{n1("--")}, many) }
	for _, tc := range []struct {
		name         string
		observations []operation.Observation
		state        operation.State
		entries      string
		took         time.Duration
		most         int // readings
	}{
		{"is done as soon as that is seen", []operation.Observation{n1("--"), n1("--"), n1("++")}, operation.Done, "++", 4 * time.Second, 3},
		{"is done by what any endpoint shows", []operation.Observation{n1("--"), n2("++")}, operation.Done, "++", 2 * time.Second, 2},
		{"is not done by two readings after the settle time", []operation.Observation{n1("--")}, operation.NotDone, "--", 31 * time.Second, 8},
		{"is not done if other groups have the entries", []operation.Observation{n1("??")}, operation.NotDone, "--", 31 * time.Second, 8},
		{"is partly done by two readings after the settle time", []operation.Observation{n1("+-")}, operation.PartlyDone, "+-", 31 * time.Second, 8},
		{"is what the list of the group shows if the other list differs permanently", []operation.Observation{n1("!-")}, operation.PartlyDone, "+-", 31 * time.Second, 8},
		{"is done by seeing it in the second of two readings", append(first(7), n1("++")), operation.Done, "++", 31 * time.Second, 8},
		{"needs two readings of the same endpoint", append(first(7), n2("--"), observation("n3", "--")), operation.NotDone, "--", 33 * time.Second, 10},
		{"needs two readings that agree", append(first(7), n1("+-")), operation.PartlyDone, "+-", 33 * time.Second, 9},
		{"needs the endpoints to agree", append(first(7), n2("+-"), n1("--")), operation.NotDone, "--", 37 * time.Second, 10},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.observer.script(tc.observations...)
				took, read := ends(t, r, tc.state, tc.entries)
				if took < tc.took || took > tc.took+time.Second || read > tc.most {
					t.Errorf("it took %v and %d readings, want %v and %d", took, read, tc.took, tc.most)
				}
			})
		})
	}
	t.Run("is not proven not done by readings that began before the settle time, however long they take", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.observer.use(func(context.Context, scope.Target, []operation.Entry) (operation.Observation, error) {
				time.Sleep(20 * time.Second)
				return n1("--"), nil
			})
			// Readings begin after 1, 22 and 42 s, and at 63 s.
			if took, read := ends(t, r, operation.NotDone, "--"); took < 80*time.Second || read != 4 {
				t.Errorf("it took %v and %d readings", took, read)
			}
		})
	})
	t.Run("needs a second between the end of one reading and the next", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			var ended time.Time
			r.observer.use(func(context.Context, scope.Target, []operation.Entry) (operation.Observation, error) {
				if d := time.Since(ended); d < time.Second {
					t.Errorf("a reading began %v after one", d)
				}
				time.Sleep(1500 * time.Millisecond)
				ended = time.Now()
				return n1("--"), nil
			})
			ends(t, r, operation.NotDone, "--")
		})
	})
	t.Run("stays unknown while endpoints contradict each other, and is read less and less often", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			turn := 0
			r.observer.use(func(context.Context, scope.Target, []operation.Entry) (operation.Observation, error) {
				turn++
				return [...]operation.Observation{n1("--"), n2("+-")}[turn%2], nil
			})
			id := r.unknown(want("", "1", "2"))
			after(30 * time.Minute)
			r.stored(id, operation.Unknown, "")
			if read := r.observer.count(); read < 100 || read > 200 {
				t.Errorf("it was read %d times in 30 min", read)
			}
			r.observer.shows("--")
			after(12 * time.Second)
			r.stored(id, operation.NotDone, operation.ByReading)
		})
	})
	t.Run("is read again while the platform does not respond, and soon after it does", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.observer.fails()
			id := r.unknown(want("", "1"))
			after(10 * time.Minute)
			if read := r.observer.count(); read < 55 || read > 70 {
				t.Errorf("it was read %d times in 10 min", read)
			}
			r.stored(id, operation.Unknown, "")
			r.observer.shows("-")
			after(12 * time.Second)
			r.stored(id, operation.NotDone, operation.ByReading)
		})
	})
	t.Run("cancels a reading that hangs", func(t *testing.T) {
		bubble(t, func(_ *testing.T, r *rig) {
			r.observer.use(func(ctx context.Context, _ scope.Target, _ []operation.Entry) (operation.Observation, error) {
				<-ctx.Done()
				return operation.Observation{}, ctx.Err()
			})
			id := r.unknown(want("", "1"))
			after(time.Minute)
			r.observer.shows("+")
			after(time.Minute)
			r.stored(id, operation.Done, operation.ByReading)
		})
	})
	t.Run("holds its entries and its key until it ends", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			id := r.unknown(want("k", "1", "2"))
			_, err := r.Begin(t.Context(), want("other", "2", "3"))
			if held, ok := errors.AsType[*operation.HeldError](err); !ok || held.ID != id || !slices.Equal(held.Held, []operation.Claim{{Kind: "range", Key: "2"}}) {
				t.Errorf("Begin: %v", err)
			}
			after(32 * time.Second)
			r.begin(want("other", "2", "3")).Close()
			if _, err := r.Begin(t.Context(), want("k", "1")); err == nil {
				t.Error("its key is free")
			}
		})
	})
}

// It would panic again after every start.
func TestReadingThatPanicsIsNone(t *testing.T) {
	bubble(t, func(_ *testing.T, r *rig) {
		r.observer.use(func(context.Context, scope.Target, []operation.Entry) (operation.Observation, error) {
			panic("a reading")
		})
		id := r.unknown(want("", "1"))
		after(time.Minute)
		r.stored(id, operation.Unknown, "")
		r.observer.shows("+")
		after(time.Minute)
		r.stored(id, operation.Done, operation.ByReading)
	})
}

func TestManyUnknownOperations(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		const many = 1000
		r.observer.use(func(context.Context, scope.Target, []operation.Entry) (operation.Observation, error) {
			time.Sleep(50 * time.Millisecond)
			return observation("n1", "-"), nil
		})
		var ids []string
		for i := range many {
			ids = append(ids, r.unknown(want("", fmt.Sprint(i))))
		}
		after(3 * time.Minute)
		for _, id := range ids {
			r.stored(id, operation.NotDone, operation.ByReading)
			if n := r.observer.read(r.journal.stored(id)); n > 8 {
				t.Errorf("%s was read %d times", id, n)
			}
		}
		if n := r.observer.atOnce(); n > 4 {
			t.Errorf("%d readings ran at the same time", n)
		}
		after(recheck + time.Minute)
		for _, id := range ids {
			if op := r.stored(id, operation.NotDone, operation.ByReading); op.Open() {
				t.Errorf("%s was not rechecked", id)
			}
		}
	})
}

func TestResolve(t *testing.T) {
	t.Run("reads once for all calls at the same time", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := r.get(r.unknown(want("", "1")))
			r.observer.use(func(context.Context, scope.Target, []operation.Entry) (operation.Observation, error) {
				time.Sleep(100 * time.Millisecond)
				return observation("n1", "+"), nil
			})
			var callers sync.WaitGroup
			for range 20 {
				callers.Go(func() {
					if got := r.Resolve(t.Context(), op); got.State != operation.Done {
						t.Errorf("it is %q", got.State)
					}
				})
			}
			callers.Wait()
			if n := r.observer.count(); n != 1 {
				t.Errorf("it was read %d times", n)
			}
		})
	})
	t.Run("reads no more than once a second for a caller that keeps asking", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := r.get(r.unknown(want("", "1")))
			for range 100 {
				r.Resolve(t.Context(), op)
				after(100 * time.Millisecond)
			}
			if n := r.observer.count(); n > 11 {
				t.Errorf("it was read %d times in 10 s", n)
			}
		})
	})
	t.Run("waits for another call no longer than its caller does", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := r.get(r.unknown(want("", "1")))
			r.observer.use(func(ctx context.Context, _ scope.Target, _ []operation.Entry) (operation.Observation, error) {
				<-ctx.Done()
				return operation.Observation{}, ctx.Err()
			})
			after(2 * time.Second) // the keeper is reading it
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began := time.Now()
			if got := r.Resolve(ctx, op); got.State != operation.Unknown || time.Since(began) != time.Second {
				t.Errorf("it is %q after %v", got.State, time.Since(began))
			}
		})
	})
	t.Run("does not delay the keeper's readings if callers are canceled", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := r.get(r.unknown(want("", "1")))
			r.observer.use(func(ctx context.Context, _ scope.Target, _ []operation.Entry) (operation.Observation, error) {
				select {
				case <-ctx.Done():
					return operation.Observation{}, ctx.Err()
				case <-time.After(300 * time.Millisecond):
					return observation("n1", "-"), nil
				}
			})
			for range 60 {
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				r.Resolve(ctx, op)
				cancel()
				after(time.Second)
			}
			r.stored(op.ID, operation.NotDone, operation.ByReading)
		})
	})
	t.Run("does not delay the keeper's readings if those of callers fail", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := r.get(r.unknown(want("", "1")))
			type refused struct{}
			began := time.Now()
			r.observer.use(func(ctx context.Context, _ scope.Target, _ []operation.Entry) (operation.Observation, error) {
				if ctx.Value(refused{}) != nil || time.Since(began) < settle+5*time.Second {
					return operation.Observation{}, errBlind
				}
				return observation("n1", "-"), nil
			})
			for range 60 {
				r.Resolve(context.WithValue(t.Context(), refused{}, true), op)
				after(time.Second)
			}
			r.stored(op.ID, operation.NotDone, operation.ByReading)
		})
	})
	t.Run("reports no failure if the caller was canceled", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := r.get(r.unknown(want("", "1")))
			r.Resolve(over(), op)
			ctx, cancel := context.WithCancel(t.Context())
			r.observer.use(func(ctx context.Context, _ scope.Target, _ []operation.Entry) (operation.Observation, error) {
				cancel()
				return operation.Observation{}, ctx.Err()
			})
			r.Resolve(ctx, op)
			if failed := r.failed(); failed != nil {
				t.Errorf("reported %v", failed)
			}
		})
	})
}
