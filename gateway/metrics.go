package gateway

import (
	"context"
	"errors"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"ocigate/gateway/operation"
	"ocigate/oci"
)

// Metrics are the metrics of the gateway, on their own registry. Every label value
// comes from a table of the program or from the configuration, never from a caller.
type Metrics struct {
	registry *prometheus.Registry

	requests        *prometheus.CounterVec
	requestDuration *prometheus.HistogramVec
	inFlight        prometheus.Gauge
	logins          *prometheus.CounterVec
	loginsThrottled *prometheus.CounterVec

	forwardedUnparsed prometheus.Counter

	operations         *prometheus.CounterVec
	operationsResolved *prometheus.CounterVec
	corrections        *prometheus.CounterVec
	replays            *prometheus.CounterVec
	journalFailures    prometheus.Counter
	readingsFailed     prometheus.Counter

	sessionTries    *prometheus.CounterVec
	sessionsClosed  *prometheus.CounterVec
	waits           *prometheus.HistogramVec
	commands        *prometheus.CounterVec
	commandDuration *prometheus.HistogramVec
	readsJoined     *prometheus.CounterVec
	repliesRefused  *prometheus.CounterVec
}

// durationBuckets range from a response without a command to the longest timeouts.
var durationBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// NewMetrics returns the metrics. version is that of the program, for the metric
// ocigate_build_info.
func NewMetrics(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ocigate_http_requests_total", Help: "Requests to the API that have ended, by the name of the error in the response: none for a success, and CALLER_LEFT with status 499 if the caller disconnected before the response.",
		}, []string{"endpoint", "method", "status", "error"}),
		requestDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ocigate_http_request_duration_seconds", Help: "Time from the header of a request to the end of its response.", Buckets: durationBuckets,
		}, []string{"endpoint", "method"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ocigate_http_requests_in_flight", Help: "Requests to the API that have not ended.",
		}),
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ocigate_logins_total", Help: "Logins of callers, by result: ok, or the name of the error.",
		}, []string{"result"}),
		operations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ocigate_operations_total", Help: "Writes that were recorded, by their first outcome: done, not_done, partly_done or unknown.",
		}, []string{"endpoint", "outcome"}),
		operationsResolved: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ocigate_operations_resolved_total", Help: "Writes whose unknown outcome was found out, by that outcome.",
		}, []string{"endpoint", "outcome"}),
		corrections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ocigate_operation_corrections_total", Help: "Writes whose reported outcome turned out to be different later.",
		}, []string{"endpoint"}),
		replays: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ocigate_operation_replays_total", Help: "Requests that got the outcome of the first one with the same Idempotency-Key.",
		}, []string{"endpoint"}),
		journalFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ocigate_journal_failures_total", Help: "Failures to record writes or logins; the log has the cause of each.",
		}),
		readingsFailed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ocigate_operation_readings_failed_total", Help: "Failures to read back the outcome of a write from the platform.",
		}),
		sessionTries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ocigate_platform_logins_total", Help: "Attempts to make a session with the platform, by result: ok, or the step that failed (dns, dial, tls, login, version).",
		}, []string{"platform_endpoint", "result"}),
		sessionsClosed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ocigate_platform_sessions_closed_total", Help: "Sessions with the platform that have ended, by reason: idle, age, shutdown or broken.",
		}, []string{"platform_endpoint", "reason"}),
		waits: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ocigate_platform_session_wait_seconds", Help: "Time that callers waited for a session, without those that found an idle one, by result: ok, failed, or left if the caller stopped waiting.", Buckets: durationBuckets,
		}, []string{"result"}),
		commands: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ocigate_platform_commands_total", Help: "Commands sent to the platform, by result: ok, refused, or lost without a reply.",
		}, []string{"command", "result"}),
		commandDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ocigate_platform_command_duration_seconds", Help: "Time from sending a document to its reply, for each command in it.", Buckets: durationBuckets,
		}, []string{"command"}),
		readsJoined: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ocigate_platform_reads_joined_total", Help: "Commands that were not sent because they shared the reply to the same read of another caller, which was sent after they were requested.",
		}, []string{"command"}),
		loginsThrottled:   newThrottledCounter(),
		forwardedUnparsed: newUnparsedCounter(),
		repliesRefused:    newRepliesRefused(),
	}
	m.registry.MustRegister(
		m.repliesRefused, m.requests, m.requestDuration, m.inFlight, m.logins,
		m.operations, m.operationsResolved, m.corrections, m.replays, m.journalFailures, m.readingsFailed,
		m.sessionTries, m.sessionsClosed, m.waits, m.commands, m.commandDuration, m.readsJoined,
		m.loginsThrottled, m.forwardedUnparsed,
		buildInfo(version),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.start()
	return m
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
	m.requestDuration.WithLabelValues(info.route, method).Observe(took.Seconds())
}

var knownMethods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete, http.MethodOptions, http.MethodPut, http.MethodPatch}

func (m *Metrics) login(result string) { m.logins.WithLabelValues(result).Inc() }

// Trace returns the hooks with which a client of the platform is counted.
func (m *Metrics) Trace() oci.Trace {
	return oci.Trace{
		SessionTried: func(endpoint string, _ time.Duration, err error) {
			m.sessionTries.WithLabelValues(endpoint, triedResult(err)).Inc()
		},
		EndpointProbed: func(p oci.Probe) {
			if p.Login { // the platform counts a login as a session
				m.sessionTries.WithLabelValues(p.Endpoint, triedResult(p.Err)).Inc()
			}
		},
		SessionClosed: func(endpoint string, why oci.CloseReason, _ error) {
			m.sessionsClosed.WithLabelValues(endpoint, string(why)).Inc()
		},
		Waited: func(took time.Duration, err error) {
			m.waits.WithLabelValues(waitResult(err)).Observe(took.Seconds())
		},
		CommandDone: func(_, command string, took time.Duration, reply oci.Reply, err error) {
			m.commands.WithLabelValues(command, commandResult(reply, err)).Inc()
			m.commandDuration.WithLabelValues(command).Observe(took.Seconds())
		},
		ReplyRefused: m.replyRefused,
		ReadJoined:   func(command string) { m.readsJoined.WithLabelValues(command).Inc() },
	}
}

// Operations returns the hooks with which the outcomes of writes are counted.
func (m *Metrics) Operations() operation.Trace {
	return operation.Trace{
		Recorded: func(op operation.Operation) { m.operations.WithLabelValues(op.Route, string(op.State)).Inc() },
		Resolved: func(op operation.Operation) {
			m.operationsResolved.WithLabelValues(op.Route, string(op.State)).Inc()
		},
		Corrected: func(op operation.Operation) { m.corrections.WithLabelValues(op.Route).Inc() },
		Failed:    func(string, error) { m.journalFailures.Inc() },
		Blind:     func(operation.Operation, error) { m.readingsFailed.Inc() },
	}
}

// WatchOperations adds the number of writes whose outcome is unknown. It is read when
// the metrics are gathered.
func (m *Metrics) WatchOperations(keeper interface{ Unresolved() int }) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "ocigate_operations_unresolved", Help: "Writes with an unknown outcome that this replica is resolving.",
	}, func() float64 { return float64(keeper.Unresolved()) }))
}

// WatchLog adds the number of log lines that were dropped. It is read when the metrics
// are gathered.
func (m *Metrics) WatchLog(log interface{ Dropped() uint64 }) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "ocigate_log_lines_dropped_total", Help: "Log lines that were dropped because the reader of the standard error output was too slow or absent.",
	}, func() float64 { return float64(log.Dropped()) }))
}

func triedResult(err error) string {
	if failed, ok := errors.AsType[*oci.ConnectError](err); ok {
		return string(failed.Stage)
	}
	return resultOK
}

// The results of a wait for a session, besides ok.
const (
	waitFailed = "failed"
	waitLeft   = "left"
)

func waitResult(err error) string {
	switch {
	case errors.Is(err, context.Canceled):
		return waitLeft
	case err != nil:
		return waitFailed
	}
	return resultOK
}

// The results of a command, besides ok.
const (
	commandRefused = "refused"
	commandLost    = "lost"
)

func commandResult(reply oci.Reply, err error) string {
	switch {
	case err != nil:
		return commandLost
	case reply.Err() != nil:
		return commandRefused
	}
	return resultOK
}

// Watch adds the sessions and endpoints of a client of the platform. They are counted
// when the metrics are gathered.
func (m *Metrics) Watch(client interface{ Stats() oci.Stats }) {
	m.registry.MustRegister(&sessionCollector{client.Stats})
	for _, e := range client.Stats().Endpoints {
		m.startPlatform(e.Name)
	}
}

// sessionCollector counts sessions at the moment of a scrape.
type sessionCollector struct{ stats func() oci.Stats }

var (
	sessionsDesc = prometheus.NewDesc("ocigate_platform_sessions",
		"Sessions that are logged in with the platform, by state: idle or busy.", []string{"platform_endpoint", "state"}, nil)
	sessionsMaxDesc = prometheus.NewDesc("ocigate_platform_sessions_max",
		"Maximum number of sessions, over all endpoints.", nil, nil)
	waitersDesc = prometheus.NewDesc("ocigate_platform_session_waiters",
		"Callers that wait for a session.", nil, nil)
	refusedDesc = prometheus.NewDesc("ocigate_platform_account_refused",
		"1 while the account of an endpoint is in backoff because the platform refused its credentials, else 0.", []string{"platform_endpoint"}, nil)
	releaseDesc = prometheus.NewDesc("ocigate_platform_release",
		"Release of the platform, detected or set: 24 for example, and 0 while it is unknown.", []string{"platform_endpoint"}, nil)
	fallbackDesc = prometheus.NewDesc("ocigate_platform_fallback",
		"1 while a feature that the platform does not support is requested in an older form or left out, else 0. While the release is unknown, the tracking id is left out.", []string{"platform_endpoint", "feature"}, nil)
	backoffDesc = prometheus.NewDesc("ocigate_platform_endpoint_resting",
		"1 while an endpoint is in backoff after a failed attempt, else 0.", []string{"platform_endpoint"}, nil)
	upDesc = prometheus.NewDesc("ocigate_platform_endpoint_up",
		"1 while an endpoint has a session, or if the last attempt to reach it succeeded; 0 if that failed, and before the first attempt. An endpoint without a session is connected to every platform.pool.probe_unused; after a login that failed, only a successful login counts.", []string{"platform_endpoint"}, nil)
)

// Describe implements prometheus.Collector.
func (*sessionCollector) Describe(to chan<- *prometheus.Desc) {
	to <- sessionsDesc
	to <- sessionsMaxDesc
	to <- waitersDesc
	to <- backoffDesc
	to <- upDesc
	to <- refusedDesc
	to <- releaseDesc
	to <- fallbackDesc
}

func oneIf(holds bool) int {
	if holds {
		return 1
	}
	return 0
}

// Collect implements prometheus.Collector.
func (s *sessionCollector) Collect(to chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value int, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(value), labels...)
	}
	stats := s.stats()
	gauge(sessionsMaxDesc, stats.Max)
	gauge(waitersDesc, stats.Waiting)
	for _, e := range stats.Endpoints {
		gauge(sessionsDesc, e.Idle, e.Name, "idle")
		gauge(sessionsDesc, e.Busy, e.Name, "busy")
		gauge(backoffDesc, oneIf(e.InBackoff), e.Name)
		gauge(upDesc, oneIf(e.Up), e.Name)
		gauge(refusedDesc, oneIf(e.AccountRefused), e.Name)
		gauge(releaseDesc, int(e.Dialect.Release), e.Name)
		for _, feature := range oci.Features() {
			fallsBack := slices.ContainsFunc(e.Dialect.Fallbacks, func(b oci.Fallback) bool { return b.Feature == feature })
			gauge(fallbackDesc, oneIf(fallsBack), e.Name, feature)
		}
	}
}
