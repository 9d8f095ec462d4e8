package bolt

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"go.etcd.io/bbolt"

	"ocigate/gateway/operation"
)

// The buckets. A compound key ends in the id, so that ids stand in order
// behind what they are found by.
var (
	metaBucket       = []byte("meta")
	operationsBucket = []byte("operations") // id: the operation as JSON
	listsBucket      = []byte("lists")      // tenant, group, state, id: nothing; each may be empty for any
	openBucket       = []byte("open")       // id: nothing
	holdsBucket      = []byte("holds")      // entry, id: nothing, of those that are held
	touchesBucket    = []byte("touches")    // entry, id: nothing, of all
	endsBucket       = []byte("ends")       // time of the end, id: nothing, of those that are not open
	keysBucket       = []byte("keys")       // caller, endpoint, key: a claim
)

var schemaKey = []byte("schema")

// schemaVersion changes with the layout of the buckets.
const schemaVersion = "1"

func createBuckets(tx *bbolt.Tx) error {
	for _, name := range [][]byte{operationsBucket, listsBucket, openBucket, holdsBucket, touchesBucket, endsBucket, keysBucket} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	meta, err := tx.CreateBucketIfNotExists(metaBucket)
	if err != nil {
		return err
	}
	return meta.Put(schemaKey, []byte(schemaVersion))
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

func entryKey(op *operation.Operation, key string) []byte {
	return compound(op.TenantID, op.Kind, key)
}

func callerKey(op *operation.Operation) []byte {
	return compound(op.Caller.Principal(), op.Endpoint, op.Key)
}

// timeSize is how many bytes a time has.
const timeSize = 8

// encodeTime makes bytes that have the order of times, to the microsecond. The
// bit that it changes is the sign.
func encodeTime(at time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(at.UnixMicro())^1<<63)
}

// claim is the value of an idempotency key: until when it is whose.
type claim struct {
	expires []byte // an encoded time
	id      string
}

func decodeClaim(value []byte) (claim, bool) {
	if len(value) < timeSize {
		return claim{}, false
	}
	return claim{value[:timeSize], string(value[timeSize:])}, true
}

// isOver tells whether an encoded time has come.
func isOver(at []byte, now time.Time) bool { return bytes.Compare(at, encodeTime(now)) <= 0 }

// claimOn is who has the operation's key at the moment, if anybody.
func claimOn(tx *bbolt.Tx, op *operation.Operation, now time.Time) (claim, bool) {
	c, ok := decodeClaim(tx.Bucket(keysBucket).Get(callerKey(op)))
	return c, ok && !isOver(c.expires, now)
}

// reference is an entry of an index.
type reference struct{ bucket, key []byte }

// lists are the lists that an operation is in.
func lists(op *operation.Operation) []reference {
	var refs []reference
	for _, scope := range [][2]string{{}, {op.TenantID}, {"", op.GroupID}, {op.TenantID, op.GroupID}} {
		for _, state := range []operation.State{"", op.State} {
			key := append(listKey(scope[0], scope[1], state), op.ID...)
			refs = append(refs, reference{listsBucket, key})
		}
	}
	return refs
}

func listKey(tenantID, groupID string, state operation.State) []byte {
	return compound(tenantID, groupID, string(state))
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
	for _, key := range op.Keys() {
		key := append(entryKey(op, key), id...)
		refs = append(refs, reference{touchesBucket, key})
	}
	for _, key := range op.Holds() {
		refs = append(refs, reference{holdsBucket, append(entryKey(op, key), id...)})
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
	if err := claimKey(tx, op); err != nil {
		return err
	}
	return tx.Bucket(operationsBucket).Put([]byte(op.ID), value)
}

// claimKey makes an idempotency key the operation's, where it has one that is
// not another's meanwhile.
func claimKey(tx *bbolt.Tx, op *operation.Operation) error {
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
	if c, ok := decodeClaim(keys.Get(callerKey(&op))); ok && c.id == id {
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

// others are the ids of the operations that an index of entries has for an
// entry, but for the operation's own.
func others(tx *bbolt.Tx, bucket []byte, op *operation.Operation, entry string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for id := range newest(tx, bucket, entryKey(op, entry), "") {
			if id != op.ID && !yield(id) {
				return
			}
		}
	}
}
