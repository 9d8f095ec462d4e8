package ocisim

import (
	"fmt"
	"slices"
	"sync"
)

// Injection is a fault that acts in a platform.
type Injection struct {
	faults *faults
	id     int
	fault  Fault
	row    *faultRow

	// faults.mu guards the counts.
	seen int // matching commands or connections
	hits int // those on which the fault acted
}

// faults are the faults that act in a platform.
type faults struct {
	mu   sync.Mutex // guards list, the counts of its injections, and last
	list []*Injection
	last int // id of the last injection
}

// Inject makes the platform misbehave from now on. It returns an error if the
// fault is not valid.
func (p *Platform) Inject(f Fault) (*Injection, error) {
	if err := f.validate(); err != nil {
		return nil, fmt.Errorf("ocisim: fault %q: %w", f, err)
	}
	row := rowOf(f.Kind)
	i := &Injection{faults: &p.faults, fault: f.withDefaults(row.defaults), row: row}
	p.faults.mu.Lock()
	defer p.faults.mu.Unlock()
	p.faults.last++
	i.id = p.faults.last
	p.faults.list = append(p.faults.list, i)
	return i, nil
}

// Injections returns the faults that act, those of the seed included, in the order in
// which they were injected. A fault that has acted as often as its Times stays until it
// is removed.
func (p *Platform) Injections() []*Injection {
	p.faults.mu.Lock()
	defer p.faults.mu.Unlock()
	return slices.Clone(p.faults.list)
}

// ID returns the number of the injection: 1 for the first one of its platform. A number
// is never used again.
func (i *Injection) ID() int { return i.id }

// Fault returns the fault, with the defaults of its kind for what was left empty.
func (i *Injection) Fault() Fault { return i.fault }

// Hits returns the number of commands or connections on which the fault has
// acted so far.
func (i *Injection) Hits() int {
	i.faults.mu.Lock()
	defer i.faults.mu.Unlock()
	return i.hits
}

// Remove ends the fault. Commands on which it has already acted stay affected.
func (i *Injection) Remove() {
	i.faults.mu.Lock()
	defer i.faults.mu.Unlock()
	i.faults.list = slices.DeleteFunc(i.faults.list, func(other *Injection) bool { return other == i })
}

// hitLocked counts a match and reports whether the fault acts on it. The caller
// holds faults.mu.
func (i *Injection) hitLocked() bool {
	i.seen++
	if i.seen <= i.fault.Skip || (i.fault.Times > 0 && i.hits >= i.fault.Times) {
		return false
	}
	i.hits++
	return true
}

// onConnection applies the faults to a new connection.
func (f *faults) onConnection() admission {
	f.mu.Lock()
	defer f.mu.Unlock()
	var a admission
	for _, i := range f.list {
		if i.row.onConnection != nil && i.hitLocked() {
			i.row.onConnection(&a)
		}
	}
	return a
}

// onCommand applies the faults to a command.
func (f *faults) onCommand(command string, x *exchange) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, i := range f.list {
		if i.row.onCommand != nil && i.fault.matches(command) && i.hitLocked() {
			i.row.onCommand(i.fault, x)
			x.faults = append(x.faults, i.fault.Kind)
		}
	}
}
