package ocisim_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	compare "github.com/google/go-cmp/cmp"

	"ocigate/oci/ocisim"
)

// This file specifies the writes of Route List. A new case of a write is a
// row of TestWrites: the command, the error and the changed holdings.

// TestWrites sends one write and compares all holdings of the tenant before and
// after it.
func TestWrites(t *testing.T) {
	apio := text("serviceProviderId", "ApioSpTest")
	own := ids("ApioSpTest", "ApioGrpTest")
	starts := func(values ...string) string { return texts("numberRangeStart", values...) }
	numbers := func(values ...string) string { return texts("numberPrefix", values...) }
	add := func(start, end, more string) string {
		return text("numberRange", text("dnRange", text("minPhoneNumber", start)+text("maxPhoneNumber", end))+more)
	}
	prefix := func(element, number, more string) string {
		return text(element, text("numberPrefix", number)+more)
	}
	modify := func(start, more string) string { return text("numberRange", text("dnRangeStart", start)+more) }
	for _, tt := range []struct {
		name, command, inner string
		number               int
		changes              string // lines removed and added
	}{
		// Assigning to a group.
		{"assigns a free range", groupRange + "AssignListRequest", own + starts("+3225126999"), 0, "-+3225126999 +3225126999 - - true;++3225126999 +3225126999 ApioGrpTest - true"},
		{"assigns several", groupRange + "AssignListRequest", own + starts("+32-25126999", "+3225128000"), 0,
			"-+3225126999 +3225126999 - - true;-+3225128000 +3225128009 - - false;++3225126999 +3225126999 ApioGrpTest - true;++3225128000 +3225128009 ApioGrpTest - false"},
		{"assigns nothing of an empty list", groupRange + "AssignListRequest", own, 0, ""},
		{"assigns nothing if one is unknown", groupRange + "AssignListRequest", own + starts("+3225126999", "+3200000000"), 9921, ""},
		{"assigns nothing if one is another group's", groupRange + "AssignListRequest", own + starts("+3225126999", "+3225129000"), 9921, ""},
		{"assigns nothing that the group has already", groupRange + "AssignListRequest", own + starts("+3226127007"), 9921, ""},
		{"assigns nothing from the middle of a range", groupRange + "AssignListRequest", own + starts("+3225127001"), 9921, ""},
		{"assigns nothing given twice", groupRange + "AssignListRequest", own + starts("+3225126999", "+32-25126999"), 9925, ""},
		{"assigns nothing that is not a number", groupRange + "AssignListRequest", own + starts("hello"), 9921, ""},
		{"assigns nothing to a group without the service", groupRange + "AssignListRequest", ids("ApioSpTest", "ApioGrpNoService") + starts("+3225126999"), 9912, ""},
		{"assigns nothing in an enterprise", groupRange + "AssignListRequest", ids("ApioEntTest", "ApioEntGrpTest") + starts("+3223331000"), 9910, ""},
		{"assigns a free prefix", groupPrefix + "AssignListRequest", own + numbers("+3203"), 0, "-+32-03  - - true;++32-03  ApioGrpTest - true"},
		{"assigns no prefix of another group", groupPrefix + "AssignListRequest", own + numbers("+32-03", "+32-04"), 9921, ""},
		// Unassigning from a group.
		{"unassigns a range", groupRange + "UnassignListRequest", own + starts("+3226127007"), 0, "-+3226127007 +3226127009 ApioGrpTest - true;++3226127007 +3226127009 - - true"},
		{"unassigns nothing that a user possesses", groupRange + "UnassignListRequest", own + starts("+3226127007", "+3226127000"), 9923, ""},
		{"unassigns nothing of another group", groupRange + "UnassignListRequest", own + starts("+3225129000"), 9922, ""},
		{"unassigns nothing that is free", groupRange + "UnassignListRequest", own + starts("+3225126999"), 9922, ""},
		{"unassigns a prefix", groupPrefix + "UnassignListRequest", own + numbers("+32-02"), 0, "-+32-02  ApioGrpTest - true;++32-02  - - true"},
		{"unassigns no prefix that a user possesses", groupPrefix + "UnassignListRequest", own + numbers("+32-01"), 9923, ""},
		// Holdings of the tenant.
		{"adds ranges", tenantRange + "AddListRequest22", apio + add("+32-10000000", "+32-10000009", text("extensionLength", "3")) + add("+3210000010", "+3210000010", ""), 0,
			"++3210000000 +3210000009 - - true;++3210000010 +3210000010 - - true"},
		{"adds no overlapping range", tenantRange + "AddListRequest22", apio + add("+3210000000", "+3210000009", "") + add("+3225127999", "+3225128000", ""), 9926, ""},
		{"adds no ranges that overlap each other", tenantRange + "AddListRequest22", apio + add("+3210000000", "+3210000009", "") + add("+3210000009", "+3210000010", ""), 9926, ""},
		{"adds no range that ends before it starts", tenantRange + "AddListRequest22", apio + add("+3210000009", "+3210000000", ""), 9927, ""},
		{"adds no range of unequal lengths", tenantRange + "AddListRequest22", apio + add("+321000000", "+3210000009", ""), 9927, ""},
		{"adds no range that is not a number", tenantRange + "AddListRequest22", apio + add("hello", "+3210000009", ""), 9927, ""},
		{"adds a prefix as it is spelled", tenantPrefix + "AddListRequest22", apio + prefix("prefix", "+32-9", ""), 0, "++32-9  - - true"},
		{"adds no prefix twice", tenantPrefix + "AddListRequest22", apio + prefix("prefix", "+32-9", "") + prefix("prefix", "+329", ""), 9926, ""},
		{"adds no prefix that is not a number", tenantPrefix + "AddListRequest22", apio + prefix("prefix", "*31", ""), 9927, ""},
		{"deletes a free range", tenantRange + "DeleteListRequest", apio + starts("+3225126999"), 0, "-+3225126999 +3225126999 - - true"},
		{"deletes nothing that a group has", tenantRange + "DeleteListRequest", apio + starts("+3225126999", "+3226127007"), 9924, ""},
		{"deletes nothing that a user possesses", tenantRange + "DeleteListRequest", apio + starts("+3226127000"), 9923, ""},
		{"deletes nothing unknown", tenantRange + "DeleteListRequest", apio + starts("+3200000000"), 9920, ""},
		{"deletes a free prefix", tenantPrefix + "DeleteListRequest", apio + numbers("+32-03"), 0, "-+32-03  - - true"},
		{"activates, also what is active already", tenantRange + "ActivateListRequest", apio + starts("+3225128000", "+3225126999"), 0, "-+3225128000 +3225128009 - - false;++3225128000 +3225128009 - - true"},
		{"activates nothing if one is unknown", tenantRange + "ActivateListRequest", apio + starts("+3225128000", "+3200000000"), 9920, ""},
		{"deactivates", tenantPrefix + "DeactivateListRequest", apio + numbers("+32-01"), 0, "-+32-01  ApioGrpTest " + apioUser + " true;++32-01  ApioGrpTest " + apioUser + " false"},
		{"modifies nothing if one is unknown", tenantRange + "ModifyListRequest", apio + modify("+3225128000", text("extensionLength", "5")) + modify("+3200000000", ""), 9920, ""},
		// Holdings of a user.
		{"gives a user another range of the group", "UserRouteListModifyRequest", text("userId", apioUser) + text("assignedNumberRangeStartList", text("phoneNumber", "+3226127007")), 0,
			"-+3226127000 +3226127002 ApioGrpTest " + apioUser + " true;-+3226127007 +3226127009 ApioGrpTest - true;++3226127000 +3226127002 ApioGrpTest - true;++3226127007 +3226127009 ApioGrpTest " + apioUser + " true"},
		{"takes everything from a user", "UserRouteListModifyRequest", text("userId", apioUser) + `<assignedNumberRangeStartList xsi:nil="true"/><assignedNumberPrefixList xsi:nil="1"/>`, 0,
			"-+3226127000 +3226127002 ApioGrpTest " + apioUser + " true;-+32-01  ApioGrpTest " + apioUser + " true;++3226127000 +3226127002 ApioGrpTest - true;++32-01  ApioGrpTest - true"},
		{"leaves a user what is not named", "UserRouteListModifyRequest", text("userId", apioUser) + text("assignedNumberPrefixList", texts("numberPrefix", "+32-01", "+32-02")), 0,
			"-+32-02  ApioGrpTest - true;++32-02  ApioGrpTest " + apioUser + " true"},
		{"gives a user nothing of another group", "UserRouteListModifyRequest", text("userId", apioUser) + `<assignedNumberRangeStartList xsi:nil="true"/>` + text("assignedNumberPrefixList", text("numberPrefix", "+32-04")), 9922, ""},
		{"gives a user nothing unknown", "UserRouteListModifyRequest", text("userId", apioUser) + text("assignedNumberPrefixList", text("numberPrefix", "+32-99")), 9920, ""},
		{"gives nothing to a user without the service", "UserRouteListModifyRequest", text("userId", plainUser) + text("assignedNumberPrefixList", text("numberPrefix", "+32-02")), 4410, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlatform(t)
			c := login(t, p, "gateway")
			before := holdings(p, "ApioSpTest")
			entries := len(p.Ledger())
			if got := c.one(tt.command, tt.inner); got.number() != tt.number {
				t.Errorf("error %d, want %d: %s", got.number(), tt.number, got.get("summary"))
			}
			if diff := compare.Diff(tt.changes, changes(before, holdings(p, "ApioSpTest"))); diff != "" {
				t.Error(diff)
			}
			last := p.Writes()
			if len(last) != 1 || len(p.Ledger()) != entries+1 || last[0].Command != tt.command || last[0].Applied != (tt.number == 0) || last[0].Error != tt.number {
				t.Errorf("the ledger has %+v", last)
			}
		})
	}
}

// holdings returns a line for each range and prefix of a tenant.
func holdings(p *ocisim.Platform, tenant string) []string {
	var lines []string
	for _, h := range append(p.Ranges(tenant), p.Prefixes(tenant)...) {
		lines = append(lines, fmt.Sprintf("%s %s %s %s %v", h.Start, h.End, cmp.Or(h.Group, "-"), cmp.Or(h.User, "-"), h.Active))
	}
	return lines
}

// changes returns the removed lines, after a minus, and the added lines, after a
// plus.
func changes(before, after []string) string {
	var lines []string
	for _, line := range before {
		if !slices.Contains(after, line) {
			lines = append(lines, "-"+line)
		}
	}
	for _, line := range after {
		if !slices.Contains(before, line) {
			lines = append(lines, "+"+line)
		}
	}
	return strings.Join(lines, ";")
}

func TestExtensions(t *testing.T) {
	p := newPlatform(t)
	c := login(t, p, "gateway")
	tenant := text("serviceProviderId", "bartenant")
	show := func() []string {
		return append(c.one(tenantRange+"GetSummaryListRequest", tenant).rows("numberRangeSummaryTable"),
			c.one(tenantPrefix+"GetSummaryListRequest", tenant).rows("prefixSummaryTable")...)
	}
	modify := func(more string) {
		t.Helper()
		for command, inner := range map[string]string{
			tenantRange + "ModifyListRequest":  text("numberRange", text("dnRangeStart", "+3227000000")+strings.ReplaceAll(more, "?", "extensionLength")),
			tenantPrefix + "ModifyListRequest": text("numberPrefix", text("numberPrefix", "+32-02")+strings.ReplaceAll(strings.ReplaceAll(more, "?", "extensionRange"), ">04<", "><minExtension>10</minExtension><maxExtension>99</maxExtension><")),
		} {
			if got := c.one(command, tenant+inner); got.number() != 0 {
				t.Fatalf("%s: %s %s", command, got.get("summary"), got.get("detail"))
			}
		}
	}
	empty := []string{"+3227000000|+3227000099||true|", "+32-01||true||", "+32-02||true||"}
	set := []string{"+3227000000|+3227000099||true|4", "+32-01||true||", "+32-02||true|10|99"}
	for _, step := range []struct {
		name, more string
		want       []string
	}{
		{"sets them", "<?>04</?>", set},
		{"leaves what is absent", "", set},
		{"empties what is nil", `<? xsi:nil="true"/>`, empty},
	} {
		modify(step.more)
		if diff := compare.Diff(step.want, show()); diff != "" {
			t.Errorf("%s: %s", step.name, diff)
		}
	}
}

func TestActivationOff(t *testing.T) {
	p := newPlatform(t, func(s *ocisim.Seed) { s.Platform.ActivationOff = true })
	got := login(t, p, "gateway").one(tenantRange+"ActivateListRequest", text("serviceProviderId", "ApioSpTest")+text("numberRangeStart", "+3225128000"))
	if got.number() != 9928 || p.Ranges("ApioSpTest")[4].Active {
		t.Errorf("replied %d", got.number())
	}
}

func TestTwoCommandsAreTwoTransactions(t *testing.T) {
	p := newPlatform(t)
	c := login(t, p, "gateway")
	assign := func(start string) string {
		return command(groupRange+"AssignListRequest", ids("ApioSpTest", "ApioGrpTest")+text("numberRangeStart", start))
	}
	replies := c.exchange(c.document(assign("+3200000000") + assign("+3225126999"))).all("command")
	if replies[0].number() != 9921 || replies[1].number() != 0 || p.Ranges("ApioSpTest")[2].Group != "ApioGrpTest" {
		t.Errorf("replied %+v", replies)
	}
}

// TestConcurrency assigns and unassigns one range in many sessions.
func TestConcurrency(t *testing.T) {
	p := newPlatform(t)
	const sessions = 16
	request := ids("ApioSpTest", "ApioGrpTest") + text("numberRangeStart", "+3225126999")
	assigned := make([]int, sessions)
	t.Run("the session that assigned it", func(t *testing.T) {
		for i := range assigned {
			t.Run(fmt.Sprintf("can unassign again (%d)", i), func(t *testing.T) {
				t.Parallel()
				c := login(t, p, "gateway")
				for range 20 {
					if c.one(groupRange+"AssignListRequest", request).number() == 0 {
						assigned[i]++
						if got := c.one(groupRange+"UnassignListRequest", request).number(); got != 0 {
							t.Errorf("error %d", got)
						}
					}
					c.one(groupRange+"GetSummaryListRequest", ids("ApioSpTest", "ApioGrpTest"))
				}
			})
		}
	})
	total, applied := 0, 0
	for _, n := range assigned {
		total += n
	}
	for _, e := range p.Writes() {
		if e.Applied {
			applied++
		}
	}
	if total == 0 || applied != 2*total {
		t.Errorf("%d assignments succeeded and %d writes were applied", total, applied)
	}
	if got := p.Ranges("ApioSpTest")[2].Group; got != "" {
		t.Errorf("at the end it is assigned to %q", got)
	}
}
