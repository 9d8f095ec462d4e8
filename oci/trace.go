package oci

import (
	"context"
	"time"
)

// Trace holds hooks that are called for events, like those of net/http/httptrace. Any
// of them may be nil. They are called from several goroutines, some while others
// wait, so they must be quick and must not call the client. No hook is called with the
// mutex of the pool or of a session held.
type Trace struct {
	// SessionTried is called after each attempt to make a session: err is nil or
	// a [*ConnectError].
	SessionTried func(endpoint string, took time.Duration, err error)
	// SessionClosed is called when a session that was logged in has been closed. err
	// is nil unless why is [ClosedBroken]. It names the command that had no reply then,
	// if there was one.
	SessionClosed func(endpoint string, why CloseReason, err error)
	// ReplyRefused is called when a document of the platform is refused, before
	// the session is closed because of it. A forced logout and a connection that ends
	// within a document are no refusals.
	ReplyRefused func(endpoint string, why Refusal)
	// Waited is called after a caller waited for a session: err is nil if they got
	// one. A caller who found an idle session, or was refused at once, did not wait.
	Waited func(took time.Duration, err error)
	// SessionUsed is called after a caller (see [Request]) has given a session back, with
	// the time for which they had it.
	SessionUsed func(caller string, took time.Duration)
	// CommandDone is called for each command of each exchange. The reply is the zero
	// Reply if err is not nil.
	CommandDone func(endpoint, command string, took time.Duration, reply Reply, err error)
	// LoggedIn is called after each login of a session for the pool, with the
	// identity in the platform's reply.
	LoggedIn func(endpoint string, who Identity)
	// AccountRefused is called when the platform has refused the credentials
	// of an account, with the time until the next attempt.
	AccountRefused func(endpoint, userID string, pause time.Duration, err error)
	// PasswordRead is called when the PasswordSource of an endpoint has failed,
	// unless the text of the error is the same as the last time, and with nil when
	// it works again.
	PasswordRead func(endpoint string, err error)
	// DialectChanged is called when it is known what an endpoint supports, and
	// whenever that changes.
	DialectChanged func(endpoint string, d Dialect)
	// PreferenceChanged is called when an endpoint has lost its preference because it is slow,
	// or has it back.
	PreferenceChanged func(Preference)
	// EndpointProbed is called after each probe of an endpoint that is not in use,
	// unless the probe has no result.
	EndpointProbed func(p Probe)
	// ReadJoined is called for each command of a read that got its replies from the
	// exchange of another caller.
	ReadJoined func(command string)

	// QueueLeft is called like Waited, with the context of the caller and the time at which
	// the wait began.
	QueueLeft func(ctx context.Context, began time.Time, err error)
	// Exchanged is called once for each document of commands, with the context of its
	// caller: when it has ended, or when the caller stopped waiting for it. It is also
	// called for checks of sessions and for logins, whose contexts are those of no caller
	// unless a caller has caused them.
	Exchanged func(ctx context.Context, e ExchangeEvent)
	// LoginEnded is called after each attempt to make a session for the pool, when
	// SessionTried is, before any caller gets the session, and for each login of
	// [Client.Authenticate].
	LoginEnded func(l LoginEvent)
}

// Probe is a probe of an endpoint that is not in use: see [Options.ProbeUnusedInterval]. It
// is also an attempt that only made a connection, because there was no room for a session.
type Probe struct {
	Endpoint string
	Took     time.Duration
	Login    bool  // it has tried to log in; else it has only made a connection
	Err      error // nil or a [*ConnectError]
	// Up is the endpoint's state after the probe (see [EndpointStats]), and
	// Changed reports whether the probe has changed it, or was the first attempt.
	Up, Changed bool
}

// Preference is a change of the preference of an endpoint: see [Options.SlowFactor].
type Preference struct {
	Endpoint string
	Slow     bool // it has lost its preference; otherwise it has it back
	// Took is the last measurement of the endpoint, and Other that of the fastest one besides;
	// 0 if there is none.
	Took, Other time.Duration
}

// CloseReason is why a session was closed.
type CloseReason string

// The reasons for closing a session.
const (
	// ClosedIdle means that it was idle for IdleTimeout.
	ClosedIdle CloseReason = "idle"
	// ClosedAge means that it reached MaxAge.
	ClosedAge CloseReason = "age"
	// ClosedShutdown means that the client was closed.
	ClosedShutdown CloseReason = "shutdown"
	// ClosedReconfigured means that the options were changed: its endpoint is gone or
	// has other options, or there are fewer sessions.
	ClosedReconfigured CloseReason = "reconfigured"
	// ClosedReturned means that a more preferred endpoint works again or is measured, or that its
	// endpoint is slow.
	ClosedReturned CloseReason = "returned"
	// ClosedBroken means that the platform or the network ended it, or that its state
	// was unknown, such as after a timeout or a document that was refused.
	ClosedBroken CloseReason = "broken"
)

// CloseReasons returns all reasons for closing a session.
func CloseReasons() []CloseReason {
	return []CloseReason{ClosedIdle, ClosedAge, ClosedShutdown, ClosedReconfigured, ClosedReturned, ClosedBroken}
}

func (t Trace) sessionTried(endpoint string, took time.Duration, err error) {
	if t.SessionTried != nil {
		t.SessionTried(endpoint, took, err)
	}
}

func (t Trace) sessionClosed(endpoint string, why CloseReason, err error) {
	if t.SessionClosed != nil {
		t.SessionClosed(endpoint, why, err)
	}
}

// replyRefused calls ReplyRefused if the error that closes a session is the refusal of
// a document.
func (t Trace) replyRefused(endpoint string, err error) {
	if why, refused := whyRefused(err); refused && t.ReplyRefused != nil {
		t.ReplyRefused(endpoint, why)
	}
}

func (t Trace) waited(took time.Duration, err error) {
	if t.Waited != nil {
		t.Waited(took, err)
	}
}

func (t Trace) commandsDone(endpoint string, commands []Command, took time.Duration, replies []Reply, err error) {
	if t.CommandDone == nil {
		return
	}
	for i, c := range commands {
		var reply Reply
		if i < len(replies) {
			reply = replies[i]
		}
		t.CommandDone(endpoint, c.Name(), took, reply, err)
	}
}

func (t Trace) loggedIn(endpoint string, who Identity) {
	if t.LoggedIn != nil {
		t.LoggedIn(endpoint, who)
	}
}

func (t Trace) accountRefused(endpoint, userID string, pause time.Duration, err error) {
	if t.AccountRefused != nil {
		t.AccountRefused(endpoint, userID, pause, err)
	}
}

func (t Trace) passwordRead(endpoint string, err error) {
	if t.PasswordRead != nil {
		t.PasswordRead(endpoint, err)
	}
}

func (t Trace) dialectChanged(endpoint string, d Dialect) {
	if t.DialectChanged != nil {
		t.DialectChanged(endpoint, d)
	}
}

func (t Trace) preferenceChanged(p Preference) {
	if t.PreferenceChanged != nil {
		t.PreferenceChanged(p)
	}
}

func (t Trace) endpointProbed(p Probe) {
	if t.EndpointProbed != nil {
		t.EndpointProbed(p)
	}
}

func (t Trace) readJoined(commands []Read, err error) {
	if t.ReadJoined == nil || err != nil {
		return
	}
	for _, c := range commands {
		t.ReadJoined(c.name)
	}
}
