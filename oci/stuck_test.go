package oci

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

// A pool full of sessions of an endpoint that does not answer any more. To add a case, use
// stuckPool with what the primary does, and compare what callers get and when.

// stuckPool fills the pool with sessions of the primary, changes the primary, and lets callers ask.
func stuckPool(t *testing.T, change func(s *farmSite), test func(t *testing.T, c *Client, f *farm, closed *reasons)) {
	t.Helper()
	f, closed := newFarm(primaryAddress, secondaryAddress), &reasons{}
	for _, s := range f.sites {
		s.takes = 100 * time.Millisecond
	}
	run(t, &platform{}, func(o *Options) { two(o); f.options(o); closed.record(o); o.SlowFactor = -1 }, func(t *testing.T, c *Client) {
		ask(t, c, time.Second/100, 10*time.Second)
		wantSessions(t, c, 0, [2]int{8, 0}, [2]int{0, 0})
		f.change(primaryAddress, change)
		test(t, c, f, closed)
	})
	if f.mostOpen > 9 { // one asks
		t.Errorf("%d connections at a time", f.mostOpen)
	}
}

func TestAFullPoolOfSilentSessionsIsLeft(t *testing.T) {
	stuckPool(t, func(s *farmSite) { s.hangs = true }, func(t *testing.T, c *Client, f *farm, _ *reasons) {
		var writer sync.WaitGroup
		writer.Go(func() {
			start := time.Now()
			_, err := c.Write(t.Context(), change, nil)
			if lost := (*LostError)(nil); !errors.As(err, &lost) || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 20*time.Second {
				t.Errorf("a write: %v after %v", err, time.Since(start))
			}
		})
		time.Sleep(time.Millisecond)
		l := ask(t, c, time.Second/30, 10*time.Second)
		l.check(t, "when the first endpoint is silent", 4*time.Second)
		if l.first > 2500*time.Millisecond {
			t.Errorf("the first answer came after %v", l.first)
		}
		ask(t, c, time.Second/60, 20*time.Second).check(t, "then", 200*time.Millisecond)
		writer.Wait()
		_, _, _, received := f.sites[primaryAddress].counts()
		writes := 0
		for _, name := range received {
			if name == change.Name() {
				writes++
			}
		}
		if writes != 1 {
			t.Errorf("the write was sent %d times", writes)
		}
	})
}

// A platform that takes no further connections is not silent.
func TestAFullPoolIsKeptIfTheEndpointRefusesMoreConnections(t *testing.T) {
	stuckPool(t, func(s *farmSite) { s.takes, s.refuses = 5*time.Second, true }, func(t *testing.T, c *Client, _ *farm, closed *reasons) {
		ask(t, c, time.Second, 30*time.Second)
		closed.want(t)
	})
}

// Commands that take long do not end sessions as long as the platform answers anything.
func TestAFullPoolOfSlowSessionsIsKept(t *testing.T) {
	stuckPool(t, func(s *farmSite) { s.takes = 5 * time.Second }, func(t *testing.T, c *Client, f *farm, closed *reasons) {
		ask(t, c, time.Second, 30*time.Second)
		closed.want(t)
		if n := len(f.dials(secondaryAddress)); n != 0 {
			t.Errorf("%d connections to the other endpoint", n)
		}
	})
}

// Without another endpoint there is nothing to gain.
func TestAFullPoolIsKeptIfTheOtherEndpointFails(t *testing.T) {
	stuckPool(t, func(s *farmSite) { s.hangs = true }, func(t *testing.T, c *Client, f *farm, _ *reasons) {
		c.pool.mu.Lock()
		c.pool.endpoints[1].health.err = errLate
		c.pool.mu.Unlock()
		f.change(primaryAddress, func(s *farmSite) { s.dials = nil })
		ask(t, c, time.Second, 10*time.Second)
		for _, at := range f.dials(primaryAddress) {
			if at < 30*time.Second {
				t.Errorf("the silent endpoint was asked at %v", at)
			}
		}
	})
}

// A platform that takes 3 s for everything is not silent, however many callers wait.
func TestAFullPoolIsKeptIfThatIsTheUsualTime(t *testing.T) {
	for name, other := range map[string]time.Duration{"and so does the other endpoint": 3 * time.Second, "and the other endpoint is not measured": 0} {
		t.Run(name, func(t *testing.T) {
			f, closed := newFarm(primaryAddress, secondaryAddress), &reasons{}
			f.sites[primaryAddress].anything, f.sites[secondaryAddress].anything = 3*time.Second, other
			run(t, &platform{}, func(o *Options) {
				two(o)
				f.options(o)
				closed.record(o)
				o.MaxWait, o.NextEndpointAfter = time.Minute, -1
				if other == 0 {
					o.SlowFactor = -1
				}
			}, func(t *testing.T, c *Client) {
				var callers sync.WaitGroup
				for i := range 60 {
					callers.Go(func() {
						for j := range 4 {
							if _, err := c.Read(t.Context(), questionOf(100*i+j)); err != nil {
								t.Error(err)
							}
						}
					})
				}
				callers.Wait()
				sent := 0
				for _, s := range f.sites {
					_, _, _, received := s.counts()
					sent += countOf(received, question.Name())
				}
				closed.mu.Lock()
				defer closed.mu.Unlock()
				if sent != 60*4 || slices.Contains(closed.all, ClosedBroken) {
					t.Errorf("%d reads were sent %d times, sessions were closed with %v", 60*4, sent, closed.all)
				}
			})
		})
	}
}

// An endpoint that was replaced by one with the same address is no other endpoint.
func TestAFullPoolIsKeptIfTheOtherEndpointIsItsSuccessor(t *testing.T) {
	f := newFarm(primaryAddress)
	run(t, &platform{}, func(o *Options) { f.options(o); o.MaxSessions = 1 }, func(t *testing.T, c *Client) {
		ask(t, c, time.Second, time.Second)
		f.change(primaryAddress, func(s *farmSite) { s.hangs = true })
		var caller sync.WaitGroup
		caller.Go(func() {
			start := time.Now()
			if _, err := c.Read(t.Context(), question); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 20*time.Second {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		})
		time.Sleep(beside)
		again(t, c, func(o *Options) { o.CommandTimeout = 25 * time.Second })
		ctx, cancel := context.WithTimeout(t.Context(), 19*time.Second)
		defer cancel()
		if _, err := c.Read(ctx, questionOf(1)); err == nil {
			t.Error("somebody has answered")
		}
		caller.Wait()
	})
}
