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

// wantCallerLeft demands that the requests to an endpoint were one whose caller
// left, in the metrics and in the last line of the log.
func (r *rig) wantCallerLeft(t *testing.T, endpoint, method string) {
	t.Helper()
	r.wantRequests(t, endpoint, map[string]float64{endpoint + " CALLER_LEFT " + method + " 499": 1})
	line := r.log.last(t)
	if line["status"] != 499.0 || line["error"] != "CALLER_LEFT" || line["level"] != "INFO" || line["cause"] == nil {
		t.Errorf("logged %v", line)
	}
}

// wantRequests demands these counts of the requests to an endpoint.
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

// leaving makes the call for a caller who leaves after that time.
func (r *rig) leaving(t *testing.T, c call, after time.Duration) answer {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	defer time.AfterFunc(after, leave).Stop()
	response, err := r.send(r.request(t, c).WithContext(ctx))
	must(t, err)
	return readAnswer(t, response)
}

// Wherever a caller leaves, the platform is not to blame. Of a write that was
// not sent, nothing is left behind.
func TestCallerWhoLeavesBeforeAnythingIsKnown(t *testing.T) {
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
				inTime(t, c.setup, func(t *testing.T, r *rig) {
					injected := r.inject(t, c.fault)
					others := make(chan answer, 1)
					if c.busy {
						go func() { others <- r.get(t, "prefixes") }()
						synctest.Wait()
					}
					got := r.leaving(t, asked, time.Second)
					got.wantError(t, 499, "CALLER_LEFT") // for one who has closed their own side alone
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

// abandoned is a platform whose answer to a write comes when its caller has left.
type abandoned struct {
	gateway.Writer
	leave context.CancelFunc
}

func (a *abandoned) Write(ctx context.Context, command oci.Write, before func(string) error) (oci.Reply, error) {
	defer a.leave()
	return a.Writer.Write(ctx, command, before)
}

// The truth about a write does not depend on who waits for it: it is recorded
// and counted as what it is, and holds its entries no longer.
func TestCallerWhoLeavesAWriteThatIsSent(t *testing.T) {
	w := writingOf("itc_numbers_assign")
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
			leaving := &abandoned{}
			s := setup{gateway: func(o *gateway.Options) { leaving.Writer, o.Writer = o.Writer, leaving }}
			inTime(t, s, func(t *testing.T, r *rig) {
				r.inject(t, withCommand(fault, w.command))
				ctx, leave := context.WithCancel(t.Context())
				leaving.leave = leave
				response, err := r.send(r.request(t, w.call).WithContext(ctx))
				must(t, err)
				got := readAnswer(t, response)
				if got.status == 499 {
					t.Errorf("told that nothing was changed: %s", got.body)
				}
				r.wantWrites(t, 1, c.applied)
				r.wantCallerLeft(t, w.endpoint, w.call.method)
				wantCounted(t, r, "ocigate_operations_total", map[string]float64{w.endpoint + " " + c.outcome: 1})
				id := got.wantOutcome(t, c.state)
				if line := r.log.last(t); line["outcome"] != c.state || line["operation_id"] != id {
					t.Errorf("logged %v", line)
				}
				r.wantState(t, id, c.state, c.knownBy)
			})
		})
	}
}

// A caller who left before their request was looked at counts as such at every
// row, whatever it would have been told.
func TestCallerWhoLeftAtEveryRow(t *testing.T) {
	for _, e := range endpoints() {
		for _, client := range []string{nobody, user, system} {
			t.Run(e.Name+"/client "+client, func(t *testing.T) {
				inTime(t, setup{}, func(t *testing.T, r *rig) {
					asked := goodCall(t, e)
					asked.client = client
					gone, leave := context.WithCancel(t.Context())
					leave()
					response, err := r.send(r.request(t, asked).WithContext(gone))
					must(t, err)
					readAnswer(t, response)
					r.wantCallerLeft(t, e.Name, e.Method)
					r.wantWrites(t, 0, 0)
				})
			})
		}
	}
}

// leaver is a caller who leaves when the answer has been written to them.
type leaver struct {
	http.ResponseWriter
	leave context.CancelFunc
}

func (l *leaver) Write(b []byte) (int, error) {
	defer l.leave()
	return l.ResponseWriter.Write(b)
}

// A request that was answered counts as what it was answered with.
func TestCallerWhoLeavesAfterTheAnswer(t *testing.T) {
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
			ctx, leave := context.WithCancel(t.Context())
			recorder := httptest.NewRecorder()
			r.handler.ServeHTTP(&leaver{recorder, leave}, r.request(t, c.call).WithContext(ctx))
			if recorder.Code != c.status {
				t.Errorf("status %d, want %d", recorder.Code, c.status)
			}
			if line := r.log.last(t); line["status"] != float64(c.status) || line["error"] != c.error {
				t.Errorf("logged %v", line)
			}
		})
	}
}

// Our own failure is one, whoever is left to be told.
func TestPanicsOfCallersWhoLeft(t *testing.T) {
	r := start(t, setup{engine: func(o *translate.Options) { o.Reader = panicking{} }})
	gone, leave := context.WithCancel(t.Context())
	leave()
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
			inTime(t, way.setup, func(t *testing.T, r *rig) {
				r.inject(t, "slow delay=5s")
				r.leaving(t, loginCall("groupadmin", passwordOf("groupadmin")), time.Second)
				r.wantCallerLeft(t, "login", http.MethodPost)
				wantCounted(t, r, "ocigate_logins_total", map[string]float64{"CALLER_LEFT": 1})
			})
		})
	}
	t.Run("after the platform has spoken", func(t *testing.T) {
		r := start(t, setup{})
		for _, password := range []string{passwordOf("groupadmin"), "wrong"} {
			ctx, leave := context.WithCancel(t.Context())
			r.handler.ServeHTTP(&leaver{httptest.NewRecorder(), leave}, r.request(t, loginCall("groupadmin", password)).WithContext(ctx))
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

// counting serves the API, and tells the end of each request.
func (r *rig) counting(t *testing.T) (ended chan struct{}) {
	t.Helper()
	ended = make(chan struct{}, 16)
	r.serve(t, http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.handler.ServeHTTP(w, request)
		ended <- struct{}{}
	}))
	return ended
}

// A caller who does not send the whole body has left. A body that is sent
// wrongly is another matter.
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
	ctx, leave := context.WithCancel(t.Context())
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
	leave()
	if err := <-failed; err == nil {
		t.Error("the caller got an answer")
	}
	<-ended
	_ = sending.Close()
	r.wantCallerLeft(t, "itc_numbers_assign", http.MethodPost)
}

// A caller who closes their own side after the request looks like one who left.
// What they read does not blame the platform, and neither does the log.
func TestCallerWhoHalfCloses(t *testing.T) {
	secured := &tls.Config{InsecureSkipVerify: true} // the server is the test's own
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
				readAnswer(t, response).wantError(t, 499, "CALLER_LEFT")
				r.wantCallerLeft(t, "itc_numbers_list", http.MethodGet)
			})
		}
	}
}

// What is no answer of the platform must not be said to be one, nor that a write
// may have been sent.
func TestCredentialsThatAreNotVerifiedInTime(t *testing.T) {
	r := start(t, setup{
		gateway: func(o *gateway.Options) { o.RequestTimeout = 1 },
		auth:    func(o *auth.Options) { o.RememberFor = -1 },
	})
	told := map[string]bool{}
	for range 200 { // it depends on chance whether there is a turn
		got := r.call(t, assignFreeRange())
		got.wantStatus(t, http.StatusServiceUnavailable)
		got.wantOutcome(t, string(operation.NotDone))
		if told[got.apiError(t).Name] = true; told["PLATFORM_BUSY"] {
			break
		}
	}
	if !told["PLATFORM_BUSY"] {
		t.Errorf("told %v", told)
	}
}
