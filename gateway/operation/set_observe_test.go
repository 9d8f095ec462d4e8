package operation_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

// These tests specify when another Observe function is used.

// An operation that became unknown before is read by the function that is set later.
func TestSetObserve(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.observer.fails()
		id := r.unknown(want("k", "1"))
		after(5 * time.Second)
		if before := r.observer.count(); before == 0 {
			t.Fatal("it was not read")
		}
		next := &observer{of: map[string]int{}}
		next.shows("+")
		r.SetObserve(next.Observe)
		after(10 * time.Second)
		r.stored(id, operation.Done, operation.ByReading)
		if former, now := r.observer.count(), next.count(); former != 0 || now != 1 {
			t.Errorf("%d readings of the former function and %d of the present one, want 0 and 1", former, now)
		}
	})
}

// A reading in progress finishes with the function that it began with.
func TestSetObserveDuringAReading(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		release := make(chan struct{})
		r.observer.use(func(context.Context, scope.Target, []operation.Entry) (operation.Observation, error) {
			<-release
			return observation("n1", "+"), nil
		})
		id := r.unknown(want("k", "1"))
		after(time.Second)
		next := &observer{of: map[string]int{}}
		next.fails()
		r.SetObserve(next.Observe)
		close(release)
		after(0)
		r.stored(id, operation.Done, operation.ByReading)
		if n := next.count(); n != 0 {
			t.Errorf("%d readings of the present function, want none", n)
		}
	})
}

// The function may be replaced while readings begin.
func TestSetObserveWithConcurrentReadings(t *testing.T) {
	bubble(t, func(_ *testing.T, r *rig) {
		var all sync.WaitGroup
		all.Go(func() {
			for range 100 {
				r.SetObserve(r.observer.Observe)
				time.Sleep(100 * time.Millisecond)
			}
		})
		id := r.unknown(want("k", "1"))
		all.Wait()
		after(time.Minute)
		r.stored(id, operation.NotDone, operation.ByReading)
	})
}
