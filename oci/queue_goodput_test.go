package oci

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// What the queue makes of overload: the tests print the figures of the queue beside those
// of a first-in-first-out queue.

// load is an overload of loadSessions sessions.
type load struct {
	service, patience time.Duration
	times             float64 // of the capacity
	kind              string  // reads, writes of three commands, or half of each
	names             int     // of callers; 0 for one with each request
	deadline          bool    // the queue knows the patience
}

const loadSessions = 8

func (l load) String() string {
	callers := fmt.Sprintf("%d callers", l.names)
	if l.names == 0 {
		callers = "new callers"
	}
	return fmt.Sprintf("%v of patience, %v of service, %v times the capacity, %s, %s, deadline %t", l.patience, l.service, l.times, l.kind, callers, l.deadline)
}

func (l load) shop(queueing discipline) *shop {
	s := &shop{
		random: rand.New(rand.NewPCG(1, 1)), sessions: loadSessions, service: l.service, maxWait: 10 * time.Second,
		queueing: queueing, until: 150 * l.service,
	}
	rate := l.times * loadSessions / l.service.Seconds()
	reads := crowd{names: l.names, rate: rate, patience: l.patience, deadline: l.deadline}
	writes := reads
	writes.write, writes.steps, writes.rate = true, 3, rate/3
	switch l.kind {
	case "reads":
		s.crowds = []*crowd{&reads}
	case "writes":
		s.crowds = []*crowd{&writes}
	default:
		reads.rate /= 2
		writes.rate /= 2
		s.crowds = []*crowd{&reads, &writes}
	}
	return s
}

// loads are overloads by callers with little and with much patience.
func loads() (all []load) {
	for _, base := range []load{
		{service: 200 * time.Millisecond, patience: 5 * time.Second},
		{service: 20 * time.Millisecond, patience: 300 * time.Millisecond},
		{service: 200 * time.Millisecond, patience: 30 * time.Second},
	} {
		for _, base.times = range []float64{1.5, 3, 10} {
			for _, base.kind = range []string{"reads", "writes", "mixed"} {
				for _, base.names = range []int{1, 30, 0} {
					for _, base.deadline = range []bool{false, true} {
						all = append(all, base)
					}
				}
			}
		}
	}
	return all
}

func TestOverloadLeavesTheGoodputAsItIs(t *testing.T) {
	worst, worstOfOld, cut, begun := 1.0, 1.0, 0, 0
	all := loads()
	for i := range seeds(t, uint64(len(all))) {
		l := all[i%uint64(len(all))]
		s, old := l.shop(newFair(loadSessions, 256, 10*time.Second)), l.shop(&fifo{most: 256})
		s.run()
		old.run()
		if s.goodput() < 0.9 {
			t.Errorf("%v: goodput %.0f%%", l, 100*s.goodput())
		}
		worst, worstOfOld = min(worst, s.goodput()), min(worstOfOld, old.goodput())
		if last := len(s.crowds) - 1; s.crowds[last].write {
			cut += s.crowds[last].cutOff
			begun += s.crowds[last].good + s.crowds[last].cutOff + s.crowds[last].late
			for _, why := range []BusyReason{BusyFull, BusyDisplaced, BusyDeadline, BusyWait} {
				if n := s.crowds[last].cutOffFor[why]; n > 0 {
					t.Errorf("%v: %d writes that had begun were refused (%s)", l, n, why)
				}
			}
		}
		t.Logf("%v: %.0f%%, first in first out: %.0f%%", l, 100*s.goodput(), 100*old.goodput())
	}
	t.Logf("worst: %.0f%%, first in first out: %.0f%%; %d of %d writes that had begun were given up by their callers", 100*worst, 100*worstOfOld, cut, begun)
	if worstOfOld > 0.5 {
		t.Error("the overload does no harm to a first-in-first-out queue: it proves nothing")
	}
}

func TestOverloadOfOneCallerLeavesAnotherAlone(t *testing.T) {
	for name, test := range map[string]struct {
		service, patience time.Duration
	}{
		"impatient": {200 * time.Millisecond, 5 * time.Second},
		"quick":     {20 * time.Millisecond, 300 * time.Millisecond},
		"patient":   {200 * time.Millisecond, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			served := func(queueing discipline) (modest, heavy float64) {
				capacity := loadSessions / test.service.Seconds()
				one := &crowd{names: 1, rate: 9 * capacity, patience: test.patience}
				other := &crowd{names: 1, rate: 0.05 * capacity, patience: test.patience}
				s := &shop{
					random: rand.New(rand.NewPCG(1, 1)), sessions: loadSessions, service: test.service, maxWait: 10 * time.Second,
					queueing: queueing, crowds: []*crowd{one, other}, until: 500 * test.service,
				}
				s.run()
				return float64(other.good) / float64(other.asked), s.goodput()
			}
			modest, goodput := served(newFair(loadSessions, 256, 10*time.Second))
			old, _ := served(&fifo{most: 256})
			t.Logf("%.1f%% served, first in first out: %.1f%%; goodput %.0f%%", 100*modest, 100*old, 100*goodput)
			if modest < 0.99 || goodput < 0.9 {
				t.Errorf("%.1f%% of the requests of the modest caller were served, goodput %.0f%%", 100*modest, 100*goodput)
			}
			if old > 0.5 {
				t.Error("a first-in-first-out queue serves them as well: it proves nothing")
			}
		})
	}
}

func TestAfterAnOverloadAllIsNormalAtOnce(t *testing.T) {
	for _, patience := range []time.Duration{5 * time.Second, 30 * time.Second} {
		const service = 200 * time.Millisecond
		over := &crowd{names: 1, rate: 10 * loadSessions / service.Seconds(), patience: patience}
		after := &crowd{names: 1, patience: patience}
		s := &shop{
			random: rand.New(rand.NewPCG(1, 1)), sessions: loadSessions, service: service, maxWait: 10 * time.Second,
			queueing: newFair(loadSessions, 256, 10*time.Second), crowds: []*crowd{over, after}, until: 20 * time.Second,
		}
		s.planned = func() {
			for i := range 200 { // half of the capacity, from the end of the overload on
				s.after(s.until+time.Duration(i)*service/loadSessions*2, func() { s.ask(after) })
			}
		}
		s.run()
		if after.good != 200 || nth(after.waits, 0.99) > 4*service {
			t.Errorf("after an overload by callers with %v of patience: %d of 200 served, 99%% in %v", patience, after.good, nth(after.waits, 0.99))
		}
		t.Logf("%v of patience: half are served in %v, 99%% in %v", patience, nth(after.waits, 0.5), nth(after.waits, 0.99))
	}
}
