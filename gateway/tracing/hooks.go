package tracing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"ocigate/gateway/operation"
	"ocigate/oci"
)

// Platform adds the hooks for spans to those of a client of the platform. The fields
// QueueLeft, Exchanged and LoginEnded must not be set already.
func (t *Tracing) Platform(hooks oci.Trace) oci.Trace {
	hooks.QueueLeft, hooks.Exchanged, hooks.LoginEnded = t.queueLeft, t.exchanged, t.loginEnded
	return hooks
}

// Operations adds the hooks for spans to those of a keeper. The fields Journaled and
// ReadBack must not be set already.
func (t *Tracing) Operations(hooks operation.Trace) operation.Trace {
	hooks.Journaled, hooks.ReadBack = t.journaled, t.readBack
	return hooks
}

// traces reports whether what is done for ctx becomes a span: what belongs to no request is not
// traced. The hooks ask before all else, so that they cost nothing while traces are off.
func (t *Tracing) traces(ctx context.Context) bool {
	return t.inUse.Load() != nil && trace.SpanContextFromContext(ctx).IsSampled()
}

// below makes a span that has ended, below that of ctx, which must be traced.
func (t *Tracing) below(ctx context.Context, name string, began time.Time, end func(trace.Span), options ...trace.SpanStartOption) {
	u := t.inUse.Load()
	if u == nil { // switched off meanwhile
		return
	}
	_, span := u.tracer.Start(ctx, name, append(options, trace.WithTimestamp(began))...)
	end(span)
	span.End()
}

// fail marks a span as failed. kind is one of a few words, never the text of an error.
func fail(span trace.Span, kind string) {
	span.SetStatus(codes.Error, "")
	span.SetAttributes(keyErrorType.String(kind))
}

// The results of a span, besides the labels of metrics.
const (
	resultOK      = "ok"
	resultRefused = "refused"
	resultLost    = "lost"
	resultUnsent  = "unsent"
	resultFailed  = "failed"
	resultLeft    = "left"
)

func (t *Tracing) queueLeft(ctx context.Context, began time.Time, err error) {
	if !t.traces(ctx) {
		return
	}
	t.below(ctx, "wait for session", began, func(span trace.Span) {
		result := resultOK
		switch {
		case errors.Is(err, context.Canceled):
			result = resultLeft
		case err != nil:
			result = resultFailed
			fail(span, failureOf(err))
		}
		span.SetAttributes(keyWait.String(result))
	})
}

// failureOf returns the kind of an error of a wait or a reading.
func failureOf(err error) string {
	if busy, ok := errors.AsType[*oci.BusyError](err); ok {
		return "busy_" + string(busy.Reason)
	}
	if _, unavailable := errors.AsType[*oci.UnavailableError](err); unavailable {
		return "unavailable"
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "timeout"
	}
	return resultFailed
}

// client is an option of spans of what another process does.
var client = trace.WithSpanKind(trace.SpanKindClient)

func (t *Tracing) exchanged(ctx context.Context, e oci.ExchangeEvent) {
	if !t.traces(ctx) {
		return
	}
	commands, name := e.Commands(), "no command"
	if len(commands) > 0 {
		name = commands[0]
	}
	title := name
	if others := len(commands) - 1; others > 0 {
		title = fmt.Sprintf("%s and %d more", name, others)
	}
	t.below(ctx, title, e.Began, func(span trace.Span) {
		result, number := resultOf(e)
		has := []attribute.KeyValue{
			keyRPCSystem.String("oci-p"), keyRPCMethod.String(name), keyCommands.StringSlice(commands), keyResult.String(result),
		}
		if e.Endpoint != "" {
			has = append(has, keyEndpoint.String(e.Endpoint))
		}
		if e.Joined {
			has = append(has, keyJoined.Bool(true))
		}
		if number != 0 {
			has = append(has, keyRefusal.Int(number))
		}
		span.SetAttributes(has...)
		if result != resultOK {
			fail(span, result)
		}
	}, client)
}

// resultOf returns the result of an exchange, and the number of the platform's first error.
func resultOf(e oci.ExchangeEvent) (result string, number int) {
	switch {
	case e.Err != nil && (e.Sent || e.Joined):
		return resultLost, 0
	case e.Err != nil:
		return resultUnsent, 0
	}
	for _, reply := range e.Replies {
		if refusal := reply.Err(); refusal != nil {
			if of, ok := errors.AsType[*oci.ErrorReply](refusal); ok {
				number = of.Number
			}
			return resultRefused, number
		}
	}
	return resultOK, 0
}

// loginEnded makes a span of a login: below that of the request that waited longest of those
// that are traced, with links to the others.
func (t *Tracing) loginEnded(l oci.LoginEvent) {
	if t.inUse.Load() == nil {
		return
	}
	var parent context.Context
	var links []trace.Link
	for _, ctx := range l.Callers {
		switch of := trace.SpanContextFromContext(ctx); {
		case !of.IsSampled():
		case parent == nil:
			parent = ctx
		default:
			links = append(links, trace.Link{SpanContext: of})
		}
	}
	if parent == nil {
		return
	}
	t.below(parent, "platform login", l.Began, func(span trace.Span) {
		result := resultOK
		if failed, ok := errors.AsType[*oci.ConnectError](l.Err); ok {
			result = string(failed.Stage)
		} else if l.Err != nil {
			result = resultFailed
		}
		span.SetAttributes(keyRPCSystem.String("oci-p"), keyEndpoint.String(l.Endpoint), keyResult.String(result),
			keyConnect.Float64(l.Connect.Seconds()), keyTLS.Float64(l.TLS.Seconds()))
		if l.Err != nil {
			fail(span, result)
		}
	}, client, trace.WithLinks(links...))
}

func (t *Tracing) journaled(ctx context.Context, op operation.Operation, what operation.JournalStep, began time.Time, err error) {
	if t.inUse.Load() == nil {
		return
	}
	if of := trace.SpanContextFromContext(ctx); what == operation.JournalIntent && of.IsValid() {
		t.origins.Add(op.ID, of)
	}
	if !t.traces(ctx) {
		return
	}
	t.below(ctx, "journal "+string(what), began, func(span trace.Span) {
		span.SetAttributes(keyOperation.String(op.ID))
		if err != nil && !refusesWrite(err) {
			fail(span, resultFailed)
		}
	})
}

// refusesWrite reports whether an error of the journal is its answer: another operation has the
// idempotency key, or holds the same numbers. The journal works then.
func refusesWrite(err error) bool {
	_, used := errors.AsType[*operation.KeyUsedError](err)
	_, held := errors.AsType[*operation.HeldError](err)
	return used || held
}

// readBack begins the span of a reading: below that of the request that waits for it, and
// otherwise as the beginning of a trace that is linked to the request of the operation.
func (t *Tracing) readBack(ctx context.Context, op operation.Operation) (context.Context, func(error)) {
	u := t.inUse.Load()
	if u == nil {
		return ctx, func(error) {}
	}
	within := trace.SpanContextFromContext(ctx)
	origin, known := t.origins.Get(op.ID)
	var options []trace.SpanStartOption
	switch {
	case within.IsValid() && !within.IsSampled(), !within.IsValid() && known && !origin.IsSampled():
		return ctx, func(error) {}
	case known && origin.TraceID() != within.TraceID():
		options = append(options, trace.WithLinks(trace.Link{SpanContext: origin}))
	}
	ctx, span := u.tracer.Start(ctx, "read back", options...)
	id, route := op.ID, op.Route // the function keeps no more of the operation
	return ctx, func(err error) {
		span.SetAttributes(keyOperation.String(id), keyRouteName.String(route))
		if err != nil {
			fail(span, failureOf(err))
		}
		span.End()
	}
}
