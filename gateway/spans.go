package gateway

import (
	"context"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"ocigate/gateway/auth"
)

// A Tracer makes a span of each request. Package gateway/tracing has one, of OpenTelemetry. A
// panic of it or of its spans is ignored: it cannot cost a caller the response.
type Tracer interface {
	// Begin begins the span of a request, in the trace that the header names, if it is
	// accepted. The context is that of the request with the span. The span is nil if no
	// request is traced.
	Begin(r *http.Request) (context.Context, RequestSpan)
}

// A RequestSpan is the span of a request in progress.
type RequestSpan interface {
	// Trace returns the id of the trace, 32 hex digits, and whether the span is exported.
	Trace() (id string, sampled bool)
	// End ends the span.
	End(RequestSummary)
}

// RequestSummary is what the span of a request shows of it. Its texts are from tables of the
// program, from the configuration, or made by the program: none is the caller's or the
// platform's, and so none has a number, an id or a name of a customer. The empty text
// means that there is no such value.
type RequestSummary struct {
	Method      string // one that the API knows, or "_OTHER"
	Route       string // the documented path of the route, with its parameters in braces
	RouteName   string // as in metrics and log lines; "none" if no route matched
	Status      int
	ErrorName   string
	ErrorNumber int // 0 for no error
	RequestID   string
	Level       string // of the principal
	AuthMethod  string
	Client      string // the id of a listed client
	OperationID string
	Outcome     string
	Replayed    bool
}

// unknownMethod stands for a method that the API does not know, as the semantic conventions
// of OpenTelemetry require.
const unknownMethod = "_OTHER"

// beginSpan begins the span of a request, or returns nil if it is not traced. The trace id
// of the span becomes that of the log line.
func (g *Gateway) beginSpan(c echo.Context, info *requestInfo) RequestSpan {
	if g.options.Tracer == nil {
		return nil
	}
	defer ignorePanic()
	ctx, span := g.options.Tracer.Begin(c.Request())
	if span == nil {
		return nil
	}
	if id, sampled := span.Trace(); sampled || id == info.traceID {
		info.traceID, info.sampled = id, sampled
	} else { // nothing can be found by either id
		info.traceID, info.sampled = "", false
	}
	c.SetRequest(c.Request().WithContext(ctx))
	return span
}

// endSpan ends the span of a request; nil has none.
func (g *Gateway) endSpan(c echo.Context, info *requestInfo, span RequestSpan) {
	if span == nil {
		return
	}
	defer ignorePanic()
	status, name := info.outcome(c.Response().Status)
	header := c.Response().Header()
	s := RequestSummary{
		Method: c.Request().Method, Route: g.documented[info.route], RouteName: info.route, Status: status,
		OperationID: header.Get(HeaderOperationID), Outcome: header.Get(HeaderOperationOutcome), Replayed: header.Get(HeaderReplayed) != "",
	}
	if !slices.Contains(knownMethods, s.Method) {
		s.Method = unknownMethod
	}
	if name != noErrorName {
		s.ErrorName = name
		if info.err != nil && info.err.Code.Name == name {
			s.ErrorNumber = info.err.Code.Number
		}
	}
	if info.requestID != c.Request().Header.Get(echo.HeaderXRequestID) { // else the caller has chosen it
		s.RequestID = info.requestID
	}
	if who := info.principal; who.Name != "" {
		s.Level, s.AuthMethod = who.Level.String(), string(who.Method)
		if who.Method == auth.MethodBasic || who.Method == auth.MethodAPIKey {
			s.Client = who.Name
		}
	}
	span.End(s)
}

func ignorePanic() { _ = recover() }

// documentedPaths returns the documented path of each route by its name, and that of the
// pages.
func documentedPaths(routes []Route) map[string]string {
	paths := map[string]string{docsRoute: DocsPath}
	for _, r := range routes {
		paths[r.Name] = r.FullPath()
	}
	return paths
}

// SpanCounts count spans since the start.
type SpanCounts struct {
	Exported int64 // the receiver has accepted them
	Dropped  int64 // they were not sent, because too many were waiting or the program stopped
	Failed   int64 // the receiver has not accepted them, or not in time
}

// WatchSpans adds the numbers of spans. They are read when the metrics are gathered.
func (m *Metrics) WatchSpans(counts func() SpanCounts) {
	m.registry.MustRegister(spanCollector{counts})
}

type spanCollector struct{ counts func() SpanCounts }

var spansDesc = prometheus.NewDesc("ocigate_traces_spans_total",
	"Spans of sampled traces, by result: exported if the receiver accepted them, dropped if they were not sent, because too many were waiting or the program stopped, and failed if the receiver has not accepted them, or not in time. All are 0 while tracing.enabled is false.",
	[]string{"result"}, nil)

// Describe implements prometheus.Collector.
func (spanCollector) Describe(to chan<- *prometheus.Desc) { to <- spansDesc }

// Collect implements prometheus.Collector.
func (s spanCollector) Collect(to chan<- prometheus.Metric) {
	counts := s.counts()
	for _, c := range []struct {
		result string
		n      int64
	}{{"exported", counts.Exported}, {"dropped", counts.Dropped}, {"failed", counts.Failed}} {
		to <- prometheus.MustNewConstMetric(spansDesc, prometheus.CounterValue, float64(c.n), c.result)
	}
}
