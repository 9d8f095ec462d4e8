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

// These tests specify what holds for a throttle whatever happens, over many seeds.

// TestThrottleInvariants makes attempts of random outcomes, durations and patience from
// a few blocks at a few accounts.
func TestThrottleInvariants(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			a := newRandomAttempts(t, seed)
			a.reloads = seed%4 == 0
			a.run()
		})
	}
}

type randomAttempts struct {
	t        *testing.T
	seed     uint64
	throttle *throttle
	start    time.Time
	reloads  bool // the limits change meanwhile, so the bound of the failures does too
	ended    bool // no attempt is in progress

	mu     sync.Mutex // guards failed
	failed map[account]int
}

func newRandomAttempts(t *testing.T, seed uint64) *randomAttempts {
	return &randomAttempts{
		t: t, seed: seed, start: time.Now(), failed: map[account]int{},
		throttle: newThrottle(randomLimits(rand.New(rand.NewPCG(seed, 1)))),
	}
}

func randomLimits(r *rand.Rand) limits {
	limit := func(free int) Limit {
		return Limit{
			FreeAttempts: free, BaseDelay: time.Second, MaxDelay: time.Duration(1+r.IntN(60)) * time.Second,
			DecayAfter: time.Duration(10+r.IntN(300)) * time.Second, Records: 20 + r.IntN(20),
		}
	}
	logins := LoginLimit{Burst: 1 + r.IntN(30), PerSecond: 0.1 + r.Float64()}
	return limits{limit(1 + r.IntN(6)), limit(1 + r.IntN(30)), limit(1 + r.IntN(60)), logins, logins}
}

func (a *randomAttempts) run() {
	var callers sync.WaitGroup
	if a.reloads {
		r := rand.New(rand.NewPCG(a.seed, 1000))
		callers.Go(func() {
			for range 300 {
				time.Sleep(time.Duration(r.IntN(1000)) * time.Millisecond)
				a.throttle.setLimits(randomLimits(r))
				a.check()
			}
		})
	}
	for caller := range 20 {
		r := rand.New(rand.NewPCG(a.seed, uint64(caller)))
		callers.Go(func() {
			for range 150 {
				a.attempt(r)
				time.Sleep(time.Duration(r.IntN(2000)) * time.Millisecond)
			}
		})
	}
	callers.Wait()
	a.ended = true
	a.check()
}

func (a *randomAttempts) attempt(r *rand.Rand) {
	ctx, cancel := context.WithTimeout(a.t.Context(), time.Duration(r.IntN(3000))*time.Millisecond)
	defer cancel()
	addrs := []string{"10.0.0.1", "10.0.0.2", "10.0.1.1", "2001:db8::1", "2001:db8:0:1::1", "2001:db8:1::1"}
	addr, _ := netip.ParseAddr(addrs[r.IntN(len(addrs))])
	if r.IntN(10) == 0 {
		addr = netip.Addr{}
	}
	to := userTarget(accountOfUser(fmt.Sprint("user", r.IntN(10))), addr)
	to.keep = r.IntN(5) > 0
	attempt, err := a.throttle.admit(ctx, to)
	if err != nil {
		if throttled, ok := errors.AsType[*ThrottledError](err); !ok || throttled.RetryAfter <= 0 {
			a.t.Errorf("seed %d: %v", a.seed, err)
		}
		return
	}
	defer attempt.end()
	time.Sleep(time.Duration(r.IntN(500)) * time.Millisecond)
	switch n := r.IntN(20); {
	case n < 3:
		attempt.succeed()
	case n < 4: // no result
	default:
		attempt.fail()
		if attempt.lane != laneKnown {
			a.mu.Lock()
			a.failed[to.account]++
			a.mu.Unlock()
		}
	}
	a.check()
}

// check checks what must hold at any time.
func (a *randomAttempts) check() {
	t := a.throttle
	t.mu.Lock()
	defer t.mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	waiting := 0
	for key, g := range t.gates {
		waiting += g.waiters.Len()
		if g.pending <= 0 {
			a.t.Errorf("seed %d: gate %v has %d in progress, and %d wait", a.seed, key.kind, g.pending, g.waiters.Len())
		}
	}
	if waiting != t.waiting || a.ended && len(t.gates) > 0 {
		a.t.Errorf("seed %d: %d wait, %d are counted; %d gates are left", a.seed, waiting, t.waiting, len(t.gates))
	}
	for account, failed := range a.failed {
		if bound := boundOfStrangers(&t.limits.account, time.Since(a.start)); failed > bound && !a.reloads {
			a.t.Errorf("seed %d: %d failures at %x, want at most %d", a.seed, failed, account[:4], bound)
		}
	}
	records := t.limits.account.Records
	for _, n := range []int{len(t.fresh.records), len(t.failed.records), t.pairs.known.Len(), t.pairs.failed.Len(), t.accountLogins.full.Len()} {
		if n > records {
			a.t.Errorf("seed %d: %d records, want at most %d", a.seed, n, records)
		}
	}
	blocks := 0
	for _, of := range t.pairs.blocks {
		blocks += len(of)
	}
	if blocks != t.pairs.known.Len() {
		a.t.Errorf("seed %d: %d blocks of %d known pairs", a.seed, blocks, t.pairs.known.Len())
	}
}

// Addresses that are not known have the free attempts of the account together, however
// many there are, at the same time and one after the other.
func TestFreeAttemptsOfStrangers(t *testing.T) {
	t.Parallel()
	for free := 1; free <= 10; free++ {
		synctest.Test(t, func(t *testing.T) {
			limit := testLimit
			limit.FreeAttempts, limit.Records = free, 10000
			throttle := newThrottle(onlyAccounts(limit))
			var mu sync.Mutex
			verified := 0
			guess := func(from int) {
				attempt, err := throttle.admit(t.Context(), userTarget(accountOfUser("victim"), ip4(from)))
				if err != nil {
					return
				}
				defer attempt.end()
				time.Sleep(time.Microsecond)
				attempt.fail()
				mu.Lock()
				defer mu.Unlock()
				verified++
			}
			var all sync.WaitGroup
			for i := range 500 {
				all.Go(func() { guess(i % 100) })
			}
			all.Wait()
			for i := range 1000 {
				guess(i % 200)
			}
			if verified != free {
				t.Errorf("%d of %d free attempts were verified", verified, free)
			}
		})
	}
}

// A known pair is delayed by its own failures only, and each account has a bounded number
// of them.
func TestKnownPairs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(onlyAccounts(testLimit))
		login := func(from int, good bool) error {
			return tryOnce(t.Context(), throttle, userTarget(accountOfUser("user"), ip4(from)), good)
		}
		for i := range pairsPerAccount + 1 {
			if err := login(i, true); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 100 {
			_ = login(1000+i, false)
			_ = login(1000, false)
		}
		if login(0, true) == nil {
			t.Error("the pair that is the seventeenth is still known")
		}
		for i := range pairsPerAccount {
			if err := login(i+1, true); err != nil {
				t.Errorf("the known pair %d: %v", i+1, err)
			}
		}
		for range testLimit.FreeAttempts {
			if err := login(1, false); err != nil {
				t.Error(err)
			}
		}
		if login(1, true) == nil || login(2, true) != nil {
			t.Error("failures of a known pair delay not it, or another")
		}
		time.Sleep(knownFor)
		for i := range 100 {
			_ = login(2000+i, false)
		}
		if login(2, true) == nil {
			t.Error("the pair is known for ever")
		}
	})
}

// Attempts that wait are admitted in their order after a success, and all refused when a
// failure starts a delay.
func TestWaitingAttempts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		good     bool
		admitted int
	}{"success": {true, 20}, "failure": {false, 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				limit := testLimit
				limit.FreeAttempts = 1
				throttle := newThrottle(onlyAccounts(limit))
				var mu sync.Mutex
				var admitted []int
				began := time.Now()
				var all sync.WaitGroup
				for i := range 20 {
					all.Go(func() {
						attempt, err := throttle.admit(t.Context(), userTarget(accountOfUser("user"), ip4(0)))
						if err != nil {
							return
						}
						defer attempt.end()
						mu.Lock()
						admitted = append(admitted, i)
						mu.Unlock()
						time.Sleep(time.Second)
						if c.good {
							attempt.succeed()
						} else {
							attempt.fail()
						}
					})
					synctest.Wait()
				}
				all.Wait()
				if len(admitted) != c.admitted || !slices.IsSorted(admitted) {
					t.Errorf("admitted %v", admitted)
				}
				if took := time.Since(began); took != time.Duration(c.admitted)*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// An attempt whose context ends while it waits is released, and is not in progress.
func TestWaitingAttemptThatEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(onlyAccounts(testLimit))
		to := userTarget(accountOfUser("user"), ip4(0))
		first, err := throttle.admit(t.Context(), to)
		if err != nil {
			t.Fatal(err)
		}
		canceled, cancel := context.WithCancel(t.Context())
		timed, cancelTimed := context.WithTimeout(t.Context(), time.Second)
		defer cancelTimed()
		errs := make(chan error, 2)
		for _, ctx := range []context.Context{canceled, timed} {
			go func() {
				_, err := throttle.admit(ctx, to)
				errs <- err
			}()
			synctest.Wait()
		}
		cancel()
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: %v", err)
		}
		if throttled, ok := errors.AsType[*ThrottledError](<-errs); !ok || throttled.Reason != ReasonInProgress {
			t.Errorf("its time is over: %v", throttled)
		}
		first.end()
		if len(throttle.gates) != 0 || throttle.waiting != 0 {
			t.Errorf("%d gates, %d wait", len(throttle.gates), throttle.waiting)
		}
	})
}

func TestLoginsAreLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMeter[string](LoginLimit{Burst: 3, PerSecond: 0.5}, 2)
		take := func(key string) time.Duration {
			now := time.Now()
			wait := m.wait(key, now)
			if wait == 0 {
				m.take(key, now)
			}
			return wait
		}
		want := func(key string, want time.Duration) {
			t.Helper()
			if got := take(key); got != want {
				t.Errorf("%s waits %v, want %v", key, got, want)
			}
		}
		for range 3 {
			want("a", 0)
		}
		want("a", 2*time.Second)
		time.Sleep(time.Second)
		want("a", time.Second)
		time.Sleep(time.Second)
		want("a", 0)
		want("b", 0)
		want("c", 0) // a is removed: new ones are as empty as a was
		want("d", 2*time.Second)
		time.Sleep(6 * time.Second)
		want("d", 0)
		m.setLimit(LoginLimit{Burst: 2, PerSecond: 1}, 2, time.Now())
		want("d", 0) // it lacked one of three, so it has one of two
		want("d", time.Second)
	})
}

// A network under delay delays its addresses, but not the known pairs among them.
func TestKnownPairInANetworkUnderDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := onlyAccounts(testLimit)
		l.network.FreeAttempts = 3
		throttle := newThrottle(l)
		login := func(addr, user string, good bool) error {
			return tryOnce(t.Context(), throttle, userTarget(accountOfUser(user), netip.MustParseAddr(addr)), good)
		}
		if err := login("2001:db8::1", "user", true); err != nil {
			t.Fatal(err)
		}
		for _, addr := range []string{"2001:db8:0:1::1", "2001:db8:0:2::1", "2001:db8:0:3::1"} {
			if err := login(addr, addr, false); err != nil {
				t.Fatal(err)
			}
		}
		if login("2001:db8:0:4::1", "user", true) == nil {
			t.Error("an address of the network is not delayed")
		}
		if err := login("2001:db8::1", "user", true); err != nil {
			t.Errorf("the known pair: %v", err)
		}
		if err := login("2001:db8:1::1", "other", true); err != nil {
			t.Errorf("another network: %v", err)
		}
	})
}

// A new attempt waits behind those that wait already, also when failures have expired and
// there would be room for it.
func TestNewAttemptsWaitBehindOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(onlyAccounts(testLimit)) // two of new addresses at a time
		failing, err := throttle.admit(t.Context(), userTarget(accountOfUser("user"), ip4(0)))
		if err != nil {
			t.Fatal(err)
		}
		failing.fail()
		failing.end()
		first, err := throttle.admit(t.Context(), userTarget(accountOfUser("user"), ip4(1)))
		if err != nil {
			t.Fatal(err)
		}
		order := make(chan string, 2)
		wait := func(name string, from int) {
			go func() {
				attempt, err := throttle.admit(t.Context(), userTarget(accountOfUser("user"), ip4(from)))
				if err != nil {
					t.Error(err)
					return
				}
				order <- name
				attempt.end()
			}()
			synctest.Wait()
		}
		wait("earlier", 2)
		time.Sleep(testLimit.DecayAfter)
		wait("later", 3)
		if len(order) > 0 {
			t.Errorf("%s is admitted first", <-order)
		}
		first.end()
		for range 2 {
			<-order
		}
	})
}

// tryOnce makes one attempt, whose credential is good or not.
func tryOnce(ctx context.Context, throttle *throttle, at target, good bool) error {
	attempt, err := throttle.admit(ctx, at)
	if err != nil {
		return err
	}
	defer attempt.end()
	if good {
		attempt.succeed()
	} else {
		attempt.fail()
	}
	return nil
}
