//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"ocigate/config"
	"ocigate/oci/ocisim"
)

// These tests specify the effect of SIGHUP on each command: none ends because of it, except
// those that run at a terminal.

// child is a command of the program in a separate process.
type child struct {
	*bound
	out output // of both streams
}

func startChild(t *testing.T, name string, args ...string) *child {
	t.Helper()
	c := &child{}
	command := exec.Command(name, args...)
	command.Stdout, command.Stderr = &c.out, &c.out
	c.bound = startBound(t, command)
	return c
}

func (c *child) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := c.command.Process.Signal(s); err != nil {
		t.Errorf("%v: %v\n%s", s, err, &c.out)
	}
}

// find waits for a match in the output of the process.
func (c *child) find(t *testing.T, pattern string) []string {
	t.Helper()
	expression := regexp.MustCompile(pattern)
	waitFor(t, func() bool { return expression.MatchString(c.out.String()) || c.hasEnded() })
	found := expression.FindStringSubmatch(c.out.String())
	if found == nil {
		t.Fatalf("it has ended (%v) without %s:\n%s", c.failure, pattern, &c.out)
	}
	return found
}

func (c *child) hasEnded() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// wantEnd waits for the end of the process, which must be without an error.
func (c *child) wantEnd(t *testing.T) {
	t.Helper()
	select {
	case <-c.ended:
	case <-time.After(wellAgain):
		t.Fatalf("it does not end:\n%s", &c.out)
	}
	if c.failure != nil {
		t.Errorf("it ended with %v:\n%s", c.failure, &c.out)
	}
}

// TestHangup sends SIGHUP to the program.
func TestHangup(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes several seconds")
	}
	binary := binaryOfTest(t)
	t.Run("cuts off no write of serve, and ends no session", func(t *testing.T) { hangupUnderLoad(t, binary) })
	t.Run("does not end serve while it starts and while it stops", func(t *testing.T) { hangupAtBothEnds(t, binary) })
	for _, args := range [][]string{
		{"demo", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--platform-listen", "127.0.0.1:0"},
		{"simulate", "--listen", "127.0.0.1:0"},
	} {
		t.Run("stops "+args[0]+" in order", func(t *testing.T) {
			c := startChild(t, binary, args...)
			c.find(t, `(?i)platform`)
			c.signal(t, syscall.SIGHUP)
			c.wantEnd(t)
		})
		t.Run("leaves "+args[0]+" alone under nohup", func(t *testing.T) {
			c := startChild(t, "sh", append([]string{"-c", `trap "" HUP; exec "$0" "$@"`, binary}, args...)...)
			c.find(t, `(?i)platform`)
			for range 3 {
				c.signal(t, syscall.SIGHUP)
			}
			// A process that stops does so within milliseconds. On a slow machine,
			// this test may miss a fault.
			for range 200 {
				time.Sleep(time.Millisecond)
				if c.hasEnded() {
					t.Fatalf("it has ended with %v:\n%s", c.failure, &c.out)
				}
			}
			c.signal(t, syscall.SIGTERM)
			c.wantEnd(t)
		})
	}
}

func TestUntilHangup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, test := range map[string]struct {
			signals *hangupSignals
			ends    bool
		}{
			"ends with the signal":    {&hangupSignals{signals: make(chan os.Signal, 1)}, true},
			"goes on with nohup":      {&hangupSignals{signals: make(chan os.Signal, 1), ignored: true}, false},
			"goes on without signals": {nil, false},
		} {
			parent := t.Context()
			if test.signals != nil {
				test.signals.signals <- syscall.SIGHUP
				parent = withHangups(parent, test.signals)
			}
			ctx, stop := untilHangup(parent)
			synctest.Wait()
			if ended := errors.Is(context.Cause(ctx), errHangup); ended != test.ends || (ctx.Err() != nil) != test.ends {
				t.Errorf("%s: %v", name, context.Cause(ctx))
			}
			stop()
			if ctx.Err() == nil {
				t.Errorf("%s: it does not end after a signal", name)
			}
		}
	})
}

// hangupRig is a gateway whose certificate and secrets are in files, with its platform.
type hangupRig struct {
	platform *ocisim.Server
	api      config.KeyPair
	hash     string // the file of it
	file     string // the configuration
}

const loadWriters = 4

func newHangupRig(t *testing.T) *hangupRig {
	t.Helper()
	folder := t.TempDir()
	tenant := ocisim.Tenant{ID: "T", Name: "T", Groups: []ocisim.Group{{ID: "G", Name: "G", UserLimit: 10, Services: []string{"Route List"}}}}
	for i := range loadWriters {
		tenant.Ranges = append(tenant.Ranges, ocisim.Range{Start: fmt.Sprintf("+3225%05d0", i), End: fmt.Sprintf("+3225%05d9", i)})
	}
	r := &hangupRig{
		platform: ocisim.NewServer(ocisim.Seed{
			Administrators: []ocisim.Administrator{{ID: "gateway", Password: "gateway-secret", Type: "System"}},
			Tenants:        []ocisim.Tenant{tenant},
		}),
		api: pairIn(folder, "api"), hash: filepath.Join(folder, "hash"), file: filepath.Join(folder, "ocigate.yaml"),
	}
	t.Cleanup(func() { _ = r.platform.Close() }) // never fails
	writePair(t, r.api, issue(t, "first", -day, 20*day, nil))
	writeText(t, r.hash, campaignHash()+"\n")
	writeText(t, r.file, fmt.Sprintf(`
http: {listen: "127.0.0.1:0", tls: {cert_file: %q, key_file: %q}}
admin: {listen: "127.0.0.1:0"}
auth: {clients: [{id: portal, hash: {file: %q}, level: system}]}
journal: {folder: %q}
platform:
  endpoints: [{name: simulated, address: %q, tls: {enabled: false}}]
  user_id: gateway
  password: gateway-secret
  pool: {min: 4, max: 4}
`, r.api.CertFile, r.api.KeyFile, r.hash, filepath.Join(folder, "journal"), r.platform.Addr))
	return r
}

// write changes a range and returns the status of the response.
func (r *hangupRig) write(ctx context.Context, client *http.Client, api, method string, i int) (int, error) {
	body := fmt.Sprintf(`{"numbers":[{"minPhoneNumber":"+3225%05d0"}]}`, i)
	request, err := http.NewRequestWithContext(ctx, method, "https://"+api+"/api/v1"+itc("T", "G", "numbers"), strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.SetBasicAuth("portal", campaignSecret)
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

func insecureClient(t *testing.T) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: loadWriters}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Timeout: wellAgain, Transport: transport}
}

const servingAt = `"msg":"serving".*"api":"([^"]+)"`

// hangupUnderLoad changes certificate and secrets repeatedly while writers write.
func hangupUnderLoad(t *testing.T, binary string) {
	const hangups = 30
	r := newHangupRig(t)
	c := startChild(t, binary, "serve", "--config", r.file)
	api := c.find(t, servingAt)[1]
	client := insecureClient(t)
	var writes atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var writers sync.WaitGroup
	for i := range loadWriters {
		writers.Go(func() {
			for ctx.Err() == nil {
				for _, step := range []struct {
					method string
					want   int
				}{{http.MethodPost, http.StatusCreated}, {http.MethodDelete, http.StatusOK}} {
					status, err := r.write(t.Context(), client, api, step.method, i)
					if err != nil || status != step.want {
						t.Errorf("%s of a write: %d, %v", step.method, status, err)
						cancel()
						return
					}
					writes.Add(1)
				}
			}
		})
	}
	reloads := func() int { return strings.Count(c.out.String(), `"msg":"configuration reloaded"`) }
	for n := range hangups {
		leaf := issue(t, fmt.Sprint("leaf ", n), -day, 20*day, nil)
		writePair(t, r.api, leaf)
		before, done := writes.Load(), reloads()
		for range 1 + n%3 {
			c.signal(t, syscall.SIGHUP)
		}
		waitFor(t, func() bool {
			return (reloads() > done && writes.Load() >= before+2*loadWriters) || ctx.Err() != nil || c.hasEnded()
		})
		if ctx.Err() != nil || c.hasEnded() {
			break
		}
		waitFor(t, func() bool { return shownBy(t, api).Equal(leaf.certificate) })
	}
	if c.hasEnded() {
		t.Fatalf("the process has ended with %v after %d writes:\n%s", c.failure, writes.Load(), &c.out)
	}
	cancel()
	writers.Wait()
	t.Logf("%d writes while the files were read %d times", writes.Load(), reloads())
	if applied := len(r.platform.Writes()); int64(applied) != writes.Load() {
		t.Errorf("the platform got %d writes, and %d were answered", applied, writes.Load())
	}
	logins := 0
	for _, entry := range r.platform.Ledger() {
		if strings.HasPrefix(entry.Command, "Login") {
			logins++
		}
	}
	if open := len(r.platform.Connections()); logins != open {
		t.Errorf("there were %d logins, and %d sessions are open: some were lost", logins, open)
	}
	c.signal(t, syscall.SIGTERM)
	c.wantEnd(t)
}

// hangupAtBothEnds sends signals while the configuration is being read, and while the process
// waits for a write in flight before it ends.
func hangupAtBothEnds(t *testing.T, binary string) {
	r := newHangupRig(t)
	text, err := os.ReadFile(r.file)
	if err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(t.TempDir(), "ocigate.yaml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	c := startChild(t, binary, "serve", "--config", pipe)
	writer, err := os.OpenFile(pipe, os.O_WRONLY, 0) // waits for the reader
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c.signal(t, syscall.SIGHUP)
	}
	_, err = io.Copy(writer, bytes.NewReader(text))
	if err := errors.Join(err, writer.Close()); err != nil {
		t.Fatalf("%v\n%s", err, &c.out)
	}
	api := c.find(t, servingAt)[1]
	c.find(t, `"msg":"configuration reloaded"`) // none is lost

	slow, err := r.platform.Inject(ocisim.Fault{Kind: ocisim.Slow, Command: "GroupRouteList*AssignListRequest", Delay: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	client := insecureClient(t)
	var caller sync.WaitGroup
	caller.Go(func() {
		if status, err := r.write(t.Context(), client, api, http.MethodPost, 0); err != nil || status != http.StatusCreated {
			t.Errorf("a write in flight at the end: %d, %v", status, err)
		}
	})
	waitFor(t, func() bool { return slow.Hits() == 1 })
	c.signal(t, syscall.SIGTERM)
	for range 3 {
		c.signal(t, syscall.SIGHUP)
	}
	c.find(t, `"msg":"stopping"`)
	c.signal(t, syscall.SIGHUP)
	caller.Wait()
	c.wantEnd(t)
}
