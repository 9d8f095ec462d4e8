package auth_test

import (
	"fmt"
	"testing"

	"ocigate/gateway/auth"
)

func TestCovers(t *testing.T) {
	t.Parallel()
	const own, other = "own", "other"
	// One column for each place: own group, other group of the own tenant,
	// group of the same name in another tenant, own tenant itself, other
	// tenant itself, no tenant at all.
	places := []struct{ name, tenant, group string }{
		{"own group", own, own},
		{"other group", own, other},
		{"namesake in other tenant", other, own},
		{"own tenant itself", own, ""},
		{"other tenant itself", other, ""},
		{"system", "", ""},
		{"own group in other letter case", "OWN", "OWN"},
		{"own group with a blank", "own ", "own"},
	}
	callers := []struct {
		name   string
		caller auth.Principal
		want   string // a letter for each place: y or n
	}{
		{"system admin", auth.Principal{Level: auth.SystemAdmin}, "yyyyyyyy"},
		{"tenant admin", auth.Principal{Level: auth.TenantAdmin, TenantID: own}, "yynynnnn"},
		{"group admin", auth.Principal{Level: auth.GroupAdmin, TenantID: own, GroupID: own}, "ynnnnnnn"},
		{"department admin", auth.Principal{Level: auth.DepartmentAdmin, TenantID: own, GroupID: own}, "ynnnnnnn"},
		{"end user", auth.Principal{Level: auth.EndUser, TenantID: own, GroupID: own, UserID: "u"}, "ynnnnnnn"},
		{"tenant admin without tenant", auth.Principal{Level: auth.TenantAdmin}, "nnnnnnnn"},
		{"group admin without group", auth.Principal{Level: auth.GroupAdmin, TenantID: own}, "nnnnnnnn"},
		{"group admin without tenant", auth.Principal{Level: auth.GroupAdmin, GroupID: own}, "nnnnnnnn"},
		{"level between the levels", auth.Principal{Level: 13, TenantID: own, GroupID: own}, "nnnnnnnn"},
		{"level above all", auth.Principal{Level: 17, TenantID: own, GroupID: own}, "nnnnnnnn"},
		{"nobody", auth.Principal{}, "nnnnnnnn"},
	}
	for _, c := range callers {
		for i, p := range places {
			want := c.want[i] == 'y'
			t.Run(fmt.Sprintf("%s/%s/%t", c.name, p.name, want), func(t *testing.T) {
				t.Parallel()
				if got := c.caller.Covers(p.tenant, p.group); got != want {
					t.Errorf("Covers(%q, %q) = %t", p.tenant, p.group, got)
				}
			})
		}
	}
}

func TestMayAsksForLevelAndScope(t *testing.T) {
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
		if got := group.May(c.minimum, c.tenant, c.group); got != c.want {
			t.Errorf("May(%v, %q, %q) = %t", c.minimum, c.tenant, c.group, got)
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
