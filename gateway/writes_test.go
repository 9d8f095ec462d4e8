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

// The good write of each route, and helpers for operations.

// writeCase is a good request to a route that writes, about one entry of the
// demonstration: the write of the route's [factsFile].
type writeCase struct {
	writeFacts
	route   string
	target  scope.Target
	level   string // the least
	call    call
	entry   string // as it is given
	command string // the platform's
	status  int    // of the good response
}

const (
	rangeCommand  = "GroupRouteListEnterpriseTrunkNumberRange"
	prefixCommand = "GroupRouteListEnterpriseTrunkNumberPrefix"
	assignCommand = rangeCommand + "AssignListRequest"
)

// writeCases returns those of all routes, in the order of the table.
func writeCases() []writeCase {
	var all []writeCase
	for _, route := range apiRoutes() {
		f, ok := facts().of(route.Name)
		if !ok || route.Change == nil || f.Write == nil {
			continue // which TestEveryRouteHasWhatItNeeds reports
		}
		all = append(all, writeCase{
			writeFacts: *f.Write, route: route.Name, level: f.Level,
			target: route.Scope.Target(func(name string) string { return ownIDs()[name] }),
			call:   call{method: route.Method, path: ownPath(route), client: f.writerOf(), body: f.Write.Body},
			entry:  f.Write.Entry.Given, command: f.Write.Command, status: route.Status,
		})
	}
	return all
}

// writeCaseOf returns that of a route.
func writeCaseOf(route string) writeCase {
	for _, w := range writeCases() {
		if w.route == route {
			return w
		}
	}
	panic("the route " + route + " has no write in its " + factsFile)
}

// missing is the id of no tenant and no group.
const missing = "nobody"

// elsewhere returns the write with another id of the group, or of the tenant if the path
// names no group. A System Admin sends it, who may learn whether the target exists.
func (w writeCase) elsewhere(id string) call {
	e, _ := routeNamed(w.route)
	with := ownIDs()
	switch {
	case w.target.GroupID != "":
		with["group_id"] = id
	case w.target.TenantID != "":
		with["tenant_id"] = id
	default:
		panic(w.route + " is about the whole system, so that no other target has it")
	}
	c := w.call
	c.path, c.client = pathOf(e, with), system
	return c
}

// another returns the write about another target, which the demonstration has.
func (w writeCase) another() call {
	if w.target.GroupID != "" {
		return w.elsewhere("ApioGrpOther")
	}
	return w.elsewhere("footenant")
}

// notFound names the error of the write about a target with the id missing.
func (w writeCase) notFound() string {
	if w.target.GroupID != "" {
		return "GROUP_NOT_FOUND"
	}
	return "TENANT_NOT_FOUND"
}

// by returns the write as that client sends it.
func (w writeCase) by(client string) call {
	c := w.call
	c.client = client
	return c
}

// stalled returns faults by which the platform does not reply to any read of the route.
func (w writeCase) stalled() []string {
	e, _ := routeNamed(w.route)
	var faults []string
	for _, command := range e.Describe().Reads {
		faults = append(faults, withCommand("stall", command))
	}
	return faults
}

// unchangedEntries returns the entries that already have the wanted value, as an operation
// lists them.
func (w writeFacts) unchangedEntries() []entryResponse {
	var reported []entryResponse
	for _, e := range w.Kept {
		reported = append(reported, entryResponse{e.Given, "done", 0, false})
	}
	return reported
}

// with returns the call with a header, or with one more.
func (c call) with(name string, values ...string) call {
	if c.header = maps.Clone(c.header); c.header == nil {
		c.header = http.Header{}
	}
	c.header[name] = values
	return c
}

func (c call) keyed(key string) call { return c.with("Idempotency-Key", key) }

// wantOutcome checks the headers of a write's response for an outcome, and
// returns the operation's id.
func (r response) wantOutcome(t testing.TB, outcome string) string {
	t.Helper()
	id := r.header.Get("Operation-Id")
	if !operation.IsID(id) {
		t.Fatalf("status %d has the Operation-Id %q", r.status, id)
	}
	if got := r.header.Get("Operation-Outcome"); got != outcome {
		t.Errorf("status %d has the outcome %q, want %q", r.status, got, outcome)
	}
	return id
}

// wantNoOperation checks for a response without an operation.
func (r response) wantNoOperation(t testing.TB) {
	t.Helper()
	for _, name := range []string{"Operation-Id", "Operation-Outcome"} {
		if value := r.header.Get(name); value != "" {
			t.Errorf("%s is %q", name, value)
		}
	}
}

// retryAfter returns the Retry-After of a response, which must have one.
func (r response) retryAfter(t testing.TB) time.Duration {
	t.Helper()
	seconds, err := strconv.Atoi(r.header.Get("Retry-After"))
	if err != nil || seconds < 1 {
		t.Fatalf("Retry-After is %q, want whole seconds", r.header.Get("Retry-After"))
	}
	return time.Duration(seconds) * time.Second
}

// operationResponse is an operation as the API returns it.
type operationResponse struct {
	ID          string          `json:"id"`
	State       string          `json:"state"`
	Outcome     string          `json:"outcome"`
	KnownBy     string          `json:"known_by"`
	Endpoint    string          `json:"endpoint"`
	TenantID    string          `json:"tenant_id"`
	GroupID     string          `json:"group_id"`
	UserID      string          `json:"user_id"`
	RequestedBy string          `json:"requested_by"`
	RequestID   string          `json:"request_id"`
	ReceivedAt  time.Time       `json:"received_at"`
	IntendedAt  time.Time       `json:"intended_at"`
	SentAt      time.Time       `json:"sent_at"`
	UnknownAt   time.Time       `json:"doubted_at"`
	EndedAt     time.Time       `json:"ended_at"`
	ReleasedAt  time.Time       `json:"released_at"`
	EntryCount  int             `json:"entry_count"` // in lists
	Entries     []entryResponse `json:"entries"`
	Error       *apiError       `json:"error"`
	Corrections []correction    `json:"corrections"`
}

type entryResponse struct {
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

// strictly decodes JSON that must have no other keys than the value.
func strictly(t testing.TB, text string, value any) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

// operation reads an operation.
func (r *rig) operation(t testing.TB, id string) (operationResponse, response) {
	t.Helper()
	got := r.call(t, call{path: operationPath(id), client: tenant})
	got.wantStatus(t, http.StatusOK)
	var op operationResponse
	strictly(t, got.body, &op)
	return op, got
}

// wantState checks that an operation, and with it the one entry that it changes, is
// in a state.
func (r *rig) wantState(t testing.TB, id, state, knownBy string) {
	t.Helper()
	op, _ := r.operation(t, id)
	if op.State != state || op.Outcome != state || op.KnownBy != knownBy {
		t.Errorf("the operation is %s, its outcome %s, known by %q; want %s by %q", op.State, op.Outcome, op.KnownBy, state, knownBy)
	}
	var kept []entryResponse
	if f, ok := facts().of(op.Endpoint); ok {
		kept = f.Write.unchangedEntries()
	}
	for _, e := range op.Entries {
		if e.Outcome != state && !slices.Contains(kept, e) {
			t.Errorf("the entry %s is %s, want %s", e.Entry, e.Outcome, state)
		}
	}
}
