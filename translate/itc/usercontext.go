package itc

import (
	"fmt"

	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

const userAssignmentCommand = "UserServiceIsAssignedRequest"

// userContext holds of a user who has the service: their tenant exists, be it a
// service provider or an enterprise, they are a user of that group, and the service
// is assigned to them. That they are of the group must be asked, since commands
// about a user name nothing but the user.
var userContext = &translate.Context{
	Questions: []translate.Question{
		{
			Name:    modeQuestion,
			Command: func(t scope.Target) oci.Read { return oci.NewRead(tenantGetCommand, translate.TenantElements(t)...) },
			Check:   readMode,
			About:   translate.TenantExistence,
		},
		{
			Name:  "user",
			Lists: translate.UserExistence,
			About: translate.GroupExistence,
		},
		{
			Name: "service",
			Command: func(t scope.Target) oci.Read {
				return oci.NewRead(userAssignmentCommand, append(translate.UserElements(t), oci.Text("serviceName", routeList))...)
			},
			Check:  checkAssignment,
			Errors: []*errcode.Code{errcode.ServiceNotAssigned},
		},
	},
	Messages: map[*errcode.Code]string{errcode.ServiceNotAssigned: "The service is not assigned to this user."},
}

// checkAssignment validates what the platform says of the service and a user.
func checkAssignment(reply oci.Reply) (fact string, err error) {
	assigned, present, err := reply.Bool("isAssigned")
	switch {
	case err != nil:
		return "", errcode.Because(errcode.PlatformError, err)
	case !present:
		return "", errcode.Because(errcode.PlatformError, fmt.Errorf("itc: %s has no element isAssigned", reply.Name()))
	case !assigned:
		return "", errcode.New(errcode.ServiceNotAssigned)
	}
	return "", nil
}
