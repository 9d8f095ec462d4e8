package bolt

import (
	"bytes"
	"context"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// pruneChunk is how many elements of a bucket are checked, and removed, in one
// transaction. Other calls wait no longer than that.
const pruneChunk = 1000

// Prune implements [operation.Store]. It removes the key of an operation together with
// the operation.
func (s *Store) Prune(ctx context.Context, before time.Time) error {
	limit, now := encodeTime(before), time.Now()
	ended := sweep{
		bucket: endsBucket,
		classify: func(key, _ []byte) action {
			if bytes.Compare(key, limit) >= 0 {
				return stop
			}
			return discard
		},
		remove: func(tx *bbolt.Tx, key []byte) error { return remove(tx, string(key[timeSize:])) },
	}
	expired := sweep{
		bucket: keysBucket,
		classify: func(_, value []byte) action {
			if c, ok := decodeKeyClaim(value); ok && !isOver(c.expires, now) {
				return keep
			}
			return discard
		},
		remove: func(tx *bbolt.Tx, key []byte) error { return tx.Bucket(keysBucket).Delete(key) },
	}
	for _, old := range []sweep{ended, expired, expiredRevocations(now)} {
		if err := s.sweep(ctx, old); err != nil {
			return err
		}
	}
	if s.keepTrail == 0 {
		return nil
	}
	return s.pruneTrail(ctx, now)
}

// sweep checks the elements of a bucket, in order, and removes some.
type sweep struct {
	bucket   []byte
	classify func(key, value []byte) action
	remove   func(tx *bbolt.Tx, key []byte) error
}

// action is what sweep does with an element.
type action int

const (
	keep action = iota
	discard
	stop // keep it and all behind it
)

// sweep sweeps a bucket in chunks. It locks the store for each.
func (s *Store) sweep(ctx context.Context, w sweep) error {
	for from, more := []byte(nil), true; more; more = from != nil {
		if err := s.lock(ctx); err != nil {
			return err
		}
		var err error
		from, err = s.sweepChunkLocked(w, from)
		s.unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// sweepChunkLocked sweeps one chunk and returns where the next begins, nil for nowhere.
func (s *Store) sweepChunkLocked(w sweep, from []byte) (next []byte, err error) {
	if err := s.readyLocked(); err != nil {
		return nil, err
	}
	var doomed [][]byte
	err = s.viewLocked(func(tx *bbolt.Tx) error {
		doomed, next = w.chunk(tx, from)
		return nil
	})
	if err != nil || len(doomed) == 0 {
		return next, err
	}
	return next, s.updateLocked(func(tx *bbolt.Tx) error {
		for _, key := range doomed {
			if err := w.remove(tx, key); err != nil {
				return err
			}
		}
		return nil
	})
}

// chunk returns which of the next elements are to be removed, and the key of the element
// behind them, nil if there is none.
func (w *sweep) chunk(tx *bbolt.Tx, from []byte) (doomed [][]byte, next []byte) {
	cursor := tx.Bucket(w.bucket).Cursor()
	seen := 0
	for key, value := cursor.Seek(from); key != nil; key, value = cursor.Next() {
		if seen++; seen > pruneChunk {
			return doomed, slices.Clone(key)
		}
		switch w.classify(key, value) {
		case stop:
			return doomed, nil
		case discard:
			doomed = append(doomed, slices.Clone(key))
		}
	}
	return doomed, nil
}
