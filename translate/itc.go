package translate

import (
	"context"
	"fmt"
	"time"

	"ocigate/oci"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// AvailableFrom chooses what a group's lists of available numbers and prefixes
// hold.
type AvailableFrom string

// The choices. The documents of the API leave it open which of them they mean.
const (
	// AvailableFromGroup lists what is the group's own and that no user
	// possesses. It cannot be assigned again.
	AvailableFromGroup AvailableFrom = "group"
	// AvailableFromTenant lists what is the tenant's and that no group has. It
	// is what can be assigned.
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
	// PlatformErrors is NewPlatformErrors(nil) where it is its zero value.
	PlatformErrors PlatformErrors
	// Charset is what the platform can hold of tenant and group ids; where it
	// is nil, everything.
	Charset scope.Charset
}

// ITC is immediate trunking connectivity at the level of a group: the number
// ranges and prefixes that the platform routes to trunk users without a
// configuration for each number. The platform's name for it is Route List. An
// ITC may be used by several goroutines at a time.
//
// Its methods are of type [Query], or make a [Change]. The latter may be called
// on nil, but what they make then may not be used.
type ITC struct {
	reader     Reader
	fromTenant bool
	contexts   *contexts
	errors     PlatformErrors
	charset    scope.Charset
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
	if o.PlatformErrors.numbers == nil {
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
	tenantAll  listCommand // what the tenant has, and which group has it
	// The commands of a change, and their element that names an entry.
	assign, unassign, element string
	unavailable               string // the text of NotAvailableForAssignment
	unknown                   string // the reason of an entry that the tenant does not have
}

// listCommand is a command that lists ranges or prefixes, and what the API
// makes of its answer.
type listCommand struct {
	command string
	table   string // the element of the reply
	key     string // the heading of the column that identifies a row
	ofGroup bool   // the command names the group, not the tenant alone

	// For a list that an endpoint answers with:
	name   string  // the key of the answer's list
	fields []field // of each object in it, in the documents' order
}

// ownerFields tell who has a range or prefix. Without a user all but the group
// is empty.
var ownerFields = []field{
	{"groupId", groupIDHeading, groupID},
	{"userId", "User Id", text},
	{"lastName", "Last Name", text},
	{"firstName", "First Name", text},
	{"phoneNumber", "Phone Number", phoneNumber},
	{"extension", "Extension", text},
	{"department", "Department", department},
	{"emailAddress", "Email Address", text},
	{"enterpriseTrunk", "Enterprise Trunk", text},
}

func (l listCommand) read(group scope.Target) oci.Read {
	elements := elementsOf(group)
	if !l.ofGroup {
		elements = elements[:1]
	}
	return oci.NewRead(l.command, elements...)
}

// query lists for a request that has no body.
func (s *ITC) query(ctx context.Context, group scope.Target, l listCommand) (*List, error) {
	if problems := scope.Group.Problems(group, s.charset); len(problems) > 0 {
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
