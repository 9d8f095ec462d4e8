package bolt

import (
	"encoding/json"
	"fmt"
	"strconv"

	"go.etcd.io/bbolt"

	"ocigate/gateway/operation"
)

// schemaKey is where the format of the database stands in the meta bucket: the
// number of [operation.Format], which the layout of the buckets goes with.
var schemaKey = []byte("schema")

// putFormat notes that the database has the format of this program.
func putFormat(tx *bbolt.Tx) error {
	meta, err := tx.CreateBucketIfNotExists(metaBucket)
	if err != nil {
		return err
	}
	return meta.Put(schemaKey, strconv.AppendInt(nil, operation.Format, 10))
}

// prepare makes the buckets of a new database, and migrates one of an older
// format, all of it or nothing. One of a newer format is refused.
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
		return d.update(migrate1)
	}
	return nil
}

func readFormat(meta *bbolt.Bucket) (int, error) {
	text := string(meta.Get(schemaKey))
	format, err := strconv.Atoi(text)
	if err != nil || format < 1 {
		return 0, fmt.Errorf("the database has the format %q, which is none of the gateway", text)
	}
	return format, operation.CheckFormat(format)
}

// migrate1 makes a database of format 1 one of format 2. Operations and all that
// follows from them are written anew. The claims on idempotency keys are the same.
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
	operations := tx.Bucket(operationsBucket)
	if err := operations.ForEach(func(id, _ []byte) error {
		ids = append(ids, append([]byte(nil), id...))
		return nil
	}); err != nil {
		return err
	}
	for _, id := range ids {
		if err := migrateOperation1(tx, id); err != nil {
			return fmt.Errorf("operation %s: %w", id, err)
		}
	}
	return nil
}

func migrateOperation1(tx *bbolt.Tx, id []byte) error {
	operations := tx.Bucket(operationsBucket)
	op, err := operation.Decode1(operations.Get(id))
	if err != nil {
		return err
	}
	value, err := json.Marshal(&op)
	if err != nil {
		return err
	}
	for _, ref := range references(&op) {
		if err := tx.Bucket(ref.bucket).Put(ref.key, nil); err != nil {
			return err
		}
	}
	return operations.Put(id, value)
}
