package gateway_test

import (
	"bytes"
	"context"
	"net"
	"regexp"
	"strconv"
	"sync"
	"testing"
)

// tape records what passes between a gateway with one session and the platform.
type tape struct {
	mu             sync.Mutex
	sent, received bytes.Buffer
}

// dial records the connections that it makes.
func (r *tape) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &tapedConn{conn, r}, nil
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

// documents are those that went out and came in, one a line, in their order.
// Those of logging in and out are left out, and what differs from one run to
// the next has a placeholder: a file of them can be compared.
func (r *tape) documents() (commands, replies []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return oneALine(r.sent.Bytes()), oneALine(r.received.Bytes())
}

var (
	document    = regexp.MustCompile(`(?s)<\?xml.*?</BroadsoftDocument>`)
	ofLogin     = regexp.MustCompile(`xsi:type="[^"]*(Authentication|Login|Logout)(Request|Response)`)
	sessionID   = regexp.MustCompile(`(<sessionId[^>]*>)[^<]*`)
	trackingID  = regexp.MustCompile(`(<trackingId[^>]*>)[^<]*`)
	echo        = regexp.MustCompile(`echo="[0-9]+"`)
	handshake   = regexp.MustCompile(`<(?:nonce|signedPassword)>([^<]+)<`)
	betweenTags = regexp.MustCompile(`>\s*\n\s*<`)
)

// secrets are the nonces and signed passwords of the logins. Over TLS nothing
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

func oneALine(stream []byte) []byte {
	var lines bytes.Buffer
	echoes := 0
	for _, one := range document.FindAll(stream, -1) {
		if ofLogin.Match(one) {
			continue
		}
		one = sessionID.ReplaceAll(one, []byte("${1}SESSION"))
		one = trackingID.ReplaceAll(one, []byte("${1}TRACKING"))
		one = echo.ReplaceAllFunc(one, func([]byte) []byte {
			echoes++
			return []byte(`echo="` + strconv.Itoa(echoes) + `"`)
		})
		lines.Write(betweenTags.ReplaceAll(one, []byte("><")))
		lines.WriteByte('\n')
	}
	return lines.Bytes()
}
