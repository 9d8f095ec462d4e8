package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/translate/scope"
)

// The query parameters of all routes.

// A parameter that is not known may be one that would have made the response
// another.
func TestReadsRefuseUnknownParameters(t *testing.T) {
	r := start(t, setup{})
	const (
		none = " is not a parameter here: there are none"
		list = " is not a parameter here; the parameters are: tenant_id, group_id, state, before, limit, entries"
		// Of a list of the platform: those with a rule are named by it.
		known = "; the parameters are: phoneNumber, active, assigned, startIndex, pageSize, responseSizeLimit, sortOrders, " +
			"{sensitive|insensitive}{GroupId|UserId|UserLastName|UserFirstName|Extension|DepartmentFullPath|EmailAddress|EnterpriseTrunk|ExtensionLength}{Starts|Contains|Equals}"
		unknown = " is not a parameter here" + known
	)
	settings := itcAt(scope.User, scope.Target{TenantID: ownTenant, GroupID: ownGroup, UserID: ownUser})
	for name, test := range map[string]struct {
		path string
		want []string // places and reasons
	}{
		"of a list":             {ownList("numbers") + "?actve=false", []string{"actve is not a parameter here (did you mean active?)" + known}},
		"of a list, all":        {ownList("numbers") + "?b=1&a=2&a=3", []string{"a" + unknown, "b" + unknown}},
		"without a value":       {ownList("numbers") + "?x", []string{"x" + unknown}},
		"of the path":           {ownList("numbers") + "?tenant_id=footenant", []string{"tenant_id" + unknown}},
		"beside an ignored one": {ownList("numbers") + "?_=1&x=2", []string{"x" + unknown}},
		"in another spelling":   {ownList("numbers") + "?__=1", []string{"__" + unknown}},
		"after a path at fault": {listOf("%20", "g", "numbers") + "?x=2", []string{"tenant_id must not begin or end with a blank", "x" + unknown}},
		"that cannot be read":   {ownList("numbers") + "?a;b", []string{"query must be name=value pairs, joined by & and percent-encoded"}},
		"with half an escape":   {ownList("numbers") + "?_=%", []string{"query must be name=value pairs, joined by & and percent-encoded"}},
		"of the operations":     {"/api/v1/operations/?tennant_id=a", []string{"tennant_id" + list}},
		"nested in an object":   {ownList("numbers") + "?pagingControl=1", []string{"pagingControl" + unknown}},
		"of a user":             {settings + "?startIndex=1", []string{"startIndex" + none}},
		"of a user's lists":     {settings + "?active=true&_=1", []string{"active" + none}},
		"in another order":      {ownList("numbers") + "?pageSize=0&active=1", []string{"active must be true or false", "pageSize must be a number from 1 to 1000000000"}},
		"of one operation":      {"/api/v1/operations/x/?limit=1", []string{"limit" + none}},
		"given twice":           {"/api/v1/operations/?limit=1&limit=1", []string{"limit must be given only once"}},
		"with other values": {"/api/v1/operations/?limit=0&state=lost&before=x&group_id=%20g", []string{
			"before must be the id of an operation", "group_id must not begin or end with a blank",
			"limit must be a number from 1 to 1000", "state must be one of done, not_done, partly_done, unknown",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			heard := len(r.platform.Ledger())
			got := r.call(t, call{path: test.path, client: system})
			failure := got.wantError(t, http.StatusBadRequest, "INVALID_PARAMETERS")
			var problems []string
			for _, p := range failure.Details.Problems {
				problems = append(problems, p.Parameter+" "+p.Reason)
			}
			if diff := cmp.Diff(test.want, problems); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if len(r.platform.Ledger()) != heard {
				t.Error("the platform was asked")
			}
		})
	}
}

// Clients in browsers keep caches from answering with it.
func TestReadsIgnoreTheCacheBuster(t *testing.T) {
	r := start(t, setup{})
	plain := r.get(t, "numbers")
	for _, path := range []string{ownList("numbers") + "?_=1764376000", ownList("numbers") + "?_=1&_=2", ownList("numbers") + "?", "/api/v1/operations/?_"} {
		got := r.call(t, call{path: path, client: system})
		got.wantStatus(t, http.StatusOK)
		if strings.HasPrefix(path, ownList("numbers")) && got.body != plain.body {
			t.Errorf("%s: another answer: %s", path, got.body)
		}
	}
	c := assignFreeRange()
	c.path += "?_=1"
	failure := r.call(t, c).wantError(t, http.StatusBadRequest, "INVALID_PARAMETERS")
	if problems := failure.Details.Problems; len(problems) != 1 || problems[0].Reason != "is not a parameter here; the parameters are: dry_run" {
		t.Errorf("problems %+v", problems)
	}
	r.wantWrites(t, 0, 0)
}

// Who may not use an endpoint does not get to know what is wrong with the request.
func TestRightsComeBeforeParameters(t *testing.T) {
	r := start(t, setup{})
	for client, status := range map[string]int{anonymous: http.StatusUnauthorized, user: http.StatusForbidden, system: http.StatusBadRequest} {
		for _, path := range []string{listOf("%20", "%20", "numbers") + "?x=1", ownList("numbers") + "?x=1", "/api/v1/operations/?x=1"} {
			r.call(t, call{path: path, client: client}).wantStatus(t, status)
		}
	}
}
