package bolt

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"ocigate/gateway/operation"
)

// A value of the revoked bucket has the time of its expiry, its revision, and the revocation
// as JSON. The bucket's sequence is the last revision.
const revisionSize = 8

func revokedKey(r operation.Revocation) []byte { return compound(r.Principal, r.Token) }

// encodeRevocation returns the value of a revocation.
func encodeRevocation(r operation.Revocation, revision uint64) ([]byte, error) {
	text, err := json.Marshal(r)
	return append(binary.BigEndian.AppendUint64(encodeTime(r.Expires), revision), text...), err
}

// decodeRevocation returns the revocation of a value, and its revision.
func decodeRevocation(value []byte) (r operation.Revocation, revision int64, err error) {
	if len(value) < timeSize+revisionSize {
		return r, 0, fmt.Errorf("bolt: a revocation of %d bytes", len(value))
	}
	if err := json.Unmarshal(value[timeSize+revisionSize:], &r); err != nil {
		return r, 0, fmt.Errorf("bolt: a revocation: %w", err)
	}
	return r, revisionOf(value), nil
}

func revisionOf(value []byte) int64 {
	return int64(binary.BigEndian.Uint64(value[timeSize:])) //nolint:gosec // a sequence from 1
}

// Revoke implements [operation.Store]. The line of the audit trail is written first.
func (s *Store) Revoke(ctx context.Context, r operation.Revocation, event operation.Event) error {
	return s.submit(ctx, &record{revocation: &r, event: event})
}

// storeRevocationsLocked stores the revocations of records in the database.
func (s *Store) storeRevocationsLocked(records []*record) error {
	if len(records) == 0 {
		return nil
	}
	return s.updateLocked(func(tx *bbolt.Tx) error {
		for _, r := range records {
			if err := putRevocation(tx.Bucket(revokedBucket), r.revocation.At(time.Now())); err != nil {
				return err
			}
		}
		return nil
	})
}

// putRevocation stores a revocation in place of the earlier one of its principal and token,
// and of those that it covers.
func putRevocation(revoked *bbolt.Bucket, r operation.Revocation) error {
	var replaced [][]byte
	cursor, prefix := revoked.Cursor(), compound(r.Principal)
	for key, value := cursor.Seek(prefix); key != nil && bytes.HasPrefix(key, prefix); key, value = cursor.Next() {
		earlier, _, err := decodeRevocation(value)
		if err != nil {
			return err
		}
		if earlier.Token == r.Token {
			r = r.Merge(earlier)
		} else if r.Covers(earlier) {
			r = r.Merge(earlier)
			replaced = append(replaced, slices.Clone(key))
		}
	}
	for _, key := range replaced {
		if err := revoked.Delete(key); err != nil {
			return err
		}
	}
	revision, err := revoked.NextSequence()
	if err != nil {
		return err
	}
	value, err := encodeRevocation(r, revision)
	if err != nil {
		return err
	}
	return revoked.Put(revokedKey(r), value)
}

// Revocations implements [operation.Store]. It returns all that there are.
func (s *Store) Revocations(ctx context.Context, after int64) ([]operation.Revocation, int64, error) {
	type numbered struct {
		operation.Revocation
		revision int64
	}
	var found []numbered
	err := s.read(ctx, func(tx *bbolt.Tx, _ map[string]operation.Operation) error {
		revoked := tx.Bucket(revokedBucket)
		if int64(revoked.Sequence()) <= after { //nolint:gosec // from 1
			return nil
		}
		return revoked.ForEach(func(_, value []byte) error {
			if len(value) >= timeSize+revisionSize && revisionOf(value) <= after {
				return nil
			}
			r, revision, err := decodeRevocation(value)
			found = append(found, numbered{r, revision})
			return err
		})
	})
	if err != nil || len(found) == 0 {
		return nil, after, err
	}
	slices.SortFunc(found, func(a, b numbered) int { return cmp.Compare(a.revision, b.revision) })
	list := make([]operation.Revocation, len(found))
	for i, r := range found {
		list[i] = r.Revocation
	}
	return list, found[len(found)-1].revision, nil
}

// expiredRevocations returns the sweep of the revocations that have expired.
func expiredRevocations(now time.Time) sweep {
	return sweep{
		bucket: revokedBucket,
		classify: func(_, value []byte) action {
			if len(value) >= timeSize && !isOver(value[:timeSize], now) {
				return keep
			}
			return discard
		},
		remove: func(tx *bbolt.Tx, key []byte) error { return tx.Bucket(revokedBucket).Delete(key) },
	}
}
