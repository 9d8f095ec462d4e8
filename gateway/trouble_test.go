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

// outcomes are what becomes of a write by what the platform does to it: what is
// told, and what is known in the end.
var outcomes = []struct {
	fault    string
	status   int // 0 for that of the good answer
	error    string
	received int    // 1 where it is 0
	state    string // in the end
	knownBy  string
	words    string // the platform's
	meanings map[int]*errcode.Code
}{
	{fault: "slow", state: "done", knownBy: "answer"},
	{fault: "drip", state: "done", knownBy: "answer"},
	{fault: "late-newline", state: "done", knownBy: "answer"},
	{fault: "forced-logout", state: "done", knownBy: "answer"},
	{fault: "huge-table", state: "done", knownBy: "answer"},
	{fault: "apply-late delay=5s", state: "done", knownBy: "answer"},
	// The effect is seen as soon as the answer is known to be lost.
	{fault: "stall-after-apply", state: "done", knownBy: "reading"},
	{fault: "drop-after-apply", state: "done", knownBy: "reading"},
	{fault: "reset-after-apply", state: "done", knownBy: "reading"},
	{fault: "half-reply", state: "done", knownBy: "reading"},
	{fault: "foreign-session", state: "done", knownBy: "reading"},
	{fault: "foreign-echo", state: "done", knownBy: "reading"},
	{fault: "foreign-tracking", state: "done", knownBy: "reading"},
	{fault: "garbage", state: "done", knownBy: "reading"},
	{fault: "wrong-document", state: "done", knownBy: "reading"},
	// Not to see it proves nothing yet.
	{fault: "stall", status: 504, error: "OUTCOME_UNKNOWN", state: "not_done", knownBy: "reading"},
	{fault: "drop-before-apply", status: 504, error: "OUTCOME_UNKNOWN", state: "not_done", knownBy: "reading"},
	{fault: "reset-before-apply", status: 504, error: "OUTCOME_UNKNOWN", state: "not_done", knownBy: "reading"},
	{fault: "forced-logout-instead", status: 504, error: "OUTCOME_UNKNOWN", state: "not_done", knownBy: "reading"},
	// Carried out when nobody waits for it any more, within the settle time.
	{fault: "apply-late delay=40s", status: 504, error: "OUTCOME_UNKNOWN", state: "done", knownBy: "reading"},
	// A definite refusal of the session, twice or three times.
	{fault: "lose-login", status: 503, error: "PLATFORM_UNAVAILABLE", received: 3, state: "not_done", knownBy: "not_taken"},
	{fault: "lose-login times=1", received: 2, state: "done", knownBy: "answer"},
	// A refusal is believed where nothing else is to be seen.
	{fault: "error-before-apply number=4999 summary=no", status: 400, error: "PLATFORM_REFUSED", words: "[Error 4999] no", state: "not_done", knownBy: "answer"},
	{fault: "error-before-apply number=4152 summary=no", status: 404, error: "GROUP_NOT_FOUND", words: "[Error 4152] no", state: "not_done", knownBy: "answer"},
	{fault: "error-before-apply number=4410 summary=no", status: 404, error: "SERVICE_NOT_ASSIGNED", words: "[Error 4410] no", state: "not_done", knownBy: "answer"},
	// Known to mean a status that promises nothing, and yet it is a refusal.
	{fault: "error-before-apply number=5404 summary=no", status: 400, error: "PLATFORM_REFUSED", words: "[Error 5404] no", state: "not_done", knownBy: "answer"},
	{
		fault: "error-before-apply number=4777 summary=taken", status: 400, error: "NOT_AVAILABLE_FOR_ASSIGNMENT", words: "[Error 4777] taken",
		state: "not_done", knownBy: "answer", meanings: map[int]*errcode.Code{4777: errcode.NotAvailableForAssignment},
	},
	{fault: "error-after-apply number=4999", state: "done", knownBy: "reading"},
	// One that asks to come back later is believed no sooner.
	{
		fault: `error-before-apply number=4998 summary="Temporarily Unavailable"`, status: 503, error: "PLATFORM_UNAVAILABLE",
		words: "[Error 4998] Temporarily Unavailable", state: "not_done", knownBy: "not_taken",
	},
	{
		fault: "error-before-apply number=4997 summary=later", status: 503, error: "PLATFORM_UNAVAILABLE", words: "[Error 4997] later",
		state: "not_done", knownBy: "not_taken", meanings: map[int]*errcode.Code{4997: errcode.PlatformUnavailable},
	},
	{fault: `error-after-apply number=4998 summary="temporarily unavailable"`, state: "done", knownBy: "reading"},
	{
		fault: `error-before-apply severity=Warning number=4998 summary="temporarily unavailable"`, status: 502, error: "PLATFORM_ERROR",
		words: "[Warning 4998] temporarily unavailable", state: "not_done", knownBy: "reading",
	},
	// A warning says neither that it was done nor that it was not.
	{fault: "error-after-apply severity=Warning number=4152", state: "done", knownBy: "reading"},
	{fault: "error-after-apply severity=Info number=1", state: "done", knownBy: "reading"},
	{fault: "error-before-apply severity=Warning number=4152 summary=hm", status: 502, error: "PLATFORM_ERROR", words: "[Warning 4152] hm", state: "not_done", knownBy: "reading"},
	{fault: "error-before-apply severity=Info number=1 summary=hm", status: 502, error: "PLATFORM_ERROR", words: "[Info 1] hm", state: "not_done", knownBy: "reading"},
}

// A write is carried out once at the most, whatever happens, what is told of it
// is true, and in the end it is known.
func TestWritesOverAPlatformInTrouble(t *testing.T) {
	for _, w := range writings() {
		for _, c := range underRaceThird(t, outcomes) {
			t.Run(w.endpoint+"/"+c.fault, func(t *testing.T) {
				inTime(t, setup{errors: c.meanings}, func(t *testing.T, r *rig) {
					r.inject(t, withCommand(c.fault, w.command))
					got := r.call(t, w.call)
					var id string
					switch c.status {
					case 0:
						got.wantStatus(t, w.status)
						id = got.wantOutcome(t, "done")
					case http.StatusBadGateway, http.StatusGatewayTimeout:
						id = wantInDoubt(t, got, w)
						wantWords(t, got.wantError(t, c.status, c.error), c.words)
						// The advice is when it is known.
						time.Sleep(got.retryAfter(t) + time.Second)
					default:
						id = got.wantOutcome(t, "not_done")
						told := got.wantError(t, c.status, c.error)
						wantWords(t, told, c.words)
						if details := told.Details; details.Operation != "" || details.Entries != nil {
							t.Errorf("tells of an operation whose end is known: %+v", details)
						}
						if c.status == http.StatusServiceUnavailable {
							got.wantRetryAfter(t)
						}
					}
					applied := 0
					if c.state == "done" {
						applied = 1
					}
					r.wantWrites(t, max(1, c.received), applied)
					r.wantState(t, id, c.state, c.knownBy)
					r.wantHolder(t, w, c.state == "done")
				})
			})
		}
	}
}

// wantInDoubt demands an answer that names what is in doubt, where to ask for
// it, and when.
func wantInDoubt(t *testing.T, got answer, w writing) string {
	t.Helper()
	id := got.wantOutcome(t, "unknown")
	details := got.apiError(t).Details
	if diff := cmp.Diff([]string{w.entry}, details.Entries); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if details.Operation != operationPath(id) {
		t.Errorf("details.operation is %q, the id %s", details.Operation, id)
	}
	got.wantRetryAfter(t)
	return id
}

func wantWords(t *testing.T, told apiError, words string) {
	t.Helper()
	if got := told.Details.Errors["0"].Summary; got != words {
		t.Errorf("the platform's words are %q, want %q", got, words)
	}
}

// wantHolder demands that the row that shows the entry has it as it is when the
// write is done, or as before.
func (r *rig) wantHolder(t *testing.T, w writing, done bool) {
	t.Helper()
	row, ok := rowNamed(w.Shown.By)
	if !ok {
		t.Fatalf("%s is shown by %q, which is no row", w.endpoint, w.Shown.By)
	}
	shown := r.call(t, call{path: ownPath(row), client: w.call.client})
	shown.wantStatus(t, http.StatusOK)
	for text, want := range map[string]bool{w.Shown.Before: !done, w.Shown.After: done} {
		if text != "" && strings.Contains(shown.body, text) != want {
			t.Errorf("%s shows %s: %t", w.Shown.By, text, !want)
		}
	}
}

// Every kind of fault that can befall a write is among them.
func TestEveryKindOfFaultHasAnOutcome(t *testing.T) {
	// For these see TestPlatformThatCannotBeReached.
	tried := map[ocisim.FaultKind]bool{ocisim.Refuse: true, ocisim.StallConnection: true, ocisim.ExpiredPassword: true}
	for _, c := range outcomes {
		tried[parseFault(t, c.fault).Kind] = true
	}
	for _, kind := range ocisim.FaultKinds() {
		if !tried[kind.Kind] {
			t.Errorf("no outcome is known of a write that meets %s", kind.Kind)
		}
	}
}

// A platform that is gone after it took a write leaves it in doubt, and nothing
// else.
func TestPlatformThatIsGoneAfterAWrite(t *testing.T) {
	for fault, state := range map[string]string{"drop-after-apply": "done", "drop-before-apply": "not_done"} {
		t.Run(fault, func(t *testing.T) {
			inTime(t, setup{}, func(t *testing.T, r *rig) {
				w := writingOf("itc_numbers_assign")
				r.get(t, "numbers").wantStatus(t, http.StatusOK) // there is a session
				gone := r.inject(t, "refuse")
				r.inject(t, withCommand(fault, w.command))
				got := r.call(t, w.call)
				got.wantError(t, http.StatusGatewayTimeout, "OUTCOME_UNKNOWN")
				id := wantInDoubt(t, got, w)
				time.Sleep(10 * time.Minute)
				r.wantState(t, id, "unknown", "") // however long it takes
				gone.Remove()
				time.Sleep(2 * time.Minute)
				r.wantState(t, id, state, "reading")
				r.wantHolder(t, w, state == "done")
			})
		})
	}
}

func withCommand(fault, command string) string {
	kind, rest, _ := strings.Cut(fault, " ")
	return strings.TrimSpace(kind + " command=" + command + " " + rest)
}

// A refusal that nothing can be held against is not believed yet, but it is what
// is told in the end.
func TestRefusalThatCannotBeVerified(t *testing.T) {
	inTime(t, setup{}, func(t *testing.T, r *rig) {
		w := writingOf("itc_numbers_assign")
		r.inject(t, withCommand("error-before-apply number=4999 summary=no", w.command))
		unreadable := r.inject(t, "stall skip=1 command=GroupServiceGetAuthorizationRequest")
		got := r.call(t, w.call.keyed("k"))
		wantWords(t, got.wantError(t, http.StatusBadGateway, "PLATFORM_ERROR"), "[Error 4999] no")
		id := wantInDoubt(t, got, w)
		unreadable.Remove()
		time.Sleep(2 * time.Minute)
		r.wantState(t, id, "not_done", "reading")
		again := r.call(t, w.call.keyed("k"))
		wantWords(t, again.wantError(t, http.StatusBadRequest, "PLATFORM_REFUSED"), "[Error 4999] no")
		again.wantReplay(t, id, "not_done")
		r.wantWrites(t, 1, 0)
	})
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
		{`error-before-apply number=4999 summary="NO_OCS_CONNECTION"`, 503, 503, "PLATFORM_UNAVAILABLE"},
		{`error-before-apply number=4999 severity=Warning summary="NO_OCS_CONNECTION"`, 502, 502, "PLATFORM_ERROR"},
		{"error-before-apply number=4410", 404, 404, "SERVICE_NOT_ASSIGNED"},
	} {
		for _, known := range []bool{true, false} {
			if c.fault == "lose-login" && !known {
				continue // a platform forgets sessions between documents, and not inside one
			}
			prepared := func(t *testing.T, test func(t *testing.T, r *rig)) {
				s := setup{engine: func(o *translate.Options) { o.ContextTTL = time.Hour }}
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
			`error-before-apply number=4999 summary="Server Connection Failure"`: "PLATFORM_UNAVAILABLE",
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
	if line := r.log.last(t); line["status"] != 499.0 || line["error"] != "CALLER_LEFT" || line["outcome"] != "done" || fmt.Sprint(line["entries"]) != "[+3225126999]" {
		t.Errorf("logged %v", line)
	}
	wantCounted(t, r, "ocigate_http_requests_total", map[string]float64{"itc_numbers_assign CALLER_LEFT POST 499": 1})
	wantCounted(t, r, "ocigate_operations_total", map[string]float64{"itc_numbers_assign done": 1})
}

// It is no failure of ours.
func TestCallerWhoLeavesDuringARead(t *testing.T) {
	inTime(t, setup{}, func(t *testing.T, r *rig) {
		r.inject(t, "slow delay=5s command=*PrefixGetSummaryListRequest")
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, leave) // synctest's
		response, err := r.send(r.request(t, call{path: ownList("prefixes"), client: system}).WithContext(ctx))
		must(t, err)
		readAnswer(t, response).wantError(t, 499, "CALLER_LEFT")
		r.wantCallerLeft(t, "itc_prefixes_list", http.MethodGet)
	})
}

// A caller who leaves before their write is begun leaves nothing behind.
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

// foundOut makes a request with the key "k", and once more when it is known what
// became of it, which tells that.
func (r *rig) foundOut(t *testing.T, w writing) answer {
	t.Helper()
	r.call(t, w.call.keyed("k"))
	time.Sleep(time.Minute)
	return r.call(t, w.call.keyed("k"))
}

// loseAnswer makes a request that is not carried out, and whose answer is lost.
// It gives the operation's id.
func (r *rig) loseAnswer(t *testing.T, w writing, key string) string {
	t.Helper()
	r.inject(t, withCommand("drop-before-apply times=1", w.command))
	asked := w.call
	if key != "" {
		asked = asked.keyed(key)
	}
	got := r.call(t, asked)
	got.wantError(t, http.StatusGatewayTimeout, "OUTCOME_UNKNOWN")
	return got.wantOutcome(t, "unknown")
}

// halfWriter has the platform do a command but for its last entry.
type halfWriter struct{ gateway.Writer }

func (w halfWriter) Write(ctx context.Context, command oci.Write, before func(string) error) (oci.Reply, error) {
	elements := command.Elements()
	return w.Writer.Write(ctx, oci.NewWrite(command.Name(), elements[:len(elements)-1]...), before)
}

// halfDone is the writing with a second entry, and a rig on which that one is
// not done, and the platform speaks of an error.
func (w writing) halfDone() (writing, setup) {
	w.call.body = w.Half.Body
	return w, setup{
		seed: func(seed *ocisim.Seed) {
			own := &seed.Tenants[slices.IndexFunc(seed.Tenants, func(t ocisim.Tenant) bool { return t.ID == ownTenant })]
			own.Ranges, own.Prefixes = append(own.Ranges, w.Half.Ranges...), append(own.Prefixes, w.Half.Prefixes...)
		},
		faults:  []string{withCommand("error-after-apply number=4999 summary=half", w.command)},
		gateway: func(o *gateway.Options) { o.Writer = halfWriter{o.Writer} },
	}
}
