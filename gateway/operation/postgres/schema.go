package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"ocigate/gateway/operation"
)

// migrations create the tables, one step for each version of the schema, which is also
// the number of [operation.Format]. A released step is never changed.
var migrations = []migration{{sql: tables1}, {sql: tables2, rewrite: rewrite1}, {sql: tables3 + tables3Audit}}

// migration is one step: statements, and then a function for what they cannot do.
type migration struct {
	sql     string
	rewrite func(ctx context.Context, tx pgx.Tx) error // nil for nothing
}

const tables1 = `
CREATE TABLE ocigate_operations (
	id        text COLLATE "C" PRIMARY KEY,
	begun     bigint GENERATED ALWAYS AS IDENTITY, -- in the order of Begin
	version   bigint NOT NULL,
	owner     text COLLATE "C" NOT NULL,
	adoption  text COLLATE "C",                    -- the call of Adopt that gave it to its owner
	state     text COLLATE "C" NOT NULL,
	open      boolean NOT NULL,                    -- somebody has to take care of it
	ended_at  timestamptz,
	tenant_id text COLLATE "C" NOT NULL,
	group_id  text COLLATE "C" NOT NULL,
	kind      text COLLATE "C" NOT NULL,
	entries   text[] COLLATE "C" NOT NULL,
	operation json NOT NULL                        -- all of it, as it was recorded
);
CREATE INDEX ocigate_operations_begun ON ocigate_operations (tenant_id, begun);
CREATE INDEX ocigate_operations_tenant ON ocigate_operations (tenant_id, id);
CREATE INDEX ocigate_operations_group ON ocigate_operations (tenant_id, group_id, id);
CREATE INDEX ocigate_operations_state ON ocigate_operations (state, id);
CREATE INDEX ocigate_operations_open ON ocigate_operations (owner) WHERE open;
CREATE INDEX ocigate_operations_ended ON ocigate_operations (ended_at) WHERE NOT open;

CREATE TABLE ocigate_keys (
	caller    text COLLATE "C",
	endpoint  text COLLATE "C",
	key       text COLLATE "C",
	operation text COLLATE "C" NOT NULL,
	expires   timestamptz NOT NULL,
	PRIMARY KEY (caller, endpoint, key)
);
CREATE INDEX ocigate_keys_operation ON ocigate_keys (operation);
CREATE INDEX ocigate_keys_expires ON ocigate_keys (expires);

CREATE TABLE ocigate_holds (
	tenant_id text COLLATE "C",
	kind      text COLLATE "C",
	entry     text COLLATE "C",
	operation text COLLATE "C" NOT NULL,
	PRIMARY KEY (tenant_id, kind, entry)
);
CREATE INDEX ocigate_holds_operation ON ocigate_holds (operation);

CREATE TABLE ocigate_replicas (
	owner text COLLATE "C" PRIMARY KEY,
	seen  timestamptz NOT NULL,
	lease interval NOT NULL
);

CREATE TABLE ocigate_audit (
	seq  bigint PRIMARY KEY,
	line text NOT NULL -- as it was sealed
);
CREATE TABLE ocigate_audit_head (
	single boolean PRIMARY KEY DEFAULT true CHECK (single),
	seq    bigint NOT NULL,
	hash   text NOT NULL
);
INSERT INTO ocigate_audit_head (seq, hash) VALUES (0, '');
`

// tables2 renames the column of the operation, so that a program that supports only
// version 1 fails on a connection that it has opened before, and does not misread the
// rows as version 1.
const tables2 = `
ALTER TABLE ocigate_operations RENAME COLUMN operation TO record;
ALTER TABLE ocigate_operations RENAME COLUMN entries TO touches; -- kind:key, of the entries that it may change
UPDATE ocigate_operations SET touches = ARRAY(SELECT kind || ':' || key FROM unnest(touches) WITH ORDINALITY AS t (key, place) ORDER BY place);
ALTER TABLE ocigate_operations DROP COLUMN kind;
ALTER TABLE ocigate_operations ADD COLUMN user_id text COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX ocigate_operations_user ON ocigate_operations (tenant_id, group_id, user_id, id) WHERE user_id <> '';
ALTER TABLE ocigate_operations ADD COLUMN begun_at timestamptz NOT NULL DEFAULT clock_timestamp(); -- by the server's clock, as
ALTER TABLE ocigate_operations ADD COLUMN freed_at timestamptz;                                    -- when it freed something last
CREATE INDEX ocigate_operations_freed ON ocigate_operations (tenant_id, freed_at) WHERE freed_at IS NOT NULL;
ALTER TABLE ocigate_holds RENAME COLUMN entry TO key;
`

// tables3 adds the revocations of tokens. It renames the time of a lease, so that a program
// that supports only version 2 can begin and send nothing on a connection that it has
// opened before, and whose search path leads to the schema. It can still record the
// outcomes of what it has sent.
const tables3 = `
ALTER TABLE ocigate_replicas RENAME COLUMN seen TO renewed;
CREATE TABLE ocigate_revocations (
	principal text COLLATE "C",
	token     text COLLATE "C",                    -- its id, empty for all tokens of the principal
	revision  bigint GENERATED ALWAYS AS IDENTITY, -- in the order in which the transactions end
	issued    timestamptz NOT NULL,                -- tokens that were issued until then are revoked
	expires   timestamptz NOT NULL,                -- when none of these tokens can be valid any more
	PRIMARY KEY (principal, token)
);
CREATE INDEX ocigate_revocations_revision ON ocigate_revocations (revision);
CREATE INDEX ocigate_revocations_expires ON ocigate_revocations (expires);
`

// tables3Audit adds the last line of the audit trail that was archived. The gateway's role
// cannot change it, so it is no column of the head.
const tables3Audit = `
CREATE TABLE ocigate_audit_archived (
	single boolean PRIMARY KEY DEFAULT true CHECK (single),
	seq    bigint NOT NULL,
	hash   text NOT NULL
);
INSERT INTO ocigate_audit_archived (seq, hash) VALUES (0, '');
`

// rewriteBatch is how many operations are rewritten with one statement.
const rewriteBatch = 1000

// rewrite1 rewrites the operations of version 1 in the format of version 2.
func rewrite1(ctx context.Context, tx pgx.Tx) error {
	for last := ""; ; {
		rows, err := tx.Query(ctx, `SELECT id, record FROM ocigate_operations WHERE id > $1 ORDER BY id LIMIT $2`, last, rewriteBatch)
		if err != nil {
			return err
		}
		var ids, bodies []string
		var id string
		var body []byte
		if _, err := pgx.ForEachRow(rows, []any{&id, &body}, func() error {
			op, err := operation.Decode1(body)
			if err != nil {
				return fmt.Errorf("operation %s: %w", id, err)
			}
			text, err := encode(&op)
			ids, bodies = append(ids, id), append(bodies, text)
			return err
		}); err != nil {
			return err
		}
		if len(ids) == 0 {
			return nil
		}
		if _, err := tx.Exec(ctx, `UPDATE ocigate_operations o SET record = new.body::json
			FROM unnest($1::text[], $2::text[]) AS new (id, body) WHERE o.id = new.id`, ids, bodies); err != nil {
			return err
		}
		last = ids[len(ids)-1]
	}
}

// schemaLock is the advisory lock of the migrations: "ocigate" in ASCII.
const schemaLock = 0x6f636967617465

// prepare checks the tables, and creates or migrates them if necessary, before a new
// connection is used. So it is also done if the server restarts with another database.
func (s *Store) prepare(ctx context.Context, conn *pgx.Conn) error {
	found, err := s.read(ctx, conn)
	if err == nil && found.version < len(migrations) {
		if found.version, err = s.migrate(ctx, conn, found.former); mayNotCreate(err) {
			err = s.place.explain(err)
		}
	}
	if err == nil {
		err = operation.CheckFormat(found.version)
	}
	if err != nil {
		return fmt.Errorf("the tables cannot be used: %w", err)
	}
	return nil
}

// read returns what a new connection finds.
func (s *Store) read(ctx context.Context, conn *pgx.Conn) (layout, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.place.read(ctx, conn)
}

// migrationTimeout limits all migrations together. Each of their statements has the
// store's timeout.
const migrationTimeout = 10 * time.Minute

// migrate makes the migrations that were not made yet, all or none, and returns the version
// of the schema afterwards. Tables of an earlier gateway in the former schema are moved
// first.
func (s *Store) migrate(ctx context.Context, conn *pgx.Conn, former string) (version int, err error) {
	ctx, cancel := context.WithTimeout(ctx, migrationTimeout)
	defer cancel()
	tx, err := conn.BeginTx(ctx, s.begin(durably))
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback(ctx) }() // does nothing after a commit
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, schemaLock); err != nil {
		return 0, err
	}
	if err := checkEncoding(ctx, tx); err != nil {
		return 0, err
	}
	if version, err = s.place.enter(ctx, tx, former); err != nil {
		return 0, err
	}
	if version, err = makeMigrations(ctx, tx, version); err != nil {
		return 0, err
	}
	if err := s.place.leaveVersion(ctx, tx, former, version); err != nil {
		return 0, err
	}
	return version, tx.Commit(ctx)
}

// enter creates the schema if there is none, and returns the version of the tables that are
// there or were moved there.
func (p place) enter(ctx context.Context, tx pgx.Tx, former string) (version int, err error) {
	found, err := p.look(ctx, tx, p.schema, nil) // again: another replica may have been faster
	if err == nil {
		err = found.check(p.schema)
	}
	switch {
	case err != nil:
		return 0, err
	case found.made:
		return version, tx.QueryRow(ctx, `SELECT version FROM ocigate_schema`).Scan(&version)
	case !found.exists:
		if _, err := tx.Exec(ctx, "CREATE SCHEMA "+quoted(p.schema)); err != nil {
			return 0, err
		}
	}
	if version, err = p.moveFormer(ctx, tx, former); err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, `CREATE TABLE ocigate_schema (version integer NOT NULL); INSERT INTO ocigate_schema VALUES (0)`)
	return version, err
}

// makeMigrations makes the migrations from a version on, and returns the new version.
func makeMigrations(ctx context.Context, tx pgx.Tx, version int) (int, error) {
	for ; version < len(migrations); version++ {
		m := migrations[version]
		if _, err := tx.Exec(ctx, m.sql); err != nil {
			return 0, err
		}
		if m.rewrite == nil {
			continue
		}
		if err := m.rewrite(ctx, tx); err != nil {
			return 0, err
		}
	}
	_, err := tx.Exec(ctx, `UPDATE ocigate_schema SET version = $1`, version)
	return version, err
}

// checkEncoding returns an error unless the database is encoded in UTF8: a line of the
// trail can have any character.
func checkEncoding(ctx context.Context, tx pgx.Tx) error {
	var encoding string
	err := tx.QueryRow(ctx, `SELECT current_setting('server_encoding')`).Scan(&encoding)
	if err == nil && encoding != "UTF8" {
		return fmt.Errorf("the database is encoded in %s, and must be in UTF8", encoding)
	}
	return err
}
