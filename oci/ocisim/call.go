package ocisim

import "cmp"

// call is one command being carried out. The platform's lock is held.
type call struct {
	platform *Platform
	session  *session
	account  *account // nil before login
	request  *node
}

// authorize judges whether the login may send the command about what it names.
// Whoever reaches beyond their own learns nothing of what is there.
func (c *call) authorize(row *commandRow) *refusal {
	if row.least == anybody {
		return nil
	}
	if c.account == nil {
		return refuse(notLoggedIn, "")
	}
	tenantID, groupID := c.request.get("serviceProviderId"), c.groupID()
	var of *user
	if row.aboutUser {
		if of = c.platform.state.users[c.request.get("userId")]; of == nil {
			return refuse(userNotFound, c.request.get("userId"))
		}
		tenantID, groupID = of.group.tenant.id, of.group.id
	}
	if c.account.level < row.least || !c.covers(tenantID, groupID, of) {
		return refuse(unauthorized, "")
	}
	return nil
}

// covers tells that a tenant, group and user are the account's to administer.
// Commands that name none of them are covered.
func (c *call) covers(tenantID, groupID string, of *user) bool {
	a := c.account
	if a.level == provisioningLevel || tenantID == "" {
		return true
	}
	if a.level == resellerLevel {
		t := c.platform.state.tenant(tenantID)
		return t != nil && t.reseller == a.reseller
	}
	if a.tenant.id != tenantID || a.level <= groupLevel && a.group.id != groupID {
		return false
	}
	switch a.level {
	case departmentLevel:
		return of != nil && of.department.within(a.department)
	case userLevel:
		return of == a.user
	}
	return true
}

// tenant is the service provider or enterprise that the command names.
func (c *call) tenant() (*tenant, *refusal) {
	id := c.request.get("serviceProviderId")
	if t := c.platform.state.tenant(id); t != nil {
		return t, nil
	}
	return nil, refuse(tenantNotFound, id)
}

// group is the group that the command names.
func (c *call) group() (*group, *refusal) {
	t, err := c.tenant()
	if err != nil {
		return nil, err
	}
	id := c.groupID()
	if g := t.group(id); g != nil {
		return g, nil
	}
	return nil, refuse(groupNotFound, t.id+":"+id)
}

// groupID is the id of the group that the command names, "" where it names none.
func (c *call) groupID() string {
	return cmp.Or(c.request.get("groupId"), c.request.get("GroupId"))
}

// user is the user that the command is about, who was there when it was
// authorized.
func (c *call) user() *user { return c.platform.state.users[c.request.get("userId")] }
