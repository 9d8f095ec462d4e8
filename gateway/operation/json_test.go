package operation_test

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

// This test specifies the JSON of operations, which is part of the journal's format. A new
// field is added to the operation of the test and to testdata/operation.json.

// TestFormatIsAsItWas compares the JSON of an operation, which has something in every
// field, with the JSON that journals have. If it changes, the format does, too.
func TestFormatIsAsItWas(t *testing.T) {
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	want := operation.Operation{
		ID: "id", Version: 7, Owner: "owner", State: operation.PartlyDone,
		Caller: operation.Caller{Name: "portal", Client: true, Level: "system", Method: "basic", ClientIP: "192.0.2.1", RequestID: "request"},
		Route:  "row", Target: scope.Target{TenantID: "tenant", GroupID: "group", UserID: "user"},
		Entries: []operation.Entry{{
			Kind: "numbers", Given: "given", Key: "key", Start: "start", End: "end",
			Before: json.RawMessage(`{"a":1}`), After: json.RawMessage(`null`), Step: 2, Outcome: operation.NotDone, Released: true,
		}},
		Claims: []operation.Claim{{Kind: "list", Key: "key"}}, Step: 2,
		Key: "k", Fingerprint: "f", KeyExpires: at,
		PlatformEndpoint: "node", Basis: operation.ByReading, Response: json.RawMessage(`{"code":"X"}`),
		ReceivedAt: at, IntendedAt: at, SentAt: at, UnknownAt: at, EndedAt: at, RecheckAt: at,
		Corrections: []operation.Correction{{At: at, From: operation.NotDone, To: operation.Done}},
		Releases:    []operation.Released{{At: at, By: "operator", Reason: "reason", Entries: []string{"key"}}},
	}
	for _, v := range []any{want, want.Caller, want.Target, want.Entries[0], want.Claims[0], want.Corrections[0], want.Releases[0]} {
		if s := reflect.ValueOf(v); !isFull(s) {
			t.Errorf("a %s has an empty field", s.Type())
		}
	}
	const file = "testdata/operation.json"
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	written, err := json.MarshalIndent(want, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(kept), string(written)+"\n"); diff != "" {
		t.Errorf("what is written is not %s, so that operation.Format must be raised (-want +got):\n%s", file, diff)
	}
	var got operation.Operation
	if err := json.Unmarshal(kept, &got); err != nil {
		t.Fatal(err)
	}
	compact := func(text *json.RawMessage) {
		var value any
		_ = json.Unmarshal(*text, &value)
		*text, _ = json.Marshal(value)
	}
	compact(&got.Response)
	compact(&got.Entries[0].Before)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what is read (-want +got):\n%s", diff)
	}
}

func isFull(s reflect.Value) bool {
	for _, field := range s.Fields() {
		if field.IsZero() {
			return false
		}
	}
	return true
}
