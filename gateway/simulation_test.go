package gateway_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"ocigate/oci/ocisim"
)

// The simulation specifies what holds of writes under any combination of faults. It
// runs callers, a gateway and the simulated platform in simulated time, and checks the
// result against the ledger of the platform.
//
// # A run
//
// Each run has a seed, from which its dice draw everything that happens. For
// faultTime, a few callers write and read through a gateway (simulation_callers_test.go),
// while the platform misbehaves, its endpoints go down, the journal's disk is full and
// the gateway is killed and replaced (simulation_faults_test.go), the network delays and
// loses documents (simulation_network_test.go), calls of the journal fail before or after
// their effect (simulation_disk_test.go), and an operator releases entries
// (simulation_operator_test.go). Then all faults end, and within recoveryTime every
// operation must have an outcome.
//
// At the end the checker compares what the platform did, by its ledger, with the
// responses that the callers got, the states that the API has listed, and the audit
// trail (simulation_check_test.go, with files for entries, reports, steps and the trail).
//
// # To replay a run
//
// A run that fails prints its log and its seed. This repeats it, with the log:
//
//	go test ./gateway -run 'TestSimulation/seed_123$' -v
//
// The seed does not decide the order of what happens at the same instant, so a replay
// may differ from the run. That is rare: durations are drawn to the nanosecond.
//
// The environment's SIMULATION_SEEDS is the number of runs (simulationSeeds if it is not
// set), and SIMULATION_FIRST the seed of the first one.
//
// # To add an event
//
// Add a case to injectFaults, or to caller for what callers do. Draw from the dice that
// the function has: new draws shift the later events of the same dice, so seeds of old
// failures change their meaning. End the event in endFaults. Count it with
// [simulation.count], and add its least number in simulationSeeds runs to minimums, so
// that the test fails if the event stops happening.
//
// # To add a check
//
// Add a method to checker and call it from [simulation.check]. Compare with the ledger
// (received, history), never with the gateway's own state, and report with failf, which
// does not end the run. Skip the operations that are ambiguous or overdue if the check
// needs an exact outcome.

// simulationSeeds is the default number of runs.
const simulationSeeds = 100

// minimums are how often each event must happen in simulationSeeds runs.
var minimums = map[string]int{
	"responded done": 150, "responded not done": 500, "responded unknown": 120, "no response": 250,
	"replayed": 70, "held": 300, "running": 1, "key reused": 1, "dry run": 60,
	"known by answer: done": 100, "known by reading: done": 60, "known by reading: not_done": 70, "not taken": 10,
	"killed before": 8, "killed in": 1, "killed after": 15, "killed while": 45, "taken over": 90, "corrected": 1,
	"journal failed": 200, "journal too slow": 60, "caller disconnected": 80, "arrived after its sender's end": 20,
	"outage": 120, "restart": 50, "released": 20,
}

// TestSimulation runs the simulation with many seeds.
func TestSimulation(t *testing.T) {
	clientHash() // computed only once, outside of any bubble
	counts := &counters{n: map[string]int{}}
	if named := regexp.MustCompile(`seed_(\d+)`).FindStringSubmatch(flag.Lookup("test.run").Value.String()); named != nil {
		seed, err := strconv.ParseUint(named[1], 10, 64)
		must(t, err)
		t.Run("seed_"+named[1], func(t *testing.T) { simulate(t, seed, counts, true) })
		t.Log(counts)
		return
	}
	first, seeds := fromEnvironment(t, "SIMULATION_FIRST", 1), fromEnvironment(t, "SIMULATION_SEEDS", simulationSeeds)
	t.Run("runs", func(t *testing.T) {
		for seed := first; seed < first+seeds; seed++ {
			t.Run(fmt.Sprint("seed_", seed), func(t *testing.T) {
				t.Parallel()
				simulate(t, seed, counts, false)
			})
		}
	})
	t.Log(counts)
	for what, least := range merged(minimums, stepMinimums) {
		if got := counts.get(what); got*simulationSeeds < least*int(seeds) {
			t.Errorf("%q happened too rarely to prove anything: %d times in %d runs", what, got, seeds)
		}
	}
	for _, kind := range ocisim.FaultKinds() {
		if counts.get("fault "+string(kind.Kind)) == 0 {
			t.Errorf("the fault %s affected no command", kind.Kind)
		}
	}
}

// merged returns the union of maps.
func merged(parts ...map[string]int) map[string]int {
	all := map[string]int{}
	for _, part := range parts {
		maps.Copy(all, part)
	}
	return all
}

func fromEnvironment(t *testing.T, name string, byDefault uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return byDefault
	}
	n, err := strconv.ParseUint(text, 10, 64)
	must(t, err)
	return n
}

// counters count what happened in all runs.
type counters struct {
	mu sync.Mutex // guards n
	n  map[string]int
}

func (c *counters) add(what string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[what] += n
}

func (c *counters) get(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[what]
}

func (c *counters) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var lines []string
	for _, what := range slices.Sorted(maps.Keys(c.n)) {
		lines = append(lines, fmt.Sprintf("%7d %s", c.n[what], what))
	}
	return "in all runs:\n" + strings.Join(lines, "\n")
}
