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

// reasonsPatience is how long the reading of the reasons may take. The answer
// does not depend on them, so it must not wait for a platform that is slow.
const reasonsPatience = 3 * time.Second

// The reasons for which a change cannot be made to an entry. That of an entry
// which the tenant does not have is the resource's own.
const (
	assignedElsewhere = "is assigned to another group" // which one is never said
	assignedHere      = "is already assigned to this group"
	notAssignedHere   = "is not assigned to this group"
	notFree           = "is not free in the tenant"
	notTheEnd         = "is not the end of its range"
)

// fault is an entry to which a change cannot be made.
type fault struct {
	entry   translate.Entry
	pointer string // its place in the body
	reason  string // "" where the entry was not in the list that was read
}

// notListed is the fault of an entry that is not in the list that the change
// takes from. place is its index in the body.
func (r *resource) notListed(place int, e translate.Entry) fault {
	return fault{entry: e, pointer: r.pointer(place, r.start)}
}

// endDiffers is the fault of an entry whose range ends elsewhere. The reason may
// hold the end: the list has only what is free in the tenant or the group's own,
// and a caller who may write in the group may see both. end is empty where the
// list does not have it.
func (r *resource) endDiffers(place int, e translate.Entry, end string) fault {
	reason := notTheEnd
	if end != "" {
		reason += ", which ends at " + end
	}
	return fault{entry: e, pointer: r.pointer(place, r.end), reason: reason}
}

// pointer is the JSON pointer to a value of an entry.
func (r *resource) pointer(place int, key string) string {
	return fmt.Sprintf("/%s/%d/%s", r.list, place, key)
}

// notAvailable is the error for faults, which are in the order of the body. It
// names the entries, and gives the reason of each as far as there is room. The
// reasons may take one more reading. Where that fails or takes too long, the error
// is the same and its reasons are general. Only the end of ctx is another error.
func (c change) notAvailable(ctx context.Context, group scope.Target, faults []fault) error {
	owners, err := c.owners(ctx, group, faults)
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

// owners maps entries of a tenant to the groups that have them.
type owners struct {
	read bool              // whether the rest is known
	by   map[string]string // the group's id by the entry's key, "" for none; only entries that the tenant has
}

// owners reads which group has each entry whose reason is not known yet. There is
// no reading where there is no such entry, and no result where the platform does
// not answer in time.
func (c change) owners(ctx context.Context, group scope.Target, faults []fault) (owners, error) {
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
	patient, cancel := patience(ctx)
	defer cancel()
	table, err := c.engine.Table(patient, group, all)
	switch {
	case err != nil && ctx.Err() != nil:
		return owners{}, err
	case err != nil || table.Column(groupIDHeading) == oci.NoColumn:
		return owners{}, nil // reasons are a help: the answer does not depend on them
	}
	found := owners{read: true, by: make(map[string]string, len(keys))}
	rows, repeated := rowsOf(table, all.Key, keys)
	if repeated != "" {
		return owners{}, nil // it is not clear which group has it
	}
	for key, row := range rows {
		found.by[key] = row.Cell(table.Column(groupIDHeading))
	}
	return found, nil
}

// patience limits ctx to reasonsPatience, and to half of the time that is left
// until the caller's deadline: a caller must get the answer before that.
func patience(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := reasonsPatience
	if deadline, limited := ctx.Deadline(); limited {
		limit = min(limit, time.Until(deadline)/2)
	}
	return context.WithTimeout(ctx, limit)
}

// reason is why the change cannot be made to an entry that was not in the list
// that the change takes from. The owners were read later than that list: where
// they now show the entry as the list would have it, or were not read, the
// reason is the general one, which was true of the list.
func (c change) reason(group scope.Target, owners owners, key string) string {
	owner, inTenant := owners.by[key]
	switch {
	case owners.read && !inTenant:
		return c.resource.unknown
	case owner != "" && owner != group.GroupID:
		return assignedElsewhere
	case owner != "" && c.assigns && !c.keeps:
		return assignedHere
	case c.assigns:
		return notFree
	}
	return notAssignedHere
}
