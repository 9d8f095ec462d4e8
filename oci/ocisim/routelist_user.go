package ocisim

import "slices"

// routeListSettings are the settings of a user's Route List, in the order of
// the schema.
var routeListSettings = [...]string{
	"treatOriginationsAndPBXRedirectionsAsScreened",
	"useRouteListIdentityForNonEmergencyCalls",
	"useRouteListIdentityForEmergencyCalls",
	"ignoreCallingNameForCallProcessing",
}

// userRouteListCommands are the commands on what a user possesses.
var userRouteListCommands = []commandRow{
	{
		name: "UserRouteListGetRequest24", since: 24, least: userLevel, aboutUser: true,
		schema: []particle{userID},
		do:     getUserRouteList,
	}, {
		name: "UserRouteListModifyRequest", since: 21, least: groupLevel, aboutUser: true, writes: true,
		schema: modifySchema(),
		do:     modifyUserRouteList,
	},
}

func modifySchema() []particle {
	schema := []particle{userID}
	for _, name := range routeListSettings {
		schema = append(schema, one(name, boolean).optional())
	}
	for _, k := range kinds {
		schema = append(schema, parent(k.userList, one(k.userElement, numberText).some()).optional().orNil())
	}
	return schema
}

// routeListUser is the user that the command names, if it has the service.
func (c *call) routeListUser() (*user, *refusal) {
	u := c.platform.state.users[c.request.get("userId")]
	if !u.has(routeList) {
		return nil, refuse(serviceNotAssigned, u.id)
	}
	return u, nil
}

func getUserRouteList(c *call) ([]node, *refusal) {
	u, err := c.routeListUser()
	if err != nil {
		return nil, err
	}
	var answer []node
	for i, name := range routeListSettings {
		answer = append(answer, flag(name, u.settings[i]))
	}
	for _, k := range kinds {
		answer = append(answer, c.tabulate(k.assigned, k.availableColumns(), *k.of(u.group.tenant), func(h *holding) bool { return h.user == u }))
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
	for i, name := range routeListSettings {
		if n := c.request.child(name); n != nil {
			u.settings[i] = isTrue(n.text)
		}
	}
	return nil, nil
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
