//go:build unix

package postgres

import (
	"context"
	"fmt"
	"iter"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/storetest"
)

// These tests specify how tables of formats 1 and 2 are moved from the schema of the role's
// search path. To add a case, add a subtest of TestMove.

// dump1 has the owner of the database make tables of format 1 in public, from testdata. It
// returns the number of lines of the trail.
func (s *site) dump1() int64 {
	s.Helper()
	dump, err := os.ReadFile("testdata/format-1.sql")
	must(s.T, err)
	s.exec(s.mine, string(dump), "UPDATE public.ocigate_replicas SET seen = now() - interval '1 hour'")
	return int64(strings.Count(string(dump), "INSERT INTO public.ocigate_audit "))
}

// dump2 does so with tables of format 2: what the program of that format made of those of
// format 1.
func (s *site) dump2() int64 {
	s.Helper()
	lines := s.dump1()
	conn, err := pgx.Connect(s.Context(), s.mine)
	must(s.T, err)
	defer func() { must(s.T, conn.Close(s.Context())) }()
	must(s.T, pgx.BeginFunc(s.Context(), conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(s.Context(), tables2); err != nil {
			return err
		}
		if err := rewrite1(s.Context(), tx); err != nil {
			return err
		}
		_, err := tx.Exec(s.Context(), "UPDATE ocigate_schema SET version = 2")
		return err
	}))
	return lines
}

// wantMoved checks that the tables are in the schema, and only the version in public.
func (s *site) wantMoved() {
	s.Helper()
	const where = `SELECT coalesce(string_agg(relname, ' ' ORDER BY relname), '') FROM pg_class WHERE relkind = 'r' AND relname LIKE 'ocigate\_%' AND relnamespace = $1::regnamespace`
	if got := s.server.Value(s, s.admin, where, "public"); got != "ocigate_schema" {
		s.Errorf("public has the tables %s", got)
	}
	want := "ocigate_audit ocigate_audit_archived ocigate_audit_head ocigate_holds ocigate_keys ocigate_operations ocigate_replicas ocigate_revocations ocigate_schema"
	if got := s.server.Value(s, s.admin, where, "ocigate"); got != want {
		s.Errorf("the schema has the tables %s, want %s", got, want)
	}
	for _, schema := range []string{"public", "ocigate"} {
		if got := s.server.Value(s, s.admin, "SELECT string_agg(version || '', ' ') FROM "+schema+".ocigate_schema"); got != fmt.Sprint(len(migrations)) {
			s.Errorf("the version in %s is %s", schema, got)
		}
	}
}

// wantNotMoved checks that the tables of an earlier version are where they were.
func (s *site) wantNotMoved(version int) {
	s.Helper()
	if got := s.server.Value(s, s.admin, "SELECT s.version || '' FROM public.ocigate_schema s, public.ocigate_operations LIMIT 1"); got != fmt.Sprint(version) {
		s.Errorf("the version in public is %s", got)
	}
	if got := s.server.Value(s, s.admin, "SELECT count(*) || '' FROM pg_namespace WHERE nspname = 'ocigate'"); got != "0" {
		s.Error("a schema was made")
	}
}

func TestMoveKeepsTheData(t *testing.T) {
	for name, dump := range map[string]func(*site) int64{"of format 1": (*site).dump1, "of format 2": (*site).dump2} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			lines := dump(s)
			if found, err := Inspect(t.Context(), s.mine, Options{}); err != nil || found.Former != "public" || found.Format < 1 || found.Format > 2 || !found.MayCreate {
				t.Errorf("before: %+v, %v", found, err)
			}
			storetest.RunFormat1(t, storetest.Rig{
				Open:   func() operation.Store { return open(t, s.mine, Options{}) },
				Shared: true,
				Trail:  func() iter.Seq2[[]byte, error] { return open(t, s.mine, Options{}).Trail(t.Context()) },
			}, lines)
			s.wantMoved()
			if found, err := Inspect(t.Context(), s.mine, Options{}); err != nil || found.Former != "" || found.Format != len(migrations) {
				t.Errorf("after: %+v, %v", found, err)
			}
		})
	}
}

func TestMove(t *testing.T) {
	t.Run("is made once by stores that come together", func(t *testing.T) {
		s := newSite(t)
		s.dump2()
		errs := make(chan error)
		const stores = 4
		for range stores {
			store := open(t, s.mine, Options{})
			go func() { errs <- store.Check(context.WithoutCancel(t.Context())) }()
		}
		for range stores {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		s.wantMoved()
	})
	t.Run("of tables that another role has planted is refused", func(t *testing.T) {
		for want, spoil := range map[string]string{
			"public.ocigate_audit belongs to the role MALLORY":  "ALTER TABLE public.ocigate_audit OWNER TO MALLORY",
			"public.ocigate_schema belongs to the role MALLORY": "ALTER TABLE public.ocigate_schema OWNER TO MALLORY",
			"public.ocigate_keys has the trigger planted": `CREATE FUNCTION public.t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
				CREATE TRIGGER planted BEFORE INSERT ON public.ocigate_keys FOR EACH ROW EXECUTE FUNCTION public.t()`,
		} {
			s := newSite(t)
			s.dump2()
			s.exec(s.admin, "GRANT SELECT ON public.ocigate_schema TO PUBLIC", spoil)
			s.refuses(Options{}, want)
			s.wantNotMoved(2)
		}
	})
	t.Run("leaves a program of format 2 nothing to run with", func(t *testing.T) {
		s := newSite(t)
		s.dump2()
		before, err := pgx.Connect(t.Context(), s.mine) // it has checked the tables
		must(t, err)
		defer func() { must(t, before.Close(t.Context())) }()
		must(t, open(t, s.mine, Options{}).Check(t.Context()))
		for _, sql := range statements2 {
			if _, err := before.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "does not exist") {
				t.Errorf("%s: %v", sql, err)
			}
		}
		var version int
		must(t, before.QueryRow(t.Context(), "SELECT version FROM ocigate_schema WHERE to_regclass('ocigate_schema') IS NOT NULL").Scan(&version))
		if version != len(migrations) {
			t.Errorf("a new connection of it finds version %d", version)
		}
	})
	t.Run("leaves it nothing to send with if its search path leads to the schema", func(t *testing.T) {
		s := newSite(t)
		s.exec(s.admin, "ALTER ROLE OWNER_ROLE SET search_path = ocigate, public")
		s.dump2()
		before, err := pgx.Connect(t.Context(), s.mine)
		must(t, err)
		defer func() { must(t, before.Close(t.Context())) }()
		must(t, open(t, s.mine, Options{}).Check(t.Context()))
		for _, sql := range statements2[:2] {
			if _, err := before.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), `column "seen"`) {
				t.Errorf("%s: %v", sql, err)
			}
		}
		s.wantMoved()
	})
	t.Run("is not needed for tables that are in the schema already", func(t *testing.T) {
		s := newSite(t)
		s.dump2()
		s.exec(s.mine, "ALTER SCHEMA public RENAME TO ocigate", "CREATE SCHEMA public", "REVOKE CREATE ON SCHEMA ocigate FROM PUBLIC")
		useAll(t, open(t, s.mine, Options{}), "op")
		s.wantMoved()
	})
	t.Run("fails with what to do if the role does not own the tables", func(t *testing.T) {
		s := newSite(t)
		s.dump2()
		s.exec(s.admin, "GRANT SELECT ON public.ocigate_schema TO MALLORY", "GRANT CREATE ON DATABASE "+strings.TrimPrefix(s.owner, "owner_")+" TO MALLORY")
		err := open(t, s.theirs, Options{}).Check(t.Context())
		if err == nil || !strings.Contains(err.Error(), "must be owner of table ocigate_operations") || !strings.Contains(err.Error(), "the owner of the tables makes them once") {
			t.Error(err)
		}
		s.wantNotMoved(2)
	})
	t.Run("leaves the version for earlier programs of a new journal, too", func(t *testing.T) {
		s := newSite(t)
		must(t, open(t, s.mine, Options{}).Check(t.Context()))
		s.wantMoved()
	})
}

// statements2 are of a program of format 2: those of each intent and of each check, and
// others.
var statements2 = []string{
	`SELECT seen + lease / 2 > clock_timestamp() FROM ocigate_replicas WHERE owner = 'a'`,
	`INSERT INTO ocigate_replicas (owner, seen, lease) VALUES ('a', clock_timestamp(), interval '0')
		ON CONFLICT (owner) DO UPDATE SET seen = excluded.seen`,
	`INSERT INTO ocigate_holds (tenant_id, kind, key, operation) VALUES ('T', 'dn', '1', 'a')`,
	`INSERT INTO ocigate_operations (id, version, owner, state, open, ended_at, tenant_id, group_id, user_id, touches, record, freed_at)
		VALUES ('a', 1, 'a', 'intent', true, NULL, 'T', 'G', '', '{}', '{}', NULL)`,
	`SELECT record FROM ocigate_operations LIMIT 1`,
	`SELECT seq, hash FROM ocigate_audit_head FOR UPDATE`,
}
