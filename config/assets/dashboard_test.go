package assets_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// These tests make the dashboard of Grafana from the tables in dashboard_rows_test.go and
// dashboard_rows_more_test.go, and check it. With -update, TestGeneratedDashboard writes it.
// The package cmd/ocigate runs its queries.

var update = flag.Bool("update", false, "write the generated files again")

const dashboardFile = "grafana/dashboards/ocigate.json"

// runbooks is where operators publish the pages of cmd/operations: they replace it, as in
// the alert rules.
const (
	runbooks   = "https://runbooks.example.com/ocigate"
	alertsPage = "operations/alerts.md"
)

// TestGeneratedDashboard compares the dashboard with the tables.
func TestGeneratedDashboard(t *testing.T) {
	made, err := newDashboard()
	if err != nil {
		t.Fatal(err)
	}
	want, err := json.MarshalIndent(made, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile(filepath.FromSlash(dashboardFile), want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(filepath.FromSlash(dashboardFile))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s: run make generate (-want +got)\n%s", dashboardFile, diff)
	}
}

// newDashboard makes the dashboard in schema 1, which is the one that every Grafana in use
// reads.
func newDashboard() (*dashboard.Dashboard, error) { //nolint:staticcheck // schema 2 cannot be read before Grafana 12
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

// TestDashboardFollowsItsSchema reads the dashboard with the types that Grafana publishes:
// a key that they do not have, also of a kind of panel or of a query, is an error.
func TestDashboardFollowsItsSchema(t *testing.T) {
	text, err := os.ReadFile(filepath.FromSlash(dashboardFile))
	if err != nil {
		t.Fatal(err)
	}
	plugins.RegisterDefaultPlugins()
	var d dashboard.Dashboard //nolint:staticcheck // as in newDashboard
	if found := problems(d.UnmarshalJSONStrict(text)) + problems(d.Validate()); found != "" {
		t.Error(found)
	}
	if d.Id != nil {
		t.Error("an id makes the dashboard replace another one")
	}
	for _, wrong := range [][2]string{{`"expr"`, `"expression"`}, {`"graphMode"`, `"graph"`}, {`"drawStyle"`, `"style"`}, {`"definition"`, `"query2"`}} {
		changed := strings.Replace(string(text), wrong[0], wrong[1], 1)
		if changed == string(text) || problems(new(dashboard.Dashboard).UnmarshalJSONStrict([]byte(changed))) == "" { //nolint:staticcheck // as in newDashboard
			t.Errorf("%s instead of %s is not found", wrong[1], wrong[0])
		}
	}
}

// problems returns the text of an error. The types return one without a text if there is
// none: a nil list that is not a nil error.
func problems(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// allPanels returns the panels of the dashboard, with those of rows that are closed.
func allPanels(t *testing.T) []dashboard.Panel {
	t.Helper()
	d, err := newDashboard()
	if err != nil {
		t.Fatal(err)
	}
	var panels []dashboard.Panel
	for _, p := range d.Panels {
		if p.Panel != nil {
			panels = append(panels, *p.Panel)
		} else {
			panels = append(panels, p.RowPanel.Panels...)
		}
	}
	return panels
}

// sentence matches the help of a panel: one or more sentences.
var sentence = regexp.MustCompile(`^[A-Z0-9].*\.$`)

func TestPanelsAreComplete(t *testing.T) {
	titles, ids := map[string]bool{}, map[uint32]bool{}
	for _, p := range allPanels(t) {
		if *p.Title == "" || titles[*p.Title] || ids[*p.Id] {
			t.Errorf("the title %q or the id %d is missing, or is that of two panels", *p.Title, *p.Id)
		}
		titles[*p.Title], ids[*p.Id] = true, true
		if !sentence.MatchString(*p.Description) {
			t.Errorf("%s has the description %q", *p.Title, *p.Description)
		}
		if unit := p.FieldConfig.Defaults.Unit; unit == nil || *unit == "" {
			t.Errorf("%s has no unit", *p.Title)
		}
		if len(p.Targets) == 0 {
			t.Errorf("%s has no query", *p.Title)
		}
	}
	t.Logf("%d panels", len(titles))
}

// TestPanelsDoNotOverlap checks the places of the panels on the grid of 24 columns.
func TestPanelsDoNotOverlap(t *testing.T) {
	taken := map[string]string{}
	for _, p := range allPanels(t) {
		at := *p.GridPos
		if at.X+at.W > columns {
			t.Errorf("%s ends at column %d", *p.Title, at.X+at.W)
		}
		for x := at.X; x < at.X+at.W; x++ {
			for y := at.Y; y < at.Y+at.H; y++ {
				place := fmt.Sprint(x, " ", y)
				if taken[place] != "" {
					t.Fatalf("%s and %s overlap", *p.Title, taken[place])
				}
				taken[place] = *p.Title
			}
		}
	}
}

// TestRunbooksExist checks that the pages and sections exist to which the dashboard links.
func TestRunbooksExist(t *testing.T) {
	text, err := os.ReadFile(filepath.FromSlash(dashboardFile))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`"`+regexp.QuoteMeta(runbooks)+`/([^"#]*)(?:#([^"]*))?"`).FindAllStringSubmatch(string(text), -1)
	if len(found) == 0 {
		t.Fatal("there is no link")
	}
	for _, parts := range found {
		page, err := os.ReadFile(filepath.Join("../../cmd", filepath.FromSlash(parts[1])))
		if err != nil {
			if parts[1] != alertsPage {
				t.Error(err)
			}
			continue
		}
		if parts[2] != "" && !slices.Contains(anchors(string(page)), parts[2]) {
			t.Errorf("%s has no section %s", parts[1], parts[2])
		}
	}
}

// anchors returns the anchors of the headings of a page.
func anchors(page string) []string {
	var all []string
	for line := range strings.Lines(page) {
		if heading, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			kept := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), "")
			all = append(all, strings.ReplaceAll(kept, " ", "-"))
		}
	}
	return all
}
