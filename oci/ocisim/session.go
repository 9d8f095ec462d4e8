package ocisim

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// session is a connection and its login. Only its own goroutine, in serve, reads
// from the connection. Fields without a lock are of that goroutine or never
// change.
type session struct {
	platform *Platform
	id       int
	conn     net.Conn
	reader   *bufio.Reader
	log      *slog.Logger

	// nonce is the one issued for a signed login of nonceUser, not yet used.
	nonce, nonceUser string

	// writeMu is held while a document is written, so that documents do not
	// interleave. It guards no field.
	writeMu sync.Mutex

	mu        sync.Mutex // guards sessionID and account
	sessionID string
	account   *account
}

// identity returns the session id and the user id of the login. Each is empty if
// there is none yet.
func (s *session) identity() (sessionID, userID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.account == nil {
		return s.sessionID, ""
	}
	return s.sessionID, s.account.id
}

// loggedIn returns the account of the login, or nil.
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

// adopt takes over the session id of the first document. It reports whether the
// given id is the connection's.
func (s *session) adopt(sessionID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessionID == "" {
		s.sessionID = sessionID
	}
	return s.sessionID == sessionID
}

// serve processes one document after the other until the connection ends.
func (s *session) serve() {
	defer s.platform.leave(func() { delete(s.platform.sessions, s) })
	defer s.closeGracefully()
	admission := s.platform.faults.onConnection()
	s.log.Info("connection accepted", "remote", s.conn.RemoteAddr().String(), "refused", admission.refuse, "stalled", admission.stall)
	switch {
	case admission.refuse:
		return
	case admission.stall:
		s.stall()
		return
	}
	for s.serveDocument() {
	}
	s.log.Info("connection ended")
}

// serveDocument processes one document. It reports whether the connection stays
// open.
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
		if how.end != replied {
			break
		}
	}
	return s.deliver(doc, replies, how)
}

// process applies the faults to a command, carries it out and records it in the
// ledger.
func (s *session) process(doc document, c command, how *delivery) reply {
	p := s.platform
	x := &exchange{delivery: how}
	p.faults.onCommand(c.name, x)
	if x.loseLogin {
		s.setAccount(nil)
	}
	_, login := s.identity()
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

// execute checks a command and carries it out for the sender: the account that
// was logged in when the command arrived, or nil. It holds the platform's mu
// while the command's function runs.
func (s *session) execute(doc document, c command, row *commandRow, sender *account) ([]node, *refusal) {
	if !s.adopt(doc.sessionID) {
		return nil, refuse(foreignSession, "")
	}
	if err := s.platform.validate(doc, c); err != nil {
		return nil, err
	}
	s.platform.mu.Lock()
	defer s.platform.mu.Unlock()
	call := &call{platform: s.platform, state: s.platform.state, session: s, account: sender, request: &c.node}
	if err := call.authorize(row); err != nil {
		return nil, err
	}
	return row.do(call)
}

func (d document) envelope() envelope {
	return envelope{sessionID: d.sessionID, trackingID: d.trackingID, hasTracking: d.hasTracking}
}

// trace logs received commands without their secrets.
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

// traceReplies logs the replies to be sent without their secrets.
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
