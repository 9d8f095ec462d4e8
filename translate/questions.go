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

	// groupServicesResponse answers groupAuthorizationCommand where the platform
	// has only its older form, which lists the services of the group: that is so
	// before release 22.
	groupServicesResponse = "GroupServiceGetAuthorizationListResponse"

	serviceNameHeading = "Service Name"
	authorizedHeading  = "Authorized"
)

// The modes of a tenant, which are the facts of the question [TenantMode].
const (
	ServiceProviderMode = "service provider"
	EnterpriseMode      = "enterprise"
)

// TenantMode is the question whether a tenant exists and in which mode it is. Its
// fact is [ServiceProviderMode] or [EnterpriseMode].
func TenantMode() Question { return tenantQuestion(readMode) }

// ServiceProviderOnly is the question whether a tenant exists and is not in
// Enterprise mode. It has no fact, and NotAvailableInEnterpriseMode is the error of
// an enterprise.
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

// readMode is the fact of [TenantMode].
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

// refuseEnterprise returns the error of a tenant in Enterprise mode.
func refuseEnterprise(reply oci.Reply) (fact string, err error) {
	enterprise, err := isEnterprise(reply)
	if err == nil && enterprise {
		err = errcode.New(errcode.NotAvailableInEnterpriseMode)
	}
	return "", err
}

// isEnterprise reads the mode of a tenant from the answer to tenantGetCommand.
func isEnterprise(reply oci.Reply) (bool, error) {
	// A service provider has no such element at all, but it has others.
	enterprise, present, err := reply.Bool("isEnterprise")
	switch {
	case IsSuccess(reply):
		return false, errcode.Wrap(errcode.PlatformError, errors.New("translate: the question about a tenant was answered with mere success"))
	case err != nil:
		return false, errcode.Wrap(errcode.PlatformError, err)
	case !present && !HasElement(reply, "useCustomRoutingProfile") && !HasElement(reply, "defaultDomain"):
		return false, errcode.Wrap(errcode.PlatformError, fmt.Errorf("translate: %s says nothing about the tenant", reply.Name()))
	}
	return enterprise, nil
}

// HasElement reports whether a reply has an element of that name, once or several
// times.
func HasElement(reply oci.Reply, name string) bool {
	_, present, err := reply.Element(name)
	return present || err != nil
}

// UserService is the platform's name for a service that is authorized to tenants and
// groups and assigned to users. Case matters. Its methods are questions of a
// [Context]; the error of each is ServiceNotAssigned.
type UserService string

// GroupService is the platform's name for a service that is authorized to tenants
// and groups and assigned to groups. It is otherwise as [UserService].
type GroupService string

// AuthorizedToTenant is the question whether a tenant has the service authorized. It
// does not ask whether the tenant exists, as [TenantMode] does.
func (s UserService) AuthorizedToTenant() Question { return s.named().authorizedToTenant() }

// AuthorizedToGroup is the question whether a group exists and has the service
// authorized. It does not ask whether the group's tenant exists, as [TenantMode] and
// [ServiceProviderOnly] do. Before release 22 the platform answers with the list of
// the group's services.
func (s UserService) AuthorizedToGroup() Question { return s.named().authorizedToGroup() }

// AuthorizedToTenant is that of [UserService.AuthorizedToTenant].
func (s GroupService) AuthorizedToTenant() Question { return s.named().authorizedToTenant() }

// AuthorizedToGroup is that of [UserService.AuthorizedToGroup].
func (s GroupService) AuthorizedToGroup() Question { return s.named().authorizedToGroup() }

// AssignedToUser is the question whether the service is assigned to a user. It asks
// nothing else: not whether the user is one of the target's group, which
// [UserExistence] does.
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

// namedService is a service as the commands about authorization know it.
type namedService struct {
	name string
	// element has the name in groupAuthorizationCommand.
	element string
	// table has the service in lists of services.
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

// checkGroup validates the answer to groupAuthorizationCommand.
func (s namedService) checkGroup(reply oci.Reply) (fact string, err error) {
	if reply.Name() == groupServicesResponse {
		return "", s.checkList(reply)
	}
	return "", checkFlag(reply, "authorized")
}

// checkFlag validates the answer about one service, whose element reports whether it
// is authorized or assigned.
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

// checkList validates a list of services, which must have the service as an
// authorized one: that of a tenant, and that of a group that releases before 22
// return in place of the one authorization.
func (s namedService) checkList(reply oci.Reply) error {
	table, err := TableOf(reply, s.table, serviceNameHeading, Text)
	if err != nil {
		return err
	}
	name, authorized := table.Column(serviceNameHeading), table.Column(authorizedHeading)
	if authorized == oci.NoColumn {
		return errcode.Wrap(errcode.PlatformError, fmt.Errorf("translate: table %s has no column %s", s.table, authorizedHeading))
	}
	stated := ""
	for row := range table.Rows() {
		switch {
		case row.Cell(name) != s.name:
		case stated != "":
			return errcode.Wrap(errcode.PlatformError, fmt.Errorf("translate: table %s lists %s twice", s.table, s.name))
		default:
			stated = row.Cell(authorized)
			if stated != "true" && stated != "false" {
				return errcode.Wrap(errcode.PlatformError, fmt.Errorf("translate: %s is authorized: %.32q", s.name, stated))
			}
		}
	}
	if stated != "true" {
		return errcode.New(errcode.ServiceNotAssigned)
	}
	return nil
}
