package ocisim

import (
	"fmt"
	"slices"
	"strconv"
)

// authorizationCommands read the services to which tenants and groups are
// authorized and which are assigned to users.
var authorizationCommands = []commandRow{
	{
		name: "ServiceProviderServiceGetAuthorizationListRequest", least: tenantLevel,
		schema: []particle{serviceProviderID},
		do:     listTenantServiceAuthorizations,
	}, {
		name: "GroupServiceGetAuthorizationRequest", since: 22, least: groupLevel,
		schema: []particle{
			serviceProviderID, groupID,
			oneOf(one("userServiceName", token(1, 80)), one("groupServiceName", token(1, 80)), one("servicePackName", token(1, 80))),
		},
		do: getServiceAuthorization,
	}, {
		name: "GroupServiceGetAuthorizationListRequest", least: groupLevel,
		schema: []particle{serviceProviderID, groupID},
		do:     listServiceAuthorizations,
	}, {
		name: "UserServiceIsAssignedRequest", least: userLevel, aboutUser: true,
		schema: []particle{userID, oneOf(one("serviceName", token(1, 80)), one("servicePackName", token(1, 80)))},
		do:     isServiceAssigned,
	},
}

// unauthorizedService returns the refusal of a command that needs a service to
// which the group is not authorized.
func unauthorizedService(service string, g *group) *refusal {
	r := refuse(serviceNotAuthorized, "")
	r.text = fmt.Sprintf(r.text, service) + ": " + g.tenant.id + ":" + g.id
	return r
}

// isServiceAssigned compares the name only: a service and a service pack of one
// name are the same.
func isServiceAssigned(c *call) ([]node, *refusal) {
	return []node{flag("isAssigned", c.user().has(c.request.children[1].text))}, nil
}

// getServiceAuthorization compares the name only, whatever the kind of service.
func getServiceAuthorization(c *call) ([]node, *refusal) {
	g, err := c.group()
	if err != nil {
		return nil, err
	}
	kind := c.request.children[2]
	if !g.authorizes(kind.text) {
		return []node{flag("authorized", false)}, nil
	}
	reply := []node{
		flag("authorized", true),
		{name: "authorizedQuantity", children: []node{flag("unlimited", true)}},
		{name: "usedQuantity", children: []node{leaf("quantity", strconv.Itoa(g.usage(kind.text)))}},
	}
	if kind.name != "servicePackName" {
		reply = append(reply, flag("authorizable", true))
	}
	return reply, nil
}

// The columns of the tables of authorized services.
var (
	servicePackHeadings = []string{"Service Pack Name", "Authorized", "Assigned", "Limited", "Allocated", "Allowed", "Usage", "Description"}
	serviceHeadings     = []string{"Service Name", "Authorized", "Assigned", "Limited", "Quantity", "Usage", "Licensed", "Allowed"}
	userServiceHeadings = append(slices.Clone(serviceHeadings), "User Assignable", "Group Service Assignable")

	tenantServiceHeadings     = []string{"Service Name", "Authorized", "Assigned", "Limited", "Quantity", "Allocated", "Licensed", "Service Pack Allocation"}
	tenantUserServiceHeadings = append(slices.Clone(tenantServiceHeadings), "User Assignable", "Service Pack Assignable")
)

// listedServices returns the names in a list of authorizations, sorted: those
// that are authorized and the services that every platform has.
func listedServices(authorized []string) []string {
	names := slices.Clone(authorized)
	for _, s := range services {
		names = append(names, s.name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// listServiceAuthorizations lists every service in the table of the user
// services, since services have no property but their name.
func listServiceAuthorizations(c *call) ([]node, *refusal) {
	g, err := c.group()
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for _, name := range listedServices(g.services) {
		rows = append(rows, g.serviceRow(name))
	}
	return []node{
		{name: "servicePacksAuthorizationTable", table: &table{headings: servicePackHeadings}},
		{name: "groupServicesAuthorizationTable", table: &table{headings: serviceHeadings}},
		{name: "userServicesAuthorizationTable", table: &table{userServiceHeadings, rows}},
	}, nil
}

// unlimited is a quantity.
const unlimited = "Unlimited"

// serviceRow returns a row of the table of the user services.
func (g *group) serviceRow(service string) []string {
	used := g.usage(service)
	return []string{
		service, boolText(g.authorizes(service)), boolText(used > 0),
		unlimited, unlimited, strconv.Itoa(used), unlimited, unlimited, "true", "false",
	}
}

// listTenantServiceAuthorizations lists the services of a tenant. Its reply has
// no table of service packs.
func listTenantServiceAuthorizations(c *call) ([]node, *refusal) {
	t, err := c.tenant()
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for _, name := range listedServices(t.authorizedServices()) {
		rows = append(rows, t.serviceRow(name))
	}
	return []node{
		{name: "groupServicesAuthorizationTable", table: &table{headings: tenantServiceHeadings}},
		{name: "userServicesAuthorizationTable", table: &table{tenantUserServiceHeadings, rows}},
	}, nil
}

// serviceRow returns a row of the table of the user services. A service is
// assigned if a user has it, and allocated if a group may have it.
func (t *tenant) serviceRow(service string) []string {
	used, allocated := 0, "0"
	for _, g := range t.groups {
		used += g.usage(service)
		if g.authorizes(service) {
			allocated = unlimited
		}
	}
	return []string{
		service, boolText(slices.Contains(t.authorizedServices(), service)), boolText(used > 0),
		unlimited, unlimited, allocated, unlimited, "0", "true", "true",
	}
}
