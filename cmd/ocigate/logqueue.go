package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"ocigate/config"
)

// Limits of a log queue: what it holds, and what it writes at a time.
const (
	maxQueuedBytes = 4 << 20
	maxQueuedLines = 20_000
	pieceBytes     = 64 << 10

	// gathering is the pause after a write, in which more lines come together: a
	// busy gateway writes a hundred times a second and not once for each line.
	gathering = 10 * time.Millisecond
	// writeRetry is the pause after a failed write, such as to a pipe that
	// nobody reads any more.
	writeRetry = 100 * time.Millisecond
	// lastLinesTime is how long close waits, unless the queue is given another
	// time.
	lastLinesTime = time.Second
)

// logQueue is an io.Writer for lines that nobody waits for: Write only appends
// to a bounded queue, and one goroutine writes that to its destination, several
// lines at a time and in order. Lines that find the queue full are dropped and
// counted. Where lines are missing, one line tells how many.
//
// A destination that stalls keeps what is queued, and one that fails is tried
// again with it: the reader of a FIFO may come back.
type logQueue struct {
	to    io.Writer
	news  chan struct{} // something is waiting; holds one at the most
	last  chan struct{} // closed when nothing more will come
	ended chan struct{} // closed when the goroutine has ended

	mu       sync.Mutex // guards the following fields; held for no I/O
	waiting  []byte     // lines that the goroutine has not taken yet
	bytes    int        // waiting, or taken and not written yet
	lines    int        // the same in lines
	gap      int        // lines that were dropped after the last one that waits
	dropped  uint64     // since the start
	closed   bool
	gapLine  func(lines int) []byte // what stands for a gap
	patience time.Duration          // of close
}

// newLogQueue makes a queue in front of a writer. Close it.
func newLogQueue(to io.Writer) *logQueue {
	q := &logQueue{
		to:   to,
		news: make(chan struct{}, 1), last: make(chan struct{}), ended: make(chan struct{}),
		gapLine: gapLine(config.Log{Format: config.LogText}), patience: lastLinesTime,
	}
	go q.run()
	return q
}

// Write queues whole lines. It never waits for the destination and never fails:
// what there is no room for is counted as dropped.
func (q *logQueue) Write(p []byte) (int, error) {
	lines := bytes.Count(p, newline)
	q.mu.Lock()
	// After a gap nothing is queued before its line is.
	if q.closed || q.gap > 0 || q.bytes+len(p) > maxQueuedBytes || q.lines+lines > maxQueuedLines {
		q.gap += max(1, lines)
		q.dropped += uint64(max(1, lines))
		q.mu.Unlock()
		return len(p), nil
	}
	q.waiting = append(q.waiting, p...)
	q.bytes += len(p)
	q.lines += lines
	q.mu.Unlock()
	select {
	case q.news <- struct{}{}:
	default: // the goroutine will find it
	}
	return len(p), nil
}

// Dropped is the number of lines that were dropped since the start.
func (q *logQueue) Dropped() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}

// setUp says what stands for lines that were dropped, and how long close waits.
func (q *logQueue) setUp(gapLine func(lines int) []byte, patience time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.gapLine, q.patience = gapLine, patience
}

// close writes what is queued. It waits for a destination that stalls no longer
// than the queue's patience, and for one that fails not at all. Nothing may be
// written afterwards.
func (q *logQueue) close() {
	q.mu.Lock()
	q.closed = true
	patience := q.patience
	q.mu.Unlock()
	close(q.last)
	select {
	case <-q.ended:
	case <-time.After(patience): // the process ends with the write under way
	}
}

// run writes what is queued until the queue is closed.
func (q *logQueue) run() {
	defer close(q.ended)
	var taken []byte
	for last := false; !last; {
		select {
		case <-q.news:
		case <-q.last:
			last = true
		}
		for taken = q.take(taken); len(taken) > 0; taken = q.take(taken) {
			if !q.write(taken) {
				return
			}
			if q.few() {
				q.pause(gathering)
			}
		}
	}
}

// few reports whether it pays to wait for more lines.
func (q *logQueue) few() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) < pieceBytes
}

// pause waits, unless the queue is being closed, of which it reports false.
func (q *logQueue) pause(d time.Duration) bool {
	over := time.NewTimer(d)
	defer over.Stop()
	select {
	case <-q.last:
		return false
	case <-over.C:
		return true
	}
}

// take takes all that waits, with a line for what is missing after it, and gives
// the queue a buffer in exchange.
func (q *logQueue) take(spare []byte) []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.gap > 0 {
		line := q.gapLine(q.gap)
		q.waiting = append(q.waiting, line...)
		q.bytes += len(line)
		q.lines += bytes.Count(line, newline)
		q.gap = 0
	}
	taken := q.waiting
	q.waiting = spare[:0]
	return taken
}

// write writes lines, for as long as it takes. It reports false where they
// cannot be written and the queue is being closed.
func (q *logQueue) write(lines []byte) bool {
	for len(lines) > 0 {
		piece := lines[:pieceOf(lines)]
		n, err := q.to.Write(piece)
		if errors.Is(err, syscall.EPIPE) {
			n = bytes.LastIndexByte(piece[:n], '\n') + 1 // the next reader has seen nothing of the line
		}
		q.wrote(piece[:n])
		lines = lines[n:]
		if err != nil && !q.pause(writeRetry) {
			return false
		}
	}
	return true
}

// wrote makes room for more.
func (q *logQueue) wrote(lines []byte) {
	n := bytes.Count(lines, newline)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= len(lines)
	q.lines -= n
}

var newline = []byte("\n")

// pieceOf is how much of some lines is written at a time: all, or as many whole
// lines as fit into a piece, but one at the least.
func pieceOf(lines []byte) int {
	if len(lines) <= pieceBytes {
		return len(lines)
	}
	if end := bytes.LastIndexByte(lines[:pieceBytes], '\n'); end >= 0 {
		return end + 1
	}
	if end := bytes.IndexByte(lines[pieceBytes:], '\n'); end >= 0 {
		return pieceBytes + end + 1
	}
	return len(lines)
}

// gapLine makes the line that stands for lines that were dropped, in the form of
// the log, whatever its level.
func gapLine(c config.Log) func(lines int) []byte {
	return func(lines int) []byte {
		var line bytes.Buffer
		record := slog.NewRecord(time.Now(), slog.LevelWarn, "log lines were dropped here: whoever reads the log was too slow, or away", 0)
		record.Add("lines", lines)
		_ = newLogger(c, &line).Handler().Handle(context.Background(), record) // a buffer takes everything
		return line.Bytes()
	}
}
