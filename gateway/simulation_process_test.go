package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ocigate/gateway"
	"ocigate/gateway/auth"
	"ocigate/gateway/openapi/openapitest"
	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
	"ocigate/oci"
	"ocigate/translate"
)

// The gateway processes, which are killed and replaced.

// The settings of the simulated gateway that are not the defaults.
const (
	simulatedSessions = 3
	settleTime        = 30 * time.Second
	recheckTime       = 5 * time.Minute
)

// process is one gateway process, until it is killed.
type process struct {
	sim     *simulation
	number  int
	disk    *disk
	store   *bolt.Store
	client  *oci.Client
	keeper  *operation.Keeper
	handler http.Handler

	connections atomic.Int64
	killed      chan struct{}
	mu          sync.RWMutex // guards stopped, and calls.Add after it is set
	stopped     bool
	calls       sync.WaitGroup
	lostIntent  string // the operation whose intent did not reach the audit trail
}

// probes returns how many connections a gateway may have besides its sessions. In every
// other run, the client probes endpoints without a session, one at a time.
func (s *simulation) probes() int64 { return int64(1 - s.seed%2) }

// newProcess starts a gateway on the journal of the run.
func (s *simulation) newProcess(number int) *process {
	g := &process{sim: s, number: number, killed: make(chan struct{})}
	g.store = bolt.Open(s.folder, bolt.Options{NoSync: true})
	g.disk = &disk{Store: g.store, gateway: g, dice: newDice(s.seed, 100+uint64(number))}
	if s.dice.below(2) == 0 && number < maxProcesses {
		g.disk.until = 1 + s.dice.below(60)
	}
	s.logf("gateway %d starts (it is killed at call %d of the journal, 0 for never)", number, g.disk.until)
	encoding, err := oci.EncodingByName("ISO-8859-1")
	must(s.t, err)
	dial := s.network.dialer(g)
	g.client, err = oci.New(oci.Options{
		// The release is set so that every write has a tracking id, by which its request
		// is found: after an outage at the start, the release can be unknown for a while.
		Release: 24,
		Endpoints: []oci.Endpoint{
			{Name: "node1", Address: "node1:2208", UserID: gatewayUser, Password: gatewayPassword},
			{Name: "node2", Address: "node2:2208", UserID: gatewayUser, Password: gatewayPassword},
		},
		Encoding: encoding, Dial: dial, MaxSessions: simulatedSessions, MinSessions: 1, Jitter: -1,
		LoginTimeout: 5 * time.Second, CommandTimeout: 10 * time.Second, MaxWait: 5 * time.Second,
		ProbeUnusedInterval: []time.Duration{-1, 5 * time.Second}[s.probes()],
		BackoffInitial:      300 * time.Millisecond, BackoffMax: 3 * time.Second, RefusedInitial: 300 * time.Millisecond, RefusedMax: 3 * time.Second,
	})
	must(s.t, err)
	table := translate.NewPlatformErrors(nil)
	engine := translate.New(translate.Options{Reader: g.client, PlatformErrors: table, Charset: encoding, ContextTTL: time.Minute})
	services, err := gateway.NewServices(engine, gateway.ServiceOptions{})
	must(s.t, err)
	if s.auth == nil {
		// All processes share one: verifying the secret again would take most of the time.
		verifier, err := gateway.NewVerifier(gateway.VerifyAuto, g.client, table)
		must(s.t, err)
		s.auth, err = auth.New(auth.Options{Verifier: verifier, Clients: listedClients()})
		must(s.t, err)
	}
	metrics := gateway.NewMetrics("test")
	g.keeper = operation.NewKeeper(operation.Options{
		Store: g.disk, Observe: services.Observer(), Owner: fmt.Sprint("gateway ", number),
		Settle: settleTime, Recheck: recheckTime,
		Trace: operation.Trace{
			Resolved: func(op operation.Operation) {
				s.logf("gateway %d resolves %s: %s", number, op.Caller.RequestID, op.State)
			},
			Corrected: func(op operation.Operation) {
				s.logf("gateway %d corrects %s: %s", number, op.Caller.RequestID, op.State)
			},
			Failed: func(doing string, err error) { s.logf("gateway %d: %s: %v", number, doing, err) },
		},
	})
	g.handler = openapitest.Handler(gateway.New(gateway.Options{
		Services: services, Writer: g.client, Operations: g.keeper, PlatformErrors: table,
		Auth: s.auth, Metrics: metrics, Logger: slog.New(slog.DiscardHandler),
	}))
	return g
}

func (g *process) isKilled() bool {
	select {
	case <-g.killed:
		return true
	default:
		return false
	}
}

// beginCall begins a call of the store. It reports false if the gateway is killed.
func (g *process) beginCall() bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if !g.stopped {
		g.calls.Add(1)
	}
	return !g.stopped
}

// kill ends the gateway immediately, with its connections and its access to the disk,
// and has another one started. It may be called within a call of the store.
func (g *process) kill(where string) {
	g.mu.Lock()
	if g.stopped {
		g.mu.Unlock()
		return
	}
	g.stopped = true
	close(g.killed)
	g.mu.Unlock()
	g.sim.count("killed " + strings.SplitN(where, " ", 2)[0])
	if strings.Contains(where, "intent of step") {
		g.sim.count("steps: killed between two")
	}
	g.sim.logf("gateway %d is killed %s", g.number, where)
	g.sim.network.disconnectAll("")
	g.sim.work.Go(g.replace)
}

// replace closes the gateway and starts the next one.
func (g *process) replace() {
	g.calls.Wait()
	g.sim.crash(g.store)
	if g.lostIntent != "" {
		g.sim.truncateTrail(g.lostIntent)
	}
	g.sim.work.Go(g.close)
	select {
	case <-time.After(g.sim.dice.upTo(4 * time.Second)):
	case <-g.sim.recovered:
	}
	g.sim.startProcess(g.number + 1)
}

// crash closes a store without what it does at the end of a process that is not killed: it
// leaves the database as it is.
func (s *simulation) crash(store *bolt.Store) {
	path := filepath.Join(s.folder, "operations.db")
	database, err := os.ReadFile(path)
	_ = store.Close()
	if err == nil {
		err = os.WriteFile(path, database, 0o600)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		must(s.t, err)
	}
}

// close closes what is left of a killed gateway, whose calls all fail.
func (g *process) close() {
	_ = g.client.Close(context.Background())
	g.keeper.Close(context.Background())
}

// truncateTrail removes the last line of the audit trail, or a part of it, if it is the
// intent of that operation: as if the process was killed between the writes to its two
// files.
func (s *simulation) truncateTrail(id string) {
	names, err := filepath.Glob(filepath.Join(s.folder, "audit-*.jsonl"))
	must(s.t, err)
	if len(names) == 0 {
		return
	}
	name := names[len(names)-1]
	content, err := os.ReadFile(name)
	must(s.t, err)
	start := bytes.LastIndexByte(bytes.TrimSuffix(content, []byte("\n")), '\n') + 1
	if last := content[start:]; !bytes.Contains(last, []byte(id)) || !bytes.Contains(last, []byte(`"event":"intent"`)) {
		return // another line was written after it
	}
	head, _, err := operation.HeadOf(bytes.TrimSuffix(content[start:], []byte("\n")))
	must(s.t, err)
	found, err := bolt.Inspect(s.folder)
	must(s.t, err)
	if found.Trail.Head == head {
		return // a transaction was made after it
	}
	keep := start
	if s.dice.oneIn(2) {
		keep += s.dice.below(len(content) - start)
	}
	s.count("the line of an intent is lost")
	s.logf("the last %d bytes of the audit trail never reached the disk", len(content)-keep)
	must(s.t, os.Truncate(name, int64(keep)))
}
