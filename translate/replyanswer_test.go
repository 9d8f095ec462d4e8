package translate_test

// This file specifies answers that are read from elements of a reply. A new case
// is a reply with its JSON or its error.

import (
	"strings"
	"testing"

	"ocigate/translate"
	"ocigate/translate/errcode"
)

// userShape is an object that is read from elements of a reply.
var userShape = &translate.Shape{Fields: []translate.Field{
	{Key: "name", Source: "lastName"},
	{Key: "screened", Kind: translate.Boolean, Source: "isScreened"},
	{Key: "phone", Kind: translate.PhoneNumber, Source: "phoneNumber", Optional: true},
	{Key: "numbers", Kind: translate.List, Source: "numberTable", Item: &translate.Shape{Fields: []translate.Field{
		{Key: "min", Kind: translate.PhoneNumber, Source: "Number Range Start"},
		{Key: "department", Kind: translate.Department, Source: "Department", Optional: true, Item: translate.DepartmentShape},
	}}},
	{Key: "prefixes", Kind: translate.List, Source: "prefixTable", Item: &translate.Shape{Fields: []translate.Field{
		{Key: "prefix", Kind: translate.Prefix, Source: "Number Prefix"},
	}}},
}}

const (
	noNumbers  = `<numberTable><colHeading>Number Range Start</colHeading></numberTable>`
	noPrefixes = `<prefixTable><colHeading>Number Prefix</colHeading></prefixTable>`
)

func TestAnswersFromElements(t *testing.T) {
	p := newPlatform(t)
	p.Answers[departments] = departmentsOf(`B \ C|A \ B \ C`)
	engine := p.engine(translate.Options{})
	answered := func(elements string) (string, string) {
		t.Helper()
		got, err := engine.ReplyAnswer(t.Context(), testGroup, userShape, one(t, answer(things, elements)))
		if err != nil {
			t.Fatal(err)
		}
		return body(t, got), got.ETag()
	}
	const whole = `<lastName>O'"Neil</lastName><isScreened>1</isScreened><phoneNumber>+32-1</phoneNumber>`
	text, tag := answered(whole + table("numberTable", "Department|Number Range Start", `A \ B \ C|+32-2`, "|+32-3") + table("prefixTable", "Number Prefix", "+32-01"))
	want := `{"name":"O'\"Neil","screened":true,"phone":"+321","numbers":[{"min":"+322","department":{"tenantId":"ApioSpTest","groupId":"ApioGrpTest",` +
		`"departmentName":"B \\ C","fullPathName":"A \\ B \\ C"}},{"min":"+323"}],"prefixes":[{"prefix":"+32-01"}]}`
	if text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	text, other := answered(`<lastName/><isScreened>false</isScreened>` + noNumbers + noPrefixes)
	if want := `{"name":"","screened":false,"numbers":[],"prefixes":[]}`; text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	if _, third := answered(`<lastName/><isScreened>false</isScreened><phoneNumber/>` + noNumbers + noPrefixes); tag == other || other == third {
		t.Errorf("tags %s, %s, %s", tag, other, third)
	}
}

func TestInvalidElementsArePlatformErrors(t *testing.T) {
	good := `<lastName>x</lastName><isScreened>true</isScreened>` + noNumbers + noPrefixes
	for name, elements := range map[string]string{
		"an element is missing":        strings.Replace(good, "<lastName>x</lastName>", "", 1),
		"a boolean is missing":         strings.Replace(good, "<isScreened>true</isScreened>", "", 1),
		"a boolean is invalid":         strings.Replace(good, "true", "yes", 1),
		"an element is repeated":       good + "<lastName>x</lastName>",
		"a number has no digits":       good + "<phoneNumber>none</phoneNumber>",
		"a table is missing":           strings.Replace(good, noPrefixes, "", 1),
		"a table has no key":           strings.Replace(good, "Number Prefix", "x", 1),
		"a row has no key":             strings.Replace(good, noPrefixes, table("prefixTable", "Number Prefix", "+"), 1),
		"a text in place of a table":   strings.Replace(good, noPrefixes, "<prefixTable/>", 1),
		"a number of a row is invalid": strings.Replace(good, noNumbers, table("numberTable", "Number Range Start", "none"), 1),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := newPlatform(t).engine(translate.Options{}).ReplyAnswer(t.Context(), testGroup, userShape, one(t, answer(things, elements)))
			if code(t, err, errcode.PlatformError); got != nil {
				t.Errorf("got %v with the error", got)
			}
		})
	}
}
