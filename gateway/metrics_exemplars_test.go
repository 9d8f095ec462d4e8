package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"

	"ocigate/gateway"
)

// Exemplars, native histograms, and the forms in which metrics are exposed.

const (
	someTrace   = "0af7651916cd43dd8448eb211c80319c"
	sampledSpan = "00-" + someTrace + "-b7ad6b7169203331-01"
)

// exemplarsOf returns the labels of all exemplars of the registry, as name=value, by the
// metric.
func exemplarsOf(t *testing.T, r *rig) map[string][]string {
	t.Helper()
	families, err := r.metrics.Registry().Gather()
	must(t, err)
	all := map[string][]string{}
	for _, family := range families {
		add := func(e *dto.Exemplar) {
			for _, label := range e.GetLabel() {
				all[family.GetName()] = append(all[family.GetName()], label.GetName()+"="+label.GetValue())
			}
		}
		for _, metric := range family.GetMetric() {
			add(metric.GetCounter().GetExemplar())
			for _, bucket := range metric.GetHistogram().GetBucket() {
				add(bucket.GetExemplar())
			}
			for _, e := range metric.GetHistogram().GetExemplars() { // of a native histogram
				add(e)
			}
		}
	}
	return all
}

func TestOnlySampledTracesAreExemplars(t *testing.T) {
	for name, header := range map[string]string{
		"without a trace":                       "",
		"with a trace that was not recorded":    "00-" + someTrace + "-b7ad6b7169203331-00",
		"with another flag only":                "00-" + someTrace + "-b7ad6b7169203331-02",
		"with the id of no trace":               "00-" + strings.Repeat("0", 32) + "-b7ad6b7169203331-01",
		"with a version that is not known":      "01-" + someTrace + "-b7ad6b7169203331-01",
		"with an id that is not one of a trace": "00-+3225126000-b7ad6b7169203331-01",
		"with a quotation mark":                 `00-` + someTrace + `-b7ad6b7169203331-01" } 1`,
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, setup{})
			r.call(t, call{path: ownList("numbers"), client: system, header: http.Header{"Traceparent": {header}}}).wantStatus(t, http.StatusOK)
			if found := exemplarsOf(t, r); len(found) != 0 {
				t.Errorf("exemplars %v", found)
			}
		})
	}
	for _, flags := range []string{"01", "03", "ff"} {
		t.Run("sampled with "+flags, func(t *testing.T) {
			r := start(t, setup{})
			r.call(t, call{path: ownList("numbers"), client: system, header: http.Header{
				"Traceparent": {strings.TrimSuffix(sampledSpan, "01") + flags}, "X-Request-Id": {"+3225126000"},
			}}).wantStatus(t, http.StatusOK)
			// Of the bucket, and of the native histogram.
			want := map[string][]string{"ocigate_http_request_duration_seconds": {"trace_id=" + someTrace, "trace_id=" + someTrace}}
			if diff := cmp.Diff(want, exemplarsOf(t, r)); diff != "" {
				t.Errorf("exemplars (-want +got):\n%s", diff)
			}
		})
	}
}

// scrape returns what /metrics serves to a scraper that accepts some forms.
func scrape(t *testing.T, r *rig, accept string) response {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	request.Header.Set("Accept", accept)
	recorder := httptest.NewRecorder()
	gateway.NewAdmin(r.metrics).ServeHTTP(recorder, request)
	got := readResponse(t, recorder.Result())
	got.wantStatus(t, http.StatusOK)
	return got
}

var nameOfSample = regexp.MustCompile(`(?m)^[a-z_]+`)

// namesIn returns the names of the samples of a text, each once.
func namesIn(text string) []string {
	found := nameOfSample.FindAllString(text, -1)
	slices.Sort(found)
	return slices.Compact(found)
}

func TestScrapersGetTheFormThatTheyAskFor(t *testing.T) {
	r := start(t, setup{})
	r.call(t, call{path: ownList("numbers"), client: system, header: http.Header{"Traceparent": {sampledSpan}}}).wantStatus(t, http.StatusOK)
	const exemplar = `# {trace_id="` + someTrace + `"}`

	text := scrape(t, r, "text/plain;version=0.0.4")
	if kind := text.header.Get("Content-Type"); !strings.HasPrefix(kind, "text/plain; version=0.0.4") || strings.Contains(text.body, someTrace) {
		t.Errorf("text: %s, with the trace: %t", kind, strings.Contains(text.body, someTrace))
	}
	for _, accept := range []string{"", "*/*", "text/html"} {
		if kind := scrape(t, r, accept).header.Get("Content-Type"); !strings.HasPrefix(kind, "text/plain; version=0.0.4") {
			t.Errorf("who accepts %q gets %s", accept, kind)
		}
	}

	open := scrape(t, r, "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
	if kind := open.header.Get("Content-Type"); !strings.HasPrefix(kind, "application/openmetrics-text; version=1.0.0") {
		t.Errorf("OpenMetrics: %s", kind)
	}
	if !strings.HasSuffix(open.body, "\n# EOF\n") || strings.Count(open.body, exemplar) != 1 {
		t.Errorf("OpenMetrics has %d exemplars, and ends with %q", strings.Count(open.body, exemplar), open.body[max(0, len(open.body)-20):])
	}
	// No series of creation times, and each sample has the name that it has as text.
	if diff := cmp.Diff(namesIn(text.body), namesIn(open.body)); diff != "" {
		t.Errorf("names (-text +OpenMetrics):\n%s", diff)
	}

	binary := scrape(t, r, "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
	if kind := binary.header.Get("Content-Type"); !strings.HasPrefix(kind, "application/vnd.google.protobuf") {
		t.Errorf("protobuf: %s", kind)
	}
}

// TestDurationsAreNativeHistograms requires the resolution of native histograms in addition
// to the buckets, in all histograms of the gateway's own.
func TestDurationsAreNativeHistograms(t *testing.T) {
	r := start(t, setup{})
	r.get(t, "numbers").wantStatus(t, http.StatusOK)
	families, err := r.metrics.Registry().Gather()
	must(t, err)
	found := 0
	for _, family := range families {
		if family.GetType() != dto.MetricType_HISTOGRAM || !strings.HasPrefix(family.GetName(), "ocigate_") {
			continue
		}
		found++
		for _, metric := range family.GetMetric() {
			h := metric.GetHistogram()
			if h.GetSchema() != 3 || len(h.GetBucket()) != 14 {
				t.Errorf("%s has schema %d and %d buckets", family.GetName(), h.GetSchema(), len(h.GetBucket()))
			}
			// Without an observation, a native histogram has no bucket.
			if native := len(h.GetPositiveDelta()); uint64(native) > h.GetSampleCount() {
				t.Errorf("%s has %d buckets for %d observations", family.GetName(), native, h.GetSampleCount())
			}
		}
	}
	if found != 3 {
		t.Errorf("%d histograms", found)
	}
}
