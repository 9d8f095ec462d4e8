package gateway_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway"
	"ocigate/translate"
)

// The log line of a request: ids, address, errors and panics.

// A client without credentials must not be able to fill the log or the memory.
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
			t.Error("the platform did not get it")
		}
	})
}

func TestTraceContextIsLogged(t *testing.T) {
	if allTraced() {
		t.Skip("the log has the trace of the span")
	}
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

// X-Forwarded-For is used only from a trusted proxy, up to the first address of no proxy.
func TestAddressBehindProxies(t *testing.T) {
	const reported = "198.51.100.7, 203.0.113.9, 10.1.2.3"
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
			r.call(t, call{path: ownList("prefixes"), client: system, header: http.Header{"X-Forwarded-For": {reported}}}).wantStatus(t, 200)
			if got := r.log.last(t)["client_ip"]; got != c.ip {
				t.Errorf("the caller is at %v, want %s", got, c.ip)
			}
		})
	}
}

// On a Unix socket callers have no address. They are served nevertheless.
func TestCallersWithoutAnAddress(t *testing.T) {
	r := start(t, setup{})
	request := r.request(t, call{path: ownList("prefixes"), client: system})
	request.RemoteAddr = "@"
	recorder := httptest.NewRecorder()
	r.handler.ServeHTTP(recorder, request)
	readResponse(t, recorder.Result()).wantStatus(t, http.StatusOK)
}

// panicking is a platform that makes the gateway fail.
type panicking struct{ translate.Reader }

func TestPanics(t *testing.T) {
	r := start(t, setup{engine: func(o *translate.Options) { o.Reader = panicking{} }})
	got := r.get(t, "numbers")
	failure := got.wantError(t, http.StatusInternalServerError, "INTERNAL")
	if failure.Message != "The gateway failed." || strings.Contains(got.body, "nil pointer") {
		t.Errorf("the response has internal details: %s", got.body)
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
