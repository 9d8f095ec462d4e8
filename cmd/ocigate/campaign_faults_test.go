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

// Patterns of the commands that a fault is for.
const (
	writeCommands = "GroupRouteListEnterpriseTrunk*ssignListRequest" // and Unassign
	readCommands  = "*Get*Request*"
	loginCommands = "LoginRequest*"
)

// muchLater is a delay that ends long after the gateway's timeout, and as late as the
// shortest settle time of a plan permits.
const muchLater = commandTimeout + 1400*time.Millisecond

// faultChoice is a fault with its weight in the random choice.
type faultChoice struct {
	weight int
	fault  ocisim.Fault
}

// faultChoices are the faults of one command. Together they cover every point of the
// protocol: before and after the platform carries a command out, before, during and after
// its reply, and during a login.
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

// injector injects faults until it is stopped, and counts those that occurred.
type injector struct {
	campaign *campaign
	random   *rand.Rand
	ending   chan struct{}
	work     sync.WaitGroup

	mu    sync.Mutex // guards the following fields
	armed []armedFault
	hits  map[string]int // by the name of the fault, see nameOf
	total int
}

// armedFault is a fault that waits for its command.
type armedFault struct {
	kind      ocisim.FaultKind
	name      string
	injection *ocisim.Injection
	since     time.Time
}

func newInjector(a *campaign) *injector {
	in := &injector{campaign: a, random: a.random("faults"), ending: make(chan struct{}), hits: map[string]int{}}
	in.work.Go(in.run)
	return in
}

// The rate of the faults. Two or three wait for their command at any time, and one that
// has waited too long is replaced.
const (
	armedAtOnce = 3
	longestSkip = 8
	armedFor    = time.Second
	checkEvery  = 2 * time.Millisecond
)

func (in *injector) run() {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-in.ending:
			return
		case <-tick.C:
			in.collect(time.Now())
			in.arm()
		}
	}
}

// arm injects faults, so that about one in three writes gets one.
func (in *injector) arm() {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.armed) < armedAtOnce && in.total+len(in.armed) < 20+int(in.campaign.concluded.Load())/3 {
		f := in.choose()
		if f.Kind == ocisim.ApplyLate && in.isArmed(f.Kind) {
			return // the delays of two would add up beyond the settle time
		}
		f.Times, f.Skip = 1, in.random.IntN(longestSkip)
		in.armed = append(in.armed, armedFault{f.Kind, nameOf(f), in.inject(f), time.Now()})
	}
}

func (in *injector) isArmed(kind ocisim.FaultKind) bool {
	return slices.ContainsFunc(in.armed, func(f armedFault) bool { return f.kind == kind })
}

func (in *injector) choose() ocisim.Fault {
	sum := 0
	for _, c := range faultChoices {
		sum += c.weight
	}
	at := in.random.IntN(sum)
	for _, c := range faultChoices {
		if at -= c.weight; at < 0 {
			return c.fault
		}
	}
	panic("the weights have another sum")
}

// nameOf returns the name under which a fault is counted.
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

func (in *injector) inject(f ocisim.Fault) *ocisim.Injection {
	injection, err := in.campaign.platform.Inject(f)
	if err != nil {
		panic(err) // TestFaultsOfTheCampaignAreValid checks the table
	}
	return injection
}

// collect counts the faults that occurred, and removes those that have waited too long.
func (in *injector) collect(now time.Time) {
	in.mu.Lock()
	defer in.mu.Unlock()
	waiting := in.armed[:0]
	for _, f := range in.armed {
		if f.injection.Hits() == 0 && now.Sub(f.since) < armedFor {
			waiting = append(waiting, f)
			continue
		}
		f.injection.Remove()
		in.countLocked(f.name, f.injection.Hits())
	}
	in.armed = waiting
}

// note counts occurrences of a fault that was injected elsewhere.
func (in *injector) note(f ocisim.Fault, hits int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.countLocked(nameOf(f), hits)
}

// countLocked counts occurrences. mu must be held.
func (in *injector) countLocked(name string, hits int) {
	if hits > 0 {
		in.hits[name] += hits
		in.total += hits
	}
}

// waitFor waits until that number of faults has occurred.
func (in *injector) waitFor(t *testing.T, count int) {
	t.Helper()
	for deadline := time.Now().Add(2 * wellAgain); ; time.Sleep(checkEvery) {
		in.mu.Lock()
		total := in.total
		in.mu.Unlock()
		if total >= count {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("only %d faults have occurred", total)
		}
	}
}

// stop ends all faults.
func (in *injector) stop() {
	close(in.ending)
	in.work.Wait()
	in.collect(time.Now().Add(armedFor))
}

// restartPlatform makes the platform end all its sessions.
func (in *injector) restartPlatform() {
	in.campaign.platform.Restart()
	in.mu.Lock()
	defer in.mu.Unlock()
	in.countLocked("platform restarted", 1)
}

// closePlatform makes the platform end all its sessions and refuse new ones for a while.
func (in *injector) closePlatform() {
	refusal := in.inject(ocisim.Fault{Kind: ocisim.Refuse})
	in.restartPlatform()
	select {
	case <-time.After(500 * time.Millisecond):
	case <-in.campaign.t.Context().Done():
	}
	refusal.Remove()
	in.mu.Lock()
	defer in.mu.Unlock()
	in.countLocked("connection refused", refusal.Hits())
}

// TestFaultsOfTheCampaignAreValid finds mistakes in the table before a campaign does.
func TestFaultsOfTheCampaignAreValid(t *testing.T) {
	for _, c := range faultChoices {
		if _, err := ocisim.ParseFault(c.fault.String()); err != nil || c.weight < 1 {
			t.Errorf("%s: weight %d, %v", c.fault, c.weight, err)
		}
	}
}
