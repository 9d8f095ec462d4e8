package ocisim

import (
	"cmp"
	"strconv"
	"strings"
)

// call is one execution of a command. It exists only while its session holds the
// platform's mu, so its methods, and the functions of the rows of commands, may
// use the state.
type call struct {
	platform *Platform
	state    *state
	session  *session
	account  *account // nil before login
	request  *node
}

// authorize checks whether the login may send the command about the tenant, group
// and user that it names. The refusal for a tenant or group outside the login's
// limits does not depend on whether it exists. Any login can learn that a user does
// not exist. No public document has the refusal of a write of a restricted
// administrator; here it is that of any other lack of rights.
func (c *call) authorize(row *commandRow) *refusal {
	if row.least == noLogin {
		return nil
	}
	if c.account == nil {
		return refuse(notLoggedIn, "")
	}
	tenantID, groupID := c.request.get("serviceProviderId"), c.groupID()
	var of *user
	if row.aboutUser {
		if of = c.user(); of == nil {
			return refuse(userNotFound, c.request.get("userId"))
		}
		tenantID, groupID = of.group.tenant.id, of.group.id
	}
	if c.account.level < row.least || row.writes && !c.account.mayWrite() || !c.covers(tenantID, groupID, of) {
		return refuse(unauthorized, "")
	}
	return nil
}

// covers reports whether the account administers the tenant, group and user. of
// is nil for commands that are not about a user. Every account covers a command
// without a tenant.
func (c *call) covers(tenantID, groupID string, of *user) bool {
	a := c.account
	if a.level == provisioningLevel || tenantID == "" {
		return true
	}
	if a.level == resellerLevel {
		t := c.state.tenant(tenantID)
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

// tenant returns the service provider or enterprise that the command names.
func (c *call) tenant() (*tenant, *refusal) {
	id := c.request.get("serviceProviderId")
	if t := c.state.tenant(id); t != nil {
		return t, nil
	}
	return nil, refuse(tenantNotFound, id)
}

// serviceProvider returns the tenant that the command names if it is not an
// enterprise.
func (c *call) serviceProvider() (*tenant, *refusal) {
	t, err := c.tenant()
	if err == nil && t.enterprise {
		return nil, refuse(notForEnterprise, t.id)
	}
	return t, err
}

// enterprise returns the tenant that the command names if it is an enterprise.
func (c *call) enterprise() (*tenant, *refusal) {
	t, err := c.tenant()
	if err == nil && !t.enterprise {
		return nil, refuse(onlyForEnterprise, t.id)
	}
	return t, err
}

// group returns the group that the command names.
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

// groupID returns the id of the group that the command names, or "".
func (c *call) groupID() string {
	return cmp.Or(c.request.get("groupId"), c.request.get("GroupId"))
}

// user returns the user that the command names. It is not nil after authorize
// has accepted a command about a user.
func (c *call) user() *user { return c.state.users[c.request.get("userId")] }

// userWith returns the user that the command is about if the service is assigned
// to them.
func (c *call) userWith(service string) (*user, *refusal) {
	u := c.user()
	if !u.has(service) {
		return nil, refuse(serviceNotAssigned, u.id)
	}
	return u, nil
}

// meets reports whether a value meets every criterion of that name.
func (c *call) meets(criterion, value string) bool {
	for _, n := range c.request.all(criterion) {
		have, want := value, n.get("value")
		if isTrue(n.get("isCaseInsensitive")) {
			have, want = strings.ToLower(have), strings.ToLower(want)
		}
		matches := map[string]func(s, t string) bool{
			"Starts With": strings.HasPrefix,
			"Contains":    strings.Contains,
			"Equal To":    func(s, t string) bool { return s == t },
		}[n.get("mode")]
		if !matches(have, want) {
			return false
		}
	}
	return true
}

// search returns the reply to a search, unless there are more rows than the
// request's limit.
func (c *call) search(element string, headings []string, rows [][]string) ([]node, *refusal) {
	if limit, err := strconv.Atoi(c.request.get("responseSizeLimit")); err == nil && len(rows) > limit {
		return nil, refuse(sizeLimitExceeded, "")
	}
	return []node{{name: element, table: &table{headings, rows}}}, nil
}
