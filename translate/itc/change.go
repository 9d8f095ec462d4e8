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

// change is the Change that assigns or removes entries of one resource.
type change struct {
	engine        *translate.Engine
	resource      *resource
	command       string             // of the step
	source        *translate.Listing // lists the entries that the command may have
	assigns       bool               // the group has the entries afterwards
	mayBeAssigned bool               // the group may have them before
}

// assign returns the change that gives a group what is free in its tenant.
func (s *Service) assign(r *resource) translate.Change {
	return change{engine: s.engine, resource: r, command: r.assign, source: &r.tenantFree, assigns: true}
}

// unassign returns the change that takes from a group what it has.
func (s *Service) unassign(r *resource) translate.Change {
	return change{engine: s.engine, resource: r, command: r.unassign, source: &r.own}
}

// Describe implements [translate.Change].
func (c change) Describe() translate.Description {
	r := c.resource
	return translate.Description{
		Reads:    translate.ReadsOf(groupContext, r.own, r.tenantFree, r.tenantAll),
		Writes:   []string{c.command},
		Request:  r.changeBody,
		Response: translate.EmptyShape,
		Errors:   translate.CodesOnce([]*errcode.Code{errcode.NotAvailableForAssignment}, groupContext.Errors(), r.errors),
	}
}

// Decode implements [translate.Change].
func (c change) Decode(target scope.Target, body []byte) (*translate.Draft, error) {
	return c.resource.decode(c.engine, target, c.resource.changeBody, body)
}

// decode decodes a body whose shape has the list of the resource.
func (r *resource) decode(engine *translate.Engine, target scope.Target, shape *translate.Shape, body []byte) (*translate.Draft, error) {
	decoded, err := engine.Decode(shape, body)
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

// entryOf returns the entry of an item of a body.
func (r *resource) entryOf(item translate.Input) translate.Entry {
	given := item.Text(r.start)
	e := translate.Entry{Kind: r.kind, Given: given, Key: translate.Canonical(given)}
	if r.end != "" {
		e.End = item.Text(r.end)
	}
	return e
}

// Plan implements [translate.Change].
func (c change) Plan(ctx context.Context, draft *translate.Draft) (*translate.Plan, error) {
	table, err := c.engine.TableInContext(ctx, draft.Target, groupContext, *c.source)
	if err != nil {
		return nil, err
	}
	entries, faults, err := c.resource.matchRows(draft.Entries, table)
	if err != nil {
		return nil, err
	}
	if len(faults) > 0 {
		return nil, c.notAvailable(ctx, draft.Target, faults)
	}
	indexes := make([]int, len(entries))
	free, own := noGroup(), ofGroup(draft.Target.GroupID)
	for i := range entries {
		e := &entries[i]
		e.Before, e.After = own, free
		if c.assigns {
			e.Before, e.After = free, own
		}
		indexes[i] = i
	}
	plan := c.resource.newPlan(draft.Target, entries)
	c.resource.addStep(plan, c.command, indexes)
	return plan, nil
}

// newPlan returns a plan without steps.
func (r *resource) newPlan(target scope.Target, entries []translate.Entry) *translate.Plan {
	return &translate.Plan{
		Target: target, Entries: entries,
		Messages: map[*errcode.Code]string{errcode.NotAvailableForAssignment: r.unavailable},
	}
}

// addStep adds a step with the command for entries, which are given by their
// indexes in the plan. The command has them in the platform's spelling.
func (r *resource) addStep(plan *translate.Plan, command string, indexes []int) {
	starts := make([]string, len(indexes))
	for i, index := range indexes {
		e := &plan.Entries[index]
		e.Step = len(plan.Steps) + 1
		starts[i] = e.Start
	}
	elements := append(translate.GroupElements(plan.Target), oci.Texts(r.element, starts)...)
	plan.Steps = append(plan.Steps, translate.Step{Command: oci.NewWrite(command, elements...), Entries: indexes})
}

// matchRows finds the entries in the table and sets their spelling to the
// platform's. Since a command names a range by its start alone, an end that the
// caller gives must be the end of that range. The entries and the faults are in
// the order of the body. The error reports a table that has an entry twice.
func (r *resource) matchRows(entries []translate.Entry, table *oci.Table) (chosen []translate.Entry, faults []fault, err error) {
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
		if f, differs := r.setSpelling(&e, i, row.Cell(start), row.Cell(end)); differs {
			faults = append(faults, f)
			continue
		}
		chosen = append(chosen, e)
	}
	return chosen, faults, nil
}

// setSpelling sets the spelling of an entry, which has that index in the body, to
// the platform's. It returns a fault and true if the caller gave another end.
func (r *resource) setSpelling(e *translate.Entry, index int, start, end string) (fault, bool) {
	if last := translate.Canonical(end); e.End != "" && translate.Canonical(e.End) != last {
		return r.endDiffers(index, *e, last), true
	}
	// A cell shares the memory of its table, which must not be kept as long as
	// the plan.
	e.Start, e.End = strings.Clone(start), strings.Clone(end)
	return fault{}, false
}

// severalRows returns the error for a table that has an entry several times.
func (r *resource) severalRows(key string) error {
	return errcode.Wrap(errcode.PlatformError, fmt.Errorf("itc: several rows have %.32q in column %q", key, r.startHeading))
}

// keysOf returns the keys of the entries, in their order.
func keysOf(entries []translate.Entry) []string {
	keys := make([]string, len(entries))
	for i, e := range entries {
		keys[i] = e.Key
	}
	return keys
}

// keysIn returns the keys of a table, in its order: the canonical forms of the
// cells of that column.
func keysIn(table *oci.Table, heading string) []string {
	var keys []string
	start := table.Column(heading)
	for row := range table.Rows() {
		keys = append(keys, translate.Canonical(row.Cell(start)))
	}
	return keys
}

// rowsOf returns the rows with those keys, which are canonical forms of the cells
// of that column. repeated is a key that several rows have, or "". The memory
// that it takes depends on the number of keys, not on the size of the table,
// since the table of a tenant may be large.
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
