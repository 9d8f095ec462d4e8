package gateway

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// An Admin serves /metrics, /livez and /readyz, for operators and orchestrators. It is
// meant for a separate listener.
//
// Readiness reports whether this replica should get requests. It does not depend on
// the platform: otherwise a platform that is down would make all replicas unready at
// the same time, the load balancer would remove all of them, and portals would get
// connection errors instead of responses with the reason and a Retry-After. It may
// depend on a journal that only this replica has: see [Admin.FollowJournal].
//
// Both are in the manner of Kubernetes' API server: ?verbose shows each check, with the
// reason of a failure, ?exclude=NAME leaves one out, and /readyz/NAME has only one.
// Checks that are only informative never change a status (see [Admin.Inform]).
type Admin struct {
	mux          *http.ServeMux
	state        atomic.Int32
	journal      Journal // nil if readiness does not depend on it
	unreadyAfter time.Duration
	informative  []check // of readyz, which do not count
}

// NewAdmin returns an Admin that serves these metrics. It is not ready before SetReady.
func NewAdmin(m *Metrics) *Admin {
	a := &Admin{mux: http.NewServeMux()}
	a.mux.Handle("GET /metrics", metricsHandler(m))
	a.mux.HandleFunc("GET /livez", serveChecks("livez", "alive", liveChecks))
	a.mux.HandleFunc("GET /livez/{check}", serveCheck(liveChecks))
	a.mux.HandleFunc("GET /readyz", serveChecks("readyz", "ready", a.readyChecks))
	a.mux.HandleFunc("GET /readyz/{check}", serveCheck(a.readyChecks))
	return a
}

// metricsHandler serves the metrics in the form that the scraper asks for: text, OpenMetrics,
// which has exemplars, or protobuf, which has those and native histograms. A metric has the
// same name in all of them.
func metricsHandler(m *Metrics) http.Handler {
	return promhttp.HandlerFor(m.Registry(), promhttp.HandlerOpts{Registry: m.Registry(), EnableOpenMetrics: true})
}

// Handle adds a handler for a pattern of [http.ServeMux]. It must be called before the
// first request.
func (a *Admin) Handle(pattern string, handler http.Handler) { a.mux.Handle(pattern, handler) }

// ServeHTTP implements http.Handler.
func (a *Admin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if lastOnConnection(r) {
		closeAfter(w, r)
	}
	a.mux.ServeHTTP(w, r)
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// The client may have disconnected.
	_, _ = w.Write([]byte(text + "\n"))
}
