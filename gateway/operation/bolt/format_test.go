package bolt_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"testing"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
	"ocigate/gateway/operation/storetest"
)

// These tests specify the migration of data of format 1, in testdata. To add a case, change a
// copy of these data (format1) before the store opens them.

// format1 returns a folder with the data of a gateway of format 1.
func format1(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	file, err := os.Open("testdata/format-1/operations.db.gz")
	must(t, err)
	defer file.Close() //nolint:errcheck // it is only read
	unzip, err := gzip.NewReader(file)
	must(t, err)
	database, err := io.ReadAll(unzip)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(folder, "operations.db"), database, 0o600))
	const trail = "audit-2026-11.jsonl"
	must(t, os.WriteFile(filepath.Join(folder, trail), read(t, "testdata/format-1/"+trail), 0o600))
	return folder
}

func TestFormat1IsMigrated(t *testing.T) {
	t.Parallel()
	folder := format1(t)
	lines := bytes.Count(read(t, filepath.Join(folder, "audit-2026-11.jsonl")), []byte("\n"))
	storetest.RunFormat1(t, storetest.Rig{
		Open:  func() operation.Store { return bolt.Open(folder, bolt.Options{}) },
		Trail: func() iter.Seq2[[]byte, error] { return bolt.Trail(folder) },
	}, int64(lines))
}

func TestMigrationIsLogged(t *testing.T) {
	t.Parallel()
	r := rigIn(t, format1(t))
	must(t, r.store.Check(t.Context()))
	r.wantLogged("the journal was migrated")
	earlier := newOp("0")
	earlier.TenantID = "T"
	for key, want := range map[string]bool{"101": true, "999": false} {
		earlier.Entries = []operation.Entry{{Kind: "numbers", Key: key}}
		if touched, err := r.store.Touched(t.Context(), earlier); err != nil || (len(touched) == 1) != want {
			t.Errorf("%s was touched by the later operations %v, %v", key, touched, err)
		}
	}
	r.reopen()
	must(t, r.store.Check(t.Context()))
	r.wantLogged()
}

// Data that cannot be migrated are refused, and do not change.
func TestMigrationOfWhatCannotBeReadChangesNothing(t *testing.T) {
	t.Parallel()
	folder := format1(t)
	path := filepath.Join(folder, "operations.db")
	database := read(t, path)
	spoiled := bytes.ReplaceAll(database, []byte(`"entries":[{"given":"tel:101"`), []byte(`"entries":[{"given":"tel:101,`))
	if bytes.Equal(spoiled, database) {
		t.Fatal("there is no such operation")
	}
	replace(t, path, spoiled)
	r := rigIn(t, folder)
	for range 2 {
		r.refuses("operation ")
	}
	r.close()
	if !bytes.Contains(read(t, path), []byte("schema1")) {
		t.Error("the format is not that which it was")
	}
	replace(t, path, database)
	r.open()
	must(t, r.store.Check(t.Context()))
	if !bytes.Contains(read(t, path), []byte(fmt.Sprint("schema", operation.Format))) {
		t.Error("the format is not that which it should be")
	}
}
