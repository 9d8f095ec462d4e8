package oci

import (
	"slices"
	"strconv"
	"strings"
)

// Release is the number of a release of the platform, such as 24.
type Release int

// ReleaseUnknown means that the release is not known. In [Options] it means that the
// release is to be detected.
const ReleaseUnknown Release = 0

// releaseOfYear is the release of a platform whose version is a year, such as
// 2022.08. Such a platform is independent of releases, and supports what Release 25
// supports.
const releaseOfYear Release = 25

// firstYear is the least number that is a year, not a release.
const firstYear = 2000

// parseRelease returns the release in a platform's version: its first number. The
// version is a token by the published schema; public clients have seen "24",
// "21sp1", "Rel_24.0_1.944" and "2022.08".
func parseRelease(version string) Release {
	digits := strings.TrimLeftFunc(version, func(r rune) bool { return r < '0' || r > '9' })
	if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits = digits[:end]
	}
	n, err := strconv.Atoi(digits)
	switch {
	case err != nil || n < 1:
		return ReleaseUnknown
	case n >= firstYear:
		return releaseOfYear
	}
	return Release(n)
}

// feature is a command, or an element of documents, that is sent in another form, or
// not at all, if the platform's release does not support it.
type feature struct {
	name  string // in statistics and logs
	forms []form // in order of preference
	// without says what is done on a platform that supports none of the forms.
	without string
	// optional forms count as unsupported when the platform closes the connection
	// twice in a row in response to one.
	optional bool
	// cautious features are not used while the release is unknown.
	cautious bool
}

// form is a command or an element of documents.
type form struct {
	name  string
	since Release // the first release that supports it; 0 for all
	// elements makes the elements of the command from those of the first form. If
	// it is nil, they are the same.
	elements func([]Element) []Element
}

// dialectTable lists everything that depends on the platform's release, by the
// published schemas of R17sp4 and R21 to R25. All other commands are the same in all
// of them. To support another command that depends on the release, add a feature with
// its forms, newest first: callers use the name of the first form.
var dialectTable = slices.Concat([]feature{
	{
		name: "tracking_id", cautious: true, without: "left out",
		forms: []form{{name: "trackingId", since: 24}},
	}, {
		name: "session_login", optional: true,
		forms: []form{
			{name: "LoginRequest22V5", since: 24},
			{name: "LoginRequest22V2", since: 22},
			{name: "AuthenticationRequest"}, // and LoginRequest14sp4
		},
	}, {
		name: "verification", optional: true, without: "a login on a connection of its own",
		forms: []form{
			{name: "AuthenticationVerifyRequest22V4", since: 24},
			{name: "AuthenticationVerifyRequest14sp8"},
		},
	}, {
		name: "version", optional: true, without: "unknown",
		forms: []form{
			{name: "SystemSoftwareVersionGetRequest"},
			{name: "SystemSoftwareVersionGetRequestRI"}, // of systems independent of releases
		},
	}, {
		// Every release supports the first form. The second is for a platform that
		// has removed it.
		name: "tenant",
		forms: []form{
			{name: "ServiceProviderGetRequest17sp1"},
			{name: "ServiceProviderGetRequest22V4", since: 24},
		},
	}, {
		name: "service_authorization",
		forms: []form{
			{name: "GroupServiceGetAuthorizationRequest", since: 22},
			// It lists all services of the group.
			{name: "GroupServiceGetAuthorizationListRequest", elements: onlyGroup},
		},
	}, {
		// Returns to whom a user belongs: the replies to all forms have
		// serviceProviderId and groupId.
		name: "user",
		forms: []form{
			{name: "UserGetRequest22", since: 22},
			{name: "UserGetRequest21sp1", since: 21},
			{name: "UserGetRequest17sp4"},
		},
	}, {
		// The reply to the third form has no prefixes and no extensions.
		name: "user_route_list", without: "not available",
		forms: []form{
			{name: "UserRouteListGetRequest24", since: 24},
			{name: "UserRouteListGetRequest22", since: 22},
			{name: "UserRouteListGetRequest", since: 21},
		},
	}, {
		name: "departments", optional: true, without: "names are taken from the paths",
		forms: []form{{name: "GroupDepartmentGetListRequest18", since: 21}},
	},
}, prefixFeatures())

// prefixFeatures returns the features of the commands on number prefixes, which came
// one release after those on number ranges.
func prefixFeatures() []feature {
	var features []feature
	for _, command := range []string{
		"GroupRouteListEnterpriseTrunkNumberPrefixGetSummaryListRequest",
		"GroupRouteListEnterpriseTrunkNumberPrefixGetAvailableListRequest",
		"GroupRouteListEnterpriseTrunkNumberPrefixAssignListRequest",
		"GroupRouteListEnterpriseTrunkNumberPrefixUnassignListRequest",
		"EnterpriseRouteListEnterpriseTrunkNumberPrefixGetAvailableListRequest",
		"EnterpriseRouteListEnterpriseTrunkNumberPrefixGetSummaryListRequest",
		"ServiceProviderRouteListEnterpriseTrunkNumberPrefixGetAvailableListRequest",
		"ServiceProviderRouteListEnterpriseTrunkNumberPrefixGetSummaryListRequest",
	} {
		features = append(features, feature{
			name: "prefixes", without: "not available",
			forms: []form{{name: command, since: 22}},
		})
	}
	return features
}

// onlyGroup returns serviceProviderId and groupId, the first two elements of a
// group's commands.
func onlyGroup(elements []Element) []Element { return elements[:min(2, len(elements))] }

// features holds the features of the table by the name of their first form, which is
// the one that callers use.
var features = func() map[string]*feature {
	byForm := map[string]*feature{}
	for i := range dialectTable {
		byForm[dialectTable[i].forms[0].name] = &dialectTable[i]
	}
	return byForm
}()

// The features that the client itself uses.
var (
	trackingFeature = features["trackingId"]
	loginFeature    = features["LoginRequest22V5"]
	verifyFeature   = features["AuthenticationVerifyRequest22V4"]
	versionFeature  = features["SystemSoftwareVersionGetRequest"]
)

// formOf holds the feature of each form, by the form's name.
var formOf = func() map[string]*feature {
	byForm := map[string]*feature{}
	for i := range dialectTable {
		for _, form := range dialectTable[i].forms {
			byForm[form.name] = &dialectTable[i]
		}
	}
	return byForm
}()

// Features returns the names of the features that differ between releases, each once.
func Features() []string {
	var names []string
	for _, f := range dialectTable {
		if !slices.Contains(names, f.name) {
			names = append(names, f.name)
		}
	}
	return names
}

// Forms returns the names under which a command may be sent: its own, and those of
// the forms that replace it if the platform's release does not support it.
func Forms(command string) []string {
	f := features[command]
	if f == nil {
		return []string{command}
	}
	names := make([]string, len(f.forms))
	for i, form := range f.forms {
		names[i] = form.name
	}
	return names
}

// VerificationForms returns the names of the commands with which [Client.Verify] and
// [Client.VerifyByCommand] verify credentials.
func VerificationForms() []string { return Forms(verifyFeature.forms[0].name) }

// of returns a command in this form. The command is in its first form.
func (f form) of(c Command) Command {
	elements := c.Elements()
	if f.elements != nil {
		elements = f.elements(elements)
	}
	if _, writes := c.(Write); writes {
		return NewWrite(f.name, elements...)
	}
	return NewRead(f.name, elements...)
}
