//go:build linux

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"ocigate/gateway/operation"
	"ocigate/oci/ocisim"
)

// The checks of the campaign: they compare the operations and the responses with the
// platform's ledger. To add a check, add a kind of finding and call checker.finding.

// checker compares all reports with the commands that the platform received and carried
// out.
type checker struct {
	t        *testing.T
	campaign *campaign
	faults   *injector

	ledger     []ocisim.Entry // the writes of the platform's ledger
	operations []*recorded
	byID       map[string]*recorded
	byRequest  map[string]*recorded
	byLane     map[string][]*recorded // those with an intent, in their order
	writeOf    map[string]*write      // writes that replace a list, by the ids of their requests
	trail      map[string][]trailLine

	well       time.Time     // end of all faults
	unknownFor time.Duration // time after that until no write was unknown
	findings   map[string]int
}

// recorded is an operation with the commands of it that the platform received.
type recorded struct {
	apiOperation
	received []ocisim.Entry
	truth    *setTruth // nil if it does not replace a list
}

// applied returns the number of its commands that the platform carried out.
func (r *recorded) applied() int {
	n := 0
	for _, e := range r.received {
		if e.Applied {
			n++
		}
	}
	return n
}

// The kinds of findings, of which there must be none.
const (
	doubled      = "doubled"
	falseDone    = "false done"
	falseNotDone = "false not done"
	lost         = "lost without a report"
	stillUnknown = "unknown"
	misreported  = "misreported"
	unaudited    = "not in the audit trail"
	unexpected   = "unexpected"
)

var findingNames = []string{doubled, falseDone, falseNotDone, lost, stillUnknown, misreported, unaudited, unexpected}

// notLoggedIn is the number of the simulated platform's error for a command without a
// login. It is the only error after which a write may be sent once more.
const notLoggedIn = 9900

func newChecker(t *testing.T, a *campaign, faults *injector) *checker {
	t.Helper()
	return &checker{
		t: t, campaign: a, faults: faults, well: time.Now(),
		byID: map[string]*recorded{}, byRequest: map[string]*recorded{}, trail: map[string][]trailLine{}, findings: map[string]int{},
		byLane: map[string][]*recorded{}, writeOf: map[string]*write{},
	}
}

// finding counts a finding, and reports the evidence of the first ones of its kind.
func (k *checker) finding(kind, format string, args ...any) {
	k.t.Helper()
	const shown = 3
	if k.findings[kind]++; k.findings[kind] <= shown {
		k.t.Errorf("seed %d: %s: %s", k.campaign.seed, kind, fmt.Sprintf(format, args...))
	}
}

// waitUntilKnown waits until no operation is unknown, but not longer than wellAgain. After
// that it ends the test, because callers would wait for their operations for ever.
func (k *checker) waitUntilKnown() {
	for {
		var page operationPage
		err := k.campaign.get(k.t.Context(), systemClient, "/api/v1/operations/?state=unknown&limit=1000&entries=true", &page)
		k.unknownFor = time.Since(k.well)
		if err == nil && len(page.Operations) == 0 {
			return
		}
		if k.unknownFor > wellAgain {
			for _, op := range page.Operations {
				k.finding(stillUnknown, "%s\n%s", k.show(&recorded{apiOperation: op}), strings.Join(k.campaign.gateway.logOf(op.ID), "\n"))
			}
			k.t.Fatalf("the outcomes of %d operations are still unknown %s after the end of all faults (%v)", len(page.Operations), wellAgain, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// check checks everything. All callers must have ended.
func (k *checker) check() {
	for _, c := range k.campaign.setters {
		for _, w := range c.writes {
			for _, a := range w.attempts {
				k.writeOf[a.requestID] = w
			}
		}
	}
	k.readOperations()
	k.readLedger()
	k.readTrail()
	for _, op := range k.operations {
		k.checkOperation(op)
		k.checkTrail(op)
	}
	for _, c := range slices.Concat(k.campaign.callers, k.campaign.setters) {
		for _, w := range c.writes {
			k.checkWrite(w)
		}
	}
	k.checkPlatform()
	k.checkLists()
	k.verifyTrail()
	k.checkSize()
	k.report()
}

func (v result) ended() bool { return v == wasDone || v == wasNotDone || v == wasPartly }

// checkOperation compares an operation with the commands that the platform received.
func (k *checker) checkOperation(op *recorded) {
	if op.isSet() {
		k.checkSet(op)
		return
	}
	processed := 0 // commands that the platform processed
	for _, e := range op.received {
		if e.Error != notLoggedIn || e.Applied {
			processed++
		}
	}
	applied := op.applied()
	switch {
	case processed > 1 || applied > 1:
		k.finding(doubled, "received %d times and applied %d times:\n%s", processed, applied, k.show(op))
	case op.State == wasDone && applied == 0:
		k.finding(falseDone, "%s", k.show(op))
	case op.State == wasNotDone && applied > 0:
		k.finding(falseNotDone, "%s", k.show(op))
	case op.State == wasPartly: // the platform carries out a command completely or not at all
		k.finding(misreported, "%s", k.show(op))
	case !op.State.ended():
		k.finding(stillUnknown, "%s", k.show(op))
	}
	for _, e := range op.Entries {
		if op.State.ended() && e.Outcome != op.State {
			k.finding(misreported, "entry %s is %s:\n%s", e.Entry, e.Outcome, k.show(op))
		}
	}
	if len(op.Corrections) > 0 {
		k.finding(misreported, "its report was wrong and was corrected:\n%s", k.show(op))
	}
}

// checkWrite compares the responses and the result of a write with its operations.
func (k *checker) checkWrite(w *write) {
	applied, steps := 0, map[string]int{}
	var ops []*recorded
	for _, a := range w.attempts {
		if op := k.byRequest[a.requestID]; op != nil {
			ops = append(ops, op)
			applied += op.applied()
			for _, e := range op.received {
				if e.Applied {
					steps[e.Command]++
				}
			}
		}
	}
	show := func() string {
		var b strings.Builder
		fmt.Fprintf(&b, "%s %s %s key=%q: %s by %s", w.name, w.method, w.path, w.key, w.result, w.source)
		for _, a := range w.attempts {
			fmt.Fprintf(&b, "\n  %s %s", a.began.UTC().Format(clock), a)
		}
		for _, op := range ops {
			b.WriteString("\n" + k.show(op))
		}
		return b.String()
	}
	switch {
	case w.set == nil && applied > 1, slices.ContainsFunc(slices.Collect(maps.Values(steps)), func(n int) bool { return n > 1 }):
		k.finding(doubled, "%s", show())
	case w.set != nil && (w.result == wasDone || w.result == wasPartly) && !slices.ContainsFunc(ops, func(op *recorded) bool { return op.truth != nil && op.truth.state() == w.result }),
		w.set == nil && w.result == wasDone && applied == 0:
		k.finding(falseDone, "%s", show())
	case (w.result == wasNotDone || w.result == wasRefused) && applied > 0:
		k.finding(falseNotDone, "%s", show())
	case w.result == noResult:
		k.finding(stillUnknown, "%s", show())
	}
	if w.complaint != "" {
		k.finding(unexpected, "%s\n%s", w.complaint, show())
	}
	for _, a := range w.attempts {
		wrong := k.wrong
		if w.set != nil {
			wrong = func(a *attempt) string { return k.wrongSet(w, a) }
		}
		if wrong := wrong(&a); wrong != "" {
			k.finding(misreported, "request %s: %s\n%s", a.requestID, wrong, show())
		}
	}
}

// promise is the statement of a response about the operation that it names.
type promise int

const (
	nothing promise = iota
	promisesDone
	promisesNotDone
)

// promiseOf returns the statement of a status, by the table in the documentation.
func promiseOf(a *attempt) promise {
	switch {
	case a.err != nil || a.name == "REQUEST_RUNNING": // that error is about the repeated request
		return nothing
	case a.status < 300:
		return promisesDone
	case a.status < 500 || a.status == 503:
		return promisesNotDone
	}
	return nothing
}

// wrong returns what is not true in a response, and an empty text if everything is.
func (k *checker) wrong(a *attempt) string {
	if a.err != nil {
		return ""
	}
	op := k.byID[a.operation]
	done := op != nil && op.applied() > 0
	switch p := promiseOf(a); {
	case a.operation == "":
		return "it has no operation"
	case p == promisesDone && !done:
		return "its status means that it was done, and it was not"
	case p == promisesNotDone && done:
		return "its status means that it was not done, and it was"
	case a.outcome == string(wasDone) && !done:
		return "its outcome is done, and it was not done"
	case a.outcome == string(wasNotDone) && done:
		return "its outcome is not done, and it was done"
	case a.outcome == "" || a.outcome == string(wasPartly):
		return "its outcome is not possible"
	case a.outcome == "unknown" && a.name != "REQUEST_RUNNING" && op == nil:
		return "its outcome is unknown and the operation does not exist"
	case (a.status == 500 || a.status == 502 || a.status == 504) && a.outcome != "unknown":
		return "its status means that the outcome is unknown, and it is not"
	case p == promisesDone && a.outcome != string(wasDone), p == promisesNotDone && a.outcome != string(wasNotDone):
		return "its status and its outcome contradict each other"
	}
	return ""
}

// checkTrail checks that the audit trail contains an operation that the platform received:
// its intent before the first command, and its outcome.
func (k *checker) checkTrail(op *recorded) {
	if len(op.received) == 0 {
		return
	}
	lines := k.trail[op.ID]
	if len(lines) == 0 || lines[0].Kind != operation.EventIntent || lines[0].Time.After(op.received[0].Time) {
		k.finding(unaudited, "it was sent without an intent:\n%s", k.show(op))
		return
	}
	if last := lines[len(lines)-1]; last.Kind == operation.EventIntent || last.Outcome != string(op.State) {
		k.finding(unaudited, "its outcome is missing:\n%s", k.show(op))
	}
}

// verifyTrail runs the command that verifies the audit trail.
func (k *checker) verifyTrail() {
	output, err := k.campaign.gateway.run(k.t.Context(), "audit", "verify")
	if err != nil {
		k.finding(unaudited, "audit verify: %v: %s", err, output)
	}
	k.t.Logf("audit verify: %s", strings.TrimSpace(output))
}

// checkPlatform compares the final state of the platform with the results of the callers.
func (k *checker) checkPlatform() {
	holders := map[string]string{}
	for i := range campaignTenants {
		for _, h := range append(k.campaign.platform.Ranges(tenantName(i)), k.campaign.platform.Prefixes(tenantName(i))...) {
			holders[tenantName(i)+" "+h.Start] = h.Group
		}
	}
	for _, c := range k.campaign.callers {
		for _, l := range c.lanes {
			want := ""
			if l.assigned {
				want = l.group
			}
			for _, e := range l.entries {
				got, ok := holders[l.tenant+" "+e]
				if !ok || got != want {
					k.finding(misreported, "by the reports to caller %d, %s of %s is in group %q, but on the platform it is in %q", c.number, e, l.tenant, want, got)
				}
			}
		}
	}
}

// checkSize checks that the run was as large as planned.
func (k *checker) checkSize() {
	p := k.campaign.plan
	disks := p.fullDisks
	if !k.campaign.disk.mounted {
		disks = 0
	}
	if sent := len(k.sent()); sent < p.writes || k.faults.total < p.faults() || k.campaign.kills < p.kills || k.campaign.fullDisks != disks {
		k.t.Errorf("the campaign was smaller than planned: %d writes were sent, %d faults, %d kills, %d full disks", sent, k.faults.total, k.campaign.kills, k.campaign.fullDisks)
	}
	k.checkSizeOfSets(k.countSets())
}
