package bolt_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
)

// These tests specify what is noticed when the trail and the database are opened that do not
// belong together. To add a kind of tampering, add an entry to the table of
// TestTamperingIsNoticed.

// months writes a trail of several months with two lines each, and closes the store. It
// returns the names of the files.
func (r *rig) months() []string {
	r.Helper()
	names := []string{"audit-2026-09.jsonl", "audit-2026-10.jsonl", "audit-2026-11.jsonl"}
	for i := range names {
		for range 2 {
			r.append(time.Date(2026, time.Month(9+i), 1, 0, 0, 0, 0, time.UTC))
		}
	}
	r.close()
	return names
}

// verify verifies the trail with what the database knows of it.
func (r *rig) verify() error {
	r.Helper()
	found, err := bolt.Inspect(r.folder)
	must(r.T, err)
	if !found.Trail.Known {
		r.Fatal("the database does not know the head of the trail")
	}
	_, err = operation.Verification{After: found.Trail.Archived, Heads: []operation.Head{found.Trail.Head}}.Run(complete(r.folder))
	return err
}

// complete iterates over the complete lines of a trail.
func complete(folder string) operation.Trail {
	return func(yield func([]byte, error) bool) {
		for line, err := range bolt.Trail(folder) {
			if errors.Is(err, bolt.ErrTorn) || !yield(line, err) {
				return
			}
		}
	}
}

func TestTamperingIsNoticed(t *testing.T) {
	t.Parallel()
	other := newRig(t)
	other.append(time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC))
	for range 7 {
		other.append(time.Now())
	}
	other.close()
	foreign := read(t, other.audit())
	withoutLast := func(content []byte) []byte {
		return content[:bytes.LastIndexByte(content[:len(content)-1], '\n')+1]
	}
	for name, c := range map[string]struct {
		tamper func(t *testing.T, files []string)
		// refused is part of why nothing is recorded any more; empty if that is only found by
		// verifying the trail.
		refused, verify string
	}{
		"a last line that is cut off": {func(t *testing.T, files []string) {
			replace(t, files[2], withoutLast(read(t, files[2])))
		}, "lines of the audit trail are missing", "missing at its end"},
		"a last line that is torn": {func(t *testing.T, files []string) {
			must(t, os.Truncate(files[2], int64(len(read(t, files[2]))-1)))
		}, "lines of the audit trail are missing", "missing at its end"},
		"a last file that is emptied": {func(t *testing.T, files []string) {
			replace(t, files[2], nil)
		}, "lines of the audit trail are missing", "missing at its end"},
		"a last file that is missing": {func(t *testing.T, files []string) {
			must(t, os.Remove(files[2]))
		}, "lines of the audit trail are missing", "missing at its end"},
		"no file at all": {func(t *testing.T, files []string) {
			for _, file := range files {
				must(t, os.Remove(file))
			}
		}, "lines of the audit trail are missing", "the trail has no lines"},
		"all files emptied": {func(t *testing.T, files []string) {
			for _, file := range files {
				replace(t, file, nil)
			}
		}, "lines of the audit trail are missing", "the trail has no lines"},
		"a first file that is missing": {func(t *testing.T, files []string) {
			must(t, os.Remove(files[0]))
		}, "", "the lines before it are missing"},
		"a first line that is missing": {func(t *testing.T, files []string) {
			content := read(t, files[0])
			replace(t, files[0], content[bytes.IndexByte(content, '\n')+1:])
		}, "", "the lines before it are missing"},
		"a file in the middle that is missing": {func(t *testing.T, files []string) {
			must(t, os.Remove(files[1]))
		}, "", "has number 5 where 3 is due"},
		"lines of another trail": {func(t *testing.T, files []string) {
			for _, file := range files {
				must(t, os.Remove(file))
			}
			replace(t, files[2], foreign)
		}, "is another one", "has another hash"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			var files []string
			for _, name := range r.months() {
				files = append(files, r.path(name))
			}
			must(t, r.verify())
			c.tamper(t, files)
			if err := r.verify(); err == nil || !strings.Contains(err.Error(), c.verify) {
				t.Errorf("verify: %v, want an error with %q", err, c.verify)
			}
			before := contents(t, r.folder)
			if found, err := bolt.Inspect(r.folder); err != nil || (found.TrailError == nil) != (c.refused == "") {
				t.Errorf("Inspect: %v, %v", found.TrailError, err)
			}
			r.open()
			if c.refused == "" {
				r.append(time.Now())
				return
			}
			r.refuses(c.refused)
			if _, disagree := errors.AsType[*operation.TrailError](r.store.Check(t.Context())); !disagree {
				t.Error("the check does not report it")
			}
			r.close()
			if contents(t, r.folder) != before {
				t.Error("the evidence was changed")
			}
			r.open()
			head, err := r.store.Bounds(t.Context())
			must(t, err)
			r.acceptTrail()
			r.intend()
			if last := lastEvent(t, r.folder, operation.EventTrailAccepted); last.Head != head.Head.String() || last.Reason != "ticket 4711" || last.Caller.Name != "anna" {
				t.Errorf("the line of the acceptance: %+v, want the head %v that was expected", last, head.Head)
			}
			r.reopen()
			r.intend()
			r.close()
			must(t, r.verify())
			r.open()
		})
	}
}

// contents returns the names and the content of the files of the trail in a folder.
func contents(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "audit-*"))
	must(t, err)
	var all strings.Builder
	for _, file := range files {
		all.WriteString(file + "\n" + string(read(t, file)))
	}
	return all.String()
}

// lastEvent returns the last event of a kind in a trail.
func lastEvent(t *testing.T, folder string, kind operation.EventKind) operation.Event {
	t.Helper()
	var last operation.Event
	for line, err := range bolt.Trail(folder) {
		must(t, err)
		var event operation.Event
		must(t, json.Unmarshal(line, &event))
		if event.Kind == kind {
			last = event
		}
	}
	return last
}

// An older database does not have the operations of the lines of intents that are newer. It
// would send what was sent before.
func TestDatabaseThatIsOlderThanTheTrailIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.intend()
	r.close()
	older := read(t, r.database())
	r.open()
	lost := r.intend()
	r.close()
	replace(t, r.database(), older)
	r.open()
	r.refuses("it does not have the operation " + lost.ID)
	r.wantState("op-000001", operation.Intent)
	r.acceptTrail()
	r.intend()
}

func TestDatabaseThatIsOlderThanManyLoginsIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.append(time.Now())
	r.close()
	older := read(t, r.database())
	r.open()
	for range 10_001 {
		r.append(time.Now())
	}
	r.close()
	replace(t, r.database(), older)
	r.open()
	r.refuses("the database is older than the audit trail")
}

// What a crash leaves is not taken for tampering, however many lines were written.
func TestCrashLeavesATrailThatIsAccepted(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for range 2500 {
		r.append(time.Now())
	}
	r.crash()
	if found, err := bolt.Inspect(r.folder); err != nil || found.Trail.Head.Sequence < 1500 {
		t.Errorf("the database knows the head %v, %v, want one of the last 1000 lines", found.Trail.Head, err)
	}
	r.open()
	r.append(time.Now())
	r.wantLines(2501)
}

func TestAdoptAndCloseStoreTheHead(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i, store := range []func(){
		func() {
			if _, err := r.store.Adopt(t.Context(), "me"); err != nil {
				t.Fatal(err)
			}
			r.crash()
		},
		r.close,
	} {
		r.append(time.Now())
		store()
		if found, err := bolt.Inspect(r.folder); err != nil || found.Trail.Head.Sequence != int64(i+1) {
			t.Errorf("the database knows the head %v, %v, want line %d", found.Trail.Head, err, i+1)
		}
		r.open()
	}
}

func TestNothingIsAcceptedIfNothingIsMissing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.intend()
	for _, order := range []operation.TrailOrder{{By: "anna", Reason: "why"}, {By: "anna"}, {Reason: "why"}} {
		if _, err := r.store.AcceptTrail(t.Context(), order); err == nil {
			t.Errorf("%+v was accepted", order)
		}
	}
	if _, err := r.store.AcceptTrail(t.Context(), operation.TrailOrder{By: "anna", Reason: "why"}); !errors.Is(err, operation.ErrNothingToAccept) {
		t.Errorf("%v", err)
	}
	r.intend()
	r.wantLines(2)
}
