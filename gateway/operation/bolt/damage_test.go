package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
	"ocigate/translate/scope"
)

// These tests specify what happens to files that are damaged, replaced or removed while the
// store uses them. To add a case, add the damage to one of the tables, with the log lines
// that are expected.

// A crash between the steps of Record leaves the database and the trail as they were before
// the step, or as they are after it.
func TestCrashBetweenTheStepsOfRecord(t *testing.T) {
	t.Parallel()
	t.Run("of an intent leaves the intent without its line", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.intend()
		trail := read(t, r.audit())
		op := r.intend()
		r.crash()
		replace(t, r.audit(), trail)
		r.open()
		r.wantLines(1)
		adopted, err := r.store.Adopt(t.Context(), "next")
		if err != nil || len(adopted) != 2 || adopted[1].ID != op.ID {
			t.Fatalf("adopted: %+v, %v", adopted, err)
		}
		r.record(in(operation.NotDone, adopted[1]))
		r.wantLines(2)
	})
	t.Run("of an end leaves the line without the end", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		op := r.intend()
		r.close()
		database := read(t, r.database())
		r.open()
		r.record(in(operation.Done, op))
		r.close()
		replace(t, r.database(), database)
		r.open()
		r.wantState(op.ID, operation.Intent)
		adopted, err := r.store.Adopt(t.Context(), "next")
		if err != nil || len(adopted) != 1 {
			t.Fatalf("adopted: %+v, %v", adopted, err)
		}
		r.record(in(operation.Done, adopted[0]))
		r.wantLines(3) // the end has two lines
	})
}

func TestFolderVanishesWhileItIsUsed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		remove func(r *rig) string
		lines  int64
		said   []string
	}{
		"a file it does not use": {func(r *rig) string { return r.path("probe") }, 2, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			op := r.intend()
			must(t, os.RemoveAll(c.remove(r)))
			op = r.record(in(operation.Done, op))
			r.wantLogged(c.said...)
			r.wantLines(c.lines)
			r.reopen()
			r.wantState(op.ID, operation.Done)
		})
	}
	for name, gone := range map[string]func(r *rig) string{
		"all of it, which holds the keys of what was done": func(r *rig) string { return r.folder },
		"the database, which does":                         func(r *rig) string { return r.database() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			op := r.record(in(operation.Done, r.intend()))
			must(t, os.Rename(gone(r), r.folder+".away")) // as if its disk were not mounted any more
			again := r.op()
			again.Key, again.Entries = op.Key, op.Entries
			if err := r.store.Begin(t.Context(), again); err == nil {
				t.Error("what was done before would be done again")
			}
			r.refuses("is gone")
			must(t, os.Rename(r.folder+".away", gone(r)))
			r.wantState(op.ID, operation.Done)
			r.intend()
		})
	}
}

func TestFolderThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		damage, repair func(r *rig) error
		why            string
	}{
		"is a file": {
			func(r *rig) error { return errors.Join(os.RemoveAll(r.folder), os.WriteFile(r.folder, nil, 0o600)) },
			func(r *rig) error { return os.Remove(r.folder) },
			"not a directory",
		},
		"has a folder for a database": {
			func(r *rig) error { return errors.Join(os.RemoveAll(r.database()), os.MkdirAll(r.database(), 0o700)) },
			func(r *rig) error { return os.Remove(r.database()) },
			"is a directory",
		},
		"has a folder in the trail": {
			func(r *rig) error { return os.MkdirAll(r.path("audit-9999-12.jsonl"), 0o700) },
			func(r *rig) error { return os.Remove(r.path("audit-9999-12.jsonl")) },
			"is a directory",
		},
		"is another process's": {
			func(r *rig) error {
				other := bolt.Open(r.folder, bolt.Options{NoSync: true})
				r.Cleanup(func() { _ = other.Close() })
				_, _, err := other.List(r.Context(), operation.Query{Limit: 1})
				r.repair = other.Close
				return err
			},
			func(r *rig) error { return r.repair() },
			"another process uses the folder",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.intend()
			r.close()
			must(t, c.damage(r))
			r.open()
			for range 2 {
				r.refuses(c.why)
				if err := r.store.Append(t.Context(), login(time.Now())); err == nil {
					t.Error("an event was written")
				}
			}
			must(t, c.repair(r))
			r.record(in(operation.Done, r.intend()))
		})
	}
}

func TestTrailThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	kept := r.intend()
	r.store.FillDisk(t)
	op, err := r.try()
	if err == nil {
		t.Fatal("an intent was recorded without its line")
	}
	r.wantState(kept.ID, operation.Intent)
	r.wantState(op.ID, operation.Intent) // which its owner knows, and ends
	must(t, r.store.Check(t.Context()))
	r.store.FillDisk(t)
	if err := record(t.Context(), r.store, in(operation.Done, kept)); err == nil {
		t.Error("an end was recorded without its line")
	}
	r.wantState(kept.ID, operation.Intent)
	r.record(in(operation.NotDone, op))
	r.record(in(operation.Done, kept))
	r.wantLines(3)
}

func TestDatabaseIsCorrupt(t *testing.T) {
	t.Parallel()
	page := os.Getpagesize()
	good := newRig(t)
	for range 100 {
		good.intend()
	}
	good.close()
	content, trail := read(t, good.database()), read(t, good.audit())
	garbage := func(from, to int) []byte {
		spoiled := bytes.Clone(content)
		for i := from; i < min(to, len(spoiled)); i++ {
			spoiled[i] = byte(i*7 + i>>8 | 1)
		}
		return spoiled
	}
	type spoiled struct {
		file []byte
		// everywhere reports that every call must fail. A page may
		// also be one that is not used.
		everywhere bool
	}
	cases := map[string]spoiled{
		"text":      {[]byte("this is no database"), true},
		"one byte":  {content[:1], true},
		"zeros":     {make([]byte, len(content)), true},
		"garbage":   {garbage(0, len(content)), true},
		"no meta":   {garbage(0, 2*page), true},
		"only meta": {garbage(2*page, len(content)), true},
	}
	for n := range len(content) / page {
		cases[fmt.Sprint("garbage in page ", n)] = spoiled{garbage(n*page, (n+1)*page), false}
		if n > 0 {
			cases[fmt.Sprint("cut off at page ", n)] = spoiled{content[:n*page], false}
		}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			must(t, os.MkdirAll(r.folder, 0o700))
			replace(t, r.path(filepath.Base(good.audit())), trail)
			replace(t, r.database(), c.file)
			for what, err := range use(t.Context(), r.store) {
				if err == nil && c.everywhere {
					t.Errorf("%s did not fail", what)
				}
			}
			r.close() // which keeps the corrupt file from being used for a minute
			replace(t, r.database(), content)
			replace(t, r.audit(), trail)
			r.open()
			r.wantState("op-000007", operation.Intent)
			r.made = 1000
			r.record(in(operation.Done, r.intend()))
		})
	}
}

// The file may be repaired in place, so that no process may have it open.
func TestDatabaseIsRepaired(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	op := r.intend()
	r.close()
	content := read(t, r.database())
	spoiled := bytes.Clone(content)
	clear(spoiled[2*os.Getpagesize():])
	replace(t, r.database(), spoiled)
	r.open()
	r.refuses("corrupt")
	must(t, os.WriteFile(r.database(), content, 0o600))
	r.wantState(op.ID, operation.Intent)
	r.intend()
}

// use calls the methods of a store, and returns their errors.
func use(ctx context.Context, s *bolt.Store) map[string]error {
	_, getErr := s.Get(ctx, "op-000050")
	_, _, listErr := s.List(ctx, operation.Query{Limit: 1000})
	_, _, tenantErr := s.List(ctx, operation.Query{Target: scope.Target{TenantID: "tenant"}, Limit: 1000})
	_, adoptErr := s.Adopt(ctx, "next")
	_, touchedErr := s.Touched(ctx, newOp("op-000050"))
	return map[string]error{
		"Get": getErr, "List": listErr, "List of a tenant": tenantErr, "Adopt": adoptErr, "Touched": touchedErr,
		"Begin": s.Begin(ctx, newOp("op-000101")), "Record": record(ctx, s, in(operation.Intent, newOp("op-000101"))),
		"Append": s.Append(ctx, login(time.Now())), "Prune": s.Prune(ctx, time.Now()),
		"Revoke": s.Revoke(ctx, operation.Revocation{Principal: "user"}, operation.Event{}),
	}
}

func TestDatabaseIsCutOffWhileItIsUsed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for range 200 {
		r.intend()
	}
	content := read(t, r.database())
	for part := range 20 {
		must(t, os.Truncate(r.database(), int64(len(content)*part/20)))
		for range 2 {
			use(t.Context(), r.store) // without a fault that ends the process
		}
		replace(t, r.database(), content)
		r.wantState("op-000100", operation.Intent)
		r.intend()
		content = read(t, r.database())
	}
}
