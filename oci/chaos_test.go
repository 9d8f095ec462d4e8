package oci_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ocigate/oci"
	"ocigate/oci/ocisim"
)

// Random faults of the simulated platform: no write is done twice or reported wrongly, and
// no read returns an old state. To cover another fault of package ocisim, add it to the
// faults of runChaos.

// TestNothingIsDoneTwiceOrMisreportedUnderRandomFaults lets callers read and
// write, each write with a range of its own, while the platform misbehaves at
// random. Afterwards the platform's ledger is compared with what the callers got, and all
// readers must see all writes that were done before they asked. A seed that fails can be run again by its name.
func TestNothingIsDoneTwiceOrMisreportedUnderRandomFaults(t *testing.T) {
	outcomes := map[string]int{}
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runChaos(t, rand.New(rand.NewPCG(seed, 1)), outcomes) })
		})
	}
	t.Log(outcomes)
	for _, outcome := range []string{done, notDone, unknown, seen} {
		if outcomes[outcome] < 20 {
			t.Errorf("too few requests were %s to prove anything: %d", outcome, outcomes[outcome])
		}
	}
}

// What callers get for their writes and reads.
const (
	done    = "done"
	notDone = "not done"
	unknown = "unknown or refused"
	seen    = "answered with all that was written"
)

const (
	chaosCallers  = 12
	chaosRequests = 40 // of each caller
	chaosSessions = 4

	verify      = "VerifySessionIsValidRequest"
	notLoggedIn = 9900 // the simulated platform's number for it
)

// result is what the caller of one request got.
type result struct {
	start, outcome string // start is a write's
	err            error
	tries          int // of a write
}

// ranges holds the ranges that have been assigned.
type ranges struct {
	mu     sync.Mutex
	starts []string
}

func (r *ranges) add(start string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.starts = append(r.starts, start)
}

func (r *ranges) sofar() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.starts)
}

func runChaos(t *testing.T, random *rand.Rand, counts map[string]int) {
	platform, err := ocisim.New(chaosSeed())
	if err != nil {
		t.Fatal(err)
	}
	client, err := oci.New(oci.Options{
		Endpoints:      []oci.Endpoint{{Address: "simulated:2208", UserID: "gateway", Password: "gateway-demo"}},
		Dial:           platform.Dial,
		MaxSessions:    chaosSessions,
		MinSessions:    1,
		CommandTimeout: 2 * time.Second,
		LoginTimeout:   time.Second,
		MaxWait:        5 * time.Second,
		MaxAge:         20 * time.Second,
		IdleTimeout:    5 * time.Second,
		ProbeInterval:  3 * time.Second,
		BackoffInitial: 50 * time.Millisecond,
		BackoffMax:     400 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	var faults, callers sync.WaitGroup
	seeds := random.Uint64()
	faults.Go(func() { misbehave(t, platform, rand.New(rand.NewPCG(seeds, 2)), over) })
	outcomes := make(chan result, chaosCallers*chaosRequests)
	assigned := &ranges{}
	for i := range chaosCallers {
		own := rand.New(rand.NewPCG(seeds, uint64(i)+3))
		callers.Go(func() {
			for j := range chaosRequests {
				time.Sleep(time.Duration(own.IntN(500)) * time.Millisecond)
				request(t, client, own, chaosStart(i*chaosRequests+j), assigned, outcomes)
			}
		})
	}
	callers.Wait()
	close(over)
	faults.Wait()
	close(outcomes)
	if err := client.Close(t.Context()); err != nil {
		t.Error(err)
	}
	_ = platform.Close() // never fails
	check(t, platform, outcomes, counts)
}

// chaosSeed is the seed of the demonstration, with a free range for every write.
func chaosSeed() ocisim.Seed {
	seed := ocisim.DemoSeed()
	seed.Platform.LockAfter = 0
	for i := range chaosCallers * chaosRequests {
		seed.Tenants[0].Ranges = append(seed.Tenants[0].Ranges, ocisim.Range{Start: chaosStart(i), End: chaosStart(i)})
	}
	return seed
}

func chaosStart(i int) string { return fmt.Sprintf("+3247%07d", i) }

// misbehave injects one fault after the other, most of them into the callers' commands,
// since a platform without sessions tests nothing.
func misbehave(t *testing.T, platform *ocisim.Platform, random *rand.Rand, over <-chan struct{}) {
	const restart = ocisim.FaultKind("restart") // is not a fault of one command or connection
	kinds := append(ocisim.FaultKinds(), ocisim.FaultHelp{Kind: restart})
	commands := []string{"*AssignListRequest", "*AssignListRequest", "*AssignListRequest", "*SummaryListRequest", verify, "*Login*"}
	for {
		select {
		case <-over:
			return
		case <-time.After(time.Duration(random.IntN(300)) * time.Millisecond):
		}
		fault := ocisim.Fault{Kind: kinds[random.IntN(len(kinds))].Kind, Times: 1}
		switch fault.Kind {
		case restart:
			platform.Restart()
			continue
		case ocisim.Refuse, ocisim.StallConnection, ocisim.ExpiredPassword:
			if random.IntN(5) > 0 {
				continue
			}
		case ocisim.HugeTable:
			fault.Rows = 50
		default:
			fault.Command = commands[random.IntN(len(commands))]
			if fault.Command == verify && slices.Contains([]ocisim.FaultKind{ocisim.ErrorBeforeApply, ocisim.ErrorAfterApply}, fault.Kind) {
				fault.Number = notLoggedIn // nothing else refuses this question
			}
		}
		if _, err := platform.Inject(fault); err != nil {
			t.Error(err)
		}
		if n := len(platform.Connections()); n > 2*chaosSessions {
			t.Errorf("%d connections", n) // those that are ending included
		}
	}
}

// request reads or writes, with a shorter or longer timeout.
func request(t *testing.T, client *oci.Client, random *rand.Rand, start string, assigned *ranges, outcomes chan<- result) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(6000))*time.Millisecond)
	defer cancel()
	if random.IntN(3) > 0 {
		before := assigned.sofar()
		replies, err := client.Read(ctx, oci.NewRead(summary, group()...))
		if err == nil && replies[0].Err() == nil { // it succeeds or fails at random
			wantAll(t, replies[0], before)
			outcomes <- result{outcome: seen}
		}
		return
	}
	tries := 0
	reply, err := client.Write(ctx, assign(start), func(string) error { tries++; return nil })
	outcome := unknown
	if oci.NotDone(err) {
		outcome = notDone
	} else if err == nil && reply.Err() == nil {
		outcome = done
		assigned.add(start)
	}
	outcomes <- result{start, outcome, err, tries}
}

// wantAll compares a reply with the ranges that it must show.
func wantAll(t *testing.T, reply oci.Reply, starts []string) {
	t.Helper()
	table, err := reply.Table("numberRangeSummaryTable")
	if err != nil {
		t.Error(err)
		return
	}
	shown := map[string]bool{}
	column := table.Column("Number Range Start")
	for row := range table.Rows() {
		shown[row.Cell(column)] = true
	}
	for _, start := range starts {
		if !shown[start] {
			t.Errorf("%s was assigned before the question and is not in the answer", start)
		}
	}
}

func check(t *testing.T, platform *ocisim.Platform, outcomes <-chan result, counts map[string]int) {
	received, applied := map[string][]ocisim.Entry{}, map[string]bool{}
	for _, entry := range platform.Writes() {
		for _, start := range entry.Numbers {
			received[start] = append(received[start], entry)
			applied[start] = applied[start] || entry.Applied
		}
	}
	for write := range outcomes {
		counts[write.outcome]++
		switch {
		case write.start != "" && !mayHaveBeenSent(received[write.start], write.tries):
			t.Errorf("%s was sent again, in %d tries: %+v", write.start, write.tries, received[write.start])
		case write.outcome == done && !applied[write.start]:
			t.Errorf("%s is reported as done and was not: %+v", write.start, received[write.start])
		case write.outcome == notDone && applied[write.start]:
			t.Errorf("%s is reported as not done (%v) and was: %+v", write.start, write.err, received[write.start])
		}
	}
}

// mayHaveBeenSent reports whether a write was rightly sent that often:
// all but the last were answered, intact, that the session was not logged in.
func mayHaveBeenSent(received []ocisim.Entry, tries int) bool {
	intact := []ocisim.FaultKind{ocisim.LoseLogin, ocisim.Slow, ocisim.Drip, ocisim.LateNewline, ocisim.HugeTable, ocisim.ApplyLate, ocisim.ForcedLogout}
	refused := 0
	for _, entry := range received {
		spoilt := slices.ContainsFunc(entry.Faults, func(k ocisim.FaultKind) bool { return !slices.Contains(intact, k) })
		if entry.Error == notLoggedIn && !entry.Applied && !spoilt {
			refused++
		}
	}
	return len(received) <= tries && len(received)-refused <= 1
}
