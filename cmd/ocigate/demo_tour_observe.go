package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

// tourLog is the log of the gateway of a tour.
type tourLog struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *tourLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *tourLog) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Len()
}

// since returns what was written after the first so many bytes.
func (l *tourLog) since(mark int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text.Bytes()[mark:])
}

// find returns the first line after a mark that contains all words of a text, without its
// time. Words are separated by "…".
func (l *tourLog) find(mark int, text string) (string, error) {
	for line := range strings.Lines(l.since(mark)) {
		if containsAll(line, strings.Split(text, "…")) {
			if i := strings.Index(line, "level="); i > 0 {
				line = line[i:]
			}
			return strings.TrimSpace(line), nil
		}
	}
	return "", fmt.Errorf("the log has no line with %s", text)
}

func containsAll(line string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(line, part) {
			return false
		}
	}
	return true
}

// samples are the values of series, by their text in the exposition format.
type samples map[string]float64

// metrics scrapes the gateway.
func (t *tour) metrics(ctx context.Context) (samples, error) {
	text, err := fetch(ctx, t.admin+"/metrics")
	if err != nil {
		return nil, err
	}
	found := samples{}
	for line := range strings.Lines(text) {
		series, value, ok := strings.Cut(strings.TrimSpace(line), "} ")
		if ok {
			series += "}"
		} else {
			series, value, _ = strings.Cut(strings.TrimSpace(line), " ")
		}
		if number, err := strconv.ParseFloat(value, 64); err == nil && series != "#" {
			found[series] = number
		}
	}
	return found, nil
}

// fetch returns the body at a URL.
func fetch(ctx context.Context, at string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, http.NoBody)
	if err != nil {
		return "", err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAdminBytes))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: status %s", at, response.Status)
	}
	return string(text), err
}

// tourMetric is a metric that a stage changes.
type tourMetric struct {
	name   string
	labels string // some labels of the series, as in the exposition format; those that match are added
	grows  bool   // otherwise it becomes is
	is     float64
}

func (m tourMetric) String() string {
	if m.labels == "" {
		return m.name
	}
	return m.name + "{" + m.labels + "}"
}

// of returns the sum of the series that match, and whether there is one.
func (m tourMetric) of(all samples) (sum float64, found bool) {
	for series, value := range all {
		name, labels, _ := strings.Cut(strings.TrimSuffix(series, "}"), "{")
		if name == m.name && hasLabels(labels, m.labels) {
			sum += value
			found = true
		}
	}
	return sum, found
}

// hasLabels reports whether all labels of some are among those of a series.
func hasLabels(labels, some string) bool {
	for label := range strings.SplitSeq(some, ",") {
		if !strings.Contains(","+labels+",", ","+label+",") && some != "" {
			return false
		}
	}
	return true
}

// change describes how the metric has changed.
func (m tourMetric) change(before, after samples) string {
	from, _ := m.of(before)
	to, _ := m.of(after)
	return fmt.Sprintf("%v  %v -> %v", m, from, to)
}

// compare returns an error unless the metric has changed as it must.
func (m tourMetric) compare(before, after samples) error {
	from, _ := m.of(before)
	to, found := m.of(after)
	switch {
	case !found:
		return fmt.Errorf("there is no metric %v", m)
	case m.grows && to <= from:
		return fmt.Errorf("%v has stayed at %v", m, from)
	case !m.grows && to != m.is:
		return fmt.Errorf("%v is %v, not %v", m, to, m.is)
	}
	return nil
}

// alertsFile is the asset with the alert rules.
const alertsFile = "prometheus/rules.yaml"

// tourAlert is an alert of that file.
type tourAlert struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// text describes when the alert fires.
func (r tourAlert) text() string {
	held := ""
	if r.For != "" {
		held = " for " + r.For
	}
	return fmt.Sprintf("%s (%s): %s It fires if this holds%s: %s", r.Alert, r.Labels["severity"], r.Annotations["summary"], held, strings.Join(strings.Fields(r.Expr), " "))
}

// readAlerts returns the alerts of the rules, by name.
func readAlerts(files fs.FS) (map[string]tourAlert, error) {
	text, err := fs.ReadFile(files, alertsFile)
	if err != nil {
		return nil, err
	}
	var rules struct {
		Groups []struct {
			Rules []tourAlert `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.Unmarshal(text, &rules); err != nil {
		return nil, fmt.Errorf("%s: %w", alertsFile, err)
	}
	found := map[string]tourAlert{}
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			if rule.Alert != "" {
				found[rule.Alert] = rule
			}
		}
	}
	return found, nil
}

// errInactive means that an alert is neither pending nor firing.
var errInactive = errors.New("inactive")

// awaitAlert waits until an alert is pending or firing at a Prometheus, and returns its
// state. It is inactive if that takes too long.
func awaitAlert(ctx context.Context, prometheus, name string) (state string, err error) {
	err = await(ctx, func(ctx context.Context) (err error) {
		state, err = alertState(ctx, prometheus, name)
		return err
	})
	if errors.Is(err, errInactive) {
		return errInactive.Error(), nil
	}
	return state, err
}

// alertState asks a Prometheus for the state of an alert: pending or firing. The error is
// errInactive for any other.
func alertState(ctx context.Context, prometheus, name string) (string, error) {
	at, err := url.JoinPath(prometheus, "/api/v1/alerts")
	if err != nil {
		return "", err
	}
	text, err := fetch(ctx, at)
	if err != nil {
		return "", err
	}
	var answered struct {
		Data struct {
			Alerts []struct {
				Labels map[string]string
				State  string
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &answered); err != nil {
		return "", errors.Join(fmt.Errorf("%s does not answer like a Prometheus", at), err)
	}
	state := ""
	for _, alert := range answered.Data.Alerts {
		if alert.Labels["alertname"] == name && state != "firing" {
			state = alert.State
		}
	}
	if state == "" {
		return "", errInactive
	}
	return state, nil
}
