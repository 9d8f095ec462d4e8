package gateway

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// CertificateUse is what a certificate is for.
type CertificateUse string

// The uses of certificates.
const (
	UseAPI            CertificateUse = "api"             // shown to callers
	UsePlatformClient CertificateUse = "platform_client" // shown to the platform
	UsePlatformCA     CertificateUse = "platform_ca"     // authorities that the platform's own is verified with
	UsePlatformServer CertificateUse = "platform_server" // shown by the platform when it was last connected to
)

// Certificate is one that the gateway uses, as far as the metrics report it.
type Certificate struct {
	Use              CertificateUse
	PlatformEndpoint string // empty for the API's
	// NotAfter is when it expires. Of several certificates that are used
	// together, it is the first of their dates.
	NotAfter time.Time
}

// WatchCertificates adds the certificates in use to the metrics. inUse returns
// them as they are when the metrics are gathered, each pair of use and endpoint
// once.
func (m *Metrics) WatchCertificates(inUse func() []Certificate) {
	m.registry.MustRegister(certificateCollector{inUse})
}

type certificateCollector struct{ inUse func() []Certificate }

var notAfterDesc = prometheus.NewDesc("ocigate_certificate_not_after_timestamp_seconds",
	"When a certificate in use expires, in seconds since 1970, by use: api, platform_client, platform_ca, or platform_server for the one that the platform showed last. Of a file with several certificates, it is the first of their dates.",
	[]string{"use", "platform_endpoint"}, nil)

// Describe implements prometheus.Collector.
func (certificateCollector) Describe(to chan<- *prometheus.Desc) { to <- notAfterDesc }

// Collect implements prometheus.Collector.
func (c certificateCollector) Collect(to chan<- prometheus.Metric) {
	for _, used := range c.inUse() {
		to <- prometheus.MustNewConstMetric(notAfterDesc, prometheus.GaugeValue, float64(used.NotAfter.Unix()), string(used.Use), used.PlatformEndpoint)
	}
}

// Reload is what came of the last SIGHUP, or of the start where there was none.
type Reload struct {
	Successful bool
	// At is when the files in force were read.
	At time.Time
}

// WatchReloads adds what came of the last SIGHUP to the metrics.
func (m *Metrics) WatchReloads(last func() Reload) {
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "ocigate_reload_successful", Help: "1 where the start or the last SIGHUP was successful, 0 where that SIGHUP has changed nothing because of an error; the log has the cause.",
		}, func() float64 { return float64(oneIf(last().Successful)) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "ocigate_reload_timestamp_seconds", Help: "When the certificates and secrets in force were read, in seconds since 1970: at the start or at the last successful SIGHUP.",
		}, func() float64 { return float64(last().At.Unix()) }),
	)
}
