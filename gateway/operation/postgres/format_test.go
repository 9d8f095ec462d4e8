//go:build unix

package postgres

import (
	"fmt"
	"iter"
	"os"
	"strings"
	"testing"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/postgres/postgrestest"
	"ocigate/gateway/operation/storetest"
)

// These tests specify the migration of data of format 1, in testdata, and of format 2. To add
// a case, add a subtest of TestMigration that changes the tables before a store opens them.
// The move to the schema is in move_test.go.

// format1 returns a database with the data of a gateway of format 1.
func format1(t *testing.T) (address string, lines int64) {
	t.Helper()
	server, address := database(t)
	dump, err := os.ReadFile("testdata/format-1.sql")
	must(t, err)
	server.Exec(t, address, string(dump))
	server.Exec(t, address, `UPDATE ocigate_replicas SET seen = now() - interval '1 hour'`)
	return address, int64(strings.Count(string(dump), "INSERT INTO public.ocigate_audit "))
}

func TestFormat1IsMigrated(t *testing.T) {
	address, lines := format1(t)
	storetest.RunFormat1(t, storetest.Rig{
		Open:   func() operation.Store { return open(t, address, Options{}) },
		Shared: true,
		Trail:  func() iter.Seq2[[]byte, error] { return open(t, address, Options{}).Trail(t.Context()) },
	}, lines)
}

func TestMigration(t *testing.T) {
	t.Run("is made once by stores that come together, of more than a batch", func(t *testing.T) {
		server, address := format1AndMore(t, 2*rewriteBatch)
		errs := make(chan error)
		const stores = 4
		for range stores {
			s := open(t, address, Options{})
			go func() {
				_, _, err := s.List(t.Context(), operation.Query{Limit: 1})
				errs <- err
			}()
		}
		for range stores {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		const old = `SELECT count(*) || '' FROM ocigate_operations WHERE record->'entries'->0->>'kind' IS NULL OR record->>'kind' IS NOT NULL`
		if got := server.Value(t, address, old); got != "0" {
			t.Errorf("%s operations are as they were", got)
		}
		const touches = `SELECT DISTINCT touches::text FROM ocigate_operations WHERE record->'caller'->>'request_id' = 'done'`
		if got := server.Value(t, address, touches); got != "{numbers:101,numbers:102}" {
			t.Errorf("what they touch is %s", got)
		}
		if got := server.Value(t, address, `SELECT version || '' FROM ocigate_schema`); got != fmt.Sprint(len(migrations)) {
			t.Errorf("the version is %s", got)
		}
	})
	t.Run("changes nothing if it cannot read an operation", func(t *testing.T) {
		server, address := format1AndMore(t, 0)
		server.Exec(t, address, `UPDATE ocigate_operations SET operation = '{"entries": 1}' WHERE state = 'done'`)
		for range 2 {
			_, _, err := open(t, address, Options{}).List(t.Context(), operation.Query{Limit: 1})
			if err == nil || !strings.Contains(err.Error(), "the tables cannot be used: operation ") {
				t.Errorf("List: %v", err)
			}
		}
		if got := server.Value(t, address, `SELECT s.version || o.kind FROM ocigate_schema s, ocigate_operations o WHERE o.kind = 'numbers' LIMIT 1`); got != "1numbers" {
			t.Errorf("the version and kind are %s", got)
		}
	})
	t.Run("leaves nothing that a program of format 1 could read or write", func(t *testing.T) {
		address, _ := format1(t)
		s := open(t, address, Options{})
		must(t, s.Check(t.Context()))
		for _, sql := range []string{
			`SELECT operation FROM ocigate_operations WHERE open AND owner <> 'a' LIMIT 1 FOR UPDATE SKIP LOCKED`,
			`INSERT INTO ocigate_operations (id, version, owner, state, open, tenant_id, group_id, kind, entries, operation) VALUES ('a', 1, 'a', 'done', false, 'T', 'G', 'dn', '{}', '{}')`,
			`INSERT INTO ocigate_holds (tenant_id, kind, entry, operation) VALUES ('T', 'dn', '1', 'a')`,
		} {
			if _, err := s.pool.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "does not exist") {
				t.Errorf("%s: %v", sql, err)
			}
		}
	})
}

// format1AndMore returns a database of format 1 with additional operations.
func format1AndMore(t *testing.T, more int) (*postgrestest.Server, string) {
	t.Helper()
	address, _ := format1(t)
	server, err := cluster()
	must(t, err)
	server.Exec(t, address, `INSERT INTO ocigate_operations (id, version, owner, state, open, ended_at, tenant_id, group_id, kind, entries, operation)
		SELECT 'more' || n, version, owner, state, open, ended_at, tenant_id, group_id, kind, entries, operation
		FROM ocigate_operations, generate_series(1, $1::int) n WHERE operation->'caller'->>'request_id' = 'done'`, more)
	return server, address
}
