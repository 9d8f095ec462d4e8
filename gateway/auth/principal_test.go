package auth_test

import (
	"fmt"
	"testing"

	"ocigate/gateway/auth"
	"ocigate/translate/scope"
)

// These tests specify levels and scopes. To add a target, add an entry to the places of
// TestCovers and a letter to each caller's wanted results.

func TestCovers(t *testing.T) {
	t.Parallel()
	const own, other = "own", "other"
	at := func(tenant, group, user string) scope.Target {
		return scope.Target{TenantID: tenant, GroupID: group, UserID: user}
	}
	places := []struct {
		name   string
		target scope.Target
	}{
		{"own group", at(own, own, "")},
		{"other group", at(own, other, "")},
		{"namesake in other tenant", at(other, own, "")},
		{"own tenant itself", at(own, "", "")},
		{"other tenant itself", at(other, "", "")},
		{"system", at("", "", "")},
		{"own group in other letter case", at("OWN", "OWN", "")},
		{"own group with a blank", at("own ", "own", "")},
		{"themself", at(own, own, "u")},
		{"other user of own group", at(own, own, "v")},
		{"namesake in other group", at(own, other, "u")},
		{"namesake in other tenant", at(other, own, "u")},
	}
	callers := []struct {
		name   string
		caller auth.Principal
		want   string // a letter for each place: y or n
	}{
		{"system admin", auth.Principal{Level: auth.SystemAdmin}, "yyyyyyyyyyyy"},
		{"tenant admin", auth.Principal{Level: auth.TenantAdmin, TenantID: own}, "yynynnnnyyyn"},
		{"group admin", auth.Principal{Level: auth.GroupAdmin, TenantID: own, GroupID: own}, "ynnnnnnnyynn"},
		{"department admin", auth.Principal{Level: auth.DepartmentAdmin, TenantID: own, GroupID: own}, "ynnnnnnnyynn"},
		{"end user", auth.Principal{Level: auth.EndUser, TenantID: own, GroupID: own, UserID: "u"}, "nnnnnnnnynnn"},
		{"end user without id", auth.Principal{Level: auth.EndUser, TenantID: own, GroupID: own}, "nnnnnnnnnnnn"},
		{"tenant admin without tenant", auth.Principal{Level: auth.TenantAdmin}, "nnnnnnnnnnnn"},
		{"group admin without group", auth.Principal{Level: auth.GroupAdmin, TenantID: own}, "nnnnnnnnnnnn"},
		{"group admin without tenant", auth.Principal{Level: auth.GroupAdmin, GroupID: own}, "nnnnnnnnnnnn"},
		{"level between the levels", auth.Principal{Level: 13, TenantID: own, GroupID: own}, "nnnnnnnnnnnn"},
		{"level above all", auth.Principal{Level: 17, TenantID: own, GroupID: own}, "nnnnnnnnnnnn"},
		{"zero principal", auth.Principal{}, "nnnnnnnnnnnn"},
	}
	for _, c := range callers {
		for i, p := range places {
			want := c.want[i] == 'y'
			t.Run(fmt.Sprintf("%s/%s/%t", c.name, p.name, want), func(t *testing.T) {
				t.Parallel()
				if got := c.caller.Covers(p.target); got != want {
					t.Errorf("Covers(%+v) = %t", p.target, got)
				}
			})
		}
	}
}

func TestMayNeedsLevelAndScope(t *testing.T) {
	t.Parallel()
	group := auth.Principal{Level: auth.GroupAdmin, TenantID: "t", GroupID: "g"}
	for _, c := range []struct {
		minimum       auth.Level
		tenant, group string
		want          bool
	}{
		{auth.GroupAdmin, "t", "g", true},
		{auth.EndUser, "t", "g", true},
		{auth.TenantAdmin, "t", "g", false},
		{auth.GroupAdmin, "t", "h", false},
		{auth.TenantAdmin, "t", "h", false},
	} {
		if got := group.May(c.minimum, scope.Target{TenantID: c.tenant, GroupID: c.group}); got != c.want {
			t.Errorf("May(%v, %q, %q) = %t", c.minimum, c.tenant, c.group, got)
		}
	}
}

func TestIsNeedsTheUserThemself(t *testing.T) {
	t.Parallel()
	themself := scope.Target{TenantID: "t", GroupID: "g", UserID: "u"}
	for name, c := range map[string]struct {
		caller auth.Principal
		target scope.Target
		want   bool
	}{
		"the user":                           {auth.Principal{Level: auth.EndUser, TenantID: "t", GroupID: "g", UserID: "u"}, themself, true},
		"another user":                       {auth.Principal{Level: auth.EndUser, TenantID: "t", GroupID: "g", UserID: "v"}, themself, false},
		"the user about their group":         {auth.Principal{Level: auth.EndUser, TenantID: "t", GroupID: "g", UserID: "u"}, scope.Target{TenantID: "t", GroupID: "g"}, false},
		"a department admin of the group":    {auth.Principal{Level: auth.DepartmentAdmin, TenantID: "t", GroupID: "g"}, themself, false},
		"a client of the level, who is none": {auth.Principal{Level: auth.EndUser, TenantID: "t", GroupID: "g"}, themself, false},
	} {
		if got := c.caller.Is(c.target); got != c.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}

func TestLevelOf(t *testing.T) {
	t.Parallel()
	for loginType, want := range map[string]auth.Level{
		"System": auth.SystemAdmin, "Provisioning": auth.SystemAdmin, "Service Provider": auth.TenantAdmin,
		"Group": auth.GroupAdmin, "Group Department": auth.DepartmentAdmin, "User": auth.EndUser,
	} {
		if got, err := auth.LevelOf(loginType); err != nil || got != want {
			t.Errorf("LevelOf(%q) = %v, %v, want %v", loginType, got, err, want)
		}
	}
	for _, loginType := range []string{"Reseller", "Lawful Intercept", "system", ""} {
		_, err := auth.LevelOf(loginType)
		wantError(t, err, auth.ErrUnsupportedLoginType)
	}
}

func TestLevelNames(t *testing.T) {
	t.Parallel()
	for level, want := range map[auth.Level]string{
		auth.EndUser: "End User", auth.DepartmentAdmin: "Department Admin", auth.GroupAdmin: "Group Admin",
		auth.TenantAdmin: "Tenant Admin", auth.SystemAdmin: "System Admin", 5: "Level 5",
	} {
		if got := level.String(); got != want {
			t.Errorf("level %d is %q, want %q", int(level), got, want)
		}
	}
}

// The name of a level, as operations store it, leads back to the level.
func TestLevelByName(t *testing.T) {
	for _, level := range []auth.Level{auth.EndUser, auth.DepartmentAdmin, auth.GroupAdmin, auth.TenantAdmin, auth.SystemAdmin} {
		if got, ok := auth.LevelByName(level.String()); !ok || got != level {
			t.Errorf("%s: got %v, %t", level, got, ok)
		}
	}
	for _, name := range []string{"", "group admin", "Level 3"} {
		if got, ok := auth.LevelByName(name); ok {
			t.Errorf("%q: got %v", name, got)
		}
	}
}
