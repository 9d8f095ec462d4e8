package gateway_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
	"ocigate/oci/ocisim"
	"ocigate/translate/scope"
)

// The judgement of a story: what the platform did is the truth.

// toldOperation is an operation as the API tells of it.
type toldOperation struct {
	ID          string          `json:"id"`
	State       operation.State `json:"state"`
	Outcome     operation.State `json:"outcome"`
	Basis       operation.Basis `json:"known_by"`
	RequestID   string          `json:"request_id"`
	ReceivedAt  time.Time       `json:"received_at"`
	IntendedAt  time.Time       `json:"intended_at"`
	EndedAt     time.Time       `json:"ended_at"`
	ReleasedAt  time.Time       `json:"released_at"`
	Endpoint    string          `json:"endpoint"`
	Corrections []operation.Correction
	Entries     []struct {
		Entry    string          `json:"entry"`
		Outcome  operation.State `json:"outcome"`
		Released bool            `json:"released"`
	} `json:"entries"`
}

func (s *story) read(body string) []toldOperation {
	s.t.Helper()
	var list struct{ Operations []toldOperation }
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		s.failf("%v: %s", err, body)
	}
	return list.Operations
}

// operations are all that the running gateway tells of.
func (s *story) operations() []toldOperation {
	s.t.Helper()
	got := s.ask(newDice(s.seed, 3), wish{method: http.MethodGet, path: "/api/v1/operations/?limit=1000"}, "the-end", false)
	if got == nil || got.status != http.StatusOK {
		s.failf("the operations cannot be read at the end: %+v", got)
		return nil
	}
	return s.read(got.body)
}

// isReleased reports whether an operator has made it unknown for good.
func (op *toldOperation) isReleased() bool {
	return op.State == operation.Unknown && !op.ReleasedAt.IsZero()
}

// wantNothingOpen demands that every operation has its end, or was released, and
// no entry is held.
func (s *story) wantNothingOpen() {
	s.t.Helper()
	for _, op := range s.operations() {
		if !op.State.Ended() && !op.isReleased() {
			s.failf("%v after all is well, %s of %s is still %s", s.now()-troubleTime, op.ID, op.RequestID, op.State)
		}
	}
	g := s.running()
	if n := g.keeper.Unresolved(); n != 0 {
		s.failf("%d operations are unresolved", n)
	}
	for kind, entries := range map[string][]ocisim.Holding{"numbers": s.platform.Ranges(ownTenant), "prefixes": s.platform.Prefixes(ownTenant)} {
		op := operation.Operation{ID: operation.NewID(), Owner: "judge", State: operation.Received, Target: scope.Target{TenantID: ownTenant}}
		for _, e := range entries {
			op.Entries = append(op.Entries, operation.Entry{Kind: kind, Key: nameOf(e.Start)})
		}
		for _, group := range []string{ownGroup, "ApioGrpOther"} {
			op.Claims = append(op.Claims, operation.Claim{Kind: kind + "_list", Key: group})
		}
		if err := g.store.Begin(s.t.Context(), op); err != nil {
			s.failf("%v after all is well: %v", s.now()-troubleTime, err)
		}
		must(s.t, g.store.Abandon(s.t.Context(), op))
	}
}

// verdict is what is known at the end of a story.
type verdict struct {
	*story
	received  map[string][]ocisim.Entry // the writes of the platform's ledger, by request
	ledger    []ocisim.Entry            // all of it
	history   history
	byID      map[string]toldOperation
	byRequest map[string]toldOperation
	// blurred are the requests whose truth cannot be told from that of others,
	// because the platform carried out a write after the settle time.
	blurred map[string]bool
	// overdue are those that were carried out so late.
	overdue map[string]bool
}

func (s *story) judge(ops []toldOperation) {
	v := &verdict{
		story: s, received: map[string][]ocisim.Entry{}, ledger: s.platform.Ledger(), history: s.historyOf(s.platform.Writes()), byID: map[string]toldOperation{}, byRequest: map[string]toldOperation{},
		blurred: map[string]bool{}, overdue: map[string]bool{},
	}
	nth := map[int]int{}
	for _, entry := range s.platform.Writes() {
		came := s.arrived[entry.Connection]
		if nth[entry.Connection] >= len(came) {
			s.failf("the platform received a write over connection %d that nobody sent", entry.Connection)
			return
		}
		request := came[nth[entry.Connection]]
		nth[entry.Connection]++
		v.received[request] = append(v.received[request], entry)
		s.log = append(s.log, fmt.Sprintf("ledger: %v connection %d, %s: %s %s %v applied=%v error=%d %v",
			entry.Time.Sub(s.began), entry.Connection, request, entry.Command, entry.Group, entry.Numbers, entry.Applied, entry.Error, entry.Faults))
	}
	for _, op := range ops {
		v.byID[op.ID], v.byRequest[op.RequestID] = op, op
		s.log = append(s.log, fmt.Sprintf("operation: %s of %s: %s by %s %v %v", op.ID, op.RequestID, op.State, op.Basis, op.Entries, op.Corrections))
	}
	v.findBlurred(ops)
	v.judgePlatform()
	v.judgeOperations(ops)
	v.judgeSets(ops)
	v.judgeTold()
	v.judgeReads()
	v.judgeTrail()
}

func (v *verdict) applied(request string) bool {
	return slices.ContainsFunc(v.received[request], func(e ocisim.Entry) bool { return e.Applied })
}

// findBlurred finds those that touched the entries of one that was carried out
// far too late.
func (v *verdict) findBlurred(ops []toldOperation) {
	if !v.late {
		return
	}
	for request, entries := range v.received {
		v.overdue[request] = slices.ContainsFunc(entries, func(e ocisim.Entry) bool { return slices.Contains(e.Faults, ocisim.ApplyLate) })
	}
	for _, op := range ops {
		for _, other := range ops {
			// Its own lateness is corrected, unless others have had its entries since.
			mingled := other.ID != op.ID && slices.ContainsFunc(v.names(other), func(name string) bool { return slices.Contains(v.names(op), name) })
			if mingled && (v.overdue[other.RequestID] || v.overdue[op.RequestID] && other.ID > op.ID) {
				v.blurred[op.RequestID] = true
			}
		}
	}
}

func (*verdict) names(op toldOperation) []string {
	var names []string
	for _, e := range op.Entries {
		names = append(names, nameOf(e.Entry))
	}
	return names
}

// judgePlatform holds the ledger against itself: nothing twice.
func (v *verdict) judgePlatform() {
	keys := map[string]int{}
	keyOf := map[string]string{}
	for _, told := range v.told {
		keyOf[told.request] = told.wish.key
	}
	for request, entries := range v.received {
		times := map[string]int{} // by command, each of which is a step
		for _, e := range entries {
			if e.Applied {
				times[e.Command]++
			}
		}
		for command, n := range times {
			if n > 1 {
				v.failf("the write of %s was done %d times", request, n)
			}
			if key := keyOf[request]; key != "" {
				keys[key+" of "+v.byRequest[request].Endpoint+" by "+command] += n
			}
		}
		if _, known := v.byRequest[request]; !known {
			v.failf("the platform got a write of %s, of which there is no operation", request)
		}
	}
	for key, times := range keys {
		if times > 1 {
			v.failf("what the key %s stands for was done %d times", key, times)
		}
	}
	for request := range v.handed {
		v.judgeHanded(request)
	}
}

// judgeHanded demands that each command of a request was handed over once, but for
// those that the platform refused for want of a login.
func (v *verdict) judgeHanded(request string) {
	sent, refused := map[string]int{}, map[string]int{}
	for _, h := range v.handed[request] {
		sent[h.command]++
	}
	for _, e := range v.received[request] {
		if e.Error == notLoggedInNumber && !e.Applied && !slices.ContainsFunc(e.Faults, spoils) {
			refused[e.Command]++
		}
	}
	for command, n := range sent {
		if n > 1 {
			v.count("sent again after not logged in")
		}
		if n-refused[command] > 1 {
			v.failf("the write of %s was handed over as %v, of which only %v were refused for want of a login", request, v.handed[request], refused)
		}
	}
}

// notLoggedInNumber is the simulated platform's.
const notLoggedInNumber = 9900

// spoils tells whether an answer that met the fault is not intact.
func spoils(k ocisim.FaultKind) bool {
	return !slices.Contains([]ocisim.FaultKind{
		ocisim.LoseLogin, ocisim.Slow, ocisim.Drip, ocisim.LateNewline, ocisim.HugeTable, ocisim.ApplyLate, ocisim.ForcedLogout,
	}, k)
}

// judgeOperations holds what is said of each operation in the end against the
// truth.
func (v *verdict) judgeOperations(ops []toldOperation) {
	for _, op := range ops {
		switch {
		case op.isReleased():
			v.count("released")
		case op.Basis == operation.NotTaken:
			v.count("not taken")
		default:
			v.count(fmt.Sprintf("known by %s: %s", op.Basis, op.State))
		}
		if v.blurred[op.RequestID] {
			continue
		}
		switch {
		case len(op.Corrections) > 0 && !v.overdue[op.RequestID]:
			v.failf("%s of %s was corrected: %v", op.ID, op.RequestID, op.Corrections)
		case len(op.Corrections) > 0:
			v.count("corrected")
		}
		v.judgeEntries(op)
	}
	for _, said := range v.said {
		op, known := v.byID[said.id]
		switch {
		case !known && (said.state == operation.Done || len(v.handed[said.request]) > 0):
			// What never got as far as being sent may be forgotten: it was not done.
			v.failf("%s of %s was said to be %s at %v and is forgotten", said.id, said.request, said.state, said.at)
		case !known || v.blurred[op.RequestID] || v.overdue[op.RequestID]:
			continue
		case said.state.Ended() && op.isReleased(): // before that was recorded, which the release was
			if is := v.truthOf(op); is.state != operation.Unknown && is.state != said.state {
				v.failf("%s of %s was said to be %s at %v before it was released", said.id, op.RequestID, said.state, said.at)
			}
		case said.state.Ended() && said.state != op.State:
			v.failf("%s of %s was said to be %s at %v and is %s", said.id, op.RequestID, said.state, said.at, op.State)
		}
		if known {
			v.judgeSaid(said, op)
		}
	}
}

// judgeTold holds what callers were told against the truth.
func (v *verdict) judgeTold() {
	for _, told := range v.told {
		if !told.write {
			continue
		}
		if told.answer == nil {
			v.count("told nothing")
			continue
		}
		if told.dry {
			v.judgeDryRun(told)
			v.judgeRehearsal(told)
			continue
		}
		v.judgeAnswer(told, *told.answer)
	}
}

func (v *verdict) judgeDryRun(told *telling) {
	if len(v.handed[told.request]) > 0 {
		v.failf("%s was a dry run, and a write was sent", told.request)
	}
	if told.answer.header.Get("Operation-Id") != "" {
		v.failf("%s was a dry run, and has an operation", told.request)
	}
}

// judgeAnswer holds the answer to a write against the truth. That of a repeated
// request is about the first one.
func (v *verdict) judgeAnswer(told *telling, got answer) {
	outcome, id := got.header.Get("Operation-Outcome"), got.header.Get("Operation-Id")
	op, known := v.byID[id]
	replayed := got.header.Get("Idempotency-Replayed") == "true"
	about := told.request
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
	complain := func(format string, args ...any) {
		v.failf("%s (about %s) was told %d %s, %s at %v: %s", told.request, about, got.status, name, outcome, told.at, fmt.Sprintf(format, args...))
	}
	if about != told.request && v.applied(told.request) {
		complain("it was done itself")
	}
	if !replayed && id != "" && known && about != told.request && name != "REQUEST_RUNNING" {
		complain("it has the operation of another")
	}
	if first := v.firstOf(told); first != "" && !replayed && !slices.Contains([]int{409, 422, 500, 503}, got.status) {
		complain("it is the same as %s, whose truth it was not told", first)
	}
	unclear := v.blurred[about] || v.overdue[about]
	if told.wish.setsList() && got.status >= 400 {
		v.judgeRefusedSet(told, got, name, about, complain)
	}
	switch {
	case told.wish.setsList() && got.status < 300:
		if !known {
			complain("there is no such operation")
			break
		}
		if told.wish.ifMatch != "" {
			v.count("set: the condition held")
		}
		v.judgeReport(told, op, got, complain)
	case got.status < 300:
		v.count("told done")
		if !known {
			complain("there is no such operation")
		}
		if outcome != "done" || !v.applied(about) && !unclear {
			complain("it was not done")
		}
	case name == "REQUEST_RUNNING":
		if v.applied(told.request) {
			complain("it was done")
		}
	case got.status < 500 || got.status == http.StatusServiceUnavailable:
		v.count("told not done")
		if outcome != "not_done" || v.applied(about) && !unclear {
			complain("it was done")
		}
	case got.status == http.StatusGatewayTimeout || got.status == http.StatusBadGateway:
		v.count("told unknown")
		if !known {
			complain("there is no such operation")
		}
		told := got.apiError(v.t)
		if outcome != "unknown" || got.header.Get("Retry-After") == "" && !op.isReleased() || len(told.Details.Entries) == 0 || told.Details.Operation != "/api/v1/operations/"+id+"/" {
			complain("it does not say what to look for, where and when: %v %s", got.header, got.body)
		}
	default:
		complain("this status promises nothing")
	}
}

// firstOf finds an earlier request with the same key and content, which was
// sent to the platform. One that was corrected for what another has done may have
// been not taken before, so that its key was free.
func (v *verdict) firstOf(told *telling) string {
	for _, other := range v.told {
		op, known := v.byRequest[other.request]
		if other != told && told.wish.key != "" && other.wish == told.wish && known &&
			op.Basis != operation.NotTaken && op.ReceivedAt.Before(told.asked) &&
			(!v.blurred[op.RequestID] || len(op.Corrections) == 0) {
			return other.request
		}
	}
	return ""
}

// judgeTrail demands a trail that is whole and tells of every write: before it
// that it was about to be sent, afterwards what came of it. The last line of an
// operation says what it is, be that the line of a release.
func (v *verdict) judgeTrail() {
	if _, err := operation.Verify(bolt.Trail(v.folder)); err != nil {
		v.failf("%v", err)
	}
	intents, intent := map[string]time.Time{}, map[string]operation.Event{}
	last := map[string]operation.Event{} // of each operation, what the trail says of it in the end
	for line, err := range bolt.Trail(v.folder) {
		if err != nil && !errors.Is(err, bolt.ErrTorn) {
			v.failf("%v", err)
			return
		}
		var event operation.Event
		must(v.t, json.Unmarshal(line, &event))
		switch event.Kind {
		case operation.EventIntent:
			if _, ended := last[event.Operation]; ended {
				v.failf("the audit trail has an intent of %s after its outcome", event.Caller.RequestID)
			}
			intents[event.Caller.RequestID], intent[event.Caller.RequestID] = event.Time, event
		case operation.EventOutcome, operation.EventCorrection:
			last[event.Operation] = event
		case operation.EventRelease:
			last[event.Operation] = afterRelease(last[event.Operation], event)
		case "":
			v.failf("the audit trail has a line that tells nothing: %s", line)
		}
	}
	for request, sent := range v.handed {
		if at, ok := intents[request]; !ok || at.Sub(v.began) > sent[0].at {
			v.failf("the audit trail has no intent of %s before it was sent at %v", request, sent[0].at)
		}
		v.judgeIntent(request, intent[request])
	}
	for request, op := range v.byRequest {
		event := last[op.ID]
		if event.Outcome != string(op.State) {
			v.failf("the audit trail says that %s is %q, and it is %s", request, event.Outcome, op.State)
			continue
		}
		v.judgeOutcomes(op, event)
		if op.isReleased() {
			v.judgeReleased(op, event)
		}
	}
}

// afterRelease is what the trail says of an operation after the line of a release,
// which has the entries that it freed: their outcomes are not known any more. Of the
// others it is what it was. The line before may tell what the database never took.
func afterRelease(before, release operation.Event) operation.Event {
	entries := slices.Clone(before.Entries)
	for _, freed := range release.Entries {
		if at := slices.IndexFunc(entries, func(e operation.Entry) bool { return e.Claim() == freed.Claim() }); at >= 0 {
			entries[at] = freed
		} else {
			entries = append(entries, freed)
		}
	}
	release.Entries = entries
	return release
}

// judgeReleased demands that the audit trail says of each entry of an operation that
// was released what the operation does in the end: those that were freed are unknown.
func (v *verdict) judgeReleased(op toldOperation, event operation.Event) {
	if len(event.Entries) != len(op.Entries) {
		v.failf("the audit trail has %d entries of %s, of %d", len(event.Entries), op.RequestID, len(op.Entries))
		return
	}
	for i, e := range event.Entries {
		outcome := cmp.Or(e.Outcome, operation.Unknown)
		if is := op.Entries[i]; e.Given != is.Entry || outcome != is.Outcome || e.Released != is.Released {
			v.failf("the audit trail says that %s of %s is %s (released: %v), and it is %s (released: %v)", e.Given, op.RequestID, outcome, e.Released, is.Outcome, is.Released)
		}
	}
}
