package ocisim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci/ocisim"
)

// This file specifies the differences between releases: commands, the element
// trackingId and versions. A new command is an entry of firstIn, under its first
// release, and a valid request in valid.

// firstIn has the commands that each release adds. All releases have those of
// release 0.
var firstIn = map[int][]string{
	0: {
		"AuthenticationRequest",
		"AuthenticationVerifyRequest14sp8",
		"GroupGetListInServiceProviderRequest",
		"GroupServiceGetAuthorizationListRequest",
		"LoginRequest14sp4",
		"LogoutRequest",
		"ServiceProviderAdminGetRequest14",
		"ServiceProviderGetListRequest",
		"ServiceProviderGetRequest17sp1",
		"ServiceProviderServiceGetAuthorizationListRequest",
		"SystemAdminGetRequest",
		"SystemSoftwareVersionGetRequest",
		"UserGetListInGroupRequest",
		"UserGetRequest17sp4",
		"UserServiceIsAssignedRequest",
		"VerifySessionIsValidRequest",
	},
	21: {
		"EnterpriseRouteListEnterpriseTrunkNumberRangeGetAvailableListRequest",
		"EnterpriseRouteListEnterpriseTrunkNumberRangeGetSummaryListRequest",
		"GroupDepartmentGetListRequest18",
		"GroupRouteListEnterpriseTrunkNumberRangeAssignListRequest",
		"GroupRouteListEnterpriseTrunkNumberRangeGetAvailableListRequest",
		"GroupRouteListEnterpriseTrunkNumberRangeGetSummaryListRequest",
		"GroupRouteListEnterpriseTrunkNumberRangeUnassignListRequest",
		"ServiceProviderRouteListEnterpriseTrunkNumberRangeActivateListRequest",
		"ServiceProviderRouteListEnterpriseTrunkNumberRangeDeactivateListRequest",
		"ServiceProviderRouteListEnterpriseTrunkNumberRangeDeleteListRequest",
		"ServiceProviderRouteListEnterpriseTrunkNumberRangeGetAvailableListRequest",
		"ServiceProviderRouteListEnterpriseTrunkNumberRangeGetSummaryListRequest",
		"UserGetRequest21sp1",
		"UserRouteListGetRequest",
		"UserRouteListModifyRequest",
	},
	22: {
		"EnterpriseRouteListEnterpriseTrunkNumberPrefixGetAvailableListRequest",
		"EnterpriseRouteListEnterpriseTrunkNumberPrefixGetSummaryListRequest",
		"GroupRouteListEnterpriseTrunkNumberPrefixAssignListRequest",
		"GroupRouteListEnterpriseTrunkNumberPrefixGetAvailableListRequest",
		"GroupRouteListEnterpriseTrunkNumberPrefixGetSummaryListRequest",
		"GroupRouteListEnterpriseTrunkNumberPrefixUnassignListRequest",
		"GroupServiceGetAuthorizationRequest",
		"LoginRequest22",
		"LoginRequest22V2",
		"ServiceProviderRouteListEnterpriseTrunkNumberPrefixActivateListRequest",
		"ServiceProviderRouteListEnterpriseTrunkNumberPrefixAddListRequest22",
		"ServiceProviderRouteListEnterpriseTrunkNumberPrefixDeactivateListRequest",
		"ServiceProviderRouteListEnterpriseTrunkNumberPrefixDeleteListRequest",
		"ServiceProviderRouteListEnterpriseTrunkNumberPrefixGetAvailableListRequest",
		"ServiceProviderRouteListEnterpriseTrunkNumberPrefixGetSummaryListRequest",
		"ServiceProviderRouteListEnterpriseTrunkNumberPrefixModifyListRequest",
		"ServiceProviderRouteListEnterpriseTrunkNumberRangeAddListRequest22",
		"ServiceProviderRouteListEnterpriseTrunkNumberRangeModifyListRequest",
		"UserGetRequest22",
		"UserRouteListGetRequest22",
	},
	23: {
		"LoginRequest22V3",
		"LoginRequest22V4",
	},
	24: {
		"AuthenticationVerifyRequest22V4",
		"LoginRequest22V5",
		"ServiceProviderGetRequest22V4",
		"UserRouteListGetRequest24",
	},
	25: {
		"SystemSoftwareVersionGetRequestRI", // the version is a year
	},
}

// commandsOf returns all commands of a release.
func commandsOf(release int) []string {
	var all []string
	for first, names := range firstIn {
		if first <= release {
			all = append(all, names...)
		}
	}
	slices.Sort(all)
	return all
}

// valid returns the elements of a request that fits the schema of a command.
func valid(name string) string {
	number := text("numberPrefix", "+32-1")
	if strings.Contains(name, "NumberRange") {
		number = text("numberRangeStart", "+321")
	}
	tenant := text("serviceProviderId", "unknown")
	group := tenant + text("groupId", "unknown")
	switch {
	case strings.HasPrefix(name, "LoginRequest22"), strings.HasPrefix(name, "AuthenticationVerify"):
		return text("userId", "unknown") + text("password", "secret")
	case name == "UserGetListInGroupRequest":
		return tenant + text("GroupId", "unknown")
	case name == "UserServiceIsAssignedRequest":
		return text("userId", "unknown") + text("serviceName", "Route List")
	case strings.HasPrefix(name, "User"), strings.HasPrefix(name, "Log"), name == "AuthenticationRequest":
		return text("userId", "unknown")
	case name == "GroupServiceGetAuthorizationRequest":
		return group + text("userServiceName", "Route List")
	case name == "GroupDepartmentGetListRequest18":
		return group + text("includeEnterpriseDepartments", "true")
	case name == "SystemAdminGetRequest", name == "ServiceProviderAdminGetRequest14":
		return text("userId", "unknown")
	case name == "ServiceProviderGetListRequest", strings.HasPrefix(name, "System"), strings.HasPrefix(name, "VerifySession"):
		return ""
	case strings.HasSuffix(name, "RangeAddListRequest22"):
		return tenant + text("numberRange", text("dnRange", text("minPhoneNumber", "+321")+text("maxPhoneNumber", "+322")))
	case strings.HasSuffix(name, "PrefixAddListRequest22"):
		return tenant + text("prefix", number)
	case strings.HasSuffix(name, "RangeModifyListRequest"):
		return tenant + text("numberRange", text("dnRangeStart", "+321"))
	case strings.HasSuffix(name, "PrefixModifyListRequest"):
		return tenant + text("numberPrefix", number)
	case strings.HasSuffix(name, "assignListRequest"), strings.HasSuffix(name, "AssignListRequest"):
		return group + number
	case strings.HasSuffix(name, "activateListRequest"), strings.HasSuffix(name, "ActivateListRequest"), strings.HasSuffix(name, "DeleteListRequest"):
		return tenant + number
	case strings.HasPrefix(name, "GroupRouteList"), strings.HasPrefix(name, "GroupService"):
		return group
	}
	return tenant
}

// ofRelease returns an edit of a seed that sets the release and the mode of refusal.
func ofRelease(release int, mode ocisim.RefusalMode) func(*ocisim.Seed) {
	return func(s *ocisim.Seed) { s.Platform.Release, s.Platform.Refusal = release, mode }
}

// eachRelease runs a test for every release and mode of refusal.
func eachRelease(t *testing.T, test func(t *testing.T, release int, mode ocisim.RefusalMode)) {
	t.Helper()
	for _, release := range ocisim.Releases() {
		for _, mode := range ocisim.RefusalModes() {
			t.Run(fmt.Sprintf("%d refuses by %s", release, mode), func(t *testing.T) { test(t, release, mode) })
		}
	}
}

func TestCommandsOfReleases(t *testing.T) {
	if diff := cmp.Diff(commandsOf(25), slices.Collect(ocisim.Commands())); diff != "" {
		t.Fatalf("all commands: %s", diff)
	}
	eachRelease(t, func(t *testing.T, release int, mode ocisim.RefusalMode) {
		p := newPlatform(t, ofRelease(release, mode))
		var supported []string
		for name := range ocisim.Commands() {
			if supports(t, p, mode, name, valid(name)) {
				supported = append(supported, name)
			}
		}
		if diff := cmp.Diff(commandsOf(release), supported); diff != "" {
			t.Error(diff)
		}
	})
}

// supports reports whether a platform supports a command. It fails the test unless
// the platform refuses other commands in its mode.
func supports(t *testing.T, p *ocisim.Platform, mode ocisim.RefusalMode, name, inner string) bool {
	t.Helper()
	c := connect(t, p)
	c.send(c.document(command(name, inner)))
	raw, err := c.tryRead()
	if err != nil {
		if mode != ocisim.RefusalClose || len(raw) > 0 {
			t.Errorf("%s: %v after %q", name, err, raw)
		}
		return false
	}
	reply := parse(t, raw).all("command")[0]
	if reply.number() != 6004 {
		return true
	}
	want := unknownType + " '" + name + "' in element BroadsoftDocument@C"
	if mode == ocisim.RefusalClose || reply.reason() != want {
		t.Errorf("%s is refused with %q", name, reply.reason())
	}
	return false
}

func TestTrackingIDOfReleases(t *testing.T) {
	eachRelease(t, func(t *testing.T, release int, mode ocisim.RefusalMode) {
		p := newPlatform(t, ofRelease(release, mode))
		c := connect(t, p)
		raw := c.document(text("trackingId", "t-7") + command("AuthenticationRequest", text("userId", "gateway")) + command("AuthenticationRequest", text("userId", "gateway")))
		c.send(raw)
		if release < 24 && mode == ocisim.RefusalClose {
			c.mustBeClosed()
			return
		}
		reply := parse(t, c.read())
		if release >= 24 {
			if reply.get("trackingId") != "t-7" || len(reply.all("command")) != 2 || reply.all("command")[0].number() != 0 {
				t.Errorf("replied %+v", reply)
			}
			return
		}
		replies := reply.all("command")
		if len(replies) != 1 || replies[0].number() != 6004 || len(reply.all("trackingId")) != 0 {
			t.Fatalf("replied %+v", reply)
		}
		if got, want := replies[0].get("detail"), "Element not allowed: trackingId in element BroadsoftDocument@C\n"+raw; got != want {
			t.Error(cmp.Diff(want, got))
		}
		if got := c.one("AuthenticationRequest", text("userId", "gateway")).number(); got != 0 {
			t.Errorf("without the element: error %d", got)
		}
	})
}

func TestVersionOfReleases(t *testing.T) {
	const version, independent = "SystemSoftwareVersionGetRequest", "SystemSoftwareVersionGetRequestRI"
	for _, tt := range []struct {
		name     string
		settings ocisim.Settings
		want     map[string]string // the version by command
	}{
		{"no release is 24", ocisim.Settings{}, map[string]string{version: "24"}},
		{"release 21", ocisim.Settings{Release: 21}, map[string]string{version: "21sp1"}},
		{"release 22", ocisim.Settings{Release: 22}, map[string]string{version: "22"}},
		{"release 23", ocisim.Settings{Release: 23}, map[string]string{version: "23"}},
		{"release 24", ocisim.Settings{Release: 24}, map[string]string{version: "24"}},
		{"release 25 has a year", ocisim.Settings{Release: 25}, map[string]string{version: "2022.08", independent: "2022.08"}},
		{"a seed overrides the release", ocisim.Settings{Release: 25, Version: "Rel_25.0_1.1"}, map[string]string{version: "Rel_25.0_1.1"}},
		{"a year in another spelling", ocisim.Settings{Release: 24, Version: "Rel_2023.04_1.300"}, map[string]string{version: "Rel_2023.04_1.300", independent: "Rel_2023.04_1.300"}},
		{"a number that is not a year", ocisim.Settings{Version: "20221"}, map[string]string{version: "20221"}},
		{"a release-independent one alone", ocisim.Settings{Version: "2022.08", Without: []string{version}}, map[string]string{independent: "2022.08"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := login(t, newPlatform(t, func(s *ocisim.Seed) { s.Platform = tt.settings }), "gateway")
			got := map[string]string{}
			for _, name := range []string{version, independent} {
				if reply := c.one(name, ""); reply.number() == 0 {
					got[name] = reply.get("version")
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseReleaseAndMode(t *testing.T) {
	for _, release := range []int{21, 22, 23, 24, 25} {
		if got, err := ocisim.ParseRelease(fmt.Sprint(release)); err != nil || got != release {
			t.Errorf("%d: %d, %v", release, got, err)
		}
	}
	for _, text := range []string{"", "0", "20", "26", "024", "R24"} {
		if _, err := ocisim.ParseRelease(text); err == nil || err.Error() != fmt.Sprintf("%q is not one of 21, 22, 23, 24, 25", text) {
			t.Errorf("%v", err)
		}
	}
	for _, mode := range []string{"command", "document", "close"} {
		if got, err := ocisim.ParseRefusalMode(mode); err != nil || string(got) != mode {
			t.Errorf("%s: %s, %v", mode, got, err)
		}
	}
	for _, text := range []string{"", "Command", "drop"} {
		if _, err := ocisim.ParseRefusalMode(text); err == nil || err.Error() != fmt.Sprintf("%q is not one of command, document, close", text) {
			t.Errorf("%v", err)
		}
	}
}
