package itc_test

// This file specifies the context of a group: its commands, its errors and its
// cache. A new error is an entry in the table of TestContext.

import (
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

func TestContextIsReadByTheGroupsIDs(t *testing.T) {
	p := newPlatform(t)
	if _, err := p.service(options{}).AvailableNumbers().Read(t.Context(), testGroup, nil); err != nil {
		t.Fatal(err)
	}
	const ids = "<serviceProviderId>ApioSpTest</serviceProviderId><groupId>ApioGrpTest</groupId>"
	want := []string{"<serviceProviderId>ApioSpTest</serviceProviderId>", ids + "<userServiceName>Route List</userServiceName>", ids}
	var got []string
	for _, command := range p.Sent {
		got = append(got, writeXML(command.Elements()))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-want +got)\n" + diff)
	}
}

func TestContext(t *testing.T) {
	const tenantSearch = "<searchCriteriaServiceProviderId><mode>Equal To</mode><value>ApioSpTest</value><isCaseInsensitive>false</isCaseInsensitive></searchCriteriaServiceProviderId>"
	const groupSearch = "<serviceProviderId>ApioSpTest</serviceProviderId>" +
		"<searchCriteriaGroupId><mode>Equal To</mode><value>ApioGrpTest</value><isCaseInsensitive>false</isCaseInsensitive></searchCriteriaGroupId>"
	strange := refusal("Error", 4999, "strange")
	words := []errcode.Platform{{Number: 4999, Level: "Error", Summary: "[Error 4999] strange"}}
	tenants := func(rows ...string) string {
		return answer(tenantList, table("serviceProviderTable", "Service Provider Id|Service Provider Name", rows...))
	}
	groups := func(rows ...string) string {
		return answer(groupList, table("groupTable", "Group Id|Group Name|User Limit", rows...))
	}
	olderList := func(rows ...string) string {
		return answer("GroupServiceGetAuthorizationListRequest", table("userServicesAuthorizationTable", "Service Name|Authorized", rows...))
	}
	for name, test := range map[string]struct {
		answers  map[string]string
		want     *errcode.Code
		platform []errcode.Platform
		search   string // the elements of the search that was made
	}{
		"rejects an enterprise": {
			answers: map[string]string{tenantGet: answer(tenantGet, `<isEnterprise>true</isEnterprise>`)},
			want:    errcode.NotAvailableInEnterpriseMode,
		},
		"rejects a group without the service": {
			answers: map[string]string{authorization: answer(authorization, `<authorized>false</authorized>`)},
			want:    errcode.ServiceNotAssigned,
		},
		"rejects a group without the service, by the list of an older release": {
			answers: map[string]string{authorization: olderList("Call Waiting|true", "Route List|false")},
			want:    errcode.ServiceNotAssigned,
		},
		"rejects a group whose list of an older release does not have the service": {
			answers: map[string]string{authorization: olderList("Call Waiting|true")},
			want:    errcode.ServiceNotAssigned,
		},
		"uses the platform's number for a missing group": {
			answers:  map[string]string{authorization: refusal("Error", 4152, "Group not found: ApioSpTest:ApioGrpTest")},
			want:     errcode.GroupNotFound,
			platform: []errcode.Platform{{Number: 4152, Level: "Error", Summary: "[Error 4152] Group not found: ApioSpTest:ApioGrpTest"}},
		},
		"uses the platform's number for a service that is not assigned": {
			answers:  map[string]string{authorization: refusal("Error", 4410, "not assigned")},
			want:     errcode.ServiceNotAssigned,
			platform: []errcode.Platform{{Number: 4410, Level: "Error", Summary: "[Error 4410] not assigned"}},
		},
		"reports a missing tenant": {
			answers: map[string]string{tenantGet: strange, authorization: strange, tenantList: tenants()},
			want:    errcode.TenantNotFound, platform: words, search: tenantSearch,
		},
		"reports a missing tenant before a missing group": {
			answers: map[string]string{tenantGet: strange, authorization: refusal("Error", 4152, "Group not found"), tenantList: tenants()},
			want:    errcode.TenantNotFound, platform: words, search: tenantSearch,
		},
		"does not accept a tenant of a similar id": {
			answers: map[string]string{tenantGet: strange, tenantList: tenants("apiosptest|x", "ApioSpTest2|ApioSpTest")},
			want:    errcode.TenantNotFound, platform: words, search: tenantSearch,
		},
		"does not have the reason for which an existing tenant is refused": {
			answers: map[string]string{tenantGet: strange, tenantList: tenants("other|x", "ApioSpTest|x")},
			want:    errcode.PlatformError, platform: words, search: tenantSearch,
		},
		"reports a missing group": {
			answers: map[string]string{authorization: strange, groupList: groups("ApioGrpTest2|ApioGrpTest|25")},
			want:    errcode.GroupNotFound, platform: words, search: groupSearch,
		},
		"does not have the reason for which an existing group is refused": {
			answers: map[string]string{authorization: strange, groupList: groups("ApioGrpTest|x|25")},
			want:    errcode.PlatformError, platform: words, search: groupSearch,
		},
		"does not have a reason when the search is refused": {
			answers:  map[string]string{authorization: strange, groupList: refusal("Error", 5404, "unauthorized")},
			want:     errcode.PlatformError,
			platform: []errcode.Platform{{Number: 5404, Level: "Error", Summary: "[Error 5404] unauthorized"}},
			search:   groupSearch,
		},
		"cannot use a search without the id's column": {
			answers: map[string]string{authorization: strange, groupList: answer(groupList, table("groupTable", "Group Name", "ApioGrpTest"))},
			want:    errcode.PlatformError, search: groupSearch,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			maps.Copy(p.Answers, test.answers)
			service := p.service(longTTL)
			_, err := service.Numbers().Read(t.Context(), testGroup, nil)
			code(t, err, test.want)
			if diff := cmp.Diff(test.platform, summarize(t, err).Platform); diff != "" {
				t.Error("(-want +got)\n" + diff)
			}
			wantAsked := 1
			if test.search != "" {
				wantAsked = 2
				if got := writeXML(p.Sent[len(p.Sent)-1].Elements()); got != test.search {
					t.Errorf("searched with %s", got)
				}
			}
			if len(p.Asked) != wantAsked {
				t.Errorf("read %v", p.Asked)
			}
			// That the target is not in the context is not cached.
			maps.Copy(p.Answers, newPlatform(t).Answers)
			p.Asked = nil
			if _, err := service.Numbers().Read(t.Context(), testGroup, nil); err != nil {
				t.Errorf("afterwards: %v", err)
			}
			if diff := cmp.Diff([]string{inContext + ownNumbers, departments}, p.Asked); diff != "" {
				t.Error("afterwards (-want +got)\n" + diff)
			}
		})
	}
}

// Each document reads one list, and has the questions of the context if they are not
// cached.
func TestOperationsShareTheContext(t *testing.T) {
	p := newPlatform(t)
	service := p.service(longTTL)
	use := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	use(service.AvailablePrefixes().Read(t.Context(), testGroup, nil))
	use(service.AvailableNumbers().Read(t.Context(), testGroup, nil))
	use(planned(t, service.AssignNumbers(), testGroup, goodBodies["assign numbers"]))
	use(planned(t, service.RemovePrefixes(), testGroup, goodBodies["remove prefixes"]))
	want := []string{inContext + groupPrefixes, groupNumbers, tenantNumbers, ownPrefixes}
	if diff := cmp.Diff(want, p.Asked); diff != "" {
		t.Error("(-want +got)\n" + diff)
	}
}

func TestContextIsCachedForItsTTL(t *testing.T) {
	other := scope.Target{TenantID: testGroup.TenantID, GroupID: "Other"}
	for name, test := range map[string]struct {
		ttl, after time.Duration
		group      scope.Target
		again      bool
	}{
		"before the TTL has passed":   {30 * time.Second, 30*time.Second - 1, testGroup, false},
		"not when the TTL has passed": {30 * time.Second, 30 * time.Second, testGroup, true},
		"for its group alone":         {30 * time.Second, 0, other, true},
		"not at all with a TTL of 0":  {0, 0, testGroup, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlatform(t)
				service := p.service(options{ContextTTL: test.ttl})
				ask := func(group scope.Target) {
					t.Helper()
					if _, err := service.AvailablePrefixes().Read(t.Context(), group, nil); err != nil {
						t.Fatal(err)
					}
				}
				ask(testGroup)
				time.Sleep(test.after)
				ask(test.group)
				const together = inContext + groupPrefixes
				want := []string{together, groupPrefixes}
				if test.again {
					want = []string{together, together}
				}
				if diff := cmp.Diff(want, p.Asked); diff != "" {
					t.Error("(-want +got)\n" + diff)
				}
			})
		})
	}
}
