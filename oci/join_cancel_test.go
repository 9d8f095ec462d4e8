package oci

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Callers of a shared read who are canceled, time out or panic, and a client that is
// closed: the other callers must not be affected. To add a case, see join_rig_test.go.

func TestACanceledLeaderDoesNotAffectTheOthers(t *testing.T) {
	readUnderWay := func(t *testing.T, _ *Client, a *audience) { a.ask(t.Context(), question) }
	busyFor := func(d time.Duration) func(*testing.T, *Client, *audience) {
		return func(t *testing.T, c *Client, _ *audience) { hold(t, c, d) }
	}
	for name, test := range map[string]struct {
		dial    time.Duration
		lose    int64
		prepare func(t *testing.T, c *Client, a *audience)
		timeout time.Duration
		why     error // of the first
		sent    bool  // by that error
		fewer   int   // than three others
		after   time.Duration
		reads   int
	}{
		"waiting for its turn": {
			prepare: readUnderWay, timeout: time.Second, sent: true,
			after: 4 * time.Second, reads: 2,
		},
		"waiting for a session": {
			prepare: busyFor(3 * time.Second), timeout: time.Second, why: ErrBusy,
			after: 5 * time.Second, reads: 1,
		},
		"waiting for a session after its turn": {
			prepare: func(t *testing.T, c *Client, a *audience) {
				readUnderWay(t, c, a)
				a.readers.Go(func() { hold(t, c, time.Second) }) // from 2 s to 3 s
				synctest.Wait()
			}, timeout: 2500 * time.Millisecond, why: ErrBusy,
			after: 5 * time.Second, reads: 2,
		},
		"waiting for the first session": {
			dial: 3 * time.Second, prepare: func(*testing.T, *Client, *audience) {}, timeout: time.Second,
			after: 5 * time.Second, reads: 1,
		},
		"under way": {
			prepare: busyFor(time.Second), timeout: 2 * time.Second, sent: true,
			after: 3 * time.Second, reads: 1,
		},
		"under way, where the answer is lost": {
			// With more of them, some may ask again when the next is sent already.
			lose: 1, fewer: 2, prepare: busyFor(time.Second), timeout: 2 * time.Second, sent: true,
			after: 5 * time.Second, reads: 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newCounter()
			n.lose.Store(test.lose)
			n.dial = func(context.Context, string) error { time.Sleep(test.dial); return nil }
			run(t, &n.platform, oneSession, func(t *testing.T, c *Client) {
				a := newAudience(c)
				test.prepare(t, c, a)
				first := a.askFor(t, test.timeout)
				others := a.askAll(t, 3-test.fewer)
				time.Sleep(test.timeout)
				synctest.Wait()
				_, lost := errors.AsType[*LostError](first.Err)
				if !errors.Is(first.Err, context.DeadlineExceeded) || first.After != test.timeout ||
					test.why != nil && !errors.Is(first.Err, test.why) || lost != test.sent || NotDone(first.Err) == test.sent {
					t.Errorf("the first got %v after %v", first.Err, first.After)
				}
				a.wantObserved(t, "the others", observed{Number: "0", After: test.after}, others...)
				n.wantReads(t, test.reads)
			})
		})
	}
}

func TestAReadOfACanceledCallerDelaysLaterOnes(t *testing.T) {
	n := newCounter()
	run(t, &n.platform, nil, func(t *testing.T, c *Client) {
		a := newAudience(c)
		first := a.askFor(t, time.Second)
		second := a.askFor(t, 1500*time.Millisecond) // waits, and times out before its turn
		time.Sleep(1800 * time.Millisecond)          // no caller waits any more, but the platform works on it
		n.state.Add(1)
		later := a.ask(t.Context(), question)
		a.wantObserved(t, "the first", observed{After: time.Second, Err: context.DeadlineExceeded}, first)
		a.wantObserved(t, "the second", observed{After: 1500 * time.Millisecond, Err: context.DeadlineExceeded}, second)
		a.wantObserved(t, "who came later", observed{Number: "1", After: 4 * time.Second}, later)
		n.wantReads(t, 2)
	})
}

func TestAReadThatTimedOutIsNotRepeatedForThoseWhoJoined(t *testing.T) {
	n := newCounter()
	n.read = time.Minute
	run(t, &n.platform, oneSession, func(t *testing.T, c *Client) {
		a := newAudience(c)
		hold(t, c, time.Second)
		a.askFor(t, 2*time.Second)
		others := a.askAll(t, 3)
		a.wantObserved(t, "the others", observed{After: 21 * time.Second, Err: context.DeadlineExceeded}, others...)
		n.wantReads(t, 1)
	})
}

func TestACanceledCallerGetsTheReasonOfTheWait(t *testing.T) {
	lost := &LostError{Endpoint: "primary"}
	for name, test := range map[string]struct {
		dial    time.Duration
		prepare func(t *testing.T, c *Client, a *audience)
		want    *LostError // nil if the platform has not been asked
		busy    bool
		after   time.Duration // when the others are answered
	}{
		"the first session": {
			dial: 2 * time.Second, prepare: func(t *testing.T, _ *Client, a *audience) { a.ask(t.Context(), question) },
			after: 4 * time.Second,
		},
		"a session": {
			prepare: func(t *testing.T, c *Client, a *audience) { hold(t, c, 2*time.Second); a.ask(t.Context(), question) },
			busy:    true, after: 4 * time.Second,
		},
		"the answer to the read that they joined": {
			prepare: func(t *testing.T, c *Client, a *audience) {
				hold(t, c, time.Second/2)
				a.ask(t.Context(), question)
			},
			want: lost, after: 2500 * time.Millisecond,
		},
		"the read before the one that they joined": {
			prepare: func(t *testing.T, _ *Client, a *audience) { a.ask(t.Context(), question); a.ask(t.Context(), question) },
			want:    lost, after: 4 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newCounter()
			n.dial = func(context.Context, string) error { time.Sleep(test.dial); return nil }
			run(t, &n.platform, oneSession, func(t *testing.T, c *Client) {
				a := newAudience(c)
				test.prepare(t, c, a)
				leaves := a.askFor(t, time.Second)
				stays := a.ask(t.Context(), question)
				a.wantObserved(t, "the canceled caller", observed{After: time.Second, Err: context.DeadlineExceeded}, leaves)
				a.wantObserved(t, "the one who stays", observed{Number: "0", After: test.after}, stays)
				lost, _ := errors.AsType[*LostError](leaves.Err)
				if diff := cmp.Diff(test.want, lost, cmpopts.IgnoreFields(LostError{}, "Err")); diff != "" {
					t.Errorf("the error (-want +got):\n%s", diff)
				}
				_, unavailable := errors.AsType[*UnavailableError](leaves.Err)
				if errors.Is(leaves.Err, ErrBusy) != test.busy || unavailable != (test.want == nil && !test.busy) {
					t.Errorf("the caller got %v", leaves.Err)
				}
			})
		})
	}
}

func TestCloseFreesAllWhoShareARead(t *testing.T) {
	for name, test := range map[string]struct {
		timeout time.Duration
		joined  observed // who shares the read that is under way
	}{
		"when the answer is there": {time.Minute, observed{Number: "0", After: 3 * time.Second}},
		"when it is cut off":       {time.Second, observed{After: 3 * time.Second, Err: ErrClosed}},
	} {
		t.Run(name, func(t *testing.T) {
			n := newCounter()
			if test.joined.Err != nil {
				n.read = time.Hour
			}
			run(t, &n.platform, oneSession, func(t *testing.T, c *Client) {
				a := newAudience(c)
				hold(t, c, time.Second)
				underWay := a.askAll(t, 2)
				time.Sleep(2 * time.Second)
				next := a.askAll(t, 2)
				ctx, cancel := context.WithTimeout(t.Context(), test.timeout)
				defer cancel()
				if err := c.Close(ctx); (err == nil) != (test.joined.Err == nil) {
					t.Errorf("Close: %v", err)
				}
				a.wantObserved(t, "who waits for their turn", observed{After: 2 * time.Second, Err: ErrClosed}, next...)
				a.wantObserved(t, "who waits for the answer", test.joined, underWay...)
				if _, err := c.Read(t.Context(), question); !errors.Is(err, ErrClosed) {
					t.Errorf("a read after Close: %v", err)
				}
				n.wantReads(t, 1)
			})
		})
	}
}

func TestRepliesForACanceledCallerDuringCloseGoToTheOthers(t *testing.T) {
	n := newCounter()
	run(t, &n.platform, oneSession, func(t *testing.T, c *Client) {
		a := newAudience(c)
		hold(t, c, time.Second)
		first := a.askFor(t, 2*time.Second)
		others := a.askAll(t, 2)
		time.Sleep(1500 * time.Millisecond)
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
		a.wantObserved(t, "all", observed{Number: "0", After: 3 * time.Second}, append(others, first)...)
	})
}

func TestAPanicInAHookDoesNotBlockTheOthers(t *testing.T) {
	n := newCounter()
	panics := true
	run(t, &n.platform, func(o *Options) {
		o.MaxSessions = 1
		o.Trace.CommandDone = func(string, string, time.Duration, Reply, error) {
			if panics {
				panics = false
				panic("a trace that fails")
			}
		}
	}, func(t *testing.T, c *Client) {
		hold(t, c, time.Second)
		a := newAudience(c)
		a.readers.Go(func() {
			defer func() { _ = recover() }()
			_, _ = c.Read(t.Context(), question)
			t.Error("it did not panic")
		})
		synctest.Wait()
		other := a.ask(t.Context(), question)
		a.wantObserved(t, "the other", observed{Number: "0", After: 5 * time.Second}, other)
	})
}
