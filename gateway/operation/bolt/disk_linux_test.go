package bolt_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"ocigate/gateway/operation"
)

// These tests specify what happens on a disk that is full, read-only or unmounted. They need
// the right to mount a file system, and are skipped without it. To add a case, add a test
// that gets its own disk (disk) and changes it.

// disk mounts a small file system, if that is allowed.
func disk(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("no file system can be mounted: %v", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(folder, syscall.MNT_DETACH)) })
	return folder
}

// fill writes to a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	must(t, err)
	defer func() { must(t, file.Close()) }()
	for block := 64 << 10; block > 0; block /= 2 {
		for err = nil; err == nil; {
			_, err = file.Write(make([]byte, block))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
}

// empty removes what fills a disk, and waits until the disk has all of its room
// again: a file system may give the pages of a removed file back later.
func empty(t *testing.T, filler string) {
	t.Helper()
	folder := filepath.Dir(filler)
	var taken syscall.Stat_t
	must(t, syscall.Stat(filler, &taken))
	room := free(t, folder) + taken.Blocks*512
	must(t, os.Remove(filler))
	for wait := range 2 {
		for free(t, folder) < room || wait == 0 && !hasRoom(t, filler) {
			if t.Context().Err() != nil {
				t.Fatal("the disk gives nothing back")
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// free returns how many bytes a disk has left.
func free(t *testing.T, folder string) int64 {
	t.Helper()
	var disk syscall.Statfs_t
	must(t, syscall.Statfs(folder, &disk))
	return int64(disk.Bavail) * disk.Bsize
}

// hasRoom reports whether the disk has room for all that a test writes.
func hasRoom(t *testing.T, path string) bool {
	t.Helper()
	err := os.WriteFile(path, make([]byte, 512<<10), 0o600)
	if err != nil && !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	must(t, os.RemoveAll(path))
	return err == nil
}

func TestDiskIsFull(t *testing.T) {
	t.Parallel()
	folder := disk(t)
	r := rigIn(t, filepath.Join(folder, "operations"))
	filler := filepath.Join(folder, "filler")
	recorded := []string{r.intend().ID}
	for range 2 {
		fill(t, filler)
		var failed operation.Operation
		for n := 0; ; n++ {
			op, err := r.try()
			if errors.Is(err, syscall.ENOSPC) {
				failed = op
				break
			}
			must(t, err) // as long as there is room in the last pages
			recorded = append(recorded, op.ID)
			if n > 10_000 {
				t.Fatal("the disk does not fill")
			}
		}
		for range 3 {
			r.refuses("no space left")
			if err := r.store.Append(t.Context(), login(time.Now())); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("Append: %v, want %v", err, syscall.ENOSPC)
			}
			r.wantState(recorded[0], operation.Intent)
		}
		r.wantLines(int64(len(recorded)))
		empty(t, filler)
		r.record(in(operation.NotDone, failed))
		recorded = append(recorded, failed.ID)
		for _, id := range recorded {
			if _, err := r.store.Get(t.Context(), id); err != nil {
				t.Errorf("%s: %v", id, err)
			}
		}
		r.wantLines(int64(len(recorded)))
	}
}

func TestDiskIsFullAtFirst(t *testing.T) {
	t.Parallel()
	folder := disk(t)
	filler := filepath.Join(folder, "filler")
	for pages := range 20 { // are left
		r := rigIn(t, filepath.Join(folder, fmt.Sprint(pages)))
		fill(t, filler)
		info, err := os.Stat(filler)
		must(t, err)
		must(t, os.Truncate(filler, info.Size()-int64(pages*os.Getpagesize())))
		if _, err := r.try(); err == nil {
			r.wantLines(1) // there was room enough
		}
		empty(t, filler)
		r.intend()
		r.close()
		must(t, os.RemoveAll(r.folder))
	}
}

func TestDiskIsReadOnly(t *testing.T) {
	t.Parallel()
	folder := disk(t)
	r := rigIn(t, filepath.Join(folder, "operations"))
	r.intend()
	r.close()
	must(t, syscall.Mount("", folder, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	r.open()
	r.refuses("read-only file system")
	must(t, syscall.Mount("", folder, "", syscall.MS_REMOUNT, ""))
	r.intend()
	r.wantLines(2)
}

func TestDiskIsUnmounted(t *testing.T) {
	t.Parallel()
	folder := disk(t)
	must(t, syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=1m")) // a second one, on the first
	r := rigIn(t, filepath.Join(folder, "operations"))
	r.intend()
	must(t, syscall.Unmount(folder, syscall.MNT_DETACH))
	r.refuses("is gone")
	if _, err := os.Stat(r.folder); !os.IsNotExist(err) {
		t.Errorf("something was made in its place: %v", err)
	}
}

func TestFolderIsReadOnly(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root may write anywhere")
	}
	r := newRig(t)
	must(t, os.Mkdir(r.folder, 0o500))
	r.refuses("permission denied")
	must(t, os.Chmod(r.folder, 0o700))
	r.intend()
}
