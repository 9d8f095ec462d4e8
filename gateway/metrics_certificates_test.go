package gateway_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway"
)

// The metrics of certificates.

// TestCertificatesAreReportedAsTheyAreNow gathers before and after the files are
// read again.
func TestCertificatesAreReportedAsTheyAreNow(t *testing.T) {
	r := &rig{metrics: gateway.NewMetrics("test")}
	at := time.Unix(1_800_000_000, 0)
	inUse := []gateway.Certificate{
		{Use: gateway.UseAPI, NotAfter: at},
		{Use: gateway.UsePlatformClient, PlatformEndpoint: "primary", NotAfter: at.Add(time.Hour)},
		{Use: gateway.UsePlatformCA, PlatformEndpoint: "primary", NotAfter: at.Add(2 * time.Hour)},
		{Use: gateway.UsePlatformCA, PlatformEndpoint: "secondary", NotAfter: at.Add(3 * time.Hour)},
	}
	last := gateway.Reload{Successful: true, At: at}
	r.metrics.WatchCertificates(func() []gateway.Certificate { return inUse })
	r.metrics.WatchReloads(func() gateway.Reload { return last })
	want := func(name string, want map[string]float64) {
		t.Helper()
		if diff := cmp.Diff(want, counted(t, r, name)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
	// By endpoint and use.
	want("ocigate_certificate_not_after_timestamp_seconds", map[string]float64{
		" api": 1_800_000_000, "primary platform_client": 1_800_003_600,
		"primary platform_ca": 1_800_007_200, "secondary platform_ca": 1_800_010_800,
	})
	want("ocigate_reload_successful", map[string]float64{"": 1})
	want("ocigate_reload_timestamp_seconds", map[string]float64{"": 1_800_000_000})

	inUse = []gateway.Certificate{{Use: gateway.UseAPI, NotAfter: at.Add(24 * time.Hour)}}
	last.Successful = false
	want("ocigate_certificate_not_after_timestamp_seconds", map[string]float64{" api": 1_800_086_400})
	want("ocigate_reload_successful", map[string]float64{"": 0})
}
