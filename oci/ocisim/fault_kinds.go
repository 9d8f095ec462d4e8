package ocisim

import "time"

// faultRow is the complete definition of a kind of fault.
type faultRow struct {
	kind FaultKind
	help string
	// params are the parameters that it takes beside command, skip and times.
	params []string
	// defaults are the values of parameters that a fault leaves empty.
	defaults Fault
	// onConnection changes the admission of a connection, onCommand the exchange
	// of a command. One of them is set.
	onConnection func(*admission)
	onCommand    func(Fault, *exchange)
}

// admission is what the platform does with a new connection. Its zero value
// serves the connection.
type admission struct{ refuse, stall bool }

// exchange is what faults change about one command and about the replies to the
// document that has it. Its zero value changes nothing.
type exchange struct {
	*delivery
	// skip means that the command is not carried out.
	skip bool
	// late is the delay before the command is carried out.
	late time.Duration
	// instead replaces the reply.
	instead *refusal
	// rows is the least number of rows of each table.
	rows int
	// loseLogin discards the login before the command is checked.
	loseLogin bool
	// faults are the kinds of the faults that acted.
	faults []FaultKind
}

const forcedLogoutReason = "Open Client Server Forced Logout"

var (
	delayDefault  = []string{"delay"}
	errorParams   = []string{"number", "severity", "summary"}
	errorDefaults = Fault{Number: injected.Number, Severity: "Error", Summary: injected.Text}
)

// faultRows lists every kind of fault. To add one, add a row and its FaultKind.
var faultRows = []faultRow{
	{kind: Refuse, help: "close new connections immediately",
		onConnection: func(a *admission) { a.refuse = true }},
	{kind: StallConnection, help: "accept new connections and never reply",
		onConnection: func(a *admission) { a.stall = true }},
	{kind: Stall, help: "do not carry out the command and never reply, on an open connection",
		onCommand: func(_ Fault, x *exchange) { x.skip, x.end = true, stalled }},
	{kind: StallAfterApply, help: "carry out the command and never reply, on an open connection",
		onCommand: func(_ Fault, x *exchange) { x.end = stalled }},
	{kind: DropBeforeApply, help: "close the connection without carrying out the command",
		onCommand: func(_ Fault, x *exchange) { x.skip, x.end = true, dropped }},
	{kind: DropAfterApply, help: "carry out the command and close the connection without a reply",
		onCommand: func(_ Fault, x *exchange) { x.end = dropped }},
	{kind: ResetBeforeApply, help: "reset the connection without carrying out the command",
		onCommand: func(_ Fault, x *exchange) { x.skip, x.end = true, aborted }},
	{kind: ResetAfterApply, help: "carry out the command and reset the connection without a reply",
		onCommand: func(_ Fault, x *exchange) { x.end = aborted }},
	{kind: ApplyLate, help: "carry out the command later, even if the client has disconnected, and reply then", params: delayDefault,
		defaults:  Fault{Delay: time.Second},
		onCommand: func(f Fault, x *exchange) { x.late += f.Delay }},
	{kind: HalfReply, help: "send only so many bytes of the reply, then close the connection", params: []string{"bytes"},
		onCommand: func(f Fault, x *exchange) { x.cut, x.cutAt = true, f.Bytes }},
	{kind: ForeignSession, help: "reply with the session id of another session",
		onCommand: func(_ Fault, x *exchange) { x.foreignSession = true }},
	{kind: ForeignEcho, help: "reply with an echo that was not sent",
		onCommand: func(_ Fault, x *exchange) { x.foreignEcho = true }},
	{kind: ForeignTracking, help: "reply with a tracking id that was not sent",
		onCommand: func(_ Fault, x *exchange) { x.foreignTracking = true }},
	{kind: Garbage, help: "reply with bytes that are not XML",
		onCommand: func(_ Fault, x *exchange) { x.replacement = []byte("HTTP/1.1 400 Bad Request\r\n\r\n\x00\xff") }},
	{kind: WrongDocument, help: "reply with a well-formed document that holds no command",
		onCommand: func(_ Fault, x *exchange) { x.empty = true }},
	{kind: LateNewline, help: "send the newline after the document in a separate write, later", params: delayDefault,
		defaults:  Fault{Delay: 100 * time.Millisecond},
		onCommand: func(f Fault, x *exchange) { x.newlineAfter = f.Delay }},
	{kind: Drip, help: "send the reply byte by byte", params: delayDefault,
		defaults:  Fault{Delay: time.Millisecond},
		onCommand: func(f Fault, x *exchange) { x.drip = f.Delay }},
	{kind: Slow, help: "carry out the command and reply later", params: delayDefault,
		defaults:  Fault{Delay: time.Second},
		onCommand: func(f Fault, x *exchange) { x.wait += f.Delay }},
	{kind: ForcedLogout, help: "reply, then send a LogoutRequest and close the connection", params: []string{"reason"},
		defaults:  Fault{Reason: forcedLogoutReason},
		onCommand: func(f Fault, x *exchange) { x.logout = f.Reason }},
	{kind: ForcedLogoutInstead, help: "send a LogoutRequest instead of carrying out the command, and close the connection", params: []string{"reason"},
		defaults:  Fault{Reason: forcedLogoutReason},
		onCommand: func(f Fault, x *exchange) { x.skip, x.end, x.logout = true, dropped, f.Reason }},
	{kind: LoseLogin, help: "discard the login and keep the connection",
		onCommand: func(_ Fault, x *exchange) { x.loseLogin = true }},
	{kind: ExpiredPassword, help: "reply to logins as if the password had expired",
		defaults:  Fault{Command: "LoginRequest*"},
		onCommand: func(_ Fault, x *exchange) { x.skip, x.instead = true, refuse(passwordExpired, "") }},
	{kind: HugeTable, help: "fill every table of the reply to so many rows", params: []string{"rows"},
		defaults:  Fault{Rows: 100_000},
		onCommand: func(f Fault, x *exchange) { x.rows = f.Rows }},
	{kind: ErrorBeforeApply, help: "reply with an error without carrying out the command", params: errorParams,
		defaults:  errorDefaults,
		onCommand: func(f Fault, x *exchange) { x.skip, x.instead = true, f.refusal() }},
	{kind: ErrorAfterApply, help: "carry out the command and reply with an error", params: errorParams,
		defaults:  errorDefaults,
		onCommand: func(f Fault, x *exchange) { x.instead = f.refusal() }},
}
