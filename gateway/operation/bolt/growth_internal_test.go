package bolt

import (
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"ocigate/gateway/operation/storetest"
)

// usedBytes returns how many bytes of pages the buckets of the database use.
func (s *Store) usedBytes(t *testing.T) (used int) {
	t.Helper()
	if err := s.database.view(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error {
			stats := b.Stats()
			used += stats.LeafAlloc + stats.BranchAlloc
			return nil
		})
	}); err != nil {
		t.Fatal(err)
	}
	return used
}

func trailBytes(t *testing.T, folder string) (size int64) {
	t.Helper()
	names, err := trailFiles(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	return size
}

// The README says how much the files grow.
func TestGrowthIsThatOfTheReadme(t *testing.T) {
	t.Parallel()
	database, trail := map[string]float64{}, map[string]float64{}
	for _, g := range storetest.Growths() {
		s := Open(filepath.Join(t.TempDir(), "journal"), Options{NoSync: true})
		g.Grow(t, s)
		database[g.Column] = float64(s.usedBytes(t)) / float64(g.Times)
		trail[g.Column] = float64(trailBytes(t, s.folder)) / float64(g.Times)
		closeStore(t, s)
	}
	storetest.WantReadme(t, "`operations.db`", database)
	storetest.WantReadme(t, "`audit-YYYY-MM.jsonl`", trail)
}
