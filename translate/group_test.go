package translate_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
)

func latin1(t *testing.T) oci.Encoding {
	t.Helper()
	encoding, err := oci.EncodingByName("ISO-8859-1")
	if err != nil {
		t.Fatal(err)
	}
	return encoding
}

func TestGroupProblems(t *testing.T) {
	const charset = "must not hold characters outside the platform's character set"
	for name, test := range map[string]struct {
		id   string
		want []string
	}{
		"takes an id":                         {"ApioSpTest", nil},
		"takes single inner blanks":           {"a b c", nil},
		"takes slashes and dots":              {"../a%2Fb\\c", nil},
		"takes 30 characters of two bytes":    {strings.Repeat("é", 30), nil},
		"refuses 31 characters":               {strings.Repeat("a", 31), []string{"must not be longer than 30 characters"}},
		"refuses nothing":                     {"", []string{"must not be empty"}},
		"refuses a leading blank":             {" a", []string{"must not begin or end with a blank"}},
		"refuses a trailing blank":            {"a ", []string{"must not begin or end with a blank"}},
		"refuses a run of blanks":             {"a  b", []string{"must not hold several blanks in a row"}},
		"refuses a tab":                       {"a\tb", []string{"must not hold control characters"}},
		"refuses a line feed at the end":      {"a\n", []string{"must not hold control characters"}},
		"refuses NUL":                         {"a\x00b", []string{"must not hold control characters"}},
		"refuses DEL":                         {"a\x7f", []string{"must not hold control characters"}},
		"refuses invalid UTF-8":               {"a\xffb", []string{"must be valid UTF-8"}},
		"refuses half a surrogate pair":       {"a\xed\xa0\x80", []string{"must be valid UTF-8"}},
		"refuses what XML cannot hold":        {"a\uFFFEb", []string{"must not hold characters that XML cannot hold", charset}},
		"refuses what the platform cannot":    {"Zażółć", []string{charset}},
		"tells all that is wrong with one id": {" \x01" + strings.Repeat("a  ", 12), []string{"must not be longer than 30 characters", "must not begin or end with a blank", "must not hold several blanks in a row", "must not hold control characters"}},
	} {
		t.Run(name, func(t *testing.T) {
			var want []errcode.Problem
			for _, parameter := range []string{"tenant_id", "group_id"} {
				for _, reason := range test.want {
					want = append(want, errcode.Problem{Parameter: parameter, Reason: reason})
				}
			}
			got := translate.Group{TenantID: test.id, GroupID: test.id}.Problems(latin1(t))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error("(-want +got)\n" + diff)
			}
		})
	}
	t.Run("takes every character where no set is given", func(t *testing.T) {
		if got := (translate.Group{TenantID: "Zażółć", GroupID: "日本"}).Problems(nil); got != nil {
			t.Errorf("got %v", got)
		}
	})
}
