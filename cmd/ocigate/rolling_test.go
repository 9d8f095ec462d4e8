//go:build linux

package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ocigate/gateway"
	"ocigate/gateway/operation"
	"ocigate/oci/ocisim"
)

// This test specifies that reloads and restarts of replicas behind a load balancer lose no
// requests, also while the platform is restarted.

// The size of the rolling restarts behind HAProxy. The default takes half a minute. For a long
// run: -rolling.restarts 20 -rolling.reloads 5 -rolling.rate 1000 -rolling.pause 10s.
var (
	restartsFlag = flag.Int("rolling.restarts", 4, "how many restarts of a replica there are, each after a restart of the platform")
	reloadsFlag  = flag.Int("rolling.reloads", 3, "how many reloads there are before each restart")
	platformFlag = flag.Bool("rolling.platform", true, "whether the platform is restarted; if not, no request may be refused")
	pauseFlag    = flag.Duration("rolling.pause", 0, "how long the requests go on after each restart")
	rateFlag     = flag.Int("rolling.rate", 200, "requests a second meanwhile")
	drainFlag    = flag.String("rolling.drain", "3s", "http.drain of the replicas")
)

// rollingCallers is the number of callers that share the rate. Each has its own range.
const rollingCallers = 40

// TestRollingRestartsLoseNothing reloads the configuration of two replicas, ends all sessions
// with the platform, and restarts the replicas alternately by SIGTERM, behind a HAProxy that
// polls readyz every second and repeats no request. A request counts as lost unless its caller
// gets the response that they would get without all that. While the platform restarts, it may
// also be refused, with the promise that nothing was done, and then the caller sends it again;
// and the outcome of a write may be unknown at first, and then the caller follows it.
func TestRollingRestartsLoseNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	haproxy, err := findHAProxy()
	if err != nil {
		t.Skipf("HAProxy is not installed: %v", err)
	}
	platform := ocisim.NewServer(rollingSeed())
	t.Cleanup(func() { _ = platform.Close() }) // never fails
	binary := binaryOfTest(t)
	var replicas []*replica
	for i := range 2 {
		r := newReplica(t, binary, fmt.Sprintf("replica%d", i), platform.Addr)
		r.start(t)
		replicas = append(replicas, r)
	}
	proxy := startHAProxy(t, haproxy, replicas)
	for _, r := range replicas {
		proxy.waitUp(t, r.name)
	}

	traffic := &traffic{address: proxy.address}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var callers sync.WaitGroup
	for i := range rollingCallers {
		callers.Go(func() { traffic.call(ctx, i) })
	}
	for i := range *restartsFlag {
		for n := range *reloadsFlag {
			replicas[n%len(replicas)].reload(t, n)
		}
		if *platformFlag {
			platform.Restart()
		}
		r := replicas[i%len(replicas)]
		r.stop(t)
		r.start(t)
		if *drainFlag == "0s" {
			time.Sleep(2 * time.Second) // HAProxy may not have noticed the restart
		}
		proxy.waitUp(t, r.name)
		time.Sleep(*pauseFlag)
	}
	stop()
	callers.Wait()
	t.Logf("%d reloads, %d restarts of replicas and of the platform, %d requests, %d of them writes, the outcome of %d was unknown at first; %d were refused while the platform restarted, %d lost",
		*restartsFlag**reloadsFlag, *restartsFlag, traffic.requests.Load(), traffic.writes.Load(), traffic.unknown.Load(), traffic.refused.Load(), len(traffic.lost))
	for _, lost := range traffic.lost {
		t.Error(lost)
	}
	if refused := traffic.refused.Load(); refused > 0 && !*platformFlag {
		t.Errorf("%d requests were refused", refused)
	}
	for _, r := range replicas {
		r.stop(t)
	}
	if all, applied := received(platform); applied != int(traffic.done.Load()) || all > int(traffic.writes.Load()) {
		t.Errorf("of %d writes, of which %d are done, the platform received %d and carried out %d", traffic.writes.Load(), traffic.done.Load(), all, applied)
	}
}

func rollingRange(i int) string { return fmt.Sprintf("+32251%05d", 10*i) }

// rollingSeed returns a seed with a free range for each caller.
func rollingSeed() ocisim.Seed {
	tenant := ocisim.Tenant{ID: "tenant", Name: "tenant", Groups: []ocisim.Group{{ID: "group", Name: "group", UserLimit: 10, Services: []string{"Route List"}}}}
	for i := range rollingCallers {
		start := rollingRange(i)
		tenant.Ranges = append(tenant.Ranges, ocisim.Range{Start: start, End: start[:len(start)-1] + "9"})
	}
	return ocisim.Seed{
		Administrators: []ocisim.Administrator{{ID: "gateway", Password: "gateway-secret", Type: "System"}},
		Tenants:        []ocisim.Tenant{tenant},
	}
}

// replica is a process of the gateway that is restarted.
type replica struct {
	*gatewayProcess
	name string
}

func newReplica(t *testing.T, binary, name, platform string) *replica {
	t.Helper()
	return &replica{newGatewayProcess(t, binary, gatewaySettings{
		platform: platform, settle: 2 * time.Second, journal: "folder: " + filepath.Join(t.TempDir(), "journal"),
		http: "drain: " + *drainFlag + ", shutdown_timeout: 30s",
	}), name}
}

// traffic counts the requests of the callers, and the lost ones.
type traffic struct {
	address          string
	requests, writes atomic.Int64
	done, unknown    atomic.Int64 // writes
	refused          atomic.Int64 // requests, which were sent again

	mu   sync.Mutex // guards lost
	lost []string
}

// call makes one caller assign its range, list, remove it and list repeatedly, over a separate
// connection, at a fixed rate.
func (a *traffic) call(ctx context.Context, number int) {
	client := &http.Client{Timeout: wellAgain, Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	period := rollingCallers * time.Second / time.Duration(*rateFlag)
	select { // the callers start at different times
	case <-ctx.Done():
		return
	case <-time.After(period * time.Duration(number) / rollingCallers):
	}
	tick := time.NewTicker(period)
	defer tick.Stop()
	body := `{"numbers":[{"minPhoneNumber":"` + rollingRange(number) + `"}]}`
	for i := 0; ; i++ {
		switch i % 4 {
		case 0:
			a.send(client, http.MethodPost, body, http.StatusCreated)
		case 2:
			a.send(client, http.MethodDelete, body, http.StatusOK)
		default:
			a.send(client, http.MethodGet, "", http.StatusOK)
		}
		if i%2 == 1 { // it ends with nothing assigned
			select {
			case <-ctx.Done():
				return
			default:
			}
		}
		<-tick.C
	}
}

// mostTries is how often a request is sent if it is refused.
const mostTries = 10

// send makes a request and counts it as lost unless the response has that status. If it is
// refused because the platform is not available, it is sent again. So is a write whose
// outcome was unknown and that was not done.
func (a *traffic) send(client *http.Client, method, body string, status int) {
	var got trafficResponse
	var err error
	for range mostTries {
		a.requests.Add(1)
		if method != http.MethodGet {
			a.writes.Add(1)
		}
		got, err = a.try(client, method, itc("tenant", "group", "numbers"), body)
		outcome := operation.State(got.header.Get(gateway.HeaderOperationOutcome))
		if err == nil && outcome == operation.Unknown {
			a.unknown.Add(1)
			outcome = a.outcome(client, got.header.Get(gateway.HeaderOperationID))
		}
		switch {
		case err != nil:
		case got.status == status, outcome == operation.Done:
			if method != http.MethodGet {
				a.done.Add(1)
			}
			return
		case outcome == operation.NotDone && got.status >= http.StatusInternalServerError,
			method == http.MethodGet && (got.status == http.StatusBadGateway || got.status == http.StatusServiceUnavailable):
			a.refused.Add(1)
			time.Sleep(200 * time.Millisecond) // the longest backoff of the platform's endpoint is a second
			continue
		}
		break
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lost = append(a.lost, fmt.Sprintf("%s: %d %.200s %v, %v", method, got.status, got.body, got.header, err))
}

// outcome waits for the outcome of an operation. A replica that does not have it may answer,
// because each has its own journal.
func (a *traffic) outcome(client *http.Client, id string) operation.State {
	deadline := time.Now().Add(wellAgain)
	for time.Now().Before(deadline) {
		got, err := a.try(client, http.MethodGet, "/operations/"+id+"/", "")
		var op struct {
			Outcome operation.State `json:"outcome"`
		}
		if err == nil && got.status == http.StatusOK && json.Unmarshal([]byte(got.body), &op) == nil && op.Outcome != operation.Unknown {
			return op.Outcome
		}
		time.Sleep(50 * time.Millisecond)
	}
	return operation.Unknown
}

// trafficResponse is a response that a caller got.
type trafficResponse struct {
	status int
	header http.Header
	body   string
}

func (a *traffic) try(client *http.Client, method, path, body string) (trafficResponse, error) {
	request, err := http.NewRequest(method, "http://"+a.address+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		return trafficResponse{}, err
	}
	request.SetBasicAuth(systemClient, campaignSecret)
	response, err := client.Do(request)
	if err != nil {
		return trafficResponse{}, err
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	return trafficResponse{response.StatusCode, response.Header, string(read)}, err
}

func findHAProxy() (string, error) {
	path, err := exec.LookPath("haproxy")
	if err != nil {
		return exec.LookPath("/usr/sbin/haproxy")
	}
	return path, nil
}

// balancer is a running HAProxy.
type balancer struct {
	address string // listening address
	socket  string // path of the socket of its statistics
	log     *output
}

// startHAProxy runs HAProxy in front of replicas until the test ends. It polls every second,
// one response changes its state of a replica, and it never sends a request twice. A slow
// response to a poll does not make a replica unready.
func startHAProxy(t *testing.T, haproxy string, replicas []*replica) *balancer {
	t.Helper()
	folder := t.TempDir()
	b := &balancer{address: quietAddress(t), socket: filepath.Join(folder, "s"), log: &output{}}
	var servers strings.Builder
	for _, r := range replicas {
		fmt.Fprintf(&servers, "  server %s %s check addr %s\n", r.name, r.api, checkOf(r.admin))
	}
	file := filepath.Join(folder, "haproxy.cfg")
	if err := os.WriteFile(file, fmt.Appendf(nil, `
global
  stats socket %s
defaults
  mode http
  timeout connect 10s
  timeout client 60s
  timeout server 60s
  timeout check 10s
  retries 0
frontend api
  bind %s
  default_backend gateways
backend gateways
  balance roundrobin
  http-reuse always
  option httpchk GET /readyz
  default-server inter 1s fall 1 rise 1
%s`, b.socket, b.address, servers.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(haproxy, "-db", "-f", file)
	command.Stdout, command.Stderr = b.log, b.log
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("HAProxy: %s", b.log)
		}
	})
	startBound(t, command)
	return b
}

// checkOf returns the address of an operators' listener as the parameters of a check.
func checkOf(admin string) string {
	host, port, _ := net.SplitHostPort(admin)
	return host + " port " + port
}

// waitUp waits until HAProxy sends requests to a replica.
func (b *balancer) waitUp(t *testing.T, name string) {
	t.Helper()
	deadline := time.Now().Add(wellAgain)
	for {
		status, err := b.status(name)
		if err == nil && strings.HasPrefix(status, "UP") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is still %s, %v: %s", name, status, err, b.log)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// status returns HAProxy's status of a server.
func (b *balancer) status(name string) (string, error) {
	conn, err := net.Dial("unix", b.socket)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "show stat\n"); err != nil {
		return "", err
	}
	table := csv.NewReader(conn)
	table.FieldsPerRecord = -1
	rows, err := table.ReadAll()
	if err != nil || len(rows) == 0 {
		return "", errors.Join(err, errors.New("no statistics"))
	}
	server, status := slices.Index(rows[0], "svname"), slices.Index(rows[0], "status")
	for _, row := range rows[1:] {
		if len(row) > max(server, status) && row[server] == name {
			return row[status], nil
		}
	}
	return "", errors.New("HAProxy does not know it")
}
