package translate

import (
	"context"
	"encoding/json"

	"ocigate/oci"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// Change is the operation of an endpoint that changes something, in two parts:
// Decode says what a request asks for, and Plan by which commands the platform
// does it. Only Plan asks the platform. What became of a change is read by the
// [Observer] of each entry's kind. A Change may be used by several goroutines at a
// time.
type Change interface {
	Describe() Description
	// Decode checks a body as far as that goes without the platform. The target's
	// ids are valid. Its error is of type [*errcode.Error] and names all problems
	// at once.
	Decode(target scope.Target, body []byte) (*Draft, error)
	// Plan asks the platform whether the change may be made, and makes its
	// commands. The target's context is checked first, then the entries. The
	// draft, which this Change decoded, stays as it is. Where entries are at
	// fault, the platform may be asked once more, for the reasons.
	//
	// Errors are of type [*errcode.Error], or wrap the Reader's. With any of
	// them there is no plan.
	Plan(ctx context.Context, draft *Draft) (*Plan, error)
}

// Draft is a change that is asked for in the right form.
type Draft struct {
	Target scope.Target
	// Entries are in the order of the body, all of them, and no two have the
	// same kind and key.
	Entries []Entry
	// Claims are what nobody else may change at the same time, besides the
	// entries.
	Claims []Claim
	// IfMatch reports whether the condition of the request holds of the entity tag
	// of what is to be changed; nil where there is no condition. It is given only
	// where [Description.Conditional] says so.
	IfMatch func(tag string) bool
	// Body is the decoded body, for a Change that needs more of it than the
	// entries say, for example that a list is given and empty.
	Body *Input
}

// Entry is one thing that a change changes.
type Entry struct {
	// Kind is what the entry is. Entries that must exclude each other have the
	// same kind, whatever changes them. It selects the observer, which finds out
	// by the scope of the target which change it was. It is kept by the journal, so
	// it must never get another meaning.
	Kind string
	// Key is the same for every spelling of the entry. Two entries of a tenant
	// are the same exactly if their kinds and keys are.
	Key string
	// Given is the entry as the caller wrote it. An entry that only the plan
	// knows is spelled as lists show it.
	Given string
	// Start is what Given stands for in the platform's spelling, which Plan
	// finds out.
	Start string
	// End is the end of a range: in a Draft as the caller wrote it, "" without
	// one, and in a Plan in the platform's spelling. An entry that is no range
	// has none.
	End string
	// Before and After are the values of the entry before and after the change.
	// A Draft has none.
	Before, After json.RawMessage
	// Step is the step of the plan that changes the entry, from 1; 0 in a draft,
	// and for an entry that is already as it is to be.
	Step int
}

// Claim is something that is held like an entry for as long as a change is not
// over, but of which nothing becomes, for example a list as a whole.
type Claim struct{ Kind, Key string }

// Given are the entries as the caller wrote them, in their order.
func Given(entries []Entry) []string {
	given := make([]string, len(entries))
	for i, e := range entries {
		given[i] = e.Given
	}
	return given
}

// Plan is a change that passed every check. [PlatformErrors.WriteResult] says what
// the answer to a step means.
type Plan struct {
	Target scope.Target
	// Entries are those of the draft, in its order, and behind them those that
	// only the plan knows.
	Entries []Entry
	// Steps are carried out in their order, until one is not a success. Without
	// steps everything is already as it is to be.
	Steps []Step
	// Messages take the place of the texts of codes that the answer to a step
	// can mean.
	Messages map[*errcode.Code]string
}

// Step is one command of a plan.
type Step struct {
	Command oci.Write
	// Entries are the places of its entries in the plan. The step is in their
	// Step, too.
	Entries []int
}

// Reporter is a [Change] whose answer reports what became of each entry.
type Reporter interface {
	Change
	// Report is the body of the answer. results are in the order of the entries,
	// which are those of a plan.
	Report(entries []Entry, results []Result) *Records
}

// Result is what is known of an entry after a write.
type Result int

// The results.
const (
	Unknown Result = iota // it may have been changed or not
	Done                  // it is as it was to be
	NotDone               // it was not changed
)

// values are what the request has chosen of the commands, in every spelling.
func (p *Plan) values() []string {
	values := p.Target.IDs()
	for _, e := range p.Entries {
		values = append(values, e.Given, e.Key, e.Start, e.End)
	}
	return values
}
