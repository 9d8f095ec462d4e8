package postgres

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// privileges has what a role needs on each table, if it is not the owner.
var privileges = []struct{ table, needed string }{
	{"ocigate_schema", "SELECT"},
	{"ocigate_operations", "SELECT, INSERT, UPDATE, DELETE"},
	{"ocigate_keys", "SELECT, INSERT, UPDATE, DELETE"},
	{"ocigate_holds", "SELECT, INSERT, DELETE"},
	{"ocigate_replicas", "SELECT, INSERT, UPDATE, DELETE"},
	{"ocigate_revocations", "SELECT, INSERT, UPDATE, DELETE"},
	{"ocigate_audit", "SELECT, INSERT"},
	{"ocigate_audit_head", "SELECT, UPDATE"},
	{"ocigate_audit_archived", "SELECT"},
}

// missingPrivileges is a query for the privileges that the role lacks, as one text: those on
// a table together, in the order of the tables. The text is empty if it lacks none.
var missingPrivileges = func() string {
	var rows []string
	for i, p := range privileges {
		for needed := range strings.SplitSeq(p.needed, ", ") {
			rows = append(rows, fmt.Sprintf("(%d, '%s', '%s')", i, p.table, needed))
		}
	}
	return `SELECT coalesce(string_agg(needed || ' on ' || name, '; ' ORDER BY i), ''), current_user FROM (
		SELECT i, name, string_agg(needed, ', ') AS needed FROM (VALUES ` + strings.Join(rows, ", ") + `) AS p (i, name, needed)
		WHERE NOT has_table_privilege(name, needed) GROUP BY i, name) AS missing`
}()

// readMissing returns the privileges that the role lacks, and its name.
func readMissing(ctx context.Context, tx pgx.Tx) (missing, role string, err error) {
	err = tx.QueryRow(ctx, missingPrivileges).Scan(&missing, &role)
	return missing, role, err
}

// newChecker returns a name for the owner whose lease a store's Check renews, for no time
// at all. Each store has its own, so that none waits for the row of another, whose process
// may have vanished with a lock on it. Prune removes it a day after the last check.
func newChecker() string { return "check-" + rand.Text() }

// Check implements [operation.Store]. It checks that the tables can be trusted, that the
// role has the privileges that it needs, that the audit trail ends with its head, and that
// the server accepts a transaction that writes, and makes it durable.
func (s *Store) Check(ctx context.Context) error {
	return s.transact(ctx, "check", durably, func(ctx context.Context, tx pgx.Tx) error {
		found, err := s.place.look(ctx, tx, s.place.schema, nil)
		if err == nil {
			err = found.check(s.place.schema)
		}
		if err != nil {
			return err
		}
		missing, role, err := readMissing(ctx, tx)
		if err != nil {
			return err
		}
		if missing != "" {
			return fmt.Errorf("the role %s lacks the privileges %s", role, missing)
		}
		if _, err := agreed(ctx, tx); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO ocigate_replicas (owner, renewed, lease) VALUES ($1, clock_timestamp(), interval '0')
			ON CONFLICT (owner) DO UPDATE SET renewed = excluded.renewed`, s.checker)
		return err
	})
}
