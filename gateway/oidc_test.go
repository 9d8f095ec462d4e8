package gateway_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"ocigate/gateway"
	"ocigate/gateway/auth"
	"ocigate/gateway/auth/issuertest"
	"ocigate/gateway/operation"
)

// These tests specify what a caller with a token of an external issuer gets. Which tokens
// are valid is specified in package auth.

// startWithIssuer makes a rig that accepts the tokens of an issuer. Each of change may
// change the options of the gateway.
func startWithIssuer(t *testing.T, from *issuertest.Issuer, change ...func(*gateway.Options)) (*rig, *auth.Issuer) {
	t.Helper()
	issuer, err := auth.NewIssuer(auth.IssuerOptions{
		URL: from.URL, Audiences: []string{"ocigate"}, RootCAs: from.RootCAs, Timeout: time.Minute, UnknownKeyInterval: time.Millisecond,
		Claims: auth.ClaimMapping{
			Levels: []auth.LevelValue{
				{Value: "ocigate-tenant", Level: auth.TenantAdmin}, {Value: "ocigate-group", Level: auth.GroupAdmin}, {Value: "ocigate-system", Level: auth.SystemAdmin},
			},
			TenantID: "tenant", GroupID: "group",
		},
	})
	must(t, err)
	r := start(t, setup{gateway: func(o *gateway.Options) {
		o.Auth.ReplaceIssuer(issuer)
		for _, f := range change {
			f(o)
		}
	}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		issuer.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return r, issuer
}

// withToken returns a request with a Bearer token.
func withToken(c call, token string) call {
	c.client, c.header = anonymous, http.Header{"Authorization": {"Bearer " + token}}
	return c
}

func TestExternalCallerReadsAndWrites(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	r, _ := startWithIssuer(t, from)
	token := from.Token(map[string]any{"roles": "ocigate-group", "group": ownGroup})
	if got := r.call(t, withToken(call{path: ownList("numbers")}, token)); got.status != http.StatusOK {
		t.Fatalf("status %d: %s", got.status, got.body)
	}
	r.call(t, withToken(call{path: strings.Replace(ownList("numbers"), ownGroup, "OtherGroup", 1)}, token)).wantError(t, http.StatusForbidden, "FORBIDDEN")

	w := writeCaseOf("itc_numbers_assign")
	token = from.Token(nil)
	ada := withToken(w.call, token)
	ada.header.Set("Idempotency-Key", "k")
	first := r.call(t, ada)
	if first.status >= http.StatusBadRequest {
		t.Fatalf("status %d: %s", first.status, first.body)
	}
	id := first.header.Get("Operation-Id")
	op, err := r.keeper.Get(t.Context(), id)
	must(t, err)
	if op.Caller.Name != from.URL+"#ada" || op.Caller.Method != operation.MethodExternal || op.Caller.Client || op.Caller.Level != "Tenant Admin" {
		t.Errorf("the caller of the operation is %+v", op.Caller)
	}
	if again := r.call(t, ada); again.header.Get("Operation-Id") != id {
		t.Errorf("the same key is another operation: %v", again.header)
	}
	// The key of another subject, and of a client, is another key.
	other := withToken(w.call, from.Token(map[string]any{"sub": "bob"}))
	other.header.Set("Idempotency-Key", "k")
	for _, c := range []call{other, w.call.keyed("k")} {
		if got := r.call(t, c); got.header.Get("Operation-Id") == id {
			t.Error("another caller got the operation of the key")
		}
	}
	if line := r.log.String(); !strings.Contains(line, `"principal":"`+from.URL+`#ada"`) {
		t.Error("the log has no line with the principal")
	}
}

func TestExternalTokenThatIsNotValid(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	r, _ := startWithIssuer(t, from)
	got := r.call(t, withToken(call{path: ownList("numbers")}, from.Token(map[string]any{"exp": -time.Hour})))
	got.wantError(t, http.StatusUnauthorized, "UNAUTHENTICATED")
	if c := got.header.Get("WWW-Authenticate"); c != `Bearer realm="ocigate", error="invalid_token"` {
		t.Errorf("challenge %q", c)
	}
	// The response to a bad token of a login has not changed.
	got = r.call(t, withToken(call{path: ownList("numbers")}, "no.real.token"))
	got.wantError(t, http.StatusUnauthorized, "UNAUTHENTICATED")
	if c := got.header.Get("WWW-Authenticate"); c != `Bearer realm="ocigate"` {
		t.Errorf("challenge %q", c)
	}
}

func TestExternalTokenWithoutRights(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	r, _ := startWithIssuer(t, from)
	for message, claims := range map[string]map[string]any{
		"The token's claim roles has no value that gives a level.":               {"roles": "other"},
		"The token has no claim roles, which gives the level.":                   {"roles": nil},
		"The token has no claim tenant, which the level Tenant Admin needs.":     {"tenant": nil},
		"The token's claim tenant must not be longer than 30 characters.":        {"tenant": strings.Repeat("x", 31)},
		"The token has no claim group, which the level Group Admin needs.":       {"roles": "ocigate-group"},
		"The token's claim roles must be a text or a list of texts.":             {"roles": 7},
		"The token's claim tenant must be one text.":                             {"tenant": []string{"A", "B"}},
		"The token's claim tenant must not hold characters that XML cannot hold": {"tenant": "A\uFFFE"},
	} {
		got := r.call(t, withToken(call{path: ownList("numbers")}, from.Token(claims)))
		got.wantError(t, http.StatusForbidden, "FORBIDDEN")
		if !strings.Contains(got.body, message) {
			t.Errorf("body %s, want %q", got.body, message)
		}
	}
}

func TestExternalTokenThatCannotBeVerified(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	from.SetDown(true)
	r, issuer := startWithIssuer(t, from)
	write := withToken(writeCaseOf("itc_numbers_assign").call, from.Token(nil))
	got := r.call(t, write)
	got.wantError(t, http.StatusServiceUnavailable, "ISSUER_UNAVAILABLE")
	if got.header.Get("Retry-After") == "" || got.header.Get("WWW-Authenticate") != "" || got.header.Get("Operation-Outcome") != string(operation.NotDone) {
		t.Errorf("headers %v", got.header)
	}
	if n := issuer.Stats().Failed; n == 0 {
		t.Error("no fetch has failed")
	}
	// Other callers are not affected.
	if got := r.call(t, call{path: ownList("numbers"), client: group}); got.status != http.StatusOK {
		t.Errorf("status %d", got.status)
	}
}

// A token of an issuer can be logged out, and the index says so.
func TestLogoutOfAnExternalCaller(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	r, _ := startWithIssuer(t, from)
	token := from.Token(nil)
	links := indexOf(t, r, withToken(call{}, token)).Links
	i := slices.IndexFunc(links, func(l indexedLink) bool { return l.Route == "logout" })
	if i < 0 {
		t.Fatalf("the index has no logout: %+v", links)
	}
	r.call(t, withToken(call{method: links[i].Method, path: links[i].Href}, token)).wantStatus(t, http.StatusOK)
	r.call(t, withToken(call{path: ownList("numbers")}, token)).wantError(t, http.StatusUnauthorized, "UNAUTHENTICATED")
}

// A request does not wait for the keys of the issuer for longer than for anything else.
func TestWaitForTheKeysOfTheIssuerIsLimited(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	from.Handle(issuertest.KeysPath, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	r, _ := startWithIssuer(t, from, func(o *gateway.Options) { o.RequestTimeout = 50 * time.Millisecond })
	for _, c := range []call{writeCaseOf("itc_numbers_assign").call, {method: http.MethodPost, path: "/api/v1/logout/"}} {
		r.call(t, withToken(c, from.Token(nil))).wantError(t, http.StatusServiceUnavailable, "PLATFORM_BUSY")
	}
}

func TestMethodOfExternalCallers(t *testing.T) {
	t.Parallel()
	if operation.MethodExternal != string(auth.MethodOIDC) {
		t.Error("operations would take an external caller for a user of the platform")
	}
}

func TestIssuerMetrics(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1_800_000_000_500)
	r := &rig{metrics: gateway.NewMetrics("test")}
	stats, ok := auth.IssuerStats{}, false
	r.metrics.WatchIssuer(func() (auth.IssuerStats, bool) { return stats, ok })
	wantNone := func() {
		t.Helper()
		for name := range r.series(t) {
			if strings.HasPrefix(name, "ocigate_oidc_") {
				t.Errorf("without an issuer there is %s", name)
			}
		}
	}
	wantNone()
	stats, ok = auth.IssuerStats{Fetched: 3, Failed: 2, LastFetched: at, Keys: 4}, true
	for name, want := range map[string]map[string]float64{
		"ocigate_oidc_fetches_total":                  {"ok": 3, "failed": 2},
		"ocigate_oidc_keys_fetched_timestamp_seconds": {"": 1_800_000_000.5},
		"ocigate_oidc_keys":                           {"": 4},
	} {
		got := counted(t, r, name)
		for label, value := range want {
			if got[label] != value {
				t.Errorf("%s: %v, want %v", name, got, want)
			}
		}
	}
	ok = false
	wantNone()
}
