package itc_test

// This file specifies drafts and plans of the change of a user. A new case is a
// body with its plan, or with its error.

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
)

func TestDraftsOfAUser(t *testing.T) {
	setting := func(member string) translate.Entry {
		return translate.Entry{Kind: "user_setting", Given: member, Key: testUserID + " " + member}
	}
	for body, want := range map[string][]translate.Entry{
		`{}`:                             nil,
		`{"numbers":null,"prefixes":[]}`: nil,
		`{"prefixes":[{"prefix":"+32 01"}],"numbers":[{"minPhoneNumber":"+32-2 1","maxPhoneNumber":"+3229"}],"` + emergency + `":true,"` + isScreened + `":false}`: {
			setting(isScreened), setting(emergency),
			{Kind: "numbers", Given: "+32-2 1", Key: "+3221", End: "+3229"}, {Kind: "prefixes", Given: "+32 01", Key: "+3201"},
		},
	} {
		p := newPlatform(t)
		got, err := p.service(options{}).SetUser().Decode(testUser, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got.Entries); diff != "" {
			t.Errorf("%s (-want +got)\n%s", body, diff)
		}
		if diff := cmp.Diff([]translate.Claim{{Kind: "user", Key: testUserID}}, got.Claims); diff != "" || got.Target != testUser {
			t.Errorf("%s: %+v, claims (-want +got)\n%s", body, got.Target, diff)
		}
		if len(p.Asked) > 0 {
			t.Errorf("read %v", p.Asked)
		}
	}
}

func TestInvalidBodiesOfAUser(t *testing.T) {
	for body, want := range map[string]string{
		`{"` + identity + `":null}`:      "/" + identity + " must be a boolean, not null.",
		`{"` + identity + `":"true"}`:    "/" + identity + " must be a boolean, not a string.",
		`{"numbers":{}}`:                 "/numbers must be a list or null, not an object.",
		`{"numbers":[null]}`:             "/numbers/0 must be an object, not null.",
		`{"numbers":[{"prefix":"+32"}]}`: "/numbers/0/prefix is not a key here; the keys, in this letter case, are: minPhoneNumber, maxPhoneNumber; /numbers/0/minPhoneNumber is missing.",
		`{"numbers":[{"minPhoneNumber":"+32-1"},{"minPhoneNumber":"+321"}]}`:      "/numbers/1/minPhoneNumber must not be the same as /numbers/0/minPhoneNumber.",
		`{"numbers":[{"minPhoneNumber":"+322","maxPhoneNumber":"+321"}]}`:         "/numbers/0/maxPhoneNumber must not be below minPhoneNumber.",
		`{"prefixes":[],"prefixes":[]}`:                                           "/prefixes must be given once.",
		`{"active":true}`:                                                         "/active is not a key here; the keys, in this letter case, are: " + strings.Join([]string{isScreened, identity, emergency, "numbers", "prefixes"}, ", ") + ".",
		`{"prefixes":[{"prefix":"` + strings.Repeat("1", 24) + `"}],"numbers":3}`: "/numbers must be a list or null, not a number; /prefixes/0/prefix must have 1 to 23 characters.",
	} {
		draft, err := newPlatform(t).service(options{}).SetUser().Decode(testUser, []byte(body))
		if err == nil || draft != nil {
			t.Errorf("%s: got %+v", body, draft)
			continue
		}
		if got := errcode.Of(err).Text(); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", body, got, want)
		}
	}
}

// value is a value of an entry, by the word that the tests write.
func value(word string) json.RawMessage {
	switch word {
	case "theirs":
		return json.RawMessage(`{"userId":"` + testUserID + `"}`)
	case "free":
		return json.RawMessage(`{"userId":null}`)
	}
	return json.RawMessage(word)
}

// changedOf are the entries of a plan as "given start end before>after step".
func changedOf(plan *translate.Plan) []string {
	words := map[string]string{string(value("theirs")): "theirs", string(value("free")): "free", "true": "true", "false": "false"}
	var changed []string
	for _, e := range plan.Entries {
		step := " 0"
		if e.Step == 1 {
			step = " 1"
		}
		changed = append(changed, e.Kind+" "+e.Given+" "+e.Key+" "+e.Start+" "+e.End+" "+words[string(e.Before)]+">"+words[string(e.After)]+step)
	}
	return changed
}

const (
	userNumbersRead  = "+" + ownNumbers + "+" + enterpriseNumbers
	userPrefixesRead = "+" + ownPrefixes + "+" + enterprisePrefixes
)

func TestChangesOfAUserArePlanned(t *testing.T) {
	const own = "numbers +3226127000 +3226127000 +32-26127000 +32-26127002 "
	const lost = "numbers +32-26127000 +3226127000 +32-26127000 +32-26127002 theirs>free 1"
	const gained = "numbers +3226127007 +3226127007 +32-26127007 +32-26127009 free>theirs 1"
	setting := func(member, element, rest string) string {
		return "user_setting " + member + " " + testUserID + " " + member + " " + element + "  " + rest
	}
	for name, test := range map[string]struct {
		body     string
		elements string // of the command, after the user's id; "" if there is no command
		entries  []string
		asked    string // after the command about the user
	}{
		"an empty body": {`{}`, "", nil, ""},
		"a setting": {
			`{"` + emergency + `":true}`, "<useRouteListIdentityForEmergencyCalls>true</useRouteListIdentityForEmergencyCalls>",
			[]string{setting(emergency, "useRouteListIdentityForEmergencyCalls", "false>true 1")}, "",
		},
		"settings, of which one differs": {
			`{"` + emergency + `":false,"` + identity + `":false,"` + isScreened + `":false}`,
			"<useRouteListIdentityForNonEmergencyCalls>false</useRouteListIdentityForNonEmergencyCalls>",
			[]string{
				setting(isScreened, isScreened, "false>false 0"), setting(identity, "useRouteListIdentityForNonEmergencyCalls", "true>false 1"),
				setting(emergency, "useRouteListIdentityForEmergencyCalls", "false>false 0"),
			}, "",
		},
		"the same lists": {
			`{"numbers":[{"minPhoneNumber":"+3226127000","maxPhoneNumber":"+32 26127002"}],"prefixes":[{"prefix":"+32-01"}]}`, "",
			[]string{own + "theirs>theirs 0", "prefixes +32-01 +3201 +32-01  theirs>theirs 0"}, userNumbersRead + userPrefixesRead,
		},
		"one range more": {
			`{"numbers":[{"minPhoneNumber":"+3226127007"},{"minPhoneNumber":"+3226127000"}]}`,
			"<assignedNumberRangeStartList><phoneNumber>+32-26127007</phoneNumber><phoneNumber>+32-26127000</phoneNumber></assignedNumberRangeStartList>",
			[]string{gained, own + "theirs>theirs 0"}, userNumbersRead,
		},
		"another range": {
			`{"numbers":[{"minPhoneNumber":"+3226127007","maxPhoneNumber":"+3226127009"}]}`,
			"<assignedNumberRangeStartList><phoneNumber>+32-26127007</phoneNumber></assignedNumberRangeStartList>",
			[]string{gained, lost}, userNumbersRead,
		},
		"no range": {`{"numbers":[]}`, "<assignedNumberRangeStartList nil/>", []string{lost}, ""},
		"null":     {`{"numbers":null}`, "<assignedNumberRangeStartList nil/>", []string{lost}, ""},
		"settings and both lists": {
			`{"prefixes":[{"prefix":"+32 02"}],"numbers":null,"` + isScreened + `":true}`,
			"<treatOriginationsAndPBXRedirectionsAsScreened>true</treatOriginationsAndPBXRedirectionsAsScreened>" +
				"<assignedNumberRangeStartList nil/><assignedNumberPrefixList><numberPrefix>+32-02</numberPrefix></assignedNumberPrefixList>",
			[]string{
				setting(isScreened, isScreened, "false>true 1"), "prefixes +32 02 +3202 +32-02  free>theirs 1",
				lost, "prefixes +32-01 +3201 +32-01  theirs>free 1",
			}, userPrefixesRead,
		},
	} {
		for _, mode := range []string{"", inEnterprise} {
			t.Run(name+mode, func(t *testing.T) {
				p := newPlatform(t)
				if mode != "" {
					p.Answers[tenantGet] = answer(tenantGet, mode)
					p.Answers[enterpriseNumbers] = strings.ReplaceAll(p.Answers[ownNumbers], "GroupRouteList", "EnterpriseRouteList")
					p.Answers[enterprisePrefixes] = strings.ReplaceAll(strings.ReplaceAll(p.Answers[ownPrefixes], "GroupRouteList", "EnterpriseRouteList"),
						"numberPrefixSummaryTable", "prefixSummaryTable")
					p.Answers[ownNumbers], p.Answers[ownPrefixes] = refusal("Error", 9910, "not for an enterprise"), refusal("Error", 9910, "not for an enterprise")
				}
				plan, err := planned(t, p.service(longTTL).SetUser(), testUser, test.body)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.entries, changedOf(plan)); diff != "" {
					t.Error("entries (-want +got)\n" + diff)
				}
				if diff := cmp.Diff([]string{inUserContext + userGet + test.asked}, p.Asked); diff != "" {
					t.Error("reads (-want +got)\n" + diff)
				}
				if test.elements == "" {
					if len(plan.Steps) > 0 {
						t.Errorf("steps %+v", plan.Steps)
					}
					return
				}
				if len(plan.Steps) != 1 || plan.Steps[0].Command.Name() != "UserRouteListModifyRequest" {
					t.Fatalf("steps %+v", plan.Steps)
				}
				if diff := cmp.Diff("<userId>"+testUserID+"</userId>"+test.elements, withNil(plan.Steps[0].Command.Elements())); diff != "" {
					t.Error("elements (-want +got)\n" + diff)
				}
				var changed []int
				for i, e := range plan.Entries {
					if e.Step == 1 {
						changed = append(changed, i)
					}
				}
				if diff := cmp.Diff(changed, plan.Steps[0].Entries); diff != "" {
					t.Error("entries of the step (-want +got)\n" + diff)
				}
			})
		}
	}
}

// withNil is writeXML of elements that may be nil.
func withNil(elements []oci.Element) string {
	var b strings.Builder
	for _, e := range elements {
		if e.Nil {
			b.WriteString("<" + e.Name + " nil/>")
		} else {
			b.WriteString(writeXML([]oci.Element{e}))
		}
	}
	return b.String()
}

func TestEntriesNotAvailableToAUser(t *testing.T) {
	const others = "+32-26127010|+32-26127019|other@sip.netaxis.be||||||||||true|"
	listed := table("numberRangeSummaryTable", numberColumns, "+32-26127000|+32-26127002|"+testUserID+"||||||||||true|",
		"+32-26127007|+32-26127009|||||||||||true|", others)
	for name, test := range map[string]struct {
		body    string
		entries []string
		want    string
	}{
		"a range that is not listed":            {`{"numbers":[{"minPhoneNumber":"+3226127000"},{"minPhoneNumber":"+32 1"}]}`, []string{"+32 1"}, "/numbers/1/minPhoneNumber %s."},
		"a part of a range":                     {`{"numbers":[{"minPhoneNumber":"+3226127008"}]}`, []string{"+3226127008"}, "/numbers/0/minPhoneNumber %s."},
		"another user's":                        {`{"numbers":[{"minPhoneNumber":"+3226127010"}]}`, []string{"+3226127010"}, "/numbers/0/minPhoneNumber is assigned to another user."},
		"another end of a range that they have": {`{"numbers":[{"minPhoneNumber":"+3226127000","maxPhoneNumber":"+3226127001"}]}`, []string{"+3226127000"}, "/numbers/0/maxPhoneNumber is not the end of its range, which ends at +3226127002."},
		"another end of a new range":            {`{"numbers":[{"minPhoneNumber":"+3226127007","maxPhoneNumber":"+3226127008"}]}`, []string{"+3226127007"}, "/numbers/0/maxPhoneNumber is not the end of its range, which ends at +3226127009."},
		"several, of which some are available":  {`{"numbers":[{"minPhoneNumber":"+3226127010"},{"minPhoneNumber":"+3226127007"},{"minPhoneNumber":"+321"}],"` + emergency + `":true}`, []string{"+3226127010", "+321"}, "/numbers/0/minPhoneNumber is assigned to another user; /numbers/2/minPhoneNumber %s."},
	} {
		for mode, reason := range map[string]string{"": "is not assigned to this group", inEnterprise: "is not the start of a number range that the tenant has"} {
			t.Run(name+mode, func(t *testing.T) {
				p := newPlatform(t)
				p.Answers[ownNumbers] = answer(ownNumbers, listed)
				if mode != "" {
					p.Answers[tenantGet], p.Answers[enterpriseNumbers] = answer(tenantGet, mode), answer(enterpriseNumbers, listed)
				}
				plan, err := planned(t, p.service(longTTL).SetUser(), testUser, test.body)
				if code(t, err, errcode.NotAvailableForAssignment); plan != nil {
					t.Errorf("got %+v with the error", plan)
				}
				apiError := errcode.Of(err)
				if diff := cmp.Diff(test.entries, apiError.Entries); diff != "" || apiError.Message != "The number range or prefix provided is not available to this user." {
					t.Errorf("%q, entries (-want +got)\n%s", apiError.Message, diff)
				}
				apiError.Message = ""
				if want := strings.ReplaceAll(test.want, "%s", reason); apiError.Text() != want {
					t.Errorf("got  %s\nwant %s", apiError.Text(), want)
				}
			})
		}
	}
}

// A platform between two states shows contradicting lists. No change is planned then,
// whether the entry would stay, be removed or be added.
func TestListsThatContradictWhatAUserHas(t *testing.T) {
	const start = "+32-26127007"
	list := func(rows ...string) string {
		return table("numberRangeSummaryTable", "Number Range Start|User Id", append(rows, "+32-1|"+testUserID, "+32-2|")...)
	}
	for name, test := range map[string]struct {
		has         bool
		list        string
		contradicts bool // if the entry is desired, or was the user's
	}{
		"theirs in both":               {true, list(start + "|" + testUserID), false},
		"free in both":                 {false, list(start + "|"), false},
		"theirs, and free":             {true, list(start + "|"), true},
		"theirs, and another's":        {true, list(start + "|other@sip.netaxis.be"), true},
		"theirs, but not listed":       {true, list(), true},
		"theirs in the list alone":     {false, list("+3226127007|" + testUserID), true},
		"theirs by the spelling alone": {true, list("+3226127007|" + testUserID), false},
	} {
		for body, concerns := range map[string]bool{
			`{"numbers":[{"minPhoneNumber":"+321"},{"minPhoneNumber":"+32 26127007"}]}`: true,
			`{"numbers":[{"minPhoneNumber":"+321"}]}`:                                   test.has,
			`{"numbers":[{"minPhoneNumber":"+321"},{"minPhoneNumber":"+322"}]}`:         test.has,
			`{"numbers":[]}`:               false, // the list is not read
			`{"` + emergency + `":true}`:   false,
			`{"prefixes":[],"numbers":[]}`: false,
		} {
			for _, mode := range []string{"", inEnterprise} {
				t.Run(name+" "+body+mode, func(t *testing.T) {
					p := newPlatform(t)
					theirs := []string{"+32-1||true|"}
					if test.has {
						theirs = append(theirs, start+"||true|")
					}
					p.Answers[userGet] = answer(userGet, settings+userNumbers(theirs...)+userPrefixes())
					p.Answers[ownNumbers] = answer(ownNumbers, test.list)
					if mode != "" {
						p.Answers[tenantGet], p.Answers[enterpriseNumbers] = answer(tenantGet, mode), answer(enterpriseNumbers, test.list)
					}
					plan, err := planned(t, p.service(options{}).SetUser(), testUser, body)
					if !test.contradicts || !concerns {
						if err != nil {
							t.Errorf("got %v", err)
						}
						return
					}
					if code(t, err, errcode.PlatformError); plan != nil || err == nil || !strings.Contains(err.Error(), `"+3226127007"`) {
						t.Errorf("got %+v, %v", plan, err)
					}
				})
			}
		}
	}
}

// Only the list of the tenant's mode is used. It must have the column of users.
func TestUnusableListsForAChangeOfAUser(t *testing.T) {
	const body = `{"numbers":[{"minPhoneNumber":"+3226127007"}]}`
	for name, test := range map[string]struct {
		answers map[string]string
		want    *errcode.Code
	}{
		"it is refused":                   {map[string]string{ownNumbers: refusal("Error", 4999, "no")}, errcode.PlatformError},
		"it is refused in an enterprise":  {map[string]string{tenantGet: answer(tenantGet, inEnterprise)}, errcode.PlatformError},
		"it has no users":                 {map[string]string{ownNumbers: answer(ownNumbers, table("numberRangeSummaryTable", "Number Range Start|Number Range End", "+3226127007|+3226127009"))}, errcode.PlatformError},
		"it has the range twice":          {map[string]string{ownNumbers: answer(ownNumbers, table("numberRangeSummaryTable", "Number Range Start|User Id", "+3226127007|", "+32-26127007|x"))}, errcode.PlatformError},
		"the user has a range twice":      {map[string]string{userGet: answer(userGet, settings+userNumbers("+321||true|", "+32-1||true|")+userPrefixes())}, errcode.PlatformError},
		"it has a row without a start":    {map[string]string{ownNumbers: answer(ownNumbers, table("numberRangeSummaryTable", "Number Range Start|User Id", "+3226127007|", "|"))}, errcode.PlatformError},
		"the platform has no such column": {map[string]string{ownNumbers: answer(ownNumbers, table("numberRangeSummaryTable", "User Id", ""))}, errcode.PlatformError},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			maps.Copy(p.Answers, test.answers)
			plan, err := planned(t, p.service(options{}).SetUser(), testUser, body)
			if code(t, err, test.want); plan != nil {
				t.Errorf("got %+v with the error", plan)
			}
		})
	}
}

// The condition is compared with the tag of a read of the user, before the entries of
// the body are checked.
func TestChangesOfAUserUnderACondition(t *testing.T) {
	p := newPlatform(t)
	service := p.service(longTTL)
	object, err := service.User().Read(t.Context(), testUser, nil)
	if err != nil {
		t.Fatal(err)
	}
	const unknown = `{"numbers":[{"minPhoneNumber":"+1"}]}`
	for body, test := range map[string]struct{ same, other *errcode.Code }{
		`{"` + emergency + `":true}`: {nil, errcode.PreconditionFailed},
		unknown:                      {errcode.NotAvailableForAssignment, errcode.PreconditionFailed},
	} {
		for tag, want := range map[string]*errcode.Code{object.ETag(): test.same, `"other"`: test.other} {
			draft, err := service.SetUser().Decode(testUser, []byte(body))
			if err != nil {
				t.Fatal(err)
			}
			draft.IfMatch = func(present string) bool { return present == tag }
			plan, err := service.SetUser().Plan(t.Context(), draft)
			if want == nil {
				if err != nil || len(plan.Steps) != 1 {
					t.Errorf("got %+v, %v", plan, err)
				}
				continue
			}
			if code(t, err, want); plan != nil {
				t.Errorf("got %+v with the error", plan)
			}
		}
	}
}

// A refusal of the change has the message of the context or of the change.
func TestRefusedChangesOfAUser(t *testing.T) {
	plan, err := planned(t, newPlatform(t).service(options{}).SetUser(), testUser, `{"`+emergency+`":true}`)
	if err != nil {
		t.Fatal(err)
	}
	for number, want := range map[int]errorSummary{
		4410: {Code: "SERVICE_NOT_ASSIGNED", Text: "The service is not assigned to this user."},
		4008: {Code: "USER_NOT_FOUND", Text: "There is no such user in this group."},
		4777: {Code: "NOT_AVAILABLE_FOR_ASSIGNMENT", Text: "The number range or prefix provided is not available to this user."},
	} {
		table := translate.NewPlatformErrors(map[int]*errcode.Code{4777: errcode.NotAvailableForAssignment})
		got := summarize(t, table.WriteResult(plan, plan.Steps[0], one(t, refusal("Error", number, "no"))))
		if got.Code != want.Code || got.Text != want.Text {
			t.Errorf("%d: %+v", number, got)
		}
	}
}
