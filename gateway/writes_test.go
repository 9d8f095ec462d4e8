package gateway_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

// writing is a good request to a row that writes, about one entry that the
// demonstration has as it needs it: the write of the row's [factsFile].
type writing struct {
	writeFacts
	endpoint string
	target   scope.Target
	level    string // the least
	call     call
	entry    string // as it is given
	command  string // the platform's
	status   int    // of the good answer
}

const (
	rangeCommand  = "GroupRouteListEnterpriseTrunkNumberRange"
	prefixCommand = "GroupRouteListEnterpriseTrunkNumberPrefix"
	assignCommand = rangeCommand + "AssignListRequest"
)

// writings are those of all rows, in the order of the table.
func writings() []writing {
	var all []writing
	for _, e := range endpoints() {
		f, ok := facts().of(e.Name)
		if !ok || e.Change == nil || f.Write == nil {
			continue // which TestEveryRowHasWhatItNeeds reports
		}
		all = append(all, writing{
			writeFacts: *f.Write, endpoint: e.Name, level: f.Level,
			target: e.Scope.Target(func(name string) string { return ownIDs()[name] }),
			call:   call{method: e.Method, path: ownPath(e), client: f.writerOf(), body: f.Write.Body},
			entry:  f.Write.Entry.Given, command: f.Write.Command, status: e.Status,
		})
	}
	return all
}

// writingOf is that of a row.
func writingOf(row string) writing {
	for _, w := range writings() {
		if w.endpoint == row {
			return w
		}
	}
	panic("the row " + row + " has no write in its " + factsFile)
}

// missing is the id of no tenant and no group.
const missing = "nobody"

// elsewhere is the write with another id in the place of the group's, or of the
// tenant's where the path names no group. A System Admin sends it, who may be told
// whether there is such a target.
func (w writing) elsewhere(id string) call {
	e, _ := rowNamed(w.endpoint)
	with := ownIDs()
	switch {
	case w.target.GroupID != "":
		with["group_id"] = id
	case w.target.TenantID != "":
		with["tenant_id"] = id
	default:
		panic(w.endpoint + " is about the whole system, so that no other target has it")
	}
	c := w.call
	c.path, c.client = pathOf(e, with), system
	return c
}

// another is the write about another target, which the demonstration has.
func (w writing) another() call {
	if w.target.GroupID != "" {
		return w.elsewhere("ApioGrpOther")
	}
	return w.elsewhere("footenant")
}

// notFound names the error of the write about a target with the id missing.
func (w writing) notFound() string {
	if w.target.GroupID != "" {
		return "GROUP_NOT_FOUND"
	}
	return "TENANT_NOT_FOUND"
}

// by is the write as that client sends it.
func (w writing) by(client string) call {
	c := w.call
	c.client = client
	return c
}

// stalled are faults by which the platform answers nothing that the row reads.
func (w writing) stalled() []string {
	e, _ := rowNamed(w.endpoint)
	var faults []string
	for _, command := range e.Describe().Reads {
		faults = append(faults, withCommand("stall", command))
	}
	return faults
}

// keptTold are the entries that are as the request wants them already, as callers
// are told of them.
func (w writeFacts) keptTold() []entryTold {
	var told []entryTold
	for _, e := range w.Kept {
		told = append(told, entryTold{e.Given, "done", 0, false})
	}
	return told
}

// with is the call with a header, or with one more.
func (c call) with(name string, values ...string) call {
	if c.header = maps.Clone(c.header); c.header == nil {
		c.header = http.Header{}
	}
	c.header[name] = values
	return c
}

func (c call) keyed(key string) call { return c.with("Idempotency-Key", key) }

// wantOutcome holds the headers of a write's answer against an outcome, and
// gives the operation's id.
func (a answer) wantOutcome(t testing.TB, outcome string) string {
	t.Helper()
	id := a.header.Get("Operation-Id")
	if !operation.IsID(id) {
		t.Fatalf("status %d has the Operation-Id %q", a.status, id)
	}
	if got := a.header.Get("Operation-Outcome"); got != outcome {
		t.Errorf("status %d has the outcome %q, want %q", a.status, got, outcome)
	}
	return id
}

// wantNoOperation demands an answer that is about none.
func (a answer) wantNoOperation(t testing.TB) {
	t.Helper()
	for _, name := range []string{"Operation-Id", "Operation-Outcome"} {
		if value := a.header.Get(name); value != "" {
			t.Errorf("%s is %q", name, value)
		}
	}
}

// retryAfter is the advice of an answer, which must be there.
func (a answer) retryAfter(t testing.TB) time.Duration {
	t.Helper()
	seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
	if err != nil || seconds < 1 {
		t.Fatalf("Retry-After is %q, want whole seconds", a.header.Get("Retry-After"))
	}
	return time.Duration(seconds) * time.Second
}

// operationTold is an operation as callers are told of it.
type operationTold struct {
	ID          string       `json:"id"`
	State       string       `json:"state"`
	Outcome     string       `json:"outcome"`
	KnownBy     string       `json:"known_by"`
	Endpoint    string       `json:"endpoint"`
	TenantID    string       `json:"tenant_id"`
	GroupID     string       `json:"group_id"`
	UserID      string       `json:"user_id"`
	RequestedBy string       `json:"requested_by"`
	RequestID   string       `json:"request_id"`
	ReceivedAt  time.Time    `json:"received_at"`
	IntendedAt  time.Time    `json:"intended_at"`
	SentAt      time.Time    `json:"sent_at"`
	DoubtedAt   time.Time    `json:"doubted_at"`
	EndedAt     time.Time    `json:"ended_at"`
	ReleasedAt  time.Time    `json:"released_at"`
	Entries     []entryTold  `json:"entries"`
	Error       *apiError    `json:"error"`
	Corrections []correction `json:"corrections"`
}

type entryTold struct {
	Entry    string `json:"entry"`
	Outcome  string `json:"outcome"`
	Step     int    `json:"step"`
	Released bool   `json:"released"`
}

type correction struct {
	At   time.Time `json:"at"`
	From string    `json:"from"`
	To   string    `json:"to"`
}

func operationPath(id string) string { return "/api/v1/operations/" + id + "/" }

// strictly reads JSON that has no other keys than the value.
func strictly(t testing.TB, text string, value any) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

// operation asks what became of one.
func (r *rig) operation(t testing.TB, id string) (operationTold, answer) {
	t.Helper()
	got := r.call(t, call{path: operationPath(id), client: tenant})
	got.wantStatus(t, http.StatusOK)
	var told operationTold
	strictly(t, got.body, &told)
	return told, got
}

// wantState demands that an operation, and with it the one entry that it changes, is
// in a state.
func (r *rig) wantState(t testing.TB, id, state, knownBy string) {
	t.Helper()
	told, _ := r.operation(t, id)
	if told.State != state || told.Outcome != state || told.KnownBy != knownBy {
		t.Errorf("the operation is %s, its outcome %s, known by %q; want %s by %q", told.State, told.Outcome, told.KnownBy, state, knownBy)
	}
	var kept []entryTold
	if f, ok := facts().of(told.Endpoint); ok {
		kept = f.Write.keptTold()
	}
	for _, e := range told.Entries {
		if e.Outcome != state && !slices.Contains(kept, e) {
			t.Errorf("the entry %s is %s, want %s", e.Entry, e.Outcome, state)
		}
	}
}
