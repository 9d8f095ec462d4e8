package bolt

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"ocigate/gateway/operation"
	"ocigate/translate/scope"
)

// The buckets. A compound key ends in the id, so that the ids with the same prefix are
// in order.
var (
	metaBucket       = []byte("meta")
	operationsBucket = []byte("operations") // id: the operation as JSON
	listsBucket      = []byte("lists")      // tenant, group, user, state, id: nothing; an empty part means any
	openBucket       = []byte("open")       // id: nothing
	holdsBucket      = []byte("holds")      // tenant, kind, key, id: nothing, of what is held
	touchesBucket    = []byte("touches")    // tenant, kind, key, id: nothing, of entries that may be changed
	endsBucket       = []byte("ends")       // time of the end, id: nothing, of those that are not open
	keysBucket       = []byte("keys")       // caller, endpoint, key: a keyClaim
	revokedBucket    = []byte("revoked")    // revocations of tokens, since format 3
)

// indexBuckets are the buckets whose content follows from the operations.
var indexBuckets = [][]byte{listsBucket, openBucket, holdsBucket, touchesBucket, endsBucket}

// createBuckets creates the buckets that do not exist yet, and stores the format.
func createBuckets(tx *bbolt.Tx) error {
	for _, name := range append([][]byte{operationsBucket, keysBucket, revokedBucket}, indexBuckets...) {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return putFormat(tx)
}

// compound returns one key for several strings. Two different lists of strings never give
// the same key, and neither key is a prefix of the other.
func compound(parts ...string) []byte {
	var key []byte
	for _, part := range parts {
		key = binary.AppendUvarint(key, uint64(len(part)))
		key = append(key, part...)
	}
	return key
}

// claimKey returns the prefix of a claim in the holds and touches buckets.
func claimKey(op *operation.Operation, c operation.Claim) []byte {
	return compound(op.TenantID, c.Kind, c.Key)
}

// callerKey returns the key of the operation's idempotency key in the keys bucket.
func callerKey(op *operation.Operation) []byte {
	return compound(op.Caller.Principal(), op.Route, op.Key)
}

// timeSize is how many bytes a time has.
const timeSize = 8

// encodeTime returns bytes that sort in the order of times, to the microsecond. It flips
// the sign bit.
func encodeTime(at time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(at.UnixMicro())^1<<63)
}

// keyClaim is the value of an idempotency key: the operation that has it, and until when.
type keyClaim struct {
	expires []byte // an encoded time
	id      string
}

func decodeKeyClaim(value []byte) (keyClaim, bool) {
	if len(value) < timeSize {
		return keyClaim{}, false
	}
	return keyClaim{value[:timeSize], string(value[timeSize:])}, true
}

// isOver reports whether an encoded time is in the past.
func isOver(at []byte, now time.Time) bool { return bytes.Compare(at, encodeTime(now)) <= 0 }

// claimOn returns the present claim on the operation's key, if there is one.
func claimOn(tx *bbolt.Tx, op *operation.Operation, now time.Time) (keyClaim, bool) {
	c, ok := decodeKeyClaim(tx.Bucket(keysBucket).Get(callerKey(op)))
	return c, ok && !isOver(c.expires, now)
}

// reference is an entry of an index.
type reference struct{ bucket, key []byte }

// lists returns the references to an operation in the lists bucket: for all targets, and
// for each target that contains its own.
func lists(op *operation.Operation) []reference {
	targets := []scope.Target{{}}
	for _, t := range []scope.Target{{TenantID: op.TenantID}, {TenantID: op.TenantID, GroupID: op.GroupID}, op.Target} {
		if !slices.Contains(targets, t) {
			targets = append(targets, t)
		}
	}
	var refs []reference
	for _, target := range targets {
		for _, state := range []operation.State{"", op.State} {
			refs = append(refs, reference{listsBucket, append(listKey(target, state), op.ID...)})
		}
	}
	return refs
}

func listKey(t scope.Target, state operation.State) []byte {
	return compound(t.TenantID, t.GroupID, t.UserID, string(state))
}

// references returns all index entries of an operation.
func references(op *operation.Operation) []reference {
	id := []byte(op.ID)
	refs := lists(op)
	if op.Open() {
		refs = append(refs, reference{openBucket, id})
	} else {
		refs = append(refs, reference{endsBucket, append(encodeTime(op.EndedAt), id...)})
	}
	for _, c := range op.Touches() {
		refs = append(refs, reference{touchesBucket, append(claimKey(op, c), id...)})
	}
	for _, c := range op.Holds() {
		refs = append(refs, reference{holdsBucket, append(claimKey(op, c), id...)})
	}
	return refs
}

// get returns an operation, if there is one.
func get(tx *bbolt.Tx, id string) (op operation.Operation, found bool, err error) {
	value := tx.Bucket(operationsBucket).Get([]byte(id))
	if value == nil {
		return op, false, nil
	}
	op, err = decode(value)
	if err != nil {
		err = fmt.Errorf("bolt: operation %s: %w", id, err)
	}
	return op, err == nil, err
}

// sizeOf returns the size of an operation as JSON, 0 if there is none.
func sizeOf(tx *bbolt.Tx, id string) int { return len(tx.Bucket(operationsBucket).Get([]byte(id))) }

func decode(value []byte) (op operation.Operation, err error) {
	return op, json.Unmarshal(value, &op)
}

// put stores an operation, in place of an earlier record of it. value is its JSON.
func put(tx *bbolt.Tx, op *operation.Operation, value []byte) error {
	if err := remove(tx, op.ID); err != nil {
		return err
	}
	for _, ref := range references(op) {
		if err := tx.Bucket(ref.bucket).Put(ref.key, nil); err != nil {
			return err
		}
	}
	if err := takeKey(tx, op); err != nil {
		return err
	}
	return tx.Bucket(operationsBucket).Put([]byte(op.ID), value)
}

// takeKey takes the operation's idempotency key, if it has one that does not belong to
// another operation meanwhile.
func takeKey(tx *bbolt.Tx, op *operation.Operation) error {
	if !op.HoldsKey() {
		return nil
	}
	if _, taken := claimOn(tx, op, time.Now()); taken {
		return nil
	}
	return tx.Bucket(keysBucket).Put(callerKey(op), append(encodeTime(op.KeyExpires), op.ID...))
}

// remove removes an operation, its index entries and its key.
func remove(tx *bbolt.Tx, id string) error {
	op, found, err := get(tx, id)
	if err != nil || !found {
		return err
	}
	for _, ref := range references(&op) {
		if err := tx.Bucket(ref.bucket).Delete(ref.key); err != nil {
			return err
		}
	}
	keys := tx.Bucket(keysBucket)
	if c, ok := decodeKeyClaim(keys.Get(callerKey(&op))); ok && c.id == id {
		if err := keys.Delete(callerKey(&op)); err != nil {
			return err
		}
	}
	return tx.Bucket(operationsBucket).Delete([]byte(id))
}

// newest iterates over the ids behind a prefix of a bucket, the last first. If before is
// not empty, it starts at the id before that.
func newest(tx *bbolt.Tx, bucket, prefix []byte, before string) iter.Seq[string] {
	return func(yield func(string) bool) {
		cursor := tx.Bucket(bucket).Cursor()
		key, _ := cursor.Seek(append(bytes.Clone(prefix), cmp.Or(before, "\xff")...))
		if key == nil {
			key, _ = cursor.Last()
		} else {
			key, _ = cursor.Prev()
		}
		for ; key != nil && bytes.HasPrefix(key, prefix); key, _ = cursor.Prev() {
			if !yield(string(key[len(prefix):])) {
				return
			}
		}
	}
}

// others iterates over the ids of the operations that an index of claims has for a claim,
// except for op itself.
func others(tx *bbolt.Tx, bucket []byte, op *operation.Operation, c operation.Claim) iter.Seq[string] {
	return func(yield func(string) bool) {
		for id := range newest(tx, bucket, claimKey(op, c), "") {
			if id != op.ID && !yield(id) {
				return
			}
		}
	}
}
