package gateway_test

import (
	"context"
	"io"
	"net"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ocigate/oci/ocisim"
)

// The network between gateways and the platform.

// maxInFlight is how long the network may take to deliver a document. Together with the
// time that the platform takes, it is less than the settle time.
const maxInFlight = 8 * time.Second

// network carries documents between gateways and the platform's endpoints. It delivers a
// document after a delay, also if the sender is killed by then, or loses it.
type network struct {
	sim      *simulation
	platform *ocisim.Platform
	work     sync.WaitGroup

	mu    sync.Mutex      // guards what follows
	down  map[string]bool // endpoints
	links map[*link]bool
	count int // of connections so far, the same as in the platform's ledger
}

// link is one connection between a gateway and an endpoint of the platform.
type link struct {
	network                 *network
	process                 *process // whose connection it is
	number                  int
	endpoint                string
	dice                    *dice
	gatewayEnd, platformEnd net.Conn // the network's ends of the two pipes: to the gateway and to the platform
	chunks                  chan []byte
	lost                    chan struct{} // closed if what is in flight is lost
	lostOnce                sync.Once
	delivers                atomic.Bool // what is in flight arrives also after the sender has disconnected
	closed                  atomic.Bool // the sender has disconnected
}

var (
	trackingElement = regexp.MustCompile(`<trackingId[^>]*>([^<]*)<`)
)

func (n *network) dialer(g *process) func(context.Context, string, string) (net.Conn, error) {
	return func(_ context.Context, _, endpoint string) (net.Conn, error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		if g.isKilled() || n.down[endpoint] {
			return nil, errNoRoute
		}
		// One more makes no session: it is a probe, or finds out whether an endpoint can be reached or answers.
		if open := g.connections.Load(); open > simulatedSessions {
			n.sim.failf("a gateway has %d connections and makes another", open)
		}
		platformEnd, err := n.platform.Dial(context.Background(), "", "")
		if err != nil {
			return nil, err
		}
		n.count++
		ours, gatewayEnd := net.Pipe()
		w := &link{
			network: n, process: g, number: n.count, endpoint: endpoint, dice: newDice(n.sim.seed, 1000+uint64(n.count)),
			gatewayEnd: gatewayEnd, platformEnd: platformEnd, chunks: make(chan []byte, 1000), lost: make(chan struct{}),
		}
		w.delivers.Store(w.dice.oneIn(2))
		n.links[w] = true
		n.work.Go(w.fromGateway)
		n.work.Go(w.deliver)
		n.work.Go(w.fromPlatform)
		if w.dice.oneIn(10) {
			time.AfterFunc(w.dice.upTo(20*time.Second), func() {
				if n.sim.faultsAllowed() {
					w.disconnect()
				}
			})
		}
		g.connections.Add(1)
		return &closer{Conn: ours, closed: func() { g.connections.Add(-1) }}, nil
	}
}

// closer is a connection that calls closed when it is first closed.
type closer struct {
	net.Conn
	once   sync.Once
	closed func()
}

func (c *closer) Close() error {
	c.once.Do(c.closed)
	return c.Conn.Close()
}

// fromGateway reads what the gateway writes, and queues it for delivery.
func (w *link) fromGateway() {
	defer close(w.chunks)
	for {
		size := 64 << 10
		torn := w.dice.oneIn(60) && w.network.sim.faultsAllowed()
		if torn {
			size = 1 + w.dice.below(100)
		}
		buffer := make([]byte, size)
		n, err := w.gatewayEnd.Read(buffer)
		if n > 0 {
			if writes := w.network.note(w, buffer[:n]); writes && w.dice.oneIn(10) && w.network.sim.faultsAllowed() {
				torn = true
				w.closed.Store(true)
				w.delivers.Store(true) // it will arrive, and the gateway cannot know
			}
			w.chunks <- buffer[:n]
		}
		if err != nil || torn {
			w.closed.Store(true)
			w.disconnect()
			return
		}
	}
}

// deliver writes what is queued to the platform, after a delay.
func (w *link) deliver() {
	defer func() {
		_ = w.platformEnd.Close()
		w.network.remove(w)
	}()
	for parcel := range w.chunks {
		delay := w.dice.upTo(20 * time.Millisecond)
		if w.closed.Load() || w.dice.oneIn(25) {
			delay = w.dice.upTo(maxInFlight)
		}
		select {
		case <-time.After(delay):
		case <-w.lost:
			continue
		}
		late := w.closed.Load()
		if n, _ := w.platformEnd.Write(parcel); n == len(parcel) {
			w.network.sim.delivered(w, parcel, late)
		}
	}
}

// fromPlatform passes the platform's replies to the gateway.
func (w *link) fromPlatform() {
	w.passReplies()
	_ = w.gatewayEnd.Close()
	_, _ = io.Copy(io.Discard, w.platformEnd) // the gateway has disconnected, but the platform may still write
}

// drop loses all that is in flight.
func (w *link) drop() {
	w.lostOnce.Do(func() { close(w.lost) })
	_ = w.platformEnd.Close()
}

// disconnect ends the connection for the gateway.
func (w *link) disconnect() {
	_ = w.gatewayEnd.Close()
	if !w.delivers.Load() {
		w.drop()
	}
}

func (n *network) remove(w *link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.links, w)
}

// note notes a document that the gateway has sent, and reports whether it is a write.
func (n *network) note(w *link, document []byte) bool {
	h, ok := writeOf(document)
	if ok {
		n.sim.logf("write of %s is sent over connection %d (%d bytes)", h.request, w.number, len(document))
		n.sim.noteSent(w, h)
	}
	return ok
}

// disconnectAll ends all connections to the endpoint; "" means all endpoints.
func (n *network) disconnectAll(endpoint string) {
	n.mu.Lock()
	links := make([]*link, 0, len(n.links))
	for w := range n.links {
		if endpoint == "" || w.endpoint == endpoint {
			links = append(links, w)
		}
	}
	n.mu.Unlock()
	slices.SortFunc(links, func(a, b *link) int { return a.number - b.number })
	for _, w := range links {
		w.disconnect()
	}
}

func (n *network) setDown(endpoint string, down bool) {
	n.mu.Lock()
	n.down[endpoint] = down
	n.mu.Unlock()
	if down {
		n.disconnectAll(endpoint)
	}
}
