package oci

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Random changes of the options under load, in simulated time: no write is sent twice, no
// reply is lost, no request is refused because of a change, and there are never more
// sessions than allowed. A seed that fails can be run again by its name. To cover another
// option, add it to fleet.options; to cover another fault, add it to fleet.misbehave.

const (
	fleetSeeds    = 60
	fleetCallers  = 5
	fleetRequests = 12 // of each caller
	fleetSessions = 5  // the largest MaxSessions
)

// fleet is a platform with several endpoints, and what its callers got.
type fleet struct {
	sites map[string]*platform // by address

	mu       sync.Mutex
	random   *rand.Rand
	links    map[string]map[*link]bool // by address
	down     map[string]bool           // by address
	silent   map[string]bool           // by address: connections are accepted, and nothing is answered
	sent     map[string]int            // how often the platform got a write
	answered map[string]bool           // writes to which the platform has replied
	open     int                       // connections that the client has not closed
	most     int                       // the maximum of open

	changing sync.Mutex // held while the options change, and while sessions are counted; guards allowed
	allowed  int        // the largest MaxSessions since sessions were counted last
}

var fleetAddresses = []string{"a:2208", "b:2208", "c:2208"}

func newFleet(random *rand.Rand) *fleet {
	f := &fleet{
		random: random, sites: map[string]*platform{}, links: map[string]map[*link]bool{}, down: map[string]bool{}, silent: map[string]bool{},
		sent: map[string]int{}, answered: map[string]bool{},
	}
	for _, address := range fleetAddresses {
		f.links[address] = map[*link]bool{}
		f.sites[address] = &platform{answer: func(p *platform, c *link, r asked) { f.answer(address, p, c, r) }}
	}
	return f
}

// roll returns a random number below sides.
func (f *fleet) roll(sides int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.random.IntN(sides)
}

func (f *fleet) pause(most int) { time.Sleep(time.Duration(f.roll(most)) * time.Millisecond) }

// countedConn counts as an open connection until the client closes it.
type countedConn struct {
	net.Conn
	once   sync.Once
	closed func()
}

func (c *countedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.closed)
	return err
}

func (f *fleet) dial(ctx context.Context, network, address string) (net.Conn, error) {
	f.pause(20)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down[address] {
		return nil, errors.New("connection refused")
	}
	conn, err := f.sites[address].Dial(ctx, network, address)
	f.open++
	f.most = max(f.most, f.open)
	return &countedConn{Conn: conn, closed: func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.open--
	}}, err
}

func (f *fleet) answer(address string, p *platform, c *link, r asked) {
	f.mu.Lock()
	f.links[address][c] = true
	write := strings.HasPrefix(r.commands[0], "Write")
	if write {
		f.sent[r.commands[0]]++
	}
	f.mu.Unlock()
	f.pause(60)
	f.mu.Lock()
	alive := f.links[address][c] && !f.silent[address]
	f.mu.Unlock()
	if !alive {
		return
	}
	wellAnswered(p, c, r)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.links[address][c] && write { // it was not closed before the client had the reply
		f.answered[r.commands[0]] = true
	}
}

// setDown takes an endpoint down, with all its connections, or brings it back.
func (f *fleet) setDown(address string, down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down[address] = down
	if down {
		for c := range f.links[address] {
			delete(f.links[address], c)
			_ = c.Close()
		}
	}
}

// setSilent lets an endpoint answer nothing, or again.
func (f *fleet) setSilent(address string, silent bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.silent[address] = silent
}

// misbehave takes endpoints down and up until it is over.
func (f *fleet) misbehave(over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		case <-time.After(time.Duration(f.roll(400)) * time.Millisecond):
			address := fleetAddresses[f.roll(len(fleetAddresses))]
			f.setDown(address, f.roll(3) == 0)
			f.setSilent(address, f.roll(4) == 0)
		}
	}
}

// options returns random options.
func (f *fleet) options() Options {
	f.mu.Lock()
	defer f.mu.Unlock()
	pick := func(of ...time.Duration) time.Duration { return of[f.random.IntN(len(of))] }
	o := Options{
		Release: Release(24 - f.random.IntN(2)), OmitEcho: f.random.IntN(4) == 0, OmitTrackingID: f.random.IntN(4) == 0,
		ConnectTimeout: pick(5*time.Second, 6*time.Second), CommandTimeout: pick(2*time.Second, 3*time.Second),
		BackoffInitial: 50 * time.Millisecond, BackoffMax: pick(200*time.Millisecond, 400*time.Millisecond),
		MaxSessions: 1 + f.random.IntN(fleetSessions), MaxWait: time.Minute,
		IdleTimeout: pick(time.Second, time.Minute), MaxAge: pick(500*time.Millisecond, 2*time.Second, time.Hour),
		ProbeInterval: pick(100*time.Millisecond, time.Minute), ProbeUnusedInterval: pick(time.Second, -1),
		NextEndpointAfter: pick(300*time.Millisecond, time.Second, -1), ReturnOver: pick(200*time.Millisecond, time.Minute, -1),
		ParallelLogins: 1 + f.random.IntN(fleetSessions), LoginTimeout: pick(500*time.Millisecond, time.Second),
		Dial: f.dial,
	}
	o.MinSessions = f.random.IntN(o.MaxSessions + 1)
	for _, i := range f.random.Perm(len(fleetAddresses))[:1+f.random.IntN(len(fleetAddresses))] {
		address := fleetAddresses[i]
		o.Endpoints = append(o.Endpoints, Endpoint{
			Name: address[:1+f.random.IntN(2)], Address: address, UserID: "gate", Password: Secret(fmt.Sprint("secret", f.random.IntN(2))),
		})
	}
	return o
}

// reconfigure changes the options until it is over.
func (f *fleet) reconfigure(t *testing.T, c *Client, over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		case <-time.After(time.Duration(f.roll(150)) * time.Millisecond):
			f.change(t, c, f.options())
		}
	}
}

func (f *fleet) change(t *testing.T, c *Client, o Options) {
	f.changing.Lock()
	defer f.changing.Unlock()
	f.allowed = max(f.allowed, o.MaxSessions)
	if err := c.Reconfigure(o); err != nil {
		t.Error(err)
	}
}

// watch checks the number of sessions until it is over: above the maximum it only falls,
// and no session of the current endpoints is idle.
func (f *fleet) watch(t *testing.T, c *Client, over <-chan struct{}) {
	last := 0
	for {
		select {
		case <-over:
			return
		case <-time.After(5 * time.Millisecond):
			f.changing.Lock()
			stats, allowed := c.Stats(), f.allowed
			f.allowed = stats.Max
			f.changing.Unlock()
			all, idle := stats.Draining, 0
			for _, e := range stats.Endpoints {
				all, idle = all+e.Idle+e.Busy, idle+e.Idle
			}
			if all > max(allowed, last) || all > stats.Max && idle > 0 {
				t.Errorf("%d sessions after %d, %d of them idle, are more than %d", all, last, idle, stats.Max)
			}
			last = all
		}
	}
}

// request makes one request, and checks what the caller got. reliable says that the
// platform does not fail, so that every request succeeds.
func (f *fleet) request(t *testing.T, c *Client, name string, reliable bool) {
	// The callers have different limits, which change as well.
	writes := f.roll(2) > 0
	ctx := WithRequest(t.Context(), Request{
		Caller: fmt.Sprint(f.roll(3)), Weight: f.roll(3), MaxSessions: f.roll(3), Write: writes, Urgent: f.roll(10) == 0,
	})
	if !writes || f.roll(2) == 0 { // a write may have a check
		_, err := c.Read(ctx, questionOf(f.roll(4)))
		if reliable && err != nil {
			t.Errorf("a read: %v", err)
		}
	}
	if !writes {
		return
	}
	_, err := c.Write(ctx, NewWrite(name), nil)
	f.mu.Lock()
	sent, answered := f.sent[name], f.answered[name]
	f.mu.Unlock()
	switch {
	case sent > 1:
		t.Errorf("%s was sent %d times", name, sent)
	case err == nil && sent == 0:
		t.Errorf("%s is reported as done and was not sent", name)
	case NotDone(err) && sent > 0:
		t.Errorf("%s is reported as not done (%v) and was sent", name, err)
	case reliable && err != nil, answered && err != nil:
		t.Errorf("%s: %v (answered: %v)", name, err, answered)
	}
}

// run lets callers make requests while the options change.
func (f *fleet) run(t *testing.T, reliable bool) {
	first := f.options()
	f.allowed = first.MaxSessions
	c, err := New(first)
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	var callers, others sync.WaitGroup
	others.Go(func() { f.reconfigure(t, c, over) })
	others.Go(func() { f.watch(t, c, over) })
	if !reliable {
		others.Go(func() { f.misbehave(over) })
	}
	for i := range fleetCallers {
		callers.Go(func() {
			for j := range fleetRequests {
				f.pause(200)
				f.request(t, c, fmt.Sprintf("Write%dx%d", i, j), reliable)
			}
		})
	}
	callers.Wait()
	close(over)
	others.Wait()
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	for _, site := range f.sites {
		site.serving.Wait()
	}
	// One more connection may be that of a probe.
	if f.open != 0 || f.most > fleetSessions+1 {
		t.Errorf("%d connections are left, there were up to %d", f.open, f.most)
	}
}

func TestNothingIsLostWhileTheOptionsChange(t *testing.T) {
	seeds := uint64(fleetSeeds)
	if testing.Short() {
		seeds = 10
	}
	for _, reliable := range []bool{true, false} {
		kind := map[bool]string{true: "all is well", false: "endpoints fail"}[reliable]
		for seed := range seeds {
			t.Run(fmt.Sprintf("%s seed %d", kind, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { newFleet(rand.New(rand.NewPCG(seed, 1))).run(t, reliable) })
			})
		}
	}
}
