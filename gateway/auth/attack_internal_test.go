package auth

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// These tests specify who is hurt by attacks on logins and on listed clients, in the fake
// time of synctest. Each prints a line with the attack, what was measured before there
// were lanes and slots, the target, and what is reached. To add an attack, add a subtest
// of TestAttacks.

// report prints a line, and fails unless the target is reached.
func report(t *testing.T, reached bool, attack, before, target, format string, args ...any) {
	t.Helper()
	t.Logf("%s | %s | %s | %s", attack, before, target, fmt.Sprintf(format, args...))
	if !reached {
		t.Error("the target is missed")
	}
}

// slowPlatform accepts "secret" as every password after a while, and counts by user what
// it is asked.
type slowPlatform struct {
	takes time.Duration

	mu      sync.Mutex // guards the fields below
	asked   map[string]int
	failed  map[string]int
	running int
	most    int // that ran at a time
}

func newSlowPlatform(takes time.Duration) *slowPlatform {
	return &slowPlatform{takes: takes, asked: map[string]int{}, failed: map[string]int{}}
}

func (p *slowPlatform) Verify(ctx context.Context, user, password string) (Identity, error) {
	p.enter(user, password)
	defer p.leave()
	select {
	case <-time.After(p.takes):
	case <-ctx.Done():
		return Identity{}, ctx.Err()
	}
	if password != "secret" {
		return Identity{}, ErrBadCredentials
	}
	return Identity{LoginType: "User", TenantID: "T", GroupID: "G", UserID: user}, nil
}

func (p *slowPlatform) enter(user, password string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked[user]++
	if password != "secret" {
		p.failed[user]++
	}
	p.running++
	p.most = max(p.most, p.running)
}

func (p *slowPlatform) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running--
}

func (p *slowPlatform) failuresOf(user string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed[user]
}

// asConfigured are the limits of the default configuration.
func asConfigured(v Verifier) Options {
	return Options{
		Verifier:     v,
		AccountLimit: Limit{FreeAttempts: 5, MaxDelay: 5 * time.Minute, Records: 10000},
		AddressLimit: Limit{FreeAttempts: 50, MaxDelay: 5 * time.Minute, Records: 10000},
	}
}

func attacked(t *testing.T, o Options) *Authenticator {
	t.Helper()
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// ip4 returns the i-th address of the attacker, each in a /24 of its own.
func ip4(i int) netip.Addr { return netip.AddrFrom4([4]byte{100, byte(i >> 8), byte(i), 1}) }

// ip6 returns an address in the i-th /64; there are perNetwork of them in each /48.
func ip6(i, perNetwork int) netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint16(b[0:], 0x2001)
	binary.BigEndian.PutUint32(b[2:], uint32(i/perNetwork))
	binary.BigEndian.PutUint16(b[6:], uint16(i%perNetwork))
	b[15] = 1
	return netip.AddrFrom16(b)
}

// userAddr returns an address of users, none of which is the attacker's.
func userAddr(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 7}) }

func (a *Authenticator) loginFrom(ctx context.Context, addr netip.Addr, user, password string) error {
	_, err := a.Login(ctx, addr, user, password)
	return err
}

// boundOfLane is the largest number of failures in a lane, as throttle.go states it.
func boundOfLane(l *Limit, free int, during time.Duration) int {
	doublings := int(math.Ceil(math.Log2(float64(l.MaxDelay)/float64(l.BaseDelay)))) + 1
	return free + doublings + int(during/l.MaxDelay) + int(during/l.DecayAfter)
}

// boundOfStrangers is the largest number of failures at an account from blocks that are not
// known.
func boundOfStrangers(l *Limit, during time.Duration) int {
	all := limits{account: *l}
	fresh, failed := all.newLane(), all.failedLane()
	return boundOfLane(l, fresh.FreeAttempts, during) + boundOfLane(l, failed.FreeAttempts, during)
}

func TestAttacks(t *testing.T) {
	t.Parallel()
	for name, attack := range map[string]func(*testing.T){
		"1 unknown clients at once":               attackClientsAtOnce,
		"1 unknown clients from many addresses":   attackClientsFromMany,
		"3 one address, many users":               attackNAT,
		"3 one address, one user":                 attackService,
		"5 logins of one user":                    attackLoginsOfOne,
		"5 logins from one address":               attackLoginsFromOne,
		"5 logins, a platform that does not keep": attackSlowPlatform,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, attack)
		})
	}
	for name, g := range map[string]guessing{
		"5/s from one address":            {addresses: 1, callers: 1, pause: 200 * time.Millisecond},
		"as fast as possible from one":    {addresses: 1, callers: 10, pause: 20 * time.Millisecond},
		"5/s from 500 addresses":          {addresses: 500, callers: 1, pause: 200 * time.Millisecond},
		"as fast as possible from 10,000": {addresses: 10000, callers: 10, pause: 20 * time.Millisecond},
		"as fast as possible from a /48":  {addresses: 10000, callers: 10, pause: 20 * time.Millisecond, subscriber: true},
	} {
		t.Run("2 "+name, func(t *testing.T) {
			if testing.Short() && g.callers > 1 {
				t.Skip("it takes long with the race detector, and the others run the same code")
			}
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { attackUser(t, name, g) })
		})
	}
	for name, f := range map[string]flood{
		"10,000 failures, 200 /64 in one /48":      {failures: 10_000, blocks: 200, perNetwork: 200},
		"10,000 failures, 200 /64 in 200 /48":      {failures: 10_000, blocks: 200, perNetwork: 1},
		"100,000 failures, 2,000 /64 in 10 /48":    {failures: 100_000, blocks: 2000, perNetwork: 200},
		"100,000 failures, 2,000 /64 in 2,000 /48": {failures: 100_000, blocks: 2000, perNetwork: 1},
		"100,000 failures, two at each of 50,000":  {failures: 100_000, blocks: 2000, perNetwork: 1, each: 2},
	} {
		t.Run("4 "+name, func(t *testing.T) {
			if testing.Short() && f.failures > 10_000 {
				t.Skip("it takes long with the race detector, and the others run the same code")
			}
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { attackTable(t, name, f) })
		})
	}
}

// guessing is an attack on the password of one user.
type guessing struct {
	addresses, callers int
	pause              time.Duration // of each caller after each guess
	subscriber         bool          // the addresses are those of one /48
}

func (g guessing) from(i int) netip.Addr {
	if g.subscriber {
		return ip6(i%g.addresses, g.addresses)
	}
	return ip4(i % g.addresses)
}

// run guesses until the context ends.
func (g guessing) run(ctx context.Context, a *Authenticator, callers *sync.WaitGroup) {
	for caller := range g.callers {
		callers.Go(func() {
			for i := caller; ctx.Err() == nil; i += g.callers {
				_ = a.loginFrom(ctx, g.from(i), "victim", fmt.Sprint("guess", i))
				wait(ctx, g.pause)
			}
		})
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// attackUser guesses at a user who logs in every 10 seconds from an address that is known,
// and every 10 seconds from one that is new.
func attackUser(t *testing.T, name string, g guessing) {
	const rounds = 30
	p := newSlowPlatform(200 * time.Millisecond)
	a := attacked(t, asConfigured(p))
	if err := a.loginFrom(t.Context(), userAddr(0), "victim", "secret"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	start := time.Now()
	var callers sync.WaitGroup
	g.run(ctx, a, &callers)
	inTime := func(addr netip.Addr) int {
		began := time.Now()
		if a.loginFrom(t.Context(), addr, "victim", "secret") == nil && time.Since(began) <= time.Second {
			return 1
		}
		return 0
	}
	var known, fresh int
	for i := range rounds {
		time.Sleep(5 * time.Second)
		known += inTime(userAddr(0))
		time.Sleep(5 * time.Second)
		fresh += inTime(userAddr(i + 1))
	}
	took := time.Since(start)
	cancel()
	callers.Wait()
	guesses, bound := p.failuresOf("victim"), boundOfStrangers(&a.throttle.limits.account, took)
	target := fmt.Sprintf("known >= 95 %%, at most %d guesses at the platform", bound)
	reached := known*100 >= rounds*95 && guesses <= bound
	if g.addresses == 1 || g.subscriber {
		target = "new address >= 95 %, " + target
		reached = reached && fresh*100 >= rounds*95
	}
	report(t, reached, "guessing at a user, "+name, "0 of 46 and 5 of 24 logins", target,
		"known %d, new address %d of %d within a second; %d guesses at the platform in %v", known, fresh, rounds, guesses, took)
}

// attackNAT lets 60 users log in at the same time from one address.
func attackNAT(t *testing.T) {
	p := newSlowPlatform(100 * time.Millisecond)
	a := attacked(t, asConfigured(p))
	refused, took := atOnce(60, func(i int) error {
		return a.loginFrom(t.Context(), userAddr(0), fmt.Sprint("user", i), "secret")
	})
	report(t, refused == 0 && p.most <= 8, "60 correct logins at once from one address", "11 refused", "0 refused",
		"%d refused, the last after %v, %d at a time at the platform", refused, took, p.most)
}

// attackService lets one user log in 60 times at the same time.
func attackService(t *testing.T) {
	p := newSlowPlatform(100 * time.Millisecond)
	a := attacked(t, asConfigured(p))
	refused, took := atOnce(60, func(int) error {
		return a.loginFrom(t.Context(), userAddr(0), "service", "secret")
	})
	report(t, refused == 0, "60 correct logins at once of one user", "more than 5 refused", "0 refused",
		"%d refused, the last after %v", refused, took)
}

// atOnce makes calls at the same time, and returns how many fail and how long all take.
func atOnce(n int, call func(i int) error) (refused int, took time.Duration) {
	began := time.Now()
	errs := make(chan error, n)
	for i := range n {
		go func() { errs <- call(i) }()
	}
	for range n {
		if <-errs != nil {
			refused++
		}
	}
	return refused, time.Since(began)
}

// flood is an attack on the memory of failures.
type flood struct {
	failures, blocks, perNetwork int
	each                         int // failures at each name; 0 means 1
}

// attackTable guesses at a user from new addresses, floods the tables with failures at
// other names, and guesses again.
func attackTable(t *testing.T, name string, f flood) {
	a := attacked(t, asConfigured(newSlowPlatform(0)))
	account := a.names.account("victim")
	guesses, start := 0, time.Now()
	guess := func(from int) {
		if errors.Is(a.loginFrom(t.Context(), ip4(from), "victim", "guess"), ErrBadCredentials) {
			guesses++
		}
	}
	for i := range 10 { // each is the first from its address: three are free
		guess(i)
	}
	_, before := a.throttle.fresh.state(account, time.Now())
	counted := 0
	for i := 0; counted < f.failures && i < 2*f.failures; i++ {
		err := a.loginFrom(t.Context(), ip6(i%f.blocks, f.perNetwork), fmt.Sprint("random", i/max(f.each, 1)), "guess")
		if errors.Is(err, ErrBadCredentials) {
			counted++
		}
		if i%1000 == 0 {
			time.Sleep(75 * time.Millisecond)
		}
	}
	left, _ := a.throttle.fresh.state(account, time.Now())
	for i := range 10 {
		guess(i + 10)
	}
	bound := boundOfStrangers(&a.throttle.limits.account, time.Since(start))
	records := max(len(a.throttle.fresh.records), len(a.throttle.failed.records), len(a.throttle.blocks.records), len(a.throttle.networks.records))
	report(t, before > 0 && left >= 3 && guesses <= bound && records <= 10000, "flood of "+name,
		"the counter is gone after 10,000: 5 free guesses again", fmt.Sprintf("the counter stays, at most %d guesses, at most 10,000 records", bound),
		"%d failures counted in %v, counter %d, %d guesses, %d records", counted, time.Since(start), left, guesses, records)
}

// attackLoginsOfOne logs one user in as often as possible.
func attackLoginsOfOne(t *testing.T) {
	p := newSlowPlatform(time.Millisecond)
	a := attacked(t, asConfigured(p))
	const during = time.Minute
	refused := stress(t, during, func(int) error { return a.loginFrom(t.Context(), userAddr(0), "user", "secret") })
	report(t, p.asked["user"] <= 60+60+8 && refused > 0, "one user logs in as often as possible", "1,156/s", "60 at once, then 1/s",
		"%d logins reached the platform in %v", p.asked["user"], during)
}

// attackLoginsFromOne logs many users in from one address as often as possible.
func attackLoginsFromOne(t *testing.T) {
	p := newSlowPlatform(time.Millisecond)
	a := attacked(t, asConfigured(p))
	const during = time.Minute
	refused := stress(t, during, func(i int) error { return a.loginFrom(t.Context(), userAddr(0), fmt.Sprint("user", i%5000), "secret") })
	asked := 0
	for _, n := range p.asked {
		asked += n
	}
	report(t, asked <= 600+20*60+50 && refused > 0, "5,000 users log in from one address", "no limit", "600 at once, then 20/s",
		"%d logins reached the platform in %v", asked, during)
}

// stress makes calls from 20 callers, and returns how many are refused with a
// ThrottledError.
func stress(t *testing.T, during time.Duration, call func(i int) error) (refused int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	var mu sync.Mutex
	var callers sync.WaitGroup
	for caller := range 20 {
		callers.Go(func() {
			for i := caller; ctx.Err() == nil; i += 20 {
				if _, throttled := errors.AsType[*ThrottledError](call(i)); throttled {
					mu.Lock()
					refused++
					mu.Unlock()
					wait(ctx, 10*time.Millisecond)
				}
			}
		})
	}
	callers.Wait()
	return refused
}

// attackSlowPlatform guesses at many users from many addresses, more than the platform can
// verify, while users log in from addresses that are known.
func attackSlowPlatform(t *testing.T) {
	p := newSlowPlatform(200 * time.Millisecond)
	a := attacked(t, asConfigured(p))
	const users = 20
	for i := range users {
		if err := a.loginFrom(t.Context(), userAddr(i), fmt.Sprint("user", i), "secret"); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	for caller := range 300 {
		callers.Go(func() {
			for i := caller; ctx.Err() == nil; i += 300 {
				_ = a.loginFrom(ctx, ip4(i%60000), fmt.Sprint("random", i), "guess")
				wait(ctx, 10*time.Millisecond)
			}
		})
	}
	time.Sleep(time.Second)
	inTime := 0
	for i := range users {
		began := time.Now()
		if a.loginFrom(t.Context(), userAddr(i), fmt.Sprint("user", i), "secret") == nil && time.Since(began) <= time.Second {
			inTime++
		}
	}
	cancel()
	callers.Wait()
	report(t, inTime == users && p.most <= 8, "300 guesses in progress at many users", "each with a connection of its own, users wait behind them",
		"known users within a second, 8 at a time", "%d of %d, %d at a time", inTime, users, p.most)
}
