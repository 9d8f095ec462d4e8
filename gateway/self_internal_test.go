package gateway

import (
	"testing"

	"ocigate/gateway/auth"
	"ocigate/translate/scope"
)

// Users may call some routes for themselves, and for no other target.
func TestRoutesForOneself(t *testing.T) {
	own := scope.Target{TenantID: "T", GroupID: "G", UserID: "u@d"}
	caller := auth.Principal{Level: auth.EndUser, TenantID: "T", GroupID: "G", UserID: "u@d"}
	admin := auth.Principal{Level: auth.GroupAdmin, TenantID: "T", GroupID: "G"}
	for name, test := range map[string]struct {
		route  Route
		who    auth.Principal
		target scope.Target
		want   bool
	}{
		"themself":                   {Route{Scope: scope.User, Level: auth.GroupAdmin, Self: true}, caller, own, true},
		"themself, without Self":     {Route{Scope: scope.User, Level: auth.GroupAdmin}, caller, own, false},
		"another user":               {Route{Scope: scope.User, Level: auth.GroupAdmin, Self: true}, caller, scope.Target{TenantID: "T", GroupID: "G", UserID: "v@d"}, false},
		"their group":                {Route{Scope: scope.Group, Level: auth.GroupAdmin, Self: true}, caller, scope.Target{TenantID: "T", GroupID: "G"}, false},
		"a user of an admin's group": {Route{Scope: scope.User, Level: auth.GroupAdmin, Self: true}, admin, own, true},
		"a user of another group":    {Route{Scope: scope.User, Level: auth.GroupAdmin, Self: true}, admin, scope.Target{TenantID: "T", GroupID: "H", UserID: "u@d"}, false},
		"the platform":               {Route{Scope: scope.System, Level: auth.GroupAdmin}, admin, scope.Target{}, false},
	} {
		if got := test.route.authorize(test.who, test.target) == nil; got != test.want {
			t.Errorf("%s: admitted %t", name, got)
		}
	}
}
