package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"ocigate/gateway/operation"
)

// Options configure a [Store]. The zero value of each field means its default.
type Options struct {
	// Lease is how long the lease of an owner lasts after each call of Adopt. The
	// setting of the owner's own store counts, so that replicas with different
	// settings agree. [Store.SetLease] replaces it. Default 1 minute.
	Lease time.Duration
	// Timeout limits each use of the database: getting a connection and one
	// transaction. Prune and Adopt make as many transactions as they need; all other
	// methods make one. Default 5 seconds.
	Timeout time.Duration
	// Connections is the greatest number of connections, whatever the URL says.
	// Default 8.
	Connections int
	// Schema is the schema of the tables, which only trusted roles may own or create
	// objects in: the role of the URL, the owner of the database, superusers, and
	// Owner. Its name has 1 to 63 of a-z, 0-9 and _, and does not begin with a digit
	// or pg_. Default ocigate.
	Schema string
	// Owner is a role that may own the schema and the tables, too. Default none.
	Owner string
	// LockChanged is called with nil when the store has the lock of its owner, and with
	// the cause when it cannot get it or has lost it. It must not call the store.
	LockChanged func(err error)
}

// Defaults for the zero values of Options.
const (
	defaultLease       = time.Minute
	defaultTimeout     = 5 * time.Second
	defaultConnections = 8
)

// check validates the options.
func (o Options) check() error {
	switch {
	case o.Lease < 0:
		return fmt.Errorf("postgres: Lease: must be positive, is %v", o.Lease)
	case o.Timeout < 0 || o.Timeout > 0 && o.Timeout < time.Millisecond:
		return fmt.Errorf("postgres: Timeout: must be at least 1ms, is %v", o.Timeout)
	case o.Connections < 0 || o.Connections > math.MaxInt32:
		return fmt.Errorf("postgres: Connections: must be positive, is %d", o.Connections)
	case o.Schema != "" && (!schemaName.MatchString(o.Schema) || strings.HasPrefix(o.Schema, "pg_")):
		return fmt.Errorf("postgres: Schema: must be the name of a schema, is %q", o.Schema)
	}
	return nil
}

// place returns where the tables are.
func (o Options) place() place { return place{cmp.Or(o.Schema, defaultSchema), o.Owner} }

// Store is an [operation.Store] in a PostgreSQL database.
type Store struct {
	pool    *pgxpool.Pool
	place   place
	leases  leases
	timeout time.Duration
	checker string            // the owner that Check uses
	explain func(error) error // adds to an error about TLS why TLS is required

	adoptions failedAdoptions
	received  receivedOperations

	lockConfig    *pgx.ConnConfig // of the connections that hold locks
	locks         *ownerLocks
	lost          lostOwners
	lostAdoptions failedAdoptions
}

var _ operation.Store = (*Store)(nil)

// Open returns a store for the database at a URL, such as
//
//	postgres://user:password@host:5432/database?sslmode=verify-full
//
// with the parameters of libpq that [pgxpool.ParseConfig] supports. A URL with several
// hosts should have target_session_attrs=read-write, too. If it sets no sslmode and one of
// the hosts is neither localhost, nor a loopback address, nor a Unix socket, sslmode is
// verify-full, whatever the environment says. [Weakness] reports what another mode leaves
// open.
//
// Open does not connect: the methods connect when they need to, and again after a
// connection was lost. An error is about the arguments, and does not contain the
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
		place:   o.place(),
		leases:  newLeases(cmp.Or(o.Lease, defaultLease)),
		timeout: cmp.Or(o.Timeout, defaultTimeout),
		checker: newChecker(),
		explain: config.explain,
		lost:    lostOwners{grace: lostGrace},
		locks:   newOwnerLocks(o.LockChanged),
	}
	config.MaxConns = int32(cmp.Or(o.Connections, defaultConnections)) //nolint:gosec // check validates the range
	config.MinConns, config.MinIdleConns = 0, 0                        // connect on demand
	if c := config.ConnConfig; c.ConnectTimeout <= 0 || c.ConnectTimeout > s.timeout {
		c.ConnectTimeout = s.timeout
	}
	// A call that gets a connection to a host that has vanished still has time to
	// try another one.
	config.PingTimeout = s.timeout / 4
	config.AfterConnect = s.prepare
	config.ConnConfig.DefaultQueryExecMode = execMode
	config.ConnConfig.StatementCacheCapacity, config.ConnConfig.DescriptionCacheCapacity = 0, 0
	s.lockConfig = config.ConnConfig.Copy()
	s.pool, err = pgxpool.NewWithConfig(context.Background(), config.Config)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	return s, nil
}

// execMode is how statements are run, whatever the URL says: each is parsed again, in one
// round trip, and leaves no state in the session. Behind a pooler in transaction mode the
// next statement in that session may belong to another client.
const execMode = pgx.QueryExecModeExec

// Close waits for the calls that are running and closes all connections, which takes at
// most 15 seconds if the server cannot be reached. It also frees the locks of its owners, so that
// other stores take their operations over within seconds.
func (s *Store) Close() error {
	s.locks.close()
	s.pool.Close()
	return nil
}

// Values of synchronous_commit: how long the commit of a transaction waits.
const (
	// durably: until it is on disk, and on that of the standbys if the server is
	// configured so. A server that is configured to wait for more does.
	durably = "on"
	// lazily: not at all.
	lazily = "off"
)

// begin returns how a transaction begins, in one round trip. It sets the kind of the
// transaction, because the server's defaults may differ, and settings that end with the
// transaction. The search path comes first: it decides what the names of functions mean in the
// statements after it. The server itself limits all waits, so that a replica that vanishes in a
// transaction does not keep its locks for long.
func (s *Store) begin(commit string) pgx.TxOptions {
	limit := fmt.Sprintf("'%dms'", s.timeout.Milliseconds())
	synchronous := "'" + commit + "'"
	if commit == durably {
		synchronous = "CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END"
	}
	return pgx.TxOptions{BeginQuery: "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; " + s.place.setPath() + "; SELECT" +
		" set_config('synchronous_commit', " + synchronous + ", true)," +
		" set_config('lock_timeout', " + limit + ", true)," +
		" set_config('statement_timeout', " + limit + ", true)," +
		" set_config('idle_in_transaction_session_timeout', " + limit + ", true)"}
}

// attempts is how often a transaction is tried that conflicts with others.
const attempts = 4

// errAgain means that data changed between two statements of a transaction.
var errAgain = errors.New("other operations kept changing the same entries")

// transact calls do in a transaction, and again if that conflicts with another one. what
// names the call in errors. Errors of the store's contract are returned as they are.
func (s *Store) transact(ctx context.Context, what, commit string, do func(context.Context, pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	began := time.Now()
	var err error
	for range attempts {
		if err = s.attempt(ctx, commit, do); !collided(err) {
			break
		}
	}
	if errors.Is(err, context.DeadlineExceeded) && time.Since(began) >= min(s.timeout, poolerFullAfter) {
		s.locks.relieve()
	}
	return s.unusable(what, err)
}

// attempt calls do in one transaction.
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

// collided reports whether an error means a conflict with another transaction. The
// transaction then did nothing, even if it was the commit that failed.
func collided(err error) bool {
	if errors.Is(err, errAgain) {
		return true
	}
	refusal, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (refusal.Code == "40001" || refusal.Code == "40P01") // serialization_failure, deadlock_detected
}

// unusable adds the name of the call to an error, and why TLS is required, unless it is one
// of the store's contract.
func (s *Store) unusable(what string, err error) error {
	if err == nil || errors.Is(err, operation.ErrConflict) || errors.Is(err, operation.ErrNotFound) {
		return err
	}
	if _, used := errors.AsType[*operation.KeyUsedError](err); used {
		return err
	}
	if _, held := errors.AsType[*operation.HeldError](err); held {
		return err
	}
	return fmt.Errorf("postgres: %s: %w", what, s.explain(err))
}

// encode returns the JSON of an operation. It is a string because all of the driver's
// ways to run a query accept that for JSON.
func encode(op *operation.Operation) (string, error) {
	body, err := json.Marshal(op)
	if err != nil {
		return "", fmt.Errorf("operation %s: %w", op.ID, err)
	}
	return string(body), nil
}

// decode returns the operation of a JSON.
func decode(body []byte) (operation.Operation, error) {
	var op operation.Operation
	if err := json.Unmarshal(body, &op); err != nil {
		return operation.Operation{}, fmt.Errorf("a stored operation: %w", err)
	}
	return op, nil
}

// collect returns the operations of a query, whose only column is the record.
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
