package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Requests that repeat the key of an earlier one: the response has the outcome of the
// first request, read back again if it was unknown.

func TestKeyReplaysWhatWasDone(t *testing.T) {
	for _, w := range writeCases() {
		t.Run(w.route, func(t *testing.T) {
			r := start(t, setup{})
			first := r.call(t, w.call.keyed("k"))
			first.wantFirst(t, w.status)
			heard := len(r.platform.Ledger())
			for range 2 {
				again := r.call(t, w.call.keyed("k"))
				again.wantStatus(t, w.status)
				again.wantReplay(t, first.wantOutcome(t, "done"), "done")
				if again.body != first.body || again.header.Get("Content-Type") != first.header.Get("Content-Type") {
					t.Errorf("replayed as %q, first was %q", again.body, first.body)
				}
			}
			if len(r.platform.Ledger()) != heard {
				t.Error("the platform was asked")
			}
			r.wantWrites(t, 1, 1)
			// Without the key it is a request like any other.
			r.call(t, w.call).wantRepeated(t, w)
		})
	}
}

// A replay of a refusal has the platform's message, in the form that the caller accepts.
func TestKeyReplaysARefusal(t *testing.T) {
	for fault, name := range map[string]string{
		`error-before-apply number=4999 summary="Not R&D <today>"`: "PLATFORM_REFUSED",
		"error-before-apply number=4410 summary=no":                "SERVICE_NOT_ASSIGNED",
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, setup{})
			injected := r.inject(t, withCommand(fault, assignCommand))
			asked := assignFreeRange().keyed("k")
			first := r.call(t, asked)
			id := first.wantOutcome(t, "not_done")
			injected.Remove()
			again := r.call(t, asked)
			again.wantError(t, first.status, name)
			again.wantReplay(t, id, "not_done")
			if diff := cmp.Diff(first.body, again.body); diff != "" {
				t.Errorf("body (-first +again):\n%s", diff)
			}

			problem := r.call(t, asked.with("Accept", "application/problem+json"))
			problem.wantStatus(t, first.status)
			problem.wantReplay(t, id, "not_done")
			var reported struct {
				Name   string
				Errors json.RawMessage
			}
			must(t, json.Unmarshal([]byte(problem.body), &reported))
			if reported.Name != name || !strings.Contains(first.body, string(reported.Errors)) {
				t.Errorf("as a problem: %s", problem.body)
			}
			r.wantWrites(t, 1, 0)
		})
	}
}

// An unknown outcome is read back once more for a replay, which has the later outcome
// instead of the first one.
func TestKeyReplaysALaterOutcome(t *testing.T) {
	w := writeCaseOf("itc_numbers_assign")
	t.Run("not done", func(t *testing.T) {
		inBubble(t, setup{}, func(t *testing.T, r *rig) {
			id := r.loseReply(t, w, "k")
			time.Sleep(time.Minute)
			again := r.call(t, w.call.keyed("k"))
			failure := again.wantError(t, http.StatusBadRequest, "OPERATION_NOT_DONE")
			again.wantReplay(t, id, "not_done")
			if failure.Details.Entries != nil || failure.Details.Operation != "" {
				t.Errorf("details %+v", failure.Details)
			}
			r.call(t, w.call.keyed("another")).wantFirst(t, http.StatusCreated)
		})
	})
	t.Run("still unknown", func(t *testing.T) {
		inBubble(t, setup{}, func(t *testing.T, r *rig) {
			id := r.loseReply(t, w, "k")
			time.Sleep(2500 * time.Millisecond) // a while after the last reading
			heard := len(r.platform.Ledger())
			again := r.call(t, w.call.keyed("k"))
			again.wantError(t, http.StatusGatewayTimeout, "OUTCOME_UNKNOWN")
			again.wantReplay(t, id, "unknown")
			if wantUnknown(t, again, w) != id {
				t.Error("another operation")
			}
			if len(r.platform.Ledger()) == heard {
				t.Error("the platform was not read")
			}
		})
	})
	t.Run("done meanwhile", func(t *testing.T) {
		inBubble(t, setup{}, func(t *testing.T, r *rig) {
			r.get(t, "numbers").wantStatus(t, http.StatusOK)
			gone := r.inject(t, "refuse") // so that the first reading fails
			r.inject(t, withCommand("drop-after-apply", w.command))
			first := r.call(t, w.call.keyed("k"))
			first.wantError(t, http.StatusGatewayTimeout, "OUTCOME_UNKNOWN")
			gone.Remove()
			time.Sleep(4 * time.Second) // the pause after failed logins
			again := r.call(t, w.call.keyed("k"))
			again.wantStatus(t, http.StatusCreated)
			again.wantReplay(t, first.wantOutcome(t, "unknown"), "done")
			r.wantWrites(t, 1, 1)
		})
	})
	t.Run("not to be seen, because the platform is gone", func(t *testing.T) {
		inBubble(t, setup{}, func(t *testing.T, r *rig) {
			id := r.loseReply(t, w, "k")
			r.inject(t, "stall")
			again := r.call(t, w.call.keyed("k"))
			again.wantError(t, http.StatusGatewayTimeout, "OUTCOME_UNKNOWN")
			again.wantReplay(t, id, "unknown")
			again.wantRetryAfter(t)
		})
	})
}

func TestKeyOfARequestThatRuns(t *testing.T) {
	for name, fault := range map[string]string{
		"is checked": "slow delay=5s command=ServiceProviderGetRequest17sp1",
		"is sent":    "slow delay=5s command=" + assignCommand,
	} {
		t.Run("while it "+name, func(t *testing.T) {
			inBubble(t, setup{faults: []string{fault}}, func(t *testing.T, r *rig) {
				asked := assignFreeRange().keyed("k")
				first := make(chan response, 1)
				go func() { first <- r.call(t, asked) }()
				synctest.Wait()
				again := r.call(t, asked)
				failure := again.wantError(t, http.StatusConflict, "REQUEST_RUNNING")
				if wait := again.header.Get("Retry-After"); wait != "1" {
					t.Errorf("at once, Retry-After is %q", wait)
				}
				id := again.wantOutcome(t, "unknown")
				if failure.Details.Operation != operationPath(id) || again.header.Get("Idempotency-Replayed") != "" {
					t.Errorf("%v %s", again.header, again.body)
				}
				other := asked
				other.path = listOf(ownTenant, "ApioGrpOther", "numbers")
				r.call(t, other).wantError(t, http.StatusUnprocessableEntity, "IDEMPOTENCY_KEY_REUSED")
				time.Sleep(3 * time.Second)
				for name, asked := range map[string]call{"REQUEST_RUNNING": asked, "ENTRIES_HELD": assignFreeRange()} {
					got := r.call(t, asked)
					got.wantError(t, http.StatusConflict, name)
					if wait := got.header.Get("Retry-After"); wait != "3" {
						t.Errorf("after 3 s, Retry-After of %s is %q", name, wait)
					}
				}
				of := <-first
				of.wantFirst(t, http.StatusCreated)
				if of.wantOutcome(t, "done") != id {
					t.Error("the 409 has another operation")
				}
			})
		})
	}
}

// Callers who send the same request get the same outcome, or are asked to wait, and exactly
// one write reaches the platform.
func TestManyCallersWithOneKey(t *testing.T) {
	for _, c := range []struct {
		fault   string
		applied int
		error   string // "" for the good response
	}{
		{"slow delay=2s", 1, ""},
		{"drop-after-apply", 1, ""},
		{"stall-after-apply", 1, ""},
		{"error-after-apply", 1, ""},
		{"drop-before-apply", 0, "OPERATION_NOT_DONE"},
		{"stall", 0, "OPERATION_NOT_DONE"},
		{"error-before-apply", 0, "PLATFORM_REFUSED"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			inBubble(t, setup{faults: []string{withCommand(c.fault, assignCommand)}}, func(t *testing.T, r *rig) {
				const callers = 20
				ends := make(chan response, callers)
				for i := range callers {
					go func() {
						ends <- r.retryUntilEnd(t, assignFreeRange().keyed("k").with("X-Request-Id", fmt.Sprintf("caller-%d", i)))
					}()
				}
				firsts, ids := 0, map[string]bool{}
				for range callers {
					got := <-ends
					if c.error == "" {
						got.wantStatus(t, http.StatusCreated)
					} else {
						got.wantError(t, http.StatusBadRequest, c.error)
					}
					ids[got.header.Get("Operation-Id")] = true
					if got.header.Get("Idempotency-Replayed") == "" {
						firsts++
					}
				}
				if len(ids) != 1 || firsts > 1 {
					t.Errorf("%d operations, %d responses that are no replays", len(ids), firsts)
				}
				r.wantWrites(t, 1, c.applied)
			})
		})
	}
}
