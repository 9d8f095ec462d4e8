//go:build linux

package main

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"ocigate/oci/ocisim"
)

// Which commands a fault is for.
const (
	writeCommands = "GroupRouteListEnterpriseTrunk*ssignListRequest" // and Unassign
	readCommands  = "*Get*Request*"
	loginCommands = "LoginRequest*"
)

// muchLater is long after the gateway has given up waiting, and as late as the
// least settle time of a plan allows.
const muchLater = commandTimeout + 1400*time.Millisecond

// faultChoice is a kind of fault and how often it is chosen among the others.
type faultChoice struct {
	weight int
	fault  ocisim.Fault
}

// faultChoices are the faults that hit one command. Together they are at every
// point of the protocol: before the platform carries a command out and after,
// before, in and after its answer, and while logging in.
var faultChoices = []faultChoice{
	{3, ocisim.Fault{Kind: ocisim.DropBeforeApply, Command: writeCommands}},
	{4, ocisim.Fault{Kind: ocisim.DropAfterApply, Command: writeCommands}},
	{3, ocisim.Fault{Kind: ocisim.ResetBeforeApply, Command: writeCommands}},
	{4, ocisim.Fault{Kind: ocisim.ResetAfterApply, Command: writeCommands}},
	{1, ocisim.Fault{Kind: ocisim.Stall, Command: writeCommands}},
	{2, ocisim.Fault{Kind: ocisim.StallAfterApply, Command: writeCommands}},
	{2, ocisim.Fault{Kind: ocisim.ApplyLate, Command: writeCommands, Delay: commandTimeout / 2}},
	{2, ocisim.Fault{Kind: ocisim.ApplyLate, Command: writeCommands, Delay: muchLater}},
	{2, ocisim.Fault{Kind: ocisim.HalfReply, Command: writeCommands}},
	{2, ocisim.Fault{Kind: ocisim.HalfReply, Command: writeCommands, Bytes: 1}},
	{2, ocisim.Fault{Kind: ocisim.ForeignSession, Command: writeCommands}},
	{2, ocisim.Fault{Kind: ocisim.ForeignEcho, Command: writeCommands}},
	{1, ocisim.Fault{Kind: ocisim.ForeignTracking, Command: writeCommands}},
	{2, ocisim.Fault{Kind: ocisim.Garbage, Command: writeCommands}},
	{2, ocisim.Fault{Kind: ocisim.WrongDocument, Command: writeCommands}},
	{1, ocisim.Fault{Kind: ocisim.LateNewline, Command: writeCommands}},
	{1, ocisim.Fault{Kind: ocisim.Drip, Command: writeCommands}},
	{2, ocisim.Fault{Kind: ocisim.Slow, Command: writeCommands, Delay: commandTimeout / 4}},
	{3, ocisim.Fault{Kind: ocisim.ForcedLogout, Command: writeCommands}},
	{3, ocisim.Fault{Kind: ocisim.ForcedLogoutInstead, Command: writeCommands}},
	{4, ocisim.Fault{Kind: ocisim.LoseLogin, Command: writeCommands}},
	{3, ocisim.Fault{Kind: ocisim.ErrorBeforeApply, Command: writeCommands}},
	{2, ocisim.Fault{Kind: ocisim.ErrorBeforeApply, Command: writeCommands, Severity: "Warning"}},
	{3, ocisim.Fault{Kind: ocisim.ErrorAfterApply, Command: writeCommands}},
	{2, ocisim.Fault{Kind: ocisim.ErrorAfterApply, Command: writeCommands, Severity: "Warning"}},

	{2, ocisim.Fault{Kind: ocisim.DropBeforeApply, Command: readCommands}},
	{2, ocisim.Fault{Kind: ocisim.HalfReply, Command: readCommands}},
	{1, ocisim.Fault{Kind: ocisim.Stall, Command: readCommands}},
	{2, ocisim.Fault{Kind: ocisim.Garbage, Command: readCommands}},
	{2, ocisim.Fault{Kind: ocisim.ErrorBeforeApply, Command: readCommands}},
	{2, ocisim.Fault{Kind: ocisim.LoseLogin, Command: readCommands}},
	{2, ocisim.Fault{Kind: ocisim.ForcedLogout, Command: readCommands}},

	{1, ocisim.Fault{Kind: ocisim.DropBeforeApply, Command: loginCommands}},
	{1, ocisim.Fault{Kind: ocisim.ErrorBeforeApply, Command: loginCommands}},
}

// trouble injects faults until it is stopped, and counts those that hit.
type trouble struct {
	arena  *arena
	random *rand.Rand
	ending chan struct{}
	work   sync.WaitGroup

	mu    sync.Mutex
	armed []armedFault
	hits  map[string]int // by kind, and what is special about it
	total int
}

type armedFault struct {
	kind      ocisim.FaultKind
	name      string
	injection *ocisim.Injection
	since     time.Time
}

func newTrouble(a *arena) *trouble {
	tr := &trouble{arena: a, random: a.random("faults"), ending: make(chan struct{}), hits: map[string]int{}}
	tr.work.Go(tr.run)
	return tr
}

// The rhythm of the faults. Two or three are waiting for their command at any
// time, and one that has waited for long makes room for another.
const (
	armedAtOnce = 3
	longestSkip = 8
	armedFor    = time.Second
	lookEvery   = 2 * time.Millisecond
)

func (tr *trouble) run() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tr.ending:
			return
		case <-tick.C:
			tr.collect(time.Now())
			tr.arm()
		}
	}
}

// arm injects faults, as long as there were not too many of them already: one
// in three writes is to be hit.
func (tr *trouble) arm() {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for len(tr.armed) < armedAtOnce && tr.total+len(tr.armed) < 20+int(tr.arena.verdicts.Load())/3 {
		f := tr.choose()
		if f.Kind == ocisim.ApplyLate && tr.isArmed(f.Kind) {
			return // two that meet one command are later than the gateway can know of
		}
		f.Times, f.Skip = 1, tr.random.IntN(longestSkip)
		tr.armed = append(tr.armed, armedFault{f.Kind, nameOf(f), tr.inject(f), time.Now()})
	}
}

func (tr *trouble) isArmed(kind ocisim.FaultKind) bool {
	return slices.ContainsFunc(tr.armed, func(f armedFault) bool { return f.kind == kind })
}

func (tr *trouble) choose() ocisim.Fault {
	sum := 0
	for _, c := range faultChoices {
		sum += c.weight
	}
	at := tr.random.IntN(sum)
	for _, c := range faultChoices {
		if at -= c.weight; at < 0 {
			return c.fault
		}
	}
	panic("the weights have another sum")
}

// nameOf is what a fault is counted under.
func nameOf(f ocisim.Fault) string {
	name := string(f.Kind)
	if f.Severity != "" {
		name += " (" + f.Severity + ")"
	}
	switch f.Command {
	case readCommands:
		name += " of a read"
	case loginCommands:
		name += " of a login"
	}
	return name
}

func (tr *trouble) inject(f ocisim.Fault) *ocisim.Injection {
	injection, err := tr.arena.platform.Inject(f)
	if err != nil {
		panic(err) // it is in the table above
	}
	return injection
}

// collect counts what has hit, and takes back what has waited for too long.
func (tr *trouble) collect(now time.Time) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	waiting := tr.armed[:0]
	for _, f := range tr.armed {
		if f.injection.Hits() == 0 && now.Sub(f.since) < armedFor {
			waiting = append(waiting, f)
			continue
		}
		f.injection.Remove()
		tr.count(f.name, f.injection.Hits())
	}
	tr.armed = waiting
}

// note counts hits of a fault that somebody else has injected.
func (tr *trouble) note(f ocisim.Fault, hits int) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.count(nameOf(f), hits)
}

// count counts hits. The caller has the mutex.
func (tr *trouble) count(name string, hits int) {
	if hits > 0 {
		tr.hits[name] += hits
		tr.total += hits
	}
}

// waitFor returns once that many faults have hit.
func (tr *trouble) waitFor(t *testing.T, count int) {
	t.Helper()
	for deadline := time.Now().Add(2 * wellAgain); ; time.Sleep(lookEvery) {
		tr.mu.Lock()
		total := tr.total
		tr.mu.Unlock()
		if total >= count {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("only %d faults have hit anything", total)
		}
	}
}

// stop ends all faults.
func (tr *trouble) stop() {
	close(tr.ending)
	tr.work.Wait()
	tr.collect(time.Now().Add(armedFor))
}

// restartPlatform has the platform end all its sessions and forget them.
func (tr *trouble) restartPlatform() {
	tr.arena.platform.Restart()
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.count("platform restarted", 1)
}

// closePlatform has the platform end all its sessions and refuse new ones for a
// while.
func (tr *trouble) closePlatform() {
	refusal := tr.inject(ocisim.Fault{Kind: ocisim.Refuse})
	tr.restartPlatform()
	select {
	case <-time.After(500 * time.Millisecond):
	case <-tr.arena.t.Context().Done():
	}
	refusal.Remove()
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.count("connection refused", refusal.Hits())
}

// TestFaultsOfTheCampaignAreValid keeps a mistake in the table from being found
// in the middle of a campaign.
func TestFaultsOfTheCampaignAreValid(t *testing.T) {
	for _, c := range faultChoices {
		if _, err := ocisim.ParseFault(c.fault.String()); err != nil || c.weight < 1 {
			t.Errorf("%s: weight %d, %v", c.fault, c.weight, err)
		}
	}
}
