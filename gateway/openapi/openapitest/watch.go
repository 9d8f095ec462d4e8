package openapitest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
)

// collector collects what was validated, and what differed.
type collector struct {
	mu       sync.Mutex // guards the others
	seen     int
	left     map[Exception]int
	problems []string
}

// all is of the process.
var all = collector{left: map[Exception]int{}}

// maxProblems limits how many problems are kept.
const maxProblems = 50

// add adds an exchange.
func (c *collector) add(problems []string, left Exception) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen++
	if left != "" {
		c.left[left]++
	}
	if room := maxProblems - len(c.problems); len(problems) > room {
		problems = problems[:max(room, 0)]
	}
	c.problems = append(c.problems, problems...)
}

// summary returns how many exchanges of this process were validated, and how many were
// not, by their reasons.
func (c *collector) summary() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	validated := c.seen
	var reasons strings.Builder
	for _, reason := range Exceptions() {
		if n := c.left[reason]; n > 0 {
			validated -= n
			fmt.Fprintf(&reasons, "; %d not: %s", n, reason)
		}
	}
	return fmt.Sprintf("openapi: %d of %d requests and their responses were validated%s", validated, c.seen, reasons.String())
}

// validate validates an exchange and adds it to the collectors.
func validate(x *exchange, to ...*collector) {
	problems, left := load().check(x)
	for i := range problems {
		problems[i] = fmt.Sprintf("%s %s: %s\nrequest body: %.300q\nresponse: %d %v %.600q",
			x.request.Method, x.request.URL.RequestURI(), problems[i], x.body, x.status, x.header, x.plainResponse())
	}
	for _, c := range to {
		c.add(problems, left)
	}
	if reportFile != "" && len(problems) > 0 {
		report(problems)
	}
}

// report appends problems to the report of the tests that have started this process,
// immediately, because they may kill it.
func report(problems []string) {
	file, err := os.OpenFile(reportFile, os.O_APPEND|os.O_WRONLY, 0) //nolint:gosec // a file of the tests
	if err == nil {
		_, err = file.WriteString(strings.Join(problems, "\n\n") + "\n\n")
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		panic(fmt.Sprintf("openapi: the report cannot be written: %v", err))
	}
}

// Handler returns a handler that validates all requests to a gateway and their responses.
// [Main] reports in what they differ. Under the race detector it returns next.
func Handler(next http.Handler) http.Handler {
	if !validates {
		return next
	}
	return watched{next, []*collector{&all}}
}

// Watch is a [Handler] that also makes the test fail, at its end.
func Watch(t testing.TB, next http.Handler) http.Handler {
	if !validates {
		return next
	}
	own := &collector{left: map[Exception]int{}}
	t.Cleanup(func() {
		own.mu.Lock()
		defer own.mu.Unlock()
		for _, problem := range own.problems {
			t.Error("openapi: " + problem)
		}
	})
	return watched{next, []*collector{&all, own}}
}

type watched struct {
	next http.Handler
	to   []*collector
}

// ServeHTTP implements http.Handler.
func (h watched) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := &teeBody{ReadCloser: r.Body}
	// As the caller sent it: handlers change the URL and, in tests, the header.
	x := &exchange{request: r.Clone(r.Context())}
	served := r
	if r.Body != nil {
		served = r.WithContext(r.Context()) // net/http checks the Body of its own request
		served.Body = body
	}
	tee := &teeWriter{ResponseWriter: w}
	defer func() {
		if reason := recover(); reason != nil {
			for _, c := range h.to {
				c.add(nil, Aborted)
			}
			panic(reason)
		}
		x.body, x.bodyRead = body.read.Bytes(), body.ended || r.Body == nil || r.Body == http.NoBody
		x.status, x.header, x.response, x.cutOff = tee.status, tee.header, tee.written.Bytes(), tee.failed
		if tee.status == 0 {
			x.status, x.header = http.StatusOK, w.Header().Clone()
		}
		validate(x, h.to...)
	}()
	h.next.ServeHTTP(tee, served)
}

// teeBody keeps what is read of a body.
type teeBody struct {
	io.ReadCloser
	read  bytes.Buffer
	ended bool
}

// Read implements io.Reader.
func (b *teeBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read.Write(p[:n])
	b.ended = b.ended || errors.Is(err, io.EOF)
	return n, err
}

// teeWriter keeps what is written of a response.
type teeWriter struct {
	http.ResponseWriter
	status  int
	header  http.Header // as it was sent
	written bytes.Buffer
	failed  bool
}

// Unwrap is for http.ResponseController.
func (w *teeWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *teeWriter) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status, w.header = status, w.Header().Clone()
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (w *teeWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status, w.header = http.StatusOK, w.Header().Clone()
	}
	n, err := w.ResponseWriter.Write(p)
	w.written.Write(p[:n])
	w.failed = w.failed || err != nil && !errors.Is(err, http.ErrBodyNotAllowed)
	return n, err
}

// Flush implements http.Flusher, which middlewares ask for.
func (w *teeWriter) Flush() {
	if err := http.NewResponseController(w.ResponseWriter).Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		w.failed = true
	}
}

// reportVariable names the file to which processes of tests write their problems.
const reportVariable = "OPENAPITEST_REPORT"

// reportFile is the report of the tests that have started this process; empty if none
// have.
var reportFile = os.Getenv(reportVariable)

// Main runs the tests of a package. They fail if a request or a response differed from
// the description, in this process or in one that a test has started.
type Main struct{ M interface{ Run() int } }

// Run implements the interface of testing.M that goleak expects.
func (m Main) Run() int {
	file, err := os.CreateTemp("", "openapi-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "openapi:", err)
		return 1
	}
	defer func() { _ = os.Remove(file.Name()) }()
	_ = file.Close() // nothing was written
	if err := os.Setenv(reportVariable, file.Name()); err != nil {
		fmt.Fprintln(os.Stderr, "openapi:", err)
		return 1
	}
	code := m.M.Run()
	if validates && reportFile == "" { // the output of a process that a test has started may be compared
		fmt.Fprintln(os.Stderr, all.summary())
	}
	reported, err := os.ReadFile(file.Name())
	if err != nil {
		fmt.Fprintln(os.Stderr, "openapi:", err)
		return 1
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	problems := strings.Join(append(all.problems, string(reported)), "\n\n")
	if strings.TrimSpace(problems) != "" {
		fmt.Fprintf(os.Stderr, "openapi: requests or responses differ from the description:\n%s\n", problems)
		return max(code, 1)
	}
	return code
}
