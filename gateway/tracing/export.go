package tracing

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// exporter sends batches of spans, counts them, and logs failures. It returns no errors: the
// SDK would print them.
type exporter struct {
	next      sdk.SpanExporter
	transport *statusTransport
	counts    *counts
	failures  *failureLog
	life      context.Context // ends what is being sent when the program stops
	end       context.CancelFunc
}

// counts counts spans. pending are those that have ended and were not sent yet.
type counts struct{ exported, dropped, failed, pending atomic.Int64 }

func newExporter(s Settings, counts *counts, logger *slog.Logger) (*exporter, error) {
	e := &exporter{counts: counts, failures: &failureLog{logger: logger, receiver: s.Receiver()}}
	e.life, e.end = context.WithCancel(context.Background())
	e.transport = newTransport(s)
	compression := otlptracehttp.NoCompression
	if s.gzip {
		compression = otlptracehttp.GzipCompression
	}
	var err error
	// Every option of the library that a variable sets is given here, so that the settings
	// that were checked are the ones that are used.
	e.next, err = otlptrace.New(e.life, otlptracehttp.NewClient(
		otlptracehttp.WithEndpointURL(s.receiver.String()),
		otlptracehttp.WithHeaders(s.headers),
		otlptracehttp.WithCompression(compression),
		otlptracehttp.WithTimeout(s.timeout),
		otlptracehttp.WithHTTPClient(&http.Client{
			Transport: e.transport, Timeout: s.timeout,
			// The headers may hold credentials, which are for this receiver alone.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}),
	))
	return e, err
}

// ExportSpans implements sdk.SpanExporter.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	n := int64(len(spans))
	defer e.counts.pending.Add(-n)
	if e.life.Err() != nil {
		e.counts.dropped.Add(n)
		return nil
	}
	if err := e.send(ctx, spans); err != nil {
		e.counts.failed.Add(n)
		e.failures.note(e.explain(err))
		return nil
	}
	e.counts.exported.Add(n)
	e.failures.note("")
	return nil
}

// send sends spans without what must not be sent.
func (e *exporter) send(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.life, cancel)()
	allowed := make([]sdk.ReadOnlySpan, len(spans))
	for i, s := range spans {
		allowed[i] = permitted{s}
	}
	e.transport.status.Store(0)
	if err := e.next.ExportSpans(ctx, allowed); err != nil && !isWarning(err) {
		return err
	}
	return nil
}

// isWarning reports whether a receiver has accepted all spans, with a remark. The library has
// no exported type for that.
// Source: OTLP specification, "Partial Success": rejected_spans is 0 then.
func isWarning(err error) bool { return strings.HasSuffix(err.Error(), " (0 spans rejected)") }

// Shutdown implements sdk.SpanExporter.
func (e *exporter) Shutdown(ctx context.Context) error {
	_ = e.next.Shutdown(ctx) // there is nothing left to send
	e.close()
	return nil
}

// close ends what is being sent.
func (e *exporter) close() {
	e.end()
	e.transport.CloseIdleConnections()
}

// explain returns why spans were not accepted, without the texts of the receiver and of the
// library, which may hold the address with a password, or what was sent.
func (e *exporter) explain(err error) string {
	status := e.transport.status.Load()
	if status >= 200 && status < 300 {
		return "it has rejected some of them"
	}
	if status != 0 {
		return fmt.Sprintf("its status was %d %s", status, http.StatusText(int(status)))
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return "it did not answer in time"
	}
	if errors.Is(err, context.Canceled) {
		return "the gateway stops"
	}
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return whyNoResponse(failed.Err)
	}
	return "the spans could not be sent"
}

// whyNoResponse returns why there is no response: the text of the system, of DNS or of TLS, but
// none that repeats what was received, or the proxy with its password.
func whyNoResponse(err error) string {
	network, isNetwork := errors.AsType[*net.OpError](err)
	refused, isRefused := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case isNetwork:
		return network.Error()
	case isRefused:
		return refused.Error()
	case errors.Is(err, http.ErrSchemeMismatch):
		return http.ErrSchemeMismatch.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "it has closed the connection"
	}
	return "its response is not HTTP, or the connection failed: the URL may be that of another service, or the proxy is not usable"
}

// statusTransport notes the status of the last response.
type statusTransport struct {
	*http.Transport
	status atomic.Int64 // 0 before a response
}

func newTransport(s Settings) *statusTransport {
	return &statusTransport{Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: s.timeout}).DialContext,
		TLSClientConfig:       s.tls,
		TLSHandshakeTimeout:   s.timeout,
		ResponseHeaderTimeout: s.timeout,
		IdleConnTimeout:       time.Minute,
		MaxIdleConns:          1,
		ForceAttemptHTTP2:     true,
	}}
}

// RoundTrip implements http.RoundTripper.
func (t *statusTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.status.Store(0)
	response, err := t.Transport.RoundTrip(r)
	if err == nil {
		t.status.Store(int64(response.StatusCode))
	}
	return response, err
}

// failureLogEvery is how often failures are logged at most.
const failureLogEvery = time.Minute

// failureLog logs that traces cannot be sent, and that they can be again.
type failureLog struct {
	logger   *slog.Logger
	receiver string

	mu     sync.Mutex // guards the fields below; not held while a line is logged
	failed bool       // a failure was logged, and no success since
	at     time.Time  // when the last line was logged
}

// note notes the end of an export: the cause of a failure, or nothing for a success.
func (l *failureLog) note(cause string) {
	now := time.Now()
	l.mu.Lock()
	again := l.failed && cause == ""
	fails := cause != "" && now.Sub(l.at) >= failureLogEvery
	if again || fails {
		l.failed = fails
	}
	if fails {
		l.at = now
	}
	l.mu.Unlock()
	switch {
	case fails:
		l.logger.Warn("traces could not be sent; requests are not affected", "receiver", l.receiver, "cause", cause)
	case again:
		l.logger.Info("traces can be sent again", "receiver", l.receiver)
	}
}

// limiter is a span processor that passes spans on to the queue, except those for which it
// has no room: so each span that is not sent is counted.
type limiter struct {
	sdk.SpanProcessor
	counts *counts
	most   int64
}

// OnEnd implements sdk.SpanProcessor.
func (l *limiter) OnEnd(span sdk.ReadOnlySpan) {
	if !span.SpanContext().IsSampled() {
		return
	}
	if l.counts.pending.Add(1) > l.most {
		l.counts.pending.Add(-1)
		l.counts.dropped.Add(1)
		return
	}
	l.SpanProcessor.OnEnd(span)
}
