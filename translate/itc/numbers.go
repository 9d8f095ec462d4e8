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
		{Key: rangeStartKey, Kind: translate.PhoneNumber, Source: rangeStartHeading, Word: "MinPhoneNumber", Example: "+3226127000", Doc: "The first number of the range, which identifies it."},
		{Key: rangeEndKey, Kind: translate.PhoneNumber, Source: rangeEndHeading, Word: "MaxPhoneNumber", Example: "+3226127002", Doc: "The last number of the range."},
	}
	rangeStateFields = []translate.Field{
		activeField,
		{Key: "extensionLength", Source: "Extension Length", Word: "ExtensionLength", Example: "4", Doc: "How many digits at the end of a number are the extension; empty if the platform does not report it."},
	}
)

var numberRanges = resource{
	schema: "ItcNumbers", entrySchema: "ItcNumber",
	kind: "numbers", listKind: "numbers_list",
	changeBody: &translate.Shape{Name: "ItcNumbersChange", Fields: []translate.Field{{
		Key: numbersKey, Kind: translate.List, Doc: "Complete ranges: a range is never changed in part, and is one entry. A gateway may accept fewer entries in one request: 1000 by default.", Min: 1, Max: translate.MaxEntries, UniqueBy: rangeStartKey,
		Item: &translate.Shape{Name: "ItcNumberChange", Fields: []translate.Field{
			{Key: rangeStartKey, Kind: translate.PhoneNumber, Min: 1, Max: translate.MaxNumberLength, Example: "+3225126999", Doc: "The first number of the range, which identifies it."},
			{Key: rangeEndKey, Kind: translate.PhoneNumber, Min: 1, Max: translate.MaxNumberLength, Optional: true, NotBelow: rangeStartKey, Example: "+3225126999", Doc: "The last number of the range. If it is given, it must be the end of the range as the platform has it."},
		}},
	}}},
	ownBody:       listOf("ItcGroupNumbers", "ItcGroupNumber", numbersKey, slices.Concat(rangeFields, ownerFields, rangeStateFields)...),
	availableBody: listOf("ItcAvailableNumbers", "ItcAvailableNumber", "available_numbers", slices.Concat(rangeFields, rangeStateFields)...),
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
