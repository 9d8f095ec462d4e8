//go:build linux

package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ocigate/cmd/internal/measure"
	"ocigate/oci/ocisim"
)

// patience is how long a process may take to start or to stop.
const patience = 20 * time.Second

// The callers of all gateways: clients that may do everything.
const (
	callerA = "caller-a"
	callerB = "caller-b"
	secret  = "pressure-pressure-pressure"
)

// rig is what a row has started.
type rig struct {
	*suite
	dir     string
	count   int            // of gateways
	cleanup []func() error // what ends them, in reverse order
}

// close ends whatever the row has started.
func (r *rig) close() error {
	var errs []error
	for _, end := range slices.Backward(r.cleanup) {
		errs = append(errs, end())
	}
	return errors.Join(errs...)
}

// pick returns the first value in a full run, and the second one in a short run.
func pick[T any](r *rig, full, short T) T {
	if r.short {
		return short
	}
	return full
}

// plan is what a site consists of.
type plan struct {
	service   time.Duration // of each command about numbers; commands before them take no time
	login     time.Duration // of each login
	endpoints int           // 0 for one
	// The settings of the gateway, as lines of YAML. They follow the rig's own.
	platform string // keys of section platform, each line indented by two blanks
	journal  string // section journal; empty for a folder of the gateway's own
	callerA  string // further keys of that client, as a flow mapping has them: ", key: value"
}

// site is a platform, a proxy for each of its endpoints, and a gateway in front of them.
type site struct {
	*gateway
	platform *ocisim.Server
	proxies  []*proxy
	entries  *entries
}

// numberCommands are the commands that the service time of a platform applies to: one for a
// read of numbers, and two for a write, which are its check and its command.
const (
	numberCommands  = "*RouteList*"
	commandsOfRead  = 1
	commandsOfWrite = 2
)

// site starts a platform, proxies and a gateway, and waits until the gateway is ready.
func (r *rig) site(ctx context.Context, p plan) (*site, error) {
	s := &site{platform: ocisim.NewServer(platformSeed()), entries: newEntries()}
	r.cleanup = append(r.cleanup, s.platform.Close)
	if p.login > 0 {
		if _, err := s.platform.Inject(ocisim.Fault{Kind: ocisim.Slow, Command: "LoginRequest*", Delay: p.login}); err != nil {
			return nil, err
		}
	}
	if p.service > 0 {
		if _, err := s.platform.Inject(ocisim.Fault{Kind: ocisim.Slow, Command: numberCommands, Delay: p.service}); err != nil {
			return nil, err
		}
	}
	var addresses []string
	for range max(1, p.endpoints) {
		one, err := newProxy(ctx, s.platform.Addr)
		if err != nil {
			return nil, err
		}
		r.cleanup = append(r.cleanup, one.close)
		s.proxies = append(s.proxies, one)
		addresses = append(addresses, one.address)
	}
	var err error
	if s.gateway, err = r.configure(ctx, settings{endpoints: addresses, platform: p.platform, journal: p.journal, callerA: p.callerA}); err != nil {
		return nil, err
	}
	return s, s.start(ctx)
}

// settings are the settings of a gateway, as far as they differ.
type settings struct {
	endpoints []string // addresses, in order of preference
	platform  string   // as in plan
	journal   string   // as in plan
	callerA   string   // as in plan
	http      string   // further keys of section http, as a flow mapping has them: "key: value, "
	admin     string   // further keys of section admin
	limit     int      // of open files, 0 for that of this process
}

const configuration = `
http: {%slisten: %q, drain: 0s}
admin: {%slisten: %q}
%s
auth:
  verified_for: 60s
  clients:
    - {id: caller-a, hash: %[6]q, level: system%[9]s}
    - {id: caller-b, hash: %[6]q, level: system}
platform:
  user_id: gateway
  password: gateway-secret
  endpoints:
%[7]s%[8]s
`

// gateway is a process of the measured binary. It can be started again after it has ended.
type gateway struct {
	binary, config, log string
	limit               int
	api, admin          string // addresses as host:port
	client              *http.Client
	command             *exec.Cmd
}

// configure writes the configuration of a gateway, which is not started yet.
func (r *rig) configure(ctx context.Context, s settings) (*gateway, error) {
	ports, err := measure.FreePorts(ctx, 2)
	if err != nil {
		return nil, err
	}
	r.count++
	folder := filepath.Join(r.dir, fmt.Sprintf("gateway-%d", r.count))
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, err
	}
	journal := cmp.Or(s.journal, fmt.Sprintf("journal: {folder: %q, settle: 2s}", filepath.Join(folder, "journal")))
	var endpoints strings.Builder
	for i, address := range s.endpoints {
		fmt.Fprintf(&endpoints, "    - {name: %q, address: %q, tls: {enabled: false}}\n", endpointName(i), address)
	}
	text := fmt.Appendf(nil, configuration, s.http, ports[0], s.admin, ports[1], journal, r.hash, endpoints.String(), s.platform, s.callerA)
	transport := &http.Transport{MaxIdleConnsPerHost: 8192, DisableCompression: true}
	g := &gateway{
		binary: r.binary, config: filepath.Join(folder, "ocigate.yaml"), log: filepath.Join(folder, "log"), limit: s.limit,
		api: ports[0], admin: ports[1], client: &http.Client{Transport: transport},
	}
	r.cleanup = append(r.cleanup, g.stop)
	return g, os.WriteFile(g.config, text, 0o600)
}

func endpointName(i int) string { return "endpoint-" + strconv.Itoa(i) }

// start starts the process and waits until it is ready.
func (g *gateway) start(ctx context.Context) error {
	log, err := os.OpenFile(g.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()                                            // the process has it
	g.command = exec.CommandContext(ctx, g.binary, "serve", "--config", g.config) //nolint:gosec // the binary that is to be measured
	if g.limit > 0 {
		script := fmt.Sprintf(`ulimit -n %d && exec "$0" serve --config "$1"`, g.limit)
		g.command = exec.CommandContext(ctx, "/bin/sh", "-c", script, g.binary, g.config) //nolint:gosec // see above
	}
	g.command.Stdout, g.command.Stderr, g.command.Env = log, log, []string{}
	if err := g.command.Start(); err != nil {
		g.command = nil
		return err
	}
	return g.ready(ctx)
}

// ready waits until the gateway is ready.
func (g *gateway) ready(ctx context.Context) error {
	err := wait(ctx, patience, func() (bool, error) {
		status, _, err := g.fetch(ctx, "http://"+g.admin+"/readyz", time.Second)
		return err == nil && status == http.StatusOK, nil
	})
	if err != nil {
		text, unread := os.ReadFile(g.log)
		return errors.Join(err, unread, fmt.Errorf("the gateway is not ready: %.2000s", text))
	}
	return nil
}

// kill ends the process with SIGKILL.
func (g *gateway) kill() error {
	if g.command == nil {
		return nil
	}
	err := g.command.Process.Kill()
	_ = g.command.Wait() // it was killed
	g.command = nil
	return err
}

// stop ends the process with SIGTERM, and with SIGKILL if it takes too long. It may be called
// if the process does not run.
func (g *gateway) stop() error {
	g.client.CloseIdleConnections()
	if g.command == nil {
		return nil
	}
	timer := time.AfterFunc(patience, func() { _ = g.command.Process.Kill() })
	defer timer.Stop()
	err := errors.Join(g.command.Process.Signal(syscall.SIGTERM), g.command.Wait())
	g.command = nil
	return err
}

// fetch reads an address, which may take that time.
func (g *gateway) fetch(ctx context.Context, url string, limit time.Duration) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	request.SetBasicAuth(callerA, secret)
	got, err := g.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = got.Body.Close() }() // it was only read
	body, err = io.ReadAll(got.Body)
	return got.StatusCode, body, err
}

// metric returns the sum of the metrics with that prefix.
func (g *gateway) metric(ctx context.Context, begins string) (float64, error) {
	_, body, err := g.fetch(ctx, "http://"+g.admin+"/metrics", patience)
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for lines := bufio.NewScanner(bytes.NewReader(body)); lines.Scan(); {
		if line := lines.Text(); strings.HasPrefix(line, begins) {
			value, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
			if err != nil {
				return 0, err
			}
			sum += value
		}
	}
	return sum, nil
}

// sessions returns how many sessions are logged in, as the platform sees it.
func (s *site) sessions() int {
	count := 0
	for _, c := range s.platform.Connections() {
		if c.Login != "" {
			count++
		}
	}
	return count
}

// full waits until that many sessions are logged in.
func (s *site) full(ctx context.Context, sessions int, limit time.Duration) error {
	return wait(ctx, limit, func() (bool, error) { return s.sessions() >= sessions, nil })
}

// errTooLong means that something did not happen in time.
var errTooLong = errors.New("it took too long")

// wait waits until the condition holds, but not longer than the limit.
func wait(ctx context.Context, limit time.Duration, holds func() (bool, error)) error {
	end := time.Now().Add(limit)
	for {
		ok, err := holds()
		if ok || err != nil {
			return err
		}
		if time.Now().After(end) {
			return errTooLong
		}
		if err := measure.Pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

// since waits until the condition holds and returns how long that took in seconds: the limit
// if it did not hold in time.
func since(ctx context.Context, limit time.Duration, holds func() bool) (float64, error) {
	began := time.Now()
	err := wait(ctx, limit, func() (bool, error) { return holds(), nil })
	if errors.Is(err, errTooLong) {
		return limit.Seconds(), nil
	}
	return time.Since(began).Seconds(), err
}
