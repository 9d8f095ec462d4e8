package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"ocigate/config"
	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
	"ocigate/gateway/operation/postgres"
)

// operationsDatabase is what there is in the folder of every embedded journal.
const operationsDatabase = "operations.db"

// desk is where operators look after operations: that of the process which has
// the journal, or the journal itself.
type desk interface {
	list(ctx context.Context, q operation.Query) ([]standing, error)
	show(ctx context.Context, id string) (standing, error)
	// release frees entries and returns the operation as it is then.
	release(ctx context.Context, order operation.Release) (standing, error)
	close() error
}

// standing is an operation as operators see it.
type standing struct {
	operation.Operation
	// Held is what it holds: entries without an outcome, and claims beside these.
	Held []operation.Claim `json:"held"`
	// Readings is what its process knows of them, nil where that is another.
	Readings *operation.ReadBack `json:"readings,omitempty"`
}

// storeDesk is the desk at a store that this process has open.
type storeDesk struct {
	store  operation.Store
	keeper *operation.Keeper // nil where this process has none
	settle time.Duration
	folder string // that this process has opened for the desk, empty for none
}

func (d *storeDesk) list(ctx context.Context, q operation.Query) ([]standing, error) {
	ops, err := d.store.List(ctx, q)
	found := make([]standing, len(ops))
	for i, op := range ops {
		found[i] = d.of(op)
	}
	return found, err
}

func (d *storeDesk) show(ctx context.Context, id string) (standing, error) {
	op, err := d.store.Get(ctx, id)
	return d.of(op), err
}

func (d *storeDesk) release(ctx context.Context, order operation.Release) (standing, error) {
	op, err := order.Record(ctx, d.store, d.settle)
	return d.of(op), err
}

func (d *storeDesk) close() error { return d.store.Close() }

func (d *storeDesk) of(op operation.Operation) standing {
	s := standing{Operation: op, Held: append([]operation.Claim{}, op.Holds()...)}
	if d.keeper != nil && !op.Over() {
		if readings, ok := d.keeper.Standing(op.ID); ok {
			s.Readings = &readings
		}
	}
	return s
}

// openDesk finds the desk of a journal. One in a database is open to everybody at
// once. A folder belongs to one process: where one runs it is asked, else the
// folder is opened here.
func openDesk(ctx context.Context, j config.Journal) (desk, error) {
	if j.Store == config.StorePostgres {
		store, err := openPostgres(j, postgres.Options{})
		if err != nil {
			return nil, err
		}
		return &storeDesk{store: store, settle: j.Settle}, nil
	}
	// A gateway that has just got the folder opens its socket a moment later.
	for tries := deskTries; ; tries-- {
		d, err := openFolderDesk(ctx, j)
		if err == nil || tries == 0 || !errors.Is(err, errNoDesk) {
			return d, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(deskPause):
		}
	}
}

// How often, and with what pauses, a folder is tried that somebody has who does not
// answer.
const (
	deskTries = 10
	deskPause = 200 * time.Millisecond
)

// errNoDesk says that a folder cannot be opened, and that nobody answers for it.
var errNoDesk = errors.New("the journal cannot be opened, and no gateway answers")

func openFolderDesk(ctx context.Context, j config.Journal) (desk, error) {
	running, refused := dialControl(ctx, j.Folder)
	if refused == nil {
		return running, nil
	}
	if errors.Is(refused, fs.ErrPermission) {
		return nil, fmt.Errorf("the gateway that uses %s: %w: be the user that it runs as", j.Folder, refused)
	}
	if _, err := os.Stat(filepath.Join(j.Folder, operationsDatabase)); err != nil {
		return nil, fmt.Errorf("there is no journal (journal.folder, as seen from where you are): %w", err)
	}
	d := &storeDesk{store: bolt.Open(j.Folder, bolt.Options{}), settle: j.Settle, folder: j.Folder}
	if _, err := d.list(ctx, operation.Query{Limit: 1}); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w; %w", errNoDesk, err, refused), d.close())
	}
	return d, nil
}
