package itc_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/itc"
	"ocigate/translate/scope"
)

// missing are the ways in which a group is not in the context, by what the platform
// answers then. said reports that it is an answer that says so, and not a refusal.
func missing() map[string]struct {
	said    bool
	answers map[string]string
} {
	strange := refusal("Error", 4999, "strange")
	noTenants := answer(tenantList, table("serviceProviderTable", "Service Provider Id|Service Provider Name"))
	noGroups := answer(groupList, table("groupTable", "Group Id|Group Name|User Limit"))
	type way = struct {
		said    bool
		answers map[string]string
	}
	return map[string]way{
		"the tenant is in Enterprise mode":     {true, map[string]string{tenantGet: answer(tenantGet, `<isEnterprise>true</isEnterprise>`)}},
		"the service is taken away":            {true, map[string]string{authorization: answer(authorization, `<authorized>false</authorized>`)}},
		"the service is missing by its number": {false, map[string]string{authorization: refusal("Error", 4410, "not assigned")}},
		"the tenant is not listed":             {false, map[string]string{tenantGet: strange, authorization: strange, tenantList: noTenants}},
		"the group is not listed":              {false, map[string]string{authorization: strange, groupList: noGroups}},
		"the group is gone by its number":      {false, map[string]string{authorization: refusal("Error", 4152, "Group not found")}},
	}
}

// What an account without rights is not shown may be there all the same: only what the
// platform says, or gives as the reason of every refusal, is known.
func TestObserveOfAGroupThatIsNotInTheContext(t *testing.T) {
	for why, missing := range missing() {
		for what, test := range map[string]struct {
			reply   string
			means   bool // that there is nothing
			trouble bool // of the platform's, which says nothing of the group
		}{
			"lists of no service":    {reply: refusal("Error", 4410, "not assigned"), means: true},
			"lists of no group":      {reply: refusal("Error", 4152, "Group not found"), means: true},
			"strange lists":          {reply: refusal("Error", 4999, "strange")},
			"lists without right":    {reply: refusal("Error", 5404, "Unauthorized transaction")},
			"lists that come later":  {reply: refusal("Error", 4999, "Server Connection Failure"), trouble: true},
			"lists of another form":  {reply: refusal("Error", 6004, "XML")},
			"a warning for the list": {reply: refusal("Warning", 4999, "strange")},
		} {
			for name, l := range lists {
				t.Run(name+" when "+why+" and "+what, func(t *testing.T) {
					p := newPlatform(t)
					maps.Copy(p.Answers, missing.answers)
					p.Answers[l.own], p.Answers[l.free] = test.reply, test.reply
					got, err := observed(t.Context(), p.service(options{}), name, testGroup, []string{"+3201", "+3209"})
					if test.trouble || !test.means && !missing.said {
						if err == nil || got != nil {
							t.Errorf("got %+v, %v", got, err)
						}
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					effect := translate.Effect{Seen: strings.HasPrefix(name, "remove")}
					if diff := cmp.Diff([]translate.Effect{effect, effect}, got.Effects); diff != "" {
						t.Error("(-want +got)\n" + diff)
					}
				})
			}
		}
	}
}

// Where the lists are answered, what they say of the group is not nothing.
func TestObserveOfAGroupThatIsNotInTheContextButListed(t *testing.T) {
	for why, missing := range missing() {
		for name, l := range lists {
			t.Run(name+" when "+why, func(t *testing.T) {
				p := newPlatform(t)
				maps.Copy(p.Answers, missing.answers)
				p.Answers[l.own], p.Answers[l.free] = listing(l.own, "true|+32-01"), listing(l.free, "true|+32-03")
				observe := func() (*translate.Comparison, error) {
					return observed(t.Context(), p.service(options{}), name, testGroup, []string{"+3201", "+3202", "+3203"})
				}
				got, err := observe()
				if !missing.said {
					if code(t, err, errcode.PlatformError); got != nil {
						t.Errorf("got %+v beside the error", got)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				removes := strings.HasPrefix(name, "remove")
				want := []translate.Effect{{Seen: !removes, Clear: true}, {Seen: removes}, {Seen: removes, Clear: true}}
				if diff := cmp.Diff(want, got.Effects); diff != "" {
					t.Error("(-want +got)\n" + diff)
				}
				p.Answers[l.free] = refusal("Error", 4410, "not assigned")
				if got, err := observe(); err == nil || got != nil {
					t.Errorf("of one list: got %+v, %v", got, err)
				}
			})
		}
	}
}

// Both kinds must be said to be missing, and an operator may know the number that says so.
func TestObserveOfSeveralKindsInAGroupThatIsNotThere(t *testing.T) {
	entries := []translate.Entry{
		{Kind: "prefixes", Key: "+3201", After: json.RawMessage(`{"groupId":null}`)}, {Kind: "numbers", Key: "+3226127000", After: json.RawMessage(`{"groupId":"ApioGrpTest"}`)},
	}
	noTenant, strange := refusal("Error", 9902, "Service provider not found"), refusal("Error", 4999, "strange")
	p := newPlatform(t)
	known := options{PlatformErrors: translate.NewPlatformErrors(map[int]*errcode.Code{9902: errcode.TenantNotFound})}
	for _, command := range []string{tenantGet, authorization, ownNumbers, tenantNumbers, ownPrefixes, tenantPrefixes} {
		p.Answers[command] = noTenant
	}
	p.Answers[tenantList] = answer(tenantList, table("serviceProviderTable", "Service Provider Id"))
	got, err := translate.NewObservers(p.service(known).Observer()).Compare(t.Context(), testGroup, entries)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]translate.Effect{{Seen: true}, {}}, got.Effects); diff != "" {
		t.Error("(-want +got)\n" + diff)
	}
	if got, err := translate.NewObservers(p.service(options{}).Observer()).Compare(t.Context(), testGroup, entries); err == nil || got != nil {
		t.Errorf("by a number that nobody knows: got %+v, %v", got, err)
	}
	for _, command := range []string{ownNumbers, ownPrefixes} {
		p.Answers[command] = strange
		if got, err := translate.NewObservers(p.service(known).Observer()).Compare(t.Context(), testGroup, entries); err == nil || got != nil {
			t.Errorf("%s is refused for another reason: got %+v, %v", command, got, err)
		}
		p.Answers[command] = noTenant
	}
}

// The number by which the platform says that there is no such tenant is not public.
// Unless the operator knows it, the account of the gateway may only have lost its rights.
func TestObserveOfTheSimulatedPlatformInATenantThatIsNotThere(t *testing.T) {
	simulated(t, func(t *testing.T, client *oci.Client, service *itc.Service) {
		gone := scope.Target{TenantID: "gone", GroupID: "ApioGrpTest"}
		if got, err := observed(t.Context(), service, "assign numbers", gone, []string{"+3225126999"}); err == nil || got != nil {
			t.Errorf("got %+v, %v", got, err)
		}
		known := options{PlatformErrors: translate.NewPlatformErrors(map[int]*errcode.Code{9902: errcode.TenantNotFound})}
		got, err := observed(t.Context(), known.service(t, client), "assign numbers", gone, []string{"+3225126999"})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]translate.Effect{{}}, got.Effects); diff != "" {
			t.Error("(-want +got)\n" + diff)
		}
	})
}
