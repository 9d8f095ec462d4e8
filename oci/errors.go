package oci

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The reasons for which a command was not done. But for ErrNotLoggedIn, each of
// them says that the platform has seen nothing of it.
var (
	// ErrClosed says that the client was closed.
	ErrClosed = undone(errors.New("oci: the client is closed"))
	// ErrBusy says that all sessions were in use for as long as the caller
	// or the options would wait, or that too many callers wait already.
	ErrBusy = undone(errors.New("oci: all sessions are in use"))
	// ErrNotLoggedIn says that the platform refused a command with the same
	// words as the question whether the session is logged in, so the command
	// met a session that was not, and was not done. A platform that refuses
	// everything in the same words looks like that too: a refusal is the
	// platform's word, and reading is the proof.
	ErrNotLoggedIn = undone(errors.New("oci: the platform no longer takes the session for logged in"))
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
	// StageDNS is the lookup of the address's host, where that has failed.
	StageDNS   Stage = "dns"
	StageDial  Stage = "dial"
	StageTLS   Stage = "tls"
	StageLogin Stage = "login"
	// StageVersion is the question for the platform's version, of a session
	// that is logged in.
	StageVersion Stage = "version"
)

// Stages are all steps on the way to a session, in their order.
func Stages() []Stage { return []Stage{StageDNS, StageDial, StageTLS, StageLogin, StageVersion} }

// ConnectError says at which endpoint and which step a session could not be
// made. Its text holds the address of the platform.
type ConnectError struct {
	Endpoint string // its name
	Address  string // as in the options
	// Remote is the address and port of TCP, where that is known and is not
	// Address.
	Remote string
	Stage  Stage
	Err    error
}

func (e *ConnectError) Error() string {
	text := "oci: platform endpoint " + e.Endpoint
	at := slices.DeleteFunc([]string{e.Address, e.Remote}, func(s string) bool { return s == "" || s == e.Endpoint })
	if len(at) > 0 {
		text += " (" + strings.Join(at, ", ") + ")"
	}
	return fmt.Sprintf("%s: %s: %v", text, stageWords[e.Stage], e.Err)
}

func (e *ConnectError) Unwrap() error { return e.Err }

// UnsentError says that a session ended, or was found dead, before any byte of
// the document was handed to its socket. The platform has seen nothing of the
// command.
type UnsentError struct {
	Endpoint string
	// Err is why the session ended, or that the caller's ctx had.
	Err error
}

func (e *UnsentError) Error() string {
	return fmt.Sprintf("oci: endpoint %s: nothing was sent: %v", e.Endpoint, e.Err)
}

func (e *UnsentError) Unwrap() error { return e.Err }

func (*UnsentError) notDone() {}

// LostError says that bytes of the document were handed to the socket and that
// no intact answer came. Nobody here knows whether the platform did what the
// document says.
type LostError struct {
	Endpoint string
	// Err is why the session ended, or why nobody waits for the answer any
	// more.
	Err error
}

func (e *LostError) Error() string {
	return fmt.Sprintf("oci: endpoint %s: the command was sent and its answer is lost: %v", e.Endpoint, e.Err)
}

func (e *LostError) Unwrap() error { return e.Err }

// ProtocolError says that what the platform sent is not an answer to what it
// was asked. The session it came over is of no more use.
type ProtocolError struct {
	Reason  string
	Refusal Refusal
}

func (e *ProtocolError) Error() string { return "oci: not an OCI-P answer: " + e.Reason }

// ForcedLogoutError says that the platform ended the session of its own
// accord.
type ForcedLogoutError struct{ Reason string }

func (e *ForcedLogoutError) Error() string {
	return fmt.Sprintf("oci: the platform logged the session out: %q", e.Reason)
}

// errUnsolicited says that bytes came that nobody asked for.
var errUnsolicited = &ProtocolError{"the platform sent something that it was not asked for", RefusedUnsolicited}

// UnsupportedError reports that the platform does not have a command, in none of
// its forms. The platform has not done it.
type UnsupportedError struct {
	Endpoint string
	Command  string // in its first form
	// Release is the endpoint's, ReleaseUnknown where that is not known.
	Release Release
	// Err is how the platform refused it. It is nil where the release was
	// enough to know.
	Err error
}

func (e *UnsupportedError) Error() string {
	release := "its release"
	if e.Release != ReleaseUnknown {
		release = "release " + strconv.Itoa(int(e.Release))
	}
	text := "oci: endpoint " + e.Endpoint + ": " + release + " does not know " + e.Command
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *UnsupportedError) Unwrap() error { return e.Err }

func (*UnsupportedError) notDone() {}

// NotDone tells whether an error of [Client.Read] or [Client.Write] proves that
// the platform has not done what the commands say. Only errors that were made
// to say so prove it: [*UnavailableError], [*UnsentError], [ErrClosed],
// [ErrBusy], [ErrNotLoggedIn], and those about commands that were held back
// before they were sent, because they cannot be written or were called off. A
// false answer proves nothing.
func NotDone(err error) bool {
	says, lost := testimony(err)
	return says && !lost
}

// notDoer is an error that says of itself that the command was not done.
type notDoer interface {
	error
	notDone()
}

// undone lets an error say so.
func undone(err error) error { return &undoneError{err} }

type undoneError struct{ error }

func (e *undoneError) Unwrap() error { return e.error }

func (*undoneError) notDone() {}

// calledOffError says that [Client.Write]'s before would not have the command
// sent.
type calledOffError struct{ error }

func (e *calledOffError) Error() string {
	return "oci: called off before it was sent: " + e.error.Error()
}

func (e *calledOffError) Unwrap() error { return e.error }

// testimony goes through all that an error is made of, and tells whether any
// part says that the command was not done, and whether any says that its answer
// is lost. What is inside a LostError is about the session, what is inside an
// UnavailableError about commands that log in, and what is inside a
// calledOffError no matter of ours, so none of it is heard.
func testimony(err error) (notDone, lost bool) {
	switch err.(type) { //nolint:errorlint // all that it wraps comes in turn
	case *LostError:
		return false, true
	case *UnavailableError, *calledOffError:
		return true, false
	}
	_, notDone = err.(notDoer) //nolint:errorlint // likewise
	for _, part := range parts(err) {
		says, isLost := testimony(part)
		notDone, lost = notDone || says, lost || isLost
	}
	return notDone, lost
}

// parts are the errors that one wraps by itself.
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
