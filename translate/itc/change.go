package itc

import (
	"context"
	"fmt"
	"strings"

	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// change is the Change of one resource in one direction.
type change struct {
	engine   *translate.Engine
	resource *resource
	command  string             // does it
	source   *translate.Listing // lists what it may be done to
	assigns  bool               // the group has the entries after it
	keeps    bool               // it may have them before it, too
}

// assign gives a group what its tenant has free.
func (s *Service) assign(r *resource) translate.Change {
	return change{engine: s.engine, resource: r, command: r.assign, source: &r.tenantFree, assigns: true}
}

// unassign takes from a group what is its own.
func (s *Service) unassign(r *resource) translate.Change {
	return change{engine: s.engine, resource: r, command: r.unassign, source: &r.own}
}

func (c change) Describe() translate.Description {
	r := c.resource
	return translate.Description{
		Reads:    translate.ReadsOf(groupContext, nil, r.own, r.tenantFree, r.tenantAll),
		Writes:   []string{c.command},
		Request:  r.changeBody,
		Response: &translate.Shape{},
		Errors:   translate.CodesOnce([]*errcode.Code{errcode.NotAvailableForAssignment}, groupContext.Errors(), r.errors),
	}
}

func (c change) Decode(target scope.Target, body []byte) (*translate.Draft, error) {
	return c.resource.decode(target, c.resource.changeBody, body)
}

// decode reads a body of a shape that has the resource's list.
func (r *resource) decode(target scope.Target, shape *translate.Shape, body []byte) (*translate.Draft, error) {
	decoded, err := shape.Decode(body)
	if err != nil {
		return nil, err
	}
	list := decoded.List(r.list)
	draft := &translate.Draft{Target: target, Entries: make([]translate.Entry, len(list))}
	for i, item := range list {
		draft.Entries[i] = r.entryOf(item)
	}
	return draft, nil
}

// entryOf is an entry of a body.
func (r *resource) entryOf(item translate.Input) translate.Entry {
	given := item.Text(r.start)
	e := translate.Entry{Kind: r.kind, Given: given, Key: translate.Canonical(given)}
	if r.end != "" {
		e.End = item.Text(r.end)
	}
	return e
}

func (c change) Plan(ctx context.Context, draft *translate.Draft) (*translate.Plan, error) {
	table, err := c.engine.TableInContext(ctx, draft.Target, groupContext, *c.source)
	if err != nil {
		return nil, err
	}
	entries, faults, err := c.resource.choose(draft.Entries, table)
	if err != nil {
		return nil, err
	}
	if len(faults) > 0 {
		return nil, c.notAvailable(ctx, draft.Target, faults)
	}
	places := make([]int, len(entries))
	free, own := noGroup(), ofGroup(draft.Target.GroupID)
	for i := range entries {
		e := &entries[i]
		e.Before, e.After = own, free
		if c.assigns {
			e.Before, e.After = free, own
		}
		places[i] = i
	}
	plan := c.resource.newPlan(draft.Target, entries)
	c.resource.addStep(plan, c.command, places)
	return plan, nil
}

// newPlan is a plan without steps.
func (r *resource) newPlan(target scope.Target, entries []translate.Entry) *translate.Plan {
	return &translate.Plan{
		Target: target, Entries: entries,
		Messages: map[*errcode.Code]string{errcode.NotAvailableForAssignment: r.unavailable},
	}
}

// addStep adds a step that does a command to entries, which are given by their
// places in the plan. The command has them in the platform's spelling.
func (r *resource) addStep(plan *translate.Plan, command string, places []int) {
	starts := make([]string, len(places))
	for i, place := range places {
		e := &plan.Entries[place]
		e.Step = len(plan.Steps) + 1
		starts[i] = e.Start
	}
	elements := append(translate.GroupElements(plan.Target), oci.Texts(r.element, starts)...)
	plan.Steps = append(plan.Steps, translate.Step{Command: oci.NewWrite(command, elements...), Entries: places})
}

// choose finds the entries in the table and spells them as the platform does.
// Since only the start of a range is sent to the platform, an end that the caller
// gives must be the range's own. The entries are in the order of the body, and so
// are the faults. An error says that the table has an entry twice.
func (r *resource) choose(entries []translate.Entry, table *oci.Table) (chosen []translate.Entry, faults []fault, err error) {
	rows, repeated := rowsOf(table, r.startHeading, keysOf(entries))
	if repeated != "" {
		return nil, nil, r.severalRows(repeated)
	}
	start, end := table.Column(r.startHeading), oci.NoColumn
	if r.endHeading != "" {
		end = table.Column(r.endHeading)
	}
	chosen = make([]translate.Entry, 0, len(entries))
	for i, e := range entries {
		row, listed := rows[e.Key]
		if !listed {
			faults = append(faults, r.notListed(i, e))
			continue
		}
		if f, differs := r.spell(&e, i, row.Cell(start), row.Cell(end)); differs {
			faults = append(faults, f)
			continue
		}
		chosen = append(chosen, e)
	}
	return chosen, faults, nil
}

// spell gives an entry, which has a place in the body, the platform's spelling. It
// reports the fault of one whose end is given and is another.
func (r *resource) spell(e *translate.Entry, place int, start, end string) (fault, bool) {
	if last := translate.Canonical(end); e.End != "" && translate.Canonical(e.End) != last {
		return r.endDiffers(place, *e, last), true
	}
	// A cell is a piece of its table's text, which must not live as long as the
	// plan.
	e.Start, e.End = strings.Clone(start), strings.Clone(end)
	return fault{}, false
}

// severalRows is the error of a table that has an entry several times.
func (r *resource) severalRows(key string) error {
	return errcode.Wrap(errcode.PlatformError, fmt.Errorf("itc: several rows under %q are about %.32q", r.startHeading, key))
}

// keysOf are the keys of the entries, in their order.
func keysOf(entries []translate.Entry) []string {
	keys := make([]string, len(entries))
	for i, e := range entries {
		keys[i] = e.Key
	}
	return keys
}

// keysIn are the keys of a table, in its order: the canonical forms of what is under
// the heading.
func keysIn(table *oci.Table, heading string) []string {
	var keys []string
	start := table.Column(heading)
	for row := range table.Rows() {
		keys = append(keys, translate.Canonical(row.Cell(start)))
	}
	return keys
}

// rowsOf finds the rows of the keys, which are canonical forms of what is under
// the heading. repeated is one of them that several rows have, "" where there is
// none. What it takes of memory goes by the keys: a tenant's table may be large.
func rowsOf(table *oci.Table, heading string, keys []string) (rows map[string]oci.Row, repeated string) {
	wanted := make(map[string]bool, len(keys))
	for _, key := range keys {
		wanted[key] = true
	}
	rows = make(map[string]oci.Row, len(keys))
	start := table.Column(heading)
	var key []byte
	for row := range table.Rows() {
		key = translate.AppendCanonical(key[:0], row.Cell(start))
		if !wanted[string(key)] {
			continue
		}
		if _, twice := rows[string(key)]; twice {
			repeated = string(key)
		}
		rows[string(key)] = row
	}
	return rows, repeated
}
