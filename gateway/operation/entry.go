package operation

import (
	"encoding/json"
	"slices"
	"time"
)

// Claim identifies one thing of a tenant by kind and key. While an operation holds it,
// no other operation can.
type Claim struct {
	Kind string `json:"kind"`
	Key  string `json:"key"`
}

// Entry is one thing that an operation changes, or that already has the wanted value.
type Entry struct {
	// Kind is what the entry is. Journals keep it, and it decides which reader
	// can read the entry's present value.
	Kind string `json:"kind"`
	// Given is the caller's spelling, or the platform's if the caller did not
	// name the entry.
	Given string `json:"given"`
	// Key is the same for every spelling of the entry.
	Key string `json:"key"`
	// Start and End are the platform's spelling, known from the intent on.
	// End is empty if there is none.
	Start string `json:"start,omitempty"`
	End   string `json:"end,omitempty"`
	// Before and After are the entry's values, as JSON, before the change and
	// after it. They are nil until the change is planned. A store may format the
	// same JSON differently.
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
	// Step is the step of the plan that changes the entry, from 1. It is 0 until
	// the change is planned, and for an entry that already has the wanted value.
	Step int `json:"step,omitempty"`
	// Outcome is Done or NotDone once it is known, and empty before.
	Outcome State `json:"outcome,omitempty"`
	// Released reports whether an operator has freed it while its outcome was
	// unknown. From then on, another operation may have changed it, so that no
	// reading can prove its outcome any more.
	Released bool `json:"released,omitempty"`
}

// Claim returns the claim on the entry. Entries with the same claim are the same.
func (e Entry) Claim() Claim { return Claim{e.Kind, e.Key} }

// isHeld reports whether the entry is held, if its operation is not over.
func (e Entry) isHeld() bool { return !e.Released && e.Outcome == "" }

// Keys returns the claims on all entries, in order.
func (o *Operation) Keys() []Claim { return claimsOf(o.Entries, func(Entry) bool { return true }) }

// Holds returns what no other operation may change: the claims on the entries without
// an outcome, in order, and the operation's own claims. An operation that is over holds
// nothing.
func (o *Operation) Holds() []Claim {
	if o.Over() {
		return nil
	}
	return append(claimsOf(o.Entries, Entry.isHeld), o.Claims...)
}

// HoldsAll reports whether the operation holds all of its entries and claims.
func (o *Operation) HoldsAll() bool {
	return !o.Over() && !slices.ContainsFunc(o.Entries, func(e Entry) bool { return !e.isHeld() })
}

// Touches returns the claims on the entries that the operation may have changed, or
// may change, in order: all except those that had the wanted value already, and those
// whose step was never sent.
func (o *Operation) Touches() []Claim {
	return claimsOf(o.Entries, func(e Entry) bool {
		asWanted, neverSent := e.Step == 0 && e.Outcome == Done, e.Step > o.Step && e.Outcome == NotDone
		return !asWanted && !neverSent
	})
}

func claimsOf(entries []Entry, which func(Entry) bool) []Claim {
	var claims []Claim
	for _, e := range entries {
		if which(e) {
			claims = append(claims, e.Claim())
		}
	}
	return claims
}

// closeSteps sets the outcomes of the entries once no further step will be sent. The
// steps before o.Step are done, since a step is sent only after the success of the
// one before. Later steps are not done. The entries of o.Step get the outcome last, or
// keep what they have if that is Unknown.
func (o *Operation) closeSteps(last State) {
	entries := slices.Clone(o.Entries) // other goroutines may be reading them
	for i := range entries {
		switch e := &entries[i]; {
		case e.Step < o.Step:
			e.Outcome = Done
		case e.Step > o.Step:
			e.Outcome = NotDone
		case last != Unknown:
			e.Outcome = last
		}
	}
	o.Entries = entries
}

// stateOfEntries returns the state of an operation whose entries all have an outcome.
// Entries that had the wanted value before its first step do not count.
func (o *Operation) stateOfEntries() State {
	var outcomes []State
	for _, e := range o.Entries {
		if e.Step > 0 || o.Step == 0 {
			outcomes = append(outcomes, e.Outcome)
		}
	}
	return stateOf(outcomes)
}

// inQuestion returns the places of the entries that are to be read back: those that
// are held or, if the operation is over, those that were sent and found not to be
// done.
func (o *Operation) inQuestion() []int {
	over := o.Over()
	var places []int
	for i, e := range o.Entries {
		if !over && e.isHeld() || over && e.Outcome == NotDone && e.Step <= o.Step {
			places = append(places, i)
		}
	}
	return places
}

// withOutcomes returns a copy of the entries with these outcomes at these places. It
// does not change the entries given: other goroutines may be reading them.
func withOutcomes(entries []Entry, places []int, outcomes []State) []Entry {
	entries = slices.Clone(entries)
	for i, place := range places {
		entries[place].Outcome = outcomes[i]
	}
	return entries
}

// conclude sets the state of an operation that has its first outcome or its end, and
// the time.
func (o *Operation) conclude(state State, basis Basis, now time.Time) {
	o.Version++
	o.State, o.Basis = state, basis
	if state == Unknown {
		o.UnknownAt, o.Basis = now, ""
		return
	}
	o.EndedAt = now
}

// concludeBy sets the outcomes, which readings have proven, of the entries at these
// places, and the state that follows. The state stays Unknown for good if an entry has
// no outcome, since that entry was released.
func (o *Operation) concludeBy(places []int, outcomes []State, now time.Time) {
	o.Entries = withOutcomes(o.Entries, places, outcomes)
	if !slices.ContainsFunc(o.Entries, func(e Entry) bool { return e.Outcome == "" }) {
		o.conclude(o.stateOfEntries(), ByReading, now)
		return
	}
	o.Version++
	if o.EndedAt.IsZero() {
		o.EndedAt = now
	}
}
