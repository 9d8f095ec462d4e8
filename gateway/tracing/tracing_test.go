package tracing_test

import (
	"bytes"
	"context"
	"io"
	"log"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"ocigate/gateway"
	"ocigate/gateway/tracing"
	"ocigate/gateway/tracing/tracingtest"
)

// How spans are sent: to a receiver that accepts them, or not, or hangs.

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logBuffer keeps what is logged.
type logBuffer struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (l *logBuffer) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// sender is a Tracing with its receiver and its log.
type sender struct {
	*tracing.Tracing
	receiver *tracingtest.Receiver
	log      *logBuffer
}

// newSender starts one. The variables precede those by which nothing is sent before the end.
func newSender(t *testing.T, variables map[string]string) *sender {
	t.Helper()
	s := &sender{receiver: tracingtest.New(t), log: &logBuffer{}}
	all := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": s.receiver.URL, "OTEL_BSP_SCHEDULE_DELAY": "3600000"}
	maps.Copy(all, variables)
	settings, err := tracing.FromEnvironment(getenv(all))
	if err != nil {
		t.Fatal(err)
	}
	s.Tracing = tracing.New(slog.New(slog.NewJSONHandler(s.log, nil)), "1.2.3")
	if err := s.Prepare(settings); err != nil {
		t.Fatal(err)
	}
	s.Use(true, true)
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

// request makes the span of a request, and reports whether it was traced.
func (s *sender) request() bool {
	_, span := s.Begin(httptest.NewRequest(http.MethodGet, "/", nil))
	if span == nil {
		return false
	}
	span.End(gateway.RequestSummary{Method: http.MethodGet, Route: "/api/v1/", RouteName: "index", Status: 200})
	return true
}

// wantCounts checks the counts after the end.
func (s *sender) wantCounts(t *testing.T, want gateway.SpanCounts) {
	t.Helper()
	if got := s.Counts(); got != want {
		t.Errorf("the counts are %+v, want %+v", got, want)
	}
}

func TestSpansAreSentAtTheEnd(t *testing.T) {
	s := newSender(t, map[string]string{
		"OTEL_EXPORTER_OTLP_HEADERS": "api-key=open%20sesame", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
		"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test,service.name=ignored", "OTEL_SERVICE_NAME": "edge",
	})
	for range 3 {
		s.request()
	}
	s.Close(t.Context())
	s.wantCounts(t, gateway.SpanCounts{Exported: 3})
	spans := s.receiver.Spans()
	if len(spans) != 3 {
		t.Fatalf("%d spans", len(spans))
	}
	of := spans[0].Resource
	if of["service.name"] != "edge" || of["service.version"] != "1.2.3" || of["deployment.environment.name"] != "test" || of["service.instance.id"] == nil {
		t.Errorf("the resource is %v", of)
	}
	for key := range of {
		if strings.HasPrefix(key, "process.") || strings.HasPrefix(key, "host.") {
			t.Errorf("the resource has %s", key)
		}
	}
	header := s.receiver.Headers()[0]
	if header.Get("Api-Key") != "open sesame" || header.Get("Content-Encoding") != "gzip" || header.Get("Content-Type") != "application/x-protobuf" {
		t.Errorf("the headers are %v", header)
	}
}

// Variables that nobody checks have no effect.
func TestLimitsOfSpansAreFixed(t *testing.T) {
	t.Setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1")
	t.Setenv("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "1")
	s := newSender(t, nil)
	s.request()
	s.Close(t.Context())
	if got := s.receiver.Spans()[0]; got.DroppedAttributeCount > 0 || got.Attributes["http.request.method"] != http.MethodGet {
		t.Errorf("the span is %+v", got)
	}
}

func TestSpansAreMadeOnlyWhileSwitchedOn(t *testing.T) {
	s := newSender(t, nil)
	s.Use(false, true)
	if s.request() {
		t.Error("traced while off")
	}
	s.Use(true, true)
	if !s.request() {
		t.Error("not traced while on")
	}
	s.Close(t.Context())
	s.Use(true, true)
	if s.request() {
		t.Error("traced after the end")
	}
	s.wantCounts(t, gateway.SpanCounts{Exported: 1})
}

// A receiver that hangs costs requests nothing, and the end no more than its time.
func TestReceiverThatHangs(t *testing.T) {
	s := newSender(t, map[string]string{"OTEL_BSP_MAX_QUEUE_SIZE": "64", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "16"})
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	s.receiver.Answer(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	const requests = 1000
	for range requests {
		s.request() // would hang here
	}
	if dropped := s.Counts().Dropped; dropped < requests-64 {
		t.Errorf("%d spans were dropped, want %d or more", dropped, requests-64)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	s.Close(ended)
	got := s.Counts()
	if got.Exported != 0 || got.Dropped+got.Failed != requests {
		t.Errorf("the counts are %+v", got)
	}
}

// partially returns the answer of a receiver that rejects some spans, and says why.
func partially(rejected int64) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		body, err := proto.Marshal(&collector.ExportTraceServiceResponse{PartialSuccess: &collector.ExportTracePartialSuccess{RejectedSpans: rejected, ErrorMessage: "CANARY"}})
		if err != nil {
			panic(err)
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write(body) // the client may have gone
	}
}

// A receiver that accepts all spans with a warning has accepted them.
func TestReceiverThatWarns(t *testing.T) {
	s := newSender(t, nil)
	s.receiver.Answer(partially(0))
	s.request()
	s.Close(t.Context())
	s.wantCounts(t, gateway.SpanCounts{Exported: 1})
	if lines := s.log.String(); lines != "" {
		t.Errorf("the log is %s", lines)
	}
}

func TestReceiverThatDoesNotAccept(t *testing.T) {
	down, secured, plain := httptest.NewServer(nil), httptest.NewTLSServer(nil), tracingtest.New(t)
	down.Close()
	t.Cleanup(secured.Close)
	secured.Config.ErrorLog = log.New(io.Discard, "", 0)
	cases := map[string]struct {
		answer    http.HandlerFunc
		variables map[string]string
		cause     string
	}{
		"it refuses the credentials": {
			answer: func(w http.ResponseWriter, r *http.Request) {
				http.Error(w, "CANARY "+r.Header.Get("Api-Key"), http.StatusUnauthorized)
			},
			cause: "its status was 401 Unauthorized",
		},
		"it redirects": {
			answer: func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "http://127.0.0.1:1/CANARY", http.StatusTemporaryRedirect)
			},
			cause: "its status was 307 Temporary Redirect",
		},
		"it rejects some": {
			answer: partially(1),
			cause:  "it has rejected some of them",
		},
		"it does not speak HTTP": {
			answer: func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := w.(http.Hijacker).Hijack()
				if err != nil {
					panic(err)
				}
				_, _ = conn.Write([]byte("220 CANARY.example ESMTP\r\n\r\n")) // the client may have gone
				_ = conn.Close()
			},
			cause: "its response is not HTTP",
		},
		"it has the certificate of an authority that is not known": {
			variables: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": secured.URL},
			cause:     "certificate signed by unknown authority",
		},
		"it has no TLS": {
			variables: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": strings.Replace(plain.URL, "http:", "https:", 1)},
			cause:     "http: server gave HTTP response to HTTPS client",
		},
		"nobody listens": {
			variables: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": down.URL},
			cause:     "connect: connection refused",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			variables := map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "api-key=CANARY-credential", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "1"}
			maps.Copy(variables, c.variables)
			s := newSender(t, variables)
			if c.answer != nil {
				s.receiver.Answer(c.answer)
			}
			for range 5 {
				s.request()
			}
			s.Close(t.Context())
			s.wantCounts(t, gateway.SpanCounts{Failed: 5})
			lines := s.log.String()
			if strings.Count(lines, "\n") != 1 || !strings.Contains(lines, c.cause) || strings.Contains(lines, "CANARY") {
				t.Errorf("the log is %s, want one line with %s", lines, c.cause)
			}
		})
	}
}

// A receiver that works again is logged, and gets the next spans.
func TestReceiverThatWorksAgain(t *testing.T) {
	s := newSender(t, map[string]string{"OTEL_BSP_SCHEDULE_DELAY": "1"})
	failed := make(chan struct{}, 1)
	s.receiver.Answer(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		failed <- struct{}{}
	})
	s.request()
	<-failed
	s.receiver.Answer(nil)
	s.request()
	s.receiver.Await(t, func(tracingtest.Span) bool { return true })
	s.Close(t.Context())
	s.wantCounts(t, gateway.SpanCounts{Exported: 1, Failed: 1})
	if lines := s.log.String(); strings.Count(lines, "\n") != 2 || !strings.Contains(lines, "traces can be sent again") {
		t.Errorf("the log is %s", lines)
	}
}

func TestCheckOfReceiver(t *testing.T) {
	receiver := tracingtest.New(t)
	settings, err := tracing.FromEnvironment(getenv(map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.URL, "OTEL_TRACES_SAMPLER": "always_off"}))
	if err != nil {
		t.Fatal(err)
	}
	if err := tracing.Check(t.Context(), settings, "1.2.3"); err != nil {
		t.Error(err)
	}
	if spans := receiver.Spans(); len(spans) != 1 || spans[0].Name != "ocigate doctor" {
		t.Errorf("the receiver has got %v", spans)
	}
	receiver.Answer(func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) })
	if err := tracing.Check(t.Context(), settings, "1.2.3"); err == nil || err.Error() != "its status was 404 Not Found" {
		t.Errorf("the error is %v", err)
	}
	hung, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	receiver.Answer(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	if err := tracing.Check(hung, settings, "1.2.3"); err == nil {
		t.Error("a receiver that hangs was found to work")
	}
}
