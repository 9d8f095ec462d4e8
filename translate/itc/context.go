package itc

import "ocigate/translate"

// routeList is the platform's name of the service. It is a user service, which is
// authorized to a group and assigned to users.
const routeList translate.UserService = "Route List"

// groupContext holds of a group that has the service: its tenant exists and is not
// in Enterprise mode, it exists itself, and the service is authorized to it. The
// tenant is checked first.
var groupContext = &translate.Context{Questions: []translate.Question{
	translate.ServiceProviderOnly(),
	routeList.AuthorizedToGroup(),
}}
