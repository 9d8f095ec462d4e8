package auth

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// These tests specify the order and the bounds of slots.

// slotTest runs verifications that take a second each, and notes the order of their start.
type slotTest struct {
	t     *testing.T
	slots *slots
	all   sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	order   []string
	refused []string
}

// start starts a verification, and returns when it runs, waits, or is refused. A little
// time passes, so that no two end at the same time.
func (s *slotTest) start(ctx context.Context, name string, t ticket) {
	s.all.Go(func() {
		err := s.slots.acquire(ctx, &t)
		s.mu.Lock()
		if err != nil {
			s.refused = append(s.refused, name)
			s.mu.Unlock()
			return
		}
		s.order = append(s.order, name)
		s.mu.Unlock()
		time.Sleep(time.Second)
		s.slots.release(&t)
	})
	synctest.Wait()
	time.Sleep(10 * time.Millisecond)
}

func (s *slotTest) want(order, refused []string) {
	s.t.Helper()
	s.all.Wait()
	if !slices.Equal(s.order, order) || !slices.Equal(s.refused, refused) {
		s.t.Errorf("started %v, refused %v, want %v and %v", s.order, s.refused, order, refused)
	}
	if s.slots.running != [2]slotUse{} || s.slots.known.Len() != 0 || len(s.slots.guesses) != 0 {
		s.t.Errorf("left: %+v", s.slots)
	}
}

func TestSlots(t *testing.T) {
	t.Parallel()
	guess := func(failures int) ticket { return ticket{rank: rank{block: failures}} }
	known := ticket{known: true}
	for name, c := range map[string]struct {
		bounds         slotBounds
		run            func(ctx context.Context, s *slotTest)
		order, refused []string
	}{
		"guesses with the fewest failures first, then in the order of arrival": {
			slotBounds{total: 2, guesses: 1, queue: 9},
			func(ctx context.Context, s *slotTest) {
				s.start(ctx, "first", guess(9))
				s.start(ctx, "nine", guess(9))
				s.start(ctx, "two", guess(2))
				s.start(ctx, "two again", guess(2))
				s.start(ctx, "network", ticket{rank: rank{block: 2, network: 5}})
				s.start(ctx, "none", guess(0))
			},
			[]string{"first", "none", "two", "two again", "network", "nine"}, nil,
		},
		"the worst is refused when the queue is full": {
			slotBounds{total: 2, guesses: 1, queue: 2},
			func(ctx context.Context, s *slotTest) {
				s.start(ctx, "first", guess(0))
				s.start(ctx, "five", guess(5))
				s.start(ctx, "two", guess(2))
				s.start(ctx, "seven", guess(7))
				s.start(ctx, "one", guess(1))
			},
			[]string{"first", "one", "two"}, []string{"seven", "five"},
		},
		"known ones have slots that guesses do not get": {
			slotBounds{total: 3, guesses: 2, queue: 9},
			func(ctx context.Context, s *slotTest) {
				for _, name := range []string{"g1", "g2", "g3"} {
					s.start(ctx, name, guess(0))
				}
				s.start(ctx, "k1", known)
				s.start(ctx, "k2", known)
			},
			[]string{"g1", "g2", "k1", "k2", "g3"}, nil,
		},
		"known ones are not refused, however many wait": {
			slotBounds{total: 2, guesses: 1, queue: 1},
			func(ctx context.Context, s *slotTest) {
				for _, name := range []string{"k1", "k2", "k3", "k4", "k5"} {
					s.start(ctx, name, known)
				}
			},
			[]string{"k1", "k2", "k3", "k4", "k5"}, nil,
		},
		"one whose context ends leaves the queue": {
			slotBounds{total: 2, guesses: 1, queue: 1},
			func(ctx context.Context, s *slotTest) {
				s.start(ctx, "first", guess(0))
				ended, cancel := context.WithCancel(ctx)
				s.start(ended, "ended", guess(0))
				cancel()
				synctest.Wait()
				s.start(ctx, "next", guess(0))
			},
			[]string{"first", "next"}, []string{"ended"},
		},
		"more slots start those that wait": {
			slotBounds{total: 2, guesses: 1, queue: 9},
			func(ctx context.Context, s *slotTest) {
				s.start(ctx, "first", guess(0))
				s.start(ctx, "second", guess(0))
				began := time.Now()
				s.slots.resize(4, 2)
				s.all.Wait()
				if took := time.Since(began); took != time.Second {
					s.t.Errorf("it took %v", took)
				}
			},
			[]string{"first", "second"}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &slotTest{t: t, slots: newSlots(c.bounds)}
				c.run(t.Context(), s)
				s.want(c.order, c.refused)
			})
		})
	}
}

func TestSlotOfAnEndedContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(slotBounds{total: 2, guesses: 1, queue: 1})
		running := &ticket{}
		if err := s.acquire(t.Context(), running); err != nil {
			t.Fatal(err)
		}
		timed, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if throttled, ok := errors.AsType[*ThrottledError](s.acquire(timed, &ticket{})); !ok || throttled.Reason != ReasonBusy {
			t.Errorf("its time is over: %v", throttled)
		}
		s.release(running)
	})
}

// Verifications of one kind use a bounded memory together. One runs alone, whatever it
// needs.
func TestSlotsBoundTheMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slotTest{t: t, slots: newSlots(slotBounds{total: 8, guesses: 4, queue: 9, memory: 100})}
		s.start(t.Context(), "large", ticket{memory: 300})
		s.start(t.Context(), "small", ticket{memory: 40})
		s.start(t.Context(), "known", ticket{known: true, memory: 60})
		s.start(t.Context(), "known too", ticket{known: true, memory: 60})
		s.start(t.Context(), "another", ticket{memory: 40})
		s.mu.Lock()
		if !slices.Equal(s.order, []string{"large", "known"}) {
			t.Errorf("started %v", s.order)
		}
		s.mu.Unlock()
		s.all.Wait()
		slices.Sort(s.order)
		s.want([]string{"another", "known", "known too", "large", "small"}, nil)
	})
}
