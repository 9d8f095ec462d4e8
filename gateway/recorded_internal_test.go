package gateway

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/operation"
	"ocigate/translate"
	"ocigate/translate/scope"
)

func TestEntriesAreRecordedAsTheyArePlanned(t *testing.T) {
	planned := []translate.Entry{{
		Kind: "numbers", Given: "+32 1", Key: "+321", Start: "+32-1", End: "+32-2", Step: 2,
		Before: json.RawMessage(`{"groupId":null}`), After: json.RawMessage(`{"groupId":"<G>&é\""}`),
	}}
	want := []operation.Entry{{
		Kind: "numbers", Given: "+32 1", Key: "+321", Start: "+32-1", End: "+32-2", Step: 2,
		Before: json.RawMessage(`{"groupId":null}`), After: json.RawMessage(`{"groupId":"<G>&é\""}`),
	}}
	recorded := recordedEntries(planned)
	if diff := cmp.Diff(want, recorded); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(planned, plannedEntries(recorded)); diff != "" {
		t.Errorf("and back (-want +got):\n%s", diff)
	}
	claims := recordedClaims([]translate.Claim{{Kind: "list", Key: "G"}})
	if diff := cmp.Diff([]operation.Claim{{Kind: "list", Key: "G"}}, claims); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
}

func TestObserverOfAllKinds(t *testing.T) {
	target := scope.Target{TenantID: "T", GroupID: "G", UserID: "U"}
	var asked []string
	observe := func(_ context.Context, at scope.Target, entries []translate.Entry) (*translate.Observation, error) {
		o := &translate.Observation{Endpoint: "n1"}
		for _, e := range entries {
			if at != target {
				t.Errorf("asked about %+v", at)
			}
			asked = append(asked, e.Kind+e.Key)
			o.Values = append(o.Values, translate.Observed{Value: json.RawMessage(e.Key), Clear: e.Kind == "a"})
		}
		return o, nil
	}
	observer := observerOf(translate.NewObservers(&translate.Observer{Kinds: []string{"a", "b", "c"}, Observe: observe}))
	entry := func(kind, key, after string) operation.Entry {
		return operation.Entry{Kind: kind, Key: key, After: json.RawMessage(after)}
	}
	got, err := observer(t.Context(), target, []operation.Entry{
		entry("b", "1", "0"), entry("a", "2", "0"), entry("b", "3", "3"), entry("c", "4", " 4 "), entry("a", "5", "5"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := operation.Observation{Endpoint: "n1", Effects: []operation.Effect{{}, {Clear: true}, {Seen: true}, {Seen: true}, {Seen: true, Clear: true}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"b1", "a2", "b3", "c4", "a5"}, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if _, err := observer(t.Context(), target, []operation.Entry{entry("d", "2", "2")}); err == nil || !strings.Contains(err.Error(), `kind "d"`) {
		t.Errorf("an unknown kind: %v", err)
	}
}
