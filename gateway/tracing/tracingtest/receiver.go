// Package tracingtest is a receiver of OTLP over HTTP for tests. It decodes what arrives with
// the published protocol definition, and so shares no code with the exporter's SDK.
//
//	receiver := tracingtest.New(t)
//	… a gateway sends to receiver.URL …
//	for _, span := range receiver.Spans() { … }
package tracingtest

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Span is a span that was received.
type Span struct {
	Name                  string
	Kind                  string // such as "SERVER"
	Trace, ID, Parent     string // in hex; Parent is empty for a root
	State                 string // tracestate
	Links                 []Link
	Began, Ended          time.Time
	Failed                bool
	StatusText            string
	Events                int
	Attributes            map[string]any
	Resource              map[string]any
	Scope, ScopeVersion   string
	DroppedAttributeCount int
}

// Link is a link of a span.
type Link struct{ Trace, ID string }

// Receiver is a running receiver. It is safe for concurrent use.
type Receiver struct {
	URL    string // of its root
	server *httptest.Server

	mu      sync.Mutex // guards the fields below
	spans   []Span
	bodies  [][]byte // decompressed
	headers []http.Header
	answer  http.HandlerFunc // instead of accepting; nil accepts
	arrived chan struct{}    // closed and replaced at each request
}

// New starts a receiver, which ends with the test.
func New(t testing.TB) *Receiver {
	t.Helper()
	r := &Receiver{arrived: make(chan struct{})}
	r.server = httptest.NewServer(r)
	r.URL = r.server.URL
	t.Cleanup(r.server.Close)
	return r
}

// Answer replaces the answers from now on; nil accepts again.
func (r *Receiver) Answer(by http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = by
}

// ServeHTTP implements http.Handler.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	answer := r.answer
	r.mu.Unlock()
	if answer != nil {
		_, _ = io.Copy(io.Discard, request.Body) // else the server does not notice when the client disconnects
		answer(w, request)
		return
	}
	body, err := readAll(request)
	var message collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &message)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.bodies, r.headers = append(r.bodies, body), append(r.headers, request.Header.Clone())
	for _, of := range message.ResourceSpans {
		for _, in := range of.ScopeSpans {
			for _, s := range in.Spans {
				span := spanOf(s)
				span.Resource = valuesOf(of.GetResource().GetAttributes())
				span.Scope, span.ScopeVersion = in.GetScope().GetName(), in.GetScope().GetVersion()
				r.spans = append(r.spans, span)
			}
		}
	}
	close(r.arrived)
	r.arrived = make(chan struct{})
	r.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-protobuf")
	w.WriteHeader(http.StatusOK)
}

func readAll(request *http.Request) ([]byte, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil || request.Header.Get("Content-Encoding") != "gzip" {
		return body, err
	}
	zipped, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(zipped)
}

func spanOf(s *tracepb.Span) Span {
	span := Span{
		Name: s.Name, Kind: strings.TrimPrefix(s.Kind.String(), "SPAN_KIND_"),
		Trace: hex.EncodeToString(s.TraceId), ID: hex.EncodeToString(s.SpanId), Parent: hex.EncodeToString(s.ParentSpanId), State: s.TraceState,
		Began: time.Unix(0, int64(s.StartTimeUnixNano)), Ended: time.Unix(0, int64(s.EndTimeUnixNano)), //nolint:gosec // of a test
		Failed: s.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR, StatusText: s.GetStatus().GetMessage(),
		Events: len(s.Events), Attributes: valuesOf(s.Attributes),
	}
	for _, l := range s.Links {
		span.Links = append(span.Links, Link{hex.EncodeToString(l.TraceId), hex.EncodeToString(l.SpanId)})
	}
	return span
}

func valuesOf(attributes []*common.KeyValue) map[string]any {
	values := map[string]any{}
	for _, a := range attributes {
		values[a.Key] = valueOf(a.Value)
	}
	return values
}

func valueOf(v *common.AnyValue) any {
	switch {
	case v.GetArrayValue() != nil:
		var all []any
		for _, one := range v.GetArrayValue().GetValues() {
			all = append(all, valueOf(one))
		}
		return all
	case v.GetStringValue() != "":
		return v.GetStringValue()
	}
	switch v := v.GetValue().(type) {
	case *common.AnyValue_IntValue:
		return v.IntValue
	case *common.AnyValue_BoolValue:
		return v.BoolValue
	case *common.AnyValue_DoubleValue:
		return v.DoubleValue
	}
	return v.GetStringValue()
}

// Spans returns the spans that have arrived, the earliest begin first.
func (r *Receiver) Spans() []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	spans := slices.Clone(r.spans)
	slices.SortStableFunc(spans, func(a, b Span) int { return a.Began.Compare(b.Began) })
	return spans
}

// Bodies returns the decompressed bodies that have arrived, and Headers their headers.
func (r *Receiver) Bodies() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.bodies)
}

// Headers returns the headers of the requests that have arrived.
func (r *Receiver) Headers() []http.Header {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.headers)
}

// Await waits until a span arrives, or has arrived, for which want returns true, and returns
// it. It fails the test when that takes very long.
func (r *Receiver) Await(t testing.TB, want func(Span) bool) Span {
	t.Helper()
	late := time.After(time.Minute)
	for {
		r.mu.Lock()
		spans, arrived := slices.Clone(r.spans), r.arrived
		r.mu.Unlock()
		if i := slices.IndexFunc(spans, want); i >= 0 {
			return spans[i]
		}
		select {
		case <-arrived:
		case <-late:
			t.Fatalf("the span has not arrived; there are\n%s", Tree(spans))
		}
	}
}

// Tree returns the spans as indented lines, each below its parent, the earliest begin first.
// Each line has the name and the attributes with these keys.
func Tree(spans []Span, keys ...string) string {
	var b strings.Builder
	known := map[string]bool{}
	for _, s := range spans {
		known[s.ID] = true
	}
	var write func(parent string, depth int)
	write = func(parent string, depth int) {
		for _, s := range spans {
			if s.Parent != parent && (parent != "" || known[s.Parent]) {
				continue
			}
			b.WriteString(strings.Repeat("  ", depth) + s.Name)
			for _, key := range keys {
				if value, has := s.Attributes[key]; has {
					fmt.Fprintf(&b, " %s=%v", key[strings.LastIndexByte(key, '.')+1:], value)
				}
			}
			if len(s.Links) > 0 {
				fmt.Fprintf(&b, " links=%d", len(s.Links))
			}
			if s.Failed {
				b.WriteString(" failed")
			}
			b.WriteString("\n")
			write(s.ID, depth+1)
		}
	}
	write("", 0)
	return b.String()
}
