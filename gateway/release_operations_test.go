package gateway_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

// Operations that an operator has released.

// An operator releases the entries of a write that cannot be read back. Responses report
// that its outcome is unknown.
func TestOperationsThatAreReleased(t *testing.T) {
	var store operation.Store
	blind := func(o *operation.Options) {
		store = o.Store
		o.Observe = func(context.Context, scope.Target, []operation.Entry) (operation.Observation, error) {
			return operation.Observation{}, context.DeadlineExceeded
		}
	}
	inBubble(t, setup{journal: blind}, func(t *testing.T, r *rig) {
		oldest := func() float64 { return counted(t, r, "ocigate_operations_oldest_unresolved_age_seconds")[""] }
		if age := oldest(); age != 0 {
			t.Errorf("the oldest of none is unresolved for %v s", age)
		}
		w := writeCaseOf("itc_numbers_assign")
		id := r.loseReply(t, w, "k")
		time.Sleep(time.Minute)
		if age := oldest(); age < 60 || age > 70 {
			t.Errorf("it is unresolved for %v s", age)
		}
		r.call(t, w.call).wantError(t, http.StatusConflict, "ENTRIES_HELD")
		_, err := operation.Release{ID: id, By: "anna", Reason: "a secret of the operators"}.Record(t.Context(), store, 30*time.Second)
		must(t, err)
		time.Sleep(15 * time.Second)

		op, got := r.operation(t, id)
		if op.State != "unknown" || op.Outcome != "unknown" || op.ReleasedAt.IsZero() || op.EndedAt.IsZero() ||
			op.Entries[0].Outcome != "unknown" || !op.Entries[0].Released {
			t.Errorf("it is reported as %+v", op)
		}
		if got.header.Get("Retry-After") != "" || strings.Contains(got.body, "secret") || strings.Contains(got.body, "anna") {
			t.Errorf("the answer: %s %s", got.header, got.body)
		}
		repeated := r.call(t, w.call.keyed("k"))
		repeated.wantReplay(t, id, "unknown")
		if said := repeated.wantError(t, http.StatusGatewayTimeout, "OUTCOME_UNKNOWN"); !strings.Contains(said.Message, "will not be found out") {
			t.Errorf("the message: %s", said.Message)
		}
		if repeated.header.Get("Retry-After") != "" {
			t.Error("there is nothing to wait for")
		}
		if age, n := oldest(), counted(t, r, "ocigate_operations_unresolved")[""]; age != 0 || n != 0 {
			t.Errorf("%v are unresolved, the oldest for %v s", n, age)
		}
		r.write(t, w.call)
		r.events(t) // which must be intact
	})
}

func TestMetricOfTheJournal(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, r *rig) {
		usable := func(want float64) {
			t.Helper()
			if got := counted(t, r, "ocigate_journal_usable")[""]; got != want {
				t.Errorf("usable is %v, want %v", got, want)
			}
		}
		usable(1)
		restore := r.breakJournal(t)
		time.Sleep(5 * time.Second)
		usable(0)
		restore()
		time.Sleep(5 * time.Second)
		usable(1)
	})
}
