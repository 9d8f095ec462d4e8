package ocisim

// tenantCommands read service providers and enterprises.
var tenantCommands = []commandRow{
	{
		name: "ServiceProviderGetRequest17sp1", least: tenantLevel,
		schema: []particle{serviceProviderID},
		do:     getServiceProvider,
	}, {
		name: "ServiceProviderGetRequest22V4", since: 24, least: tenantLevel,
		schema: []particle{serviceProviderID},
		do:     getServiceProviderWithID,
	}, {
		name: "ServiceProviderGetListRequest", least: resellerLevel,
		schema: []particle{
			one("isEnterprise", boolean).optional(), responseSizeLimit,
			criteria("searchCriteriaServiceProviderId", 30), criteria("searchCriteriaServiceProviderName", 80),
			criteria("searchCriteriaResellerId", 36),
		},
		do: listServiceProviders,
	},
}

func getServiceProvider(c *call) ([]node, *refusal) {
	t, err := c.tenant()
	if err != nil {
		return nil, err
	}
	var reply []node
	if t.enterprise {
		reply = append(reply, flag("isEnterprise", true))
	} else {
		reply = append(reply, flag("useCustomRoutingProfile", false))
	}
	reply = append(reply, leaf("defaultDomain", t.domain))
	reply = leafUnlessEmpty(reply, "serviceProviderName", t.name)
	return append(reply, flag("useServiceProviderLanguages", false)), nil
}

// getServiceProviderWithID adds the id at the beginning of the reply.
func getServiceProviderWithID(c *call) ([]node, *refusal) {
	reply, err := getServiceProvider(c)
	if err != nil {
		return nil, err
	}
	return append([]node{leaf("serviceProviderId", c.request.get("serviceProviderId"))}, reply...), nil
}

func listServiceProviders(c *call) ([]node, *refusal) {
	wanted := c.request.child("isEnterprise")
	var rows [][]string
	for _, t := range c.state.tenants {
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
