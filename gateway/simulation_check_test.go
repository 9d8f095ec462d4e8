package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"ocigate/gateway/operation"
	"ocigate/oci/ocisim"
	"ocigate/translate/scope"
)

// The checks at the end of a run. The ledger of the platform is what happened; they
// compare with it what the gateway has reported to callers and operators.

// apiOperation is an operation as the API returns it.
type apiOperation struct {
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

// apiPage is a page of operations.
type apiPage struct {
	Operations []apiOperation
	Next       string
}

func (s *simulation) read(body string) apiPage {
	s.t.Helper()
	var page apiPage
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		s.failf("%v: %s", err, body)
	}
	return page
}

// operations returns all operations that the running gateway lists.
func (s *simulation) operations() []apiOperation {
	s.t.Helper()
	d, path := newDice(s.seed, 3), "/api/v1/operations/?limit=1000&entries=true"
	var all []apiOperation
	for before := ""; ; {
		got := s.send(d, simRequest{method: http.MethodGet, path: path + before}, "the-end", false)
		if got == nil || got.status != http.StatusOK {
			s.failf("the operations cannot be read at the end: %+v", got)
			return nil
		}
		page := s.read(got.body)
		all = append(all, page.Operations...)
		if page.Next == "" {
			return all
		}
		before = "&before=" + page.Next
	}
}

// isReleased reports whether the operation stays unknown because an operator has released
// its entries.
func (op *apiOperation) isReleased() bool {
	return op.State == operation.Unknown && !op.ReleasedAt.IsZero()
}

// wantNothingOpen checks that every operation has ended or is released, and that no entry
// is held.
func (s *simulation) wantNothingOpen() {
	s.t.Helper()
	for _, op := range s.operations() {
		if !op.State.Ended() && !op.isReleased() {
			s.failf("%v after the end of all faults, %s of %s is still %s", s.now()-faultTime, op.ID, op.RequestID, op.State)
		}
	}
	g := s.current()
	if n := g.keeper.Unresolved(); n != 0 {
		s.failf("%d operations are unresolved", n)
	}
	for kind, entries := range map[string][]ocisim.Holding{"numbers": s.platform.Ranges(ownTenant), "prefixes": s.platform.Prefixes(ownTenant)} {
		op := operation.Operation{ID: operation.NewID(), Owner: "checker", State: operation.Received, Target: scope.Target{TenantID: ownTenant}}
		for _, e := range entries {
			op.Entries = append(op.Entries, operation.Entry{Kind: kind, Key: nameOf(e.Start)})
		}
		for _, group := range []string{ownGroup, "ApioGrpOther"} {
			op.Claims = append(op.Claims, operation.Claim{Kind: kind + "_list", Key: group})
		}
		if err := g.store.Begin(s.t.Context(), op); err != nil {
			s.failf("%v after the end of all faults: %v", s.now()-faultTime, err)
		}
		must(s.t, g.store.Abandon(s.t.Context(), op))
	}
}

// checker is what the checks know at the end of a run.
type checker struct {
	*simulation
	received  map[string][]ocisim.Entry // the writes of the platform's ledger, by request
	ledger    []ocisim.Entry            // all of it
	history   history
	byID      map[string]apiOperation
	byRequest map[string]apiOperation
	// ambiguous are the requests whose outcome cannot be distinguished from that of
	// others, because the platform carried out a write after the settle time.
	ambiguous map[string]bool
	// overdue are the requests that were carried out so late.
	overdue map[string]bool
}

func (s *simulation) check(ops []apiOperation) {
	v := &checker{
		simulation: s, received: map[string][]ocisim.Entry{}, ledger: s.platform.Ledger(), history: s.historyOf(s.platform.Writes()), byID: map[string]apiOperation{}, byRequest: map[string]apiOperation{},
		ambiguous: map[string]bool{}, overdue: map[string]bool{},
	}
	nth := map[int]int{}
	for _, entry := range s.platform.Writes() {
		came := s.arrived[entry.Connection]
		if nth[entry.Connection] >= len(came) {
			s.failf("the platform received a write over connection %d that no gateway sent", entry.Connection)
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
	v.findAmbiguous(ops)
	v.checkPlatform()
	v.checkOperations(ops)
	v.checkSets(ops)
	v.checkResponses()
	v.checkReads()
	v.checkTrail()
}

func (v *checker) applied(request string) bool {
	return slices.ContainsFunc(v.received[request], func(e ocisim.Entry) bool { return e.Applied })
}

// findAmbiguous finds the requests that share entries with one that was carried out after
// the settle time.
func (v *checker) findAmbiguous(ops []apiOperation) {
	if !v.late {
		return
	}
	for request, entries := range v.received {
		v.overdue[request] = slices.ContainsFunc(entries, func(e ocisim.Entry) bool { return slices.Contains(e.Faults, ocisim.ApplyLate) })
	}
	for _, op := range ops {
		for _, other := range ops {
			// An overdue operation is corrected, unless others have changed its entries since.
			shared := other.ID != op.ID && slices.ContainsFunc(v.names(other), func(name string) bool { return slices.Contains(v.names(op), name) })
			if shared && (v.overdue[other.RequestID] || v.overdue[op.RequestID] && other.ID > op.ID) {
				v.ambiguous[op.RequestID] = true
			}
		}
	}
}

func (*checker) names(op apiOperation) []string {
	var names []string
	for _, e := range op.Entries {
		names = append(names, nameOf(e.Entry))
	}
	return names
}

// checkPlatform checks that the platform has done nothing twice.
func (v *checker) checkPlatform() {
	keys := map[string]int{}
	keyOf := map[string]string{}
	for _, ex := range v.exchanges {
		keyOf[ex.id] = ex.request.key
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
			v.failf("the request with the key %s was done %d times", key, times)
		}
	}
	for request := range v.sent {
		v.checkSent(request)
	}
}

// checkSent checks that each command of a request was sent only once, except those that
// the platform rejected because the session was not logged in.
func (v *checker) checkSent(request string) {
	sent, refused := map[string]int{}, map[string]int{}
	for _, h := range v.sent[request] {
		sent[h.command]++
	}
	for _, e := range v.received[request] {
		if e.Error == notLoggedInNumber && !e.Applied && !slices.ContainsFunc(e.Faults, damagesReply) {
			refused[e.Command]++
		}
	}
	for command, n := range sent {
		if n > 1 {
			v.count("sent again after not logged in")
		}
		if n-refused[command] > 1 {
			v.failf("the write of %s was sent as %v, of which only %v were rejected as not logged in", request, v.sent[request], refused)
		}
	}
}

// notLoggedInNumber is the error number of the simulated platform for a session that is
// not logged in.
const notLoggedInNumber = 9900

// damagesReply reports whether a fault leaves no intact reply.
func damagesReply(k ocisim.FaultKind) bool {
	return !slices.Contains([]ocisim.FaultKind{
		ocisim.LoseLogin, ocisim.Slow, ocisim.Drip, ocisim.LateNewline, ocisim.HugeTable, ocisim.ApplyLate, ocisim.ForcedLogout,
	}, k)
}

// checkOperations checks the operations that the API lists at the end, and those that it
// has listed during the run.
func (v *checker) checkOperations(ops []apiOperation) {
	for _, op := range ops {
		switch {
		case op.isReleased():
			v.count("released")
		case op.Basis == operation.NotTaken:
			v.count("not taken")
		default:
			v.count(fmt.Sprintf("known by %s: %s", op.Basis, op.State))
		}
		if v.ambiguous[op.RequestID] {
			continue
		}
		switch {
		case len(op.Corrections) > 0 && !v.overdue[op.RequestID]:
			v.failf("%s of %s was corrected: %v", op.ID, op.RequestID, op.Corrections)
		case len(op.Corrections) > 0:
			v.count("corrected")
		}
		v.checkEntries(op)
	}
	for _, seen := range v.listed {
		op, known := v.byID[seen.id]
		switch {
		case !known && (seen.state == operation.Done || len(v.sent[seen.request]) > 0):
			// An operation that was never sent may be removed: it was not done.
			v.failf("%s of %s was listed as %s at %v and does not exist any more", seen.id, seen.request, seen.state, seen.at)
		case !known || v.ambiguous[op.RequestID] || v.overdue[op.RequestID]:
			continue
		case seen.state.Ended() && op.isReleased(): // listed before the outcome was recorded, unlike the release
			if is := v.actualOf(op); is.state != operation.Unknown && is.state != seen.state {
				v.failf("%s of %s was listed as %s at %v before it was released", seen.id, op.RequestID, seen.state, seen.at)
			}
		case seen.state.Ended() && seen.state != op.State:
			v.failf("%s of %s was listed as %s at %v and is %s", seen.id, op.RequestID, seen.state, seen.at, op.State)
		}
		if known {
			v.checkListed(seen, op)
		}
	}
}
