package itc_test

// This file specifies how a user is read. A new way to be outside the context is
// an entry in usersOutsideContext.

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/translate/errcode"
	"ocigate/translate/itc"
	"ocigate/translate/scope"
)

const (
	userList       = "UserGetListInGroupRequest"
	userAssignment = "UserServiceIsAssignedRequest"
	userGet        = "UserRouteListGetRequest24"
	inUserContext  = tenantGet + "+" + userList + "+" + userAssignment + "+"

	testUserID = "ApioUserTest@sip.netaxis.be"
	isScreened = "treatOriginationsAndPBXRedirectionsAsScreened"
	identity   = "useImmediateTrunkingConnectivityIdentityForNonEmergencyCalls"
	emergency  = "useImmediateTrunkingConnectivityIdentityForEmergencyCalls"

	inEnterprise = `<isEnterprise>true</isEnterprise>`
)

var testUser = scope.Target{TenantID: "ApioSpTest", GroupID: "ApioGrpTest", UserID: testUserID}

// settings are the elements of a user's settings, of which the second is on.
const settings = "<treatOriginationsAndPBXRedirectionsAsScreened>false</treatOriginationsAndPBXRedirectionsAsScreened>" +
	"<useRouteListIdentityForNonEmergencyCalls>true</useRouteListIdentityForNonEmergencyCalls>" +
	"<useRouteListIdentityForEmergencyCalls>0</useRouteListIdentityForEmergencyCalls>" +
	"<ignoreCallingNameForCallProcessing>true</ignoreCallingNameForCallProcessing>"

// userNumbers and userPrefixes are what the user has, by starts and ends.
func userNumbers(rows ...string) string {
	return table("assignedNumberRangeTable", freeNumberColumns, rows...)
}

func userPrefixes(rows ...string) string {
	return table("assignedNumberPrefixTable", freePrefixColumns, rows...)
}

// userAnswers are the replies to the commands about a user of a service provider;
// the commands of an enterprise are refused. The user has the first range and prefix
// of the group.
func userAnswers() map[string]string {
	refused := refusal("Error", 9911, "only for an enterprise")
	return map[string]string{
		userList:           answer(userList, table("userTable", "User Id|Last Name", testUserID+"|Test")),
		userAssignment:     answer(userAssignment, `<isAssigned>true</isAssigned>`),
		userGet:            answer(userGet, settings+userNumbers("+32-26127000|+32-26127002|true|")+userPrefixes("+32-01|true||")),
		enterpriseNumbers:  refused,
		enterprisePrefixes: refused,
	}
}

// carryOutForUser makes an operation of a user send all commands that it may send.
func carryOutForUser(t *testing.T, service *itc.Service, name string) (writes []string) {
	t.Helper()
	if name == "user" {
		_, _ = service.User().Read(t.Context(), testUser, nil)
		return nil
	}
	if plan, err := planned(t, service.SetUser(), testUser, `{"numbers":[{"minPhoneNumber":"+3226127007"}],"prefixes":[{"prefix":"+32-02"}]}`); err == nil {
		writes = append(writes, plan.Steps[0].Command.Name())
	}
	return writes
}

func TestUserIsAnObject(t *testing.T) {
	const bools = `{"` + isScreened + `":false,"` + identity + `":true,"` + emergency + `":false,`
	const one = `"numbers":[{"minPhoneNumber":"+3226127000","maxPhoneNumber":"+3226127002","active":true,"extensionLength":""}]`
	for name, test := range map[string]struct{ tenant, reply, want string }{
		"of a service provider": {"", "", bools + one + `,"prefixes":[{"prefix":"+32-01","active":true,"extensionRangeStart":"","extensionRangeEnd":""}]}`},
		"of an enterprise":      {inEnterprise, "", bools + one + `,"prefixes":[{"prefix":"+32-01","active":true,"extensionRangeStart":"","extensionRangeEnd":""}]}`},
		"without anything":      {"", answer(userGet, settings+userNumbers()+userPrefixes()), bools + `"numbers":[],"prefixes":[]}`},
		"of a release without extensions and prefixes": {
			"", answer("UserRouteListGetRequest", settings+table("assignedNumberRangeTable", "Number Range Start|Number Range End|Is Active", "+32-26127000|+32-26127002|true")), bools + one + `}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			if test.tenant != "" {
				p.Answers[tenantGet] = answer(tenantGet, test.tenant)
			}
			if test.reply != "" {
				p.Answers[userGet] = test.reply
			}
			got, err := p.service(options{}).User().Read(t.Context(), testUser, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, body(t, got)); diff != "" {
				t.Error("(-want +got)\n" + diff)
			}
			if tag := got.ETag(); !strings.HasPrefix(tag, `"`) || len(tag) < 20 {
				t.Errorf("the tag is %s", tag)
			}
		})
	}
}

func TestReadOfAUserSendsOneDocument(t *testing.T) {
	p := newPlatform(t)
	service := p.service(longTTL)
	for range 3 {
		if _, err := service.User().Read(t.Context(), testUser, nil); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{inUserContext + userGet, userGet, userGet}, p.Asked); diff != "" {
		t.Error("(-want +got)\n" + diff)
	}
	const ids = "<userId>" + testUserID + "</userId>"
	var got []string
	for _, command := range p.Sent[:4] {
		got = append(got, writeXML(command.Elements()))
	}
	want := []string{
		"<serviceProviderId>ApioSpTest</serviceProviderId>",
		"<serviceProviderId>ApioSpTest</serviceProviderId><GroupId>ApioGrpTest</GroupId><searchCriteriaUserId><mode>Equal To</mode><value>" + testUserID +
			"</value><isCaseInsensitive>false</isCaseInsensitive></searchCriteriaUserId>",
		ids + "<serviceName>Route List</serviceName>", ids,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-want +got)\n" + diff)
	}
	// The context of another user or group is not cached.
	for _, other := range []scope.Target{{TenantID: "ApioSpTest", GroupID: "ApioGrpOther", UserID: testUserID}, {TenantID: "ApioSpTest", GroupID: "ApioGrpTest", UserID: "x"}} {
		_, _ = service.User().Read(t.Context(), other, nil)
		if last := p.Asked[len(p.Asked)-1]; last != inUserContext+userGet {
			t.Errorf("%+v: asked %s", other, last)
		}
	}
}

// usersOutsideContext are the ways in which a user is not in the context, with the
// replies of the platform.
func usersOutsideContext() map[string]struct {
	answers map[string]string
	want    *errcode.Code
	message string
} {
	type userAbsence = struct {
		answers map[string]string
		want    *errcode.Code
		message string
	}
	const notTheirs = "The service is not assigned to this user."
	strange := refusal("Error", 4999, "strange")
	noTenant := answer(tenantList, table("serviceProviderTable", "Service Provider Id"))
	noGroup := answer(groupList, table("groupTable", "Group Id"))
	listing := func(ids ...string) string { return answer(userList, table("userTable", "User Id", ids...)) }
	return map[string]userAbsence{
		"there is no such tenant":                    {map[string]string{tenantGet: strange, tenantList: noTenant, userList: strange}, errcode.TenantNotFound, ""},
		"there is no such group":                     {map[string]string{userList: strange, groupList: noGroup}, errcode.GroupNotFound, ""},
		"the group is missing by its number":         {map[string]string{userList: refusal("Error", 4152, "no")}, errcode.GroupNotFound, ""},
		"the user is not listed":                     {map[string]string{userList: listing()}, errcode.UserNotFound, ""},
		"other users are listed":                     {map[string]string{userList: listing("ApioUserTest@sip.netaxis.bex", "apiousertest@sip.netaxis.be", "x"+testUserID)}, errcode.UserNotFound, ""},
		"the user is missing by its number":          {map[string]string{userAssignment: refusal("Error", 4008, "no")}, errcode.UserNotFound, ""},
		"the service is not assigned":                {map[string]string{userAssignment: answer(userAssignment, "<isAssigned>false</isAssigned>")}, errcode.ServiceNotAssigned, notTheirs},
		"the service is not assigned, by number":     {map[string]string{userAssignment: refusal("Error", 4410, "no")}, errcode.ServiceNotAssigned, notTheirs},
		"the reply about the service has no element": {map[string]string{userAssignment: answer(userAssignment, "")}, errcode.PlatformError, ""},
		"the reply about the service is invalid":     {map[string]string{userAssignment: answer(userAssignment, "<isAssigned>maybe</isAssigned>")}, errcode.PlatformError, ""},
		"the list of users has no table":             {map[string]string{userList: answer(userList, "")}, errcode.PlatformError, ""},
		"the list of users has no ids":               {map[string]string{userList: answer(userList, table("userTable", "Last Name", testUserID))}, errcode.PlatformError, ""},
		"the mode of the tenant is unreadable":       {map[string]string{tenantGet: answer(tenantGet, "<isEnterprise>maybe</isEnterprise>")}, errcode.PlatformError, ""},
	}
}

// The platform replies with what the user has nevertheless.
func TestUserOutsideTheContext(t *testing.T) {
	for name, test := range usersOutsideContext() {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			maps.Copy(p.Answers, test.answers)
			service := p.service(longTTL)
			object, err := service.User().Read(t.Context(), testUser, nil)
			if code(t, err, test.want); object != nil {
				t.Errorf("got %v with the error", object)
			}
			if apiError := errcode.Of(err); apiError.Message != test.message {
				t.Errorf("the message is %q", apiError.Message)
			}
			plan, err := planned(t, service.SetUser(), testUser, `{"`+emergency+`":true}`)
			if code(t, err, test.want); plan != nil {
				t.Errorf("got %v with the error", plan)
			}
			if apiError := errcode.Of(err); apiError.Message != test.message {
				t.Errorf("the message is %q", apiError.Message)
			}
		})
	}
}

// A user may leave the group between two readings.
func TestChangeOfAUserDoesNotUseTheCachedContext(t *testing.T) {
	p := newPlatform(t)
	service := p.service(longTTL)
	if _, err := service.User().Read(t.Context(), testUser, nil); err != nil {
		t.Fatal(err)
	}
	p.Answers[userList] = answer(userList, table("userTable", "User Id"))
	_, err := planned(t, service.SetUser(), testUser, `{"`+emergency+`":true}`)
	code(t, err, errcode.UserNotFound)
	p.Answers[userGet] = refusal("Error", 4410, "not assigned")
	_, err = service.User().Read(t.Context(), testUser, nil)
	code(t, err, errcode.ServiceNotAssigned)
	if message := errcode.Of(err).Message; message != "The service is not assigned to this user." {
		t.Errorf("the message is %q", message)
	}
}

func TestUnusableRepliesAboutAUserArePlatformErrors(t *testing.T) {
	good := settings + userNumbers("+32-26127000|+32-26127002|true|") + userPrefixes("+32-01|true||")
	for name, reply := range map[string]string{
		"a setting is missing":              answer(userGet, strings.Replace(good, "<useRouteListIdentityForEmergencyCalls>0</useRouteListIdentityForEmergencyCalls>", "", 1)),
		"a setting is invalid":              answer(userGet, strings.Replace(good, ">0<", ">no<", 1)),
		"the ranges are missing":            answer(userGet, settings+userPrefixes()),
		"the prefixes are missing":          answer(userGet, settings+userNumbers()),
		"the prefixes are missing, 22":      answer("UserRouteListGetRequest22", settings+userNumbers()),
		"a range has no start":              answer(userGet, settings+userNumbers("-||true|")+userPrefixes()),
		"the table of ranges has no starts": answer(userGet, settings+table("assignedNumberRangeTable", "Is Active")+userPrefixes()),
		"the user is refused":               refusal("Error", 4999, "no"),
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			p.Answers[userGet] = reply
			object, err := p.service(longTTL).User().Read(t.Context(), testUser, nil)
			if code(t, err, errcode.PlatformError); object != nil {
				t.Errorf("got %v with the error", object)
			}
			_, err = planned(t, p.service(longTTL).SetUser(), testUser, `{}`)
			code(t, err, errcode.PlatformError)
		})
	}
}
