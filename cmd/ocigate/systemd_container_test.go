//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// These helpers boot systemd in a container, with a build of the program in /root/bin. Its /usr
// is that of the machine; what is written there stays in the container. It shares the network
// of the tests, so that they are its platform and its callers.

// systemdRequired is an environment variable that makes the tests with systemd run, and
// fail where they cannot. It is not set in "go test", since they boot a system.
const systemdRequired = "SYSTEMD_REQUIRED"

// container is a container in which systemd runs as the first process.
type container struct {
	t    *testing.T // of the test that has booted it
	root string     // folder
	init int        // process id of its systemd
}

// bootSystemd boots a machine, which ends with the test.
func bootSystemd(t *testing.T) *container {
	t.Helper()
	if os.Getenv(systemdRequired) == "" {
		t.Skip("it boots systemd in a container: .ci/systemd runs it")
	}
	if os.Getuid() != 0 {
		t.Fatal("a container needs root")
	}
	m := &container{t: t, root: t.TempDir()}
	for _, link := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.Symlink("usr/"+link, filepath.Join(m.root, link)); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string]string{
		"etc/passwd":     "root:x:0:0:root:/root:/bin/sh\n",
		"etc/group":      "root:x:0:\n",
		"etc/machine-id": "0123456789abcdef0123456789abcdef\n",
		"etc/os-release": "ID=test\n",
	} {
		m.write(name, content, 0o644)
	}
	for _, name := range []string{"usr", "var", "run", "tmp", "proc", "sys", "dev", "root"} {
		if err := os.Mkdir(filepath.Join(m.root, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	buildProgram(t, filepath.Join(m.root, "root/bin/ocigate"))
	// Its own processes end with unshare, and that ends with the test.
	command := exec.Command("unshare", "--pid", "--fork", "--kill-child=SIGKILL", "--mount", "--mount-proc",
		"systemd-nspawn", "--directory="+m.root, "--overlay=/usr:"+t.TempDir()+":/usr", "--machine=ocigate-test",
		"--register=no", "--keep-unit", "--boot", "--console=pipe", "systemd.unit=multi-user.target")
	log := &output{}
	command.Stdout, command.Stderr = log, log
	outer := startBound(t, command)
	waitFor(t, func() bool {
		select {
		case <-outer.ended:
			t.Fatalf("the container does not start: %v\n%s", outer.failure, log)
		default:
		}
		m.init = systemdBelow(outer.command.Process.Pid)
		return m.init > 0
	})
	m.await(t, "the system", func() bool { _, err := m.try("systemctl", "is-system-running"); return err == nil })
	return m
}

// buildProgram builds the program for the machine, statically.
func buildProgram(t *testing.T, path string) {
	t.Helper()
	command := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, ".")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// systemdBelow returns the id of the process of systemd among the descendants of a process,
// 0 for none.
func systemdBelow(process int) int {
	for {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", process))
		first, _, found := strings.Cut(string(children), " ")
		if err != nil || !found {
			return 0
		}
		if process, err = strconv.Atoi(first); err != nil {
			return 0
		}
		if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", process)); err == nil && string(name) == "systemd\n" {
			return process
		}
	}
}

// write writes a file of the machine.
func (m *container) write(name, content string, mode os.FileMode) {
	m.t.Helper()
	path := filepath.Join(m.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		m.t.Fatal(err)
	}
}

// try runs a command in the machine, and returns its output without the last line break.
func (m *container) try(name string, args ...string) (out string, err error) {
	command := exec.Command("nsenter", append([]string{"--target", strconv.Itoa(m.init), "--all", "--wdns=/", name}, args...)...)
	output, err := command.CombinedOutput()
	return strings.TrimSuffix(string(output), "\n"), err
}

// run runs a command in the machine, which must succeed.
func (m *container) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := m.try(name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s\n%s", name, strings.Join(args, " "), err, out, m.log())
	}
	return out
}

// log returns the log of the service.
func (m *container) log() string {
	out, _ := m.try("journalctl", "--no-pager", "--output=cat", "--unit=ocigate")
	return out
}

// follow runs the blocks of commands of the page about systemd that contain a text, as root.
func (m *container) follow(t *testing.T, text string) (out string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(moduleRoot, "config/README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n### systemd\n")
	section, _, _ = strings.Cut(section, "\n## ")
	followed := 0
	for _, block := range blocks(section, "sh") {
		if strings.Contains(block, text) {
			followed++
			out += m.run(t, "sh", "-e", "-c", "cd /root\n"+block)
		}
	}
	if followed == 0 {
		t.Fatalf("the page has no block with %s", text)
	}
	return out
}

// property returns a property of the service.
func (m *container) property(t *testing.T, name string) string {
	t.Helper()
	return m.run(t, "systemctl", "show", "--value", "--property="+name, "ocigate")
}

// wantProperties compares properties of the service.
func (m *container) wantProperties(t *testing.T, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got := m.property(t, name); got != value {
			t.Errorf("%s is %q, want %q\n%s", name, got, value, m.log())
		}
	}
}

// awaitProperty waits for the value of a property.
func (m *container) awaitProperty(t *testing.T, name, want string) {
	t.Helper()
	m.await(t, name+" "+want, func() bool { return m.property(t, name) == want })
}

// await waits until something is true, but not for ever.
func (m *container) await(t *testing.T, what string, isTrue func() bool) {
	t.Helper()
	deadline := time.Now().Add(wellAgain)
	waitFor(t, func() bool {
		is := isTrue()
		if !is && time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s\n%s", what, m.log())
		}
		return is
	})
}
