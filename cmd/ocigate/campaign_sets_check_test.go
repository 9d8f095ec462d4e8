//go:build linux

package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"ocigate/oci/ocisim"
)

// setTruth is what became of an operation that replaces a list, by the ledger.
type setTruth struct {
	before  []string // the list, before its first step, sorted
	wanted  []string // in the order of the body
	added   []string // by a step that was carried out
	removed []string
}

func (op *told) isSet() bool { return strings.HasSuffix(op.Endpoint, "_set") }

// truthsOfSets follows each list through the operations that have replaced it, which
// have their order.
func (j *judge) truthsOfSets(byLane map[string][]*recorded) {
	for _, ops := range byLane {
		has := []string{}
		for _, op := range ops {
			if !op.isSet() {
				break
			}
			op.truth = &setTruth{before: has}
			if w := j.writeOf[op.RequestID]; w != nil {
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

// outcome is what became of an entry: one that was as wanted already is done.
func (s *setTruth) outcome(name string) verdict {
	if slices.Contains(s.wanted, name) == (slices.Contains(s.added, name) || slices.Contains(s.before, name) && !slices.Contains(s.removed, name)) {
		return wasDone
	}
	return wasNotDone
}

// state is what became of the whole.
func (s *setTruth) state() verdict {
	entries := append(slices.Clone(s.wanted), without(s.before, s.wanted)...)
	switch {
	case !slices.ContainsFunc(entries, func(name string) bool { return s.outcome(name) != wasDone }):
		return wasDone
	case len(s.added)+len(s.removed) == 0:
		return wasNotDone
	}
	return wasPartly
}

// judgeSet holds an operation that replaces a list against what the platform received
// of it, and against what the list had.
func (j *judge) judgeSet(op *recorded) {
	if j.writeOf[op.RequestID] == nil {
		j.finding(unexpected, "nobody has asked for it:\n%s", j.show(op))
		return
	}
	if op.truth == nil { // nothing was to be sent
		op.truth = j.unneeded(op)
		if op.truth == nil {
			j.finding(falseDone, "the list never was what was wanted:\n%s", j.show(op))
			return
		}
	}
	j.judgeSteps(op)
	is := op.truth
	switch state := is.state(); {
	case !op.State.ended():
		j.finding(stillUnknown, "%s", j.show(op))
	case op.State == wasDone && state != wasDone:
		j.finding(falseDone, "it is %s, of the list %v:\n%s", state, is.before, j.show(op))
	case op.State == wasNotDone && state != wasNotDone:
		j.finding(falseNotDone, "it is %s, of the list %v:\n%s", state, is.before, j.show(op))
	case op.State != state:
		j.finding(misreported, "it is %s, of the list %v:\n%s", state, is.before, j.show(op))
	}
	var names []string
	for _, e := range op.Entries {
		name := plainName(e.Entry)
		names = append(names, name)
		if e.Outcome != is.outcome(name) {
			j.finding(misreported, "entry %s is said to be %s, and is %s, of the list %v:\n%s", name, e.Outcome, is.outcome(name), is.before, j.show(op))
		}
	}
	if n := len(is.wanted); len(names) < n || !slices.Equal(names[:n], is.wanted) || !slices.Equal(sorted(names[n:]), sorted(without(is.before, is.wanted))) {
		j.finding(misreported, "its entries are not the difference between %v and the list %v:\n%s", is.wanted, is.before, j.show(op))
	}
	if len(op.Corrections) > 0 {
		j.finding(misreported, "it was told wrong and corrected:\n%s", j.show(op))
	}
}

// unneeded is the truth about an operation of which nothing was to be sent, or nil
// where the list was not as wanted between two others.
func (j *judge) unneeded(op *recorded) *setTruth {
	wanted := j.writeOf[op.RequestID].set.wanted
	has := []string{}
	ops := j.byLane[op.lane()]
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

// judgeSteps demands that each step was sent once, in its order, after a success of
// the one before, and with exactly what differs.
func (j *judge) judgeSteps(op *recorded) {
	is := op.truth
	looked := map[bool]int{}
	removed := false
	for _, e := range op.received {
		if e.Error == notLoggedIn && !e.Applied {
			continue
		}
		adds := assigns(&e)
		looked[adds]++
		want := without(is.before, is.wanted)
		if adds {
			want = without(is.wanted, is.before)
		}
		var names []string
		for _, n := range e.Numbers {
			names = append(names, plainName(n))
		}
		if !slices.Equal(sorted(names), sorted(want)) {
			j.finding(unexpected, "a step is not the difference between %v and the list %v:\n%s", is.wanted, is.before, j.show(op))
		}
		switch {
		case !adds:
			removed = e.Applied && e.Error == 0 && !slices.ContainsFunc(e.Faults, hidesSuccess)
			if looked[true] > 0 {
				j.finding(unexpected, "it removed after it had assigned:\n%s", j.show(op))
			}
		case len(without(is.before, is.wanted)) > 0 && !removed:
			j.finding(unexpected, "its second step was sent, and the first was not a success:\n%s", j.show(op))
		}
		if e.Error != 0 && len(e.Faults) == 0 {
			j.finding(unexpected, "a step was refused though nothing had gone wrong, so its plan was out of date:\n%s", j.show(op))
		}
	}
	if looked[true] > 1 || looked[false] > 1 {
		j.finding(doubled, "a step was received %d and %d times:\n%s", looked[false], looked[true], j.show(op))
	}
}

// hidesSuccess reports whether a command that met the fault has no answer that says
// that it was done.
func hidesSuccess(k ocisim.FaultKind) bool {
	return !slices.Contains([]ocisim.FaultKind{
		ocisim.LoseLogin, ocisim.Slow, ocisim.Drip, ocisim.LateNewline, ocisim.ApplyLate, ocisim.ForcedLogout,
	}, k)
}

// wrongSet tells what is not true in the answer to a write that replaces a list,
// empty for nothing.
func (j *judge) wrongSet(w *write, a *attempt) string {
	if a.err != nil {
		return ""
	}
	op := j.byID[a.operation]
	if a.operation == "" {
		return "it has no operation"
	}
	if w.set.stale && (a.status < 300 || op != nil && op.RequestID == a.requestID && len(op.received) > 0) {
		return "its condition was that of another list"
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
		return "its operation is not there"
	}
	return wrongReport(a, op)
}

// wrongRefusal tells what is not true in an error.
func wrongRefusal(a *attempt, op *recorded) string {
	changed := op != nil && op.truth != nil && len(op.truth.added)+len(op.truth.removed) > 0
	switch unknown := a.status >= 500 && a.status != http.StatusServiceUnavailable; {
	case unknown && a.outcome != "unknown":
		return "its status says that the outcome is unknown, and it is not"
	case unknown && op == nil:
		return "its outcome is unknown and the operation is not there"
	case !unknown && a.outcome != string(wasNotDone):
		return "its status and its outcome contradict each other"
	case !unknown && changed:
		return "its status says that nothing was done, and something was"
	case unknown && len(op.truth.added) > 0 && len(without(op.truth.before, op.truth.wanted)) > 0 && op.EndedAt.Before(a.began):
		return "it does not say what was known"
	}
	return ""
}

// wrongReport tells what is not true in what an answer says of each entry.
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

// judgeLists holds what the platform has in the end against what callers were told.
func (j *judge) judgeLists() {
	for _, c := range j.arena.setters {
		for _, l := range c.lists {
			var has []string
			for _, h := range append(j.arena.platform.Ranges(l.tenant), j.arena.platform.Prefixes(l.tenant)...) {
				if slices.Contains(l.all, h.Start) && h.Group == l.group {
					has = append(has, h.Start)
				}
			}
			if slices.Sort(has); !slices.Equal(has, l.has) {
				j.finding(misreported, "caller %d was told that %v of %s has %v, and it has %v", c.number, l.kind, l.group, l.has, has)
			}
		}
	}
}

// countSets counts what became of the writes of several steps, and demands that there
// were enough of them.
func (j *judge) countSets() map[string]int {
	counts := map[string]int{}
	for _, op := range j.operations {
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
	for _, c := range j.arena.setters {
		for _, w := range c.writes {
			for _, a := range w.attempts {
				if a.status == http.StatusMultiStatus {
					counts["answers 207, "+a.outcome]++
				}
				if a.name == "PRECONDITION_FAILED" {
					counts["answers 412"]++
				}
			}
		}
	}
	for way, n := range j.arena.between {
		counts["kills when "+way] += n
	}
	return counts
}

// judgeSizeOfSets demands that there was enough of what has to do with several steps.
func (j *judge) judgeSizeOfSets(counts map[string]int) {
	p := j.arena.plan
	for what, least := range map[string]int{
		"both steps were done": p.writes / 30, "no step was done": p.writes / 600, "answers 412": p.writes / 300,
		"the first step was done, and the second not sent": 1, "the first step was done, and the second was sent and not done": 1,
		"partly done, known by reading": 1, "answers 207, partly_done": 1,
	} {
		if counts[what] < least {
			j.t.Errorf("the campaign was not what it should have been: %s: %d of %d", what, counts[what], least)
		}
	}
	kills := 0
	for _, n := range j.arena.between {
		kills += n
	}
	if kills != p.between {
		j.t.Errorf("the campaign was not what it should have been: %d of %d kills between steps", kills, p.between)
	}
}
