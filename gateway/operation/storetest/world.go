package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

// The owners of the tests. Operations have the first one by default.
const (
	first  = "replica-1"
	second = "replica-2"
	third  = "replica-3"
)

// world is the state of a test: its stores and the number of its operations.
type world struct {
	*testing.T
	Rig
	store operation.Store // the one that was opened last
	open  []operation.Store
	made  int // number of operations
}

// another opens one more store over the data, as another replica would or, if the data
// are not shared, the next process.
func (w *world) another() {
	w.Helper()
	if !w.Shared {
		w.closeAll()
	}
	w.store = w.Open()
	w.open = append(w.open, w.store)
}

// closeAll closes the stores that are open.
func (w *world) closeAll() {
	w.Helper()
	for _, store := range w.open {
		if err := store.Close(); err != nil {
			w.Errorf("Close: %v", err)
		}
	}
	w.open = nil
}

// stop stops an owner and opens another store. It returns the store through which the
// owner may still make late calls.
func (w *world) stop(owner string) operation.Store {
	w.Helper()
	late := w.store
	w.another()
	if w.Expire != nil {
		w.Expire(owner)
	}
	if !w.Shared {
		late = w.store
	}
	return late
}

// edit changes an operation.
type edit func(*operation.Operation)

// op returns a new operation that is Received, later than those before it, with its own
// entry.
func (w *world) op(edits ...edit) operation.Operation {
	w.made++
	op := operation.Operation{
		ID:    fmt.Sprintf("operation-%04d", w.made),
		Owner: first,
		State: operation.Received,
		Caller: operation.Caller{
			Name: "portal", Client: true, Level: "system", Method: "client", ClientIP: "192.0.2.1", RequestID: fmt.Sprint("request-", w.made),
		},
		Route:      "assign",
		Target:     scope.Target{TenantID: "tenant", GroupID: "group"},
		Entries:    []operation.Entry{entry(fmt.Sprint("own-", w.made))},
		ReceivedAt: now(),
	}
	for _, e := range edits {
		e(&op)
	}
	return op
}

// now returns the time as precisely as stores keep it.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func entry(key string) operation.Entry {
	return operation.Entry{Kind: "number", Given: "given " + key, Key: key}
}

// kind gives the entries of an operation a kind.
func kind(kind string) edit {
	return func(op *operation.Operation) {
		op.Entries = slices.Clone(op.Entries)
		for i := range op.Entries {
			op.Entries[i].Kind = kind
		}
	}
}

// keysOf returns the keys of an operation's entries.
func keysOf(op operation.Operation) []string { return keysIn(op.Keys()) }

func keysIn(claims []operation.Claim) []string {
	var keys []string
	for _, c := range claims {
		keys = append(keys, c.Key)
	}
	return keys
}

// entries gives an operation these entries.
func entries(keys ...string) edit {
	return func(op *operation.Operation) {
		op.Entries = nil
		for _, key := range keys {
			op.Entries = append(op.Entries, entry(key))
		}
	}
}

// key gives an operation an idempotency key that expires in an hour.
func key(key string) edit { return keyUntil(key, time.Hour) }

func keyUntil(key string, left time.Duration) edit {
	return func(op *operation.Operation) {
		op.Key, op.Fingerprint, op.KeyExpires = key, "fingerprint of "+op.ID, now().Add(left)
	}
}

func owner(name string) edit { return func(op *operation.Operation) { op.Owner = name } }

func notTaken(op *operation.Operation) { op.Basis = operation.NotTaken }

func recheck(op *operation.Operation) { op.RecheckAt = now().Add(time.Minute) }

// corrected makes the recheck correct an operation that was not taken, which then has no
// key any more.
func corrected(op *operation.Operation) {
	op.Basis, op.RecheckAt, op.Key = operation.ByReading, time.Time{}, ""
	op.Corrections = []operation.Correction{{At: now(), From: operation.NotDone, To: operation.Done}}
}

// in returns the next record of the operation, in another state.
func in(state operation.State, op operation.Operation, edits ...edit) operation.Operation {
	op.State = state
	op.Version++
	switch {
	case state == operation.Intent:
		op.IntendedAt = now()
	case state == operation.Unknown:
		op.UnknownAt = now()
	case state.Ended():
		op.EndedAt = now()
	}
	for _, e := range edits {
		e(&op)
	}
	return op
}

// event is that which belongs to a record of the operation.
func event(op *operation.Operation) operation.Event {
	kind := operation.EventOutcome
	if op.State == operation.Intent {
		kind = operation.EventIntent
	}
	return operation.EventOf(kind, op, now())
}

func login(who string) operation.Event {
	return operation.Event{Time: now(), Kind: operation.EventLogin, Caller: operation.Caller{Name: who}, Route: "login", Outcome: "ok"}
}

func (w *world) begin(op operation.Operation) {
	w.Helper()
	if err := w.store.Begin(w.Context(), op); err != nil {
		w.Fatalf("Begin of %s: %v", op.ID, err)
	}
}

func (w *world) record(op operation.Operation) operation.Operation {
	w.Helper()
	if err := w.store.Record(w.Context(), op, event(&op)); err != nil {
		w.Fatalf("Record of %s, %s: %v", op.ID, op.State, err)
	}
	return op
}

// through begins an operation and records one state after the other. It
// returns what was recorded last.
func (w *world) through(op operation.Operation, states ...operation.State) operation.Operation {
	w.Helper()
	w.begin(op)
	for _, state := range states {
		op = w.record(in(state, op))
	}
	return op
}

func (w *world) abandon(op operation.Operation) {
	w.Helper()
	if err := w.store.Abandon(w.Context(), op); err != nil {
		w.Fatalf("Abandon of %s: %v", op.ID, err)
	}
}

func (w *world) adopt(owner string) []operation.Operation {
	w.Helper()
	ops, err := w.store.Adopt(w.Context(), owner)
	if err != nil {
		w.Fatalf("Adopt for %s: %v", owner, err)
	}
	slices.SortFunc(ops, func(a, b operation.Operation) int { return strings.Compare(a.ID, b.ID) })
	return ops
}

func (w *world) prune(before time.Time) {
	w.Helper()
	if err := w.store.Prune(w.Context(), before); err != nil {
		w.Fatalf("Prune: %v", err)
	}
}

// equal returns the difference of two values. JSON texts are compared by their values.
func equal(got, want any) string {
	isAnswer := func(p cmp.Path) bool { return p.Last().Type() == reflect.TypeFor[json.RawMessage]() }
	return cmp.Diff(want, got,
		cmp.FilterPath(isAnswer, cmp.Transformer("JSON", func(text json.RawMessage) (value any) {
			_ = json.Unmarshal(text, &value) // what is not JSON is nil
			return value
		})),
		cmp.FilterPath(func(p cmp.Path) bool { return !isAnswer(p) }, cmpopts.EquateEmpty()),
	)
}

// wantStored checks that the store has an operation exactly like this.
func (w *world) wantStored(want operation.Operation) {
	w.Helper()
	got, err := w.store.Get(w.Context(), want.ID)
	if err != nil {
		w.Fatalf("Get of %s: %v", want.ID, err)
	}
	if diff := equal(got, want); diff != "" {
		w.Errorf("%s is not as it was recorded (-want +got):\n%s", want.ID, diff)
	}
}

// wantNone checks that the store has no such operation.
func (w *world) wantNone(id string) {
	w.Helper()
	if op, err := w.store.Get(w.Context(), id); !errors.Is(err, operation.ErrNotFound) {
		w.Errorf("Get of %s: %+v, %v, want %v", id, op, err, operation.ErrNotFound)
	}
}

// wantFree checks that an operation can begin, and abandons it.
func (w *world) wantFree(op operation.Operation) {
	w.Helper()
	w.begin(op)
	w.abandon(op)
}

// wantHeld checks that an operation cannot begin, since one of the holders has these of its
// entries.
func (w *world) wantHeld(op operation.Operation, keys []string, holders ...string) {
	w.Helper()
	err := w.store.Begin(w.Context(), op)
	held, ok := errors.AsType[*operation.HeldError](err)
	if !ok {
		w.Fatalf("Begin of %s: %v, want a HeldError", op.ID, err)
	}
	if diff := cmp.Diff(keys, keysIn(held.Held)); diff != "" {
		w.Errorf("the entries held (-want +got):\n%s", diff)
	}
	if !slices.Contains(holders, held.ID) {
		w.Errorf("they are held by %s, want one of %v", held.ID, holders)
	}
}

// wantKeyUsed checks that an operation cannot begin, since its key belongs to another.
func (w *world) wantKeyUsed(op, by operation.Operation) {
	w.Helper()
	err := w.store.Begin(w.Context(), op)
	used, ok := errors.AsType[*operation.KeyUsedError](err)
	if !ok {
		w.Fatalf("Begin of %s: %v, want a KeyUsedError", op.ID, err)
	}
	if diff := equal(used.Operation, by); diff != "" {
		w.Errorf("the key's operation (-want +got):\n%s", diff)
	}
}

// concurrently calls f for 0 to n-1, all at the same time, with each of the open stores in
// turn, and returns the errors.
func (w *world) concurrently(n int, f func(store operation.Store, i int) error) []error {
	if w.Shared {
		w.another()
	}
	errs := make([]error, n)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-start
			errs[i] = f(w.open[i%len(w.open)], i)
		})
	}
	close(start)
	all.Wait()
	return errs
}
