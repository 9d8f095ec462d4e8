package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// These tests check the alerts without Prometheus: that the rules name metrics and labels
// that exist, that each alert has what a person on call needs, and that the runbook and the
// tests of the rules have each of them. TestPrometheusAlerts runs the rules.

// The folder of the files for Prometheus, and the runbook.
const (
	prometheusFolder = "config/assets/prometheus"
	runbookPage      = operationsFolder + "alerts.md"
	runbookAddress   = "https://runbooks.example.com/ocigate/operations/alerts.md#"
)

// ruleFile is a file of rules for Prometheus.
type ruleFile struct {
	Groups []*ruleGroup `yaml:"groups"`
}

type ruleGroup struct {
	Name  string  `yaml:"name"`
	Rules []*rule `yaml:"rules"`
}

// rule is a recording rule, or an alert.
type rule struct {
	Record      string            `yaml:"record,omitempty"`
	Alert       string            `yaml:"alert,omitempty"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for,omitempty"`
	Labels      map[string]string `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

func readStrictly(t *testing.T, name string, to any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(moduleRoot, prometheusFolder, name))
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(to); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// readRules returns the rules that operators get.
func readRules(t *testing.T) ruleFile {
	t.Helper()
	var file ruleFile
	readStrictly(t, "rules.yaml", &file)
	return file
}

// all returns the rules of all groups.
func (f ruleFile) all() []*rule {
	var all []*rule
	for _, group := range f.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

func (f ruleFile) alerts() []*rule {
	return slices.DeleteFunc(f.all(), func(r *rule) bool { return r.Alert == "" })
}

// alertNames returns the names of the alerts, in order.
func alertNames(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, r := range readRules(t).alerts() {
		names = append(names, r.Alert)
	}
	return names
}

// alertTable returns the alerts for the page.
func alertTable(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| alert | severity | fires when | for | what it means |\n|---|---|---|---|---|\n")
	for _, r := range readRules(t).alerts() {
		expression := strings.ReplaceAll(strings.Join(strings.Fields(r.Expr), " "), "|", `\|`)
		fmt.Fprintf(&b, "| [%s](../%s#%s) | %s | `%s` | %s | %s |\n",
			r.Alert, runbookPage, strings.ToLower(r.Alert), r.Labels["severity"], expression, r.For, r.Annotations["summary"])
	}
	return b.String()
}

// TestAlertsAreComplete requires of each alert what routes and people need.
func TestAlertsAreComplete(t *testing.T) {
	names := map[string]bool{}
	for _, r := range readRules(t).alerts() {
		if !regexp.MustCompile(`^Ocigate[A-Z][A-Za-z]+$`).MatchString(r.Alert) || names[r.Alert] {
			t.Errorf("%s is not a name, or there are two of it", r.Alert)
		}
		names[r.Alert] = true
		if s := r.Labels["severity"]; len(r.Labels) != 1 || s != "warning" && s != "critical" {
			t.Errorf("%s has the labels %v, want the severity warning or critical", r.Alert, r.Labels)
		}
		if keys := slices.Sorted(maps.Keys(r.Annotations)); !slices.Equal(keys, []string{"description", "runbook_url", "summary"}) {
			t.Errorf("%s has the annotations %v", r.Alert, keys)
		}
		if got, want := r.Annotations["runbook_url"], runbookAddress+strings.ToLower(r.Alert); got != want {
			t.Errorf("%s leads to %s, want %s", r.Alert, got, want)
		}
		for name, pattern := range map[string]string{"summary": `^[A-Z][^{}|\n]*\.$`, "description": `(?s)^.+\.$`} {
			if text := r.Annotations[name]; !regexp.MustCompile(pattern).MatchString(text) {
				t.Errorf("%s: the %s is %q, want a sentence", r.Alert, name, text)
			}
		}
		// An alert that aggregates over replicas cannot name one.
		if !strings.Contains(r.Annotations["description"], "$labels.instance") && r.Alert != "OcigateAbsent" && r.Alert != "OcigateVersionsDiffer" {
			t.Errorf("%s does not say at which replica", r.Alert)
		}
	}
}

// TestAlertsHaveRunbooks requires that the runbook has a section for each alert, in their
// order and with the same parts, and no other one.
func TestAlertsHaveRunbooks(t *testing.T) {
	_, text, _ := strings.Cut(pages(t)[runbookPage], "\n## ")
	var sections []string
	for section := range strings.SplitSeq(text, "\n## ") {
		name, content, _ := strings.Cut(section, "\n")
		sections = append(sections, name)
		at := 0
		for _, part := range []string{"**Meaning.** ", "**Look at.** ", "**Do.** "} {
			found := strings.Index(content, "\n"+part)
			if found < at {
				t.Errorf("%s: %s has no part %s in its place", runbookPage, name, part)
			}
			at = max(at, found)
		}
	}
	if names := alertNames(t); !slices.Equal(sections, names) {
		t.Errorf("%s has sections for %v\nthe alerts are %v", runbookPage, sections, names)
	}
}

// TestAlertsHaveTests requires that promtool tests of each alert that it does not fire, then
// fires, and at last does not fire any more.
func TestAlertsHaveTests(t *testing.T) {
	var file struct {
		RuleFiles  []string `yaml:"rule_files"`
		Evaluation string   `yaml:"evaluation_interval"`
		Order      []string `yaml:"group_eval_order"`
		Tests      []struct {
			Name, Interval string
			InputSeries    []struct{ Series, Values string } `yaml:"input_series"`
			Expressions    []struct {
				At      string `yaml:"eval_time"`
				Expr    string
				Samples []struct {
					Labels string
					Value  float64
				} `yaml:"exp_samples"`
			} `yaml:"promql_expr_test"`
		}
	}
	readStrictly(t, "rules_test.yaml", &file)
	metrics := newMetricNames(t)
	var groups, tested []string
	for _, group := range readRules(t).Groups {
		groups = append(groups, group.Name)
	}
	if !slices.Equal(groups, file.Order) {
		t.Errorf("the groups are evaluated in the order %v, want that of the rules: %v", file.Order, groups)
	}
	for _, test := range file.Tests {
		tested = append(tested, test.Name)
		var fires []bool
		for _, e := range test.Expressions {
			if want := fmt.Sprintf(`count(ALERTS{alertname=%q,alertstate="firing"})`, test.Name); e.Expr != want {
				t.Errorf("the test of %s has the expression %s, want %s", test.Name, e.Expr, want)
			}
			fires = append(fires, len(e.Samples) > 0)
		}
		if fires = slices.Compact(fires); !slices.Equal(fires, []bool{false, true, false}) {
			t.Errorf("the test of %s has the results %v, want that it does not fire, fires, and does not fire", test.Name, fires)
		}
		series := map[string]bool{}
		for _, s := range test.InputSeries {
			series[s.Series] = true
			metrics.check(t, "the test of "+test.Name, s.Series)
		}
		if len(series) != len(test.InputSeries) {
			t.Errorf("the test of %s has a series twice", test.Name)
		}
	}
	if names := alertNames(t); !slices.Equal(tested, names) {
		t.Errorf("there are tests of %v\nthe alerts are %v", tested, names)
	}
}

// TestAlertmanagerInhibitsWarnings requires that alertmanager.yaml names alerts that exist and
// have the labels by which they are compared, and that it never inhibits an alert that is
// critical or about writes.
func TestAlertmanagerInhibitsWarnings(t *testing.T) {
	var file struct {
		Route     map[string]any
		Receivers []struct{ Name string }
		Inhibit   []struct {
			Sources []string `yaml:"source_matchers"`
			Targets []string `yaml:"target_matchers"`
			Equal   []string
		} `yaml:"inhibit_rules"`
	}
	readStrictly(t, "alertmanager.yaml", &file)
	alerts := map[string]*rule{}
	for _, r := range readRules(t).alerts() {
		alerts[r.Alert] = r
	}
	for _, inhibit := range file.Inhibit {
		named := func(matchers []string) []string {
			_, list, ok := strings.Cut(strings.Join(matchers, " and "), "alertname =")
			if !ok {
				t.Errorf("%v do not match an alert", matchers)
			}
			return strings.Split(strings.TrimLeft(list, "~ "), "|")
		}
		targets := named(inhibit.Targets)
		for _, name := range slices.Concat(named(inhibit.Sources), targets) {
			r, ok := alerts[name]
			if !ok {
				t.Errorf("there is no alert %s", name)
				continue
			}
			if slices.Contains(targets, name) && (r.Labels["severity"] != "warning" || strings.HasPrefix(name, "OcigateWrite")) {
				t.Errorf("%s is inhibited", name)
			}
			for _, label := range inhibit.Equal {
				if label != "job" && !strings.Contains(r.Annotations["description"], "$labels."+label) {
					t.Errorf("%s does not name its label %s", name, label)
				}
			}
		}
	}
	if len(file.Inhibit) == 0 || len(file.Receivers) == 0 {
		t.Error("nothing is inhibited or received")
	}
}
