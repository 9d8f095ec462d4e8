//go:build linux

package assets_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// This test specifies what the program needs beside itself: its configuration, its secrets
// and a folder for its journal. It runs alone in a root that has nothing else and is
// read-only, as an unprivileged user without capabilities, as an engine runs the image.

const (
	// aloneArgument makes this test's program the one that enters the root.
	aloneArgument = "run-alone"
	// aloneUser is the user of the image.
	aloneUser = 65532
)

// Numbers of linux/capability.h and linux/prctl.h.
const (
	capSysChroot         = 18
	capSysAdmin          = 21
	prSetNoNewPrivs      = 38
	prCapAmbient         = 47
	prCapAmbientClearAll = 4
)

// An emptyRoot is a root with this program in it.
type emptyRoot struct {
	*testing.T
	folder  string // the root, read-only for what runs in it
	journal string // mounted at /var/lib/ocigate
}

func newEmptyRoot(t *testing.T, configuration string) *emptyRoot {
	t.Helper()
	base, err := os.MkdirTemp("", "alone")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	r := &emptyRoot{t, filepath.Join(base, "root"), filepath.Join(base, "journal")}
	write(t, filepath.Join(r.folder, "etc/ocigate/ocigate.yaml"), configuration)
	write(t, filepath.Join(r.folder, "run/secrets/platform"), "gateway-demo\n")
	write(t, filepath.Join(r.folder, "usr/bin/ocigate"), read(t, binary(t)))
	for _, err := range []error{
		os.Chmod(base, 0o755), os.Chmod(filepath.Join(r.folder, "usr/bin/ocigate"), 0o755),
		os.MkdirAll(filepath.Join(r.folder, "var/lib/ocigate"), 0o755), os.Mkdir(r.journal, 0o700),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if os.Getuid() == 0 {
		if err := os.Chown(r.journal, aloneUser, aloneUser); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// command returns the command of the program in the root.
func (r *emptyRoot) command(args ...string) *exec.Cmd {
	c := exec.CommandContext(context.WithoutCancel(r.Context()), os.Args[0], append([]string{aloneArgument, r.folder, r.journal}, args...)...)
	c.Env = []string{"OCIGATE_HTTP_DRAIN=0s"}
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 {
		// The user's own id, with the capabilities to mount.
		c.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: aloneUser, HostID: os.Getuid(), Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: aloneUser, HostID: os.Getgid(), Size: 1}}
		c.SysProcAttr.AmbientCaps = []uintptr{capSysAdmin, capSysChroot}
	}
	return c
}

// runAlone enters the root of its arguments and becomes the program there. It is called in a
// mount namespace of its own.
func runAlone() {
	runtime.LockOSThread() // what is set below is that of a thread
	root, journal, args := os.Args[2], os.Args[3], os.Args[4:]
	inside := filepath.Join(root, "var/lib/ocigate")
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"keep mounts private", func() error { return syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "") }},
		{"mount the root", func() error { return syscall.Mount(root, root, "", syscall.MS_BIND, "") }},
		{"mount the journal", func() error { return syscall.Mount(journal, inside, "", syscall.MS_BIND, "") }},
		{"make the root read-only", func() error {
			return syscall.Mount("", root, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY|syscall.MS_NOSUID|syscall.MS_NODEV, "")
		}},
		{"change the root", func() error { return syscall.Chroot(root) }},
		{"change the folder", func() error { return os.Chdir("/var/lib/ocigate") }},
		{"change the user", becomeUnprivileged},
		{"run the program", func() error {
			return syscall.Exec("/usr/bin/ocigate", append([]string{"/usr/bin/ocigate"}, args...), os.Environ())
		}},
	} {
		if err := step.do(); err != nil {
			fmt.Fprintf(os.Stderr, "cannot %s: %v\n", step.name, err)
			os.Exit(aloneFailed)
		}
	}
}

// aloneFailed is the exit code if the root cannot be entered.
const aloneFailed = 125

func becomeUnprivileged() error {
	if os.Geteuid() == 0 {
		for _, err := range []error{syscall.Setgroups(nil), syscall.Setgid(aloneUser), syscall.Setuid(aloneUser)} {
			if err != nil {
				return err
			}
		}
	}
	for _, option := range [][2]uintptr{{prCapAmbient, prCapAmbientClearAll}, {prSetNoNewPrivs, 1}} {
		if _, _, failed := syscall.RawSyscall6(syscall.SYS_PRCTL, option[0], option[1], 0, 0, 0, 0); failed != 0 {
			return failed
		}
	}
	return nil
}

// need skips the test where no root can be entered.
func (r *emptyRoot) need() {
	r.Helper()
	out, err := r.command("version").CombinedOutput()
	if err != nil && (strings.Contains(string(out), "cannot ") || strings.Contains(err.Error(), "not permitted")) {
		missing(r.T, fmt.Sprintf("neither root nor user namespaces: %v %s", err, out))
	}
	if err != nil {
		r.Fatalf("%v\n%s", err, out)
	}
}

// TestTheBinaryAlone serves, checks and writes in an empty root.
func TestTheBinaryAlone(t *testing.T) {
	platform := startTool(t, exec.Command(binary(t), "simulate", "--listen", "127.0.0.1:0"), regexp.MustCompile(`listens on ([0-9.:]+)\.\n`))
	admin := freeAddress(t)
	r := newEmptyRoot(t, fmt.Sprintf(`
http: {listen: "127.0.0.1:0"}
admin: {listen: %q}
auth: {clients: [{id: portal, hash: %q, level: system}]}
journal: {folder: /var/lib/ocigate/journal}
platform:
  endpoints: [{name: simulated, address: %q, tls: {enabled: false}}]
  user_id: gateway
  password: {file: /run/secrets/platform}
`, admin, strings.TrimSpace(hashOf(t, "portal")), platform.found[1]))
	r.need()
	before := snapshot(t, r.folder)

	gateway := startTool(t, r.command("serve", "--config", "/etc/ocigate/ocigate.yaml"), regexp.MustCompile(`"api":"([0-9.:]+)"`))
	r.eventually("health", "--ready", "--config", "/etc/ocigate/ocigate.yaml")
	if status, body := callAs(t, "portal:portal", "POST", "http://"+gateway.found[1]+"/api/v1/tenant/ApioSpTest/group/ApioGrpTest/services/immediate_trunking_connectivity/numbers/", `{"numbers":[{"minPhoneNumber":"+3225126999"}]}`); status/100 != 2 {
		t.Errorf("the write returns %d %s", status, body)
	}
	out, err := r.command("doctor", "--config", "/etc/ocigate/ocigate.yaml").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "No check has failed.") || !strings.Contains(string(out), "ocigate v1.0.0 runs and is ready") {
		t.Errorf("doctor: %v\n%s", err, out)
	}
	if out, err := r.command("operations", "list", "--config", "/etc/ocigate/ocigate.yaml").CombinedOutput(); err != nil {
		t.Errorf("operations: %v\n%s", err, out)
	}
	status := read(t, fmt.Sprintf("/proc/%d/status", gateway.command.Process.Pid))
	for _, line := range []string{`CapEff:\t0+\n`, `NoNewPrivs:\t1\n`} {
		if !regexp.MustCompile(line).MatchString(status) {
			t.Errorf("not %s:\n%s", line, status)
		}
	}
	gateway.stop()
	if out, err := r.command("health", "--config", "/etc/ocigate/ocigate.yaml").CombinedOutput(); err == nil {
		t.Errorf("it is healthy after its end: %s", out)
	}
	if after := snapshot(t, r.folder); !slices.Equal(before, after) {
		t.Errorf("the root has changed:\n%v\n%v", before, after)
	}
	if journal := snapshot(t, r.journal); len(journal) < 3 {
		t.Errorf("the journal has only %v", journal)
	}
}

// TestTheBinaryWithoutAuthorities checks what doctor reports where there are no certificate
// authorities, as in an image that was made without them.
func TestTheBinaryWithoutAuthorities(t *testing.T) {
	platform := startTool(t, exec.Command(binary(t), "simulate", "--tls", "--listen", "127.0.0.1:0"), regexp.MustCompile(`listens on ([0-9.:]+)\.\n`))
	r := newEmptyRoot(t, fmt.Sprintf(`
journal: {folder: /var/lib/ocigate/journal}
platform:
  endpoints: [{name: simulated, address: %q}]
  user_id: gateway
  password: {file: /run/secrets/platform}
`, platform.found[1]))
	r.need()
	out, err := r.command("doctor", "--config", "/etc/ocigate/ocigate.yaml").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "this system or container has no certificate authorities") || !strings.Contains(string(out), "ca_file") {
		t.Errorf("%v\n%s", err, out)
	}
}

// eventually runs a command until it succeeds.
func (r *emptyRoot) eventually(args ...string) {
	r.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		out, err := r.command(args...).CombinedOutput()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			r.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
}

// patience is how long a busy machine may take for anything here.
const patience = time.Minute

// snapshot returns what is below a folder: names, sizes and times.
func snapshot(t *testing.T, folder string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			found = append(found, fmt.Sprintf("%s %v %d %v", path, info.Mode(), info.Size(), info.ModTime()))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// freeAddress returns an address on loopback at which nothing listens. Its port is outside of
// the range that the system assigns to others meanwhile.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 15_000+rand.IntN(15_000))
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close() // nothing has connected
			return address
		}
	}
	t.Fatal("there is no free port")
	return ""
}

// callAs makes a request of a client, which is given with its secret.
func callAs(t *testing.T, client, method, url, body string) (status int, text string) {
	t.Helper()
	id, secret, _ := strings.Cut(client, ":")
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth(id, secret)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(read) {
		t.Errorf("not JSON: %s", read)
	}
	return response.StatusCode, string(read)
}

// started is a program in the background.
type started struct {
	*testing.T
	command *exec.Cmd
	found   []string // what its output has matched
	out     *output
	ended   chan struct{} // closed at its end
	failure error         // set before
	once    sync.Once
}

// output collects what a program prints.
type output struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// startTool starts a program, and waits until its output matches. The test stops it at its
// end.
func startTool(t *testing.T, c *exec.Cmd, ready *regexp.Regexp) *started {
	t.Helper()
	s := &started{T: t, command: c, out: &output{}, ended: make(chan struct{})}
	c.Stdout, c.Stderr = s.out, s.out
	if err := c.Start(); err != nil {
		missingOrFatal(t, err)
	}
	go func() {
		s.failure = c.Wait()
		close(s.ended)
	}()
	t.Cleanup(s.stop)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		if s.found = ready.FindStringSubmatch(s.out.String()); s.found != nil {
			return s
		}
		select {
		case <-s.ended:
			t.Fatalf("%v ends: %v\n%s", c.Args, s.failure, s.out)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v is not ready:\n%s", c.Args, s.out)
		}
	}
}

func missingOrFatal(t *testing.T, err error) {
	t.Helper()
	if os.IsPermission(err) {
		missing(t, "namespaces are not permitted: "+err.Error())
	}
	t.Fatal(err)
}

// stop ends the program by SIGTERM, which must be without an error.
func (s *started) stop() {
	s.once.Do(func() {
		_ = s.command.Process.Signal(syscall.SIGTERM) // it fails if the process has ended
		select {
		case <-s.ended:
		case <-time.After(patience):
			_ = s.command.Process.Kill() // it has been waited for long enough
			<-s.ended
		}
		if s.failure != nil {
			s.Errorf("%v: %v\n%s", s.command.Args, s.failure, s.out)
		}
	})
}
