package gateway_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"ocigate/gateway"
	"ocigate/oci"
	"ocigate/translate"
)

// The metrics, and the endpoints for probes.

// traffic is some of everything, with texts of the caller's choice where there
// is room for one.
func traffic(t *testing.T, r *rig) {
	t.Helper()
	const chosen = "chosen-by-the-caller"
	for _, c := range []call{
		{path: ownList("numbers"), client: system},
		{path: ownList("numbers"), client: system},
		{method: http.MethodHead, path: ownList("numbers"), client: system},
		assignFreeRange(),
		assignFreeRange(), // it is not free any more
		{path: ownList("numbers")},
		{path: ownList("numbers"), client: user},
		{path: listOf(chosen, chosen, "numbers"), client: system},
		{path: "/" + chosen},
		{method: "CHOSEN-BY-THE-CALLER", path: ownList("numbers")},
		{method: "CHOSEN-BY-THE-CALLER", path: "/" + chosen},
		{method: http.MethodPatch, path: ownList("numbers")},
		{method: http.MethodOptions, path: ownList("numbers")},
		{path: ownList("numbers"), header: http.Header{
			"X-Api-Key": {chosen + "." + chosen}, "X-Request-Id": {chosen}, "User-Agent": {chosen}, "Host": {chosen},
		}},
		loginCall("groupadmin", "groupadmin-demo"),
		loginCall(chosen, chosen),
	} {
		r.call(t, c)
	}
}

// sample is one value of a metric.
type sample struct {
	metric string
	labels [][2]string // names and values, in the order of the names
	value  float64     // of a histogram, how often it was observed
}

func samples(t *testing.T, r *rig) []sample {
	t.Helper()
	families, err := r.metrics.Registry().Gather()
	must(t, err)
	var all []sample
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			one := sample{metric: family.GetName()}
			for _, label := range metric.GetLabel() {
				one.labels = append(one.labels, [2]string{label.GetName(), label.GetValue()})
			}
			one.value = metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + float64(metric.GetHistogram().GetSampleCount())
			all = append(all, one)
		}
	}
	return all
}

func TestMetricsAreWellNamed(t *testing.T) {
	r := start(t, setup{})
	traffic(t, r)
	families, err := r.metrics.Registry().Gather()
	must(t, err)
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	must(t, err)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestLabelsAreNotTheCallersToChoose(t *testing.T) {
	r := start(t, setup{})
	traffic(t, r)
	for _, s := range samples(t, r) {
		for _, label := range s.labels {
			value := strings.ToLower(label[1])
			if strings.Contains(value, "chosen") || strings.Contains(value, "apio") || strings.Contains(value, "/api/") {
				t.Errorf("%s has %s=%q", s.metric, label[0], label[1])
			}
		}
	}
}

// counted returns the values of a metric by its labels' values.
func counted(t *testing.T, r *rig, metric string) map[string]float64 {
	t.Helper()
	values := map[string]float64{}
	for _, s := range samples(t, r) {
		if s.metric != metric {
			continue
		}
		var labels []string
		for _, label := range s.labels {
			labels = append(labels, label[1])
		}
		values[strings.Join(labels, " ")] = s.value
	}
	return values
}

// wantCounted checks these values of a metric. Series that want does not name
// must be 0.
func wantCounted(t *testing.T, r *rig, name string, want map[string]float64) {
	t.Helper()
	got := counted(t, r, name)
	maps.DeleteFunc(got, func(labels string, value float64) bool {
		_, named := want[labels]
		return value == 0 && !named
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestRequestsAreCounted(t *testing.T) {
	r := start(t, setup{})
	traffic(t, r)
	// By endpoint, error, method, status.
	wantCounted(t, r, "ocigate_http_requests_total", map[string]float64{
		"itc_numbers_list none GET 200":                            2,
		"itc_numbers_list none HEAD 200":                           1,
		"itc_numbers_list UNAUTHENTICATED GET 401":                 2,
		"itc_numbers_list FORBIDDEN GET 403":                       1,
		"itc_numbers_list TENANT_NOT_FOUND GET 404":                1,
		"itc_numbers_assign none POST 201":                         1,
		"itc_numbers_assign NOT_AVAILABLE_FOR_ASSIGNMENT POST 400": 1,
		"login none POST 200":                                      1,
		"login UNAUTHENTICATED POST 401":                           1,
		"none ROUTE_NOT_FOUND GET 404":                             1,
		"none ROUTE_NOT_FOUND other 404":                           1,
		"none METHOD_NOT_ALLOWED other 405":                        1,
		"none METHOD_NOT_ALLOWED PATCH 405":                        1,
		"none none OPTIONS 204":                                    1,
	})
	wantCounted(t, r, "ocigate_logins_total", map[string]float64{"ok": 1, "UNAUTHENTICATED": 1})
	wantCounted(t, r, "ocigate_http_requests_in_flight", map[string]float64{"": 0})
	durations := counted(t, r, "ocigate_http_request_duration_seconds")
	if durations["itc_numbers_list GET"] != 6 {
		t.Errorf("durations %v", durations)
	}
}

func TestPlatformIsCounted(t *testing.T) {
	r := start(t, setup{faults: []string{"drop-after-apply command=*RangeAssignListRequest"}, platform: func(o *oci.Options) { o.MaxSessions = 2 }})
	r.get(t, "prefixes").wantStatus(t, http.StatusOK)
	wantCounted(t, r, "ocigate_platform_sessions", map[string]float64{"primary idle": 1, "primary busy": 0})
	wantCounted(t, r, "ocigate_platform_sessions_max", map[string]float64{"": 2})
	wantCounted(t, r, "ocigate_platform_session_waiters", map[string]float64{"": 0})
	wantCounted(t, r, "ocigate_platform_endpoint_resting", map[string]float64{"primary": 0})
	wantCounted(t, r, "ocigate_platform_session_wait_seconds", map[string]float64{"ok": 1})

	r.call(t, assignFreeRange()).wantStatus(t, http.StatusCreated) // its effect was seen
	r.call(t, call{path: listOf(ownTenant, "nobody", "numbers"), client: system}).wantStatus(t, http.StatusNotFound)
	commands := counted(t, r, "ocigate_platform_commands_total")
	for labels, want := range map[string]float64{
		"GroupRouteListEnterpriseTrunkNumberRangeAssignListRequest lost":    1,
		"GroupRouteListEnterpriseTrunkNumberPrefixGetSummaryListRequest ok": 1,
		"GroupServiceGetAuthorizationRequest ok":                            3,
		"GroupServiceGetAuthorizationRequest refused":                       1,
	} {
		if commands[labels] != want {
			t.Errorf("%s is %v, want %v", labels, commands[labels], want)
		}
	}
	wantCounted(t, r, "ocigate_platform_logins_total", map[string]float64{"primary ok": 2})
	wantCounted(t, r, "ocigate_platform_sessions_closed_total", map[string]float64{"primary broken": 1})
}

func TestSharedReadsAreCounted(t *testing.T) {
	s := setup{
		faults: []string{"slow delay=5s command=*PrefixGetSummaryListRequest"},
		engine: func(o *translate.Options) { o.ContextTTL = time.Hour },
	}
	inBubble(t, s, func(t *testing.T, r *rig) {
		r.get(t, "prefixes").wantStatus(t, http.StatusOK)
		var callers sync.WaitGroup
		for range 3 { // the last two share what is asked when the first has been answered
			callers.Go(func() { r.get(t, "prefixes").wantStatus(t, http.StatusOK) })
			synctest.Wait()
		}
		callers.Wait()
		wantCounted(t, r, "ocigate_platform_reads_joined_total", map[string]float64{"GroupRouteListEnterpriseTrunkNumberPrefixGetSummaryListRequest": 1})
	})
}

func TestReleaseAndFallbacksAreMetrics(t *testing.T) {
	for name, test := range map[string]struct {
		setup   setup
		release float64
		older   []string
	}{
		"release 21 detected": {onRelease{number: 21}.over(setup{}), 21, []string{"tracking_id", "session_login", "verification", "service_authorization", "prefixes", "user", "user_route_list"}},
		"release 23 set":      {onRelease{number: 23, set: true}.over(setup{}), 23, []string{"tracking_id", "session_login", "verification", "user_route_list"}},
		"release 25 detected": {onRelease{number: 25}.over(setup{}), 25, nil},
		"unknown":             {onRelease{number: 24}.over(setup{seed: without("SystemSoftwareVersion*")}), 0, []string{"tracking_id"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, test.setup)
			r.get(t, "numbers").wantStatus(t, http.StatusOK)
			wantCounted(t, r, "ocigate_platform_release", map[string]float64{"primary": test.release})
			want := map[string]float64{}
			for _, feature := range oci.Features() {
				want[feature+" primary"] = 0
			}
			for _, feature := range test.older {
				want[feature+" primary"] = 1
			}
			wantCounted(t, r, "ocigate_platform_fallback", want)
		})
	}
}

func TestARefusedAccountIsAMetric(t *testing.T) {
	for fault, want := range map[string]float64{
		"error-before-apply command=LoginRequest14sp4 number=4962":                                   1,
		`error-before-apply command=LoginRequest14sp4 number=4999 summary="temporarily unavailable"`: 0,
		"refuse": 0,
	} {
		t.Run(fault, func(t *testing.T) {
			r := start(t, setup{faults: []string{fault}})
			r.get(t, "numbers").wantStatus(t, http.StatusServiceUnavailable)
			wantCounted(t, r, "ocigate_platform_account_refused", map[string]float64{"primary": want})
			wantCounted(t, r, "ocigate_platform_endpoint_resting", map[string]float64{"primary": 1 - want})
		})
	}
}

func TestPlatformThatIsGoneIsCounted(t *testing.T) {
	r := start(t, setup{faults: []string{"refuse"}})
	r.get(t, "numbers").wantStatus(t, http.StatusServiceUnavailable)
	wantCounted(t, r, "ocigate_platform_sessions", map[string]float64{"primary idle": 0, "primary busy": 0})
	wantCounted(t, r, "ocigate_platform_endpoint_resting", map[string]float64{"primary": 1})
	wantCounted(t, r, "ocigate_platform_logins_total", map[string]float64{"primary login": 1})
	wantCounted(t, r, "ocigate_platform_session_wait_seconds", map[string]float64{"failed": 1})
}

func TestMetricsTellWhatIsRunning(t *testing.T) {
	isBuildInfo := func(s sample) bool {
		return s.metric == "ocigate_build_info" && s.value == 1 && slices.Contains(s.labels, [2]string{"version", "test"})
	}
	if r := start(t, setup{}); !slices.ContainsFunc(samples(t, r), isBuildInfo) {
		t.Error("there is no ocigate_build_info of this version")
	}
}

func TestAdmin(t *testing.T) {
	r := start(t, setup{faults: []string{"refuse"}})
	traffic(t, r)
	admin := gateway.NewAdmin(r.metrics)
	get := func(path string) response {
		recorder := httptest.NewRecorder()
		admin.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return readResponse(t, recorder.Result())
	}
	for _, c := range []struct {
		path   string
		ready  bool
		status int
		body   string
	}{
		{"/livez", false, 200, "alive\n"},
		{"/livez", true, 200, "alive\n"},
		{"/readyz", false, 503, "not ready\n"},
		{"/readyz", true, 200, "ready\n"}, // although the platform is down
		{"/readyz", false, 503, "not ready\n"},
	} {
		admin.SetReady(c.ready)
		got := get(c.path)
		if got.status != c.status || got.body != c.body || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s, ready %t: %+v", c.path, c.ready, got)
		}
	}
	metrics := get("/metrics")
	metrics.wantStatus(t, http.StatusOK)
	for _, name := range []string{"ocigate_http_requests_total{", "ocigate_platform_sessions{", "go_goroutines ", "process_start_time_seconds "} {
		if !strings.Contains(metrics.body, "\n"+name) {
			t.Errorf("/metrics has no %s", name)
		}
	}
	get("/").wantStatus(t, http.StatusNotFound)
}

func TestOperationsAreCounted(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, r *rig) {
		assign, remove, prefixes := writeCaseOf("itc_numbers_assign"), writeCaseOf("itc_numbers_remove"), writeCaseOf("itc_prefixes_assign")
		r.write(t, remove.call.keyed("k"))
		r.call(t, remove.call.keyed("k")).wantStatus(t, http.StatusOK)
		r.inject(t, withCommand("error-before-apply times=1", prefixes.command))
		r.call(t, prefixes.call).wantStatus(t, http.StatusBadRequest)
		r.loseReply(t, assign, "k")
		wantCounted(t, r, "ocigate_operations_total", map[string]float64{
			"itc_numbers_remove done": 1, "itc_prefixes_assign not_done": 1, "itc_numbers_assign unknown": 1,
		})
		wantCounted(t, r, "ocigate_operation_replays_total", map[string]float64{"itc_numbers_remove": 1})
		wantCounted(t, r, "ocigate_operations_unresolved", map[string]float64{"": 1})
		wantCounted(t, r, "ocigate_operations_resolved_total", map[string]float64{})
		time.Sleep(time.Minute)
		wantCounted(t, r, "ocigate_operations_unresolved", map[string]float64{"": 0})
		wantCounted(t, r, "ocigate_operations_resolved_total", map[string]float64{"itc_numbers_assign not_done": 1})
		wantCounted(t, r, "ocigate_journal_failures_total", map[string]float64{"": 0})

		// What was refused before it was recorded is counted with the requests.
		r.call(t, assign.call.keyed("")).wantStatus(t, http.StatusBadRequest)
		dryRun := assign.call
		dryRun.path += "?dry_run=true"
		r.call(t, dryRun).wantStatus(t, http.StatusOK)
		wantCounted(t, r, "ocigate_http_requests_total", map[string]float64{
			"itc_numbers_remove none DELETE 200":             2,
			"itc_prefixes_assign PLATFORM_REFUSED POST 400":  1,
			"itc_numbers_assign OUTCOME_UNKNOWN POST 504":    1,
			"itc_numbers_assign INVALID_PARAMETERS POST 400": 1,
			"itc_numbers_assign none POST 200":               1,
		})
	})
}

// The log line of every write has its operation, and that of no other request.
func TestOperationsAreLogged(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, r *rig) {
		w := writeCaseOf("itc_numbers_assign")
		dryRun, read := w.call, call{path: ownList("numbers"), client: tenant}
		dryRun.path += "?dry_run=true"
		for _, c := range []call{dryRun, read} {
			r.call(t, c).wantStatus(t, http.StatusOK)
			if line := r.log.last(t); line["operation_id"] != nil || line["outcome"] != nil {
				t.Errorf("logged %v", line)
			}
		}
		id := r.loseReply(t, w, "k")
		line := r.log.last(t)
		if line["operation_id"] != id || line["outcome"] != "unknown" || line["level"] != "ERROR" || line["error"] != "OUTCOME_UNKNOWN" {
			t.Errorf("logged %v", line)
		}
		if cause, _ := line["cause"].(string); !strings.Contains(cause, "its answer is lost") {
			t.Errorf("the cause is %q", cause)
		}
		time.Sleep(time.Minute)
		r.call(t, w.call.keyed("k")).wantStatus(t, http.StatusBadRequest)
		if line := r.log.last(t); line["operation_id"] != id || line["outcome"] != "not_done" || line["level"] != "INFO" {
			t.Errorf("logged %v", line)
		}
		restore := r.breakJournal(t)
		r.call(t, w.call).wantStatus(t, http.StatusServiceUnavailable)
		if line := r.log.last(t); line["level"] != "ERROR" || !strings.Contains(line["cause"].(string), "not a directory") {
			t.Errorf("logged %v", line)
		}
		restore()
	})
}
