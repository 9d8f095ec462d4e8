//go:build linux

package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"ocigate/oci/ocisim"
)

// setTruth is the effect of an operation that replaces a list, according to the ledger.
type setTruth struct {
	before  []string // the list, before its first step, sorted
	wanted  []string // in the order of the body
	added   []string // by steps that were carried out
	removed []string // by steps that were carried out
}

func (op *apiOperation) isSet() bool { return strings.HasSuffix(op.Endpoint, "_set") }

// truthsOfSets derives the effect of each operation that replaced a list, in their order.
func (k *checker) truthsOfSets(byLane map[string][]*recorded) {
	for _, ops := range byLane {
		has := []string{}
		for _, op := range ops {
			if !op.isSet() {
				break
			}
			op.truth = &setTruth{before: has}
			if w := k.writeOf[op.RequestID]; w != nil {
				op.truth.wanted = w.set.wanted
			}
			for _, e := range op.received {
				if !e.Applied {
					continue
				}
				for _, n := range e.Numbers {
					if name := plainName(n); assigns(&e) {
						op.truth.added = append(op.truth.added, name)
					} else {
						op.truth.removed = append(op.truth.removed, name)
					}
				}
			}
			has = sorted(without(append(slices.Clone(has), op.truth.added...), op.truth.removed))
		}
	}
}

func sorted(names []string) []string { return slices.Sorted(slices.Values(names)) }

func without(names, others []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(others, name) })
}

// outcome returns the outcome of an entry. An entry that was already as wanted is done.
func (s *setTruth) outcome(name string) result {
	if slices.Contains(s.wanted, name) == (slices.Contains(s.added, name) || slices.Contains(s.before, name) && !slices.Contains(s.removed, name)) {
		return wasDone
	}
	return wasNotDone
}

// state returns the state of the complete operation.
func (s *setTruth) state() result {
	entries := append(slices.Clone(s.wanted), without(s.before, s.wanted)...)
	switch {
	case !slices.ContainsFunc(entries, func(name string) bool { return s.outcome(name) != wasDone }):
		return wasDone
	case len(s.added)+len(s.removed) == 0:
		return wasNotDone
	}
	return wasPartly
}

// checkSet compares an operation that replaces a list with the commands that the platform
// received, and with the contents of the list.
func (k *checker) checkSet(op *recorded) {
	if k.writeOf[op.RequestID] == nil {
		k.finding(unexpected, "no caller requested it:\n%s", k.show(op))
		return
	}
	if op.truth == nil { // nothing was to be sent
		op.truth = k.unneeded(op)
		if op.truth == nil {
			k.finding(falseDone, "the list never had the wanted content:\n%s", k.show(op))
			return
		}
	}
	k.checkSteps(op)
	is := op.truth
	switch state := is.state(); {
	case !op.State.ended():
		k.finding(stillUnknown, "%s", k.show(op))
	case op.State == wasDone && state != wasDone:
		k.finding(falseDone, "by the ledger it is %s, of the list %v:\n%s", state, is.before, k.show(op))
	case op.State == wasNotDone && state != wasNotDone:
		k.finding(falseNotDone, "by the ledger it is %s, of the list %v:\n%s", state, is.before, k.show(op))
	case op.State != state:
		k.finding(misreported, "by the ledger it is %s, of the list %v:\n%s", state, is.before, k.show(op))
	}
	var names []string
	for _, e := range op.Entries {
		name := plainName(e.Entry)
		names = append(names, name)
		if e.Outcome != is.outcome(name) {
			k.finding(misreported, "entry %s is reported as %s, and is %s, of the list %v:\n%s", name, e.Outcome, is.outcome(name), is.before, k.show(op))
		}
	}
	if n := len(is.wanted); len(names) < n || !slices.Equal(names[:n], is.wanted) || !slices.Equal(sorted(names[n:]), sorted(without(is.before, is.wanted))) {
		k.finding(misreported, "its entries are not the difference between %v and the list %v:\n%s", is.wanted, is.before, k.show(op))
	}
	if len(op.Corrections) > 0 {
		k.finding(misreported, "its report was wrong and was corrected:\n%s", k.show(op))
	}
}

// unneeded returns the truth about an operation without commands, or nil if the list was
// not as wanted between two other operations.
func (k *checker) unneeded(op *recorded) *setTruth {
	wanted := k.writeOf[op.RequestID].set.wanted
	has := []string{}
	ops := k.byLane[op.lane()]
	for i := 0; ; i++ {
		if slices.Equal(has, sorted(wanted)) && (i == len(ops) || ops[i].IntendedAt.After(op.ReceivedAt)) {
			return &setTruth{before: has, wanted: wanted}
		}
		if i == len(ops) {
			return nil
		}
		has = sorted(without(append(slices.Clone(ops[i].truth.before), ops[i].truth.added...), ops[i].truth.removed))
	}
}

// checkSteps checks that each step was sent once, in the right order, only after a success
// of the step before, and with exactly the difference.
func (k *checker) checkSteps(op *recorded) {
	is := op.truth
	processed := map[bool]int{} // commands that the platform processed, by assigns
	removed := false
	for _, e := range op.received {
		if e.Error == notLoggedIn && !e.Applied {
			continue
		}
		adds := assigns(&e)
		processed[adds]++
		want := without(is.before, is.wanted)
		if adds {
			want = without(is.wanted, is.before)
		}
		var names []string
		for _, n := range e.Numbers {
			names = append(names, plainName(n))
		}
		if !slices.Equal(sorted(names), sorted(want)) {
			k.finding(unexpected, "a step is not the difference between %v and the list %v:\n%s", is.wanted, is.before, k.show(op))
		}
		switch {
		case !adds:
			removed = e.Applied && e.Error == 0 && !slices.ContainsFunc(e.Faults, hidesSuccess)
			if processed[true] > 0 {
				k.finding(unexpected, "it removed after it had assigned:\n%s", k.show(op))
			}
		case len(without(is.before, is.wanted)) > 0 && !removed:
			k.finding(unexpected, "its second step was sent, and the first was not a success:\n%s", k.show(op))
		}
		if e.Error != 0 && len(e.Faults) == 0 {
			k.finding(unexpected, "a step was refused without a fault, so its plan was out of date:\n%s", k.show(op))
		}
	}
	if processed[true] > 1 || processed[false] > 1 {
		k.finding(doubled, "a step was received %d and %d times:\n%s", processed[false], processed[true], k.show(op))
	}
}

// hidesSuccess reports whether a command with the fault has no reply that means that it was
// done.
func hidesSuccess(k ocisim.FaultKind) bool {
	return !slices.Contains([]ocisim.FaultKind{
		ocisim.LoseLogin, ocisim.Slow, ocisim.Drip, ocisim.LateNewline, ocisim.ApplyLate, ocisim.ForcedLogout,
	}, k)
}

// wrongSet returns what is not true in the response to a write that replaces a list, and an
// empty text if everything is.
func (k *checker) wrongSet(w *write, a *attempt) string {
	if a.err != nil {
		return ""
	}
	op := k.byID[a.operation]
	if a.operation == "" {
		return "it has no operation"
	}
	if w.set.stale && (a.status < 300 || op != nil && op.RequestID == a.requestID && len(op.received) > 0) {
		return "its condition was of another content of the list"
	}
	if a.name == "PRECONDITION_FAILED" {
		if w.set.condition == "" || !w.set.stale {
			return "it had no condition that can fail"
		}
		return ""
	}
	if a.name == "REQUEST_RUNNING" {
		return ""
	}
	if a.status >= 300 {
		return wrongRefusal(a, op)
	}
	if op == nil {
		return "its operation does not exist"
	}
	return wrongReport(a, op)
}

// wrongRefusal returns what is not true in an error.
func wrongRefusal(a *attempt, op *recorded) string {
	changed := op != nil && op.truth != nil && len(op.truth.added)+len(op.truth.removed) > 0
	switch unknown := a.status >= 500 && a.status != http.StatusServiceUnavailable; {
	case unknown && a.outcome != "unknown":
		return "its status means that the outcome is unknown, and it is not"
	case unknown && op == nil:
		return "its outcome is unknown and the operation does not exist"
	case !unknown && a.outcome != string(wasNotDone):
		return "its status and its outcome contradict each other"
	case !unknown && changed:
		return "its status means that nothing was done, and something was"
	case unknown && len(op.truth.added) > 0 && len(without(op.truth.before, op.truth.wanted)) > 0 && op.EndedAt.Before(a.began):
		return "it does not report the known outcome"
	}
	return ""
}

// wrongReport returns what is not true in the report of a response about each entry.
func wrongReport(a *attempt, op *recorded) string {
	is := op.truth
	counts := map[string]int{}
	for i, r := range a.report {
		counts[r.status]++
		if i >= len(op.Entries) || r.name != plainName(op.Entries[i].Entry) {
			return fmt.Sprintf("it reports %s, and the operation has another entry there", r.name)
		}
		right := false
		switch r.status {
		case "added":
			right = slices.Contains(is.added, r.name)
		case "removed":
			right = slices.Contains(is.removed, r.name)
		case "unchanged":
			right = slices.Contains(is.before, r.name) && slices.Contains(is.wanted, r.name)
		case "rejected":
			right = is.outcome(r.name) == wasNotDone
		case "unknown":
			right = slices.Contains(is.before, r.name) != slices.Contains(is.wanted, r.name)
		}
		if !right {
			return fmt.Sprintf("it reports %s as %s, of the list %v", r.name, r.status, is.before)
		}
	}
	open, changed := counts["rejected"]+counts["unknown"], counts["added"]+counts["removed"]
	want := string(wasDone)
	switch {
	case counts["unknown"] > 0:
		want = "unknown"
	case open > 0:
		want = string(wasPartly)
	}
	switch {
	case len(a.report) != len(op.Entries):
		return "it does not report all entries"
	case a.outcome != want:
		return "its outcome is not that of its entries"
	case (a.status == http.StatusOK) != (open == 0), a.status == http.StatusMultiStatus && changed == 0:
		return "its status is not that of its entries"
	}
	return ""
}

// checkLists compares the final lists of the platform with the reports to callers.
func (k *checker) checkLists() {
	for _, c := range k.campaign.setters {
		for _, l := range c.lists {
			var has []string
			for _, h := range append(k.campaign.platform.Ranges(l.tenant), k.campaign.platform.Prefixes(l.tenant)...) {
				if slices.Contains(l.all, h.Start) && h.Group == l.group {
					has = append(has, h.Start)
				}
			}
			if slices.Sort(has); !slices.Equal(has, l.has) {
				k.finding(misreported, "by the reports to caller %d, %v of %s has %v, but it has %v", c.number, l.kind, l.group, l.has, has)
			}
		}
	}
}

// countSets counts the writes of several steps by their outcomes.
func (k *checker) countSets() map[string]int {
	counts := map[string]int{}
	for _, op := range k.operations {
		if !op.isSet() {
			continue
		}
		counts["writes that replaced a list"]++
		is := op.truth
		if is == nil || len(without(is.before, is.wanted)) == 0 || len(without(is.wanted, is.before)) == 0 {
			continue
		}
		counts["writes of two steps"]++
		switch {
		case len(is.added) > 0:
			counts["both steps were done"]++
		case len(is.removed) > 0 && slices.ContainsFunc(op.received, func(e ocisim.Entry) bool { return assigns(&e) }):
			counts["the first step was done, and the second was sent and not done"]++
		case len(is.removed) > 0:
			counts["the first step was done, and the second not sent"]++
		default:
			counts["no step was done"]++
		}
		if op.KnownBy == "reading" && op.State == wasPartly {
			counts["partly done, known by reading"]++
		}
	}
	for _, c := range k.campaign.setters {
		for _, w := range c.writes {
			for _, a := range w.attempts {
				if a.status == http.StatusMultiStatus {
					counts["responses 207, "+a.outcome]++
				}
				if a.name == "PRECONDITION_FAILED" {
					counts["responses 412"]++
				}
			}
		}
	}
	for way, n := range k.campaign.between {
		counts["kills when "+way] += n
	}
	return counts
}

// checkSizeOfSets checks that there were enough writes of several steps of each outcome. How
// many there are is up to chance: in 71 runs of 300 writes, a second step was sent and not done
// 3 times on average, and once at least, so that a run without it must be expected. Only the
// outcomes that were far more frequent are required of a run of that size.
func (k *checker) checkSizeOfSets(counts map[string]int) {
	p := k.campaign.plan
	const notSent, notDone = "the first step was done, and the second not sent", "the first step was done, and the second was sent and not done"
	if counts[notSent]+counts[notDone] == 0 {
		k.t.Error("the campaign was smaller than planned: no write ended after its first step")
	}
	for what, least := range map[string]int{
		"both steps were done": p.writes / 30, "no step was done": p.writes / 600, "responses 412": p.writes / 300,
		notSent: p.writes / 1000, notDone: p.writes / 1000,
		"partly done, known by reading": 1, "responses 207, partly_done": p.writes / 1000,
	} {
		if counts[what] < least {
			k.t.Errorf("the campaign was smaller than planned: %s: %d of %d", what, counts[what], least)
		}
	}
	kills := 0
	for _, n := range k.campaign.between {
		kills += n
	}
	if kills != p.between {
		k.t.Errorf("the campaign was smaller than planned: %d of %d kills between steps", kills, p.between)
	}
}
