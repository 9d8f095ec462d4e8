package translate_test

// This file specifies how observed values are compared with the values after a
// change. A new case is an entry of a table with entries and effects.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/translate"
	"ocigate/translate/scope"
)

// shows is an observer that has values by key, read from that endpoint. Any other
// value is unclear.
func shows(endpoint string, kinds []string, values map[string]string) *translate.Observer {
	return &translate.Observer{Kinds: kinds, Observe: func(_ context.Context, target scope.Target, entries []translate.Entry) (*translate.Observation, error) {
		if target != testGroup {
			return nil, errors.New("another target")
		}
		observation := &translate.Observation{Endpoint: endpoint}
		for _, e := range entries {
			value, known := values[e.Kind+" "+e.Key]
			observation.Values = append(observation.Values, translate.Observed{Value: json.RawMessage(value), Clear: known})
		}
		return observation, nil
	}}
}

func entry(kind, key, after string) translate.Entry {
	return translate.Entry{Kind: kind, Key: key, After: json.RawMessage(after)}
}

// The observer of their kinds reads all entries together, and each is compared with
// its own value.
func TestObservedValuesAreCompared(t *testing.T) {
	observers := translate.NewObservers(
		shows("b", []string{"number", "user"}, map[string]string{
			"number 1": `{"groupId":"G"}`, "number 2": `{"groupId":null}`, "user 1": `{"a":true,"b":[1.10,"x"]}`,
		}),
		shows("a", []string{"other"}, map[string]string{"other 1": `{}`}),
	)
	for name, test := range map[string]struct {
		entries []translate.Entry
		want    translate.Comparison
	}{
		"of one kind": {
			[]translate.Entry{entry("number", "2", `{"groupId":"G"}`), entry("number", "1", `{"groupId":"G"}`)},
			translate.Comparison{Endpoint: "b", Effects: []translate.Effect{{Clear: true}, {Seen: true, Clear: true}}},
		},
		"of several kinds, in their order": {
			[]translate.Entry{entry("number", "2", `{"groupId":null}`), entry("user", "1", `{"a":false}`), entry("number", "1", `{"groupId":null}`)},
			translate.Comparison{Endpoint: "b", Effects: []translate.Effect{{Seen: true, Clear: true}, {Clear: true}, {Clear: true}}},
		},
		"with keys in another order, and blanks": {
			[]translate.Entry{entry("user", "1", ` {"b": [1.10, "x"], "a": true}`)},
			translate.Comparison{Endpoint: "b", Effects: []translate.Effect{{Seen: true, Clear: true}}},
		},
		"but not of a value that is unknown": {
			[]translate.Entry{entry("user", "2", ``), entry("user", "1", ``)},
			translate.Comparison{Endpoint: "b", Effects: []translate.Effect{{}, {Clear: true}}},
		},
		"of no entries": {nil, translate.Comparison{Effects: []translate.Effect{}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := observers.Compare(t.Context(), testGroup, test.entries)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&test.want, got); diff != "" {
				t.Error("(-want +got)\n" + diff)
			}
		})
	}
	for name, entries := range map[string][]translate.Entry{
		"a kind without an observer":       {entry("number", "1", "{}"), entry("thing", "1", "{}")},
		"a first kind without an observer": {entry("thing", "1", "{}"), entry("number", "1", "{}")},
		"kinds of two observers":           {entry("number", "1", "{}"), entry("other", "1", "{}")},
	} {
		if got, err := observers.Compare(t.Context(), testGroup, entries); err == nil || got != nil {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	if got, err := observers.Compare(t.Context(), scope.Target{}, []translate.Entry{entry("number", "1", "{}")}); err == nil || got != nil {
		t.Errorf("an observer's error: got %v, %v", got, err)
	}
}

func TestTwoObserversOfOneKindPanic(t *testing.T) {
	defer func() {
		if got := fmt.Sprint(recover()); !strings.Contains(got, `kind "number"`) {
			t.Errorf("got %s", got)
		}
	}()
	translate.NewObservers(shows("a", []string{"number"}, nil), shows("b", []string{"user", "number"}, nil))
}
