package gateway_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ocigate/gateway"
	"ocigate/gateway/auth"
	"ocigate/gateway/operation"
	"ocigate/oci"
	"ocigate/translate"
)

// Callers who disconnect: what is counted and logged, and what happens to their write.

// wantCallerLeft checks that the only request to a route is counted as CALLER_LEFT, and
// logged as such in the last line.
func (r *rig) wantCallerLeft(t *testing.T, endpoint, method string) {
	t.Helper()
	r.wantRequests(t, endpoint, map[string]float64{endpoint + " CALLER_LEFT " + method + " 499": 1})
	line := r.log.last(t)
	if line["status"] != 499.0 || line["error"] != "CALLER_LEFT" || line["level"] != "INFO" || line["cause"] == nil {
		t.Errorf("logged %v", line)
	}
}

// wantRequests checks these counts of the requests to a route.
func (r *rig) wantRequests(t *testing.T, endpoint string, want map[string]float64) {
	t.Helper()
	got := counted(t, r, "ocigate_http_requests_total")
	maps.DeleteFunc(got, func(labels string, value float64) bool {
		return value == 0 || !strings.HasPrefix(labels, endpoint+" ")
	})
	if !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
}

// callAndDisconnect makes the call for a caller who disconnects after that time.
func (r *rig) callAndDisconnect(t *testing.T, c call, after time.Duration) response {
	t.Helper()
	ctx, disconnect := context.WithCancel(t.Context())
	defer disconnect()
	defer time.AfterFunc(after, disconnect).Stop()
	response, err := r.send(r.request(t, c).WithContext(ctx))
	must(t, err)
	return readResponse(t, response)
}

// A disconnect at any point does not count as a failure of the platform. A write that was
// not sent leaves nothing behind.
func TestCallerWhoDisconnectsBeforeAnythingIsKnown(t *testing.T) {
	const held = "stall command=*PrefixGetSummaryListRequest"
	for name, c := range map[string]struct {
		setup setup
		fault string
		busy  bool // another caller has the only session
		waits map[string]float64
	}{
		"while the first session is made": {
			fault: "slow delay=5s times=1 command=AuthenticationRequest",
			waits: map[string]float64{"left": 1},
		},
		"in the queue for a session": {
			setup: setup{platform: func(o *oci.Options) { o.MaxSessions = 1 }},
			fault: held, busy: true,
			waits: map[string]float64{"ok": 1, "left": 1},
		},
		"while the platform is asked": {
			fault: "slow delay=5s times=1 command=ServiceProviderGetRequest17sp1",
			waits: map[string]float64{"ok": 1},
		},
	} {
		for _, asked := range []call{{path: ownList("numbers"), client: system}, assignFreeRange()} {
			endpoint := "itc_numbers_list"
			method := http.MethodGet
			if asked.method != "" {
				endpoint, method = "itc_numbers_assign", asked.method
			}
			t.Run(name+"/"+endpoint, func(t *testing.T) {
				inBubble(t, c.setup, func(t *testing.T, r *rig) {
					injected := r.inject(t, c.fault)
					others := make(chan response, 1)
					if c.busy {
						go func() { others <- r.get(t, "prefixes") }()
						synctest.Wait()
					}
					got := r.callAndDisconnect(t, asked, time.Second)
					got.wantError(t, 499, "CALLER_LEFT") // for a caller who has closed only their side
					r.wantCallerLeft(t, endpoint, method)
					wantCounted(t, r, "ocigate_platform_session_wait_seconds", c.waits)
					wantCounted(t, r, "ocigate_operations_total", map[string]float64{})
					r.wantWrites(t, 0, 0)
					injected.Remove()
					if c.busy {
						<-others
					}
					if asked.method != "" {
						r.call(t, asked).wantStatus(t, http.StatusCreated) // nothing holds its entries
					}
				})
			})
		}
	}
}

// abandoned is a Writer whose reply arrives after the caller has disconnected.
type abandoned struct {
	gateway.Writer
	disconnect context.CancelFunc
}

func (a *abandoned) Write(ctx context.Context, command oci.Write, before func(string) error) (oci.Reply, error) {
	defer a.disconnect()
	return a.Writer.Write(ctx, command, before)
}

// The outcome of a write does not depend on whether its caller waits: it is recorded and
// counted, and its entries are released.
func TestCallerWhoDisconnectsAWriteThatIsSent(t *testing.T) {
	w := writeCaseOf("itc_numbers_assign")
	for fault, c := range map[string]struct {
		outcome, state, knownBy string
		applied                 int
	}{
		"slow":               {"done", "done", "answer", 1},
		"error-before-apply": {"not_done", "not_done", "answer", 0},
		"error-after-apply":  {"done", "done", "reading", 1},
		"drop-after-apply":   {"unknown", "done", "reading", 1},
		"drop-before-apply":  {"unknown", "unknown", "", 0},
	} {
		t.Run(fault, func(t *testing.T) {
			callAndDisconnect := &abandoned{}
			s := setup{gateway: func(o *gateway.Options) { callAndDisconnect.Writer, o.Writer = o.Writer, callAndDisconnect }}
			inBubble(t, s, func(t *testing.T, r *rig) {
				r.inject(t, withCommand(fault, w.command))
				ctx, disconnect := context.WithCancel(t.Context())
				callAndDisconnect.disconnect = disconnect
				response, err := r.send(r.request(t, w.call).WithContext(ctx))
				must(t, err)
				got := readResponse(t, response)
				if got.status == 499 {
					t.Errorf("the response reports that nothing was changed: %s", got.body)
				}
				r.wantWrites(t, 1, c.applied)
				r.wantCallerLeft(t, w.route, w.call.method)
				wantCounted(t, r, "ocigate_operations_total", map[string]float64{w.route + " " + c.outcome: 1})
				id := got.wantOutcome(t, c.state)
				if line := r.log.last(t); line["outcome"] != c.state || line["operation_id"] != id {
					t.Errorf("logged %v", line)
				}
				r.wantState(t, id, c.state, c.knownBy)
			})
		})
	}
}

// A caller who disconnected before their request was handled counts as CALLER_LEFT at
// every route.
func TestCallerWhoDisconnectedAtEveryRoute(t *testing.T) {
	for _, route := range apiRoutes() {
		for _, client := range []string{anonymous, user, system} {
			t.Run(route.Name+"/client "+client, func(t *testing.T) {
				inBubble(t, setup{}, func(t *testing.T, r *rig) {
					asked := goodCall(t, route)
					asked.client = client
					gone, disconnect := context.WithCancel(t.Context())
					disconnect()
					response, err := r.send(r.request(t, asked).WithContext(gone))
					must(t, err)
					readResponse(t, response)
					r.wantCallerLeft(t, route.Name, route.Method)
					r.wantWrites(t, 0, 0)
				})
			})
		}
	}
}

// disconnectingWriter is a caller who disconnects after the response was written.
type disconnectingWriter struct {
	http.ResponseWriter
	disconnect context.CancelFunc
}

func (l *disconnectingWriter) Write(b []byte) (int, error) {
	defer l.disconnect()
	return l.ResponseWriter.Write(b)
}

// A request whose response was written counts with its status.
func TestCallerWhoDisconnectsAfterTheResponse(t *testing.T) {
	r := start(t, setup{})
	for name, c := range map[string]struct {
		call
		status int
		error  any
	}{
		"a list":   {call{path: ownList("numbers"), client: system}, 200, nil},
		"an error": {call{path: ownList("numbers")}, 401, "UNAUTHENTICATED"},
		"a write":  {assignFreeRange(), 201, nil},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, disconnect := context.WithCancel(t.Context())
			recorder := httptest.NewRecorder()
			r.handler.ServeHTTP(&disconnectingWriter{recorder, disconnect}, r.request(t, c.call).WithContext(ctx))
			if recorder.Code != c.status {
				t.Errorf("status %d, want %d", recorder.Code, c.status)
			}
			if line := r.log.last(t); line["status"] != float64(c.status) || line["error"] != c.error {
				t.Errorf("logged %v", line)
			}
		})
	}
}

// A panic counts as a failure of the gateway, also after a disconnect.
func TestPanicsAfterADisconnect(t *testing.T) {
	r := start(t, setup{engine: func(o *translate.Options) { o.Reader = panicking{} }})
	gone, disconnect := context.WithCancel(t.Context())
	disconnect()
	request := r.request(t, call{path: ownList("numbers"), client: system})
	recorder := httptest.NewRecorder()
	r.handler.ServeHTTP(recorder, request)
	r.handler.ServeHTTP(httptest.NewRecorder(), request.WithContext(gone))
	if line := r.log.last(t); line["status"] != 500.0 || line["error"] != "INTERNAL" || line["level"] != "ERROR" || line["panic"] == nil {
		t.Errorf("logged %v", line)
	}
	r.wantRequests(t, "itc_numbers_list", map[string]float64{"itc_numbers_list INTERNAL GET 500": 2})
}

func TestLoginsOfCallersWhoLeft(t *testing.T) {
	for _, way := range waysToVerify {
		t.Run(way.name, func(t *testing.T) {
			inBubble(t, way.setup, func(t *testing.T, r *rig) {
				r.inject(t, "slow delay=5s")
				r.callAndDisconnect(t, loginCall("groupadmin", passwordOf("groupadmin")), time.Second)
				r.wantCallerLeft(t, "login", http.MethodPost)
				wantCounted(t, r, "ocigate_logins_total", map[string]float64{"CALLER_LEFT": 1})
			})
		})
	}
	t.Run("after the platform has spoken", func(t *testing.T) {
		r := start(t, setup{})
		for _, password := range []string{passwordOf("groupadmin"), "wrong"} {
			ctx, disconnect := context.WithCancel(t.Context())
			r.handler.ServeHTTP(&disconnectingWriter{httptest.NewRecorder(), disconnect}, r.request(t, loginCall("groupadmin", password)).WithContext(ctx))
		}
		wantCounted(t, r, "ocigate_logins_total", map[string]float64{"ok": 1, "UNAUTHENTICATED": 1})
	})
}

// connect opens a connection to the API.
func (r *rig) connect(t *testing.T) *net.TCPConn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.api.Listener.Addr().String())
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		t.Fatalf("%T is no TCP connection", conn)
	}
	return tcp
}

// counting serves the API, and reports the end of each request.
func (r *rig) counting(t *testing.T) (ended chan struct{}) {
	t.Helper()
	ended = make(chan struct{}, 16)
	r.serve(t, http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.handler.ServeHTTP(w, request)
		ended <- struct{}{}
	}))
	return ended
}

// A caller who does not send the complete body counts as disconnected, unless the body is
// malformed.
func TestUploadsThatEndEarly(t *testing.T) {
	head := func(r *rig, path, headers string) string {
		return "POST " + path + " HTTP/1.1\r\nHost: example.com\r\nAuthorization: " + r.basic(t) + "\r\n" + headers + "\r\n\r\n"
	}
	whole := func(conn *net.TCPConn) error { return conn.CloseWrite() }
	reset := func(conn *net.TCPConn) error {
		return errorsOf(conn.SetLinger(0), conn.Close())
	}
	closed := func(conn *net.TCPConn) error { return conn.Close() }
	for name, c := range map[string]struct {
		headers, body string
		end           func(*net.TCPConn) error
		counted       string
	}{
		"a part of its length, then closed":      {"Content-Length: 100", `{"num`, closed, "CALLER_LEFT POST 499"},
		"a part of its length, then reset":       {"Content-Length: 100", `{"num`, reset, "CALLER_LEFT POST 499"},
		"a part of its length, then half closed": {"Content-Length: 100", `{"num`, whole, "CALLER_LEFT POST 499"},
		"nothing, then closed":                   {"Content-Length: 100", "", closed, "CALLER_LEFT POST 499"},
		"a part of a chunk, then closed":         {"Transfer-Encoding: chunked", "20\r\n{\"num", closed, "CALLER_LEFT POST 499"},
		"no last chunk, then closed":             {"Transfer-Encoding: chunked", "5\r\n{\"num\r\n", closed, "CALLER_LEFT POST 499"},
		"no chunk, but half closed":              {"Transfer-Encoding: chunked", "5\r\n{\"num\r\nnot a chunk\r\n", whole, "INVALID_PARAMETERS POST 400"},
	} {
		for endpoint, path := range map[string]string{"itc_numbers_assign": ownList("numbers"), "login": "/api/v1/login/"} {
			t.Run(name+"/"+endpoint, func(t *testing.T) {
				r := start(t, setup{})
				ended := r.counting(t)
				conn := r.connect(t)
				_, err := io.WriteString(conn, head(r, path, c.headers)+c.body)
				must(t, err)
				must(t, c.end(conn))
				<-ended
				r.wantRequests(t, endpoint, map[string]float64{endpoint + " " + c.counted: 1})
				r.wantWrites(t, 0, 0)
				if endpoint == "login" {
					result, _, _ := strings.Cut(c.counted, " ")
					wantCounted(t, r, "ocigate_logins_total", map[string]float64{result: 1})
				}
			})
		}
	}
}

func errorsOf(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

// The same over HTTP/2, where a caller ends a stream and not the connection.
func TestUploadThatEndsEarlyOverHTTP2(t *testing.T) {
	r := start(t, setup{})
	ended := make(chan struct{}, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.handler.ServeHTTP(w, request)
		ended <- struct{}{}
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	ctx, disconnect := context.WithCancel(t.Context())
	body, sending := io.Pipe()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+ownList("numbers"), body)
	must(t, err)
	request.SetBasicAuth(system, clientSecret)
	request.ContentLength = 100
	failed := make(chan error, 1)
	go func() {
		response, err := server.Client().Do(request)
		if err == nil {
			err = response.Body.Close()
		}
		failed <- err
	}()
	_, err = sending.Write([]byte(`{"num`))
	must(t, err)
	disconnect()
	if err := <-failed; err == nil {
		t.Error("the caller got a response")
	}
	<-ended
	_ = sending.Close()
	r.wantCallerLeft(t, "itc_numbers_assign", http.MethodPost)
}

// A caller who closes their side of the connection after the request counts as
// disconnected. Neither their response nor the log reports a failure of the platform.
func TestCallerWhoHalfCloses(t *testing.T) {
	secured := &tls.Config{InsecureSkipVerify: true} // the server belongs to the test
	for _, protocol := range []string{"HTTP/1.1", "HTTP/1.0"} {
		for _, overTLS := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, TLS %t", protocol, overTLS), func(t *testing.T) {
				r := start(t, setup{faults: []string{"stall command=ServiceProviderGetRequest17sp1"}})
				t.Cleanup(func() { _ = r.platform.Close() }) // ends the session that it stalls
				ended := r.counting(t)
				if overTLS {
					server := httptest.NewUnstartedServer(r.api.Config.Handler)
					server.StartTLS()
					t.Cleanup(server.Close)
					r.api = server
				}
				var conn interface {
					net.Conn
					CloseWrite() error
				} = r.connect(t)
				if overTLS {
					conn = tls.Client(conn, secured)
				}
				_, err := fmt.Fprintf(conn, "GET %s %s\r\nHost: example.com\r\nAuthorization: %s\r\n\r\n", ownList("numbers"), protocol, r.basic(t))
				must(t, err)
				must(t, conn.CloseWrite())
				<-ended // and not when the platform has been waited for
				response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodGet})
				must(t, err)
				readResponse(t, response).wantError(t, 499, "CALLER_LEFT")
				r.wantCallerLeft(t, "itc_numbers_list", http.MethodGet)
			})
		}
	}
}

// The response must report neither a failure of the platform nor that a write may have
// been sent.
func TestCredentialsThatAreNotVerifiedInTime(t *testing.T) {
	r := start(t, setup{
		gateway: func(o *gateway.Options) { o.RequestTimeout = 1 },
		auth:    func(o *auth.Options) { o.RememberFor = -1 },
	})
	for range 20 {
		got := r.call(t, assignFreeRange())
		got.wantError(t, http.StatusTooManyRequests, "RATE_LIMITED")
		got.wantRetryAfter(t)
		got.wantOutcome(t, string(operation.NotDone))
	}
}
