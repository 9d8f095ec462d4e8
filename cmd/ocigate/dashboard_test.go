package main

import (
	"encoding/json"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ocigate/config/assets"
	"ocigate/gateway"
)

// The dashboard for Grafana: each metric and label in its queries must exist. Package grafana
// checks the rest of it, and TestPrometheusDashboard runs the queries.

// shownPanel is what these tests read of a panel, or of a row with its panels.
type shownPanel struct {
	Type, Title string
	Targets     []struct{ Expr, LegendFormat string }
	Panels      []shownPanel
}

// shownQuery is an expression of the dashboard with what it is for. kind is that of its
// panel.
type shownQuery struct{ of, expr, legend, kind string }

// labelsOf matches the query of a variable.
var labelsOf = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)

// dashboardQueries returns all queries of the dashboard: of panels, variables and annotations.
func dashboardQueries(t *testing.T) []shownQuery {
	t.Helper()
	text, err := fs.ReadFile(assets.Files(), "grafana/dashboards/ocigate.json")
	if err != nil {
		t.Fatal(err)
	}
	var shown struct {
		Panels      []shownPanel
		Annotations struct{ List []struct{ Name, Expr string } }
		Templating  struct {
			List []struct{ Name, Definition string }
		}
	}
	if err := json.Unmarshal(text, &shown); err != nil {
		t.Fatal(err)
	}
	var all []shownQuery
	var add func([]shownPanel)
	add = func(panels []shownPanel) {
		for _, p := range panels {
			for _, target := range p.Targets {
				all = append(all, shownQuery{"panel " + p.Title, target.Expr, target.LegendFormat, p.Type})
			}
			add(p.Panels)
		}
	}
	add(shown.Panels)
	for _, a := range shown.Annotations.List {
		all = append(all, shownQuery{of: "annotation " + a.Name, expr: a.Expr})
	}
	for _, v := range shown.Templating.List {
		if parts := labelsOf.FindStringSubmatch(v.Definition); parts != nil {
			all = append(all, shownQuery{of: "variable " + v.Name, expr: "count by (" + parts[2] + ") (" + parts[1] + ")"})
		}
	}
	return all
}

// exposedLabels returns the metrics of the gateway, of Go and of the process, with the names
// of their labels. The series that a histogram consists of are among them.
func exposedLabels(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for line := range strings.Lines(metricTable(t)) {
		cells := strings.Split(line, " | ")
		if name, ok := strings.CutPrefix(cells[0], "| `ocigate_"); ok {
			labels := strings.FieldsFunc(cells[1], func(r rune) bool { return r == ',' || r == ' ' })
			name = "ocigate_" + strings.TrimSuffix(name, "`")
			all[name], all[name+"_bucket"] = labels, append(slices.Clone(labels), "le")
		}
	}
	families, err := gateway.NewMetrics("").Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if _, own := all[family.GetName()]; !own {
			all[family.GetName()] = []string{"quantile"}
		}
	}
	return all
}

var (
	metricIn   = regexp.MustCompile(`\b(?:ocigate|go|process)_\w+`)
	selectorIn = regexp.MustCompile(`\b((?:ocigate|go|process)_\w+)\{([^}]*)\}`)
	matcherIn  = regexp.MustCompile(`(\w+)(?:=~|!~|!=|=)"`)
	groupingIn = regexp.MustCompile(`\b(?:by|on|group_left) \(([^)]*)\)`)
)

func TestDashboardHasOnlyMetricsThatExist(t *testing.T) {
	known := exposedLabels(t)
	queries := dashboardQueries(t)
	used := map[string]bool{}
	for _, q := range queries {
		labels := []string{"job", "instance"} // those of Prometheus
		for _, name := range metricIn.FindAllString(groupingIn.ReplaceAllString(q.expr, ""), -1) {
			used[strings.TrimSuffix(name, "_bucket")] = true
			if _, there := known[name]; !there {
				t.Errorf("%s: there is no metric %s", q.of, name)
			}
			labels = append(labels, known[name]...)
		}
		for _, found := range selectorIn.FindAllStringSubmatch(q.expr, -1) {
			for _, matcher := range matcherIn.FindAllStringSubmatch(found[2], -1) {
				if own := known[found[1]]; !slices.Contains(own, matcher[1]) && matcher[1] != "job" && matcher[1] != "instance" {
					t.Errorf("%s: %s has no label %s", q.of, found[1], matcher[1])
				}
			}
		}
		for _, grouping := range groupingIn.FindAllStringSubmatch(q.expr, -1) {
			for label := range strings.FieldsFuncSeq(grouping[1], func(r rune) bool { return r == ',' || r == ' ' }) {
				if !slices.Contains(labels, label) {
					t.Errorf("%s: no metric of it has the label %s", q.of, label)
				}
			}
		}
	}
	for name := range known {
		if strings.HasPrefix(name, "ocigate_") && !strings.HasSuffix(name, "_bucket") && !used[name] {
			t.Errorf("the dashboard does not show %s", name)
		}
	}
	t.Logf("%d queries of %d metrics", len(queries), len(used))
}
