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

// The campaign proves that a write is never done twice, never lost without a report and
// never misreported, even if the platform, the connections, the gateway's process or its
// disk fail. It runs the program as a separate process, and everything else in the
// test:
//
//	campaign_test.go             the plan, and the course of a run
//	campaign_setup_test.go       the simulated platform with its ledger, and the clients
//	campaign_process_test.go     the gateway's process and the journal's disk
//	campaign_faults_test.go      the faults of the platform, and how often they occur
//	campaign_write_test.go       a write, its requests and their responses
//	campaign_caller_test.go      callers, who write and find out the outcome as portals should
//	campaign_requests_test.go    the requests of callers
//	campaign_check_test.go       the checker, which compares operations and responses with
//	                             the ledger
//	campaign_ledger_test.go      how the checker reads operations, ledger and audit trail
//	campaign_report_test.go      the evidence and the numbers of a run
//	campaign_sets_test.go        callers who replace lists, which takes several steps, and
//	                             kills between the steps
//	campaign_sets_check_test.go  the checks of these writes
//	campaign_retry_test.go       clients and proxies that repeat requests automatically
//
// A run depends on a seed. While callers assign and remove their entries, about one write
// in three gets a fault of the platform, the gateway is killed, restarted and reloaded, and its disk
// is full for a while. Then all faults end, and the checker compares everything that
// callers know with the ledger: the platform records which commands it received and which
// of them it carried out, independently of the gateway.
//
// Each caller has its own entries and one write at a time. So every write in the ledger
// belongs to a known caller, and if a write is refused because of the state of its entries,
// an earlier report to its caller was wrong. Sometimes a caller sends a request twice at
// the same time, or has a rival who wants the opposite at the same time.
//
// There are two sizes: with the build tag campaign, that of the Makefile's target
// campaign; without it, one that takes some seconds. If the test cannot mount a file system
// for the journal, the disk is never full, which the log mentions.
//
// To add a fault of the platform, add an entry to faultChoices with its weight. To add a
// failure of the gateway or its surroundings, add an action to campaign.schedule and its
// number to plan. To add a kind of caller, give campaign a list of them in newCampaign,
// start them in runCampaign, and add their writes to checker.check.

var (
	seedsFlag  = flag.String("campaign.seeds", usualSeeds, "seeds of the campaign's runs, with commas between them")
	writesFlag = flag.Int("campaign.writes", usualWrites, "least number of writes of each run of the campaign")
)

// plan is the size of a run.
type plan struct {
	writes    int // least number that must be sent to the platform
	callers   int
	setters   int // callers who replace lists
	kills     int
	between   int // kills between the steps of a write
	fullDisks int
	settle    time.Duration // the gateway's setting of that name, longer than muchLater
}

// faults returns the least number of faults that must occur.
func (p plan) faults() int { return p.writes / 4 }

// diskBytes returns the size of the journal's disk, which is more than the journal needs.
func (p plan) diskBytes() int64 { return 16<<20 + int64(p.writes)*16<<10 }

// wellAgain is how long writes may stay unknown after the end of all faults.
const wellAgain = time.Minute

func TestCampaign(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes several seconds")
	}
	binary := binaryOfTest(t)
	for text := range strings.SplitSeq(*seedsFlag, ",") {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("-campaign.seeds: %v", err)
		}
		t.Run(fmt.Sprintf("seed %d reports only the truth", seed), func(t *testing.T) {
			runCampaign(t, binary, planOf(*writesFlag), seed)
		})
	}
}

func runCampaign(t *testing.T, binary string, p plan, seed uint64) {
	t.Logf("seed %d, plan %+v", seed, p)
	start := time.Now()
	a := newCampaign(t, binary, p, seed)
	a.gateway.start(t)

	faults := newInjector(a)
	var callers sync.WaitGroup
	for _, c := range a.callers {
		callers.Go(c.run)
	}
	for _, c := range a.setters {
		callers.Go(c.set)
	}
	a.direct(t, faults)
	faults.stop()
	t.Logf("%s: all faults have ended", time.Since(start).Round(time.Millisecond))

	checker := newChecker(t, a, faults)
	checker.waitUntilKnown()
	callers.Wait()
	checker.waitUntilKnown() // the writes that were in progress
	t.Logf("%s: all callers know the outcomes of their writes", time.Since(start).Round(time.Millisecond))
	for _, c := range a.callers {
		callers.Go(c.lastWrites)
	}
	for _, c := range a.setters {
		callers.Go(c.lastSets)
	}
	callers.Wait()
	checker.check()
	t.Logf("%s: done", time.Since(start).Round(time.Millisecond))
}

// direct carries out the planned actions while the callers write. It returns after there
// were enough writes and faults, and all actions were carried out.
func (a *campaign) direct(t *testing.T, faults *injector) {
	t.Helper()
	random := a.random("director")
	acts := a.schedule(t, faults, random)
	for _, act := range acts {
		a.waitForWrites(t, act.after)
		time.Sleep(time.Duration(random.Int64N(int64(50 * time.Millisecond)))) // at any time between two writes or during one
		act.do()
	}
	a.waitForWrites(t, a.plan.writes)
	faults.waitFor(t, a.plan.faults())
	a.enough.Store(true)
}

// act is an action that is carried out after that number of writes has a result.
type act struct {
	after int
	do    func()
}

// schedule returns the planned actions in a random order, distributed over the writes.
func (a *campaign) schedule(t *testing.T, faults *injector, random *rand.Rand) []act {
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
		does = append(does, func() { a.killBetween(t, faults, killPoints[i%len(killPoints)], random.Int64N) })
	}
	for range max(1, a.plan.kills/4) {
		does = append(does, func() { a.stopGateway(t) })
	}
	for i := range max(2, a.plan.writes/250) {
		does = append(does, func() { a.reloadGateway(t, i) })
	}
	for range max(1, a.plan.writes/250) {
		does = append(does, faults.restartPlatform)
	}
	for range max(1, a.plan.writes/1000) {
		does = append(does, faults.closePlatform)
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

// killGateway kills the gateway at any time, and starts another one, which may be killed
// after its start, too.
func (a *campaign) killGateway(t *testing.T, again bool) {
	t.Helper()
	a.gateway.kill()
	a.gateway.start(t)
	a.kills++
	if again {
		a.killGateway(t, false)
	}
}

// stopGateway stops the gateway by a signal and starts another one. The time for stopping
// is shorter than some requests take.
func (a *campaign) stopGateway(t *testing.T) {
	t.Helper()
	a.gateway.stop(t)
	a.stops++
	a.gateway.start(t)
}

// reloadGateway reloads the configuration of the gateway with other settings of its
// sessions.
func (a *campaign) reloadGateway(t *testing.T, n int) {
	t.Helper()
	a.gateway.reload(t, n)
	a.reloads++
}

// fillDisk fills the journal's disk until some callers got an error because of it. If kill
// is true, the gateway is killed in the meantime, with outcomes that it could not record.
func (a *campaign) fillDisk(t *testing.T, kill bool) {
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

// waitForUnrecorded waits until as many responses as there are callers have reported that
// writes cannot be recorded.
func (a *campaign) waitForUnrecorded(t *testing.T) {
	t.Helper()
	want := a.unrecorded.Load() + int64(a.plan.callers)
	for deadline := time.Now().Add(wellAgain); a.unrecorded.Load() < want; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("the disk is full, and too few responses report that writes cannot be recorded")
			return
		}
	}
}

// waitForWrites waits until that number of writes has a result.
func (a *campaign) waitForWrites(t *testing.T, count int) {
	t.Helper()
	last, since := a.concluded.Load(), time.Now()
	for ; a.concluded.Load() < int64(count); time.Sleep(time.Millisecond) {
		if now := a.concluded.Load(); now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > 2*wellAgain {
			t.Fatalf("no write got a result for %s:\n%s", 2*wellAgain, a.gateway.lastWords())
		}
	}
}

// progress is shared by the callers and the goroutine of direct.
type progress struct {
	concluded  atomic.Int64 // writes that were recorded and whose callers know the result
	unrecorded atomic.Int64 // responses that the journal cannot be used
	enough     atomic.Bool  // callers stop writing
}
