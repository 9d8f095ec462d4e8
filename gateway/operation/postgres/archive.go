package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"ocigate/gateway/operation"
)

var _ operation.TrailStore = (*Store)(nil)

// Head implements [operation.Store].
func (s *Store) Head(ctx context.Context) (operation.Head, error) {
	b, err := s.agreed(ctx)
	return b.Head, s.unusable("audit trail", err)
}

// Bounds implements [operation.TrailStore]. Like Trail, it can also read a standby.
func (s *Store) Bounds(ctx context.Context) (operation.Bounds, error) {
	b, err := s.agreed(ctx)
	if isDisagreement(err) {
		return b, nil
	}
	return b, s.unusable("audit trail", err)
}

func isDisagreement(err error) bool {
	_, ok := errors.AsType[*operation.TrailError](err)
	return ok
}

// AcceptTrail implements [operation.TrailStore]. The role needs UPDATE on
// ocigate_audit_archived if lines are missing at the beginning.
func (s *Store) AcceptTrail(ctx context.Context, order operation.TrailOrder) (b operation.Bounds, err error) {
	err = s.transact(ctx, "accept the audit trail", durably, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := lockHead(ctx, tx); err != nil {
			return err
		}
		var disagreement error
		if b, disagreement = agreed(ctx, tx); disagreement != nil && !isDisagreement(disagreement) {
			return disagreement
		}
		event, err := order.Acceptance(b.Head, time.Now())
		if err != nil {
			return err
		}
		archived, err := beforeFirst(ctx, tx, b.Archived)
		if err != nil {
			return err
		}
		if disagreement == nil && archived == b.Archived {
			return operation.ErrNothingToAccept
		}
		if err := accept(ctx, tx, b.Archived, archived, disagreement); err != nil {
			return err
		}
		if err := extend(ctx, tx, event); err != nil {
			return err
		}
		b, err = agreed(ctx, tx)
		return err
	})
	if errors.Is(err, operation.ErrNothingToAccept) {
		return b, operation.ErrNothingToAccept
	}
	return b, err
}

// beforeFirst returns the line before the first of the trail, or archived if the trail
// begins not later than behind that.
func beforeFirst(ctx context.Context, tx pgx.Tx, archived operation.Head) (operation.Head, error) {
	var line string
	err := tx.QueryRow(ctx, `SELECT line FROM ocigate_audit ORDER BY seq LIMIT 1`).Scan(&line)
	if errors.Is(err, pgx.ErrNoRows) {
		return archived, nil
	}
	if err != nil {
		return archived, err
	}
	first, previous, err := operation.HeadOf([]byte(line))
	if err != nil {
		return archived, fmt.Errorf("the first line %w", err)
	}
	if first.Sequence > archived.Sequence+1 {
		return operation.Head{Sequence: first.Sequence - 1, Hash: previous}, nil
	}
	return archived, nil
}

// accept makes the last line the head, and the line before the first one the archived one.
func accept(ctx context.Context, tx pgx.Tx, before, archived operation.Head, disagreement error) error {
	if archived != before {
		if err := putArchived(ctx, tx, archived); err != nil {
			return err
		}
	}
	if disagreement == nil {
		return nil
	}
	var last string
	err := tx.QueryRow(ctx, `SELECT line FROM ocigate_audit ORDER BY seq DESC LIMIT 1`).Scan(&last)
	head := archived
	switch {
	case errors.Is(err, pgx.ErrNoRows):
	case err != nil:
		return err
	default:
		if head, _, err = operation.HeadOf([]byte(last)); err != nil {
			return fmt.Errorf("the last line %w", err)
		}
	}
	_, err = tx.Exec(ctx, `UPDATE ocigate_audit_head SET seq = $1, hash = $2`, head.Sequence, head.Hash)
	return err
}

func putArchived(ctx context.Context, tx pgx.Tx, archived operation.Head) error {
	_, err := tx.Exec(ctx, `UPDATE ocigate_audit_archived SET seq = $1, hash = $2`, archived.Sequence, archived.Hash)
	return err
}

// ArchiveTrail implements [operation.TrailStore]. The role needs DELETE on ocigate_audit and
// UPDATE on ocigate_audit_archived, which that of the gateway need not have.
func (s *Store) ArchiveTrail(ctx context.Context, order operation.TrailOrder) error {
	err := s.transact(ctx, "archive the audit trail", durably, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := lockHead(ctx, tx); err != nil {
			return err
		}
		b, err := agreed(ctx, tx)
		if err != nil || order.Head == b.Archived {
			return err
		}
		var there bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM ocigate_audit WHERE seq = $1 AND right(line, 66) = $2 || '"}')`, order.Head.Sequence, order.Head.Hash).Scan(&there); err != nil {
			return err
		}
		if !there || order.Head.Sequence >= b.Head.Sequence || order.Head.Sequence <= b.Archived.Sequence {
			return fmt.Errorf("line %s is not one of the trail before its last line", order.Head)
		}
		if err := putArchived(ctx, tx, order.Head); err != nil {
			return err
		}
		return extend(ctx, tx, order.Archival(time.Now()))
	})
	if err != nil {
		return err
	}
	return s.removeArchived(ctx)
}

// removeArchived removes the lines that are archived. If it fails, the rest is still there,
// and valid.
func (s *Store) removeArchived(ctx context.Context) error {
	for removed := int64(pruneBatch); removed == pruneBatch; {
		err := s.transact(ctx, "archive the audit trail", durably, func(ctx context.Context, tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, `DELETE FROM ocigate_audit WHERE seq IN
				(SELECT seq FROM ocigate_audit WHERE seq <= (SELECT seq FROM ocigate_audit_archived) ORDER BY seq LIMIT $1)`, pruneBatch)
			removed = tag.RowsAffected()
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
