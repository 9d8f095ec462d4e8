package ocisim

import (
	"slices"
	"sync"
	"time"
)

// ledgerLimit is how many entries a ledger keeps. The oldest go first.
const ledgerLimit = 100_000

// Entry is one command that the platform received.
type Entry struct {
	Time time.Time
	// Connection is the connection's number, from 1 in the order of their
	// beginning.
	Connection int
	// Login is the user id of the session, empty before login.
	Login string
	// Command is the name of the command, known or not.
	Command string
	// Write tells that the command is one that changes the platform, login
	// and logout not counted.
	Write bool
	// ServiceProvider, Group and User are the ids that the command named.
	ServiceProvider, Group, User string
	// Numbers are the range starts, ranges' first numbers and prefixes that
	// the command named, as they were spelled.
	Numbers []string
	// Applied reports whether the command was carried out: all of it.
	Applied bool
	// Error is the number of the error that it was refused with, or 0. The
	// answer may not have been sent: see [RefusalClose], and faults.
	Error int
	// Faults are the kinds of the faults that it met.
	Faults []FaultKind
}

// ledger is safe for use by several goroutines.
type ledger struct {
	mu      sync.Mutex
	entries []Entry
}

func (l *ledger) add(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.entries) >= 2*ledgerLimit {
		l.entries = slices.Clone(l.entries[ledgerLimit:])
	}
	l.entries = append(l.entries, e)
}

// Ledger are the commands received so far, in the order in which the platform
// was through with them; a command that a fault stalls is in it before the
// stall, and one that a fault applies late only then. At least the last 100,000 are kept. No password or nonce is in it.
func (p *Platform) Ledger() []Entry {
	p.ledger.mu.Lock()
	defer p.ledger.mu.Unlock()
	return slices.Clone(p.ledger.entries)
}

// TakeLedger gives what Ledger gives, and empties the ledger: for tests of many
// requests, each of which looks at its own commands.
func (p *Platform) TakeLedger() []Entry {
	p.ledger.mu.Lock()
	defer p.ledger.mu.Unlock()
	taken := p.ledger.entries
	p.ledger.entries = nil
	return taken
}

// Writes are the entries of the ledger that are writes.
func (p *Platform) Writes() []Entry {
	return slices.DeleteFunc(p.Ledger(), func(e Entry) bool { return !e.Write })
}

// describe notes what a command names, and whether it is a write.
func (e *Entry) describe(n *node) {
	e.Command = n.name
	row := commandTable[n.name]
	e.Write = row != nil && row.writes
	n.walk(func(n *node) {
		switch n.name {
		case "serviceProviderId":
			e.ServiceProvider = n.text
		case "groupId":
			e.Group = n.text
		case "userId":
			e.User = n.text
		case "numberRangeStart", "minPhoneNumber", "dnRangeStart", "phoneNumber", "numberPrefix":
			if n.text != "" {
				e.Numbers = append(e.Numbers, n.text)
			}
		}
	})
}
