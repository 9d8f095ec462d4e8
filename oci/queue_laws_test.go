package oci

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"
)

// The laws of the queue, in simulated time over many seeds: whatever the callers do, each
// of their requests ends once, commands that have begun precede others, nobody waits for
// ever, limits hold, and capacity is shared by weight. A seed that fails can be run again
// by its number. To add a law, extend laws.

// lawSeeds is how many seeds a complete run has; see seeds.
const lawSeeds = 2000

// laws checks a simulation.
type laws struct {
	t     *testing.T
	shop  *shop
	fair  fair
	seed  uint64
	inUse map[string]int
	// since holds, by caller, how many new requests of others have been served since one of
	// theirs waits without having been served.
	since map[string]int
}

func (l *laws) failf(format string, args ...any) {
	l.t.Helper()
	l.t.Errorf("seed %d, at %v: %s", l.seed, l.shop.now.Sub(l.shop.start), fmt.Sprintf(format, args...))
}

// mayUse reports whether the caller of a job may use another session.
func (l *laws) mayUse(j *job) bool { return j.of.limit == 0 || l.inUse[j.name] < j.of.limit }

// served checks that it is the turn of a job.
func (l *laws) served(j *job, waited bool) {
	urgent := j.of.write && j.done > 0
	for other := range l.shop.queued {
		if other == j || !l.mayUse(other) {
			continue
		}
		switch began := other.of.write && other.done > 0; {
		case !waited:
			l.failf("an idle session was taken while another caller waits who may have it")
		case began && !urgent:
			l.failf("a write that had begun was overtaken by a new request")
		case began && other.age < j.age:
			l.failf("a write that began earlier was overtaken")
		case !urgent && other.name == j.name && other.done > 0 && j.done == 0:
			l.failf("a request that had begun was overtaken by a new one of the same caller")
		}
	}
	if !l.mayUse(j) {
		l.failf("a caller uses %d sessions and may use %d", l.inUse[j.name]+1, j.of.limit)
	}
	l.inUse[j.name]++
	if waited && !urgent {
		l.countTurn(j)
	}
}

// countTurn checks that nobody waits for too many others.
func (l *laws) countTurn(j *job) {
	waiting := map[string]int{} // weights
	for other := range l.shop.queued {
		if l.mayUse(other) && other != j {
			waiting[other.name] = other.of.weight
		}
	}
	for name := range l.since {
		if waiting[name] == 0 {
			delete(l.since, name)
		}
	}
	delete(l.since, j.name)
	for name, weight := range waiting {
		if name == j.name {
			continue
		}
		l.since[name]++
		if bound := fairnessRounds * (l.fair.bounds.waiting + 4*l.shop.sessions); l.since[name] > bound {
			l.failf("a caller of weight %d waited for %d turns of %d others", weight, l.since[name], len(waiting))
			l.since[name] = math.MinInt32
		}
	}
}

// ended checks the end of a simulation.
func (l *laws) ended() {
	for _, c := range l.shop.crowds {
		if c.good+c.late+c.refused != c.asked {
			l.failf("%d requests, but %d good, %d late, %d refused", c.asked, c.good, c.late, c.refused)
		}
		for _, why := range []BusyReason{BusyFull, BusyDisplaced} {
			if c.cutOffFor[why] > 0 {
				l.failf("%d requests that had begun were refused (%s)", c.cutOffFor[why], why)
			}
		}
		if c.write && c.cutOffFor[BusyDeadline] > 0 {
			l.failf("%d writes that had begun were refused for their deadline", c.cutOffFor[BusyDeadline])
		}
	}
	q := l.fair.queue
	if left := len(q.callers) + len(q.absent) + q.waiting + q.wanted + q.urgents + q.weights + q.present + q.inUse + len(l.fair.jobs); left > 0 || l.shop.idle != l.shop.sessions {
		l.failf("left behind: %d callers (%d absent), %d tickets, wanted %d, urgent %d, weights %d, idle %d", len(q.callers), len(q.absent), q.waiting, q.wanted, q.urgents, q.weights, l.shop.idle)
	}
}

// randomShop returns a simulation that is checked by the laws.
func randomShop(t *testing.T, seed uint64) *laws {
	random := rand.New(rand.NewPCG(seed, 7))
	pick := func(of ...int) int { return of[random.IntN(len(of))] }
	s := &shop{random: random, sessions: 1 + random.IntN(6), service: time.Duration(pick(5, 20, 50)) * time.Millisecond, maxWait: time.Duration(pick(200, 1000)) * time.Millisecond, until: 500 * time.Millisecond}
	f := newFair(s.sessions, pick(1, 5, 40), s.maxWait)
	s.queueing = f
	for range 1 + random.IntN(4) {
		s.crowds = append(s.crowds, &crowd{
			names: pick(0, 1, 1, 5), weight: pick(0, 1, 2, 4), limit: pick(0, 0, 0, 1, 2), steps: pick(1, 1, 2, 4), write: random.IntN(2) == 0,
			rate:     float64(s.sessions) / s.service.Seconds() * 2 * random.Float64(),
			patience: time.Duration(pick(50, 300, 5000)) * time.Millisecond, deadline: random.IntN(2) == 0,
			service: time.Duration(pick(0, 0, 2, 80)) * time.Millisecond,
		})
	}
	l := &laws{t: t, shop: s, fair: f, seed: seed, inUse: map[string]int{}, since: map[string]int{}}
	s.served = l.served
	s.ended = func(j *job) { l.inUse[j.name]-- }
	return l
}

func TestLawsOfTheQueue(t *testing.T) {
	for seed := range seeds(t, lawSeeds) {
		l := randomShop(t, seed)
		l.shop.run()
		l.ended()
		if t.Failed() {
			return
		}
	}
}

// The capacity is shared by weight among callers who want more than there is, in session
// time and not in requests.
func TestCallersShareByWeight(t *testing.T) {
	for seed := range seeds(t, 100) {
		random := rand.New(rand.NewPCG(seed, 3))
		s := &shop{random: random, sessions: 1 + random.IntN(8), service: 20 * time.Millisecond, maxWait: 10 * time.Second}
		s.until = time.Duration(2000/s.sessions) * s.service
		s.queueing = newFair(s.sessions, 256, s.maxWait)
		weights := 0
		for range 2 + random.IntN(2) {
			c := &crowd{names: 1, weight: 1 + random.IntN(4), patience: []time.Duration{300 * time.Millisecond, time.Minute}[random.IntN(2)]}
			c.service = s.service * time.Duration(1+random.IntN(3))
			c.rate = 3 * float64(s.sessions) / c.service.Seconds()
			if c.write = random.IntN(2) == 0; c.write {
				c.steps = 1 + random.IntN(3)
				c.rate /= float64(c.steps)
			}
			weights += c.weight
			s.crowds = append(s.crowds, c)
		}
		// What is done after the last arrival is no share.
		s.planned = func() {
			s.after(s.until, func() {
				for i, c := range s.crowds {
					want := float64(c.weight) / float64(weights)
					got := c.work.Seconds() / s.until.Seconds() / float64(s.sessions)
					if math.Abs(got/want-1) > 0.1 {
						t.Errorf("seed %d: caller %d of weight %d of %d has %.1f%% of the capacity instead of %.1f%%", seed, i, c.weight, weights, 100*got, 100*want)
					}
				}
			})
		}
		s.run()
	}
}

// Nobody waits for ever because others come who have not been served yet, whether these
// give up or not. The capacity is exceeded by callers who come once each.
func TestNobodyWaitsForEver(t *testing.T) {
	for _, patience := range []time.Duration{300 * time.Millisecond, time.Minute} {
		for seed := range seeds(t, 20) {
			one := &crowd{names: 1, rate: 20, patience: time.Minute}
			others := &crowd{rate: 1200, patience: patience}
			s := &shop{
				random: rand.New(rand.NewPCG(seed, 1)), sessions: loadSessions, service: 20 * time.Millisecond, maxWait: time.Minute,
				queueing: newFair(loadSessions, 256, time.Minute), crowds: []*crowd{others, one}, until: 20 * time.Second,
			}
			// The longest wait is for those who came before.
			bound := time.Duration(fairnessRounds*256/loadSessions) * s.service
			last := time.Unix(0, 0)
			s.served = func(j *job, _ bool) {
				if j.of != one || s.now.Sub(s.start) > s.until {
					return
				}
				if waited := s.now.Sub(last); waited > bound {
					t.Errorf("seed %d: a caller among those with %v of patience was not served for %v", seed, patience, waited)
				}
				last = s.now
			}
			s.run()
			if one.good < 2 {
				t.Errorf("seed %d: a caller among those with %v of patience was served %d times in %v", seed, patience, one.good, s.until)
			}
		}
	}
}

// What callers did not use while they were away is not saved up for them.
func TestCallersWhoWereAwayHaveNoMoreThanTheirShare(t *testing.T) {
	for seed := range seeds(t, 20) {
		s := &shop{
			random: rand.New(rand.NewPCG(seed, 1)), sessions: loadSessions, service: 20 * time.Millisecond, maxWait: 10 * time.Second,
			queueing: newFair(loadSessions, 256, 10*time.Second), until: 10 * time.Second,
		}
		rate := 3 * loadSessions / s.service.Seconds()
		one, other := &crowd{names: 1, rate: rate, patience: time.Minute}, &crowd{names: 1, rate: rate, patience: time.Minute}
		away := &crowd{names: 1, patience: time.Minute}
		s.crowds = []*crowd{one, other, away}
		const again = 9 * time.Second
		s.planned = func() {
			s.after(0, func() { s.ask(away) })
			s.after(again, func() { away.rate = rate; s.arrive(away) })
			s.after(again, func() { away.work = 0 })
			s.after(s.until, func() {
				if got := away.work.Seconds() / (s.until - again).Seconds() / loadSessions; got < 0.3 || got > 0.37 {
					t.Errorf("seed %d: a third caller has %.1f%% of the capacity in the first second", seed, 100*got)
				}
			})
		}
		s.run()
	}
}

// Callers who come once each are forgotten, also while the queue is never empty, and whoever is
// refused as well.
func TestManyCallersAreForgotten(t *testing.T) {
	q, now, b := newQueue(), time.Unix(0, 0), bounds{sessions: loadSessions, waiting: 256, wait: time.Minute}
	var inUse []use
	refused, most := 0, 0
	for i := range 100_000 {
		now = now.Add(time.Millisecond)
		ask := &ticket{Request: Request{Caller: strconv.Itoa(i), MaxSessions: i % 3}}
		if i%2 == 0 {
			ask.deadline = now.Add(10 * time.Millisecond)
		}
		if why, _ := q.join(ask, now, b); why != "" {
			refused++
		}
		if i%3 == 0 {
			if next, u, _ := q.serve(now); next != nil {
				inUse = append(inUse, u)
			}
		}
		if len(inUse) == loadSessions {
			q.done(inUse[0], now, true, i%5 == 0)
			inUse = inUse[1:]
		}
		most = max(most, len(q.callers))
	}
	if bound := maxAbsent + b.waiting + loadSessions; most > bound || refused == 0 {
		t.Errorf("up to %d callers were known, want %d at most; %d were refused", most, bound, refused)
	}
	for q.waiting > 0 {
		_, u, _ := q.serve(now)
		inUse = append(inUse, u)
	}
	for _, u := range inUse {
		q.done(u, now, true, false)
	}
	if len(q.callers) > 0 || len(q.absent) > 0 {
		t.Errorf("%d callers are left, %d of them absent", len(q.callers), len(q.absent))
	}
}
