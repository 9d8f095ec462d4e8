package ocisim_test

import (
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"ocigate/oci/ocisim"
)

func TestServer(t *testing.T) {
	t.Run("listens on TCP", func(t *testing.T) {
		s := ocisim.NewServer(ocisim.DemoSeed())
		defer func() { _ = s.Close() }() // never fails
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := newClient(t, conn).login("gateway", "gateway-demo").kind(); got != "LoginResponse14sp4" {
			t.Errorf("answered %s", got)
		}
		if s.CertPool() != nil || s.CertPEM() != nil {
			t.Error("it has a certificate")
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
			t.Errorf("answered %s", got)
		}
		if len(s.CertPEM()) == 0 {
			t.Error("it has no PEM")
		}
	})
	t.Run("is not trusted without its certificate", func(t *testing.T) {
		s := ocisim.NewTLSServer(ocisim.DemoSeed())
		defer func() { _ = s.Close() }() // never fails
		if conn, err := new(tls.Dialer).DialContext(t.Context(), "tcp", s.Addr); err == nil {
			_ = conn.Close()
			t.Error("it was trusted")
		}
	})
	t.Run("panics at a seed that is not valid", func(t *testing.T) {
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
	t.Run("ends connections, whatever they do", func(t *testing.T) {
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
				t.Errorf("open are %+v", got)
			}
		})
	})
	t.Run("can be called twice, and nothing begins after it", func(t *testing.T) {
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

// TestAnswerSurvivesTheClose sends more bytes than the platform reads: the
// answer before the close must arrive all the same.
func TestAnswerSurvivesTheClose(t *testing.T) {
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
