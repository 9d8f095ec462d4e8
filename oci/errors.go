package oci

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The reasons for which a command was not done. Except for ErrNotLoggedIn, nothing of
// the command was sent.
var (
	// ErrClosed means that the client was closed.
	ErrClosed = undone(errors.New("oci: the client is closed"))
	// ErrBusy means that all sessions were in use, or as many as the caller may use. Every
	// such error is a [*BusyError], which has the reason.
	ErrBusy = undone(errors.New("oci: all sessions are in use"))
	// ErrNotLoggedIn means that the platform refused a command with the same
	// number and summary as a VerifySessionIsValidRequest. So the session was
	// not logged in, and the command was not done. A platform that refuses every
	// command with the same text causes this error, too. A refusal is what the
	// platform reports; only reading back proves the state.
	ErrNotLoggedIn = undone(errors.New("oci: the session is no longer logged in with the platform"))
)

// UnavailableError means that there is no session, and that none can be made at the
// moment. Nothing of the command was sent.
type UnavailableError struct {
	// RetryAfter is the time from now until the next attempt to log in is due.
	RetryAfter time.Duration
	// Err joins the errors of the endpoints, each a [*ConnectError]. It is another
	// error if the caller was canceled or timed out before the first session was made.
	Err error
}

// Error implements error.
func (e *UnavailableError) Error() string {
	return fmt.Sprintf("oci: no session with the platform: %v", e.Err)
}

// Unwrap returns Err.
func (e *UnavailableError) Unwrap() error { return e.Err }

// Stage is a step in making a session.
type Stage string

// The steps in making a session, in their order.
const (
	// StageDNS is the lookup of the address's host, if that has failed.
	StageDNS Stage = "dns"
	// StageDial is the TCP connection.
	StageDial Stage = "dial"
	// StageTLS is the TLS handshake.
	StageTLS Stage = "tls"
	// StageLogin is the login.
	StageLogin Stage = "login"
	// StageVersion is the question for the platform's version, after the login.
	StageVersion Stage = "version"
)

// Stages returns all steps in making a session, in their order.
func Stages() []Stage { return []Stage{StageDNS, StageDial, StageTLS, StageLogin, StageVersion} }

// ConnectError means that a session could not be made. Its text contains the address
// of the endpoint.
type ConnectError struct {
	Endpoint string // its name
	Address  string // as in the options
	// Remote is the IP address and port, if they are known and differ from Address.
	Remote string
	Stage  Stage // the step that failed
	Err    error
}

// Error implements error.
func (e *ConnectError) Error() string {
	text := "oci: platform endpoint " + e.Endpoint
	at := slices.DeleteFunc([]string{e.Address, e.Remote}, func(s string) bool { return s == "" || s == e.Endpoint })
	if len(at) > 0 {
		text += " (" + strings.Join(at, ", ") + ")"
	}
	return fmt.Sprintf("%s: %s: %v", text, stageWords[e.Stage], e.Err)
}

// Unwrap returns Err.
func (e *ConnectError) Unwrap() error { return e.Err }

// UnsentError means that a session was closed, or the caller's ctx ended, before any
// byte of the document was handed to the socket. Nothing of the command was sent.
type UnsentError struct {
	Endpoint string
	// Err is why the session was closed, or that the caller's ctx had ended.
	Err error
}

// Error implements error.
func (e *UnsentError) Error() string {
	return fmt.Sprintf("oci: endpoint %s: nothing was sent: %v", e.Endpoint, e.Err)
}

// Unwrap returns Err.
func (e *UnsentError) Unwrap() error { return e.Err }

func (*UnsentError) notDone() {}

// LostError means that bytes of the document were handed to the socket, and that no
// valid reply arrived. It is unknown whether the platform has done the commands.
type LostError struct {
	Endpoint string
	// Err is why the session was closed, or why the caller stopped to wait.
	Err error
}

// Error implements error.
func (e *LostError) Error() string {
	return fmt.Sprintf("oci: endpoint %s: the command was sent and its answer is lost: %v", e.Endpoint, e.Err)
}

// Unwrap returns Err.
func (e *LostError) Unwrap() error { return e.Err }

// ProtocolError means that a document of the platform is not a valid reply to the
// document that was sent. Its session is closed.
type ProtocolError struct {
	Reason  string
	Refusal Refusal
}

// Error implements error.
func (e *ProtocolError) Error() string { return "oci: not an OCI-P answer: " + e.Reason }

// ForcedLogoutError means that the platform has logged the session out.
type ForcedLogoutError struct{ Reason string }

// Error implements error.
func (e *ForcedLogoutError) Error() string {
	return fmt.Sprintf("oci: the platform logged the session out: %q", e.Reason)
}

// errUnsolicited means that the platform has sent unsolicited data.
var errUnsolicited = &ProtocolError{"the platform sent something that it was not asked for", RefusedUnsolicited}

// UnsupportedError means that the platform supports a command in none of its forms.
// The platform has not done it.
type UnsupportedError struct {
	Endpoint string
	Command  string // in its first form
	// Release is the endpoint's release, or ReleaseUnknown.
	Release Release
	// Err is the platform's refusal. It is nil if the command was not sent because
	// the release does not support it.
	Err error
}

// Error implements error.
func (e *UnsupportedError) Error() string {
	release := "its release"
	if e.Release != ReleaseUnknown {
		release = "release " + strconv.Itoa(int(e.Release))
	}
	text := "oci: endpoint " + e.Endpoint + ": " + release + " does not support " + e.Command
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns Err.
func (e *UnsupportedError) Unwrap() error { return e.Err }

func (*UnsupportedError) notDone() {}

// NotDone reports whether an error of [Client.Read] or [Client.Write] proves that
// the platform has not done the commands. These errors do: [*UnavailableError],
// [*UnsentError], [*UnsupportedError], [ErrClosed], [ErrBusy], [ErrNotLoggedIn], and
// the errors of commands that cannot be written or were canceled by the hook before
// they were sent. If NotDone reports false, it is unknown whether the commands were
// done.
func NotDone(err error) bool {
	notDone, lost := classify(err)
	return notDone && !lost
}

// notDoer is an error that means that the command was not done.
type notDoer interface {
	error
	notDone()
}

// undone makes an error mean that the command was not done.
func undone(err error) error { return &undoneError{err} }

type undoneError struct{ error }

func (e *undoneError) Unwrap() error { return e.error }

func (*undoneError) notDone() {}

// calledOffError means that the hook before a write has canceled it.
type calledOffError struct{ error }

func (e *calledOffError) Error() string {
	return "oci: canceled before it was sent: " + e.error.Error()
}

func (e *calledOffError) Unwrap() error { return e.error }

// classify goes through all errors that an error consists of. It reports whether one
// of them means that the command was not done, and whether one means that its reply
// is lost. The errors inside a LostError are about the session, those inside an
// UnavailableError about the commands of a login, and those inside a calledOffError
// about the caller's hook, so they do not count.
func classify(err error) (notDone, lost bool) {
	switch err.(type) { //nolint:errorlint // the wrapped errors are checked below
	case *LostError:
		return false, true
	case *UnavailableError, *calledOffError:
		return true, false
	}
	_, notDone = err.(notDoer) //nolint:errorlint // likewise
	for _, part := range parts(err) {
		partNotDone, partLost := classify(part)
		notDone, lost = notDone || partNotDone, lost || partLost
	}
	return notDone, lost
}

// parts returns the errors that an error wraps directly.
func parts(err error) []error {
	switch wrapper := err.(type) { //nolint:errorlint // likewise
	case interface{ Unwrap() error }:
		if inner := wrapper.Unwrap(); inner != nil {
			return []error{inner}
		}
	case interface{ Unwrap() []error }:
		return wrapper.Unwrap()
	}
	return nil
}
