package translate_test

// This file specifies the questions of contexts that the engine has for all
// services. A new question is an entry in each table that fits it.

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
	"ocigate/translate/translatetest"
)

// The services of these tests.
const (
	routeList  translate.UserService  = "Route List"
	trunkGroup translate.GroupService = "Trunk Group"
)

// The commands and tables of the questions.
const (
	serviceProviderGet = "ServiceProviderGetRequest17sp1"
	tenantServices     = "ServiceProviderServiceGetAuthorizationListRequest"
	groupAuthorization = "GroupServiceGetAuthorizationRequest"
	groupServices      = "GroupServiceGetAuthorizationListRequest"
	userAssignment     = "UserServiceIsAssignedRequest"
	tenantGroups       = "GroupGetListInServiceProviderRequest"

	userServicesTable  = "userServicesAuthorizationTable"
	groupServicesTable = "groupServicesAuthorizationTable"
)

var testUser = scope.Target{TenantID: "ApioSpTest", GroupID: "ApioGrpTest", UserID: "u@x"}

// bothTables returns lists of services of which only one table has rows.
func bothTables(command, filled string, rows ...string) string {
	tables := ""
	for _, name := range []string{groupServicesTable, userServicesTable} {
		if name == filled {
			tables += table(name, "Service Name|Authorized|Assigned", rows...)
		} else {
			tables += table(name, "Service Name|Authorized|Assigned")
		}
	}
	return answer(command, tables)
}

// inContextOf reads a command about a target, in a context of that question alone.
func inContextOf(t *testing.T, p *platform, q translate.Question) (translate.Facts, error) {
	t.Helper()
	p.Answers[things] = answer(things, "")
	_, facts, err := p.engine(translate.Options{}).ReadInContext(t.Context(), testUser, &translate.Context{Questions: []translate.Question{q}}, thingsOf)
	return facts, err
}

func TestQuestionsHaveTheIDsOfTheTarget(t *testing.T) {
	const (
		ofTenant = "<serviceProviderId>ApioSpTest</serviceProviderId>"
		ofGroup  = ofTenant + "<groupId>ApioGrpTest</groupId>"
	)
	for name, test := range map[string]struct {
		question      translate.Question
		command, sent string
		about         *translate.Existence
		codes         []*errcode.Code
	}{
		"the mode of a tenant":     {translate.TenantMode(), serviceProviderGet, ofTenant, translate.TenantExistence, nil},
		"a service provider":       {translate.ServiceProviderOnly(), serviceProviderGet, ofTenant, translate.TenantExistence, []*errcode.Code{errcode.NotAvailableInEnterpriseMode}},
		"a tenant's user service":  {routeList.AuthorizedToTenant(), tenantServices, ofTenant, nil, []*errcode.Code{errcode.ServiceNotAssigned}},
		"a tenant's group service": {trunkGroup.AuthorizedToTenant(), tenantServices, ofTenant, nil, []*errcode.Code{errcode.ServiceNotAssigned}},
		"a group's user service": {routeList.AuthorizedToGroup(), groupAuthorization, ofGroup + "<userServiceName>Route List</userServiceName>",
			translate.GroupExistence, []*errcode.Code{errcode.ServiceNotAssigned}},
		"a group's group service": {trunkGroup.AuthorizedToGroup(), groupAuthorization, ofGroup + "<groupServiceName>Trunk Group</groupServiceName>",
			translate.GroupExistence, []*errcode.Code{errcode.ServiceNotAssigned}},
		"a user's service": {routeList.AssignedToUser(), userAssignment, "<userId>u@x</userId><serviceName>Route List</serviceName>",
			nil, []*errcode.Code{errcode.ServiceNotAssigned}},
	} {
		command := test.question.Command(testUser)
		if sent := translatetest.WriteXML(command.Elements()); command.Name() != test.command || sent != test.sent {
			t.Errorf("%s: asked by %s with %s", name, command.Name(), sent)
		}
		if test.question.About != test.about || !slices.Equal(test.question.Errors, test.codes) {
			t.Errorf("%s: about %v, with errors %v", name, test.question.About, test.question.Errors)
		}
	}
}

func TestTheModeOfATenant(t *testing.T) {
	for name, test := range map[string]struct {
		answer string
		mode   string // "" if the reply is not usable
	}{
		"an enterprise": {answer(serviceProviderGet, "<isEnterprise>true</isEnterprise>"), translate.EnterpriseMode},
		"a service provider, which has other elements":  {answer(serviceProviderGet, "<defaultDomain>example.com</defaultDomain>"), translate.ServiceProviderMode},
		"a service provider, which has another element": {answer(serviceProviderGet, "<useCustomRoutingProfile>false</useCustomRoutingProfile>"), translate.ServiceProviderMode},
		"a service provider, with repeated elements":    {answer(serviceProviderGet, "<defaultDomain>a</defaultDomain><defaultDomain>b</defaultDomain>"), translate.ServiceProviderMode},
		"a service provider, with the element":          {answer(serviceProviderGet, "<isEnterprise>false</isEnterprise>"), translate.ServiceProviderMode},
		"an invalid boolean":                            {answer(serviceProviderGet, "<isEnterprise>maybe</isEnterprise>"), ""},
		"two values":                                    {answer(serviceProviderGet, "<isEnterprise>true</isEnterprise><isEnterprise>false</isEnterprise>"), ""},
		"the element twice":                             {answer(serviceProviderGet, "<isEnterprise>false</isEnterprise><isEnterprise>false</isEnterprise>"), ""},
		"no element of a tenant":                        {answer(serviceProviderGet, "<x/>"), ""},
		"success only":                                  {success, ""},
		"success with an element":                       {answer("SuccessRequest", "<defaultDomain>example.com</defaultDomain>"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			p.Answers[serviceProviderGet] = test.answer
			facts, err := inContextOf(t, p, translate.TenantMode())
			_, refused := inContextOf(t, p, translate.ServiceProviderOnly())
			switch test.mode {
			case "":
				code(t, err, errcode.PlatformError)
				code(t, refused, errcode.PlatformError)
				return
			case translate.EnterpriseMode:
				code(t, refused, errcode.NotAvailableInEnterpriseMode)
			default:
				if refused != nil {
					t.Errorf("refused: %v", refused)
				}
			}
			if err != nil || facts[translate.TenantMode().Name] != test.mode {
				t.Errorf("the facts are %v, %v", facts, err)
			}
		})
	}
}

// The reply to the older form of a group's authorization has the table that the
// reply about a tenant has.
func TestListsOfServices(t *testing.T) {
	for name, test := range map[string]struct {
		rows []string
		want *errcode.Code // nil if the service is authorized
	}{
		"authorized":                   {[]string{"Call Waiting|false|false", "SERVICE|true|true", "Voice Mail|false|false"}, nil},
		"authorized, not used":         {[]string{"SERVICE|true|false"}, nil},
		"not authorized":               {[]string{"Call Waiting|true|true", "SERVICE|false|false"}, errcode.ServiceNotAssigned},
		"not in the list":              {[]string{"Call Waiting|true|true"}, errcode.ServiceNotAssigned},
		"no services at all":           {nil, errcode.ServiceNotAssigned},
		"a longer name":                {[]string{"SERVICE 2|true|true", "x SERVICE|true|true"}, errcode.ServiceNotAssigned},
		"twice":                        {[]string{"SERVICE|true|x", "SERVICE|true|x"}, errcode.PlatformError},
		"twice, with different values": {[]string{"SERVICE|true|x", "SERVICE|false|x"}, errcode.PlatformError},
		"a row without a name":         {[]string{"SERVICE|true|x", " |true|x"}, errcode.PlatformError},
		"an invalid authorization":     {[]string{"SERVICE|yes|x"}, errcode.PlatformError},
		"an empty authorization":       {[]string{"SERVICE||x"}, errcode.PlatformError},
		"no boolean in another row":    {[]string{"Call Waiting|yes|x", "SERVICE|true|x"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			for _, s := range listedServices() {
				p := newPlatform(t)
				p.Answers[s.command] = bothTables(s.answered, s.table, s.named(test.rows)...)
				_, err := inContextOf(t, p, s.question)
				if test.want == nil {
					if err != nil {
						t.Errorf("%s: %v", s.question.Name, err)
					}
					continue
				}
				code(t, err, test.want)
				if e := errcode.Of(err); e.Text() != test.want.Text || e.Problems != nil || e.Platform != nil {
					t.Errorf("%s: the caller gets %+v", s.question.Name, e)
				}
			}
		})
	}
}

func TestListsOfServicesOfAnotherForm(t *testing.T) {
	for _, s := range listedServices() {
		for _, elements := range map[string]string{
			"no table":          "<x/>",
			"a table twice":     table(s.table, "Service Name|Authorized") + table(s.table, "Service Name|Authorized"),
			"the other table":   table(s.other, "Service Name|Authorized", s.name+"|true"),
			"no names":          table(s.table, "Name|Authorized", s.name+"|true"),
			"no authorizations": table(s.table, "Service Name", s.name),
			"no services":       table(s.table, "Service Name"),
		} {
			p := newPlatform(t)
			p.Answers[s.command] = answer(s.answered, elements)
			_, err := inContextOf(t, p, s.question)
			code(t, err, errcode.PlatformError)
		}
	}
}

// A listedService is a question whose reply lists services.
type listedService struct {
	question          translate.Question
	name              string
	table, other      string
	command, answered string // answered is the command that the reply is named after
}

func listedServices() []listedService {
	return []listedService{
		{routeList.AuthorizedToTenant(), "Route List", userServicesTable, groupServicesTable, tenantServices, tenantServices},
		{routeList.AuthorizedToGroup(), "Route List", userServicesTable, groupServicesTable, groupAuthorization, groupServices},
		{trunkGroup.AuthorizedToTenant(), "Trunk Group", groupServicesTable, userServicesTable, tenantServices, tenantServices},
		{trunkGroup.AuthorizedToGroup(), "Trunk Group", groupServicesTable, userServicesTable, groupAuthorization, groupServices},
	}
}

// named returns the rows with SERVICE replaced by the service's name.
func (s listedService) named(rows []string) []string {
	named := slices.Clone(rows)
	for i := range named {
		named[i] = strings.ReplaceAll(named[i], "SERVICE", s.name)
	}
	return named
}

func TestRepliesAboutOneService(t *testing.T) {
	for _, q := range []struct {
		question         translate.Question
		command, element string
	}{
		{routeList.AuthorizedToGroup(), groupAuthorization, "authorized"},
		{trunkGroup.AuthorizedToGroup(), groupAuthorization, "authorized"},
		{routeList.AssignedToUser(), userAssignment, "isAssigned"},
	} {
		says := func(values ...string) string {
			elements := ""
			for _, value := range values {
				elements += "<" + q.element + ">" + value + "</" + q.element + ">"
			}
			return answer(q.command, elements+"<usedQuantity>1</usedQuantity>")
		}
		for name, test := range map[string]struct {
			answer string
			want   *errcode.Code
		}{
			"the service is there":                {says("true"), nil},
			"the service is not there":            {says("false"), errcode.ServiceNotAssigned},
			"the service is not there, by number": {refusal("Error", 4410, "not assigned"), errcode.ServiceNotAssigned},
			"an invalid boolean":                  {says("maybe"), errcode.PlatformError},
			"nothing":                             {says(), errcode.PlatformError},
			"two values":                          {says("true", "false"), errcode.PlatformError},
			"success only":                        {success, errcode.PlatformError},
			"another refusal":                     {refusal("Error", 4999, "strange"), errcode.PlatformError},
		} {
			p := newPlatform(t)
			p.Answers[q.command] = test.answer
			_, err := inContextOf(t, p, q.question)
			switch {
			case test.want == nil && err != nil:
				t.Errorf("%s, %s: %v", q.question.Name, name, err)
			case test.want != nil:
				code(t, err, test.want)
			}
		}
	}
}

// After a refusal the platform is asked whether the tenant or group exists.
func TestQuestionsAboutMissingTargets(t *testing.T) {
	strange := refusal("Error", 4999, "strange")
	noTenant := answer(tenantList, table("serviceProviderTable", "Service Provider Id", "apiosptest"))
	noGroup := answer(tenantGroups, table("groupTable", "Group Id", "ApioGrpTest2"))
	for name, test := range map[string]struct {
		question translate.Question
		answers  map[string]string
		want     *errcode.Code
		search   string
	}{
		"a tenant, for its mode":               {translate.TenantMode(), map[string]string{serviceProviderGet: strange, tenantList: noTenant}, errcode.TenantNotFound, tenantList},
		"a tenant, for service providers only": {translate.ServiceProviderOnly(), map[string]string{serviceProviderGet: strange, tenantList: noTenant}, errcode.TenantNotFound, tenantList},
		"a group, for its user service":        {routeList.AuthorizedToGroup(), map[string]string{groupAuthorization: strange, tenantGroups: noGroup}, errcode.GroupNotFound, tenantGroups},
		"a group, for its group service":       {trunkGroup.AuthorizedToGroup(), map[string]string{groupAuthorization: strange, tenantGroups: noGroup}, errcode.GroupNotFound, tenantGroups},
		"no existence question":                {routeList.AuthorizedToTenant(), map[string]string{tenantServices: strange}, errcode.PlatformError, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			maps.Copy(p.Answers, test.answers)
			_, err := inContextOf(t, p, test.question)
			code(t, err, test.want)
			want := []string{test.question.Command(testUser).Name() + "+" + things}
			if test.search != "" {
				want = append(want, test.search)
			}
			if diff := cmp.Diff(want, p.Asked); diff != "" {
				t.Error("reads (-want +got)\n" + diff)
			}
		})
	}
}

// A context may have questions about several services, which differ by name.
func TestQuestionsHaveDistinctNames(t *testing.T) {
	seen := map[string]bool{}
	for _, q := range []translate.Question{
		translate.TenantMode(), routeList.AuthorizedToTenant(), routeList.AuthorizedToGroup(), routeList.AssignedToUser(),
		trunkGroup.AuthorizedToTenant(), trunkGroup.AuthorizedToGroup(),
	} {
		if q.Name == "" || seen[q.Name] {
			t.Errorf("the name is %q", q.Name)
		}
		seen[q.Name] = true
	}
}

func TestHasElement(t *testing.T) {
	reply := one(t, answer(things, "<a/><b>1</b><b>2</b>"))
	for name, want := range map[string]bool{"a": true, "b": true, "c": false} {
		if got := translate.HasElement(reply, name); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
