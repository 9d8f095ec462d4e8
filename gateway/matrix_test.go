package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway"
)

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

// of is the place that is left where the row's path names a tenant alone. A path
// that names a user names the own group's.
func (p place) of(e gateway.Route) place {
	if !strings.Contains(e.FullPath(), "{group_id}") {
		p.ofGroup, p.group = false, p.tenant
	}
	if strings.Contains(e.FullPath(), "{user_id}") {
		p.group = p.group && p.ofGroup
	}
	return p
}

// mayCall tells, from the documents' words alone, whether a client may.
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
// a body of no row, so nothing is ever changed. A refused one is answered alike
// whatever there is at the place, and the platform hears nothing of it.
func TestRightsOfEveryEndpointLevelAndScope(t *testing.T) {
	r := start(t, setup{})
	refusals := map[int]answer{}
	for _, e := range endpoints() {
		if e.Session != nil || e.Journal != nil {
			continue // see TestRightsOverOperations
		}
		minimum := factsOf(t, e.Name).Level
		for _, client := range []string{nobody, user, department, group, tenant, system} {
			for _, place := range places {
				place := place.of(e)
				t.Run(strings.Join([]string{e.Name, "client " + client, place.name}, "/"), func(t *testing.T) {
					before := len(r.platform.Ledger())
					path := pathOf(e, ids{"tenant_id": place.tenantID, "group_id": place.groupID, "user_id": ownUser})
					got := r.call(t, call{method: e.Method, path: path, client: client, body: bodyFor(e.Method)})
					switch {
					case client == nobody:
						got.wantStatus(t, http.StatusUnauthorized)
					case !mayCall(client, minimum, place.ofTenant, place.ofGroup):
						got.wantStatus(t, http.StatusForbidden)
					case e.Method == http.MethodGet && place.group:
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

// bodyFor is a body that no write takes.
func bodyFor(method string) string {
	if method == http.MethodGet {
		return ""
	}
	return `{"none of its keys":0}`
}

// wantSameRefusal holds an answer against the first of its status, to the byte,
// apart from what belongs to the single request.
func wantSameRefusal(t *testing.T, first map[int]answer, got answer) {
	t.Helper()
	for _, name := range []string{"X-Request-Id", "Date", "Operation-Id", "Operation-Outcome"} {
		got.header.Del(name)
	}
	known, ok := first[got.status]
	if !ok {
		first[got.status] = got
		return
	}
	if diff := cmp.Diff(known, got, cmp.AllowUnexported(answer{})); diff != "" {
		t.Errorf("two refusals can be told apart:\n%s", diff)
	}
}
