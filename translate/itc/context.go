package itc

import (
	"errors"
	"fmt"

	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

const (
	tenantGetCommand        = "ServiceProviderGetRequest17sp1"
	authorizationGetCommand = "GroupServiceGetAuthorizationRequest"

	// authorizationListResponse answers authorizationGetCommand where the
	// platform has only its older form, which lists the services of the group.
	authorizationListResponse = "GroupServiceGetAuthorizationListResponse"
	userServicesTable         = "userServicesAuthorizationTable"
	serviceNameHeading        = "Service Name"

	// routeList is the platform's name of the service. It is a user service,
	// which is authorized to a group and assigned to users.
	routeList = "Route List"
)

// groupContext holds of a group that has the service: its tenant exists and is not
// in Enterprise mode, it exists itself, and the service is authorized to it. The
// tenant is checked first.
var groupContext = &translate.Context{Questions: []translate.Question{
	{
		Name:    "tenant",
		Command: func(t scope.Target) oci.Read { return oci.NewRead(tenantGetCommand, translate.TenantElements(t)...) },
		Check:   checkMode,
		About:   translate.TenantExistence,
		Errors:  []*errcode.Code{errcode.NotAvailableInEnterpriseMode},
	},
	{
		Name: "service",
		Command: func(t scope.Target) oci.Read {
			return oci.NewRead(authorizationGetCommand, append(translate.GroupElements(t), oci.Text("userServiceName", routeList))...)
		},
		Check:  checkAuthorization,
		About:  translate.GroupExistence,
		Errors: []*errcode.Code{errcode.ServiceNotAssigned},
	},
}}

// checkMode refuses a tenant in Enterprise mode.
func checkMode(reply oci.Reply) (fact string, err error) {
	enterprise, err := isEnterprise(reply)
	if err == nil && enterprise {
		err = errcode.New(errcode.NotAvailableInEnterpriseMode)
	}
	return "", err
}

// isEnterprise reads the mode of a tenant from what the platform says of it.
func isEnterprise(reply oci.Reply) (bool, error) {
	// A service provider has no such element at all, but it has others.
	enterprise, present, err := reply.Bool("isEnterprise")
	switch {
	case translate.IsSuccess(reply):
		return false, errcode.Because(errcode.PlatformError, errors.New("itc: the question about a tenant was answered with mere success"))
	case err != nil:
		return false, errcode.Because(errcode.PlatformError, err)
	case !present && !states(reply, "useCustomRoutingProfile") && !states(reply, "defaultDomain"):
		return false, errcode.Because(errcode.PlatformError, fmt.Errorf("itc: %s says nothing about the tenant", reply.Name()))
	}
	return enterprise, nil
}

// states reports whether a reply has an element of that name, be it several times.
func states(reply oci.Reply, element string) bool {
	_, present, err := reply.Text(element)
	return present || err != nil
}

// checkAuthorization validates what the platform says of the service in a group.
func checkAuthorization(reply oci.Reply) (fact string, err error) {
	if reply.Name() == authorizationListResponse {
		return "", checkServices(reply)
	}
	authorized, present, err := reply.Bool("authorized")
	switch {
	case err != nil:
		return "", errcode.Because(errcode.PlatformError, err)
	case !present:
		return "", errcode.Because(errcode.PlatformError, fmt.Errorf("itc: %s has no element authorized", reply.Name()))
	case !authorized:
		return "", errcode.New(errcode.ServiceNotAssigned)
	}
	return "", nil
}

// checkServices validates a list of services, which must have the service as an
// authorized one: that of a tenant, and that of a group that releases before 22
// return in the place of the one authorization.
func checkServices(reply oci.Reply) error {
	table, err := translate.TableOf(reply, userServicesTable, serviceNameHeading, translate.Text)
	if err != nil {
		return err
	}
	name, authorized := table.Column(serviceNameHeading), table.Column("Authorized")
	if authorized == oci.NoColumn {
		return errcode.Because(errcode.PlatformError, fmt.Errorf("itc: table %s has no column Authorized", userServicesTable))
	}
	stated := ""
	for row := range table.Rows() {
		switch {
		case row.Cell(name) != routeList:
		case stated != "":
			return errcode.Because(errcode.PlatformError, fmt.Errorf("itc: table %s lists %s twice", userServicesTable, routeList))
		default:
			stated = row.Cell(authorized)
			if stated != "true" && stated != "false" {
				return errcode.Because(errcode.PlatformError, fmt.Errorf("itc: %s is authorized: %.32q", routeList, stated))
			}
		}
	}
	if stated != "true" {
		return errcode.New(errcode.ServiceNotAssigned)
	}
	return nil
}
