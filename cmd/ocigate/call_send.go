package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"strings"
	"sync/atomic"

	"ocigate/gateway"

	"github.com/spf13/cobra"
)

// The exit codes of the command call, besides 0 and 1.
const (
	exitPartly   = 2
	exitRedirect = 3
	exitRefused  = 4
	exitFailed   = 5
	exitUnknown  = 6
	exitUnsent   = 7
	exitLost     = 8
)

// exitCodesHelp describes the exit codes. cmd/README.md has the same list.
const exitCodesHelp = "Exit codes:\n" +
	"  0  status 2xx: done; or 304\n" +
	"  1  the command line, a variable or a file is not valid; nothing was sent\n" +
	"  2  a part of the write was done (207, or 502 PARTLY_DONE)\n" +
	"  3  another status 3xx, which is not followed\n" +
	"  4  status 4xx: refused; a write was not done\n" +
	"  5  status 5xx: failed; a write was not done\n" +
	"  6  the outcome of the write, or of a part of it, is unknown\n" +
	"  7  no connection: nothing was sent\n" +
	"  8  the connection was lost or timed out after the request may have been sent; a\n" +
	"     write may have been done\n"

// An exitError is an error with the exit code of the program.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// exitCode returns the exit code of the program for the error of a command.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if coded, ok := errors.AsType[*exitError](err); ok {
		return coded.code
	}
	return 1
}

// codeOf returns the exit code for a response. outcome is the Operation-Outcome of a
// write, "" for none. Without one, neither a success nor a failure is a response of
// ocigate to the write, whatever its status: it may be the page of a proxy where people
// log in, or the 503 of a proxy whose connection was lost after it had sent the write.
func codeOf(status int, outcome string, isWrite bool) int {
	const unknown, partly = "unknown", "partly_done"
	switch {
	case isWrite && outcome == unknown, isWrite && outcome == "" && !isRefusal(status):
		return exitUnknown
	case isWrite && outcome == partly, status == http.StatusMultiStatus:
		return exitPartly
	case status >= 200 && status < 300, status == http.StatusNotModified:
		return 0
	case status >= 300 && status < 400:
		return exitRedirect
	case status >= 400 && status < 500:
		return exitRefused
	}
	return exitFailed
}

// isRefusal reports whether a status means that a write was not done, whichever server
// has responded: no proxy forwards a request that it redirects or refuses.
func isRefusal(status int) bool {
	return status >= 300 && status < 500 && status != http.StatusNotModified
}

// newHTTPClient returns a client that makes each request once, on its own connection: it
// follows no redirect, and repeats nothing.
func (e *endpointCall) newHTTPClient() (*http.Client, error) {
	secured := &tls.Config{MinVersion: tls.VersionTLS12}
	if e.caFile != "" {
		pem, err := os.ReadFile(e.caFile)
		if err != nil {
			return nil, fmt.Errorf("--cacert: %w", err)
		}
		secured.RootCAs = x509.NewCertPool()
		if !secured.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--cacert: there is no certificate in %s", e.caFile)
		}
	}
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true) // HTTP/2 would repeat what the gateway has not processed
	return &http.Client{
		Timeout:       e.timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: secured, Protocols: protocols,
			DisableKeepAlives: true, DisableCompression: true,
		},
	}, nil
}

// do sends a request once. The error of a request without a response has an exit code.
func (r apiRequest) do(ctx context.Context, client *http.Client, body []byte) (*http.Response, error) {
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	var content io.Reader
	if r.hasBody {
		content = bytes.NewReader(body)
	}
	request, err := http.NewRequestWithContext(ctx, r.method, r.url(), content)
	if err != nil {
		return nil, err
	}
	request.GetBody = nil // nothing is sent again
	r.set(request.Header)
	response, err := client.Do(request)
	if err == nil {
		return response, nil
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // without the URL, which the user knows
	}
	if !connected.Load() {
		return nil, &exitError{exitUnsent, fmt.Errorf("nothing was sent to %s: %w", r.base, err)}
	}
	return nil, &exitError{exitLost, fmt.Errorf("no response from %s: %w", r.base, err)}
}

// send makes the call and prints its response. The error has the exit code.
func (e *endpointCall) send(c *cobra.Command, r apiRequest) error {
	if e.timeout <= 0 {
		return errors.New("--timeout must be more than 0")
	}
	client, err := e.newHTTPClient()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	var body []byte
	if r.hasBody {
		if body, err = e.readCallBody(c); err != nil {
			return err
		}
	}
	if err := r.read(c.Context(), c); err != nil {
		return err
	}
	if r.areGiven() && isUnprotected(r.base) {
		fmt.Fprintf(c.ErrOrStderr(), "warning: the credentials are sent to %s without TLS\n", r.base)
	}
	if r.key != "" {
		fmt.Fprintf(c.ErrOrStderr(), "%s: %s\n", gateway.HeaderIdempotencyKey, r.key)
	}
	response, err := r.do(c.Context(), client, body)
	if err != nil {
		return e.lostAdvice(err, r)
	}
	defer func() { _ = response.Body.Close() }() // the body was read as far as it is needed
	code := codeOf(response.StatusCode, response.Header.Get(gateway.HeaderOperationOutcome), e.isWrite())
	if code == exitUnknown && e.wait > 0 {
		return e.waitFor(c, client, r, response)
	}
	return e.report(c, r, response, code)
}

// lostAdvice adds to the error of a write without a response how to go on.
func (e *endpointCall) lostAdvice(err error, r apiRequest) error {
	if lost, ok := errors.AsType[*exitError](err); ok && lost.code == exitLost && e.isWrite() {
		advice := "read the list to learn it"
		if r.key != "" {
			advice = "the same command with --idempotency-key " + r.key + " returns its outcome, and does nothing twice"
		}
		lost.err = fmt.Errorf("%w\n  whether the write was done is unknown: %s", lost.err, advice)
	}
	return err
}

// isUnprotected reports whether requests to a URL leave the machine without TLS.
func isUnprotected(base string) bool {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" || u.Hostname() == "localhost" || strings.HasSuffix(u.Hostname(), ".localhost") {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return ip == nil || !ip.IsLoopback()
}
