package gateway_test

import (
	"net/http"
	"testing"
	"time"

	"ocigate/oci/ocisim"
	"ocigate/translate/errcode"
)

// Writes with a fault of the platform. Add a fault to outcomes: its first response, how
// often the command arrives, and the final state.

// outcomes are the first response to a write and its final state, by the fault of the
// platform.
var outcomes = []struct {
	fault    string
	status   int // 0 for that of the good response
	error    string
	received int    // 1 if it is 0
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
	// The effect is read back as soon as the reply is known to be lost.
	{fault: "stall-after-apply", state: "done", knownBy: "reading"},
	{fault: "drop-after-apply", state: "done", knownBy: "reading"},
	{fault: "reset-after-apply", state: "done", knownBy: "reading"},
	{fault: "half-reply", state: "done", knownBy: "reading"},
	{fault: "foreign-session", state: "done", knownBy: "reading"},
	{fault: "foreign-echo", state: "done", knownBy: "reading"},
	{fault: "foreign-tracking", state: "done", knownBy: "reading"},
	{fault: "garbage", state: "done", knownBy: "reading"},
	{fault: "wrong-document", state: "done", knownBy: "reading"},
	// A reading without the effect proves nothing yet.
	{fault: "stall", status: 504, error: "OUTCOME_UNKNOWN", state: "not_done", knownBy: "reading"},
	{fault: "drop-before-apply", status: 504, error: "OUTCOME_UNKNOWN", state: "not_done", knownBy: "reading"},
	{fault: "reset-before-apply", status: 504, error: "OUTCOME_UNKNOWN", state: "not_done", knownBy: "reading"},
	{fault: "forced-logout-instead", status: 504, error: "OUTCOME_UNKNOWN", state: "not_done", knownBy: "reading"},
	// Carried out after the caller has got a response, within the settle time.
	{fault: "apply-late delay=40s", status: 504, error: "OUTCOME_UNKNOWN", state: "done", knownBy: "reading"},
	// A definite refusal of the session, twice or three times.
	{fault: "lose-login", status: 503, error: "PLATFORM_UNAVAILABLE", received: 3, state: "not_done", knownBy: "not_taken"},
	{fault: "lose-login times=1", received: 2, state: "done", knownBy: "answer"},
	// A refusal counts if no reading contradicts it.
	{fault: "error-before-apply number=4999 summary=no", status: 400, error: "PLATFORM_REFUSED", words: "[Error 4999] no", state: "not_done", knownBy: "answer"},
	{fault: "error-before-apply number=4152 summary=no", status: 404, error: "GROUP_NOT_FOUND", words: "[Error 4152] no", state: "not_done", knownBy: "answer"},
	{fault: "error-before-apply number=4410 summary=no", status: 404, error: "SERVICE_NOT_ASSIGNED", words: "[Error 4410] no", state: "not_done", knownBy: "answer"},
	// Its number means a status that promises nothing, but it is a refusal.
	{fault: "error-before-apply number=5404 summary=no", status: 400, error: "PLATFORM_REFUSED", words: "[Error 5404] no", state: "not_done", knownBy: "answer"},
	{
		fault: "error-before-apply number=4777 summary=taken", status: 400, error: "NOT_AVAILABLE_FOR_ASSIGNMENT", words: "[Error 4777] taken",
		state: "not_done", knownBy: "answer", meanings: map[int]*errcode.Code{4777: errcode.NotAvailableForAssignment},
	},
	{fault: "error-after-apply number=4999", state: "done", knownBy: "reading"},
	// A temporary refusal counts no earlier.
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
	// A warning proves neither that it was done nor that it was not.
	{fault: "error-after-apply severity=Warning number=4152", state: "done", knownBy: "reading"},
	{fault: "error-after-apply severity=Info number=1", state: "done", knownBy: "reading"},
	{fault: "error-before-apply severity=Warning number=4152 summary=hm", status: 502, error: "PLATFORM_ERROR", words: "[Warning 4152] hm", state: "not_done", knownBy: "reading"},
	{fault: "error-before-apply severity=Info number=1 summary=hm", status: 502, error: "PLATFORM_ERROR", words: "[Info 1] hm", state: "not_done", knownBy: "reading"},
}

// With every fault, a write is carried out at most once, its response is true, and in the
// end its outcome is known.
func TestWritesWithFaults(t *testing.T) {
	for _, w := range writeCases() {
		for _, c := range underRaceSixth(t, outcomes) {
			t.Run(w.route+"/"+c.fault, func(t *testing.T) {
				inBubble(t, setup{errors: c.meanings}, func(t *testing.T, r *rig) {
					r.inject(t, withCommand(c.fault, w.command))
					got := r.call(t, w.call)
					var id string
					switch c.status {
					case 0:
						got.wantStatus(t, w.status)
						id = got.wantOutcome(t, "done")
					case http.StatusBadGateway, http.StatusGatewayTimeout:
						id = wantUnknown(t, got, w)
						wantWords(t, got.wantError(t, c.status, c.error), c.words)
						// Retry-After is when it is known.
						time.Sleep(got.retryAfter(t) + time.Second)
					default:
						id = got.wantOutcome(t, "not_done")
						failure := got.wantError(t, c.status, c.error)
						wantWords(t, failure, c.words)
						if details := failure.Details; details.Operation != "" || details.Entries != nil {
							t.Errorf("the details have an operation whose outcome is known: %+v", details)
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

// outcomes has every kind of fault that can affect a write.
func TestEveryKindOfFaultHasAnOutcome(t *testing.T) {
	// For these see TestPlatformThatCannotBeReached.
	tried := map[ocisim.FaultKind]bool{ocisim.Refuse: true, ocisim.StallConnection: true, ocisim.ExpiredPassword: true}
	for _, c := range outcomes {
		tried[parseFault(t, c.fault).Kind] = true
	}
	for _, kind := range ocisim.FaultKinds() {
		if !tried[kind.Kind] {
			t.Errorf("no outcome is specified for a write with the fault %s", kind.Kind)
		}
	}
}

// If the platform is down after it got a write, the outcome stays unknown until it is up
// again.
func TestPlatformThatIsDownAfterAWrite(t *testing.T) {
	for fault, state := range map[string]string{"drop-after-apply": "done", "drop-before-apply": "not_done"} {
		t.Run(fault, func(t *testing.T) {
			inBubble(t, setup{}, func(t *testing.T, r *rig) {
				w := writeCaseOf("itc_numbers_assign")
				r.get(t, "numbers").wantStatus(t, http.StatusOK) // there is a session
				gone := r.inject(t, "refuse")
				r.inject(t, withCommand(fault, w.command))
				got := r.call(t, w.call)
				got.wantError(t, http.StatusGatewayTimeout, "OUTCOME_UNKNOWN")
				id := wantUnknown(t, got, w)
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

// A refusal that cannot be checked by a reading does not count yet, but it is the final
// response.
func TestRefusalThatCannotBeVerified(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, r *rig) {
		w := writeCaseOf("itc_numbers_assign")
		r.inject(t, withCommand("error-before-apply number=4999 summary=no", w.command))
		unreadable := r.inject(t, "stall skip=1 command=GroupServiceGetAuthorizationRequest")
		got := r.call(t, w.call.keyed("k"))
		wantWords(t, got.wantError(t, http.StatusBadGateway, "PLATFORM_ERROR"), "[Error 4999] no")
		id := wantUnknown(t, got, w)
		unreadable.Remove()
		time.Sleep(2 * time.Minute)
		r.wantState(t, id, "not_done", "reading")
		again := r.call(t, w.call.keyed("k"))
		wantWords(t, again.wantError(t, http.StatusBadRequest, "PLATFORM_REFUSED"), "[Error 4999] no")
		again.wantReplay(t, id, "not_done")
		r.wantWrites(t, 1, 0)
	})
}

// A write whose checks fail is not done, and its status promises that.
func TestChecksOfAWriteWithFaults(t *testing.T) {
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
			// A lost login is recognized only if the complete document is refused.
			"lose-login": map[string]string{first: "PLATFORM_UNAVAILABLE", last: "PLATFORM_CHECK_FAILED"}[command],
		} {
			t.Run(fault+" "+command, func(t *testing.T) {
				inBubble(t, setup{faults: []string{withCommand(fault, command)}}, func(t *testing.T, r *rig) {
					got := r.call(t, assignFreeRange())
					got.wantError(t, http.StatusServiceUnavailable, name)
					got.wantRetryAfter(t)
					r.wantWrites(t, 0, 0)
				})
			})
		}
	}
}
