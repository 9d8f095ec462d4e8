package main

import "ocigate/config"

// errorCalls returns calls that cause the errors that need no fault. For the others see
// demoFaults.
func errorCalls() []demoCall {
	numbers, prefixes := demoNumbers, demoPrefixes
	return []demoCall{
		{
			title: "a range of another group", user: "tenant", method: "POST", path: numbers, body: takenRange, status: 400, code: 19,
			has: []string{`"problems":[{"pointer":"/numbers/0/minPhoneNumber","reason":"is assigned to another group"}]`},
		},
		{
			title: "a range that the group has already", user: "tenant", method: "POST", path: numbers, body: ownRange, status: 400, code: 19,
			has: []string{`"problems":[{"pointer":"/numbers/0/minPhoneNumber","reason":"is already assigned to this group"}]`},
		},
		{
			title: "a range that is longer than in the request", user: "tenant", method: "POST", path: numbers, body: shorterRange, status: 400, code: 19,
			has: []string{`"problems":[{"pointer":"/numbers/0/maxPhoneNumber","reason":"is not the end of its range, which ends at +3225127999"}]`},
		},
		{title: "a prefix of another group", user: "tenant", method: "POST", path: prefixes, body: takenPrefix, status: 400, code: 19},
		{title: "a prefix that is not the group's", user: "tenant", method: "DELETE", path: prefixes, body: takenPrefix, status: 400, code: 19},
		{title: "a list that has changed since it was read", user: "tenant", method: "PUT", path: numbers, ifMatch: `"older"`, body: ownRanges, status: 412, code: 1028},
		{
			title: "a list without a range that a user has", user: "tenant", method: "PUT", path: numbers, body: noRanges, status: 400, code: 1029,
			has: []string{`"details":{"entries":["+3226127000"]}`},
		},
		{title: "a tenant in Enterprise mode", user: "portal", method: "GET", path: itc("ApioEntTest", "ApioEntGrpTest", "numbers"), status: 400, code: 46},
		{title: "a group without the service", user: "tenant", method: "GET", path: itc("ApioSpTest", "ApioGrpNoService", "numbers"), status: 404, code: 1004},
		{title: "a group that does not exist", user: "tenant", method: "GET", path: itc("ApioSpTest", "nobody", "numbers"), status: 404, code: 1003},
		{title: "a tenant that does not exist", user: "portal", method: "GET", path: itc("nobody", "nobody", "numbers"), status: 404, code: 1002},
		{title: "a key of another request", user: "tenant", method: "POST", path: numbers, key: "demo-1", body: takenRange, status: 422, code: 1020},
		{title: "an operation that does not exist", user: "tenant", method: "GET", path: "/operations/00000000-0000-7000-8000-000000000000/", status: 404, code: 1022},
		{title: "a key in the wrong letter case", user: "tenant", method: "POST", path: numbers, body: misspelled, status: 400, code: 3},
		{title: "the same range twice", user: "tenant", method: "POST", path: numbers, body: sameTwice, status: 400, code: 2},
		{title: "a body that is no JSON object", user: "tenant", method: "POST", path: numbers, mediaType: "text/plain", body: oneRange, status: 416, code: 1007},
		{title: "a body that is too large", user: "tenant", method: "POST", path: numbers, filler: config.Default().HTTP.MaxBodyBytes + 1, status: 400, code: 1008},
		{title: "a path that does not exist", user: "tenant", method: "GET", path: "/nothing/", status: 404, code: 1005},
		{title: "a method that the path does not support", user: "tenant", method: "PATCH", path: numbers, body: oneRange, status: 405, code: 1006},
		{title: "no credentials", method: "GET", path: numbers, status: 401, code: 1000},
		{title: "too low a level", user: "group", method: "POST", path: numbers, body: oneRange, status: 403, code: 1001},
		{title: "another's tenant", user: "tenant", method: "GET", path: itc("footenant", "foogroup", "numbers"), status: 403, code: 1001},
		{
			title: "more requests than the caller may make at a time", user: "limited", method: "GET", path: numbers, times: 3, status: 429, code: 1030,
			answered: map[string]string{"RateLimit-Policy": `"caller";q=2;w=200`},
		},
		{title: "a password that is guessed too often", method: "POST", path: "/login/", body: badLogin, times: config.Default().Auth.Throttle.FreeAttempts + 1, status: 429, code: 1009},
	}
}

// notDemonstrated lists the errors that no call of the demonstration causes, by their
// numbers, with the reasons. A test checks that every error is demonstrated or listed
// here.
var notDemonstrated = map[int]string{
	42:   "No route is only for enterprises, so none returns this error yet.",
	1016: "It is caused by a fault in the gateway itself, and none is known.",
	1024: "The simulated platform carries out a command completely or not at all. Only a part is done if another client of the platform changes entries of a write whose outcome is unknown.",
	1026: "The caller has disconnected and gets no response; the error is only in the log and the metrics.",
	1031: "It needs an external issuer of tokens that is down, and the demonstration has none.",
	1032: "An upload that never ends is refused after http.read_timeout, 30 seconds, which is too long for a demonstration.",
}
