package gateway

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"ocigate/gateway/auth"
	"ocigate/translate/errcode"
)

// record is what is known of a request when it has ended.
type record struct {
	requestID string
	traceID   string
	endpoint  string     // of the table; noEndpoint where none was found
	clientIP  netip.Addr // where the request comes from, invalid for no address
	principal auth.Principal
	entries   []string // of a change that was planned
	err       *errcode.Error
	undone    *errcode.Error // why a write was done in part, where the answer reports its entries
	cause     error          // of a panic
	unheard   bool           // the caller had left when the answer was begun, or did not take all of it
}

const (
	recordKey     = "ocigate.record"
	noEndpoint    = "none"
	traceparent   = "Traceparent"
	noErrorName   = "none"
	otherMethod   = "other"
	resultOK      = "ok"
	headerNoSniff = "nosniff"
)

// recordOf is the request's record, which [Gateway.observe] made.
func recordOf(c echo.Context) *record {
	r, ok := c.Get(recordKey).(*record)
	if !ok {
		panic("gateway: the request has no record")
	}
	return r
}

var (
	saneRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	// traceContext is the traceparent of W3C Trace Context, version 00.
	traceContext = regexp.MustCompile(`^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$`)
)

// observe gives each request an id and a record, and counts and logs it when
// it has ended.
func (g *Gateway) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		r := &record{requestID: requestID(c.Request()), endpoint: noEndpoint, clientIP: g.addresses.of(c.Request())}
		if m := traceContext.FindStringSubmatch(c.Request().Header.Get(traceparent)); m != nil {
			r.traceID = m[1]
		}
		c.Set(recordKey, r)
		header := c.Response().Header()
		header.Set(echo.HeaderXRequestID, r.requestID)
		header.Set(echo.HeaderXContentTypeOptions, headerNoSniff)
		c.Response().Before(func() { r.unheard = hasLeft(c) })
		g.options.Metrics.inFlight.Inc()
		defer g.options.Metrics.inFlight.Dec()
		if err := next(c); err != nil {
			c.Error(err)
		}
		took := time.Since(start)
		g.options.Metrics.request(r, c, took)
		g.log(r, c, took)
		return nil
	}
}

// requestID is the caller's, where it is sane enough for a log line, or a new
// one.
func requestID(r *http.Request) string {
	if id := r.Header.Get(echo.HeaderXRequestID); saneRequestID.MatchString(id) {
		return id
	}
	return rand.Text()
}

// asCause has a panic end up in the log with the request that met it.
func asCause(c echo.Context, err error, stack []byte) error {
	recordOf(c).cause = &panicked{err: err, stack: string(stack)}
	return err
}

type panicked struct {
	err   error
	stack string
}

func (p *panicked) Error() string { return "panic: " + p.err.Error() + "\n" + p.stack }
func (p *panicked) Unwrap() error { return p.err }

// maxLogged bounds what a log line repeats of a request, in bytes.
const maxLogged = 1024

func short(text string) string { return truncated(text, maxLogged) }

func truncated(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}

// why is what the log says of an error besides its name. answered is the status
// of the answer.
func (r *record) why(answered int) string {
	switch {
	case r.err == nil:
		return fmt.Sprintf("the caller left before the answer, whose status is %d", answered)
	case r.err.Cause != nil:
		return r.err.Cause.Error()
	}
	return r.err.Text()
}

// maxFields is room for all fields that a log line can have.
const maxFields = 18

func (g *Gateway) log(r *record, c echo.Context, took time.Duration) {
	request := c.Request()
	status, name := r.outcome(c.Response().Status)
	fields := make([]slog.Attr, 0, maxFields)
	fields = append(fields,
		slog.String("request_id", r.requestID),
		slog.String("endpoint", r.endpoint),
		slog.String("method", request.Method),
		slog.String("path", short(request.URL.RawPath)),
		slog.Int("status", status),
		slog.Float64("seconds", took.Seconds()),
		slog.Int64("bytes", c.Response().Size),
		slog.String("client_ip", addressText(r.clientIP)),
	)
	if r.traceID != "" {
		fields = append(fields, slog.String("trace_id", r.traceID))
	}
	if r.principal.Name != "" {
		fields = append(fields, slog.String("principal", r.principal.Name), slog.String("principal_level", r.principal.Level.String()))
	}
	if len(r.entries) > 0 {
		fields = append(fields, slog.Any("entries", r.entries))
	}
	if id := c.Response().Header().Get(headerOperationID); id != "" {
		fields = append(fields, slog.String("operation_id", id), slog.String("outcome", c.Response().Header().Get(headerOperationOutcome)))
	}
	if name != noErrorName {
		fields = append(fields, slog.String("error", name), slog.String("cause", short(r.why(c.Response().Status))))
	} else if r.undone != nil {
		fields = append(fields, slog.String("cause", short(r.undone.Error())))
	}
	level := slog.LevelInfo
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	if r.cause != nil {
		fields = append(fields, slog.String("panic", r.cause.Error()))
	}
	g.options.Logger.LogAttrs(request.Context(), level, "request", fields...)
}
