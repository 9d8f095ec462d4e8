package itc

import (
	"context"
	"fmt"
	"time"

	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// reasonsTimeout limits the reading of the reasons. The error is complete without
// them, so it must not wait for a slow platform.
const reasonsTimeout = 3 * time.Second

// The reasons for which an entry cannot be changed. The reason of an entry that
// the tenant does not have is a field of the resource.
const (
	assignedElsewhere = "is assigned to another group" // which one is never shown
	assignedHere      = "is already assigned to this group"
	notAssignedHere   = "is not assigned to this group"
	notFree           = "is not free in the tenant"
	notTheEnd         = "is not the end of its range"
)

// A fault is an entry that cannot be changed.
type fault struct {
	entry   translate.Entry
	pointer string // to its place in the body
	reason  string // "" if the entry was not in the list that was read
}

// notListed returns the fault of an entry that is not in the list that the change
// takes from. index is its index in the body.
func (r *resource) notListed(index int, e translate.Entry) fault {
	return fault{entry: e, pointer: r.pointer(index, r.start)}
}

// endDiffers returns the fault of an entry whose range ends elsewhere. The reason
// may show the end: the list only has what is free in the tenant or the group's
// own, and a caller who may write in the group may see both. end is empty if the
// list does not have it.
func (r *resource) endDiffers(index int, e translate.Entry, end string) fault {
	reason := notTheEnd
	if end != "" {
		reason += ", which ends at " + end
	}
	return fault{entry: e, pointer: r.pointer(index, r.end), reason: reason}
}

// pointer returns the JSON pointer of a member of an entry.
func (r *resource) pointer(index int, key string) string {
	return fmt.Sprintf("/%s/%d/%s", r.list, index, key)
}

// notAvailable returns the error for faults, which are in the order of the body.
// It names the entries, and the reason of each up to the limit of problems. It
// may read the platform once more, for the reasons. If that fails or takes too
// long, the error has general reasons. Only if ctx has ended is the error another
// one.
func (c change) notAvailable(ctx context.Context, group scope.Target, faults []fault) error {
	owners, err := c.readOwners(ctx, group, faults)
	if err != nil {
		return err
	}
	refusal := &errcode.Error{Code: errcode.NotAvailableForAssignment, Message: c.resource.unavailable}
	var problems translate.Problems
	for _, f := range faults {
		if f.reason == "" {
			f.reason = c.reason(group, owners, f.entry.Key)
		}
		refusal.Entries = append(refusal.Entries, f.entry.Given)
		problems.Add(f.pointer, f.reason)
	}
	refusal.Problems = problems
	return refusal
}

// owners are the groups that have entries of a tenant.
type owners struct {
	read bool              // whether by is known
	by   map[string]string // group id by the entry's key, "" for no group; only what the tenant has
}

// readOwners reads which group has each entry without a reason. It reads nothing
// if there is no such entry, and returns no owners if the platform does not
// answer in time.
func (c change) readOwners(ctx context.Context, group scope.Target, faults []fault) (owners, error) {
	var keys []string
	for _, f := range faults {
		if f.reason == "" {
			keys = append(keys, f.entry.Key)
		}
	}
	if len(keys) == 0 {
		return owners{}, nil
	}
	all := c.resource.tenantAll
	limited, cancel := withReasonsTimeout(ctx)
	defer cancel()
	table, err := c.engine.Table(limited, group, all)
	switch {
	case err != nil && ctx.Err() != nil:
		return owners{}, err
	case err != nil || table.Column(groupIDHeading) == oci.NoColumn:
		return owners{}, nil // the error is complete without reasons
	}
	found := owners{read: true, by: make(map[string]string, len(keys))}
	rows, repeated := rowsOf(table, all.Key, keys)
	if repeated != "" {
		return owners{}, nil // which group has it is unknown
	}
	for key, row := range rows {
		found.by[key] = row.Cell(table.Column(groupIDHeading))
	}
	return found, nil
}

// withReasonsTimeout limits ctx to reasonsTimeout, and to half of the time until
// the caller's deadline: the caller must get the response before that.
func withReasonsTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := reasonsTimeout
	if deadline, limited := ctx.Deadline(); limited {
		limit = min(limit, time.Until(deadline)/2)
	}
	return context.WithTimeout(ctx, limit)
}

// reason returns why an entry cannot be changed that was not in the list that the
// change takes from. The owners were read later than that list. If they were not
// read, or now show the entry as the list would have it, the reason is the
// general one, which was true of the list.
func (c change) reason(group scope.Target, owners owners, key string) string {
	owner, inTenant := owners.by[key]
	switch {
	case owners.read && !inTenant:
		return c.resource.unknown
	case owner != "" && owner != group.GroupID:
		return assignedElsewhere
	case owner != "" && c.assigns && !c.mayBeAssigned:
		return assignedHere
	case c.assigns:
		return notFree
	}
	return notAssignedHere
}
