package oci

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// logoutTimeout bounds the farewell of a session that is closed.
const logoutTimeout = time.Second

// unsolicitedTimeout is how long a session listens to the end of a document
// that it did not ask for, to learn why it is being ended.
const unsolicitedTimeout = time.Second

// session is one connection to the platform. It carries one document at a
// time, and a goroutine of its own reads all that the platform sends, so that
// an end of the connection, or a platform that speaks out of turn, is noticed
// at once and not by the next command.
type session struct {
	endpoint *endpoint
	line     line
	id       string                // chosen by us, of this session alone
	userID   string                // who is logged in; empty before
	ours     bool                  // it is logged in with the endpoint's own account
	echoes   uint64                // how many were given out
	died     func(*session, error) // called once, when it is dead
	read     chan struct{}         // closed when readAll has ended

	mu      sync.Mutex
	pending *exchange
	err     error // why it takes no more commands
	dead    bool

	// The pool's own notes, guarded by the pool's mutex.
	idleSince time.Time
	probed    time.Time // when it last proved to be well
	expires   time.Time
	proven    bool // it brought an answer after its login
}

// exchange is one document and the wait for its answer. Once it has been sent,
// whatever ends it without an answer leaves open what the platform did.
type exchange struct {
	endpoint string // its name
	document outgoing
	began    time.Time // when the document was free to go
	timeout  *time.Timer
	answered chan result // gets exactly one result

	// pool, unless nil, gets the session back as soon as that has brought an
	// answer after which nothing more is to be asked over it.
	pool *pool

	// Guarded by the session's mutex.
	written bool    // all of the document is on its way
	early   []Reply // the answer, where that came before
}

type result struct {
	replies  []Reply
	err      error
	released bool // the session is not the caller's any more
}

// newSession takes over a connection that is not logged in yet. Its owner runs
// readAll.
func newSession(e *endpoint, l line, died func(*session, error)) *session {
	l.hold()
	return &session{endpoint: e, line: l, id: rand.Text(), died: died, read: make(chan struct{})}
}

// readAll reads documents until the session is dead.
func (s *session) readAll() {
	defer close(s.read)
	stream := newScanner(s.line, s.endpoint.options.MaxReplyBytes)
	for {
		if err := stream.await(); err != nil {
			s.kill(err)
			return
		}
		s.mu.Lock()
		asked := s.pending
		if asked != nil && asked.early != nil {
			asked = nil // it has its answer
		}
		if asked == nil && s.err == nil {
			s.err = errUnsolicited // from here on no command is taken
		}
		s.mu.Unlock()
		if asked == nil {
			s.refuse(s.unsolicited(stream))
			return
		}
		stream.limit = asked.document.replyLimit(s.endpoint.options.MaxReplyBytes)
		replies, err := readAnswer(stream, asked.document)
		if err != nil {
			s.refuse(err)
			return
		}
		if !s.answer(asked, replies, stream.more()) {
			return
		}
	}
}

// answer ends the exchange well, unless the session died meanwhile. Where more
// than the answer has come, the session takes no other command. An answer that
// comes before all of the document is on its way waits for that: until then the
// session is nobody else's, and the time for the exchange runs on.
func (s *session) answer(asked *exchange, replies []Reply, more bool) bool {
	s.mu.Lock()
	if s.pending != asked {
		s.mu.Unlock()
		return false
	}
	if more {
		s.err = errUnsolicited
	}
	if !asked.written {
		asked.early = replies
		s.mu.Unlock()
		return true
	}
	s.settle(asked, replies)
	return true
}

// wrote notes that all of an exchange's document is on its way.
func (s *session) wrote(asked *exchange) {
	s.mu.Lock()
	asked.written = true
	if s.pending == asked && asked.early != nil {
		s.settle(asked, asked.early)
		return
	}
	s.mu.Unlock()
}

// settle brings the pending exchange its answer. It is called with the mutex
// held, and unlocks it.
func (s *session) settle(asked *exchange, replies []Reply) {
	s.pending = nil
	s.mu.Unlock()
	if asked.pool == nil || unsettled(replies) {
		asked.answered <- result{replies: replies}
		return
	}
	// Back first, so that a caller who asks again at once finds it; then the
	// answer; then the next in the queue, who is thus the first to run.
	next := asked.pool.putBack(s, true)
	asked.answered <- result{replies: replies, released: true}
	next.wake(s)
}

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

// unsolicited tells why the platform speaks on an idle session.
func (s *session) unsolicited(stream *scanner) error {
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

// refuse ends the session for what the platform sent, or for the end of its
// connection.
func (s *session) refuse(why error) {
	s.endpoint.options.Trace.replyRefused(s.endpoint.Name, why)
	s.kill(why)
}

// kill ends the session for that reason, and with it the exchange under way.
// The first reason is kept.
func (s *session) kill(why error) {
	s.mu.Lock()
	s.end(why)
}

// abandon ends the session for that reason, unless the exchange has ended and
// the session may be another caller's.
func (s *session) abandon(asked *exchange, why error) {
	s.mu.Lock()
	if s.pending != asked {
		s.mu.Unlock()
		return
	}
	s.end(why)
}

// end is called with the mutex held, and unlocks it.
func (s *session) end(why error) {
	if s.dead {
		s.mu.Unlock()
		return
	}
	why = ofConnection(why)
	s.dead = true
	s.err = why
	asked := s.pending
	s.pending = nil
	s.mu.Unlock()

	// The connection is of no more use, so how closing it goes is of none. TLS
	// is not asked to take its leave, for which it may have to wait.
	_ = s.line.socket.Close()
	switch {
	case asked == nil:
	case asked.early != nil:
		asked.answered <- result{replies: asked.early} // none the worse for what came behind it
	default:
		asked.answered <- result{err: why}
	}
	s.died(s, why)
}

// alive tells whether the session may take a command.
func (s *session) alive() bool { return s.reason() == nil }

// reason is why the session takes no more commands, nil where it does.
func (s *session) reason() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// exchange sends the commands as one document and waits for the answer to it.
// The end of ctx ends the session.
func (s *session) exchange(ctx context.Context, commands ...Command) ([]Reply, error) {
	return s.exchangeDocument(ctx, s.document(ctx, commands))
}

func (s *session) exchangeDocument(ctx context.Context, document outgoing) ([]Reply, error) {
	asked, err := s.send(ctx, document, nil, nil)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { s.abandon(asked, endOf(ctx, ctx.Err())) })
	defer stop()
	return asked.outcome(<-asked.answered)
}

// document makes the document of some commands. It has the tracking id of ctx
// where the platform takes one.
func (s *session) document(ctx context.Context, commands []Command) outgoing {
	document := s.bareDocument(commands)
	if !s.endpoint.options.OmitTrackingID && s.endpoint.dialect.tracks(checksCredentials(commands[0].Name())) {
		document.trackingID = trackingID(ctx)
	}
	return document
}

// bareDocument makes a document without what not every release takes.
func (s *session) bareDocument(commands []Command) outgoing {
	document := outgoing{sessionID: s.id, commands: commands}
	if !s.endpoint.options.OmitEcho {
		for range commands {
			s.echoes++
			document.echoes = append(document.echoes, strconv.FormatUint(s.echoes, 10))
		}
	}
	return document
}

// send puts a document on its way. An error says that nothing was sent; else
// the exchange is answered within CommandTimeout. ctx is heeded until then.
// For the pool see [exchange], for before, which may be nil, [Client.Write].
func (s *session) send(ctx context.Context, document outgoing, p *pool, before func(endpoint string) error) (*exchange, error) {
	encoded, err := document.encode(s.endpoint.options.Encoding)
	if err != nil {
		return nil, undone(err)
	}
	if before != nil {
		if err := before(s.endpoint.Name); err != nil {
			return nil, &calledOffError{err}
		}
	}
	asked := &exchange{endpoint: s.endpoint.Name, document: document, answered: make(chan result, 1), pool: p}
	if err := s.begin(ctx, asked); err != nil {
		return nil, err
	}
	left, err := s.line.send(encoded)
	if err != nil {
		s.kill(err)
	}
	if !left {
		asked.timeout.Stop()
		return nil, &UnsentError{Endpoint: s.endpoint.Name, Err: s.reason()}
	}
	s.wrote(asked)
	return asked, nil
}

// outcome is what an exchange has come to.
func (a *exchange) outcome(got result) ([]Reply, error) {
	a.timeout.Stop()
	if got.err != nil {
		return nil, a.lost(got.err)
	}
	for i := range got.replies {
		got.replies[i].endpoint = a.endpoint
	}
	return got.replies, nil
}

func (a *exchange) lost(why error) error { return &LostError{Endpoint: a.endpoint, Err: why} }

// ended is why ctx has ended, nil where it has not. Its deadline is held against
// the clocks as well: in a process that was suspended, it may have passed while
// no timer has run yet, and in a machine that slept, while the monotonic clock
// stood still.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	deadline, ok := ctx.Deadline()
	now := time.Now()
	if ok && (!now.Before(deadline) || !now.Round(0).Before(deadline.Round(0))) {
		return context.DeadlineExceeded
	}
	return nil
}

// begin makes the exchange the session's only one. From its success on the
// document may reach the platform.
func (s *session) begin(ctx context.Context, asked *exchange) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.err
	if err == nil {
		if err = ended(ctx); err != nil {
			err = endOf(ctx, err)
		}
	}
	if err != nil {
		return &UnsentError{Endpoint: s.endpoint.Name, Err: err}
	}
	s.pending, asked.began = asked, time.Now()
	timeout := s.endpoint.options.CommandTimeout
	asked.timeout = time.AfterFunc(timeout, func() {
		s.abandon(asked, &noAnswerError{timeout})
	})
	return nil
}

// logout says goodbye and ends the session. The platform's answer may never
// come, so none is waited for.
func (s *session) logout(why error) {
	if s.alive() {
		s.sayGoodbye()
	}
	s.kill(why)
}

// sayGoodbye asks the platform to forget the session. Without that it notices
// the end of the connection instead, so it is no matter where it fails.
func (s *session) sayGoodbye() {
	document := outgoing{sessionID: s.id, commands: []Command{logoutRequest(s.userID)}}
	encoded, err := document.encode(s.endpoint.options.Encoding)
	if err != nil || s.line.SetWriteDeadline(time.Now().Add(logoutTimeout)) != nil {
		return
	}
	s.line.part()
	if _, err := s.line.Write(encoded); err != nil {
		return
	}
	if secured, ok := s.line.Conn.(*tls.Conn); ok {
		_ = secured.CloseWrite() // it is TLS's own goodbye
	}
}

type trackingKey struct{}

// WithTrackingID is a context whose commands carry that tracking id, 1 to 80
// characters by the published schema, so that the platform's logs can be held
// against the caller's.
func WithTrackingID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, trackingKey{}, id)
}

// checkTrackingID says why a document cannot bear the tracking id of ctx.
func (o *Options) checkTrackingID(ctx context.Context) error {
	if o.OmitTrackingID {
		return nil
	}
	if err := checkText(trackingID(ctx)); err != nil {
		return fmt.Errorf("oci: the tracking id %w", err)
	}
	return nil
}

func trackingID(ctx context.Context) string {
	id, _ := ctx.Value(trackingKey{}).(string)
	return id
}
