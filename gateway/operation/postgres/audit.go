package postgres

import (
	"context"
	"iter"

	"github.com/jackc/pgx/v5"

	"ocigate/gateway/operation"
)

// Append implements [operation.Store].
func (s *Store) Append(ctx context.Context, event operation.Event) error {
	return s.transact(ctx, "append", durably, func(ctx context.Context, tx pgx.Tx) error {
		return extend(ctx, tx, event)
	})
}

// extend adds a line to the trail. From here to the end of the transaction, all other
// transactions that add a line wait, so it comes last. The error is a
// [*operation.TrailError] if the last line is not the one that the head names.
func extend(ctx context.Context, tx pgx.Tx, event operation.Event) error {
	head, err := lockHead(ctx, tx)
	if err != nil {
		return err
	}
	line, next, err := operation.Seal(head, event)
	if err != nil {
		return err
	}
	// The last 66 characters of a line are its hash, a quotation mark and a brace. This statement
	// sees what was committed before the lock was granted; a subquery of
	// lockHead's would not.
	tag, err := tx.Exec(ctx, `WITH head AS (
			UPDATE ocigate_audit_head SET seq = $1, hash = $2
			WHERE EXISTS (SELECT FROM ocigate_audit WHERE seq = $4 AND right(line, 66) = $5 || '"}')
				OR EXISTS (SELECT FROM ocigate_audit_archived WHERE seq = $4 AND hash = $5)
			RETURNING seq)
		INSERT INTO ocigate_audit (seq, line) SELECT seq, $3 FROM head`,
		next.Sequence, next.Hash, string(line), head.Sequence, head.Hash)
	if err != nil || tag.RowsAffected() > 0 {
		return err
	}
	if _, err := agreed(ctx, tx); err != nil {
		return err
	}
	return errAgain
}

// lockHead returns the head, and has all other transactions that add a line wait.
func lockHead(ctx context.Context, tx pgx.Tx) (head operation.Head, err error) {
	err = tx.QueryRow(ctx, `SELECT seq, hash FROM ocigate_audit_head FOR UPDATE`).Scan(&head.Sequence, &head.Hash)
	return head, err
}

// querier is a transaction, a connection or a pool.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// agreed returns the bounds of the trail, and a [*operation.TrailError] if the last line is
// not the head. Both are read from one snapshot, and each transaction changes both.
func agreed(ctx context.Context, tx querier) (operation.Bounds, error) {
	return readBounds(tx.QueryRow(ctx, bounds))
}

// agreed returns what the function returns, outside of a transaction. It can also read a
// standby.
func (s *Store) agreed(ctx context.Context) (b operation.Bounds, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err = s.query(ctx, func(rows pgx.Rows) error {
		b, err = pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (operation.Bounds, error) { return readBounds(row) })
		return err
	}, bounds)
	return b, err
}

// bounds is the query for the head, the archived line, and the last line that is there.
const bounds = `SELECT h.seq, h.hash, a.seq, a.hash, coalesce(l.seq, a.seq), coalesce(left(l.tail, -2), a.hash)
	FROM ocigate_audit_head h CROSS JOIN ocigate_audit_archived a
	LEFT JOIN LATERAL (SELECT seq, right(line, 66) AS tail FROM ocigate_audit ORDER BY seq DESC LIMIT 1) l ON true`

// readBounds reads a row of the query bounds.
func readBounds(row pgx.Row) (b operation.Bounds, err error) {
	var found operation.Head
	b.Known = true
	err = row.Scan(&b.Head.Sequence, &b.Head.Hash, &b.Archived.Sequence, &b.Archived.Hash, &found.Sequence, &found.Hash)
	if err == nil && found != b.Head {
		err = &operation.TrailError{Expected: b.Head, Found: found, Ahead: found.Sequence > b.Head.Sequence}
	}
	return b, err
}

// trailPage is how many lines of the trail are read at a time.
const trailPage = 500

// Trail iterates over the audit trail from its first line to its last, for
// [operation.Verify]. An error ends the iteration.
func (s *Store) Trail(ctx context.Context) iter.Seq2[[]byte, error] {
	return s.trailFrom(ctx, 0)
}

// trailFrom iterates over the audit trail from the line with a sequence number, or the
// next one that exists. It ends at the present last line; to read later lines, call it
// again with the number after that. An error ends the iteration.
func (s *Store) trailFrom(ctx context.Context, sequence int64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for from := sequence; ; {
			page, err := s.page(ctx, from)
			if err != nil {
				yield(nil, s.unusable("audit trail", err))
				return
			}
			for _, line := range page {
				if !yield([]byte(line.Line), nil) {
					return
				}
				from = line.Sequence + 1
			}
			if len(page) < trailPage {
				return
			}
		}
	}
}

// numbered is a row of the trail.
type numbered struct {
	Sequence int64
	Line     string
}

// page returns up to trailPage lines from a sequence number.
func (s *Store) page(ctx context.Context, from int64) (lines []numbered, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err = s.query(ctx, func(rows pgx.Rows) error {
		lines, err = pgx.CollectRows(rows, pgx.RowToStructByPos[numbered])
		return err
	}, `SELECT seq, line FROM ocigate_audit WHERE seq >= $1 ORDER BY seq LIMIT $2`, from, trailPage)
	return lines, err
}
