package translate_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
)

// queries and changes are the operations by their names in this test.
func queries(itc *translate.ITC) map[string]translate.Query {
	return map[string]translate.Query{
		"numbers":            itc.Numbers,
		"available_numbers":  itc.AvailableNumbers,
		"prefixes":           itc.Prefixes,
		"available_prefixes": itc.AvailablePrefixes,
	}
}

func changes(itc *translate.ITC) map[string]translate.Change {
	return map[string]translate.Change{
		"assign numbers":  itc.AssignNumbers,
		"remove numbers":  itc.RemoveNumbers,
		"assign prefixes": itc.AssignPrefixes,
		"remove prefixes": itc.RemovePrefixes,
	}
}

// goodBodies are bodies for each change that pass every check.
var goodBodies = map[string]string{
	"assign numbers":  `{"numbers":[{"minPhoneNumber":"+3225126999","maxPhoneNumber":"+3225126999"}]}`,
	"remove numbers":  `{"numbers":[{"minPhoneNumber":"+3226127000"}]}`,
	"assign prefixes": `{"prefixes":[{"prefix":"+32-01"},{"prefix":"+32-02"}]}`,
	"remove prefixes": `{"prefixes":[{"prefix":"+32-01"},{"prefix":"+32-02"}]}`,
}

func TestQueriesAnswerAsDocumented(t *testing.T) {
	const user = `"groupId":"ApioGrpTest","userId":"ApioUserTest@sip.netaxis.be","lastName":"Test","firstName":"Test","phoneNumber":"","extension":"4000",` +
		`"department":{"tenantId":"ApioSpTest","groupId":"ApioGrpTest","departmentName":"test_department_initial","fullPathName":"test_department_parent_1 \\ test_department_initial"},` +
		`"emailAddress":"test_mail@test.netaxis.be","enterpriseTrunk":"","active":true`
	const nobody = `"groupId":"ApioGrpTest","userId":"","lastName":"","firstName":"","phoneNumber":"","extension":"","emailAddress":"","enterpriseTrunk":"","active":true`
	for name, want := range map[string]struct {
		asked []string
		body  string
	}{
		"numbers": {
			[]string{inContext + ownNumbers, departments},
			`{"numbers":[{"minPhoneNumber":"+3226127000","maxPhoneNumber":"+3226127002",` + user + `,"extensionLength":""},` +
				`{"minPhoneNumber":"+3226127007","maxPhoneNumber":"+3226127009",` + nobody + `,"extensionLength":""}]}`,
		},
		"available_numbers": {
			[]string{inContext + groupNumbers},
			`{"available_numbers":[{"minPhoneNumber":"+3226127000","maxPhoneNumber":"+3226127002","active":true,"extensionLength":""}]}`,
		},
		"prefixes": {
			[]string{inContext + ownPrefixes, departments},
			`{"prefixes":[{"prefix":"+32-01",` + user + `,"extensionRangeStart":"","extensionRangeEnd":""},` +
				`{"prefix":"+32-02",` + nobody + `,"extensionRangeStart":"","extensionRangeEnd":""}]}`,
		},
		"available_prefixes": {
			[]string{inContext + groupPrefixes},
			`{"available_prefixes":[{"prefix":"+32-01","active":true,"extensionRangeStart":"","extensionRangeEnd":""}]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			got, err := queries(p.service(translate.Options{}))[name](t.Context(), testGroup)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.body, body(t, got)); diff != "" {
				t.Error("(-want +got)\n" + diff)
			}
			if diff := cmp.Diff(want.asked, p.asked); diff != "" {
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
			`{"prefix":"+32-01","active":true,"extensionRangeStart":"","extensionRangeEnd":""},` +
			`{"prefix":"+32-02","active":false,"extensionRangeStart":"100","extensionRangeEnd":"199"}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			itc := p.service(translate.Options{AvailableFrom: translate.AvailableFromTenant})
			got, err := queries(itc)[name](t.Context(), testGroup)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.body, body(t, got)); diff != "" {
				t.Error("(-want +got)\n" + diff)
			}
			last := p.sent[len(p.sent)-1]
			if last.Name() != want.asked {
				t.Errorf("asked %s, want %s", last.Name(), want.asked)
			}
			if got := writeXML(last.Elements()); got != "<serviceProviderId>ApioSpTest</serviceProviderId>" {
				t.Errorf("asked with %s", got)
			}
		})
	}
}

func TestEmptyListsAreNotNull(t *testing.T) {
	p := newPlatform(t)
	p.answers[ownNumbers] = answer(ownNumbers, table("numberRangeSummaryTable", numberColumns))
	p.answers[groupNumbers] = answer(groupNumbers, table("availableNumberRangeTable", freeNumberColumns))
	p.answers[ownPrefixes] = answer(ownPrefixes, table("numberPrefixSummaryTable", prefixColumns))
	p.answers[groupPrefixes] = answer(groupPrefixes, table("availableNumberPrefixTable", freePrefixColumns))
	for name, query := range queries(p.service(remembering)) {
		t.Run(name, func(t *testing.T) {
			got, err := query(t.Context(), testGroup)
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
		"that are unknown are ignored": {
			table(summary, "Color|Number Range Start|Number Range End|Is Active", "green|+3210|+3219|true"), row(),
		},
		"that are missing read as empty": {
			table(summary, "Number Range Start", "+3210"), row("maxPhoneNumber=", "active=false"),
		},
		"may name another group": {
			table(summary, "Number Range Start|Number Range End|Is Active|Group Id", "+3210|+3219|true|Other"), row("groupId=Other"),
		},
		"print phone numbers as + and digits": {
			table(summary, "Number Range Start|Number Range End|Phone Number|Is Active", "+32 (1)-0|+32-1-9|+32-1 2|true"), row("phoneNumber=+3212"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			p.answers[ownNumbers] = answer(ownNumbers, test.table)
			got, err := p.service(remembering).Numbers(t.Context(), testGroup)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, body(t, got)); diff != "" {
				t.Error("(-want +got)\n" + diff)
			}
		})
	}
}

func TestUnusableRepliesAreThePlatformsFault(t *testing.T) {
	for name, reply := range map[string]string{
		"a reply without the table":         answer(ownPrefixes, `<color>green</color>`),
		"a table without the row's key":     answer(ownPrefixes, table("numberPrefixSummaryTable", "Number Range Start|Is Active", "+3210|true")),
		"an Is Active that is no boolean":   answer(ownPrefixes, table("numberPrefixSummaryTable", "Number Prefix|Is Active", "+3210|yes")),
		"an Is Active that is empty":        answer(ownPrefixes, table("numberPrefixSummaryTable", "Number Prefix|Is Active", "+3210|")),
		"a refusal with an unknown number":  refusal("Error", 4999, "no such thing"),
		"a refusal of the gateway's rights": refusal("Error", 5404, "unauthorized"),
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			p.answers[ownPrefixes] = reply
			got, err := p.service(remembering).Prefixes(t.Context(), testGroup)
			code(t, err, errcode.PlatformError)
			if got != nil {
				t.Errorf("got %v beside the error", got)
			}
		})
	}
}

func TestEveryListNeedsBooleans(t *testing.T) {
	p := newPlatform(t)
	for _, command := range []string{ownNumbers, groupNumbers, ownPrefixes, groupPrefixes} {
		p.answers[command] = strings.ReplaceAll(p.answers[command], "<col>true</col>", "<col>TRUE</col>")
	}
	for name, query := range queries(p.service(remembering)) {
		t.Run(name, func(t *testing.T) {
			_, err := query(t.Context(), testGroup)
			code(t, err, errcode.PlatformError)
		})
	}
}

func TestEveryRefusedReadFailsItsOperation(t *testing.T) {
	for _, from := range []translate.AvailableFrom{translate.AvailableFromGroup, translate.AvailableFromTenant} {
		p := newPlatform(t)
		for command := range p.answers {
			if strings.Contains(command, "RouteList") {
				p.answers[command] = refusal("Error", 4410, "not assigned")
			}
		}
		itc := p.service(translate.Options{ContextTTL: time.Hour, AvailableFrom: from})
		for name, query := range queries(itc) {
			t.Run(name, func(t *testing.T) {
				_, err := query(t.Context(), testGroup)
				code(t, err, errcode.ServiceNotAssigned)
			})
		}
		for name, change := range changes(itc) {
			t.Run(name, func(t *testing.T) {
				_, err := change(t.Context(), testGroup, []byte(goodBodies[name]))
				code(t, err, errcode.ServiceNotAssigned)
			})
		}
	}
}

func TestRefusedReadsCarryThePlatformsWords(t *testing.T) {
	p := newPlatform(t)
	p.answers[ownNumbers] = refusal("Error", 4999, "Nichts <da>")
	_, err := p.service(remembering).Numbers(t.Context(), testGroup)
	want := []errcode.Platform{{Number: 4999, Level: "Error", Summary: "[Error 4999] Nichts <da>"}}
	if diff := cmp.Diff(want, judge(t, err).Platform); diff != "" {
		t.Error("(-want +got)\n" + diff)
	}
}

func TestReaderErrorsPassThrough(t *testing.T) {
	for _, command := range []string{tenantGet, ownNumbers, departments, tenantNumbers, tenantList} {
		t.Run(command, func(t *testing.T) {
			p := newPlatform(t)
			p.err[command] = oci.ErrBusy
			if command == tenantList {
				p.answers[tenantGet] = refusal("Error", 9999, "what?")
			}
			itc := p.service(remembering)
			var err error
			if command == tenantNumbers {
				_, err = itc.AssignNumbers(t.Context(), testGroup, []byte(goodBodies["assign numbers"]))
			} else {
				_, err = itc.Numbers(t.Context(), testGroup)
			}
			if !errors.Is(err, oci.ErrBusy) {
				t.Errorf("the error is %v", err)
			}
			if e, ok := errors.AsType[*errcode.Error](err); ok {
				t.Errorf("the error was given code %s", e.Code.Name)
			}
		})
	}
}

func TestChangesArePlannedInThePlatformsSpelling(t *testing.T) {
	const ids = "<serviceProviderId>ApioSpTest</serviceProviderId><groupId>ApioGrpTest</groupId>"
	type plan struct {
		Command, Elements string
		Entries           []string
		Asked             []string
	}
	for name, test := range map[string]struct {
		change, body string
		want         plan
	}{
		"assigns a range": {"assign numbers", goodBodies["assign numbers"], plan{
			"GroupRouteListEnterpriseTrunkNumberRangeAssignListRequest", ids + "<numberRangeStart>+32-25126999</numberRangeStart>",
			[]string{"+3225126999"}, []string{inContext + tenantNumbers},
		}},
		"assigns ranges in the caller's order": {"assign numbers",
			`{"numbers":[{"minPhoneNumber":"+32 251 27-000"},{"maxPhoneNumber":"+32-2512-6999","minPhoneNumber":"+3225126999"}]}`, plan{
				"GroupRouteListEnterpriseTrunkNumberRangeAssignListRequest",
				ids + "<numberRangeStart>+32-25127000</numberRangeStart><numberRangeStart>+32-25126999</numberRangeStart>",
				[]string{"+32 251 27-000", "+3225126999"}, []string{inContext + tenantNumbers},
			}},
		"removes a range": {"remove numbers", goodBodies["remove numbers"], plan{
			"GroupRouteListEnterpriseTrunkNumberRangeUnassignListRequest", ids + "<numberRangeStart>+32-26127000</numberRangeStart>",
			[]string{"+3226127000"}, []string{inContext + ownNumbers},
		}},
		"assigns prefixes": {"assign prefixes", `{"prefixes":[{"prefix":"+3201"},{"prefix":"+32-02"}]}`, plan{
			"GroupRouteListEnterpriseTrunkNumberPrefixAssignListRequest", ids + "<numberPrefix>+32-01</numberPrefix><numberPrefix>+32-02</numberPrefix>",
			[]string{"+3201", "+32-02"}, []string{inContext + tenantPrefixes},
		}},
		"removes prefixes": {"remove prefixes", goodBodies["remove prefixes"], plan{
			"GroupRouteListEnterpriseTrunkNumberPrefixUnassignListRequest", ids + "<numberPrefix>+32-01</numberPrefix><numberPrefix>+32-02</numberPrefix>",
			[]string{"+32-01", "+32-02"}, []string{inContext + ownPrefixes},
		}},
	} {
		for _, from := range []translate.AvailableFrom{translate.AvailableFromGroup, translate.AvailableFromTenant} {
			t.Run(name+" with available from "+string(from), func(t *testing.T) {
				p := newPlatform(t)
				got, err := changes(p.service(translate.Options{AvailableFrom: from}))[test.change](t.Context(), testGroup, []byte(test.body))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, plan{got.Command.Name(), writeXML(got.Command.Elements()), got.Entries, p.asked}); diff != "" {
					t.Error("(-want +got)\n" + diff)
				}
			})
		}
	}
}

func TestNothingIsPlannedUnlessEveryEntryPasses(t *testing.T) {
	const numbers = "The number range provided is not available to the groups of this Tenant."
	const prefixes = "The prefix provided is not available to the groups of this Tenant."
	for name, test := range map[string]struct {
		change, body, text string
		entries            []string
	}{
		"blames a range that the tenant has not free": {"assign numbers",
			`{"numbers":[{"minPhoneNumber":"+3225126999"},{"minPhoneNumber":"+32 26127000"}]}`, numbers, []string{"+32 26127000"}},
		"blames a range that is not the group's": {"remove numbers",
			`{"numbers":[{"minPhoneNumber":"+3225126999"},{"minPhoneNumber":"+3226127000"}]}`, numbers, []string{"+3225126999"}},
		"blames an end that is not the range's": {"assign numbers",
			`{"numbers":[{"minPhoneNumber":"+3225127000","maxPhoneNumber":"+3225127009"}]}`, numbers, []string{"+3225127000"}},
		"blames a start within a range": {"assign numbers",
			`{"numbers":[{"minPhoneNumber":"+3225127001"}]}`, numbers, []string{"+3225127001"}},
		"blames an end on removal too": {"remove numbers",
			`{"numbers":[{"minPhoneNumber":"+3226127000","maxPhoneNumber":"+3226127001"}]}`, numbers, []string{"+3226127000"}},
		"tells a number with + from one without": {"remove numbers",
			`{"numbers":[{"minPhoneNumber":"3226127000"}]}`, numbers, []string{"3226127000"}},
		"blames every prefix at fault": {"assign prefixes",
			`{"prefixes":[{"prefix":"+32-03"},{"prefix":"+32-01"},{"prefix":"+3204"}]}`, prefixes, []string{"+32-03", "+3204"}},
		"blames a prefix that is not the group's": {"remove prefixes",
			`{"prefixes":[{"prefix":"+32-03"}]}`, prefixes, []string{"+32-03"}},
	} {
		t.Run(name, func(t *testing.T) {
			plan, err := changes(newPlatform(t).service(remembering))[test.change](t.Context(), testGroup, []byte(test.body))
			want := judged{Code: "NOT_AVAILABLE_FOR_ASSIGNMENT", Text: test.text, Entries: test.entries}
			if diff := cmp.Diff(want, judge(t, err)); diff != "" {
				t.Error("(-want +got)\n" + diff)
			}
			if plan != nil {
				t.Errorf("planned %v", plan)
			}
		})
	}
}

func TestAnEndThatThePlatformDoesNotTellIsNotTaken(t *testing.T) {
	p := newPlatform(t)
	p.answers[tenantNumbers] = answer(tenantNumbers, table("availableNumberRangeTable", "Number Range Start", "+32-25126999"))
	_, err := p.service(remembering).AssignNumbers(t.Context(), testGroup, []byte(goodBodies["assign numbers"]))
	code(t, err, errcode.NotAvailableForAssignment)
}

func TestOrderOfJudgement(t *testing.T) {
	const absent = `{"numbers":[{"minPhoneNumber":"+1"}]}`
	enterprise := answer(tenantGet, `<isEnterprise>true</isEnterprise>`)
	unauthorized := answer(authorization, `<authorized>false</authorized>`)
	together := []string{inContext + tenantNumbers}
	for name, test := range map[string]struct {
		tenantID, body string
		answers        map[string]string
		want           *errcode.Code
		asked          []string
	}{
		"a bad body comes before the context":               {"ApioSpTest", `{}`, map[string]string{tenantGet: enterprise}, errcode.JSONSchemaValidation, nil},
		"a bad value comes before the context":              {"ApioSpTest", `{"numbers":[{"minPhoneNumber":"x"}]}`, map[string]string{tenantGet: enterprise}, errcode.InvalidParameters, nil},
		"a bad path comes before the context":               {" ", absent, map[string]string{tenantGet: enterprise}, errcode.InvalidParameters, nil},
		"no object at all comes before the context":         {"ApioSpTest", ``, map[string]string{tenantGet: enterprise}, errcode.BadMediaType, nil},
		"Enterprise mode comes before the group":            {"ApioSpTest", absent, map[string]string{tenantGet: enterprise, authorization: refusal("Error", 4152, "Group not found")}, errcode.NotAvailableInEnterpriseMode, together},
		"a missing service comes before the entries":        {"ApioSpTest", absent, map[string]string{authorization: unauthorized}, errcode.ServiceNotAssigned, together},
		"a missing group comes before the entries":          {"ApioSpTest", absent, map[string]string{authorization: refusal("Error", 4152, "Group not found")}, errcode.GroupNotFound, together},
		"Enterprise mode comes before an unusable list":     {"ApioSpTest", absent, map[string]string{tenantGet: enterprise, tenantNumbers: answer(tenantNumbers, "")}, errcode.NotAvailableInEnterpriseMode, together},
		"a missing service comes before the list's refusal": {"ApioSpTest", absent, map[string]string{authorization: unauthorized, tenantNumbers: refusal("Error", 4152, "Group not found")}, errcode.ServiceNotAssigned, together},
		"an unusable list comes before the entries":         {"ApioSpTest", absent, map[string]string{tenantNumbers: answer(tenantNumbers, "")}, errcode.PlatformError, together},
		"a list's refusal comes before the entries":         {"ApioSpTest", absent, map[string]string{tenantNumbers: refusal("Error", 4152, "Group not found")}, errcode.GroupNotFound, together},
		"entries are judged when all else is in order":      {"ApioSpTest", absent, nil, errcode.NotAvailableForAssignment, together},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			maps.Copy(p.answers, test.answers)
			group := translate.Group{TenantID: test.tenantID, GroupID: "ApioGrpTest"}
			plan, err := p.service(remembering).AssignNumbers(t.Context(), group, []byte(test.body))
			code(t, err, test.want)
			if plan != nil {
				t.Errorf("planned %v", plan)
			}
			if diff := cmp.Diff(test.asked, p.asked); diff != "" {
				t.Error("(-want +got)\n" + diff)
			}
		})
	}
}

func TestEveryOperationJudgesItsGroup(t *testing.T) {
	p := newPlatform(t)
	itc := p.service(translate.Options{Charset: latin1(t)})
	for want, bad := range map[string]translate.Group{
		"group_id must not begin or end with a blank.": {TenantID: "t", GroupID: "  "},
		"tenant_id must not hold characters outside the platform's character set; group_id must not begin or end with a blank.": {TenantID: "Zażółć", GroupID: "  "},
	} {
		for name, query := range queries(itc) {
			t.Run(name, func(t *testing.T) {
				_, err := query(t.Context(), bad)
				if diff := cmp.Diff(judged{Code: "INVALID_PARAMETERS", Text: want}, judge(t, err)); diff != "" {
					t.Error("(-want +got)\n" + diff)
				}
			})
		}
		for name, change := range changes(itc) {
			t.Run(name, func(t *testing.T) {
				_, err := change(t.Context(), bad, []byte(goodBodies[name]))
				if diff := cmp.Diff(judged{Code: "INVALID_PARAMETERS", Text: want}, judge(t, err)); diff != "" {
					t.Error("(-want +got)\n" + diff)
				}
			})
		}
	}
	if len(p.asked) > 0 {
		t.Errorf("asked %v", p.asked)
	}
}

func TestPathAndBodyAreJudgedTogether(t *testing.T) {
	itc := newPlatform(t).service(translate.Options{})
	group := translate.Group{TenantID: "", GroupID: "g"}
	for name, test := range map[string]struct{ body, code, text string }{
		"with values at fault": {`{"numbers":[{"minPhoneNumber":"+"}]}`, "INVALID_PARAMETERS",
			"tenant_id must not be empty; /numbers/0/minPhoneNumber must be an optional + and digits, with dashes and blanks only between them."},
		"with the form at fault": {`{"numbers":[{"minPhoneNumber":7},{"minPhoneNumber":"+"}]}`, "JSON_SCHEMA_VALIDATION",
			"tenant_id must not be empty; /numbers/0/minPhoneNumber must be a string, not a number; " +
				"/numbers/1/minPhoneNumber must be an optional + and digits, with dashes and blanks only between them."},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := itc.RemoveNumbers(t.Context(), group, []byte(test.body))
			if diff := cmp.Diff(judged{Code: test.code, Text: test.text}, judge(t, err)); diff != "" {
				t.Error("(-want +got)\n" + diff)
			}
		})
	}
	t.Run("with no object at all", func(t *testing.T) {
		_, err := itc.RemoveNumbers(t.Context(), group, nil)
		got := errcode.Of(err)
		want := []errcode.Problem{{Parameter: "tenant_id", Reason: "must not be empty"}}
		if diff := cmp.Diff(want, got.Problems); diff != "" {
			t.Error("(-want +got)\n" + diff)
		}
		if got.Code != errcode.BadMediaType || got.Text() != "The body must be a JSON object." {
			t.Errorf("got %s: %s", got.Code.Name, got.Text())
		}
	})
}

func TestDepartments(t *testing.T) {
	const path = `Sales \ West \ Coast`
	for name, test := range map[string]struct {
		cell  string
		reply string // to the list of departments
		want  string
		asked bool
	}{
		"of one name are not looked up": {"Sales", "", "Sales", false},
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
			p.answers[departments] = test.reply
			p.answers[ownNumbers] = answer(ownNumbers, table("numberRangeSummaryTable", "Number Range Start|Last Name|Department", `+3210|West \ Coast|`+test.cell))
			got, err := p.service(remembering).Numbers(t.Context(), testGroup)
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
			if asked := slices.Contains(p.asked, departments); asked != test.asked {
				t.Errorf("asked: %v, want %v", asked, test.asked)
			}
			if test.asked {
				const want = "<serviceProviderId>ApioSpTest</serviceProviderId><groupId>ApioGrpTest</groupId><includeEnterpriseDepartments>false</includeEnterpriseDepartments>"
				if got := writeXML(p.sent[len(p.sent)-1].Elements()); got != want {
					t.Errorf("asked with %s", got)
				}
			}
		})
	}
	t.Run("in a table without paths are the platform's fault", func(t *testing.T) {
		p := newPlatform(t)
		p.answers[departments] = answer(departments, table("departmentTable", "Department Name", "Sales"))
		_, err := p.service(remembering).Numbers(t.Context(), testGroup)
		code(t, err, errcode.PlatformError)
	})
}

// brief answers every document with one reply too few.
type brief struct{ *platform }

func (b brief) Read(ctx context.Context, commands ...oci.Read) ([]oci.Reply, error) {
	all, err := b.platform.Read(ctx, commands...)
	return all[:len(all)-1], err
}

func TestMissingRepliesAreThePlatformsFault(t *testing.T) {
	itc, err := translate.NewITC(translate.Options{Reader: brief{newPlatform(t)}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = itc.Numbers(t.Context(), testGroup)
	code(t, err, errcode.PlatformError)
}

func TestNewITCRefusesAnUnknownChoice(t *testing.T) {
	itc, err := translate.NewITC(translate.Options{AvailableFrom: "enterprise"})
	if err == nil || itc != nil {
		t.Errorf("got %v, %v", itc, err)
	}
}

func TestCommandsAreAllThatAreMade(t *testing.T) {
	made := map[string]bool{translate.VerifyCommand("u", "p").Name(): true}
	use := func(p *platform, itc *translate.ITC) {
		for _, query := range queries(itc) {
			_, _ = query(t.Context(), testGroup)
		}
		for name, change := range changes(itc) {
			if plan, err := change(t.Context(), testGroup, []byte(goodBodies[name])); err == nil {
				made[plan.Command.Name()] = true
			}
		}
		for _, command := range p.sent {
			made[command.Name()] = true
		}
	}
	for _, broken := range []string{"", tenantGet, authorization} {
		for _, from := range []translate.AvailableFrom{translate.AvailableFromGroup, translate.AvailableFromTenant} {
			p := newPlatform(t)
			delete(p.answers, broken)
			use(p, p.service(translate.Options{AvailableFrom: from}))
		}
	}
	listed := translate.Commands()
	if !slices.IsSorted(listed) {
		t.Error("the names are not sorted")
	}
	got := map[string]bool{}
	for _, name := range listed {
		if got[name] {
			t.Errorf("%s is listed twice", name)
		}
		got[name] = true
	}
	if diff := cmp.Diff(made, got); diff != "" {
		t.Error("(-made +listed)\n" + diff)
	}
}
