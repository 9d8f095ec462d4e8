package oci

import (
	"container/list"
	"time"
)

// What is in the queue: tickets, and the callers to whom they belong.

// rank is the order of the tickets of a caller.
type rank int

const (
	rankNew    rank = iota
	rankBegun       // the request has had a session
	rankUrgent      // see queue
)

// ticket is one command that waits for a session.
type ticket struct {
	Request
	begun    bool      // the request has had a session
	age      uint64    // of the request: the number of its first ticket
	arrived  time.Time // in the queue
	deadline time.Time // when it is of no use any more; zero for never
	owner    *waiter   // the queue does not use it

	caller  *caller
	rank    rank
	element *list.Element // in a list of the caller, unless it is urgent
	place   int           // in the caller's urgent
}

// isTooLate reports whether the deadline is before the expected end.
func (t *ticket) isTooLate(end time.Time) bool { return !t.deadline.IsZero() && t.deadline.Before(end) }

// bounds limit the queue.
type bounds struct {
	sessions int           // that there are, or will be soon
	waiting  int           // tickets; see [Options.MaxWaiting]
	wait     time.Duration // of a ticket; see [Options.MaxWait]
}

// caller holds the tickets of a caller, and what they have used.
type caller struct {
	name   string
	weight int
	limit  int // of sessions in use; 0 for none
	inUse  int // sessions; without those that were idle, if the caller had no limit

	urgent ranking[*ticket] // by the age of the request
	begun  list.List        // of *ticket, the oldest first
	fresh  list.List        // likewise

	charged float64 // seconds for a weight of 1
	period  uint64  // of charged
	since   uint64  // number of the ticket with which the wait began, or of the last turn
	givingUp

	wanted, counted int    // what the caller adds to the queue's wanted and weights
	places          [4]int // in the rankings of the queue
	isAbsent        bool   // it is in absent
}

// use is the use of a session by a caller. The zero use is one without accounts.
type use struct {
	caller  *caller
	charge  float64 // seconds, in advance; 0 for an idle session
	period  uint64
	since   time.Time
	arrived time.Time // in the queue
}

func (r Request) rank(begun bool) rank {
	switch {
	case r.Urgent || r.Write && begun:
		return rankUrgent
	case begun:
		return rankBegun
	}
	return rankNew
}

// choose returns the ticket of a caller that is served next.
func (c *caller) choose(now time.Time) *ticket {
	first := c.begun.Front()
	switch {
	case first != nil:
	case c.newestFirst(now):
		first = c.fresh.Back()
	default:
		first = c.fresh.Front()
	}
	return first.Value.(*ticket)
}

func (c *caller) ordinary() int  { return c.begun.Len() + c.fresh.Len() }
func (c *caller) tickets() int   { return c.ordinary() + len(c.urgent.items) }
func (c *caller) isActive() bool { return c.tickets() > 0 || c.inUse > 0 }
