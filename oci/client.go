package oci

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// readRepeats is how often a read whose answer was lost is sent again.
const readRepeats = 1

// repetitionTimeouts is for how many command timeouts from its start a document
// of reads may take that is asked again.
const repetitionTimeouts = 2

// writeRepeats is how often a write that was certainly not done is tried again.
const writeRepeats = 2

// Client sends commands to the platform over a pool of sessions that it logs
// in. It is safe for use by several goroutines.
type Client struct {
	options  *Options
	pool     *pool
	reads    *joiner
	checking chan struct{} // holds a token for each identity check under way
}

// New is a client for the platform at the endpoints of the options. It makes
// its first sessions on its own time: that the platform cannot be reached is
// no error here. Close it after use.
func New(options Options) (*Client, error) {
	checked, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Client{
		options:  checked,
		pool:     newPool(checked),
		reads:    newJoiner(),
		checking: make(chan struct{}, maxIdentityChecks),
	}, nil
}

// Close logs all sessions out. It waits for those in use until ctx ends, then
// cuts them off and returns an error. Afterwards no goroutine of the client
// is left.
func (c *Client) Close(ctx context.Context) error { return c.pool.close(ctx) }

// Stats counts the sessions at this moment.
func (c *Client) Stats() Stats { return c.pool.stats() }

// Read sends 1 to [MaxCommands] commands as one document and returns one
// reply for each, in order. A reply may be the platform's refusal; see
// [Reply.Err]. Where the session is lost before the answer is there, the
// commands are sent once more over another. Where it refuses the document as a
// whole, or a command for its form, they are sent again one by one, and in older
// forms; the reply to a command that the platform does not know in any form has
// an [*UnsupportedError].
//
// Callers who ask the same at the same time share one exchange and what it
// brings, slice and all, so none may change it. It is always one that is sent
// after they asked, so nobody is told of a state older than a write that ended
// before they asked, whoever made it: a caller who finds the same commands under
// way waits for the next exchange. An exchange bears the tracking id of the
// caller who makes it; those of the others do not reach the platform.
//
// Errors are [ErrClosed], [ErrBusy], [ErrNotLoggedIn], [*UnavailableError],
// [*UnsupportedError], [*UnsentError], [*LostError], and that the commands cannot
// be written; with a
// LostError, errors.Is tells context.DeadlineExceeded and [ErrReplyTooLarge]
// from other causes. They are shared like the replies, but for those that come
// from the end of another caller's ctx. When their own ends while they wait for
// another's exchange, a caller gets what they would get had it been theirs: a
// LostError where the same commands are under way, since it is the platform
// that keeps them waiting, and otherwise the error of those who wait for a
// session.
func (c *Client) Read(ctx context.Context, commands ...Read) ([]Reply, error) {
	if err := c.options.checkTrackingID(ctx); err != nil {
		return nil, undone(err) // of this caller, and of none of those who ask the same
	}
	key := documentKey(commands)
	for {
		f, leads := c.reads.join(key)
		if leads {
			return c.lead(ctx, f, commands)
		}
		select {
		case <-f.ended:
		case <-ctx.Done():
			return nil, c.gaveUp(ctx, f)
		}
		if f.settled {
			c.options.Trace.readJoined(commands, f.outcome.err)
			return f.outcome.replies, f.outcome.err
		}
	}
}

// lead makes the exchange of a flight. An error that may be due to this
// caller's leaving, like a panic, is none of the others': they try again.
func (c *Client) lead(ctx context.Context, f *flight, commands []Read) ([]Reply, error) {
	defer func() {
		if !f.orphaned {
			c.reads.land(f)
		}
	}()
	replies, err := c.read(ctx, f, commands)
	if err == nil || ctx.Err() == nil {
		f.settle(replies, err)
	}
	return replies, err
}

// read sends the commands when it is the flight's turn, and once more where
// the answer is lost.
func (c *Client) read(ctx context.Context, f *flight, commands []Read) ([]Reply, error) {
	if err := c.awaitTurn(ctx, f); err != nil {
		return nil, err
	}
	asked := make([]Command, len(commands))
	for i, command := range commands {
		asked[i] = command
	}
	replies, err := c.ask(ctx, f, asked)
	for range readRepeats {
		if !worthRepeating(ctx, err) {
			break
		}
		replies, err = c.ask(ctx, f, asked)
	}
	return replies, err
}

// awaitTurn waits for the end of the same read that is under way.
func (c *Client) awaitTurn(ctx context.Context, f *flight) error {
	if f.turn == nil {
		return nil
	}
	select {
	case <-f.turn:
		return nil
	case <-c.pool.life.Done():
		return ErrClosed
	case <-ctx.Done():
		return c.gaveUp(ctx, f)
	}
}

// gaveUp is the error of a caller whose ctx ended while they waited for what
// others have asked for as well.
func (c *Client) gaveUp(ctx context.Context, f *flight) error {
	why := endOf(ctx, ctx.Err())
	if at := c.reads.underWay(f); at != nil {
		return &LostError{Endpoint: at.Name, Err: fmt.Errorf("waiting for the same read of another caller: %w", why)}
	}
	return c.pool.gaveUp(why)
}

// worthRepeating tells whether the same read may do better over another
// session. One that took too long or told too much is not repeated: the
// platform has enough to do.
func worthRepeating(ctx context.Context, err error) bool {
	if ended(ctx) != nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrReplyTooLarge) {
		return false
	}
	_, lost := errors.AsType[*LostError](err)
	return lost || worthResending(ctx, err)
}

// worthResending tells whether a write was certainly not done and may be done
// over another session: nothing of it was sent over this one, or the platform
// did not know the session. No other error lets a write be sent again.
func worthResending(ctx context.Context, err error) bool {
	if _, calledOff := errors.AsType[*calledOffError](err); calledOff || ended(ctx) != nil || !NotDone(err) {
		return false
	}
	_, unsent := errors.AsType[*UnsentError](err)
	return unsent || errors.Is(err, ErrNotLoggedIn)
}

// Write sends a command that may change the platform. It is never sent again
// where it may have been done: only after an [*UnsentError], that is, where no
// byte of it was handed to the socket, and after [ErrNotLoggedIn], a definite
// refusal, is it tried over another session, up to 2 more times while ctx
// lives.
//
// Unless it is nil, before is called when a session is at hand and nothing has
// been sent, with the name of the session's endpoint; and again before each
// further try. Its error calls the write off: nothing is sent, the session is
// kept, and Write returns an error that wraps it and is [NotDone]. The session
// is nobody else's meanwhile, so before should be quick.
//
// The errors are those of Read and that of before, and where a try before the
// last was sent, they wrap ErrNotLoggedIn as well; unless NotDone tells that
// the command was not done, nobody knows.
//
// The end of ctx is heeded until the command is on its way, and its deadline
// held against the clock after before. From then on the answer is waited for
// until CommandTimeout, because what became of the write is worth more than the
// time of a caller who gives up.
func (c *Client) Write(ctx context.Context, command Write, before func(endpoint string) error) (Reply, error) {
	return c.writeInForm(ctx, before, func(e *endpoint) ([]Command, error) {
		return e.dialect.translate(e.Name, []Command{command})
	})
}

// writeInForm is Write for a command in the form that is chosen for the endpoint
// of each try.
func (c *Client) writeInForm(ctx context.Context, before func(endpoint string) error, choose func(*endpoint) ([]Command, error)) (Reply, error) {
	reply, err := c.writeOnce(ctx, before, choose)
	var notTaken error // of a try that was sent
	for range writeRepeats {
		if !worthResending(ctx, err) {
			break
		}
		if errors.Is(err, ErrNotLoggedIn) {
			notTaken = err
		}
		reply, err = c.writeOnce(ctx, before, choose)
	}
	if err != nil && notTaken != nil && !errors.Is(err, ErrNotLoggedIn) {
		// It has left once, whatever came of the last try.
		err = fmt.Errorf("%w; a try before: %w", err, notTaken)
	}
	return reply, err
}

// writeOnce sends one command over a session of the pool, in a document of its
// own.
func (c *Client) writeOnce(ctx context.Context, before func(endpoint string) error, choose func(*endpoint) ([]Command, error)) (Reply, error) {
	s, err := c.pool.acquire(ctx)
	if err != nil {
		return Reply{}, err
	}
	document, err := choose(s.endpoint)
	if err != nil {
		c.pool.release(s)
		return Reply{}, err
	}
	asked, err := c.send(ctx, s, s.document(ctx, document), before)
	if err != nil {
		return Reply{}, err
	}
	replies, err := c.finish(ctx, s, asked, <-asked.answered, nil)
	if err != nil {
		return Reply{}, err
	}
	return replies[0], nil
}

// ask sends a document of reads over a session of the pool, for a flight. The
// caller stops waiting when ctx ends; the session then brings the exchange to
// its end by itself, so that callers who come and go cost the platform no
// logins, and that is the end of the flight.
func (c *Client) ask(ctx context.Context, f *flight, commands []Command) ([]Reply, error) {
	s, err := c.pool.acquire(ctx)
	if err != nil {
		return nil, err
	}
	c.reads.depart(f, s.endpoint)
	translated, err := s.endpoint.dialect.translate(s.endpoint.Name, commands)
	if err != nil {
		c.pool.release(s)
		return nil, err
	}
	asked, err := c.send(ctx, s, s.document(ctx, translated), nil)
	if err != nil {
		return nil, err
	}
	answered := asked.answered
	select {
	case got := <-answered:
		if got.err != nil || !refusedForForm(got.replies) {
			return c.finish(ctx, s, asked, got, commands)
		}
		answered <- got // what follows takes more exchanges
	case <-ctx.Done():
	}
	if !c.pool.begin() {
		return c.finish(ctx, s, asked, <-answered, commands) // it ends with the client
	}
	ended, left := make(chan result), make(chan struct{})
	go func() {
		defer c.pool.running.Done()
		replies, err := c.finish(ctx, s, asked, <-answered, commands)
		select {
		case ended <- result{replies: replies, err: err}:
		case <-left:
			if !worthRepeating(context.WithoutCancel(ctx), err) {
				f.settle(replies, err)
			}
			c.reads.land(f)
		}
	}()
	select {
	case end := <-ended:
		return end.replies, end.err
	case <-ctx.Done():
		f.orphaned = true
		close(left)
		return nil, asked.lost(endOf(ctx, ctx.Err()))
	}
}

// send has a session of the pool send a document. The session goes back where
// that fails, by an error or by a panic of before.
func (c *Client) send(ctx context.Context, s *session, document outgoing, before func(endpoint string) error) (asked *exchange, err error) {
	defer func() {
		if asked == nil {
			c.pool.release(s)
		}
	}()
	return s.send(ctx, document, c.pool, before)
}

// finish returns the replies of an exchange to its caller, and releases the
// session. reads are the commands that were asked for, in their first forms; of a
// write there are none, and nothing is sent again.
func (c *Client) finish(ctx context.Context, s *session, asked *exchange, got result, reads []Command) ([]Reply, error) {
	if !got.released {
		defer c.pool.release(s)
	}
	document := asked.document
	replies, err := asked.outcome(got)
	c.options.Trace.commandsDone(s.endpoint.Name, document.commands, time.Since(asked.began), replies, err)
	if err != nil && reads == nil {
		// The platform may have done it, though it may be the command that it
		// does not know. That counts from the next one on.
		_ = s.endpoint.noteClosed(document.commands, err)
		return nil, err
	}
	if err != nil {
		return nil, s.endpoint.lostRead(document.commands, err)
	}
	if allRefused(replies) && !slices.ContainsFunc(replies, Reply.isValidationError) {
		patience, cancel := by(ctx, asked.began, c.options.CommandTimeout)
		defer cancel()
		if err := checkLogin(patience, s, document, replies); err != nil {
			return nil, err
		}
	}
	switch {
	case !refusedForForm(replies):
		s.endpoint.dialect.noteAnswers(document)
		return replies, nil
	case reads == nil:
		return replies, nil
	}
	patience, cancel := by(ctx, asked.began, repetitionTimeouts*c.options.CommandTimeout)
	defer cancel()
	return c.askAgain(patience, s, document, reads, replies)
}

// allRefused reports whether the platform refused every command of a document.
func allRefused(replies []Reply) bool {
	return !slices.ContainsFunc(replies, func(r Reply) bool {
		return r.failure == nil || r.failure.Severity != SeverityError
	})
}

// unsettled reports whether a session is still needed after an answer: to ask
// whether it is logged in, or to ask in another form.
func unsettled(replies []Reply) bool { return allRefused(replies) || refusedForForm(replies) }

// checkLogin finds out whether refusals are due to the session. A session that
// the platform has forgotten gets nothing but the same refusal, and no public
// source names its number, so the platform is asked: a question that can only
// be refused for that reason. Where it is not answered within what is left of
// the command's time, or refused in another way, the refusals stand. A refusal of
// credentials does not: they must neither be taken for wrong because a session
// is lost, nor be verified again, which may count against the account.
func checkLogin(ctx context.Context, s *session, document outgoing, replies []Reply) error {
	forgotten, ok := errors.AsType[*ErrorReply](s.ping(ctx))
	if !ok {
		return nil
	}
	s.kill(forgotten)
	for i, r := range replies {
		if r.failure.Number == forgotten.Number && r.failure.Summary == forgotten.Summary {
			continue
		}
		if command := document.commands[i].Name(); checksCredentials(command) {
			// Not wrapped: neither refusal is the platform's word on them.
			return &LostError{Endpoint: s.endpoint.Name, Err: fmt.Errorf("%s was refused (%v), and so was the question whether the session is logged in (%v)", command, r.failure, forgotten)} //nolint:errorlint // see above
		}
		return nil
	}
	return fmt.Errorf("%w: %w", ErrNotLoggedIn, forgotten)
}
