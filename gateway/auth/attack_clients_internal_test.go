package auth

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// These are the attacks of TestAttacks on listed clients.

// A costlyHash takes time and memory like a real one, and accepts one secret.
type costlyHash struct {
	secret string
	use    *hashUse
}

// hashUse counts what hashes use.
type hashUse struct {
	takes time.Duration

	mu            sync.Mutex // guards the fields below
	running, most int
	busy          time.Duration // of all cores together
}

func (h *costlyHash) matches(secret string) bool {
	h.use.add(1)
	defer h.use.add(-1)
	time.Sleep(h.use.takes)
	return secret == h.secret
}

func (h *costlyHash) memoryBytes() int64 { return 0 } // no collections in a test

func (u *hashUse) add(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.running += n
	u.most = max(u.most, u.running)
	if n > 0 {
		u.busy += u.takes
	}
}

// attackedClients returns two listed clients; the first is proven, and not remembered any
// more. One guess is hashed at a time.
func attackedClients(t *testing.T, use *hashUse) *clients {
	t.Helper()
	o := asConfigured(newSlowPlatform(0))
	o.setDefaults()
	c := newClients([]*client{
		withHash("quiet", "1", &costlyHash{"good", use}), withHash("other", "2", &costlyHash{"good", use}),
	}, 10*time.Second, 1, newThrottle(o.limits()))
	if err := c.tryFrom(t.Context(), userAddr(0), "quiet", "good"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Minute)
	use.busy, use.most = 0, 0
	return c
}

func (c *clients) tryFrom(ctx context.Context, addr netip.Addr, id, secret string) error {
	_, err := c.authenticate(ctx, addr, credential{method: MethodAPIKey, id: id, secret: secret})
	return err
}

// answers counts the outcomes of guesses, and how long the longest took.
type answers struct {
	mu                     sync.Mutex // guards the fields below
	bad, throttled, others int
	longest                time.Duration
}

func (a *answers) add(err error, took time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, throttled := errors.AsType[*ThrottledError](err)
	switch {
	case throttled:
		a.throttled++
	case errors.Is(err, ErrBadCredentials):
		a.bad++
	default:
		a.others++
	}
	a.longest = max(a.longest, took)
}

// attackClientsAtOnce tries 1,000 unknown ids at the same time from 20 addresses.
func attackClientsAtOnce(t *testing.T) {
	use := &hashUse{takes: 30 * time.Millisecond}
	c := attackedClients(t, use)
	var all answers
	var guesses sync.WaitGroup
	start := time.Now()
	for i := range 1000 {
		guesses.Go(func() {
			err := c.tryFrom(t.Context(), ip4(i%20), fmt.Sprint("unknown", i), "guess")
			all.add(err, time.Since(start))
		})
	}
	synctest.Wait() // all are in the queue, or refused
	began := time.Now()
	err := c.tryFrom(t.Context(), userAddr(0), "quiet", "good")
	waited := time.Since(began)
	guesses.Wait()
	report(t, err == nil && waited <= use.takes && all.others == 0 && use.most <= 2 && all.longest <= hashPatience+2*use.takes,
		"1,000 unknown clients at once from 20 addresses", "a known client waits 13-30 s", "it waits for no guess; guesses get 401, or 429 within 1 s",
		"waited %v (a hash takes %v); %d got 401, %d got 429 within %v; %d hashes at a time, %v of a core", waited, use.takes, all.bad, all.throttled, all.longest, use.most, use.busy)
}

// attackClientsFromMany tries 100 unknown ids each second, each from another address.
func attackClientsFromMany(t *testing.T) {
	const seconds, rate = 50, 100
	use := &hashUse{takes: 30 * time.Millisecond}
	c := attackedClients(t, use)
	var all answers
	var guesses sync.WaitGroup
	var waits []time.Duration
	for i := range seconds * rate {
		guesses.Go(func() {
			began := time.Now()
			id := fmt.Sprint("unknown", i)
			if i%10 == 0 {
				id = "other" // a listed one
			}
			err := c.tryFrom(t.Context(), ip4(i), id, fmt.Sprint("guess", i))
			all.add(err, time.Since(began))
		})
		time.Sleep(time.Second / rate)
		if i%(11*rate) == 0 { // not remembered any more
			began := time.Now()
			if err := c.tryFrom(t.Context(), userAddr(0), "quiet", "good"); err != nil {
				t.Error(err)
			}
			waits = append(waits, time.Since(began))
		}
	}
	guesses.Wait()
	share := float64(use.busy) / float64(seconds*time.Second)
	report(t, slices.Max(waits) <= use.takes && all.others == 0 && use.most <= 2 && share <= 1.1 && all.longest <= hashPatience+2*use.takes,
		"100 unknown clients a second from many addresses", "a known client waits 13-30 s, 74 s of CPU in 50 s", "it waits for no guess; guesses use at most one of two cores",
		"waited %v at most; %d got 401, %d got 429 within %v; %.2f cores", slices.Max(waits), all.bad, all.throttled, all.longest, share)
}

// A listed id and an unknown one get the same answers after the same times, in whatever
// order they are tried, from wherever, and whatever else is hashed.
func TestUnknownClientsAreLikeListedOnes(t *testing.T) {
	t.Parallel()
	type answer struct {
		err  string
		took time.Duration
	}
	outcomes := func(t *testing.T, id string) []answer {
		c := attackedClients(t, &hashUse{takes: 30 * time.Millisecond})
		r := rand.New(rand.NewPCG(1, 2))
		answers := make([]answer, 400)
		var all sync.WaitGroup
		for i := range answers {
			from := ip4(r.IntN(40))
			all.Go(func() {
				began := time.Now()
				err := c.tryFrom(t.Context(), from, id, fmt.Sprint("guess", i))
				answers[i] = answer{err.Error(), time.Since(began)}
			})
			synctest.Wait()
			all.Go(func() { _ = c.tryFrom(t.Context(), ip4(100+i), fmt.Sprint("noise", i), "guess") })
			if i%10 == 0 {
				_ = c.tryFrom(t.Context(), userAddr(0), "quiet", "good")
			}
			time.Sleep(time.Duration(r.Int64N(int64(200 * time.Millisecond)))) // no two events at one time
		}
		all.Wait()
		return answers
	}
	got := map[string][]answer{}
	for _, id := range []string{"quiet", "other", "unknown"} {
		synctest.Test(t, func(t *testing.T) { got[id] = outcomes(t, id) })
	}
	for _, listed := range []string{"quiet", "other"} {
		for i, answer := range got[listed] {
			if answer != got["unknown"][i] {
				t.Fatalf("guess %d at %s: %v, at an unknown id: %v", i, listed, answer, got["unknown"][i])
			}
		}
	}
}
