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

// operationsDatabase is the name of the file that every embedded journal has in its
// folder.
const operationsDatabase = "operations.db"

// manager lets operators inspect and release operations, and revoke tokens. It is either a running gateway
// that has the journal open (controlClient), or the journal itself (storeManager).
type manager interface {
	// list returns a page. It may be shorter than q.Limit although there are more.
	list(ctx context.Context, q operation.Query) ([]operationStatus, error)
	show(ctx context.Context, id string) (operationStatus, error)
	// release frees entries and returns the changed operation.
	release(ctx context.Context, order operation.Release) (operationStatus, error)
	// endTokens revokes the tokens of a user.
	endTokens(ctx context.Context, order operation.EndTokens) error
	close() error
}

// operationStatus is an operation with the information that operators need. Its JSON is
// that of the control socket and of --json.
type operationStatus struct {
	operation.Operation
	// Held lists the claims that the operation holds: entries without an outcome, and
	// further claims.
	Held []operation.Claim `json:"held"`
	// Readings is the state of reading back, nil if another process does that.
	Readings *operation.ReadBack `json:"readings,omitempty"`
}

// storeManager is the manager of a store that this process has open.
type storeManager struct {
	store  operation.Store
	keeper *operation.Keeper // nil if this process has none
	settle time.Duration
	folder string // opened by this manager, empty for none
}

// managerPageBytes limits a page by the sizes of its operations, so that a list needs
// little memory in a running gateway, however many entries the writes have.
const managerPageBytes = 1 << 20

func (m *storeManager) list(ctx context.Context, q operation.Query) ([]operationStatus, error) {
	q.MaxBytes = managerPageBytes
	ops, _, err := m.store.List(ctx, q)
	found := make([]operationStatus, len(ops))
	for i, op := range ops {
		found[i] = m.status(op)
	}
	return found, err
}

func (m *storeManager) show(ctx context.Context, id string) (operationStatus, error) {
	op, err := m.store.Get(ctx, id)
	return m.status(op), err
}

func (m *storeManager) release(ctx context.Context, order operation.Release) (operationStatus, error) {
	op, err := order.Record(ctx, m.store, m.settle)
	return m.status(op), err
}

func (m *storeManager) endTokens(ctx context.Context, order operation.EndTokens) error {
	err := order.Record(ctx, m.store)
	if err == nil && m.keeper != nil {
		_ = m.keeper.ReadRevocations(ctx) // otherwise it does so soon
	}
	return err
}

func (m *storeManager) close() error { return m.store.Close() }

// status returns the status of an operation.
func (m *storeManager) status(op operation.Operation) operationStatus {
	s := operationStatus{Operation: op, Held: append([]operation.Claim{}, op.Holds()...)}
	if m.keeper != nil && !op.Over() {
		if readings, ok := m.keeper.ReadBack(op.ID); ok {
			s.Readings = &readings
		}
	}
	return s
}

// openManager returns the manager of a journal. A database can be used by several
// processes at the same time. A folder can be used by one process: if a gateway runs,
// the manager is its control socket, and otherwise the folder is opened here.
func openManager(ctx context.Context, j config.Journal) (manager, error) {
	if j.Store == config.StorePostgres {
		store, err := openPostgres(j, postgres.Options{})
		if err != nil {
			return nil, err
		}
		return &storeManager{store: store, settle: j.Settle}, nil
	}
	// A gateway opens its socket shortly after it has opened the folder.
	for tries := openTries; ; tries-- {
		m, err := openFolderManager(ctx, j)
		if err == nil || tries == 0 || !errors.Is(err, errNoGateway) {
			return m, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(openPause):
		}
	}
}

// openTries and openPause are how often, and with what pauses, a folder is opened that
// another process has open without answering at the socket.
const (
	openTries = 10
	openPause = 200 * time.Millisecond
)

// errNoGateway is returned if a folder cannot be opened, and no gateway answers at its
// socket.
var errNoGateway = errors.New("the journal cannot be opened, and no gateway answers")

// openFolderManager returns the manager of an embedded journal.
func openFolderManager(ctx context.Context, j config.Journal) (manager, error) {
	running, refused := dialControl(ctx, j.Folder)
	if refused == nil {
		return running, nil
	}
	if isUnsafe(refused) {
		return nil, refused
	}
	if errors.Is(refused, fs.ErrPermission) {
		return nil, fmt.Errorf("the gateway that uses %s: %w: run the command as the user of the gateway", j.Folder, refused)
	}
	if _, err := os.Stat(filepath.Join(j.Folder, operationsDatabase)); err != nil {
		return nil, fmt.Errorf("there is no journal in journal.folder, which may be relative to the working directory: %w", err)
	}
	m := &storeManager{store: bolt.Open(j.Folder, bolt.Options{}), settle: j.Settle, folder: j.Folder}
	if _, err := m.list(ctx, operation.Query{Limit: 1}); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w; %w", errNoGateway, err, refused), m.close())
	}
	return m, nil
}
