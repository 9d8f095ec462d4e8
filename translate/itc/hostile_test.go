package itc_test

// This file specifies what operations do with tables and replies that contradict
// themselves. A new case is a row or a reply in one of the tables.

import (
	"strings"
	"testing"
	"time"

	"ocigate/translate/errcode"
)

// blankNumbers are cells that are neither a number nor a prefix.
var blankNumbers = []string{"", " ", "-", "+", "+-", "none", "٣٢", "\n"}

// withRow returns a reply of the prepared platform with one more row, before or
// after the others, with that first cell.
func withRow(answer, cell string, first bool) string {
	columns := strings.Count(answer, "<colHeading>")
	row := "<row><col>" + escape(cell) + "</col>" + strings.Repeat("<col>true</col>", columns-1) + "</row>"
	if first {
		return strings.Replace(answer, "<row>", row+"<row>", 1)
	}
	end := strings.LastIndex(answer, "</row>") + len("</row>")
	return answer[:end] + row + answer[end:]
}

func TestRowsWithoutKeyArePlatformErrors(t *testing.T) {
	for _, cell := range blankNumbers {
		for _, first := range []bool{true, false} {
			p := newPlatform(t)
			for _, command := range []string{ownNumbers, ownPrefixes, groupNumbers, groupPrefixes} {
				p.Answers[command] = withRow(p.Answers[command], cell, first)
			}
			for name, query := range queries(p.service(longTTL)) {
				got, err := query.Read(t.Context(), testGroup, nil)
				if code(t, err, errcode.PlatformError); got != nil {
					t.Errorf("%s, %q: got %v", name, cell, got)
				}
			}
		}
	}
}

func TestNoChangeIsPlannedFromRowsWithoutKey(t *testing.T) {
	for _, cell := range blankNumbers {
		p := newPlatform(t)
		for _, command := range []string{ownNumbers, ownPrefixes, tenantNumbers, tenantPrefixes} {
			p.Answers[command] = withRow(p.Answers[command], cell, false)
		}
		for name, change := range changes(p.service(longTTL)) {
			plan, err := planned(t, change, testGroup, goodBodies[name])
			if code(t, err, errcode.PlatformError); plan != nil {
				t.Errorf("%s, %q: got %+v", name, cell, plan)
			}
		}
	}
}

// When a change is read back, such a row shows neither that an entry is listed nor
// that it is not.
func TestNothingIsObservedInRowsWithoutKey(t *testing.T) {
	for name, l := range lists {
		for _, list := range []string{l.own, l.free} {
			for _, cell := range blankNumbers {
				p := newPlatform(t)
				p.Answers[list] = withRow(p.Answers[list], cell, true)
				sight, err := observed(t.Context(), p.service(options{}), name, testGroup, []string{"+3201"})
				if code(t, err, errcode.PlatformError); sight != nil {
					t.Errorf("%s, %s, %q: got %+v", name, list, cell, sight)
				}
			}
		}
	}
}

func TestNoChangeIsPlannedForAnEntryListedTwice(t *testing.T) {
	for name, body := range map[string]string{
		"assign numbers":  `{"numbers":[{"minPhoneNumber":"+3225126999"}]}`,
		"remove prefixes": `{"prefixes":[{"prefix":"+32-01"}]}`,
	} {
		p := newPlatform(t)
		p.Answers[tenantNumbers] = withRow(p.Answers[tenantNumbers], "+3-225126999", false)
		p.Answers[ownPrefixes] = withRow(p.Answers[ownPrefixes], "+3201", false)
		plan, err := planned(t, changes(p.service(longTTL))[name], testGroup, body)
		if code(t, err, errcode.PlatformError); plan != nil {
			t.Errorf("%s: got %+v", name, plan)
		}
	}
	t.Run("and no group is named", func(t *testing.T) {
		p := newPlatform(t)
		p.Answers[allNumbers] = answer(allNumbers, table("numberRangeSummaryTable", allNumberColumns,
			"+32-25129000|+32-25129009|ApioGrpOther|true|", "+3225129000|+32-25129009|ApioGrpTest|true|"))
		_, err := planned(t, changes(p.service(longTTL))["assign numbers"], testGroup, `{"numbers":[{"minPhoneNumber":"+3225129000"}]}`)
		problems := errcode.Of(err).Problems
		if code(t, err, errcode.NotAvailableForAssignment); len(problems) != 1 || problems[0].Reason != "is not free in the tenant" {
			t.Errorf("got %+v", problems)
		}
	})
}

func TestRepeatedAndMissingElementsArePlatformErrors(t *testing.T) {
	for name, change := range map[string]func(p *platform){
		"the table": func(p *platform) {
			p.Answers[ownNumbers] = strings.Replace(p.Answers[ownNumbers], "</command>", table("numberRangeSummaryTable", "Number Range Start", "+1")+"</command>", 1)
		},
		"the table, as a text": func(p *platform) {
			p.Answers[ownNumbers] = strings.Replace(p.Answers[ownNumbers], "</command>", "<numberRangeSummaryTable/></command>", 1)
		},
		"a department without a path": func(p *platform) {
			p.Answers[departments] = answer(departments, table("departmentTable", "Department Name|Full Path Name", "a|"))
		},
		"a phone number without digits": func(p *platform) {
			p.Answers[ownNumbers] = answer(ownNumbers, table("numberRangeSummaryTable", "Number Range Start|Phone Number|Is Active", "+1|none|true"))
		},
		"an end without digits": func(p *platform) {
			p.Answers[ownNumbers] = answer(ownNumbers, table("numberRangeSummaryTable", "Number Range Start|Number Range End|Is Active", "+1|none|true"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			change(p)
			got, err := p.service(options{ContextTTL: time.Hour}).Numbers().Read(t.Context(), testGroup, nil)
			if code(t, err, errcode.PlatformError); got != nil {
				t.Errorf("got %v with the error", got)
			}
		})
	}
}
