package itc

import (
	"slices"

	"ocigate/translate"
)

const (
	rangeStartHeading = "Number Range Start"
	rangeEndHeading   = "Number Range End"
)

// Keys of a number range.
const (
	numbersKey    = "numbers"
	rangeStartKey = "minPhoneNumber"
	rangeEndKey   = "maxPhoneNumber"
)

var (
	rangeFields = []translate.Field{
		{Key: rangeStartKey, Kind: translate.PhoneNumber, Source: rangeStartHeading, Example: "+3226127000"},
		{Key: rangeEndKey, Kind: translate.PhoneNumber, Source: rangeEndHeading, Example: "+3226127002"},
	}
	rangeStateFields = []translate.Field{
		activeField,
		{Key: "extensionLength", Source: "Extension Length", Example: "4"},
	}
)

var numberRanges = resource{
	kind: "numbers", listKind: "numbers_list",
	changeBody: &translate.Shape{Fields: []translate.Field{{
		Key: numbersKey, Kind: translate.List, Min: 1, Max: translate.MaxEntries, UniqueBy: rangeStartKey,
		Item: &translate.Shape{Fields: []translate.Field{
			{Key: rangeStartKey, Kind: translate.PhoneNumber, Min: 1, Max: translate.MaxNumberLength, Example: "+3225126999"},
			{Key: rangeEndKey, Kind: translate.PhoneNumber, Min: 1, Max: translate.MaxNumberLength, Optional: true, NotBelow: rangeStartKey, Example: "+3225126999"},
		}},
	}}},
	ownBody:       listOf(numbersKey, slices.Concat(rangeFields, ownerFields, rangeStateFields)...),
	availableBody: listOf("available_numbers", slices.Concat(rangeFields, rangeStateFields)...),
	list:          numbersKey,
	start:         rangeStartKey,
	end:           rangeEndKey,
	startHeading:  rangeStartHeading,
	endHeading:    rangeEndHeading,
	own: translate.Listing{
		Command: "GroupRouteListEnterpriseTrunkNumberRangeGetSummaryListRequest", Elements: translate.GroupElements,
		Table: "numberRangeSummaryTable", Key: rangeStartHeading, KeyKind: translate.PhoneNumber,
	},
	groupFree: translate.Listing{
		Command: "GroupRouteListEnterpriseTrunkNumberRangeGetAvailableListRequest", Elements: translate.GroupElements,
		Table: "availableNumberRangeTable", Key: rangeStartHeading, KeyKind: translate.PhoneNumber,
	},
	tenantFree: translate.Listing{
		Command: "ServiceProviderRouteListEnterpriseTrunkNumberRangeGetAvailableListRequest", Elements: translate.TenantElements,
		Table: "availableNumberRangeTable", Key: rangeStartHeading, KeyKind: translate.PhoneNumber,
	},
	tenantAll: translate.Listing{
		Command: "ServiceProviderRouteListEnterpriseTrunkNumberRangeGetSummaryListRequest", Elements: translate.TenantElements,
		Table: "numberRangeSummaryTable", Key: rangeStartHeading, KeyKind: translate.PhoneNumber,
	},
	assign:      "GroupRouteListEnterpriseTrunkNumberRangeAssignListRequest",
	unassign:    "GroupRouteListEnterpriseTrunkNumberRangeUnassignListRequest",
	element:     "numberRangeStart",
	unavailable: "The number range provided is not available to the groups of this Tenant.",
	unknown:     "is not the start of a number range that the tenant has", // it may be inside one
}
