package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// These tests specify how the command call sends a request and what it makes of the
// response: exit codes, messages, and that nothing is sent twice or to another place. A
// server of the test takes the place of the gateway. A new kind of response gets an entry
// in TestCallExitCodes.

// serveCalls runs a server in the place of a gateway, and returns its URL.
func serveCalls(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// callAt calls an endpoint of a group at a URL.
func callAt(t *testing.T, url, endpoint string, more ...string) (out, errs string, err error) {
	t.Helper()
	return execute(t, "", slices.Concat([]string{"call", endpoint, "--url", url}, inGroup, more)...)
}

const unknownError = `{"errors":[{"code":1015,"name":"OUTCOME_UNKNOWN","message":"It may have been done.","details":{"entries":["+32"],"operation":"/x/"}}]}`

func TestCallExitCodes(t *testing.T) {
	const read, write, dryRun = "itc_numbers_list", "itc_numbers_set", "dry run"
	for name, test := range map[string]struct {
		kind    string
		status  int
		outcome string
		body    string
		code    int
		says    string // in the error
	}{
		"a read":                                {read, 200, "", "{}", 0, ""},
		"a read that is still the same":         {read, 304, "", "", 0, ""},
		"a write":                               {write, 200, "done", "{}", 0, ""},
		"a write that is created":               {write, 201, "done", "{}", 0, ""},
		"a write done in part":                  {write, 207, "partly_done", "{}", 2, "207 Multi-Status: the write was done in part"},
		"a write with an unknown part":          {write, 207, "unknown", "{}", 6, "207 Multi-Status: whether a part of the write was done is unknown"},
		"an error after a part":                 {write, 502, "partly_done", `{"errors":[{"code":1024,"name":"PARTLY_DONE","message":"A part."}]}`, 2, "PARTLY_DONE: A part."},
		"a refused read":                        {read, 403, "", `{"errors":[{"code":1001,"name":"FORBIDDEN","message":"No."}]}`, 4, "403 Forbidden: error 1001 FORBIDDEN: No."},
		"a refused write":                       {write, 409, "not_done", `{"errors":[{"code":1019,"name":"ENTRIES_HELD","message":"Held."}]}`, 4, "ENTRIES_HELD"},
		"too many requests":                     {write, 429, "", "", 4, "429 Too Many Requests"},
		"a failed read":                         {read, 504, "", `{"errors":[{"code":1014,"name":"PLATFORM_TIMEOUT","message":"Late."}]}`, 5, "PLATFORM_TIMEOUT"},
		"a platform that is down":               {write, 503, "not_done", "", 5, "503"},
		"a write that is not done":              {write, 502, "not_done", "", 5, "502"},
		"an unknown write":                      {write, 504, "unknown", unknownError, 6, "error 1015 OUTCOME_UNKNOWN: It may have been done."},
		"a proxy that lost the response":        {write, 504, "", "<html>", 6, "the response is not one of ocigate; whether the write was done is unknown"},
		"a proxy that got none":                 {write, 502, "", "<html>", 6, "whether the write was done is unknown"},
		"a gateway that failed":                 {write, 500, "", "", 6, "whether the write was done is unknown"},
		"a proxy that lost its connection":      {write, 503, "", "<html>", 6, "503 Service Unavailable: the response is not one of ocigate; whether the write was done is unknown"},
		"a proxy that wants a login":            {write, 200, "", "<html>", 6, "200 OK: the response is not one of ocigate; whether the write was done is unknown"},
		"a proxy that knows nothing of parts":   {write, 207, "", "{}", 6, "207 Multi-Status: whether a part of the write was done is unknown"},
		"a proxy that has stored a response":    {write, 304, "", "", 6, "whether the write was done is unknown"},
		"a proxy that refuses a write":          {write, 403, "", "<html>", 4, "403 Forbidden: the response is not one of ocigate"},
		"a proxy without a gateway":             {read, 503, "", "<html>", 5, "503 Service Unavailable: the response is not one of ocigate"},
		"a dry run that failed":                 {dryRun, 504, "", "", 5, "504"},
		"a redirect of a read":                  {read, 302, "", "", 3, "the redirect is not followed"},
		"a redirect of a write":                 {write, 308, "", "", 3, "the redirect is not followed"},
		"an error in the form of RFC 9457":      {read, 404, "", `{"type":"/docs/errors/TENANT_NOT_FOUND/","title":"x","status":404,"detail":"None.","code":1002,"name":"TENANT_NOT_FOUND","errors":{"0":{"summary":"[Error 1] gone"}}}`, 4, "error 1002 TENANT_NOT_FOUND: None.\n  the platform: [Error 1] gone\n"},
		"an error of a later version":           {read, 400, "", `{"errors":[{"code":7777,"name":"NEW_ERROR","message":"New."}]}`, 4, "error 7777 NEW_ERROR: New."},
		"an error that controls a terminal":     {read, 400, "", "{\"errors\":[{\"code\":1,\"name\":\"X\",\"message\":\"a\\u001b[2Jb\"}]}", 4, `X: "a\x1b[2Jb"`},
		"another JSON":                          {read, 400, "", `["x"]`, 4, "the response is not one of ocigate"},
		"problems that are not in the message":  {write, 400, "not_done", `{"errors":[{"code":19,"name":"NOT_AVAILABLE_FOR_ASSIGNMENT","message":"No.","details":{"problems":[{"pointer":"/numbers/0","reason":"is taken"},{"parameter":"group_id","reason":"is long"},{"pointer":"","reason":"is odd"}]}}]}`, 4, "No.\n  /numbers/0 is taken\n  group_id is long\n  the body is odd\n"},
		"problems that are in the message only": {read, 400, "", `{"errors":[{"code":2,"name":"INVALID_PARAMETERS","message":"x is bad.","details":{"problems":[{"parameter":"x","reason":"is bad"}]}}]}`, 4, "x is bad.\n  The message"},
	} {
		t.Run(name, func(t *testing.T) {
			requests := atomic.Int32{}
			url := serveCalls(t, func(w http.ResponseWriter, _ *http.Request) {
				requests.Add(1)
				w.Header().Set("Location", "/elsewhere")
				w.Header().Set("Etag", `"tag"`)
				w.Header().Set("Retry-After", "7")
				if test.outcome != "" {
					w.Header().Set("Operation-Outcome", test.outcome)
				}
				w.WriteHeader(test.status)
				if test.status != http.StatusNotModified {
					fmt.Fprint(w, test.body)
				}
			})
			endpoint, flags := test.kind, []string(nil)
			switch test.kind {
			case write:
				flags = []string{"--body", "{}"}
			case dryRun:
				endpoint, flags = write, []string{"--body", "{}", "--dry-run"}
			}
			out, errs, err := callAt(t, url, endpoint, flags...)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if exitCode(err) != test.code || !strings.Contains(text, test.says) || out != test.body {
				t.Errorf("exit code %d, want %d: %q, wrote %q", exitCode(err), test.code, text, out)
			}
			if failed := test.code != 0; strings.Contains(errs, "Retry-After: 7\n") != failed || strings.Contains(errs, "Etag: \"tag\"\n") != failed {
				t.Errorf("headers: %s", errs)
			}
			if requests.Load() != 1 {
				t.Errorf("%d requests", requests.Load())
			}
		})
	}
}

func TestCallExplainsErrors(t *testing.T) {
	url := serveCalls(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusGatewayTimeout)
		fmt.Fprint(w, unknownError)
	})
	_, errs, err := callAt(t, url, "itc_numbers_set", "--body", "{}", "--idempotency-key", "mine")
	if err == nil || !strings.Contains(err.Error(), "Wait as long as the Retry-After header says") || !strings.HasSuffix(err.Error(), "explained at "+url+"/docs/errors/OUTCOME_UNKNOWN/") {
		t.Errorf("got %v", err)
	}
	if !strings.HasPrefix(errs, "Idempotency-Key: mine\n504 Gateway Timeout\n") {
		t.Errorf("wrote %s", errs)
	}
}

// A response that was made before the key was looked up does not report what became of the
// first request with it.
func TestCallExplainsARepetition(t *testing.T) {
	const about = "what became of an earlier one with the key mine is not known"
	for _, test := range []struct {
		status   int
		replayed string
		key      []string
		explains bool
	}{
		{401, "", []string{"--idempotency-key", "mine"}, true},
		{403, "", []string{"--idempotency-key", "mine"}, true},
		{429, "", []string{"--idempotency-key", "mine"}, true},
		{503, "", []string{"--idempotency-key", "mine"}, true},
		{503, "true", []string{"--idempotency-key", "mine"}, false},
		{400, "", []string{"--idempotency-key", "mine"}, false},
		{401, "", nil, false},
	} {
		url := serveCalls(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Operation-Outcome", "not_done")
			if test.replayed != "" {
				w.Header().Set("Idempotency-Replayed", test.replayed)
			}
			w.WriteHeader(test.status)
		})
		_, _, err := callAt(t, url, "itc_numbers_set", append([]string{"--body", "{}"}, test.key...)...)
		if err == nil || strings.Contains(err.Error(), about) != test.explains {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

// receivedCalls keeps the requests that a server gets.
type receivedCalls struct {
	mu       sync.Mutex // guards requests
	requests []*http.Request
}

func (r *receivedCalls) add(request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, request)
}

func (r *receivedCalls) all() []*http.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

func TestCallSendsItsHeaders(t *testing.T) {
	var got receivedCalls
	url := serveCalls(t, func(w http.ResponseWriter, r *http.Request) {
		got.add(r)
		w.Header().Set("Operation-Outcome", "done")
		fmt.Fprint(w, "{}")
	})
	folder := t.TempDir()
	token := filepath.Join(folder, "token")
	writeFile(t, token, "abc.def\n")
	last := func() http.Header {
		all := got.all()
		return all[len(all)-1].Header
	}
	_, errs, err := callAt(t, url+"/", "itc_numbers_set", append([]string{"--body", "{}", "--if-match", `"a"`, "--accept", "problem"}, asClient(t, "portal")...)...)
	if err != nil {
		t.Fatal(err)
	}
	first := last()
	key := first.Get("Idempotency-Key")
	for name, want := range map[string]string{
		"Authorization": "Basic cG9ydGFsOmRlbW8=", "If-Match": `"a"`, "Accept": "application/problem+json", "Content-Type": "application/json",
		"User-Agent": "ocigate/" + versionText(), "Accept-Encoding": "",
	} {
		if first.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, first.Get(name), want)
		}
	}
	if len(key) < 20 || errs != "Idempotency-Key: "+key+"\n" {
		t.Errorf("the key is %q, wrote %q", key, errs)
	}
	for _, test := range []struct {
		args                []string
		name, want, written string
	}{
		{[]string{"itc_numbers_set", "--body", "{}", "--no-key"}, "Idempotency-Key", "", ""},
		{[]string{"itc_numbers_set", "--body", "{}", "--dry-run"}, "Idempotency-Key", "", ""},
		{[]string{"itc_numbers_set", "--body", "{}", "--param", "dry_run=true"}, "Idempotency-Key", "", ""},
		{[]string{"itc_numbers_set", "--body", "{}", "--idempotency-key", "mine"}, "Idempotency-Key", "mine", "Idempotency-Key: mine\n"},
		{[]string{"itc_numbers_list", "--token-file", token}, "Authorization", "Bearer abc.def", ""},
		{[]string{"itc_numbers_list"}, "Authorization", "", ""},
		{[]string{"itc_numbers_list"}, "Content-Type", "", ""},
		{[]string{"itc_numbers_list", "--if-none-match", `"b"`}, "If-None-Match", `"b"`, ""},
		{[]string{"itc_numbers_list", "-v"}, "Accept", "application/json", "200 OK\nOperation-Outcome: done\n"},
	} {
		_, errs, err := callAt(t, url, test.args[0], test.args[1:]...)
		if err != nil || last().Get(test.name) != test.want || errs != test.written {
			t.Errorf("%v: %v, %s is %q, want %q, wrote %q", test.args, err, test.name, last().Get(test.name), test.want, errs)
		}
	}
	if _, _, err := callAt(t, url, "itc_numbers_set", "--body", "{}"); err != nil || last().Get("Idempotency-Key") == key {
		t.Errorf("%v: the key %q is used again", err, key)
	}
	if path := got.all()[0].URL.Path; !strings.HasPrefix(path, "/api/v1/tenant/T/group/G/") {
		t.Errorf("the path is %s", path)
	}
}

// With --verbose a page of a list is printed with the places of the others.
func TestCallShowsTheLinksOfAPage(t *testing.T) {
	url := serveCalls(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</api/v1/?startIndex=3>; rel=\"next\"")
		w.Header().Set("X-Total-Count", "12")
		if r.URL.RawQuery == "" {
			w.WriteHeader(http.StatusForbidden)
		}
		fmt.Fprint(w, "{}")
	})
	const links, total = "Link: </api/v1/?startIndex=3>; rel=\"next\"\n", "X-Total-Count: 12\n"
	if _, errs, err := callAt(t, url, "itc_numbers_list", "--verbose", "--param", "pageSize=2"); err != nil || !strings.Contains(errs, links) || !strings.Contains(errs, total) {
		t.Errorf("a page: %v, wrote %s", err, errs)
	}
	if _, errs, err := callAt(t, url, "itc_numbers_list", "--verbose"); err == nil || strings.Contains(errs, links) {
		t.Errorf("an error: %v, wrote %s", err, errs)
	}
}

func TestCallSendsTheBodyOfAFileAndOfTheInput(t *testing.T) {
	bodies := make(chan string, 3)
	url := serveCalls(t, func(w http.ResponseWriter, r *http.Request) {
		var body strings.Builder
		_, _ = bufio.NewReader(r.Body).WriteTo(&body)
		bodies <- body.String()
		w.Header().Set("Operation-Outcome", "done")
		fmt.Fprint(w, "{}")
	})
	file := filepath.Join(t.TempDir(), "body.json")
	writeFile(t, file, "{\"of\": \"file\"}\n")
	for body, want := range map[string]string{"@" + file: "{\"of\": \"file\"}\n", "-": "of the input\n", `{"a":1}`: `{"a":1}`} {
		if _, _, err := execute(t, "of the input\n", append(append([]string{"call", "itc_numbers_set", "--url", url}, inGroup...), "--body", body)...); err != nil {
			t.Error(err)
		}
		if got := <-bodies; got != want {
			t.Errorf("%s: got %q", body, got)
		}
	}
}

// TestCallDoesNotFollowRedirects requires that no request, and so no credentials, reaches
// the place of a redirect.
func TestCallDoesNotFollowRedirects(t *testing.T) {
	var elsewhere receivedCalls
	other := serveCalls(t, func(_ http.ResponseWriter, r *http.Request) { elsewhere.add(r) })
	for _, status := range []int{301, 302, 303, 307, 308} {
		url := serveCalls(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other+r.URL.Path, status) })
		_, errs, err := callAt(t, url, "itc_numbers_list", asClient(t, "portal")...)
		if exitCode(err) != exitRedirect || !strings.Contains(errs, "Location: "+other) {
			t.Errorf("%d: %v, %s", status, err, errs)
		}
	}
	if n := len(elsewhere.all()); n > 0 {
		t.Errorf("%d requests were redirected", n)
	}
}

func TestCallKnowsWhetherItWasSent(t *testing.T) {
	var connections atomic.Int32
	// lost closes each connection after the request.
	lost := serveCalls(t, func(w http.ResponseWriter, _ *http.Request) {
		connections.Add(1)
		connection, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = connection.Close()
		}
	})
	untrusted := httptest.NewTLSServer(nil)
	untrusted.Config.ErrorLog = nil
	t.Cleanup(untrusted.Close)
	for name, test := range map[string]struct {
		url  string
		args []string
		code int
		says []string
	}{
		"a read of a closed port":    {nowhere, []string{"itc_numbers_list"}, exitUnsent, []string{"nothing was sent to " + nowhere, "refused"}},
		"a write to a closed port":   {nowhere, []string{"itc_numbers_set", "--body", "{}"}, exitUnsent, []string{"nothing was sent"}},
		"a certificate of no one":    {untrusted.URL, []string{"itc_numbers_set", "--body", "{}"}, exitUnsent, []string{"nothing was sent", "certificate"}},
		"a lost read":                {lost, []string{"itc_numbers_list"}, exitLost, []string{"no response from " + lost}},
		"a lost write":               {lost, []string{"itc_numbers_set", "--body", "{}", "--idempotency-key", "k1"}, exitLost, []string{"no response", "whether the write was done is unknown: the same command with --idempotency-key k1 returns its outcome"}},
		"a lost write without a key": {lost, []string{"itc_numbers_set", "--body", "{}", "--no-key"}, exitLost, []string{"whether the write was done is unknown: read the list"}},
		"a write without any time":   {nowhere, []string{"itc_numbers_set", "--body", "{}", "--timeout", "1ns"}, exitUnsent, []string{"nothing was sent", "deadline exceeded"}},
	} {
		t.Run(name, func(t *testing.T) {
			before := connections.Load()
			out, errs, err := callAt(t, test.url, test.args[0], test.args[1:]...)
			if exitCode(err) != test.code || out != "" {
				t.Fatalf("exit code %d, want %d: %v, wrote %q %q", exitCode(err), test.code, err, out, errs)
			}
			for _, part := range test.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("without %q: %v", part, err)
				}
			}
			if n := connections.Load() - before; n > 1 || test.url == lost && n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// TestCallIsInterrupted interrupts a write while the gateway works on it.
func TestCallIsInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	url := serveCalls(t, func(_ http.ResponseWriter, r *http.Request) {
		interrupt()
		_, _ = io.Copy(io.Discard, r.Body) // the end of the connection is only seen after the body
		<-r.Context().Done()
	})
	root := newRoot()
	root.SetOut(io.Discard)
	root.SetErr(io.Discard)
	root.SetArgs(slices.Concat([]string{"call", "itc_numbers_set", "--url", url, "--body", "{}", "--idempotency-key", "k1"}, inGroup))
	err := root.ExecuteContext(ctx)
	if exitCode(err) != exitLost || !strings.Contains(err.Error(), "whether the write was done is unknown: the same command with --idempotency-key k1") {
		t.Errorf("exit code %d: %v", exitCode(err), err)
	}
}

func TestCallReportsAnIncompleteResponse(t *testing.T) {
	url := serveCalls(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		if r.Method != http.MethodGet {
			w.Header().Set("Operation-Outcome", "done")
		}
		fmt.Fprint(w, "{")
	})
	if _, _, err := callAt(t, url, "itc_numbers_list"); exitCode(err) != exitLost || !strings.Contains(err.Error(), "the response is not complete") {
		t.Errorf("a read: %v", err)
	}
	if _, errs, err := callAt(t, url, "itc_numbers_set", "--body", "{}"); err != nil || !strings.Contains(errs, "the response is not complete") {
		t.Errorf("a write that was done: %v, %s", err, errs)
	}
}

func TestCallTrustsGivenAuthorities(t *testing.T) {
	var protocol atomic.Value
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocol.Store(r.Proto)
		fmt.Fprint(w, "{}")
	}))
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	writeFile(t, file, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	out, errs, err := callAt(t, server.URL, "itc_numbers_list", append([]string{"--cacert", file}, asClient(t, "portal")...)...)
	if err != nil || out != "{}" || errs != "" || protocol.Load() != "HTTP/1.1" {
		t.Errorf("%v, wrote %s %s, by %v", err, out, errs, protocol.Load())
	}
}

func TestCallWarnsWithoutTLS(t *testing.T) {
	for base, unprotected := range map[string]bool{
		"http://127.0.0.1:8080": false, "http://[::1]:8080": false, "http://localhost": false, "http://a.localhost": false, "https://gw.example": false,
		"http://gw.example": true, "http://10.0.0.1:8080": true, "http://localhost.example": true,
	} {
		if isUnprotected(base) != unprotected {
			t.Errorf("%s: %t", base, !unprotected)
		}
	}
	// With no time, it does not even try to connect to an address of documentation.
	const other, noTime = "http://192.0.2.1", "--timeout=1ns"
	_, errs, err := callAt(t, other, "itc_numbers_list", append(asClient(t, "portal"), noTime)...)
	if exitCode(err) != exitUnsent || errs != "warning: the credentials are sent to "+other+" without TLS\n" {
		t.Errorf("%v, wrote %s", err, errs)
	}
	if _, errs, _ := callAt(t, other, "itc_numbers_list", noTime); errs != "" {
		t.Errorf("without credentials: %s", errs)
	}
}

func TestBodiesForATerminal(t *testing.T) {
	for body, want := range map[string]string{
		`{"a":[1,2],"b":"é"}` + "\n": "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": \"é\"\n}\n",
		`{}`:                         "{}\n",
		"":                           "",
		"<html>\x1b[2J":              "<html>\uFFFD[2J\n",
		"{\"a\":\"\u009b2J\"}":       "{\n  \"a\": \"\uFFFD2J\"\n}\n",
	} {
		if got := forTerminal([]byte(body)); got != want {
			t.Errorf("%q becomes %q, want %q", body, got, want)
		}
	}
}
