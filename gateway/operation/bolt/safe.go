package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// UnsafeError means that a folder or a file of a journal is not used, because it belongs to
// another user, or because another user can change or replace it.
type UnsafeError struct {
	Path  string
	Found string // why, such as "belongs to the user with id 7 (mode -rwx------)"
	Do    string // what an operator can do
}

// Error implements error.
func (e *UnsafeError) Error() string { return e.Path + " " + e.Found + ": " + e.Do }

// CheckFolder returns an [*UnsafeError] if the folder cannot be the journal of the user of
// this process. For root, which may inspect it, it can belong to any user. The error is
// [fs.ErrNotExist] if there is no folder.
//
// A folder must belong to this user or to root. Other users must not be able to write to
// it: it may be writable for a group only if this user is in that group, as in a volume of
// Kubernetes with an fsGroup. If the folder is a symbolic link, that also belongs to this
// user or to root. No folder above it is writable for every user, unless it has the sticky
// bit. On systems other than Unix, nothing is checked.
func CheckFolder(folder string) error {
	root, _, err := openFolder(folder, true)
	if err != nil {
		return err
	}
	return root.Close()
}

// CheckOwnFolder is as [CheckFolder] for a process that writes to the folder: for root as well,
// it must belong to this user or to root.
func CheckOwnFolder(folder string) error {
	root, _, err := openFolder(folder, false)
	if err != nil {
		return err
	}
	return root.Close()
}

// CheckSocket checks the folder as [CheckFolder] does, and that the socket of that name in
// it belongs to the same users and is no link. It returns an [*UnsafeError], or
// [fs.ErrNotExist].
func CheckSocket(folder, name string) error {
	root, who, err := openFolder(folder, true)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // it was only read
	info, err := root.Lstat(name)
	if err != nil {
		return err
	}
	kind := info.Mode().Type()
	if kind == fs.ModeSymlink {
		kind = fs.ModeSocket
	}
	return who.checkFile(filepath.Join(folder, name), info, kind)
}

// openFolder opens a folder and checks it. What is opened in the result is in the folder
// that was checked, whatever happens to its path. reading reports that nothing will be
// written.
func openFolder(folder string, reading bool) (*os.Root, principal, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, principal{}, err
	}
	info, err := root.Stat(".")
	who := self()
	if err == nil {
		who.inspects = reading && who.uid == 0
		err = who.checkFolder(folder, info)
	}
	if err != nil {
		_ = root.Close() // it was only read
		return nil, principal{}, err
	}
	return root, who, nil
}

// openFile opens a file in a folder, and follows no link. It checks the folder, and the
// file after it is open. A file that does not exist is created if flag has os.O_CREATE.
func openFile(folder, name string, flag int) (*os.File, error) {
	root, who, err := openFolder(folder, flag&(os.O_WRONLY|os.O_RDWR) == 0)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // the file remains open
	path := filepath.Join(folder, name)
	before, err := root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && flag&os.O_CREATE != 0:
		flag |= os.O_EXCL // what appears meanwhile is not opened
	case err != nil:
		return nil, at(path, err)
	default:
		if err := who.checkFile(path, before, 0); err != nil {
			return nil, err
		}
	}
	file, err := root.OpenFile(name, flag, fileMode)
	if err != nil {
		return nil, at(path, err)
	}
	after, err := file.Stat()
	if err == nil {
		err = who.checkFile(path, after, 0)
	}
	if err == nil && before != nil && !os.SameFile(before, after) {
		err = fmt.Errorf("%s was replaced while it was opened", path)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// at gives an error of an [os.Root] the complete path.
func at(path string, err error) error {
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		return &fs.PathError{Op: "open", Path: path, Err: failed.Err}
	}
	return err
}

// owner is what decides who can change a file.
type owner struct {
	uid, gid int
	links    uint64 // names of the file
}

// principal is the user of this process.
type principal struct {
	uid    int
	groups []int
	// inspects reports that root reads the files of another user, such as with sudo. Then
	// it does not matter whose they are.
	inspects bool
}

// self returns the user of this process.
func self() principal {
	groups, _ := os.Getgroups() // without them fewer folders are accepted
	return principal{uid: os.Geteuid(), groups: append(groups, os.Getegid())}
}

// checkFolder checks the folder and those above it.
func (p principal) checkFolder(folder string, info fs.FileInfo) error {
	of, known := ownerOf(info)
	if !known {
		return nil
	}
	if err := p.checkOwner(folder, info, of); err != nil {
		return err
	}
	link, err := os.Lstat(folder)
	if err != nil {
		return err
	}
	if by, known := ownerOf(link); known && link.Mode().Type() == fs.ModeSymlink && by.uid != p.uid && by.uid != of.uid && by.uid != 0 {
		return &UnsafeError{folder, fmt.Sprintf("is a symbolic link of the user with id %d", by.uid), "remove the link, or configure the path of the folder itself"}
	}
	return checkAbove(folder, info)
}

// checkAbove checks the folders above a folder. Who can write to one of them could put
// another folder in the place of the journal, such as an older copy, or none. The owner of
// a folder above is not checked: in a user namespace it is often not known.
func checkAbove(folder string, info fs.FileInfo) error {
	// By "..", which needs no path of the working directory, and is the folder above
	// the one that a symbolic link leads to.
	for path, levels := folder+"/..", 1; ; path, levels = path+"/..", levels+1 {
		above, err := os.Stat(path)
		switch {
		case err != nil:
			return err
		case os.SameFile(above, info):
			return nil // the root is above itself
		case above.Mode().Perm()&0o002 != 0 && above.Mode()&fs.ModeSticky == 0:
			name := nameAbove(folder, levels)
			return &UnsafeError{name, fmt.Sprintf("is writable for every user (mode %v), so that each of them can replace %s", above.Mode(), folder), "chmod o-w " + name}
		}
		info = above
	}
}

// nameAbove returns the path of the folder that is so many levels above a folder.
func nameAbove(folder string, levels int) string {
	path, err := filepath.EvalSymlinks(folder)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		path = folder
	}
	for range levels {
		path = filepath.Join(path, "..")
	}
	return path
}

// checkFile checks a file of a type: 0 for a regular one.
func (p principal) checkFile(path string, info fs.FileInfo, kind fs.FileMode) error {
	const takeAway = "another user may have put it there. Find out who, and move it away"
	switch info.Mode().Type() {
	case kind:
	case fs.ModeDir:
		return &UnsafeError{path, "is a directory", "move it away"}
	case fs.ModeSymlink:
		return &UnsafeError{path, "is a symbolic link, which is not followed", takeAway}
	default:
		return &UnsafeError{path, fmt.Sprintf("is another kind of file (mode %v)", info.Mode()), takeAway}
	}
	of, known := ownerOf(info)
	if !known {
		return nil
	}
	if of.links > 1 {
		return &UnsafeError{path, fmt.Sprintf("has %d names (hard links)", of.links), takeAway + ", or replace it by a copy of its own"}
	}
	return p.checkOwner(path, info, of)
}

// checkOwner checks who can change a file or folder.
func (p principal) checkOwner(path string, info fs.FileInfo, of owner) error {
	mode := info.Mode()
	switch {
	case !p.trusts(of.uid):
		return &UnsafeError{path, fmt.Sprintf("belongs to the user with id %d (mode %v), not to that of this process, with id %d", of.uid, mode, p.uid),
			"run the program as its owner, or change the owner"}
	case mode.Perm()&0o002 != 0:
		return &UnsafeError{path, fmt.Sprintf("is writable for every user (mode %v, of the user with id %d)", mode, of.uid), "chmod o-w " + path}
	case mode.Perm()&0o020 != 0 && !p.inspects && !slices.Contains(p.groups, of.gid):
		return &UnsafeError{path, fmt.Sprintf("is writable for the group with id %d (mode %v, of the user with id %d), which is none of this process", of.gid, mode, of.uid),
			"chmod g-w " + path}
	}
	return nil
}

// trusts reports whether the user with an id may own the files. Root can change them anyway.
func (p principal) trusts(uid int) bool { return uid == p.uid || uid == 0 || p.inspects }
