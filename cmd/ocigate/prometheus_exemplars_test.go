//go:build linux

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
)

// The forms in which the real Prometheus reads metrics: protobuf with native histograms,
// OpenMetrics with exemplars, and text.

// tracedID is the id of a trace that was recorded.
const tracedID = "0af7651916cd43dd8448eb211c80319c"

// inForm serves the metrics of a gateway, for a scraper that accepts only that form, and
// returns its address.
func inForm(t *testing.T, admin, accept string) string {
	t.Helper()
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: admin})
		r.Out.Header.Set("Accept", accept)
	}, Transport: &http.Transport{DisableKeepAlives: true}})
	t.Cleanup(proxy.Close)
	return proxy.Listener.Addr().String()
}

func TestPrometheusReadsAllForms(t *testing.T) {
	program := findProgram(t, "prometheus")
	g := start(t, newPlatform(t).Addr, nil)
	for range 20 {
		askTraced(t, "http://"+g.api+"/api/v1"+itc("ApioSpTest", "ApioGrpTest", "numbers"))
	}
	open := inForm(t, g.admin, "application/openmetrics-text;version=1.0.0")
	text := inForm(t, g.admin, "text/plain;version=0.0.4")
	// With the feature, it asks for protobuf.
	p := startPrometheus(t, prometheusOptions{program: program, targets: []string{g.admin, open, text}, features: []string{"exemplar-storage", "native-histograms"}})
	p.waitScraped(t, 3, 2)

	one := func(t *testing.T, expression string) float64 {
		t.Helper()
		found := p.query(t, expression)
		if len(found) != 1 {
			t.Fatalf("%s has %d series", expression, len(found))
		}
		return found[0].Value
	}
	const route = `endpoint="itc_numbers_list",method="GET"`
	for _, instance := range []string{g.admin, open, text} {
		if n := one(t, fmt.Sprintf(`ocigate_http_requests_total{instance=%q,%s,error="none",status="200"}`, instance, route)); n != 20 {
			t.Errorf("%s counts %v requests", instance, n)
		}
	}
	series := func(instance string) float64 {
		return one(t, fmt.Sprintf(`count({instance=%q,__name__=~"ocigate_.*",__name__!~"ocigate_.*_duration_seconds.*|ocigate_platform_session_wait_seconds.*"})`, instance))
	}
	if a, b, c := series(g.admin), series(open), series(text); a != b || b != c {
		t.Errorf("%v series from protobuf, %v from OpenMetrics, %v from text", a, b, c)
	}

	const duration = "ocigate_http_request_duration_seconds"
	native := fmt.Sprintf(`%s{instance=%q,%s}`, duration, g.admin, route)
	if found := p.query(t, native); len(found) != 1 || !found[0].Histogram || found[0].Value != 20 {
		t.Errorf("the native histogram is %+v", found)
	}
	if quantile := one(t, fmt.Sprintf(`histogram_quantile(0.9, sum(%s))`, native)); !(quantile > 0 && quantile < 60) {
		t.Errorf("the quantile of the native histogram is %v", quantile)
	}
	for _, instance := range []string{open, text} {
		if quantile := one(t, fmt.Sprintf(`histogram_quantile(0.9, sum by (le) (%s_bucket{instance=%q,%s}))`, duration, instance, route)); !(quantile > 0 && quantile < 60) {
			t.Errorf("the quantile of the buckets is %v", quantile)
		}
	}
	wantExemplar(t, p, native)
	wantExemplar(t, p, fmt.Sprintf(`%s_bucket{instance=%q,%s}`, duration, open, route))
	if found := p.exemplars(t, fmt.Sprintf(`%s_bucket{instance=%q}`, duration, text)); len(found) != 0 {
		t.Errorf("text has exemplars: %+v", found)
	}
}

// askTraced makes a request with a trace that was recorded.
func askTraced(t *testing.T, url string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("portal", demoSecret)
	request.Header.Set("Traceparent", "00-"+tracedID+"-b7ad6b7169203331-01")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", url, response.Status)
	}
}

// wantExemplar checks that a series has the trace as its exemplar, and nothing else.
func wantExemplar(t *testing.T, p *prometheusServer, series string) {
	t.Helper()
	found := p.exemplars(t, series)
	if len(found) == 0 {
		t.Errorf("%s has no exemplar", series)
	}
	for _, s := range found {
		for _, e := range s.Exemplars {
			if len(e.Labels) != 1 || !strings.EqualFold(e.Labels["trace_id"], tracedID) {
				t.Errorf("%s has the exemplar %v", series, e.Labels)
			}
		}
	}
}
