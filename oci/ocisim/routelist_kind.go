package ocisim

import (
	"slices"
	"strconv"
)

// kind is the difference between number ranges and prefixes. All commands of
// Route List exist for both and differ in nothing else.
type kind struct {
	name  string // as in the names of commands
	label string // as in messages
	// since is the first release that has the commands.
	since int
	// list is the element of one holding in a request; userList and userElement
	// are those of UserRouteListModifyRequest.
	list, userList, userElement string
	// The elements of tables in replies.
	summary, tenantSummary, available, assigned string
	// of returns the list of a tenant's holdings of this kind.
	of func(*tenantHoldings) *[]*holding
	// identity are the first columns of tables, extension the last ones.
	identity, extension []column
}

// column is one column of a table.
type column struct {
	heading string
	cell    func(numbering, *holding) string
}

var ranges = &kind{
	name: "NumberRange", label: "number range", since: 21,
	list: "numberRangeStart", userList: "assignedNumberRangeStartList", userElement: "phoneNumber",
	summary: "numberRangeSummaryTable", tenantSummary: "numberRangeSummaryTable",
	available: "availableNumberRangeTable", assigned: "assignedNumberRangeTable",
	of: func(t *tenantHoldings) *[]*holding { return &t.ranges },
	identity: []column{
		{"Number Range Start", func(n numbering, h *holding) string { return n.print(h.key) }},
		{"Number Range End", func(n numbering, h *holding) string { return n.print(h.end) }},
	},
	extension: []column{
		{"Extension Length", func(_ numbering, h *holding) string { return h.extensionLength }},
	},
}

var prefixes = &kind{
	name: "NumberPrefix", label: "number prefix", since: 22,
	list: "numberPrefix", userList: "assignedNumberPrefixList", userElement: "numberPrefix",
	summary: "numberPrefixSummaryTable", tenantSummary: "prefixSummaryTable",
	available: "availableNumberPrefixTable", assigned: "assignedNumberPrefixTable",
	of: func(t *tenantHoldings) *[]*holding { return &t.prefixes },
	identity: []column{
		{"Number Prefix", func(_ numbering, h *holding) string { return h.shown }},
	},
	extension: []column{
		{"Extension Range Start", func(_ numbering, h *holding) string { return h.extensionStart }},
		{"Extension Range End", func(_ numbering, h *holding) string { return h.extensionEnd }},
	},
}

var kinds = []*kind{ranges, prefixes}

var (
	activeColumn = column{"Is Active", func(_ numbering, h *holding) string { return boolText(h.active) }}

	// groupColumn is the group to which it is assigned or, in an enterprise, the
	// group of the user who possesses it.
	groupColumn = column{"Group Id", func(_ numbering, h *holding) string {
		switch {
		case h.group != nil:
			return h.group.id
		case h.user != nil:
			return h.user.group.id
		}
		return ""
	}}

	departmentColumn = column{"Department", ofUser(func(u *user) string { return u.department.fullPath() })}

	// enterpriseDepartmentColumn has the group after a group's department.
	enterpriseDepartmentColumn = column{"Department", ofUser(func(u *user) string {
		if u.department == nil || u.department.group == nil {
			return u.department.fullPath()
		}
		return u.department.fullPath() + " (" + u.department.group.id + ")"
	})}
)

// userColumns returns the columns about the user, with the given column of the
// department.
func userColumns(department column) []column {
	empty := func(*user) string { return "" }
	return []column{
		{"User Id", ofUser(func(u *user) string { return u.id })},
		{"Last Name", ofUser(func(u *user) string { return u.lastName })},
		{"First Name", ofUser(func(u *user) string { return u.firstName })},
		{"Hiragana Last Name", ofUser(empty)},
		{"Hiragana First Name", ofUser(empty)},
		{"Phone Number", ofUser(func(u *user) string { return u.phoneNumber })},
		{"Extension", ofUser(func(u *user) string { return u.extension })},
		department,
		{"Email Address", ofUser(func(u *user) string { return u.email })},
		{"Enterprise Trunk", ofUser(func(u *user) string { return u.trunk })},
	}
}

// ofUser returns a cell that is empty if there is no user.
func ofUser(cell func(*user) string) func(numbering, *holding) string {
	return func(_ numbering, h *holding) string {
		if h.user == nil {
			return ""
		}
		return cell(h.user)
	}
}

// availableColumns returns the columns of a table without owners.
func (k *kind) availableColumns() []column {
	return slices.Concat(k.identity, []column{activeColumn}, k.extension)
}

// tabulate returns a table of the holdings for which wanted returns true.
func (c *call) tabulate(element string, columns []column, holdings []*holding, wanted func(*holding) bool) node {
	t := &table{}
	for _, col := range columns {
		t.headings = append(t.headings, col.heading)
	}
	for _, h := range holdings {
		if !wanted(h) {
			continue
		}
		var cells []string
		for _, col := range columns {
			cells = append(cells, col.cell(c.platform.numbering, h))
		}
		t.rows = append(t.rows, cells)
	}
	return node{name: element, table: t}
}

// find returns the holding with that key, or nil.
func find(list []*holding, key number) *holding {
	return first(list, func(h *holding) bool { return h.key == key })
}

// firstOverlap returns the first range that has a number in common with the
// given one, or nil.
func firstOverlap(list []*holding, start, end number) *holding {
	return first(list, func(h *holding) bool { return overlap(h.key, h.end, start, end) })
}

// pick returns the holdings of a list that a request names. It returns a refusal
// and no holding if one is absent or given twice, or if check returns an error for
// one: a command is carried out entirely or not at all.
func (k *kind) pick(list []*holding, spellings []string, absent *ErrorNumber, check func(*holding) *ErrorNumber) ([]*holding, *refusal) {
	var picked []*holding
	for _, spelling := range spellings {
		key, _ := canonical(spelling)
		h := find(list, key)
		wrong := absent
		if h != nil {
			wrong = check(h)
		}
		if wrong == nil && slices.Contains(picked, h) {
			wrong = givenTwice
		}
		if wrong != nil {
			return nil, refuse(wrong, k.label+" "+spelling)
		}
		picked = append(picked, h)
	}
	return picked, nil
}

// anyState accepts every holding.
func anyState(*holding) *ErrorNumber { return nil }

// numberText is the schema's type of a phone number or prefix.
var numberText = token(1, 23)

// extensionRange is the schema's ExtensionRange17.
var extensionRange = parent("extensionRange", one("minExtension", token(2, 20)), one("maxExtension", token(2, 20))).optional()

// extensionLength is the schema's ExtensionLength.
var extensionLength = one("extensionLength", integer(2, 20)).optional()

// setExtension sets the extension of a range or prefix from its element in a
// request. A nil element empties it; without an element it stays.
func (h *holding) setExtension(n *node) {
	if length := n.child("extensionLength"); length != nil {
		h.extensionLength = ""
		if number, err := strconv.Atoi(length.text); err == nil {
			h.extensionLength = strconv.Itoa(number)
		}
	}
	if r := n.child("extensionRange"); r != nil {
		h.extensionStart, h.extensionEnd = r.get("minExtension"), r.get("maxExtension")
	}
}
