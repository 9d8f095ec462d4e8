package postgres

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// This file holds the lock of an owner. lost.go takes over from owners that have lost theirs.
//
// The lock is an advisory lock of an open transaction, on a connection that does nothing
// else. A lock of the session would be simpler, but behind a pooler in transaction mode it stays
// on the pooler's connection to the server when the owner has ended, and then belongs to whoever
// gets that connection next. An open transaction has its connection to the server for itself, and
// the pooler ends it with the connection of the owner. It has neither a snapshot nor a transaction
// id, so it does not keep rows from being vacuumed, and it locks no table, so it does not keep
// another version from migrating them.

// Times of the lock.
const (
	lockCheck   = 2 * time.Second        // how often the connection is tried
	lockTimeout = time.Second            // of an attempt to get a lock, or to note that
	lockSilence = 3 * time.Second        // after which the connection counts as lost; the server takes longer
	lockRetry   = 500 * time.Millisecond // between attempts to get a lock
	lockPause   = 5 * time.Minute        // after the lock has left a pooler no connection
	// poolerFullAfter is how long a transaction that fails must have lasted for the lock to be the
	// reason: shorter than the keeper's checks of the journal.
	poolerFullAfter = 2 * time.Second
)

// lockSettings make the server notice within about 11 seconds that an owner's machine has
// vanished, and keep it from ending the transaction. transaction_timeout is not in all versions.
const lockSettings = `SELECT pg_catalog.set_config(s.name, v.value, true)
	FROM (VALUES ('application_name', 'ocigate lock'),
		('idle_in_transaction_session_timeout', '0'), ('transaction_timeout', '0'), ('statement_timeout', '1s'), ('lock_timeout', '1s'),
		('tcp_keepalives_idle', '5'), ('tcp_keepalives_interval', '2'), ('tcp_keepalives_count', '3'), ('tcp_user_timeout', '11s')) AS v (name, value)
	JOIN pg_catalog.pg_show_all_settings() AS s ON s.name = v.name`

var (
	errLockTaken  = errors.New("another session has the lock")
	errElsewhere  = errors.New("the connections of the journal do not see the lock: the address leads them to another server or database")
	errPoolerFull = errors.New("the lock leaves the pooler no connection for anything else")
)

// lockKey returns the key of an owner's lock, which has two numbers of 32 bits: one for the
// gateways whose tables are in the schema, and one for the owner. Keys of two numbers are separate
// from those of one, such as schemaLock. If two owners, or other programs that use the database,
// have the same key, only one of them gets the lock, and the other one has its lease alone.
func (p place) lockKey(owner string) (class, id int32) {
	number := func(text string) int32 {
		h := fnv.New32a()
		_, _ = h.Write([]byte(text)) // never fails
		return int32(h.Sum32())      //nolint:gosec // all 32 bits count
	}
	return number("ocigate lock " + p.schema), number(owner)
}

// lockOf returns the owner under which the table of leases notes that an owner can be taken for
// stopped when its lock is free. It does not have the form of an owner.
func lockOf(owner string) string { return lockPrefix + owner }

const lockPrefix = "lock of "

// ownerLocks has the locks of the owners of a store: one, except in tests.
type ownerLocks struct {
	life context.Context // ends with Close
	end  context.CancelFunc
	work sync.WaitGroup
	// changed is Options.LockChanged.
	changed func(err error)

	mu    sync.Mutex // guards the fields below; not held during calls of the database
	locks map[string]*ownerLock
	ended bool
}

// ownerLock is the state of one lock. The mu of ownerLocks guards it.
type ownerLock struct {
	held  bool
	err   error // why it is not held
	noted bool  // whether there was an attempt to get it
	// release ends the transaction of a lock that is held through a pooler; nil otherwise.
	release context.CancelCauseFunc
}

func newOwnerLocks(changed func(err error)) *ownerLocks {
	l := &ownerLocks{locks: map[string]*ownerLock{}, changed: changed}
	l.life, l.end = context.WithCancel(context.Background())
	return l
}

// close frees the locks.
func (l *ownerLocks) close() {
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.end()
	l.work.Wait()
}

// startLock has the lock of an owner held from now on, until Close.
func (s *Store) startLock(owner string) {
	l := s.locks
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended || l.locks[owner] != nil {
		return
	}
	l.locks[owner] = &ownerLock{err: errors.New("it is being requested")}
	l.work.Go(func() { s.keepLock(owner) })
}

// LockState reports whether the owners of this store hold their locks, and if not, why. A
// store that nobody has called Adopt of has no owners.
func (s *Store) LockState() (held bool, err error) {
	s.locks.mu.Lock()
	defer s.locks.mu.Unlock()
	for _, lock := range s.locks.locks {
		if !lock.held {
			return false, lock.err
		}
	}
	return len(s.locks.locks) > 0, nil
}

// note sets the state of a lock, and reports a change.
func (l *ownerLocks) note(owner string, held bool, err error, release context.CancelCauseFunc) {
	l.mu.Lock()
	lock := l.locks[owner]
	changed := held != lock.held || !lock.noted
	*lock = ownerLock{held: held, err: err, release: release, noted: true}
	l.mu.Unlock()
	if changed && l.changed != nil && l.life.Err() == nil {
		l.changed(err)
	}
}

// relieve frees the locks that are held through a pooler, because a call of the database was not
// served in time: they may have all of the pooler's connections.
func (l *ownerLocks) relieve() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, lock := range l.locks {
		if lock.release != nil {
			lock.release(errPoolerFull)
		}
	}
}

// keepLock holds the lock of an owner until Close, and gets it again when it is lost. If that does
// not succeed at once, it first takes back that the owner can be taken for stopped.
func (s *Store) keepLock(owner string) {
	life := s.locks.life
	noted := false // that the owner can be taken for stopped
	for life.Err() == nil {
		held, err := s.holdLock(life, owner)
		s.locks.note(owner, false, err, nil)
		poolerFull := errors.Is(err, errPoolerFull)
		noted = noted || held
		if held && !poolerFull { // others wait for lostGrace
			pause(life, lockRetry)
			continue
		}
		for noted && life.Err() == nil { // after Close, others are to notice
			if noted = s.noteLock(life, owner, false) != nil; noted {
				pause(life, lockRetry)
			}
		}
		if poolerFull {
			pause(life, lockPause)
		} else {
			pause(life, lockRetry)
		}
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case <-ctx.Done():
	case <-wait.C:
	}
}

// holdLock gets the lock and holds it until it is lost or ctx ends. It reports whether it had it.
func (s *Store) holdLock(ctx context.Context, owner string) (held bool, err error) {
	conn, pooled, err := s.getLock(ctx, owner)
	if err != nil {
		return false, fmt.Errorf("postgres: lock: %w", s.explain(err))
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), lockTimeout)
		defer cancel()
		_ = conn.Close(closing) // it frees the lock in any case
	}()
	ctx, release := context.WithCancelCause(ctx)
	defer release(nil)
	if pooled && !s.hasRoom(ctx) {
		return false, errPoolerFull
	}
	if err := s.seesLock(ctx, owner); err != nil {
		return false, fmt.Errorf("postgres: lock: %w", s.explain(err))
	}
	if err := s.noteLock(ctx, owner, true); err != nil {
		return true, fmt.Errorf("postgres: lock: %w", err) // it may be noted
	}
	if !pooled {
		s.locks.note(owner, true, nil, nil)
	} else {
		s.locks.note(owner, true, nil, release)
	}
	err = watchLock(ctx, conn)
	if errors.Is(context.Cause(ctx), errPoolerFull) {
		err = errPoolerFull
	}
	return true, fmt.Errorf("postgres: the lock is lost: %w", err)
}

// getLock returns a connection with an open transaction that has the lock, and whether there is
// a pooler in between: then the server names another process than the connection does.
func (s *Store) getLock(ctx context.Context, owner string) (conn *pgx.Conn, pooled bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	conn, err = pgx.ConnectConfig(ctx, s.lockConfig)
	if err != nil {
		return nil, false, err
	}
	class, id := s.place.lockKey(owner)
	var locked bool
	var process int64
	_, err = conn.Exec(ctx, "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; "+serverPath+"; "+lockSettings)
	if err == nil {
		err = conn.QueryRow(ctx, `SELECT pg_catalog.pg_try_advisory_xact_lock($1, $2), pg_catalog.pg_backend_pid()::bigint`, class, id).Scan(&locked, &process)
	}
	if err == nil && !locked {
		err = errLockTaken
	}
	if err != nil {
		_ = conn.Close(ctx)
		return nil, false, err
	}
	return conn, process != int64(conn.PgConn().PID()), nil
}

// TryLock gets a lock as owners do, and frees it. It reports whether there is a pooler in between, of
// whose connections the lock of each owner takes one. The error is why owners cannot hold locks.
func (s *Store) TryLock(ctx context.Context) (pooled bool, err error) {
	conn, pooled, err := s.getLock(ctx, s.checker)
	if err != nil {
		return false, s.unusable("lock", err)
	}
	defer func() { _ = conn.Close(ctx) }() // it frees the lock in any case
	if pooled && !s.hasRoom(ctx) {
		return true, s.unusable("lock", errPoolerFull)
	}
	if err := s.seesLock(ctx, s.checker); err != nil {
		return pooled, s.unusable("lock", err)
	}
	return pooled, nil
}

// hasRoom reports whether the database can be used beside the lock.
func (s *Store) hasRoom(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, poolerFullAfter)
	defer cancel()
	return s.pool.Ping(ctx) == nil
}

// seesLock returns nil if the lock of an owner is held where the journal is. An address with
// several hosts, or a pooler, may lead the connection of the lock to a standby. Other owners would
// find the lock free then, and take over from one that runs.
func (s *Store) seesLock(ctx context.Context, owner string) error {
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	class, id := s.place.lockKey(owner)
	var held bool
	err := s.query(ctx, func(rows pgx.Rows) (err error) {
		held, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[bool])
		return err
	}, `SELECT $2::bigint = ANY(`+heldLocks+`)`, int64(uint32(class)), int64(uint32(id))) //nolint:gosec // the server has them without a sign
	if err == nil && !held {
		err = errElsewhere
	}
	return err
}

// watchLock returns when the connection of a lock is lost, and why.
func watchLock(ctx context.Context, conn *pgx.Conn) error {
	for {
		waiting, cancel := context.WithTimeout(ctx, lockCheck)
		_, err := conn.WaitForNotification(waiting) // there are none: it returns when the connection ends
		quiet := waiting.Err() != nil && !conn.IsClosed()
		cancel()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil && !quiet {
			return err
		}
		trying, cancel := context.WithTimeout(ctx, lockSilence)
		_, err = conn.Exec(trying, "SELECT")
		cancel()
		if err != nil {
			return err
		}
	}
}

// noteLock notes whether an owner can be taken for stopped when its lock is free.
func (s *Store) noteLock(ctx context.Context, owner string, can bool) error {
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	return s.attempt(ctx, lazily, func(ctx context.Context, tx pgx.Tx) error {
		sql := `DELETE FROM ocigate_replicas WHERE owner = $1`
		if can {
			sql = `INSERT INTO ocigate_replicas (owner, renewed, lease) VALUES ($1, clock_timestamp(), interval '0')
				ON CONFLICT (owner) DO UPDATE SET renewed = excluded.renewed`
		}
		_, err := tx.Exec(ctx, sql, lockOf(owner))
		return err
	})
}
