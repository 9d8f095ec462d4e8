package oci

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Which callers share a read, and which must wait for the next one. A caller must never
// get a state from before their call. To add a case, see join_rig_test.go.

func TestReadsAskedBeforeSendingCostOneCommand(t *testing.T) {
	for name, test := range map[string]struct {
		dial time.Duration
		wait func(t *testing.T, c *Client)
	}{
		"waiting for a session":           {0, func(t *testing.T, c *Client) { hold(t, c, time.Second) }},
		"waiting for the first to be had": {time.Second, func(*testing.T, *Client) {}},
	} {
		t.Run(name, func(t *testing.T) {
			n := newCounter()
			n.dial = func(context.Context, string) error { time.Sleep(test.dial); return nil }
			var joined atomic.Int64
			run(t, &n.platform, func(o *Options) {
				o.MaxSessions, o.MaxWaiting = 1, 1
				o.Trace.ReadJoined = func(string) { joined.Add(1) }
			}, func(t *testing.T, c *Client) {
				test.wait(t, c)
				a := newAudience(c)
				all := a.askAll(t, 4)
				if waiting := c.Stats().Waiting; waiting != 1 {
					t.Errorf("%d callers are in the queue", waiting)
				}
				n.state.Store(7)
				a.wantObserved(t, "readers", observed{Number: "7", After: 3 * time.Second}, all...)
				n.wantReads(t, 1)
				if got := joined.Load(); got != 3 {
					t.Errorf("%d reads are reported as joined", got)
				}
			})
		})
	}
}

func TestLaterCallersDoNotShareAReadThatWasSent(t *testing.T) {
	for name, write := range map[string]func(t *testing.T, c *Client, n *counter){
		"after a write of ours": func(t *testing.T, c *Client, _ *counter) {
			if _, err := c.Write(t.Context(), change, nil); err != nil {
				t.Error(err)
			}
		},
		"after a write of another client": func(_ *testing.T, _ *Client, n *counter) { n.state.Add(1) },
	} {
		t.Run(name, func(t *testing.T) {
			n := newCounter()
			run(t, &n.platform, nil, func(t *testing.T, c *Client) {
				a := newAudience(c)
				before := a.ask(t.Context(), question)
				time.Sleep(time.Second)
				write(t, c, n)
				after := a.askAll(t, 1)
				time.Sleep(1500 * time.Millisecond) // the first is answered, the second is sent
				write(t, c, n)
				last := a.ask(t.Context(), question)
				a.wantObserved(t, "who asked before", observed{Number: "0", After: 2 * time.Second}, before)
				a.wantObserved(t, "who asked after it", observed{Number: "1", After: 4 * time.Second}, after...)
				a.wantObserved(t, "who asked after the second", observed{Number: "2", After: 6 * time.Second}, last)
				n.wantReads(t, 3)
			})
		})
	}
}

// lingering is a connection whose writes return a second after the other side
// has read them.
type lingering struct{ net.Conn }

func (c lingering) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	time.Sleep(time.Second)
	return n, err
}

func TestAReadCountsAsSentBeforeItsBytesCanBeRead(t *testing.T) {
	n := newCounter()
	run(t, &n.platform, func(o *Options) {
		o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := n.Dial(ctx, network, address)
			return lingering{conn}, err
		}
	}, func(t *testing.T, c *Client) {
		hold(t, c, 0) // there is a session
		a := newAudience(c)
		time.Sleep(time.Second)
		before := a.ask(t.Context(), question)
		time.Sleep(time.Second / 2)
		n.state.Add(1)
		after := a.ask(t.Context(), question)
		a.wantObserved(t, "who asked before", observed{Number: "0", After: 3 * time.Second}, before)
		a.wantObserved(t, "who asked after it", observed{Number: "1", After: 5 * time.Second}, after)
	})
}

func TestLaterCallersDoNotShareARepeatedRead(t *testing.T) {
	n := newCounter()
	n.lose.Store(1)
	run(t, &n.platform, nil, func(t *testing.T, c *Client) {
		a := newAudience(c)
		first := a.ask(t.Context(), question)
		time.Sleep(3 * time.Second) // it is sent for the second time
		n.state.Add(1)
		later := a.ask(t.Context(), question)
		a.wantObserved(t, "the first", observed{Number: "0", After: 4 * time.Second}, first)
		a.wantObserved(t, "who asked later", observed{Number: "1", After: 6 * time.Second}, later)
		n.wantReads(t, 3)
	})
}

func TestAnyNumberOfReadersCostTwoCommandsInOneSession(t *testing.T) {
	n := newCounter()
	run(t, &n.platform, func(o *Options) { o.MaxWaiting = 1 }, func(t *testing.T, c *Client) {
		a := newAudience(c)
		first := a.ask(t.Context(), question)
		rest := a.askAll(t, 50)
		if stats := c.Stats(); stats.Endpoints[0].Busy != 1 || stats.Waiting != 0 {
			t.Errorf("stats: %+v", stats)
		}
		other := a.ask(t.Context(), questionOf(1)) // a stuck read delays only the same read
		a.wantObserved(t, "the first", observed{Number: "0", After: 2 * time.Second}, first)
		a.wantObserved(t, "another", observed{Number: "0", After: 2 * time.Second}, other)
		a.wantObserved(t, "the rest", observed{Number: "0", After: 4 * time.Second}, rest...)
		if got := n.reads(); got != 3 {
			t.Errorf("the platform was asked %d times", got)
		}
	})
}

func TestErrorsAndRefusalsAreShared(t *testing.T) {
	control := NewRead(question.Name(), Text("a", "\x00"))
	for name, test := range map[string]struct {
		spoil  func(n *counter)
		ask    Read
		want   func(err error) bool
		reads  int
		joined int64
	}{
		"an answer that is lost twice": {
			spoil: func(n *counter) { n.lose.Store(2) }, ask: question, reads: 2,
			want: func(err error) bool { _, ok := errors.AsType[*LostError](err); return ok },
		},
		"no session": {
			spoil: func(n *counter) { n.dial = func(context.Context, string) error { return errors.New("down") } }, ask: question,
			want: func(err error) bool { _, ok := errors.AsType[*UnavailableError](err); return ok },
		},
		"what cannot be written": {spoil: func(*counter) {}, ask: control, want: NotDone},
		"a refusal": {
			spoil: func(n *counter) { n.refuseAll = true }, ask: question, reads: 1, joined: 2,
			want: func(err error) bool { return err == nil },
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newCounter()
			var joined atomic.Int64
			run(t, &n.platform, func(o *Options) {
				o.MaxSessions, o.MinSessions = 1, 1
				o.Trace.ReadJoined = func(string) { joined.Add(1) }
			}, func(t *testing.T, c *Client) {
				hold(t, c, time.Second)
				test.spoil(n)
				if n.dial != nil {
					c.pool.mu.Lock()
					for s := range c.pool.all {
						time.AfterFunc(time.Second/2, func() { s.close(errors.New("gone")) })
					}
					c.pool.mu.Unlock()
				}
				a := newAudience(c)
				all := []*observed{a.ask(t.Context(), test.ask), a.ask(t.Context(), test.ask), a.ask(t.Context(), test.ask)}
				a.readers.Wait()
				for i, one := range all {
					if !test.want(one.Err) || *one != *all[0] {
						t.Errorf("number %d got %+v, the first %+v", i, *one, *all[0])
					}
				}
				n.wantReads(t, test.reads)
				if got := joined.Load(); got != test.joined {
					t.Errorf("%d reads are reported as joined", got)
				}
			})
		})
	}
}

func TestAnInvalidTrackingIDDoesNotAffectTheOthers(t *testing.T) {
	p := &platform{}
	run(t, p, oneSession, func(t *testing.T, c *Client) {
		hold(t, c, time.Second)
		a := newAudience(c)
		first := a.ask(WithTrackingID(t.Context(), "\x01"), question)
		other := a.ask(t.Context(), question)
		a.readers.Wait()
		if first.Err == nil || other.Err != nil {
			t.Errorf("the first got %v, the other %v", first.Err, other.Err)
		}
	})
}

func TestReadJoinedIsCalledForEachCommand(t *testing.T) {
	var joined []string
	run(t, &platform{}, func(o *Options) {
		o.MaxSessions = 1
		o.Trace.ReadJoined = func(command string) { joined = append(joined, command) }
	}, func(t *testing.T, c *Client) {
		hold(t, c, time.Second)
		a := newAudience(c)
		for range 2 {
			a.ask(t.Context(), NewRead("OneGetRequest"), NewRead("TwoGetRequest"))
		}
		a.readers.Wait()
	})
	if diff := cmp.Diff([]string{"OneGetRequest", "TwoGetRequest"}, joined); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
