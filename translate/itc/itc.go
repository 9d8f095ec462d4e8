// Package itc is the service immediate trunking connectivity: the number ranges
// and prefixes that the platform routes to trunk users without a configuration
// for each number. The platform's name for it is Route List. Ranges and prefixes
// belong to a tenant. A service provider assigns them to its groups; an
// enterprise has no such assignment. Users of a group possess them.
//
// [New] returns a [Service] that uses an engine. Its methods return the
// translate.Query or translate.Change of each route:
//
//	service, err := itc.New(engine, itc.Options{})
//	if err != nil {
//		return err
//	}
//	body, err := service.Numbers().Read(ctx, target, nil)
//
// [Service.Observer] reads back the results of changes.
//
// A request passes the same parts at each level. A context checks the target
// first: groupContext, tenantContext or userContext. A resource, of number ranges
// or of prefixes, has everything in which the two differ: commands, columns,
// bodies and messages. A list is a listing of the resource with a shape. A change
// decodes its entries, plans them by the platform's own lists, and is rejected
// completely, with a reason for each entry at fault. Since OCI names a range by
// its start alone, an end that the caller gives must be the end of that range.
//
// A request for a list may filter, sort and page it: listFilters and the Word of
// each field declare by what. The gateway does this itself and reads the complete
// list from the platform. Some commands of the platform have search criteria. They
// are not used: which commands have them, which letters they take for equal, and
// where they cut a list would depend on the release, and a total could not be
// known.
//
// Package translate sends the reads, decodes bodies, writes responses and
// compares values. Package gateway has the table of routes, and decides who may
// use them.
package itc

import (
	"fmt"

	"ocigate/translate"
)

// AvailableFrom selects what a group's lists of available numbers and prefixes
// have.
type AvailableFrom string

// The choices. The documents of the API do not specify which of them they mean.
const (
	// AvailableFromGroup lists what the group has and no user possesses. It
	// cannot be assigned to a group again.
	AvailableFromGroup AvailableFrom = "group"
	// AvailableFromTenant lists what the tenant has and no group has. It can be
	// assigned.
	AvailableFromTenant AvailableFrom = "tenant"
)

// Options configure a [Service]. The zero value is valid.
type Options struct {
	// AvailableFrom is AvailableFromGroup if it is empty.
	AvailableFrom AvailableFrom
}

// A Service is the service on one platform. It is safe for concurrent use.
type Service struct {
	engine     *translate.Engine
	fromTenant bool
}

// New returns the service. The error names an AvailableFrom that does not exist.
func New(engine *translate.Engine, o Options) (*Service, error) {
	switch o.AvailableFrom {
	case "", AvailableFromGroup, AvailableFromTenant:
	default:
		return nil, fmt.Errorf("itc: AvailableFrom is %q, but must be %s or %s",
			o.AvailableFrom, AvailableFromGroup, AvailableFromTenant)
	}
	return &Service{engine: engine, fromTenant: o.AvailableFrom == AvailableFromTenant}, nil
}

// Numbers returns the query that lists the group's number ranges.
func (s *Service) Numbers() translate.Query { return s.list(&numberRanges) }

// AvailableNumbers returns the query that lists the available number ranges.
func (s *Service) AvailableNumbers() translate.Query { return s.available(&numberRanges) }

// AssignNumbers returns the change that gives the group number ranges that are
// free in its tenant.
func (s *Service) AssignNumbers() translate.Change { return s.assign(&numberRanges) }

// RemoveNumbers returns the change that takes number ranges from the group.
func (s *Service) RemoveNumbers() translate.Change { return s.unassign(&numberRanges) }

// Prefixes returns the query that lists the group's prefixes.
func (s *Service) Prefixes() translate.Query { return s.list(&numberPrefixes) }

// AvailablePrefixes returns the query that lists the available prefixes.
func (s *Service) AvailablePrefixes() translate.Query { return s.available(&numberPrefixes) }

// AssignPrefixes returns the change that gives the group prefixes that are free
// in its tenant.
func (s *Service) AssignPrefixes() translate.Change { return s.assign(&numberPrefixes) }

// RemovePrefixes returns the change that takes prefixes from the group.
func (s *Service) RemovePrefixes() translate.Change { return s.unassign(&numberPrefixes) }

// list returns the query that lists what the group has.
func (s *Service) list(r *resource) translate.Query {
	return &translate.ListQuery{Engine: s.engine, Context: groupContext, Listing: r.own, Response: r.ownBody, Filters: listFilters, Errors: r.errors}
}

// available returns the query that lists what is available, as the options define
// it.
func (s *Service) available(r *resource) translate.Query {
	q := &translate.ListQuery{
		Engine: s.engine, Context: groupContext, Response: r.availableBody, Filters: listFilters, Errors: r.errors,
		Listing: r.groupFree, Others: []translate.Listing{r.tenantFree},
	}
	if s.fromTenant {
		q.Listing, q.Others[0] = q.Others[0], q.Listing
	}
	return q
}
