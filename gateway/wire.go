package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"

	"github.com/labstack/echo/v4"

	"ocigate/gateway/auth"
	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// A request can have the documents traced that the gateway exchanges with the platform
// for it: returned with the response, or logged. The header asks for that, for one
// request of a System Admin. The operator can have all requests for a tenant logged: see
// [WireTraces].
//
// A trace only observes. It cannot change what becomes of a write, and it makes no
// exchange that the request would not make, with one exception: with the header, a read
// makes its own exchange, also if another caller is making the same one.

// HeaderWire is the header of a request that has its documents traced.
const HeaderWire = "Ocigate-Wire"

// The values of [HeaderWire].
const (
	wireReturn = "return" // with the response, as WireMedia
	wireLog    = "log"
)

var wireModes = []string{wireReturn, wireLog}

// WireMedia is the media type of a response that has the documents of its request.
const WireMedia = "application/vnd.ocigate.wire+json"

// Limits of what a request returns or logs, in bytes of documents and in exchanges.
const (
	maxWireBytes     = 1 << 20
	maxWireExchanges = 200
)

// Exchanges reports whether requests to the route are carried out on the platform, so
// that they can be traced.
func (r Route) Exchanges() bool { return r.Query != nil || r.Change != nil }

// isTraced reports whether a request asks for a trace, or its tenant is traced.
func (g *Gateway) isTraced(r *http.Request, target scope.Target) bool {
	return r.Header[HeaderWire] != nil || g.options.WireTraces.of(target.TenantID) != nil
}

// admitted is a request whose caller may make it.
type admitted struct {
	route     Route
	described translate.Description
	who       auth.Principal
	target    scope.Target
	oversized error // its body is too large; nil if it is not
}

// serveTraced serves a request that [Gateway.isTraced].
func (g *Gateway) serveTraced(ctx context.Context, c echo.Context, a admitted) error {
	mode, err := g.wireMode(c.Request(), a.who)
	if err != nil {
		return err
	}
	infoOf(c).wire = mode
	w := &requestWire{
		mode: mode, requestID: infoOf(c).requestID, logger: g.options.Logger, tenant: g.options.WireTraces.of(a.target.TenantID),
	}
	ctx = oci.WithWire(ctx, &oci.Wire{Done: w.done, OwnReads: mode != ""})
	defer w.end()
	if mode == wireReturn {
		return g.serveWithWire(ctx, c, a, w)
	}
	return g.serve(ctx, c, a)
}

// wireMode returns the value of [HeaderWire], "" if it is not given. Its error says that
// the header must not be given, or is not valid.
func (g *Gateway) wireMode(r *http.Request, who auth.Principal) (string, error) {
	values, given := r.Header[HeaderWire]
	refuse := func(reason string) (string, error) {
		return "", errcode.Invalid(errcode.InvalidParameters, errcode.Problem{Parameter: HeaderWire, Reason: reason})
	}
	switch {
	case !given:
		return "", nil
	case who.Level < auth.SystemAdmin:
		return "", &errcode.Error{Code: errcode.Forbidden, Message: "The header " + HeaderWire + " is only for callers of the level " + auth.SystemAdmin.String() + "."}
	case g.options.NoWire:
		return "", &errcode.Error{Code: errcode.Forbidden, Message: "The header " + HeaderWire + " is switched off by the configuration of this gateway: api.wire_trace."}
	case len(values) != 1:
		return refuse("must be given only once")
	case !slices.Contains(wireModes, values[0]):
		return refuse(fmt.Sprintf("must be %s or %s, not %.40q", wireReturn, wireLog, values[0]))
	case values[0] == wireLog && !g.options.Logger.Enabled(r.Context(), slog.LevelInfo):
		return refuse("must not be " + wireLog + ": log.level is above info, so the documents would not be logged")
	}
	return values[0], nil
}

// requestWire is the trace of one request.
type requestWire struct {
	mode      string // of the header, "" for none
	requestID string
	logger    *slog.Logger
	tenant    *tenantTrace // nil if the tenant is not traced

	mu        sync.Mutex // guards the fields below; not held while a line is logged
	ended     bool
	taken     int // bytes of documents
	exchanges []oci.WireExchange
	lines     int // that the header asked for and that were logged
	left      int // exchanges that were left out
	cut       bool
}

// done takes an exchange.
func (w *requestWire) done(x oci.WireExchange) {
	w.mu.Lock()
	size := len(x.Request) + len(x.Reply)
	fits := !w.ended && w.taken+size <= maxWireBytes && len(w.exchanges)+w.lines < maxWireExchanges
	w.cut = w.cut || x.Cut
	log := fits && w.mode == wireLog
	switch {
	case w.mode == "":
	case !fits:
		w.left++
	case w.mode == wireReturn:
		w.exchanges = append(w.exchanges, x)
	default:
		w.lines++
	}
	if fits {
		w.taken += size
	}
	w.mu.Unlock()
	if w.tenant != nil && w.tenant.take(size) || log {
		logExchange(w.logger, w.requestID, x)
	}
}

// end ends the trace of a request. It logs how many exchanges were left out.
func (w *requestWire) end() {
	w.mu.Lock()
	w.ended = true
	left := w.left
	w.mu.Unlock()
	if w.mode == wireLog && left > 0 {
		w.logger.Warn("wire: exchanges of a request were left out, because it has too many or too long documents", "request_id", w.requestID, "left_out", left)
	}
}

// logExchange logs an exchange as one line.
func logExchange(logger *slog.Logger, requestID string, x oci.WireExchange) {
	fields := []slog.Attr{slog.String("request_id", requestID), slog.Any("commands", x.Commands)}
	if x.Joined {
		fields = append(fields, slog.Bool("joined", true))
	} else {
		fields = append(fields,
			slog.String("platform_endpoint", x.Endpoint), slog.String("session", x.Session),
			slog.Bool("sent", x.Sent), slog.Time("sent_at", x.SentAt.UTC()), slog.Float64("seconds", x.Took.Seconds()),
			slog.String("request", x.Request), slog.String("reply", x.Reply),
		)
	}
	if x.Err != nil {
		fields = append(fields, slog.String("cause", short(x.Err.Error())))
	}
	logger.LogAttrs(context.Background(), slog.LevelInfo, "wire", fields...)
}
