package gateway

import (
	"context"
	"errors"
	"slices"

	"github.com/labstack/echo/v4"

	"ocigate/gateway/operation"
	"ocigate/translate/errcode"
)

// beginError returns the error for a write that could not begin, for another
// reason than its idempotency key.
func (g *Gateway) beginError(ctx context.Context, op operation.Operation, err error) error {
	held, ok := errors.AsType[*operation.HeldError](err)
	switch {
	case ok:
		return g.heldError(ctx, op.Entries, held)
	case ctx.Err() != nil:
		return checkFailure(context.Cause(ctx))
	}
	return &errcode.Error{Code: errcode.JournalUnavailable, RetryAfter: shortly, Cause: err}
}

// heldError returns the error for a write if another write holds some of its entries
// or claims.
func (g *Gateway) heldError(ctx context.Context, entries []operation.Entry, held *operation.HeldError) error {
	failure := &errcode.Error{Code: errcode.EntriesHeld, Operation: held.ID, RetryAfter: shortly, Cause: held}
	if holder, err := g.options.Operations.Get(ctx, held.ID); err == nil {
		failure.RetryAfter = max(shortly, g.options.Operations.RetryAfter(&holder))
	}
	for _, e := range entries {
		if slices.Contains(held.Held, e.Claim()) {
			failure.Entries = append(failure.Entries, e.Given)
		}
	}
	if len(failure.Entries) == 0 { // only a claim is held
		failure.Message = "Another change of the same list or user, as a whole, has not ended yet."
	}
	return failure
}

// replay returns the outcome of the first request with the same idempotency key, read
// back again if it is unknown. content is the fingerprint of this request, which must
// be that of the first.
func (g *Gateway) replay(ctx context.Context, c echo.Context, content string, first operation.Operation) (operation.Operation, *errcode.Error, error) {
	if first.Fingerprint != content {
		return first, nil, errcode.New(errcode.KeyReused)
	}
	c.Response().Header().Set(HeaderOperationID, first.ID)
	if first.State == operation.Unknown {
		first = g.options.Operations.Resolve(ctx, first)
	}
	setOutcome(c, first.State.Outcome())
	if first.State.Running() || !first.HoldsKey() { // the key is about to be free
		return first, nil, &errcode.Error{Code: errcode.RequestRunning, Operation: first.ID, RetryAfter: max(shortly, g.options.Operations.RetryAfter(&first))}
	}
	c.Response().Header().Set(HeaderReplayed, "true")
	g.options.Metrics.replays.WithLabelValues(first.Route).Inc()
	failure, err := decodeError(first.Response)
	return first, failure, err
}
