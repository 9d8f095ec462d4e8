package oci

import (
	"bytes"
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

// What is under way while Client.Reconfigure changes the options: commands, shared reads,
// logins, probes, identity checks and callers in the queue. To add a case, make the
// platform slow, change the options meanwhile, and compare what happens after that.

func TestACommandFinishesWithTheOptionsThatItBeganWith(t *testing.T) {
	p := &platform{answer: slowly(10 * time.Second)}
	run(t, p, nil, func(t *testing.T, c *Client) {
		var caller sync.WaitGroup
		caller.Go(func() {
			if _, err := c.Write(t.Context(), NewWrite(question.Name()), nil); err != nil {
				t.Errorf("the command under way: %v", err)
			}
		})
		synctest.Wait()
		again(t, c, func(o *Options) { o.CommandTimeout = time.Second; o.Endpoints[0].Address = "other:2208" })
		caller.Wait()
		_, err := c.Write(t.Context(), NewWrite(question.Name()), nil)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the next command: %v", err)
		}
		if got := p.dialed; !slices.Equal(got, []string{"primary:2208", "other:2208"}) {
			t.Errorf("connections to %v", got)
		}
	})
}

func TestSharedReadsStayShared(t *testing.T) {
	p := &platform{answer: slowly(time.Second)}
	run(t, p, nil, func(t *testing.T, c *Client) {
		var callers sync.WaitGroup
		read := func() {
			callers.Go(func() {
				if _, err := c.Read(t.Context(), question); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		read()
		read()
		read()
		again(t, c, with("other"))
		read()
		callers.Wait()
		if _, _, _, received := p.counts(); len(received) != 2 {
			t.Errorf("four callers needed %v", received)
		}
	})
}

// slowLogins makes connections at once, and lets logins at one address take a time.
type slowLogins struct {
	platform
	address string
	takes   time.Duration
}

func (s *slowLogins) serve(o *Options) {
	s.dial = func(ctx context.Context, address string) error {
		if address != s.address {
			return nil
		}
		select {
		case <-time.After(s.takes):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	o.Dial, o.ConnectTimeout = s.Dial, time.Minute
}

func TestAnAttemptAtAnEndpointThatIsRemovedIsAbandoned(t *testing.T) {
	s := &slowLogins{address: "primary:2208", takes: 30 * time.Second}
	var mu sync.Mutex // guards tried
	var tried []string
	run(t, &s.platform, func(o *Options) {
		s.serve(o)
		o.Trace.SessionTried = func(endpoint string, took time.Duration, err error) {
			mu.Lock()
			defer mu.Unlock()
			tried = append(tried, fmt.Sprint(endpoint, " ", took, " ", err))
		}
	}, func(t *testing.T, c *Client) {
		start := time.Now()
		time.AfterFunc(4*time.Second, func() { again(t, c, func(o *Options) { with("secondary")(o); o.ConnectTimeout = time.Minute }) })
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != 4*time.Second {
			t.Errorf("the caller waited %v", took)
		}
		synctest.Wait()
		mu.Lock()
		slices.Sort(tried) // attempts are reported by their own goroutines
		const removed = "oci: platform endpoint primary (primary:2208): TCP: the endpoint was removed from the options"
		if !slices.Equal(tried, []string{"primary 4s " + removed, "secondary 0s <nil>"}) {
			t.Errorf("tried %q", tried)
		}
		mu.Unlock()
		if e := c.Stats().Endpoints[0]; !e.Up || e.InBackoff {
			t.Errorf("got %+v", e)
		}
		// It counts as failed if the endpoint comes back, and callers wait for that.
		s.takes = 0
		start = time.Now()
		again(t, c, func(o *Options) { with("primary")(o); o.ConnectTimeout = time.Minute })
		if e := c.Stats().Endpoints[0]; !e.InBackoff || e.NextTry.IsZero() {
			t.Errorf("after it has come back: %+v", e)
		}
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took <= 0 || took > 2*time.Second {
			t.Errorf("the caller waited %v for the end of the backoff", took)
		}
	})
}

// A login at an endpoint whose options change goes on, but its session is not used.
func TestASessionThatWasMadeWithOldOptionsIsNotUsed(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"other options": func(o *Options) { o.CommandTimeout = time.Minute },
		"no room":       func(o *Options) { o.MaxSessions = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			s, closed := &slowLogins{address: "primary:2208"}, &reasons{}
			s.answer = slowly(time.Second)
			run(t, &s.platform, func(o *Options) { s.serve(o); closed.record(o); o.MaxSessions = 2 }, func(t *testing.T, c *Client) {
				if _, err := c.Read(t.Context(), question); err != nil {
					t.Fatal(err)
				}
				s.takes = 500 * time.Millisecond
				var callers sync.WaitGroup
				for i := range 2 {
					callers.Go(func() {
						if _, err := c.Read(t.Context(), questionOf(i)); err != nil {
							t.Error(err)
						}
					})
				}
				time.Sleep(100 * time.Millisecond)
				again(t, c, change)
				time.Sleep(401 * time.Millisecond)
				closed.want(t, ClosedReconfigured)
				if _, logouts, open, _ := s.counts(); logouts != 1 || open > 2 {
					t.Errorf("%d logouts, %d connections", logouts, open)
				}
				callers.Wait()
			})
		})
	}
}

func TestAProbeOfAnEndpointThatIsReplacedHasNoResult(t *testing.T) {
	var hangs atomic.Bool
	s := &site{secondary: &platform{dial: func(ctx context.Context, _ string) error {
		if hangs.Load() {
			<-ctx.Done()
		}
		return ctx.Err()
	}}}
	s.run(t, nil, func(t *testing.T, c *Client) {
		time.Sleep(30 * time.Second) // the first probe was immediately
		s.mu.Lock()
		first := len(s.probes)
		s.mu.Unlock()
		hangs.Store(true)
		time.Sleep(32 * time.Second)
		s.mu.Lock()
		dials := len(s.dials)
		s.mu.Unlock()
		before := c.Stats().Endpoints[1]
		again(t, c, func(o *Options) { o.CommandTimeout = time.Minute })
		synctest.Wait()
		c.pool.mu.Lock()
		probing := c.pool.probing
		c.pool.mu.Unlock()
		after := c.Stats().Endpoints[1]
		if probing != nil || !before.Up || !after.Up || after.LastError != nil || !after.LastTried.Equal(before.LastTried) {
			t.Errorf("under way: %v; the endpoint was %+v, and is %+v", probing != nil, before, after)
		}
		hangs.Store(false)
		time.Sleep(50 * time.Second)
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.probes) != first || len(s.dials) != dials {
			t.Errorf("probes %v at %v: the next one is due after an interval", s.probes, s.dials)
		}
	})
}

func TestIdentityChecksGoOnAndCount(t *testing.T) {
	slow := time.Second
	p := &platform{}
	p.answer = func(p *platform, c *link, r asked) {
		if r.commands[0] == "AuthenticationRequest" {
			time.Sleep(slow)
		}
		wellAnswered(p, c, r)
	}
	run(t, p, nil, func(t *testing.T, c *Client) {
		start := time.Now()
		var callers sync.WaitGroup
		check := func() {
			callers.Go(func() {
				if _, err := c.Authenticate(t.Context(), "caller", "secret"); err != nil {
					t.Error(err)
				}
			})
		}
		for range 4 {
			check()
		}
		synctest.Wait()
		again(t, c, with("other"))
		check()
		callers.Wait()
		if took := time.Since(start); took != slow {
			t.Errorf("five checks took %v", took)
		}
		if want := []string{"primary:2208", "primary:2208", "primary:2208", "primary:2208", "other:2208"}; !slices.Equal(p.dialed, want) {
			t.Errorf("they were made at %v", p.dialed)
		}
	})
}

// A password must not be sent without TLS because an endpoint without TLS was added since
// the client was asked whether all have it.
func TestVerifySendsNoPasswordToAnEndpointThatLostTLS(t *testing.T) {
	run(t, &platform{}, nil, func(t *testing.T, c *Client) {
		_, err := c.verifyByCommand(t.Context(), "caller", "secret", true)
		if _, unsupported := errors.AsType[*UnsupportedError](err); !unsupported {
			t.Errorf("got %v", err)
		}
	})
}

// The endpoint that has replied need not be there any more.
func TestVerificationOutlivesItsEndpoint(t *testing.T) {
	p := &platform{}
	p.answer = func(p *platform, c *link, r asked) {
		if slices.Contains(VerificationForms(), r.commands[0]) {
			time.Sleep(time.Second)
			c.reply(r, "AuthenticationVerifyResponse22V4", `<loginType>System</loginType>`)
			return
		}
		wellAnswered(p, c, r)
	}
	run(t, p, nil, func(t *testing.T, c *Client) {
		time.AfterFunc(500*time.Millisecond, func() { again(t, c, with("other")) })
		who, err := c.VerifyByCommand(t.Context(), "caller", "secret")
		if err != nil || who.UserID != "caller" {
			t.Errorf("got %+v, %v", who, err)
		}
	})
}

// A caller who waits keeps their place and their time, whatever changes.
func TestCallersWhoWaitAreNotRefused(t *testing.T) {
	down := &outage{}
	down.Store(true)
	p := &platform{answer: slowly(5 * time.Second)}
	p.dial = func(ctx context.Context, address string) error {
		if address == "down:2208" {
			return down.dial(ctx, address)
		}
		return nil
	}
	run(t, p, func(o *Options) {
		with("down", "primary")(o)
		o.MaxSessions, o.MaxWait, o.BackoffInitial, o.BackoffMax = 1, time.Minute, 20*time.Second, 20*time.Second
	}, func(t *testing.T, c *Client) {
		start := time.Now()
		var callers sync.WaitGroup
		for i := range 3 {
			callers.Go(func() {
				if _, err := c.Read(t.Context(), questionOf(i)); err != nil {
					t.Errorf("caller %d: %v", i, err)
				}
			})
			synctest.Wait()
		}
		again(t, c, func(o *Options) { o.MaxWaiting, o.MaxWait = 1, time.Millisecond })
		if _, err := c.Read(t.Context(), question); !errors.Is(err, ErrBusy) {
			t.Errorf("a caller above the new limit: %v", err)
		}
		down.Store(false)
		again(t, c, with("down")) // which is in backoff for 20 s
		time.Sleep(6 * time.Second)
		_, err := c.Read(t.Context(), question)
		unavailable, ok := errors.AsType[*UnavailableError](err)
		if !ok || unavailable.Err == nil || unavailable.RetryAfter != 14*time.Second {
			t.Errorf("a caller who comes now: %v", err)
		}
		if waiting := c.Stats().Waiting; waiting != 2 {
			t.Errorf("%d callers wait", waiting)
		}
		callers.Wait()
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("all took %v", took)
		}
	})
}

func TestTraceAndDialStay(t *testing.T) {
	p, closed := &platform{}, &reasons{}
	run(t, p, func(o *Options) { o.MinSessions = 1; closed.record(o) }, func(t *testing.T, c *Client) {
		synctest.Wait()
		again(t, c, func(o *Options) {
			with("other")(o)
			o.Trace = Trace{SessionClosed: func(string, CloseReason, error) { t.Error("the new hook is called") }}
			o.Dial = func(context.Context, string, string) (net.Conn, error) {
				return nil, errors.New("the new one is called")
			}
		})
		closed.want(t, ClosedReconfigured)
		wantSessions(t, c, 0, [2]int{1, 0})
	})
}

// slowLogout takes half a second to send a logout.
type slowLogout struct{ net.Conn }

func (c slowLogout) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("LogoutRequest")) {
		time.Sleep(500 * time.Millisecond)
	}
	return c.Conn.Write(b)
}

// The platform may have a limit, too, so a session that ends counts until it is logged out.
func TestSessionsThatAreLoggedOutCount(t *testing.T) {
	p := &platform{}
	run(t, p, func(o *Options) {
		o.MinSessions, o.MaxSessions = 2, 2
		o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := p.Dial(ctx, network, address)
			return slowLogout{conn}, err
		}
	}, func(t *testing.T, c *Client) {
		synctest.Wait()
		again(t, c, func(o *Options) { o.CommandTimeout = time.Minute })
		time.Sleep(400 * time.Millisecond)
		if logins, _, open, _ := p.counts(); logins != 2 || open != 2 {
			t.Errorf("before the logouts: %d logins, %d connections", logins, open)
		}
		time.Sleep(200 * time.Millisecond)
		wantSessions(t, c, 0, [2]int{2, 0})
		if logins, _, open, _ := p.counts(); logins != 4 || open != 2 {
			t.Errorf("after the logouts: %d logins, %d connections", logins, open)
		}
	})
}
