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

// withHash returns a client with that id whose hash has that text and is h.
// replace makes another list effective, as a successor has it from the beginning.
func (c *clients) replace(list []*client) {
	c.listing.Store(c.listing.Load().successor(list))
}

func withHash(id, text string, h hash) *client {
	return &client{principal: Principal{Name: id, Level: SystemAdmin}, hashes: []*clientHash{{hash: h, text: Secret(text)}}}
}

func listed(list ...*client) *clients {
	loose := testLimit
	loose.FreeAttempts = 1 << 20
	return newClients(list, testLimit.MaxDelay, 1, newThrottle(testLimit, loose))
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
		c.replace([]*client{withHash("portal", "2", after), withHash("other", "x", &slowHash{secret: "good"})})
		show("portal", "old", ErrBadCredentials)
		show("portal", "new", nil)
		show("other", "good", nil)
		if n := other.started.Load(); n != 1 {
			t.Errorf("the client whose hash is the same was hashed %d times, want once", n)
		}
		c.replace([]*client{withHash("portal", "2", after)})
		show("other", "good", ErrBadCredentials)
		c.replace(nil)
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
	c.replace([]*client{other})
	p, err := c.authenticate(t.Context(), netip.MustParseAddr("192.0.2.1"), credential{method: MethodBasic, id: "portal", secret: "good"})
	if want := (Principal{Name: "portal", Level: TenantAdmin, TenantID: "T", Method: MethodBasic}); err != nil || p != want {
		t.Errorf("%+v, %v, want %+v", p, err, want)
	}
	if n := h.started.Load(); n != 1 {
		t.Errorf("%d hashes, want 1", n)
	}
}

// TestReplaceWhileASecretIsHashed checks requests whose verification begins before
// the hash is replaced and ends after that: one that hashes, one that waits to
// hash, and one that sends the same secret after the replacement.
func TestReplaceWhileASecretIsHashed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		before := &slowHash{secret: "old", wait: make(chan struct{})}
		c := listed(withHash("portal", "1", before))
		show := func(secret string) <-chan error {
			got := make(chan error, 1)
			go func() { got <- c.try(t.Context(), "portal", secret) }()
			synctest.Wait()
			return got
		}
		hashing, early := show("old"), show("new")
		c.replace([]*client{withHash("portal", "2", &slowHash{secret: "new"})})
		late := show("old")
		close(before.wait)
		for name, got := range map[string]<-chan error{"hashed when it was replaced": hashing, "sent after that": late} {
			if err := <-got; !errors.Is(err, ErrBadCredentials) {
				t.Errorf("the old secret, %s: %v", name, err)
			}
		}
		if err := <-early; err != nil {
			t.Errorf("the new secret, sent before the replacement: %v", err)
		}
		if len(c.flights.running) != 0 || len(c.throttle.accounts.pending) != 0 {
			t.Error("a verification or an attempt was not removed")
		}
	})
}

func TestReplaceKeepsTheCountsOfFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := listed(withHash("portal", "1", &slowHash{secret: "old"}))
		for i := range testLimit.FreeAttempts {
			if err := c.try(t.Context(), "portal", fmt.Sprint("guess", i)); !errors.Is(err, ErrBadCredentials) {
				t.Fatal(err)
			}
		}
		c.replace([]*client{withHash("portal", "2", &slowHash{secret: "new"})})
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
	c := listed(listOf(0)...)
	loose := testLimit
	loose.FreeAttempts = 1 << 20
	c.throttle = newThrottle(loose, loose)
	if err := c.try(t.Context(), "steady", "good"); err != nil {
		t.Fatal(err)
	}
	var done atomic.Int64 // the last generation that is certainly effective
	var accepted atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for ctx.Err() == nil {
				before := done.Load()
				switch err := c.try(t.Context(), "portal", secretOf(before)); {
				case err == nil:
					accepted.Add(1)
				case done.Load() == before && !errors.Is(err, ErrBadCredentials):
					t.Errorf("the secret of generation %d: %v", before, err)
				}
				if before > 0 {
					if err := c.try(t.Context(), "portal", secretOf(before-1)); err == nil {
						t.Errorf("the secret of generation %d was accepted after %d was effective", before-1, before)
					}
				}
				if err := c.try(t.Context(), "steady", "good"); err != nil {
					t.Errorf("the client that stays the same: %v", err)
				}
			}
		})
	}
	for generation := int64(1); generation <= generations; generation++ {
		c.replace(listOf(generation))
		seen := accepted.Load()
		done.Store(generation)
		for accepted.Load() == seen { // until a request with the new secret is accepted
			if err := c.try(t.Context(), "portal", secretOf(generation)); err != nil {
				t.Errorf("the secret of generation %d: %v", generation, err)
				break
			}
			accepted.Add(1)
		}
	}
	cancel()
	callers.Wait()
}
