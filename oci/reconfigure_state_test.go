package oci

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What survives Client.Reconfigure: backoffs, refused accounts, health and dialects, and
// the limits that change in place. To add a case, bring an endpoint into a state, change
// the options with again, and compare the state, or the attempts that follow.

// first returns the statistics of the first endpoint.
func first(c *Client) EndpointStats {
	synctest.Wait()
	return c.Stats().Endpoints[0]
}

func refusedDial(context.Context, string) error { return errors.New("connection refused") }

// outage refuses connections while it is set.
type outage struct{ atomic.Bool }

func (o *outage) dial(ctx context.Context, address string) error {
	if o.Load() {
		return refusedDial(ctx, address)
	}
	return nil
}

func TestAnEndpointTakesOverWhatWasKnown(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Options)
		kept   bool
	}{
		"another timeout":            {func(o *Options) { o.CommandTimeout = time.Hour }, true},
		"another name":               {func(o *Options) { o.Endpoints[0].Name = "other" }, true},
		"a second name":              {func(o *Options) { with("other", "primary")(o); o.Endpoints[0].Address = o.Endpoints[1].Address }, true},
		"another login method":       {func(o *Options) { o.Endpoints[0].Login = LoginSigned }, true},
		"limits that change nothing": {func(o *Options) { o.BackoffMax = time.Hour }, true},
		"another account":            {func(o *Options) { o.Endpoints[0].UserID = "other" }, false},
		"another address":            {func(o *Options) { o.Endpoints[0].Address = "other:2208" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := &platform{dial: refusedDial}
			run(t, p, func(o *Options) { o.MinSessions = 1 }, func(t *testing.T, c *Client) {
				time.Sleep(20 * time.Second)
				c.pool.endpoints[0].dialect.noteUnsupported("ServiceProviderGetRequest17sp1")
				want := first(c)
				if !want.InBackoff || time.Until(want.NextTry) != 11*time.Second || want.LastError == nil || time.Since(want.Since) != 20*time.Second {
					t.Fatalf("at first: %+v", want)
				}
				again(t, c, func(o *Options) { o.MinSessions = 0; test.change(o) })
				got := first(c)
				want.Name, want.Address = got.Name, got.Address
				if same := cmp.Equal(want, got, cmp.Comparer(errors.Is)); same != test.kept {
					t.Errorf("it was %+v and is %+v", want, got)
				}
				if _, err := c.Read(t.Context(), question); err == nil || len(p.dialed) != map[bool]int{true: 5, false: 6}[test.kept] {
					t.Errorf("after a read (%v): attempts at %v", err, p.dialed)
				}
			})
		})
	}
}

func TestADialectIsOfItsRelease(t *testing.T) {
	run(t, &platform{}, nil, func(t *testing.T, c *Client) {
		c.pool.endpoints[0].dialect.noteUnsupported("ServiceProviderGetRequest17sp1")
		falls := func() bool {
			return slices.ContainsFunc(first(c).Dialect.Fallbacks, func(f Fallback) bool { return f.Feature == "tenant" })
		}
		again(t, c, func(o *Options) { o.CommandTimeout = time.Minute })
		if !falls() {
			t.Error("what was learned is gone after another timeout")
		}
		again(t, c, func(o *Options) { o.Release = 25 })
		if got := first(c).Dialect; falls() || got.Release != 25 {
			t.Errorf("after another release: %+v", got)
		}
	})
}

// An endpoint that was removed for a moment is not tried sooner because of that.
func TestARemovedEndpointKeepsItsBackoffForAWhile(t *testing.T) {
	p := &platform{dial: func(_ context.Context, address string) error {
		if address == "primary:2208" {
			return errors.New("connection refused")
		}
		return nil
	}}
	run(t, p, func(o *Options) { o.MinSessions = 1 }, func(t *testing.T, c *Client) {
		var failed int
		for range 60 { // each time, there is a moment in which a session is wanted
			again(t, c, with("other"))
			time.Sleep(100 * time.Millisecond)
			again(t, c, with("primary"))
			time.Sleep(400 * time.Millisecond)
		}
		for _, address := range p.dialed {
			if address == "primary:2208" {
				failed++
			}
		}
		if failed != 5 { // after 0, 1, 3, 7 and 15 s, as always
			t.Errorf("%d attempts in 30 s", failed)
		}
		again(t, c, with("other"))
		time.Sleep(2 * time.Minute)
		again(t, c, with("primary"))
		if got := first(c); !got.InBackoff || time.Until(got.NextTry) != time.Second {
			t.Errorf("after a long time it begins again: %+v", got)
		}
		if n := len(c.pool.former); n != 1 {
			t.Errorf("%d former endpoints are kept", n)
		}
	})
}

func TestARefusedAccountStaysRefused(t *testing.T) {
	g := &guard{number: 4962}
	withGuard(t, g, nil, func(t *testing.T, c *Client) {
		step := func(change func(*Options), want ...time.Duration) {
			t.Helper()
			again(t, c, change)
			time.Sleep(10 * time.Second)
			g.wantTries(t, want...)
		}
		time.Sleep(10*time.Second + 200*time.Millisecond) // between two readings of passwords
		step(func(o *Options) { o.CommandTimeout = time.Minute }, 0)
		step(func(o *Options) { with("other")(o) }, 0)
		step(func(o *Options) { o.RefusedInitial = time.Second }, 0) // the one that has begun keeps its end
		second := 40 * time.Second
		step(func(o *Options) { o.Endpoints[0].Password = "second" }, 0, second)
		step(func(o *Options) { o.Endpoints[0].Password = "secret" }, 0, second)
		third := second + 21*time.Second // it is read within a second
		source := func() (Secret, error) { return "third", nil }
		step(func(o *Options) { o.Endpoints[0].PasswordSource = source }, 0, second, third)
		if !first(c).AccountRefused || first(c).NextTry.Sub(g.start) != 5*time.Minute {
			t.Errorf("got %+v", first(c))
		}
		g.refuseWith(0)
		step(func(o *Options) { o.Endpoints[0].PasswordSource = nil; o.Endpoints[0].Password = "right" }, 0, second, third)
		if got := first(c); got.AccountRefused || got.Idle != 1 || !got.NextTry.IsZero() {
			t.Errorf("with the right password: %+v", got)
		}
	})
}

func TestAnAccountThatIsNotUsedIsForgotten(t *testing.T) {
	g := &guard{number: 4962}
	withGuard(t, g, nil, func(t *testing.T, c *Client) {
		synctest.Wait()
		g.refuseWith(0)
		known := func() int {
			synctest.Wait()
			c.pool.mu.Lock()
			defer c.pool.mu.Unlock()
			return len(c.pool.accounts)
		}
		other := func(o *Options) { o.Endpoints[0].UserID = "other" }
		again(t, c, other)
		time.Sleep(time.Hour)
		again(t, c, other)
		if n := known(); n != 1 {
			t.Errorf("%d accounts are known after an hour", n)
		}
		time.Sleep(time.Hour)
		again(t, c, other)
		if n := known(); n != 0 {
			t.Errorf("%d accounts are known after two hours", n)
		}
	})
}

// A PasswordSource that is slow does not bring back the password that it was to replace.
func TestAPasswordThatWasReadBeforeIsNotUsed(t *testing.T) {
	slow := func() (Secret, error) { time.Sleep(time.Second); return "old", nil }
	run(t, &platform{}, func(o *Options) { o.Endpoints[0].PasswordSource, o.MinSessions = slow, 1 }, func(t *testing.T, c *Client) {
		time.Sleep(500 * time.Millisecond)
		again(t, c, func(o *Options) {
			o.Endpoints[0].Password = ""
			o.Endpoints[0].PasswordSource = func() (Secret, error) { return "new", nil }
		})
		time.Sleep(time.Second)
		c.pool.mu.Lock()
		defer c.pool.mu.Unlock()
		if e := c.pool.endpoints[0]; e.password != "new" || len(c.pool.idle) != 1 {
			t.Errorf("the password is %q, and there are %d sessions", string(e.password), len(c.pool.idle))
		}
	})
}

func TestTLSConfigurationsAreReplacedInPlace(t *testing.T) {
	run(t, &platform{dial: refusedDial}, func(o *Options) { o.Endpoints[0].TLS = &tls.Config{MinVersion: tls.VersionTLS12} }, func(t *testing.T, c *Client) {
		e := c.pool.endpoints[0]
		again(t, c, func(o *Options) { o.Endpoints[0].TLS = &tls.Config{ServerName: "second", MinVersion: tls.VersionTLS12} })
		if got := e.currentTLS().ServerName; c.pool.endpoints[0] != e || got != "second" {
			t.Errorf("the name is %s", got)
		}
		again(t, c, func(o *Options) {
			o.Endpoints[0].TLSSource = func() *tls.Config { return &tls.Config{ServerName: "third", MinVersion: tls.VersionTLS12} }
		})
		if got := e.currentTLS().ServerName; c.pool.endpoints[0] != e || got != "third" {
			t.Errorf("the name from the source is %s", got)
		}
		again(t, c, func(o *Options) { o.Endpoints[0].TLS, o.Endpoints[0].TLSSource = nil, nil })
		if c.pool.endpoints[0] == e || c.Secure() {
			t.Error("without TLS it is the same endpoint")
		}
	})
}

// As long as no session can be made, those that exist serve.
func TestSessionsServeWhileNoneCanReplaceThem(t *testing.T) {
	down, closed := &outage{}, &reasons{}
	run(t, &platform{dial: down.dial}, func(o *Options) { o.BackoffInitial = 20 * time.Second; closed.record(o) }, func(t *testing.T, c *Client) {
		read := func(when string) {
			t.Helper()
			if _, err := c.Read(t.Context(), question); err != nil {
				t.Errorf("a read %s: %v", when, err)
			}
		}
		read("at first")
		down.Store(true)
		again(t, c, func(o *Options) { o.MinSessions = 2 })
		wantSessions(t, c, 0, [2]int{1, 0})
		again(t, c, func(o *Options) { o.CommandTimeout = time.Minute })
		wantSessions(t, c, 1, [2]int{0, 0})
		read("during the backoff")
		wantSessions(t, c, 1, [2]int{0, 0})
		closed.want(t)
		down.Store(false)
		time.Sleep(21 * time.Second)
		wantSessions(t, c, 0, [2]int{2, 0})
		closed.want(t, ClosedReconfigured)
	})
}

func TestSessionsOfARemovedAccountEndInAnyCase(t *testing.T) {
	down, closed := &outage{}, &reasons{}
	run(t, &platform{dial: down.dial}, func(o *Options) { with("a", "b")(o); o.MinSessions = 1; closed.record(o) }, func(t *testing.T, c *Client) {
		synctest.Wait()
		down.Store(true)
		again(t, c, with("b"))
		again(t, c, with("a"))
		wantSessions(t, c, 0, [2]int{0, 0})
		closed.want(t, ClosedReconfigured)
	})
}

func TestLimitsOfTimeChangeInPlace(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Options)
		after  time.Duration // until a session is probed or closed
		probes int
		closed []CloseReason
	}{
		"the time that a session may be idle": {func(o *Options) { o.IdleTimeout = 5 * time.Second }, 7 * time.Second, 0, []CloseReason{ClosedIdle}},
		"the interval of probes":              {func(o *Options) { o.ProbeInterval = 5 * time.Second }, 7 * time.Second, 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p, closed := &platform{}, &reasons{}
			run(t, p, func(o *Options) { o.ProbeInterval = time.Hour; closed.record(o) }, func(t *testing.T, c *Client) {
				if _, err := c.Read(t.Context(), question); err != nil {
					t.Fatal(err)
				}
				again(t, c, test.change)
				time.Sleep(test.after)
				closed.want(t, test.closed...)
				if _, _, _, received := p.counts(); len(received) != 1+test.probes {
					t.Errorf("the platform got %v", received)
				}
			})
		})
	}
}

func TestTheIntervalOfUnusedProbesChangesInPlace(t *testing.T) {
	s := &site{}
	s.run(t, func(o *Options) { o.ProbeUnusedInterval = time.Hour }, func(t *testing.T, c *Client) {
		time.Sleep(10 * time.Second)
		again(t, c, func(o *Options) { o.ProbeUnusedInterval = time.Minute })
		time.Sleep(62 * time.Second)
		again(t, c, func(o *Options) { o.ProbeUnusedInterval = -1 })
		time.Sleep(time.Hour)
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.probes) != 2 {
			t.Errorf("probes: %+v", s.probes)
		}
	})
}

// What counts as a temporary refusal is that of the latest options.
func TestTheMeaningOfRefusalsChangesInPlace(t *testing.T) {
	g := &guard{number: 4444}
	withGuard(t, g, nil, func(t *testing.T, c *Client) {
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		g.wantTries(t, 0, 5*time.Minute)
		again(t, c, func(o *Options) { o.Temporary = func(e *ErrorReply) bool { return e.Number == 4444 } })
		time.Sleep(10*time.Minute + 10*time.Second)
		g.wantTries(t, 0, 5*time.Minute, 15*time.Minute, 15*time.Minute+time.Second, 15*time.Minute+3*time.Second, 15*time.Minute+7*time.Second)
	})
}

func TestSinceIsWhenAnEndpointWentUpOrDown(t *testing.T) {
	down := &outage{}
	run(t, &platform{dial: down.dial}, func(o *Options) { o.MinSessions = 1 }, func(t *testing.T, c *Client) {
		start := time.Now()
		if got := c.Stats().Endpoints[0].Since; !got.IsZero() {
			t.Errorf("before the first attempt: %v", got)
		}
		want := func(up bool, after time.Duration) {
			t.Helper()
			if got := first(c); got.Up != up || got.Since.Sub(start) != after {
				t.Errorf("up is %v since %v, want %v since %v", got.Up, got.Since.Sub(start), up, after)
			}
		}
		time.Sleep(10 * time.Second)
		want(true, 0)
		down.Store(true)
		c.pool.mu.Lock()
		s := c.pool.idle[0]
		c.pool.mu.Unlock()
		s.close(errors.New("cut"))
		time.Sleep(30 * time.Second)
		want(false, 10*time.Second)
		again(t, c, func(o *Options) { o.CommandTimeout = time.Hour })
		down.Store(false)
		time.Sleep(20 * time.Second)
		want(true, 41*time.Second)
		var callers sync.WaitGroup
		callers.Go(func() { _, _ = c.Read(t.Context(), question) })
		callers.Wait()
		want(true, 41*time.Second)
	})
}
