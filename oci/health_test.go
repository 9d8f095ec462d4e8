package oci

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The health of endpoints, and probes of those that are not in use. To add a case, let a site
// fail and recover at chosen times, and check the probes and Client.Stats.

// site has a primary and a secondary endpoint, and the results of probes. Its functions
// are called in a bubble.
type site struct {
	primary, secondary *platform

	mu     sync.Mutex
	begun  time.Time
	dials  []time.Duration // to the secondary, since the begin
	probes []Probe
	broken map[string]error // of an endpoint's dials, by its address
}

const (
	primaryAddress   = "primary:2208"
	secondaryAddress = "secondary:2208"
)

// run runs a test with probes each minute. One session at the primary is kept.
func (s *site) run(t *testing.T, change func(*Options), test func(t *testing.T, c *Client)) {
	t.Helper()
	if s.primary == nil {
		s.primary = &platform{}
	}
	if s.secondary == nil {
		s.secondary = &platform{}
	}
	s.broken = map[string]error{}
	run(t, s.primary, func(o *Options) {
		s.begun = time.Now()
		o.Endpoints = append(o.Endpoints, Endpoint{Name: "secondary", Address: secondaryAddress, UserID: "second", Password: "secret"})
		o.Dial = s.dial
		o.MinSessions = 1
		o.ProbeUnusedInterval = time.Minute
		o.Trace.EndpointProbed = func(p Probe) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.probes = append(s.probes, p)
		}
		if change != nil {
			change(o)
		}
	}, test)
}

func (s *site) dial(ctx context.Context, network, address string) (net.Conn, error) {
	s.mu.Lock()
	broken := s.broken[address]
	if address == secondaryAddress {
		s.dials = append(s.dials, time.Since(s.begun))
	}
	s.mu.Unlock()
	if broken != nil {
		return nil, broken
	}
	if address == secondaryAddress {
		return s.secondary.Dial(ctx, network, address)
	}
	return s.primary.Dial(ctx, network, address)
}

// dialed is when connections to the secondary were tried, since the begin.
func (s *site) dialed() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.dials)
}

// breaks makes the dials of an endpoint fail, or succeed again with nil.
func (s *site) breaks(address string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken[address] = err
}

// changes are the probes that have changed something, as far as they have shown
// the secondary up.
func (s *site) changes() (up []bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.probes {
		if p.Changed {
			up = append(up, p.Up)
		}
	}
	return up
}

// wantUp checks whether the endpoints are up.
func wantUp(t *testing.T, c *Client, when string, want ...bool) {
	t.Helper()
	var got []bool
	for _, e := range c.Stats().Endpoints {
		got = append(got, e.Up)
		if e.Up && e.LastError != nil && e.Idle+e.Busy == 0 {
			t.Errorf("%s: %s is up, and its last attempt failed: %v", when, e.Name, e.LastError)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: up (-want +got):\n%s", when, diff)
	}
}

// beside is a moment without a probe: probes are made at full seconds.
const beside = time.Second / 2

func TestAnEndpointThatIsNotInUseIsProbedSlowly(t *testing.T) {
	s := &site{}
	s.run(t, nil, func(t *testing.T, c *Client) {
		if first := c.Stats().Endpoints[1]; first.Up || !first.LastTried.IsZero() || first.LastError != nil {
			t.Errorf("before the first attempt: %+v", first)
		}
		time.Sleep(beside)
		wantUp(t, c, "after the first session", true, false)
		time.Sleep(time.Second)
		wantUp(t, c, "after the first probe", true, true)
		s.breaks(secondaryAddress, errors.New("refused"))
		time.Sleep(3 * time.Minute)
		wantUp(t, c, "when it is down", true, false)
		down := c.Stats().Endpoints[1]
		if down.LastError == nil || down.LastError.Error() != "oci: platform endpoint secondary (secondary:2208): TCP: refused" || down.LastTried.Sub(s.begun) != 181*time.Second {
			t.Errorf("when it is down: %+v", down)
		}
		s.breaks(secondaryAddress, nil)
		time.Sleep(3 * time.Minute)
		wantUp(t, c, "when it is up again", true, true)
		want := []time.Duration{1, 61, 121, 181, 241, 301, 361}
		for i := range want {
			want[i] *= time.Second
		}
		if diff := cmp.Diff(want, s.dialed()); diff != "" {
			t.Errorf("connections (-want +got):\n%s", diff)
		}
	})
	if diff := cmp.Diff([]bool{true, false, true}, s.changes()); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if logins, _, open, received := s.secondary.counts(); logins+open+len(received) != 0 {
		t.Errorf("the secondary has seen %d logins, %v, and %d connections are open", logins, received, open)
	}
	if logins, _, _, _ := s.primary.counts(); logins != 1 {
		t.Errorf("%d logins at the primary", logins)
	}
}

func TestProbesOfEndpointsCanBeTurnedOff(t *testing.T) {
	s := &site{}
	s.run(t, func(o *Options) { o.ProbeUnusedInterval = -1 }, func(t *testing.T, c *Client) {
		time.Sleep(time.Hour + beside)
		wantUp(t, c, "after an hour", true, false)
	})
	if len(s.dialed())+len(s.probes) != 0 {
		t.Errorf("dialed at %v, probed %v", s.dialed(), s.probes)
	}
}

func TestAnEndpointIsProbedWhenItsSessionsAreGone(t *testing.T) {
	s := &site{}
	s.run(t, func(o *Options) { o.MinSessions, o.IdleTimeout = 0, 10*time.Minute }, func(t *testing.T, c *Client) {
		time.Sleep(10*time.Second + beside)
		wantUp(t, c, "without any session", true, true)
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Error(err)
		}
		s.breaks(primaryAddress, errors.New("refused"))
		time.Sleep(9 * time.Minute)
		wantUp(t, c, "while it has a session", true, true)
		time.Sleep(2 * time.Minute)
		wantUp(t, c, "when that has ended", false, true)
	})
}

// An endpoint in backoff is not probed, and a probe puts no endpoint in backoff.
func TestProbesOfEndpointsKeepOutOfTheBackoff(t *testing.T) {
	s := &site{}
	s.run(t, func(o *Options) {
		o.BackoffInitial, o.BackoffMax = 5*time.Minute, 5*time.Minute
		o.MinSessions = 0
	}, func(t *testing.T, c *Client) {
		s.breaks(secondaryAddress, errors.New("refused"))
		s.breaks(primaryAddress, errors.New("refused"))
		time.Sleep(10*time.Second + beside) // both have been probed
		if _, err := c.Read(t.Context(), question); !NotDone(err) {
			t.Errorf("got %v", err)
		}
		time.Sleep(5*time.Minute + 3*time.Second)
		// Between the probes is the attempt of the read. The second one is made when
		// the backoff is over, after that of the primary.
		if diff := cmp.Diff([]time.Duration{2 * time.Second, 10*time.Second + beside, 312 * time.Second}, s.dialed()); diff != "" {
			t.Errorf("connections (-want +got):\n%s", diff)
		}
		s.breaks(primaryAddress, nil)
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Errorf("the probe has put the endpoint in backoff: %v", err)
		}
	})
}

func TestEndpointsAreProbedOneAtATime(t *testing.T) {
	var mu sync.Mutex
	under, most := 0, 0
	s := &site{}
	s.run(t, func(o *Options) {
		for _, name := range []string{"third", "fourth"} {
			o.Endpoints = append(o.Endpoints, Endpoint{Name: name, Address: name + ":2208"})
		}
		o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == primaryAddress {
				return s.primary.Dial(ctx, network, address)
			}
			mu.Lock()
			under++
			most = max(most, under)
			mu.Unlock()
			<-ctx.Done()
			mu.Lock()
			under--
			mu.Unlock()
			return nil, ctx.Err()
		}
	}, func(t *testing.T, c *Client) {
		time.Sleep(30*time.Second + beside)
		mu.Lock()
		if most != 1 {
			t.Errorf("%d at a time", most)
		}
		mu.Unlock()
		wantUp(t, c, "when nothing else answers", true, false, false, false)
		for _, e := range c.Stats().Endpoints[1:] {
			if e.LastError == nil || !strings.HasSuffix(e.LastError.Error(), "TCP: no answer within 5s") {
				t.Errorf("%s: %v", e.Name, e.LastError)
			}
		}
		start := time.Now()
		if _, err := c.Read(t.Context(), question); err != nil || time.Since(start) != 0 {
			t.Errorf("a caller meanwhile: %v after %v", err, time.Since(start))
		}
		time.Sleep(33 * time.Second) // during a probe
		start = time.Now()
		if err := c.Close(t.Context()); err != nil || time.Since(start) != 0 {
			t.Errorf("Close: %v after %v", err, time.Since(start))
		}
	})
}

// stalled never answers.
func stalled(*platform, *link, asked) {}

// answers changes how a platform answers from now on.
func (p *platform) answers(how func(*platform, *link, asked)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = how
}

// fallBack ends the only session, and the next one is tried at the secondary
// after the primary. Both fail until the primary is back.
func (s *site) fallBack(t *testing.T, c *Client) {
	t.Helper()
	time.Sleep(10*time.Second + beside)
	s.breaks(primaryAddress, errors.New("refused"))
	session, err := c.pool.acquire(t.Context())
	if err != nil {
		t.Error(err)
		return
	}
	session.close(errors.New("broken"))
	c.pool.release(session)
	time.Sleep(15 * time.Second)
	wantUp(t, c, "when both fail", false, false)
	s.breaks(primaryAddress, nil)
	time.Sleep(5 * time.Minute)
}

// After a login that failed, only one that works shows that the endpoint is up.
func TestAnEndpointWhoseLoginFailedIsUpWhenALoginWorks(t *testing.T) {
	s := &site{secondary: &platform{answer: stalled}}
	s.run(t, nil, func(t *testing.T, c *Client) {
		s.fallBack(t, c)
		wantUp(t, c, "while logins are not answered", true, false)
		before := len(s.dialed())
		time.Sleep(10 * time.Minute)
		if tries := len(s.dialed()) - before; tries < 8 || tries > 10 {
			t.Errorf("%d tries in ten minutes", tries)
		}
		wantUp(t, c, "while logins are not answered", true, false)
		s.secondary.answers(nil)
		time.Sleep(2 * time.Minute)
		wantUp(t, c, "when a login works", true, true)
		logins, logouts, open, received := s.secondary.counts()
		if logins != 1 || logouts != 1 || open != 0 || cmp.Diff([]string{"VerifySessionIsValidRequest"}, received) != "" {
			t.Errorf("%d logins, %d logouts, %d connections, received %v", logins, logouts, open, received)
		}
		time.Sleep(10 * time.Minute)
		if logins, _, _, _ := s.secondary.counts(); logins != 1 {
			t.Errorf("%d logins when it is up", logins)
		}
	})
	if diff := cmp.Diff([]bool{true, true}, s.changes()); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

// Refusals may count against an account. Only a session that is needed is the
// next try.
func TestAProbeDoesNotLogInIfTheAccountWasRefused(t *testing.T) {
	refusing := func(p *platform, c *link, r asked) {
		if r.commands[0] == "LoginRequest14sp4" {
			c.refuse(r, 4962)
			return
		}
		wellAnswered(p, c, r)
	}
	t.Run("when a session was wanted", func(t *testing.T) {
		s := &site{secondary: &platform{answer: refusing}}
		s.run(t, nil, func(t *testing.T, c *Client) {
			s.fallBack(t, c)
			time.Sleep(3 * time.Hour)
			wantUp(t, c, "hours later", true, false)
			if logins, _, _, _ := s.secondary.counts(); logins != 1 {
				t.Errorf("%d logins", logins)
			}
			s.secondary.answers(nil)
			s.breaks(primaryAddress, errors.New("refused"))
			time.Sleep(2 * time.Hour) // sessions get too old
			wantUp(t, c, "when a session was made", false, true)
		})
	})
	t.Run("by a probe", func(t *testing.T) {
		s := &site{secondary: &platform{answer: stalled}}
		s.run(t, func(o *Options) { o.Endpoints[1].UserID = o.Endpoints[0].UserID }, func(t *testing.T, c *Client) {
			s.fallBack(t, c)
			s.secondary.answers(refusing)
			time.Sleep(3 * time.Hour)
			wantUp(t, c, "hours later", true, false)
			if logins, _, _, _ := s.secondary.counts(); logins != 1 {
				t.Errorf("%d logins", logins)
			}
			// The account is another endpoint's as well.
			for _, e := range c.Stats().Endpoints {
				if e.AccountRefused {
					t.Errorf("a probe has put the account in backoff at %s", e.Name)
				}
			}
		})
	})
}

// A password that has changed is not the one that was refused. Without this, the endpoint
// would remain down until a session is needed there.
func TestAProbeLogsInWithAnotherPasswordAfterARefusal(t *testing.T) {
	var password atomic.Value // of the account at the gateway
	password.Store(Secret("old"))
	refusing := func(p *platform, c *link, r asked) {
		if r.commands[0] == "LoginRequest14sp4" && password.Load() == Secret("old") {
			c.refuse(r, 4962)
			return
		}
		wellAnswered(p, c, r)
	}
	s := &site{secondary: &platform{answer: refusing}}
	s.run(t, func(o *Options) {
		o.Endpoints[1].UserID = o.Endpoints[0].UserID // the platform accepts it at the other one
		o.Endpoints[1].PasswordSource = func() (Secret, error) { return password.Load().(Secret), nil }
	}, func(t *testing.T, c *Client) {
		s.fallBack(t, c)
		time.Sleep(time.Hour)
		wantUp(t, c, "an hour later", true, false)
		password.Store(Secret("new"))
		time.Sleep(2 * time.Minute)
		wantUp(t, c, "with a new password", true, true)
		if logins, _, open, _ := s.secondary.counts(); logins != 2 || open != 0 {
			t.Errorf("%d logins, %d connections", logins, open)
		}
	})
}

// If several endpoints have the same account, a password that has changed on
// the platform is refused once by probes, and not once by each of them.
func TestProbesTryARefusedAccountOnce(t *testing.T) {
	s, refusals := &site{}, 0
	s.primary = &platform{}
	s.secondary = &platform{answer: func(p *platform, c *link, r asked) {
		if r.commands[0] == "LoginRequest14sp4" {
			refusals++ // there is one probe at a time
			c.refuse(r, 4962)
			return
		}
		wellAnswered(p, c, r)
	}}
	s.run(t, func(o *Options) {
		third := o.Endpoints[1]
		third.Name = "third"
		o.Endpoints = append(o.Endpoints, third)
	}, func(t *testing.T, c *Client) {
		synctest.Wait()
		c.pool.mu.Lock()
		for _, e := range c.pool.endpoints[1:] {
			e.health.needs = proofLogin // as after a login without an answer
		}
		c.pool.mu.Unlock()
		time.Sleep(time.Hour)
		wantUp(t, c, "an hour later", true, false, false)
	})
	if refusals != 1 {
		t.Errorf("the account was refused %d times", refusals)
	}
}

// A probe with a login counts as a session, and is canceled if a session is wanted.
func TestAProbeThatLogsInDelaysNobody(t *testing.T) {
	s := &site{secondary: &platform{answer: stalled}}
	s.run(t, func(o *Options) { o.MaxSessions = 2 }, func(t *testing.T, c *Client) {
		s.fallBack(t, c)
		var held []*session
		probing := func() bool {
			c.pool.mu.Lock()
			defer c.pool.mu.Unlock()
			return c.pool.probing != nil
		}
		for range 2 {
			for range 120 { // seconds
				if probing() || len(held) == 0 {
					break
				}
				time.Sleep(time.Second)
			}
			if len(held) == 1 && !probing() {
				t.Error("there is no probe")
			}
			start := time.Now()
			session, err := c.pool.acquire(t.Context())
			if err != nil || time.Since(start) != 0 {
				t.Errorf("a caller waits for %v: %v", time.Since(start), err)
				return
			}
			held = append(held, session)
		}
		synctest.Wait()
		if _, _, open, _ := s.secondary.counts(); open != 0 || probing() {
			t.Errorf("%d connections besides all sessions", open)
		}
		before := len(s.dialed())
		time.Sleep(10 * time.Minute)
		if after := len(s.dialed()); after != before {
			t.Errorf("%d probes while all sessions are in use", after-before)
		}
		for _, session := range held {
			c.pool.release(session)
		}
	})
}

// An endpoint that accepts logins and then ends each session is down.
func TestAnEndpointWhoseSessionsEndAtOnceIsDown(t *testing.T) {
	s := &site{secondary: &platform{answer: func(p *platform, c *link, r asked) {
		wellAnswered(p, c, r)
		if r.commands[0] == "LoginRequest14sp4" {
			_ = c.Close()
		}
	}}}
	s.run(t, nil, func(t *testing.T, c *Client) {
		s.fallBack(t, c)
		wantUp(t, c, "while sessions end immediately", true, false)
		if err := c.Stats().Endpoints[1].LastError; err == nil || !strings.Contains(err.Error(), ": login: sessions end before they bring a reply: ") {
			t.Errorf("got %v", err)
		}
		s.secondary.answers(nil)
		time.Sleep(2 * time.Minute)
		wantUp(t, c, "when they bring an answer", true, true)
	})
}

// A login alone does not show that such an endpoint is up again. The client asks whether the
// session is valid before a caller gets it.
func TestAnEndpointWhoseSessionsEndWithoutAnAnswerStaysDown(t *testing.T) {
	p := &platform{answer: func(p *platform, c *link, r asked) {
		wellAnswered(p, c, r)
		if r.commands[0] == "LoginRequest14sp4" {
			time.Sleep(2 * time.Second)
			_ = c.Close()
		}
	}}
	run(t, p, func(o *Options) { o.MinSessions = 1 }, func(t *testing.T, c *Client) {
		time.Sleep(beside)
		wantUp(t, c, "at first", true)
		time.Sleep(15 * time.Second)
		before, _, _, _ := p.counts()
		for range 200 {
			time.Sleep(time.Second)
			wantUp(t, c, "later", false)
			if of := c.Stats().Endpoints[0]; of.Idle+of.Busy > 0 {
				t.Error("a session that brings no reply is given to callers")
			}
		}
		if logins, _, _, _ := p.counts(); logins == before {
			t.Error("there was no login")
		}
		p.answers(nil)
		time.Sleep(time.Minute)
		wantUp(t, c, "when a session has brought a reply", true)
	})
}
