package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

// format1 describes an operation of the data of format 1 that stores have as testdata. A
// gateway of that format has written them; the request ids identify the operations.
type format1 struct {
	target   scope.Target
	endpoint string
	kind     string
	to       string // the group that is to have the entries
	keys     []string
	outcomes string // of the entries: + done, - not done, ? unknown, r released
	state    operation.State
	basis    operation.Basis
	holds    []string
	key      bool // it holds its idempotency key
	recheck  bool // it is to be rechecked
}

var inFormat1 = map[string]format1{
	"corrected": {target: groupG, endpoint: "itc_numbers_assign", kind: "numbers", to: "G", keys: []string{"100"}, outcomes: "+", state: operation.Done, basis: operation.ByReading},
	"done":      {target: groupG, endpoint: "itc_numbers_assign", kind: "numbers", to: "G", keys: []string{"101", "102"}, outcomes: "++", state: operation.Done, basis: operation.ByReply, key: true},
	"refused":   {target: groupG, endpoint: "itc_numbers_remove", kind: "numbers", keys: []string{"103"}, outcomes: "-", state: operation.NotDone, basis: operation.ByReply, key: true},
	"declined":  {target: groupH, endpoint: "itc_prefixes_assign", kind: "prefixes", to: "H", keys: []string{"104"}, outcomes: "-", state: operation.NotDone, basis: operation.NotTaken, recheck: true},
	"unsent":    {target: groupH, endpoint: "itc_prefixes_assign", kind: "prefixes", to: "H", keys: []string{"105"}, outcomes: "-", state: operation.NotDone, basis: operation.NotTaken},
	"partly":    {target: groupH, endpoint: "itc_numbers_assign", kind: "numbers", to: "H", keys: []string{"106", "107"}, outcomes: "+-", state: operation.PartlyDone, basis: operation.ByReading, key: true, recheck: true},
	"unknown": {target: groupG, endpoint: "itc_numbers_remove", kind: "numbers", keys: []string{"108", "109"}, outcomes: "??", state: operation.Unknown,
		holds: []string{"108", "109"}, key: true},
	"other tenant":     {target: scope.Target{TenantID: "T2", GroupID: "G"}, endpoint: "itc_prefixes_assign", kind: "prefixes", to: "G", keys: []string{"108"}, outcomes: "?", state: operation.Unknown, holds: []string{"108"}, key: true},
	"released in part": {target: groupG, endpoint: "itc_numbers_assign", kind: "numbers", to: "G", keys: []string{"110", "111"}, outcomes: "r?", state: operation.Unknown, holds: []string{"111"}, key: true},
	"released":         {target: groupG, endpoint: "itc_numbers_assign", kind: "numbers", to: "G", keys: []string{"112", "113"}, outcomes: "rr", state: operation.Unknown, key: true},
	"intent":           {target: groupG, endpoint: "itc_numbers_assign", kind: "numbers", to: "G", keys: []string{"114", "115"}, outcomes: "??", state: operation.Intent, holds: []string{"114", "115"}, key: true},
	// Only a store that shares operations that are Received has it.
	"received": {target: groupG, endpoint: "itc_numbers_assign", kind: "numbers", keys: []string{"116"}, outcomes: "?", state: operation.Received, holds: []string{"116"}, key: true},
}

var (
	groupG = scope.Target{TenantID: "T", GroupID: "G"}
	groupH = scope.Target{TenantID: "T", GroupID: "H"}
)

// RunFormat1 tests a store over data of format 1, whose owners must have stopped. lines is
// the number of lines of their trail.
func RunFormat1(t *testing.T, r Rig, lines int64) {
	t.Helper()
	w := &world{T: t, Rig: r}
	t.Cleanup(w.closeAll)
	w.another()
	found := w.ofFormat1()
	w.checkLists1(found)
	w.checkClaims1(found)
	w.append(login("after the migration"))
	if head, err := operation.Verify(w.Trail()); err != nil || head.Sequence != lines+1 {
		w.Errorf("the trail: %v, %v, want %d lines", head, err, lines+1)
	}
	w.another() // it is migrated once
	w.ofFormat1()
	w.resolveFormat1(found)
}

// ofFormat1 checks each operation, and returns them by their request ids.
func (w *world) ofFormat1() map[string]operation.Operation {
	w.Helper()
	all, _, err := w.store.List(w.Context(), operation.Query{Limit: 100})
	if err != nil {
		w.Fatal(err)
	}
	found := map[string]operation.Operation{}
	for _, op := range all {
		name := op.Caller.RequestID
		found[name] = op
		want, ok := inFormat1[name]
		if !ok {
			w.Errorf("there is %q", name)
			continue
		}
		var entries []operation.Entry
		for i, key := range want.keys {
			entries = append(entries, want.entry(i, key))
		}
		want1 := op
		want1.Target, want1.Route, want1.State, want1.Basis, want1.Entries = want.target, want.endpoint, want.state, want.basis, entries
		if want1.Step = 1; want.state == operation.Received {
			want1.Step = 0
		}
		if diff := equal(op, want1); diff != "" {
			w.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if got := keysIn(op.Holds()); !slices.Equal(got, want.holds) {
			w.Errorf("%s holds %v, want %v", name, got, want.holds)
		}
		if op.HoldsKey() != want.key || op.RecheckAt.IsZero() == want.recheck || op.ReceivedAt.IsZero() {
			w.Errorf("%s is %+v", name, op)
		}
		if want := map[string]string{"refused": `{"code":"PlatformRefused"}`}[name]; string(op.Response) != want {
			w.Errorf("%s has the response %s, want %s", name, op.Response, want)
		}
	}
	if len(found) < len(inFormat1)-1 {
		w.Errorf("there are %d operations, want %d", len(found), len(inFormat1))
	}
	return found
}

// entry returns an entry as it must be after the migration.
func (f *format1) entry(i int, key string) operation.Entry {
	e := operation.Entry{Kind: f.kind, Given: "tel:" + key, Key: key}
	if f.state != operation.Received {
		group := `{"groupId":"` + f.target.GroupID + `"}`
		e.Before, e.After = json.RawMessage(group), json.RawMessage(`{"groupId":null}`)
		if f.to != "" {
			e.Before, e.After = e.After, e.Before
		}
		e.Start, e.Step = "+32-"+key, 1
		if f.kind == "numbers" {
			e.End = "+32-" + key + "9"
		}
	}
	switch f.outcomes[i] {
	case '+':
		e.Outcome = operation.Done
	case '-':
		e.Outcome = operation.NotDone
	case 'r':
		e.Released = true
	}
	return e
}

// checkLists1 checks that the lists have the operations.
func (w *world) checkLists1(found map[string]operation.Operation) {
	w.Helper()
	for _, target := range []scope.Target{{}, {TenantID: "T"}, {TenantID: "T2"}, groupG, groupH, {TenantID: "T2", GroupID: "G"}, {TenantID: "T", GroupID: "G", UserID: "u"}} {
		for _, state := range []operation.State{"", operation.Done, operation.NotDone, operation.PartlyDone, operation.Unknown} {
			var want []operation.Operation
			for _, op := range found {
				if target.Contains(op.Target) && (state == "" || op.State == state) {
					want = append(want, op)
				}
			}
			slices.SortFunc(want, func(a, b operation.Operation) int { return -cmpID(a, b) })
			w.wantList(operation.Query{Target: target, State: state, Limit: 100}, want...)
		}
	}
}

func cmpID(a, b operation.Operation) int {
	switch {
	case a.ID < b.ID:
		return -1
	case a.ID > b.ID:
		return 1
	}
	return 0
}

// checkClaims1 checks that the operations have the keys and entries that they had, and no
// others.
func (w *world) checkClaims1(found map[string]operation.Operation) {
	w.Helper()
	for name, op := range found {
		again := w.op(owner(second), func(again *operation.Operation) {
			again.ID, again.Caller, again.Route = operation.NewID(), op.Caller, op.Route
			again.Key, again.Fingerprint, again.KeyExpires = "key-"+name, "f", now().Add(time.Hour)
		})
		if inFormat1[name].key {
			w.wantKeyUsed(again, op)
		} else {
			w.wantFree(again)
		}
		for _, e := range op.Entries {
			other := w.op(owner(second), entries(e.Key), kind(e.Kind), func(other *operation.Operation) { other.Target = op.Target })
			if slices.Contains(op.Holds(), e.Claim()) {
				w.wantHeld(other, []string{e.Key}, op.ID)
			} else {
				w.wantFree(other)
			}
			kind("another")(&other)
			w.wantFree(other)
		}
	}
}

// resolveFormat1 has a keeper resolve the operations that are unknown or an intent, and
// recheck those that were found not to be done.
func (w *world) resolveFormat1(found map[string]operation.Operation) {
	w.Helper()
	var mu sync.Mutex
	asked := map[string]bool{}
	recorded := make(chan struct{}, 1)
	k := operation.NewKeeper(operation.Options{
		Store: reporting{w.store, recorded}, Owner: third, Settle: time.Millisecond, Keep: 100 * 365 * 24 * time.Hour, KeepKeys: time.Hour,
		Observe: func(_ context.Context, target scope.Target, entries []operation.Entry) (operation.Observation, error) {
			mu.Lock()
			defer mu.Unlock()
			seen := operation.Observation{Endpoint: "n1"}
			for _, e := range entries {
				asked[target.TenantID+" "+e.Kind+" "+e.Key+" "+string(e.After)] = true
				notSeen := slices.Contains([]string{"109", "104"}, e.Key)
				seen.Effects = append(seen.Effects, operation.Effect{Seen: !notSeen, Clear: true})
			}
			return seen, nil
		},
	})
	defer k.Close(context.Background())
	ended := map[string]string{
		"unknown": "partly_done +-", "other tenant": "done +", "released in part": "unknown r+", "intent": "done ++", "released": "unknown rr",
	}
	if time.Now().After(found["partly"].RecheckAt) {
		ended["partly"], ended["declined"] = "done ++", "not_done -"
	}
	is := map[string]string{}
	for late := time.After(time.Minute); !cmp.Equal(ended, is); {
		select {
		case <-recorded:
		case <-late:
			w.Fatalf("they end differently (-want +got):\n%s", cmp.Diff(ended, is))
		}
		for name := range ended {
			op := w.get(found[name].ID)
			is[name] = string(op.State) + " " + signs(op.Entries)
			isOver := !op.Open() || name == "unknown" && op.State.Ended() // that is rechecked in five minutes
			if !isOver {
				is[name] += " open"
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for what, want := range map[string]bool{
		`T numbers 108 {"groupId":null}`: true, `T2 prefixes 108 {"groupId":"G"}`: true, `T numbers 111 {"groupId":"G"}`: true, `T numbers 114 {"groupId":"G"}`: true,
		`T numbers 110 {"groupId":"G"}`: false, `T numbers 112 {"groupId":"G"}`: false, `T numbers 106 {"groupId":"H"}`: false,
	} {
		if asked[what] != want {
			w.Errorf("whether %s was read is %t, want %t", what, asked[what], want)
		}
	}
	if _, err := k.Get(w.Context(), found["received"].ID); inFormat1["received"].state == operation.Received && found["received"].ID != "" && !errors.Is(err, operation.ErrNotFound) {
		w.Errorf("what was only received is not removed: %v", err)
	}
}

// reporting is a store that reports when something was recorded.
type reporting struct {
	operation.Store
	recorded chan<- struct{}
}

func (r reporting) Record(ctx context.Context, op operation.Operation, event operation.Event) error {
	err := r.Store.Record(ctx, op, event)
	select {
	case r.recorded <- struct{}{}:
	default:
	}
	return err
}

// signs returns the outcomes of entries, as in format1.
func signs(entries []operation.Entry) string {
	var text strings.Builder
	for _, e := range entries {
		switch {
		case e.Released:
			text.WriteByte('r')
		case e.Outcome == operation.Done:
			text.WriteByte('+')
		case e.Outcome == operation.NotDone:
			text.WriteByte('-')
		default:
			text.WriteByte('?')
		}
	}
	return text.String()
}
