package auth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/auth"
)

// These tests specify the limits on failed attempts, in the fake time of synctest. To add
// a rule, add an entry to the map of TestThrottle or TestThrottleCountsFailures.

// fromOne is how many free attempts tight gives an account from one address: one in the
// lane of new addresses, and two in that of addresses that have failed. It is also how
// many narrow gives an address.
const fromOne = 3

var (
	tight  = auth.Limit{FreeAttempts: 4, BaseDelay: time.Second, MaxDelay: 10 * time.Second, DecayAfter: time.Hour, Records: 100}
	narrow = auth.Limit{FreeAttempts: 3, BaseDelay: time.Second, MaxDelay: 10 * time.Second, DecayAfter: time.Hour, Records: 100}
	loose  = auth.Limit{FreeAttempts: 1 << 20, BaseDelay: time.Second, MaxDelay: time.Second, DecayAfter: time.Hour, Records: 100}
)

func try(a *auth.Authenticator, addr netip.Addr, name, password string) error {
	_, err := a.Login(context.Background(), addr, name, password)
	return err
}

// delays fails until the delay was the longest twice, each time as soon as it is
// permitted, and returns the delays.
func delays(t *testing.T, guess func() error, failures int) []time.Duration {
	t.Helper()
	var all []time.Duration
	for range failures {
		wantError(t, guess(), auth.ErrBadCredentials)
		throttled, ok := errors.AsType[*auth.ThrottledError](guess())
		if !ok {
			// That was a failure too: the attempt was free.
			all = append(all, 0)
			continue
		}
		all = append(all, throttled.RetryAfter)
		time.Sleep(throttled.RetryAfter - time.Nanosecond)
		wantThrottled(t, guess())
		time.Sleep(time.Nanosecond)
	}
	return all
}

func TestThrottleDelaysGrow(t *testing.T) {
	t.Parallel()
	other := 0
	for name, c := range map[string]struct {
		account, address auth.Limit
		guess            func(*auth.Authenticator) error
	}{
		"for an account": {tight, loose, func(a *auth.Authenticator) error { return try(a, netip.Addr{}, "admin", "wrong") }},
		"for an account, whatever the letter case": {tight, loose, func(a *auth.Authenticator) error {
			other++
			return try(a, netip.Addr{}, []string{"admin", "ADMIN", "Admin"}[other%3], "wrong")
		}},
		"for an address, whatever the account": {loose, narrow, func(a *auth.Authenticator) error {
			other++
			return try(a, here, fmt.Sprint("admin", other), "wrong")
		}},
		"for an IPv6 network": {loose, narrow, func(a *auth.Authenticator) error {
			other++
			return try(a, netip.MustParseAddr(fmt.Sprintf("2001:db8:1:2::%x", other)), "admin", "wrong")
		}},
		"for IPv4 written as IPv6": {loose, narrow, func(a *auth.Authenticator) error {
			other++
			return try(a, netip.MustParseAddr([]string{"192.0.2.1", "::ffff:192.0.2.1"}[other%2]), "admin", "wrong")
		}},
		"for a client's secret": {tight, loose, func(a *auth.Authenticator) error {
			_, err := a.Authenticate(request(http.MethodGet, "X-API-Key", "portal.wrong"), netip.Addr{})
			return err
		}},
		"for a client that is not there": {tight, loose, func(a *auth.Authenticator) error {
			_, err := a.Authenticate(request(http.MethodGet, "X-API-Key", "unknown.wrong"), netip.Addr{})
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAuth(t, auth.Options{AccountLimit: c.account, AddressLimit: c.address, Clients: []auth.Client{portal(t)}})
				got := delays(t, func() error { return c.guess(a) }, 7)
				s := time.Second
				// Two of the three free attempts go into the first 0.
				if diff := cmp.Diff([]time.Duration{0, s, 2 * s, 4 * s, 8 * s, 10 * s, 10 * s}, got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// fail makes failed attempts, each of which must be verified.
func fail(t *testing.T, a *auth.Authenticator, addr netip.Addr, name string, times int) {
	t.Helper()
	for range times {
		wantError(t, try(a, addr, name, "wrong"), auth.ErrBadCredentials)
	}
}

// inFakeTime runs tests in parallel, each in the fake time of synctest.
func inFakeTime(t *testing.T, tests map[string]func(t *testing.T)) {
	t.Helper()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, test)
		})
	}
}

func TestThrottle(t *testing.T) {
	t.Parallel()
	inFakeTime(t, map[string]func(t *testing.T){
		"refuses the right password during a delay without verification": func(t *testing.T) {
			p := groupAdmin()
			a := newAuth(t, auth.Options{Verifier: p, AccountLimit: tight})
			fail(t, a, here, "admin", 3)
			if got := wantThrottled(t, try(a, here, "admin", "secret")); got.RetryAfter != time.Second {
				t.Errorf("%v", got)
			}
			if n := p.asked.Load(); n != 3 {
				t.Errorf("the platform was asked %d times", n)
			}
		},
		"rounds Retry-After up": func(t *testing.T) {
			a := newAuth(t, auth.Options{AccountLimit: tight})
			fail(t, a, here, "admin", 3)
			time.Sleep(999 * time.Millisecond)
			if got := wantThrottled(t, try(a, here, "admin", "secret")); got.RetryAfter != time.Millisecond {
				t.Errorf("wait %v", got.RetryAfter)
			}
		},
		"does not affect other accounts and networks": func(t *testing.T) {
			a := newAuth(t, auth.Options{AccountLimit: tight, AddressLimit: narrow})
			fail(t, a, netip.MustParseAddr("2001:db8::1"), "admin", 3)
			wantThrottled(t, try(a, netip.MustParseAddr("2001:db8::2"), "other", "secret"))
			for name, addr := range map[string]string{"admin": "2001:db8:1::1", "other": "2001:db8:0:1::1"} {
				if err := try(a, netip.MustParseAddr(addr), name, "secret"); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		},
		"a success clears the account for its address": func(t *testing.T) {
			a := newAuth(t, auth.Options{AccountLimit: tight})
			for range 10 {
				fail(t, a, here, "admin", 2)
				if err := try(a, here, "admin", "secret"); err != nil {
					t.Fatal(err)
				}
			}
		},
		"a success does not clear the address": func(t *testing.T) {
			a := newAuth(t, auth.Options{AddressLimit: narrow})
			fail(t, a, here, "victim", 2)
			if err := try(a, here, "own", "secret"); err != nil {
				t.Fatal(err)
			}
			fail(t, a, here, "victim", 1)
			wantThrottled(t, try(a, here, "own", "secret"))
		},
	})
}

// The platform has verified the password, so it is neither a failed attempt nor one that
// does not count.
func TestLoginWithUnknownRightsCountsAsALogin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked int
		a := newAuth(t, auth.Options{
			Verifier: verifierFunc(func(context.Context, string, string) (auth.Identity, error) {
				asked++
				return auth.Identity{}, fmt.Errorf("wrapped: %w", auth.ErrRightsUnknown)
			}),
			AccountLimit: tight, AccountLogins: auth.LoginLimit{Burst: 7, PerSecond: 1},
		})
		for range 7 {
			wantError(t, try(a, here, "admin", "secret"), auth.ErrRightsUnknown)
		}
		if got := wantThrottled(t, try(a, here, "admin", "secret")); got.Reason != auth.ReasonLogins || asked != 7 {
			t.Errorf("refused because of %s, the platform was asked %d times", got.Reason, asked)
		}
	})
}

func TestThrottleCountsFailures(t *testing.T) {
	t.Parallel()
	inFakeTime(t, map[string]func(t *testing.T){
		"failures are removed one by one": func(t *testing.T) {
			a := newAuth(t, auth.Options{AccountLimit: tight})
			fail(t, a, here, "admin", 3)
			time.Sleep(time.Hour)
			fail(t, a, here, "admin", 1)
			wantThrottled(t, try(a, here, "admin", "wrong"))
			time.Sleep(3 * time.Hour)
			fail(t, a, here, "admin", 2) // the address is not new for a day
			wantThrottled(t, try(a, here, "admin", "wrong"))
		},
		"failures beyond the longest delay do not prolong the time": func(t *testing.T) {
			a := newAuth(t, auth.Options{AccountLimit: tight})
			for range 20 {
				fail(t, a, here, "admin", 1)
				time.Sleep(tight.MaxDelay)
			}
			time.Sleep(6 * time.Hour) // 2 free ones and 4 that double the delay
			fail(t, a, here, "admin", 2)
			wantThrottled(t, try(a, here, "admin", "wrong"))
		},
		"valid tokens are not counted": func(t *testing.T) {
			a := newAuth(t, auth.Options{AccountLimit: tight, AddressLimit: narrow})
			s := login(t, a)
			fail(t, a, here, "admin@example.com", 3)
			for range 10 {
				if _, err := a.Authenticate(bearer(s.Token), here); err != nil {
					t.Fatal(err)
				}
			}
		},
		"a full list removes the account with the fewest failures": func(t *testing.T) {
			two := tight
			two.Records = 2
			a := newAuth(t, auth.Options{AccountLimit: two, AddressLimit: loose, LoginConcurrency: 2})
			others := netip.MustParseAddr("203.0.113.9")
			fail(t, a, here, "first", 1)  // in the lane of new addresses
			fail(t, a, there, "first", 1) // there its delay begins
			for i := range 10 {
				fail(t, a, others, fmt.Sprint("other", i), 1)
			}
			wantThrottled(t, try(a, others, "first", "secret"))
			time.Sleep(time.Second)
			for i := range 10 {
				fail(t, a, others, fmt.Sprint("other", i+10), 1)
			}
			fail(t, a, others, "first", 1)
			if got := wantThrottled(t, try(a, netip.MustParseAddr("203.0.113.10"), "first", "secret")); got.RetryAfter != 2*time.Second {
				t.Errorf("the third failure has a delay of %v: those before are forgotten", got.RetryAfter)
			}
		},
		"successes make no records": func(t *testing.T) {
			one := tight
			one.Records = 1
			a := newAuth(t, auth.Options{AccountLimit: one, AddressLimit: loose})
			fail(t, a, here, "first", 3)
			for i := range 10 {
				if err := try(a, here, fmt.Sprint("other", i), "secret"); err != nil {
					t.Fatal(err)
				}
			}
			wantThrottled(t, try(a, here, "first", "secret"))
		},
	})
}

func TestCanceledLoginCounts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		abandon func(context.Context) (context.Context, context.CancelFunc)
		counts  bool
	}{
		"as a failure if the caller disconnected": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		}, true},
		"as nothing if the platform was too slow": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stalled := verifierFunc(func(ctx context.Context, _, _ string) (auth.Identity, error) {
					<-ctx.Done()
					return auth.Identity{}, ctx.Err()
				})
				a := newAuth(t, auth.Options{Verifier: stalled, AccountLimit: tight})
				for range 3 {
					ctx, cancel := c.abandon(t.Context())
					_, err := a.Login(ctx, here, "admin", "guess")
					wantError(t, err, ctx.Err())
					cancel()
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := a.Login(ctx, here, "admin", "guess")
				if _, throttled := errors.AsType[*auth.ThrottledError](err); throttled != c.counts {
					t.Errorf("the next one: %v", err)
				}
			})
		})
	}
}

func TestBurstOfGuesses(t *testing.T) {
	t.Parallel()
	address := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	for name, c := range map[string]struct {
		account, address auth.Limit
		// atOnce are verified before a delay, and later after it: of an account, one of a
		// new address, and the two of the lane of addresses that have failed.
		atOnce, later int64
		try           func(a *auth.Authenticator, i int) error
	}{
		"at one account from many addresses": {tight, narrow, 2, 1 + 2, func(a *auth.Authenticator, i int) error {
			return try(a, address(i), "admin", "wrong")
		}},
		"from one address at many accounts": {tight, narrow, fromOne, 1, func(a *auth.Authenticator, i int) error {
			return try(a, here, fmt.Sprint("admin", i), "wrong")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int64
				release := make(chan struct{})
				a := newAuth(t, auth.Options{AccountLimit: c.account, AddressLimit: c.address, Verifier: verifierFunc(func(context.Context, string, string) (auth.Identity, error) {
					asked.Add(1)
					<-release
					return auth.Identity{}, auth.ErrBadCredentials
				})})
				var wg sync.WaitGroup
				burst := func() {
					for i := range 1000 {
						wg.Go(func() { _ = c.try(a, i) })
					}
					synctest.Wait()
				}
				burst()
				if n := asked.Load(); n != c.atOnce {
					t.Errorf("%d guesses were verified at a time", n)
				}
				close(release)
				wg.Wait()
				release = make(chan struct{})

				time.Sleep(time.Second) // the delay after the three
				burst()
				if n := asked.Load(); n != c.atOnce+c.later {
					t.Errorf("%d guesses were verified after a delay, want %d", n-c.atOnce, c.later)
				}
				close(release)
				wg.Wait()
				wantThrottled(t, c.try(a, 0))
			})
		})
	}
}

func TestVerifierThatPanicsEndsTheAttempt(t *testing.T) {
	t.Parallel()
	one := tight
	one.FreeAttempts = 1 // one lane, and one attempt at a time
	panics := true
	p := groupAdmin()
	a := newAuth(t, auth.Options{AccountLimit: one, Verifier: verifierFunc(func(ctx context.Context, u, pw string) (auth.Identity, error) {
		if panics {
			panic("broken")
		}
		return p.Verify(ctx, u, pw)
	})})
	func() {
		defer func() { _ = recover() }()
		_ = try(a, here, "admin", "secret")
	}()
	panics = false
	if err := try(a, here, "admin", "secret"); err != nil {
		t.Error(err)
	}
}
