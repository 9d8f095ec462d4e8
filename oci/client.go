package oci

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A Client sends commands to the platform over a pool of sessions that it logs
// in. It is safe for use by several goroutines.
type Client struct {
	pool  *pool
	reads *joiner
}

// New returns a client for the platform at the endpoints of the options. It
// makes the first sessions in the background, so a platform that cannot be
// reached is not an error of New. The caller must close the client after use.
func New(options Options) (*Client, error) {
	checked, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Client{
		pool:  newPool(checked),
		reads: newJoiner(),
	}, nil
}

// Close logs all sessions out. It waits for sessions in use until ctx ends, then
// closes their connections and returns an error. When Close returns, all
// goroutines of the client have ended.
func (c *Client) Close(ctx context.Context) error { return c.pool.close(ctx) }

// Stats returns a snapshot of the sessions and the endpoints.
func (c *Client) Stats() Stats { return c.pool.stats() }

// outcome returns the replies of an exchange, or the error that ended it, and
// calls the tracing hook of each command.
func (c *Client) outcome(s *session, asked *exchange, got result) ([]Reply, error) {
	replies, err := asked.outcome(got)
	c.pool.options().Trace.commandsDone(s.endpoint.Name, asked.document.commands, time.Since(asked.began), replies, err)
	return replies, err
}

// checkRefused returns an error if the platform refused all commands of an
// exchange because the session is not logged in. See checkLogin.
func (c *Client) checkRefused(ctx context.Context, s *session, asked *exchange, replies []Reply) error {
	if !allRefused(replies) || slices.ContainsFunc(replies, Reply.isValidationError) {
		return nil
	}
	limited, cancel := by(ctx, asked.began, s.endpoint.options.CommandTimeout)
	defer cancel()
	return checkLogin(limited, s, asked.document, replies)
}

// allRefused reports whether the platform refused every command of a document.
func allRefused(replies []Reply) bool {
	return !slices.ContainsFunc(replies, func(r Reply) bool {
		return r.failure == nil || r.failure.Severity != SeverityError
	})
}

// areReads reports whether no command of a document can change the platform.
func areReads(commands []Command) bool {
	return !slices.ContainsFunc(commands, func(c Command) bool { _, read := c.(Read); return !read })
}

// doubtfulError means that the platform refused all commands of an exchange, and that the
// session ended before it was known whether it was still logged in.
type doubtfulError struct {
	*LostError
	replies []Reply // the refusals
}

func (e *doubtfulError) Unwrap() error { return e.LostError }

// needsSession reports whether a session is still needed after the replies to a
// document: to check that the session is logged in, or to send commands again in
// another form.
func needsSession(replies []Reply) bool { return allRefused(replies) || refusedForForm(replies) }

// checkLogin finds out whether refusals are due to the session. A session that
// the platform has removed gets the same refusal for every command, and no public
// source gives the number of that refusal. So checkLogin sends
// VerifySessionIsValidRequest, which the platform can refuse for that reason
// alone. If no reply arrives before ctx ends, or the platform refuses it in
// another way, the refusals are final. If the session ends instead, the refusals of
// writes are final as well. Those of reads are a doubtfulError, so that the reads are
// repeated.
//
// A refusal of credentials is not final then, and is reported as lost. A lost
// session must not make credentials look wrong, and they must not be verified
// again, which may count against the account.
func checkLogin(ctx context.Context, s *session, document outgoing, replies []Reply) error {
	err := s.ping(ctx)
	invalid, ok := errors.AsType[*ErrorReply](err)
	if !ok {
		if err == nil || errors.Is(err, context.DeadlineExceeded) || !areReads(document.commands) {
			return nil
		}
		return &doubtfulError{&LostError{Endpoint: s.endpoint.Name, Err: whyEnded(err)}, replies}
	}
	s.close(invalid)
	for i, r := range replies {
		if r.failure.Number == invalid.Number && r.failure.Summary == invalid.Summary {
			continue
		}
		if command := document.commands[i].Name(); checksCredentials(command) {
			// Not wrapped: neither refusal is about the credentials.
			return &LostError{Endpoint: s.endpoint.Name, Err: fmt.Errorf("%s was refused (%v), and so was the question whether the session is logged in (%v)", command, r.failure, invalid)} //nolint:errorlint // see above
		}
		return nil
	}
	return fmt.Errorf("%w: %w", ErrNotLoggedIn, invalid)
}
