// Package bolt implements [operation.Store] in a folder, without a server. A bbolt
// database file has the operations and their keys. The audit trail is beside it, as
// files of JSON lines, one for each month in UTC, which ordinary tools can follow, ship
// and archive while the store is in use.
//
//	operations.db
//	audit-2026-10.jsonl
//	audit-2026-11.jsonl
//
// The chain of the trail continues from one file to the next. Only one process can use
// the folder at a time. A folder or file that another user can change is an [*UnsafeError],
// and no link is followed: see [CheckFolder]. Package operation defines what happens to operations, and what
// the lines contain.
//
// [Open] returns a [Store], which a keeper then uses:
//
//	store := bolt.Open("/var/lib/ocigate", bolt.Options{Logger: logger})
//	defer store.Close()
//	keeper := operation.NewKeeper(operation.Options{Store: store, Observe: observe, Owner: owner})
//
// [Trail] reads the audit trail of a folder, also while a store uses it.
package bolt

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"ocigate/gateway/operation"
)

// Options configure a [Store]. The zero value is valid.
type Options struct {
	// Logger logs what no caller learns from an error: that files vanished, or
	// that an incomplete line of the audit trail was removed. Nil discards it.
	Logger *slog.Logger
	// NoSync leaves it to the operating system when data reach the disk. It is
	// for simulations only: records survive the end of the process, but not a
	// failure of the machine.
	NoSync bool
	// KeepTrail is how long lines of the audit trail are kept at least. Prune removes
	// whole files whose last line is older. 0 keeps all.
	KeepTrail time.Duration
	// MostTrail is the size of a file of the audit trail, in bytes, after which the next
	// part of the month is begun. 0 means one file for each month.
	MostTrail int64
}

// Store is a store in a folder. It implements [operation.Store].
//
// An owner that has neither begun an operation nor adopted any since the store was
// opened has stopped: it belonged to an earlier process.
//
// Functions with the suffix Locked need the store locked (see lock).
type Store struct {
	folder string
	noSync bool
	log    *slog.Logger
	queue  queue

	keepTrail time.Duration
	mostTrail int64

	// locked holds one element while a goroutine has the store locked. It is a
	// channel because waiting for it ends with a context. It guards the fields
	// below, and unlike a mutex elsewhere it is held while files are read and
	// written: it gives the writes of the two files their order. Long reads of the
	// database run without it, in a transaction (see read).
	locked   chan struct{}
	database *database // nil until it is opened
	trail    *trail    // nil until it is opened
	known    bool      // there has been a database
	// last is the head of the trail after the last line that this process has added,
	// and stored the one that the database has, while the trail is open.
	last, stored operation.Head
	// suspect reports that something failed. The disk is probed before it is used
	// again.
	suspect bool
	corrupt *corruption
	begun   begun
	running map[string]bool // owners that have not stopped
	// unadopted has the ids of the operations whose adoption failed. The database
	// may have their new owner although no keeper takes care of them.
	unadopted map[string]bool
	closed    bool
}

var _ operation.TrailStore = (*Store)(nil)

// Open returns a store in a folder. It does not access the disk and cannot fail: the
// files are opened, or created if there are none, when they are first needed, and again
// after a failure. Only one store can use a folder at a time.
func Open(folder string, o Options) *Store {
	return &Store{
		folder: folder,
		noSync: o.NoSync,

		keepTrail: o.KeepTrail, mostTrail: o.MostTrail,

		log:     cmp.Or(o.Logger, slog.New(slog.DiscardHandler)),
		locked:  make(chan struct{}, 1),
		begun:   newBegun(),
		running: map[string]bool{}, unadopted: map[string]bool{},
	}
}

// Close stores the head of the audit trail and closes the files, so that another process can
// use the folder.
func (s *Store) Close() error {
	s.locked <- struct{}{}
	defer s.unlock()
	s.closed = true
	if err := s.storeHeadLocked(); err != nil {
		s.log.Warn("the head of the audit trail could not be stored", "folder", s.folder, "error", err)
	}
	s.closeFilesLocked()
	return nil
}

var errClosed = errors.New("bolt: the store is closed")

// lock locks the store, unless it is closed or ctx ends first. If it returns nil, the
// caller calls unlock.
func (s *Store) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("bolt: %w", err)
	}
	select {
	case s.locked <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("bolt: %s is busy: %w", s.folder, ctx.Err())
	}
	if s.closed {
		s.unlock()
		return errClosed
	}
	return nil
}

// unlock unlocks the store.
func (s *Store) unlock() { <-s.locked }

// Begin implements [operation.Store]. It keeps the operation in memory.
func (s *Store) Begin(ctx context.Context, op operation.Operation) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	s.closeChangedLocked()
	if err := s.openDatabaseLocked(); err != nil {
		return err
	}
	refused := s.viewLocked(func(tx *bbolt.Tx) error { return s.checkLocked(tx, &op) })
	if _, used := errors.AsType[*operation.KeyUsedError](refused); used {
		return refused // the operation of a key is returned also while nothing can be recorded
	}
	if err := s.readyLocked(); err != nil {
		return err
	}
	if refused != nil {
		return refused
	}
	s.begun.add(&op)
	s.running[op.Owner] = true
	return nil
}

// checkLocked returns an error if the operation cannot have its key, its entries or its
// claims.
func (s *Store) checkLocked(tx *bbolt.Tx, op *operation.Operation) error {
	if op.HoldsKey() {
		if err := s.checkKeyLocked(tx, op); err != nil {
			return err
		}
	}
	var held operation.HeldError
	for _, c := range op.Holds() {
		s.checkClaimLocked(tx, op, c, &held)
	}
	if held.ID != "" {
		return &held
	}
	return nil
}

// checkClaimLocked adds a claim to held if another operation has it.
func (s *Store) checkClaimLocked(tx *bbolt.Tx, op *operation.Operation, c operation.Claim, held *operation.HeldError) {
	holder := s.begun.holder(op, c)
	if holder == op.ID {
		return // since it was begun, so that no other operation has it
	}
	for id := range others(tx, holdsBucket, op, c) {
		holder = id
		break
	}
	if holder != "" {
		held.ID, held.Held = holder, append(held.Held, c)
	}
}

// checkKeyLocked returns a [operation.KeyUsedError] if another operation has the key.
func (s *Store) checkKeyLocked(tx *bbolt.Tx, op *operation.Operation) error {
	now := time.Now()
	if other, claimed := s.begun.claimed(op, now); claimed {
		return &operation.KeyUsedError{Operation: clone(other)}
	}
	c, claimed := claimOn(tx, op, now)
	if !claimed || c.id == op.ID {
		return nil
	}
	other, found, err := get(tx, c.id)
	if err != nil || !found {
		return err
	}
	return &operation.KeyUsedError{Operation: other}
}

// Abandon implements [operation.Store].
func (s *Store) Abandon(ctx context.Context, op operation.Operation) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	s.begun.remove(op.ID)
	return nil
}

// Get implements [operation.Store].
func (s *Store) Get(ctx context.Context, id string) (op operation.Operation, err error) {
	err = s.read(ctx, func(tx *bbolt.Tx, begun map[string]operation.Operation) error {
		var found bool
		if op, found, err = get(tx, id); err != nil || found {
			return err
		}
		if op, found = begun[id]; !found {
			return operation.ErrNotFound
		}
		op = clone(op)
		return nil
	})
	return op, err
}

// List implements [operation.Store].
func (s *Store) List(ctx context.Context, q operation.Query) ([]operation.Operation, bool, error) {
	page := operation.NewPage(q)
	err := s.read(ctx, func(tx *bbolt.Tx, begun map[string]operation.Operation) error {
		inMemory := matching(begun, &q)
		for id := range listed(tx, &q) {
			if err := ctx.Err(); err != nil {
				return err
			}
			for len(inMemory) > 0 && inMemory[0].ID > id {
				if !addInMemory(page, &inMemory[0]) {
					return nil
				}
				inMemory = inMemory[1:]
			}
			if len(inMemory) > 0 && inMemory[0].ID == id {
				inMemory = inMemory[1:]
			}
			size := sizeOf(tx, id)
			if isExact(&q) && page.Full(size) {
				return nil
			}
			op, stored, err := get(tx, id)
			if err != nil {
				return err
			}
			if stored && matches(&op, &q) && !page.Add(op, size) {
				return nil
			}
		}
		for len(inMemory) > 0 && addInMemory(page, &inMemory[0]) {
			inMemory = inMemory[1:]
		}
		return nil
	})
	return page.Operations, page.More, err
}

// matching returns those of the operations that match a query, the last first.
func matching(ops map[string]operation.Operation, q *operation.Query) []operation.Operation {
	var found []operation.Operation
	for _, op := range ops {
		if matches(&op, q) {
			found = append(found, op)
		}
	}
	slices.SortFunc(found, func(a, b operation.Operation) int { return strings.Compare(b.ID, a.ID) })
	return found
}

// addInMemory adds a copy of an operation that is only in memory to a page, and reports
// whether it did.
func addInMemory(page *operation.Page, op *operation.Operation) bool {
	value, err := json.Marshal(op)
	return err == nil && page.Add(clone(*op), len(value))
}

// listed iterates over the ids of the operations that may match a query, the last first.
func listed(tx *bbolt.Tx, q *operation.Query) iter.Seq[string] {
	if q.Open {
		return newest(tx, openBucket, nil, q.Before)
	}
	return newest(tx, listsBucket, listKey(q.Target, q.State), q.Before)
}

// isExact reports whether all operations that are listed match, so that none need be
// decoded to find out that there are more.
func isExact(q *operation.Query) bool { return !q.Open }

// matches reports whether an operation matches a query.
func matches(op *operation.Operation, q *operation.Query) bool {
	return q.Target.Contains(op.Target) &&
		(q.State == "" || op.State == q.State) &&
		(!q.Open || op.Open()) &&
		(q.Before == "" || op.ID < q.Before)
}

// Touched implements [operation.Store].
func (s *Store) Touched(ctx context.Context, op operation.Operation) (map[operation.Claim]string, error) {
	touched := map[operation.Claim]string{}
	err := s.read(ctx, func(tx *bbolt.Tx, _ map[string]operation.Operation) error {
		for _, c := range op.Keys() {
			for id := range others(tx, touchesBucket, &op, c) {
				later, err := isLater(tx, id, &op)
				if err != nil {
					return err
				}
				if later {
					touched[c] = id
				}
				break // the newest
			}
		}
		return nil
	})
	return touched, err
}

// isLater reports whether another operation with one of the same entries was begun after
// op. An id is created before its operation is begun, so that a short operation can begin
// and end between the two: then the intents have the right order.
func isLater(tx *bbolt.Tx, id string, op *operation.Operation) (bool, error) {
	if id > op.ID {
		return true, nil
	}
	other, _, err := get(tx, id)
	return other.IntendedAt.After(op.IntendedAt), err
}

// Adopt implements [operation.Store]. It also stores the head of the audit trail in the
// database: only lines that were added after the last call can be removed without notice
// after a crash.
func (s *Store) Adopt(ctx context.Context, owner string) ([]operation.Operation, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.unlock()
	if err := s.readyLocked(); err != nil {
		return nil, err
	}
	var abandoned []operation.Operation // their owners have stopped
	err := s.viewLocked(func(tx *bbolt.Tx) error {
		for id := range newest(tx, openBucket, nil, "") {
			op, _, err := get(tx, id)
			if err != nil {
				return err
			}
			if !s.running[op.Owner] || s.unadopted[id] {
				abandoned = append(abandoned, op)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := s.giveToLocked(owner, abandoned); err != nil {
		return nil, err
	}
	if err := s.storeHeadLocked(); err != nil {
		return nil, err
	}
	s.running[owner] = true
	slices.Reverse(abandoned)
	return abandoned, nil
}

// AdoptLost implements [operation.Store]. It does nothing: owners have no leases here, and Adopt
// takes over from all that have stopped.
func (s *Store) AdoptLost(context.Context, string) ([]operation.Operation, time.Duration, error) {
	return nil, 0, nil
}

// giveToLocked gives operations a new owner.
func (s *Store) giveToLocked(owner string, ops []operation.Operation) error {
	if len(ops) == 0 {
		return nil
	}
	for i := range ops {
		ops[i].Owner = owner
		ops[i].Version++
		s.unadopted[ops[i].ID] = true
	}
	err := s.updateLocked(func(tx *bbolt.Tx) error { return putAll(tx, ops) })
	if err == nil {
		clear(s.unadopted)
	}
	return err
}

// putAll stores operations.
func putAll(tx *bbolt.Tx, ops []operation.Operation) error {
	for i := range ops {
		value, err := json.Marshal(&ops[i])
		if err != nil {
			return err
		}
		if err := put(tx, &ops[i], value); err != nil {
			return err
		}
	}
	return nil
}
