//go:build linux

package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"ocigate/config"
	"ocigate/oci/ocisim"
)

// These tests specify that connections which nothing is carried out on keep nobody away, with
// few descriptors.

// flood opens connections to the API, and has each do something. They end with the test. The
// gateway may close any of them.
func flood(t *testing.T, address string, connections int, each func(net.Conn)) {
	t.Helper()
	var working sync.WaitGroup
	var open []net.Conn
	t.Cleanup(func() {
		for _, conn := range open {
			_ = conn.Close()
		}
		working.Wait()
	})
	for range connections {
		conn, err := net.DialTimeout("tcp", address, wellAgain)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, conn)
		working.Go(func() { each(conn) })
	}
}

// drip writes a text and then, again and again, a piece, until the connection is closed.
func drip(text, piece string) func(net.Conn) {
	return func(conn net.Conn) {
		_, err := io.WriteString(conn, text)
		for err == nil {
			time.Sleep(20 * time.Millisecond)
			_, err = io.WriteString(conn, piece)
		}
	}
}

func TestFloodsOfConnections(t *testing.T) {
	platform := newPlatform(t)
	for name, each := range map[string]func(net.Conn){
		"nothing is sent":                 func(net.Conn) {},
		"headers arrive in small pieces":  drip("GET / HTTP/1.1\r\nHost: a\r\n", "X: 1\r\n"),
		"the bodies of logins never end":  drip("POST /api/v1/login/ HTTP/1.1\r\nHost: a\r\nContent-Length: 8000\r\n\r\n{", " "),
		"refused bodies never end":        drip("POST /api/v1"+writePath+" HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n{", " "),
		"they are idle after one request": drip("GET /no-such-page/ HTTP/1.1\r\nHost: a\r\n\r\n", ""),
	} {
		t.Run(name, func(t *testing.T) {
			p := startProcess(t, platform.Addr, processSettings{descriptors: 256}, unread(t))
			flood(t, p.api, 400, each)
			for _, path := range []string{"/livez", "/readyz"} {
				if status, body, err := p.probe(path); status != http.StatusOK || err != nil {
					t.Errorf("%s: %d %q %v", path, status, body, err)
				}
			}
			client := &http.Client{Timeout: wellAgain, Transport: &http.Transport{DisableKeepAlives: true}}
			for range 3 {
				p.mustCall(t, client, http.MethodGet, writePath, "", http.StatusOK)
				p.mustCall(t, client, http.MethodPost, writePath, writeBody, http.StatusCreated)
				p.mustCall(t, client, http.MethodDelete, writePath, writeBody, http.StatusOK)
			}
			_, metrics, err := p.probe("/metrics")
			if err != nil || strings.Contains(metrics, `ocigate_connections_closed_for_room_total{listener="http.listen"} 0`) ||
				!strings.Contains(metrics, `ocigate_connections_max{listener="http.listen"} 142`) {
				t.Errorf("the metrics (%v) have %s", err, lines(metrics, "ocigate_connections"))
			}
		})
	}
}

// The listener for operators has its own limit, which keeps nobody away either.
func TestFloodOfTheListenerForOperators(t *testing.T) {
	p := startProcess(t, newPlatform(t).Addr, processSettings{descriptors: 256}, unread(t))
	flood(t, p.admin, 2*maxAdminConnections, func(net.Conn) {})
	if status, body, err := p.probe("/livez"); status != http.StatusOK || err != nil {
		t.Errorf("livez: %d %q %v", status, body, err)
	}
	p.mustCall(t, http.DefaultClient, http.MethodGet, writePath, "", http.StatusOK)
}

// unread returns a file for a log that is not read.
func unread(t *testing.T) *os.File {
	t.Helper()
	file, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}

// lines returns the lines of a text that begin with that.
func lines(text, begin string) string {
	var found []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, begin) {
			found = append(found, line)
		}
	}
	return strings.Join(found, "")
}

// A connection with a write in flight stays open, however many others come, and so does the
// journal's knowledge of it.
func TestConnectionsWithRequestsAreNotClosed(t *testing.T) {
	platform := newPlatform(t)
	slow, err := platform.Inject(ocisim.Fault{Kind: ocisim.Slow, Command: writeCommands, Delay: time.Second, Times: 1})
	if err != nil {
		t.Fatal(err)
	}
	g := start(t, platform.Addr, func(c *config.Config) { c.HTTP.MaxConnections = 16 })
	var writing sync.WaitGroup
	writing.Go(func() {
		if status, body := ask(t, http.MethodPost, "http://"+g.api+"/api/v1"+writePath, writeBody); status != http.StatusCreated {
			t.Errorf("the write: %d %s", status, body)
		}
	})
	waitFor(t, func() bool { return slow.Hits() == 1 })
	flood(t, g.api, 100, func(net.Conn) {})
	if status, body := ask(t, http.MethodGet, "http://"+g.api+"/api/v1"+writePath, ""); status != http.StatusOK {
		t.Errorf("a read: %d %s", status, body)
	}
	if open := g.program.api.open.stats(); open.Active < 1 || open.ClosedForRoom == 0 || open.New+open.Idle+open.Active > 16 {
		t.Errorf("connections: %+v", open)
	}
	writing.Wait()
}

// With HTTP/2, a connection on which no request was made is closed first, and one whose
// requests are carried out is not closed.
func TestConnectionsOfHTTP2(t *testing.T) {
	platform := newPlatform(t)
	slow, err := platform.Inject(ocisim.Fault{Kind: ocisim.Slow, Command: writeCommands, Delay: time.Second, Times: 1})
	if err != nil {
		t.Fatal(err)
	}
	pair, _ := writeKeyPair(t)
	g := start(t, platform.Addr, func(c *config.Config) { c.HTTP.MaxConnections, c.HTTP.TLS = 16, pair })
	client := &http.Client{Transport: &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	t.Cleanup(client.CloseIdleConnections)
	call := func(method, body string) string {
		request, err := http.NewRequestWithContext(t.Context(), method, "https://"+g.api+"/api/v1"+writePath, strings.NewReader(body))
		if err != nil {
			return err.Error()
		}
		request.SetBasicAuth("portal", demoSecret)
		response, err := client.Do(request)
		if err != nil {
			return err.Error()
		}
		defer func() { _ = response.Body.Close() }()
		_, err = io.Copy(io.Discard, response.Body)
		return fmt.Sprintln(response.Proto, response.StatusCode, err)
	}
	if got := call(http.MethodGet, ""); got != "HTTP/2.0 200 <nil>\n" {
		t.Fatal(got)
	}
	var writing sync.WaitGroup
	writing.Go(func() {
		if got := call(http.MethodPost, writeBody); got != "HTTP/2.0 201 <nil>\n" {
			t.Error(got)
		}
	})
	waitFor(t, func() bool { return slow.Hits() == 1 })
	flood(t, g.api, 50, func(conn net.Conn) {
		unused := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		_ = unused.Handshake() // the connection may be closed at any time
		_, _ = io.WriteString(unused, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
		_, _ = io.Copy(io.Discard, unused)
	})
	if got := call(http.MethodGet, ""); got != "HTTP/2.0 200 <nil>\n" {
		t.Error(got)
	}
	writing.Wait()
	if open := g.program.api.open.stats(); open.ClosedForRoom < 30 {
		t.Errorf("connections: %+v", open)
	}
}
