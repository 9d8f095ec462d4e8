package ocisim

import (
	"cmp"
	"path"
	"slices"
	"time"
)

// FaultKind is a kind of fault: what goes wrong.
type FaultKind string

// The kinds of faults. [FaultKinds] explains each.
const (
	Refuse              FaultKind = "refuse"
	StallConnection     FaultKind = "stall-connection"
	Stall               FaultKind = "stall"
	StallAfterApply     FaultKind = "stall-after-apply"
	DropBeforeApply     FaultKind = "drop-before-apply"
	DropAfterApply      FaultKind = "drop-after-apply"
	ResetBeforeApply    FaultKind = "reset-before-apply"
	ResetAfterApply     FaultKind = "reset-after-apply"
	ApplyLate           FaultKind = "apply-late"
	HalfReply           FaultKind = "half-reply"
	ForeignSession      FaultKind = "foreign-session"
	ForeignEcho         FaultKind = "foreign-echo"
	ForeignTracking     FaultKind = "foreign-tracking"
	Garbage             FaultKind = "garbage"
	WrongDocument       FaultKind = "wrong-document"
	LateNewline         FaultKind = "late-newline"
	Drip                FaultKind = "drip"
	Slow                FaultKind = "slow"
	ForcedLogout        FaultKind = "forced-logout"
	ForcedLogoutInstead FaultKind = "forced-logout-instead"
	LoseLogin           FaultKind = "lose-login"
	ExpiredPassword     FaultKind = "expired-password"
	HugeTable           FaultKind = "huge-table"
	ErrorBeforeApply    FaultKind = "error-before-apply"
	ErrorAfterApply     FaultKind = "error-after-apply"
)

// Fault describes one way in which a platform misbehaves, and when.
//
// [ParseFault] reads its text form and String writes it. YAML seeds and
// flag.TextVar use it, too. It is the kind and then parameters in any order:
//
//	fault     = kind { " " parameter }
//	parameter = name "=" value
//	value     = characters without blanks | Go string in double quotes
//
// For example:
//
//	drop-after-apply command=GroupRoute*AssignListRequest skip=2 times=1
//	forced-logout reason="Server Connection Failure"
//
// Every kind takes skip and times. Every kind except refuse and stall-connection
// takes command. [FaultKinds] reports the other parameters of a kind. A parameter
// that is zero or absent has the kind's default. If several faults match one
// command, all of them act.
type Fault struct {
	Kind FaultKind
	// Command is a pattern of path.Match for names of commands. The empty pattern
	// matches any command except LogoutRequest, and for expired-password any
	// login.
	Command string
	// Skip is the number of matching commands (or connections) before the first
	// on which the fault acts.
	Skip int
	// Times is the number of commands (or connections) on which the fault acts;
	// 0 means all after the skipped ones.
	Times int
	// Delay is the duration of the kinds that wait.
	Delay time.Duration
	// Bytes is the number of bytes that half-reply sends; 0 means half of the
	// reply.
	Bytes int
	// Rows is the number of rows to which huge-table fills each table; 0 means
	// 100,000.
	Rows int
	// Number, Severity and Summary are the error of the kinds that reply with an
	// error. The defaults are 9999, Error and a text.
	Number            int
	Severity, Summary string
	// Reason is the reason of the LogoutRequest; by default "Open Client Server
	// Forced Logout".
	Reason string
}

// withDefaults returns a copy with the kind's defaults for what is empty.
func (f Fault) withDefaults(d Fault) Fault {
	f.Command = cmp.Or(f.Command, d.Command)
	f.Delay = cmp.Or(f.Delay, d.Delay)
	f.Rows = cmp.Or(f.Rows, d.Rows)
	f.Number = cmp.Or(f.Number, d.Number)
	f.Severity = cmp.Or(f.Severity, d.Severity)
	f.Summary = cmp.Or(f.Summary, d.Summary)
	f.Reason = cmp.Or(f.Reason, d.Reason)
	return f
}

// refusal returns the error with which the fault replies.
func (f Fault) refusal() *refusal {
	return &refusal{number: f.Number, severity: f.Severity, text: f.Summary}
}

// matches reports whether the fault's pattern matches the name of a command.
func (f Fault) matches(command string) bool {
	if f.Command == "" {
		return command != "LogoutRequest"
	}
	ok, err := path.Match(f.Command, command)
	return ok && err == nil
}

// FaultHelp explains one kind of fault.
type FaultHelp struct {
	Kind FaultKind
	// Help is what the platform does.
	Help string
	// Parameters are the names of the parameters that the kind takes.
	Parameters []string
}

// FaultKinds returns an explanation of every kind of fault.
func FaultKinds() []FaultHelp {
	all := make([]FaultHelp, len(faultRows))
	for i := range faultRows {
		row := &faultRows[i]
		all[i] = FaultHelp{row.kind, row.help, row.parameters()}
	}
	return all
}

func (row *faultRow) parameters() []string {
	common := []string{"command", "skip", "times"}
	if row.onConnection != nil {
		common = common[1:]
	}
	return slices.Concat(common, row.params)
}

// rowOf returns the row of a kind, or nil.
func rowOf(kind FaultKind) *faultRow {
	i := slices.IndexFunc(faultRows, func(r faultRow) bool { return r.kind == kind })
	if i < 0 {
		return nil
	}
	return &faultRows[i]
}
