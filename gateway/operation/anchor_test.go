package operation_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"ocigate/gateway/operation"
)

// These tests specify when a keeper reports the head of the audit trail, in fake time.

// anchors collects the numbers of the heads that a keeper reports.
type anchors struct {
	mu      sync.Mutex // guards numbers
	numbers []int64
}

func (a *anchors) note(head operation.Head) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.numbers = append(a.numbers, head.Sequence)
}

func (a *anchors) want(t *testing.T, want ...int64) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Equal(a.numbers, want) {
		t.Errorf("the anchors are %v, want %v", a.numbers, want)
	}
}

// anchored runs a test with a keeper that reports its anchors every 10 minutes.
func anchored(t *testing.T, test func(r *rig, keeper *operation.Keeper, a *anchors)) {
	t.Helper()
	bubble(t, func(t *testing.T, r *rig) {
		a := &anchors{}
		keeper := operation.NewKeeper(operation.Options{
			Store: r.store, Observe: r.observer.Observe, Owner: "second", Anchor: 10 * time.Minute, Trace: operation.Trace{Anchor: a.note},
		})
		defer keeper.Close(t.Context())
		test(r, keeper, a)
	})
}

func note(r *rig) {
	r.t.Helper()
	if err := r.Note(r.t.Context(), operation.Event{Kind: operation.EventLogin}); err != nil {
		r.t.Fatal(err)
	}
}

func TestAnchors(t *testing.T) {
	t.Run("are reported at the start, at intervals while the trail grows, and at the end", func(t *testing.T) {
		anchored(t, func(r *rig, keeper *operation.Keeper, a *anchors) {
			after(time.Second)
			a.want(t)
			note(r)
			after(time.Minute)
			a.want(t, 1)
			note(r)
			after(9 * time.Minute)
			a.want(t, 1)
			if got := keeper.TrailHead().Sequence; got != 2 {
				t.Errorf("the keeper knows line %d as the last", got)
			}
			after(2 * time.Minute)
			a.want(t, 1, 2)
			after(time.Hour)
			a.want(t, 1, 2)
			note(r)
			after(time.Minute)
			a.want(t, 1, 2, 3)
			note(r)
			keeper.Close(r.t.Context())
			a.want(t, 1, 2, 3, 4)
		})
	})
	t.Run("are reported as soon as the store can be read", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			note(r)
			r.store.will(fails, "Head")
			a := &anchors{}
			keeper := operation.NewKeeper(operation.Options{Store: r.store, Observe: r.observer.Observe, Owner: "second", Trace: operation.Trace{Anchor: a.note}})
			defer keeper.Close(t.Context())
			after(time.Second)
			a.want(t)
			r.store.will(works)
			after(3 * time.Minute)
			a.want(t, 1)
		})
	})
}
