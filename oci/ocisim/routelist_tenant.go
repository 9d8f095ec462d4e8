package ocisim

import "slices"

// tenantRouteListCommands returns the commands on the holdings of a tenant. Those
// that change something also accept enterprises. Those that read do not: for
// enterprises there are enterpriseRouteListCommands.
func tenantRouteListCommands() []commandRow {
	rows := []commandRow{
		{
			name: "ServiceProviderRouteListEnterpriseTrunkNumberRangeAddListRequest22", since: 22, least: tenantLevel, writes: true,
			schema: []particle{serviceProviderID, parent("numberRange",
				parent("dnRange", one("minPhoneNumber", numberText), one("maxPhoneNumber", numberText)), extensionLength).some()},
			do: addRanges,
		}, {
			name: "ServiceProviderRouteListEnterpriseTrunkNumberRangeModifyListRequest", since: 22, least: tenantLevel, writes: true,
			schema: []particle{serviceProviderID, parent("numberRange", one("dnRangeStart", numberText), extensionLength.orNil()).many()},
			do:     func(c *call) ([]node, *refusal) { return ranges.modify(c, "numberRange", "dnRangeStart") },
		}, {
			name: "ServiceProviderRouteListEnterpriseTrunkNumberPrefixAddListRequest22", since: 22, least: tenantLevel, writes: true,
			schema: []particle{serviceProviderID, parent("prefix", one("numberPrefix", numberText), extensionRange).some()},
			do:     addPrefixes,
		}, {
			name: "ServiceProviderRouteListEnterpriseTrunkNumberPrefixModifyListRequest", since: 22, least: tenantLevel, writes: true,
			schema: []particle{serviceProviderID, parent("numberPrefix", one("numberPrefix", numberText), extensionRange.orNil()).many()},
			do:     func(c *call) ([]node, *refusal) { return prefixes.modify(c, "numberPrefix", "numberPrefix") },
		},
	}
	for _, k := range kinds {
		prefix := "ServiceProviderRouteListEnterpriseTrunk" + k.name
		named := one(k.list, numberText).many()
		if k == prefixes {
			named = named.some()
		}
		names, list := []particle{serviceProviderID}, []particle{serviceProviderID, named}
		rows = append(rows,
			commandRow{name: prefix + "DeleteListRequest", since: k.since, least: tenantLevel, writes: true, schema: list, do: k.delete},
			commandRow{name: prefix + "ActivateListRequest", since: k.since, least: tenantLevel, writes: true, schema: list,
				do: func(c *call) ([]node, *refusal) { return k.setActive(c, true) }},
			commandRow{name: prefix + "DeactivateListRequest", since: k.since, least: tenantLevel, writes: true, schema: list,
				do: func(c *call) ([]node, *refusal) { return k.setActive(c, false) }},
			commandRow{name: prefix + "GetSummaryListRequest", since: k.since, least: tenantLevel, schema: names, do: k.tenantTable((*call).serviceProvider, k.tenantSummary,
				slices.Concat(k.identity, []column{groupColumn, activeColumn}, k.extension), everything)},
			commandRow{name: prefix + "GetAvailableListRequest", since: k.since, least: tenantLevel, schema: names,
				do: k.tenantTable((*call).serviceProvider, k.available, k.availableColumns(), (*holding).free)},
		)
	}
	return rows
}

// enterpriseRouteListCommands returns the commands that read the holdings of an
// enterprise.
func enterpriseRouteListCommands() []commandRow {
	var rows []commandRow
	for _, k := range kinds {
		prefix := "EnterpriseRouteListEnterpriseTrunk" + k.name
		names := []particle{serviceProviderID}
		summary := slices.Concat(k.identity, []column{groupColumn}, userColumns(enterpriseDepartmentColumn), []column{activeColumn}, k.extension)
		rows = append(rows,
			commandRow{name: prefix + "GetSummaryListRequest", since: k.since, least: tenantLevel, schema: names,
				do: k.tenantTable((*call).enterprise, k.tenantSummary, summary, everything)},
			commandRow{name: prefix + "GetAvailableListRequest", since: k.since, least: tenantLevel, schema: names,
				do: k.tenantTable((*call).enterprise, k.available, k.availableColumns(), (*holding).free)},
		)
	}
	return rows
}

func everything(*holding) bool { return true }

// tenantTable returns a function that replies with a table of a tenant's holdings
// for which wanted returns true. tenantOf returns the tenant.
func (k *kind) tenantTable(tenantOf func(*call) (*tenant, *refusal), element string, columns []column, wanted func(*holding) bool) func(*call) ([]node, *refusal) {
	return func(c *call) ([]node, *refusal) {
		t, err := tenantOf(c)
		if err != nil {
			return nil, err
		}
		return []node{c.tabulate(element, columns, *c.state.holdings(t, k), wanted)}, nil
	}
}

func addRanges(c *call) ([]node, *refusal) {
	t, err := c.tenant()
	if err != nil {
		return nil, err
	}
	list := c.state.holdings(t, ranges)
	all := slices.Clone(*list)
	for _, n := range c.request.all("numberRange") {
		dn := n.child("dnRange")
		subject := ranges.label + " " + dn.get("minPhoneNumber") + " to " + dn.get("maxPhoneNumber")
		start, okStart := canonical(dn.get("minPhoneNumber"))
		end, okEnd := canonical(dn.get("maxPhoneNumber"))
		if !okStart || !okEnd || !isRange(start, end) {
			return nil, refuse(notANumber, subject)
		}
		if firstOverlap(all, start, end) != nil {
			return nil, refuse(overlapping, subject)
		}
		h := &holding{key: start, end: end, active: true}
		h.setExtension(&n)
		all = append(all, h)
	}
	*list = all
	return nil, nil
}

func addPrefixes(c *call) ([]node, *refusal) {
	t, err := c.tenant()
	if err != nil {
		return nil, err
	}
	list := c.state.holdings(t, prefixes)
	all := slices.Clone(*list)
	for _, n := range c.request.all("prefix") {
		shown := n.get("numberPrefix")
		key, ok := canonical(shown)
		if !ok {
			return nil, refuse(notANumber, prefixes.label+" "+shown)
		}
		if find(all, key) != nil {
			return nil, refuse(overlapping, prefixes.label+" "+shown)
		}
		h := &holding{key: key, shown: shown, active: true}
		h.setExtension(&n)
		all = append(all, h)
	}
	*list = all
	return nil, nil
}

// modify sets the extensions of holdings. The request describes each holding in an
// element, which has the start or prefix in an element named key.
func (k *kind) modify(c *call, element, key string) ([]node, *refusal) {
	t, err := c.tenant()
	if err != nil {
		return nil, err
	}
	descriptions := c.request.all(element)
	var spellings []string
	for _, d := range descriptions {
		spellings = append(spellings, d.get(key))
	}
	picked, err := k.pick(*c.state.holdings(t, k), spellings, notInTenant, anyState)
	for i, h := range picked {
		h.setExtension(&descriptions[i])
	}
	return nil, err
}

func (k *kind) delete(c *call) ([]node, *refusal) {
	t, err := c.tenant()
	if err != nil {
		return nil, err
	}
	list := c.state.holdings(t, k)
	picked, err := k.pick(*list, c.request.texts(k.list), notInTenant, func(h *holding) *ErrorNumber {
		switch {
		case h.user != nil:
			return possessedByUser
		case h.group != nil:
			return assignedToGroup
		}
		return nil
	})
	*list = slices.DeleteFunc(*list, func(h *holding) bool { return slices.Contains(picked, h) })
	return nil, err
}

// setActive activates or deactivates holdings. A holding that is so already is not
// an error.
func (k *kind) setActive(c *call, active bool) ([]node, *refusal) {
	t, err := c.tenant()
	if err != nil {
		return nil, err
	}
	if c.platform.settings.ActivationOff {
		return nil, refuse(activationOff, "")
	}
	picked, err := k.pick(*c.state.holdings(t, k), c.request.texts(k.list), notInTenant, anyState)
	for _, h := range picked {
		h.active = active
	}
	return nil, err
}
