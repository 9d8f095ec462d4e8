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

// requestInfo is what the log line and the metrics of a request need. Only the
// request's goroutine uses it.
type requestInfo struct {
	requestID   string
	traceID     string
	sampled     bool       // the trace may have been recorded
	route       string     // the name of the route; noRoute if none matched
	clientIP    netip.Addr // the caller's address, invalid for none
	principal   auth.Principal
	wire        string         // the value of HeaderWire, if it is valid and permitted
	entries     []string       // of a change that was decoded
	err         *errcode.Error // the response, nil for a success
	reported    *errcode.Error // why a write was not done completely, if the response reports its entries
	panicked    error          // nil without a panic
	undelivered bool           // the caller disconnected before the response began, or did not take all of it
}

const (
	infoKey       = "ocigate.request"
	noRoute       = "none"
	traceparent   = "Traceparent"
	noErrorName   = "none"
	otherMethod   = "other"
	resultOK      = "ok"
	headerNoSniff = "nosniff"
)

// infoOf returns the requestInfo that [Gateway.observe] made.
func infoOf(c echo.Context) *requestInfo {
	info, ok := c.Get(infoKey).(*requestInfo)
	if !ok {
		panic("gateway: the request did not pass Gateway.observe")
	}
	return info
}

var (
	validRequestID = regexp.MustCompile(requestIDPattern)
	// traceContext is the traceparent of W3C Trace Context, version 00.
	traceContext = regexp.MustCompile(`^00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})$`)
)

// observe gives each request an id and a requestInfo, and counts and logs the request
// when it has ended.
func (g *Gateway) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		info := &requestInfo{requestID: requestID(c.Request()), route: noRoute, clientIP: g.addresses.of(c.Request())}
		if m := traceContext.FindStringSubmatch(c.Request().Header.Get(traceparent)); m != nil {
			info.traceID, info.sampled = m[1], isSampled(m[2])
		}
		span := g.beginSpan(c, info)
		c.Set(infoKey, info)
		header := c.Response().Header()
		header.Set(echo.HeaderXRequestID, info.requestID)
		header.Set(echo.HeaderXContentTypeOptions, headerNoSniff)
		c.Response().Before(func() {
			info.undelivered = disconnected(c)
			g.acceptPost(c)
		})
		g.options.Metrics.inFlight.Inc()
		defer g.options.Metrics.inFlight.Dec()
		if err := next(c); err != nil {
			c.Error(err)
		}
		took := time.Since(start)
		g.options.Metrics.request(info, c, took)
		g.log(info, c, took)
		g.endSpan(c, info, span)
		return nil
	}
}

// requestID returns the caller's request id if it is valid, and else a new one.
func requestID(r *http.Request) string {
	if id := r.Header.Get(echo.HeaderXRequestID); validRequestID.MatchString(id) {
		return id
	}
	return rand.Text()
}

// notePanic notes a panic for the log line of its request.
func notePanic(c echo.Context, err error, stack []byte) error {
	infoOf(c).panicked = &panicError{err: err, stack: string(stack)}
	return err
}

type panicError struct {
	err   error
	stack string
}

// Error returns the value of the panic and its stack.
func (p *panicError) Error() string { return "panic: " + p.err.Error() + "\n" + p.stack }

// Unwrap returns the value of the panic.
func (p *panicError) Unwrap() error { return p.err }

// maxLogged limits each text of a request that a log line repeats, in bytes.
const maxLogged = 1024

func short(text string) string { return truncated(text, maxLogged) }

func truncated(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}

// cause returns the cause of an error for the log. status is that of the response.
func (i *requestInfo) cause(status int) string {
	switch {
	case i.err == nil:
		return fmt.Sprintf("the caller disconnected before the response, whose status is %d", status)
	case i.err.Cause != nil:
		return i.err.Cause.Error()
	}
	return i.err.Text()
}

// maxFields is the largest number of fields of a log line.
const maxFields = 19

// log writes the log line of a request.
func (g *Gateway) log(info *requestInfo, c echo.Context, took time.Duration) {
	request := c.Request()
	status, name := info.outcome(c.Response().Status)
	fields := make([]slog.Attr, 0, maxFields)
	fields = append(fields,
		slog.String("request_id", info.requestID),
		slog.String("endpoint", info.route),
		slog.String("method", request.Method),
		slog.String("path", short(request.URL.RawPath)),
		slog.Int("status", status),
		slog.Float64("seconds", took.Seconds()),
		slog.Int64("bytes", c.Response().Size),
		slog.String("client_ip", addressText(info.clientIP)),
	)
	if info.traceID != "" {
		fields = append(fields, slog.String("trace_id", info.traceID))
	}
	if info.principal.Name != "" {
		fields = append(fields, slog.String("principal", info.principal.Name), slog.String("principal_level", info.principal.Level.String()))
	}
	if info.principal.Hash != "" {
		fields = append(fields, slog.String("principal_hash", string(info.principal.Hash)))
	}
	if info.wire != "" {
		fields = append(fields, slog.String("wire", info.wire))
	}
	if len(info.entries) > 0 {
		fields = append(fields, slog.Any("entries", info.entries))
	}
	if id := c.Response().Header().Get(HeaderOperationID); id != "" {
		fields = append(fields, slog.String("operation_id", id), slog.String("outcome", c.Response().Header().Get(HeaderOperationOutcome)))
	}
	if name != noErrorName {
		fields = append(fields, slog.String("error", name), slog.String("cause", short(info.cause(c.Response().Status))))
	} else if info.reported != nil {
		fields = append(fields, slog.String("cause", short(info.reported.Error())))
	}
	level := slog.LevelInfo
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	if info.panicked != nil {
		fields = append(fields, slog.String("panic", info.panicked.Error()))
	}
	g.options.Logger.LogAttrs(request.Context(), level, "request", fields...)
}
