package gateway_test

import (
	"testing"

	"ocigate/gateway"
	"ocigate/oci"
)

// The series of a platform endpoint that has lost its preference.

// someStats is a client of the platform with these statistics.
type someStats oci.Stats

func (s someStats) Stats() oci.Stats { return oci.Stats(s) }

func TestASlowEndpointIsAMetric(t *testing.T) {
	r := &rig{metrics: gateway.NewMetrics("test")}
	r.metrics.Watch(someStats{Endpoints: []oci.EndpointStats{{Name: "primary", Slow: true}, {Name: "secondary", Attempts: 2}}})
	wantCounted(t, r, "ocigate_platform_endpoint_slow", map[string]float64{"primary": 1, "secondary": 0})
	wantCounted(t, r, "ocigate_platform_attempts", map[string]float64{"primary": 0, "secondary": 2})
}
