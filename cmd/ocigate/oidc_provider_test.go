//go:build linux

package main

import (
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"ocigate/config"
)

// These tests have the gateway accept tokens of an issuer that is not a part of this
// project: the certified library oidc-provider, as testdata/oidc/provider.mjs starts it.
// A new caller, resource or claim needs a line there, and a case in a table here.

func TestOIDCProviderGivesRights(t *testing.T) {
	t.Parallel() // it waits most of the time
	from := startOIDCProvider(t, "rsa-1", "ec-1")
	g := start(t, newPlatform(t).Addr, from.trusted)
	inGroup, inOther, ofTenant := itc("ApioSpTest", "ApioGrpTest", "numbers"), itc("ApioSpTest", "ApioGrpOther", "numbers"), itcOfTenant("ApioSpTest", "numbers")
	foreign := itcOfTenant("ApioEntTest", "prefixes")
	for _, c := range []struct {
		caller, resource string
		path             string
		status           int
		part             string // of the body
	}{
		{"system", ocigateResource, foreign, http.StatusOK, `"prefixes"`},
		{"system", voiceResource, inGroup, http.StatusOK, `"numbers"`},
		{"tenant", ocigateResource, ofTenant, http.StatusOK, `"numbers"`},
		{"tenant", voiceResource, inOther, http.StatusOK, `"numbers"`},
		{"tenant", ocigateResource, foreign, http.StatusForbidden, "FORBIDDEN"},
		{"group", ocigateResource, inGroup, http.StatusOK, `"numbers"`},
		{"group", voiceResource, inOther, http.StatusForbidden, "FORBIDDEN"},
		{"group", ocigateResource, ofTenant, http.StatusForbidden, "FORBIDDEN"},
		{"no-role", ocigateResource, inGroup, http.StatusForbidden, "realm_access.roles has no value that gives a level"},
		{"no-tenant", ocigateResource, inGroup, http.StatusForbidden, "no claim /https:~1~1claims.example.com~1tenant"},
	} {
		t.Run(c.caller+" "+c.path, func(t *testing.T) {
			got := callWith(t, g, http.MethodGet, c.path, from.token(t, c.caller, c.resource), "")
			if got.status != c.status || !strings.Contains(got.body, c.part) {
				t.Errorf("%d %s, want %d and %q", got.status, got.body, c.status, c.part)
			}
		})
	}
	t.Run("a write", func(t *testing.T) {
		before := len(g.log.String())
		got := callWith(t, g, http.MethodPost, inGroup, from.token(t, "tenant", ocigateResource), writeBody)
		if got.status != http.StatusCreated {
			t.Errorf("%d %s", got.status, got.body)
		}
		wantLogged(t, g, before, from.url()+"#tenant")
	})
	endWithoutTokens(t, g, from)
}

func TestOIDCProviderTokensThatAreRefused(t *testing.T) {
	t.Parallel() // it waits most of the time
	from := startOIDCProvider(t, "rsa-1", "ec-1")
	g := start(t, newPlatform(t).Addr, from.trusted)
	good := from.token(t, "system", ocigateResource)
	wantStatus(t, g, good, http.StatusOK)
	t.Run("of another audience", func(t *testing.T) {
		wantRefused(t, g, from.token(t, "system", "https://crm.example.com/"), "audience")
	})
	t.Run("opaque", func(t *testing.T) {
		wantRefused(t, g, from.token(t, "system", ""), "not a JSON Web Token")
	})
	t.Run("expired", func(t *testing.T) {
		token := from.token(t, "short", ocigateResource)
		waitUntilRefused(t, g, token)
		wantRefused(t, g, token, "expired")
	})
	t.Run("changed", func(t *testing.T) {
		parts := strings.Split(good, ".")
		other := strings.Split(from.token(t, "tenant", ocigateResource), ".")
		wantRefused(t, g, parts[0]+"."+other[1]+"."+parts[2], "signature")
	})
	t.Run("without a signature", func(t *testing.T) {
		header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt","kid":"rsa-1"}`))
		wantRefused(t, g, header+"."+strings.Split(good, ".")[1]+".", "not a JSON Web Token")
	})
	t.Run("signed with the public key as a secret", func(t *testing.T) {
		header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"at+jwt","kid":"rsa-1"}`))
		text := header + "." + strings.Split(good, ".")[1]
		for form, secret := range publicForms(t, from) {
			t.Run(form, func(t *testing.T) {
				mac := hmac.New(sha256.New, secret)
				mac.Write([]byte(text))
				wantRefused(t, g, text+"."+base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), "signing method HS256 is invalid")
			})
		}
	})
	wantStatus(t, g, good, http.StatusOK)
	endWithoutTokens(t, g, from)
}

// publicForms returns the published key rsa-1 in each form that a verifier could mistake for
// a secret.
func publicForms(t *testing.T, from *oidcProvider) map[string][]byte {
	t.Helper()
	var set struct{ Keys []json.RawMessage }
	from.get(t, "/jwks", &set)
	for _, raw := range set.Keys {
		var key struct{ Kid, N, E string }
		if err := json.Unmarshal(raw, &key); err != nil {
			t.Fatal(err)
		}
		if key.Kid != "rsa-1" {
			continue
		}
		n, err := base64.RawURLEncoding.DecodeString(key.N)
		if err != nil || key.E != "AQAB" {
			t.Fatalf("the key %s: %v", raw, err)
		}
		public := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		return map[string][]byte{
			"JWK": raw, "n": n, "n in base64url": []byte(key.N), "DER": der, "PKCS #1": x509.MarshalPKCS1PublicKey(public),
			"PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		}
	}
	t.Fatal("the issuer does not publish rsa-1")
	return nil
}

// TestOIDCProviderReplacesItsKeys adds a key, and then removes the first ones. The second
// gateway gets no token with a new key: it learns of the change by its regular fetch.
func TestOIDCProviderReplacesItsKeys(t *testing.T) {
	t.Parallel() // it waits most of the time
	from := startOIDCProvider(t, "rsa-1", "ec-1")
	platform := newPlatform(t).Addr
	g := start(t, platform, from.trusted)
	regular := start(t, platform, func(c *config.Config) {
		from.trusted(c)
		c.Auth.OIDC.Refresh = time.Second // shorter than a configuration can have
		c.Auth.OIDC.Claims.Level = "scope"
		c.Auth.OIDC.Claims.Levels = []config.OIDCLevel{{Value: "ocigate.tenant", Level: config.OIDCTenant}}
	})
	first, firstEC := from.token(t, "tenant", ocigateResource), from.token(t, "tenant", voiceResource)
	fresh := from.token(t, "tenant", ocigateResource) // not verified before the change
	for _, token := range []string{first, firstEC} {
		wantStatus(t, g, token, http.StatusOK)
		wantStatus(t, regular, token, http.StatusOK)
	}

	from.restart(t, "rsa-2", "rsa-1", "ec-1")
	second := from.token(t, "tenant", ocigateResource)
	if keyID(t, second) != "rsa-2" {
		t.Fatalf("the issuer signs with %s", keyID(t, second))
	}
	wantStatus(t, g, second, http.StatusOK)
	for _, token := range []string{first, firstEC, fresh} {
		wantStatus(t, g, token, http.StatusOK)
	}

	from.restart(t, "rsa-2", "ec-2")
	wantStatus(t, g, from.token(t, "tenant", voiceResource), http.StatusOK) // of ec-2, so the keys are fetched
	for _, token := range []string{first, firstEC, fresh} {
		wantStatus(t, g, token, http.StatusUnauthorized)
		waitUntilRefused(t, regular, token)
	}
	wantRefused(t, g, first, "the issuer has no such key")
	wantRefused(t, regular, first, "the issuer has no such key")
	wantStatus(t, g, second, http.StatusOK)
	wantStatus(t, regular, second, http.StatusOK)
	endWithoutTokens(t, g, from)
	endWithoutTokens(t, regular, from)
}

// TestOIDCProviderCannotBeReached stops the issuer after it has begun to sign with a key that
// the gateway does not have yet.
func TestOIDCProviderCannotBeReached(t *testing.T) {
	t.Parallel() // it waits most of the time
	for name, c := range map[string]struct {
		down, up func(*testing.T, *oidcProvider)
	}{
		"stopped": {
			func(_ *testing.T, from *oidcProvider) { from.process.kill() },
			func(t *testing.T, from *oidcProvider) { from.restart(t, "rsa-2", "rsa-1") },
		},
		"unresponsive": {
			func(t *testing.T, from *oidcProvider) { from.signal(t, syscall.SIGSTOP) },
			func(t *testing.T, from *oidcProvider) { from.signal(t, syscall.SIGCONT) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := startOIDCProvider(t, "rsa-1")
			g := start(t, newPlatform(t).Addr, func(c *config.Config) {
				from.trusted(c)
				c.Auth.OIDC.Timeout = time.Second
			})
			known, fresh := from.token(t, "tenant", ocigateResource), from.token(t, "tenant", ocigateResource)
			wantStatus(t, g, known, http.StatusOK)
			from.restart(t, "rsa-2", "rsa-1")
			unknown := from.token(t, "tenant", ocigateResource)
			c.down(t, from)

			// Until the first fetch fails, the last one may be too recent for another.
			for !strings.Contains(g.log.String(), "the keys of the external issuer could not be fetched") {
				time.Sleep(wantUnavailable(t, g, unknown))
			}
			wantUnavailable(t, g, unknown)
			for _, token := range []string{known, fresh} {
				if got := callWith(t, g, http.MethodGet, writePath, token, ""); got.status != http.StatusOK {
					t.Errorf("a token of a key that the gateway has: %d %s", got.status, got.body)
				}
			}
			if status, body := ask(t, http.MethodGet, "http://"+g.admin+"/readyz", ""); status != http.StatusOK {
				t.Errorf("readyz: %d %s", status, body)
			}

			c.up(t, from)
			for _, token := range []string{unknown, known, fresh, from.token(t, "tenant", ocigateResource)} {
				wantStatus(t, g, token, http.StatusOK)
			}
			endWithoutTokens(t, g, from)
		})
	}
}

// wantUnavailable makes a call whose token cannot be verified at the moment. It returns the
// time after which the gateway asks to repeat the call.
func wantUnavailable(t *testing.T, g *running, token string) time.Duration {
	t.Helper()
	got := callWith(t, g, http.MethodGet, writePath, token, "")
	if got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "ISSUER_UNAVAILABLE") || got.retryAfter < 1 {
		t.Fatalf("%d %s, Retry-After %d", got.status, got.body, got.retryAfter)
	}
	return time.Duration(got.retryAfter) * time.Second
}

// waitUntilRefused makes calls until the token is not accepted any more.
func waitUntilRefused(t *testing.T, g *running, token string) {
	t.Helper()
	for range 1200 {
		if callWith(t, g, http.MethodGet, writePath, token, "").status == http.StatusUnauthorized {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the token is still accepted")
}

// wantStatus makes a call, as often as the gateway asks to repeat it, and checks the status
// of the last response.
func wantStatus(t *testing.T, g *running, token string, status int) {
	t.Helper()
	got := patientCall(t, g, token)
	if got.status != status {
		t.Errorf("%d %s, want %d", got.status, got.body, status)
	}
}

// wantRefused makes a call with a token that is not valid, for a reason that the log has.
func wantRefused(t *testing.T, g *running, token, reason string) {
	t.Helper()
	before := len(g.log.String())
	got := patientCall(t, g, token)
	if got.status != http.StatusUnauthorized || !strings.Contains(got.body, "UNAUTHENTICATED") {
		t.Errorf("%d %s", got.status, got.body)
	}
	wantLogged(t, g, before, reason)
}

// wantLogged waits until the log has a text after its first bytes. A line may be written after
// the response.
func wantLogged(t *testing.T, g *running, after int, text string) {
	t.Helper()
	for range 200 {
		if strings.Contains(g.log.String()[after:], text) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("the log does not have %q:\n%s", text, g.log.String()[after:])
}

// endWithoutTokens stops the gateway. Its log must not have a token of the issuer.
func endWithoutTokens(t *testing.T, g *running, from *oidcProvider) {
	t.Helper()
	g.stop()
	if err := <-g.ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	for _, token := range from.issued {
		if signature := token[strings.LastIndexByte(token, '.')+1:]; strings.Contains(g.log.String(), signature) {
			t.Error("the log contains a token")
		}
	}
}
