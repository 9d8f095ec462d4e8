package gateway_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"ocigate/gateway/operation"
	"ocigate/oci/ocisim"
)

// The checks of what responses, listed operations and dry runs report of the entries of
// writes.

// reported is the response to a request that sets a list.
type reported struct {
	Result []struct {
		MinPhoneNumber, Prefix string
		Status                 string
	}
}

// checkReport checks the status of each entry in a response. op is the operation that the
// response is about.
func (v *checker) checkReport(ex *exchange, op apiOperation, got response, fail func(format string, args ...any)) {
	var body reported
	if err := json.Unmarshal([]byte(got.body), &body); err != nil {
		fail("%v", err)
		return
	}
	if len(body.Result) != len(op.Entries) {
		fail("it reports %d entries of %d", len(body.Result), len(op.Entries))
		return
	}
	is, wanted := v.actualOf(op), ex.request.names()
	ambiguous := v.ambiguous[op.RequestID] || v.overdue[op.RequestID]
	counts := map[string]int{}
	for i, r := range body.Result {
		counts[r.Status]++
		name := nameOf(r.MinPhoneNumber + r.Prefix)
		if name != nameOf(op.Entries[i].Entry) {
			fail("it reports %q where the operation has %q", name, op.Entries[i].Entry)
		}
		if (r.Status == "added" || r.Status == "unchanged") && i >= len(wanted) || r.Status == "removed" && i < len(wanted) {
			fail("it reports %s as %s, and the body has %v", name, r.Status, wanted)
		}
		right := true
		switch r.Status {
		case "added", "removed":
			right = is.changed[i]
		case "unchanged":
			right = !is.changed[i] && is.outcomes[i] != operation.NotDone && !v.wasSent(op.RequestID, name)
		case "rejected":
			right = is.outcomes[i] != operation.Done
		case "unknown":
			right = v.mayBeUnknown(op, i)
		default:
			fail("it reports %s as %q", name, r.Status)
		}
		if !right && !ambiguous {
			fail("it reports %s as %s, and it is %v (changed: %v)", name, r.Status, is.outcomes[i], is.changed[i])
		}
	}
	v.checkReportStatus(op, got, counts, fail)
}

// checkReportStatus checks that status and headers of a report match its entries.
func (v *checker) checkReportStatus(op apiOperation, got response, counts map[string]int, fail func(format string, args ...any)) {
	changed := counts["added"] + counts["removed"]
	outcome, waits := got.header.Get("Operation-Outcome"), got.header.Get("Retry-After") != ""
	switch {
	case got.status == http.StatusOK:
		v.count("set: responded 200")
		if counts["rejected"]+counts["unknown"] > 0 || outcome != "done" || waits {
			fail("not all of that is done: %v", counts)
		}
	case got.status != http.StatusMultiStatus:
		fail("a report has another status")
	case changed == 0 || counts["rejected"]+counts["unknown"] == 0:
		fail("its entries do not differ: %v", counts)
	case counts["unknown"] > 0:
		v.count("set: responded 207, unknown")
		if outcome != "unknown" || !waits && !op.isReleased() {
			fail("outcome or Retry-After do not show that some of that is unknown: %v", counts)
		}
	default:
		v.count("set: responded 207, partly_done")
		if outcome != "partly_done" || waits {
			fail("that is partly done: %v", counts)
		}
	}
	if got.status == http.StatusMultiStatus && got.header.Get("Idempotency-Replayed") == "true" {
		v.count("set: a 207 was replayed")
	}
}

// mayBeUnknown reports whether an entry belongs to the last step with a recorded intent:
// the steps before it are done, and those after it can never be sent.
func (v *checker) mayBeUnknown(op apiOperation, place int) bool {
	step, w := 1, v.requestOf(op.RequestID)
	if wanted := len(w.names()); w.setsList() && len(op.Entries) > wanted && place < wanted {
		step = 2 // which assigns, after the one that removes
	}
	is := v.actualOf(op)
	return v.intents[op.RequestID] == step && (is.changed[place] || is.outcomes[place] != operation.Done)
}

// checkListed checks the entries of an operation as it was listed at some time.
func (v *checker) checkListed(seen listedState, op apiOperation) {
	is := v.actualOf(op)
	if len(seen.entries) != len(op.Entries) {
		if !seen.state.Running() { // the plan may have come later
			v.failf("%s of %s was listed with %d entries at %v, and has %d", op.ID, op.RequestID, len(seen.entries), seen.at, len(op.Entries))
		}
		return
	}
	for i, outcome := range seen.entries {
		switch {
		case outcome == operation.Unknown && (seen.state.Running() || v.mayBeUnknown(op, i)), is.outcomes[i] == operation.Unknown, outcome == is.outcomes[i]:
		default:
			v.failf("the entry %s of %s of %s was listed as %s at %v, and it is %s", op.Entries[i].Entry, op.ID, op.RequestID, outcome, seen.at, is.outcomes[i])
		}
	}
}

// wasSent reports whether a command that was sent for a request names an entry.
func (v *checker) wasSent(request, name string) bool {
	return slices.ContainsFunc(v.sent[request], func(h sentWrite) bool { return slices.Contains(h.names, name) })
}

// checkRefusedSet checks an error response to a request that sets a list. about is the
// request whose outcome the response has.
func (v *checker) checkRefusedSet(ex *exchange, got response, name, about string, fail func(format string, args ...any)) {
	if name == "PRECONDITION_FAILED" {
		v.count("set: the condition failed")
		if len(v.sent[ex.id]) > 0 {
			fail("something was sent: %v", v.sent[ex.id])
		}
		v.checkCondition(ex, fail)
	}
	if got.status < http.StatusInternalServerError && name != "REQUEST_RUNNING" && len(v.sent[ex.id]) > 0 && name != "PLATFORM_REFUSED" && name != "OPERATION_NOT_DONE" && about == ex.id {
		// A refusal of the first step by the platform is one of these two errors, or one
		// that its error number is mapped to.
		if !slices.ContainsFunc(v.received[ex.id], func(e ocisim.Entry) bool { return e.Error != 0 }) {
			fail("something was sent: %v", v.sent[ex.id])
		}
	}
	if name == "REQUEST_RUNNING" || name == "ENTRIES_HELD" || name == "IDEMPOTENCY_KEY_REUSED" {
		return
	}
	for _, h := range v.sent[about] {
		if assigns(h.command) && v.stepsOf(about) > 1 && h.at <= ex.at && !v.ambiguous[about] {
			fail("a step was done by then, and the response does not report it: %v", v.sent[about])
		}
	}
}

// checkCondition checks that a condition failed because the list differed from the one
// with the tag at some instant.
func (v *checker) checkCondition(ex *exchange, fail func(format string, args ...any)) {
	w := ex.request
	if w.ifMatch == "*" || w.ifMatch == "" {
		fail("it had no condition that can fail")
	}
	tagged, known := v.lists.contentOf(w.ifMatch)
	if !known || v.wasPadded(v.since(ex.asked), ex.at) {
		return
	}
	states := v.history.during(w.list(), v.since(ex.asked), ex.at)
	if len(states) == 1 && slices.Equal(states[0], tagged) {
		fail("the list was that of the tag all the time: %v", tagged)
	}
}

// wasPadded reports whether the platform replied with longer tables than it has.
func (v *checker) wasPadded(from, to time.Duration) bool {
	return slices.ContainsFunc(v.ledger, func(e ocisim.Entry) bool {
		at := v.since(e.Time)
		return at >= from && at <= to && slices.Contains(e.Faults, ocisim.HugeTable)
	})
}

// checkDryRunBody checks that a dry run shows the difference between its body and the
// list.
func (v *checker) checkDryRunBody(ex *exchange) {
	if !ex.request.setsList() || ex.response.status != http.StatusOK || len(v.overdue) > 0 {
		return
	}
	v.count("set: a dry run")
	var body struct {
		DryRun  bool `json:"dry_run"`
		Changes []struct {
			Entry         string
			Before, After struct{ GroupID *string }
		}
	}
	must(v.t, json.Unmarshal([]byte(ex.response.body), &body))
	var adds, removes []string
	for _, c := range body.Changes {
		switch group := ex.request.list().group; {
		case c.Before.GroupID == nil && c.After.GroupID != nil && *c.After.GroupID == group:
			adds = append(adds, nameOf(c.Entry))
		case c.After.GroupID == nil && c.Before.GroupID != nil && *c.Before.GroupID == group:
			removes = append(removes, nameOf(c.Entry))
		default:
			v.failf("%s was a dry run, and shows %s", ex.id, ex.response.body)
		}
	}
	slices.Sort(adds)
	slices.Sort(removes)
	states := v.history.during(ex.request.list(), v.since(ex.asked), ex.at)
	fits := func(had []string) bool {
		both := slices.Sorted(slices.Values(slices.Concat(had, adds)))
		both = slices.DeleteFunc(both, func(name string) bool { return slices.Contains(removes, name) })
		return slices.Equal(both, slices.Sorted(slices.Values(ex.request.names())))
	}
	if !slices.ContainsFunc(states, fits) {
		v.failf("%s was a dry run of %v, and shows %s, and the list was %v", ex.id, ex.request.names(), ex.response.body, states)
	}
}

// checkReads checks that each list that was read was the platform's at that time, and that
// no entity tag was used for two contents.
func (v *checker) checkReads() {
	for _, tag := range v.lists.conflicting {
		v.failf("two contents had the entity tag %s", tag)
	}
	for _, ex := range v.exchanges {
		l := ex.request.list()
		if ex.write || ex.response == nil || ex.response.status != http.StatusOK || l == (list{}) || v.wasPadded(v.since(ex.asked), ex.at) {
			continue
		}
		read := slices.Sorted(slices.Values(entriesIn(ex.response.body)))
		states := v.history.during(l, v.since(ex.asked), ex.at)
		if !slices.ContainsFunc(states, func(had []string) bool { return slices.Equal(had, read) }) {
			v.failf("%s read %v, and the list %v was %v", ex.id, read, l, states)
		}
	}
}
