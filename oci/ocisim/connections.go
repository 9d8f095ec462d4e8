package ocisim

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"time"
)

// ErrClosed is the error of [Platform.Serve] and [Platform.Dial] after
// [Platform.Close].
var ErrClosed = errors.New("ocisim: the platform is closed")

// Serve accepts connections until the platform is closed, in which case it
// returns ErrClosed, or the listener fails. It closes the listener.
func (p *Platform) Serve(l net.Listener) error {
	defer func() { _ = l.Close() }()
	if !p.enter(func() { p.listeners[l] = struct{}{} }) {
		return ErrClosed
	}
	defer p.leave(func() { delete(p.listeners, l) })
	for {
		conn, err := l.Accept()
		if err != nil {
			if p.isClosed() {
				return ErrClosed
			}
			return err
		}
		p.goServe(conn)
	}
}

// ServeConn serves one connection, closes it and returns when it has ended.
func (p *Platform) ServeConn(conn net.Conn) {
	if s := p.newSession(conn); s != nil {
		s.serve()
	}
}

// goServe serves a connection in its own goroutine. It reports false if the
// platform is closed.
func (p *Platform) goServe(conn net.Conn) bool {
	s := p.newSession(conn)
	if s != nil {
		go s.serve()
	}
	return s != nil
}

// Dial connects to the platform through a pipe in memory, without a network.
// It has the signature of a dialer's DialContext and ignores its arguments.
func (p *Platform) Dial(_ context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	if !p.goServe(server) {
		_ = client.Close()
		return nil, ErrClosed
	}
	return client, nil
}

// newSession registers a connection. If the platform is closed, it closes the
// connection and returns nil. The session's serve method unregisters it.
func (p *Platform) newSession(conn net.Conn) *session {
	s := &session{platform: p, conn: conn, reader: bufio.NewReader(conn)}
	if !p.enter(func() {
		p.accepted++
		s.id = p.accepted
		p.sessions[s] = struct{}{}
	}) {
		_ = conn.Close()
		return nil
	}
	s.log = p.log.With("connection", s.id)
	return s
}

// enter registers a goroutine with Close. It calls registerLocked with connMu
// held, unless the platform is closed, which it reports as false.
func (p *Platform) enter(registerLocked func()) bool {
	p.connMu.Lock()
	defer p.connMu.Unlock()
	if p.closed {
		return false
	}
	registerLocked()
	p.work.Add(1)
	return true
}

// leave reverts enter. It calls unregisterLocked with connMu held.
func (p *Platform) leave(unregisterLocked func()) {
	p.connMu.Lock()
	unregisterLocked()
	p.connMu.Unlock()
	p.work.Done()
}

func (p *Platform) isClosed() bool {
	p.connMu.Lock()
	defer p.connMu.Unlock()
	return p.closed
}

// Close closes all listeners and connections and waits for their goroutines.
// Its error is always nil.
func (p *Platform) Close() error {
	for _, c := range p.shut() {
		_ = c.Close()
	}
	p.work.Wait()
	return nil
}

// shut marks the platform as closed and returns what Close has to close.
func (p *Platform) shut() []io.Closer {
	p.connMu.Lock()
	defer p.connMu.Unlock()
	if !p.closed {
		p.closed = true
		close(p.done)
	}
	closers := make([]io.Closer, 0, len(p.sessions)+len(p.listeners))
	for s := range p.sessions {
		closers = append(closers, s.conn)
	}
	for l := range p.listeners {
		closers = append(closers, l)
	}
	return closers
}

// Connection is an open connection.
type Connection struct {
	ID    int    // as in the ledger
	Login string // the user id; empty before login
}

// Connections returns the open connections in the order of their acceptance.
func (p *Platform) Connections() []Connection {
	var open []Connection
	for _, s := range p.openSessions() {
		_, login := s.identity()
		open = append(open, Connection{ID: s.id, Login: login})
	}
	return open
}

func (p *Platform) openSessions() []*session {
	p.connMu.Lock()
	defer p.connMu.Unlock()
	all := make([]*session, 0, len(p.sessions))
	for s := range p.sessions {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *session) int { return a.id - b.id })
	return all
}

// LogoutAll sends a LogoutRequest with that reason to each session that is
// logged in and then closes the session, like a platform that shuts down. It
// returns before the clients have read the request.
func (p *Platform) LogoutAll(reason string) {
	for _, s := range p.openSessions() {
		if p.enter(func() {}) {
			go func() {
				defer p.leave(func() {})
				s.forceLogout(reason)
			}()
		}
	}
}

// Restart closes each connection without a LogoutRequest and discards its login,
// like a platform that fails and is available again immediately. State, ledger
// and faults stay. New connections are accepted all the time.
func (p *Platform) Restart() {
	for s := range p.dropSessions() {
		s.setAccount(nil)
		s.abort()
	}
}

// dropSessions unregisters all sessions and returns them.
func (p *Platform) dropSessions() map[*session]struct{} {
	p.connMu.Lock()
	defer p.connMu.Unlock()
	ending := p.sessions
	p.sessions = map[*session]struct{}{}
	return ending
}

// pause waits. It reports false if the platform was closed before the end of
// the wait.
func (p *Platform) pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.done:
		return false
	}
}
