package oci

import (
	"container/heap"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// A simulation of sessions, callers and a queue in simulated time, without goroutines: some
// hundred thousand requests in a second. A test makes a shop with crowds of callers, runs
// it, and compares what the crowds got with what the queue promises.

// crowd are callers of one kind.
type crowd struct {
	names    int // different callers; 0 for a new one with each request
	weight   int
	limit    int           // of sessions
	rate     float64       // requests per second
	patience time.Duration // of a caller, from the request to the last reply
	deadline bool          // the queue knows the patience
	steps    int           // commands of a request, one after the other
	write    bool
	service  time.Duration // mean time of a command; 0 for that of the shop

	asked, good, late, refused int           // requests; late are those that were served in vain
	goodWork                   time.Duration // session time of the good ones
	work                       time.Duration // session time of all
	shed                       map[BusyReason]int
	waits                      []time.Duration // from the request to the last reply, of the good ones
	cutOff                     int             // requests that were refused or given up in the queue after they had begun
	cutOffFor                  map[BusyReason]int
}

// job is a request in the simulation, and its ticket for the current step.
type job struct {
	ticket
	of      *crowd
	name    string
	born    time.Time
	ends    time.Time // of the patience
	done    int       // steps
	work    time.Duration
	waiting bool
	over    bool // it has been answered, refused or given up
	age     uint64
	use     use
	began   time.Time
	number  int
	turns   int // that others had during its wait
}

// discipline is what is simulated: the queue, or one to compare it with.
type discipline interface {
	// join returns whom the job displaced, and whether the job itself was refused.
	join(j *job, now time.Time) (why BusyReason, displaced *job)
	serve(now time.Time) (next *job, refused []*job)
	leave(j *job, now time.Time)
	// take and done begin and end the use of a session.
	take(j *job) bool
	done(j *job, now time.Time)
	waiting() int
}

// shop is a platform with sessions and callers.
type shop struct {
	random   *rand.Rand
	sessions int
	service  time.Duration // mean
	maxWait  time.Duration
	queueing discipline
	crowds   []*crowd
	until    time.Duration // no request comes later
	// planned, unless nil, adds events at the beginning.
	planned func()
	// served is called when a job gets a session, if it is not nil. waited is false for an idle one.
	served func(j *job, waited bool)
	// ended is called when a job has given back its session, if it is not nil.
	ended func(j *job)

	now    time.Time
	start  time.Time
	idle   int
	events events
	jobs   int
	queued map[*job]bool
}

type event struct {
	at     time.Time
	number int // of events at the same time, the first comes first
	run    func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || e[i].at.Equal(e[j].at) && e[i].number < e[j].number
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func (s *shop) after(d time.Duration, run func()) {
	s.jobs++
	heap.Push(&s.events, event{at: s.now.Add(d), number: s.jobs, run: run})
}

// run simulates until all requests have ended.
func (s *shop) run() {
	s.start = time.Unix(0, 0)
	s.now, s.idle, s.queued = s.start, s.sessions, map[*job]bool{}
	for _, c := range s.crowds {
		c.shed, c.cutOffFor, c.steps = map[BusyReason]int{}, map[BusyReason]int{}, max(1, c.steps)
		if c.rate > 0 {
			s.after(s.exponential(1/c.rate), func() { s.arrive(c) })
		}
	}
	if s.planned != nil {
		s.planned()
	}
	for len(s.events) > 0 {
		next := heap.Pop(&s.events).(event)
		s.now = next.at
		next.run()
	}
}

func (s *shop) exponential(mean float64) time.Duration {
	return time.Duration(s.random.ExpFloat64() * mean * float64(time.Second))
}

// serviceTime is between half and one and a half of the mean.
func (s *shop) serviceTime(c *crowd) time.Duration {
	mean := max(c.service, 0)
	if mean == 0 {
		mean = s.service
	}
	return mean/2 + time.Duration(s.random.Float64()*float64(mean))
}

func (s *shop) arrive(c *crowd) {
	if s.now.Sub(s.start) >= s.until {
		return
	}
	s.after(s.exponential(1/c.rate), func() { s.arrive(c) })
	s.ask(c)
}

// ask begins a request of a crowd.
func (s *shop) ask(c *crowd) {
	c.asked++
	s.jobs++
	name := strconv.Itoa(s.jobs)
	if c.names > 0 {
		name = strconv.Itoa(s.random.IntN(c.names))
	}
	j := &job{of: c, name: fmt.Sprintf("%p-%s", c, name), born: s.now, ends: s.now.Add(c.patience), number: s.jobs}
	s.after(c.patience, func() { s.giveUp(j) })
	s.want(j)
}

// want asks for a session for the next step of a job.
func (s *shop) want(j *job) {
	j.ticket = ticket{Request: Request{Caller: j.name, Weight: j.of.weight, MaxSessions: j.of.limit, Write: j.of.write}, begun: j.done > 0, age: j.age}
	if j.of.deadline {
		j.deadline = j.ends
	}
	if s.idle > 0 && s.queueing.take(j) {
		s.idle--
		s.begin(j, false)
		return
	}
	why, displaced := s.queueing.join(j, s.now)
	if why != "" {
		s.refuse(j, why)
		return
	}
	j.age = j.ticket.age
	j.waiting, j.turns = true, 0
	s.queued[j] = true
	if displaced != nil {
		s.refuse(displaced, BusyDisplaced)
	}
	done, ticket := j.done, s.now
	s.after(s.maxWait, func() {
		if j.waiting && j.done == done && !s.now.Before(ticket.Add(s.maxWait)) {
			s.queueing.leave(j, s.now)
			s.refuse(j, BusyWait)
		}
	})
}

func (s *shop) refuse(j *job, why BusyReason) {
	delete(s.queued, j)
	j.waiting = false
	if j.over {
		return
	}
	j.over = true
	j.of.refused++
	j.of.shed[why]++
	if j.done > 0 {
		j.of.cutOff++
		j.of.cutOffFor[why]++
	}
}

func (s *shop) giveUp(j *job) {
	if j.over {
		return
	}
	if j.waiting {
		s.queueing.leave(j, s.now)
		s.refuse(j, BusyLeft)
		return
	}
	j.over = true // it is in service
	j.of.late++
}

// begin serves a step of a job.
func (s *shop) begin(j *job, waited bool) {
	if s.served != nil {
		s.served(j, waited)
	}
	delete(s.queued, j)
	j.waiting, j.began = false, s.now
	took := s.serviceTime(j.of)
	s.after(took, func() {
		j.work += took
		j.of.work += took
		j.done++
		if s.ended != nil {
			s.ended(j)
		}
		s.queueing.done(j, s.now)
		s.free()
		switch {
		case j.over:
		case j.done == j.of.steps:
			j.over = true
			j.of.good++
			if s.now.Sub(s.start) <= s.until {
				j.of.goodWork += j.work
			}
			j.of.waits = append(j.of.waits, s.now.Sub(j.born))
		default:
			s.want(j)
		}
	})
}

// free gives a session that has become free to the next.
func (s *shop) free() {
	s.idle++
	for s.idle > 0 {
		next, refused := s.queueing.serve(s.now)
		for _, j := range refused {
			s.refuse(j, BusyDeadline)
		}
		if next == nil {
			return
		}
		s.idle--
		s.begin(next, true)
	}
}

// goodput is the part of the sessions' time that was used for requests that ended in time.
func (s *shop) goodput() float64 {
	var good time.Duration
	for _, c := range s.crowds {
		good += c.goodWork
	}
	return good.Seconds() / s.until.Seconds() / float64(s.sessions)
}

func nth(of []time.Duration, q float64) time.Duration {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	return sorted[int(q*float64(len(sorted)-1))]
}

// fair is the queue under test.
type fair struct {
	*queue
	bounds bounds
	jobs   map[*ticket]*job
}

func newFair(sessions, waiting int, wait time.Duration) fair {
	return fair{queue: newQueue(), bounds: bounds{sessions: sessions, waiting: waiting, wait: wait}, jobs: map[*ticket]*job{}}
}

// gone returns the job of a ticket that is not in the queue any more.
func (f fair) gone(t *ticket) *job {
	j := f.jobs[t]
	delete(f.jobs, t)
	return j
}

func (f fair) join(j *job, now time.Time) (BusyReason, *job) {
	why, displaced := f.queue.join(&j.ticket, now, f.bounds)
	if why == "" {
		f.jobs[&j.ticket] = j
	}
	return why, f.gone(displaced)
}

func (f fair) serve(now time.Time) (next *job, refused []*job) {
	t, u, late := f.queue.serve(now)
	for _, r := range late {
		refused = append(refused, f.gone(r))
	}
	if t == nil {
		return nil, refused
	}
	next = f.gone(t)
	next.use = u
	return next, refused
}

func (f fair) leave(j *job, now time.Time) {
	f.gone(&j.ticket)
	f.queue.leave(&j.ticket, now, !now.Before(j.ends))
}

func (f fair) take(j *job) (may bool) {
	j.use, may = f.queue.take(j.Request)
	if may && j.age == 0 {
		j.age = f.number()
	}
	return may
}

func (f fair) done(j *job, now time.Time) { f.queue.done(j.use, now, true, j.over) }
func (f fair) waiting() int               { return f.queue.waiting }

// fifo is the queue as it was before: first in, first out.
type fifo struct {
	jobs []*job
	most int
}

func (f *fifo) join(j *job, _ time.Time) (BusyReason, *job) {
	if len(f.jobs) >= f.most {
		return BusyFull, nil
	}
	f.jobs = append(f.jobs, j)
	return "", nil
}

func (f *fifo) serve(time.Time) (*job, []*job) {
	if len(f.jobs) == 0 {
		return nil, nil
	}
	first := f.jobs[0]
	f.jobs = slices.Delete(f.jobs, 0, 1)
	return first, nil
}

func (f *fifo) leave(j *job, _ time.Time) {
	f.jobs = slices.DeleteFunc(f.jobs, func(other *job) bool { return other == j })
}
func (*fifo) take(*job) bool       { return true }
func (*fifo) done(*job, time.Time) {}
func (f *fifo) waiting() int       { return len(f.jobs) }

// seeds returns seeds below n, at equal distances: a seventh of them, or less in a short run.
// If the environment's QUEUE_SEEDS is at least lawSeeds, it returns as many times n as that
// is of lawSeeds, for example all n.
func seeds(t *testing.T, n uint64) iter.Seq[uint64] {
	t.Helper()
	step := uint64(7)
	if testing.Short() {
		step = 25
	}
	if text := os.Getenv("QUEUE_SEEDS"); text != "" {
		of, err := strconv.ParseUint(text, 10, 32)
		if err != nil || of < lawSeeds {
			t.Fatalf("QUEUE_SEEDS is %q, and must be at least %d", text, lawSeeds)
		}
		n, step = n*of/lawSeeds, 1
	}
	return func(yield func(uint64) bool) {
		for seed := uint64(0); seed < n && yield(seed); seed += step {
		}
	}
}
