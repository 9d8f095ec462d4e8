package gateway_test

import (
	"slices"
	"time"

	"ocigate/gateway/operation"
	"ocigate/oci/ocisim"
)

// The checks of the entries of a write, and of its steps, by the platform's ledger.

// actual is the outcome of an operation by the ledger.
type actual struct {
	state operation.State
	// outcomes are those of the entries. An outcome is Unknown if the ledger does not
	// show whether the entry already had the wanted value when the change was planned.
	outcomes []operation.State
	// changed reports which entries a command of this operation changed.
	changed []bool
}

// done returns the names that commands of a request have changed.
func (v *checker) done(request string) map[string]bool {
	names := map[string]bool{}
	for _, e := range v.received[request] {
		for _, name := range e.Numbers {
			if e.Applied {
				names[nameOf(name)] = true
			}
		}
	}
	return names
}

// since returns an instant as the time since the beginning of the run.
func (v *checker) since(at time.Time) time.Duration { return at.Sub(v.began) }

// planned returns the instants between which the change of an operation was planned.
func (v *checker) planned(op apiOperation) (from, to time.Duration) {
	if op.IntendedAt.IsZero() {
		return v.since(op.ReceivedAt), v.since(op.EndedAt)
	}
	return v.since(op.ReceivedAt), v.since(op.IntendedAt)
}

// actualOf returns the outcome of an operation by the ledger.
func (v *checker) actualOf(op apiOperation) actual {
	is := actual{outcomes: make([]operation.State, len(op.Entries)), changed: make([]bool, len(op.Entries))}
	done, w := v.done(op.RequestID), v.requestOf(op.RequestID)
	counts := map[operation.State]int{}
	for i, e := range op.Entries {
		name := nameOf(e.Entry)
		is.changed[i], is.outcomes[i] = done[name], operation.NotDone
		switch {
		case is.changed[i]:
			is.outcomes[i] = operation.Done
		case w.setsList() && slices.Contains(w.names(), name):
			is.outcomes[i] = v.wasThere(op, w.list(), name)
		}
		counts[is.outcomes[i]]++
	}
	switch {
	case counts[operation.Unknown] > 0:
		is.state = operation.Unknown
	case counts[operation.NotDone] == 0:
		is.state = operation.Done
	case len(done) == 0:
		is.state = operation.NotDone
	default:
		is.state = operation.PartlyDone
	}
	return is
}

// wasThere returns the outcome of an entry that no command of its operation names: Done
// if the list had it, NotDone if not, and Unknown if that changed while the operation was
// planned.
func (v *checker) wasThere(op apiOperation, l list, name string) operation.State {
	from, to := v.planned(op)
	had, lacked := false, false
	for _, names := range v.history.during(l, from, to) {
		had, lacked = had || slices.Contains(names, name), lacked || !slices.Contains(names, name)
	}
	switch {
	case had && lacked:
		return operation.Unknown
	case had:
		return operation.Done
	}
	return operation.NotDone
}

// checkEntries checks the state of an operation and the outcomes of its entries.
func (v *checker) checkEntries(op apiOperation) {
	is := v.actualOf(op)
	if !op.isReleased() && is.state != operation.Unknown && op.State != is.state {
		v.failf("%s of %s is listed as %s, and it is %s: %v of %v", op.ID, op.RequestID, op.State, is.state, is.outcomes, op.Entries)
	}
	for i, e := range op.Entries {
		switch {
		case e.Outcome == operation.Unknown:
			if !op.isReleased() || !e.Released {
				v.failf("%s of %s is %s, and its entry %s is unknown (released: %v)", op.ID, op.RequestID, op.State, e.Entry, e.Released)
			}
		case e.Released:
			v.failf("the entry %s of %s of %s was released, and is %s", e.Entry, op.ID, op.RequestID, e.Outcome)
		case is.outcomes[i] != operation.Unknown && e.Outcome != is.outcomes[i]:
			v.failf("the entry %s of %s of %s is listed as %s, and it is %s", e.Entry, op.ID, op.RequestID, e.Outcome, is.outcomes[i])
		}
	}
}

// checkSets checks the writes that set lists: how they were planned, the order of their
// steps, and that no two of one list sent steps at the same time.
func (v *checker) checkSets(ops []apiOperation) {
	byList := map[list][]apiOperation{}
	for _, op := range ops {
		w := v.requestOf(op.RequestID)
		if !w.setsList() {
			if len(v.sent[op.RequestID]) > 1 && v.stepsOf(op.RequestID) > 1 {
				v.failf("%s of %s had several steps: %v", op.ID, op.RequestID, v.sent[op.RequestID])
			}
			continue
		}
		v.countSteps(op)
		v.checkPlan(op, w)
		v.checkOrder(op)
		if len(v.sent[op.RequestID]) > 0 && !v.ambiguous[op.RequestID] && !v.overdue[op.RequestID] {
			byList[w.list()] = append(byList[w.list()], op)
		}
	}
	for l, ops := range byList {
		for _, one := range ops {
			from, to := v.sent[one.RequestID][0].at, v.since(one.EndedAt)
			for _, other := range ops {
				for _, h := range v.sent[other.RequestID] {
					if other.ID != one.ID && h.at > from && h.at < to {
						v.failf("%s set the list %v from %v to %v, and %s sent %v", one.RequestID, l, from, to, other.RequestID, h)
					}
				}
			}
		}
	}
}

// stepsOf returns how many different commands of a request were sent.
func (v *checker) stepsOf(request string) int {
	commands := map[string]bool{}
	for _, h := range v.sent[request] {
		commands[h.command] = true
	}
	return len(commands)
}

// countSteps counts how many steps a write needed and sent.
func (v *checker) countSteps(op apiOperation) {
	adds, removes := 0, 0
	wanted := len(v.requestOf(op.RequestID).names())
	is := v.actualOf(op)
	for i, e := range op.Entries {
		switch {
		case i >= wanted:
			removes++
		case is.changed[i] || e.Outcome != operation.Done:
			adds++
		}
	}
	sent := v.stepsOf(op.RequestID)
	switch {
	case adds+removes == 0:
		v.count("steps: none was needed")
	case adds == 0 || removes == 0:
		v.count("steps: one alone was needed")
	case sent == 2:
		v.count("steps: both were sent")
		if !v.succeeded(op.RequestID, true) {
			v.count("steps: the second was no success")
		}
	case sent == 1 && v.succeeded(op.RequestID, false):
		v.count("steps: the second was never sent")
	case sent == 1:
		v.count("steps: the first was no success")
		if v.applied(op.RequestID) {
			v.count("steps: the first stayed done without the second")
		}
	}
	if op.State == operation.PartlyDone {
		v.count("steps: the set was partly done")
	}
}

// succeeded reports whether the platform carried out the assigning or the removing step
// of a request, and its reply was intact.
func (v *checker) succeeded(request string, assigning bool) bool {
	return slices.ContainsFunc(v.received[request], func(e ocisim.Entry) bool {
		return assigns(e.Command) == assigning && e.Applied && e.Error == 0 && !slices.ContainsFunc(e.Faults, damagesReply)
	})
}

// checkPlan checks that an operation is the difference between its body and the list: at
// some instant of the planning, the list had exactly the unchanged entries and those to
// be removed, and the entity tag of a condition was that of this list.
func (v *checker) checkPlan(op apiOperation, w simRequest) {
	wanted := w.names()
	var names []string
	for _, e := range op.Entries {
		names = append(names, nameOf(e.Entry))
	}
	if len(names) < len(wanted) || !slices.Equal(names[:len(wanted)], wanted) {
		v.failf("%s of %s is about %v, and the body has %v", op.ID, op.RequestID, names, wanted)
		return
	}
	for _, h := range v.sent[op.RequestID] {
		if slices.ContainsFunc(h.names, func(name string) bool { return !slices.Contains(names, name) }) {
			v.failf("%s of %s sent %v, and its entries are %v", op.ID, op.RequestID, h, names)
		}
	}
	if v.ambiguous[op.RequestID] {
		return
	}
	removals := slices.Sorted(slices.Values(names[len(wanted):]))
	from, to := v.planned(op)
	states := v.history.during(w.list(), from, to)
	if !slices.ContainsFunc(states, func(had []string) bool { return v.fits(op, w, had, removals) }) {
		v.failf("%s of %s has entries %v for the body %v and the condition %q and sent %v, and between %v and %v the list was %v",
			op.ID, op.RequestID, names, wanted, w.ifMatch, v.sent[op.RequestID], from, to, states)
	}
}

// fits reports whether an operation is the difference between its body and a list.
func (v *checker) fits(op apiOperation, w simRequest, had, removals []string) bool {
	wanted := w.names()
	without := func(of, others []string) []string {
		return slices.DeleteFunc(slices.Sorted(slices.Values(of)), func(name string) bool { return slices.Contains(others, name) })
	}
	if !slices.Equal(without(had, wanted), removals) {
		return false
	}
	if w.ifMatch != "" && w.ifMatch != "*" {
		if tagged, known := v.lists.contentOf(w.ifMatch); !known || !slices.Equal(tagged, had) {
			return false
		}
	}
	for _, h := range v.sent[op.RequestID] {
		want := removals
		if assigns(h.command) {
			want = without(wanted, had)
		}
		if !slices.Equal(slices.Sorted(slices.Values(h.names)), want) {
			return false
		}
	}
	return true
}

// checkOrder checks that a step was sent only after a success of the one before, and that
// no step was refused because its plan was out of date.
func (v *checker) checkOrder(op apiOperation) {
	request := op.RequestID
	removes := len(op.Entries) > len(v.requestOf(request).names())
	added := false
	for _, h := range v.sent[request] {
		if !assigns(h.command) {
			if added {
				v.failf("%s of %s removed after it had assigned: %v", op.ID, request, v.sent[request])
			}
			continue
		}
		added = true
		inTime := func(at time.Duration) bool { return at <= h.at }
		if removes && (!v.succeeded(request, false) || !slices.ContainsFunc(v.successes[request], inTime)) {
			v.failf("%s of %s sent its second step at %v, and its first was not a success: %v, %+v, successes read at %v",
				op.ID, request, h.at, v.sent[request], v.received[request], v.successes[request])
		}
	}
	for _, e := range v.received[request] {
		if e.Error != 0 && e.Error != notLoggedInNumber && len(e.Faults) == 0 && !v.ambiguous[request] {
			v.failf("%s of %s had a step refused though nothing had gone wrong, so its plan was out of date: %+v", op.ID, request, e)
		}
	}
}
