package translate

import (
	"errors"
	"fmt"

	"ocigate/oci"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

const (
	tenantGetCommand          = "ServiceProviderGetRequest17sp1"
	tenantServicesCommand     = "ServiceProviderServiceGetAuthorizationListRequest"
	groupAuthorizationCommand = "GroupServiceGetAuthorizationRequest"
	userAssignmentCommand     = "UserServiceIsAssignedRequest"

	// groupServicesResponse is the reply to groupAuthorizationCommand of a
	// platform that only supports its older form, which lists the services of the
	// group: a platform before release 22.
	groupServicesResponse = "GroupServiceGetAuthorizationListResponse"

	serviceNameHeading = "Service Name"
	authorizedHeading  = "Authorized"
)

// The modes of a tenant, which are the facts of [TenantMode].
const (
	ServiceProviderMode = "service provider"
	EnterpriseMode      = "enterprise"
)

// TenantMode returns the question whether a tenant exists and in which mode it
// is. Its fact is [ServiceProviderMode] or [EnterpriseMode].
func TenantMode() Question { return tenantQuestion(readMode) }

// ServiceProviderOnly returns the question whether a tenant exists and is not in
// Enterprise mode. It has no fact. For an enterprise its error is
// NotAvailableInEnterpriseMode.
func ServiceProviderOnly() Question {
	return tenantQuestion(refuseEnterprise, errcode.NotAvailableInEnterpriseMode)
}

func tenantQuestion(check func(oci.Reply) (string, error), codes ...*errcode.Code) Question {
	return Question{
		Name:    "tenant",
		Command: func(t scope.Target) oci.Read { return oci.NewRead(tenantGetCommand, TenantElements(t)...) },
		Check:   check,
		About:   TenantExistence,
		Errors:  codes,
	}
}

// readMode returns the fact of [TenantMode].
func readMode(reply oci.Reply) (fact string, err error) {
	enterprise, err := isEnterprise(reply)
	switch {
	case err != nil:
		return "", err
	case enterprise:
		return EnterpriseMode, nil
	}
	return ServiceProviderMode, nil
}

// refuseEnterprise returns an error if the tenant is in Enterprise mode.
func refuseEnterprise(reply oci.Reply) (fact string, err error) {
	enterprise, err := isEnterprise(reply)
	if err == nil && enterprise {
		err = errcode.New(errcode.NotAvailableInEnterpriseMode)
	}
	return "", err
}

// isEnterprise reads the mode of a tenant from the reply to tenantGetCommand.
func isEnterprise(reply oci.Reply) (bool, error) {
	// The element is absent for a service provider, but others are present.
	enterprise, present, err := reply.Bool("isEnterprise")
	switch {
	case IsSuccess(reply):
		return false, errcode.Wrap(errcode.PlatformError, errors.New("translate: the reply about the tenant reports success and has no elements"))
	case err != nil:
		return false, errcode.Wrap(errcode.PlatformError, err)
	case !present && !HasElement(reply, "useCustomRoutingProfile") && !HasElement(reply, "defaultDomain"):
		return false, errcode.Wrap(errcode.PlatformError, fmt.Errorf("translate: %s has no element of a tenant", reply.Name()))
	}
	return enterprise, nil
}

// HasElement reports whether a reply has one or more elements of that name.
func HasElement(reply oci.Reply, name string) bool {
	_, present, err := reply.Element(name)
	return present || err != nil
}

// A UserService is the platform's name for a service that is authorized to
// tenants and groups and assigned to users. Case matters. Its methods return
// questions of a [Context]; the error of each is ServiceNotAssigned.
type UserService string

// A GroupService is the platform's name for a service that is authorized to
// tenants and groups and assigned to groups. Its methods are like those of
// [UserService].
type GroupService string

// AuthorizedToTenant returns the question whether the service is authorized to a
// tenant. Whether the tenant exists is the question [TenantMode].
func (s UserService) AuthorizedToTenant() Question { return s.named().authorizedToTenant() }

// AuthorizedToGroup returns the question whether a group exists and the service
// is authorized to it. Whether the group's tenant exists is the question
// [TenantMode] or [ServiceProviderOnly]. A platform before release 22 replies
// with the list of the group's services, which is understood as well.
func (s UserService) AuthorizedToGroup() Question { return s.named().authorizedToGroup() }

// AuthorizedToTenant is like [UserService.AuthorizedToTenant].
func (s GroupService) AuthorizedToTenant() Question { return s.named().authorizedToTenant() }

// AuthorizedToGroup is like [UserService.AuthorizedToGroup].
func (s GroupService) AuthorizedToGroup() Question { return s.named().authorizedToGroup() }

// AssignedToUser returns the question whether the service is assigned to a user.
// Whether the user is in the target's group is the question [UserExistence].
func (s UserService) AssignedToUser() Question {
	return Question{
		Name: string(s) + " of the user",
		Command: func(t scope.Target) oci.Read {
			return oci.NewRead(userAssignmentCommand, append(UserElements(t), oci.Text("serviceName", string(s)))...)
		},
		Check:  func(reply oci.Reply) (fact string, err error) { return "", checkFlag(reply, "isAssigned") },
		Errors: []*errcode.Code{errcode.ServiceNotAssigned},
	}
}

// namedService is a service as the commands about authorization name it.
type namedService struct {
	name string
	// element is the element of groupAuthorizationCommand that holds the name.
	element string
	// table is the table that has the service in replies that list services.
	table string
}

func (s UserService) named() namedService {
	return namedService{string(s), "userServiceName", "userServicesAuthorizationTable"}
}

func (s GroupService) named() namedService {
	return namedService{string(s), "groupServiceName", "groupServicesAuthorizationTable"}
}

func (s namedService) authorizedToTenant() Question {
	return Question{
		Name:    s.name + " of the tenant",
		Command: func(t scope.Target) oci.Read { return oci.NewRead(tenantServicesCommand, TenantElements(t)...) },
		Check:   func(reply oci.Reply) (fact string, err error) { return "", s.checkList(reply) },
		Errors:  []*errcode.Code{errcode.ServiceNotAssigned},
	}
}

func (s namedService) authorizedToGroup() Question {
	return Question{
		Name: s.name + " of the group",
		Command: func(t scope.Target) oci.Read {
			return oci.NewRead(groupAuthorizationCommand, append(GroupElements(t), oci.Text(s.element, s.name))...)
		},
		Check:  s.checkGroup,
		About:  GroupExistence,
		Errors: []*errcode.Code{errcode.ServiceNotAssigned},
	}
}

// checkGroup checks the reply to groupAuthorizationCommand.
func (s namedService) checkGroup(reply oci.Reply) (fact string, err error) {
	if reply.Name() == groupServicesResponse {
		return "", s.checkList(reply)
	}
	return "", checkFlag(reply, "authorized")
}

// checkFlag checks the reply about one service, whose element reports whether the
// service is authorized or assigned.
func checkFlag(reply oci.Reply, element string) error {
	is, present, err := reply.Bool(element)
	switch {
	case err != nil:
		return errcode.Wrap(errcode.PlatformError, err)
	case !present:
		return errcode.Wrap(errcode.PlatformError, fmt.Errorf("translate: %s has no element %s", reply.Name(), element))
	case !is:
		return errcode.New(errcode.ServiceNotAssigned)
	}
	return nil
}

// checkList checks a table of services, which must have the service and mark it
// as authorized. It is the table of a tenant, or of a group on a platform before
// release 22.
func (s namedService) checkList(reply oci.Reply) error {
	table, err := TableOf(reply, s.table, serviceNameHeading, Text)
	if err != nil {
		return err
	}
	name, authorized := table.Column(serviceNameHeading), table.Column(authorizedHeading)
	if authorized == oci.NoColumn {
		return errcode.Wrap(errcode.PlatformError, fmt.Errorf("translate: table %s has no column %s", s.table, authorizedHeading))
	}
	value := ""
	for row := range table.Rows() {
		switch {
		case row.Cell(name) != s.name:
		case value != "":
			return errcode.Wrap(errcode.PlatformError, fmt.Errorf("translate: table %s lists %s twice", s.table, s.name))
		default:
			value = row.Cell(authorized)
			if value != "true" && value != "false" {
				return errcode.Wrap(errcode.PlatformError, fmt.Errorf("translate: the cell that reports whether %s is authorized has %.32q", s.name, value))
			}
		}
	}
	if value != "true" {
		return errcode.New(errcode.ServiceNotAssigned)
	}
	return nil
}
