package oci

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Failing endpoints and accounts: when they are tried again, and which is tried next. To
// add a case, make platform.dial or platform.answer fail, and count the attempts in
// platform.dialed and platform.counts.

func TestClientTriesOneLoginInEachStepOfTheBackoff(t *testing.T) {
	wrong := true
	p := &platform{}
	p.answer = func(p *platform, c *link, r asked) {
		p.mu.Lock()
		refuse := wrong && r.commands[0] == "LoginRequest14sp4"
		p.mu.Unlock()
		if refuse {
			c.refuse(r, 4962)
			return
		}
		wellAnswered(p, c, r)
	}
	run(t, p, func(o *Options) { o.MaxSessions = 16; o.RefusedInitial = 4 * time.Second }, func(t *testing.T, c *Client) {
		crowd := func() {
			var callers sync.WaitGroup
			for i := range 50 {
				callers.Go(func() {
					_, err := c.Read(t.Context(), questionOf(i))
					unavailable, ok := errors.AsType[*UnavailableError](err)
					if !ok || !NotDone(err) || unavailable.RetryAfter <= 0 {
						t.Errorf("got %v", err)
					}
					refused, ok := errors.AsType[*ErrorReply](err)
					if !ok || refused.Number != 4962 {
						t.Errorf("the platform's text is lost: %v", err)
					}
				})
			}
			callers.Wait()
		}
		for i, step := range []time.Duration{4, 8, 16} {
			crowd()
			time.Sleep(step*time.Second - time.Second)
			crowd()
			if logins, _, _, _ := p.counts(); logins != i+1 {
				t.Fatalf("step %d: %d logins", i, logins)
			}
			time.Sleep(time.Second + time.Millisecond)
		}
		p.mu.Lock()
		wrong = false
		p.mu.Unlock()
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Errorf("when the password is right again: %v", err)
		}
	})
}

func TestClientBacksOffFromAPlatformThatEndsEverySession(t *testing.T) {
	for name, end := range map[string]func(c *link){
		"closing":     func(c *link) { _ = c.Close() },
		"logging out": func(c *link) { c.logout() },
	} {
		t.Run(name, func(t *testing.T) {
			well := false
			p := &platform{}
			p.answer = func(p *platform, c *link, r asked) {
				wellAnswered(p, c, r)
				p.mu.Lock()
				defer p.mu.Unlock()
				if !well && r.commands[0] == "LoginRequest14sp4" {
					end(c)
				}
			}
			run(t, p, func(o *Options) { o.MinSessions = 2 }, func(t *testing.T, c *Client) {
				time.Sleep(105*time.Second + 500*time.Millisecond) // between two tries: these are made at full seconds
				// A few immediately, then after backoffs of 1, 2, 4, 8 and 16 s, then of 30 s.
				if logins, _, _, _ := p.counts(); logins < 8 || logins > 16 {
					t.Errorf("%d logins in 105 seconds", logins)
				}
				stats := c.Stats().Endpoints[0]
				if stats.Busy+stats.Idle != 0 || !stats.InBackoff {
					t.Errorf("stats: %+v", stats)
				}
				_, err := c.Read(t.Context(), question)
				if _, ok := errors.AsType[*UnavailableError](err); !ok || !NotDone(err) {
					t.Errorf("a read meanwhile: %v", err)
				}
				p.mu.Lock()
				well = true
				p.mu.Unlock()
				time.Sleep(2 * time.Minute)
				if _, err := c.Read(t.Context(), question); err != nil {
					t.Errorf("when the platform is well: %v", err)
				}
			})
		})
	}
}

func TestClientDoesNotTryAnAccountThatWasRefusedElsewhere(t *testing.T) {
	p := &platform{}
	p.answer = func(p *platform, c *link, r asked) {
		if r.commands[0] == "LoginRequest14sp4" {
			c.refuse(r, 4962)
			return
		}
		wellAnswered(p, c, r)
	}
	run(t, p, func(o *Options) {
		o.Endpoints = append(o.Endpoints,
			Endpoint{Name: "secondary", Address: "secondary:2208", UserID: "gate", Password: "secret"},
			Endpoint{Name: "other", Address: "other:2208", UserID: "another", Password: "secret"})
	}, func(t *testing.T, c *Client) {
		if _, err := c.Read(t.Context(), question); !NotDone(err) {
			t.Errorf("got %v", err)
		}
		want := []string{"primary:2208", "other:2208"}
		if diff := cmp.Diff(want, p.dialed); diff != "" {
			t.Errorf("tried (-want +got):\n%s", diff)
		}
		for _, e := range c.Stats().Endpoints {
			if !e.AccountRefused || e.InBackoff {
				t.Errorf("%s: account refused: %t, in backoff: %t", e.Name, e.AccountRefused, e.InBackoff)
			}
		}
	})
}

func TestClientFailsOverAndReturns(t *testing.T) {
	var mu sync.Mutex
	down := true
	p := &platform{dial: func(_ context.Context, address string) error {
		mu.Lock()
		defer mu.Unlock()
		if down && address == "primary:2208" {
			return errors.New("connection refused")
		}
		return nil
	}}
	run(t, p, func(o *Options) {
		o.Endpoints = append(o.Endpoints, Endpoint{Name: "secondary", Address: "secondary:2208", UserID: "gate", Password: "secret"})
		o.MaxAge = time.Minute
	}, func(t *testing.T, c *Client) {
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Fatal(err)
		}
		want := []EndpointStats{{Name: "primary", Address: "primary:2208", InBackoff: true}, {Name: "secondary", Address: "secondary:2208", Idle: 1}}
		if diff := cmp.Diff(want, c.Stats().Endpoints, ignoreDialect); diff != "" {
			t.Errorf("on the secondary (-want +got):\n%s", diff)
		}
		mu.Lock()
		down = false
		mu.Unlock()
		time.Sleep(2 * time.Minute)
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Fatal(err)
		}
		want = []EndpointStats{{Name: "primary", Address: "primary:2208", Idle: 1}, {Name: "secondary", Address: "secondary:2208"}}
		if diff := cmp.Diff(want, c.Stats().Endpoints, ignoreDialect); diff != "" {
			t.Errorf("back on the primary (-want +got):\n%s", diff)
		}
	})
}

func TestBackoffDoublesUpToItsMaximum(t *testing.T) {
	e := newEndpoint(Endpoint{}, &Options{BackoffInitial: time.Second, BackoffMax: 5 * time.Second})
	var got []time.Duration
	fail := func() {
		now := time.Now()
		e.noteFailureLocked(now)
		got = append(got, e.retryAt.Sub(now)/time.Second)
	}
	for range 5 {
		fail()
	}
	e.noteWorkingLocked()
	if !e.retryAt.IsZero() {
		t.Error("after a success it is in backoff")
	}
	fail()
	if diff := cmp.Diff([]time.Duration{1, 2, 4, 5, 5, 1}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestJitterShortensBackoffAndAge(t *testing.T) {
	const full, part = time.Hour, 0.5
	within := func(what string, d time.Duration) {
		t.Helper()
		if d >= full || d < full/2 {
			t.Errorf("%s is %v of %v", what, d, full)
		}
	}
	e := newEndpoint(Endpoint{}, &Options{BackoffInitial: full, BackoffMax: full, Jitter: part})
	now := time.Now()
	e.noteFailureLocked(now)
	within("the backoff", e.retryAt.Sub(now))
	run(t, &platform{}, func(o *Options) { o.MaxAge, o.Jitter = full, part }, func(t *testing.T, c *Client) {
		s, err := c.pool.acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		within("the age", time.Until(s.expires))
		c.pool.release(s)
	})
}

func TestTriesToConnectAreBounded(t *testing.T) {
	type try struct {
		stage Stage
		took  time.Duration
	}
	stalled := map[string]struct {
		platform *platform
		want     try
	}{
		"while dialing": {
			&platform{dial: func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }},
			try{StageDial, 2 * time.Second},
		},
		"in the login": {
			&platform{answer: func(*platform, *link, asked) {}},
			try{StageLogin, 3 * time.Second},
		},
	}
	for name, test := range stalled {
		t.Run(name, func(t *testing.T) {
			var got []try
			run(t, test.platform, func(o *Options) {
				o.ConnectTimeout, o.LoginTimeout = 2*time.Second, 3*time.Second
				o.Trace.SessionTried = func(_ string, took time.Duration, err error) {
					if failed, ok := errors.AsType[*ConnectError](err); ok {
						got = append(got, try{failed.Stage, took})
					}
				}
			}, func(t *testing.T, c *Client) {
				if _, err := c.Read(t.Context(), question); !errors.Is(err, context.DeadlineExceeded) || !NotDone(err) {
					t.Errorf("got %v", err)
				}
			})
			if diff := cmp.Diff([]try{test.want}, got, cmp.AllowUnexported(try{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestClientLeavesNoConnectionBehindAFailedHandshake(t *testing.T) {
	var peers sync.WaitGroup
	run(t, &platform{}, func(o *Options) {
		o.Endpoints[0].TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		o.Dial = func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			peers.Go(func() {
				go func() { _, _ = theirs.Write([]byte("HTTP/1.1 400 Bad Request\r\n")) }()
				_, _ = io.Copy(io.Discard, theirs)
				_ = theirs.Close()
			})
			return ours, nil
		}
	}, func(t *testing.T, c *Client) {
		_, err := c.Read(t.Context(), question)
		if failed, ok := errors.AsType[*ConnectError](err); !ok || failed.Stage != StageTLS {
			t.Errorf("got %v", err)
		}
		peers.Wait()
	})
}

func TestClientDoesNotTryAnEndpointInBackoff(t *testing.T) {
	p := &platform{dial: func(_ context.Context, address string) error {
		if address == "primary:2208" {
			return errors.New("connection refused")
		}
		return nil
	}}
	run(t, p, func(o *Options) {
		o.Endpoints = append(o.Endpoints, Endpoint{Name: "secondary", Address: "secondary:2208", UserID: "gate"})
	}, func(t *testing.T, c *Client) {
		for range 2 {
			s, err := c.pool.acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer c.pool.release(s)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if diff := cmp.Diff([]string{"primary:2208", "secondary:2208", "secondary:2208"}, p.dialed); diff != "" {
			t.Errorf("dialed (-want +got):\n%s", diff)
		}
	})
}

// A platform that ends each session 100 ms after its login gets about as many logins as one after the
// other takes, if sessions bring replies meanwhile, and else one in each step of the backoff.
func TestSessionsThatEndAtOnceAreNotMadeInParallel(t *testing.T) {
	for name, test := range map[string]struct {
		silent bool
		most   int64 // logins in a minute
	}{
		"after replies":   {most: 200},
		"without a reply": {silent: true, most: 40},
	} {
		t.Run(name, func(t *testing.T) {
			var logins atomic.Int64
			p := &platform{}
			p.answer = func(_ *platform, c *link, r asked) {
				switch r.commands[0] {
				case "LoginRequest14sp4":
					time.Sleep(500 * time.Millisecond)
					logins.Add(1)
					wellAnswered(p, c, r)
					p.serving.Go(func() {
						time.Sleep(100 * time.Millisecond)
						_ = c.Close()
					})
				case question.Name(), validityCommand:
					time.Sleep(20 * time.Millisecond)
					if !test.silent {
						wellAnswered(p, c, r)
					}
				default:
					wellAnswered(p, c, r)
				}
			}
			run(t, p, func(o *Options) { o.MaxSessions = 40 }, func(t *testing.T, c *Client) {
				ask(t, c, time.Second/60, time.Minute)
				if n := logins.Load(); n > test.most {
					t.Errorf("%d logins in a minute", n)
				}
			})
		})
	}
}
