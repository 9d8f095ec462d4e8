package ocisim

import (
	"slices"
	"strconv"
)

// groupCommands read the groups of a tenant and the departments of a group.
var groupCommands = []commandRow{
	{
		name: "GroupGetListInServiceProviderRequest", least: tenantLevel,
		schema: []particle{
			serviceProviderID, responseSizeLimit,
			criteria("searchCriteriaGroupId", 30), criteria("searchCriteriaGroupName", 80),
		},
		do: listGroups,
	}, {
		name: "GroupDepartmentGetListRequest18", since: 21, least: groupLevel,
		schema: []particle{serviceProviderID, groupID, one("includeEnterpriseDepartments", boolean)},
		do:     listDepartments,
	},
}

func listGroups(c *call) ([]node, *refusal) {
	t, err := c.tenant()
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for _, g := range t.groups {
		if c.meets("searchCriteriaGroupId", g.id) && c.meets("searchCriteriaGroupName", g.name) {
			rows = append(rows, []string{g.id, g.name, strconv.Itoa(g.userLimit)})
		}
	}
	return c.search("groupTable", []string{"Group Id", "Group Name", "User Limit"}, rows)
}

func listDepartments(c *call) ([]node, *refusal) {
	g, err := c.group()
	if err != nil {
		return nil, err
	}
	all := g.departments
	if isTrue(c.request.get("includeEnterpriseDepartments")) {
		all = slices.Concat(all, g.tenant.departments)
	}
	var rows [][]string
	for _, d := range all {
		rows = append(rows, []string{boolText(d.group == nil), d.name, d.fullPath(), "", ""})
	}
	headings := []string{"Is Enterprise Department", "Department Name", "Full Path Name", "Calling Line Id Name", "Calling Line Id Phone Number"}
	return []node{{name: "departmentTable", table: &table{headings, rows}}}, nil
}
