package operation_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

// This file has the replicas of the model (model_test.go): they crash, and lose their locks.

// replica is one process. Once it has crashed, nothing that it does takes effect any more.
type replica struct {
	*operation.Keeper
	name  string
	store *store

	mu      sync.Mutex // guards crashed
	crashed time.Time  // zero while it runs
}

func (r *replica) hasCrashed() bool { return !r.crashTime().IsZero() }

func (r *replica) crashTime() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.crashed
}

// runReplica starts a replica, and after each crash another one.
func (w *world) runReplica(name string, random *rand.Rand) {
	outages := random.Float64() * 0.6
	for life := 1; ; life++ {
		r := w.startReplica(fmt.Sprint(name, ".", life), outages)
		w.loseLock(r, 5*time.Second+upTo(troubles, random), random)
		if !w.inTrouble() {
			return
		}
		w.kill(r)
		time.Sleep(upTo(10*time.Second, random))
	}
}

// loseLock lets some time pass, in which a replica loses its lock and gets it again.
func (w *world) loseLock(r *replica, life time.Duration, random *rand.Rand) {
	for end := time.Now().Add(life); time.Now().Before(end); {
		time.Sleep(upTo(20*time.Second, random))
		if w.shared && w.inTrouble() {
			w.tally.count("lost its lock")
			w.journal.setFree(r.name, true)
		}
		time.Sleep(upTo(5*time.Second, random))
		w.journal.setFree(r.name, false)
	}
}

func (w *world) startReplica(name string, outages float64) *replica {
	r := &replica{name: name, store: newStore(w.journal)}
	r.store.fault = func(method, id string) fault { return w.fault(r, method, id, outages) }
	r.Keeper = operation.NewKeeper(operation.Options{
		Store: r.store, Owner: name, Shared: w.shared, Settle: settle, Recheck: recheck,
		Observe: func(ctx context.Context, _ scope.Target, entries []operation.Entry) (operation.Observation, error) {
			if r.hasCrashed() {
				return operation.Observation{}, errBlind
			}
			return w.observe(ctx, entries)
		},
		Trace: operation.Trace{
			Corrected: func(op operation.Operation) { w.t.Errorf("%s was corrected", op.ID) },
			Adopted:   func(op operation.Operation, early bool) { w.noteAdopted(op, early) },
		},
	})
	w.mu.Lock()
	w.replicas = append(w.replicas, r)
	w.mu.Unlock()
	return r
}

// noteAdopted counts an operation that was taken over, by whether its last owner still sends it.
func (w *world) noteAdopted(op operation.Operation, early bool) {
	what := "adopted"
	if early {
		what += " early"
	}
	if w.platform.isBeingSent(op.ID) {
		what += " while it was sent"
	}
	w.tally.count(what)
}

func (w *world) kill(r *replica) {
	w.tally.count("crash")
	r.mu.Lock()
	r.crashed = time.Now()
	r.mu.Unlock()
	if w.shared && w.chance(r.name, "frees its lock") < 0.7 {
		w.journal.setFree(r.name, true)
	}
	w.mu.Lock()
	w.replicas = slices.DeleteFunc(w.replicas, func(other *replica) bool { return other == r })
	w.mu.Unlock()
	w.closing.Go(func() { r.Close(context.Background()) })
}
