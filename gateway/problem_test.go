package gateway_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Errors in the form of RFC 9457. Add a value of Accept to TestProblemDetails.

func TestProblemDetails(t *testing.T) {
	r := start(t, setup{})
	refused := call{method: http.MethodPost, path: ownList("numbers"), client: tenant, body: `{"numbers":[{"minPhoneNumber":"+3225129000"}]}`}
	for name, c := range map[string]struct {
		accept  []string
		problem bool
	}{
		"nothing":                       {nil, false},
		"anything":                      {[]string{"*/*"}, false},
		"JSON":                          {[]string{"application/json"}, false},
		"problems":                      {[]string{"application/problem+json"}, true},
		"problems in capitals":          {[]string{"Application/Problem+JSON"}, true},
		"both alike":                    {[]string{"application/json, application/problem+json"}, true},
		"both in two headers":           {[]string{"application/json", "application/problem+json"}, true},
		"JSON rather":                   {[]string{"application/problem+json;q=0.5, application/json"}, false},
		"problems rather":               {[]string{"application/problem+json; q=0.9, application/json; q=0.8"}, true},
		"no problems":                   {[]string{"application/problem+json;q=0"}, false},
		"problems, or else anything":    {[]string{"application/problem+json, */*;q=0.1"}, true},
		"another kind":                  {[]string{"application/problem+xml"}, false},
		"a name that begins like it":    {[]string{"application/problem+jsonx"}, false},
		"problems with another version": {[]string{"application/problem+json;v=2"}, true},
		"problems twice":                {[]string{"application/problem+json, application/problem+json;q=0"}, true},
		"JSON rather, twice":            {[]string{"application/json, application/json;q=0.1, application/problem+json;q=0.5"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			asked := refused
			asked.header = http.Header{"Accept": c.accept}
			got := r.call(t, asked)
			got.wantStatus(t, http.StatusBadRequest)
			if !c.problem {
				if media := got.header.Get("Content-Type"); media != "application/json" {
					t.Errorf("Content-Type %q", media)
				}
				got.wantError(t, http.StatusBadRequest, "NOT_AVAILABLE_FOR_ASSIGNMENT")
				return
			}
			if media := got.header.Get("Content-Type"); media != "application/problem+json" {
				t.Errorf("Content-Type %q", media)
			}
			const want = `{"type":"/docs/errors/NOT_AVAILABLE_FOR_ASSIGNMENT/",` +
				`"title":"The number range or prefix provided is not available to the groups of this Tenant.","status":400,` +
				`"detail":"The number range provided is not available to the groups of this Tenant.",` +
				`"code":19,"name":"NOT_AVAILABLE_FOR_ASSIGNMENT","entries":["+3225129000"],` +
				`"problems":[{"pointer":"/numbers/0/minPhoneNumber","reason":"is assigned to another group"}]}`
			if diff := cmp.Diff(want, strings.TrimSpace(got.body)); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("good answers stay what they are", func(t *testing.T) {
		got := r.call(t, call{path: ownList("numbers"), client: system, header: http.Header{"Accept": {"application/problem+json"}}})
		got.wantStatus(t, http.StatusOK)
		if media := got.header.Get("Content-Type"); media != "application/json" {
			t.Errorf("Content-Type %q", media)
		}
	})
}

func TestProblemDetailsHaveThePlatformsMessage(t *testing.T) {
	r := start(t, setup{faults: []string{`error-before-apply command=*AssignListRequest number=4999 summary="Not R&D <today>"`}})
	asked := assignFreeRange()
	asked.header = http.Header{"Accept": {"application/problem+json"}}
	var got struct {
		Errors map[string]struct{ Summary string }
	}
	body := r.call(t, asked).body
	must(t, json.Unmarshal([]byte(body), &got))
	if got.Errors["0"].Summary != "[Error 4999] Not R&D <today>" || !strings.Contains(body, "R&D <today>") {
		t.Errorf("%s", body)
	}
}
