package gateway

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ocigate/oci"
)

// makePlatform creates the metrics of sessions and commands.
func (m *Metrics) makePlatform() {
	m.sessionTries = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ocigate_platform_logins_total", Help: "Attempts to make a session with the platform, by result: ok, or the step that failed (dns, dial, tls, login, version).",
	}, []string{"platform_endpoint", "result"})
	m.sessionsClosed = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ocigate_platform_sessions_closed_total", Help: "Sessions with the platform that have ended, by reason: idle, age, shutdown, reconfigured, returned (to a more preferred endpoint) or broken.",
	}, []string{"platform_endpoint", "reason"})
	m.waits = newDurations("ocigate_platform_session_wait_seconds", "Time that requests waited for a session, without those that found an idle one or were refused at once, by result: ok, failed, or left if the caller stopped waiting.", "result")
	m.commands = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ocigate_platform_commands_total", Help: "Commands sent to the platform, by result: ok, refused, or lost without a reply.",
	}, []string{"command", "result"})
	m.commandDuration = newDurations("ocigate_platform_command_duration_seconds", "Time from sending a document to its reply, for each command in it.", "command")
	m.readsJoined = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ocigate_platform_reads_joined_total", Help: "Commands that were not sent because they shared the reply to the same read of another caller, which was sent after they were requested.",
	}, []string{"command"})
	m.repliesRefused = newRepliesRefused()
	m.shed = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ocigate_platform_requests_shed_total", Help: "Requests that ended without a session with the platform while all were in use, by reason: full, displaced, deadline, wait, or left if the caller stopped waiting.",
	}, []string{"reason"})
	m.sessionSeconds = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ocigate_platform_session_seconds_total", Help: "Time for which sessions with the platform were in use, by who used them: client with the id of a listed client, user for all other callers together, and ocigate for the gateway itself.",
	}, []string{"caller", "client"})
	m.registry.MustRegister(m.sessionTries, m.sessionsClosed, m.waits, m.commands, m.commandDuration, m.readsJoined, m.repliesRefused, m.shed, m.sessionSeconds)
}

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
		SessionUsed: func(caller string, took time.Duration) {
			kind, client := userOf(caller)
			m.sessionSeconds.WithLabelValues(kind, client).Add(took.Seconds())
		},
		CommandDone: func(_, command string, took time.Duration, reply oci.Reply, err error) {
			m.commands.WithLabelValues(command, commandResult(reply, err)).Inc()
			m.commandDuration.WithLabelValues(command).Observe(took.Seconds())
		},
		ReplyRefused: m.replyRefused,
		ReadJoined:   func(command string) { m.readsJoined.WithLabelValues(command).Inc() },
	}
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
		m.StartEndpoints(e.Name)
	}
}

// StartEndpoints creates the series of platform endpoints, with the value 0. It must be
// called before a client is given options with other endpoints. It leaves series that
// exist already as they are, including those of endpoints that are gone.
func (m *Metrics) StartEndpoints(names ...string) {
	for _, name := range names {
		m.startPlatform(name)
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
		"Requests that wait for a session.", nil, nil)
	refusedDesc = prometheus.NewDesc("ocigate_platform_account_refused",
		"1 while the account of an endpoint is in backoff because the platform refused its credentials, else 0.", []string{"platform_endpoint"}, nil)
	releaseDesc = prometheus.NewDesc("ocigate_platform_release",
		"Release of the platform, detected or set: 24 for example, and 0 while it is unknown.", []string{"platform_endpoint"}, nil)
	fallbackDesc = prometheus.NewDesc("ocigate_platform_fallback",
		"1 while a feature that the platform does not support is requested in an older form or left out, else 0. While the release is unknown, the tracking id is left out.", []string{"platform_endpoint", "feature"}, nil)
	backoffDesc = prometheus.NewDesc("ocigate_platform_endpoint_resting",
		"1 while an endpoint is in backoff after a failed attempt, else 0.", []string{"platform_endpoint"}, nil)
	slowDesc = prometheus.NewDesc("ocigate_platform_endpoint_slow",
		"1 while an endpoint has lost its preference because another one answers far faster (platform.pool.slow_factor), else 0.", []string{"platform_endpoint"}, nil)
	attemptsDesc = prometheus.NewDesc("ocigate_platform_attempts",
		"Attempts to make a session, or to find out whether an endpoint answers, that are under way.", []string{"platform_endpoint"}, nil)
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
	to <- slowDesc
	to <- attemptsDesc
	to <- refusedDesc
	to <- releaseDesc
	to <- fallbackDesc
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
		gauge(slowDesc, oneIf(e.Slow), e.Name)
		gauge(attemptsDesc, e.Attempts, e.Name)
		gauge(refusedDesc, oneIf(e.AccountRefused), e.Name)
		gauge(releaseDesc, int(e.Dialect.Release), e.Name)
		for _, feature := range oci.Features() {
			fallsBack := slices.ContainsFunc(e.Dialect.Fallbacks, func(b oci.Fallback) bool { return b.Feature == feature })
			gauge(fallbackDesc, oneIf(fallsBack), e.Name, feature)
		}
	}
}
