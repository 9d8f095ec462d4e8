package gateway_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"ocigate/gateway"
	"ocigate/gateway/auth"
)

// The limit of each caller. Time is that of synctest.

// limited is a setup in which each caller may make 2 requests per second, and 4 at a time.
func limited(change func(*gateway.CallerLimits)) setup {
	return setup{gateway: func(o *gateway.Options) {
		o.CallerLimits = gateway.CallerLimits{Each: gateway.CallerLimit{PerSecond: 2, Burst: 4}}
		if change != nil {
			change(&o.CallerLimits)
		}
	}}
}

// wantLimit checks the headers about the limit.
func wantLimit(t *testing.T, got response, policy, left string) {
	t.Helper()
	wantHeader(t, got, gateway.HeaderRateLimitPolicy, policy)
	wantHeader(t, got, gateway.HeaderRateLimit, left)
}

func TestCallerLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startInBubble(t, limited(nil))
		const policy = `"caller";q=4;w=2`
		for i, left := range []string{`"caller";r=3;t=1`, `"caller";r=2;t=1`, `"caller";r=1;t=2`, `"caller";r=0;t=2`} {
			got := r.get(t, "numbers")
			got.wantStatus(t, http.StatusOK)
			wantLimit(t, got, policy, left)
			if i > 0 {
				continue
			}
			// Another caller has a limit of their own.
			wantLimit(t, r.call(t, call{path: ownList("numbers"), client: group}), policy, `"caller";r=3;t=1`)
		}
		got := r.get(t, "numbers")
		got.wantError(t, http.StatusTooManyRequests, "TOO_MANY_REQUESTS")
		wantLimit(t, got, policy, `"caller";r=0;t=2`)
		wantHeader(t, got, "Retry-After", "1")

		time.Sleep(499 * time.Millisecond)
		r.get(t, "numbers").wantError(t, http.StatusTooManyRequests, "TOO_MANY_REQUESTS") // it costs nothing
		time.Sleep(time.Millisecond)
		r.get(t, "numbers").wantStatus(t, http.StatusOK)
		r.get(t, "numbers").wantError(t, http.StatusTooManyRequests, "TOO_MANY_REQUESTS")

		time.Sleep(time.Hour)
		for range 4 {
			r.get(t, "numbers").wantStatus(t, http.StatusOK)
		}
		r.get(t, "numbers").wantError(t, http.StatusTooManyRequests, "TOO_MANY_REQUESTS")
		if n := counted(t, r, "ocigate_http_requests_total")["itc_numbers_list TOO_MANY_REQUESTS GET 429"]; n != 4 {
			t.Errorf("%v requests are counted as TOO_MANY_REQUESTS", n)
		}
	})
}

// Retry-After is long enough: a request sent then is carried out.
func TestRetryAfterOfTheCallerLimit(t *testing.T) {
	for _, perSecond := range []float64{0.07, 0.3, 1, 3, 7, 1000} {
		synctest.Test(t, func(t *testing.T) {
			r := startInBubble(t, limited(func(l *gateway.CallerLimits) { l.Each = gateway.CallerLimit{PerSecond: perSecond, Burst: 1} }))
			r.get(t, "numbers").wantStatus(t, http.StatusOK)
			got := r.get(t, "numbers")
			got.wantError(t, http.StatusTooManyRequests, "TOO_MANY_REQUESTS")
			wait, err := strconv.Atoi(got.header.Get("Retry-After"))
			must(t, err)
			time.Sleep(time.Duration(wait) * time.Second)
			if got := r.get(t, "numbers"); got.status != http.StatusOK {
				t.Errorf("%v per second: status %d after %d s", perSecond, got.status, wait)
			}
		})
	}
}

// A write that exceeds the limit sends nothing and records nothing, and its key stays free.
func TestWriteBeyondTheCallerLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startInBubble(t, limited(func(l *gateway.CallerLimits) { l.Each.Burst = 1 }))
		write := assignFreeRange()
		r.call(t, call{path: ownList("available_numbers"), client: write.client}).wantStatus(t, http.StatusOK)
		before := len(r.platform.Ledger())
		write.header = http.Header{"Idempotency-Key": {"a"}}
		got := r.call(t, write)
		got.wantError(t, http.StatusTooManyRequests, "TOO_MANY_REQUESTS")
		wantHeader(t, got, "Operation-Outcome", "not_done")
		if after := len(r.platform.Ledger()); after != before {
			t.Errorf("the platform got %d commands", after-before)
		}
		time.Sleep(time.Second)
		got = r.call(t, write)
		got.wantStatus(t, http.StatusCreated)
		wantHeader(t, got, "Idempotency-Replayed", "")
	})
}

// A caller is the same one whatever header has their credentials, and another one if only
// the name is the same.
func TestCallersOfOneName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := limited(func(l *gateway.CallerLimits) { l.Each = gateway.CallerLimit{PerSecond: 0.01, Burst: 2} })
		s.auth = func(o *auth.Options) {
			client := listedClients()[3]
			client.ID = "tenantadmin" // as a user of the platform
			o.Clients = []auth.Client{client}
		}
		r := startInBubble(t, s)
		session, cookie := r.login(t, "tenantadmin")
		for _, c := range []struct {
			header, value string
			status        int
		}{
			{"X-API-Key", "tenantadmin." + clientSecret, http.StatusOK},
			{"X-API-Key", "tenantadmin." + clientSecret, http.StatusOK},
			{"Authorization", "Bearer " + session.Token, http.StatusOK},
			{"Cookie", cookie.Name + "=" + cookie.Value, http.StatusOK},
			{"Authorization", "Bearer " + session.Token, http.StatusTooManyRequests},
		} {
			got := r.call(t, call{path: ownList("numbers"), header: http.Header{http.CanonicalHeaderKey(c.header): {c.value}}})
			got.wantStatus(t, c.status)
		}
		r.call(t, call{path: ownList("numbers"), client: "tenantadmin"}).wantStatus(t, http.StatusTooManyRequests)

		// A caller who has used up the limit can still log out, and in again.
		logout := call{method: http.MethodPost, path: "/api/v1/logout/", header: http.Header{"Authorization": {"Bearer " + session.Token}}}
		r.call(t, logout).wantStatus(t, http.StatusOK)
		session, _ = r.login(t, "tenantadmin")
		again := call{path: ownList("numbers"), header: http.Header{"Authorization": {"Bearer " + session.Token}}}
		r.call(t, again).wantError(t, http.StatusTooManyRequests, "TOO_MANY_REQUESTS") // a new token is no new caller
	})
}

func TestLimitsOfClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startInBubble(t, limited(func(l *gateway.CallerLimits) {
			l.Each = gateway.CallerLimit{}
			l.Clients = map[string]gateway.CallerLimit{group: {PerSecond: 0.5, Burst: 1}}
		}))
		r.call(t, call{path: ownList("numbers"), client: group}).wantStatus(t, http.StatusOK)
		got := r.call(t, call{path: ownList("numbers"), client: group})
		got.wantError(t, http.StatusTooManyRequests, "TOO_MANY_REQUESTS")
		wantLimit(t, got, `"caller";q=1;w=2`, `"caller";r=0;t=2`)
		for range 10 {
			wantLimit(t, r.get(t, "numbers"), "", "")
		}
	})
}

func TestNoCallerLimitByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wantLimit(t, startInBubble(t, setup{}).get(t, "numbers"), "", "")
	})
}

// Requests without valid credentials do not use up the limit of the caller they name.
func TestRequestsThatAreNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startInBubble(t, limited(nil))
		for i := range 2 { // a third would begin a delay
			guess := call{path: ownList("numbers"), header: http.Header{"X-Api-Key": {fmt.Sprintf("%s.wrong%d", system, i)}}}
			got := r.call(t, guess)
			got.wantError(t, http.StatusUnauthorized, "UNAUTHENTICATED")
			wantLimit(t, got, "", "")
		}
		wantLimit(t, r.get(t, "numbers"), `"caller";q=4;w=2`, `"caller";r=3;t=1`)
	})
}
