package ocisim

import (
	"io"
	"net"
	"slices"
	"time"
)

// delivery is how the replies to a document are sent. Its zero value sends them
// in one write together with a newline.
type delivery struct {
	end             ending
	wait            time.Duration // before the replies
	cut             bool          // send only cutAt bytes, then close
	cutAt           int           // bytes; 0 means half
	foreignSession  bool
	foreignEcho     bool
	foreignTracking bool
	replacement     []byte        // sent instead of the document
	empty           bool          // a document without its commands
	newlineAfter    time.Duration // the newline in a separate write, later
	drip            time.Duration // between single bytes
	logout          string        // reason of a LogoutRequest after the replies
	close           bool          // close after the replies
}

// ending is whether the platform replies at all. Any value but replied also ends
// the processing of the document.
type ending int

const (
	replied ending = iota
	dropped        // the connection is closed
	aborted        // the connection is reset if its transport supports that
	stalled        // the connection stays open, and the platform sends no more
)

// deliver sends the replies in the manner of the delivery. It reports whether the
// connection stays open.
func (s *session) deliver(doc document, replies []reply, how *delivery) bool {
	switch how.end {
	case dropped:
		if how.logout != "" {
			s.forceLogout(how.logout)
		}
		return false
	case aborted:
		s.abort()
		return false
	case stalled:
		s.stall()
		return false
	}
	p := s.platform
	if !p.pause(how.wait) {
		return false
	}
	e := doc.envelope()
	how.forge(&e, replies)
	s.traceReplies(e, replies)
	if err := s.write(p.form.replies(e, how.keep(replies)), how); err != nil {
		s.log.Info("replies not sent", "error", err)
		return false
	}
	if how.logout != "" {
		s.forceLogout(how.logout)
		return false
	}
	return !how.cut && !how.close
}

// forge replaces ids and echoes by some that the client has not sent.
func (d *delivery) forge(e *envelope, replies []reply) {
	if d.foreignSession {
		e.sessionID = "foreign-" + e.sessionID
	}
	if d.foreignTracking {
		e.trackingID, e.hasTracking = "foreign-"+e.trackingID, true
	}
	for i := range replies {
		if d.foreignEcho {
			replies[i].echo = "foreign-" + replies[i].echo
		}
	}
}

// keep returns the replies to send.
func (d *delivery) keep(replies []reply) []reply {
	if d.empty {
		return nil
	}
	return replies
}

// write sends a document and the newline after it.
func (s *session) write(document []byte, how *delivery) error {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	if how.replacement != nil {
		document = how.replacement
	}
	if how.cut {
		at := how.cutAt
		if at == 0 {
			at = len(document) / 2
		}
		return s.sendLocked(document[:min(at, len(document))], how.drip)
	}
	if how.newlineAfter == 0 {
		return s.sendLocked(append(document, '\n'), how.drip)
	}
	if err := s.sendLocked(document, how.drip); err != nil {
		return err
	}
	if !s.platform.pause(how.newlineAfter) {
		return ErrClosed
	}
	return s.sendLocked([]byte("\n"), 0)
}

// sendLocked writes in one piece or, if there is a delay, byte by byte. The
// caller holds writeMu.
func (s *session) sendLocked(b []byte, drip time.Duration) error {
	if drip == 0 {
		_, err := s.conn.Write(b)
		return err
	}
	for piece := range slices.Chunk(b, 1) {
		if _, err := s.conn.Write(piece); err != nil {
			return err
		}
		if !s.platform.pause(drip) {
			return ErrClosed
		}
	}
	return nil
}

// stall reads and sends nothing until the client or the platform closes the
// connection.
func (s *session) stall() { _, _ = io.Copy(io.Discard, s.reader) }

// forceLogout sends a LogoutRequest to the client and ends the session. It does
// nothing if the session is not logged in.
func (s *session) forceLogout(reason string) {
	sessionID, userID := s.identity()
	if userID == "" {
		return
	}
	s.log.Info("forced logout", "login", userID, "reason", reason)
	s.setAccount(nil)
	if err := s.write(s.platform.form.logout(sessionID, userID, reason), &delivery{}); err != nil {
		s.log.Info("forced logout not sent", "error", err)
	}
	_ = s.conn.SetReadDeadline(time.Now()) // ends the session's wait for a document
}

// abort closes the connection immediately, without a TLS close notification. On
// TCP the client gets a reset.
func (s *session) abort() {
	conn := s.conn
	if secured, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secured.NetConn()
	}
	if tcp, ok := conn.(interface{ SetLinger(seconds int) error }); ok {
		_ = tcp.SetLinger(0) // it fails if the connection has ended already
	}
	_ = conn.Close()
}

// closeGracefully closes the connection in such a way that the client can still
// read what was sent: closing a TCP connection with unread bytes would reset it.
func (s *session) closeGracefully() {
	defer func() { _ = s.conn.Close() }()
	if c, ok := s.conn.(interface{ CloseWrite() error }); ok && c.CloseWrite() == nil {
		_ = s.conn.SetReadDeadline(time.Now().Add(time.Second))
		_, _ = io.Copy(io.Discard, s.reader)
	}
}
