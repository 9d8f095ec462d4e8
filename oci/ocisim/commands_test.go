package ocisim_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci/ocisim"
)

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
	if !slices.IsSorted(names) || len(names) != 13+8+8+14+4+4+5 {
		t.Errorf("%d commands: %q", len(names), names)
	}
	for _, name := range names {
		t.Run("knows "+name, func(t *testing.T) {
			p := newPlatform(t, func(s *ocisim.Seed) { s.Platform.Release, s.Platform.Version = 25, "2022.08" })
			c := login(t, p, "gateway")
			if got := c.one(name, "<noSuchElement/>"); got.number() != 6004 || strings.HasPrefix(got.words(), unknownType) {
				t.Errorf("answered %+v", got)
			}
		})
	}
}

// example is a valid request of a command and the answer of the demonstration.
type example struct {
	command, inner string
	table, heading string
	rows           []string
	fields         string // of answers without a table
	number         int
}

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
		t.Errorf("answered %s, want %s", got.kind(), want)
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
	nobody           = "|||||||||"
	departmentFields = "Is Enterprise Department|Department Name|Full Path Name|Calling Line Id Name|Calling Line Id Phone Number"
)

func mode(element, mode, value, insensitive string) string {
	return text(element, text("mode", mode)+text("value", value)+text("isCaseInsensitive", insensitive))
}

// TestReads holds every command that reads against the demonstration's seed.
func TestReads(t *testing.T) {
	apio := text("serviceProviderId", "ApioSpTest")
	company := text("serviceProviderId", "ApioEntTest")
	for name, e := range map[string]example{
		"the documented numbers": {
			command: groupRange + "GetSummaryListRequest", inner: ids("ApioSpTest", "ApioGrpTest"),
			table: "numberRangeSummaryTable", heading: rangeHeadings + "|" + userHeadings + "|Is Active|Extension Length",
			rows: []string{"+3226127000|+3226127002|" + testUser + "|true|", "+3226127007|+3226127009|" + nobody + "|true|"},
		},
		"the documented available numbers": {
			command: groupRange + "GetAvailableListRequest", inner: ids("footenant", "foogroup"),
			table: "availableNumberRangeTable", heading: rangeHeadings + "|Is Active|Extension Length",
			rows: []string{"+3226127000|+3226127002|true|"},
		},
		"the documented prefixes": {
			command: groupPrefix + "GetSummaryListRequest", inner: ids("ApioSpTest", "ApioGrpTest"),
			table: "numberPrefixSummaryTable", heading: "Number Prefix|" + userHeadings + "|" + prefixTail,
			rows: []string{"+32-01|" + testUser + "|true||", "+32-02|" + nobody + "|true||"},
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
				"+3223331000|+3223331099||" + nobody + "|true|",
				"+3223332000|+3223332099|ApioEntGrpOther|night@ent.netaxis.be|Owl|Nick||||6000|Support \\ Night (ApioEntGrpOther)|night@ent.netaxis.be||true|2",
				"+3223333000|+3223333099||" + nobody + "|false|",
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
				"+32-335||" + nobody + "|true||",
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
		"a service provider": {
			command: "ServiceProviderGetRequest17sp1", inner: apio,
			fields: "useCustomRoutingProfile=false defaultDomain=example.com serviceProviderName=Apio Service Provider useServiceProviderLanguages=false",
		},
		"an enterprise": {
			command: "ServiceProviderGetRequest22V4", inner: company,
			fields: "serviceProviderId=ApioEntTest isEnterprise=true defaultDomain=example.com serviceProviderName=Apio Enterprise useServiceProviderLanguages=false",
		},
		"all tenants": {
			command: "ServiceProviderGetListRequest", table: "serviceProviderTable", heading: spHeadings,
			rows: []string{"ApioSpTest|Apio Service Provider|false", "footenant|Foo Tenant|false", "bartenant|Bar Tenant|false", "ApioSpNoService|Service provider without Route List|false", "ApioEntTest|Apio Enterprise|true"},
		},
		"enterprises": {
			command: "ServiceProviderGetListRequest", inner: text("isEnterprise", "true"), table: "serviceProviderTable", heading: spHeadings,
			rows: []string{"ApioEntTest|Apio Enterprise|true"},
		},
		"tenants by id": {
			command: "ServiceProviderGetListRequest", inner: mode("searchCriteriaServiceProviderId", "Starts With", "apio", "true"), table: "serviceProviderTable", heading: spHeadings,
			rows: []string{"ApioSpTest|Apio Service Provider|false", "ApioSpNoService|Service provider without Route List|false", "ApioEntTest|Apio Enterprise|true"},
		},
		"tenants by id in the right case": {
			command: "ServiceProviderGetListRequest", inner: mode("searchCriteriaServiceProviderId", "Starts With", "apio", "false"), table: "serviceProviderTable", heading: spHeadings, rows: []string{},
		},
		"tenants by id and name": {
			command: "ServiceProviderGetListRequest", table: "serviceProviderTable", heading: spHeadings,
			inner: mode("searchCriteriaServiceProviderId", "Contains", "tenant", "false") + mode("searchCriteriaServiceProviderName", "Equal To", "Foo Tenant", "false"),
			rows:  []string{"footenant|Foo Tenant|false"},
		},
		"tenants of a reseller": {
			command: "ServiceProviderGetListRequest", inner: mode("searchCriteriaResellerId", "Equal To", "ApioReseller", "false"), table: "serviceProviderTable", heading: spHeadings,
			rows: []string{"ApioSpTest|Apio Service Provider|false"},
		},
		"no more tenants than asked for": {command: "ServiceProviderGetListRequest", inner: text("responseSizeLimit", "3"), number: 9906},
		"a tenant's groups": {
			command: "GroupGetListInServiceProviderRequest", inner: apio + text("responseSizeLimit", "3"), table: "groupTable", heading: "Group Id|Group Name|User Limit",
			rows: []string{"ApioGrpTest|Apio Group|25", "ApioGrpOther|Another group|25", "ApioGrpNoService|Group without Route List|25"},
		},
		"groups by id and name": {
			command: "GroupGetListInServiceProviderRequest", table: "groupTable", heading: "Group Id|Group Name|User Limit",
			inner: apio + mode("searchCriteriaGroupId", "Contains", "Grp", "false") + mode("searchCriteriaGroupName", "Contains", "route", "true"),
			rows:  []string{"ApioGrpNoService|Group without Route List|25"},
		},
		"departments": {
			command: "GroupDepartmentGetListRequest18", inner: ids("ApioSpTest", "ApioGrpTest") + text("includeEnterpriseDepartments", "true"),
			table: "departmentTable", heading: departmentFields,
			rows: []string{"false|test_department_parent_1|test_department_parent_1||", `false|test_department_initial|test_department_parent_1 \ test_department_initial||`},
		},
		"departments with the enterprise's": {
			command: "GroupDepartmentGetListRequest18", inner: ids("ApioEntTest", "ApioEntGrpTest") + text("includeEnterpriseDepartments", "true"),
			table: "departmentTable", heading: departmentFields, rows: []string{"false|Sales|Sales||", "true|Headquarters|Headquarters||"},
		},
		"departments without the enterprise's": {
			command: "GroupDepartmentGetListRequest18", inner: ids("ApioEntTest", "ApioEntGrpTest") + text("includeEnterpriseDepartments", "false"),
			table: "departmentTable", heading: departmentFields, rows: []string{"false|Sales|Sales||"},
		},
		"the version":                      {command: "SystemSoftwareVersionGetRequest", fields: "version=24"},
		"a valid session":                  {command: "VerifySessionIsValidRequest"},
		"a service that is not authorized": {command: "GroupServiceGetAuthorizationRequest", inner: ids("ApioSpTest", "ApioGrpNoService") + text("userServiceName", "Route List"), fields: "authorized=false"},
		"a service that is authorized":     {command: "GroupServiceGetAuthorizationRequest", inner: ids("ApioSpTest", "ApioGrpTest") + text("userServiceName", "Route List"), fields: "authorized=true authorizedQuantity= usedQuantity= authorizable=true"},

		"no unknown tenant":                        {command: "ServiceProviderGetRequest17sp1", inner: text("serviceProviderId", "nobody"), number: 9902},
		"no groups of an unknown tenant":           {command: "GroupGetListInServiceProviderRequest", inner: text("serviceProviderId", "nobody"), number: 9902},
		"no service of an unknown group":           {command: "GroupServiceGetAuthorizationRequest", inner: ids("ApioSpTest", "nobody") + text("servicePackName", "x"), number: 4152},
		"no departments of an unknown group":       {command: "GroupDepartmentGetListRequest18", inner: ids("ApioSpTest", "nobody") + text("includeEnterpriseDepartments", "false"), number: 4152},
		"no ranges of a group of another tenant":   {command: groupRange + "GetSummaryListRequest", inner: ids("ApioSpTest", "foogroup"), number: 4152},
		"no ranges of a group without the service": {command: groupRange + "GetSummaryListRequest", inner: ids("ApioSpTest", "ApioGrpNoService"), number: 9912},
		"no ranges of an enterprise's group":       {command: groupRange + "GetSummaryListRequest", inner: ids("ApioEntTest", "ApioEntGrpTest"), number: 9910},
		"no tenant's table of an enterprise":       {command: tenantRange + "GetSummaryListRequest", inner: company, number: 9910},
		"no enterprise's table of a tenant":        {command: companyPrefix + "GetAvailableListRequest", inner: apio, number: 9911},
		"no Route List of an unknown user":         {command: "UserRouteListGetRequest24", inner: text("userId", "nobody"), number: 4008},
		"no Route List of a user without it":       {command: "UserRouteListGetRequest24", inner: text("userId", plainUser), number: 4410},
	} {
		t.Run("shows "+name, func(t *testing.T) {
			e.check(t, login(t, newPlatform(t), "gateway"))
		})
	}
}

func TestAuthorizedQuantity(t *testing.T) {
	c := login(t, newPlatform(t), "gateway")
	answer := c.one("GroupServiceGetAuthorizationRequest", ids("ApioEntTest", "ApioEntGrpTest")+text("userServiceName", "Route List"))
	got := fields(answer.all("authorizedQuantity")[0]) + " " + fields(answer.all("usedQuantity")[0])
	if got != "unlimited=true quantity=2" {
		t.Error(got)
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
					t.Errorf("%s was not recognized: %q", spelling, got)
				}
				c.one(groupRange+"AssignListRequest", ids("footenant", "foogroup")+text("numberRangeStart", spelling))
			}
		})
	}
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
		{"nil where it is not allowed", groupRange + "GetSummaryListRequest", "<serviceProviderId" + nilAttribute + "/>" + text("groupId", "g"), "element %s/serviceProviderId must not be nil"},
		{"nil that is not empty", tenantRange + "ModifyListRequest", dn(text("dnRangeStart", "+321") + "<extensionLength" + nilAttribute + ">3</extensionLength>"), "element %s/numberRange/extensionLength is nil and must be empty"},
		{"a wrong number", tenantRange + "AddListRequest22", dn("<dnRange><minPhoneNumber>+1</minPhoneNumber><maxPhoneNumber>+2</maxPhoneNumber></dnRange>" + text("extensionLength", "21")), "element %s/numberRange/extensionLength must be a number from 2 to 20"},
		{"a wrong boolean", "GroupDepartmentGetListRequest18", both + text("includeEnterpriseDepartments", "yes"), "element %s/includeEnterpriseDepartments must be true or false"},
		{"a wrong word", "ServiceProviderGetListRequest", mode("searchCriteriaServiceProviderId", "Ends With", "x", "true"), "element %s/searchCriteriaServiceProviderId/mode must be one of Starts With, Contains, Equal To"},
		{"no choice", "GroupServiceGetAuthorizationRequest", both, "element userServiceName or groupServiceName or servicePackName is expected in %s, found nothing"},
		{"two choices", "GroupServiceGetAuthorizationRequest", both + text("userServiceName", "x") + text("groupServiceName", "x"), "element groupServiceName is not expected at this place in %s"},
		{"an empty list where one is needed", tenantPrefix + "DeleteListRequest", text("serviceProviderId", "s"), "element numberPrefix is expected in %s, found nothing"},
		{"an unknown command", "GroupGetRequest99", "", unknownType + " '%s' in element BroadsoftDocument@C"},
	} {
		t.Run("refuses "+tt.name, func(t *testing.T) {
			p := newPlatform(t)
			before := p.Ranges("ApioSpTest")
			got := login(t, p, "gateway").one(tt.command, tt.inner)
			if got.number() != 6004 || got.words() != strings.Replace(tt.detail, "%s", tt.command, 1) {
				t.Errorf("answered %d, %s", got.number(), got.words())
			}
			if diff := cmp.Diff(before, p.Ranges("ApioSpTest")); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("leaves the other commands of the document alone", func(t *testing.T) {
		c := login(t, newPlatform(t), "gateway")
		answers := c.exchange(c.document(command("GroupGetRequest99", "") + command("VerifySessionIsValidRequest", ""))).all("command")
		if len(answers) != 2 || answers[0].number() != 6004 || answers[1].number() != 0 {
			t.Errorf("answered %+v", answers)
		}
	})
}

// TestRights sends each kind of command as every kind of login, about its own
// and about somebody else's.
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
	foreign, unknown := ids("footenant", "foogroup"), ids("nobody", "nobody")
	const (
		system   = "gateway provisioning"
		reseller = system + " reseller"
		tenant   = reseller + " tenantadmin"
		group    = tenant + " groupadmin"
	)
	for _, tt := range []struct {
		command, inner, may string
		told                int // what those are told who may
	}{
		{"VerifySessionIsValidRequest", "", group + " departmentadmin user", 0},
		{"SystemSoftwareVersionGetRequest", "", group + " departmentadmin user", 0},
		{"AuthenticationVerifyRequest14sp8", text("userId", "gateway") + text("password", "gateway-demo"), system, 0},
		{"AuthenticationVerifyRequest22V4", text("userId", "gateway") + text("password", "gateway-demo"), system, 0},
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
		{"ServiceProviderGetRequest22V4", text("serviceProviderId", "nobody"), system, 9902},
		{groupRange + "GetSummaryListRequest", unknown, system, 9902},
	} {
		for who, c := range logins {
			want := tt.told
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
		t.Errorf("a reseller sees other tenants: %s", diff)
	}
}

func TestErrorNumbers(t *testing.T) {
	numbers := ocisim.ErrorNumbers()
	public := map[int]bool{4008: true, 4152: true, 4410: true, 4962: true, 5202: true, 5404: true, 6004: true}
	for i, e := range numbers {
		if i > 0 && numbers[i-1].Number >= e.Number {
			t.Errorf("%d is given twice or out of order", e.Number)
		}
		if e.Public != public[e.Number] || !e.Public && (e.Number < 9900 || e.Number > 9999) || e.Text == "" {
			t.Errorf("%+v", e)
		}
	}
}
