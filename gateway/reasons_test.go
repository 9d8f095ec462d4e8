package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway"
)

// The reasons in errors about entries, which take a further reading.

// wantReasons checks the reason of each entry, in the order of the body, and
// that no other group is named.
func (e expectation) wantReasons(t *testing.T, got response) {
	t.Helper()
	var given []string
	for _, p := range got.apiError(t).Details.Problems {
		if p.Pointer == nil {
			t.Fatalf("a reason has no pointer: %s", got.body)
		}
		given = append(given, *p.Pointer+" "+p.Reason)
	}
	if diff := cmp.Diff(e.Reasons, given); diff != "" {
		t.Errorf("details.problems (-want +got):\n%s", diff)
	}
	if strings.Contains(got.body, "ApioGrpOther") {
		t.Errorf("names the group that has an entry: %s", got.body)
	}
}

// If the reading of the reasons fails, the response is the same without them, and takes no
// longer than that reading may.
func TestReasonsOverAPlatformInTrouble(t *testing.T) {
	const summary = "ServiceProviderRouteListEnterpriseTrunkNumberRangeGetSummaryListRequest"
	for _, fault := range []string{
		"stall", "drop-before-apply", "reset-before-apply", "half-reply", "garbage", "foreign-echo", "lose-login", "forced-logout-instead",
		"error-before-apply number=5404", "error-before-apply severity=Warning number=4152",
	} {
		t.Run(fault, func(t *testing.T) {
			inBubble(t, setup{faults: []string{withCommand(fault, summary)}}, func(t *testing.T, r *rig) {
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
				time.Sleep(exchangeTime)
			})
		})
	}
}

// exchangeTime is longer than the client continues a read without callers.
const exchangeTime = 21 * time.Second

// Callers do not wait for the reasons for long, whether they ask for them or
// wait for what another caller has asked for.
func TestReasonsThatTakeTooLong(t *testing.T) {
	const stall = "stall command=ServiceProviderRouteListEnterpriseTrunkNumberRangeGetSummaryListRequest"
	for name, test := range map[string]struct{ timeout, within time.Duration }{
		"with time":                            {30 * time.Second, 3 * time.Second},
		"without much time":                    {5 * time.Second, 2500 * time.Millisecond},
		"with less than the platform may take": {time.Second, 500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			s := setup{faults: []string{stall}, gateway: func(o *gateway.Options) { o.RequestTimeout = test.timeout }}
			inBubble(t, s, func(t *testing.T, r *rig) {
				var callers sync.WaitGroup
				for i := range 5 {
					callers.Go(func() {
						time.Sleep(time.Duration(i) * time.Second)
						asked := assignFreeRange()
						asked.body = fmt.Sprintf(`{"numbers":[{"minPhoneNumber":"+329999999%d"}]}`, i)
						began := time.Now()
						got := r.call(t, asked)
						if took := time.Since(began); took > test.within {
							t.Errorf("caller %d waited for %v", i, took)
						}
						failure := got.wantError(t, http.StatusBadRequest, "NOT_AVAILABLE_FOR_ASSIGNMENT")
						if problems := failure.Details.Problems; len(problems) != 1 || problems[0].Reason != "is not free in the tenant" {
							t.Errorf("caller %d is answered %s", i, got.body)
						}
					})
				}
				callers.Wait()
				r.wantWrites(t, 0, 0)
				time.Sleep(exchangeTime)
			})
		})
	}
}
