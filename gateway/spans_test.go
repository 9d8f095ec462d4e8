package gateway_test

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway"
	"ocigate/gateway/operation"
	"ocigate/gateway/tracing"
	"ocigate/gateway/tracing/tracingtest"
	"ocigate/oci"
)

// The traces of requests, as a receiver of OpenTelemetry gets them.

// tracedRig is a rig whose traces a receiver gets.
type tracedRig struct {
	*rig
	traces   *tracing.Tracing
	receiver *tracingtest.Receiver
}

// installTraces adds traces to a setup. They are sent when the rig is flushed, or else at once.
func installTraces(t testing.TB, s setup, variables map[string]string) (setup, *tracedRig) {
	t.Helper()
	r := &tracedRig{receiver: tracingtest.New(t)}
	all := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": r.receiver.URL, "OTEL_BSP_SCHEDULE_DELAY": "20"}
	maps.Copy(all, variables)
	s, r.traces = withTraces(t, s, all)
	return s, r
}

// alsoTraced adds traces that nobody receives to a setup. With the variable TEST_ALL_TRACED all
// tests of this package run with them: what a request does must be the same.
func (s setup) alsoTraced(t testing.TB) setup {
	t.Helper()
	if !allTraced() {
		return s
	}
	s, _ = withTraces(t, s, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_BSP_SCHEDULE_DELAY": "3600000"})
	return s
}

// allTraced reports whether all tests run with traces.
func allTraced() bool { return os.Getenv("TEST_ALL_TRACED") != "" }

// withTraces adds traces to a setup, with these variables alone.
func withTraces(t testing.TB, s setup, variables map[string]string) (setup, *tracing.Tracing) {
	t.Helper()
	settings, err := tracing.FromEnvironment(func(name string) string { return variables[name] })
	must(t, err)
	traces := tracing.New(slog.New(slog.DiscardHandler), "1.2.3")
	must(t, traces.Prepare(settings))
	traces.Use(true, true)
	t.Cleanup(func() { traces.Close(context.Background()) })
	platform, journal, options := s.platform, s.journal, s.gateway
	s.platform = func(o *oci.Options) { o.Trace = traces.Platform(o.Trace); change(platform, o) }
	s.journal = func(o *operation.Options) { o.Trace = traces.Operations(o.Trace); change(journal, o) }
	s.gateway = func(o *gateway.Options) { o.Tracer = traces; change(options, o) }
	return s, traces
}

// startTraced starts a rig with traces.
func startTraced(t testing.TB, s setup, variables map[string]string) *tracedRig {
	t.Helper()
	s, r := installTraces(t, s, variables)
	r.rig = start(t, s)
	return r
}

// flush waits until all spans of what has ended were received, and returns them. Nothing is
// traced after it.
func (r *tracedRig) flush(t testing.TB) []tracingtest.Span {
	t.Helper()
	r.traces.Close(t.Context())
	return r.receiver.Spans()
}

// wantTree checks the trees of spans.
func wantTree(t testing.TB, spans []tracingtest.Span, want string, keys ...string) {
	t.Helper()
	if diff := cmp.Diff(strings.TrimLeft(want, "\n"), tracingtest.Tree(spans, keys...)); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
}

const (
	parentTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	parentSpan  = "00f067aa0ba902b7"
)

// treeKeys are the attributes that the trees show.
var treeKeys = []string{"http.response.status_code", "error.type", "ocigate.operation.outcome", "ocigate.platform.result", "ocigate.platform.error_number", "ocigate.platform.joined", "ocigate.wait.result"}

// The beginning of the trees of the tests.
const (
	numbersRoute = " /api/v1/tenant/{tenant_id}/group/{group_id}/services/immediate_trunking_connectivity/numbers/ "
	readsFirst   = `
  wait for session result=ok
  platform login result=ok
  ServiceProviderGetRequest17sp1 and 2 more result=ok
`
	planned = `
  journal begin` + readsFirst + `  journal intent
  GroupRouteListEnterpriseTrunkNumberRangeAssignListRequest `
)

func TestSpansOfRequests(t *testing.T) {
	read := call{path: ownList("numbers"), client: system}
	cases := map[string]struct {
		faults []string
		call   call
		status int
		want   string
	}{
		"a read that waits for a login": {
			call: read, status: http.StatusOK,
			want: "GET" + numbersRoute + "status_code=200" + readsFirst + "  GroupDepartmentGetListRequest18 result=ok\n",
		},
		"a write": {
			call: assignFreeRange(), status: http.StatusCreated,
			want: "POST" + numbersRoute + "status_code=201 outcome=done" + planned + "result=ok\n  journal outcome\n",
		},
		"a write whose reply is lost and that is read back": {
			faults: []string{withCommand("drop-after-apply", assignCommand)}, call: assignFreeRange(), status: http.StatusCreated,
			want: "POST" + numbersRoute + "status_code=201 outcome=done" + planned + `type=lost result=lost failed
  journal outcome
  read back
    wait for session result=ok
    platform login result=ok
    ServiceProviderGetRequest17sp1 and 3 more result=ok
`,
		},
		"a write that the platform refuses": {
			faults: []string{withCommand("error-before-apply number=4999 summary=no", assignCommand)}, call: assignFreeRange(), status: http.StatusBadRequest,
			want: "POST" + numbersRoute + "status_code=400 type=PLATFORM_REFUSED outcome=not_done" + planned + `type=refused result=refused error_number=4999 failed
  VerifySessionIsValidRequest result=ok
  read back
    ServiceProviderGetRequest17sp1 and 3 more result=ok
  journal outcome
`,
		},
		"a platform that is gone": {
			faults: []string{"refuse"}, call: read, status: http.StatusServiceUnavailable,
			want: "GET" + numbersRoute + `status_code=503 type=PLATFORM_UNAVAILABLE failed
  wait for session type=unavailable result=failed failed
  platform login type=login result=login failed
`,
		},
		"a caller without credentials": {
			call: call{path: ownList("numbers")}, status: http.StatusUnauthorized,
			want: "GET" + numbersRoute + "status_code=401 type=UNAUTHENTICATED\n",
		},
		"a path that is no route": {
			call: call{path: "/api/v1/" + ownUser}, status: http.StatusNotFound,
			want: "GET status_code=404 type=ROUTE_NOT_FOUND\n",
		},
		"a login that is refused": {
			call: call{
				method: http.MethodPost, path: "/api/v1/login/", body: `{"username":"admin@tenant","password":"x"}`, header: http.Header{"Content-Type": {"application/json"}},
			}, status: http.StatusUnauthorized,
			want: `POST /api/v1/login/ status_code=401 type=UNAUTHENTICATED
  platform login type=login result=login failed
  AuthenticationRequest result=ok
  LoginRequest14sp4 type=refused result=refused error_number=4008 failed
`,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := startTraced(t, setup{faults: c.faults, platform: noSession}, nil)
			r.call(t, c.call).wantStatus(t, c.status)
			wantTree(t, r.flush(t), c.want, treeKeys...)
		})
	}
}

// noSession makes the first session for the first request.
func noSession(o *oci.Options) { o.MinSessions = 0 }

func TestSpansHaveTheirAttributes(t *testing.T) {
	r := startTraced(t, setup{platform: noSession}, nil)
	c := assignFreeRange()
	got := r.call(t, c)
	got.wantStatus(t, http.StatusCreated)
	request := ofName(t, r.flush(t), "POST"+strings.TrimSuffix(numbersRoute, " "))
	id := got.header.Get(gateway.HeaderOperationID)
	want := map[string]any{
		"http.request.method": "POST", "http.route": strings.TrimSpace(numbersRoute), "http.response.status_code": int64(201),
		"ocigate.route": "itc_numbers_assign", "ocigate.request.id": got.header.Get("X-Request-Id"),
		"ocigate.principal.level": "System Admin", "ocigate.principal.method": "basic", "ocigate.client.id": system,
		"ocigate.operation.id": id, "ocigate.operation.outcome": "done",
	}
	if diff := cmp.Diff(want, request.Attributes); diff != "" {
		t.Errorf("attributes of the request (-want +got):\n%s", diff)
	}
	command := ofName(t, r.receiver.Spans(), assignCommand)
	want = map[string]any{
		"rpc.system": "oci-p", "rpc.method": assignCommand, "ocigate.platform.commands": []any{assignCommand},
		"ocigate.platform.endpoint": "primary", "ocigate.platform.result": "ok",
	}
	if diff := cmp.Diff(want, command.Attributes); diff != "" {
		t.Errorf("attributes of the command (-want +got):\n%s", diff)
	}
	if request.Kind != "SERVER" || command.Kind != "CLIENT" {
		t.Errorf("the kinds are %s and %s", request.Kind, command.Kind)
	}
	if line := r.log.String(); !strings.Contains(line, `"trace_id":"`+request.Trace+`"`) {
		t.Errorf("the log has not the trace %s: %s", request.Trace, line)
	}
}

// brokenTracer panics in the part of that name.
type brokenTracer string

func (b brokenTracer) panicIn(part string) {
	if string(b) == part {
		panic("a tracer")
	}
}

func (b brokenTracer) Begin(r *http.Request) (context.Context, gateway.RequestSpan) {
	b.panicIn("Begin")
	return r.Context(), b
}

func (b brokenTracer) Trace() (string, bool) {
	b.panicIn("Trace")
	return parentTrace, true
}

func (b brokenTracer) End(gateway.RequestSummary) { b.panicIn("End") }

func TestTracerThatPanicsChangesNothing(t *testing.T) {
	for _, part := range []string{"Begin", "Trace", "End"} {
		t.Run(part, func(t *testing.T) {
			r := start(t, setup{gateway: func(o *gateway.Options) { o.Tracer = brokenTracer(part) }})
			r.call(t, assignFreeRange()).wantStatus(t, http.StatusCreated)
		})
	}
}

// A request with a key that is used gets the first response: its record did not fail.
func TestSpansOfReplay(t *testing.T) {
	r := startTraced(t, setup{}, nil)
	c := assignFreeRange()
	c.header = http.Header{gateway.HeaderIdempotencyKey: {"once"}}
	r.call(t, c).wantStatus(t, http.StatusCreated)
	r.call(t, c).wantStatus(t, http.StatusCreated)
	replays := 0
	for _, s := range r.flush(t) {
		if s.Failed {
			t.Errorf("%s has failed: %v", s.Name, s.Attributes)
		}
		if s.Attributes["ocigate.operation.replayed"] == true {
			replays++
		}
	}
	if replays != 1 {
		t.Errorf("%d replays, want 1", replays)
	}
}

func ofName(t testing.TB, spans []tracingtest.Span, name string) tracingtest.Span {
	t.Helper()
	i := slices.IndexFunc(spans, func(s tracingtest.Span) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("there is no span %s:\n%s", name, tracingtest.Tree(spans))
	}
	return spans[i]
}

// A reading in the background is the beginning of a trace with a link to the request.
func TestSpansOfReadBackInBackground(t *testing.T) {
	r := startTraced(t, setup{faults: []string{withCommand("drop-before-apply", assignCommand)}}, nil)
	got := r.call(t, assignFreeRange())
	got.wantStatus(t, http.StatusGatewayTimeout)
	request := r.receiver.Await(t, func(s tracingtest.Span) bool { return s.Kind == "SERVER" })
	reading := r.receiver.Await(t, func(s tracingtest.Span) bool { return s.Name == "read back" && s.Parent == "" })
	if want := []tracingtest.Link{{Trace: request.Trace, ID: request.ID}}; !slices.Equal(reading.Links, want) || reading.Trace == request.Trace {
		t.Errorf("the reading in trace %s has the links %v, want %v", reading.Trace, reading.Links, want)
	}
	if id := got.header.Get(gateway.HeaderOperationID); reading.Attributes["ocigate.operation.id"] != id {
		t.Errorf("the reading is of %v, want %s", reading.Attributes, id)
	}
	r.receiver.Await(t, func(s tracingtest.Span) bool { return s.Trace == reading.Trace && s.Parent == reading.ID })
}

// A process that has taken an operation over has no span of its request.
func TestSpansOfReadBackAfterRestart(t *testing.T) {
	_, r := installTraces(t, setup{}, nil)
	id := operation.NewID()
	_, ended := r.traces.Operations(operation.Trace{}).ReadBack(t.Context(), operation.Operation{ID: id, Route: "itc_numbers_assign"})
	ended(nil)
	reading := ofName(t, r.flush(t), "read back")
	if reading.Parent != "" || len(reading.Links) != 0 || reading.Attributes["ocigate.operation.id"] != id {
		t.Errorf("the reading has the parent %q, the links %v and the attributes %v", reading.Parent, reading.Links, reading.Attributes)
	}
}

// Which requests are traced, and in which trace.
func TestSpansOfCallersTraces(t *testing.T) {
	sampled, unsampled := "00-"+parentTrace+"-"+parentSpan+"-01", "00-"+parentTrace+"-"+parentSpan+"-00"
	ratio := func(name, ratio string) map[string]string {
		return map[string]string{"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": ratio}
	}
	const parentbased = "parentbased_traceidratio"
	cases := map[string]struct {
		sampler     map[string]string
		header      string
		distrust    bool
		off         bool
		spans       bool
		inTrace     bool // the log names the caller's trace
		logged      bool // the log names a trace
		linked      bool
		propagators string
	}{
		"none is given":                           {spans: true, logged: true},
		"none is given, and none is sampled":      {sampler: ratio(parentbased, "0")},
		"one is given that is sampled":            {sampler: ratio(parentbased, "0"), header: sampled, spans: true, inTrace: true, logged: true},
		"one is given that is not sampled":        {header: unsampled, inTrace: true, logged: true},
		"one is given, and the sampler ignores":   {sampler: ratio("traceidratio", "0"), header: sampled, inTrace: true, logged: true},
		"one is given that is not valid":          {header: "00-" + strings.Repeat("0", 32) + "-" + parentSpan + "-01", spans: true, logged: true},
		"one is given by nobody who is trusted":   {header: sampled, distrust: true, spans: true, logged: true, linked: true},
		"untrusted callers cannot force sampling": {sampler: ratio(parentbased, "0"), header: sampled, distrust: true},
		"traces are off":                          {header: sampled, off: true, inTrace: true, logged: true},
		"the propagator is none":                  {header: sampled, propagators: "none", spans: true, logged: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s, r := installTraces(t, setup{}, map[string]string{
				"OTEL_TRACES_SAMPLER": c.sampler["OTEL_TRACES_SAMPLER"], "OTEL_TRACES_SAMPLER_ARG": c.sampler["OTEL_TRACES_SAMPLER_ARG"],
				"OTEL_PROPAGATORS": c.propagators,
			})
			r.rig = start(t, s)
			r.traces.Use(!c.off, !c.distrust)
			r.call(t, call{path: ownList("numbers"), client: system, header: http.Header{"Traceparent": {c.header}, "Tracestate": {"vendor=" + ownUser[:8]}}}).wantStatus(t, http.StatusOK)
			spans := r.flush(t)
			if (len(spans) > 0) != c.spans {
				t.Fatalf("spans:\n%s", tracingtest.Tree(spans))
			}
			line := r.log.String()
			if strings.Contains(line, `"trace_id":"`+parentTrace) != c.inTrace || strings.Contains(line, "trace_id") != c.logged {
				t.Errorf("the log line is %s", line)
			}
			for _, s := range spans {
				if (s.Trace == parentTrace) != c.inTrace || s.State != "" {
					t.Errorf("%s is in trace %s, with the state %q", s.Name, s.Trace, s.State)
				}
			}
			if !c.spans {
				return
			}
			if request := ofKind(t, spans, "SERVER"); (request.Parent == parentSpan) != c.inTrace || (len(request.Links) > 0) != c.linked {
				t.Errorf("the span has the parent %q and the links %v", request.Parent, request.Links)
			}
		})
	}
}

func ofKind(t testing.TB, spans []tracingtest.Span, kind string) tracingtest.Span {
	t.Helper()
	i := slices.IndexFunc(spans, func(s tracingtest.Span) bool { return s.Kind == kind })
	if i < 0 {
		t.Fatalf("there is no span of the kind %s:\n%s", kind, tracingtest.Tree(spans))
	}
	return spans[i]
}
