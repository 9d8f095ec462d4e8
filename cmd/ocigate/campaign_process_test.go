//go:build linux

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
)

// The gateway as a process that can be killed and started again, and the disk of its
// journal.

// binaryOfTest returns the binary of the tests, which the processes of the test and of its
// subtests run as the program: see [TestMain]. It validates its requests and responses.
// Nothing that runs in parallel may call it, because it changes the environment.
func binaryOfTest(t *testing.T) string {
	t.Helper()
	t.Setenv(asProgram, "1")
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// gatewaySettings are the settings in which the gateways of different tests differ.
type gatewaySettings struct {
	platform string
	settle   time.Duration
	journal  string // lines of YAML
	http     string // keys of section http, empty for short timeouts of a stop
}

// gatewayProcess is the program as a separate process, which can be killed and started
// again with the same configuration.
type gatewayProcess struct {
	binary, config, logFile string
	api, admin              string

	life *bound // nil while it does not run
}

// The gateway's timeouts are short, so that a campaign is, too. The response to a write
// takes at most requestTimeout and commandTimeout together.
const (
	requestTimeout = 4 * time.Second
	commandTimeout = time.Second
	recheckAfter   = 5 * time.Second
)

func newGatewayProcess(t *testing.T, binary string, s gatewaySettings) *gatewayProcess {
	t.Helper()
	folder := t.TempDir()
	g := &gatewayProcess{
		binary: binary, config: filepath.Join(folder, "ocigate.yaml"), logFile: filepath.Join(folder, "log"),
		api: quietAddress(t), admin: quietAddress(t),
	}
	var clients strings.Builder
	for i := range campaignTenants {
		fmt.Fprintf(&clients, "    - {id: %[1]s, hash: %[2]q, level: tenant, tenant_id: %[1]s}\n", tenantName(i), campaignHash())
	}
	text := fmt.Sprintf(`
http: {listen: %[1]q, request_timeout: %[2]s, write_timeout: 30s, %[12]s}
admin: {listen: %[3]q}
log: {format: text}
auth:
  verified_for: 60s
  clients:
    - {id: %[4]s, hash: %[5]q, level: system}
%[6]sjournal:
  settle: %[7]s
  recheck: %[8]s
  %[9]s
platform:
  endpoints: [{name: simulated, address: %[10]q, tls: {enabled: false}}]
  user_id: gateway
  password: gateway-secret
  timeouts: {connect: 1s, login: 1s, command: %[11]s}
  backoff: {initial: 100ms, max: 1s, refused: 1s, refused_max: 1s}
  pool: {min: 1, max: 8, wait: 3s}
`, g.api, requestTimeout, g.admin, systemClient, campaignHash(), clients.String(),
		s.settle, recheckAfter, s.journal, s.platform, commandTimeout, cmp.Or(s.http, "drain: 0s, shutdown_timeout: 500ms"))
	if err := os.WriteFile(g.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.kill)
	return g
}

// campaignHash returns the hash of campaignSecret with the lowest accepted cost.
func campaignHash() string {
	const memory, passes, threads, keyLength = 4 << 10, 1, 1, 32
	salt := []byte("salt of the test")
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memory, passes, threads,
		b64.EncodeToString(salt), b64.EncodeToString(argon2.IDKey([]byte(campaignSecret), salt, passes, memory, threads, keyLength)))
}

// quietAddress returns an address on loopback with a free port. The port is outside of the
// range that the system assigns to clients: otherwise a client could get it while the
// gateway does not run, and would then be connected to itself.
func quietAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 15_000+rand.IntN(15_000))
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return address
	}
	t.Fatal("there is no free port")
	return ""
}

// start starts the process and waits until it serves.
func (g *gatewayProcess) start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(g.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(g.binary, "serve", "--config", g.config)
	command.Stdout, command.Stderr = log, log
	life, err := newBound(command)
	_ = log.Close() // the process has its own copy
	if err != nil {
		t.Fatal(err)
	}
	g.life = life
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	deadline := time.Now().Add(wellAgain)
	for {
		response, err := client.Get("http://" + g.admin + "/readyz")
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-life.ended:
			t.Fatalf("the gateway does not start:\n%s", g.lastWords())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("the gateway is not ready: %v\n%s", err, g.lastWords())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// reload changes the limit of the pool and a timeout of its sessions, which are all replaced
// by that, and waits until the process uses the new ones. n decides the values.
func (g *gatewayProcess) reload(t *testing.T, n int) {
	t.Helper()
	text, err := os.ReadFile(g.config)
	if err != nil {
		t.Fatal(err)
	}
	changed := poolSetting.ReplaceAllString(string(text), fmt.Sprintf("pool: {min: 1, max: %d, wait: 3s}", 6+n%3))
	changed = connectSetting.ReplaceAllString(changed, fmt.Sprintf("connect: %dms", 1000+n%2))
	if err := os.WriteFile(g.config, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	before := g.count(reloadedLine)
	if err := g.life.command.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(wellAgain)
	for g.count(reloadedLine) == before {
		if time.Now().After(deadline) {
			t.Fatalf("the configuration is not reloaded:\n%s", g.lastWords())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// reloadedLine is in the line of the log after a reload.
const reloadedLine = `msg="configuration reloaded"`

var (
	poolSetting    = regexp.MustCompile(`pool: {.*}`)
	connectSetting = regexp.MustCompile(`connect: \w+`)
)

// count returns how often a text is in the log.
func (g *gatewayProcess) count(text string) int {
	log, err := os.ReadFile(g.logFile)
	if err != nil {
		return 0
	}
	return bytes.Count(log, []byte(text))
}

// kill ends the process with SIGKILL if it runs.
func (g *gatewayProcess) kill() {
	if g.life == nil {
		return
	}
	g.life.kill()
	g.life = nil
}

// stop sends SIGTERM to the process and waits for its end.
func (g *gatewayProcess) stop(t *testing.T) {
	t.Helper()
	if err := g.life.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	select {
	case <-g.life.ended:
	case <-time.After(wellAgain):
		t.Errorf("the gateway does not stop:\n%s", g.lastWords())
	}
	g.kill()
}

// run runs another command of the program with the same configuration.
func (g *gatewayProcess) run(ctx context.Context, args ...string) (string, error) {
	output, err := exec.CommandContext(ctx, g.binary, append(args, "--config", g.config)...).CombinedOutput()
	return string(output), err
}

// lastWords returns the end of the log.
func (g *gatewayProcess) lastWords() string {
	log, err := os.ReadFile(g.logFile)
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-4000):])
}

// logOf returns the last lines of the log that contain a word.
func (g *gatewayProcess) logOf(word string) []string {
	log, err := os.ReadFile(g.logFile)
	if err != nil {
		return []string{err.Error()}
	}
	var lines []string
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, word) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines[max(0, len(lines)-10):]
}

// disk is a small file system if one can be mounted, and otherwise a folder.
type disk struct {
	root    string
	mounted bool
}

// newDisk returns a disk that disappears at the end of this process, even if that is
// killed: it can only be reached through an open file of the process.
func newDisk(t *testing.T, size int64) *disk {
	t.Helper()
	d := &disk{root: t.TempDir()}
	if err := syscall.Mount("tmpfs", d.root, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		return d
	}
	root, err := os.Open(d.root)
	if err := errors.Join(err, syscall.Unmount(d.root, syscall.MNT_DETACH)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() }) // it was only kept open
	return &disk{root: fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), root.Fd()), mounted: true}
}

func (d *disk) folder(name string) string { return filepath.Join(d.root, name) }

// fill fills the disk.
func (d *disk) fill(t *testing.T) {
	t.Helper()
	f, err := os.Create(d.folder("ballast"))
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = f.Close() }() // all of it was written
	// Smaller writes fill the last pages: a record must not fit in the rest.
	for size := 1 << 20; size >= 512; {
		_, err := f.Write(make([]byte, size))
		if errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Error(err)
			return
		}
	}
}

// clear removes the file of fill.
func (d *disk) clear(t *testing.T) {
	t.Helper()
	if err := os.Remove(d.folder("ballast")); err != nil {
		t.Error(err)
	}
}
