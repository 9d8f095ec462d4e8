package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
	"ocigate/translate/scope"
)

// This test specifies how much of the journal a gateway has in memory while operators list
// operations.

// handlerManager is the manager of a handler of the control socket, without the socket.
type handlerManager struct {
	manager
	handler http.Handler
	largest int // bytes of a page
	pages   int
}

func (m *handlerManager) list(ctx context.Context, q operation.Query) (found []operationStatus, err error) {
	path := fmt.Sprintf("%s?%s=%d&%s=%s", controlOperations, queryLimit, q.Limit, queryBefore, q.Before)
	recorder := httptest.NewRecorder()
	m.handler.ServeHTTP(recorder, httptest.NewRequestWithContext(ctx, http.MethodGet, path, http.NoBody))
	m.largest, m.pages = max(m.largest, recorder.Body.Len()), m.pages+1
	return found, json.Unmarshal(recorder.Body.Bytes(), &found)
}

// TestOperationsAreListedInPagesOfLimitedSize lists writes with many entries: no page is
// large, and none of the writes is missing.
func TestOperationsAreListedInPagesOfLimitedSize(t *testing.T) {
	const writes, entries = 30, 500
	store := bolt.Open(t.TempDir(), bolt.Options{NoSync: true})
	defer func() { _ = store.Close() }()
	var ids []string
	for range writes {
		op := operation.Operation{ID: operation.NewID(), Owner: "a", State: operation.Done, Target: scope.Target{TenantID: "t"}}
		for i := range entries {
			name := fmt.Sprintf("+3225%06d", i)
			op.Entries = append(op.Entries, operation.Entry{
				Kind: "numbers", Given: name, Key: name, Start: name, End: name, Step: 1, Outcome: operation.Done,
				Before: json.RawMessage(`{"groupId":null}`), After: json.RawMessage(`{"groupId":"g"}`),
			})
		}
		if err := store.Record(t.Context(), op, operation.Event{}); err != nil {
			t.Fatal(err)
		}
		ids = slices.Insert(ids, 0, op.ID)
	}
	m := &handlerManager{handler: controlHandler(&storeManager{store: store})}
	for _, limit := range []int{3, writes - 1, writes, 1000} {
		found, more, err := listed(t.Context(), m, operation.Query{Limit: limit})
		var got []string
		for _, s := range found {
			got = append(got, s.ID)
		}
		if want := ids[:min(limit, writes)]; err != nil || !slices.Equal(got, want) || more != (limit < writes) {
			t.Errorf("limit %d: %d operations, more: %t, %v", limit, len(got), more, err)
		}
	}
	if m.largest > managerPageBytes+100_000 || m.pages < 4 {
		t.Errorf("%d pages of up to %d bytes", m.pages, m.largest)
	}
}
