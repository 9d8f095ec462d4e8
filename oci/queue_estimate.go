package oci

import (
	"math"
	"time"
)

// What the queue measures: how long callers use sessions, and whether callers give up.

// leastTime returns a session time that few commands are quicker than; 0 if it is not
// known. What a command needs is not known before.
func (q *queue) leastTime() time.Duration { return seconds(float64(q.quick)) }

// wait returns how long a new ticket of a caller would wait, if as many sessions work as
// lately. It assumes what is best for the caller where it does not know. It reports false
// if no session time is known.
func (q *queue) wait(c *caller, now time.Time, sessions int) (time.Duration, bool) {
	before := c.ordinary()
	if c.newestFirst(now) {
		before = c.begun.Len()
	}
	return q.waitBehind(c, before, sessions)
}

// drainTime returns the time in which all tickets are served that wait now; 0 if it is
// not known.
func (q *queue) drainTime(sessions int) time.Duration {
	if sessions == 0 {
		return 0
	}
	return seconds(float64(q.waiting) * q.costOfRequest() / float64(sessions))
}

// costOfRequest returns the session time of a new request with all its commands, in
// seconds; 0 if it is not known.
func (q *queue) costOfRequest() float64 { return q.cost.or(0) * q.steps.per(q.newOnes) }

// waitBehind is wait behind some of the caller's own tickets. A caller with a share of a
// half waits for two others' commands for each of their own.
func (q *queue) waitBehind(c *caller, before, sessions int) (time.Duration, bool) {
	cost := q.costOfRequest()
	if cost == 0 || sessions == 0 {
		return 0, false
	}
	weights := q.weights - c.counted + c.weight
	turns := float64(q.urgents)
	if before > 0 || !q.newest {
		turns += float64(before+1)*float64(weights)/float64(c.weight) - 1
	}
	wait := min(turns, float64(q.waiting)) * cost / float64(sessions)
	if c.limit > 0 {
		wait = max(wait, float64(before)*cost/float64(c.limit))
	}
	return seconds(wait), true
}

// retryAfter returns the time in which those tickets of a caller are served that wait
// now; 0 if it is not known.
func (q *queue) retryAfter(r Request, sessions int) time.Duration {
	c := q.of(r)
	wait, _ := q.waitBehind(c, c.ordinary(), sessions)
	q.settle(c)
	return min(wait, maxRetryAfter)
}

// givingUp records whether callers wait without a break and give up.
type givingUp struct {
	standing time.Time // since when there are tickets
	until    time.Time // callers have given up lately
}

// noteGivenUp records that a caller has given up who was in the queue since arrived.
func (g *givingUp) noteGivenUp(arrived, now time.Time) {
	if until := now.Add(max(standingAfter, now.Sub(arrived))); until.After(g.until) {
		g.until = until
	}
}

// newestFirst reports whether the newest tickets are served first.
func (g *givingUp) newestFirst(now time.Time) bool {
	return now.Before(g.until) && now.Sub(g.standing) >= standingAfter
}

// average is the mean of the last values, each of which counts less than the next.
type average struct {
	n     int
	value float64
}

func (a *average) add(value float64) {
	a.n = min(a.n+1, 16)
	a.value += (value - a.value) / float64(a.n)
}

// or returns the mean, or another value if there is none.
func (a *average) or(other float64) float64 {
	if a.n == 0 {
		return other
	}
	return a.value
}

// quantile is an estimate of the value that an eighth of the last values are below; 0
// without values. Each value moves it by a little, upwards or downwards.
type quantile float64

func (q *quantile) add(value float64) {
	switch {
	case *q == 0:
		*q = quantile(value)
	case value < float64(*q):
		*q *= 1 - 7.0/64
	default:
		*q *= 1 + 1.0/64
	}
}

// decayed is a sum in which earlier values count less.
type decayed float64

func (d *decayed) add(value float64) { *d = *d*(1-1.0/64) + decayed(value) }

// per returns the quotient of two sums, at least 1.
func (d decayed) per(other decayed) float64 {
	return max(1, float64(d)/max(float64(other), 1))
}

func seconds(s float64) time.Duration {
	return time.Duration(math.Round(s * float64(time.Second)))
}
