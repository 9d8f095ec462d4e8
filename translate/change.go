package translate

import (
	"context"
	"encoding/json"

	"ocigate/oci"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// A Change is the operation of a route that changes something. It has two parts:
// Decode returns what a request asks for, and Plan returns the commands with
// which the platform does it. Only Plan reads the platform, and neither changes
// anything. The [Observer] of the entries' kinds reads what a change has done. A
// Change is safe for concurrent use.
type Change interface {
	// Describe describes the operation. It does not need the platform.
	Describe() Description
	// Decode validates a request body as far as that is possible without the
	// platform. The ids of the target are valid. The error is of type
	// [*errcode.Error] and names all problems.
	Decode(target scope.Target, body []byte) (*Draft, error)
	// Plan reads from the platform whether the change can be made, and returns
	// its commands. It checks the context of the target first, then the entries.
	// It does not modify the draft, which must come from Decode of the same
	// Change. If entries cannot be changed, it may read the platform once more,
	// for the reasons.
	//
	// Errors are of type [*errcode.Error], or wrap the Reader's. With any of them
	// the plan is nil.
	Plan(ctx context.Context, draft *Draft) (*Plan, error)
}

// A Draft is a decoded and valid request for a change, before the platform was
// read. [Change.Plan] makes a [Plan] of it.
type Draft struct {
	Target scope.Target
	// Entries are the entries of the body, in its order. No two have the same
	// kind and key.
	Entries []Entry
	// Claims are what no other change may change at the same time, besides the
	// entries.
	Claims []Claim
	// IfMatch reports whether the If-Match condition of the request is true of an
	// entity tag: that of what is to be changed. It is nil if there is no
	// condition. It is set only if [Description.Conditional] is true.
	IfMatch func(tag string) bool
	// Body is the decoded body, for a Change that needs more than the entries
	// show, for example that a list is given and empty.
	Body *Input
}

// An Entry is one thing that a change changes.
type Entry struct {
	// Kind is the type of the entry. Entries of different changes that must
	// exclude each other have the same kind. The kind selects the observer, which
	// distinguishes the changes by the scope of the target. Journals store kinds,
	// so the meaning of a kind must never change.
	Kind string
	// Key is the same for every spelling of the entry. Two entries of a tenant
	// are the same exactly if their kinds and keys are equal.
	Key string
	// Given is the entry as the caller wrote it, or as lists show it if the entry
	// is not in the request and was added by the plan.
	Given string
	// Start is the entry in the platform's spelling. Plan sets it.
	Start string
	// End is the end of a range: as the caller wrote it in a Draft, where it may
	// be "", and in the platform's spelling in a Plan. It is "" if the entry is
	// no range.
	End string
	// Before and After are the JSON values of the entry before and after the
	// change. Plan sets them.
	Before, After json.RawMessage
	// Step is the number of the plan's step that changes the entry, from 1. It is
	// 0 in a draft, and for an entry that already has its value After.
	Step int
}

// A Claim is held like an entry until a change has ended, but has no value and no
// result, for example an entire list.
type Claim struct{ Kind, Key string }

// Given returns the entries as the caller wrote them, in their order.
func Given(entries []Entry) []string {
	given := make([]string, len(entries))
	for i, e := range entries {
		given[i] = e.Given
	}
	return given
}

// A Plan is a change that passed every check. [PlatformErrors.WriteResult]
// classifies the reply to each step.
type Plan struct {
	Target scope.Target
	// Entries are those of the draft, in its order, followed by those that Plan
	// added.
	Entries []Entry
	// Steps are sent in their order, until one does not succeed. Without steps
	// every entry already has its value After.
	Steps []Step
	// Messages replace the texts of codes that the reply to a step can mean.
	Messages map[*errcode.Code]string
}

// A Step is one command of a plan.
type Step struct {
	Command oci.Write
	// Entries are the indexes of its entries in the plan. Each of them has the
	// number of the step.
	Entries []int
}

// A Reporter is a [Change] whose response reports the result of each entry.
type Reporter interface {
	Change
	// Report returns the body of the response. entries are those of a plan, and
	// results are in the same order.
	Report(entries []Entry, results []Result) *Records
}

// A Result is what is known of an entry after a write.
type Result int

// The results.
const (
	Unknown Result = iota // it may or may not have been changed
	Done                  // it has its value After
	NotDone               // it was not changed
)

// values returns every spelling of what the request has chosen in the commands.
func (p *Plan) values() []string {
	values := p.Target.IDs()
	for _, e := range p.Entries {
		values = append(values, e.Given, e.Key, e.Start, e.End)
	}
	return values
}
