package gateway

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// CertificateUse is the purpose of a certificate.
type CertificateUse string

// The uses of certificates.
const (
	UseAPI            CertificateUse = "api"             // presented to callers
	UsePlatformClient CertificateUse = "platform_client" // presented to the platform
	UsePlatformCA     CertificateUse = "platform_ca"     // authorities that verify the platform's certificate
	UsePlatformServer CertificateUse = "platform_server" // presented by the platform on the last connection
)

// A Certificate is what the metrics report of a certificate in use.
type Certificate struct {
	Use              CertificateUse
	PlatformEndpoint string // empty for the API's
	// NotAfter is when the certificate expires; for several that are used together,
	// when the first of them expires.
	NotAfter time.Time
}

// WatchCertificates adds the certificates in use. inUse is called when the metrics are
// gathered, and must return each pair of use and endpoint only once.
func (m *Metrics) WatchCertificates(inUse func() []Certificate) {
	m.registry.MustRegister(certificateCollector{inUse})
}

type certificateCollector struct{ inUse func() []Certificate }

var notAfterDesc = prometheus.NewDesc("ocigate_certificate_not_after_timestamp_seconds",
	"When a certificate in use expires, in seconds since 1970, by use: api, platform_client, platform_ca, or platform_server for the one that the platform presented last. For a file with several certificates, it is the first of their dates.",
	[]string{"use", "platform_endpoint"}, nil)

// Describe implements prometheus.Collector.
func (certificateCollector) Describe(to chan<- *prometheus.Desc) { to <- notAfterDesc }

// Collect implements prometheus.Collector.
func (c certificateCollector) Collect(to chan<- prometheus.Metric) {
	for _, used := range c.inUse() {
		to <- prometheus.MustNewConstMetric(notAfterDesc, prometheus.GaugeValue, float64(used.NotAfter.Unix()), string(used.Use), used.PlatformEndpoint)
	}
}

// A Reload is the result of the last reload of the configuration, or of the start if there
// was none. A signal, a command or a changed file causes a reload.
type Reload struct {
	Successful bool
	// At is when the effective configuration was read.
	At time.Time
	// TriedAt is when the last reload ended, also if it failed. It is zero if there
	// was none since the start, or if it is not known.
	TriedAt time.Time
	// Trigger is what caused the reload, such as "SIGHUP"; empty for the start.
	Trigger string
	// Cause is why the reload failed; empty if it was successful.
	Cause string
	// Changed are the keys of the configuration that the reload has changed, and
	// NeedRestart those whose change is effective only after a restart.
	Changed, NeedRestart []string
}

// WatchReloads adds the result of the last reload. last is called when the metrics are
// gathered.
func (m *Metrics) WatchReloads(last func() Reload) {
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "ocigate_reload_successful", Help: "1 if the start or the last reload was successful, 0 if that reload changed nothing because of an error; the log has the cause. SIGHUP, ocigate reload or a changed file causes a reload.",
		}, func() float64 { return float64(oneIf(last().Successful)) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "ocigate_reload_timestamp_seconds", Help: "When the effective configuration was read, with its certificates and secrets, in seconds since 1970: at the start or at the last successful reload.",
		}, func() float64 { return float64(last().At.Unix()) }),
	)
}
