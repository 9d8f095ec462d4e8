package gateway_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/auth"
	"ocigate/gateway/operation"
)

// Writes and logins while the journal cannot be used.

// A write that cannot be recorded is not sent. All else goes on, and writes do
// so by themselves once they can be recorded again.
func TestJournalThatIsNotUsable(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, r *rig) {
		id := r.write(t, writeCaseOf("itc_numbers_remove").call)
		session, _ := r.login(t, "groupadmin")
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

// countingVerifier counts the logins that the platform is asked about.
type countingVerifier struct {
	auth.Verifier
	asked *atomic.Int32
}

func (v countingVerifier) Verify(ctx context.Context, username, password string) (auth.Identity, error) {
	v.asked.Add(1)
	return v.Verifier.Verify(ctx, username, password)
}

// A login that cannot be recorded gives no token, and its response does not tell whether
// the password was right. The platform is not asked any more once this is noticed.
func TestLoginsWhileTheJournalIsNotUsable(t *testing.T) {
	var asked atomic.Int32
	s := setup{overTLS: true, auth: func(o *auth.Options) { o.Verifier = countingVerifier{o.Verifier, &asked} }}
	inBubble(t, s, func(t *testing.T, r *rig) {
		before, _ := r.login(t, "groupadmin")
		logins := []call{
			loginCall("tenantadmin", "tenantadmin-demo"), loginCall("tenantadmin", "wrong"), loginCall("nobody", "x"),
			loginCall("reseller", "reseller-demo"),
		}
		restore := r.breakJournal(t)
		for _, noticed := range []bool{false, true} {
			if noticed {
				time.Sleep(5 * time.Second)
			}
			asked.Store(0)
			var first response
			for i, login := range logins {
				got := r.call(t, login)
				got.wantError(t, http.StatusServiceUnavailable, "JOURNAL_UNAVAILABLE")
				got.wantRetryAfter(t)
				for _, name := range []string{"Date", "X-Request-Id"} {
					got.header.Del(name)
				}
				if i == 0 {
					first = got
				}
				if diff := cmp.Diff(first, got, cmp.AllowUnexported(response{})); diff != "" {
					t.Errorf("noticed: %t, login %d differs (-first +this):\n%s", noticed, i, diff)
				}
				if cookie := got.header.Get("Set-Cookie"); cookie != "" {
					t.Errorf("a cookie: %s", cookie)
				}
			}
			if n := int(asked.Load()); noticed && n != 0 || !noticed && n != len(logins) {
				t.Errorf("noticed: %t, the platform was asked %d times", noticed, n)
			}
		}
		r.call(t, call{path: ownList("numbers"), header: bearer(before.Token)}).wantStatus(t, http.StatusOK)
		r.call(t, call{path: ownList("numbers"), client: group}).wantStatus(t, http.StatusOK)
		r.call(t, call{method: http.MethodPost, path: "/api/v1/logout/", header: bearer(before.Token)}).wantStatus(t, http.StatusOK)
		r.call(t, call{path: ownList("numbers"), header: bearer(before.Token)}).wantStatus(t, http.StatusUnauthorized)

		restore()
		time.Sleep(5 * time.Second)
		after, _ := r.login(t, "tenantadmin")
		r.call(t, call{path: ownList("numbers"), header: bearer(after.Token)}).wantStatus(t, http.StatusOK)
		events := r.events(t) // which must be intact; the logout was recorded later
		if last := events[len(events)-1]; len(events) != 3 || events[1].Kind != operation.EventLogout || last.Kind != operation.EventLogin || last.Caller.Name != "tenantadmin" || last.Outcome != "ok" {
			t.Errorf("the lines are %+v", events)
		}
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
