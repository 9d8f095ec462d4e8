package itc_test

// This file specifies drafts and plans of the changes that assign and remove
// entries. A new change is an entry in changes, goodBodies and unknownBodies,
// under the same name.

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/itc"
	"ocigate/translate/scope"
)

// changes are the operations that change something, by their names in this
// test.
func changes(service *itc.Service) map[string]translate.Change {
	return map[string]translate.Change{
		"assign numbers":  service.AssignNumbers(),
		"remove numbers":  service.RemoveNumbers(),
		"assign prefixes": service.AssignPrefixes(),
		"remove prefixes": service.RemovePrefixes(),
		"set numbers":     service.SetNumbers(),
		"set prefixes":    service.SetPrefixes(),
	}
}

// goodBodies are bodies for each change that pass every check.
var goodBodies = map[string]string{
	"assign numbers":  `{"numbers":[{"minPhoneNumber":"+3225126999","maxPhoneNumber":"+3225126999"}]}`,
	"remove numbers":  `{"numbers":[{"minPhoneNumber":"+3226127000"}]}`,
	"assign prefixes": `{"prefixes":[{"prefix":"+32-06"},{"prefix":"+32-07"}]}`,
	"remove prefixes": `{"prefixes":[{"prefix":"+32-01"},{"prefix":"+32-02"}]}`,
	"set numbers":     `{"numbers":[{"minPhoneNumber":"+3226127000"},{"minPhoneNumber":"+3225126999"}]}`,
	"set prefixes":    `{"prefixes":[{"prefix":"+32-01"},{"prefix":"+32-06"}]}`,
}

// unknownBodies are bodies for each change with an entry that the tenant does
// not have.
var unknownBodies = map[string]string{
	"assign numbers":  `{"numbers":[{"minPhoneNumber":"+1"}]}`,
	"remove numbers":  `{"numbers":[{"minPhoneNumber":"+1"}]}`,
	"assign prefixes": `{"prefixes":[{"prefix":"+1"}]}`,
	"remove prefixes": `{"prefixes":[{"prefix":"+1"}]}`,
	"set numbers":     `{"numbers":[{"minPhoneNumber":"+1"}]}`,
	"set prefixes":    `{"prefixes":[{"prefix":"+1"}]}`,
}

// planned decodes and plans a request.
func planned(t testing.TB, change translate.Change, group scope.Target, body string) (*translate.Plan, error) {
	t.Helper()
	draft, err := change.Decode(group, []byte(body))
	if err != nil {
		return nil, err
	}
	return change.Plan(t.Context(), draft)
}

func TestDraftsHaveTheEntriesOfTheBody(t *testing.T) {
	for name, test := range map[string]struct {
		change, body string
		want         translate.Draft
	}{
		"of ranges with and without an end": {"assign numbers",
			`{"numbers":[{"minPhoneNumber":"+32-2 1","maxPhoneNumber":"+32 2-9"},{"minPhoneNumber":"7"}]}`,
			translate.Draft{Target: testGroup, Entries: []translate.Entry{
				{Kind: "numbers", Given: "+32-2 1", Key: "+3221", End: "+32 2-9"}, {Kind: "numbers", Given: "7", Key: "7"}}}},
		"of ranges to remove": {"remove numbers", goodBodies["remove numbers"],
			translate.Draft{Target: testGroup, Entries: []translate.Entry{{Kind: "numbers", Given: "+3226127000", Key: "+3226127000"}}}},
		"of prefixes": {"assign prefixes", goodBodies["assign prefixes"],
			translate.Draft{Target: testGroup, Entries: []translate.Entry{{Kind: "prefixes", Given: "+32-06", Key: "+3206"}, {Kind: "prefixes", Given: "+32-07", Key: "+3207"}}}},
		"of prefixes to remove": {"remove prefixes", `{"prefixes":[{"prefix":"+32-01"}]}`,
			translate.Draft{Target: testGroup, Entries: []translate.Entry{{Kind: "prefixes", Given: "+32-01", Key: "+3201"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			got, err := changes(p.service(options{}))[test.change].Decode(testGroup, []byte(test.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&test.want, got); diff != "" {
				t.Error("(-want +got)\n" + diff)
			}
			if len(p.Asked) > 0 {
				t.Errorf("read %v", p.Asked)
			}
		})
	}
}

func TestEntriesAreListedInTheirOrder(t *testing.T) {
	entries := []translate.Entry{{Given: "+32-02", Key: "+3202"}, {Given: "+32 01", Key: "+3201"}}
	if diff := cmp.Diff([]string{"+32-02", "+32 01"}, translate.Given(entries)); diff != "" {
		t.Error("given (-want +got)\n" + diff)
	}
}

func TestChangesArePlannedInThePlatformsSpelling(t *testing.T) {
	const ids = "<serviceProviderId>ApioSpTest</serviceProviderId><groupId>ApioGrpTest</groupId>"
	const own, free = `{"groupId":"ApioGrpTest"}`, `{"groupId":null}`
	type plan struct {
		Command, Elements string
		Entries           []translate.Entry
		Before, After     string
		Asked             []string
	}
	for name, test := range map[string]struct {
		change, body string
		want         plan
	}{
		"assigns a range": {"assign numbers", goodBodies["assign numbers"], plan{
			"GroupRouteListEnterpriseTrunkNumberRangeAssignListRequest", ids + "<numberRangeStart>+32-25126999</numberRangeStart>",
			[]translate.Entry{{Given: "+3225126999", Key: "+3225126999", Start: "+32-25126999", End: "+32-25126999"}},
			free, own, []string{inContext + tenantNumbers},
		}},
		"assigns ranges in the caller's order": {"assign numbers",
			`{"numbers":[{"minPhoneNumber":"+32 251 27-000"},{"maxPhoneNumber":"+32-2512-6999","minPhoneNumber":"+3225126999"}]}`, plan{
				"GroupRouteListEnterpriseTrunkNumberRangeAssignListRequest",
				ids + "<numberRangeStart>+32-25127000</numberRangeStart><numberRangeStart>+32-25126999</numberRangeStart>",
				[]translate.Entry{
					{Given: "+32 251 27-000", Key: "+3225127000", Start: "+32-25127000", End: "+32-25127999"},
					{Given: "+3225126999", Key: "+3225126999", Start: "+32-25126999", End: "+32-25126999"},
				},
				free, own, []string{inContext + tenantNumbers},
			}},
		"removes a range": {"remove numbers", goodBodies["remove numbers"], plan{
			"GroupRouteListEnterpriseTrunkNumberRangeUnassignListRequest", ids + "<numberRangeStart>+32-26127000</numberRangeStart>",
			[]translate.Entry{{Given: "+3226127000", Key: "+3226127000", Start: "+32-26127000", End: "+32-26127002"}},
			own, free, []string{inContext + ownNumbers},
		}},
		"assigns prefixes": {"assign prefixes", `{"prefixes":[{"prefix":"+3206"},{"prefix":"+32-07"}]}`, plan{
			"GroupRouteListEnterpriseTrunkNumberPrefixAssignListRequest", ids + "<numberPrefix>+32-06</numberPrefix><numberPrefix>+32-07</numberPrefix>",
			[]translate.Entry{{Given: "+3206", Key: "+3206", Start: "+32-06"}, {Given: "+32-07", Key: "+3207", Start: "+32-07"}},
			free, own, []string{inContext + tenantPrefixes},
		}},
		"removes prefixes": {"remove prefixes", goodBodies["remove prefixes"], plan{
			"GroupRouteListEnterpriseTrunkNumberPrefixUnassignListRequest", ids + "<numberPrefix>+32-01</numberPrefix><numberPrefix>+32-02</numberPrefix>",
			[]translate.Entry{{Given: "+32-01", Key: "+3201", Start: "+32-01"}, {Given: "+32-02", Key: "+3202", Start: "+32-02"}},
			own, free, []string{inContext + ownPrefixes},
		}},
	} {
		for _, from := range []itc.AvailableFrom{itc.AvailableFromGroup, itc.AvailableFromTenant} {
			t.Run(name+" with available from "+string(from), func(t *testing.T) {
				p := newPlatform(t)
				got, err := planned(t, changes(p.service(options{AvailableFrom: from}))[test.change], testGroup, test.body)
				if err != nil {
					t.Fatal(err)
				}
				if got.Target != testGroup || len(got.Steps) != 1 {
					t.Fatalf("planned %+v", got)
				}
				step := got.Steps[0]
				for i := range test.want.Entries {
					e := &test.want.Entries[i]
					e.Kind, e.Step = strings.Fields(test.change)[1], 1
					e.Before, e.After = json.RawMessage(test.want.Before), json.RawMessage(test.want.After)
					if step.Entries[i] != i {
						t.Errorf("the entries of the step are %v", step.Entries)
					}
				}
				if diff := cmp.Diff(test.want, plan{step.Command.Name(), writeXML(step.Command.Elements()), got.Entries, test.want.Before, test.want.After, p.Asked}); diff != "" {
					t.Error("(-want +got)\n" + diff)
				}
			})
		}
	}
}

func TestPlanLeavesTheDraftAsItIs(t *testing.T) {
	change := newPlatform(t).service(longTTL).AssignNumbers()
	draft, err := change.Decode(testGroup, []byte(goodBodies["assign numbers"]))
	if err != nil {
		t.Fatal(err)
	}
	before := *draft
	before.Entries = slices.Clone(draft.Entries)
	if _, err := change.Plan(t.Context(), draft); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&before, draft); diff != "" {
		t.Error("(-before +after)\n" + diff)
	}
}

func TestAPrefixHasNoEnd(t *testing.T) {
	p := newPlatform(t)
	p.Answers[tenantPrefixes] = answer(tenantPrefixes, table("availableNumberPrefixTable", "Number Prefix|", "+32-06|x", "+32-07|x"))
	plan, err := planned(t, p.service(longTTL).AssignPrefixes(), testGroup, goodBodies["assign prefixes"])
	if err != nil {
		t.Fatal(err)
	}
	if got := plan.Entries[0].End; got != "" {
		t.Errorf("the end is %q", got)
	}
}

func TestChangeWithAnInvalidEntryIsRejected(t *testing.T) {
	const numbers = "The number range provided is not available to the groups of this Tenant."
	const prefixes = "The prefix provided is not available to the groups of this Tenant."
	for name, test := range map[string]struct {
		change, body, text string
		entries            []string
	}{
		"names a range that is not free in the tenant": {"assign numbers",
			`{"numbers":[{"minPhoneNumber":"+3225126999"},{"minPhoneNumber":"+32 26127000"}]}`, numbers, []string{"+32 26127000"}},
		"names a range that the group does not have": {"remove numbers",
			`{"numbers":[{"minPhoneNumber":"+3225126999"},{"minPhoneNumber":"+3226127000"}]}`, numbers, []string{"+3225126999"}},
		"names an end that is not the range's": {"assign numbers",
			`{"numbers":[{"minPhoneNumber":"+3225127000","maxPhoneNumber":"+3225127009"}]}`, numbers, []string{"+3225127000"}},
		"names a start within a range": {"assign numbers",
			`{"numbers":[{"minPhoneNumber":"+3225127001"}]}`, numbers, []string{"+3225127001"}},
		"names an end on removal, too": {"remove numbers",
			`{"numbers":[{"minPhoneNumber":"+3226127000","maxPhoneNumber":"+3226127001"}]}`, numbers, []string{"+3226127000"}},
		"distinguishes a number with + from one without": {"remove numbers",
			`{"numbers":[{"minPhoneNumber":"3226127000"}]}`, numbers, []string{"3226127000"}},
		"names every prefix at fault": {"assign prefixes",
			`{"prefixes":[{"prefix":"+32-03"},{"prefix":"+32-06"},{"prefix":"+3204"}]}`, prefixes, []string{"+32-03", "+3204"}},
		"names a prefix that the group does not have": {"remove prefixes",
			`{"prefixes":[{"prefix":"+32-03"}]}`, prefixes, []string{"+32-03"}},
	} {
		t.Run(name, func(t *testing.T) {
			plan, err := planned(t, changes(newPlatform(t).service(longTTL))[test.change], testGroup, test.body)
			want := errorSummary{Code: "NOT_AVAILABLE_FOR_ASSIGNMENT", Text: test.text, Entries: test.entries}
			if diff := cmp.Diff(want, summarize(t, err)); diff != "" {
				t.Error("(-want +got)\n" + diff)
			}
			if plan != nil {
				t.Errorf("planned %v", plan)
			}
		})
	}
}

func TestGivenEndWithoutEndColumnIsRejected(t *testing.T) {
	p := newPlatform(t)
	p.Answers[tenantNumbers] = answer(tenantNumbers, table("availableNumberRangeTable", "Number Range Start", "+32-25126999"))
	_, err := planned(t, p.service(longTTL).AssignNumbers(), testGroup, goodBodies["assign numbers"])
	code(t, err, errcode.NotAvailableForAssignment)
}

func TestOrderOfChecks(t *testing.T) {
	const absent = `{"numbers":[{"minPhoneNumber":"+1"}]}`
	enterprise := answer(tenantGet, `<isEnterprise>true</isEnterprise>`)
	unauthorized := answer(authorization, `<authorized>false</authorized>`)
	together := []string{inContext + tenantNumbers}
	andReasons := append(slices.Clone(together), allNumbers)
	for name, test := range map[string]struct {
		tenantID, body string
		answers        map[string]string
		want           *errcode.Code
		asked          []string
	}{
		"a body of invalid form is rejected before the context":       {"ApioSpTest", `{}`, map[string]string{tenantGet: enterprise}, errcode.JSONSchemaValidation, nil},
		"an invalid value is rejected before the context":             {"ApioSpTest", `{"numbers":[{"minPhoneNumber":"x"}]}`, map[string]string{tenantGet: enterprise}, errcode.InvalidParameters, nil},
		"a body that is not an object is rejected before the context": {"ApioSpTest", ``, map[string]string{tenantGet: enterprise}, errcode.BadMediaType, nil},
		"Enterprise mode is checked before the group":                 {"ApioSpTest", absent, map[string]string{tenantGet: enterprise, authorization: refusal("Error", 4152, "Group not found")}, errcode.NotAvailableInEnterpriseMode, together},
		"the service is checked before the entries":                   {"ApioSpTest", absent, map[string]string{authorization: unauthorized}, errcode.ServiceNotAssigned, together},
		"the group is checked before the entries":                     {"ApioSpTest", absent, map[string]string{authorization: refusal("Error", 4152, "Group not found")}, errcode.GroupNotFound, together},
		"Enterprise mode is checked before the list":                  {"ApioSpTest", absent, map[string]string{tenantGet: enterprise, tenantNumbers: answer(tenantNumbers, "")}, errcode.NotAvailableInEnterpriseMode, together},
		"the service is checked before a refused list":                {"ApioSpTest", absent, map[string]string{authorization: unauthorized, tenantNumbers: refusal("Error", 4152, "Group not found")}, errcode.ServiceNotAssigned, together},
		"the list is checked before the entries":                      {"ApioSpTest", absent, map[string]string{tenantNumbers: answer(tenantNumbers, "")}, errcode.PlatformError, together},
		"a refused list is reported before the entries":               {"ApioSpTest", absent, map[string]string{tenantNumbers: refusal("Error", 4152, "Group not found")}, errcode.GroupNotFound, together},
		"entries are checked last":                                    {"ApioSpTest", absent, nil, errcode.NotAvailableForAssignment, andReasons},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			maps.Copy(p.Answers, test.answers)
			group := scope.Target{TenantID: test.tenantID, GroupID: "ApioGrpTest"}
			plan, err := planned(t, p.service(longTTL).AssignNumbers(), group, test.body)
			code(t, err, test.want)
			if plan != nil {
				t.Errorf("planned %v", plan)
			}
			if diff := cmp.Diff(test.asked, p.Asked); diff != "" {
				t.Error("(-want +got)\n" + diff)
			}
		})
	}
}
