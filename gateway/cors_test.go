package gateway_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"ocigate/gateway"
	"ocigate/gateway/auth"
)

// Pages of other origins. A header that the API reads or that has a meaning of its own
// belongs into gateway.CORSRequestHeaders or gateway.CORSResponseHeaders.

const (
	listedOrigin   = "https://portal.example.com"
	unlistedOrigin = "https://evil.example"
)

// withCORS is a setup with one listed origin.
func withCORS(credentials bool) setup {
	return setup{
		auth: func(o *auth.Options) {
			o.TrustedOrigins, o.TrustCookies = []string{listedOrigin}, credentials
		},
		gateway: func(o *gateway.Options) {
			o.CORS = gateway.CORS{Origins: []string{listedOrigin}, Credentials: credentials, MaxAge: 10 * time.Minute}
		},
	}
}

// preflight returns the preflight that a browser sends for a request of a page.
func preflight(origin, method, path string) call {
	return call{method: http.MethodOptions, path: path, header: http.Header{
		"Origin": {origin}, "Access-Control-Request-Method": {method},
		"Access-Control-Request-Headers": {"authorization,content-type,idempotency-key"},
	}}
}

// elements returns the elements of all values of a header, sorted.
func elements(header http.Header, name string) []string {
	all := strings.FieldsFunc(strings.Join(header.Values(name), ","), func(r rune) bool { return r == ',' || r == ' ' })
	slices.Sort(all)
	return all
}

func wantHeader(t *testing.T, got response, name, want string) {
	t.Helper()
	if values := got.header.Values(name); strings.Join(values, ", ") != want {
		t.Errorf("%s is %q, want %q", name, values, want)
	}
}

// A browser asks first, without credentials, for every route.
func TestPreflightsOfEveryRoute(t *testing.T) {
	r := start(t, withCORS(true))
	for _, route := range apiRoutes() {
		for _, path := range []string{ownPath(route), strings.TrimSuffix(ownPath(route), "/")} {
			got := r.call(t, preflight(listedOrigin, route.Method, path))
			got.wantStatus(t, http.StatusNoContent)
			wantHeader(t, got, "Access-Control-Allow-Origin", listedOrigin)
			wantHeader(t, got, "Access-Control-Allow-Credentials", "true")
			wantHeader(t, got, "Access-Control-Max-Age", "600")
			methods := elements(got.header, "Access-Control-Allow-Methods")
			if !slices.Contains(methods, route.Method) || !slices.Equal(methods, elements(got.header, "Allow")) {
				t.Errorf("%s %s: methods %q, Allow %q", route.Method, path, methods, elements(got.header, "Allow"))
			}
			for _, name := range gateway.CORSRequestHeaders() {
				if !slices.Contains(elements(got.header, "Access-Control-Allow-Headers"), name) {
					t.Errorf("%s may not be sent", name)
				}
			}
			if vary := elements(got.header, "Vary"); !slices.Equal(vary, []string{"Access-Control-Request-Headers", "Access-Control-Request-Method", "Origin"}) {
				t.Errorf("Vary is %q", vary)
			}
		}
	}
	if n := counted(t, r, "ocigate_http_requests_total")["none none OPTIONS 204"]; n != float64(2*len(apiRoutes())) {
		t.Errorf("%v preflights are counted as successes", n)
	}
}

func TestPreflightThatIsRefused(t *testing.T) {
	r := start(t, withCORS(true))
	for name, c := range map[string]struct {
		call   call
		status int
	}{
		"of an origin that is not listed": {preflight(unlistedOrigin, "POST", ownList("numbers")), http.StatusNoContent},
		"of a page without an origin":     {preflight("null", "POST", ownList("numbers")), http.StatusNoContent},
		"of a subdomain":                  {preflight("https://x.portal.example.com", "POST", ownList("numbers")), http.StatusNoContent},
		"of another port":                 {preflight(listedOrigin+":8443", "POST", ownList("numbers")), http.StatusNoContent},
		"of another scheme":               {preflight("http://portal.example.com", "POST", ownList("numbers")), http.StatusNoContent},
		"of no route":                     {preflight(listedOrigin, "POST", "/api/v1/nowhere/"), http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			got := r.call(t, c.call)
			got.wantStatus(t, c.status)
			for header := range maps.Keys(got.header) {
				if strings.HasPrefix(header, "Access-Control-") {
					t.Errorf("the response has %s", header)
				}
			}
		})
	}
}

// Scripts of a listed page can read every response, also an error, and no other page can.
func TestResponsesToOtherOrigins(t *testing.T) {
	r := start(t, withCORS(false))
	for name, c := range map[string]struct {
		call   call
		status int
	}{
		"a list":                   {call{path: ownList("numbers"), client: system}, 200},
		"a list that is not known": {call{path: ownList("numbers"), client: system, header: http.Header{"If-None-Match": {"*"}}}, 304},
		"no credentials":           {call{path: ownList("numbers")}, 401},
		"too low a level":          {call{path: ownList("numbers"), client: user}, 403},
		"no route":                 {call{path: "/api/v1/nowhere/"}, 404},
		"another method":           {call{method: http.MethodPatch, path: ownList("numbers")}, 405},
		"another media type":       {call{method: http.MethodPost, path: "/api/v1/login/", body: "x", header: http.Header{"Content-Type": {"text/plain"}}}, 416},
	} {
		for _, origin := range []string{listedOrigin, unlistedOrigin, ""} {
			t.Run(name+" for "+origin, func(t *testing.T) {
				asked := c.call
				asked.header = maps.Clone(c.call.header)
				if asked.header == nil {
					asked.header = http.Header{}
				}
				if origin != "" {
					asked.header.Set("Origin", origin)
				}
				got := r.call(t, asked)
				if c.status != 416 || origin != unlistedOrigin { // whose login is refused before
					got.wantStatus(t, c.status)
				}
				var exposed []string
				want := ""
				if origin == listedOrigin {
					want, exposed = listedOrigin, gateway.CORSResponseHeaders()
				}
				wantHeader(t, got, "Access-Control-Allow-Origin", want)
				wantHeader(t, got, "Access-Control-Allow-Credentials", "")
				slices.Sort(exposed)
				if names := elements(got.header, "Access-Control-Expose-Headers"); !slices.Equal(names, exposed) {
					t.Errorf("exposed headers %q, want %q", names, exposed)
				}
				if !slices.Contains(elements(got.header, "Vary"), "Origin") {
					t.Errorf("Vary is %q", got.header.Values("Vary"))
				}
			})
		}
	}
}

func TestNoCORSByDefault(t *testing.T) {
	r := start(t, setup{})
	for _, c := range []call{
		preflight(listedOrigin, "POST", ownList("numbers")),
		{path: ownList("numbers"), client: system, header: http.Header{"Origin": {listedOrigin}}},
	} {
		got := r.call(t, c)
		for header := range maps.Keys(got.header) {
			if strings.HasPrefix(header, "Access-Control-") || header == "Vary" && slices.Contains(elements(got.header, "Vary"), "Origin") {
				t.Errorf("%s: the response has %s", c.method, header)
			}
		}
	}
}

// A page of a listed origin may write with the cookie if the setting says so, and a page of
// another origin never.
func TestWritesOfOtherOriginsWithTheCookie(t *testing.T) {
	for name, c := range map[string]struct {
		origin      string
		credentials bool
		status      int
	}{
		"listed, with credentials":      {listedOrigin, true, http.StatusCreated},
		"listed, without credentials":   {listedOrigin, false, http.StatusForbidden},
		"unlisted, with credentials":    {unlistedOrigin, true, http.StatusForbidden},
		"unlisted, without credentials": {unlistedOrigin, false, http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, withCORS(c.credentials))
			_, cookie := r.login(t, "tenantadmin")
			got := r.call(t, call{
				method: http.MethodPost, path: ownList("numbers"), body: `{"numbers":[{"minPhoneNumber":"+3225126999"}]}`,
				header: http.Header{"Origin": {c.origin}, "Sec-Fetch-Site": {"cross-site"}, "Cookie": {cookie.Name + "=" + cookie.Value}},
			})
			got.wantStatus(t, c.status)
		})
	}
}

// A page of a listed origin may log in, with the setting for credentials or without.
func TestLoginsOfOtherOrigins(t *testing.T) {
	for _, credentials := range []bool{true, false} {
		r := start(t, withCORS(credentials))
		for origin, status := range map[string]int{listedOrigin: http.StatusOK, unlistedOrigin: http.StatusForbidden} {
			login := loginCall("tenantadmin", passwordOf("tenantadmin"))
			login.header = http.Header{"Origin": {origin}, "Sec-Fetch-Site": {"cross-site"}}
			r.call(t, login).wantStatus(t, status)
		}
	}
}

// Every header that the gateway itself sets by a constant of its own is exposed.
func TestHeadersOfWritesAreExposed(t *testing.T) {
	r := start(t, withCORS(false))
	got := r.call(t, call{
		method: http.MethodPost, path: ownList("numbers"), body: `{"numbers":[{"minPhoneNumber":"+3225126999"}]}`,
		header: http.Header{"Idempotency-Key": {"a"}, "Origin": {listedOrigin}, "X-Api-Key": {tenant + "." + clientSecret}},
	})
	got.wantStatus(t, http.StatusCreated)
	standard := []string{"Content-Length", "Content-Type", "Cache-Control", "Date", "Vary", "X-Content-Type-Options"}
	exposed := elements(got.header, "Access-Control-Expose-Headers")
	for header := range maps.Keys(got.header) {
		if !strings.HasPrefix(header, "Access-Control-") && !slices.Contains(standard, header) && !slices.Contains(exposed, header) {
			t.Errorf("%s is not exposed", header)
		}
	}
}
