package bolt

import (
	"bytes"
	"context"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// pruneChunk is how many elements of a bucket are looked at, and forgotten, in
// one transaction: others need not wait for longer than that.
const pruneChunk = 1000

// Prune implements [operation.Store]. The key of an operation that is
// forgotten goes with it.
func (s *Store) Prune(ctx context.Context, before time.Time) error {
	limit, now := encodeTime(before), time.Now()
	ended := sweep{
		bucket: endsBucket,
		judge: func(key, _ []byte) verdict {
			if bytes.Compare(key, limit) >= 0 {
				return stop
			}
			return forget
		},
		forget: func(tx *bbolt.Tx, key []byte) error { return remove(tx, string(key[timeSize:])) },
	}
	expired := sweep{
		bucket: keysBucket,
		judge: func(_, value []byte) verdict {
			if c, ok := decodeKeyClaim(value); ok && !isOver(c.expires, now) {
				return keep
			}
			return forget
		},
		forget: func(tx *bbolt.Tx, key []byte) error { return tx.Bucket(keysBucket).Delete(key) },
	}
	if err := s.sweep(ctx, ended); err != nil {
		return err
	}
	return s.sweep(ctx, expired)
}

// sweep looks at the elements of a bucket, in order, and forgets some.
type sweep struct {
	bucket []byte
	judge  func(key, value []byte) verdict
	forget func(tx *bbolt.Tx, key []byte) error
}

// verdict is what becomes of an element.
type verdict int

const (
	keep verdict = iota
	forget
	stop // keep it and all behind it
)

func (s *Store) sweep(ctx context.Context, w sweep) error {
	for from, more := []byte(nil), true; more; more = from != nil {
		if err := s.lock(ctx); err != nil {
			return err
		}
		var err error
		from, err = s.sweepChunk(w, from)
		s.unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// sweepChunk sweeps one chunk and tells where the next begins, nil for nowhere.
func (s *Store) sweepChunk(w sweep, from []byte) (next []byte, err error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	var doomed [][]byte
	err = s.view(func(tx *bbolt.Tx) error {
		doomed, next = w.chunk(tx, from)
		return nil
	})
	if err != nil || len(doomed) == 0 {
		return next, err
	}
	return next, s.update(func(tx *bbolt.Tx) error {
		for _, key := range doomed {
			if err := w.forget(tx, key); err != nil {
				return err
			}
		}
		return nil
	})
}

// chunk finds what is to be forgotten of the next elements, and what comes
// behind these.
func (w *sweep) chunk(tx *bbolt.Tx, from []byte) (doomed [][]byte, next []byte) {
	cursor := tx.Bucket(w.bucket).Cursor()
	seen := 0
	for key, value := cursor.Seek(from); key != nil; key, value = cursor.Next() {
		if seen++; seen > pruneChunk {
			return doomed, slices.Clone(key)
		}
		switch w.judge(key, value) {
		case stop:
			return doomed, nil
		case forget:
			doomed = append(doomed, slices.Clone(key))
		}
	}
	return doomed, nil
}
