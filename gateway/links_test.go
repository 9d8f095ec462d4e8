package gateway_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway"
)

// Headers by which a client finds its way: the links of errors, and what a path takes by
// POST. An error with another link is a case of TestLinksOfErrors.

func TestLinksOfErrors(t *testing.T) {
	r := start(t, setup{})
	const login = `</api/v1/login/>; rel="https://ocigate.invalid/rel/login"`
	for name, c := range map[string]struct {
		call call
		want []string
	}{
		"no credentials":               {call{path: ownList("numbers")}, []string{help("UNAUTHENTICATED"), login}},
		"wrong credentials":            {call{path: ownList("numbers"), header: http.Header{"Authorization": {"Bearer x"}}}, []string{help("UNAUTHENTICATED"), login}},
		"a logout without credentials": {call{method: http.MethodPost, path: "/api/v1/logout/"}, []string{help("UNAUTHENTICATED"), login}},
		"too low a level":              {call{path: ownList("numbers"), client: user}, []string{help("FORBIDDEN")}},
		"no route":                     {call{path: "/api/v1/nowhere/"}, []string{help("ROUTE_NOT_FOUND")}},
		"another method":               {call{method: http.MethodPatch, path: ownList("numbers")}, []string{help("METHOD_NOT_ALLOWED")}},
		"a wrong body": {
			call{method: http.MethodPost, path: ownList("numbers"), client: tenant, body: "{}"}, []string{help("JSON_SCHEMA_VALIDATION")},
		},
		"a problem of RFC 9457": {
			call{path: "/api/v1/nowhere/", header: http.Header{"Accept": {"application/problem+json"}}}, []string{help("ROUTE_NOT_FOUND")},
		},
		"a success": {call{path: ownList("numbers"), client: system}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, r.call(t, c.call).header.Values(gateway.HeaderLink)); diff != "" {
				t.Errorf("Link (-want +got):\n%s", diff)
			}
		})
	}
}

// help returns the link to the page of an error.
func help(name string) string { return "</docs/errors/" + name + `/>; rel="help"` }

func TestTheLoginLinkIsThatOfTheLogin(t *testing.T) {
	route, ok := routeNamed("login")
	if got := "<" + route.FullPath() + ">"; !ok || got != "</api/v1/login/>" {
		t.Errorf("the login is at %s", got)
	}
}

func TestMessageOf401NamesTheLogin(t *testing.T) {
	r := start(t, setup{})
	got := r.call(t, call{path: ownList("numbers")})
	got.wantError(t, http.StatusUnauthorized, "UNAUTHENTICATED")
	if !strings.Contains(got.body, "log in with POST /api/v1/login/") {
		t.Errorf("the message does not name the login: %s", got.body)
	}
	if challenges := got.header.Values("Www-Authenticate"); len(challenges) != 2 {
		t.Errorf("challenges: %q", challenges)
	}
}

func TestAcceptPost(t *testing.T) {
	r := start(t, setup{})
	xml := http.Header{"Content-Type": {"application/xml"}}
	for name, c := range map[string]struct {
		call   call
		status int
		posts  bool
	}{
		"OPTIONS of a list that is posted to":     {call{method: http.MethodOptions, path: ownList("numbers")}, 204, true},
		"OPTIONS without the final slash":         {call{method: http.MethodOptions, path: strings.TrimSuffix(ownList("numbers"), "/")}, 204, true},
		"OPTIONS under the plural":                {call{method: http.MethodOptions, path: strings.ReplaceAll(ownList("prefixes"), "/tenant/", "/tenants/")}, 204, true},
		"OPTIONS of the login":                    {call{method: http.MethodOptions, path: "/api/v1/login/"}, 204, true},
		"OPTIONS of a list that is only read":     {call{method: http.MethodOptions, path: ownList("available_numbers")}, 204, false},
		"OPTIONS of no route":                     {call{method: http.MethodOptions, path: "/api/v1/nowhere/"}, 404, false},
		"405 of a list that is posted to":         {call{method: http.MethodPatch, path: ownList("numbers")}, 405, true},
		"405 of a list that is only read":         {call{method: http.MethodPost, path: ownList("available_numbers")}, 405, false},
		"416 of a POST":                           {call{method: http.MethodPost, path: ownList("numbers"), client: tenant, body: "<x/>", header: xml}, 416, true},
		"416 of a PUT of what is posted to":       {call{method: http.MethodPut, path: ownList("numbers"), client: tenant, body: "<x/>", header: xml}, 416, true},
		"416 of a login":                          {call{method: http.MethodPost, path: "/api/v1/login/", body: "<x/>", header: xml}, 416, true},
		"a read":                                  {call{path: ownList("numbers"), client: system}, 200, false},
		"a POST with a body of another structure": {call{method: http.MethodPost, path: ownList("numbers"), client: tenant, body: "{}"}, 400, false},
	} {
		t.Run(name, func(t *testing.T) {
			got := r.call(t, c.call)
			got.wantStatus(t, c.status)
			var want []string
			if c.posts {
				want = []string{"application/json"}
			}
			if values := got.header.Values(gateway.HeaderAcceptPost); !slices.Equal(values, want) {
				t.Errorf("Accept-Post %q, want %q", values, want)
			}
		})
	}
}
