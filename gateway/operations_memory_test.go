package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ocigate/gateway"
	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
	"ocigate/translate/scope"
)

// These tests specify how much memory the list of operations takes, whatever writes the
// journal has. None of the figures depends on time. To add a query, add it to the table of
// TestMemoryOfTheListOfOperations.

// A journal of writes that each have as many entries as a write may have at most.
const (
	entriesOfOne = 10_000
	slowCallers  = 8
	megabyte     = 1e6
)

// largeJournal makes a journal of that many large writes, and gives its folder.
func largeJournal(t *testing.T, writes int) string {
	t.Helper()
	folder := filepath.Join(memoryDir(t), "journal")
	store := bolt.Open(folder, bolt.Options{NoSync: true})
	defer func() { must(t, store.Close()) }()
	at := time.Now().UTC()
	op := operation.Operation{
		Version: 3, Owner: "earlier", State: operation.Done, Route: "itc_numbers_assign", Basis: operation.ByReply, Step: 1,
		Caller: operation.Caller{Name: system, Client: true, Level: "System Admin", Method: "basic", RequestID: "r"},
		Target: scope.Target{TenantID: ownTenant, GroupID: ownGroup}, ReceivedAt: at, IntendedAt: at, SentAt: at, EndedAt: at,
	}
	for i := range entriesOfOne {
		start := fmt.Sprintf("+3225%06d", 10*i)
		op.Entries = append(op.Entries, operation.Entry{
			Kind: "numbers", Given: start, Key: start, Start: "+32-" + start[3:], End: fmt.Sprintf("+32-25%06d", 10*i+9),
			Before: json.RawMessage(`{"groupId":null}`), After: json.RawMessage(`{"groupId":"ApioGrpTest"}`), Step: 1, Outcome: operation.Done,
		})
	}
	for range writes {
		op.ID = operation.NewID()
		must(t, store.Record(t.Context(), op, operation.Event{}))
	}
	return folder
}

// slowWriter is a response whose caller does not read it.
type slowWriter struct {
	header  http.Header
	waiting *sync.WaitGroup // until all responses are being written
	end     chan struct{}
	began   sync.Once
}

func (w *slowWriter) Header() http.Header { return w.header }
func (w *slowWriter) WriteHeader(int)     {}

func (w *slowWriter) Write(p []byte) (int, error) {
	w.began.Do(func() {
		w.waiting.Done()
		<-w.end
	})
	return len(p), nil
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// heldBySlowCallers returns how many bytes are in use while all callers wait for the rest
// of their responses.
func heldBySlowCallers(serve func(http.ResponseWriter)) uint64 {
	inUse := func() uint64 {
		var s runtime.MemStats
		for range 2 { // what is in a pool stays for one collection
			runtime.GC()
		}
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	before := inUse()
	var waiting, serving sync.WaitGroup
	end := make(chan struct{})
	waiting.Add(slowCallers)
	for range slowCallers {
		serving.Go(func() { serve(&slowWriter{header: http.Header{}, waiting: &waiting, end: end}) })
	}
	waiting.Wait()
	after := inUse()
	close(end)
	serving.Wait()
	return after - min(before, after)
}

// The memory of a list is limited by the size of a page, or by that of one write that is
// larger. Callers who read slowly keep no more of it than their page.
func TestMemoryOfTheListOfOperations(t *testing.T) {
	var options gateway.Options
	writes := 24
	if underRace {
		writes = 4
	}
	r := startInBubble(t, setup{folder: largeJournal(t, writes), gateway: func(o *gateway.Options) { options = *o }})
	handler := gateway.New(options) // without what watches the responses of the rig
	for _, c := range []struct {
		query                 string
		largest               int // bytes of a body
		allocated, held       uint64
		allocatedWas, heldWas string // when a page had all operations with their entries
	}{
		{"?limit=1000", 2_000, 25 * megabyte, 2 * megabyte, "315 MB", "96 MB"},
		{"?limit=1000&entries=true", 1_000_000, 30 * megabyte, slowCallers * 2 * megabyte, "315 MB", "96 MB"},
	} {
		t.Run(c.query, func(t *testing.T) {
			serve := func(w http.ResponseWriter) {
				request := r.request(t, call{path: "/api/v1/operations/" + c.query, client: group})
				request.RequestURI, request.RemoteAddr, request.Body = request.URL.RequestURI(), "192.0.2.1:1234", http.NoBody
				handler.ServeHTTP(w, request)
			}
			recorder := httptest.NewRecorder()
			serve(recorder) // also what is made once
			if size := recorder.Body.Len(); recorder.Code != http.StatusOK || size > c.largest {
				t.Errorf("status %d, a body of %d bytes", recorder.Code, size)
			}
			each := allocated(func() { serve(httptest.NewRecorder()) })
			held := heldBySlowCallers(serve)
			t.Logf("allocated for one request | before %s | at most %d MB | %.1f MB", c.allocatedWas, c.allocated/megabyte, float64(each)/megabyte)
			t.Logf("held by %d slow callers | before %s | at most %d MB | %.1f MB", slowCallers, c.heldWas, c.held/megabyte, float64(held)/megabyte)
			if each > c.allocated || held > c.held {
				t.Error("takes more memory than it may")
			}
		})
	}
}

// Pages that end early lead to all writes, each with all of its entries.
func TestPagesOfLargeOperations(t *testing.T) {
	const writes = 3
	r := startInBubble(t, setup{folder: largeJournal(t, writes)})
	for _, query := range []string{"?limit=1000", "?limit=1000&entries=true"} {
		var ids []string
		before, tags := "", map[string]bool{}
		for more := true; more; {
			got := r.call(t, call{path: "/api/v1/operations/" + query + before, client: tenant})
			got.wantStatus(t, http.StatusOK)
			var page listResponse
			strictly(t, got.body, &page)
			for _, op := range page.Operations {
				ids = append(ids, op.ID)
				if withEntries := strings.Contains(query, "entries"); op.EntryCount != entriesOfOne || len(op.Entries) != map[bool]int{true: entriesOfOne}[withEntries] {
					t.Errorf("%d entries of %d", len(op.Entries), op.EntryCount)
				}
			}
			tag := got.header.Get("Etag")
			if tags[tag] {
				t.Error("two pages have the same tag")
			}
			tags[tag] = true
			again := r.call(t, call{path: "/api/v1/operations/" + query + before, client: tenant, header: http.Header{"If-None-Match": {tag}}})
			again.wantStatus(t, http.StatusNotModified)
			if more = page.Next != ""; more && page.Next != ids[len(ids)-1] {
				t.Errorf("next is %s, the last is %s", page.Next, ids[len(ids)-1])
			}
			before = "&before=" + page.Next
		}
		if !slices.IsSortedFunc(ids, func(a, b string) int { return strings.Compare(b, a) }) || len(slices.Compact(ids)) != writes {
			t.Errorf("%s: %d writes: %v", query, len(ids), ids)
		}
	}
	op, more, err := r.keeper.List(context.Background(), operation.Query{Limit: 1})
	if err != nil || !more || len(op) != 1 {
		t.Errorf("%d, %t, %v", len(op), more, err)
	}
}
