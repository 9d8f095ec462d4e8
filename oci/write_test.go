package oci

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci/ocisim"
)

// Writes: when they are sent again, the hook before them, and what they leave on the
// connection. To add a case of an error, add it to the table of TestMayResend.

func TestBeforeIsCalledWhenNothingOfTheWriteIsSent(t *testing.T) {
	var tape *tapped
	run(t, &platform{}, func(o *Options) { tape = tap(o) }, func(t *testing.T, c *Client) {
		if _, err := c.Read(t.Context(), question); err != nil {
			t.Fatal(err)
		}
		sent, calls := tape.written(), 0
		reply, err := c.Write(t.Context(), change, func(endpoint string) error {
			calls++
			if endpoint != "primary" || tape.written() != sent || c.Stats().Endpoints[0].Busy != 1 {
				t.Errorf("%d bytes went to %s before, stats %+v", tape.written()-sent, endpoint, c.Stats())
			}
			return nil
		})
		if err != nil || reply.Err() != nil || calls != 1 {
			t.Errorf("got %v, %v after %d calls", reply.Err(), err, calls)
		}
	})
}

func TestAWriteThatTheHookCancelsIsNotSentAndKeepsTheSession(t *testing.T) {
	full := errors.New("the disk is full")
	for name, before := range map[string]func(string) error{
		"by an error":                     func(string) error { return full },
		"by an error that others raise":   func(string) error { return &LostError{Err: full} },
		"by an error that is worth a try": func(string) error { return &UnsentError{Err: full} },
		"by a panic":                      func(string) error { panic(full) },
	} {
		t.Run(name, func(t *testing.T) {
			p := &platform{}
			run(t, p, nil, func(t *testing.T, c *Client) {
				calls := 0
				_, err := recovered(func() (Reply, error) {
					return c.Write(t.Context(), change, func(endpoint string) error { calls++; return before(endpoint) })
				})
				if !errors.Is(err, full) || NotDone(err) == (name == "by a panic") || calls != 1 {
					t.Errorf("got %v after %d calls", err, calls)
				}
				if of := c.Stats().Endpoints[0]; of.Idle != 1 {
					t.Errorf("stats: %+v", of)
				}
				if _, err := c.Write(t.Context(), change, nil); err != nil {
					t.Errorf("the next write: %v", err)
				}
				if logins, _, _, received := p.counts(); logins != 1 || len(received) != 1 {
					t.Errorf("%d logins, received %v", logins, received)
				}
			})
		})
	}
}

// recovered calls a function, and returns the error of a panic.
func recovered(f func() (Reply, error)) (reply Reply, err error) {
	defer func() {
		if raised, ok := recover().(error); ok {
			err = raised
		}
	}()
	return f()
}

// suspended is a context whose timers do not run, as in a process that was
// stopped and has just continued.
type suspended struct {
	context.Context
	deadline time.Time
}

func (c suspended) Deadline() (time.Time, bool) { return c.deadline, true }

func TestNothingIsSentForACallerWhoTimedOutDuringTheHook(t *testing.T) {
	for name, within := range map[string]func(context.Context, time.Duration) (context.Context, context.CancelFunc){
		"by a timer": context.WithTimeout,
		"by the clock alone": func(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
			return suspended{ctx, time.Now().Add(d)}, func() {}
		},
	} {
		for took, sent := range map[time.Duration]bool{
			time.Second - 1: true,
			time.Second:     false,
			time.Minute:     false,
		} {
			t.Run(name+" after "+took.String(), func(t *testing.T) {
				p := &platform{}
				run(t, p, nil, func(t *testing.T, c *Client) {
					ctx, cancel := within(t.Context(), time.Second)
					defer cancel()
					calls := 0
					_, err := c.Write(ctx, change, func(string) error { calls++; time.Sleep(took); return nil })
					_, unsent := errors.AsType[*UnsentError](err)
					if unsent == sent || errors.Is(err, context.DeadlineExceeded) == sent || NotDone(err) == sent || calls != 1 {
						t.Errorf("got %v after %d calls", err, calls)
					}
					if _, _, _, received := p.counts(); len(received) == 1 != sent {
						t.Errorf("the platform received %v", received)
					}
					if of := c.Stats().Endpoints[0]; of.Idle != 1 {
						t.Errorf("stats: %+v", of)
					}
				})
			})
		}
	}
}

func TestAWriteMovesToAnotherSessionIfItsOwnIsClosedBeforehand(t *testing.T) {
	for name, test := range map[string]struct {
		deaths int
		calls  int
		sent   bool
	}{
		"once":        {1, 2, true},
		"twice":       {2, 3, true},
		"three times": {3, 3, false},
	} {
		t.Run(name, func(t *testing.T) {
			var last *link
			p := &platform{}
			p.answer = func(p *platform, c *link, r asked) { last = c; wellAnswered(p, c, r) }
			run(t, p, nil, func(t *testing.T, c *Client) {
				calls := 0
				_, err := c.Write(t.Context(), change, func(string) error {
					if calls++; calls <= test.deaths {
						_ = last.Close()
						synctest.Wait()
					}
					return nil
				})
				unsent, _ := errors.AsType[*UnsentError](err)
				if calls != test.calls || (err == nil) != test.sent || NotDone(err) == test.sent ||
					unsent != nil && (unsent.Endpoint != "primary" || !errors.Is(unsent, io.EOF)) {
					t.Errorf("got %v after %d calls", err, calls)
				}
				if _, _, _, received := p.counts(); len(received) == 1 != test.sent {
					t.Errorf("the platform received %v", received)
				}
			})
		})
	}
}

func TestMayResend(t *testing.T) {
	lost := &LostError{Err: errors.New("x")}
	notLoggedIn := fmt.Errorf("%w: %w", ErrNotLoggedIn, &ErrorReply{Number: 1})
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		ctx  context.Context
		err  error
		want bool
	}{
		"where nothing was sent":                       {t.Context(), &UnsentError{Err: context.DeadlineExceeded}, true},
		"where the session was not logged in":          {t.Context(), notLoggedIn, true},
		"not where the caller has left":                {over, notLoggedIn, false},
		"not where the answer is lost":                 {t.Context(), lost, false},
		"not where one of two answers is lost":         {t.Context(), errors.Join(notLoggedIn, lost), false},
		"not where what was unsent is inside the loss": {t.Context(), &LostError{Err: &UnsentError{Err: io.EOF}}, false},
		"not where it was called off":                  {t.Context(), &calledOffError{notLoggedIn}, false},
		"not where there is no session":                {t.Context(), &UnavailableError{Err: io.EOF}, false},
		"not where all sessions are busy":              {t.Context(), ErrBusy, false},
		"not after an unknown error":                   {t.Context(), io.EOF, false},
		"not after a success":                          {t.Context(), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := mayResend(test.ctx, test.err); got != test.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

func TestALostLoginIsNoLostCommand(t *testing.T) {
	run(t, &platform{answer: func(_ *platform, c *link, _ asked) { _ = c.Close() }}, nil, func(t *testing.T, c *Client) {
		_, err := c.Write(t.Context(), change, nil)
		_, unavailable := errors.AsType[*UnavailableError](err)
		_, lost := errors.AsType[*LostError](err)
		if !unavailable || lost || !errors.Is(err, io.EOF) || !NotDone(err) {
			t.Errorf("got %v", err)
		}
	})
}

func TestCommandTimeoutAndTraceExcludeTheTimeOfTheHook(t *testing.T) {
	var traced time.Duration
	run(t, &platform{answer: slowly(4 * time.Second)}, func(o *Options) {
		o.CommandTimeout = 5 * time.Second
		o.Trace.CommandDone = func(_, _ string, took time.Duration, _ Reply, _ error) { traced = took }
	}, func(t *testing.T, c *Client) {
		if _, err := c.Write(t.Context(), NewWrite(question.Name()), func(string) error { time.Sleep(time.Hour); return nil }); err != nil {
			t.Error(err)
		}
	})
	if traced != 4*time.Second {
		t.Errorf("it is reported to have taken %v", traced)
	}
}

func TestRepliesNameTheEndpointThatAnswered(t *testing.T) {
	down := map[string]bool{"primary:2208": true}
	n := newCounter()
	n.dial = func(_ context.Context, address string) error {
		n.mu.Lock()
		defer n.mu.Unlock()
		if down[address] {
			return errors.New("connection refused")
		}
		return nil
	}
	run(t, &n.platform, func(o *Options) {
		o.Endpoints = append(o.Endpoints, Endpoint{Address: "secondary:2208", UserID: "gate", Password: "secret"})
		o.MaxSessions, o.MaxAge, o.CommandTimeout = 1, time.Minute, time.Hour
	}, func(t *testing.T, c *Client) {
		for _, want := range []string{"secondary:2208", "primary"} {
			var got []string
			var mu sync.Mutex
			note := func(replies ...Reply) {
				mu.Lock()
				defer mu.Unlock()
				for _, r := range replies {
					got = append(got, r.Endpoint())
				}
			}
			reply, err := c.Write(t.Context(), change, func(endpoint string) error { got = append(got, endpoint); return nil })
			if err != nil {
				t.Fatal(err)
			}
			note(reply)
			hold(t, c, time.Second)
			var readers sync.WaitGroup
			for range 2 { // two callers who share one exchange
				readers.Go(func() {
					replies, err := c.Read(t.Context(), question, question)
					if err != nil {
						t.Error(err)
					}
					note(replies...)
				})
			}
			readers.Wait()
			if diff := cmp.Diff([]string{want, want, want, want, want, want}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			n.mu.Lock()
			down["primary:2208"] = false
			n.mu.Unlock()
			time.Sleep(2 * time.Minute) // the session reaches MaxAge
		}
		n.wantReads(t, 4)
	})
	if name := (Reply{}).Endpoint(); name != "" {
		t.Errorf("the zero Reply names %q", name)
	}
}

func TestLogoutClosesTLSInOrder(t *testing.T) {
	certificate, err := ocisim.NewCertificate("platform")
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(certificate.PEM())
	ours, theirs := net.Pipe()
	var peer sync.WaitGroup
	peer.Go(func() {
		_, _ = io.Copy(io.Discard, tls.Server(theirs, certificate.ServerConfig()))
		_ = theirs.Close()
	})
	tape := &tapped{Conn: ours}
	// In TLS 1.3 the type of a record is a secret.
	secured, above := newLine(tape).secure(&tls.Config{RootCAs: trusted, ServerName: "platform", MaxVersion: tls.VersionTLS12})
	if err := above.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := newSession(newEndpoint(Endpoint{}, &Options{}), secured, func(*session, error) {})
	s.logout(ErrClosed)
	peer.Wait()
	var types []byte
	for records := tape.sent.Bytes(); len(records) > 0; {
		types = append(types, records[0])
		records = records[5+int(binary.BigEndian.Uint16(records[3:])):]
	}
	const data, alert = 23, 21
	if last := types[max(0, len(types)-2):]; !slices.Equal(last, []byte{data, alert}) {
		t.Errorf("the last records are of the types %v", last)
	}
}

// TestTheEndOfASessionOnTCP observes it at the platform's end.
func TestTheEndOfASessionOnTCP(t *testing.T) {
	certificate, err := ocisim.NewCertificate("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(certificate.PEM())
	for transport, client := range map[string]*tls.Config{"in the clear": nil, "over TLS": {RootCAs: trusted}} {
		for name, test := range map[string]struct {
			end      func(s *session)
			receives string
			sees     error
		}{
			"is a reset if its state is unknown": {func(s *session) { s.close(errors.New("unknown state")) }, "", syscall.ECONNRESET},
			"is received if it is logged out":    {func(s *session) { s.logout(ErrClosed) }, "LogoutRequest", nil},
		} {
			t.Run(name+" "+transport, func(t *testing.T) {
				listener, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = listener.Close() }()
				if client != nil {
					listener = tls.NewListener(listener, certificate.ServerConfig())
				}
				shaken, ended := make(chan struct{}), make(chan struct{})
				var received []byte
				var seen error
				go func() {
					defer close(ended)
					conn, err := listener.Accept()
					if err != nil {
						seen = err
						close(shaken)
						return
					}
					defer func() { _ = conn.Close() }()
					if secured, ok := conn.(*tls.Conn); ok {
						_ = secured.HandshakeContext(t.Context()) // the reader below gets its error
					}
					close(shaken)
					received, seen = io.ReadAll(conn)
				}()
				options, err := Options{Endpoints: []Endpoint{{Address: listener.Addr().String(), TLS: client}}}.withDefaults()
				if err != nil {
					t.Fatal(err)
				}
				e := newEndpoint(options.Endpoints[0], options)
				conn, err := e.connect(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				s := newSession(e, conn, func(*session, error) {})
				var reading sync.WaitGroup
				reading.Go(s.readAll)
				<-shaken
				test.end(s)
				reading.Wait()
				<-ended
				if !errors.Is(seen, test.sees) || !strings.Contains(string(received), test.receives) || (test.receives == "") != (len(received) == 0) {
					t.Errorf("the platform received %q and got %v", received, seen)
				}
			})
		}
	}
}
