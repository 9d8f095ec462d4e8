package ocisim_test

import "testing"

// This file specifies the general commands about tenants, groups, departments and
// services. A new read is an example in TestReads.

// TestReads checks every general command that reads with the demonstration's seed.
func TestReads(t *testing.T) {
	apio, company := text("serviceProviderId", "ApioSpTest"), text("serviceProviderId", "ApioEntTest")
	for name, e := range map[string]example{
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
		"the version":                        {command: "SystemSoftwareVersionGetRequest", fields: "version=24"},
		"a valid session":                    {command: "VerifySessionIsValidRequest"},
		"a service that is not authorized":   {command: "GroupServiceGetAuthorizationRequest", inner: ids("ApioSpTest", "ApioGrpNoService") + text("userServiceName", "Route List"), fields: "authorized=false"},
		"a service that is authorized":       {command: "GroupServiceGetAuthorizationRequest", inner: ids("ApioSpTest", "ApioGrpTest") + text("userServiceName", "Route List"), fields: "authorized=true authorizedQuantity= usedQuantity= authorizable=true"},
		"no unknown tenant":                  {command: "ServiceProviderGetRequest17sp1", inner: text("serviceProviderId", "unknown"), number: 9902},
		"no groups of an unknown tenant":     {command: "GroupGetListInServiceProviderRequest", inner: text("serviceProviderId", "unknown"), number: 9902},
		"no service of an unknown group":     {command: "GroupServiceGetAuthorizationRequest", inner: ids("ApioSpTest", "unknown") + text("servicePackName", "x"), number: 4152},
		"no departments of an unknown group": {command: "GroupDepartmentGetListRequest18", inner: ids("ApioSpTest", "unknown") + text("includeEnterpriseDepartments", "false"), number: 4152},
	} {
		t.Run("shows "+name, func(t *testing.T) {
			e.check(t, login(t, newPlatform(t), "gateway"))
		})
	}
}
