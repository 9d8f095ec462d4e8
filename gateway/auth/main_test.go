package auth_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"ocigate/gateway/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// verifierFunc is a function as a Verifier.
type verifierFunc func(ctx context.Context, userID, password string) (auth.Identity, error)

func (f verifierFunc) Verify(ctx context.Context, userID, password string) (auth.Identity, error) {
	return f(ctx, userID, password)
}

// platform accepts "secret" as the password of every user, and counts its calls.
type platform struct {
	asked    atomic.Int64
	identity auth.Identity
}

func (p *platform) Verify(_ context.Context, _, password string) (auth.Identity, error) {
	p.asked.Add(1)
	if password != "secret" {
		return auth.Identity{}, auth.ErrBadCredentials
	}
	return p.identity, nil
}

func groupAdmin() *platform {
	return &platform{identity: auth.Identity{LoginType: "Group", TenantID: "ApioSpTest", GroupID: "ApioGrpTest", UserID: "admin@example.com"}}
}

var (
	here  = netip.MustParseAddr("192.0.2.1")
	there = netip.MustParseAddr("198.51.100.7")
)

const portalSecret = "correct horse battery staple"

// portalHash is made once, because hashes are slow by design.
var portalHash = sync.OnceValues(func() (string, error) { return auth.Hash(portalSecret) })

func portal(t testing.TB) auth.Client {
	t.Helper()
	h, err := portalHash()
	if err != nil {
		t.Fatal(err)
	}
	return auth.Client{ID: "portal", Hash: auth.Secret(h), Level: auth.TenantAdmin, TenantID: "ApioSpTest"}
}

func newAuth(t testing.TB, o auth.Options) *auth.Authenticator {
	t.Helper()
	if o.Verifier == nil {
		o.Verifier = groupAdmin()
	}
	a, err := auth.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func login(t testing.TB, a *auth.Authenticator) auth.Session {
	t.Helper()
	s, err := a.Login(context.Background(), here, "admin@example.com", "secret")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// request returns a request with headers, given as alternating names and values.
func request(method string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, "https://api.example.com/api/v1/", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func bearer(token auth.Secret) *http.Request {
	return request(http.MethodGet, "Authorization", "Bearer "+string(token))
}

func wantError(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("error %v, want %v", got, want)
	}
}

func wantThrottled(t *testing.T, err error) auth.ThrottledError {
	t.Helper()
	throttled, ok := errors.AsType[*auth.ThrottledError](err)
	if !ok {
		t.Fatalf("error %v, want a ThrottledError", err)
	}
	return *throttled
}
