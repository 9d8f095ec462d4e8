package translate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ocigate/oci"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// Change is one kind of change of what groups have, in three steps: Decode
// says what a request asks for, Plan how the platform is told to do it, and
// Observe what became of it. Only Plan and Observe ask the platform. A Change
// may be used by several goroutines at a time.
type Change interface {
	// Decode judges a request as far as that goes without the platform: body
	// and path together. Its error is of type [*errcode.Error] and tells all
	// problems at once.
	Decode(group scope.Target, body []byte) (*Draft, error)
	// Plan asks the platform whether the change may be made, and makes its
	// command: the group is judged first, then the entries. The draft, which
	// this Change decoded, stays as it is. Where entries are at fault, the
	// platform may be asked once more, for the reasons.
	//
	// Errors are of type [*errcode.Error], or wrap the Reader's. With any of
	// them there is no plan.
	Plan(ctx context.Context, draft *Draft) (*Plan, error)
	// Observe reads what is to be seen of the change now, for entries of the
	// group that are given by their keys ([Entry.Key]). These are enough: the
	// change may have been planned by another process.
	//
	// A group that does not exist any more or no longer has the service, or
	// whose tenant does not exist any more or is in Enterprise mode, has
	// nothing, and no effect of that reading is clear. With any other trouble
	// there is no reading: errors are of type [*errcode.Error], or wrap the
	// Reader's.
	Observe(ctx context.Context, group scope.Target, keys []string) (*Sight, error)
}

// Draft is a change that is asked for in the right form.
type Draft struct {
	Target scope.Target
	// Kind is what the entries are: "numbers" for number ranges or "prefixes".
	Kind string
	// Entries are in the order of the body, all of them, and no two have the
	// same key.
	Entries []Entry
}

// Entry is one number range or prefix of a change.
type Entry struct {
	// Given is the start of the range, or the prefix, as the caller wrote it.
	Given string
	// Key is the same by its + and digits alone. Entries of one kind and one
	// tenant are the same exactly if their keys are.
	Key string
	// Start is what Given stands for in the platform's spelling, which Plan
	// finds out.
	Start string
	// End is the end of the range: in a Draft as the caller wrote it, "" where
	// he did not, and in a Plan in the platform's spelling. That of a prefix
	// is "".
	End string
}

// Given are the entries as the caller wrote them, in their order.
func Given(entries []Entry) []string {
	given := make([]string, len(entries))
	for i, e := range entries {
		given[i] = e.Given
	}
	return given
}

// Keys are the keys of the entries, in their order.
func Keys(entries []Entry) []string {
	keys := make([]string, len(entries))
	for i, e := range entries {
		keys[i] = e.Key
	}
	return keys
}

// Plan is a change that passed every check. What becomes of it is told by
// [PlatformErrors.WriteResult].
type Plan struct {
	// Command does the whole change.
	Command oci.Write
	// Entries are those of the draft, in its order.
	Entries []Entry
	// From and To are the ids of the group that has the entries before and
	// after the change, "" for none of the tenant's groups.
	From, To string

	tenantID    string
	unavailable string // the text of NotAvailableForAssignment for these entries
}

// values are what the request has chosen of the command, in every spelling.
func (p *Plan) values() []string {
	values := []string{p.From, p.To, p.tenantID}
	for _, e := range p.Entries {
		values = append(values, e.Given, e.Key, e.Start, e.End)
	}
	return values
}

// Sight is one reading of what became of a change.
type Sight struct {
	// Endpoint names the platform's node that was read.
	Endpoint string
	// Effects has one effect for each key, in their order.
	Effects []Effect
}

// Effect is what one reading shows of one entry.
type Effect struct {
	// Seen tells that the group's own list shows what the change makes: the
	// entry is in it after an assignment, and not in it after a removal.
	Seen bool
	// Clear tells that the tenant's list of what is free agrees: the entry is
	// in one of the two lists and not in the other. An entry that is in
	// neither is another group's or exists no more.
	Clear bool
}

// change is the Change of one resource in one direction.
type change struct {
	itc      *ITC
	resource *resource
	command  string       // does it
	source   *listCommand // lists what it may be done to
	assigns  bool         // the group has the entries after it, not before
}

// assign gives a group what its tenant has free.
func (s *ITC) assign(r *resource) Change {
	return change{itc: s, resource: r, command: r.assign, source: &r.tenantFree, assigns: true}
}

// unassign takes from a group what is its own.
func (s *ITC) unassign(r *resource) Change {
	return change{itc: s, resource: r, command: r.unassign, source: &r.own}
}

func (c change) Decode(group scope.Target, body []byte) (*Draft, error) {
	entries, err := c.resource.form.decode(body, scope.Group.Problems(group, c.itc.charset))
	if err != nil {
		return nil, err
	}
	return &Draft{Target: group, Kind: c.resource.form.list, Entries: entries}, nil
}

func (c change) Plan(ctx context.Context, draft *Draft) (*Plan, error) {
	table, err := c.itc.tableInContext(ctx, draft.Target, *c.source)
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
	plan := &Plan{
		Command:     c.write(draft.Target, entries),
		Entries:     entries,
		From:        draft.Target.GroupID,
		tenantID:    draft.Target.TenantID,
		unavailable: c.resource.unavailable,
	}
	if c.assigns {
		plan.From, plan.To = plan.To, plan.From
	}
	return plan, nil
}

// write makes the command from the platform's spelling of the entries.
func (c change) write(group scope.Target, entries []Entry) oci.Write {
	starts := make([]string, len(entries))
	for i, e := range entries {
		starts[i] = e.Start
	}
	return oci.NewWrite(c.command, append(elementsOf(group), oci.Texts(c.resource.element, starts)...)...)
}

// Observe reads both lists and the group's context in one document, so that
// they come from one node of the platform and, as far as the protocol allows,
// from one moment. Only whether a tenant or group exists that the platform
// refused to speak of is asked afterwards. What is remembered of groups is
// neither used nor added to: it may be older than the change.
func (c change) Observe(ctx context.Context, group scope.Target, keys []string) (*Sight, error) {
	r := c.resource
	replies, err := c.itc.read(ctx, append(contextOf(group), r.own.read(group), r.tenantFree.read(group))...)
	if err != nil {
		return nil, err
	}
	// Without rows, nothing is in either list, and so nothing is clear.
	var own, free map[string]oci.Row
	switch err := c.itc.judgeContext(ctx, group, replies); {
	case err == nil:
		if own, err = c.itc.rowsIn(replies[2], group, r.own, keys); err != nil {
			return nil, err
		}
		if free, err = c.itc.rowsIn(replies[3], group, r.tenantFree, keys); err != nil {
			return nil, err
		}
	case !meansNothing(err):
		return nil, err
	}
	sight := &Sight{Endpoint: replies[0].Endpoint(), Effects: make([]Effect, len(keys))}
	for i, key := range keys {
		_, isOwn := own[key]
		_, isFree := free[key]
		sight.Effects[i] = Effect{Seen: isOwn == c.assigns, Clear: isOwn != isFree}
	}
	return sight, nil
}

// meansNothing tells whether an error of judgeContext means that the group has
// no ranges and prefixes at all.
func meansNothing(err error) bool {
	judged, ok := errors.AsType[*errcode.Error](err)
	return ok && slices.Contains([]*errcode.Code{
		errcode.TenantNotFound, errcode.NotAvailableInEnterpriseMode,
		errcode.GroupNotFound, errcode.ServiceNotAssigned,
	}, judged.Code)
}

// choose finds the entries in the table and spells them as the platform does.
// Since the platform is told the start of a range alone, an end that the
// caller gives must be the range's own. The entries are in the order of the
// body, and so are the faults. An error says that the table has an entry twice.
func (r *resource) choose(entries []Entry, table *oci.Table) (chosen []Entry, faults []fault, err error) {
	rows, repeated := rowsOf(table, r.start, Keys(entries))
	if repeated != "" {
		return nil, nil, errcode.Because(errcode.PlatformError,
			fmt.Errorf("translate: several rows under %q are about %.32q", r.start, repeated))
	}
	start, end := table.Column(r.start), oci.NoColumn
	if r.end != "" {
		end = table.Column(r.end)
	}
	chosen = make([]Entry, 0, len(entries))
	for i, e := range entries {
		row, listed := rows[e.Key]
		if !listed {
			faults = append(faults, r.notListed(i, e))
			continue
		}
		if last := canonical(row.Cell(end)); e.End != "" && canonical(e.End) != last {
			faults = append(faults, r.endDiffers(i, e, last))
			continue
		}
		// A cell is a piece of its table's text, which must not live as long
		// as the plan.
		e.Start, e.End = strings.Clone(row.Cell(start)), strings.Clone(row.Cell(end))
		chosen = append(chosen, e)
	}
	return chosen, faults, nil
}

// rowsIn finds the rows of the keys in the answer to a list's command.
func (s *ITC) rowsIn(reply oci.Reply, group scope.Target, l listCommand, keys []string) (map[string]oci.Row, error) {
	table, err := s.tableIn(reply, group, l.table, l.key)
	if err != nil {
		return nil, err
	}
	rows, _ := rowsOf(table, l.key, keys) // an entry that is there twice is there
	return rows, nil
}

// rowsOf finds the rows of the keys, which are canonical forms of what stands
// under the heading. repeated is one of them that several rows have, "" where
// there is none. What it takes of memory goes by the keys: a tenant's table may be
// large.
func rowsOf(table *oci.Table, heading string, keys []string) (rows map[string]oci.Row, repeated string) {
	wanted := make(map[string]bool, len(keys))
	for _, key := range keys {
		wanted[key] = true
	}
	rows = make(map[string]oci.Row, len(keys))
	start := table.Column(heading)
	var key []byte
	for row := range table.Rows() {
		key = appendCanonical(key[:0], row.Cell(start))
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
