package itc_test

// This file specifies how changes of a group are read back, with prepared replies
// and with the simulated platform. A new case is an entry of a table with the two
// lists.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci"
	"ocigate/oci/ocisim"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/itc"
	"ocigate/translate/scope"
)

// lists are the two lists by which a change is read back, by its name in this test.
var lists = map[string]struct{ own, free string }{
	"assign numbers":  {ownNumbers, tenantNumbers},
	"remove numbers":  {ownNumbers, tenantNumbers},
	"assign prefixes": {ownPrefixes, tenantPrefixes},
	"remove prefixes": {ownPrefixes, tenantPrefixes},
}

// listing returns the platform's reply to a command that lists those entries,
// each an Is Active and a spelling.
func listing(command string, entries ...string) string {
	form := map[string]struct{ table, heading string }{
		ownNumbers:     {"numberRangeSummaryTable", "Number Range Start"},
		tenantNumbers:  {"availableNumberRangeTable", "Number Range Start"},
		ownPrefixes:    {"numberPrefixSummaryTable", "Number Prefix"},
		tenantPrefixes: {"availableNumberPrefixTable", "Number Prefix"},
	}[command]
	return answer(command, table(form.table, "Is Active|"+form.heading, entries...))
}

// observed reads back a change, by its name in this test, of entries of which only
// the keys are known.
func observed(ctx context.Context, service *itc.Service, change string, target scope.Target, keys []string) (*translate.Comparison, error) {
	direction, kind, _ := strings.Cut(change, " ")
	after := `{"groupId":null}`
	if direction == "assign" {
		after = fmt.Sprintf(`{"groupId":%q}`, target.GroupID)
	}
	entries := make([]translate.Entry, len(keys))
	for i, key := range keys {
		entries[i] = translate.Entry{Kind: kind, Key: key, After: json.RawMessage(after)}
	}
	return translate.NewObservers(service.Observer()).Compare(ctx, target, entries)
}

func TestObserveReadsBothListsInOneDocument(t *testing.T) {
	const tenant = "<serviceProviderId>ApioSpTest</serviceProviderId>"
	const ids = tenant + "<groupId>ApioGrpTest</groupId>"
	for name, l := range lists {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			if _, err := observed(t.Context(), p.service(options{}), name, testGroup, []string{"+3201"}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{inContext + l.own + "+" + l.free}, p.Asked); diff != "" {
				t.Error("(-want +got)\n" + diff)
			}
			var got []string
			for _, command := range p.Sent {
				got = append(got, writeXML(command.Elements()))
			}
			want := []string{tenant, ids + "<userServiceName>Route List</userServiceName>", ids, tenant}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error("(-want +got)\n" + diff)
			}
		})
	}
}

func TestObservedValueOfAnEntry(t *testing.T) {
	const key = "+3225127000"
	for where, test := range map[string]struct {
		own, free        []string
		assigned, remove translate.Effect
	}{
		"in the group's list":     {[]string{"true|+32-25127000"}, nil, translate.Effect{Seen: true, Clear: true}, translate.Effect{Seen: false, Clear: true}},
		"in the tenant's list":    {nil, []string{"true|+32-25127000"}, translate.Effect{Seen: false, Clear: true}, translate.Effect{Seen: true, Clear: true}},
		"in both lists":           {[]string{"true|+32-25127000"}, []string{"true|+32-25127000"}, translate.Effect{Seen: true}, translate.Effect{Seen: false}},
		"in neither list":         {nil, nil, translate.Effect{Seen: false}, translate.Effect{Seen: true}},
		"spelled without a dash":  {[]string{"true|+3225127000"}, nil, translate.Effect{Seen: true, Clear: true}, translate.Effect{Seen: false, Clear: true}},
		"spelled in several ways": {[]string{"true|+32 25-12 7000"}, []string{"true|+32-2-5127000"}, translate.Effect{Seen: true}, translate.Effect{Seen: false}},
		"without its plus":        {[]string{"true|32-25127000"}, []string{"true|3225127000"}, translate.Effect{Seen: false}, translate.Effect{Seen: true}},
		"between other entries": {[]string{"true|+32-25127", "true|+32-25127000", "true|+32-251270000"}, []string{"true|+32-25127001", "false|+32-25126999"},
			translate.Effect{Seen: true, Clear: true}, translate.Effect{Seen: false, Clear: true}},
		"although it is not active": {nil, []string{"false|+32-25127000"}, translate.Effect{Seen: false, Clear: true}, translate.Effect{Seen: true, Clear: true}},
	} {
		for name, l := range lists {
			t.Run(name+" "+where, func(t *testing.T) {
				p := newPlatform(t)
				p.Answers[l.own], p.Answers[l.free] = listing(l.own, test.own...), listing(l.free, test.free...)
				got, err := observed(t.Context(), p.service(options{}), name, testGroup, []string{key})
				if err != nil {
					t.Fatal(err)
				}
				want := test.assigned
				if strings.HasPrefix(name, "remove") {
					want = test.remove
				}
				if diff := cmp.Diff([]translate.Effect{want}, got.Effects); diff != "" {
					t.Error("(-want +got)\n" + diff)
				}
			})
		}
	}
}

func TestObservedValuesAreInTheOrderOfTheEntries(t *testing.T) {
	t.Run("many", func(t *testing.T) {
		const count = 3000
		var keys, own, free []string
		want := make([]translate.Effect, count)
		for i := range count {
			keys = append(keys, fmt.Sprintf("+32%07d", i))
			row := fmt.Sprintf("true|+32-%07d", i)
			switch i % 3 {
			case 0:
				own = append(own, row)
				want[i] = translate.Effect{Seen: true, Clear: true}
			case 1:
				free = append(free, row)
				want[i] = translate.Effect{Clear: true}
			}
		}
		slices.Reverse(own)
		p := newPlatform(t)
		p.Answers[ownNumbers], p.Answers[tenantNumbers] = listing(ownNumbers, own...), listing(tenantNumbers, free...)
		got, err := observed(t.Context(), p.service(options{}), "assign numbers", testGroup, keys)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got.Effects); diff != "" {
			t.Error("(-want +got)\n" + diff)
		}
	})
	t.Run("one twice", func(t *testing.T) {
		got, err := observed(t.Context(), newPlatform(t).service(options{}), "remove prefixes", testGroup, []string{"+3209", "+3201", "+3209"})
		if err != nil {
			t.Fatal(err)
		}
		want := []translate.Effect{{Seen: true}, {Clear: true}, {Seen: true}} // +32-09 is in neither of the prepared lists
		if diff := cmp.Diff(want, got.Effects); diff != "" {
			t.Error("(-want +got)\n" + diff)
		}
	})
	t.Run("none", func(t *testing.T) {
		got, err := observed(t.Context(), newPlatform(t).service(options{}), "remove prefixes", testGroup, nil)
		if err != nil || len(got.Effects) != 0 {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

func TestObserveFailsIfAListCannotBeRead(t *testing.T) {
	for name, l := range lists {
		for why, test := range map[string]struct {
			answers map[string]string
			want    *errcode.Code
		}{
			"the group's list is refused":                {map[string]string{l.own: refusal("Error", 4999, "no")}, errcode.PlatformError},
			"the tenant's list is refused":               {map[string]string{l.free: refusal("Error", 4999, "no")}, errcode.PlatformError},
			"the service is removed between the replies": {map[string]string{l.own: refusal("Error", 4410, "not assigned")}, errcode.ServiceNotAssigned},
			"the group is removed between the replies":   {map[string]string{l.own: refusal("Error", 4152, "Group not found")}, errcode.GroupNotFound},
			"the group's list has no table":              {map[string]string{l.own: answer(l.own, "")}, errcode.PlatformError},
			"the tenant's list has no table":             {map[string]string{l.free: answer(l.free, "")}, errcode.PlatformError},
			"the group's list has no key column": {map[string]string{l.own: strings.NewReplacer("Number Range Start", "x", "Number Prefix", "x").Replace(listing(l.own, "true|+32-01"))},
				errcode.PlatformError},
			"the tenant's list has no key column": {map[string]string{l.free: strings.NewReplacer("Number Range Start", "x", "Number Prefix", "x").Replace(listing(l.free, "true|+32-01"))},
				errcode.PlatformError},
			"the tenant is refused but exists": {map[string]string{tenantGet: refusal("Error", 4999, "no"),
				tenantList: answer(tenantList, table("serviceProviderTable", "Service Provider Id", "ApioSpTest"))}, errcode.PlatformError},
			"the group is refused but exists": {map[string]string{authorization: refusal("Error", 4999, "no"),
				groupList: answer(groupList, table("groupTable", "Group Id", "ApioGrpTest"))}, errcode.PlatformError},
			"the gateway's account has no right":      {map[string]string{authorization: refusal("Error", 5404, "unauthorized")}, errcode.PlatformError},
			"the mode of the tenant is unreadable":    {map[string]string{tenantGet: answer(tenantGet, `<isEnterprise>maybe</isEnterprise>`)}, errcode.PlatformError},
			"the group's authorization is unreadable": {map[string]string{authorization: answer(authorization, "")}, errcode.PlatformError},
		} {
			t.Run(name+" when "+why, func(t *testing.T) {
				p := newPlatform(t)
				maps.Copy(p.Answers, test.answers)
				got, err := observed(t.Context(), p.service(options{}), name, testGroup, []string{"+3201"})
				code(t, err, test.want)
				if got != nil {
					t.Errorf("got %v with the error", got)
				}
			})
		}
	}
}

// A platform that is temporarily unavailable does not report that a group has nothing.
func TestObserveOfAGroupWithoutServiceDuringAnOutage(t *testing.T) {
	p := newPlatform(t)
	p.Answers[authorization] = answer(authorization, `<authorized>false</authorized>`)
	p.Answers[ownNumbers] = refusal("Error", 4999, "The service is temporarily unavailable")
	got, err := observed(t.Context(), p.service(options{}), "assign numbers", testGroup, []string{"+3201"})
	if err == nil || errcode.Of(err).Code != errcode.PlatformUnavailable {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestObserveWrapsReaderErrors(t *testing.T) {
	for _, command := range []string{tenantGet, ownNumbers, tenantNumbers, tenantList} {
		t.Run(command, func(t *testing.T) {
			p := newPlatform(t)
			p.Err[command] = oci.ErrBusy
			if command == tenantList {
				p.Answers[tenantGet] = refusal("Error", 9999, "what?")
			}
			got, err := observed(t.Context(), p.service(options{}), "assign numbers", testGroup, []string{"+1"})
			if !errors.Is(err, oci.ErrBusy) || got != nil {
				t.Errorf("got %v, %v", got, err)
			}
			if e, ok := errors.AsType[*errcode.Error](err); ok {
				t.Errorf("the code of the error is %s", e.Code.Name)
			}
		})
	}
}

func TestObserveDoesNotUseCachedContexts(t *testing.T) {
	p := newPlatform(t)
	service := p.service(longTTL)
	use := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	change := service.AssignPrefixes()
	use(observed(t.Context(), service, "assign prefixes", testGroup, []string{"+3201"}))
	use(planned(t, change, testGroup, goodBodies["assign prefixes"]))
	use(observed(t.Context(), service, "assign prefixes", testGroup, []string{"+3201"}))
	use(planned(t, change, testGroup, goodBodies["assign prefixes"]))
	const reading = inContext + ownPrefixes + "+" + tenantPrefixes
	want := []string{reading, inContext + tenantPrefixes, reading, tenantPrefixes}
	if diff := cmp.Diff(want, p.Asked); diff != "" {
		t.Error("(-want +got)\n" + diff)
	}
}

// FuzzObserve requires that both directions of a change read the same values in any
// two lists, and the same as a comparison of all spellings one by one. A list that
// has a row without digits is an error.
func FuzzObserve(f *testing.F) {
	f.Add("+32-01\n+32-02", "+32-03", "+32 01")
	f.Add("", "+3-2 01", "+3201")
	f.Add("3201\n\n+", "+32-01\n+3201", "+32-0-1")
	f.Fuzz(func(t *testing.T, own, free, given string) {
		rows := func(cells string) []string {
			if cells = strings.ReplaceAll(cells, "|", ""); cells == "" {
				return nil
			}
			return strings.Split("true|"+strings.ReplaceAll(cells, "\n", "\ntrue|"), "\n")
		}
		p := newPlatform(t)
		p.Answers[ownPrefixes], p.Answers[tenantPrefixes] = listing(ownPrefixes, rows(own)...), listing(tenantPrefixes, rows(free)...)
		service := p.service(options{})
		draft, err := service.AssignPrefixes().Decode(testGroup, fmt.Appendf(nil, `{"prefixes":[{"prefix":%q}]}`, given))
		if err != nil {
			t.Skip("not a prefix")
		}
		holds := func(cells string) bool {
			return slices.ContainsFunc(strings.Split(cells, "\n"), func(cell string) bool { return digits(cell) == digits(given) })
		}
		inOne := holds(own) != holds(free)
		whole := true
		for _, row := range append(rows(own), rows(free)...) {
			whole = whole && strings.ContainsAny(row, "0123456789")
		}
		for change, want := range map[string]translate.Effect{
			"assign prefixes": {Seen: holds(own), Clear: inOne},
			"remove prefixes": {Seen: !holds(own), Clear: inOne},
		} {
			got, err := observed(t.Context(), service, change, testGroup, []string{draft.Entries[0].Key})
			if !whole {
				code(t, err, errcode.PlatformError)
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]translate.Effect{want}, got.Effects); diff != "" {
				t.Errorf("%q in %q and %q (-want +got)\n%s", given, own, free, diff)
			}
		}
	})
}

// digits are the + and digits of a number.
func digits(number string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("+0123456789", r) {
			return r
		}
		return -1
	}, number)
}

// simulated runs a test in a bubble, on a client of a simulated platform that
// has the demonstration's seed.
func simulated(t *testing.T, test func(t *testing.T, client *oci.Client, service *itc.Service)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		platform, err := ocisim.New(ocisim.DemoSeed())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = platform.Close() }() // never fails
		client, err := oci.New(oci.Options{
			Endpoints: []oci.Endpoint{{Address: "platform.invalid:2208", UserID: "gateway", Password: "gateway-demo"}},
			Dial:      platform.Dial,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := client.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}()
		service := options{}.service(t, client)
		test(t, client, service)
	})
}

func TestChangesOfTheSimulatedPlatformAreSeen(t *testing.T) {
	for name, body := range map[string]string{
		"assign numbers":  `{"numbers":[{"minPhoneNumber":"+3225126999"},{"minPhoneNumber":"+3225127000","maxPhoneNumber":"+3225127999"}]}`,
		"remove numbers":  `{"numbers":[{"minPhoneNumber":"+3226127007"}]}`,
		"assign prefixes": `{"prefixes":[{"prefix":"+3203"}]}`,
		"remove prefixes": `{"prefixes":[{"prefix":"+32-02"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			simulated(t, func(t *testing.T, client *oci.Client, service *itc.Service) {
				change := changes(service)[name]
				plan, err := planned(t, change, testGroup, body)
				if err != nil {
					t.Fatal(err)
				}
				observe := func(want translate.Effect) {
					t.Helper()
					sight, err := translate.NewObservers(service.Observer()).Compare(t.Context(), testGroup, plan.Entries)
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(slices.Repeat([]translate.Effect{want}, len(plan.Entries)), sight.Effects); diff != "" {
						t.Error("(-want +got)\n" + diff)
					}
				}
				observe(translate.Effect{Seen: false, Clear: true})
				reply, err := client.Write(t.Context(), plan.Steps[0].Command, nil)
				if err != nil {
					t.Fatal(err)
				}
				if err := translate.NewPlatformErrors(nil).WriteResult(plan, plan.Steps[0], reply); err != nil {
					t.Fatal(err)
				}
				observe(translate.Effect{Seen: true, Clear: true})
				_, err = planned(t, change, testGroup, body)
				code(t, err, errcode.NotAvailableForAssignment)
			})
		})
	}
}

func TestObserveOfTheSimulatedPlatform(t *testing.T) {
	nothing, free := &translate.Effect{}, &translate.Effect{Clear: true}
	for name, test := range map[string]struct {
		group scope.Target
		key   string
		want  *translate.Effect // nil if Compare fails
	}{
		"has no clear value for an entry of another group":    {testGroup, "+3225129000", nothing},
		"has no clear value for an entry that does not exist": {testGroup, "+3225120000", nothing},
		"finds a free entry without the service":              {scope.Target{TenantID: "ApioSpTest", GroupID: "ApioGrpNoService"}, "+3225126999", free},
		"fails for a group without the service":               {scope.Target{TenantID: "ApioSpTest", GroupID: "ApioGrpNoService"}, "+3225129000", nil},
		"has no clear value in a missing group":               {scope.Target{TenantID: "ApioSpTest", GroupID: "gone"}, "+3225126999", nothing},
		"fails in an enterprise":                              {scope.Target{TenantID: "ApioEntTest", GroupID: "ApioEntGrpTest"}, "+3223331000", nil},
		"finds a free entry":                                  {testGroup, "+3225126999", free},
		"finds an entry of the group":                         {testGroup, "+3226127000", &translate.Effect{Seen: true, Clear: true}},
	} {
		t.Run(name, func(t *testing.T) {
			simulated(t, func(t *testing.T, _ *oci.Client, service *itc.Service) {
				got, err := observed(t.Context(), service, "assign numbers", test.group, []string{test.key})
				if test.want == nil {
					if err == nil || got != nil {
						t.Errorf("got %+v, %v", got, err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff([]translate.Effect{*test.want}, got.Effects); diff != "" {
					t.Error("(-want +got)\n" + diff)
				}
			})
		})
	}
}

// Entries of another scope are an error: they must not have the value of a free entry.
func TestEntriesOfAnotherScopeAreNotObserved(t *testing.T) {
	for _, target := range []scope.Target{{}, {TenantID: "ApioSpTest"}} {
		p := newPlatform(t)
		entries := []translate.Entry{{Kind: "numbers", Key: "+3226127000", After: json.RawMessage(`{"groupId":null}`)}}
		if got, err := translate.NewObservers(p.service(options{}).Observer()).Compare(t.Context(), target, entries); err == nil || len(p.Asked) > 0 {
			t.Errorf("%+v: got %+v, asked %v", target, got, p.Asked)
		}
	}
}
