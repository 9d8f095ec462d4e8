package itc_test

// This file specifies how a change of a user is read back. A new case is an entry
// of a table with the lists of the platform.

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
)

// observedOfUser reads back entries of a change of the user, each a kind, a key and
// the word of the value after the change, with "|" between them.
func observedOfUser(t *testing.T, p *platform, entries ...string) (*translate.Comparison, error) {
	t.Helper()
	var asked []translate.Entry
	for _, text := range entries {
		parts := strings.Split(text, "|")
		asked = append(asked, translate.Entry{Kind: parts[0], Key: parts[1], After: value(parts[2])})
	}
	return translate.NewObservers(p.service(longTTL).Observer()).Compare(t.Context(), testUser, asked)
}

const screened = "user_setting|" + testUserID + " " + isScreened

func TestAllEntriesOfAUserAreReadInOneDocument(t *testing.T) {
	p := newPlatform(t)
	_, err := observedOfUser(t, p, screened+"|true", "numbers|+3226127000|theirs", "prefixes|+3201|free", "numbers|+3226127007|free",
		"user_setting|"+testUserID+" "+emergency+"|false")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{inUserContext + userGet + userNumbersRead + userPrefixesRead}
	if diff := cmp.Diff(want, p.Asked); diff != "" {
		t.Error("(-want +got)\n" + diff)
	}
}

func TestObservedEntriesOfAUser(t *testing.T) {
	type effect = translate.Effect
	const key = "+3226127000"
	list := func(users ...string) string {
		var rows []string
		for _, user := range users {
			rows = append(rows, "+32-26127000|"+user)
		}
		return table("numberRangeSummaryTable", "Number Range Start|User Id", append(rows, "+3299|other")...)
	}
	for name, test := range map[string]struct {
		has             bool
		list            string
		assigned, taken effect // for an entry that was to be theirs, or free
	}{
		"theirs in both":                     {has: true, list: list(testUserID), assigned: effect{Seen: true, Clear: true}, taken: effect{Clear: true}},
		"free in both":                       {list: list(""), assigned: effect{Clear: true}, taken: effect{Seen: true, Clear: true}},
		"theirs, but not listed":             {has: true, list: list(), assigned: effect{Seen: true}},
		"theirs, and another's":              {has: true, list: list("other"), assigned: effect{Seen: true}},
		"theirs, and free":                   {has: true, list: list(""), assigned: effect{Seen: true}},
		"not theirs, but listed as theirs":   {list: list(testUserID), taken: effect{Seen: true}},
		"another's":                          {list: list("other"), taken: effect{Seen: true}},
		"not listed any more":                {list: list(), taken: effect{Seen: true}},
		"another user's with a similar name": {list: list("x" + testUserID), taken: effect{Seen: true}},
	} {
		for _, mode := range []string{"", inEnterprise} {
			t.Run(name+mode, func(t *testing.T) {
				p := newPlatform(t)
				p.Answers[userGet] = answer(userGet, settings+userNumbers("+3298|||")+userPrefixes())
				if test.has {
					p.Answers[userGet] = answer(userGet, settings+userNumbers("+32 26-127000|||")+userPrefixes())
				}
				p.Answers[ownNumbers] = answer(ownNumbers, test.list)
				if mode != "" {
					p.Answers[tenantGet], p.Answers[enterpriseNumbers] = answer(tenantGet, mode), answer(enterpriseNumbers, test.list)
					p.Answers[ownNumbers] = refusal("Error", 9910, "not for an enterprise")
				}
				got, err := observedOfUser(t, p, "numbers|"+key+"|theirs", "numbers|"+key+"|free")
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff([]effect{test.assigned, test.taken}, got.Effects); diff != "" {
					t.Error("(-want +got)\n" + diff)
				}
			})
		}
	}
}

func TestObservedSettingsOfAUser(t *testing.T) {
	got, err := observedOfUser(t, newPlatform(t), screened+"|true", screened+"|false", "user_setting|"+testUserID+" "+identity+"|true")
	if err != nil {
		t.Fatal(err)
	}
	want := []translate.Effect{{Clear: true}, {Seen: true, Clear: true}, {Seen: true, Clear: true}}
	if diff := cmp.Diff(want, got.Effects); diff != "" {
		t.Error("(-want +got)\n" + diff)
	}
	for _, key := range []string{testUserID + " nothing", "other@sip.netaxis.be " + isScreened, isScreened} {
		if got, err := observedOfUser(t, newPlatform(t), "user_setting|"+key+"|true"); err == nil {
			t.Errorf("%s: got %+v", key, got)
		}
	}
}

// A user who does not exist has nothing, which is not clear. A user in another group,
// or without the service, may still have the entries, so their values are unknown.
func TestObserveOfAUserOutsideTheContext(t *testing.T) {
	for name, test := range usersOutsideContext() {
		for answered, gone := range map[string]string{
			"with a reply": "", "and is unknown": refusal("Error", 4008, "no"), "and has no service": refusal("Error", 4410, "no"),
			"with a refusal": refusal("Error", 4999, "no"),
		} {
			t.Run(name+" "+answered, func(t *testing.T) {
				p := newPlatform(t)
				maps.Copy(p.Answers, test.answers)
				if gone != "" {
					p.Answers[userGet] = gone
				}
				for _, entries := range [][]string{{"numbers|+3226127000|theirs", "prefixes|+3201|free"}, {screened + "|false", screened + "|true"}} {
					got, err := observedOfUser(t, p, entries...)
					if test.want == errcode.PlatformError || answered != "and is unknown" {
						if err == nil || got != nil {
							t.Errorf("%v: got %+v, %v", entries, got, err)
						}
						continue
					}
					if err != nil {
						t.Fatalf("%v: %v", entries, err)
					}
					want := []translate.Effect{{}, {Seen: entries[1] == "prefixes|+3201|free"}}
					if diff := cmp.Diff(want, got.Effects); diff != "" {
						t.Errorf("%v (-want +got)\n%s", entries, diff)
					}
				}
			})
		}
	}
}

func TestObserveOfAUserFailsIfAListCannotBeRead(t *testing.T) {
	for name, answers := range map[string]map[string]string{
		"the user is refused":           {userGet: refusal("Error", 4999, "no")},
		"the user is removed":           {userGet: refusal("Error", 4410, "not assigned")},
		"the list is refused":           {ownNumbers: refusal("Error", 4999, "no")},
		"the list has no users":         {ownNumbers: answer(ownNumbers, table("numberRangeSummaryTable", "Number Range Start", "+3226127000"))},
		"a row of the list has no name": {ownNumbers: withRow(newPlatform(t).Answers[ownNumbers], "-", false)},
		"a range of the user has none":  {userGet: answer(userGet, settings+userNumbers("+|||")+userPrefixes())},
		"the enterprise is refused":     {tenantGet: answer(tenantGet, inEnterprise)},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			maps.Copy(p.Answers, answers)
			if got, err := observedOfUser(t, p, "numbers|+3226127000|theirs"); err == nil || got != nil {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	p := newPlatform(t)
	p.Err[userGet] = oci.ErrBusy
	for _, entry := range []string{"numbers|+3226127000|theirs", screened + "|true"} {
		if _, err := observedOfUser(t, p, entry); !errors.Is(err, oci.ErrBusy) {
			t.Errorf("%s: %v", entry, err)
		}
	}
}

// A release without prefixes has none of them assigned.
func TestAUserOfAReleaseWithoutPrefixes(t *testing.T) {
	p := newPlatform(t)
	p.Answers[userGet] = answer("UserRouteListGetRequest", settings+table("assignedNumberRangeTable", "Number Range Start|Number Range End|Is Active", "+32-26127000|+32-26127002|true"))
	service := p.service(options{})
	plan, err := planned(t, service.SetUser(), testUser, `{"prefixes":[],"numbers":[{"minPhoneNumber":"+3226127000"}]}`)
	if err != nil || len(plan.Steps) > 0 {
		t.Errorf("got %+v, %v", plan, err)
	}
	got, err := observedOfUser(t, p, "numbers|+3226127000|theirs", "prefixes|+3201|theirs")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]translate.Effect{{Seen: true, Clear: true}, {}}, got.Effects); diff != "" {
		t.Error("(-want +got)\n" + diff)
	}
}
