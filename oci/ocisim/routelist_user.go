package ocisim

import "slices"

// routeListSettings are the settings of a user's Route List in the order of the
// schema. since is the first release that has the setting.
var routeListSettings = [...]struct {
	name  string
	since int
}{
	{"treatOriginationsAndPBXRedirectionsAsScreened", 21},
	{"useRouteListIdentityForNonEmergencyCalls", 21},
	{"useRouteListIdentityForEmergencyCalls", 21},
	{"ignoreCallingNameForCallProcessing", 24},
}

// extensionsSince is the first form of UserRouteListGetRequest whose tables have
// columns about extensions.
const extensionsSince = 22

// userRouteListCommands are the commands on the holdings and settings of a user.
var userRouteListCommands = []commandRow{
	{
		name: "UserRouteListGetRequest", since: 21, least: userLevel, aboutUser: true,
		schema: []particle{userID},
		do:     func(c *call) ([]node, *refusal) { return c.getUserRouteList(21) },
	}, {
		name: "UserRouteListGetRequest22", since: 22, least: userLevel, aboutUser: true,
		schema: []particle{userID},
		do:     func(c *call) ([]node, *refusal) { return c.getUserRouteList(22) },
	}, {
		name: "UserRouteListGetRequest24", since: 24, least: userLevel, aboutUser: true,
		schema: []particle{userID},
		do:     func(c *call) ([]node, *refusal) { return c.getUserRouteList(24) },
	}, {
		name: "UserRouteListModifyRequest", since: 21, least: groupLevel, aboutUser: true, writes: true,
		schema: modifySchema(),
		do:     modifyUserRouteList,
	},
}

func modifySchema() []particle {
	schema := []particle{userID}
	for _, setting := range routeListSettings {
		schema = append(schema, one(setting.name, boolean).optional().since(setting.since))
	}
	for _, k := range kinds {
		schema = append(schema, parent(k.userList, one(k.userElement, numberText).some()).optional().orNil().since(k.since))
	}
	return schema
}

// getUserRouteList replies with the settings and tables of the command of that
// release.
func (c *call) getUserRouteList(release int) ([]node, *refusal) {
	u, err := c.userWith(routeListName)
	if err != nil {
		return nil, err
	}
	values := c.state.routeList().settings(u)
	var reply []node
	for i, setting := range routeListSettings {
		if setting.since <= release {
			reply = append(reply, flag(setting.name, values[i]))
		}
	}
	for _, k := range kinds {
		columns := k.availableColumns()
		if release < extensionsSince {
			columns = append(slices.Clone(k.identity), activeColumn)
		}
		if k.since <= release {
			reply = append(reply, c.tabulate(k.assigned, columns, *c.state.holdings(u.group.tenant, k), func(h *holding) bool { return h.user == u }))
		}
	}
	return reply, nil
}

// modifyUserRouteList replaces the lists that are given and empties those that are
// nil. Lists and settings that are absent stay.
func modifyUserRouteList(c *call) ([]node, *refusal) {
	u, err := c.userWith(routeListName)
	if err != nil {
		return nil, err
	}
	t := u.group.tenant
	replacements := map[*kind][]*holding{}
	for _, k := range kinds {
		list := c.request.child(k.userList)
		if list == nil {
			continue
		}
		replacements[k], err = k.pick(*c.state.holdings(t, k), list.texts(k.userElement), notInTenant, u.mayHave)
		if err != nil {
			return nil, err
		}
	}
	for k, picked := range replacements {
		for _, h := range *c.state.holdings(t, k) {
			if slices.Contains(picked, h) {
				h.user = u
			} else if h.user == u {
				h.user = nil
			}
		}
	}
	values := c.state.routeList().settings(u)
	for i, setting := range routeListSettings {
		if n := c.request.child(setting.name); n != nil {
			values[i] = isTrue(n.text)
		}
	}
	return nil, nil
}

// mayHave checks whether the user can possess a holding. It must be assigned to
// the user's group, or, in an enterprise, belong to the enterprise, and no other
// user may possess it.
func (u *user) mayHave(h *holding) *ErrorNumber {
	switch {
	case !u.group.tenant.enterprise && h.group != u.group:
		return notOfGroup
	case h.user != nil && h.user != u:
		return possessedByUser
	}
	return nil
}
