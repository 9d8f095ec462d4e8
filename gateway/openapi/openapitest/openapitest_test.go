package openapitest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// These tests specify what the validation finds. Each case is a request, and a handler
// that responds in a way in which the gateway must not; want is a part of the problem that
// is found, empty for none.

const (
	numbers   = "/api/v1/tenant/T/group/G/services/immediate_trunking_connectivity/numbers/"
	rows      = `{"numbers":[{"minPhoneNumber":"+1","maxPhoneNumber":"+2","groupId":"G","userId":"","lastName":"","firstName":"","phoneNumber":"","extension":"","emailAddress":"","enterpriseTrunk":"","active":true,"extensionLength":""}]}`
	body      = `{"numbers":[{"minPhoneNumber":"+1"}]}`
	forbidden = `{"errors":[{"code":1001,"name":"FORBIDDEN","message":"no"}]}`
)

// traced returns a response with the trace of its request.
func traced(response string) string {
	return `{"response":` + response + `,"wire":[],"truncated":false}`
}

// Headers of a request for a trace, and of the response to it.
var (
	wanted = map[string]string{"Ocigate-Wire": "return"}
	given  = map[string]string{"Content-Type": "application/vnd.ocigate.wire+json"}
)

type exchangeCase struct {
	method, target, body string
	header               map[string]string // of the request; X-Api-Key is added
	status               int
	response             string
	remove               string            // a header of the response
	add                  map[string]string // headers of the response
	want                 string
}

func cases() map[string]exchangeCase {
	return map[string]exchangeCase{
		"a list":                                 {target: numbers, response: rows},
		"a list under another spelling":          {target: "/api/v1/tenants/T/groups/G/services/immediate_trunking_connectivity/numbers", response: rows},
		"a list with the ignored parameter":      {target: numbers + "?_=1", response: rows},
		"a member that is not described":         {target: numbers, response: strings.Replace(rows, `"active"`, `"more":1,"active"`, 1), want: "additional properties 'more' not allowed"},
		"a member that is missing":               {target: numbers, response: strings.Replace(rows, `"userId":"",`, ``, 1), want: "missing property 'userId'"},
		"a member of another type":               {target: numbers, response: strings.Replace(rows, `true`, `"true"`, 1), want: "got string, want boolean"},
		"a status that is not described":         {target: numbers, status: 418, response: forbidden, want: "the status 418 is not described"},
		"a media type that is not described":     {target: numbers, response: rows, add: map[string]string{"Content-Type": "text/plain"}, want: `the media type "text/plain"`},
		"a header that is not described":         {target: numbers, response: rows, add: map[string]string{"X-Secret": "1"}, want: "the header X-Secret of status 200 is not described"},
		"a response to a page of another origin": {target: numbers, response: rows, add: map[string]string{"Access-Control-Allow-Origin": "https://a.example", "Access-Control-Expose-Headers": "Etag"}},
		"a header that is missing":               {target: numbers, response: rows, remove: "Etag", want: "the header Etag of status 200 is missing"},
		"a header of a wrong form":               {target: numbers, response: rows, add: map[string]string{"X-Request-Id": "a b"}, want: "the header X-Request-Id: "},
		"an error":                               {target: numbers, status: 403, response: forbidden},
		"an error of another status":             {target: numbers, status: 404, response: forbidden, want: "the error FORBIDDEN of status 404 is not described"},
		"an error that the operation cannot get": {target: numbers, status: 404, response: `{"errors":[{"code":1027,"name":"USER_NOT_FOUND","message":"no"}]}`, want: "USER_NOT_FOUND"},
		"an error that the operator has mapped":  {target: numbers, status: 404, response: `{"errors":[{"code":1027,"name":"USER_NOT_FOUND","message":"no","details":{"errors":{"0":{"level":"Error","summary":"s","detail":""}}}}]}`},
		"no credentials":                         {target: numbers, header: map[string]string{"X-Api-Key": ""}, response: rows, want: "it has no credentials"},
		"a parameter that is not described":      {target: numbers + "?x=1", response: rows, want: "the query parameter x is not described"},
		"a refused parameter":                    {target: numbers + "?x=1", status: 400, response: `{"errors":[{"code":2,"name":"INVALID_PARAMETERS","message":"no"}]}`},
		"an id that is too long":                 {target: strings.Replace(numbers, "/T/", "/"+strings.Repeat("T", 31)+"/", 1), response: rows, want: "path tenant_id"},
		"a write":                                {method: "POST", target: numbers, body: body, status: 201, response: `{}`},
		"a write with the documents' media type": {method: "POST", target: numbers, body: body, header: map[string]string{"Content-Type": `"application/json"`}, status: 201, response: `{}`},
		"a write of another media type":          {method: "POST", target: numbers, body: body, header: map[string]string{"Content-Type": "text/xml"}, status: 201, response: `{}`, want: "the media type"},
		"a write of a member that is unknown":    {method: "POST", target: numbers, body: `{"numbers":[{"minPhoneNumber":"+1"}],"x":1}`, status: 201, response: `{}`, want: "additional properties 'x' not allowed"},
		"a write without a body":                 {method: "POST", target: numbers, status: 201, response: `{}`, want: "the body is not JSON"},
		"an invalid write of unknown outcome":    {method: "POST", target: numbers, body: `[]`, status: 504, response: `{"errors":[{"code":1015,"name":"OUTCOME_UNKNOWN","message":"?"}]}`, want: "the request is not valid by the description, and got 504"},
		"a key that is too long":                 {method: "POST", target: numbers, body: body, header: map[string]string{"Idempotency-Key": strings.Repeat("k", 256)}, status: 201, response: `{}`, want: "header Idempotency-Key"},
		"a trace":                                {target: numbers, header: wanted, add: given, response: traced(rows)},
		"a trace of an error":                    {target: numbers, header: wanted, add: given, status: 403, response: traced(forbidden)},
		"a trace of an undescribed body":         {target: numbers, header: wanted, add: given, response: traced(`{}`), want: "missing property 'numbers'"},
		"a trace of an undescribed error":        {target: numbers, header: wanted, add: given, status: 404, response: traced(forbidden), want: "the error FORBIDDEN of status 404 is not described"},
		"a trace of another form":                {target: numbers, header: wanted, add: given, response: rows, want: "the trace in the body"},
		"a trace that is not asked for":          {target: numbers, add: given, response: traced(rows), want: "does not ask"},
		"an unknown path":                        {target: "/api/v1/nothing/", status: 404, response: `{"errors":[{"code":1005,"name":"ROUTE_NOT_FOUND","message":"no"}]}`},
		"an unknown path that is served":         {target: "/api/v1/nothing/", response: rows, want: "no route serves the request, and its status is 200"},
		"an unknown method that is served":       {method: "PATCH", target: numbers, response: rows, want: "no route serves the request, and its status is 200"},
		"a page of the documentation":            {target: "/docs/", response: "anything", remove: "Etag"},
	}
}

func TestValidation(t *testing.T) {
	for name, c := range cases() {
		t.Run(name, func(t *testing.T) {
			problems := c.problems(t)
			switch {
			case c.want == "" && len(problems) > 0:
				t.Errorf("problems were found: %v", problems)
			case c.want != "" && !strings.Contains(strings.Join(problems, "\n"), c.want):
				t.Errorf("the problems are %q, want one with %q", problems, c.want)
			}
		})
	}
}

// problems returns what is found in the exchange of a case.
func (c exchangeCase) problems(t *testing.T) []string {
	t.Helper()
	own := &collector{left: map[Exception]int{}}
	handler := watched{http.HandlerFunc(c.respond), []*collector{own}}
	if c.method == "" {
		c.method = http.MethodGet
	}
	request := httptest.NewRequestWithContext(t.Context(), c.method, c.target, strings.NewReader(c.body))
	request.Header.Set("X-Api-Key", "id.secret")
	for name, value := range c.header {
		request.Header.Set(name, value)
	}
	if request.Header.Get("X-Api-Key") == "" {
		request.Header.Del("X-Api-Key")
	}
	handler.ServeHTTP(httptest.NewRecorder(), request)
	if own.seen != 1 {
		t.Errorf("%d exchanges were seen, want 1", own.seen)
	}
	return own.problems
}

func (c exchangeCase) respond(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	header := w.Header()
	header.Set("X-Request-Id", "id")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Type", "application/json")
	if r.Method == http.MethodGet && c.status == 0 {
		header.Set("Etag", `"tag"`)
	}
	header.Del(c.remove)
	for name, value := range c.add {
		header.Set(name, value)
	}
	if c.status != 0 {
		w.WriteHeader(c.status)
	}
	_, _ = io.WriteString(w, c.response)
}

// TestMainFails checks that a difference makes the tests of a package fail, in this
// process and in one that it has started.
func TestMainFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := reportFile
	t.Cleanup(func() { reportFile = before })
	reportFile = file
	report([]string{"a problem"})
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), "a problem") {
		t.Errorf("the report is %q, %v", text, err)
	}
	t.Setenv(reportVariable, "")
	if code := (Main{M: runs(func() {})}).Run(); code != 0 {
		t.Errorf("without a problem the code is %d", code)
	}
	fromChild := func() {
		reportFile = os.Getenv(reportVariable)
		report([]string{"a problem"})
	}
	if code := (Main{M: runs(fromChild)}).Run(); code != 1 {
		t.Errorf("with a problem of another process the code is %d", code)
	}
}

// The summary has everything that was not validated, and why.
func TestSummary(t *testing.T) {
	c := collector{left: map[Exception]int{}}
	for _, reason := range append(Exceptions(), "", "", CutOff) {
		c.add(nil, reason)
	}
	const want = "openapi: 2 of 7 requests and their responses were validated"
	got := c.summary()
	if !strings.HasPrefix(got, want+"; ") || !strings.Contains(got, "; 2 not: "+string(CutOff)) {
		t.Errorf("the summary is %s", got)
	}
	for _, reason := range Exceptions() {
		if !strings.Contains(got, string(reason)) {
			t.Errorf("the summary does not have the reason %s", reason)
		}
	}
}

// runs is a testing.M whose tests pass.
type runs func()

func (r runs) Run() int { r(); return 0 }
