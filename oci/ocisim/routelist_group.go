package ocisim

import "slices"

// groupRouteListCommands returns the commands on the holdings of a group.
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

// routeListGroup returns the group that the command names if it may have
// holdings.
func (c *call) routeListGroup() (*group, *refusal) {
	g, err := c.group()
	switch {
	case err != nil:
		return nil, err
	case g.tenant.enterprise:
		return nil, refuse(notForEnterprise, g.tenant.id)
	case !g.authorizes(routeListName):
		return nil, unauthorizedService(routeListName, g)
	}
	return g, nil
}

func (k *kind) groupSummary(c *call) ([]node, *refusal) {
	columns := slices.Concat(k.identity, userColumns(departmentColumn), []column{activeColumn}, k.extension)
	return k.groupTable(c, k.summary, columns, func(*holding) bool { return true })
}

// groupAvailable lists the holdings of the group that no user possesses.
func (k *kind) groupAvailable(c *call) ([]node, *refusal) {
	return k.groupTable(c, k.available, k.availableColumns(), func(h *holding) bool { return h.user == nil })
}

// groupTable returns a table of the group's holdings for which wanted returns
// true.
func (k *kind) groupTable(c *call, element string, columns []column, wanted func(*holding) bool) ([]node, *refusal) {
	g, err := c.routeListGroup()
	if err != nil {
		return nil, err
	}
	return []node{c.tabulate(element, columns, *c.state.holdings(g.tenant, k), func(h *holding) bool {
		return h.group == g && wanted(h)
	})}, nil
}

// assign assigns free holdings of the tenant to the group.
func (k *kind) assign(c *call) ([]node, *refusal) {
	g, err := c.routeListGroup()
	if err != nil {
		return nil, err
	}
	picked, err := k.pick(*c.state.holdings(g.tenant, k), c.request.texts(k.list), notAvailable, func(h *holding) *ErrorNumber {
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

// unassign removes holdings from the group that no user possesses.
func (k *kind) unassign(c *call) ([]node, *refusal) {
	g, err := c.routeListGroup()
	if err != nil {
		return nil, err
	}
	picked, err := k.pick(*c.state.holdings(g.tenant, k), c.request.texts(k.list), notOfGroup, func(h *holding) *ErrorNumber {
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
