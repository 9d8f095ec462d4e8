//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Tests with the real Prometheus. They are skipped where it is not installed.

// requirePrometheus is the variable of the environment that makes tests fail instead of
// skip if Prometheus or promtool is not installed.
const requirePrometheus = "PROMETHEUS_REQUIRED"

// findProgram returns the path of a program of Prometheus, and skips the test if it is not
// installed.
func findProgram(t *testing.T, name string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes several seconds")
	}
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv(requirePrometheus) != "" {
		t.Fatalf("%s is set, but %s is not installed", requirePrometheus, name)
	}
	t.Skipf("%s is not installed: apt-get install prometheus", name)
	return ""
}

// prometheusOptions are what a test chooses of a Prometheus.
type prometheusOptions struct {
	targets  []string      // addresses of the job ocigate
	interval time.Duration // between two scrapes and two evaluations of rules; 0 for a second
	rules    []string      // paths of files with rules
	features []string      // for --enable-feature
	scrape   string        // further settings of the job, as lines of YAML without indentation
	flags    []string      // further flags
	program  string        // path of the program; empty for the installed one
}

// configuration returns the options as a configuration file.
func (o prometheusOptions) configuration() string {
	interval := o.interval
	if interval == 0 {
		interval = time.Second
	}
	quoted := func(texts []string) string {
		var all []string
		for _, text := range texts {
			all = append(all, strconv.Quote(text))
		}
		return "[" + strings.Join(all, ", ") + "]"
	}
	text := fmt.Sprintf(`global: {scrape_interval: %dms, scrape_timeout: %[1]dms, evaluation_interval: %[1]dms}
rule_files: %s
scrape_configs:
  - job_name: ocigate
    static_configs: [{targets: %s}]
`, interval.Milliseconds(), quoted(o.rules), quoted(o.targets))
	for line := range strings.Lines(o.scrape) {
		text += "    " + strings.TrimSuffix(line, "\n") + "\n"
	}
	return text
}

// prometheusServer is a running Prometheus.
type prometheusServer struct {
	*child
	url string // http://127.0.0.1:PORT
}

// startPrometheus runs the real Prometheus on loopback until the test ends, and returns when
// it answers queries. Its data are in a folder of the test.
func startPrometheus(t *testing.T, o prometheusOptions) *prometheusServer {
	t.Helper()
	if o.program == "" {
		o.program = findProgram(t, "prometheus")
	}
	folder := t.TempDir()
	file := filepath.Join(folder, "prometheus.yaml")
	if err := os.WriteFile(file, []byte(o.configuration()), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := []string{
		"--config.file=" + file, "--storage.tsdb.path=" + filepath.Join(folder, "data"),
		"--web.listen-address=127.0.0.1:0", "--log.level=info",
	}
	if len(o.features) > 0 {
		flags = append(flags, "--enable-feature="+strings.Join(o.features, ","))
	}
	p := &prometheusServer{child: startChild(t, o.program, append(flags, o.flags...)...)}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Prometheus: %s", &p.out)
		}
	})
	p.url = "http://" + p.find(t, `msg="Listening on" .*address=(127\.0\.0\.1:\d+)`)[1]
	p.poll(t, "it is ready", func() bool {
		status, _, err := p.get(t.Context(), "/-/ready", nil)
		return err == nil && status == http.StatusOK
	})
	return p
}

// prometheusPatience bounds how long a test waits for Prometheus, on a busy machine.
const prometheusPatience = 2 * time.Minute

// poll waits until a condition holds that only Prometheus' API shows.
func (p *prometheusServer) poll(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	end := time.After(prometheusPatience)
	for !holds() {
		select {
		case <-tick.C:
		case <-p.ended:
			t.Fatalf("Prometheus has ended: %v\n%s", p.failure, &p.out)
		case <-end:
			t.Fatalf("after %v it does not hold that %s", prometheusPatience, what)
		case <-t.Context().Done():
			t.Fatal("the test is over")
		}
	}
}

// waitScraped waits until each target has been scraped at least that many times, and the
// last scrape was successful.
func (p *prometheusServer) waitScraped(t *testing.T, targets, times int) {
	t.Helper()
	expression := fmt.Sprintf(`count(up{job="ocigate"} == 1 and count_over_time(up{job="ocigate"}[1h]) >= %d)`, times)
	p.poll(t, fmt.Sprintf("%d targets were scraped %d times", targets, times), func() bool {
		found := p.query(t, expression)
		return len(found) == 1 && found[0].Value == float64(targets)
	})
}

func (p *prometheusServer) get(ctx context.Context, path string, parameters url.Values) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, prometheusPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path+"?"+parameters.Encode(), http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, body, err
}

// ask returns the data of a response of the API. Its error includes that of the API, as of an
// expression that cannot be parsed.
func (p *prometheusServer) ask(t *testing.T, path string, parameters url.Values, data any) error {
	t.Helper()
	_, body, err := p.get(t.Context(), path, parameters)
	if err != nil {
		return err
	}
	response := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.Unmarshal(body, &response); err != nil {
		return fmt.Errorf("%s: %w: %.200s", path, err, body)
	}
	if response.Status != "success" {
		return fmt.Errorf("%s: %s", path, response.Error)
	}
	return nil
}

// A prometheusSample is one series of the result of a query.
type prometheusSample struct {
	Metric    map[string]string
	Value     float64
	Histogram bool // it is a native histogram, and Value is its count
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *prometheusSample) UnmarshalJSON(text []byte) error {
	var raw struct {
		Metric    map[string]string
		Value     [2]any
		Histogram []json.RawMessage
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return err
	}
	s.Metric = raw.Metric
	number, _ := raw.Value[1].(string)
	if s.Histogram = len(raw.Histogram) == 2; s.Histogram {
		var h struct{ Count string }
		if err := json.Unmarshal(raw.Histogram[1], &h); err != nil {
			return err
		}
		number = h.Count
	}
	var err error
	s.Value, err = strconv.ParseFloat(number, 64)
	return err
}

// tryQuery evaluates an expression, of the type instant vector, now.
func (p *prometheusServer) tryQuery(t *testing.T, expression string) ([]prometheusSample, error) {
	t.Helper()
	var data struct {
		ResultType string
		Result     json.RawMessage
	}
	if err := p.ask(t, "/api/v1/query", url.Values{"query": {expression}}, &data); err != nil {
		return nil, err
	}
	if data.ResultType != "vector" {
		return nil, fmt.Errorf("the result is a %s", data.ResultType)
	}
	var samples []prometheusSample
	err := json.Unmarshal(data.Result, &samples)
	return samples, err
}

// query is as tryQuery, and its errors end the test.
func (p *prometheusServer) query(t *testing.T, expression string) []prometheusSample {
	t.Helper()
	samples, err := p.tryQuery(t, expression)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return samples
}

// prometheusAlert is an alert that is pending or firing.
type prometheusAlert struct {
	Labels, Annotations map[string]string
	State               string // pending or firing
}

// prometheusExemplars are the exemplars of a series.
type prometheusExemplars struct {
	SeriesLabels map[string]string
	Exemplars    []struct {
		Labels map[string]string
		Value  string
	}
}

// exemplars returns the exemplars of all series of an expression. They need the feature
// exemplar-storage.
func (p *prometheusServer) exemplars(t *testing.T, expression string) []prometheusExemplars {
	t.Helper()
	now := time.Now()
	var data []prometheusExemplars
	if err := p.ask(t, "/api/v1/query_exemplars", url.Values{
		"query": {expression}, "start": {prometheusTime(now.Add(-time.Hour))}, "end": {prometheusTime(now.Add(time.Hour))},
	}, &data); err != nil {
		t.Fatal(err)
	}
	return data
}

func prometheusTime(at time.Time) string {
	return strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64)
}
