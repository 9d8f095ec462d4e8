package itc

import (
	"slices"

	"ocigate/translate"
)

// tenantLists are the lists of one resource at the level of a tenant.
type tenantLists struct {
	resource *resource
	// all lists what the tenant has, and free what of it no group has or, in an
	// enterprise, no user.
	all, free translate.FactListings
	allBody   *translate.Shape // of the first; that of the second is the resource's
}

// TenantNumbers lists the tenant's number ranges.
func (s *Service) TenantNumbers() translate.Query { return s.tenantAll(&tenantRanges) }

// TenantAvailableNumbers lists the tenant's number ranges that are free.
func (s *Service) TenantAvailableNumbers() translate.Query { return s.tenantFree(&tenantRanges) }

// TenantPrefixes lists the tenant's prefixes.
func (s *Service) TenantPrefixes() translate.Query { return s.tenantAll(&tenantPrefixes) }

// TenantAvailablePrefixes lists the tenant's prefixes that are free.
func (s *Service) TenantAvailablePrefixes() translate.Query { return s.tenantFree(&tenantPrefixes) }

func (s *Service) tenantAll(l *tenantLists) translate.Query {
	return s.tenantList(l, l.all, l.allBody)
}

func (s *Service) tenantFree(l *tenantLists) translate.Query {
	return s.tenantList(l, l.free, l.resource.availableBody)
}

func (s *Service) tenantList(l *tenantLists, listings translate.FactListings, body *translate.Shape) translate.Query {
	return &translate.FactListQuery{
		Engine: s.engine, Context: tenantContext, Listings: listings, Response: body, Errors: l.resource.errors,
	}
}

var (
	tenantRanges = tenantLists{
		resource: &numberRanges,
		all:      byMode(numberRanges.tenantAll, "EnterpriseRouteListEnterpriseTrunkNumberRangeGetSummaryListRequest"),
		free:     byMode(numberRanges.tenantFree, "EnterpriseRouteListEnterpriseTrunkNumberRangeGetAvailableListRequest"),
		allBody:  listOf(numbersKey, slices.Concat(rangeFields, tenantOwnerFields, rangeStateFields)...),
	}
	tenantPrefixes = tenantLists{
		resource: &numberPrefixes,
		all:      byMode(numberPrefixes.tenantAll, "EnterpriseRouteListEnterpriseTrunkNumberPrefixGetSummaryListRequest"),
		free:     byMode(numberPrefixes.tenantFree, "EnterpriseRouteListEnterpriseTrunkNumberPrefixGetAvailableListRequest"),
		allBody:  listOf(prefixesKey, slices.Concat(prefixFields, tenantOwnerFields, prefixStateFields)...),
	}
)

// byMode are the listings of both modes. The two commands are answered with tables
// of the same names and keys.
func byMode(serviceProvider translate.Listing, enterpriseCommand string) translate.FactListings {
	enterprise := serviceProvider
	enterprise.Command = enterpriseCommand
	return translate.FactListings{Question: modeQuestion.Name, Listings: []translate.FactListing{
		{Fact: translate.ServiceProviderMode, Listing: serviceProvider},
		{Fact: translate.EnterpriseMode, Listing: enterprise},
	}}
}

// tenantOwnerFields say who has a range or prefix of a tenant: the members of a
// group's list, as far as the platform's table has them. The table of a service
// provider names the group alone.
var tenantOwnerFields = func() []translate.Field {
	fields := slices.Clone(ownerFields)
	for i := range fields {
		f := &fields[i]
		f.Optional = true
		switch f.Kind {
		case translate.GroupID:
			f.Kind = translate.Text // a tenant's target names no group
		case translate.Department:
			f.Kind = translate.EnterpriseDepartment
		}
	}
	return fields
}()
