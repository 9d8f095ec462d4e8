package ocisim

import (
	"slices"
	"sync"
	"time"
)

// ledgerLimit is the number of entries that a ledger keeps at least. The oldest
// are removed first.
const ledgerLimit = 100_000

// Entry is one command that the platform received.
type Entry struct {
	Time time.Time
	// Connection is the connection's number, from 1 in the order of acceptance.
	Connection int
	// Login is the user id of the session; empty before login.
	Login string
	// Command is the name of the command, supported or not.
	Command string
	// Write reports whether the command changes the platform. Login and logout do
	// not.
	Write bool
	// ServiceProvider, Group and User are the ids in the command.
	ServiceProvider, Group, User string
	// Numbers are the range starts, ranges' first numbers and prefixes in the
	// command, as they were spelled.
	Numbers []string
	// Applied reports whether the command was carried out entirely.
	Applied bool
	// Error is the number of the error with which it was refused, or 0. The reply
	// may not have been sent: see [RefusalClose] and [Fault].
	Error int
	// Faults are the kinds of the faults that acted on it.
	Faults []FaultKind
}

// ledger is the record of received commands.
type ledger struct {
	mu      sync.Mutex // guards entries
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

// Ledger returns the commands received so far, in the order in which the platform
// finished them. A command that a fault stalls is in it before the stall, and one
// that a fault applies late only after that. It has at least the last 100,000
// commands, and no password or nonce.
func (p *Platform) Ledger() []Entry {
	p.ledger.mu.Lock()
	defer p.ledger.mu.Unlock()
	return slices.Clone(p.ledger.entries)
}

// TakeLedger returns the same as Ledger and empties the ledger, for tests that
// check the commands of each of many requests.
func (p *Platform) TakeLedger() []Entry {
	p.ledger.mu.Lock()
	defer p.ledger.mu.Unlock()
	taken := p.ledger.entries
	p.ledger.entries = nil
	return taken
}

// Writes returns the entries of the ledger that are writes.
func (p *Platform) Writes() []Entry {
	return slices.DeleteFunc(p.Ledger(), func(e Entry) bool { return !e.Write })
}

// describe sets the fields that depend on the command only.
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
		default:
			if n.text != "" && holdsNumber(n.name) {
				e.Numbers = append(e.Numbers, n.text)
			}
		}
	})
}
