package gateway_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"ocigate/gateway"
	"ocigate/gateway/tracing"
	"ocigate/gateway/tracing/tracingtest"
)

// This test puts numbers, ids and names of customers, and texts of callers and of the platform,
// wherever a request or a reply has room for them, and searches all bytes that are sent as
// traces. To add one, add it to leaks, and send it.

// canaryText is in everything that a caller or the platform can choose.
const canaryText = "CANARY-of-32475123456"

// leaks are what no trace may have.
var leaks = []string{canaryText, "CANARY", "32475123456", ownTenant, ownGroup, ownUser, "ApioUser", "+3225", "3225126999", "+3226127", "+32-0", clientSecret, "192.0.2", "198.51.100", "user-demo"}

// canaryHeader has the text in every header that the gateway reads, and in others.
func canaryHeader(more http.Header) http.Header {
	header := http.Header{
		"X-Request-Id":    {canaryText},
		"Traceparent":     {"00-" + parentTrace + "-" + parentSpan + "-01"},
		"Tracestate":      {"vendor=" + canaryText},
		"Baggage":         {"number=" + canaryText},
		"User-Agent":      {canaryText},
		"Referer":         {"https://" + canaryText},
		"Idempotency-Key": {canaryText},
		"X-Forwarded-For": {"198.51.100.7"},
		"Forwarded":       {"for=198.51.100.7"},
		"Prefer":          {"wait=20, " + canaryText},
		"If-None-Match":   {`"` + canaryText + `"`},
		"Accept":          {"application/json, x/" + canaryText},
		"Cookie":          {"theme=" + canaryText},
	}
	maps.Copy(header, more)
	return header
}

// canaryCalls are requests to every route and to none, good ones and bad ones.
func canaryCalls(t *testing.T, r *tracedRig) []call {
	ids := strings.NewReplacer("{tenant_id}", ownTenant, "{group_id}", ownGroup, "{user_id}", url.PathEscape(ownUser), "{operation_id}", canaryText)
	numbers := `{"numbers":[{"minPhoneNumber":"+3225126999"}]}`
	var calls []call
	for _, route := range gateway.Table() {
		path := ids.Replace(route.FullPath())
		for _, query := range []string{"", "?" + canaryText + "=" + canaryText, "?dn=" + url.QueryEscape("+3225126999")} {
			calls = append(calls, call{method: route.Method, path: path + query, client: system, header: canaryHeader(nil)})
		}
		for _, body := range []string{numbers, `{"` + canaryText + `":1}`, canaryText} {
			calls = append(calls, call{method: route.Method, path: path, client: system, body: body, header: canaryHeader(http.Header{"Content-Type": {"application/json"}})})
		}
		traced := http.Header{"X-Request-Id": {canaryText}, "Tracestate": {"vendor=" + canaryText}, "User-Agent": {canaryText}}
		calls = append(calls, call{method: route.Method, path: path, client: system, body: numbers, header: traced})
		if route.Query != nil {
			calls = append(calls, call{path: path, client: system, header: traced})
		}
		bad := canaryHeader(http.Header{"Authorization": {"Bearer " + canaryText}})
		calls = append(calls, call{method: route.Method, path: path, header: bad}, call{method: route.Method, path: path + canaryText, client: system, header: bad})
	}
	asUser := canaryHeader(r.bearerOf(t, ownUser))
	return append(calls, assignFreeRange(), assignFreeRange(),
		loginCall(ownUser, passwordOf(ownUser)), loginCall(ownUser, canaryText), loginCall(canaryText, canaryText),
		call{path: ownList("numbers"), header: asUser}, call{path: "/api/v1/", header: asUser},
		call{path: "/" + canaryText, header: asUser}, call{method: canaryText, path: "/api/v1/" + canaryText, header: asUser},
		call{path: ownList("numbers"), header: canaryHeader(http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(ownUser+":"+canaryText))}})},
	)
}

func TestSpansHaveNothingOfCustomers(t *testing.T) {
	for name, faults := range map[string][]string{
		"a platform without faults":    nil,
		"a platform that refuses":      {`error-before-apply number=4999 summary="` + canaryText + ` of +3225126999"`},
		"writes whose reply is lost":   {withCommand("drop-before-apply", assignCommand)},
		"a platform that cannot login": {"refuse"},
	} {
		t.Run(name, func(t *testing.T) {
			r := startTraced(t, setup{}, map[string]string{"OTEL_EXPORTER_OTLP_COMPRESSION": ""})
			calls := canaryCalls(t, r)
			for _, fault := range faults {
				r.inject(t, fault)
			}
			for _, c := range calls {
				r.call(t, c)
			}
			spans := r.flush(t)
			wantNoLeaks(t, r.receiver)
			requests := 0
			for _, s := range spans {
				if s.Kind == "SERVER" {
					requests++
				}
				wantPermitted(t, s)
			}
			if requests < len(calls) {
				t.Errorf("%d of %d requests were traced", requests, len(calls))
			}
			t.Logf("%d spans of %d requests, %d bytes", len(spans), requests, len(bytes.Join(r.receiver.Bodies(), nil)))
		})
	}
}

// wantNoLeaks searches all that was received.
func wantNoLeaks(t *testing.T, receiver *tracingtest.Receiver) {
	t.Helper()
	all := bytes.Join(receiver.Bodies(), []byte("\n"))
	for _, header := range receiver.Headers() {
		all = fmt.Append(all, header)
	}
	for _, text := range leaks {
		for _, form := range []string{text, url.QueryEscape(text), hex.EncodeToString([]byte(text)), strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(text)), "=")} {
			if bytes.Contains(bytes.ToLower(all), []byte(strings.ToLower(form))) {
				t.Errorf("the traces have %q", form)
			}
		}
	}
}

// wantPermitted checks that a span has documented attributes alone, and no texts.
func wantPermitted(t *testing.T, s tracingtest.Span) {
	t.Helper()
	known := tracing.Attributes()
	for key := range s.Attributes {
		if known[key] == "" {
			t.Errorf("%s has the attribute %s", s.Name, key)
		}
	}
	if s.Events > 0 || s.StatusText != "" || s.State != "" {
		t.Errorf("%s has %d events, the status %q and the state %q", s.Name, s.Events, s.StatusText, s.State)
	}
	if !slices.Contains([]string{"SERVER", "CLIENT", "INTERNAL"}, s.Kind) {
		t.Errorf("%s is of the kind %s", s.Name, s.Kind)
	}
}
