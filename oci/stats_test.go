package oci

import (
	"errors"
	"testing"
	"time"
)

// When an endpoint is tried next, as Client.Stats reports it.

// wantNext compares the times until the next attempts at both endpoints, 0 for none.
func wantNext(t *testing.T, when string, c *Client, want ...time.Duration) {
	t.Helper()
	for i, e := range c.Stats().Endpoints {
		var got time.Duration
		if !e.NextTry.IsZero() {
			got = time.Until(e.NextTry)
		}
		if got != want[i] {
			t.Errorf("%s: the next attempt at %s (%s) is in %v, want %v", when, e.Name, e.Address, got, want[i])
		}
	}
}

func TestStatsHaveTheNextAttempt(t *testing.T) {
	t.Run("a probe", func(t *testing.T) {
		s := &site{}
		s.run(t, nil, func(t *testing.T, c *Client) {
			if at := c.Stats().Endpoints[1].Address; at != secondaryAddress {
				t.Errorf("the address is %q", at)
			}
			time.Sleep(time.Second + beside) // the secondary was probed after a second
			wantNext(t, "one in use, one unused", c, 0, time.Minute-beside)
		})
	})
	t.Run("without probes", func(t *testing.T) {
		s := &site{}
		s.run(t, func(o *Options) { o.ProbeUnusedInterval = -1 }, func(t *testing.T, c *Client) {
			time.Sleep(beside)
			wantNext(t, "one in use, one unused", c, 0, 0)
		})
	})
	t.Run("the end of a backoff", func(t *testing.T) {
		s := &site{}
		s.run(t, func(o *Options) {
			o.BackoffInitial = 10 * time.Second
			s.breaks(primaryAddress, errors.New("refused"))
		}, func(t *testing.T, c *Client) {
			time.Sleep(time.Second)
			wantNext(t, "one in backoff, one in use", c, 9*time.Second, 0)
		})
	})
	t.Run("the end of the backoff of an account", func(t *testing.T) {
		s := &site{primary: &platform{}}
		s.primary.answer = func(_ *platform, c *link, r asked) { c.refuse(r, 4962) }
		s.run(t, func(o *Options) { o.RefusedInitial = 5 * time.Minute }, func(t *testing.T, c *Client) {
			time.Sleep(time.Second)
			wantNext(t, "one refused, one in use", c, 5*time.Minute-time.Second, 0)
		})
	})
}
