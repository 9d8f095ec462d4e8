package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"ocigate/config"
	"ocigate/oci"
)

// These tests specify the log lines about endpoints of the platform: failed sessions, and
// probes of unused endpoints.

func TestAddressOfAFailedSessionIsLogged(t *testing.T) {
	trace, log := traced()
	trace.SessionTried("as1", time.Second, &oci.ConnectError{
		Endpoint: "as1", Address: "as1.example.net:2209", Remote: "192.0.2.7:2209", Stage: oci.StageTLS, Err: errors.New("no answer within 5s"),
	})
	wantLine(t, log, "level=WARN", `msg="no session with the platform"`, "platform_endpoint=as1", "address=as1.example.net:2209",
		`cause="oci: platform endpoint as1 (as1.example.net:2209, 192.0.2.7:2209): TLS: no answer within 5s"`)
}

func TestProbesWithChangesAreLogged(t *testing.T) {
	down := &oci.ConnectError{Endpoint: "as2", Address: "as2.example.net:2209", Stage: oci.StageDial, Err: errors.New("connection refused")}
	trace, log := traced()
	trace.EndpointProbed(oci.Probe{Endpoint: "as2", Err: down, Changed: true})
	trace.EndpointProbed(oci.Probe{Endpoint: "as2", Err: down})
	wantLine(t, log, "level=WARN", `msg="an endpoint of the platform that is not in use is down"`, "platform_endpoint=as2", "address=as2.example.net:2209",
		`cause="oci: platform endpoint as2 (as2.example.net:2209): TCP: connection refused"`)
	before := log.String()
	trace.EndpointProbed(oci.Probe{Endpoint: "as2", Up: true, Changed: true})
	trace.EndpointProbed(oci.Probe{Endpoint: "as2", Up: true})
	after := strings.TrimPrefix(log.String(), before)
	if strings.Count(after, "\n") != 1 || !strings.Contains(after, "level=INFO") || !strings.Contains(after, "not in use is up") {
		t.Errorf("logged %s", after)
	}

	trace, log = traced()
	for range 2 { // a session after the endpoint was down is logged
		trace.SessionTried("as2", time.Second, nil)
		trace.EndpointProbed(oci.Probe{Endpoint: "as2", Err: down, Changed: true})
	}
	if got := strings.Count(log.String(), `level=INFO msg="session with the platform"`); got != 2 {
		t.Errorf("logged %s", log)
	}
}

// TestProgramReportsAnUnusedEndpointThatIsDown checks that a second endpoint that is down is
// logged although no session needs it.
func TestProgramReportsAnUnusedEndpointThatIsDown(t *testing.T) {
	platform := newPlatform(t)
	g := start(t, platform.Addr, func(c *config.Config) {
		second := c.Platform.Endpoints[0]
		second.Name, second.Address = "standby", "127.0.0.1:1"
		c.Platform.Endpoints = append(c.Platform.Endpoints, second)
	})
	defer g.stop()
	waitFor(t, func() bool { return strings.Contains(g.log.String(), "not in use is down") })
	if log := g.log.String(); !strings.Contains(log, "platform endpoint standby (127.0.0.1:1): TCP: connection refused") {
		t.Errorf("the log has no address: %s", log)
	}
	_, metrics := ask(t, "GET", "http://"+g.admin+"/metrics", "")
	for _, want := range []string{
		`ocigate_platform_endpoint_up{platform_endpoint="standby"} 0`,
		`ocigate_platform_endpoint_up{platform_endpoint="simulated"} 1`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s", want)
		}
	}
	g.stop()
	if err := <-g.ended; err != nil {
		t.Error(err)
	}
}

func TestALostPreferenceIsLogged(t *testing.T) {
	trace, log := traced()
	trace.PreferenceChanged(oci.Preference{Endpoint: "primary", Slow: true, Took: 3 * time.Second, Other: 10 * time.Millisecond})
	wantLine(t, log, "level=WARN", "platform_endpoint=primary", "more slowly", "seconds=3", "other_seconds=0.01")

	trace, log = traced()
	trace.PreferenceChanged(oci.Preference{Endpoint: "primary", Took: 10 * time.Millisecond, Other: 10 * time.Millisecond})
	wantLine(t, log, "level=INFO", "platform_endpoint=primary", "no longer slow")
}
