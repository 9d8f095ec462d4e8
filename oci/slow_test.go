package oci

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// Endpoints that are slow. To add a case, set the times that the sites of a farm take, let
// callers ask, and compare which endpoint is preferred, and what it cost to find out.

// pacing is a farm of two endpoints that answer slowly or fast, and the changes of their
// preference.
type pacing struct {
	*farm
	changes []string
}

// answersAfter lets an endpoint answer anything after that time.
func (p *pacing) answersAfter(address string, d time.Duration) {
	p.change(address, func(s *farmSite) { s.takes, s.ping = d, d })
}

func (p *pacing) run(t *testing.T, change func(*Options), test func(t *testing.T, c *Client)) {
	t.Helper()
	p.farm = newFarm(primaryAddress, secondaryAddress)
	run(t, &platform{}, func(o *Options) {
		two(o)
		p.options(o)
		o.Trace.PreferenceChanged = func(c Preference) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.changes = append(p.changes, fmt.Sprint(c.Endpoint, " ", c.Slow))
		}
		if change != nil {
			change(o)
		}
	}, test)
	if p.mostOpen > 9 { // one asks whether the endpoint answers; see stuck.go
		t.Errorf("%d connections at a time", p.mostOpen)
	}
}

func (p *pacing) want(t *testing.T, when string, want ...string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Equal(p.changes, want) {
		t.Errorf("%s: the preference has changed %q, want %q", when, p.changes, want)
	}
}

func TestASlowEndpointLosesItsPreference(t *testing.T) {
	p := &pacing{}
	p.run(t, nil, func(t *testing.T, c *Client) {
		p.answersAfter(primaryAddress, 10*time.Millisecond)
		p.answersAfter(secondaryAddress, 10*time.Millisecond)
		const rate = 50 * time.Millisecond
		ask(t, c, rate, time.Minute).check(t, "while both are fast", 50*time.Millisecond)
		if n := len(p.dials(secondaryAddress)); n != 0 {
			t.Errorf("%d connections to the secondary", n)
		}
		p.answersAfter(primaryAddress, 3*time.Second)
		ask(t, c, rate, 15*time.Second)
		p.want(t, "while the first is slow", "primary true")
		l := ask(t, c, rate, 2*time.Minute)
		l.check(t, "while the first is slow", 50*time.Millisecond)
		if l.sites["primary"] != 0 {
			t.Errorf("callers were answered at %v", l.sites)
		}
		if e := c.Stats().Endpoints[0]; !e.Slow || !e.Up || e.InBackoff {
			t.Errorf("the slow endpoint: %+v", e)
		}
		if n := len(p.dials(primaryAddress)); n > 30 {
			t.Errorf("%d logins at the slow endpoint", n)
		}
		p.answersAfter(primaryAddress, 400*time.Millisecond)
		ask(t, c, rate, 2*time.Minute).check(t, "while it is almost fast", 50*time.Millisecond)
		p.want(t, "while it is almost fast", "primary true")
		p.answersAfter(primaryAddress, 10*time.Millisecond)
		ask(t, c, rate, 2*time.Minute).check(t, "while it is fast again", 50*time.Millisecond)
		p.want(t, "when it is fast again", "primary true", "primary false")
		if of := sessionsOf(c); of[0] == 0 || of[1] != 0 {
			t.Errorf("%v sessions", of)
		}
	})
}

// Under a load that needs all sessions, one of them makes room for the measurement.
func TestASlowEndpointLosesItsPreferenceUnderFullLoad(t *testing.T) {
	p := &pacing{}
	p.run(t, nil, func(t *testing.T, c *Client) {
		p.answersAfter(primaryAddress, 3*time.Second)
		p.answersAfter(secondaryAddress, 100*time.Millisecond)
		const rate = time.Second / 60
		ask(t, c, rate, 20*time.Second)
		p.want(t, "soon", "primary true")
		ask(t, c, rate, 20*time.Second).check(t, "then", 250*time.Millisecond)
	})
}

func TestCommandsThatTakeLongAreNoSlowEndpoint(t *testing.T) {
	p := &pacing{}
	p.run(t, nil, func(t *testing.T, c *Client) {
		p.change(primaryAddress, func(s *farmSite) { s.takes = 2 * time.Second })
		ask(t, c, time.Second, 10*time.Minute).check(t, "all the time", 2*time.Second+100*time.Millisecond)
		if n := len(p.dials(secondaryAddress)); n != 0 {
			t.Errorf("%d connections to the secondary", n)
		}
	})
	p.want(t, "all the time")
}

func TestEndpointsThatAreEquallySlowKeepTheirOrder(t *testing.T) {
	p := &pacing{}
	p.run(t, nil, func(t *testing.T, c *Client) {
		p.answersAfter(primaryAddress, 2*time.Second)
		p.answersAfter(secondaryAddress, time.Second)
		ask(t, c, time.Second, 10*time.Minute)
		if n := len(p.logins(secondaryAddress)); n > 15 {
			t.Errorf("%d logins at the secondary in ten minutes", n)
		}
	})
	p.want(t, "all the time")
}

func TestPreferenceIsNotLostIfTheOptionsSaySo(t *testing.T) {
	p := &pacing{}
	p.run(t, func(o *Options) { o.SlowFactor = -1 }, func(t *testing.T, c *Client) {
		p.answersAfter(primaryAddress, 3*time.Second)
		ask(t, c, time.Second, 2*time.Minute)
		p.want(t, "never")
		again(t, c, func(o *Options) { o.SlowFactor = 3 })
		ask(t, c, time.Second, time.Minute)
		p.want(t, "when it may be lost", "primary true")
		again(t, c, func(o *Options) { o.SlowFactor = -1 })
		time.Sleep(2 * time.Second)
		p.want(t, "when it may not be lost any more", "primary true", "primary false")
	})
}

// A slow endpoint is better than none.
func TestASlowEndpointIsUsedIfTheOthersFail(t *testing.T) {
	p := &pacing{}
	p.run(t, nil, func(t *testing.T, c *Client) {
		p.answersAfter(primaryAddress, time.Second)
		ask(t, c, time.Second, time.Minute)
		p.want(t, "at first", "primary true")
		p.change(secondaryAddress, func(s *farmSite) { s.refuses = true })
		p.cut(secondaryAddress)
		time.Sleep(time.Second)
		l := ask(t, c, time.Second, time.Minute)
		l.check(t, "while the other one fails", 3*time.Second)
		if l.sites["primary"] != len(l.took) {
			t.Errorf("callers were answered at %v", l.sites)
		}
	})
}
