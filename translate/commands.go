package translate

import (
	"cmp"
	"maps"
	"slices"

	"ocigate/translate/errcode"
)

// resources are all kinds of entries.
var resources = []*resource{&numberRanges, &numberPrefixes}

// ReadCommands are the names of the commands with which this package asks the
// platform, in the forms in which it hands them to its Reader, in order.
func ReadCommands() []string {
	names := []string{tenantGetCommand, authorizationGetCommand, tenantListCommand, groupListCommand, departmentListCommand}
	for _, r := range resources {
		names = append(names, r.own.command, r.groupFree.command, r.tenantFree.command, r.tenantAll.command)
	}
	slices.Sort(names)
	return names
}

// WriteCommands are the names of the commands of all plans, in order.
func WriteCommands() []string {
	var names []string
	for _, r := range resources {
		names = append(names, r.assign, r.unassign)
	}
	slices.Sort(names)
	return names
}

// Codes are the codes that the table gives refusals, each once, in the order of
// their numbers.
func (e PlatformErrors) Codes() []*errcode.Code {
	codes := slices.Collect(maps.Values(e.numbers))
	for _, t := range e.texts {
		codes = append(codes, t.Code)
	}
	slices.SortFunc(codes, func(a, b *errcode.Code) int { return cmp.Compare(a.Number, b.Number) })
	return slices.Compact(codes)
}
