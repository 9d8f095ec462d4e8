package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"ocigate/gateway"
)

// Uploads that never end.

// onePipe is a net.Listener of one connection.
type onePipe struct {
	conn  chan net.Conn
	ended chan struct{}
	once  sync.Once
}

func (l *onePipe) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conn:
		return conn, nil
	case <-l.ended:
		return nil, net.ErrClosed
	}
}

func (l *onePipe) Close() error   { l.once.Do(func() { close(l.ended) }); return nil }
func (l *onePipe) Addr() net.Addr { return &net.TCPAddr{} }

// readTimeout is that of the server below.
const readTimeout = 30 * time.Second

// unfinished sends the header of a request to the route and a part of its body, and returns
// the response, after which the server must close the connection. It must be called in a
// bubble.
func (r *rig) unfinished(t *testing.T, route gateway.Route, framing string) response {
	t.Helper()
	listener := &onePipe{conn: make(chan net.Conn, 1), ended: make(chan struct{})}
	server := &http.Server{Handler: r.handler, ReadTimeout: readTimeout, WriteTimeout: time.Minute}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	defer serving.Wait()
	defer func() { _ = server.Close() }()
	ours, theirs := net.Pipe()
	defer func() { _ = ours.Close() }()
	listener.conn <- theirs
	asked := goodCall(t, route)
	asked.client = system
	path, err := url.Parse(asked.path)
	must(t, err)
	_, err = fmt.Fprintf(ours, "%s %s HTTP/1.1\r\nHost: example.com\r\nAuthorization: %s\r\n%s", route.Method, path.RequestURI(), r.basic(t), framing)
	must(t, err)
	reader := bufio.NewReader(ours)
	received, err := http.ReadResponse(reader, &http.Request{Method: route.Method})
	must(t, err)
	got := readResponse(t, received)
	if rest, err := io.ReadAll(reader); err != nil || len(rest) > 0 || !received.Close {
		t.Errorf("the connection goes on: %q, %v", rest, err)
	}
	return got
}

// halfABody announces more than it sends.
const halfABody = "Content-Length: 100\r\n\r\n{\"numb"

// Every route with a body waits for its end no longer than the server's timeout, and then
// responds with the reason. Nothing is sent.
func TestUploadsThatNeverEnd(t *testing.T) {
	for _, route := range apiRoutes() {
		if route.Change == nil && route.Name != "login" {
			continue
		}
		for name, framing := range map[string]string{
			"of a known length":        halfABody,
			"in chunks":                "Transfer-Encoding: chunked\r\n\r\n6\r\n{\"numb\r\n",
			"of which nothing arrives": "Content-Length: 100\r\n\r\n",
		} {
			t.Run(route.Name+"/"+name, func(t *testing.T) {
				inBubble(t, setup{}, func(t *testing.T, r *rig) {
					began := time.Now()
					r.unfinished(t, route, framing).wantError(t, http.StatusRequestTimeout, "UPLOAD_TIMEOUT")
					if took := time.Since(began); took != readTimeout {
						t.Errorf("it took %v, want %v", took, readTimeout)
					}
					r.wantUntouched(t)
				})
			})
		}
	}
}
