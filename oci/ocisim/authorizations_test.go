package ocisim_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci/ocisim"
)

// This file specifies the services to which groups and tenants are authorized. A new
// case is a row: an edit of the seed and the expected rows of the table.

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
		"Route List that a user has":              {tenant: "ApioSpTest", group: "ApioGrpTest", want: []string{row("Route List", "true", "true", "1")}},
		"Route List that no user has":             {tenant: "ApioSpTest", group: "ApioGrpOther", want: []string{row("Route List", "true", "false", "0")}},
		"Route List that is not authorized":       {tenant: "ApioSpTest", group: "ApioGrpNoService", want: []string{row("Route List", "false", "false", "0")}},
		"Route List of an enterprise's group":     {tenant: "ApioEntTest", group: "ApioEntGrpTest", want: []string{row("Route List", "true", "true", "2")}},
		"the other services of the group, sorted": {edit: other, tenant: "ApioSpTest", group: "ApioGrpTest", want: []string{row("Call Waiting", "true", "false", "0"), row("Route List", "true", "true", "1"), row("Voice Mail", "true", "true", "1")}},
	} {
		t.Run("lists "+name, func(t *testing.T) {
			var edits []func(*ocisim.Seed)
			if tt.edit != nil {
				edits = append(edits, tt.edit)
			}
			got := login(t, newPlatform(t, edits...), "gateway").one("GroupServiceGetAuthorizationListRequest", ids(tt.tenant, tt.group))
			if got.kind() != "GroupServiceGetAuthorizationListResponse" {
				t.Fatalf("replied %s", got.kind())
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
				t.Errorf("the other tables have %d rows, want none", more)
			}
		})
	}
	t.Run("refuses an unknown group", func(t *testing.T) {
		got := login(t, newPlatform(t), "gateway").one("GroupServiceGetAuthorizationListRequest", ids("ApioSpTest", "unknown"))
		if got.number() != 4152 {
			t.Errorf("error %d", got.number())
		}
	})
}

func TestServiceAuthorizationListOfATenant(t *testing.T) {
	const columns = "Service Name|Authorized|Assigned|Limited|Quantity|Allocated|Licensed|Service Pack Allocation"
	row := func(name, authorized, assigned, allocated string) string {
		return strings.Join([]string{name, authorized, assigned, "Unlimited", "Unlimited", allocated, "Unlimited", "0", "true", "true"}, "|")
	}
	authorized := func(s *ocisim.Seed) {
		s.Tenants[3].Services = []string{"Route List", "Call Waiting"}
		s.Tenants[3].Groups[0].Services = []string{"Call Waiting"}
	}
	for name, tt := range map[string]struct {
		edit   func(*ocisim.Seed)
		tenant string
		want   []string
	}{
		"Route List that a user has":             {tenant: "ApioSpTest", want: []string{row("Route List", "true", "true", "Unlimited")}},
		"Route List that no user has":            {tenant: "footenant", want: []string{row("Route List", "true", "false", "Unlimited")}},
		"Route List that is not authorized":      {tenant: "ApioSpNoService", want: []string{row("Route List", "false", "false", "0")}},
		"Route List of an enterprise":            {tenant: "ApioEntTest", want: []string{row("Route List", "true", "true", "Unlimited")}},
		"what is authorized to no group, sorted": {edit: authorized, tenant: "ApioSpNoService", want: []string{row("Call Waiting", "true", "false", "Unlimited"), row("Route List", "true", "false", "0")}},
	} {
		t.Run("shows "+name, func(t *testing.T) {
			var edits []func(*ocisim.Seed)
			if tt.edit != nil {
				edits = append(edits, tt.edit)
			}
			got := login(t, newPlatform(t, edits...), "gateway").one("ServiceProviderServiceGetAuthorizationListRequest", text("serviceProviderId", tt.tenant))
			if got.kind() != "ServiceProviderServiceGetAuthorizationListResponse" || len(got.Children) != 2 {
				t.Fatalf("replied %s with %d tables", got.kind(), len(got.Children))
			}
			if diff := cmp.Diff([]string{columns, columns + "|User Assignable|Service Pack Assignable"},
				[]string{got.headings("groupServicesAuthorizationTable"), got.headings("userServicesAuthorizationTable")}); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.want, got.rows("userServicesAuthorizationTable")); diff != "" {
				t.Error(diff)
			}
			if more := len(got.rows("groupServicesAuthorizationTable")); more != 0 {
				t.Errorf("the other table has %d rows, want none", more)
			}
		})
	}
	t.Run("refuses an unknown tenant", func(t *testing.T) {
		if got := login(t, newPlatform(t), "gateway").one("ServiceProviderServiceGetAuthorizationListRequest", text("serviceProviderId", "unknown")); got.number() != 9902 {
			t.Errorf("error %d", got.number())
		}
	})
}

func TestAuthorizedQuantity(t *testing.T) {
	c := login(t, newPlatform(t), "gateway")
	reply := c.one("GroupServiceGetAuthorizationRequest", ids("ApioEntTest", "ApioEntGrpTest")+text("userServiceName", "Route List"))
	got := fields(reply.all("authorizedQuantity")[0]) + " " + fields(reply.all("usedQuantity")[0])
	if got != "unlimited=true quantity=2" {
		t.Error(got)
	}
}
