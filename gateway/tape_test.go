package gateway_test

import (
	"bytes"
	"context"
	"net"
	"regexp"
	"strconv"
	"sync"
	"testing"

	"ocigate/oci"
)

// A recorder of the documents between the gateway and the platform.

// tape records what passes between a gateway with one session and the platform.
type tape struct {
	mu             sync.Mutex
	sent, received bytes.Buffer
}

// over records the connections that a client makes.
func (r *tape) over(o *oci.Options) {
	dial := o.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &tapedConn{conn, r}, nil
	}
}

type tapedConn struct {
	net.Conn
	tape *tape
}

func (c *tapedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.tape.mu.Lock()
	defer c.tape.mu.Unlock()
	c.tape.received.Write(b[:n])
	return n, err
}

func (c *tapedConn) Write(b []byte) (int, error) {
	c.tape.mu.Lock()
	c.tape.sent.Write(b)
	c.tape.mu.Unlock()
	return c.Conn.Write(b)
}

// documents returns those that went out and came in, one a line, in their order.
// Those of logging in and out are left out, and what differs from one run to
// the next has a placeholder: a file of them can be compared. A reply has the
// echo of its command.
func (r *tape) documents() (commands, replies []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	numbers := map[string]int{}
	return oneALine(r.sent.Bytes(), numbers), oneALine(r.received.Bytes(), numbers)
}

var (
	document    = regexp.MustCompile(`(?s)<\?xml.*?</BroadsoftDocument>`)
	ofLogin     = regexp.MustCompile(`xsi:type="[^"]*(Authentication|Login|Logout|SystemSoftwareVersionGet)(Request|Response)`)
	sessionID   = regexp.MustCompile(`(<sessionId[^>]*>)[^<]*`)
	trackingID  = regexp.MustCompile(`(<trackingId[^>]*>)[^<]*`)
	echo        = regexp.MustCompile(`echo="[0-9]+"`)
	handshake   = regexp.MustCompile(`<(?:nonce|signedPassword)>([^<]+)<`)
	betweenTags = regexp.MustCompile(`>\s*\n\s*<`)
)

// secrets returns the nonces and signed passwords of the logins. Over TLS nothing
// can be read.
func (r *tape) secrets(t testing.TB, overTLS bool) []string {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []string
	for _, stream := range [][]byte{r.sent.Bytes(), r.received.Bytes()} {
		for _, m := range handshake.FindAllSubmatch(stream, -1) {
			found = append(found, string(m[1]))
		}
	}
	if len(found) == 0 && !overTLS {
		t.Fatal("no login was recorded")
	}
	return found
}

// oneALine gives the echoes, which are a session's own, the numbers that they
// have already, or new ones.
func oneALine(stream []byte, numbers map[string]int) []byte {
	var lines bytes.Buffer
	for _, one := range document.FindAll(stream, -1) {
		if ofLogin.Match(one) {
			continue
		}
		session := string(sessionID.Find(one))
		one = sessionID.ReplaceAll(one, []byte("${1}SESSION"))
		one = trackingID.ReplaceAll(one, []byte("${1}TRACKING"))
		one = echo.ReplaceAllFunc(one, func(value []byte) []byte {
			key := session + string(value)
			if _, known := numbers[key]; !known {
				numbers[key] = len(numbers) + 1
			}
			return []byte(`echo="` + strconv.Itoa(numbers[key]) + `"`)
		})
		lines.Write(betweenTags.ReplaceAll(one, []byte("><")))
		lines.WriteByte('\n')
	}
	return lines.Bytes()
}
