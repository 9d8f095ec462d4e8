package auth_test

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"ocigate/gateway/auth"
	"ocigate/gateway/auth/issuertest"
)

// These tests specify how the keys of an external issuer are fetched, from a server.
// Times are specified in oidc_refresh_internal_test.go. To add a broken issuer, add an
// entry to TestBrokenIssuer.

func TestKeysAreRotated(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	a := newExternalAuth(t, issuerOptions(from))
	before := from.Token(values{"iat": -time.Minute})
	a.accept(before)
	second := issuertest.NewKey(t, "second", "EdDSA")
	from.SetKeys(append(from.Keys(), second)...)
	a.waitForInterval()
	a.accept(from.Token(nil)) // its key is unknown, and fetched
	a.accept(before)
	if n := from.Requests(issuertest.KeysPath); n != 2 {
		t.Errorf("%d fetches, want 2", n)
	}
	third := issuertest.NewKey(t, "third", "RS256")
	from.SetKeys(second, third) // without the first
	a.waitForInterval()
	a.accept(from.Token(nil))
	a.reject(before, "no such key") // although it was in the cache
}

func TestKeyThatWasReplacedUnderItsIDIsGone(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	a := newExternalAuth(t, issuerOptions(from))
	before := from.Token(nil)
	a.accept(before)
	from.SetKeys(issuertest.NewKey(t, "first", "ES256"), issuertest.NewKey(t, "second", "ES256"))
	a.waitForInterval()
	a.accept(from.Token(nil))
	a.reject(before, "signature")
}

func TestIssuerIsDownAtTheStart(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	from.SetDown(true)
	a := newExternalAuth(t, issuerOptions(from))
	a.postpone(from.Token(nil))
	if f := a.nextFetch(); f.Err == nil || f.RetryIn != time.Second {
		t.Errorf("the first fetch: %+v", f)
	}
	a.postpone(from.Token(nil)) // without waiting for another fetch
	if s := a.issuer.Stats(); s.Failed == 0 || s.Fetched != 0 || !s.LastFetched.IsZero() || s.Keys != 0 {
		t.Errorf("%+v", s)
	}
	login(t, a.Authenticator) // others are not affected
	from.SetDown(false)
	f := a.nextFetch()
	for f.Err != nil { // it began before the issuer was there
		f = a.nextFetch()
	}
	if !f.Recovered || !f.Changed || !slices.Equal(f.Keys, []string{"first"}) {
		t.Errorf("the fetch that succeeds: %+v", f)
	}
	a.accept(from.Token(nil))
}

func TestIssuerIsDownLater(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	a := newExternalAuth(t, issuerOptions(from))
	a.accept(from.Token(nil))
	from.SetDown(true)
	// A token of an unknown key makes the fetch fail. It may be valid.
	a.waitForInterval()
	a.postpone(from.Sign(issuertest.NewKey(t, "second", "ES256"), nil, from.Claims(nil)))
	if s := a.issuer.Stats(); s.Failed == 0 || s.Keys != 1 {
		t.Errorf("%+v", s)
	}
	a.accept(from.Token(nil))
	a.accept(from.Token(values{"sub": "bob"}))
}

// reply returns a handler that writes a text.
func reply(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text)) // the client may have left
	}
}

func TestBrokenIssuer(t *testing.T) {
	t.Parallel()
	const discovery, keys = issuertest.DiscoveryPath, issuertest.KeysPath
	endless := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write([]byte(strings.Repeat(" ", 1<<16))); err != nil {
				return
			}
		}
	}
	for name, c := range map[string]struct {
		path    string
		handler http.HandlerFunc
		cause   string
	}{
		"has no discovery document":       {discovery, http.NotFound, "status 404"},
		"has a discovery document of 500": {discovery, reply(500, `{}`), "status 500"},
		"has garbage for discovery":       {discovery, reply(200, `<html>`), "discovery: the document is not valid"},
		"has an empty discovery document": {discovery, reply(200, ``), "discovery: the document is not valid"},
		"has a huge discovery document":   {discovery, endless, "more than 1048576 bytes"},
		"is another issuer":               {discovery, reply(200, `{"issuer":"https://other.example.com","jwks_uri":"https://other.example.com/keys"}`), `of issuer "https://other.example.com"`},
		"has no address of its keys":      {discovery, reply(200, `{"issuer":"URL"}`), "jwks_uri is not an address"},
		"has its keys elsewhere":          {discovery, reply(200, `{"issuer":"URL","jwks_uri":"/keys"}`), "jwks_uri is not an address"},
		"has its keys without TLS":        {discovery, reply(200, `{"issuer":"URL","jwks_uri":"http://127.0.0.1:1/keys"}`), "jwks_uri must begin with https://"},
		"has its keys in a file":          {discovery, reply(200, `{"issuer":"URL","jwks_uri":"file://host/etc/passwd"}`), "jwks_uri must begin with https://"},
		"redirects":                       {discovery, http.RedirectHandler(keys, http.StatusFound).ServeHTTP, "redirects are not followed"},
		"redirects for its keys":          {keys, http.RedirectHandler("/else", http.StatusFound).ServeHTTP, "redirects are not followed"},
		"has garbage for keys":            {keys, reply(200, `keys`), "the key set is not valid"},
		"has huge keys":                   {keys, endless, "more than 1048576 bytes"},
		"has no keys":                     {keys, reply(200, `{"keys":[]}`), "no usable key"},
		"has null for keys":               {keys, reply(200, `null`), "no usable key"},
		"has only a secret key":           {keys, reply(200, `{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`), "no usable key"},
		"has too many keys":               {keys, reply(200, `{"keys":[`+strings.Repeat(`{},`, 100)+`{}]}`), "more than 100"},
		"has a huge header": {discovery, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-More", strings.Repeat("x", 1<<17))
		}, "header"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := issuertest.New(t)
			from.Handle(c.path, withURL(from, c.handler))
			a := newExternalAuth(t, issuerOptions(from))
			a.postpone(from.Token(nil))
			f := a.nextFetch()
			if f.Err == nil || !strings.Contains(f.Err.Error(), c.cause) || len(f.Err.Error()) > 1000 {
				t.Errorf("the fetch failed with %v, want %q", f.Err, c.cause)
			}
		})
	}
}

// withURL returns a handler that replaces URL in a body with the issuer's.
func withURL(from *issuertest.Issuer, handler http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { handler(replacer{w, from.URL}, r) }
}

type replacer struct {
	http.ResponseWriter
	url string
}

func (r replacer) Write(text []byte) (int, error) {
	_, err := r.ResponseWriter.Write([]byte(strings.ReplaceAll(string(text), `"URL"`, `"`+r.url+`"`)))
	return len(text), err
}

func TestSlowIssuer(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	from.Handle(issuertest.KeysPath, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	o := issuerOptions(from)
	o.Timeout = 50 * time.Millisecond
	a := newExternalAuth(t, o)
	a.postpone(from.Token(nil))
	if f := a.nextFetch(); f.Err == nil {
		t.Error("the fetch succeeded")
	}
}

func TestIssuerWithAnUnknownCertificate(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	for cause, roots := range map[string]func() (*x509.CertPool, error){
		"certificate": nil,
		"no file":     func() (*x509.CertPool, error) { return nil, errors.New("no file") },
	} {
		o := issuerOptions(from)
		o.RootCAs = roots
		a := newExternalAuth(t, o)
		a.postpone(from.Token(nil))
		if f := a.nextFetch(); f.Err == nil || !strings.Contains(f.Err.Error(), cause) {
			t.Errorf("the fetch failed with %v, want %q", f.Err, cause)
		}
	}
}

func TestUnusableKeysAreLeftOut(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	good := from.Keys()[0]
	encryption := issuertest.NewKey(t, "encryption", "RS256").JWK()
	encryption.Use = "enc"
	private := issuertest.NewKey(t, "private", "ES256")
	privateJWK := private.JWK()
	privateJWK.Key = private.Private
	from.Handle(issuertest.KeysPath, func(w http.ResponseWriter, _ *http.Request) {
		short := base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("\xff", 128)))
		issuertest.WriteJSON(w, map[string]any{"keys": []any{
			map[string]any{"kty": "oct", "kid": "first", "k": "c2VjcmV0"},
			map[string]any{"kty": "RSA", "kid": "short", "n": short, "e": "AQAB"},
			map[string]any{"kty": "OKP", "crv": "Ed448", "kid": "newer", "x": "AA"},
			map[string]any{"kty": "EC", "crv": "P-256", "kid": "off the curve", "x": good.ID, "y": "AA"},
			map[string]any{"kty": "AKP", "kid": "newest"},
			"text", nil, 7, encryption, privateJWK, good.JWK(),
			issuertest.NewKey(t, "other", "ES512").JWK(),
			map[string]any{"kty": "EC", "crv": "P-256", "kid": "first", "alg": "HS256", "x": "AA", "y": "AA"},
		}})
	})
	a := newExternalAuth(t, issuerOptions(from))
	a.accept(from.Token(nil))
	f := a.nextFetch()
	if !slices.Equal(f.Keys, []string{"first"}) || len(f.Unusable) != 12 {
		t.Errorf("keys %q, unusable %d: %q", f.Keys, len(f.Unusable), f.Unusable)
	}
	a.reject(from.Sign(private, nil, from.Claims(values{"iat": -time.Hour})), "no such key")
	a.reject(string(forge(t, jwt.SigningMethodHS256, []byte("secret"), values{"kid": "first"}, from.Claims(nil))), "signing method")
}

func TestFirstRequestsShareOneFetch(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	a := newExternalAuth(t, issuerOptions(from))
	var all sync.WaitGroup
	for n := range 300 {
		token := from.Token(values{"sub": fmt.Sprint("user", n)})
		all.Go(func() {
			if p, err := a.authenticate(token); err != nil || p.Name != fmt.Sprintf("%s#user%d", from.URL, n) {
				t.Errorf("principal %+v, error %v", p, err)
			}
		})
	}
	all.Wait()
	if n := from.Requests(issuertest.KeysPath); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

func TestRandomKeysCauseNoFetches(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	o := issuerOptions(from)
	o.UnknownKeyInterval, o.Skew = time.Hour, time.Minute
	a := newExternalAuth(t, o)
	a.accept(from.Token(nil))
	key := issuertest.NewKey(t, "", "ES256")
	var all sync.WaitGroup
	for n := range 200 {
		key.ID = fmt.Sprint("random ", n)
		old, recent := from.Sign(key, nil, from.Claims(values{"iat": -time.Hour})), from.Sign(key, nil, from.Claims(values{"iat": 10 * time.Second}))
		all.Go(func() {
			a.reject(old, "no such key")
			a.postpone(recent) // its key may have been added after the last fetch
		})
	}
	all.Wait()
	a.accept(from.Token(nil))
	if n := from.Requests(issuertest.KeysPath); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

func TestTokensThatCannotBeValidCauseNoFetch(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	a := newExternalAuth(t, issuerOptions(from))
	a.accept(from.Token(nil))
	key := issuertest.NewKey(t, "unknown", "ES256")
	for _, claims := range []values{{"aud": "other"}, {"exp": -time.Hour}, {"exp": nil}, {"nbf": time.Hour}} {
		a.reject(from.Sign(key, nil, from.Claims(claims)), "")
	}
	a.reject(from.Sign(key, values{"typ": "logout+jwt"}, from.Claims(nil)), "typ")
	if n := from.Requests(issuertest.KeysPath); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

func TestIssuerOverHTTPOnLoopback(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"https://sso.example.com/realms/x": "", "http://127.0.0.1:5556/dex": "", "http://[::1]:1": "", "http://localhost": "",
		"http://sso.example.com": "must begin with https://", "ftp://localhost": "must begin with https://",
		"https://sso.example.com?x": "query", "https://sso.example.com#x": "query", "https://u:p@sso.example.com": "user",
		"": "must be an address", "sso.example.com": "must be an address", "https://": "must be an address", "ocigate": "must be an address",
		"https://sso.example.com/a b": "blanks",
	} {
		if got := auth.IssuerURLProblem(url); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", url, got, want)
		}
	}
}
