package ocisim_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci/ocisim"
)

const nightUser = "night@ent.netaxis.be"

func inGroup(tenant, group, more string) string {
	return text("serviceProviderId", tenant) + text("GroupId", group) + more
}

// TestUsers holds the commands about users against the demonstration's seed.
func TestUsers(t *testing.T) {
	const (
		list     = "UserGetListInGroupRequest"
		headings = "User Id|Last Name|First Name|Department|Phone Number|Phone Number Activated|Email Address|" +
			"Hiragana Last Name|Hiragana First Name|In Trunk Group|Extension|Country Code|National Prefix"
		test  = apioUser + `|Test|Test|test_department_parent_1 \ test_department_initial|||test_mail@test.netaxis.be|||false|4000||`
		plain = plainUser + "|Plain|Zoë|||||||false|4001||"
	)
	listed := func(inner string, rows ...string) example {
		if rows == nil {
			rows = []string{}
		}
		return example{command: list, inner: inGroup("ApioSpTest", "ApioGrpTest", inner), table: "userTable", heading: headings, rows: rows}
	}
	byID := func(how, value, insensitive string) string {
		return mode("searchCriteriaUserId", how, value, insensitive)
	}
	isAssigned := func(user, inner, want string) example {
		return example{command: "UserServiceIsAssignedRequest", inner: text("userId", user) + inner, fields: "isAssigned=" + want}
	}
	for name, e := range map[string]example{
		"all users of a group":                     listed("", test, plain),
		"the user of an id":                        listed(byID("Equal To", apioUser, "false"), test),
		"the user of an id in any case":            listed(byID("Equal To", strings.ToUpper(plainUser), "true"), plain),
		"no user of an id in another case":         listed(byID("Equal To", strings.ToUpper(plainUser), "false")),
		"no user of another group":                 listed(byID("Equal To", nightUser, "false")),
		"users by the beginning of an id":          listed(byID("Starts With", "ApioUser", "false"), test, plain),
		"users by last name":                       listed(mode("searchCriteriaUserLastName", "Contains", "lai", "false"), plain),
		"users by first name":                      listed(mode("searchCriteriaUserFirstName", "Equal To", "Test", "false"), test),
		"users by email":                           listed(mode("searchCriteriaEmailAddress", "Starts With", "test_", "false"), test),
		"users by number":                          listed(mode("searchCriteriaDn", "Contains", "32", "false")),
		"users by extension":                       listed(mode("searchCriteriaExtension", "Equal To", "4001", "false"), plain),
		"users by two criteria":                    listed(byID("Contains", "Apio", "false")+mode("searchCriteriaExtension", "Equal To", "4000", "false"), test),
		"users up to a limit":                      listed(text("responseSizeLimit", "2"), test, plain),
		"no more users than asked for":             {command: list, inner: inGroup("ApioSpTest", "ApioGrpTest", text("responseSizeLimit", "1")), number: 9906},
		"no users of an unknown group":             {command: list, inner: inGroup("ApioSpTest", "nobody", ""), number: 4152},
		"no users of an unknown tenant":            {command: list, inner: inGroup("nobody", "ApioGrpTest", ""), number: 9902},
		"no users of a group with a small letter":  {command: list, inner: ids("ApioSpTest", "ApioGrpTest"), number: 6004},
		"no users by criteria in another order":    {command: list, inner: inGroup("ApioSpTest", "ApioGrpTest", byID("Equal To", "x", "true")+mode("searchCriteriaDn", "Equal To", "x", "true")), number: 6004},
		"that a user has a service":                isAssigned(apioUser, text("serviceName", "Route List"), "true"),
		"that a user does not have a service":      isAssigned(plainUser, text("serviceName", "Route List"), "false"),
		"that a user does not have another one":    isAssigned(apioUser, text("serviceName", "Voice Mail"), "false"),
		"that a user does not have a service pack": isAssigned(apioUser, text("servicePackName", "Premium"), "false"),
		"no services of an unknown user":           {command: "UserServiceIsAssignedRequest", inner: text("userId", "nobody") + text("serviceName", "Route List"), number: 4008},
		"no services without a name":               {command: "UserServiceIsAssignedRequest", inner: text("userId", apioUser), number: 6004},
		"no services of two names":                 {command: "UserServiceIsAssignedRequest", inner: text("userId", apioUser) + text("serviceName", "a") + text("servicePackName", "b"), number: 6004},
		"no unknown user":                          {command: "UserGetRequest22", inner: text("userId", "nobody"), number: 4008},
		"a user": {
			command: "UserGetRequest22", inner: text("userId", apioUser),
			fields: "serviceProviderId=ApioSpTest groupId=ApioGrpTest userId=" + apioUser + " lastName=Test firstName=Test callingLineIdLastName=Test callingLineIdFirstName=Test " +
				`extension=4000 departmentFullPath=test_department_parent_1 \ test_department_initial language=English timeZone=Europe/Brussels ` +
				"timeZoneDisplayName=(GMT+01:00) Brussels emailAddress=test_mail@test.netaxis.be",
		},
		"a user of an enterprise": {
			command: "UserGetRequest21sp1", inner: text("userId", "plain@ent.netaxis.be"),
			fields: "serviceProviderId=ApioEntTest groupId=ApioEntGrpOther lastName=Plain firstName=Petra callingLineIdLastName=Plain callingLineIdFirstName=Petra " +
				"extension=6001 departmentFullPath=Support language=English timeZone=Europe/Brussels timeZoneDisplayName=(GMT+01:00) Brussels",
		},
	} {
		t.Run("shows "+name, func(t *testing.T) { e.check(t, login(t, newPlatform(t), "gateway")) })
	}
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
		"Route List where a user has it":         {tenant: "ApioSpTest", want: []string{row("Route List", "true", "true", "Unlimited")}},
		"Route List where no user has it":        {tenant: "footenant", want: []string{row("Route List", "true", "false", "Unlimited")}},
		"Route List where it is not authorized":  {tenant: "ApioSpNoService", want: []string{row("Route List", "false", "false", "0")}},
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
				t.Fatalf("answered %s with %d tables", got.kind(), len(got.Children))
			}
			if diff := cmp.Diff([]string{columns, columns + "|User Assignable|Service Pack Assignable"},
				[]string{got.headings("groupServicesAuthorizationTable"), got.headings("userServicesAuthorizationTable")}); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.want, got.rows("userServicesAuthorizationTable")); diff != "" {
				t.Error(diff)
			}
			if more := len(got.rows("groupServicesAuthorizationTable")); more != 0 {
				t.Errorf("the other table has %d rows", more)
			}
		})
	}
	t.Run("shows nothing of an unknown tenant", func(t *testing.T) {
		if got := login(t, newPlatform(t), "gateway").one("ServiceProviderServiceGetAuthorizationListRequest", text("serviceProviderId", "nobody")); got.number() != 9902 {
			t.Errorf("error %d", got.number())
		}
	})
}

// TestUserRouteListByRelease reads and changes what each release has of it.
func TestUserRouteListByRelease(t *testing.T) {
	const settings = "treatOriginationsAndPBXRedirectionsAsScreened=false useRouteListIdentityForNonEmergencyCalls=true useRouteListIdentityForEmergencyCalls=false"
	const shortRange, fullRange = rangeHeadings + "|Is Active", rangeHeadings + "|Is Active|Extension Length"
	for _, tt := range []struct {
		release       int
		form          string
		fields        string
		ranges        string
		prefixes      string
		prefix, names int // the error of a change that names a prefix, or the setting of release 24
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
				t.Errorf("naming a prefix: error %d, want %d", got, tt.prefix)
			}
			if got := c.one("UserRouteListModifyRequest", user+text("ignoreCallingNameForCallProcessing", "true")).number(); got != tt.names {
				t.Errorf("naming the setting of release 24: error %d, want %d", got, tt.names)
			}
			if got := p.RouteListSettings(apioUser); !got["useRouteListIdentityForNonEmergencyCalls"] || got["ignoreCallingNameForCallProcessing"] != (tt.names == 0) || len(got) != 4 {
				t.Errorf("the settings are %v", got)
			}
		})
	}
	t.Run("no settings of an unknown user", func(t *testing.T) {
		if got := newPlatform(t).RouteListSettings("nobody"); got != nil {
			t.Errorf("got %v", got)
		}
	})
}
