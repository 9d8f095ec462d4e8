package oci

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Client.Close: what it waits for, what it ends, and that nothing is left behind. To add a
// case, bring the client into a state, close it, and check the errors of the callers;
// TestMain finds goroutines that are left.

func TestCloseWaitsForCommandsUnderWayThenCutsThemOff(t *testing.T) {
	for name, test := range map[string]struct {
		timeout time.Duration
		good    bool
	}{
		"waits":    {10 * time.Second, true},
		"cuts off": {time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &platform{answer: func(p *platform, c *link, r asked) {
					if r.commands[0] == change.Name() {
						time.Sleep(5 * time.Second)
					}
					wellAnswered(p, c, r)
				}}
				c, err := New(Options{Release: 24, Endpoints: []Endpoint{{Address: "a:1", UserID: "gate"}}, Dial: p.Dial})
				if err != nil {
					t.Fatal(err)
				}
				var caller sync.WaitGroup
				caller.Go(func() {
					_, err := c.Write(t.Context(), change, nil)
					if (err == nil) != test.good || NotDone(err) {
						t.Errorf("the write under way: %v", err)
					}
				})
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), test.timeout)
				defer cancel()
				if err := c.Close(ctx); (err == nil) != test.good {
					t.Errorf("Close: %v", err)
				}
				caller.Wait()
				if _, err := c.Write(t.Context(), change, nil); !errors.Is(err, ErrClosed) {
					t.Errorf("a write after Close: %v", err)
				}
				if _, err := c.Authenticate(t.Context(), "a", "b"); !errors.Is(err, ErrClosed) {
					t.Errorf("an identity check after Close: %v", err)
				}
				p.serving.Wait()
			})
		})
	}
}

func TestCloseCutsOffIdentityChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &platform{answer: func(*platform, *link, asked) {}} // never answers
		c, err := New(Options{Release: 24, Endpoints: []Endpoint{{Address: "a:1", UserID: "gate"}}, Dial: p.Dial})
		if err != nil {
			t.Fatal(err)
		}
		var caller sync.WaitGroup
		caller.Go(func() {
			if _, err := c.Authenticate(t.Context(), "admin", "secret"); err == nil {
				t.Error("it is known who that is")
			}
		})
		synctest.Wait()
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Close(ctx); err == nil || time.Since(start) != time.Second {
			t.Errorf("Close: %v after %v", err, time.Since(start))
		}
		caller.Wait()
		p.serving.Wait()
	})
}

func TestCloseFailsWaitersAndMakesNoSessions(t *testing.T) {
	p := &platform{answer: slowly(5 * time.Second)}
	tries := 0
	count := func(o *Options) {
		o.MinSessions, o.MaxSessions = 1, 1
		o.Trace.SessionTried = func(string, time.Duration, error) { tries++ }
	}
	run(t, p, count, func(t *testing.T, c *Client) {
		var callers sync.WaitGroup
		callers.Go(func() {
			if _, err := c.Read(t.Context(), question); !errors.Is(err, ErrClosed) {
				t.Errorf("the one who is cut off: %v", err)
			}
		})
		synctest.Wait()
		callers.Go(func() {
			start := time.Now()
			if _, err := c.Read(t.Context(), questionOf(1)); !errors.Is(err, ErrClosed) || !NotDone(err) || time.Since(start) != 0 {
				t.Errorf("the one who waits: %v after %v", err, time.Since(start))
			}
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v", err)
		}
		callers.Wait()
		if tries != 1 {
			t.Errorf("%d tries to make a session", tries)
		}
	}) // which closes it once more
}

func TestCloseLogsOutASessionThatWasJustMade(t *testing.T) {
	p := &platform{}
	made := make(chan struct{})
	run(t, p, func(o *Options) {
		o.MinSessions = 1
		o.Trace.SessionTried = func(string, time.Duration, error) { close(made); time.Sleep(time.Second) }
	}, func(*testing.T, *Client) { <-made })
	if logins, logouts, open, _ := p.counts(); logins != 1 || logouts != 1 || open != 0 {
		t.Errorf("%d logins, %d logouts, %d connections", logins, logouts, open)
	}
}

func TestCloseDoesNotWaitForAnUnresponsivePlatform(t *testing.T) {
	p := &platform{answer: func(p *platform, c *link, r asked) {
		wellAnswered(p, c, r)
		if r.commands[0] == question.Name() {
			time.Sleep(time.Hour)
		}
	}}
	run(t, p, nil, func(t *testing.T, c *Client) {
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := c.Close(t.Context()); err != nil || time.Since(start) != logoutTimeout {
			t.Errorf("Close: %v after %v", err, time.Since(start))
		}
	})
}

// Attempts that are late end when the client closes.
func TestCloseDoesNotWaitForAttemptsThatAreLate(t *testing.T) {
	f := newFarm(primaryAddress, secondaryAddress)
	for _, s := range f.sites {
		s.hangs = true
	}
	run(t, &platform{}, func(o *Options) { two(o); f.options(o) }, func(t *testing.T, c *Client) {
		var callers sync.WaitGroup
		for i := range 20 {
			callers.Go(func() {
				if _, err := c.Read(t.Context(), questionOf(i)); !errors.Is(err, ErrClosed) {
					t.Errorf("got %v", err)
				}
			})
		}
		time.Sleep(2500 * time.Millisecond)
		if of := c.Stats().Endpoints; of[0].Attempts != 1 || of[1].Attempts != 1 {
			t.Errorf("got %+v", of)
		}
		start := time.Now()
		if err := c.Close(t.Context()); err != nil || time.Since(start) != 0 {
			t.Errorf("Close: %v after %v", err, time.Since(start))
		}
		callers.Wait()
		if n := f.opened(); n != 0 {
			t.Errorf("%d connections are left", n)
		}
	})
}
