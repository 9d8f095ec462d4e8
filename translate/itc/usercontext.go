package itc

import (
	"ocigate/translate"
	"ocigate/translate/errcode"
)

// userContext holds of a user who has the service: their tenant exists, be it a
// service provider or an enterprise, they are a user of that group, and the service
// is assigned to them. That they are of the group must be asked, since commands
// about a user name nothing but the user.
var userContext = &translate.Context{
	Questions: []translate.Question{
		modeQuestion,
		{
			Name:  "user",
			Lists: translate.UserExistence,
			About: translate.GroupExistence,
		},
		routeList.AssignedToUser(),
	},
	Messages: map[*errcode.Code]string{errcode.ServiceNotAssigned: "The service is not assigned to this user."},
}
