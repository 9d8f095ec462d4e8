package scope_test

// This file specifies scopes, targets and the problems of ids. A new rule about
// ids is a case of TestProblems.

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

func latin1(t *testing.T) oci.Encoding {
	t.Helper()
	encoding, err := oci.EncodingByName("ISO-8859-1")
	if err != nil {
		t.Fatal(err)
	}
	return encoding
}

func TestProblems(t *testing.T) {
	const charset = "must not hold characters outside the platform's character set"
	for name, test := range map[string]struct {
		id   string
		want []string
	}{
		"accepts an id":                                    {"ApioSpTest", nil},
		"accepts single inner blanks":                      {"a b c", nil},
		"accepts slashes and dots":                         {"../a%2Fb\\c", nil},
		"accepts 30 characters of two bytes":               {strings.Repeat("é", 30), nil},
		"rejects 31 characters":                            {strings.Repeat("a", 31), []string{"must not be longer than 30 characters"}},
		"rejects an empty id":                              {"", []string{"must not be empty"}},
		"rejects a leading blank":                          {" a", []string{"must not begin or end with a blank"}},
		"rejects a trailing blank":                         {"a ", []string{"must not begin or end with a blank"}},
		"rejects several blanks in a row":                  {"a  b", []string{"must not hold several blanks in a row"}},
		"rejects a tab":                                    {"a\tb", []string{"must not hold control characters"}},
		"rejects a line feed at the end":                   {"a\n", []string{"must not hold control characters"}},
		"rejects NUL":                                      {"a\x00b", []string{"must not hold control characters"}},
		"rejects DEL":                                      {"a\x7f", []string{"must not hold control characters"}},
		"rejects invalid UTF-8":                            {"a\xffb", []string{"must be valid UTF-8"}},
		"rejects half a surrogate pair":                    {"a\xed\xa0\x80", []string{"must be valid UTF-8"}},
		"rejects characters that XML cannot hold":          {"a\uFFFEb", []string{"must not hold characters that XML cannot hold", charset}},
		"rejects characters that the platform cannot hold": {"Zażółć", []string{charset}},
		"has all problems of one id":                       {" \x01" + strings.Repeat("a  ", 12), []string{"must not be longer than 30 characters", "must not begin or end with a blank", "must not hold several blanks in a row", "must not hold control characters"}},
	} {
		t.Run(name, func(t *testing.T) {
			var want []errcode.Problem
			for _, parameter := range []string{"tenant_id", "group_id"} {
				for _, reason := range test.want {
					want = append(want, errcode.Problem{Parameter: parameter, Reason: reason})
				}
			}
			got := scope.Group.Problems(scope.Target{TenantID: test.id, GroupID: test.id}, latin1(t))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error("(-want +got)\n" + diff)
			}
		})
	}
	t.Run("accepts every character without a charset", func(t *testing.T) {
		if got := scope.Group.Problems(scope.Target{TenantID: "Zażółć", GroupID: "日本"}, nil); got != nil {
			t.Errorf("got %v", got)
		}
	})
}

func TestProblemsAreThoseOfTheScope(t *testing.T) {
	long := strings.Repeat("u", 161)
	for name, c := range map[string]struct {
		scope  scope.Scope
		target scope.Target
		want   []errcode.Problem
	}{
		"the system has no parameters": {scope.System, scope.Target{TenantID: " ", GroupID: " ", UserID: " "}, nil},
		"a tenant has one":             {scope.Tenant, scope.Target{TenantID: "a", GroupID: " "}, nil},
		"a user id is longer":          {scope.User, scope.Target{TenantID: "a", GroupID: "b", UserID: long}, nil},
		"a user id has a limit":        {scope.User, scope.Target{TenantID: "a", GroupID: "b", UserID: long + "u"}, []errcode.Problem{{Parameter: "user_id", Reason: "must not be longer than 161 characters"}}},
		"a group needs both ids":       {scope.Group, scope.Target{TenantID: "a"}, []errcode.Problem{{Parameter: "group_id", Reason: "must not be empty"}}},
	} {
		if diff := cmp.Diff(c.want, c.scope.Problems(c.target, nil)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

func TestPrefixes(t *testing.T) {
	for s, want := range map[scope.Scope][]string{
		scope.System: {""},
		scope.Tenant: {"/tenant/{tenant_id}", "/tenants/{tenant_id}"},
		scope.Group: {
			"/tenant/{tenant_id}/group/{group_id}", "/tenant/{tenant_id}/groups/{group_id}",
			"/tenants/{tenant_id}/group/{group_id}", "/tenants/{tenant_id}/groups/{group_id}",
		},
	} {
		if diff := cmp.Diff(want, s.Prefixes()); diff != "" {
			t.Errorf("%v (-want +got)\n%s", s, diff)
		}
	}
	user := scope.User.Prefixes()
	if len(user) != 8 || user[0] != "/tenant/{tenant_id}/groups/{group_id}/users/{user_id}" {
		t.Errorf("user: %q", user)
	}
	slices.Sort(user)
	if len(slices.Compact(user)) != 8 {
		t.Errorf("user: spellings are repeated: %q", user)
	}
}

func TestTargets(t *testing.T) {
	whole := scope.Target{TenantID: "a b", GroupID: "g/1", UserID: "u@d"}
	of := map[string]string{"tenant_id": whole.TenantID, "group_id": whole.GroupID, "user_id": whole.UserID}
	for s, want := range map[scope.Scope]struct {
		target scope.Target
		path   string
	}{
		scope.System: {scope.Target{}, ""},
		scope.Tenant: {scope.Target{TenantID: "a b"}, "/tenant/a%20b"},
		scope.Group:  {scope.Target{TenantID: "a b", GroupID: "g/1"}, "/tenant/a%20b/group/g%2F1"},
		scope.User:   {whole, "/tenant/a%20b/groups/g%2F1/users/u@d"},
	} {
		got := s.Target(func(name string) string { return of[name] })
		if got != want.target || got.Scope() != s {
			t.Errorf("%v: target %+v of scope %v", s, got, got.Scope())
		}
		if path := s.Path(got, url.PathEscape); path != want.path {
			t.Errorf("%v: path %q, want %q", s, path, want.path)
		}
		for _, wider := range scope.All() {
			if contains := wider.Target(func(name string) string { return of[name] }).Contains(got); contains != (wider <= s) {
				t.Errorf("%v contains %v: %t", wider, s, contains)
			}
		}
	}
	if whole.Contains(scope.Target{TenantID: "a b", GroupID: "g/1", UserID: "other"}) || (scope.Target{TenantID: "a"}).Contains(whole) {
		t.Error("a target contains what is another's")
	}
}
