package gateway_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"ocigate/gateway/operation"
)

// Writes while the journal cannot be used.

// A write that cannot be recorded is not sent. All else goes on, and writes do
// so by themselves once they can be recorded again.
func TestJournalThatIsNotUsable(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, r *rig) {
		id := r.write(t, writeCaseOf("itc_numbers_remove").call)
		restore := r.breakJournal(t)
		for _, w := range writeCases() {
			got := r.call(t, w.call)
			got.wantError(t, http.StatusServiceUnavailable, "JOURNAL_UNAVAILABLE")
			got.wantOutcome(t, "not_done")
			got.wantRetryAfter(t)
		}
		r.wantWrites(t, 1, 1)
		for _, route := range apiRoutes() {
			if route.Query != nil {
				r.call(t, goodCall(t, route)).wantStatus(t, http.StatusOK)
			}
		}
		session, _ := r.login(t, "groupadmin")
		r.call(t, call{path: ownList("numbers"), header: bearer(session.Token)}).wantStatus(t, http.StatusOK)
		r.call(t, call{method: http.MethodPost, path: "/api/v1/logout/", header: bearer(session.Token)}).wantStatus(t, http.StatusOK)
		for _, path := range []string{operationPath(id), "/api/v1/operations/"} {
			got := r.call(t, call{path: path, client: system})
			got.wantError(t, http.StatusServiceUnavailable, "JOURNAL_UNAVAILABLE")
			got.wantRetryAfter(t)
		}
		if failures := counted(t, r, "ocigate_journal_failures_total")[""]; failures < float64(len(writeCases())) {
			t.Errorf("%v failures are counted", failures)
		}

		restore()
		r.wantState(t, id, "done", "answer")
		r.write(t, writeCaseOf("itc_numbers_assign").call)
		r.events(t) // which must be intact
	})
}

// The journal becomes unusable between Begin and the intent.
func TestJournalThatFailsBeforeTheIntent(t *testing.T) {
	inBubble(t, setup{faults: []string{"slow delay=5s command=ServiceProviderGetRequest17sp1 times=1"}}, func(t *testing.T, r *rig) {
		ended := make(chan response, 1)
		go func() { ended <- r.call(t, assignFreeRange().keyed("k")) }()
		synctest.Wait()
		restore := r.breakJournal(t)
		got := <-ended
		got.wantError(t, http.StatusServiceUnavailable, "JOURNAL_UNAVAILABLE")
		got.wantOutcome(t, "not_done")
		got.wantRetryAfter(t)
		r.wantWrites(t, 0, 0)
		restore()
		time.Sleep(time.Minute)
		r.call(t, assignFreeRange().keyed("k")).wantFirst(t, http.StatusCreated)
	})
}

// A list that is as wanted needs no command. That this was found counts once it is
// recorded: until then, it would be lost if the process were killed.
func TestJournalThatFailsWhereNothingDiffers(t *testing.T) {
	inBubble(t, setup{faults: []string{"slow delay=5s command=ServiceProviderGetRequest17sp1 times=1"}}, func(t *testing.T, r *rig) {
		asked := setRanges(keptRange, removedRange).keyed("k")
		ended := make(chan response, 1)
		go func() { ended <- r.call(t, asked) }()
		synctest.Wait()
		restore := r.breakJournal(t)
		got := <-ended
		got.wantError(t, http.StatusServiceUnavailable, "JOURNAL_UNAVAILABLE")
		got.wantOutcome(t, "not_done")
		got.wantRetryAfter(t)
		restore()
		time.Sleep(time.Minute)
		again := r.call(t, asked)
		again.wantFirst(t, http.StatusOK)
		r.wantState(t, again.wantOutcome(t, "done"), "done", "reading")
		r.wantWrites(t, 0, 0)
	})
}

// The journal becomes unusable while the write is sent: the response still has the outcome,
// which is recorded later.
func TestJournalThatFailsAfterTheIntent(t *testing.T) {
	for fault, c := range map[string]struct {
		status int
		state  string
		by     string
	}{
		"slow delay=5s":      {201, "done", "answer"},
		"stall-after-apply":  {504, "done", "reading"}, // it is read back only once the unknown outcome is recorded
		"error-before-apply": {400, "not_done", "answer"},
	} {
		t.Run(fault, func(t *testing.T) {
			inBubble(t, setup{faults: []string{"slow delay=5s command=" + assignCommand, withCommand(fault, assignCommand)}}, func(t *testing.T, r *rig) {
				asked := assignFreeRange().keyed("k")
				ended := make(chan response, 1)
				go func() { ended <- r.call(t, asked) }()
				time.Sleep(time.Millisecond)
				restore := r.breakJournal(t)
				got := <-ended
				got.wantStatus(t, c.status)
				id := got.header.Get("Operation-Id")
				restore()
				time.Sleep(time.Minute)
				r.wantState(t, id, c.state, c.by)
				second := r.afterKill(t)
				synctest.Wait()
				second.wantState(t, id, c.state, c.by)
				if last := last(second.events(t)); last.Operation != id || last.Outcome != c.state {
					t.Errorf("the trail ends with %+v", last)
				}
				second.call(t, asked).wantReplay(t, id, c.state)
			})
		})
	}
}

func last(events []operation.Event) operation.Event {
	if len(events) == 0 {
		return operation.Event{}
	}
	return events[len(events)-1]
}
