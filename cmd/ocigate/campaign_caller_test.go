//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// The callers of the campaign. Each writes to its own entries, and finds out the result of
// each write as a portal should: with an Idempotency-Key by repeating the request, and
// without one by reading the operation.

// caller writes to its own entries, one write at a time.
type caller struct {
	campaign *campaign
	number   int
	random   *rand.Rand
	lanes    []*lane
	lists    []*ownList // lists that are replaced
	writes   []*write
}

const lanesPerCaller = 4

func newCaller(a *campaign, number int) *caller {
	c := &caller{campaign: a, number: number, random: a.random(fmt.Sprintf("caller %d", number))}
	for i := range lanesPerCaller {
		l := &lane{tenant: tenantName(number), group: groupName(number/campaignTenants + i), kind: rangeKind}
		if i%2 == 1 {
			l.kind = prefixKind
		}
		for e := range 1 + c.random.IntN(3) {
			id := (number*lanesPerCaller+i)*4 + e
			if l.kind == prefixKind {
				l.entries = append(l.entries, fmt.Sprintf("+327%05d", id))
			} else {
				l.entries = append(l.entries, fmt.Sprintf("+322%05d0", id))
			}
		}
		c.lanes = append(c.lanes, l)
	}
	return c
}

// run writes until enough is set. Each write is taken to its result.
func (c *caller) run() {
	for !c.campaign.enough.Load() && c.campaign.t.Context().Err() == nil {
		w := c.next(c.lanes[c.random.IntN(len(c.lanes))])
		if c.random.IntN(10) == 0 {
			c.takeWithRival(w)
		} else {
			c.take(w)
		}
		if w.result != wasRefused {
			c.campaign.concluded.Add(1)
		}
	}
}

// takeWithRival takes a write to its result while a rival wants the opposite. The rival's
// write can only be done after this one was done.
func (c *caller) takeWithRival(w *write) {
	r := c.next(w.lane)
	r.assign = !w.assign
	r.aim(0)
	r.key, r.rival = "", true
	var other sync.WaitGroup
	other.Go(func() {
		for len(r.attempts) < 20 && r.result == noResult && c.campaign.t.Context().Err() == nil {
			a := c.send(r, r.nextRequest(0), patience)
			r.attempts = append(r.attempts, a)
			c.decidePlain(r, a)
		}
		if r.result == noResult {
			r.conclude(wasRefused, "refused every time")
		}
	})
	c.take(w)
	other.Wait()
	if r.result == wasDone {
		w.lane.assigned = r.assign
	}
}

// lastWrites makes one write to each of the caller's lanes after the end of all faults. Each
// must be done by its first request.
func (c *caller) lastWrites() {
	for _, l := range c.lanes {
		w := c.next(l)
		c.take(w)
		if w.result != wasDone || len(w.attempts) != 1 {
			w.complaint = "after the end of all faults, the last write of these entries was not done by its first request"
		}
	}
}

// next returns the next write on a lane: the opposite of the last one that was done.
func (c *caller) next(l *lane) *write {
	w := &write{
		name: fmt.Sprintf("c%02d-w%04d", c.number, len(c.writes)), lane: l, assign: !l.assigned,
		client: l.tenant,
	}
	w.aim(c.random.IntN(2))
	if c.random.IntN(8) == 0 {
		w.client = systemClient
	}
	if c.random.IntN(5) < 3 {
		w.key = fmt.Sprintf("%d-%s", c.campaign.seed, w.name)
	}
	w.body = bodyOf(l.kind, l.entries)
	c.writes = append(c.writes, w)
	return w
}

// take sends requests until the result of a write is known.
func (c *caller) take(w *write) {
	for w.result == noResult && c.campaign.t.Context().Err() == nil {
		if w.key == "" {
			a := c.attempt(w, w.nextRequest(0))
			w.attempts = append(w.attempts, a)
			c.decidePlain(w, a)
			continue
		}
		attempts := c.attemptKeyed(w)
		w.attempts = append(w.attempts, attempts...)
		c.decideKeyed(w, attempts[0])
	}
	if w.result == wasDone {
		w.lane.assigned = w.assign
	}
}

// attemptKeyed sends a request that has a key: usually once, but sometimes twice at the
// same time. The first attempt that it returns is the one with more information.
func (c *caller) attemptKeyed(w *write) []attempt {
	if c.random.IntN(15) > 0 || c.campaign.enough.Load() {
		return []attempt{c.attempt(w, w.nextRequest(0))}
	}
	twins := make([]attempt, 2)
	var requests sync.WaitGroup
	for i := range twins {
		requests.Go(func() { twins[i] = c.send(w, w.nextRequest(i), patience) })
	}
	requests.Wait()
	if a := twins[0]; a.err != nil || a.status == http.StatusServiceUnavailable {
		slices.Reverse(twins)
	}
	return twins
}

// decideKeyed is the policy of a caller whose request has a key: as long as there is no
// result, the caller sends it again.
func (c *caller) decideKeyed(w *write, a attempt) {
	switch {
	case a.err != nil:
		c.pause(50 * time.Millisecond)
	case a.name == "REQUEST_RUNNING" || a.name == "ENTRIES_HELD" || a.status == http.StatusGatewayTimeout ||
		a.status == http.StatusMultiStatus && a.outcome == "unknown" ||
		a.status == http.StatusBadGateway && a.name != "PARTLY_DONE":
		c.pause(a.wait)
	case a.status == http.StatusServiceUnavailable:
		if !w.leftOpen() && c.random.IntN(4) == 0 {
			w.conclude(wasRefused, "not repeated after 503")
			return
		}
		c.pause(a.wait)
	default:
		w.answered(a)
	}
}

// decidePlain is the policy of a caller without a key: the caller sends a write again if it
// was certainly not done, and otherwise reads the operation.
func (c *caller) decidePlain(w *write, a attempt) {
	switch {
	case a.err != nil:
		c.search(w, a)
	case a.name == "ENTRIES_HELD" || a.status == http.StatusServiceUnavailable:
		c.pause(a.wait)
	case w.rival && a.name == "NOT_AVAILABLE_FOR_ASSIGNMENT":
		c.pause(30 * time.Millisecond) // it is too early
	case a.status >= http.StatusInternalServerError || a.status == http.StatusMultiStatus && a.outcome == "unknown":
		c.follow(w, a.operation)
	default:
		w.answered(a)
	}
}

// search finds the operation of a request without a response by its request id. If there is
// none after the longest time of a request, nothing was done.
func (c *caller) search(w *write, a attempt) {
	for c.campaign.t.Context().Err() == nil {
		asked := time.Now()
		op, found, err := c.find(w, a)
		switch {
		case err != nil:
			c.pause(100 * time.Millisecond)
		case found:
			c.follow(w, op.ID)
			return
		case asked.Sub(a.ended) > requestTimeout+2*commandTimeout:
			w.conclude(wasRefused, "no operation")
			return
		default:
			c.pause(200 * time.Millisecond)
		}
	}
}

// follow reads an operation until it has ended.
func (c *caller) follow(w *write, id string) {
	for c.campaign.t.Context().Err() == nil {
		var op apiOperation
		err := c.get(w.client, "/api/v1/operations/"+id+"/", &op)
		if status, ok := err.(statusError); ok && status == http.StatusNotFound { //nolint:errorlint // get returns it unwrapped
			// There is no intent, so nothing was sent: the operation was only
			// received when it was read, or its gateway was killed.
			w.conclude(wasRefused, "operation gone")
			return
		}
		if err == nil && (op.State == wasDone || op.State == wasNotDone || op.State == wasPartly) {
			w.conclude(op.State, "operation")
			if w.set != nil {
				w.set.learnFrom(&op)
			}
			return
		}
		c.pause(200 * time.Millisecond)
	}
}
