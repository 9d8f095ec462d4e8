package main

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// These tests require that expressions for Prometheus, in rules and in pages, name metrics
// that a gateway has, with labels that these have.

// metricNames has the labels of each metric that an expression can name.
type metricNames map[string][]string

// newMetricNames returns the metrics of a gateway, with the series of histograms, and those
// that Prometheus makes itself.
func newMetricNames(t *testing.T) metricNames {
	t.Helper()
	ofTarget := []string{"job", "instance"}
	names := metricNames{"up": ofTarget}
	for _, m := range describedMetrics(t) {
		labels := slices.Concat(m.labels, ofTarget)
		names[m.name] = labels
		if strings.HasSuffix(m.name, "_seconds") { // a description does not have the type
			names[m.name+"_bucket"], names[m.name+"_sum"], names[m.name+"_count"] = append(slices.Clone(labels), "le"), labels, labels
		}
	}
	return names
}

var (
	promText  = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'`)
	promRange = regexp.MustCompile(`\[[^\]]*\]`)
	// promLabels is a list of labels, and what it is for.
	promLabels = regexp.MustCompile(`\b(by|without|on|ignoring)\s*\(([^)]*)\)`)
	// promName is a metric with its matchers, or a function with its parenthesis.
	promName    = regexp.MustCompile(`\b([a-z][a-z0-9_]*(?::[a-z0-9_]+)*)\b(?:\s*(\()|\{([^}]*)\})?`)
	promMatcher = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)`)
	promLabel   = regexp.MustCompile(`\w+`)
)

// check requires that an expression names existing metrics and labels. It returns the labels
// that its result can have.
func (n metricNames) check(t *testing.T, where, expression string) []string {
	t.Helper()
	text := promRange.ReplaceAllString(promText.ReplaceAllString(expression, ""), "")
	has := map[string]bool{} // the labels of all metrics of the expression
	for _, found := range promName.FindAllStringSubmatch(promLabels.ReplaceAllString(text, ""), -1) {
		name, isFunction := found[1], found[2] != ""
		if isFunction || slices.Contains([]string{"and", "or", "unless"}, name) {
			continue
		}
		labels, ok := n[name]
		if !ok {
			t.Errorf("%s: there is no metric %s", where, name)
		}
		for _, label := range labels {
			has[label] = true
		}
		for _, m := range promMatcher.FindAllStringSubmatch(found[3], -1) {
			if !slices.Contains(labels, m[1]) {
				t.Errorf("%s: %s has no label %s", where, name, m[1])
			}
		}
	}
	if len(has) == 0 {
		t.Errorf("%s: there is no metric in %s", where, expression)
	}
	result := maps.Clone(has)
	for _, list := range promLabels.FindAllStringSubmatch(text, -1) {
		for _, label := range promLabel.FindAllString(list[2], -1) {
			if !has[label] {
				t.Errorf("%s: no metric has the label %s in %s", where, label, expression)
			}
			if list[1] == "without" {
				delete(result, label)
			}
		}
	}
	return slices.Sorted(maps.Keys(result))
}

// TestRulesNameMetricsThatExist checks the expressions of all rules, and the names of what
// they record.
func TestRulesNameMetricsThatExist(t *testing.T) {
	names := newMetricNames(t)
	for _, r := range readRules(t).all() {
		labels := names.check(t, r.Alert+r.Record, r.Expr)
		if r.Record == "" {
			continue
		}
		whole, _, _ := strings.Cut(r.Record, ":")
		level := strings.TrimPrefix(whole, "instance_")
		if !regexp.MustCompile(`^instance(_[a-z]+)?:ocigate_[a-z_]+:[a-z0-9_]+$`).MatchString(r.Record) ||
			level != whole && !slices.Contains(labels, level) {
			t.Errorf("%s is not level:metric:operation, with the labels %v", r.Record, labels)
		}
		names[r.Record] = labels
	}
}

// TestPagesNameMetricsThatExist checks the expressions in all pages.
func TestPagesNameMetricsThatExist(t *testing.T) {
	names := newMetricNames(t)
	for _, r := range readRules(t).all() {
		if r.Record != "" {
			names[r.Record] = names.check(t, r.Record, r.Expr)
		}
	}
	for page, text := range pages(t) {
		for _, block := range blocks(text, "promql") {
			for expression := range strings.Lines(block) {
				names.check(t, page, expression)
			}
		}
	}
}
