package bolt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"ocigate/gateway/operation"
)

// The database knows the head of the trail, so that lines that are missing at its end are
// noticed. Each transaction stores the head (updateLocked). The trail is ahead of it by the
// lines that were added since the last transaction: intents whose outcome is not recorded
// yet, and logins. Adopt, which a keeper calls every few seconds, and Close store the head,
// too, and so do further lines after storeHeadAfter. If the process ends before that, it is
// not noticed if these last lines are removed. The trail is never behind the head.

var (
	headKey     = []byte("audit_head")     // in the meta bucket: an operation.Head
	archivedKey = []byte("audit_archived") // likewise, the last line that was archived
)

const (
	// storeHeadAfter is how many lines may be added without a transaction.
	storeHeadAfter = 1000
	// mostAhead is by how many lines the trail can be ahead of the database after a
	// crash: storeHeadAfter, and the records that are written at the same time.
	mostAhead = 10 * storeHeadAfter
)

// readHead returns a head in the meta bucket. The second result reports whether it is there.
func readHead(tx *bbolt.Tx, key []byte) (operation.Head, bool, error) {
	meta := tx.Bucket(metaBucket)
	if meta == nil {
		return operation.Head{}, false, nil
	}
	text := meta.Get(key)
	if text == nil {
		return operation.Head{}, false, nil
	}
	head, err := operation.ParseHead(string(text))
	if err != nil {
		err = fmt.Errorf("%s of the database: %w", key, err)
	}
	return head, true, err
}

func putHead(tx *bbolt.Tx, key []byte, head operation.Head) error {
	return tx.Bucket(metaBucket).Put(key, []byte(head.String()))
}

// readBounds returns the heads in the database.
func readBounds(tx *bbolt.Tx) (b operation.Bounds, err error) {
	if b.Archived, _, err = readHead(tx, archivedKey); err != nil {
		return b, err
	}
	b.Head, b.Known, err = readHead(tx, headKey)
	return b, err
}

// boundsLocked returns the heads in the database, which must be open. Head is the one that
// this process has written last, if that is a later one.
func (s *Store) boundsLocked() (b operation.Bounds, err error) {
	err = s.viewLocked(func(tx *bbolt.Tx) (err error) {
		b, err = readBounds(tx)
		return err
	})
	if err == nil && s.last.Sequence > b.Head.Sequence {
		b.Head, b.Known = s.last, true
	}
	return b, err
}

// storeHeadLocked stores the head of the trail, unless the database has it.
func (s *Store) storeHeadLocked() error {
	if s.trail == nil || s.database == nil || s.stored == s.trail.head {
		return nil
	}
	return s.updateLocked(func(*bbolt.Tx) error { return nil })
}

// compareLocked returns a [*operation.TrailError] if a trail does not have the line that the
// database, or this process, knows as its last one, or if the database is older than the
// trail: an intent is stored before its line is written, so that each line of an intent
// behind that one has its operation in the database.
func (s *Store) compareLocked(t *trail, b operation.Bounds) error {
	return t.compare(b, func(id string) (found bool, err error) {
		err = s.viewLocked(func(tx *bbolt.Tx) error {
			found = isStored(tx, id)
			return nil
		})
		return found, err
	})
}

func isStored(tx *bbolt.Tx, id string) bool {
	return tx.Bucket(operationsBucket).Get([]byte(id)) != nil
}

// compare compares a trail with its bounds, as compareLocked describes. has reports whether
// the database has an operation.
func (t *trail) compare(b operation.Bounds, has func(id string) (bool, error)) error {
	if !b.Known {
		return nil
	}
	disagreement := &operation.TrailError{Expected: b.Head, Found: t.head}
	if t.head.Sequence-b.Head.Sequence > mostAhead {
		disagreement.Ahead = true
		return disagreement
	}
	if t.head.Sequence < b.Head.Sequence {
		return disagreement
	}
	last := t.head
	for at, err := range t.backwards() {
		if err != nil {
			return err
		}
		if last, _, err = operation.HeadOf(at.line); err != nil {
			return fmt.Errorf("%s: a line behind line %d %w", filepath.Join(t.folder, at.name), b.Head.Sequence, err)
		}
		if last.Sequence <= b.Head.Sequence {
			break
		}
		if disagreement.Operation, err = lost(at.line, has); err != nil {
			return err
		}
		if disagreement.Operation != "" {
			return disagreement
		}
		last = operation.Head{Sequence: last.Sequence - 1} // if it is the first
	}
	if last != b.Head && b.Head.Sequence > b.Archived.Sequence {
		return disagreement
	}
	return nil
}

// lost returns the id of the operation of a line, if that is an intent and the
// database does not have the operation.
func lost(line []byte, has func(id string) (bool, error)) (id string, err error) {
	var event operation.Event
	if err := json.Unmarshal(line, &event); err != nil || event.Kind != operation.EventIntent {
		return "", err
	}
	if found, err := has(event.Operation); err != nil || found {
		return "", err
	}
	return event.Operation, nil
}

// Head implements [operation.Store].
func (s *Store) Head(ctx context.Context) (operation.Head, error) {
	if err := s.lock(ctx); err != nil {
		return operation.Head{}, err
	}
	defer s.unlock()
	if err := s.readyLocked(); err != nil {
		return operation.Head{}, err
	}
	return s.trail.head, nil
}

// Bounds implements [operation.TrailStore].
func (s *Store) Bounds(ctx context.Context) (operation.Bounds, error) {
	if err := s.lock(ctx); err != nil {
		return operation.Bounds{}, err
	}
	defer s.unlock()
	if err := s.openDatabaseLocked(); err != nil {
		return operation.Bounds{}, err
	}
	return s.boundsLocked()
}

// AcceptTrail implements [operation.TrailStore]. The line with the order is written before
// the database changes: if the process ends between the two, the trail is still refused.
func (s *Store) AcceptTrail(ctx context.Context, order operation.TrailOrder) (operation.Bounds, error) {
	if err := s.lock(ctx); err != nil {
		return operation.Bounds{}, err
	}
	defer s.unlock()
	s.closeChangedLocked()
	if err := s.openDatabaseLocked(); err != nil {
		return operation.Bounds{}, err
	}
	if s.trail != nil {
		s.trail.close()
		s.trail = nil
	}
	b, err := s.boundsLocked()
	if err != nil {
		return b, err
	}
	event, err := order.Acceptance(b.Head, time.Now())
	if err != nil {
		return b, err
	}
	t, archived, err := s.acceptableLocked(b)
	if err != nil {
		return b, err
	}
	if err = t.mend(s.log); err == nil {
		err = t.append([]operation.Event{event})
	}
	if err != nil {
		t.close()
		return b, s.failLocked(fmt.Errorf("audit trail: %w", err))
	}
	s.trail, s.last = t, t.head
	err = s.updateLocked(func(tx *bbolt.Tx) error { return putHead(tx, archivedKey, archived) })
	return operation.Bounds{Head: s.last, Archived: archived, Known: true}, err
}

// acceptableLocked opens a trail that does not agree with its bounds. archived is the line
// before its first one.
func (s *Store) acceptableLocked(b operation.Bounds) (t *trail, archived operation.Head, err error) {
	if t, err = s.newTrail(b); err != nil {
		return nil, b.Archived, s.failLocked(fmt.Errorf("audit trail: %w", err))
	}
	if archived, err = t.before(b.Archived); err == nil && archived == b.Archived {
		if err = s.compareLocked(t, b); err == nil {
			err = operation.ErrNothingToAccept
		}
	}
	if _, refused := errors.AsType[*operation.TrailError](err); err != nil && !refused {
		t.close()
		return nil, archived, err
	}
	return t, archived, nil
}

// before returns the line before the first of the trail, or archived if the trail begins
// not later than behind that.
func (t *trail) before(archived operation.Head) (operation.Head, error) {
	for line, err := range Trail(t.folder) {
		if err != nil {
			return archived, err
		}
		first, previous, err := operation.HeadOf(line)
		if err != nil {
			return archived, fmt.Errorf("the first line %w", err)
		}
		if first.Sequence > archived.Sequence+1 {
			return operation.Head{Sequence: first.Sequence - 1, Hash: previous}, nil
		}
		break
	}
	return archived, nil
}
