package oci

import (
	"cmp"
	"container/list"
	"math"
	"time"
)

// queue decides who of the waiting callers gets the next session. It has no lock and no
// clock: the pool calls it with its mutex held, and passes the time. Every operation
// takes O(log n) time for n waiting callers, apart from a change of the order (see
// newestFirst), of which there are at most ten per second.
//
// The order is, from first to last:
//
//  1. Commands of writes that have begun, and of urgent requests, for all callers
//     together; the oldest request first. They are never refused for a full queue, nor
//     displaced, nor refused because of their deadline: what they have used of the
//     platform would be lost, and the caller has been promised an outcome. They are few,
//     since a write begins in the order of 2.
//  2. All others, fairly by caller: start-time fair queueing (P. Goyal, H. Vin, H. Cheng,
//     SIGCOMM 1996) with several commands in service (W. Jin, J. Chase, J. Kaur,
//     SIGMETRICS 2004). A caller is charged the time for which they have a session,
//     divided by their weight, and the one with the lowest charge is next. What a
//     session will cost is not known before, so the mean is charged in advance and
//     corrected at the end. A caller who was away joins at the charge of those who are
//     served now: what was not used is not saved up.
//     Each fairnessRounds-th of these goes to the caller who has waited longest for one,
//     so nobody waits for ever, whatever charge the others have.
//  3. Of one caller, the commands of requests that have begun, then the others: the
//     oldest first. If callers give up, the newest first (adaptive LIFO: B. Maurer,
//     "Fail at Scale", ACM Queue 13(8), 2015): the oldest are about to give up, and
//     a session for them is wasted. Callers give up if they leave the queue, or if their
//     ctx has ended when they return the session. Who gives up after a wait of d counts
//     for a further d. A queue that is empty now and then is no reason (the standing
//     queue of CoDel, RFC 8289). The order of a caller depends on what that caller does,
//     and the order of callers with the same charge on what all do.
//     Newest first without such a sign would refuse patient callers late whom the oldest
//     first serves in time.
//
// Callers are refused at once who cannot be served before their deadline in their place,
// and those who find the queue full, unless they have less than their share of it. Then
// the caller with most waiters for their weight loses the one that would be served last.
//
// While nobody waits, the queue keeps no accounts: an idle session costs nothing, and a
// caller with a limit a counter. When the last waiter is gone, all charges are forgotten.
type queue struct {
	callers map[string]*caller // by caller: those who wait, use sessions or are in resting

	urgent  ranking[*caller] // that may be served; by the age of their oldest urgent ticket
	next    ranking[*caller] // that may be served; by charge
	longest ranking[*caller] // the same; by the time since they were served last
	crowd   ranking[*caller] // with new tickets; by their number, for the weight

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
	resting []*caller // without tickets and sessions in use that have been charged more than charged
	newest  bool      // whether next is ordered by newest first
	step    float64   // then charges that differ by less count as the same
	temper

	cost    average  // session time in seconds
	quick   quantile // likewise, of commands that are quicker than most
	steps   decayed  // commands that were served, for each new request
	newOnes decayed
}

const (
	// fairnessRounds is how many ordinary tickets are served for one that is served
	// because its caller has waited longest.
	fairnessRounds = 32
	// roughly is how many requests of the mean cost, for each session, a charge may differ
	// by and count as the same, if the newest are served first. Otherwise whoever waits
	// longest would come first among callers with few requests each.
	roughly = 0.25
	// standingAfter is how long callers must have waited without a break before the
	// newest are served first: the interval of CoDel, RFC 8289, 4.3.
	standingAfter = 100 * time.Millisecond
	// maxResting is how many callers who do not wait are remembered for their charge.
	maxResting = 1024
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
	q.crowd = ranking[*caller]{place: place(3), before: func(a, b *caller) bool { return a.fresh.Len()*b.weight > b.fresh.Len()*a.weight }}
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
	if wait, known := q.wait(t.caller, now, b.sessions); known && (wait > b.wait || t.isLate(now.Add(wait+q.leastTime()))) {
		return BusyDeadline, nil
	}
	if q.waiting < b.waiting {
		return "", nil
	}
	c := q.crowd.first()
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
	q.temper.noteGivenUp(arrived, now)
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
		if t.rank == rankUrgent || !t.isLate(now.Add(q.leastTime())) {
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
	q.step = roughly * float64(max(1, q.inUse)) * cmp.Or(q.cost.value, defaultCost) * q.steps.per(q.newOnes)
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
	q.crowd.set(c, c.fresh.Len() > 0)
	if tickets == 0 && c.inUse == 0 {
		q.rest(c)
	}
}

// rest forgets a caller without tickets and sessions, unless their charge still matters.
func (q *queue) rest(c *caller) {
	if c.period != q.period || c.charged <= q.charged {
		if !c.rests {
			delete(q.callers, c.name)
		}
	} else if !c.rests {
		c.rests = true
		q.resting = append(q.resting, c)
	}
	for len(q.resting) > 0 && (len(q.resting) > maxResting || q.resting[0].charged <= q.charged || q.resting[0].isActive()) {
		q.wake(q.resting[0])
		q.resting = q.resting[1:]
	}
}

// wake removes a caller from those that rest, and forgets them unless they are active.
func (q *queue) wake(c *caller) {
	c.rests = false
	if !c.isActive() {
		delete(q.callers, c.name)
	}
}

// reset begins a new period, in which nobody has been charged.
func (q *queue) reset() {
	q.period++
	q.charged, q.temper = 0, temper{}
	for _, c := range q.resting {
		q.wake(c)
	}
	q.resting = nil
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
