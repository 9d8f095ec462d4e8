package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/labstack/echo/v4"

	"ocigate/gateway/operation"
	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
)

// send sends the steps of a plan in their order, until one of them does not succeed.
// It returns the operation with its outcome, and the platform's reason for the
// outcome if one is known. Its error is the response to a write of which nothing was
// sent.
func (g *Gateway) send(ctx context.Context, c echo.Context, write *operation.Write, plan *translate.Plan) (op operation.Operation, failure *errcode.Error, err error) {
	if len(plan.Steps) == 0 {
		if op, err = write.Unchanged(recordedEntries(plan.Entries)); err != nil {
			return op, nil, &errcode.Error{Code: errcode.JournalUnavailable, RetryAfter: shortly, Cause: err}
		}
		setOutcome(c, op.State.Outcome())
		return op, nil, nil
	}
	write.Plan(recordedEntries(plan.Entries))
	for i := range plan.Steps {
		result := g.sendStep(ctx, c, write, plan, i)
		if result.reply == operation.Succeeded && i+1 < len(plan.Steps) {
			continue
		}
		if op, err = g.end(ctx, write, plan, i, result); err != nil {
			setOutcome(c, operation.NotDone)
			return op, nil, err
		}
		failure = result.failure
		break
	}
	setOutcome(c, op.State.Outcome())
	return op, failure, nil
}

// stepResult is the result of sending a step.
type stepResult struct {
	unsent  error           // why nothing of the step was sent, nil if something was
	reply   operation.Reply // of the platform; meaningless for an unsent step
	failure *errcode.Error  // the error that the caller would get, nil for a success
}

// sendStep sends the command of a step, after its intent is recorded. Once a step is
// done, the next ones are sent even if the caller has disconnected: no caller has
// asked for half of a change.
func (g *Gateway) sendStep(ctx context.Context, c echo.Context, write *operation.Write, plan *translate.Plan, i int) stepResult {
	if i > 0 {
		var cancel context.CancelFunc
		ctx, cancel = detached(ctx)
		defer cancel()
		if ctx.Err() != nil { // otherwise the journal would fail for it, and be blamed
			err := fmt.Errorf("gateway: the time of the request was over before step %d: %w", i+1, ctx.Err())
			return stepResult{unsent: err, failure: readFailure(err)}
		}
	}
	attempts, step := 0, plan.Steps[i]
	reply, err := g.options.Writer.Write(ctx, step.Command, func(endpoint string) error {
		attempts++
		err := write.Intend(ctx, i+1, endpoint)
		if err == nil {
			// From now on the platform may have the command, whatever happens here.
			setOutcome(c, operation.Unknown)
		}
		return err
	})
	if oci.NotDone(err) && attempts < 2 && !errors.Is(err, oci.ErrNotLoggedIn) {
		return stepResult{unsent: err, failure: readFailure(err)}
	}
	class, failure := g.classify(plan, step, reply, err)
	return stepResult{reply: class, failure: failure}
}

// end gives a write its outcome after the last step that was attempted. Its error is
// the response to a write of which nothing was sent.
func (g *Gateway) end(ctx context.Context, write *operation.Write, plan *translate.Plan, i int, result stepResult) (operation.Operation, error) {
	settling, cancel := detached(ctx)
	defer cancel()
	if result.unsent == nil {
		return write.Settle(settling, result.reply, encodeError(result.failure)), nil
	}
	op := write.Unsent(i + 1)
	if i > 0 {
		return op, nil // the steps before this one were done
	}
	if held, ok := errors.AsType[*operation.HeldError](result.unsent); ok {
		return op, g.heldError(ctx, recordedEntries(plan.Entries), held)
	}
	return op, readFailure(result.unsent)
}

// classify returns the class of the platform's reply to a step, or of its absence,
// and the error that the caller would get for it.
func (g *Gateway) classify(plan *translate.Plan, step translate.Step, reply oci.Reply, err error) (operation.Reply, *errcode.Error) {
	if oci.NotDone(err) {
		// The platform had a command before it reported this. A platform that refuses
		// every command with the same error, as if the session were not logged in,
		// reports it also for a write that it has done.
		return operation.Declined, unsentFailure(err)
	}
	if err != nil {
		return operation.NoReply, errcode.Wrap(errcode.OutcomeUnknown, err)
	}
	err = g.options.PlatformErrors.WriteResult(plan, step, reply)
	if err == nil {
		return operation.Succeeded, nil
	}
	failure := errcode.Of(err)
	switch {
	case failure.Code.IsTemporary():
		// The refusal is not final: the caller is to send the same request again, so
		// its key must be free.
		return operation.Declined, failure
	case failure.Code.PromisesNotDone():
		return operation.Refused, failure
	}
	return operation.Unclear, failure
}
