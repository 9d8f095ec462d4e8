package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// lockTimeout is how long opening waits for another process to close the database.
const lockTimeout = 100 * time.Millisecond

// corruptError means that bbolt panicked because of the content of the file, or that a
// page of it could not be read.
type corruptError struct{ cause any }

func (e *corruptError) Error() string { return fmt.Sprintf("the database is corrupt: %v", e.cause) }

func isCorrupt(err error) bool {
	_, corrupt := errors.AsType[*corruptError](err)
	return corrupt
}

// guard calls f and converts a panic into a [*corruptError]. That includes the memory
// faults for pages of a mapped file that are missing or that the disk cannot read.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if cause := recover(); cause != nil {
			err = &corruptError{cause}
		}
	}()
	return f()
}

// database is an open database file.
type database struct {
	bolt *bbolt.DB
	file *os.File // bbolt's own
	info os.FileInfo
	// fresh reports that it was empty before.
	fresh bool
	// migrated reports that its format was an older one.
	migrated bool
	// stuck reports that bbolt panicked with its locks held, so that closing
	// it would wait forever.
	stuck bool
}

// openDatabase opens a database, or creates one. It removes a file that it could not
// complete, since that would not be accepted as a database the next time. A file that appears
// meanwhile is that of another process, and stays.
func openDatabase(folder string, noSync bool) (*database, error) {
	path := filepath.Join(folder, databaseFile)
	info, err := os.Lstat(path)
	isNew := errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().IsRegular() && info.Size() == 0
	d, err := openOrCreate(folder, noSync)
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, errors.New("another process uses the folder")
	}
	if err != nil && isNew && !errors.Is(err, fs.ErrExist) {
		err = errors.Join(err, removeIfThere(path))
	}
	return d, err
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// openOrCreate opens or creates a database. If the error is a [*corruptError], a mapping
// of the file may remain.
func openOrCreate(folder string, noSync bool) (*database, error) {
	d := &database{}
	err := guard(func() error {
		var err error
		d.bolt, err = bbolt.Open(filepath.Join(folder, databaseFile), fileMode, &bbolt.Options{
			Timeout:      lockTimeout,
			NoSync:       noSync,
			NoGrowSync:   noSync,
			NoStatistics: true,
			FreelistType: bbolt.FreelistMapType,
			OpenFile:     d.openIn(folder),
		})
		return err
	})
	if err != nil {
		if isCorrupt(err) {
			d.abandon()
		}
		return nil, err
	}
	d.info, err = d.file.Stat()
	if err == nil {
		err = d.prepare()
	}
	if err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// openIn returns the function by which bbolt opens the file of the database in a folder.
func (d *database) openIn(folder string) func(string, int, os.FileMode) (*os.File, error) {
	return func(_ string, flag int, _ os.FileMode) (file *os.File, err error) {
		d.file, err = openFile(folder, databaseFile, flag)
		return d.file, err
	}
}

// close closes the file and releases its lock.
func (d *database) close() {
	if d.stuck {
		d.abandon()
		return
	}
	_ = d.bolt.Close() // everything that was acknowledged is on the disk
}

// abandon closes the file and releases its lock if bbolt no longer can. The mapping
// remains: bbolt does not give access to it.
func (d *database) abandon() {
	if d.file == nil {
		return
	}
	unlock(d.file)
	_ = d.file.Close()
}

// begin begins a transaction.
func (d *database) begin(writable bool) (tx *bbolt.Tx, err error) {
	err = guard(func() error {
		tx, err = d.bolt.Begin(writable)
		return err
	})
	d.stuck = d.stuck || isCorrupt(err)
	return tx, err
}

// view calls f with a transaction that only reads.
func (d *database) view(f func(*bbolt.Tx) error) error {
	tx, err := d.begin(false)
	if err != nil {
		return err
	}
	return viewTx(tx, f)
}

// viewTx calls f with a transaction that only reads, and ends the transaction.
func viewTx(tx *bbolt.Tx, f func(*bbolt.Tx) error) error {
	defer func() { _ = tx.Rollback() }() // it has nothing that could fail
	return guard(func() error { return f(tx) })
}

// update makes the changes of f durable, all or none. After an error it is not known
// which, and the database is to be closed.
//
// bbolt's own Update is not used, since that reads pages to roll back, and would panic a
// second time, with its lock held, at a page that cannot be read.
func (d *database) update(f func(*bbolt.Tx) error) error {
	tx, err := d.begin(true)
	if err != nil {
		return err
	}
	err = guard(func() error {
		if err := f(tx); err != nil {
			return err
		}
		return tx.Commit()
	})
	if err == nil {
		return nil
	}
	// The result is ignored: Commit rolls back itself if it fails, but not if it
	// panics.
	rollback := guard(func() error { _ = tx.Rollback(); return nil })
	d.stuck = d.stuck || rollback != nil
	return err
}
