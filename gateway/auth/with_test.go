package auth_test

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ocigate/gateway/auth"
	"ocigate/gateway/auth/issuertest"
)

// These tests specify which state an Authenticator shares with its successor, and which
// options are the successor's alone. To add an option of the successor, add a subtest of
// TestWithUsesTheNewOptionsForTheSuccessorOnly. The state of listed clients is specified
// in with_internal_test.go.

func with(t *testing.T, a *auth.Authenticator, o auth.Options) *auth.Authenticator {
	t.Helper()
	if o.Verifier == nil {
		o.Verifier = groupAdmin()
	}
	next, err := a.With(o)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func TestWithRefusesBadOptionsAsNewDoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuth(t, auth.Options{Keys: []auth.Key{oldKey}, AccountLimit: tight, AddressLimit: loose})
		gone := []auth.Session{login(t, a), login(t, a)}
		for _, s := range gone {
			if _, _, err := a.Logout(bearer(s.Token)); err != nil {
				t.Fatal(err)
			}
		}
		bad := auth.Options{
			AccountLimit: auth.Limit{FreeAttempts: 1}, AddressLimit: auth.Limit{FreeAttempts: -1},
			Keys: []auth.Key{{ID: "k", Secret: "short"}}, Clients: []auth.Client{{ID: "c", Hash: "plain text"}}, TrustedOrigins: []string{"*"},
		}
		_, want := auth.New(bad)
		next, err := a.With(bad)
		if err == nil || next != nil || err.Error() != want.Error() {
			t.Fatalf("%v, error\n%v\nwant\n%v", next, err, want)
		}
		for i, s := range gone {
			if _, err := a.Authenticate(bearer(s.Token), here); !errors.Is(err, auth.ErrBadCredentials) {
				t.Errorf("the logged-out token %d: %v", i, err)
			}
		}
		if _, err := a.Authenticate(bearer(login(t, a).Token), here); err != nil {
			t.Error(err)
		}
		wantError(t, try(a, here, "admin", "wrong"), auth.ErrBadCredentials)
		wantError(t, try(a, here, "admin", "wrong"), auth.ErrBadCredentials) // a single free attempt would be used up
	})
}

func TestWithSharesFailedAttempts(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]auth.Options{
		"of an account": {AccountLimit: tight, AddressLimit: loose},
		"of an address": {AccountLimit: loose, AddressLimit: narrow},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newAuth(t, o)
				next := with(t, a, o)
				for i := range fromOne {
					wantError(t, try([]*auth.Authenticator{a, next}[i%2], here, "admin", "wrong"), auth.ErrBadCredentials)
				}
				for _, of := range []*auth.Authenticator{a, next, with(t, next, o)} {
					if got := wantThrottled(t, try(of, here, "admin", "secret")); got.RetryAfter != tight.BaseDelay {
						t.Errorf("retry after %v", got.RetryAfter)
					}
				}
			})
		})
	}
}

func TestWithCountsAttemptsInProgressTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		wait := make(chan struct{})
		slow := verifierFunc(func(context.Context, string, string) (auth.Identity, error) {
			<-wait
			return auth.Identity{}, auth.ErrBadCredentials
		})
		o := auth.Options{Verifier: slow, AccountLimit: tight, AddressLimit: loose}
		a := newAuth(t, o)
		next := with(t, a, o)
		var all sync.WaitGroup
		for range fromOne {
			all.Go(func() { _ = try(a, here, "admin", "guess") })
		}
		synctest.Wait()
		wantThrottled(t, try(next, here, "admin", "guess"))
		close(wait)
		all.Wait()
	})
}

// limitedTo returns tight with another change.
func limitedTo(change func(*auth.Limit)) auth.Limit {
	l := tight
	change(&l)
	return l
}

func TestWithAppliesTheNewLimitsToBoth(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		limit auth.Limit
		want  time.Duration // the rest of the delay after four failures, three of them in the failed lane: two seconds by tight
		next  time.Duration // the delay after the next failure
	}{
		"the same limit":                  {tight, 2 * time.Second, 4 * time.Second},
		"more free attempts":              {limitedTo(func(l *auth.Limit) { l.FreeAttempts = 8 }), 0, time.Second},
		"fewer free attempts":             {limitedTo(func(l *auth.Limit) { l.FreeAttempts = 1 }), 2 * time.Second, 8 * time.Second},
		"a shorter longest delay":         {limitedTo(func(l *auth.Limit) { l.MaxDelay = time.Second }), time.Second, time.Second},
		"a shorter first delay":           {limitedTo(func(l *auth.Limit) { l.BaseDelay = 100 * time.Millisecond }), 200 * time.Millisecond, 400 * time.Millisecond},
		"a longer delay does not prolong": {limitedTo(func(l *auth.Limit) { l.BaseDelay = 5 * time.Second }), 2 * time.Second, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newAuth(t, auth.Options{AccountLimit: tight, AddressLimit: loose})
				delays(t, func() error { return try(a, here, "admin", "wrong") }, 2) // three failures, and the delay is over
				wantError(t, try(a, here, "admin", "wrong"), auth.ErrBadCredentials)
				next := with(t, a, auth.Options{AccountLimit: c.limit, AddressLimit: loose})
				if c.want > 0 {
					for _, of := range []*auth.Authenticator{a, next} {
						if got := wantThrottled(t, try(of, here, "admin", "wrong")); got.RetryAfter != c.want {
							t.Errorf("the rest of the delay is %v, want %v", got.RetryAfter, c.want)
						}
					}
				}
				time.Sleep(c.want)
				wantError(t, try(a, here, "admin", "wrong"), auth.ErrBadCredentials)
				if got := wantThrottled(t, try(a, here, "admin", "wrong")); got.RetryAfter != c.next {
					t.Errorf("the next delay is %v, want %v", got.RetryAfter, c.next)
				}
			})
		})
	}
}

func TestWithAppliesTheNewLimitsOfLogins(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]func(auth.LoginLimit) auth.Options{
		"of an account":   func(l auth.LoginLimit) auth.Options { return auth.Options{AccountLogins: l} },
		"from an address": func(l auth.LoginLimit) auth.Options { return auth.Options{AddressLogins: l} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := groupAdmin()
				two := limit(auth.LoginLimit{Burst: 2, PerSecond: 1})
				two.Verifier = p
				a := newAuth(t, two)
				loggedIn := func(times int) {
					t.Helper()
					for range times {
						wantError(t, try(a, here, "admin", "secret"), nil)
					}
					got := wantThrottled(t, try(a, here, "admin", "secret"))
					if got.RetryAfter != time.Second || got.Reason != auth.ReasonLogins || got.Method != auth.MethodToken {
						t.Errorf("refused as %+v", got)
					}
				}
				loggedIn(2)
				a = with(t, a, limit(auth.LoginLimit{Burst: 5, PerSecond: 1}))
				loggedIn(3)
				if n := p.asked.Load(); n != 2 {
					t.Errorf("the platform was asked %d times about what was refused", n-2)
				}
			})
		})
	}
}

// Fewer records forget no account under delay.
func TestWithBoundsTheRecordsOfBoth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuth(t, auth.Options{AccountLimit: tight, AddressLimit: loose})
		users := []string{"first", "second"}
		for _, user := range users {
			fail(t, a, here, user, 1)
			fail(t, a, there, user, 1)
		}
		with(t, a, auth.Options{AccountLimit: limitedTo(func(l *auth.Limit) { l.Records = 1 }), AddressLimit: loose})
		for _, user := range users {
			wantThrottled(t, try(a, netip.MustParseAddr("203.0.113.9"), user, "secret"))
		}
	})
}

func TestWithSharesLoggedOutTokens(t *testing.T) {
	t.Parallel()
	o := auth.Options{Keys: []auth.Key{oldKey}}
	a := newAuth(t, o)
	s := []auth.Session{login(t, a), login(t, a), login(t, a)}
	logout := func(at *auth.Authenticator, i int) {
		t.Helper()
		if _, _, err := at.Logout(bearer(s[i].Token)); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(at *auth.Authenticator, i int) {
		t.Helper()
		_, err := at.Authenticate(bearer(s[i].Token), here)
		wantError(t, err, auth.ErrBadCredentials)
	}
	logout(a, 0)
	next := with(t, a, auth.Options{Keys: []auth.Key{newKey, oldKey}})
	logout(a, 1)
	logout(next, 2)
	for i := range s {
		refused(a, i)
		refused(next, i)
	}
	with(t, next, auth.Options{Keys: o.Keys, Revocations: auth.NewRevocations()})
	for i := range s {
		refused(a, i)
	}
}

func TestWithKeepsARandomKey(t *testing.T) {
	t.Parallel()
	a := newAuth(t, auth.Options{})
	s := login(t, a)
	next := with(t, a, auth.Options{})
	if _, err := next.Authenticate(bearer(s.Token), here); err != nil {
		t.Errorf("the random key has changed: %v", err)
	}
	given := with(t, next, auth.Options{Keys: []auth.Key{newKey}})
	_, err := given.Authenticate(bearer(s.Token), here)
	wantError(t, err, auth.ErrBadCredentials)
	random := with(t, given, auth.Options{})
	_, err = random.Authenticate(bearer(s.Token), here)
	wantError(t, err, auth.ErrBadCredentials)
	if !next.EphemeralKey() || given.EphemeralKey() || !random.EphemeralKey() {
		t.Error("EphemeralKey is wrong")
	}
	if _, err := a.Authenticate(bearer(s.Token), here); err != nil {
		t.Errorf("the first one has changed: %v", err)
	}
}

func TestWithUsesTheNewOptionsForTheSuccessorOnly(t *testing.T) {
	t.Parallel()
	t.Run("keys", func(t *testing.T) {
		t.Parallel()
		a := newAuth(t, auth.Options{Keys: []auth.Key{oldKey}})
		s := login(t, a)
		next := with(t, a, auth.Options{Keys: []auth.Key{newKey}})
		_, err := next.Authenticate(bearer(s.Token), here)
		wantError(t, err, auth.ErrBadCredentials)
		_, err = a.Authenticate(bearer(login(t, next).Token), here)
		wantError(t, err, auth.ErrBadCredentials)
		if _, err := a.Authenticate(bearer(s.Token), here); err != nil {
			t.Error(err)
		}
	})
	t.Run("audience, also for tokens that were verified", func(t *testing.T) {
		t.Parallel()
		for name, keys := range map[string][]auth.Key{"keys": {oldKey}, "a random key": nil} {
			a := newAuth(t, auth.Options{Keys: keys})
			s := login(t, a)
			if _, err := a.Authenticate(bearer(s.Token), here); err != nil {
				t.Fatal(err)
			}
			other := with(t, a, auth.Options{Keys: keys, Audience: "other"})
			_, err := other.Authenticate(bearer(s.Token), here)
			wantError(t, err, auth.ErrBadCredentials)
			for _, again := range []*auth.Authenticator{a, with(t, other, auth.Options{Keys: keys})} {
				if _, err := again.Authenticate(bearer(s.Token), here); err != nil {
					t.Errorf("with %s: %v", name, err)
				}
			}
		}
	})
	t.Run("lifetime of tokens", func(t *testing.T) {
		t.Parallel()
		a := newAuth(t, auth.Options{TokenTTL: time.Hour})
		next := with(t, a, auth.Options{TokenTTL: time.Minute})
		if got, before := login(t, next).ExpiresIn, login(t, a).ExpiresIn; got != time.Minute || before != time.Hour {
			t.Errorf("%v, and %v before", got, before)
		}
	})
	t.Run("cookie", func(t *testing.T) {
		t.Parallel()
		a := newAuth(t, auth.Options{})
		next := with(t, a, auth.Options{InsecureCookie: true, SameSite: http.SameSiteLaxMode})
		if c := next.ClearCookie(); c.Secure || c.SameSite != http.SameSiteLaxMode {
			t.Errorf("the cookie is %v", c)
		}
		if c := a.ClearCookie(); !c.Secure || c.SameSite != http.SameSiteStrictMode {
			t.Errorf("the cookie before is %v", c)
		}
	})
	t.Run("trusted origins", func(t *testing.T) {
		t.Parallel()
		a := newAuth(t, auth.Options{})
		next := with(t, a, auth.Options{TrustedOrigins: []string{"https://portal.example.com"}})
		from := request(http.MethodPost, "Origin", "https://portal.example.com", "Sec-Fetch-Site", "cross-site")
		wantError(t, a.CheckOrigin(from), auth.ErrCrossOrigin)
		wantError(t, next.CheckOrigin(from), nil)
	})
	t.Run("verifier and reserved users", func(t *testing.T) {
		t.Parallel()
		before, after := groupAdmin(), groupAdmin()
		a := newAuth(t, auth.Options{Verifier: before})
		next := with(t, a, auth.Options{Verifier: after, ReservedUsers: []string{"gateway"}})
		wantError(t, try(a, here, "gateway", "secret"), nil)
		wantError(t, try(next, here, "gateway", "secret"), auth.ErrBadCredentials)
		wantError(t, try(next, here, "admin", "secret"), nil)
		if before.asked.Load() != 1 || after.asked.Load() != 2 { // for the reserved user with random credentials
			t.Errorf("the verifiers were asked %d and %d times", before.asked.Load(), after.asked.Load())
		}
	})
	t.Run("clients", func(t *testing.T) {
		t.Parallel()
		a := newAuth(t, auth.Options{Clients: []auth.Client{portal(t)}})
		next := with(t, a, auth.Options{})
		r := request(http.MethodGet, "Authorization", basic("portal", portalSecret))
		if _, err := a.Authenticate(r, here); err != nil {
			t.Error(err)
		}
		_, err := next.Authenticate(r, here)
		wantError(t, err, auth.ErrBadCredentials)
		if len(a.Challenges(r)) != 2 || len(next.Challenges(r)) != 1 {
			t.Errorf("challenges %q, and %q before", next.Challenges(r), a.Challenges(r))
		}
	})
}

func TestWithCarriesTheExternalIssuerOver(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	a := newExternalAuth(t, issuerOptions(from))
	token := auth.Secret(from.Sign(from.Keys()[0], nil, from.Claims(nil)))
	next := with(t, a.Authenticator, auth.Options{})
	if _, err := next.Authenticate(bearer(token), here); err != nil {
		t.Fatal(err)
	}
	next.ReplaceIssuer(nil)
	_, err := next.Authenticate(bearer(token), here)
	wantError(t, err, auth.ErrBadCredentials)
	a.accept(string(token))
	if _, _, err := a.Logout(bearer(token)); err != nil {
		t.Fatal(err)
	}
	_, err = with(t, a.Authenticator, auth.Options{}).Authenticate(bearer(token), here)
	wantError(t, err, auth.ErrBadCredentials)
}

// TestWithConcurrentRequests makes successors while requests use them and their
// predecessors.
func TestWithConcurrentRequests(t *testing.T) {
	t.Parallel()
	options := []auth.Options{
		{Keys: []auth.Key{oldKey}, Clients: []auth.Client{portal(t)}, AccountLimit: loose, AddressLimit: loose, Verifier: groupAdmin()},
		{
			Keys: []auth.Key{newKey, oldKey}, Clients: []auth.Client{portal(t)}, AccountLimit: loose, AddressLimit: narrow, Verifier: groupAdmin(),
			HashConcurrency: 1, Audience: "ocigate", TokenTTL: time.Minute,
		},
	}
	options[1].Clients[0].TenantID = "Other"
	a := newAuth(t, options[0])
	always := login(t, a).Token
	var current sync.Map
	current.Store(0, a)
	ctx, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for ctx.Err() == nil {
				stored, _ := current.Load(0)
				at, _ := stored.(*auth.Authenticator)
				if _, err := at.Authenticate(bearer(always), here); err != nil {
					t.Error(err)
				}
				if _, err := at.Authenticate(request(http.MethodGet, "Authorization", basic("portal", portalSecret)), here); err != nil {
					t.Error(err)
				}
				_ = try(at, netip.Addr{}, "someone", "wrong")
				s, err := at.Login(ctx, here, "admin@example.com", "secret")
				if err != nil {
					continue // canceled
				}
				if _, _, err := at.Logout(bearer(s.Token)); err != nil {
					t.Error(err)
				}
				stored, _ = current.Load(0)
				at, _ = stored.(*auth.Authenticator)
				if _, err := at.Authenticate(bearer(s.Token), here); !errors.Is(err, auth.ErrBadCredentials) {
					t.Errorf("a logged-out token: %v", err)
				}
			}
		})
	}
	for i := range 100 {
		a = with(t, a, options[i%2])
		current.Store(0, a)
	}
	cancel()
	callers.Wait()
}
