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

// Limits of a log queue: its size, and the size of a write.
const (
	maxQueuedBytes = 4 << 20
	maxQueuedLines = 20_000
	pieceBytes     = 64 << 10

	// gathering is the pause after a write, in which further lines are queued. With
	// it, a busy gateway writes a hundred times per second instead of once for each
	// line.
	gathering = 10 * time.Millisecond
	// writeRetry is the pause after a failed write, for example to a pipe without a
	// reader.
	writeRetry = 100 * time.Millisecond
	// lastLinesTime is how long close waits, unless setUp sets another time.
	lastLinesTime = time.Second
)

// A logQueue is an io.Writer of lines that never waits for the destination: Write only
// appends to a bounded queue, and one goroutine writes the queue to the destination,
// several lines at a time and in order. If the queue is full, lines are dropped and
// counted, and one line in their place reports how many.
//
// While the destination blocks, lines stay queued. After an error, the goroutine retries:
// the reader of a FIFO may return.
type logQueue struct {
	to    io.Writer
	news  chan struct{} // lines are waiting; has capacity 1
	last  chan struct{} // closed when no more lines will be written
	ended chan struct{} // closed when the goroutine has ended

	mu       sync.Mutex // guards the following fields; not held during I/O
	waiting  []byte     // lines that the goroutine has not taken yet
	bytes    int        // number of bytes that wait, or that are taken and not written yet
	lines    int        // number of lines of these bytes
	gap      int        // number of lines that were dropped after the last one that waits
	dropped  uint64     // number of lines since the start
	closed   bool
	gapLine  func(lines int) []byte // the line in the place of dropped ones
	patience time.Duration          // of close
}

// newLogQueue returns a queue in front of a writer. It must be closed.
func newLogQueue(to io.Writer) *logQueue {
	q := &logQueue{
		to:   to,
		news: make(chan struct{}, 1), last: make(chan struct{}), ended: make(chan struct{}),
		gapLine: gapLine(config.Log{Format: config.LogText}), patience: lastLinesTime,
	}
	go q.run()
	return q
}

// Write queues complete lines. It never waits for the destination and never returns an
// error. Lines that do not fit are counted as dropped.
func (q *logQueue) Write(p []byte) (int, error) {
	lines := bytes.Count(p, newline)
	q.mu.Lock()
	// After a gap, the gap's line must be queued before other lines.
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
	default: // the goroutine was notified already
	}
	return len(p), nil
}

// Dropped returns the number of lines that were dropped since the start.
func (q *logQueue) Dropped() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}

// setUp sets the line in the place of dropped ones, and how long close waits.
func (q *logQueue) setUp(gapLine func(lines int) []byte, patience time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.gapLine, q.patience = gapLine, patience
}

// close writes the queued lines. It waits no longer than the queue's patience for a
// destination that blocks, and does not retry after an error. Lines that are written after
// close are dropped.
func (q *logQueue) close() {
	q.mu.Lock()
	q.closed = true
	patience := q.patience
	q.mu.Unlock()
	close(q.last)
	select {
	case <-q.ended:
	case <-time.After(patience): // the process ends during the write
	}
}

// run writes queued lines until the queue is closed.
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

// few reports whether fewer lines wait than one write has, so that it is worth waiting.
func (q *logQueue) few() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) < pieceBytes
}

// pause waits. It returns false immediately if the queue is being closed.
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

// take returns all waiting lines, with a line for a gap after them. The queue gets the
// spare buffer in exchange.
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

// write writes lines and retries after errors. It returns false if they cannot be written
// and the queue is being closed.
func (q *logQueue) write(lines []byte) bool {
	for len(lines) > 0 {
		piece := lines[:pieceOf(lines)]
		n, err := q.to.Write(piece)
		if errors.Is(err, syscall.EPIPE) {
			n = bytes.LastIndexByte(piece[:n], '\n') + 1 // the next reader gets the complete line
		}
		q.wrote(piece[:n])
		lines = lines[n:]
		if err != nil && !q.pause(writeRetry) {
			return false
		}
	}
	return true
}

// wrote frees the space of written lines.
func (q *logQueue) wrote(lines []byte) {
	n := bytes.Count(lines, newline)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= len(lines)
	q.lines -= n
}

var newline = []byte("\n")

// pieceOf returns how many bytes are written at a time: all, or as many complete lines as
// fit into a piece, but at least one.
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

// gapLine returns a function that makes the line in the place of dropped ones, in the
// format of the log, with any level of the log.
func gapLine(c config.Log) func(lines int) []byte {
	return func(lines int) []byte {
		var line bytes.Buffer
		record := slog.NewRecord(time.Now(), slog.LevelWarn, "log lines were dropped here: the reader of the log was too slow, or disconnected", 0)
		record.Add("lines", lines)
		_ = newLogger(c, &line).Handler().Handle(context.Background(), record) // a buffer returns no errors
		return line.Bytes()
	}
}
