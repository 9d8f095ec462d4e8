package oci

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What the end of one session means for the others of its endpoint: they are probed before
// a caller gets them. To write a test, make a registry, which is a platform that can log its
// sessions out, close their connections or stop to answer, and count its probes.

// registry is a platform that knows which connections are logged in.
type registry struct {
	platform
	takes  time.Duration    // for a reply, except to logins
	in     map[*link]string // the session ids of the connections; guarded by platform.mu
	frozen atomic.Bool      // it does not answer
	probes atomic.Int64
}

func newRegistry() *registry {
	g := &registry{takes: time.Millisecond, in: map[*link]string{}}
	g.answer = g.handle
	return g
}

func (g *registry) handle(p *platform, c *link, r asked) {
	if r.commands[0] == validityCommand {
		g.probes.Add(1)
	}
	if g.frozen.Load() {
		return
	}
	switch r.commands[0] {
	case "AuthenticationRequest":
		wellAnswered(p, c, r)
		return
	case "LoginRequest14sp4":
		g.mu.Lock()
		g.in[c] = r.session
		g.mu.Unlock()
		wellAnswered(p, c, r)
		return
	}
	time.Sleep(g.takes)
	g.mu.Lock()
	_, in := g.in[c]
	g.mu.Unlock()
	switch {
	case g.frozen.Load():
	case in:
		wellAnswered(p, c, r)
	default:
		c.refuse(r, 4006)
	}
}

// end ends all sessions in that way.
func (g *registry) end(how func(c *link)) {
	g.mu.Lock()
	were := make([]*link, 0, len(g.in))
	for c := range g.in {
		were = append(were, c)
	}
	clear(g.in)
	g.mu.Unlock()
	for _, c := range were {
		go how(c)
	}
}

// endings are the ways in which a platform ends sessions.
var endings = map[string]func(c *link){
	"without a sign":      func(*link) {},
	"by a forced logout":  (*link).logout,
	"by its connections":  func(c *link) { _ = c.Close() },
	"by some of each way": nil,
}

func endingOf(name string) func(c *link) {
	how := endings[name]
	if how != nil {
		return how
	}
	var n atomic.Int64
	return func(c *link) {
		switch n.Add(1) % 3 {
		case 0:
			c.logout()
		case 1:
			_ = c.Close()
		}
	}
}

// fill makes n sessions, which are idle afterwards.
func fill(t *testing.T, c *Client, n int) {
	t.Helper()
	var held []*session
	for range n {
		s, err := c.pool.acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, s)
	}
	for _, s := range held {
		c.pool.release(s)
	}
	time.Sleep(time.Second)
}

func TestNoReadIsLostWhenAllSessionsAreLoggedOutAgainAndAgain(t *testing.T) {
	for name := range endings {
		t.Run(name, func(t *testing.T) {
			g := newRegistry()
			g.takes = 40 * time.Millisecond // so that six sessions are in use
			how := endingOf(name)
			run(t, &g.platform, nil, func(t *testing.T, c *Client) {
				var callers sync.WaitGroup
				var failed atomic.Int64
				for i := range 150 * 20 { // 150 in a second, for 20 s
					if i%300 == 299 {
						g.end(how)
					}
					callers.Go(func() {
						ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
						defer cancel()
						if _, err := c.Read(ctx, questionOf(i)); err != nil {
							if failed.Add(1) == 1 {
								t.Errorf("read %d: %v", i, err)
							}
						}
					})
					time.Sleep(time.Second / 150)
				}
				callers.Wait()
				if n := failed.Load(); n > 0 {
					t.Errorf("%d reads failed", n)
				}
			})
		})
	}
}

func TestAfterOneTimeoutNoOtherCallerWaitsForASilentSession(t *testing.T) {
	primary := newRegistry()
	backup := &platform{}
	run(t, &primary.platform, func(o *Options) {
		o.Endpoints = append(o.Endpoints, Endpoint{Name: "backup", Address: "backup:2208", UserID: "gate", Password: "secret"})
		o.Dial = dialBoth(&primary.platform, backup)
		o.MaxSessions, o.ConnectTimeout, o.LoginTimeout = 6, time.Second, time.Second
	}, func(t *testing.T, c *Client) {
		defer backup.serving.Wait()
		fill(t, c, 5)
		primary.frozen.Store(true)
		if _, err := c.Read(t.Context(), question); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("the first read: %v", err)
		}
		var callers sync.WaitGroup
		start := time.Now()
		for i := range 6 {
			callers.Go(func() {
				replies, err := c.Read(t.Context(), questionOf(i))
				if took := time.Since(start); err != nil || replies[0].Endpoint() != "backup" || took > 3*time.Second {
					t.Errorf("another read: %v, %v after %v", replies, err, took)
				}
			})
		}
		callers.Wait()
		time.Sleep(2 * time.Second) // until the probes have ended
		if n := primary.probes.Load(); n != 4 {
			t.Errorf("%d probes of 4 idle sessions", n)
		}
		if e := c.Stats().Endpoints[0]; !e.InBackoff || e.Up || e.Idle+e.Busy != 0 {
			t.Errorf("the silent endpoint: %+v", e)
		}
	})
}

// dialBoth connects to the backup if its address says so, and else to the primary.
func dialBoth(primary, backup *platform) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == "backup:2208" {
			return backup.Dial(ctx, network, address)
		}
		return primary.Dial(ctx, network, address)
	}
}

func TestATimeoutOfOneCommandCostsAPlatformThatWorksNoOtherSession(t *testing.T) {
	const slow, slower = "UserGetRequest22", "GroupGetListInSystemRequest"
	g := newRegistry()
	g.answer = func(p *platform, c *link, r asked) {
		switch r.commands[0] {
		case slow:
			time.Sleep(15 * time.Second)
		case slower:
			time.Sleep(time.Minute)
		}
		g.handle(p, c, r)
	}
	run(t, &g.platform, func(o *Options) { o.MaxSessions = 4 }, func(t *testing.T, c *Client) {
		fill(t, c, 4)
		var beside sync.WaitGroup
		beside.Go(func() { // in use during the timeout, it keeps its own
			time.Sleep(10 * time.Second)
			if _, err := c.Read(t.Context(), NewRead(slow)); err != nil {
				t.Errorf("a read at the same time: %v", err)
			}
		})
		if _, err := c.Read(t.Context(), NewRead(slower)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the slow read: %v", err)
		}
		beside.Wait()
		logins, _, open, _ := g.counts()
		e := c.Stats().Endpoints[0]
		if logins != 4 || open != 4 || g.probes.Load() != 2 || e.Idle != 3 || e.InBackoff || !e.Up {
			t.Errorf("%d logins, %d connections, %d probes, %+v", logins, open, g.probes.Load(), e)
		}
	})
}

func TestASlowSessionThatAnswersAtLastEndsTheBackoffOfASilentEndpoint(t *testing.T) {
	const slow = "UserGetRequest22"
	g := newRegistry()
	g.answer = func(p *platform, c *link, r asked) {
		if r.commands[0] == slow {
			time.Sleep(15 * time.Second)
			g.frozen.Store(false)
		}
		g.handle(p, c, r)
	}
	run(t, &g.platform, func(o *Options) { o.MaxSessions, o.BackoffInitial = 3, time.Minute }, func(t *testing.T, c *Client) {
		fill(t, c, 3)
		g.frozen.Store(true)
		var beside sync.WaitGroup
		beside.Go(func() {
			time.Sleep(10 * time.Second)
			if _, err := c.Read(t.Context(), NewRead(slow)); err != nil {
				t.Errorf("a read at the same time: %v", err)
			}
		})
		_, _ = c.Read(t.Context(), question)
		time.Sleep(3 * time.Second) // the probe of the third session
		if e := c.Stats().Endpoints[0]; !e.InBackoff || e.Busy != 1 || e.Idle != 0 {
			t.Errorf("while no session answers: %+v", e)
		}
		beside.Wait()
		if e := c.Stats().Endpoints[0]; e.InBackoff || !e.Up || e.Idle != 1 {
			t.Errorf("after an answer: %+v", e)
		}
	})
}

// One event costs each session one probe, besides the one with which each caller who was
// refused finds out why.
func TestOneEventCostsEachSessionOneProbe(t *testing.T) {
	g := newRegistry()
	run(t, &g.platform, func(o *Options) { o.MaxSessions = 8 }, func(t *testing.T, c *Client) {
		fill(t, c, 8)
		g.end(endings["without a sign"])
		time.Sleep(time.Second)
		var callers sync.WaitGroup
		for i := range 3 {
			callers.Go(func() {
				if _, err := c.Read(t.Context(), questionOf(i)); err != nil {
					t.Errorf("got %v", err)
				}
			})
		}
		callers.Wait()
		time.Sleep(time.Second)
		if n := g.probes.Load(); n != 8 {
			t.Errorf("%d probes of 8 sessions", n)
		}
		if e := c.Stats().Endpoints[0]; e.Busy != 0 || e.InBackoff {
			t.Errorf("%+v", e)
		}
	})
}

// A session that was reserved during the event, and released without a reply, has proved
// nothing.
func TestASuspectSessionThatIsReleasedWithoutAReplyIsProbed(t *testing.T) {
	g := newRegistry()
	run(t, &g.platform, func(o *Options) { o.MaxSessions = 2 }, func(t *testing.T, c *Client) {
		fill(t, c, 2)
		canceled := errors.New("canceled")
		_, err := c.Write(t.Context(), change, func(string) error {
			g.end(endings["without a sign"])
			if _, err := c.Read(t.Context(), question); err != nil {
				t.Errorf("a read over the other session: %v", err)
			}
			time.Sleep(time.Second)
			return canceled
		})
		if !errors.Is(err, canceled) {
			t.Errorf("the write: %v", err)
		}
		calls := 0
		if reply, err := c.Write(t.Context(), change, func(string) error { calls++; return nil }); err != nil || reply.Err() != nil || calls != 1 {
			t.Errorf("the next write: %v, %v after %d tries", reply.Err(), err, calls)
		}
	})
}

// What the client ends itself, and a reply that is refused, says nothing about the others.
func TestNothingIsProbedWithoutASymptom(t *testing.T) {
	g := newRegistry()
	spoil := faults["a foreign session id"]
	g.answer = func(p *platform, c *link, r asked) {
		if r.commands[0] == question.Name() {
			spoil(p, c, r)
			return
		}
		g.handle(p, c, r)
	}
	run(t, &g.platform, func(o *Options) { o.MaxSessions, o.IdleTimeout = 4, 10*time.Second }, func(t *testing.T, c *Client) {
		fill(t, c, 4)
		if _, err := c.Read(t.Context(), question); err == nil {
			t.Error("a foreign reply was accepted")
		}
		time.Sleep(20 * time.Second)
		if n, e := g.probes.Load(), c.Stats().Endpoints[0]; n != 0 || e.Idle != 0 {
			t.Errorf("%d probes, %+v", n, e)
		}
	})
}

func TestTheEndOfASessionNamesTheCommandThatHadNoReply(t *testing.T) {
	for name, test := range map[string]struct {
		fault func(p *platform, c *link, r asked)
		want  string
	}{
		"a timeout":           {stalled, "no answer within 20s, during SystemModifyRequest"},
		"a closed connection": {faults["a closed connection"], "the platform closed the connection, during SystemModifyRequest"},
		"a foreign reply":     {faults["a foreign session id"], "oci: not an OCI-P answer: the reply belongs to another session, during SystemModifyRequest"},
		"none": {func(_ *platform, c *link, r asked) {
			c.reply(r, "c:SuccessResponse", "")
			time.Sleep(time.Millisecond)
			c.logout()
		}, `oci: the platform logged the session out: "Server Connection Failure"`},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var ended []string
			p := &platform{answer: func(p *platform, c *link, r asked) {
				if r.commands[0] == change.Name() {
					test.fault(p, c, r)
					return
				}
				wellAnswered(p, c, r)
			}}
			run(t, p, func(o *Options) {
				o.Trace.SessionClosed = func(_ string, _ CloseReason, err error) {
					mu.Lock()
					defer mu.Unlock()
					if err != nil {
						ended = append(ended, err.Error())
					}
				}
			}, func(t *testing.T, c *Client) {
				_, _ = c.Write(t.Context(), change, nil)
				time.Sleep(time.Second)
			})
			if diff := cmp.Diff([]string{test.want}, ended); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The platform refuses a command, and ends the session before the client knows why.
func TestARefusedReadIsRepeatedIfItsSessionThenEnds(t *testing.T) {
	for name, test := range map[string]struct {
		every    bool // session ends so; else only the first one
		write    bool
		received int
		refused  bool
	}{
		"a read":             {received: 2},
		"a read, each time":  {every: true, received: 2, refused: true},
		"a write":            {write: true, received: 1, refused: true},
		"a write, each time": {write: true, every: true, received: 1, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := &platform{}
			p.answer = func(p *platform, c *link, r asked) {
				p.mu.Lock()
				bad := test.every || p.logins == 1
				p.mu.Unlock()
				switch {
				case bad && r.commands[0] == validityCommand:
					_ = c.Close()
				case bad && (r.commands[0] == question.Name() || r.commands[0] == change.Name()):
					c.refuse(r, 4006)
				default:
					wellAnswered(p, c, r)
				}
			}
			run(t, p, nil, func(t *testing.T, c *Client) {
				var reply Reply
				var err error
				if test.write {
					reply, err = c.Write(t.Context(), change, nil)
				} else {
					var replies []Reply
					if replies, err = c.Read(t.Context(), question); err == nil {
						reply = replies[0]
					}
				}
				if err != nil || (reply.Err() != nil) != test.refused {
					t.Errorf("got %v, %v", reply.Err(), err)
				}
				_, _, _, received := p.counts()
				received = slices.DeleteFunc(received, func(name string) bool { return name == validityCommand })
				if len(received) != test.received {
					t.Errorf("the platform received %v", received)
				}
			})
		})
	}
}

// A platform that refuses everything for a time says nothing about its sessions.
func TestATemporaryRefusalMakesNoSessionSuspect(t *testing.T) {
	var busy atomic.Bool
	g := newRegistry()
	g.answer = func(p *platform, c *link, r asked) {
		if busy.Load() {
			if r.commands[0] == validityCommand {
				g.probes.Add(1)
			}
			c.refuse(r, 4999)
			return
		}
		g.handle(p, c, r)
	}
	run(t, &g.platform, func(o *Options) {
		o.MaxSessions = 4
		o.Temporary = func(e *ErrorReply) bool { return e.Number == 4999 }
	}, func(t *testing.T, c *Client) {
		fill(t, c, 4)
		busy.Store(true)
		_, _ = c.Write(t.Context(), change, func(string) error { return nil })
		time.Sleep(time.Second)
		busy.Store(false)
		if n, e := g.probes.Load(), c.Stats().Endpoints[0]; n > 3 || e.Idle == 0 {
			t.Errorf("%d probes, %+v", n, e)
		}
	})
}
