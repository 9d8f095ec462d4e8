package oci

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// A platform that counts reads and answers with numbers, and callers who record what they
// got and when. To write a test, make a counter and an audience, have the audience ask at
// chosen times, and check with wantObserved and wantReads.

// counter is a platform whose state is a number. Each write raises it, and a
// read returns what it was when the read arrived.
type counter struct {
	platform
	state     atomic.Int64 // tests increase it, too, like the platform's own tools
	read      time.Duration
	write     time.Duration
	lose      atomic.Int64 // how many more reads end with the connection instead of a reply
	underWay  atomic.Int64 // reads that have arrived and are not answered
	atOnce    atomic.Int64 // the maximum of underWay
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
			c.number(r, found)
		}
	case change.Name():
		time.Sleep(n.write)
		n.state.Add(1)
		wellAnswered(p, c, r)
	default:
		wellAnswered(p, c, r)
	}
}

// number answers a read with a number.
func (c *link) number(r asked, number int64) {
	c.reply(r, strings.Replace(r.commands[0], "Request", "Response", 1), fmt.Sprintf("<number>%d</number>", number))
}

// reads returns how many questions the platform was asked.
func (n *counter) reads() (all int) {
	_, _, _, received := n.counts()
	for _, name := range received {
		if name == question.Name() {
			all++
		}
	}
	return all
}

// observed is what a reader got, and when, from the beginning of the test.
type observed struct {
	Number string
	After  time.Duration
	Err    error
}

// audience is a group of readers of one client.
type audience struct {
	c       *Client
	start   time.Time
	readers sync.WaitGroup
}

func newAudience(c *Client) *audience { return &audience{c: c, start: time.Now()} }

// ask has a reader ask, and returns when the reader waits for the reply.
func (a *audience) ask(ctx context.Context, commands ...Read) *observed {
	got := &observed{}
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

// askFor is ask for a reader who times out after that time.
func (a *audience) askFor(t *testing.T, timeout time.Duration) *observed {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	t.Cleanup(cancel)
	return a.ask(ctx, question)
}

// askAll has that many readers ask.
func (a *audience) askAll(t *testing.T, readers int) []*observed {
	t.Helper()
	all := make([]*observed, readers)
	for i := range all {
		all[i] = a.ask(t.Context(), question)
	}
	return all
}

// wantObserved waits for all readers and compares.
func (a *audience) wantObserved(t *testing.T, who string, want observed, got ...*observed) {
	t.Helper()
	a.readers.Wait()
	for i, one := range got {
		if diff := cmp.Diff(want, *one, cmpopts.EquateErrors()); diff != "" {
			t.Errorf("%s, number %d (-want +got):\n%s", who, i, diff)
		}
	}
}

// wantReads checks how many questions the platform was asked, and that it never had two
// at the same time.
func (n *counter) wantReads(t *testing.T, want int) {
	t.Helper()
	if got, most := n.reads(), n.atOnce.Load(); got != want || most > 1 {
		t.Errorf("the platform was asked %d times, %d at the same time; want %d times, one at a time", got, most, want)
	}
}

// hold takes a session away from the readers for that time.
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
