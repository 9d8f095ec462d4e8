package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"ocigate/gateway/auth"
	"ocigate/gateway/operation"
	"ocigate/oci"
	"ocigate/translate"
)

// Writer sends the one command of a planned change. *oci.Client is one.
type Writer interface {
	// Write sends the command at most once, after before, which is told the
	// name of the platform's endpoint, and whose error means that nothing is
	// sent. Unless oci.NotDone tells of an error that the command was not
	// done, nobody knows.
	Write(ctx context.Context, command oci.Write, before func(endpoint string) error) (oci.Reply, error)
}

// Options are what a [Gateway] is made of. All fields but the numbers and
// TrustedProxies are required.
type Options struct {
	Services       Services // of NewServices
	Writer         Writer
	Operations     *operation.Keeper
	PlatformErrors translate.PlatformErrors
	Auth           *auth.Authenticator
	Metrics        *Metrics
	Logger         *slog.Logger

	// RequestTimeout bounds all that happens before a write is on its way,
	// and the whole of any other request. Default 30 s.
	RequestTimeout time.Duration
	// MaxBodyBytes bounds a request's body. Default 1 MiB.
	MaxBodyBytes int64
	// GzipMinBytes is the least that is compressed for those who take it.
	// Default 1400.
	GzipMinBytes int
	// TrustedProxies are the networks whose X-Forwarded-For is believed. Its
	// entries may have ports. The caller is at the last address in it that is
	// not in these networks.
	TrustedProxies []netip.Prefix
}

// Gateway serves the API.
type Gateway struct {
	options   Options
	router    *echo.Echo
	addresses *clientAddresses
	pieces    sync.Pool // of *bufio.Writer, for writeBody
}

// New makes the API's handler.
func New(o Options) *Gateway {
	if o.RequestTimeout <= 0 {
		o.RequestTimeout = 30 * time.Second
	}
	if o.MaxBodyBytes <= 0 {
		o.MaxBodyBytes = 1 << 20
	}
	if o.GzipMinBytes <= 0 {
		o.GzipMinBytes = 1400
	}
	g := &Gateway{
		options:   o,
		router:    echo.New(),
		addresses: newClientAddresses(o.TrustedProxies, o.Metrics.forwardedUnparsed, o.Logger),
	}
	o.Metrics.startRequests(o.PlatformErrors.Codes())
	g.router.HTTPErrorHandler = g.writeError
	// The record has the address. Without this, echo would believe any header.
	g.router.IPExtractor = echo.ExtractIPDirect()
	g.router.Pre(rawPath, g.observe)
	compress := middleware.GzipWithConfig(middleware.GzipConfig{MinLength: o.GzipMinBytes, Skipper: refusesGzip})
	catch := middleware.RecoverWithConfig(middleware.RecoverConfig{LogErrorFunc: asCause, DisableErrorHandler: true, DisableStackAll: true})
	for _, e := range Routes(o.Services) {
		// Put around the handler here, since the router would do so anew for
		// each request.
		handler := compress(catch(g.handle(e)))
		for _, route := range e.routes() {
			g.router.Match(e.methods(), route, handler)
		}
	}
	return g
}

// refusesGzip tells whether Accept-Encoding names gzip to say that it is not
// taken, which echo would read the other way.
func refusesGzip(c echo.Context) bool {
	for coding := range strings.SplitSeq(c.Request().Header.Get(echo.HeaderAcceptEncoding), ",") {
		if name, quality := acceptOf(coding); name == "gzip" && quality == 0 {
			return true
		}
	}
	return false
}

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if lastOnConnection(r) {
		closeAfter(w, r)
	}
	if r.Header.Get("Expect") == "" || r.ContentLength == 0 {
		g.router.ServeHTTP(w, r)
		return
	}
	// Who waits for 100 Continue and gets an answer in its place sends no body,
	// and net/http would wait for it.
	rest := &restOfBody{ReadCloser: r.Body}
	watched := r.WithContext(r.Context()) // net/http looks at the body of its own
	watched.Body = rest
	g.router.ServeHTTP(w, watched)
	if !rest.ended {
		boundRest(w, r)
	}
}
