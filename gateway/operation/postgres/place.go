package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"ocigate/gateway/operation"
)

// defaultSchema is the schema of the tables if [Options.Schema] is empty.
const defaultSchema = "ocigate"

// schemaName is the form of the name of a schema.
var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// place is where the tables are, and who may own them.
type place struct {
	schema string
	owner  string // a role; empty for none beside those of trusted
}

// quoted returns the name of a schema or a table in it, for SQL.
func quoted(names ...string) string { return pgx.Identifier(names).Sanitize() }

// setPath returns the statement that makes the names of tables mean those of the schema
// until the end of the transaction, whatever the role's search path is. Temporary tables
// come last. The schema must be one that was checked: PostgreSQL searches it for functions
// and operators, too, and prefers one there whose parameters have the types of a call to one
// of the server that needs a conversion.
func (p place) setPath() string {
	return "SELECT pg_catalog.set_config('search_path', '" + quoted(p.schema) + ", pg_temp', true)"
}

// serverPath is the statement that makes all names mean those of the server.
const serverPath = "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)"

// formerPlace is a query for the schema in which a gateway before format 3 has its tables
// or would create them: it is found by the role's search path. It runs with that path, in
// which other roles may be able to create operators.
const formerPlace = `SELECT coalesce(
	(SELECT n.nspname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
		WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('ocigate_schema')::oid),
	pg_catalog.current_schema()::text, '')`

// contents is a query for what is wrong with a schema and the tables of the gateway in it. It
// runs with serverPath: what it finds may have been made by an attacker. $1 is
// the schema, and $2 the additional owner that is trusted. $3 has the names of the tables;
// if it is null, all with the prefix of the gateway count, and so does the schema itself.
// It returns whether the schema exists, whether it has the table of the version, and that of
// the operations, and up to three problems, each with what to do.
//
// Roles are trusted if they can change the tables anyway: this role, the owner of the
// database and superusers.
const contents = `WITH trusted AS (
	SELECT oid FROM pg_roles WHERE rolsuper OR rolname IN (current_user, 'pg_database_owner', $2::text)
	UNION ALL SELECT datdba FROM pg_database WHERE datname = current_database()
), place AS (
	SELECT * FROM pg_namespace WHERE nspname = $1::text
), relation AS (
	SELECT c.*, format('%I.%I', p.nspname, c.relname) AS name FROM pg_class c JOIN place p ON p.oid = c.relnamespace
	WHERE CASE WHEN $3::text[] IS NULL THEN c.relname LIKE 'ocigate\_%' ELSE c.relname = ANY ($3::text[]) END
), problem (rank, cause) AS (
	SELECT 1, format('the schema %I belongs to the role %s, which is not trusted: if it was made for the gateway, set journal.postgres_owner to that role, and otherwise journal.postgres_schema to another schema', nspname, pg_get_userbyid(nspowner))
	FROM place WHERE $3::text[] IS NULL AND nspowner NOT IN (TABLE trusted)
	UNION ALL
	SELECT 2, format('%s may create objects in the schema %I: REVOKE CREATE ON SCHEMA %2$I FROM %s', CASE grantee WHEN 0 THEN 'every role' ELSE 'the role ' || pg_get_userbyid(grantee) END,
		nspname, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
	FROM place, aclexplode(coalesce(nspacl, acldefault('n', nspowner)))
	WHERE $3::text[] IS NULL AND privilege_type = 'CREATE' AND grantee NOT IN (TABLE trusted)
	UNION ALL
	SELECT 3, format('%s belongs to the role %s, which is not trusted: if it was made for the gateway, set journal.postgres_owner to that role, and otherwise drop it', name, pg_get_userbyid(relowner))
	FROM relation WHERE relowner NOT IN (TABLE trusted)
	UNION ALL
	SELECT 4, format('%s is no ordinary table that is kept in a crash: drop it', name)
	FROM relation WHERE relkind NOT IN ('r', 'i', 'S') OR relpersistence <> 'p' OR relispartition
	UNION ALL
	SELECT 5, format('%s has row security: ALTER TABLE %1$s DISABLE ROW LEVEL SECURITY', name)
	FROM relation WHERE relrowsecurity OR relforcerowsecurity
	UNION ALL
	SELECT 6, format('%s inherits rows from another table, or another one from it: end the inheritance', name)
	FROM relation r WHERE relkind = 'r' AND EXISTS (SELECT FROM pg_inherits WHERE inhparent = r.oid OR inhrelid = r.oid)
	UNION ALL
	SELECT 7, format('%s has the trigger %I: DROP TRIGGER %2$I ON %1$s', r.name, tgname)
	FROM relation r JOIN pg_trigger ON tgrelid = r.oid WHERE NOT tgisinternal
	UNION ALL
	SELECT 8, format('%s has the rule %I: DROP RULE %2$I ON %1$s', r.name, rulename)
	FROM relation r JOIN pg_rewrite ON ev_class = r.oid
	UNION ALL
	SELECT 9, format('%s uses %s, which is not of the server: remove that', r.name, pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid))
	FROM relation r JOIN pg_depend d ON d.objid = r.oid AND d.classid = 'pg_class'::regclass
		OR d.classid = 'pg_attrdef'::regclass AND d.objid IN (SELECT oid FROM pg_attrdef WHERE adrelid = r.oid)
		OR d.classid = 'pg_constraint'::regclass AND d.objid IN (SELECT oid FROM pg_constraint WHERE conrelid = r.oid)
	WHERE d.refclassid IN ('pg_proc'::regclass, 'pg_type'::regclass, 'pg_operator'::regclass, 'pg_opclass'::regclass, 'pg_collation'::regclass)
	UNION ALL -- left from before the role lost CREATE: the names of functions and operators can mean them
	SELECT 10, format('%s belongs to the role %s, which is not trusted: drop it, or set journal.postgres_schema to another schema', pg_describe_object(class, object, 0), pg_get_userbyid(owner))
	FROM place JOIN (SELECT 'pg_proc'::regclass, oid, pronamespace, proowner FROM pg_proc
		UNION ALL SELECT 'pg_operator'::regclass, oid, oprnamespace, oprowner FROM pg_operator) AS o (class, object, namespace, owner) ON namespace = place.oid
	WHERE $3::text[] IS NULL AND owner NOT IN (TABLE trusted)
) SELECT EXISTS (SELECT FROM place), EXISTS (SELECT FROM relation WHERE relname = 'ocigate_schema'),
	EXISTS (SELECT FROM relation WHERE relname = 'ocigate_operations'),
	coalesce((SELECT string_agg(cause, '; ' ORDER BY rank, cause) FROM (SELECT * FROM problem ORDER BY rank, cause LIMIT 3) AS first), '')`

// content is what a schema has.
type content struct {
	exists  bool   // the schema
	made    bool   // the table of the version
	filled  bool   // the others; without them the version is all that leaveVersion left
	problem string // why they cannot be used, and what to do; empty for nothing
}

// check returns an error if the tables of a schema cannot be used.
func (c content) check(schema string) error {
	switch {
	case c.problem != "":
		return errors.New(c.problem)
	case c.made && !c.filled:
		return fmt.Errorf("the journal was moved from the schema %s to another one: set journal.postgres_schema to that; or drop the table %s to begin a new journal",
			schema, quoted(schema, "ocigate_schema"))
	}
	return nil
}

// look returns what a schema has of the tables, or of all of the gateway if there are no
// names. After it the search path is that of the place.
func (p place) look(ctx context.Context, tx pgx.Tx, schema string, tables []string) (found content, err error) {
	batch := &pgx.Batch{}
	batch.Queue(serverPath)
	batch.Queue(contents, schema, p.owner, tables).QueryRow(func(row pgx.Row) (err error) {
		found, err = scanContent(row)
		return err
	})
	batch.Queue(p.setPath())
	err = tx.SendBatch(ctx, batch).Close()
	return found, err
}

func scanContent(row pgx.Row) (found content, err error) {
	err = row.Scan(&found.exists, &found.made, &found.filled, &found.problem)
	return found, err
}

// layout is what a new connection finds.
type layout struct {
	content
	version int    // of the tables, 0 for none
	former  string // the schema of an earlier gateway, perhaps without tables; empty for none
}

// read returns what a connection finds, in one round trip. The error is about tables that
// cannot be read, or cannot be trusted.
func (p place) read(ctx context.Context, conn *pgx.Conn) (layout, error) {
	batch := &pgx.Batch{}
	batch.Queue(formerPlace)
	batch.Queue(serverPath) // without BEGIN, a batch is one transaction
	batch.Queue(contents, p.schema, p.owner, []string(nil))
	batch.Queue("SELECT version FROM " + quoted(p.schema, "ocigate_schema"))
	results := conn.SendBatch(ctx, batch)
	defer results.Close() //nolint:errcheck // it fails if there are no tables
	var found layout
	err := results.QueryRow().Scan(&found.former)
	if err == nil {
		_, err = results.Exec()
	}
	if err == nil {
		found.content, err = scanContent(results.QueryRow())
	}
	if err == nil {
		err = found.check(p.schema)
	}
	if err == nil && found.made {
		err = results.QueryRow().Scan(&found.version)
	}
	return found, err
}

// mayNotCreate reports whether the error means that the role may not create tables, or has
// no schema for them.
func mayNotCreate(err error) bool {
	refusal, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (refusal.Code == "42501" || refusal.Code == "3F000") // insufficient_privilege, invalid_schema_name
}

// explain says what a role needs that may not create the tables.
func (p place) explain(err error) error {
	return fmt.Errorf("making them: %w: the role needs CREATE on the database, or on the schema %s if there is one, or the owner of the tables makes them once", err, p.schema)
}

// query runs a query outside of a transaction, with the search path, in one round trip. It
// calls read with the rows.
func (s *Store) query(ctx context.Context, read func(pgx.Rows) error, sql string, args ...any) error {
	batch := &pgx.Batch{}
	batch.Queue(s.place.setPath()) // without BEGIN, a batch is one transaction
	batch.Queue(sql, args...)
	results := s.pool.SendBatch(ctx, batch)
	defer results.Close() //nolint:errcheck // nothing was written
	if _, err := results.Exec(); err != nil {
		return err
	}
	rows, err := results.Query()
	if err != nil {
		return err
	}
	return read(rows)
}

// operations returns the operations of a query outside of a transaction, whose only column
// is the record.
func (s *Store) operations(ctx context.Context, sql string, args ...any) (found []operation.Operation, err error) {
	err = s.query(ctx, func(rows pgx.Rows) error {
		found, err = collect(rows, nil)
		return err
	}, sql, args...)
	return found, err
}
