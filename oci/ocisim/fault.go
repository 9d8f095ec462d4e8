package ocisim

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// FaultKind is what goes wrong.
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

// Fault is one way in which a platform misbehaves, and when.
//
// Its text form, which [ParseFault] reads, String writes, and YAML seeds and
// flag.TextVar take, is the kind and then parameters in any order:
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
// Every kind takes skip and times, every kind but refuse and stall-connection
// takes command; [FaultKinds] tells what else a kind takes. A parameter that is
// zero or absent has the kind's default. Where several faults meet one command,
// all of them act.
type Fault struct {
	Kind FaultKind
	// Command is a glob in the manner of path.Match over names of commands.
	// Empty is any command but LogoutRequest, and any login for
	// expired-password.
	Command string
	// Skip is how many matching commands (or connections) pass unharmed
	// before the first that is hit.
	Skip int
	// Times is how many are hit; 0 is all of them from there on.
	Times int
	// Delay is how long the kinds that wait do.
	Delay time.Duration
	// Bytes is where half-reply cuts; half of the answer by default.
	Bytes int
	// Rows is how many rows huge-table makes of every table; 100,000 by
	// default.
	Rows int
	// Number, Severity and Summary are the error that the error kinds
	// answer with. The defaults are 9999, Error and a text.
	Number            int
	Severity, Summary string
	// Reason is that of the LogoutRequest: "Open Client Server Forced Logout"
	// by default.
	Reason string
}

// faultRow is all there is to a kind of fault.
type faultRow struct {
	kind FaultKind
	help string
	// params are those it takes beside command, skip and times.
	params []string
	// defaults fill what a fault leaves empty.
	defaults Fault
	// accept acts on a connection, bend on a command; one of them is set.
	accept func(*greeting)
	bend   func(Fault, *exchange)
}

// greeting is how a new connection is received.
type greeting struct{ refuse, stall bool }

// exchange is one command on its way through faults: what is to become of it
// and of the document that it came in.
type exchange struct {
	*delivery
	// skip leaves the command alone: it is not carried out.
	skip bool
	// late is how long it lies before it is carried out.
	late time.Duration
	// instead stands in the place of the answer.
	instead *refusal
	// rows is the least number of rows of every table.
	rows int
	// loseLogin forgets who is logged in, before the command is looked at.
	loseLogin bool
	faults    []FaultKind
}

// delivery is how the answer to a document leaves. Its zero value sends it in
// one write together with a newline.
type delivery struct {
	end             ending
	wait            time.Duration // before the answer
	cut             bool          // send only so many bytes, then close
	cutAt           int           // 0 is half
	foreignSession  bool
	foreignEcho     bool
	foreignTracking bool
	replacement     []byte        // sent instead of the document
	empty           bool          // a document without its commands
	newlineAfter    time.Duration // the newline in a write of its own
	drip            time.Duration // between single bytes
	logout          string        // reason of a LogoutRequest after the answer
	close           bool          // close after the answer
}

// ending is whether there is an answer at all. Any but answered also ends the
// processing of the document.
type ending int

const (
	answered ending = iota
	dropped         // the connection is closed
	aborted         // the connection is reset, where it can be
	stalled         // the connection stays open, with nothing more from us
)

const forcedLogoutReason = "Open Client Server Forced Logout"

var (
	delayDefault  = []string{"delay"}
	errorParams   = []string{"number", "severity", "summary"}
	errorDefaults = Fault{Number: injected.Number, Severity: "Error", Summary: injected.Text}
)

var faultRows = []faultRow{
	{kind: Refuse, help: "close new connections at once",
		accept: func(g *greeting) { g.refuse = true }},
	{kind: StallConnection, help: "accept new connections and never answer",
		accept: func(g *greeting) { g.stall = true }},
	{kind: Stall, help: "do not carry the command out and never answer, on an open connection",
		bend: func(_ Fault, x *exchange) { x.skip, x.end = true, stalled }},
	{kind: StallAfterApply, help: "carry the command out and never answer, on an open connection",
		bend: func(_ Fault, x *exchange) { x.end = stalled }},
	{kind: DropBeforeApply, help: "close the connection without carrying the command out",
		bend: func(_ Fault, x *exchange) { x.skip, x.end = true, dropped }},
	{kind: DropAfterApply, help: "carry the command out and close the connection without an answer",
		bend: func(_ Fault, x *exchange) { x.end = dropped }},
	{kind: ResetBeforeApply, help: "reset the connection without carrying the command out",
		bend: func(_ Fault, x *exchange) { x.skip, x.end = true, aborted }},
	{kind: ResetAfterApply, help: "carry the command out and reset the connection without an answer",
		bend: func(_ Fault, x *exchange) { x.end = aborted }},
	{kind: ApplyLate, help: "carry the command out later, though the client may have gone, and answer then", params: delayDefault,
		defaults: Fault{Delay: time.Second},
		bend:     func(f Fault, x *exchange) { x.late += f.Delay }},
	{kind: HalfReply, help: "send only so many bytes of the answer, then close the connection", params: []string{"bytes"},
		bend: func(f Fault, x *exchange) { x.cut, x.cutAt = true, f.Bytes }},
	{kind: ForeignSession, help: "answer with the session id of somebody else",
		bend: func(_ Fault, x *exchange) { x.foreignSession = true }},
	{kind: ForeignEcho, help: "answer with an echo that was not sent",
		bend: func(_ Fault, x *exchange) { x.foreignEcho = true }},
	{kind: ForeignTracking, help: "answer with a tracking id that was not sent",
		bend: func(_ Fault, x *exchange) { x.foreignTracking = true }},
	{kind: Garbage, help: "answer with bytes that are no XML",
		bend: func(_ Fault, x *exchange) { x.replacement = []byte("HTTP/1.1 400 Bad Request\r\n\r\n\x00\xff") }},
	{kind: WrongDocument, help: "answer with a well-formed document that holds no command",
		bend: func(_ Fault, x *exchange) { x.empty = true }},
	{kind: LateNewline, help: "send the newline after the document in a write of its own, later", params: delayDefault,
		defaults: Fault{Delay: 100 * time.Millisecond},
		bend:     func(f Fault, x *exchange) { x.newlineAfter = f.Delay }},
	{kind: Drip, help: "send the answer byte by byte", params: delayDefault,
		defaults: Fault{Delay: time.Millisecond},
		bend:     func(f Fault, x *exchange) { x.drip = f.Delay }},
	{kind: Slow, help: "carry the command out and answer later", params: delayDefault,
		defaults: Fault{Delay: time.Second},
		bend:     func(f Fault, x *exchange) { x.wait += f.Delay }},
	{kind: ForcedLogout, help: "answer, then send a LogoutRequest and close the connection", params: []string{"reason"},
		defaults: Fault{Reason: forcedLogoutReason},
		bend:     func(f Fault, x *exchange) { x.logout = f.Reason }},
	{kind: ForcedLogoutInstead, help: "send a LogoutRequest instead of carrying the command out, and close the connection", params: []string{"reason"},
		defaults: Fault{Reason: forcedLogoutReason},
		bend:     func(f Fault, x *exchange) { x.skip, x.end, x.logout = true, dropped, f.Reason }},
	{kind: LoseLogin, help: "forget who is logged in and keep the connection",
		bend: func(_ Fault, x *exchange) { x.loseLogin = true }},
	{kind: ExpiredPassword, help: "answer logins as if the password had expired",
		defaults: Fault{Command: "LoginRequest*"},
		bend:     func(_ Fault, x *exchange) { x.skip, x.instead = true, refuse(passwordExpired, "") }},
	{kind: HugeTable, help: "pad every table of the answer to so many rows", params: []string{"rows"},
		defaults: Fault{Rows: 100_000},
		bend:     func(f Fault, x *exchange) { x.rows = f.Rows }},
	{kind: ErrorBeforeApply, help: "answer with an error without carrying the command out", params: errorParams,
		defaults: errorDefaults,
		bend:     func(f Fault, x *exchange) { x.skip, x.instead = true, f.refusal() }},
	{kind: ErrorAfterApply, help: "carry the command out and answer with an error", params: errorParams,
		defaults: errorDefaults,
		bend:     func(f Fault, x *exchange) { x.instead = f.refusal() }},
}

// FaultHelp explains one kind of fault.
type FaultHelp struct {
	Kind FaultKind
	// Help says what the platform does.
	Help string
	// Parameters are the names of those it takes.
	Parameters []string
}

// FaultKinds explains every kind of fault.
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
	if row.accept != nil {
		common = common[1:]
	}
	return slices.Concat(common, row.params)
}

func rowOf(kind FaultKind) *faultRow {
	i := slices.IndexFunc(faultRows, func(r faultRow) bool { return r.kind == kind })
	if i < 0 {
		return nil
	}
	return &faultRows[i]
}

// faultParam is one parameter of the text form.
type faultParam struct {
	name string
	get  func(*Fault) string // "" for the zero value
	set  func(*Fault, string) error
}

var faultParams = []faultParam{
	wordParam("command", func(f *Fault) *string { return &f.Command }),
	countParam("skip", func(f *Fault) *int { return &f.Skip }),
	countParam("times", func(f *Fault) *int { return &f.Times }),
	{
		name: "delay",
		get: func(f *Fault) string {
			if f.Delay == 0 {
				return ""
			}
			return f.Delay.String()
		},
		set: func(f *Fault, s string) (err error) { f.Delay, err = time.ParseDuration(s); return err },
	},
	countParam("bytes", func(f *Fault) *int { return &f.Bytes }),
	countParam("rows", func(f *Fault) *int { return &f.Rows }),
	countParam("number", func(f *Fault) *int { return &f.Number }),
	wordParam("severity", func(f *Fault) *string { return &f.Severity }),
	wordParam("summary", func(f *Fault) *string { return &f.Summary }),
	wordParam("reason", func(f *Fault) *string { return &f.Reason }),
}

func wordParam(name string, field func(*Fault) *string) faultParam {
	return faultParam{
		name: name,
		get: func(f *Fault) string {
			if s := *field(f); strings.ContainsAny(s, "\" \t\n\r") {
				return strconv.Quote(s)
			}
			return *field(f)
		},
		set: func(f *Fault, s string) error { *field(f) = s; return nil },
	}
}

func countParam(name string, field func(*Fault) *int) faultParam {
	return faultParam{
		name: name,
		get: func(f *Fault) string {
			if *field(f) == 0 {
				return ""
			}
			return strconv.Itoa(*field(f))
		},
		set: func(f *Fault, s string) (err error) { *field(f), err = strconv.Atoi(s); return err },
	}
}

// ParseFault reads the text form of a fault. The error tells everything that
// is wrong with it.
func ParseFault(text string) (Fault, error) {
	kind, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	f := Fault{Kind: FaultKind(kind)}
	var problems []error
	for rest = strings.TrimSpace(rest); rest != ""; rest = strings.TrimSpace(rest) {
		var name, value string
		var err error
		if name, value, rest, err = cutParameter(rest); err != nil {
			problems = append(problems, err)
			break
		}
		i := slices.IndexFunc(faultParams, func(p faultParam) bool { return p.name == name })
		if i < 0 {
			problems = append(problems, fmt.Errorf("unknown parameter %q", name))
		} else if err := faultParams[i].set(&f, value); err != nil {
			problems = append(problems, fmt.Errorf("parameter %s: %w", name, err))
		}
	}
	if err := errors.Join(append(problems, f.validate())...); err != nil {
		return Fault{}, fmt.Errorf("ocisim: fault %q: %w", text, err)
	}
	return f, nil
}

// cutParameter takes the parameter at the head of a text.
func cutParameter(text string) (name, value, rest string, err error) {
	name, rest, ok := strings.Cut(text, "=")
	if !ok || strings.ContainsAny(name, " \"") {
		return "", "", "", fmt.Errorf("no name=value: %q", text)
	}
	if quoted, err := strconv.QuotedPrefix(rest); err == nil && quoted[0] == '"' {
		value, err := strconv.Unquote(quoted)
		return name, value, rest[len(quoted):], err
	}
	value, rest, _ = strings.Cut(rest, " ")
	return name, value, rest, nil
}

// validate tells everything that is wrong with a fault.
func (f *Fault) validate() error {
	row := rowOf(f.Kind)
	if row == nil {
		return fmt.Errorf("unknown kind %q", f.Kind)
	}
	var problems []error
	taken := row.parameters()
	for _, p := range faultParams {
		if p.get(f) != "" && !slices.Contains(taken, p.name) {
			problems = append(problems, fmt.Errorf("the kind %s takes no %s", f.Kind, p.name))
		}
	}
	if _, err := path.Match(f.Command, ""); err != nil {
		problems = append(problems, fmt.Errorf("parameter command: %w", err))
	}
	if min(f.Skip, f.Times, f.Bytes, f.Rows, f.Number, int(f.Delay)) < 0 {
		problems = append(problems, errors.New("no parameter may be negative"))
	}
	if !slices.Contains([]string{"", "Error", "Warning", "Info"}, f.Severity) {
		problems = append(problems, fmt.Errorf("parameter severity: %q is not Error, Warning or Info", f.Severity))
	}
	return errors.Join(problems...)
}

// String is the text form.
func (f Fault) String() string {
	parts := []string{string(f.Kind)}
	for _, p := range faultParams {
		if value := p.get(&f); value != "" {
			parts = append(parts, p.name+"="+value)
		}
	}
	return strings.Join(parts, " ")
}

// MarshalText writes the text form.
func (f Fault) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads the text form.
func (f *Fault) UnmarshalText(text []byte) (err error) {
	*f, err = ParseFault(string(text))
	return err
}

// withDefaults fills what the fault leaves to its kind.
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

func (f Fault) refusal() *refusal {
	return &refusal{number: f.Number, severity: f.Severity, text: f.Summary}
}

// matches tells that the fault is about a command of that name.
func (f Fault) matches(command string) bool {
	if f.Command == "" {
		return command != "LogoutRequest"
	}
	ok, err := path.Match(f.Command, command)
	return ok && err == nil
}

// Injection is a fault at work in a platform.
type Injection struct {
	faults *faults
	fault  Fault
	row    *faultRow
	seen   int
	hits   int
}

// Hits is how many commands or connections the fault has met so far.
func (i *Injection) Hits() int {
	i.faults.mu.Lock()
	defer i.faults.mu.Unlock()
	return i.hits
}

// Remove ends the fault. What it has already met stays as it is.
func (i *Injection) Remove() {
	i.faults.mu.Lock()
	defer i.faults.mu.Unlock()
	i.faults.list = slices.DeleteFunc(i.faults.list, func(other *Injection) bool { return other == i })
}

// hit counts a match and tells whether it is among those to be hit.
func (i *Injection) hit() bool {
	i.seen++
	if i.seen <= i.fault.Skip || (i.fault.Times > 0 && i.hits >= i.fault.Times) {
		return false
	}
	i.hits++
	return true
}

// faults are those at work in one platform.
type faults struct {
	mu   sync.Mutex
	list []*Injection
}

// Inject lets the platform misbehave from now on. It fails where the fault is
// not valid.
func (p *Platform) Inject(f Fault) (*Injection, error) {
	if err := f.validate(); err != nil {
		return nil, fmt.Errorf("ocisim: fault %q: %w", f, err)
	}
	row := rowOf(f.Kind)
	i := &Injection{faults: &p.faults, fault: f.withDefaults(row.defaults), row: row}
	p.faults.mu.Lock()
	defer p.faults.mu.Unlock()
	p.faults.list = append(p.faults.list, i)
	return i, nil
}

// greet applies the faults to a new connection.
func (f *faults) greet() greeting {
	f.mu.Lock()
	defer f.mu.Unlock()
	var g greeting
	for _, i := range f.list {
		if i.row.accept != nil && i.hit() {
			i.row.accept(&g)
		}
	}
	return g
}

// bend applies the faults to a command.
func (f *faults) bend(command string, x *exchange) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, i := range f.list {
		if i.row.bend != nil && i.fault.matches(command) && i.hit() {
			i.row.bend(i.fault, x)
			x.faults = append(x.faults, i.fault.Kind)
		}
	}
}
