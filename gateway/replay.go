package gateway

import (
	"context"
	"errors"
	"slices"

	"github.com/labstack/echo/v4"

	"ocigate/gateway/operation"
	"ocigate/translate/errcode"
)

// notBegun is what a caller is told of a write that was not begun, for another
// reason than its key.
func (g *Gateway) notBegun(ctx context.Context, op operation.Operation, err error) error {
	held, ok := errors.AsType[*operation.HeldError](err)
	switch {
	case ok:
		return g.heldBy(ctx, op.Entries, held)
	case ctx.Err() != nil:
		return checkFailure(context.Cause(ctx))
	}
	return &errcode.Error{Code: errcode.JournalUnavailable, RetryAfter: shortly, Cause: err}
}

// heldBy is what a caller is told of a write of whose entries or claims another
// holds some.
func (g *Gateway) heldBy(ctx context.Context, entries []operation.Entry, held *operation.HeldError) error {
	told := &errcode.Error{Code: errcode.EntriesHeld, Operation: held.ID, RetryAfter: shortly, Cause: held}
	if holder, err := g.options.Operations.Get(ctx, held.ID); err == nil && !holder.State.Running() {
		told.RetryAfter = max(shortly, g.options.Operations.RetryAfter(&holder))
	}
	for _, e := range entries {
		if slices.Contains(held.Held, e.Claim()) {
			told.Entries = append(told.Entries, e.Given)
		}
	}
	if len(told.Entries) == 0 { // but a claim
		told.Message = "Another change of the same list or user, as a whole, has not ended yet."
	}
	return told
}

// replay finds the truth about the first request with the same key.
func (g *Gateway) replay(ctx context.Context, c echo.Context, content string, first operation.Operation) (operation.Operation, *errcode.Error, error) {
	if first.Fingerprint != content {
		return first, nil, errcode.New(errcode.KeyReused)
	}
	c.Response().Header().Set(headerOperationID, first.ID)
	if first.State == operation.Unknown {
		first = g.options.Operations.Resolve(ctx, first)
	}
	setOutcome(c, first.State.Outcome())
	if first.State.Running() || !first.HoldsKey() { // the key is about to be free
		return first, nil, &errcode.Error{Code: errcode.RequestRunning, Operation: first.ID, RetryAfter: shortly}
	}
	c.Response().Header().Set(headerReplayed, "true")
	g.options.Metrics.replays.WithLabelValues(first.Route).Inc()
	failure, err := recall(first.Response)
	return first, failure, err
}
