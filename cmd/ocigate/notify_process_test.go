//go:build linux

package main

import (
	"context"
	"fmt"
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

	"github.com/coreos/go-systemd/v22/daemon"

	"ocigate/gateway/operation"
)

// These tests specify what the program sends to systemd. The test is the receiver.

// systemdSocket is the end of systemd of the socket of a service.
type systemdSocket struct {
	conn   *net.UnixConn
	seen   []string // messages other than signs of life, for failures
	status string   // the last one
}

// listenAsSystemd opens a socket for the processes that the test starts. A name that begins
// with "@" is not in the file system.
func listenAsSystemd(t *testing.T, name string) *systemdSocket {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	t.Setenv(notifySocket, name)
	return &systemdSocket{conn: conn}
}

// read reads a message.
func (s *systemdSocket) read(t *testing.T, awaited string) string {
	t.Helper()
	buffer := make([]byte, 4096)
	n, err := s.conn.Read(buffer)
	if err != nil {
		t.Fatalf("no message matches %s: %v, after %q", awaited, err, s.seen)
	}
	message := string(buffer[:n])
	if message != daemon.SdNotifyWatchdog {
		s.seen = append(s.seen, message)
	}
	if status, is := strings.CutPrefix(message, "STATUS="); is {
		s.status = status
	}
	return message
}

// patience limits the wait for the next messages.
func (s *systemdSocket) patience(t *testing.T) {
	t.Helper()
	if err := s.conn.SetReadDeadline(time.Now().Add(wellAgain)); err != nil {
		t.Fatal(err)
	}
}

// await reads messages until one matches.
func (s *systemdSocket) await(t *testing.T, pattern string) {
	t.Helper()
	s.patience(t)
	for expression := regexp.MustCompile(`\A(?:` + pattern + `)\z`); !expression.MatchString(s.read(t, pattern)); {
	}
}

// awaitStatus reads messages until that is the status.
func (s *systemdSocket) awaitStatus(t *testing.T, status string) {
	t.Helper()
	s.patience(t)
	for s.status != status {
		s.read(t, status)
	}
}

// reloading matches the first message of a reload.
const reloading = `RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]+`

func TestSystemdIsNotified(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs the program as a process")
	}
	for name, socket := range map[string]string{
		"by a socket in the file system": filepath.Join(t.TempDir(), "notify"),
		"by an abstract socket":          fmt.Sprintf("@ocigate-test-%d", os.Getpid()),
	} {
		t.Run(name, func(t *testing.T) {
			systemd := listenAsSystemd(t, socket)
			t.Setenv("WATCHDOG_USEC", "200000")
			platform := newPlatform(t)
			p := launchProcess(t, platform.Addr, processSettings{http: "drain: 1s, shutdown_timeout: 2m"}, nil)

			systemd.await(t, "READY=1")
			if len(systemd.seen) != 1 {
				t.Errorf("before it was ready, it sent %q", systemd.seen)
			}
			if status, body, err := p.probe("/readyz"); err != nil || status != http.StatusOK {
				t.Errorf("when it was ready, readyz returned %d %q, %v", status, body, err)
			}
			p.mustCall(t, keepsAlive(t), http.MethodGet, writePath, "", http.StatusOK)
			systemd.await(t, "WATCHDOG=1")
			systemd.awaitStatus(t, "serving, 1 of 1 platform endpoints up")

			reload := func() {
				t.Helper()
				if err := p.command.Process.Signal(syscall.SIGHUP); err != nil {
					t.Fatal(err)
				}
				systemd.await(t, reloading)
				systemd.await(t, "READY=1")
			}
			reload()
			file := p.command.Args[len(p.command.Args)-1]
			good, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			replaceFile(t, file, string(good)+"nothing: like this\n")
			reload()
			systemd.awaitStatus(t, "serving, 1 of 1 platform endpoints up, the last reload failed")
			replaceFile(t, file, string(good))
			reload()
			systemd.awaitStatus(t, "serving, 1 of 1 platform endpoints up")
			_ = platform.Close() // never fails
			systemd.awaitStatus(t, "serving, 0 of 1 platform endpoints up")

			p.terminate(t)
			systemd.await(t, `STOPPING=1\nEXTEND_TIMEOUT_USEC=126000000\nSTATUS=stopping, requests are served for another 1s`)
			systemd.await(t, "WATCHDOG=1")
			p.wantEnd(t, wellAgain)
		})
	}
}

// replaceFile replaces a file.
func replaceFile(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestServeTellsAWrongConfigurationByItsExitCode checks what keeps systemd from starting
// the service again and again.
func TestServeTellsAWrongConfigurationByItsExitCode(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs the program as a process")
	}
	file := filepath.Join(t.TempDir(), "ocigate.yaml")
	const valid = "journal: {folder: %s}\nplatform: {user_id: u, password: p, endpoints: [{name: a, address: '127.0.0.1:1', tls: {enabled: false}}]}\n"
	for name, c := range map[string]struct {
		text string
		code int
	}{
		"no file":                         {"", 78},
		"a key that does not exist":       {"nothing: like this\n" + valid, 78},
		"a certificate that is missing":   {"http: {tls: {cert_file: /none, key_file: /none}}\n" + valid, 78},
		"an error that does not exist":    {"api: {platform_errors: [{number: 1, error: NONE}]}\n" + valid, 78},
		"an address of another machine":   {"http: {listen: '192.0.2.1:8080'}\n" + valid, 1},
		"a credential that is not passed": {strings.Replace(valid, "password: p", "password: {credential: none}", 1), 78},
	} {
		t.Run(name, func(t *testing.T) {
			_ = os.Remove(file)
			if c.text != "" {
				replaceFile(t, file, strings.Replace(c.text, "%s", filepath.Join(filepath.Dir(file), "journal"), 1)+"admin: {listen: '"+quietAddress(t)+"'}\n")
			}
			command := exec.Command(os.Args[0], "serve", "--config", file)
			command.Env = append(os.Environ(), asProgram+"=1")
			out, _ := command.CombinedOutput()
			if got := command.ProcessState.ExitCode(); got != c.code {
				t.Errorf("exit code %d, want %d: %s", got, c.code, out)
			}
		})
	}
}

// withWatchdog makes a program send its messages to a channel. Its parts are checked often.
func withWatchdog(t *testing.T, p *Program) <-chan string {
	t.Helper()
	sent := make(chan string, 1000)
	p.notify = newNotifier(p.logger, 20*time.Millisecond, p.vitalParts(), p.statusLine)
	p.notify.send = func(message string) error {
		select {
		case sent <- message:
		default:
		}
		return nil
	}
	t.Cleanup(p.background(p.notify.run))
	return sent
}

// wantSent waits for a message.
func wantSent(t *testing.T, sent <-chan string, want string) {
	t.Helper()
	for {
		select {
		case got := <-sent:
			if got == want {
				return
			}
		case <-time.After(wellAgain):
			t.Fatalf("%q is not sent", want)
		}
	}
}

// TestWatchdogFollowsTheProgram has parts of a program hang.
func TestWatchdogFollowsTheProgram(t *testing.T) {
	for name, hang := range map[string]func(*Program) (end func()){
		"the handler for operators": func(p *Program) func() {
			before, hung := p.admin.handler, make(chan struct{})
			p.admin.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				<-hung
				before.ServeHTTP(w, r)
			})
			return func() { close(hung) }
		},
		"the connections": func(p *Program) func() {
			p.admin.open.mu.Lock()
			return p.admin.open.mu.Unlock
		},
		"the status": func(p *Program) func() { // of the last reload
			p.lastReload.mu.Lock()
			return p.lastReload.mu.Unlock
		},
	} {
		t.Run("when "+name+" hangs", func(t *testing.T) {
			var sent <-chan string
			var end func()
			platform := newPlatform(t)
			c, err := demoConfig(&demo{api: "127.0.0.1:0", admin: "127.0.0.1:0"}, platform.Addr, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			g := startWith(t, c, func(p *Program) { sent = withWatchdog(t, p); end = hang(p) })
			waitFor(t, func() bool { return strings.Contains(g.log.String(), name+" hangs") })
			for len(sent) > 0 {
				if got := <-sent; got == "WATCHDOG=1" {
					t.Error("it sent a sign of life")
				}
			}
			end()
			wantSent(t, sent, "WATCHDOG=1")
		})
	}
}

// A restart would not help against a disk that hangs.
func TestWatchdogDoesNotWaitForTheJournal(t *testing.T) {
	c, err := demoConfig(&demo{api: "127.0.0.1:0", admin: "127.0.0.1:0"}, newPlatform(t).Addr, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c.HTTP.Drain, c.HTTP.ShutdownTimeout = 0, time.Second
	var sent <-chan string
	startWith(t, c, func(p *Program) {
		p.keeper.Close(t.Context())
		hung := &hungStore{Store: p.store, over: make(chan struct{})}
		keeper := operation.NewKeeper(operation.Options{Store: hung, Owner: "test"})
		p.keeper = keeper
		t.Cleanup(func() {
			close(hung.over)
			keeper.Close(context.Background()) // before the check for leaks
		})
		sent = withWatchdog(t, p)
	})
	for range 5 {
		wantSent(t, sent, "WATCHDOG=1")
	}
}
