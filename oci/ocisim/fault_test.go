package ocisim_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci/ocisim"
)

// This file specifies what each kind of fault does (TestFaults, one row per kind and
// parameter) and which commands a fault matches. A new kind needs a row in
// TestFaults that fails without it.

const assigned = "+3225126999"

// assignCommand is the write of the tests of faults. applied reports its effect.
func assignCommand() string {
	return command(groupRange+"AssignListRequest", ids("ApioSpTest", "ApioGrpTest")+text("numberRangeStart", assigned))
}

// applied reports whether assignCommand has changed the platform. It fails the test
// unless the ledger reports the same.
func applied(t *testing.T, p *ocisim.Platform) bool {
	t.Helper()
	done := p.Ranges("ApioSpTest")[2].Group == "ApioGrpTest"
	writes := p.Writes()
	if len(writes) != 1 || writes[0].Applied != done || len(writes[0].Faults) != 1 {
		t.Errorf("applied is %v, the ledger has %+v", done, writes)
	}
	return done
}

// TestFaults injects every kind of fault that acts on commands.
func TestFaults(t *testing.T) {
	ended := func(_ *testing.T, c *client) { c.mustBeClosed() }
	replies := func(check func(t *testing.T, root element)) func(*testing.T, *client) {
		return func(t *testing.T, c *client) { check(t, parse(t, c.read())) }
	}
	number := func(want int) func(*testing.T, *client) {
		return replies(func(t *testing.T, root element) {
			if got := root.all("command")[0].number(); got != want {
				t.Errorf("error %d, want %d", got, want)
			}
		})
	}
	success := number(0)
	after := func(want time.Duration, then func(*testing.T, *client)) func(*testing.T, *client) {
		return func(t *testing.T, c *client) {
			start := time.Now()
			then(t, c)
			if got := time.Since(start); got != want {
				t.Errorf("the reply took %v, want %v", got, want)
			}
		}
	}
	forcedLogout := func(reason string) func(*testing.T, *client) {
		return func(t *testing.T, c *client) {
			request := parse(t, c.read()).all("command")[0]
			if got := request.kind() + " " + fields(request); got != "LogoutRequest userId=gateway reason="+reason {
				t.Error(got)
			}
			c.mustBeClosed()
		}
	}
	unresponsive := func(t *testing.T, c *client) {
		_ = c.conn.SetReadDeadline(time.Now().Add(time.Hour))
		if b, err := c.r.ReadByte(); !isTimeout(err) {
			t.Errorf("received %q, %v, want nothing", b, err)
		}
	}
	cut := func(want int) func(*testing.T, *client) {
		return func(t *testing.T, c *client) {
			got, err := io.ReadAll(c.r)
			if err != nil || len(got) != want {
				t.Errorf("%d bytes, %v, want %d", len(got), err, want)
			}
		}
	}
	const replyLength = len(`<?xml version="1.0" encoding="ISO-8859-1"?>` + "\n" + wrapper + `<sessionId xmlns="">s-1</sessionId>` +
		`<command echo="" xsi:type="c:SuccessResponse" xmlns:c="C" xmlns=""/></BroadsoftDocument>`)
	for _, tt := range []struct {
		fault   string
		applied bool
		see     func(*testing.T, *client)
	}{
		{"stall", false, unresponsive},
		{"stall-after-apply", true, unresponsive},
		{"drop-before-apply", false, ended},
		{"drop-after-apply", true, ended},
		{"reset-before-apply", false, ended}, // a pipe has no reset
		{"reset-after-apply", true, ended},
		{"apply-late", true, after(time.Second, success)},
		{"apply-late delay=5s", true, after(5*time.Second, success)},
		{"half-reply", true, cut(replyLength / 2)},
		{"half-reply bytes=7", true, cut(7)},
		{"half-reply bytes=100000", true, cut(replyLength)},
		{"foreign-session", true, replies(func(t *testing.T, root element) {
			if got := root.get("sessionId"); got != "foreign-s-1" {
				t.Errorf("session id %q", got)
			}
		})},
		{"foreign-echo", true, replies(func(t *testing.T, root element) {
			if got := root.all("command")[0].attr("", "echo"); got != "foreign-" {
				t.Errorf("echo %q", got)
			}
		})},
		{"foreign-tracking", true, replies(func(t *testing.T, root element) {
			if got := root.get("trackingId"); got != "foreign-" {
				t.Errorf("tracking id %q", got)
			}
		})},
		{"garbage", true, func(t *testing.T, c *client) {
			if line, err := c.r.ReadString('\n'); err != nil || line != "HTTP/1.1 400 Bad Request\r\n" {
				t.Errorf("received %q, %v", line, err)
			}
		}},
		{"wrong-document", true, replies(func(t *testing.T, root element) {
			if root.get("sessionId") != "s-1" || len(root.all("command")) != 0 {
				t.Errorf("replied %+v", root)
			}
		})},
		{"late-newline delay=2s", true, after(2*time.Second, success)},
		{"late-newline", true, func(t *testing.T, c *client) {
			start := time.Now()
			if _, err := c.tryRead(); err != nil || time.Since(start) != 0 {
				t.Errorf("the document: %v after %v", err, time.Since(start))
			}
			if b, err := c.r.ReadByte(); err != nil || b != '\n' || time.Since(start) != 100*time.Millisecond {
				t.Errorf("the byte after it: %q, %v after %v", b, err, time.Since(start))
			}
		}},
		// The client does not wait for the delay after the last byte.
		{"drip delay=1s", true, after(time.Duration(replyLength)*time.Second, success)},
		{"slow delay=5s", true, after(5*time.Second, success)},
		{"forced-logout", true, func(t *testing.T, c *client) {
			success(t, c)
			forcedLogout("Open Client Server Forced Logout")(t, c)
		}},
		{`forced-logout-instead reason="Server Connection Failure"`, false, forcedLogout("Server Connection Failure")},
		{"lose-login", false, number(9900)},
		{"expired-password command=*AssignListRequest", false, number(9903)},
		{"huge-table", true, success},
		{"error-before-apply", false, number(9999)},
		{"error-before-apply number=4711 severity=Warning", false, number(4711)},
		{"error-after-apply number=4711 summary=Oops", true, replies(func(t *testing.T, root element) {
			if got := root.all("command")[0].get("summary"); got != "[Error 4711] Oops" {
				t.Error(got)
			}
		})},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlatform(t)
				defer func() { _ = p.Close() }() // never fails
				c := login(t, p, "gateway")
				i := inject(t, p, tt.fault)
				c.send(c.document(assignCommand()))
				tt.see(t, c)
				if got := applied(t, p); got != tt.applied {
					t.Errorf("applied is %v", got)
				}
				if got := i.Hits(); got != 1 {
					t.Errorf("%d hits", got)
				}
			})
		})
	}
}

func TestResetsAreSeenOnTCP(t *testing.T) {
	for fault, want := range map[string]error{
		"reset-before-apply": syscall.ECONNRESET,
		"reset-after-apply":  syscall.ECONNRESET,
		"drop-before-apply":  nil,
		"drop-after-apply":   nil,
	} {
		for transport, start := range map[string]func(ocisim.Seed, ...ocisim.Option) *ocisim.Server{
			"in the clear": ocisim.NewServer,
			"over TLS":     ocisim.NewTLSServer,
		} {
			t.Run(fault+" "+transport, func(t *testing.T) {
				s := start(ocisim.DemoSeed())
				defer func() { _ = s.Close() }() // never fails
				c := newClient(t, dial(t, s))
				c.login("gateway", "gateway-demo")
				inject(t, s.Platform, fault)
				c.send(c.document(assignCommand()))
				if rest, err := io.ReadAll(c.r); !errors.Is(err, want) || len(rest) > 0 {
					t.Errorf("read %q, %v, want %v", rest, err, want)
				}
			})
		}
	}
}

// dial connects to a server, with TLS if the server uses it.
func dial(t *testing.T, s *ocisim.Server) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	if pool := s.CertPool(); pool != nil {
		return tls.Client(conn, &tls.Config{RootCAs: pool, ServerName: "localhost"})
	}
	return conn
}

func TestApplyLate(t *testing.T) {
	for name, test := range map[string]struct {
		meanwhile func(t *testing.T, p *ocisim.Platform, c *client)
		applied   bool
	}{
		"carries out the command of a client that has disconnected": {func(_ *testing.T, _ *ocisim.Platform, c *client) { _ = c.conn.Close() }, true},
		"carries out the command after the login is discarded":      {func(_ *testing.T, p *ocisim.Platform, _ *client) { p.Restart() }, true},
		"does not delay other sessions": {func(t *testing.T, p *ocisim.Platform, _ *client) {
			start := time.Now()
			other := login(t, p, "gateway")
			if got := other.one("VerifySessionIsValidRequest", "").number(); got != 0 || time.Since(start) != 0 {
				t.Errorf("error %d after %v", got, time.Since(start))
			}
		}, true},
		"ends with the platform": {func(_ *testing.T, p *ocisim.Platform, _ *client) { _ = p.Close() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlatform(t)
				defer func() { _ = p.Close() }() // never fails
				c := login(t, p, "gateway")
				inject(t, p, "apply-late delay=10s command=*AssignListRequest")
				c.send(c.document(assignCommand()))
				synctest.Wait()
				start := time.Now()
				if len(p.Writes()) != 0 || p.Ranges("ApioSpTest")[2].Group != "" {
					t.Errorf("the command was carried out without delay: %+v", p.Writes())
				}
				test.meanwhile(t, p, c)
				time.Sleep(time.Until(start.Add(10 * time.Second)))
				synctest.Wait()
				if got := applied(t, p); got != test.applied {
					t.Errorf("applied is %v", got)
				}
			})
		})
	}
}

// isTimeout reports whether an error is the end of a deadline.
func isTimeout(err error) bool {
	timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && timeout.Timeout()
}

func TestFaultsOfConnections(t *testing.T) {
	t.Run("refuse closes the connection immediately, and only so many times", func(t *testing.T) {
		p := newPlatform(t)
		i := inject(t, p, "refuse skip=1 times=1")
		login(t, p, "gateway")
		connect(t, p).mustBeClosed()
		login(t, p, "gateway")
		if got := i.Hits(); got != 1 {
			t.Errorf("%d hits", got)
		}
	})
	t.Run("stall-connection never replies", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPlatform(t)
			defer func() { _ = p.Close() }() // never fails
			inject(t, p, "stall-connection")
			c := connect(t, p)
			c.send(c.document(command("AuthenticationRequest", text("userId", "gateway"))))
			_ = c.conn.SetReadDeadline(time.Now().Add(time.Hour))
			if _, err := c.r.ReadByte(); !isTimeout(err) {
				t.Errorf("read: %v, want a timeout", err)
			}
			if len(p.Ledger()) != 0 {
				t.Errorf("the ledger has %+v", p.Ledger())
			}
		})
	})
}

func TestHugeTable(t *testing.T) {
	p := newPlatform(t)
	c := login(t, p, "gateway")
	inject(t, p, "huge-table rows=5000")
	for group, last := range map[string]string{
		"ApioGrpTest":  "+3226127007|+3226127009|" + noUser + "|true|",
		"ApioGrpOther": "+3225129000|+3225129009|" + noUser + "|true|",
	} {
		rows := c.one(groupRange+"GetSummaryListRequest", ids("ApioSpTest", group)).rows("numberRangeSummaryTable")
		if len(rows) != 5000 || rows[4999] != last {
			t.Errorf("%s: %d rows, the last is %q", group, len(rows), rows[len(rows)-1])
		}
	}
	rows := c.one(tenantPrefix+"GetAvailableListRequest", text("serviceProviderId", "ApioSpNoService")).rows("availableNumberPrefixTable")
	if len(rows) != 5000 || rows[0] != "|||" {
		t.Errorf("an empty table has %d rows", len(rows))
	}
}

func TestFaultMatching(t *testing.T) {
	verify := func(c *client) int { return c.one("VerifySessionIsValidRequest", "").number() }
	version := func(c *client) int { return c.one("SystemSoftwareVersionGetRequest", "").number() }
	t.Run("counts matching commands only", func(t *testing.T) {
		p := newPlatform(t)
		c := login(t, p, "gateway")
		i := inject(t, p, "error-before-apply command=Verify* skip=1 times=2")
		got := []int{verify(c), version(c), verify(c), verify(c), verify(c)}
		if diff := cmp.Diff([]int{0, 0, 9999, 9999, 0}, got); diff != "" || i.Hits() != 2 {
			t.Errorf("%d hits %s", i.Hits(), diff)
		}
	})
	t.Run("ends with Remove", func(t *testing.T) {
		p := newPlatform(t)
		c := login(t, p, "gateway")
		i := inject(t, p, "error-before-apply")
		got := []int{verify(c)}
		i.Remove()
		got = append(got, verify(c))
		if diff := cmp.Diff([]int{9999, 0}, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("does not act on logouts unless the pattern matches them", func(t *testing.T) {
		p := newPlatform(t)
		inject(t, p, "error-before-apply")
		if got := connect(t, p).one("LogoutRequest", text("userId", "gateway")).number(); got != 0 {
			t.Errorf("error %d", got)
		}
		inject(t, p, "error-before-apply number=1 command=LogoutRequest")
		if got := connect(t, p).one("LogoutRequest", text("userId", "gateway")).number(); got != 1 {
			t.Errorf("error %d", got)
		}
	})
	t.Run("several faults act together", func(t *testing.T) {
		p := newPlatform(t)
		c := login(t, p, "gateway")
		inject(t, p, "lose-login")
		inject(t, p, "foreign-session")
		root := c.exchange(c.document(command("VerifySessionIsValidRequest", "")))
		if root.get("sessionId") != "foreign-s-1" || root.all("command")[0].number() != 9900 {
			t.Errorf("replied %+v", root)
		}
	})
	t.Run("a fault that ends the connection ends the document at its command", func(t *testing.T) {
		p := newPlatform(t)
		c := login(t, p, "gateway")
		inject(t, p, "drop-before-apply command=Verify*")
		c.send(c.document(command("SystemSoftwareVersionGetRequest", "") + command("VerifySessionIsValidRequest", "") + assignCommand()))
		c.mustBeClosed()
		var names []string
		for _, e := range p.Ledger()[2:] {
			names = append(names, e.Command)
		}
		if diff := cmp.Diff([]string{"SystemSoftwareVersionGetRequest", "VerifySessionIsValidRequest"}, names); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("expired-password acts on logins by default", func(t *testing.T) {
		p := newPlatform(t)
		inject(t, p, "expired-password")
		if got := connect(t, p).login("gateway", "gateway-demo").number(); got != 9903 {
			t.Errorf("error %d", got)
		}
	})
	t.Run("is injected by the seed", func(t *testing.T) {
		p := newPlatform(t, func(s *ocisim.Seed) { s.Faults = []ocisim.Fault{{Kind: ocisim.Refuse}} })
		connect(t, p).mustBeClosed()
	})
}

// TestInjectionsAreListed checks that the faults that act can be listed, and that their ids
// are not used again.
func TestInjectionsAreListed(t *testing.T) {
	seed := ocisim.DemoSeed()
	seed.Faults = []ocisim.Fault{{Kind: ocisim.Slow}}
	p, err := ocisim.New(seed)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }() // never fails
	listed := func(want map[int]string) {
		t.Helper()
		got := map[int]string{}
		for _, i := range p.Injections() {
			got[i.ID()] = i.Fault().String()
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	listed(map[int]string{1: "slow delay=1s"})
	second, err := p.Inject(ocisim.Fault{Kind: ocisim.Refuse})
	if err != nil {
		t.Fatal(err)
	}
	listed(map[int]string{1: "slow delay=1s", 2: "refuse"})
	second.Remove()
	if _, err := p.Inject(ocisim.Fault{Kind: ocisim.Stall, Times: 2}); err != nil {
		t.Fatal(err)
	}
	listed(map[int]string{1: "slow delay=1s", 3: "stall times=2"})
}
