package oci

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// What a client does with reads, writes and its options: repetitions, timeouts, callers
// who are canceled, the bytes that it sends. To add a case of a fault, add it to faults in
// rig_test.go: TestClientRepeatsAReadOnceAndAWriteNever runs all of them.

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

func TestClientRepeatsAReadOnceAndAWriteNever(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			times := 1 // how many more replies are lost
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
				times := 2
				if name == "a forced logout" {
					times = 3 // it says that the read is not the cause
				}
				spoilNext(times)
				if _, err := c.Read(t.Context(), question); err == nil || NotDone(err) {
					t.Errorf("a read whose answers are lost %d times: %v", times, err)
				}
				if _, _, _, received := p.counts(); len(received) != times {
					t.Errorf("the platform received %v", received)
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

func TestClientTimesOutOnAnUnresponsivePlatform(t *testing.T) {
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
			t.Errorf("a write whose caller is canceled: %v", err)
		}
		_, err = c.Write(ctx, change, nil)
		if !errors.Is(err, context.Canceled) || !NotDone(err) {
			t.Errorf("a write of a canceled caller: %v", err)
		}
		if _, _, _, received := p.counts(); len(received) != 2 {
			t.Errorf("the platform received %v", received)
		}
	})
}

func TestClientKeepsTheSessionOfACanceledCaller(t *testing.T) {
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
				t.Errorf("the canceled caller: %v", err)
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

func TestNewRefuses(t *testing.T) {
	good := Endpoint{Address: "a:1"}
	for name, options := range map[string]Options{
		"no endpoint":                  {},
		"an address without a port":    {Endpoints: []Endpoint{{Address: "a"}}},
		"a plain login without TLS":    {Endpoints: []Endpoint{{Address: "a:1", Login: LoginPlain22V5}}},
		"the older one without TLS":    {Endpoints: []Endpoint{{Address: "a:1", Login: LoginPlain22V2}}},
		"a minimum below none":         {Endpoints: []Endpoint{good}, MinSessions: -1},
		"a maximum below one":          {Endpoints: []Endpoint{good}, MaxSessions: -1},
		"an unknown login":             {Endpoints: []Endpoint{{Address: "a:1", Login: "x"}}},
		"a minimum beyond the maximum": {Endpoints: []Endpoint{good}, MinSessions: 9, MaxSessions: 8},
		"a jitter above 1":             {Endpoints: []Endpoint{good}, Jitter: 2},
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
		ConnectTimeout: 5 * time.Second, LoginTimeout: 10 * time.Second, CommandTimeout: 20 * time.Second, DeadPeerTimeout: 5 * time.Second, ProbeTimeout: 2 * time.Second,
		BackoffInitial: time.Second, BackoffMax: 30 * time.Second, NextEndpointAfter: time.Second, ParallelLogins: 8, RefusedInitial: 5 * time.Minute, RefusedMax: time.Hour,
		MaxSessions: 8, MaxWaiting: 256, MaxWait: 10 * time.Second, OutageWait: 5 * time.Second,
		IdleTimeout: 10 * time.Minute, MaxAge: time.Hour, ReturnOver: time.Minute, SlowFactor: 5, SlowAfter: 500 * time.Millisecond, Jitter: 0.1, ProbeInterval: time.Minute, ProbeUnusedInterval: time.Minute,
	}
	if diff := cmp.Diff(want, options, cmpopts.IgnoreFields(Options{}, "Encoding", "Dial", "Trace", "Temporary")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEndpointRaisesTheVersionOfTLSAndChangesNothingElse(t *testing.T) {
	for given, want := range map[uint16]uint16{0: tls.VersionTLS12, tls.VersionTLS10: tls.VersionTLS12, tls.VersionTLS13: tls.VersionTLS13} {
		configured := &tls.Config{MinVersion: given}
		e := newEndpoint(Endpoint{Address: "a:1", TLS: configured}, &Options{})
		if got := e.currentTLS(); got.MinVersion != want || got.ServerName != "a" || e.Name != "a:1" {
			t.Errorf("%x became %x, for %q, named %q", given, got.MinVersion, got.ServerName, e.Name)
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

func TestClientSendsNothingForACanceledCaller(t *testing.T) {
	p := &platform{answer: slowly(3 * time.Second)}
	run(t, p, nil, func(t *testing.T, c *Client) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second+3*time.Second, cancel)
		if _, err := c.Read(ctx, question); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(ctx, question); !errors.Is(err, context.Canceled) || NotDone(err) {
			t.Errorf("a read whose caller is canceled: %v", err)
		}
		time.Sleep(3 * time.Second)
		if _, err := c.Write(ctx, change, nil); !errors.Is(err, context.Canceled) || !NotDone(err) {
			t.Errorf("a write of a canceled caller: %v", err)
		}
		if _, err := c.Write(t.Context(), NewWrite("XRequest", Text("a", "\x00")), nil); err == nil || !NotDone(err) {
			t.Errorf("a write that cannot be written: %v", err)
		}
		if logins, _, _, received := p.counts(); logins != 1 || len(received) != 2 || c.Stats().Endpoints[0].Idle != 1 {
			t.Errorf("%d logins, received %v, stats %+v", logins, received, c.Stats())
		}
	})
}
