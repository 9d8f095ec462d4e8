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

// A Writer sends the commands of planned changes. *oci.Client implements it.
type Writer interface {
	// Write calls before with the name of the platform endpoint, and then sends the
	// command, at most once. If before returns an error, nothing is sent. After an
	// error for which oci.NotDone does not report true, it is unknown whether the
	// command was done.
	Write(ctx context.Context, command oci.Write, before func(endpoint string) error) (oci.Reply, error)
}

// Options are the options of a [Gateway]. All fields are required, except the
// numbers, which have defaults, TrustedProxies, Docs, CORS, CallerLimits, SessionShares, Replaces, NoWire,
// WireTraces and Tracer.
type Options struct {
	Services       Services // of NewServices
	Writer         Writer
	Operations     *operation.Keeper
	PlatformErrors translate.PlatformErrors
	Auth           *auth.Authenticator
	Metrics        *Metrics
	Logger         *slog.Logger

	// RequestTimeout limits a read, and a write until its first command is sent.
	// Default 30 s.
	RequestTimeout time.Duration
	// MaxBodyBytes limits the body of a request. Default 1 MiB.
	MaxBodyBytes int64
	// GzipMinBytes is the size from which on a response is compressed, if the
	// caller accepts gzip. Default 1400.
	GzipMinBytes int
	// TrustedProxies are the networks of proxies whose X-Forwarded-For is trusted.
	// The entries of that header may have ports. The caller's address is the last
	// one in it that is not in these networks.
	TrustedProxies []netip.Prefix
	// Docs serves the description of the API and its documentation: GET and HEAD of
	// /openapi.json, /openapi.yaml, /docs and everything below it. It needs no
	// credentials. Nil means that these paths do not exist.
	Docs http.Handler
	// CORS are the pages of other origins that may use the API. Default none.
	CORS CORS
	// CallerLimits limit the requests of each caller. Default none.
	CallerLimits CallerLimits
	// SessionShares are how callers share the sessions with the platform. Default the same
	// share for each, without limits.
	SessionShares SessionShares

	// Replaces is the Gateway that this one replaces while requests are served, nil
	// for none. It may have other options, but the same Metrics. The new Gateway
	// takes over what each caller has used up: the limits of CallerLimits apply to
	// the present counts, and from now on to requests in progress at the other one,
	// too. So New is the last step of a change that may fail.
	Replaces *Gateway
	// NoWire refuses [HeaderWire].
	NoWire bool
	// WireTraces are the tenants whose requests are traced in the log. Default none.
	WireTraces *WireTraces
	// Tracer makes a span of each request. Default none.
	Tracer Tracer
}

// A Gateway serves the API. It is an http.Handler, safe for concurrent use.
type Gateway struct {
	options   Options
	router    *echo.Echo
	addresses *clientAddresses
	routes    []Route
	posted    map[string]bool // of postedPaths
	limits    *callerLimits   // nil for none
	pieces    sync.Pool       // of *bufio.Writer, for writeBody

	documented map[string]string // of documentedPaths
}

// New returns a Gateway with these options. It may be called several times with the same
// Metrics.
func New(o Options) *Gateway {
	if o.RequestTimeout <= 0 {
		o.RequestTimeout = 30 * time.Second
	}
	if o.MaxBodyBytes <= 0 {
		o.MaxBodyBytes = DefaultBodyBytes
	}
	if o.GzipMinBytes <= 0 {
		o.GzipMinBytes = 1400
	}
	routes := Routes(o.Services)
	g := &Gateway{
		options:   o,
		router:    echo.New(),
		addresses: newClientAddresses(o.TrustedProxies, o.Metrics.forwardedUnparsed, o.Logger),
		routes:    routes,
		posted:    postedPaths(routes),

		documented: documentedPaths(routes),
	}
	g.takeOver(o.Replaces)
	o.Metrics.startRequests(o.PlatformErrors.Codes())
	o.Metrics.startClients(o.Auth.ClientsWithTwoHashes())
	o.Metrics.startShares(o.Auth.ClientIDs())
	g.router.HTTPErrorHandler = g.writeError
	// requestInfo has the caller's address. Without this, echo would trust any
	// X-Forwarded-For.
	g.router.IPExtractor = echo.ExtractIPDirect()
	g.router.Pre(rawPath, g.observe)
	if len(o.CORS.Origins) > 0 {
		g.router.Use(cors(o.CORS))
	}
	compress := middleware.GzipWithConfig(middleware.GzipConfig{MinLength: o.GzipMinBytes, Skipper: refusesGzip})
	catch := middleware.RecoverWithConfig(middleware.RecoverConfig{LogErrorFunc: notePanic, DisableErrorHandler: true, DisableStackAll: true})
	for _, route := range routes {
		// The router would wrap the handler again for each request.
		handler := compress(catch(g.handle(route)))
		for _, pattern := range route.patterns() {
			g.router.Match(route.methods(), pattern, handler)
		}
	}
	if o.Docs != nil {
		o.Metrics.startDocs()
		g.mountDocs(catch)
	}
	return g
}

// takeOver sets the counts and the memory of g, from the Gateway that it replaces. It
// keeps no reference to that, which would keep all earlier ones in memory.
func (g *Gateway) takeOver(replaced *Gateway) {
	if replaced == nil {
		g.limits = newCallerLimits(g.options.CallerLimits)
		return
	}
	g.options.Replaces = nil
	g.limits = replaced.limits.successor(g.options.CallerLimits)
	g.addresses.after(replaced.addresses)
}

// refusesGzip reports whether Accept-Encoding names gzip with the quality 0. Echo
// would take that for accepting it.
func refusesGzip(c echo.Context) bool {
	quality, named := gzipQuality(c.Request())
	return named && quality == 0
}

// AcceptsGzip reports whether a request accepts a response that is compressed with gzip.
func AcceptsGzip(r *http.Request) bool {
	quality, _ := gzipQuality(r)
	return quality > 0
}

// gzipQuality returns the quality of gzip in Accept-Encoding, and whether it is named.
func gzipQuality(r *http.Request) (quality float64, named bool) {
	for coding := range strings.SplitSeq(r.Header.Get(echo.HeaderAcceptEncoding), ",") {
		if name, quality := acceptOf(coding); name == "gzip" {
			return quality, true
		}
	}
	return 0, false
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
	// A client that waits for 100 Continue and gets a response instead sends no body,
	// but net/http would wait for one.
	body := &trackedBody{ReadCloser: r.Body}
	watched := r.WithContext(r.Context()) // net/http checks the Body of its own request
	watched.Body = body
	g.router.ServeHTTP(w, watched)
	if !body.ended {
		limitRest(w, r)
	}
}
