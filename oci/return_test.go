package oci

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// The return to an endpoint that works again. To add a case, let the primary of a farm fail and
// work again under a load, and compare when the sessions are where.

// returning runs a test with a primary that fails at first, so that all sessions are at the
// secondary, under a load that needs most of them.
func returning(t *testing.T, fail func(s *farmSite, fails bool), change func(*Options), test func(t *testing.T, c *Client, f *farm)) {
	t.Helper()
	f := newFarm(primaryAddress, secondaryAddress)
	fail(f.sites[primaryAddress], true)
	for _, s := range f.sites {
		s.takes, s.login = 100*time.Millisecond, 200*time.Millisecond
	}
	run(t, &platform{}, func(o *Options) {
		two(o)
		f.options(o)
		o.MaxSessions = 4
		if change != nil {
			change(o)
		}
	}, func(t *testing.T, c *Client) { test(t, c, f) })
	if f.mostOpen > 5 { // one may only connect
		t.Errorf("%d connections at a time", f.mostOpen)
	}
}

func refuseConnections(s *farmSite, fails bool) { s.refuses = fails }

func hang(s *farmSite, fails bool) { s.hangs = fails }

// sessionsOf returns how many sessions the endpoints have.
func sessionsOf(c *Client) (of []int) {
	for _, e := range c.Stats().Endpoints {
		of = append(of, e.Idle+e.Busy)
	}
	return of
}

func TestSessionsReturnOneByOne(t *testing.T) {
	for name, fail := range map[string]func(*farmSite, bool){"after refused connections": refuseConnections, "after silence": hang} {
		for load, rate := range map[string]time.Duration{"light load": 300 * time.Millisecond, "full load": 26 * time.Millisecond} {
			t.Run(name+", "+load, func(t *testing.T) {
				returning(t, fail, nil, func(t *testing.T, c *Client, f *farm) {
					ask(t, c, rate, 3*time.Minute)
					if got := sessionsOf(c); got[0] != 0 || got[1] == 0 {
						t.Errorf("before the return: %v", got)
					}
					f.change(primaryAddress, func(s *farmSite) { fail(s, false); s.logins = nil })
					back := time.Since(f.begun)
					during := ask(t, c, rate, 100*time.Second)
					during.check(t, "during the return", time.Second)
					if got := sessionsOf(c); got[0] == 0 || got[1] != 0 {
						t.Errorf("after the return: %v", got)
					}
					logins := f.logins(primaryAddress)
					if len(logins) < 1 || logins[0]-back > 35*time.Second {
						t.Fatalf("works again after %v, logins at %v", back, logins)
					}
					for i := range logins[1:] {
						if logins[i+1]-logins[i] < 5*time.Second {
							t.Errorf("logins in a burst: %v", logins)
						}
					}
				})
			})
		}
	}
}

// New sessions are made at the preferred endpoint as soon as it works.
func TestNewSessionsAreMadeAtThePreferredEndpointAtOnce(t *testing.T) {
	returning(t, refuseConnections, func(o *Options) { o.ReturnOver = -1; o.BackoffMax = time.Second }, func(t *testing.T, c *Client, f *farm) {
		ask(t, c, time.Second, 3*time.Second)
		f.change(primaryAddress, func(s *farmSite) { s.refuses = false })
		time.Sleep(3 * time.Second)
		wantSessions(t, c, 0, [2]int{1, 0}, [2]int{1, 0})
		var held []*session
		for range 4 {
			s, err := c.pool.acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, s)
		}
		wantSessions(t, c, 0, [2]int{0, 3}, [2]int{0, 1})
		for _, s := range held {
			c.pool.release(s)
		}
		time.Sleep(5 * time.Minute)
		wantSessions(t, c, 0, [2]int{3, 0}, [2]int{1, 0}) // never by ReturnOver
	})
}

// A preferred endpoint that fails again keeps the sessions of the others where they are.
func TestAnEndpointThatFailsAgainEndsTheReturn(t *testing.T) {
	returning(t, refuseConnections, func(o *Options) { o.ReturnOver = time.Minute; o.BackoffMax = time.Second }, func(t *testing.T, c *Client, f *farm) {
		ask(t, c, 26*time.Millisecond, 10*time.Second)
		f.change(primaryAddress, func(s *farmSite) { s.refuses = false })
		ask(t, c, 26*time.Millisecond, 20*time.Second)
		if got := sessionsOf(c); got[0] == 0 || got[1] == 0 {
			t.Errorf("in the middle: %v", got)
		}
		f.change(primaryAddress, func(s *farmSite) { s.refuses = true })
		f.cut(primaryAddress)
		ask(t, c, 26*time.Millisecond, 2*time.Second)
		before := len(f.logins(secondaryAddress))
		ask(t, c, 26*time.Millisecond, 2*time.Minute).check(t, "after the failure", 200*time.Millisecond)
		if after := len(f.logins(secondaryAddress)); after != before {
			t.Errorf("%d sessions at the secondary were replaced", after-before)
		}
	})
}

// A session is not closed for the return while its account is in backoff, since no other
// could be made.
func TestNoSessionReturnsWhileTheAccountIsRefused(t *testing.T) {
	returning(t, refuseConnections, func(o *Options) { o.BackoffMax = time.Second }, func(t *testing.T, c *Client, f *farm) {
		ask(t, c, 26*time.Millisecond, 10*time.Second)
		f.change(primaryAddress, func(s *farmSite) { s.refuses = false })
		time.Sleep(3 * time.Second)
		c.pool.mu.Lock()
		now := time.Now()
		c.pool.accounts["gate"] = &account{refusals: 1, retryAt: now.Add(5 * time.Minute), refused: []Secret{"secret"}}
		c.pool.mu.Unlock()
		before := sessionsOf(c)
		ask(t, c, time.Second, 4*time.Minute).check(t, "while it is refused", 100*time.Millisecond)
		if after := sessionsOf(c); !slices.Equal(after, before) {
			t.Errorf("%v sessions, then %v", before, after)
		}
	})
}

// An idle pool is not made anew: only sessions that were in use lately are replaced.
func TestSessionsThatAreNotNeededAreNotMadeAnew(t *testing.T) {
	returning(t, refuseConnections, nil, func(t *testing.T, c *Client, f *farm) {
		ask(t, c, 26*time.Millisecond, 10*time.Second)
		time.Sleep(5 * time.Minute)
		f.change(primaryAddress, func(s *farmSite) { s.refuses = false; s.logins = nil })
		time.Sleep(3 * time.Minute)
		if got := sessionsOf(c); got[1] != 0 || len(f.logins(primaryAddress)) > 1 {
			t.Errorf("%v sessions, logins at %v", got, f.logins(primaryAddress))
		}
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Error(err)
		}
	})
}

// noteSilentLocked is for sessions that do not answer any more.
func TestAnEndpointWhoseSessionsAreSilentIsInBackoff(t *testing.T) {
	f := newFarm(primaryAddress, secondaryAddress)
	f.sites[primaryAddress].takes = time.Second
	run(t, &platform{}, func(o *Options) { two(o); f.options(o); o.ReturnOver = -1 }, func(t *testing.T, c *Client) {
		var caller sync.WaitGroup
		caller.Go(func() {
			if _, err := c.Read(t.Context(), question); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		c.pool.mu.Lock()
		c.pool.noteSilentLocked(c.pool.endpoints[0], time.Now(), errLate)
		c.pool.mu.Unlock()
		if e := c.Stats().Endpoints[0]; !e.InBackoff {
			t.Errorf("got %+v", e)
		}
		hold(t, c, time.Minute)
		wantSessions(t, c, 0, [2]int{0, 1}, [2]int{0, 1})
		caller.Wait() // it answers after all
		if e := c.Stats().Endpoints[0]; e.InBackoff || !e.Up || e.LastError != nil {
			t.Errorf("got %+v", e)
		}
	})
}

// A pool of one session returns under full load as well.
func TestTheOnlySessionReturnsUnderFullLoad(t *testing.T) {
	returning(t, refuseConnections, func(o *Options) { o.MaxSessions = 1 }, func(t *testing.T, c *Client, f *farm) {
		const rate = 102 * time.Millisecond
		ask(t, c, rate, 2*time.Minute)
		f.change(primaryAddress, func(s *farmSite) { s.refuses = false })
		ask(t, c, rate, 100*time.Second)
		l := ask(t, c, rate, 10*time.Second)
		l.check(t, "after the return", time.Minute)
		if got := sessionsOf(c); got[0] != 1 || got[1] != 0 || l.sites["primary"] != len(l.took) {
			t.Errorf("%v sessions, served at %v", got, l.sites)
		}
	})
}
