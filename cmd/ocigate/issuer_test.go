package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ocigate/config"
	"ocigate/gateway/auth/issuertest"
)

// These tests specify a program with an external issuer. Which tokens are accepted is
// specified in package auth.

// trusting changes a configuration so that it accepts the tokens of an issuer.
func trusting(from *issuertest.Issuer) func(*config.Config) {
	return func(c *config.Config) {
		c.Auth.OIDC.Issuer, c.Auth.OIDC.Audiences, c.Auth.OIDC.CAFile = from.URL, []string{"ocigate"}, from.CAFile()
		c.Auth.OIDC.Claims.Levels = []config.OIDCLevel{{Value: "ocigate-tenant", Level: config.OIDCTenant}}
		c.Auth.OIDC.Claims.TenantID = "tenant"
	}
}

// askAs makes a request with a Bearer token.
func askAs(t *testing.T, g *running, token string) (int, http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.api+"/api/v1"+itc("ApioSpTest", "ApioGrpTest", "numbers"), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close() // it is not read
	return response.StatusCode, response.Header
}

func TestProgramStartsWithoutItsIssuer(t *testing.T) {
	from := issuertest.New(t)
	from.SetDown(true)
	g := start(t, newPlatform(t).Addr, trusting(from))
	if status, _ := ask(t, "GET", "http://"+g.admin+"/readyz", ""); status != http.StatusOK {
		t.Errorf("readyz: %d", status)
	}
	waitFor(t, func() bool {
		return strings.Contains(g.log.String(), "the keys of the external issuer could not be fetched")
	})
	status, header := askAs(t, g, from.Token(nil))
	if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
		t.Errorf("status %d, headers %v", status, header)
	}
	_, metrics := ask(t, "GET", "http://"+g.admin+"/metrics", "")
	for _, want := range []string{"ocigate_oidc_keys 0\n", "ocigate_oidc_keys_fetched_timestamp_seconds 0\n", `ocigate_oidc_fetches_total{result="ok"} 0`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics do not have %q", want)
		}
	}
	from.SetDown(false)
	waitFor(t, func() bool { return strings.Contains(g.log.String(), "the keys of the external issuer were fetched") })
	if status, _ := askAs(t, g, from.Token(nil)); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	g.stop()
	if err := <-g.ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	if strings.Contains(g.log.String(), from.Token(nil)[:80]) {
		t.Error("the log contains a token")
	}
}

func TestProgramWithoutAnIssuerHasNoMetricsOfIt(t *testing.T) {
	g := start(t, newPlatform(t).Addr, nil)
	if _, metrics := ask(t, "GET", "http://"+g.admin+"/metrics", ""); strings.Contains(metrics, "oidc") {
		t.Error("the metrics have an external issuer")
	}
	g.stop()
	if err := <-g.ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestAuthoritiesOfTheIssuerAreChecked(t *testing.T) {
	from := issuertest.New(t)
	c := config.Default()
	trusting(from)(&c)
	if err := checkIssuer(c.Auth.OIDC); err != nil {
		t.Errorf("good settings: %v", err)
	}
	c.Auth.OIDC.CAFile = filepath.Join(t.TempDir(), "missing.crt")
	if err := checkIssuer(c.Auth.OIDC); err == nil || !strings.HasPrefix(err.Error(), "auth.oidc.ca_file: ") {
		t.Errorf("error %v", err)
	}
	c.Auth.OIDC.CAFile = ""
	c.Auth.OIDC.Claims.Levels[0].Level = "other"
	if err := checkIssuer(c.Auth.OIDC); err == nil || !strings.HasPrefix(err.Error(), "auth.oidc: ") {
		t.Errorf("error %v", err)
	}
}
