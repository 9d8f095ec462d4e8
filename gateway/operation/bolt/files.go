package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"ocigate/gateway/operation"
)

const databaseFile = "operations.db"

// corruptPause is how long a database at which bbolt panicked is not opened again, unless
// its file changes. Each attempt to open it may leak a mapping of the file.
const corruptPause = time.Minute

// corruption describes a database file that is corrupt.
type corruption struct {
	info  os.FileInfo
	until time.Time
	err   error
}

// applies reports whether the file is still the corrupt one, and not to be opened again.
func (c *corruption) applies(path string) bool {
	if c == nil || !time.Now().Before(c.until) {
		return false
	}
	info, err := os.Lstat(path)
	return err == nil && os.SameFile(info, c.info) && info.Size() == c.info.Size() && info.ModTime().Equal(c.info.ModTime())
}

func (s *Store) path() string { return filepath.Join(s.folder, databaseFile) }

// unusable adds the folder to an error.
func (s *Store) unusable(err error) error { return fmt.Errorf("bolt: %s: %w", s.folder, err) }

// openDatabaseLocked opens the database if it is not open.
func (s *Store) openDatabaseLocked() error {
	if s.database != nil {
		return nil
	}
	if s.corrupt.applies(s.path()) {
		return s.corrupt.err
	}
	err := s.missingLocked()
	if err == nil {
		err = makeFolder(s.folder)
	}
	if err == nil {
		s.database, err = openDatabase(s.folder, s.noSync)
	}
	if err == nil && s.database.fresh {
		err = syncFolder(s.folder)
	}
	if err != nil {
		return s.failLocked(err)
	}
	if s.database.migrated {
		s.log.Info("the journal was migrated to the format of this version; earlier versions cannot read it any more", "folder", s.folder, "format", operation.Format)
	}
	s.known = true
	return nil
}

// missingLocked returns an error if there was a database and its file is gone. A new one
// would lack the keys, and the operations that are to be resolved. If a disk is not
// mounted, its empty mount point is still there.
func (s *Store) missingLocked() error {
	if !s.known {
		return nil
	}
	_, err := os.Lstat(s.path())
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is gone: bring it back, or restart to do without it", s.path())
	}
	return err
}

// readyLocked opens the files that are not open, and opens files again that were changed
// by another program. If it fails, nothing can be recorded.
func (s *Store) readyLocked() error {
	s.closeChangedLocked()
	if err := s.openDatabaseLocked(); err != nil {
		return err
	}
	if err := s.openTrailLocked(); err != nil {
		return err
	}
	if !s.suspect {
		return nil
	}
	if err := probe(s.folder, true); err != nil {
		return s.unusable(err)
	}
	s.suspect = false
	return nil
}

// closeChangedLocked closes the files if one of them is no longer at its path: data
// written to it could not be found again.
func (s *Store) closeChangedLocked() {
	var err error
	if s.database != nil {
		err = isAt(s.path(), s.database.info)
	}
	if s.trail != nil {
		err = errors.Join(err, s.trail.checkUnchanged())
	}
	if err == nil {
		return
	}
	s.log.Error("files of the operations were changed by another program, and are opened again", "folder", s.folder, "error", err)
	s.closeFilesLocked()
}

// openTrailLocked opens the audit trail if it is not open, and checks that it is the one
// that belongs to the database. The database must be open: its file lock is that of the
// folder. It stays open if the two do not agree, so that operators can read it, and decide.
func (s *Store) openTrailLocked() error {
	if s.trail != nil {
		return nil
	}
	b, err := s.boundsLocked()
	if err != nil {
		return err
	}
	t, err := s.newTrail(b)
	if err != nil {
		return s.failLocked(fmt.Errorf("audit trail: %w", err))
	}
	if err = s.compareLocked(t, b); err != nil {
		t.close()
		return s.unusable(err)
	}
	if err = t.mend(s.log); err != nil {
		t.close()
		return s.failLocked(fmt.Errorf("audit trail: %w", err))
	}
	s.trail, s.stored = t, b.Head
	if !b.Known {
		s.stored = operation.Head{Sequence: -1} // none
		if err := s.noteLossLocked(); err != nil {
			return err
		}
	}
	return s.storeHeadLocked()
}

// newTrail opens the trail behind the archived lines.
func (s *Store) newTrail(b operation.Bounds) (*trail, error) {
	t, err := openTrail(s.folder, b.Archived, os.O_RDWR|os.O_APPEND)
	if err == nil {
		t.noSync, t.most = s.noSync, s.mostTrail
	}
	return t, err
}

// noteLossLocked logs that the trail or the database is missing, if the database does not
// know the head of the trail.
func (s *Store) noteLossLocked() error {
	lines := s.trail.head.Sequence
	if s.database.fresh && lines > 0 {
		s.log.Error("the operations are lost: there is an audit trail, but there was no database", "folder", s.folder, "lines", lines)
	}
	if s.database.fresh || lines > 0 {
		return nil
	}
	return s.viewLocked(func(tx *bbolt.Tx) error {
		if key, _ := tx.Bucket(operationsBucket).Cursor().First(); key != nil {
			s.log.Error("the audit trail is lost: there are operations, but no lines", "folder", s.folder)
		}
		return nil
	})
}

// closeFilesLocked closes the files that are open.
func (s *Store) closeFilesLocked() {
	if s.trail != nil {
		s.trail.close()
		s.trail = nil
	}
	if s.database != nil {
		s.database.close()
		s.database = nil
	}
}

// failLocked closes the files after a failure: memory and disk may differ. It returns the
// error for the caller.
func (s *Store) failLocked(err error) error {
	s.closeFilesLocked()
	s.suspect = true
	err = s.unusable(err)
	if isCorrupt(err) {
		if info, statErr := os.Lstat(s.path()); statErr == nil {
			s.corrupt = &corruption{info, time.Now().Add(corruptPause), err}
		}
	}
	return err
}

// viewLocked calls f with the database, which must be open, and returns the error of f.
func (s *Store) viewLocked(f func(*bbolt.Tx) error) error {
	tx, err := s.beginReadLocked()
	if err != nil {
		return err
	}
	if err = viewTx(tx, f); isCorrupt(err) {
		return s.failLocked(err)
	}
	return err
}

// beginReadLocked begins a transaction that only reads.
func (s *Store) beginReadLocked() (*bbolt.Tx, error) {
	tx, err := s.database.begin(false)
	if err != nil {
		return nil, s.failLocked(err)
	}
	return tx, nil
}

// updateLocked makes the changes of f durable, and the head of the trail, if that is open.
func (s *Store) updateLocked(f func(*bbolt.Tx) error) error {
	err := s.database.update(func(tx *bbolt.Tx) error {
		if err := f(tx); err != nil || s.trail == nil {
			return err
		}
		return putHead(tx, headKey, s.trail.head)
	})
	if err != nil {
		return s.failLocked(err)
	}
	if s.trail != nil {
		s.stored = s.trail.head
	}
	return nil
}

// read calls f with the present database and operations in memory. The store is locked
// only until f is called. The map is f's own.
func (s *Store) read(ctx context.Context, f func(tx *bbolt.Tx, begun map[string]operation.Operation) error) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	tx, db, begun, err := s.snapshotLocked()
	s.unlock()
	if err != nil {
		return err
	}
	if err = viewTx(tx, func(tx *bbolt.Tx) error { return f(tx, begun) }); !isCorrupt(err) {
		return err
	}
	s.locked <- struct{}{}
	defer s.unlock()
	if s.database == db {
		return s.failLocked(err)
	}
	return s.unusable(err)
}

// snapshotLocked returns a transaction for the present database, and a copy of the
// operations in memory.
func (s *Store) snapshotLocked() (*bbolt.Tx, *database, map[string]operation.Operation, error) {
	if err := s.openDatabaseLocked(); err != nil {
		return nil, nil, nil, err
	}
	tx, err := s.beginReadLocked()
	return tx, s.database, maps.Clone(s.begun.operations), err
}
