package gateway_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway"
	"ocigate/translate/itc"
)

// Methods, headers and other HTTP properties of all routes.

func TestMethods(t *testing.T) {
	r := start(t, setup{})
	for _, c := range []struct{ path, allow string }{
		{ownList("numbers"), "DELETE GET HEAD OPTIONS POST PUT"},
		{ownList("available_numbers"), "GET HEAD OPTIONS"},
		{ownList("prefixes"), "DELETE GET HEAD OPTIONS POST PUT"},
		{ownList("available_prefixes"), "GET HEAD OPTIONS"},
		{ownList("numbers/remove"), "OPTIONS POST"},
		{ownList("prefixes/remove"), "OPTIONS POST"},
		{"/api/v1/login/", "OPTIONS POST"},
		{"/api/v1/logout/", "OPTIONS POST"},
		{"/api/v1/", "GET HEAD OPTIONS"},
		{"/api/v1/operations/", "GET HEAD OPTIONS"},
		{"/api/v1/operations/019ab0c4-6e0f-7c55-8a53-2f6a1c0b7d11/", "GET HEAD OPTIONS"},
	} {
		for _, path := range []string{c.path, strings.TrimSuffix(c.path, "/")} {
			t.Run(path, func(t *testing.T) {
				for _, method := range []string{http.MethodPut, http.MethodPatch, "PROPFIND"} {
					if strings.Contains(c.allow, method) {
						continue
					}
					got := r.call(t, call{method: method, path: path, client: system})
					got.wantError(t, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
					wantAllow(t, got, c.allow)
				}
				asked := r.call(t, call{method: http.MethodOptions, path: path})
				asked.wantStatus(t, http.StatusNoContent)
				wantAllow(t, asked, c.allow)
				if asked.body != "" {
					t.Errorf("the response to OPTIONS has a body: %q", asked.body)
				}
			})
		}
	}
	r.call(t, call{method: http.MethodOptions, path: "/api/v1/nowhere/"}).wantError(t, http.StatusNotFound, "ROUTE_NOT_FOUND")
}

func wantAllow(t *testing.T, a response, want string) {
	t.Helper()
	methods := strings.FieldsFunc(a.header.Get("Allow"), func(r rune) bool { return r == ',' || r == ' ' })
	slices.Sort(methods)
	if got := strings.Join(methods, " "); got != want {
		t.Errorf("Allow is %q, want %q", got, want)
	}
}

// Every route is registered with its method: TestMethods checks only those that are not.
func TestEveryRouteIsServed(t *testing.T) {
	r := start(t, setup{})
	for _, route := range apiRoutes() {
		path := ownPath(route)
		got := r.call(t, call{method: route.Method, path: path})
		if got.status == http.StatusNotFound || got.status == http.StatusMethodNotAllowed {
			t.Errorf("%s %s is answered with %d", route.Method, path, got.status)
		}
	}
}

func TestHeadersOfEveryResponse(t *testing.T) {
	r := start(t, setup{})
	for name, c := range map[string]call{
		"a list":         {path: ownList("numbers"), client: system},
		"an error":       {path: listOf("nobody", "nobody", "numbers"), client: system},
		"no credentials": {path: ownList("numbers")},
		"no route":       {path: "/nowhere"},
		"another method": {method: http.MethodPatch, path: ownList("numbers")},
	} {
		t.Run(name, func(t *testing.T) {
			got := r.call(t, c)
			for header, want := range map[string]string{
				"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Content-Type": "application/json",
			} {
				if value := got.header.Get(header); value != want {
					t.Errorf("%s is %q, want %q", header, value, want)
				}
			}
			if id := got.header.Get("X-Request-Id"); id == "" || r.log.last(t)["request_id"] != id {
				t.Errorf("X-Request-Id is %q, logged is %v", id, r.log.last(t)["request_id"])
			}
		})
	}
}

func TestAvailableFromTheTenant(t *testing.T) {
	r := start(t, setup{services: func(o *gateway.ServiceOptions) { o.ITC.AvailableFrom = itc.AvailableFromTenant }})
	for list, want := range map[string]string{
		"available_numbers": `{"available_numbers":[` +
			`{"minPhoneNumber":"+3225126999","maxPhoneNumber":"+3225126999","active":true,"extensionLength":""},` +
			`{"minPhoneNumber":"+3225127000","maxPhoneNumber":"+3225127999","active":true,"extensionLength":"4"},` +
			`{"minPhoneNumber":"+3225128000","maxPhoneNumber":"+3225128009","active":false,"extensionLength":""}]}`,
		"available_prefixes": `{"available_prefixes":[{"prefix":"+32-03","active":true,"extensionRangeStart":"100","extensionRangeEnd":"199"}]}`,
	} {
		if diff := cmp.Diff(want, strings.TrimSpace(r.get(t, list).body)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", list, diff)
		}
	}
}

func TestEmptyListsAreLists(t *testing.T) {
	r := start(t, setup{})
	for _, list := range []string{"numbers", "prefixes", "available_numbers", "available_prefixes"} {
		got := r.call(t, call{path: listOf("bartenant", "bargroup", list), client: system})
		if body := strings.TrimSpace(got.body); body != `{"`+list+`":[]}` {
			t.Errorf("%s: %s", list, body)
		}
	}
}
