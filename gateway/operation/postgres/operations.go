package postgres

import (
	"cmp"
	"context"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"ocigate/gateway/operation"
)

// ErrLease means that an Intent was not recorded because half of its owner's lease has
// run out. The next call of Adopt renews the lease.
var ErrLease = errors.New("the replica's lease has run out, so that another replica may have taken over its operations")

// errBegun means that the operation is there already.
var errBegun = errors.New("the operation was begun before")

// Begin implements [operation.Store]. An operation that an earlier call has begun, whose
// reply was lost, stays as it is.
//
// If Begin fails and the operation may have been entered all the same, the owner's next
// call of Adopt removes it.
func (s *Store) Begin(ctx context.Context, op operation.Operation) error {
	body, err := encode(&op)
	if err != nil {
		return s.unusable("begin", err)
	}
	s.received.add(op.ID, op.Holds())
	err = s.transact(ctx, "begin", lazily, func(ctx context.Context, tx pgx.Tx) error {
		if err := claimKey(ctx, tx, &op); err != nil {
			return err
		}
		if err := hold(ctx, tx, &op, op.Holds()); err != nil {
			return err
		}
		if err := enter(ctx, tx, &op, body); err != nil {
			return err
		}
		return s.addOwner(ctx, tx, op.Owner)
	})
	if err == nil || errors.Is(err, errBegun) {
		return nil
	}
	s.received.remove(op.ID)
	return err
}

// claimKey takes the key if it is free or has expired. Otherwise the error is a
// [operation.KeyUsedError], and the key keeps its operation until the transaction ends.
// All transactions lock keys before entries.
func claimKey(ctx context.Context, tx pgx.Tx, op *operation.Operation) error {
	if !op.HoldsKey() {
		return nil
	}
	claimed, err := tx.Exec(ctx, `INSERT INTO ocigate_keys AS k (caller, endpoint, key, operation, expires) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (caller, endpoint, key) DO UPDATE SET operation = excluded.operation, expires = excluded.expires
		WHERE k.operation = excluded.operation OR k.expires <= clock_timestamp()`,
		op.Caller.Principal(), op.Route, op.Key, op.ID, op.KeyExpires)
	if err != nil || claimed.RowsAffected() == 1 {
		return err
	}
	users, err := collect(tx.Query(ctx, `SELECT o.record FROM ocigate_keys k JOIN ocigate_operations o ON o.id = k.operation
		WHERE k.caller = $1 AND k.endpoint = $2 AND k.key = $3`, op.Caller.Principal(), op.Route, op.Key))
	if err != nil {
		return err
	}
	if len(users) == 0 {
		return errors.New("an idempotency key belongs to an operation that is not there")
	}
	return &operation.KeyUsedError{Operation: users[0]}
}

// columns returns the values of an operation's row, without those that the database
// sets: parameters 1 to 12 of enter and updateRow.
func columns(op *operation.Operation, body string) []any {
	var ended *time.Time
	if op.Over() {
		ended = &op.EndedAt
	}
	return []any{
		op.ID, op.Version, op.Owner, string(op.State), op.Open(), ended, op.TenantID, op.GroupID, op.UserID, columnOf(op.Touches()), body,
		!op.HoldsAll(),
	}
}

// enter inserts the operation's row. It comes last: the database assigns the number in the
// order of Begin when no other operation can take the entries any more.
func enter(ctx context.Context, tx pgx.Tx, op *operation.Operation, body string) error {
	entered, err := tx.Exec(ctx, `INSERT INTO ocigate_operations
		(id, version, owner, state, open, ended_at, tenant_id, group_id, user_id, touches, record, freed_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, CASE WHEN $12 THEN clock_timestamp() END) ON CONFLICT (id) DO NOTHING`, columns(op, body)...)
	if err == nil && entered.RowsAffected() == 0 {
		return errBegun
	}
	return err
}

// Abandon implements [operation.Store]. If it fails, the owner's next call of Adopt
// removes the operation.
func (s *Store) Abandon(ctx context.Context, op operation.Operation) error {
	s.received.remove(op.ID)
	return s.transact(ctx, "abandon", lazily, func(ctx context.Context, tx pgx.Tx) error {
		return removeReceived(ctx, tx, []string{op.ID})
	})
}

// removeReceived removes those of the operations that are Received.
func removeReceived(ctx context.Context, tx pgx.Tx, ids []string) error {
	rows, err := tx.Query(ctx, `DELETE FROM ocigate_operations WHERE id = ANY($1) AND state = $2 RETURNING id`, ids, string(operation.Received))
	if err != nil {
		return err
	}
	gone, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(gone) == 0 {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM ocigate_keys WHERE operation = ANY($1)`, gone); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `DELETE FROM ocigate_holds WHERE operation = ANY($1)`, gone)
	return err
}

// Record implements [operation.Store]. It makes an operation and its event durable
// together, or neither.
//
// The operation may not be there, because its owner was taken for stopped or because the
// server lost it in a crash. Then an Intent is an [operation.ErrConflict]: other operations
// may have changed its entries since it was planned, and without the row that cannot be
// found out. Any other record is entered again, unless another operation has its key or
// what it holds meanwhile: that is an [operation.ErrConflict], too.
//
// An Intent takes what the operation does not hold yet. It fails with [ErrLease] if half
// of the owner's lease has run out.
//
// A call whose reply was lost can be repeated with the same version; the trail may then
// have the event twice.
func (s *Store) Record(ctx context.Context, op operation.Operation, event operation.Event) error {
	body, err := encode(&op)
	if err != nil {
		return s.unusable("record", err)
	}
	err = s.transact(ctx, "record", durably, func(ctx context.Context, tx pgx.Tx) error {
		replace := replaceRecord
		if op.State == operation.Intent && !s.received.holds(op.ID, op.Holds()) {
			replace = replaceTaking
		}
		found, err := replace(ctx, tx, &op, body)
		switch {
		case err != nil || found:
		case op.State == operation.Intent:
			err = operation.ErrConflict
		default:
			err = enterLate(ctx, tx, &op, body)
		}
		if err != nil {
			return err
		}
		if op.State == operation.Intent {
			// Only now, since from here to the end of the transaction no other
			// owner can take the operation over.
			if err := s.checkLease(ctx, tx, op.Owner); err != nil {
				return err
			}
		}
		if event.Kind == "" {
			return nil
		}
		return extend(ctx, tx, event)
	})
	if err == nil || errors.Is(err, operation.ErrConflict) {
		s.received.remove(op.ID)
	}
	return err
}

// updateRow updates an operation's row if its version allows that.
const updateRow = `UPDATE ocigate_operations
		SET version = $2, owner = $3, state = $4, open = $5, ended_at = $6,
			tenant_id = $7, group_id = $8, user_id = $9, touches = $10, record = $11,
			freed_at = CASE WHEN $12 THEN clock_timestamp() ELSE freed_at END
		WHERE id = $1 AND (version < $2 OR version = $2 AND owner = $3)`

// replaceRecord replaces the record of an operation that takes no claims. It keeps or
// frees the key, and frees what the operation does not hold any more. It reports whether
// there is a record that may be replaced.
func replaceRecord(ctx context.Context, tx pgx.Tx, op *operation.Operation, body string) (found bool, err error) {
	updated, err := tx.Exec(ctx, updateRow, columns(op, body)...)
	if err != nil || updated.RowsAffected() == 0 {
		return false, err
	}
	if err := keepKey(ctx, tx, op); err != nil || op.HoldsAll() {
		return true, err
	}
	return true, free(ctx, tx, op)
}

// replaceTaking does the same for an intent that takes claims. It takes those that the
// operation does not hold yet.
func replaceTaking(ctx context.Context, tx pgx.Tx, op *operation.Operation, body string) (found bool, err error) {
	var held []string // in the form of columnOf
	err = tx.QueryRow(ctx, updateRow+` RETURNING ARRAY(SELECT kind || ':' || key FROM ocigate_holds WHERE operation = $1)`,
		columns(op, body)...).Scan(&held)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := keepKey(ctx, tx, op); err != nil {
		return true, err
	}
	missing, surplus := compare(op.Holds(), held)
	if len(missing) > 0 {
		if err := hold(ctx, tx, op, missing); err != nil {
			return true, err
		}
		if err := checkChanged(ctx, tx, op, missing); err != nil {
			return true, err
		}
	}
	if !surplus {
		return true, nil
	}
	return true, free(ctx, tx, op)
}

// enterLate enters an operation that is not there, with the key and the claims that it
// holds.
func enterLate(ctx context.Context, tx pgx.Tx, op *operation.Operation, body string) error {
	err := claimKey(ctx, tx, op)
	if err == nil {
		err = hold(ctx, tx, op, op.Holds())
	}
	if err == nil {
		err = enter(ctx, tx, op, body)
	}
	_, used := errors.AsType[*operation.KeyUsedError](err)
	_, held := errors.AsType[*operation.HeldError](err)
	if used || held || errors.Is(err, errBegun) {
		return operation.ErrConflict
	}
	return err
}

// checkLease returns [ErrLease] if an owner may not send: a step that it sends now must end
// before another owner can take the operation over.
func (s *Store) checkLease(ctx context.Context, tx pgx.Tx, owner string) error {
	var valid bool
	err := tx.QueryRow(ctx, `SELECT renewed + lease / 2 > clock_timestamp() FROM ocigate_replicas WHERE owner = $1`, owner).Scan(&valid)
	if errors.Is(err, pgx.ErrNoRows) {
		return s.addOwner(ctx, tx, owner)
	}
	if err == nil && !valid {
		return ErrLease
	}
	return err
}

// keepKey keeps or frees the operation's key as the record requires, unless the key has
// expired and belongs to another operation.
func keepKey(ctx context.Context, tx pgx.Tx, op *operation.Operation) error {
	var err error
	if op.HoldsKey() {
		_, err = tx.Exec(ctx, `UPDATE ocigate_keys SET expires = $2 WHERE operation = $1 AND expires <> $2`, op.ID, op.KeyExpires)
	} else {
		_, err = tx.Exec(ctx, `DELETE FROM ocigate_keys WHERE operation = $1`, op.ID)
	}
	return err
}

// Get implements [operation.Store].
func (s *Store) Get(ctx context.Context, id string) (operation.Operation, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	found, err := s.operations(ctx, `SELECT record FROM ocigate_operations WHERE id = $1`, id)
	if err != nil {
		return operation.Operation{}, s.unusable("get", err)
	}
	if len(found) == 0 {
		return operation.Operation{}, operation.ErrNotFound
	}
	return found[0], nil
}

// List implements [operation.Store]. The order is that of the ids; the operation of
// Before need not exist.
func (s *Store) List(ctx context.Context, q operation.Query) ([]operation.Operation, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	page, more, err := s.listPage(ctx, q)
	if err != nil {
		return nil, false, s.unusable("list", err)
	}
	return page.Operations, page.More || more, nil
}

// listPage returns the page of a query, and reports whether the database has more than the
// rows that it has returned.
func (s *Store) listPage(ctx context.Context, q operation.Query) (page *operation.Page, more bool, err error) {
	sql, args := listing(q)
	page = operation.NewPage(q)
	err = s.query(ctx, func(rows pgx.Rows) error {
		defer rows.Close()
		for rows.Next() {
			var body []byte
			if err := rows.Scan(&body, &more); err != nil {
				return err
			}
			if page.Full(len(body)) {
				break
			}
			op, err := decode(body)
			if err != nil {
				return err
			}
			page.Add(op, len(body))
		}
		rows.Close() // an error may come with the end of the rows
		return rows.Err()
	}, sql, args...)
	return page, more, err
}

// listing returns the SQL and the arguments of a query. It has conditions only for what
// the query sets, so that an index serves it. Each row has an operation, and whether there
// is another one behind it.
//
// The sizes of the rows are those that the database stores, compressed, since it need not
// read the operations for that. So the rows may be some times as large as they may be
// together, and the caller limits them exactly.
func listing(q operation.Query) (sql string, args []any) {
	conditions := []string{"true"}
	for _, c := range []struct{ condition, value string }{
		{"tenant_id = $", q.Target.TenantID},
		{"group_id = $", q.Target.GroupID},
		{"user_id = $", q.Target.UserID},
		{"state = $", string(q.State)},
		{"id < $", q.Before},
	} {
		if c.value != "" {
			args = append(args, c.value)
			conditions = append(conditions, c.condition+strconv.Itoa(len(args)))
		}
	}
	if q.Open {
		conditions = append(conditions, "open")
	}
	args = append(args, q.Limit, cmp.Or(q.MaxBytes, math.MaxInt))
	limit, most := strconv.Itoa(len(args)-1), strconv.Itoa(len(args))
	return `SELECT record, more FROM (
			SELECT id, record, lead(id) OVER (ORDER BY id DESC) IS NOT NULL AS more,
				sum(pg_column_size(record)) OVER (ORDER BY id DESC ROWS UNBOUNDED PRECEDING) - pg_column_size(record) AS before
			FROM ocigate_operations WHERE ` + strings.Join(conditions, " AND ") + `
			ORDER BY id DESC LIMIT $` + limit + `) AS page
		WHERE before < $` + most + ` ORDER BY id DESC`, args
}

// touched selects, for each of the entries, the last of the operations of the same tenant
// that were begun later and may have changed the entry. It uses the index of the order of
// Begin. If there is none, it returns one row without an entry.
const touched = `SELECT DISTINCT ON (entry) entry, by.id
	FROM ocigate_operations this LEFT JOIN LATERAL (
		SELECT later.id, later.begun, e.entry
		FROM ocigate_operations later, LATERAL (SELECT unnest(later.touches) INTERSECT SELECT unnest($2::text[])) AS e (entry)
		WHERE later.tenant_id = this.tenant_id
		AND later.begun > this.begun AND later.state <> 'received' AND later.touches && $2::text[]) AS by ON true
	WHERE this.id = $1 ORDER BY entry, by.begun DESC`

// Touched implements [operation.Store]. The error is [operation.ErrNotFound] if op is not
// there.
func (s *Store) Touched(ctx context.Context, op operation.Operation) (map[operation.Claim]string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	keys := op.Keys()
	texts := columnOf(keys)
	byEntry, found := map[string]string{}, false
	var entry, id *string
	if err := s.query(ctx, func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&entry, &id}, func() error {
			if found = true; entry != nil && id != nil {
				byEntry[*entry] = *id
			}
			return nil
		})
		return err
	}, touched, op.ID, texts); err != nil {
		return nil, s.unusable("touched", err)
	}
	if !found {
		return nil, operation.ErrNotFound
	}
	by := map[operation.Claim]string{}
	for i, text := range texts {
		if id, ok := byEntry[text]; ok {
			by[keys[i]] = id
		}
	}
	return by, nil
}

// pruneBatch is how many rows one transaction of Prune removes.
const pruneBatch = 1000

// prunes has the statements of Prune, in their order. Each removes a batch of rows, and
// skips rows that another transaction has locked. The arrays make the server select a
// batch only once.
var prunes = []struct {
	sql   string
	until bool // the second parameter is the time
}{
	{`DELETE FROM ocigate_keys WHERE ctid = ANY(ARRAY(
		SELECT ctid FROM ocigate_keys WHERE expires <= now()
		LIMIT $1 FOR UPDATE SKIP LOCKED))`, false},
	{`DELETE FROM ocigate_operations WHERE ctid = ANY(ARRAY(
		SELECT ctid FROM ocigate_operations o WHERE NOT open AND ended_at < $2
		AND NOT EXISTS (SELECT FROM ocigate_keys k WHERE k.operation = o.id)
		LIMIT $1 FOR UPDATE SKIP LOCKED))`, true},
	{`DELETE FROM ocigate_replicas WHERE ctid = ANY(ARRAY(
		SELECT ctid FROM ocigate_replicas WHERE renewed + lease < now() - interval '1 day'
		LIMIT $1 FOR UPDATE SKIP LOCKED))`, false},
	{`DELETE FROM ocigate_revocations WHERE ctid = ANY(ARRAY(
		SELECT ctid FROM ocigate_revocations WHERE expires <= now()
		LIMIT $1 FOR UPDATE SKIP LOCKED))`, false},
}

// Prune implements [operation.Store]. It also removes owners whose lease ran out a day ago.
// An operation stays as long as it has its key.
func (s *Store) Prune(ctx context.Context, before time.Time) error {
	for _, prune := range prunes {
		args := []any{pruneBatch}
		if prune.until {
			args = append(args, before)
		}
		for removed := int64(pruneBatch); removed == pruneBatch; {
			err := s.transact(ctx, "prune", lazily, func(ctx context.Context, tx pgx.Tx) error {
				tag, err := tx.Exec(ctx, prune.sql, args...)
				removed = tag.RowsAffected()
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
