package oci

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"
)

// logoutTimeout bounds the sending of a logout.
const logoutTimeout = time.Second

// unsolicitedTimeout is how long a session reads an unsolicited document to its
// end, to find out whether it is a forced logout.
const unsolicitedTimeout = time.Second

// session is one connection to the platform. It carries one document at a time:
// that is the duty of its owner, who is the pool, a caller of the pool, or the
// code that logs in. A goroutine of the session reads all that the platform sends,
// so the end of the connection and unsolicited data are noticed immediately, not
// by the next command.
//
// The states of a session, and the next state after each event:
//
//	state      begin       document written  replies read  unsolicited data  timeout or cancel  connection ends, or bad document
//	ready      sending     -                 -             unusable          -                  closed
//	sending    -           awaiting          early         -                 closed, lost (1)   closed, lost (1)
//	early      -           ready, answered   -             unusable          closed, answered   closed, answered
//	awaiting   -           -                 ready, answered  -              closed, lost       closed, lost
//	unusable   UnsentError early: answered   -             -                 closed             closed
//	closed     UnsentError -                 -             -                 -                  -
//
//	(1) If no byte was handed to the socket, the exchange ends with an UnsentError.
//
// In terms of the fields: sending is pending without pending.written, early is
// pending with pending.early, awaiting is pending with pending.written, unusable is
// err without closed. "lost" means that the exchange ends with a LostError,
// "answered" that it ends with its replies. Replies that are followed by more data
// in the same packet are delivered, and the session is unusable. An unusable session
// is closed within unsolicitedTimeout.
type session struct {
	endpoint   *endpoint
	line       line
	id         string                // random, of this session alone
	userID     string                // the user who is logged in; empty before
	ownAccount bool                  // it is logged in with the endpoint's own account
	echoes     uint64                // how many were used; only the owner of the session changes it
	onClose    func(*session, error) // called once, when the session is closed; without the mutex
	readEnded  chan struct{}         // closed when readAll has returned

	// mu guards the fields below and those of the pending exchange that say so. It
	// is never held during I/O, nor while a channel is sent on or the pool is called.
	mu      sync.Mutex
	pending *exchange
	err     error // why the session takes no more commands; nil if it does
	closed  bool
	heard   time.Time // when the last reply arrived; zero before
	during  string    // the first command that was without a reply when the session was closed; empty without one

	// Guarded by the pool's mutex.
	idleSince time.Time
	probed    time.Time // when the session last proved to be usable, by a reply
	made      time.Time // when it was added to the pool
	expires   time.Time
	returnAt  time.Time // when it is to be replaced by one of a more preferred endpoint; zero if not
	proven    bool      // it has brought a reply after its login
	held      holding
}

// newSession makes a session of a connection that is not logged in yet. The
// caller must run readAll.
func newSession(e *endpoint, l line, onClose func(*session, error)) *session {
	l.resetOnClose()
	return &session{endpoint: e, line: l, id: rand.Text(), onClose: onClose, readEnded: make(chan struct{})}
}

// readAll reads documents until the session is closed.
func (s *session) readAll() {
	defer close(s.readEnded)
	stream := newScanner(s.line, s.endpoint.options.MaxReplyBytes)
	for {
		if err := stream.await(); err != nil {
			s.close(err)
			return
		}
		asked := s.awaitingReply()
		if asked == nil {
			s.refuseDocument(s.readUnsolicited(stream))
			return
		}
		stream.limit = asked.document.replyLimit(s.endpoint.options.MaxReplyBytes)
		asked.wire.tap(stream)
		replies, err := readAnswer(stream, asked.document)
		asked.wire.untap(stream, err == nil)
		if err != nil {
			s.refuseDocument(err)
			return
		}
		if !s.accept(asked, replies, stream.more()) {
			return
		}
	}
}

// awaitingReply returns the exchange to which a document that arrives now is the
// reply. If there is none, the document is unsolicited, and the session takes no
// more commands.
func (s *session) awaitingReply() *exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending != nil && s.pending.early == nil {
		return s.pending
	}
	if s.err == nil {
		s.err = errUnsolicited
	}
	return nil
}

// accept ends the pending exchange with its replies. It reports false if the
// session was closed meanwhile. more reports whether further data has arrived: then
// the session takes no more commands. Replies that arrive before the complete
// document has been written are kept until it is: until then the session is
// reserved, and the timeout of the exchange goes on.
func (s *session) accept(asked *exchange, replies []Reply, more bool) bool {
	s.mu.Lock()
	current := s.pending == asked
	done := current && asked.written
	switch {
	case !current:
	case done:
		s.pending = nil
	default:
		asked.early = replies
	}
	if current {
		s.heard = time.Now()
	}
	if current && more {
		s.err = errUnsolicited
	}
	s.mu.Unlock()
	if done {
		s.deliver(asked, replies)
	}
	return current
}

// lastHeard returns when the last reply arrived, or the zero time.
func (s *session) lastHeard() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard
}

// markWritten records that the complete document of an exchange has been written.
func (s *session) markWritten(asked *exchange) {
	s.mu.Lock()
	asked.written = true
	replies := asked.early
	done := s.pending == asked && replies != nil
	if done {
		s.pending = nil
	}
	s.mu.Unlock()
	if done {
		s.deliver(asked, replies)
	}
}

// deliver gives an exchange its replies. It is called without the mutex, after the
// exchange has ceased to be pending.
func (s *session) deliver(asked *exchange, replies []Reply) {
	if asked.pool != nil {
		s.endpoint.noteReply(time.Since(asked.began))
	}
	if asked.pool == nil || needsSession(replies) {
		asked.answered <- result{replies: replies}
		return
	}
	// The order matters. The session is given back first, so that the caller finds
	// it for the next command. Then the replies are delivered. The next caller in the
	// queue is woken last, and so runs first.
	next := asked.pool.takeBack(s)
	asked.answered <- result{replies: replies, released: true}
	next.handOver(s)
}

// readAnswer reads a document that must be the answer to another.
func readAnswer(stream *scanner, to outgoing) ([]Reply, error) {
	in, err := stream.document()
	if err != nil {
		return nil, err
	}
	if reason, ok := in.forcedLogout(); ok {
		return nil, &ForcedLogoutError{reason}
	}
	return in.match(to)
}

// readUnsolicited reads an unsolicited document and returns the error that it
// means: a [*ForcedLogoutError] or errUnsolicited.
func (s *session) readUnsolicited(stream *scanner) error {
	if err := s.line.SetReadDeadline(time.Now().Add(unsolicitedTimeout)); err != nil {
		return errUnsolicited
	}
	stream.limit = outgoing{}.replyLimit(s.endpoint.options.MaxReplyBytes)
	_, err := readAnswer(stream, outgoing{})
	if forced, ok := errors.AsType[*ForcedLogoutError](err); ok {
		return forced
	}
	return errUnsolicited
}

// refuseDocument closes the session because of a document, or because the
// connection ended within one.
func (s *session) refuseDocument(why error) {
	s.endpoint.options.Trace.replyRefused(s.endpoint.Name, why)
	s.close(why)
}

// close closes the session, and ends the pending exchange. The reason is kept
// unless the session is closed already.
func (s *session) close(why error) {
	s.mu.Lock()
	asked, first := s.closeLocked(ofConnection(why))
	s.mu.Unlock()
	if first {
		s.afterClose(asked)
	}
}

// closeDuring closes the session if the exchange is still pending. Otherwise the
// session may be in use by another caller.
func (s *session) closeDuring(asked *exchange, why error) {
	s.mu.Lock()
	first := s.pending == asked
	if first {
		asked, first = s.closeLocked(ofConnection(why))
	}
	s.mu.Unlock()
	if first {
		s.afterClose(asked)
	}
}

// closeLocked marks the session closed and returns the exchange that was pending.
// first reports whether the session was not closed before: then the caller must
// call afterClose. The caller holds the session's mutex.
func (s *session) closeLocked(why error) (asked *exchange, first bool) {
	if s.closed {
		return nil, false
	}
	if asked = s.pending; asked != nil && asked.early == nil && len(asked.document.commands) > 0 {
		s.during = asked.document.commands[0].Name()
	}
	s.closed, s.err, s.pending = true, why, nil
	return asked, true
}

// afterClose closes the connection of a session that was just marked closed, and
// ends the exchange that was pending. It is called without the mutex.
func (s *session) afterClose(asked *exchange) {
	why := s.reason()
	// The connection is not used any more, so an error does not matter. TLS is not
	// closed in order, because that may block.
	_ = s.line.socket.Close()
	switch {
	case asked == nil:
	case asked.early != nil:
		asked.answered <- result{replies: asked.early} // valid, whatever came after it
	default:
		asked.answered <- result{err: why}
	}
	s.onClose(s, why)
}

// usable reports whether the session may take a command.
func (s *session) usable() bool { return s.reason() == nil }

// reason returns why the session takes no more commands, or nil.
func (s *session) reason() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// ending returns the reason for the end of the session with the command that it was used
// for, if there was one.
func (s *session) ending(why error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.during == "" || why == nil {
		return why
	}
	return fmt.Errorf("%w, during %s", why, s.during)
}

// logout sends a logout and closes the session. It does not wait for the reply,
// which may never arrive.
func (s *session) logout(why error) {
	if s.usable() {
		s.sendLogout()
	}
	s.close(why)
}

// sendLogout asks the platform to remove the session. An error does not matter,
// because the platform also notices the end of the connection.
func (s *session) sendLogout() {
	document := outgoing{sessionID: s.id, commands: []Command{logoutRequest(s.userID)}}
	encoded, err := document.encode(s.endpoint.options.Encoding)
	if err != nil || s.line.SetWriteDeadline(time.Now().Add(logoutTimeout)) != nil {
		return
	}
	s.line.flushOnClose()
	if _, err := s.line.Write(encoded); err != nil {
		return
	}
	if secured, ok := s.line.Conn.(*tls.Conn); ok {
		_ = secured.CloseWrite() // ends TLS in order
	}
}

// ask sends one command, and returns a refusal as an error.
func (s *session) ask(ctx context.Context, command Command) (Reply, error) {
	replies, err := s.exchange(ctx, command)
	if err != nil {
		return Reply{}, err
	}
	return replies[0], replies[0].Err()
}

// ping returns an error unless the platform confirms that the session is logged
// in. A release that does not support the command has answered it nevertheless.
func (s *session) ping(ctx context.Context) error {
	start := time.Now()
	_, err := s.ask(ctx, NewRead(validityCommand))
	if isValidationError(err) {
		err = nil
	}
	if err == nil {
		s.endpoint.notePing(time.Since(start))
	}
	return err
}
