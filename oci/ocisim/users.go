package ocisim

// userCommands read the users of a group and one user.
var userCommands = []commandRow{
	{
		name: "UserGetListInGroupRequest", least: groupLevel,
		// The group's element begins with a capital letter, unlike in all other
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
		do:     func(c *call) ([]node, *refusal) { return c.user().reply(), nil },
	}, {
		name: "UserGetRequest21sp1", since: 21, least: userLevel, aboutUser: true,
		schema: []particle{userID},
		do:     func(c *call) ([]node, *refusal) { return c.user().reply(), nil },
	}, {
		name: "UserGetRequest22", since: 22, least: userLevel, aboutUser: true,
		schema: []particle{userID},
		do:     func(c *call) ([]node, *refusal) { return c.user().reply(leaf("userId", c.user().id)), nil },
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

// reply returns the elements of a user, with those of one form of the command
// after the group. Optional elements of the schema are omitted if seeds have no
// value for them.
func (u *user) reply(afterGroup ...node) []node {
	reply := []node{leaf("serviceProviderId", u.group.tenant.id), leaf("groupId", u.group.id)}
	reply = append(reply, afterGroup...)
	reply = append(reply,
		leaf("lastName", u.lastName), leaf("firstName", u.firstName),
		leaf("callingLineIdLastName", u.lastName), leaf("callingLineIdFirstName", u.firstName))
	reply = leafUnlessEmpty(reply, "phoneNumber", u.phoneNumber)
	reply = leafUnlessEmpty(reply, "extension", u.extension)
	reply = leafUnlessEmpty(reply, "departmentFullPath", u.department.fullPath())
	reply = append(reply, leaf("language", "English"), leaf("timeZone", "Europe/Brussels"), leaf("timeZoneDisplayName", "(GMT+01:00) Brussels"))
	return leafUnlessEmpty(reply, "emailAddress", u.email)
}
