package itc

import (
	"ocigate/translate"
	"ocigate/translate/errcode"
)

// modeQuestion is the question whose fact is the tenant's mode.
var modeQuestion = translate.TenantMode()

// tenantContext requires that the tenant exists, in either mode, and that the
// service is authorized to it.
var tenantContext = &translate.Context{
	Questions: []translate.Question{modeQuestion, RouteList.AuthorizedToTenant()},
	Messages: map[*errcode.Code]string{
		errcode.ServiceNotAssigned: "The service is not assigned to this tenant.",
	},
}
