package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"ocigate/gateway/auth"
	"ocigate/translate/errcode"
)

// The bounded memory of the limits: a user gains nothing from being removed from it.

func userNamed(name string) auth.Principal {
	return auth.Principal{Name: name, Method: auth.MethodToken}
}

// allowed returns how many of n requests of a user are allowed.
func (l *callerLimits) allowed(who auth.Principal, n int) int {
	count := 0
	for range n {
		if l.take(who, http.Header{}) == nil {
			count++
		}
	}
	return count
}

func TestRemovedUsersGainNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCallerLimits(CallerLimits{Each: CallerLimit{PerSecond: 1, Burst: 10}, Records: 3})
		if got := l.allowed(userNamed("a"), 20); got != 10 {
			t.Fatalf("%d requests are allowed", got)
		}
		for i, want := range []int{1, 1, 0} { // the third one takes the place of a
			if got := l.allowed(userNamed(fmt.Sprint("other", i)), 1); got != want {
				t.Errorf("%d requests of user %d are allowed, want %d", got, i, want)
			}
		}
		if n := l.users.Len(); n != 3 {
			t.Fatalf("%d buckets, want 3", n)
		}
		if got := l.allowed(userNamed("a"), 20); got != 0 {
			t.Errorf("%d requests are allowed after the bucket was removed", got)
		}
		time.Sleep(3 * time.Second)
		if got := l.allowed(userNamed("a"), 20); got != 3 {
			t.Errorf("%d requests are allowed after 3 s, want 3", got)
		}
		time.Sleep(time.Minute) // all removed buckets would be full
		if got := l.allowed(userNamed("new"), 20); got != 10 {
			t.Errorf("%d requests are allowed for a new user, want 10", got)
		}
	})
}

// Clients are not removed, however many users there are.
func TestClientsKeepTheirBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCallerLimits(CallerLimits{Each: CallerLimit{PerSecond: 1, Burst: 2}, Records: 1})
		client := auth.Principal{Name: "portal", Method: auth.MethodBasic}
		l.allowed(client, 2)
		for i := range 100 {
			l.allowed(userNamed(fmt.Sprint(i)), 1)
		}
		err := l.take(client, http.Header{})
		if failure, ok := errors.AsType[*errcode.Error](err); !ok || failure.Code != errcode.TooManyRequests || failure.RetryAfter != time.Second {
			t.Errorf("the error is %v", err)
		}
	})
}

// A user of the platform has one limit, in whatever letter case they log in. Subjects of an
// issuer are exact.
func TestSpellingsOfAUserAreOneCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCallerLimits(CallerLimits{Each: CallerLimit{PerSecond: 1, Burst: 2}})
		for i, c := range []struct {
			name   string
			method auth.Method
			want   int
		}{
			{"ada", auth.MethodToken, 1}, {"Ada", auth.MethodToken, 1}, {"ADA", auth.MethodCookie, 0},
			{"https://sso.example.com#ada", auth.MethodOIDC, 1}, {"https://sso.example.com#Ada", auth.MethodOIDC, 1}, {"https://sso.example.com#ADA", auth.MethodOIDC, 1},
			{"ada", auth.MethodBasic, 1}, {"Ada", auth.MethodAPIKey, 1}, {"ADA", auth.MethodBasic, 1},
		} {
			if got := l.allowed(auth.Principal{Name: c.name, Method: c.method}, 1); got != c.want {
				t.Errorf("request %d, of %s by %s: %d are allowed, want %d", i, c.name, c.method, got, c.want)
			}
		}
	})
}
