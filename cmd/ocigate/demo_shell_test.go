package main

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ocigate/config"
	"ocigate/translate/errcode"
)

// These tests run the lines of the demonstration and the examples of the documentation in
// a shell. A new error of the API needs a call in demo_errors.go or demo_faults.go, or a
// reason in notDemonstrated.

// inDemo runs a test while a demonstration runs, with the address of its API.
func inDemo(t *testing.T, d demo, test func(t *testing.T, api string)) {
	t.Helper()
	d.api, d.admin, d.platform = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	var log output
	err := runDemo(t.Context(), &d, &log, func(_ context.Context, api, _, _ net.Addr) error {
		test(t, api.String())
		return nil
	})
	if err != nil {
		t.Errorf("the demonstration: %v\n%s", err, &log)
	}
}

// shell runs a line in a shell. It returns the output without the carriage returns of
// headers.
func shell(t *testing.T, line string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-c", line).Output()
	if err != nil {
		t.Errorf("%s: %v", line, err)
	}
	return strings.ReplaceAll(string(out), "\r\n", "\n")
}

func needsCurl(t *testing.T) {
	t.Helper()
	for _, program := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
}

// TestDemoShowsLinesForAShell runs the lines of the banner in a shell.
func TestDemoShowsLinesForAShell(t *testing.T) {
	t.Parallel() // it waits most of the time
	needsCurl(t)
	for name, d := range map[string]demo{"without a fault": {availableFrom: config.AvailableFromGroup}, "with overload": {fault: "overload"}, "with lost-answer": {fault: "lost-answer"}} {
		t.Run(name, func(t *testing.T) {
			inDemo(t, d, func(t *testing.T, api string) {
				fault, err := faultByName(d.fault)
				if err != nil {
					t.Fatal(err)
				}
				d.injected = fault
				for _, call := range d.calls() {
					got := shell(t, call.curl("http://"+api))
					if call.want != "" && len(call.each) == 0 {
						if err := sameJSON(call.want, []byte(got)); err != nil {
							t.Errorf("%s: %v", call.title, err)
						}
					}
					if call.code != 0 && !strings.Contains(got, fmt.Sprintf(`{"errors":[{"code":%d,`, call.code)) {
						t.Errorf("%s: got %s", call.title, got)
					}
					for _, part := range call.has {
						if !strings.Contains(got, part) {
							t.Errorf("%s: got %s", call.title, got)
						}
					}
				}
			})
		})
	}
}

// TestEveryErrorIsDemonstrated checks that there is a call for each error, or the reason why
// there is none.
func TestEveryErrorIsDemonstrated(t *testing.T) {
	shown := map[int]bool{}
	lists := [][]demoCall{demoCalls(config.AvailableFromGroup)}
	for _, f := range demoFaults {
		lists = append(lists, f.calls)
	}
	for _, call := range slices.Concat(lists...) {
		shown[call.code] = true
	}
	known := map[int]bool{}
	for c := range errcode.All() {
		known[c.Number] = true
		if _, why := notDemonstrated[c.Number]; shown[c.Number] == why {
			t.Errorf("%d %s: demonstrated: %v, and there is a reason why not: %v", c.Number, c.Name, shown[c.Number], why)
		}
	}
	for number, why := range notDemonstrated {
		if !known[number] || !strings.HasSuffix(why, ".") {
			t.Errorf("%d: there is no such error, or %q is no reason", number, why)
		}
	}
}

func TestDemoFaultsAreValid(t *testing.T) {
	names := map[string]bool{}
	for _, f := range demoFaults {
		if names[f.name] || f.name == "" || f.help == "" || len(f.calls) == 0 {
			t.Errorf("%s: its name is given twice, or something is missing", f.name)
		}
		names[f.name] = true
		if _, err := f.seed(); err != nil {
			t.Errorf("%s: %v", f.name, err)
		}
	}
	help, _, err := execute(t, "", "demo", "--help")
	if err != nil {
		t.Fatal(err)
	}
	for name := range names {
		if !regexp.MustCompile(`(?m)^  ` + name + ` `).MatchString(help) {
			t.Errorf("%s is not in the help:\n%s", name, help)
		}
	}
	if _, _, err := execute(t, "", "demo", "--fault", "lost-answr"); err == nil || !strings.HasSuffix(err.Error(), "; did you mean lost-answer?") {
		t.Errorf("got %v", err)
	}
}

// TestDemoShowsItsFault checks that the banner names the fault, and shows its calls instead
// of the others.
func TestDemoShowsItsFault(t *testing.T) {
	for _, f := range demoFaults {
		d := demo{fault: f.name, injected: &f}
		var out output
		if err := d.printBanner(&out, "http://127.0.0.1:1", "http://127.0.0.1:2", "127.0.0.1:3"); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); !strings.Contains(got, f.name+": "+f.help) || strings.Count(got, "/api/v1/t")+strings.Count(got, "/api/v1/operations/$") != len(f.calls) {
			t.Errorf("%s: got %s", f.name, got)
		}
	}
}
