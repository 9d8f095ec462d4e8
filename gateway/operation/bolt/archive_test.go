package bolt_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
)

// These tests specify how lines leave the trail: by an archive, and by age.

// files returns the names of the files of the trail.
func (r *rig) files() []string {
	r.Helper()
	paths, err := filepath.Glob(r.path("audit-*"))
	must(r.T, err)
	names := []string{}
	for _, path := range paths {
		names = append(names, filepath.Base(path))
	}
	return names
}

func (r *rig) wantFiles(want ...string) {
	r.Helper()
	if diff := cmp.Diff(want, r.files()); diff != "" {
		r.Errorf("files of the trail (-want +got):\n%s", diff)
	}
}

// headOf returns the last line of a file of the trail.
func (r *rig) headOf(name string) operation.Head {
	r.Helper()
	lines := bytes.Split(bytes.TrimSuffix(read(r.T, r.path(name)), []byte("\n")), []byte("\n"))
	head, _, err := operation.HeadOf(lines[len(lines)-1])
	must(r.T, err)
	return head
}

func TestArchivedFilesAreRemoved(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	names := r.months()
	r.open()
	order := operation.TrailOrder{By: "anna", Head: r.headOf(names[1]), Archive: "/archive/2026.jsonl"}
	must(t, r.store.ArchiveTrail(t.Context(), order))
	last := r.files()[len(r.files())-1]
	if last == names[2] {
		r.wantFiles(names[2])
	} else {
		r.wantFiles(names[2], last) // the line of the order begins a month
	}
	event := lastEvent(t, r.folder, operation.EventTrailArchived)
	if event.Head != order.Head.String() || event.Archive != order.Archive || event.Caller.Name != "anna" {
		t.Errorf("the line of the order is %+v", event)
	}
	must(t, r.store.ArchiveTrail(t.Context(), order)) // again does nothing
	r.reopen()
	r.intend()
	r.close()
	must(t, r.verify())
	r.open()
}

func TestArchiveIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	names := r.months()
	r.open()
	first := r.headOf(names[0])
	for name, head := range map[string]operation.Head{
		"of the last file":              r.headOf(names[2]),
		"of a line within a file":       {Sequence: 1, Hash: first.Hash},
		"of a line with another hash":   {Sequence: 2, Hash: r.headOf(names[1]).Hash},
		"of a line that does not exist": {Sequence: 99, Hash: first.Hash},
	} {
		if err := r.store.ArchiveTrail(t.Context(), operation.TrailOrder{By: "anna", Head: head}); err == nil {
			t.Errorf("the archive %s was accepted", name)
		}
	}
	r.wantFiles(names...)
	r.wantLines(6)
}

// If the process ends after the archived line is stored and before the files are removed,
// the trail is valid, and the next call removes them.
func TestArchiveThatWasInterruptedIsCompleted(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	names := r.months()
	content := map[string][]byte{}
	for _, name := range names[:2] {
		content[name] = read(t, r.path(name))
	}
	r.open()
	order := operation.TrailOrder{By: "anna", Head: r.headOf(names[1])}
	must(t, r.store.ArchiveTrail(t.Context(), order))
	for name, lines := range content {
		replace(t, r.path(name), lines)
	}
	r.reopen()
	r.append(time.Now())
	must(t, os.Remove(r.path(names[0]))) // they are removed one after the other
	r.close()
	must(t, r.verify())
	r.open()
	must(t, r.store.ArchiveTrail(t.Context(), order))
	if files := r.files(); files[0] != names[2] {
		t.Errorf("%v are still there", files)
	}
}

func TestLinesThatAreOlderThanTheyAreKeptAreRemoved(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.close()
	keep := 90 * 24 * time.Hour
	open := func(keep time.Duration) {
		r.store = bolt.Open(r.folder, bolt.Options{Logger: slog.New(slog.NewTextHandler(&r.said, nil)), NoSync: true, KeepTrail: keep})
	}
	open(keep)
	now := time.Now()
	for _, days := range []int{200, 150, 60, 0} { // each in another month
		r.append(now.AddDate(0, 0, -days))
	}
	files := r.files()
	r.close()
	open(0)
	must(t, r.store.Prune(t.Context(), now))
	r.wantFiles(files...)
	r.close()
	open(keep)
	upTo := r.headOf(files[1])
	must(t, r.store.Prune(t.Context(), now))
	r.wantFiles(files[2:]...)
	if event := lastEvent(t, r.folder, operation.EventTrailRemoved); event.Head != upTo.String() {
		t.Errorf("the line of the removal is %+v", event)
	}
	must(t, r.store.Prune(t.Context(), now))
	r.close()
	must(t, r.verify())
	if n := strings.Count(contents(t, r.folder), string(operation.EventTrailRemoved)); n != 1 {
		t.Errorf("%d lines of removals, want 1", n)
	}
	r.open()
}

func TestLargeFilesAreDivided(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	open := func() {
		r.close()
		r.store = bolt.Open(r.folder, bolt.Options{NoSync: true, MostTrail: 1000})
	}
	at := time.Date(2026, 11, 5, 0, 0, 0, 0, time.UTC)
	for range 12 {
		open()
		r.append(at)
	}
	r.append(at.AddDate(0, 1, 0))
	r.append(at) // the trail does not go back
	r.wantLines(14)
	names := r.files()
	want := []string{"audit-2026-11.jsonl", "audit-2026-11.part0002.jsonl", "audit-2026-11.part0003.jsonl"}
	if len(names) < 4 || !cmp.Equal(names[:3], want) || names[len(names)-1] != "audit-2026-12.jsonl" {
		t.Errorf("files: %v", names)
	}
	for _, name := range names {
		if size := len(read(t, r.path(name))); size > 1500 {
			t.Errorf("%s has %d bytes", name, size)
		}
	}
	r.close()
	must(t, r.verify())
	r.open()
}
