package gateway

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"ocigate/oci"
)

// newRepliesRefused returns the counter of refused documents.
func newRepliesRefused() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ocigate_platform_replies_refused_total",
		Help: "Documents of the platform that were refused, each of which ended its session, by reason: " + refusalList() + ".",
	}, []string{"platform_endpoint", "reason"})
}

// refusalList returns the reasons of refusals, for the help of the metric.
func refusalList() string {
	var names []string
	for _, why := range oci.Refusals() {
		names = append(names, string(why))
	}
	return strings.Join(names, ", ")
}

// replyRefused counts a document that was refused.
func (m *Metrics) replyRefused(endpoint string, why oci.Refusal) {
	m.repliesRefused.WithLabelValues(endpoint, string(why)).Inc()
}
