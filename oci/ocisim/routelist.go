package ocisim

import (
	"slices"
	"strconv"
)

// kind is what tells number ranges from prefixes. All commands of Route List
// exist for both, and differ in nothing else.
type kind struct {
	name  string // as in the names of commands
	label string // as in messages
	// since is the first release that has the commands.
	since int
	// list is the element that names one of them in a request, and userList
	// and userElement those of UserRouteListModifyRequest.
	list, userList, userElement string
	// The elements that hold tables in answers.
	summary, tenantSummary, available, assigned string
	// of are those that a tenant holds.
	of func(*tenant) *[]*holding
	// identity and extension are columns, the first and the last.
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
	of: func(t *tenant) *[]*holding { return &t.ranges },
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
	of: func(t *tenant) *[]*holding { return &t.prefixes },
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

	// groupColumn is the group that has it or, in an enterprise, whose user
	// does.
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

	// enterpriseDepartmentColumn names the group beside a group's department.
	enterpriseDepartmentColumn = column{"Department", ofUser(func(u *user) string {
		if u.department == nil || u.department.group == nil {
			return u.department.fullPath()
		}
		return u.department.fullPath() + " (" + u.department.group.id + ")"
	})}
)

// userColumns are the columns about the user, with the department's column as
// given.
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

// ofUser is a cell that is empty where there is no user.
func ofUser(cell func(*user) string) func(numbering, *holding) string {
	return func(_ numbering, h *holding) string {
		if h.user == nil {
			return ""
		}
		return cell(h.user)
	}
}

// availableColumns are those of a kind without owners.
func (k *kind) availableColumns() []column {
	return slices.Concat(k.identity, []column{activeColumn}, k.extension)
}

// tabulate is a table of those holdings that are wanted.
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

// find is the holding of that key, or nil.
func find(list []*holding, key number) *holding {
	return first(list, func(h *holding) bool { return h.key == key })
}

// firstOverlap is the first range that has a number in common, or nil.
func firstOverlap(list []*holding, start, end number) *holding {
	return first(list, func(h *holding) bool { return overlap(h.key, h.end, start, end) })
}

// pick finds the holdings that a request names and hands them out only if
// every one passes the judgement: the all or nothing of a command. The
// judgement is nil for a holding that passes.
func (k *kind) pick(t *tenant, spellings []string, absent *ErrorNumber, judge func(*holding) *ErrorNumber) ([]*holding, *refusal) {
	var picked []*holding
	for _, spelling := range spellings {
		key, _ := canonical(spelling)
		h := find(*k.of(t), key)
		wrong := absent
		if h != nil {
			wrong = judge(h)
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

// anything is the judgement that every holding passes.
func anything(*holding) *ErrorNumber { return nil }

// numberText is the schema's type of a phone number or prefix.
var numberText = token(1, 23)

// extensionRange is the schema's ExtensionRange17.
var extensionRange = parent("extensionRange", one("minExtension", token(2, 20)), one("maxExtension", token(2, 20))).optional()

// extensionLength is the schema's ExtensionLength.
var extensionLength = one("extensionLength", integer(2, 20)).optional()

// setExtension takes the extension of a range or prefix from the element that
// holds it; an element that is nil empties it, one that is absent leaves it.
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
