package itc_test

// This file specifies the lists of a tenant, in both modes. A new list is an
// entry in tenantQueries and in the table of TestTenantsListsInBothModes.

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/itc"
	"ocigate/translate/scope"
)

const (
	services        = "ServiceProviderServiceGetAuthorizationListRequest"
	inTenantContext = tenantGet + "+" + services + "+" // and lists, in one document

	enterpriseNumbers      = "EnterpriseRouteListEnterpriseTrunkNumberRangeGetSummaryListRequest"
	enterpriseFreeNumbers  = "EnterpriseRouteListEnterpriseTrunkNumberRangeGetAvailableListRequest"
	enterprisePrefixes     = "EnterpriseRouteListEnterpriseTrunkNumberPrefixGetSummaryListRequest"
	enterpriseFreePrefixes = "EnterpriseRouteListEnterpriseTrunkNumberPrefixGetAvailableListRequest"

	userColumns = "User Id|Last Name|First Name|Hiragana Last Name|Hiragana First Name|Phone Number|Extension|Department|Email Address|Enterprise Trunk"
)

var testTenant = scope.Target{TenantID: "ApioSpTest"}

// tenantQueries are those about a tenant, by their names in these tests.
func tenantQueries(service *itc.Service) map[string]translate.Query {
	return map[string]translate.Query{
		"tenant_numbers":            service.TenantNumbers(),
		"tenant_available_numbers":  service.TenantAvailableNumbers(),
		"tenant_prefixes":           service.TenantPrefixes(),
		"tenant_available_prefixes": service.TenantAvailablePrefixes(),
	}
}

// modeCommands are the commands of a query in each mode.
type modeCommands struct{ serviceProvider, enterprise string }

var tenantCommands = map[string]modeCommands{
	"tenant_numbers":            {allNumbers, enterpriseNumbers},
	"tenant_available_numbers":  {tenantNumbers, enterpriseFreeNumbers},
	"tenant_prefixes":           {allPrefixes, enterprisePrefixes},
	"tenant_available_prefixes": {tenantPrefixes, enterpriseFreePrefixes},
}

// of is the command of a mode, and other that of the other mode.
func (m modeCommands) of(enterprise bool) (command, other string) {
	if enterprise {
		return m.enterprise, m.serviceProvider
	}
	return m.serviceProvider, m.enterprise
}

func servicesOf(rows ...string) string {
	return answer(services, table("groupServicesAuthorizationTable", "Service Name|Authorized")+
		table("userServicesAuthorizationTable", "Service Name|Authorized|Assigned", rows...))
}

// newTenant returns a platform whose tenant has the service, in one mode. It refuses
// the commands of the other mode.
func newTenant(t testing.TB, enterprise bool) *platform {
	p := newPlatform(t)
	p.Answers[services] = servicesOf("Call Waiting|false|false", "Route List|true|true")
	if !enterprise {
		return p
	}
	p.Answers[tenantGet] = answer(tenantGet, `<isEnterprise>true</isEnterprise>`)
	for _, m := range tenantCommands {
		delete(p.Answers, m.serviceProvider)
	}
	const noOwner = "||||||||||"
	maps.Copy(p.Answers, map[string]string{
		enterpriseNumbers: answer(enterpriseNumbers, table("numberRangeSummaryTable",
			"Number Range Start|Number Range End|Group Id|"+userColumns+"|Is Active|Extension Length",
			`+32-1|+32-2|G|u@x|Last|First|||+32-5|50|Support \ Night (G)|m@x|t1|true|2`,
			"+32-3|+32-4|G|h@x|||||||Headquarters|||false|",
			"+32-5|+32-6|"+noOwner+"|true|")),
		enterpriseFreeNumbers: answer(enterpriseFreeNumbers, table("availableNumberRangeTable", freeNumberColumns, "+32-5|+32-6|true|")),
		enterprisePrefixes: answer(enterprisePrefixes, table("prefixSummaryTable",
			"Number Prefix|Group Id|"+userColumns+"|Is Active|Extension Range Start|Extension Range End",
			"+32-01|G|u@x|Last|First|||+32-5|50|Sales (G)|m@x|t1|true|1|9", "+32-02|"+noOwner+"|false||")),
		enterpriseFreePrefixes: answer(enterpriseFreePrefixes, table("availableNumberPrefixTable", freePrefixColumns, "+32-02|false||")),
	})
	return p
}

func TestTenantsListsInBothModes(t *testing.T) {
	owned := func(groupID, userID, last, first, phone, extension, department, mail, trunk string) string {
		return fmt.Sprintf(`"groupId":%q,"userId":%q,"lastName":%q,"firstName":%q,"phoneNumber":%q,"extension":%q,%s"emailAddress":%q,"enterpriseTrunk":%q`,
			groupID, userID, last, first, phone, extension, department, mail, trunk)
	}
	department := func(groupID, name, path string) string {
		return fmt.Sprintf(`"department":{"tenantId":"ApioSpTest","groupId":%q,"departmentName":%q,"fullPathName":%q},`, groupID, name, path)
	}
	noOwner := owned("", "", "", "", "", "", "", "", "")
	for name, want := range map[string]struct{ serviceProvider, enterprise string }{
		"tenant_numbers": {
			`{"numbers":[{"minPhoneNumber":"+3226127000","maxPhoneNumber":"+3226127002","groupId":"ApioGrpTest","active":true,"extensionLength":""},` +
				`{"minPhoneNumber":"+3226127007","maxPhoneNumber":"+3226127009","groupId":"ApioGrpTest","active":true,"extensionLength":""},` +
				`{"minPhoneNumber":"+3225126999","maxPhoneNumber":"+3225126999","groupId":"","active":true,"extensionLength":""},` +
				`{"minPhoneNumber":"+3225127000","maxPhoneNumber":"+3225127999","groupId":"","active":false,"extensionLength":"4"},` +
				`{"minPhoneNumber":"+3225129000","maxPhoneNumber":"+3225129009","groupId":"ApioGrpOther","active":true,"extensionLength":""}]}`,
			`{"numbers":[{"minPhoneNumber":"+321","maxPhoneNumber":"+322",` +
				owned("G", "u@x", "Last", "First", "+325", "50", department("G", "Night", `Support \ Night (G)`), "m@x", "t1") + `,"active":true,"extensionLength":"2"},` +
				`{"minPhoneNumber":"+323","maxPhoneNumber":"+324",` +
				owned("G", "h@x", "", "", "", "", department("", "Headquarters", "Headquarters"), "", "") + `,"active":false,"extensionLength":""},` +
				`{"minPhoneNumber":"+325","maxPhoneNumber":"+326",` + noOwner + `,"active":true,"extensionLength":""}]}`,
		},
		"tenant_available_numbers": {
			`{"available_numbers":[{"minPhoneNumber":"+3225126999","maxPhoneNumber":"+3225126999","active":true,"extensionLength":""},` +
				`{"minPhoneNumber":"+3225127000","maxPhoneNumber":"+3225127999","active":false,"extensionLength":"4"}]}`,
			`{"available_numbers":[{"minPhoneNumber":"+325","maxPhoneNumber":"+326","active":true,"extensionLength":""}]}`,
		},
		"tenant_prefixes": {
			`{"prefixes":[{"prefix":"+32-01","groupId":"ApioGrpTest","active":true,"extensionRangeStart":"","extensionRangeEnd":""},` +
				`{"prefix":"+32-03","groupId":"","active":true,"extensionRangeStart":"100","extensionRangeEnd":"199"},` +
				`{"prefix":"+32-04","groupId":"ApioGrpOther","active":true,"extensionRangeStart":"","extensionRangeEnd":""}]}`,
			`{"prefixes":[{"prefix":"+32-01",` + owned("G", "u@x", "Last", "First", "+325", "50", department("G", "Sales", "Sales (G)"), "m@x", "t1") +
				`,"active":true,"extensionRangeStart":"1","extensionRangeEnd":"9"},` +
				`{"prefix":"+32-02",` + noOwner + `,"active":false,"extensionRangeStart":"","extensionRangeEnd":""}]}`,
		},
		"tenant_available_prefixes": {
			`{"available_prefixes":[{"prefix":"+32-06","active":true,"extensionRangeStart":"","extensionRangeEnd":""},` +
				`{"prefix":"+32-07","active":false,"extensionRangeStart":"100","extensionRangeEnd":"199"}]}`,
			`{"available_prefixes":[{"prefix":"+32-02","active":false,"extensionRangeStart":"","extensionRangeEnd":""}]}`,
		},
	} {
		for _, enterprise := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, enterprise %t", name, enterprise), func(t *testing.T) {
				want := map[bool]string{false: want.serviceProvider, true: want.enterprise}[enterprise]
				p := newTenant(t, enterprise)
				query := tenantQueries(p.service(longTTL))[name]
				for range 2 {
					got, err := query.Read(t.Context(), testTenant, nil)
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(want, body(t, got)); diff != "" {
						t.Error("(-want +got)\n" + diff)
					}
				}
				// One document for each read: at first with the lists of both modes.
				commands := tenantCommands[name]
				applies, _ := commands.of(enterprise)
				if diff := cmp.Diff([]string{inTenantContext + commands.serviceProvider + "+" + commands.enterprise, applies}, p.Asked); diff != "" {
					t.Error("reads (-want +got)\n" + diff)
				}
				for _, command := range p.Sent {
					if got := writeXML(command.Elements()); got != "<serviceProviderId>ApioSpTest</serviceProviderId>" {
						t.Errorf("%s was sent with %s", command.Name(), got)
					}
				}
			})
		}
	}
}

// The lists of a tenant do not depend on the option of the lists of groups.
func TestTenantsListsDoNotDependOnTheOptions(t *testing.T) {
	for name, commands := range tenantCommands {
		for _, from := range []itc.AvailableFrom{itc.AvailableFromGroup, itc.AvailableFromTenant} {
			p := newTenant(t, false)
			if _, err := tenantQueries(p.service(options{AvailableFrom: from}))[name].Read(t.Context(), testTenant, nil); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{inTenantContext + commands.serviceProvider + "+" + commands.enterprise}, p.Asked); diff != "" {
				t.Errorf("%s, %s (-want +got)\n%s", name, from, diff)
			}
		}
	}
}

// The context is one for all lists of a tenant, and not that of its groups.
func TestModeIsCachedForItsTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTenant(t, true)
		service := p.service(options{ContextTTL: time.Minute})
		read := func(query translate.Query, target scope.Target, want string) {
			t.Helper()
			p.Asked = nil
			if _, err := query.Read(t.Context(), target, nil); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{want}, p.Asked); diff != "" {
				t.Error("reads (-want +got)\n" + diff)
			}
		}
		both := func(name string) string {
			return inTenantContext + tenantCommands[name].serviceProvider + "+" + tenantCommands[name].enterprise
		}
		read(service.TenantNumbers(), testTenant, both("tenant_numbers"))
		read(service.TenantAvailablePrefixes(), testTenant, enterpriseFreePrefixes)
		read(service.TenantNumbers(), scope.Target{TenantID: "Other"}, both("tenant_numbers"))
		time.Sleep(time.Minute - time.Nanosecond)
		read(service.TenantPrefixes(), testTenant, enterprisePrefixes)
		time.Sleep(time.Nanosecond)
		maps.Copy(p.Answers, newTenant(t, false).Answers) // it is a service provider now
		read(service.TenantPrefixes(), testTenant, both("tenant_prefixes"))
		read(service.TenantPrefixes(), testTenant, allPrefixes)

		p.Asked = nil
		_, err := service.Numbers().Read(t.Context(), testGroup, nil)
		if err != nil || p.Asked[0] != inContext+ownNumbers {
			t.Errorf("a group's list: %v, asked %v", err, p.Asked)
		}
	})
}

func TestContextOfATenant(t *testing.T) {
	strange := refusal("Error", 4999, "strange")
	tenants := func(rows ...string) string {
		return answer(tenantList, table("serviceProviderTable", "Service Provider Id", rows...))
	}
	const notAssigned = "The service is not assigned to this tenant."
	for name, test := range map[string]struct {
		answers map[string]string
		want    *errcode.Code
		text    string
		search  bool
	}{
		"needs the service authorized":                           {map[string]string{services: servicesOf("Route List|false|false")}, errcode.ServiceNotAssigned, notAssigned, false},
		"needs the service":                                      {map[string]string{services: servicesOf("Call Waiting|true|true")}, errcode.ServiceNotAssigned, notAssigned, false},
		"uses the platform's number":                             {map[string]string{services: refusal("Error", 4410, "not assigned")}, errcode.ServiceNotAssigned, notAssigned, false},
		"reports a missing tenant":                               {map[string]string{tenantGet: strange, services: strange, tenantList: tenants("other")}, errcode.TenantNotFound, "", true},
		"does not accept a tenant of a similar id":               {map[string]string{tenantGet: strange, tenantList: tenants("apiosptest")}, errcode.TenantNotFound, "", true},
		"does not have the reason for which a tenant is refused": {map[string]string{tenantGet: strange, tenantList: tenants("ApioSpTest")}, errcode.PlatformError, "", true},
		"does not have the number of another refusal":            {map[string]string{services: strange}, errcode.PlatformError, "", false},
		"cannot use an invalid mode":                             {map[string]string{tenantGet: answer(tenantGet, "<isEnterprise>maybe</isEnterprise>")}, errcode.PlatformError, "", false},
	} {
		for _, enterprise := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, enterprise %t", name, enterprise), func(t *testing.T) {
				p := newTenant(t, enterprise)
				maps.Copy(p.Answers, test.answers)
				query := p.service(longTTL).TenantNumbers()
				got, err := query.Read(t.Context(), testTenant, nil)
				if code(t, err, test.want); got != nil {
					t.Errorf("got %v with the error", got)
				}
				if text := errcode.Of(err).Text(); test.text != "" && text != test.text {
					t.Errorf("the message is %q", text)
				}
				first := inTenantContext + allNumbers + "+" + enterpriseNumbers
				want := []string{first}
				if test.search {
					want = append(want, tenantList)
				}
				// That the target is not in the context is not cached.
				maps.Copy(p.Answers, newTenant(t, enterprise).Answers)
				if _, err := query.Read(t.Context(), testTenant, nil); err != nil {
					t.Errorf("afterwards: %v", err)
				}
				if diff := cmp.Diff(append(want, first), p.Asked); diff != "" {
					t.Error("reads (-want +got)\n" + diff)
				}
			})
		}
	}
}

// The reply to the list of the other mode has no effect.
func TestOnlyTheListOfTheModeIsUsed(t *testing.T) {
	for name, commands := range tenantCommands {
		for _, enterprise := range []bool{false, true} {
			applies, other := commands.of(enterprise)
			for what, reply := range map[string]string{
				"a refusal":               refusal("Error", 4410, "not assigned"),
				"another refusal":         refusal("Error", 4999, "strange"),
				"success only":            success,
				"a reply without a table": answer(other, "<x/>"),
			} {
				p := newTenant(t, enterprise)
				p.Answers[other] = reply
				if _, err := tenantQueries(p.service(longTTL))[name].Read(t.Context(), testTenant, nil); err != nil {
					t.Errorf("%s, enterprise %t: %s to the other list: %v", name, enterprise, what, err)
				}
			}
			for what, test := range map[string]struct {
				reply string
				want  *errcode.Code
				text  string
			}{
				"a known refusal":  {refusal("Error", 4410, "not assigned"), errcode.ServiceNotAssigned, "The service is not assigned to this tenant."},
				"another refusal":  {refusal("Error", 4999, "strange"), errcode.PlatformError, errcode.PlatformError.Text},
				"success only":     {success, errcode.PlatformError, errcode.PlatformError.Text},
				"a reply without ": {answer(applies, "<x/>"), errcode.PlatformError, errcode.PlatformError.Text},
			} {
				p := newTenant(t, enterprise)
				query := tenantQueries(p.service(longTTL))[name]
				for _, known := range []bool{false, true} {
					p.Answers[applies] = test.reply
					got, err := query.Read(t.Context(), testTenant, nil)
					if code(t, err, test.want); got != nil || errcode.Of(err).Text() != test.text {
						t.Errorf("%s, enterprise %t, known %t, %s: got %v, %v", name, enterprise, known, what, got, err)
					}
					p.Answers[applies] = newTenant(t, enterprise).Answers[applies]
					if _, err := query.Read(t.Context(), testTenant, nil); err != nil {
						t.Fatal(err) // it is known from now on
					}
				}
			}
		}
	}
}

func TestHostileTablesOfATenant(t *testing.T) {
	for name, commands := range tenantCommands {
		for _, enterprise := range []bool{false, true} {
			applies, _ := commands.of(enterprise)
			good := newTenant(t, enterprise).Answers[applies]
			bad := map[string]string{
				"an invalid boolean":            strings.Replace(good, "<col>true</col>", "<col>TRUE</col>", 1),
				"an empty boolean":              strings.Replace(good, "<col>true</col>", "<col></col>", 1),
				"a table without its key":       strings.NewReplacer("Number Range Start", "x", "Number Prefix", "x").Replace(good),
				"a table of another name":       strings.ReplaceAll(good, "Table>", "Tables>"),
				"a repeated table":              strings.Replace(good, "</command>", good[strings.Index(good, ">")+1:], 1),
				"a row without digits":          withRow(good, "none", true),
				"a row without a number":        withRow(good, "", false),
				"an end without digits":         strings.Replace(good, "<col>+32-2</col>", "<col>none</col>", 1),
				"a phone number without digits": strings.Replace(good, "<col>+32-5</col>", "<col>none</col>", 1),
			}
			if strings.Contains(name, "available_prefixes") && enterprise {
				delete(bad, "an invalid boolean") // its only row has false
				delete(bad, "an empty boolean")
			}
			for what, reply := range bad {
				if reply == good {
					continue // the table has no such column
				}
				p := newTenant(t, enterprise)
				p.Answers[applies] = reply
				got, err := tenantQueries(p.service(longTTL))[name].Read(t.Context(), testTenant, nil)
				if code(t, err, errcode.PlatformError); got != nil {
					t.Errorf("%s, enterprise %t, %s: got %v", name, enterprise, what, got)
				}
			}
		}
	}
}

// A member whose column the platform's table does not have is absent.
func TestColumnsOfATenantsTable(t *testing.T) {
	for columns, test := range map[string]struct{ row, want string }{
		"Number Range Start|Number Range End|Is Active":                           {"+1|+2|true", `"active":true,"extensionLength":""`},
		"Number Range Start|Number Range End|Group Id":                            {"+1|+2|g", `"groupId":"g","active":false,"extensionLength":""`},
		"Is Active|Group Id|Number Range End|Number Range Start|Extension Length": {"true||+2|+1|3", `"groupId":"","active":true,"extensionLength":"3"`},
		"Number Range Start|Number Range End|User Id|Department|Is Active": {
			`+1|+2|u|A \ B (g)|true`,
			`"userId":"u","department":{"tenantId":"ApioSpTest","groupId":"","departmentName":"B (g)","fullPathName":"A \\ B (g)"},"active":true,"extensionLength":""`,
		},
	} {
		for _, enterprise := range []bool{false, true} {
			p := newTenant(t, enterprise)
			applies, _ := tenantCommands["tenant_numbers"].of(enterprise)
			p.Answers[applies] = answer(applies, table("numberRangeSummaryTable", columns, test.row))
			got, err := p.service(longTTL).TenantNumbers().Read(t.Context(), testTenant, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(`{"numbers":[{"minPhoneNumber":"+1","maxPhoneNumber":"+2",`+test.want+`}]}`, body(t, got)); diff != "" {
				t.Errorf("%s, enterprise %t (-want +got)\n%s", columns, enterprise, diff)
			}
		}
	}
}

func TestEmptyListsOfATenant(t *testing.T) {
	for name, commands := range tenantCommands {
		for _, enterprise := range []bool{false, true} {
			applies, _ := commands.of(enterprise)
			p := newTenant(t, enterprise)
			head, rows, _ := strings.Cut(p.Answers[applies], "<row>")
			p.Answers[applies] = head + rows[strings.LastIndex(rows, "</row>")+len("</row>"):]
			got, err := tenantQueries(p.service(longTTL))[name].Read(t.Context(), testTenant, nil)
			if err != nil {
				t.Fatal(err)
			}
			if want := `{"` + strings.TrimPrefix(name, "tenant_") + `":[]}`; body(t, got) != want {
				t.Errorf("got %s, want %s", body(t, got), want)
			}
		}
	}
}

func TestReaderErrorsOfATenantAreWrapped(t *testing.T) {
	for name, commands := range tenantCommands {
		p := newTenant(t, false)
		query := tenantQueries(p.service(longTTL))[name]
		for range 2 { // not known, and known
			p.Err[commands.serviceProvider] = oci.ErrBusy
			got, err := query.Read(t.Context(), testTenant, nil)
			if !errors.Is(err, oci.ErrBusy) || got != nil {
				t.Errorf("got %v, %v", got, err)
			}
			delete(p.Err, commands.serviceProvider)
			if _, err := query.Read(t.Context(), testTenant, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
}
