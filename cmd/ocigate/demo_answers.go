package main

// rehearsedNumbers is the response to a dry run.
const rehearsedNumbers = `{
    "dry_run": true,
    "changes": [
        {
            "entry": "+3225126999",
            "start": "+3225126999",
            "end": "+3225126999",
            "before": {
                "groupId": null
            },
            "after": {
                "groupId": "ApioGrpTest"
            }
        }
    ]
}`

// The responses to calls that replace the list of a group.
const (
	rehearsedList = `{
    "dry_run": true,
    "changes": [
        {
            "entry": "+3225126999",
            "start": "+3225126999",
            "end": "+3225126999",
            "before": {
                "groupId": null
            },
            "after": {
                "groupId": "ApioGrpTest"
            }
        },
        {
            "entry": "+3226127007",
            "start": "+3226127007",
            "end": "+3226127009",
            "before": {
                "groupId": "ApioGrpTest"
            },
            "after": {
                "groupId": null
            }
        }
    ]
}`
	changedList       = `{"result":[{"minPhoneNumber":"+3226127000","status":"unchanged"},{"minPhoneNumber":"+3225126999","status":"added"},{"minPhoneNumber":"+3226127007","status":"removed"}]}`
	partOfList        = `{"result":[{"minPhoneNumber":"+3226127000","status":"unchanged"},{"minPhoneNumber":"+3225126999","status":"rejected"},{"minPhoneNumber":"+3226127007","status":"removed"}]}`
	restoredList      = `{"result":[{"minPhoneNumber":"+3226127000","status":"unchanged"},{"minPhoneNumber":"+3226127007","status":"added"},{"minPhoneNumber":"+3225126999","status":"removed"}]}`
	unchangedPrefixes = `{"result":[{"prefix":"+32-01","status":"unchanged"},{"prefix":"+32-02","status":"unchanged"}]}`
)

// The available lists of the tenant of the demonstration: entries that can be assigned.
const (
	assignableNumbers = `{
    "available_numbers": [
        {
            "minPhoneNumber": "+3225126999",
            "maxPhoneNumber": "+3225126999",
            "active": true,
            "extensionLength": ""
        },
        {
            "minPhoneNumber": "+3225127000",
            "maxPhoneNumber": "+3225127999",
            "active": true,
            "extensionLength": "4"
        },
        {
            "minPhoneNumber": "+3225128000",
            "maxPhoneNumber": "+3225128009",
            "active": false,
            "extensionLength": ""
        }
    ]
}`
	assignablePrefixes = `{
    "available_prefixes": [
        {
            "prefix": "+32-03",
            "active": true,
            "extensionRangeStart": "100",
            "extensionRangeEnd": "199"
        }
    ]
}`
)

// The responses in the API's specification.
const (
	documentedNumbers = `{
    "numbers": [
        {
            "minPhoneNumber": "+3226127000",
            "maxPhoneNumber": "+3226127002",
            "groupId": "ApioGrpTest",
            "userId": "ApioUserTest@sip.netaxis.be",
            "lastName": "Test",
            "firstName": "Test",
            "phoneNumber": "",
            "extension": "4000",
            "department": {
                "tenantId": "ApioSpTest",
                "groupId": "ApioGrpTest",
                "departmentName": "test_department_initial",
                "fullPathName": "test_department_parent_1 \\ test_department_initial"
            },
            "emailAddress": "test_mail@test.netaxis.be",
            "enterpriseTrunk": "",
            "active": true,
            "extensionLength": ""
        },
        {
            "minPhoneNumber": "+3226127007",
            "maxPhoneNumber": "+3226127009",
            "groupId": "ApioGrpTest",
            "userId": "",
            "lastName": "",
            "firstName": "",
            "phoneNumber": "",
            "extension": "",
            "emailAddress": "",
            "enterpriseTrunk": "",
            "active": true,
            "extensionLength": ""
        }
    ]
}`
	documentedAvailableNumbers = `{
    "available_numbers": [
        {
            "minPhoneNumber": "+3226127000",
            "maxPhoneNumber": "+3226127002",
            "active": true,
            "extensionLength": ""
        }
    ]
}`
	documentedPrefixes = `{
    "prefixes": [
        {
            "prefix": "+32-01",
            "groupId": "ApioGrpTest",
            "userId": "ApioUserTest@sip.netaxis.be",
            "lastName": "Test",
            "firstName": "Test",
            "phoneNumber": "",
            "extension": "4000",
            "department": {
                "tenantId": "ApioSpTest",
                "groupId": "ApioGrpTest",
                "departmentName": "test_department_initial",
                "fullPathName": "test_department_parent_1 \\ test_department_initial"
            },
            "emailAddress": "test_mail@test.netaxis.be",
            "enterpriseTrunk": "",
            "active": true,
            "extensionRangeStart": "",
            "extensionRangeEnd": ""
        },
        {
            "prefix": "+32-02",
            "groupId": "ApioGrpTest",
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
	documentedAvailablePrefixes = `{
    "available_prefixes": [
        {
            "prefix": "+32-01",
            "active": true,
            "extensionRangeStart": "",
            "extensionRangeEnd": ""
        }
    ]
}`
)
