package oci

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
)

// The scripted platform of the tests of this package: it answers what a test gives it,
// over pipes, so that tests run in the fake time of testing/synctest. Package ocisim is
// the complete simulation, which platform_test.go uses.
//
// To write a test, call run with a platform. Set its answer to a function that replies to
// requests, or use wellAnswered; faults has answers that end the connection.

// ignoreDialect leaves out what the tests of the dialect and of the health of
// endpoints are about.
var ignoreDialect = cmpopts.IgnoreFields(EndpointStats{}, "Attempts", "Dialect", "Up", "Since", "NextTry", "LastTried", "LastError")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// platform is a scripted peer: it answers what a test gives it, over pipes,
// in the time of a synctest bubble. The complete simulation is package ocisim.
type platform struct {
	// answer handles one request; nil means wellAnswered.
	answer func(p *platform, c *link, r asked)
	// dial may fail or be slow.
	dial func(ctx context.Context, address string) error

	mu       sync.Mutex
	received []string // command names, without those of logging in and out
	dialed   []string
	logins   int
	logouts  int
	open     int
	serving  sync.WaitGroup
}

// asked is a request as the peer reads it.
type asked struct {
	session, tracking string
	commands          []string
	echoes            []string
}

// link is the peer's end of a connection.
type link struct{ net.Conn }

var (
	sessionPattern  = regexp.MustCompile(`<sessionId xmlns="">([^<]*)</sessionId>`)
	trackingPattern = regexp.MustCompile(`<trackingId xmlns="">([^<]*)</trackingId>`)
	commandPattern  = regexp.MustCompile(`<command xsi:type="([^"]*)" xmlns=""(?: echo="([^"]*)")?`)
)

func (p *platform) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	p.mu.Lock()
	p.dialed = append(p.dialed, address)
	p.mu.Unlock()
	if p.dial != nil {
		if err := p.dial(ctx, address); err != nil {
			return nil, err
		}
	}
	ours, theirs := net.Pipe()
	p.mu.Lock()
	p.open++
	p.mu.Unlock()
	p.serving.Go(func() { p.serve(&link{theirs}) })
	return ours, nil
}

func (p *platform) serve(c *link) {
	defer func() {
		_ = c.Close()
		p.mu.Lock()
		p.open--
		p.mu.Unlock()
	}()
	var buffer []byte
	chunk := make([]byte, 4096)
	for {
		n, err := c.Read(chunk)
		if err != nil {
			return
		}
		buffer = append(buffer, chunk[:n]...)
		document, rest, complete := bytes.Cut(buffer, []byte("</BroadsoftDocument>"))
		if !complete {
			continue
		}
		buffer = bytes.Clone(rest)
		p.handle(c, read(document))
	}
}

func read(document []byte) asked {
	first := func(pattern *regexp.Regexp) string {
		if m := pattern.FindSubmatch(document); m != nil {
			return string(m[1])
		}
		return ""
	}
	r := asked{session: first(sessionPattern), tracking: first(trackingPattern)}
	for _, m := range commandPattern.FindAllSubmatch(document, -1) {
		r.commands = append(r.commands, string(m[1]))
		r.echoes = append(r.echoes, string(m[2]))
	}
	return r
}

func (p *platform) handle(c *link, r asked) {
	p.mu.Lock()
	switch r.commands[0] {
	case "AuthenticationRequest":
	case "LoginRequest14sp4", "LoginRequest22V5", "LoginRequest22V2":
		p.logins++
	case "LogoutRequest":
		p.logouts++
	default:
		p.received = append(p.received, r.commands...)
	}
	answer := p.answer
	p.mu.Unlock()
	if answer == nil {
		answer = wellAnswered
	}
	answer(p, c, r)
}

// wellAnswered answers like a platform without faults.
func wellAnswered(_ *platform, c *link, r asked) {
	switch r.commands[0] {
	case "AuthenticationRequest":
		c.reply(r, `AuthenticationResponse`, `<userId>gate</userId><nonce>1493661742798</nonce><passwordAlgorithm>MD5</passwordAlgorithm>`)
	case "LoginRequest14sp4":
		c.reply(r, `LoginResponse14sp4`, `<loginType>System</loginType><locale>en_US</locale><encoding>ISO-8859-1</encoding><isEnterprise>false</isEnterprise>`)
	case "LogoutRequest":
	default:
		c.reply(r, "c:SuccessResponse", "")
	}
}

// reply answers every command of the request in the same way.
func (c *link) reply(r asked, name, children string) {
	var b strings.Builder
	for _, echo := range r.echoes {
		fmt.Fprintf(&b, `<command type="Error" echo=%q xsi:type=%q xmlns:c="C" xmlns="">%s</command>`, echo, name, children)
	}
	c.write(r.session, r.tracking, b.String())
}

func (c *link) refuse(r asked, number int) {
	c.reply(r, "c:ErrorResponse", fmt.Sprintf("<summary>[Error %d] no</summary><summaryEnglish/>", number))
}

func (c *link) write(session, tracking, commands string) {
	if tracking != "" {
		tracking = `<trackingId xmlns="">` + tracking + `</trackingId>`
	}
	// The other side may have closed the connection. That is no error here.
	_, _ = fmt.Fprintf(c, `<?xml version="1.0" encoding="ISO-8859-1"?>`+"\n"+
		`<BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">`+
		`<sessionId xmlns="">%s</sessionId>%s%s</BroadsoftDocument>`+"\n", session, tracking, commands)
}

func (p *platform) counts() (logins, logouts, open int, received []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.logins, p.logouts, p.open, append([]string(nil), p.received...)
}

// run runs a test in a synctest bubble, with a client that is closed at the end.
func run(t *testing.T, p *platform, change func(*Options), test func(t *testing.T, c *Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		options := Options{
			Release:   24, // not detected, so that every command is one of the test
			Endpoints: []Endpoint{{Name: "primary", Address: "primary:2208", UserID: "gate", Password: "secret"}},
			Dial:      p.Dial,
			Jitter:    -1,

			ProbeUnusedInterval: -1, // so that every connection is one of the test
		}
		if change != nil {
			change(&options)
		}
		c, err := New(options)
		if err != nil {
			t.Fatal(err)
		}
		test(t, c)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
		if left := c.reads.latest; len(left) != 0 {
			t.Errorf("%d reads are left behind", len(left))
		}
		p.serving.Wait()
		time.Sleep(time.Minute) // the sites of a farm end their last answers
	})
}

var (
	question = NewRead("SystemGetRequest")
	change   = NewWrite("SystemModifyRequest")
)

// questionOf returns a question about one of many things. Questions about different
// things are not joined.
func questionOf(i int) Read {
	return NewRead(question.Name(), Text("systemId", strconv.Itoa(i)))
}

// logout is a forced logout by the platform.
func (c *link) logout() {
	c.write("any", "", `<command xsi:type="LogoutRequest" xmlns=""><userId>gate</userId><reason>Server Connection Failure</reason></command>`)
}

// faults holds ways in which the reply to the command under test can fail.
var faults = map[string]func(p *platform, c *link, r asked){
	"a closed connection": func(_ *platform, c *link, _ asked) { _ = c.Close() },
	"half an answer": func(_ *platform, c *link, _ asked) {
		_, _ = c.Write([]byte(`<?xml version="1.0"?><BroadsoftDocument protocol="OCI"`))
		_ = c.Close()
	},
	"a foreign session id": func(p *platform, c *link, r asked) { r.session = "other"; wellAnswered(p, c, r) },
	"a foreign echo":       func(p *platform, c *link, r asked) { r.echoes[0] = "0"; wellAnswered(p, c, r) },
	"a foreign tracking id": func(p *platform, c *link, r asked) {
		r.tracking = "other"
		wellAnswered(p, c, r)
	},
	"garbage":         func(_ *platform, c *link, _ asked) { _, _ = c.Write([]byte("?!")) },
	"a forced logout": func(_ *platform, c *link, _ asked) { c.logout() },
}

type recorder struct {
	net.Conn
	to *bytes.Buffer
}

func (r *recorder) Write(b []byte) (int, error) { return r.to.Write(b) }

// tapped records what is written to the platform.
type tapped struct {
	net.Conn
	mu   sync.Mutex
	sent bytes.Buffer
}

func (c *tapped) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.sent.Write(b)
	c.mu.Unlock()
	return c.Conn.Write(b)
}

func (c *tapped) written() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent.Len()
}

func tap(o *Options) *tapped {
	t := &tapped{}
	dial := o.Dial
	o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		t.Conn = conn
		return t, err
	}
	return t
}

// slowly answers questions after that time.
func slowly(d time.Duration) func(p *platform, c *link, r asked) {
	return func(p *platform, c *link, r asked) {
		if r.commands[0] == question.Name() {
			time.Sleep(d)
		}
		wellAnswered(p, c, r)
	}
}
