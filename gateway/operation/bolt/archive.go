package bolt

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"ocigate/gateway/operation"
)

// ArchiveTrail implements [operation.TrailStore]. order.Head must be the last line of a
// file, and not of the last one.
func (s *Store) ArchiveTrail(ctx context.Context, order operation.TrailOrder) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	if err := s.readyLocked(); err != nil {
		return err
	}
	b, err := s.boundsLocked()
	if err != nil {
		return err
	}
	if order.Head == b.Archived {
		return s.removeArchivedLocked(b.Archived)
	}
	names, err := trailFiles(s.folder)
	if err != nil {
		return s.unusable(err)
	}
	for _, name := range names[:max(0, len(names)-1)] {
		last, _, err := endOf(s.folder, name)
		if err != nil {
			return s.unusable(err)
		}
		if last == order.Head && last.Sequence > b.Archived.Sequence {
			return s.cutTrailLocked(last, order.Archival(time.Now()))
		}
	}
	return fmt.Errorf("bolt: line %s is not the last one of a file of the audit trail before its last file", order.Head)
}

// Trail iterates over the lines of the audit trail, as the function [Trail] does.
func (s *Store) Trail(context.Context) operation.Trail { return Trail(s.folder) }

// endOf returns the last line of a file of the trail, and the time of its event. The zero Head means
// that it has none.
func endOf(folder, name string) (head operation.Head, at time.Time, err error) {
	line, err := lastLineOf(folder, name)
	if err != nil || line == nil {
		return head, at, err
	}
	var event operation.Event
	if head, _, err = operation.HeadOf(line); err == nil {
		err = json.Unmarshal(line, &event)
	}
	if err != nil {
		err = fmt.Errorf("%s: the last line %w", filepath.Join(folder, name), err)
	}
	return head, event.Time, err
}

// cutTrailLocked removes the files of the trail up to a line. The line of the event and the
// archived line are durable before the first file is removed. If the process ends in
// between, the files are removed by the next call, and are valid until then.
func (s *Store) cutTrailLocked(upTo operation.Head, event operation.Event) error {
	if err := s.appendLocked([]operation.Event{event}); err != nil {
		return err
	}
	if err := s.updateLocked(func(tx *bbolt.Tx) error { return putHead(tx, archivedKey, upTo) }); err != nil {
		return err
	}
	return s.removeArchivedLocked(upTo)
}

// removeArchivedLocked removes the files, except the last one, that have no line behind one
// that was archived.
func (s *Store) removeArchivedLocked(archived operation.Head) error {
	names, err := trailFiles(s.folder)
	if err != nil {
		return s.unusable(err)
	}
	for _, name := range names[:max(0, len(names)-1)] {
		path := filepath.Join(s.folder, name)
		last, _, err := endOf(s.folder, name)
		if err != nil {
			return s.unusable(err)
		}
		if last.Sequence > archived.Sequence {
			break
		}
		if err := os.Remove(path); err != nil {
			return s.unusable(err)
		}
		s.log.Info("a file of the audit trail was archived, and is removed", "file", path, "last_line", last.String())
	}
	return syncFolder(s.folder)
}

// pruneTrail removes the files of the trail whose last line is older than it is kept. The last file always stays.
func (s *Store) pruneTrail(ctx context.Context, now time.Time) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	if err := s.readyLocked(); err != nil {
		return err
	}
	b, err := s.boundsLocked()
	if err != nil {
		return err
	}
	upTo, err := s.tooOld(now)
	switch {
	case err != nil:
		return s.unusable(err)
	case upTo.Sequence > b.Archived.Sequence:
		return s.cutTrailLocked(upTo, operation.Removal(upTo, now))
	case upTo.Sequence > 0: // the process ended before the files were removed
		return s.removeArchivedLocked(b.Archived)
	}
	return nil
}

// tooOld returns the last line that is older than lines are kept, of the first files. The
// zero Head means that none is.
func (s *Store) tooOld(now time.Time) (upTo operation.Head, err error) {
	names, err := trailFiles(s.folder)
	if err != nil {
		return upTo, err
	}
	for _, name := range names[:max(0, len(names)-1)] {
		last, at, err := endOf(s.folder, name)
		if err != nil {
			return operation.Head{}, err
		}
		if last.Sequence > 0 && !at.Add(s.keepTrail).Before(now) {
			break
		}
		if last.Sequence > 0 { // a file can be empty
			upTo = last
		}
	}
	return upTo, nil
}

// FilesBefore returns the paths of the files of a trail that are of months before the given
// one, such as "2026-11", without the last file of the trail. A store that uses the folder
// does not change them.
func FilesBefore(folder, month string) ([]string, error) {
	names, err := trailFiles(folder)
	if err != nil {
		return nil, fmt.Errorf("bolt: audit trail: %w", err)
	}
	var paths []string
	for _, name := range names[:max(0, len(names)-1)] {
		if name[len("audit-"):len("audit-2006-01")] < month {
			paths = append(paths, filepath.Join(folder, name))
		}
	}
	return paths, nil
}
