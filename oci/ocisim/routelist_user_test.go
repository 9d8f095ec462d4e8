package ocisim_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci/ocisim"
)

// This file specifies a user's Route List: settings, ranges and prefixes, by release.
// A new form of a command is a row of TestUserRouteListByRelease.

func TestUserSettings(t *testing.T) {
	c := login(t, newPlatform(t), "gateway")
	c.one("UserRouteListModifyRequest", text("userId", apioUser)+text("useRouteListIdentityForEmergencyCalls", "1")+text("ignoreCallingNameForCallProcessing", "true"))
	c.one("UserRouteListModifyRequest", text("userId", apioUser)+text("ignoreCallingNameForCallProcessing", "0"))
	got := fields(c.one("UserRouteListGetRequest24", text("userId", apioUser)))
	const want = "treatOriginationsAndPBXRedirectionsAsScreened=false useRouteListIdentityForNonEmergencyCalls=false useRouteListIdentityForEmergencyCalls=true ignoreCallingNameForCallProcessing=false assignedNumberRangeTable= assignedNumberPrefixTable="
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEnterpriseUser(t *testing.T) {
	p := newPlatform(t)
	c := login(t, p, "gateway")
	list := func(starts ...string) string {
		return text("userId", "hq@ent.netaxis.be") + text("assignedNumberRangeStartList", texts("phoneNumber", starts...))
	}
	if got := c.one("UserRouteListModifyRequest", list("+3223331000")).number(); got != 0 {
		t.Errorf("a free range of the enterprise: %d", got)
	}
	if got := c.one("UserRouteListModifyRequest", list("+3223331000", "+3223330000")).number(); got != 9923 {
		t.Errorf("a range of another user: %d", got)
	}
	if got := p.Ranges("ApioEntTest")[1].User; got != "hq@ent.netaxis.be" {
		t.Errorf("the user of the range is %s", got)
	}
}

// TestUserRouteListByRelease reads and changes a user's Route List in the forms of
// each release.
func TestUserRouteListByRelease(t *testing.T) {
	const settings = "treatOriginationsAndPBXRedirectionsAsScreened=false useRouteListIdentityForNonEmergencyCalls=true useRouteListIdentityForEmergencyCalls=false"
	const shortRange, fullRange = rangeHeadings + "|Is Active", rangeHeadings + "|Is Active|Extension Length"
	for _, tt := range []struct {
		release       int
		form          string
		fields        string
		ranges        string
		prefixes      string
		prefix, names int // the errors of a change of a prefix and of the setting of release 24
	}{
		{21, "UserRouteListGetRequest", settings + " assignedNumberRangeTable=", shortRange, "", 6004, 6004},
		{22, "UserRouteListGetRequest22", settings + " assignedNumberRangeTable= assignedNumberPrefixTable=", fullRange, "Number Prefix|" + prefixTail, 0, 6004},
		{24, "UserRouteListGetRequest24", settings + " ignoreCallingNameForCallProcessing=false assignedNumberRangeTable= assignedNumberPrefixTable=", fullRange, "Number Prefix|" + prefixTail, 0, 0},
	} {
		t.Run(tt.form, func(t *testing.T) {
			p := newPlatform(t, ofRelease(tt.release, ocisim.RefusalCommand))
			c := login(t, p, "gateway")
			user := text("userId", apioUser)
			if got := c.one("UserRouteListModifyRequest", user+text("useRouteListIdentityForNonEmergencyCalls", "true")).number(); got != 0 {
				t.Fatalf("error %d", got)
			}
			got := c.one(tt.form, user)
			if diff := cmp.Diff(tt.fields, fields(got)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.ranges, got.headings("assignedNumberRangeTable")); diff != "" {
				t.Error(diff)
			}
			if tt.prefixes != "" {
				if diff := cmp.Diff(tt.prefixes, got.headings("assignedNumberPrefixTable")); diff != "" {
					t.Error(diff)
				}
			}
			list := text("assignedNumberPrefixList", text("numberPrefix", "+32-01"))
			if got := c.one("UserRouteListModifyRequest", user+list).number(); got != tt.prefix {
				t.Errorf("changing a prefix: error %d, want %d", got, tt.prefix)
			}
			if got := c.one("UserRouteListModifyRequest", user+text("ignoreCallingNameForCallProcessing", "true")).number(); got != tt.names {
				t.Errorf("changing the setting of release 24: error %d, want %d", got, tt.names)
			}
			if got := p.RouteListSettings(apioUser); !got["useRouteListIdentityForNonEmergencyCalls"] || got["ignoreCallingNameForCallProcessing"] != (tt.names == 0) || len(got) != 4 {
				t.Errorf("the settings are %v", got)
			}
		})
	}
	t.Run("no settings of an unknown user", func(t *testing.T) {
		if got := newPlatform(t).RouteListSettings("unknown"); got != nil {
			t.Errorf("got %v", got)
		}
	})
}
