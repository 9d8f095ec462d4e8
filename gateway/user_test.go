package gateway_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci/ocisim"
	"ocigate/translate/scope"
)

// The settings, number ranges and prefixes of users.

const (
	setUser      = "UserRouteListModifyRequest"
	isScreened   = "treatOriginationsAndPBXRedirectionsAsScreened"
	forEmergency = "useImmediateTrunkingConnectivityIdentityForEmergencyCalls"

	plainUser = "ApioUserPlain@sip.netaxis.be"
)

func userOf(tenantID, groupID, userID string) string {
	return itcAt(scope.User, scope.Target{TenantID: tenantID, GroupID: groupID, UserID: userID})
}

func putUser(body string) call {
	return call{method: http.MethodPut, path: userOf(ownTenant, ownGroup, ownUser), client: group, body: body}
}

// everythingElse changes a setting, the number ranges and the prefixes of the user.
const everythingElse = `{"` + forEmergency + `":true,"numbers":[{"minPhoneNumber":"+3226127007"}],"prefixes":[{"prefix":"+32-01"},{"prefix":"+32-02"}]}`

// Users see what they have themselves and change nothing. What a caller may not see
// or change is not sent to the platform.
func TestRightsOverAUser(t *testing.T) {
	r := start(t, setup{})
	own, plain := userOf(ownTenant, ownGroup, ownUser), userOf(ownTenant, ownGroup, plainUser)
	inEnterprise := userOf("ApioEntTest", "ApioEntGrpTest", "sales@ent.netaxis.be")
	for _, c := range []struct {
		who, path string
		get, put  int
	}{
		{ownUser, own, 200, 403},
		{ownUser, plain, 403, 403},
		{ownUser, userOf(ownTenant, "ApioGrpOther", ownUser), 403, 403},
		{ownUser, userOf("footenant", ownGroup, ownUser), 403, 403},
		{ownUser, userOf(ownTenant, ownGroup, "apiousertest@sip.netaxis.be"), 403, 403},
		{ownUser, ownList("numbers"), 403, 403},
		{"departmentadmin", own, 403, 403},
		{"groupadmin", own, 200, 200},
		{"groupadmin", plain, 404, 404},
		{"groupadmin", userOf(ownTenant, "ApioGrpOther", ownUser), 403, 403},
		{"foogroupadmin", own, 403, 403},
		{"tenantadmin", own, 200, 200},
		{"tenantadmin", userOf(ownTenant, "ApioGrpOther", ownUser), 404, 404},
		{"footenantadmin", own, 403, 403},
		{"tenantadmin", inEnterprise, 403, 403},
		{"entadmin", inEnterprise, 200, 200},
		{"sysadmin", inEnterprise, 200, 200},
	} {
		t.Run(c.who+" at "+c.path, func(t *testing.T) {
			session, _ := r.login(t, c.who)
			before := len(r.platform.Ledger())
			r.call(t, call{path: c.path, header: bearer(session.Token)}).wantStatus(t, c.get)
			r.call(t, call{method: http.MethodPut, path: c.path, body: "{}", header: bearer(session.Token)}).wantStatus(t, c.put)
			heard := slices.ContainsFunc(r.platform.Ledger()[before:], func(e ocisim.Entry) bool {
				return e.Command != "LogoutRequest" // of the login
			})
			if heard != (c.get == 200 || c.get == 404) {
				t.Errorf("the platform was asked: %t", heard)
			}
		})
	}
	r.wantWrites(t, 0, 0)
}

// Settings, number ranges and prefixes are read back, each by what shows it, and in
// the form of the release.
func TestAUsersChangeIsReadBackOnEveryRelease(t *testing.T) {
	onReleases(t, func(t *testing.T, o onRelease) {
		body, entries := everythingElse, []string{forEmergency, "+3226127007", "+32-01", "+32-02", "+3226127000"}
		if !o.hasPrefixes() {
			body, entries = strings.Replace(body, `,"prefixes":[{"prefix":"+32-01"},{"prefix":"+32-02"}]`, "", 1), []string{forEmergency, "+3226127007", "+3226127000"}
		}
		for fault, state := range map[string]string{"drop-after-apply": "done", "drop-before-apply": "not_done"} {
			t.Run(state, func(t *testing.T) {
				inBubble(t, o.over(setup{}), func(t *testing.T, r *rig) {
					r.inject(t, withCommand(fault+" times=1", setUser))
					id := r.call(t, putUser(body)).header.Get("Operation-Id")
					time.Sleep(time.Minute)
					op, _ := r.operation(t, id)
					var want []entryResponse
					for _, entry := range entries {
						outcome, step := state, 1
						if entry == "+32-01" { // which the user has before and after it
							outcome, step = "done", 0
						}
						want = append(want, entryResponse{entry, outcome, step, false})
					}
					if diff := cmp.Diff(want, op.Entries); diff != "" || op.State != state || op.KnownBy != "reading" || op.UserID != ownUser {
						t.Errorf("%s by %q of %q, entries (-want +got):\n%s", op.State, op.KnownBy, op.UserID, diff)
					}
					r.wantWrites(t, 1, map[string]int{"done": 1}[state])
				})
			})
		}
	})
}

// What differs in nothing is done, without a command, and its key stays its own.
func TestAUsersChangeThatDiffersInNothing(t *testing.T) {
	for name, body := range map[string]string{
		"nothing is given":     `{}`,
		"it is so already":     `{"` + forEmergency + `":false,"numbers":[{"minPhoneNumber":"+3226127000"}],"prefixes":[{"prefix":"+3201"}]}`,
		"the user has nothing": `{"numbers":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, setup{seed: func(s *ocisim.Seed) {
				if name == "the user has nothing" {
					own := &s.Tenants[slices.IndexFunc(s.Tenants, func(t ocisim.Tenant) bool { return t.ID == ownTenant })]
					own.Ranges[0].User = ""
				}
			}}, func(t *testing.T, r *rig) {
				dryRun := putUser(body)
				dryRun.path += "?dry_run=true"
				if got := r.call(t, dryRun); got.status != http.StatusOK || strings.TrimSpace(got.body) != `{"dry_run":true,"changes":[]}` {
					t.Errorf("a dry run is answered %d %s", got.status, got.body)
				}
				first := r.call(t, putUser(body).keyed("k"))
				first.wantFirst(t, http.StatusOK)
				id := first.wantOutcome(t, "done")
				again := r.call(t, putUser(body).keyed("k"))
				again.wantStatus(t, http.StatusOK)
				again.wantReplay(t, id, "done")
				r.wantState(t, id, "done", "reading")
				r.call(t, putUser(`{"`+isScreened+`":true}`).keyed("k")).wantError(t, http.StatusUnprocessableEntity, "IDEMPOTENCY_KEY_REUSED")
				r.wantWrites(t, 0, 0)
				events := r.events(t)
				if len(events) != 1 || events[0].Outcome != "done" || events[0].UserID != ownUser {
					t.Errorf("the trail has %+v", events)
				}
				if reported := r.call(t, call{path: operationPath(id), client: group}); strings.Contains(reported.body, "null") {
					t.Errorf("the operation is %s", reported.body)
				}
				second := r.afterKill(t)
				second.call(t, putUser(body).keyed("k")).wantReplay(t, id, "done")
			})
		})
	}
}

// Two changes of one user may not be made at the same time, be they of different
// members. What one of them changes is held against the group's endpoints, too.
func TestChangesOfAUserExcludeEachOther(t *testing.T) {
	inBubble(t, setup{seed: func(s *ocisim.Seed) {
		own := &s.Tenants[slices.IndexFunc(s.Tenants, func(t ocisim.Tenant) bool { return t.ID == ownTenant })]
		for i := range own.Groups[0].Users {
			own.Groups[0].Users[i].Services = []string{"Route List"}
		}
	}}, func(t *testing.T, r *rig) {
		r.inject(t, withCommand("slow delay=5s times=1", setUser))
		first := make(chan response, 1)
		go func() { first <- r.call(t, putUser(`{"numbers":[{"minPhoneNumber":"+3226127007"}]}`)) }()
		synctest.Wait()
		r.call(t, putUser(`{"`+isScreened+`":true}`)).wantError(t, http.StatusConflict, "ENTRIES_HELD")
		for _, start := range []string{"+3226127007", "+3226127000"} { // gained and lost
			remove := call{method: http.MethodDelete, path: ownList("numbers"), client: system, body: fmt.Sprintf(`{"numbers":[{"minPhoneNumber":%q}]}`, start)}
			failure := r.call(t, remove).wantError(t, http.StatusConflict, "ENTRIES_HELD")
			if diff := cmp.Diff([]string{start}, failure.Details.Entries); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
		}
		other := putUser(`{"` + isScreened + `":true}`)
		other.path = userOf(ownTenant, ownGroup, plainUser)
		r.call(t, other).wantStatus(t, http.StatusOK)
		(<-first).wantStatus(t, http.StatusOK)
		r.call(t, putUser(`{"`+isScreened+`":true}`)).wantStatus(t, http.StatusOK)
		r.wantWrites(t, 3, 3)
	})
}

// A range that the body takes away without naming it may be held by another write.
func TestARangeThatAnotherWriteHoldsIsNotTakenFromAUser(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, r *rig) {
		remove := call{method: http.MethodDelete, path: ownList("numbers"), client: system, body: `{"numbers":[{"minPhoneNumber":"+3226127000"}]}`}
		r.inject(t, "drop-before-apply times=1 command=GroupRouteListEnterpriseTrunkNumberRangeUnassignListRequest")
		r.call(t, remove).wantError(t, http.StatusGatewayTimeout, "OUTCOME_UNKNOWN")
		got := r.call(t, putUser(`{"numbers":[]}`).keyed("k"))
		failure := got.wantError(t, http.StatusConflict, "ENTRIES_HELD")
		got.wantOutcome(t, "not_done")
		if diff := cmp.Diff([]string{"+3226127000"}, failure.Details.Entries); diff != "" {
			t.Errorf("entries (-want +got):\n%s", diff)
		}
		r.wantWrites(t, 1, 0)
		time.Sleep(time.Minute)
		r.call(t, putUser(`{"numbers":[]}`).keyed("k")).wantFirst(t, http.StatusOK)
		r.wantWrites(t, 2, 1)
	})
}

// The platform has what the body asks for, and nothing else is changed.
func TestWhatAChangeOfAUserDoes(t *testing.T) {
	r := start(t, setup{seed: func(s *ocisim.Seed) { s.Platform.Dashes = true }})
	r.write(t, putUser(everythingElse))
	show := call{path: userOf(ownTenant, ownGroup, ownUser), client: group}
	want := `{"treatOriginationsAndPBXRedirectionsAsScreened":false,"useImmediateTrunkingConnectivityIdentityForNonEmergencyCalls":false,` +
		`"useImmediateTrunkingConnectivityIdentityForEmergencyCalls":true,"numbers":[{"minPhoneNumber":"+3226127007","maxPhoneNumber":"+3226127009","active":true,"extensionLength":""}],` +
		`"prefixes":[{"prefix":"+32-01","active":true,"extensionRangeStart":"","extensionRangeEnd":""},{"prefix":"+32-02","active":true,"extensionRangeStart":"","extensionRangeEnd":""}]}`
	if diff := cmp.Diff(want, strings.TrimSpace(r.call(t, show).body)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r.write(t, putUser(`{"numbers":null,"prefixes":[]}`))
	got := r.call(t, show).body
	if !strings.Contains(got, `"`+forEmergency+`":true,"numbers":[],"prefixes":[]}`) {
		t.Errorf("got %s", got)
	}
}
