package translate

import (
	"context"
	"slices"

	"ocigate/translate/scope"
)

const (
	rangeStartHeading = "Number Range Start"
	rangeEndHeading   = "Number Range End"
)

var ownNumberFields = slices.Concat(
	[]field{
		{"minPhoneNumber", rangeStartHeading, phoneNumber},
		{"maxPhoneNumber", rangeEndHeading, phoneNumber},
	},
	ownerFields,
	[]field{
		{"active", "Is Active", boolean},
		{"extensionLength", "Extension Length", text},
	},
)

var availableNumberFields = []field{
	{"minPhoneNumber", rangeStartHeading, phoneNumber},
	{"maxPhoneNumber", rangeEndHeading, phoneNumber},
	{"active", "Is Active", boolean},
	{"extensionLength", "Extension Length", text},
}

var numberRanges = resource{
	form:  form{list: "numbers", start: "minPhoneNumber", end: "maxPhoneNumber"},
	start: rangeStartHeading,
	end:   rangeEndHeading,
	own: listCommand{
		command: "GroupRouteListEnterpriseTrunkNumberRangeGetSummaryListRequest",
		table:   "numberRangeSummaryTable",
		key:     rangeStartHeading,
		ofGroup: true,
		name:    "numbers",
		fields:  ownNumberFields,
	},
	groupFree: listCommand{
		command: "GroupRouteListEnterpriseTrunkNumberRangeGetAvailableListRequest",
		table:   "availableNumberRangeTable",
		key:     rangeStartHeading,
		ofGroup: true,
		name:    "available_numbers",
		fields:  availableNumberFields,
	},
	tenantFree: listCommand{
		command: "ServiceProviderRouteListEnterpriseTrunkNumberRangeGetAvailableListRequest",
		table:   "availableNumberRangeTable",
		key:     rangeStartHeading,
		name:    "available_numbers",
		fields:  availableNumberFields,
	},
	tenantAll: listCommand{
		command: "ServiceProviderRouteListEnterpriseTrunkNumberRangeGetSummaryListRequest",
		table:   "numberRangeSummaryTable",
		key:     rangeStartHeading,
	},
	assign:      "GroupRouteListEnterpriseTrunkNumberRangeAssignListRequest",
	unassign:    "GroupRouteListEnterpriseTrunkNumberRangeUnassignListRequest",
	element:     "numberRangeStart",
	unavailable: "The number range provided is not available to the groups of this Tenant.",
	unknown:     "is not the start of a number range that the tenant has", // it may be inside one
}

// Numbers lists the group's number ranges.
func (s *ITC) Numbers(ctx context.Context, group scope.Target) (*List, error) {
	return s.query(ctx, group, numberRanges.own)
}

// AvailableNumbers lists the number ranges that are free.
func (s *ITC) AvailableNumbers(ctx context.Context, group scope.Target) (*List, error) {
	return s.query(ctx, group, s.available(&numberRanges))
}

// AssignNumbers gives the group number ranges that its tenant has free.
func (s *ITC) AssignNumbers() Change { return s.assign(&numberRanges) }

// RemoveNumbers takes number ranges from the group.
func (s *ITC) RemoveNumbers() Change { return s.unassign(&numberRanges) }
