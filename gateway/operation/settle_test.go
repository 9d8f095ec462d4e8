package operation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

// These tests specify the outcome of a write after the platform's reply, for each reply
// and each observation right after it. To add a case, add the observation, in the signs of
// observation in rig_test.go, and the end to the table of TestSettle.

// What TestSettle uses in place of an observation.
const (
	noReading = "no reading"             // the platform cannot be read
	canceled  = "the caller is canceled" // so that nothing is read
)

func TestSettle(t *testing.T) {
	type end struct {
		state    operation.State
		basis    operation.Basis
		outcomes string
	}
	var (
		byAnswer = end{operation.Done, operation.ByReply, "++"}
		refused  = end{operation.NotDone, operation.ByReply, "--"}
		unknown  = end{operation.Unknown, "", "??"}
		seen     = end{operation.Done, operation.ByReading, "++"}
	)
	for _, tc := range []struct {
		reply operation.Reply
		name  string
		ends  map[string]end // by what is to be seen
	}{
		{operation.Succeeded, "a success", map[string]end{
			"++": byAnswer, "--": byAnswer, "+-": byAnswer, "!?": byAnswer, noReading: byAnswer, canceled: byAnswer,
		}},
		{operation.Refused, "a refusal", map[string]end{
			"++": seen, "--": refused, "+-": unknown, "?-": refused, "??": refused,
			"!+": unknown, "!-": unknown, "+?": unknown, noReading: unknown, canceled: unknown,
		}},
		{operation.Declined, "a denial", map[string]end{
			"++": seen, "--": {operation.NotDone, operation.NotTaken, "--"}, "+-": unknown, "??": {operation.NotDone, operation.NotTaken, "--"},
			"+?": unknown, noReading: unknown, canceled: unknown,
		}},
		{operation.Unclear, "an unclear reply", map[string]end{
			"++": seen, "--": unknown, "+-": unknown, "?-": unknown, "??": unknown,
			"!+": unknown, "!-": unknown, "+?": unknown, noReading: unknown, canceled: unknown,
		}},
		{operation.NoReply, "no reply", map[string]end{
			"++": seen, "--": unknown, "+-": unknown, "?-": unknown, "??": unknown,
			"!+": unknown, "!-": unknown, "+?": unknown, noReading: unknown, canceled: unknown,
		}},
	} {
		for shown, want := range tc.ends {
			t.Run(fmt.Sprintf("%s and %s make it %s", tc.name, shown, want.state), func(t *testing.T) {
				bubble(t, func(t *testing.T, r *rig) { settles(t, r, tc.reply, shown, want.state, want.basis, want.outcomes) })
			})
		}
	}
	t.Run("reports an unknown one before it reads", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			op := want("", "1")
			r.observer.use(func(context.Context, scope.Target, []operation.Entry) (operation.Observation, error) {
				r.stored(op.ID, operation.Unknown, "")
				return observation("n1", "+"), nil
			})
			r.send(op).Settle(t.Context(), operation.NoReply, nil)
			recorded, resolved, _ := r.traced()
			if !slices.Equal(recorded, []operation.State{operation.Unknown}) || !slices.Equal(resolved, []operation.State{operation.Done}) {
				t.Errorf("traced %v, %v", recorded, resolved)
			}
			if diff := cmp.Diff([]string{"intent intent", "outcome unknown", "outcome done"}, r.journal.trailOf(op.ID)); diff != "" {
				t.Error(diff)
			}
		})
	})
	t.Run("does not believe a reading of other entries", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			r.observer.script(observation("n1", "+"))
			op := want("", "1", "2")
			if got := r.send(op).Settle(t.Context(), operation.Unclear, nil); got.State != operation.Unknown {
				t.Errorf("it is %q", got.State)
			}
		})
	})
}

// settles settles a write of two entries after a reply and an observation, and checks the
// end.
func settles(t *testing.T, r *rig, reply operation.Reply, shown string, state operation.State, basis operation.Basis, entries string) {
	t.Helper()
	ctx := t.Context()
	switch shown {
	case noReading:
		r.observer.fails()
	case canceled:
		ctx = over()
	default:
		r.observer.shows(shown)
	}
	op := want("k", "1", "2")
	w := r.send(op)
	got := w.Settle(ctx, reply, json.RawMessage(`"no"`))
	w.Close()
	if kept := len(got.Response) > 0; kept != (state != operation.Done && (reply == operation.Refused || reply == operation.Unclear)) {
		t.Errorf("the response is kept: %t", kept)
	}
	if diff := cmp.Diff(got, r.stored(op.ID, state, basis)); diff != "" {
		t.Errorf("Settle returned something else than is stored:\n%s", diff)
	}
	if outcomes(got) != entries {
		t.Errorf("the outcomes of the entries are %s, want %s", outcomes(got), entries)
	}
	if recheckAt := got.RecheckAt; recheckAt.IsZero() == (basis == operation.NotTaken) {
		t.Errorf("it is rechecked at %v", recheckAt)
	}
	if r.journal.held("1") == state.Ended() || r.Unresolved() > 0 == state.Ended() {
		t.Errorf("the entries are held: %v, unresolved are %d", r.journal.held("1"), r.Unresolved())
	}
	if lines := r.journal.trailOf(op.ID); lines[len(lines)-1] != "outcome "+string(state) {
		t.Errorf("the trail has %v", lines)
	}
}
