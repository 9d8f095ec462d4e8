package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ocigate/config"
	"ocigate/gateway/operation"
	"ocigate/oci/ocisim"
)

// These tests specify how --wait asks for the outcome of a write. A new kind of answer gets
// an entry in TestPollOutcome.

func TestPollOutcome(t *testing.T) {
	unknown := operationAnswer{status: 200, outcome: "unknown", after: 5 * time.Second}
	done := operationAnswer{status: 200, outcome: "done"}
	broken := operationAnswer{status: 503, failure: errors.New("broken"), after: 2 * time.Second}
	refused := operationAnswer{status: 404, failure: errors.New("gone")}
	lost := errors.New("lost")
	type answer struct {
		operationAnswer
		err error
	}
	for name, test := range map[string]struct {
		answers []answer // the last one is repeated
		want    string   // the outcome
		says    string   // in the error, "" for none
		at      []int    // seconds at which it asks
	}{
		"is known immediately":               {[]answer{{done, nil}}, "done", "", []int{3}},
		"is known later":                     {[]answer{{unknown, nil}, {unknown, nil}, {done, nil}}, "done", "", []int{3, 8, 13}},
		"stays unknown after a release":      {[]answer{{unknown, nil}, {operationAnswer{status: 200, outcome: "unknown"}, nil}}, "unknown", "", []int{3, 8}},
		"is asked for again after a failure": {[]answer{{broken, nil}, {operationAnswer{}, lost}, {operationAnswer{}, lost}, {done, nil}}, "done", "", []int{3, 5, 6, 8}},
		"is not asked for after a refusal":   {[]answer{{unknown, nil}, {refused, nil}}, "unknown", "was refused: gone", []int{3, 8}},
		"is not known in time":               {[]answer{{unknown, nil}}, "unknown", "after 20s, the outcome is still unknown", []int{3, 8, 13, 18}},
		"cannot be asked for":                {[]answer{{operationAnswer{}, lost}}, "", "after 20s, the outcome is still unknown\nlost", []int{3, 4, 6, 10, 18}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				var at []int
				got, err := pollOutcome(t.Context(), 20*time.Second, 3*time.Second, func(context.Context) (operationAnswer, error) {
					at = append(at, int(time.Since(begin).Seconds()))
					a := test.answers[min(len(at), len(test.answers))-1]
					return a.operationAnswer, a.err
				})
				if got.outcome != test.want || !slices.Equal(at, test.at) {
					t.Errorf("%q at %v, want %q at %v", got.outcome, at, test.want, test.at)
				}
				if (err != nil) != (test.says != "") || err != nil && !strings.Contains(err.Error(), test.says) {
					t.Errorf("got %v, want %s", err, test.says)
				}
			})
		})
	}
	t.Run("ends when it is interrupted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			begin := time.Now()
			if _, err := pollOutcome(ctx, time.Hour, time.Minute, nil); err == nil || time.Since(begin) != time.Second {
				t.Errorf("%v after %s", err, time.Since(begin))
			}
		})
	})
}

// TestCallWaits has a server in the place of the gateway report each outcome at last.
func TestCallWaits(t *testing.T) {
	id := operation.NewID()
	for name, test := range map[string]struct {
		id, operation string // what the server answers
		status        int    // to the question for the operation
		code          int
		says, out     string
	}{
		"until it is done":             {id, `{"outcome":"done"}`, 200, 0, "", `{"outcome":"done"}`},
		"until it is not done":         {id, `{"outcome":"not_done"}`, 200, exitRefused, "the outcome of the write " + id + " is not_done", `{"outcome":"not_done"}`},
		"until it is partly done":      {id, `{"outcome":"partly_done"}`, 200, exitPartly, " is partly_done", `{"outcome":"partly_done"}`},
		"until it stays unknown":       {id, `{"outcome":"unknown"}`, 200, exitUnknown, " is unknown", `{"outcome":"unknown"}`},
		"not for what it may not see":  {id, `{"errors":[{"code":1001,"name":"FORBIDDEN","message":"No."}]}`, 403, exitUnknown, "the question for the outcome was refused: 403 Forbidden: error 1001 FORBIDDEN: No.", unknownError},
		"not without an operation":     {"", "", 0, exitUnknown, "the response names no operation to wait for", unknownError},
		"not for what is no operation": {"../login", "", 0, exitUnknown, "the response names no operation to wait for", unknownError},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits a second
			var got receivedCalls
			url := serveCalls(t, func(w http.ResponseWriter, r *http.Request) {
				got.add(r)
				if r.Method == http.MethodGet {
					w.WriteHeader(test.status)
					fmt.Fprint(w, test.operation)
					return
				}
				w.Header().Set("Operation-Id", test.id)
				w.Header().Set("Operation-Outcome", "unknown")
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(http.StatusGatewayTimeout)
				fmt.Fprint(w, unknownError)
			})
			out, errs, err := callAt(t, url, "itc_numbers_set", append([]string{"--body", "{}", "--wait", "1m"}, asClient(t, "portal")...)...)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if exitCode(err) != test.code || !strings.Contains(text, test.says) || out != test.out {
				t.Errorf("exit code %d, want %d: %s, wrote %s %s", exitCode(err), test.code, text, out, errs)
			}
			writes := 0
			for _, r := range got.all() {
				if r.Method == http.MethodPut {
					writes++
				} else if r.URL.Path != "/api/v1/operations/"+id+"/" || r.Header.Get("Authorization") == "" || r.Header.Get("Idempotency-Key") != "" {
					t.Errorf("asked for %s with %v", r.URL, r.Header)
				}
			}
			if writes != 1 {
				t.Errorf("%d writes", writes)
			}
		})
	}
}

// The report of a write of which a part is unknown is no error, and the message must not
// take it for one.
func TestCallExplainsAReport(t *testing.T) {
	url := serveCalls(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Operation-Outcome", "unknown")
		w.WriteHeader(http.StatusMultiStatus)
		fmt.Fprint(w, `{"result":[]}`)
	})
	_, _, err := callAt(t, url, "itc_numbers_set", "--body", "{}", "--wait", "1m")
	if want := "207 Multi-Status: whether a part of the write was done is unknown\n  the response names no operation to wait for"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestCallWaitsForAGateway loses a write on its way to the platform. The gateway learns
// after journal.settle that it was not done.
func TestCallWaitsForAGateway(t *testing.T) {
	t.Parallel() // it waits for the outcome
	seed := ocisim.DemoSeed()
	seed.Faults = []ocisim.Fault{{Kind: ocisim.DropBeforeApply, Command: "GroupRouteList*NumberRangeAssignListRequest", Times: 1}}
	g, platform := startFor(t, seed, func(c *config.Config) { c.Journal.Settle = time.Second })
	args := append([]string{
		"call", "itc_numbers_assign", "--url", "http://" + g.api, "--tenant", "ApioSpTest", "--group", "ApioGrpTest",
		"--body", `{"numbers":[{"minPhoneNumber":"+3225126999"}]}`, "--wait", "1m",
	}, asClient(t, "tenant")...)
	out, errs, err := execute(t, "", args...)
	if exitCode(err) != exitRefused || valueOf(t, out, "outcome") != "not_done" || !strings.Contains(errs, "the outcome is unknown; waiting up to 1m0s for it\n") {
		t.Errorf("exit code %d: %v, wrote %s %s", exitCode(err), err, out, errs)
	}
	if n := len(platform.Writes()); n != 1 {
		t.Errorf("the platform received %d writes", n)
	}
}
