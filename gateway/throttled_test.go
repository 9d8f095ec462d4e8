package gateway_test

import (
	"net/http"
	"testing"
	"time"

	"ocigate/gateway/auth"
)

// The metric of throttled logins.

// Every kind of response with 429 is counted.
func TestThrottledAttemptsAreCounted(t *testing.T) {
	for way, guess := range map[string]call{
		"login":   loginCall("groupadmin", "guess"),
		"api_key": {path: ownList("numbers"), header: http.Header{"X-Api-Key": {group + ".guess"}}},
		"basic":   {path: ownList("numbers"), header: http.Header{"Authorization": {"Basic Z3JvdXA6Z3Vlc3M="}}},
	} {
		t.Run(way, func(t *testing.T) {
			r := start(t, setup{auth: func(o *auth.Options) {
				o.AccountLimit = auth.Limit{FreeAttempts: 1, BaseDelay: time.Hour, MaxDelay: time.Hour}
			}})
			wantCounted(t, r, "ocigate_logins_throttled_total", map[string]float64{})
			r.call(t, guess).wantError(t, http.StatusUnauthorized, "UNAUTHENTICATED")
			for range 2 {
				r.call(t, guess).wantError(t, http.StatusTooManyRequests, "RATE_LIMITED")
			}
			wantCounted(t, r, "ocigate_logins_throttled_total", map[string]float64{way: 2})
			wantCounted(t, r, "ocigate_logins_throttled_reasons_total", map[string]float64{"failures": 2})
		})
	}
}
