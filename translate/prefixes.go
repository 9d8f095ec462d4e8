package translate

import (
	"context"

	"ocigate/oci"
)

const prefixHeading = "Number Prefix"

var numberPrefixes = resource{
	form:  form{list: "prefixes", start: "prefix"},
	start: prefixHeading,
	own: list{
		command: "GroupRouteListEnterpriseTrunkNumberPrefixGetSummaryListRequest",
		table:   "numberPrefixSummaryTable",
		key:     prefixHeading,
		ofGroup: true,
	},
	groupFree: list{
		command: "GroupRouteListEnterpriseTrunkNumberPrefixGetAvailableListRequest",
		table:   "availableNumberPrefixTable",
		key:     prefixHeading,
		ofGroup: true,
	},
	tenantFree: list{
		command: "ServiceProviderRouteListEnterpriseTrunkNumberPrefixGetAvailableListRequest",
		table:   "availableNumberPrefixTable",
		key:     prefixHeading,
	},
	assign:      "GroupRouteListEnterpriseTrunkNumberPrefixAssignListRequest",
	unassign:    "GroupRouteListEnterpriseTrunkNumberPrefixUnassignListRequest",
	element:     "numberPrefix",
	unavailable: "The prefix provided is not available to the groups of this Tenant.",
}

// PrefixList is the body of the answer to [ITC.Prefixes].
type PrefixList struct {
	Prefixes []Prefix `json:"prefixes"`
}

// Prefix is a number prefix of a group, spelled as on the platform.
type Prefix struct {
	Prefix string `json:"prefix"`
	Owner
	Active              bool   `json:"active"`
	ExtensionRangeStart string `json:"extensionRangeStart"`
	ExtensionRangeEnd   string `json:"extensionRangeEnd"`
}

// AvailablePrefixList is the body of the answer to [ITC.AvailablePrefixes].
type AvailablePrefixList struct {
	AvailablePrefixes []AvailablePrefix `json:"available_prefixes"`
}

// AvailablePrefix is a free number prefix, spelled as on the platform.
type AvailablePrefix struct {
	Prefix              string `json:"prefix"`
	Active              bool   `json:"active"`
	ExtensionRangeStart string `json:"extensionRangeStart"`
	ExtensionRangeEnd   string `json:"extensionRangeEnd"`
}

// Prefixes lists the group's prefixes, as a [PrefixList].
func (s *ITC) Prefixes(ctx context.Context, group Group) (any, error) {
	table, owner, err := s.owned(ctx, group, numberPrefixes.own)
	if err != nil {
		return nil, err
	}
	prefixes, err := readRows(table, ownPrefixes(table, owner))
	if err != nil {
		return nil, err
	}
	return PrefixList{prefixes}, nil
}

func ownPrefixes(table *oci.Table, owner func(oci.Row) Owner) func(oci.Row) (Prefix, error) {
	available := availablePrefixes(table)
	return func(row oci.Row) (Prefix, error) {
		a, err := available(row)
		return Prefix{
			Prefix:              a.Prefix,
			Owner:               owner(row),
			Active:              a.Active,
			ExtensionRangeStart: a.ExtensionRangeStart,
			ExtensionRangeEnd:   a.ExtensionRangeEnd,
		}, err
	}
}

// AvailablePrefixes lists the prefixes that are free, as an
// [AvailablePrefixList].
func (s *ITC) AvailablePrefixes(ctx context.Context, group Group) (any, error) {
	table, err := s.query(ctx, group, s.available(&numberPrefixes))
	if err != nil {
		return nil, err
	}
	prefixes, err := readRows(table, availablePrefixes(table))
	if err != nil {
		return nil, err
	}
	return AvailablePrefixList{prefixes}, nil
}

// availablePrefixes reads the columns that every table of prefixes has.
func availablePrefixes(table *oci.Table) func(oci.Row) (AvailablePrefix, error) {
	prefix, active := table.Column(prefixHeading), activity(table)
	start, end := table.Column("Extension Range Start"), table.Column("Extension Range End")
	return func(row oci.Row) (AvailablePrefix, error) {
		isActive, err := active(row)
		return AvailablePrefix{
			Prefix:              row.Cell(prefix),
			Active:              isActive,
			ExtensionRangeStart: row.Cell(start),
			ExtensionRangeEnd:   row.Cell(end),
		}, err
	}
}

// AssignPrefixes plans to give the group prefixes that its tenant has free.
func (s *ITC) AssignPrefixes(ctx context.Context, group Group, body []byte) (*Plan, error) {
	return s.assign(ctx, group, body, &numberPrefixes)
}

// RemovePrefixes plans to take prefixes from the group.
func (s *ITC) RemovePrefixes(ctx context.Context, group Group, body []byte) (*Plan, error) {
	return s.unassign(ctx, group, body, &numberPrefixes)
}
