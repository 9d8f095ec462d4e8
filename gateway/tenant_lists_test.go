package gateway_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci"
	"ocigate/oci/ocisim"
	"ocigate/translate"
	"ocigate/translate/scope"
)

// The lists of tenants, in both modes of the platform.

// The lists of a tenant by their last segment, and the part of the names of their
// commands.
var tenantLists = map[string]string{
	"numbers": "NumberRangeGetSummary", "available_numbers": "NumberRangeGetAvailable",
	"prefixes": "NumberPrefixGetSummary", "available_prefixes": "NumberPrefixGetAvailable",
}

func tenantList(tenantID, list string) string {
	return itcAt(scope.Tenant, scope.Target{TenantID: tenantID}) + list + "/"
}

// remembered keeps what is known of contexts for a minute.
func remembered(o *translate.Options) { o.ContextTTL = time.Minute }

// A read is one document, whether the tenant's mode is known or not.
func TestDocumentsOfATenantsLists(t *testing.T) {
	onReleases(t, func(t *testing.T, o onRelease) {
		for list, command := range tenantLists {
			for tenantID, mode := range map[string]string{"ApioSpTest": "ServiceProvider", "ApioEntTest": "Enterprise"} {
				t.Run(list+" of "+tenantID, func(t *testing.T) {
					recorded := &tape{}
					s := o.over(setup{engine: remembered, platform: func(o *oci.Options) {
						o.MaxSessions = 1
						recorded.over(o)
					}})
					inBubble(t, s, func(t *testing.T, r *rig) {
						asked := call{path: tenantList(tenantID, list), client: system}
						if strings.HasSuffix(list, "prefixes") && !o.hasPrefixes() {
							r.call(t, asked).wantError(t, http.StatusBadRequest, "NOT_AVAILABLE_IN_RELEASE")
							return
						}
						first := r.call(t, asked)
						first.wantStatus(t, http.StatusOK)
						second := r.call(t, asked)
						second.wantStatus(t, http.StatusOK)
						if first.body != second.body || !strings.HasPrefix(first.body, `{"`+list+`":[{`) {
							t.Errorf("answered %s, and then %s", first.body, second.body)
						}
						ofMode := func(mode string) string { return mode + "RouteListEnterpriseTrunk" + command + "ListRequest" }
						want := [][]string{
							{"ServiceProviderGetRequest17sp1", "ServiceProviderServiceGetAuthorizationListRequest", ofMode("ServiceProvider"), ofMode("Enterprise")},
							{ofMode(mode)},
						}
						if diff := cmp.Diff(want, recorded.commands()); diff != "" {
							t.Errorf("documents (-want +got)\n%s", diff)
						}
					})
				})
			}
		}
	})
}

// commands returns the names of the commands that were sent, by document.
func (r *tape) commands() [][]string {
	sent, _ := r.documents()
	var all [][]string
	for line := range bytes.Lines(sent) {
		var names []string
		for _, part := range strings.Split(string(line), `xsi:type="`)[1:] {
			name, _, _ := strings.Cut(part, `"`)
			names = append(names, name)
		}
		all = append(all, names)
	}
	return all
}

// A platform that lacks the commands of one mode lists tenants of the other one,
// as often as it is asked.
func TestTenantsListsWithoutTheCommandsOfOneMode(t *testing.T) {
	unknown := func(t *testing.T, seed *ocisim.Seed) {
		seed.Faults = append(seed.Faults, parseFault(t, "error-before-apply number=5404 command=SystemSoftwareVersion*"))
	}
	for _, way := range []ocisim.RefusalMode{ocisim.RefusalCommand, ocisim.RefusalDocument} {
		for _, known := range []bool{true, false} {
			for mode, test := range map[string]struct{ missing, others []string }{
				"ServiceProvider": {[]string{"ApioSpTest", "footenant", "bartenant"}, []string{"ApioEntTest"}},
				"Enterprise":      {[]string{"ApioEntTest"}, []string{"ApioSpTest", "footenant", "bartenant"}},
			} {
				t.Run(fmt.Sprintf("%s, refusing the %s, release known %t", mode, way, known), func(t *testing.T) {
					s := setup{seed: func(seed *ocisim.Seed) {
						seed.Platform.Without, seed.Platform.Refusal = []string{mode + "RouteList*"}, way
						if !known {
							unknown(t, seed)
						}
					}}
					inBubble(t, s, func(t *testing.T, r *rig) {
						for range 3 {
							for list := range tenantLists {
								for _, tenantID := range test.others {
									r.call(t, call{path: tenantList(tenantID, list), client: system}).wantStatus(t, http.StatusOK)
								}
								for _, tenantID := range test.missing {
									got := r.call(t, call{path: tenantList(tenantID, list), client: system})
									if name := got.apiError(t).Name; !slices.Contains([]string{"PLATFORM_ERROR", "NOT_AVAILABLE_IN_RELEASE"}, name) {
										t.Errorf("%s of %s: %s", list, tenantID, got.body)
									}
								}
							}
							time.Sleep(10 * time.Second)
						}
					})
				})
			}
		}
	}
}

func TestSpellingsOfATenantsPath(t *testing.T) {
	r := start(t, setup{})
	want := r.call(t, call{path: tenantList(ownTenant, "numbers"), client: tenant})
	want.wantStatus(t, http.StatusOK)
	for _, path := range []string{
		"/api/v1/tenants/ApioSpTest/services/immediate_trunking_connectivity/numbers/",
		"/api/v1/tenants/ApioSpTest/services/immediate_trunking_connectivity/numbers",
		"/api/v1/tenant/ApioSpTest/services/immediate_trunking_connectivity/numbers",
		"/api/v1/tenant/Apio%53pTest/services/immediate_trunking_connectivity/numbers/?_=1",
	} {
		if got := r.call(t, call{path: path, client: tenant}); got.status != want.status || got.body != want.body {
			t.Errorf("%s: status %d: %s", path, got.status, got.body)
		}
	}
	// An empty id is none, and a group's path is not that of a group called services.
	r.call(t, call{path: "/api/v1/tenant//services/immediate_trunking_connectivity/numbers/", client: system}).wantError(t, http.StatusBadRequest, "INVALID_PARAMETERS")
}
