package oci

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// maxIdentityChecks is how many connections [Client.Authenticate] makes at a
// time, beside those of the pool.
const maxIdentityChecks = 4

// Authenticate logs in with somebody's own credentials on a connection of its
// own, to learn who that is, and logs out again. At most 4 do so at a time;
// others wait. Refusals of the platform are of type [*ErrorReply] inside a
// [*ConnectError].
//
// Each wrong password may count against the account on the platform.
func (c *Client) Authenticate(ctx context.Context, userID string, password Secret) (Identity, error) {
	select {
	case c.checking <- struct{}{}:
		defer func() { <-c.checking }()
	case <-ctx.Done():
		return Identity{}, fmt.Errorf("%w: %w", ErrBusy, endOf(ctx, ctx.Err()))
	}
	if !c.pool.begin() {
		return Identity{}, ErrClosed
	}
	defer c.pool.running.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.pool.whole, cancel)()
	var failures []error
	for _, e := range c.pool.restedFirst() {
		s, who, err := e.open(ctx, opening{userID: userID, password: password, run: c.pool.running.Go, died: func(*session, error) {}})
		if err == nil {
			s.logout(errors.New("oci: closed: the identity is known"))
			return who, nil
		}
		if refused, ok := errors.AsType[*ErrorReply](err); ok && !c.options.Temporary(refused) {
			return Identity{}, err
		}
		failures = append(failures, err)
	}
	return Identity{}, inOneLine(failures)
}

// Verify has the platform verify somebody's credentials, and returns who that
// is. It asks over a session of the client's own account where every endpoint
// has TLS and the platform knows a command for that, which holds the password as
// it is; else it is [Client.Authenticate]. Refusals of the platform are of type
// [*ErrorReply].
//
// Each wrong password may count against the account on the platform. The same
// form is never sent again where it may have been processed.
func (c *Client) Verify(ctx context.Context, userID string, password Secret) (Identity, error) {
	if !c.Secure() {
		return c.Authenticate(ctx, userID, password)
	}
	who, err := c.VerifyByCommand(ctx, userID, password)
	if _, unsupported := errors.AsType[*UnsupportedError](err); unsupported {
		return c.Authenticate(ctx, userID, password)
	}
	return who, err
}

// VerifyByCommand is Verify without a login: where the platform knows no command
// for it, the error is an [*UnsupportedError].
func (c *Client) VerifyByCommand(ctx context.Context, userID string, password Secret) (Identity, error) {
	v := verification{userID: userID, password: password, refused: map[*endpoint][]string{}}
	for {
		reply, err := c.writeInForm(ctx, nil, v.choose)
		if err != nil {
			return Identity{}, err
		}
		e := c.pool.endpointNamed(reply.endpoint)
		if reply.isValidationError() && !e.dialect.hasAnswered(reply.failure.Command) {
			// Either the form is unknown or what it holds does not fit: only an
			// answer to another form tells.
			v.refused[e] = append(v.refused[e], reply.failure.Command)
			v.last = reply.failure
			continue
		}
		e.dialect.refuse(v.refused[e]...)
		if err := reply.Err(); err != nil {
			return Identity{}, err
		}
		return IdentityOf(reply, userID)
	}
}

// verification is the verification of credentials by a command.
type verification struct {
	userID   string
	password Secret
	refused  map[*endpoint][]string // forms that got a validation error
	last     *ErrorReply            // the last of these
}

// choose makes the command in the next form that the endpoint may know.
func (v *verification) choose(e *endpoint) ([]Command, error) {
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
// may carry a password as it is.
func (c *Client) Secure() bool {
	for _, e := range c.pool.endpoints {
		if e.TLS == nil {
			return false
		}
	}
	return true
}
