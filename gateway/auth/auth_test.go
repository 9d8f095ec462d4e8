package auth_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/auth"
)

// These tests specify how callers authenticate, log in and log out, and which options
// New refuses. To add a form of credentials, add an entry to the table of
// TestAuthenticate.

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	a := newAuth(t, auth.Options{Clients: []auth.Client{portal(t)}})
	token := string(login(t, a).Token)
	good := basic("portal", portalSecret)
	key := "portal." + portalSecret

	admin := auth.Principal{Name: "admin@example.com", Level: auth.GroupAdmin, TenantID: "ApioSpTest", GroupID: "ApioGrpTest"}
	service := auth.Principal{Name: "portal", Level: auth.TenantAdmin, TenantID: "ApioSpTest"}
	by := func(p auth.Principal, m auth.Method) auth.Principal {
		p.Method = m
		return p
	}
	for _, c := range []struct {
		name    string
		headers []string
		want    auth.Principal
		err     error
	}{
		{"accepts a token", []string{"Authorization", "Bearer " + token}, by(admin, auth.MethodToken), nil},
		{"accepts any case of the scheme", []string{"Authorization", "bEARER " + token}, by(admin, auth.MethodToken), nil},
		{"accepts a cookie", []string{"Cookie", "sessionid=" + token}, by(admin, auth.MethodCookie), nil},
		{"accepts a cookie among others", []string{"Cookie", "a=b; sessionid=" + token + "; c=d"}, by(admin, auth.MethodCookie), nil},
		{"accepts Basic", []string{"Authorization", good}, by(service, auth.MethodBasic), nil},
		{"accepts an API key", []string{"X-API-Key", key}, by(service, auth.MethodAPIKey), nil},
		{"ignores a cookie beside Basic", []string{"Authorization", good, "Cookie", "sessionid=" + token}, by(service, auth.MethodBasic), nil},
		{"ignores two cookies beside a token", []string{"Authorization", "Bearer " + token, "Cookie", "sessionid=a; sessionid=b"}, by(admin, auth.MethodToken), nil},
		{"ignores a cookie beside an API key", []string{"X-API-Key", key, "Cookie", "sessionid=bad"}, by(service, auth.MethodAPIKey), nil},
		{"does not fall back to a cookie", []string{"Authorization", "Bearer bad", "Cookie", "sessionid=" + token}, auth.Principal{}, auth.ErrBadCredentials},
		{"refuses a request without credentials", nil, auth.Principal{}, auth.ErrNoCredentials},
		{"refuses other cookies alone", []string{"Cookie", "a=b"}, auth.Principal{}, auth.ErrNoCredentials},
		{"refuses two kinds of header", []string{"Authorization", good, "X-API-Key", key}, auth.Principal{}, auth.ErrBadCredentials},
		{"refuses two Authorization headers", []string{"Authorization", good, "Authorization", good}, auth.Principal{}, auth.ErrBadCredentials},
		{"refuses two API keys", []string{"X-API-Key", key, "X-API-Key", key}, auth.Principal{}, auth.ErrBadCredentials},
		{"refuses two cookies", []string{"Cookie", "sessionid=" + token + "; sessionid=" + token}, auth.Principal{}, auth.ErrBadCredentials},
		{"refuses two cookie headers", []string{"Cookie", "sessionid=" + token, "Cookie", "sessionid=x"}, auth.Principal{}, auth.ErrBadCredentials},
		{"refuses an empty Authorization", []string{"Authorization", ""}, auth.Principal{}, auth.ErrBadCredentials},
		{"refuses an empty API key", []string{"X-API-Key", ""}, auth.Principal{}, auth.ErrBadCredentials},
		{"refuses a scheme without credentials", []string{"Authorization", "Bearer"}, auth.Principal{}, auth.ErrBadCredentials},
		{"refuses other schemes", []string{"Authorization", "Digest username=portal"}, auth.Principal{}, auth.ErrBadCredentials},
		{"refuses Basic that is not base64", []string{"Authorization", "Basic !"}, auth.Principal{}, auth.ErrBadCredentials},
		{"refuses Basic with bits beyond the last byte", []string{"Authorization", strings.TrimSuffix(good, "U=") + "V="}, auth.Principal{}, auth.ErrBadCredentials},
		{"refuses Basic without a colon", []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("portal"))}, auth.Principal{}, auth.ErrBadCredentials},
		{"refuses a wrong secret", []string{"Authorization", basic("portal", "wrong")}, auth.Principal{}, auth.ErrBadCredentials},
		{"refuses a secret with an additional character", []string{"X-API-Key", key + "x"}, auth.Principal{}, auth.ErrBadCredentials},
		{"refuses an unknown id", []string{"Authorization", basic("unknown", portalSecret)}, auth.Principal{}, auth.ErrBadCredentials},
		{"refuses the id in another case", []string{"Authorization", basic("Portal", portalSecret)}, auth.Principal{}, auth.ErrBadCredentials},
		{"refuses control characters", []string{"Authorization", basic("portal", "a\x00b")}, auth.Principal{}, auth.ErrBadCredentials},
		{"refuses very long secrets", []string{"X-API-Key", "portal." + strings.Repeat("x", 257)}, auth.Principal{}, auth.ErrBadCredentials},
		{"refuses a token as an API key", []string{"X-API-Key", token}, auth.Principal{}, auth.ErrBadCredentials},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := a.Authenticate(request(http.MethodGet, c.headers...), here)
			wantError(t, err, c.err)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBasicIsNotSentToThePlatform(t *testing.T) {
	t.Parallel()
	p := groupAdmin()
	for name, clients := range map[string][]auth.Client{"with clients": {portal(t)}, "without clients": nil} {
		t.Run(name, func(t *testing.T) {
			a := newAuth(t, auth.Options{Verifier: p, Clients: clients})
			_, err := a.Authenticate(request(http.MethodGet, "Authorization", basic("admin", "secret")), here)
			wantError(t, err, auth.ErrBadCredentials)
		})
	}
	if n := p.asked.Load(); n != 0 {
		t.Errorf("the platform was asked %d times", n)
	}
}

// browserMethods has, for every method of credentials, whether browsers add them by
// themselves.
var browserMethods = map[auth.Method]bool{
	auth.MethodToken: false, auth.MethodAPIKey: false, auth.MethodOIDC: false,
	auth.MethodCookie: true, auth.MethodBasic: true,
}

func TestWhatBrowsersAddIsProtectedFromOtherSites(t *testing.T) {
	t.Parallel()
	a := newAuth(t, auth.Options{Clients: []auth.Client{portal(t)}})
	token := string(login(t, a).Token)
	credentials := map[auth.Method][]string{
		auth.MethodCookie: {"Cookie", "sessionid=" + token},
		auth.MethodToken:  {"Authorization", "Bearer " + token},
		auth.MethodBasic:  {"Authorization", basic("portal", portalSecret)},
		auth.MethodAPIKey: {"X-API-Key", "portal." + portalSecret},
	}
	cookie := credentials[auth.MethodCookie]
	for method, credential := range credentials {
		for _, c := range []struct {
			name, method string
			browser      []string
			refused      bool // if browsers add the credential by themselves
		}{
			{"a write from another site", http.MethodPost, []string{"Sec-Fetch-Site", "cross-site"}, true},
			{"a write from another origin of the site", http.MethodDelete, []string{"Sec-Fetch-Site", "same-site"}, true},
			{"a write from an old browser", http.MethodPut, []string{"Origin", "https://evil.example"}, true},
			{"a write from a page without an origin", http.MethodPost, []string{"Origin", "null"}, true},
			{"a write from its own origin", http.MethodPost, []string{"Sec-Fetch-Site", "same-origin"}, false},
			{"a write from its own origin in an old browser", http.MethodPost, []string{"Origin", "https://api.example.com"}, false},
			{"a write that the browser's user began", http.MethodPost, []string{"Sec-Fetch-Site", "none"}, false},
			{"a write from no browser", http.MethodPost, nil, false},
			{"a read from another site", http.MethodGet, []string{"Sec-Fetch-Site", "cross-site"}, false},
		} {
			t.Run(string(method)+"/"+c.name, func(t *testing.T) {
				p, err := a.Authenticate(request(c.method, slices.Concat(credential, c.browser)...), here)
				refused := c.refused && browserMethods[method]
				if errors.Is(err, auth.ErrCrossOrigin) != refused || (err != nil) != refused || (p == auth.Principal{}) != refused {
					t.Errorf("principal %+v, error %v", p, err)
				}
			})
		}
	}
	t.Run("reports a bad cookie before the origin", func(t *testing.T) {
		_, err := a.Authenticate(request(http.MethodPost, "Cookie", "sessionid=x", "Sec-Fetch-Site", "cross-site"), here)
		wantError(t, err, auth.ErrBadCredentials)
	})

	trusting := func(cookies bool) *auth.Authenticator {
		return newAuth(t, auth.Options{TrustedOrigins: []string{"https://portal.example.com"}, TrustCookies: cookies, Clients: []auth.Client{portal(t)}})
	}
	for _, c := range []struct {
		name, origin string
		cookies      bool
		asks, logsIn error
	}{
		{"accepts a write from a trusted origin", "https://portal.example.com", true, nil, nil},
		{"accepts only a login from an origin that is trusted without cookies", "https://portal.example.com", false, auth.ErrCrossOrigin, nil},
		{"refuses another origin next to a trusted one", "https://evil.example", true, auth.ErrCrossOrigin, auth.ErrCrossOrigin},
		{"refuses a subdomain of a trusted origin", "https://a.portal.example.com", true, auth.ErrCrossOrigin, auth.ErrCrossOrigin},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := trusting(c.cookies)
			browser := []string{"Sec-Fetch-Site", "cross-site", "Origin", c.origin}
			_, err := a.Authenticate(request(http.MethodPost, append([]string{"Cookie", "sessionid=" + string(login(t, a).Token)}, browser...)...), here)
			wantError(t, err, c.asks)
			_, err = a.Authenticate(request(http.MethodPost, append(slices.Clone(credentials[auth.MethodBasic]), browser...)...), here)
			wantError(t, err, c.asks)
			wantError(t, a.CheckOrigin(request(http.MethodPost, browser...)), c.logsIn)
		})
	}
	if _, err := auth.New(auth.Options{Verifier: groupAdmin(), TrustedOrigins: []string{"https://a.example", "a.example"}}); err == nil || !strings.Contains(err.Error(), "TrustedOrigins[1]") {
		t.Errorf("a trusted origin without a scheme is accepted: %v", err)
	}

	t.Run("a cross-site logout ends nothing", func(t *testing.T) {
		_, _, err := a.Logout(request(http.MethodPost, append(cookie, "Sec-Fetch-Site", "cross-site")...))
		wantError(t, err, auth.ErrCrossOrigin)
		if _, err := a.Authenticate(request(http.MethodGet, cookie...), here); err != nil {
			t.Error(err)
		}
	})
}

func TestCookie(t *testing.T) {
	t.Parallel()
	for name, insecure := range map[string]bool{"is Secure": false, "is not Secure with InsecureCookie": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAuth(t, auth.Options{InsecureCookie: insecure, TokenTTL: 90*time.Second + 500*time.Millisecond})
			s := login(t, a)
			want := http.Cookie{
				Name: "sessionid", Value: string(s.Token), Path: "/api/", MaxAge: 90,
				Secure: !insecure, HttpOnly: true, SameSite: http.SameSiteStrictMode,
			}
			if diff := cmp.Diff(want, *a.Cookie(s)); diff != "" {
				t.Error(diff)
			}
			want.Value, want.MaxAge = "", -1
			if diff := cmp.Diff(want, *a.ClearCookie()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	full := auth.Identity{TenantID: "t", GroupID: "g", UserID: "Someone@example.com"}
	with := func(loginType string, change func(*auth.Identity)) auth.Identity {
		id := full
		id.LoginType = loginType
		if change != nil {
			change(&id)
		}
		return id
	}
	const name = "Someone@example.com"
	for _, c := range []struct {
		name     string
		identity auth.Identity
		want     auth.Principal
		err      error
	}{
		{"a system admin has no scope", with("System", nil), auth.Principal{Name: name, Level: auth.SystemAdmin}, nil},
		{"a provisioning admin is a system admin", with("Provisioning", nil), auth.Principal{Name: name, Level: auth.SystemAdmin}, nil},
		{"a tenant admin has a tenant", with("Service Provider", nil), auth.Principal{Name: name, Level: auth.TenantAdmin, TenantID: "t"}, nil},
		{"a group admin has a group", with("Group", nil), auth.Principal{Name: name, Level: auth.GroupAdmin, TenantID: "t", GroupID: "g"}, nil},
		{"a department admin has a group", with("Group Department", nil), auth.Principal{Name: name, Level: auth.DepartmentAdmin, TenantID: "t", GroupID: "g"}, nil},
		{"a user has an id", with("User", nil), auth.Principal{Name: name, Level: auth.EndUser, TenantID: "t", GroupID: "g", UserID: name}, nil},
		{"the name of the login is used if the platform returns none", with("User", func(id *auth.Identity) { id.UserID = "" }),
			auth.Principal{Name: "someone", Level: auth.EndUser, TenantID: "t", GroupID: "g", UserID: "someone"}, nil},
		{"a read-only admin is one", with("System", func(id *auth.Identity) { id.Rights = auth.ReadingOnly }),
			auth.Principal{Name: name, Level: auth.SystemAdmin, ReadOnly: true}, nil},
		{"refuses an admin without rights", with("Service Provider", func(id *auth.Identity) { id.Rights = auth.NoRights }), auth.Principal{}, auth.ErrNoRights},
		{"refuses a reseller", with("Reseller", nil), auth.Principal{}, auth.ErrUnsupportedLoginType},
		{"refuses lawful intercept", with("Lawful Intercept", nil), auth.Principal{}, auth.ErrUnsupportedLoginType},
		{"refuses a tenant admin without tenant", with("Service Provider", func(id *auth.Identity) { id.TenantID = "" }), auth.Principal{}, auth.ErrNoScope},
		{"refuses a group admin without group", with("Group", func(id *auth.Identity) { id.GroupID = "" }), auth.Principal{}, auth.ErrNoScope},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := newAuth(t, auth.Options{Verifier: &platform{identity: c.identity}})
			s, err := a.Login(t.Context(), here, "someone", "secret")
			wantError(t, err, c.err)
			if c.err != nil {
				if s != (auth.Session{}) {
					t.Errorf("Login returned a session with the error %v", err)
				}
				return
			}
			c.want.Method = auth.MethodToken
			got, err := a.Authenticate(bearer(s.Token), here)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]auth.Principal{c.want, c.want}, []auth.Principal{s.Principal, got}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLoginReports(t *testing.T) {
	t.Parallel()
	t.Run("that the password must be changed", func(t *testing.T) {
		t.Parallel()
		p := groupAdmin()
		p.identity.MustChangePassword = true
		if s := login(t, newAuth(t, auth.Options{Verifier: p})); !s.MustChangePassword || s.ExpiresIn != 15*time.Minute {
			t.Errorf("MustChangePassword %t, ExpiresIn %v", s.MustChangePassword, s.ExpiresIn)
		}
	})
	t.Run("a wrong password", func(t *testing.T) {
		t.Parallel()
		_, err := newAuth(t, auth.Options{}).Login(t.Context(), here, "admin", "wrong")
		wantError(t, err, auth.ErrBadCredentials)
	})
	t.Run("an error of the platform unchanged", func(t *testing.T) {
		t.Parallel()
		down := errors.New("down")
		a := newAuth(t, auth.Options{Verifier: verifierFunc(func(context.Context, string, string) (auth.Identity, error) {
			return auth.Identity{}, down
		})})
		for range 100 { // and it does not count as a failure
			_, err := a.Login(t.Context(), here, "admin", "secret")
			wantError(t, err, down)
		}
	})
}

func TestLoginRefusesBadInputWithoutThePlatform(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ü", 161)
	for _, c := range []struct {
		name, username, password string
		want                     []string // fields
	}{
		{"accepts the longest", long, strings.Repeat("p", 256), nil},
		{"accepts blanks inside", "a b", "p p", nil},
		{"names both fields", "", "", []string{"username", "password"}},
		{"refuses a long name", long + "x", "p", []string{"username"}},
		{"refuses a long password", "u", strings.Repeat("p", 257), []string{"password"}},
		{"refuses a leading blank", " u", "p", []string{"username"}},
		{"refuses a trailing blank", "u ", "p", []string{"username"}},
		{"refuses a run of blanks", "a  b", "p", []string{"username"}},
		{"refuses a no-break space", "a\u00a0b", "p", []string{"username"}},
		{"refuses a control character", "a\x7fb", "p\x00", []string{"username", "password"}},
		{"refuses what XML cannot hold", "a\uFFFE", "p\uFFFF", []string{"username", "password"}},
		{"refuses a C1 control character", "a\u0085b", "p\u0090", []string{"username", "password"}},
		{"refuses broken UTF-8", "a\xff", "\xff", []string{"username", "password"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := groupAdmin()
			_, err := newAuth(t, auth.Options{Verifier: p}).Login(t.Context(), here, c.username, c.password)
			if c.want == nil {
				wantError(t, err, auth.ErrBadCredentials)
				return
			}
			input, ok := errors.AsType[*auth.InputError](err)
			if !ok {
				t.Fatalf("error %v, want an InputError", err)
			}
			var fields []string
			for _, problem := range input.Problems {
				fields = append(fields, problem.Field)
				if !strings.Contains(input.Error(), problem.Field+" must ") {
					t.Errorf("%q does not name %s", input, problem.Field)
				}
			}
			if diff := cmp.Diff(c.want, fields); diff != "" {
				t.Error(diff)
			}
			if n := p.asked.Load(); n != 0 {
				t.Errorf("the platform was asked %d times", n)
			}
		})
	}
}

func TestLogout(t *testing.T) {
	t.Parallel()
	a := newAuth(t, auth.Options{Clients: []auth.Client{portal(t)}})
	t.Run("ends the token, as a header and as a cookie", func(t *testing.T) {
		s, other := login(t, a), login(t, a)
		p, _, err := a.Logout(request(http.MethodPost, "Cookie", "sessionid="+string(s.Token)))
		if err != nil || p.Name != "admin@example.com" || p.Method != auth.MethodCookie {
			t.Errorf("logout of %+v: %v", p, err)
		}
		_, err = a.Authenticate(bearer(s.Token), here)
		wantError(t, err, auth.ErrBadCredentials)
		_, err = a.Authenticate(request(http.MethodGet, "Cookie", "sessionid="+string(s.Token)), here)
		wantError(t, err, auth.ErrBadCredentials)
		_, _, err = a.Logout(bearer(s.Token))
		wantError(t, err, auth.ErrBadCredentials)
		if _, err := a.Authenticate(bearer(other.Token), here); err != nil {
			t.Errorf("another session of the same caller: %v", err)
		}
	})
	for name, c := range map[string]struct {
		r   *http.Request
		err error
	}{
		"refuses a request without credentials": {request(http.MethodPost), auth.ErrNoCredentials},
		"refuses a client":                      {request(http.MethodPost, "Authorization", basic("portal", portalSecret)), auth.ErrNoCredentials},
		"refuses a broken token":                {request(http.MethodPost, "Authorization", "Bearer x"), auth.ErrBadCredentials},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := a.Logout(c.r)
			wantError(t, err, c.err)
		})
	}
}

func TestChallenges(t *testing.T) {
	t.Parallel()
	const bearerOnly, both = 1, 2
	withClients, without := newAuth(t, auth.Options{Clients: []auth.Client{portal(t)}}), newAuth(t, auth.Options{})
	for name, c := range map[string]struct {
		a    *auth.Authenticator
		r    *http.Request
		want int
	}{
		"offers Basic if there are clients":    {withClients, request(http.MethodGet), both},
		"does not offer Basic to a browser":    {withClients, request(http.MethodGet, "Sec-Fetch-Mode", "cors"), bearerOnly},
		"does not offer Basic without clients": {without, request(http.MethodGet), bearerOnly},
	} {
		want := []string{`Bearer realm="ocigate"`, `Basic realm="ocigate", charset="UTF-8"`}[:c.want]
		if diff := cmp.Diff(want, c.a.Challenges(c.r)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	key := strings.Repeat("k", 32)
	client := portal(t)
	o := auth.Options{Verifier: groupAdmin(), Keys: []auth.Key{{ID: "1", Secret: auth.Secret(key)}}, Clients: []auth.Client{client}}
	a := newAuth(t, o)
	s := login(t, a)
	o.Verifier = nil

	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+verb+verb, s, o, a)
		fmt.Fprintf(&out, verb, s.Token)
	}
	for _, v := range []any{s, o.Keys, o.Clients} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(text)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("", "session", s, "token", s.Token, "keys", o.Keys)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("", "session", s, "token", s.Token, "keys", o.Keys)
	for name, secret := range map[string]string{"token": string(s.Token), "key": key, "hash": string(client.Hash)} {
		if strings.Contains(out.String(), secret) || strings.Contains(out.String(), fmt.Sprintf("%x", secret)) {
			t.Errorf("the %s was printed", name)
		}
	}
	if !strings.Contains(out.String(), "[redacted]") {
		t.Error("nothing was printed")
	}
}

func TestNewNamesEveryProblem(t *testing.T) {
	t.Parallel()
	good := portal(t)
	short := auth.Key{ID: "kid one", Secret: "short"}
	_, err := auth.New(auth.Options{
		Keys:            []auth.Key{short, short, short},
		TokenTTL:        time.Millisecond,
		SameSite:        http.SameSiteNoneMode,
		InsecureCookie:  true,
		HashConcurrency: -1,
		AccountLimit:    auth.Limit{FreeAttempts: -1, DecayAfter: -1, Records: -1},
		AddressLimit:    auth.Limit{BaseDelay: time.Hour},
		Clients: []auth.Client{
			good,
			good,
			{ID: "a.b", Hash: "$argon2id$v=19$m=1,t=99,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", Level: auth.SystemAdmin},
			{ID: "c3", Hash: "plain text", Level: auth.SystemAdmin},
			{ID: "c4", Hash: good.Hash, Level: auth.GroupAdmin, TenantID: "t"},
			{ID: "c5", Hash: good.Hash, Level: auth.SystemAdmin, TenantID: "t"},
			{ID: "c6", Hash: good.Hash, Level: 5},
		},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"Verifier: ", "TokenTTL: ", "SameSite: ", "HashConcurrency: ",
		"AccountLimit.FreeAttempts: ", "AccountLimit.DecayAfter: ", "AccountLimit.Records: ", "AddressLimit.MaxDelay: ",
		"Keys: must have at most 2 entries, not 3", "Keys[0].ID: ", "Keys[0].Secret: ", "Keys[1].ID: \"kid one\" must be given only once",
		"Clients[1]: ID: \"portal\" must be given only once", "Clients[2]: ID: must be", "Clients[3]: Hash: ",
		"Clients[2]: Hash: the memory", "Clients[2]: Hash: the number of passes", "Clients[4]: GroupID: is required", "Clients[5]: TenantID: must be empty", "Clients[6]: Level: must be a known level, not 5",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not contain %q", want)
		}
	}
	for _, secret := range []string{"short", "plain text", string(good.Hash)} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%q is in the error", secret)
		}
	}
	for line := range strings.Lines(err.Error()) {
		if !strings.HasPrefix(line, "auth: ") {
			t.Errorf("a line without the prefix: %q", line)
		}
	}
	if t.Failed() {
		t.Log(err)
	}
}
