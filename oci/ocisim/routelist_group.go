package ocisim

import "slices"

// groupRouteListCommands are the commands on what a group has.
func groupRouteListCommands() []commandRow {
	var rows []commandRow
	for _, k := range kinds {
		prefix := "GroupRouteListEnterpriseTrunk" + k.name
		names := []particle{serviceProviderID, groupID}
		list := append(slices.Clone(names), one(k.list, numberText).many())
		rows = append(rows,
			commandRow{name: prefix + "GetSummaryListRequest", since: k.since, least: groupLevel, schema: names, do: k.groupSummary},
			commandRow{name: prefix + "GetAvailableListRequest", since: k.since, least: tenantLevel, schema: names, do: k.groupAvailable},
			commandRow{name: prefix + "AssignListRequest", since: k.since, least: tenantLevel, writes: true, schema: list, do: k.assign},
			commandRow{name: prefix + "UnassignListRequest", since: k.since, least: tenantLevel, writes: true, schema: list, do: k.unassign},
		)
	}
	return rows
}

// routeListGroup is the group that the command names, if it may have a Route
// List.
func (c *call) routeListGroup() (*group, *refusal) {
	g, err := c.group()
	switch {
	case err != nil:
		return nil, err
	case g.tenant.enterprise:
		return nil, refuse(notForEnterprise, g.tenant.id)
	case !slices.Contains(g.services, routeList):
		return nil, refuse(serviceNotAuthorized, g.tenant.id+":"+g.id)
	}
	return g, nil
}

func (k *kind) groupSummary(c *call) ([]node, *refusal) {
	columns := slices.Concat(k.identity, userColumns(departmentColumn), []column{activeColumn}, k.extension)
	return k.groupTable(c, k.summary, columns, func(*holding) bool { return true })
}

// groupAvailable lists what the group has and no user possesses.
func (k *kind) groupAvailable(c *call) ([]node, *refusal) {
	return k.groupTable(c, k.available, k.availableColumns(), func(h *holding) bool { return h.user == nil })
}

// groupTable is a table of those wanted among what the group has.
func (k *kind) groupTable(c *call, element string, columns []column, wanted func(*holding) bool) ([]node, *refusal) {
	g, err := c.routeListGroup()
	if err != nil {
		return nil, err
	}
	return []node{c.tabulate(element, columns, *k.of(g.tenant), func(h *holding) bool {
		return h.group == g && wanted(h)
	})}, nil
}

// assign gives the group what is free in the tenant.
func (k *kind) assign(c *call) ([]node, *refusal) {
	g, err := c.routeListGroup()
	if err != nil {
		return nil, err
	}
	picked, err := k.pick(g.tenant, c.request.texts(k.list), notAvailable, func(h *holding) *ErrorNumber {
		if !h.free() {
			return notAvailable
		}
		return nil
	})
	for _, h := range picked {
		h.group = g
	}
	return nil, err
}

// unassign takes from the group what no user of it possesses.
func (k *kind) unassign(c *call) ([]node, *refusal) {
	g, err := c.routeListGroup()
	if err != nil {
		return nil, err
	}
	picked, err := k.pick(g.tenant, c.request.texts(k.list), notOfGroup, func(h *holding) *ErrorNumber {
		switch {
		case h.group != g:
			return notOfGroup
		case h.user != nil:
			return possessedByUser
		}
		return nil
	})
	for _, h := range picked {
		h.group = nil
	}
	return nil, err
}
