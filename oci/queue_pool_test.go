package oci

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The queue as the callers of a client see it. Its laws are tested without a client, in
// simulated time: see queue_laws_test.go.

// guests are callers of a client with one session and a platform that needs a second for
// each command.
type guests struct {
	t       *testing.T
	c       *Client
	start   time.Time
	running sync.WaitGroup
	mu      sync.Mutex
	got     []string // who was served, in this order
	errs    map[string]error
	after   map[string]time.Duration // when they had an answer
}

func withGuests(t *testing.T, change func(*Options), test func(g *guests)) {
	t.Helper()
	run(t, &platform{answer: slowly(time.Second)}, func(o *Options) {
		o.MaxSessions = 1
		if change != nil {
			change(o)
		}
	}, func(t *testing.T, c *Client) {
		g := &guests{t: t, c: c, start: time.Now(), errs: map[string]error{}, after: map[string]time.Duration{}}
		test(g)
		g.running.Wait()
	})
}

// comes has a caller ask n questions, one after the other, and waits until the first one
// is sent or waits.
func (g *guests) comes(ctx context.Context, name string, questions ...int) {
	g.running.Go(func() {
		var err error
		for _, i := range questions {
			if _, err = g.c.Read(ctx, questionOf(i)); err != nil {
				break
			}
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.errs[name], g.after[name] = err, time.Since(g.start); err == nil {
			g.got = append(g.got, name)
		}
	})
	synctest.Wait()
}

func (g *guests) want(names ...string) {
	g.t.Helper()
	g.running.Wait()
	if diff := cmp.Diff(names, g.got); diff != "" {
		g.t.Errorf("served (-want +got):\n%s\nerrors: %v", diff, g.errs)
	}
}

// wantRefused checks the reason for which a caller was refused.
func (g *guests) wantRefused(name string, reason BusyReason) {
	g.t.Helper()
	_ = g.refused(name, reason)
}

// refused returns the refusal of a caller.
func (g *guests) refused(name string, reason BusyReason) *BusyError {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	busy, ok := errors.AsType[*BusyError](g.errs[name])
	if !ok || busy.Reason != reason || !errors.Is(busy, ErrBusy) || !NotDone(g.errs[name]) {
		g.t.Errorf("%s got %v", name, g.errs[name])
		return &BusyError{}
	}
	return busy
}

func as(ctx context.Context, r Request) context.Context { return WithRequest(ctx, r) }

func TestAWriteKeepsItsPlaceFromItsFirstCommandOn(t *testing.T) {
	withGuests(t, nil, func(g *guests) {
		ctx := g.t.Context()
		g.comes(as(ctx, Request{Caller: "a", Write: true}), "write", 1, 2, 3)
		g.comes(as(ctx, Request{Caller: "b"}), "read", 4)
		g.comes(as(ctx, Request{Caller: "c", Write: true}), "another write", 5, 6)
		g.comes(as(ctx, Request{Caller: "d", Urgent: true}), "reading", 7)
		// The session is given back before the caller has the reply, so others have it
		// between the commands of the write, but one each time.
		g.want("reading", "read", "write", "another write")
	})
}

func TestARequestThatHasBegunPrecedesOthersOfItsCaller(t *testing.T) {
	withGuests(t, nil, func(g *guests) {
		ctx := g.t.Context()
		g.comes(as(ctx, Request{Caller: "a"}), "first", 1, 2)
		g.comes(as(ctx, Request{Caller: "a"}), "second", 3)
		g.comes(as(ctx, Request{Caller: "a"}), "third", 4)
		g.comes(as(ctx, Request{Caller: "b"}), "other", 5)
		g.want("second", "other", "first", "third")
	})
}

func TestACallerWithFewRequestsIsServedBesideOneWithMany(t *testing.T) {
	withGuests(t, func(o *Options) { o.MaxWaiting = 4 }, func(g *guests) {
		ctx := g.t.Context()
		for i, name := range []string{"a1", "a2", "a3", "a4", "a5", "a6"} {
			g.comes(as(ctx, Request{Caller: "a"}), name, i)
		}
		if full := g.refused("a6", BusyFull); full.Waiting != 4 || full.RetryAfter != 0 {
			g.t.Errorf("the refusal: %+v", full)
		}
		g.comes(as(ctx, Request{Caller: "b"}), "b1", 10)
		g.wantRefused("a5", BusyDisplaced)
		if stats := g.c.Stats(); stats.Waiting != 4 || stats.WaitingCallers != 2 {
			g.t.Errorf("stats: %+v", stats)
		}
		g.want("a1", "a2", "b1", "a3", "a4")
	})
}

func TestARefusalIsOnlyForTheCallerWhoCausesIt(t *testing.T) {
	t.Run("with too many requests", func(t *testing.T) {
		withGuests(t, func(o *Options) { o.MaxWaiting = 3 }, func(g *guests) {
			ctx := g.t.Context()
			for i, name := range []string{"a1", "a2", "a3", "a4"} {
				g.comes(as(ctx, Request{Caller: "a"}), name, i)
			}
			g.comes(as(ctx, Request{Caller: "b"}), "shares the read of a4", 3)
			g.comes(as(ctx, Request{Caller: "c"}), "c", 10)
			g.running.Wait()
			g.wantRefused("a4", BusyDisplaced)
			if err := g.errs["shares the read of a4"]; err != nil {
				g.t.Error(err)
			}
		})
	})
	t.Run("with too little time", func(t *testing.T) {
		withGuests(t, nil, func(g *guests) {
			ctx := g.t.Context()
			g.comes(as(ctx, Request{Caller: "a"}), "1", 1)
			g.comes(as(ctx, Request{Caller: "a"}), "2", 2)
			short, cancel := context.WithTimeout(ctx, 2500*time.Millisecond)
			defer cancel()
			g.comes(as(short, Request{Caller: "a"}), "hasty", 3)
			g.comes(as(ctx, Request{Caller: "b"}), "patient", 3)
			g.running.Wait()
			g.wantRefused("hasty", BusyDeadline)
			if err := g.errs["patient"]; err != nil {
				g.t.Error(err)
			}
		})
	})
}

func TestACallerMayUseFewerSessionsThanThereAre(t *testing.T) {
	withGuests(t, func(o *Options) { o.MaxSessions = 4 }, func(g *guests) {
		ctx := g.t.Context()
		one := Request{Caller: "a", MaxSessions: 1}
		g.comes(ctx, "program", 0)
		g.comes(ctx, "program too", 1)
		g.running.Wait()
		for i, name := range []string{"a1", "a2"} {
			g.comes(as(ctx, one), name, 2+i)
		}
		stats := g.c.Stats()
		if of := stats.Endpoints[0]; of.Busy != 1 || of.Idle != 1 || stats.Waiting != 1 {
			g.t.Errorf("one command of a caller with one session: %+v", stats)
		}
		g.comes(as(ctx, Request{Caller: "b"}), "b", 4)
		one.MaxSessions = 2 // the settings have changed
		g.comes(as(ctx, one), "a3", 5)
		g.running.Wait()
		for name, want := range map[string]time.Duration{"a1": 2, "b": 2, "a2": 2, "a3": 3} {
			if want *= time.Second; g.after[name] != want {
				g.t.Errorf("%s was served after %v, want %v", name, g.after[name], want)
			}
		}
	})
}

func TestALimitedCallerGetsAnIdleSessionAfterTheirsHasBroken(t *testing.T) {
	p := &platform{answer: func(p *platform, c *link, r asked) {
		if r.commands[0] == change.Name() {
			time.Sleep(time.Second)
			_ = c.Close()
			return
		}
		slowly(time.Second)(p, c, r)
	}}
	run(t, p, func(o *Options) { o.MaxSessions = 3 }, func(t *testing.T, c *Client) {
		g := &guests{t: t, c: c, start: time.Now(), errs: map[string]error{}, after: map[string]time.Duration{}}
		ctx, one := t.Context(), Request{Caller: "a", MaxSessions: 1}
		g.comes(ctx, "program", 0)
		g.comes(ctx, "program too", 1)
		g.running.Wait()
		g.running.Go(func() {
			if _, err := c.Write(as(ctx, one), change, nil); err == nil {
				t.Error("the write was not lost")
			}
		})
		synctest.Wait()
		g.comes(as(ctx, one), "a", 2)
		g.running.Wait()
		// The idle session may be probed at that moment. Then another one is made, as for any caller who waits.
		if logins, _, _, _ := p.counts(); logins > 3 || g.after["a"] != 3*time.Second {
			t.Errorf("%d logins, served after %v", logins, g.after["a"])
		}
	})
}

func TestACallerWhoCannotBeServedInTimeIsRefusedAtOnce(t *testing.T) {
	withGuests(t, nil, func(g *guests) {
		ctx := g.t.Context()
		for i, name := range []string{"1", "2", "3", "4", "5"} {
			g.comes(as(ctx, Request{Caller: "a"}), name, i)
		}
		time.Sleep(2500 * time.Millisecond) // the session times are known now, and two wait
		short, cancel := context.WithTimeout(ctx, 1400*time.Millisecond)
		defer cancel()
		g.comes(as(short, Request{Caller: "a"}), "late", 10)
		if busy := g.refused("late", BusyDeadline); g.after["late"] != 2500*time.Millisecond || busy.RetryAfter != 2*time.Second {
			g.t.Errorf("after %v: %+v", g.after["late"], busy)
		}
		longer, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		g.comes(as(longer, Request{Caller: "a"}), "in time", 11)
		g.want("1", "2", "3", "4", "5", "in time")
	})
}

func TestTheNewestAreServedFirstIfCallersGiveUp(t *testing.T) {
	withGuests(t, nil, func(g *guests) {
		ctx, a := g.t.Context(), Request{Caller: "a"}
		g.comes(as(ctx, a), "1", 1)
		impatient, cancel := context.WithCancel(ctx) // so the queue does not know when
		time.AfterFunc(2500*time.Millisecond, cancel)
		for i, name := range []string{"2", "3", "4"} {
			g.comes(as(impatient, a), name, 2+i)
		}
		time.Sleep(2600 * time.Millisecond) // 2 was served, 3 gave up in service, 4 in the queue
		g.comes(as(ctx, a), "5", 5)
		g.comes(as(ctx, a), "6", 6)
		g.want("1", "2", "6", "5")
		g.wantRefused("4", BusyLeft)
	})
}

func TestTheTimeOfASessionIsThatOfItsCaller(t *testing.T) {
	used := map[string]time.Duration{}
	withGuests(t, func(o *Options) {
		o.Trace.SessionUsed = func(caller string, took time.Duration) { used[caller] += took }
	}, func(g *guests) {
		ctx := g.t.Context()
		g.comes(as(ctx, Request{Caller: "a"}), "a", 1, 2)
		g.comes(as(ctx, Request{Caller: "b"}), "b", 1) // shares neither
		g.comes(as(ctx, Request{Caller: "c"}), "c", 1) // shares that of b
		g.comes(ctx, "program", 3)
		g.running.Wait()
		want := map[string]time.Duration{"a": 2 * time.Second, "b": time.Second, "": time.Second}
		if diff := cmp.Diff(want, used); diff != "" {
			g.t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// A caller at the limit of sessions does not wait for the next check of the pool when the session
// has broken.
func TestALimitedCallerGetsANewSessionAfterTheirsHasBroken(t *testing.T) {
	p := &platform{answer: func(p *platform, c *link, r asked) {
		if r.commands[0] == change.Name() {
			time.Sleep(100 * time.Millisecond)
			_ = c.Close()
			return
		}
		wellAnswered(p, c, r)
	}}
	run(t, p, nil, func(t *testing.T, c *Client) {
		time.Sleep(beside)
		g := &guests{t: t, c: c, start: time.Now(), errs: map[string]error{}, after: map[string]time.Duration{}}
		one := as(t.Context(), Request{Caller: "a", MaxSessions: 1})
		g.running.Go(func() {
			if _, err := c.Write(one, change, nil); err == nil {
				t.Error("the write was not lost")
			}
		})
		synctest.Wait()
		g.comes(as(t.Context(), Request{Caller: "a", MaxSessions: 1}), "a", 1)
		g.running.Wait()
		if g.errs["a"] != nil || g.after["a"] != 100*time.Millisecond {
			t.Errorf("served after %v: %v", g.after["a"], g.errs["a"])
		}
	})
}

// A write whose check was the same read as that of another caller has begun as well.
func TestAWriteKeepsItsPlaceAlsoAfterACheckThatWasShared(t *testing.T) {
	withGuests(t, nil, func(g *guests) {
		ctx := g.t.Context()
		g.comes(ctx, "program", 0)
		g.comes(as(ctx, Request{Caller: "a"}), "check", 1)
		g.comes(as(ctx, Request{Caller: "b", Write: true}), "write", 1, 2)
		g.comes(as(ctx, Request{Caller: "c"}), "c", 3)
		g.comes(as(ctx, Request{Caller: "d"}), "d", 4)
		g.want("program", "check", "c", "write", "d")
	})
}
