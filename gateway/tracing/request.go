package tracing

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"ocigate/gateway"
)

// traceparent is the only header of a caller that is read. Their tracestate is a text of their
// own, and nothing is sent on to the platform, so it is not needed.
const traceparent = "traceparent"

// Begin implements gateway.Tracer.
func (t *Tracing) Begin(r *http.Request) (context.Context, gateway.RequestSpan) {
	ctx, u := r.Context(), t.inUse.Load()
	if u == nil {
		return ctx, nil
	}
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer)}
	if given := r.Header.Get(traceparent); given != "" && !u.ignore {
		of := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{traceparent: given})
		switch caller := trace.SpanContextFromContext(of); {
		case !caller.IsValid():
		case u.trustCallers:
			ctx = trace.ContextWithRemoteSpanContext(ctx, caller)
		default:
			options = append(options, trace.WithNewRoot(), trace.WithLinks(trace.Link{SpanContext: caller}))
		}
	}
	// The name of an unfinished span: its route is not known yet.
	ctx, span := u.tracer.Start(ctx, "HTTP", options...)
	return ctx, requestSpan{span}
}

// requestSpan is the span of a request.
type requestSpan struct{ span trace.Span }

// Trace implements gateway.RequestSpan.
func (s requestSpan) Trace() (id string, sampled bool) {
	of := s.span.SpanContext()
	return of.TraceID().String(), of.IsSampled()
}

// End implements gateway.RequestSpan.
func (s requestSpan) End(r gateway.RequestSummary) {
	defer s.span.End()
	if !s.span.IsRecording() {
		return
	}
	s.span.SetName(nameOf(r))
	has := []attribute.KeyValue{keyMethod.String(r.Method), keyStatus.Int(r.Status), keyRouteName.String(r.RouteName)}
	for _, text := range []struct {
		key   attribute.Key
		value string
	}{
		{keyRoute, r.Route}, {keyErrorType, r.ErrorName}, {keyRequestID, r.RequestID}, {keyLevel, r.Level}, {keyAuthMethod, r.AuthMethod},
		{keyClient, r.Client}, {keyOperation, r.OperationID}, {keyOutcome, r.Outcome},
	} {
		if text.value != "" {
			has = append(has, text.key.String(text.value))
		}
	}
	if r.ErrorNumber != 0 {
		has = append(has, keyErrorNumber.Int(r.ErrorNumber))
	}
	if r.Replayed {
		has = append(has, keyReplayed.Bool(true))
	}
	s.span.SetAttributes(has...)
	if r.Status >= http.StatusInternalServerError {
		s.span.SetStatus(codes.Error, "")
	}
}

// nameOf returns the name of a request's span: its method and its route.
func nameOf(r gateway.RequestSummary) string {
	method := r.Method
	if method == "_OTHER" {
		method = "HTTP"
	}
	if r.Route == "" {
		return method
	}
	return method + " " + r.Route
}
