package storetest

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"ocigate/gateway/operation"
)

// trailStore returns the present store, with what operators do with its trail.
func (w *world) trailStore() operation.TrailStore {
	w.Helper()
	store, ok := w.store.(operation.TrailStore)
	if !ok {
		w.Fatal("the store is no operation.TrailStore")
	}
	return store
}

// verify verifies the trail with what the store knows of it.
func (w *world) verify() error {
	w.Helper()
	b, err := w.trailStore().Bounds(w.Context())
	if err != nil || !b.Known {
		w.Fatalf("Bounds: %+v, %v", b, err)
	}
	_, err = operation.Verification{After: b.Archived, Heads: []operation.Head{b.Head}}.Run(w.Trail())
	return err
}

// lines returns the lines of the trail.
func (w *world) lines() [][]byte {
	w.Helper()
	var lines [][]byte
	for line, err := range w.Trail() {
		if err != nil {
			w.Fatal(err)
		}
		lines = append(lines, slices.Clone(line))
	}
	return lines
}

// fill adds lines to the trail.
func (w *world) fill() [][]byte {
	w.Helper()
	for range 4 {
		w.through(w.op(), operation.Intent, operation.Done)
		w.append(login("a"))
	}
	if err := w.verify(); err != nil {
		w.Fatal(err)
	}
	return w.lines()
}

// another returns the lines of another trail, which is not broken.
func anotherTrail(w *world, n int) [][]byte {
	w.Helper()
	var lines [][]byte
	var head operation.Head
	for range n {
		line, next, err := operation.Seal(head, login("mallory"))
		if err != nil {
			w.Fatal(err)
		}
		lines, head = append(lines, line), next
	}
	return lines
}

// tampering is a test of one kind of tampering with a trail of 12 lines. want is part of the
// error of verifying the trail. If the end is not as it was, nothing is recorded any more.
func tampering(what, want string, refused bool, tamper func(w *world, lines [][]byte) [][]byte) test {
	return test{what, func(w *world) {
		lines := w.fill()
		w.Rewrite(tamper(w, slices.Clone(lines)))
		for range 2 {
			if err := w.verify(); err == nil || !strings.Contains(err.Error(), want) {
				w.Errorf("verify: %v, want an error with %q", err, want)
			}
			w.another()
		}
		if !refused {
			w.append(login("b"))
			return
		}
		w.wantNothingRecorded()
		w.Rewrite(lines)
		w.append(login("b"))
		if err := w.verify(); err != nil {
			w.Error(err)
		}
	}}
}

// wantNothingRecorded checks that nothing is recorded, that nothing is sent therefore, and that
// operations can still be read.
func (w *world) wantNothingRecorded() {
	w.Helper()
	_, headErr := w.store.Head(w.Context())
	for what, err := range map[string]error{
		"Append": w.store.Append(w.Context(), login("b")), "Head": headErr, "Check": w.store.Check(w.Context()),
	} {
		if _, disagree := errors.AsType[*operation.TrailError](err); !disagree {
			w.Errorf("%s: %v, want a TrailError", what, err)
		}
	}
	op := w.op()
	err := w.store.Begin(w.Context(), op)
	if err == nil {
		next := in(operation.Intent, op)
		err = w.store.Record(w.Context(), next, event(&next))
	}
	if _, disagree := errors.AsType[*operation.TrailError](err); !disagree {
		w.Errorf("an intent: %v, want a TrailError", err)
	}
	if _, err := w.store.Get(w.Context(), "operation-0001"); err != nil {
		w.Errorf("Get: %v", err)
	}
}

var tamperingTests = []test{
	tampering("the last line is missing", "missing at its end", true, func(_ *world, l [][]byte) [][]byte { return l[:11] }),
	tampering("several last lines are missing", "missing at its end", true, func(_ *world, l [][]byte) [][]byte { return l[:5] }),
	tampering("all lines are missing", "the trail has no lines", true, func(*world, [][]byte) [][]byte { return nil }),
	tampering("all lines but the last are missing", "the lines before it are missing", false, func(_ *world, l [][]byte) [][]byte { return l[11:] }),
	tampering("the first line is missing", "the lines before it are missing", false, func(_ *world, l [][]byte) [][]byte { return l[1:] }),
	tampering("a line in the middle is missing", "has number 7 where 6 is due", false, func(_ *world, l [][]byte) [][]byte { return slices.Delete(l, 5, 6) }),
	tampering("there are as many lines of another trail", "another hash", true, func(w *world, l [][]byte) [][]byte { return anotherTrail(w, len(l)) }),
	tampering("there are fewer lines of another trail", "missing at its end", true, func(w *world, _ [][]byte) [][]byte { return anotherTrail(w, 5) }),
	tampering("the last lines were written again", "another hash", true, func(w *world, l [][]byte) [][]byte {
		head, _, err := operation.HeadOf(l[9])
		if err != nil {
			w.Fatal(err)
		}
		l = l[:10]
		for range 2 {
			line, next, err := operation.Seal(head, login("mallory"))
			if err != nil {
				w.Fatal(err)
			}
			l, head = append(l, line), next
		}
		return l
	}),
	{"what an operator has accepted goes on, with a line that says so", func(w *world) {
		for _, left := range []func(lines [][]byte) [][]byte{
			func(lines [][]byte) [][]byte { return lines[:len(lines)-2] },
			func(lines [][]byte) [][]byte { return lines[2:] },
			func(lines [][]byte) [][]byte { return lines[1 : len(lines)-1] },
			func([][]byte) [][]byte { return nil },
		} {
			w.fill()
			expected, err := w.store.Head(w.Context())
			if err != nil {
				w.Fatal(err)
			}
			w.Rewrite(left(w.lines()))
			order := operation.TrailOrder{By: "anna", Reason: "the disk was replaced, ticket 4711"}
			b, err := w.trailStore().AcceptTrail(w.Context(), order)
			if err != nil {
				w.Fatalf("AcceptTrail: %v", err)
			}
			if head, err := w.store.Head(w.Context()); err != nil || head != b.Head {
				w.Errorf("the head is %v, %v, want %v", head, err, b.Head)
			}
			w.another()
			if err := w.verify(); err != nil {
				w.Error(err)
			}
			w.wantLast(operation.EventTrailAccepted, expected, order)
			if _, err := w.trailStore().AcceptTrail(w.Context(), order); !errors.Is(err, operation.ErrNothingToAccept) {
				w.Errorf("again: %v", err)
			}
		}
	}},
}

// wantLast checks the last line of the trail, which is that of an order.
func (w *world) wantLast(kind operation.EventKind, head operation.Head, order operation.TrailOrder) {
	w.Helper()
	lines := w.lines()
	var last operation.Event
	if err := json.Unmarshal(lines[len(lines)-1], &last); err != nil {
		w.Fatal(err)
	}
	if last.Kind != kind || last.Head != head.String() || last.Reason != order.Reason || last.Archive != order.Archive || last.Caller.Name != order.By {
		w.Errorf("the last line is %+v, want a %s with the head %v and the order %+v", last, kind, head, order)
	}
}
