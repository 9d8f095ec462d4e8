package oci

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// counter is a platform whose state is a number. Each write raises it, and a
// read tells what it was when the read came.
type counter struct {
	platform
	state     atomic.Int64 // tests raise it too, as the platform's own tools would
	read      time.Duration
	write     time.Duration
	lose      atomic.Int64 // how many more reads end with the connection and not with an answer
	underWay  atomic.Int64 // reads that came and are not answered
	atOnce    atomic.Int64 // the most of them there were
	refuseAll bool
}

func newCounter() *counter {
	n := &counter{read: 2 * time.Second}
	n.answer = n.count
	return n
}

func (n *counter) count(p *platform, c *link, r asked) {
	switch r.commands[0] {
	case question.Name():
		n.atOnce.Store(max(n.atOnce.Load(), n.underWay.Add(1)))
		found := n.state.Load()
		time.Sleep(n.read)
		n.underWay.Add(-1)
		switch {
		case n.lose.Add(-1) >= 0:
			_ = c.Close()
		case n.refuseAll:
			c.refuse(r, 2)
		default:
			c.tell(r, found)
		}
	case change.Name():
		time.Sleep(n.write)
		n.state.Add(1)
		wellAnswered(p, c, r)
	default:
		wellAnswered(p, c, r)
	}
}

// tell answers a read with a number.
func (c *link) tell(r asked, number int64) {
	c.say(r, strings.Replace(r.commands[0], "Request", "Response", 1), fmt.Sprintf("<number>%d</number>", number))
}

// reads are how many questions the platform was asked.
func (n *counter) reads() (all int) {
	_, _, _, received := n.counts()
	for _, name := range received {
		if name == question.Name() {
			all++
		}
	}
	return all
}

// heard is what a reader was told, and when, from the time when the test began.
type heard struct {
	Number string
	After  time.Duration
	Err    error
}

// audience are readers of one client.
type audience struct {
	c       *Client
	start   time.Time
	readers sync.WaitGroup
}

func newAudience(c *Client) *audience { return &audience{c: c, start: time.Now()} }

// ask has a reader ask, and returns when the reader waits for what it will be told.
func (a *audience) ask(ctx context.Context, commands ...Read) *heard {
	got := &heard{}
	a.readers.Go(func() {
		replies, err := a.c.Read(ctx, commands...)
		got.Err, got.After = err, time.Since(a.start)
		if err == nil {
			got.Number, _, _ = replies[0].Text("number")
		}
	})
	synctest.Wait()
	return got
}

// askFor is ask for a reader with so much patience.
func (a *audience) askFor(t *testing.T, patience time.Duration) *heard {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return a.ask(ctx, question)
}

// askAll has so many readers ask.
func (a *audience) askAll(t *testing.T, readers int) []*heard {
	t.Helper()
	all := make([]*heard, readers)
	for i := range all {
		all[i] = a.ask(t.Context(), question)
	}
	return all
}

// wantHeard waits for all readers and compares.
func (a *audience) wantHeard(t *testing.T, who string, want heard, got ...*heard) {
	t.Helper()
	a.readers.Wait()
	for i, one := range got {
		if diff := cmp.Diff(want, *one, cmpopts.EquateErrors()); diff != "" {
			t.Errorf("%s, number %d (-want +got):\n%s", who, i, diff)
		}
	}
}

// wantReads is how many questions the platform was to be asked, and that no
// two were before it at once.
func (n *counter) wantReads(t *testing.T, want int) {
	t.Helper()
	if got, most := n.reads(), n.atOnce.Load(); got != want || most > 1 {
		t.Errorf("the platform was asked %d times, %d at once; want %d times, one at once", got, most, want)
	}
}

// hold takes a session away from the readers for so long.
func hold(t *testing.T, c *Client, d time.Duration) {
	t.Helper()
	s, err := c.pool.acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(d, func() { c.pool.release(s) })
}

// oneSession is for tests in which readers have to wait for it.
func oneSession(o *Options) { o.MaxSessions = 1 }

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
				a.wantHeard(t, "readers", heard{Number: "7", After: 3 * time.Second}, all...)
				n.wantReads(t, 1)
				if got := joined.Load(); got != 3 {
					t.Errorf("%d reads are said to be joined", got)
				}
			})
		})
	}
}

func TestAReadUnderWayIsOfNoUseToThoseWhoAskLater(t *testing.T) {
	for name, write := range map[string]func(t *testing.T, c *Client, n *counter){
		"after a write of ours": func(t *testing.T, c *Client, _ *counter) {
			if _, err := c.Write(t.Context(), change, nil); err != nil {
				t.Error(err)
			}
		},
		"after a write by somebody else": func(_ *testing.T, _ *Client, n *counter) { n.state.Add(1) },
	} {
		t.Run(name, func(t *testing.T) {
			n := newCounter()
			run(t, &n.platform, nil, func(t *testing.T, c *Client) {
				a := newAudience(c)
				before := a.ask(t.Context(), question)
				time.Sleep(time.Second)
				write(t, c, n)
				after := a.askAll(t, 1)
				time.Sleep(1500 * time.Millisecond) // the first is answered, the second under way
				write(t, c, n)
				last := a.ask(t.Context(), question)
				a.wantHeard(t, "who asked before", heard{Number: "0", After: 2 * time.Second}, before)
				a.wantHeard(t, "who asked after it", heard{Number: "1", After: 4 * time.Second}, after...)
				a.wantHeard(t, "who asked after the second", heard{Number: "2", After: 6 * time.Second}, last)
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

func TestAReadIsUnderWayAsSoonAsItsBytesMayBeRead(t *testing.T) {
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
		a.wantHeard(t, "who asked before", heard{Number: "0", After: 3 * time.Second}, before)
		a.wantHeard(t, "who asked after it", heard{Number: "1", After: 5 * time.Second}, after)
	})
}

func TestAReadThatIsRepeatedIsOfNoUseToThoseWhoAskLater(t *testing.T) {
	n := newCounter()
	n.lose.Store(1)
	run(t, &n.platform, nil, func(t *testing.T, c *Client) {
		a := newAudience(c)
		first := a.ask(t.Context(), question)
		time.Sleep(3 * time.Second) // it is under way for the second time
		n.state.Add(1)
		later := a.ask(t.Context(), question)
		a.wantHeard(t, "the first", heard{Number: "0", After: 4 * time.Second}, first)
		a.wantHeard(t, "who asked later", heard{Number: "1", After: 6 * time.Second}, later)
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
		other := a.ask(t.Context(), questionOf(1)) // a stuck read holds back none but its like
		a.wantHeard(t, "the first", heard{Number: "0", After: 2 * time.Second}, first)
		a.wantHeard(t, "another", heard{Number: "0", After: 2 * time.Second}, other)
		a.wantHeard(t, "the rest", heard{Number: "0", After: 4 * time.Second}, rest...)
		if got := n.reads(); got != 3 {
			t.Errorf("the platform was asked %d times", got)
		}
	})
}

// documents all differ, some only in where a text ends or an element stands.
var documents = map[string][]Read{
	"no element":              {NewRead("A")},
	"another name":            {NewRead("B")},
	"twice":                   {NewRead("A"), NewRead("A")},
	"one group":               {NewRead("A", Text("sp", "x"), Text("group", "yz"))},
	"another group":           {NewRead("A", Text("sp", "xy"), Text("group", "z"))},
	"the other way round":     {NewRead("A", Text("group", "yz"), Text("sp", "x"))},
	"another element":         {NewRead("A", Text("sp", "x"), Text("department", "yz"))},
	"a text in the name":      {NewRead("A", Text("spx", ""), Text("group", "yz"))},
	"a mark in the first":     {NewRead("A", Text("a", "b\x00c"), Text("d", "e"))},
	"a mark in the second":    {NewRead("A", Text("a", "b"), Text("c", "d\x00e"))},
	"nothing in it":           {NewRead("A", Text("a", ""))},
	"nil":                     {NewRead("A", Nil("a"))},
	"a child":                 {NewRead("A", Parent("a", Text("b", "")))},
	"a sibling":               {NewRead("A", Text("a", ""), Text("b", ""))},
	"a sibling in the second": {NewRead("A", Text("a", "")), NewRead("b")},
	"a nil child":             {NewRead("A", Parent("a", Nil("b")))},
	"two children":            {NewRead("A", Parent("a", Text("b", ""), Text("c", "")))},
	"a grandchild":            {NewRead("A", Parent("a", Parent("b", Text("c", ""))))},
	"a child and a sibling":   {NewRead("A", Parent("a", Text("b", "")), Text("c", ""))},
	"a long text":             {NewRead("A", Text("a", strings.Repeat("x", 300)))},
	"a longer one":            {NewRead("A", Text("a", strings.Repeat("x", 1000)))},
}

func TestDocumentsThatDifferHaveDifferentKeys(t *testing.T) {
	names := map[string]string{}
	for name, document := range documents {
		key := documentKey(document)
		if other, taken := names[key]; taken {
			t.Errorf("%q and %q have one key", name, other)
		}
		names[key] = name
		if again := documentKey(append([]Read(nil), document...)); again != key {
			t.Errorf("%q has two keys", name)
		}
	}
}

func TestReadsThatDifferAreNotJoined(t *testing.T) {
	p := &platform{answer: func(p *platform, c *link, r asked) {
		if strings.HasPrefix(r.commands[0], "System") {
			time.Sleep(2 * time.Second)
		}
		wellAnswered(p, c, r)
	}}
	group := func(id string) []Element { return []Element{Text("serviceProviderId", "sp"), Text("groupId", id)} }
	reads := [][]Read{
		{NewRead("SystemGetRequest", group("one")...)},
		{NewRead("SystemGetRequest", group("two")...)},
		{NewRead("SystemGetListRequest", group("one")...)},
		{NewRead("SystemGetRequest", Parent("both", group("one")...))},
		{NewRead("SystemGetRequest", group("one")...), NewRead("SystemGetListRequest", group("one")...)},
	}
	run(t, p, func(o *Options) { o.MaxSessions = len(reads) }, func(t *testing.T, c *Client) {
		a := newAudience(c)
		for _, read := range reads {
			a.ask(t.Context(), read...)
		}
		if busy := c.Stats().Endpoints[0].Busy; busy != len(reads) {
			t.Errorf("%d sessions are in use", busy)
		}
		a.readers.Wait()
	})
}

// FuzzDocumentKey holds the key against comparing the documents themselves.
func FuzzDocumentKey(f *testing.F) {
	f.Add([]byte("/Aeat b"), []byte("/Aea tb"))
	f.Add([]byte("/Aea<eb>eab"), []byte("/Aea<eb>\x00eab"))
	f.Add([]byte("/A/A"), []byte("/A"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		first, second := grow(a), grow(b)
		same := cmp.Equal(first, second, cmp.AllowUnexported(Read{}, request{}), cmpopts.EquateEmpty())
		if (documentKey(first) == documentKey(second)) != same {
			t.Errorf("the same is %t of\n%#v\n%#v", same, first, second)
		}
	})
}

// grow makes a document: '/' begins a command, 'e' an element, '<' goes into
// it and '>' out of it; ' ' ends its name, and 0 makes it nil.
func grow(from []byte) []Read {
	var commands []Read
	lists := []*[]Element{new([]Element)}
	var text *string
	for _, b := range from {
		list := lists[len(lists)-1]
		last := len(*list) - 1
		switch {
		case b == '/' || len(commands) == 0:
			commands = append(commands, Read{})
			added := &commands[len(commands)-1]
			lists, text = []*[]Element{&added.elements}, &added.name
		case b == 'e':
			*list = append(*list, Element{})
			text = &(*list)[last+1].Name
		case b == '<' && last >= 0:
			lists = append(lists, &(*list)[last].Children)
		case b == '>' && len(lists) > 1:
			lists = lists[:len(lists)-1]
		case b == ' ' && last >= 0:
			text = &(*list)[last].Text
		case b == 0 && last >= 0:
			(*list)[last].Nil = true
		default:
			*text += string(rune(b))
		}
	}
	return commands
}

func TestTheLeavingOfTheFirstIsNotTheEndOfTheOthers(t *testing.T) {
	readUnderWay := func(t *testing.T, _ *Client, a *audience) { a.ask(t.Context(), question) }
	busyFor := func(d time.Duration) func(*testing.T, *Client, *audience) {
		return func(t *testing.T, c *Client, _ *audience) { hold(t, c, d) }
	}
	for name, test := range map[string]struct {
		dial     time.Duration
		lose     int64
		prepare  func(t *testing.T, c *Client, a *audience)
		patience time.Duration
		why      error // of the first
		sent     bool  // by that error
		fewer    int   // than three others
		after    time.Duration
		reads    int
	}{
		"waiting for its turn": {
			prepare: readUnderWay, patience: time.Second, sent: true,
			after: 4 * time.Second, reads: 2,
		},
		"waiting for a session": {
			prepare: busyFor(3 * time.Second), patience: time.Second, why: ErrBusy,
			after: 5 * time.Second, reads: 1,
		},
		"waiting for a session after its turn": {
			prepare: func(t *testing.T, c *Client, a *audience) {
				readUnderWay(t, c, a)
				a.readers.Go(func() { hold(t, c, time.Second) }) // from 2 s to 3 s
				synctest.Wait()
			}, patience: 2500 * time.Millisecond, why: ErrBusy,
			after: 5 * time.Second, reads: 2,
		},
		"waiting for the first session": {
			dial: 3 * time.Second, prepare: func(*testing.T, *Client, *audience) {}, patience: time.Second,
			after: 5 * time.Second, reads: 1,
		},
		"under way": {
			prepare: busyFor(time.Second), patience: 2 * time.Second, sent: true,
			after: 3 * time.Second, reads: 1,
		},
		"under way, where the answer is lost": {
			// With more of them, some may ask again when the next is sent already.
			lose: 1, fewer: 2, prepare: busyFor(time.Second), patience: 2 * time.Second, sent: true,
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
				first := a.askFor(t, test.patience)
				others := a.askAll(t, 3-test.fewer)
				time.Sleep(test.patience)
				synctest.Wait()
				_, lost := errors.AsType[*LostError](first.Err)
				if !errors.Is(first.Err, context.DeadlineExceeded) || first.After != test.patience ||
					test.why != nil && !errors.Is(first.Err, test.why) || lost != test.sent || NotDone(first.Err) == test.sent {
					t.Errorf("the first was told %v after %v", first.Err, first.After)
				}
				a.wantHeard(t, "the others", heard{Number: "0", After: test.after}, others...)
				n.wantReads(t, test.reads)
			})
		})
	}
}

func TestAReadThatWasLeftKeepsLaterOnesWaiting(t *testing.T) {
	n := newCounter()
	run(t, &n.platform, nil, func(t *testing.T, c *Client) {
		a := newAudience(c)
		first := a.askFor(t, time.Second)
		second := a.askFor(t, 1500*time.Millisecond) // waits, and leaves before its turn
		time.Sleep(1800 * time.Millisecond)          // nobody is there any more, but the platform works on it
		n.state.Add(1)
		later := a.ask(t.Context(), question)
		a.wantHeard(t, "the first", heard{After: time.Second, Err: context.DeadlineExceeded}, first)
		a.wantHeard(t, "the second", heard{After: 1500 * time.Millisecond, Err: context.DeadlineExceeded}, second)
		a.wantHeard(t, "who came later", heard{Number: "1", After: 4 * time.Second}, later)
		n.wantReads(t, 2)
	})
}

func TestAPlatformThatDoesNotAnswerIsNotAskedOnceMoreForThoseWhoJoined(t *testing.T) {
	n := newCounter()
	n.read = time.Minute
	run(t, &n.platform, oneSession, func(t *testing.T, c *Client) {
		a := newAudience(c)
		hold(t, c, time.Second)
		a.askFor(t, 2*time.Second)
		others := a.askAll(t, 3)
		a.wantHeard(t, "the others", heard{After: 21 * time.Second, Err: context.DeadlineExceeded}, others...)
		n.wantReads(t, 1)
	})
}

func TestWhoeverLeavesIsToldWhatKeptHimWaiting(t *testing.T) {
	lost := &LostError{Endpoint: "primary"}
	for name, test := range map[string]struct {
		dial    time.Duration
		prepare func(t *testing.T, c *Client, a *audience)
		want    *LostError // nil where the platform has not been asked
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
				a.wantHeard(t, "the one who leaves", heard{After: time.Second, Err: context.DeadlineExceeded}, leaves)
				a.wantHeard(t, "the one who stays", heard{Number: "0", After: test.after}, stays)
				told, _ := errors.AsType[*LostError](leaves.Err)
				if diff := cmp.Diff(test.want, told, cmpopts.IgnoreFields(LostError{}, "Err")); diff != "" {
					t.Errorf("the error (-want +got):\n%s", diff)
				}
				_, unavailable := errors.AsType[*UnavailableError](leaves.Err)
				if errors.Is(leaves.Err, ErrBusy) != test.busy || unavailable != (test.want == nil && !test.busy) {
					t.Errorf("the caller is told %v", leaves.Err)
				}
			})
		})
	}
}

func TestErrorsAndRefusalsAreShared(t *testing.T) {
	control := NewRead(question.Name(), Text("a", "\x00"))
	for name, test := range map[string]struct {
		spoil  func(n *counter)
		ask    Read
		told   func(err error) bool
		reads  int
		joined int64
	}{
		"an answer that is lost twice": {
			spoil: func(n *counter) { n.lose.Store(2) }, ask: question, reads: 2,
			told: func(err error) bool { _, ok := errors.AsType[*LostError](err); return ok },
		},
		"no session": {
			spoil: func(n *counter) { n.dial = func(context.Context, string) error { return errors.New("down") } }, ask: question,
			told: func(err error) bool { _, ok := errors.AsType[*UnavailableError](err); return ok },
		},
		"what cannot be written": {spoil: func(*counter) {}, ask: control, told: NotDone},
		"a refusal": {
			spoil: func(n *counter) { n.refuseAll = true }, ask: question, reads: 1, joined: 2,
			told: func(err error) bool { return err == nil },
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
				all := []*heard{a.ask(t.Context(), test.ask), a.ask(t.Context(), test.ask), a.ask(t.Context(), test.ask)}
				a.readers.Wait()
				for i, one := range all {
					if !test.told(one.Err) || *one != *all[0] {
						t.Errorf("number %d was told %+v, the first %+v", i, *one, *all[0])
					}
				}
				n.wantReads(t, test.reads)
				if got := joined.Load(); got != test.joined {
					t.Errorf("%d reads are said to be joined", got)
				}
			})
		})
	}
}

func TestATrackingIDThatCannotBeWrittenIsNoFaultOfTheOthers(t *testing.T) {
	p := &platform{}
	run(t, p, oneSession, func(t *testing.T, c *Client) {
		hold(t, c, time.Second)
		a := newAudience(c)
		first := a.ask(WithTrackingID(t.Context(), "\x01"), question)
		other := a.ask(t.Context(), question)
		a.readers.Wait()
		if first.Err == nil || other.Err != nil {
			t.Errorf("the first was told %v, the other %v", first.Err, other.Err)
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

func TestCloseFreesAllWhoShareARead(t *testing.T) {
	for name, test := range map[string]struct {
		patience time.Duration
		joined   heard // who shares the read that is under way
	}{
		"when the answer is there": {time.Minute, heard{Number: "0", After: 3 * time.Second}},
		"when it is cut off":       {time.Second, heard{After: 3 * time.Second, Err: ErrClosed}},
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
				ctx, cancel := context.WithTimeout(t.Context(), test.patience)
				defer cancel()
				if err := c.Close(ctx); (err == nil) != (test.joined.Err == nil) {
					t.Errorf("Close: %v", err)
				}
				a.wantHeard(t, "who waits for their turn", heard{After: 2 * time.Second, Err: ErrClosed}, next...)
				a.wantHeard(t, "who waits for the answer", test.joined, underWay...)
				if _, err := c.Read(t.Context(), question); !errors.Is(err, ErrClosed) {
					t.Errorf("a read after Close: %v", err)
				}
				n.wantReads(t, 1)
			})
		})
	}
}

func TestWhatCameForOneWhoLeftDuringCloseIsTheOthers(t *testing.T) {
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
		a.wantHeard(t, "all", heard{Number: "0", After: 3 * time.Second}, append(others, first)...)
	})
}

func TestAPanicInATraceLeavesNobodyWaiting(t *testing.T) {
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
		a.wantHeard(t, "the other", heard{Number: "0", After: 5 * time.Second}, other)
	})
}

// TestNobodyIsToldOfAStateOlderThanAWriteThatEndedBeforeHeAsked lets many read
// and write a few numbers, through the client and beside it, on a platform that
// loses and refuses some, while readers come and go. A seed that fails can be
// run again by its name.
func TestNobodyIsToldOfAStateOlderThanAWriteThatEndedBeforeHeAsked(t *testing.T) {
	var joined, answered atomic.Int64
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w := &world{random: rand.New(rand.NewPCG(seed, 1))}
			w.answer = w.react
			run(t, &w.platform, func(o *Options) {
				o.MaxSessions, o.MaxWait = 3, 300*time.Millisecond
				o.Trace.ReadJoined = func(string) { joined.Add(1) }
			}, w.live)
			answered.Add(w.answered.Load())
		})
	}
	t.Logf("%d reads were answered, %d of them by the exchange of another caller", answered.Load(), joined.Load())
	if all, shared := answered.Load(), joined.Load(); all < 10_000 || shared < all/10 {
		t.Errorf("%d reads were answered and %d joined: too few to prove anything", all, shared)
	}
}

// world is a platform with a few numbers, and all who read and write them.
type world struct {
	platform
	things   [3]thing
	answered atomic.Int64

	dice   sync.Mutex
	random *rand.Rand
}

// thing is one number: what it is, and what it was at least when the last of
// the writes ended that have.
type thing struct {
	state, ended atomic.Int64
	reading      atomic.Int64
}

func (w *world) roll(sides int) int {
	w.dice.Lock()
	defer w.dice.Unlock()
	return w.random.IntN(sides)
}

func (w *world) pause(most int) { time.Sleep(time.Duration(w.roll(most)) * time.Millisecond) }

func (th *thing) writeEnded(at int64) {
	for {
		last := th.ended.Load()
		if at <= last || th.ended.CompareAndSwap(last, at) {
			return
		}
	}
}

func (w *world) react(p *platform, c *link, r asked) {
	var i int
	var verb string
	if n, err := fmt.Sscanf(r.commands[0], "Thing%d%s", &i, &verb); n != 2 || err != nil {
		wellAnswered(p, c, r)
		return
	}
	th := &w.things[i]
	if verb == "ModifyRequest" {
		w.pause(10)
		at := th.state.Add(1)
		w.pause(10)
		if w.roll(10) == 0 {
			_ = c.Close()
			return
		}
		c.say(r, "c:SuccessResponse", fmt.Sprintf("<number>%d</number>", at))
		return
	}
	if th.reading.Add(1) > 1 {
		panic("the same read is before the platform twice at once")
	}
	w.pause(20)
	found := th.state.Load()
	w.pause(20)
	th.reading.Add(-1)
	switch w.roll(12) {
	case 0:
		_ = c.Close()
	case 1:
		c.refuse(r, 2)
	default:
		c.tell(r, found)
	}
}

func (w *world) live(t *testing.T, c *Client) {
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 60 {
				w.pause(40)
				w.readOne(t, c)
			}
		})
	}
	for range 2 {
		all.Go(func() {
			for range 60 {
				w.pause(30)
				w.writeOne(t, c)
			}
		})
	}
	all.Go(func() { // the platform's own tools
		for range 100 {
			w.pause(20)
			th := &w.things[w.roll(len(w.things))]
			th.writeEnded(th.state.Add(1))
		}
	})
	all.Wait()
}

func (w *world) readOne(t *testing.T, c *Client) {
	i := w.roll(len(w.things))
	ctx := t.Context()
	if w.roll(4) == 0 {
		impatient, cancel := context.WithTimeout(ctx, time.Duration(w.roll(60))*time.Millisecond)
		defer cancel()
		ctx = impatient
	}
	least := w.things[i].ended.Load()
	replies, err := c.Read(ctx, NewRead(fmt.Sprintf("Thing%dGetRequest", i)))
	if err != nil || replies[0].Err() != nil {
		return // whether it succeeds is chance
	}
	text, _, _ := replies[0].Text("number")
	told, err := strconv.ParseInt(text, 10, 64)
	if err != nil || replies[0].Name() != fmt.Sprintf("Thing%dGetResponse", i) {
		t.Errorf("asked for thing %d and was told %s: %v", i, replies[0].Name(), err)
	}
	if told < least {
		t.Errorf("thing %d was told to be %d when a write had made it %d before the question", i, told, least)
	}
	w.answered.Add(1)
}

func (w *world) writeOne(t *testing.T, c *Client) {
	i := w.roll(len(w.things))
	reply, err := c.Write(t.Context(), NewWrite(fmt.Sprintf("Thing%dModifyRequest", i)), nil)
	if err != nil {
		return // nobody knows
	}
	text, _, _ := reply.Text("number")
	at, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Error(err)
	}
	w.things[i].writeEnded(at)
}

// aLoneRead is what joining does with a read that nobody shares.
func aLoneRead(j *joiner, at *endpoint, commands []Read) {
	f, _ := j.join(documentKey(commands))
	j.markSent(f, at)
	f.share(nil, nil)
	j.finish(f)
}

func TestJoiningCostsALoneReadTwoAllocations(t *testing.T) {
	j, at := newJoiner(), &endpoint{}
	commands := []Read{NewRead("GroupGetRequest22V5", Text("serviceProviderId", "sp"), Text("groupId", "group"))}
	if got := testing.AllocsPerRun(100, func() { aLoneRead(j, at, commands) }); got > 2 { // the key and the flight
		t.Errorf("%v allocations", got)
	}
}

func BenchmarkJoiningALoneRead(b *testing.B) {
	j, at := newJoiner(), &endpoint{}
	commands := []Read{NewRead("GroupGetRequest22V5", Text("serviceProviderId", "sp"), Text("groupId", "group"))}
	b.ReportAllocs()
	for b.Loop() {
		aLoneRead(j, at, commands)
	}
}
