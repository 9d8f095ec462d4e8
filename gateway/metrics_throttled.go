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

// newThrottledCounter returns the counter of requests that got status 429 because of
// failed attempts before them.
func newThrottledCounter() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ocigate_logins_throttled_total",
		Help: "Attempts to authenticate that were refused unchecked, with 429, because too many earlier ones failed, by way: login for /login/, and basic or api_key for those of listed clients.",
	}, []string{"way"})
}

func (m *Metrics) throttled(by auth.Method) {
	m.loginsThrottled.WithLabelValues(throttledWays[by]).Inc()
}
