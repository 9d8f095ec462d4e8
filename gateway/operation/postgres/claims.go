package postgres

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"ocigate/gateway/operation"
)

// hold takes claims for the operation. All transactions take claims in the same order, so
// that no two can wait for each other.
func hold(ctx context.Context, tx pgx.Tx, op *operation.Operation, claims []operation.Claim) error {
	kinds, keys := sortedClaims(claims)
	if len(keys) == 0 {
		return nil
	}
	taken, err := tx.Exec(ctx, `INSERT INTO ocigate_holds (tenant_id, kind, key, operation)
		SELECT $1, kind, key, $2 FROM unnest($3::text[], $4::text[]) AS c (kind, key)
		ON CONFLICT DO NOTHING`, op.TenantID, op.ID, kinds, keys)
	if err != nil || int(taken.RowsAffected()) == len(keys) {
		return err
	}
	rows, err := tx.Query(ctx, `SELECT kind, key, operation FROM ocigate_holds
		WHERE tenant_id = $1 AND (kind, key) IN (SELECT * FROM unnest($2::text[], $3::text[]))`, op.TenantID, kinds, keys)
	if err != nil {
		return err
	}
	holders := make(map[operation.Claim]string, len(keys))
	var c operation.Claim
	var holder string
	if _, err := pgx.ForEachRow(rows, []any{&c.Kind, &c.Key, &holder}, func() error {
		holders[c] = holder
		return nil
	}); err != nil {
		return err
	}
	return heldBy(op, claims, holders)
}

// sortedClaims returns the kinds and the keys of claims, sorted, each claim once.
func sortedClaims(claims []operation.Claim) (kinds, keys []string) {
	claims = sorted(claims)
	kinds, keys = make([]string, len(claims)), make([]string, len(claims))
	for i, c := range claims {
		kinds[i], keys[i] = c.Kind, c.Key
	}
	return kinds, keys
}

// sorted returns claims in order, each once.
func sorted(claims []operation.Claim) []operation.Claim {
	claims = slices.Clone(claims)
	slices.SortFunc(claims, func(a, b operation.Claim) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Key, b.Key))
	})
	return slices.Compact(claims)
}

// heldBy returns a [operation.HeldError] if another operation holds one of the claims, and
// errAgain if none holds it any more.
func heldBy(op *operation.Operation, claims []operation.Claim, holders map[operation.Claim]string) error {
	var held operation.HeldError
	for _, c := range claims {
		switch holder := holders[c]; holder {
		case op.ID:
		case "":
			return errAgain // it was freed after it could not be taken
		default:
			held.Held = append(held.Held, c)
			if held.ID == "" {
				held.ID = holder
			}
		}
	}
	if held.ID == "" {
		return nil
	}
	return &held
}

// columnOf returns claims as the rows of operations have them: kind:key. A kind has no
// colon.
func columnOf(claims []operation.Claim) []string {
	texts := make([]string, len(claims))
	for i, c := range claims {
		texts[i] = c.String()
	}
	return texts
}

// checkChanged returns a [operation.HeldError] if another operation may have changed what an
// intent takes, after its operation was begun. It is called when no other operation can
// take that any more.
func checkChanged(ctx context.Context, tx pgx.Tx, op *operation.Operation, taken []operation.Claim) error {
	rows, err := tx.Query(ctx, `SELECT other.id, ARRAY(SELECT unnest(other.touches) INTERSECT SELECT unnest($2::text[]))
		FROM ocigate_operations this, ocigate_operations other
		WHERE this.id = $1 AND other.id <> $1 AND other.tenant_id = this.tenant_id
		AND other.freed_at > this.begun_at AND other.touches && $2::text[]`, op.ID, columnOf(taken))
	if err != nil {
		return err
	}
	holders := make(map[operation.Claim]string, len(taken))
	for _, c := range taken {
		holders[c] = op.ID
	}
	var id string
	var changed []string
	if _, err := pgx.ForEachRow(rows, []any{&id, &changed}, func() error {
		for i, text := range columnOf(taken) {
			if slices.Contains(changed, text) {
				holders[taken[i]] = id
			}
		}
		return nil
	}); err != nil {
		return err
	}
	return heldBy(op, taken, holders)
}

// compare returns which of the claims are not held, and reports whether anything else is
// held.
func compare(claims []operation.Claim, held []string) (missing []operation.Claim, surplus bool) {
	left := make(map[string]bool, len(held))
	for _, text := range held {
		left[text] = true
	}
	found := make(map[string]bool, len(claims))
	for i, text := range columnOf(claims) {
		if !left[text] {
			missing = append(missing, claims[i])
		}
		found[text] = true
	}
	return missing, slices.ContainsFunc(held, func(text string) bool { return !found[text] })
}

// free frees what an operation does not hold any more.
func free(ctx context.Context, tx pgx.Tx, op *operation.Operation) error {
	kinds, keys := sortedClaims(op.Holds())
	if len(keys) == 0 {
		_, err := tx.Exec(ctx, `DELETE FROM ocigate_holds WHERE operation = $1`, op.ID)
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM ocigate_holds WHERE operation = $1
		AND (kind, key) NOT IN (SELECT * FROM unnest($2::text[], $3::text[]))`, op.ID, kinds, keys)
	return err
}
