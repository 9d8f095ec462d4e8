package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway"
	"ocigate/oci"
	"ocigate/oci/ocisim"
	"ocigate/translate"
	"ocigate/translate/errcode"
)

// inTime is for tests in which commands time out: time is synctest's, and
// there is no network.
func inTime(t *testing.T, s setup, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, startInBubble(t, s)) })
}

// wantWrites demands that the platform received so many writes, and carried
// out so many.
func (r *rig) wantWrites(t *testing.T, received, applied int) {
	t.Helper()
	writes := r.platform.Writes()
	if len(writes) != received {
		t.Errorf("the platform received %d writes, want %d: %+v", len(writes), received, writes)
	}
	done := slices.DeleteFunc(writes, func(w ocisim.Entry) bool { return !w.Applied })
	if len(done) != applied {
		t.Errorf("the platform carried out %d writes, want %d", len(done), applied)
	}
}

const assignCommand = "GroupRouteListEnterpriseTrunkNumberRangeAssignListRequest"

// outcomes are what becomes of a write by what the platform does to it.
var outcomes = []struct {
	fault    string
	status   int
	error    string
	received int // 1 where it is 0
	applied  int
	words    string
	retry    bool // Retry-After
	entries  []string
	meanings map[int]*errcode.Code
}{
	{fault: "slow", status: 201, applied: 1},
	{fault: "drip", status: 201, applied: 1},
	{fault: "late-newline", status: 201, applied: 1},
	{fault: "forced-logout", status: 201, applied: 1},
	{fault: "stall", status: 504, error: "OUTCOME_UNKNOWN", entries: inDoubt},
	{fault: "stall-after-apply", status: 504, error: "OUTCOME_UNKNOWN", entries: inDoubt, applied: 1},
	{fault: "drop-before-apply", status: 504, error: "OUTCOME_UNKNOWN", entries: inDoubt},
	{fault: "drop-after-apply", status: 504, error: "OUTCOME_UNKNOWN", entries: inDoubt, applied: 1},
	{fault: "half-reply", status: 504, error: "OUTCOME_UNKNOWN", entries: inDoubt, applied: 1},
	{fault: "foreign-session", status: 504, error: "OUTCOME_UNKNOWN", entries: inDoubt, applied: 1},
	{fault: "foreign-echo", status: 504, error: "OUTCOME_UNKNOWN", entries: inDoubt, applied: 1},
	{fault: "foreign-tracking", status: 504, error: "OUTCOME_UNKNOWN", entries: inDoubt, applied: 1},
	{fault: "garbage", status: 504, error: "OUTCOME_UNKNOWN", entries: inDoubt, applied: 1},
	{fault: "wrong-document", status: 504, error: "OUTCOME_UNKNOWN", entries: inDoubt, applied: 1},
	{fault: "forced-logout-instead", status: 504, error: "OUTCOME_UNKNOWN", entries: inDoubt},
	{fault: "lose-login", status: 503, error: "PLATFORM_UNAVAILABLE", retry: true, received: 3},
	{fault: "lose-login times=1", status: 201, received: 2, applied: 1},
	{fault: "error-before-apply number=4999 summary=no", status: 400, error: "PLATFORM_REFUSED", words: "[Error 4999] no"},
	{fault: "error-before-apply number=4152 summary=no", status: 404, error: "GROUP_NOT_FOUND", words: "[Error 4152] no"},
	{fault: "error-before-apply number=4410 summary=no", status: 404, error: "SERVICE_NOT_ASSIGNED", words: "[Error 4410] no"},
	// Known to mean a status that promises nothing, and yet it is a refusal.
	{fault: "error-before-apply number=5404 summary=no", status: 400, error: "PLATFORM_REFUSED", words: "[Error 5404] no"},
	{
		fault: "error-before-apply number=4777 summary=taken", status: 400, error: "NOT_AVAILABLE_FOR_ASSIGNMENT", words: "[Error 4777] taken",
		meanings: map[int]*errcode.Code{4777: errcode.NotAvailableForAssignment},
	},
	{fault: "error-after-apply severity=Warning number=4152 summary=hm", status: 502, error: "PLATFORM_ERROR", words: "[Warning 4152] hm", applied: 1},
	{fault: "error-after-apply severity=Info number=1 summary=hm", status: 502, error: "PLATFORM_ERROR", words: "[Info 1] hm", applied: 1},
}

var inDoubt = []string{"+3225126999"}

// A write is carried out once at the most, whatever happens, and what is told of it is true.
func TestWritesOverAPlatformInTrouble(t *testing.T) {
	for _, c := range outcomes {
		t.Run(c.fault, func(t *testing.T) {
			inTime(t, setup{errors: c.meanings}, func(t *testing.T, r *rig) {
				r.inject(t, withCommand(c.fault, assignCommand))
				got := r.call(t, assignFreeRange())
				r.wantWrites(t, max(1, c.received), c.applied)
				if c.error == "" {
					got.wantStatus(t, c.status)
					return
				}
				told := got.wantError(t, c.status, c.error)
				if words := told.Details.Errors["0"].Summary; words != c.words {
					t.Errorf("the platform's words are %q, want %q", words, c.words)
				}
				if diff := cmp.Diff(c.entries, told.Details.Entries); diff != "" {
					t.Errorf("entries (-want +got):\n%s", diff)
				}
				if c.retry {
					got.wantRetryAfter(t)
				}
			})
		})
	}
}

func withCommand(fault, command string) string {
	kind, rest, _ := strings.Cut(fault, " ")
	return strings.TrimSpace(kind + " command=" + command + " " + rest)
}

// Reads that fail are sent once more, except where the platform took too long,
// or refuses to answer.
func TestReadsOverAPlatformInTrouble(t *testing.T) {
	const list = "GroupRouteListEnterpriseTrunkNumberPrefixGetSummaryListRequest"
	for _, c := range []struct {
		fault  string
		once   int    // the status where it happens once
		always int    // where it happens each time
		error  string // then
	}{
		{"slow", 200, 200, ""},
		{"drip", 200, 200, ""},
		{"late-newline", 200, 200, ""},
		{"forced-logout", 200, 200, ""},
		{"stall", 504, 504, "PLATFORM_TIMEOUT"},
		{"drop-before-apply", 200, 502, "PLATFORM_ERROR"},
		{"half-reply", 200, 502, "PLATFORM_ERROR"},
		{"foreign-session", 200, 502, "PLATFORM_ERROR"},
		{"foreign-echo", 200, 502, "PLATFORM_ERROR"},
		{"foreign-tracking", 200, 502, "PLATFORM_ERROR"},
		{"garbage", 200, 502, "PLATFORM_ERROR"},
		{"wrong-document", 200, 502, "PLATFORM_ERROR"},
		{"forced-logout-instead", 200, 502, "PLATFORM_ERROR"},
		{"lose-login", 200, 503, "PLATFORM_UNAVAILABLE"},
		{"error-before-apply number=4999", 502, 502, "PLATFORM_ERROR"},
		{"error-before-apply number=4999 severity=Warning", 502, 502, "PLATFORM_ERROR"},
		{"error-before-apply number=4410", 404, 404, "SERVICE_NOT_ASSIGNED"},
	} {
		for _, known := range []bool{true, false} {
			if c.fault == "lose-login" && !known {
				continue // a platform forgets sessions between documents, and not inside one
			}
			prepared := func(t *testing.T, test func(t *testing.T, r *rig)) {
				s := setup{itc: func(o *translate.Options) { o.ContextTTL = time.Hour }}
				inTime(t, s, func(t *testing.T, r *rig) {
					if known {
						r.get(t, "prefixes").wantStatus(t, http.StatusOK)
					}
					test(t, r)
				})
			}
			t.Run(fmt.Sprintf("%s, once, the group known: %t", c.fault, known), func(t *testing.T) {
				prepared(t, func(t *testing.T, r *rig) {
					r.inject(t, withCommand(c.fault+" times=1", list))
					r.get(t, "prefixes").wantStatus(t, c.once)
					r.get(t, "prefixes").wantStatus(t, http.StatusOK)
				})
			})
			t.Run(fmt.Sprintf("%s, always, the group known: %t", c.fault, known), func(t *testing.T) {
				prepared(t, func(t *testing.T, r *rig) {
					injected := r.inject(t, withCommand(c.fault, list))
					got := r.get(t, "prefixes")
					got.wantStatus(t, c.always)
					if c.error != "" {
						got.wantError(t, c.always, c.error)
					}
					if c.always == http.StatusServiceUnavailable {
						got.wantRetryAfter(t)
					}
					if injected.Hits() > 2 {
						t.Errorf("asked %d times", injected.Hits())
					}
				})
			})
		}
	}
}

// A write whose checks fail is not done, and no status says otherwise.
func TestChecksOfAWriteOverAPlatformInTrouble(t *testing.T) {
	const first, last = "ServiceProviderGetRequest17sp1", "ServiceProviderRouteListEnterpriseTrunkNumberRangeGetAvailableListRequest"
	for _, command := range []string{first, last} {
		for fault, name := range map[string]string{
			"stall":                          "PLATFORM_CHECK_FAILED",
			"drop-before-apply":              "PLATFORM_CHECK_FAILED",
			"garbage":                        "PLATFORM_CHECK_FAILED",
			"half-reply":                     "PLATFORM_CHECK_FAILED",
			"foreign-echo":                   "PLATFORM_CHECK_FAILED",
			"error-before-apply number=5404": "PLATFORM_CHECK_FAILED",
			// Only a document that is refused as a whole tells of a lost login.
			"lose-login": map[string]string{first: "PLATFORM_UNAVAILABLE", last: "PLATFORM_CHECK_FAILED"}[command],
		} {
			t.Run(fault+" "+command, func(t *testing.T) {
				inTime(t, setup{faults: []string{withCommand(fault, command)}}, func(t *testing.T, r *rig) {
					got := r.call(t, assignFreeRange())
					got.wantError(t, http.StatusServiceUnavailable, name)
					got.wantRetryAfter(t)
					r.wantWrites(t, 0, 0)
				})
			})
		}
	}
}

func TestPlatformThatCannotBeReached(t *testing.T) {
	for _, fault := range []string{
		"refuse", "stall-connection", "stall command=AuthenticationRequest", "expired-password",
		"error-before-apply command=LoginRequest14sp4 number=5202", "half-reply command=AuthenticationRequest",
	} {
		t.Run(fault, func(t *testing.T) {
			// Below MaxWait, so that the end of the login is what callers meet.
			s := setup{faults: []string{fault}, platform: func(o *oci.Options) { o.LoginTimeout = 5 * time.Second }}
			inTime(t, s, func(t *testing.T, r *rig) {
				for _, c := range []call{{path: ownList("numbers"), client: system}, assignFreeRange()} {
					for range 2 { // in the first step of the pause, and within it
						got := r.call(t, c)
						got.wantError(t, http.StatusServiceUnavailable, "PLATFORM_UNAVAILABLE")
						got.wantRetryAfter(t)
						if strings.Contains(got.body, "login") || strings.Contains(got.body, gatewayUser) {
							t.Errorf("tells what is not the caller's to know: %s", got.body)
						}
					}
				}
				r.wantWrites(t, 0, 0)
			})
		})
	}
}

// Who waits for the first session meets no busy platform, however long it takes.
func TestPlatformThatIsSlowToLogIn(t *testing.T) {
	s := setup{faults: []string{"stall command=AuthenticationRequest"}, platform: func(o *oci.Options) {
		o.MaxWait, o.LoginTimeout, o.BackoffInitial = time.Second, 5*time.Second, 30*time.Second
	}}
	inTime(t, s, func(t *testing.T, r *rig) {
		for range 2 {
			got := r.get(t, "numbers")
			got.wantError(t, http.StatusServiceUnavailable, "PLATFORM_UNAVAILABLE")
			if after := got.header.Get("Retry-After"); after != "30" {
				t.Errorf("Retry-After is %s", after)
			}
		}
	})
}

func TestPlatformThatComesBack(t *testing.T) {
	inTime(t, setup{}, func(t *testing.T, r *rig) {
		gone := r.inject(t, "refuse")
		r.get(t, "numbers").wantStatus(t, http.StatusServiceUnavailable)
		gone.Remove()
		time.Sleep(2 * time.Second) // synctest's: the pause after the first failure
		r.get(t, "numbers").wantStatus(t, http.StatusOK)
	})
}

func TestAllSessionsInUse(t *testing.T) {
	inTime(t, setup{platform: func(o *oci.Options) { o.MaxSessions, o.MaxWait = 1, time.Second }}, func(t *testing.T, r *rig) {
		r.inject(t, "stall command=*PrefixGetSummaryListRequest")
		first := make(chan answer, 1)
		go func() { first <- r.get(t, "prefixes") }()
		synctest.Wait()
		for _, c := range []call{{path: ownList("numbers"), client: system}, assignFreeRange()} {
			got := r.call(t, c)
			got.wantError(t, http.StatusServiceUnavailable, "PLATFORM_BUSY")
			got.wantRetryAfter(t)
		}
		if got := <-first; got.status != http.StatusGatewayTimeout {
			t.Errorf("the one who has the session is told %d", got.status)
		}
		r.wantWrites(t, 0, 0)
	})
}

// The time of a request bounds its checks, and a write that was not begun in
// time is not done.
func TestRequestTimeout(t *testing.T) {
	inTime(t, setup{gateway: func(o *gateway.Options) { o.RequestTimeout = 5 * time.Second }}, func(t *testing.T, r *rig) {
		r.inject(t, "slow delay=10s command=ServiceProviderGetRequest17sp1")
		start := time.Now()
		r.get(t, "numbers").wantError(t, http.StatusGatewayTimeout, "PLATFORM_TIMEOUT")
		r.call(t, assignFreeRange()).wantError(t, http.StatusServiceUnavailable, "PLATFORM_CHECK_FAILED")
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("two requests took %v", took)
		}
		r.wantWrites(t, 0, 0)
	})
}

func TestRequestTimeoutByDefault(t *testing.T) {
	inTime(t, setup{platform: func(o *oci.Options) { o.CommandTimeout = time.Minute }}, func(t *testing.T, r *rig) {
		r.inject(t, "slow delay=35s command=ServiceProviderGetRequest17sp1")
		start := time.Now()
		r.get(t, "numbers").wantError(t, http.StatusGatewayTimeout, "PLATFORM_TIMEOUT")
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// gate holds back what a platform answers to one kind of command.
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
	// First this, since the answer may be read before Write returns.
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

// What became of a write is learnt and logged, even where nobody is left to be
// told.
func TestCallerWhoLeavesDuringAWrite(t *testing.T) {
	held := &gate{command: assignCommand, reached: make(chan struct{}), released: make(chan struct{})}
	r := start(t, setup{platform: func(o *oci.Options) { o.Dial = held.dial }})
	left, ended := make(chan struct{}), make(chan struct{})
	r.serve(t, http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		context.AfterFunc(request.Context(), func() { close(left) })
		r.handler.ServeHTTP(w, request)
		close(ended)
	}))
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	failed := make(chan error, 1)
	go func() {
		response, err := r.send(r.request(t, assignFreeRange()).WithContext(ctx))
		if err == nil {
			err = response.Body.Close()
		}
		failed <- err
	}()
	<-held.reached
	leave()
	if err := <-failed; err == nil {
		t.Fatal("the caller got an answer")
	}
	<-left
	close(held.released)
	<-ended
	r.wantWrites(t, 1, 1)
	if line := r.log.last(t); line["status"] != 201.0 || line["caller_left"] != true || fmt.Sprint(line["entries"]) != "[+3225126999]" {
		t.Errorf("logged %v", line)
	}
}

// It is no failure of ours.
func TestCallerWhoLeavesDuringARead(t *testing.T) {
	inTime(t, setup{}, func(t *testing.T, r *rig) {
		r.inject(t, "slow delay=5s command=*PrefixGetSummaryListRequest")
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, leave) // synctest's
		response, err := r.send(r.request(t, call{path: ownList("prefixes"), client: system}).WithContext(ctx))
		must(t, err)
		readAnswer(t, response).wantError(t, http.StatusGatewayTimeout, "PLATFORM_TIMEOUT")
		if line := r.log.last(t); line["level"] != "INFO" || line["caller_left"] != true {
			t.Errorf("logged %v", line)
		}
	})
}

// A caller who leaves before his write is begun leaves nothing behind.
func TestCallerWhoLeavesBeforeAWrite(t *testing.T) {
	inTime(t, setup{}, func(t *testing.T, r *rig) {
		r.inject(t, "slow delay=5s command=ServiceProviderRouteList*")
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		response, err := r.send(r.request(t, assignFreeRange()).WithContext(ctx))
		must(t, err)
		readAnswer(t, response)
		time.Sleep(time.Minute) // synctest's
		r.wantWrites(t, 0, 0)
	})
}

// provoked are ways to the errors that no quartet has. Each is tried with every
// endpoint whose row names the error.
var provoked = map[*errcode.Code]func(t *testing.T, e gateway.Endpoint) answer{
	errcode.PlatformTimeout: func(t *testing.T, e gateway.Endpoint) answer {
		return faulty(t, e, "stall", firstCommand(e))
	},
	errcode.PlatformCheckFailed: func(t *testing.T, e gateway.Endpoint) answer {
		return faulty(t, e, "stall", firstCommand(e))
	},
	errcode.PlatformError: func(t *testing.T, e gateway.Endpoint) answer {
		command := firstCommand(e)
		if e.Change != nil {
			command = "*ssignListRequest"
		}
		return faulty(t, e, "error-before-apply severity=Warning number=6004", command)
	},
	errcode.BodyTooLarge: func(t *testing.T, e gateway.Endpoint) answer {
		r := start(t, setup{gateway: func(o *gateway.Options) { o.MaxBodyBytes = 10 }})
		return r.call(t, goodCall(t, e))
	},
	errcode.InvalidParameters:    withBody(`{"username":"a\u0000b","password":"x"}`),
	errcode.JSONSchemaValidation: withBody(`{"username":1}`),
	errcode.BadMediaType:         withBody(`[]`),
}

// firstCommand is what the platform is first asked for an endpoint.
func firstCommand(e gateway.Endpoint) string {
	if e.Session != nil {
		return "AuthenticationVerifyRequest22V4"
	}
	return "ServiceProviderGetRequest17sp1"
}

// faulty has the platform do that to one command of a good request.
func faulty(t *testing.T, e gateway.Endpoint, fault, command string) (got answer) {
	t.Helper()
	s := setup{
		overTLS: e.Session != nil,
		faults:  []string{withCommand(fault, command)},
		seed:    func(seed *ocisim.Seed) { seedOfExample(t, e, seed) },
	}
	inTime(t, s, func(t *testing.T, r *rig) { got = r.call(t, goodCall(t, e)) })
	return got
}

func seedOfExample(t *testing.T, e gateway.Endpoint, seed *ocisim.Seed) {
	t.Helper()
	if e.Session == nil {
		exampleSeed(t, strings.TrimSuffix(e.Name, "_by_post"), ownTenant, ownGroup)(seed)
	}
}

// goodCall is the endpoint's documented example, or a login.
func goodCall(t *testing.T, e gateway.Endpoint) call {
	t.Helper()
	if e.Session != nil {
		return call{method: e.Method, path: e.Path, body: `{"username":"groupadmin","password":"groupadmin-demo"}`}
	}
	asked := quartet{e.Name, "documented"}.request(t)
	return call{method: asked.Method, path: asked.Path, client: system, body: string(asked.Body)}
}

func withBody(body string) func(*testing.T, gateway.Endpoint) answer {
	return func(t *testing.T, e gateway.Endpoint) answer {
		asked := goodCall(t, e)
		asked.body = body
		return start(t, setup{}).call(t, asked)
	}
}

// Every error that a row names happens: in a quartet of the endpoint, or here.
func TestEveryErrorOfARowHappens(t *testing.T) {
	inQuartets := map[string]bool{}
	for _, q := range quartets(t) {
		got := q.response(t)
		if got.Status >= http.StatusBadRequest {
			told := answer{status: got.Status, body: string(got.Body)}.apiError(t)
			inQuartets[q.endpoint+"/"+told.Name] = true
		}
	}
	for _, e := range endpoints() {
		for _, code := range e.Errors {
			name := e.Name + "/" + code.Name
			if inQuartets[name] {
				continue
			}
			t.Run(name, func(t *testing.T) {
				provoke, ok := provoked[code]
				if !ok {
					t.Fatal("nothing provokes it")
				}
				provoke(t, e).wantError(t, code.Status, code.Name)
			})
		}
	}
}

// And no quartet answers with an error that its row does not name.
func TestEveryErrorThatHappensIsOfTheRow(t *testing.T) {
	named := map[string]bool{}
	for _, e := range endpoints() {
		for _, code := range slices.Concat(e.Errors, gateway.CommonErrors()) {
			named[e.Name+"/"+code.Name] = true
		}
	}
	for _, q := range quartets(t) {
		got := q.response(t)
		if got.Status < http.StatusBadRequest {
			continue
		}
		told := answer{status: got.Status, body: string(got.Body)}.apiError(t)
		if !named[q.endpoint+"/"+told.Name] {
			t.Errorf("%s/%s: %s is not among the errors of the row", q.endpoint, q.name, told.Name)
		}
	}
}
