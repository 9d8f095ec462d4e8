//go:build linux

package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"ocigate/oci/ocisim"
)

// arena is what a campaign takes place in.
type arena struct {
	progress

	t        *testing.T
	plan     plan
	seed     uint64
	platform *ocisim.Server
	gateway  *gatewayProcess
	disk     *disk
	callers  []*caller
	setters  []*caller // who replace lists as a whole
	// transport is all callers' own, as that of one portal.
	transport *http.Transport

	kills, stops, fullDisks int            // that have happened
	between                 map[string]int // kills between the steps of a write, by their way
}

func newArena(t *testing.T, binary string, p plan, seed uint64) *arena {
	t.Helper()
	a := &arena{t: t, plan: p, seed: seed, disk: newDisk(t, p.diskBytes()), between: map[string]int{}}
	for i := range p.callers {
		a.callers = append(a.callers, newCaller(a, i))
	}
	for i := range p.setters {
		a.setters = append(a.setters, newSetter(a, i))
	}
	a.platform = ocisim.NewServer(a.platformSeed())
	t.Cleanup(func() { _ = a.platform.Close() }) // never fails
	a.gateway = newGatewayProcess(t, binary, gatewaySettings{
		platform: a.platform.Addr, settle: p.settle, journal: "folder: " + a.disk.folder("journal"),
	})
	a.transport = &http.Transport{MaxIdleConnsPerHost: p.callers}
	t.Cleanup(a.transport.CloseIdleConnections)
	return a
}

// random is a source of its own for everybody who needs one, so that what they
// do depends on the seed and not on each other.
func (a *arena) random(name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = io.WriteString(h, name) // a hash takes everything
	return rand.New(rand.NewPCG(a.seed, h.Sum64()))
}

// The tenants of the arena. Each has a client of its own beside the one for
// everything.
const (
	arenaTenants = 4
	arenaGroups  = 2 // of each tenant
	systemClient = "everything"
	arenaSecret  = "secret-of-the-campaign"
)

func tenantName(i int) string { return fmt.Sprintf("tenant%d", i%arenaTenants) }
func groupName(i int) string  { return fmt.Sprintf("group%d", i%arenaGroups) }

// platformSeed is a platform that has the callers' entries, all of them free.
func (a *arena) platformSeed() ocisim.Seed {
	seed := ocisim.Seed{
		Administrators: []ocisim.Administrator{{ID: "gateway", Password: "gateway-secret", Type: "System"}},
	}
	for i := range arenaTenants {
		tenant := ocisim.Tenant{ID: tenantName(i), Name: tenantName(i)}
		for g := range arenaGroups {
			tenant.Groups = append(tenant.Groups, ocisim.Group{ID: groupName(g), Name: groupName(g), UserLimit: 10, Services: []string{"Route List"}})
		}
		for _, c := range a.callers {
			for _, l := range c.lanes {
				if l.tenant != tenant.ID {
					continue
				}
				for _, e := range l.entries {
					if l.kind == prefixKind {
						tenant.Prefixes = append(tenant.Prefixes, ocisim.Prefix{Prefix: e})
					} else {
						tenant.Ranges = append(tenant.Ranges, ocisim.Range{Start: e, End: e[:len(e)-1] + "9"})
					}
				}
			}
		}
		for _, c := range a.setters {
			if c.lists[0].tenant == tenant.ID {
				c.addLists(&tenant)
			}
		}
		seed.Tenants = append(seed.Tenants, tenant)
	}
	return seed
}

// buildBinary builds the program as it is shipped, but for its version.
func buildBinary(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "ocigate")
	command := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", binary, ".")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
	return binary
}

// gatewaySettings are what gateways of the campaign differ in.
type gatewaySettings struct {
	platform string
	settle   time.Duration
	journal  string // lines of YAML
	http     string // keys of that section, empty for a stop that waits for little
}

// gatewayProcess is the program as a process of its own, which can be killed
// and started again with the same configuration.
type gatewayProcess struct {
	binary, config, logFile string
	api, admin              string

	life *bound // nil while it is dead
}

// The gateway's patience is short, so that a campaign is, too. A write's caller
// waits for it no longer than requestTimeout and commandTimeout together.
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
	for i := range arenaTenants {
		fmt.Fprintf(&clients, "    - {id: %[1]s, hash: %[2]q, level: tenant, tenant_id: %[1]s}\n", tenantName(i), arenaHash())
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
`, g.api, requestTimeout, g.admin, systemClient, arenaHash(), clients.String(),
		s.settle, recheckAfter, s.journal, s.platform, commandTimeout, cmp.Or(s.http, "drain: 0s, shutdown_timeout: 500ms"))
	if err := os.WriteFile(g.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.kill)
	return g
}

// arenaHash is the hash of arenaSecret, of the least cost that is taken.
func arenaHash() string {
	const memory, passes, threads, keyLength = 4 << 10, 1, 1, 32
	salt := []byte("salt of the test")
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memory, passes, threads,
		b64.EncodeToString(salt), b64.EncodeToString(argon2.IDKey([]byte(arenaSecret), salt, passes, memory, threads, keyLength)))
}

// quietAddress is an address on loopback that nobody listens on. Its port is
// none of those that the system gives to clients: one of them could get it
// while the gateway is dead, and would even be connected to itself.
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

// start starts the process and returns once it serves.
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

// kill ends the process with SIGKILL. It does nothing where it is dead.
func (g *gatewayProcess) kill() {
	if g.life == nil {
		return
	}
	g.life.kill()
	g.life = nil
}

// stop asks the process to stop and waits until it has ended.
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

// lastWords is the end of the log.
func (g *gatewayProcess) lastWords() string {
	log, err := os.ReadFile(g.logFile)
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-4000):])
}

// logOf is what the log said last about something.
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

// disk is a small file system, where one can be mounted, or else just a folder.
type disk struct {
	root    string
	mounted bool
}

// newDisk makes a disk that ends with this process, however that ends: nobody
// but an open file leads to it.
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
	t.Cleanup(func() { _ = root.Close() }) // it was only held
	return &disk{root: fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), root.Fd()), mounted: true}
}

func (d *disk) folder(name string) string { return filepath.Join(d.root, name) }

// fill leaves no room on the disk.
func (d *disk) fill(t *testing.T) {
	t.Helper()
	f, err := os.Create(d.folder("ballast"))
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = f.Close() }() // all of it was written
	// The last pages too: what is left must not do for a record.
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

// clear makes room again.
func (d *disk) clear(t *testing.T) {
	t.Helper()
	if err := os.Remove(d.folder("ballast")); err != nil {
		t.Error(err)
	}
}
