//go:build linux

package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ocigate/oci/ocisim"
)

// These tests run the shipped unit with the real systemd.

// dropIn makes the times of the unit short. The limit of files is the container's, which
// may not raise it.
const dropIn = `[Service]
LimitNOFILE=4096
RestartSec=100ms
WatchdogSec=2s
TimeoutStopSec=2s
`

// service is the service of a machine.
type service struct {
	*container
	*process
	platform *ocisim.Server
}

// configure writes the configuration of the service, with further lines.
func (s *service) configure(lines string) {
	s.write("etc/ocigate/ocigate.yaml", fmt.Sprintf(`
http: {listen: %q, drain: 1s}
admin: {listen: %q}
journal: {folder: /var/lib/ocigate/journal}
auth: {verified_for: 60s, clients: [{id: portal, hash: %q, level: system}]}
platform:
  endpoints: [{name: simulated, address: %q, tls: {enabled: false}}]
  user_id: gateway
  password: {credential: ocigate.platform_password}
`, s.api, s.admin, campaignHash(), s.platform.Addr)+lines, 0o644)
}

// serves checks that a write, and the write that undoes it, are carried out.
func (s *service) serves(t *testing.T) {
	t.Helper()
	client := &http.Client{Timeout: wellAgain, Transport: &http.Transport{DisableKeepAlives: true}}
	for _, c := range []struct {
		method string
		status int
	}{{http.MethodPost, http.StatusCreated}, {http.MethodDelete, http.StatusOK}} {
		if status, _, err := s.call(client, c.method, writePath, writeBody); err != nil || status != c.status {
			t.Errorf("%s: status %d, %v\n%s", c.method, status, err, s.log())
		}
	}
}

func TestUnitWithSystemd(t *testing.T) {
	m := bootSystemd(t)
	s := &service{container: m, process: &process{api: quietAddress(t), admin: quietAddress(t)}, platform: newPlatform(t)}
	for _, step := range []struct {
		name string
		test func(*service, *testing.T)
	}{
		{"it is installed as the page says", (*service).install},
		{"the unit has no faults", (*service).verify},
		{"a configuration that is not valid is not tried again", (*service).wrongConfiguration},
		{"it is active when it serves", (*service).start},
		{"the process may do little", (*service).confined},
		{"a reload reports its result", (*service).reload},
		{"a port below 1024 needs the lines of the unit", (*service).lowPort},
		{"a process that was killed is started again", (*service).killed},
		{"a process that hangs is ended and started again", (*service).hung},
		{"a stop lets requests finish", (*service).stop},
		{"an encrypted credential is decrypted", (*service).encrypted},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.test(s, t) }) {
			break // the next ones need it
		}
	}
}

func (s *service) install(t *testing.T) {
	s.write("root/ocigate.yaml", "# to be written\n", 0o600)
	s.write("root/platform.password", "gateway-demo\n", 0o600)
	s.follow(t, "assets write")
	s.write("etc/systemd/system/ocigate.service.d/test.conf", dropIn, 0o644)
	s.run(t, "systemctl", "daemon-reload")
	if got := s.run(t, "stat", "--format=%U %G %a", "/etc/ocigate/ocigate.yaml"); got != "root ocigate 640" {
		t.Errorf("the configuration has %s", got)
	}
}

func (s *service) verify(t *testing.T) {
	if out, err := s.try("systemd-analyze", "verify", "--man=no", "ocigate.service"); err != nil || out != "" {
		t.Errorf("%v: %s", err, out)
	}
	out, err := s.try("systemd-analyze", "security", "--offline=true", "--threshold=12", "ocigate.service")
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	t.Log(out[strings.LastIndex(out, "\n")+1:])
}

func (s *service) wrongConfiguration(t *testing.T) {
	s.configure("nothing: like this\n")
	if out, err := s.try("systemctl", "start", "ocigate"); err == nil {
		t.Errorf("it starts: %s", out)
	}
	s.wantProperties(t, map[string]string{"ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": "78", "NRestarts": "0"})
	if log := s.log(); !strings.Contains(log, "/etc/ocigate/ocigate.yaml: line") {
		t.Errorf("logged %s", log)
	}
}

func (s *service) start(t *testing.T) {
	s.configure("")
	if out, err := s.try("systemctl", "start", "ocigate"); err == nil {
		t.Errorf("it starts without its credential: %s", out)
	}
	s.follow(t, "install -m 600 platform.password")
	if out := s.follow(t, "ocigate doctor"); strings.Contains(out, "FAILED") || !strings.Contains(out, "simulated: login") {
		t.Errorf("doctor says %s", out)
	}
	s.follow(t, "systemctl enable --now")
	if status, body, err := s.probe("/readyz"); err != nil || status != http.StatusOK {
		t.Errorf("readyz returns %d %s, %v", status, body, err)
	}
	s.serves(t)
	s.wantProperties(t, map[string]string{"ActiveState": "active", "SubState": "running", "NRestarts": "0"})
	s.awaitProperty(t, "StatusText", "serving, 1 of 1 platform endpoints up")
}

func (s *service) confined(t *testing.T) {
	status := s.run(t, "cat", "/proc/"+s.property(t, "MainPID")+"/status")
	for _, line := range []string{"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(status, line) {
			t.Errorf("it has not %q:\n%s", line, status)
		}
	}
	socket := filepath.Join("/var/lib/ocigate/journal", controlSocket)
	s.await(t, socket, func() bool { _, err := s.try("test", "-S", socket); return err == nil })
	for path, want := range map[string]string{
		socket:                                     "ocigate ocigate 600",
		"/var/lib/ocigate":                         "ocigate ocigate 700",
		"/var/lib/ocigate/journal":                 "ocigate ocigate 700",
		"/proc/" + s.property(t, "MainPID"):        "ocigate ocigate 555",
		"/etc/credstore/ocigate.platform_password": "root root 600",
	} {
		if got := s.run(t, "stat", "--format=%U %G %a", path); got != want {
			t.Errorf("%s has %s, want %s", path, got, want)
		}
	}
	// What a restriction would hide.
	if _, metrics, err := s.probe("/metrics"); err != nil || !strings.Contains(metrics, "\nprocess_start_time_seconds ") || !strings.Contains(metrics, "\nprocess_open_fds ") {
		t.Errorf("metrics of the process are missing: %v", err)
	}
	if out := s.run(t, "ocigate", "operations", "list", "--config", "/etc/ocigate/ocigate.yaml"); out == "" {
		t.Error("operations cannot be listed")
	}
}

func (s *service) reload(t *testing.T) {
	s.configure("log: {level: debug}\n")
	s.run(t, "systemctl", "reload", "ocigate")
	for _, wrong := range []string{"nothing: like this\n", "log: {level: loud}\n"} {
		s.configure(wrong)
		if out, err := s.try("systemctl", "reload", "ocigate"); err == nil {
			t.Errorf("it is reloaded: %s", out)
		}
		s.wantProperties(t, map[string]string{"ActiveState": "active", "SubState": "running", "NRestarts": "0"})
	}
	if log := s.log(); !strings.Contains(log, "nothing was reloaded:") {
		t.Errorf("logged %s", log)
	}
	s.awaitProperty(t, "StatusText", "serving, 1 of 1 platform endpoints up, the last reload failed")
	s.serves(t)
	s.configure("")
	s.run(t, "systemctl", "kill", "--signal=HUP", "ocigate")
	s.awaitProperty(t, "StatusText", "serving, 1 of 1 platform endpoints up")
	s.run(t, "systemctl", "reload", "ocigate")
	s.serves(t)
	s.wantProperties(t, map[string]string{"ActiveState": "active", "SubState": "running", "NRestarts": "0"})
}

// lowPort follows the comment of the unit about ports below 1024.
func (s *service) lowPort(t *testing.T) {
	unit := s.run(t, "cat", "/usr/lib/systemd/system/ocigate.service")
	_, lines, _ := strings.Cut(unit, "#   [Service]\n")
	lines, _, _ = strings.Cut(lines, "\nCapabilityBoundingSet=\n")
	const file, low = "etc/systemd/system/ocigate.service.d/port.conf", "127.0.0.1:967"
	s.write(file, "[Service]\n"+strings.ReplaceAll(lines, "#   ", "")+"\n", 0o644)
	before := s.api
	s.api = low
	s.configure("")
	s.run(t, "systemctl", "daemon-reload")
	s.run(t, "systemctl", "restart", "ocigate")
	s.serves(t)
	s.api = before
	s.configure("")
	s.run(t, "rm", "/"+file)
	s.run(t, "systemctl", "daemon-reload")
	s.run(t, "systemctl", "restart", "ocigate")
	s.serves(t)
}

func (s *service) killed(t *testing.T) {
	s.run(t, "systemctl", "kill", "--signal=KILL", "ocigate")
	s.awaitProperty(t, "NRestarts", "1")
	s.awaitProperty(t, "ActiveState", "active")
	s.serves(t)
}

func (s *service) hung(t *testing.T) {
	// Longer than the limit of the watchdog, which so far was not exceeded.
	began := time.Now()
	waitFor(t, func() bool { return time.Since(began) > 5*time.Second })
	s.wantProperties(t, map[string]string{"NRestarts": "1"})

	s.run(t, "systemctl", "kill", "--signal=STOP", "ocigate")
	s.awaitProperty(t, "NRestarts", "2")
	s.awaitProperty(t, "ActiveState", "active")
	s.serves(t)
	if log := s.log(); !strings.Contains(log, "Watchdog timeout (limit 2s)!") || !strings.Contains(log, "SIGABRT: abort") || !strings.Contains(log, "goroutine ") {
		t.Errorf("logged %s", log)
	}
	if cores, _ := filepath.Glob(filepath.Join(s.root, "var/lib/ocigate/core*")); len(cores) > 0 {
		t.Errorf("there are core dumps: %v", cores)
	}
}

func (s *service) stop(t *testing.T) {
	const delay = 4 * time.Second // more than the drain and TimeoutStopSec
	slow, err := s.platform.Inject(ocisim.Fault{Kind: ocisim.Slow, Command: writeCommands, Delay: delay, Times: 1})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan string, 1)
	go func() {
		status, _, err := s.call(&http.Client{Timeout: wellAgain}, http.MethodPost, writePath, writeBody)
		ended <- strconv.Itoa(status) + fmt.Sprint(err)
	}()
	waitFor(t, func() bool { return slow.Hits() == 1 })
	began := time.Now()
	s.run(t, "systemctl", "stop", "ocigate")
	if took := time.Since(began); took < delay/2 {
		t.Errorf("it was stopped after %v", took)
	}
	if got := <-ended; got != "201<nil>" {
		t.Errorf("the request in flight has got %s\n%s", got, s.log())
	}
	s.wantProperties(t, map[string]string{"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"})
	if _, err := os.Lstat(filepath.Join(s.root, "var/lib/ocigate/journal", controlSocket)); !os.IsNotExist(err) {
		t.Errorf("the control socket is left: %v", err)
	}
}

func (s *service) encrypted(t *testing.T) {
	s.follow(t, "systemd-creds encrypt")
	s.write("etc/systemd/system/ocigate.service.d/credentials.conf", "[Service]\nLoadCredentialEncrypted=ocigate.platform_password\n", 0o644)
	s.run(t, "systemctl", "daemon-reload")
	s.run(t, "systemctl", "start", "ocigate")
	s.mustCall(t, keepsAlive(t), http.MethodGet, writePath, "", http.StatusOK)
	if _, err := os.Stat(filepath.Join(s.root, "etc/credstore/ocigate.platform_password")); !os.IsNotExist(err) {
		t.Errorf("the secret is still there: %v", err)
	}
	s.run(t, "systemctl", "stop", "ocigate")
}
