package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway"
)

// reasons are the problems of each case with code 19, as "place reason" in the
// order of the body. The endpoints by POST have those of their twins.
var reasons = map[string][]string{
	"itc_numbers_assign/not_available":  {"/numbers/0/minPhoneNumber is assigned to another group"},
	"itc_numbers_assign/one_of_several": {"/numbers/1/minPhoneNumber is assigned to another group"},
	"itc_numbers_assign/end_differs":    {"/numbers/0/maxPhoneNumber is not the end of its range, which ends at +3225127999"},
	"itc_numbers_assign/not_in_the_tenant": {
		"/numbers/0/minPhoneNumber is not the start of a number range that the tenant has", // inside a range
		"/numbers/1/minPhoneNumber is not the start of a number range that the tenant has",
	},
	"itc_numbers_assign/already_assigned": {"/numbers/0/minPhoneNumber is already assigned to this group"},
	"itc_numbers_assign/several_reasons": {
		"/numbers/0/minPhoneNumber is assigned to another group",
		"/numbers/2/maxPhoneNumber is not the end of its range, which ends at +3225127999",
		"/numbers/3/minPhoneNumber is not the start of a number range that the tenant has",
		"/numbers/4/minPhoneNumber is already assigned to this group",
	},
	"itc_numbers_assign/reasons_not_read": {"/numbers/1/minPhoneNumber is not free in the tenant"},

	"itc_numbers_remove/not_available":  {"/numbers/0/minPhoneNumber is assigned to another group"},
	"itc_numbers_remove/one_of_several": {"/numbers/1/minPhoneNumber is assigned to another group"},
	"itc_numbers_remove/end_differs":    {"/numbers/0/maxPhoneNumber is not the end of its range, which ends at +3226127009"},
	"itc_numbers_remove/not_in_the_tenant": {
		"/numbers/0/minPhoneNumber is not the start of a number range that the tenant has",
		"/numbers/1/minPhoneNumber is not the start of a number range that the tenant has",
	},
	"itc_numbers_remove/not_assigned": {"/numbers/0/minPhoneNumber is not assigned to this group"},
	"itc_numbers_remove/several_reasons": {
		"/numbers/0/minPhoneNumber is assigned to another group",
		"/numbers/2/maxPhoneNumber is not the end of its range, which ends at +3226127002",
		"/numbers/3/minPhoneNumber is not the start of a number range that the tenant has",
		"/numbers/4/minPhoneNumber is not assigned to this group",
	},
	"itc_numbers_remove/reasons_not_read": {"/numbers/1/minPhoneNumber is not assigned to this group"},

	"itc_prefixes_assign/not_available":     {"/prefixes/0/prefix is assigned to another group"},
	"itc_prefixes_assign/one_of_several":    {"/prefixes/1/prefix is assigned to another group"},
	"itc_prefixes_assign/not_in_the_tenant": {"/prefixes/0/prefix is not a prefix that the tenant has"},
	"itc_prefixes_assign/already_assigned":  {"/prefixes/0/prefix is already assigned to this group"},
	"itc_prefixes_assign/several_reasons": {
		"/prefixes/0/prefix is assigned to another group",
		"/prefixes/2/prefix is not a prefix that the tenant has",
		"/prefixes/3/prefix is already assigned to this group",
	},
	"itc_prefixes_assign/reasons_not_read": {"/prefixes/1/prefix is not free in the tenant"},

	"itc_prefixes_remove/not_available":     {"/prefixes/0/prefix is assigned to another group"},
	"itc_prefixes_remove/one_of_several":    {"/prefixes/1/prefix is assigned to another group"},
	"itc_prefixes_remove/not_in_the_tenant": {"/prefixes/0/prefix is not a prefix that the tenant has"},
	"itc_prefixes_remove/not_assigned":      {"/prefixes/0/prefix is not assigned to this group"},
	"itc_prefixes_remove/several_reasons": {
		"/prefixes/0/prefix is assigned to another group",
		"/prefixes/2/prefix is not a prefix that the tenant has",
		"/prefixes/3/prefix is not assigned to this group",
	},
	"itc_prefixes_remove/reasons_not_read": {"/prefixes/1/prefix is not assigned to this group"},
}

// wantReasons demands the reason of each entry, in the order of the body, and
// that no other group is named.
func (q quartet) wantReasons(t *testing.T, got answer) {
	t.Helper()
	var given []string
	for _, p := range got.apiError(t).Details.Problems {
		if p.Pointer == nil {
			t.Fatalf("a reason has no pointer: %s", got.body)
		}
		given = append(given, *p.Pointer+" "+p.Reason)
	}
	if diff := cmp.Diff(reasons[strings.TrimSuffix(q.endpoint, "_by_post")+"/"+q.name], given); diff != "" {
		t.Errorf("details.problems (-want +got):\n%s", diff)
	}
	if strings.Contains(got.body, "ApioGrpOther") {
		t.Errorf("names the group that has an entry: %s", got.body)
	}
}

// Whatever happens to the reading of the reasons, the answer is the same but for
// them, and it takes no longer than that reading may.
func TestReasonsOverAPlatformInTrouble(t *testing.T) {
	const summary = "ServiceProviderRouteListEnterpriseTrunkNumberRangeGetSummaryListRequest"
	for _, fault := range []string{
		"stall", "drop-before-apply", "reset-before-apply", "half-reply", "garbage", "foreign-echo", "lose-login", "forced-logout-instead",
		"error-before-apply number=5404", "error-before-apply severity=Warning number=4152",
	} {
		t.Run(fault, func(t *testing.T) {
			inTime(t, setup{faults: []string{withCommand(fault, summary)}}, func(t *testing.T, r *rig) {
				asked := assignFreeRange()
				asked.body = `{"numbers":[{"minPhoneNumber":"+3225129000"}]}`
				got := r.call(t, asked)
				failure := got.wantError(t, http.StatusBadRequest, "NOT_AVAILABLE_FOR_ASSIGNMENT")
				got.wantOutcome(t, "not_done")
				if diff := cmp.Diff([]string{"+3225129000"}, failure.Details.Entries); diff != "" {
					t.Errorf("entries (-want +got):\n%s", diff)
				}
				if problems := failure.Details.Problems; len(problems) != 1 || problems[0].Reason != "is not free in the tenant" {
					t.Errorf("answered %s", got.body)
				}
				if len(failure.Details.Errors) != 0 || got.header.Get("Retry-After") != "" {
					t.Errorf("speaks of a trouble that the answer does not depend on: %v, %s", got.header, got.body)
				}
				r.wantWrites(t, 0, 0)
			})
		})
	}
}

// A request whose time is over is not answered with reasons.
func TestReasonsThatTakeTooLong(t *testing.T) {
	slow := "slow delay=10s command=ServiceProviderRouteListEnterpriseTrunkNumberRangeGetSummaryListRequest"
	s := setup{faults: []string{slow}, gateway: func(o *gateway.Options) { o.RequestTimeout = 5 * time.Second }}
	inTime(t, s, func(t *testing.T, r *rig) {
		asked := assignFreeRange()
		asked.body = `{"numbers":[{"minPhoneNumber":"+3225129000"}]}`
		r.call(t, asked).wantError(t, http.StatusServiceUnavailable, "PLATFORM_CHECK_FAILED")
		r.wantWrites(t, 0, 0)
	})
}
