package ocisim

import "slices"

// routeListSettings are the settings of a user's Route List, in the order of
// the schema, and the first release that has each.
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

// userRouteListCommands are the commands on what a user possesses.
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

// routeListUser is the user that the command names, if it has the service.
func (c *call) routeListUser() (*user, *refusal) {
	u := c.user()
	if !u.has(routeList) {
		return nil, refuse(serviceNotAssigned, u.id)
	}
	return u, nil
}

// getUserRouteList answers with what the command of that release has.
func (c *call) getUserRouteList(release int) ([]node, *refusal) {
	u, err := c.routeListUser()
	if err != nil {
		return nil, err
	}
	var answer []node
	for i, setting := range routeListSettings {
		if setting.since <= release {
			answer = append(answer, flag(setting.name, u.settings[i]))
		}
	}
	for _, k := range kinds {
		columns := k.availableColumns()
		if release < extensionsSince {
			columns = append(slices.Clone(k.identity), activeColumn)
		}
		if k.since <= release {
			answer = append(answer, c.tabulate(k.assigned, columns, *k.of(u.group.tenant), func(h *holding) bool { return h.user == u }))
		}
	}
	return answer, nil
}

// modifyUserRouteList replaces the lists that are given, empties those that are
// nil and leaves those that are absent.
func modifyUserRouteList(c *call) ([]node, *refusal) {
	u, err := c.routeListUser()
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
		replacements[k], err = k.pick(t, list.texts(k.userElement), notInTenant, u.mayHave)
		if err != nil {
			return nil, err
		}
	}
	for k, picked := range replacements {
		for _, h := range *k.of(t) {
			if slices.Contains(picked, h) {
				h.user = u
			} else if h.user == u {
				h.user = nil
			}
		}
	}
	for i, setting := range routeListSettings {
		if n := c.request.child(setting.name); n != nil {
			u.settings[i] = isTrue(n.text)
		}
	}
	return nil, nil
}

// RouteListSettings are the settings of a user's Route List, by the names of their
// elements; nil for an unknown user.
func (p *Platform) RouteListSettings(userID string) map[string]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.state.users[userID]
	if u == nil {
		return nil
	}
	settings := map[string]bool{}
	for i, setting := range routeListSettings {
		settings[setting.name] = u.settings[i]
	}
	return settings
}

// mayHave judges whether the user can have it: it must be of the user's group,
// or, in an enterprise, of the enterprise, and nobody else's.
func (u *user) mayHave(h *holding) *ErrorNumber {
	switch {
	case !u.group.tenant.enterprise && h.group != u.group:
		return notOfGroup
	case h.user != nil && h.user != u:
		return possessedByUser
	}
	return nil
}
