package itc_test

// This file specifies the lists of a group. A new list is an entry in queries and
// in the table of TestQueriesAnswerAsDocumented.

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/itc"
)

// queries are the operations that change nothing, by their names in this test.
func queries(service *itc.Service) map[string]translate.Query {
	return map[string]translate.Query{
		"numbers":            service.Numbers(),
		"available_numbers":  service.AvailableNumbers(),
		"prefixes":           service.Prefixes(),
		"available_prefixes": service.AvailablePrefixes(),
	}
}

func TestQueriesAnswerAsDocumented(t *testing.T) {
	const user = `"groupId":"ApioGrpTest","userId":"ApioUserTest@sip.netaxis.be","lastName":"Test","firstName":"Test","phoneNumber":"","extension":"4000",` +
		`"department":{"tenantId":"ApioSpTest","groupId":"ApioGrpTest","departmentName":"test_department_initial","fullPathName":"test_department_parent_1 \\ test_department_initial"},` +
		`"emailAddress":"test_mail@test.netaxis.be","enterpriseTrunk":"","active":true`
	const noOwner = `"groupId":"ApioGrpTest","userId":"","lastName":"","firstName":"","phoneNumber":"","extension":"","emailAddress":"","enterpriseTrunk":"","active":true`
	for name, want := range map[string]struct {
		asked []string
		body  string
	}{
		"numbers": {
			[]string{inContext + ownNumbers, departments},
			`{"numbers":[{"minPhoneNumber":"+3226127000","maxPhoneNumber":"+3226127002",` + user + `,"extensionLength":""},` +
				`{"minPhoneNumber":"+3226127007","maxPhoneNumber":"+3226127009",` + noOwner + `,"extensionLength":""}]}`,
		},
		"available_numbers": {
			[]string{inContext + groupNumbers},
			`{"available_numbers":[{"minPhoneNumber":"+3226127000","maxPhoneNumber":"+3226127002","active":true,"extensionLength":""}]}`,
		},
		"prefixes": {
			[]string{inContext + ownPrefixes, departments},
			`{"prefixes":[{"prefix":"+32-01",` + user + `,"extensionRangeStart":"","extensionRangeEnd":""},` +
				`{"prefix":"+32-02",` + noOwner + `,"extensionRangeStart":"","extensionRangeEnd":""}]}`,
		},
		"available_prefixes": {
			[]string{inContext + groupPrefixes},
			`{"available_prefixes":[{"prefix":"+32-01","active":true,"extensionRangeStart":"","extensionRangeEnd":""}]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			got, err := queries(p.service(options{}))[name].Read(t.Context(), testGroup, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.body, body(t, got)); diff != "" {
				t.Error("(-want +got)\n" + diff)
			}
			if diff := cmp.Diff(want.asked, p.Asked); diff != "" {
				t.Error("(-want +got)\n" + diff)
			}
		})
	}
}

func TestAvailableListsOfTheTenant(t *testing.T) {
	for name, want := range map[string]struct{ asked, body string }{
		"available_numbers": {tenantNumbers, `{"available_numbers":[` +
			`{"minPhoneNumber":"+3225126999","maxPhoneNumber":"+3225126999","active":true,"extensionLength":""},` +
			`{"minPhoneNumber":"+3225127000","maxPhoneNumber":"+3225127999","active":false,"extensionLength":"4"}]}`},
		"available_prefixes": {tenantPrefixes, `{"available_prefixes":[` +
			`{"prefix":"+32-06","active":true,"extensionRangeStart":"","extensionRangeEnd":""},` +
			`{"prefix":"+32-07","active":false,"extensionRangeStart":"100","extensionRangeEnd":"199"}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			service := p.service(options{AvailableFrom: itc.AvailableFromTenant})
			got, err := queries(service)[name].Read(t.Context(), testGroup, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.body, body(t, got)); diff != "" {
				t.Error("(-want +got)\n" + diff)
			}
			last := p.Sent[len(p.Sent)-1]
			if last.Name() != want.asked {
				t.Errorf("read %s, want %s", last.Name(), want.asked)
			}
			if got := writeXML(last.Elements()); got != "<serviceProviderId>ApioSpTest</serviceProviderId>" {
				t.Errorf("sent with %s", got)
			}
		})
	}
}

func TestEmptyListsAreNotNull(t *testing.T) {
	p := newPlatform(t)
	p.Answers[ownNumbers] = answer(ownNumbers, table("numberRangeSummaryTable", numberColumns))
	p.Answers[groupNumbers] = answer(groupNumbers, table("availableNumberRangeTable", freeNumberColumns))
	p.Answers[ownPrefixes] = answer(ownPrefixes, table("numberPrefixSummaryTable", prefixColumns))
	p.Answers[groupPrefixes] = answer(groupPrefixes, table("availableNumberPrefixTable", freePrefixColumns))
	for name, query := range queries(p.service(longTTL)) {
		t.Run(name, func(t *testing.T) {
			got, err := query.Read(t.Context(), testGroup, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := body(t, got), `{"`+name+`":[]}`; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestColumns(t *testing.T) {
	const summary = "numberRangeSummaryTable"
	row := func(changed ...string) string {
		values := map[string]string{
			"minPhoneNumber": "+3210", "maxPhoneNumber": "+3219", "groupId": "ApioGrpTest", "phoneNumber": "", "active": "true", "extensionLength": "",
		}
		for _, c := range changed {
			key, value, _ := strings.Cut(c, "=")
			values[key] = value
		}
		return `{"numbers":[{"minPhoneNumber":"` + values["minPhoneNumber"] + `","maxPhoneNumber":"` + values["maxPhoneNumber"] +
			`","groupId":"` + values["groupId"] + `","userId":"","lastName":"","firstName":"","phoneNumber":"` + values["phoneNumber"] +
			`","extension":"","emailAddress":"","enterpriseTrunk":"","active":` + values["active"] +
			`,"extensionLength":"` + values["extensionLength"] + `"}]}`
	}
	for name, test := range map[string]struct{ table, want string }{
		"are found in any order": {
			table(summary, "Extension Length|Is Active|Number Range End|Number Range Start", "4|false|+3219|+3210"),
			row("active=false", "extensionLength=4"),
		},
		"of unknown names are ignored": {
			table(summary, "Color|Number Range Start|Number Range End|Is Active", "green|+3210|+3219|true"), row(),
		},
		"that are missing count as empty": {
			table(summary, "Number Range Start", "+3210"), row("maxPhoneNumber=", "active=false"),
		},
		"may name another group": {
			table(summary, "Number Range Start|Number Range End|Is Active|Group Id", "+3210|+3219|true|Other"), row("groupId=Other"),
		},
		"have phone numbers as + and digits": {
			table(summary, "Number Range Start|Number Range End|Phone Number|Is Active", "+32 (1)-0|+32-1-9|+32-1 2|true"), row("phoneNumber=+3212"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			p.Answers[ownNumbers] = answer(ownNumbers, test.table)
			got, err := p.service(longTTL).Numbers().Read(t.Context(), testGroup, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, body(t, got)); diff != "" {
				t.Error("(-want +got)\n" + diff)
			}
		})
	}
}

func TestUnusableRepliesArePlatformErrors(t *testing.T) {
	for name, reply := range map[string]string{
		"a reply without the table":         answer(ownPrefixes, `<color>green</color>`),
		"a table without the row's key":     answer(ownPrefixes, table("numberPrefixSummaryTable", "Number Range Start|Is Active", "+3210|true")),
		"an invalid boolean":                answer(ownPrefixes, table("numberPrefixSummaryTable", "Number Prefix|Is Active", "+3210|yes")),
		"an empty boolean":                  answer(ownPrefixes, table("numberPrefixSummaryTable", "Number Prefix|Is Active", "+3210|")),
		"a refusal with an unknown number":  refusal("Error", 4999, "no such thing"),
		"a refusal of the gateway's rights": refusal("Error", 5404, "unauthorized"),
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			p.Answers[ownPrefixes] = reply
			got, err := p.service(longTTL).Prefixes().Read(t.Context(), testGroup, nil)
			code(t, err, errcode.PlatformError)
			if got != nil {
				t.Errorf("got %v with the error", got)
			}
		})
	}
}

func TestEveryListNeedsBooleans(t *testing.T) {
	p := newPlatform(t)
	for _, command := range []string{ownNumbers, groupNumbers, ownPrefixes, groupPrefixes} {
		p.Answers[command] = strings.ReplaceAll(p.Answers[command], "<col>true</col>", "<col>TRUE</col>")
	}
	for name, query := range queries(p.service(longTTL)) {
		t.Run(name, func(t *testing.T) {
			_, err := query.Read(t.Context(), testGroup, nil)
			code(t, err, errcode.PlatformError)
		})
	}
}

func TestEveryRefusedReadFailsItsOperation(t *testing.T) {
	for _, from := range []itc.AvailableFrom{itc.AvailableFromGroup, itc.AvailableFromTenant} {
		p := newPlatform(t)
		for command := range p.Answers {
			if strings.Contains(command, "RouteList") {
				p.Answers[command] = refusal("Error", 4410, "not assigned")
			}
		}
		service := p.service(options{ContextTTL: time.Hour, AvailableFrom: from})
		for name, query := range queries(service) {
			t.Run(name, func(t *testing.T) {
				_, err := query.Read(t.Context(), testGroup, nil)
				code(t, err, errcode.ServiceNotAssigned)
			})
		}
		for name, change := range changes(service) {
			t.Run(name, func(t *testing.T) {
				_, err := planned(t, change, testGroup, goodBodies[name])
				code(t, err, errcode.ServiceNotAssigned)
			})
		}
	}
}

func TestRefusedReadsHaveThePlatformsMessages(t *testing.T) {
	p := newPlatform(t)
	p.Answers[ownNumbers] = refusal("Error", 4999, "Nichts <da>")
	_, err := p.service(longTTL).Numbers().Read(t.Context(), testGroup, nil)
	want := []errcode.Platform{{Number: 4999, Level: "Error", Summary: "[Error 4999] Nichts <da>"}}
	if diff := cmp.Diff(want, summarize(t, err).Platform); diff != "" {
		t.Error("(-want +got)\n" + diff)
	}
}

func TestReaderErrorsAreWrapped(t *testing.T) {
	for _, command := range []string{tenantGet, ownNumbers, departments, tenantNumbers, tenantList} {
		t.Run(command, func(t *testing.T) {
			p := newPlatform(t)
			p.Err[command] = oci.ErrBusy
			if command == tenantList {
				p.Answers[tenantGet] = refusal("Error", 9999, "what?")
			}
			service := p.service(longTTL)
			var err error
			if command == tenantNumbers {
				_, err = planned(t, service.AssignNumbers(), testGroup, goodBodies["assign numbers"])
			} else {
				_, err = service.Numbers().Read(t.Context(), testGroup, nil)
			}
			if !errors.Is(err, oci.ErrBusy) {
				t.Errorf("the error is %v", err)
			}
			if e, ok := errors.AsType[*errcode.Error](err); ok {
				t.Errorf("the code of the error is %s", e.Code.Name)
			}
		})
	}
}

func TestDepartments(t *testing.T) {
	const path = `Sales \ West \ Coast`
	for name, test := range map[string]struct {
		cell  string
		reply string // to the list of departments
		want  string
		asked bool
	}{
		"without the separator are not read": {"Sales", "", "Sales", false},
		"that only look nested keep their name": {path,
			answer(departments, table("departmentTable", "Full Path Name|Department Name", path+`|West \ Coast`)), `West \ Coast`, true},
		"that are nested have the last name": {path,
			answer(departments, table("departmentTable", "Full Path Name|Department Name", path+`|Coast`)), `Coast`, true},
		"that share a path have its last part": {path,
			answer(departments, table("departmentTable", "Full Path Name|Department Name", path+`|West \ Coast`, path+"|Coast", path+`|West \ Coast`)), `Coast`, true},
		"that share a path and a name keep it": {path,
			answer(departments, table("departmentTable", "Full Path Name|Department Name", path+`|West \ Coast`, path+`|West \ Coast`)), `West \ Coast`, true},
		"that begin with the separator have the last part": {` \ Coast`, refusal("Error", 5404, "unauthorized"), `Coast`, true},
		"that are not listed have the last part": {path,
			answer(departments, table("departmentTable", "Full Path Name|Department Name", "Sales|Sales")), `Coast`, true},
		"that the platform does not list have the last part": {path, refusal("Error", 5404, "unauthorized"), `Coast`, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			p.Answers[departments] = test.reply
			p.Answers[ownNumbers] = answer(ownNumbers, table("numberRangeSummaryTable", "Number Range Start|Last Name|Department", `+3210|West \ Coast|`+test.cell))
			got, err := p.service(longTTL).Numbers().Read(t.Context(), testGroup, nil)
			if err != nil {
				t.Fatal(err)
			}
			var printed struct {
				Numbers []struct{ Department map[string]string }
			}
			if err := json.Unmarshal([]byte(body(t, got)), &printed); err != nil {
				t.Fatal(err)
			}
			want := map[string]string{"tenantId": "ApioSpTest", "groupId": "ApioGrpTest", "departmentName": test.want, "fullPathName": test.cell}
			if diff := cmp.Diff(want, printed.Numbers[0].Department); diff != "" {
				t.Error("(-want +got)\n" + diff)
			}
			if asked := slices.Contains(p.Asked, departments); asked != test.asked {
				t.Errorf("read %v, want %v", asked, test.asked)
			}
			if test.asked {
				const want = "<serviceProviderId>ApioSpTest</serviceProviderId><groupId>ApioGrpTest</groupId><includeEnterpriseDepartments>false</includeEnterpriseDepartments>"
				if got := writeXML(p.Sent[len(p.Sent)-1].Elements()); got != want {
					t.Errorf("sent with %s", got)
				}
			}
		})
	}
	t.Run("in a table without paths are a platform error", func(t *testing.T) {
		p := newPlatform(t)
		p.Answers[departments] = answer(departments, table("departmentTable", "Department Name", "Sales"))
		_, err := p.service(longTTL).Numbers().Read(t.Context(), testGroup, nil)
		code(t, err, errcode.PlatformError)
	})
}

// brief replies to every document with one reply too few.
type brief struct{ *platform }

func (b brief) Read(ctx context.Context, commands ...oci.Read) ([]oci.Reply, error) {
	all, err := b.platform.Read(ctx, commands...)
	return all[:len(all)-1], err
}

func TestMissingRepliesArePlatformErrors(t *testing.T) {
	_, err := options{}.service(t, brief{newPlatform(t)}).Numbers().Read(t.Context(), testGroup, nil)
	code(t, err, errcode.PlatformError)
}

func TestNewRejectsAnUnknownAvailableFrom(t *testing.T) {
	service, err := itc.New(translate.New(translate.Options{}), itc.Options{AvailableFrom: "enterprise"})
	if err == nil || service != nil {
		t.Errorf("got %v, %v", service, err)
	}
}

// The documents' own example has a nested department.
func TestCachedReadSendsOneDocument(t *testing.T) {
	p := newPlatform(t)
	service := p.service(longTTL)
	for _, name := range []string{"numbers", "prefixes", "numbers", "prefixes", "numbers"} {
		if _, err := queries(service)[name].Read(t.Context(), testGroup, nil); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{inContext + ownNumbers, departments, ownPrefixes, ownNumbers, ownPrefixes, ownNumbers}
	if diff := cmp.Diff(want, p.Asked); diff != "" {
		t.Error("(-want +got)\n" + diff)
	}
}
