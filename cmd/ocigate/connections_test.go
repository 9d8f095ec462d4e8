package main

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"ocigate/config"
)

// These tests specify which connections are closed to make room for others, and how the limit
// of connections follows from that of descriptors.

// room is a table of connections for a test, in a bubble.
type room struct {
	*connections
	over chan struct{}
	log  *output
}

func newRoom(limit int) *room {
	r := &room{over: make(chan struct{}), log: &output{}}
	r.connections = newConnections("http.listen", limit, r.over, slog.New(slog.NewTextHandler(r.log, nil)))
	return r
}

// enter has a new connection admitted, in the given state.
func (r *room) enter(t *testing.T, state connState) *trackedConn {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { _ = ours.Close() })
	c := r.admit(theirs)
	if c != nil && state != connNew {
		c.set(state)
	}
	time.Sleep(time.Second) // so that each is older than the next
	return c
}

// isOpen reports whether the connection is open.
func isOpen(c *trackedConn) bool {
	_ = c.SetWriteDeadline(time.Now().Add(time.Millisecond))
	_, err := c.Write([]byte("x"))
	return !errors.Is(err, io.ErrClosedPipe)
}

func TestWhichConnectionMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(7)
		idle, receiving := r.enter(t, connIdle), r.enter(t, connReceiving)
		active := r.enter(t, connActive)
		first, second := r.enter(t, connNew), r.enter(t, connNew)
		lateIdle, lateReceiving := r.enter(t, connIdle), r.enter(t, connReceiving)
		for i, next := range []*trackedConn{first, second, idle, lateIdle, receiving, lateReceiving} {
			if !isOpen(next) {
				t.Fatalf("number %d was closed too early", i)
			}
			r.enter(t, connActive)
			if isOpen(next) {
				t.Errorf("number %d is still open", i)
			}
		}
		if !isOpen(active) {
			t.Error("a connection with a request was closed")
		}
		if got := r.stats(); got.Active != 7 || got.New+got.Idle+got.Receiving != 0 || got.ClosedForRoom != 6 {
			t.Errorf("%+v", got)
		}
		if n := strings.Count(r.log.String(), "the limit of connections is reached"); n != 1 {
			t.Errorf("%d lines in the log within a minute:\n%s", n, r.log)
		}
	})
}

// While all connections have requests, a new one waits until one of them has ended its
// response and a moment has passed, or is closed.
func TestNewConnectionsWait(t *testing.T) {
	for name, end := range map[string]struct {
		state http.ConnState
		after time.Duration
	}{
		"for a connection that becomes idle": {http.StateIdle, openAfterResponse},
		"for a connection that is closed":    {http.StateClosed, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRoom(1)
				busy := r.enter(t, connActive)
				busy.used.Store(true)
				var admitted time.Time
				ours, theirs := net.Pipe()
				defer func() { _ = ours.Close() }()
				var waiting sync.WaitGroup
				waiting.Go(func() { r.admit(theirs); admitted = time.Now() })
				time.Sleep(time.Hour)
				synctest.Wait()
				if !admitted.IsZero() {
					t.Fatal("it did not wait")
				}
				ended := time.Now()
				follow(busy, end.state)
				waiting.Wait()
				if took := admitted.Sub(ended); took != end.after {
					t.Errorf("admitted after %v, want %v", took, end.after)
				}
			})
		})
	}
	t.Run("until the listener is shut down", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRoom(1)
			r.enter(t, connActive)
			time.AfterFunc(time.Minute, func() { close(r.over) })
			ours, theirs := net.Pipe()
			if c := r.admit(theirs); c != nil {
				t.Error("it was admitted")
			}
			if _, err := ours.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("it is still open: %v", err)
			}
		})
	})
	t.Run("until the limit is raised", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRoom(1)
			r.enter(t, connActive)
			time.AfterFunc(time.Minute, func() { r.setLimit(2) })
			if c := r.enter(t, connNew); c == nil || r.stats().New != 1 {
				t.Error("it was not admitted")
			}
		})
	})
}

// A request that arrives while its connection is being closed is not carried out.
func TestRequestsOnConnectionsThatAreClosed(t *testing.T) {
	served := 0
	handler := onTracked(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err == nil {
			served++
		}
	}))
	serve := func(t *testing.T, c *trackedConn, body io.Reader) (aborted bool) {
		request := httptest.NewRequest(http.MethodPost, "/", body)
		request = request.WithContext(withTracked(t.Context(), c))
		defer func() { aborted = recover() == http.ErrAbortHandler }() //nolint:errorlint // net/http compares it
		handler.ServeHTTP(httptest.NewRecorder(), request)
		return false
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(10)
		closed := r.enter(t, connNew)
		r.makeRoom(1)
		if aborted := serve(t, closed, nil); !aborted || served != 0 {
			t.Errorf("before the handler: aborted %t, served %d", aborted, served)
		}
		whole := r.enter(t, connNew)
		if aborted := serve(t, whole, strings.NewReader("{}")); aborted || served != 1 || whole.state != connActive {
			t.Errorf("an open connection: aborted %t, served %d, state %d", aborted, served, whole.state)
		}
		// The connection is closed after the last byte has arrived, but before it was read.
		half := r.enter(t, connNew)
		body := io.MultiReader(strings.NewReader("{"), readerFunc(func([]byte) (int, error) {
			if n := r.makeRoom(10); n != 1 {
				t.Errorf("%d connections were closed, want that which is receiving", n)
			}
			return 0, io.EOF
		}))
		if serve(t, half, body); served != 1 {
			t.Error("a request was carried out whose connection was closed before its end")
		}
	})
}

// With HTTP/2, a request that its caller has reset can reach the handler after the end of its
// stream. Its connection is idle, and may be closed.
func TestARequestThatWasResetLeavesItsConnectionIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(10)
		c, served := r.enter(t, connNew), 0
		handler := onTracked(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }))
		serve := func() (aborted bool) {
			request := httptest.NewRequest(http.MethodGet, "/", nil).WithContext(withTracked(t.Context(), c))
			request.ProtoMajor = 2
			defer func() { aborted = recover() == http.ErrAbortHandler }() //nolint:errorlint // net/http compares it
			handler.ServeHTTP(httptest.NewRecorder(), request)
			return false
		}
		follow(c, http.StateActive)
		follow(c, http.StateIdle) // the only stream was reset
		if aborted := serve(); aborted || served != 1 {
			t.Errorf("aborted %t, served %d", aborted, served)
		}
		time.Sleep(openAfterResponse)
		if got := r.stats(); got.Active != 0 || r.makeRoom(1) != 1 {
			t.Errorf("the connection cannot be closed: %+v", got)
		}
		follow(c, http.StateActive)
		if aborted := serve(); !aborted || served != 1 {
			t.Errorf("while it is being closed: aborted %t, served %d", aborted, served)
		}
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// Without descriptors for a new connection, idle ones are closed, and the listener for
// operators closes those of the API first.
func TestDescriptorsForNewConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, admin := newRoom(100), newRoom(100)
		for range 20 {
			api.enter(t, connNew)
		}
		kept := admin.enter(t, connIdle)
		l := &listener{name: "admin.listen", logger: slog.New(slog.NewTextHandler(admin.log, nil)), over: make(chan struct{}), open: admin.connections}
		l.relief = []*connections{api.connections, admin.connections}
		for i := 0; l.makeRoom(syscall.EMFILE); i++ {
			if want := []int{12, 4, 0, 0}[i]; api.stats().New != want || isOpen(kept) != (i < 3) {
				t.Errorf("after %d times the API has %d connections, want %d, and that of an operator is open: %t", i+1, api.stats().New, want, isOpen(kept))
			}
		}
		if l.makeRoom(syscall.EINTR) {
			t.Error("an interruption closes connections")
		}
	})
}

func TestBudgetOfDescriptors(t *testing.T) {
	// 8 sessions, 8 logins, 2 attempts at the one endpoint, 32 connections of operators and
	// 64 others are 114.
	for name, test := range map[string]struct {
		limit, wanted, connections int
		shortage                   string
	}{
		"the usual limit of a shell":      {1024, 0, 910, ""},
		"few descriptors":                 {256, 0, 142, ""},
		"as many as anybody needs":        {1 << 20, 0, 10000, ""},
		"a smaller setting":               {1024, 100, 100, ""},
		"a larger setting":                {1 << 20, 50000, 50000, ""},
		"a setting that does not fit":     {1024, 5000, 910, "http.max_connections is 910 and not 5000: raise it to 5114 or more"},
		"too few for anything":            {64, 0, 16, "raise it to 130 or more"},
		"too few for anything and a wish": {64, 1000, 16, "raise it to 130 or more"},
		"an unknown limit":                {0, 0, 10000, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := config.Default()
			c.Platform.Endpoints = []config.Endpoint{config.DefaultEndpoint()}
			c.HTTP.MaxConnections = test.wanted
			got := budgetWith(&c, test.limit)
			if got.connections != test.connections || (got.shortage == "") != (test.shortage == "") || !strings.Contains(got.shortage, test.shortage) {
				t.Errorf("%+v, want %+v", got, test)
			}
		})
	}
	if limit := descriptorLimit(); limit <= 0 {
		t.Errorf("the limit of this process is %d", limit)
	}
}
