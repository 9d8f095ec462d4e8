package ocisim

import (
	"slices"
	"strconv"
	"strings"
)

// contextCommands tell what tenants and groups there are.
var contextCommands = []commandRow{
	{
		name: "ServiceProviderGetRequest17sp1", least: tenantLevel,
		schema: []particle{serviceProviderID},
		do:     func(c *call) ([]node, *refusal) { return c.getServiceProvider(false) },
	}, {
		name: "ServiceProviderGetRequest22V4", since: 24, least: tenantLevel,
		schema: []particle{serviceProviderID},
		do:     func(c *call) ([]node, *refusal) { return c.getServiceProvider(true) },
	}, {
		name: "ServiceProviderGetListRequest", least: resellerLevel,
		schema: []particle{
			one("isEnterprise", boolean).optional(), responseSizeLimit,
			criteria("searchCriteriaServiceProviderId", 30), criteria("searchCriteriaServiceProviderName", 80),
			criteria("searchCriteriaResellerId", 36),
		},
		do: listServiceProviders,
	}, {
		name: "ServiceProviderServiceGetAuthorizationListRequest", least: tenantLevel,
		schema: []particle{serviceProviderID},
		do:     listTenantServiceAuthorizations,
	}, {
		name: "GroupGetListInServiceProviderRequest", least: tenantLevel,
		schema: []particle{
			serviceProviderID, responseSizeLimit,
			criteria("searchCriteriaGroupId", 30), criteria("searchCriteriaGroupName", 80),
		},
		do: listGroups,
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
		name: "GroupDepartmentGetListRequest18", since: 21, least: groupLevel,
		schema: []particle{serviceProviderID, groupID, one("includeEnterpriseDepartments", boolean)},
		do:     listDepartments,
	},
}

var responseSizeLimit = one("responseSizeLimit", integer(1, 1<<31-1)).optional()

// criteria is a repeatable search criterion.
func criteria(name string, longest int) particle {
	return parent(name,
		one("mode", enum("Starts With", "Contains", "Equal To")),
		one("value", token(1, longest)),
		one("isCaseInsensitive", boolean),
	).many()
}

// getServiceProvider answers with the id of the tenant or without.
func (c *call) getServiceProvider(withID bool) ([]node, *refusal) {
	t, err := c.tenant()
	if err != nil {
		return nil, err
	}
	var answer []node
	if withID {
		answer = append(answer, leaf("serviceProviderId", t.id))
	}
	if t.enterprise {
		answer = append(answer, flag("isEnterprise", true))
	} else {
		answer = append(answer, flag("useCustomRoutingProfile", false))
	}
	answer = append(answer, leaf("defaultDomain", t.domain))
	answer = leafUnlessEmpty(answer, "serviceProviderName", t.name)
	return append(answer, flag("useServiceProviderLanguages", false)), nil
}

func listServiceProviders(c *call) ([]node, *refusal) {
	wanted := c.request.child("isEnterprise")
	var rows [][]string
	for _, t := range c.platform.state.tenants {
		if !c.covers(t.id, "", nil) ||
			wanted != nil && isTrue(wanted.text) != t.enterprise ||
			!c.meets("searchCriteriaServiceProviderId", t.id) ||
			!c.meets("searchCriteriaServiceProviderName", t.name) ||
			!c.meets("searchCriteriaResellerId", t.reseller) {
			continue
		}
		rows = append(rows, []string{t.id, t.name, boolText(t.enterprise)})
	}
	return c.search("serviceProviderTable", []string{"Service Provider Id", "Service Provider Name", "Is Enterprise"}, rows)
}

func listGroups(c *call) ([]node, *refusal) {
	t, err := c.tenant()
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for _, g := range t.groups {
		if c.meets("searchCriteriaGroupId", g.id) && c.meets("searchCriteriaGroupName", g.name) {
			rows = append(rows, []string{g.id, g.name, strconv.Itoa(g.userLimit)})
		}
	}
	return c.search("groupTable", []string{"Group Id", "Group Name", "User Limit"}, rows)
}

// meets tells that a value meets every criterion of that name.
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

// search is the answer to a search, unless it has more rows than asked for.
func (c *call) search(element string, headings []string, rows [][]string) ([]node, *refusal) {
	if limit, err := strconv.Atoi(c.request.get("responseSizeLimit")); err == nil && len(rows) > limit {
		return nil, refuse(sizeLimitExceeded, "")
	}
	return []node{{name: element, table: &table{headings, rows}}}, nil
}

func listDepartments(c *call) ([]node, *refusal) {
	g, err := c.group()
	if err != nil {
		return nil, err
	}
	all := g.departments
	if isTrue(c.request.get("includeEnterpriseDepartments")) {
		all = slices.Concat(all, g.tenant.departments)
	}
	var rows [][]string
	for _, d := range all {
		rows = append(rows, []string{boolText(d.group == nil), d.name, d.fullPath(), "", ""})
	}
	headings := []string{"Is Enterprise Department", "Department Name", "Full Path Name", "Calling Line Id Name", "Calling Line Id Phone Number"}
	return []node{{name: "departmentTable", table: &table{headings, rows}}}, nil
}
