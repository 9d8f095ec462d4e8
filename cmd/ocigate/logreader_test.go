//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// These tests specify that the reader of the log cannot affect requests: the gateway answers
// writes if the reader has ended, is replaced, or blocks.

// stopTime is how long a process may take to stop: its shutdown_timeout.
const stopTime = 30 * time.Second

// wantAnswers makes a write and undoes it.
func (p *process) wantAnswers(t *testing.T, client *http.Client) {
	t.Helper()
	p.mustCall(t, client, http.MethodPost, writePath, writeBody, http.StatusCreated)
	p.mustCall(t, client, http.MethodDelete, writePath, writeBody, http.StatusOK)
}

func TestProcessSurvivesTheEndOfTheReader(t *testing.T) {
	read, write := logPipe(t)
	p := startProcess(t, newPlatform(t).Addr, processSettings{http: "drain: 0s, shutdown_timeout: 30s"}, write)
	_ = write.Close()
	if err := read.Close(); err != nil {
		t.Fatal(err)
	}
	client := keepsAlive(t)
	for range 3 {
		p.wantAnswers(t, client)
	}
	p.terminate(t)
	p.wantEnd(t, stopTime)
}

// TestProcessWritesToTheNextReader logs to a FIFO whose reader ends and is replaced. The next
// reader gets the lines of the time between.
func TestProcessWritesToTheNextReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	first, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	write, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, newPlatform(t).Addr, processSettings{http: "drain: 0s, shutdown_timeout: 30s"}, write)
	_ = write.Close()
	client := keepsAlive(t)
	readLines(t, readerOf(t, first), `"msg":"serving"`)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	p.mustCall(t, client, http.MethodGet, "/without-a-reader/", "", http.StatusNotFound)
	p.wantAnswers(t, client)
	second, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // it does not wait for a writer
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = second.Close() }()
	log := readerOf(t, second)
	for _, line := range readLines(t, log, "/without-a-reader/") {
		if !json.Valid([]byte(line)) {
			t.Errorf("the new reader gets %q", line)
		}
	}
	p.mustCall(t, client, http.MethodGet, "/with-a-reader/", "", http.StatusNotFound)
	readLines(t, log, "/with-a-reader/")
	p.terminate(t)
	readLines(t, log, `"msg":"stopped"`)
	p.wantEnd(t, stopTime)
	if n := p.command.ProcessState.ExitCode(); n != 0 {
		t.Errorf("exit code %d", n)
	}
}

// fillLog makes requests until lines of the log are dropped.
func (p *process) fillLog(t *testing.T, client *http.Client) {
	t.Helper()
	long := "/" + strings.Repeat("x", maxHeaderBytes/4) // the line contains a part of it
	for deadline := time.Now().Add(2 * wellAgain); p.dropped(t) == 0; {
		for range 500 {
			if p.mustCall(t, client, http.MethodGet, long, "", http.StatusNotFound); t.Failed() {
				t.FailNow()
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("no line is dropped")
		}
	}
}

func TestProcessSurvivesABlockedReader(t *testing.T) {
	t.Run("it answers requests, and reports the dropped lines later", func(t *testing.T) {
		read, write := logPipe(t)
		p := startProcess(t, newPlatform(t).Addr, processSettings{http: "drain: 0s, shutdown_timeout: 30s"}, write)
		_ = write.Close()
		client := keepsAlive(t)
		p.fillLog(t, client)
		p.wantAnswers(t, client)
		p.waitForReadiness(t, http.StatusOK, "ready")

		log := readerOf(t, read)
		lines := readLines(t, log, "log lines were dropped")
		var gap struct {
			Level string
			Lines int
		}
		dropped := p.dropped(t)
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &gap); err != nil || gap.Level != "WARN" || gap.Lines != dropped {
			t.Errorf("%v, the line is %s, want %d lines", err, lines[len(lines)-1], dropped)
		}
		p.mustCall(t, client, http.MethodGet, "/afterwards/", "", http.StatusNotFound)
		readLines(t, log, "/afterwards/")
		if now := p.dropped(t); now != dropped {
			t.Errorf("%d lines are dropped, and %d were before the reader came back", now, dropped)
		}
		p.terminate(t)
		readLines(t, log, `"msg":"stopped"`)
		p.wantEnd(t, stopTime)
	})
	t.Run("it stops in time", func(t *testing.T) {
		_, write := logPipe(t)
		p := startProcess(t, newPlatform(t).Addr, processSettings{http: "drain: 0s, shutdown_timeout: 30s"}, write)
		client := keepsAlive(t)
		p.fillLog(t, client)
		p.wantAnswers(t, client)
		p.terminate(t)
		p.wantEnd(t, stopTime)
	})
}

func TestProcessReportsWhyItEnds(t *testing.T) {
	read, write := logPipe(t)
	p := launchProcess(t, "127.0.0.1:1", processSettings{http: "request_timeout: 10m"}, write)
	_ = write.Close()
	log, err := io.ReadAll(readerOf(t, read))
	if err != nil || !strings.HasPrefix(string(log), "ocigate: ") || !strings.HasSuffix(string(log), "\n") || !strings.Contains(string(log), "http.request_timeout") {
		t.Errorf("%v, the log is %q", err, log)
	}
	<-p.ended
	if n := p.command.ProcessState.ExitCode(); n != exitNotValid {
		t.Errorf("exit code %d", n)
	}
}

var droppedMetric = regexp.MustCompile(`(?m)^ocigate_log_lines_dropped_total (\S+)$`)

// dropped returns the metric of dropped lines.
func (p *process) dropped(t *testing.T) int {
	t.Helper()
	_, body, err := p.probe("/metrics")
	found := droppedMetric.FindStringSubmatch(body)
	if err != nil || found == nil {
		t.Fatalf("no metric of dropped lines: %v", err)
	}
	n, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

// logPipe returns a pipe of the smallest size for a log.
func logPipe(t *testing.T) (read, write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = read.Close(), write.Close() }) // usually they are closed already
	const setPipeSize = 1031                                 // F_SETPIPE_SZ, which package syscall does not have on all architectures
	if _, _, failed := syscall.Syscall(syscall.SYS_FCNTL, write.Fd(), setPipeSize, 4096); failed != 0 {
		t.Fatal(failed)
	}
	return read, write
}

// readerOf returns a reader of a pipe with a deadline, so that a test does not wait for a
// process that writes nothing.
func readerOf(t *testing.T, pipe *os.File) *bufio.Reader {
	t.Helper()
	if err := pipe.SetReadDeadline(time.Now().Add(2 * wellAgain)); err != nil {
		t.Fatal(err)
	}
	return bufio.NewReader(pipe)
}

// readLines reads a log until a line contains a word, and returns all lines.
func readLines(t *testing.T, log *bufio.Reader, until string) []string {
	t.Helper()
	var lines []string
	for {
		line, err := log.ReadString('\n')
		if err != nil {
			t.Fatalf("%v, and no line holds %q after %d", err, until, len(lines))
		}
		lines = append(lines, line)
		if strings.Contains(line, until) {
			return lines
		}
	}
}
