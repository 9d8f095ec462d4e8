package gateway_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ocigate/gateway/auth"
	"ocigate/gateway/operation"
	"ocigate/oci/ocisim"
)

// One run of the simulation, and what it notes.

// The limits of a run.
const (
	faultTime    = time.Minute      // how long there are faults
	recoveryTime = 60 * time.Second // within which every outcome must be known
	maxProcesses = 5                // how many gateways are started, at most
)

// simulation is one run.
type simulation struct {
	t         *testing.T
	seed      uint64
	counts    *counters
	began     time.Time
	folder    string
	late      bool              // the platform may carry out a write long after the settle time
	waits     *ocisim.Injection // the fault that will have a write carried out late, nil for none
	pace      time.Duration
	dice      *dice
	recovered chan struct{} // closed when all faults have ended
	started   chan struct{}

	platform *ocisim.Platform
	network  *network
	auth     *auth.Authenticator
	diskFull atomic.Bool
	work     sync.WaitGroup // handlers, and gateways that start or stop

	mu        sync.Mutex // guards what follows, but lists and steps, which have their own
	gateway   *process   // the last one, which may be killed already
	log       []string
	sent      map[string][]sentWrite     // the commands of each request that were written to a socket
	successes map[string][]time.Duration // when the gateway had read the successes of each request
	intents   map[string]int             // the last step of each request of which an intent was recorded
	arrived   map[int][]string           // the requests whose writes came over each connection
	exchanges []*exchange
	listed    []listedState
	lists     readLists
	steps     stepFaults
}

// exchange is a request of a caller, and its response.
type exchange struct {
	id       string // the X-Request-Id
	request  simRequest
	dry      bool
	write    bool
	asked    time.Time
	response *response     // nil if none arrived
	at       time.Duration // of the response
}

// listedState is an operation as the API has listed it at some time.
type listedState struct {
	id, request string
	state       operation.State
	at          time.Duration
	entries     []operation.State // their outcomes
}

func simulate(t *testing.T, seed uint64, counts *counters, verbose bool) {
	folder, err := os.MkdirTemp(memoryFolder(), "ocigate-simulation-")
	must(t, err)
	defer func() { _ = os.RemoveAll(folder) }()
	synctest.Test(t, func(t *testing.T) {
		s := &simulation{
			t: t, seed: seed, counts: counts, began: time.Now(), folder: folder, dice: newDice(seed, 1),
			recovered: make(chan struct{}), started: make(chan struct{}, 1),
			sent: map[string][]sentWrite{}, successes: map[string][]time.Duration{}, intents: map[string]int{}, arrived: map[int][]string{},
		}
		s.late = s.dice.oneIn(6)
		s.pace = pick(s.dice, []time.Duration{300 * time.Millisecond, time.Second, 3 * time.Second})
		s.run()
		if verbose || t.Failed() {
			t.Logf("the run of seed %d (to repeat it: go test ./gateway -run 'TestSimulation/seed_%d$'):\n%s", seed, seed, strings.Join(s.log, "\n"))
		}
	})
}

// memoryFolder returns a folder in memory, where journals are fast, or "" for the
// default folder of temporary files.
func memoryFolder() string {
	const shared = "/dev/shm"
	if _, err := os.Stat(shared); err != nil {
		return ""
	}
	return shared
}

// run runs the simulation and checks its result.
func (s *simulation) run() {
	platform, err := ocisim.New(simulatedSeed())
	must(s.t, err)
	s.platform = platform
	s.network = &network{sim: s, platform: platform, down: map[string]bool{}, links: map[*link]bool{}}
	s.startProcess(1)

	var callers, trouble sync.WaitGroup
	over := make(chan struct{})
	trouble.Go(func() { s.injectFaults(newDice(s.seed, 2), over) })
	trouble.Go(func() { s.releaseEntries(newDice(s.seed, 4), over) })
	for i := range 4 + s.dice.below(5) {
		callers.Go(func() { s.caller(fmt.Sprintf("c%d", i), newDice(s.seed, 10+uint64(i)), over) })
	}
	time.Sleep(faultTime)
	close(over)
	trouble.Wait()
	s.endFaults()
	time.Sleep(recoveryTime)
	callers.Wait()
	s.wantNothingOpen()
	time.Sleep(recheckTime + settleTime)
	ops := s.operations()
	s.wantNothingOpen()

	g := s.current()
	must(s.t, g.client.Close(context.Background()))
	g.keeper.Close(context.Background())
	s.work.Wait()
	must(s.t, g.store.Close())
	_ = platform.Close() // never fails
	s.network.work.Wait()
	s.check(ops)
}

// simulatedSeed returns the seed of the demonstration with more numbers and prefixes:
// some are assigned to groups, none to users.
func simulatedSeed() ocisim.Seed {
	seed := ocisim.DemoSeed()
	seed.Platform.LockAfter = 0
	tenant := &seed.Tenants[0]
	tenant.Ranges, tenant.Prefixes = nil, nil
	owner := func(i int) ocisim.Owner {
		return ocisim.Owner{Group: []string{ownGroup, "", "ApioGrpOther", ""}[i%4]}
	}
	for i := range 9 {
		tenant.Ranges = append(tenant.Ranges, ocisim.Range{Start: fmt.Sprintf("+32471%d0000", i), End: fmt.Sprintf("+32471%d0009", i), Owner: owner(i)})
	}
	for i := range 6 {
		tenant.Prefixes = append(tenant.Prefixes, ocisim.Prefix{Prefix: fmt.Sprintf("+32-7%d", i), Owner: owner(i)})
	}
	return seed
}

func (s *simulation) startProcess(number int) {
	g := s.newProcess(number)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gateway == nil || s.gateway.number < number { // the process may have been killed and replaced already
		s.gateway = g
	}
}

func (s *simulation) current() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gateway
}

// faultsAllowed reports whether faults have not ended yet.
func (s *simulation) faultsAllowed() bool {
	select {
	case <-s.recovered:
		return false
	default:
		return true
	}
}

func (s *simulation) now() time.Duration { return time.Since(s.began) }

func (s *simulation) logf(format string, args ...any) {
	line := fmt.Sprintf("%12v  ", s.now().Round(time.Microsecond)) + fmt.Sprintf(format, args...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, line)
}

func (s *simulation) failf(format string, args ...any) {
	s.t.Helper()
	s.t.Errorf(format, args...)
}

func (s *simulation) count(what string) { s.counts.add(what, 1) }

// delivered notes a document that has reached the platform completely.
func (s *simulation) delivered(w *link, document []byte, late bool) {
	written, ok := writeOf(document)
	if !ok {
		return
	}
	request := written.request
	if late {
		s.count("arrived after its sender's end")
		s.logf("write of %s arrives after its sender's end", request)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arrived[w.number] = append(s.arrived[w.number], request)
}
