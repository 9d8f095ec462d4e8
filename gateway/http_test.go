package gateway_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway"
	"ocigate/translate"
	"ocigate/translate/itc"
)

func TestMethods(t *testing.T) {
	r := start(t, setup{})
	for _, c := range []struct{ path, allow string }{
		{ownList("numbers"), "DELETE GET HEAD OPTIONS POST PUT"},
		{ownList("available_numbers"), "GET HEAD OPTIONS"},
		{ownList("prefixes"), "DELETE GET HEAD OPTIONS POST PUT"},
		{ownList("available_prefixes"), "GET HEAD OPTIONS"},
		{ownList("numbers/remove"), "OPTIONS POST"},
		{ownList("prefixes/remove"), "OPTIONS POST"},
		{"/api/v1/login/", "OPTIONS POST"},
		{"/api/v1/logout/", "OPTIONS POST"},
		{"/api/v1/operations/", "GET HEAD OPTIONS"},
		{"/api/v1/operations/019ab0c4-6e0f-7c55-8a53-2f6a1c0b7d11/", "GET HEAD OPTIONS"},
	} {
		for _, path := range []string{c.path, strings.TrimSuffix(c.path, "/")} {
			t.Run(path, func(t *testing.T) {
				for _, method := range []string{http.MethodPut, http.MethodPatch, "PROPFIND"} {
					if strings.Contains(c.allow, method) {
						continue
					}
					got := r.call(t, call{method: method, path: path, client: system})
					got.wantError(t, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
					wantAllow(t, got, c.allow)
				}
				asked := r.call(t, call{method: http.MethodOptions, path: path})
				asked.wantStatus(t, http.StatusNoContent)
				wantAllow(t, asked, c.allow)
				if asked.body != "" {
					t.Errorf("OPTIONS is answered with a body: %q", asked.body)
				}
			})
		}
	}
	r.call(t, call{method: http.MethodOptions, path: "/api/v1/nowhere/"}).wantError(t, http.StatusNotFound, "ROUTE_NOT_FOUND")
}

func wantAllow(t *testing.T, a answer, want string) {
	t.Helper()
	methods := strings.FieldsFunc(a.header.Get("Allow"), func(r rune) bool { return r == ',' || r == ' ' })
	slices.Sort(methods)
	if got := strings.Join(methods, " "); got != want {
		t.Errorf("Allow is %q, want %q", got, want)
	}
}

// The rows' methods are those that are served: one that the router answers
// with 405 would be a hole in the test of methods above.
func TestEveryRowIsServed(t *testing.T) {
	r := start(t, setup{})
	for _, e := range endpoints() {
		path := ownPath(e)
		got := r.call(t, call{method: e.Method, path: path})
		if got.status == http.StatusNotFound || got.status == http.StatusMethodNotAllowed {
			t.Errorf("%s %s is answered with %d", e.Method, path, got.status)
		}
	}
}

// Tables whose lists fill one piece in part, and several.
const (
	someRows = "huge-table rows=30 command=GroupRouteList*GetSummaryListRequest"
	manyRows = "huge-table rows=500 command=GroupRouteList*GetSummaryListRequest"
)

func TestHeadIsGetWithoutItsBody(t *testing.T) {
	small, onePiece, large := start(t, setup{}), start(t, setup{faults: []string{someRows}}), start(t, setup{faults: []string{manyRows}})
	for _, c := range []struct {
		name   string
		r      *rig
		call   call
		status int
	}{
		{"a list", small, call{path: ownList("prefixes"), client: system}, 200},
		{"a list of one piece", onePiece, call{path: ownList("prefixes"), client: system}, 200},
		{"a list of one piece, compressed", onePiece, call{path: ownList("prefixes"), client: system, header: acceptGzip}, 200},
		{"a large list", large, call{path: ownList("prefixes"), client: system}, 200},
		{"a large list, compressed", large, call{path: ownList("prefixes"), client: system, header: acceptGzip}, 200},
		{"an error", small, call{path: listOf(ownTenant, "nobody", "numbers"), client: system}, 404},
		{"nobody", small, call{path: ownList("numbers")}, 401},
		{"too low a level", small, call{path: ownList("numbers"), client: user}, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			get := c.r.call(t, c.call)
			get.wantStatus(t, c.status)
			c.call.method = http.MethodHead
			head := c.r.call(t, c.call)
			head.wantStatus(t, c.status)
			if head.body != "" {
				t.Errorf("HEAD has a body: %q", head.body)
			}
			if length := head.header.Get("Content-Length"); length != "" && length != strconv.Itoa(len(get.body)) {
				t.Errorf("HEAD tells a length of %s, the body of GET has %d bytes", length, len(get.body))
			}
			for _, h := range []http.Header{get.header, head.header} {
				for _, ofOne := range []string{"Content-Length", "Date", "X-Request-Id"} {
					h.Del(ofOne)
				}
			}
			if diff := cmp.Diff(get.header, head.header); diff != "" {
				t.Errorf("headers (-GET +HEAD):\n%s", diff)
			}
		})
	}
}

var acceptGzip = http.Header{"Accept-Encoding": {"gzip"}}

func TestCompression(t *testing.T) {
	for rows, fault := range map[int]string{30: someRows, 500: manyRows} {
		t.Run(fmt.Sprintf("compresses a list of %d for those who take it", rows), func(t *testing.T) {
			r := start(t, setup{faults: []string{fault}})
			plain := r.get(t, "prefixes")
			if plain.header.Get("Content-Encoding") != "" {
				t.Fatal("compressed for one who did not ask for it")
			}
			var list struct {
				Prefixes []json.RawMessage `json:"prefixes"`
			}
			must(t, json.Unmarshal([]byte(plain.body), &list))
			if len(list.Prefixes) != rows {
				t.Fatalf("%d prefixes, want %d", len(list.Prefixes), rows)
			}
			got := r.call(t, call{path: ownList("prefixes"), client: system, header: acceptGzip})
			if got.header.Get("Content-Encoding") != "gzip" || len(got.body) >= len(plain.body) {
				t.Fatalf("not compressed: %v, %d bytes", got.header, len(got.body))
			}
			if got.header.Get("Content-Type") != "application/json" || !strings.Contains(got.header.Get("Vary"), "Accept-Encoding") {
				t.Errorf("headers %v", got.header)
			}
			if gunzip(t, got.body) != plain.body {
				t.Error("another body than without compression")
			}
		})
	}
	t.Run("leaves a short list as it is", func(t *testing.T) {
		got := start(t, setup{}).call(t, call{path: ownList("available_prefixes"), client: system, header: acceptGzip})
		if got.header.Get("Content-Encoding") != "" || !json.Valid([]byte(got.body)) {
			t.Errorf("compressed: %v", got.header)
		}
	})
}

func TestLengths(t *testing.T) {
	for name, c := range map[string]struct {
		faults []string
		told   bool
	}{
		"of a small list are told":            {nil, true},
		"of a list of one piece are told":     {[]string{someRows}, true},
		"of a list of several pieces are not": {[]string{manyRows}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, setup{faults: c.faults})
			get := r.get(t, "numbers")
			want := ""
			if c.told {
				want = strconv.Itoa(len(get.body))
			}
			head := r.call(t, call{method: http.MethodHead, path: ownList("numbers"), client: system})
			for method, got := range map[string]answer{"GET": get, "HEAD": head} {
				got.wantStatus(t, http.StatusOK)
				if length := got.header.Get("Content-Length"); length != want {
					t.Errorf("%s tells a length of %q, want %q", method, length, want)
				}
			}
		})
	}
}

func TestGzipThatIsRefused(t *testing.T) {
	r := start(t, setup{faults: []string{"huge-table rows=300"}})
	for _, value := range []string{"gzip;q=0", "br, gzip; q=0.0"} {
		got := r.call(t, call{path: ownList("prefixes"), client: system, header: http.Header{"Accept-Encoding": {value}}})
		if got.wantStatus(t, http.StatusOK); got.header.Get("Content-Encoding") != "" {
			t.Errorf("%s: the answer is encoded as %s", value, got.header.Get("Content-Encoding"))
		}
	}
}

// What anybody may send must not fill the log, nor a large part of the memory.
func TestOversizedRequestsLeaveShortLogLines(t *testing.T) {
	r := start(t, setup{})
	long := strings.Repeat("x", 6<<10)
	r.call(t, call{path: "/" + long})
	login := loginCall("a", "b")
	login.body = `{"` + long + `":1,"username":"a","password":"b"}`
	r.call(t, login).wantError(t, http.StatusBadRequest, "JSON_SCHEMA_VALIDATION")
	login.body = `{"username":"` + strings.Repeat(long, 2) + `","password":"b"}`
	r.call(t, login).wantError(t, http.StatusBadRequest, "BODY_TOO_LARGE")
	for line := range strings.Lines(r.log.String()) {
		if len(line) > 4<<10 {
			t.Errorf("a log line of %d bytes", len(line))
		}
	}
}

func gunzip(t *testing.T, body string) string {
	t.Helper()
	reader, err := gzip.NewReader(strings.NewReader(body))
	must(t, err)
	text, err := io.ReadAll(reader)
	must(t, err)
	must(t, reader.Close())
	return string(text)
}

func TestContentTypes(t *testing.T) {
	r := start(t, setup{})
	for name, c := range map[string]struct {
		values []string
		taken  bool
	}{
		"the documents' own, in quotes": {[]string{`"application/json"`}, true},
		"without quotes":                {[]string{"application/json"}, true},
		"in capitals":                   {[]string{"Application/JSON"}, true},
		"with a charset":                {[]string{"application/json; charset=utf-8"}, true},
		"with a quoted charset":         {[]string{`application/json; charset="utf-8"`}, true},
		"with a charset, in quotes":     {[]string{`"application/json; charset=utf-8"`}, true},
		"none":                          {nil, true},
		"text":                          {[]string{"text/plain"}, false},
		"a form":                        {[]string{"application/x-www-form-urlencoded"}, false},
		"another kind of JSON":          {[]string{"application/problem+json"}, false},
		"a longer name":                 {[]string{"application/jsonp"}, false},
		"two headers":                   {[]string{"application/json", "application/json"}, false},
		"two values":                    {[]string{"application/json, text/plain"}, false},
		"nonsense":                      {[]string{"json"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			remove := assignFreeRange()
			remove.method = http.MethodDelete
			r.call(t, remove) // whatever came before
			before := len(r.platform.Writes())
			c2 := assignFreeRange()
			if c.values != nil {
				c2.header = http.Header{"Content-Type": c.values}
			}
			got := r.call(t, c2)
			if c.taken {
				got.wantStatus(t, http.StatusCreated)
				return
			}
			told := got.wantError(t, http.StatusRequestedRangeNotSatisfiable, "BAD_MEDIA_TYPE")
			if told.Message != "Bad Media Type" {
				t.Errorf("message %q", told.Message)
			}
			if after := len(r.platform.Writes()); after != before {
				t.Error("written in spite of that")
			}
		})
	}
}

func TestBodies(t *testing.T) {
	r := start(t, setup{gateway: func(o *gateway.Options) { o.MaxBodyBytes = 1000 }})
	for name, c := range map[string]struct {
		body   string
		status int
		error  string
		at     []string
	}{
		"nothing":           {"", 416, "BAD_MEDIA_TYPE", nil},
		"blanks":            {" \n", 416, "BAD_MEDIA_TYPE", nil},
		"null":              {"null", 416, "BAD_MEDIA_TYPE", nil},
		"a list":            {"[]", 416, "BAD_MEDIA_TYPE", nil},
		"a string":          {`"numbers"`, 416, "BAD_MEDIA_TYPE", nil},
		"a number":          {"1", 416, "BAD_MEDIA_TYPE", nil},
		"words":             {"numbers=1", 416, "BAD_MEDIA_TYPE", nil},
		"no key":            {"{}", 400, "JSON_SCHEMA_VALIDATION", []string{"/numbers"}},
		"a null list":       {`{"numbers":null}`, 400, "JSON_SCHEMA_VALIDATION", []string{"/numbers"}},
		"an empty list":     {`{"numbers":[]}`, 400, "JSON_SCHEMA_VALIDATION", []string{"/numbers"}},
		"a key twice":       {`{"numbers":[{"minPhoneNumber":"+32"}],"numbers":[{"minPhoneNumber":"+33"}]}`, 400, "JSON_SCHEMA_VALIDATION", []string{"/numbers"}},
		"trailing data":     {`{"numbers":[{"minPhoneNumber":"+32"}]}{}`, 400, "JSON_SCHEMA_VALIDATION", []string{""}},
		"half a document":   {`{"numbers":[{"minPhoneNumber":`, 400, "JSON_SCHEMA_VALIDATION", []string{""}},
		"no UTF-8":          {"{\"numbers\":[{\"minPhoneNumber\":\"\xff\"}]}", 400, "JSON_SCHEMA_VALIDATION", []string{""}},
		"a number for text": {`{"numbers":[{"minPhoneNumber":3225126999}]}`, 400, "JSON_SCHEMA_VALIDATION", []string{"/numbers/0/minPhoneNumber"}},
		"letters":           {`{"numbers":[{"minPhoneNumber":"+32x"}]}`, 400, "INVALID_PARAMETERS", []string{"/numbers/0/minPhoneNumber"}},
		"24 characters":     {`{"numbers":[{"minPhoneNumber":"+32251269990000000000000"}]}`, 400, "JSON_SCHEMA_VALIDATION", []string{"/numbers/0/minPhoneNumber"}},
		"ends before the start": {
			`{"numbers":[{"minPhoneNumber":"+3225127000","maxPhoneNumber":"+3225126999"}]}`,
			400, "INVALID_PARAMETERS", []string{"/numbers/0/maxPhoneNumber"},
		},
		"several mistakes": {
			`{"numbers":[{"minPhoneNumber":"x"},{"maxPhoneNumber":"+32"},{"minPhoneNumber":""}],"more":1}`,
			400, "JSON_SCHEMA_VALIDATION", []string{"/more", "/numbers/0/minPhoneNumber", "/numbers/1/minPhoneNumber", "/numbers/2/minPhoneNumber"},
		},
		"more than the limit": {`{"numbers":["` + strings.Repeat("x", 1000) + `"]}`, 400, "BODY_TOO_LARGE", nil},
	} {
		for _, remove := range []bool{false, true} {
			t.Run(fmt.Sprintf("refuses %s, removing %t", name, remove), func(t *testing.T) {
				c2 := assignFreeRange()
				c2.body = c.body
				if remove {
					c2.method = http.MethodDelete
				}
				told := r.call(t, c2).wantError(t, c.status, c.error)
				var at []string
				for _, p := range told.Details.Problems {
					at = append(at, *p.Pointer)
				}
				if diff := cmp.Diff(c.at, at); diff != "" {
					t.Errorf("pointers (-want +got):\n%s", diff)
				}
			})
		}
	}
	if heard := r.platform.Ledger(); len(heard) != 0 {
		t.Errorf("the platform heard %d commands of requests that are not in order", len(heard))
	}
}

func TestProblemsOfPathAndBodyAreToldAtOnce(t *testing.T) {
	r := start(t, setup{})
	told := r.call(t, call{
		method: http.MethodPost, path: listOf("%20x", strings.Repeat("g", 31), "numbers"), client: system,
		body: `{"numbers":[{"minPhoneNumber":"x"}],"more":1}`,
	}).wantError(t, http.StatusBadRequest, "JSON_SCHEMA_VALIDATION")
	if len(told.Details.Problems) != 4 {
		t.Errorf("%d problems, want 4: %+v", len(told.Details.Problems), told.Details.Problems)
	}
}

// unsized hides a body's length, so that it is sent in chunks.
type unsized struct{ io.Reader }

func TestChunkedBodies(t *testing.T) {
	r := start(t, setup{gateway: func(o *gateway.Options) { o.MaxBodyBytes = 200 }})
	chunked := func(body string) *http.Request {
		request := r.request(t, assignFreeRange())
		request.Body, request.ContentLength, request.GetBody = io.NopCloser(unsized{strings.NewReader(body)}), -1, nil
		return request
	}
	r.answer(t, chunked(freeRange)).wantStatus(t, http.StatusCreated)
	r.answer(t, chunked(`{"numbers":[`+strings.Repeat(" ", 300)+`]}`)).wantError(t, http.StatusBadRequest, "BODY_TOO_LARGE")
}

func TestBodyThatEndsEarly(t *testing.T) {
	r := start(t, setup{})
	got := r.raw(t, http.MethodPost, "POST "+ownList("numbers")+" HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n"+
		"Authorization: "+r.basic(t)+"\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"num\r\nnot a chunk\r\n")
	got.wantError(t, http.StatusBadRequest, "INVALID_PARAMETERS")
}

func TestRemovingWithAndWithoutABody(t *testing.T) {
	r := start(t, setup{})
	path := ownList("numbers")
	told := r.call(t, call{method: http.MethodDelete, path: path, client: tenant}).wantError(t, 416, "BAD_MEDIA_TYPE")
	if !strings.Contains(told.Message, "remove/") {
		t.Errorf("does not tell the way out: %q", told.Message)
	}
	for _, c := range []call{
		{method: http.MethodDelete, path: path},
		{method: http.MethodPost, path: path + "remove/"},
		{method: http.MethodPost, path: path + "remove"},
	} {
		assign := assignFreeRange()
		r.call(t, assign).wantStatus(t, http.StatusCreated)
		c.client, c.body = tenant, freeRange
		got := r.call(t, c)
		got.wantStatus(t, http.StatusOK)
		if strings.TrimSpace(got.body) != "{}" {
			t.Errorf("body %q", got.body)
		}
	}
	var commands []string
	for _, w := range r.platform.Writes() {
		if !w.Applied || !slices.Equal(w.Numbers, []string{"+3225126999"}) {
			t.Errorf("write %+v", w)
		}
		commands = append(commands, strings.TrimPrefix(w.Command, "GroupRouteListEnterpriseTrunkNumberRange"))
	}
	want := slices.Repeat([]string{"AssignListRequest", "UnassignListRequest"}, 3)
	if diff := cmp.Diff(want, commands); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
}

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

func TestProblemDetailsHaveThePlatformsWords(t *testing.T) {
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

func TestHeadersOfEveryAnswer(t *testing.T) {
	r := start(t, setup{})
	for name, c := range map[string]call{
		"a list":         {path: ownList("numbers"), client: system},
		"an error":       {path: listOf("nobody", "nobody", "numbers"), client: system},
		"nobody":         {path: ownList("numbers")},
		"no route":       {path: "/nowhere"},
		"another method": {method: http.MethodPatch, path: ownList("numbers")},
	} {
		t.Run(name, func(t *testing.T) {
			got := r.call(t, c)
			for header, want := range map[string]string{
				"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Content-Type": "application/json",
			} {
				if value := got.header.Get(header); value != want {
					t.Errorf("%s is %q, want %q", header, value, want)
				}
			}
			if id := got.header.Get("X-Request-Id"); id == "" || r.log.last(t)["request_id"] != id {
				t.Errorf("X-Request-Id is %q, logged is %v", id, r.log.last(t)["request_id"])
			}
		})
	}
}

func TestRequestIDs(t *testing.T) {
	r := start(t, setup{})
	for name, c := range map[string]struct {
		value string
		kept  bool
	}{
		"a sane one":          {"Portal-42.a_b", true},
		"64 characters":       {strings.Repeat("x", 64), true},
		"65 characters":       {strings.Repeat("x", 65), false},
		"blanks":              {"a b", false},
		"a line for the log":  {`x" level=ERROR msg="`, false},
		"letters above ASCII": {"é", false},
		"nothing":             {"", false},
		"other signs":         {"a;b", false},
	} {
		for _, path := range []string{ownList("prefixes"), "/nowhere"} {
			t.Run(name+" at "+path, func(t *testing.T) {
				got := r.call(t, call{path: path, client: system, header: http.Header{"X-Request-Id": {c.value}}})
				id := got.header.Get("X-Request-Id")
				if c.kept != (id == c.value) {
					t.Errorf("X-Request-Id is %q", id)
				}
				if id == "" || strings.ContainsAny(id, " \";") || len(id) > 64 {
					t.Errorf("X-Request-Id %q is not sane", id)
				}
			})
		}
	}
	t.Run("goes to the platform as the tracking id", func(t *testing.T) {
		recorded := &tape{}
		r := start(t, setup{platform: recorded.over})
		r.call(t, call{path: ownList("prefixes"), client: system, header: http.Header{"X-Request-Id": {"Portal-42"}}}).wantStatus(t, 200)
		recorded.mu.Lock()
		defer recorded.mu.Unlock()
		if !bytes.Contains(recorded.sent.Bytes(), []byte(`<trackingId xmlns="">Portal-42</trackingId>`)) {
			t.Error("the platform was not told")
		}
	})
}

func TestTraceContextIsLogged(t *testing.T) {
	r := start(t, setup{})
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	for value, logged := range map[string]any{
		"00-" + id + "-00f067aa0ba902b7-01":                  id,
		"00-" + strings.ToUpper(id) + "-00f067aa0ba902b7-01": nil,
		"00-" + id + "-x-01":                                 nil,
		"nonsense":                                           nil,
		"01-" + id + "-00f067aa0ba902b7-01":                  nil,
	} {
		r.call(t, call{path: ownList("prefixes"), client: system, header: http.Header{"Traceparent": {value}}}).wantStatus(t, 200)
		if got := r.log.last(t)["trace_id"]; got != logged {
			t.Errorf("%s: trace_id %v, want %v", value, got, logged)
		}
	}
}

func TestRequestsAreLogged(t *testing.T) {
	r := start(t, setup{})
	r.call(t, assignFreeRange()).wantStatus(t, http.StatusCreated)
	got := r.log.last(t)
	for field, want := range map[string]any{
		"msg": "request", "level": "INFO", "endpoint": "itc_numbers_assign", "method": "POST", "path": ownList("numbers"),
		"status": 201.0, "principal": system, "principal_level": "System Admin", "entries": []any{"+3225126999"}, "client_ip": "127.0.0.1",
	} {
		if diff := cmp.Diff(want, got[field]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", field, diff)
		}
	}
}

func TestRefusalsAreLoggedAsSuch(t *testing.T) {
	r := start(t, setup{})
	path := listOf("no%20body", "x", "numbers")
	r.call(t, call{path: path, client: system}).wantStatus(t, http.StatusNotFound)
	if line := r.log.last(t); line["level"] != "INFO" || line["path"] != path {
		t.Errorf("logged %v", line)
	}
}

// caller notes the sizes of what is written to them, and is gone after some of
// it.
type caller struct {
	http.ResponseWriter
	takes int
	sizes []int
}

func (c *caller) Write(b []byte) (int, error) {
	c.sizes = append(c.sizes, len(b))
	if len(c.sizes) > c.takes {
		return 0, errors.New("broken pipe")
	}
	return c.ResponseWriter.Write(b)
}

// serve answers the call, apart from any connection.
func (c *caller) serve(t *testing.T, r *rig, asked call) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	c.ResponseWriter = recorder
	r.handler.ServeHTTP(c, r.request(t, asked))
	return recorder.Body.String()
}

func TestListsAreWrittenInPieces(t *testing.T) {
	for fault, want := range map[string]int{someRows: 1, manyRows: 4} {
		r := start(t, setup{faults: []string{fault}})
		c := &caller{takes: 1000}
		if got := c.serve(t, r, call{path: ownList("prefixes"), client: system}); got != r.get(t, "prefixes").body {
			t.Errorf("another body than over a connection: %s", got)
		}
		if largest := slices.Max(c.sizes); len(c.sizes) != want || largest > 32<<10 {
			t.Errorf("%s: written in pieces of %v", fault, c.sizes)
		}
	}
}

// The header of an answer that broke off is out, so nothing else is told.
func TestNothingIsWrittenToACallerWhoIsGone(t *testing.T) {
	small, large := start(t, setup{}), start(t, setup{faults: []string{manyRows}})
	for name, c := range map[string]struct {
		r     *rig
		path  string
		takes int
	}{
		"a list":                      {small, ownList("prefixes"), 0},
		"an error":                    {small, "/nowhere", 0},
		"a large list":                {large, ownList("prefixes"), 0},
		"a large list, after a piece": {large, ownList("prefixes"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			gone := &caller{takes: c.takes}
			got := gone.serve(t, c.r, call{path: c.path, client: system})
			if len(gone.sizes) != c.takes+1 || strings.Contains(got, "errors") {
				t.Errorf("written in pieces of %v: %s", gone.sizes, got)
			}
			line := c.r.log.last(t)
			if line["status"] != 499.0 || line["error"] != "CALLER_LEFT" || line["level"] != "INFO" || !strings.Contains(fmt.Sprint(line["cause"]), "broken pipe") {
				t.Errorf("logged %v", line)
			}
			if want := float64(len(got)); line["bytes"] != want {
				t.Errorf("logged %v bytes, written were %v", line["bytes"], want)
			}
		})
	}
}

func TestBodiesAreBoundedByDefault(t *testing.T) {
	r := start(t, setup{})
	for size, name := range map[int]string{1 << 20: "BAD_MEDIA_TYPE", 1<<20 + 1: "BODY_TOO_LARGE"} {
		asked := assignFreeRange()
		asked.body = strings.Repeat(" ", size)
		if told := r.call(t, asked).apiError(t); told.Name != name {
			t.Errorf("%d bytes: %s", size, told.Name)
		}
	}
}

// Only a trusted proxy is believed, and only what the last of them saw.
func TestAddressBehindProxies(t *testing.T) {
	const told = "198.51.100.7, 203.0.113.9, 10.1.2.3"
	t.Run("an address of the link is not trusted by itself", func(t *testing.T) {
		r := start(t, setup{gateway: func(o *gateway.Options) { o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }})
		r.call(t, call{path: ownList("prefixes"), client: system, header: http.Header{"X-Forwarded-For": {"203.0.113.9, 169.254.0.1"}}}).wantStatus(t, 200)
		if got := r.log.last(t)["client_ip"]; got != "169.254.0.1" {
			t.Errorf("the caller is at %v", got)
		}
	})
	for name, c := range map[string]struct {
		trusted []netip.Prefix
		ip      string
	}{
		"no proxy is trusted":      {nil, "127.0.0.1"},
		"another proxy is trusted": {[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, "127.0.0.1"},
		"the nearest is trusted":   {[]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, "10.1.2.3"},
		"a chain is trusted":       {[]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}, "203.0.113.9"},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, setup{gateway: func(o *gateway.Options) { o.TrustedProxies = c.trusted }})
			r.call(t, call{path: ownList("prefixes"), client: system, header: http.Header{"X-Forwarded-For": {told}}}).wantStatus(t, 200)
			if got := r.log.last(t)["client_ip"]; got != c.ip {
				t.Errorf("the caller is at %v, want %s", got, c.ip)
			}
		})
	}
}

// On a Unix socket callers have no address. They are served all the same.
func TestCallersWithoutAnAddress(t *testing.T) {
	r := start(t, setup{})
	request := r.request(t, call{path: ownList("prefixes"), client: system})
	request.RemoteAddr = "@"
	recorder := httptest.NewRecorder()
	r.handler.ServeHTTP(recorder, request)
	readAnswer(t, recorder.Result()).wantStatus(t, http.StatusOK)
}

func TestAvailableFromTheTenant(t *testing.T) {
	r := start(t, setup{services: func(o *gateway.ServiceOptions) { o.ITC.AvailableFrom = itc.AvailableFromTenant }})
	for list, want := range map[string]string{
		"available_numbers": `{"available_numbers":[` +
			`{"minPhoneNumber":"+3225126999","maxPhoneNumber":"+3225126999","active":true,"extensionLength":""},` +
			`{"minPhoneNumber":"+3225127000","maxPhoneNumber":"+3225127999","active":true,"extensionLength":"4"},` +
			`{"minPhoneNumber":"+3225128000","maxPhoneNumber":"+3225128009","active":false,"extensionLength":""}]}`,
		"available_prefixes": `{"available_prefixes":[{"prefix":"+32-03","active":true,"extensionRangeStart":"100","extensionRangeEnd":"199"}]}`,
	} {
		if diff := cmp.Diff(want, strings.TrimSpace(r.get(t, list).body)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", list, diff)
		}
	}
}

func TestEmptyListsAreListsAllTheSame(t *testing.T) {
	r := start(t, setup{})
	for _, list := range []string{"numbers", "prefixes", "available_numbers", "available_prefixes"} {
		got := r.call(t, call{path: listOf("bartenant", "bargroup", list), client: system})
		if body := strings.TrimSpace(got.body); body != `{"`+list+`":[]}` {
			t.Errorf("%s: %s", list, body)
		}
	}
}

// panicking is a platform that makes the gateway fail.
type panicking struct{ translate.Reader }

func TestPanics(t *testing.T) {
	r := start(t, setup{engine: func(o *translate.Options) { o.Reader = panicking{} }})
	got := r.get(t, "numbers")
	told := got.wantError(t, http.StatusInternalServerError, "INTERNAL")
	if told.Message != "The gateway failed." || strings.Contains(got.body, "nil pointer") {
		t.Errorf("tells what is not the caller's to know: %s", got.body)
	}
	line := r.log.last(t)
	if cause, _ := line["panic"].(string); !strings.Contains(cause, "nil pointer") || line["level"] != "ERROR" {
		t.Errorf("logged %v", line)
	}
	if cause, _ := line["panic"].(string); strings.Count(cause, "goroutine ") > 2 {
		t.Error("the stacks of other requests are logged with it")
	}
	r.call(t, call{path: "/nowhere"}).wantStatus(t, http.StatusNotFound) // it still serves
}
