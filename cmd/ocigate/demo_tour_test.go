package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"ocigate/config/assets"
)

// These tests go through the tour of the demonstration. To add a stage, add a row to
// tourStages: TestTourShowsEveryStage goes through it.

// tourRules returns rules that have every alert of the stages.
func tourRules() fs.FS {
	text := "groups:\n- name: ocigate\n  rules:\n  - {record: ocigate:up:count, expr: count(up)}\n"
	for _, s := range tourStages {
		for _, name := range s.alerts {
			text += fmt.Sprintf("  - {alert: %s, expr: \"metric_of_%s\\n  > 0\", for: 7m, labels: {severity: warning}, annotations: {summary: It is bad.}}\n", name, name)
		}
	}
	return fstest.MapFS{alertsFile: {Data: []byte(text)}}
}

// takeTour goes through stages, all if none is named, and returns what is printed.
func takeTour(t *testing.T, stages ...string) (string, error) {
	t.Helper()
	d := demo{api: "127.0.0.1:0", admin: "127.0.0.1:0", platform: "127.0.0.1:0", tour: true, stages: stages}
	var out output
	err := d.runTour(t.Context(), &out, tourRules())
	return out.String(), err
}

func TestTourShowsEveryStage(t *testing.T) {
	t.Parallel() // it waits most of the time
	out, err := takeTour(t)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	unwrapped := strings.Join(strings.Fields(out), " ")
	for i, s := range tourStages {
		if !strings.Contains(out, fmt.Sprintf("\n%d of %d  %s: %s\n", i+1, len(tourStages), s.name, s.title)) {
			t.Errorf("the stage %s is not printed", s.name)
		}
		for _, fault := range s.faults {
			if !strings.Contains(out, "$ bin/ocigate sim fault add '"+fault+"'\n") {
				t.Errorf("the fault %s is not printed", fault)
			}
		}
		for _, name := range s.alerts {
			if !strings.Contains(unwrapped, name+" (warning): It is bad. It fires if this holds for 7m: metric_of_"+name+" > 0") {
				t.Errorf("the alert %s is not printed", name)
			}
		}
	}
	for _, want := range []string{
		"caller     status 504, Operation-Outcome: unknown, Retry-After: ",
		"operation  state: not_done, known by: reading\n",
		"log        level=ERROR msg=\"the journal is not usable",
		"metric     ocigate_platform_account_refused 0 -> 1\n",
		"platform.pool.maxx: is not a key; did you mean max?",
		fmt.Sprintf("\nstages: %d, not shown as declared: 0\n", len(tourStages)),
	} {
		if !strings.Contains(out, want) {
			t.Errorf("not printed: %s", want)
		}
	}
	for line := range strings.Lines(out) {
		// A terminal usually has 80 columns. Commands are longer, so that they can be copied.
		if len([]rune(line)) > 80+len("\n") && !strings.Contains(line, "$ ") {
			t.Errorf("a line is too long: %s", line)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}

func TestTourShowsOneStage(t *testing.T) {
	out, err := takeTour(t, "lost-reply")
	if err != nil || strings.Count(out, "\n1 of 1  lost-reply: ") != 1 {
		t.Errorf("%v, printed\n%s", err, out)
	}
}

// TestTourStagesAreValid checks that each stage has a name of its own, and that its alerts
// exist in the rules of this version.
func TestTourStagesAreValid(t *testing.T) {
	alerts, err := readAlerts(assets.Files())
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, s := range tourStages {
		if names[s.name] || s.name == "" || s.title == "" || s.about == "" || len(s.calls) == 0 || len(s.logs) == 0 || len(s.metrics) == 0 || (len(s.alerts) == 0) == (s.noAlert == "") {
			t.Errorf("%s: its name is given twice, or something is missing", s.name)
		}
		names[s.name] = true
		for _, name := range s.alerts {
			if _, ok := alerts[name]; !ok {
				t.Errorf("%s: %s has no alert %s", s.name, alertsFile, name)
			}
		}
	}
}

// TestTourFailsUnlessAStageShowsWhatItDeclares changes one thing of a stage at a time.
func TestTourFailsUnlessAStageShowsWhatItDeclares(t *testing.T) {
	for name, test := range map[string]struct {
		change func(s *tourStage)
		want   string
	}{
		"another status":    {func(s *tourStage) { s.calls = []demoCall{tourList.fails(502, 1011, nil)} }, "status 200"},
		"no such alert":     {func(s *tourStage) { s.alerts = []string{"OcigateNothing"} }, "prometheus/rules.yaml has no alert OcigateNothing"},
		"a malformed fault": {func(s *tourStage) { s.faults = []string{"explode"} }, `unknown kind "explode"`},
	} {
		t.Run(name, func(t *testing.T) {
			stage := tourStage{name: "changed", title: "a read", calls: []demoCall{tourList}, noAlert: "none."}
			test.change(&stage)
			d := demo{api: "127.0.0.1:0", admin: "127.0.0.1:0", platform: "127.0.0.1:0", tour: true}
			var out output
			err := d.takeStages(t.Context(), &out, tourRules(), []tourStage{stage})
			if err == nil || !strings.Contains(err.Error(), "changed") || !strings.Contains(strings.Join(strings.Fields(out.String()), " "), "NOT SHOWN") || !strings.Contains(out.String(), test.want) {
				t.Errorf("%v, printed\n%s", err, &out)
			}
		})
	}
}

func TestTourMetrics(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("# HELP a text\n# TYPE a counter\na{b=\"c\",d=\"e f\"} 2\na{b=\"c\",d=\"g\"} 3\na{b=\"cc\",d=\"g\"} 5\nalone 7\n"))
	}))
	defer server.Close()
	now, err := (&tour{admin: server.URL}).metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []tourMetric{
		{name: "a", is: 10},
		{name: "a", labels: `b="c"`, is: 5},
		{name: "a", labels: `d="g",b="c"`, is: 3},
		{name: "alone", is: 7},
	} {
		if err := m.compare(nil, now); err != nil {
			t.Error(err)
		}
	}
	if got := (tourMetric{name: "a", labels: `b="c"`}).change(samples{`a{b="c"}`: 1}, now); got != `a{b="c"}  1 -> 5` {
		t.Error(got)
	}
	for _, m := range []tourMetric{{name: "b"}, {name: "a", labels: `b="x"`}, {name: "alone", is: 6}, {name: "alone", grows: true}} {
		if err := m.compare(now, now); err == nil {
			t.Errorf("%v: no error", m)
		}
	}
}

func TestTourAsksAPrometheus(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/alerts" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(`{"status":"success","data":{"alerts":[{"labels":{"alertname":"A"},"state":"firing"},{"labels":{"alertname":"A"},"state":"pending"},{"labels":{"alertname":"B"},"state":"pending"}]}}`))
	}))
	defer server.Close()
	for name, want := range map[string]string{"A": "firing", "B": "pending"} {
		if got, err := awaitAlert(t.Context(), server.URL+"/", name); err != nil || got != want {
			t.Errorf("%s is %s, %v", name, got, err)
		}
	}
	if _, err := alertState(t.Context(), server.URL, "C"); !errors.Is(err, errInactive) {
		t.Errorf("C: %v", err)
	}
	if _, err := alertState(t.Context(), server.URL+"/elsewhere", "A"); err == nil {
		t.Error("no error")
	}
}

func TestTourFlags(t *testing.T) {
	out, _, err := execute(t, "", "demo", "--tour", "--list")
	if err != nil || strings.Count(out, "\n") != len(tourStages) || !strings.HasPrefix(out, "normal ") {
		t.Errorf("%v, printed %s", err, out)
	}
	for line, want := range map[string]string{
		"demo --list":                        "--tour",
		"demo --stage down":                  "--tour",
		"demo --tour --stage dwn":            "; did you mean down?",
		"demo --tour --check":                "none of the others can be",
		"demo --tour --fault down":           "none of the others can be",
		"demo --tour --available-from group": "none of the others can be",
	} {
		if _, _, err := execute(t, "", strings.Fields(line)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", line, err)
		}
	}
	completed, _, err := execute(t, "", "__complete", "demo", "--tour", "--stage", "")
	if err != nil || !slices.Contains(strings.Split(completed, "\n"), "down\t"+tourStages[slices.IndexFunc(tourStages, func(s tourStage) bool { return s.name == "down" })].title) {
		t.Errorf("%v, completed %s", err, completed)
	}
}

// TestTourEndsWhenItIsInterrupted checks that a tour does not go on after Ctrl-C.
func TestTourEndsWhenItIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	stages := []tourStage{
		{name: "first", title: "it is interrupted", calls: []demoCall{tourList}, noAlert: "none.", begin: func(context.Context, *tour) (string, error) { cancel(); return "", nil }},
		{name: "second", title: "it is not begun", calls: []demoCall{tourList}, noAlert: "none."},
	}
	d := demo{api: "127.0.0.1:0", admin: "127.0.0.1:0", platform: "127.0.0.1:0", tour: true}
	var out output
	if err := d.takeStages(ctx, &out, tourRules(), stages); !errors.Is(err, context.Canceled) || strings.Contains(out.String(), "second") || strings.Contains(out.String(), "NOT SHOWN") {
		t.Errorf("%v, printed\n%s", err, &out)
	}
}
