package gateway

import (
	"errors"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"ocigate/oci"
)

// Metrics are the metrics of the gateway, on their own registry. Every label value
// comes from a table of the program or from the configuration, never from a caller. Exemplars
// have the ids of traces, which may be a caller's.
type Metrics struct {
	registry *prometheus.Registry

	requests         *prometheus.CounterVec
	requestDuration  *prometheus.HistogramVec
	inFlight         prometheus.Gauge
	logins           *prometheus.CounterVec
	loginsThrottled  *prometheus.CounterVec
	throttledReasons *prometheus.CounterVec
	clientHashes     *prometheus.CounterVec

	forwardedUnparsed prometheus.Counter

	operations         *prometheus.CounterVec
	operationsResolved *prometheus.CounterVec
	corrections        *prometheus.CounterVec
	undone             prometheus.Counter
	replays            *prometheus.CounterVec
	adopted            *prometheus.CounterVec
	journalFailures    prometheus.Counter
	readingsFailed     prometheus.Counter

	sessionTries    *prometheus.CounterVec
	sessionsClosed  *prometheus.CounterVec
	waits           *prometheus.HistogramVec
	commands        *prometheus.CounterVec
	commandDuration *prometheus.HistogramVec
	readsJoined     *prometheus.CounterVec
	repliesRefused  *prometheus.CounterVec
	shed            *prometheus.CounterVec
	sessionSeconds  *prometheus.CounterVec

	log atomic.Pointer[droppingLog] // of WatchLog; nil before
}

// droppingLog is a log that counts the lines that it drops.
type droppingLog interface{ Dropped() uint64 }

// NewMetrics returns the metrics. version is that of the program, for the metric
// ocigate_build_info.
func NewMetrics(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.makeRequests()
	m.makeOperations()
	m.makePlatform()
	m.registry.MustRegister(
		buildInfo(version),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.start()
	return m
}

// makeRequests creates the metrics of requests and logins.
func (m *Metrics) makeRequests() {
	m.requests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ocigate_http_requests_total", Help: "Requests to the API that have ended, by the name of the error in the response: none for a success, and CALLER_LEFT with status 499 if the caller disconnected before the response.",
	}, []string{"endpoint", "method", "status", "error"})
	m.requestDuration = newDurations("ocigate_http_request_duration_seconds", "Time from the header of a request to the end of its response.", "endpoint", "method")
	m.inFlight = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "ocigate_http_requests_in_flight", Help: "Requests to the API that have not ended.",
	})
	m.logins = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ocigate_logins_total", Help: "Logins of callers, by result: ok, or the name of the error.",
	}, []string{"result"})
	m.loginsThrottled, m.throttledReasons = newThrottledCounter(), newThrottledReasons()
	m.clientHashes = newClientHashCounter()
	m.forwardedUnparsed = newUnparsedCounter()
	m.registry.MustRegister(m.requests, m.requestDuration, m.inFlight, m.logins, m.loginsThrottled, m.throttledReasons, m.clientHashes, m.forwardedUnparsed)
}

// Registry returns the registry from which the metrics are gathered.
func (m *Metrics) Registry() *prometheus.Registry { return m.registry }

// buildInfo returns a metric whose labels are the versions of what is running.
func buildInfo(version string) prometheus.Collector {
	labels := prometheus.Labels{"version": version, "goversion": "", "revision": ""}
	if info, ok := debug.ReadBuildInfo(); ok {
		labels["goversion"] = info.GoVersion
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				labels["revision"] = setting.Value
			}
		}
	}
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "ocigate_build_info", Help: "Always 1; the labels are the versions of what is running.", ConstLabels: labels,
	})
	g.Set(1)
	return g
}

// request counts a request that has ended.
func (m *Metrics) request(info *requestInfo, c echo.Context, took time.Duration) {
	method := c.Request().Method
	if !slices.Contains(knownMethods, method) {
		method = otherMethod
	}
	status, name := info.outcome(c.Response().Status)
	m.requests.WithLabelValues(info.route, method, strconv.Itoa(status), name).Inc()
	observeDuration(m.requestDuration.WithLabelValues(info.route, method), took, info.exemplar())
	if info.err == nil {
		return
	}
	if busy, ok := errors.AsType[*oci.BusyError](info.err); ok {
		m.shed.WithLabelValues(string(busy.Reason)).Inc()
	}
}

var knownMethods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete, http.MethodOptions, http.MethodPut, http.MethodPatch}

func (m *Metrics) login(result string) { m.logins.WithLabelValues(result).Inc() }

// WatchLog adds the number of log lines that were dropped. It is read when the metrics
// are gathered.
func (m *Metrics) WatchLog(log interface{ Dropped() uint64 }) {
	counted := droppingLog(log)
	m.log.Store(&counted)
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "ocigate_log_lines_dropped_total", Help: "Log lines that were dropped because the reader of the standard error output was too slow or absent.",
	}, func() float64 { return float64(log.Dropped()) }))
}

func oneIf(holds bool) int {
	if holds {
		return 1
	}
	return 0
}
