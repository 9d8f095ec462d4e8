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

// The buckets. A compound key ends in the id, so that ids stand in order
// behind what they are found by.
var (
	metaBucket       = []byte("meta")
	operationsBucket = []byte("operations") // id: the operation as JSON
	listsBucket      = []byte("lists")      // tenant, group, user, state, id: nothing; each may be empty for any
	openBucket       = []byte("open")       // id: nothing
	holdsBucket      = []byte("holds")      // tenant, kind, key, id: nothing, of what is held
	touchesBucket    = []byte("touches")    // tenant, kind, key, id: nothing, of entries that may be changed
	endsBucket       = []byte("ends")       // time of the end, id: nothing, of those that are not open
	keysBucket       = []byte("keys")       // caller, endpoint, key: a keyClaim
)

// indexBuckets follow from the operations.
var indexBuckets = [][]byte{listsBucket, openBucket, holdsBucket, touchesBucket, endsBucket}

func createBuckets(tx *bbolt.Tx) error {
	for _, name := range append([][]byte{operationsBucket, keysBucket}, indexBuckets...) {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return putFormat(tx)
}

// compound makes one key of several strings. No two lists of strings give the
// same bytes, and none gives what another begins with.
func compound(parts ...string) []byte {
	var key []byte
	for _, part := range parts {
		key = binary.AppendUvarint(key, uint64(len(part)))
		key = append(key, part...)
	}
	return key
}

func claimKey(op *operation.Operation, c operation.Claim) []byte {
	return compound(op.TenantID, c.Kind, c.Key)
}

func callerKey(op *operation.Operation) []byte {
	return compound(op.Caller.Principal(), op.Route, op.Key)
}

// timeSize is how many bytes a time has.
const timeSize = 8

// encodeTime makes bytes that have the order of times, to the microsecond. The
// bit that it changes is the sign.
func encodeTime(at time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(at.UnixMicro())^1<<63)
}

// keyClaim is the value of an idempotency key: until when it is whose.
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

// isOver tells whether an encoded time has come.
func isOver(at []byte, now time.Time) bool { return bytes.Compare(at, encodeTime(now)) <= 0 }

// claimOn is who has the operation's key at the moment, if anybody.
func claimOn(tx *bbolt.Tx, op *operation.Operation, now time.Time) (keyClaim, bool) {
	c, ok := decodeKeyClaim(tx.Bucket(keysBucket).Get(callerKey(op)))
	return c, ok && !isOver(c.expires, now)
}

// reference is an entry of an index.
type reference struct{ bucket, key []byte }

// lists are the lists that an operation is in: of all, and of each target that
// contains its own.
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

// references are those by which an operation is found.
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

// get finds an operation.
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

func decode(value []byte) (op operation.Operation, err error) {
	return op, json.Unmarshal(value, &op)
}

// put stores an operation, of which the value is the JSON, in the place of what
// was stored of it.
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

// takeKey makes an idempotency key the operation's, where it has one that is
// not another's meanwhile.
func takeKey(tx *bbolt.Tx, op *operation.Operation) error {
	if !op.HoldsKey() {
		return nil
	}
	if _, taken := claimOn(tx, op, time.Now()); taken {
		return nil
	}
	return tx.Bucket(keysBucket).Put(callerKey(op), append(encodeTime(op.KeyExpires), op.ID...))
}

// remove forgets an operation and what leads to it.
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

// newest are the ids behind a prefix of a bucket, the last first, as far as
// they stand before an id. Empty is before none.
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

// others are the ids of the operations that an index of claims has for one, but
// for the operation's own.
func others(tx *bbolt.Tx, bucket []byte, op *operation.Operation, c operation.Claim) iter.Seq[string] {
	return func(yield func(string) bool) {
		for id := range newest(tx, bucket, claimKey(op, c), "") {
			if id != op.ID && !yield(id) {
				return
			}
		}
	}
}
