package oci

import (
	"crypto/tls"
	"net"
	"sync/atomic"
)

// line is a connection to the platform: what a session speaks over, which is
// the socket itself or TLS above it, and the socket.
type line struct {
	net.Conn
	socket *socket
}

// newLine is a line in the clear.
func newLine(conn net.Conn) line {
	metered := &socket{Conn: conn}
	return line{metered, metered}
}

// secure is TLS above the line.
func (l line) secure(config *tls.Config) (line, *tls.Conn) {
	secured := tls.Client(l.socket, config)
	return line{secured, l.socket}, secured
}

// send writes a document, and tells of one that failed whether any of it may
// have left. The socket knows that, and TLS does not: there, a document whose
// first record was handed over in part has left, although no byte of it counts
// as written. What TLS itself says meanwhile counts as well, which can only
// make us doubt more than we must.
func (l line) send(document []byte) (left bool, err error) {
	before := l.socket.taken.Load()
	_, err = l.Write(document)
	return err == nil || l.socket.taken.Load() != before, err
}

// hold makes the end of the connection the end of all that the platform's side
// has not got yet. A kernel that is left to itself goes on sending, for many
// minutes after the session, or the whole process, has ended, and carries to
// the platform a write from whose absence somebody has concluded meanwhile that
// it was not done. With a linger of 0 it sends a reset instead.
func (l line) hold() { l.socket.setLinger(0) }

// part has what is written from here on delivered, though the connection is
// closed behind it.
func (l line) part() { l.socket.setLinger(-1) }

// socket is a connection that counts the bytes it took, and notes whether the
// other side begins with TLS.
type socket struct {
	net.Conn
	taken    atomic.Int64
	heard    atomic.Bool // something has come
	heardTLS atomic.Bool // it began like a record of TLS
}

// Read has one caller at a time.
func (s *socket) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if n > 0 && !s.heard.Load() {
		s.heard.Store(true)
		s.heardTLS.Store(isTLS(b[:n]))
	}
	return n, err
}

// isTLS reports whether bytes begin like a record of TLS: with one of its types,
// from 20 to 23, and the first part of its version, which is always 3.
func isTLS(b []byte) bool {
	return len(b) > 1 && b[0] >= 20 && b[0] <= 23 && b[1] == 3
}

func (s *socket) Write(b []byte) (int, error) {
	n, err := s.Conn.Write(b)
	s.taken.Add(int64(n))
	return n, err
}

// setLinger does so on TCP; nothing else keeps what it was given. It fails on a
// connection that has ended already, which has nothing left to send.
func (s *socket) setLinger(seconds int) {
	if tcp, ok := s.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(seconds)
	}
}
