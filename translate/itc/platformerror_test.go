package itc_test

// This file specifies that the texts of the platform are recognized, but not in
// values of the request. A new case is an entry of a table.

import (
	"fmt"
	"maps"
	"testing"

	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// saying returns a refusal in English, without a number.
func saying(severity, english string) string {
	return fmt.Sprintf(`<command type=%q echo="" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns=""><summary/><summaryEnglish>%s</summaryEnglish></command>`,
		severity, escape(english))
}

// A tenant or group is not reported as missing if its existence cannot be read.
func TestContextThatIsTemporarilyUnavailable(t *testing.T) {
	const unavailable = "Temporarily unavailable"
	there := map[string]string{
		tenantList: answer(tenantList, table("serviceProviderTable", "Service Provider Id", testGroup.TenantID)),
		groupList:  answer(groupList, table("groupTable", "Group Id", testGroup.GroupID)),
	}
	searches := map[string]string{tenantGet: tenantList, authorization: groupList, ownNumbers: ""}
	for command, search := range searches {
		for name, answers := range map[string]map[string]string{
			"although it exists":                          there,
			"and reports that for the existence question": {search: saying("Error", unavailable)},
			"and refuses the existence question":          {search: refusal("Error", 5404, "Unauthorized")},
		} {
			t.Run(command+" "+name, func(t *testing.T) {
				p := newPlatform(t)
				maps.Copy(p.Answers, answers)
				p.Answers[command] = saying("Error", unavailable)
				_, err := p.service(options{}).Numbers().Read(t.Context(), testGroup, nil)
				code(t, err, errcode.PlatformUnavailable)
				if asked := len(p.Asked) - 1; (asked == 1) != (search != "") {
					t.Errorf("read %v", p.Asked)
				}
			})
		}
	}
	for name, test := range map[string]struct {
		command, reply string
		want           *errcode.Code
	}{
		"but a tenant that does not exist is missing":      {tenantGet, saying("Error", unavailable), errcode.TenantNotFound},
		"but a group that does not exist is missing":       {authorization, saying("Error", unavailable), errcode.GroupNotFound},
		"but a number has priority":                        {authorization, refusal("Error", 4410, unavailable), errcode.ServiceNotAssigned},
		"but a warning does not decide why it was refused": {tenantGet, saying("Warning", unavailable), errcode.PlatformError},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			p.Answers[test.command] = test.reply
			p.Answers[tenantList] = answer(tenantList, table("serviceProviderTable", "Service Provider Id"))
			p.Answers[groupList] = answer(groupList, table("groupTable", "Group Id"))
			if test.want == errcode.PlatformError {
				maps.Copy(p.Answers, there)
			}
			_, err := p.service(options{}).Numbers().Read(t.Context(), testGroup, nil)
			code(t, err, test.want)
		})
	}
}

// A group may have any name, and an entry any digits.
func TestValuesOfAWriteMatchNoText(t *testing.T) {
	group := scope.Target{TenantID: "NO_OCS_CONNECTIONx", GroupID: "temporarily unavailable"}
	table := translate.NewPlatformErrors(nil,
		translate.PlatformText{Text: "+32-01", Code: errcode.PlatformBusy}, translate.PlatformText{Text: "+32 01", Code: errcode.PlatformBusy})
	for name, test := range map[string]struct{ change, body string }{
		"of an assignment": {"assign prefixes", `{"prefixes":[{"prefix":"+32 01"}]}`},
		"of a removal":     {"remove prefixes", `{"prefixes":[{"prefix":"+32 01"}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			p.Answers[tenantPrefixes] = listing(tenantPrefixes, "true|+32-01")
			plan, err := planned(t, changes(p.service(longTTL))[test.change], group, test.body)
			if err != nil {
				t.Fatal(err)
			}
			for summary, want := range map[string]*errcode.Code{
				"Prefix +32-01 is blocked":                       errcode.PlatformRefused,
				"Prefix +32 01 is blocked":                       errcode.PlatformRefused,
				"Blocked in group temporarily unavailable":       errcode.PlatformRefused,
				"Blocked in tenant no_ocs_connectionx":           errcode.PlatformRefused,
				"NO_OCS_CONNECTION in tenant NO_OCS_CONNECTIONx": errcode.PlatformUnavailable,
			} {
				code(t, table.WriteResult(plan, plan.Steps[0], one(t, saying("Error", summary))), want)
			}
		})
	}
}

// The service passes the values that its reads have.
func TestValuesOfAReadMatchNoText(t *testing.T) {
	for name, group := range map[string]scope.Target{
		"of the tenant": {TenantID: "NO_OCS_CONNECTIONx", GroupID: "g"},
		"of the group":  {TenantID: "t", GroupID: "NO_OCS_CONNECTIONx"},
	} {
		for _, command := range []string{ownNumbers, tenantGet, authorization} {
			t.Run(command+" "+name, func(t *testing.T) {
				p := newPlatform(t)
				p.Answers[command] = saying("Error", "NO_OCS_CONNECTIONx is strange")
				p.Answers[tenantList] = answer(tenantList, table("serviceProviderTable", "Service Provider Id", group.TenantID))
				p.Answers[groupList] = answer(groupList, table("groupTable", "Group Id", group.GroupID))
				service := p.service(options{})
				_, err := service.Numbers().Read(t.Context(), group, nil)
				code(t, err, errcode.PlatformError)
				_, err = observed(t.Context(), service, "assign numbers", group, []string{"1"})
				code(t, err, errcode.PlatformError)
			})
		}
	}
}
