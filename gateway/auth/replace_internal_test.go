package auth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// These tests specify which state of a client is kept when its entry is replaced, also
// during a verification. A slowHash takes the place of a real hash.

// replaced returns the successor with another list.
func (c *clients) replaced(list ...*client) *clients { return c.successor(list, successorOptions) }

// withHash returns a client with that id whose hash has that text and is h.
func withHash(id, text string, h hash) *client {
	return &client{principal: Principal{Name: id, Level: SystemAdmin}, hashes: []*clientHash{{hash: h, text: Secret(text)}}}
}

func listed(list ...*client) *clients {
	return newClients(list, testLimit.MaxDelay, 1, newThrottle(onlyAccounts(testLimit)))
}

func TestReplacedHashIsRefusedImmediately(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		before, after, other := &slowHash{secret: "old"}, &slowHash{secret: "new"}, &slowHash{secret: "good"}
		c := listed(withHash("portal", "1", before), withHash("other", "x", other))
		show := func(id, secret string, want error) {
			t.Helper()
			if err := c.try(t.Context(), id, secret); !errors.Is(err, want) {
				t.Errorf("%s shows %s: %v, want %v", id, secret, err, want)
			}
		}
		show("portal", "old", nil)
		show("other", "good", nil)
		c = c.replaced(withHash("portal", "2", after), withHash("other", "x", &slowHash{secret: "good"}))
		show("portal", "old", ErrBadCredentials)
		show("portal", "new", nil)
		show("other", "good", nil)
		if n := other.started.Load(); n != 1 {
			t.Errorf("the client whose hash is the same was hashed %d times, want once", n)
		}
		c = c.replaced(withHash("portal", "2", after))
		show("other", "good", ErrBadCredentials)
		c = c.replaced()
		show("portal", "new", ErrBadCredentials)
	})
}

func TestReplacedScopeKeepsTheVerifiedCredential(t *testing.T) {
	t.Parallel()
	h := &slowHash{secret: "good"}
	c := listed(withHash("portal", "1", h))
	if err := c.try(t.Context(), "portal", "good"); err != nil {
		t.Fatal(err)
	}
	other := withHash("portal", "1", h)
	other.principal.Level, other.principal.TenantID = TenantAdmin, "T"
	c = c.replaced(other)
	p, err := c.authenticate(t.Context(), netip.MustParseAddr("192.0.2.1"), credential{method: MethodBasic, id: "portal", secret: "good"})
	if want := (Principal{Name: "portal", Level: TenantAdmin, TenantID: "T", Method: MethodBasic}); err != nil || p != want {
		t.Errorf("%+v, %v, want %+v", p, err, want)
	}
	if n := h.started.Load(); n != 1 {
		t.Errorf("%d hashes, want 1", n)
	}
}

// TestReplaceWhileASecretIsHashed checks requests whose verification begins before
// the hash is replaced and ends after that: they finish with the list that they began
// with. One that is sent after the replacement does not share their outcome.
func TestReplaceWhileASecretIsHashed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		before := &slowHash{secret: "old", wait: make(chan struct{})}
		former := listed(withHash("portal", "1", before))
		show := func(to *clients, secret string) <-chan error {
			got := make(chan error, 1)
			go func() { got <- to.try(t.Context(), "portal", secret) }()
			synctest.Wait()
			return got
		}
		hashing := show(former, "old")
		next := former.replaced(withHash("portal", "2", &slowHash{secret: "new"}))
		late := show(next, "old")
		close(before.wait)
		if err := <-hashing; err != nil {
			t.Errorf("the old secret, hashed when it was replaced: %v", err)
		}
		if err := <-late; !errors.Is(err, ErrBadCredentials) {
			t.Errorf("the old secret, sent after that: %v", err)
		}
		if err := <-show(next, "new"); err != nil {
			t.Errorf("the new secret: %v", err)
		}
		if len(next.flights.running) != 0 || len(next.throttle.gates) != 0 {
			t.Error("a verification or an attempt was not removed")
		}
	})
}

func TestReplaceKeepsTheCountsOfFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := listed(withHash("portal", "1", &slowHash{secret: "old"}))
		for i := range freeOf {
			if err := c.try(t.Context(), "portal", fmt.Sprint("guess", i)); !errors.Is(err, ErrBadCredentials) {
				t.Fatal(err)
			}
		}
		c = c.replaced(withHash("portal", "2", &slowHash{secret: "new"}))
		if _, ok := errors.AsType[*ThrottledError](c.try(t.Context(), "portal", "guess")); !ok {
			t.Error("another hash reset the count of failures")
		}
	})
}

// TestReplaceWithConcurrentRequests checks that the secret of each accepted request
// was valid at some time between the request's start and its end.
func TestReplaceWithConcurrentRequests(t *testing.T) {
	t.Parallel()
	const generations = 100
	secretOf := func(generation int64) string { return fmt.Sprint("secret", generation) }
	listOf := func(generation int64) []*client {
		return []*client{
			withHash("portal", fmt.Sprint(generation), &slowHash{secret: secretOf(generation)}),
			withHash("steady", "always", &slowHash{secret: "good"}),
		}
	}
	loose := testLimit
	loose.FreeAttempts = 1 << 20
	first := newClients(listOf(0), testLimit.MaxDelay, 1, newThrottle(onlyAccounts(loose)))
	if err := first.try(t.Context(), "steady", "good"); err != nil {
		t.Fatal(err)
	}
	var current atomic.Pointer[clients]
	current.Store(first)
	try := func(id, secret string) error { return current.Load().try(t.Context(), id, secret) }
	var done atomic.Int64 // the last generation that is certainly effective
	var accepted atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for ctx.Err() == nil {
				before := done.Load()
				switch err := try("portal", secretOf(before)); {
				case err == nil:
					accepted.Add(1)
				case done.Load() == before && !errors.Is(err, ErrBadCredentials):
					t.Errorf("the secret of generation %d: %v", before, err)
				}
				if before > 0 {
					if err := try("portal", secretOf(before-1)); err == nil {
						t.Errorf("the secret of generation %d was accepted after %d was effective", before-1, before)
					}
				}
				if err := try("steady", "good"); err != nil {
					t.Errorf("the client that stays the same: %v", err)
				}
			}
		})
	}
	for generation := int64(1); generation <= generations; generation++ {
		current.Store(current.Load().replaced(listOf(generation)...))
		seen := accepted.Load()
		done.Store(generation)
		for accepted.Load() == seen { // until a request with the new secret is accepted
			if err := try("portal", secretOf(generation)); err != nil {
				t.Errorf("the secret of generation %d: %v", generation, err)
				break
			}
			accepted.Add(1)
		}
	}
	cancel()
	callers.Wait()
}
