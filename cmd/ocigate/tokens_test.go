package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ocigate/config"
)

// These tests specify that revoked tokens stay revoked after a restart and at other replicas,
// and the command that revokes those of a user.

// tokenHolder is a user of the platform with a token.
type tokenHolder struct {
	token  string
	issued time.Time
}

// logIn gets a token for the demonstration's group administrator.
func (r *running) logIn(t *testing.T) tokenHolder {
	t.Helper()
	issued := time.Now()
	status, body := ask(t, "POST", "http://"+r.api+"/api/v1/login/", `{"username":"groupadmin","password":"groupadmin-demo"}`)
	var session struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(body), &session); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	return tokenHolder{session.Token, issued}
}

// canLogIn reports whether a login with the right password is accepted. While the journal
// is not usable, it is not.
func (r *running) canLogIn(t *testing.T) bool {
	t.Helper()
	status, body := ask(t, "POST", "http://"+r.api+"/api/v1/login/", `{"username":"groupadmin","password":"groupadmin-demo"}`)
	if status != http.StatusOK && status != http.StatusServiceUnavailable {
		t.Errorf("a login: %d %s", status, body)
	}
	return status == http.StatusOK
}

// statusOf makes a request with the token.
func (r *running) statusOf(t *testing.T, method, path string, h tokenHolder) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+r.api+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+h.token)
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func (r *running) logOut(t *testing.T, h tokenHolder) {
	t.Helper()
	if status := r.statusOf(t, "POST", "/api/v1/logout/", h); status != http.StatusOK {
		t.Errorf("logout: %d", status)
	}
}

func (r *running) accepts(t *testing.T, h tokenHolder) bool {
	t.Helper()
	return r.statusOf(t, "GET", "/api/v1/", h) == http.StatusOK
}

func wantTokens(t *testing.T, r *running, accepted bool, holders ...tokenHolder) {
	t.Helper()
	for i, h := range holders {
		if r.accepts(t, h) != accepted {
			t.Errorf("token %d: accepted %t, want %t", i, !accepted, accepted)
		}
	}
}

var tokenKeys = []config.TokenKey{{ID: "a", Secret: config.NewSecret(strings.Repeat("k", 32))}}

func TestRevokedTokensStayRevokedAfterARestart(t *testing.T) {
	t.Parallel()
	platform, folder := newPlatform(t), filepath.Join(t.TempDir(), "journal")
	file := filepath.Join(t.TempDir(), "ocigate.yaml")
	writeFile(t, file, fmt.Sprintf("platform:\n  password: {env: NOT_HERE}\njournal:\n  folder: %q\n", folder))
	begin := func() *running {
		return start(t, platform.Addr, func(c *config.Config) { c.Journal.Folder, c.Auth.Tokens.Keys = folder, tokenKeys })
	}
	revoke := func() {
		t.Helper()
		out, _, err := execute(t, "", "tokens", "revoke", "-c", file, "--user", "GROUPADMIN", "--reason", "has left, ticket 4711")
		if err != nil || out != "The tokens of GROUPADMIN that were issued until now are revoked.\n" {
			t.Fatalf("%v: %s", err, out)
		}
	}
	r := begin()
	ended, other := r.logIn(t), r.logIn(t)
	r.logOut(t, ended)
	r.end(t)

	r = begin()
	wantTokens(t, r, false, ended)
	wantTokens(t, r, true, other)
	revoke() // by the running gateway
	wantTokens(t, r, false, ended, other)
	late := r.logIn(t)
	wantTokens(t, r, true, late)
	if _, err := r.program.Reread(signalTrigger); err != nil {
		t.Fatal(err)
	}
	wantTokens(t, r, false, ended, other)
	r.end(t)

	revoke() // without a gateway
	r = begin()
	wantTokens(t, r, false, ended, other, late)
	late = r.logIn(t)
	wantTokens(t, r, true, late)
	r.end(t)
	out, _, err := execute(t, "", "audit", "tail", "-n", "100", "-c", file)
	if err != nil || strings.Count(out, `"event":"revocation"`) != 2 || strings.Count(out, `"event":"logout"`) != 1 {
		t.Errorf("%v: %s", err, out)
	}
	wantParts(t, out, `"user_id":"GROUPADMIN"`, `"reason":"has left, ticket 4711"`, `"method":"command line"`)
}

func TestRevokedTokensAtOtherReplicas(t *testing.T) {
	t.Parallel()
	server, platform := postgresServer(t), newPlatform(t)
	database := server.Database(t)
	file := filepath.Join(t.TempDir(), "ocigate.yaml")
	writeFile(t, file, fmt.Sprintf("journal:\n  store: postgres\n  postgres_url: %q\n", database))
	begin := func() *running {
		return start(t, platform.Addr, func(c *config.Config) {
			c.Journal.Store, c.Journal.PostgresURL, c.Auth.Tokens.Keys = config.StorePostgres, config.NewSecret(database), tokenKeys
		})
	}
	a, b := begin(), begin()
	first, second, third := a.logIn(t), b.logIn(t), a.logIn(t)
	wantTokens(t, b, true, first, second, third)
	a.logOut(t, first)
	wantTokens(t, a, false, first)
	began := time.Now()
	waitFor(t, func() bool { return !b.accepts(t, first) })
	t.Logf("refused at another replica %v after the logout; the target is a few seconds", time.Since(began).Round(time.Millisecond))
	wantTokens(t, b, true, second, third)

	// While the database is down, a logout counts where it was made, and elsewhere afterwards.
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	b.logOut(t, second)
	wantTokens(t, b, false, second)
	// A replica that starts meanwhile does not accept tokens that are older than it.
	waitFor(t, func() bool { return time.Now().Unix() > third.issued.Unix()+1 })
	c := begin()
	wantTokens(t, c, false, first, second, third)
	if c.canLogIn(t) {
		t.Error("a login that cannot be recorded is accepted")
	}
	if status, body := ask(t, "GET", "http://"+c.api+"/api/v1/", ""); status != http.StatusOK {
		t.Errorf("a listed client: %d %s", status, body)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return !a.accepts(t, second) })
	waitFor(t, func() bool { return c.accepts(t, third) && !c.accepts(t, second) })
	wantTokens(t, c, false, first)

	out, _, err := execute(t, "", "tokens", "revoke", "-c", file, "--user", "groupadmin", "--reason", "has left")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, r := range []*running{a, b, c} {
		waitFor(t, func() bool { return !r.accepts(t, third) })
		waitFor(t, func() bool { return r.canLogIn(t) }) // once it has noticed that the journal is usable again
		wantTokens(t, r, true, r.logIn(t))
		r.end(t)
	}
}

func TestTokensRevokeRefuses(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "none")
	file := filepath.Join(t.TempDir(), "ocigate.yaml")
	writeFile(t, file, fmt.Sprintf("journal: {folder: %q}\n", folder))
	for line, want := range map[string]string{
		"--user x --reason y":      "there is no journal",
		"--user x":                 "reason",
		"--reason y":               "user",
		"--user x --reason y more": "unknown command",
	} {
		_, _, err := execute(t, "", append([]string{"tokens", "revoke", "-c", file}, strings.Fields(line)...)...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
	r := start(t, newPlatform(t).Addr, func(c *config.Config) { c.Journal.Folder = folder })
	for user, reason := range map[string]string{"x": " ", " ": "y", "\x1b[2J": "y"} {
		_, _, err := execute(t, "", "tokens", "revoke", "-c", file, "--user", user, "--reason", reason)
		if err == nil || !strings.Contains(err.Error(), "not done: ") {
			t.Errorf("%q %q: %v", user, reason, err)
		}
	}
	r.end(t)
}
