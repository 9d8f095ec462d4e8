package oci

import (
	"context"
	"slices"
	"time"
)

// This file has the hooks of [Trace] that are called with the contexts of callers, so that
// what is done for a request can be shown as a part of it. They are called after the fact.
// A panic of such a hook is ignored: tracing cannot change what becomes of a command.

// ExchangeEvent is a document of commands that was to be sent to the platform, and its end.
type ExchangeEvent struct {
	Endpoint string    // the name of the platform endpoint; empty if Joined
	Began    time.Time // when the document was given to the session, or a caller asked for the read
	Took     time.Duration
	// Sent reports whether any of the document may have been sent.
	Sent bool
	// Joined reports that the read was answered by the exchange of another caller.
	Joined bool
	// Replies has one reply for each command, and is nil if Err is not.
	Replies []Reply
	Err     error

	document []Command // unless Joined
	reads    []Read    // if Joined
}

// Commands returns the names of the commands in the document.
func (e ExchangeEvent) Commands() []string {
	names := make([]string, 0, len(e.document)+len(e.reads))
	for _, c := range e.document {
		names = append(names, c.Name())
	}
	for _, c := range e.reads {
		names = append(names, c.name)
	}
	return names
}

// LoginEvent is an attempt to make a session, and its end.
type LoginEvent struct {
	Endpoint string // the name of the platform endpoint
	Began    time.Time
	Took     time.Duration
	// Connect is the part for DNS and TCP, and TLS that for TLS. Each is 0 if it was not
	// done. The rest of Took is the login itself.
	Connect, TLS time.Duration
	// Callers are the contexts of callers who waited for a session when the attempt ended, those
	// who waited longest first. If more than [MaxLoginCallers] waited, it has that many of
	// them, which need not be those who waited longest. It is empty if nobody did. A login of
	// [Client.Authenticate] has its caller's.
	Callers []context.Context
	Err     error // nil or a [*ConnectError]
}

// MaxLoginCallers limits [LoginEvent.Callers].
const MaxLoginCallers = 16

func (t Trace) queueLeft(ctx context.Context, began time.Time, err error) {
	if t.QueueLeft == nil {
		return
	}
	defer ignorePanic()
	t.QueueLeft(ctx, began, err)
}

func (t Trace) loginEnded(l LoginEvent, callers func() []context.Context) {
	if t.LoginEnded == nil {
		return
	}
	defer ignorePanic()
	l.Took = time.Since(l.Began)
	l.Callers = callers()
	t.LoginEnded(l)
}

// joined reports a read that was answered by the exchange of another caller.
func (t Trace) joined(ctx context.Context, began time.Time, commands []Read, outcome result) {
	if t.Exchanged == nil {
		return
	}
	defer ignorePanic()
	t.Exchanged(ctx, ExchangeEvent{
		Began: began, Took: time.Since(began), Joined: true, Replies: outcome.replies, Err: outcome.err, reads: commands,
	})
}

// begins returns the present time if a hook needs it.
func (t Trace) begins() time.Time {
	if t.Exchanged == nil {
		return time.Time{}
	}
	return time.Now()
}

// end reports the end of an exchange, unless it was reported already: its caller may stop
// waiting before it ends.
func (a *exchange) end(replies []Reply, err error) {
	a.wire.end(err)
	if a.exchanged == nil || !a.reported.CompareAndSwap(false, true) {
		return
	}
	defer ignorePanic()
	a.exchanged(a.caller, ExchangeEvent{
		Endpoint: a.endpoint, Began: a.given, Took: time.Since(a.given), Sent: a.sent, Replies: replies, Err: err, document: a.document.commands,
	})
}

// stageTimes notes how long the stages of a connection took. Nil notes nothing.
type stageTimes struct{ connect, tls time.Duration }

func (s *stageTimes) dialed(since time.Time) {
	if s != nil {
		s.connect = time.Since(since)
	}
}

func (s *stageTimes) secured(since time.Time) {
	if s != nil {
		s.tls = time.Since(since)
	}
}

// waiting returns the contexts of some callers who wait for a session, for a LoginEvent.
func (p *pool) waiting() []context.Context {
	p.mu.Lock()
	tickets := p.queue.some(MaxLoginCallers)
	p.mu.Unlock()
	slices.SortFunc(tickets, func(a, b waitingTicket) int { return a.arrived.Compare(b.arrived) })
	var contexts []context.Context
	for _, t := range tickets {
		contexts = append(contexts, t.ctx)
	}
	return contexts
}

// waitingTicket is a copy of what waiting needs of a ticket.
type waitingTicket struct {
	arrived time.Time
	ctx     context.Context
}

// some returns up to that many of the tickets in the queue.
func (q *queue) some(most int) []waitingTicket {
	var found []waitingTicket
	add := func(t *ticket) bool {
		found = append(found, waitingTicket{t.arrived, t.owner.ctx})
		return len(found) < most
	}
	for _, c := range q.callers {
		if !c.each(add) {
			break
		}
	}
	return found
}

// each calls f with the tickets of a caller until it returns false, and reports whether it
// never did.
func (c *caller) each(f func(*ticket) bool) bool {
	for _, t := range c.urgent.items {
		if !f(t) {
			return false
		}
	}
	for e := c.begun.Front(); e != nil; e = e.Next() {
		if !f(e.Value.(*ticket)) {
			return false
		}
	}
	for e := c.fresh.Front(); e != nil; e = e.Next() {
		if !f(e.Value.(*ticket)) {
			return false
		}
	}
	return true
}
