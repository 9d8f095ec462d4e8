package gateway_test

import (
	"fmt"
	"net/http"
	"slices"

	"ocigate/gateway/operation"
)

// The checks of the responses to writes.

// checkResponses checks the responses to all writes.
func (v *checker) checkResponses() {
	for _, ex := range v.exchanges {
		if !ex.write {
			continue
		}
		if ex.response == nil {
			v.count("no response")
			continue
		}
		if ex.dry {
			v.checkDryRun(ex)
			v.checkDryRunBody(ex)
			continue
		}
		v.checkResponse(ex, *ex.response)
	}
}

func (v *checker) checkDryRun(ex *exchange) {
	if len(v.sent[ex.id]) > 0 {
		v.failf("%s was a dry run, and a write was sent", ex.id)
	}
	if ex.response.header.Get("Operation-Id") != "" {
		v.failf("%s was a dry run, and has an operation", ex.id)
	}
}

// checkResponse checks the response to a write. The response to a repeated request is
// about the first one.
func (v *checker) checkResponse(ex *exchange, got response) {
	outcome, id := got.header.Get("Operation-Outcome"), got.header.Get("Operation-Id")
	op, known := v.byID[id]
	replayed := got.header.Get("Idempotency-Replayed") == "true"
	about := ex.id
	if known {
		about = op.RequestID
	}
	if replayed {
		v.count("replayed")
	}
	name := ""
	if got.status >= 400 {
		name = got.apiError(v.t).Name
	}
	switch name {
	case "ENTRIES_HELD":
		v.count("held")
	case "REQUEST_RUNNING":
		v.count("running")
	case "IDEMPOTENCY_KEY_REUSED":
		v.count("key reused")
	}
	fail := func(format string, args ...any) {
		v.failf("%s (about %s) got %d %s, %s at %v: %s", ex.id, about, got.status, name, outcome, ex.at, fmt.Sprintf(format, args...))
	}
	if about != ex.id && v.applied(ex.id) {
		fail("its own write was done")
	}
	if !replayed && id != "" && known && about != ex.id && name != "REQUEST_RUNNING" {
		fail("it has the operation of another")
	}
	if first := v.firstOf(ex); first != "" && !replayed && !slices.Contains([]int{409, 422, 500, 503}, got.status) {
		fail("it repeats %s, whose outcome it did not get", first)
	}
	if ex.request.setsList() && got.status >= 400 {
		v.checkRefusedSet(ex, got, name, about, fail)
	}
	if got.status < 300 && !known {
		fail("there is no such operation")
		return
	}
	switch {
	case ex.request.setsList() && got.status < 300:
		if ex.request.ifMatch != "" {
			v.count("set: the condition held")
		}
		v.checkReport(ex, op, got, fail)
	case name == "REQUEST_RUNNING":
		if v.applied(ex.id) {
			fail("it was done")
		}
	case got.status == http.StatusGatewayTimeout || got.status == http.StatusBadGateway:
		v.count("responded unknown")
		if !known {
			fail("there is no such operation")
		}
		details := got.apiError(v.t).Details
		if outcome != "unknown" || got.header.Get("Retry-After") == "" && !op.isReleased() || len(details.Entries) == 0 || details.Operation != "/api/v1/operations/"+id+"/" {
			fail("entries, operation or Retry-After are missing: %v %s", got.header, got.body)
		}
	default:
		v.checkOutcome(about, outcome, got.status, fail)
	}
}

// checkOutcome checks a response with a definite outcome.
func (v *checker) checkOutcome(about, outcome string, status int, fail func(format string, args ...any)) {
	unclear := v.ambiguous[about] || v.overdue[about]
	switch {
	case status < 300:
		v.count("responded done")
		if outcome != "done" || !v.applied(about) && !unclear {
			fail("it was not done")
		}
	case status < 500 || status == http.StatusServiceUnavailable:
		v.count("responded not done")
		if outcome != "not_done" || v.applied(about) && !unclear {
			fail("it was done")
		}
	default:
		fail("this status promises nothing")
	}
}

// firstOf returns an earlier request with the same key and content that was sent to the
// platform, or "". It skips an ambiguous one with corrections: that may have been
// not_taken before, so that its key was free.
func (v *checker) firstOf(ex *exchange) string {
	for _, other := range v.exchanges {
		op, known := v.byRequest[other.id]
		if other != ex && ex.request.key != "" && other.request == ex.request && known &&
			op.Basis != operation.NotTaken && op.ReceivedAt.Before(ex.asked) &&
			(!v.ambiguous[op.RequestID] || len(op.Corrections) == 0) {
			return other.id
		}
	}
	return ""
}
