//go:build linux

package main

import (
	"errors"
	"net"
	"testing"
	"time"
)

// silence is how long nothing may arrive. Without the cut, something does at once.
const silence = 200 * time.Millisecond

// TestLinkIsCutInSilence specifies that a cut link lets neither data nor the end of a
// connection pass, and that nothing of it remains.
func TestLinkIsCutInSilence(t *testing.T) {
	l, err := newLink(t.Context())
	if _, ok := errors.AsType[*skippedError](err); ok {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.close(); err != nil {
			t.Error(err)
		}
		if _, err := net.InterfaceByName(l.near); err == nil {
			t.Error("the interface remains")
		}
	}()
	listener, err := l.listen(t.Context(), "2208")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	peer, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("before")); err != nil {
		t.Fatal(err)
	}
	if n, err := peer.Read(make([]byte, 10)); n != 6 || err != nil {
		t.Fatal(n, err)
	}
	if err := l.cut(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("after")); err != nil {
		t.Errorf("the writer learns of the cut: %v", err)
	}
	_ = peer.Close()
	_ = conn.SetReadDeadline(time.Now().Add(silence))
	if n, err := conn.Read(make([]byte, 10)); !isTimeout(err) {
		t.Errorf("reading returns %d, %v", n, err)
	}
	dialer := net.Dialer{Timeout: silence}
	if _, err := dialer.DialContext(t.Context(), "tcp", listener.Addr().String()); !isTimeout(err) {
		t.Errorf("a new connection ends with %v", err)
	}
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}
