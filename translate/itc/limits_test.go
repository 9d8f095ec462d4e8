package itc_test

// This file specifies how many entries a change may have. A new change is added to
// the bodies.

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	"ocigate/translate"
	"ocigate/translate/errcode"
)

// bodiesOfThree have three entries each. The platform is not asked about them.
var bodiesOfThree = map[string]string{
	"numbers":  `{"numbers":[{"minPhoneNumber":"+321"},{"minPhoneNumber":"+322","maxPhoneNumber":"+323"},{"minPhoneNumber":"+324"}]}`,
	"prefixes": `{"prefixes":[{"prefix":"+321"},{"prefix":"+322"},{"prefix":"+323"}]}`,
}

func TestChangesLimitTheirEntries(t *testing.T) {
	p := newPlatform(t)
	few, enough := p.service(options{MaxEntries: 2}), p.service(options{MaxEntries: 3})
	for name, change := range changes(few) {
		_, list, _ := strings.Cut(name, " ")
		body := bodiesOfThree[list]
		_, err := change.Decode(testGroup, []byte(body))
		want := []errcode.Problem{{Pointer: "/" + list, Reason: "must not hold so many entries: the request has 3, and may have 2 at this gateway"}}
		if code(t, err, errcode.InvalidParameters); !slices.Equal(errcode.Of(err).Problems, want) {
			t.Errorf("%s: %+v", name, errcode.Of(err).Problems)
		}
		if draft, err := changes(enough)[name].Decode(testGroup, []byte(body)); err != nil || len(draft.Entries) != 3 {
			t.Errorf("%s: %+v, %v", name, draft, err)
		}
	}
	both := `{"` + emergency + `":true,"numbers":[{"minPhoneNumber":"+321"}],"prefixes":[{"prefix":"+321"},{"prefix":"+322"}]}`
	_, err := few.SetUser().Decode(testUser, []byte(both))
	want := []errcode.Problem{{Pointer: "/prefixes", Reason: "must not hold so many entries: the request has 3, and may have 2 at this gateway"}}
	if code(t, err, errcode.InvalidParameters); !slices.Equal(errcode.Of(err).Problems, want) {
		t.Errorf("a user: %+v", errcode.Of(err).Problems)
	}
	if _, err := enough.SetUser().Decode(testUser, []byte(both)); err != nil {
		t.Error(err)
	}
	if len(p.Asked) > 0 {
		t.Errorf("read %v", p.Asked)
	}
}

// A change that removes what it does not name removes at most as many entries.
func TestChangesLimitTheirRemovals(t *testing.T) {
	p := newPlatform(t)
	p.Answers[userGet] = answer(userGet, settings+userNumbers("+32-26127000|+32-26127002|true|", "+32-26127007|+32-26127009|true|")+userPrefixes("+32-01|true||"))
	const left = "entries that the %s has, and one request must not remove more at this gateway"
	for _, c := range []struct {
		name    string
		most    int
		plan    func(options) (*translate.Plan, error)
		pointer string // "" if it may
		of      string
	}{
		{"numbers of a group", 1, func(o options) (*translate.Plan, error) {
			return planned(t, p.service(o).SetNumbers(), testGroup, `{"numbers":[]}`)
		}, "/numbers", "group"},
		{"numbers of a group that may be removed", 2, func(o options) (*translate.Plan, error) {
			return planned(t, p.service(o).SetNumbers(), testGroup, `{"numbers":[]}`)
		}, "", ""},
		{"numbers of a user", 1, func(o options) (*translate.Plan, error) {
			return planned(t, p.service(o).SetUser(), testUser, `{"numbers":null}`)
		}, "/numbers", "user"},
		{"numbers and prefixes of a user", 2, func(o options) (*translate.Plan, error) {
			return planned(t, p.service(o).SetUser(), testUser, `{"numbers":[],"prefixes":[]}`)
		}, "/prefixes", "user"},
		{"numbers and prefixes that may be removed", 3, func(o options) (*translate.Plan, error) {
			return planned(t, p.service(o).SetUser(), testUser, `{"numbers":[],"prefixes":[]}`)
		}, "", ""},
	} {
		plan, err := c.plan(options{MaxEntries: c.most})
		if c.pointer == "" {
			if err != nil && errcode.Of(err).Code == errcode.InvalidParameters || err == nil && len(plan.Entries) != c.most {
				t.Errorf("%s: %+v, %v", c.name, plan, err)
			}
			continue
		}
		code(t, err, errcode.InvalidParameters)
		reason := strings.Replace(left, "%s", c.of, 1)
		if got := errcode.Of(err).Problems; len(got) != 1 || got[0].Pointer != c.pointer || !strings.HasSuffix(got[0].Reason, reason) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// A range is one entry, and takes no more memory, however many numbers it has.
func TestLargeRangesAreOneEntry(t *testing.T) {
	const largest = "+1000000000000000000000" // of 23 characters
	p := newPlatform(t)
	p.Answers[tenantNumbers] = answer(tenantNumbers, table("availableNumberRangeTable", freeNumberColumns, "+1000000000|+1999999999|true|"))
	service := p.service(options{MaxEntries: 1})
	for last, want := range map[string]*errcode.Code{"+1999999999": nil, largest: errcode.NotAvailableForAssignment} {
		body := `{"numbers":[{"minPhoneNumber":"+1000000000","maxPhoneNumber":"` + last + `"}]}`
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		plan, err := planned(t, service.AssignNumbers(), testGroup, body)
		runtime.ReadMemStats(&after)
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 4<<20 {
			t.Errorf("allocated %d bytes", allocated)
		}
		if want != nil {
			code(t, err, want)
		} else if err != nil || len(plan.Entries) != 1 || plan.Entries[0].End != last {
			t.Errorf("%+v, %v", plan, err)
		}
	}
}
