package itc

import (
	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// servicesGetCommand lists the services that are authorized to a tenant.
const servicesGetCommand = "ServiceProviderServiceGetAuthorizationListRequest"

// modeQuestion is the question of tenantContext whose fact is the tenant's mode.
const modeQuestion = "tenant"

// The modes of a tenant.
const (
	serviceProviderMode = "service provider"
	enterpriseMode      = "enterprise"
)

// tenantContext holds of a tenant that has the service: it exists, whatever its
// mode is, and the service is authorized to it.
var tenantContext = &translate.Context{
	Questions: []translate.Question{
		{
			Name:    modeQuestion,
			Command: func(t scope.Target) oci.Read { return oci.NewRead(tenantGetCommand, translate.TenantElements(t)...) },
			Check:   readMode,
			About:   translate.TenantExistence,
		},
		{
			Name:    "service",
			Command: func(t scope.Target) oci.Read { return oci.NewRead(servicesGetCommand, translate.TenantElements(t)...) },
			Check:   func(reply oci.Reply) (fact string, err error) { return "", checkServices(reply) },
			Errors:  []*errcode.Code{errcode.ServiceNotAssigned},
		},
	},
	Messages: map[*errcode.Code]string{
		errcode.ServiceNotAssigned: "The service is not assigned to this tenant.",
	},
}

// readMode is the fact of modeQuestion.
func readMode(reply oci.Reply) (fact string, err error) {
	enterprise, err := isEnterprise(reply)
	switch {
	case err != nil:
		return "", err
	case enterprise:
		return enterpriseMode, nil
	}
	return serviceProviderMode, nil
}
