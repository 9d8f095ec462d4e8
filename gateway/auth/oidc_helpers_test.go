package auth_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"ocigate/gateway/auth"
	"ocigate/gateway/auth/issuertest"
)

// issuerOptions returns options for the tokens of an issuer: a fetch may take as long as a
// busy machine makes it, and unknown keys are fetched as often as the options allow.
func issuerOptions(from *issuertest.Issuer) auth.IssuerOptions {
	return auth.IssuerOptions{
		URL:                from.URL,
		Audiences:          []string{"ocigate"},
		RootCAs:            from.RootCAs,
		Timeout:            time.Minute,
		UnknownKeyInterval: time.Millisecond,
		Claims: auth.ClaimMapping{
			Levels:   []auth.LevelValue{{Value: "ocigate-tenant", Level: auth.TenantAdmin}},
			TenantID: "tenant",
		},
	}
}

// externalAuth is an Authenticator that accepts the tokens of a running issuer.
type externalAuth struct {
	*auth.Authenticator
	t       testing.TB
	issuer  *auth.Issuer
	fetches chan auth.Fetch // the result of each fetch
}

// newExternalAuth starts an issuer's fetches. They end with the test.
func newExternalAuth(t testing.TB, o auth.IssuerOptions) *externalAuth {
	t.Helper()
	fetches := make(chan auth.Fetch, 1000)
	o.Fetched = func(f auth.Fetch) { fetches <- f }
	issuer, err := auth.NewIssuer(o)
	if err != nil {
		t.Fatal(err)
	}
	a := newAuth(t, auth.Options{Keys: []auth.Key{newKey}})
	a.ReplaceIssuer(issuer)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		issuer.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return &externalAuth{Authenticator: a, t: t, issuer: issuer, fetches: fetches}
}

func (a *externalAuth) authenticate(token string) (auth.Principal, error) {
	return a.Authenticate(bearer(auth.Secret(token)), here)
}

// accept fails the test unless the token is accepted.
func (a *externalAuth) accept(token string) auth.Principal {
	a.t.Helper()
	p, err := a.authenticate(token)
	if err != nil {
		a.t.Fatalf("the token was not accepted: %v", err)
	}
	return p
}

// reject fails the test unless the token is not valid, for a reason with that text.
func (a *externalAuth) reject(token, reason string) {
	a.t.Helper()
	p, err := a.authenticate(token)
	if !errors.Is(err, auth.ErrBadCredentials) || !strings.Contains(err.Error(), reason) {
		a.t.Errorf("principal %+v, error %v, want bad credentials: %s", p, err, reason)
	}
}

// postpone fails the test unless the token cannot be verified at the moment.
func (a *externalAuth) postpone(token string) {
	a.t.Helper()
	p, err := a.authenticate(token)
	unavailable, ok := errors.AsType[*auth.UnavailableError](err)
	if !ok || errors.Is(err, auth.ErrBadCredentials) {
		a.t.Errorf("principal %+v, error %v, want an UnavailableError", p, err)
		return
	}
	if unavailable.RetryAfter < time.Second || unavailable.RetryAfter > time.Hour {
		a.t.Errorf("retry after %v", unavailable.RetryAfter)
	}
}

// waitForInterval waits until an unknown key may cause a fetch. The last fetch may have
// taken less time than the interval.
func (a *externalAuth) waitForInterval() {
	a.t.Helper()
	time.Sleep(time.Millisecond)
}

// nextFetch waits for the end of the next fetch.
func (a *externalAuth) nextFetch() auth.Fetch {
	a.t.Helper()
	select {
	case f := <-a.fetches:
		return f
	case <-time.After(time.Minute): // a bound, not a measure
		a.t.Fatal("no fetch in a minute")
		return auth.Fetch{}
	}
}
