package auth_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ocigate/gateway/auth"
)

// These tests specify how long a token stays revoked, and what the set of revoked tokens
// costs. A replica or a restarted process is an Authenticator with the same keys, to whose
// set a test gives the revocations that another one returned.

// anyone accepts every password, and returns the name of the login as the user.
func anyone() verifierFunc {
	return func(_ context.Context, userID, _ string) (auth.Identity, error) {
		return auth.Identity{LoginType: "System", UserID: userID}, nil
	}
}

// as logs a user in.
func as(t testing.TB, a *auth.Authenticator, user string) auth.Session {
	t.Helper()
	s, err := a.Login(context.Background(), here, user, "secret")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// logout logs a session out, and returns the revocation.
func logout(t testing.TB, a *auth.Authenticator, s auth.Session) auth.Revocation {
	t.Helper()
	_, v, err := a.Logout(bearer(s.Token))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func wantRevoked(t testing.TB, a *auth.Authenticator, s auth.Session) {
	t.Helper()
	if _, err := a.Authenticate(bearer(s.Token), here); !errors.Is(err, auth.ErrBadCredentials) {
		t.Errorf("a revoked token: %v", err)
	}
}

func wantAccepted(t testing.TB, a *auth.Authenticator, s auth.Session) {
	t.Helper()
	if _, err := a.Authenticate(bearer(s.Token), here); err != nil {
		t.Errorf("a valid token: %v", err)
	}
}

// unlimited is a limit of logins that no test reaches.
var unlimited = auth.LoginLimit{Burst: 1 << 20, PerSecond: 1e6}

// replica returns an Authenticator of another process with the same keys, and its set.
func replica(t testing.TB) (*auth.Authenticator, *auth.Revocations) {
	t.Helper()
	set := auth.NewRevocations()
	return newAuth(t, auth.Options{Verifier: anyone(), Keys: []auth.Key{newKey}, Revocations: set, AccountLogins: unlimited, AddressLogins: unlimited}), set
}

func TestTokenStaysRevokedAfterLogoutsOfOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, set := replica(t)
		set.Load(nil)
		ended := as(t, a, "victim")
		logout(t, a, ended)
		for i := range 1000 {
			logout(t, a, as(t, a, fmt.Sprint("user", i)))
		}
		for i := range 99_000 {
			set.RevokeNew(fmt.Sprint("user", i%1000))
		}
		wantRevoked(t, a, ended)
		if n := set.Len(); n > 1000*65+1 {
			t.Errorf("%d entries for 1,001 users", n)
		}
		time.Sleep(15*time.Minute + 9*time.Second) // until the end of its leeway
		wantRevoked(t, a, ended)
	})
}

func TestRevocationsAreRemovedByExpiryOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, set := replica(t)
		set.Load(nil)
		v := logout(t, a, as(t, a, "user"))
		if lasts := time.Until(v.Expires); lasts <= 15*time.Minute+10*time.Second || lasts > 16*time.Minute {
			t.Errorf("it lasts %v for a token of 15m", lasts)
		}
		time.Sleep(time.Until(v.Expires) - time.Millisecond)
		set.Load(nil)
		if set.Len() != 1 {
			t.Error("it is gone before its time")
		}
		time.Sleep(time.Minute)
		set.Load(nil)
		if n := set.Len(); n != 0 {
			t.Errorf("%d entries are left", n)
		}
	})
}

func TestRevokedTokensOfOneUserAreCapped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, set := replica(t)
		set.Load(nil)
		other, before := as(t, a, "other"), as(t, a, "User")
		logout(t, a, as(t, a, "other"))
		time.Sleep(time.Second)
		var ended []auth.Session
		var kept []auth.Revocation
		for range 64 {
			ended = append(ended, as(t, a, "user"))
			kept = append(kept, logout(t, a, ended[len(ended)-1]))
		}
		wantAccepted(t, a, before)
		ended = append(ended, as(t, a, "USER"))
		last := logout(t, a, ended[64])
		if last.Token != "" || last.Principal != auth.UserPrincipal("user") || set.Len() != 2 {
			t.Errorf("%d entries, the last is %+v", set.Len(), last)
		}
		after := as(t, a, "user") // in the same second
		for _, s := range append(ended, before) {
			wantRevoked(t, a, s)
		}
		wantAccepted(t, a, after)
		wantAccepted(t, a, other)
		// And at another replica, which knows only what was kept.
		b, there := replica(t)
		there.Load(append(kept, last))
		for _, s := range append(ended, before) {
			wantRevoked(t, b, s)
		}
		wantAccepted(t, b, after)
		wantAccepted(t, b, other)
		// The tokens that are revoked later are revoked as well, although iat is the same.
		for range 65 {
			logout(t, a, as(t, a, "user"))
		}
		wantRevoked(t, a, after)
		time.Sleep(time.Until(last.Expires) - time.Second)
		set.Load(nil)
		if set.Len() == 0 {
			t.Error("the entry of the user is gone before its time")
		}
	})
}

func TestRevocationOfAllTokensOfAUser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, set := replica(t)
		b, there := replica(t)
		set.Load(nil)
		there.Load(nil)
		early := as(t, a, "Leaver@example.com")
		time.Sleep(time.Second)
		other := as(t, a, "stayer@example.com")
		now := time.Now().Add(10 * time.Second) // as if another clock were ahead
		v := auth.Revocation{Principal: auth.UserPrincipal("leaver@EXAMPLE.com"), Issued: now, Expires: now.Add(24 * time.Hour)}
		set.Load([]auth.Revocation{v})
		late := as(t, a, "leaver@example.com")
		unaware := as(t, b, "leaver@example.com") // at a replica that does not know yet
		there.Load([]auth.Revocation{v})
		for _, at := range []*auth.Authenticator{a, b} {
			wantRevoked(t, at, early)
			wantRevoked(t, at, unaware)
			wantAccepted(t, at, late)
			wantAccepted(t, at, other)
		}
		logout(t, b, late)
		wantRevoked(t, b, late)
	})
}

func TestTokensAreRefusedUntilRevocationsAreRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, set := replica(t)
		set.Load(nil)
		ended, other := as(t, a, "user"), as(t, a, "user")
		v := logout(t, a, ended)
		time.Sleep(2 * time.Second)
		restarted, set := replica(t)
		for _, s := range []auth.Session{ended, other} {
			_, err := restarted.Authenticate(bearer(s.Token), here)
			wantError(t, err, auth.ErrRevocationsUnread)
			if errors.Is(err, auth.ErrBadCredentials) {
				t.Error("a token of which nothing is known is called bad")
			}
		}
		wantAccepted(t, restarted, as(t, restarted, "user"))
		set.Load([]auth.Revocation{v})
		wantRevoked(t, restarted, ended)
		wantAccepted(t, restarted, other)
		// With a random key no earlier token exists, and nothing has to be read.
		random := newAuth(t, auth.Options{Verifier: anyone(), Revocations: auth.NewRevocations()})
		wantAccepted(t, random, as(t, random, "user"))
	})
}

func TestPrincipalsOfRevocationsDiffer(t *testing.T) {
	t.Parallel()
	if auth.UserPrincipal("Ann@Example.com") != auth.UserPrincipal("ann@example.com") {
		t.Error("letter case counts")
	}
	// The limits of logins take these for one account, too.
	if auth.UserPrincipal("ann@example.com.") != auth.UserPrincipal("ann@example.com") || auth.UserPrincipal("ann@") != auth.UserPrincipal("ann") {
		t.Error("the end of the domain counts")
	}
	if auth.UserPrincipal("ann") == auth.UserPrincipal("ann@example.com") {
		t.Error("the domain does not count")
	}
	if p := auth.UserPrincipal("https://issuer.example#ann"); strings.HasPrefix(p, "external ") {
		t.Errorf("the user has the principal %s", p)
	}
}

// TestMemoryOfRevokedTokens reports what the set needs for a user with as many revoked
// tokens as are listed.
func TestMemoryOfRevokedTokens(t *testing.T) {
	const users = 1000
	set := auth.NewRevocations()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range users * 64 {
		set.RevokeNew(fmt.Sprint("user", i%users))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	perUser := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / users
	t.Logf("%d entries of %d users: %d bytes for each user", set.Len(), users, perUser)
	if perUser > 24<<10 {
		t.Errorf("%d bytes for each user, want 24 KiB at most", perUser)
	}
}
