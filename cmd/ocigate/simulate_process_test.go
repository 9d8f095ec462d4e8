//go:build linux

package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// These tests switch the faults of simulated platforms that run as separate processes.

// startSimulator starts a command that runs a simulated platform as a process, and returns
// the address of the platform.
func startSimulator(t *testing.T, ready string, args ...string) (p *bound, address string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(context.WithoutCancel(t.Context()), self, args...)
	c.Env = append(os.Environ(), asProgram+"=1")
	out := &output{}
	c.Stdout, c.Stderr = out, out
	p = startBound(t, c)
	pattern := regexp.MustCompile(ready)
	waitFor(t, func() bool {
		select {
		case <-p.ended:
			t.Fatalf("it ends: %v\n%s", p.failure, out)
		default:
		}
		return pattern.MatchString(out.String())
	})
	return p, pattern.FindStringSubmatch(out.String())[1]
}

func TestFaultsOfProcessesAreSwitched(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	demo, ofDemo := startSimulator(t, `simulated platform  ([0-9.:]+) `, "demo", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--platform-listen", "127.0.0.1:0")
	alone, ofAlone := startSimulator(t, `listens on ([0-9.:]+)\.`, "simulate", "--listen", "127.0.0.1:0")
	add := func(platform string) {
		t.Helper()
		if out, _, err := execute(t, "", "sim", "fault", "add", "refuse", "--platform", platform); err != nil || out != "1\n" {
			t.Errorf("%v, printed %q", err, out)
		}
	}
	add(ofDemo)
	add(ofAlone)
	if _, _, err := execute(t, "", "sim", "fault", "list"); err == nil || !strings.Contains(err.Error(), "choose one with --platform") {
		t.Errorf("of two: %v", err)
	}
	// A process that was killed leaves its socket. It does not count, and the next
	// platform at that address replaces it.
	alone.kill()
	if out, _, err := execute(t, "", "sim", "fault", "list"); err != nil || !strings.Contains(out, "refuse") {
		t.Errorf("of the demonstration: %v, printed %s", err, out)
	}
	alone, again := startSimulator(t, `listens on ([0-9.:]+)\.`, "simulate", "--listen", ofAlone)
	if out, _, err := execute(t, "", "sim", "fault", "list", "--platform", again); err != nil || strings.Contains(out, "refuse") {
		t.Errorf("after the start: %v, printed %s", err, out)
	}
	add(again)
	for _, p := range []*bound{demo, alone} {
		_ = p.command.Process.Signal(syscall.SIGTERM) // it fails if the process has ended
		<-p.ended
		if p.failure != nil {
			t.Error(p.failure)
		}
	}
	if _, err := os.Stat(simulationFolder()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is left: %v", err)
	}
}
