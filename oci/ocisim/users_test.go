package ocisim_test

import (
	"strings"
	"testing"
)

// This file specifies the commands about users and their services. A new read is an
// example in TestUsers.

const nightUser = "night@ent.netaxis.be"

func inGroup(tenant, group, more string) string {
	return text("serviceProviderId", tenant) + text("GroupId", group) + more
}

// TestUsers checks the commands about users with the demonstration's seed.
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
		"all users of a group":                      listed("", test, plain),
		"the user of an id":                         listed(byID("Equal To", apioUser, "false"), test),
		"the user of an id in any case":             listed(byID("Equal To", strings.ToUpper(plainUser), "true"), plain),
		"no user of an id in another case":          listed(byID("Equal To", strings.ToUpper(plainUser), "false")),
		"no user of another group":                  listed(byID("Equal To", nightUser, "false")),
		"users by the beginning of an id":           listed(byID("Starts With", "ApioUser", "false"), test, plain),
		"users by last name":                        listed(mode("searchCriteriaUserLastName", "Contains", "lai", "false"), plain),
		"users by first name":                       listed(mode("searchCriteriaUserFirstName", "Equal To", "Test", "false"), test),
		"users by email":                            listed(mode("searchCriteriaEmailAddress", "Starts With", "test_", "false"), test),
		"users by number":                           listed(mode("searchCriteriaDn", "Contains", "32", "false")),
		"users by extension":                        listed(mode("searchCriteriaExtension", "Equal To", "4001", "false"), plain),
		"users by two criteria":                     listed(byID("Contains", "Apio", "false")+mode("searchCriteriaExtension", "Equal To", "4000", "false"), test),
		"users up to a limit":                       listed(text("responseSizeLimit", "2"), test, plain),
		"no more users than the limit":              {command: list, inner: inGroup("ApioSpTest", "ApioGrpTest", text("responseSizeLimit", "1")), number: 9906},
		"no users of an unknown group":              {command: list, inner: inGroup("ApioSpTest", "unknown", ""), number: 4152},
		"no users of an unknown tenant":             {command: list, inner: inGroup("unknown", "ApioGrpTest", ""), number: 9902},
		"no users of a group with a small letter":   {command: list, inner: ids("ApioSpTest", "ApioGrpTest"), number: 6004},
		"no users by criteria in another order":     {command: list, inner: inGroup("ApioSpTest", "ApioGrpTest", byID("Equal To", "x", "true")+mode("searchCriteriaDn", "Equal To", "x", "true")), number: 6004},
		"that a user has a service":                 isAssigned(apioUser, text("serviceName", "Route List"), "true"),
		"that a user does not have a service":       isAssigned(plainUser, text("serviceName", "Route List"), "false"),
		"that a user does not have another service": isAssigned(apioUser, text("serviceName", "Voice Mail"), "false"),
		"that a user does not have a service pack":  isAssigned(apioUser, text("servicePackName", "Premium"), "false"),
		"no services of an unknown user":            {command: "UserServiceIsAssignedRequest", inner: text("userId", "unknown") + text("serviceName", "Route List"), number: 4008},
		"no services without a name":                {command: "UserServiceIsAssignedRequest", inner: text("userId", apioUser), number: 6004},
		"no services of two names":                  {command: "UserServiceIsAssignedRequest", inner: text("userId", apioUser) + text("serviceName", "a") + text("servicePackName", "b"), number: 6004},
		"no unknown user":                           {command: "UserGetRequest22", inner: text("userId", "unknown"), number: 4008},
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
