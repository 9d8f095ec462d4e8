//go:build linux

package main

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// echoing returns a proxy in front of a server that sends back what it gets.
func echoing(t *testing.T) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	p, err := newProxy(t.Context(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// dial connects to the proxy and exchanges a byte.
func dial(t *testing.T, p *proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	exchange(t, c)
	return c
}

func exchange(t *testing.T, c net.Conn) {
	t.Helper()
	got := make([]byte, 1)
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, got); err != nil || got[0] != 'x' {
		t.Fatalf("got %q, %v", got, err)
	}
}

func TestProxyEndsConnections(t *testing.T) {
	for name, c := range map[string]struct {
		reset bool
		want  error
	}{"with FIN": {false, io.EOF}, "with RST": {true, syscall.ECONNRESET}} {
		t.Run(name, func(t *testing.T) {
			p := echoing(t)
			client := dial(t, p)
			p.cut(c.reset)
			if _, err := client.Read(make([]byte, 1)); !errors.Is(err, c.want) {
				t.Errorf("reading ended with %v, want %v", err, c.want)
			}
			dial(t, p) // new connections are served
		})
	}
}

func TestProxyDiesAndReturns(t *testing.T) {
	p := echoing(t)
	client := dial(t, p)
	if err := p.die(); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reading ended with %v", err)
	}
	if _, err := net.Dial("tcp", p.address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connecting ended with %v", err)
	}
	if err := p.revive(t.Context()); err != nil {
		t.Fatal(err)
	}
	dial(t, p)
}

func TestProxyForwardsAfterFreeze(t *testing.T) {
	p := echoing(t)
	old := dial(t, p)
	p.freeze()
	if _, err := old.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	accepted, err := net.Dial("tcp", p.address) // and hangs
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = accepted.Close() })
	p.thaw()
	if _, err := io.ReadFull(old, make([]byte, 1)); err != nil {
		t.Error(err)
	}
	exchange(t, accepted)
}

func TestProxyHoldsBack(t *testing.T) {
	for name, c := range map[string]struct {
		freeze, delay, want time.Duration
	}{
		"nothing":          {0, 0, 0},
		"while frozen":     {time.Hour, 0, time.Hour},
		"for the delay":    {0, time.Minute, time.Minute},
		"for both at once": {time.Hour, time.Minute, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &proxy{open: make(chan struct{})}
				close(p.open)
				if c.freeze > 0 {
					p.freeze()
					time.AfterFunc(c.freeze, p.thaw)
				}
				began := time.Now()
				if !p.pass(&pair{ended: make(chan struct{})}, c.delay) {
					t.Error("the pair has ended")
				}
				if took := time.Since(began); took != c.want {
					t.Errorf("it took %s, want %s", took, c.want)
				}
			})
		})
	}
	t.Run("until the end", func(t *testing.T) {
		p := &proxy{open: make(chan struct{})}
		one := &pair{ended: make(chan struct{})}
		one.end(false)
		if p.pass(one, 0) || p.pass(one, time.Hour) {
			t.Error("a pair that has ended may pass")
		}
	})
}
