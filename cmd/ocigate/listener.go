package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ocigate/config"
)

// maxHeaderBytes is the limit of a request's line and headers. It is far more than they
// need, including tokens.
const maxHeaderBytes = 32 << 10

// A listener accepts connections at an address as long as the program runs. Each
// connection is served with the timeouts and the TLS configuration that are effective
// when it is accepted: [listener.configure] replaces them. The other connections keep
// theirs, except that responses get the time of the handler: see [withWriteTimeout].
type listener struct {
	name    string // key of its address in the configuration
	address string
	handler http.Handler
	logger  *slog.Logger
	bound   net.Listener  // nil before listen
	over    chan struct{} // closed by shutdown
	open    *connections
	relief  []*connections // of which idle ones are closed if the process has no descriptors left

	secured atomic.Pointer[tls.Config] // of new connections; nil for plain HTTP

	mu        sync.Mutex       // guards the fields below; not held while a connection is accepted or served
	timeouts  serverTimeouts   // of the last server
	servers   []*sharingServer // the last one gets new connections; the others still have some
	accepting bool             // connections are accepted
	ended     bool             // no connection is served any more
}

// serverTimeouts are the timeouts of an HTTP server.
type serverTimeouts struct{ readHeader, read, write, idle time.Duration }

// newListener returns a listener with the settings of a configuration, and at most that
// many connections. secured is nil for plain HTTP.
func newListener(name, address string, c config.HTTP, most int, secured *tls.Config, handler http.Handler, logger *slog.Logger) *listener {
	l := &listener{name: name, address: address, handler: onTracked(handler), logger: logger, over: make(chan struct{})}
	l.open = newConnections(name, most, l.over, logger)
	l.relief = []*connections{l.open}
	l.configure(c, most, secured)
	return l
}

// configure sets the limit of connections, and the timeouts and the TLS configuration of
// new ones. A TLS configuration must not be changed after that.
func (l *listener) configure(c config.HTTP, most int, secured *tls.Config) {
	l.open.setLimit(most)
	l.secured.Store(secured)
	timeouts := serverTimeouts{c.ReadHeaderTimeout, c.ReadTimeout, c.WriteTimeout, c.IdleTimeout}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended || len(l.servers) > 0 && timeouts == l.timeouts {
		return
	}
	l.timeouts = timeouts
	var servers []*sharingServer
	for _, s := range l.servers {
		s.accepted.stop()
		if s.open.Load() > 0 {
			servers = append(servers, s)
		}
	}
	s := newSharingServer(l.handler, timeouts, l.logger)
	servers = append(servers, s)
	l.servers = servers
	if l.accepting {
		go s.serve()
	}
}

// current returns the server of new connections, or nil if the listener is shut down.
func (l *listener) current() *sharingServer {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return nil
	}
	return l.servers[len(l.servers)-1]
}

// begin starts the server of new connections.
func (l *listener) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accepting = true
	for _, s := range l.servers {
		go s.serve()
	}
}

// listen opens the address.
func (l *listener) listen(ctx context.Context) error {
	bound, err := new(net.ListenConfig).Listen(ctx, "tcp", l.address)
	if err != nil {
		return fmt.Errorf("%s: %w", l.name, err)
	}
	l.bound = bound
	return nil
}

// Pauses after an error that may pass, such as too many open files.
const (
	acceptPause    = 5 * time.Millisecond // doubles up to acceptPauseMax
	acceptPauseMax = time.Second
)

// serve accepts connections until the address is closed, or cannot be listened on any
// more.
func (l *listener) serve() error {
	l.begin()
	for pause := acceptPause; ; {
		conn, err := l.bound.Accept()
		switch {
		case err == nil:
			pause = acceptPause
			l.give(conn)
		case errors.Is(err, net.ErrClosed):
			return nil
		case l.makeRoom(err):
			l.pause(acceptPause) // they are closed in the background
		case mayPass(err):
			l.logger.Warn("no connection could be accepted; trying again", "listener", l.name, "cause", err.Error(), "retry_seconds", pause.Seconds())
			l.pause(pause)
			pause = min(2*pause, acceptPauseMax)
		default:
			return fmt.Errorf("%s: %w", l.name, err)
		}
	}
}

// pause waits, or until the listener is shut down.
func (l *listener) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.over:
	}
}

// makeRoom closes idle connections after an error that says that the process or the machine
// has too many open files. It reports whether there were any.
func (l *listener) makeRoom(err error) bool {
	if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) {
		return false
	}
	for _, open := range l.relief {
		if open.makeRoom(roomAtOnce) > 0 {
			return true
		}
	}
	return false
}

// mayPass reports whether the next connection may be accepted after that error.
func mayPass(err error) bool {
	for _, passing := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return false
}

// give hands a connection to the server of new connections, as soon as there is room for it.
func (l *listener) give(accepted net.Conn) {
	tracked := l.open.admit(accepted)
	if tracked == nil {
		return // the program stops
	}
	var conn net.Conn = tracked
	if secured := l.secured.Load(); secured != nil {
		conn = tls.Server(conn, secured)
	}
	for s := l.current(); s != nil; s = l.current() {
		if s.give(conn) {
			return
		}
	}
	tracked.set(connGone)
	_ = tracked.Close() // the program stops
}

// shutdown closes the address and waits for the requests in flight. It cuts them off
// when ctx ends.
func (l *listener) shutdown(ctx context.Context) error {
	l.mu.Lock()
	if !l.ended {
		close(l.over)
	}
	l.ended = true
	servers := l.servers
	l.mu.Unlock()
	_ = l.close() // the servers are shut down all the same
	var waiting sync.WaitGroup
	failures := make([]error, len(servers))
	for i, s := range servers {
		s.accepted.stop()
		waiting.Go(func() {
			if err := s.http.Shutdown(ctx); err != nil {
				failures[i] = errors.Join(fmt.Errorf("%s: requests were still in flight: %w", l.name, err), s.http.Close())
			}
		})
	}
	waiting.Wait()
	return errors.Join(failures...)
}

// close closes the address if it is open.
func (l *listener) close() error {
	if l.bound == nil {
		return nil
	}
	return l.bound.Close()
}

// A sharingServer serves those connections of a listener that are handed to it.
type sharingServer struct {
	http     *http.Server
	accepted *handedConns
	open     atomic.Int64 // connections
}

func newSharingServer(handler http.Handler, t serverTimeouts, logger *slog.Logger) *sharingServer {
	s := &sharingServer{accepted: newHandedConns()}
	s.http = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: t.readHeader,
		MaxHeaderBytes:    maxHeaderBytes,
		ReadTimeout:       t.read,
		WriteTimeout:      t.write,
		IdleTimeout:       t.idle,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
		ConnState:         s.count,
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.Background(), writeTimeoutKey{}, t.write)
		},
		ConnContext: withTracked,
		// net/http would answer OPTIONS * without calling the handler, which
		// decides after which requests a connection must be closed.
		DisableGeneralOptionsHandler: true,
	}
	return s
}

// writeTimeoutKey is the key of a connection's timeout for responses, in the contexts of
// its requests.
type writeTimeoutKey struct{}

// withWriteTimeout gives a response that much time, if its connection has another timeout
// since it was accepted. A request takes as long as the configuration permits with which it
// is handled; on a connection from before a longer http.write_timeout, the outcome of a
// write could not be returned otherwise.
func withWriteTimeout(w http.ResponseWriter, r *http.Request, timeout time.Duration) {
	if accepted, known := r.Context().Value(writeTimeoutKey{}).(time.Duration); known && accepted != timeout {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(timeout)) // else the timeout is that of the connection
	}
}

// serve serves connections until no more are handed over. Those that are open are served
// until they end, or until the server is shut down.
func (s *sharingServer) serve() { _ = s.http.Serve(s.accepted) }

// give hands a connection to the server. It reports false if the server takes no more.
func (s *sharingServer) give(conn net.Conn) bool {
	s.open.Add(1)
	given := s.accepted.give(conn)
	if !given {
		s.open.Add(-1)
	}
	return given
}

// count notes the state of a connection, and counts those that have ended.
func (s *sharingServer) count(conn net.Conn, state http.ConnState) {
	follow(conn, state)
	if state == http.StateHijacked || state == http.StateClosed {
		s.open.Add(-1)
	}
}

// handedConns is a net.Listener of connections that were accepted elsewhere.
type handedConns struct {
	conns chan net.Conn
	over  chan struct{} // closed by stop
	once  sync.Once
}

func newHandedConns() *handedConns {
	return &handedConns{conns: make(chan net.Conn), over: make(chan struct{})}
}

// give hands a connection over. It reports false if the receiver takes no more.
func (h *handedConns) give(conn net.Conn) bool {
	select {
	case h.conns <- conn:
		return true
	case <-h.over:
		return false
	}
}

// Accept implements net.Listener.
func (h *handedConns) Accept() (net.Conn, error) {
	select {
	case conn := <-h.conns:
		return conn, nil
	case <-h.over:
		return nil, net.ErrClosed
	}
}

func (h *handedConns) stop() { h.once.Do(func() { close(h.over) }) }

// Close implements net.Listener.
func (h *handedConns) Close() error {
	h.stop()
	return nil
}

// Addr implements net.Listener. net/http does not need it.
func (*handedConns) Addr() net.Addr { return &net.TCPAddr{} }

func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
