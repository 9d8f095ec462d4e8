package gateway_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"ocigate/translate/errcode"
)

// Every series exists from the start with the value 0. Every rig checks that at its end.

// lateSeries are those that may appear after the start, since no table has their
// labels: none.
var lateSeries = []string{}

// series returns the names and labels of all series of the gateway's own.
func (r *rig) series(t testing.TB) map[string]bool {
	t.Helper()
	return seriesOf(t, r.metrics.Registry())
}

// seriesOf returns the names and labels of all series of the gateway's own.
func seriesOf(t testing.TB, metrics prometheus.Gatherer) map[string]bool {
	t.Helper()
	families, err := metrics.Gather()
	must(t, err)
	all := map[string]bool{}
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), "ocigate_") {
			continue
		}
		for _, metric := range family.GetMetric() {
			var name strings.Builder
			name.WriteString(family.GetName())
			for _, label := range metric.GetLabel() {
				fmt.Fprintf(&name, " %s=%s", label.GetName(), label.GetValue())
			}
			all[name.String()] = true
		}
	}
	return all
}

// seriesOfRigs holds the first series of rigs by the names of their endpoints and
// those that they give the platform's errors, and by the clients with two hashes, on which alone these depend: to
// gather them takes longer than many a test.
var seriesOfRigs sync.Map

// firstSeries returns the series of a rig that was just made. clients have two hashes.
func (r *rig) firstSeries(t testing.TB, meanings map[int]*errcode.Code, clients []string) map[string]bool {
	t.Helper()
	var names []string
	for _, code := range meanings {
		names = append(names, code.Name)
	}
	slices.Sort(names)
	for _, e := range r.client.Stats().Endpoints {
		names = append(names, e.Name)
	}
	key := strings.Join(names, " ") + "; " + strings.Join(clients, " ")
	if known, ok := seriesOfRigs.Load(key); ok {
		if series, ok := known.(map[string]bool); ok {
			return series
		}
	}
	series := r.series(t)
	seriesOfRigs.Store(key, series)
	return series
}

// collected returns the metrics that the registry collects, as it holds them: without their
// names, labels and values, which take many times longer to gather.
func (r *rig) collected() map[prometheus.Metric]bool {
	metrics := make(chan prometheus.Metric, 128)
	go func() {
		defer close(metrics)
		r.metrics.Registry().Collect(metrics)
	}()
	all := map[prometheus.Metric]bool{}
	for metric := range metrics {
		all[metric] = true
	}
	return all
}

// startedSeries are the series of a rig at its start.
type startedSeries struct {
	names   map[string]bool
	metrics map[prometheus.Metric]bool
}

// start notes the series of a rig that was just made.
func (s *startedSeries) start(t testing.TB, r *rig, meanings map[int]*errcode.Code, clients []string) {
	t.Helper()
	s.names, s.metrics = r.firstSeries(t, meanings, clients), r.collected()
}

// wantNoOthers checks that no series has appeared since the start. Every rig does so at its
// end. A metric that was there then is still the same series. So the names are only
// gathered of the others, which are those that are made for each collection, and a few.
func (s *startedSeries) wantNoOthers(t testing.TB, r *rig) {
	t.Helper()
	if s.names == nil {
		return // the rig was not made
	}
	var others metricList
	for metric := range r.collected() {
		if !s.metrics[metric] && strings.Contains(metric.Desc().String(), `"ocigate_`) {
			others = append(others, metric)
		}
	}
	registry := prometheus.NewRegistry()
	must(t, registry.Register(others))
	wantAllIn(t, seriesOf(t, registry), s.names)
}

// metricList collects itself. It is registered without descriptions, as a collector of any
// metrics.
type metricList []prometheus.Metric

func (metricList) Describe(chan<- *prometheus.Desc) {}

func (l metricList) Collect(to chan<- prometheus.Metric) {
	for _, metric := range l {
		to <- metric
	}
}

// wantNoNewSeries checks that no series has appeared since: increase() does not see the
// event with which a series appears.
func (r *rig) wantNoNewSeries(t testing.TB, first map[string]bool) {
	t.Helper()
	wantAllIn(t, r.series(t), first)
}

func wantAllIn(t testing.TB, names, first map[string]bool) {
	t.Helper()
	var late []string
	for name := range names {
		if !first[name] && !slices.Contains(lateSeries, name) {
			late = append(late, name)
		}
	}
	slices.Sort(late)
	if len(late) > 0 {
		t.Errorf("series that were not there from the start:\n%s", strings.Join(late, "\n"))
	}
}

// maxSeries bounds what one gateway with one endpoint of the platform exposes,
// with each bucket of a histogram counted.
const maxSeries = 3000

func TestSeriesAreThereFromTheStart(t *testing.T) {
	r := start(t, setup{})
	first := r.series(t)
	for _, name := range []string{
		"ocigate_http_requests_total endpoint=itc_numbers_assign error=OUTCOME_UNKNOWN method=POST status=504",
		"ocigate_http_requests_total endpoint=itc_numbers_assign error=none method=POST status=201",
		"ocigate_http_requests_total endpoint=itc_numbers_assign error=none method=POST status=200", // a dry run
		"ocigate_http_requests_total endpoint=itc_numbers_list error=CALLER_LEFT method=HEAD status=499",
		"ocigate_http_requests_total endpoint=none error=METHOD_NOT_ALLOWED method=other status=405",
		"ocigate_http_request_duration_seconds endpoint=login method=POST",
		"ocigate_logins_total result=PLATFORM_TIMEOUT",
		"ocigate_logins_throttled_total way=api_key",
		"ocigate_logins_throttled_reasons_total reason=busy",
		"ocigate_operations_total endpoint=itc_prefixes_remove_by_post outcome=unknown",
		"ocigate_operations_resolved_total endpoint=itc_prefixes_remove outcome=partly_done",
		"ocigate_operation_corrections_total endpoint=itc_numbers_remove",
		"ocigate_operation_replays_total endpoint=itc_numbers_remove",
		"ocigate_platform_commands_total command=AuthenticationVerifyRequest14sp8 result=lost",
		"ocigate_platform_command_duration_seconds command=GroupDepartmentGetListRequest18",
		"ocigate_platform_reads_joined_total command=ServiceProviderGetRequest17sp1",
		"ocigate_platform_logins_total platform_endpoint=primary result=tls",
		"ocigate_platform_sessions_closed_total platform_endpoint=primary reason=age",
		"ocigate_platform_session_wait_seconds result=left",
		"ocigate_forwarded_for_unparsed_total",
	} {
		if !first[name] {
			t.Errorf("there is no %s", name)
		}
	}
	if all := r.exposed(t); all > maxSeries {
		t.Errorf("%d series are more than %d", all, maxSeries)
	} else {
		t.Logf("%d series", all)
	}
}

// exposed returns how many series of the gateway's own a scrape finds.
func (r *rig) exposed(t *testing.T) int {
	t.Helper()
	families, err := r.metrics.Registry().Gather()
	must(t, err)
	all := 0
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			switch {
			case !strings.HasPrefix(family.GetName(), "ocigate_"):
			case metric.GetHistogram() != nil:
				all += len(metric.GetHistogram().GetBucket()) + 3 // +Inf, sum and count
			default:
				all++
			}
		}
	}
	return all
}

// Whatever happens, no series appears that a scrape of a new gateway does not show, also
// with calls of every kind. All other rigs of these tests demand it of themselves: those of
// all quartets, on every release of the platform, among them.
func TestNoSeriesAppearsLater(t *testing.T) {
	first := start(t, setup{}).series(t)
	demand := func(t *testing.T, r *rig) {
		t.Helper()
		r.wantNoNewSeries(t, first)
	}
	t.Run("by the traffic of all kinds", func(t *testing.T) {
		r := start(t, setup{})
		traffic(t, r)
		demand(t, r)
	})
	for _, route := range underRaceSixth(t, apiRoutes()) {
		t.Run("by each method at "+route.Name, func(t *testing.T) {
			r := start(t, setup{})
			path := ownPath(route)
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"} {
				for _, client := range []string{anonymous, user, system} {
					r.call(t, call{method: method, path: path, client: client})
				}
			}
			demand(t, r)
		})
	}
}

// What the operator makes of the platform's refusals is in a table, too.
func TestSeriesOfTheOperatorsErrors(t *testing.T) {
	for _, code := range []*errcode.Code{errcode.Forbidden, errcode.OperationNotFound, errcode.PlatformTimeout} {
		r := start(t, setup{
			errors: map[int]*errcode.Code{4999: code},
			faults: []string{"error-before-apply number=4999 command=*PrefixGetSummaryListRequest", "error-before-apply number=4999 command=*AssignListRequest"},
		})
		first := r.series(t)
		r.get(t, "prefixes").wantStatus(t, code.Status)
		r.call(t, assignFreeRange())
		r.wantNoNewSeries(t, first)
	}
}

// A route must be counted with the errors that it names.
func TestRoutesHaveSeriesForTheirErrors(t *testing.T) {
	first := start(t, setup{}).series(t)
	for _, route := range apiRoutes() {
		for _, code := range route.Errors() {
			name := fmt.Sprintf("ocigate_http_requests_total endpoint=%s error=%s method=%s status=%d", route.Name, code.Name, route.Method, code.Status)
			if !first[name] {
				t.Errorf("there is no %s", name)
			}
		}
	}
	if first["ocigate_http_requests_total endpoint=none error=none method=GET status="+fmt.Sprint(http.StatusOK)] {
		t.Error("there is a series for what cannot be")
	}
}
