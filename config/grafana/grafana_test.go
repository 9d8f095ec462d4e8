package grafana

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
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// These tests write the dashboard with -update, compare it, and check it. The package
// cmd/ocigate runs its queries.

var update = flag.Bool("update", false, "write the generated files again")

const dashboardFile = "../assets/grafana/dashboards/ocigate.json"

// TestGeneratedDashboard compares the dashboard with the tables.
func TestGeneratedDashboard(t *testing.T) {
	made, err := New()
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

// TestDashboardFollowsItsSchema reads the dashboard with the types that Grafana publishes:
// a key that they do not have, also of a kind of panel or of a query, is an error.
func TestDashboardFollowsItsSchema(t *testing.T) {
	text, err := os.ReadFile(filepath.FromSlash(dashboardFile))
	if err != nil {
		t.Fatal(err)
	}
	plugins.RegisterDefaultPlugins()
	var d dashboard.Dashboard //nolint:staticcheck // as in New
	if found := problems(d.UnmarshalJSONStrict(text)) + problems(d.Validate()); found != "" {
		t.Error(found)
	}
	if d.Id != nil {
		t.Error("an id makes the dashboard replace another one")
	}
	for _, wrong := range [][2]string{{`"expr"`, `"expression"`}, {`"graphMode"`, `"graph"`}, {`"drawStyle"`, `"style"`}, {`"definition"`, `"query2"`}} {
		changed := strings.Replace(string(text), wrong[0], wrong[1], 1)
		if changed == string(text) || problems(new(dashboard.Dashboard).UnmarshalJSONStrict([]byte(changed))) == "" { //nolint:staticcheck // as in New
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
	d, err := New()
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
			t.Error(err)
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
