package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"ocigate/config"
	"ocigate/oci/ocisim"
)

// This test sends the catalogue of hostile requests to a running gateway. To add a request,
// add an entry to a file of the catalogue; its README describes the form.

func basicOf(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

// cheapHash returns a hash of a secret with the lowest accepted cost.
func cheapHash(secret string) string {
	const memory, passes, threads, keyLength = 4 << 10, 1, 1, 32
	salt := []byte("salt of the test")
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memory, passes, threads,
		b64.EncodeToString(salt), b64.EncodeToString(argon2.IDKey([]byte(secret), salt, passes, memory, threads, keyLength)))
}

// hostilePatience is how long a test waits for an expected response.
const hostilePatience = time.Minute

// startForHostiles runs a gateway without caches and without limits on failed attempts. Its
// timeouts are so long that a test detects a wait that should not be.
func startForHostiles(t testing.TB, platform string, change func(*config.Config)) *running {
	t.Helper()
	hash := config.NewSecret(cheapHash(demoSecret))
	return start(t, platform, func(c *config.Config) {
		c.API.ContextTTL = 0
		c.Auth.Throttle.FreeAttempts = 100
		c.Auth.VerifiedFor = time.Minute
		c.HTTP.ReadHeaderTimeout, c.HTTP.ReadTimeout, c.HTTP.IdleTimeout = 2*hostilePatience, 2*hostilePatience, 2*hostilePatience
		for i := range c.Auth.Clients {
			c.Auth.Clients[i].Hash = hash
		}
		if change != nil {
			change(c)
		}
	})
}

// TestHostileRequests sends each entry of the catalogue over a separate connection, and
// compares the responses, the end of the connection and the commands that reach the platform
// with the entry.
func TestHostileRequests(t *testing.T) {
	cases := hostileCases(t)
	if len(cases) < 150 {
		t.Errorf("the catalogue has %d entries", len(cases))
	}
	platform := newPlatform(t)
	g := startForHostiles(t, platform.Addr, nil)
	waitFor(t, func() bool { return len(platform.Ledger()) > 0 }) // there is a session
	for _, list := range []string{"numbers", "prefixes"} {
		// After this, the names of departments are cached.
		ask(t, "GET", "http://"+g.api+"/api/v1"+itc("ApioSpTest", "ApioGrpTest", list), "")
	}
	for _, c := range cases {
		t.Run(c.file+"/"+c.name, func(t *testing.T) {
			platform.TakeLedger()
			defer func() {
				ledger := platform.TakeLedger()
				if got := countOf(ledger); got != c.commands {
					t.Errorf("the platform received %v, want %v", got, c.commands)
				}
				putBack(t, g.api, ledger)
			}()
			c.run(t, g.api)
		})
	}
	g.stop()
	if err := <-g.ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	if strings.Contains(g.log.String(), "panic") {
		t.Error("the gateway panicked")
	}
}

// run sends the case and checks the responses.
func (c *hostileCase) run(t *testing.T, address string) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(hostilePatience)); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	next := 0
	for _, p := range c.sent {
		// The gateway may answer and close the connection before all bytes are sent.
		_, _ = io.WriteString(conn, p.bytes)
		if tcp, ok := conn.(*net.TCPConn); ok && p.end {
			_ = tcp.CloseWrite()
		}
		for ; next < p.after && next < len(c.answers); next++ {
			c.answers[next].check(t, reader)
		}
	}
	for ; next < len(c.answers); next++ {
		c.answers[next].check(t, reader)
	}
	if !c.closed {
		// If the gateway waited for the rest of a body, this would become a part of it.
		_, _ = io.WriteString(conn, "GET /probe HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n")
		wantedAnswer{status: http.StatusNotFound, error: "ROUTE_NOT_FOUND"}.check(t, reader)
	}
	rest, err := io.ReadAll(reader)
	if len(rest) > 0 {
		t.Errorf("more is answered: %.200q", rest)
	}
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection is not closed: %v", err)
	}
}

// check reads and checks one response.
func (w wantedAnswer) check(t *testing.T, reader *bufio.Reader) {
	t.Helper()
	request := &http.Request{Method: http.MethodPost}
	if w.head {
		request.Method = http.MethodHead
	}
	response, err := http.ReadResponse(reader, request)
	if err != nil {
		t.Fatalf("no answer, want %d %s: %v", w.status, w.error, err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		t.Fatalf("half an answer: %v: %d %s", err, response.StatusCode, body)
	}
	if response.StatusCode != w.status {
		t.Fatalf("status %d, want %d %s: %s", response.StatusCode, w.status, w.error, body)
	}
	if got := errorNameOf(response, body); !w.head && w.status >= http.StatusOK && got != w.error {
		t.Errorf("error %s, want %s: %s", got, w.error, body)
	}
	if !strings.Contains(string(body), w.text) {
		t.Errorf("the response does not contain %q: %s", w.text, body)
	}
}

// errorNameOf returns the name of the API's error in a response, or one of answeredWell and
// ofTheServer.
func errorNameOf(response *http.Response, body []byte) string {
	var failed struct{ Errors []struct{ Name string } }
	switch {
	case response.StatusCode < http.StatusBadRequest:
		return answeredWell
	case response.Header.Get("X-Request-Id") == "":
		return ofTheServer
	case json.Unmarshal(body, &failed) != nil || len(failed.Errors) != 1:
		return fmt.Sprintf("(no error of the API: %s)", body)
	}
	return failed.Errors[0].Name
}

// countOf counts the commands that reached the platform, without those of the gateway's own
// sessions.
func countOf(ledger []ocisim.Entry) counted {
	var c counted
	for _, e := range ledger {
		switch {
		case e.Write:
			c.writes++
		case strings.HasPrefix(e.Command, "Login") || strings.HasPrefix(e.Command, "Authentication"):
			if e.User != "gateway" {
				c.logins++
			}
		case strings.HasPrefix(e.Command, "Logout"), strings.HasPrefix(e.Command, "SystemSoftwareVersion"), strings.HasPrefix(e.Command, "VerifySession"):
		default:
			c.reads++
		}
	}
	return c
}

// putBack undoes the writes of a ledger, so that the platform is that of the demonstration
// again.
func putBack(t testing.TB, api string, ledger []ocisim.Entry) {
	t.Helper()
	for _, e := range ledger {
		if !e.Write || !e.Applied {
			continue
		}
		list, key, method := "numbers", "minPhoneNumber", "POST"
		if strings.Contains(e.Command, "Prefix") {
			list, key = "prefixes", "prefix"
		}
		if !strings.Contains(e.Command, "Unassign") {
			method = "DELETE"
		}
		entries := make([]string, len(e.Numbers))
		for i, number := range e.Numbers {
			entries[i] = fmt.Sprintf(`{%q:%q}`, key, number)
		}
		url := "http://" + api + "/api/v1" + itc(e.ServiceProvider, e.Group, list)
		status, body := ask(t, method, url, fmt.Sprintf(`{%q:[%s]}`, list, strings.Join(entries, ",")))
		if status >= http.StatusBadRequest {
			t.Fatalf("%s %s is not undone: %d %s", e.Command, e.Numbers, status, body)
		}
	}
}
