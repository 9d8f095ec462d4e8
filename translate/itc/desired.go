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

// desired is the Change that makes a group have exactly what the body lists: what
// is not listed is removed, and then what is missing is assigned.
//
// A plan is the difference from one reading of the group's list. Others may change
// that list meanwhile, but not in the entries of the plan, and not by another such
// change, since each claims the list as a whole. So they all have the effect that
// they would have one after the other.
//
// That an entry is already as wanted is concluded from that reading alone, which
// asks one endpoint for the group's list and for the tenant's list of what is free.
// Where the two contradict each other there is no plan. Where both are out of date,
// because the node behind the endpoint has not heard of a change yet, this cannot be
// seen: a plan may have too few entries, or none, and then the answer is that nothing
// differs. A second reading of the same node would show the same.
type desired struct {
	engine   *translate.Engine
	resource *resource
	body     *translate.Shape
	report   *translate.Shape
}

// SetNumbers makes the number ranges of the group those of the body.
func (s *Service) SetNumbers() translate.Reporter { return s.desired(&numberRanges) }

// SetPrefixes makes the prefixes of the group those of the body.
func (s *Service) SetPrefixes() translate.Reporter { return s.desired(&numberPrefixes) }

func (s *Service) desired(r *resource) translate.Reporter {
	list := r.changeBody.Fields[0]
	list.Min = 0 // a group may be wanted to have nothing
	start := list.Item.Fields[0]
	return &desired{
		engine: s.engine, resource: r,
		body: &translate.Shape{Fields: []translate.Field{list}},
		report: listOf("result",
			translate.Field{Key: start.Key, Kind: start.Kind, Example: start.Example},
			translate.Field{Key: "status", Example: statusAdded},
		),
	}
}

// Describe implements [translate.Change].
func (d *desired) Describe() translate.Description {
	r := d.resource
	return translate.Description{
		Reads:   translate.ReadsOf(groupContext, nil, r.own, r.tenantFree, r.tenantAll),
		Writes:  []string{r.unassign, r.assign},
		Request: d.body, Response: d.report, Conditional: true,
		Errors: translate.CodesOnce(
			[]*errcode.Code{errcode.NotAvailableForAssignment, errcode.PossessedByUser, errcode.PreconditionFailed},
			groupContext.Errors(), r.errors),
	}
}

// Decode implements [translate.Change].
func (d *desired) Decode(target scope.Target, body []byte) (*translate.Draft, error) {
	draft, err := d.resource.decode(target, d.body, body)
	if err != nil {
		return nil, err
	}
	draft.Claims = []translate.Claim{{Kind: d.resource.listKind, Key: target.GroupID}}
	return draft, nil
}

// Plan implements [translate.Change]. The entries that are wanted come first, in
// the order of the body, then those to be removed, in the platform's.
func (d *desired) Plan(ctx context.Context, draft *translate.Draft) (*translate.Plan, error) {
	r, target := d.resource, draft.Target
	replies, _, err := d.engine.ReadInContext(ctx, target, groupContext, r.own.Read(target), r.tenantFree.Read(target))
	if err != nil {
		return nil, err
	}
	own, err := d.engine.TableIn(replies[0], target, r.own)
	if err != nil {
		return nil, err
	}
	if err := d.checkCondition(draft, own); err != nil {
		return nil, err
	}
	free, err := d.engine.TableIn(replies[1], target, r.tenantFree)
	if err != nil {
		return nil, err
	}
	lists, err := r.bothLists(draft, own, free)
	if err != nil {
		return nil, err
	}
	entries, missing, err := d.wanted(ctx, draft, lists)
	if err != nil {
		return nil, err
	}
	removals, err := d.removals(draft, own)
	if err != nil {
		return nil, err
	}
	plan := r.newPlan(target, append(entries, removals...))
	if len(removals) > 0 {
		r.addStep(plan, r.unassign, placesFrom(len(entries), len(removals)))
	}
	if len(missing) > 0 {
		r.addStep(plan, r.assign, missing)
	}
	return plan, nil
}

// groupLists are the lists of one reading: of what the group has, and of what the
// tenant has free.
type groupLists struct {
	own, free *oci.Table
	// ownRows and freeRows are their rows by key, of the entries of a draft and of
	// all that the group has. No key is in both.
	ownRows, freeRows map[string]oci.Row
}

// bothLists finds the rows. The error says that a list has an entry twice, or that
// the group has what is free: the platform is between two states then, and what
// becomes of the entry is not known.
func (r *resource) bothLists(draft *translate.Draft, own, free *oci.Table) (*groupLists, error) {
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

func placesFrom(first, n int) []int {
	places := make([]int, n)
	for i := range places {
		places[i] = first + i
	}
	return places
}

// checkCondition compares the condition of a request with the list of the group, as
// a request for that list would answer it now.
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

// wanted are the entries of a draft with their values, and the places of those that
// the group does not have yet, which the tenant must have free.
func (d *desired) wanted(ctx context.Context, draft *translate.Draft, lists *groupLists) (entries []translate.Entry, missing []int, err error) {
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
		start, end := r.spelled(table, row)
		if f, differs := r.spell(e, i, start, end); differs {
			faults = append(faults, f)
		}
		e.Before, e.After = before, ofThis
	}
	if len(faults) > 0 {
		return nil, nil, change{engine: d.engine, resource: r, assigns: true, keeps: true}.notAvailable(ctx, draft.Target, faults)
	}
	return entries, missing, nil
}

const userIDHeading = "User Id"

// removals are the entries that the group has and the draft does not. What a user
// possesses cannot be removed. Where the table does not have the users, the platform
// refuses such a removal, as a whole. There are at most [translate.MaxEntries], as
// in any change.
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
		first, last := r.spelled(own, row)
		e := translate.Entry{Kind: r.kind, Key: translate.Canonical(first), Before: before, After: after}
		if isWanted[e.Key] {
			continue
		}
		if len(removals) == translate.MaxEntries {
			return nil, r.tooManyRemovals()
		}
		r.spell(&e, 0, first, last) // no end is given that could differ
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

// tooManyRemovals is the error of a list that leaves out more than one change may
// remove.
func (r *resource) tooManyRemovals() error {
	return errcode.Invalid(errcode.InvalidParameters, errcode.Problem{
		Pointer: "/" + r.list,
		Reason:  fmt.Sprintf("leaves out more than %d entries that the group has, and one request must not remove more", translate.MaxEntries),
	})
}

// spelled are the start and the end of a row, as the platform spells them.
func (r *resource) spelled(table *oci.Table, row oci.Row) (start, end string) {
	if r.endHeading != "" {
		end = row.Cell(table.Column(r.endHeading))
	}
	return row.Cell(table.Column(r.startHeading)), end
}

// The statuses of a report.
const (
	statusAdded     = "added"
	statusRemoved   = "removed"
	statusUnchanged = "unchanged"
	statusRejected  = "rejected" // it was not changed
	statusUnknown   = "unknown"  // it may have been changed
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
