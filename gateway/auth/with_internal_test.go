package auth

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// These tests specify which state of listed clients a successor shares. A slowHash takes
// the place of a real hash and counts its calls. To add a change of a client, add an entry
// to the map of TestSuccessorKeepsVerifiedCredentials.

// successorOptions are the options of the clients that listed returns.
var successorOptions = Options{RememberFor: testLimit.MaxDelay, HashConcurrency: 1}

func TestSuccessorKeepsVerifiedCredentials(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*client) // of the successor's entry
		hashes int64         // for the first request to the successor
	}{
		"of a client that is the same":     {func(*client) {}, 0},
		"of a client with another scope":   {func(c *client) { c.principal.Level, c.principal.TenantID = TenantAdmin, "T" }, 0},
		"of a client with a second hash":   {func(c *client) { c.hashes = append(c.hashes, &clientHash{hash: &slowHash{}, text: "2"}) }, 0},
		"but not of one with another hash": {func(c *client) { c.hashes[0].text = "2" }, 1},
		"but not of one with another id":   {func(c *client) { c.principal.Name = "other" }, 1},
	} {
		for _, verified := range []string{"before", "after"} {
			t.Run(name+", verified "+verified, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := &slowHash{secret: "good"}
					former := listed(withHash("portal", "1", h))
					show := func(to *clients, id string) {
						t.Helper()
						if err := to.try(t.Context(), id, "good"); err != nil {
							t.Error(err)
						}
					}
					if verified == "before" {
						show(former, "portal")
					}
					entry := withHash("portal", "1", h)
					c.change(entry)
					next := former.successor([]*client{entry}, successorOptions)
					if verified == "after" {
						show(former, "portal")
					}
					h.started.Store(0)
					show(next, entry.principal.Name)
					if n := h.started.Load(); n != c.hashes {
						t.Errorf("%d hashes, want %d", n, c.hashes)
					}
					if got := next.byID[entry.principal.Name].principal; got != entry.principal {
						t.Errorf("the successor has %+v, want %+v", got, entry.principal)
					}
				})
			})
		}
	}
}

func TestSuccessorKeepsTheExemptionFromTheLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &slowHash{secret: "good"}
		former := listed(withHash("portal", "1", h))
		if err := former.try(t.Context(), "portal", "good"); err != nil {
			t.Fatal(err)
		}
		for i := range freeOf {
			_ = former.try(t.Context(), "portal", fmt.Sprint("guess", i))
		}
		next := former.successor([]*client{withHash("portal", "1", h)}, Options{RememberFor: -1, HashConcurrency: 1})
		if _, ok := errors.AsType[*ThrottledError](next.try(t.Context(), "portal", "guess")); !ok {
			t.Error("a guess is not throttled")
		}
		h.started.Store(0)
		for range 2 {
			if err := next.try(t.Context(), "portal", "good"); err != nil {
				t.Error(err)
			}
		}
		if n := h.started.Load(); n != 2 {
			t.Errorf("%d hashes, want 2: RememberFor is the successor's", n)
		}
		if err := former.try(t.Context(), "portal", "good"); err != nil || h.started.Load() != 2 {
			t.Errorf("%v, %d hashes, want 2: RememberFor of the predecessor has changed", err, h.started.Load())
		}
	})
}

func TestSuccessorSharesTheBoundOnHashes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		concurrency int
		started     int64 // while the predecessor hashes
	}{{1, 0}, {2, 1}} {
		t.Run(fmt.Sprint(c.concurrency), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				wait := make(chan struct{})
				a, b := &slowHash{secret: "good", wait: wait}, &slowHash{secret: "good", wait: wait}
				former := listed(withHash("a", "1", a))
				next := former.successor([]*client{withHash("b", "2", b)}, Options{RememberFor: time.Hour, HashConcurrency: c.concurrency})
				done := make(chan error, 2)
				go func() { done <- former.try(t.Context(), "a", "good") }()
				synctest.Wait()
				go func() { done <- next.try(t.Context(), "b", "good") }()
				synctest.Wait()
				if a.started.Load() != 1 || b.started.Load() != c.started {
					t.Errorf("%d and %d hashes are in progress, want 1 and %d", a.started.Load(), b.started.Load(), c.started)
				}
				close(wait)
				for range 2 {
					if err := <-done; err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}

func TestSuccessorSharesVerificationsInProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &slowHash{secret: "good", wait: make(chan struct{})}
		former := listed(withHash("portal", "1", h))
		next := former.successor([]*client{withHash("portal", "1", h)}, Options{RememberFor: -1, HashConcurrency: 2})
		done := make(chan error, 2)
		for _, c := range []*clients{former, next} {
			go func() { done <- c.try(context.Background(), "portal", "good") }()
			synctest.Wait()
		}
		close(h.wait)
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if n := h.started.Load(); n != 1 {
			t.Errorf("%d hashes, want 1", n)
		}
	})
}
