package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// migrations make the tables, one step for each version of the schema. A step
// that was released is never changed.
var migrations = []string{`
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
`}

// schemaLock is the advisory lock of whoever makes the tables: "ocigate" in
// ASCII.
const schemaLock = 0x6f636967617465

// prepare makes sure of the tables before a new connection is used, so that
// nobody has to remember whether that was done: not even when the server comes
// back with another database.
func (s *Store) prepare(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	version, err := schemaVersion(ctx, conn)
	if err == nil && version < len(migrations) {
		if version, err = s.migrate(ctx, conn); mayNotCreate(err) {
			err = fmt.Errorf("making them: %w: the role needs CREATE on the first schema of its search path, or another role makes them once", err)
		}
	}
	if err == nil && version > len(migrations) {
		err = fmt.Errorf("they have version %d, and this program knows none above %d", version, len(migrations))
	}
	if err != nil {
		return fmt.Errorf("the tables cannot be used: %w", err)
	}
	return nil
}

// mayNotCreate reports whether the role may not make tables, or has no schema for
// them.
func mayNotCreate(err error) bool {
	refusal, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (refusal.Code == "42501" || refusal.Code == "3F000") // insufficient_privilege, invalid_schema_name
}

// schemaVersion is how many of the migrations were made.
func schemaVersion(ctx context.Context, conn *pgx.Conn) (version int, err error) {
	var made bool
	err = conn.QueryRow(ctx, `SELECT to_regclass('ocigate_schema') IS NOT NULL`).Scan(&made)
	if err == nil && made {
		err = conn.QueryRow(ctx, `SELECT version FROM ocigate_schema`).Scan(&version)
	}
	return version, err
}

// migrate makes the migrations that were not made yet, all or none, and tells
// the version of the schema afterwards.
func (s *Store) migrate(ctx context.Context, conn *pgx.Conn) (version int, err error) {
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
	if _, err := tx.Exec(ctx, `
		CREATE TABLE IF NOT EXISTS ocigate_schema (version integer NOT NULL);
		INSERT INTO ocigate_schema SELECT 0 WHERE NOT EXISTS (SELECT FROM ocigate_schema)`); err != nil {
		return 0, err
	}
	if err := tx.QueryRow(ctx, `SELECT version FROM ocigate_schema`).Scan(&version); err != nil {
		return 0, err
	}
	for ; version < len(migrations); version++ {
		if _, err := tx.Exec(ctx, migrations[version]); err != nil {
			return 0, err
		}
	}
	if _, err := tx.Exec(ctx, `UPDATE ocigate_schema SET version = $1`, version); err != nil {
		return 0, err
	}
	return version, tx.Commit(ctx)
}

// checkEncoding makes sure that the database can hold what a line of the trail
// can.
func checkEncoding(ctx context.Context, tx pgx.Tx) error {
	var encoding string
	err := tx.QueryRow(ctx, `SELECT current_setting('server_encoding')`).Scan(&encoding)
	if err == nil && encoding != "UTF8" {
		return fmt.Errorf("the database is encoded in %s, and must be in UTF8", encoding)
	}
	return err
}
