package oci_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"testing"

	"ocigate/oci"
	"ocigate/oci/ocisim"
)

// Writes over connections that break: a write is sent again only if no byte of it was handed to
// the socket. To add a case, set how many bytes the breaker takes.

// breaker makes connections of which one fails at its next write, once the
// breaker is armed.
type breaker struct {
	armed atomic.Bool
	takes int // bytes that the failing write accepts nevertheless; all if negative
}

type breaking struct {
	net.Conn
	breaker *breaker
}

var errBroken = errors.New("broken")

func (b *breaker) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	return breaking{conn, b}, err
}

func (c breaking) Write(b []byte) (int, error) {
	if !c.breaker.armed.CompareAndSwap(true, false) {
		return c.Conn.Write(b)
	}
	if c.breaker.takes == 0 {
		return 0, errBroken
	}
	takes := c.breaker.takes
	if takes < 0 {
		takes = len(b)
	}
	n, err := c.Conn.Write(b[:takes])
	return n, errors.Join(errBroken, err)
}

func TestAWriteIsSentAgainOnlyIfNoByteOfItWasAccepted(t *testing.T) {
	for name, test := range map[string]struct {
		takes, breaks int
		calls         int
		outcome       string
	}{
		"none, once":      {0, 1, 2, done},
		"none, twice":     {0, 2, 3, done},
		"none, each time": {0, 3, 3, notDone},
		"one byte":        {1, 1, 1, unknown},
		"some bytes":      {40, 1, 1, unknown},
		"all bytes":       {-1, 1, 1, unknown},
	} {
		for transport, start := range map[string]func(ocisim.Seed, ...ocisim.Option) *ocisim.Server{
			"in the clear": ocisim.NewServer,
			"over TLS":     ocisim.NewTLSServer,
		} {
			t.Run(name+" "+transport, func(t *testing.T) {
				seed := ocisim.DemoSeed()
				if test.takes != 0 { // a reply that arrives before the error would be accepted
					seed.Faults = []ocisim.Fault{{Kind: ocisim.Stall, Command: "*AssignListRequest"}}
				}
				platform := serve(t, start(seed))
				b := &breaker{takes: test.takes}
				c := connect(t, platform, func(o *oci.Options) {
					o.Dial = b.Dial
					if pool := platform.CertPool(); pool != nil {
						o.Endpoints[0].TLS = &tls.Config{RootCAs: pool}
					}
				})
				calls := 0
				reply, err := c.Write(t.Context(), assign("+3225126999"), func(string) error {
					calls++
					b.armed.Store(calls <= test.breaks)
					return nil
				})
				if got := outcomeOf(reply, err); got != test.outcome || calls != test.calls {
					t.Errorf("it is %s after %d calls: %v, %v", got, calls, reply.Err(), err)
				}
				if test.outcome != done && !errors.Is(err, errBroken) {
					t.Errorf("the cause is hidden: %v", err)
				}
				_, lost := errors.AsType[*oci.LostError](err)
				_, unsent := errors.AsType[*oci.UnsentError](err)
				if lost != (test.outcome == unknown) || unsent != (test.outcome == notDone) {
					t.Errorf("lost is %t, unsent %t", lost, unsent)
				}
				if n := len(platform.Writes()); test.outcome == done && n != 1 || test.outcome == notDone && n != 0 || n > 1 {
					t.Errorf("the platform received it %d times", n)
				}
			})
		}
	}
}

func outcomeOf(reply oci.Reply, err error) string {
	switch {
	case oci.NotDone(err):
		return notDone
	case err == nil && reply.Err() == nil:
		return done
	}
	return unknown
}

func TestAWriteIsSentAgainIfTheSessionIsNotLoggedIn(t *testing.T) {
	for fault, want := range map[string]struct {
		received int
		outcome  string
	}{
		"lose-login times=1": {2, done},
		"lose-login times=2": {3, done},
		"lose-login":         {3, notDone},
		"lose-login skip=1":  {1, done},
		// The platform reports that the login is lost, and then it does not.
		"error-before-apply number=9900":         {1, unknown},
		"error-after-apply number=9900":          {1, unknown},
		"error-before-apply number=1 times=1":    {1, unknown},
		"forced-logout-instead times=1 reason=x": {1, unknown},
	} {
		t.Run(fault, func(t *testing.T) {
			parsed, err := ocisim.ParseFault(fault + " command=*AssignListRequest")
			if err != nil {
				t.Fatal(err)
			}
			seed := ocisim.DemoSeed()
			seed.Faults = []ocisim.Fault{parsed}
			platform := serve(t, ocisim.NewServer(seed))
			c := connect(t, platform, nil)
			calls := 0
			reply, err := c.Write(t.Context(), assign("+3225126999"), func(string) error { calls++; return nil })
			writes := platform.Writes()
			if got := outcomeOf(reply, err); got != want.outcome || calls != want.received || len(writes) != want.received {
				t.Errorf("it is %s after %d calls: %v, %v; the platform's ledger: %+v", got, calls, reply.Err(), err, writes)
			}
			if want.outcome == notDone && !errors.Is(err, oci.ErrNotLoggedIn) {
				t.Errorf("got %v", err)
			}
			for i, entry := range writes {
				if entry.Applied && i < len(writes)-1 {
					t.Errorf("sent again, though it was done: %+v", writes)
				}
			}
		})
	}
}
