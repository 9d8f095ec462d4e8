package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ocigate/gateway"
	"ocigate/oci"
	"ocigate/translate"
)

// Reads with a fault of the platform, and a platform that is down, slow or busy. Add a
// fault of a read to TestReadsWithFaults.

// A read that fails is sent once more, unless the platform took too long or refused it.
func TestReadsWithFaults(t *testing.T) {
	const list = "GroupRouteListEnterpriseTrunkNumberPrefixGetSummaryListRequest"
	for _, c := range []struct {
		fault  string
		once   int    // the status if it happens once
		always int    // the status if it happens each time
		error  string // then
	}{
		{"slow", 200, 200, ""},
		{"drip", 200, 200, ""},
		{"late-newline", 200, 200, ""},
		{"forced-logout", 200, 200, ""},
		{"stall", 504, 504, "PLATFORM_TIMEOUT"},
		{"drop-before-apply", 200, 502, "PLATFORM_ERROR"},
		{"half-reply", 200, 502, "PLATFORM_ERROR"},
		{"foreign-session", 200, 502, "PLATFORM_ERROR"},
		{"foreign-echo", 200, 502, "PLATFORM_ERROR"},
		{"foreign-tracking", 200, 502, "PLATFORM_ERROR"},
		{"garbage", 200, 502, "PLATFORM_ERROR"},
		{"wrong-document", 200, 502, "PLATFORM_ERROR"},
		{"forced-logout-instead", 200, 502, "PLATFORM_ERROR"},
		{"lose-login", 200, 503, "PLATFORM_UNAVAILABLE"},
		{"error-before-apply number=4999", 502, 502, "PLATFORM_ERROR"},
		{"error-before-apply number=4999 severity=Warning", 502, 502, "PLATFORM_ERROR"},
		{`error-before-apply number=4999 summary="NO_OCS_CONNECTION"`, 503, 503, "PLATFORM_UNAVAILABLE"},
		{`error-before-apply number=4999 severity=Warning summary="NO_OCS_CONNECTION"`, 502, 502, "PLATFORM_ERROR"},
		{"error-before-apply number=4410", 404, 404, "SERVICE_NOT_ASSIGNED"},
	} {
		for _, known := range []bool{true, false} {
			if c.fault == "lose-login" && !known {
				continue // a platform forgets sessions between documents, and not inside one
			}
			prepared := func(t *testing.T, test func(t *testing.T, r *rig)) {
				s := setup{engine: func(o *translate.Options) { o.ContextTTL = time.Hour }}
				inBubble(t, s, func(t *testing.T, r *rig) {
					if known {
						r.get(t, "prefixes").wantStatus(t, http.StatusOK)
					}
					test(t, r)
				})
			}
			t.Run(fmt.Sprintf("%s, once, the group known: %t", c.fault, known), func(t *testing.T) {
				prepared(t, func(t *testing.T, r *rig) {
					r.inject(t, withCommand(c.fault+" times=1", list))
					r.get(t, "prefixes").wantStatus(t, c.once)
					r.get(t, "prefixes").wantStatus(t, http.StatusOK)
				})
			})
			t.Run(fmt.Sprintf("%s, always, the group known: %t", c.fault, known), func(t *testing.T) {
				prepared(t, func(t *testing.T, r *rig) {
					injected := r.inject(t, withCommand(c.fault, list))
					got := r.get(t, "prefixes")
					got.wantStatus(t, c.always)
					if c.error != "" {
						got.wantError(t, c.always, c.error)
					}
					if c.always == http.StatusServiceUnavailable {
						got.wantRetryAfter(t)
					}
					most := 2
					if strings.HasPrefix(c.fault, "forced-logout-instead") || c.fault == "lose-login" {
						most = 3 // the platform says itself that only the session is the cause
					}
					if injected.Hits() > most {
						t.Errorf("asked %d times", injected.Hits())
					}
				})
			})
		}
	}
}

func TestPlatformThatCannotBeReached(t *testing.T) {
	for _, fault := range []string{
		"refuse", "stall-connection", "stall command=AuthenticationRequest", "expired-password",
		"error-before-apply command=LoginRequest14sp4 number=5202", "half-reply command=AuthenticationRequest",
	} {
		t.Run(fault, func(t *testing.T) {
			// Below MaxWait, so that callers get the failure of the login.
			s := setup{faults: []string{fault}, platform: func(o *oci.Options) { o.LoginTimeout = 5 * time.Second }}
			inBubble(t, s, func(t *testing.T, r *rig) {
				for _, c := range []call{{path: ownList("numbers"), client: system}, assignFreeRange()} {
					for range 2 { // before the backoff, and within it
						got := r.call(t, c)
						got.wantError(t, http.StatusServiceUnavailable, "PLATFORM_UNAVAILABLE")
						got.wantRetryAfter(t)
						if strings.Contains(got.body, "login") || strings.Contains(got.body, gatewayUser) {
							t.Errorf("the response has internal details: %s", got.body)
						}
					}
				}
				r.wantWrites(t, 0, 0)
			})
		})
	}
}

// A caller that waits for the first session does not get PLATFORM_BUSY, however long it
// takes.
func TestPlatformThatIsSlowToLogIn(t *testing.T) {
	s := setup{faults: []string{"stall command=AuthenticationRequest"}, platform: func(o *oci.Options) {
		o.MaxWait, o.LoginTimeout, o.BackoffInitial = time.Second, 5*time.Second, 30*time.Second
	}}
	inBubble(t, s, func(t *testing.T, r *rig) {
		for range 2 {
			got := r.get(t, "numbers")
			got.wantError(t, http.StatusServiceUnavailable, "PLATFORM_UNAVAILABLE")
			if after := got.header.Get("Retry-After"); after != "30" {
				t.Errorf("Retry-After is %s", after)
			}
		}
	})
}

func TestPlatformThatComesBack(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, r *rig) {
		gone := r.inject(t, "refuse")
		r.get(t, "numbers").wantStatus(t, http.StatusServiceUnavailable)
		gone.Remove()
		time.Sleep(2 * time.Second) // synctest's: the pause after the first failure
		r.get(t, "numbers").wantStatus(t, http.StatusOK)
	})
}

func TestAllSessionsInUse(t *testing.T) {
	inBubble(t, setup{platform: func(o *oci.Options) { o.MaxSessions, o.MaxWait = 1, time.Second }}, func(t *testing.T, r *rig) {
		r.inject(t, "stall command=*PrefixGetSummaryListRequest")
		first := make(chan response, 1)
		go func() { first <- r.get(t, "prefixes") }()
		synctest.Wait()
		for _, c := range []call{{path: ownList("numbers"), client: system}, assignFreeRange()} {
			got := r.call(t, c)
			got.wantError(t, http.StatusServiceUnavailable, "PLATFORM_BUSY")
			got.wantRetryAfter(t)
		}
		if got := <-first; got.status != http.StatusGatewayTimeout {
			t.Errorf("the caller who has the session gets %d", got.status)
		}
		r.wantWrites(t, 0, 0)
	})
}

// RequestTimeout limits the checks of a request. A write that was not sent in time is not
// done.
func TestRequestTimeout(t *testing.T) {
	inBubble(t, setup{gateway: func(o *gateway.Options) { o.RequestTimeout = 5 * time.Second }}, func(t *testing.T, r *rig) {
		r.inject(t, "slow delay=10s command=ServiceProviderGetRequest17sp1")
		start := time.Now()
		r.get(t, "numbers").wantError(t, http.StatusGatewayTimeout, "PLATFORM_TIMEOUT")
		r.call(t, assignFreeRange()).wantError(t, http.StatusServiceUnavailable, "PLATFORM_CHECK_FAILED")
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("two requests took %v", took)
		}
		r.wantWrites(t, 0, 0)
	})
}

func TestRequestTimeoutByDefault(t *testing.T) {
	inBubble(t, setup{platform: func(o *oci.Options) { o.CommandTimeout = time.Minute }}, func(t *testing.T, r *rig) {
		r.inject(t, "slow delay=35s command=ServiceProviderGetRequest17sp1")
		start := time.Now()
		r.get(t, "numbers").wantError(t, http.StatusGatewayTimeout, "PLATFORM_TIMEOUT")
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("took %v", took)
		}
	})
}
