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
// transactions that add a line wait, so it comes last.
func extend(ctx context.Context, tx pgx.Tx, event operation.Event) error {
	var head operation.Head
	if err := tx.QueryRow(ctx, `SELECT seq, hash FROM ocigate_audit_head FOR UPDATE`).Scan(&head.Sequence, &head.Hash); err != nil {
		return err
	}
	line, next, err := operation.Seal(head, event)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `WITH head AS (UPDATE ocigate_audit_head SET seq = $1, hash = $2)
		INSERT INTO ocigate_audit (seq, line) VALUES ($1, $3)`, next.Sequence, next.Hash, string(line))
	return err
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
