package gateway

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ocigate/gateway/auth"
)

// How the memory of the limits changes when a Gateway is replaced.

func eachOf(perSecond float64, burst, records int) CallerLimits {
	return CallerLimits{Each: CallerLimit{PerSecond: perSecond, Burst: burst}, Records: records}
}

func TestReplacedLimitAppliesToExistingBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCallerLimits(eachOf(1, 10, 0))
		ada, ben := userNamed("ada"), userNamed("ben")
		l.allowed(ada, 10)
		l.allowed(ben, 4)
		l.allowed(userNamed("full"), 1)
		time.Sleep(2 * time.Second)
		if l.successor(eachOf(10, 20, 0)) != l {
			t.Fatal("the counts are not the same")
		}
		time.Sleep(500 * time.Millisecond) // five more
		for who, want := range map[auth.Principal]int{ada: 7, ben: 13, userNamed("full"): 20, userNamed("new"): 20} {
			if got := l.allowed(who, 30); got != want {
				t.Errorf("%d requests of %s are allowed, want %d", got, who.Name, want)
			}
		}
		time.Sleep(time.Minute)
		l.successor(eachOf(1, 3, 0))
		if got := l.allowed(ben, 30); got != 3 {
			t.Errorf("%d requests are allowed by a smaller limit, want 3", got)
		}
	})
}

// A smaller memory removes the buckets used least recently, and their users gain nothing.
func TestReplacedLimitBoundsTheMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCallerLimits(eachOf(1, 5, 3))
		for i := range 3 {
			l.allowed(userNamed(fmt.Sprint(i)), 4)
		}
		l.successor(eachOf(1, 5, 1))
		if n := l.users.Len(); n != 1 {
			t.Fatalf("%d buckets, want 1", n)
		}
		if got := l.allowed(userNamed("0"), 5); got != 1 {
			t.Errorf("%d requests of a removed user are allowed, want 1", got)
		}
		l.successor(eachOf(1, 5, 3))
		for i := range 3 {
			l.allowed(userNamed(fmt.Sprint("more", i)), 1)
		}
		if n := l.users.Len(); n != 3 {
			t.Errorf("%d buckets, want 3", n)
		}
	})
}

// If no removed bucket matters any more, a larger limit gives new users all of it.
func TestReplacedLimitOfNewUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCallerLimits(eachOf(1, 2, 1))
		l.allowed(userNamed("a"), 2)
		l.allowed(userNamed("b"), 1) // takes the place of a
		l.successor(eachOf(1, 10, 1))
		if got := l.allowed(userNamed("c"), 20); got != 0 {
			t.Errorf("%d requests of a new user are allowed, want 0: a had none", got)
		}
		time.Sleep(time.Minute)
		l.successor(eachOf(1, 30, 1))
		if got := l.allowed(userNamed("d"), 40); got != 30 {
			t.Errorf("%d requests of a new user are allowed, want 30", got)
		}
	})
}

// Clients that are not listed any more use no memory for ever.
func TestReplacedLimitRemovesFullBucketsOfClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCallerLimits(eachOf(1, 2, 0))
		l.allowed(auth.Principal{Name: "portal", Method: auth.MethodBasic}, 2)
		l.successor(eachOf(1, 2, 0))
		if len(l.clients) != 1 {
			t.Error("a bucket that is not full was removed")
		}
		time.Sleep(2 * time.Second)
		l.successor(eachOf(1, 2, 0))
		if len(l.clients) != 0 {
			t.Error("a full bucket was kept")
		}
	})
}

func TestReplacedLimitWithConcurrentRequests(t *testing.T) {
	l := newCallerLimits(eachOf(1000, 10, 4))
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 200 {
				l.allowed(userNamed(fmt.Sprint(i, j%3)), 1)
				l.allowed(auth.Principal{Name: "portal", Method: auth.MethodBasic}, 1)
			}
		})
	}
	for i := range 200 {
		l.successor(CallerLimits{Each: CallerLimit{PerSecond: float64(i%2) * 10, Burst: i%2 + 1}, Clients: map[string]CallerLimit{"portal": {PerSecond: 1, Burst: 1 + i%5}}, Records: 1 + i%7})
	}
	all.Wait()
	if n := l.users.Len(); n > l.options.Records {
		t.Errorf("%d buckets, more than %d", n, l.options.Records)
	}
}

// A Gateway keeps no reference to the one that it replaces, and warns no more often.
func TestSuccessorOfAGateway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		unparsed := prometheus.NewCounter(prometheus.CounterOpts{Name: "x"})
		newOne := func() *Gateway {
			trusted := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
			return &Gateway{addresses: newClientAddresses(trusted, unparsed, slog.New(slog.NewTextHandler(&log, nil)))}
		}
		former, next := newOne(), newOne()
		next.options.Replaces = former
		next.takeOver(former)
		if next.options.Replaces != nil {
			t.Error("the successor refers to its predecessor")
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("X-Forwarded-For", "nonsense")
		former.addresses.of(r)
		next.addresses.of(r)
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Errorf("%d warnings in a minute, want 1", n)
		}
		time.Sleep(time.Minute)
		next.addresses.of(r)
		if !strings.Contains(log.String(), "count=2") {
			t.Errorf("the second warning does not count the request before:\n%s", log.String())
		}
	})
}
