package tracing

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"ocigate/gateway"
)

// scopeName is the name of the instrumentation scope of all spans.
const scopeName = "ocigate"

// maxOrigins is how many operations are remembered with the span of their request.
const maxOrigins = 4096

// A Tracing makes spans and sends them. It is safe for concurrent use. At first it is off.
type Tracing struct {
	logger  *slog.Logger
	version string
	counts  counts
	// origins has the span of the request of the last operations that may have been sent, by
	// operation id: what is done for one of them in the background is linked to it.
	origins *lru.Cache[string, trace.SpanContext]

	inUse atomic.Pointer[use] // nil while it is off

	mu       sync.Mutex // guards the fields below
	made     *provider  // nil before the first Prepare
	isClosed bool
}

// use is how a provider is used.
type use struct {
	*provider
	trustCallers bool
}

// provider makes spans of one collection of settings.
type provider struct {
	tracer   trace.Tracer
	sdk      *sdk.TracerProvider
	exporter *exporter
	ignore   bool // the traceparent of callers
}

// New returns a Tracing that is off. version is that of the program.
func New(logger *slog.Logger, version string) *Tracing {
	origins, err := lru.New[string, trace.SpanContext](maxOrigins)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return &Tracing{logger: logger, version: version, origins: origins}
}

// Prepare makes what spans of these settings need. Later calls have no effect: the
// environment of a process does not change. Nothing is sent before [Tracing.Use].
func (t *Tracing) Prepare(s Settings) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.made != nil || s.Off {
		return nil
	}
	made, err := newProvider(s, &t.counts, t.logger, t.version)
	if err != nil {
		return err
	}
	t.made = made
	return nil
}

// Use switches spans of later requests on or off. If callers are trusted, a request with a
// traceparent is a part of that trace; otherwise it begins a trace with a link to that one.
// Nothing is traced before a [Tracing.Prepare], or if its settings are off.
func (t *Tracing) Use(on, trustCallers bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !on || t.made == nil || t.isClosed {
		t.inUse.Store(nil)
		return
	}
	t.inUse.Store(&use{t.made, trustCallers})
}

// Close sends what is waiting, until ctx ends, and switches spans off for good.
func (t *Tracing) Close(ctx context.Context) {
	t.mu.Lock()
	made := t.made
	t.isClosed = true
	t.inUse.Store(nil)
	t.mu.Unlock()
	if made != nil {
		made.close(ctx)
	}
}

// Counts returns the numbers of spans since the start.
func (t *Tracing) Counts() gateway.SpanCounts {
	return gateway.SpanCounts{
		Exported: t.counts.exported.Load(),
		Dropped:  t.counts.dropped.Load(),
		Failed:   t.counts.failed.Load(),
	}
}

func newProvider(s Settings, counts *counts, logger *slog.Logger, version string) (*provider, error) {
	exporter, err := newExporter(s, counts, logger)
	if err != nil {
		return nil, fmt.Errorf("the exporter of traces: %w", err)
	}
	queue := sdk.NewBatchSpanProcessor(exporter,
		sdk.WithBatchTimeout(s.batch.delay), sdk.WithExportTimeout(s.batch.timeout),
		sdk.WithMaxQueueSize(s.batch.queue), sdk.WithMaxExportBatchSize(s.batch.size),
	)
	p := &provider{exporter: exporter, ignore: s.ignore}
	p.sdk = sdk.NewTracerProvider(
		sdk.WithSpanProcessor(&limiter{SpanProcessor: queue, counts: counts, most: int64(s.batch.queue)}),
		sdk.WithSampler(s.sampler),
		sdk.WithResource(programResource(s, version)),
		sdk.WithRawSpanLimits(spanLimits), // else those of variables that nobody checks
	)
	p.tracer = p.sdk.Tracer(scopeName, trace.WithInstrumentationVersion(version))
	return p, nil
}

// programResource describes the program. It has nothing of the machine but what the operator has
// set.
func programResource(s Settings, version string) *resource.Resource {
	described := []attribute.KeyValue{
		attribute.String("service.version", version),
		attribute.String("service.instance.id", rand.Text()),
		attribute.String("telemetry.sdk.name", "opentelemetry"),
		attribute.String("telemetry.sdk.language", "go"),
		attribute.String("telemetry.sdk.version", otel.Version()),
	}
	for key, value := range s.resource {
		described = append(described, attribute.String(key, value)) // the last one of a key counts
	}
	return resource.NewSchemaless(described...)
}

// spanLimits are the default limits of the specification.
var spanLimits = sdk.SpanLimits{
	AttributeValueLengthLimit: sdk.DefaultAttributeValueLengthLimit, AttributeCountLimit: sdk.DefaultAttributeCountLimit,
	EventCountLimit: sdk.DefaultEventCountLimit, LinkCountLimit: sdk.DefaultLinkCountLimit,
	AttributePerEventCountLimit: sdk.DefaultAttributePerEventCountLimit, AttributePerLinkCountLimit: sdk.DefaultAttributePerLinkCountLimit,
}

// close sends what is waiting, until ctx ends. Then it cancels what is being sent, and drops
// the rest.
func (p *provider) close(ctx context.Context) {
	defer context.AfterFunc(ctx, p.exporter.end)()
	_ = p.sdk.Shutdown(context.WithoutCancel(ctx)) // what was not sent is counted
	p.exporter.close()
}

// Check sends one span, named "ocigate doctor", and returns why the receiver has not
// accepted it. Nothing else is sent.
func Check(ctx context.Context, s Settings, version string) error {
	var sent counts
	e, err := newExporter(s, &sent, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer e.close()
	defer context.AfterFunc(ctx, e.end)() // the SDK does not pass ctx on
	s.sampler = sdk.AlwaysSample()
	var failure error
	once := sdk.NewSimpleSpanProcessor(checkedExporter{e, &failure})
	tp := sdk.NewTracerProvider(sdk.WithSpanProcessor(once), sdk.WithSampler(s.sampler), sdk.WithResource(programResource(s, version)))
	_, span := tp.Tracer(scopeName).Start(ctx, "ocigate doctor")
	span.End()
	return failure
}

// checkedExporter keeps the error of an export.
type checkedExporter struct {
	*exporter
	failure *error
}

// ExportSpans implements sdk.SpanExporter.
func (c checkedExporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	if err := c.send(ctx, spans); err != nil {
		*c.failure = fmt.Errorf("%s", c.explain(err))
	}
	return nil
}
