package main

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"ocigate/gateway"
)

// connections are the open connections of a listener, of which there is a limit. Whoever
// opens connections without using them cannot keep others away: at the limit, a connection
// on which nothing is carried out is closed for each new one. These are, in this order,
//
//   - the one that has been open longest without a complete header of a request: also one
//     whose TLS handshake has not ended, or whose header arrives in small pieces;
//   - the one that has been idle longest between two requests, as nginx does with its
//     reusable connections;
//   - the one whose body has been arriving longest. Nothing of such a request is carried
//     out before its end.
//
// A connection whose request is being carried out is never closed. If there are no others,
// a new connection waits, and those after it wait in the queue of the operating system.
//
// A request may arrive while its connection is being closed. Whether it is carried out is
// decided with mu held: either the request comes first, and the connection stays open, or
// the request is abandoned before the handler sees it. Then its caller gets no response,
// as with any connection that is closed between two requests, and nothing was done.
type connections struct {
	listener string // for the log and the metrics
	logger   *slog.Logger
	over     <-chan struct{} // closed when no connection is served any more
	room     chan struct{}   // wakes admit when a connection may be closed or was; holds one signal

	mu     sync.Mutex // guards the fields below, and those of each connection that say so
	limit  int
	counts [connGone]int          // of the connections by state
	lists  [connActive]*list.List // of the *trackedConn by state, the first one has been there longest
	closed uint64                 // connections that were closed to make room
	noted  time.Time              // when the last line about them was logged
}

// connState is what happens on a connection.
type connState int

// The states of a connection. Those before connActive permit to close it.
const (
	connNew       connState = iota // no complete header of a request has arrived
	connIdle                       // between two requests, up to the end of the header of the next
	connReceiving                  // the body of its request is arriving
	connActive                     // its request is being carried out, or its response sent
	connGone                       // it is being closed
)

const (
	// openAfterResponse is how long a connection stays open after a response, also if there is no
	// room: the end of the response may still be on its way within net/http, and the next
	// request on its way from the caller.
	openAfterResponse = 100 * time.Millisecond
	// noteEvery is the shortest time between two lines about connections that were closed
	// to make room.
	noteEvery = time.Minute
	// roomAtOnce is how many connections are closed if the process has no descriptors
	// left for a new one.
	roomAtOnce = 8
)

func newConnections(listener string, limit int, over <-chan struct{}, logger *slog.Logger) *connections {
	a := &connections{listener: listener, logger: logger, over: over, room: make(chan struct{}, 1), limit: limit}
	for i := range a.lists {
		a.lists[i] = list.New()
	}
	return a
}

// A trackedConn is a connection with its state.
type trackedConn struct {
	net.Conn
	all  *connections
	used atomic.Bool // a request has reached the handler

	// all.mu guards the fields below.
	state connState
	since time.Time     // when it got into the state
	place *list.Element // in the list of its state; nil if there is none
}

// CloseWrite closes the side of the connection on which responses are sent. net/http does
// so before it closes a connection that still has unread data.
func (c *trackedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// setLimit sets the limit of new connections. Those that are open stay open until the next
// one arrives.
func (a *connections) setLimit(limit int) {
	a.mu.Lock()
	a.limit = limit
	a.mu.Unlock()
	a.wake()
}

// wake wakes admit.
func (a *connections) wake() {
	select {
	case a.room <- struct{}{}:
	default:
	}
}

// admit adds a new connection as soon as there is room for it. It returns nil if the
// listener is shut down before; then it has closed the connection.
func (a *connections) admit(conn net.Conn) *trackedConn {
	for {
		c, wait := a.add(conn)
		if c != nil {
			return c
		}
		timer := time.NewTimer(wait)
		select {
		case <-a.room:
		case <-timer.C:
		case <-a.over:
			timer.Stop()
			_ = conn.Close()
			return nil
		}
		timer.Stop()
	}
}

// add adds a new connection if there is room, or if there is a connection that may be
// closed. Else it returns nil, and when to try again at the latest.
func (a *connections) add(conn net.Conn) (c *trackedConn, wait time.Duration) {
	a.mu.Lock()
	now := time.Now()
	var victims []*trackedConn
	for a.openLocked() >= a.limit {
		victim, after := a.removeIdleLocked(now)
		if victim == nil {
			wait = after
			break
		}
		victims = append(victims, victim)
	}
	if wait == 0 {
		c = &trackedConn{Conn: conn, all: a, state: connGone}
		a.setLocked(c, connNew, now)
	}
	note := len(victims) > 0 && a.noteLocked(now)
	limit, closed := a.limit, a.closed
	a.mu.Unlock()
	closeAll(victims)
	if note {
		a.logger.Warn("the limit of connections is reached: idle ones are closed to make room for new ones", "listener", a.listener, "limit", limit, "closed_since_start", closed)
	}
	return c, wait
}

// noteLocked reports whether a line about closed connections is due. The caller holds a.mu.
func (a *connections) noteLocked(now time.Time) bool {
	due := now.Sub(a.noted) >= noteEvery
	if due {
		a.noted = now
	}
	return due
}

// makeRoom closes up to that many connections on which nothing is carried out, for a
// process without free descriptors. It returns how many.
func (a *connections) makeRoom(most int) int {
	var victims []*trackedConn
	a.mu.Lock()
	now := time.Now()
	for len(victims) < most {
		victim, _ := a.removeIdleLocked(now)
		if victim == nil {
			break
		}
		victims = append(victims, victim)
	}
	a.mu.Unlock()
	closeAll(victims)
	return len(victims)
}

func closeAll(conns []*trackedConn) {
	for _, c := range conns {
		_ = c.Close() // without the close_notify of TLS, which could block
	}
}

// removeIdleLocked removes the connection that is to be closed first, and returns it. If
// there is none now, it returns nil and when there may be one. The caller holds a.mu.
func (a *connections) removeIdleLocked(now time.Time) (*trackedConn, time.Duration) {
	wait := time.Minute // or until a connection gets into another state
	for state, conns := range a.lists {
		first := conns.Front()
		if first == nil {
			continue
		}
		c := first.Value.(*trackedConn) //nolint:forcetypeassert // the lists hold nothing else
		if idle := now.Sub(c.since); connState(state) == connIdle && idle < openAfterResponse {
			wait = openAfterResponse - idle
			continue
		}
		a.setLocked(c, connGone, now)
		a.closed++
		return c, 0
	}
	return nil, wait
}

// openLocked returns the number of connections. The caller holds a.mu.
func (a *connections) openLocked() (open int) {
	for _, n := range a.counts {
		open += n
	}
	return open
}

// set sets the state of a connection. It reports false if the connection is being closed.
func (c *trackedConn) set(state connState) bool {
	a := c.all
	a.mu.Lock()
	gone := c.state == connGone
	if !gone {
		a.setLocked(c, state, time.Now())
	}
	a.mu.Unlock()
	if state != connActive {
		a.wake()
	}
	return !gone
}

// isGone reports whether a connection is being closed.
func (c *trackedConn) isGone() bool {
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	return c.state == connGone
}

// setLocked sets the state of a connection, which counts as open unless it is connGone. The
// caller holds a.mu.
func (a *connections) setLocked(c *trackedConn, state connState, now time.Time) {
	if c.state == state {
		return
	}
	if c.place != nil {
		a.lists[c.state].Remove(c.place)
		c.place = nil
	}
	if c.state != connGone {
		a.counts[c.state]--
	}
	c.state, c.since = state, now
	if state < connActive {
		c.place = a.lists[state].PushBack(c)
	}
	if state != connGone {
		a.counts[state]++
	}
}

// stats returns the connections, for the metrics.
func (a *connections) stats() gateway.Connections {
	a.mu.Lock()
	defer a.mu.Unlock()
	return gateway.Connections{
		Listener: a.listener, Max: a.limit, ClosedForRoom: a.closed,
		New: a.counts[connNew], Idle: a.counts[connIdle], Receiving: a.counts[connReceiving], Active: a.counts[connActive],
	}
}

// follow sets the state of a connection from that of net/http. There a connection is active
// from the end of the header of a request, and idle after the end of the response. With
// HTTP/2 it is idle also before the first request.
func follow(conn net.Conn, state http.ConnState) {
	c, ok := withoutTLS(conn).(*trackedConn)
	if !ok {
		return
	}
	switch state {
	case http.StateActive:
		c.set(connActive)
	case http.StateIdle:
		if c.used.Load() {
			c.set(connIdle)
		} else {
			c.set(connNew)
		}
	case http.StateHijacked, http.StateClosed:
		c.set(connGone)
	case http.StateNew: // it was admitted as such
	}
}

// trackedKey is the key of a request's connection in its context.
type trackedKey struct{}

// withTracked is the ConnContext of a server.
func withTracked(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, trackedKey{}, withoutTLS(conn))
}

// withoutTLS returns the connection below TLS, if there is TLS.
func withoutTLS(conn net.Conn) net.Conn {
	if secured, ok := conn.(*tls.Conn); ok {
		return secured.NetConn()
	}
	return conn
}

// onTracked returns a handler whose requests are not carried out if their connection is
// being closed to make room.
func onTracked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := r.Context().Value(trackedKey{}).(*trackedConn)
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		c.used.Store(true)
		if r.ProtoMajor != 1 {
			// The state follows that of net/http alone, for all requests of the connection. A
			// request that was reset may get here after its end, which must not make the
			// connection active for as long as it is open.
			if c.isGone() {
				panic(http.ErrAbortHandler)
			}
			next.ServeHTTP(w, r)
			return
		}
		if !c.set(connActive) {
			panic(http.ErrAbortHandler)
		}
		if r.ContentLength == 0 {
			next.ServeHTTP(w, r)
			return
		}
		body := &arrivingBody{ReadCloser: r.Body, conn: c}
		watched := r.WithContext(r.Context()) // net/http checks the Body of its own request
		watched.Body = body
		next.ServeHTTP(w, watched)
		if !body.arrived {
			c.set(connReceiving) // net/http reads the rest; nothing is carried out any more
		}
	})
}

// arrivingBody is a request body that permits to close its connection until it has arrived.
type arrivingBody struct {
	io.ReadCloser
	conn    *trackedConn
	arrived bool
}

// Read implements io.Reader. Its error is not io.EOF if the connection is being closed, so
// that the request is not carried out.
func (b *arrivingBody) Read(p []byte) (int, error) {
	if b.arrived {
		return b.ReadCloser.Read(p)
	}
	b.conn.set(connReceiving)
	n, err := b.ReadCloser.Read(p)
	if err == nil {
		return n, nil
	}
	b.arrived = true
	if !b.conn.set(connActive) {
		return n, fmt.Errorf("the connection is closed to make room for others: %w", net.ErrClosed)
	}
	return n, err
}
