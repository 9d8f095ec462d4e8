package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
)

// The paths of the control socket about the audit trail.
const (
	controlAudit        = "/v1/audit"
	controlAuditAccept  = controlAudit + "/accept"
	controlAuditArchive = controlAudit + "/archive"
)

// withAudit adds the audit trail of a store to a handler of the control socket.
func withAudit(handler http.Handler, store operation.TrailStore) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", handler)
	mux.HandleFunc("GET "+controlAudit, func(w http.ResponseWriter, r *http.Request) {
		b, err := store.Bounds(r.Context())
		answer(w, b, err)
	})
	order := func(do func(context.Context, operation.TrailOrder) (operation.Bounds, error)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			var o operation.TrailOrder
			if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControlBytes)).Decode(&o); err != nil {
				answer(w, nil, err)
				return
			}
			b, err := do(r.Context(), o)
			answer(w, b, err)
		}
	}
	mux.HandleFunc("POST "+controlAuditAccept, order(store.AcceptTrail))
	mux.HandleFunc("POST "+controlAuditArchive, order(func(ctx context.Context, o operation.TrailOrder) (operation.Bounds, error) {
		if err := store.ArchiveTrail(ctx, o); err != nil {
			return operation.Bounds{}, err
		}
		return store.Bounds(ctx)
	}))
	return mux
}

// trailManager lets operators archive and accept an audit trail. It is either the journal
// itself, or a running gateway that has it open.
type trailManager interface {
	Bounds(ctx context.Context) (operation.Bounds, error)
	AcceptTrail(ctx context.Context, order operation.TrailOrder) (operation.Bounds, error)
	ArchiveTrail(ctx context.Context, order operation.TrailOrder) error
}

// Bounds implements trailManager.
func (c *controlClient) Bounds(ctx context.Context) (b operation.Bounds, err error) {
	err = c.call(ctx, http.MethodGet, controlAudit, nil, nil, &b)
	return b, err
}

// AcceptTrail implements trailManager.
func (c *controlClient) AcceptTrail(ctx context.Context, order operation.TrailOrder) (b operation.Bounds, err error) {
	err = c.call(ctx, http.MethodPost, controlAuditAccept, nil, order, &b)
	return b, err
}

// ArchiveTrail implements trailManager.
func (c *controlClient) ArchiveTrail(ctx context.Context, order operation.TrailOrder) error {
	return c.call(ctx, http.MethodPost, controlAuditArchive, nil, order, new(operation.Bounds))
}

// trailManagerOf returns the manager of the audit trail of a journal.
func trailManagerOf(m manager) (trailManager, error) {
	if direct, ok := m.(*storeManager); ok {
		if err := mayWrite(m); err != nil {
			return nil, err
		}
		return direct.store.(operation.TrailStore), nil // both stores are
	}
	return m.(*controlClient), nil // the only other manager
}

// inspectBounds returns what the embedded journal in a folder knows of its audit trail. It
// changes nothing: a running gateway is asked.
func inspectBounds(ctx context.Context, folder string) (operation.Bounds, error) {
	found, err := bolt.Inspect(folder)
	if !errors.Is(err, bolt.ErrInUse) {
		return found.Trail, err
	}
	running, err := dialRunning(ctx, folder, askTime)
	if err != nil {
		return operation.Bounds{}, err
	}
	defer func() { _ = running.close() }() // never fails
	return running.Bounds(ctx)
}
