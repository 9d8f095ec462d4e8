package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

func (w *world) get(id string) operation.Operation {
	w.Helper()
	op, err := w.store.Get(w.Context(), id)
	if err != nil {
		w.Fatalf("Get of %s: %v", id, err)
	}
	return op
}

// wantList checks which operations a query returns, in which order, and whether it reports
// that there are more.
func (w *world) wantList(q operation.Query, want ...operation.Operation) {
	w.Helper()
	got, more, err := w.store.List(w.Context(), q)
	if err != nil {
		w.Fatalf("List of %+v: %v", q, err)
	}
	if diff := equal(got, want); diff != "" {
		w.Errorf("List of %+v (-want +got):\n%s", q, diff)
	}
	all := q
	all.Limit, all.MaxBytes = 1000, 0
	complete, _, err := w.store.List(w.Context(), all)
	if err != nil || more != (len(complete) > len(got)) {
		w.Errorf("List of %+v reports more: %t, after %d of %d, %v", q, more, len(got), len(complete), err)
	}
}

// sizeOf returns the size of an operation as JSON.
func (w *world) sizeOf(op operation.Operation) int {
	w.Helper()
	text, err := json.Marshal(op)
	if err != nil {
		w.Fatal(err)
	}
	return len(text)
}

// wantTouched checks which entries of an operation later ones may have changed: their keys,
// each with the id of the last of these.
func (w *world) wantTouched(op operation.Operation, want map[string]string) {
	w.Helper()
	touched, err := w.store.Touched(w.Context(), op)
	if err != nil {
		w.Fatalf("Touched of %s: %v", op.ID, err)
	}
	got := map[string]string{}
	for c, id := range touched {
		if c != (entry(c.Key).Claim()) {
			w.Errorf("Touched of %s has %v", op.ID, c)
		}
		got[c.Key] = id
	}
	if !maps.Equal(got, want) {
		w.Errorf("Touched of %s is %v, want %v", op.ID, got, want)
	}
}

var getTests = []test{
	{"finds an operation in every state", func(w *world) {
		for _, states := range append(toOpen, toEnds...) {
			w.wantStored(w.through(w.op(), states...))
		}
	}},
	{"finds none if there is none", func(w *world) {
		w.begin(w.op())
		w.through(w.op(), toDone...)
		w.wantNone("operation-0003")
		w.wantNone("operation")
		w.wantNone("operation-00011")
	}},
	{"fails after Close, as all methods do", func(w *world) {
		store := w.store
		w.closeAll()
		for name, err := range w.callAll(w.Context(), store) {
			if err == nil {
				w.Errorf("%s: no error", name)
			}
		}
	}},
	{"fails when its context has ended, as all methods do", func(w *world) {
		ctx, cancel := context.WithCancel(w.Context())
		cancel()
		for name, err := range w.callAll(ctx, w.store) {
			if !errors.Is(err, context.Canceled) {
				w.Errorf("%s: %v, want %v", name, err, context.Canceled)
			}
		}
		w.wantList(operation.Query{Limit: 1})
		w.wantTrail()
	}},
}

// callAll calls every method of a store except Close, and returns their errors by their
// names.
func (w *world) callAll(ctx context.Context, store operation.Store) map[string]error {
	op := w.op()
	intent := in(operation.Intent, op)
	_, getErr := store.Get(ctx, op.ID)
	_, _, listErr := store.List(ctx, operation.Query{Limit: 1})
	_, adoptErr := store.Adopt(ctx, first)
	_, touchedErr := store.Touched(ctx, op)
	return map[string]error{
		"Begin": store.Begin(ctx, op), "Abandon": store.Abandon(ctx, op), "Record": store.Record(ctx, intent, event(&intent)),
		"Get": getErr, "List": listErr, "Adopt": adoptErr, "Touched": touchedErr,
		"Append": store.Append(ctx, login("a")), "Prune": store.Prune(ctx, now()), "Check": store.Check(ctx),
	}
}

var listTests = []test{
	{"finds nothing if there is nothing", func(w *world) {
		w.wantList(operation.Query{Limit: 10})
	}},
	{"finds those received last first, up to its limit", func(w *world) {
		var want []operation.Operation
		for _, states := range append(toEnds, toOpen...) {
			want = append(want, w.through(w.op(), states...))
		}
		slices.Reverse(want)
		for _, limit := range []int{1, 3, len(want), 100} {
			w.wantList(operation.Query{Limit: limit}, want[:min(limit, len(want))]...)
		}
	}},
	{"finds those that are only received in their places", func(w *world) {
		a := w.op()
		b := w.through(w.op(), toDone...)
		w.begin(a)
		c := w.op()
		w.begin(c)
		w.wantList(operation.Query{Limit: 3}, c, b, a)
		w.wantList(operation.Query{Limit: 2}, c, b)
		w.wantList(operation.Query{Limit: 2, Target: scope.Target{TenantID: a.TenantID}, Before: c.ID}, b, a)
	}},
	{"ends a page before it is larger than its limit", func(w *world) {
		var want []operation.Operation
		for i := range 5 {
			var keys []string
			for entry := range 20 {
				keys = append(keys, fmt.Sprint(i, " ", entry))
			}
			op := w.op(entries(keys...))
			if i%3 == 1 {
				w.begin(op)
				op = w.get(op.ID)
			} else {
				op = w.through(op, toDone...)
			}
			want = append(want, op)
		}
		slices.Reverse(want)
		size := 0
		for n, op := range want {
			w.wantList(operation.Query{Limit: 10, MaxBytes: size + w.sizeOf(op) - 1}, want[:max(n, 1)]...)
			size += w.sizeOf(op)
			w.wantList(operation.Query{Limit: 10, MaxBytes: size}, want[:n+1]...)
			w.wantList(operation.Query{Limit: n + 1, MaxBytes: 10 * size}, want[:n+1]...)
		}
		w.wantList(operation.Query{Limit: 10, MaxBytes: 1, Before: want[3].ID}, want[4])
		w.wantList(operation.Query{Limit: 10, MaxBytes: 1, Before: want[4].ID})
	}},
	{"finds those of a target and its parts only", func(w *world) {
		of := func(target scope.Target, states []operation.State) operation.Operation {
			return w.through(w.op(func(op *operation.Operation) { op.Target = target }), states...)
		}
		t := func(ids ...string) scope.Target {
			ids = append(ids, "", "", "")
			return scope.Target{TenantID: ids[0], GroupID: ids[1], UserID: ids[2]}
		}
		a := of(t("t", "g"), toReceived)
		b := of(t("t", "h"), toDone)
		c := of(t("tt", "g"), toDone)
		d := of(t(), toDone)
		e := of(t("t", "g"), toDone)
		f := of(t("t"), toDone)
		g := of(t("t", "g", "u"), toDone)
		h := of(t("t", "g", "v"), toReceived)
		i := of(t("t", "h", "u"), toDone)
		for target, want := range map[scope.Target][]operation.Operation{
			t():                    {i, h, g, f, e, d, c, b, a},
			t("t"):                 {i, h, g, f, e, b, a},
			t("tt"):                {c},
			t("t", "g"):            {h, g, e, a},
			t("t", "h"):            {i, b},
			t("t", "g", "u"):       {g},
			t("t", "g", "v"):       {h},
			t("t", "h", "v"):       nil,
			t("t", "another"):      nil,
			t("another"):           nil,
			t("t", "g", "another"): nil,
		} {
			w.wantList(operation.Query{Target: target, Limit: 10}, want...)
			done := slices.DeleteFunc(slices.Clone(want), func(op operation.Operation) bool { return op.State != operation.Done })
			w.wantList(operation.Query{Target: target, State: operation.Done, Limit: 10}, done...)
		}
	}},
	{"finds those of a state only", func(w *world) {
		of := map[operation.State][]operation.Operation{}
		for range 2 {
			for _, states := range append(toEnds, toOpen...) {
				op := w.through(w.op(), states...)
				of[op.State] = slices.Insert(of[op.State], 0, op)
			}
		}
		rechecked := w.record(in(operation.Done, w.through(w.op(), toIntent...), recheck))
		of[operation.Done] = slices.Insert(of[operation.Done], 0, rechecked)
		for state, want := range of {
			w.wantList(operation.Query{State: state, Limit: 10}, want...)
			w.wantList(operation.Query{State: state, Target: scope.Target{TenantID: "tenant", GroupID: "group"}, Limit: 10}, want...)
			w.wantList(operation.Query{State: state, Target: scope.Target{TenantID: "another"}, Limit: 10})
			w.wantList(operation.Query{State: state, Before: want[0].ID, Limit: 1}, want[1])
		}
	}},
	{"finds those before an operation, whether or not that is there", func(w *world) {
		var ops []operation.Operation
		for i := range 6 {
			op := w.op()
			if i != 3 {
				w.through(op, toDone...)
				op = w.get(op.ID)
			}
			ops = append(ops, op)
		}
		for _, tenant := range []string{"", "tenant"} {
			w.wantList(operation.Query{Target: scope.Target{TenantID: tenant}, Before: ops[0].ID, Limit: 10})
			w.wantList(operation.Query{Target: scope.Target{TenantID: tenant}, Before: ops[3].ID, Limit: 2}, ops[2], ops[1])
			w.wantList(operation.Query{Target: scope.Target{TenantID: tenant}, Before: ops[5].ID, Limit: 2}, ops[4], ops[2])
		}
	}},
	{"finds them in another process too", func(w *world) {
		a := w.through(w.op(), toDone...)
		b := w.through(w.op(), toUnknown...)
		w.another()
		w.wantList(operation.Query{Target: scope.Target{TenantID: "tenant"}, Limit: 10}, b, a)
		w.wantList(operation.Query{State: operation.Unknown, Limit: 10}, b)
	}},
}

var touchedTests = []test{
	{"has nothing if no other operation has an entry", func(w *world) {
		op := w.through(w.op(entries("a", "b")), toDone...)
		w.through(w.op(entries("c")), toDone...)
		w.begin(w.op(entries("aa")))
		w.begin(w.op(entries("a"), func(op *operation.Operation) { op.TenantID = "another" }))
		w.through(w.op(entries("b"), kind("prefix")), toDone...)
		w.wantTouched(op, nil)
	}},
	{"has what a later operation has, in any state, and no other entry", func(w *world) {
		for _, states := range append(toEnds, toOpen...) {
			op := w.op()
			keys := []string{"a " + op.ID, "b " + op.ID, "c " + op.ID}
			entries(keys...)(&op)
			op = w.through(op, toDone...)
			later := w.through(w.op(entries("other "+op.ID, keys[1])), states...)
			if len(states) == 0 {
				w.wantTouched(op, nil)
				continue
			}
			want := map[string]string{keys[1]: later.ID}
			w.wantTouched(op, want)
			w.another()
			w.wantTouched(op, want)
		}
	}},
	{"has the last of several later operations with each entry", func(w *world) {
		op := w.through(w.op(entries("a", "b", "c", "d")), toDone...)
		one := w.through(w.op(entries("b", "a")), toDone...)
		other := w.through(w.op(entries("c", "b")), toDone...)
		w.wantTouched(op, map[string]string{"a": one.ID, "b": other.ID, "c": other.ID})
	}},
	{"has no entries that are not asked about", func(w *world) {
		op := w.through(w.op(entries("a", "b")), toDone...)
		w.through(w.op(entries("a")), toDone...)
		op.Entries = op.Entries[1:]
		w.wantTouched(op, nil)
	}},
	{"has nothing of what an earlier operation had", func(w *world) {
		w.through(w.op(entries("a")), toDone...)
		op := w.through(w.op(entries("a")), toDone...)
		w.wantTouched(op, nil)
	}},
	{"has what was begun later under an earlier id", func(w *world) {
		later := w.op(entries("a"))
		op := w.record(in(operation.NotDone, w.through(w.op(entries("a")), toIntent...), notTaken, recheck))
		w.through(later, toDone...)
		w.wantTouched(op, map[string]string{"a": later.ID})
	}},
	{"has nothing of what a later operation wants that has no intent yet", func(w *world) {
		op := w.through(w.op(entries("a")), toDone...)
		later := w.op(entries("a"))
		w.begin(later)
		w.wantTouched(op, nil)
		w.record(in(operation.Intent, later))
		w.wantTouched(op, map[string]string{"a": later.ID})
	}},
}
