package itc

import (
	"ocigate/translate"
	"ocigate/translate/errcode"
)

// userContext requires that the tenant exists, in either mode, that the user is
// in the group, and that the service is assigned to the user. Whether the user is
// in the group must be asked, since commands about a user name the user alone.
var userContext = &translate.Context{
	Questions: []translate.Question{
		modeQuestion,
		{
			Name:  "user",
			Lists: translate.UserExistence,
			About: translate.GroupExistence,
		},
		RouteList.AssignedToUser(),
	},
	Messages: map[*errcode.Code]string{errcode.ServiceNotAssigned: "The service is not assigned to this user."},
}
