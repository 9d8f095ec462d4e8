package gateway

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"ocigate/gateway/auth"
	"ocigate/gateway/operation"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// For any headers and query, an accepted key can be stored and logged, and what is not
// understood is refused.
func FuzzPreferences(f *testing.F) {
	for _, seed := range [][3]string{
		{"k", "dry_run=true", "dry-run"}, {`"k"`, "dry_run=false&x=1", "return=minimal, dry-run"}, {"", "dry_run", "dry-run=1"},
		{`"`, "a=%zz", "dry-run;x"}, {"a b", "x;dry_run=true", ","}, {strings.Repeat("x", 256), "", ""}, {"é", "dry_run=true&dry_run=true", " Dry-Run "},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, key, query, prefer string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		r.URL.RawQuery = query
		r.Header = http.Header{HeaderIdempotencyKey: {key}, headerPrefer: {prefer}}
		prefs, problems := preferencesOf(r, translate.Description{Params: []translate.Param{dryRunParam}})
		if refused := slices.ContainsFunc(problems, isAbout(HeaderIdempotencyKey)); refused != (prefs.key == "") {
			t.Errorf("the key %q is accepted as %q, refused: %t", key, prefs.key, refused)
		}
		for _, c := range prefs.key {
			if c <= ' ' || c > '~' || c == '"' {
				t.Errorf("the key %q is accepted as %q", key, prefs.key)
			}
		}
		if len(prefs.key) > maxKeyLength || prefs.key != strings.Trim(key, `"`) && prefs.key != "" {
			t.Errorf("the key %q is accepted as %q", key, prefs.key)
		}
		if again := keyOf([]string{`"` + prefs.key + `"`}); again != prefs.key {
			t.Errorf("in quotes the key %q is %q", prefs.key, again)
		}
		if prefs.preferred && !prefs.dryRun {
			t.Error("a dry run is preferred and not made")
		}
		values, err := url.ParseQuery(query)
		if !prefs.dryRun && len(problems) == 0 && (err != nil || values.Has(dryRunParameter) && values.Get(dryRunParameter) != "false") {
			t.Errorf("%q is ignored", query)
		}
		fingerprint(scope.Target{TenantID: key, GroupID: prefer}, []byte(query), []string{prefer})
	})
}

func isAbout(parameter string) func(errcode.Problem) bool {
	return func(p errcode.Problem) bool { return p.Parameter == parameter }
}

// For any query, the list has only operations of the caller's scope, and a page is limited.
func FuzzQueryOf(f *testing.F) {
	for _, seed := range []string{
		"", "limit=5&state=done", "tenant_id=a&group_id=b", "tenant_id=&group_id=", "group_id=b", "before=019ab0c4-6e0f-7c55-8a53-2f6a1c0b7d11",
		"limit=0", "limit=1&limit=2", "x=1", "%", "a;b", "tenant_id=T&tenant_id=U",
	} {
		f.Add(seed)
	}
	callers := []auth.Principal{
		{Level: auth.SystemAdmin},
		{Level: auth.TenantAdmin, TenantID: "T"},
		{Level: auth.GroupAdmin, TenantID: "T", GroupID: "G"},
	}
	f.Fuzz(func(t *testing.T, query string) {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		request.URL.RawQuery = query
		params, problems := parametersOf(request, listParams)
		for _, who := range callers {
			q, err := queryOf(params, who)
			if len(problems) > 0 || err != nil || !mayList(who, q) {
				continue
			}
			if q.Limit < 1 || q.Limit > maxPage || q.Before != "" && !operation.IsID(q.Before) || q.State != "" && !slices.Contains(listedStates, q.State) {
				t.Errorf("%q is %+v", query, q)
			}
			if q.Target.GroupID != "" && q.Target.TenantID == "" {
				t.Errorf("%q is a group of any tenant: %+v", query, q)
			}
			if who.TenantID != "" && q.Target.TenantID != who.TenantID || who.GroupID != "" && q.Target.GroupID != who.GroupID {
				t.Errorf("%q lets %v list %+v", query, who.Level, q)
			}
		}
	})
}

// Journals hold the fingerprints of requests, so they must never change.
func TestFingerprintOfAGroup(t *testing.T) {
	got := fingerprint(scope.Target{TenantID: "ApioSpTest", GroupID: "ApioGrpTest"}, []byte(`{"numbers":[{"minPhoneNumber":"+3225126999"}]}`), nil)
	if want := "15a53b0ce51a165fd8e3d553bd09aec61169aea10d72c54b57cf10f414170092"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Two requests have the same fingerprint only if their target and content are the same.
func TestFingerprints(t *testing.T) {
	type request struct{ tenant, group, user, body string }
	of := func(r request) string {
		return fingerprint(scope.Target{TenantID: r.tenant, GroupID: r.group, UserID: r.user}, []byte(r.body), nil)
	}
	plain := request{"a", "b", "", `{"numbers":[{"minPhoneNumber":"+32"}]}`}
	if same := (request{"a", "b", "", " {\"numbers\" :\n[ {\"minPhoneNumber\":\t\"+32\"}] } "}); of(same) != of(plain) {
		t.Error("blanks change the fingerprint")
	}
	seen := map[string]request{}
	for _, r := range []request{
		plain,
		{"a", "b", "", `{"numbers":[{"minPhoneNumber":"+32 "}]}`},
		{"a", "b", "", `{"numbers":[{"minPhoneNumber":"+33"}]}`},
		{"a", "c", "", plain.body}, {"b", "a", "", plain.body}, {"ab", "", "", plain.body}, {"", "ab", "", plain.body},
		{"a", "1:b", "", plain.body}, {"a1", ":b", "", plain.body},
		{"a", "b", "", ""}, {"a", "b", "", "{"}, {"a", "b", "", "{ "},
		{"a", "b", "u", plain.body}, {"a", "b", "v", plain.body}, {"a", "", "b", plain.body}, {"a", "b", plain.body, ""},
	} {
		if other, known := seen[of(r)]; known {
			t.Errorf("%+v and %+v are the same", r, other)
		}
		seen[of(r)] = r
	}
}
