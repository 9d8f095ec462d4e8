package ocisim_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci/ocisim"
)

// This file specifies what all commands have in common: schemas, rights and error
// numbers. For a new command, correct the number in TestCommands, add a row to
// TestRights and an example to TestReads in tenants_test.go, TestUsers or
// TestRouteListReads; for a new write, a row to TestWrites in routelist_test.go.

const (
	groupRange    = "GroupRouteListEnterpriseTrunkNumberRange"
	groupPrefix   = "GroupRouteListEnterpriseTrunkNumberPrefix"
	tenantRange   = "ServiceProviderRouteListEnterpriseTrunkNumberRange"
	tenantPrefix  = "ServiceProviderRouteListEnterpriseTrunkNumberPrefix"
	companyRange  = "EnterpriseRouteListEnterpriseTrunkNumberRange"
	companyPrefix = "EnterpriseRouteListEnterpriseTrunkNumberPrefix"

	unknownType = "Invalid xsi:type qname:"

	apioUser  = "ApioUserTest@sip.netaxis.be"
	plainUser = "ApioUserPlain@sip.netaxis.be"
)

func TestCommands(t *testing.T) {
	names := slices.Collect(ocisim.Commands())
	if !slices.IsSorted(names) || len(names) != 13+2+8+8+14+4+4+5 {
		t.Errorf("%d commands: %q", len(names), names)
	}
	for _, name := range names {
		t.Run("supports "+name, func(t *testing.T) {
			p := newPlatform(t, func(s *ocisim.Seed) { s.Platform.Release, s.Platform.Version = 25, "2022.08" })
			c := login(t, p, "gateway")
			if got := c.one(name, "<noSuchElement/>"); got.number() != 6004 || strings.HasPrefix(got.reason(), unknownType) {
				t.Errorf("replied %+v", got)
			}
		})
	}
}

// example is a valid request of a command and the reply of the demonstration.
type example struct {
	command, inner string
	table, heading string
	rows           []string
	fields         string // of replies without a table
	number         int    // of the error; 0 for none
}

// check sends the request and compares the reply.
func (e example) check(t *testing.T, c *client) {
	t.Helper()
	got := c.one(e.command, e.inner)
	if got.number() != e.number {
		t.Fatalf("error %d, want %d: %s", got.number(), e.number, got.get("summary"))
	}
	if e.number != 0 {
		return
	}
	want := strings.Replace(e.command, "Request", "Response", 1)
	if e.table == "" && e.fields == "" {
		want = "c:SuccessResponse"
	}
	if got.kind() != want {
		t.Errorf("replied %s, want %s", got.kind(), want)
	}
	if e.table == "" {
		if diff := cmp.Diff(e.fields, fields(got)); diff != "" {
			t.Error(diff)
		}
		return
	}
	if diff := cmp.Diff(e.heading, got.headings(e.table)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(e.rows, got.rows(e.table)); diff != "" {
		t.Error(diff)
	}
}

const (
	userHeadings     = "User Id|Last Name|First Name|Hiragana Last Name|Hiragana First Name|Phone Number|Extension|Department|Email Address|Enterprise Trunk"
	rangeHeadings    = "Number Range Start|Number Range End"
	prefixTail       = "Is Active|Extension Range Start|Extension Range End"
	spHeadings       = "Service Provider Id|Service Provider Name|Is Enterprise"
	testUser         = apioUser + `|Test|Test||||4000|test_department_parent_1 \ test_department_initial|test_mail@test.netaxis.be|`
	noUser           = "|||||||||"
	departmentFields = "Is Enterprise Department|Department Name|Full Path Name|Calling Line Id Name|Calling Line Id Phone Number"
)

// mode returns a search criterion.
func mode(element, mode, value, insensitive string) string {
	return text(element, text("mode", mode)+text("value", value)+text("isCaseInsensitive", insensitive))
}

func TestSchema(t *testing.T) {
	both := text("serviceProviderId", "ApioSpTest") + text("groupId", "ApioGrpTest")
	dn := func(inner string) string {
		return text("serviceProviderId", "ApioSpTest") + text("numberRange", inner)
	}
	const nilAttribute = ` xsi:nil="true"`
	for _, tt := range []struct{ name, command, inner, detail string }{
		{"a wrong order", groupRange + "GetSummaryListRequest", text("groupId", "g") + text("serviceProviderId", "s"), "element serviceProviderId is expected in %s, found groupId"},
		{"a missing element", groupRange + "GetSummaryListRequest", text("serviceProviderId", "s"), "element groupId is expected in %s, found nothing"},
		{"an element too many", groupRange + "GetSummaryListRequest", both + "<x/>", "element x is not expected at this place in %s"},
		{"an element given twice", groupRange + "GetSummaryListRequest", both + text("groupId", "g"), "element groupId is not expected at this place in %s"},
		{"an empty value", groupRange + "GetSummaryListRequest", text("serviceProviderId", " ") + text("groupId", "g"), "element %s/serviceProviderId must have at least 1 characters"},
		{"a long value", groupRange + "GetSummaryListRequest", text("serviceProviderId", strings.Repeat("é", 31)) + text("groupId", "g"), "element %s/serviceProviderId must have at most 30 characters"},
		{"a long number", groupRange + "AssignListRequest", both + text("numberRangeStart", "+12345678901234567890123"), "element %s/numberRangeStart must have at most 23 characters"},
		{"elements in a value", groupRange + "GetSummaryListRequest", "<serviceProviderId><x/></serviceProviderId>" + text("groupId", "g"), "element %s/serviceProviderId must not hold elements"},
		{"text in place of elements", tenantRange + "AddListRequest22", dn("+321"), "element %s/numberRange must not hold text"},
		{"nil that is not allowed", groupRange + "GetSummaryListRequest", "<serviceProviderId" + nilAttribute + "/>" + text("groupId", "g"), "element %s/serviceProviderId must not be nil"},
		{"nil that is not empty", tenantRange + "ModifyListRequest", dn(text("dnRangeStart", "+321") + "<extensionLength" + nilAttribute + ">3</extensionLength>"), "element %s/numberRange/extensionLength is nil and must be empty"},
		{"a wrong number", tenantRange + "AddListRequest22", dn("<dnRange><minPhoneNumber>+1</minPhoneNumber><maxPhoneNumber>+2</maxPhoneNumber></dnRange>" + text("extensionLength", "21")), "element %s/numberRange/extensionLength must be a number from 2 to 20"},
		{"a wrong boolean", "GroupDepartmentGetListRequest18", both + text("includeEnterpriseDepartments", "yes"), "element %s/includeEnterpriseDepartments must be true or false"},
		{"a wrong value of an enumeration", "ServiceProviderGetListRequest", mode("searchCriteriaServiceProviderId", "Ends With", "x", "true"), "element %s/searchCriteriaServiceProviderId/mode must be one of Starts With, Contains, Equal To"},
		{"no choice", "GroupServiceGetAuthorizationRequest", both, "element userServiceName or groupServiceName or servicePackName is expected in %s, found nothing"},
		{"two choices", "GroupServiceGetAuthorizationRequest", both + text("userServiceName", "x") + text("groupServiceName", "x"), "element groupServiceName is not expected at this place in %s"},
		{"an empty list that is mandatory", tenantPrefix + "DeleteListRequest", text("serviceProviderId", "s"), "element numberPrefix is expected in %s, found nothing"},
		{"an unknown command", "GroupGetRequest99", "", unknownType + " '%s' in element BroadsoftDocument@C"},
	} {
		t.Run("refuses "+tt.name, func(t *testing.T) {
			p := newPlatform(t)
			before := p.Ranges("ApioSpTest")
			got := login(t, p, "gateway").one(tt.command, tt.inner)
			if got.number() != 6004 || got.reason() != strings.Replace(tt.detail, "%s", tt.command, 1) {
				t.Errorf("replied %d, %s", got.number(), got.reason())
			}
			if diff := cmp.Diff(before, p.Ranges("ApioSpTest")); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("carries out the other commands of the document", func(t *testing.T) {
		c := login(t, newPlatform(t), "gateway")
		replies := c.exchange(c.document(command("GroupGetRequest99", "") + command("VerifySessionIsValidRequest", ""))).all("command")
		if len(replies) != 2 || replies[0].number() != 6004 || replies[1].number() != 0 {
			t.Errorf("replied %+v", replies)
		}
	})
}

// TestRights sends each kind of command as every kind of login, about what the login
// administers and about what it does not.
func TestRights(t *testing.T) {
	p := newPlatform(t)
	logins := map[string]*client{"": connect(t, p)}
	for _, who := range []string{"gateway", "provisioning", "tenantadmin", "groupadmin", "departmentadmin"} {
		logins[who] = login(t, p, who)
	}
	logins["reseller"] = connect(t, p)
	logins["reseller"].one("LoginRequest22V5", text("userId", "reseller")+text("password", "reseller-demo"))
	logins["user"] = connect(t, p)
	logins["user"].login(apioUser, "user-demo")
	own, other := ids("ApioSpTest", "ApioGrpTest"), ids("ApioSpTest", "ApioGrpOther")
	foreign, unknown := ids("footenant", "foogroup"), ids("unknown", "unknown")
	const (
		system   = "gateway provisioning"
		reseller = system + " reseller"
		tenant   = reseller + " tenantadmin"
		group    = tenant + " groupadmin"
	)
	for _, tt := range []struct {
		command, inner, may string // may are the logins that may send it
		number              int    // the error that those logins get; 0 for none
	}{
		{"VerifySessionIsValidRequest", "", group + " departmentadmin user", 0},
		{"SystemSoftwareVersionGetRequest", "", group + " departmentadmin user", 0},
		{"AuthenticationVerifyRequest14sp8", text("userId", "gateway") + text("password", "gateway-demo"), system, 0},
		{"AuthenticationVerifyRequest22V4", text("userId", "gateway") + text("password", "gateway-demo"), system, 0},
		{"SystemAdminGetRequest", text("userId", "provisioning"), system, 0},
		{"SystemAdminGetRequest", text("userId", "tenantadmin"), system, 4008},
		{"ServiceProviderAdminGetRequest14", text("userId", "tenantadmin"), system, 0},
		{"ServiceProviderAdminGetRequest14", text("userId", "groupadmin"), system, 4008},
		{"ServiceProviderGetListRequest", "", reseller, 0},
		{"ServiceProviderGetRequest22V4", text("serviceProviderId", "ApioSpTest"), tenant, 0},
		{"ServiceProviderGetRequest22V4", text("serviceProviderId", "footenant"), system, 0},
		{"GroupGetListInServiceProviderRequest", text("serviceProviderId", "ApioSpTest"), tenant, 0},
		{"GroupServiceGetAuthorizationListRequest", own, group, 0},
		{"GroupServiceGetAuthorizationListRequest", other, tenant, 0},
		{groupRange + "GetSummaryListRequest", own, group, 0},
		{groupRange + "GetSummaryListRequest", other, tenant, 0},
		{groupRange + "GetSummaryListRequest", foreign, system, 0},
		{groupRange + "GetAvailableListRequest", own, tenant, 0},
		{groupRange + "AssignListRequest", own, tenant, 0},
		{groupRange + "AssignListRequest", foreign, system, 0},
		{groupPrefix + "UnassignListRequest", own, tenant, 0},
		{tenantRange + "GetSummaryListRequest", text("serviceProviderId", "ApioSpTest"), tenant, 0},
		{tenantRange + "ActivateListRequest", text("serviceProviderId", "footenant"), system, 0},
		{"UserRouteListGetRequest24", text("userId", apioUser), group + " departmentadmin user", 0},
		{"UserRouteListGetRequest24", text("userId", plainUser), group, 4410},
		{"UserRouteListGetRequest", text("userId", apioUser), group + " departmentadmin user", 0},
		{"UserRouteListModifyRequest", text("userId", apioUser), group, 0},
		{"UserGetRequest22", text("userId", apioUser), group + " departmentadmin user", 0},
		{"UserGetRequest17sp4", text("userId", plainUser), group, 0},
		{"UserServiceIsAssignedRequest", text("userId", apioUser) + text("serviceName", "Route List"), group + " departmentadmin user", 0},
		{"UserServiceIsAssignedRequest", text("userId", "sales@ent.netaxis.be") + text("serviceName", "Route List"), system, 0},
		{"UserGetListInGroupRequest", text("serviceProviderId", "ApioSpTest") + text("GroupId", "ApioGrpTest"), group, 0},
		{"UserGetListInGroupRequest", text("serviceProviderId", "ApioSpTest") + text("GroupId", "ApioGrpOther"), tenant, 0},
		{"UserGetListInGroupRequest", text("serviceProviderId", "footenant") + text("GroupId", "foogroup"), system, 0},
		{"ServiceProviderServiceGetAuthorizationListRequest", text("serviceProviderId", "ApioSpTest"), tenant, 0},
		{"ServiceProviderServiceGetAuthorizationListRequest", text("serviceProviderId", "footenant"), system, 0},
		{"UserRouteListModifyRequest", text("userId", "sales@ent.netaxis.be"), system, 0},
		{"ServiceProviderGetRequest22V4", text("serviceProviderId", "unknown"), system, 9902},
		{groupRange + "GetSummaryListRequest", unknown, system, 9902},
	} {
		for who, c := range logins {
			want := tt.number
			if who == "" {
				want = 9900
			} else if !slices.Contains(strings.Fields(tt.may), who) {
				want = 5404
			}
			if got := c.one(tt.command, tt.inner).number(); got != want {
				t.Errorf("%q sends %s %s: %d, want %d", who, tt.command, tt.inner, got, want)
			}
		}
	}
	rows := logins["reseller"].one("ServiceProviderGetListRequest", "").rows("serviceProviderTable")
	if diff := cmp.Diff([]string{"ApioSpTest|Apio Service Provider|false"}, rows); diff != "" {
		t.Errorf("the list of a reseller: %s", diff)
	}
}

func TestErrorNumbers(t *testing.T) {
	numbers := ocisim.ErrorNumbers()
	public := map[int]bool{4008: true, 4152: true, 4410: true, 4962: true, 5202: true, 5404: true, 6004: true}
	for i, e := range numbers {
		if i > 0 && numbers[i-1].Number >= e.Number {
			t.Errorf("%d is duplicate or out of order", e.Number)
		}
		if e.Public != public[e.Number] || !e.Public && (e.Number < 9900 || e.Number > 9999) || e.Text == "" {
			t.Errorf("%+v", e)
		}
	}
}
