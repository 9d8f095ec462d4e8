package ocisim_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"ocigate/oci/ocisim"
)

// This file specifies listening, closing and restarting. A new way to end connections
// is a subtest of TestClose or TestRestart, or its own test.

func TestServer(t *testing.T) {
	t.Run("listens on TCP", func(t *testing.T) {
		s := ocisim.NewServer(ocisim.DemoSeed())
		defer func() { _ = s.Close() }() // never fails
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := newClient(t, conn).login("gateway", "gateway-demo").kind(); got != "LoginResponse14sp4" {
			t.Errorf("replied %s", got)
		}
		if s.CertPool() != nil || s.CertPEM() != nil {
			t.Error("a server without TLS has a certificate")
		}
	})
	t.Run("listens on TLS", func(t *testing.T) {
		s := ocisim.NewTLSServer(ocisim.DemoSeed())
		defer func() { _ = s.Close() }() // never fails
		dialer := &tls.Dialer{Config: &tls.Config{RootCAs: s.CertPool()}}
		conn, err := dialer.DialContext(t.Context(), "tcp", s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := newClient(t, conn).login("gateway", "gateway-demo").kind(); got != "LoginResponse14sp4" {
			t.Errorf("replied %s", got)
		}
		if len(s.CertPEM()) == 0 {
			t.Error("the server has no certificate")
		}
	})
	t.Run("is not trusted without its certificate", func(t *testing.T) {
		s := ocisim.NewTLSServer(ocisim.DemoSeed())
		defer func() { _ = s.Close() }() // never fails
		if conn, err := new(tls.Dialer).DialContext(t.Context(), "tcp", s.Addr); err == nil {
			_ = conn.Close()
			t.Error("no error")
		}
	})
	t.Run("panics if the seed is not valid", func(t *testing.T) {
		defer func() {
			if err, ok := recover().(error); !ok || !isSeedError(err) {
				t.Errorf("%v", err)
			}
		}()
		ocisim.NewServer(ocisim.Seed{Tenants: []ocisim.Tenant{{}}})
	})
}

func isSeedError(err error) bool {
	_, ok := errors.AsType[*ocisim.SeedError](err)
	return ok
}

func TestClose(t *testing.T) {
	t.Run("ends all connections: idle, stalled and waiting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPlatform(t)
			idle, stalled, slow := login(t, p, "gateway"), login(t, p, "gateway"), login(t, p, "gateway")
			version := command("SystemSoftwareVersionGetRequest", "")
			one := inject(t, p, "stall")
			stalled.send(stalled.document(version))
			synctest.Wait()
			one.Remove()
			inject(t, p, "slow delay=1000h")
			slow.send(slow.document(version))
			synctest.Wait()
			_ = p.Close()
			for _, c := range []*client{idle, stalled, slow} {
				c.mustBeClosed()
			}
			if got := p.Connections(); len(got) != 0 {
				t.Errorf("open connections: %+v", got)
			}
		})
	})
	t.Run("can be called twice, and nothing is served after it", func(t *testing.T) {
		p := newPlatform(t)
		_ = p.Close()
		_ = p.Close()
		if _, err := p.Dial(t.Context(), "", ""); !errors.Is(err, ocisim.ErrClosed) {
			t.Errorf("Dial: %v", err)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Serve(l); !errors.Is(err, ocisim.ErrClosed) {
			t.Errorf("Serve: %v", err)
		}
		near, far := net.Pipe()
		p.ServeConn(far)
		newClient(t, near).mustBeClosed()
		p.LogoutAll("Server Connection Failure")
	})
	t.Run("Serve returns the listener's error", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		if err := newPlatform(t).Serve(l); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%v", err)
		}
	})
}

func TestRestart(t *testing.T) {
	t.Run("ends every connection and keeps state, ledger and faults", func(t *testing.T) {
		p := newPlatform(t)
		fresh, loggedIn := connect(t, p), login(t, p, "gateway")
		if got := loggedIn.one(groupRange+"AssignListRequest", ids("ApioSpTest", "ApioGrpTest")+text("numberRangeStart", assigned)).number(); got != 0 {
			t.Fatalf("error %d", got)
		}
		inject(t, p, "error-before-apply command=Verify*")
		p.Restart()
		fresh.mustBeClosed()
		loggedIn.mustBeClosed()
		if got := p.Connections(); len(got) != 0 {
			t.Errorf("open connections: %+v", got)
		}
		if len(p.Writes()) != 1 || p.Ranges("ApioSpTest")[2].Group != "ApioGrpTest" {
			t.Errorf("the platform lost the write: %+v", p.Writes())
		}
		again := connect(t, p)
		if got := again.one("SystemSoftwareVersionGetRequest", "").number(); got != 9900 {
			t.Errorf("before a login: error %d", got)
		}
		again.login("gateway", "gateway-demo")
		if got := again.one("VerifySessionIsValidRequest", "").number(); got != 9999 {
			t.Errorf("after a login: error %d, want that of the fault", got)
		}
	})
	t.Run("resets connections without sending anything", func(t *testing.T) {
		for transport, start := range map[string]func(ocisim.Seed, ...ocisim.Option) *ocisim.Server{
			"in the clear": ocisim.NewServer,
			"over TLS":     ocisim.NewTLSServer,
		} {
			t.Run(transport, func(t *testing.T) {
				s := start(ocisim.DemoSeed())
				defer func() { _ = s.Close() }() // never fails
				c := newClient(t, dial(t, s))
				c.login("gateway", "gateway-demo")
				s.Restart()
				if rest, err := io.ReadAll(c.r); !errors.Is(err, syscall.ECONNRESET) || len(rest) > 0 {
					t.Errorf("read %q, %v, want a reset", rest, err)
				}
			})
		}
	})
	t.Run("leaves a closed platform closed", func(t *testing.T) {
		p := newPlatform(t)
		_ = p.Close()
		p.Restart()
		if _, err := p.Dial(t.Context(), "", ""); !errors.Is(err, ocisim.ErrClosed) {
			t.Errorf("Dial: %v", err)
		}
	})
}

// TestReplyArrivesBeforeTheClose sends more bytes than the platform reads. The reply
// before the close must arrive nevertheless.
func TestReplyArrivesBeforeTheClose(t *testing.T) {
	s := ocisim.NewServer(ocisim.DemoSeed())
	defer func() { _ = s.Close() }() // never fails
	for range 20 {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(t, conn)
		c.send(c.document(command("LogoutRequest", text("userId", "gateway"))) + strings.Repeat("\n", 100_000))
		c.read()
		c.mustBeClosed()
		_ = conn.Close()
	}
}
