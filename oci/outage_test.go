package oci

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// Callers during an outage of the platform: they wait for the next attempt if the last
// session has ended a short time ago, and else are refused at once.

// stopped is a platform that can be stopped: its connections end, and new ones are
// refused while down is set.
type stopped struct {
	*registry
	down outage
}

func newStopped() *stopped {
	s := &stopped{registry: newRegistry()}
	s.dial = s.down.dial
	return s
}

func (s *stopped) stop() {
	s.down.Store(true)
	s.end(endings["by its connections"])
}

func TestNothingIsRefusedWhileThePlatformRestarts(t *testing.T) {
	p := newStopped()
	run(t, &p.platform, nil, func(t *testing.T, c *Client) {
		fill(t, c, 3)
		var callers sync.WaitGroup
		for i := range 250 { // 50 in a second, for 5 s
			switch i {
			case 50:
				p.stop()
			case 175:
				p.down.Store(false)
			}
			callers.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				if _, err := c.Read(ctx, questionOf(i)); err != nil {
					t.Errorf("read %d: %v", i, err)
				}
				if i%10 > 0 {
					return
				}
				if _, err := c.Write(ctx, change, nil); err != nil {
					t.Errorf("write %d: %v", i, err)
				}
			})
			time.Sleep(20 * time.Millisecond)
		}
		callers.Wait()
		time.Sleep(time.Second)
		if e := c.Stats().Endpoints[0]; !e.Up || e.InBackoff {
			t.Errorf("%+v", e)
		}
	})
}

func TestCallersWaitForTheNextAttemptOnlyAfterAShortOutage(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Options)
		refuse bool          // the platform refuses the account afterwards
		after  time.Duration // how long after the last session the caller comes
		waits  time.Duration
	}{
		"a short time after the last session": {after: 500 * time.Millisecond, waits: 2500 * time.Millisecond}, // attempts after 0, 1 and 3 s
		"later":                               {after: 6 * time.Second},
		"never, if so configured":             {after: 500 * time.Millisecond, change: func(o *Options) { o.OutageWait = -1 }},
		"if the next attempt is due later":    {after: 500 * time.Millisecond, change: func(o *Options) { o.BackoffInitial = 10 * time.Second }},
		"if the account is refused":           {after: 500 * time.Millisecond, refuse: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newStopped()
			run(t, &p.platform, func(options *Options) {
				options.MinSessions = 1
				if test.change != nil {
					test.change(options)
				}
			}, func(t *testing.T, c *Client) {
				time.Sleep(time.Second)
				if test.refuse {
					p.answers(func(_ *platform, c *link, r asked) { c.refuse(r, 4962) })
					p.end(endings["by its connections"])
				} else {
					p.stop()
				}
				time.Sleep(test.after)
				start := time.Now()
				_, err := c.Read(t.Context(), question)
				unavailable, ok := errors.AsType[*UnavailableError](err)
				if !ok || unavailable.RetryAfter <= 0 || time.Since(start) != test.waits {
					t.Errorf("%v after %v", err, time.Since(start))
				}
			})
		})
	}
}

// A write that was sent and refused, because its session was not logged in, is not sent
// again after an outage: its outcome is unknown, and better found out by reading.
func TestAWriteThatWasRefusedDoesNotWaitForTheEndOfAnOutage(t *testing.T) {
	p := newStopped()
	run(t, &p.platform, func(o *Options) { o.MinSessions = 1 }, func(t *testing.T, c *Client) {
		time.Sleep(time.Second)
		start := time.Now()
		_, err := c.Write(t.Context(), change, func(string) error {
			p.down.Store(true)
			p.end(endings["without a sign"])
			return nil
		})
		_, unavailable := errors.AsType[*UnavailableError](err)
		if !unavailable || !errors.Is(err, ErrNotLoggedIn) || time.Since(start) > time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if n := countOf(p.received, change.Name()); n != 1 {
			t.Errorf("it was sent %d times", n)
		}
	})
}

// countOf returns how often a name occurs.
func countOf(names []string, name string) (n int) {
	for _, other := range names {
		if other == name {
			n++
		}
	}
	return n
}
