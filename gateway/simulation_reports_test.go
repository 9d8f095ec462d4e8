package gateway_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"ocigate/gateway/operation"
	"ocigate/oci/ocisim"
)

// What answers, readings of operations and the audit trail say of the entries of
// writes, against what became of them.

// reported is the answer to a request that sets a list.
type reported struct {
	Result []struct {
		MinPhoneNumber, Prefix string
		Status                 string
	}
}

// judgeReport holds what an answer says of each entry against the truth. op is
// what it is about.
func (v *verdict) judgeReport(told *telling, op toldOperation, got answer, complain func(format string, args ...any)) {
	var body reported
	if err := json.Unmarshal([]byte(got.body), &body); err != nil {
		complain("%v", err)
		return
	}
	if len(body.Result) != len(op.Entries) {
		complain("it reports %d entries of %d", len(body.Result), len(op.Entries))
		return
	}
	is, wanted := v.truthOf(op), told.wish.names()
	blurred := v.blurred[op.RequestID] || v.overdue[op.RequestID]
	counts := map[string]int{}
	for i, r := range body.Result {
		counts[r.Status]++
		name := nameOf(r.MinPhoneNumber + r.Prefix)
		if name != nameOf(op.Entries[i].Entry) {
			complain("it reports %q where the operation has %q", name, op.Entries[i].Entry)
		}
		if (r.Status == "added" || r.Status == "unchanged") && i >= len(wanted) || r.Status == "removed" && i < len(wanted) {
			complain("it reports %s as %s, and the body has %v", name, r.Status, wanted)
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
			complain("it reports %s as %q", name, r.Status)
		}
		if !right && !blurred {
			complain("it reports %s as %s, and it is %v (changed: %v)", name, r.Status, is.outcomes[i], is.changed[i])
		}
	}
	v.judgeWhole(op, got, counts, complain)
}

// judgeWhole holds status and headers of a report against its entries.
func (v *verdict) judgeWhole(op toldOperation, got answer, counts map[string]int, complain func(format string, args ...any)) {
	changed := counts["added"] + counts["removed"]
	outcome, waits := got.header.Get("Operation-Outcome"), got.header.Get("Retry-After") != ""
	switch {
	case got.status == http.StatusOK:
		v.count("set: answered 200")
		if counts["rejected"]+counts["unknown"] > 0 || outcome != "done" || waits {
			complain("not all of that is done: %v", counts)
		}
	case got.status != http.StatusMultiStatus:
		complain("a report has another status")
	case changed == 0 || counts["rejected"]+counts["unknown"] == 0:
		complain("its entries do not differ: %v", counts)
	case counts["unknown"] > 0:
		v.count("set: answered 207, unknown")
		if outcome != "unknown" || !waits && !op.isReleased() {
			complain("it does not say that some of that is not known: %v", counts)
		}
	default:
		v.count("set: answered 207, partly_done")
		if outcome != "partly_done" || waits {
			complain("that is partly done: %v", counts)
		}
	}
	if got.status == http.StatusMultiStatus && got.header.Get("Idempotency-Replayed") == "true" {
		v.count("set: a 207 was replayed")
	}
}

// mayBeUnknown reports whether an entry is of the last step that was intended: those
// before it are done, and those behind it can never be sent.
func (v *verdict) mayBeUnknown(op toldOperation, place int) bool {
	step, w := 1, v.wishOf(op.RequestID)
	if wanted := len(w.names()); w.setsList() && len(op.Entries) > wanted && place < wanted {
		step = 2 // which assigns, after the one that removes
	}
	is := v.truthOf(op)
	return v.intents[op.RequestID] == step && (is.changed[place] || is.outcomes[place] != operation.Done)
}

// judgeSaid holds what a reading of operations said of entries at some time against
// the truth.
func (v *verdict) judgeSaid(said saying, op toldOperation) {
	is := v.truthOf(op)
	if len(said.entries) != len(op.Entries) {
		if !said.state.Running() { // the plan may have come later
			v.failf("%s of %s was said to have %d entries at %v, and has %d", op.ID, op.RequestID, len(said.entries), said.at, len(op.Entries))
		}
		return
	}
	for i, outcome := range said.entries {
		switch {
		case outcome == operation.Unknown && (said.state.Running() || v.mayBeUnknown(op, i)), is.outcomes[i] == operation.Unknown, outcome == is.outcomes[i]:
		default:
			v.failf("the entry %s of %s of %s was said to be %s at %v, and it is %s", op.Entries[i].Entry, op.ID, op.RequestID, outcome, said.at, is.outcomes[i])
		}
	}
}

// wasSent reports whether a command of a request that was handed over names an
// entry.
func (v *verdict) wasSent(request, name string) bool {
	return slices.ContainsFunc(v.handed[request], func(h handing) bool { return slices.Contains(h.names, name) })
}

// judgeRefusedSet holds an error that answers a request to set a list against the
// ledger. about is the request that it speaks of.
func (v *verdict) judgeRefusedSet(told *telling, got answer, name, about string, complain func(format string, args ...any)) {
	if name == "PRECONDITION_FAILED" {
		v.count("set: the condition failed")
		if len(v.handed[told.request]) > 0 {
			complain("something was sent: %v", v.handed[told.request])
		}
		v.judgeCondition(told, complain)
	}
	if got.status < http.StatusInternalServerError && name != "REQUEST_RUNNING" && len(v.handed[told.request]) > 0 && name != "PLATFORM_REFUSED" && name != "OPERATION_NOT_DONE" && about == told.request {
		// The platform's refusal of the first step is no other error than these
		// two, and one of the table of its errors.
		if !slices.ContainsFunc(v.received[told.request], func(e ocisim.Entry) bool { return e.Error != 0 }) {
			complain("something was sent: %v", v.handed[told.request])
		}
	}
	if name == "REQUEST_RUNNING" || name == "ENTRIES_HELD" || name == "IDEMPOTENCY_KEY_REUSED" {
		return
	}
	for _, h := range v.handed[about] {
		if assigns(h.command) && v.stepsOf(about) > 1 && h.at <= told.at && !v.blurred[about] {
			complain("a step was done by then, and the answer does not say so: %v", v.handed[about])
		}
	}
}

// judgeCondition demands of a failed condition that the list was, or may have been,
// another than the tag's.
func (v *verdict) judgeCondition(told *telling, complain func(format string, args ...any)) {
	w := told.wish
	if w.ifMatch == "*" || w.ifMatch == "" {
		complain("it had no condition that can fail")
	}
	tagged, known := v.lists.with(w.ifMatch)
	if !known || v.wasPadded(v.since(told.asked), told.at) {
		return
	}
	states := v.history.during(w.list(), v.since(told.asked), told.at)
	if len(states) == 1 && slices.Equal(states[0], tagged) {
		complain("the list was that of the tag all the time: %v", tagged)
	}
}

// wasPadded reports whether the platform answered with longer tables than it has.
func (v *verdict) wasPadded(from, to time.Duration) bool {
	return slices.ContainsFunc(v.ledger, func(e ocisim.Entry) bool {
		at := v.since(e.Time)
		return at >= from && at <= to && slices.Contains(e.Faults, ocisim.HugeTable)
	})
}

// judgeRehearsal demands of a dry run that it was the difference between its body
// and what the list had.
func (v *verdict) judgeRehearsal(told *telling) {
	if !told.wish.setsList() || told.answer.status != http.StatusOK || len(v.overdue) > 0 {
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
	must(v.t, json.Unmarshal([]byte(told.answer.body), &body))
	var adds, removes []string
	for _, c := range body.Changes {
		switch group := told.wish.list().group; {
		case c.Before.GroupID == nil && c.After.GroupID != nil && *c.After.GroupID == group:
			adds = append(adds, nameOf(c.Entry))
		case c.After.GroupID == nil && c.Before.GroupID != nil && *c.Before.GroupID == group:
			removes = append(removes, nameOf(c.Entry))
		default:
			v.failf("%s was a dry run, and shows %s", told.request, told.answer.body)
		}
	}
	slices.Sort(adds)
	slices.Sort(removes)
	states := v.history.during(told.wish.list(), v.since(told.asked), told.at)
	fits := func(had []string) bool {
		both := slices.Sorted(slices.Values(slices.Concat(had, adds)))
		both = slices.DeleteFunc(both, func(name string) bool { return slices.Contains(removes, name) })
		return slices.Equal(both, slices.Sorted(slices.Values(told.wish.names())))
	}
	if !slices.ContainsFunc(states, fits) {
		v.failf("%s was a dry run of %v, and shows %s, and the list was %v", told.request, told.wish.names(), told.answer.body, states)
	}
}

// judgeReads demands that each list that was read was the platform's at that time,
// and that one entity tag stands for one content.
func (v *verdict) judgeReads() {
	for _, tag := range v.lists.differ {
		v.failf("the entity tag %s was that of two contents", tag)
	}
	for _, told := range v.told {
		l := told.wish.list()
		if told.write || told.answer == nil || told.answer.status != http.StatusOK || l == (list{}) || v.wasPadded(v.since(told.asked), told.at) {
			continue
		}
		read := slices.Sorted(slices.Values(entriesIn(told.answer.body)))
		states := v.history.during(l, v.since(told.asked), told.at)
		if !slices.ContainsFunc(states, func(had []string) bool { return slices.Equal(had, read) }) {
			v.failf("%s read %v, and the list %v was %v", told.request, read, l, states)
		}
	}
}

// judgeIntent demands that the intent in the audit trail has every entry of every
// command that was sent, with its step and its values.
func (v *verdict) judgeIntent(request string, intent operation.Event) {
	for _, h := range v.handed[request] {
		for _, name := range h.names {
			at := slices.IndexFunc(intent.Entries, func(e operation.Entry) bool { return nameOf(e.Start) == name })
			if at < 0 {
				v.failf("the intent of %s does not have %s, which was sent: %v", request, name, h)
				continue
			}
			e := intent.Entries[at]
			step := 1
			if w := v.wishOf(request); w.setsList() && assigns(h.command) && len(intent.Entries) > len(w.names()) {
				step = 2
			}
			gains := strings.Contains(string(e.Before), "null") && !strings.Contains(string(e.After), "null")
			if e.Step != step || gains != assigns(h.command) {
				v.failf("the intent of %s has %s in step %d from %s to %s, and it was sent with %v", request, name, e.Step, e.Before, e.After, h)
			}
		}
	}
}

// judgeOutcomes demands that the audit trail says of each entry what the operation
// does in the end.
func (v *verdict) judgeOutcomes(op toldOperation, event operation.Event) {
	if op.isReleased() {
		return // what was found out afterwards may not be in it
	}
	if len(event.Entries) != len(op.Entries) {
		v.failf("the audit trail has %d entries of %s, of %d", len(event.Entries), op.RequestID, len(op.Entries))
		return
	}
	for i, e := range event.Entries {
		if e.Given != op.Entries[i].Entry || e.Outcome != op.Entries[i].Outcome {
			v.failf("the audit trail says that %s of %s is %q, and it is %s", e.Given, op.RequestID, e.Outcome, op.Entries[i].Outcome)
		}
	}
}
