package gateway_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"ocigate/gateway"
	"ocigate/oci"
)

// The metrics of platform endpoints.

func TestEndpointsThatAreNotInUseAreMetrics(t *testing.T) {
	var down atomic.Bool
	down.Store(true)
	s := setup{platform: func(o *oci.Options) {
		o.ProbeUnusedInterval = time.Minute
		second := o.Endpoints[0]
		second.Name, second.Address = "secondary", "secondary.invalid:2208"
		o.Endpoints = append(o.Endpoints, second)
		dial := o.Dial
		o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == second.Address && down.Load() {
				return nil, errors.New("refused")
			}
			return dial(ctx, network, address)
		}
	}}
	const metric = "ocigate_platform_endpoint_up"
	inBubble(t, s, func(t *testing.T, r *rig) {
		wantCounted(t, r, metric, map[string]float64{"primary": 0, "secondary": 0})
		r.get(t, "numbers").wantStatus(t, http.StatusOK)
		wantCounted(t, r, metric, map[string]float64{"primary": 1, "secondary": 0})
		down.Store(false)
		time.Sleep(90 * time.Second)
		wantCounted(t, r, metric, map[string]float64{"primary": 1, "secondary": 1})
		// A connection is no login.
		wantCounted(t, r, "ocigate_platform_logins_total", map[string]float64{"primary ok": 1})
	})
}

func TestProbesThatLogInAreCountedAsLogins(t *testing.T) {
	r := &rig{metrics: gateway.NewMetrics("test")}
	probed := r.metrics.Trace().EndpointProbed
	probed(oci.Probe{Endpoint: "secondary"})
	probed(oci.Probe{Endpoint: "secondary", Err: &oci.ConnectError{Stage: oci.StageDial}})
	probed(oci.Probe{Endpoint: "secondary", Login: true})
	probed(oci.Probe{Endpoint: "secondary", Login: true, Err: &oci.ConnectError{Stage: oci.StageLogin}})
	wantCounted(t, r, "ocigate_platform_logins_total", map[string]float64{"secondary ok": 1, "secondary login": 1})
}
