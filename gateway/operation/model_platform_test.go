package operation_test

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"ocigate/gateway/operation"
)

// platform is a map of entries and the groups that have them.
type platform struct {
	w      *world
	mu     sync.Mutex
	places map[string]string
	sent   map[string][]*sending // the steps of each write that were sent, in order
	// unneeded are the writes that had nothing to change.
	unneeded map[string]bool
}

// sending is a step of a write that was sent, and what becomes of it.
type sending struct {
	op      operation.Operation
	step    int
	by      *replica
	takes   []string  // the entries that it takes effect on
	at      time.Time // when
	over    bool
	applied []string
}

// The ways of the platform with a write: what it answers, after how much of
// the entries took effect, and when.
type way struct {
	weight int
	answer operation.Reply
	part   portion
	late   bool // after the answer, or what should have been one
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

// of are the entries that are a portion of those of a step.
func (p portion) of(op *operation.Operation, step int) []string {
	var keys []string
	for _, e := range op.Entries {
		if e.Step == step {
			keys = append(keys, e.Key)
		}
	}
	return keys[:map[portion]int{none: 0, some: len(keys) / 2, all: len(keys)}[p]]
}

// send is a step of a write on its way, until its answer is there or its session
// has ended. It reports whether its replica is still alive.
func (p *platform) send(r *replica, op operation.Operation, step int, random *rand.Rand) (operation.Reply, bool) {
	way := pickWay(random)
	applies, answers := upTo(3*time.Second, random), upTo(3*time.Second, random)
	applies, answers = min(applies, answers), max(applies, answers)
	if way.late {
		applies = answers + upTo(p.w.late, random)
	}
	fails := random.Float64() < 0.05 // by a mistake of ours
	if r.isDead() {
		return operation.NoReply, false
	}
	s := &sending{op: op, step: step, by: r, takes: way.part.of(&op, step), at: time.Now().Add(applies)}
	p.accept(s)
	p.w.closing.Go(func() {
		time.Sleep(applies)
		p.apply(s)
	})
	time.Sleep(answers + time.Nanosecond) // after what takes effect at the same moment
	return way.answer, !fails && !r.isDead()
}

func (p *platform) accept(s *sending) {
	intended := func(e operation.Event) bool { return e.Kind == operation.EventIntent }
	if !slices.ContainsFunc(p.w.journal.events(s.op.ID), intended) {
		p.w.t.Errorf("%s is sent, and the trail does not tell of it", s.op.ID)
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

// has reports whether entries have the values that a plan found.
func (p *platform) has(planned []operation.Entry) bool {
	return !slices.ContainsFunc(planned, func(e operation.Entry) bool { return p.place(e.Key) != placeOf(e.Before) })
}

func (p *platform) noteUnneeded(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unneeded[id] = true
}

// apply has a step take effect.
func (p *platform) apply(s *sending) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.isPending(s) {
		for _, e := range s.op.Entries {
			if e.Step != s.step || !slices.Contains(s.takes, e.Key) {
				continue
			}
			if p.places[e.Key] != placeOf(e.Before) {
				p.w.t.Errorf("others have changed entry %s, which %s holds", e.Key, s.op.ID)
			}
			p.places[e.Key] = placeOf(e.After)
		}
		s.applied = s.takes
	}
	s.over = true
}

// isPending tells whether a write may still take effect. When its process dies,
// so does the session, after which the settle time holds.
func (p *platform) isPending(s *sending) bool {
	died := s.by.death()
	return !s.over && len(s.takes) > 0 && (died.IsZero() || !s.at.After(died.Add(p.w.late)))
}

func (p *platform) place(entry string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.places[entry]
}

// truth is what became of an operation, Unknown where that is not decided yet.
func (p *platform) truth(id string) operation.State {
	p.mu.Lock()
	defer p.mu.Unlock()
	steps := p.sent[id]
	if len(steps) == 0 {
		if p.unneeded[id] {
			return operation.Done
		}
		return operation.NotDone
	}
	applied, wanted := 0, 0
	for _, s := range steps {
		if p.isPending(s) {
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

// outcome is what became of an entry of an operation. One that was as wanted
// already is done.
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
