package oci

import (
	"context"
	"errors"
	"fmt"
)

// writeRepeats is how often a write that was certainly not done is tried again.
const writeRepeats = 2

// Write sends a command that may change the platform. It is never sent again
// if it may have been done. It is tried over another session, up to 2 more times
// until ctx ends, only after an [*UnsentError] (no byte of it was handed to the
// socket) and after [ErrNotLoggedIn] (a definite refusal).
//
// Write calls before, unless it is nil, with the name of the session's endpoint,
// when a session is available and nothing has been sent. It calls before again for
// each further try. An error of before cancels the write: nothing is sent, the
// session is kept, and Write returns an error that wraps that of before and is
// [NotDone]. The session is reserved meanwhile, so before should be quick.
//
// The errors are those of Read and that of before. If an earlier try was sent,
// the error wraps ErrNotLoggedIn as well. Unless NotDone reports true for the
// error, it is unknown whether the command was done.
//
// Write stops when ctx ends before the command is sent, and compares the
// deadline with the clock after before. Once the command is sent, Write waits for
// the reply until CommandTimeout, even after the end of ctx: whether the write was
// done matters more than the time of a canceled caller.
func (c *Client) Write(ctx context.Context, command Write, before func(endpoint string) error) (Reply, error) {
	if before == nil {
		before = allowAll
	}
	return c.writeInForm(ctx, before, func(e *endpoint) ([]Command, error) {
		return e.dialect.translate(e.Name, []Command{command})
	})
}

// allowAll is a hook before a write that cancels none.
func allowAll(string) error { return nil }

// writeInForm is Write for a command in the form that choose returns for the
// endpoint of each try.
func (c *Client) writeInForm(ctx context.Context, before func(endpoint string) error, choose func(*endpoint) ([]Command, error)) (Reply, error) {
	reply, err := c.writeOnce(ctx, before, choose)
	var notLoggedIn error // of a try that was sent
	for range writeRepeats {
		if !mayResend(ctx, err) {
			break
		}
		if errors.Is(err, ErrNotLoggedIn) {
			notLoggedIn = err
			ctx = withoutOutageWait(ctx)
		}
		reply, err = c.writeOnce(ctx, before, choose)
	}
	if err != nil && notLoggedIn != nil && !errors.Is(err, ErrNotLoggedIn) {
		// The command has been sent once, whatever the error of the last try.
		err = fmt.Errorf("%w; a try before: %w", err, notLoggedIn)
	}
	return reply, err
}

// mayResend reports whether a command was certainly not done and may be done over
// another session: nothing of it was sent over this one, or the platform refused
// it because the session was not logged in. No other error allows a write to be
// sent again.
func mayResend(ctx context.Context, err error) bool {
	if _, calledOff := errors.AsType[*calledOffError](err); calledOff || ended(ctx) != nil || !NotDone(err) {
		return false
	}
	_, unsent := errors.AsType[*UnsentError](err)
	return unsent || errors.Is(err, ErrNotLoggedIn)
}

// writeOnce sends one command over a session of the pool, alone in its document,
// and waits for its reply.
func (c *Client) writeOnce(ctx context.Context, before func(endpoint string) error, choose func(*endpoint) ([]Command, error)) (Reply, error) {
	s, err := c.pool.acquire(ctx)
	if err != nil {
		return Reply{}, err
	}
	commands, err := choose(s.endpoint)
	if err != nil {
		c.pool.release(s)
		return Reply{}, err
	}
	asked, err := c.sendDocument(ctx, s, s.document(ctx, commands), before)
	if err != nil {
		return Reply{}, err
	}
	return c.finishWrite(ctx, s, asked, <-asked.answered)
}

// sendDocument sends a document over a session of the pool, unless before returns
// an error. It releases the session if nothing was sent, also after a panic of
// before.
func (c *Client) sendDocument(ctx context.Context, s *session, document outgoing, before func(endpoint string) error) (*exchange, error) {
	sent := false
	defer func() {
		if !sent {
			c.pool.release(s)
		}
	}()
	asked, err := s.newExchange(document)
	if err != nil {
		return nil, err
	}
	if err := before(s.endpoint.Name); err != nil {
		return nil, &calledOffError{err}
	}
	asked.pool = c.pool
	if err := s.send(ctx, asked); err != nil {
		return nil, err
	}
	sent = true
	return asked, nil
}

// finishWrite returns the reply of an exchange of one write, and releases the
// session. It sends nothing again.
func (c *Client) finishWrite(ctx context.Context, s *session, asked *exchange, got result) (Reply, error) {
	if !got.released {
		defer c.pool.release(s)
	}
	replies, err := c.outcome(s, asked, got)
	if err != nil {
		// The platform may have done the write, even if it closed the connection
		// because it does not support the command. What that teaches applies from
		// the next command on.
		_ = s.endpoint.noteClosed(asked.document.commands, err)
		return Reply{}, err
	}
	if err := c.checkRefused(ctx, s, asked, replies); err != nil {
		return Reply{}, err
	}
	if !refusedForForm(replies) {
		s.endpoint.dialect.noteAnswers(asked.document)
	}
	return replies[0], nil
}
