package gateway_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

// Operations of routes that no longer exist.

// A route can be renamed or removed while writes of it are unknown. They are read back by
// the kinds of their entries.
func TestWriteOfARemovedRouteIsResolved(t *testing.T) {
	const own, free = "+3226127007", "+3225126999"
	for _, c := range []struct {
		kind   string
		entry  string
		states [2]operation.State // of being given to the group, and of being taken from it
	}{
		{"numbers", own, [2]operation.State{operation.Done, operation.NotDone}},
		{"numbers", free, [2]operation.State{operation.NotDone, operation.Done}},
		{"prefixes", "+32-01", [2]operation.State{operation.Done, operation.NotDone}},
	} {
		for i, after := range []string{`{"groupId":"` + ownGroup + `"}`, `{"groupId":null}`} {
			t.Run(c.kind+" "+c.entry+" to be "+after, func(t *testing.T) {
				// The metrics have no series for removed routes at the start.
				untraced := setup{journal: func(o *operation.Options) { o.Trace = operation.Trace{} }}
				inBubble(t, untraced, func(t *testing.T, r *rig) {
					op := operation.Operation{
						ID: operation.NewID(), Route: "a_row_of_before", Target: scope.Target{TenantID: ownTenant, GroupID: ownGroup},
						Caller: operation.Caller{Name: tenant, Client: true},
						Entries: []operation.Entry{{
							Kind: c.kind, Given: c.entry, Key: strings.ReplaceAll(c.entry, "-", ""),
							Before: json.RawMessage(`null`), After: json.RawMessage(after), Step: 1,
						}},
					}
					w, err := r.keeper.Begin(t.Context(), op)
					must(t, err)
					must(t, w.Intend(t.Context(), 1, "primary"))
					w.Close()
					time.Sleep(time.Minute)
					got := r.call(t, call{path: "/api/v1/operations/" + op.ID + "/", client: tenant})
					got.wantStatus(t, http.StatusOK)
					var body struct{ State, Endpoint string }
					must(t, json.Unmarshal([]byte(got.body), &body))
					if body.State != string(c.states[i]) || body.Endpoint != op.Route {
						t.Errorf("it is %s", got.body)
					}
				})
			})
		}
	}
}
