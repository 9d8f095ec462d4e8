package translate_test

// This file specifies parameters with several values, phone numbers as parameters,
// and what is suggested for a name that is not known. A new case is an entry of a
// table.

import (
	"strings"
	"testing"

	"ocigate/translate"
)

func TestChoicesAndNumbers(t *testing.T) {
	choices := translate.Param{Name: "c", Kind: translate.ChoicesParam, Values: []string{"oneThing", "another", "third"}}
	pattern := choices
	pattern.ValuePattern = "{one|an}{Thing|other}"
	number := translate.Param{Name: "n", Kind: translate.NumberParam, Min: 1, Max: 6}
	const all = "; the values are: oneThing, another, third"
	const notNumber = "must be an optional + and digits, with dashes and blanks only between them, of 1 to 6 characters"
	for _, test := range []struct {
		param       translate.Param
		value, want string
	}{
		{choices, "oneThing", ""},
		{choices, "third,oneThing", ""},
		{choices, "", `has "", which is not one of its values` + all},
		{choices, "third,", `has "", which is not one of its values` + all},
		{choices, "third, another", `has " another", which is not one of its values (did you mean another?)` + all},
		{choices, "onething", `has "onething", which is not one of its values (did you mean oneThing?)` + all},
		{choices, "third,third", "must have third only once"},
		{pattern, "x", `has "x", which is not one of its values; the values are: {one|an}{Thing|other}`},
		{number, "+32-1", ""},
		{number, " 32 1", ""},
		{number, "321", ""},
		{number, "", notNumber},
		{number, " ", notNumber},
		{number, "  32", notNumber},
		{number, "32 ", notNumber},
		{number, "+", notNumber},
		{number, "++32", notNumber},
		{number, "32a", notNumber},
		{number, "1234567", notNumber},
		{number, "\xff1", notNumber},
	} {
		if got := test.param.Problem(test.value); got != test.want {
			t.Errorf("%s=%q: %q, want %q", test.param.Name, test.value, got, test.want)
		}
	}
	for value, want := range map[string]string{
		"+32-1": "+321",
		" 32 1": "+321", //nolint:gocritic // a blank that was a +
		"32":    "32",
		"":      "",
	} {
		if got := (translate.Params{"n": value}).Number("n"); got != want {
			t.Errorf("%q is the number %q, want %q", value, got, want)
		}
	}
}

func TestUnknownParametersAreNamed(t *testing.T) {
	family := func(names ...string) []translate.Param {
		var params []translate.Param
		for _, name := range names {
			params = append(params, translate.Param{Name: name, Pattern: "{a|b}{C|D}"})
		}
		return params
	}
	few := []translate.Param{{Name: "state"}, {Name: "before"}}
	many := append(family("aC", "aD", "bC", "bD"), translate.Param{Name: "startIndex"}, translate.Param{Name: "pageSize"},
		translate.Param{Name: "responseSizeLimit"}, translate.Param{Name: "sortOrders"}, translate.Param{Name: "insensitiveUserIdContains"})
	const list = "; the parameters are: {a|b}{C|D}, startIndex, pageSize, responseSizeLimit, sortOrders, insensitiveUserIdContains"
	for _, test := range []struct {
		name     string
		declared []translate.Param
		want     string
	}{
		{"x", nil, "is not a parameter here: there are none"},
		{"stat", few, "is not a parameter here; the parameters are: state, before"},
		{"startindex", many, "is not a parameter here (did you mean startIndex?)" + list},
		{"startIndx", many, "is not a parameter here (did you mean startIndex?)" + list},
		{"responseLimit", many, "is not a parameter here" + list},
		{"insensitiveUserContains", many, "is not a parameter here (did you mean insensitiveUserIdContains?)" + list},
		{"sensitiveUserIdContains", many, "is not a parameter here (did you mean insensitiveUserIdContains?)" + list},
		{"pagingControl", many, "is not a parameter here" + list},
		{"AC", many, "is not a parameter here (did you mean aC?)" + list},
		{"", many, "is not a parameter here" + list},
		{"sortOrders" + strings.Repeat(" ", 60), many, "is not a parameter here" + list},
	} {
		if got := translate.UnknownParam(test.name, test.declared); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
