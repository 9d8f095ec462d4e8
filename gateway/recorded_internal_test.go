package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/operation"
	"ocigate/translate"
	"ocigate/translate/scope"
)

func TestEntriesAreRecorded(t *testing.T) {
	entries := []translate.Entry{{Given: "+32 1", Key: "+321", Start: "+32-1", End: "+32-2"}}
	want := operation.Entry{Kind: "numbers", Given: "+32 1", Key: "+321", Start: "+32-1", End: "+32-2"}
	if diff := cmp.Diff([]operation.Entry{want}, recordedEntries("numbers", entries, nil)); diff != "" {
		t.Errorf("without a plan (-want +got):\n%s", diff)
	}
	want.Before, want.After, want.Step = json.RawMessage(`{"groupId":null}`), json.RawMessage(`{"groupId":"<G>&é\""}`), 1
	if diff := cmp.Diff([]operation.Entry{want}, recordedEntries("numbers", entries, &translate.Plan{To: `<G>&é"`})); diff != "" {
		t.Errorf("with a plan (-want +got):\n%s", diff)
	}
}

// fakeChange is a Change of which only the reading back is of interest.
type fakeChange struct {
	translate.Change
	sight translate.Sight
	err   error
	asked []string
}

func (f *fakeChange) Observe(_ context.Context, group translate.Group, keys []string) (*translate.Sight, error) {
	f.asked = append([]string{group.TenantID, group.GroupID}, keys...)
	return &f.sight, f.err
}

func TestObserverComparesWithWhatIsWanted(t *testing.T) {
	target := scope.Target{TenantID: "T", GroupID: "G"}
	entry := func(key, after string) operation.Entry {
		return operation.Entry{Kind: "numbers", Key: key, After: json.RawMessage(after)}
	}
	f := &fakeChange{sight: translate.Sight{Endpoint: "n1", Effects: []translate.Effect{{Seen: true, Clear: true}, {Seen: true}, {}, {Clear: true}}}}
	got, err := observerOf(f)(t.Context(), target, []operation.Entry{
		entry("1", `{"groupId":"G"}`), entry("2", `{"groupId":null}`), entry("3", ` { "groupId" : "\u0047" } `), entry("4", `{"groupId":null}`),
	})
	want := operation.Sight{Node: "n1", Effects: []operation.Effect{{Seen: true, Clear: true}, {}, {}, {Seen: true, Clear: true}}}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"T", "G", "1", "2", "3", "4"}, f.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	for after, why := range map[string]string{`{"groupId":"H"}`: `is to be of group "H"`, "": "the value wanted", `[]`: "the value wanted"} {
		if _, err := observerOf(f)(t.Context(), target, []operation.Entry{entry("1", after)}); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", after, err)
		}
	}
	f.err = errors.New("nothing can be read")
	if _, err := observerOf(f)(t.Context(), target, []operation.Entry{entry("1", `{"groupId":"G"}`)}); !errors.Is(err, f.err) {
		t.Errorf("%v", err)
	}
}

func TestLookAsksTheObserverOfEachKind(t *testing.T) {
	target := scope.Target{TenantID: "T", GroupID: "G", UserID: "U"}
	asked := map[string]string{}
	of := func(node string) observer {
		return func(_ context.Context, at scope.Target, entries []operation.Entry) (operation.Sight, error) {
			s := operation.Sight{Node: node}
			for _, e := range entries {
				if at != target {
					t.Errorf("asked about %+v", at)
				}
				asked[e.Kind] += e.Key
				s.Effects = append(s.Effects, operation.Effect{Seen: e.Key > "2", Clear: e.Kind == "a"})
			}
			return s, nil
		}
	}
	short := func(context.Context, scope.Target, []operation.Entry) (operation.Sight, error) {
		return operation.Sight{}, nil
	}
	look := lookBy(map[string]observer{"a": of("n1"), "b": of("n2"), "c": of("n1"), "short": short})
	entry := func(kind, key string) operation.Entry { return operation.Entry{Kind: kind, Key: key} }
	got, err := look(t.Context(), target, []operation.Entry{entry("b", "1"), entry("a", "2"), entry("b", "3"), entry("c", "4"), entry("a", "5")})
	if err != nil {
		t.Fatal(err)
	}
	want := operation.Sight{Node: "n2 and n1", Effects: []operation.Effect{{}, {Clear: true}, {Seen: true}, {Seen: true}, {Seen: true, Clear: true}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"a": "25", "b": "13", "c": "4"}, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	for kind, why := range map[string]string{"d": `no observer of entries of kind "d"`, "short": "has read 0 entries of 1"} {
		if _, err := look(t.Context(), target, []operation.Entry{entry("a", "1"), entry(kind, "2")}); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
