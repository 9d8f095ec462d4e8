package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	dto "github.com/prometheus/client_model/go"

	"ocigate/gateway/auth"
	"ocigate/oci"
	"ocigate/translate/errcode"
)

func TestFailuresForWantOfASession(t *testing.T) {
	texts := map[string]bool{}
	for _, reason := range oci.BusyReasons() {
		for after, want := range map[time.Duration]string{0: "1", time.Millisecond: "1", 2500 * time.Millisecond: "3", time.Minute: "60"} {
			cause := fmt.Errorf("wrapped: %w", &oci.BusyError{Reason: reason, RetryAfter: after, Waiting: 77})
			for _, failure := range []*errcode.Error{readFailure(cause), checkFailure(cause)} {
				if failure.Code != errcode.PlatformBusy || seconds(failure.RetryAfter) != want || !errors.Is(failure, oci.ErrBusy) {
					t.Errorf("%s after %v: %v, Retry-After %s, want %s", reason, after, failure, seconds(failure.RetryAfter), want)
				}
				if text := failure.Text(); strings.Contains(text, "77") || !strings.HasSuffix(text, "; nothing was changed.") {
					t.Errorf("%s: %q", reason, text)
				}
				texts[failure.Text()] = true
			}
		}
	}
	if len(texts) != len(oci.BusyReasons()) {
		t.Errorf("the reasons have %d messages: %v", len(texts), texts)
	}
	if failure := readFailure(oci.ErrBusy); failure.Code != errcode.PlatformBusy || failure.RetryAfter != shortly {
		t.Errorf("without a reason: %v, %v", failure, failure.RetryAfter)
	}
}

func TestRefusedRequestsAreCountedByReason(t *testing.T) {
	m := NewMetrics("test")
	counts := func() map[string]float64 {
		all := map[string]float64{}
		eachSeries(m.shed, func(series *dto.Metric) { all[labelOf(series, "reason")] = series.GetCounter().GetValue() })
		return all
	}
	c := echo.New().NewContext(httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder())
	for _, reason := range oci.BusyReasons() {
		m.request(&requestInfo{route: noRoute, err: readFailure(&oci.BusyError{Reason: reason})}, c, 0)
		if got := counts()[string(reason)]; got != 1 {
			t.Errorf("%s: %v", reason, got)
		}
	}
	m.request(&requestInfo{route: noRoute}, c, 0)
	m.request(&requestInfo{route: noRoute, err: errcode.New(errcode.PlatformBusy)}, c, 0)
	total := 0.0
	for _, count := range counts() {
		total += count
	}
	if total != float64(len(oci.BusyReasons())) {
		t.Errorf("counted are %v", counts())
	}
}

// The text of a caller is the same for all spellings of a user and all ways in which a client
// sends its secret, and differs between users, clients and issuers of one name.
func TestTextsOfCallers(t *testing.T) {
	text := func(method auth.Method, name string) string {
		return callerKeyOf(auth.Principal{Method: method, Name: name}).text()
	}
	for _, same := range [][2]string{
		{text(auth.MethodToken, "Anna"), text(auth.MethodCookie, "anna")},
		{text(auth.MethodBasic, "portal"), text(auth.MethodAPIKey, "portal")},
	} {
		if same[0] != same[1] {
			t.Errorf("%q and %q are one caller", same[0], same[1])
		}
	}
	for caller, want := range map[string][2]string{
		text(auth.MethodToken, "portal"):  {usedByUser, ""},
		text(auth.MethodAPIKey, "portal"): {usedByClient, "portal"},
		text(auth.MethodOIDC, "basic x"):  {usedByUser, ""},
		"":                                {usedByProgram, ""},
	} {
		if kind, client := userOf(caller); kind != want[0] || client != want[1] {
			t.Errorf("%q is of %q %q, want %q", caller, kind, client, want)
		}
	}
}

func TestWaitOfPreferences(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"wait=5": 5 * time.Second, "Wait = 5": 5 * time.Second, `wait="5"`: 5 * time.Second, "wait=5;x=y": 5 * time.Second, "wait=5, wait=7": 5 * time.Second,
		"return=minimal, wait=2": 2 * time.Second, "wait=007": 7 * time.Second, "wait=1": time.Second,
		"wait=4294967295": maxWaitPreference, "wait=99999999999999999999": maxWaitPreference,
		"wait": 0, "wait=": 0, "wait=0": 0, "wait=-1": 0, "wait=+1": 0, "wait=1.5": 0, "wait=5s": 0, `wait="5`: 0, "wait=x, wait=5": 0, "waiting=5": 0, "wait;5": 0, "": 0,
	} {
		got, ok := waitOf(http.Header{headerPrefer: {value}})
		if got != want && ok || ok != (want > 0) {
			t.Errorf("%q: %v, %t, want %v", value, got, ok, want)
		}
	}
}
