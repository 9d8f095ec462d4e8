package oci

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Random readers and writers against a simulated state: no reader may get a state that is
// older than a write that ended before they asked. To cover another kind of fault, add it
// to world.react.

// TestNoReaderGetsAStateOlderThanAWriteThatEndedBefore lets many callers read and write a
// few numbers, through the client and directly, on a platform that loses and refuses some
// requests, while readers are canceled. A seed that fails can be run again by its name.
func TestNoReaderGetsAStateOlderThanAWriteThatEndedBefore(t *testing.T) {
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

// world is a platform with a few numbers, and all readers and writers of them.
type world struct {
	platform
	things   [3]thing
	answered atomic.Int64

	dice   sync.Mutex
	random *rand.Rand
}

// thing is one number: its value, and the least value that a read may return after the
// writes that have ended.
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
		c.reply(r, "c:SuccessResponse", fmt.Sprintf("<number>%d</number>", at))
		return
	}
	if th.reading.Add(1) > 1 {
		panic("the platform has the same read twice at the same time")
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
		c.number(r, found)
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
		return // it succeeds or fails at random
	}
	text, _, _ := replies[0].Text("number")
	got, err := strconv.ParseInt(text, 10, 64)
	if err != nil || replies[0].Name() != fmt.Sprintf("Thing%dGetResponse", i) {
		t.Errorf("asked for thing %d and got %s: %v", i, replies[0].Name(), err)
	}
	if got < least {
		t.Errorf("thing %d was read as %d when a write had made it %d before the question", i, got, least)
	}
	w.answered.Add(1)
}

func (w *world) writeOne(t *testing.T, c *Client) {
	i := w.roll(len(w.things))
	reply, err := c.Write(t.Context(), NewWrite(fmt.Sprintf("Thing%dModifyRequest", i)), nil)
	if err != nil {
		return // the outcome is unknown
	}
	text, _, _ := reply.Text("number")
	at, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Error(err)
	}
	w.things[i].writeEnded(at)
}
