//go:build unix

package bolt_test

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
)

// These tests specify which folders and files are used, by their owners, modes and kinds,
// and that no file outside of the folder is read or changed. To add a case, add it to one
// of the tables with the reason that the error has.

// foreign is the content of a file that is not the gateway's: its last line would be cut
// off as incomplete.
const foreign = "root:x:0:0:root:/root:/bin/sh\na line without its end"

// makeFolderWith makes a folder of that mode for a journal.
func makeFolderWith(t *testing.T, mode os.FileMode) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "operations")
	must(t, os.Mkdir(folder, 0o700))
	must(t, os.Chmod(folder, mode)) // whatever the umask
	return folder
}

// isUnsafe checks that a folder is refused by everything that uses one.
func isUnsafe(t *testing.T, folder, why string) {
	t.Helper()
	s := bolt.Open(folder, bolt.Options{NoSync: true})
	defer func() { must(t, s.Close()) }()
	_, inspected := bolt.Inspect(folder)
	_, read := operation.Verify(bolt.Trail(folder))
	for what, err := range map[string]error{
		"Begin": s.Begin(t.Context(), newOp("op")), "Append": s.Append(t.Context(), login(moment)),
		"Check": s.Check(t.Context()), "Inspect": inspected, "Trail": read,
	} {
		unsafe, ok := errors.AsType[*bolt.UnsafeError](err)
		if !ok || !strings.Contains(unsafe.Error(), why) || unsafe.Do == "" {
			t.Errorf("%s: %v, want something about %q", what, err, why)
		}
	}
}

func TestPlantedLinks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		mode os.FileMode
		why  string
	}{
		{"in a folder that every user can write to", 0o777, "is writable for every user"},
		{"in such a folder whose files only their owners can remove", 0o1777 | os.ModeSticky, "is writable for every user"},
		{"in a folder of the gateway alone", 0o700, "is a symbolic link"},
	} {
		for _, name := range []string{"audit-9999-12.jsonl", "operations.db", "probe"} {
			t.Run(c.name+" as "+name, func(t *testing.T) {
				t.Parallel()
				folder := makeFolderWith(t, c.mode)
				victim := filepath.Join(t.TempDir(), "victim")
				must(t, os.WriteFile(victim, []byte(foreign), 0o600))
				must(t, os.Symlink(victim, filepath.Join(folder, name)))
				s := bolt.Open(folder, bolt.Options{NoSync: true})
				defer func() { must(t, s.Close()) }()
				first := s.Begin(t.Context(), newOp("op"))
				checked := s.Check(t.Context())
				appended := s.Append(t.Context(), login(moment))
				if !bytes.Equal(read(t, victim), []byte(foreign)) {
					t.Errorf("the file that the link points to has changed to %q", read(t, victim))
				}
				if name == "probe" && c.mode == 0o700 {
					return // it is replaced
				}
				for _, err := range []error{first, checked, appended} {
					if _, ok := errors.AsType[*bolt.UnsafeError](err); !ok || !strings.Contains(err.Error(), c.why) {
						t.Errorf("%v, want something about %q", err, c.why)
					}
				}
			})
		}
	}
	t.Run("do not let a new database be created elsewhere", func(t *testing.T) {
		t.Parallel()
		folder, elsewhere := makeFolderWith(t, 0o700), filepath.Join(t.TempDir(), "elsewhere")
		must(t, os.Symlink(elsewhere, filepath.Join(folder, "operations.db")))
		s := bolt.Open(folder, bolt.Options{NoSync: true})
		defer func() { must(t, s.Close()) }()
		if err := s.Check(t.Context()); err == nil {
			t.Error("the link was followed")
		}
		if _, err := os.Lstat(elsewhere); err == nil {
			t.Error("a file was created where the link points to")
		}
	})
	t.Run("to an earlier file of the trail are not read", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.append(moment)
		victim := filepath.Join(t.TempDir(), "victim")
		must(t, os.WriteFile(victim, []byte(foreign), 0o600))
		must(t, os.Symlink(victim, r.path("audit-2000-01.jsonl")))
		if _, err := operation.Verify(bolt.Trail(r.folder)); err == nil || !strings.Contains(err.Error(), "is a symbolic link") {
			t.Errorf("Trail: %v", err)
		}
	})
}

func TestFoldersByMode(t *testing.T) {
	t.Parallel()
	for _, mode := range []os.FileMode{0o700, 0o750, 0o755, 0o770, 0o770 | os.ModeSetgid} { // the group is one of this process
		folder := makeFolderWith(t, mode)
		must(t, os.Chown(folder, -1, os.Getegid()))
		must(t, os.Chmod(folder, mode))
		r := rigIn(t, folder)
		r.intend()
	}
	for _, c := range []struct {
		mode os.FileMode
		why  string
	}{
		{0o777, "is writable for every user (mode drwxrwxrwx"},
		{0o702, "is writable for every user (mode drwx----w-"},
	} {
		isUnsafe(t, makeFolderWith(t, c.mode), c.why)
	}
}

// TestFolderOfAnotherUser needs the right to give files away.
func TestFolderOfAnotherUser(t *testing.T) {
	t.Parallel()
	const other = 54321
	folder := makeFolderWith(t, 0o755)
	if err := os.Chown(folder, other, -1); err != nil {
		t.Skipf("no file can be given to another user: %v", err)
	}
	s := bolt.Open(folder, bolt.Options{NoSync: true})
	defer func() { must(t, s.Close()) }()
	if err := s.Begin(t.Context(), newOp("op")); err == nil || !strings.Contains(err.Error(), "belongs to the user with id 54321 (mode drwxr-xr-x)") {
		t.Errorf("Begin: %v", err)
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) > 0 {
		t.Errorf("the folder has %v, %v", entries, err)
	}
	must(t, bolt.CheckFolder(folder)) // which root may read
	must(t, os.Symlink(folder, folder+"-link"))
	must(t, os.Lchown(folder+"-link", other, -1))
	must(t, os.Chown(folder, os.Geteuid(), -1))
	isUnsafe(t, folder+"-link", "is a symbolic link of the user with id 54321")
	must(t, os.Chown(folder, -1, other))
	must(t, os.Chmod(folder, 0o770))
	if err := s.Begin(t.Context(), newOp("op")); err == nil || !strings.Contains(err.Error(), "is writable for the group with id 54321") {
		t.Errorf("Begin: %v", err)
	}
	must(t, os.Chmod(folder, 0o750))
	must(t, s.Begin(t.Context(), newOp("op")))
}

func TestFilesByOwnerAndMode(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"operations.db", "audit"} {
		for name, c := range map[string]struct {
			spoil, repair func(t *testing.T, path string)
			why           string
		}{
			"that every user can write to": {
				func(t *testing.T, path string) { must(t, os.Chmod(path, 0o666)) },
				func(t *testing.T, path string) { must(t, os.Chmod(path, 0o600)) },
				"is writable for every user (mode -rw-rw-rw-",
			},
			"with a second name": {
				func(t *testing.T, path string) { must(t, os.Link(path, path+".link")) },
				func(t *testing.T, path string) { must(t, os.Remove(path+".link")) },
				"has 2 names",
			},
			"that is a pipe": {
				func(t *testing.T, path string) {
					must(t, os.Rename(path, path+".aside"))
					must(t, syscall.Mkfifo(path, 0o600))
				},
				func(t *testing.T, path string) { must(t, os.Rename(path+".aside", path)) },
				"is another kind of file (mode prw-------)",
			},
		} {
			t.Run(file+" "+name, func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				op := r.intend()
				path := r.database()
				if file == "audit" {
					path = r.audit()
				}
				r.close()
				c.spoil(t, path)
				r.open()
				for range 2 {
					r.refuses(c.why)
				}
				c.repair(t, path)
				r.record(in(operation.Done, op))
				r.wantLines(2)
			})
		}
	}
}

func TestFoldersAboveTheFolder(t *testing.T) {
	t.Parallel()
	above := t.TempDir()
	folder := filepath.Join(above, "operations")
	must(t, os.Mkdir(folder, 0o700))
	must(t, os.Chmod(above, 0o777))
	isUnsafe(t, folder, above+" is writable for every user")
	must(t, os.Chmod(above, 0o777|os.ModeSticky)) // like /tmp
	r := rigIn(t, folder)
	r.intend()
	r.close()
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(folder, link)) // of the operator
	r = rigIn(t, link)
	r.intend()
	r.wantLines(2)
	must(t, os.Chmod(above, 0o777))
	isUnsafe(t, link, above+" is writable for every user")
}

// A mode that changes while the store is in use is found by the next check.
func TestModeChangesWhileTheFolderIsUsed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	op := r.intend()
	must(t, os.Chmod(r.folder, 0o777))
	if err := r.store.Check(t.Context()); err == nil {
		t.Error("the folder is usable")
	}
	r.refuses("is writable for every user")
	r.wantState(op.ID, operation.Intent)
	must(t, os.Chmod(r.folder, 0o700))
	r.record(in(operation.Done, op))
	r.wantLines(2)
}

func TestCheckSocket(t *testing.T) {
	t.Parallel()
	folder, err := os.MkdirTemp("", "sock") // short: a socket's path has room for 100 bytes
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(folder)) })
	l, err := net.Listen("unix", filepath.Join(folder, "real"))
	must(t, err)
	defer func() { must(t, l.Close()) }()
	must(t, bolt.CheckSocket(folder, "real"))
	must(t, os.Symlink("real", filepath.Join(folder, "link")))
	if err := bolt.CheckSocket(folder, "link"); err == nil || !strings.Contains(err.Error(), "is a symbolic link") {
		t.Errorf("a link: %v", err)
	}
	if err := bolt.CheckSocket(folder, "none"); !os.IsNotExist(err) {
		t.Errorf("none: %v", err)
	}
}

// TestVolumeOfKubernetes has a folder as a volume with an fsGroup: of root, and writable for
// a group that the process is in. It needs the right to run as another user.
func TestVolumeOfKubernetes(t *testing.T) {
	t.Parallel()
	const uid, group = 54321, 54322
	shared, err := os.MkdirTemp("", "volume")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(shared)) })
	must(t, os.Chmod(shared, 0o755))
	folder, program := filepath.Join(shared, "operations"), filepath.Join(shared, "test")
	must(t, os.Mkdir(folder, 0o700))
	if err := os.Chown(folder, 0, group); err != nil {
		t.Skipf("no file can be given to another group: %v", err)
	}
	must(t, os.Chmod(folder, 0o770|os.ModeSetgid))
	own, err := os.Executable()
	must(t, err)
	content := read(t, own)
	syscall.ForkLock.RLock() // a process that starts now would have the file open for writing
	err = os.WriteFile(program, content, 0o755)
	syscall.ForkLock.RUnlock()
	must(t, err)
	run := func(groups ...uint32) string {
		command := exec.CommandContext(t.Context(), program)
		command.Dir = shared
		command.Env = []string{childOnce + "=" + folder}
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid, Groups: groups}}
		output, err := command.CombinedOutput()
		if err != nil && len(output) == 0 {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(output))
	}
	if got := run(group); got != "recorded" {
		t.Errorf("in the group: %s", got)
	}
	// Kubernetes makes files writable for the group when it mounts a volume again.
	must(t, filepath.Walk(folder, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			err = errors.Join(os.Chown(path, -1, group), os.Chmod(path, 0o660))
		}
		return err
	}))
	if got := run(group); got != "recorded" {
		t.Errorf("in the group, again: %s", got)
	}
	if got := run(); !strings.Contains(got, "permission denied") {
		t.Errorf("not in the group: %s", got)
	}
	head, err := operation.Verify(bolt.Trail(folder))
	if diff := cmp.Diff(int64(2), head.Sequence); diff != "" || err != nil {
		t.Error(diff, err)
	}
	must(t, os.Chmod(folder, 0o777))
	if got := run(); !strings.Contains(got, "is writable for every user") {
		t.Errorf("for all: %s", got)
	}
}
