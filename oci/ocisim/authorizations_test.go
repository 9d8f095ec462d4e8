package ocisim_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci/ocisim"
)

func TestServiceAuthorizationList(t *testing.T) {
	const columns = "|Authorized|Assigned|Limited|"
	headings := map[string]string{
		"servicePacksAuthorizationTable":  "Service Pack Name" + columns + "Allocated|Allowed|Usage|Description",
		"groupServicesAuthorizationTable": "Service Name" + columns + "Quantity|Usage|Licensed|Allowed",
		"userServicesAuthorizationTable":  "Service Name" + columns + "Quantity|Usage|Licensed|Allowed|User Assignable|Group Service Assignable",
	}
	row := func(name, authorized, assigned, usage string) string {
		return strings.Join([]string{name, authorized, assigned, "Unlimited", "Unlimited", usage, "Unlimited", "Unlimited", "true", "false"}, "|")
	}
	other := func(s *ocisim.Seed) {
		g := &s.Tenants[0].Groups[0]
		g.Services = []string{"Voice Mail", "Route List", "Call Waiting", "Voice Mail"}
		g.Users[1].Services = []string{"Voice Mail"}
	}
	for name, tt := range map[string]struct {
		edit          func(*ocisim.Seed)
		tenant, group string
		want          []string
	}{
		"Route List where a user has it":          {tenant: "ApioSpTest", group: "ApioGrpTest", want: []string{row("Route List", "true", "true", "1")}},
		"Route List where no user has it":         {tenant: "ApioSpTest", group: "ApioGrpOther", want: []string{row("Route List", "true", "false", "0")}},
		"Route List where it is not authorized":   {tenant: "ApioSpTest", group: "ApioGrpNoService", want: []string{row("Route List", "false", "false", "0")}},
		"Route List of an enterprise's group":     {tenant: "ApioEntTest", group: "ApioEntGrpTest", want: []string{row("Route List", "true", "true", "2")}},
		"the other services of the group, sorted": {edit: other, tenant: "ApioSpTest", group: "ApioGrpTest", want: []string{row("Call Waiting", "true", "false", "0"), row("Route List", "true", "true", "1"), row("Voice Mail", "true", "true", "1")}},
	} {
		t.Run("shows "+name, func(t *testing.T) {
			var edits []func(*ocisim.Seed)
			if tt.edit != nil {
				edits = append(edits, tt.edit)
			}
			got := login(t, newPlatform(t, edits...), "gateway").one("GroupServiceGetAuthorizationListRequest", ids(tt.tenant, tt.group))
			if got.kind() != "GroupServiceGetAuthorizationListResponse" {
				t.Fatalf("answered %s", got.kind())
			}
			var tables []string
			for _, table := range got.Children {
				tables = append(tables, table.XMLName.Local)
				if diff := cmp.Diff(headings[table.XMLName.Local], got.headings(table.XMLName.Local)); diff != "" {
					t.Error(diff)
				}
			}
			order := []string{"servicePacksAuthorizationTable", "groupServicesAuthorizationTable", "userServicesAuthorizationTable"}
			if diff := cmp.Diff(order, tables); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.want, got.rows("userServicesAuthorizationTable")); diff != "" {
				t.Error(diff)
			}
			if more := len(got.rows(order[0])) + len(got.rows(order[1])); more != 0 {
				t.Errorf("the other tables have %d rows", more)
			}
		})
	}
	t.Run("shows nothing of an unknown group", func(t *testing.T) {
		got := login(t, newPlatform(t), "gateway").one("GroupServiceGetAuthorizationListRequest", ids("ApioSpTest", "nobody"))
		if got.number() != 4152 {
			t.Errorf("error %d", got.number())
		}
	})
}
