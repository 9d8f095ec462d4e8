package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway"
	"ocigate/translate"
)

// The bodies of requests: media types, JSON and sizes. Add a refused body to TestBodies,
// with the pointers of its problems.

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
			failure := got.wantError(t, http.StatusRequestedRangeNotSatisfiable, "BAD_MEDIA_TYPE")
			if failure.Message != "Bad Media Type" {
				t.Errorf("message %q", failure.Message)
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
				failure := r.call(t, c2).wantError(t, c.status, c.error)
				var at []string
				for _, p := range failure.Details.Problems {
					at = append(at, *p.Pointer)
				}
				if diff := cmp.Diff(c.at, at); diff != "" {
					t.Errorf("pointers (-want +got):\n%s", diff)
				}
			})
		}
	}
	if heard := r.platform.Ledger(); len(heard) != 0 {
		t.Errorf("the platform got %d commands for invalid requests", len(heard))
	}
}

func TestProblemsOfPathAndBodyAreReportedTogether(t *testing.T) {
	r := start(t, setup{})
	reported := r.call(t, call{
		method: http.MethodPost, path: listOf("%20x", strings.Repeat("g", 31), "numbers"), client: system,
		body: `{"numbers":[{"minPhoneNumber":"x"}],"more":1}`,
	}).wantError(t, http.StatusBadRequest, "JSON_SCHEMA_VALIDATION")
	if len(reported.Details.Problems) != 4 {
		t.Errorf("%d problems, want 4: %+v", len(reported.Details.Problems), reported.Details.Problems)
	}
}

// A write with more entries than the setting allows is refused with its numbers, and
// changes nothing: its key stays free, and a dry run is refused as well.
func TestWritesHaveALimitOfEntries(t *testing.T) {
	r := start(t, setup{engine: func(o *translate.Options) { o.MaxEntries = 2 }})
	for _, w := range writeCases() {
		t.Run(w.route, func(t *testing.T) {
			list := "numbers"
			if strings.Contains(w.route, "prefixes") {
				list = "prefixes"
			}
			asked := w.call
			asked.body = map[string]string{
				"numbers":  `{"numbers":[{"minPhoneNumber":"+321"},{"minPhoneNumber":"+322"},{"minPhoneNumber":"+323"}]}`,
				"prefixes": `{"prefixes":[{"prefix":"+321"},{"prefix":"+322"},{"prefix":"+323"}]}`,
			}[list]
			dry := asked
			dry.path += "?dry_run=true"
			for _, c := range []call{asked, asked.keyed("k"), dry} {
				failure := r.call(t, c).wantError(t, http.StatusBadRequest, "INVALID_PARAMETERS")
				if p := failure.Details.Problems; len(p) != 1 || p[0].Pointer == nil || *p[0].Pointer != "/"+list ||
					p[0].Reason != "must not hold so many entries: the request has 3, and may have 2 at this gateway" {
					t.Errorf("problems %+v", p)
				}
			}
		})
	}
	r.wantUntouched(t)
	if heard := r.platform.Ledger(); len(heard) != 0 {
		t.Errorf("the platform got %d commands for invalid requests", len(heard))
	}
	r.call(t, assignFreeRange().keyed("k")).wantFirst(t, http.StatusCreated)
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
	r.do(t, chunked(freeRange)).wantStatus(t, http.StatusCreated)
	r.do(t, chunked(`{"numbers":[`+strings.Repeat(" ", 300)+`]}`)).wantError(t, http.StatusBadRequest, "BODY_TOO_LARGE")
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
	failure := r.call(t, call{method: http.MethodDelete, path: path, client: tenant}).wantError(t, 416, "BAD_MEDIA_TYPE")
	if !strings.Contains(failure.Message, "remove/") {
		t.Errorf("does not name the path for POST: %q", failure.Message)
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

func TestBodiesAreBoundedByDefault(t *testing.T) {
	r := start(t, setup{})
	for size, name := range map[int]string{1 << 20: "BAD_MEDIA_TYPE", 1<<20 + 1: "BODY_TOO_LARGE"} {
		asked := assignFreeRange()
		asked.body = strings.Repeat(" ", size)
		if failure := r.call(t, asked).apiError(t); failure.Name != name {
			t.Errorf("%d bytes: %s", size, failure.Name)
		}
	}
}
