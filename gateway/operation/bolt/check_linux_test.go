package bolt_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
	"ocigate/translate/scope"
)

// These tests specify that Check detects a folder that cannot be used. To add a case, add a
// change of the disk to the table of TestJournalStateFollowsTheDisk.

// watched is a keeper on a store without traffic.
type watched struct {
	*testing.T
	keeper *operation.Keeper

	mu      sync.Mutex
	changes []bool // whether it was usable from then on
}

func (r *rig) watch() *watched {
	r.Helper()
	w := &watched{T: r.T}
	w.keeper = operation.NewKeeper(operation.Options{
		Store: r.store, Owner: "watched",
		Observe: func(context.Context, scope.Target, []operation.Entry) (operation.Observation, error) {
			return operation.Observation{}, nil
		},
		Trace: operation.Trace{Journal: func(err error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.changes = append(w.changes, err == nil)
		}},
	})
	r.Cleanup(func() { w.keeper.Close(context.Background()) })
	return w
}

// becomes waits until the journal is usable, or is not usable for that reason.
func (w *watched) becomes(why string) {
	w.Helper()
	for ; ; time.Sleep(time.Millisecond) {
		since, err := w.keeper.JournalState()
		if (err == nil) != since.IsZero() {
			w.Fatalf("since %v: %v", since, err)
		}
		if why == "" && err == nil || why != "" && err != nil && strings.Contains(err.Error(), why) {
			return
		}
		if w.Context().Err() != nil {
			w.Fatalf("it is %v, want something about %q", err, why)
		}
	}
}

// readOnly makes a bind mount read-only, as soon as no check writes a file over it.
func readOnly(t *testing.T, mount string) {
	t.Helper()
	for {
		err := syscall.Mount("", mount, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, "")
		if !errors.Is(err, syscall.EBUSY) {
			must(t, err)
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// TestJournalStateFollowsTheDisk changes the disk under a store that is in use, without
// traffic.
func TestJournalStateFollowsTheDisk(t *testing.T) {
	for name, c := range map[string]struct {
		why            string
		damage, repair func(t *testing.T, disk string, r *rig)
	}{
		"that is full": {
			"no space left",
			func(t *testing.T, disk string, _ *rig) { fill(t, filepath.Join(disk, "filler")) },
			func(t *testing.T, disk string, _ *rig) { empty(t, filepath.Join(disk, "filler")) },
		},
		"that is read-only": {
			"read-only file system",
			func(t *testing.T, disk string, _ *rig) {
				// Files that are open for writing forbid it, but for a bind mount.
				must(t, syscall.Mount(disk, disk, "", syscall.MS_BIND, ""))
				readOnly(t, disk)
			},
			func(t *testing.T, disk string, _ *rig) { must(t, syscall.Unmount(disk, syscall.MNT_DETACH)) },
		},
		"whose folder is gone": {
			"is gone",
			func(t *testing.T, _ string, r *rig) { must(t, os.Rename(r.folder, r.folder+"-aside")) },
			func(t *testing.T, _ string, r *rig) { must(t, os.Rename(r.folder+"-aside", r.folder)) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := disk(t)
			r := rigIn(t, filepath.Join(folder, "operations"))
			w := r.watch()
			for range 2 {
				w.becomes("")
				r.intend()
				c.damage(t, folder, r)
				w.becomes(c.why)
				c.repair(t, folder, r)
			}
			w.becomes("")
			r.intend()
			w.mu.Lock()
			defer w.mu.Unlock()
			if len(w.changes) != 4 || w.changes[0] || !w.changes[3] {
				t.Errorf("reported %v", w.changes)
			}
		})
	}
}

func TestJournalStateOfAFolderInUse(t *testing.T) {
	t.Parallel()
	first, second := newRig(t), newRig(t)
	first.intend()
	second.store = bolt.Open(first.folder, bolt.Options{})
	w := second.watch()
	w.becomes("another process uses the folder")
	if second.store.Owns(t.Context()) || !first.store.Owns(t.Context()) {
		t.Error("the folder is not the first one's")
	}
	first.close()
	w.becomes("")
	if !second.store.Owns(t.Context()) {
		t.Error("the folder is not the second one's")
	}
	must(t, os.Mkdir(second.folder, 0o700)) // for the end of the test
	w.keeper.Close(context.Background())
	must(t, second.store.Close())
}

// A check leaves no file, and detects a full disk before another call does.
func TestCheck(t *testing.T) {
	t.Parallel()
	folder := disk(t)
	r := rigIn(t, filepath.Join(folder, "operations"))
	for range 3 {
		must(t, r.store.Check(t.Context()))
	}
	if _, err := os.Stat(r.path("probe")); !os.IsNotExist(err) {
		t.Errorf("the probe is there: %v", err)
	}
	fill(t, filepath.Join(folder, "filler"))
	if err := r.store.Check(t.Context()); err == nil {
		t.Error("a full disk is usable")
	}
	r.refuses("no space left")
	empty(t, filepath.Join(folder, "filler"))
	must(t, r.store.Check(t.Context()))
	r.intend()
}
