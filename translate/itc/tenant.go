package itc

import (
	"slices"

	"ocigate/translate"
)

// tenantLists are the lists of one resource at the level of a tenant.
type tenantLists struct {
	resource *resource
	// all lists what the tenant has. free lists what of it no group has or, in an
	// enterprise, no user.
	all, free translate.FactListings
	allBody   *translate.Shape // of all; that of free is the resource's
}

// TenantNumbers returns the query that lists the tenant's number ranges.
func (s *Service) TenantNumbers() translate.Query { return s.tenantAll(&tenantRanges) }

// TenantAvailableNumbers returns the query that lists the tenant's number ranges
// that are free.
func (s *Service) TenantAvailableNumbers() translate.Query { return s.tenantFree(&tenantRanges) }

// TenantPrefixes returns the query that lists the tenant's prefixes.
func (s *Service) TenantPrefixes() translate.Query { return s.tenantAll(&tenantPrefixes) }

// TenantAvailablePrefixes returns the query that lists the tenant's prefixes that
// are free.
func (s *Service) TenantAvailablePrefixes() translate.Query { return s.tenantFree(&tenantPrefixes) }

func (s *Service) tenantAll(l *tenantLists) translate.Query {
	return s.tenantList(l, l.all, l.allBody)
}

func (s *Service) tenantFree(l *tenantLists) translate.Query {
	return s.tenantList(l, l.free, l.resource.availableBody)
}

func (s *Service) tenantList(l *tenantLists, listings translate.FactListings, body *translate.Shape) translate.Query {
	return &translate.FactListQuery{
		Engine: s.engine, Context: tenantContext, Listings: listings, Response: body, Filters: listFilters, Errors: l.resource.errors,
	}
}

var (
	tenantRanges = tenantLists{
		resource: &numberRanges,
		all:      byMode(numberRanges.tenantAll, "EnterpriseRouteListEnterpriseTrunkNumberRangeGetSummaryListRequest"),
		free:     byMode(numberRanges.tenantFree, "EnterpriseRouteListEnterpriseTrunkNumberRangeGetAvailableListRequest"),
		allBody:  listOf("ItcTenantNumbers", "ItcTenantNumber", numbersKey, slices.Concat(rangeFields, tenantOwnerFields, rangeStateFields)...),
	}
	tenantPrefixes = tenantLists{
		resource: &numberPrefixes,
		all:      byMode(numberPrefixes.tenantAll, "EnterpriseRouteListEnterpriseTrunkNumberPrefixGetSummaryListRequest"),
		free:     byMode(numberPrefixes.tenantFree, "EnterpriseRouteListEnterpriseTrunkNumberPrefixGetAvailableListRequest"),
		allBody:  listOf("ItcTenantPrefixes", "ItcTenantPrefix", prefixesKey, slices.Concat(prefixFields, tenantOwnerFields, prefixStateFields)...),
	}
)

// byMode returns the listings of both modes. The replies to the two commands have
// tables of the same names and keys.
func byMode(serviceProvider translate.Listing, enterpriseCommand string) translate.FactListings {
	enterprise := serviceProvider
	enterprise.Command = enterpriseCommand
	return translate.FactListings{Question: modeQuestion.Name, Listings: []translate.FactListing{
		{Fact: translate.ServiceProviderMode, Listing: serviceProvider},
		{Fact: translate.EnterpriseMode, Listing: enterprise},
	}}
}

// tenantOwnerFields are the ownerFields of a tenant's list. All are optional,
// since the table of a service provider names the group alone.
var tenantOwnerFields = func() []translate.Field {
	fields := slices.Clone(ownerFields)
	for i := range fields {
		f := &fields[i]
		f.Optional = true
		switch f.Kind {
		case translate.GroupID:
			f.Kind = translate.Text // the target of a tenant has no group
			f.Doc = "The group that has it; empty if none does."
		case translate.Department:
			f.Kind = translate.EnterpriseDepartment
		}
	}
	return fields
}()
