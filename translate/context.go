package translate

import (
	"context"
	"errors"
	"fmt"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"ocigate/oci"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

const (
	tenantGetCommand        = "ServiceProviderGetRequest17sp1"
	authorizationGetCommand = "GroupServiceGetAuthorizationRequest"
	tenantListCommand       = "ServiceProviderGetListRequest"
	groupListCommand        = "GroupGetListInServiceProviderRequest"

	// authorizationListResponse answers authorizationGetCommand where the
	// platform has only its older form, which lists the services of the group.
	authorizationListResponse = "GroupServiceGetAuthorizationListResponse"
	userServicesTable         = "userServicesAuthorizationTable"

	// successResponse is the name of an answer that says nothing but that.
	successResponse    = "SuccessResponse"
	serviceNameHeading = "Service Name"

	// routeList is the platform's name of the service. It is a user service,
	// which is authorized to a group and assigned to users.
	routeList = "Route List"
)

// maxContexts bounds the memory for groups that are known to have the service.
const maxContexts = 10_000

// contexts remembers for a time which groups have the service. That a group
// does not have it is never remembered, so that what an operator puts right
// counts at once.
type contexts struct {
	ttl   time.Duration
	until *lru.Cache[scope.Target, time.Time]
}

func newContexts(ttl time.Duration) (*contexts, error) {
	until, err := lru.New[scope.Target, time.Time](maxContexts)
	if err != nil {
		return nil, fmt.Errorf("translate: memory for contexts: %w", err)
	}
	return &contexts{ttl: ttl, until: until}, nil
}

func (c *contexts) good(group scope.Target) bool {
	until, _ := c.until.Get(group)
	return time.Now().Before(until)
}

// remember notes that a group had the service when that was asked. With a ttl
// of 0 the note is out of date at once.
func (c *contexts) remember(group scope.Target, asked time.Time) {
	c.until.Add(group, asked.Add(c.ttl))
}

// tableInContext reads a list of a group that has the service, else it tells
// why the group cannot have it: its tenant or itself does not exist, the tenant
// is in Enterprise mode, or the service is not authorized to it. The tenant is
// judged first, and the list's own refusal last.
//
// Where it is not remembered that the group has the service, that is asked in
// the same document as the list. This is safe: the commands of a document are
// transactions of their own, and none of these changes anything. The answer
// about the list is looked at only when the others are good.
func (s *ITC) tableInContext(ctx context.Context, group scope.Target, l listCommand) (*oci.Table, error) {
	if !s.contexts.good(group) {
		asked := time.Now()
		replies, err := s.read(ctx, append(contextOf(group), l.read(group))...)
		if err != nil {
			return nil, err
		}
		if err := s.judgeContext(ctx, group, replies); err != nil {
			return nil, err
		}
		s.contexts.remember(group, asked)
		return s.tableIn(replies[2], group, l.table, l.key)
	}
	return s.table(ctx, group, l.read(group), l.table, l.key)
}

// contextOf asks for the tenant, then for the group's authorization.
func contextOf(group scope.Target) []oci.Read {
	return []oci.Read{
		oci.NewRead(tenantGetCommand, oci.Text("serviceProviderId", group.TenantID)),
		oci.NewRead(authorizationGetCommand, append(elementsOf(group), oci.Text("userServiceName", routeList))...),
	}
}

// judgeContext tells why the group cannot have a list, from the replies to a
// document that began with contextOf.
func (s *ITC) judgeContext(ctx context.Context, group scope.Target, replies []oci.Reply) error {
	if err := s.judgeTenant(ctx, group, replies[0]); err != nil {
		return err
	}
	return s.judgeGroup(ctx, group, replies[1])
}

func (s *ITC) judgeTenant(ctx context.Context, group scope.Target, reply oci.Reply) error {
	if refusal, refused := errors.AsType[*oci.ErrorReply](reply.Err()); refused {
		return s.judgeRefusal(ctx, group, refusal, tenantExistence(group))
	}
	// A service provider has no such element at all, but it has others.
	enterprise, told, err := reply.Bool("isEnterprise")
	switch {
	case reply.Name() == successResponse:
		return errcode.Because(errcode.PlatformError, errors.New("translate: the question about a tenant was answered with mere success"))
	case err != nil:
		return errcode.Because(errcode.PlatformError, err)
	case !told && !states(reply, "useCustomRoutingProfile") && !states(reply, "defaultDomain"):
		return errcode.Because(errcode.PlatformError, fmt.Errorf("translate: %s says nothing about the tenant", reply.Name()))
	case enterprise:
		return errcode.New(errcode.NotAvailableInEnterpriseMode)
	}
	return nil
}

// states reports whether a reply has an element of that name, be it several times.
func states(reply oci.Reply, element string) bool {
	_, present, err := reply.Text(element)
	return present || err != nil
}

func (s *ITC) judgeGroup(ctx context.Context, group scope.Target, reply oci.Reply) error {
	if refusal, refused := errors.AsType[*oci.ErrorReply](reply.Err()); refused {
		return s.judgeRefusal(ctx, group, refusal, groupExistence(group))
	}
	if reply.Name() == authorizationListResponse {
		return s.checkServices(reply)
	}
	authorized, present, err := reply.Bool("authorized")
	switch {
	case err != nil:
		return errcode.Because(errcode.PlatformError, err)
	case !present:
		return errcode.Because(errcode.PlatformError, fmt.Errorf("translate: %s has no element authorized", reply.Name()))
	case !authorized:
		return errcode.New(errcode.ServiceNotAssigned)
	}
	return nil
}

// checkServices validates the list of services that releases before 22 return in
// the place of the one authorization.
func (s *ITC) checkServices(reply oci.Reply) error {
	table, err := tableOf(reply, userServicesTable, serviceNameHeading)
	if err != nil {
		return err
	}
	name, authorized := table.Column(serviceNameHeading), table.Column("Authorized")
	if authorized == oci.NoColumn {
		return errcode.Because(errcode.PlatformError, fmt.Errorf("translate: table %s has no column Authorized", userServicesTable))
	}
	stated := ""
	for row := range table.Rows() {
		switch {
		case row.Cell(name) != routeList:
		case stated != "":
			return errcode.Because(errcode.PlatformError, fmt.Errorf("translate: table %s lists %s twice", userServicesTable, routeList))
		default:
			stated = row.Cell(authorized)
			if stated != "true" && stated != "false" {
				return errcode.Because(errcode.PlatformError, fmt.Errorf("translate: %s is authorized: %.32q", routeList, stated))
			}
		}
	}
	if stated != "true" {
		return errcode.New(errcode.ServiceNotAssigned)
	}
	return nil
}

// existence is a question whether something exists.
type existence struct {
	command oci.Read // lists what has the id
	table   string
	heading string // of the column that holds the id
	id      string
	missing *errcode.Code // what its absence means
}

func tenantExistence(group scope.Target) existence {
	return existence{
		command: oci.NewRead(tenantListCommand, equalTo("searchCriteriaServiceProviderId", group.TenantID)),
		table:   "serviceProviderTable",
		heading: "Service Provider Id",
		id:      group.TenantID,
		missing: errcode.TenantNotFound,
	}
}

func groupExistence(group scope.Target) existence {
	return existence{
		command: oci.NewRead(groupListCommand,
			oci.Text("serviceProviderId", group.TenantID), equalTo("searchCriteriaGroupId", group.GroupID)),
		table:   "groupTable",
		heading: "Group Id",
		id:      group.GroupID,
		missing: errcode.GroupNotFound,
	}
}

// equalTo is a search criterion for exactly that value.
func equalTo(criterion, value string) oci.Element {
	return oci.Parent(criterion,
		oci.Text("mode", "Equal To"), oci.Text("value", value), oci.Text("isCaseInsensitive", "false"))
}

// judgeRefusal returns why the platform refused to answer. Where the table does
// not have its number, the platform is asked whether what it was asked about
// exists at all. Only what exists is refused for a text of the table: an id that
// does not exist may hold that text, in a form in which it is not recognized.
// Where that question is not answered, the text counts.
func (s *ITC) judgeRefusal(ctx context.Context, group scope.Target, refusal *oci.ErrorReply, what existence) error {
	if code, known := s.errors.numbers[refusal.Number]; known {
		return refusedWith(code, refusal)
	}
	code, known := s.errors.textMeaning(refusal, group.IDs())
	table, err := s.table(ctx, group, what.command, what.table, what.heading)
	switch {
	case err == nil && !holds(table, what.heading, what.id):
		code = what.missing
	case known:
	case err != nil:
		return err
	default:
		code = errcode.PlatformError
	}
	return refusedWith(code, refusal)
}

// holds reports whether exactly that value is in a column.
func holds(table *oci.Table, heading, value string) bool {
	column := table.Column(heading)
	for row := range table.Rows() {
		if row.Cell(column) == value {
			return true
		}
	}
	return false
}
