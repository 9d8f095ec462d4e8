//go:build linux

package main

import (
	"context"
	"errors"
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
	"testing"
	"time"

	"ocigate/config"
	"ocigate/gateway/operation/postgres/postgrestest"
	"ocigate/oci/ocisim"
)

// retryEntry is the body of a write with an entry that is free in the demonstration's
// group.
const retryEntry = `{"numbers":[{"minPhoneNumber":"+3225126999"}]}`

// sendWithKey sends a request with an Idempotency-Key as the demonstration's client of level
// system.
func sendWithKey(t *testing.T, client *http.Client, method, url, key string) (attempt, http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(retryEntry))
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("portal", demoSecret)
	request.Header.Set("Idempotency-Key", key)
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	var a attempt
	if err := a.read(response); err != nil {
		t.Fatal(err)
	}
	return a, response.Header
}

// received returns the numbers of writes that the platform received, and that it carried
// out.
func received(p *ocisim.Server) (all, applied int) {
	for _, e := range p.Writes() {
		all++
		if e.Applied {
			applied++
		}
	}
	return all, applied
}

// TestGoRepeatsAutomatically checks that a write is done once if net/http repeats it. It
// does so for a request with an Idempotency-Key whose response is lost on a connection that
// was used before.
func TestGoRepeatsAutomatically(t *testing.T) {
	platform := newPlatform(t)
	gateway := start(t, platform.Addr, nil)
	proxy := newCuttingProxy(t, gateway.api)
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	url := "http://" + proxy.address + "/api/v1" + itc("ApioSpTest", "ApioGrpTest", "numbers")
	for i, c := range []struct {
		method string
		status int
	}{{http.MethodPost, http.StatusCreated}, {http.MethodDelete, http.StatusOK}} {
		t.Run(fmt.Sprintf("a %s is done once and answered with %d", c.method, c.status), func(t *testing.T) {
			warm, err := client.Get("http://" + proxy.address + "/api/v1/")
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, warm.Body) // otherwise the connection is not used again
			_ = warm.Body.Close()

			proxy.cut.Store(1)
			answer, _ := sendWithKey(t, client, c.method, url, "key-"+c.method)
			if answer.status != c.status || !answer.replayed || answer.outcome != string(wasDone) {
				t.Errorf("the answer is %v", answer)
			}
			if left := proxy.cut.Load(); left != 0 {
				t.Errorf("the proxy has not cut off any response: %d", left)
			}
			if all, applied := received(platform); all != i+1 || applied != i+1 {
				t.Errorf("the platform received %d writes and carried out %d, of %d", all, applied, i+1)
			}
		})
	}
	client.CloseIdleConnections()
	gateway.stop()
	if err := <-gateway.ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// cuttingProxy forwards connections, and closes some of them instead of forwarding a
// response.
type cuttingProxy struct {
	address string
	to      string
	cut     atomic.Int64 // number of responses that are still to be cut off

	work sync.WaitGroup
	life context.Context
}

func newCuttingProxy(t *testing.T, to string) *cuttingProxy {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	life, end := context.WithCancel(context.Background())
	p := &cuttingProxy{address: listener.Addr().String(), to: to, life: life}
	p.work.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // it is closed
			}
			p.work.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() {
		end()
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		p.work.Wait()
	})
	return p
}

func (p *cuttingProxy) serve(client net.Conn) {
	server, err := new(net.Dialer).DialContext(p.life, "tcp", p.to)
	if err != nil {
		_ = client.Close()
		return
	}
	closeBoth := func() {
		_, _ = client.Close(), server.Close()
	}
	defer context.AfterFunc(p.life, closeBoth)()
	var requests sync.WaitGroup
	requests.Go(func() {
		defer closeBoth()
		_, _ = io.Copy(server, client)
	})
	p.answer(client, server)
	closeBoth()
	requests.Wait()
}

// answer forwards responses until one is cut off.
func (p *cuttingProxy) answer(client io.Writer, server io.Reader) {
	piece := make([]byte, 32<<10)
	for {
		n, err := server.Read(piece)
		if n > 0 && p.cut.Add(-1) >= 0 {
			return
		}
		p.cut.CompareAndSwap(-1, 0)
		if _, failed := client.Write(piece[:n]); errors.Join(err, failed) != nil {
			return
		}
	}
}

// triedHeader is the header field in which nginx returns the statuses of the gateways.
const triedHeader = "Upstream-Status"

// TestNginxRepeatsAutomatically checks that a write is done once if nginx sends it to a
// second gateway because the first one does not answer in time or returns 504. To add a
// fault, add an entry to the map.
func TestNginxRepeatsAutomatically(t *testing.T) {
	nginx, err := findNginx()
	if err != nil {
		t.Skipf("nginx is not installed: %v", err)
	}
	journals := sharedJournals(t)
	const command = time.Second // the gateway's timeout for the platform
	tests := map[string]struct {
		fault   ocisim.Fault
		patient bool // nginx has a longer timeout than the gateway
		tried   int  // number of gateways that nginx asked
		first   []int
		last    int
		applied int
	}{
		"a write whose answer was lost is done once": {
			fault: ocisim.Fault{Kind: ocisim.DropAfterApply}, patient: true, tried: 1, // it is read back immediately
			first: []int{201}, last: 201, applied: 1,
		},
		"a write that was lost is not sent again": {
			fault: ocisim.Fault{Kind: ocisim.DropBeforeApply}, patient: true, tried: 2,
			first: []int{504}, last: 400, applied: 0,
		},
		"a write that takes too long for both is done once": {
			fault: ocisim.Fault{Kind: ocisim.ApplyLate, Delay: command + command/2}, patient: true, tried: 2,
			first: []int{504, 201}, last: 201, applied: 1,
		},
		"a write that takes longer than the timeout of nginx is done once": {
			fault: ocisim.Fault{Kind: ocisim.StallAfterApply}, tried: 2,
			first: []int{409, 504, 201}, last: 201, applied: 1,
		},
		"a write that is slow is done once": {
			fault: ocisim.Fault{Kind: ocisim.Slow, Delay: command * 3 / 4}, tried: 2,
			first: []int{409, 504, 201}, last: 201, applied: 1,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			platform := newPlatform(t)
			test.fault.Command, test.fault.Times = writeCommands, 1
			if _, err := platform.Inject(test.fault); err != nil {
				t.Fatal(err)
			}
			var gateways []*running
			var upstreams []string
			for _, journal := range journals(t) {
				g := start(t, platform.Addr, func(c *config.Config) {
					c.Platform.Timeouts.Command, c.Platform.Backoff.Initial = command, 10*time.Millisecond
					journal(&c.Journal)
					c.Journal.Settle = time.Second
				})
				gateways, upstreams = append(gateways, g), append(upstreams, g.api)
			}
			if len(upstreams) == 1 {
				upstreams = append(upstreams, upstreams[0])
			}
			address := startNginx(t, nginx, upstreams, map[bool]string{true: "20s", false: "500ms"}[test.patient])

			client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
			url := "http://" + address + "/api/v1" + itc("ApioSpTest", "ApioGrpTest", "numbers")
			answer, header := sendWithKey(t, client, http.MethodPost, url, "key")
			if tried := strings.Count(header.Get(triedHeader), ",") + 1; tried != test.tried {
				t.Errorf("nginx asked %d gateways, want %d: %s", tried, test.tried, header.Get(triedHeader))
			}
			if !slices.Contains(test.first, answer.status) {
				t.Errorf("the first answer is %v, want one of %v", answer, test.first)
			}
			for deadline := time.Now().Add(wellAgain); answer.status == 409 || answer.status == 504; {
				if time.Now().After(deadline) {
					t.Fatalf("the answer is still %v", answer)
				}
				time.Sleep(100 * time.Millisecond)
				answer, _ = sendWithKey(t, client, http.MethodPost, url, "key")
			}
			if answer.status != test.last {
				t.Errorf("the last answer is %v, want %d", answer, test.last)
			}
			if all, applied := received(platform); all != 1 || applied != test.applied {
				t.Errorf("the platform received %d writes and carried out %d, want 1 and %d", all, applied, test.applied)
			}
			for _, g := range gateways {
				g.stop()
				if err := <-g.ended; err != nil {
					t.Errorf("Run: %v", err)
				}
			}
		})
	}
}

// sharedJournals returns the journals of two gateways with the same database, if PostgreSQL
// is installed, and otherwise the journal of one gateway, which nginx has two paths to.
func sharedJournals(t *testing.T) func(*testing.T) []func(*config.Journal) {
	t.Helper()
	server, err := postgrestest.New()
	if errors.Is(err, postgrestest.ErrNotInstalled) {
		t.Logf("nginx has two paths to one gateway, not two gateways: %v", err)
		return func(*testing.T) []func(*config.Journal) { return []func(*config.Journal){func(*config.Journal) {}} }
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return func(t *testing.T) []func(*config.Journal) {
		t.Helper()
		database := server.Database(t)
		use := func(j *config.Journal) {
			j.Store, j.PostgresURL = config.StorePostgres, config.NewSecret(database)
		}
		return []func(*config.Journal){use, use}
	}
}

func findNginx() (string, error) {
	path, err := exec.LookPath("nginx")
	if err != nil {
		return exec.LookPath("/usr/sbin/nginx")
	}
	return path, nil
}

// startNginx runs nginx in front of gateways until the test ends, and returns its address.
// The timeout is that of nginx for a response of a gateway.
func startNginx(t *testing.T, nginx string, upstreams []string, timeout string) string {
	t.Helper()
	folder, address := t.TempDir(), quietAddress(t)
	var servers, folders strings.Builder
	for _, u := range upstreams {
		fmt.Fprintf(&servers, "server %s max_fails=0; ", u)
	}
	for _, module := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&folders, "%s_temp_path %s; ", module, filepath.Join(folder, module))
	}
	file := filepath.Join(folder, "nginx.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, `
daemon off;
master_process off;
pid %[1]s/pid;
error_log stderr warn;
events { worker_connections 64; }
http {
  access_log off;
  %[2]s
  upstream gateways { %[3]s }
  server {
    listen %[4]s;
    location / {
      proxy_pass http://gateways;
      proxy_http_version 1.1;
      proxy_read_timeout %[5]s;
      proxy_next_upstream error timeout http_503 http_504 non_idempotent;
      proxy_next_upstream_tries 2;
      add_header %[6]s $upstream_status always;
    }
  }
}
`, folder, folders.String(), servers.String(), address, timeout, triedHeader), 0o600); err != nil {
		t.Fatal(err)
	}
	log := &output{}
	command := exec.Command(nginx, "-p", folder, "-c", file, "-e", "stderr")
	command.Stdout, command.Stderr = log, log
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("nginx: %s", log)
		}
	})
	started := startBound(t, command)
	for {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err == nil {
			_ = conn.Close()
			return address
		}
		select {
		case <-started.ended:
			t.Fatalf("nginx does not start: %s", log)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
