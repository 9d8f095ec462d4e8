//go:build linux

package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"ocigate/cmd/internal/measure"
	"ocigate/oci/ocisim"
)

// calm is a load that any machine can do, of callers who wait long.
func calm(rate float64) load { return load{rate: rate, patience: 40 * time.Second} }

// withWrites is calm with some writes. They may fail when their session ends, but must be
// reported truthfully.
func withWrites(rate float64) load { return load{rate: rate, patience: 40 * time.Second, writes: 0.1} }

// readsOf returns the answers that are not those of writes.
func readsOf(answers []*answer) []*answer {
	return slices.DeleteFunc(slices.Clone(answers), func(a *answer) bool { return a.entry != nil })
}

// firstDies measures how soon the second endpoint serves after the first one has died.
func firstDies(ctx context.Context, r *rig) ([]figure, error) {
	s, err := r.site(ctx, plan{service: 2 * time.Millisecond, endpoints: 2, platform: ofPool})
	if err != nil {
		return nil, err
	}
	if err := s.full(ctx, sessionsOfPool, patience); err != nil {
		return nil, err
	}
	t := s.begin(ctx, withWrites(100))
	if err := measure.Pause(ctx, time.Second); err != nil {
		return nil, err
	}
	from := time.Now()
	if err := s.proxies[0].die(); err != nil {
		return nil, err
	}
	first, err := t.firstGood(ctx, from, patience)
	if err != nil {
		return nil, err
	}
	if err := measure.Pause(ctx, time.Second); err != nil {
		return nil, err
	}
	answers, err := t.stop()
	if err != nil {
		return nil, err
	}
	result, err := s.settled(ctx, settleLimit)
	return append([]figure{
		atMost("until the second endpoint serves", 1e3*first, "ms", pick(r, 100.0, 3000)),
		noted("reads that failed", float64(bad(readsOf(answers))), ""),
	}, result.figures()...), err
}

// bad returns how many answers are not good.
func bad(answers []*answer) int {
	count := 0
	for _, a := range answers {
		if !a.good() {
			count++
		}
	}
	return count
}

// hangingEndpoint measures how soon the second endpoint serves if the first one goes on to
// accept connections, and answers nothing. All sessions are with the first one. They are cut, as
// by a restart, or they hang, too, and soon have a request each.
func hangingEndpoint(ctx context.Context, r *rig) ([]figure, error) {
	cut, err := r.hang(ctx, true)
	if err != nil {
		return nil, err
	}
	hung, err := r.hang(ctx, false)
	return []figure{
		atMost("all sessions are cut: until a good answer", cut, "s", pick(r, 3.0, 8)),
		atMost("all sessions hang: until a good answer", hung, "s", pick(r, 3.0, 20)),
	}, err
}

// hang returns the time until a good answer after the first endpoint has begun to hang, in
// seconds.
func (r *rig) hang(ctx context.Context, cut bool) (float64, error) {
	s, err := r.site(ctx, plan{service: 100 * time.Millisecond, endpoints: 2, platform: ofPool})
	if err != nil {
		return 0, err
	}
	if err := s.useAll(ctx, sessionsOfPool); err != nil {
		return 0, err
	}
	t := s.begin(ctx, calm(30))
	if err := measure.Pause(ctx, time.Second); err != nil {
		return 0, err
	}
	from := time.Now()
	s.proxies[0].freeze()
	if cut {
		s.proxies[0].cut(true)
	}
	first, err := t.firstGood(ctx, from, 45*time.Second)
	if err != nil {
		return 0, err
	}
	_, err = t.stop()
	return first, err
}

// burstBesideHanging measures how soon the pool has grown for a burst, if its first endpoint
// hangs and the second one works. 60/s need six sessions at 100 ms.
func burstBesideHanging(ctx context.Context, r *rig) ([]figure, error) {
	const burst = 60
	s, err := r.site(ctx, plan{service: 100 * time.Millisecond, endpoints: 2, platform: "  pool: {min: 1, max: 16, idle_timeout: 2s}"})
	if err != nil {
		return nil, err
	}
	t := s.begin(ctx, calm(3))
	if err := measure.Pause(ctx, time.Second); err != nil {
		return nil, err
	}
	s.proxies[0].freeze()
	if _, err := t.firstGood(ctx, time.Now(), 45*time.Second); err != nil {
		return nil, err
	}
	if _, err := t.stop(); err != nil {
		return nil, err
	}
	// All sessions but one are closed, and the backoff of the first endpoint ends.
	if err := measure.Pause(ctx, 12*time.Second); err != nil {
		return nil, err
	}
	from := time.Now()
	answers, err := s.run(ctx, calm(burst), 10*time.Second)
	full := 10.0
	for at := range 100 {
		begin := from.Add(time.Duration(at) * 100 * time.Millisecond)
		good := between(answers, begin, begin.Add(time.Second))
		if float64(len(good)-bad(good)) >= 0.75*burst { // arrivals are random
			full = begin.Sub(from).Seconds()
			break
		}
	}
	return []figure{
		atMost("until the full rate", full, "s", 2),
		atLeast("of the burst, served", share(answers), "%", 99),
	}, err
}

// slowEndpoint measures what is refused while the first endpoint is far slower than the
// second one.
func slowEndpoint(ctx context.Context, r *rig) ([]figure, error) {
	s, err := r.site(ctx, plan{service: 20 * time.Millisecond, endpoints: 2, platform: ofPool})
	if err != nil {
		return nil, err
	}
	if err := s.full(ctx, sessionsOfPool, patience); err != nil {
		return nil, err
	}
	t := s.begin(ctx, calm(45))
	if err := measure.Pause(ctx, time.Second); err != nil {
		return nil, err
	}
	s.proxies[0].setDelay(3 * time.Second)
	from := time.Now()
	if err := measure.Pause(ctx, time.Minute); err != nil {
		return nil, err
	}
	answers, err := t.stop()
	all := dueBetween(answers, from, from.Add(time.Minute))
	last := dueBetween(answers, from.Add(30*time.Second), from.Add(time.Minute))
	return []figure{
		noted("reads", float64(len(all)), ""),
		atMost("refused in a minute", 100-share(all), "%", 30),
		atMost("refused from 30 s on", 100-share(last), "%", 1),
		atMost("from 30 s on, median", 1e3*quantile(last, 0.5, (*answer).good), "ms", 200),
	}, err
}

// useAll waits until that many sessions are logged in, and has a reply over each. A session that
// ends without any counts as a failure of its endpoint.
func (s *site) useAll(ctx context.Context, sessions int) error {
	if err := s.full(ctx, sessions, time.Minute); err != nil {
		return err
	}
	var running sync.WaitGroup
	for range sessions {
		a := &answer{id: "use", target: int(everyRequest.Add(1)) % targets, due: time.Now()}
		running.Go(func() { s.call(ctx, a, load{patience: patience}) })
	}
	running.Wait()
	return nil
}

// slowLogins measures how soon the pool is whole again after all sessions were cut.
func slowLogins(ctx context.Context, r *rig) ([]figure, error) {
	const sessions = 40
	s, err := r.site(ctx, plan{service: 100 * time.Millisecond, login: 500 * time.Millisecond, platform: "  pool: {min: 40, max: 40}"})
	if err != nil {
		return nil, err
	}
	if err := s.useAll(ctx, sessions); err != nil {
		return nil, err
	}
	s.proxies[0].cut(true)
	if err := wait(ctx, patience, func() (bool, error) { return s.sessions() < sessions/2, nil }); err != nil {
		return nil, err
	}
	whole, err := since(ctx, 40*time.Second, func() bool { return s.sessions() >= sessions })
	return []figure{atMost("until the pool is whole", whole, "s", pick(r, 4.0, 15))}, err
}

// failingLogins counts the attempts to log in while all of them fail, which must be one for each
// step of the backoff, of 1, 2 and 4 s less the jitter.
func failingLogins(ctx context.Context, r *rig) ([]figure, error) {
	const sessions = 40
	s, err := r.site(ctx, plan{service: 100 * time.Millisecond, platform: "  pool: {min: 40, max: 40}"})
	if err != nil {
		return nil, err
	}
	if err := s.useAll(ctx, sessions); err != nil {
		return nil, err
	}
	failing, err := s.platform.Inject(ocisim.Fault{Kind: ocisim.DropBeforeApply, Command: "LoginRequest*"})
	if err != nil {
		return nil, err
	}
	s.proxies[0].cut(true)
	if err := measure.Pause(ctx, 6*time.Second); err != nil {
		return nil, err
	}
	return []figure{
		atLeast("attempts in 6 s", float64(failing.Hits()), "", 2),
		atMost("attempts in 6 s", float64(failing.Hits()), "", 4),
	}, nil
}

// logouts measures reads while the platform ends all sessions again and again.
func logouts(ctx context.Context, r *rig) ([]figure, error) {
	const every = 2 * time.Second
	s, err := r.site(ctx, plan{service: 20 * time.Millisecond, platform: ofPool})
	if err != nil {
		return nil, err
	}
	if err := s.full(ctx, sessionsOfPool, patience); err != nil {
		return nil, err
	}
	// In a short run, so few requests that none is refused however slow the machine is.
	t := s.begin(ctx, withWrites(pick(r, 150.0, 30)))
	for range pick(r, 24, 4) {
		if err := measure.Pause(ctx, every); err != nil {
			return nil, err
		}
		s.platform.LogoutAll("maintenance")
	}
	if err := measure.Pause(ctx, every); err != nil {
		return nil, err
	}
	answers, err := t.stop()
	if err != nil {
		return nil, err
	}
	result, err := s.settled(ctx, settleLimit)
	reads := readsOf(answers)
	return append([]figure{
		noted("reads", float64(len(reads)), ""),
		atMost("reads that failed", float64(bad(reads)), "", 0),
	}, result.figures()...), err
}

// preferredReturns measures how soon sessions are made at the preferred endpoint after it works
// again, and how soon all are there.
func preferredReturns(ctx context.Context, r *rig) ([]figure, error) {
	s, err := r.site(ctx, plan{service: 20 * time.Millisecond, endpoints: 2, platform: ofPool})
	if err != nil {
		return nil, err
	}
	if err := s.full(ctx, sessionsOfPool, patience); err != nil {
		return nil, err
	}
	first, second := s.proxies[0], s.proxies[1]
	if err := first.die(); err != nil {
		return nil, err
	}
	t := s.begin(ctx, withWrites(50))
	onSecond := func() bool { return second.connections() >= sessionsOfPool }
	if err := wait(ctx, patience, func() (bool, error) { return onSecond(), nil }); err != nil {
		return nil, err
	}
	if err := measure.Pause(ctx, 3*time.Second); err != nil {
		return nil, err
	}
	if err := first.revive(ctx); err != nil {
		return nil, err
	}
	began := time.Now()
	some, err := since(ctx, 90*time.Second, first.lasting())
	if err != nil {
		return nil, err
	}
	_, err = since(ctx, 100*time.Second-time.Since(began), func() bool {
		return first.connections() >= 1 && second.connections() == 0
	})
	if err != nil {
		return nil, err
	}
	all := time.Since(began).Seconds()
	answers, err := t.stop()
	if err != nil {
		return nil, err
	}
	result, err := s.settled(ctx, settleLimit)
	return append([]figure{
		atMost("until a session is there", some, "s", 20),
		atMost("until all sessions are there", all, "s", 80),
		atMost("reads and writes that failed", float64(bad(dueBetween(answers, began, time.Now()))), "", 0),
	}, result.figures()...), err
}

// lasting returns a function that reports whether there has been a connection for a second. A
// probe of an endpoint that has no session is shorter.
func (p *proxy) lasting() func() bool {
	var from time.Time
	return func() bool {
		if p.connections() == 0 {
			from = time.Time{}
		} else if from.IsZero() {
			from = time.Now()
		}
		return !from.IsZero() && time.Since(from) >= time.Second
	}
}
