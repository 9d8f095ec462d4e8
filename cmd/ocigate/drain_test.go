//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"ocigate/gateway/operation"
	"ocigate/oci"
	"ocigate/oci/ocisim"
)

// These tests specify the order and the time limits of a stop, with connections that are
// idle, busy or blocked.

// connection is a connection to the API of a process on which a test writes HTTP itself, so
// that it decides which connection a request uses.
type connection struct {
	net.Conn
	read *bufio.Reader
}

func (p *process) connect(t *testing.T) *connection {
	t.Helper()
	conn, err := net.Dial("tcp", p.api)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // usually the other side has closed it
	if err := conn.SetDeadline(time.Now().Add(wellAgain)); err != nil {
		t.Fatal(err)
	}
	return &connection{conn, bufio.NewReader(conn)}
}

// idleAndBusy returns a connection after a request, and one with a write that the platform
// answers slowly.
func (p *process) idleAndBusy(t *testing.T, slow *ocisim.Injection) (idle, busy *connection) {
	t.Helper()
	idle, busy = p.connect(t), p.connect(t)
	idle.send(t, http.MethodGet, writePath, "")
	idle.want(t, http.StatusOK, false)
	busy.send(t, http.MethodPost, writePath, writeBody)
	waitFor(t, func() bool { return slow.Hits() == 1 })
	return idle, busy
}

// send sends a request without waiting for the response.
func (c *connection) send(t *testing.T, method, path, body string) {
	t.Helper()
	request, err := http.NewRequest(method, "http://gateway/api/v1"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("portal", campaignSecret)
	if err := request.Write(c); err != nil {
		t.Fatal(err)
	}
}

// want reads a response, which must have that status, and reports whether the connection is
// closed after it.
func (c *connection) want(t *testing.T, status int, closes bool) {
	t.Helper()
	response, err := http.ReadResponse(c.read, nil)
	if err != nil {
		t.Error(err)
		return
	}
	_, err = io.Copy(io.Discard, response.Body)
	if err != nil || response.StatusCode != status || response.Close != closes {
		t.Errorf("%v, status %d, to be closed %t, want %d, %t", err, response.StatusCode, response.Close, status, closes)
	}
	if !closes {
		return
	}
	if _, err := c.read.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("after the answer comes %v", err)
	}
}

func TestDrain(t *testing.T) {
	platform := newPlatform(t)
	slow, err := platform.Inject(ocisim.Fault{Kind: ocisim.Slow, Command: writeCommands, Delay: 4 * time.Second, Times: 1})
	if err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, platform.Addr, processSettings{http: "drain: 10m"}, os.Stderr)

	idle, busy := p.idleAndBusy(t, slow)

	p.terminate(t)
	p.waitForReadiness(t, http.StatusServiceUnavailable, "draining\n")
	if status, body, err := p.probe("/livez"); status != http.StatusOK || err != nil {
		t.Errorf("livez: %d %q %v", status, body, err)
	}
	busy.want(t, http.StatusCreated, true)
	idle.send(t, http.MethodGet, writePath, "")
	idle.want(t, http.StatusOK, true)
	late := p.connect(t)
	late.send(t, http.MethodDelete, writePath, writeBody)
	late.want(t, http.StatusOK, true)
	again := p.connect(t)
	again.send(t, http.MethodGet, "/no-such-page/", "")
	again.want(t, http.StatusNotFound, true)
	p.wantRunning(t)

	p.terminate(t)
	<-p.ended
	if by := exitedBy(p.failure); by != syscall.SIGTERM {
		t.Errorf("after the second signal the process ended with %v", p.failure)
	}
}

// TestDrainEnds checks that the stop after a drain is the same as without one.
func TestDrainEnds(t *testing.T) {
	for _, drain := range []string{"0s", "300ms"} {
		t.Run(drain, func(t *testing.T) {
			t.Parallel()
			platform := newPlatform(t)
			slow, err := platform.Inject(ocisim.Fault{Kind: ocisim.Slow, Command: writeCommands, Delay: 3 * time.Second, Times: 1})
			if err != nil {
				t.Fatal(err)
			}
			p := startProcess(t, platform.Addr, processSettings{http: "drain: " + drain}, os.Stderr)
			idle, busy := p.idleAndBusy(t, slow)
			p.terminate(t)
			busy.want(t, http.StatusCreated, true)
			if _, err := idle.read.ReadByte(); !errors.Is(err, io.EOF) {
				t.Errorf("the idle connection has %v", err)
			}
			p.wantEnd(t, wellAgain)
			if conn, err := net.Dial("tcp", p.api); err == nil {
				_ = conn.Close()
				t.Error("the API still listens")
			}
		})
	}
}

// hungStore is a journal on a disk that hangs: its operations cannot be adopted, and it cannot
// be closed, before the end of the test.
type hungStore struct {
	operation.Store
	over chan struct{}
}

func (s *hungStore) Adopt(context.Context, string) ([]operation.Operation, error) {
	<-s.over
	return nil, errors.New("the test is over")
}

func (s *hungStore) Close() error { <-s.over; return s.Store.Close() }

// TestStopDoesNotWaitForAJournalThatHangs stops a program whose keeper waits for a store that
// hangs.
func TestStopDoesNotWaitForAJournalThatHangs(t *testing.T) {
	platform := newPlatform(t)
	c, err := demoConfig(&demo{api: "127.0.0.1:0", admin: "127.0.0.1:0"}, platform.Addr, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c.HTTP.ShutdownTimeout = time.Second
	log := &output{}
	program, err := NewProgram(c, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	program.keeper.Close(t.Context())
	hung := &hungStore{Store: program.store, over: make(chan struct{})}
	program.store = hung
	program.keeper = operation.NewKeeper(operation.Options{Store: hung, Owner: "test"})
	keeper := program.keeper
	t.Cleanup(func() {
		close(hung.over)
		keeper.Close(context.Background()) // before the check for leaks
	})

	wantLeftBehind(t, program, "hangs and was left behind")
	waitFor(t, func() bool { return len(platform.Connections()) == 0 })
}

// TestStopDoesNotWaitForAPasswordThatCannotBeRead stops a program while a login waits for the
// file of its password, on a disk that hangs.
func TestStopDoesNotWaitForAPasswordThatCannotBeRead(t *testing.T) {
	platform := newPlatform(t)
	c, err := demoConfig(&demo{api: "127.0.0.1:0", admin: "127.0.0.1:0"}, platform.Addr, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c.HTTP.ShutdownTimeout = time.Second
	program, err := NewProgram(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	reading, over := make(chan struct{}), make(chan struct{})
	client, err := oci.New(oci.Options{Endpoints: []oci.Endpoint{{
		Name: "simulated", Address: platform.Addr, UserID: "gateway", Password: "secret",
		PasswordSource: func() (oci.Secret, error) {
			close(reading)
			<-over
			return "", errors.New("the test is over")
		},
	}}, MinSessions: 1, MaxSessions: 1, Jitter: -1})
	if err != nil {
		t.Fatal(err)
	}
	_ = program.client.Close(t.Context())
	program.client = client
	t.Cleanup(func() {
		close(over)
		_ = client.Close(context.Background()) // before the check for leaks
	})
	<-reading

	wantLeftBehind(t, program, "the client of the platform hangs and was left behind")
}

// wantLeftBehind runs a program, stops it immediately, and checks that the error of the stop
// contains a text about the abandoned part.
func wantLeftBehind(t *testing.T, program *Program, text string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- program.Run(ctx, func(net.Addr, net.Addr) { cancel() }) }()
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(wellAgain):
		t.Fatal("the stop does not end")
	}
}

// TestHangingPartsFitInAStop adds up the longest times of a stop.
func TestHangingPartsFitInAStop(t *testing.T) {
	for _, timeout := range []time.Duration{time.Second, 30 * time.Second, time.Hour} {
		ordinary, log := timeout-lastPart(timeout), lastPart(timeout)/2
		if whole := ordinary + mayHang*leavingTime(timeout) + log; whole > timeout {
			t.Errorf("a stop takes up to %v of %v", whole, timeout)
		}
	}
}

func TestWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		took := func(f time.Duration) (time.Duration, error) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			began := time.Now()
			err := within(ctx, time.Second, "it", func() error { time.Sleep(f); return errFull })
			return time.Since(began), err
		}
		for _, c := range []struct {
			f, want time.Duration
			err     error
		}{
			{0, 0, errFull},
			{time.Minute, time.Minute, errFull},
			{time.Minute + time.Second - 1, time.Minute + time.Second - 1, errFull},
			{time.Hour, time.Minute + time.Second, context.DeadlineExceeded},
		} {
			if d, err := took(c.f); d != c.want || !errors.Is(err, c.err) {
				t.Errorf("%v took %v: %v", c.f, d, err)
			}
		}
		time.Sleep(time.Hour)
	})
}

var errFull = errors.New("the disk is full")
