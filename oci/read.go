package oci

import (
	"context"
	"errors"
	"fmt"
)

// readRepeats is how often a read is sent again, each time over a session that has
// replied since the session before was found to be lost (see suspect.go). lostRepeats of
// them may be due to a lost reply, since the read itself may be the cause of the loss.
const (
	readRepeats = 2
	lostRepeats = 1
)

// repetitionTimeouts limits a document of reads that is sent again in other
// forms: it may take that many command timeouts from its first start.
const repetitionTimeouts = 2

// Read sends 1 to [MaxCommands] commands as one document and returns one
// reply for each, in order. A reply may be a refusal of the platform; see
// [Reply.Err]. If the session is lost before the reply arrives, Read sends the
// commands once more over another session. If nothing was sent, or the platform has
// logged the session out, it does so up to 2 times, until ctx ends. If the platform refuses the complete
// document, or a command for its form, Read sends the commands again one by one,
// and in older forms. The reply to a command that the platform does not support in
// any form has an [*UnsupportedError].
//
// Callers who send the same commands at the same time share one exchange and its
// result, including the slice, so no caller may change it. The shared exchange
// is always sent after all its callers have called Read. So no caller gets a
// state that is older than a write that ended before their call, no matter which
// client made the write. A caller who finds the same commands already sent waits
// for the next exchange. An exchange has the tracking id of the caller who makes
// it. The tracking ids of the other callers are not sent.
//
// Errors are [ErrClosed], [ErrBusy], [ErrNotLoggedIn], [*UnavailableError],
// [*UnsupportedError], [*UnsentError], [*LostError], and errors about commands
// that cannot be written. errors.Is distinguishes the causes of a LostError, such
// as context.DeadlineExceeded and [ErrReplyTooLarge]. Errors are shared like
// replies, except those that come from the end of another caller's ctx, or from
// their place in the queue. If a caller's ctx ends during another caller's
// exchange, they get the error that they would get for their own: a LostError if
// the same commands have been sent, otherwise the error of a caller who waits for a
// session.
func (c *Client) Read(ctx context.Context, commands ...Read) ([]Reply, error) {
	if err := c.pool.options().checkTrackingID(ctx); err != nil {
		return nil, undone(err) // of this caller alone: callers who share the read have other ids
	}
	wire := wireOf(ctx)
	key, began := wire.readKey(commands), c.pool.options().Trace.begins()
	for {
		f, leads := c.reads.join(key)
		if leads {
			return c.lead(ctx, f, commands)
		}
		select {
		case <-f.ended:
		case <-ctx.Done():
			return nil, c.waitError(ctx, f)
		}
		if f.shared {
			c.pool.options().Trace.readJoined(commands, f.outcome.err)
			wire.joined(commands, f.outcome.err)
			c.pool.options().Trace.joined(ctx, began, commands, f.outcome)
			if f.outcome.err == nil {
				c.pool.noteShared(progressOf(ctx))
			}
			return f.outcome.replies, f.outcome.err
		}
	}
}

// lead makes the exchange of a flight. An error that may come from the end of
// this caller's ctx, or from their place in the queue, is not shared, nor is a panic:
// the other callers try again.
func (c *Client) lead(ctx context.Context, f *flight, commands []Read) ([]Reply, error) {
	defer func() {
		if !f.detached {
			c.reads.finish(f)
		}
	}()
	replies, err := c.readInTurn(ctx, f, commands)
	if err == nil || ctx.Err() == nil && !isRefusedAlone(err) {
		f.share(replies, err)
	}
	return replies, err
}

// isRefusedAlone reports whether a caller got no session for a reason of their own: their
// deadline, or how much they ask for. One who has waited for MaxWait has waited for all who
// share the read.
func isRefusedAlone(err error) bool {
	busy, ok := errors.AsType[*BusyError](err)
	return ok && busy.Reason != BusyWait
}

// readInTurn sends the commands after the flight before has ended, and once more
// if the reply is lost.
func (c *Client) readInTurn(ctx context.Context, f *flight, commands []Read) ([]Reply, error) {
	if err := c.awaitTurn(ctx, f); err != nil {
		return nil, err
	}
	first := make([]Command, len(commands))
	for i, command := range commands {
		first[i] = command
	}
	replies, err := c.readOnce(ctx, f, first)
	lost := 0
	for range readRepeats {
		if isUnexplainedLoss(err) {
			lost++
		}
		if lost > lostRepeats || !mayRepeatRead(ctx, err) {
			break
		}
		replies, err = c.readOnce(ctx, f, first)
	}
	if doubtful, ok := errors.AsType[*doubtfulError](err); ok {
		return doubtful.replies, nil // the repetition had the same end
	}
	return replies, err
}

// isUnexplainedLoss reports whether a reply is lost, for another reason than that the
// platform has logged the session out.
func isUnexplainedLoss(err error) bool {
	_, lost := errors.AsType[*LostError](err)
	_, forced := errors.AsType[*ForcedLogoutError](err)
	return lost && !forced
}

// awaitTurn waits for the end of the same read that has already been sent.
func (c *Client) awaitTurn(ctx context.Context, f *flight) error {
	if f.turn == nil {
		return nil
	}
	select {
	case <-f.turn:
		return nil
	case <-c.pool.closing.Done():
		return ErrClosed
	case <-ctx.Done():
		return c.waitError(ctx, f)
	}
}

// waitError returns the error of a caller whose ctx ended during a wait for a
// read that other callers have asked for, too.
func (c *Client) waitError(ctx context.Context, f *flight) error {
	why := endOf(ctx, ctx.Err())
	if at := c.reads.sentTo(f); at != nil {
		return &LostError{Endpoint: at.Name, Err: fmt.Errorf("waiting for the same read of another caller: %w", why)}
	}
	return c.pool.waitError(progressOf(ctx).request(), BusyLeft, why)
}

// mayRepeatRead reports whether the same read may succeed over another session.
// A read that timed out, or whose reply was too large, is not repeated, so as not
// to add load to the platform.
func mayRepeatRead(ctx context.Context, err error) bool {
	if ended(ctx) != nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrReplyTooLarge) {
		return false
	}
	_, lost := errors.AsType[*LostError](err)
	return lost || mayResend(ctx, err)
}

// readOnce sends a document of reads over a session of the pool, for a flight.
func (c *Client) readOnce(ctx context.Context, f *flight, commands []Command) ([]Reply, error) {
	s, err := c.pool.acquire(ctx)
	if err != nil {
		return nil, err
	}
	c.reads.markSent(f, s.endpoint)
	translated, err := s.endpoint.dialect.translate(s.endpoint.Name, commands)
	if err != nil {
		c.pool.release(s)
		return nil, err
	}
	asked, err := c.sendDocument(ctx, s, s.document(ctx, translated), noCheck)
	if err != nil {
		return nil, err
	}
	return c.awaitReads(ctx, f, s, asked, commands)
}

// noCheck is the check before reads, which have none; see [Client.sendDocument].
func noCheck(string) error { return nil }

// awaitReads waits for the replies to an exchange of reads. commands are the
// reads in their first forms. If ctx ends, the caller stops waiting, and the
// exchange is finished in the background: so canceled callers do not cost the
// platform logins.
func (c *Client) awaitReads(ctx context.Context, f *flight, s *session, asked *exchange, commands []Command) ([]Reply, error) {
	answered := asked.answered
	select {
	case got := <-answered:
		if got.err != nil || !refusedForForm(got.replies) {
			return c.finishReads(ctx, s, asked, got, commands)
		}
		answered <- got // finishReads makes more exchanges, so it must not block the caller
	case <-ctx.Done():
	}
	if !c.pool.addRunning() {
		return c.finishReads(ctx, s, asked, <-answered, commands) // it ends when the client closes
	}
	return c.finishReadsInBackground(ctx, f, s, asked, commands)
}

// finishReadsInBackground finishes an exchange in another goroutine, for which close
// waits: the caller has called pool.addRunning. If ctx ends first, the caller gets a
// LostError, and the goroutine ends the flight.
func (c *Client) finishReadsInBackground(ctx context.Context, f *flight, s *session, asked *exchange, commands []Command) ([]Reply, error) {
	finished, left := make(chan result), make(chan struct{})
	go func() {
		defer c.pool.running.Done()
		replies, err := c.finishReads(ctx, s, asked, <-asked.answered, commands)
		select {
		case finished <- result{replies: replies, err: err}:
		case <-left:
			if !mayRepeatRead(context.WithoutCancel(ctx), err) {
				f.share(replies, err)
			}
			c.reads.finish(f)
		}
	}()
	select {
	case got := <-finished:
		return got.replies, got.err
	case <-ctx.Done():
		f.detached = true
		close(left)
		err := asked.lost(endOf(ctx, ctx.Err()))
		asked.end(nil, err)
		return nil, err
	}
}

// finishReads returns the replies of an exchange of reads, after it has sent again
// what the platform refused for its form, and releases the session. commands are
// the reads in their first forms.
func (c *Client) finishReads(ctx context.Context, s *session, asked *exchange, got result, commands []Command) ([]Reply, error) {
	if !got.released {
		defer c.pool.release(s)
	}
	replies, err := c.outcome(s, asked, got)
	if err != nil {
		return nil, s.endpoint.lostRead(asked.document.commands, err)
	}
	if err := c.checkRefused(ctx, s, asked, replies); err != nil {
		return nil, err
	}
	if !refusedForForm(replies) {
		s.endpoint.dialect.noteAnswers(asked.document)
		return replies, nil
	}
	limited, cancel := by(ctx, asked.began, repetitionTimeouts*s.endpoint.options.CommandTimeout)
	defer cancel()
	return readAgain(limited, s, asked.document, commands, replies)
}
