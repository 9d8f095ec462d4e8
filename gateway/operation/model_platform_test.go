package operation_test

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"ocigate/gateway/operation"
)

// platform has the groups of the entries.
type platform struct {
	w      *world
	mu     sync.Mutex // guards the fields below
	places map[string]string
	sent   map[string][]*sending // the steps of each write that were sent, in order
	// unchanged has the writes that had nothing to change.
	unchanged map[string]bool
}

// sending is a step of a write that was sent, and its effect.
type sending struct {
	op      operation.Operation
	step    int
	by      *replica
	takes   []string  // the entries that it takes effect on
	at      time.Time // when
	until   time.Time // the end of the session
	over    bool
	applied []string
}

// way is how the platform processes a step: its reply, how many of the entries it changes,
// and when. The weight determines how often.
type way struct {
	weight int
	reply  operation.Reply
	part   portion
	late   bool // the effect is later than the reply, or than the end of the session
}

type portion int

const (
	none portion = iota
	some
	all
)

var ways = []way{
	{8, operation.Succeeded, all, false},
	{2, operation.Refused, none, false},
	{2, operation.Declined, none, false},
	{3, operation.NoReply, all, false},
	{3, operation.NoReply, none, false},
	{3, operation.NoReply, all, true},
	{1, operation.NoReply, some, false},
	{1, operation.NoReply, some, true},
	{1, operation.Unclear, none, false},
	{1, operation.Unclear, some, false},
	{1, operation.Unclear, all, false},
}

func pickWay(random *rand.Rand) way {
	var bag []way
	for _, w := range ways {
		bag = append(bag, slices.Repeat([]way{w}, w.weight)...)
	}
	return bag[random.IntN(len(bag))]
}

// of returns the keys of a portion of the entries of a step.
func (p portion) of(op *operation.Operation, step int) []string {
	var keys []string
	for _, e := range op.Entries {
		if e.Step == step {
			keys = append(keys, e.Key)
		}
	}
	return keys[:map[portion]int{none: 0, some: len(keys) / 2, all: len(keys)}[p]]
}

// send sends a step of a write, and returns the reply when it is there or the session has
// ended. It reports whether the replica still runs.
func (p *platform) send(r *replica, op operation.Operation, step int, random *rand.Rand) (operation.Reply, bool) {
	way := pickWay(random)
	applies, replies := upTo(3*time.Second, random), upTo(3*time.Second, random)
	applies, replies = min(applies, replies), max(applies, replies)
	slowest := random.Float64() < 0.3
	if slowest {
		replies = p.w.longest
	}
	if way.late {
		applies = replies + upTo(p.w.late, random)
		if slowest {
			applies = replies + p.w.late
		}
	}
	fails := random.Float64() < 0.05 // of the gateway itself
	if r.hasCrashed() {
		return operation.NoReply, false
	}
	s := &sending{op: op, step: step, by: r, takes: way.part.of(&op, step), at: time.Now().Add(applies), until: time.Now().Add(replies)}
	p.accept(s)
	p.w.closing.Go(func() {
		time.Sleep(applies)
		p.apply(s)
	})
	time.Sleep(replies + time.Nanosecond) // after what takes effect at the same moment
	return way.reply, !fails && !r.hasCrashed()
}

// accept notes that a step was sent, and checks that it may be.
func (p *platform) accept(s *sending) {
	intended := func(e operation.Event) bool { return e.Kind == operation.EventIntent }
	if !slices.ContainsFunc(p.w.journal.events(s.op.ID), intended) {
		p.w.t.Errorf("%s is sent, and the trail has no intent of it", s.op.ID)
	}
	if stored := p.w.journal.stored(s.op.ID); stored.Step != s.step {
		p.w.t.Errorf("step %d of %s is sent, and the journal has it at step %d", s.step, s.op.ID, stored.Step)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sent[s.op.ID]) != s.step-1 {
		p.w.t.Errorf("step %d of %s is sent after %d others", s.step, s.op.ID, len(p.sent[s.op.ID]))
	}
	p.sent[s.op.ID] = append(p.sent[s.op.ID], s)
	p.w.tally.count("sent")
	if s.step > 1 {
		p.w.tally.count("sent a later step")
	}
}

// has reports whether entries still have the values of the plan.
func (p *platform) has(planned []operation.Entry) bool {
	return !slices.ContainsFunc(planned, func(e operation.Entry) bool { return p.place(e.Key) != placeOf(e.Before) })
}

func (p *platform) noteUnchanged(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unchanged[id] = true
}

// apply lets a step take effect.
func (p *platform) apply(s *sending) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.isPendingLocked(s) {
		for _, e := range s.op.Entries {
			if e.Step != s.step || !slices.Contains(s.takes, e.Key) {
				continue
			}
			if p.places[e.Key] != placeOf(e.Before) {
				p.w.t.Errorf("entry %s, which %s holds, has changed", e.Key, s.op.ID)
			}
			p.places[e.Key] = placeOf(e.After)
		}
		s.applied = s.takes
	}
	s.over = true
}

// isPendingLocked reports whether a step may still take effect. The session ends with the
// process, and after it the step can take effect for the settle time. The caller holds mu.
func (p *platform) isPendingLocked(s *sending) bool {
	crashed := s.by.crashTime()
	return !s.over && len(s.takes) > 0 && (crashed.IsZero() || !s.at.After(crashed.Add(p.w.late)))
}

// isBeingSent reports whether a running replica is sending a step.
func (p *platform) isBeingSent(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.sent[id], func(s *sending) bool { return s.until.After(time.Now()) && !s.by.hasCrashed() })
}

func (p *platform) place(entry string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.places[entry]
}

// truth returns what the platform did of an operation, Unknown if that is not decided yet.
func (p *platform) truth(id string) operation.State {
	p.mu.Lock()
	defer p.mu.Unlock()
	steps := p.sent[id]
	if len(steps) == 0 {
		if p.unchanged[id] {
			return operation.Done
		}
		return operation.NotDone
	}
	applied, wanted := 0, 0
	for _, s := range steps {
		if p.isPendingLocked(s) {
			return operation.Unknown
		}
		applied += len(s.applied)
	}
	for _, e := range steps[0].op.Entries {
		if e.Step > 0 {
			wanted++
		}
	}
	switch applied {
	case 0:
		return operation.NotDone
	case wanted:
		return operation.Done
	}
	return operation.PartlyDone
}

// outcome returns what the platform did of an entry of an operation. An entry that had the
// wanted value already is done.
func (p *platform) outcome(id string, e operation.Entry) operation.State {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Step == 0 && e.After != nil {
		return operation.Done
	}
	for _, s := range p.sent[id] {
		if slices.Contains(s.applied, e.Key) {
			return operation.Done
		}
	}
	return operation.NotDone
}
