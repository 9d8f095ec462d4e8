package gateway

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ocigate/gateway/auth"
)

// WatchIssuer adds the external issuer of tokens. current is called when the metrics are
// gathered, and returns the counters of the present issuer, and false if there is none:
// then these metrics have no series.
func (m *Metrics) WatchIssuer(current func() (auth.IssuerStats, bool)) {
	m.registry.MustRegister(issuerCollector{current})
}

type issuerCollector struct {
	current func() (auth.IssuerStats, bool)
}

var (
	issuerFetchesDesc = prometheus.NewDesc("ocigate_oidc_fetches_total",
		"Fetches of the keys of the external issuer of auth.oidc, by result: ok or failed. The log has the cause of a failure.",
		[]string{"result"}, nil)
	issuerFetchedDesc = prometheus.NewDesc("ocigate_oidc_keys_fetched_timestamp_seconds",
		"When the keys of the external issuer were last fetched successfully, in seconds since 1970; 0 if never. Until then, its tokens get 503.",
		nil, nil)
	issuerKeysDesc = prometheus.NewDesc("ocigate_oidc_keys",
		"Keys of the external issuer that tokens are verified with.", nil, nil)
)

// Describe implements prometheus.Collector.
func (issuerCollector) Describe(to chan<- *prometheus.Desc) {
	to <- issuerFetchesDesc
	to <- issuerFetchedDesc
	to <- issuerKeysDesc
}

// Collect implements prometheus.Collector.
func (c issuerCollector) Collect(to chan<- prometheus.Metric) {
	stats, ok := c.current()
	if !ok {
		return
	}
	to <- prometheus.MustNewConstMetric(issuerFetchesDesc, prometheus.CounterValue, float64(stats.Fetched), "ok")
	to <- prometheus.MustNewConstMetric(issuerFetchesDesc, prometheus.CounterValue, float64(stats.Failed), "failed")
	to <- prometheus.MustNewConstMetric(issuerFetchedDesc, prometheus.GaugeValue, unixOrZero(stats.LastFetched))
	to <- prometheus.MustNewConstMetric(issuerKeysDesc, prometheus.GaugeValue, float64(stats.Keys))
}

// unixOrZero returns seconds since 1970, and 0 for the zero time.
func unixOrZero(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
