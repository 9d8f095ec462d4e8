package gateway_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway"
	"ocigate/gateway/auth"
	"ocigate/oci"
	"ocigate/translate"
)

// Logins, tokens and logouts. Add a user of the demonstration to the table of the first test.

func loginCall(username, password string) call {
	body, err := json.Marshal(map[string]string{"username": username, "password": password})
	if err != nil {
		panic(err) // two strings are always JSON
	}
	return call{method: http.MethodPost, path: "/api/v1/login/", body: string(body)}
}

// loggedIn is the documented response to a login.
type loggedIn struct {
	IDs     map[string]string `json:"ids"`
	Profile struct {
		Level      int  `json:"user_level"`
		FirstLogin bool `json:"is_first_login"`
	} `json:"profile"`
	Token     string `json:"access_token"`
	TokenType string `json:"token_type"`
	ExpiresIn int    `json:"expires_in"`
}

// login logs in, and gives the response and its cookie.
func (r *rig) login(t testing.TB, username string) (loggedIn, *http.Cookie) {
	t.Helper()
	got := r.call(t, loginCall(username, passwordOf(username)))
	got.wantStatus(t, http.StatusOK)
	var body loggedIn
	decoder := json.NewDecoder(strings.NewReader(got.body))
	decoder.DisallowUnknownFields()
	must(t, decoder.Decode(&body))
	cookies := (&http.Response{Header: got.header}).Cookies()
	if len(cookies) != 1 {
		t.Fatalf("%d cookies", len(cookies))
	}
	return body, cookies[0]
}

// passwordOf returns the password of a user in the seed of the demonstration.
func passwordOf(username string) string {
	if strings.Contains(username, "@") {
		return "user-demo"
	}
	return username + "-demo"
}

// waysToVerify are the two ways in which the platform verifies a password.
var waysToVerify = []struct {
	name  string
	setup setup
}{
	{"by command over TLS", setup{overTLS: true, verify: gateway.VerifyByCommand}},
	{"by login over TLS", setup{overTLS: true, verify: gateway.VerifyByLogin}},
	{"by login over TCP", setup{verify: gateway.VerifyByLogin}},
	{"by what the connection allows: TLS", setup{overTLS: true}},
	{"by what the connection allows: TCP", setup{}},
}

func TestLogin(t *testing.T) {
	for _, way := range waysToVerify {
		t.Run(way.name, func(t *testing.T) {
			r := start(t, way.setup)
			for _, c := range []struct {
				username string
				level    int
				ids      map[string]string
				allowed  string // a path that only this scope allows, "" if there is none
			}{
				{"sysadmin", 16, map[string]string{}, listOf("footenant", "foogroup", "available_numbers")},
				{"provisioning", 16, map[string]string{}, listOf("footenant", "foogroup", "available_numbers")},
				{"tenantadmin", 12, map[string]string{"tenant_id": ownTenant}, ownList("available_numbers")},
				{"groupadmin", 8, map[string]string{"tenant_id": ownTenant, "group_id": ownGroup}, ownList("numbers")},
				{"departmentadmin", 4, map[string]string{"tenant_id": ownTenant, "group_id": ownGroup}, ""},
				{
					"ApioUserTest@sip.netaxis.be", 0,
					map[string]string{"tenant_id": ownTenant, "group_id": ownGroup, "user_id": "ApioUserTest@sip.netaxis.be"}, "",
				},
			} {
				t.Run(c.username, func(t *testing.T) {
					got, _ := r.login(t, c.username)
					if got.Profile.Level != c.level || got.Profile.FirstLogin || got.TokenType != "Bearer" || got.ExpiresIn != 900 {
						t.Errorf("answer %+v", got)
					}
					if diff := cmp.Diff(c.ids, got.IDs); diff != "" {
						t.Errorf("ids (-want +got):\n%s", diff)
					}
					status := http.StatusOK
					if c.allowed == "" {
						c.allowed, status = ownList("numbers"), http.StatusForbidden
					}
					r.call(t, call{path: c.allowed, header: bearer(got.Token)}).wantStatus(t, status)
				})
			}
			for username, password := range map[string]string{
				"tenantadmin": "wrong", "nobody-at-all": "x", "disabled": "disabled-demo", "expired": "expired-demo",
				"ApioUserPlain@sip.netaxis.be": "has none",
			} {
				t.Run("refuses "+username, func(t *testing.T) {
					got := r.call(t, loginCall(username, password))
					failure := got.wantError(t, http.StatusUnauthorized, "UNAUTHENTICATED")
					if failure.Message != "The credentials were not accepted." || len(failure.Details.Errors) != 0 {
						t.Errorf("differs from another refusal: %s", got.body)
					}
					if got.header.Get("Set-Cookie") != "" || got.header.Get("WWW-Authenticate") == "" {
						t.Errorf("headers %v", got.header)
					}
				})
			}
			t.Run("has no level for a reseller", func(t *testing.T) {
				got := r.call(t, loginCall("reseller", "reseller-demo"))
				if way.setup.overTLS {
					got.wantError(t, http.StatusForbidden, "FORBIDDEN")
				} else { // a signed login has no word for one
					got.wantError(t, http.StatusUnauthorized, "UNAUTHENTICATED")
				}
			})
		})
	}
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// If the platform refuses the gateway's own account, callers do not get 401.
func TestLoginsWhileTheGatewaysOwnAccountIsRefused(t *testing.T) {
	s := setup{overTLS: true, verify: gateway.VerifyByCommand, faults: []string{"error-before-apply number=4962 command=LoginRequest22V5"}}
	inBubble(t, s, func(t *testing.T, r *rig) {
		for range 10 {
			r.call(t, loginCall("groupadmin", "groupadmin-demo")).wantError(t, http.StatusServiceUnavailable, "PLATFORM_UNAVAILABLE")
		}
	})
}

func TestLoginResponseIsAsDocumented(t *testing.T) {
	r := start(t, setup{})
	got := r.call(t, loginCall("groupadmin", "groupadmin-demo"))
	got.wantStatus(t, http.StatusOK)
	var body loggedIn
	must(t, json.Unmarshal([]byte(got.body), &body))
	want := `{"ids":{"tenant_id":"ApioSpTest","group_id":"ApioGrpTest"},"profile":{"user_level":8,"is_first_login":false},` +
		`"access_token":"` + body.Token + `","token_type":"Bearer","expires_in":900}`
	if diff := cmp.Diff(want, strings.TrimSpace(got.body)); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

func TestTokens(t *testing.T) {
	r := start(t, setup{})
	session, cookie := r.login(t, "groupadmin")
	asCookie := http.Header{"Cookie": {"sessionid=" + cookie.Value}}
	if cookie.Value != session.Token {
		t.Error("the cookie holds another token")
	}
	list := call{path: ownList("numbers")}
	for name, header := range map[string]http.Header{"bearer": bearer(session.Token), "cookie": asCookie} {
		list.header = header
		t.Run("is taken as "+name, func(t *testing.T) { r.call(t, list).wantStatus(t, http.StatusOK) })
	}
	t.Run("a cookie from another site changes nothing", func(t *testing.T) {
		asked := assignFreeRange()
		asked.client = anonymous
		asked.header = http.Header{"Cookie": asCookie["Cookie"], "Sec-Fetch-Site": {"cross-site"}}
		r.call(t, asked).wantError(t, http.StatusForbidden, "FORBIDDEN")
		r.wantWrites(t, 0, 0)
	})
	t.Run("a forged one is refused", func(t *testing.T) {
		list.header = bearer(session.Token + "x")
		r.call(t, list).wantError(t, http.StatusUnauthorized, "UNAUTHENTICATED")
	})
	t.Run("logout ends it, as bearer and as cookie", func(t *testing.T) {
		got := r.call(t, call{method: http.MethodPost, path: "/api/v1/logout/", header: bearer(session.Token)})
		got.wantStatus(t, http.StatusOK)
		if strings.TrimSpace(got.body) != "{}" {
			t.Errorf("body %q", got.body)
		}
		if cleared := got.header.Get("Set-Cookie"); !strings.Contains(cleared, "sessionid=;") || !strings.Contains(cleared, "Max-Age=0") {
			t.Errorf("Set-Cookie %q", cleared)
		}
		for _, header := range []http.Header{bearer(session.Token), asCookie} {
			list.header = header
			r.call(t, list).wantError(t, http.StatusUnauthorized, "UNAUTHENTICATED")
		}
	})
	t.Run("there is nothing to log out without one", func(t *testing.T) {
		for _, client := range []string{anonymous, system} {
			r.call(t, call{method: http.MethodPost, path: "/api/v1/logout/", client: client}).wantError(t, http.StatusUnauthorized, "UNAUTHENTICATED")
		}
	})
}

// A browser keeps the Basic credentials that its user once entered, and sends them with
// every request, whose page may be of another site. The request needs no permission of
// CORS if it has no Content-Type.
func TestBasicFromAnotherSiteChangesNothing(t *testing.T) {
	r := start(t, setup{})
	for name, browser := range map[string]http.Header{
		"by its origin": {"Origin": {"https://evil.example"}},
		"by its site":   {"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, w := range writeCases() {
				asked := w.call
				asked.client, asked.header = system, browser.Clone()
				request := r.request(t, asked)
				request.Header.Del("Content-Type")
				got := r.do(t, request)
				if failure := got.wantError(t, http.StatusForbidden, "FORBIDDEN"); !strings.Contains(failure.Message, "another origin") {
					t.Errorf("%s: the message is %q", w.route, failure.Message)
				}
			}
			r.wantWrites(t, 0, 0)
		})
	}
	t.Run("but a service that is no browser may", func(t *testing.T) {
		request := r.request(t, assignFreeRange())
		request.Header.Del("Content-Type")
		r.do(t, request).wantStatus(t, http.StatusCreated)
	})
}

func TestCookieAttributes(t *testing.T) {
	for name, c := range map[string]struct {
		auth   func(*auth.Options)
		secure bool
		site   http.SameSite
	}{
		"by default":          {nil, true, http.SameSiteStrictMode},
		"for plain HTTP":      {func(o *auth.Options) { o.InsecureCookie = true }, false, http.SameSiteStrictMode},
		"for links elsewhere": {func(o *auth.Options) { o.SameSite = http.SameSiteLaxMode }, true, http.SameSiteLaxMode},
	} {
		t.Run(name, func(t *testing.T) {
			_, cookie := start(t, setup{auth: c.auth}).login(t, "groupadmin")
			got := http.Cookie{
				Name: cookie.Name, Path: cookie.Path, Domain: cookie.Domain, MaxAge: cookie.MaxAge,
				Secure: cookie.Secure, HttpOnly: cookie.HttpOnly, SameSite: cookie.SameSite,
			}
			want := http.Cookie{Name: "sessionid", Path: "/api/", MaxAge: 900, Secure: c.secure, HttpOnly: true, SameSite: c.site}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("cookie (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTokenExpires(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, r *rig) {
		session, _ := r.login(t, "groupadmin")
		list := call{path: ownList("numbers"), header: bearer(session.Token)}
		r.call(t, list).wantStatus(t, http.StatusOK)
		// synctest's, and more than the clocks of replicas may differ by.
		time.Sleep(time.Duration(session.ExpiresIn)*time.Second + time.Minute)
		r.call(t, list).wantError(t, http.StatusUnauthorized, "UNAUTHENTICATED")
	})
}

func TestGuessingIsSlowedDown(t *testing.T) {
	for name, guess := range map[string]call{
		"passwords of the platform": loginCall("groupadmin", "guess"),
		"secrets of a client":       {path: ownList("numbers"), header: http.Header{"X-Api-Key": {group + ".guess"}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, setup{auth: func(o *auth.Options) {
				o.AccountLimit = auth.Limit{FreeAttempts: 2, BaseDelay: time.Hour, MaxDelay: time.Hour}
			}})
			for range 2 {
				r.call(t, guess).wantError(t, http.StatusUnauthorized, "UNAUTHENTICATED")
			}
			heard := len(r.platform.Ledger())
			got := r.call(t, guess)
			got.wantError(t, http.StatusTooManyRequests, "RATE_LIMITED")
			got.wantRetryAfter(t)
			if len(r.platform.Ledger()) != heard {
				t.Error("the platform was asked about a guess that is not looked at")
			}
		})
	}
	t.Run("logging in after a pause", func(t *testing.T) {
		inBubble(t, setup{auth: func(o *auth.Options) { o.AccountLimit = auth.Limit{FreeAttempts: 1} }}, func(t *testing.T, r *rig) {
			r.call(t, loginCall("groupadmin", "guess")).wantStatus(t, http.StatusUnauthorized)
			got := r.call(t, loginCall("groupadmin", passwordOf("groupadmin")))
			got.wantError(t, http.StatusTooManyRequests, "RATE_LIMITED")
			if after := got.header.Get("Retry-After"); after != "1" {
				t.Errorf("Retry-After %q", after)
			}
			time.Sleep(time.Second) // synctest's
			r.login(t, "groupadmin")
		})
	})
}

func TestCallersAddressIsTheConnections(t *testing.T) {
	limited := func(o *auth.Options) {
		o.AddressLimit = auth.Limit{FreeAttempts: 1, BaseDelay: time.Hour, MaxDelay: time.Hour}
	}
	r := start(t, setup{auth: limited})
	guess := call{path: ownList("numbers"), header: http.Header{"X-Api-Key": {"nobody.guess"}, "X-Forwarded-For": {"203.0.113.1"}}}
	r.call(t, guess).wantStatus(t, http.StatusUnauthorized)
	guess.header.Set("X-Forwarded-For", "203.0.113.2") // as if from elsewhere
	r.call(t, guess).wantError(t, http.StatusTooManyRequests, "RATE_LIMITED")
}

func TestLoginWithoutThePlatform(t *testing.T) {
	for _, way := range waysToVerify {
		for _, fault := range []string{"refuse", "stall-connection"} {
			t.Run(way.name+"/"+fault, func(t *testing.T) {
				s := way.setup
				s.faults = []string{fault}
				// Below MaxWait, so that callers get the failure of the login.
				s.platform = func(o *oci.Options) { o.LoginTimeout, o.ConnectTimeout = 5*time.Second, 5*time.Second }
				inBubble(t, s, func(t *testing.T, r *rig) {
					got := r.call(t, loginCall("groupadmin", "groupadmin-demo"))
					got.wantError(t, http.StatusServiceUnavailable, "PLATFORM_UNAVAILABLE")
					got.wantRetryAfter(t)
				})
			})
		}
	}
}

func TestLoginBodies(t *testing.T) {
	r := start(t, setup{})
	for name, c := range map[string]struct {
		body, error string
		status      int
	}{
		"nothing":        {"", "BAD_MEDIA_TYPE", 416},
		"a list":         {"[]", "BAD_MEDIA_TYPE", 416},
		"no password":    {`{"username":"groupadmin"}`, "JSON_SCHEMA_VALIDATION", 400},
		"another key":    {`{"username":"groupadmin","password":"x","otp":"1"}`, "JSON_SCHEMA_VALIDATION", 400},
		"an empty name":  {`{"username":"","password":"x"}`, "JSON_SCHEMA_VALIDATION", 400},
		"a control code": {`{"username":"a\u0007b","password":"x"}`, "INVALID_PARAMETERS", 400},
	} {
		t.Run(name, func(t *testing.T) {
			got := r.call(t, call{method: http.MethodPost, path: "/api/v1/login", body: c.body})
			got.wantError(t, c.status, c.error)
		})
	}
	if heard := r.platform.Ledger(); len(heard) != 0 {
		t.Errorf("the platform heard %d commands", len(heard))
	}
}

func TestLoginOfAnotherMediaType(t *testing.T) {
	asked := loginCall("groupadmin", "groupadmin-demo")
	asked.header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	start(t, setup{}).call(t, asked).wantError(t, http.StatusRequestedRangeNotSatisfiable, "BAD_MEDIA_TYPE")
}

func TestLoginFromAnotherSite(t *testing.T) {
	r := start(t, setup{})
	asked := loginCall("groupadmin", "groupadmin-demo")
	asked.header = http.Header{"Sec-Fetch-Site": {"cross-site"}}
	r.call(t, asked).wantError(t, http.StatusForbidden, "FORBIDDEN")
}

func TestVerifierNeedsTLSForTheCommand(t *testing.T) {
	r := start(t, setup{})
	if _, err := gateway.NewVerifier(gateway.VerifyByCommand, r.client, translate.PlatformErrors{}); err == nil {
		t.Error("passwords would cross the network as they are")
	}
	if _, err := gateway.NewVerifier("guess", r.client, translate.PlatformErrors{}); err == nil {
		t.Error("an unknown way is taken")
	}
}

// No credentials get into the log.
func TestLogHoldsNoSecrets(t *testing.T) {
	for _, way := range waysToVerify {
		t.Run(way.name, func(t *testing.T) {
			recorded := &tape{}
			s := way.setup
			if !s.overTLS {
				s.platform = recorded.over
			}
			r := start(t, s)
			session, _ := r.login(t, "groupadmin")
			list := call{path: ownList("numbers"), header: bearer(session.Token)}
			r.call(t, list)
			list.header = http.Header{"Cookie": {"sessionid=" + session.Token}}
			r.call(t, list)
			list.header = bearer(session.Token + "-forged")
			r.call(t, list)
			list.header = http.Header{"X-Api-Key": {system + "." + clientSecret}}
			r.call(t, list)
			r.call(t, call{path: ownList("numbers"), client: system})
			r.call(t, loginCall("groupadmin", "a-wrong-password"))
			r.call(t, loginCall("a-password-for-a-name\x00", "x"))
			r.call(t, call{method: http.MethodPost, path: "/api/v1/login/", body: `{"username":"groupadmin","pasword":"a-misplaced-password"}`})
			r.inject(t, "stall-connection")
			r.call(t, call{method: http.MethodPost, path: "/api/v1/logout/", header: bearer(session.Token)})

			secrets := []string{
				gatewayPassword, passwordOf("groupadmin"), "a-wrong-password", "a-misplaced-password", clientSecret,
				session.Token, session.Token[:strings.LastIndex(session.Token, ".")], string(clientHash()),
				r.basic(t), strings.TrimPrefix(r.basic(t), "Basic "),
			}
			secrets = append(secrets, recorded.secrets(t, s.overTLS)...)
			log := r.log.String()
			for _, secret := range secrets {
				if strings.Contains(log, secret) {
					t.Errorf("the log holds %q", secret)
				}
			}
			if !strings.Contains(log, `"endpoint":"login"`) {
				t.Error("the log holds nothing")
			}
		})
	}
}

// nowhere is a platform that names no scope.
type nowhere struct{}

func (nowhere) Verify(context.Context, string, string) (auth.Identity, error) {
	return auth.Identity{LoginType: "Group", UserID: "x"}, nil
}

func TestLoginWithoutAScope(t *testing.T) {
	r := start(t, setup{auth: func(o *auth.Options) { o.Verifier = nowhere{} }})
	r.call(t, loginCall("groupadmin", "groupadmin-demo")).wantError(t, http.StatusForbidden, "FORBIDDEN")
}
