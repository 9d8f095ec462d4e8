package main

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The proxy between the examples of testdata/clients and the gateway. It disturbs writes,
// and checks how an example repeats its calls.

// A disturbance handles a request in the place of the gateway, which forward reaches.
type disturbance func(forward http.Handler, w http.ResponseWriter, r *http.Request)

// loseResponse has the gateway handle a request, and closes the connection without a
// response.
func loseResponse(forward http.Handler, _ http.ResponseWriter, r *http.Request) {
	forward.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}

// loseConnection has the gateway handle a request, and responds in the manner of a proxy
// that has lost its connection to it, such as Envoy.
func loseConnection(forward http.Handler, w http.ResponseWriter, r *http.Request) {
	forward.ServeHTTP(httptest.NewRecorder(), r)
	respondWith(http.StatusServiceUnavailable, nil)(forward, w, r)
}

// respondWith returns a disturbance that responds in the manner of a proxy. The gateway
// does not get the request.
func respondWith(status int, header http.Header) disturbance {
	return func(_ http.Handler, w http.ResponseWriter, _ *http.Request) {
		maps.Copy(w.Header(), header)
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		_, _ = w.Write([]byte("<html>" + http.StatusText(status) + "</html>")) // to memory
	}
}

// A clientProxy forwards requests to the gateway at target.
type clientProxy struct {
	url, target string
	forward     http.Handler

	mu      sync.Mutex // guards the fields below
	disturb []disturbance
	calls   []clientCall
}

// A clientCall is a request that has passed the proxy.
type clientCall struct {
	method, path, key string
	arrived           time.Time
	ended             time.Time
	status            int // 0 without a response
	retryAfter        string
}

func (c *clientCall) isWrite() bool {
	return c.method == http.MethodPost && c.path == "/api/v1"+demoNumbers
}

// newClientProxy starts a proxy.
func newClientProxy(t *testing.T, target string, disturb []disturbance) *clientProxy {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	p := &clientProxy{
		target: target, disturb: disturb,
		forward: &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }},
	}
	server := httptest.NewServer(p)
	t.Cleanup(transport.CloseIdleConnections)
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// disturbWith has the next writes disturbed.
func (p *clientProxy) disturbWith(disturb ...disturbance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.disturb = disturb
}

func (p *clientProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := clientCall{method: r.Method, path: r.URL.Path, key: r.Header.Get("Idempotency-Key"), arrived: time.Now()}
	handle := p.handlerOf(&call)
	recorded := httptest.NewRecorder()
	defer func() {
		call.ended = time.Now()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.calls = append(p.calls, call)
	}()
	handle(p.forward, recorded, r)
	call.status, call.retryAfter = recorded.Code, recorded.Header().Get("Retry-After")
	maps.Copy(w.Header(), recorded.Header())
	w.WriteHeader(recorded.Code)
	_, _ = w.Write(recorded.Body.Bytes()) // the example reports it if it is not there
}

// handlerOf returns the disturbance of a call, or else one that only forwards it.
func (p *clientProxy) handlerOf(call *clientCall) disturbance {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := 0
	for _, c := range p.calls {
		if c.isWrite() {
			before++
		}
	}
	if call.isWrite() && before < len(p.disturb) {
		return p.disturb[before]
	}
	return func(forward http.Handler, w http.ResponseWriter, r *http.Request) { forward.ServeHTTP(w, r) }
}

// check requires that all writes had the key, and that no call was made before the time in
// the Retry-After of the response before it. It returns the number of writes.
func (p *clientProxy) check(t *testing.T, key string) (writes int) {
	t.Helper()
	p.mu.Lock()
	calls := slices.Clone(p.calls)
	p.mu.Unlock()
	for i, c := range calls {
		if c.isWrite() {
			writes++
			if c.key == "" || c.key != key {
				t.Errorf("a write has the key %q, printed was %q", c.key, key)
			}
		} else if c.method != http.MethodGet && !strings.HasSuffix(c.path, "/login/") {
			t.Errorf("unexpected %s %s", c.method, c.path)
		}
		if i == 0 || calls[i-1].retryAfter == "" {
			continue
		}
		seconds, err := strconv.Atoi(calls[i-1].retryAfter)
		if err != nil {
			t.Fatal(err)
		}
		const early = 10 * time.Millisecond // timers of Node.js may end a millisecond early
		if waited := c.arrived.Sub(calls[i-1].ended); waited < time.Duration(seconds)*time.Second-early {
			t.Errorf("%s %s came %v after a response with Retry-After: %d", c.method, c.path, waited, seconds)
		}
	}
	return writes
}
