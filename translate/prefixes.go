package translate

import (
	"context"
	"slices"

	"ocigate/translate/scope"
)

const prefixHeading = "Number Prefix"

// A prefix is spelled as on the platform.
var ownPrefixFields = slices.Concat(
	[]field{
		{"prefix", prefixHeading, text},
	},
	ownerFields,
	[]field{
		{"active", "Is Active", boolean},
		{"extensionRangeStart", "Extension Range Start", text},
		{"extensionRangeEnd", "Extension Range End", text},
	},
)

var availablePrefixFields = []field{
	{"prefix", prefixHeading, text},
	{"active", "Is Active", boolean},
	{"extensionRangeStart", "Extension Range Start", text},
	{"extensionRangeEnd", "Extension Range End", text},
}

var numberPrefixes = resource{
	form:  form{list: "prefixes", start: "prefix"},
	start: prefixHeading,
	own: listCommand{
		command: "GroupRouteListEnterpriseTrunkNumberPrefixGetSummaryListRequest",
		table:   "numberPrefixSummaryTable",
		key:     prefixHeading,
		ofGroup: true,
		name:    "prefixes",
		fields:  ownPrefixFields,
	},
	groupFree: listCommand{
		command: "GroupRouteListEnterpriseTrunkNumberPrefixGetAvailableListRequest",
		table:   "availableNumberPrefixTable",
		key:     prefixHeading,
		ofGroup: true,
		name:    "available_prefixes",
		fields:  availablePrefixFields,
	},
	tenantFree: listCommand{
		command: "ServiceProviderRouteListEnterpriseTrunkNumberPrefixGetAvailableListRequest",
		table:   "availableNumberPrefixTable",
		key:     prefixHeading,
		name:    "available_prefixes",
		fields:  availablePrefixFields,
	},
	tenantAll: listCommand{
		command: "ServiceProviderRouteListEnterpriseTrunkNumberPrefixGetSummaryListRequest",
		table:   "prefixSummaryTable",
		key:     prefixHeading,
	},
	assign:      "GroupRouteListEnterpriseTrunkNumberPrefixAssignListRequest",
	unassign:    "GroupRouteListEnterpriseTrunkNumberPrefixUnassignListRequest",
	element:     "numberPrefix",
	unavailable: "The prefix provided is not available to the groups of this Tenant.",
	unknown:     "is not a prefix that the tenant has",
}

// Prefixes lists the group's prefixes.
func (s *ITC) Prefixes(ctx context.Context, group scope.Target) (*List, error) {
	return s.query(ctx, group, numberPrefixes.own)
}

// AvailablePrefixes lists the prefixes that are free.
func (s *ITC) AvailablePrefixes(ctx context.Context, group scope.Target) (*List, error) {
	return s.query(ctx, group, s.available(&numberPrefixes))
}

// AssignPrefixes gives the group prefixes that its tenant has free.
func (s *ITC) AssignPrefixes() Change { return s.assign(&numberPrefixes) }

// RemovePrefixes takes prefixes from the group.
func (s *ITC) RemovePrefixes() Change { return s.unassign(&numberPrefixes) }
