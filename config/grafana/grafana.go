// Package grafana makes the dashboard of Grafana from tables: a row of a table is a panel.
// "make generate" writes it to the files for operators, and tests compare it and check it.
// Only they use this package, which is not in the binary.
//
// To change the dashboard, change a row in rows.go or rows_platform.go, and run make generate.
package grafana

import (
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// runbooks is where operators publish the pages of cmd/operations: they replace it, as in
// the alert rules.
const (
	runbooks   = "https://runbooks.example.com/ocigate"
	alertsPage = "operations/alerts.md"
)

// New returns the dashboard in schema 1, which is the one that every Grafana in use reads. Its
// error reports a panel of an unknown kind.
func New() (*dashboard.Dashboard, error) { //nolint:staticcheck // schema 2 cannot be read before Grafana 12
	d := dashboard.NewDashboard()
	d.Uid, d.Title = new("ocigate"), new("ocigate")
	d.Description = new("ocigate: the API, writes, the platform, callers and the process. Made from tables by make generate.")
	d.Tags = []string{"ocigate"}
	d.Time = &dashboard.DashboardDashboardTime{From: "now-3h", To: "now"}
	d.Refresh = new("30s")
	d.GraphTooltip = new(dashboard.DashboardCursorSyncCrosshair)
	d.Templating.List = variables()
	d.Annotations.List = annotations()
	d.Links = []dashboard.DashboardLink{link("Runbook", "What each alert means, what to look at, and what to do.", alertsPage)}
	var err error
	d.Panels, err = layout(rows())
	return d, err
}

// variables returns the variables in the order in which they are shown. Each depends on
// those before.
func variables() []dashboard.VariableModel {
	source := dashboard.NewVariableModel()
	source.Type, source.Name, source.Label = "datasource", "datasource", new("Data source")
	source.Query = &dashboard.StringOrMap{String: new("prometheus")}
	return []dashboard.VariableModel{
		*source,
		labelValues("job", "Job", "label_values(ocigate_build_info, job)", false),
		labelValues("instance", "Replica", `label_values(up{job="$job"}, instance)`, true),
		labelValues("platform_endpoint", "Platform endpoint", `label_values(ocigate_platform_endpoint_up{job="$job",instance=~"$instance"}, platform_endpoint)`, true),
	}
}

// labelValues returns a variable with the values of a label. With all, several can be
// chosen, and all are at first.
func labelValues(name, label, query string, all bool) dashboard.VariableModel {
	v := dashboard.NewVariableModel()
	v.Type, v.Name, v.Label = "query", name, &label
	v.Datasource = source()
	v.Definition = &query
	v.Query = &dashboard.StringOrMap{Map: map[string]any{"query": query, "refId": "Variable-" + name}}
	v.Refresh, v.Sort = new(dashboard.VariableRefreshOnTimeRangeChanged), new(dashboard.VariableSortNaturalAsc)
	if all {
		v.Multi, v.IncludeAll, v.AllValue = new(true), new(true), new(".*")
		v.Current = &dashboard.VariableOption{
			Selected: new(true),
			Text:     dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}},
			Value:    dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}},
		}
	}
	return *v
}

// annotations returns what is marked in all panels. The values of the first two are times.
func annotations() []dashboard.AnnotationQuery {
	mark := func(name, color, expr, title, text string, valueIsTime bool) dashboard.AnnotationQuery {
		a := dashboard.NewAnnotationQuery()
		a.Name, a.IconColor, a.Datasource = name, color, source()
		a.Expr, a.TitleFormat, a.TextFormat, a.Step = new(selected(expr)), &title, &text, new("30s")
		if valueIsTime {
			a.UseValueForTime = new(true)
		}
		return *a
	}
	return []dashboard.AnnotationQuery{
		mark("Starts and versions", "blue", `1000 * process_start_time_seconds{@} * on (job, instance) group_left (version) ocigate_build_info{@}`, "Start of {{version}}", "{{instance}}", true),
		mark("Reloads", "purple", `1000 * ocigate_reload_timestamp_seconds{@}`, "Configuration read", "{{instance}}", true),
		mark("Alerts", "red", `ALERTS{alertname=~"Ocigate.+",alertstate="firing"}`, "{{alertname}}", "{{instance}} {{platform_endpoint}} {{severity}}", false),
	}
}

func source() *common.DataSourceRef {
	return &common.DataSourceRef{Type: new("prometheus"), Uid: new("${datasource}")}
}

// link returns a link to a page, which has a path below cmd.
func link(title, tooltip, page string) dashboard.DashboardLink {
	return dashboard.DashboardLink{
		Title: title, Tooltip: tooltip, Type: dashboard.DashboardLinkTypeLink, Icon: "doc", Tags: []string{},
		Url: new(runbooks + "/" + page), TargetBlank: true,
	}
}
