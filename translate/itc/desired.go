package itc

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// desired is the Change that makes a group have exactly what the body lists: it
// removes what is not listed, and then assigns what is missing.
//
// A plan is the difference from one reading of the group's list. Other changes
// may change that list meanwhile, but not the entries of the plan. Another change
// of this kind is excluded, since each claims the entire list. So all of them
// have the effect that they have one after the other.
//
// Whether an entry is already as desired is decided by that reading alone, which
// reads the group's list and the tenant's list of what is free from one platform
// endpoint. If the two lists contradict each other, there is no plan. If both are
// out of date, because a change has not reached that endpoint yet, this cannot be
// detected: the plan may have too few entries, or none, and then the response
// reports that nothing differs. A second reading from the same endpoint would
// show the same.
type desired struct {
	engine   *translate.Engine
	resource *resource
	body     *translate.Shape
	report   *translate.Shape
}

// SetNumbers returns the change that makes the number ranges of the group those
// of the body.
func (s *Service) SetNumbers() translate.Reporter { return s.desired(&numberRanges) }

// SetPrefixes returns the change that makes the prefixes of the group those of
// the body.
func (s *Service) SetPrefixes() translate.Reporter { return s.desired(&numberPrefixes) }

func (s *Service) desired(r *resource) translate.Reporter {
	list := r.changeBody.Fields[0]
	list.Min = 0 // the body may leave the group without entries
	start := list.Item.Fields[0]
	return &desired{
		engine: s.engine, resource: r,
		body: &translate.Shape{Name: r.schema + "Desired", Fields: []translate.Field{list}},
		report: listOf(r.schema+"Report", r.entrySchema+"Report", "result",
			translate.Field{Key: start.Key, Kind: start.Kind, Example: start.Example, Doc: start.Doc},
			translate.Field{Key: "status", Example: statusAdded, Values: statuses, Doc: "What became of it: rejected means that it was not changed, and unknown that it may have been."},
		),
	}
}

// Describe implements [translate.Change].
func (d *desired) Describe() translate.Description {
	r := d.resource
	return translate.Description{
		Reads:   translate.ReadsOf(groupContext, r.own, r.tenantFree, r.tenantAll),
		Writes:  []string{r.unassign, r.assign},
		Request: d.body, Response: d.report, Conditional: true,
		Errors: translate.CodesOnce(
			[]*errcode.Code{errcode.NotAvailableForAssignment, errcode.PossessedByUser, errcode.PreconditionFailed},
			groupContext.Errors(), r.errors),
	}
}

// Decode implements [translate.Change].
func (d *desired) Decode(target scope.Target, body []byte) (*translate.Draft, error) {
	draft, err := d.resource.decode(d.engine, target, d.body, body)
	if err != nil {
		return nil, err
	}
	draft.Claims = []translate.Claim{{Kind: d.resource.listKind, Key: target.GroupID}}
	return draft, nil
}

// Plan implements [translate.Change]. The desired entries are first, in the order
// of the body. The entries to be removed follow, in the platform's order.
func (d *desired) Plan(ctx context.Context, draft *translate.Draft) (*translate.Plan, error) {
	r, target := d.resource, draft.Target
	own, free, err := d.readLists(ctx, draft)
	if err != nil {
		return nil, err
	}
	lists, err := r.indexLists(draft, own, free)
	if err != nil {
		return nil, err
	}
	entries, missing, err := d.desiredEntries(ctx, draft, lists)
	if err != nil {
		return nil, err
	}
	removals, err := d.removals(draft, own)
	if err != nil {
		return nil, err
	}
	plan := r.newPlan(target, append(entries, removals...))
	if len(removals) > 0 {
		r.addStep(plan, r.unassign, indexesFrom(len(entries), len(removals)))
	}
	if len(missing) > 0 {
		r.addStep(plan, r.assign, missing)
	}
	return plan, nil
}

// readLists reads the group's list and the tenant's list of what is free, in one
// document, and checks the condition of the request.
func (d *desired) readLists(ctx context.Context, draft *translate.Draft) (own, free *oci.Table, err error) {
	r, target := d.resource, draft.Target
	replies, _, err := d.engine.ReadInContext(ctx, target, groupContext, r.own.Read(target), r.tenantFree.Read(target))
	if err != nil {
		return nil, nil, err
	}
	own, err = d.engine.TableIn(replies[0], target, r.own)
	if err != nil {
		return nil, nil, err
	}
	if err := d.checkCondition(draft, own); err != nil {
		return nil, nil, err
	}
	free, err = d.engine.TableIn(replies[1], target, r.tenantFree)
	if err != nil {
		return nil, nil, err
	}
	return own, free, nil
}

// groupLists are two lists from one reading: what the group has, and what is free
// in the tenant.
type groupLists struct {
	own, free *oci.Table
	// ownRows and freeRows are their rows by key, for the entries of a draft and
	// for all that the group has. No key is in both.
	ownRows, freeRows map[string]oci.Row
}

// indexLists returns both lists with their rows by key. The error reports that a
// list has an entry twice, or that an entry is in both lists: then the platform is
// between two states, and what will become of the entry is unknown.
func (r *resource) indexLists(draft *translate.Draft, own, free *oci.Table) (*groupLists, error) {
	keys := append(keysOf(draft.Entries), keysIn(own, r.startHeading)...)
	ownRows, repeated := rowsOf(own, r.startHeading, keys)
	freeRows, repeatedFree := rowsOf(free, r.startHeading, keys)
	if twice := cmp.Or(repeated, repeatedFree); twice != "" {
		return nil, r.severalRows(twice)
	}
	for _, key := range keys {
		_, isOwn := ownRows[key]
		if _, isFree := freeRows[key]; isOwn && isFree {
			return nil, errcode.Wrap(errcode.PlatformError,
				fmt.Errorf("itc: the group has %.32q, which is also free in the tenant", key))
		}
	}
	return &groupLists{own, free, ownRows, freeRows}, nil
}

func indexesFrom(first, n int) []int {
	indexes := make([]int, n)
	for i := range indexes {
		indexes[i] = first + i
	}
	return indexes
}

// checkCondition compares the If-Match condition of a request with the tag that a
// read of the group's list would return now.
func (d *desired) checkCondition(draft *translate.Draft, own *oci.Table) error {
	if draft.IfMatch == nil {
		return nil
	}
	tag, err := d.engine.ListTag(draft.Target, d.resource.ownBody, own)
	if err != nil {
		return err
	}
	if !draft.IfMatch(tag) {
		return errcode.New(errcode.PreconditionFailed)
	}
	return nil
}

// desiredEntries returns the entries of a draft with their values, and the
// indexes of those that the group does not have yet. These must be free in the
// tenant.
func (d *desired) desiredEntries(ctx context.Context, draft *translate.Draft, lists *groupLists) (entries []translate.Entry, missing []int, err error) {
	r := d.resource
	entries = slices.Clone(draft.Entries)
	ofThis, ofNone := ofGroup(draft.Target.GroupID), noGroup()
	var faults []fault
	for i := range entries {
		e := &entries[i]
		table, before := lists.own, ofThis
		row, isOwn := lists.ownRows[e.Key]
		if !isOwn {
			var isFree bool
			if row, isFree = lists.freeRows[e.Key]; !isFree {
				faults = append(faults, r.notListed(i, *e))
				continue
			}
			table, before = lists.free, ofNone
			missing = append(missing, i)
		}
		start, end := r.startAndEnd(table, row)
		if f, differs := r.setSpelling(e, i, start, end); differs {
			faults = append(faults, f)
		}
		e.Before, e.After = before, ofThis
	}
	if len(faults) > 0 {
		return nil, nil, change{engine: d.engine, resource: r, assigns: true, mayBeAssigned: true}.notAvailable(ctx, draft.Target, faults)
	}
	return entries, missing, nil
}

const userIDHeading = "User Id"

// removals returns an entry for each that the group has and the draft does not.
// An entry that a user possesses cannot be removed; if the table does not show
// the users, the platform refuses the entire removal. There are at most as many as a
// request may have entries.
func (d *desired) removals(draft *translate.Draft, own *oci.Table) ([]translate.Entry, error) {
	r, target := d.resource, draft.Target
	isWanted := make(map[string]bool, len(draft.Entries))
	for _, e := range draft.Entries {
		isWanted[e.Key] = true
	}
	user := own.Column(userIDHeading)
	before, after := ofGroup(target.GroupID), noGroup()
	var removals []translate.Entry
	var possessed []string
	for row := range own.Rows() {
		first, last := r.startAndEnd(own, row)
		e := translate.Entry{Kind: r.kind, Key: translate.Canonical(first), Before: before, After: after}
		if isWanted[e.Key] {
			continue
		}
		if len(removals) == d.engine.MaxEntries() {
			return nil, r.tooManyRemovals("group", len(removals))
		}
		r.setSpelling(&e, 0, first, last) // no fault: the entry has no given end
		if e.Given = e.Start; r.own.KeyKind == translate.PhoneNumber {
			e.Given = e.Key // as lists show it
		}
		if row.Cell(user) != "" {
			possessed = append(possessed, e.Given)
		}
		removals = append(removals, e)
	}
	if len(possessed) > 0 {
		return nil, &errcode.Error{Code: errcode.PossessedByUser, Entries: possessed}
	}
	return removals, nil
}

// tooManyRemovals returns the error for a body that leaves out more entries of a group or
// user than one request may remove.
func (r *resource) tooManyRemovals(of string, most int) error {
	return errcode.Invalid(errcode.InvalidParameters, errcode.Problem{
		Pointer: "/" + r.list,
		Reason:  fmt.Sprintf("leaves out more than %d entries that the %s has, and one request must not remove more at this gateway", most, of),
	})
}

// startAndEnd returns the start and the end of a row, in the platform's spelling.
func (r *resource) startAndEnd(table *oci.Table, row oci.Row) (start, end string) {
	if r.endHeading != "" {
		end = row.Cell(table.Column(r.endHeading))
	}
	return row.Cell(table.Column(r.startHeading)), end
}

// statuses are all statuses of a report.
var statuses = []string{statusAdded, statusRemoved, statusUnchanged, statusRejected, statusUnknown}

// The statuses of a report.
const (
	statusAdded     = "added"
	statusRemoved   = "removed"
	statusUnchanged = "unchanged"
	statusRejected  = "rejected" // not changed
	statusUnknown   = "unknown"  // may have been changed
)

// Report implements [translate.Reporter].
func (d *desired) Report(entries []translate.Entry, results []translate.Result) *translate.Records {
	report := &translate.Records{Shape: d.report, Rows: make([][]string, len(entries))}
	for i, e := range entries {
		report.Rows[i] = []string{e.Start, statusOf(e, results[i])}
	}
	return report
}

func statusOf(e translate.Entry, result translate.Result) string {
	switch {
	case result == translate.NotDone:
		return statusRejected
	case result == translate.Unknown:
		return statusUnknown
	case e.Step == 0:
		return statusUnchanged
	case hasGroup(e.After):
		return statusAdded
	}
	return statusRemoved
}
