package oci

import (
	"context"
	"strconv"
	"testing"
	"time"
)

// What it costs to get a session: an idle one, with and without a request, and in a queue.

func BenchmarkAcquireIdle(b *testing.B) {
	for name, ctx := range map[string]context.Context{
		"program": context.Background(),
		"request": WithRequest(context.Background(), Request{Caller: "client:one"}),
		"limited": WithRequest(context.Background(), Request{Caller: "client:one", MaxSessions: 4}),
	} {
		b.Run(name, func(b *testing.B) {
			c := benchClient(b)
			b.ReportAllocs()
			for b.Loop() {
				s, err := c.pool.acquire(ctx)
				if err != nil {
					b.Fatal(err)
				}
				c.pool.release(s)
			}
		})
	}
}

// benchClient returns a client with one idle session.
func benchClient(b *testing.B) *Client {
	b.Helper()
	p := &platform{}
	c, err := New(Options{
		Release: 24, Endpoints: []Endpoint{{Name: "primary", Address: "primary:2208", UserID: "gate", Password: "secret"}},
		Dial: p.Dial, ProbeUnusedInterval: -1, MaxSessions: 1,
	})
	if err != nil {
		b.Fatal(err)
	}
	s, err := c.pool.acquire(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	c.pool.release(s)
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			b.Error(err)
		}
	})
	return c
}

// A full queue, in which a ticket comes for each that is served.
func BenchmarkQueueFull(b *testing.B) {
	for name, callers := range map[string]int{"one caller": 1, "256 callers": 256} {
		b.Run(name, func(b *testing.B) {
			q, now, limits := newQueue(), time.Now(), bounds{sessions: 8, waiting: 256, wait: time.Hour}
			names := make([]string, callers)
			for i := range names {
				names[i] = strconv.Itoa(i)
			}
			join := func(i int) { q.join(&ticket{Request: Request{Caller: names[i%callers]}}, now, limits) }
			for i := range limits.waiting {
				join(i)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				now = now.Add(time.Millisecond)
				t, of, _ := q.serve(now)
				if t == nil {
					b.Fatal("nobody waits")
				}
				q.done(of, now.Add(time.Millisecond), true, false)
				join(i)
			}
		})
	}
}
