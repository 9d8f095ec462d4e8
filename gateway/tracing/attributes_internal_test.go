package tracing

import (
	"errors"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// Whatever a later change adds to a span, only what is documented is sent.
func TestOnlyPermittedAttributesAreSent(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	tracer := sdk.NewTracerProvider(sdk.WithSpanProcessor(recorder)).Tracer("test")
	state, err := trace.ParseTraceState("vendor=number")
	if err != nil {
		t.Fatal(err)
	}
	_, other := tracer.Start(t.Context(), "other")
	parent := trace.ContextWithSpanContext(t.Context(), other.SpanContext().WithTraceState(state))
	_, span := tracer.Start(parent, "span", trace.WithLinks(trace.Link{
		SpanContext: other.SpanContext().WithTraceState(state), Attributes: []attribute.KeyValue{attribute.String("number", "+32")},
	}))
	span.SetAttributes(attribute.String("url.path", "/+32"), attribute.String("client.address", "192.0.2.1"), keyResult.String("ok"))
	span.RecordError(errors.New("+32 is bad"))
	span.SetStatus(codes.Error, "+32 is bad")
	span.End()
	sent := permitted{recorder.Ended()[0]}
	if all := sent.Attributes(); len(all) != 1 || all[0] != keyResult.String("ok") {
		t.Errorf("attributes %v", all)
	}
	if len(sent.Events()) != 0 || sent.Status() != (sdk.Status{Code: codes.Error}) {
		t.Errorf("events %v, status %v", sent.Events(), sent.Status())
	}
	if link := sent.Links()[0]; len(link.Attributes) != 0 || link.SpanContext.TraceState().Len() != 0 || link.SpanContext.SpanID() != other.SpanContext().SpanID() {
		t.Errorf("link %v", link)
	}
	if sent.SpanContext().TraceState().Len() != 0 || sent.Parent().TraceState().Len() != 0 {
		t.Error("the tracestate is sent")
	}
}
