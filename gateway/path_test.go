package gateway_test

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci"
	"ocigate/translate"
)

// The paths of requests: escapes, spellings and invalid ids.

// oneGroup is a platform with one group, of whatever ids it is asked for. It
// notes the ids.
type oneGroup struct{ tenantID, groupID string }

func (p *oneGroup) Read(_ context.Context, commands ...oci.Read) ([]oci.Reply, error) {
	var body strings.Builder
	for _, c := range commands {
		for _, e := range c.Elements() {
			switch e.Name {
			case "serviceProviderId":
				p.tenantID = e.Text
			case "groupId":
				p.groupID = e.Text
			}
		}
		body.WriteString(`<command xsi:type="Reply" xmlns=""><defaultDomain>example.com</defaultDomain><authorized>true</authorized>` +
			`<numberPrefixSummaryTable><colHeading>Number Prefix</colHeading></numberPrefixSummaryTable></command>`)
	}
	return oci.ParseReplies([]byte(`<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` +
		body.String() + `</BroadsoftDocument>`))
}

// pathRig returns a gateway whose platform is in memory and notes what it is asked
// about.
func pathRig(t testing.TB) (*rig, *oneGroup) {
	t.Helper()
	seen := &oneGroup{}
	return start(t, setup{engine: func(o *translate.Options) { o.Reader = seen }}), seen
}

func TestPathParametersAreDecodedOnce(t *testing.T) {
	r, seen := pathRig(t)
	long := strings.Repeat("é", 30)
	for name, c := range map[string]struct{ tenant, group, tenantID, groupID string }{
		"plain":                                 {"foo", "bar", "foo", "bar"},
		"a letter as an escape":                 {"%41pio", "b%61r", "Apio", "bar"},
		"a slash in lower hex":                  {"a%2fb", "c", "a/b", "c"},
		"a slash in upper hex":                  {"a%2Fb", "c", "a/b", "c"},
		"a slash beside another escape":         {"a%2Fb", "%63", "a/b", "c"},
		"an escaped escape":                     {"%2541", "%252F", "%41", "%2F"},
		"an escaped escape beside a slash":      {"%2541", "%2F", "%41", "/"},
		"a blank within":                        {"a%20b", "c", "a b", "c"},
		"a plus is a plus":                      {"a+b", "c%2Bd", "a+b", "c+d"},
		"a colon and other signs":               {"a:b", "c;d,e=f@g", "a:b", "c;d,e=f@g"},
		"UTF-8 in lower hex":                    {"%c3%a9", "c", "é", "c"},
		"UTF-8 in upper hex":                    {"%C3%A9", "c", "é", "c"},
		"UTF-8 as it is":                        {"é", "c", "é", "c"},
		"UTF-8 as it is beside a slash":         {"é%2Fx", "c", "é/x", "c"},
		"signs that are not escaped by a slash": {"a|b", "%2F{}", "a|b", "/{}"},
		"dots":                                  {".", "..", ".", ".."},
		"a question mark and a hash":            {"a%3Fb", "c%23d", "a?b", "c#d"},
		"30 characters of two bytes":            {url.PathEscape(long), "c", long, "c"},
		"markup":                                {"%3C%26%3E", "%22%27", "<&>", `"'`},
	} {
		t.Run(name, func(t *testing.T) {
			*seen = oneGroup{}
			got := r.rawGet(t, listOf(c.tenant, c.group, "prefixes"))
			got.wantStatus(t, http.StatusOK)
			if want := (oneGroup{c.tenantID, c.groupID}); *seen != want {
				t.Errorf("the platform was asked about %+q, want %+q", *seen, want)
			}
		})
	}
}

// rawGet sends a path without encoding by a client library.
func (r *rig) rawGet(t testing.TB, path string) response {
	t.Helper()
	return r.raw(t, http.MethodGet, "GET "+path+" HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\nAuthorization: "+r.basic(t)+"\r\n\r\n")
}

// basic returns the value of the header with the credentials of the client for
// everything.
func (r *rig) basic(t testing.TB) string {
	t.Helper()
	return r.request(t, call{client: system}).Header.Get("Authorization")
}

func TestPathParametersThatCannotBeIDs(t *testing.T) {
	r, seen := pathRig(t)
	*seen = oneGroup{}
	for name, c := range map[string]struct {
		tenant, group string
		at            []string
	}{
		"no tenant":                       {"", "c", []string{"tenant_id"}},
		"no group":                        {"a", "", []string{"group_id"}},
		"neither":                         {"", "", []string{"tenant_id", "group_id"}},
		"31 characters":                   {strings.Repeat("x", 31), "c", []string{"tenant_id"}},
		"a blank at the beginning":        {"%20a", "c", []string{"tenant_id"}},
		"a blank at the end":              {"a", "c%20", []string{"group_id"}},
		"two blanks within":               {"a%20%20b", "c", []string{"tenant_id"}},
		"a tab":                           {"a%09b", "c", []string{"tenant_id"}},
		"a line feed":                     {"a%0Ab", "c", []string{"tenant_id"}},
		"a zero byte":                     {"a%00b", "c", []string{"tenant_id"}},
		"a control character above ASCII": {"a%C2%85b", "c", []string{"tenant_id"}},
		"half of a character of UTF-8":    {"%C3", "c", []string{"tenant_id"}},
		"an overlong slash":               {"%C0%AF", "c", []string{"tenant_id"}},
		"a surrogate":                     {"%ED%A0%80", "c", []string{"tenant_id"}},
		"outside of the platform's set":   {"%E2%82%AC", "c", []string{"tenant_id"}},
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			got := r.rawGet(t, listOf(c.tenant, c.group, "prefixes")).wantError(t, http.StatusBadRequest, "INVALID_PARAMETERS")
			var at []string
			for _, p := range got.Details.Problems {
				at = append(at, p.Parameter)
			}
			if diff := cmp.Diff(c.at, at); diff != "" {
				t.Errorf("parameters (-want +got):\n%s", diff)
			}
			if *seen != (oneGroup{}) {
				t.Errorf("the platform was asked about %+q", *seen)
			}
		})
	}
}

func TestBrokenEscapesAreRefusedByTheServer(t *testing.T) {
	r, _ := pathRig(t)
	for _, id := range []string{"%", "%4", "%zz", "a%2"} {
		r.rawGet(t, listOf(id, "c", "prefixes")).wantStatus(t, http.StatusBadRequest)
	}
}

func TestSpellingsOfAPath(t *testing.T) {
	r := start(t, setup{})
	documented := r.get(t, "numbers")
	documented.wantStatus(t, http.StatusOK)
	const services = "/services/immediate_trunking_connectivity/numbers"
	for name, path := range map[string]string{
		"without the final slash":            "/api/v1/tenant/ApioSpTest/group/ApioGrpTest" + services,
		"with the plural":                    "/api/v1/tenants/ApioSpTest/groups/ApioGrpTest" + services + "/",
		"with the plural, without the slash": "/api/v1/tenants/ApioSpTest/groups/ApioGrpTest" + services,
		"with the plural of tenant alone":    "/api/v1/tenants/ApioSpTest/group/ApioGrpTest" + services + "/",
		"with the plural of group alone":     "/api/v1/tenant/ApioSpTest/groups/ApioGrpTest" + services,
		"with a query":                       "/api/v1/tenant/ApioSpTest/group/ApioGrpTest" + services + "/?_=1764376000",
	} {
		t.Run("serves it "+name, func(t *testing.T) {
			got := r.call(t, call{path: path, client: system})
			got.wantStatus(t, http.StatusOK)
			if got.body != documented.body {
				t.Errorf("another answer: %s", got.body)
			}
		})
	}
	for name, path := range map[string]string{
		"a doubled slash":       "/api/v1/tenant/ApioSpTest/group/ApioGrpTest" + services + "//",
		"another letter case":   "/api/v1/Tenant/ApioSpTest/group/ApioGrpTest" + services + "/",
		"dots to be resolved":   "/api/v1/tenant/ApioSpTest/group/../group/ApioGrpTest" + services + "/",
		"a longer path":         "/api/v1/tenant/ApioSpTest/group/ApioGrpTest" + services + "/x/",
		"a shorter path":        "/api/v1/tenant/ApioSpTest/group/ApioGrpTest/",
		"the root":              "/",
		"a doubled first slash": "//api/v1/tenant/ApioSpTest/group/ApioGrpTest" + services + "/",
	} {
		t.Run("knows nothing at "+name, func(t *testing.T) {
			got := r.rawGet(t, path)
			if failure := got.wantError(t, http.StatusNotFound, "ROUTE_NOT_FOUND"); failure.Code != 1005 {
				t.Errorf("code %d", failure.Code)
			}
			if location := got.header.Get("Location"); location != "" {
				t.Errorf("redirects to %s", location)
			}
		})
	}
}

func TestBodyCannotOverwriteThePath(t *testing.T) {
	r := start(t, setup{})
	for _, body := range []string{
		`{"numbers":[{"minPhoneNumber":"+3225126999"}],"tenant_id":"footenant","group_id":"foogroup"}`,
		`{"numbers":[{"minPhoneNumber":"+3225126999"}],"TenantID":"footenant"}`,
	} {
		c := assignFreeRange()
		c.client, c.body = tenant, body
		r.call(t, c).wantError(t, http.StatusBadRequest, "JSON_SCHEMA_VALIDATION")
	}
	c := assignFreeRange()
	c.path += "?tenant_id=footenant&group_id=foogroup"
	r.call(t, c).wantError(t, http.StatusBadRequest, "INVALID_PARAMETERS")
	r.wantWrites(t, 0, 0)
}

// The platform gets the ids of the path decoded exactly once, or no command.
func FuzzPath(f *testing.F) {
	for _, seed := range [][2]string{
		{"ApioSpTest", "ApioGrpTest"}, {"%41", "%2f"}, {"%2541", "é"}, {"", ""}, {"a b", "%20"}, {"..", "."},
		{"a%2Fgroup%2Fb", "c|d"}, {"%C3", "%00"}, {"a?b", "c#d"}, {"//", "%"}, {"tenant", strings.Repeat("x", 31)},
	} {
		f.Add(seed[0], seed[1])
	}
	r, seen := pathRig(f)
	authorization := r.basic(f)
	f.Fuzz(func(t *testing.T, tenantSegment, groupSegment string) {
		*seen = oneGroup{}
		path := listOf(tenantSegment, groupSegment, "prefixes")
		request, err := http.ReadRequest(bufio.NewReader(strings.NewReader(
			"GET " + path + " HTTP/1.1\r\nHost: example.com\r\nAuthorization: " + authorization + "\r\n\r\n")))
		if err != nil || request.RequestURI != path {
			return // not one request for that path
		}
		request.RemoteAddr = "192.0.2.1:1234"
		recorder := httptest.NewRecorder()
		r.handler.ServeHTTP(recorder, request)
		got := recorder.Result()
		defer func() { _ = got.Body.Close() }()
		segments := !strings.ContainsAny(tenantSegment+groupSegment, "/?")
		switch got.StatusCode {
		case http.StatusOK:
			want := oneGroup{decodedOnce(t, tenantSegment), decodedOnce(t, groupSegment)}
			if segments && *seen != want {
				t.Errorf("%q: the platform was asked about %+q, want %+q", path, *seen, want)
			}
		case http.StatusBadRequest:
			if *seen != (oneGroup{}) {
				t.Errorf("%q: refused, and yet the platform was asked about %+q", path, *seen)
			}
		case http.StatusNotFound:
			if segments {
				t.Errorf("%q: found no route", path)
			}
		default:
			t.Errorf("%q: status %d", path, got.StatusCode)
		}
	})
}

func decodedOnce(t *testing.T, segment string) string {
	t.Helper()
	decoded, err := url.PathUnescape(segment)
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}

// All problems of a write are reported together: of its path, its body, and the rest of
// the request, in this order.
func TestPathAndBodyOfAWriteAreCheckedTogether(t *testing.T) {
	r := start(t, setup{})
	const (
		ofPath  = "tenant_id must not begin or end with a blank"
		ofValue = "/numbers/0/minPhoneNumber must be an optional + and digits, with dashes and blanks only between them"
		ofQuery = "dry_run must be true or false"
	)
	for name, test := range map[string]struct {
		path, query, body string
		status            int
		code              string
		want              []string
	}{
		"the path alone":           {"%20", "", `{"numbers":[{"minPhoneNumber":"+1"}]}`, 400, "INVALID_PARAMETERS", []string{ofPath}},
		"with values at fault":     {"%20", "", `{"numbers":[{"minPhoneNumber":"+"}]}`, 400, "INVALID_PARAMETERS", []string{ofPath, ofValue}},
		"with the query at fault":  {"%20", "?dry_run=1", `{"numbers":[{"minPhoneNumber":"+"}]}`, 400, "INVALID_PARAMETERS", []string{ofPath, ofValue, ofQuery}},
		"path and query":           {"%20", "?dry_run=1", `{"numbers":[{"minPhoneNumber":"+1"}]}`, 400, "INVALID_PARAMETERS", []string{ofPath, ofQuery}},
		"with the form at fault":   {"%20", "", `{"numbers":[{"minPhoneNumber":"+"},{}]}`, 400, "JSON_SCHEMA_VALIDATION", []string{ofPath, ofValue, "/numbers/1/minPhoneNumber is missing"}},
		"with no object at all":    {"%20", "", `[]`, 416, "BAD_MEDIA_TYPE", []string{ofPath}},
		"outside of the character": {"%E2%82%AC", "", `{"numbers":[{"minPhoneNumber":"+1"}]}`, 400, "INVALID_PARAMETERS", []string{"tenant_id must not hold characters outside the platform's character set"}},
	} {
		t.Run(name, func(t *testing.T) {
			heard := len(r.platform.Ledger())
			c := assignFreeRange()
			c.client, c.path, c.body = system, listOf(test.path, ownGroup, "numbers")+test.query, test.body
			failure := r.call(t, c).wantError(t, test.status, test.code)
			var problems []string
			for _, p := range failure.Details.Problems {
				place := p.Parameter
				if p.Pointer != nil {
					place = *p.Pointer
				}
				problems = append(problems, place+" "+p.Reason)
			}
			if diff := cmp.Diff(test.want, problems); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if len(r.platform.Ledger()) != heard {
				t.Error("the platform was asked")
			}
		})
	}
}
