package gateway_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ocigate/gateway"
	"ocigate/gateway/auth"
	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
	"ocigate/oci"
	"ocigate/oci/ocisim"
	"ocigate/translate"
)

// The world in which a story of the simulation happens: the network between a
// gateway and the platform, the journal's disk, and gateways that die and are
// followed by others.

// dice are the random numbers of one part of a story. They are safe for use by
// several goroutines.
type dice struct {
	mu     sync.Mutex
	random *rand.Rand
}

func newDice(seed, part uint64) *dice { return &dice{random: rand.New(rand.NewPCG(seed, part))} }

func (d *dice) below(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.random.IntN(n)
}

// oneIn tells yes once in n times.
func (d *dice) oneIn(n int) bool { return d.below(n) == 0 }

// upTo is a duration that hardly any other happens to be, so that few things
// happen at the same instant, where the order is not ours.
func (d *dice) upTo(limit time.Duration) time.Duration {
	return time.Duration(d.below(int(limit)))
}

func pick[T any](d *dice, from []T) T { return from[d.below(len(from))] }

// errors of the world.
var (
	errDead    = errors.New("this gateway is dead")
	errNoRoute = errors.New("there is no way to the platform")
	errNoSpace = errors.New("no space left on device")
)

// maxInFlight is how long the network may take to deliver what it was handed.
// Together with what the platform takes it is less than the settle time.
const maxInFlight = 8 * time.Second

// network carries documents between gateways and the platform's nodes. What it
// was handed it delivers later, even where the sender is dead by then, or never.
type network struct {
	story    *story
	platform *ocisim.Platform
	work     sync.WaitGroup

	mu    sync.Mutex
	down  map[string]bool // nodes
	wires map[*wire]bool
	count int // of connections so far, as the platform counts them
}

// wire is one connection.
type wire struct {
	network    *network
	generation *generation // whose connection it is
	number     int
	node       string
	dice       *dice
	near, far  net.Conn // the gateway's end is held by the gateway; near is ours of that pipe, far of the platform's
	parcels    chan []byte
	gone       chan struct{} // closed where what is in flight is lost
	goneOnce   sync.Once
	persistent atomic.Bool // what is in flight arrives though the sender is gone
	ended      atomic.Bool // the sender is gone
}

var (
	bearsID = regexp.MustCompile(`<trackingId[^>]*>([^<]*)<`)
)

func (n *network) dialer(g *generation) func(context.Context, string, string) (net.Conn, error) {
	return func(_ context.Context, _, node string) (net.Conn, error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		if g.isDead() || n.down[node] {
			return nil, errNoRoute
		}
		if open := g.connections.Load(); open >= simulatedSessions+n.story.probes() {
			n.story.failf("a gateway has %d connections and makes another", open)
		}
		far, err := n.platform.Dial(context.Background(), "", "")
		if err != nil {
			return nil, err
		}
		n.count++
		ours, near := net.Pipe()
		w := &wire{
			network: n, generation: g, number: n.count, node: node, dice: newDice(n.story.seed, 1000+uint64(n.count)),
			near: near, far: far, parcels: make(chan []byte, 1000), gone: make(chan struct{}),
		}
		w.persistent.Store(w.dice.oneIn(2))
		n.wires[w] = true
		n.work.Go(w.up)
		n.work.Go(w.deliver)
		n.work.Go(w.back)
		if w.dice.oneIn(10) {
			time.AfterFunc(w.dice.upTo(20*time.Second), func() {
				if n.story.inTrouble() {
					w.cut()
				}
			})
		}
		g.connections.Add(1)
		return &closer{Conn: ours, closed: func() { g.connections.Add(-1) }}, nil
	}
}

// closer tells once that it was closed.
type closer struct {
	net.Conn
	once   sync.Once
	closed func()
}

func (c *closer) Close() error {
	c.once.Do(c.closed)
	return c.Conn.Close()
}

// up takes what the gateway writes. That is handed over when it was taken.
func (w *wire) up() {
	defer close(w.parcels)
	for {
		size := 64 << 10
		torn := w.dice.oneIn(60) && w.network.story.inTrouble()
		if torn {
			size = 1 + w.dice.below(100)
		}
		buffer := make([]byte, size)
		n, err := w.near.Read(buffer)
		if n > 0 {
			if writes := w.network.note(w, buffer[:n]); writes && w.dice.oneIn(10) && w.network.story.inTrouble() {
				torn = true
				w.ended.Store(true)
				w.persistent.Store(true) // it will arrive, and nobody will know
			}
			w.parcels <- buffer[:n]
		}
		if err != nil || torn {
			w.ended.Store(true)
			w.cut()
			return
		}
	}
}

// deliver brings it to the platform after a while.
func (w *wire) deliver() {
	defer func() {
		_ = w.far.Close()
		w.network.forget(w)
	}()
	for parcel := range w.parcels {
		delay := w.dice.upTo(20 * time.Millisecond)
		if w.ended.Load() || w.dice.oneIn(25) {
			delay = w.dice.upTo(maxInFlight)
		}
		select {
		case <-time.After(delay):
		case <-w.gone:
			continue
		}
		late := w.ended.Load()
		if n, _ := w.far.Write(parcel); n == len(parcel) {
			w.network.story.delivered(w, parcel, late)
		}
	}
}

// back brings the platform's answers.
func (w *wire) back() {
	w.passAnswers()
	_ = w.near.Close()
	_, _ = io.Copy(io.Discard, w.far) // the gateway is gone, the platform may still speak
}

// lose has all that is in flight lost.
func (w *wire) lose() {
	w.goneOnce.Do(func() { close(w.gone) })
	_ = w.far.Close()
}

// cut ends the connection for the gateway.
func (w *wire) cut() {
	_ = w.near.Close()
	if !w.persistent.Load() {
		w.lose()
	}
}

func (n *network) forget(w *wire) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.wires, w)
}

// note notes a document that was handed over, and tells whether it writes.
func (n *network) note(w *wire, document []byte) bool {
	h, ok := writeOf(document)
	if ok {
		n.story.logf("write of %s is handed to connection %d (%d bytes)", h.request, w.number, len(document))
		n.story.handedOver(w, h)
	}
	return ok
}

// cutAll ends all connections to the node, or to all of them.
func (n *network) cutAll(node string) {
	n.mu.Lock()
	wires := make([]*wire, 0, len(n.wires))
	for w := range n.wires {
		if node == "" || w.node == node {
			wires = append(wires, w)
		}
	}
	n.mu.Unlock()
	slices.SortFunc(wires, func(a, b *wire) int { return a.number - b.number })
	for _, w := range wires {
		w.cut()
	}
}

func (n *network) setDown(node string, down bool) {
	n.mu.Lock()
	n.down[node] = down
	n.mu.Unlock()
	if down {
		n.cutAll(node)
	}
}

// disk is a journal's store as a gateway sees it: it fails while the disk is
// full, before or after it did what it was told, and it is where the gateway
// dies. What a failed call did it takes back later, as the contract asks.
type disk struct {
	operation.Store
	gateway *generation
	dice    *dice

	mu      sync.Mutex
	until   int // calls until the gateway dies, 0 for never
	left    []operation.Operation
	adopted []operation.Operation
}

// fate is what becomes of one call.
type fate int

const (
	works fate = iota
	failsBefore
	failsAfter
	diesBefore
	diesBetween
	diesAfter
)

func (d *disk) fate() fate {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.gateway
	switch {
	case g.isDead():
		return failsBefore
	case d.until > 0:
		if d.until--; d.until == 0 {
			return diesBefore + fate(d.dice.below(3))
		}
	}
	if g.story.inTrouble() && (g.story.diskFull.Load() && d.dice.below(4) > 0 || d.dice.oneIn(80)) {
		g.story.count("journal failed")
		return failsBefore + fate(d.dice.below(2))
	}
	return works
}

// do makes one call. The between is what it does where the gateway dies in the
// midst of it, nil where there is no such point.
func (d *disk) do(ctx context.Context, name string, call, between func() error) error {
	if !d.gateway.enter() {
		return errDead
	}
	defer d.gateway.calls.Done()
	if err := d.pause(ctx); err != nil {
		return err
	}
	err := d.meet(name, call, between)
	return cmp.Or(d.pause(ctx), err)
}

// pause is the time that a disk takes, which may be more than anybody waits.
func (d *disk) pause(ctx context.Context) error {
	if !d.gateway.story.inTrouble() {
		return nil
	}
	limit := 20 * time.Millisecond
	switch n := d.dice.below(200); {
	case n == 0:
		limit = 15 * time.Second
	case n < 10:
		limit = 2 * time.Second
	case n < 100:
		return nil
	}
	select {
	case <-time.After(d.dice.upTo(limit)):
		return nil
	case <-ctx.Done():
		d.gateway.story.count("journal too slow")
		return ctx.Err()
	}
}

// meet makes a call meet its fate.
func (d *disk) meet(name string, call, between func() error) error {
	switch d.fate() {
	case failsBefore:
		d.gateway.story.logf("journal: %s fails before its effect", name)
		return errNoSpace
	case failsAfter:
		err := call()
		d.gateway.story.logf("journal: %s fails after its effect (%v)", name, err)
		return errNoSpace // and nothing of what the store said
	case diesBefore:
		d.gateway.die("before " + name)
		return errDead
	case diesBetween:
		where := "after "
		if between != nil {
			call, where = between, "in the midst of "
		}
		_ = call()
		d.gateway.die(where + name)
		return errDead
	case diesAfter:
		_ = call()
		d.gateway.die("after " + name)
		return errDead
	case works:
	}
	return call()
}

func (d *disk) Begin(ctx context.Context, op operation.Operation) error {
	err := d.do(ctx, "Begin", func() error { return d.Store.Begin(ctx, op) }, nil)
	d.leave(op, err)
	return err
}

func (d *disk) Abandon(ctx context.Context, op operation.Operation) error {
	err := d.do(ctx, "Abandon", func() error { return d.Store.Abandon(ctx, op) }, nil)
	d.leave(op, err)
	return err
}

// leave notes what may have to be cleared away after a failed call.
func (d *disk) leave(op operation.Operation, err error) {
	if errors.Is(err, errNoSpace) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.left = append(d.left, op)
	}
}

func (d *disk) Adopt(ctx context.Context, owner string) (ops []operation.Operation, err error) {
	err = d.do(ctx, "Adopt", func() error {
		d.mu.Lock()
		left := d.left
		d.left = nil
		d.mu.Unlock()
		for _, op := range left {
			_ = d.Store.Abandon(ctx, op)
		}
		ops, err := d.Store.Adopt(ctx, owner)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.adopted = append(d.adopted, ops...)
		return err
	}, nil)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	ops, d.adopted = d.adopted, nil
	for _, op := range ops {
		d.gateway.story.count("taken over")
		d.gateway.story.logf("gateway %d takes over %s (%s)", d.gateway.number, op.Caller.RequestID, op.State)
	}
	return ops, nil
}

func (d *disk) Record(ctx context.Context, op operation.Operation, event operation.Event) error {
	name := fmt.Sprintf("Record %s of %s", op.State, op.Caller.RequestID)
	between := func() error { return d.Store.Append(ctx, event) }
	if op.State == operation.Intent {
		between = func() error {
			if event.Kind != "" {
				d.gateway.lineLost = op.ID
			}
			d.gateway.story.noteIntent(op)
			return d.Store.Record(ctx, op, event)
		}
	}
	if op.State == operation.Intent && op.Step > 1 {
		name = fmt.Sprintf("Record %s of step %d of %s", op.State, op.Step, op.Caller.RequestID)
		d.meetStep()
	}
	err := d.do(ctx, name, func() error {
		err := d.Store.Record(ctx, op, event)
		if err == nil && op.State == operation.Intent {
			d.gateway.story.noteIntent(op)
		}
		return err
	}, between)
	if err == nil {
		d.gateway.story.logf("journal: %s, version %d", name, op.Version)
	}
	return err
}

func (d *disk) Append(ctx context.Context, event operation.Event) error {
	return d.do(ctx, "Append", func() error { return d.Store.Append(ctx, event) }, nil)
}

func (d *disk) Touched(ctx context.Context, op operation.Operation) (touched map[operation.Claim]string, err error) {
	err = d.do(ctx, "Touched", func() (err error) { touched, err = d.Store.Touched(ctx, op); return err }, nil)
	return touched, err
}

func (d *disk) Get(ctx context.Context, id string) (op operation.Operation, err error) {
	err = d.do(ctx, "Get", func() (err error) { op, err = d.Store.Get(ctx, id); return err }, nil)
	return op, err
}

func (d *disk) List(ctx context.Context, q operation.Query) (ops []operation.Operation, err error) {
	err = d.do(ctx, "List", func() (err error) { ops, err = d.Store.List(ctx, q); return err }, nil)
	return ops, err
}

func (d *disk) Prune(ctx context.Context, before time.Time) error {
	return d.do(ctx, "Prune", func() error { return d.Store.Prune(ctx, before) }, nil)
}

// Timing of the simulated gateway. What is not here is as by default.
const (
	simulatedSessions = 3
	settleTime        = 30 * time.Second
	recheckTime       = 5 * time.Minute
)

// generation is one gateway process, from its start to its death.
type generation struct {
	story   *story
	number  int
	disk    *disk
	store   *bolt.Store
	client  *oci.Client
	keeper  *operation.Keeper
	handler http.Handler

	connections atomic.Int64
	dead        chan struct{}
	life        sync.RWMutex // guards its end against new calls of the store
	ended       bool
	calls       sync.WaitGroup
	lineLost    string // the operation whose intent did not reach the audit trail
}

// probes are how many connections a gateway may have besides its sessions: every
// other story has endpoints probed that have no session, one at a time.
func (s *story) probes() int64 { return int64(1 - s.seed%2) }

// live starts a gateway on the story's journal.
func (s *story) live(number int) *generation {
	g := &generation{story: s, number: number, dead: make(chan struct{})}
	g.store = bolt.Open(s.folder, bolt.Options{NoSync: true})
	g.disk = &disk{Store: g.store, gateway: g, dice: newDice(s.seed, 100+uint64(number))}
	if s.lives.below(2) == 0 && number < maxLives {
		g.disk.until = 1 + s.lives.below(60)
	}
	s.logf("gateway %d starts (it dies at call %d of the journal, 0 for never)", number, g.disk.until)
	encoding, err := oci.EncodingByName("ISO-8859-1")
	must(s.t, err)
	dial := s.network.dialer(g)
	g.client, err = oci.New(oci.Options{
		// Set, so that every write carries the tracking id that says whose it
		// is: an outage at the start can leave the release unknown for a while.
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
		// One for all lives: proving the secret anew would take most of the time.
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
	g.handler = gateway.New(gateway.Options{
		Services: services, Writer: g.client, Operations: g.keeper, PlatformErrors: table,
		Auth: s.auth, Metrics: metrics, Logger: slog.New(slog.DiscardHandler),
	})
	return g
}

func (g *generation) isDead() bool {
	select {
	case <-g.dead:
		return true
	default:
		return false
	}
}

// enter begins a call of the store, unless the gateway is dead.
func (g *generation) enter() bool {
	g.life.RLock()
	defer g.life.RUnlock()
	if !g.ended {
		g.calls.Add(1)
	}
	return !g.ended
}

// die ends the gateway at once: its connections, and its way to the disk. It
// may be called from within a call of the store. Another one follows.
func (g *generation) die(where string) {
	g.life.Lock()
	if g.ended {
		g.life.Unlock()
		return
	}
	g.ended = true
	close(g.dead)
	g.life.Unlock()
	g.story.count("died " + strings.SplitN(where, " ", 2)[0])
	if strings.Contains(where, "intent of step") {
		g.story.count("steps: died between two")
	}
	g.story.logf("gateway %d dies %s", g.number, where)
	g.story.network.cutAll("")
	g.story.work.Go(g.follow)
}

// follow buries the gateway and starts the next.
func (g *generation) follow() {
	g.calls.Wait()
	_ = g.store.Close()
	if g.lineLost != "" {
		g.story.loseLine(g.lineLost)
	}
	g.story.work.Go(g.bury)
	select {
	case <-time.After(g.story.lives.upTo(4 * time.Second)):
	case <-g.story.well:
	}
	g.story.start(g.number + 1)
}

// bury ends what is left of a gateway. Whatever it still tries fails.
func (g *generation) bury() {
	_ = g.client.Close(context.Background())
	g.keeper.Close(context.Background())
}

// loseLine has the last line of the audit trail, an operation's intent, not
// written to its end, or not at all, as when a process dies between its two
// files.
func (s *story) loseLine(id string) {
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
		return // somebody else's was written behind it
	}
	keep := start
	if s.lives.oneIn(2) {
		keep += s.lives.below(len(content) - start)
	}
	s.logf("the last %d bytes of the audit trail never reached the disk", len(content)-keep)
	must(s.t, os.Truncate(name, int64(keep)))
}
