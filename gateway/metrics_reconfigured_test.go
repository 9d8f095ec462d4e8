package gateway_test

import (
	"testing"

	"ocigate/gateway"
	"ocigate/oci"
)

// The series of platform endpoints that a reload adds.

func TestEndpointsOfOtherOptionsHaveSeriesFromTheStart(t *testing.T) {
	r := &rig{metrics: gateway.NewMetrics("test")}
	r.metrics.StartEndpoints("primary")
	r.metrics.Trace().SessionClosed("primary", oci.ClosedReconfigured, nil)
	r.metrics.StartEndpoints("primary", "secondary", "secondary")
	wantCounted(t, r, "ocigate_platform_sessions_closed_total", map[string]float64{
		"primary idle": 0, "primary age": 0, "primary shutdown": 0, "primary reconfigured": 1, "primary returned": 0, "primary broken": 0,
		"secondary idle": 0, "secondary age": 0, "secondary shutdown": 0, "secondary reconfigured": 0, "secondary returned": 0, "secondary broken": 0,
	})
	first := r.series(t)
	for _, name := range []string{
		"ocigate_platform_logins_total platform_endpoint=secondary result=tls",
		"ocigate_platform_replies_refused_total platform_endpoint=secondary reason=not_xml",
	} {
		if !first[name] {
			t.Errorf("there is no %s", name)
		}
	}
}
