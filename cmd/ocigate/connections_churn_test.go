//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"ocigate/config"
)

// This test specifies that every connection is counted as long as it is open, whatever happens
// on it: a count that drifts would keep new connections away for ever. To add something that
// happens, add a function to churns.

const partialHeader = "GET / HTTP/1.1\r\nHost: a\r\n"

// churns are what callers do with a connection before they close it. The listener may close it
// at any time, so nothing is expected of them.
var churns = []func(conn net.Conn){
	func(net.Conn) {},
	says(partialHeader),
	says("no request\r\n\r\n"),
	says(partialHeader + "\r\n"),
	says(partialHeader + "\r\n" + partialHeader + "\r\n" + partialHeader),
	says("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n"),
	says("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n{"),
	says("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}" + partialHeader + "\r\n"),
	says("POST /unread HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"),
	says("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"),
	func(conn net.Conn) { _ = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).Handshake() },
	resetsStreams,
}

// says returns a function that writes a text, and reads a response if there is one soon.
func says(text string) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = io.WriteString(conn, text)
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
		_, _ = conn.Read(make([]byte, 1000))
	}
}

// resetsStreams begins requests with HTTP/2 and resets each at once.
func resetsStreams(conn net.Conn) {
	secured := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if secured.Handshake() != nil {
		return
	}
	frames := "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	for id := byte(1); id < 40; id += 2 {
		frames += "\x00\x00\x06\x01\x05\x00\x00\x00" + string([]byte{id}) + "\x82\x87\x84\x41\x01a" // GET https://a/
		frames += "\x00\x00\x04\x03\x00\x00\x00\x00" + string([]byte{id}) + "\x00\x00\x00\x08"      // CANCEL
	}
	_, _ = io.WriteString(secured, frames)
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
	_, _ = io.Copy(io.Discard, secured)
}

// churning returns a listener of at most 8 connections, with TLS or without, that is served
// until the end of the test.
func churning(t *testing.T, secured *tls.Config) *listener {
	t.Helper()
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/panic":
			panic(http.ErrAbortHandler)
		case "/unread":
		default:
			_, _ = io.Copy(io.Discard, r.Body)
		}
	})
	c := config.Default().HTTP
	l := newListener("http.listen", "127.0.0.1:0", c, 8, secured, handler, slog.New(slog.DiscardHandler))
	if err := l.listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = l.serve() }) // ends with shutdown
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), wellAgain)
		defer cancel()
		if err := l.shutdown(ctx); err != nil {
			t.Error(err)
		}
		serving.Wait()
	})
	return l
}

func TestConnectionsAreCountedWhateverHappens(t *testing.T) {
	pair, _ := writeKeyPair(t)
	certificate, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	for name, secured := range map[string]*tls.Config{
		"plain": nil, "TLS": {Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2", "http/1.1"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := churning(t, secured)
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					for range 25 {
						conn, err := net.DialTimeout("tcp", l.bound.Addr().String(), wellAgain)
						if err != nil {
							t.Error(err)
							return
						}
						churns[rand.IntN(len(churns))](conn)
						_ = conn.Close()
					}
				})
			}
			all.Wait()
			waitFor(t, func() bool {
				open := l.open.stats()
				return open.New+open.Idle+open.Receiving+open.Active == 0
			})
		})
	}
	t.Run("streams that are reset", func(t *testing.T) {
		l := churning(t, &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2"}})
		for range 4 {
			conn, err := net.DialTimeout("tcp", l.bound.Addr().String(), wellAgain)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			resetsStreams(conn)
		}
		waitFor(t, func() bool {
			open := l.open.stats()
			return open.Active == 0 && open.New+open.Idle == 4
		})
	})
}
