package translate

import (
	"context"

	"ocigate/oci"
)

const (
	rangeStartHeading = "Number Range Start"
	rangeEndHeading   = "Number Range End"
)

var numberRanges = resource{
	form:  form{list: "numbers", start: "minPhoneNumber", end: "maxPhoneNumber"},
	start: rangeStartHeading,
	end:   rangeEndHeading,
	own: list{
		command: "GroupRouteListEnterpriseTrunkNumberRangeGetSummaryListRequest",
		table:   "numberRangeSummaryTable",
		key:     rangeStartHeading,
		ofGroup: true,
	},
	groupFree: list{
		command: "GroupRouteListEnterpriseTrunkNumberRangeGetAvailableListRequest",
		table:   "availableNumberRangeTable",
		key:     rangeStartHeading,
		ofGroup: true,
	},
	tenantFree: list{
		command: "ServiceProviderRouteListEnterpriseTrunkNumberRangeGetAvailableListRequest",
		table:   "availableNumberRangeTable",
		key:     rangeStartHeading,
	},
	assign:      "GroupRouteListEnterpriseTrunkNumberRangeAssignListRequest",
	unassign:    "GroupRouteListEnterpriseTrunkNumberRangeUnassignListRequest",
	element:     "numberRangeStart",
	unavailable: "The number range provided is not available to the groups of this Tenant.",
}

// NumberList is the body of the answer to [ITC.Numbers].
type NumberList struct {
	Numbers []Number `json:"numbers"`
}

// Number is a number range of a group. Phone numbers are + and digits.
type Number struct {
	MinPhoneNumber string `json:"minPhoneNumber"`
	MaxPhoneNumber string `json:"maxPhoneNumber"`
	Owner
	Active          bool   `json:"active"`
	ExtensionLength string `json:"extensionLength"`
}

// AvailableNumberList is the body of the answer to [ITC.AvailableNumbers].
type AvailableNumberList struct {
	AvailableNumbers []AvailableNumber `json:"available_numbers"`
}

// AvailableNumber is a free number range. Phone numbers are + and digits.
type AvailableNumber struct {
	MinPhoneNumber  string `json:"minPhoneNumber"`
	MaxPhoneNumber  string `json:"maxPhoneNumber"`
	Active          bool   `json:"active"`
	ExtensionLength string `json:"extensionLength"`
}

// Numbers lists the group's number ranges, as a [NumberList].
func (s *ITC) Numbers(ctx context.Context, group Group) (any, error) {
	table, owner, err := s.owned(ctx, group, numberRanges.own)
	if err != nil {
		return nil, err
	}
	numbers, err := readRows(table, ownNumbers(table, owner))
	if err != nil {
		return nil, err
	}
	return NumberList{numbers}, nil
}

func ownNumbers(table *oci.Table, owner func(oci.Row) Owner) func(oci.Row) (Number, error) {
	available := availableNumbers(table)
	return func(row oci.Row) (Number, error) {
		a, err := available(row)
		return Number{
			MinPhoneNumber:  a.MinPhoneNumber,
			MaxPhoneNumber:  a.MaxPhoneNumber,
			Owner:           owner(row),
			Active:          a.Active,
			ExtensionLength: a.ExtensionLength,
		}, err
	}
}

// AvailableNumbers lists the number ranges that are free, as an
// [AvailableNumberList].
func (s *ITC) AvailableNumbers(ctx context.Context, group Group) (any, error) {
	table, err := s.query(ctx, group, s.available(&numberRanges))
	if err != nil {
		return nil, err
	}
	numbers, err := readRows(table, availableNumbers(table))
	if err != nil {
		return nil, err
	}
	return AvailableNumberList{numbers}, nil
}

// availableNumbers reads the columns that every table of number ranges has.
func availableNumbers(table *oci.Table) func(oci.Row) (AvailableNumber, error) {
	start, end := table.Column(rangeStartHeading), table.Column(rangeEndHeading)
	active, length := activity(table), table.Column("Extension Length")
	return func(row oci.Row) (AvailableNumber, error) {
		isActive, err := active(row)
		return AvailableNumber{
			MinPhoneNumber:  canonical(row.Cell(start)),
			MaxPhoneNumber:  canonical(row.Cell(end)),
			Active:          isActive,
			ExtensionLength: row.Cell(length),
		}, err
	}
}

// AssignNumbers plans to give the group number ranges that its tenant has free.
func (s *ITC) AssignNumbers(ctx context.Context, group Group, body []byte) (*Plan, error) {
	return s.assign(ctx, group, body, &numberRanges)
}

// RemoveNumbers plans to take number ranges from the group.
func (s *ITC) RemoveNumbers(ctx context.Context, group Group, body []byte) (*Plan, error) {
	return s.unassign(ctx, group, body, &numberRanges)
}
