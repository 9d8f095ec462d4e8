package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
	"ocigate/gateway/operation/storetest"
	"ocigate/translate/scope"
)

// These tests specify what is particular to this store beside the tests of package storetest
// (TestStore): files, times, months and batches. A case that any store must pass belongs in
// package storetest.

func TestStore(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]bolt.Options{"synced": {}, "not synced": {NoSync: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t *testing.T) storetest.Rig {
				folder := filepath.Join(t.TempDir(), "operations")
				return storetest.Rig{
					Open:    func() operation.Store { return bolt.Open(folder, o) },
					Trail:   func() iter.Seq2[[]byte, error] { return bolt.Trail(folder) },
					Rewrite: func(lines [][]byte) { rewrite(t, folder, lines) },
				}
			})
		})
	}
}

// rewrite replaces the trail of a folder by one file.
func rewrite(t *testing.T, folder string, lines [][]byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "audit-*"))
	must(t, err)
	for _, file := range files {
		must(t, os.Remove(file))
	}
	if len(lines) > 0 {
		replace(t, filepath.Join(folder, "audit-2026-01.jsonl"), append(bytes.Join(lines, []byte("\n")), '\n'))
	}
}

func TestOpenLeavesTheDiskAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if _, err := os.Stat(r.folder); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder: %v, want none", err)
	}
	r.wantLogged()
}

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	t.Parallel()
	r := rigIn(t, filepath.Join(t.TempDir(), "a", "b"))
	r.intend()
	got := map[string]fs.FileMode{}
	for _, path := range []string{filepath.Dir(r.folder), r.folder, r.database(), r.audit()} {
		info, err := os.Stat(path)
		must(t, err)
		got[filepath.Base(path)] = info.Mode().Perm()
	}
	want := map[string]fs.FileMode{"a": 0o700, "b": 0o700, "operations.db": 0o600, filepath.Base(r.audit()): 0o600}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("modes (-want +got):\n%s", diff)
	}
	r.wantLogged()
}

func TestTimesSurviveToTheNanosecond(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	op := in(operation.Done, r.op())
	op.EndedAt = time.Date(2026, 11, 5, 23, 59, 59, 123456789, time.FixedZone("", 3600))
	r.record(op)
	r.reopen()
	if got, err := r.store.Get(t.Context(), op.ID); err != nil || !got.EndedAt.Equal(op.EndedAt) {
		t.Errorf("the end is %v, %v, want %v", got.EndedAt, err, op.EndedAt)
	}
}

func TestOwnersOfAnotherProcessHaveStopped(t *testing.T) {
	t.Parallel()
	t.Run("even one of the same name", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		op := r.intend()
		r.reopen()
		adopted, err := r.store.Adopt(t.Context(), op.Owner)
		if err != nil || len(adopted) != 1 || adopted[0].ID != op.ID {
			t.Errorf("adopted: %+v, %v, want %s", adopted, err, op.ID)
		}
	})
	for name, call := range map[string]func(r *rig){
		"but not one that has begun an operation":    func(r *rig) { must(r.T, r.store.Begin(r.Context(), r.op())) },
		"but not one that has recorded an operation": func(r *rig) { r.intend() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			op := r.intend()
			r.reopen()
			call(r)
			if adopted, err := r.store.Adopt(t.Context(), "another"); err != nil || len(adopted) > 0 {
				t.Errorf("adopted: %+v, %v, want nothing, as %s is running", adopted, err, op.Owner)
			}
		})
	}
}

func TestTrailHasAFileAMonth(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, at := range []time.Time{
		time.Date(2026, 10, 31, 23, 59, 59, 999999999, time.UTC),
		time.Date(2026, 11, 1, 0, 30, 0, 0, time.FixedZone("", 3600)), // still October in UTC
		time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2026, 10, 31, 0, 0, 0, 0, time.UTC), // the trail does not go back
		time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		r.append(at)
		r.reopen()
	}
	r.wantLines(5)
	r.wantLogged()
	got := map[string]int{}
	files, err := filepath.Glob(r.path("audit-*"))
	must(t, err)
	for _, file := range files {
		got[filepath.Base(file)] = bytes.Count(read(t, file), []byte("\n"))
	}
	want := map[string]int{"audit-2026-10.jsonl": 2, "audit-2026-11.jsonl": 2, "audit-2027-01.jsonl": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestPruneRemovesManyInOneCall(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const old, recent = 2500, 10 // more than are removed in one transaction
	for i := range old + recent {
		op := in(operation.Done, r.op())
		if i < old {
			op.EndedAt = op.EndedAt.Add(-time.Hour)
		}
		r.record(op)
	}
	must(t, r.store.Prune(t.Context(), time.Now().Add(-time.Minute)))
	left, _, err := r.store.List(t.Context(), operation.Query{Target: scope.Target{TenantID: "tenant"}, Limit: old})
	if err != nil || len(left) != recent {
		t.Errorf("%d operations are left, %v, want %d", len(left), err, recent)
	}
	r.wantLines(old + recent)
}

func TestWhatCannotBeWrittenFailsAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	op := in(operation.Done, r.op())
	never := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) // not a year of RFC 3339
	bad := op
	bad.EndedAt = never
	for name, err := range map[string]error{
		"an event":     r.store.Append(t.Context(), login(never)),
		"an operation": record(t.Context(), r.store, bad),
	} {
		if err == nil {
			t.Errorf("%s was written", name)
		}
	}
	r.record(op)
	r.wantLines(1)
}

func BenchmarkRecord(b *testing.B) {
	for name, o := range map[string]bolt.Options{"synced": {}, "not synced": {NoSync: true}} {
		b.Run(name, func(b *testing.B) {
			s := bolt.Open(b.TempDir(), o)
			defer s.Close() //nolint:errcheck // it has no errors
			for _, writers := range []int{1, 32} {
				b.Run(fmt.Sprint(writers, " concurrently"), func(b *testing.B) {
					var next atomic.Int64
					b.SetParallelism(max(1, writers/runtime.GOMAXPROCS(0)))
					b.ReportAllocs()
					b.RunParallel(func(p *testing.PB) {
						for p.Next() {
							op := newOp(fmt.Sprint(b.Name(), " ", b.N, " ", next.Add(1)))
							if err := s.Begin(context.Background(), op); err != nil {
								b.Error(err)
							}
							if err := record(context.Background(), s, in(operation.Intent, op)); err != nil {
								b.Error(err)
							}
						}
					})
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
				})
			}
		})
	}
}
