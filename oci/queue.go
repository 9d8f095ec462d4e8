package oci

import (
	"cmp"
	"container/list"
	"math"
	"time"
)

// queue decides which of the waiting requests gets the next session. The comment of the
// package says why it does so in this way. This file has the discipline; queue_ticket.go
// has tickets and callers, queue_estimate.go what is measured, ranking.go the order, and
// pool_queue.go what the pool does with it.
//
// It has no lock and no clock: the pool calls it with its mutex held, and passes the time.
// Every operation takes O(log n) time for n waiting callers, apart from all, and from a
// change of the order (see newestFirst), of which there are at most ten per second.
//
// The order is, from first to last:
//
//  1. Commands of writes that have begun, and of urgent requests, for all callers
//     together; the oldest request first. They are never refused for a full queue, nor
//     displaced, nor refused because of their deadline: what they have used of the
//     platform would be lost. They are few, since a write begins in the order of 2.
//  2. All others, fairly by caller: start-time fair queueing. A caller is charged the
//     time for which they have a session, divided by their weight, and the one with the
//     lowest charge is next. How long that will be is not known before, so the mean is
//     charged in advance, and corrected at the end. A caller who was absent joins at the
//     charge of those who are served now: what was not used is not saved up.
//     After fairnessRounds of these, one goes to the caller who has waited longest for
//     one, so nobody waits for ever, whatever charge the others have.
//  3. Of one caller, the commands of requests that have begun, then the others: the
//     oldest first. If the caller gives requests up, the newest first: the oldest are
//     about to be given up, and a session for them is wasted. A request is given up if it
//     leaves the queue, or if its ctx has ended when it returns the session. If it was in
//     the queue for a time d before that, the newest are first for a further d, but only
//     after requests have waited without a break for standingAfter. The order of the
//     requests of a caller depends on what that caller does, and the order of callers with
//     the same charge on what all do. If nobody gives up, the oldest are first in any
//     case: to serve the newest first would refuse patient callers whom it serves in time.
//
// A request is refused at once if it cannot be served before its deadline in its place, or
// if the queue is full, unless its caller has less than their share of the queue. Then the
// caller with the most new tickets for their weight loses the one that would be served last.
//
// While no request waits, nothing is charged, and only callers with a limit are counted.
// When the last ticket is gone, all charges are forgotten.
type queue struct {
	callers map[string]*caller // by caller: those who wait, use sessions or are in absent

	urgent    ranking[*caller] // that may be served; by the age of their oldest urgent ticket
	next      ranking[*caller] // that may be served; by charge
	longest   ranking[*caller] // the same; by the time since they were served last
	byWaiting ranking[*caller] // with new tickets; by their number, for the weight

	waiting int // tickets of all callers
	urgents int // those of them that are urgent
	wanted  int // those of them that may be served; the others are of callers at their limit
	present int // callers with tickets
	weights int // of those

	tickets uint64 // were numbered
	turns   int    // that others had since the one who has waited longest had one
	inUse   int    // sessions, without those that were idle
	charged float64
	period  uint64    // counts how often the last waiter has left; charges are of one period
	absent  []*caller // without tickets and sessions in use that have been charged more than charged
	newest  bool      // whether next is ordered by newest first
	step    float64   // then charges that differ by less count as the same
	givingUp

	cost    average  // session time in seconds
	quick   quantile // likewise, of commands that are quicker than most
	steps   decayed  // commands that were served, for each new request
	newOnes decayed
}

const (
	// fairnessRounds is how many ordinary tickets are served for one that is served
	// because its caller has waited longest.
	fairnessRounds = 32
	// sameCharge is how many requests of the mean cost, for each session, a charge may differ
	// by and count as the same, if the newest are served first. Otherwise whoever waits
	// longest would come first among callers with few requests each.
	sameCharge = 0.25
	// standingAfter is how long callers must have waited without a break before the
	// newest are served first: the interval of CoDel, RFC 8289, 4.3.
	standingAfter = 100 * time.Millisecond
	// maxAbsent is how many callers who do not wait are kept for their charge.
	maxAbsent = 1024
	// defaultCost is charged in advance, in seconds, before any session time is known.
	defaultCost = 0.1
	// maxRetryAfter is the maximum of BusyError.RetryAfter.
	maxRetryAfter = 30 * time.Second
)

func newQueue() *queue {
	q := &queue{callers: map[string]*caller{}}
	place := func(i int) func(*caller) *int { return func(c *caller) *int { return &c.places[i] } }
	q.urgent = ranking[*caller]{place: place(0), before: func(a, b *caller) bool { return a.urgent.first().age < b.urgent.first().age }}
	q.next = ranking[*caller]{place: place(1), before: func(a, b *caller) bool {
		if x, y := q.level(a), q.level(b); x != y {
			return x < y
		}
		return (a.since < b.since) != q.newest
	}}
	q.longest = ranking[*caller]{place: place(2), before: func(a, b *caller) bool { return a.since < b.since }}
	q.byWaiting = ranking[*caller]{place: place(3), before: func(a, b *caller) bool { return a.fresh.Len()*b.weight > b.fresh.Len()*a.weight }}
	return q
}

// number returns the next number for a request or a ticket: later ones are higher.
func (q *queue) number() uint64 {
	q.tickets++
	return q.tickets
}

// of returns a caller, with the settings of their latest request.
func (q *queue) of(r Request) *caller {
	c := q.callers[r.Caller]
	if c == nil {
		c = &caller{name: r.Caller}
		c.urgent = ranking[*ticket]{place: func(t *ticket) *int { return &t.place }, before: func(a, b *ticket) bool { return a.age < b.age }}
		q.callers[r.Caller] = c
	}
	if c.period != q.period {
		c.period, c.charged = q.period, 0
	}
	if weight := max(1, r.Weight); c.weight != weight || c.limit != r.MaxSessions {
		c.weight, c.limit = weight, r.MaxSessions
		if c.tickets() > 0 {
			q.settle(c)
		}
	}
	return c
}

// take begins the use of an idle session. It reports false if the caller may not use
// another one. The pool must not have idle sessions while a ticket is wanted.
func (q *queue) take(r Request) (use, bool) {
	if r.MaxSessions == 0 {
		return use{}, true
	}
	c := q.of(r)
	if c.inUse >= c.limit || c.tickets() > 0 {
		q.settle(c)
		return use{}, false
	}
	c.inUse++
	return use{caller: c}, true
}

// join adds a ticket, and may remove another one for it, which is displaced then. If why
// is not empty, the ticket is refused.
func (q *queue) join(t *ticket, now time.Time, b bounds) (why BusyReason, displaced *ticket) {
	c := q.of(t.Request)
	t.caller, t.arrived, t.rank = c, now, t.Request.rank(t.begun)
	if t.rank == rankNew {
		if why, displaced = q.admit(t, now, b); why != "" {
			t.caller = nil
			q.settle(c)
			return why, nil
		}
	}
	if q.waiting == 0 {
		q.standing = now
	}
	if c.tickets() == 0 {
		c.standing = now
	}
	number := q.number()
	if t.age == 0 {
		t.age = number
	}
	if c.ordinary() == 0 {
		c.since = number
	}
	switch t.rank {
	case rankUrgent:
		c.urgent.set(t, true)
		q.urgents++
	case rankBegun:
		t.element = c.begun.PushBack(t)
	default:
		t.element = c.fresh.PushBack(t)
	}
	q.waiting++
	q.settle(c)
	if displaced != nil {
		q.remove(displaced)
	}
	return "", displaced
}

// admit reports why a new ticket is refused; otherwise it returns the one that must leave
// for it, if there must be one.
func (q *queue) admit(t *ticket, now time.Time, b bounds) (why BusyReason, displaced *ticket) {
	if wait, known := q.wait(t.caller, now, b.sessions); known && (wait > b.wait || t.isTooLate(now.Add(wait+q.leastTime()))) {
		return BusyDeadline, nil
	}
	if q.waiting < b.waiting {
		return "", nil
	}
	c := q.byWaiting.first()
	if c == nil || c.fresh.Len()*t.caller.weight <= (t.caller.fresh.Len()+1)*c.weight {
		return BusyFull, nil
	}
	last := c.fresh.Back()
	if c.newestFirst(now) {
		last = c.fresh.Front()
	}
	return "", last.Value.(*ticket)
}

// leave removes a ticket. It reports false if the ticket is not in the queue any more.
// gaveUp means that the caller does not want the session any more.
func (q *queue) leave(t *ticket, now time.Time, gaveUp bool) bool {
	if t.caller == nil {
		return false
	}
	if gaveUp {
		q.noteGivenUp(t.caller, t.arrived, now)
	}
	q.remove(t)
	return true
}

func (q *queue) noteGivenUp(c *caller, arrived, now time.Time) {
	c.noteGivenUp(arrived, now)
	q.givingUp.noteGivenUp(arrived, now)
}

// remove removes a ticket.
func (q *queue) remove(t *ticket) {
	c := t.caller
	t.caller = nil
	switch t.rank {
	case rankUrgent:
		c.urgent.set(t, false)
		q.urgents--
	case rankBegun:
		c.begun.Remove(t.element)
	default:
		c.fresh.Remove(t.element)
	}
	q.waiting--
	q.settle(c)
	if q.waiting == 0 {
		q.reset()
	}
}

// serve removes and returns the ticket that gets a session which has become free, and
// its use; nil if no ticket may be served. Those that were refused, because their
// deadline can no longer be met, are removed as well.
func (q *queue) serve(now time.Time) (t *ticket, of use, refused []*ticket) {
	q.reorder(now)
	for {
		if t = q.choose(now); t == nil {
			return nil, use{}, refused
		}
		if t.rank == rankUrgent || !t.isTooLate(now.Add(q.leastTime())) {
			return t, q.charge(t, now), refused
		}
		q.leave(t, now, true)
		refused = append(refused, t)
	}
}

// reorder changes the order of callers with the same charge if necessary.
func (q *queue) reorder(now time.Time) {
	newest := q.newestFirst(now)
	if newest == q.newest {
		return
	}
	q.newest = newest
	q.step = sameCharge * float64(max(1, q.inUse)) * cmp.Or(q.cost.value, defaultCost) * q.steps.per(q.newOnes)
	q.next.reorder()
}

// level is the charge by which callers are ordered.
func (q *queue) level(c *caller) float64 {
	if q.newest {
		return math.Floor(c.charged / q.step)
	}
	return c.charged
}

// choose returns the ticket that is served next.
func (q *queue) choose(now time.Time) *ticket {
	if c := q.urgent.first(); c != nil {
		return c.urgent.first()
	}
	c := q.next.first()
	if q.turns >= fairnessRounds {
		c = q.longest.first()
	}
	if c == nil {
		return nil
	}
	return c.choose(now)
}

// charge removes a ticket that is served, and charges its caller.
func (q *queue) charge(t *ticket, now time.Time) use {
	c, cost := t.caller, cmp.Or(q.cost.value, defaultCost)
	if t.rank != rankUrgent {
		if c == q.next.first() {
			q.charged = max(q.charged, c.charged)
		}
		q.turns++
		if c == q.longest.first() {
			q.turns = 0
		}
		c.since = q.number()
	}
	q.steps.add(1)
	if t.rank == rankNew {
		q.newOnes.add(1)
	} else {
		q.newOnes.add(0)
	}
	c.charged += cost / float64(c.weight)
	c.inUse++
	q.inUse++
	of := use{caller: c, charge: cost, period: q.period, since: now, arrived: t.arrived}
	q.remove(t)
	return of
}

// done ends the use of a session. worked reports whether the session is usable, so that
// its time is a usual one. gaveUp reports whether the caller's ctx has ended.
func (q *queue) done(u use, now time.Time, worked, gaveUp bool) {
	c := u.caller
	if c == nil {
		return
	}
	c.inUse--
	if u.charge > 0 {
		q.inUse--
	}
	if u.charge > 0 && u.period == q.period {
		took := now.Sub(u.since).Seconds()
		c.charged += (took - u.charge) / float64(c.weight)
		if worked {
			q.cost.add(took)
			q.quick.add(took)
		}
		if gaveUp {
			q.noteGivenUp(c, u.arrived, now)
		}
	}
	q.settle(c)
}

// settle brings the rankings and counts up to date after any change of a caller, and
// forgets one who is not needed any more.
func (q *queue) settle(c *caller) {
	tickets, served := c.tickets(), c.tickets()
	if c.limit > 0 {
		served = max(0, min(tickets, c.limit-c.inUse))
	}
	q.wanted += served - c.wanted
	c.wanted = served
	weight := c.weight
	if tickets == 0 {
		weight = 0
	}
	q.weights += weight - c.counted
	switch {
	case weight > 0 && c.counted == 0:
		q.present++
	case weight == 0 && c.counted > 0:
		q.present--
	}
	c.counted = weight
	ordinary := served > 0 && c.ordinary() > 0
	if ordinary && !q.next.has(c) {
		c.charged = max(c.charged, q.charged)
	}
	q.urgent.set(c, served > 0 && c.urgent.first() != nil)
	q.next.set(c, ordinary)
	q.longest.set(c, ordinary)
	q.byWaiting.set(c, c.fresh.Len() > 0)
	if tickets == 0 && c.inUse == 0 {
		q.forget(c)
	}
}

// forget removes a caller without tickets and sessions, unless their charge still matters.
func (q *queue) forget(c *caller) {
	if c.period != q.period || c.charged <= q.charged {
		if !c.isAbsent {
			delete(q.callers, c.name)
		}
	} else if !c.isAbsent {
		c.isAbsent = true
		q.absent = append(q.absent, c)
	}
	for len(q.absent) > 0 && (len(q.absent) > maxAbsent || q.absent[0].charged <= q.charged || q.absent[0].isActive()) {
		q.endAbsence(q.absent[0])
		q.absent = q.absent[1:]
	}
}

// endAbsence removes a caller from the absent ones, and forgets them unless they are active.
func (q *queue) endAbsence(c *caller) {
	c.isAbsent = false
	if !c.isActive() {
		delete(q.callers, c.name)
	}
}

// reset begins a new period, in which nobody has been charged.
func (q *queue) reset() {
	q.period++
	q.charged, q.givingUp = 0, givingUp{}
	for _, c := range q.absent {
		q.endAbsence(c)
	}
	q.absent = nil
	q.cost.n, q.quick = 0, 0 // waits are compared with times of the same period alone
}

// all returns all tickets.
func (q *queue) all() []*ticket {
	all := make([]*ticket, 0, q.waiting)
	for _, c := range q.callers {
		all = append(all, c.urgent.items...)
		for _, from := range []*list.List{&c.begun, &c.fresh} {
			for e := from.Front(); e != nil; e = e.Next() {
				all = append(all, e.Value.(*ticket))
			}
		}
	}
	return all
}
