//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// These tests specify what the command doctor prints for each kind of fault. To add one,
// add it to one of the tables of faults, and run this test with -update, which writes
// testdata/doctor/faults.txt.

// doctorFault is a fault of what a gateway needs.
type doctorFault struct {
	name string
	// make returns a configuration with the fault.
	make func(t *testing.T) *doctorRig
	// check and of are the check that must report it, and code is the exit code. The
	// check has failed, or has the state.
	check, of string
	code      int
	state     checkState
	// says are parts of the line, so that the table does not depend on the file alone.
	says []string
}

// faultsFile has the lines for all faults.
var faultsFile = filepath.Join(moduleRoot, "testdata", "doctor", "faults.txt")

func TestDoctorNamesFaults(t *testing.T) {
	faults := slices.Concat(configurationFaults, networkFaults, tlsFaults, loginFaults, replyFaults, journalFaults, listenerFaults, otherFaults)
	var mu sync.Mutex // guards lines
	lines := make([]string, len(faults))
	t.Run("fault", func(t *testing.T) {
		for i, f := range faults {
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				line := f.verify(t)
				mu.Lock()
				defer mu.Unlock()
				lines[i] = line
			})
		}
	})
	if t.Failed() {
		return
	}
	got := "What ocigate doctor prints for each fault: the line that names it, and the exit code.\n" + strings.Join(lines, "")
	if *update {
		if err := os.WriteFile(faultsFile, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(faultsFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("run the test with -update (-want +got)\n%s", diff)
	}
}

// verify runs the command in both forms, and returns the text about the fault.
func (f *doctorFault) verify(t *testing.T) string {
	t.Helper()
	r := f.make(t)
	result, err := r.result()
	if exitCode(err) != f.code || result.ExitCode != f.code {
		t.Errorf("the exit code is %d, and %d in the JSON", exitCode(err), result.ExitCode)
	}
	found, ok := find(result, f.check, f.of)
	if !ok || found.State != stateOf(f.state) || found.State == checkFailed && found.ExitCode != f.code {
		t.Fatalf("no such check: %+v", result)
	}
	output, err := r.run()
	if exitCode(err) != f.code {
		t.Errorf("the exit code is %d without --json", exitCode(err))
	}
	line := r.normal(lineOf(output, found))
	for _, part := range append(f.says, r.normal(found.Cause), r.normal(found.Do)) {
		if line == "" || !strings.Contains(line, part) {
			t.Errorf("no %q in the line:\n%s\nof:\n%s", part, line, output)
		}
	}
	if _, err := os.Stat(filepath.Join(r.folder, "journal", operationsDatabase)); err == nil && !strings.HasPrefix(f.check, "journal") {
		t.Error("the command has made a journal")
	}
	return fmt.Sprintf("\n# %s: exit code %d\n%s", f.name, f.code, line)
}
