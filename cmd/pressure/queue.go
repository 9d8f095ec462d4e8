//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"time"

	"ocigate/cmd/internal/measure"
	"ocigate/oci/ocisim"
)

// sessionsOfPool is the size of the pool of most rows, which is its default.
const sessionsOfPool = 8

// ofPool are the settings of a pool that is full from the start.
var ofPool = poolOf(sessionsOfPool)

func poolOf(sessions int) string {
	return fmt.Sprintf("  pool: {min: %[1]d, max: %[1]d}", sessions)
}

// The defaults of pool.max_waiting and pool.wait.
const (
	queueLength = 256
	queueWait   = 10 * time.Second
)

// kindOfCallers is a platform's service time, and how long its callers wait.
type kindOfCallers struct {
	name              string
	service, patience time.Duration
	sessions          int
}

// The callers of rows about overload. The patient ones wait longer than pool.wait. Where the
// platform is fast, the pool is small, so that ten times its capacity is not more than a machine
// of two cores can ask for and refuse.
var (
	callersOf5s    = kindOfCallers{"200 ms, 5 s", 200 * time.Millisecond, 5 * time.Second, sessionsOfPool}
	callersOf300ms = kindOfCallers{"20 ms, 0.3 s", 20 * time.Millisecond, 300 * time.Millisecond, 2}
	callersPatient = kindOfCallers{"200 ms, patient", 200 * time.Millisecond, 30 * time.Second, sessionsOfPool}
	// Those of a short run make so few requests that any machine can follow.
	callersShort = kindOfCallers{"100 ms, 1 s", 100 * time.Millisecond, time.Second, sessionsOfPool}
)

// capacity returns the slow commands that the platform can carry out in a second.
func (k kindOfCallers) capacity() float64 { return float64(k.sessions) / k.service.Seconds() }

// site starts a site for the callers, and waits until the pool is full.
func (k kindOfCallers) site(ctx context.Context, r *rig, callerA string) (*site, error) {
	s, err := r.site(ctx, plan{service: k.service, platform: poolOf(k.sessions), callerA: callerA})
	if err != nil {
		return nil, err
	}
	return s, s.full(ctx, k.sessions, patience)
}

// overload is more load than the platform has capacity for.
type overload struct {
	callers kindOfCallers
	factor  float64 // of the capacity that is offered
	writes  float64 // part of the requests that are writes
}

// commands returns how many slow commands a request takes in the mean.
func (o overload) commands() float64 {
	return commandsOfRead + o.writes*(commandsOfWrite-commandsOfRead)
}

// rate returns the requests in a second.
func (o overload) rate() float64 { return o.factor * o.callers.capacity() / o.commands() }

// goodput returns which part of the platform's capacity was used for good answers, in percent.
// The callers close their connections when they run out of patience, so every answer was in
// time.
func (k kindOfCallers) goodput(answers []*answer, from, to time.Time) float64 {
	return 100 * commandsIn(between(answers, from, to)) / (k.capacity() * to.Sub(from).Seconds())
}

// commandsIn returns how many slow commands the good ones of these answers took.
func commandsIn(answers []*answer) float64 {
	used := 0.0
	for _, a := range answers {
		if a.good() {
			used += a.commands()
		}
	}
	return used
}

// keptBusy returns which part of the platform's capacity is used by two callers for each
// session, of whom each asks again when they have their answer, in percent. It is less than all
// of it where the gateway takes some time between two commands of a session, such as for the
// record of a write. Overload cannot be blamed for that.
func (s *site) keptBusy(ctx context.Context, k kindOfCallers, writes float64, during time.Duration) (float64, error) {
	from := time.Now()
	answers, err := s.repeat(ctx, load{patience: patience, writes: writes}, 2*k.sessions, during)
	return min(100, k.goodput(answers, from, from.Add(during))), err
}

// steady returns the time after which the load does not change the queue any more. If it serves
// callers in the order of their arrival, their waiting time grows by the part of the load that is
// beyond capacity, until they run out of patience or have waited for pool.wait.
func (o overload) steady() time.Duration {
	longest := min(o.callers.patience, queueWait)
	return time.Duration(float64(longest)*o.factor/(o.factor-1)) + time.Second
}

func overloadedReads(ctx context.Context, r *rig) ([]figure, error) {
	if r.short {
		return r.overloaded(ctx, 0, []kindOfCallers{callersShort}, []float64{3})
	}
	return r.overloaded(ctx, 0, []kindOfCallers{callersOf5s, callersOf300ms, callersPatient}, []float64{1.5, 3, 10})
}

func overloadedWrites(ctx context.Context, r *rig) ([]figure, error) {
	return r.overloaded(ctx, 1, []kindOfCallers{callersOf5s, callersOf300ms}, []float64{1.5, 3, 10})
}

func overloadedMix(ctx context.Context, r *rig) ([]figure, error) {
	if r.short {
		return r.overloaded(ctx, 0.3, []kindOfCallers{callersShort}, []float64{3})
	}
	return r.overloaded(ctx, 0.3, []kindOfCallers{callersOf5s, callersPatient}, []float64{1.5, 3, 10})
}

// overloaded measures each kind of callers at each factor, with a site for each kind. With
// writes it compares the reports with the platform's ledger at the end.
func (r *rig) overloaded(ctx context.Context, writes float64, kinds []kindOfCallers, factors []float64) ([]figure, error) {
	var figures []figure
	var all truth
	for _, kind := range kinds {
		s, err := kind.site(ctx, r, "")
		if err != nil {
			return figures, err
		}
		usual, err := s.keptBusy(ctx, kind, writes, pick(r, 5*time.Second, time.Second))
		if err != nil {
			return figures, err
		}
		figures = append(figures, noted(kind.name+": used by two callers for each session", usual, "% of capacity"))
		for _, factor := range factors {
			some, err := r.overload(ctx, s, overload{kind, factor, writes}, usual)
			figures = append(figures, some...)
			if err != nil {
				return figures, err
			}
		}
		if writes > 0 {
			t, err := s.settled(ctx, settleLimit)
			if err != nil {
				return figures, err
			}
			all.add(t)
		}
		if err := s.stop(); err != nil {
			return figures, err
		}
	}
	if writes > 0 {
		figures = append(figures, all.figures()...)
	}
	return figures, nil
}

// settleLimit is how long writes may stay unknown after a measurement.
const settleLimit = 90 * time.Second

func (t *truth) add(other truth) {
	t.writes += other.writes
	t.duplicated += other.duplicated
	t.misreported += other.misreported
	t.unknown += other.unknown
}

// overload measures one load beyond capacity, and what callers see in the second after it.
// usual is what was used of the capacity before, in percent; see keptBusy.
func (r *rig) overload(ctx context.Context, s *site, o overload, usual float64) ([]figure, error) {
	watched := pick(r, 10*time.Second, 3*time.Second)
	t := s.begin(ctx, load{rate: o.rate(), patience: o.callers.patience, writes: o.writes})
	from := time.Now().Add(o.steady())
	to := from.Add(watched)
	if err := measure.Pause(ctx, time.Until(to)); err != nil {
		return nil, err
	}
	answers, normal, err := s.after(ctx, o, t)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%s, %g ×", o.callers.name, o.factor)
	goodput := 100 * o.callers.goodput(answers, from, to) / usual
	figures := []figure{atLeast(name+": goodput", goodput, "% of that", pick(r, 90.0, 50.0))}
	if o.callers.stay() {
		backlog := answers[len(answers)-1].ended().Sub(to).Seconds()
		figures = append(figures, atMost(name+": until all who wait are answered", backlog, "s", 1+1.1*queueLength*o.commands()/o.callers.capacity()))
	}
	service := 1e3 * o.callers.service.Seconds()
	figures = append(figures,
		atLeast(name+": served in the second after", share(normal), "%", pick(r, 95.0, 80.0)),
		atMost(name+": in the second after, median", 1e3*quantile(normal, 0.5, (*answer).good), "ms", pick(r, 2.0, 20)*service+20),
		atMost(name+": in the second after, 99 %", 1e3*quantile(normal, 0.99, (*answer).good), "ms", pick(r, 4.0, 40)*service+100),
	)
	if o.callers.stay() && o.factor == 10 {
		refused := slices.DeleteFunc(between(answers, from, to), func(a *answer) bool { return a.err != nil || a.good() })
		figures = append(figures, atMost(name+": until a refusal, median", 1e3*medianSinceSent(refused), "ms", pick(r, 1.0, 50)))
	}
	return figures, nil
}

// stay reports whether the callers never give up: those who wait at the end of an overload still
// want their answers, and get them before those who come later.
func (k kindOfCallers) stay() bool { return k.patience > queueWait }

// after ends an overload, and returns its answers, and those of the second after it, with half of
// the load that the platform can serve. That second begins when the requests that the platform
// had at the end of the overload are answered and, if the callers stay, all others as well.
func (s *site) after(ctx context.Context, o overload, t *traffic) (answers, normal []*answer, err error) {
	t.cancel()
	usual := load{rate: o.callers.capacity() / 2, patience: patience}
	if o.callers.stay() {
		if answers, err = t.stop(); err == nil {
			normal, err = s.run(ctx, usual, time.Second)
		}
		return answers, normal, err
	}
	if err = measure.Pause(ctx, o.callers.service); err == nil {
		normal, err = s.run(ctx, usual, time.Second)
	}
	if err == nil {
		answers, err = t.stop()
	}
	return answers, normal, err
}

// places measures how many writes pass their checks, and are then refused before their
// command. The checks use the platform's time, which is lost.
func places(ctx context.Context, r *rig) ([]figure, error) {
	if r.short {
		return r.places(ctx, overload{callersShort, 3, 0.5})
	}
	impatient, err := r.places(ctx, overload{callersOf5s, 3, 0.5})
	if err != nil {
		return impatient, err
	}
	patient, err := r.places(ctx, overload{callersPatient, 10, 1})
	return append(impatient, patient...), err
}

func (r *rig) places(ctx context.Context, o overload) ([]figure, error) {
	s, err := o.callers.site(ctx, r, "")
	if err != nil {
		return nil, err
	}
	answers, err := s.run(ctx, load{rate: o.rate(), patience: o.callers.patience, writes: o.writes}, pick(r, 20*time.Second, 4*time.Second))
	if err != nil {
		return nil, err
	}
	t, err := s.settled(ctx, settleLimit)
	if err != nil {
		return nil, err
	}
	passed, refused, left := s.checkedWrites(answers)
	part := func(n int) float64 { return 100 * float64(n) / float64(max(1, passed)) }
	name := fmt.Sprintf("%s, %g ×", o.callers.name, o.factor)
	return append([]figure{
		noted(name+": writes that passed their checks", float64(passed), ""),
		atMost(name+": of these, refused before their command", part(refused), "%", pick(r, 0.5, 10)),
		atMost(name+": of these, left by their callers before", part(left), "%", pick(r, 5.0, 50)),
	}, t.figures()...), s.stop()
}

// checkedWrites returns how many of the writes had their checks carried out by the platform,
// and how many of these no command that changes something, because they were refused or because
// their caller left. Each tenant has one write at a time.
func (s *site) checkedWrites(answers []*answer) (passed, refused, left int) {
	byTenant := map[string][]ocisim.Entry{}
	for _, e := range s.platform.Ledger() {
		byTenant[e.ServiceProvider] = append(byTenant[e.ServiceProvider], e)
	}
	for _, a := range answers {
		if a.entry == nil {
			continue
		}
		checked, sent := false, false
		for _, e := range byTenant[tenantName(a.target)] {
			switch {
			case e.Time.Before(a.due):
			case e.Write:
				sent = sent || slices.ContainsFunc(e.Numbers, func(n string) bool { return n == a.entry.number })
			case e.Time.Before(a.ended()):
				checked = checked || e.Command == availableNumbers
			}
		}
		switch {
		case sent:
			passed++
		case checked && a.err != nil:
			passed, left = passed+1, left+1
		case checked:
			passed, refused = passed+1, refused+1
		}
	}
	return passed, refused, left
}

// availableNumbers is the command that checks whether a number can be assigned.
const availableNumbers = "ServiceProviderRouteListEnterpriseTrunkNumberRangeGetAvailableListRequest"

// fairness measures a modest caller beside one who asks for far more than there is.
func fairness(ctx context.Context, r *rig) ([]figure, error) {
	if r.short {
		return r.fair(ctx, callersShort)
	}
	impatient, err := r.fair(ctx, callersOf5s)
	if err != nil {
		return impatient, err
	}
	patient, err := r.fair(ctx, callersPatient)
	return append(impatient, patient...), err
}

func (r *rig) fair(ctx context.Context, kind kindOfCallers) ([]figure, error) {
	s, err := kind.site(ctx, r, "")
	if err != nil {
		return nil, err
	}
	greedy := s.begin(ctx, load{rate: 9 * kind.capacity(), patience: kind.patience})
	if err := measure.Pause(ctx, min(kind.patience, queueWait)+time.Second); err != nil {
		return nil, err
	}
	from := time.Now()
	modest, err := s.run(ctx, load{rate: 0.05 * kind.capacity(), patience: kind.patience, caller: callerB}, pick(r, 40*time.Second, 4*time.Second))
	if err != nil {
		return nil, err
	}
	to := time.Now()
	theirs, err := greedy.stop()
	if err != nil {
		return nil, err
	}
	return []figure{
		atLeast(kind.name+": the modest caller is served", share(modest), "%", pick(r, 99.0, 80.0)),
		noted(kind.name+": until their answer, median", 1e3*quantile(modest, 0.5, (*answer).good), "ms"),
		noted(kind.name+": until their answer, 99 %", 1e3*quantile(modest, 0.99, (*answer).good), "ms"),
		atLeast(kind.name+": goodput of both", kind.goodput(slices.Concat(theirs, modest), from, to), "% of capacity", pick(r, 90.0, 50.0)),
	}, s.stop()
}

// weights measures two callers of different weights who both ask for more than there is, and then
// one who may use two sessions at a time.
func weights(ctx context.Context, r *rig) ([]figure, error) {
	example, err := exec.CommandContext(ctx, r.binary, "config", "init").Output() //nolint:gosec // the binary that is to be measured
	if err != nil {
		return nil, err
	}
	if !bytes.Contains(example, []byte("weight:")) {
		return nil, &skippedError{"this binary has no weights"}
	}
	kind := callersOf5s
	s, err := kind.site(ctx, r, ", weight: 3")
	if err != nil {
		return nil, err
	}
	from := time.Now()
	light := s.begin(ctx, load{rate: 2 * kind.capacity(), patience: kind.patience, caller: callerB})
	heavy, err := s.run(ctx, load{rate: 2 * kind.capacity(), patience: kind.patience}, 20*time.Second)
	if err != nil {
		return nil, err
	}
	to := from.Add(20 * time.Second)
	other, err := light.stop()
	if err != nil {
		return nil, err
	}
	steady := from.Add(5 * time.Second)
	three, one := kind.goodput(heavy, steady, to), kind.goodput(other, steady, to)
	if err := s.stop(); err != nil {
		return nil, err
	}
	if s, err = kind.site(ctx, r, ", max_sessions: 2"); err != nil {
		return nil, err
	}
	from = time.Now()
	limited, err := s.run(ctx, load{rate: kind.capacity(), patience: kind.patience}, 10*time.Second)
	return []figure{
		atLeast("share of the caller of weight 3, beside one of weight 1", 100*three/(three+one), "%", 70),
		atMost("share of the caller of weight 3, beside one of weight 1", 100*three/(three+one), "%", 80),
		atLeast("goodput of both", three+one, "% of capacity", 90),
		atMost("a caller who may use 2 of 8 sessions uses", kind.goodput(limited, from, from.Add(10*time.Second)), "% of capacity", 26),
	}, err
}

// stopInFlight measures a stop in order with many requests that wait.
func stopInFlight(ctx context.Context, r *rig) ([]figure, error) {
	const requests = 600
	s, err := r.site(ctx, plan{service: 20 * time.Millisecond, platform: fmt.Sprintf("  pool: {min: %[1]d, max: %[1]d, max_waiting: 1000}", sessionsOfPool)})
	if err != nil {
		return nil, err
	}
	if err := s.full(ctx, sessionsOfPool, patience); err != nil {
		return nil, err
	}
	answers := make([]*answer, requests)
	done := make(chan struct{}, requests)
	for i := range answers {
		a := &answer{id: fmt.Sprintf("stop-%d", i), target: i, due: time.Now()}
		answers[i] = a
		go func() { s.call(ctx, a, load{patience: patience}); done <- struct{}{} }()
	}
	// All of them are at the gateway when those that are not with a session wait for one.
	err = wait(ctx, patience, func() (bool, error) {
		waiting, err := s.metric(ctx, "ocigate_platform_session_waiters")
		return waiting+float64(len(done)) >= requests-2*sessionsOfPool, err
	})
	if err != nil {
		return nil, err
	}
	inFlight := requests - len(done)
	if err := s.stop(); err != nil {
		return nil, err
	}
	for range requests {
		<-done // in time, because each has its patience
	}
	return []figure{noted("in flight at the signal", float64(inFlight), ""), atLeast("answered with 200", share(answers), "%", 100)}, nil
}
