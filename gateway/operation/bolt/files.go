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

// corruptPause is how long a database over which bbolt panicked is left alone,
// unless its file changes. Each attempt at opening it may cost a mapping of the
// file, for which there is no remedy.
const corruptPause = time.Minute

// corruption is what was found out about a database file.
type corruption struct {
	info  os.FileInfo
	until time.Time
	err   error
}

// stands tells whether the file is not worth another attempt.
func (c *corruption) stands(path string) bool {
	if c == nil || !time.Now().Before(c.until) {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && os.SameFile(info, c.info) && info.Size() == c.info.Size() && info.ModTime().Equal(c.info.ModTime())
}

func (s *Store) path() string { return filepath.Join(s.folder, databaseFile) }

func (s *Store) unusable(err error) error { return fmt.Errorf("bolt: %s: %w", s.folder, err) }

// openDatabase opens the database if it is not open.
func (s *Store) openDatabase() error {
	if s.database != nil {
		return nil
	}
	if s.corrupt.stands(s.path()) {
		return s.corrupt.err
	}
	err := s.missing()
	if err == nil {
		err = makeFolder(s.folder)
	}
	if err == nil {
		s.database, err = openDatabase(s.path(), s.noSync)
	}
	if err == nil && s.database.fresh {
		err = syncFolder(s.folder)
	}
	if err != nil {
		return s.fail(err)
	}
	if s.database.migrated {
		s.log.Info("the journal was migrated to the format of this version; earlier versions cannot read it any more", "folder", s.folder, "format", operation.Format)
	}
	s.known = true
	return nil
}

// missing refuses to begin anew where there was a database: it held keys, and
// entries of operations that nobody would look after any more. A disk that is
// not mounted leaves its empty mount point behind.
func (s *Store) missing() error {
	if !s.known {
		return nil
	}
	_, err := os.Stat(s.path())
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is gone: bring it back, or start anew to do without it", s.path())
	}
	return err
}

// ready opens what is not open, and opens again what is not to be trusted any
// more. Where it fails, nothing can be recorded.
func (s *Store) ready() error {
	s.closeStrayed()
	if err := s.openDatabase(); err != nil {
		return err
	}
	if err := s.openTrail(); err != nil {
		return err
	}
	if !s.doubtful {
		return nil
	}
	if err := probe(s.folder, true); err != nil {
		return s.unusable(err)
	}
	s.doubtful = false
	return nil
}

// closeStrayed closes files that are no longer what their paths lead to:
// nobody would find what is written to them.
func (s *Store) closeStrayed() {
	var err error
	if s.database != nil {
		err = isAt(s.path(), s.database.info)
	}
	if s.trail != nil {
		err = errors.Join(err, s.trail.isWhole())
	}
	if err == nil {
		return
	}
	s.log.Error("files of the operations were changed by somebody else, and are opened again", "folder", s.folder, "error", err)
	s.closeFiles()
}

// openTrail opens the audit trail if it is not open. The database must be:
// with it goes the lock of the folder.
func (s *Store) openTrail() error {
	if s.trail != nil {
		return nil
	}
	var err error
	if s.trail, err = openTrail(s.folder, s.noSync, s.log); err != nil {
		return s.fail(fmt.Errorf("audit trail: %w", err))
	}
	lines := s.trail.head.Sequence
	if s.database.fresh && lines > 0 {
		s.log.Error("the operations are lost: there is an audit trail, but there was no database", "folder", s.folder, "lines", lines)
	}
	if !s.database.fresh && lines == 0 {
		return s.view(func(tx *bbolt.Tx) error {
			if key, _ := tx.Bucket(operationsBucket).Cursor().First(); key != nil {
				s.log.Error("the audit trail is lost: there are operations, but no lines", "folder", s.folder)
			}
			return nil
		})
	}
	return nil
}

func (s *Store) closeFiles() {
	if s.trail != nil {
		s.trail.close()
		s.trail = nil
	}
	if s.database != nil {
		s.database.close()
		s.database = nil
	}
}

// fail closes the files after something went wrong with them: what is in
// memory may not be what is on the disk. It returns the error for the caller.
func (s *Store) fail(err error) error {
	s.closeFiles()
	s.doubtful = true
	err = s.unusable(err)
	if isCorrupt(err) {
		if info, statErr := os.Stat(s.path()); statErr == nil {
			s.corrupt = &corruption{info, time.Now().Add(corruptPause), err}
		}
	}
	return err
}

// view calls f with the database, which must be open. What f answers is passed
// on.
func (s *Store) view(f func(*bbolt.Tx) error) error {
	tx, err := s.snapshot()
	if err != nil {
		return err
	}
	if err = look(tx, f); isCorrupt(err) {
		return s.fail(err)
	}
	return err
}

func (s *Store) snapshot() (*bbolt.Tx, error) {
	tx, err := s.database.begin(false)
	if err != nil {
		return nil, s.fail(err)
	}
	return tx, nil
}

// update makes the changes of f durable.
func (s *Store) update(f func(*bbolt.Tx) error) error {
	if err := s.database.update(f); err != nil {
		return s.fail(err)
	}
	return nil
}

// read calls f with the database and the operations in memory as they are now,
// and keeps nobody waiting meanwhile. The map is f's own.
func (s *Store) read(ctx context.Context, f func(tx *bbolt.Tx, begun map[string]operation.Operation) error) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	tx, db, begun, err := s.still()
	s.unlock()
	if err != nil {
		return err
	}
	if err = look(tx, func(tx *bbolt.Tx) error { return f(tx, begun) }); !isCorrupt(err) {
		return err
	}
	s.turn <- struct{}{}
	defer s.unlock()
	if s.database == db {
		return s.fail(err)
	}
	return s.unusable(err)
}

// still is all that there is to be read at the moment.
func (s *Store) still() (*bbolt.Tx, *database, map[string]operation.Operation, error) {
	if err := s.openDatabase(); err != nil {
		return nil, nil, nil, err
	}
	tx, err := s.snapshot()
	return tx, s.database, maps.Clone(s.begun.operations), err
}
