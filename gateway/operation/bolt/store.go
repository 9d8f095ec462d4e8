// Package bolt is the store of operations that needs no server: a database
// file of bbolt for the operations and their keys, and beside it the audit
// trail as files of JSON lines, one a month in UTC, that ordinary tools can
// follow, ship and archive while the store is in use.
//
//	operations.db
//	audit-2026-10.jsonl
//	audit-2026-11.jsonl
//
// The chain of the trail goes on from one file to the next. The folder belongs
// to one process at a time. What to do about operations and what the lines say
// is left to package operation.
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

// Options are what a store may be told. Their zero value is good.
type Options struct {
	// Logger is told what happened to the files that no caller can be told:
	// that they vanished, or that a line of the audit trail was cut off. With
	// nil, nobody is.
	Logger *slog.Logger
	// NoSync leaves it to the operating system when something reaches the
	// disk. It is for simulations only: what was recorded survives the death
	// of the process, but not of the machine.
	NoSync bool
}

// Store is a store in a folder. It implements [operation.Store].
//
// Owners that have neither begun an operation nor adopted any since it was opened
// are dead: they were of another process.
type Store struct {
	folder string
	noSync bool
	log    *slog.Logger
	queue  queue

	// turn holds one element while somebody uses what follows.
	turn     chan struct{}
	database *database // nil where it has to be opened
	trail    *trail    // nil where it has to be opened
	known    bool      // there has been a database
	// doubtful tells that something failed, so that the disk has to prove
	// itself before it is relied upon.
	doubtful bool
	corrupt  *corruption
	begun    begun
	alive    map[string]bool // owners
	// orphans are the ids of the operations that were to be adopted when that
	// failed. They may have been, and yet nobody takes care of them.
	orphans map[string]bool
	closed  bool
}

var _ operation.Store = (*Store)(nil)

// Open makes a store in a folder. It never fails, nor does it touch the disk:
// the files are opened, and made where there are none, when they are first
// needed, and again when something was wrong with them. Several stores in one
// folder cannot be used at once.
func Open(folder string, o Options) *Store {
	return &Store{
		folder: folder,
		noSync: o.NoSync,
		log:    cmp.Or(o.Logger, slog.New(slog.DiscardHandler)),
		turn:   make(chan struct{}, 1),
		begun:  newBegun(),
		alive:  map[string]bool{}, orphans: map[string]bool{},
	}
}

// Close gives up the folder.
func (s *Store) Close() error {
	s.turn <- struct{}{}
	defer s.unlock()
	s.closed = true
	s.closeFiles()
	return nil
}

var errClosed = errors.New("bolt: the store is closed")

// lock waits for the store's turn.
func (s *Store) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("bolt: %w", err)
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("bolt: %s is busy: %w", s.folder, ctx.Err())
	}
	if s.closed {
		s.unlock()
		return errClosed
	}
	return nil
}

func (s *Store) unlock() { <-s.turn }

// Begin implements [operation.Store]. The operation is kept in memory.
func (s *Store) Begin(ctx context.Context, op operation.Operation) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	s.closeStrayed()
	if err := s.openDatabase(); err != nil {
		return err
	}
	judged := s.view(func(tx *bbolt.Tx) error { return s.judge(tx, &op) })
	if _, used := errors.AsType[*operation.KeyUsedError](judged); used {
		return judged // what a key stands for can be told also while nothing can be recorded
	}
	if err := s.ready(); err != nil {
		return err
	}
	if judged != nil {
		return judged
	}
	s.begun.add(&op)
	s.alive[op.Owner] = true
	return nil
}

// judge tells whether the operation can have its key and entries.
func (s *Store) judge(tx *bbolt.Tx, op *operation.Operation) error {
	if op.HoldsKey() {
		if err := s.judgeKey(tx, op); err != nil {
			return err
		}
	}
	var held operation.HeldError
	for _, c := range op.Holds() {
		s.judgeClaim(tx, op, c, &held)
	}
	if held.ID != "" {
		return &held
	}
	return nil
}

// judgeClaim adds a claim to those that are held where another operation has it.
func (s *Store) judgeClaim(tx *bbolt.Tx, op *operation.Operation, c operation.Claim, held *operation.HeldError) {
	holder := s.begun.holder(op, c)
	if holder == op.ID {
		return // since it was begun, so that nobody else has it
	}
	for id := range others(tx, holdsBucket, op, c) {
		holder = id
		break
	}
	if holder != "" {
		held.ID, held.Held = holder, append(held.Held, c)
	}
}

func (s *Store) judgeKey(tx *bbolt.Tx, op *operation.Operation) error {
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
func (s *Store) List(ctx context.Context, q operation.Query) (found []operation.Operation, err error) {
	err = s.read(ctx, func(tx *bbolt.Tx, begun map[string]operation.Operation) error {
		for id := range listed(tx, &q) {
			if len(found) >= q.Limit {
				break
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			delete(begun, id)
			op, stored, err := get(tx, id)
			if err != nil {
				return err
			}
			if stored && matches(&op, &q) {
				found = append(found, op)
			}
		}
		for _, op := range begun {
			if matches(&op, &q) {
				found = append(found, clone(op))
			}
		}
		return nil
	})
	slices.SortFunc(found, func(a, b operation.Operation) int { return strings.Compare(b.ID, a.ID) })
	return found[:min(len(found), q.Limit)], err
}

// listed are the ids of the operations that a query may find, the last first.
func listed(tx *bbolt.Tx, q *operation.Query) iter.Seq[string] {
	if q.Open {
		return newest(tx, openBucket, nil, q.Before)
	}
	return newest(tx, listsBucket, listKey(q.Target, q.State), q.Before)
}

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

// isLater reports whether another operation with one of the same entries was
// begun after this one. An id is made before its operation is begun, so that a
// short operation can begin and end between the two: then the intents have the
// right order.
func isLater(tx *bbolt.Tx, id string, op *operation.Operation) (bool, error) {
	if id > op.ID {
		return true, nil
	}
	other, _, err := get(tx, id)
	return other.IntendedAt.After(op.IntendedAt), err
}

// Adopt implements [operation.Store].
func (s *Store) Adopt(ctx context.Context, owner string) ([]operation.Operation, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.unlock()
	if err := s.ready(); err != nil {
		return nil, err
	}
	var orphans []operation.Operation
	err := s.view(func(tx *bbolt.Tx) error {
		for id := range newest(tx, openBucket, nil, "") {
			op, _, err := get(tx, id)
			if err != nil {
				return err
			}
			if !s.alive[op.Owner] || s.orphans[id] {
				orphans = append(orphans, op)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := s.giveTo(owner, orphans); err != nil {
		return nil, err
	}
	s.alive[owner] = true
	slices.Reverse(orphans)
	return orphans, nil
}

// giveTo makes an owner that of operations.
func (s *Store) giveTo(owner string, ops []operation.Operation) error {
	if len(ops) == 0 {
		return nil
	}
	for i := range ops {
		ops[i].Owner = owner
		ops[i].Version++
		s.orphans[ops[i].ID] = true
	}
	err := s.update(func(tx *bbolt.Tx) error { return putAll(tx, ops) })
	if err == nil {
		clear(s.orphans)
	}
	return err
}

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
