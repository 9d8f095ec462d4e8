package oci

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Attempts to make sessions: how many are made at a time, and which endpoint gets them while
// another one fails, is silent or slow. To add a case, give the sites of a farm the behaviour
// that it needs, let callers ask at a rate, and compare what they got and what the sites saw.

// farm is a platform with several endpoints, by address. Its functions are called in a bubble.
type farm struct {
	mu       sync.Mutex
	sites    map[string]*farmSite
	open     int // connections that the client has not closed
	mostOpen int
	begun    time.Time
}

// farmSite is one endpoint of a farm. The farm's mutex guards the fields.
type farmSite struct {
	platform
	refuses      bool          // connections are refused
	hangs        bool          // connections are accepted, and nothing is answered
	login, takes time.Duration // of a login, and of a question
	ping         time.Duration // of the command that asks whether a session is valid
	anything     time.Duration // of any reply, besides
	dials        []time.Duration
	logins       []time.Duration // when a login was asked for
	underWay     int             // connections that are not logged in yet
	mostUnderWay int
	links        map[*link]bool
}

func newFarm(addresses ...string) *farm {
	f := &farm{sites: map[string]*farmSite{}}
	for _, address := range addresses {
		s := &farmSite{links: map[*link]bool{}}
		s.answer = func(p *platform, c *link, r asked) { f.answer(s, p, c, r) }
		f.sites[address] = s
	}
	return f
}

func (f *farm) options(o *Options) {
	f.begun = time.Now()
	o.Dial = f.dial
}

// change changes a site.
func (f *farm) change(address string, change func(s *farmSite)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f.sites[address])
}

// dials returns when connections to a site were asked for.
func (f *farm) dials(address string) []time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.sites[address].dials)
}

// logins returns when logins were asked for at a site.
func (f *farm) logins(address string) []time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.sites[address].logins)
}

// opened returns how many connections the client has.
func (f *farm) opened() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open
}

// cut closes all connections of a site.
func (f *farm) cut(address string) {
	f.change(address, func(s *farmSite) {
		for c := range s.links {
			_ = c.Close()
		}
		s.links = map[*link]bool{}
	})
}

func (f *farm) dial(ctx context.Context, network, address string) (net.Conn, error) {
	f.mu.Lock()
	s := f.sites[address]
	s.dials = append(s.dials, time.Since(f.begun))
	refuses := s.refuses
	f.mu.Unlock()
	if refuses {
		return nil, errors.New("connection refused")
	}
	conn, err := s.Dial(ctx, network, address)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open++
	f.mostOpen = max(f.mostOpen, f.open)
	s.underWay++
	s.mostUnderWay = max(s.mostUnderWay, s.underWay)
	return &countedConn{Conn: conn, closed: func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.open--
	}}, err
}

func (f *farm) answer(s *farmSite, p *platform, c *link, r asked) {
	f.mu.Lock()
	s.links[c] = true
	hangs, takes, anything := s.hangs, s.takes, s.anything
	switch r.commands[0] {
	case "LoginRequest14sp4":
		takes = s.login
		s.logins = append(s.logins, time.Since(f.begun))
	case validityCommand:
		takes = s.ping
	case question.Name(), change.Name():
	default:
		takes = 0
	}
	f.mu.Unlock()
	if hangs {
		return
	}
	time.Sleep(takes + anything)
	if r.commands[0] == "LoginRequest14sp4" {
		f.mu.Lock()
		s.underWay--
		f.mu.Unlock()
	}
	wellAnswered(p, c, r)
}

// served is what callers got who asked at a rate.
type served struct {
	mu    sync.Mutex
	took  []time.Duration
	errs  []error
	sites map[string]int // how many were answered there, by name
	first time.Duration  // until the first answer, from the begin
}

// ask lets a caller ask every interval for a time, and waits for all of them.
func ask(t *testing.T, c *Client, every, during time.Duration) *served {
	t.Helper()
	l := &served{sites: map[string]int{}}
	var callers sync.WaitGroup
	begin := time.Now()
	for i := range int(during / every) {
		callers.Go(func() {
			start := time.Now()
			replies, err := c.Read(t.Context(), questionOf(i))
			l.mu.Lock()
			defer l.mu.Unlock()
			l.took = append(l.took, time.Since(start))
			if err != nil {
				l.errs = append(l.errs, err)
				return
			}
			l.sites[replies[0].Endpoint()]++
			if len(l.took)-len(l.errs) == 1 {
				l.first = time.Since(begin)
			}
		})
		time.Sleep(every)
	}
	callers.Wait()
	return l
}

// want lets callers want a session at the same time, for as long as the limit, and waits for all
// of them.
func want(t *testing.T, c *Client, callers int, limit time.Duration) {
	t.Helper()
	var waiting sync.WaitGroup
	for range callers {
		waiting.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			if s, err := c.pool.acquire(ctx); err == nil {
				c.pool.release(s)
			}
		})
	}
	waiting.Wait()
}

// slowest returns the longest time that a caller needed.
func (l *served) slowest() time.Duration {
	var most time.Duration
	for _, d := range l.took {
		most = max(most, d)
	}
	return most
}

func (l *served) check(t *testing.T, when string, most time.Duration) {
	t.Helper()
	if len(l.errs) > 0 {
		t.Errorf("%s: %d of %d callers got errors, first %v", when, len(l.errs), len(l.took), l.errs[0])
	}
	if got := l.slowest(); got > most {
		t.Errorf("%s: a caller needed %v, want %v at most", when, got, most)
	}
}

// two gives the client two endpoints of one account.
func two(o *Options) {
	o.Endpoints = append(o.Endpoints, Endpoint{Name: "secondary", Address: secondaryAddress, UserID: "gate", Password: "secret"})
}

func TestASilentEndpointDelaysCallersOnce(t *testing.T) {
	for _, most := range []int{1, 2, 8} {
		t.Run(fmt.Sprint(most, " sessions"), func(t *testing.T) {
			f := newFarm(primaryAddress, secondaryAddress)
			f.sites[primaryAddress].hangs = true
			run(t, &platform{}, func(o *Options) { two(o); f.options(o); o.MaxSessions = most }, func(t *testing.T, c *Client) {
				ask(t, c, 500*time.Millisecond, time.Second).check(t, "at first", time.Second)
				// The attempts at the silent endpoint, one in each step of its backoff, delay nobody.
				// If all sessions are in use, each is made twice: first without a login.
				ask(t, c, 500*time.Millisecond, 5*time.Minute).check(t, "later", 0)
				if dials := f.dials(primaryAddress); len(dials) < 5 || len(dials) > 30 {
					t.Errorf("%d attempts in five minutes: %v", len(dials), dials)
				}
				if got := c.Stats().Endpoints[0]; got.Up || got.LastError == nil {
					t.Errorf("the silent endpoint: %+v", got)
				}
			})
			if f.mostOpen > most+1 { // one may only connect
				t.Errorf("%d connections at a time", f.mostOpen)
			}
		})
	}
}

func TestThePoolGrowsBesideASilentEndpoint(t *testing.T) {
	f := newFarm(primaryAddress, secondaryAddress)
	f.sites[primaryAddress].hangs = true
	f.sites[secondaryAddress].takes = 100 * time.Millisecond
	run(t, &platform{}, func(o *Options) { two(o); f.options(o) }, func(t *testing.T, c *Client) {
		ask(t, c, time.Second, 3*time.Second)
		time.Sleep(5 * time.Second) // the silent endpoint may be tried again
		ask(t, c, time.Second/60, 2*time.Second)
		ask(t, c, time.Second/60, 8*time.Second).check(t, "two seconds after the begin of a burst", 150*time.Millisecond)
	})
}

func TestSessionsThatWereCutAreMadeAnewInParallel(t *testing.T) {
	f := newFarm(primaryAddress)
	f.sites[primaryAddress].login = 500 * time.Millisecond
	const sessions = 40
	run(t, &platform{}, func(o *Options) { f.options(o); o.MinSessions, o.MaxSessions = sessions, sessions }, func(t *testing.T, c *Client) {
		for _, when := range []string{"at first", "after all were cut"} {
			start := time.Now()
			f.change(primaryAddress, func(s *farmSite) { s.mostUnderWay = 0; s.logins = nil })
			f.cut(primaryAddress)
			time.Sleep(400 * time.Millisecond)
			if n := len(f.logins(primaryAddress)); n != 1 {
				t.Errorf("%s: %d logins before the first has succeeded", when, n)
			}
			for c.Stats().Endpoints[0].Idle < sessions && time.Since(start) < time.Minute {
				time.Sleep(10 * time.Millisecond)
			}
			if took := time.Since(start); took > 4*time.Second {
				t.Errorf("%s: %d sessions were made after %v", when, sessions, took)
			}
			f.change(primaryAddress, func(s *farmSite) {
				if s.mostUnderWay > 8 {
					t.Errorf("%s: %d logins at a time", when, s.mostUnderWay)
				}
			})
			time.Sleep(time.Minute)
		}
	})
}

// While the platform refuses connections, each step of the backoff has one attempt, also
// if logins were made in parallel before.
func TestFailuresEndAttemptsInParallel(t *testing.T) {
	f := newFarm(primaryAddress)
	run(t, &platform{}, func(o *Options) {
		f.options(o)
		o.MinSessions, o.MaxSessions, o.BackoffInitial, o.OutageWait = 16, 16, 4*time.Second, -1
	}, func(t *testing.T, c *Client) {
		time.Sleep(2*time.Minute + beside) // all have replied to a probe
		f.change(primaryAddress, func(s *farmSite) { s.refuses, s.dials = true, nil })
		f.cut(primaryAddress)
		var callers sync.WaitGroup
		for i := range 40 {
			callers.Go(func() {
				if _, err := c.Read(t.Context(), questionOf(i)); !NotDone(err) {
					t.Errorf("got %v", err)
				}
			})
		}
		callers.Wait()
		time.Sleep(11 * time.Second)
		if dials := f.dials(primaryAddress); len(dials) != 2 {
			t.Errorf("attempts at %v", dials)
		}
		c.pool.mu.Lock()
		defer c.pool.mu.Unlock()
		if got := c.pool.endpoints[0].failures; got != 2 {
			t.Errorf("%d failures", got)
		}
	})
}

// Attempts in parallel that fail together are one step of the backoff.
func TestAttemptsThatFailTogetherAreOneFailure(t *testing.T) {
	f := newFarm(primaryAddress)
	run(t, &platform{}, func(o *Options) {
		f.options(o)
		o.MinSessions, o.MaxSessions = 9, 9
		dial := o.Dial
		var n atomic.Int64
		o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if n.Add(1) > 1 {
				time.Sleep(500 * time.Millisecond)
				return nil, errors.New("connection refused")
			}
			return dial(ctx, network, address)
		}
	}, func(t *testing.T, c *Client) {
		time.Sleep(600 * time.Millisecond)
		c.pool.mu.Lock()
		defer c.pool.mu.Unlock()
		if e := c.pool.endpoints[0]; e.failures != 1 || time.Until(e.retryAt) > time.Second {
			t.Errorf("%d failures, the next attempt is in %v", e.failures, time.Until(e.retryAt))
		}
	})
}

// A password that the platform has changed is not refused once by each attempt: those that
// have not sent it are ended.
func TestARefusalEndsTheOtherAttemptsOfTheAccount(t *testing.T) {
	f := newFarm(primaryAddress)
	var mu sync.Mutex
	dials, logins, refuses := 0, 0, false
	f.sites[primaryAddress].answer = func(p *platform, c *link, r asked) {
		mu.Lock()
		refuse := refuses && r.commands[0] == "LoginRequest14sp4"
		if refuse {
			logins++
		}
		mu.Unlock()
		if refuse {
			c.refuse(r, 4962)
			return
		}
		wellAnswered(p, c, r)
	}
	run(t, &platform{}, func(o *Options) {
		f.options(o)
		o.MinSessions, o.MaxSessions = 9, 9
		dial := o.Dial
		o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			mu.Lock()
			dials++
			n := dials
			if n > 1 {
				refuses = true
			}
			mu.Unlock()
			if n > 1 { // one of those in parallel after the other
				time.Sleep(time.Duration(n) * 50 * time.Millisecond)
			}
			return dial(ctx, network, address)
		}
	}, func(t *testing.T, c *Client) {
		time.Sleep(4 * time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if dials != 9 || logins != 1 {
			t.Errorf("%d attempts, and the password was refused %d times", dials, logins)
		}
		if got := c.Stats().Endpoints[0]; !got.AccountRefused || got.Idle+got.Busy != 1 {
			t.Errorf("got %+v", got)
		}
	})
}

// A password that was just read, and with which nobody has logged in yet, is sent by one
// attempt.
func TestANewPasswordIsTriedByOneAttempt(t *testing.T) {
	var mu sync.Mutex
	current, logins := Secret("old"), 0
	p := &platform{answer: func(p *platform, c *link, r asked) {
		mu.Lock()
		refuse := current == "new" && r.commands[0] == "LoginRequest14sp4"
		if refuse {
			logins++
		}
		mu.Unlock()
		if refuse {
			time.Sleep(100 * time.Millisecond)
			c.refuse(r, 4962)
			return
		}
		wellAnswered(p, c, r)
	}}
	run(t, p, func(o *Options) {
		o.MaxSessions = 9
		o.Endpoints[0].PasswordSource = func() (Secret, error) {
			mu.Lock()
			defer mu.Unlock()
			return current, nil
		}
	}, func(t *testing.T, c *Client) {
		hold(t, c, time.Minute)
		synctest.Wait()
		mu.Lock()
		current = "new"
		mu.Unlock()
		want(t, c, 8, 10*time.Second)
		mu.Lock()
		defer mu.Unlock()
		if logins != 1 {
			t.Errorf("the new password was refused %d times", logins)
		}
	})
}

// An attempt that is late goes on, and its session is used.
func TestALateAttemptMayStillSucceed(t *testing.T) {
	f := newFarm(primaryAddress, secondaryAddress)
	f.sites[primaryAddress].login = 3 * time.Second
	f.sites[secondaryAddress].login = 500 * time.Millisecond
	var mu sync.Mutex // guards tried
	var tried []string
	run(t, &platform{}, func(o *Options) {
		two(o)
		f.options(o)
		o.Trace.SessionTried = func(endpoint string, took time.Duration, err error) {
			mu.Lock()
			defer mu.Unlock()
			tried = append(tried, fmt.Sprint(endpoint, " ", took, " ", err))
		}
	}, func(t *testing.T, c *Client) {
		ask(t, c, time.Second, time.Second).check(t, "at first", 1500*time.Millisecond)
		time.Sleep(2 * time.Second)
		wantSessions(t, c, 0, [2]int{1, 0}, [2]int{1, 0})
		mu.Lock()
		if want := "[secondary 500ms <nil> primary 3s <nil>]"; fmt.Sprint(tried) != want {
			t.Errorf("tried %v", tried)
		}
		mu.Unlock()
		for _, e := range c.Stats().Endpoints {
			if e.InBackoff || !e.Up {
				t.Errorf("%+v", e)
			}
		}
		// Now it is known that logins take so long: an attempt of 3 s is not late.
		f.cut(primaryAddress)
		f.cut(secondaryAddress)
		synctest.Wait()
		ask(t, c, time.Second, time.Second).check(t, "later", 3*time.Second)
		wantSessions(t, c, 0, [2]int{1, 0}, [2]int{0, 0})
	})
}

// An attempt that nobody needs any more is ended, and that is no failure.
func TestAnAttemptThatIsNotNeededIsEnded(t *testing.T) {
	f := newFarm(primaryAddress, secondaryAddress)
	f.sites[primaryAddress].login = 1500 * time.Millisecond
	f.sites[secondaryAddress].hangs = true
	var tried atomic.Int64
	run(t, &platform{}, func(o *Options) {
		two(o)
		f.options(o)
		o.Trace.SessionTried = func(string, time.Duration, error) { tried.Add(1) }
	}, func(t *testing.T, c *Client) {
		ask(t, c, time.Second, time.Second).check(t, "at first", 1500*time.Millisecond)
		synctest.Wait()
		if got := c.Stats().Endpoints[1]; got.Connecting || got.InBackoff || got.LastError != nil || !got.LastTried.IsZero() || tried.Load() != 1 || f.opened() != 1 {
			t.Errorf("the other endpoint: %+v; %d attempts, %d connections", got, tried.Load(), f.opened())
		}
	})
}

// If logins take long at both endpoints, and there is room for one session, the attempts do not
// end each other for ever.
func TestSlowLoginsDoNotEndEachOther(t *testing.T) {
	f := newFarm(primaryAddress, secondaryAddress)
	for _, s := range f.sites {
		s.login = 4 * time.Second
	}
	run(t, &platform{}, func(o *Options) { two(o); f.options(o); o.MaxSessions = 1 }, func(t *testing.T, c *Client) {
		ask(t, c, time.Second, time.Second).check(t, "at first", 5*time.Second)
	})
}
