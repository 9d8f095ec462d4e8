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

// Client.Reconfigure: which sessions stay, which end and when, and what an endpoint takes
// over. To add a case, call run, change the options with again, and compare Client.Stats
// and platform.counts. Random changes under load are in reconfigure_random_test.go.

// again changes the options of a client.
func again(t *testing.T, c *Client, change func(*Options)) {
	t.Helper()
	if err := c.Reconfigure(changed(c, change)); err != nil {
		t.Fatal(err)
	}
}

// changed returns a changed copy of the current options.
func changed(c *Client, change func(*Options)) Options {
	o := *c.pool.options()
	o.Endpoints = slices.Clone(o.Endpoints)
	if o.Jitter == 0 {
		o.Jitter = -1
	}
	change(&o)
	return o
}

// with is a change of the options that gives them other endpoints, by name.
func with(names ...string) func(*Options) {
	return func(o *Options) {
		o.Endpoints = nil
		for _, name := range names {
			o.Endpoints = append(o.Endpoints, Endpoint{Name: name, Address: name + ":2208", UserID: "gate", Password: "secret"})
		}
	}
}

// wantSessions checks how many sessions the endpoints have, idle and busy, in order.
func wantSessions(t *testing.T, c *Client, draining int, want ...[2]int) {
	t.Helper()
	synctest.Wait()
	stats := c.Stats()
	var got [][2]int
	for _, e := range stats.Endpoints {
		got = append(got, [2]int{e.Idle, e.Busy})
	}
	if !slices.Equal(got, want) || stats.Draining != draining {
		t.Errorf("the endpoints have %v sessions and %d are draining, want %v and %d", got, stats.Draining, want, draining)
	}
}

// closings records the reasons with which sessions are closed.
type reasons struct {
	mu  sync.Mutex
	all []CloseReason
}

func (r *reasons) record(o *Options) {
	o.Trace.SessionClosed = func(_ string, why CloseReason, _ error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.all = append(r.all, why)
	}
}

func (r *reasons) want(t *testing.T, want ...CloseReason) {
	t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.all, want) {
		t.Errorf("sessions were closed with %v, want %v", r.all, want)
	}
}

func TestOptionsThatAreNotValidChangeNothing(t *testing.T) {
	run(t, &platform{}, nil, func(t *testing.T, c *Client) {
		before := c.pool.options()
		for _, wrong := range []func(*Options){
			func(o *Options) { o.Endpoints = nil },
			func(o *Options) { o.MinSessions = o.MaxSessions + 1 },
			func(o *Options) { o.Endpoints[0].Login = LoginPlain22V5; o.MaxSessions = 3 },
		} {
			err := c.Reconfigure(changed(c, wrong))
			o := changed(c, wrong)
			if _, want := o.withDefaults(); err == nil || err.Error() != want.Error() {
				t.Errorf("got %v, want the error of New", err)
			}
		}
		if c.pool.options() != before || c.Stats().Max != 8 {
			t.Error("the options have changed")
		}
	})
}

func TestAClosedClientIsNotReconfigured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &platform{}
		o := Options{Endpoints: []Endpoint{{Address: "a:1"}}, Dial: p.Dial}
		c, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := c.Reconfigure(o); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAnEndpointThatStaysTheSameKeepsItsSessions(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"without any change": func(*Options) {},
		"with other limits of the pool": func(o *Options) {
			o.MaxSessions, o.MaxWaiting, o.MaxWait, o.IdleTimeout, o.ProbeInterval = 5, 7, time.Minute, time.Hour, time.Hour
			o.BackoffInitial, o.BackoffMax, o.RefusedInitial, o.RefusedMax = time.Minute, time.Hour, time.Minute, time.Hour
		},
		"with another password":      func(o *Options) { o.Endpoints[0].Password = "other" },
		"with a source of passwords": func(o *Options) { o.Endpoints[0].PasswordSource = func() (Secret, error) { return "other", nil } },
		"with the login by its name": func(o *Options) { o.Endpoints[0].Login = LoginAuto },
		"with one more endpoint":     with("other", "primary"),
	} {
		t.Run(name, func(t *testing.T) {
			p := &platform{}
			run(t, p, func(o *Options) { o.MinSessions = 2 }, func(t *testing.T, c *Client) {
				synctest.Wait()
				again(t, c, change)
				synctest.Wait()
				of := c.Stats().Endpoints
				if e := of[len(of)-1]; e.Name != "primary" || e.Idle != 2 {
					t.Errorf("got %+v", e)
				}
				if logins, logouts, open, _ := p.counts(); logins != 2 || logouts != 0 || open != 2 {
					t.Errorf("%d logins, %d logouts, %d connections", logins, logouts, open)
				}
			})
		})
	}
}

func TestAnEndpointThatChangesGetsNewSessions(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"another name":                func(o *Options) { o.Endpoints[0].Name = "other" },
		"another address":             func(o *Options) { o.Endpoints[0].Address = "other:2208" },
		"another account":             func(o *Options) { o.Endpoints[0].UserID = "other" },
		"another login method":        func(o *Options) { o.Endpoints[0].Login = LoginSigned },
		"another encoding":            func(o *Options) { o.Encoding = must(EncodingByName("ISO-8859-1")) },
		"another release":             func(o *Options) { o.Release = 22 },
		"no echo":                     func(o *Options) { o.OmitEcho = true },
		"no tracking id":              func(o *Options) { o.OmitTrackingID = true },
		"another limit of replies":    func(o *Options) { o.MaxReplyBytes = 1 << 20 },
		"another timeout of connects": func(o *Options) { o.ConnectTimeout = time.Second },
		"another timeout of logins":   func(o *Options) { o.LoginTimeout = time.Second },
		"another timeout of commands": func(o *Options) { o.CommandTimeout = time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			p, closed := &platform{answer: slowly(500 * time.Millisecond)}, &reasons{}
			run(t, p, func(o *Options) { o.MinSessions = 3; closed.record(o) }, func(t *testing.T, c *Client) {
				synctest.Wait()
				var caller sync.WaitGroup
				caller.Go(func() {
					if _, err := c.Read(t.Context(), question); err != nil {
						t.Errorf("the read under way: %v", err)
					}
				})
				wantSessions(t, c, 0, [2]int{2, 1})
				again(t, c, change)
				wantSessions(t, c, 1, [2]int{2, 0}) // the busy one counts as one of three
				closed.want(t, ClosedReconfigured, ClosedReconfigured)
				caller.Wait()
				wantSessions(t, c, 0, [2]int{3, 0})
				closed.want(t, ClosedReconfigured, ClosedReconfigured, ClosedReconfigured)
				if logins, logouts, open, _ := p.counts(); logins != 6 || logouts != 3 || open != 3 {
					t.Errorf("%d logins, %d logouts, %d connections", logins, logouts, open)
				}
			})
		})
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func TestACallerWhoWaitsGetsASessionOfTheNewOptions(t *testing.T) {
	var mu sync.Mutex
	at := map[string]int{}
	p := &platform{answer: slowly(time.Second)}
	run(t, p, func(o *Options) {
		o.MaxSessions = 1
		o.Trace.CommandDone = func(endpoint, _ string, _ time.Duration, _ Reply, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				at[endpoint]++
			}
		}
	}, func(t *testing.T, c *Client) {
		var callers sync.WaitGroup
		for i := range 3 {
			callers.Go(func() {
				if _, err := c.Read(t.Context(), questionOf(i)); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		again(t, c, with("other"))
		callers.Wait()
		if at["primary"] != 1 || at["other"] != 2 {
			t.Errorf("reads were answered at %v", at)
		}
	})
}

func TestTheLimitOfSessionsChangesInPlace(t *testing.T) {
	p, closed := &platform{answer: slowly(time.Second)}, &reasons{}
	run(t, p, func(o *Options) { o.MaxSessions = 2; closed.record(o) }, func(t *testing.T, c *Client) {
		start := time.Now()
		var callers sync.WaitGroup
		read := func(i int) {
			callers.Go(func() {
				if _, err := c.Read(t.Context(), questionOf(i)); err != nil {
					t.Error(err)
				}
			})
		}
		for i := range 6 {
			read(i)
		}
		wantSessions(t, c, 0, [2]int{0, 2})
		again(t, c, func(o *Options) { o.MaxSessions = 6 })
		wantSessions(t, c, 0, [2]int{0, 6})
		again(t, c, func(o *Options) { o.MaxSessions = 2 })
		wantSessions(t, c, 0, [2]int{0, 6}) // none is cut off
		callers.Wait()
		if took := time.Since(start); took != time.Second {
			t.Errorf("six callers took %v", took)
		}
		wantSessions(t, c, 0, [2]int{2, 0})
		again(t, c, func(o *Options) { o.MaxSessions = 1 })
		wantSessions(t, c, 0, [2]int{1, 0})
		again(t, c, func(o *Options) { o.MinSessions, o.MaxSessions = 3, 4 })
		wantSessions(t, c, 0, [2]int{3, 0})
		if got := c.Stats().Max; got != 4 {
			t.Errorf("Max is %d", got)
		}
		closed.want(t, slices.Repeat([]CloseReason{ClosedReconfigured}, 5)...)
	})
}

func TestPreferenceCountsForNewSessions(t *testing.T) {
	p := &platform{}
	run(t, p, func(o *Options) { with("a", "b")(o); o.MinSessions, o.MaxAge = 1, 10*time.Minute }, func(t *testing.T, c *Client) {
		synctest.Wait()
		again(t, c, with("b", "a"))
		wantSessions(t, c, 0, [2]int{0, 0}, [2]int{1, 0})
		time.Sleep(11 * time.Minute)
		wantSessions(t, c, 0, [2]int{1, 0}, [2]int{0, 0})
	})
}

func TestMaxAgeIsNeverLongerThanTheNewOne(t *testing.T) {
	p, closed := &platform{}, &reasons{}
	run(t, p, func(o *Options) { o.MinSessions = 1; closed.record(o) }, func(t *testing.T, c *Client) {
		time.Sleep(30 * time.Minute)
		again(t, c, func(o *Options) { o.MaxAge = 10 * time.Hour })
		time.Sleep(29 * time.Minute)
		closed.want(t)
		time.Sleep(2 * time.Minute) // the first one keeps its hour
		closed.want(t, ClosedAge)
		again(t, c, func(o *Options) { o.MaxAge = 5 * time.Minute })
		time.Sleep(4 * time.Minute)
		closed.want(t, ClosedAge)
		time.Sleep(2 * time.Minute)
		closed.want(t, ClosedAge, ClosedAge)
	})
}

// A platform that is down gets the same attempts at the same times, however often the
// options change.
func TestReconfigurationsMakeNoFurtherAttempts(t *testing.T) {
	alternate := func(some, other func(*Options)) func(int) func(*Options) {
		return func(i int) func(*Options) { return []func(*Options){some, other}[i%2] }
	}
	timeouts := func(i int) func(*Options) {
		return func(o *Options) { o.CommandTimeout = time.Duration(i+1) * time.Minute }
	}
	down := map[string]func(p *platform){
		"refuses connections": func(p *platform) {
			p.dial = func(context.Context, string) error { return errors.New("connection refused") }
		},
		"does not reply": func(p *platform) { p.answer = func(*platform, *link, asked) {} },
		"refuses the account": func(p *platform) {
			p.answer = func(p *platform, c *link, r asked) {
				if r.commands[0] == "LoginRequest14sp4" {
					c.refuse(r, 4962)
					return
				}
				wellAnswered(p, c, r)
			}
		},
		"ends every session": func(p *platform) {
			p.answer = func(p *platform, c *link, r asked) {
				wellAnswered(p, c, r)
				if r.commands[0] == "LoginRequest14sp4" {
					_ = c.Close()
				}
			}
		},
	}
	for fault, set := range down {
		for name, change := range map[string]func(int) func(*Options){
			"without a change":           func(int) func(*Options) { return func(*Options) {} },
			"with other timeouts":        timeouts,
			"with other names":           func(i int) func(*Options) { return func(o *Options) { o.Endpoints[0].Name = string(rune('a' + i%26)) } },
			"with another release":       func(i int) func(*Options) { return func(o *Options) { o.Release = Release(20 + i%5) } },
			"with the old options again": alternate(timeouts(1), timeouts(2)),
		} {
			t.Run(fault+" "+name, func(t *testing.T) {
				attempts := func(reconfigurations int) (tried []time.Duration) {
					p := &platform{}
					set(p)
					var began time.Time
					run(t, p, func(o *Options) {
						o.MinSessions, o.ProbeUnusedInterval, o.CommandTimeout = 1, 20*time.Second, time.Minute
						began = time.Now()
						o.Trace.SessionTried = func(string, time.Duration, error) { tried = append(tried, time.Since(began)) }
					}, func(t *testing.T, c *Client) {
						for i := range reconfigurations {
							time.Sleep(3 * time.Second)
							again(t, c, change(i))
						}
						time.Sleep(290*time.Second - time.Since(began))
					})
					return tried
				}
				want, got := attempts(0), attempts(95)
				if len(want) == 0 || !slices.Equal(got, want) {
					t.Errorf("with reconfigurations attempts ended at %v, without at %v", got, want)
				}
			})
		}
	}
}
