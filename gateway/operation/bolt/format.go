package bolt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"go.etcd.io/bbolt"

	"ocigate/gateway/operation"
)

// schemaKey is the key of the database's format in the meta bucket. The format is the
// number of [operation.Format], which also determines the layout of the buckets.
var schemaKey = []byte("schema")

// putFormat stores the format of this program.
func putFormat(tx *bbolt.Tx) error {
	meta, err := tx.CreateBucketIfNotExists(metaBucket)
	if err != nil {
		return err
	}
	return meta.Put(schemaKey, strconv.AppendInt(nil, operation.Format, 10))
}

// prepare creates the buckets of a new database, migrates one of an older format, all of
// it or nothing, and refuses one of a newer format.
func (d *database) prepare() error {
	format := 0
	err := d.view(func(tx *bbolt.Tx) (err error) {
		meta := tx.Bucket(metaBucket)
		if d.fresh = meta == nil; d.fresh {
			return nil
		}
		format, err = readFormat(meta)
		return err
	})
	switch {
	case err != nil:
		return err
	case d.fresh:
		return d.update(createBuckets)
	case format < operation.Format:
		d.migrated = true
		return d.update(migrationFrom(format))
	}
	return nil
}

// readFormat returns the format of the database. It refuses one that this program does
// not support.
func readFormat(meta *bbolt.Bucket) (int, error) {
	text := string(meta.Get(schemaKey))
	format, err := strconv.Atoi(text)
	if err != nil || format < 1 {
		return 0, fmt.Errorf("the database has the format %q, which is none of the gateway", text)
	}
	return format, operation.CheckFormat(format)
}

// migrationFrom returns the migration of a database of an older format. Format 2 lacks only
// buckets.
func migrationFrom(format int) func(*bbolt.Tx) error {
	if format == 1 {
		return migrate1
	}
	return createBuckets
}

// migrate1 migrates a database of format 1. It rewrites the operations and
// the indexes. The claims on idempotency keys do not change.
func migrate1(tx *bbolt.Tx) error {
	for _, name := range indexBuckets {
		if err := tx.DeleteBucket(name); err != nil {
			return err
		}
	}
	if err := createBuckets(tx); err != nil {
		return err
	}
	var ids [][]byte
	if err := tx.Bucket(operationsBucket).ForEach(func(id, _ []byte) error {
		ids = append(ids, bytes.Clone(id))
		return nil
	}); err != nil {
		return err
	}
	var refs []reference
	for _, id := range ids {
		op, err := migrateOperation1(tx, id)
		if err != nil {
			return fmt.Errorf("operation %s: %w", id, err)
		}
		refs = append(refs, references(&op)...)
	}
	// In order, since until the end of the transaction a bucket is one sorted list.
	slices.SortFunc(refs, func(a, b reference) int { return bytes.Compare(a.key, b.key) })
	for _, ref := range refs {
		if err := tx.Bucket(ref.bucket).Put(ref.key, nil); err != nil {
			return err
		}
	}
	return nil
}

// migrateOperation1 rewrites one operation.
func migrateOperation1(tx *bbolt.Tx, id []byte) (operation.Operation, error) {
	operations := tx.Bucket(operationsBucket)
	op, err := operation.Decode1(operations.Get(id))
	if err != nil {
		return op, err
	}
	value, err := json.Marshal(&op)
	if err != nil {
		return op, err
	}
	return op, operations.Put(id, value)
}
