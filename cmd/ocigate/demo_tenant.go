package main

import "ocigate/translate/scope"

// itcOfTenant returns the path of a list at the level of a tenant.
func itcOfTenant(tenant, list string) string {
	return itcAt(scope.Target{TenantID: tenant}) + list + "/"
}

// tenantCalls returns the calls that list the entries of a service provider and of an
// enterprise.
func tenantCalls() []demoCall {
	return []demoCall{
		{title: "list the tenant's number ranges, and which group has them", user: "tenant", method: "GET", path: itcOfTenant("ApioSpTest", "numbers"), status: 200, want: tenantNumbers},
		{title: "list those that no group has", user: "tenant", method: "GET", path: itcOfTenant("ApioSpTest", "available_numbers"), status: 200, want: assignableNumbers},
		{title: "list the prefixes of an enterprise, and who has them", user: "portal", method: "GET", path: itcOfTenant("ApioEntTest", "prefixes"), status: 200, want: enterprisePrefixes},
		{title: "list those that no user has", user: "portal", method: "GET", path: itcOfTenant("ApioEntTest", "available_prefixes"), status: 200, want: enterpriseFreePrefixes},
	}
}

// The responses about tenants.
const (
	tenantNumbers = `{
    "numbers": [
        {
            "minPhoneNumber": "+3226127000",
            "maxPhoneNumber": "+3226127002",
            "groupId": "ApioGrpTest",
            "active": true,
            "extensionLength": ""
        },
        {
            "minPhoneNumber": "+3226127007",
            "maxPhoneNumber": "+3226127009",
            "groupId": "ApioGrpTest",
            "active": true,
            "extensionLength": ""
        },
        {
            "minPhoneNumber": "+3225126999",
            "maxPhoneNumber": "+3225126999",
            "groupId": "",
            "active": true,
            "extensionLength": ""
        },
        {
            "minPhoneNumber": "+3225127000",
            "maxPhoneNumber": "+3225127999",
            "groupId": "",
            "active": true,
            "extensionLength": "4"
        },
        {
            "minPhoneNumber": "+3225128000",
            "maxPhoneNumber": "+3225128009",
            "groupId": "",
            "active": false,
            "extensionLength": ""
        },
        {
            "minPhoneNumber": "+3225129000",
            "maxPhoneNumber": "+3225129009",
            "groupId": "ApioGrpOther",
            "active": true,
            "extensionLength": ""
        }
    ]
}`
	enterprisePrefixes = `{
    "prefixes": [
        {
            "prefix": "+32-333",
            "groupId": "ApioEntGrpTest",
            "userId": "hq@ent.netaxis.be",
            "lastName": "Queen",
            "firstName": "Hana",
            "phoneNumber": "",
            "extension": "5001",
            "department": {
                "tenantId": "ApioEntTest",
                "groupId": "",
                "departmentName": "Headquarters",
                "fullPathName": "Headquarters"
            },
            "emailAddress": "",
            "enterpriseTrunk": "",
            "active": true,
            "extensionRangeStart": "",
            "extensionRangeEnd": ""
        },
        {
            "prefix": "+32-334",
            "groupId": "ApioEntGrpOther",
            "userId": "night@ent.netaxis.be",
            "lastName": "Owl",
            "firstName": "Nick",
            "phoneNumber": "",
            "extension": "6000",
            "department": {
                "tenantId": "ApioEntTest",
                "groupId": "ApioEntGrpOther",
                "departmentName": "Night",
                "fullPathName": "Support \\ Night (ApioEntGrpOther)"
            },
            "emailAddress": "night@ent.netaxis.be",
            "enterpriseTrunk": "",
            "active": true,
            "extensionRangeStart": "200",
            "extensionRangeEnd": "299"
        },
        {
            "prefix": "+32-335",
            "groupId": "",
            "userId": "",
            "lastName": "",
            "firstName": "",
            "phoneNumber": "",
            "extension": "",
            "emailAddress": "",
            "enterpriseTrunk": "",
            "active": true,
            "extensionRangeStart": "",
            "extensionRangeEnd": ""
        }
    ]
}`
	enterpriseFreePrefixes = `{
    "available_prefixes": [
        {
            "prefix": "+32-335",
            "active": true,
            "extensionRangeStart": "",
            "extensionRangeEnd": ""
        }
    ]
}`
)
