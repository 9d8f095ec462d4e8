//go:build unix

package postgres

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"ocigate/gateway/operation/postgres/postgrestest"
)

// These tests specify whose schema and tables are used. To add a case, add a statement that
// makes them unsafe to the table of TestPlaceThatIsNotTrusted.

// site is a database of a role of its own, as an operator makes it, with another role that
// may connect to it.
type site struct {
	*testing.T
	server *postgrestest.Server
	admin  string // the URL for the superuser
	mine   string // the URL for the owner of the database
	theirs string // the URL for the other role, which may create tables in public
	owner  string
	other  string
}

func newSite(t *testing.T) *site {
	t.Helper()
	server, admin := database(t)
	u, err := url.Parse(admin)
	must(t, err)
	name := strings.TrimPrefix(u.Path, "/")
	s := &site{T: t, server: server, admin: admin, owner: "owner_" + name, other: "mallory_" + name}
	s.exec(admin,
		"CREATE ROLE "+s.owner+" LOGIN PASSWORD 'secret'", "CREATE ROLE "+s.other+" LOGIN PASSWORD 'secret'",
		"ALTER DATABASE "+name+" OWNER TO "+s.owner, "GRANT CREATE ON SCHEMA public TO PUBLIC")
	s.mine, s.theirs = server.URL(s.owner, "secret", name), server.URL(s.other, "secret", name)
	return s
}

func (s *site) exec(address string, statements ...string) {
	s.Helper()
	for _, sql := range statements {
		s.server.Exec(s, address, s.names(sql))
	}
}

// names replaces the names of the roles.
func (s *site) names(text string) string {
	return strings.NewReplacer("MALLORY", s.other, "OWNER_ROLE", s.owner).Replace(text)
}

// refuses checks that a new store cannot be used, and why.
func (s *site) refuses(o Options, want ...string) {
	s.Helper()
	_, inspected := Inspect(s.Context(), s.mine, o)
	store := open(s.T, s.mine, o)
	for what, err := range map[string]error{"Begin": store.Begin(s.Context(), received("op", "a", "1")), "Inspect": inspected} {
		for _, text := range want {
			if err == nil || !strings.Contains(err.Error(), s.names(text)) {
				s.Errorf("%s: %v, want something about %q", what, err, s.names(text))
			}
		}
	}
}

// plant makes the tables of an earlier version in public as another role, with a trigger.
func (s *site) plant() {
	s.Helper()
	s.exec(s.theirs, tables1, tables2, "CREATE TABLE ocigate_schema (version integer); INSERT INTO ocigate_schema VALUES (2)",
		"GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC",
		`CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.record := '{}'; RETURN NEW; END $$`,
		"CREATE TRIGGER planted BEFORE INSERT OR UPDATE ON ocigate_operations FOR EACH ROW EXECUTE FUNCTION planted()")
}

func TestPlantedTables(t *testing.T) {
	t.Run("are not looked at if there is a journal", func(t *testing.T) {
		s := newSite(t)
		must(t, open(t, s.mine, Options{}).Check(t.Context()))
		s.exec(s.mine, "DROP TABLE public.ocigate_schema")
		s.plant()
		useAll(t, open(t, s.mine, Options{}), "op")
		if got := s.server.Value(t, s.admin, "SELECT count(*) || '' FROM public.ocigate_operations"); got != "0" {
			t.Errorf("%s operations are in the planted table", got)
		}
	})
	t.Run("are refused if they may be the journal", func(t *testing.T) {
		s := newSite(t)
		s.plant()
		s.refuses(Options{}, "public.ocigate_audit belongs to the role MALLORY", "journal.postgres_owner", "drop it")
		if got := s.server.Value(t, s.admin, "SELECT count(*) || '' FROM pg_namespace WHERE nspname = 'ocigate'"); got != "0" {
			t.Error("a schema was made")
		}
		s.exec(s.theirs, "DROP TABLE ocigate_schema, ocigate_operations, ocigate_keys, ocigate_holds, ocigate_replicas, ocigate_audit, ocigate_audit_head")
		useAll(t, open(t, s.mine, Options{}), "op")
	})
	t.Run("of the version alone are refused", func(t *testing.T) {
		s := newSite(t)
		s.exec(s.theirs, "CREATE TABLE ocigate_schema (version integer); INSERT INTO ocigate_schema VALUES (2); GRANT SELECT ON ocigate_schema TO PUBLIC")
		s.refuses(Options{}, "public.ocigate_schema belongs to the role MALLORY")
	})
	t.Run("that are temporary are not used", func(t *testing.T) {
		s := newSite(t)
		store := open(t, s.mine, Options{Connections: 1})
		must(t, store.Check(t.Context()))
		_, err := store.pool.Exec(t.Context(), "CREATE TEMPORARY TABLE ocigate_operations (record text); CREATE TEMPORARY TABLE ocigate_replicas (owner text)")
		must(t, err)
		useAll(t, store, "op")
	})
}

// TestPlantedFunctions plants functions and operators in the schema, before there is a
// journal, that fit the calls of the check better than those of the server. They would run
// as the role of the gateway.
func TestPlantedFunctions(t *testing.T) {
	s := newSite(t)
	s.exec(s.admin, "CREATE SCHEMA ocigate AUTHORIZATION MALLORY")
	const run = `LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('ocigate.runs'); RETURN `
	s.exec(s.theirs,
		"GRANT USAGE ON SCHEMA ocigate TO PUBLIC; CREATE SEQUENCE ocigate.runs; GRANT ALL ON SEQUENCE ocigate.runs TO PUBLIC",
		"CREATE FUNCTION ocigate.format(text, name, name) RETURNS text "+run+"''; END $$",
		"CREATE FUNCTION ocigate.format(text, name, text) RETURNS text "+run+"''; END $$",
		"CREATE FUNCTION ocigate.same(oid, integer) RETURNS boolean "+run+"false; END $$",
		"CREATE OPERATOR ocigate.= (LEFTARG = oid, RIGHTARG = integer, FUNCTION = ocigate.same)",
		"CREATE FUNCTION ocigate.same(oid, regclass) RETURNS boolean "+run+"false; END $$",
		"CREATE OPERATOR ocigate.= (LEFTARG = oid, RIGHTARG = regclass, FUNCTION = ocigate.same)",
		"CREATE TABLE ocigate.ocigate_schema (version integer); GRANT ALL ON ocigate.ocigate_schema TO PUBLIC; GRANT CREATE ON SCHEMA ocigate TO PUBLIC")
	s.refuses(Options{}, "the schema ocigate belongs to the role MALLORY", "every role may create objects in the schema ocigate")
	if got := s.server.Value(t, s.admin, "SELECT is_called || '' FROM ocigate.runs"); got != "false" {
		t.Error("a planted function was run")
	}
}

func TestPlaceThatIsNotTrusted(t *testing.T) {
	const function = `CREATE FUNCTION public.f() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'; CREATE FUNCTION public.t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'`
	for _, c := range []struct{ name, spoil, repair, want string }{
		{"a schema of another role", "ALTER SCHEMA ocigate OWNER TO MALLORY", "ALTER SCHEMA ocigate OWNER TO OWNER_ROLE",
			"the schema ocigate belongs to the role MALLORY, which is not trusted"},
		{"a schema that is open to all", "GRANT CREATE ON SCHEMA ocigate TO PUBLIC", "REVOKE CREATE ON SCHEMA ocigate FROM PUBLIC",
			"every role may create objects in the schema ocigate: REVOKE CREATE ON SCHEMA ocigate FROM PUBLIC"},
		{"a schema that is open to another role", "GRANT CREATE ON SCHEMA ocigate TO MALLORY", "REVOKE CREATE ON SCHEMA ocigate FROM MALLORY",
			"the role MALLORY may create objects in the schema ocigate: REVOKE CREATE ON SCHEMA ocigate FROM MALLORY"},
		{"a table of another role", "ALTER TABLE ocigate.ocigate_audit OWNER TO MALLORY", "ALTER TABLE ocigate.ocigate_audit OWNER TO OWNER_ROLE",
			"ocigate.ocigate_audit belongs to the role MALLORY, which is not trusted"},
		{"a trigger", "CREATE TRIGGER planted BEFORE INSERT ON ocigate.ocigate_audit FOR EACH ROW EXECUTE FUNCTION public.t()", "DROP TRIGGER planted ON ocigate.ocigate_audit",
			"ocigate.ocigate_audit has the trigger planted: DROP TRIGGER planted ON ocigate.ocigate_audit"},
		{"a rule", "CREATE RULE planted AS ON INSERT TO ocigate.ocigate_audit DO INSTEAD NOTHING", "DROP RULE planted ON ocigate.ocigate_audit",
			"ocigate.ocigate_audit has the rule planted: DROP RULE planted ON ocigate.ocigate_audit"},
		{"row security", "ALTER TABLE ocigate.ocigate_keys ENABLE ROW LEVEL SECURITY", "ALTER TABLE ocigate.ocigate_keys DISABLE ROW LEVEL SECURITY",
			"ocigate.ocigate_keys has row security"},
		{"a table that inherits", "CREATE TABLE public.child () INHERITS (ocigate.ocigate_holds)", "DROP TABLE public.child", "ocigate.ocigate_holds inherits rows"},
		{"a table that a crash empties", "ALTER TABLE ocigate.ocigate_audit SET UNLOGGED", "ALTER TABLE ocigate.ocigate_audit SET LOGGED",
			"ocigate.ocigate_audit is no ordinary table that is kept in a crash"},
		{"a view", "ALTER TABLE ocigate.ocigate_keys RENAME TO aside; CREATE VIEW ocigate.ocigate_keys AS TABLE ocigate.aside",
			"DROP VIEW ocigate.ocigate_keys; ALTER TABLE ocigate.aside RENAME TO ocigate_keys", "ocigate.ocigate_keys is no ordinary table"},
		{"a function as a default", "ALTER TABLE ocigate.ocigate_audit ALTER seq SET DEFAULT public.f()", "ALTER TABLE ocigate.ocigate_audit ALTER seq DROP DEFAULT",
			"ocigate.ocigate_audit uses function public.f(), which is not of the server"},
		{"a function as a check", "ALTER TABLE ocigate.ocigate_audit ADD CONSTRAINT planted CHECK (seq > public.f() - 1)", "ALTER TABLE ocigate.ocigate_audit DROP CONSTRAINT planted",
			"ocigate.ocigate_audit uses function public.f()"},
		{"a function in an index", "ALTER FUNCTION public.f() IMMUTABLE; CREATE INDEX ocigate_planted ON ocigate.ocigate_audit ((seq + public.f()))", "DROP INDEX ocigate.ocigate_planted",
			"ocigate.ocigate_planted uses function public.f()"},
		{"a function that another role has left", "CREATE FUNCTION ocigate.f() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'; ALTER FUNCTION ocigate.f() OWNER TO MALLORY",
			"DROP FUNCTION ocigate.f()", "function ocigate.f() belongs to the role MALLORY, which is not trusted: drop it"},
		{"an operator that another role has left", "CREATE OPERATOR ocigate.+ (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.textcat); ALTER OPERATOR ocigate.+ (text, text) OWNER TO MALLORY",
			"DROP OPERATOR ocigate.+ (text, text)", "operator ocigate.+(text,text) belongs to the role MALLORY"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			store := open(t, s.mine, Options{})
			must(t, store.Check(t.Context()))
			s.exec(s.admin, function, "GRANT USAGE ON SCHEMA ocigate TO PUBLIC", c.spoil)
			s.refuses(Options{}, c.want)
			if err := store.Check(t.Context()); err == nil || !strings.Contains(err.Error(), s.names(c.want)) {
				t.Errorf("the check of a connection that was open before: %v", err)
			}
			s.exec(s.admin, c.repair)
			must(t, store.Check(t.Context()))
			useAll(t, open(t, s.mine, Options{}), "op")
		})
	}
}

// TestTablesOfAThirdRole has a role that is neither the gateway's nor the owner of the
// database create the tables.
func TestTablesOfAThirdRole(t *testing.T) {
	s := newSite(t)
	s.exec(s.admin, "CREATE SCHEMA ocigate AUTHORIZATION MALLORY")
	s.refuses(Options{}, "the schema ocigate belongs to the role MALLORY")
	must(t, open(t, s.theirs, Options{}).Check(t.Context()))
	s.refuses(Options{}, "the schema ocigate belongs to the role MALLORY", "ocigate.ocigate_audit belongs to the role MALLORY", "journal.postgres_owner")
	for _, sql := range grants(t) {
		s.exec(s.admin, strings.Replace(sql, " TO gateway", " TO OWNER_ROLE", 1))
	}
	s.exec(s.admin, "GRANT SELECT, INSERT, UPDATE, DELETE ON ocigate.ocigate_revocations TO OWNER_ROLE")
	useAll(t, open(t, s.mine, Options{Owner: s.other}), "op")
	found, err := Inspect(t.Context(), s.mine, Options{Owner: s.other})
	if err != nil || found.Format != len(migrations) || found.Missing != "" {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestSchemaOfTheConfiguration(t *testing.T) {
	s := newSite(t)
	for _, schema := range []string{"first", "second"} {
		store := open(t, s.mine, Options{Schema: schema})
		useAll(t, store, "op")
		if got := s.server.Value(t, s.admin, fmt.Sprintf("SELECT count(*) || '' FROM %s.ocigate_operations", schema)); got != "1" {
			t.Errorf("%s operations are in %s", got, schema)
		}
	}
	s.refuses(Options{Schema: "public"}, "every role may create objects in the schema public")
	s.exec(s.admin, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
	s.refuses(Options{Schema: "public"}, "the journal was moved from the schema public to another one: set journal.postgres_schema to that")
	s.exec(s.mine, "DROP TABLE public.ocigate_schema")
	must(t, open(t, s.mine, Options{Schema: "public"}).Check(t.Context()))
	// Then the setting is lost.
	s.refuses(Options{}, "the journal is in the schema public: set journal.postgres_schema to it")
}
