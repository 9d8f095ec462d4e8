package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"ocigate/config"
)

// These tests specify the queue of log lines with readers that are slow, blocked, failing or
// disconnected.

// sink is a destination that can block and fail.
type sink struct {
	mu      sync.Mutex // guards the following fields, except gate
	written []string   // each write
	fail    func(p []byte) (int, error)
	gate    sync.Mutex // held to block writes; guards nothing
}

func (s *sink) Write(p []byte) (int, error) {
	s.gate.Lock()
	defer s.gate.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		n, err := s.fail(p)
		s.written = append(s.written, string(p[:n]))
		return n, err
	}
	s.written = append(s.written, string(p))
	return len(p), nil
}

func (s *sink) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.written, "")
}

func (s *sink) setFail(fail func(p []byte) (int, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fail
}

func TestLogQueueKeepsAllLinesInOrder(t *testing.T) {
	const writers, lines = 8, 2000
	var to sink
	q := newLogQueue(&to)
	var work sync.WaitGroup
	for w := range writers {
		work.Go(func() {
			for i := range lines {
				fmt.Fprintf(q, "%d %d\n", w, i)
			}
		})
	}
	work.Wait()
	q.close()
	var next [writers]int
	for line := range strings.Lines(to.all()) {
		var w, i int
		if _, err := fmt.Sscanf(line, "%d %d\n", &w, &i); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if i != next[w] {
			t.Fatalf("writer %d: line %d comes where line %d should", w, i, next[w])
		}
		next[w]++
	}
	for w, n := range next {
		if n != lines {
			t.Errorf("writer %d: %d lines arrived", w, n)
		}
	}
	if q.Dropped() != 0 {
		t.Errorf("%d lines were dropped", q.Dropped())
	}
}

// TestLogQueueOfABlockedReader fills the queue by bytes and by lines.
func TestLogQueueOfABlockedReader(t *testing.T) {
	for name, length := range map[string]int{"bounded by bytes": 1 << 10, "bounded by lines": 10} {
		t.Run(name, func(t *testing.T) {
			var to sink
			to.gate.Lock()
			q := newLogQueue(&to)
			q.setUp(gapLine(config.Log{Format: config.LogJSON}), time.Minute)
			line := func(i int) string { return fmt.Sprintf("%0*d\n", length-1, i) }
			const total = 50_000
			for i := range total {
				fmt.Fprint(q, line(i))
				if i == 0 { // this line is being written when the others are queued
					waitFor(t, func() bool { return waiting(q) == 0 })
				}
			}
			kept := min(maxQueuedBytes/length, maxQueuedLines)
			if got := q.Dropped(); got != uint64(total-kept) {
				t.Errorf("%d lines were dropped, want %d", got, total-kept)
			}
			to.gate.Unlock()
			waitFor(t, func() bool { return strings.HasSuffix(to.all(), "}\n") }) // the gap's line
			fmt.Fprint(q, "after\n")
			q.close()

			lines := strings.SplitAfter(to.all(), "\n")
			if len(lines) != kept+3 { // the gap's line, the line after it, and an empty text
				t.Fatalf("%d lines arrived, want %d", len(lines)-1, kept+2)
			}
			for i := range kept {
				if lines[i] != line(i) {
					t.Fatalf("line %d is %q", i, lines[i])
				}
			}
			var gap struct {
				Level, Msg string
				Lines      int
			}
			if err := json.Unmarshal([]byte(lines[kept]), &gap); err != nil || gap.Level != "WARN" || gap.Lines != total-kept {
				t.Errorf("%v, the gap's line is %s", err, lines[kept])
			}
			if lines[kept+1] != "after\n" {
				t.Errorf("after the gap comes %q", lines[kept+1])
			}
			for _, piece := range to.written {
				if len(piece) > pieceBytes || !strings.HasSuffix(piece, "\n") {
					t.Errorf("%d bytes were written in one piece, ending in %q", len(piece), piece[len(piece)-1:])
				}
			}
		})
	}
}

// waiting returns the number of bytes that a queue has not begun to write.
func waiting(q *logQueue) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

func TestLogQueueGathersLines(t *testing.T) {
	var to sink
	to.gate.Lock()
	q := newLogQueue(&to)
	const lines = 100
	for range lines {
		fmt.Fprint(q, "a line\n")
	}
	to.gate.Unlock()
	q.close()
	if len(to.written) > 2 { // the lines that the goroutine had taken, and the rest
		t.Errorf("%d lines took %d writes", lines, len(to.written))
	}
}

// TestLogQueueOfAReaderThatReturns makes writes fail for a time. The output for a reader
// begins with a complete line.
func TestLogQueueOfAReaderThatReturns(t *testing.T) {
	tests := map[string]struct {
		err  error
		want string // after the failure
	}{
		"another reader of a pipe gets complete lines": {syscall.EPIPE, "second\n" + "third\n" + "last\n"},
		"a file continues at its end":                  {syscall.ENOSPC, "ond\n" + "third\n" + "last\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var to sink
				first := true
				to.setFail(func(p []byte) (int, error) {
					n := 0
					if first {
						n = min(len(p), len("first\n"+"sec"))
					}
					first = false
					return n, test.err
				})
				q := newLogQueue(&to)
				fmt.Fprint(q, "first\n"+"second\n"+"third\n")
				time.Sleep(time.Minute)
				if got := to.all(); got != "first\n"+"sec" {
					t.Errorf("%q was written", got)
				}
				to.setFail(nil)
				fmt.Fprint(q, "last\n")
				time.Sleep(time.Second)
				if got := strings.TrimPrefix(to.all(), "first\n"+"sec"); got != test.want {
					t.Errorf("then came %q, want %q", got, test.want)
				}
				q.close()
				if q.Dropped() != 0 {
					t.Errorf("%d lines were dropped", q.Dropped())
				}
			})
		})
	}
}

func TestLogQueueClosesInTime(t *testing.T) {
	t.Run("what is queued is written", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			read, write := io.Pipe()
			q := newLogQueue(write)
			go func() {
				fmt.Fprint(q, "fatal\n")
				q.close()
				_ = write.Close()
			}()
			time.Sleep(lastLinesTime / 2) // the reader is slow
			if got, err := io.ReadAll(read); err != nil || string(got) != "fatal\n" {
				t.Errorf("%v, read %q", err, got)
			}
		})
	})
	t.Run("a reader that stalls is not waited for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			read, write := io.Pipe()
			q := newLogQueue(write)
			q.setUp(gapLine(config.Log{}), 300*time.Millisecond)
			fmt.Fprint(q, "fatal\n")
			began := time.Now()
			q.close()
			if took := time.Since(began); took != 300*time.Millisecond {
				t.Errorf("it took %v", took)
			}
			_ = read.Close()
		})
	})
	t.Run("for a disconnected one even shorter", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var to sink
			to.fail = func([]byte) (int, error) { return 0, syscall.EPIPE }
			q := newLogQueue(&to)
			fmt.Fprint(q, "fatal\n")
			began := time.Now()
			q.close()
			if took := time.Since(began); took != 0 {
				t.Errorf("it took %v", took)
			}
		})
	})
}

// BenchmarkRequestLine measures the cost of a line for its request, usually with a reader at
// the other end of a pipe.
func BenchmarkRequestLine(b *testing.B) {
	pipe := func(b *testing.B) io.WriteCloser {
		b.Helper()
		read, write, err := os.Pipe()
		if err != nil {
			b.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = io.Copy(onlyWriter{io.Discard}, read)
			_ = read.Close()
		}()
		b.Cleanup(func() { <-done })
		return write
	}
	null := func(b *testing.B) io.WriteCloser {
		b.Helper()
		file, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			b.Fatal(err)
		}
		return file
	}
	for where, open := range map[string]func(*testing.B) io.WriteCloser{"pipe": pipe, "null": null} {
		b.Run(where+"/direct", func(b *testing.B) {
			to := open(b)
			logLines(b, to, func() {})
			_ = to.Close()
		})
		b.Run(where+"/queued", func(b *testing.B) {
			to := open(b)
			q := newLogQueue(to)
			logLines(b, q, func() { // no faster than they are written
				for waiting(q) > maxQueuedBytes/8 {
					time.Sleep(time.Millisecond)
				}
			})
			q.close()
			_ = to.Close()
			b.ReportMetric(float64(q.Dropped())/float64(b.N), "dropped/op")
		})
	}
}

type onlyWriter struct{ io.Writer }

func logLines(b *testing.B, to io.Writer, breathe func()) {
	b.Helper()
	logger := newLogger(config.Log{Format: config.LogJSON}, to)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for i := 0; p.Next(); i++ {
			if i%256 == 0 {
				breathe()
			}
			logger.Info("request", "request_id", "GZQ5ZJ6W7F3N2K4M", "endpoint", "itc_numbers_list", "method", "GET",
				"path", "/api/v1/tenant/ApioSpTest/group/ApioGrpTest/services/immediate_trunking_connectivity/numbers/",
				"status", 200, "seconds", 0.00123, "bytes", 345, "client_ip", "192.0.2.7", "principal", "portal", "principal_level", "System Admin")
		}
	})
	b.StopTimer()
}
