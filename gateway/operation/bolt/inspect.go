package bolt

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"ocigate/gateway/operation"
)

// ErrInUse means that another process has the database open.
var ErrInUse = errors.New("bolt: another process uses the folder")

// Inspection is what [Inspect] finds in a folder.
type Inspection struct {
	// Format is that of the database; 0 if there is none, or an empty one. A database of
	// an older format than [operation.Format] is migrated when a store opens it.
	Format int
	// Size is that of the database, in bytes.
	Size int64
	// Trail is what the database knows of the audit trail.
	Trail operation.Bounds
	// TrailError is why a store that opens the folder records nothing, because of its
	// audit trail: a [*operation.TrailError], or an error of reading it. Nil for no reason.
	TrailError error
	// Before is the line before the first of the trail, if lines are missing there that
	// were not archived; otherwise it is Trail.Archived.
	Before operation.Head
}

// Inspect reads the format of the database in a folder, and changes nothing. The error
// is [ErrInUse] if a store has the folder open, or the reason why no store can open the
// database: an [*UnsafeError], or it is corrupt, not a database, or of a newer format. While it
// reads, for some milliseconds, no store can open the folder.
func Inspect(folder string) (Inspection, error) {
	path := filepath.Join(folder, databaseFile)
	err := CheckFolder(folder)
	var info fs.FileInfo
	if err == nil {
		info, err = os.Lstat(path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Inspection{}, nil
	case err != nil:
		return Inspection{}, err
	case info.Mode().IsRegular() && info.Size() == 0:
		return Inspection{}, nil
	}
	found := Inspection{Size: info.Size()}
	d := &database{}
	err = guard(func() (err error) {
		d.bolt, err = bbolt.Open(path, fileMode, &bbolt.Options{
			ReadOnly: true, Timeout: lockTimeout, NoStatistics: true,
			OpenFile: d.openIn(folder),
		})
		return err
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return found, ErrInUse
	case isCorrupt(err):
		d.abandon()
		return found, err
	case err != nil:
		return found, err
	}
	defer d.close()
	err = d.view(func(tx *bbolt.Tx) (err error) {
		if meta := tx.Bucket(metaBucket); meta != nil {
			if found.Format, err = readFormat(meta); err != nil {
				return err
			}
			if found.Trail, err = readBounds(tx); err == nil && !found.IsOld() {
				found.TrailError = found.inspectTrail(tx, folder)
			}
		}
		return err
	})
	return found, err
}

// inspectTrail compares the trail of a folder with what the database knows of it.
func (i *Inspection) inspectTrail(tx *bbolt.Tx, folder string) error {
	t, err := openTrail(folder, i.Trail.Archived, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer t.close()
	if i.Before, err = t.before(i.Trail.Archived); err != nil {
		return err
	}
	return t.compare(i.Trail, func(id string) (bool, error) { return isStored(tx, id), nil })
}

// IsOld reports whether a store would migrate the database.
func (i Inspection) IsOld() bool { return i.Format > 0 && i.Format < operation.Format }
