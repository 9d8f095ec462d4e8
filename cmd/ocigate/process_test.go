//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// These helpers run the program in a separate process.

// A write of the demonstration's group, and the write that undoes it.
const writeBody = `{"numbers":[{"minPhoneNumber":"+3225126999"}]}`

var writePath = itc("ApioSpTest", "ApioGrpTest", "numbers")

// process is the program in a separate process. The test decides when it stops and where its
// log goes.
type process struct {
	*bound
	api, admin string // addresses
}

// processSettings are lines of YAML in addition to those of all processes of tests.
type processSettings struct {
	http, journal string
	descriptors   int // limit of open descriptors; 0 for that of the tests
}

// startProcess starts the program in front of a platform with the demonstration's seed, and
// waits until it is ready. Its log goes to the file.
func startProcess(t *testing.T, platform string, s processSettings, stderr *os.File) *process {
	t.Helper()
	p := launchProcess(t, platform, s, stderr)
	for deadline := time.Now().Add(wellAgain); ; {
		if status, _, err := p.probe("/readyz"); err == nil && status == http.StatusOK {
			return p
		}
		select {
		case <-p.ended:
			t.Fatalf("the gateway does not start: %v", p.failure)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal("the gateway is not ready")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// launchProcess starts the program without waiting for it.
func launchProcess(t *testing.T, platform string, s processSettings, stderr *os.File) *process {
	t.Helper()
	p := &process{api: quietAddress(t), admin: quietAddress(t)}
	folder := t.TempDir()
	file := filepath.Join(folder, "ocigate.yaml")
	text := fmt.Sprintf(`
http: {listen: %q, %s}
admin: {listen: %q}
auth: {verified_for: 60s, clients: [{id: portal, hash: %q, level: system}]}
journal: {folder: %q, %s}
platform:
  endpoints: [{name: simulated, address: %q, tls: {enabled: false}}]
  user_id: gateway
  password: gateway-demo
`, p.api, s.http, p.admin, campaignHash(), filepath.Join(folder, "journal"), s.journal, platform)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(os.Args[0], "serve", "--config", file)
	if s.descriptors > 0 {
		command = exec.Command("sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, s.descriptors), os.Args[0], "serve", "--config", file)
	}
	command.Env = append(os.Environ(), asProgram+"=1")
	command.Stderr = stderr
	p.bound = startBound(t, command)
	return p
}

// terminate sends the process a SIGTERM.
func (p *process) terminate(t *testing.T) {
	t.Helper()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
}

// wantEnd waits for the end of the process, and checks that it was not killed.
func (p *process) wantEnd(t *testing.T, within time.Duration) {
	t.Helper()
	select {
	case <-p.ended:
		if p.failure != nil {
			t.Errorf("the process ended with %v", p.failure)
		}
	case <-time.After(within):
		t.Fatalf("the process did not end within %v", within)
	}
}

// wantRunning checks that the process has not ended.
func (p *process) wantRunning(t *testing.T) {
	t.Helper()
	select {
	case <-p.ended:
		t.Fatalf("the process has ended: %v", p.failure)
	default:
	}
}

// probe reads a path of the listener for operators, over a new connection.
func (p *process) probe(path string) (status int, body string, err error) {
	client := &http.Client{Timeout: wellAgain, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + p.admin + path)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	return response.StatusCode, string(read), err
}

// waitForReadiness waits until readyz returns that status.
func (p *process) waitForReadiness(t *testing.T, status int, body string) {
	t.Helper()
	deadline := time.Now().Add(wellAgain)
	for {
		p.wantRunning(t)
		gotStatus, got, err := p.probe("/readyz")
		if err == nil && gotStatus == status && strings.Contains(got, body) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("readyz still answers %d %q (%v), want %d %q", gotStatus, got, err, status, body)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// call makes a request to the API as the client of level system.
func (p *process) call(client *http.Client, method, path, body string) (int, http.Header, error) {
	request, err := http.NewRequest(method, "http://"+p.api+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.SetBasicAuth("portal", campaignSecret)
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	header := response.Header
	if response.Close { // net/http removes the field from the header
		header.Set("Connection", "close")
	}
	return response.StatusCode, header, err
}

// mustCall is call for a request that must have that status.
func (p *process) mustCall(t *testing.T, client *http.Client, method, path, body string, status int) http.Header {
	t.Helper()
	got, header, err := p.call(client, method, path, body)
	if err != nil || got != status {
		p.wantRunning(t)
		t.Errorf("%s %s: %d, %v, want %d", method, path, got, err, status)
	}
	return header
}

// keepsAlive returns a client that keeps connections open until the test ends.
func keepsAlive(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Timeout: wellAgain, Transport: transport}
}

// exitedBy returns the signal that ended a process, -1 for none.
func exitedBy(err error) syscall.Signal {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return -1
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return -1
	}
	return status.Signal()
}
