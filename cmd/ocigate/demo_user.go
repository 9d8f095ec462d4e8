package main

import "ocigate/translate/scope"

// userOf returns the path of a user of the tenant of most calls.
func userOf(group, user string) string {
	return itcAt(scope.Target{TenantID: "ApioSpTest", GroupID: group, UserID: user})
}

const (
	demoUserID = "ApioUserTest@sip.netaxis.be"

	anotherRange = `{"useImmediateTrunkingConnectivityIdentityForEmergencyCalls":true,"numbers":[{"minPhoneNumber":"+3226127000"},{"minPhoneNumber":"+3226127007"}]}`
	oldRange     = `{"useImmediateTrunkingConnectivityIdentityForEmergencyCalls":false,"numbers":[{"minPhoneNumber":"+3226127000"}]}`
	otherRange   = `{"numbers":[{"minPhoneNumber":"+3226127000"},{"minPhoneNumber":"+3225129000"}]}`
)

// userCalls returns the calls that show and change the entries and settings of a user.
func userCalls() []demoCall {
	path := userOf("ApioGrpTest", demoUserID)
	return []demoCall{
		{title: "show what a user has", user: "group", method: "GET", path: path, status: 200, want: demoUser},
		{title: "see what another range and setting for the user would change", user: "group", method: "PUT", path: path + "?dry_run=true", body: anotherRange, status: 200, want: rehearsedUser},
		{
			title: "change that: a list replaces the complete list, and missing keys stay unchanged", user: "group", method: "PUT", path: path, body: anotherRange, status: 200, want: noAnswer,
			answered: map[string]string{"Operation-Outcome": "done"},
		},
		{
			title: "send it again: nothing differs, and nothing is sent", user: "group", method: "PUT", path: path, body: anotherRange, status: 200, want: noAnswer,
			answered: map[string]string{"Operation-Outcome": "done"},
		},
		{
			title: "ask for its outcome", user: "group", method: "GET", path: "/operations/" + lastOperation + "/", status: 200,
			has: []string{`"state":"done"`, `"known_by":"reading"`, `"endpoint":"itc_user_set"`, `"user_id":"` + demoUserID + `"`},
		},
		{title: "give the user the old range and setting", user: "group", method: "PUT", path: path, body: oldRange, status: 200, want: noAnswer},
		{
			title: "a range for the user that is another group's", user: "group", method: "PUT", path: path, body: otherRange, status: 400, code: 19,
			has: []string{`"problems":[{"pointer":"/numbers/1/minPhoneNumber","reason":"is not assigned to this group"}]`},
		},
		{title: "a user of another group", user: "tenant", method: "GET", path: userOf("ApioGrpOther", demoUserID), status: 404, code: 1027},
		{title: "a user without the service", user: "group", method: "GET", path: userOf("ApioGrpTest", "ApioUserPlain@sip.netaxis.be"), status: 404, code: 1004},
	}
}

// demoUser is the response about the user of the demonstration.
const demoUser = `{
    "treatOriginationsAndPBXRedirectionsAsScreened": false,
    "useImmediateTrunkingConnectivityIdentityForNonEmergencyCalls": false,
    "useImmediateTrunkingConnectivityIdentityForEmergencyCalls": false,
    "numbers": [
        {
            "minPhoneNumber": "+3226127000",
            "maxPhoneNumber": "+3226127002",
            "active": true,
            "extensionLength": ""
        }
    ],
    "prefixes": [
        {
            "prefix": "+32-01",
            "active": true,
            "extensionRangeStart": "",
            "extensionRangeEnd": ""
        }
    ]
}`

// rehearsedUser is the response to a dry run of a change of the user.
const rehearsedUser = `{
    "dry_run": true,
    "changes": [
        {
            "entry": "useImmediateTrunkingConnectivityIdentityForEmergencyCalls",
            "start": "useRouteListIdentityForEmergencyCalls",
            "before": false,
            "after": true
        },
        {
            "entry": "+3226127007",
            "start": "+3226127007",
            "end": "+3226127009",
            "before": {
                "userId": null
            },
            "after": {
                "userId": "ApioUserTest@sip.netaxis.be"
            }
        }
    ]
}`
