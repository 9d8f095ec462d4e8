package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	folderMode = 0o700
	fileMode   = 0o600

	probeFile = "probe" // a process that was killed may leave it

	// roomNeeded is how many bytes a probe writes: more than a few records take.
	roomNeeded = 64 << 10
)

// makeFolder creates the folder if it does not exist.
func makeFolder(folder string) error {
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(folder, folderMode); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(folder))
}

// syncFolder makes the list of files of a folder durable.
func syncFolder(folder string) error {
	f, err := os.Open(folder) //nolint:gosec // the operator names the folder
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// probe returns an error if the folder cannot be written to, or has too little room.
// Opening the files does not show that: a disk is often full for a file that grows, but
// not for one that only changes. Without sync, the data need not reach the disk, but the
// disk must have the room for them.
func probe(folder string, sync bool) error {
	root, _, err := openFolder(folder, false)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // nothing is written to it
	if left, err := root.Lstat(probeFile); err == nil && !left.IsDir() {
		_ = root.Remove(probeFile) // creating it fails if it is still there
	}
	f, err := root.OpenFile(probeFile, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
	if err != nil {
		return at(filepath.Join(folder, probeFile), err)
	}
	_, err = f.Write(make([]byte, roomNeeded))
	if err == nil && sync {
		err = f.Sync()
	}
	return errors.Join(err, f.Close(), root.Remove(probeFile))
}

// isAt returns an error if an open file is no longer the one at its path. It may have
// been deleted or moved, or the disk may have been unmounted.
func isAt(path string, open os.FileInfo) error {
	now, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !os.SameFile(now, open) {
		return fmt.Errorf("%s is another file than it was", path)
	}
	return nil
}
