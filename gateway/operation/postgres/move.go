package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"ocigate/gateway/operation"
)

// ownSchema is the first version whose tables are in a schema of their own. Those of
// earlier versions are in a schema of the role's search path, usually public, in which other
// roles may be able to create tables.
const ownSchema = 3

// formerTables are the tables of the versions before ownSchema that are moved.
var formerTables = []string{"ocigate_operations", "ocigate_keys", "ocigate_holds", "ocigate_replicas", "ocigate_audit", "ocigate_audit_head"}

// formerVersion returns the version of the tables of an earlier gateway in another schema,
// and 0 if there are none. made reports whether the table of the version is there, which
// remains after the others were moved. Tables of a role that is not trusted are an error:
// whether they are the journal or were planted, a new one must not begin beside them.
func (p place) formerVersion(ctx context.Context, tx pgx.Tx, former string) (version int, made bool, err error) {
	if former == "" || former == p.schema {
		return 0, false, nil
	}
	found, err := p.look(ctx, tx, former, append([]string{"ocigate_schema"}, formerTables...))
	if err != nil || !found.made {
		return 0, false, err
	}
	if found.problem != "" {
		return 0, true, errors.New("of an earlier version: " + found.problem)
	}
	if err := tx.QueryRow(ctx, `SELECT version FROM `+quoted(former, "ocigate_schema")).Scan(&version); err != nil {
		return 0, true, err
	}
	switch err := operation.CheckFormat(version); {
	case err != nil:
		return 0, true, err
	case version < ownSchema:
		return version, true, nil
	case found.filled:
		return 0, true, fmt.Errorf("the journal is in the schema %s: set journal.postgres_schema to it, or remove it from the search path of the role", former)
	}
	return 0, true, nil
}

// moveFormer moves the tables of an earlier gateway to the place, and returns their version.
// Its program then fails on the connections that it has open, because it does not find them.
func (p place) moveFormer(ctx context.Context, tx pgx.Tx, former string) (version int, err error) {
	version, _, err = p.formerVersion(ctx, tx, former)
	if err != nil || version == 0 {
		return 0, err
	}
	for _, table := range formerTables {
		if _, err := tx.Exec(ctx, "ALTER TABLE "+quoted(former, table)+" SET SCHEMA "+quoted(p.schema)); err != nil {
			return 0, err
		}
	}
	return version, nil
}

// leaveVersion leaves the version of the tables where an earlier gateway looks for it, so
// that it refuses to run. It would otherwise create empty tables there, and know of none of
// the writes. If the role may not create tables there, neither may that gateway.
func (p place) leaveVersion(ctx context.Context, tx pgx.Tx, former string, version int) error {
	_, made, err := p.formerVersion(ctx, tx, former)
	if err != nil || former == "" || former == p.schema {
		return err
	}
	mark := quoted(former, "ocigate_schema")
	if made {
		_, err = tx.Exec(ctx, "UPDATE "+mark+" SET version = $1 WHERE version < $1", version)
		return err
	}
	var may bool
	if err := tx.QueryRow(ctx, `SELECT has_schema_privilege($1, 'CREATE')`, former).Scan(&may); err != nil || !may {
		return err
	}
	_, err = tx.Exec(ctx, "CREATE TABLE "+mark+" (version integer NOT NULL)")
	if err == nil {
		_, err = tx.Exec(ctx, "INSERT INTO "+mark+" VALUES ($1)", version)
	}
	return err
}
