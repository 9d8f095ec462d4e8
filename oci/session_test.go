package oci

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The states of one session (see the table at session): its end, unsolicited data, and
// refusals that are due to the session. To add a case, give the platform an answer that
// sends what the case is about, and check what the next command gets.

func TestClientNoticesTheEndOfAnIdleSession(t *testing.T) {
	for name, end := range map[string]func(c *link){
		"closed":             func(c *link) { _ = c.Close() },
		"forced logout":      func(c *link) { c.logout() },
		"garbage":            func(c *link) { _, _ = c.Write([]byte("x")) },
		"part of a document": func(c *link) { _, _ = c.Write([]byte("<a>")) },
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

func TestClientIgnoresALateLineFeed(t *testing.T) {
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

func TestClientClosesASessionWithDataAfterAReply(t *testing.T) {
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
			t.Errorf("%d logins: a session with an additional reply was used again", logins)
		}
	})
}

func TestClientChecksWhetherARefusalIsDueToTheSession(t *testing.T) {
	removed, once := map[*link]bool{}, false
	p := &platform{}
	p.answer = func(p *platform, c *link, r asked) {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch {
		case removed[c] && r.commands[0] != "LogoutRequest":
			c.refuse(r, 1)
		case r.commands[0] == "SystemRemoveRequest" && !once:
			once, removed[c] = true, true
			c.refuse(r, 1)
		case r.commands[0] == "SystemRefuseRequest":
			c.refuse(r, 2)
		case r.commands[0] == "SystemRefuseThenForgetRequest":
			removed[c] = true
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
			t.Errorf("a refusal of another kind, before the session was removed: %v, %v", reply, err)
		}
		reply, err = c.Write(t.Context(), NewWrite("SystemRemoveRequest"), nil)
		if err != nil || reply.Err() != nil {
			t.Errorf("a write on a removed session, which another session takes: %v, %v", reply.Err(), err)
		}
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Errorf("a read after it: %v", err)
		}
		if logins, _, _, _ := p.counts(); logins != 3 {
			t.Errorf("%d logins", logins)
		}
	})
}

func TestARefusalUnlikeThatOfARemovedSessionIsFinal(t *testing.T) {
	for name, refusal := range map[string]string{
		"of another number":  "<errorCode>2</errorCode><summary>[Error 1] no</summary><summaryEnglish/>",
		"of another summary": "<summary>[Error 1] other</summary><summaryEnglish/>",
	} {
		t.Run(name, func(t *testing.T) {
			removing := &platform{answer: func(p *platform, c *link, r asked) {
				switch r.commands[0] {
				case change.Name():
					c.reply(r, "c:ErrorResponse", refusal)
				case "VerifySessionIsValidRequest":
					c.refuse(r, 1)
				default:
					wellAnswered(p, c, r)
				}
			}}
			run(t, removing, nil, func(t *testing.T, c *Client) {
				reply, err := c.Write(t.Context(), change, nil)
				if refused, ok := errors.AsType[*ErrorReply](reply.Err()); err != nil || !ok || refused.Command != change.Name() {
					t.Errorf("got %v, %v", reply.Err(), err)
				}
			})
		})
	}
}

func TestARefusalIsReturnedThoughThePlatformThenStalls(t *testing.T) {
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

func TestClientUsesNoSessionWithUnsolicitedData(t *testing.T) {
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
	var closed []error
	s := newSession(newEndpoint(Endpoint{}, &Options{CommandTimeout: time.Hour}), newLine(ours), func(_ *session, why error) { closed = append(closed, why) })
	if other := newSession(s.endpoint, s.line, nil); other.id == s.id || s.id == "" {
		t.Errorf("the session ids are %q and %q", s.id, other.id)
	}
	spoken := &exchange{answered: make(chan result, 1)}
	if err := s.begin(t.Context(), spoken); err != nil {
		t.Fatal(err)
	}
	s.markWritten(spoken)
	if !s.accept(spoken, nil, true) || s.usable() {
		t.Errorf("after a reply with more data after it: usable %t", s.usable())
	}
	s.err = nil
	asked, first := &exchange{answered: make(chan result, 1)}, errors.New("first")
	if err := s.begin(t.Context(), asked); err != nil {
		t.Fatal(err)
	}
	s.closeDuring(spoken, errors.New("late")) // that exchange has ended, and the session may be another caller's
	if !s.usable() {
		t.Error("the session was closed by the exchange before")
	}
	s.closeDuring(asked, first)
	s.close(errors.New("second"))
	if got := <-asked.answered; !errors.Is(got.err, first) || len(closed) != 1 || !errors.Is(closed[0], first) {
		t.Errorf("got %v, closed because of %v", got.err, closed)
	}
	if s.accept(asked, nil, false) || len(asked.answered) != 0 {
		t.Error("a closed session answers")
	}
	if !errors.Is(s.reason(), first) {
		t.Errorf("the session takes no more commands because of %v", s.reason())
	}
	if err := s.begin(t.Context(), asked); !errors.Is(err, first) || !NotDone(err) {
		t.Errorf("a closed session takes a command: %v", err)
	}
}

func TestARefusalIsFinalUnlessTheSessionIsNotLoggedIn(t *testing.T) {
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
			t.Errorf("refused, without another reason: %v, %v", reply.Err(), err)
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
			t.Errorf("a warning is checked again: %v", received)
		}
	})
	var removed *link
	removing := &platform{answer: func(p *platform, c *link, r asked) {
		if removed == nil && r.commands[0] != "AuthenticationRequest" && r.commands[0] != "LoginRequest14sp4" {
			removed = c
			time.Sleep(2 * time.Second)
		}
		if removed == c {
			c.refuse(r, 1)
			return
		}
		wellAnswered(p, c, r)
	}}
	run(t, removing, nil, func(t *testing.T, c *Client) {
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Errorf("a read is not sent once more: %v", err)
		}
		removed = nil
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Write(ctx, change, nil); !errors.Is(err, ErrNotLoggedIn) || !NotDone(err) {
			t.Errorf("a write of a canceled caller: %v", err)
		}
	})
}

func TestASessionIsFreeAsSoonAsItsAnswerIsRead(t *testing.T) {
	const slowness = time.Minute // of the first caller, who has got their reply
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
