package itc

import (
	"slices"

	"ocigate/translate"
	"ocigate/translate/errcode"
)

const prefixHeading = "Number Prefix"

// Keys of a prefix.
const (
	prefixesKey = "prefixes"
	prefixKey   = "prefix"
)

var (
	prefixFields = []translate.Field{
		{Key: prefixKey, Kind: translate.Prefix, Source: prefixHeading, Word: "Prefix", Example: "+32-01", Doc: "The beginning of phone numbers, as the platform spells it."},
	}
	prefixStateFields = []translate.Field{
		activeField,
		{Key: "extensionRangeStart", Source: "Extension Range Start", Word: "ExtensionRangeStart", Example: "100", Doc: "The first extension; empty if there is no range of extensions."},
		{Key: "extensionRangeEnd", Source: "Extension Range End", Word: "ExtensionRangeEnd", Example: "199", Doc: "The last extension."},
	}
)

var numberPrefixes = resource{
	schema: "ItcPrefixes", entrySchema: "ItcPrefix",
	kind: "prefixes", listKind: "prefixes_list",
	changeBody: &translate.Shape{Name: "ItcPrefixesChange", Fields: []translate.Field{{
		Key: prefixesKey, Kind: translate.List, Doc: "The prefixes. A gateway may accept fewer in one request: 1000 by default.", Min: 1, Max: translate.MaxEntries, UniqueBy: prefixKey,
		Item: &translate.Shape{Name: "ItcPrefixChange", Fields: []translate.Field{
			{Key: prefixKey, Kind: translate.Prefix, Min: 1, Max: translate.MaxNumberLength, Example: "+32-01", Doc: "The beginning of phone numbers. Prefixes are compared by + and digits."},
		}},
	}}},
	ownBody:       listOf("ItcGroupPrefixes", "ItcGroupPrefix", prefixesKey, slices.Concat(prefixFields, ownerFields, prefixStateFields)...),
	availableBody: listOf("ItcAvailablePrefixes", "ItcAvailablePrefix", "available_prefixes", slices.Concat(prefixFields, prefixStateFields)...),
	list:          prefixesKey,
	start:         prefixKey,
	startHeading:  prefixHeading,
	own: translate.Listing{
		Command: "GroupRouteListEnterpriseTrunkNumberPrefixGetSummaryListRequest", Elements: translate.GroupElements,
		Table: "numberPrefixSummaryTable", Key: prefixHeading, KeyKind: translate.Prefix,
	},
	groupFree: translate.Listing{
		Command: "GroupRouteListEnterpriseTrunkNumberPrefixGetAvailableListRequest", Elements: translate.GroupElements,
		Table: "availableNumberPrefixTable", Key: prefixHeading, KeyKind: translate.Prefix,
	},
	tenantFree: translate.Listing{
		Command: "ServiceProviderRouteListEnterpriseTrunkNumberPrefixGetAvailableListRequest", Elements: translate.TenantElements,
		Table: "availableNumberPrefixTable", Key: prefixHeading, KeyKind: translate.Prefix,
	},
	tenantAll: translate.Listing{
		Command: "ServiceProviderRouteListEnterpriseTrunkNumberPrefixGetSummaryListRequest", Elements: translate.TenantElements,
		Table: "prefixSummaryTable", Key: prefixHeading, KeyKind: translate.Prefix,
	},
	assign:      "GroupRouteListEnterpriseTrunkNumberPrefixAssignListRequest",
	unassign:    "GroupRouteListEnterpriseTrunkNumberPrefixUnassignListRequest",
	element:     "numberPrefix",
	unavailable: "The prefix provided is not available to the groups of this Tenant.",
	unknown:     "is not a prefix that the tenant has",
	errors:      []*errcode.Code{errcode.NotAvailableInRelease}, // number prefixes came a release after ranges
}
