package ocisim_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci/ocisim"
)

// This file specifies the commands of Route List that read, and the forms of numbers.
// A new read is an example in TestRouteListReads.

// TestRouteListReads checks every command of Route List that reads with the
// demonstration's seed.
func TestRouteListReads(t *testing.T) {
	apio := text("serviceProviderId", "ApioSpTest")
	company := text("serviceProviderId", "ApioEntTest")
	for name, e := range map[string]example{
		"the documented numbers": {
			command: groupRange + "GetSummaryListRequest", inner: ids("ApioSpTest", "ApioGrpTest"),
			table: "numberRangeSummaryTable", heading: rangeHeadings + "|" + userHeadings + "|Is Active|Extension Length",
			rows: []string{"+3226127000|+3226127002|" + testUser + "|true|", "+3226127007|+3226127009|" + noUser + "|true|"},
		},
		"the documented available numbers": {
			command: groupRange + "GetAvailableListRequest", inner: ids("footenant", "foogroup"),
			table: "availableNumberRangeTable", heading: rangeHeadings + "|Is Active|Extension Length",
			rows: []string{"+3226127000|+3226127002|true|"},
		},
		"the documented prefixes": {
			command: groupPrefix + "GetSummaryListRequest", inner: ids("ApioSpTest", "ApioGrpTest"),
			table: "numberPrefixSummaryTable", heading: "Number Prefix|" + userHeadings + "|" + prefixTail,
			rows: []string{"+32-01|" + testUser + "|true||", "+32-02|" + noUser + "|true||"},
		},
		"the documented available prefixes": {
			command: groupPrefix + "GetAvailableListRequest", inner: ids("footenant", "foogroup"),
			table: "availableNumberPrefixTable", heading: "Number Prefix|" + prefixTail,
			rows: []string{"+32-01|true||"},
		},
		"a tenant's ranges": {
			command: tenantRange + "GetSummaryListRequest", inner: apio,
			table: "numberRangeSummaryTable", heading: rangeHeadings + "|Group Id|Is Active|Extension Length",
			rows: []string{
				"+3226127000|+3226127002|ApioGrpTest|true|", "+3226127007|+3226127009|ApioGrpTest|true|", "+3225126999|+3225126999||true|",
				"+3225127000|+3225127999||true|4", "+3225128000|+3225128009||false|", "+3225129000|+3225129009|ApioGrpOther|true|",
			},
		},
		"a tenant's free ranges": {
			command: tenantRange + "GetAvailableListRequest", inner: apio,
			table: "availableNumberRangeTable", heading: rangeHeadings + "|Is Active|Extension Length",
			rows: []string{"+3225126999|+3225126999|true|", "+3225127000|+3225127999|true|4", "+3225128000|+3225128009|false|"},
		},
		"a tenant's prefixes": {
			command: tenantPrefix + "GetSummaryListRequest", inner: apio,
			table: "prefixSummaryTable", heading: "Number Prefix|Group Id|" + prefixTail,
			rows: []string{"+32-01|ApioGrpTest|true||", "+32-02|ApioGrpTest|true||", "+32-03||true|100|199", "+32-04|ApioGrpOther|true||"},
		},
		"a tenant's free prefixes": {
			command: tenantPrefix + "GetAvailableListRequest", inner: apio,
			table: "availableNumberPrefixTable", heading: "Number Prefix|" + prefixTail,
			rows: []string{"+32-03|true|100|199"},
		},
		"an enterprise's ranges": {
			command: companyRange + "GetSummaryListRequest", inner: company,
			table: "numberRangeSummaryTable", heading: rangeHeadings + "|Group Id|" + userHeadings + "|Is Active|Extension Length",
			rows: []string{
				"+3223330000|+3223330099|ApioEntGrpTest|sales@ent.netaxis.be|Sales|Sam||||5000|Sales (ApioEntGrpTest)|||true|",
				"+3223331000|+3223331099||" + noUser + "|true|",
				"+3223332000|+3223332099|ApioEntGrpOther|night@ent.netaxis.be|Owl|Nick||||6000|Support \\ Night (ApioEntGrpOther)|night@ent.netaxis.be||true|2",
				"+3223333000|+3223333099||" + noUser + "|false|",
				"+3223334000|+3223334099|ApioEntGrpTest|hq@ent.netaxis.be|Queen|Hana||||5001|Headquarters|||true|",
			},
		},
		"an enterprise's free ranges": {
			command: companyRange + "GetAvailableListRequest", inner: company,
			table: "availableNumberRangeTable", heading: rangeHeadings + "|Is Active|Extension Length",
			rows: []string{"+3223331000|+3223331099|true|", "+3223333000|+3223333099|false|"},
		},
		"an enterprise's prefixes": {
			command: companyPrefix + "GetSummaryListRequest", inner: company,
			table: "prefixSummaryTable", heading: "Number Prefix|Group Id|" + userHeadings + "|" + prefixTail,
			rows: []string{
				"+32-333|ApioEntGrpTest|hq@ent.netaxis.be|Queen|Hana||||5001|Headquarters|||true||",
				"+32-334|ApioEntGrpOther|night@ent.netaxis.be|Owl|Nick||||6000|Support \\ Night (ApioEntGrpOther)|night@ent.netaxis.be||true|200|299",
				"+32-335||" + noUser + "|true||",
			},
		},
		"an enterprise's free prefixes": {
			command: companyPrefix + "GetAvailableListRequest", inner: company,
			table: "availableNumberPrefixTable", heading: "Number Prefix|" + prefixTail, rows: []string{"+32-335|true||"},
		},
		"a user's ranges": {
			command: "UserRouteListGetRequest24", inner: text("userId", apioUser),
			table: "assignedNumberRangeTable", heading: rangeHeadings + "|Is Active|Extension Length",
			rows: []string{"+3226127000|+3226127002|true|"},
		},
		"a user's prefixes": {
			command: "UserRouteListGetRequest24", inner: text("userId", apioUser),
			table: "assignedNumberPrefixTable", heading: "Number Prefix|" + prefixTail,
			rows: []string{"+32-01|true||"},
		},
		"no ranges of a group of another tenant":   {command: groupRange + "GetSummaryListRequest", inner: ids("ApioSpTest", "foogroup"), number: 4152},
		"no ranges of a group without the service": {command: groupRange + "GetSummaryListRequest", inner: ids("ApioSpTest", "ApioGrpNoService"), number: 9912},
		"no ranges of an enterprise's group":       {command: groupRange + "GetSummaryListRequest", inner: ids("ApioEntTest", "ApioEntGrpTest"), number: 9910},
		"no tenant's table of an enterprise":       {command: tenantRange + "GetSummaryListRequest", inner: company, number: 9910},
		"no enterprise's table of a tenant":        {command: companyPrefix + "GetAvailableListRequest", inner: apio, number: 9911},
		"no Route List of an unknown user":         {command: "UserRouteListGetRequest24", inner: text("userId", "unknown"), number: 4008},
		"no Route List of a user without it":       {command: "UserRouteListGetRequest24", inner: text("userId", plainUser), number: 4410},
	} {
		t.Run("shows "+name, func(t *testing.T) {
			e.check(t, login(t, newPlatform(t), "gateway"))
		})
	}
}

func TestSpellings(t *testing.T) {
	summary := groupRange + "GetSummaryListRequest"
	for _, tt := range []struct {
		name     string
		settings ocisim.Settings
		want     []string
	}{
		{"without dashes", ocisim.Settings{CountryCodes: []string{"32"}}, []string{"+3226127000|+3226127002|true|"}},
		{"with a dash after the country code", ocisim.Settings{Dashes: true, CountryCodes: []string{"32", "3", "49"}}, []string{"+32-26127000|+32-26127002|true|"}},
		{"without a dash after an unknown country code", ocisim.Settings{Dashes: true, CountryCodes: []string{"49"}}, []string{"+3226127000|+3226127002|true|"}},
		{"with fewer columns", ocisim.Settings{WithoutColumns: []string{"Extension Length", "Is Active"}}, []string{"+3226127000|+3226127002"}},
	} {
		t.Run("prints numbers "+tt.name, func(t *testing.T) {
			p := newPlatform(t, func(s *ocisim.Seed) { s.Platform = tt.settings })
			c := login(t, p, "gateway")
			got := c.one(groupRange+"GetAvailableListRequest", ids("footenant", "foogroup")).rows("availableNumberRangeTable")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			for _, spelling := range []string{"+3226127000", "+32-26127000", "+32 26 12-70-00"} {
				c.one(groupRange+"UnassignListRequest", ids("footenant", "foogroup")+text("numberRangeStart", spelling))
				if got := c.one(summary, ids("footenant", "foogroup")).rows("numberRangeSummaryTable"); len(got) != 0 {
					t.Errorf("the platform does not recognize %s: %q", spelling, got)
				}
				c.one(groupRange+"AssignListRequest", ids("footenant", "foogroup")+text("numberRangeStart", spelling))
			}
		})
	}
}
