package ocisim

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

// session is one connection and who is logged in on it.
type session struct {
	platform *Platform
	id       int
	conn     net.Conn
	reader   *bufio.Reader
	log      *slog.Logger

	// nonce is the open offer of a signed login. Only the session's own
	// goroutine uses it.
	nonce, nonceUser string

	writeMu sync.Mutex // one document at a time

	mu        sync.Mutex // guards what follows
	sessionID string
	account   *account
}

// who is the session id and the user id of the login, as far as known.
func (s *session) who() (sessionID, userID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.account == nil {
		return s.sessionID, ""
	}
	return s.sessionID, s.account.id
}

func (s *session) loggedIn() *account {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.account
}

func (s *session) setAccount(a *account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account = a
}

// adopt takes the session id of the first document, and tells whether the one
// given is the connection's.
func (s *session) adopt(sessionID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessionID == "" {
		s.sessionID = sessionID
	}
	return s.sessionID == sessionID
}

// serve answers one document after the other until the connection ends.
func (s *session) serve() {
	defer s.platform.leave(func() { delete(s.platform.sessions, s) })
	defer s.hangUp()
	greeting := s.platform.faults.greet()
	s.log.Info("connection accepted", "remote", s.conn.RemoteAddr().String(), "refused", greeting.refuse, "stalled", greeting.stall)
	switch {
	case greeting.refuse:
		return
	case greeting.stall:
		s.stall()
		return
	}
	for s.serveDocument() {
	}
	s.log.Info("connection ended")
}

// serveDocument tells whether the connection goes on.
func (s *session) serveDocument() bool {
	raw, err := readDocument(s.reader, s.platform.settings.MaxDocument)
	if err != nil {
		if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrDeadlineExceeded) {
			s.log.Info("unreadable document", "error", err)
		}
		return false
	}
	doc, err := parseDocument(raw)
	if refused, ok := errors.AsType[*refusal](err); ok {
		return s.refuseDocument(doc, refused)
	} else if err != nil {
		s.log.Info("unreadable document", "error", err)
		return false
	}
	s.trace("document received", doc.envelope(), doc.commands)
	if refused := s.platform.validateDocument(doc); refused != nil {
		return s.refuseDocument(doc, refused)
	}
	how := &delivery{}
	var replies []reply
	for _, c := range doc.commands {
		replies = append(replies, s.process(doc, c, how))
		if how.end != answered {
			break
		}
	}
	return s.answer(doc, replies, how)
}

// process lets a command through the faults, carries it out and writes it down.
func (s *session) process(doc document, c command, how *delivery) reply {
	p := s.platform
	x := &exchange{delivery: how}
	p.faults.bend(c.name, x)
	if x.loseLogin {
		s.setAccount(nil)
	}
	_, login := s.who()
	entry := Entry{Time: time.Now(), Connection: s.id, Login: login, Faults: x.faults}
	entry.describe(&c.node)
	row := commandTable[c.name]

	r := reply{command: c.name, echo: c.echo, refusal: x.instead}
	sender := s.loggedIn()
	if !p.pause(x.late) {
		x.skip, how.end = true, dropped
	}
	if !x.skip {
		data, refused := s.execute(doc, c, row, sender)
		entry.Applied = refused == nil
		if refused != nil {
			entry.Error = refused.number
		} else if row.closes {
			how.close = true
		}
		if x.instead == nil {
			r.data, r.refusal = data, refused
		}
	}
	if r.refusal != nil {
		entry.Error = r.refusal.number
	}
	p.ledger.add(entry)
	for i := range r.data {
		r.data[i].pad(x.rows)
		r.data[i].hide(p.form.hideColumns)
	}
	return r
}

// execute checks a command and carries it out for the account that was logged
// in when it came, nil for none.
func (s *session) execute(doc document, c command, row *commandRow, sender *account) ([]node, *refusal) {
	if !s.adopt(doc.sessionID) {
		return nil, refuse(foreignSession, "")
	}
	if err := s.platform.validate(doc, c); err != nil {
		return nil, err
	}
	s.platform.mu.Lock()
	defer s.platform.mu.Unlock()
	call := &call{platform: s.platform, session: s, account: sender, request: &c.node}
	if err := call.authorize(row); err != nil {
		return nil, err
	}
	return row.do(call)
}

// answer sends the replies in the manner of a delivery, and tells whether the
// connection goes on.
func (s *session) answer(doc document, replies []reply, how *delivery) bool {
	p := s.platform
	if how.end == dropped {
		if how.logout != "" {
			s.forceLogout(how.logout)
		}
		return false
	}
	if how.end == aborted {
		s.abort()
		return false
	}
	if how.end == stalled {
		s.stall()
		return false
	}
	if !p.pause(how.wait) {
		return false
	}
	e := doc.envelope()
	how.forge(&e, replies)
	s.traceReplies(e, replies)
	if err := s.write(p.form.replies(e, how.keep(replies)), how); err != nil {
		s.log.Info("answer not sent", "error", err)
		return false
	}
	if how.logout != "" {
		s.forceLogout(how.logout)
		return false
	}
	return !how.cut && !how.close
}

// forge puts what was never sent into the answer.
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
		return s.send(document[:min(at, len(document))], how.drip)
	}
	if how.newlineAfter == 0 {
		return s.send(append(document, '\n'), how.drip)
	}
	if err := s.send(document, how.drip); err != nil {
		return err
	}
	if !s.platform.pause(how.newlineAfter) {
		return ErrClosed
	}
	return s.send([]byte("\n"), 0)
}

// send writes in one piece, or, with a delay, byte by byte.
func (s *session) send(b []byte, drip time.Duration) error {
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

// stall reads and never answers, until the client or the platform gives up.
func (s *session) stall() { _, _ = io.Copy(io.Discard, s.reader) }

// forceLogout tells the client that its session is over, and ends it. It does
// nothing where nobody is logged in.
func (s *session) forceLogout(reason string) {
	sessionID, userID := s.who()
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

// abort closes the connection as it is, without a word from TLS. On TCP the
// client sees a reset.
func (s *session) abort() {
	conn := s.conn
	if secured, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secured.NetConn()
	}
	if tcp, ok := conn.(interface{ SetLinger(seconds int) error }); ok {
		_ = tcp.SetLinger(0) // it fails where the connection has ended already
	}
	_ = conn.Close()
}

// hangUp closes the connection in such a way that the client can still read
// what was sent: closing a TCP connection with unread bytes would reset it.
func (s *session) hangUp() {
	defer func() { _ = s.conn.Close() }()
	if c, ok := s.conn.(interface{ CloseWrite() error }); ok && c.CloseWrite() == nil {
		_ = s.conn.SetReadDeadline(time.Now().Add(time.Second))
		_, _ = io.Copy(io.Discard, s.reader)
	}
}

func (d document) envelope() envelope {
	return envelope{sessionID: d.sessionID, trackingID: d.trackingID, hasTracking: d.hasTracking}
}

// trace logs commands received without their secrets.
func (s *session) trace(message string, e envelope, commands []command) {
	if !s.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	w := newWriter("UTF-8")
	for _, c := range commands {
		w.node(c.redacted())
	}
	s.log.Debug(message, "session", e.sessionID, "document", string(w.buf))
}

// traceReplies logs what is about to be sent, likewise.
func (s *session) traceReplies(e envelope, replies []reply) {
	if !s.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	f := s.platform.form
	f.encoding = "UTF-8"
	w := newWriter(f.encoding)
	for _, r := range replies {
		if r.data != nil {
			r.data = node{children: r.data}.redacted().children
		}
		r.refusal = r.refusal.logged()
		f.reply(w, r)
	}
	s.log.Debug("document sent", "session", e.sessionID, "document", string(w.buf))
}
