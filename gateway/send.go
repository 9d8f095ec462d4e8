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

// send carries out the steps of a plan in their order, until one is not a success.
// It returns the operation with its outcome, and what is known of that beside its
// state. An error is the answer of a write of which nothing was sent.
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
		sent := g.sendStep(ctx, c, write, plan, i)
		if sent.answer == operation.Succeeded && i+1 < len(plan.Steps) {
			continue
		}
		if op, err = g.settle(ctx, write, plan, i, sent); err != nil {
			setOutcome(c, operation.NotDone)
			return op, nil, err
		}
		failure = sent.failure
		break
	}
	setOutcome(c, op.State.Outcome())
	return op, failure, nil
}

// sentStep is what came of sending a step.
type sentStep struct {
	unsent  error // nothing of it left, for this reason
	answer  operation.Reply
	failure *errcode.Error // the error that the caller would get, nil for a success
}

// sendStep has the command of a step sent, after its intent is recorded. Once a step
// was done, the others follow also where the caller has left: half of a change is
// what nobody has asked for.
func (g *Gateway) sendStep(ctx context.Context, c echo.Context, write *operation.Write, plan *translate.Plan, i int) sentStep {
	if i > 0 {
		var cancel context.CancelFunc
		ctx, cancel = withoutCaller(ctx)
		defer cancel()
		if ctx.Err() != nil { // the journal would fail, and is not to blame
			err := fmt.Errorf("gateway: the time of the request was over before step %d: %w", i+1, ctx.Err())
			return sentStep{unsent: err, failure: readFailure(err)}
		}
	}
	tries, step := 0, plan.Steps[i]
	reply, err := g.options.Writer.Write(ctx, step.Command, func(node string) error {
		tries++
		err := write.Intend(ctx, i+1, node)
		if err == nil {
			// It is on its way from now on, whatever happens here.
			setOutcome(c, operation.Unknown)
		}
		return err
	})
	if oci.NotDone(err) && tries < 2 && !errors.Is(err, oci.ErrNotLoggedIn) {
		return sentStep{unsent: err, failure: readFailure(err)}
	}
	answer, failure := g.meaning(plan, step, reply, err)
	return sentStep{answer: answer, failure: failure}
}

// settle gives a write its outcome after the last step that was tried. The error is
// the answer of a write of which nothing was sent.
func (g *Gateway) settle(ctx context.Context, write *operation.Write, plan *translate.Plan, i int, sent sentStep) (operation.Operation, error) {
	settling, cancel := withoutCaller(ctx)
	defer cancel()
	if sent.unsent == nil {
		return write.Settle(settling, sent.answer, remember(sent.failure)), nil
	}
	op := write.Unsent(i + 1)
	if i > 0 {
		return op, nil // the steps before were done
	}
	if held, ok := errors.AsType[*operation.HeldError](sent.unsent); ok {
		return op, g.heldBy(ctx, recordedEntries(plan.Entries), held)
	}
	return op, readFailure(sent.unsent)
}

// meaning is what the platform's answer to a step, or its absence, means, and the
// error that the caller would get for it.
func (g *Gateway) meaning(plan *translate.Plan, step translate.Step, reply oci.Reply, err error) (operation.Reply, *errcode.Error) {
	if oci.NotDone(err) {
		// The platform was asked before it came to this. One that refuses
		// everything in the same words, as if the session were not logged in,
		// says so of a write that it has done as well.
		return operation.Declined, unsent(err)
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
		// It is not refused for good: the caller is to send the same request
		// again, so its key must be free.
		return operation.Declined, failure
	case failure.Code.PromisesNotDone():
		return operation.Refused, failure
	}
	return operation.Unclear, failure
}
