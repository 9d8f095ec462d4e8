package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"ocigate/oci"
	"ocigate/oci/ocisim"
)

// These tests specify how the faults of a simulated platform that runs are switched. To add
// a refused command line, add an entry to TestFaultCommandsRefuse.

// versionCommand is a read that needs nothing.
const versionCommand = "SystemSoftwareVersionGetRequest"

// simulatedPlatform is a platform that "ocigate simulate" runs for a test.
type simulatedPlatform struct {
	*testing.T
	address string
	client  *oci.Client
}

func newSimulatedPlatform(t *testing.T, flags ...string) *simulatedPlatform {
	t.Helper()
	s := &simulatedPlatform{T: t, address: simulate(t, flags...)}
	var err error
	s.client, err = oci.New(oci.Options{Endpoints: []oci.Endpoint{{Address: s.address, UserID: "gateway", Password: "gateway-demo"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.client.Close(context.WithoutCancel(t.Context())) }) // the sessions may be gone
	return s
}

// fault runs a command of "ocigate sim fault" for this platform, and returns what it prints.
func (s *simulatedPlatform) fault(args ...string) string {
	s.Helper()
	out, errs, err := execute(s.T, "", slices.Concat([]string{"sim", "fault"}, args, []string{"--platform", s.address})...)
	if err != nil || errs != "" {
		s.Fatalf("%v: %v %s", args, err, errs)
	}
	return out
}

// refuses reports whether the platform refuses a read with the error of a fault.
func (s *simulatedPlatform) refuses() bool {
	s.Helper()
	replies, err := s.client.Read(s.Context(), oci.NewRead(versionCommand))
	if err != nil {
		s.Fatal(err)
	}
	return replies[0].Err() != nil
}

func TestFaultsAreSwitchedWhileThePlatformRuns(t *testing.T) {
	one := newSimulatedPlatform(t, "--fault", "slow command=NoCommand")
	two := newSimulatedPlatform(t)
	if one.refuses() || two.refuses() {
		t.Fatal("refused without a fault")
	}
	if id := one.fault("add", "error-before-apply command="+versionCommand); id != "2\n" {
		t.Errorf("the id is %q", id)
	}
	if !one.refuses() || two.refuses() {
		t.Error("the fault does not act, or acts in the other platform")
	}
	if got, want := one.fault("list"), "ID  HITS  FAULT\n1   0     slow command=NoCommand delay=1s\n2   1     error-before-apply command="+versionCommand+` number=9999 severity=Error summary="Injected fault"`+"\n"; got != want {
		t.Errorf("listed\n%swant\n%s", got, want)
	}
	if got := one.fault("remove", "2"); !strings.HasPrefix(got, "removed 2: error-before-apply") || !strings.HasSuffix(got, "(hits: 1)\n") {
		t.Errorf("printed %s", got)
	}
	if one.refuses() {
		t.Error("the fault acts after it was removed")
	}
	if id := one.fault("add", "error-before-apply", "summary=Not today", "command="+versionCommand); id != "3\n" {
		t.Errorf("the id is %q", id)
	}
	if !one.refuses() {
		t.Error("a fault of several arguments does not act")
	}
	if got := one.fault("remove", "--all"); strings.Count(got, "removed ") != 2 || !strings.Contains(got, `summary="Not today"`) {
		t.Errorf("printed %s", got)
	}
	if got := one.fault("list"); got != "ID  HITS  FAULT\n" || one.refuses() {
		t.Errorf("after all were removed: %s", got)
	}
}

func TestConnectionsOfARunningPlatformEnd(t *testing.T) {
	for _, flags := range [][]string{nil, {"--logout", "Maintenance"}} {
		s := newSimulatedPlatform(t)
		_ = s.refuses() // opens a session
		out, _, err := execute(t, "", append([]string{"simulate", "disconnect", "--platform", s.address}, flags...)...)
		if err != nil || out != "connections: 1\n" {
			t.Errorf("%v, printed %q", err, out)
		}
		waitFor(t, func() bool {
			out, _, err = execute(t, "", "simulate", "disconnect", "--platform", s.address)
			return err == nil && out == "connections: 0\n"
		})
	}
}

func TestFaultCommandsRefuse(t *testing.T) {
	s := newSimulatedPlatform(t)
	for name, test := range map[string]struct {
		args []string
		want []string
	}{
		"an unknown kind":              {[]string{"add", "drop-after-aply"}, []string{`unknown kind "drop-after-aply"`, "; did you mean drop-after-apply?"}},
		"all mistakes of a fault":      {[]string{"add", "stall", "delay=1s", "colour=red"}, []string{"the kind stall takes no delay", `unknown parameter "colour"`}},
		"no fault":                     {[]string{"add"}, []string{"requires at least 1 arg"}},
		"an id that does not exist":    {[]string{"remove", "7"}, []string{"there is no fault 7"}},
		"an id that is a word":         {[]string{"remove", "stall"}, []string{`"stall" is not the id of a fault`}},
		"nothing to remove":            {[]string{"remove"}, []string{"--all"}},
		"ids and all":                  {[]string{"remove", "1", "--all"}, []string{"--all"}},
		"a platform that does not run": {[]string{"list", "--platform", "127.0.0.1:1"}, []string{"no simulated platform answers at 127.0.0.1:1", s.address}},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"sim", "fault"}, test.args...)
			if !slices.Contains(args, "--platform") {
				args = append(args, "--platform", s.address)
			}
			out, _, err := execute(t, "", args...)
			if err == nil || out != "" {
				t.Fatalf("%v, wrote %s", err, out)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in the error %q", want, err)
				}
			}
		})
	}
	// What is refused at the start is refused with the same words while it runs.
	_, _, atStart := execute(t, "", "simulate", "--listen", "127.0.0.1:0", "--fault", "drop-after-aply delay=1s")
	_, _, later := execute(t, "", "simulate", "fault", "add", "drop-after-aply delay=1s", "--platform", s.address)
	if atStart == nil || later == nil || atStart.Error() != later.Error() {
		t.Errorf("at the start %q, later %q", atStart, later)
	}
}

func TestPlatformIsFoundIfOnlyOneRuns(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	list := func() error {
		_, _, err := execute(t, "", "sim", "fault", "list")
		return err
	}
	if err := list(); err == nil || !strings.Contains(err.Error(), "no simulated platform of this user runs") {
		t.Errorf("none: %v", err)
	}
	t.Run("some run", func(t *testing.T) {
		one := simulate(t)
		if err := list(); err != nil {
			t.Errorf("one: %v", err)
		}
		two := simulate(t)
		if err := list(); err == nil || !strings.Contains(err.Error(), one) || !strings.Contains(err.Error(), two) || !strings.Contains(err.Error(), "--platform") {
			t.Errorf("two: %v", err)
		}
	})
	if err := list(); err == nil {
		t.Error("they have ended")
	}
	if _, err := os.Stat(simulationFolder()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is left: %v", err)
	}
}

// TestPlatformRunsWithoutItsSocket checks that a platform whose faults cannot be switched
// is served, and reports why.
func TestPlatformRunsWithoutItsSocket(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, "")
	t.Setenv("TMPDIR", filepath.Join(file, "folder"))
	platform := newPlatform(t)
	log := &output{}
	stop := controlled(platform.Platform, testAddr("127.0.0.1:7"), slog.New(slog.NewTextHandler(log, nil)))
	stop()
	wantLine(t, log, "level=WARN", "cannot be switched while it runs", "not a directory")
}

// TestSocketIsOnlyForItsUser checks that the socket is in a folder that no other user can
// enter, and that another one's folder is not used.
func TestSocketIsOnlyForItsUser(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	platform := newPlatform(t)
	stop, err := controlSimulation(platform.Platform, testAddr("127.0.0.1:7"))
	if err != nil {
		t.Fatal(err)
	}
	folder := simulationFolder()
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	stop()
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := controlSimulation(platform.Platform, testAddr("127.0.0.1:7")); err == nil || !strings.Contains(err.Error(), "writable for every user") {
		t.Errorf("got %v", err)
	}
}

// TestFolderOfAnotherUserIsNotUsed checks that root does not use a folder that another user
// has created first, either: they could replace the socket.
func TestFolderOfAnotherUserIsNotUsed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can create a folder of another user")
	}
	t.Setenv("TMPDIR", t.TempDir())
	platform := newPlatform(t)
	stop, err := controlSimulation(platform.Platform, testAddr("127.0.0.1:7"))
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if err := os.Chown(simulationFolder(), 65534, -1); err != nil {
		t.Fatal(err)
	}
	const another = "belongs to the user with id 65534"
	if _, err := dialSimulator(t.Context(), "127.0.0.1:7"); err == nil || !strings.Contains(err.Error(), another) {
		t.Errorf("connecting: got %v", err)
	}
	if _, err := controlSimulation(platform.Platform, testAddr("127.0.0.1:8")); err == nil || !strings.Contains(err.Error(), another) {
		t.Errorf("listening: got %v", err)
	}
}

// TestPlatformsStartAndEndAtTheSameTime checks that none loses its socket because another
// one removes the folder.
func TestPlatformsStartAndEndAtTheSameTime(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	platform := newPlatform(t)
	var all sync.WaitGroup
	for i := range 8 {
		address := testAddr("127.0.0.1:" + strconv.Itoa(i+1))
		all.Go(func() {
			for range 20 {
				stop, err := controlSimulation(platform.Platform, address)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := dialSimulator(t.Context(), string(address)); err != nil {
					t.Error(err)
				}
				stop()
			}
		})
	}
	all.Wait()
}

type testAddr string

func (testAddr) Network() string  { return "tcp" }
func (a testAddr) String() string { return string(a) }

func TestFaultsAreCompleted(t *testing.T) {
	s := newSimulatedPlatform(t)
	s.fault("add", "refuse")
	complete := func(args ...string) []string {
		out, _, err := execute(t, "", append([]string{"__complete", "sim", "fault"}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(out, "\n")
	}
	kinds := complete("add", "")
	for _, k := range ocisim.FaultKinds() {
		if !slices.Contains(kinds, string(k.Kind)+"\t"+k.Help) {
			t.Errorf("%s is not completed: %q", k.Kind, kinds)
		}
	}
	if got := complete("add", "slow", "times=1", ""); !slices.Contains(got, "delay=") || !slices.Contains(got, "command=") || slices.Contains(got, "times=") || slices.Contains(got, "rows=") {
		t.Errorf("the parameters are %q", got)
	}
	if got := complete("remove", "--platform", s.address, ""); !slices.Contains(got, "1\trefuse") {
		t.Errorf("the ids are %q", got)
	}
	if got := complete("list", "--platform", ""); !slices.Contains(got, s.address) {
		t.Errorf("the platforms are %q", got)
	}
}
