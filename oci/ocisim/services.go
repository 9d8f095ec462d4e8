package ocisim

import (
	"slices"
	"strconv"
)

// getServiceAuthorization knows services by their names alone, whatever their
// kind.
func getServiceAuthorization(c *call) ([]node, *refusal) {
	g, err := c.group()
	if err != nil {
		return nil, err
	}
	kind := c.request.children[2]
	if !slices.Contains(g.services, kind.text) {
		return []node{flag("authorized", false)}, nil
	}
	answer := []node{
		flag("authorized", true),
		{name: "authorizedQuantity", children: []node{flag("unlimited", true)}},
		{name: "usedQuantity", children: []node{leaf("quantity", strconv.Itoa(g.usage(kind.text)))}},
	}
	if kind.name != "servicePackName" {
		answer = append(answer, flag("authorizable", true))
	}
	return answer, nil
}

// usage is how many users of the group have the service.
func (g *group) usage(service string) int {
	used := 0
	for _, u := range g.users {
		if u.has(service) {
			used++
		}
	}
	return used
}

// The columns of the tables of what is authorized to a group.
var (
	servicePackHeadings = []string{"Service Pack Name", "Authorized", "Assigned", "Limited", "Allocated", "Allowed", "Usage", "Description"}
	serviceHeadings     = []string{"Service Name", "Authorized", "Assigned", "Limited", "Quantity", "Usage", "Licensed", "Allowed"}
	userServiceHeadings = append(slices.Clone(serviceHeadings), "User Assignable", "Group Service Assignable")

	tenantServiceHeadings     = []string{"Service Name", "Authorized", "Assigned", "Limited", "Quantity", "Allocated", "Licensed", "Service Pack Allocation"}
	tenantUserServiceHeadings = append(slices.Clone(tenantServiceHeadings), "User Assignable", "Service Pack Assignable")
)

// listServiceAuthorizations has every service in the table of the user
// services, since it knows services by their names alone. Route List, which
// every platform has, is there also where it is not authorized.
func listServiceAuthorizations(c *call) ([]node, *refusal) {
	g, err := c.group()
	if err != nil {
		return nil, err
	}
	names := append(slices.Clone(g.services), routeList)
	slices.Sort(names)
	var rows [][]string
	for _, name := range slices.Compact(names) {
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

// serviceRow is a row of the table of the user services.
func (g *group) serviceRow(service string) []string {
	used := g.usage(service)
	return []string{
		service, boolText(slices.Contains(g.services, service)), boolText(used > 0),
		unlimited, unlimited, strconv.Itoa(used), unlimited, unlimited, "true", "false",
	}
}

// listTenantServiceAuthorizations is listServiceAuthorizations for a tenant, whose
// answer has no service packs.
func listTenantServiceAuthorizations(c *call) ([]node, *refusal) {
	t, err := c.tenant()
	if err != nil {
		return nil, err
	}
	names := append(t.authorizedServices(), routeList)
	slices.Sort(names)
	var rows [][]string
	for _, name := range slices.Compact(names) {
		rows = append(rows, t.serviceRow(name))
	}
	return []node{
		{name: "groupServicesAuthorizationTable", table: &table{headings: tenantServiceHeadings}},
		{name: "userServicesAuthorizationTable", table: &table{tenantUserServiceHeadings, rows}},
	}, nil
}

// authorizedServices are those of the tenant's own list and of its groups, which
// can have no others.
func (t *tenant) authorizedServices() []string {
	names := slices.Clone(t.services)
	for _, g := range t.groups {
		names = append(names, g.services...)
	}
	return names
}

// serviceRow is a row of the table of the user services. Assigned is what a user
// has, and allocated what a group may have.
func (t *tenant) serviceRow(service string) []string {
	used, allocated := 0, "0"
	for _, g := range t.groups {
		used += g.usage(service)
		if slices.Contains(g.services, service) {
			allocated = unlimited
		}
	}
	return []string{
		service, boolText(slices.Contains(t.authorizedServices(), service)), boolText(used > 0),
		unlimited, unlimited, allocated, unlimited, "0", "true", "true",
	}
}
