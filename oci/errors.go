package oci

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// The reasons for which a command may not have left. Each of them says that
// the platform has seen nothing of it.
var (
	// ErrClosed says that the client was closed.
	ErrClosed = errors.New("oci: the client is closed")
	// ErrBusy says that all sessions were in use for as long as the caller
	// or the options would wait, or that too many callers wait already.
	ErrBusy = errors.New("oci: all sessions are in use")
	// ErrNotLoggedIn says that the platform refused a command with the same
	// words as the question whether the session is logged in, so the command
	// met a session that was not, and was not done.
	ErrNotLoggedIn = errors.New("oci: the platform no longer takes the session for logged in")
)

// UnavailableError says that there is no session and that none can be had at
// the moment. The platform has seen nothing of the command.
type UnavailableError struct {
	// RetryAfter is when the next try to log in is due, from now.
	RetryAfter time.Duration
	// Err joins what happened at each endpoint, as [*ConnectError]. It is
	// something else where the caller left before a first session was made.
	Err error
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("oci: no session with the platform: %v", e.Err)
}

func (e *UnavailableError) Unwrap() error { return e.Err }

// Stage is a step on the way to a session.
type Stage string

// The steps on the way to a session, in their order.
const (
	StageDial  Stage = "dial"
	StageTLS   Stage = "tls"
	StageLogin Stage = "login"
)

// ConnectError says at which endpoint and which step a session could not be
// made.
type ConnectError struct {
	Endpoint string
	Stage    Stage
	Err      error
}

func (e *ConnectError) Error() string {
	hint := ""
	if e.Stage != StageDial && errors.Is(e.Err, io.EOF) {
		hint = " (the platform hung up: does it speak TLS where we do not, or the other way round?)"
	}
	return fmt.Sprintf("oci: endpoint %s: %s: %v%s", e.Endpoint, e.Stage, e.Err, hint)
}

func (e *ConnectError) Unwrap() error { return e.Err }

// SessionError says that a session ended before it brought an intact answer.
type SessionError struct {
	Endpoint string
	// Sent tells whether bytes of the document were handed to the socket.
	// Where they were, nobody here knows whether the platform did what the
	// document says.
	Sent bool
	Err  error
}

func (e *SessionError) Error() string {
	sent := "nothing was sent"
	if e.Sent {
		sent = "the command was sent"
	}
	return fmt.Sprintf("oci: endpoint %s: the session ended (%s): %v", e.Endpoint, sent, e.Err)
}

func (e *SessionError) Unwrap() error { return e.Err }

// ProtocolError says that what the platform sent is not an answer to what it
// was asked. The session it came over is of no more use.
type ProtocolError struct{ Reason string }

func (e *ProtocolError) Error() string { return "oci: not an OCI-P answer: " + e.Reason }

func protocolError(format string, args ...any) error {
	return &ProtocolError{fmt.Sprintf(format, args...)}
}

// ForcedLogoutError says that the platform ended the session of its own
// accord.
type ForcedLogoutError struct{ Reason string }

func (e *ForcedLogoutError) Error() string {
	return fmt.Sprintf("oci: the platform logged the session out: %q", e.Reason)
}

// errUnsolicited says that bytes came that nobody asked for.
var errUnsolicited = &ProtocolError{"the platform sent something that it was not asked for"}

// NotDone tells whether an error of [Client.Read] or [Client.Write] proves that
// the platform has not done what the commands say. A false answer proves
// nothing.
func NotDone(err error) bool {
	if _, ok := errors.AsType[*UnavailableError](err); ok {
		return true // a session that ended inside it never got past its login
	}
	if session, ok := errors.AsType[*SessionError](err); ok {
		return !session.Sent
	}
	return err != nil
}
