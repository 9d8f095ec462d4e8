package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ocigate/gateway/operation"
)

// Writes of several steps, by the example of a list that is set.

// A list that keeps one range of the group, adds one and removes another, in two
// steps.
const (
	keptRange, addedRange, removedRange = "+3226127000", "+3225126999", "+3226127007"

	unassignCommand = rangeCommand + "UnassignListRequest"
)

func rangesBody(starts ...string) string {
	items := make([]string, len(starts))
	for i, start := range starts {
		items[i] = `{"minPhoneNumber":"` + start + `"}`
	}
	return `{"numbers":[` + strings.Join(items, ",") + `]}`
}

// setRanges asks that the own group has exactly these ranges.
func setRanges(starts ...string) call {
	return call{method: http.MethodPut, path: ownList("numbers"), client: tenant, body: rangesBody(starts...)}
}

func setList() call { return setRanges(keptRange, addedRange) }

// reportOf returns the response to that list with this status of the range that is added. The
// other one is removed.
func reportOf(added string) string {
	return `{"result":[{"minPhoneNumber":"` + keptRange + `","status":"unchanged"},{"minPhoneNumber":"` + addedRange + `","status":"` + added +
		`"},{"minPhoneNumber":"` + removedRange + `","status":"removed"}]}`
}

// wantEntries checks the state of an operation about that list, and the outcomes of
// the range that is added and of the one that is removed.
func (r *rig) wantEntries(t testing.TB, id, state, knownBy, added, removed string) {
	t.Helper()
	op, _ := r.operation(t, id)
	if op.State != state || op.KnownBy != knownBy {
		t.Errorf("the operation is %s, known by %q; want %s by %q", op.State, op.KnownBy, state, knownBy)
	}
	want := []entryResponse{{keptRange, "done", 0, false}, {addedRange, added, 2, false}, {removedRange, removed, 1, false}}
	if diff := cmp.Diff(want, op.Entries); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

// wantOwn checks which of the three ranges the group has.
func (r *rig) wantOwn(t testing.TB, starts ...string) {
	t.Helper()
	body := r.get(t, "numbers").body
	for _, start := range []string{keptRange, addedRange, removedRange} {
		if has, want := strings.Contains(body, `"minPhoneNumber":"`+start+`"`), strings.Contains(strings.Join(starts, " "), start); has != want {
			t.Errorf("the group has %s: %t, want %t", start, has, want)
		}
	}
}

// A key is answered with the report of the first request, from the journal.
func TestKeyReplaysAReport(t *testing.T) {
	refused := withCommand("error-before-apply number=4999", assignCommand)
	for name, c := range map[string]struct {
		fault          string
		asked          call
		status         int
		report         string
		outcome        string
		added, removed string
	}{
		"all of it": {"", setList(), 200, reportOf("added"), "done", "done", "done"},
		"a part":    {refused, setList(), 207, reportOf("rejected"), "partly_done", "not_done", "done"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, setup{}, func(t *testing.T, r *rig) {
				if c.fault != "" {
					r.inject(t, c.fault)
				}
				first := r.call(t, c.asked.keyed("k"))
				first.wantBody(t, c.status, c.report)
				id := first.wantOutcome(t, c.outcome)
				heard := len(r.platform.Ledger())
				second := r.afterKill(t)
				for _, r := range []*rig{r, r, second} {
					again := r.call(t, c.asked.keyed("k"))
					again.wantBody(t, c.status, c.report)
					again.wantReplay(t, id, c.outcome)
					if again.header.Get("Retry-After") != "" {
						t.Error("there is nothing to wait for")
					}
					r.wantEntries(t, id, c.outcome, "answer", c.added, c.removed)
				}
				if len(r.platform.Ledger()) != heard {
					t.Error("the platform was asked")
				}
			})
		})
	}
	t.Run("nothing, though much has changed since", func(t *testing.T) {
		inBubble(t, setup{}, func(t *testing.T, r *rig) {
			const report = `{"result":[{"minPhoneNumber":"` + removedRange + `","status":"unchanged"},{"minPhoneNumber":"` + keptRange + `","status":"unchanged"}]}`
			asked := setRanges(removedRange, keptRange).keyed("k")
			first := r.call(t, asked)
			first.wantBody(t, http.StatusOK, report)
			id := first.wantOutcome(t, "done")
			r.wantWrites(t, 0, 0)
			op, _ := r.operation(t, id)
			if diff := cmp.Diff([]entryResponse{{removedRange, "done", 0, false}, {keptRange, "done", 0, false}}, op.Entries); diff != "" || op.KnownBy != "reading" || !op.IntendedAt.IsZero() {
				t.Errorf("%+v, entries (-want +got):\n%s", op, diff)
			}
			r.call(t, setList()).wantBody(t, http.StatusOK, reportOf("added"))
			again := r.call(t, asked)
			again.wantBody(t, http.StatusOK, report)
			again.wantReplay(t, id, "done")
		})
	})
}

// A report has no reasons. Its headers name the operation, which has the platform's
// refusal, unless that is not confirmed.
func TestOperationHasTheRefusalOfAPartlyDoneList(t *testing.T) {
	const refusal = ` number=4999 summary="Not today"`
	for fault, c := range map[string]struct {
		state, added string // of the operation, and of the range that is added
		later        string // the state that is found out
		refused      bool
	}{
		"error-before-apply" + refusal:                   {"partly_done", "not_done", "partly_done", true},
		"error-after-apply" + refusal:                    {"done", "done", "done", false},
		"error-before-apply severity=Warning" + refusal:  {"unknown", "unknown", "partly_done", false},
		"drop-before-apply":                              {"unknown", "unknown", "partly_done", false},
		`error-before-apply summary="NO_OCS_CONNECTION"`: {"partly_done", "not_done", "partly_done", false}, // the platform did not check the command
	} {
		t.Run(fault, func(t *testing.T) {
			inBubble(t, setup{faults: []string{withCommand(fault, assignCommand)}}, func(t *testing.T, r *rig) {
				got := r.call(t, setList())
				id := got.wantOutcome(t, c.state)
				for _, state := range []string{c.state, c.later} {
					op, _ := r.operation(t, id)
					if op.State != state || (op.Error != nil) != c.refused {
						t.Errorf("the operation is %s, want %s, and its error is %+v", op.State, state, op.Error)
					}
					if c.refused {
						r.wantEntries(t, id, state, "answer", c.added, "done")
						if e := op.Error; e.Code != 1010 || e.Name != "PLATFORM_REFUSED" || e.Message == "" || !strings.Contains(e.Details.Errors["0"].Summary, "Not today") {
							t.Errorf("its error is %+v", e)
						}
						r.wantNoWords(t, id)
					}
					time.Sleep(10 * time.Minute)
				}
			})
		})
	}
}

// A Group Admin reads what became of the write of a higher level, and why, but not the
// platform's words, which may name other groups.
func (r *rig) wantNoWords(t *testing.T, id string) {
	t.Helper()
	for _, path := range []string{operationPath(id), "/api/v1/operations/?tenant_id=" + ownTenant + "&group_id=" + ownGroup} {
		got := r.call(t, call{path: path, client: group})
		got.wantStatus(t, http.StatusOK)
		if body := got.body; strings.Contains(body, "Not today") || !strings.Contains(body, "PLATFORM_REFUSED") {
			t.Errorf("a Group Admin reads %s", body)
		}
	}
}

// A refusal that is not confirmed immediately is reported once it is.
func TestOperationHasALaterConfirmedRefusal(t *testing.T) {
	faults := []string{withCommand("error-before-apply number=4999", assignCommand)}
	m := &writeHook{at: 2}
	inBubble(t, m.install(setup{faults: faults}), func(t *testing.T, r *rig) {
		m.beforeWrite(func() { r.inject(t, "stall command=*RangeGetSummaryListRequest times=1") })
		id := r.call(t, setList()).wantOutcome(t, "unknown")
		if op, _ := r.operation(t, id); op.Error != nil {
			t.Errorf("while it is not known, its error is %+v", op.Error)
		}
		time.Sleep(10 * time.Minute)
		op, _ := r.operation(t, id)
		if op.State != "partly_done" || op.KnownBy != "reading" || op.Error == nil || op.Error.Name != "PLATFORM_REFUSED" {
			t.Errorf("it is %+v", op)
		}
	})
}

// A step that was unknown is found out, and from then on reported as what it is.
func TestKeyReplaysAReportThatWasFoundOut(t *testing.T) {
	for fault, c := range map[string]struct {
		status  int
		report  string
		outcome string
		added   string
		applied int
	}{
		"drop-before-apply":    {207, reportOf("rejected"), "partly_done", "not_done", 1},
		"apply-late delay=25s": {200, reportOf("added"), "done", "done", 2},
	} {
		t.Run(fault, func(t *testing.T) {
			inBubble(t, setup{faults: []string{withCommand(fault, assignCommand)}}, func(t *testing.T, r *rig) {
				asked := setList().keyed("k")
				first := r.call(t, asked)
				first.wantBody(t, http.StatusMultiStatus, reportOf("unknown"))
				id := first.wantOutcome(t, "unknown")
				r.wantEntries(t, id, "unknown", "", "unknown", "done")
				again := r.call(t, asked)
				again.wantBody(t, http.StatusMultiStatus, reportOf("unknown"))
				again.wantReplay(t, id, "unknown")
				time.Sleep(again.retryAfter(t) + time.Second) // Retry-After is when it is known
				again = r.call(t, asked)
				again.wantBody(t, c.status, c.report)
				again.wantReplay(t, id, c.outcome)
				if again.header.Get("Retry-After") != "" {
					t.Error("there is nothing to wait for")
				}
				r.wantEntries(t, id, c.outcome, "reading", c.added, "done")
				r.wantWrites(t, 2, c.applied)
			})
		})
	}
}

// The first step is known only later, and the second is never sent.
func TestReportOfAFirstStepThatWasFoundOut(t *testing.T) {
	inBubble(t, setup{faults: []string{withCommand("apply-late delay=25s", unassignCommand)}}, func(t *testing.T, r *rig) {
		asked := setList().keyed("k")
		first := r.call(t, asked)
		failure := first.wantError(t, http.StatusGatewayTimeout, "OUTCOME_UNKNOWN")
		if diff := cmp.Diff([]string{removedRange}, failure.Details.Entries); diff != "" {
			t.Errorf("entries (-want +got):\n%s", diff)
		}
		id := first.wantOutcome(t, "unknown")
		r.wantEntries(t, id, "unknown", "", "not_done", "unknown")
		time.Sleep(time.Minute)
		again := r.call(t, asked)
		again.wantBody(t, http.StatusMultiStatus, reportOf("rejected"))
		again.wantReplay(t, id, "partly_done")
		r.wantWrites(t, 1, 1)
		// What is missing takes one step more.
		r.call(t, setList()).wantBody(t, http.StatusOK, `{"result":[{"minPhoneNumber":"`+keptRange+`","status":"unchanged"},{"minPhoneNumber":"`+addedRange+`","status":"added"}]}`)
	})
}

// The trail has one line for the intent of all steps, and one for each outcome.
func TestStepsAreAudited(t *testing.T) {
	entries := func(added, removed operation.State) []operation.Entry {
		const group, none = `{"groupId":"ApioGrpTest"}`, `{"groupId":null}`
		of := func(start, end, before, after string, step int, outcome operation.State) operation.Entry {
			e := entryFacts{Kind: "numbers", Given: start, Start: start, End: end, Before: before, After: after}.recorded(step)
			e.Outcome = outcome
			return e
		}
		return []operation.Entry{
			of(keptRange, "+3226127002", group, group, 0, operation.Done),
			of(addedRange, addedRange, none, group, 2, added),
			of(removedRange, "+3226127009", group, none, 1, removed),
		}
	}
	intent := operation.Event{Kind: operation.EventIntent, Outcome: "intent", Entries: entries("", "")}
	outcome := func(outcome string, basis operation.Basis, added operation.State) operation.Event {
		return operation.Event{Kind: operation.EventOutcome, Outcome: outcome, Basis: basis, Entries: entries(added, operation.Done)}
	}
	for fault, want := range map[string][]operation.Event{
		"slow":               {intent, outcome("done", operation.ByReply, operation.Done)},
		"error-before-apply": {intent, outcome("partly_done", operation.ByReply, operation.NotDone)},
		"drop-before-apply":  {intent, outcome("unknown", "", ""), outcome("partly_done", operation.ByReading, operation.NotDone)},
	} {
		t.Run(fault, func(t *testing.T) {
			inBubble(t, setup{faults: []string{withCommand(fault, assignCommand)}}, func(t *testing.T, r *rig) {
				id := r.call(t, setList()).header.Get("Operation-Id")
				time.Sleep(time.Minute)
				got := r.events(t)
				for i := range want {
					want[i].Route, want[i].Operation, want[i].PlatformEndpoint = "itc_numbers_set", id, "primary"
					want[i].TenantID, want[i].GroupID = ownTenant, ownGroup
				}
				if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(operation.Event{}, "Time", "Caller")); diff != "" {
					t.Errorf("lines (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Two lists of one group exclude each other, whatever is in them, for as long as it
// is not known what became of the first.
func TestListsOfOneGroupExcludeEachOther(t *testing.T) {
	others := func(t *testing.T, r *rig) {
		t.Helper()
		for name, c := range map[string]call{
			"another group":   {method: http.MethodPut, path: listOf(ownTenant, "ApioGrpOther", "numbers"), body: rangesBody("+3225129000")},
			"another tenant":  {method: http.MethodPut, path: listOf("footenant", "foogroup", "numbers"), body: rangesBody(keptRange)},
			"its prefixes":    {method: http.MethodPut, path: ownList("prefixes"), body: `{"prefixes":[{"prefix":"+32-01"},{"prefix":"+32-02"}]}`},
			"a single change": {method: http.MethodPost, path: ownList("numbers"), body: rangesBody("+3225128000")},
		} {
			c.client = system
			if got := r.call(t, c); got.status >= http.StatusBadRequest {
				t.Errorf("%s: %d %s", name, got.status, got.body)
			}
		}
	}
	held := func(t *testing.T, r *rig, id string) {
		t.Helper()
		got := r.call(t, setRanges("+3225127000"))
		failure := got.wantError(t, http.StatusConflict, "ENTRIES_HELD")
		got.wantOutcome(t, "not_done")
		got.wantRetryAfter(t)
		if failure.Details.Entries != nil || id != "" && failure.Details.Operation != operationPath(id) {
			t.Errorf("details %+v, want no entries and operation %s", failure.Details, id)
		}
	}
	for step, command := range []string{"ServiceProviderGetRequest17sp1", unassignCommand, assignCommand} {
		t.Run(fmt.Sprintf("while step %d is under way", step), func(t *testing.T) {
			inBubble(t, setup{faults: []string{withCommand("slow delay=5s times=1", command)}}, func(t *testing.T, r *rig) {
				ended := make(chan response, 1)
				go func() { ended <- r.call(t, setList()) }()
				synctest.Wait()
				held(t, r, "")
				got := <-ended
				got.wantBody(t, http.StatusOK, reportOf("added"))
				r.wantWrites(t, 2, 2)
				others(t, r)
			})
		})
	}
	t.Run("while it is unknown", func(t *testing.T) {
		inBubble(t, setup{faults: []string{withCommand("drop-before-apply times=1", assignCommand)}}, func(t *testing.T, r *rig) {
			id := r.call(t, setList()).wantOutcome(t, "unknown")
			held(t, r, id)
			others(t, r)
			time.Sleep(time.Minute)
			r.call(t, setRanges(keptRange, "+3225128000")).wantStatus(t, http.StatusOK)
		})
	})
}

// A list and single changes exclude each other in the entries that they share.
func TestListsAndSingleChangesExcludeEachOther(t *testing.T) {
	add := call{method: http.MethodPost, path: ownList("numbers"), client: tenant, body: rangesBody(addedRange)}
	remove := call{method: http.MethodDelete, path: ownList("numbers"), client: tenant, body: rangesBody(removedRange)}
	held := func(t *testing.T, r *rig, c call, entries ...string) {
		t.Helper()
		failure := r.call(t, c).wantError(t, http.StatusConflict, "ENTRIES_HELD")
		if diff := cmp.Diff(entries, failure.Details.Entries); diff != "" {
			t.Errorf("entries (-want +got):\n%s", diff)
		}
	}
	for name, c := range map[string]struct {
		slow   string
		during func(t *testing.T, r *rig)
	}{
		"while it is checked, in those of the body": {"ServiceProviderGetRequest17sp1", func(t *testing.T, r *rig) {
			held(t, r, add, addedRange)
		}},
		"while the first step is sent, in all": {unassignCommand, func(t *testing.T, r *rig) {
			held(t, r, add, addedRange)
			held(t, r, remove, removedRange)
		}},
		"while the second is sent, in those of that": {assignCommand, func(t *testing.T, r *rig) {
			held(t, r, add, addedRange)
			r.call(t, remove).wantError(t, http.StatusBadRequest, "NOT_AVAILABLE_FOR_ASSIGNMENT") // it is removed
			back := add
			back.body = rangesBody(removedRange)
			go r.call(t, back) // which takes as long
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, setup{faults: []string{withCommand("slow delay=5s", c.slow)}}, func(t *testing.T, r *rig) {
				ended := make(chan response, 1)
				go func() { ended <- r.call(t, setList()) }()
				time.Sleep(time.Second)
				synctest.Wait()
				c.during(t, r)
				got := <-ended
				got.wantBody(t, http.StatusOK, reportOf("added"))
				time.Sleep(time.Minute)
			})
		})
	}
	t.Run("after a change of an entry of the body", func(t *testing.T) {
		inBubble(t, setup{faults: []string{withCommand("slow delay=5s", assignCommand)}}, func(t *testing.T, r *rig) {
			ended := make(chan response, 1)
			go func() { ended <- r.call(t, add) }()
			synctest.Wait()
			held(t, r, setList(), addedRange)
			got := <-ended
			got.wantStatus(t, http.StatusCreated)
			r.wantWrites(t, 1, 1)
		})
	})
}

// Entries that only the plan has are held from the intent on, or nothing is sent.
func TestEntriesThatOnlyThePlanKnows(t *testing.T) {
	remove := call{method: http.MethodDelete, path: ownList("numbers"), client: tenant, body: rangesBody(removedRange)}
	wantHeld := func(t *testing.T, r *rig, got response, holder string) {
		t.Helper()
		failure := got.wantError(t, http.StatusConflict, "ENTRIES_HELD")
		id := got.wantOutcome(t, "not_done")
		got.wantRetryAfter(t)
		if diff := cmp.Diff([]string{removedRange}, failure.Details.Entries); diff != "" || failure.Details.Operation != operationPath(holder) {
			t.Errorf("operation %s, entries (-want +got):\n%s", failure.Details.Operation, diff)
		}
		r.call(t, call{path: operationPath(id), client: system}).wantError(t, http.StatusNotFound, "OPERATION_NOT_FOUND")
	}
	t.Run("held by a change that is unknown", func(t *testing.T) {
		inBubble(t, setup{}, func(t *testing.T, r *rig) {
			holder := r.loseReply(t, writeCaseOf("itc_numbers_remove"), "")
			wantHeld(t, r, r.call(t, setList().keyed("k")), holder)
			r.wantWrites(t, 1, 0)
			time.Sleep(time.Minute)
			r.call(t, setList().keyed("k")).wantFirst(t, http.StatusOK)
			r.wantWrites(t, 3, 2)
		})
	})
	t.Run("changed since the list was read", func(t *testing.T) {
		m := &writeHook{at: 1}
		inBubble(t, m.install(setup{}), func(t *testing.T, r *rig) {
			var holder string
			m.beforeWrite(func() { holder = r.write(t, remove) })
			wantHeld(t, r, r.call(t, setList().keyed("k")), holder)
			r.wantWrites(t, 1, 1)
			r.wantOwn(t, keptRange)
			r.call(t, setList().keyed("k")).wantFirst(t, http.StatusOK)
			r.wantOwn(t, keptRange, addedRange)
		})
	})
}
