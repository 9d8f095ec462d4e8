package gateway_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/operation"
)

// The routes that read operations.

// listResponse is a page of operations as the API returns it.
type listResponse struct {
	Operations []operationResponse `json:"operations"`
	Next       string              `json:"next"`
}

// list asks for operations, and gives their ids.
func (r *rig) list(t testing.TB, client, query string) (ids []string, next string) {
	t.Helper()
	got := r.call(t, call{path: "/api/v1/operations/" + query, client: client})
	got.wantStatus(t, http.StatusOK)
	var page listResponse
	strictly(t, got.body, &page)
	for _, o := range page.Operations {
		ids = append(ids, o.ID)
	}
	return ids, page.Next
}

// write makes a good request and gives the operation's id.
func (r *rig) write(t testing.TB, c call) string {
	t.Helper()
	got := r.call(t, c)
	if got.status >= http.StatusBadRequest {
		t.Fatalf("status %d: %s", got.status, got.body)
	}
	return got.wantOutcome(t, "done")
}

// inThreeGroups makes a write in the own group, in another of the own tenant and
// in another tenant, and gives their ids.
func (r *rig) inThreeGroups(t testing.TB) (own, other, foreign string) {
	t.Helper()
	assign := func(path, start string) string {
		return r.write(t, call{method: http.MethodPost, path: path, client: system, body: `{"numbers":[{"minPhoneNumber":"` + start + `"}]}`})
	}
	return assign(ownList("numbers"), "+3225126999"),
		assign(listOf(ownTenant, "ApioGrpOther", "numbers"), "+3225127000"),
		assign(listOf("footenant", "foogroup", "numbers"), "+3225126999")
}

// An operation that is outside the caller's scope is not there for them; a level
// that is too low is refused whatever is there.
func TestRightsOverOperations(t *testing.T) {
	r := start(t, setup{})
	own, other, foreign := r.inThreeGroups(t)
	minimum := factsOf(t, "operation_get").Level
	for _, of := range []struct {
		id                string
		ofTenant, ofGroup bool
	}{{own, true, true}, {other, true, false}, {foreign, false, false}, {operation.NewID(), false, false}, {"x", false, false}} {
		for _, client := range []string{anonymous, user, department, group, tenant, system} {
			got := r.call(t, call{path: operationPath(of.id), client: client})
			switch {
			case client == anonymous:
				got.wantError(t, http.StatusUnauthorized, "UNAUTHENTICATED")
			case client == user || client == department:
				got.wantError(t, http.StatusForbidden, "FORBIDDEN")
			case mayCall(client, minimum, of.ofTenant, of.ofGroup) && slices.Contains([]string{own, other, foreign}, of.id):
				got.wantStatus(t, http.StatusOK)
			default:
				got.wantError(t, http.StatusNotFound, "OPERATION_NOT_FOUND")
			}
		}
	}
}

func TestScopesOfTheListOfOperations(t *testing.T) {
	r := start(t, setup{})
	own, other, foreign := r.inThreeGroups(t)
	for _, c := range []struct {
		client, query string
		status        int
		ids           []string
	}{
		{system, "", 200, []string{foreign, other, own}},
		{system, "?tenant_id=" + ownTenant, 200, []string{other, own}},
		{system, "?tenant_id=" + ownTenant + "&group_id=" + ownGroup, 200, []string{own}},
		{system, "?tenant_id=footenant", 200, []string{foreign}},
		{system, "?tenant_id=nobody", 200, nil},
		{system, "?tenant_id=", 200, []string{foreign, other, own}},
		{system, "?group_id=" + ownGroup, 400, nil},
		{tenant, "", 200, []string{other, own}},
		{tenant, "?group_id=ApioGrpOther", 200, []string{other}},
		{tenant, "?tenant_id=" + ownTenant, 200, []string{other, own}},
		{tenant, "?tenant_id=footenant", 403, nil},
		{tenant, "?tenant_id=nobody", 403, nil},
		{tenant, "?tenant_id=apiosptest", 403, nil},
		{tenant, "?tenant_id=", 403, nil},
		{group, "", 200, []string{own}},
		{group, "?tenant_id=" + ownTenant, 200, []string{own}},
		{group, "?group_id=" + ownGroup, 200, []string{own}},
		{group, "?group_id=ApioGrpOther", 403, nil},
		{group, "?group_id=", 403, nil},
		{group, "?tenant_id=footenant", 403, nil},
		{group, "?tenant_id=&group_id=", 403, nil},
		{group, "?tenant_id=", 400, nil},
		{department, "", 403, nil},
		{department, "?limit=0", 403, nil},
		{user, "", 403, nil},
		{anonymous, "", 401, nil},
	} {
		t.Run(c.client+c.query, func(t *testing.T) {
			got := r.call(t, call{path: "/api/v1/operations/" + c.query, client: c.client})
			got.wantStatus(t, c.status)
			if c.status != http.StatusOK {
				return
			}
			ids, next := r.list(t, c.client, c.query)
			if diff := cmp.Diff(c.ids, ids); diff != "" || next != "" {
				t.Errorf("next %q, ids (-want +got):\n%s", next, diff)
			}
		})
	}
}

func TestOperationsByTheirState(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, r *rig) {
		assign, remove := writeCaseOf("itc_numbers_assign"), writeCaseOf("itc_numbers_remove")
		done := r.write(t, remove.call)
		notDone := r.loseReply(t, assign, "")
		time.Sleep(time.Minute)
		unknown := r.loseReply(t, assign, "")
		for state, want := range map[string][]string{
			"done": {done}, "not_done": {notDone}, "unknown": {unknown}, "partly_done": nil,
		} {
			ids, _ := r.list(t, tenant, "?state="+state)
			if diff := cmp.Diff(want, ids); diff != "" {
				t.Errorf("%s (-want +got):\n%s", state, diff)
			}
		}
	})
}

func TestParametersOfTheListOfOperations(t *testing.T) {
	r := start(t, setup{})
	for query, at := range map[string][]string{
		"state=received":                    {"state"},
		"tenant_id=%00":                     {"tenant_id"},
		"group_id=%20":                      {"group_id"},
		"state=Done":                        {"state"},
		"state=":                            {"state"},
		"limit=0":                           {"limit"},
		"limit=1001":                        {"limit"},
		"limit=-1":                          {"limit"},
		"limit=ten":                         {"limit"},
		"limit=":                            {"limit"},
		"limit=99999999999999999999":        {"limit"},
		"before=x":                          {"before"},
		"before=":                           {"before"},
		"limit=5&limit=5":                   {"limit"},
		"page=2":                            {"page"},
		"Limit=5":                           {"Limit"},
		"limit":                             {"limit"},
		"entries=":                          {"entries"},
		"entries=1":                         {"entries"},
		"entries=all&limit=0":               {"entries", "limit"},
		"limit=0&state=x&before=x&page=":    {"before", "limit", "page", "state"},
		"limit=5;state=done":                {"query"},
		"limit=%":                           {"query"},
		"state=" + url.QueryEscape("done "): {"state"},
	} {
		t.Run(query, func(t *testing.T) {
			failure := r.call(t, call{path: "/api/v1/operations/?" + query, client: tenant}).wantError(t, http.StatusBadRequest, "INVALID_PARAMETERS")
			var places []string
			for _, p := range failure.Details.Problems {
				places = append(places, p.Parameter)
			}
			if diff := cmp.Diff(at, places); diff != "" {
				t.Errorf("parameters (-want +got):\n%s", diff)
			}
		})
	}
	for _, query := range []string{"", "?", "?limit=1", "?limit=1000", "?state=done", "?entries=true", "?before=" + operation.NewID()} {
		r.call(t, call{path: "/api/v1/operations/" + query, client: tenant}).wantStatus(t, http.StatusOK)
	}
}

// Pages have neither gaps nor repeats, whatever is written meanwhile.
func TestPagesOfOperations(t *testing.T) {
	r := start(t, setup{})
	assign, remove := assignFreeRange(), assignFreeRange()
	remove.method = http.MethodDelete
	var made []string
	for range 4 {
		made = append(made, r.write(t, assign), r.write(t, remove))
	}
	newest := slices.Clone(made)
	slices.Reverse(newest)
	for _, limit := range []int{1, 2, 3, 7, 8, 9} {
		t.Run(fmt.Sprintf("of %d", limit), func(t *testing.T) {
			var read []string
			before := ""
			for pages := 1; ; pages++ {
				ids, next := r.list(t, tenant, fmt.Sprintf("?limit=%d%s", limit, before))
				if len(ids) > limit || len(ids) == 0 {
					t.Fatalf("a page of %d", len(ids))
				}
				read = append(read, ids...)
				if next == "" {
					if want := (len(newest) + limit - 1) / limit; pages != want {
						t.Errorf("%d pages, want %d", pages, want)
					}
					break
				}
				if next != ids[len(ids)-1] {
					t.Errorf("the next page begins before %s, this one ends with %s", next, ids[len(ids)-1])
				}
				before = "&before=" + next
			}
			if diff := cmp.Diff(newest, read); diff != "" {
				t.Errorf("read (-made +listed):\n%s", diff)
			}
		})
	}
	t.Run("while more is written", func(t *testing.T) {
		first, next := r.list(t, tenant, "?limit=3")
		r.write(t, assign)
		r.write(t, remove)
		second, _ := r.list(t, tenant, "?limit=100&before="+next)
		if diff := cmp.Diff(newest, append(first, second...)); diff != "" {
			t.Errorf("read (-made +listed):\n%s", diff)
		}
	})
	t.Run("are of 100 by default", func(t *testing.T) {
		for range 48 {
			r.write(t, assign)
			r.write(t, remove)
		}
		ids, next := r.list(t, tenant, "")
		if len(ids) != 100 || next != ids[99] {
			t.Errorf("a page of %d, next %q", len(ids), next)
		}
	})
}

func TestIDsOfNoOperation(t *testing.T) {
	r := start(t, setup{})
	id := r.write(t, assignFreeRange())
	for name, asked := range map[string]string{
		"another id":          operation.NewID(),
		"in capitals":         strings.ToUpper(id),
		"without dashes":      strings.ReplaceAll(id, "-", ""),
		"in braces":           "%7B" + id + "%7D",
		"a URN":               "urn:uuid:" + id,
		"half of it":          id[:18],
		"more than it":        id + "0",
		"a slash":             id + "%2F",
		"a zero byte":         id + "%00",
		"nothing of the kind": "numbers",
	} {
		t.Run(name, func(t *testing.T) {
			r.call(t, call{path: operationPath(asked), client: system}).wantError(t, http.StatusNotFound, "OPERATION_NOT_FOUND")
		})
	}
	for name, path := range map[string]string{
		"without the final slash": strings.TrimSuffix(operationPath(id), "/"),
		"with an escape":          operationPath(strings.Replace(id, "-", "%2D", 1)),
	} {
		t.Run(name, func(t *testing.T) {
			r.call(t, call{path: path, client: system}).wantStatus(t, http.StatusOK)
		})
	}
}

// The response with an operation, to the byte.
func TestOperationIsReported(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, r *rig) {
		r.inject(t, withCommand("slow delay=3s", assignCommand))
		got := r.call(t, assignFreeRange().with("X-Request-Id", "Portal-42"))
		id := got.wantOutcome(t, "done")
		want := `{"id":"` + id + `","state":"done","outcome":"done","known_by":"answer","endpoint":"itc_numbers_assign",` +
			`"tenant_id":"ApioSpTest","group_id":"ApioGrpTest","requested_by":"system","request_id":"Portal-42",` +
			`"received_at":"2000-01-01T00:00:00Z","intended_at":"2000-01-01T00:00:00Z","sent_at":"2000-01-01T00:00:00Z","ended_at":"2000-01-01T00:00:03Z",` +
			`"entries":[{"entry":"+3225126999","outcome":"done","step":1}]}`
		reported := r.call(t, call{path: operationPath(id), client: group})
		if diff := cmp.Diff(want, strings.TrimSpace(reported.body)); diff != "" {
			t.Errorf("body (-want +got):\n%s", diff)
		}
		if reported.header.Get("Retry-After") != "" {
			t.Error("there is nothing to wait for")
		}
		counted := strings.Replace(want, `"entries"`, `"entry_count":1,"entries"`, 1)
		short := strings.Replace(counted, `,"entries":[{"entry":"+3225126999","outcome":"done","step":1}]`, "", 1)
		for query, want := range map[string]string{"": short, "?entries=false": short, "?entries=true": counted} {
			listed := r.call(t, call{path: "/api/v1/operations/" + query, client: group})
			if diff := cmp.Diff(`{"operations":[`+want+`]}`, strings.TrimSpace(listed.body)); diff != "" {
				t.Errorf("list %s (-want +got):\n%s", query, diff)
			}
		}
	})
}

// An operation can be asked for from its first moment on.
func TestOperationsThatRun(t *testing.T) {
	for fault, state := range map[string]string{
		"slow delay=5s command=ServiceProviderGetRequest17sp1": "received",
		"slow delay=5s command=" + assignCommand:               "sent",
	} {
		t.Run(state, func(t *testing.T) {
			inBubble(t, setup{faults: []string{fault}}, func(t *testing.T, r *rig) {
				asked := assignFreeRange().keyed("k")
				ended := make(chan response, 1)
				go func() { ended <- r.call(t, asked) }()
				synctest.Wait()
				id := r.call(t, asked).wantOutcome(t, "unknown") // a 409, which names it
				op, got := r.operation(t, id)
				if op.State != state || op.Outcome != "unknown" || op.Entries[0].Outcome != "unknown" {
					t.Errorf("got %+v", op)
				}
				got.wantRetryAfter(t)
				(<-ended).wantStatus(t, http.StatusCreated)
				r.wantState(t, id, "done", "answer")
			})
		})
	}
}

// While an operation is unknown, its response has a Retry-After.
func TestUnknownOperations(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, r *rig) {
		id := r.loseReply(t, writeCaseOf("itc_numbers_assign"), "")
		last := time.Hour
		for {
			op, got := r.operation(t, id)
			if op.State != "unknown" {
				break
			}
			wait := got.retryAfter(t)
			if wait > last || op.UnknownAt.IsZero() || !op.EndedAt.IsZero() {
				t.Fatalf("wait %v after %v: %+v", wait, last, op)
			}
			last = wait
			time.Sleep(10 * time.Second)
		}
		op, got := r.operation(t, id)
		if took := op.EndedAt.Sub(op.UnknownAt); took != 31*time.Second {
			t.Errorf("known after %v", took)
		}
		if got.header.Get("Retry-After") != "" {
			t.Error("there is nothing to wait for")
		}
	})
}

// Whenever the process is killed, the next one knows what was sent,
// finds out what became of it, and keeps keys and entries meanwhile.
func TestOperationsAreKeptAfterAKill(t *testing.T) {
	for name, c := range map[string]struct {
		fault string
		after time.Duration // the kill
		first string        // the first state in the next process, "" for none
		last  string        // and in the end
	}{
		"while it is checked":          {"slow delay=5s command=ServiceProviderGetRequest17sp1", time.Second, "", ""},
		"when it was sent":             {withCommand("stall", assignCommand), time.Second, "unknown", "not_done"},
		"when it was done":             {withCommand("stall-after-apply", assignCommand), time.Second, "unknown", "done"},
		"before it is done":            {withCommand("apply-late delay=15s", assignCommand), time.Second, "unknown", "done"},
		"while it is unknown":          {withCommand("drop-before-apply", assignCommand), 10 * time.Second, "unknown", "not_done"},
		"after its response":           {withCommand("slow", assignCommand), 10 * time.Second, "done", "done"},
		"after its refusal":            {withCommand("error-before-apply", assignCommand), time.Second, "not_done", "not_done"},
		"when its end was found out":   {withCommand("drop-before-apply", assignCommand), time.Minute, "not_done", "not_done"},
		"when it was given up by time": {withCommand("stall", assignCommand), 30 * time.Second, "unknown", "not_done"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, setup{}, func(t *testing.T, r *rig) {
				injected := r.inject(t, c.fault)
				asked := assignFreeRange().keyed("k").with("X-Request-Id", "Portal-42")
				id := make(chan string, 1)
				go func() { id <- r.call(t, asked).header.Get("Operation-Id") }()
				time.Sleep(c.after)
				second := r.afterKill(t)
				injected.Remove()
				synctest.Wait()

				of := <-id
				if c.first == "" {
					second.call(t, call{path: operationPath(of), client: system}).wantError(t, http.StatusNotFound, "OPERATION_NOT_FOUND")
					return
				}
				op, got := second.operation(t, of)
				if op.RequestID != "Portal-42" || op.RequestedBy != system || op.IntendedAt.IsZero() {
					t.Errorf("got %+v", op)
				}
				if c.first == "unknown" && c.last == "not_done" {
					if op.State != "unknown" {
						t.Errorf("at first it is %s", op.State)
					}
					got.wantRetryAfter(t)
					// The key is known, and the entries are held.
					second.call(t, asked).wantReplay(t, of, "unknown")
					second.call(t, assignFreeRange()).wantError(t, http.StatusConflict, "ENTRIES_HELD")
				}
				time.Sleep(time.Minute)
				if op, _ := second.operation(t, of); op.State != c.last {
					t.Errorf("in the end it is %s, want %s", op.State, c.last)
				}
				second.call(t, asked).wantReplay(t, of, c.last)
				if ids, _ := second.list(t, system, "?state="+c.last); !slices.Equal(ids, []string{of}) {
					t.Errorf("listed are %v", ids)
				}
				if c.last == "not_done" {
					second.call(t, assignFreeRange()).wantStatus(t, http.StatusCreated)
				}
				second.events(t) // which must be intact
			})
		})
	}
}

// A write that the platform carries out after the settle time is corrected, and its
// operation has the correction.
func TestOperationsAreCorrected(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, r *rig) {
		r.inject(t, withCommand("apply-late delay=3m", assignCommand))
		asked := assignFreeRange().keyed("k")
		first := r.call(t, asked)
		first.wantError(t, http.StatusGatewayTimeout, "OUTCOME_UNKNOWN")
		id := first.wantOutcome(t, "unknown")
		time.Sleep(time.Minute)
		r.wantState(t, id, "not_done", "reading")
		r.call(t, asked).wantError(t, http.StatusBadRequest, "OPERATION_NOT_DONE")
		time.Sleep(10 * time.Minute)
		r.wantState(t, id, "done", "reading")
		op, _ := r.operation(t, id)
		if len(op.Corrections) != 1 || op.Corrections[0].From != "not_done" || op.Corrections[0].To != "done" || op.Corrections[0].At != op.EndedAt {
			t.Errorf("corrections %+v", op.Corrections)
		}
		again := r.call(t, asked)
		again.wantStatus(t, http.StatusCreated)
		again.wantReplay(t, id, "done")
		wantCounted(t, r, "ocigate_operation_corrections_total", map[string]float64{"itc_numbers_assign": 1})
		r.wantWrites(t, 1, 1)
	})
}
