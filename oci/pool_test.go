package oci

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The pool's sessions and its queue: how many there are, who gets them in which order,
// when they are closed and probed. To add a case, write a test with run, and compare
// Client.Stats and platform.counts with what must hold at that time.

func TestClientGrowsToItsMaximumAndServesInOrder(t *testing.T) {
	p := &platform{answer: func(p *platform, c *link, r asked) {
		if r.commands[0] == question.Name() {
			time.Sleep(time.Second)
		}
		wellAnswered(p, c, r)
	}}
	run(t, p, func(o *Options) { o.MaxSessions = 2; o.MaxWaiting = 5 }, func(t *testing.T, c *Client) {
		start := time.Now()
		took := make([]time.Duration, 6)
		var callers sync.WaitGroup
		for i := range took {
			callers.Go(func() {
				if _, err := c.Read(t.Context(), questionOf(i)); err != nil {
					t.Error(err)
				}
				took[i] = time.Since(start)
			})
			synctest.Wait()
		}
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Errorf("the fifth in the queue: %v", err)
		}
		callers.Wait()
		want := []time.Duration{1, 1, 2, 2, 3, 3}
		for i := range want {
			want[i] *= time.Second
		}
		if diff := cmp.Diff(want, took); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if logins, _, open, _ := p.counts(); logins != 2 || open != 2 {
			t.Errorf("%d logins, %d connections", logins, open)
		}
	})
}

func TestClientRefusesCallersBeyondItsBounds(t *testing.T) {
	p := &platform{answer: func(p *platform, c *link, r asked) {
		if r.commands[0] == question.Name() {
			time.Sleep(15 * time.Second)
		}
		wellAnswered(p, c, r)
	}}
	run(t, p, func(o *Options) { o.MaxSessions = 1; o.MaxWaiting = 1; o.MaxWait = 10 * time.Second }, func(t *testing.T, c *Client) {
		var callers sync.WaitGroup
		callers.Go(func() {
			if _, err := c.Read(t.Context(), question); err != nil {
				t.Errorf("the one that is served: %v", err)
			}
		})
		synctest.Wait()
		callers.Go(func() {
			if _, err := c.Read(t.Context(), questionOf(1)); !errors.Is(err, ErrBusy) || !NotDone(err) {
				t.Errorf("the one that waits too long: %v", err)
			}
		})
		synctest.Wait()
		if _, err := c.Write(t.Context(), change, nil); !errors.Is(err, ErrBusy) || !NotDone(err) {
			t.Errorf("the one too many: %v", err)
		}
		if stats := c.Stats(); stats.Waiting != 1 || stats.Endpoints[0].Busy != 1 {
			t.Errorf("stats: %+v", stats)
		}
		callers.Wait()
		if _, _, _, received := p.counts(); len(received) != 1 {
			t.Errorf("received %v", received)
		}
	})
}

func TestClientGivesTheLoginOfACanceledCallerToTheNext(t *testing.T) {
	p := &platform{dial: func(ctx context.Context, _ string) error {
		time.Sleep(2 * time.Second)
		return ctx.Err()
	}}
	pause := func(o *Options) { o.BackoffInitial = 7 * time.Second }
	run(t, p, pause, func(t *testing.T, c *Client) {
		var callers sync.WaitGroup
		callers.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := c.Read(ctx, question)
			if unavailable, ok := errors.AsType[*UnavailableError](err); !ok || unavailable.RetryAfter != 7*time.Second || !errors.Is(err, context.DeadlineExceeded) || !NotDone(err) {
				t.Errorf("the canceled caller: %v", err)
			}
		})
		time.Sleep(1500 * time.Millisecond)
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Errorf("the next: %v", err)
		}
		callers.Wait()
		if logins, _, _, _ := p.counts(); logins != 1 {
			t.Errorf("%d logins", logins)
		}
	})
}

func TestClientRetiresAndProbesIdleSessions(t *testing.T) {
	p := &platform{}
	var mu sync.Mutex
	closed := map[CloseReason]int{}
	reasons := func() map[CloseReason]int {
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(closed)
	}
	run(t, p, func(o *Options) {
		o.MinSessions = 1
		o.MaxSessions = 3
		o.IdleTimeout = 10 * time.Minute
		o.MaxAge = time.Hour
		o.ProbeInterval = time.Minute
		o.Trace.SessionClosed = func(_ string, why CloseReason, _ error) {
			mu.Lock()
			closed[why]++
			mu.Unlock()
		}
	}, func(t *testing.T, c *Client) {
		time.Sleep(time.Second)
		if logins, _, _, _ := p.counts(); logins != 1 {
			t.Fatalf("%d logins to keep the minimum", logins)
		}
		var callers sync.WaitGroup
		for range 3 {
			callers.Go(func() {
				s, err := c.pool.acquire(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				time.Sleep(time.Second)
				c.pool.release(s)
			})
		}
		callers.Wait()
		time.Sleep(2 * time.Minute)
		if _, _, open, probes := p.counts(); open != 3 || len(probes) < 3 || probes[0] != "VerifySessionIsValidRequest" {
			t.Errorf("%d connections, probes %v", open, probes)
		}
		time.Sleep(10 * time.Minute)
		if _, _, open, _ := p.counts(); open != 1 || reasons()[ClosedIdle] != 2 {
			t.Errorf("after the idle timeout: %d connections, closed %v", open, reasons())
		}
		time.Sleep(time.Hour)
		logins, logouts, open, _ := p.counts()
		if open != 1 || reasons()[ClosedAge] != 1 || logins != 4 || logouts != 3 {
			t.Errorf("after the maximum age: %d connections, closed %v, %d logins, %d logouts", open, reasons(), logins, logouts)
		}
	})
	if reasons()[ClosedShutdown] != 1 || reasons()[ClosedBroken] != 0 {
		t.Errorf("closed %v", reasons())
	}
}

func TestClientDestroysASessionThatFailsItsProbe(t *testing.T) {
	p := &platform{answer: func(p *platform, c *link, r asked) {
		if r.commands[0] == "VerifySessionIsValidRequest" {
			c.refuse(r, 1)
			return
		}
		wellAnswered(p, c, r)
	}}
	run(t, p, nil, func(t *testing.T, c *Client) {
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if stats := c.Stats(); stats.Endpoints[0].Idle+stats.Endpoints[0].Busy != 0 {
			t.Errorf("stats: %+v", stats)
		}
	})
}

func TestReleasesThatDoNotSupportTheProbeKeepTheirSessions(t *testing.T) {
	p := &platform{answer: func(p *platform, c *link, r asked) {
		switch r.commands[0] {
		case "VerifySessionIsValidRequest":
			c.refuse(r, validationError)
		case change.Name():
			c.refuse(r, 1)
		default:
			wellAnswered(p, c, r)
		}
	}}
	run(t, p, nil, func(t *testing.T, c *Client) {
		for range 3 {
			if reply, err := c.Write(t.Context(), change, nil); err != nil || reply.Err() == nil {
				t.Errorf("a refused write: %v, %v", reply, err)
			}
			time.Sleep(90 * time.Second)
		}
		if logins, _, _, _ := p.counts(); logins != 1 {
			t.Errorf("%d logins", logins)
		}
	})
}

func TestCallersWaitForTheSessionsThereAre(t *testing.T) {
	dials := 0
	p := &platform{answer: slowly(3 * time.Second), dial: func(context.Context, string) error {
		if dials++; dials > 1 {
			return errors.New("too many connections")
		}
		return nil
	}}
	run(t, p, func(o *Options) { o.MaxSessions, o.BackoffInitial = 3, time.Minute }, func(t *testing.T, c *Client) {
		var callers sync.WaitGroup
		for i := range 3 {
			callers.Go(func() {
				if _, err := c.Read(t.Context(), questionOf(i)); err != nil {
					t.Error(err)
				}
			})
			time.Sleep(100 * time.Millisecond)
		}
		callers.Wait()
	})
}

func TestAgedSessionMakesRoomForANewOne(t *testing.T) {
	p := &platform{answer: slowly(5500 * time.Millisecond)}
	run(t, p, func(o *Options) { o.MaxSessions, o.MaxAge = 1, 5*time.Second }, func(t *testing.T, c *Client) {
		start := time.Now()
		var callers sync.WaitGroup
		for i := range 2 {
			callers.Go(func() {
				if _, err := c.Read(t.Context(), questionOf(i)); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		if logins, _, _, _ := p.counts(); logins != 2 || time.Since(start) != 11*time.Second {
			t.Errorf("%d logins, %v", logins, time.Since(start))
		}
		time.Sleep(7 * time.Second)
		if _, logouts, open, _ := p.counts(); logouts != 2 || open != 0 {
			t.Errorf("when they are too old: %d logouts, %d connections", logouts, open)
		}
	})
}

func TestLostSessionMakesRoomForANewOneAtOnce(t *testing.T) {
	p := &platform{answer: func(p *platform, c *link, r asked) {
		if r.commands[0] == change.Name() {
			time.Sleep(500 * time.Millisecond)
			_ = c.Close()
			return
		}
		wellAnswered(p, c, r)
	}}
	run(t, p, func(o *Options) { o.MaxSessions = 1 }, func(t *testing.T, c *Client) {
		start := time.Now()
		var callers sync.WaitGroup
		callers.Go(func() {
			if _, err := c.Write(t.Context(), change, nil); err == nil {
				t.Error("the write was not lost")
			}
		})
		synctest.Wait()
		if _, err := c.Read(t.Context(), question); err != nil || time.Since(start) != 500*time.Millisecond {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		callers.Wait()
	})
}

func TestSpareSessionsEndAndUsedOnesStay(t *testing.T) {
	p := &platform{}
	run(t, p, nil, func(t *testing.T, c *Client) {
		var both []*session
		for range 2 {
			s, err := c.pool.acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			both = append(both, s)
		}
		for _, s := range both {
			c.pool.release(s)
		}
		for range 30 {
			time.Sleep(30 * time.Second)
			if _, err := c.Read(t.Context(), question); err != nil {
				t.Fatal(err)
			}
		}
		if logins, logouts, open, _ := p.counts(); logins != 2 || logouts != 1 || open != 1 {
			t.Errorf("%d logins, %d logouts, %d connections", logins, logouts, open)
		}
	})
}

func TestClientProbesOnlyIdleSessions(t *testing.T) {
	const probe = "VerifySessionIsValidRequest"
	p := &platform{answer: func(p *platform, c *link, r asked) {
		if r.commands[0] == probe {
			time.Sleep(5 * time.Second)
		}
		wellAnswered(p, c, r)
	}}
	probes := func() (n int) {
		_, _, _, received := p.counts()
		for _, name := range received {
			if name == probe {
				n++
			}
		}
		return n
	}
	run(t, p, func(o *Options) { o.MinSessions = 1 }, func(t *testing.T, c *Client) {
		for range 5 {
			time.Sleep(40 * time.Second)
			if _, err := c.Read(t.Context(), question); err != nil {
				t.Fatal(err)
			}
		}
		if n := probes(); n != 0 {
			t.Errorf("%d probes of a session in use", n)
		}
		time.Sleep(63 * time.Second)
		if of := c.Stats().Endpoints[0]; probes() != 1 || of.Busy != 1 || of.Idle != 0 {
			t.Errorf("%d probes, stats during one: %+v", probes(), of)
		}
		time.Sleep(70 * time.Second)
		if n := probes(); n != 2 {
			t.Errorf("%d probes in the second minute", n)
		}
	})
}

func TestQueueLosesNoSession(t *testing.T) {
	run(t, &platform{answer: slowly(3 * time.Second)}, func(o *Options) { o.MaxSessions = 1 }, func(t *testing.T, c *Client) {
		s, err := c.pool.acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// Handed over at the moment at which the caller timed out.
		w := &waiter{ready: make(chan handover, 1)}
		w.ready <- handover{session: s}
		if got := c.pool.leaveQueue(w, ErrBusy); !errors.Is(got.err, ErrBusy) || got.session != nil {
			t.Errorf("got %+v", got)
		}
		if of := c.Stats().Endpoints[0]; of.Idle != 1 {
			t.Fatalf("stats: %+v", of)
		}
		var caller sync.WaitGroup
		caller.Go(func() {
			if _, err := c.Read(t.Context(), question); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := c.Write(ctx, change, nil); !errors.Is(err, ErrBusy) || !errors.Is(err, context.Canceled) || !NotDone(err) {
			t.Errorf("a caller who leaves the queue: %v", err)
		}
		caller.Wait()
	})
}

func TestTraceAndStats(t *testing.T) {
	var got []string
	note := func(format string, args ...any) { got = append(got, fmt.Sprintf(format, args...)) }
	p := &platform{answer: slowly(time.Second), dial: func(context.Context, string) error { time.Sleep(time.Second); return nil }}
	run(t, p, func(o *Options) {
		o.Trace = Trace{
			SessionTried:  func(endpoint string, took time.Duration, err error) { note("tried %s %v %v", endpoint, took, err) },
			SessionClosed: func(endpoint string, why CloseReason, err error) { note("closed %s %s %v", endpoint, why, err) },
			Waited:        func(took time.Duration, err error) { note("waited %v %v", took, err) },
			CommandDone: func(endpoint, command string, took time.Duration, reply Reply, err error) {
				note("done %s %s %v %s %v", endpoint, command, took, reply.Name(), err)
			},
		}
	}, func(t *testing.T, c *Client) {
		time.AfterFunc(time.Second/2, func() {
			want := Stats{Endpoints: []EndpointStats{{Name: "primary", Address: "primary:2208", Connecting: true}}, Waiting: 1, WaitingCallers: 1, MaxWaiting: 256, Max: 8}
			if diff := cmp.Diff(want, c.Stats(), ignoreDialect); diff != "" {
				t.Errorf("during a login (-want +got):\n%s", diff)
			}
		})
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Fatal(err)
		}
	})
	want := []string{
		"tried primary 1s <nil>", "waited 1s <nil>",
		"done primary SystemGetRequest 1s SuccessResponse <nil>", "closed primary shutdown <nil>",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
