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

	// roomNeeded is how much a probe writes: more than a few records take.
	roomNeeded = 64 << 10
)

// makeFolder creates the folder where there is none.
func makeFolder(folder string) error {
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(folder, folderMode); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(folder))
}

// syncFolder makes durable which files are in a folder.
func syncFolder(folder string) error {
	f, err := os.Open(folder) //nolint:gosec // the operator names the folder
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// probe finds out whether the folder can be written to, and has some room. A
// disk is often full for a file that grows while it is not for one that only
// changes, so that opening the files shows nothing. Without sync, the disk need
// not hold what is written, as long as it has the room for it.
func probe(folder string, sync bool) error {
	f, err := os.OpenFile(filepath.Join(folder, "probe"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, fileMode) //nolint:gosec // the operator names the folder
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, roomNeeded))
	if err == nil && sync {
		err = f.Sync()
	}
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// isAt tells whether a file is still the one that its path leads to. Somebody
// may have deleted or moved it, or unmounted the disk.
func isAt(path string, open os.FileInfo) error {
	now, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !os.SameFile(now, open) {
		return fmt.Errorf("%s is another file than it was", path)
	}
	return nil
}
