package translate

import (
	"context"
	"fmt"
	"time"

	"ocigate/oci"
	"ocigate/translate/errcode"
)

// AvailableFrom chooses what a group's lists of available numbers and prefixes
// hold.
type AvailableFrom string

// The choices. The documents of the API leave it open which of them they mean.
const (
	// AvailableFromGroup lists what is the group's own and that no user has.
	AvailableFromGroup AvailableFrom = "group"
	// AvailableFromTenant lists what is the tenant's and that no group has.
	AvailableFromTenant AvailableFrom = "tenant"
)

// Options are what [NewITC] needs. Only the Reader must be there.
type Options struct {
	Reader Reader
	// AvailableFrom is AvailableFromGroup where it is empty.
	AvailableFrom AvailableFrom
	// ContextTTL is how long it is remembered that a group has the service.
	// With 0 the platform is asked for every request.
	ContextTTL time.Duration
	// PlatformErrors is NewPlatformErrors(nil) where it is nil.
	PlatformErrors PlatformErrors
	// Charset is what the platform can hold of tenant and group ids; where it
	// is nil, everything.
	Charset Charset
}

// ITC is immediate trunking connectivity at the level of a group: the number
// ranges and prefixes that the platform routes to trunk users without a
// configuration for each number. The platform's name for it is Route List. An
// ITC may be used by several goroutines at a time.
//
// Its methods are of type [Query] and [Change].
type ITC struct {
	reader     Reader
	fromTenant bool
	contexts   *contexts
	errors     PlatformErrors
	charset    Charset
}

// NewITC makes the service. Its error tells an AvailableFrom that does not
// exist.
func NewITC(o Options) (*ITC, error) {
	switch o.AvailableFrom {
	case "", AvailableFromGroup, AvailableFromTenant:
	default:
		return nil, fmt.Errorf("translate: AvailableFrom is %q: %s or %s is needed",
			o.AvailableFrom, AvailableFromGroup, AvailableFromTenant)
	}
	known, err := newContexts(o.ContextTTL)
	if err != nil {
		return nil, err
	}
	if o.PlatformErrors == nil {
		o.PlatformErrors = NewPlatformErrors(nil)
	}
	return &ITC{
		reader:     o.Reader,
		fromTenant: o.AvailableFrom == AvailableFromTenant,
		contexts:   known,
		errors:     o.PlatformErrors,
		charset:    o.Charset,
	}, nil
}

// resource is all in which number ranges and prefixes differ.
type resource struct {
	form form
	// The headings of the columns that hold an entry's start and end, the
	// latter "" where it has none.
	start, end string
	own        listCommand // what the group has
	groupFree  listCommand // what of it no user has
	tenantFree listCommand // what of the tenant no group has
	// The commands of a change, and their element that names an entry.
	assign, unassign, element string
	unavailable               string // the text of NotAvailableForAssignment
}

// listCommand is a command that lists ranges or prefixes, and what the API
// makes of its answer.
type listCommand struct {
	command string
	table   string // the element of the reply
	key     string // the heading of the column that identifies a row
	ofGroup bool   // the command names the group, not the tenant alone

	name   string  // the key of the answer's list
	fields []field // of each object in it, in the documents' order
}

// ownerFields tell who has a range or prefix. Without a user all but the group
// is empty.
var ownerFields = []field{
	{"groupId", "Group Id", groupID},
	{"userId", "User Id", text},
	{"lastName", "Last Name", text},
	{"firstName", "First Name", text},
	{"phoneNumber", "Phone Number", phoneNumber},
	{"extension", "Extension", text},
	{"department", "Department", department},
	{"emailAddress", "Email Address", text},
	{"enterpriseTrunk", "Enterprise Trunk", text},
}

func (l listCommand) read(group Group) oci.Read {
	elements := group.elements()
	if !l.ofGroup {
		elements = elements[:1]
	}
	return oci.NewRead(l.command, elements...)
}

// query lists for a request that has no body.
func (s *ITC) query(ctx context.Context, group Group, l listCommand) (*List, error) {
	if problems := group.Problems(s.charset); len(problems) > 0 {
		return nil, errcode.Invalid(errcode.InvalidParameters, problems...)
	}
	table, err := s.tableInContext(ctx, group, l)
	if err != nil {
		return nil, err
	}
	list, err := newList(l, group, table)
	if err != nil {
		return nil, err
	}
	if err := s.nameDepartments(ctx, group, list); err != nil {
		return nil, err
	}
	return list, nil
}

// available is the list that the endpoint of available entries reads.
func (s *ITC) available(r *resource) listCommand {
	if s.fromTenant {
		return r.tenantFree
	}
	return r.groupFree
}

// assign plans to give the group what its tenant has free.
func (s *ITC) assign(ctx context.Context, group Group, body []byte, r *resource) (*Plan, error) {
	return s.change(ctx, group, body, r, r.assign, r.tenantFree)
}

// unassign plans to take from the group what is its own.
func (s *ITC) unassign(ctx context.Context, group Group, body []byte, r *resource) (*Plan, error) {
	return s.change(ctx, group, body, r, r.unassign, r.own)
}

// change plans a command for entries that all must be in a list.
func (s *ITC) change(ctx context.Context, group Group, body []byte, r *resource, command string, from listCommand) (*Plan, error) {
	entries, err := r.form.decode(body, group.Problems(s.charset))
	if err != nil {
		return nil, err
	}
	table, err := s.tableInContext(ctx, group, from)
	if err != nil {
		return nil, err
	}
	starts, err := r.choose(entries, table)
	if err != nil {
		return nil, err
	}
	return r.plan(command, group, entries, starts), nil
}

// choose finds the entries in the table and spells them as the platform does.
// Since the platform is told the start of a range alone, an end that the
// caller gives must be the range's own.
func (r *resource) choose(entries []entry, table *oci.Table) ([]string, error) {
	rows := rowsOf(entries, table, r.start)
	start, end := table.Column(r.start), table.Column(r.end)
	var starts, blamed []string
	for _, e := range entries {
		row, ok := rows[canonical(e.start)]
		if !ok || e.end != "" && canonical(e.end) != canonical(row.Cell(end)) {
			blamed = append(blamed, e.start)
			continue
		}
		starts = append(starts, row.Cell(start))
	}
	if len(blamed) > 0 {
		return nil, &errcode.Error{Code: errcode.NotAvailableForAssignment, Message: r.unavailable, Entries: blamed}
	}
	return starts, nil
}

// rowsOf finds the rows of the entries, by the canonical form of their start.
// What it takes of memory goes by the entries: a tenant's table may be large.
func rowsOf(entries []entry, table *oci.Table, heading string) map[string]oci.Row {
	wanted := make(map[string]bool, len(entries))
	for _, e := range entries {
		wanted[canonical(e.start)] = true
	}
	rows := make(map[string]oci.Row, len(entries))
	start := table.Column(heading)
	var key []byte
	for row := range table.Rows() {
		key = appendCanonical(key[:0], row.Cell(start))
		if wanted[string(key)] {
			rows[string(key)] = row
		}
	}
	return rows
}

// plan makes the command from the platform's spelling of the entries.
func (r *resource) plan(command string, group Group, entries []entry, starts []string) *Plan {
	callers := make([]string, len(entries))
	for i, e := range entries {
		callers[i] = e.start
	}
	elements := append(group.elements(), oci.Texts(r.element, starts)...)
	return &Plan{
		Command:     oci.NewWrite(command, elements...),
		Entries:     callers,
		unavailable: r.unavailable,
	}
}

// read asks the platform. Its errors wrap the Reader's.
func (s *ITC) read(ctx context.Context, commands ...oci.Read) ([]oci.Reply, error) {
	replies, err := s.reader.Read(ctx, commands...)
	if err != nil {
		return nil, fmt.Errorf("translate: asking %s: %w", commands[0].Name(), err)
	}
	if len(replies) != len(commands) {
		return nil, errcode.Because(errcode.PlatformError,
			fmt.Errorf("translate: %d commands got %d replies", len(commands), len(replies)))
	}
	return replies, nil
}
