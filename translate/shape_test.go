package translate_test

// This file specifies the values of an Input by kind, the difference of absent
// and null, and query parameters. A new case is an entry of a table.

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/translate"
	"ocigate/translate/errcode"
)

// settingsShape is a body in which an absent member, null and a value differ.
var settingsShape = &translate.Shape{Fields: []translate.Field{
	{Key: "on", Kind: translate.Boolean, Optional: true},
	{Key: "name", Kind: translate.Text, Max: 5, Optional: true, Nullable: true},
	{Key: "list", Kind: translate.List, Max: 2, Optional: true, Nullable: true, Item: &translate.Shape{Fields: []translate.Field{
		{Key: "id", Kind: translate.Text, Min: 1, Max: 3},
	}}},
	{Key: "pair", Kind: translate.List, Min: 2, Max: 2, Optional: true, Item: &translate.Shape{}},
	{Key: "inner", Kind: translate.Object, Optional: true, Item: &translate.Shape{Fields: []translate.Field{
		{Key: "deep", Kind: translate.Boolean},
	}}},
	{Key: "seconds", Kind: translate.Integer, Min: -1, Max: 300, Unit: "seconds", Optional: true, Nullable: true},
	{Key: "count", Kind: translate.Integer, Min: 1, Max: 9, Optional: true},
	{Key: "texts", Kind: translate.List, Min: 1, Max: 3, Optional: true, Nullable: true, Each: &translate.Field{Min: 1, Max: 3}},
	{Key: "phones", Kind: translate.List, Max: 3, Optional: true, Each: &translate.Field{Kind: translate.PhoneNumber, Min: 1, Max: 23}},
	{Key: "users", Kind: translate.List, Max: 3, Optional: true, UniqueBy: "id", Item: &translate.Shape{Fields: []translate.Field{
		{Key: "id", Min: 1, Max: 161},
	}}},
	{Key: "nest", Kind: translate.Object, Optional: true, Nullable: true, Item: &translate.Shape{Fields: []translate.Field{
		{Key: "count", Kind: translate.Integer, Max: 9},
		{Key: "list", Kind: translate.List, Max: 3, Item: &translate.Shape{Fields: []translate.Field{
			{Key: "texts", Kind: translate.List, Max: 3, Each: &translate.Field{Max: 3}},
		}}},
	}}},
}}

const settingsKeys = "on, name, list, pair, inner, seconds, count, texts, phones, users, nest"

// The Input has the values of the body.
func TestValuesOfEveryKind(t *testing.T) {
	in, err := settingsShape.Decode([]byte(`{"seconds": -1 ,"count":9,"texts":["a", "é"],"phones":["+32-1"],"users":[{"id":"a1"},{"id":"b1"},{"id":"A1"}],
		"nest":{"count":0,"list":[{"texts":[]},{"texts":["x","x"]}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	nest := in.Object("nest")
	got := []any{
		in.Integer("seconds"), in.Integer("count"), in.Texts("texts"), in.Texts("phones"), len(in.List("users")),
		nest.Has("count"), nest.Integer("count"), nest.List("list")[0].Texts("texts"), nest.List("list")[1].Texts("texts"),
	}
	want := []any{-1, 9, []string{"a", "é"}, []string{"+32-1"}, 3, true, 0, []string{}, []string{"x", "x"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-want +got)\n" + diff)
	}
	in, err = settingsShape.Decode([]byte(`{"seconds":null,"texts":null,"nest":null}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"seconds", "texts", "nest"} {
		if in.Has(key) || !in.IsNull(key) {
			t.Errorf("%s: given %t, null %t", key, in.Has(key), in.IsNull(key))
		}
	}
	if in.Has("count") || in.IsNull("count") || in.Integer("count") != 0 || in.Texts("texts") != nil {
		t.Error("what is absent has a value")
	}
}

func TestAbsentNullAndValueDiffer(t *testing.T) {
	type state struct{ Has, Null bool }
	for body, want := range map[string]map[string]state{
		`{}`:                                   {},
		`{"on":false,"name":null,"list":null}`: {"on": {Has: true}, "name": {Null: true}, "list": {Null: true}},
		`{"on":true,"name":"","list":[],"inner":{"deep":true}}`:        {"on": {Has: true}, "name": {Has: true}, "list": {Has: true}, "inner": {Has: true}},
		`{"name":"Zoë","list":[{"id":"a"},{"id":"b"}],"pair":[{},{}]}`: {"name": {Has: true}, "list": {Has: true}, "pair": {Has: true}},
	} {
		in, err := settingsShape.Decode([]byte(body))
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		got := map[string]state{}
		for _, f := range settingsShape.Fields {
			if s := (state{in.Has(f.Key), in.IsNull(f.Key)}); s != (state{}) {
				got[f.Key] = s
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", body, diff)
		}
		if want["inner"].Has && (!in.Bool("on") || !in.Object("inner").Bool("deep")) || !want["inner"].Has && in.Bool("on") {
			t.Errorf("%s: on is %t", body, in.Bool("on"))
		}
		if list := in.List("list"); want["pair"].Has && (in.Text("name") != "Zoë" || len(list) != 2 || list[1].Text("id") != "b") {
			t.Errorf("%s: name %q, list %v", body, in.Text("name"), list)
		}
	}
}

func TestInvalidSettings(t *testing.T) {
	for body, want := range map[string][]string{
		`{"on":null}`:                   {"/on must be a boolean, not null"},
		`{"on":"true"}`:                 {"/on must be a boolean, not a string"},
		`{"name":1,"list":{}}`:          {"/name must be a string or null, not a number", "/list must be a list or null, not an object"},
		`{"name":"abcdef"}`:             {"/name must have 0 to 5 characters"},
		`{"list":[{"id":"a"},{},{}]}`:   {"/list must not hold more than 2 entries"},
		`{"list":[{"id":""},null]}`:     {"/list/0/id must have 1 to 3 characters", "/list/1 must be an object, not null"},
		`{"pair":[]}`:                   {"/pair must not be empty"},
		`{"pair":[{}]}`:                 {"/pair must hold 2 entries or more"},
		`{"inner":{"deep":1,"x":2}}`:    {"/inner/x is not a key here; the keys, in this letter case, are: deep", "/inner/deep must be a boolean, not a number"},
		`{"inner":{}}`:                  {"/inner/deep is missing"},
		`{"inner":[]}`:                  {"/inner must be an object, not a list"},
		`{"On":true,"inner":null}`:      {"/On is not a key here; the keys, in this letter case, are: " + settingsKeys, "/inner must be an object, not null"},
		`{"on":true,"on":false,"x":{}}`: {"/on must be given once", "/x is not a key here; the keys, in this letter case, are: " + settingsKeys},

		`{"seconds":"1","count":null}`:                        {"/seconds must be a number or null, not a string", "/count must be a number, not null"},
		`{"seconds":301,"count":0}`:                           {"/seconds must be a whole number from -1 to 300, in seconds", "/count must be a whole number from 1 to 9"},
		`{"seconds":1.0,"count":1e0}`:                         {"/seconds must be a whole number from -1 to 300, in seconds", "/count must be a whole number from 1 to 9"},
		`{"count":99999999999999999999}`:                      {"/count must be a whole number from 1 to 9"},
		`{"texts":"a","phones":null}`:                         {"/texts must be a list or null, not a string", "/phones must be a list, not null"},
		`{"texts":[]}`:                                        {"/texts must not be empty"},
		`{"texts":["a","b","c","d"]}`:                         {"/texts must not hold more than 3 entries"},
		`{"texts":["a",1,null,""]}`:                           {"/texts must not hold more than 3 entries"},
		`{"texts":[1,null,""]}`:                               {"/texts/0 must be a string, not a number", "/texts/1 must be a string, not null", "/texts/2 must have 1 to 3 characters"},
		`{"texts":["\ud800"],"on":1}`:                         {"/on must be a boolean, not a number", "/texts/0 must not hold half a surrogate pair or U+FFFD"},
		`{"on":1,"phones":["1a"]}`:                            {"/on must be a boolean, not a number", "/phones/0 must be an optional + and digits, with dashes and blanks only between them"},
		`{"on":1,"users":[{"id":"a"},{"id":"b"},{"id":"a"}]}`: {"/on must be a boolean, not a number", "/users/2/id must not be the same as /users/0/id"},
		`{"nest":{"count":1.5,"list":[{"texts":["abcd"]},{}]}}`: {
			"/nest/count must be a whole number from 0 to 9", "/nest/list/0/texts/0 must have 0 to 3 characters", "/nest/list/1/texts is missing"},
	} {
		in, err := settingsShape.Decode([]byte(body))
		refused, ok := errors.AsType[*errcode.Error](err)
		if !ok || refused.Code != errcode.JSONSchemaValidation {
			t.Errorf("%s: got %v, %v", body, in, err)
			continue
		}
		var problems []string
		for _, p := range refused.Problems {
			problems = append(problems, p.String())
		}
		if diff := cmp.Diff(want, problems); diff != "" {
			t.Errorf("%s (-want +got)\n%s", body, diff)
		}
	}
}

func TestParameters(t *testing.T) {
	short := func(value string) string {
		if value == "long" {
			return "must be short"
		}
		return ""
	}
	for name, test := range map[string]struct {
		param translate.Param
		good  []string
		bad   map[string]string
	}{
		"a text":                  {translate.Param{}, []string{"", "x", "a b"}, map[string]string{"\xff": "must be valid UTF-8"}},
		"a text with limits":      {translate.Param{Min: 1, Max: 2}, []string{"é", "éé"}, map[string]string{"": "must have 1 to 2 characters", "ééé": "must have 1 to 2 characters"}},
		"a text with a check":     {translate.Param{Check: short}, []string{"", "s"}, map[string]string{"long": "must be short"}},
		"a boolean":               {translate.Param{Kind: translate.BooleanParam}, []string{"true", "false"}, map[string]string{"": "must be true or false", "True": "must be true or false", "1": "must be true or false"}},
		"an integer":              {translate.Param{Kind: translate.IntegerParam, Min: 1, Max: 10}, []string{"1", "10"}, map[string]string{"0": "must be a number from 1 to 10", "11": "must be a number from 1 to 10", "": "must be a number from 1 to 10", "1.0": "must be a number from 1 to 10"}},
		"one of several values":   {translate.Param{Kind: translate.ChoiceParam, Values: []string{"a", "b"}}, []string{"a", "b"}, map[string]string{"c": "must be one of a, b", "": "must be one of a, b", "A": "must be one of a, b"}},
		"a choice with its check": {translate.Param{Kind: translate.ChoiceParam, Values: []string{"long"}, Check: short}, nil, map[string]string{"long": "must be short"}},
	} {
		for _, value := range test.good {
			if reason := test.param.Problem(value); reason != "" {
				t.Errorf("%s: %q %s", name, value, reason)
			}
		}
		for value, want := range test.bad {
			if reason := test.param.Problem(value); reason != want {
				t.Errorf("%s: %q %s, want: %s", name, value, reason, want)
			}
		}
	}
	params := translate.Params{"limit": "7"}
	if params.Integer("limit", 3) != 7 || params.Integer("other", 3) != 3 {
		t.Error("integers are read wrongly")
	}
}

func TestCodesAreListedOnce(t *testing.T) {
	got := translate.CodesOnce([]*errcode.Code{errcode.Internal, errcode.Forbidden}, nil, []*errcode.Code{errcode.Forbidden, errcode.TenantNotFound, errcode.Internal})
	if diff := cmp.Diff([]*errcode.Code{errcode.Internal, errcode.Forbidden, errcode.TenantNotFound}, got); diff != "" {
		t.Error("(-want +got)\n" + diff)
	}
}
