//go:build linux

package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ocigate/config"
	"ocigate/gateway/tracing/tracingtest"
)

// The traces of a running gateway. The tree of spans of each kind of request is tested in
// package gateway.

// traceTo sets the variables for a receiver, which gets the spans soon.
func traceTo(t *testing.T, url string) {
	t.Helper()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
}

func isRequest(s tracingtest.Span) bool { return s.Kind == "SERVER" }

// requestsOf returns how many requests were traced.
func requestsOf(receiver *tracingtest.Receiver) (n int) {
	for _, s := range receiver.Spans() {
		if isRequest(s) {
			n++
		}
	}
	return n
}

// tracing.enabled takes effect at a reload, and what waits is sent before the end.
func TestReloadSwitchesTracesOnAndOff(t *testing.T) {
	receiver := tracingtest.New(t)
	traceTo(t, receiver.URL)
	r := newReloadRig(t, newPlatform(t).Addr, nil)
	r.wantStatus(t, http.StatusOK) // the variables alone switch nothing on
	did := r.reload(t, "tracing", "{enabled: true}")
	if len(did.changed) != 1 || did.changed[0] != "tracing.enabled" || len(did.needRestart) != 0 {
		t.Errorf("changed %v, %v", did.changed, did.needRestart)
	}
	r.wantStatus(t, http.StatusOK)
	r.wantStatus(t, http.StatusOK)
	r.reload(t, "tracing", "{enabled: false}")
	r.wantStatus(t, http.StatusOK)
	r.reload(t, "tracing", "{enabled: true}")
	r.wantStatus(t, http.StatusOK)
	r.stop()
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
	if n := requestsOf(receiver); n != 3 {
		t.Errorf("%d requests were traced, want 3", n)
	}
	if log := r.log.String(); strings.Count(log, "traces are sent") != 2 {
		t.Errorf("the log is %s", log)
	}
}

// A reload with a variable that is not valid changes nothing, and "config check" reports it.
func TestVariablesOfTracesAreChecked(t *testing.T) {
	r := newReloadRig(t, newPlatform(t).Addr, nil)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	t.Setenv("OTEL_TRACES_SAMPLER", "sometimes")
	r.reload(t, "tracing", "{enabled: false}") // they are not read
	r.settings["tracing"] = "{enabled: true}"
	r.write(t)
	_, err := r.program.Reload(commandTrigger)
	_, _, checked := execute(t, "", "config", "check", "-c", r.file)
	for by, err := range map[string]error{"reload": err, "config check": checked} {
		for _, want := range []string{"tracing.enabled: OTEL_EXPORTER_OTLP_PROTOCOL: \"grpc\" is not supported", "tracing.enabled: OTEL_TRACES_SAMPLER: \"sometimes\"", r.file} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("the error of %s is %v, want %s", by, err, want)
			}
		}
	}
	if r.program.configOf().Tracing.Enabled {
		t.Error("the reload has had an effect")
	}
}

// A receiver that hangs does not delay the end.
func TestEndWithReceiverThatHangs(t *testing.T) {
	receiver := tracingtest.New(t)
	traceTo(t, receiver.URL)
	hung := make(chan struct{}, 100)
	receiver.Answer(func(_ http.ResponseWriter, r *http.Request) {
		hung <- struct{}{}
		<-r.Context().Done()
	})
	g := start(t, newPlatform(t).Addr, func(c *config.Config) {
		c.Tracing.Enabled, c.HTTP.ShutdownTimeout, c.HTTP.Drain = true, time.Second, 0
	})
	status, _ := ask(t, http.MethodGet, "http://"+g.api+"/api/v1/", "")
	<-hung
	g.stop()
	if err := <-g.ended; err != nil || status != http.StatusOK {
		t.Errorf("status %d, and the end with %v", status, err)
	}
	counts := g.program.traces.Counts()
	if counts.Exported != 0 || counts.Failed+counts.Dropped == 0 {
		t.Errorf("the counts are %+v", counts)
	}
}

func TestDoctorAsksTheReceiverOfTraces(t *testing.T) {
	receiver := tracingtest.New(t)
	traceTo(t, receiver.URL)
	line := func(tracing string) string {
		r := newDoctorRig(t, simulated(t, nil).Addr)
		r.sections = append(r.sections, tracing)
		out, err := r.run()
		if err != nil {
			t.Errorf("the exit code is not 0: %v\n%s", err, out)
		}
		_, after, _ := strings.Cut(out, "traces: ")
		found, _, _ := strings.Cut(after, "\nok ")
		return found
	}
	if got := line("tracing: {enabled: false}"); got != "" {
		t.Errorf("while off: %s", got)
	}
	if got := line("tracing: {enabled: true}"); !strings.Contains(got, "send a span to "+receiver.URL+"/v1/traces") || !strings.Contains(got, "has accepted it") {
		t.Errorf("with a receiver: %s", got)
	}
	receiver.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	if got := line("tracing: {enabled: true}"); !strings.Contains(got, "has not accepted it: its status was 403 Forbidden") {
		t.Errorf("with a receiver that refuses: %s", got)
	}
	t.Setenv("OTEL_SDK_DISABLED", "true")
	if got := line("tracing: {enabled: true}"); !strings.HasPrefix(got, "OTEL_SDK_DISABLED is true") {
		t.Errorf("with OTEL_SDK_DISABLED: %s", got)
	}
}

// collectorVariable names the binary of an OpenTelemetry collector with the receiver otlp and
// the exporter otlphttp: .ci/traces builds one.
const collectorVariable = "OTLP_RECEIVER"

// startCollector starts a collector that passes everything on to a receiver, and returns its
// URL.
func startCollector(t *testing.T, to string) string {
	t.Helper()
	binary := os.Getenv(collectorVariable)
	if binary == "" {
		if os.Getenv("TRACES_REQUIRED") != "" {
			t.Fatal(collectorVariable + " is not set")
		}
		t.Skip(collectorVariable + " is not set: run .ci/traces")
	}
	at := quietAddress(t)
	file := filepath.Join(t.TempDir(), "collector.yaml")
	writeText(t, file, fmt.Sprintf(`
receivers: {otlp: {protocols: {http: {endpoint: %q}}}}
exporters: {otlp_http: {endpoint: %q, sending_queue: {enabled: false}}}
service:
  pipelines: {traces: {receivers: [otlp], exporters: [otlp_http]}}
  telemetry: {metrics: {level: none}, logs: {level: warn}}
`, at, to))
	command := exec.Command(binary, "--config", file)
	command.Stderr = os.Stderr
	startBound(t, command)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", at)
		if err == nil {
			_ = conn.Close()
			return "http://" + at
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("the collector does not listen: %v", err)
		}
	}
}

// A gateway in its own process sends to a collector of the OpenTelemetry project, and what
// that passes on is the complete tree of each request.
func TestTracesWithCollector(t *testing.T) {
	receiver := tracingtest.New(t)
	traceTo(t, startCollector(t, receiver.URL))
	t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
	t.Setenv("OTEL_SERVICE_NAME", "ocigate-test")
	t.Setenv("OCIGATE_TRACING_ENABLED", "true")
	platform := newPlatform(t)
	p := startProcess(t, platform.Addr, processSettings{http: "drain: 0s"}, nil)
	client := keepsAlive(t)
	list := itc("ApioSpTest", "ApioGrpTest", "numbers")
	const reads = 50
	for range reads {
		p.mustCall(t, client, http.MethodGet, list, "", http.StatusOK)
	}
	p.mustCall(t, client, http.MethodPost, list, writeBody, http.StatusCreated)
	p.mustCall(t, client, http.MethodGet, "/absent", "", http.StatusNotFound)
	p.terminate(t)
	p.wantEnd(t, wellAgain)

	spans := receiver.Spans()
	byTrace, trees := map[string][]tracingtest.Span{}, map[string]int{}
	for _, s := range spans {
		byTrace[s.Trace] = append(byTrace[s.Trace], s)
		if s.Resource["service.name"] != "ocigate-test" {
			t.Errorf("the service of %s is %v", s.Name, s.Resource["service.name"])
		}
	}
	for _, of := range byTrace {
		trees[tracingtest.Tree(of)]++
	}
	requests := requestsOf(receiver)
	t.Logf("%d spans received of %d requests", len(spans), requests)
	if requests != reads+2 || len(byTrace) != requests {
		t.Errorf("%d requests in %d traces, want %d", requests, len(byTrace), reads+2)
	}
	const route = " /api/v1/tenant/{tenant_id}/group/{group_id}/services/immediate_trunking_connectivity/numbers/\n"
	const write = "POST" + route + "  journal begin\n  ServiceProviderRouteListEnterpriseTrunkNumberRangeGetAvailableListRequest\n  journal intent\n" +
		"  GroupRouteListEnterpriseTrunkNumberRangeAssignListRequest\n  journal outcome\n"
	if trees[write] != 1 || trees["GET\n"] != 1 {
		t.Errorf("the trees are %v", trees)
	}
}
