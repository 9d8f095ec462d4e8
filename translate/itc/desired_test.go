package itc_test

// This file specifies the desired-state changes of a group. A new case is a body
// with its plan, or with its error.

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/itc"
)

const (
	heldByGroup = `{"groupId":"ApioGrpTest"}`
	heldByNone  = `{"groupId":null}`
)

// kept, added and removed are entries of a plan.
func kept(kind, given, key, start, end string) translate.Entry {
	return translate.Entry{
		Kind: kind, Given: given, Key: key, Start: start, End: end,
		Before: json.RawMessage(heldByGroup), After: json.RawMessage(heldByGroup),
	}
}

func added(step int, e translate.Entry) translate.Entry {
	e.Step, e.Before = step, json.RawMessage(heldByNone)
	return e
}

// removed is an entry that the first step removes.
func removed(e translate.Entry) translate.Entry {
	e.Step, e.After = 1, json.RawMessage(heldByNone)
	return e
}

// steps are those of a plan, each as "command places elements".
func steps(plan *translate.Plan) []string {
	const ids = "<serviceProviderId>ApioSpTest</serviceProviderId><groupId>ApioGrpTest</groupId>"
	var all []string
	for _, step := range plan.Steps {
		elements, _ := strings.CutPrefix(writeXML(step.Command.Elements()), ids)
		all = append(all, fmt.Sprint(step.Command.Name(), " ", step.Entries, " ", elements))
	}
	return all
}

func TestDesiredStateIsTheDifference(t *testing.T) {
	const (
		assignRanges     = "GroupRouteListEnterpriseTrunkNumberRangeAssignListRequest"
		unassignRanges   = "GroupRouteListEnterpriseTrunkNumberRangeUnassignListRequest"
		assignPrefixes   = "GroupRouteListEnterpriseTrunkNumberPrefixAssignListRequest"
		unassignPrefixes = "GroupRouteListEnterpriseTrunkNumberPrefixUnassignListRequest"
	)
	user := kept("numbers", "+3226127000", "+3226127000", "+32-26127000", "+32-26127002")
	plain := kept("numbers", "+3226127007", "+3226127007", "+32-26127007", "+32-26127009")
	free := kept("numbers", "+3225126999", "+3225126999", "+32-25126999", "+32-25126999")
	long := kept("numbers", "+32 25-127000", "+3225127000", "+32-25127000", "+32-25127999")
	for name, test := range map[string]struct {
		change, body string
		entries      []translate.Entry
		steps        []string
	}{
		"one removed, two added, one kept": {
			"set numbers", `{"numbers":[{"minPhoneNumber":"+3225126999"},{"minPhoneNumber":"+3226127000","maxPhoneNumber":"+3226127002"},{"minPhoneNumber":"+32 25-127000"}]}`,
			[]translate.Entry{added(2, free), user, added(2, long), removed(plain)},
			[]string{
				unassignRanges + " [3] <numberRangeStart>+32-26127007</numberRangeStart>",
				assignRanges + " [0 2] <numberRangeStart>+32-25126999</numberRangeStart><numberRangeStart>+32-25127000</numberRangeStart>",
			},
		},
		"only added": {
			"set numbers", `{"numbers":[{"minPhoneNumber":"+3226127007"},{"minPhoneNumber":"+3226127000"},{"minPhoneNumber":"+3225126999"}]}`,
			[]translate.Entry{plain, user, added(1, free)},
			[]string{assignRanges + " [2] <numberRangeStart>+32-25126999</numberRangeStart>"},
		},
		"only removed": {
			"set numbers", `{"numbers":[{"minPhoneNumber":"+3226127000"}]}`,
			[]translate.Entry{user, removed(plain)},
			[]string{unassignRanges + " [1] <numberRangeStart>+32-26127007</numberRangeStart>"},
		},
		"nothing differs": {
			"set numbers", `{"numbers":[{"minPhoneNumber":"+3226127007","maxPhoneNumber":"+32-26127009"},{"minPhoneNumber":"+3226127000"}]}`,
			[]translate.Entry{plain, user}, nil,
		},
		"prefixes": {
			"set prefixes", `{"prefixes":[{"prefix":"+3206"},{"prefix":"+32-01"}]}`,
			[]translate.Entry{
				added(2, kept("prefixes", "+3206", "+3206", "+32-06", "")), kept("prefixes", "+32-01", "+3201", "+32-01", ""),
				removed(kept("prefixes", "+32-02", "+3202", "+32-02", "")),
			},
			[]string{unassignPrefixes + " [2] <numberPrefix>+32-02</numberPrefix>", assignPrefixes + " [0] <numberPrefix>+32-06</numberPrefix>"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			plan, err := planned(t, changes(p.service(options{}))[test.change], testGroup, test.body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.entries, plan.Entries); diff != "" || plan.Target != testGroup {
				t.Errorf("%v, entries (-want +got)\n%s", plan.Target, diff)
			}
			if diff := cmp.Diff(test.steps, steps(plan)); diff != "" {
				t.Error("steps (-want +got)\n" + diff)
			}
			lists := map[string]string{"set numbers": ownNumbers + "+" + tenantNumbers, "set prefixes": ownPrefixes + "+" + tenantPrefixes}
			if diff := cmp.Diff([]string{inContext + lists[test.change]}, p.Asked); diff != "" {
				t.Error("reads (-want +got)\n" + diff)
			}
		})
	}
}

func TestDesiredStateOfNothing(t *testing.T) {
	p := newPlatform(t)
	p.Answers[ownNumbers] = listing(ownNumbers, "true|+3210", "true|+32-20")
	plan, err := planned(t, p.service(options{}).SetNumbers(), testGroup, `{"numbers":[]}`)
	if err != nil {
		t.Fatal(err)
	}
	want := []translate.Entry{
		removed(kept("numbers", "+3210", "+3210", "+3210", "")), removed(kept("numbers", "+3220", "+3220", "+32-20", "")),
	}
	if diff := cmp.Diff(want, plan.Entries); diff != "" || len(plan.Steps) != 1 {
		t.Errorf("%d steps, entries (-want +got)\n%s", len(plan.Steps), diff)
	}
	p.Answers[ownNumbers] = listing(ownNumbers)
	plan, err = planned(t, p.service(options{}).SetNumbers(), testGroup, `{"numbers":[]}`)
	if err != nil || len(plan.Entries)+len(plan.Steps) > 0 {
		t.Errorf("%+v, %v", plan, err)
	}
}

// A draft claims the entire list, so that two such changes exclude each other.
func TestDraftOfADesiredState(t *testing.T) {
	service := newPlatform(t).service(options{})
	for name, want := range map[string]translate.Draft{
		"set numbers": {Target: testGroup, Claims: []translate.Claim{{Kind: "numbers_list", Key: "ApioGrpTest"}}, Entries: []translate.Entry{
			{Kind: "numbers", Given: "+3226127000", Key: "+3226127000"}, {Kind: "numbers", Given: "+3225126999", Key: "+3225126999"},
		}},
		"set prefixes": {Target: testGroup, Claims: []translate.Claim{{Kind: "prefixes_list", Key: "ApioGrpTest"}}, Entries: []translate.Entry{
			{Kind: "prefixes", Given: "+32-01", Key: "+3201"}, {Kind: "prefixes", Given: "+32-06", Key: "+3206"},
		}},
	} {
		got, err := changes(service)[name].Decode(testGroup, []byte(goodBodies[name]))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
	for body, want := range map[string]*errcode.Code{
		`{}`:               errcode.JSONSchemaValidation,
		`{"numbers":null}`: errcode.JSONSchemaValidation,
		`{"numbers":{}}`:   errcode.JSONSchemaValidation,
		`{"numbers":[{"minPhoneNumber":"+1"},{"minPhoneNumber":"+ 1"}]}`: errcode.InvalidParameters,
		`[]`: errcode.BadMediaType,
	} {
		draft, err := service.SetNumbers().Decode(testGroup, []byte(body))
		if code(t, err, want); draft != nil {
			t.Errorf("%s: drafted %+v", body, draft)
		}
	}
}

func TestInvalidDesiredState(t *testing.T) {
	const ranges = "The number range provided is not available to the groups of this Tenant."
	const prefixes = "The prefix provided is not available to the groups of this Tenant."
	const kept = `{"minPhoneNumber":"+3226127000"}`
	for name, test := range map[string]struct {
		change, body string
		want         errorSummary
		problems     []string
	}{
		"a range of another group": {"set numbers", `{"numbers":[` + kept + `,{"minPhoneNumber":"+3225129000"}]}`,
			errorSummary{Code: "NOT_AVAILABLE_FOR_ASSIGNMENT", Text: ranges, Entries: []string{"+3225129000"}},
			[]string{"/numbers/1/minPhoneNumber is assigned to another group"}},
		"a range that the tenant does not have": {"set numbers", `{"numbers":[{"minPhoneNumber":"+3225127001"}]}`,
			errorSummary{Code: "NOT_AVAILABLE_FOR_ASSIGNMENT", Text: ranges, Entries: []string{"+3225127001"}},
			[]string{"/numbers/0/minPhoneNumber is not the start of a number range that the tenant has"}},
		"another end of a kept range": {"set numbers", `{"numbers":[{"minPhoneNumber":"+3226127000","maxPhoneNumber":"+3226127001"}]}`,
			errorSummary{Code: "NOT_AVAILABLE_FOR_ASSIGNMENT", Text: ranges, Entries: []string{"+3226127000"}},
			[]string{"/numbers/0/maxPhoneNumber is not the end of its range, which ends at +3226127002"}},
		"another end of an added range, and another fault": {"set numbers", `{"numbers":[{"minPhoneNumber":"+1"},` + kept + `,{"minPhoneNumber":"+3225127000","maxPhoneNumber":"+3225127009"}]}`,
			errorSummary{Code: "NOT_AVAILABLE_FOR_ASSIGNMENT", Text: ranges, Entries: []string{"+1", "+3225127000"}},
			[]string{"/numbers/0/minPhoneNumber is not the start of a number range that the tenant has", "/numbers/2/maxPhoneNumber is not the end of its range, which ends at +3225127999"}},
		"a prefix of another group": {"set prefixes", `{"prefixes":[{"prefix":"+32-04"}]}`,
			errorSummary{Code: "NOT_AVAILABLE_FOR_ASSIGNMENT", Text: prefixes, Entries: []string{"+32-04"}},
			[]string{"/prefixes/0/prefix is assigned to another group"}},
		"a range that a user has": {"set numbers", `{"numbers":[]}`,
			errorSummary{Code: "POSSESSED_BY_USER", Text: "A user possesses some of what would be removed; nothing was changed.", Entries: []string{"+3226127000"}}, nil},
		"a prefix that a user has": {"set prefixes", `{"prefixes":[{"prefix":"+32-06"}]}`,
			errorSummary{Code: "POSSESSED_BY_USER", Text: "A user possesses some of what would be removed; nothing was changed.", Entries: []string{"+32-01"}}, nil},
		"entries of the body are checked before those of users": {"set prefixes", `{"prefixes":[{"prefix":"+32-04"},{"prefix":"+32-02"}]}`,
			errorSummary{Code: "NOT_AVAILABLE_FOR_ASSIGNMENT", Text: prefixes, Entries: []string{"+32-04"}},
			[]string{"/prefixes/0/prefix is assigned to another group"}},
	} {
		t.Run(name, func(t *testing.T) {
			plan, err := planned(t, changes(newPlatform(t).service(longTTL))[test.change], testGroup, test.body)
			if diff := cmp.Diff(test.want, summarize(t, err)); diff != "" {
				t.Error("(-want +got)\n" + diff)
			}
			var problems []string
			for _, problem := range errcode.Of(err).Problems {
				problems = append(problems, problem.String())
			}
			if diff := cmp.Diff(test.problems, problems); diff != "" {
				t.Error("problems (-want +got)\n" + diff)
			}
			if plan != nil {
				t.Errorf("planned %v", plan)
			}
		})
	}
}

// If an entry is assigned to the group between two readings, it has the reason that
// was true of the first, and not that it is assigned already.
func TestDesiredStateReachedMeanwhile(t *testing.T) {
	p := newPlatform(t)
	p.Answers[tenantNumbers] = listing(tenantNumbers)
	p.Answers[allNumbers] = answer(allNumbers, table("numberRangeSummaryTable", allNumberColumns, "+32-25126999|+32-25126999|ApioGrpTest|true|"))
	entries, problems := refused(t, p, "set numbers", goodBodies["set numbers"])
	if diff := cmp.Diff([]string{"+3225126999", "/numbers/1/minPhoneNumber is not free in the tenant"}, append(entries, problems...)); diff != "" {
		t.Error("(-want +got)\n" + diff)
	}
}

// Releases differ in their columns. The platform itself refuses the removal of what
// a user has, so the column of users is not required.
func TestDesiredStateWithoutColumns(t *testing.T) {
	p := newPlatform(t)
	p.Answers[ownNumbers] = listing(ownNumbers, "true|+32-26127000")
	plan, err := planned(t, p.service(longTTL).SetNumbers(), testGroup, `{"numbers":[]}`)
	if err != nil || len(plan.Entries) != 1 || plan.Entries[0].Step != 1 {
		t.Errorf("%+v, %v", plan, err)
	}
	_, problems := refused(t, p, "set numbers", `{"numbers":[{"minPhoneNumber":"+3226127000","maxPhoneNumber":"+3226127002"}]}`)
	if diff := cmp.Diff([]string{"/numbers/0/maxPhoneNumber is not the end of its range"}, problems); diff != "" {
		t.Error("(-want +got)\n" + diff)
	}
}

func TestDesiredStateOfATableThatListsAnEntryTwice(t *testing.T) {
	const one = `{"numbers":[{"minPhoneNumber":"+3210"}]}`
	possessed := strings.Replace(listing(ownNumbers, "x|+3210", "x|+3220", "x|+32-20"), "Is Active", "User Id", 1)
	for name, test := range map[string]struct{ own, free, body string }{
		"that is kept":                   {listing(ownNumbers, "true|+3210", "true|+32-10"), listing(tenantNumbers), one},
		"that is to be removed":          {listing(ownNumbers, "true|+3210", "true|+3220", "true|+32-20"), listing(tenantNumbers), one},
		"that is to be removed of users": {possessed, listing(tenantNumbers), one},
		"that is to be added": {listing(ownNumbers, "true|+3210"), listing(tenantNumbers, "true|+3230", "true|+32-30"),
			`{"numbers":[{"minPhoneNumber":"+3210"},{"minPhoneNumber":"+3230"}]}`},
	} {
		p := newPlatform(t)
		p.Answers[ownNumbers], p.Answers[tenantNumbers] = test.own, test.free
		plan, err := planned(t, p.service(longTTL).SetNumbers(), testGroup, test.body)
		if code(t, err, errcode.PlatformError); plan != nil {
			t.Errorf("an entry %s: planned %+v", name, plan)
		}
	}
}

// A platform endpoint between two states has an entry in both lists. Whether the group
// has it is unknown, so no change can be planned.
func TestDesiredStateOfListsThatContradictEachOther(t *testing.T) {
	for name, body := range map[string]string{
		"kept and nothing else":   `{"numbers":[{"minPhoneNumber":"+3210"},{"minPhoneNumber":"+3220"}]}`,
		"kept":                    `{"numbers":[{"minPhoneNumber":"+3230"},{"minPhoneNumber":"+3220"}]}`,
		"removed":                 `{"numbers":[{"minPhoneNumber":"+3210"}]}`,
		"removed with all others": `{"numbers":[]}`,
		"with others at fault":    `{"numbers":[{"minPhoneNumber":"+3299"},{"minPhoneNumber":"+3220"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			p.Answers[ownNumbers] = listing(ownNumbers, "true|+3210", "true|+3220")
			p.Answers[tenantNumbers] = listing(tenantNumbers, "true|+3230", "true|+32-20")
			plan, err := planned(t, p.service(longTTL).SetNumbers(), testGroup, body)
			if code(t, err, errcode.PlatformError); plan != nil {
				t.Errorf("planned %+v", plan)
			}
			if err != nil && !strings.Contains(err.Error(), `"+3220"`) {
				t.Errorf("the cause does not name the entry: %v", err)
			}
			if len(p.Asked) != 1 {
				t.Errorf("read %v", p.Asked)
			}
		})
	}
}

// conditional plans a change with an If-Match condition.
func conditional(t *testing.T, change translate.Change, body string, holds func(tag string) bool) (*translate.Plan, error) {
	t.Helper()
	draft, err := change.Decode(testGroup, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	draft.IfMatch = holds
	return change.Plan(t.Context(), draft)
}

func TestConditionOfADesiredState(t *testing.T) {
	p := newPlatform(t)
	service := p.service(longTTL)
	for name, query := range map[string]translate.Query{"set numbers": service.Numbers(), "set prefixes": service.Prefixes()} {
		list, err := query.Read(t.Context(), testGroup, nil)
		if err != nil {
			t.Fatal(err)
		}
		var asked string
		plan, err := conditional(t, changes(service)[name], goodBodies[name], func(tag string) bool { asked = tag; return true })
		if err != nil || len(plan.Steps) != 2 || asked != list.ETag() {
			t.Errorf("%s: asked about %s, the list has %s: %+v, %v", name, asked, list.ETag(), plan, err)
		}
		// The condition is checked before the entries.
		for _, body := range []string{goodBodies[name], unknownBodies[name]} {
			plan, err = conditional(t, changes(service)[name], body, func(string) bool { return false })
			if code(t, err, errcode.PreconditionFailed); plan != nil {
				t.Errorf("%s: planned %+v", name, plan)
			}
		}
	}
	never := func(string) bool { t.Error("IfMatch was called"); return true }
	for name, test := range map[string]struct {
		answers map[string]string
		want    *errcode.Code
	}{
		"the context is checked before the condition": {map[string]string{authorization: refusal("Error", 4152, "Group not found")}, errcode.GroupNotFound},
		"a list with an invalid cell has no tag":      {map[string]string{ownNumbers: strings.ReplaceAll(p.Answers[ownNumbers], "<col>true</col>", "<col>yes</col>")}, errcode.PlatformError},
		"a list that cannot be read has no tag":       {map[string]string{ownNumbers: answer(ownNumbers, "")}, errcode.PlatformError},
		"a list that the platform refuses":            {map[string]string{ownNumbers: refusal("Error", 4410, "no")}, errcode.ServiceNotAssigned},
		"Enterprise mode is checked first":            {map[string]string{tenantGet: answer(tenantGet, `<isEnterprise>true</isEnterprise>`)}, errcode.NotAvailableInEnterpriseMode},
	} {
		p := newPlatform(t)
		maps.Copy(p.Answers, test.answers)
		plan, err := conditional(t, p.service(options{}).SetNumbers(), goodBodies["set numbers"], never)
		if code(t, err, test.want); plan != nil {
			t.Errorf("%s: planned %+v", name, plan)
		}
	}
}

// A change removes at most as many entries as it can assign.
func TestDesiredStateLimitsRemovals(t *testing.T) {
	for _, own := range []int{translate.MaxEntries, translate.MaxEntries + 1} {
		rows := make([]string, own)
		for i := range rows {
			rows[i] = fmt.Sprintf("true|+32-%d", 10_000_000+i)
		}
		p := newPlatform(t)
		p.Answers[ownNumbers], p.Answers[tenantNumbers] = listing(ownNumbers, rows...), listing(tenantNumbers, "true|+32-9")
		plan, err := planned(t, p.service(longTTL).SetNumbers(), testGroup, `{"numbers":[{"minPhoneNumber":"+329"}]}`)
		if own > translate.MaxEntries {
			want := []errcode.Problem{{Pointer: "/numbers", Reason: "leaves out more than 10000 entries that the group has, and one request must not remove more at this gateway"}}
			if code(t, err, errcode.InvalidParameters); !slices.Equal(errcode.Of(err).Problems, want) {
				t.Errorf("got %v", errcode.Of(err).Problems)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(plan.Entries) != own+1 || len(plan.Steps) != 2 || len(plan.Steps[0].Entries) != own || !slices.Equal(plan.Steps[1].Entries, []int{0}) {
			t.Errorf("%d entries in %d steps", len(plan.Entries), len(plan.Steps))
		}
	}
}

func TestReportOfADesiredState(t *testing.T) {
	service := newPlatform(t).service(options{})
	text := func(set translate.Reporter, entries []translate.Entry, results ...translate.Result) string {
		var b bytes.Buffer
		w := bufio.NewWriter(&b)
		if err := errors.Join(set.Report(entries, results).WriteJSON(w), w.Flush()); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	ranges := []translate.Entry{
		added(2, kept("numbers", "+32 1", "+321", "+32-1", "")), kept("numbers", "+322", "+322", "+32-2", ""), removed(kept("numbers", "+323", "+323", "+32-3", "")),
	}
	prefixes := []translate.Entry{added(1, kept("prefixes", "+321", "+321", "+32-1", "")), removed(kept("prefixes", "+32-3", "+323", "+32-3", ""))}
	for _, c := range []struct{ got, want string }{
		{text(service.SetNumbers(), ranges, translate.Done, translate.Done, translate.Done),
			`{"result":[{"minPhoneNumber":"+321","status":"added"},{"minPhoneNumber":"+322","status":"unchanged"},{"minPhoneNumber":"+323","status":"removed"}]}`},
		{text(service.SetNumbers(), ranges, translate.NotDone, translate.Done, translate.Unknown),
			`{"result":[{"minPhoneNumber":"+321","status":"rejected"},{"minPhoneNumber":"+322","status":"unchanged"},{"minPhoneNumber":"+323","status":"unknown"}]}`},
		{text(service.SetPrefixes(), prefixes, translate.Done, translate.Done),
			`{"result":[{"prefix":"+32-1","status":"added"},{"prefix":"+32-3","status":"removed"}]}`},
		{text(service.SetPrefixes(), nil), `{"result":[]}`},
	} {
		if diff := cmp.Diff(c.want+"\n", c.got); diff != "" {
			t.Error("(-want +got)\n" + diff)
		}
	}
}

// The observers of its entries see each step, and a second plan has no steps.
func TestDesiredStateOfTheSimulatedPlatform(t *testing.T) {
	for name, body := range map[string]string{
		"set numbers":  goodBodies["set numbers"],
		"set prefixes": `{"prefixes":[{"prefix":"+32-03"},{"prefix":"+32-01"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			simulated(t, func(t *testing.T, client *oci.Client, service *itc.Service) {
				plan, err := planned(t, changes(service)[name], testGroup, body)
				if err != nil || len(plan.Steps) != 2 {
					t.Fatalf("%+v, %v", plan, err)
				}
				for done := range 3 {
					sight, err := translate.NewObservers(service.Observer()).Compare(t.Context(), testGroup, plan.Entries)
					if err != nil {
						t.Fatal(err)
					}
					for i, e := range plan.Entries {
						if want := (translate.Effect{Seen: e.Step <= done, Clear: true}); sight.Effects[i] != want {
							t.Errorf("after %d steps %s is seen as %+v, want %+v", done, e.Given, sight.Effects[i], want)
						}
					}
					if done == len(plan.Steps) {
						break
					}
					reply, err := client.Write(t.Context(), plan.Steps[done].Command, nil)
					if err != nil {
						t.Fatal(err)
					}
					if err := translate.NewPlatformErrors(nil).WriteResult(plan, plan.Steps[done], reply); err != nil {
						t.Fatal(err)
					}
				}
				if again, err := planned(t, changes(service)[name], testGroup, body); err != nil || len(again.Steps) > 0 {
					t.Errorf("again %+v, %v", again, err)
				}
			})
		})
	}
}
