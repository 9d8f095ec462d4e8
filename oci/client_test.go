package oci

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
)

// ignoreDialect leaves out what the tests of the dialect and of the health of
// endpoints are about.
var ignoreDialect = cmpopts.IgnoreFields(EndpointStats{}, "Dialect", "Up", "LastTried", "LastError")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// platform is a scripted peer: it answers what a test tells it to, over pipes,
// so that time can be the test's own. The full simulation is package ocisim.
type platform struct {
	// answer handles one request; nil stands for wellAnswered.
	answer func(p *platform, c *link, r asked)
	// dial may fail or take its time.
	dial func(ctx context.Context, address string) error

	mu       sync.Mutex
	received []string // command names, without those of logging in and out
	dialed   []string
	logins   int
	logouts  int
	open     int
	serving  sync.WaitGroup
}

// asked is a request as the peer reads it.
type asked struct {
	session, tracking string
	commands          []string
	echoes            []string
}

// link is the peer's end of a connection.
type link struct{ net.Conn }

var (
	sessionPattern  = regexp.MustCompile(`<sessionId xmlns="">([^<]*)</sessionId>`)
	trackingPattern = regexp.MustCompile(`<trackingId xmlns="">([^<]*)</trackingId>`)
	commandPattern  = regexp.MustCompile(`<command xsi:type="([^"]*)" xmlns=""(?: echo="([^"]*)")?`)
)

func (p *platform) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	p.mu.Lock()
	p.dialed = append(p.dialed, address)
	p.mu.Unlock()
	if p.dial != nil {
		if err := p.dial(ctx, address); err != nil {
			return nil, err
		}
	}
	ours, theirs := net.Pipe()
	p.mu.Lock()
	p.open++
	p.mu.Unlock()
	p.serving.Go(func() { p.serve(&link{theirs}) })
	return ours, nil
}

func (p *platform) serve(c *link) {
	defer func() {
		_ = c.Close()
		p.mu.Lock()
		p.open--
		p.mu.Unlock()
	}()
	var buffer []byte
	chunk := make([]byte, 4096)
	for {
		n, err := c.Read(chunk)
		if err != nil {
			return
		}
		buffer = append(buffer, chunk[:n]...)
		document, rest, whole := bytes.Cut(buffer, []byte("</BroadsoftDocument>"))
		if !whole {
			continue
		}
		buffer = bytes.Clone(rest)
		p.handle(c, read(document))
	}
}

func read(document []byte) asked {
	first := func(pattern *regexp.Regexp) string {
		if m := pattern.FindSubmatch(document); m != nil {
			return string(m[1])
		}
		return ""
	}
	r := asked{session: first(sessionPattern), tracking: first(trackingPattern)}
	for _, m := range commandPattern.FindAllSubmatch(document, -1) {
		r.commands = append(r.commands, string(m[1]))
		r.echoes = append(r.echoes, string(m[2]))
	}
	return r
}

func (p *platform) handle(c *link, r asked) {
	p.mu.Lock()
	switch r.commands[0] {
	case "AuthenticationRequest":
	case "LoginRequest14sp4", "LoginRequest22V5", "LoginRequest22V2":
		p.logins++
	case "LogoutRequest":
		p.logouts++
	default:
		p.received = append(p.received, r.commands...)
	}
	answer := p.answer
	p.mu.Unlock()
	if answer == nil {
		answer = wellAnswered
	}
	answer(p, c, r)
}

// wellAnswered is what a platform without faults does.
func wellAnswered(_ *platform, c *link, r asked) {
	switch r.commands[0] {
	case "AuthenticationRequest":
		c.say(r, `AuthenticationResponse`, `<userId>gate</userId><nonce>1493661742798</nonce><passwordAlgorithm>MD5</passwordAlgorithm>`)
	case "LoginRequest14sp4":
		c.say(r, `LoginResponse14sp4`, `<loginType>System</loginType><locale>en_US</locale><encoding>ISO-8859-1</encoding><isEnterprise>false</isEnterprise>`)
	case "LogoutRequest":
	default:
		c.say(r, "c:SuccessResponse", "")
	}
}

// say answers every command of the request alike.
func (c *link) say(r asked, name, children string) {
	var b strings.Builder
	for _, echo := range r.echoes {
		fmt.Fprintf(&b, `<command type="Error" echo=%q xsi:type=%q xmlns:c="C" xmlns="">%s</command>`, echo, name, children)
	}
	c.write(r.session, r.tracking, b.String())
}

func (c *link) refuse(r asked, number int) {
	c.say(r, "c:ErrorResponse", fmt.Sprintf("<summary>[Error %d] no</summary><summaryEnglish/>", number))
}

func (c *link) write(session, tracking, commands string) {
	if tracking != "" {
		tracking = `<trackingId xmlns="">` + tracking + `</trackingId>`
	}
	// The other side may have gone; then there is nobody to answer.
	_, _ = fmt.Fprintf(c, `<?xml version="1.0" encoding="ISO-8859-1"?>`+"\n"+
		`<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">`+
		`<sessionId xmlns="">%s</sessionId>%s%s</BroadsoftDocument>`+"\n", session, tracking, commands)
}

func (p *platform) counts() (logins, logouts, open int, received []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.logins, p.logouts, p.open, append([]string(nil), p.received...)
}

// run is a test in a bubble of its own time, with a client that is closed at
// the end.
func run(t *testing.T, p *platform, change func(*Options), test func(t *testing.T, c *Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		options := Options{
			Release:   24, // not detected, so that every command is a test's own
			Endpoints: []Endpoint{{Name: "primary", Address: "primary:2208", UserID: "gate", Password: "secret"}},
			Dial:      p.Dial,
			Jitter:    -1,

			ProbeUnusedInterval: -1, // so that every connection is a test's own
		}
		if change != nil {
			change(&options)
		}
		c, err := New(options)
		if err != nil {
			t.Fatal(err)
		}
		test(t, c)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
		if left := c.reads.latest; len(left) != 0 {
			t.Errorf("%d reads are left behind", len(left))
		}
		p.serving.Wait()
	})
}

var (
	question = NewRead("SystemGetRequest")
	change   = NewWrite("SystemModifyRequest")
)

// questionOf is the question about one of many things, so that it is not
// joined with the one about another.
func questionOf(i int) Read {
	return NewRead(question.Name(), Text("systemId", strconv.Itoa(i)))
}

func TestClientLogsInOnceAndKeepsTheSession(t *testing.T) {
	p := &platform{}
	run(t, p, nil, func(t *testing.T, c *Client) {
		for range 3 {
			replies, err := c.Read(WithTrackingID(t.Context(), "t-1"), question, question)
			if err != nil || len(replies) != 2 {
				t.Fatalf("got %v, %v", replies, err)
			}
		}
		if _, err := c.Write(t.Context(), change, nil); err != nil {
			t.Fatal(err)
		}
		logins, _, _, received := p.counts()
		if logins != 1 || len(received) != 7 {
			t.Errorf("%d logins, received %v", logins, received)
		}
	})
	if _, logouts, open, _ := p.counts(); logouts != 1 || open != 0 {
		t.Errorf("after Close: %d logouts, %d connections", logouts, open)
	}
}

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

func TestClientGivesAnAbandonedLoginToTheNext(t *testing.T) {
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
				t.Errorf("the one who left: %v", err)
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
						t.Errorf("the platform's words are lost: %v", err)
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
				time.Sleep(105*time.Second + 500*time.Millisecond) // between two tries: these are made at whole seconds
				// A few at once, then after pauses of 1, 2, 4, 8 and 16 s, then of 30.
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

func TestClientSparesAnAccountThatWasRefusedElsewhere(t *testing.T) {
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
		want := []EndpointStats{{Name: "primary", InBackoff: true}, {Name: "secondary", Idle: 1}}
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
		want = []EndpointStats{{Name: "primary", Idle: 1}, {Name: "secondary"}}
		if diff := cmp.Diff(want, c.Stats().Endpoints, ignoreDialect); diff != "" {
			t.Errorf("back on the primary (-want +got):\n%s", diff)
		}
	})
}

func TestClientNoticesTheEndOfAnIdleSession(t *testing.T) {
	for name, end := range map[string]func(c *link){
		"closed":        func(c *link) { _ = c.Close() },
		"forced logout": func(c *link) { c.logout() },
		"garbage":       func(c *link) { _, _ = c.Write([]byte("x")) },
		"half a word":   func(c *link) { _, _ = c.Write([]byte("<a>")) },
	} {
		t.Run(name, func(t *testing.T) {
			var last *link
			p := &platform{}
			p.answer = func(p *platform, c *link, r asked) { last = c; wellAnswered(p, c, r) }
			why := make(chan error, 10)
			run(t, p, func(o *Options) {
				o.Trace.SessionClosed = func(_ string, reason CloseReason, err error) {
					if reason == ClosedBroken {
						why <- err
					}
				}
			}, func(t *testing.T, c *Client) {
				if _, err := c.Read(t.Context(), question); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				end(last)
				time.Sleep(2 * unsolicitedTimeout)
				if stats := c.Stats(); stats.Endpoints[0].Idle != 0 {
					t.Errorf("stats: %+v", stats)
				}
				if _, err := c.Write(t.Context(), change, nil); err != nil {
					t.Errorf("a write after it: %v", err)
				}
				reason := <-why
				if len(why) != 0 || reason == nil {
					t.Errorf("the reason is %v, and there are %d more", reason, len(why))
				}
				if forced, ok := errors.AsType[*ForcedLogoutError](reason); ok != (name == "forced logout") || ok && forced.Reason != "Server Connection Failure" {
					t.Errorf("the reason is %v", reason)
				}
			})
		})
	}
}

// logout is the platform's own end of a session.
func (c *link) logout() {
	c.write("any", "", `<command xsi:type="LogoutRequest" xmlns=""><userId>gate</userId><reason>Server Connection Failure</reason></command>`)
}

func TestClientTakesNoLateNewlineForAWord(t *testing.T) {
	p := &platform{answer: func(p *platform, c *link, r asked) {
		wellAnswered(p, c, r)
		time.Sleep(time.Second)
		_, _ = c.Write([]byte("\n \r\n"))
	}}
	run(t, p, nil, func(t *testing.T, c *Client) {
		for range 3 {
			if _, err := c.Read(t.Context(), question); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Second)
		}
		if logins, _, _, _ := p.counts(); logins != 1 {
			t.Errorf("%d logins", logins)
		}
	})
}

// faults are ways to spoil the answer to the command under test.
var faults = map[string]func(p *platform, c *link, r asked){
	"a closed connection": func(_ *platform, c *link, _ asked) { _ = c.Close() },
	"half an answer": func(_ *platform, c *link, _ asked) {
		_, _ = c.Write([]byte(`<?xml version="1.0"?><BroadsoftDocument protocol="OCI"`))
		_ = c.Close()
	},
	"a foreign session id": func(p *platform, c *link, r asked) { r.session = "other"; wellAnswered(p, c, r) },
	"a foreign echo":       func(p *platform, c *link, r asked) { r.echoes[0] = "0"; wellAnswered(p, c, r) },
	"a foreign tracking id": func(p *platform, c *link, r asked) {
		r.tracking = "other"
		wellAnswered(p, c, r)
	},
	"garbage":         func(_ *platform, c *link, _ asked) { _, _ = c.Write([]byte("?!")) },
	"a forced logout": func(_ *platform, c *link, _ asked) { c.logout() },
}

func TestClientRepeatsAReadOnceAndAWriteNever(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			times := 1
			p := &platform{}
			p.answer = func(p *platform, c *link, r asked) {
				p.mu.Lock()
				spoil := times > 0 && (r.commands[0] == question.Name() || r.commands[0] == change.Name())
				if spoil {
					times--
				}
				p.mu.Unlock()
				if spoil {
					fault(p, c, r)
					return
				}
				wellAnswered(p, c, r)
			}
			traced := func(o *Options) {
				o.Trace.CommandDone = func(_, command string, _ time.Duration, reply Reply, err error) {
					if (err == nil) != (reply.Name() != "") {
						t.Errorf("%s came to %v and %v", command, reply, err)
					}
				}
			}
			run(t, p, traced, func(t *testing.T, c *Client) {
				if _, err := c.Read(t.Context(), question); err != nil {
					t.Errorf("a read whose first answer is lost: %v", err)
				}
				spoilNext := func(n int) { p.mu.Lock(); times = n; p.received = nil; p.mu.Unlock() }
				spoilNext(2)
				if _, err := c.Read(t.Context(), question); err == nil || NotDone(err) {
					t.Errorf("a read whose answers are lost twice: %v", err)
				}
				spoilNext(1)
				_, err := c.Write(t.Context(), change, nil)
				if lost, ok := errors.AsType[*LostError](err); !ok || lost.Endpoint != "primary" || NotDone(err) {
					t.Errorf("a write whose answer is lost: %v", err)
				}
				if _, _, _, received := p.counts(); len(received) != 1 {
					t.Errorf("the platform received %v", received)
				}
			})
		})
	}
}

func TestClientTrustsNothingBehindAnAnswer(t *testing.T) {
	p := &platform{answer: func(p *platform, c *link, r asked) {
		if r.commands[0] != question.Name() {
			wellAnswered(p, c, r)
			return
		}
		one, _ := net.Pipe()
		_ = one.Close()
		var both bytes.Buffer
		twice := &link{&recorder{Conn: one, to: &both}}
		wellAnswered(p, twice, r)
		wellAnswered(p, twice, r)
		_, _ = c.Write(both.Bytes())
	}}
	run(t, p, nil, func(t *testing.T, c *Client) {
		for range 2 {
			if _, err := c.Read(t.Context(), question); err != nil {
				t.Fatal(err)
			}
		}
		if logins, _, _, _ := p.counts(); logins != 2 {
			t.Errorf("%d logins: a session with a spare answer was used again", logins)
		}
	})
}

type recorder struct {
	net.Conn
	to *bytes.Buffer
}

func (r *recorder) Write(b []byte) (int, error) { return r.to.Write(b) }

func TestClientGivesUpOnAStalledPlatform(t *testing.T) {
	p := &platform{answer: func(p *platform, c *link, r asked) {
		if r.commands[0] != question.Name() && r.commands[0] != change.Name() {
			wellAnswered(p, c, r)
		}
	}}
	run(t, p, func(o *Options) { o.CommandTimeout = 5 * time.Second }, func(t *testing.T, c *Client) {
		start := time.Now()
		_, err := c.Read(t.Context(), question)
		if !errors.Is(err, context.DeadlineExceeded) || NotDone(err) || time.Since(start) != 5*time.Second {
			t.Errorf("a read: %v after %v", err, time.Since(start))
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err = c.Write(ctx, change, nil)
		if !errors.Is(err, context.DeadlineExceeded) || NotDone(err) {
			t.Errorf("a write whose caller leaves: %v", err)
		}
		_, err = c.Write(ctx, change, nil)
		if !errors.Is(err, context.Canceled) || !NotDone(err) {
			t.Errorf("a write whose caller left before: %v", err)
		}
		if _, _, _, received := p.counts(); len(received) != 2 {
			t.Errorf("the platform received %v", received)
		}
	})
}

func TestClientKeepsTheSessionOfACallerWhoLeaves(t *testing.T) {
	p := &platform{answer: func(p *platform, c *link, r asked) {
		if r.commands[0] == question.Name() {
			time.Sleep(3 * time.Second)
		}
		wellAnswered(p, c, r)
	}}
	run(t, p, func(o *Options) { o.MaxSessions = 1 }, func(t *testing.T, c *Client) {
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := c.Read(ctx, question)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) || NotDone(err) {
				t.Errorf("the one who leaves: %v", err)
			}
			if stats := c.Stats(); stats.Endpoints[0].Busy != 1 {
				t.Errorf("before the answer: %+v", stats)
			}
			time.Sleep(2500 * time.Millisecond)
			if stats := c.Stats(); stats.Endpoints[0].Idle != 1 {
				t.Errorf("after the answer: %+v", stats)
			}
		}
		if logins, _, _, received := p.counts(); logins != 1 || len(received) != 3 {
			t.Errorf("%d logins, received %v", logins, received)
		}
	})
}

func TestClientAsksWhetherARefusalIsDueToTheSession(t *testing.T) {
	forgotten, forgot := map[*link]bool{}, false
	p := &platform{}
	p.answer = func(p *platform, c *link, r asked) {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch {
		case forgotten[c] && r.commands[0] != "LogoutRequest":
			c.refuse(r, 1)
		case r.commands[0] == "SystemForgetRequest" && !forgot:
			forgot, forgotten[c] = true, true
			c.refuse(r, 1)
		case r.commands[0] == "SystemRefuseRequest":
			c.refuse(r, 2)
		case r.commands[0] == "SystemRefuseThenForgetRequest":
			forgotten[c] = true
			c.refuse(r, 2)
		default:
			wellAnswered(p, c, r)
		}
	}
	run(t, p, nil, func(t *testing.T, c *Client) {
		replies, err := c.Read(t.Context(), NewRead("SystemRefuseRequest"))
		if err != nil || replies[0].Err() == nil {
			t.Errorf("an ordinary refusal: %v, %v", replies, err)
		}
		if logins, _, _, _ := p.counts(); logins != 1 {
			t.Errorf("%d logins after an ordinary refusal", logins)
		}
		reply, err := c.Write(t.Context(), NewWrite("SystemRefuseThenForgetRequest"), nil)
		if refused, ok := errors.AsType[*ErrorReply](reply.Err()); err != nil || !ok || refused.Number != 2 {
			t.Errorf("a refusal of another kind, before the session was forgotten: %v, %v", reply, err)
		}
		reply, err = c.Write(t.Context(), NewWrite("SystemForgetRequest"), nil)
		if err != nil || reply.Err() != nil {
			t.Errorf("a write on a forgotten session, which another takes: %v, %v", reply.Err(), err)
		}
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Errorf("a read after it: %v", err)
		}
		if logins, _, _, _ := p.counts(); logins != 3 {
			t.Errorf("%d logins", logins)
		}
	})
}

func TestClientBelievesARefusalUnlikeTheOneOfAForgottenSession(t *testing.T) {
	for name, refusal := range map[string]string{
		"of another number":  "<errorCode>2</errorCode><summary>[Error 1] no</summary><summaryEnglish/>",
		"of another summary": "<summary>[Error 1] other</summary><summaryEnglish/>",
	} {
		t.Run(name, func(t *testing.T) {
			forgetting := &platform{answer: func(p *platform, c *link, r asked) {
				switch r.commands[0] {
				case change.Name():
					c.say(r, "c:ErrorResponse", refusal)
				case "VerifySessionIsValidRequest":
					c.refuse(r, 1)
				default:
					wellAnswered(p, c, r)
				}
			}}
			run(t, forgetting, nil, func(t *testing.T, c *Client) {
				reply, err := c.Write(t.Context(), change, nil)
				if refused, ok := errors.AsType[*ErrorReply](reply.Err()); err != nil || !ok || refused.Command != change.Name() {
					t.Errorf("got %v, %v", reply.Err(), err)
				}
			})
		})
	}
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

func TestCloseWaitsForCommandsUnderWayThenCutsThemOff(t *testing.T) {
	for name, test := range map[string]struct {
		patience time.Duration
		good     bool
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
				ctx, cancel := context.WithTimeout(t.Context(), test.patience)
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

func TestAuthenticateTellsWhoItIsOnAConnectionOfItsOwn(t *testing.T) {
	p := &platform{answer: func(p *platform, c *link, r asked) {
		switch r.commands[0] {
		case "LoginRequest14sp4":
			c.say(r, "LoginResponse14sp4", `<loginType>Group</loginType><locale>en_US</locale><encoding>ISO-8859-1</encoding>`+
				`<groupId>g</groupId><serviceProviderId>sp</serviceProviderId><isEnterprise>true</isEnterprise><passwordExpiresDays>3</passwordExpiresDays>`)
		default:
			wellAnswered(p, c, r)
		}
	}}
	run(t, p, nil, func(t *testing.T, c *Client) {
		who, err := c.Authenticate(t.Context(), "admin", "secret")
		if err != nil {
			t.Fatal(err)
		}
		want := Identity{UserID: "admin", LoginType: "Group", ServiceProviderID: "sp", GroupID: "g", IsEnterprise: true, PasswordExpiresDays: new(3)}
		if diff := cmp.Diff(want, who); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		p.serving.Wait()
		if logins, logouts, open, _ := p.counts(); logins != 1 || logouts != 1 || open != 0 {
			t.Errorf("%d logins, %d logouts, %d connections", logins, logouts, open)
		}
		p.mu.Lock()
		p.answer = func(_ *platform, c *link, r asked) { c.refuse(r, 4962) }
		p.mu.Unlock()
		_, err = c.Authenticate(t.Context(), "admin", "wrong")
		if refused, ok := errors.AsType[*ErrorReply](err); !ok || refused.Number != 4962 || strings.Contains(err.Error(), "wrong") {
			t.Errorf("a wrong password: %v", err)
		}
	})
}

func TestAuthenticateTriesRestingEndpointsLast(t *testing.T) {
	p := &platform{dial: func(_ context.Context, address string) error {
		if address == "primary:2208" {
			time.Sleep(5 * time.Second)
			return errors.New("no answer")
		}
		return nil
	}}
	run(t, p, func(o *Options) {
		o.Endpoints = append(o.Endpoints, Endpoint{Name: "secondary", Address: "secondary:2208", UserID: "gate", Password: "secret"})
		o.BackoffInitial = time.Minute
	}, func(t *testing.T, c *Client) {
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := c.Authenticate(t.Context(), "admin", "secret"); err != nil || time.Since(start) != 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
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

func TestReleasesThatDoNotKnowTheProbeKeepTheirSessions(t *testing.T) {
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

func TestARefusalIsNotHeldBackByAPlatformThatThenStalls(t *testing.T) {
	p := &platform{answer: func(p *platform, c *link, r asked) {
		switch r.commands[0] {
		case "VerifySessionIsValidRequest":
		case change.Name():
			time.Sleep(4 * time.Second)
			c.refuse(r, 1)
		default:
			wellAnswered(p, c, r)
		}
	}}
	run(t, p, func(o *Options) { o.CommandTimeout = 5 * time.Second }, func(t *testing.T, c *Client) {
		start := time.Now()
		reply, err := c.Write(t.Context(), change, nil)
		if err != nil || reply.Err() == nil || time.Since(start) != 5*time.Second {
			t.Errorf("%v, %v after %v", reply, err, time.Since(start))
		}
		if stats := c.Stats(); stats.Endpoints[0].Idle != 0 {
			t.Errorf("the session was kept: %+v", stats)
		}
	})
}

func TestAutomaticLoginTriesAnotherWayOnlyWhereTheCommandIsUnknown(t *testing.T) {
	for name, test := range map[string]struct {
		number int
		want   []string
	}{
		"unknown command": {validationError, []string{"LoginRequest22V5", "LoginRequest22V2", "AuthenticationRequest", "LoginRequest14sp4"}},
		"wrong password":  {4962, []string{"LoginRequest22V5"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var tried []string
				p := &platform{answer: func(p *platform, c *link, r asked) {
					tried = append(tried, r.commands[0])
					if strings.HasPrefix(r.commands[0], "LoginRequest22") {
						c.refuse(r, test.number)
						return
					}
					wellAnswered(p, c, r)
				}}
				options, err := Options{Release: 24, Endpoints: []Endpoint{{Address: "a:1"}}, Dial: p.Dial}.withDefaults()
				if err != nil {
					t.Fatal(err)
				}
				e := newEndpoint(options.Endpoints[0], options)
				conn, err := p.Dial(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				s := newSession(e, newLine(conn), func(*session, error) {})
				var reading sync.WaitGroup
				reading.Go(s.readAll)
				methods := []LoginMethod{LoginPlain22V5, LoginPlain22V2, LoginSigned}
				_, err = s.loginByFirstSupported(t.Context(), methods, "gate", "secret")
				if (err == nil) != (test.number == validationError) {
					t.Errorf("got %v", err)
				}
				if diff := cmp.Diff(test.want, tried); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				s.close(errors.New("done"))
				reading.Wait()
				p.serving.Wait()
			})
		})
	}
}

func TestNewRefuses(t *testing.T) {
	good := Endpoint{Address: "a:1"}
	for name, options := range map[string]Options{
		"no endpoint":                     {},
		"an address without a port":       {Endpoints: []Endpoint{{Address: "a"}}},
		"a plain login without TLS":       {Endpoints: []Endpoint{{Address: "a:1", Login: LoginPlain22V5}}},
		"the older one without TLS":       {Endpoints: []Endpoint{{Address: "a:1", Login: LoginPlain22V2}}},
		"a minimum below none":            {Endpoints: []Endpoint{good}, MinSessions: -1},
		"a maximum below one":             {Endpoints: []Endpoint{good}, MaxSessions: -1},
		"an unknown login":                {Endpoints: []Endpoint{{Address: "a:1", Login: "x"}}},
		"a minimum beyond the maximum":    {Endpoints: []Endpoint{good}, MinSessions: 9, MaxSessions: 8},
		"a jitter of more than the whole": {Endpoints: []Endpoint{good}, Jitter: 2},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := New(options); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestDefaultsAreAsDocumented(t *testing.T) {
	options, err := Options{Endpoints: []Endpoint{{Address: "a:1"}}}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	want := &Options{
		Endpoints: []Endpoint{{Address: "a:1"}}, MaxReplyBytes: 64 << 20,
		ConnectTimeout: 5 * time.Second, LoginTimeout: 10 * time.Second, CommandTimeout: 20 * time.Second,
		BackoffInitial: time.Second, BackoffMax: 30 * time.Second, RefusedInitial: 5 * time.Minute, RefusedMax: time.Hour,
		MaxSessions: 8, MaxWaiting: 256, MaxWait: 10 * time.Second,
		IdleTimeout: 10 * time.Minute, MaxAge: time.Hour, Jitter: 0.1, ProbeInterval: time.Minute, ProbeUnusedInterval: time.Minute,
	}
	if diff := cmp.Diff(want, options, cmpopts.IgnoreFields(Options{}, "Encoding", "Dial", "Trace", "Temporary")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEndpointRaisesTheVersionOfTLSAndChangesNothingElse(t *testing.T) {
	for given, want := range map[uint16]uint16{0: tls.VersionTLS12, tls.VersionTLS10: tls.VersionTLS12, tls.VersionTLS13: tls.VersionTLS13} {
		configured := &tls.Config{MinVersion: given}
		e := newEndpoint(Endpoint{Address: "a:1", TLS: configured}, &Options{})
		if e.TLS.MinVersion != want || e.TLS.ServerName != "a" || e.Name != "a:1" {
			t.Errorf("%x became %x, for %q, named %q", given, e.TLS.MinVersion, e.TLS.ServerName, e.Name)
		}
		if configured.MinVersion != given || configured.ServerName != "" {
			t.Errorf("the caller's own became %x for %q", configured.MinVersion, configured.ServerName)
		}
	}
}

func TestSecureIsOfEveryEndpoint(t *testing.T) {
	c, err := New(Options{Endpoints: []Endpoint{{Address: "a:1", TLS: &tls.Config{MinVersion: tls.VersionTLS12}}, {Address: "b:1"}}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Secure() {
		t.Error("the second has no TLS")
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
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
		t.Error("after a success it rests")
	}
	fail()
	if diff := cmp.Diff([]time.Duration{1, 2, 4, 5, 5, 1}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestJitterShortensBackoffAndAge(t *testing.T) {
	const whole, part = time.Hour, 0.5
	within := func(what string, d time.Duration) {
		t.Helper()
		if d >= whole || d < whole/2 {
			t.Errorf("%s is %v of %v", what, d, whole)
		}
	}
	e := newEndpoint(Endpoint{}, &Options{BackoffInitial: whole, BackoffMax: whole, Jitter: part})
	now := time.Now()
	e.noteFailureLocked(now)
	within("the backoff", e.retryAt.Sub(now))
	run(t, &platform{}, func(o *Options) { o.MaxAge, o.Jitter = whole, part }, func(t *testing.T, c *Client) {
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

// tapped notes what is written to the platform.
type tapped struct {
	net.Conn
	mu   sync.Mutex
	sent bytes.Buffer
}

func (c *tapped) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.sent.Write(b)
	c.mu.Unlock()
	return c.Conn.Write(b)
}

func (c *tapped) written() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent.Len()
}

func tap(o *Options) *tapped {
	t := &tapped{}
	dial := o.Dial
	o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		t.Conn = conn
		return t, err
	}
	return t
}

func TestClientWritesTheEncodingOfTheOptions(t *testing.T) {
	latin1, err := EncodingByName("ISO-8859-1")
	if err != nil {
		t.Fatal(err)
	}
	var tape *tapped
	run(t, &platform{}, func(o *Options) {
		o.Encoding, o.Endpoints[0].UserID = latin1, "gäte"
		tape = tap(o)
	}, func(t *testing.T, c *Client) {
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Fatal(err)
		}
	})
	sent := tape.sent.String()
	if strings.Count(sent, "<userId>g\xe4te</userId>") != 3 || strings.Contains(sent, "UTF-8") {
		t.Errorf("logging in and out was written as %q", sent)
	}
}

func TestClientOmitsWhatTheReleaseDoesNotTake(t *testing.T) {
	for _, omit := range []bool{false, true} {
		var got asked
		p := &platform{answer: func(p *platform, c *link, r asked) {
			if r.commands[0] == question.Name() {
				got = r
			}
			wellAnswered(p, c, r)
		}}
		run(t, p, func(o *Options) { o.OmitEcho, o.OmitTrackingID = omit, omit }, func(t *testing.T, c *Client) {
			if _, err := c.Read(WithTrackingID(t.Context(), "t-1"), question); err != nil {
				t.Fatal(err)
			}
			if (got.echoes[0] == "") != omit || (got.tracking == "") != omit {
				t.Errorf("omit is %t, received %+v", omit, got)
			}
		})
	}
}

func TestClientLeavesARestingEndpointAlone(t *testing.T) {
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

// slowly answers the question after that time.
func slowly(d time.Duration) func(p *platform, c *link, r asked) {
	return func(p *platform, c *link, r asked) {
		if r.commands[0] == question.Name() {
			time.Sleep(d)
		}
		wellAnswered(p, c, r)
	}
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

func TestClientProbesOnlySessionsThatRest(t *testing.T) {
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
			t.Errorf("%d probes, stats in the midst of one: %+v", probes(), of)
		}
		time.Sleep(70 * time.Second)
		if n := probes(); n != 2 {
			t.Errorf("%d probes in the second minute", n)
		}
	})
}

func TestClientUsesNoSessionThatHasBegunToSpeak(t *testing.T) {
	var last *link
	p := &platform{}
	p.answer = func(p *platform, c *link, r asked) { last = c; wellAnswered(p, c, r) }
	run(t, p, nil, func(t *testing.T, c *Client) {
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Fatal(err)
		}
		_, _ = last.Write([]byte("<a>"))
		synctest.Wait()
		if _, err := c.Write(t.Context(), change, nil); err != nil {
			t.Errorf("a write beside it: %v", err)
		}
		if logins, _, open, _ := p.counts(); logins != 2 || open != 1 {
			t.Errorf("%d logins, %d connections", logins, open)
		}
	})
}

func TestSessionEndsAnExchangeOnce(t *testing.T) {
	ours, theirs := net.Pipe()
	defer func() { _ = theirs.Close() }()
	var died []error
	s := newSession(newEndpoint(Endpoint{}, &Options{CommandTimeout: time.Hour}), newLine(ours), func(_ *session, why error) { died = append(died, why) })
	if other := newSession(s.endpoint, s.line, nil); other.id == s.id || s.id == "" {
		t.Errorf("the session ids are %q and %q", s.id, other.id)
	}
	spoken := &exchange{answered: make(chan result, 1)}
	if err := s.begin(t.Context(), spoken); err != nil {
		t.Fatal(err)
	}
	s.markWritten(spoken)
	if !s.accept(spoken, nil, true) || s.usable() {
		t.Errorf("after an answer with more behind it: alive %t", s.usable())
	}
	s.err = nil
	asked, first := &exchange{answered: make(chan result, 1)}, errors.New("first")
	if err := s.begin(t.Context(), asked); err != nil {
		t.Fatal(err)
	}
	s.closeDuring(spoken, errors.New("late")) // that one has ended, and the session is another's
	if !s.usable() {
		t.Error("the session died of an exchange before")
	}
	s.closeDuring(asked, first)
	s.close(errors.New("second"))
	if got := <-asked.answered; !errors.Is(got.err, first) || len(died) != 1 || !errors.Is(died[0], first) {
		t.Errorf("got %v, died of %v", got.err, died)
	}
	if s.accept(asked, nil, false) || len(asked.answered) != 0 {
		t.Error("a dead session answers")
	}
	if !errors.Is(s.reason(), first) {
		t.Errorf("the session takes no more commands because of %v", s.reason())
	}
	if err := s.begin(t.Context(), asked); !errors.Is(err, first) || !NotDone(err) {
		t.Errorf("a dead session takes a command: %v", err)
	}
}

func TestQueueLosesNoSession(t *testing.T) {
	run(t, &platform{answer: slowly(3 * time.Second)}, func(o *Options) { o.MaxSessions = 1 }, func(t *testing.T, c *Client) {
		s, err := c.pool.acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// Handed over in the moment in which the caller gave up.
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
			t.Errorf("one who leaves the queue: %v", err)
		}
		caller.Wait()
	})
}

func TestClientSendsNothingForACallerWhoHasLeft(t *testing.T) {
	p := &platform{answer: slowly(3 * time.Second)}
	run(t, p, nil, func(t *testing.T, c *Client) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second+3*time.Second, cancel)
		if _, err := c.Read(ctx, question); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(ctx, question); !errors.Is(err, context.Canceled) || NotDone(err) {
			t.Errorf("a read whose caller leaves: %v", err)
		}
		time.Sleep(3 * time.Second)
		if _, err := c.Write(ctx, change, nil); !errors.Is(err, context.Canceled) || !NotDone(err) {
			t.Errorf("a write whose caller has left: %v", err)
		}
		if _, err := c.Write(t.Context(), NewWrite("XRequest", Text("a", "\x00")), nil); err == nil || !NotDone(err) {
			t.Errorf("a write that cannot be written: %v", err)
		}
		if logins, _, _, received := p.counts(); logins != 1 || len(received) != 2 || c.Stats().Endpoints[0].Idle != 1 {
			t.Errorf("%d logins, received %v, stats %+v", logins, received, c.Stats())
		}
	})
}

func TestClientBelievesARefusalUnlessThePlatformDeniesTheSession(t *testing.T) {
	const probe = "VerifySessionIsValidRequest"
	closing := func(p *platform, c *link, r asked) {
		switch r.commands[0] {
		case change.Name():
			c.refuse(r, 2)
		case probe:
			_ = c.Close()
		default:
			wellAnswered(p, c, r)
		}
	}
	run(t, &platform{answer: closing}, nil, func(t *testing.T, c *Client) {
		reply, err := c.Write(t.Context(), change, nil)
		if refused, ok := errors.AsType[*ErrorReply](reply.Err()); err != nil || !ok || refused.Command != change.Name() {
			t.Errorf("refused, and nobody tells more: %v, %v", reply.Err(), err)
		}
	})
	warning := &platform{answer: func(p *platform, c *link, r asked) {
		if r.commands[0] != change.Name() {
			wellAnswered(p, c, r)
			return
		}
		c.write(r.session, r.tracking, `<command type="Warning" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns=""><summary>hm</summary></command>`)
	}}
	run(t, warning, nil, func(t *testing.T, c *Client) {
		if _, err := c.Write(t.Context(), change, nil); err != nil {
			t.Error(err)
		}
		if _, _, _, received := warning.counts(); len(received) != 1 {
			t.Errorf("a warning is doubted: %v", received)
		}
	})
	var forgotten *link
	forgetting := &platform{answer: func(p *platform, c *link, r asked) {
		if forgotten == nil && r.commands[0] != "AuthenticationRequest" && r.commands[0] != "LoginRequest14sp4" {
			forgotten = c
			time.Sleep(2 * time.Second)
		}
		if forgotten == c {
			c.refuse(r, 1)
			return
		}
		wellAnswered(p, c, r)
	}}
	run(t, forgetting, nil, func(t *testing.T, c *Client) {
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Errorf("a read is not sent once more: %v", err)
		}
		forgotten = nil
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Write(ctx, change, nil); !errors.Is(err, ErrNotLoggedIn) || !NotDone(err) {
			t.Errorf("a write whose caller left: %v", err)
		}
	})
}

func TestCloseRefusesThoseWhoWaitAndMakesNoSessions(t *testing.T) {
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

func TestCloseDoesNotWaitForAPlatformThatDoesNotListen(t *testing.T) {
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

func TestAuthenticateAsksTheNextEndpointOnlyWhereTheFirstIsDown(t *testing.T) {
	down := true
	p := &platform{dial: func(_ context.Context, address string) error {
		if down && address == "primary:2208" {
			return errors.New("connection refused")
		}
		return nil
	}}
	run(t, p, func(o *Options) {
		o.Endpoints = append(o.Endpoints, Endpoint{Address: "secondary:2208"})
	}, func(t *testing.T, c *Client) {
		if _, err := c.Authenticate(t.Context(), "admin", "secret"); err != nil {
			t.Errorf("by the second: %v", err)
		}
		p.serving.Wait()
		down = false
		p.answer = func(_ *platform, c *link, r asked) { c.refuse(r, 4962) }
		if _, err := c.Authenticate(t.Context(), "admin", "wrong"); err == nil {
			t.Error("a wrong password is taken")
		}
		if diff := cmp.Diff([]string{"primary:2208", "secondary:2208", "primary:2208"}, p.dialed); diff != "" {
			t.Errorf("dialed (-want +got):\n%s", diff)
		}
	})
}

func TestAuthenticateIsBounded(t *testing.T) {
	p := &platform{dial: func(context.Context, string) error { time.Sleep(2 * time.Second); return nil }}
	run(t, p, nil, func(t *testing.T, c *Client) {
		start := time.Now()
		var callers sync.WaitGroup
		for range 5 {
			callers.Go(func() {
				if _, err := c.Authenticate(t.Context(), "admin", "secret"); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Authenticate(ctx, "admin", "secret"); !errors.Is(err, ErrBusy) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one who waits too long: %v", err)
		}
		callers.Wait()
		if took := time.Since(start); took != 4*time.Second {
			t.Errorf("five checks, four at a time, took %v", took)
		}
	})
}

func TestSignedLoginNeedsANonceAndMD5(t *testing.T) {
	for challenge, good := range map[string]bool{
		`<nonce>1</nonce><passwordAlgorithm>MD5</passwordAlgorithm>`: true,
		`<nonce>1</nonce>`: true,
		`<nonce>1</nonce><passwordAlgorithm>SHA</passwordAlgorithm>`: false,
		`<nonce/><passwordAlgorithm>MD5</passwordAlgorithm>`:         false,
		``: false,
	} {
		p := &platform{answer: func(p *platform, c *link, r asked) {
			if r.commands[0] == "AuthenticationRequest" {
				c.say(r, "AuthenticationResponse", challenge)
				return
			}
			wellAnswered(p, c, r)
		}}
		run(t, p, nil, func(t *testing.T, c *Client) {
			_, err := c.Authenticate(t.Context(), "admin", "secret")
			if logins, _, _, _ := p.counts(); (err == nil) != good || logins == 1 != good {
				t.Errorf("%s: %v, %d logins", challenge, err, logins)
			}
		})
	}
}

func TestIdentityOf(t *testing.T) {
	for children, want := range map[string]*Identity{
		`<loginType>System</loginType>`:                             {UserID: "asked", LoginType: "System"},
		`<loginType>User</loginType><userId>u@d</userId>`:           {UserID: "u@d", LoginType: "User"},
		`<loginType>User</loginType><userId/>`:                      {UserID: "asked", LoginType: "User"},
		`<userId>u</userId>`:                                        nil,
		`<loginType>User</loginType><isEnterprise>x</isEnterprise>`: nil,
		`<loginType>User</loginType><passwordExpiresDays/>`:         nil,
	} {
		replies, err := ParseReplies([]byte(wrap(`<command xsi:type="LoginResponse" xmlns="">` + children + `</command>`)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := IdentityOf(replies[0], "asked")
		if (err != nil) != (want == nil) {
			t.Errorf("%s: %v", children, err)
		}
		if want != nil {
			if diff := cmp.Diff(*want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", children, diff)
			}
		}
	}
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
			want := Stats{Endpoints: []EndpointStats{{Name: "primary", Connecting: true}}, Waiting: 1, Max: 8}
			if diff := cmp.Diff(want, c.Stats(), ignoreDialect); diff != "" {
				t.Errorf("in the midst of a login (-want +got):\n%s", diff)
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

func TestASessionIsFreeAsSoonAsItsAnswerIsRead(t *testing.T) {
	const slowness = time.Minute // of the first caller, who has their answer
	var answers atomic.Int32
	options := func(o *Options) {
		o.MaxSessions = 1
		o.Trace.CommandDone = func(string, string, time.Duration, Reply, error) {
			if answers.Add(1) == 1 {
				time.Sleep(slowness)
			}
		}
	}
	run(t, &platform{}, options, func(t *testing.T, c *Client) {
		start := time.Now()
		var slow sync.WaitGroup
		slow.Go(func() {
			if _, err := c.Read(t.Context(), questionOf(1)); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		if _, err := c.Read(t.Context(), questionOf(2)); err != nil || time.Since(start) >= slowness {
			t.Errorf("the next caller was served after %v: %v", time.Since(start), err)
		}
		slow.Wait()
	})
}
