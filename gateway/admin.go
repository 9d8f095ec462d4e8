package gateway

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Admin serves what operators and orchestrators ask for, on a listener of its
// own: /metrics, /livez and /readyz.
//
// Readiness says whether this replica should get requests. It does not look at
// the platform: were a dead platform to make its replicas unready, all of them
// would leave the load balancer at once, and portals would get connection
// errors in the place of an answer that says what is wrong and when to come
// back. A journal of its own it does look at: see [Admin.FollowJournal].
type Admin struct {
	mux          *http.ServeMux
	state        atomic.Int32
	journal      Journal // nil for one that readiness does not follow
	unreadyAfter time.Duration
}

// NewAdmin makes the handler. It is not ready before SetReady.
func NewAdmin(m *Metrics) *Admin {
	a := &Admin{mux: http.NewServeMux()}
	a.mux.Handle("GET /metrics", promhttp.HandlerFor(m.Registry(), promhttp.HandlerOpts{Registry: m.Registry()}))
	a.mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, "alive")
	})
	a.mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if reason := a.unready(); reason != "" {
			answer(w, http.StatusServiceUnavailable, reason)
			return
		}
		answer(w, http.StatusOK, "ready")
	})
	return a
}

// ServeHTTP implements http.Handler.
func (a *Admin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if lastOnConnection(r) {
		closeAfter(w, r)
	}
	a.mux.ServeHTTP(w, r)
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// Whoever asked may have gone.
	_, _ = w.Write([]byte(text + "\n"))
}
