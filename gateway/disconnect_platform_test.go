package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"ocigate/oci"
)

// Callers who disconnect while the gateway waits for the platform.

// gate delays the replies of a platform to one kind of command.
type gate struct {
	command  string
	reached  chan struct{} // closed when the command is on its way
	released chan struct{} // closed by the test
}

type gatedConn struct {
	net.Conn
	gate *gate
}

func (g *gate) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	return &gatedConn{Conn: conn, gate: g}, err
}

func (c *gatedConn) Write(b []byte) (int, error) {
	// This is first because the reply may be read before Write returns.
	if bytes.Contains(b, []byte(c.gate.command)) {
		close(c.gate.reached)
	}
	return c.Conn.Write(b)
}

func (c *gatedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	select {
	case <-c.gate.reached:
		<-c.gate.released
	default:
	}
	return n, err
}

// The outcome of a write is found out and logged also after its caller has disconnected.
func TestCallerWhoDisconnectsDuringAWrite(t *testing.T) {
	held := &gate{command: assignCommand, reached: make(chan struct{}), released: make(chan struct{})}
	r := start(t, setup{platform: func(o *oci.Options) { o.Dial = held.dial }})
	left, ended := make(chan struct{}), make(chan struct{})
	r.serve(t, http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		context.AfterFunc(request.Context(), func() { close(left) })
		r.handler.ServeHTTP(w, request)
		close(ended)
	}))
	ctx, disconnect := context.WithCancel(t.Context())
	defer disconnect()
	failed := make(chan error, 1)
	go func() {
		response, err := r.send(r.request(t, assignFreeRange()).WithContext(ctx))
		if err == nil {
			err = response.Body.Close()
		}
		failed <- err
	}()
	<-held.reached
	disconnect()
	if err := <-failed; err == nil {
		t.Fatal("the caller got a response")
	}
	<-left
	close(held.released)
	<-ended
	r.wantWrites(t, 1, 1)
	if line := r.log.last(t); line["status"] != 499.0 || line["error"] != "CALLER_LEFT" || line["outcome"] != "done" || fmt.Sprint(line["entries"]) != "[+3225126999]" {
		t.Errorf("logged %v", line)
	}
	wantCounted(t, r, "ocigate_http_requests_total", map[string]float64{"itc_numbers_assign CALLER_LEFT POST 499": 1})
	wantCounted(t, r, "ocigate_operations_total", map[string]float64{"itc_numbers_assign done": 1})
}

// A disconnect during a read does not count as a failure of the gateway.
func TestCallerWhoDisconnectsDuringARead(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, r *rig) {
		r.inject(t, "slow delay=5s command=*PrefixGetSummaryListRequest")
		ctx, disconnect := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, disconnect) // synctest's
		response, err := r.send(r.request(t, call{path: ownList("prefixes"), client: system}).WithContext(ctx))
		must(t, err)
		readResponse(t, response).wantError(t, 499, "CALLER_LEFT")
		r.wantCallerLeft(t, "itc_prefixes_list", http.MethodGet)
	})
}

// A disconnect before the write is sent leaves nothing behind.
func TestCallerWhoDisconnectsBeforeAWrite(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, r *rig) {
		r.inject(t, "slow delay=5s command=ServiceProviderRouteList*")
		ctx, disconnect := context.WithTimeout(t.Context(), time.Second)
		defer disconnect()
		response, err := r.send(r.request(t, assignFreeRange()).WithContext(ctx))
		must(t, err)
		readResponse(t, response)
		time.Sleep(time.Minute) // synctest's
		r.wantWrites(t, 0, 0)
	})
}
