package gateway_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"ocigate/gateway"
	"ocigate/oci"
)

// Temporary refusals of the platform.

// temporarily is a refusal of a platform that has lost its own back end.
const temporarily = `error-before-apply number=4998 summary="The server is temporarily unavailable"`

// wantLater checks for the response that asks to come back in five seconds.
func wantLater(t *testing.T, got response) apiError {
	t.Helper()
	failure := got.wantError(t, http.StatusServiceUnavailable, "PLATFORM_UNAVAILABLE")
	if after := got.header.Get("Retry-After"); after != "5" {
		t.Errorf("Retry-After is %q", after)
	}
	if failure.Message != "The platform is not available at the moment; nothing was changed." {
		t.Errorf("the message is %q", failure.Message)
	}
	return failure
}

// After the Retry-After, the same request with the same key succeeds.
func TestTemporaryRefusalLeavesTheKeyFree(t *testing.T) {
	for _, w := range writeCases() {
		t.Run(w.route, func(t *testing.T) {
			r := start(t, setup{})
			r.inject(t, withCommand(temporarily+" times=1", w.command))
			got := r.call(t, w.call.keyed("k"))
			wantWords(t, wantLater(t, got), "[Error 4998] The server is temporarily unavailable")
			r.wantState(t, got.wantOutcome(t, "not_done"), "not_done", "not_taken")
			r.call(t, w.call.keyed("k")).wantFirst(t, w.status)
			r.wantWrites(t, 2, 1)
		})
	}
}

// If the platform carries out what it has refused, the operation gets that outcome, and
// the key that is free meanwhile stays free.
func TestTemporaryRefusalOfAWriteThatIsDoneLater(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, r *rig) {
		r.inject(t, withCommand(temporarily+" times=1", assignCommand))
		asked := assignFreeRange().keyed("k")
		got := r.call(t, asked)
		wantLater(t, got)
		id := got.wantOutcome(t, "not_done")
		time.Sleep(time.Minute)
		_, err := r.client.Write(t.Context(), oci.NewWrite(assignCommand,
			oci.Text("serviceProviderId", ownTenant), oci.Text("groupId", ownGroup), oci.Text("numberRangeStart", "+32-25126999")), nil)
		must(t, err)
		r.wantState(t, id, "not_done", "not_taken")
		again := r.call(t, asked)
		again.wantError(t, http.StatusBadRequest, "NOT_AVAILABLE_FOR_ASSIGNMENT")
		time.Sleep(5 * time.Minute)
		r.wantState(t, id, "done", "reading")
		wantCounted(t, r, "ocigate_operation_corrections_total", map[string]float64{"itc_numbers_assign": 1})
		r.call(t, asked).wantError(t, http.StatusBadRequest, "NOT_AVAILABLE_FOR_ASSIGNMENT")
	})
}

func TestTemporaryRefusalOfARead(t *testing.T) {
	r := start(t, setup{faults: []string{withCommand(temporarily, "*PrefixGetSummaryListRequest")}})
	wantWords(t, wantLater(t, r.get(t, "prefixes")), "[Error 4998] The server is temporarily unavailable")
}

// The text is the caller's and not the platform's, which only repeats it.
func TestIDsThatHoldTheWordsOfATemporaryRefusal(t *testing.T) {
	r := start(t, setup{})
	for _, id := range []string{"temporarily unavailable", "NO_OCS_CONNECTIONx"} {
		t.Run(id, func(t *testing.T) {
			escaped := url.PathEscape(id)
			r.call(t, call{path: listOf(escaped, "foo", "numbers"), client: system}).wantError(t, http.StatusNotFound, "TENANT_NOT_FOUND")
			r.call(t, call{path: listOf(ownTenant, escaped, "numbers"), client: system}).wantError(t, http.StatusNotFound, "GROUP_NOT_FOUND")
		})
	}
}

// commandsThatVerify returns those that hold a caller's credentials.
func commandsThatVerify(s setup) string {
	if s.overTLS && s.verify != gateway.VerifyByLogin {
		return "AuthenticationVerifyRequest22V4"
	}
	return "Login*"
}

// It proves nothing about the credentials, and does not count as a failed attempt.
func TestTemporaryRefusalOfALogin(t *testing.T) {
	for _, way := range waysToVerify {
		t.Run(way.name, func(t *testing.T) {
			s := way.setup
			r := start(t, s)
			for range 20 {
				r.inject(t, withCommand(temporarily+" times=1", commandsThatVerify(s)))
				got := r.call(t, loginCall("groupadmin", "groupadmin-demo"))
				if wantLater(t, got); strings.Contains(got.body, "4998") || strings.Contains(got.body, "server") {
					t.Errorf("the caller is given the platform's words: %s", got.body)
				}
			}
			if !strings.Contains(r.log.String(), "The server is temporarily unavailable") {
				t.Errorf("the log does not hold the cause: %s", r.log)
			}
			r.login(t, "groupadmin")
		})
	}
}

func TestNoRefusalOfALoginIsInThePlatformsWords(t *testing.T) {
	for _, way := range waysToVerify {
		for _, fault := range []string{
			"error-before-apply number=5404 summary=Rhubarb",
			"error-before-apply number=4152 summary=Rhubarb",
			"error-before-apply number=4999 summary=Rhubarb",
			"error-before-apply number=4962 summary=Rhubarb",
			"error-before-apply severity=Warning number=5404 summary=Rhubarb",
		} {
			t.Run(way.name+"/"+fault, func(t *testing.T) {
				r := start(t, way.setup)
				r.inject(t, withCommand(fault+" times=1", commandsThatVerify(way.setup)))
				got := r.call(t, loginCall("groupadmin", "groupadmin-demo"))
				got.wantStatus(t, http.StatusUnauthorized)
				if failure := got.apiError(t); len(failure.Details.Errors) != 0 || strings.Contains(got.body, "Rhubarb") {
					t.Errorf("the caller is given the platform's words: %s", got.body)
				}
				if !strings.Contains(r.log.String(), "Rhubarb") {
					t.Errorf("the log does not hold the cause: %s", r.log)
				}
			})
		}
	}
}
