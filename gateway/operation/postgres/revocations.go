package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"ocigate/gateway/operation"
)

// Revoke implements [operation.Store].
//
// It locks the head of the audit trail before it stores the revocation, until the
// transaction ends. So revisions become visible in their order.
func (s *Store) Revoke(ctx context.Context, r operation.Revocation, event operation.Event) error {
	return s.transact(ctx, "revoke", durably, func(ctx context.Context, tx pgx.Tx) error {
		if err := extendOrLock(ctx, tx, event); err != nil {
			return err
		}
		now := time.Now()
		if r.Issued.IsZero() {
			var clock time.Time
			if err := tx.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&clock); err != nil {
				return err
			}
			if clock.After(now) {
				now = clock
			}
		}
		return putRevocation(ctx, tx, r.At(now))
	})
}

// extendOrLock adds a line to the trail or, for the zero Event, only locks its head.
func extendOrLock(ctx context.Context, tx pgx.Tx, event operation.Event) error {
	if event.Kind != "" {
		return extend(ctx, tx, event)
	}
	_, err := tx.Exec(ctx, `SELECT FROM ocigate_audit_head FOR UPDATE`)
	return err
}

// putRevocation stores a revocation in place of the earlier one of its principal and token,
// and of those that it covers: see [operation.Revocation.Covers] and
// [operation.Revocation.Merge].
func putRevocation(ctx context.Context, tx pgx.Tx, r operation.Revocation) error {
	_, err := tx.Exec(ctx, `INSERT INTO ocigate_revocations AS r (principal, token, issued, expires) VALUES ($1, $2, $3, $4)
		ON CONFLICT (principal, token) DO UPDATE SET revision = DEFAULT,
			issued = greatest(r.issued, excluded.issued), expires = greatest(r.expires, excluded.expires)`,
		r.Principal, r.Token, r.Issued, r.Expires)
	if err != nil || r.Token != "" {
		return err
	}
	_, err = tx.Exec(ctx, `WITH covered AS (
			DELETE FROM ocigate_revocations c USING ocigate_revocations r
			WHERE r.principal = $1 AND r.token = '' AND c.principal = $1 AND c.token <> '' AND c.issued <= r.issued RETURNING c.expires)
		UPDATE ocigate_revocations SET expires = greatest(expires, (SELECT max(expires) FROM covered))
		WHERE principal = $1 AND token = ''`, r.Principal)
	return err
}

// revocationPage is how many revocations are read at a time.
const revocationPage = 5000

// Revocations implements [operation.Store].
func (s *Store) Revocations(ctx context.Context, after int64) (list []operation.Revocation, last int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	last = after
	err = s.query(ctx, func(rows pgx.Rows) error {
		var r operation.Revocation
		_, err := pgx.ForEachRow(rows, []any{&last, &r.Principal, &r.Token, &r.Issued, &r.Expires}, func() error {
			r.Issued, r.Expires = r.Issued.UTC(), r.Expires.UTC()
			list = append(list, r)
			return nil
		})
		return err
	}, `SELECT revision, principal, token, issued, expires FROM ocigate_revocations
		WHERE revision > $1 ORDER BY revision LIMIT $2`, after, revocationPage)
	if err != nil {
		return nil, after, s.unusable("revocations", err)
	}
	return list, last, nil
}
