//go:build linux

package main

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// proxy forwards TCP connections to an address, and harms them. All its methods can be called
// at any time.
type proxy struct {
	target  string
	address string // of its listener; the same after revive
	running sync.WaitGroup

	mu       sync.Mutex // guards the fields below
	listener net.Listener
	open     chan struct{} // closed while bytes are forwarded
	frozen   bool
	delay    time.Duration  // of what the target sends
	pairs    map[*pair]bool // the connections
	closed   bool
}

// pair is a connection from a client and the one to the target.
type pair struct {
	ended chan struct{} // closed by end

	mu    sync.Mutex // guards conns, and the closing of ended
	conns []net.Conn
}

// add adds a connection. It closes it and reports false if the pair has ended.
func (p *pair) add(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.ended:
		_ = c.Close() // nothing was sent
		return false
	default:
		p.conns = append(p.conns, c)
		return true
	}
}

// end closes both connections: with FIN, or with RST if reset is set.
func (p *pair) end(reset bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.ended:
		return
	default:
	}
	close(p.ended)
	for _, c := range p.conns {
		if tcp, ok := c.(*net.TCPConn); ok && reset {
			_ = tcp.SetLinger(0) // then its close sends RST
		}
		_ = c.Close()
	}
}

// newProxy listens on a free port on loopback.
func newProxy(ctx context.Context, target string) (*proxy, error) {
	p := &proxy{target: target, address: "127.0.0.1:0", open: make(chan struct{}), pairs: map[*pair]bool{}}
	close(p.open)
	return p, p.revive(ctx)
}

// revive listens again after die.
func (p *proxy) revive(ctx context.Context) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", p.address)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listener, p.address = l, l.Addr().String()
	p.running.Go(func() { p.accept(l) })
	return nil
}

func (p *proxy) accept(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return // closed by die or close
		}
		one := &pair{ended: make(chan struct{}), conns: []net.Conn{client}}
		p.mu.Lock()
		p.pairs[one] = true
		closed := p.closed
		p.mu.Unlock()
		if closed {
			one.end(false)
		}
		p.running.Go(func() { p.serve(one, client) })
	}
}

// serve connects to the target, once the proxy is not frozen, and forwards until one side
// ends.
func (p *proxy) serve(one *pair, client net.Conn) {
	defer func() {
		one.end(false)
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.pairs, one)
	}()
	if !p.pass(one, 0) {
		return
	}
	target, err := net.DialTimeout("tcp", p.target, patience) //nolint:noctx // it ends in time
	if err != nil || !one.add(target) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.forward(one, target, client, false) })
	both.Go(func() { p.forward(one, client, target, true) })
	both.Wait()
}

// forward copies in one direction. Only what the target sends is delayed.
func (p *proxy) forward(one *pair, to io.Writer, from io.Reader, delayed bool) {
	defer one.end(false)
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		wait := time.Duration(0)
		if delayed {
			p.mu.Lock()
			wait = p.delay
			p.mu.Unlock()
		}
		if !p.pass(one, wait) {
			return
		}
		if _, failed := to.Write(buffer[:n]); err != nil || failed != nil {
			return
		}
	}
}

// pass waits for the delay, and while the proxy is frozen. It reports whether the pair still
// exists.
func (p *proxy) pass(one *pair, delay time.Duration) bool {
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-one.ended:
			return false
		}
	}
	p.mu.Lock()
	open := p.open
	p.mu.Unlock()
	select {
	case <-open:
		return true
	case <-one.ended:
		return false
	}
}

// freeze stops to forward anything, also the end of a connection. New connections are accepted
// and get no answer. thaw ends it.
func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.frozen {
		p.frozen, p.open = true, make(chan struct{})
	}
}

func (p *proxy) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.frozen {
		p.frozen = false
		close(p.open)
	}
}

// setDelay delays whatever the target sends from now on.
func (p *proxy) setDelay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// cut ends all connections, with FIN, or with RST if reset is set. New ones are accepted.
func (p *proxy) cut(reset bool) {
	p.mu.Lock()
	all := make([]*pair, 0, len(p.pairs))
	for one := range p.pairs {
		all = append(all, one)
	}
	p.mu.Unlock()
	for _, one := range all {
		one.end(reset)
	}
}

// die resets all connections and refuses new ones, like a machine whose process has crashed.
func (p *proxy) die() error {
	p.mu.Lock()
	err := p.listener.Close()
	p.mu.Unlock()
	p.cut(true)
	return err
}

// connections returns how many connections there are.
func (p *proxy) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pairs)
}

// close ends everything and waits for the end.
func (p *proxy) close() error {
	p.mu.Lock()
	p.closed = true
	err := p.listener.Close()
	p.mu.Unlock()
	p.cut(false)
	p.running.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil // after die
	}
	return err
}
