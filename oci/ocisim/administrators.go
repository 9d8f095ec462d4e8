package ocisim

import (
	"cmp"
	"slices"
)

// administratorCommands read the profiles of administrators.
var administratorCommands = []commandRow{
	{
		name: "SystemAdminGetRequest", least: provisioningLevel,
		schema: []particle{userID},
		do:     getSystemAdmin,
	}, {
		name: "ServiceProviderAdminGetRequest14", least: provisioningLevel,
		schema: []particle{userID},
		do:     getServiceProviderAdmin,
	},
}

// adminTypes are the types of the administrators of a tenant in the schema. The first is
// the default.
var adminTypes = []string{"Normal", "Customer", "Password Reset Only"}

// administratorWith returns the administrator of one level whom the command names.
func (c *call) administratorWith(l level) (*account, *refusal) {
	id := c.request.get("userId")
	if a := c.state.account(id); a != nil && a.level == l {
		return a, nil
	}
	return nil, refuse(userNotFound, id)
}

func getSystemAdmin(c *call) ([]node, *refusal) {
	a, err := c.administratorWith(provisioningLevel)
	if err != nil {
		return nil, err
	}
	return []node{leaf("language", "English"), leaf("adminType", a.loginType), flag("readOnly", a.readOnly)}, nil
}

func getServiceProviderAdmin(c *call) ([]node, *refusal) {
	a, err := c.administratorWith(tenantLevel)
	if err != nil {
		return nil, err
	}
	return []node{leaf("serviceProviderId", a.tenant.id), leaf("language", "English"), leaf("administratorType", cmp.Or(a.adminType, adminTypes[0]))}, nil
}

// mayWrite reports whether the platform lets the account change anything.
func (a *account) mayWrite() bool {
	return !a.readOnly && cmp.Or(a.adminType, adminTypes[0]) == adminTypes[0]
}

// restrictions checks what restricts an administrator.
func (b *builder) restrictions(where string, a *account, seed Administrator) {
	a.readOnly, a.adminType = seed.ReadOnly, seed.AdminType
	if seed.ReadOnly && a.level != provisioningLevel {
		b.problem(where+".read_only", "must be false for the type %s", seed.Type)
	}
	switch {
	case seed.AdminType == "":
	case a.level != tenantLevel:
		b.problem(where+".admin_type", "must be empty for the type %s", seed.Type)
	case !slices.Contains(adminTypes, seed.AdminType):
		b.problem(where+".admin_type", "%q is not one of %s", seed.AdminType, listed(adminTypes))
	}
}
