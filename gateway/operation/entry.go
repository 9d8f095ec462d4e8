package operation

import (
	"encoding/json"
	"slices"
)

// Claim names one thing of a tenant: the same tenant, kind and key is the same
// thing. An operation that holds it keeps all others from it.
type Claim struct {
	Kind string `json:"kind"`
	Key  string `json:"key"`
}

// Entry is one thing that an operation changes, or finds to be as it is wanted.
type Entry struct {
	// Kind is what the entry is. It is kept for as long as journals are, and
	// decides who can read the entry's present value.
	Kind string `json:"kind"`
	// Given is the caller's spelling, or the platform's where the caller did not
	// name the entry.
	Given string `json:"given"`
	// Key is the same for every spelling of the entry.
	Key string `json:"key"`
	// Start and End are the platform's spelling, known from the intent on.
	// End is empty where there is none.
	Start string `json:"start,omitempty"`
	End   string `json:"end,omitempty"`
	// Before and After are the entry's values, as JSON, before the change and
	// after it. They are nil until the change is planned. A store may spell the same
	// JSON otherwise.
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
	// Step is the step of the plan that changes the entry, from 1. It is 0 until
	// the change is planned, and for an entry that is as wanted already.
	Step int `json:"step,omitempty"`
	// Outcome is Done or NotDone once it is known.
	Outcome State `json:"outcome,omitempty"`
	// Released reports whether an operator has freed it while its outcome was
	// unknown. From then on, what is to be seen of it may be another's doing, so
	// that no reading can prove its outcome any more.
	Released bool `json:"released,omitempty"`
}

// Claim is what makes the entry the same as another's.
func (e Entry) Claim() Claim { return Claim{e.Kind, e.Key} }

// isHeld reports whether an entry of an operation that has not ended is held.
func (e Entry) isHeld() bool { return !e.Released && e.Outcome == "" }

// Keys are those of all entries, in order.
func (o *Operation) Keys() []Claim { return claimsOf(o.Entries, func(Entry) bool { return true }) }

// Holds is what no other operation may touch: the entries without an outcome, in
// order, and the claims. An operation that is over holds nothing.
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

// Touches are the entries that the operation may have changed, or may change, in
// order: not those that were as wanted already, nor those whose step was never
// sent.
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

// closeSteps gives the entries the outcomes that follow from how far the
// operation got. Those of the steps before the last that may have been sent are
// done, since only a success lets the next one be sent. Those of later steps are
// not done, and nobody can send them any more. Those of the last step have that
// outcome; where it is Unknown they stay as they are.
func (o *Operation) closeSteps(last State) {
	entries := slices.Clone(o.Entries) // others may be reading them
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

// whole is the state of an operation whose entries all have an outcome. Entries
// that were as wanted before its first step do not count.
func (o *Operation) whole() State {
	var outcomes []State
	for _, e := range o.Entries {
		if e.Step > 0 || o.Step == 0 {
			outcomes = append(outcomes, e.Outcome)
		}
	}
	return wholeOf(outcomes)
}

// inQuestion are the places of the entries that are to be read back: those that
// are held, or, of an operation that is over, those that were sent and found not
// to be done.
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

// withOutcomes are the entries with those outcomes at those places. The entries
// given are left as they are, since others may be reading them.
func withOutcomes(entries []Entry, places []int, outcomes []State) []Entry {
	entries = slices.Clone(entries)
	for i, place := range places {
		entries[place].Outcome = outcomes[i]
	}
	return entries
}
