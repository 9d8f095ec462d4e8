package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"ocigate/gateway/operation"
)

// Options are the settings of a [Store]. The zero value of each stands for its
// default.
type Options struct {
	// Lease is how long an owner is alive after each call of Adopt. It goes
	// by what the owner's own store has here, so that replicas with different
	// settings agree. Default 1 minute.
	Lease time.Duration
	// Timeout bounds every single use of the database: to get a connection
	// and make one transaction. Prune and Adopt take as many as they need;
	// all other methods take one. Default 5 seconds.
	Timeout time.Duration
	// Connections is how many there are at the most, whatever the URL says.
	// Default 8.
	Connections int
}

// Defaults for the zero values of Options.
const (
	defaultLease       = time.Minute
	defaultTimeout     = 5 * time.Second
	defaultConnections = 8
)

func (o Options) check() error {
	switch {
	case o.Lease < 0:
		return fmt.Errorf("postgres: Lease: must be positive, is %v", o.Lease)
	case o.Timeout < 0 || o.Timeout > 0 && o.Timeout < time.Millisecond:
		return fmt.Errorf("postgres: Timeout: must be at least 1ms, is %v", o.Timeout)
	case o.Connections < 0 || o.Connections > math.MaxInt32:
		return fmt.Errorf("postgres: Connections: must be positive, is %d", o.Connections)
	}
	return nil
}

// Store is an [operation.Store] in a PostgreSQL database.
type Store struct {
	pool    *pgxpool.Pool
	lease   time.Duration
	timeout time.Duration
	checker string

	adoptions unanswered
	received  inHand
}

var _ operation.Store = (*Store)(nil)

// Open makes a store of the database at a URL, such as
//
//	postgres://user:password@host:5432/database?sslmode=verify-full
//
// with the parameters of libpq that [pgxpool.ParseConfig] knows. Where it names
// several hosts it should ask for target_session_attrs=read-write, too.
//
// Open does not connect: that happens when a method needs it, and again whenever
// a connection was lost. An error is about the arguments, and does not tell the
// password.
func Open(address string, o Options) (*Store, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	config, err := parse(address)
	if err != nil {
		return nil, err
	}
	s := &Store{
		lease:   cmp.Or(o.Lease, defaultLease),
		timeout: cmp.Or(o.Timeout, defaultTimeout),
		checker: newChecker(),
	}
	config.MaxConns = int32(cmp.Or(o.Connections, defaultConnections)) //nolint:gosec // check has seen to the range
	config.MinConns, config.MinIdleConns = 0, 0                        // connect on demand
	if c := config.ConnConfig; c.ConnectTimeout <= 0 || c.ConnectTimeout > s.timeout {
		c.ConnectTimeout = s.timeout
	}
	// Whoever gets a connection to a host that has vanished still has the
	// time to try another one.
	config.PingTimeout = s.timeout / 4
	config.AfterConnect = s.prepare
	config.ConnConfig.DefaultQueryExecMode = execMode
	config.ConnConfig.StatementCacheCapacity, config.ConnConfig.DescriptionCacheCapacity = 0, 0
	s.pool, err = pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	return s, nil
}

// execMode is how statements are run, whatever the URL says: each is parsed anew,
// in one round trip, and nothing of it is left in the session. Behind a pooler
// in transaction mode the session of a statement is another's a moment later.
const execMode = pgx.QueryExecModeExec

// parse reads a URL. The parser's errors quote it, and hide the password as far
// as they can tell where that is. What is reported here is what the parser says
// of the URL without it.
func parse(address string) (*pgxpool.Config, error) {
	if !strings.HasPrefix(address, "postgres://") && !strings.HasPrefix(address, "postgresql://") {
		return nil, errors.New("postgres: the URL must begin with postgres:// or postgresql://")
	}
	config, err := pgxpool.ParseConfig(address)
	if err == nil {
		return config, nil
	}
	bare, err := url.Parse(address)
	if err != nil {
		return nil, errMalformed
	}
	if bare.User != nil {
		bare.User = url.User(bare.User.Username())
	}
	parameters := bare.Query()
	parameters.Del("password")
	parameters.Del("sslpassword")
	bare.RawQuery = parameters.Encode()
	if _, err = pgxpool.ParseConfig(bare.String()); err == nil {
		return nil, errMalformed
	}
	return nil, fmt.Errorf("postgres: the URL: %w", err)
}

var errMalformed = errors.New("postgres: the URL is malformed; special characters in a user's name or password must be percent-encoded")

// Close waits for the calls under way and gives up all connections, which takes
// at most 15 seconds where the server cannot be reached.
func (s *Store) Close() error {
	s.pool.Close()
	return nil
}

// How the commit of a transaction is waited for, as values of
// synchronous_commit.
const (
	// durably: until it is on disk, and on the standbys' where the server is
	// set to that. A server that is set to wait for even more does.
	durably = "on"
	// lazily: not at all.
	lazily = "off"
)

// begin is how a transaction begins, in one round trip. It spells out the kind of
// the transaction, because the server's defaults may be others, and what is to
// hold until its end and no longer. The server itself bounds all waits, so that a
// replica that has vanished in the middle does not keep the others from their
// locks.
func (s *Store) begin(commit string) pgx.TxOptions {
	limit := fmt.Sprintf("'%dms'", s.timeout.Milliseconds())
	synchronous := "'" + commit + "'"
	if commit == durably {
		synchronous = "CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END"
	}
	return pgx.TxOptions{BeginQuery: "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT" +
		" set_config('synchronous_commit', " + synchronous + ", true)," +
		" set_config('lock_timeout', " + limit + ", true)," +
		" set_config('statement_timeout', " + limit + ", true)," +
		" set_config('idle_in_transaction_session_timeout', " + limit + ", true)"}
}

// attempts is how often a transaction is made in which others were in the way.
const attempts = 4

// errAgain says that a transaction saw what changed before it could act on it.
var errAgain = errors.New("others kept changing the same entries")

// transact does something in a transaction, and once more where it collided
// with others. Errors of the store's contract are given back as they are.
func (s *Store) transact(ctx context.Context, what, commit string, do func(context.Context, pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var err error
	for range attempts {
		if err = s.attempt(ctx, commit, do); !collided(err) {
			break
		}
	}
	return unusable(what, err)
}

func (s *Store) attempt(ctx context.Context, commit string, do func(context.Context, pgx.Tx) error) error {
	tx, err := s.pool.BeginTx(ctx, s.begin(commit))
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }() // does nothing after a commit
	if err := do(ctx, tx); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// collided tells whether an error is only that others were in the way. The
// transaction did nothing then, even where it was the commit that failed.
func collided(err error) bool {
	if errors.Is(err, errAgain) {
		return true
	}
	refusal, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (refusal.Code == "40001" || refusal.Code == "40P01") // serialization_failure, deadlock_detected
}

// unusable says what the store was used for, unless the error is one of its
// contract.
func unusable(what string, err error) error {
	if err == nil || errors.Is(err, operation.ErrConflict) || errors.Is(err, operation.ErrNotFound) {
		return err
	}
	if _, used := errors.AsType[*operation.KeyUsedError](err); used {
		return err
	}
	if _, held := errors.AsType[*operation.HeldError](err); held {
		return err
	}
	return fmt.Errorf("postgres: %s: %w", what, err)
}

// encode makes JSON of an operation: a string, because all of the driver's ways
// to run a query take that for JSON.
func encode(op *operation.Operation) (string, error) {
	body, err := json.Marshal(op)
	if err != nil {
		return "", fmt.Errorf("operation %s: %w", op.ID, err)
	}
	return string(body), nil
}

func decode(body []byte) (operation.Operation, error) {
	var op operation.Operation
	if err := json.Unmarshal(body, &op); err != nil {
		return operation.Operation{}, fmt.Errorf("a stored operation: %w", err)
	}
	return op, nil
}

// collect reads the operations of a query that has no other column.
func collect(rows pgx.Rows, err error) ([]operation.Operation, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (operation.Operation, error) {
		var body []byte
		if err := row.Scan(&body); err != nil {
			return operation.Operation{}, err
		}
		return decode(body)
	})
}
