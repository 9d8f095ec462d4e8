package oci

import (
	"crypto/tls"
	"net"
	"sync/atomic"
)

// line is a connection to the platform: the connection that a session reads and
// writes, which is the socket itself or TLS above it, and the socket.
type line struct {
	net.Conn
	socket *socket
}

// newLine returns a line without TLS.
func newLine(conn net.Conn) line {
	metered := &socket{Conn: conn}
	return line{metered, metered}
}

// secure returns a line with TLS above the socket of this one.
func (l line) secure(config *tls.Config) (line, *tls.Conn) {
	secured := tls.Client(l.socket, config)
	return line{secured, l.socket}, secured
}

// send writes a document. left reports whether any of it may have been sent, also
// after an error. The socket counts that, because TLS does not: with TLS, a document
// whose first record was handed over in part may have been sent, although Write
// reports 0 bytes. Bytes that TLS itself sends meanwhile count as well. They can only
// make the state of a write unknown, never make it wrong.
func (l line) send(document []byte) (left bool, err error) {
	before := l.socket.taken.Load()
	_, err = l.Write(document)
	return err == nil || l.socket.taken.Load() != before, err
}

// resetOnClose makes the end of the connection discard all data that the platform
// has not received. By default, a kernel goes on sending for many minutes after the
// session, or the entire process, has ended. It could then deliver a write after a
// read-back has shown that it was not done. With a linger of 0 the kernel sends a
// reset instead.
func (l line) resetOnClose() { l.socket.setLinger(0) }

// flushOnClose makes the kernel deliver data that is written from here on, also after
// the connection is closed.
func (l line) flushOnClose() { l.socket.setLinger(-1) }

// socket is a connection that counts the bytes that it has accepted, and records
// whether the other side begins with TLS.
type socket struct {
	net.Conn
	taken       atomic.Int64 // bytes that the kernel has accepted, perhaps without sending them
	received    atomic.Bool  // data has arrived
	receivedTLS atomic.Bool  // it began like a record of TLS
}

// Read implements net.Conn. It has one caller at a time.
func (s *socket) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if n > 0 && !s.received.Load() {
		s.received.Store(true)
		s.receivedTLS.Store(isTLS(b[:n]))
	}
	return n, err
}

// isTLS reports whether bytes begin like a record of TLS: with a record type, from
// 20 to 23, and the first byte of the version, which is always 3.
func isTLS(b []byte) bool {
	return len(b) > 1 && b[0] >= 20 && b[0] <= 23 && b[1] == 3
}

// Write implements net.Conn.
func (s *socket) Write(b []byte) (int, error) {
	n, err := s.Conn.Write(b)
	s.taken.Add(int64(n))
	return n, err
}

// setLinger sets SO_LINGER on TCP; other connections do not go on sending. It fails on
// a connection that has already ended, which has nothing left to send.
func (s *socket) setLinger(seconds int) {
	if tcp, ok := s.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(seconds)
	}
}
