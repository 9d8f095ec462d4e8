package itc_test

// This file specifies what is observed of a group that is not in its context any
// more. A new way to be absent is an entry of the first table.

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

// An absence is a way in which a group is not in the context.
type absence struct {
	said    bool // by a reply that reports it, and not by a refusal
	gone    bool // there is no such group
	answers map[string]string
}

func missing() map[string]absence {
	strange := refusal("Error", 4999, "strange")
	noTenants := answer(tenantList, table("serviceProviderTable", "Service Provider Id|Service Provider Name"))
	noGroups := answer(groupList, table("groupTable", "Group Id|Group Name|User Limit"))
	return map[string]absence{
		"the tenant is in Enterprise mode":     {true, false, map[string]string{tenantGet: answer(tenantGet, `<isEnterprise>true</isEnterprise>`)}},
		"the service is taken away":            {true, false, map[string]string{authorization: answer(authorization, `<authorized>false</authorized>`)}},
		"the service is missing by its number": {false, false, map[string]string{authorization: refusal("Error", 4410, "not assigned")}},
		"the tenant is not listed":             {false, true, map[string]string{tenantGet: strange, authorization: strange, tenantList: noTenants}},
		"the group is not listed":              {false, true, map[string]string{authorization: strange, groupList: noGroups}},
		"the group is missing by its number":   {false, true, map[string]string{authorization: refusal("Error", 4152, "Group not found")}},
	}
}

// An account without rights is not shown entries that exist, and a platform may keep
// what a group without the service has. So nothing is known if the group's list is
// refused, unless the reason is that there is no such group, or the entry is free.
func TestObserveOfAGroupThatIsNotInTheContext(t *testing.T) {
	for why, missing := range missing() {
		for what, test := range map[string]struct {
			reply string
			none  bool // that there is no such group
			busy  bool // so that the list of what is free is not used
		}{
			"lists refused because the service is missing":           {reply: refusal("Error", 4410, "not assigned")},
			"lists refused because the group is missing":             {reply: refusal("Error", 4152, "Group not found"), none: true},
			"lists refused with an unknown number":                   {reply: refusal("Error", 4999, "strange")},
			"lists refused for lack of rights":                       {reply: refusal("Error", 5404, "Unauthorized transaction")},
			"lists that are temporarily unavailable":                 {reply: refusal("Error", 4999, "Server Connection Failure"), busy: true},
			"lists that are unavailable by a number of the operator": {reply: refusal("Error", 4977, "busy"), busy: true},
			"lists refused because of the schema":                    {reply: refusal("Error", 6004, "XML")},
			"a warning for the list":                                 {reply: refusal("Warning", 4999, "strange")},
		} {
			for name, l := range lists {
				t.Run(name+" when "+why+" and "+what, func(t *testing.T) {
					p := newPlatform(t)
					maps.Copy(p.Answers, missing.answers)
					p.Answers[l.own], p.Answers[l.free] = test.reply, test.reply
					busy := options{PlatformErrors: translate.NewPlatformErrors(map[int]*errcode.Code{4977: errcode.PlatformBusy})}
					observe := func(keys ...string) (*translate.Comparison, error) {
						return observed(t.Context(), p.service(busy), name, testGroup, keys)
					}
					removes := strings.HasPrefix(name, "remove")
					want := func(keys []string, effects ...translate.Effect) {
						t.Helper()
						got, err := observe(keys...)
						if len(effects) == 0 {
							if err == nil || got != nil {
								t.Errorf("%v: got %+v, %v", keys, got, err)
							}
							return
						}
						if err != nil {
							t.Fatalf("%v: %v", keys, err)
						}
						if diff := cmp.Diff(effects, got.Effects); diff != "" {
							t.Errorf("%v (-want +got)\n%s", keys, diff)
						}
					}
					if missing.gone && test.none {
						want([]string{"+3201", "+3209"}, translate.Effect{Seen: removes}, translate.Effect{Seen: removes})
						return
					}
					want([]string{"+3201"})
					p.Answers[l.free] = listing(l.free, "true|+32-01")
					if test.busy {
						want([]string{"+3201"})
						return
					}
					want([]string{"+3201"}, translate.Effect{Seen: removes, Clear: true})
					want([]string{"+3201", "+3209"}) // which is not free
				})
			}
		}
	}
}

// If the lists are answered, their entries are observed.
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
						t.Errorf("got %+v with the error", got)
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

// The lists of both kinds must be refused because the group is missing. The operator
// may configure the number of that refusal.
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
		t.Errorf("by an unknown number: got %+v, %v", got, err)
	}
	for _, command := range []string{ownNumbers, ownPrefixes} {
		p.Answers[command] = strange
		if got, err := translate.NewObservers(p.service(known).Observer()).Compare(t.Context(), testGroup, entries); err == nil || got != nil {
			t.Errorf("%s is refused for another reason: got %+v, %v", command, got, err)
		}
		p.Answers[command] = noTenant
	}
}

// The number of the refusal for a missing tenant is not public. Unless the operator
// configures it, it may mean that the account of the gateway has lost its rights.
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
