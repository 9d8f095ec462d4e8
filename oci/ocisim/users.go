package ocisim

import "slices"

// userCommands tell where users are and which services they have.
var userCommands = []commandRow{
	{
		name: "UserGetListInGroupRequest", least: groupLevel,
		// The group's element has a capital letter, unlike that of all other
		// commands.
		schema: []particle{
			serviceProviderID, one("GroupId", token(1, 30)), responseSizeLimit,
			criteria("searchCriteriaUserLastName", 30), criteria("searchCriteriaUserFirstName", 30),
			criteria("searchCriteriaDn", 23), criteria("searchCriteriaEmailAddress", 80),
			criteria("searchCriteriaUserId", 161), criteria("searchCriteriaExtension", 20),
		},
		do: listUsers,
	}, {
		name: "UserGetRequest17sp4", least: userLevel, aboutUser: true,
		schema: []particle{userID},
		do:     func(c *call) ([]node, *refusal) { return c.getUser(false) },
	}, {
		name: "UserGetRequest21sp1", since: 21, least: userLevel, aboutUser: true,
		schema: []particle{userID},
		do:     func(c *call) ([]node, *refusal) { return c.getUser(false) },
	}, {
		name: "UserGetRequest22", since: 22, least: userLevel, aboutUser: true,
		schema: []particle{userID},
		do:     func(c *call) ([]node, *refusal) { return c.getUser(true) },
	}, {
		name: "UserServiceIsAssignedRequest", least: userLevel, aboutUser: true,
		schema: []particle{userID, oneOf(one("serviceName", token(1, 80)), one("servicePackName", token(1, 80)))},
		do:     isServiceAssigned,
	},
}

// userHeadings are the columns of a list of users.
var userHeadings = []string{
	"User Id", "Last Name", "First Name", "Department", "Phone Number", "Phone Number Activated", "Email Address",
	"Hiragana Last Name", "Hiragana First Name", "In Trunk Group", "Extension", "Country Code", "National Prefix",
}

func listUsers(c *call) ([]node, *refusal) {
	g, err := c.group()
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for _, u := range g.users {
		if !c.meets("searchCriteriaUserLastName", u.lastName) || !c.meets("searchCriteriaUserFirstName", u.firstName) ||
			!c.meets("searchCriteriaDn", u.phoneNumber) || !c.meets("searchCriteriaEmailAddress", u.email) ||
			!c.meets("searchCriteriaUserId", u.id) || !c.meets("searchCriteriaExtension", u.extension) {
			continue
		}
		activated := ""
		if u.phoneNumber != "" {
			activated = boolText(true)
		}
		rows = append(rows, []string{
			u.id, u.lastName, u.firstName, u.department.fullPath(), u.phoneNumber, activated, u.email,
			"", "", boolText(u.trunk != ""), u.extension, "", "",
		})
	}
	return c.search("userTable", userHeadings, rows)
}

// getUser answers with the id of the user or without. Elements that the schema
// has optional, and of which the platform knows nothing, are left out.
func (c *call) getUser(withID bool) ([]node, *refusal) {
	u := c.user()
	answer := []node{leaf("serviceProviderId", u.group.tenant.id), leaf("groupId", u.group.id)}
	if withID {
		answer = append(answer, leaf("userId", u.id))
	}
	answer = append(answer,
		leaf("lastName", u.lastName), leaf("firstName", u.firstName),
		leaf("callingLineIdLastName", u.lastName), leaf("callingLineIdFirstName", u.firstName))
	answer = leafUnlessEmpty(answer, "phoneNumber", u.phoneNumber)
	answer = leafUnlessEmpty(answer, "extension", u.extension)
	answer = leafUnlessEmpty(answer, "departmentFullPath", u.department.fullPath())
	answer = append(answer, leaf("language", "English"), leaf("timeZone", "Europe/Brussels"), leaf("timeZoneDisplayName", "(GMT+01:00) Brussels"))
	answer = leafUnlessEmpty(answer, "emailAddress", u.email)
	return answer, nil
}

// isServiceAssigned knows services and service packs by their names alone.
func isServiceAssigned(c *call) ([]node, *refusal) {
	return []node{flag("isAssigned", slices.Contains(c.user().services, c.request.children[1].text))}, nil
}
