//go:build linux

package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"ocigate/gateway/operation"
	"ocigate/oci/ocisim"
)

// judge holds everything that was said against what the platform received and
// carried out.
type judge struct {
	t       *testing.T
	arena   *arena
	trouble *trouble

	ledger     []ocisim.Entry // its writes
	operations []*recorded
	byID       map[string]*recorded
	byRequest  map[string]*recorded
	byLane     map[string][]*recorded // those with an intent, in their order
	writeOf    map[string]*write      // those that replace a list, by the ids of their requests
	trail      map[string][]trailLine

	well       time.Time     // since when nothing goes wrong any more
	unknownFor time.Duration // after that
	findings   map[string]int
}

// recorded is an operation and what the platform received of it.
type recorded struct {
	told
	received []ocisim.Entry
	truth    *setTruth // nil where it does not replace a list
}

func (r *recorded) applied() int {
	n := 0
	for _, e := range r.received {
		if e.Applied {
			n++
		}
	}
	return n
}

// trailLine is a line of the audit trail.
type trailLine struct {
	number int64
	operation.Event
}

// The findings of a judge, all of which must be zero.
const (
	doubled      = "doubled"
	falseDone    = "false done"
	falseNotDone = "false not done"
	lost         = "lost in silence"
	stillUnknown = "unknown"
	misreported  = "misreported"
	unaudited    = "not in the audit trail"
	unexpected   = "unexpected"
)

var findingNames = []string{doubled, falseDone, falseNotDone, lost, stillUnknown, misreported, unaudited, unexpected}

// notLoggedIn is the simulated platform's refusal to look at a command. It is
// the only one after which a write may be sent once more.
const notLoggedIn = 9900

func newJudge(t *testing.T, a *arena, tr *trouble) *judge {
	t.Helper()
	return &judge{
		t: t, arena: a, trouble: tr, well: time.Now(),
		byID: map[string]*recorded{}, byRequest: map[string]*recorded{}, trail: map[string][]trailLine{}, findings: map[string]int{},
		byLane: map[string][]*recorded{}, writeOf: map[string]*write{},
	}
}

// finding notes something that must not be, and the evidence for the first few
// of its kind.
func (j *judge) finding(kind, format string, args ...any) {
	j.t.Helper()
	const shown = 3
	if j.findings[kind]++; j.findings[kind] <= shown {
		j.t.Errorf("seed %d: %s: %s", j.arena.seed, kind, fmt.Sprintf(format, args...))
	}
}

// waitUntilKnown waits until no operation is unknown any more, but not longer
// than that may take. Callers wait for their operations themselves, so that the
// campaign ends here where it takes longer.
func (j *judge) waitUntilKnown() {
	for {
		var page toldPage
		err := j.arena.get(j.t.Context(), systemClient, "/api/v1/operations/?state=unknown&limit=1000", &page)
		j.unknownFor = time.Since(j.well)
		if err == nil && len(page.Operations) == 0 {
			return
		}
		if j.unknownFor > wellAgain {
			for _, op := range page.Operations {
				j.finding(stillUnknown, "%s\n%s", j.show(&recorded{told: op}), strings.Join(j.arena.gateway.logOf(op.ID), "\n"))
			}
			j.t.Fatalf("it is not known of %d operations what became of them %s after all is well (%v)", len(page.Operations), wellAgain, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// judge judges. By now all callers have ended and nothing is going on.
func (j *judge) judge() {
	for _, c := range j.arena.setters {
		for _, w := range c.writes {
			for _, a := range w.attempts {
				j.writeOf[a.requestID] = w
			}
		}
	}
	j.readOperations()
	j.readLedger()
	j.readTrail()
	for _, op := range j.operations {
		j.judgeOperation(op)
		j.judgeTrail(op)
	}
	for _, c := range slices.Concat(j.arena.callers, j.arena.setters) {
		for _, w := range c.writes {
			j.judgeWrite(w)
		}
	}
	j.judgePlatform()
	j.judgeLists()
	j.verifyTrail()
	j.judgeSize()
	j.report()
}

func (j *judge) readOperations() {
	for before := ""; ; {
		var page toldPage
		if err := j.arena.get(j.t.Context(), systemClient, "/api/v1/operations/?limit=1000"+before, &page); err != nil {
			j.t.Fatalf("the operations cannot be listed: %v", err)
		}
		for _, op := range page.Operations {
			r := &recorded{told: op}
			j.operations = append(j.operations, r)
			if j.byID[op.ID] != nil {
				j.finding(unexpected, "operation %s is listed twice", op.ID)
			}
			j.byID[op.ID], j.byRequest[op.RequestID] = r, r
		}
		if page.Next == "" {
			return
		}
		before = "&before=" + page.Next
	}
}

// laneKey names entries of a group, however they are spelled, or all of one whose
// lists are replaced as a whole.
func laneKey(tenant, group, kind string, entries []string) string {
	if isOwnGroup(group) {
		entries = nil
	}
	plain := make([]string, len(entries))
	for i, e := range entries {
		plain[i] = plainName(e)
	}
	slices.Sort(plain)
	return strings.Join(append([]string{tenant, group, kind}, plain...), " ")
}

func (op *told) lane() string {
	kind := rangeKind
	if strings.Contains(op.Endpoint, prefixKind) {
		kind = prefixKind
	}
	var entries []string
	for _, e := range op.Entries {
		entries = append(entries, e.Entry)
	}
	return laneKey(op.TenantID, op.GroupID, kind, entries)
}

func (op *told) assigns() bool { return strings.HasSuffix(op.Endpoint, "_assign") }

func laneOf(e *ocisim.Entry) string {
	kind := rangeKind
	if strings.Contains(e.Command, "NumberPrefix") {
		kind = prefixKind
	}
	return laneKey(e.ServiceProvider, e.Group, kind, e.Numbers)
}

func assigns(e *ocisim.Entry) bool { return !strings.Contains(e.Command, "Unassign") }

// readLedger finds, for each write that the platform received, the operation
// that it belongs to: the last of those with the same entries that were to be
// sent before. Operations with the same entries must not overlap.
func (j *judge) readLedger() {
	all := j.arena.platform.Ledger()
	if len(all) == 0 || all[0].Connection > j.arena.plan.callers {
		j.t.Fatal("the ledger has lost its beginning: the campaign is too large for it")
	}
	byLane := j.byLane
	for _, op := range j.operations {
		if !op.IntendedAt.IsZero() {
			byLane[op.lane()] = append(byLane[op.lane()], op)
		}
	}
	for _, ops := range byLane {
		slices.SortFunc(ops, func(a, b *recorded) int { return a.IntendedAt.Compare(b.IntendedAt) })
		j.judgeOrder(ops)
	}
	for _, e := range all {
		if !e.Write {
			continue
		}
		j.ledger = append(j.ledger, e)
		ops := byLane[laneOf(&e)]
		at, _ := slices.BinarySearchFunc(ops, e.Time, func(op *recorded, t time.Time) int {
			if op.IntendedAt.Before(t) {
				return -1
			}
			return 1
		})
		if at == 0 || !ops[at-1].isSet() && ops[at-1].assigns() != assigns(&e) {
			j.finding(lost, "the platform received what no operation tells of:\n%+v", e)
			continue
		}
		op := ops[at-1]
		op.received = append(op.received, e)
		if op.State.ended() && e.Time.After(op.EndedAt) {
			j.finding(doubled, "the platform received it after its end:\n%s", j.show(op))
		}
	}
	j.truthsOfSets(byLane)
}

// judgeOrder demands that operations with the same entries come one after the
// other.
func (j *judge) judgeOrder(ops []*recorded) {
	for i := range len(ops) - 1 {
		if first, second := ops[i], ops[i+1]; first.State.ended() && first.EndedAt.After(second.IntendedAt) {
			j.finding(unexpected, "two operations had the same entries at the same time:\n%s\n%s", j.show(first), j.show(second))
		}
	}
}

func (v verdict) ended() bool { return v == wasDone || v == wasNotDone || v == wasPartly }

// judgeOperation holds an operation against what the platform received of it.
func (j *judge) judgeOperation(op *recorded) {
	if op.isSet() {
		j.judgeSet(op)
		return
	}
	looked := 0
	for _, e := range op.received {
		if e.Error != notLoggedIn || e.Applied {
			looked++
		}
	}
	applied := op.applied()
	switch {
	case looked > 1 || applied > 1:
		j.finding(doubled, "received %d times and applied %d times:\n%s", looked, applied, j.show(op))
	case op.State == wasDone && applied == 0:
		j.finding(falseDone, "%s", j.show(op))
	case op.State == wasNotDone && applied > 0:
		j.finding(falseNotDone, "%s", j.show(op))
	case op.State == wasPartly: // the platform does all or nothing
		j.finding(misreported, "%s", j.show(op))
	case !op.State.ended():
		j.finding(stillUnknown, "%s", j.show(op))
	}
	for _, e := range op.Entries {
		if op.State.ended() && e.Outcome != op.State {
			j.finding(misreported, "entry %s is %s:\n%s", e.Entry, e.Outcome, j.show(op))
		}
	}
	if len(op.Corrections) > 0 {
		j.finding(misreported, "it was told wrong and corrected:\n%s", j.show(op))
	}
}

// judgeWrite holds what a caller was told against their operations.
func (j *judge) judgeWrite(w *write) {
	applied, steps := 0, map[string]int{}
	var ops []*recorded
	for _, a := range w.attempts {
		if op := j.byRequest[a.requestID]; op != nil {
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
		fmt.Fprintf(&b, "%s %s %s key=%q: %s by %s", w.name, w.method, w.path, w.key, w.verdict, w.learnt)
		for _, a := range w.attempts {
			fmt.Fprintf(&b, "\n  %s %s", a.began.UTC().Format(clock), a)
		}
		for _, op := range ops {
			b.WriteString("\n" + j.show(op))
		}
		return b.String()
	}
	switch {
	case w.set == nil && applied > 1, slices.ContainsFunc(slices.Collect(maps.Values(steps)), func(n int) bool { return n > 1 }):
		j.finding(doubled, "%s", show())
	case w.set != nil && (w.verdict == wasDone || w.verdict == wasPartly) && !slices.ContainsFunc(ops, func(op *recorded) bool { return op.truth != nil && op.truth.state() == w.verdict }),
		w.set == nil && w.verdict == wasDone && applied == 0:
		j.finding(falseDone, "%s", show())
	case (w.verdict == wasNotDone || w.verdict == wasRefused) && applied > 0:
		j.finding(falseNotDone, "%s", show())
	case w.verdict == noVerdict:
		j.finding(stillUnknown, "%s", show())
	}
	if w.complaint != "" {
		j.finding(unexpected, "%s\n%s", w.complaint, show())
	}
	for _, a := range w.attempts {
		wrong := j.wrong
		if w.set != nil {
			wrong = func(a *attempt) string { return j.wrongSet(w, a) }
		}
		if wrong := wrong(&a); wrong != "" {
			j.finding(misreported, "request %s: %s\n%s", a.requestID, wrong, show())
		}
	}
}

// promise is what an answer says about the operation that it names.
type promise int

const (
	nothing promise = iota
	promisesDone
	promisesNotDone
)

// promiseOf is the README's table of what a status says.
func promiseOf(a *attempt) promise {
	switch {
	case a.err != nil || a.name == "REQUEST_RUNNING": // that one speaks of the repeated request
		return nothing
	case a.status < 300:
		return promisesDone
	case a.status < 500 || a.status == 503:
		return promisesNotDone
	}
	return nothing
}

// wrong tells what is not true in an answer, empty for nothing.
func (j *judge) wrong(a *attempt) string {
	if a.err != nil {
		return ""
	}
	op := j.byID[a.operation]
	done := op != nil && op.applied() > 0
	switch p := promiseOf(a); {
	case a.operation == "":
		return "it has no operation"
	case p == promisesDone && !done:
		return "its status says that it was done, and it was not"
	case p == promisesNotDone && done:
		return "its status says that it was not done, and it was"
	case a.outcome == string(wasDone) && !done:
		return "its outcome says that it was done, and it was not"
	case a.outcome == string(wasNotDone) && done:
		return "its outcome says that it was not done, and it was"
	case a.outcome == "" || a.outcome == string(wasPartly):
		return "its outcome cannot be"
	case a.outcome == "unknown" && a.name != "REQUEST_RUNNING" && op == nil:
		return "its outcome is unknown and the operation is not there"
	case (a.status == 500 || a.status == 502 || a.status == 504) && a.outcome != "unknown":
		return "its status says that the outcome is unknown, and it is not"
	case p == promisesDone && a.outcome != string(wasDone), p == promisesNotDone && a.outcome != string(wasNotDone):
		return "its status and its outcome contradict each other"
	}
	return ""
}

func (j *judge) readTrail() {
	files, err := filepath.Glob(filepath.Join(j.arena.disk.folder("journal"), "audit-*.jsonl"))
	if err != nil || len(files) == 0 {
		j.t.Fatalf("there is no audit trail: %v", err)
	}
	slices.Sort(files)
	for _, name := range files {
		file, err := os.ReadFile(name)
		if err != nil {
			j.t.Fatal(err)
		}
		lines := bufio.NewScanner(bytes.NewReader(file))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var line struct {
				Sequence int64 `json:"seq"`
				operation.Event
			}
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
				j.t.Fatalf("%s: %v: %s", name, err, lines.Bytes())
			}
			if line.Kind == "" {
				j.finding(unexpected, "a line of the audit trail tells nothing: %s", lines.Bytes())
			}
			j.trail[line.Operation] = append(j.trail[line.Operation], trailLine{line.Sequence, line.Event})
		}
		if err := lines.Err(); err != nil {
			j.t.Fatal(err)
		}
	}
}

// judgeTrail demands that the audit trail has an operation that the platform
// received: before that what was to be done, and then what became of it.
func (j *judge) judgeTrail(op *recorded) {
	if len(op.received) == 0 {
		return
	}
	lines := j.trail[op.ID]
	if len(lines) == 0 || lines[0].Kind != operation.EventIntent || lines[0].Time.After(op.received[0].Time) {
		j.finding(unaudited, "it was sent without an intent:\n%s", j.show(op))
		return
	}
	if last := lines[len(lines)-1]; last.Kind == operation.EventIntent || last.Outcome != string(op.State) {
		j.finding(unaudited, "its outcome is not there:\n%s", j.show(op))
	}
}

func (j *judge) verifyTrail() {
	output, err := j.arena.gateway.run(j.t.Context(), "audit", "verify")
	if err != nil {
		j.finding(unaudited, "audit verify: %v: %s", err, output)
	}
	j.t.Logf("audit verify: %s", strings.TrimSpace(output))
}

// judgePlatform holds what the platform has in the end against what the callers
// were told.
func (j *judge) judgePlatform() {
	holders := map[string]string{}
	for i := range arenaTenants {
		for _, h := range append(j.arena.platform.Ranges(tenantName(i)), j.arena.platform.Prefixes(tenantName(i))...) {
			holders[tenantName(i)+" "+h.Start] = h.Group
		}
	}
	for _, c := range j.arena.callers {
		for _, l := range c.lanes {
			want := ""
			if l.assigned {
				want = l.group
			}
			for _, e := range l.entries {
				got, ok := holders[l.tenant+" "+e]
				if !ok || got != want {
					j.finding(misreported, "caller %d was told that %s of %s is with the group %q, the platform has it with %q", c.number, e, l.tenant, want, got)
				}
			}
		}
	}
}

// judgeSize demands that the run was as large as planned.
func (j *judge) judgeSize() {
	p := j.arena.plan
	disks := p.fullDisks
	if !j.arena.disk.mounted {
		disks = 0
	}
	if sent := len(j.sent()); sent < p.writes || j.trouble.total < p.faults() || j.arena.kills < p.kills || j.arena.fullDisks != disks {
		j.t.Errorf("the campaign was not what it should have been: %d writes were sent, %d faults hit, %d kills, %d full disks", sent, j.trouble.total, j.arena.kills, j.arena.fullDisks)
	}
	j.judgeSizeOfSets(j.countSets())
}

// sent are the operations that the platform received.
func (j *judge) sent() []*recorded {
	var sent []*recorded
	for _, op := range j.operations {
		if len(op.received) > 0 {
			sent = append(sent, op)
		}
	}
	return sent
}

const clock = "15:04:05.000000"

// show is the evidence for or against an operation.
func (j *judge) show(op *recorded) string {
	var b strings.Builder
	text, err := json.Marshal(op.told)
	if err != nil {
		text = []byte(err.Error())
	}
	fmt.Fprintf(&b, "operation %s", text)
	for _, e := range op.received {
		fmt.Fprintf(&b, "\n  ledger %s connection %d %s %v applied=%t error=%d faults=%v", e.Time.UTC().Format(clock), e.Connection, e.Command, e.Numbers, e.Applied, e.Error, e.Faults)
	}
	for _, l := range j.trail[op.ID] {
		fmt.Fprintf(&b, "\n  audit %d %s %s %s %s", l.number, l.Time.Format(clock), l.Kind, l.Outcome, l.Basis)
	}
	return b.String()
}

// report prints what has happened, in numbers.
func (j *judge) report() {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	section := func(title string, counts map[string]int) {
		fmt.Fprintf(table, "%s\t\n", title)
		for _, name := range slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
			return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
		}) {
			fmt.Fprintf(table, "  %s\t%d\n", name, counts[name])
		}
	}
	answers, verdicts, outcomes, totals := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
	for _, c := range slices.Concat(j.arena.callers, j.arena.setters) {
		for _, w := range c.writes {
			verdicts[fmt.Sprintf("%s, by %s", w.verdict, w.learnt)]++
			totals["writes that callers wanted"]++
			for _, a := range w.attempts {
				answers[answerName(&a)]++
				if a.replayed {
					totals["answers that were replayed"]++
				}
			}
		}
	}
	sets := j.countSets()
	var doubts []time.Duration
	for _, op := range j.operations {
		outcomes[fmt.Sprintf("%s, known by %s", op.State, op.KnownBy)]++
		if len(op.Corrections) > 0 {
			totals["operations corrected"]++
		}
		if !op.DoubtedAt.IsZero() {
			doubts = append(doubts, op.EndedAt.Sub(op.DoubtedAt))
		}
	}
	slices.Sort(doubts)
	totals["operations"] = len(j.operations)
	totals["operations that were sent"] = len(j.sent())
	totals["writes that the platform received"] = len(j.ledger)
	totals["faults that hit"] = j.trouble.total
	totals["kills"] = j.arena.kills
	totals["stops in good order"] = j.arena.stops
	totals["full disks"] = j.arena.fullDisks
	totals["operations that were unknown, and resolved"] = len(doubts)
	section("in all", totals)
	section("requests, by answer", answers)
	section("writes, by their callers' verdict", verdicts)
	section("operations, by outcome", outcomes)
	section("writes of several steps", sets)
	section("faults that hit, by kind", j.trouble.hits)
	_ = table.Flush() // a strings.Builder takes everything
	if len(doubts) > 0 {
		fmt.Fprintf(&b, "an operation was unknown for %s in the middle, %s at most; none was any more %s after all was well\n",
			doubts[len(doubts)/2].Round(time.Millisecond), doubts[len(doubts)-1].Round(time.Millisecond), j.unknownFor.Round(time.Millisecond))
	}
	for _, name := range findingNames {
		fmt.Fprintf(&b, "%d %s, ", j.findings[name], name)
	}
	j.t.Logf("seed %d\n%s", j.arena.seed, strings.TrimSuffix(b.String(), ", "))
}

func answerName(a *attempt) string {
	switch {
	case a.err != nil && a.early:
		return "none, since the caller gave up early"
	case a.err != nil:
		return "none"
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", a.status, a.name))
}
