package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway"
)

// The rights of every client at every route, by the documents.

// place is a group as seen by clients whose own is ApioSpTest's ApioGrpTest.
type place struct {
	name              string
	tenantID, groupID string
	ofTenant, ofGroup bool // in the scope of a Tenant Admin, of a Group Admin
	tenant, group     bool // exist
}

var places = []place{
	{"own group", "ApioSpTest", "ApioGrpTest", true, true, true, true},
	{"other group", "ApioSpTest", "ApioGrpOther", true, false, true, true},
	{"missing group", "ApioSpTest", "nobody", true, false, true, false},
	{"other tenant", "footenant", "foogroup", false, false, true, true},
	{"own group's id in another tenant", "footenant", "ApioGrpTest", false, false, true, false},
	{"missing tenant", "nobody", "nobody", false, false, false, false},
	{"own tenant in another letter case", "apiosptest", "ApioGrpTest", false, false, false, false},
	{"no tenant", "%20", "ApioGrpTest", false, false, false, false},
}

// of returns the place that is left where the route's path names a tenant alone. A path
// that names a user names the own group's.
func (p place) of(route gateway.Route) place {
	if !strings.Contains(route.FullPath(), "{group_id}") {
		p.ofGroup, p.group = false, p.tenant
	}
	if strings.Contains(route.FullPath(), "{user_id}") {
		p.group = p.group && p.ofGroup
	}
	return p
}

// mayCall reports whether a client may call the route, by the documents alone.
func mayCall(client, minimum string, ofTenant, ofGroup bool) bool {
	if rank(client) < rank(minimum) {
		return false
	}
	switch client {
	case system:
		return true
	case tenant:
		return ofTenant
	case group, department:
		return ofGroup
	}
	return false
}

// A request that is allowed may fail for another reason; every write here has
// a body of no route, so nothing is ever changed. A refused one is answered alike
// whatever there is at the place, and the platform gets no command.
func TestRightsOfEveryEndpointLevelAndScope(t *testing.T) {
	r := start(t, setup{})
	refusals := map[int]response{}
	for _, route := range apiRoutes() {
		if route.Session != nil || route.Journal != nil {
			continue // see TestRightsOverOperations
		}
		minimum := factsOf(t, route.Name).Level
		for _, client := range []string{anonymous, user, department, group, tenant, system} {
			for _, place := range places {
				place := place.of(route)
				t.Run(strings.Join([]string{route.Name, "client " + client, place.name}, "/"), func(t *testing.T) {
					before := len(r.platform.Ledger())
					path := pathOf(route, ids{"tenant_id": place.tenantID, "group_id": place.groupID, "user_id": ownUser})
					got := r.call(t, call{method: route.Method, path: path, client: client, body: bodyFor(route.Method)})
					switch {
					case client == anonymous:
						got.wantStatus(t, http.StatusUnauthorized)
					case !mayCall(client, minimum, place.ofTenant, place.ofGroup):
						got.wantStatus(t, http.StatusForbidden)
					case route.Method == http.MethodGet && place.group:
						got.wantStatus(t, http.StatusOK)
						return
					default:
						if got.status != http.StatusBadRequest && got.status != http.StatusNotFound {
							t.Errorf("status %d for a request that is allowed: %s", got.status, got.body)
						}
						return
					}
					if heard := len(r.platform.Ledger()) - before; heard != 0 {
						t.Errorf("the platform heard %d commands of a refused request", heard)
					}
					wantSameRefusal(t, refusals, got)
				})
			}
		}
	}
	if writes := r.platform.Writes(); len(writes) != 0 {
		t.Errorf("%d writes reached the platform", len(writes))
	}
}

// bodyFor returns a body that no write takes.
func bodyFor(method string) string {
	if method == http.MethodGet {
		return ""
	}
	return `{"none of its keys":0}`
}

// wantSameRefusal holds a response against the first of its status, to the byte,
// apart from what belongs to the single request.
func wantSameRefusal(t *testing.T, first map[int]response, got response) {
	t.Helper()
	for _, name := range []string{"X-Request-Id", "Date", "Operation-Id", "Operation-Outcome"} {
		got.header.Del(name)
	}
	known, ok := first[got.status]
	if !ok {
		first[got.status] = got
		return
	}
	if diff := cmp.Diff(known, got, cmp.AllowUnexported(response{})); diff != "" {
		t.Errorf("two refusals differ:\n%s", diff)
	}
}
