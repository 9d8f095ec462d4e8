package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// minimumRoles are the documents' "Authorization rights", by endpoint, and those
// of the endpoints that are ours alone. They are written here once more, apart
// from the table that is to be proven.
var minimumRoles = map[string]string{
	"itc_numbers_list":            "Group Admin",
	"itc_numbers_assign":          "Tenant Admin",
	"itc_available_numbers_list":  "Tenant Admin",
	"itc_numbers_remove":          "Tenant Admin",
	"itc_numbers_remove_by_post":  "Tenant Admin",
	"itc_prefixes_list":           "Group Admin",
	"itc_prefixes_assign":         "Tenant Admin",
	"itc_available_prefixes_list": "Tenant Admin",
	"itc_prefixes_remove":         "Tenant Admin",
	"itc_prefixes_remove_by_post": "Tenant Admin",
	"operation_get":               "Group Admin",
	"operations_list":             "Group Admin",
}

// places are groups as seen by clients whose own is ApioSpTest's ApioGrpTest.
var places = []struct {
	name              string
	tenantID, groupID string
	ofTenant, ofGroup bool // in the scope of a Tenant Admin, of a Group Admin
	exists            bool
}{
	{"own group", "ApioSpTest", "ApioGrpTest", true, true, true},
	{"other group", "ApioSpTest", "ApioGrpOther", true, false, true},
	{"missing group", "ApioSpTest", "nobody", true, false, false},
	{"other tenant", "footenant", "foogroup", false, false, true},
	{"own group's id in another tenant", "footenant", "ApioGrpTest", false, false, false},
	{"missing tenant", "nobody", "nobody", false, false, false},
	{"own tenant in another letter case", "apiosptest", "ApioGrpTest", false, false, false},
	{"no tenant", "%20", "ApioGrpTest", false, false, false},
}

// mayCall tells, from the documents' words alone, whether a client may.
func mayCall(client, minimum string, ofTenant, ofGroup bool) bool {
	switch client {
	case system:
		return true
	case tenant:
		return ofTenant
	case group:
		return ofGroup && minimum == "Group Admin"
	}
	return false
}

// A request that is allowed may fail for another reason; every write here has
// an empty body, so nothing is ever changed. A refused one is answered alike
// whatever there is at the place, and the platform hears nothing of it.
func TestRightsOfEveryEndpointLevelAndScope(t *testing.T) {
	r := start(t, setup{})
	refusals := map[int]answer{}
	for _, e := range endpoints() {
		if e.Session != nil || e.Journal != nil {
			continue // see TestRightsOverOperations
		}
		minimum, ok := minimumRoles[e.Name]
		if !ok {
			t.Fatalf("no role is known for %s", e.Name)
		}
		for _, client := range []string{nobody, user, department, group, tenant, system} {
			for _, place := range places {
				t.Run(strings.Join([]string{e.Name, "client " + client, place.name}, "/"), func(t *testing.T) {
					before := len(r.platform.Ledger())
					path := strings.NewReplacer("{tenant_id}", place.tenantID, "{group_id}", place.groupID).Replace(e.Path)
					got := r.call(t, call{method: e.Method, path: path, client: client, body: bodyFor(e.Method)})
					switch {
					case client == nobody:
						got.wantStatus(t, http.StatusUnauthorized)
					case !mayCall(client, minimum, place.ofTenant, place.ofGroup):
						got.wantStatus(t, http.StatusForbidden)
					case e.Method == http.MethodGet && place.exists:
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
	return "{}"
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

func TestEveryRoleBelongsToAnEndpoint(t *testing.T) {
	there := map[string]bool{}
	for _, e := range endpoints() {
		there[e.Name] = true
	}
	for name := range minimumRoles {
		if !there[name] {
			t.Errorf("there is no endpoint %s", name)
		}
	}
}
