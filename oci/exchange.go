package oci

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"
)

// exchange is one document and the wait for the replies to it. Once bytes of it
// have been handed to the socket, an end without replies leaves unknown what the
// platform did.
type exchange struct {
	endpoint string // its name
	document outgoing
	encoded  []byte    // the document as it is sent; nil once it is
	began    time.Time // when the session was reserved for the document
	timeout  *time.Timer
	answered chan result // gets exactly one result

	// pool, unless nil, gets the session back as soon as the replies have
	// arrived, unless the session is needed further: see needsSession.
	pool *pool

	wire *wireRecord // nil unless the exchange is traced

	// exchanged is [Trace.Exchanged], nil without one. The others are for it.
	exchanged func(context.Context, ExchangeEvent)
	caller    context.Context
	given     time.Time   // when the document was given to the session
	sent      bool        // some of it may have been sent; written before anybody waits for the result
	reported  atomic.Bool // exchanged was called, or is about to be

	// Guarded by the session's mutex.
	written bool    // the complete document has been handed to the socket
	early   []Reply // replies that arrived before that
}

// result is how an exchange ended.
type result struct {
	replies  []Reply
	err      error
	released bool // the session has been given back to the pool
}

// exchange sends a document of commands and waits for the replies. If ctx ends
// first, the session is closed.
func (s *session) exchange(ctx context.Context, commands ...Command) ([]Reply, error) {
	return s.exchangeDocument(ctx, s.document(ctx, commands))
}

func (s *session) exchangeDocument(ctx context.Context, document outgoing) ([]Reply, error) {
	asked, err := s.newExchange(document)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { s.closeDuring(asked, endOf(ctx, ctx.Err())) })
	defer stop()
	if err := s.send(ctx, asked); err != nil {
		return nil, err
	}
	return asked.outcome(<-asked.answered)
}

// document makes a document of commands. It has the tracking id of ctx if the
// platform takes one. A login or a verification has one only if the platform has
// already answered a document with a tracking id, because the release may be
// detected or set wrongly.
func (s *session) document(ctx context.Context, commands []Command) outgoing {
	document := s.bareDocument(commands)
	d := s.endpoint.dialect
	if !s.endpoint.options.OmitTrackingID && d.takesTrackingID() && (!checksCredentials(commands[0].Name()) || d.hasAnsweredTrackingID()) {
		document.trackingID = trackingID(ctx)
	}
	return document
}

// bareDocument makes a document without the elements that only some releases
// take.
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

// newExchange encodes a document. An error says that it cannot be written; it is
// [NotDone].
func (s *session) newExchange(document outgoing) (*exchange, error) {
	encoded, err := document.encode(s.endpoint.options.Encoding)
	if err != nil {
		return nil, undone(err)
	}
	return &exchange{endpoint: s.endpoint.Name, document: document, encoded: encoded, answered: make(chan result, 1)}, nil
}

// send writes the document of an exchange to the connection. An error says that
// nothing was sent. Otherwise the exchange gets its result within CommandTimeout.
// The end of ctx counts until the exchange begins. The session's mutex is not held
// while the connection is written.
func (s *session) send(ctx context.Context, asked *exchange) error {
	asked.wire = wireOf(ctx).record(s, asked.document)
	if asked.exchanged = s.endpoint.options.Trace.Exchanged; asked.exchanged != nil {
		asked.caller, asked.given = ctx, time.Now()
	}
	if err := s.begin(ctx, asked); err != nil {
		asked.end(nil, err)
		return err
	}
	left, err := s.line.send(asked.encoded)
	asked.encoded = nil
	if err != nil {
		s.close(err)
	}
	if !left {
		asked.timeout.Stop()
		err := &UnsentError{Endpoint: s.endpoint.Name, Err: s.reason()}
		asked.end(nil, err)
		return err
	}
	asked.wire.markSent()
	asked.sent = true
	s.markWritten(asked)
	return nil
}

// begin makes the exchange the session's pending one. After it has succeeded, the
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
		s.closeDuring(asked, &noAnswerError{timeout})
	})
	return nil
}

// outcome returns the replies of an exchange, or a [*LostError].
func (a *exchange) outcome(got result) ([]Reply, error) {
	a.timeout.Stop()
	if got.err != nil {
		err := a.lost(got.err)
		a.end(nil, err)
		return nil, err
	}
	for i := range got.replies {
		got.replies[i].endpoint = a.endpoint
	}
	a.end(got.replies, nil)
	return got.replies, nil
}

func (a *exchange) lost(why error) error { return &LostError{Endpoint: a.endpoint, Err: why} }

// ended returns why ctx has ended, or nil. It also compares the deadline with the
// clocks: in a process that was suspended, the deadline may have passed before a
// timer has run, and in a machine that slept, while the monotonic clock was
// stopped.
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
