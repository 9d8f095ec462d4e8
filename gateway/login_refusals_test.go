package gateway_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/auth"
	"ocigate/oci/ocisim"
	"ocigate/translate/errcode"
)

// Refusals of logins by the platform. Add a number of the platform to refusals.

// refusals returns the numbers with which a platform may refuse a login: the simulated
// platform's, those of the table of errors, and those of the operator.
func refusals(own map[int]*errcode.Code) []int {
	numbers := []int{1, 4008, 4152, 4410, 4962, 5202, 5404, 6004}
	for _, e := range ocisim.ErrorNumbers() {
		numbers = append(numbers, e.Number)
	}
	numbers = slices.AppendSeq(numbers, maps.Keys(own))
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

// Every refusal of a login looks the same, is counted and is audited, whatever its number
// and whatever the operator's table has for it.
func TestEveryRefusalOfALoginIsTheSame(t *testing.T) {
	own := map[int]*errcode.Code{}
	for i, code := range slices.Collect(errcode.All()) {
		if code != errcode.PlatformUnavailable {
			own[8000+i] = code
		}
	}
	own[9903] = errcode.Forbidden
	for _, way := range waysToVerify[:3] {
		t.Run(way.name, func(t *testing.T) {
			s := way.setup
			s.errors = own
			s.auth = func(o *auth.Options) {
				o.AccountLimit = auth.Limit{FreeAttempts: 1, BaseDelay: time.Hour, MaxDelay: time.Hour}
				o.AddressLimit = auth.Limit{FreeAttempts: 1000}
			}
			inBubble(t, s, func(t *testing.T, r *rig) {
				r.login(t, "tenantadmin") // so that the gateway's own account has logged in
				attempt := func(username string) string {
					got := r.call(t, loginCall(username, "wrong"))
					got.header.Del("X-Request-Id")
					return fmt.Sprint(got.status, got.header, got.body)
				}
				want := attempt("sysadmin")
				if !strings.Contains(want, "401") {
					t.Fatalf("a wrong password: %s", want)
				}
				numbers := refusals(own)
				for _, number := range numbers {
					r.inject(t, withCommand(fmt.Sprintf("error-before-apply number=%d times=1", number), commandsThatVerify(s)))
					username := fmt.Sprintf("user-%d", number)
					if got := attempt(username); got != want {
						t.Errorf("number %d: the response is\n%s\nand for a wrong password\n%s", number, got, want)
					}
					r.call(t, loginCall(username, "wrong")).wantError(t, http.StatusTooManyRequests, "RATE_LIMITED")
				}
				var audited []string
				for _, e := range r.events(t)[2:] {
					audited = append(audited, e.Caller.Name+" "+e.Outcome)
				}
				var expected []string
				for _, number := range numbers {
					expected = append(expected, fmt.Sprintf("user-%d UNAUTHENTICATED", number))
				}
				if diff := cmp.Diff(expected, audited); diff != "" {
					t.Errorf("the audit trail (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// An unavailable platform has not looked at the password.
func TestLoginAtAPlatformThatReportsToBeUnavailable(t *testing.T) {
	for _, way := range waysToVerify[:3] {
		t.Run(way.name, func(t *testing.T) {
			s := way.setup
			s.errors = map[int]*errcode.Code{9903: errcode.PlatformUnavailable}
			s.auth = func(o *auth.Options) { o.AccountLimit = auth.Limit{FreeAttempts: 1} }
			r := start(t, s)
			for range 3 {
				got := r.call(t, loginCall("expired", "expired-demo"))
				failure := got.wantError(t, http.StatusServiceUnavailable, "PLATFORM_UNAVAILABLE")
				if len(failure.Details.Errors) != 0 {
					t.Errorf("the response has the platform's words: %s", got.body)
				}
			}
			if events := r.events(t); len(events) != 0 {
				t.Errorf("the trail has %+v", events)
			}
		})
	}
}
