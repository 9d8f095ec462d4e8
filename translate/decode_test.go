package translate

// This file specifies which request bodies Shape.Decode accepts and how it
// rejects the others. A new case is a body in the table of TestDecodeAccepts or
// TestDecodeRefuses; seeds of FuzzDecode come from both.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"ocigate/translate/errcode"
)

// rangesShape and prefixesShape are typical request bodies of services.
var (
	rangesShape = &Shape{Fields: []Field{{
		Key: "numbers", Kind: List, Min: 1, Max: MaxEntries, UniqueBy: "minPhoneNumber",
		Item: &Shape{Fields: []Field{
			{Key: "minPhoneNumber", Kind: PhoneNumber, Min: 1, Max: MaxNumberLength},
			{Key: "maxPhoneNumber", Kind: PhoneNumber, Min: 1, Max: MaxNumberLength, Optional: true, NotBelow: "minPhoneNumber"},
		}},
	}}}
	prefixesShape = &Shape{Fields: []Field{{
		Key: "prefixes", Kind: List, Min: 1, Max: MaxEntries, UniqueBy: "prefix",
		Item: &Shape{Fields: []Field{{Key: "prefix", Kind: Prefix, Min: 1, Max: MaxNumberLength}}},
	}}}
)

// A span is a decoded entry of these shapes.
type span struct{ Start, End string }

// spans decodes a body of one of these shapes.
func spans(s *Shape, body []byte) ([]span, error) {
	in, err := s.Decode(body)
	if err != nil {
		if in.values != nil {
			return []span{}, err
		}
		return nil, err
	}
	list := s.Fields[0]
	var all []span
	for _, item := range in.List(list.Key) {
		one := span{Start: item.Text(list.Item.Fields[0].Key)}
		if len(list.Item.Fields) > 1 {
			one.End = item.Text(list.Item.Fields[1].Key)
		}
		all = append(all, one)
	}
	return all, nil
}

func TestDecodeAccepts(t *testing.T) {
	for name, test := range map[string]struct {
		shape *Shape
		body  string
		want  []span
	}{
		"the documented body of numbers": {rangesShape,
			`{"numbers":[{"minPhoneNumber":"+3225126999","maxPhoneNumber":"+3225126999"}]}`, []span{{Start: "+3225126999", End: "+3225126999"}}},
		"the documented body of prefixes": {prefixesShape,
			`{"prefixes":[{"prefix":"+32-01"},{"prefix":"+32-02"}]}`, []span{{Start: "+32-01"}, {Start: "+32-02"}}},
		"blanks anywhere": {prefixesShape,
			" \t\r\n{ \"prefixes\" :\n[ { \"prefix\" : \"1\" } ,\t{\"prefix\":\"2\"} ] } \n", []span{{Start: "1"}, {Start: "2"}}},
		"escaped keys and values": {prefixesShape,
			`{"prefixe\u0073":[{"\u0070refix":"\u002b\u0033"}]}`, []span{{Start: "+3"}}},
		"23 characters": {prefixesShape,
			`{"prefixes":[{"prefix":"12345678901234567890123"}]}`, []span{{Start: "12345678901234567890123"}}},
		"keys in any order": {rangesShape,
			`{"numbers":[{"maxPhoneNumber":"2","minPhoneNumber":"1"}]}`, []span{{Start: "1", End: "2"}}},
		"ends that cannot be compared": {rangesShape,
			`{"numbers":[{"minPhoneNumber":"+9","maxPhoneNumber":"1"}]}`, []span{{Start: "+9", End: "1"}}},
		"dashes and blanks, which stay as they are": {rangesShape,
			`{"numbers":[{"minPhoneNumber":"+32-2 1","maxPhoneNumber":"+32 2-9"}]}`, []span{{Start: "+32-2 1", End: "+32 2-9"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := spans(test.shape, []byte(test.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error("(-want +got)\n" + diff)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	const characters = "must be an optional + and digits, with dashes and blanks only between them"
	const length = "must have 1 to 23 characters"
	const keys = "is not a key here; the keys, in this letter case, are: "
	const ofMark = "the body must be UTF-8 without a byte order mark, and begins with that of "
	const utf16NotUTF8 = "the body must be UTF-8, and has zero bytes as UTF-16 does"
	const entryKeys = keys + "minPhoneNumber, maxPhoneNumber"
	const surrogate = "must not hold half a surrogate pair or U+FFFD"
	for name, test := range map[string]struct {
		body string
		code *errcode.Code
		want []string // places and reasons
	}{
		"nothing":                     {``, errcode.BadMediaType, nil},
		"blanks":                      {" \n", errcode.BadMediaType, nil},
		"null":                        {`null`, errcode.BadMediaType, nil},
		"a list":                      {`[{"minPhoneNumber":"1"}]`, errcode.BadMediaType, nil},
		"a string":                    {`"numbers"`, errcode.BadMediaType, nil},
		"a byte order mark":           {"\uFEFF{}", errcode.JSONSchemaValidation, []string{ofMark + "UTF-8"}},
		"a byte order mark of UTF-16": {"\xFE\xFF\x00{\x00}", errcode.JSONSchemaValidation, []string{ofMark + "UTF-16"}},
		"a byte order mark of UTF-16, little-endian": {"\xFF\xFE{\x00}\x00", errcode.JSONSchemaValidation, []string{ofMark + "UTF-16"}},
		"a byte order mark of UTF-32":                {"\x00\x00\xFE\xFF\x00\x00\x00{", errcode.JSONSchemaValidation, []string{ofMark + "UTF-32"}},
		"a byte order mark of UTF-32, little-endian": {"\xFF\xFE\x00\x00{\x00\x00\x00", errcode.JSONSchemaValidation, []string{ofMark + "UTF-32"}},
		"UTF-16 without a mark":                      {"\x00{\x00}", errcode.JSONSchemaValidation, []string{utf16NotUTF8}},
		"UTF-16 without a mark, little-endian":       {"{\x00}\x00", errcode.JSONSchemaValidation, []string{utf16NotUTF8}},
		"XML":                                        {`<numbers/>`, errcode.BadMediaType, nil},
		"an unfinished object":                       {`{"numbers":[`, errcode.JSONSchemaValidation, []string{"the body must be JSON and nothing else, but at byte 12: unexpected end of JSON input"}},
		"a trailing comma":                           {`{"numbers":[{"minPhoneNumber":"1"},]}`, errcode.JSONSchemaValidation, []string{"the body must be JSON and nothing else, but at byte 36: invalid character ']' looking for beginning of value"}},
		"trailing data":                              {`{"numbers":[{"minPhoneNumber":"1"}]} {}`, errcode.JSONSchemaValidation, []string{"the body must be JSON and nothing else, but at byte 38: invalid character '{' after top-level value"}},
		"invalid UTF-8":                              {"{\"numbers\":[{\"minPhoneNumber\":\"1\xff\"}]}", errcode.JSONSchemaValidation, []string{"the body must be valid UTF-8"}},
		"an empty object":                            {`{}`, errcode.JSONSchemaValidation, []string{"/numbers is missing"}},
		"a key of another case":                      {`{"Numbers":[]}`, errcode.JSONSchemaValidation, []string{"/Numbers " + keys + "numbers", "/numbers is missing"}},
		"an unknown key":                             {`{"a/b~c":1,"numbers":[{"minPhoneNumber":"1"}]}`, errcode.JSONSchemaValidation, []string{"/a~1b~0c " + keys + "numbers"}},
		"an empty key":                               {`{"":1,"numbers":[{"minPhoneNumber":"1"}]}`, errcode.JSONSchemaValidation, []string{"/ " + keys + "numbers"}},
		"a key twice":                                {`{"numbers":[{"minPhoneNumber":"1"}],"numbers":[]}`, errcode.JSONSchemaValidation, []string{"/numbers must be given once"}},
		"a key twice, once escaped":                  {`{"numbers":[{"minPhoneNumber":"1","minPhone\u004eumber":"2"}]}`, errcode.JSONSchemaValidation, []string{"/numbers/0/minPhoneNumber must be given once"}},
		"a null list":                                {`{"numbers":null}`, errcode.JSONSchemaValidation, []string{"/numbers must be a list, not null"}},
		"an object for a list":                       {`{"numbers":{}}`, errcode.JSONSchemaValidation, []string{"/numbers must be a list, not an object"}},
		"an empty list":                              {`{"numbers":[]}`, errcode.JSONSchemaValidation, []string{"/numbers must not be empty"}},
		"a list that is too long":                    {`{"numbers":[` + strings.Repeat(`1,`, MaxEntries) + `1]}`, errcode.JSONSchemaValidation, []string{"/numbers must not hold more than 10000 entries"}},
		"deep nesting":                               {`{"numbers":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, errcode.JSONSchemaValidation, []string{"/numbers/0 must be an object, not a list"}},
		"nesting without an end":                     {`{"numbers":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, errcode.JSONSchemaValidation, []string{"the body must be JSON and nothing else, but at byte 10011: invalid character '[' exceeded max depth"}},
		"a null entry":                               {`{"numbers":[null]}`, errcode.JSONSchemaValidation, []string{"/numbers/0 must be an object, not null"}},
		"a string for an entry":                      {`{"numbers":["1"]}`, errcode.JSONSchemaValidation, []string{"/numbers/0 must be an object, not a string"}},
		"a missing start":                            {`{"numbers":[{"maxPhoneNumber":"1"}]}`, errcode.JSONSchemaValidation, []string{"/numbers/0/minPhoneNumber is missing"}},
		"a null start":                               {`{"numbers":[{"minPhoneNumber":null}]}`, errcode.JSONSchemaValidation, []string{"/numbers/0/minPhoneNumber must be a string, not null"}},
		"a null end":                                 {`{"numbers":[{"minPhoneNumber":"1","maxPhoneNumber":null}]}`, errcode.JSONSchemaValidation, []string{"/numbers/0/maxPhoneNumber must be a string, not null"}},
		"a number for a string":                      {`{"numbers":[{"minPhoneNumber":-3}]}`, errcode.JSONSchemaValidation, []string{"/numbers/0/minPhoneNumber must be a string, not a number"}},
		"a boolean for a string":                     {`{"numbers":[{"minPhoneNumber":true}]}`, errcode.JSONSchemaValidation, []string{"/numbers/0/minPhoneNumber must be a string, not a boolean"}},
		"an unknown key of an entry": {`{"numbers":[{"minPhoneNumber":"1","minphonenumber":"2","":3}]}`, errcode.JSONSchemaValidation, []string{
			"/numbers/0/minphonenumber " + entryKeys, "/numbers/0/ " + entryKeys}},
		"an empty string":               {`{"numbers":[{"minPhoneNumber":""}]}`, errcode.JSONSchemaValidation, []string{"/numbers/0/minPhoneNumber " + length}},
		"24 characters":                 {`{"numbers":[{"minPhoneNumber":"123456789012345678901234"}]}`, errcode.JSONSchemaValidation, []string{"/numbers/0/minPhoneNumber " + length}},
		"half a surrogate pair":         {`{"numbers":[{"minPhoneNumber":"1\ud800"}]}`, errcode.JSONSchemaValidation, []string{"/numbers/0/minPhoneNumber " + surrogate}},
		"U+FFFD":                        {"{\"numbers\":[{\"minPhoneNumber\":\"1\uFFFD\"}]}", errcode.JSONSchemaValidation, []string{"/numbers/0/minPhoneNumber " + surrogate}},
		"letters":                       {`{"numbers":[{"minPhoneNumber":"+32a","maxPhoneNumber":"é"}]}`, errcode.InvalidParameters, []string{"/numbers/0/minPhoneNumber " + characters, "/numbers/0/maxPhoneNumber " + characters}},
		"a range given twice":           {`{"numbers":[{"minPhoneNumber":"+321"},{"minPhoneNumber":"7"},{"minPhoneNumber":"+3-2 1","maxPhoneNumber":"+329"}]}`, errcode.InvalidParameters, []string{"/numbers/2/minPhoneNumber must not be the same as /numbers/0/minPhoneNumber"}},
		"an end below its start":        {`{"numbers":[{"minPhoneNumber":"+3-29","maxPhoneNumber":"+328"}]}`, errcode.InvalidParameters, []string{"/numbers/0/maxPhoneNumber must not be below minPhoneNumber"}},
		"an end shorter than its start": {`{"numbers":[{"minPhoneNumber":"100","maxPhoneNumber":"99"}]}`, errcode.InvalidParameters, []string{"/numbers/0/maxPhoneNumber must not be below minPhoneNumber"}},
		"many problems": {`{"x":0,"numbers":[{"minPhoneNumber":"a"},7,{"minPhoneNumber":"1"},{"minPhoneNumber":"1"}]}`, errcode.JSONSchemaValidation, []string{
			"/x " + keys + "numbers", "/numbers/0/minPhoneNumber " + characters, "/numbers/1 must be an object, not a number",
			"/numbers/3/minPhoneNumber must not be the same as /numbers/2/minPhoneNumber"}},
	} {
		t.Run(name, func(t *testing.T) {
			entries, err := spans(rangesShape, []byte(test.body))
			if err == nil {
				t.Fatalf("accepted as %v", entries)
			}
			got := errcode.Of(err)
			if got.Code != test.code {
				t.Errorf("the code is %s, want %s", got.Code.Name, test.code.Name)
			}
			var problems []string
			for _, p := range got.Problems {
				problems = append(problems, p.String())
			}
			if diff := cmp.Diff(test.want, problems); diff != "" {
				t.Error("(-want +got)\n" + diff)
			}
			if entries != nil {
				t.Errorf("got %v with the error", entries)
			}
		})
	}
}

func TestDecodeOfPrefixesHasNoEnd(t *testing.T) {
	_, err := spans(prefixesShape, []byte(`{"prefixes":[{"prefix":"1","":"2"}]}`))
	if err == nil || errcode.Of(err).Code != errcode.JSONSchemaValidation {
		t.Errorf("the error is %v", err)
	}
}

func TestDecodeLimitsEntries(t *testing.T) {
	var body strings.Builder
	body.WriteString(`{"prefixes":[{"prefix":"0"}`)
	for i := 1; i < MaxEntries; i++ {
		fmt.Fprintf(&body, `,{"prefix":"%d"}`, i)
	}
	body.WriteString(`]}`)
	entries, err := spans(prefixesShape, []byte(body.String()))
	if err != nil || len(entries) != MaxEntries {
		t.Errorf("got %d entries, %v", len(entries), err)
	}
}

// The entries of all lists of a body count together. The limit of the field is one of form.
func TestDecodeOfAnEngineLimitsEntries(t *testing.T) {
	both := &Shape{Fields: append(slices.Clone(rangesShape.Fields), prefixesShape.Fields...)}
	of := func(ranges, prefixes int) []byte {
		list := func(key string, n int) string {
			var entries []string
			for i := range n {
				entries = append(entries, fmt.Sprintf(`{%q:"%d"}`, key, i))
			}
			return "[" + strings.Join(entries, ",") + "]"
		}
		return fmt.Appendf(nil, `{"numbers":%s,"prefixes":%s}`, list("minPhoneNumber", ranges), list("prefix", prefixes))
	}
	engine := New(Options{MaxEntries: 5})
	for _, c := range []struct {
		engine           *Engine
		ranges, prefixes int
		want             []errcode.Problem
	}{
		{engine, 4, 1, nil},
		{engine, 6, 1, []errcode.Problem{
			{Pointer: "/numbers", Reason: "must not hold so many entries: the request has 6, and may have 5 at this gateway"},
			{Pointer: "/prefixes", Reason: "must not hold so many entries: the request has 7, and may have 5 at this gateway"},
		}},
		{engine, 2, 4, []errcode.Problem{{Pointer: "/prefixes", Reason: "must not hold so many entries: the request has 6, and may have 5 at this gateway"}}},
		{New(Options{}), MaxEntries / 2, MaxEntries / 2, nil},
		{New(Options{MaxEntries: 2 * MaxEntries}), MaxEntries / 2, MaxEntries/2 + 1, []errcode.Problem{
			{Pointer: "/prefixes", Reason: "must not hold so many entries: the request has 10001, and may have 10000 at this gateway"},
		}},
	} {
		_, err := c.engine.Decode(both, of(c.ranges, c.prefixes))
		if c.want == nil && err != nil || c.want != nil && errcode.Of(err).Code != errcode.InvalidParameters || !slices.Equal(c.want, errcode.Of(err).Problems) {
			t.Errorf("%d and %d: %v, %+v", c.ranges, c.prefixes, err, errcode.Of(err).Problems)
		}
	}
}

// FuzzDecode requires that an accepted body has the same values for encoding/json,
// and that a rejected body has a problem.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"numbers":[{"minPhoneNumber":"+3225126999","maxPhoneNumber":"+3225126999"}]}`,
		`{"numbers":[{"minPhoneNumber":"+32 2"},{"minPhoneNumber":"3-4"}]} `,
		`{"numbers":[{"minPhoneNumber":"1","minPhone\u004eumber":"2"}],"numbers":null}`,
		`{"numbers":[{"MinPhoneNumber":"1\ud800\udc00"}],}`,
		"\uFEFF{\"numbers\":[{}]}\x00", `{"":{"":[]}}`, `[]`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		entries, err := spans(rangesShape, body)
		if err != nil {
			refusal := errcode.Of(err)
			switch refusal.Code {
			case errcode.InvalidParameters, errcode.JSONSchemaValidation:
				checkProblems(t, refusal.Problems)
			case errcode.BadMediaType:
				if json.Valid(body) && bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
					t.Error("an object is taken for another kind of value")
				}
			default:
				t.Errorf("the error is %v", err)
			}
			return
		}
		var want struct {
			Numbers []struct {
				Min string  `json:"minPhoneNumber"`
				Max *string `json:"maxPhoneNumber"`
			} `json:"numbers"`
		}
		strict := json.NewDecoder(bytes.NewReader(body))
		strict.DisallowUnknownFields()
		if err := strict.Decode(&want); err != nil || !json.Valid(body) || !utf8.Valid(body) {
			t.Fatalf("accepted what encoding/json does not: %v", err)
		}
		var same []span
		for _, n := range want.Numbers {
			e := span{Start: n.Min}
			if n.Max != nil {
				e.End = *n.Max
			}
			same = append(same, e)
			if !isNumber(n.Min) || n.Max != nil && !isNumber(*n.Max) {
				t.Errorf("accepted %v", n)
			}
		}
		if !slices.Equal(entries, same) || len(entries) == 0 {
			t.Errorf("got %v, encoding/json reads %v", entries, same)
		}
	})
}

func checkProblems(t *testing.T, problems []errcode.Problem) {
	if len(problems) == 0 {
		t.Error("refused without a reason")
	}
	for _, p := range problems {
		if p.Reason == "" || p.Parameter != "" || p.Pointer != "" && p.Pointer[0] != '/' || !utf8.ValidString(p.Pointer) {
			t.Errorf("not a problem of the body: %+v", p)
		}
	}
}
