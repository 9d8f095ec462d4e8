package ocisim_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci/ocisim"
)

// This file specifies the entries of the ledger. A new field of an entry is set in
// TestLedger.

func TestLedger(t *testing.T) {
	p := newPlatform(t)
	c := login(t, p, "tenantadmin")
	c.one(groupRange+"AssignListRequest", ids("ApioSpTest", "ApioGrpTest")+texts("numberRangeStart", "+32-25126999", "+3225128000"))
	c.one(tenantPrefix+"AddListRequest22", text("serviceProviderId", "footenant")+text("prefix", text("numberPrefix", "+32-9")))
	c.one("UserRouteListGetRequest24", text("userId", apioUser))
	if p.Ledger()[0].Time.IsZero() {
		t.Error("an entry has no time")
	}
	got := withoutTimes(p.Ledger())
	want := []ocisim.Entry{
		{Connection: 1, Command: "AuthenticationRequest", User: "tenantadmin", Applied: true},
		{Connection: 1, Command: "LoginRequest14sp4", User: "tenantadmin", Applied: true},
		{Connection: 1, Login: "tenantadmin", Command: groupRange + "AssignListRequest", Write: true, ServiceProvider: "ApioSpTest", Group: "ApioGrpTest", Numbers: []string{"+32-25126999", "+3225128000"}, Applied: true},
		{Connection: 1, Login: "tenantadmin", Command: tenantPrefix + "AddListRequest22", Write: true, ServiceProvider: "footenant", Numbers: []string{"+32-9"}, Error: 5404},
		{Connection: 1, Login: "tenantadmin", Command: "UserRouteListGetRequest24", User: apioUser, Applied: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want[2:4], withoutTimes(p.Writes())); diff != "" {
		t.Error(diff)
	}
}

func withoutTimes(entries []ocisim.Entry) []ocisim.Entry {
	for i := range entries {
		entries[i].Time = time.Time{}
	}
	return entries
}
