package gateway_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"ocigate/gateway"
	"ocigate/gateway/auth"
	"ocigate/gateway/openapi/openapitest"
)

// What a Gateway takes over from the one that it replaces. Time is that of synctest. To
// add a change of the limits, add an entry to the map of TestSuccessorTakesOverTheCounts.

// replaceable is a setup whose Gateway can be replaced.
type replaceable struct {
	setup
	options gateway.Options // of the present Gateway
	present *gateway.Gateway
}

// newReplaceable returns a setup with these limits, and the rig of its first Gateway.
func newReplaceable(t *testing.T, limits gateway.CallerLimits) (*replaceable, *rig) {
	t.Helper()
	r := &replaceable{}
	r.gateway = func(o *gateway.Options) {
		o.CallerLimits = limits
		r.options = *o
	}
	rig := startInBubble(t, r.setup)
	r.present = gateway.New(r.options)
	rig.handler = openapitest.Watch(t, r.present)
	return r, rig
}

// replace replaces the Gateway of the rig, and returns the handler of the former one.
func (r *replaceable) replace(t *testing.T, of *rig, change func(*gateway.Options)) http.Handler {
	t.Helper()
	former := of.handler
	r.options.Replaces = r.present
	change(&r.options)
	r.present = gateway.New(r.options)
	of.handler = openapitest.Watch(t, r.present)
	return former
}

func limitsTo(l gateway.CallerLimits) func(*gateway.Options) {
	return func(o *gateway.Options) { o.CallerLimits = l }
}

func TestSuccessorTakesOverTheCounts(t *testing.T) {
	first := gateway.CallerLimits{Each: gateway.CallerLimit{PerSecond: 2, Burst: 4}}
	forGroup := func(l gateway.CallerLimit) gateway.CallerLimits {
		return gateway.CallerLimits{Each: first.Each, Clients: map[string]gateway.CallerLimit{group: l}}
	}
	for name, c := range map[string]struct {
		next         gateway.CallerLimits
		policy, left string // of the group's first request at the successor, after three at its predecessor
	}{
		"of the same limits":             {first, `"caller";q=4;w=2`, `"caller";r=0;t=2`},
		"with a larger burst":            {gateway.CallerLimits{Each: gateway.CallerLimit{PerSecond: 2, Burst: 10}}, `"caller";q=10;w=5`, `"caller";r=0;t=5`},
		"with another rate":              {gateway.CallerLimits{Each: gateway.CallerLimit{PerSecond: 1, Burst: 4}}, `"caller";q=4;w=4`, `"caller";r=0;t=4`},
		"with a limit of the client":     {forGroup(gateway.CallerLimit{PerSecond: 1, Burst: 2}), `"caller";q=2;w=2`, `"caller";r=0;t=2`},
		"but not without limits":         {gateway.CallerLimits{}, "", ""},
		"but not of an unlimited client": {forGroup(gateway.CallerLimit{}), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, rig := newReplaceable(t, first)
				mine := call{path: ownList("numbers"), client: group}
				for range 3 {
					rig.call(t, mine).wantStatus(t, http.StatusOK)
				}
				r.replace(t, rig, limitsTo(c.next))
				got := rig.call(t, mine)
				got.wantStatus(t, http.StatusOK)
				wantLimit(t, got, c.policy, c.left)
				if c.policy == "" {
					return
				}
				rig.call(t, mine).wantError(t, http.StatusTooManyRequests, "TOO_MANY_REQUESTS")
				time.Sleep(time.Second)
				rig.call(t, mine).wantStatus(t, http.StatusOK)
			})
		})
	}
}

func TestSuccessorIntroducesLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, rig := newReplaceable(t, gateway.CallerLimits{})
		r.replace(t, rig, limitsTo(gateway.CallerLimits{Each: gateway.CallerLimit{PerSecond: 1, Burst: 1}}))
		rig.get(t, "numbers").wantStatus(t, http.StatusOK)
		rig.get(t, "numbers").wantError(t, http.StatusTooManyRequests, "TOO_MANY_REQUESTS")
	})
}

// A request that is still at the replaced Gateway counts for both.
func TestRequestsAtTheReplacedGatewayCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, rig := newReplaceable(t, gateway.CallerLimits{Each: gateway.CallerLimit{PerSecond: 1, Burst: 3}})
		former := r.replace(t, rig, limitsTo(gateway.CallerLimits{Each: gateway.CallerLimit{PerSecond: 1, Burst: 2}}))
		present := rig.handler
		rig.handler = former
		got := rig.get(t, "numbers")
		got.wantStatus(t, http.StatusOK)
		wantLimit(t, got, `"caller";q=2;w=2`, `"caller";r=1;t=1`)
		rig.handler = present
		rig.get(t, "numbers").wantStatus(t, http.StatusOK)
		for _, handler := range []http.Handler{former, present} {
			rig.handler = handler
			rig.get(t, "numbers").wantError(t, http.StatusTooManyRequests, "TOO_MANY_REQUESTS")
		}
	})
}

// Gateways with one Metrics count together, and a Gateway that is made for a client with
// two hashes or for a new platform endpoint adds their series.
func TestGatewaysShareTheirMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, rig := newReplaceable(t, gateway.CallerLimits{})
		before := rig.series(t)
		rig.get(t, "numbers").wantStatus(t, http.StatusOK)
		for range 3 {
			r.replace(t, rig, func(*gateway.Options) {})
		}
		rig.get(t, "numbers").wantStatus(t, http.StatusOK)
		if n := counted(t, rig, "ocigate_http_requests_total")["itc_numbers_list none GET 200"]; n != 2 {
			t.Errorf("%v requests are counted, want 2", n)
		}
		for name := range rig.series(t) {
			if !before[name] {
				t.Errorf("%s was added", name)
			}
		}
	})
}

func TestSeriesOfANewConfiguration(t *testing.T) {
	m := gateway.NewMetrics("test")
	r := &rig{metrics: m}
	for range 2 { // the second time, they exist
		m.StartEndpoints("third")
	}
	for _, name := range []string{
		"ocigate_platform_logins_total platform_endpoint=third result=ok",
		"ocigate_platform_sessions_closed_total platform_endpoint=third reason=idle",
	} {
		if !r.series(t)[name] {
			t.Errorf("there is no series %s", name)
		}
	}
}

// A replaced Gateway goes on with its own options.
func TestReplacedGatewayKeepsItsOptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, rig := newReplaceable(t, gateway.CallerLimits{})
		former := r.replace(t, rig, func(o *gateway.Options) {
			next, err := o.Auth.With(auth.Options{Verifier: nowhere{}})
			must(t, err)
			o.Auth = next
		})
		mine := call{path: ownList("numbers"), client: group}
		rig.call(t, mine).wantError(t, http.StatusUnauthorized, "UNAUTHENTICATED")
		rig.handler = former
		rig.call(t, mine).wantStatus(t, http.StatusOK)
	})
}
