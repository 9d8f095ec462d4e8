package translate_test

// This file specifies the JSON of each kind of field, read from elements and from
// cells. A new kind is a field of kindsShape and kindsList, and a case in each
// table.

import (
	"strings"
	"testing"

	"ocigate/translate"
	"ocigate/translate/errcode"
)

// kindsShape has an element of every kind of a response.
var kindsShape = &translate.Shape{Fields: []translate.Field{
	{Key: "count", Kind: translate.Integer, Source: "maxCalls"},
	{Key: "limit", Kind: translate.Integer, Source: "limit", Nullable: true},
	{Key: "name", Source: "lastName", Optional: true, Nullable: true},
	{Key: "groupId", Kind: translate.GroupID, Source: "groupId"},
	{Key: "department", Kind: translate.Department, Source: "department", Item: translate.DepartmentShape},
	{Key: "phones", Kind: translate.List, Source: "phoneNumber", Each: &translate.Field{Kind: translate.PhoneNumber}},
	{Key: "aliases", Kind: translate.List, Source: "alias", Each: &translate.Field{}},
	{Key: "address", Kind: translate.Object, Source: "address", Nullable: true, Item: &translate.Shape{Fields: []translate.Field{
		{Key: "city", Source: "city", Optional: true},
		{Key: "lines", Kind: translate.List, Source: "line", Repeated: true, Item: &translate.Shape{Fields: []translate.Field{
			{Key: "number", Kind: translate.Integer, Source: "number"},
			{Key: "department", Kind: translate.Department, Source: "department", Item: translate.DepartmentShape},
		}}},
		{Key: "ranges", Kind: translate.List, Source: "rangeTable", Optional: true, Item: &translate.Shape{Fields: []translate.Field{
			{Key: "start", Kind: translate.PhoneNumber, Source: "Start"},
		}}},
	}}},
}}

const departmentC = `{"tenantId":"ApioSpTest","groupId":"ApioGrpTest","departmentName":"B \\ C","fullPathName":"A \\ B \\ C"}`

func TestElementsOfEveryKind(t *testing.T) {
	tags := map[string]string{}
	for elements, want := range map[string]string{
		`<maxCalls>7</maxCalls>`: `{"count":7,"limit":null,"groupId":"ApioGrpTest","phones":[],"aliases":[],"address":null}`,
		`<maxCalls>-07</maxCalls><limit xsi:nil="true"/><lastName xsi:nil="true"/><groupId>g</groupId><department/><address xsi:nil="true"/>`://
		`{"count":-7,"limit":null,"name":null,"groupId":"g","phones":[],"aliases":[],"address":null}`,
		`<maxCalls>+0</maxCalls><limit>9007199254740993</limit><lastName/><phoneNumber>+32-1</phoneNumber><alias>"a"</alias><phoneNumber>2</phoneNumber><alias/>` +
			`<department>A \ B \ C</department><address/>`: //
		`{"count":0,"limit":9007199254740993,"name":"","groupId":"ApioGrpTest","department":` + departmentC +
			`,"phones":["+321","2"],"aliases":["\"a\"",""],"address":{"lines":[]}}`,
		`<maxCalls>1</maxCalls><address><line><number>1</number></line><city>x</city><line><department>A \ B \ C</department><number>2</number></line>` +
			table("rangeTable", "Start", "+1-2", "+3") + `</address>`: //
		`{"count":1,"limit":null,"groupId":"ApioGrpTest","phones":[],"aliases":[],"address":{"city":"x","lines":[{"number":1},{"number":2,"department":` + departmentC +
			`}],"ranges":[{"start":"+12"},{"start":"+3"}]}}`,
		`<maxCalls>1</maxCalls><alias>ab</alias><alias>c</alias>`: `{"count":1,"limit":null,"groupId":"ApioGrpTest","phones":[],"aliases":["ab","c"],"address":null}`,
		`<maxCalls>1</maxCalls><alias>a</alias><alias>bc</alias>`: `{"count":1,"limit":null,"groupId":"ApioGrpTest","phones":[],"aliases":["a","bc"],"address":null}`,
		`<maxCalls>1</maxCalls>`:                                  `{"count":1,"limit":null,"groupId":"ApioGrpTest","phones":[],"aliases":[],"address":null}`,
		`<maxCalls>1</maxCalls><address/>`:                        `{"count":1,"limit":null,"groupId":"ApioGrpTest","phones":[],"aliases":[],"address":{"lines":[]}}`,
	} {
		p := newPlatform(t)
		p.Answers[departments] = departmentsOf(`B \ C|A \ B \ C`)
		got, err := p.engine(translate.Options{}).ReplyAnswer(t.Context(), testGroup, kindsShape, one(t, answer(things, elements)))
		if err != nil {
			t.Errorf("%s: %v", elements, err)
			continue
		}
		if text := body(t, got); text != want {
			t.Errorf("%s:\ngot  %s\nwant %s", elements, text, want)
		}
		if other, twice := tags[got.ETag()]; twice {
			t.Errorf("%s has the tag of %s", elements, other)
		}
		tags[got.ETag()] = elements
	}
}

func TestElementsOfTheWrongKind(t *testing.T) {
	const good = `<maxCalls>1</maxCalls>`
	for name, test := range map[string]struct{ elements, names string }{
		"an integer is missing":               {``, "maxCalls"},
		"an integer is empty":                 {`<maxCalls/>`, "maxCalls"},
		"an integer has a fraction":           {`<maxCalls>1.0</maxCalls>`, "maxCalls"},
		"an integer is too large":             {`<maxCalls>9223372036854775808</maxCalls>`, "maxCalls"},
		"an integer is nil":                   {`<maxCalls xsi:nil="true"/>`, "maxCalls"},
		"a nullable integer is empty":         {good + `<limit/>`, "limit"},
		"an entry is invalid":                 {good + `<phoneNumber>none</phoneNumber>`, "phoneNumber"},
		"an element is repeated":              {good + `<address/><address/>`, "address"},
		"an inner element is missing":         {good + `<address><line/></address>`, "number"},
		"an inner element is of another kind": {good + `<address><line><number>x</number></line></address>`, "number"},
		"an inner table is invalid":           {good + `<address><rangeTable/></address>`, "rangeTable"},
		"an inner table has no key":           {good + `<address>` + table("rangeTable", "End") + `</address>`, "rangeTable"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := newPlatform(t).engine(translate.Options{}).ReplyAnswer(t.Context(), testGroup, kindsShape, one(t, answer(things, test.elements)))
			if code(t, err, errcode.PlatformError); got != nil {
				t.Errorf("got %v with the error", got)
			}
			if cause := errcode.Of(err).Unwrap(); cause == nil || !strings.Contains(cause.Error(), test.names) {
				t.Errorf("the cause is %v, and does not name %s", cause, test.names)
			}
		})
	}
}

// kindsList has a column of every kind that elements have, too.
var kindsList = &translate.Shape{Fields: []translate.Field{{Key: "numbers", Kind: translate.List, Item: &translate.Shape{Fields: []translate.Field{
	{Key: "start", Kind: translate.PhoneNumber, Source: "Number Range Start"},
	{Key: "size", Kind: translate.Integer, Source: "Size", Nullable: true},
	{Key: "rank", Kind: translate.Integer, Source: "Rank", Optional: true},
	{Key: "active", Kind: translate.Boolean, Source: "Is Active", Optional: true, Nullable: true},
	{Key: "owner", Kind: translate.Object, Nullable: true, Item: &translate.Shape{Fields: []translate.Field{
		{Key: "userId", Source: "User Id"},
		{Key: "department", Kind: translate.Department, Source: "Department", Item: translate.DepartmentShape},
	}}},
	{Key: "extra", Kind: translate.Object, Optional: true, Item: &translate.Shape{Fields: []translate.Field{
		{Key: "note", Source: "Note", Optional: true, Nullable: true},
		{Key: "inner", Kind: translate.Object, Item: &translate.Shape{Fields: []translate.Field{{Key: "more", Kind: translate.PhoneNumber, Source: "More", Optional: true}}}},
	}}},
}}}}}

func TestCellsOfEveryKind(t *testing.T) {
	const all = "Number Range Start|Size|Rank|Is Active|User Id|Department|Note|More"
	for name, test := range map[string]struct {
		headings string
		rows     []string
		want     string
	}{
		"values":      {all, []string{`+1|007|-3|true|u|A \ B \ C|n|2-3`}, `{"start":"+1","size":7,"rank":-3,"active":true,"owner":{"userId":"u","department":` + departmentC + `},"extra":{"note":"n","inner":{"more":"23"}}}`},
		"empty cells": {all, []string{"+1|||||||"}, `{"start":"+1","size":null,"active":null,"owner":null}`},
		"some empty cells": {all, []string{`+1|||false||x||`, "+2||0||u|||1"}, `{"start":"+1","size":null,"active":false,"owner":{"userId":"","department":` +
			`{"tenantId":"ApioSpTest","groupId":"ApioGrpTest","departmentName":"x","fullPathName":"x"}}},` +
			`{"start":"+2","size":null,"rank":0,"active":null,"owner":{"userId":"u"},"extra":{"note":null,"inner":{"more":"1"}}}`},
		"no columns":                {"Number Range Start", []string{"+1"}, `{"start":"+1","size":null,"owner":null}`},
		"an object without columns": {"Number Range Start|Note", []string{"+1|n"}, `{"start":"+1","size":null,"owner":null,"extra":{"note":"n","inner":{}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := cells(t, kindsList, test.headings, test.rows...)
			if err != nil {
				t.Fatal(err)
			}
			if text, want := body(t, got), `{"numbers":[`+test.want+`]}`; text != want {
				t.Errorf("got  %s\nwant %s", text, want)
			}
		})
	}
}

func TestCellsOfTheWrongKind(t *testing.T) {
	sized := &translate.Shape{Fields: []translate.Field{{Key: "numbers", Kind: translate.List, Item: &translate.Shape{Fields: []translate.Field{
		{Key: "start", Kind: translate.PhoneNumber, Source: "Number Range Start"},
		{Key: "size", Kind: translate.Integer, Source: "Size"},
	}}}}}
	for name, test := range map[string]struct {
		shape           *translate.Shape
		headings, cells string
		names           string
	}{
		"a text for an integer":          {kindsList, "Number Range Start|Size", "+1|x", "Size"},
		"a text for an optional integer": {kindsList, "Number Range Start|Rank", "+1|1.5", "Rank"},
		"a text for a boolean":           {kindsList, "Number Range Start|Is Active", "+1|yes", "Is Active"},
		"a text for an object's number":  {kindsList, "Number Range Start|More", "+1|none", "More"},
		"an integer that is empty":       {sized, "Number Range Start|Size", "+1|", "Size"},
		"an integer without a column":    {sized, "Number Range Start", "+1", "Size"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := cells(t, test.shape, test.headings, test.cells)
			if code(t, err, errcode.PlatformError); got != nil {
				t.Errorf("got %v with the error", got)
			}
			if cause := errcode.Of(err).Unwrap(); cause == nil || !strings.Contains(cause.Error(), test.names) {
				t.Errorf("the cause is %v, and does not name %s", cause, test.names)
			}
		})
	}
	if got, err := cells(t, sized, "Number Range Start"); err != nil || body(t, got) != `{"numbers":[]}` {
		t.Errorf("a table without rows: %v", err)
	}
}

// cells returns the list that is read from the rows of a table.
func cells(t *testing.T, shape *translate.Shape, headings string, rows ...string) (translate.Body, error) {
	t.Helper()
	p := newPlatform(t)
	p.Answers[ownNumbers] = answer(ownNumbers, table("numberRangeSummaryTable", headings, rows...))
	p.Answers[departments] = departmentsOf(`B \ C|A \ B \ C`)
	query := &translate.ListQuery{Engine: p.engine(translate.Options{}), Context: testContext, Listing: testListing, Response: shape}
	return query.Read(t.Context(), testGroup, nil)
}
