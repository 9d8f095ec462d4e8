package gateway_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway"
	"ocigate/gateway/auth"
)

// GET /api/v1/ describes what its caller can use. A caller with other rights is a case of
// TestIndexOfCallers.

// indexed is the response of the index, read strictly.
type indexed struct {
	IDs           map[string]string `json:"ids"`
	Profile       map[string]any    `json:"profile"`
	Documentation string            `json:"documentation"`
	Description   string            `json:"description"`
	Links         []indexedLink     `json:"links"`
}

type indexedLink struct {
	Route      string `json:"route"`
	Method     string `json:"method"`
	Href       string `json:"href"`
	Title      string `json:"title"`
	LeastLevel int    `json:"least_level"`
}

func indexOf(t *testing.T, r *rig, c call) indexed {
	t.Helper()
	c.path = "/api/v1/"
	got := r.call(t, c)
	got.wantStatus(t, http.StatusOK)
	var body indexed
	decoder := json.NewDecoder(strings.NewReader(got.body))
	decoder.DisallowUnknownFields()
	must(t, decoder.Decode(&body))
	return body
}

// asUser returns a call with the token of a user of the platform.
func (r *rig) asUser(t *testing.T, username string) call {
	t.Helper()
	session, _ := r.login(t, username)
	return call{header: http.Header{"Authorization": {"Bearer " + session.Token}}}
}

func TestIndexOfCallers(t *testing.T) {
	r := start(t, setup{})
	const (
		services   = "/services/immediate_trunking_connectivity/"
		ofTenant   = "/api/v1/tenant/" + ownTenant + services
		groupLists = "/api/v1/tenant/" + ownTenant + "/group/" + ownGroup + services
		escaped    = "ApioUserTest@sip.netaxis.be"
	)
	for name, c := range map[string]struct {
		call    call
		ids     map[string]string
		profile map[string]any
		hrefs   map[string]string // of some routes; "" if there must be none
		routes  int               // 0 for all of the table but logout
	}{
		"a client for everything": {
			call{client: system}, map[string]string{}, map[string]any{"name": system, "user_level": 16.0, "level_name": "System Admin"},
			map[string]string{
				"itc_numbers_list": "/api/v1/tenant/{tenant_id}/group/{group_id}" + services + "numbers/",
				"operation_get":    "/api/v1/operations/{operation_id}/", "logout": "", "login": "/api/v1/login/", "api_index": "/api/v1/",
			}, 0,
		},
		"a client of a tenant": {
			call{client: tenant}, map[string]string{"tenant_id": ownTenant}, map[string]any{"name": tenant, "user_level": 12.0, "level_name": "Tenant Admin"},
			map[string]string{
				"itc_numbers_assign":      "/api/v1/tenant/" + ownTenant + "/group/{group_id}" + services + "numbers/",
				"itc_tenant_numbers_list": ofTenant + "numbers/",
				"itc_user_set":            "/api/v1/tenant/" + ownTenant + "/groups/{group_id}/users/{user_id}" + services,
			}, 0,
		},
		"a client of a group": {
			call{client: group}, map[string]string{"tenant_id": ownTenant, "group_id": ownGroup}, map[string]any{"name": group, "user_level": 8.0, "level_name": "Group Admin"},
			map[string]string{
				"itc_numbers_list": groupLists + "numbers/", "itc_numbers_assign": "", "itc_tenant_numbers_list": "", "operations_list": "/api/v1/operations/",
			}, 8,
		},
		"an administrator who has logged in": {
			r.asUser(t, "groupadmin"), map[string]string{"tenant_id": ownTenant, "group_id": ownGroup},
			map[string]any{"name": "groupadmin", "user_level": 8.0, "level_name": "Group Admin"},
			map[string]string{"logout": "/api/v1/logout/", "itc_prefixes_list": groupLists + "prefixes/"}, 9,
		},
		"a user": {
			r.asUser(t, ownUser), map[string]string{"tenant_id": ownTenant, "group_id": ownGroup, "user_id": ownUser},
			map[string]any{"name": ownUser, "user_level": 0.0, "level_name": "End User"},
			map[string]string{"itc_user_get": "/api/v1/tenant/" + ownTenant + "/groups/" + ownGroup + "/users/" + escaped + services, "itc_user_set": "", "operations_list": ""}, 4,
		},
		"a client of the lowest level, who is no user": {
			call{client: user}, map[string]string{"tenant_id": ownTenant, "group_id": ownGroup}, map[string]any{"name": user, "user_level": 0.0, "level_name": "End User"},
			map[string]string{"itc_user_get": ""}, 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := indexOf(t, r, c.call)
			if diff := cmp.Diff(c.ids, got.IDs); diff != "" {
				t.Errorf("ids (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.profile, got.Profile); diff != "" {
				t.Errorf("profile (-want +got):\n%s", diff)
			}
			if c.routes == 0 {
				c.routes = len(apiRoutes()) - 1
			}
			if len(got.Links) != c.routes {
				t.Errorf("%d links, want %d: %+v", len(got.Links), c.routes, got.Links)
			}
			for route, href := range c.hrefs {
				i := slices.IndexFunc(got.Links, func(l indexedLink) bool { return l.Route == route })
				if (i < 0) != (href == "") || i >= 0 && got.Links[i].Href != href {
					t.Errorf("%s: want %q, got %+v", route, href, got.Links)
				}
			}
		})
	}
}

// The index and the rights agree: a route that is linked is not forbidden to its caller, and
// one that is not linked is.
func TestIndexAgreesWithTheRights(t *testing.T) {
	r := start(t, setup{})
	callers := map[string]call{user: {client: user}, department: {client: department}, group: {client: group}, tenant: {client: tenant}, system: {client: system}, ownUser: r.asUser(t, ownUser)}
	for name, c := range callers {
		linked := map[string]indexedLink{}
		for _, l := range indexOf(t, r, c).Links {
			linked[l.Route] = l
		}
		for _, route := range apiRoutes() {
			if route.Session != nil {
				continue
			}
			asked := c
			asked.method, asked.path, asked.body = route.Method, ownPath(route), bodyFor(route.Method)
			got := r.call(t, asked)
			if _, ok := linked[route.Name]; ok == (got.status == http.StatusForbidden) {
				t.Errorf("%s: %s is linked: %t, and a request returns %d", name, route.Name, ok, got.status)
			}
			if l := linked[route.Name]; l.Route != "" && (l.Method != route.Method || l.Title != route.Summary) {
				t.Errorf("%s: the link is %+v", route.Name, l)
			}
		}
	}
}

func TestIndexNeedsCredentials(t *testing.T) {
	r := start(t, setup{})
	for _, path := range []string{"/api/v1/", "/api/v1"} {
		got := r.call(t, call{path: path})
		got.wantError(t, http.StatusUnauthorized, "UNAUTHENTICATED")
		if !slices.ContainsFunc(got.header.Values(gateway.HeaderLink), func(l string) bool { return strings.HasPrefix(l, "</api/v1/login/>") }) {
			t.Errorf("%s: no link to the login: %q", path, got.header.Values(gateway.HeaderLink))
		}
		found := r.call(t, call{path: path, client: group})
		found.wantStatus(t, http.StatusOK)
		again := call{path: path, client: group, header: http.Header{"If-None-Match": {found.header.Get("ETag")}}}
		r.call(t, again).wantStatus(t, http.StatusNotModified)
	}
	if n := len(r.platform.Ledger()); n != 0 {
		t.Errorf("the platform got %d commands", n)
	}
}

// Ids are escaped, so that a template has no other variables than its own.
func TestIdsInLinksAreEscaped(t *testing.T) {
	r := start(t, setup{auth: func(o *auth.Options) {
		o.Clients[3].TenantID = "a/b {group_id} é"
	}})
	for _, l := range indexOf(t, r, call{client: tenant}).Links {
		if l.Route == "itc_numbers_list" && !strings.HasPrefix(l.Href, "/api/v1/tenant/a%2Fb%20%7Bgroup_id%7D%20%C3%A9/group/{group_id}/") {
			t.Errorf("the path is %s", l.Href)
		}
	}
}
