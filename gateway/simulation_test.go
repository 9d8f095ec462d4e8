package gateway_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
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

// simulationSeeds is how many stories are told unless the environment's
// SIMULATION_SEEDS says otherwise, and SIMULATION_FIRST is the
// seed of the first. Any one can be told again by its name:
//
//	go test ./gateway -run 'TestSimulation/seed_123$' -v
const simulationSeeds = 100

// TestSimulation tells many short stories, each in a bubble of its own. A few
// callers write and ask through a gateway, while the platform misbehaves, the
// network loses and delays, the journal's disk is full and the gateway is
// killed and started again, all of it as the dice of a seed have it. Then all
// is well again, and a minute later the truth must be known: what the platform
// did is held against what the callers were told, what the operations say, and
// the audit trail.
//
// What the seed cannot decide is the order of what happens at the same instant.
func TestSimulation(t *testing.T) {
	clientHash() // once, outside of any bubble
	counts := &tally{n: map[string]int{}}
	if named := regexp.MustCompile(`seed_(\d+)`).FindStringSubmatch(flag.Lookup("test.run").Value.String()); named != nil {
		seed, err := strconv.ParseUint(named[1], 10, 64)
		must(t, err)
		t.Run("seed_"+named[1], func(t *testing.T) { simulate(t, seed, counts, true) })
		t.Log(counts)
		return
	}
	first, seeds := fromEnvironment(t, "SIMULATION_FIRST", 1), fromEnvironment(t, "SIMULATION_SEEDS", simulationSeeds)
	t.Run("stories", func(t *testing.T) {
		for seed := first; seed < first+seeds; seed++ {
			t.Run(fmt.Sprint("seed_", seed), func(t *testing.T) {
				t.Parallel()
				simulate(t, seed, counts, false)
			})
		}
	})
	t.Log(counts)
	for what, least := range leastOf(map[string]int{
		"told done": 150, "told not done": 500, "told unknown": 120, "told nothing": 250,
		"replayed": 70, "held": 300, "running": 1, "key reused": 1, "dry run": 60,
		"known by answer: done": 100, "known by reading: done": 60, "known by reading: not_done": 70, "not taken": 10,
		"died before": 8, "died in": 1, "died after": 15, "died while": 45, "taken over": 90, "corrected": 1,
		"journal failed": 200, "journal too slow": 60, "caller left": 80, "arrived after its sender's end": 20,
		"outage": 120, "restart": 50, "released": 20,
	}, leastOfSteps) {
		if got := counts.of(what); got*simulationSeeds < least*int(seeds) {
			t.Errorf("%q happened too seldom to prove anything: %d times in %d stories", what, got, seeds)
		}
	}
	for _, kind := range ocisim.FaultKinds() {
		if counts.of("fault "+string(kind.Kind)) == 0 {
			t.Errorf("the fault %s met nothing", kind.Kind)
		}
	}
}

// leastOf is how often what has to happen in as many stories as usual.
func leastOf(parts ...map[string]int) map[string]int {
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

// tally counts what happened in all stories.
type tally struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *tally) add(what string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[what] += n
}

func (c *tally) of(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[what]
}

func (c *tally) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var lines []string
	for _, what := range slices.Sorted(maps.Keys(c.n)) {
		lines = append(lines, fmt.Sprintf("%7d %s", c.n[what], what))
	}
	return "in all stories:\n" + strings.Join(lines, "\n")
}

// The bounds of a story.
const (
	troubleTime = time.Minute      // as long as things go wrong
	healTime    = 60 * time.Second // until everything must be known
	maxLives    = 5                // of gateways that are killed
)

// story is one run of the simulation.
type story struct {
	t       *testing.T
	seed    uint64
	counts  *tally
	began   time.Time
	folder  string
	late    bool              // the platform may carry out a write long after the settle time
	waits   *ocisim.Injection // the fault that will have a write carried out late, nil for none
	pace    time.Duration
	lives   *dice
	well    chan struct{} // closed when nothing goes wrong any more
	started chan struct{}

	platform *ocisim.Platform
	network  *network
	auth     *auth.Authenticator
	diskFull atomic.Bool
	work     sync.WaitGroup // handlers, and gateways that are coming and going

	mu      sync.Mutex
	gateway *generation // the last one, dead or alive
	log     []string
	handed  map[string][]handing       // the commands of each request that were handed to a socket
	passed  map[string][]time.Duration // when the gateway had read a success for each request
	intents map[string]int             // the last step of each request of which an intent was recorded
	arrived map[int][]string           // the requests whose writes came over each connection
	told    []*telling
	said    []saying
	lists   listing
	steps   stepFaults
}

// telling is a request, and what its caller was told.
type telling struct {
	request string // its id
	wish    wish
	dry     bool
	write   bool
	asked   time.Time
	answer  *answer       // nil where no answer came
	at      time.Duration // of the answer
}

// saying is what a reading of operations said of one.
type saying struct {
	id, request string
	state       operation.State
	at          time.Duration
	entries     []operation.State // their outcomes
}

func simulate(t *testing.T, seed uint64, counts *tally, told bool) {
	folder, err := os.MkdirTemp(memoryFolder(), "ocigate-simulation-")
	must(t, err)
	defer func() { _ = os.RemoveAll(folder) }()
	synctest.Test(t, func(t *testing.T) {
		s := &story{
			t: t, seed: seed, counts: counts, began: time.Now(), folder: folder, lives: newDice(seed, 1),
			well: make(chan struct{}), started: make(chan struct{}, 1),
			handed: map[string][]handing{}, passed: map[string][]time.Duration{}, intents: map[string]int{}, arrived: map[int][]string{},
		}
		s.late = s.lives.oneIn(6)
		s.pace = pick(s.lives, []time.Duration{300 * time.Millisecond, time.Second, 3 * time.Second})
		s.tell()
		if told || t.Failed() {
			t.Logf("the story of seed %d (to see it again: go test ./gateway -run 'TestSimulation/seed_%d$'):\n%s", seed, seed, strings.Join(s.log, "\n"))
		}
	})
}

// memoryFolder is where journals are fast, empty for the ordinary place.
func memoryFolder() string {
	const shared = "/dev/shm"
	if _, err := os.Stat(shared); err != nil {
		return ""
	}
	return shared
}

// tell lets the story happen, and judges it.
func (s *story) tell() {
	platform, err := ocisim.New(simulatedSeed())
	must(s.t, err)
	s.platform = platform
	s.network = &network{story: s, platform: platform, down: map[string]bool{}, wires: map[*wire]bool{}}
	s.start(1)

	var callers, trouble sync.WaitGroup
	over := make(chan struct{})
	trouble.Go(func() { s.misbehave(newDice(s.seed, 2), over) })
	trouble.Go(func() { s.operate(newDice(s.seed, 4), over) })
	for i := range 4 + s.lives.below(5) {
		callers.Go(func() { s.caller(fmt.Sprintf("c%d", i), newDice(s.seed, 10+uint64(i)), over) })
	}
	time.Sleep(troubleTime)
	close(over)
	trouble.Wait()
	s.heal()
	time.Sleep(healTime)
	callers.Wait()
	s.wantNothingOpen()
	time.Sleep(recheckTime + settleTime)
	ops := s.operations()
	s.wantNothingOpen()

	g := s.running()
	must(s.t, g.client.Close(context.Background()))
	g.keeper.Close(context.Background())
	s.work.Wait()
	must(s.t, g.store.Close())
	_ = platform.Close() // never fails
	s.network.work.Wait()
	s.judge(ops)
}

// simulatedSeed is the demonstration's with more to assign, some of it with a group,
// and nothing to remove that a user has.
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

func (s *story) start(number int) {
	g := s.live(number)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gateway == nil || s.gateway.number < number { // it may be dead already
		s.gateway = g
	}
}

func (s *story) running() *generation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gateway
}

// inTrouble tells whether things go wrong.
func (s *story) inTrouble() bool {
	select {
	case <-s.well:
		return false
	default:
		return true
	}
}

func (s *story) now() time.Duration { return time.Since(s.began) }

func (s *story) logf(format string, args ...any) {
	line := fmt.Sprintf("%12v  ", s.now().Round(time.Microsecond)) + fmt.Sprintf(format, args...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, line)
}

func (s *story) failf(format string, args ...any) {
	s.t.Helper()
	s.t.Errorf(format, args...)
}

func (s *story) count(what string) { s.counts.add(what, 1) }

// delivered notes a document that has reached the platform as a whole.
func (s *story) delivered(w *wire, document []byte, late bool) {
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

// heal ends all that goes wrong.
func (s *story) heal() {
	s.logf("all is well from now on")
	close(s.well)
	s.endStepFaults()
	s.diskFull.Store(false)
	s.network.setDown("node1", false)
	s.network.setDown("node2", false)
	for {
		g := s.running()
		g.disk.mu.Lock()
		g.disk.until = 0
		g.disk.mu.Unlock()
		if !g.isDead() {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// misbehave lets things go wrong until it is over.
func (s *story) misbehave(d *dice, over <-chan struct{}) {
	injected := map[*ocisim.Injection]ocisim.FaultKind{}
	defer func() {
		for i, kind := range injected {
			i.Remove()
			s.counts.add("fault "+string(kind), i.Hits())
		}
	}()
	rest := func(limit time.Duration) bool {
		select {
		case <-over:
			return false
		case <-time.After(d.upTo(limit)):
			return true
		}
	}
	for rest(s.pace) {
		switch d.below(40) {
		case 0:
			s.count("restart")
			s.logf("the platform restarts")
			s.platform.Restart()
		case 1:
			node := pick(d, []string{"node1", "node2"})
			s.count("outage")
			s.logf("%s goes down", node)
			s.network.setDown(node, true)
			rest(15 * time.Second)
			s.network.setDown(node, false)
			s.logf("%s is back", node)
		case 2:
			s.count("outage")
			s.logf("both nodes go down")
			s.network.setDown("node1", true)
			s.network.setDown("node2", true)
			rest(10 * time.Second)
			s.network.setDown("node1", false)
			s.network.setDown("node2", false)
			s.logf("both nodes are back")
		case 3:
			s.logf("the disk is full")
			s.diskFull.Store(true)
			rest(6 * time.Second)
			s.diskFull.Store(false)
			s.logf("the disk has room again")
		case 4:
			if g := s.running(); g.number < maxLives {
				g.die("while it was at work")
			}
		default:
			fault := s.fault(d)
			i, err := s.platform.Inject(fault)
			must(s.t, err)
			if fault.Kind == ocisim.ApplyLate {
				s.waits = i
			}
			s.logf("fault: %s", fault)
			injected[i] = fault.Kind
		}
	}
}

// fault is a way for the platform to misbehave once.
func (s *story) fault(d *dice) ocisim.Fault {
	const writes, verify = "*ssignListRequest", "VerifySessionIsValidRequest"
	fault := ocisim.Fault{Kind: pick(d, ocisim.FaultKinds()).Kind, Times: 1}
	if d.oneIn(4) { // what is most likely to be misjudged
		fault.Kind = pick(d, []ocisim.FaultKind{ocisim.ErrorAfterApply, ocisim.StallAfterApply, ocisim.DropAfterApply, ocisim.ApplyLate})
	}
	switch fault.Kind {
	case ocisim.Refuse, ocisim.StallConnection, ocisim.ExpiredPassword:
		return fault
	}
	fault.Command = pick(d, []string{
		writes, writes, writes, writes, writes, writes,
		"*SummaryListRequest", "ServiceProvider*AvailableListRequest", "ServiceProviderGetRequest17sp1",
		"GroupServiceGetAuthorizationRequest", verify, "AuthenticationRequest", "LoginRequest14sp4",
	})
	switch fault.Kind {
	case ocisim.HugeTable:
		fault.Rows = 20
	case ocisim.ApplyLate:
		if s.waits != nil && s.waits.Hits() == 0 {
			fault.Kind = ocisim.Stall // two delays would add up
			break
		}
		fault.Command, fault.Delay = writes, time.Second+d.upTo(17*time.Second)
		if s.late {
			fault.Delay = 50*time.Second + d.upTo(50*time.Second)
		}
	case ocisim.Slow:
		fault.Delay = d.upTo(15 * time.Second)
	case ocisim.ErrorBeforeApply, ocisim.ErrorAfterApply:
		if fault.Command == verify {
			fault.Number = 9900 // not logged in: nothing else refuses this question
		}
		if d.oneIn(3) && fault.Command == writes {
			fault.Severity = pick(d, []string{"Warning", "Info"})
		}
	}
	return fault
}

// wish is what a caller wants to be done.
type wish struct {
	method, path, body string
	key                string
	ifMatch            string // the condition, empty for none
}

// caller wants one thing after the other until it is over.
func (s *story) caller(name string, d *dice, over <-chan struct{}) {
	var mine []wish
	requests := 0
	ask := func(w wish, dry bool) *answer {
		requests++
		return s.ask(d, w, fmt.Sprintf("%s-%d", name, requests), dry)
	}
	for {
		select {
		case <-over:
			return
		case <-time.After(d.upTo(14 * time.Second)):
		}
		switch n := d.below(20); {
		case n < 11:
			w := s.wish(d)
			if w.setsList() {
				w.ifMatch = s.condition(d, w, ask)
			}
			if d.oneIn(2) {
				w.key = fmt.Sprintf("%s-key-%d", name, requests)
				mine = append(mine, w)
			}
			got := ask(w, false)
			for tries := d.below(4); w.key != "" && tries > 0 && (got == nil || got.status >= 409 || got.status == http.StatusMultiStatus); tries-- {
				time.Sleep(d.upTo(10 * time.Second))
				got = ask(w, false)
			}
		case n < 14 && len(mine) > 0:
			ask(pick(d, mine), false)
		case n == 14 && len(mine) > 0:
			other := s.wish(d)
			other.key = pick(d, mine).key
			ask(other, false)
		case n == 15:
			s.count("dry run")
			ask(s.wish(d), true)
		case n == 16:
			ask(wish{method: http.MethodGet, path: ownList(pick(d, []string{"numbers", "prefixes"}))}, false)
		case n < 19:
			s.askForOne(d, ask)
		default:
			if got := ask(wish{method: http.MethodGet, path: "/api/v1/operations/?limit=1000"}, false); got != nil && got.status == http.StatusOK {
				s.hear(got.body)
			}
		}
	}
}

// askForOne asks what became of a write that the caller knows of.
func (s *story) askForOne(d *dice, ask func(wish, bool) *answer) {
	s.mu.Lock()
	var ids []string
	for _, told := range s.told {
		if told.answer != nil && told.answer.header.Get("Operation-Id") != "" {
			ids = append(ids, told.answer.header.Get("Operation-Id"))
		}
	}
	s.mu.Unlock()
	if len(ids) == 0 {
		return
	}
	got := ask(wish{method: http.MethodGet, path: "/api/v1/operations/" + pick(d, ids) + "/"}, false)
	if got != nil && got.status == http.StatusOK {
		s.hear(`{"operations":[` + got.body + `]}`)
	}
}

// hear notes what a reading of operations said.
func (s *story) hear(body string) {
	for _, op := range s.read(body) {
		s.mu.Lock()
		said := saying{id: op.ID, request: op.RequestID, state: op.State, at: s.now()}
		for _, e := range op.Entries {
			said.entries = append(said.entries, e.Outcome)
		}
		s.said = append(s.said, said)
		s.mu.Unlock()
	}
}

// wish makes up a change that may well be possible at the moment.
func (s *story) wish(d *dice) wish {
	kind, group := pick(d, []string{"numbers", "numbers", "prefixes"}), pick(d, []string{ownGroup, ownGroup, "ApioGrpOther"})
	free, own, all := s.holdings(kind, group)
	if d.oneIn(2) {
		return s.wishList(d, kind, group)
	}
	w, from := wish{method: http.MethodPost, path: listOf(ownTenant, group, kind)}, free
	if d.oneIn(2) && len(own) > 0 || len(free) == 0 {
		from = own
		w.method = http.MethodDelete
		if d.oneIn(3) {
			w.method, w.path = http.MethodPost, w.path+"remove/"
		}
	}
	if len(from) == 0 || d.oneIn(12) {
		from = all // and let it be refused
	}
	var entries []string
	for range 1 + d.below(3) {
		if start := pick(d, from); !slices.Contains(entries, start) {
			entries = append(entries, start)
		}
	}
	w.body = s.bodyOf(kind, entries)
	return w
}

// ask makes a request of the gateway. The answer is nil where none came: there
// was no gateway, it died meanwhile, or the caller did not wait.
func (s *story) ask(d *dice, w wish, id string, dry bool) *answer {
	told := &telling{request: id, wish: w, dry: dry, write: w.method != http.MethodGet, asked: time.Now()}
	s.mu.Lock()
	s.told = append(s.told, told)
	s.mu.Unlock()
	g := s.running()
	if g.isDead() {
		s.logf("%s meets no gateway", id)
		return nil
	}
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	target := w.path
	if dry {
		target += "?dry_run=true"
	}
	request := httptest.NewRequestWithContext(ctx, w.method, target, strings.NewReader(w.body))
	request.SetBasicAuth(system, clientSecret)
	request.Header.Set("X-Request-Id", id)
	if w.key != "" {
		request.Header.Set("Idempotency-Key", w.key)
	}
	if w.ifMatch != "" {
		request.Header.Set("If-Match", w.ifMatch)
	}
	s.logf("%s asks gateway %d: %s %s %s %s %s", id, g.number, w.method, path.Join(path.Base(path.Dir(path.Dir(path.Dir(w.path)))), path.Base(w.path)), w.body, w.key, w.ifMatch)
	answers := make(chan *httptest.ResponseRecorder, 1)
	s.work.Go(func() {
		recorder := httptest.NewRecorder()
		g.handler.ServeHTTP(recorder, request)
		answers <- recorder
	})
	var patience <-chan time.Time
	if told.write && d.oneIn(8) {
		patience = time.After(d.upTo(time.Second) / time.Duration(1+d.below(50)))
	}
	select {
	case <-g.dead:
		s.logf("%s gets no answer: the gateway is dead", id)
		return nil
	case <-patience:
		s.count("caller left")
		s.logf("%s leaves", id)
		return nil
	case recorder := <-answers:
		if g.isDead() {
			s.logf("%s gets no answer: the gateway died with it", id)
			return nil
		}
		got := answer{recorder.Code, recorder.Header(), recorder.Body.String()}
		s.mu.Lock()
		told.answer, told.at = &got, s.now()
		s.mu.Unlock()
		s.lists.note(w, got)
		short := got.body
		if !told.write {
			short = ""
		}
		s.logf("%s is told %d, %s: %.300s", id, got.status, got.header.Get("Operation-Outcome"), strings.TrimSpace(short))
		return &got
	}
}
