package oci

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What a trace under a context gets. To add a case, make a wireLog, and compare what the
// platform was sent and has sent with what the log has.

// wireLog collects what a trace gets.
type wireLog struct {
	mu   sync.Mutex // guards all
	all  []WireExchange
	Wire Wire
}

func newWireLog(own bool) *wireLog {
	l := &wireLog{}
	l.Wire = Wire{OwnReads: own, Done: func(x WireExchange) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.all = append(l.all, x)
	}}
	return l
}

// under returns a context of the test that is traced by the log.
func (l *wireLog) under(t *testing.T) context.Context { return WithWire(t.Context(), &l.Wire) }

func (l *wireLog) exchanges() []WireExchange {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]WireExchange(nil), l.all...)
}

// wantCommands checks the commands of the exchanges, one name for each.
func (l *wireLog) wantCommands(t *testing.T, want ...string) []WireExchange {
	t.Helper()
	var got []string
	all := l.exchanges()
	for _, x := range all {
		got = append(got, strings.Join(x.Commands, " "))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("the trace has (-want +got):\n%s", diff)
	}
	return all
}

// spoken records what goes over the connections of a client, in both directions.
type spoken struct {
	net.Conn
	mu             *sync.Mutex // guards sent and received
	sent, received *strings.Builder
}

func (s spoken) Write(b []byte) (int, error) {
	s.mu.Lock()
	s.sent.Write(b)
	s.mu.Unlock()
	return s.Conn.Write(b)
}

func (s spoken) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	s.mu.Lock()
	s.received.Write(b[:n])
	s.mu.Unlock()
	return n, err
}

// listen returns what the client of the options sends and receives.
func listen(o *Options) (s spoken) {
	s = spoken{mu: &sync.Mutex{}, sent: &strings.Builder{}, received: &strings.Builder{}}
	dial := o.Dial
	o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return spoken{conn, s.mu, s.sent, s.received}, nil
	}
	return s
}

func TestAWireHasTheDocumentsAsTheyWereSentAndReceived(t *testing.T) {
	p := &platform{answer: func(p *platform, c *link, r asked) {
		if r.commands[0] == question.Name() {
			time.Sleep(2 * time.Second)
			c.reply(r, "SystemGetResponse", "<name>\xe9 &amp; &#233;</name>")
			return
		}
		wellAnswered(p, c, r)
	}}
	latin, err := EncodingByName("ISO-8859-1")
	if err != nil {
		t.Fatal(err)
	}
	var line spoken
	run(t, p, func(o *Options) { o.Encoding, line = latin, listen(o) }, func(t *testing.T, c *Client) {
		log, began := newWireLog(true), time.Now()
		if _, err := c.Read(WithTrackingID(log.under(t), "id-1"), NewRead(question.Name(), Text("systemId", "é…"))); err != nil {
			t.Fatal(err)
		}
		x := log.wantCommands(t, question.Name())[0]
		if x.Endpoint != "primary" || !x.Sent || x.Joined || x.Cut || x.Err != nil || !x.SentAt.Equal(began) || x.Took != 2*time.Second || x.Local != "pipe" || x.Remote != "pipe" {
			t.Errorf("%+v", x)
		}
		id := sessionPattern.FindStringSubmatch(line.sent.String())[1]
		for name, document := range map[string]struct{ got, all string }{
			"request": {x.Request, decodedDocument([]byte(line.sent.String()))},
			"reply":   {x.Reply, decodedDocument([]byte(line.received.String()))},
		} {
			if want := document.all[strings.LastIndex(document.all, "<?xml"):]; strings.ReplaceAll(document.got, x.Session, id) != strings.TrimSuffix(want, "\n") {
				t.Errorf("the %s is %q\ninstead of %q", name, document.got, want)
			}
			if strings.Contains(document.got, id) {
				t.Errorf("the %s has the session id", name)
			}
		}
	})
}

func TestAWireHasEveryExchangeOfItsCall(t *testing.T) {
	refuses := func(p *platform, c *link, r asked) {
		if r.commands[0] == question.Name() || r.commands[0] == change.Name() {
			c.refuse(r, 4008)
			return
		}
		wellAnswered(p, c, r)
	}
	for name, test := range map[string]struct {
		answer func(p *platform, c *link, r asked)
		call   func(ctx context.Context, c *Client) error
		want   []string
	}{
		"a read": {nil, func(ctx context.Context, c *Client) error {
			_, err := c.Read(ctx, question)
			return err
		}, []string{question.Name()}},
		"a read with two commands": {nil, func(ctx context.Context, c *Client) error {
			_, err := c.Read(ctx, question, questionOf(2))
			return err
		}, []string{question.Name() + " " + question.Name()}},
		"a read that is refused": {refuses, func(ctx context.Context, c *Client) error {
			_, err := c.Read(ctx, question)
			return err
		}, []string{question.Name(), validityCommand}},
		"a write that is refused": {refuses, func(ctx context.Context, c *Client) error {
			_, err := c.Write(ctx, change, nil)
			return err
		}, []string{change.Name(), validityCommand}},
		"a read in an older form": {func(p *platform, c *link, r asked) {
			if r.commands[0] == "GroupServiceGetAuthorizationRequest" {
				c.refuse(r, validationError)
				return
			}
			wellAnswered(p, c, r)
		}, func(ctx context.Context, c *Client) error {
			_, err := c.Read(ctx, NewRead("GroupServiceGetAuthorizationRequest"))
			return err
		}, []string{"GroupServiceGetAuthorizationRequest", "GroupServiceGetAuthorizationListRequest"}},
		"an identity check": {nil, func(ctx context.Context, c *Client) error {
			_, err := c.Authenticate(ctx, "user", "canary")
			return err
		}, []string{"AuthenticationRequest", "LoginRequest14sp4"}},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, &platform{answer: test.answer}, nil, func(t *testing.T, c *Client) {
				log := newWireLog(true)
				if err := test.call(log.under(t), c); err != nil {
					t.Fatal(err)
				}
				for _, x := range log.wantCommands(t, test.want...) {
					if x.Err != nil || !x.Sent || !strings.HasSuffix(x.Request, "</BroadsoftDocument>") || !strings.HasSuffix(x.Reply, "</BroadsoftDocument>") {
						t.Errorf("%+v", x)
					}
					if document := x.Request + x.Reply; strings.Contains(document, "canary") || strings.Contains(document, "1493661742798") || strings.Contains(document, SignPassword("1493661742798", "canary")) {
						t.Errorf("a secret is in %s", document)
					}
				}
			})
		})
	}
}

func TestAWireHasExchangesThatFail(t *testing.T) {
	for name, test := range map[string]struct {
		fault string
		reply string // the beginning of the text of the reply
	}{
		"a closed connection":   {"a closed connection", ""},
		"half an answer":        {"half an answer", `<?xml version="1.0"?><BroadsoftDocument protocol="OCI"`},
		"garbage":               {"garbage", "?!"},
		"a foreign session id":  {"a foreign session id", "<?xml"},
		"a forced logout":       {"a forced logout", "<?xml"},
		"a foreign tracking id": {"a foreign tracking id", "<?xml"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &platform{answer: func(p *platform, c *link, r asked) {
				if r.commands[0] == change.Name() {
					faults[test.fault](p, c, r)
					return
				}
				wellAnswered(p, c, r)
			}}
			run(t, p, nil, func(t *testing.T, c *Client) {
				log := newWireLog(true)
				_, err := c.Write(WithTrackingID(log.under(t), "id"), change, nil)
				if err == nil || NotDone(err) {
					t.Fatalf("the write is not unknown: %v", err)
				}
				x := log.wantCommands(t, change.Name())[0]
				if !errors.Is(x.Err, err) && x.Err.Error() != err.Error() || !x.Sent {
					t.Errorf("sent %t, error %v; the caller got %v", x.Sent, x.Err, err)
				}
				if !strings.HasPrefix(x.Reply, test.reply) || (test.reply == "") != (x.Reply == "") || strings.Contains(x.Reply, ">other</sessionId>") {
					t.Errorf("the reply is %q", x.Reply)
				}
			})
		})
	}
}

func TestAWireHasTheRequestOfACallerWhoLeft(t *testing.T) {
	run(t, &platform{answer: slowly(5 * time.Second)}, nil, func(t *testing.T, c *Client) {
		log := newWireLog(true)
		ctx, cancel := context.WithTimeout(log.under(t), time.Second)
		defer cancel()
		_, err := c.Read(ctx, question)
		x := log.wantCommands(t, question.Name())[0]
		if x.Err == nil || x.Err.Error() != err.Error() || x.Took != time.Second || x.Reply != "" || !x.Sent {
			t.Errorf("%+v", x)
		}
		time.Sleep(10 * time.Second)
		log.wantCommands(t, question.Name()) // nothing more when the reply arrives
	})
}

func TestAWireHasWhatWasNotSent(t *testing.T) {
	run(t, &platform{}, nil, func(t *testing.T, c *Client) {
		log := newWireLog(true)
		ctx, cancel := context.WithCancel(log.under(t))
		_, err := c.Write(ctx, change, func(string) error { cancel(); return nil })
		if !NotDone(err) {
			t.Fatal(err)
		}
		x := log.wantCommands(t, change.Name())[0]
		if x.Sent || x.Err == nil || x.Reply != "" {
			t.Errorf("%+v", x)
		}
	})
}

func TestATracedReadAndOtherCallers(t *testing.T) {
	for name, test := range map[string]struct {
		own   bool
		reads int
	}{"its own exchange": {true, 2}, "shared": {false, 1}} {
		t.Run(name, func(t *testing.T) {
			n := newCounter()
			run(t, &n.platform, oneSession, func(t *testing.T, c *Client) {
				hold(t, c, time.Second)
				a, log := newAudience(c), newWireLog(test.own)
				a.ask(t.Context(), question)
				a.ask(log.under(t), question)
				a.readers.Wait()
				n.wantReads(t, test.reads)
				x := log.wantCommands(t, question.Name())[0]
				if x.Joined == test.own || x.Err != nil || (x.Request == "") == test.own {
					t.Errorf("%+v", x)
				}
			})
		})
	}
}

func TestAFaultOfATraceChangesNothing(t *testing.T) {
	run(t, &platform{}, nil, func(t *testing.T, c *Client) {
		ctx := WithWire(t.Context(), &Wire{Done: func(WireExchange) { panic("a fault of the trace") }})
		if _, err := c.Write(ctx, change, nil); err != nil {
			t.Error(err)
		}
		if _, err := c.Read(ctx, question); err != nil {
			t.Error(err)
		}
		if _, err := c.Read(WithWire(t.Context(), &Wire{}), question); err != nil {
			t.Error(err)
		}
	})
}

func TestLongDocumentsOfAWireAreCut(t *testing.T) {
	long := strings.Repeat("é", MaxWireText)
	p := &platform{answer: func(p *platform, c *link, r asked) {
		if r.commands[0] == question.Name() {
			c.reply(r, "SystemGetResponse", "<name>"+long[:len(long)-100]+"</name>")
			return
		}
		wellAnswered(p, c, r)
	}}
	run(t, p, nil, func(t *testing.T, c *Client) {
		log := newWireLog(true)
		if _, err := c.Read(log.under(t), NewRead(question.Name(), Text("a", long))); err != nil {
			t.Fatal(err)
		}
		x := log.wantCommands(t, question.Name())[0]
		for name, text := range map[string]string{"request": x.Request, "reply": x.Reply} {
			if len(text) > MaxWireText || len(text) < MaxWireText-10 || !strings.HasSuffix(text, ellipsis) || !x.Cut {
				t.Errorf("the %s has %d bytes and ends with %q", name, len(text), text[len(text)-8:])
			}
		}
	})
}

// A context without a trace costs nothing.
func TestNoTraceAllocatesNothing(t *testing.T) {
	ctx, document := t.Context(), outgoing{commands: []Command{question}}
	if n := testing.AllocsPerRun(100, func() {
		record := wireOf(ctx).record(nil, document)
		record.markSent()
		record.tap(nil)
		record.untap(nil, true)
		record.end(nil)
		wireOf(ctx).joined(nil, nil)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
