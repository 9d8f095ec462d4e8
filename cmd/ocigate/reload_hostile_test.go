//go:build linux

package main

import (
	"bufio"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"ocigate/config"
	"ocigate/gateway/operation/postgres"
	"ocigate/oci/ocisim"
)

// These tests specify what a reload must not harm: connections from before it, and the
// stop of a program whose files hang.

func TestReloadWithLongerTimeoutsOnAnOpenConnection(t *testing.T) {
	t.Parallel()
	platform := newPlatform(t)
	const timeouts = "timeouts: {command: %s}, pool: {min: 1, max: 2}"
	r := newReloadRig(t, platform.Addr, nil)
	defer r.end(t)
	r.wantStatus(t, http.StatusOK) // so that the next request is fast
	r.settings["platform"] = platformSection(platform.Addr, fmt.Sprintf(timeouts, "100ms"))
	r.reload(t, "http", `{listen: "127.0.0.1:0", drain: 0s, request_timeout: 100ms, write_timeout: 1s}`)
	conn, err := net.Dial("tcp", r.api)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(wellAgain))
	reader := bufio.NewReader(conn)
	request := func(path, body string) (int, string) {
		t.Helper()
		to, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.api+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if body == "" {
			to.Method = http.MethodGet
		}
		to.SetBasicAuth("portal", campaignSecret)
		if err := to.Write(conn); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(reader, to)
		if err != nil {
			t.Fatalf("no response to %s: %v", to.Method, err)
		}
		return response.StatusCode, textOf(t, response)
	}
	if status, body := request("/livez", ""); status >= http.StatusInternalServerError {
		t.Fatalf("status %d, %s", status, body)
	}
	r.settings["platform"] = platformSection(platform.Addr, fmt.Sprintf(timeouts, "20s"))
	r.reload(t, "http", `{listen: "127.0.0.1:0", drain: 0s}`)
	if _, err := platform.Inject(ocisim.Fault{Kind: ocisim.Slow, Command: writeCommands, Delay: 1200 * time.Millisecond, Times: 1}); err != nil {
		t.Fatal(err)
	}
	if status, body := request("/api/v1"+itc("ApioSpTest", "ApioGrpTest", "numbers"), writeBody); status != http.StatusCreated {
		t.Errorf("a write that takes longer than the former http.write_timeout: %d %s", status, body)
	}
}

func TestReloadCommandsForAFileThatHangs(t *testing.T) {
	r := newReloadRig(t, newPlatform(t).Addr, nil)
	over := make(chan struct{})
	r.program.load = func() (*config.Config, error) { // as on a file system that hangs
		<-over
		return nil, errors.New("the test is over")
	}
	responses := make(chan string, maxReloadCommands+2)
	for range cap(responses) {
		go func() {
			status, body := ask(t, "POST", "http://"+r.admin+reloadPath, "")
			responses <- fmt.Sprint(status, " ", body)
		}()
	}
	want := func(responses <-chan string, part string, times int) {
		t.Helper()
		for range times {
			if response := <-responses; !strings.HasPrefix(response, "503 ") || !strings.Contains(response, part) {
				t.Errorf("the response to a command: %s", response)
			}
		}
	}
	want(responses, "too many reloads are in progress", 2)
	r.end(t) // without an error
	want(responses, "the gateway stops", maxReloadCommands)
	close(over)
	waitFor(t, func() bool { return strings.Count(r.log.String(), "reload failed") == maxReloadCommands })
}

// A request from before a reload may use a session of after it.
func TestLeaseAfterReloads(t *testing.T) {
	store, err := postgres.Open("postgres://gateway@127.0.0.1:1/none", postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	configured := func(request, command time.Duration) *config.Config {
		c := config.Default()
		c.HTTP.RequestTimeout, c.Platform.Timeouts.Command = request, command
		return &c
	}
	p := &Program{store: store, longest: timeoutsOfWrites(configured(time.Minute, time.Second))}
	for _, step := range []struct{ request, command, lease time.Duration }{
		{time.Second, time.Minute, 4 * time.Minute}, // a request may take 1 minute, and then its command
		{time.Second, time.Second, 4 * time.Minute},
		{time.Second, 2 * time.Minute, 6 * time.Minute},
	} {
		if err := p.extendLease(configured(step.request, step.command)); err != nil || p.longest.lease() != step.lease {
			t.Errorf("the lease with %+v is %v, %v", step, p.longest.lease(), err)
		}
	}
}

func TestReloadThatPanics(t *testing.T) {
	r := newReloadRig(t, newPlatform(t).Addr, nil)
	defer r.end(t)
	load := r.program.load
	r.program.load = func() (*config.Config, error) { panic("some fault") }
	if status, body := ask(t, "POST", "http://"+r.admin+reloadPath, ""); status != http.StatusUnprocessableEntity || !strings.Contains(body, "some fault") {
		t.Errorf("status %d, %s", status, body)
	}
	r.program.load = load
	r.reload(t, "http", `{listen: "127.0.0.1:0", drain: 0s, idle_timeout: 3s}`)
	r.wantStatus(t, http.StatusOK)
}

// The key of an endpoint's file changes when an endpoint before it is removed.
func TestRemovingAnEndpointBeforeOneWithAnExpiredCertificate(t *testing.T) {
	expired := certificateFile{path: "platform.endpoints[1].tls.cert_file", content: [sha256.Size]byte{1},
		list: []*x509.Certificate{issue(t, "expired", -2*day, -day, nil).certificate}}
	other := certificateFile{path: "platform.endpoints[0].tls.cert_file", content: [sha256.Size]byte{2}}
	before := &certificates{files: []certificateFile{other, expired}}
	expired.path = other.path
	after := &certificates{files: []certificateFile{expired}}
	if err := after.usable(before, time.Now()); err != nil {
		t.Error(err)
	}
	if err := after.usable(&certificates{files: []certificateFile{other}}, time.Now()); err == nil {
		t.Error("an expired certificate that was not in use is accepted")
	}
}
