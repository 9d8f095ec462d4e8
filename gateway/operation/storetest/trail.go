package storetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"ocigate/gateway/operation"
)

// trail verifies the trail, and returns its events.
func (w *world) trail() []operation.Event {
	w.Helper()
	head, err := operation.Verify(w.Trail())
	if err != nil {
		w.Fatalf("the trail: %v", err)
	}
	var events []operation.Event
	for line, err := range w.Trail() {
		var e operation.Event
		if err == nil {
			err = json.Unmarshal(line, &e)
		}
		if err != nil {
			w.Fatalf("line %d of the trail: %v", len(events)+1, err)
		}
		events = append(events, e)
	}
	if head.Sequence != int64(len(events)) {
		w.Errorf("the trail's head is %v, and it has %d lines", head, len(events))
	}
	return events
}

func (w *world) wantTrail(want ...operation.Event) {
	w.Helper()
	if diff := equal(w.trail(), want); diff != "" {
		w.Errorf("the trail (-want +got):\n%s", diff)
	}
}

func (w *world) append(event operation.Event) operation.Event {
	w.Helper()
	if err := w.store.Append(w.Context(), event); err != nil {
		w.Fatalf("Append: %v", err)
	}
	return event
}

var trailTests = []test{
	{"has a line for every record and every other event, in order", func(w *world) {
		a := w.append(login("a"))
		op := w.op(full)
		op.Version = 1
		record := event(&op)
		w.begin(op)
		if err := w.store.Record(w.Context(), op, record); err != nil {
			w.Fatal(err)
		}
		w.wantTrail(a, record, w.append(login("b")))
	}},
	{"has no line for what was not recorded", func(w *world) {
		op := w.op()
		w.begin(op)
		w.abandon(op)
		w.begin(w.op())
		w.wantTrail()
	}},
	{"goes on in another process", func(w *world) {
		var want []operation.Event
		for i := range 3 {
			want = append(want, w.append(login(strconv.Itoa(i))))
			w.another()
			w.wantTrail(want...)
		}
	}},
	{"holds what had to be escaped", func(w *world) {
		w.wantTrail(w.append(login("é\x00\n\r\"\\<>&\u2028 ,\"hash\":\"")))
	}},
	{"is one chain, also if several stores write at the same time", func(w *world) {
		const each = 20
		for _, err := range w.concurrently(8, func(store operation.Store, i int) error {
			for j := range each {
				if err := store.Append(w.Context(), login(fmt.Sprint(i, " ", j))); err != nil {
					return err
				}
			}
			return nil
		}) {
			if err != nil {
				w.Fatal(err)
			}
		}
		next := make([]int, 8)
		for _, e := range w.trail() {
			var i, j int
			if _, err := fmt.Sscan(e.Caller.Name, &i, &j); err != nil || j != next[i] {
				w.Fatalf("line %q where %d is due: %v", e.Caller.Name, next[i], err)
			}
			next[i]++
		}
		if slices.ContainsFunc(next, func(n int) bool { return n != each }) {
			w.Errorf("lines by writer: %v, want %d of each", next, each)
		}
	}},
}
