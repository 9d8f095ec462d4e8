package ocisim_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci/ocisim"
)

// This file specifies the profiles of administrators and what restricts them.

func TestProfilesOfAdministrators(t *testing.T) {
	const own = "ApioSpTest"
	p := newPlatform(t, func(s *ocisim.Seed) {
		s.Administrators = append(s.Administrators,
			ocisim.Administrator{ID: "reader", Password: "reader-demo", Type: "Provisioning", ReadOnly: true},
			ocisim.Administrator{ID: "customer", Password: "customer-demo", Type: "Service Provider", Tenant: own, AdminType: "Customer"},
		)
	})
	c := login(t, p, "gateway")
	for _, tt := range []struct{ command, user, fields string }{
		{"SystemAdminGetRequest", "sysadmin", "language=English adminType=System readOnly=false"},
		{"SystemAdminGetRequest", "sysadmin@example.com", "language=English adminType=System readOnly=false"},
		{"SystemAdminGetRequest", "reader", "language=English adminType=Provisioning readOnly=true"},
		{"ServiceProviderAdminGetRequest14", "tenantadmin", "serviceProviderId=ApioSpTest language=English administratorType=Normal"},
		{"ServiceProviderAdminGetRequest14", "customer", "serviceProviderId=ApioSpTest language=English administratorType=Customer"},
	} {
		t.Run(tt.user, func(t *testing.T) {
			example{command: tt.command, inner: text("userId", tt.user), fields: tt.fields}.check(t, c)
		})
	}
	for _, user := range []string{"reader", "customer"} {
		t.Run(user+" may read and not write", func(t *testing.T) {
			c := login(t, p, user)
			group := text("serviceProviderId", own) + text("groupId", "ApioGrpTest")
			if got := c.one(groupRange+"GetSummaryListRequest", group).number(); got != 0 {
				t.Errorf("a read: error %d", got)
			}
			if got := c.one(groupRange+"AssignListRequest", group).number(); got != 5404 {
				t.Errorf("a write: error %d", got)
			}
		})
	}
}

func TestRestrictionsOfASeed(t *testing.T) {
	seed := ocisim.DemoSeed()
	seed.Administrators = []ocisim.Administrator{
		{ID: "a", Password: "x", Type: "Service Provider", Tenant: "ApioSpTest", ReadOnly: true},
		{ID: "b", Password: "x", Type: "System", AdminType: "Normal"},
		{ID: "c", Password: "x", Type: "Service Provider", Tenant: "ApioSpTest", AdminType: "normal"},
	}
	_, err := ocisim.New(seed)
	wrong, _ := errors.AsType[*ocisim.SeedError](err)
	if wrong == nil {
		t.Fatalf("error %v", err)
	}
	want := []string{
		"administrators[0].read_only: must be false for the type Service Provider",
		"administrators[1].admin_type: must be empty for the type System",
		`administrators[2].admin_type: "normal" is not one of Normal, Customer, Password Reset Only`,
	}
	if diff := cmp.Diff(want, wrong.Problems); diff != "" {
		t.Error(diff)
	}
}
