package oci

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// The hooks that are called with the contexts of callers: each event has the context of the
// caller who caused it, or who waited for it, and its times.

type callerKey struct{}

func callerNamed(t *testing.T, name string) context.Context {
	return context.WithValue(t.Context(), callerKey{}, name)
}

func callerOf(ctx context.Context) string {
	name, _ := ctx.Value(callerKey{}).(string)
	return name
}

// collected has what the hooks report of callers.
type collected struct {
	mu        sync.Mutex
	exchanges map[string][]ExchangeEvent
	waits     map[string][]error
	waited    map[string]time.Duration
	logins    []LoginEvent
}

// collect adds the hooks.
func collect(o *Options) *collected {
	e := &collected{exchanges: map[string][]ExchangeEvent{}, waits: map[string][]error{}, waited: map[string]time.Duration{}}
	o.Trace.Exchanged = func(ctx context.Context, x ExchangeEvent) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.exchanges[callerOf(ctx)] = append(e.exchanges[callerOf(ctx)], x)
		panic("ignored: a hook cannot change what becomes of a command")
	}
	o.Trace.QueueLeft = func(ctx context.Context, began time.Time, err error) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.waits[callerOf(ctx)] = append(e.waits[callerOf(ctx)], err)
		e.waited[callerOf(ctx)] = time.Since(began)
		panic("ignored")
	}
	o.Trace.LoginEnded = func(l LoginEvent) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.logins = append(e.logins, l)
		panic("ignored")
	}
	return e
}

func TestEventsHaveTheContextOfTheirCaller(t *testing.T) {
	p := &platform{answer: slowly(time.Second)}
	var e *collected
	run(t, p, func(o *Options) { o.MinSessions, o.MaxSessions = 0, 1; e = collect(o) }, func(t *testing.T, c *Client) {
		var calls sync.WaitGroup
		calls.Go(func() { // waits for the login
			if _, err := c.Read(callerNamed(t, "first"), questionOf(1)); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		calls.Go(func() { // waits for the first
			if _, err := c.Write(callerNamed(t, "second"), NewWrite("Change"), nil); err != nil {
				t.Error(err)
			}
		})
		calls.Go(func() { // stops waiting
			ctx, cancel := context.WithTimeout(callerNamed(t, "third"), 100*time.Millisecond)
			defer cancel()
			if _, err := c.Read(ctx, questionOf(3)); err == nil {
				t.Error("the third read has succeeded")
			}
		})
		calls.Wait()
		if len(e.logins) != 1 || e.logins[0].Err != nil || len(e.logins[0].Callers) != 1 || callerOf(e.logins[0].Callers[0]) != "first" {
			t.Errorf("the logins are %+v", e.logins)
		}
		for name, want := range map[string]string{"first": questionOf(1).Name(), "second": "Change"} {
			got := e.exchanges[name]
			if len(got) != 1 || !slices.Equal(got[0].Commands(), []string{want}) || !got[0].Sent || got[0].Err != nil || len(got[0].Replies) != 1 {
				t.Errorf("the exchanges of %s are %+v", name, got)
			}
		}
		if len(e.exchanges["third"]) != 0 {
			t.Errorf("the third caller has the exchanges %+v", e.exchanges["third"])
		}
		if w := e.waits; len(w["first"]) != 1 || w["first"][0] != nil || len(w["second"]) != 1 || w["second"][0] != nil || len(w["third"]) != 1 || w["third"][0] == nil {
			t.Errorf("the waits are %v", w)
		}
		if e.waited["second"] != time.Second || e.waited["third"] != 100*time.Millisecond {
			t.Errorf("the waits took %v", e.waited)
		}
	})
}

// A caller who stops waiting has an exchange without a reply, once.
func TestExchangedIsCalledOnce(t *testing.T) {
	p := &platform{answer: slowly(time.Second)}
	var e *collected
	run(t, p, func(o *Options) { e = collect(o) }, func(t *testing.T, c *Client) {
		ctx, cancel := context.WithTimeout(callerNamed(t, "impatient"), 100*time.Millisecond)
		defer cancel()
		if _, err := c.Read(ctx, questionOf(1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		time.Sleep(time.Minute) // the exchange is finished in the background
		got := e.exchanges["impatient"]
		if len(got) != 1 || !got[0].Sent || got[0].Took != 100*time.Millisecond || !errors.Is(got[0].Err, context.DeadlineExceeded) {
			t.Errorf("the exchanges are %+v", got)
		}
	})
}

// A caller who gets the replies of another one has an event that says so.
func TestExchangedOfReadThatIsJoined(t *testing.T) {
	p := &platform{answer: slowly(time.Second)}
	var e *collected
	run(t, p, func(o *Options) { o.MaxSessions = 1; e = collect(o) }, func(t *testing.T, c *Client) {
		var calls sync.WaitGroup
		for _, name := range []string{"holder", "leader", "joiner"} {
			question := questionOf(2)
			if name == "holder" {
				question = questionOf(1)
			}
			calls.Go(func() {
				if _, err := c.Read(callerNamed(t, name), question); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		calls.Wait()
		got := e.exchanges["joiner"]
		if len(got) != 1 || !got[0].Joined || got[0].Endpoint != "" || len(got[0].Replies) != 1 || got[0].Took != 2*time.Second {
			t.Errorf("the exchanges of the joiner are %+v", got)
		}
	})
}
