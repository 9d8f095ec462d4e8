package gateway

import (
	"github.com/prometheus/client_golang/prometheus"

	"ocigate/gateway/auth"
)

// throttledWays are the labels of throttled attempts, by their method.
var throttledWays = map[auth.Method]string{
	auth.MethodToken:  "login",
	auth.MethodBasic:  "basic",
	auth.MethodAPIKey: "api_key",
}

// newThrottledCounter returns the counter of requests that got status 429 without a
// verification of their credentials.
func newThrottledCounter() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ocigate_logins_throttled_total",
		Help: "Attempts to authenticate that were refused unchecked, with 429, by way: login for /login/, and basic or api_key for those of listed clients.",
	}, []string{"way"})
}

// newThrottledReasons returns the counter of the same requests by reason.
func newThrottledReasons() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ocigate_logins_throttled_reasons_total",
		Help: "Attempts to authenticate that were refused unchecked, with 429, by reason: failures (too many earlier ones failed), in_progress (too many others of the account or address), logins (too many succeeded), or busy (there was no capacity to verify them).",
	}, []string{"reason"})
}

// throttledReasons are the labels of the reasons.
func throttledReasons() []string {
	var reasons []string
	for _, reason := range auth.Reasons() {
		reasons = append(reasons, string(reason))
	}
	return reasons
}

func (m *Metrics) throttled(e *auth.ThrottledError) {
	m.loginsThrottled.WithLabelValues(throttledWays[e.Method]).Inc()
	m.throttledReasons.WithLabelValues(string(e.Reason)).Inc()
}
