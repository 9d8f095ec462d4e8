package oci

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Accounts whose credentials the platform refuses: how long they are in backoff, and which
// password is tried next. To add a case, use withGuard with the error number of a refusal.

// guard is a platform that refuses logins with an error number, unless that is 0.
type guard struct {
	platform
	lock   sync.Mutex
	number int
	tries  []time.Duration // when logins were refused, from the start
	start  time.Time
}

func (g *guard) refuseWith(number int) {
	g.lock.Lock()
	defer g.lock.Unlock()
	g.number = number
}

func (g *guard) act(p *platform, c *link, r asked) {
	g.lock.Lock()
	refuses := g.number != 0 && r.commands[0] == "LoginRequest14sp4"
	if refuses {
		g.tries = append(g.tries, time.Since(g.start))
	}
	number := g.number
	g.lock.Unlock()
	if refuses {
		c.refuse(r, number)
		return
	}
	wellAnswered(p, c, r)
}

func (g *guard) wantTries(t *testing.T, want ...time.Duration) {
	t.Helper()
	g.lock.Lock()
	defer g.lock.Unlock()
	rounded := make([]time.Duration, len(g.tries))
	for i, at := range g.tries {
		rounded[i] = at.Round(time.Second)
	}
	if diff := cmp.Diff(want, rounded); diff != "" {
		t.Errorf("tries (-want +got):\n%s", diff)
	}
}

// withGuard keeps a client that wants one session for as long as the test
// lasts.
func withGuard(t *testing.T, g *guard, change func(*Options), test func(t *testing.T, c *Client)) {
	t.Helper()
	g.answer = g.act
	run(t, &g.platform, func(o *Options) {
		g.start = time.Now()
		o.MinSessions = 1
		o.Temporary = func(e *ErrorReply) bool { return e.Number == 7777 }
		if change != nil {
			change(o)
		}
	}, test)
}

func TestRefusedCredentialsAreTriedAgainAfterMinutes(t *testing.T) {
	for _, number := range []int{4962, 4008, 5202, 9903, 9904} { // the last two represent numbers that are not public
		t.Run(fmt.Sprint("number ", number), func(t *testing.T) {
			g := &guard{number: number}
			var pauses []time.Duration
			withGuard(t, g, func(o *Options) {
				o.Trace.AccountRefused = func(endpoint, userID string, pause time.Duration, err error) {
					if _, ok := errors.AsType[*ErrorReply](err); !ok || endpoint != "primary" || userID != "gate" {
						t.Errorf("reported %s %s %v", endpoint, userID, err)
					}
					pauses = append(pauses, pause)
				}
			}, func(t *testing.T, c *Client) {
				time.Sleep(6 * time.Hour)
				g.wantTries(t, 0, 5*time.Minute, 15*time.Minute, 35*time.Minute, 75*time.Minute, 135*time.Minute, 195*time.Minute, 255*time.Minute, 315*time.Minute)
				_, err := c.Read(t.Context(), question)
				unavailable, ok := errors.AsType[*UnavailableError](err)
				if !ok || unavailable.RetryAfter < 14*time.Minute || unavailable.RetryAfter > 16*time.Minute {
					t.Errorf("callers get %v", err)
				}
				if got := c.Stats().Endpoints[0]; !got.AccountRefused || got.InBackoff {
					t.Errorf("got %+v", got)
				}
			})
			want := []time.Duration{5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 40 * time.Minute, time.Hour, time.Hour, time.Hour, time.Hour, time.Hour}
			if diff := cmp.Diff(want, pauses); diff != "" {
				t.Errorf("pauses (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOtherTroubleOfALoginIsTriedAgainSoon(t *testing.T) {
	for name, number := range map[string]int{"temporarily unavailable": 7777, "a form that the platform does not know": 6004} {
		t.Run(name, func(t *testing.T) {
			g := &guard{number: number}
			withGuard(t, g, nil, func(t *testing.T, c *Client) {
				time.Sleep(10 * time.Second)
				g.wantTries(t, 0, time.Second, 3*time.Second, 7*time.Second)
				if c.Stats().Endpoints[0].AccountRefused {
					t.Error("the account is reported as refused")
				}
			})
		})
	}
}

func TestAnAccountIsRefusedAtAllItsEndpoints(t *testing.T) {
	g := &guard{number: 4962}
	withGuard(t, g, func(o *Options) {
		o.Endpoints = append(o.Endpoints, Endpoint{Name: "secondary", Address: "secondary:2208", UserID: "gate", Password: "secret"})
	}, func(t *testing.T, c *Client) {
		time.Sleep(4 * time.Minute)
		g.wantTries(t, 0)
		for _, e := range c.Stats().Endpoints {
			if !e.AccountRefused {
				t.Errorf("%s: %+v", e.Name, e)
			}
		}
	})
}

func TestAGoodLoginEndsTheRefusal(t *testing.T) {
	g := &guard{number: 4962}
	withGuard(t, g, nil, func(t *testing.T, c *Client) {
		time.Sleep(time.Minute)
		g.refuseWith(0)
		time.Sleep(4*time.Minute + 30*time.Second) // no session is probed at this moment
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Error(err)
		}
		if c.Stats().Endpoints[0].AccountRefused {
			t.Error("the account is reported as refused")
		}
		g.refuseWith(4962)
		c.pool.mu.Lock()
		s := c.pool.idle[0]
		c.pool.mu.Unlock()
		s.close(errors.New("cut"))
		time.Sleep(6 * time.Minute)
		first := 5*time.Minute + 30*time.Second
		g.wantTries(t, 0, first, first+5*time.Minute) // from the first backoff on
	})
}

func TestAnotherPasswordIsTriedAtOnce(t *testing.T) {
	g := &guard{number: 4962}
	var lock sync.Mutex
	password, broken := Secret("old"), error(nil)
	set := func(p Secret, err error) {
		lock.Lock()
		defer lock.Unlock()
		password, broken = p, err
	}
	withGuard(t, g, func(o *Options) {
		o.Endpoints[0].PasswordSource = func() (Secret, error) {
			lock.Lock()
			defer lock.Unlock()
			return password, broken
		}
	}, func(t *testing.T, c *Client) {
		time.Sleep(time.Minute)
		set("", errors.New("the file is being written"))
		time.Sleep(10*time.Second + 500*time.Millisecond)
		g.wantTries(t, 0)
		set("new", nil)
		time.Sleep(2 * time.Second)
		g.wantTries(t, 0, 71*time.Second)
		time.Sleep(3 * time.Minute)
		g.wantTries(t, 0, 71*time.Second) // the new one is refused as well
		g.refuseWith(0)
		set("newest", nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Error(err)
		}
	})
}

// Two passwords that are both refused are not tried in turn, whether one source
// gives both or each of two endpoints has one.
func TestPasswordsThatWereRefusedAreNotTriedAgain(t *testing.T) {
	flips := 0
	for name, change := range map[string]func(*Options){
		"a source that changes its mind": func(o *Options) {
			o.Endpoints[0].PasswordSource = func() (Secret, error) { flips++; return Secret(fmt.Sprint(flips % 2)), nil }
		},
		"a source that always has another one": func(o *Options) {
			o.Endpoints[0].PasswordSource = func() (Secret, error) { flips++; return Secret(fmt.Sprint(flips)), nil }
		},
		"two endpoints": func(o *Options) {
			o.Endpoints[0].PasswordSource = func() (Secret, error) { return "stale", nil }
			o.Endpoints = append(o.Endpoints, Endpoint{
				Name: "secondary", Address: "secondary:2208", UserID: "gate", PasswordSource: func() (Secret, error) { return "other", nil },
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := &guard{number: 4962}
			withGuard(t, g, change, func(*testing.T, *Client) { time.Sleep(4 * time.Minute) })
			if tries := len(g.tries); tries < 1 || tries > 1+maxOtherPasswords {
				t.Errorf("%d tries within the first pause: %v", tries, g.tries)
			}
		})
	}
}

// After a backoff, another endpoint of the account is tried first.
func TestARefusedAccountIsTriedAtItsEndpointsInTurn(t *testing.T) {
	p := &platform{}
	p.answer = func(p *platform, c *link, r asked) {
		p.mu.Lock()
		at := p.dialed[len(p.dialed)-1]
		p.mu.Unlock()
		if at == "primary:2208" && r.commands[0] == "LoginRequest14sp4" {
			c.refuse(r, 9999)
			return
		}
		wellAnswered(p, c, r)
	}
	run(t, p, func(o *Options) {
		o.MinSessions = 1
		o.Endpoints = append(o.Endpoints, Endpoint{Name: "secondary", Address: "secondary:2208", UserID: "gate", Password: "secret"})
	}, func(t *testing.T, c *Client) {
		time.Sleep(5*time.Minute + 30*time.Second)
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"primary:2208", "secondary:2208"}, p.dialed); diff != "" {
			t.Errorf("tried (-want +got):\n%s", diff)
		}
	})
}

func TestLoginsOfCallersDoNotTouchTheAccount(t *testing.T) {
	g := &guard{}
	withGuard(t, g, nil, func(t *testing.T, c *Client) {
		synctest.Wait()
		g.refuseWith(4962)
		if _, err := c.Authenticate(t.Context(), "gate", "guess"); err == nil {
			t.Error("the guess is good")
		}
		if c.Stats().Endpoints[0].AccountRefused {
			t.Error("the account is reported as refused")
		}
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Error(err)
		}
	})
}

// The domain that the platform assumes is that of the client's own account, never that of
// a caller.
func TestDefaultDomainIsThatOfTheOwnAccount(t *testing.T) {
	domains := make(chan string, 2)
	domains <- "default.example"
	domains <- "customer.example"
	p := &platform{answer: func(p *platform, c *link, r asked) {
		if r.commands[0] != "LoginRequest14sp4" {
			wellAnswered(p, c, r)
			return
		}
		c.reply(r, "LoginResponse14sp4", "<loginType>System</loginType><isEnterprise>false</isEnterprise><userDomain>"+<-domains+"</userDomain>")
	}}
	run(t, p, nil, func(t *testing.T, c *Client) {
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Authenticate(t.Context(), "caller", "secret"); err != nil {
			t.Fatal(err)
		}
		if got := c.DefaultDomain(); got != "default.example" || len(domains) != 0 {
			t.Errorf("the domain is %q", got)
		}
	})
}

func TestWhoIsLoggedInIsReported(t *testing.T) {
	var who []Identity
	g := &guard{}
	withGuard(t, g, func(o *Options) { o.Trace.LoggedIn = func(_ string, i Identity) { who = append(who, i) } }, func(*testing.T, *Client) {
		synctest.Wait()
	})
	if diff := cmp.Diff([]Identity{{UserID: "gate", LoginType: "System"}}, who); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A password that the platform has changed a few seconds after a login is refused once, although many
// sessions are wanted at the same time.
func TestAChangedPasswordIsRefusedOnceAlsoAfterALogin(t *testing.T) {
	var mu sync.Mutex
	changed, refused := false, 0
	p := &platform{answer: func(p *platform, c *link, r asked) {
		mu.Lock()
		refuse := changed && r.commands[0] == "LoginRequest14sp4"
		if refuse {
			refused++
		}
		mu.Unlock()
		if refuse {
			time.Sleep(100 * time.Millisecond)
			c.refuse(r, 4962)
			return
		}
		wellAnswered(p, c, r)
	}}
	run(t, p, func(o *Options) { o.MaxSessions = 9 }, func(t *testing.T, c *Client) {
		hold(t, c, time.Minute)
		time.Sleep(2 * time.Second)
		mu.Lock()
		changed = true
		mu.Unlock()
		want(t, c, 8, 5*time.Second)
		mu.Lock()
		defer mu.Unlock()
		if refused != 1 {
			t.Errorf("the password was refused %d times", refused)
		}
	})
}
