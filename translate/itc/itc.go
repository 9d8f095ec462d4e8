// Package itc is immediate trunking connectivity: the number ranges and prefixes
// that the platform routes to trunk users without a configuration for each number.
// The platform's name for it is Route List. Ranges and prefixes belong to a tenant.
// A service provider assigns them to its groups; an enterprise has no such
// assignment. Users of a group possess them.
//
// A [Service] is made of an engine by [New]. It has a method for each endpoint, which
// returns a translate.Query or translate.Change for the gateway's table.
// [Service.Observer] reads back what became of changes.
//
// A request goes through the same parts at each level. A context says what must hold
// of the target first: groupContext, tenantContext or userContext. A resource, of
// number ranges or of prefixes, has everything in which the two differ: commands,
// columns, bodies and messages. A list is a listing of the resource with a shape. A
// change decodes its entries, plans them against the platform's own lists, and
// refuses all of it with a reason for each entry at fault. Since OCI names a range by
// its start alone, an end that the caller gives must be the range's own.
//
// How the engine asks, decodes, answers and compares is package translate's; which
// rows there are, and who may use them, is package gateway's.
package itc

import (
	"fmt"

	"ocigate/translate"
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

// Options are those of the service.
type Options struct {
	// AvailableFrom is AvailableFromGroup where it is empty.
	AvailableFrom AvailableFrom
}

// Service is the service on one platform. It may be used by several goroutines at
// a time.
type Service struct {
	engine     *translate.Engine
	fromTenant bool
}

// New makes the service. Its error names an AvailableFrom that does not exist.
func New(engine *translate.Engine, o Options) (*Service, error) {
	switch o.AvailableFrom {
	case "", AvailableFromGroup, AvailableFromTenant:
	default:
		return nil, fmt.Errorf("itc: AvailableFrom is %q: %s or %s is needed",
			o.AvailableFrom, AvailableFromGroup, AvailableFromTenant)
	}
	return &Service{engine: engine, fromTenant: o.AvailableFrom == AvailableFromTenant}, nil
}

// Numbers lists the group's number ranges.
func (s *Service) Numbers() translate.Query { return s.list(&numberRanges) }

// AvailableNumbers lists the number ranges that are free.
func (s *Service) AvailableNumbers() translate.Query { return s.available(&numberRanges) }

// AssignNumbers gives the group number ranges that its tenant has free.
func (s *Service) AssignNumbers() translate.Change { return s.assign(&numberRanges) }

// RemoveNumbers takes number ranges from the group.
func (s *Service) RemoveNumbers() translate.Change { return s.unassign(&numberRanges) }

// Prefixes lists the group's prefixes.
func (s *Service) Prefixes() translate.Query { return s.list(&numberPrefixes) }

// AvailablePrefixes lists the prefixes that are free.
func (s *Service) AvailablePrefixes() translate.Query { return s.available(&numberPrefixes) }

// AssignPrefixes gives the group prefixes that its tenant has free.
func (s *Service) AssignPrefixes() translate.Change { return s.assign(&numberPrefixes) }

// RemovePrefixes takes prefixes from the group.
func (s *Service) RemovePrefixes() translate.Change { return s.unassign(&numberPrefixes) }

// list lists what the group has.
func (s *Service) list(r *resource) translate.Query {
	return &translate.ListQuery{Engine: s.engine, Context: groupContext, Listing: r.own, Response: r.ownBody, Errors: r.errors}
}

// available lists what is free, in the sense that the options say.
func (s *Service) available(r *resource) translate.Query {
	q := &translate.ListQuery{
		Engine: s.engine, Context: groupContext, Response: r.availableBody, Errors: r.errors,
		Listing: r.groupFree, Others: []translate.Listing{r.tenantFree},
	}
	if s.fromTenant {
		q.Listing, q.Others[0] = q.Others[0], q.Listing
	}
	return q
}
