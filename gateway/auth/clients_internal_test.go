package auth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// These tests specify when a client's secret is hashed: caching, sharing and limits of
// verifications. A slowHash takes the place of a real hash and counts its calls.

// slowHash accepts one secret, after a wait, and counts its calls.
type slowHash struct {
	secret  string
	started atomic.Int64
	wait    chan struct{} // nil for no wait
}

func (h *slowHash) matches(secret string) bool {
	h.started.Add(1)
	if h.wait != nil {
		<-h.wait
	}
	return secret == h.secret
}

func (h *slowHash) memoryBytes() int64 { return 0 }

// testLimit gives an account three free attempts from one address: one in the new lane,
// and two in the failed lane.
var testLimit = Limit{FreeAttempts: 4, BaseDelay: time.Second, MaxDelay: time.Minute, DecayAfter: time.Hour, Records: 100}

// freeOf is how many attempts testLimit has for an account from one address.
const freeOf = 3

// onlyAccounts are limits with testLimit for accounts and none that a test would reach.
func onlyAccounts(l Limit) limits {
	loose := l
	loose.FreeAttempts = 1 << 20
	logins := LoginLimit{Burst: 1 << 20, PerSecond: 1}
	return limits{account: l, address: loose, network: loose, accountLogins: logins, addressLogins: logins}
}

// clientsOf returns clients named c0, c1, … with these hashes.
func clientsOf(concurrency int, hashes ...*slowHash) *clients {
	list := make([]*client, len(hashes))
	for i, h := range hashes {
		list[i] = &client{principal: Principal{Name: fmt.Sprint("c", i), Level: SystemAdmin}, hashes: []*clientHash{{hash: h}}}
	}
	return newClients(list, 10*time.Second, concurrency, newThrottle(onlyAccounts(testLimit)))
}

func (c *clients) try(ctx context.Context, id, secret string) error {
	_, err := c.authenticate(ctx, netip.MustParseAddr("192.0.2.1"), credential{method: MethodAPIKey, id: id, secret: secret})
	return err
}

func TestGoodCredentialIsRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &slowHash{secret: "good"}
		c := clientsOf(1, h)
		show := func(secret string, want error, hashes int64) {
			t.Helper()
			if err := c.try(t.Context(), "c0", secret); !errors.Is(err, want) {
				t.Errorf("error %v, want %v", err, want)
			}
			if n := h.started.Swap(0); n != hashes {
				t.Errorf("%d hashes, want %d", n, hashes)
			}
		}
		show("good", nil, 1)
		show("good", nil, 0)
		if err := c.admit(t.Context(), netip.Addr{}, c.show(credential{id: "c0", secret: "good"})); err != nil {
			t.Errorf("one that was verified during its wait: %v", err)
		}
		show("bad", ErrBadCredentials, 1)
		show("bad", ErrBadCredentials, 1) // bad ones are not remembered
		show("good", nil, 0)
		for range 10 { // each use prolongs it
			time.Sleep(9 * time.Second)
			show("good", nil, 0)
		}
		time.Sleep(10 * time.Second)
		show("good", nil, 1)
		show("good", nil, 0)
	})
}

func TestGuessingDoesNotLockOutAVerifiedClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := clientsOf(1, &slowHash{secret: "good"})
		if err := c.try(t.Context(), "c0", "good"); err != nil {
			t.Fatal(err)
		}
		for range freeOf {
			if err := c.try(t.Context(), "c0", "bad"); !errors.Is(err, ErrBadCredentials) {
				t.Error(err)
			}
		}
		for _, idle := range []time.Duration{0, 9 * time.Second, time.Hour} {
			time.Sleep(idle)
			if err := c.try(t.Context(), "c0", "good"); err != nil {
				t.Errorf("the good one after %v: %v", idle, err)
			}
		}
		if err := c.try(t.Context(), "c0", "bad"); !errors.Is(err, ErrBadCredentials) {
			t.Errorf("an hour later: %v", err)
		}
		if _, ok := errors.AsType[*ThrottledError](c.try(t.Context(), "c0", "worse")); !ok {
			t.Error("the correct secret reset the count of failures")
		}
	})
}

func TestBurstOfTheSameCredentialIsHashedOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		secret string
		want   error
	}{"good": {"good", nil}, "bad": {"bad", ErrBadCredentials}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &slowHash{secret: "good", wait: make(chan struct{})}
				list := clientsOf(4, h)
				errs := make(chan error, 1000)
				for range cap(errs) {
					go func() { errs <- list.try(t.Context(), "c0", c.secret) }()
				}
				synctest.Wait()
				close(h.wait)
				for range cap(errs) {
					if err := <-errs; !errors.Is(err, c.want) {
						t.Fatal(err)
					}
				}
				if n := h.started.Load(); n != 1 {
					t.Errorf("%d hashes", n)
				}
			})
		})
	}
}

func TestBurstOfGuessesAtOneClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &slowHash{secret: "good", wait: make(chan struct{})}
		c := clientsOf(1000, h)
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() { _ = c.try(t.Context(), "c0", fmt.Sprint("guess", i)) })
		}
		synctest.Wait()
		close(h.wait)
		wg.Wait()
		if n := h.started.Load(); n != freeOf {
			t.Errorf("%d guesses were verified, want %d", n, freeOf)
		}
	})
}

func TestHashingIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		wait := make(chan struct{})
		hashes := make([]*slowHash, 10)
		for i := range hashes {
			hashes[i] = &slowHash{secret: "good", wait: wait}
		}
		c := clientsOf(2, hashes...)
		started := func() (n int64) {
			for _, h := range hashes {
				n += h.started.Load()
			}
			return n
		}
		ctx, cancel := context.WithCancel(t.Context())
		errs := make(chan error, len(hashes))
		for i := range hashes {
			go func() { errs <- c.try(ctx, fmt.Sprint("c", i), "good") }()
		}
		synctest.Wait()
		if n := started(); n != 2 {
			t.Errorf("%d hashes at a time, want 2", n)
		}
		cancel()
		for range len(hashes) - 2 { // the waiting ones are canceled
			if err := <-errs; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		close(wait)
		for range 2 { // the hashing ones finish
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if n := started(); n != 2 {
			t.Errorf("%d hashes in all, want 2", n)
		}
	})
}

// A request whose time is over before its secret is hashed is refused because of the load,
// whenever that is; the next one finds the credential verified.
func TestTimeThatEndsBeforeASecretIsHashed(t *testing.T) {
	t.Parallel()
	for name, timeout := range map[string]time.Duration{
		"before it waits": 0, "while it waits": 10 * time.Millisecond, "while it is hashed": 40 * time.Millisecond,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := attackedClients(t, &hashUse{takes: 30 * time.Millisecond})
				var other sync.WaitGroup
				other.Go(func() { _ = c.tryFrom(t.Context(), userAddr(1), "unknown", "guess") })
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), timeout)
				defer cancel()
				err := c.tryFrom(ctx, userAddr(2), "other", "good")
				if throttled, ok := errors.AsType[*ThrottledError](err); !ok || throttled.Reason != ReasonBusy {
					t.Errorf("error %v", err)
				}
				other.Wait()
				if err := c.tryFrom(t.Context(), userAddr(2), "other", "good"); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestRequestThatEndsDoesNotDecideForOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		busy := &slowHash{secret: "good", wait: make(chan struct{})}
		h := &slowHash{secret: "good"}
		c := clientsOf(1, busy, h)
		var wg sync.WaitGroup
		wg.Go(func() { _ = c.try(t.Context(), "c0", "good") })
		synctest.Wait()

		leaderCtx, cancelLeader := context.WithCancel(t.Context())
		leader, follower, canceled := make(chan error, 1), make(chan error, 1), make(chan error, 1)
		go func() { leader <- c.try(leaderCtx, "c1", "good") }()
		synctest.Wait()
		go func() { follower <- c.try(t.Context(), "c1", "good") }()
		canceledCtx, cancelFollower := context.WithCancel(t.Context())
		go func() { canceled <- c.try(canceledCtx, "c1", "good") }()
		synctest.Wait()
		cancelFollower()
		if err := <-canceled; !errors.Is(err, context.Canceled) {
			t.Errorf("a follower that ended: %v", err)
		}
		cancelLeader()
		if err := <-leader; !errors.Is(err, context.Canceled) {
			t.Errorf("the leader: %v", err)
		}
		close(busy.wait)
		if err := <-follower; err != nil {
			t.Errorf("the follower: %v", err)
		}
		wg.Wait()
		if n := h.started.Load(); n != 1 {
			t.Errorf("%d hashes", n)
		}
		if len(c.flights.running) != 0 || len(c.throttle.gates) != 0 {
			t.Error("a verification or an attempt was not removed")
		}
	})
}

func TestUnknownIDCostsAHash(t *testing.T) {
	t.Parallel()
	hashes := []*slowHash{{secret: "good"}, {secret: "good"}, {secret: "good"}}
	c := clientsOf(1, hashes...)
	counts := func() (n []int64) {
		for _, h := range hashes {
			n = append(n, h.started.Load())
		}
		return n
	}
	for i := range 50 {
		id := fmt.Sprint("unknown", i)
		before := counts()
		for range 2 {
			if err := c.try(t.Context(), id, "good"); !errors.Is(err, ErrBadCredentials) {
				t.Fatal(err)
			}
		}
		once := 0
		for j, n := range counts() {
			if n-before[j] == 2 {
				once++
			}
		}
		if once != 1 {
			t.Fatalf("%s: hashes went from %v to %v, want 2 more of one", id, before, counts())
		}
	}
	if slices.Contains(counts(), 0) {
		t.Errorf("one hash is never computed for unknown ids: %v", counts())
	}
}

func TestClientsWithConcurrentRequests(t *testing.T) {
	t.Parallel()
	c := clientsOf(2, &slowHash{secret: "good"}, &slowHash{secret: "good"})
	if err := errors.Join(c.try(t.Context(), "c0", "good"), c.try(t.Context(), "c1", "good")); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			for j := range 50 {
				if err := c.try(t.Context(), fmt.Sprint("c", i%2), "good"); err != nil {
					t.Error(err)
				}
				if err := c.try(t.Context(), fmt.Sprint("c", j%3), fmt.Sprint("guess", j%7)); err == nil {
					t.Error("a guess was accepted")
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkClient(b *testing.B) {
	text, err := Hash("good")
	if err != nil {
		b.Fatal(err)
	}
	h, err := parseHash(text)
	if err != nil {
		b.Fatal(err)
	}
	listed := &client{principal: Principal{Name: "c0"}, hashes: []*clientHash{{hash: h}}}
	c := newClients([]*client{listed}, time.Hour, 1, newThrottle(onlyAccounts(testLimit)))
	authenticate := func(b *testing.B) {
		if err := c.try(b.Context(), "c0", "good"); err != nil {
			b.Fatal(err)
		}
	}
	var hashed time.Duration
	b.Run("hashed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			listed.hashes[0].lastUsed = time.Time{}
			authenticate(b)
		}
		hashed = b.Elapsed() / time.Duration(b.N)
	})
	b.Run("remembered", func(b *testing.B) {
		b.ReportAllocs()
		authenticate(b)
		for b.Loop() {
			authenticate(b)
		}
		b.ReportMetric(float64(hashed)/(float64(b.Elapsed())/float64(b.N)), "hashed/remembered")
	})
}
