package gateway_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"

	"ocigate/oci/ocisim"
)

// Administrators whom the platform restricts.

// restricted adds administrators to the demonstration.
func restricted(s *ocisim.Seed) {
	s.Administrators = append(s.Administrators,
		ocisim.Administrator{ID: "sysreader", Password: "sysreader-demo", Type: "System", ReadOnly: true},
		ocisim.Administrator{ID: "provreader", Password: "provreader-demo", Type: "Provisioning", ReadOnly: true},
		ocisim.Administrator{ID: "customer", Password: "customer-demo", Type: "Service Provider", Tenant: ownTenant, AdminType: "Customer"},
		ocisim.Administrator{ID: "normal", Password: "normal-demo", Type: "Service Provider", Tenant: ownTenant, AdminType: "Normal"},
		ocisim.Administrator{ID: "resetter", Password: "resetter-demo", Type: "Service Provider", Tenant: ownTenant, AdminType: "Password Reset Only"},
	)
}

func TestRestrictedAdministrators(t *testing.T) {
	for _, way := range waysToVerify[:3] {
		t.Run(way.name, func(t *testing.T) {
			s := way.setup
			s.seed = restricted
			r := start(t, s)
			for name, mayChange := range map[string]bool{
				"sysreader": false, "provreader": false, "customer": false,
				"sysadmin": true, "provisioning": true, "tenantadmin": true, "normal": true,
			} {
				t.Run(name, func(t *testing.T) {
					got := r.call(t, loginCall(name, passwordOf(name)))
					got.wantStatus(t, http.StatusOK)
					var body struct {
						Profile struct {
							ReadOnly *bool `json:"read_only"`
						} `json:"profile"`
						Token string `json:"access_token"`
					}
					must(t, json.Unmarshal([]byte(got.body), &body))
					if (body.Profile.ReadOnly != nil) == mayChange {
						t.Errorf("response %s", got.body)
					}
					header := bearer(body.Token)
					r.call(t, call{path: ownList("numbers"), header: header}).wantStatus(t, http.StatusOK)

					var index indexFacts
					must(t, json.Unmarshal([]byte(r.call(t, call{path: "/api/v1/", header: header}).body), &index))
					if changes := slices.Contains(index.routes(), "itc_numbers_assign"); changes != mayChange || index.Profile.ReadOnly == mayChange {
						t.Errorf("the index is %+v", index)
					}
					if mayChange {
						return
					}
					before := len(r.platform.Writes())
					for _, w := range writeCases() {
						asked := w.call
						asked.client, asked.header = anonymous, header
						failure := r.call(t, asked).wantError(t, http.StatusForbidden, "FORBIDDEN")
						if failure.Message != "The platform lets this administrator read, but not change anything." {
							t.Errorf("%s: the message is %q", w.route, failure.Message)
						}
					}
					if after := len(r.platform.Writes()); after != before {
						t.Errorf("%d writes were sent", after-before)
					}
				})
			}
			t.Run("one for the reset of passwords gets 403, audited", func(t *testing.T) {
				r.call(t, loginCall("resetter", "resetter-demo")).wantError(t, http.StatusForbidden, "FORBIDDEN")
				events := r.events(t)
				if last := events[len(events)-1]; last.Caller.Name != "resetter" || last.Outcome != "FORBIDDEN" {
					t.Errorf("the last line is %+v", last)
				}
			})
		})
	}
}

// indexFacts are those of the index that the test needs.
type indexFacts struct {
	Profile struct {
		ReadOnly bool `json:"read_only"`
	} `json:"profile"`
	Links []struct {
		Route string `json:"route"`
	} `json:"links"`
}

func (i indexFacts) routes() []string {
	var names []string
	for _, link := range i.Links {
		names = append(names, link.Route)
	}
	return names
}

// Nobody gets more rights because of a fault.
func TestAdministratorsWhoseRightsAreNotKnownCannotLogIn(t *testing.T) {
	for _, command := range []string{"SystemAdminGetRequest", "ServiceProviderAdminGetRequest14"} {
		for _, fault := range []string{"error-before-apply number=5404", "error-before-apply number=6004", "drop-before-apply", "garbage", "wrong-document", "slow delay=10m"} {
			t.Run(command+"/"+fault, func(t *testing.T) {
				inBubble(t, setup{faults: []string{withCommand(fault, command)}}, func(t *testing.T, r *rig) {
					name := map[string]string{"SystemAdminGetRequest": "sysadmin", "ServiceProviderAdminGetRequest14": "tenantadmin"}[command]
					got := r.call(t, loginCall(name, passwordOf(name)))
					failure := got.wantError(t, http.StatusServiceUnavailable, "PLATFORM_UNAVAILABLE")
					got.wantRetryAfter(t)
					if len(failure.Details.Errors) != 0 || failure.Message != "The platform did not report the rights of the administrator." {
						t.Errorf("the response is %s", got.body)
					}
					events := r.events(t)
					if last := events[len(events)-1]; last.Caller.Name != name || last.Outcome != "PLATFORM_UNAVAILABLE" {
						t.Errorf("the password was right, and the last line is %+v", last)
					}
					r.login(t, "groupadmin") // whom no command is about
				})
			})
		}
	}
}
