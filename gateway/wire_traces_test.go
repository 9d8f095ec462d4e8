package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway"
	"ocigate/gateway/operation"
)

// The traces of tenants. To add a case, make a traceRig, ask its handler, and look at its
// log and its audit trail.

// traceRig is the traces of tenants with their log and their audit trail.
type traceRig struct {
	traces *gateway.WireTraces
	log    *logBuffer
	events []operation.Event
	noted  error // what the audit trail returns
}

func newTraceRig(t *testing.T) *traceRig {
	r := &traceRig{log: &logBuffer{}}
	r.traces = gateway.NewWireTraces(slog.New(slog.NewJSONHandler(r.log, nil)), func(_ context.Context, e operation.Event) error {
		r.events = append(r.events, e)
		return r.noted
	})
	t.Cleanup(r.traces.Close)
	return r
}

// trace is a trace in a response, or the reason for which there is none.
type trace struct {
	TenantID  string    `json:"tenant_id"`
	StartedAt time.Time `json:"started_at"`
	EndsAt    time.Time `json:"ends_at"`
	Logged    int       `json:"logged"`
	LeftOut   int       `json:"left_out"`
	Error     string    `json:"error"`
	Traces    []trace   `json:"traces"`
}

// ask makes a request to the handler.
func (r *traceRig) ask(t *testing.T, method, query string) (status int, body trace) {
	t.Helper()
	recorder := httptest.NewRecorder()
	r.traces.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), method, gateway.WireTracePath+query, nil))
	if got := recorder.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("%s %s: the media type is %s", method, query, got)
	}
	if err := json.Unmarshal(recorder.Body.Bytes(), &body); err != nil {
		t.Fatalf("%s %s: %v: %s", method, query, err, recorder.Body)
	}
	return recorder.Code, body
}

// want makes a request that must get that status.
func (r *traceRig) want(t *testing.T, status int, method, query string) trace {
	t.Helper()
	got, body := r.ask(t, method, query)
	if got != status {
		t.Errorf("%s %s: status %d: %s", method, query, got, body.Error)
	}
	return body
}

// active returns the tenants that are traced.
func (r *traceRig) active(t *testing.T) (ids []string) {
	t.Helper()
	for _, one := range r.want(t, 200, http.MethodGet, "").Traces {
		ids = append(ids, one.TenantID)
	}
	return ids
}

// outcomes returns what the audit trail has.
func (r *traceRig) outcomes() (all []string) {
	for _, e := range r.events {
		all = append(all, string(e.Kind)+" "+e.TenantID+" "+e.Outcome)
	}
	return all
}

func TestATraceOfATenantBeginsAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTraceRig(t)
		begun := time.Now().UTC()
		got := r.want(t, 201, http.MethodPost, "?tenant_id=A&minutes=10")
		if want := (trace{TenantID: "A", StartedAt: begun, EndsAt: begun.Add(10 * time.Minute)}); !cmp.Equal(want, got) {
			t.Errorf("%+v", got)
		}
		time.Sleep(9 * time.Minute)
		r.want(t, 201, http.MethodPost, "?tenant_id=A&minutes=2") // again from now on
		r.want(t, 201, http.MethodPost, "?minutes=60&tenant_id=B%20b")
		time.Sleep(time.Minute)
		synctest.Wait()
		if diff := cmp.Diff([]string{"A", "B b"}, r.active(t)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if diff := cmp.Diff([]string{"B b"}, r.active(t)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		r.want(t, 404, http.MethodDelete, "?tenant_id=A")
		if ended := r.want(t, 200, http.MethodDelete, "?tenant_id=B%20b"); ended.TenantID != "B b" {
			t.Errorf("%+v", ended)
		}
		if got := r.active(t); got != nil {
			t.Errorf("%v", got)
		}
		if diff := cmp.Diff([]string{"wire_trace A begun", "wire_trace A begun", "wire_trace B b begun", "wire_trace A expired", "wire_trace B b ended"}, r.outcomes()); diff != "" {
			t.Errorf("audit trail (-want +got):\n%s", diff)
		}
		for _, part := range []string{`"tenant_id":"A","minutes":10`, `"tenant_id":"A","reason":"expired"`, `"tenant_id":"B b","reason":"ended"`} {
			if !strings.Contains(r.log.String(), part) {
				t.Errorf("the log has no %s: %s", part, r.log)
			}
		}
	})
}

func TestTheHandlerOfTracesRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		method, query string
		status        int
		reason        string
	}{
		"no tenant":           {http.MethodPost, "?minutes=1", 400, "tenant_id is missing"},
		"an empty tenant":     {http.MethodPost, "?minutes=1&tenant_id=", 400, "tenant_id must not be empty"},
		"two tenants":         {http.MethodPost, "?minutes=1&tenant_id=a&tenant_id=b", 400, "tenant_id must be given only once"},
		"a long tenant":       {http.MethodPost, "?minutes=1&tenant_id=" + strings.Repeat("a", 31), 400, "tenant_id "},
		"a control character": {http.MethodPost, "?minutes=1&tenant_id=a%0Ab", 400, "tenant_id "},
		"no UTF-8":            {http.MethodPost, "?minutes=1&tenant_id=%ff", 400, "tenant_id "},
		"no minutes":          {http.MethodPost, "?tenant_id=a", 400, "minutes is missing"},
		"no number":           {http.MethodPost, "?tenant_id=a&minutes=ten", 400, `minutes must be a number from 1 to 60, not "ten"`},
		"a duration":          {http.MethodPost, "?tenant_id=a&minutes=10m", 400, "minutes must be"},
		"zero":                {http.MethodPost, "?tenant_id=a&minutes=0", 400, "minutes must be"},
		"negative":            {http.MethodPost, "?tenant_id=a&minutes=-1", 400, "minutes must be"},
		"a sign":              {http.MethodPost, "?tenant_id=a&minutes=%2B1", 400, "minutes must be"},
		"too many":            {http.MethodPost, "?tenant_id=a&minutes=61", 400, "minutes must be"},
		"far too many":        {http.MethodPost, "?tenant_id=a&minutes=99999999999999999999", 400, "minutes must be"},
		"another parameter":   {http.MethodPost, "?tenant_id=a&minutes=1&for=2", 400, `"for" is not a parameter`},
		"a bad query":         {http.MethodPost, "?tenant_id=a&minutes=1&%zz", 400, "the query "},
		"an end with minutes": {http.MethodDelete, "?tenant_id=a&minutes=1", 400, `"minutes" is not a parameter`},
		"an end of nothing":   {http.MethodDelete, "?tenant_id=a", 404, "not traced"},
		"a list with a query": {http.MethodGet, "?tenant_id=a", 400, `"tenant_id" is not a parameter`},
		"another method":      {http.MethodPut, "?tenant_id=a&minutes=1", 405, "GET, POST and DELETE"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTraceRig(t)
			if got := r.want(t, test.status, test.method, test.query); !strings.Contains(got.Error, test.reason) {
				t.Errorf("the reason is %q", got.Error)
			}
			if got := r.active(t); got != nil || len(r.events) > 0 || r.log.String() != "" {
				t.Errorf("%v is traced, log %s", got, r.log)
			}
		})
	}
}

func TestFewTenantsAreTracedAtATime(t *testing.T) {
	r := newTraceRig(t)
	for i := range gateway.MaxWireTraces {
		r.want(t, 201, http.MethodPost, fmt.Sprintf("?tenant_id=t%d&minutes=1", i))
	}
	if got := r.want(t, 409, http.MethodPost, "?tenant_id=one-more&minutes=1"); !strings.Contains(got.Error, "t0, t1, t2") {
		t.Error(got.Error)
	}
	r.want(t, 201, http.MethodPost, "?tenant_id=t0&minutes=2")
	r.want(t, 200, http.MethodDelete, "?tenant_id=t1")
	r.want(t, 201, http.MethodPost, "?tenant_id=one-more&minutes=1")
	r.traces.Close()
	r.want(t, 503, http.MethodPost, "?tenant_id=t1&minutes=1")
	if got := r.active(t); got != nil {
		t.Errorf("%v is traced after Close", got)
	}
}

func TestTracesAreAMetric(t *testing.T) {
	r, m := newTraceRig(t), gateway.NewMetrics("test")
	m.WatchWireTraces(r.traces)
	for want := range 3 {
		var got *float64
		families, err := m.Registry().Gather()
		must(t, err)
		for _, family := range families {
			if family.GetName() == "ocigate_wire_traces_active" {
				got = family.GetMetric()[0].GetGauge().Value
			}
		}
		if got == nil || *got != float64(want) {
			t.Errorf("%v instead of %d", got, want)
		}
		r.want(t, 201, http.MethodPost, fmt.Sprintf("?tenant_id=t%d&minutes=1", want))
	}
}

func TestATraceNeedsALogOfInformation(t *testing.T) {
	traces := gateway.NewWireTraces(slog.New(slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError})), nil)
	t.Cleanup(traces.Close)
	r := &traceRig{traces: traces}
	if got := r.want(t, 409, http.MethodPost, "?tenant_id=a&minutes=1"); !strings.Contains(got.Error, "log.level") {
		t.Error(got.Error)
	}
}

func TestRequestsOfATracedTenantAreLogged(t *testing.T) {
	traced := newTraceRig(t)
	traced.noted = errors.New("a trail that fails does not prevent a trace")
	r := startInBubble(t, setup{gateway: func(o *gateway.Options) { o.WireTraces = traced.traces }})
	plain := r.get(t, "numbers")
	if lines := r.log.wires(t); len(lines) > 0 {
		t.Fatalf("%d lines without a trace", len(lines))
	}
	traced.want(t, 201, http.MethodPost, "?minutes=1&tenant_id="+url.QueryEscape(ownTenant))
	for _, client := range []string{group, tenant, system} {
		if got := r.call(t, call{path: ownList("numbers"), client: client, header: http.Header{"X-Request-Id": {client}}}); got.body != plain.body && client != group {
			t.Errorf("%s got %s", client, got.body)
		}
	}
	r.call(t, call{path: ownList("numbers"), client: user})
	r.call(t, call{path: listOf("footenant", "foogroup", "numbers"), client: system})
	var ids []any
	for _, line := range r.log.wires(t) {
		ids = append(ids, line["request_id"])
		if reply, _ := line["reply"].(string); !strings.HasSuffix(reply, "</BroadsoftDocument>") {
			t.Errorf("the reply is %q", reply)
		}
	}
	if diff := cmp.Diff([]any{group, tenant, system}, ids); diff != "" {
		t.Errorf("request ids (-want +got):\n%s", diff)
	}
	both := r.call(t, call{path: ownList("numbers"), client: system}.asking("return"))
	if len(both.wired(t).Wire) != 1 || len(r.log.wires(t)) != 4 {
		t.Errorf("%d lines for a request that returns them, too", len(r.log.wires(t))-3)
	}
	r.call(t, call{path: ownList("numbers"), client: system}.asking("log"))
	if n := len(r.log.wires(t)); n != 5 {
		t.Errorf("%d lines for a request that logs them, too", n-4)
	}
	if ended := traced.want(t, 200, http.MethodDelete, "?tenant_id="+ownTenant); ended.Logged != 5 || ended.LeftOut != 0 {
		t.Errorf("%+v", ended)
	}
	r.get(t, "numbers")
	if n := len(r.log.wires(t)); n != 5 {
		t.Errorf("%d lines after the end", n-5)
	}
}
