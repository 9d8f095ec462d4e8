package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"ocigate/gateway"
	"ocigate/gateway/auth"
	"ocigate/gateway/operation"
	"ocigate/gateway/status"
	"ocigate/oci"
	"ocigate/translate/errcode"
)

// These tests specify that generated tables are up to date, and that the routes are
// complete. With -update, TestGenerated writes the tables.

var update = flag.Bool("update", false, "write the generated parts of the pages again")

// generated has the pages with generated parts, and for each part its content.
func generated(t *testing.T) map[string]map[string]string {
	t.Helper()
	return map[string]map[string]string{
		"gateway/README.md": {"routes": routeTable(), "errors": errorTable()},
		"config/README.md":  {"metrics": metricTable(t), "alerts": alertTable(t)},

		"gateway/status/README.md": {"keys": statusTable()},
	}
}

// TestGenerated compares the generated parts of the pages with their sources, or
// writes them again with -update.
func TestGenerated(t *testing.T) {
	for page, parts := range generated(t) {
		path := filepath.Join(moduleRoot, filepath.FromSlash(page))
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want := string(text)
		for name, table := range parts {
			part := regexp.MustCompile(`(?s)(<!-- ` + name + ` begin[^>]*-->\n).*?(<!-- ` + name + ` end -->)`)
			if !part.MatchString(want) {
				t.Errorf("%s has no part for %s", page, name)
			}
			want = part.ReplaceAllStringFunc(want, func(old string) string {
				ends := part.FindStringSubmatch(old)
				return ends[1] + table + ends[2]
			})
		}
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if diff := cmp.Diff(want, string(text)); diff != "" {
			t.Errorf("%s: run make generate (-want +got)\n%s", page, diff)
		}
	}
}

func routeTable() string {
	var b strings.Builder
	b.WriteString("| route | request | least level | what it does |\n|---|---|---|---|\n")
	for _, e := range gateway.Table() {
		level := e.Level.String()
		if e.Session != nil {
			level = "none"
		}
		if e.Self {
			level += ", or the user themself"
		}
		path := strings.Replace(e.FullPath(), "/tenant/{tenant_id}/group/{group_id}/services/immediate_trunking_connectivity", "/…", 1)
		fmt.Fprintf(&b, "| `%s` | `%s %s` | %s | %s |\n", e.Name, e.Method, path, level, e.Summary)
	}
	return b.String()
}

func errorTable() string {
	var b strings.Builder
	b.WriteString("| status | code | name | what to do |\n|---|---|---|---|\n")
	byStatus := slices.SortedStableFunc(errcode.All(), func(a, b *errcode.Code) int { return a.Status - b.Status })
	for _, c := range byStatus {
		fmt.Fprintf(&b, "| %d | %d | `%s` | %s |\n", c.Status, c.Number, c.Name, c.Help)
	}
	return b.String()
}

// statusTable returns the keys of /status.json.
func statusTable() string {
	var b strings.Builder
	b.WriteString("| key | content |\n|---|---|\n")
	addKeys(&b, "", reflect.TypeFor[status.Status]())
	return b.String()
}

func addKeys(to *strings.Builder, prefix string, of reflect.Type) {
	for field := range of.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		inner := field.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Slice && inner.Elem().Kind() != reflect.Float64 {
			name, inner = name+"[]", inner.Elem()
		}
		fmt.Fprintf(to, "| `%s` | %s |\n", prefix+name, field.Tag.Get("doc"))
		if inner.Kind() == reflect.Struct && inner != reflect.TypeFor[time.Time]() {
			addKeys(to, prefix+name+".", inner)
		}
	}
}

// described matches the description of a metric by client_golang.
var described = regexp.MustCompile(`^Desc\{fqName: "([^"]*)", help: "([^"]*)", unit: "[^"]*", constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}\}$`)

// constant finds the names of labels whose values do not change.
var constant = regexp.MustCompile(`\w+=`)

func constantLabels(text string) []string {
	var names []string
	for _, found := range constant.FindAllString(text, -1) {
		names = append(names, strings.TrimSuffix(found, "="))
	}
	return names
}

func metricTable(t *testing.T) string {
	t.Helper()
	var rows []string
	for _, m := range describedMetrics(t) {
		if !strings.HasPrefix(m.name, "ocigate_") {
			continue // a metric of Go or of the process
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |\n", m.name, strings.Join(m.labels, ", "), m.help))
	}
	slices.Sort(rows)
	return "| metric | labels | meaning |\n|---|---|---|\n" + strings.Join(rows, "")
}

// describedMetric is a metric of the registry.
type describedMetric struct {
	name, help string
	labels     []string
}

// describedMetrics returns all metrics that a gateway can have, with those of Go and of the
// process.
func describedMetrics(t *testing.T) []describedMetric {
	t.Helper()
	m := gateway.NewMetrics("")
	m.Watch(idlePlatform{})
	m.WatchOperations(idleKeeper{})
	m.WatchJournal(idleKeeper{})
	m.WatchLock(idleKeeper{})
	m.WatchCertificates(func() []gateway.Certificate { return nil })
	m.WatchReloads(func() gateway.Reload { return gateway.Reload{} })
	m.WatchLog(idleLog{})
	m.WatchIssuer(func() (auth.IssuerStats, bool) { return auth.IssuerStats{}, false })
	m.WatchWireTraces(gateway.NewWireTraces(nil, nil))
	m.WatchConnections(func() []gateway.Connections { return nil })
	m.WatchSpans(func() gateway.SpanCounts { return gateway.SpanCounts{} })
	descriptions := make(chan *prometheus.Desc)
	go func() {
		m.Registry().Describe(descriptions)
		close(descriptions)
	}()
	var all []describedMetric
	for d := range descriptions {
		parts := described.FindStringSubmatch(d.String())
		if parts == nil {
			t.Fatalf("unexpected description: %s", d)
		}
		labels := append(constantLabels(parts[3]), strings.FieldsFunc(parts[4], func(r rune) bool { return r == ',' })...)
		all = append(all, describedMetric{name: parts[1], help: parts[2], labels: labels})
	}
	return all
}

func (idleKeeper) LockState() (held bool, err error) { return false, nil }

type idlePlatform struct{}

func (idlePlatform) Stats() oci.Stats { return oci.Stats{} }

type idleKeeper struct{}

func (idleKeeper) Unresolved() int                  { return 0 }
func (idleKeeper) JournalState() (time.Time, error) { return time.Time{}, nil }
func (idleKeeper) OldestUnresolved() time.Time      { return time.Time{} }
func (idleKeeper) TrailHead() operation.Head        { return operation.Head{} }

type idleLog struct{}

func (idleLog) Dropped() uint64 { return 0 }

// TestDemoShowsEveryRoute checks that there is a successful call of each route.
func TestDemoShowsEveryRoute(t *testing.T) {
	parameters := regexp.MustCompile(`\{[^}]*\}`)
	for _, e := range gateway.Table() {
		path := regexp.MustCompile("^" + parameters.ReplaceAllString(strings.TrimPrefix(e.FullPath(), "/api/v1"), "[^/]+") + "$")
		for _, from := range availableLists {
			shown := slices.ContainsFunc(demoCalls(from), func(c demoCall) bool {
				return c.method == e.Method && c.status == e.Status && path.MatchString(c.path)
			})
			if !shown {
				t.Errorf("demo_calls.go has no call of %s (%s %s) with status %d, with available from %s", e.Name, e.Method, e.Path, e.Status, from)
			}
		}
	}
}

// TestRoutesAreComplete checks each route for the fields that all routes need.
func TestRoutesAreComplete(t *testing.T) {
	names, routes := map[string]bool{}, map[string]bool{}
	for _, e := range gateway.Table() {
		route := e.Method + " " + e.FullPath()
		if names[e.Name] || routes[route] {
			t.Errorf("%s or %s is given more than once", e.Name, route)
		}
		names[e.Name], routes[route] = true, true
		operations := 0
		for _, there := range []bool{e.Query != nil, e.Change != nil, e.Session != nil, e.Journal != nil} {
			if there {
				operations++
			}
		}
		if operations != 1 {
			t.Errorf("%s has %d operations", e.Name, operations)
		}
		if e.Session == nil && e.Name != gateway.IndexRoute && e.Level < auth.GroupAdmin {
			t.Errorf("%s permits the level %s", e.Name, e.Level)
		}
		if !strings.HasSuffix(e.Summary, ".") || !strings.HasSuffix(e.Path, "/") {
			t.Errorf("%s: summary %q, path %q", e.Name, e.Summary, e.Path)
		}
	}
}
