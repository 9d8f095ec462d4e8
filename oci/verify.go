package oci

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Authenticate verifies a user's credentials by a login on a separate connection,
// returns their identity, and logs out again. The connection is made in addition to
// those of the pool, and at once: the caller limits how many there are at a time, since
// only the caller knows which of them may not wait for others. A refusal of the platform
// is an [*ErrorReply] in a [*ConnectError].
//
// Each wrong password may count against the account on the platform.
func (c *Client) Authenticate(ctx context.Context, userID string, password Secret) (Identity, error) {
	if !c.pool.addRunning() {
		return Identity{}, ErrClosed
	}
	defer c.pool.running.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.pool.cutOff, cancel)()
	var failures []error
	for _, e := range c.pool.byBackoff() {
		began, parts := time.Now(), new(stageTimes)
		s, who, err := e.open(ctx, opening{userID: userID, password: password, run: c.pool.running.Go, onClose: func(*session, error) {}, stages: parts})
		c.pool.options().Trace.loginEnded(LoginEvent{Endpoint: e.Name, Began: began, Connect: parts.connect, TLS: parts.tls, Err: err},
			func() []context.Context { return []context.Context{ctx} })
		if err == nil {
			s.logout(errors.New("oci: closed: the identity is known"))
			return who, nil
		}
		if refused, ok := errors.AsType[*ErrorReply](err); ok && !c.pool.options().Temporary(refused) {
			return Identity{}, err
		}
		failures = append(failures, err)
	}
	return Identity{}, inOneLine(failures)
}

// Verify verifies a user's credentials and returns their identity. It uses
// [Client.VerifyByCommand] if every endpoint has TLS and the platform supports a
// command for it, otherwise [Client.Authenticate]. A refusal of the platform is an
// [*ErrorReply].
//
// Each wrong password may count against the account on the platform. The same
// form is never sent again if it may have been processed.
func (c *Client) Verify(ctx context.Context, userID string, password Secret) (Identity, error) {
	if !c.Secure() {
		return c.Authenticate(ctx, userID, password)
	}
	who, err := c.verifyByCommand(ctx, userID, password, true)
	if _, unsupported := errors.AsType[*UnsupportedError](err); unsupported {
		return c.Authenticate(ctx, userID, password)
	}
	return who, err
}

// VerifyByCommand verifies a user's credentials by a command over a session of the
// client's own account, and returns their identity. The command holds the password
// unencrypted. If the platform supports no such command, the error is an
// [*UnsupportedError].
func (c *Client) VerifyByCommand(ctx context.Context, userID string, password Secret) (Identity, error) {
	return c.verifyByCommand(ctx, userID, password, false)
}

// verifyByCommand is VerifyByCommand. If onlyTLS is set, an endpoint without TLS counts
// as one that does not support the command: Reconfigure may have added it since the
// caller has asked whether there is one.
func (c *Client) verifyByCommand(ctx context.Context, userID string, password Secret, onlyTLS bool) (Identity, error) {
	v := verification{userID: userID, password: password, onlyTLS: onlyTLS, refused: map[*endpoint][]string{}}
	for {
		reply, err := c.writeInForm(ctx, allowAll, v.choose)
		if err != nil {
			return Identity{}, err
		}
		e := v.at
		if reply.isValidationError() && !e.dialect.hasAnswered(reply.failure.Command) {
			// Either the form is not supported or its content violates the schema:
			// only a reply to another form shows which.
			v.refused[e] = append(v.refused[e], reply.failure.Command)
			v.last = reply.failure
			continue
		}
		e.dialect.noteUnsupported(v.refused[e]...)
		if err := reply.Err(); err != nil {
			return Identity{}, err
		}
		return IdentityOf(reply, userID)
	}
}

// verification is the state of VerifyByCommand.
type verification struct {
	userID   string
	password Secret
	onlyTLS  bool                   // see verifyByCommand
	at       *endpoint              // for which choose was called last
	refused  map[*endpoint][]string // forms that got a validation error
	last     *ErrorReply            // the last validation error
}

// choose returns the command in the next form that the endpoint may support.
func (v *verification) choose(e *endpoint) ([]Command, error) {
	v.at = e
	if v.onlyTLS && !e.secured {
		return nil, e.unsupported(verifyFeature, nil)
	}
	for _, form := range e.dialect.forms(verifyFeature) {
		if !slices.Contains(v.refused[e], form.name) {
			return []Command{NewWrite(form.name, Text("userId", v.userID), Text("password", string(v.password)))}, nil
		}
	}
	var why error
	if v.last != nil {
		why = v.last
	}
	return nil, e.unsupported(verifyFeature, why)
}

// Secure reports whether every endpoint is reached over TLS, so that a command
// may hold an unencrypted password.
func (c *Client) Secure() bool {
	endpoints := c.pool.inOrder()
	return !slices.ContainsFunc(endpoints, func(e *endpoint) bool { return !e.secured })
}
