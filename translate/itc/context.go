package itc

import "ocigate/translate"

// RouteList is the platform's name of the service. It is a user service: it is
// authorized to groups and assigned to users.
const RouteList translate.UserService = "Route List"

// groupContext requires that the tenant exists and is not in Enterprise mode,
// that the group exists, and that the service is authorized to it. The tenant is
// checked first.
var groupContext = &translate.Context{Questions: []translate.Question{
	translate.ServiceProviderOnly(),
	RouteList.AuthorizedToGroup(),
}}
