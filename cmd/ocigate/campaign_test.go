//go:build linux

package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The campaign proves that a write is never done twice, never lost in silence
// and never misreported, whatever dies. It runs the built binary as a process
// of its own, and everything around it in the test:
//
//	campaign_test.go          the plan, and how a run goes
//	campaign_arena_test.go    what it takes place in: the simulated platform with
//	                          its ledger, the gateway's process, the journal's disk
//	campaign_caller_test.go   callers, who write and find out what became of it,
//	                          as good portals do
//	campaign_faults_test.go   what goes wrong at the platform, and how often
//	campaign_judge_test.go    the judge, who holds what the callers were told, the
//	                          operations and the audit trail against the ledger
//	campaign_sets_test.go     callers who replace lists as a whole, which takes
//	                          several steps, and kills between those
//	campaign_sets_judge_test.go  what the judge demands of them
//	campaign_retry_test.go    clients and proxies that repeat requests by
//	                          themselves
//
// A run is made of a seed. While callers assign and remove what is theirs, the
// platform misbehaves in one write of three or so, the gateway is killed and
// restarted, and its disk is full for a while. Then everything is well again,
// and the judge has the last word. What the judge looks for is the ledger's truth: the
// platform notes what it received and what it carried out, and nothing in the
// gateway has a say in that.
//
// Each caller has its own entries, and has one write at a time. So every write
// in the ledger can be told to be a certain caller's, and a write that is
// refused because its entries are not as its caller was told before is itself a
// false report. Now and then a caller sends a request twice at once, or has a
// rival who wants the opposite at the same time.
//
// There are two sizes: with the build tag campaign, the one of the Makefile's
// target campaign; without, one that takes some seconds. Where the test cannot
// mount a file system for the journal, the disk is never full, and the log says so.

var (
	seedsFlag  = flag.String("campaign.seeds", usualSeeds, "seeds of the campaign's runs, with commas between them")
	writesFlag = flag.Int("campaign.writes", usualWrites, "how many writes each run of the campaign has at the least")
)

// plan is the size of a run.
type plan struct {
	writes    int // that must be sent to the platform at the least
	callers   int
	setters   int // callers who replace lists as a whole
	kills     int
	between   int // kills between the steps of a write
	fullDisks int
	settle    time.Duration // the gateway's setting of that name, longer than muchLater
}

// faults is how many faults must hit something.
func (p plan) faults() int { return p.writes / 4 }

// diskBytes is more than the journal needs.
func (p plan) diskBytes() int64 { return 16<<20 + int64(p.writes)*16<<10 }

// wellAgain is how long unknown writes may stay so once all is well.
const wellAgain = time.Minute

func TestCampaign(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes several seconds")
	}
	binary := buildBinary(t)
	for text := range strings.SplitSeq(*seedsFlag, ",") {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("-campaign.seeds: %v", err)
		}
		t.Run(fmt.Sprintf("seed %d ends in the truth", seed), func(t *testing.T) {
			runCampaign(t, binary, planOf(*writesFlag), seed)
		})
	}
}

func runCampaign(t *testing.T, binary string, p plan, seed uint64) {
	t.Logf("seed %d, plan %+v", seed, p)
	start := time.Now()
	a := newArena(t, binary, p, seed)
	a.gateway.start(t)

	trouble := newTrouble(a)
	var callers sync.WaitGroup
	for _, c := range a.callers {
		callers.Go(c.run)
	}
	for _, c := range a.setters {
		callers.Go(c.set)
	}
	a.direct(t, trouble)
	trouble.stop()
	t.Logf("%s: all is well again", time.Since(start).Round(time.Millisecond))

	judge := newJudge(t, a, trouble)
	judge.waitUntilKnown()
	callers.Wait()
	judge.waitUntilKnown() // what was still on its way
	t.Logf("%s: all callers know what became of their writes", time.Since(start).Round(time.Millisecond))
	for _, c := range a.callers {
		callers.Go(c.bow)
	}
	for _, c := range a.setters {
		callers.Go(c.bowSets)
	}
	callers.Wait()
	judge.judge()
	t.Logf("%s: done", time.Since(start).Round(time.Millisecond))
}

// direct makes trouble as the callers get on: it returns when there were enough
// writes and everything that was planned has happened.
func (a *arena) direct(t *testing.T, trouble *trouble) {
	t.Helper()
	random := a.random("director")
	acts := a.schedule(t, trouble, random)
	for _, act := range acts {
		a.waitForWrites(t, act.after)
		time.Sleep(time.Duration(random.Int64N(int64(50 * time.Millisecond)))) // anywhere between two writes, or in one
		act.do()
	}
	a.waitForWrites(t, a.plan.writes)
	trouble.waitFor(t, a.plan.faults())
	a.enough.Store(true)
}

// act is something that happens once that many writes have been judged by
// their callers.
type act struct {
	after int
	do    func()
}

// schedule spreads what is planned over the writes.
func (a *arena) schedule(t *testing.T, trouble *trouble, random *rand.Rand) []act {
	t.Helper()
	disks := a.plan.fullDisks
	if !a.disk.mounted {
		t.Log("the disk is never full: no file system could be mounted for the journal, which takes root")
		disks = 0
	}
	var does []func()
	for range a.plan.kills {
		again := random.IntN(4) == 0
		does = append(does, func() { a.killGateway(t, again) })
	}
	for i := range a.plan.between {
		does = append(does, func() { a.killBetween(t, trouble, betweenWays[i%len(betweenWays)], random.Int64N) })
	}
	for range max(1, a.plan.kills/4) {
		does = append(does, func() { a.stopGateway(t) })
	}
	for range max(1, a.plan.writes/250) {
		does = append(does, trouble.restartPlatform)
	}
	for range max(1, a.plan.writes/1000) {
		does = append(does, trouble.closePlatform)
	}
	for i := range disks {
		does = append(does, func() { a.fillDisk(t, i > 0) })
	}
	random.Shuffle(len(does), func(i, j int) { does[i], does[j] = does[j], does[i] })
	acts := make([]act, len(does))
	for i, do := range does {
		acts[i] = act{after: (i + 1) * a.plan.writes / (len(does) + 1), do: do}
	}
	return acts
}

// killGateway kills the gateway in the middle of whatever it does, and starts
// another one in its place, which may not live long either.
func (a *arena) killGateway(t *testing.T, again bool) {
	t.Helper()
	a.gateway.kill()
	a.gateway.start(t)
	a.kills++
	if again {
		a.killGateway(t, false)
	}
}

// stopGateway has the gateway stop in good order, for which it has less time
// than some requests take, and starts another one in its place.
func (a *arena) stopGateway(t *testing.T) {
	t.Helper()
	a.gateway.stop(t)
	a.stops++
	a.gateway.start(t)
}

// fillDisk leaves no room on the journal's disk until some callers were told
// so. The gateway can be killed meanwhile, with all that it could not record.
func (a *arena) fillDisk(t *testing.T, kill bool) {
	t.Helper()
	a.disk.fill(t)
	defer a.disk.clear(t)
	a.waitForUnrecorded(t)
	if kill {
		a.gateway.kill()
		a.gateway.start(t)
		a.waitForUnrecorded(t)
	}
	a.fullDisks++
}

// waitForUnrecorded returns once as many answers as there are callers have told
// that writes cannot be recorded.
func (a *arena) waitForUnrecorded(t *testing.T) {
	t.Helper()
	want := a.unrecorded.Load() + int64(a.plan.callers)
	for deadline := time.Now().Add(wellAgain); a.unrecorded.Load() < want; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("the disk is full and hardly anybody is told that writes cannot be recorded")
			return
		}
	}
}

// waitForWrites returns once that many writes have reached a verdict.
func (a *arena) waitForWrites(t *testing.T, count int) {
	t.Helper()
	last, since := a.verdicts.Load(), time.Now()
	for ; a.verdicts.Load() < int64(count); time.Sleep(time.Millisecond) {
		if now := a.verdicts.Load(); now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > 2*wellAgain {
			t.Fatalf("no caller has learned what became of a write for %s:\n%s", 2*wellAgain, a.gateway.lastWords())
		}
	}
}

// progress is what callers share with the director.
type progress struct {
	verdicts   atomic.Int64 // writes whose callers know what became of them, and that were recorded
	unrecorded atomic.Int64 // answers that the journal cannot be used
	enough     atomic.Bool  // no more writes are wanted
}
